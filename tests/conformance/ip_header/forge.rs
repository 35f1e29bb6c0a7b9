//! Packets whose IP header the row writes itself: fragments, flow labels. They need root.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::capture::UDP;
use crate::row::not_seen;

/// Whoever includes the IP header.
const PROTOCOL_RAW: i32 = 255;
const MORE_FRAGMENTS: u16 = 0x2000;

/// A socket for such packets.
pub(crate) struct Forge(Socket);

impl Forge {
    /// One for a family; none without root.
    pub(crate) fn for_address(address: SocketAddr) -> Option<Forge> {
        match Socket::new(Domain::for_address(address), Type::RAW, Some(Protocol::from(PROTOCOL_RAW))) {
            Ok(socket) => Some(Forge(socket)),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                not_seen("packets with IP headers of our own");
                None
            }
            Err(error) => panic!("a raw socket: {error}"),
        }
    }

    /// Sends one IPv4 datagram in two fragments.
    pub(crate) fn send_in_fragments(&self, from: SocketAddr, to: SocketAddr, data: &[u8]) {
        let (IpAddr::V4(source), IpAddr::V4(target)) = (from.ip(), to.ip()) else { panic!("IPv4 only") };
        let datagram = udp(from, to, data);
        let split = (datagram.len() / 2).next_multiple_of(8);
        let (first, last) = datagram.split_at(split);
        for (fragment, place) in [(first, MORE_FRAGMENTS), (last, (split / 8) as u16)] {
            self.send(to, &[&header_v4(source, target, fragment.len(), place), fragment].concat());
        }
    }

    /// Sends one IPv6 datagram with a flow label.
    pub(crate) fn send_labelled(&self, from: SocketAddr, to: SocketAddr, flow_label: u32, data: &[u8]) {
        let (IpAddr::V6(source), IpAddr::V6(target)) = (from.ip(), to.ip()) else { panic!("IPv6 only") };
        let datagram = udp(from, to, data);
        self.send(to, &[&header_v6(source, target, flow_label, datagram.len())[..], &datagram].concat());
    }

    fn send(&self, to: SocketAddr, packet: &[u8]) {
        // A raw socket has no ports.
        let sent = self.0.send_to(packet, &SockAddr::from(SocketAddr::new(to.ip(), 0)));
        assert_eq!(sent.expect("loopback has a route"), packet.len());
    }
}

fn header_v4(from: Ipv4Addr, to: Ipv4Addr, len: usize, fragment: u16) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = 0x45;
    header[2..4].copy_from_slice(&(20 + len as u16).to_be_bytes());
    // The fragments of one datagram share a number.
    header[4..6].copy_from_slice(&0x7E57_u16.to_be_bytes());
    header[6..8].copy_from_slice(&fragment.to_be_bytes());
    (header[8], header[9]) = (64, UDP);
    header[12..16].copy_from_slice(&from.octets());
    header[16..].copy_from_slice(&to.octets());
    // The kernel writes the checksum.
    header
}

fn header_v6(from: Ipv6Addr, to: Ipv6Addr, flow_label: u32, len: usize) -> [u8; 40] {
    let mut header = [0; 40];
    header[..4].copy_from_slice(&(6 << 28 | flow_label & 0x000F_FFFF).to_be_bytes());
    header[4..6].copy_from_slice(&(len as u16).to_be_bytes());
    (header[6], header[7]) = (UDP, 64);
    header[8..24].copy_from_slice(&from.octets());
    header[24..].copy_from_slice(&to.octets());
    header
}

fn udp(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Vec<u8> {
    let len = (8 + data.len() as u16).to_be_bytes();
    let mut datagram = [from.port().to_be_bytes(), to.port().to_be_bytes(), len, [0; 2]].concat();
    datagram.extend(data);
    let octets = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let pseudo = [&octets(from.ip())[..], &octets(to.ip()), &len, &[0, UDP], &datagram].concat();
    let checksum = match !sum(&pseudo) {
        0 => 0xFFFF,
        checksum => checksum,
    };
    datagram[6..8].copy_from_slice(&checksum.to_be_bytes());
    datagram
}

/// The Internet checksum's sum (RFC 1071).
fn sum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xFFFF) + (sum >> 16);
    }
    sum as u16
}
