//! Every address by every method over every transport in every profile.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use crate::canaries::PORT;
use crate::lab::{Lab, Over, RELAY_PORTS, client, permit_all, settle};
use crate::netns::{Packet, can_make_hosts};
use crate::wire::tls::Certificate;
use crate::wire::{Client, Received, poll_until};

/// Rows that one allocation takes: fewer than it may have permissions or channels.
const CHUNK: usize = 100;

/// A peer and what the rules say about it.
struct Row {
    peer: IpAddr,
    in_coturn: bool,
    elsewhere: bool,
}

fn rows() -> Vec<Row> {
    let lines = include_str!("addresses.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let row = |line: &str| {
        let (verdict, peer) = line.split_once(' ').expect("a verdict and an address");
        let (in_coturn, elsewhere) = match verdict {
            "never" => (false, false),
            "coturn" => (true, false),
            "open" => (true, true),
            other => panic!("{other}?"),
        };
        Row { peer: peer.trim().parse().expect("an address"), in_coturn, elsewhere }
    };
    lines.map(row).collect()
}

/// A public address for each row that nobody else asks for.
fn good(peer: IpAddr, number: usize) -> IpAddr {
    match peer {
        IpAddr::V4(_) => Ipv4Addr::new(9, 9, (number / 250) as u8, (number % 250) as u8).into(),
        IpAddr::V6(_) => Ipv6Addr::new(0x2606, 0x4700, 0, 0, 0, 0, 9, number as u16).into(),
    }
}

/// One client and what it saw so far.
struct Probe<'l> {
    lab: &'l mut Lab,
    client: Client,
    channel: u16,
}

impl Probe<'_> {
    /// Where data goes that is sent to each of `peers`.
    fn reached(&mut self, peers: &[SocketAddr]) -> BTreeSet<SocketAddr> {
        peers.iter().for_each(|peer| self.client.send(*peer, b"by indication"));
        settle(&mut self.client);
        self.lab.relayed()
    }

    /// One row by every method; returns how many datagrams its canary hears.
    fn row(&mut self, row: &Row, number: usize, is_open: bool) -> usize {
        let peer = SocketAddr::new(row.peer, PORT);
        let good = good(row.peer, number);
        assert_eq!(self.reached(&[peer]), BTreeSet::new(), "Send to {peer} without a permission");

        for list in [[good, row.peer], [row.peer, good]] {
            if !is_open {
                assert_eq!(permit_all(&mut self.client, &list), 403, "CreatePermission for {list:?}");
            }
        }
        let expected = if is_open { 0 } else { 403 };
        assert_eq!(self.client.permit(row.peer).code(), expected, "CreatePermission for {peer}");
        let all = [SocketAddr::new(good, PORT), peer];
        let reachable: BTreeSet<SocketAddr> = is_open.then_some(peer).into_iter().collect();
        assert_eq!(self.reached(&all), reachable, "Send after CreatePermission for {peer}");

        let bound = self.client.bind(self.channel, peer).code();
        assert_eq!(bound, expected, "ChannelBind for {peer}");
        self.client.send_channel(self.channel, b"on a channel");
        assert_eq!(self.reached(&[]), reachable, "ChannelData for {peer}");
        if is_open {
            self.channel += 1;
            return 2;
        }
        0
    }
}

/// The whole table for one profile.
fn hold(profile: &str) {
    if !can_make_hosts(&format!("the matrix of peer addresses in the {profile} profile")) {
        return;
    }
    let rows = rows();
    assert!(rows.len() > 500, "{} rows", rows.len());
    let mut lab = Lab::new();
    let certificate = Certificate::new();
    let server = lab.start(&certificate, &[&format!("--profile={profile}")]);
    let mut heard = 0;
    for over in [Over::Udp, Over::Tcp, Over::Tls] {
        for is_ipv4 in [true, false] {
            let of_family: Vec<&Row> = rows.iter().filter(|row| row.peer.is_ipv4() == is_ipv4).collect();
            for chunk in of_family.chunks(CHUNK) {
                let (client, _) = client(&lab, &server, &certificate, over, chunk[0].peer);
                let mut probe = Probe { lab: &mut lab, client, channel: 0x4000 };
                for (number, row) in chunk.iter().enumerate() {
                    let is_open = if profile == "coturn" { row.in_coturn } else { row.elsewhere };
                    heard += probe.row(row, number, is_open);
                }
                assert_eq!(probe.client.refresh(0).code(), 0);
            }
            poll_until("the peers hear", || (lab.outer.heard() >= heard).then_some(()));
            assert_eq!(lab.outer.heard(), heard, "canaries heard what nobody was allowed to send, {over:?}");
            assert_eq!(lab.inner.heard(), 0, "a program beside the server was reached, {over:?}");
        }
    }
}

