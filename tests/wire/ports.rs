//! Ports for listeners and relays of servers under test.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which systems give ports to whoever asks for none.
const RANGE: Range<u16> = 20_000..32_000;

/// The first of `count` ports in a row that are free for UDP and TCP, and not given out before in this process.
pub(crate) fn free_ports(count: u16) -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes of one test run begin at different places.
    let start = (std::process::id() % 600) as u16 * 20;
    let width = RANGE.end - RANGE.start;
    for _ in 0..width {
        let offset = NEXT.fetch_add(count, Ordering::Relaxed);
        let first = RANGE.start + start.wrapping_add(offset) % (width - count);
        if (first..first + count).all(is_free) {
            return first;
        }
    }
    panic!("no {count} free ports in a row in {RANGE:?}");
}

fn is_free(port: u16) -> bool {
    let at = (Ipv4Addr::UNSPECIFIED, port);
    UdpSocket::bind(at).is_ok() && TcpListener::bind(at).is_ok()
}
