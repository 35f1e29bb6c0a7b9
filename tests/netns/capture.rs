//! Everything a host sends, as it lies on its interfaces, loopback included.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::Host;

/// Ethernet protocols.
const ALL: u16 = 3;
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86DD;
const UDP: u8 = 17;
const TCP: u8 = 6;
const ICMPV6: u8 = 58;
const NEIGHBOUR_SOLICITATION: u8 = 135;
/// The discard port: marks go there.
const MARK_PORT: u16 = 9;
/// The longest wait for a mark; far beyond what a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Packet {
    /// A UDP datagram.
    Udp {
        /// Its source.
        from: SocketAddr,
        /// Its destination.
        to: SocketAddr,
    },
    /// A TCP segment.
    Tcp {
        /// Its source.
        from: SocketAddr,
        /// Its destination.
        to: SocketAddr,
    },
    /// A question, by ARP or neighbour discovery, who has an address.
    WhoHas(IpAddr),
}

/// Sees the packets of one host.
pub(crate) struct Capture {
    socket: Socket,
    marker: UdpSocket,
    marks: u64,
}

impl Capture {
    /// Begins to see what `host` sends and receives.
    pub(crate) fn on(host: &Host) -> Capture {
        host.call(|| {
            let protocol = Protocol::from(i32::from(ALL.to_be()));
            let socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).expect("root may see packets");
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            let marker = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
            Capture { socket, marker, marks: 0 }
        })
    }

    /// What was seen since the last call. A mark is sent behind it, so that nothing is still under way; if the kernel had
    /// to drop packets the mark would be among them.
    pub(crate) fn take(&mut self) -> BTreeSet<Packet> {
        self.marks += 1;
        let mark = self.marks.to_be_bytes();
        self.marker.send_to(&mark, (Ipv4Addr::LOCALHOST, MARK_PORT)).expect("loopback is up");
        let marker = self.marker.local_addr().expect("a bound socket");
        let mut seen = BTreeSet::new();
        let mut frame = [0; 65_536];
        loop {
            let len = match self.socket.read(&mut frame) {
                Ok(len) => len,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => panic!("the mark was not seen, so packets were lost: {error}"),
            };
            let frame = &frame[..len];
            match parse(frame) {
                // A packet on loopback is seen when it leaves and when it arrives; earlier marks are old.
                Some(Packet::Udp { from, .. }) if from == marker => {
                    if frame.ends_with(&mark) {
                        return seen;
                    }
                }
                packet => seen.extend(packet),
            }
        }
    }
}

fn parse(frame: &[u8]) -> Option<Packet> {
    let (ethernet, rest) = frame.split_at_checked(14)?;
    match u16::from_be_bytes([ethernet[12], ethernet[13]]) {
        ARP if rest.get(6..8)? == [0, 1] => {
            let target: [u8; 4] = rest.get(24..28)?.try_into().ok()?;
            Some(Packet::WhoHas(target.into()))
        }
        IPV4 => {
            let header_len = usize::from(rest.first()? & 0x0F) * 4;
            let address = |at: usize| Some(IpAddr::from(<[u8; 4]>::try_from(rest.get(at..at + 4)?).ok()?));
            transport(*rest.get(9)?, address(12)?, address(16)?, rest.get(header_len..)?)
        }
        IPV6 => {
            let address = |at: usize| Some(IpAddr::from(<[u8; 16]>::try_from(rest.get(at..at + 16)?).ok()?));
            transport(*rest.get(6)?, address(8)?, address(24)?, rest.get(40..)?)
        }
        _ => None,
    }
}

fn transport(protocol: u8, from: IpAddr, to: IpAddr, payload: &[u8]) -> Option<Packet> {
    let port = |at: usize| Some(u16::from_be_bytes(payload.get(at..at + 2)?.try_into().ok()?));
    let socket = |ip: IpAddr, at: usize| Some(SocketAddr::new(ip, port(at)?));
    match protocol {
        UDP => Some(Packet::Udp { from: socket(from, 0)?, to: socket(to, 2)? }),
        TCP => Some(Packet::Tcp { from: socket(from, 0)?, to: socket(to, 2)? }),
        ICMPV6 if *payload.first()? == NEIGHBOUR_SOLICITATION => {
            let target: [u8; 16] = payload.get(8..24)?.try_into().ok()?;
            Some(Packet::WhoHas(Ipv6Addr::from(target).into()))
        }
        _ => None,
    }
}
