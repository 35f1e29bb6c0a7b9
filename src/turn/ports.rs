//! The ports of relayed addresses: which are free, which are live, which rest. Workers share it, off the packet path; on
//! it they only ask whether a port is live.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::ops::{Add, RangeInclusive};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use rand_chacha::rand_core::RngCore;

use super::io::OwnPeer;
use super::limits::{PORT_GONE_SECS, PORT_REST_SECS};
use super::time::Mono;

/// Random probes before the free ports are walked.
const PROBES: usize = 16;

/// What is asked of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// Nothing.
    Any,
    /// It is even.
    Even,
    /// It is even and the next one is free, and taken with it.
    EvenPair,
}

/// What the ports of a relay address do; together they are all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortCounts {
    /// An allocation has them, or they are reserved.
    pub in_use: usize,
    /// They were freed a moment ago, and are taken only where nothing else is free.
    pub resting: usize,
    /// Nobody has them.
    pub free: usize,
}

impl Add for PortCounts {
    type Output = PortCounts;

    fn add(self, other: PortCounts) -> PortCounts {
        let PortCounts { in_use, resting, free } = other;
        PortCounts { in_use: self.in_use + in_use, resting: self.resting + resting, free: self.free + free }
    }
}

/// The ports of one relay address.
#[derive(Debug)]
pub struct RelayPorts {
    local: IpAddr,
    external: IpAddr,
    first: u16,
    count: usize,
    live: Box<[AtomicU64]>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// One bit a port: taken, resting, or beyond the range.
    used: Box<[u64]>,
    /// Ports set free, and when they may be taken again, in that order.
    resting: VecDeque<(Mono, u16)>,
    /// Ports of allocations that ended a moment ago, and until when that counts.
    gone: VecDeque<(Mono, u16)>,
    taken: usize,
}

impl RelayPorts {
    /// All ports of `range` on `local`, which the world calls `external`.
    pub fn new(local: IpAddr, external: IpAddr, range: RangeInclusive<u16>) -> RelayPorts {
        let first = *range.start();
        let count = usize::from(*range.end()) + 1 - usize::from(first);
        let words = count.div_ceil(64);
        let mut used = vec![0u64; words].into_boxed_slice();
        if count % 64 != 0 {
            used[words - 1] = !0 << (count % 64);
        }
        let live = (0..words).map(|_| AtomicU64::new(0)).collect();
        RelayPorts {
            local,
            external,
            first,
            count,
            live,
            state: Mutex::new(State { used, resting: VecDeque::new(), gone: VecDeque::new(), taken: 0 }),
        }
    }

    /// The address sockets are bound to.
    pub fn local(&self) -> IpAddr {
        self.local
    }

    /// What the world calls it.
    pub fn external(&self) -> IpAddr {
        self.external
    }

