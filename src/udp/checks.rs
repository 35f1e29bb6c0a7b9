//! What the system grants against what the configuration needs; each shortfall is one warning that names the setting.

use std::net::UdpSocket;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::socket::LISTENER_BUFFER_LEN;

/// Descriptors of the process itself: standard streams, logs, epoll sets, handshakes between workers.
const DESCRIPTORS_RESERVED: usize = 64;

/// How many descriptors there are, and what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// The limit in force.
    pub total: usize,
    /// Relay sockets, and streams of clients that have an allocation: beyond it, allocations are answered 508.
    pub allocated_max: usize,
    /// Streams of clients that have no allocation.
    pub unallocated_streams_max: usize,
}

impl Descriptors {
    /// Raises the soft limit to the hard one and shares the result out; `own` are taken for listeners.
    pub fn claim(own: usize) -> Descriptors {
        let limit = getrlimit(Resource::Nofile);
        // A refusal leaves the soft limit as it is, and that is what is counted with.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        let total = getrlimit(Resource::Nofile).current.map_or(usize::MAX / 2, |total| total as usize);
        Descriptors::share(total, own)
    }

    /// 20 % for streams without allocation.
    fn share(total: usize, own: usize) -> Descriptors {
        let usable = total.saturating_sub(DESCRIPTORS_RESERVED.min(total / 4) + own);
        let unallocated_streams_max = usable / 5;
        Descriptors { total, allocated_max: usable - unallocated_streams_max, unallocated_streams_max }
    }

    /// Says so when the ports allow more allocations than the descriptors.
    pub fn shortfall(&self, relay_ports: usize) -> Option<String> {
        (self.allocated_max < relay_ports).then(|| {
            format!(
                "the descriptor limit of {} allows about {} allocations of UDP clients, half as many of TCP clients, \
                 fewer than the {relay_ports} relay ports; raise LimitNOFILE= in the systemd unit or `ulimit -n`",
                self.total, self.allocated_max
            )
        })
    }
}

/// What is left of [`Descriptors::allocated_max`]; all workers share it.
#[derive(Debug)]
pub(super) struct DescriptorBudget {
    max: usize,
    taken: AtomicUsize,
}

impl DescriptorBudget {
    pub(super) fn new(max: usize) -> DescriptorBudget {
        DescriptorBudget { max, taken: AtomicUsize::new(0) }
    }

    /// Takes one that is about to be opened; false when there is none.
    pub(super) fn take(&self) -> bool {
        let within = |taken: usize| (taken < self.max).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    /// Counts one that is open already: a stream whose client got an allocation.
    pub(super) fn take_open(&self) {
        self.taken.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives one back.
    pub(super) fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Says so when a listener got a smaller receive buffer than it asked for.
pub(super) fn buffer_shortfall(listener: &UdpSocket) -> Option<String> {
    // The kernel reports twice what it grants, for its own bookkeeping.
    let granted = socket2::SockRef::from(listener).recv_buffer_size().ok()? / 2;
    (granted < LISTENER_BUFFER_LEN).then(|| {
        format!(
            "UDP listeners asked for {LISTENER_BUFFER_LEN} bytes of receive buffer and got {granted}; \
             raise the sysctl net.core.rmem_max"
        )
    })
}

/// Says so when the system may give relay ports to other programs.
pub(super) fn port_overlap(relay: &RangeInclusive<u16>) -> Option<String> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok();
    overlap(relay, &read("ip_local_port_range")?, &read("ip_local_reserved_ports").unwrap_or_default())
}

fn overlap(relay: &RangeInclusive<u16>, local: &str, reserved: &str) -> Option<String> {
    let mut bounds = local.split_whitespace().filter_map(|bound| bound.parse::<u16>().ok());
    let (first, last) = (bounds.next()?, bounds.next()?);
    let (from, to) = (first.max(*relay.start()), last.min(*relay.end()));
    let is_reserved =
        reserved.trim().split(',').filter_map(range).any(|range| range.contains(&from) && range.contains(&to));
    (from <= to && !is_reserved).then(|| {
        format!(
            "relay ports {from}-{to} overlap the system's local port range {first}-{last}, so other programs may take \
             them; set the sysctl net.ipv4.ip_local_reserved_ports={from}-{to}, or move min-port and max-port"
        )
    })
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_names_the_ports_and_the_setting() {
        let warning = overlap(&(49152..=65535), "32768\t60999\n", "").expect("the ranges overlap");
        assert!(warning.contains("49152-60999") && warning.contains("ip_local_reserved_ports"), "{warning}");
    }

    #[test]
    fn reserved_or_distant_ports_do_not_overlap() {
        assert_eq!(overlap(&(49152..=65535), "32768 60999", "80,49152-65535\n"), None);
        assert_eq!(overlap(&(49152..=65535), "16384 40000", ""), None);
    }

    #[test]
    fn few_descriptors_are_shared_out_and_said() {
        let descriptors = Descriptors::share(1024, 10);
        assert_eq!((descriptors.allocated_max, descriptors.unallocated_streams_max), (760, 190));
        assert!(descriptors.shortfall(16384).expect("760 < 16384").contains("LimitNOFILE"));
        assert_eq!(descriptors.shortfall(700), None);
    }

    #[test]
    fn a_budget_is_never_overdrawn_but_by_what_is_open() {
        let budget = DescriptorBudget::new(2);
        assert!(budget.take() && budget.take() && !budget.take());
        budget.give_back();
        budget.take_open();
        assert!(!budget.take());
        budget.take_open();
        budget.give_back();
        assert!(!budget.take(), "the stream that was open already counts");
    }
}
