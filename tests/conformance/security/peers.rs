//! Which peers are out of reach: by CreatePermission, ChannelBind, Send and channels, over sockets and in virtual time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::probe::Probe;
use crate::scene::{Scene, client_of, launch};
use crate::wire::Server;
use crate::world::{Received, Setup, TestClient, World};

/// No listener, and below all relayed ports.
const PORT: u16 = 777;

/// Where the server over sockets listens and relays.
const OWN: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// A server over sockets and one in virtual time, of the same configuration, each with a client that has a relayed
/// address of both families. Only in the second one data is really sent: what is allowed here is not ours to disturb.
struct Judges {
    profile: Profile,
    probe: Probe,
    world: World,
    client: TestClient,
    number: u16,
    _server: Server,
}

impl Judges {
    fn of(profile: Profile, lines: &str) -> Judges {
        let wire_lines = format!("unauthorized-ratelimit = false\nuser-quota = 0\n{lines}");
        let server = launch(profile.name(), &wire_lines).listening_on(&["127.0.0.1", "::1"]).start();
        let mut probe = client_of(&server);
        let both = Draft::allocate().with(AttributeType::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]);
        assert_eq!(probe.code(&both), 0, "a relayed address of both families");
        let world = Setup::with(profile, lines).build();
        let client = world.client();
        let reply = client.request(Method::ALLOCATE).transport(17).additional(2).send().expect("an answer");
        client.learn(&reply);
        Judges { profile, probe, world, client, number: 0x4000, _server: server }
    }

    /// What every way to a peer says, 0 or 403.
    fn judge(&mut self, peer: &str) -> u16 {
        let peer = SocketAddr::new(peer.parse::<IpAddr>().expect("an address"), PORT);
        self.number += 1;
        let code = self.probe.bind(self.number, peer);
        // A permission for one of the server's own relay addresses is there for its other relayed ports.
        if !OWN.contains(&peer.ip()) {
            assert_eq!(self.probe.permit(peer), code, "CreatePermission for {peer} in {}", self.profile);
        }
        let expected = if code == 0 { 200 } else { code };
        assert_eq!(self.client.permit(&[peer]), expected, "{peer} in {}", self.profile);
        assert_eq!(self.client.bind(self.number, peer), expected, "{peer} in {}", self.profile);
        let host = self.world.peer(&peer.to_string());
        self.client.send_to(peer, b"sent");
        self.client.channel_send(self.number, b"on a channel");
        let count = if code == 0 { 2 } else { 0 };
        assert_eq!(host.received().len(), count, "datagrams to {peer} in {}", self.profile);
        code
    }

    fn all(&mut self, peers: &str, code: u16) {
        for peer in peers.split_whitespace() {
            assert_eq!(self.judge(peer), code, "{peer} in {}", self.profile);
        }
    }
}

/// Whatever the lists and switches say.
const SPECIAL: &str = "127.9.8.7 0.1.2.3 ::1 :: 169.254.9.9 fe80::9 224.0.0.9 ff02::9 240.0.0.9 255.255.255.255";
const EVERYTHING: &str = "allowed-peer-ip = [\"0.0.0.0/0\", \"::/0\"]";

pub(super) fn sec_006_special_addresses_are_denied() {
    for profile in Profile::ALL {
        Judges::of(profile, "").all(SPECIAL, 403);
    }
}

/// The switch for 10/8, 172.16/12, 192.168/16 and 100.64/10 is the profile, or an allow list. Of the other ranges the
/// project decided that no switch opens them.
pub(super) fn sec_007_private_ranges_have_one_switch() {
    const PRIVATE: &str = "10.201.2.3 172.30.201.7 192.168.213.9 100.99.3.2";
    const UNUSED: &str = "fc00::9 fd12::9 192.0.0.9 198.19.0.9 192.0.2.99 198.51.100.9 203.0.113.9 2001:db8::9 100::9 \
                          2001:2::9 2001:10::9";
    for profile in Profile::ALL {
        let mut judges = Judges::of(profile, "");
        judges.all(PRIVATE, if profile == Profile::Coturn { 0 } else { 403 });
        judges.all(UNUSED, 403);
    }
    let mut opened = Judges::of(Profile::Default, EVERYTHING);
    opened.all(PRIVATE, 0);
    opened.all(UNUSED, 403);
    opened.all("127.9.8.7 169.254.9.9 fe80::9 224.0.0.9 240.0.0.9 255.255.255.255", 403);
    let networks = "denied-peer-ip = [\"10.0.0.0/8\", \"172.16.0.0/12\", \"192.168.0.0/16\", \"100.64.0.0/10\"]";
    Judges::of(Profile::Coturn, networks).all(PRIVATE, 403);
}

pub(super) fn sec_008_ipv4_hidden_in_ipv6_is_judged() {
    const HIDDEN: &str = "::ffff:127.0.0.1 64:ff9b::7f00:1 ::127.0.0.1 2002:7f00:1::1 ::ffff:10.201.2.3 ::10.201.2.3 \
                          64:ff9b::ac1e:c907 2002:c0a8:d509::9 ::ffff:169.254.169.254 ::ffff:8.8.8.8";
    for profile in Profile::ALL {
        Judges::of(profile, "").all(HIDDEN, 403);
        Judges::of(profile, EVERYTHING).all(HIDDEN, 403);
    }
    // A list written in one form holds for the other.
    let mut judges = Judges::of(Profile::Default, "denied-peer-ip = [\"::ffff:9.9.9.0/120\"]");
    judges.all("9.9.9.9", 403);
    judges.all("9.9.8.9", 0);
}

