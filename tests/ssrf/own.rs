//! The server's own addresses as peers, and loops: through itself, and through another server.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use turnserver::stun::{AttributeType, Class, MessageType, Method, TransactionId, Writer};

use crate::canaries::PORT;
use crate::lab::{INSIDE_V4, INSIDE_V6, LINK_LOCAL, Lab, Over, SERVER_V4, SERVER_V6, client, permit_all, settle};
use crate::netns::can_make_hosts;
use crate::wire::tls::Certificate;
use crate::wire::{Client, Launch, Received, Server};

/// What the world calls the server's address behind a NAT; nobody sends it back.
const EXTERNAL: IpAddr = IpAddr::V4(Ipv4Addr::new(130, 89, 77, 7));

/// Where metrics are shown, on every address.
const METRICS: u16 = 9641;

/// Answers to CreatePermission, to ChannelBind for a service of the server, and for another program's port.
type Codes = (u16, u16, u16);

fn own_addresses(profile: &str) -> Vec<(IpAddr, Codes)> {
    let closed = (403, 403, 403);
    let holds_relays = if profile == "coturn" { (0, 403, 0) } else { (0, 403, 403) };
    let inside = if profile == "coturn" { (0, 403, 0) } else { closed };
    let localhost =
        ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::"].map(|ip| (ip.parse().expect("an address"), closed));
    let others = [
        (SERVER_V4, holds_relays),
        (SERVER_V6, holds_relays),
        (INSIDE_V4, inside),
        (INSIDE_V6, closed),
        (LINK_LOCAL.into(), closed),
    ];
    localhost.into_iter().chain(others).collect()
}

/// Tries services of the server and a program beside it; returns where data went.
fn try_own(lab: &mut Lab, client: &mut Client, server: &Server, own: IpAddr, codes: Codes) -> BTreeSet<SocketAddr> {
    assert_eq!(client.permit(own).code(), codes.0, "CreatePermission for {own}");
    let beside = SocketAddr::new(own, PORT);
    let services = [server.addr.port(), server.tls_addr.port(), METRICS].map(|port| SocketAddr::new(own, port));
    for service in services {
        assert_eq!(client.bind(0x4000, service).code(), codes.1, "ChannelBind for {service}");
        client.send(service, b"to a service");
    }
    let bound = client.bind(0x4000, beside).code();
    assert_eq!(bound, codes.2, "ChannelBind for {beside}");
    client.send(beside, b"to a program");
    client.send(SocketAddr::new(own, 0), b"to no port");
    client.send_channel(0x4000, b"to a program");
    settle(client);
    lab.relayed()
}

#[test]
fn own_services_are_never_reached_and_own_programs_as_the_profile_says() {
    if !can_make_hosts("the server's own addresses") {
        return;
    }
    for profile in ["default", "coturn", "hardened"] {
        let mut lab = Lab::new();
        let certificate = Certificate::new();
        let server =
            lab.start(&certificate, &[&format!("--profile={profile}"), "--prometheus", "--prometheus-address=::"]);
        let mut heard = 0;
        for over in [Over::Udp, Over::Tcp, Over::Tls] {
            for (own, codes) in own_addresses(profile) {
                let (mut client, _) = client(&lab, &server, &certificate, over, own);
                let reached = try_own(&mut lab, &mut client, &server, own, codes);
                let is_open = codes.2 == 0;
                let expected: BTreeSet<_> = is_open.then_some(SocketAddr::new(own, PORT)).into_iter().collect();
                assert_eq!(reached, expected, "{own} in {profile} over {over:?}");
                heard += if is_open { 2 } else { 0 };
                assert_eq!(lab.inner.heard(), heard, "{own} in {profile} over {over:?}");
                assert_eq!(client.refresh(0).code(), 0);
            }
        }
        assert_eq!(lab.outer.heard(), 0);
    }
}