#[test]
fn peers_of_the_default_profile() {
    hold("default");
}

#[test]
fn peers_of_the_coturn_profile() {
    hold("coturn");
}

#[test]
fn peers_of_the_hardened_profile() {
    hold("hardened");
}

/// Silence proves nothing unless they hear and see what is sent by whoever may: a program on the server's host.
#[test]
fn canaries_and_capture_can_see() {
    if !can_make_hosts("the proof that canaries hear") {
        return;
    }
    let mut lab = Lab::new();
    let mut ports = RELAY_PORTS;
    let mut send = |lab: &Lab, ip: &str| {
        let port = ports.next().expect("there are thousands");
        let peer = SocketAddr::new(ip.parse().expect("an address"), PORT);
        let any: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        lab.server.call(|| {
            let socket = UdpSocket::bind((any, port)).expect("a free port");
            socket.send_to(b"x", peer).unwrap_or_else(|error| panic!("{peer}: {error}"));
        });
        peer
    };
    let routed = ["8.8.8.8", "2606:4700::1111", "10.0.0.1", "192.168.50.2", "::ffff:0:1:2:3", "fd00:50::2"];
    for ip in routed {
        let peer = send(&lab, ip);
        poll_until("a packet is seen", || lab.relayed().contains(&peer).then_some(()));
    }
    poll_until("the world hears", || (lab.outer.heard() == routed.len()).then_some(()));
    for ip in ["169.254.169.254", "198.18.0.1", "fec0::1", "fd00:ec2::254"] {
        let asked = Packet::WhoHas(send(&lab, ip).ip());
        poll_until("a question is seen", || lab.capture.take().contains(&asked).then_some(()));
    }
    let beside = ["127.0.0.1", "127.0.0.8", "::1", "192.168.50.1", "130.89.1.1", "fd00:50::1"];
    for ip in beside {
        send(&lab, ip);
    }
    // 127.0.0.8 is another address than the canary's.
    assert_eq!(lab.inner.heard(), beside.len() - 1);
    let connect = |to: SocketAddr| drop(TcpStream::connect(to).unwrap_or_else(|error| panic!("{to}: {error}")));
    lab.server.call(|| connect(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT)));
    let before = lab.outer.heard();
    lab.server.call(|| connect(SocketAddr::new(Ipv4Addr::new(10, 0, 0, 1).into(), PORT)));
    assert_eq!((lab.inner.heard(), lab.outer.heard()), (beside.len(), before + 1));
}

/// What a peer sends by itself is heard when it has a permission, and then only.
#[test]
fn a_denied_peer_is_not_heard() {
    if !can_make_hosts("the silence of denied peers") {
        return;
    }
    let lab = Lab::new();
    let certificate = Certificate::new();
    let server = lab.start(&certificate, &["--profile=default"]);
    let denied = "10.0.0.1 172.16.0.1 192.168.0.1 100.64.0.1 169.254.169.254 198.18.0.1 203.0.113.1 192.0.2.1";
    for over in [Over::Udp, Over::Tcp, Over::Tls] {
        let friend: IpAddr = "8.8.8.8".parse().expect("an address");
        let (mut client, relayed) = client(&lab, &server, &certificate, over, friend);
        assert_eq!(client.permit(friend).code(), 0);
        for ip in denied.split(' ') {
            let peer = SocketAddr::new(ip.parse().expect("an address"), PORT + 1);
            assert_eq!(client.permit(peer.ip()).code(), 403);
            lab.send_from(peer, relayed, b"who hears me");
        }
        let friend = SocketAddr::new(friend, PORT + 1);
        lab.send_from(friend, relayed, b"from a friend");
        assert_eq!(client.receive(), Received::Indication(friend, b"from a friend".to_vec()), "over {over:?}");
        assert_eq!(client.refresh(0).code(), 0);
    }
}