    /// Takes a random free port. Ports that rest are taken only when no other is free.
    pub fn take(&self, parity: Parity, rng: &mut impl RngCore, now: Mono) -> Option<u16> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.wake(now, self.first);
        let index = self.find(&state.used, parity, rng).or_else(|| self.wake_fitting(&mut state, parity))?;
        state.occupy(index);
        if parity == Parity::EvenPair {
            state.occupy(index + 1);
        }
        Some(self.first + index as u16)
    }

    /// Gives a port back; it rests for a while, so that late data of its last peers does not reach the next client.
    pub fn free(&self, port: u16, now: Mono) {
        let was_live = self.is_live(port);
        self.set_live(port, false);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.gone.pop_front_if(|(until, _)| *until <= now).is_some() {}
        if was_live {
            state.gone.push_back((now.plus_secs(PORT_GONE_SECS), port));
        }
        state.taken -= 1;
        state.resting.push_back((now.plus_secs(PORT_REST_SECS), port));
    }

    /// Whether an allocation has the port, or had it a moment ago: what it sent last may still lie in the socket of
    /// another relay.
    fn is_or_was_live(&self, port: u16, now: Mono) -> bool {
        let was_live = || {
            let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.gone.iter().any(|(until, gone)| *gone == port && now < *until)
        };
        self.is_live(port) || was_live()
    }

    /// Says whether an allocation has the port.
    pub fn set_live(&self, port: u16, live: bool) {
        let Some(index) = self.index(port) else { return };
        let bit = 1 << (index % 64);
        match live {
            true => self.live[index / 64].fetch_or(bit, Ordering::Relaxed),
            false => self.live[index / 64].fetch_and(!bit, Ordering::Relaxed),
        };
    }

    /// Whether an allocation has the port.
    pub fn is_live(&self, port: u16) -> bool {
        self.index(port).is_some_and(|index| self.live[index / 64].load(Ordering::Relaxed) >> (index % 64) & 1 == 1)
    }

    /// Ports taken, resting, and free: together the range.
    pub fn census(&self) -> (usize, usize, usize) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let used: usize = state.used.iter().map(|word| word.count_ones() as usize).sum();
        let beyond = state.used.len() * 64 - self.count;
        (state.taken, state.resting.len(), self.count + beyond - used)
    }

    /// What its ports do now.
    pub fn counts(&self, now: Mono) -> PortCounts {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let over = state.resting.partition_point(|(until, _)| *until <= now);
        let (in_use, resting) = (state.taken, state.resting.len() - over);
        PortCounts { in_use, resting, free: self.count.saturating_sub(in_use + resting) }
    }

    /// How many ports there are.
    pub fn count(&self) -> usize {
        self.count
    }

    fn index(&self, port: u16) -> Option<usize> {
        let index = usize::from(port.checked_sub(self.first)?);
        (index < self.count).then_some(index)
    }

    /// Probes at random, then walks on from a random place, so that a nearly full range is still searched whole.
    fn find(&self, used: &[u64], parity: Parity, rng: &mut impl RngCore) -> Option<usize> {
        let mut random = || (rng.next_u64() % self.count as u64) as usize;
        let fits = |index: usize| self.fits(used, parity, index);
        if let Some(index) = (0..PROBES).map(|_| random()).find(|index| fits(*index)) {
            return Some(index);
        }
        let start = random();
        (0..self.count).map(|step| (start + step) % self.count).find(|index| fits(*index))
    }

    /// Ends the rest of the port that rested longest of those that fit; whatever does not fit rests on.
    fn wake_fitting(&self, state: &mut State, parity: Parity) -> Option<usize> {
        let index_of = |port: u16| usize::from(port - self.first);
        let mut used = state.used.clone();
        for (_, port) in &state.resting {
            used[index_of(*port) / 64] &= !(1 << (index_of(*port) % 64));
        }
        let candidate = |port: u16| match parity {
            Parity::EvenPair if port % 2 == 1 => index_of(port).checked_sub(1),
            _ => Some(index_of(port)),
        };
        let mut candidates = state.resting.iter().filter_map(|(_, port)| candidate(*port));
        let index = candidates.find(|index| self.fits(&used, parity, *index))?;
        let is_pair = parity == Parity::EvenPair;
        state.resting.retain(|(_, port)| index_of(*port) != index && !(is_pair && index_of(*port) == index + 1));
        Some(index)
    }

    fn fits(&self, used: &[u64], parity: Parity, index: usize) -> bool {
        let is_free = |index: usize| index < self.count && used[index / 64] >> (index % 64) & 1 == 0;
        let is_even = (usize::from(self.first) + index).is_multiple_of(2);
        match parity {
            Parity::Any => is_free(index),
            Parity::Even => is_even && is_free(index),
            Parity::EvenPair => is_even && is_free(index) && is_free(index + 1),
        }
    }
}

impl State {
    fn occupy(&mut self, index: usize) {
        self.used[index / 64] |= 1 << (index % 64);
        self.taken += 1;
    }

    fn vacate(&mut self, index: usize) {
        self.used[index / 64] &= !(1 << (index % 64));
    }

    fn wake(&mut self, now: Mono, first: u16) {
        while let Some((_, port)) = self.resting.pop_front_if(|(until, _)| *until <= now) {
            self.vacate(usize::from(port - first));
        }
    }
}

/// All relay addresses of the server.
#[derive(Debug)]
pub struct RelayAddresses {
    addresses: Vec<RelayPorts>,
}

impl RelayAddresses {
    /// In order of preference.
    pub fn new(addresses: Vec<RelayPorts>) -> RelayAddresses {
        RelayAddresses { addresses }
    }

    /// The addresses in order.
    pub fn iter(&self) -> impl Iterator<Item = &RelayPorts> {
        self.addresses.iter()
    }

    /// The ports of a local address.
    pub fn of_local(&self, local: IpAddr) -> Option<&RelayPorts> {
        self.addresses.iter().find(|ports| ports.local == local)
    }

    /// Where data for a peer goes. An address of ours stands for the local address of the live allocation on its port:
    /// behind a 1:1 NAT the external one would not come back to us.
    pub fn destination(&self, to: SocketAddr, own: OwnPeer) -> Option<SocketAddr> {
        only_live(to, own, |to| {
            self.addresses
                .iter()
                .filter(|ports| ports.local == to.ip() || ports.external == to.ip())
                .find(|ports| ports.is_live(to.port()))
                .map(|ports| SocketAddr::new(ports.local, to.port()))
        })
    }

    /// What a peer is called: data from the relay socket of a live allocation comes from its external address, which is
    /// the one its peers know.
    pub fn source(&self, from: SocketAddr, own: OwnPeer, now: Mono) -> Option<SocketAddr> {
        only_live(from, own, |from| {
            let ports = self.of_local(from.ip()).filter(|ports| ports.is_or_was_live(from.port(), now))?;
            Some(SocketAddr::new(ports.external, from.port()))
        })
    }
}

/// `address`, or what it is among the live allocations when it is ours.
fn only_live(
    address: SocketAddr,
    own: OwnPeer,
    among_live: impl FnOnce(SocketAddr) -> Option<SocketAddr>,
) -> Option<SocketAddr> {
    match own {
        OwnPeer::No => Some(address),
        OwnPeer::LiveOnly => among_live(address),
        OwnPeer::LiveFirst => Some(among_live(address).unwrap_or(address)),
    }
}