/// Clients with such a source exist in virtual time only.
pub(super) fn sec_009_tunnels_are_neither_clients_nor_peers() {
    const TEREDO: &str = "2001:0:4136:e378:8000:63bf:3fff:fdd2";
    const SIX_TO_FOUR: &str = "2002:c000:204::9";
    for profile in Profile::ALL {
        for lines in ["", EVERYTHING] {
            Judges::of(profile, lines).all(&format!("{TEREDO} {SIX_TO_FOUR}"), 403);
        }
        let world = World::of(profile);
        for source in [TEREDO, SIX_TO_FOUR] {
            let client = world.client().at(&format!("[{source}]:40000"));
            assert_eq!(client.allocate(), Err(403), "{source} in {profile}");
            let without_allocation = if profile == Profile::Coturn { 400 } else { 437 };
            assert_eq!(client.bind(0x4000, ([8, 8, 8, 8], 9).into()), without_allocation);
        }
        assert!(world.client().at("[2a00:1450:7::9]:40000").allocate().is_ok(), "IPv6 itself is served");
        assert_eq!(world.allocations(), 1);
    }
}

/// The networks of this machine, and one that it surely has not.
pub(super) fn sec_010_networks_broadcast_and_metadata() {
    const METADATA: &str = "169.254.169.254 fd00:ec2::254 100.100.100.200 168.63.129.16 fd20:ce::254";
    for profile in Profile::ALL {
        for lines in ["", EVERYTHING] {
            Judges::of(profile, lines).all(METADATA, 403);
        }
    }
    let mut networks = vec![("10.201.12.0/22".to_owned(), "10.201.15.255".to_owned())];
    for interface in if_addrs::get_if_addrs().expect("interfaces") {
        if let if_addrs::IfAddr::V4(it) = interface.addr {
            let (ip, mask) = (u32::from(it.ip), u32::from(it.netmask));
            let broadcast = Ipv4Addr::from(ip | !mask);
            networks.push((format!("{}/{}", Ipv4Addr::from(ip & mask), mask.count_ones()), broadcast.to_string()));
        }
    }
    let list = networks.iter().map(|(network, _)| format!("{network:?}")).collect::<Vec<_>>().join(", ");
    // Nothing else denies a private or a loopback network here.
    let open = "allow-loopback-peers = true\n";
    let mut denied = Judges::of(Profile::Coturn, &format!("{open}denied-peer-ip = [{list}]"));
    for (_, broadcast) in networks.iter().filter(|(_, broadcast)| !broadcast.starts_with("127.")) {
        denied.all(broadcast, 403);
    }
    denied.all("10.201.13.7 127.255.255.255", 403);
    denied.all("10.201.16.7", 0);
    Judges::of(Profile::Coturn, open).all("10.201.15.255", 0);
}

pub(super) fn sec_011_port_zero() {
    let mut scene = Scene::new();
    let nowhere = SocketAddr::new(scene.peer.addr().ip(), 0);
    assert_eq!(scene.probe.permit(nowhere), 0, "a permission has no port");
    let code = scene.probe.bind(0x4000, nowhere);
    assert!(matches!(code, 400 | 403), "{code}");
    scene.probe.send_channel(0x4000, b"to port 0");
    scene.probe.tell(&Draft::send(nowhere, b"to port 0"));
    scene.nothing_moves();
    scene.send(b"and the others");
    scene.peer_gets(b"and the others");
}

const DENYING: &str =
    "denied-peer-ip = [\"198.51.99.0/24\", \"2606:4700:1::/48\"]\nallowed-peer-ip = [\"10.201.0.0/16\"]";

/// A client that reaches two peers of each family: one that a change of the lists will deny, one that it will not.
pub(super) fn sec_005_lists_hold_on_every_path_and_after_a_change() {
    let mut judges = Judges::of(Profile::Default, DENYING);
    judges.all("198.51.99.7 2606:4700:1::7 10.202.0.7", 403);
    judges.all("198.51.98.7 2606:4700:2::7 10.201.0.7", 0);

    let world = World::of(Profile::Default);
    let client = world.client();
    let reply = client.request(Method::ALLOCATE).transport(17).additional(2).send().expect("an answer");
    client.learn(&reply);
    let hosts = ["198.51.99.7:5000", "[2606:4700:1::7]:5000", "198.51.98.7:5000", "[2606:4700:2::7]:5000"];
    let hosts = hosts.map(|addr| world.peer(addr));
    for (number, host) in (0x4000..).zip(&hosts) {
        assert_eq!((client.permit(&[host.addr()]), client.bind(number, host.addr())), (200, 200));
    }
    world.reload(&Setup::with(Profile::Default, DENYING));
    for (place, (number, host)) in (0x4000..).zip(&hosts).enumerate() {
        let is_denied = place < 2;
        client.channel_send(number, b"on the entry there was");
        client.send_to(host.addr(), b"sent");
        assert_eq!(host.received().len(), if is_denied { 0 } else { 2 }, "{}", host.addr());
        host.send_to(client.relayed_for(host.addr()), b"back");
        let back = Received::Channel { number, data: b"back".to_vec() };
        assert_eq!(client.received(), if is_denied { vec![] } else { vec![back] }, "{}", host.addr());
        let code = if is_denied { 403 } else { 200 };
        assert_eq!((client.permit(&[host.addr()]), client.bind(number, host.addr())), (code, code));
    }
}
