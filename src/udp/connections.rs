//! Stream clients in the worker's loop: accepting, messages in, ends told to the core.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};

use super::batch;
use super::fault::guarded;
use super::worker::Worker;
use crate::poll::Ready;
use crate::stream::{Kind, StreamId};
use crate::turn::io::{ClientPath, Direction};
use crate::turn::time::Now;
use crate::turn::{Answer, Destination, Path, Verdict};

/// Connections accepted before other sockets have their turn.
const ACCEPTS_MAX: usize = 64;

/// A TCP listener.
#[derive(Debug)]
pub(super) struct Acceptor {
    socket: TcpListener,
    address: SocketAddr,
    /// Let go when descriptors run out, so that a waiting connection can still be taken and refused: left waiting, it
    /// would wake the worker again and again.
    spare: Option<File>,
}

impl Acceptor {
    pub(super) fn new(socket: TcpListener, address: SocketAddr) -> Acceptor {
        Acceptor { socket, address, spare: spare() }
    }

    pub(super) fn socket(&self) -> &TcpListener {
        &self.socket
    }

    fn refuse_one(&mut self) -> Option<SocketAddr> {
        self.spare = None;
        // The connection closes at the end of the statement, which frees the descriptor for the spare.
        let client = self.socket.accept().ok().map(|(_, client)| client);
        self.spare = spare();
        client
    }
}

fn spare() -> Option<File> {
    File::open("/dev/null").ok()
}

impl Worker {
    pub(super) fn accept(&mut self, now: Now, place: u32) {
        for _ in 0..ACCEPTS_MAX {
            let acceptor = &mut self.acceptors[place as usize];
            match acceptor.socket.accept() {
                Ok((socket, client)) => {
                    let server = acceptor.address;
                    // What was refused is closed already, and counted.
                    let _ = self.streams.open(now.mono, socket, client, server, &self.poller);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_out_of_descriptors(&error) => {
                    if let Some(client) = acceptor.refuse_one() {
                        self.journal.write_out_of_descriptors(now, client.ip());
                    }
                    return;
                }
                // The client was gone before it was taken.
                Err(_) => {}
            }
        }
    }

    pub(super) fn serve_stream(&mut self, now: Now, id: StreamId, ready: &Ready) {
        if ready.writable {
            self.streams.write_ready(now.mono, id, &self.poller);
        }
        if ready.readable {
            self.read_stream(now, id);
        }
    }

    /// Reads connections that have something although their sockets are silent: records held back, or room again.
    pub(super) fn read_silent_streams(&mut self, now: Now) {
        while let Some(id) = self.streams.poll_readable() {
            self.read_stream(now, id);
        }
    }

    fn read_stream(&mut self, now: Now, id: StreamId) {
        let mut messages = std::mem::take(&mut self.messages);
        let outcome = self.streams.read(now.mono, id, &self.poller, &mut messages);
        if let Some(path) = outcome.path {
            for message in messages.drain(..) {
                self.handle_message(now, &path, &message);
            }
        }
        messages.clear();
        self.messages = messages;
        self.drain_outputs(now);
        self.end_disconnected(now);
    }

    fn handle_message(&mut self, now: Now, path: &ClientPath, message: &[u8]) {
        let Worker { server, answer, .. } = self;
        let path_in = Path::Client(*path);
        let verdict = guarded(server, |server| server.handle_datagram(now, path_in, message, answer));
        let Ok(verdict) = verdict else { return self.contain(now, Some(&path_in)) };
        match verdict {
            Verdict::Respond(_) => {
                let pieces = [self.answer.bytes(), &[], &[]];
                // A connection that is gone, or goes because too much lies there, tells so through its end.
                let _ = self.streams.send(now.mono, StreamId::from(path.link), pieces, Kind::Answer);
            }
            Verdict::Forward(forward) => {
                let Destination::Peer { relay, to, own, dont_fragment } = forward.to else { return };
                let payload = &message[forward.range.as_range()];
                let pieces = [forward.prefix.as_slice(), payload, forward.suffix.as_slice()];
                let Some(to) = self.resolve(to, own) else { return self.note_dead_end(relay, payload.len()) };
                let sent = match self.relays.socket(relay.0) {
                    Some(socket) => batch::send(socket, to, pieces, dont_fragment),
                    None => Err(io::Error::from(io::ErrorKind::NotConnected)),
                };
                if let Err(error) = sent {
                    self.counters.unsent(&error);
                    self.server.handle_unsent(Direction::ToPeer(relay), payload.len());
                }
            }
            Verdict::Drop(reason) => self.counters.dropped(reason),
        }
    }

    /// A connection that ended takes its allocation with it.
    pub(super) fn end_disconnected(&mut self, now: Now) {
        while let Some(tuple) = self.streams.poll_closed() {
            self.answer_core(now, Answer::Disconnected { tuple });
            self.drain_outputs(now);
        }
    }
}

fn is_out_of_descriptors(error: &io::Error) -> bool {
    let errno = rustix::io::Errno::from_io_error(error);
    errno.is_some_and(|errno| errno == rustix::io::Errno::MFILE || errno == rustix::io::Errno::NFILE)
}
