//! Stream clients in the worker's loop: accepting, messages in, ends told to the core.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::ops::ControlFlow;
use std::time::Duration;

use rustix::io::Errno;

use super::batch;
use super::counters::{Leg, Side};
use super::fault::{Concerned, guarded};
use super::worker::Worker;
use crate::poll::{Interest, Poller, Ready, Source};
use crate::stream::{Kind, Sent, StreamId};
use crate::turn::io::{ClientPath, Direction, Forward};
use crate::turn::time::{Mono, Now};
use crate::turn::{Answer, Destination, DropReason, Path, Verdict};

/// Connections accepted before other sockets have their turn.
const ACCEPTS_MAX: usize = 64;
/// How long nobody is accepted when the system has nothing to accept with.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A TCP listener.
#[derive(Debug)]
pub(super) struct Acceptor {
    socket: TcpListener,
    address: SocketAddr,
    /// Let go when descriptors run out, so that a waiting connection can still be taken and refused: left waiting, it
    /// would wake the worker again and again.
    spare: Option<File>,
    /// When it accepts again, while there is not even enough to refuse with.
    resumes_at: Option<Mono>,
}

impl Acceptor {
    pub(super) fn new(socket: TcpListener, address: SocketAddr) -> Acceptor {
        Acceptor { socket, address, spare: spare(), resumes_at: None }
    }

    /// The same for another epoll set, which has it from the begin.
    pub(super) fn anew(self) -> Acceptor {
        Acceptor { spare: self.spare.or_else(spare), resumes_at: None, ..self }
    }

    pub(super) fn socket(&self) -> &TcpListener {
        &self.socket
    }

    fn refuse_one(&mut self) -> io::Result<SocketAddr> {
        self.spare = None;
        // The connection closes at the end of the statement, which frees the descriptor for the spare.
        let client = self.socket.accept().map(|(_, client)| client);
        self.spare = spare();
        client
    }

    /// Connections wait in the kernel for a while. The socket is out of the set meanwhile, as it would be ready all the
    /// time; if it cannot be taken out, the worker spins but serves.
    fn pause(&mut self, now: Mono, poller: &Poller) {
        if poller.remove(&self.socket).is_ok() {
            self.resumes_at = Some(now + ACCEPT_PAUSE);
        }
    }

    /// Accepts again when the pause is over; a set that does not take the socket is asked again later.
    fn resume(&mut self, now: Mono, poller: &Poller, place: u32) {
        if self.resumes_at.is_none_or(|at| now < at) {
            return;
        }
        self.spare = self.spare.take().or_else(spare);
        let watched = poller.add(&self.socket, Source::Acceptor(place), Interest::Read);
        self.resumes_at = watched.is_err().then(|| now + ACCEPT_PAUSE);
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
                Err(error) if is_out_of_resources(&error) => {
                    let refused = acceptor.refuse_one();
                    let client = refused.as_ref().map_or(acceptor.address, |client| *client);
                    self.journal.write_out_of_descriptors(now, client.ip());
                    if refused.is_err() {
                        acceptor.pause(now.mono, &self.poller);
                    }
                    return;
                }
                // The client was gone before it was taken.
                Err(_) => {}
            }
        }
    }

    /// When an acceptor is to accept again.
    pub(super) fn next_resumption(&self) -> Option<Mono> {
        self.acceptors.iter().filter_map(|acceptor| acceptor.resumes_at).min()
    }

    pub(super) fn resume_accepting(&mut self, now: Now) {
        for (place, acceptor) in (0..).zip(&mut self.acceptors) {
            acceptor.resume(now.mono, &self.poller, place);
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
                // What a client sent behind what made us end its connection is not for us.
                if self.handle_message(now, &path, &message).is_break() {
                    break;
                }
            }
        }
        messages.clear();
        self.messages = messages;
        self.drain_outputs(now);
        self.end_disconnected(now);
    }

    /// Breaks when the message made us end the connection.
    fn handle_message(&mut self, now: Now, path: &ClientPath, message: &[u8]) -> ControlFlow<()> {
        let Worker { server, answer, .. } = self;
        let path_in = Path::Client(*path);
        let verdict = guarded(server, |server| server.handle_datagram(now, path_in, message, answer));
        let Ok(verdict) = verdict else {
            self.contain(now, &Concerned::Datagram(path_in));
            return ControlFlow::Break(());
        };
        if let Verdict::Respond(_) | Verdict::Drop(DropReason::Parked) = verdict {
            self.counters.messages.requested(message);
        }
        match verdict {
            Verdict::Respond(credit) if !self.is_affordable(now, path, credit) => {
                self.streams.close_guesser(now.mono, StreamId::from(path.link));
                return ControlFlow::Break(());
            }
            Verdict::Respond(_) => {
                if message.starts_with(&[0, 1]) && self.server.settings().config.log.bindings {
                    self.journal.write_binding(now, path);
                }
                let pieces = [self.answer.bytes(), &[], &[]];
                // A connection that is gone, or goes because too much lies there, tells so through its end.
                if self.streams.send(now.mono, StreamId::from(path.link), pieces, Kind::Answer) == Sent::Queued {
                    self.counters.messages.answered(self.answer.bytes());
                }
            }
            Verdict::Forward(forward) => self.forward_message(now, path, &forward, message),
            Verdict::Drop(DropReason::Parked) => {}
            Verdict::Drop(reason) => self.counters.dropped(Side::Client, reason),
        }
        ControlFlow::Continue(())
    }

    fn forward_message(&mut self, now: Now, path: &ClientPath, forward: &Forward, message: &[u8]) {
        let Destination::Peer { relay, to, own, dont_fragment } = forward.to else { return };
        let payload = &message[forward.range.as_range()];
        self.counters.relayed(Leg::ClientToServer, path.tuple.transport, 1, payload.len());
        let pieces = [forward.prefix.as_slice(), payload, forward.suffix.as_slice()];
        let Some(to) = self.resolve(to, own) else { return self.note_dead_end(now, relay, payload.len()) };
        let sent = match self.relays.socket(relay.0) {
            Some(socket) => batch::send(socket, to, pieces, dont_fragment),
            None => Err(io::Error::from(io::ErrorKind::NotConnected)),
        };
        match sent {
            Ok(()) => self.counters.relayed(Leg::ServerToPeer, path.tuple.transport, 1, payload.len()),
            Err(error) => {
                self.counters.unsent(&error);
                self.take_back(now, Direction::ToPeer(relay), payload.len());
            }
        }
    }

    /// A connection that ended takes its allocation with it.
    pub(super) fn end_disconnected(&mut self, now: Now) {
        while let Some(tuple) = self.streams.poll_closed() {
            self.answer_core(now, Answer::Disconnected { tuple });
            self.drain_outputs(now);
            self.places.give_back(&tuple, &self.shared.descriptors);
        }
    }
}

fn is_out_of_resources(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].contains(&errno))
}
