//! Ports for listeners and relays of servers under test.

use std::fs::OpenOptions;
use std::io::{Read, Seek, Write};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::ops::Range;

use rustix::process::getuid;

/// Below the range from which systems give ports to whoever asks for none.
const RANGE: Range<u16> = 20_000..32_000;

/// The first of `count` ports in a row that are free for UDP and TCP, and that no other test asked for lately.
pub(crate) fn free_ports(count: u16) -> u16 {
    for _ in 0..RANGE.len() {
        let first = take_turn(count);
        if (first..first + count).all(is_free) {
            return first;
        }
    }
    panic!("no {count} free ports in a row in {RANGE:?}");
}

/// Test processes run beside each other, so they take turns through a file: who asks next gets the ports behind.
fn take_turn(count: u16) -> u16 {
    let path = std::env::temp_dir().join(format!("turnserver-test-ports-{}", getuid().as_raw()));
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    let mut file = file.expect("the system's directory for temporary files can be written");
    file.lock().expect("a file of our own can be locked");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("a readable file");
    let next = text.trim().parse().ok().filter(|next| RANGE.contains(next) && RANGE.contains(&(next + count)));
    let first: u16 = next.unwrap_or(RANGE.start);
    file.rewind().expect("a file");
    write!(file, "{:05}", first + count).expect("room for five digits");
    first
}

fn is_free(port: u16) -> bool {
    let at = (Ipv4Addr::UNSPECIFIED, port);
    UdpSocket::bind(at).is_ok() && TcpListener::bind(at).is_ok()
}
