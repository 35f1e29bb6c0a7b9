//! What a packet looked like on its way: headers as a packet socket shows them. It needs root; without it a row says so
//! aloud and checks what is left.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use crate::row::not_seen;

/// Far beyond what a busy machine takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// Room for what comes while the row does something else.
const BUFFER_LEN: usize = 4 * 1024 * 1024;

const ETHER_IPV4: u16 = 0x0800;
const ETHER_IPV6: u16 = 0x86DD;
pub(crate) const UDP: u8 = 17;
pub(crate) const TCP: u8 = 6;

/// A look at the packets to one transport address.
pub(crate) struct Capture {
    socket: Socket,
    to: SocketAddr,
    protocol: u8,
}

/// A packet that passed.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// DSCP and ECN: TOS of IPv4, the traffic class of IPv6.
    pub(crate) tos: u8,
    /// TTL, or the hop limit.
    pub(crate) ttl: u8,
    pub(crate) dont_fragment: bool,
    /// 0 with IPv4.
    pub(crate) flow_label: u32,
    /// Behind the transport header.
    pub(crate) payload: Vec<u8>,
}

impl Seen {
    pub(crate) fn dscp(&self) -> u8 {
        self.tos >> 2
    }

    pub(crate) fn ecn(&self) -> u8 {
        self.tos & 3
    }
}

impl Capture {
    /// Looks at the UDP packets to `to` from now on; none without root.
    pub(crate) fn to(to: SocketAddr) -> Option<Capture> {
        Capture::of(to, UDP)
    }

    /// The same for the segments of a TCP connection.
    pub(crate) fn segments_to(to: SocketAddr) -> Option<Capture> {
        Capture::of(to, TCP)
    }

    fn of(to: SocketAddr, protocol: u8) -> Option<Capture> {
        match Capture::open(to, protocol) {
            Ok(socket) => Some(Capture { socket, to, protocol }),
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                not_seen("IP headers of what the server sends");
                None
            }
            Err(error) => panic!("a packet socket: {error}"),
        }
    }

    fn open(to: SocketAddr, protocol: u8) -> io::Result<Socket> {
        let ether = if to.is_ipv4() { ETHER_IPV4 } else { ETHER_IPV6 };
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(i32::from(ether.to_be()))))?;
        socket.attach_filter(&filter(to, protocol))?;
        socket.set_recv_buffer_size(BUFFER_LEN)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(socket)
    }

    /// The packet that carried `data`, waited for.
    pub(crate) fn header_of(&mut self, data: &[u8]) -> Seen {
        loop {
            let seen = self.next();
            if seen.payload.windows(data.len()).any(|window| window == data) {
                return seen;
            }
        }
    }

    /// The next packet, waited for.
    pub(crate) fn next(&mut self) -> Seen {
        loop {
            let mut packet = vec![0; 70_000];
            let len = self.socket.read(&mut packet).expect("the packet passes");
            if let Some(seen) = read_packet(&packet[..len], self.to, self.protocol) {
                return seen;
            }
        }
    }
}

/// Keeps what goes to this port by this protocol: the packets of all other rows would fill the buffer.
fn filter(to: SocketAddr, protocol: u8) -> Vec<SockFilter> {
    const LOAD_BYTE: u16 = 0x30;
    const LOAD_HALF: u16 = 0x28;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    let (protocol_at, port_at) = if to.is_ipv4() { (9, 22) } else { (6, 42) };
    vec![
        SockFilter::new(LOAD_BYTE, 0, 0, protocol_at),
        SockFilter::new(JUMP_IF_EQUAL, 0, 3, u32::from(protocol)),
        SockFilter::new(LOAD_HALF, 0, 0, port_at),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, u32::from(to.port())),
        SockFilter::new(RETURN, 0, 0, 0x0004_0000),
        SockFilter::new(RETURN, 0, 0, 0),
    ]
}

/// Takes a packet apart that begins with its IP header; none when it is another one.
fn read_packet(packet: &[u8], to: SocketAddr, protocol: u8) -> Option<Seen> {
    let mut seen = Seen { tos: 0, ttl: 0, dont_fragment: false, flow_label: 0, payload: Vec::new() };
    let (found, transport) = match to.ip() {
        IpAddr::V4(ip) if packet.len() >= 20 && packet[16..20] == ip.octets() => {
            (seen.tos, seen.ttl, seen.dont_fragment) = (packet[1], packet[8], packet[6] & 0x40 != 0);
            (packet[9], packet.get(usize::from(packet[0] & 0x0F) * 4..)?)
        }
        IpAddr::V6(ip) if packet.len() >= 40 && packet[24..40] == ip.octets() => {
            let first = u32::from_be_bytes([packet[0], packet[1], packet[2], packet[3]]);
            (seen.tos, seen.ttl, seen.flow_label) = ((first >> 20) as u8, packet[7], first & 0x000F_FFFF);
            (packet[6], &packet[40..])
        }
        _ => return None,
    };
    let port = u16::from_be_bytes(transport.get(2..4)?.try_into().ok()?);
    let header_len = if protocol == TCP { usize::from(*transport.get(12)? >> 4) * 4 } else { 8 };
    seen.payload = transport.get(header_len..)?.to_vec();
    (found == protocol && port == to.port()).then_some(seen)
}
