//! What the system grants against what the configuration needs; each shortfall is one warning that names the setting.

use std::net::UdpSocket;
use std::ops::RangeInclusive;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::socket::LISTENER_BUFFER_LEN;

/// Descriptors that are not clients': listeners of every worker, epoll sets, logs.
const DESCRIPTORS_RESERVED: usize = 256;

/// How many descriptors there are, and what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// The limit in force.
    pub total: usize,
    /// Relay sockets: beyond it, allocations are answered 508.
    pub relay_sockets_max: usize,
    /// Streams of clients that have no allocation.
    pub unauthenticated_streams_max: usize,
}

impl Descriptors {
    /// Raises the soft limit to the hard one and shares the result out.
    pub fn claim() -> Descriptors {
        let limit = getrlimit(Resource::Nofile);
        // A refusal leaves the soft limit as it is, and that is what is counted with.
        let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
        let total = getrlimit(Resource::Nofile).current.map_or(usize::MAX / 2, |total| total as usize);
        Descriptors::share(total)
    }

    /// 20 % for streams without allocation; an allocation takes one for its relay, and one for its stream.
    fn share(total: usize) -> Descriptors {
        let usable = total.saturating_sub(DESCRIPTORS_RESERVED.min(total / 2));
        let unauthenticated_streams_max = usable / 5;
        Descriptors { total, relay_sockets_max: usable - unauthenticated_streams_max, unauthenticated_streams_max }
    }

    /// Says so when the ports allow more allocations than the descriptors.
    pub fn shortfall(&self, relay_ports: usize) -> Option<String> {
        (self.relay_sockets_max < relay_ports).then(|| {
            format!(
                "the descriptor limit of {} allows about {} allocations, fewer than the {relay_ports} relay ports; \
                 raise LimitNOFILE= in the systemd unit or `ulimit -n`",
                self.total, self.relay_sockets_max
            )
        })
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
        let descriptors = Descriptors::share(1024);
        assert_eq!((descriptors.relay_sockets_max, descriptors.unauthenticated_streams_max), (615, 153));
        assert!(descriptors.shortfall(16384).expect("615 < 16384").contains("LimitNOFILE"));
        assert_eq!(descriptors.shortfall(600), None);
    }
}