#[test]
fn relays_reach_each_other_by_the_external_address_without_a_hairpin() {
    if !can_make_hosts("relays behind a NAT") {
        return;
    }
    for profile in ["default", "coturn", "hardened"] {
        let mut lab = Lab::new();
        let certificate = Certificate::new();
        let external = format!("--external-ip={EXTERNAL}/{SERVER_V4}");
        let server = lab.start(&certificate, &[&format!("--profile={profile}"), &external]);
        for over in [Over::Udp, Over::Tcp, Over::Tls] {
            let (mut a, a_relayed) = client(&lab, &server, &certificate, over, SERVER_V4);
            let (mut b, b_relayed) = client(&lab, &server, &certificate, Over::Udp, SERVER_V4);
            assert_eq!((a_relayed.ip(), b_relayed.ip()), (EXTERNAL, EXTERNAL));
            assert_eq!((a.permit(EXTERNAL).code(), b.permit(EXTERNAL).code()), (0, 0));
            a.send(b_relayed, b"there");
            assert_eq!(b.receive(), Received::Indication(a_relayed, b"there".to_vec()));
            b.send(a_relayed, b"back");
            assert_eq!(a.receive(), Received::Indication(b_relayed, b"back".to_vec()));
            let local: BTreeSet<_> = [a_relayed, b_relayed].map(|at| SocketAddr::new(SERVER_V4, at.port())).into();
            assert_eq!(lab.relayed(), local, "nothing leaves the host, in {profile} over {over:?}");
            assert_eq!((a.refresh(0).code(), b.refresh(0).code()), (0, 0));
        }
    }
}

/// A message without credentials.
fn message(method: Method, class: Class, body: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let mut writer = Writer::new(&mut bytes, MessageType { method, class }, TransactionId([7; 12]));
    body(&mut writer);
    let len = writer.finish().expect("room");
    bytes.truncate(len);
    bytes
}

/// A client that speaks to its server through a relay of that server is refused at the first level already.
#[test]
fn a_server_is_no_client_of_itself_at_any_depth() {
    const DEPTH: usize = 10;
    if !can_make_hosts("nested allocations") {
        return;
    }
    for profile in ["default", "coturn", "hardened"] {
        let mut lab = Lab::new();
        let certificate = Certificate::new();
        let external = format!("--external-ip={EXTERNAL}/{SERVER_V4}");
        let mut server = lab.start(&certificate, &[&format!("--profile={profile}"), &external]);
        let (mut client, relayed) = client(&lab, &server, &certificate, Over::Udp, SERVER_V4);
        assert_eq!(permit_all(&mut client, &[SERVER_V4, EXTERNAL]), 0, "both names are a relay's");
        for name in [SERVER_V4, EXTERNAL] {
            let listener = SocketAddr::new(name, server.addr.port());
            let mut nested = message(Method::ALLOCATE, Class::Request, |writer| {
                writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
            });
            for _ in 0..DEPTH {
                client.send(listener, &nested);
                nested = message(Method::SEND, Class::Indication, |writer| {
                    writer.xor_address(AttributeType::XOR_PEER_ADDRESS, listener);
                    writer.attribute(AttributeType::DATA, &nested);
                });
            }
            // By its own relay it only hears itself.
            client.send(SocketAddr::new(name, relayed.port()), &nested);
            assert_eq!(client.receive(), Received::Indication(relayed, nested));
        }
        settle(&mut client);
        let itself = SocketAddr::new(SERVER_V4, relayed.port());
        assert_eq!(lab.relayed(), [itself].into(), "in {profile}");
        assert!(server.terminate().success());
        assert_eq!(server.log.whole().matches("allocation created").count(), 1, "in {profile}");
    }
}

/// Each client may reach the other's relay: what one sends arrives once, and goes round no circle.
#[test]
fn what_passes_two_servers_arrives_once() {
    if !can_make_hosts("a loop of two servers") {
        return;
    }
    let lab = Lab::new();
    let certificate = Certificate::new();
    let here = lab.start(&certificate, &["--profile=default"]);
    let launch =
        Launch::new(&["-a", "--realm=r", "--user=alice:a-secret-88", "--profile=default", "--relay-ip=8.8.8.8"]);
    let there = lab.world.call(|| certificate.given_to(launch).listening_on(&["8.8.8.8"]).start());
    let (mut a, a_relayed) = client(&lab, &here, &certificate, Over::Udp, SERVER_V4);
    let (mut b, b_relayed) = client(&lab, &there, &certificate, Over::Tcp, SERVER_V4);
    assert_eq!((a.permit(b_relayed.ip()).code(), b.permit(a_relayed.ip()).code()), (0, 0));
    assert_eq!((a.bind(0x4000, b_relayed).code(), b.bind(0x4001, a_relayed).code()), (0, 0));
    for round in 0..2 {
        a.send_channel(0x4000, b"once");
        assert_eq!(b.receive(), Received::Channel(0x4001, b"once".to_vec()));
        b.send_channel(0x4001, b"back");
        assert_eq!(a.receive(), Received::Channel(0x4000, b"back".to_vec()));
        for _ in 0..2 {
            settle(&mut a);
            settle(&mut b);
        }
        assert_eq!((a.pending(), b.pending()), (vec![], vec![]), "round {round}");
    }
}
