//! Which peers may be reached.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use crate::wire::{Client, Received};
use crate::{PRIVATE_PEER, alice, start};

/// The answers to CreatePermission and ChannelBind, which must agree.
fn judgement(client: &mut Client, number: u16, peer: impl Into<IpAddr>) -> u16 {
    let peer = peer.into();
    let code = client.permit(peer).code();
    assert_eq!(client.bind(number, SocketAddr::new(peer, 7)).code(), code, "{peer}");
    code
}

pub(crate) fn allowed_peers_are_reached() {
    let forms = ["--allowed-peer-ip=10.1.2.3", "--allowed-peer-ip=10.8.0.1-10.8.0.9", "--allowed-peer-ip=10.9.0.0/24"];
    let server = start(&[&["--profile=default"][..], &forms].concat());
    let mut client = alice(&server);
    client.relayed();
    for (number, peer, code) in [
        (0x4000, [10, 1, 2, 3], 0),
        (0x4001, [10, 8, 0, 9], 0),
        (0x4002, [10, 9, 0, 255], 0),
        (0x4003, [10, 1, 2, 4], 403),
        (0x4004, [10, 8, 0, 10], 403),
    ] {
        assert_eq!(judgement(&mut client, number, peer), code, "{peer:?}");
    }
}

pub(crate) fn denied_peers_are_not_reached() {
    let open = start(&[]);
    let mut client = alice(&open);
    client.relayed();
    assert_eq!(judgement(&mut client, 0x4000, PRIVATE_PEER), 0);

    let forms = ["--denied-peer-ip=10.0.0.0/8", "--denied-peer-ip=8.8.8.8", "--denied-peer-ip=9.9.9.1-9.9.9.4"];
    let server = start(&[&forms[..], &["--allowed-peer-ip=10.7.7.7"]].concat());
    let mut client = alice(&server);
    client.relayed();
    for (number, peer, code) in [
        (0x4000, PRIVATE_PEER, 403),
        (0x4001, [8, 8, 8, 8], 403),
        (0x4002, [9, 9, 9, 3], 403),
        (0x4003, [9, 9, 9, 5], 0),
        (0x4004, [10, 7, 7, 7], 0),
    ] {
        assert_eq!(judgement(&mut client, number, peer), code, "{peer:?}");
    }
}

pub(crate) fn multicast_peers_need_to_be_opened() {
    for (args, code) in [(&[][..], 403), (&["--no-multicast-peers=false"], 0)] {
        let server = start(args);
        let mut client = alice(&server);
        client.relayed();
        assert_eq!(judgement(&mut client, 0x4000, [224, 1, 2, 3]), code, "{args:?}");
    }
    let useless = start(&["--no-multicast-peers=false", "--profile=default"]);
    assert_eq!(useless.log.count(&["WARN", "no-multicast-peers=false has no effect"]), 1);
}

pub(crate) fn loopback_peers_need_to_be_opened() {
    let closed = start(&[]);
    let mut client = alice(&closed);
    client.relayed();
    assert_eq!(judgement(&mut client, 0x4000, [127, 0, 0, 5]), 403);

    let open = start(&["--allow-loopback-peers"]);
    let mut client = alice(&open);
    let relayed = client.relayed();
    let peer = UdpSocket::bind(("127.0.0.5", 0)).expect("a free port");
    peer.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let peer_addr = peer.local_addr().expect("a bound socket");
    assert_eq!(client.permit(peer_addr.ip()).code(), 0);
    client.send(peer_addr, b"to the peer");
    let mut heard = [0; 64];
    let (len, from) = peer.recv_from(&mut heard).expect("data from the relayed address");
    assert_eq!((&heard[..len], from), (&b"to the peer"[..], relayed));
    peer.send_to(b"to the client", relayed).expect("loopback has a route");
    assert_eq!(client.receive(), Received::Indication(peer_addr, b"to the client".to_vec()));

    let useless = start(&["--allow-loopback-peers", "--profile=default"]);
    assert_eq!(useless.log.count(&["WARN", "allow-loopback-peers has no effect"]), 1);
}
