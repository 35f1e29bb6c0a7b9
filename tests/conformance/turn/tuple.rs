//! The 5-tuple, and what comes from one that has no allocation.

use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};
use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::relaying::{hears, is_signed, own_server, probe_of};
use crate::target::Target;
use crate::wire::Link;

pub(super) fn turn_001_requests_without_allocation_are_a_mismatch() {
    let peer = Peer::new().addr();
    let drafts = [
        Draft::request(Method::REFRESH),
        Draft::request(Method::REFRESH).lifetime(0),
        Draft::request(Method::CREATE_PERMISSION).peer(peer),
        Draft::request(Method::CHANNEL_BIND).channel(0x4000).peer(peer),
    ];
    for (over, mut probe) in Probe::over_each() {
        for draft in &drafts {
            let reply = probe.ask(&draft.anew());
            let method = reply.message().kind().method;
            assert_eq!((reply.code(), is_signed(&reply)), (437, true), "{method:?} over {over}");
        }
        probe.allocate();
    }
}

pub(super) fn turn_002_data_without_allocation_is_dropped() {
    for (over, mut probe) in Probe::over_each() {
        let peer = Peer::new();
        probe.tell(&Draft::send(peer.addr(), b"nobody's"));
        probe.send_channel(0x4000, b"nobody's");
        probe.receives_nothing();
        peer.receives_nothing(&mut probe);
        // What is silent above is heard once there is an allocation.
        let relayed = probe.allocate();
        assert_eq!(probe.bind(0x4000, peer.addr()), 0, "over {over}");
        probe.tell(&Draft::send(peer.addr(), b"by Send"));
        assert_eq!(peer.receive(), (b"by Send".to_vec(), relayed));
        probe.send_channel(0x4000, b"by channel");
        assert_eq!(peer.receive(), (b"by channel".to_vec(), relayed));
    }
}

pub(super) fn turn_003_transport_and_server_address_belong_to_the_tuple() {
    let (mut datagrams, mut stream) = from_one_port();
    assert_eq!(datagrams.local(), stream.local());
    let (peer, relayed) = (Peer::new(), [datagrams.allocate(), stream.allocate()]);
    assert_ne!(relayed[0], relayed[1]);
    assert_eq!(datagrams.permit(peer.addr()), 0);
    peer.send(relayed[1], b"not permitted there");
    stream.receives_nothing();
    hears(&mut datagrams, relayed[0], &peer);
    assert_eq!(stream.refresh(0), 0);
    assert_eq!(datagrams.refresh(600), 0);
    hears(&mut datagrams, relayed[0], &peer);

    if Target::get().is_ours() {
        let there = SocketAddr::new([127, 0, 0, 2].into(), Target::get().addr.port());
        turn_to(&mut datagrams, there);
        assert_eq!(datagrams.refresh(600), 437, "another address of the server has no allocation yet");
        assert_ne!(datagrams.allocate(), relayed[0]);
        assert_eq!(datagrams.refresh(0), 0);
        turn_to(&mut datagrams, Target::get().addr);
        hears(&mut datagrams, relayed[0], &peer);
        assert_eq!(datagrams.code(&Draft::allocate()), 437, "this one still has its allocation");
    }
}

/// From now on this socket talks to another address.
fn turn_to(probe: &mut Probe, server: SocketAddr) {
    match probe.link() {
        Link::Udp(socket) => socket.connect(server).expect("loopback has a route"),
        _ => panic!("only datagrams can be sent elsewhere"),
    }
}

/// Two clients on one port number, over UDP and TCP.
fn from_one_port() -> (Probe, Probe) {
    let server = Target::get().addr;
    for _ in 0..100 {
        let datagrams = Link::udp(server);
        let stream = Socket::new(Domain::for_address(server), Type::STREAM, None).expect("a socket");
        // The number may be in use for TCP; there are more.
        if stream.bind(&datagrams.local().into()).is_ok() && stream.connect(&server.into()).is_ok() {
            return (Probe::over(datagrams), Probe::over(Link::Tcp(TcpStream::from(stream), Vec::new())));
        }
    }
    panic!("no port was free for both UDP and TCP");
}

// Decided: SOFTWARE is off in every profile, as it tells strangers what to attack; `software-attribute` switches it on.
pub(super) fn turn_004_software_stands_in_all_answers() {
    for switch in [true, false] {
        let server = own_server(&["127.0.0.1"], &format!("software-attribute = {switch}"));
        let mut probe = probe_of(&server);
        let (allocate, refresh) = (Draft::allocate(), Draft::request(Method::REFRESH));
        let stale = |draft: &Draft| draft.anew().instead(AttributeType::NONCE, b"a nonce of somebody else");
        let asked = [
            (401, allocate.anew().bare()),
            (401, refresh.anew().bare()),
            (437, refresh.anew()),
            (0, allocate.anew()),
            (437, allocate.anew()),
            (438, stale(&allocate)),
            (438, stale(&refresh)),
            (0, refresh.anew()),
        ];
        for (code, draft) in asked {
            let reply = probe.ask(&draft);
            let method = reply.message().kind().method;
            assert_eq!((reply.code(), reply.has(AttributeType::SOFTWARE)), (code, switch), "{method:?}");
        }
    }
}
