//! A worker's epoll set: every socket it owns, named by what it is.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::epoll;

/// What became ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Another thread has something for this worker.
    Wake,
    /// A UDP listener socket, by its place.
    Listener(u32),
    /// A relay socket, by its place.
    Relay(u32),
    /// A listening TCP socket, by its place.
    Acceptor(u32),
    /// A client's connection, by its place.
    Stream(u32),
}

/// What a socket waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to read.
    Read,
    /// Something to read, or room to write.
    ReadWrite,
    /// Room to write only: what is read would have nowhere to go.
    Write,
}

/// What a ready socket can do.
#[derive(Clone, Copy, Debug)]
pub struct Ready {
    /// Which one.
    pub source: Source,
    /// It has something to read, an end or an error included.
    pub readable: bool,
    /// It has room to write.
    pub writable: bool,
}

/// An epoll set.
#[derive(Debug)]
pub struct Poller {
    epoll: OwnedFd,
}

/// Events taken in one wake-up.
const EVENTS_MAX: usize = 256;

impl Poller {
    /// An empty set.
    ///
    /// # Errors
    /// No descriptor is left.
    pub fn new() -> io::Result<Poller> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Poller { epoll })
    }

    /// Takes a socket in. It leaves the set when it is closed.
    ///
    /// # Errors
    /// The system refuses.
    pub fn add(&self, socket: impl AsFd, source: Source, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, socket, data_of(source), flags_of(interest))?)
    }

    /// Changes what a socket waits for.
    ///
    /// # Errors
    /// The socket is not in the set.
    pub fn modify(&self, socket: impl AsFd, source: Source, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, socket, data_of(source), flags_of(interest))?)
    }

    /// Takes a socket out before it moves elsewhere.
    ///
    /// # Errors
    /// The socket is not in the set.
    pub fn remove(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, socket)?)
    }

    /// Waits until something is ready, or for `timeout` at most; none: as long as it takes.
    ///
    /// # Errors
    /// The system refuses; an interrupted wait is an empty one.
    pub fn wait(&self, ready: &mut Vec<Ready>, timeout: Option<Duration>) -> io::Result<()> {
        ready.clear();
        let timeout = timeout.map(|timeout| rustix::event::Timespec {
            tv_sec: timeout.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let mut events = [MaybeUninit::uninit(); EVENTS_MAX];
        let events = match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok((events, _)) => events,
            Err(rustix::io::Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        ready.extend(events.iter().filter_map(|event| {
            let flags = event.flags;
            let broken = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP | epoll::EventFlags::RDHUP);
            Some(Ready {
                source: source_of(event.data)?,
                readable: broken || flags.contains(epoll::EventFlags::IN),
                writable: flags.contains(epoll::EventFlags::OUT),
            })
        }));
        Ok(())
    }
}

fn flags_of(interest: Interest) -> epoll::EventFlags {
    match interest {
        Interest::Read => epoll::EventFlags::IN | epoll::EventFlags::RDHUP,
        Interest::ReadWrite => epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::OUT,
        Interest::Write => epoll::EventFlags::OUT,
    }
}

fn data_of(source: Source) -> epoll::EventData {
    let (kind, place) = match source {
        Source::Wake => (0, 0),
        Source::Listener(place) => (1, place),
        Source::Relay(place) => (2, place),
        Source::Acceptor(place) => (3, place),
        Source::Stream(place) => (4, place),
    };
    epoll::EventData::new_u64(kind << 32 | u64::from(place))
}

fn source_of(data: epoll::EventData) -> Option<Source> {
    let place = data.u64() as u32;
    match data.u64() >> 32 {
        0 => Some(Source::Wake),
        1 => Some(Source::Listener(place)),
        2 => Some(Source::Relay(place)),
        3 => Some(Source::Acceptor(place)),
        4 => Some(Source::Stream(place)),
        _ => None,
    }
}
