//! Relayed addresses behind a 1:1 NAT.

use std::net::SocketAddr;

use crate::draft::Draft;
use crate::peer::Peer;
use crate::relaying::{own_server, probe_of};
use crate::wire::Received;

/// What the NAT's outer side is called; on loopback the peer plays the NAT and sends to the inner one.
const FILE: &str = r#"
relay-ip = "127.0.0.1"
external-ip = "203.0.113.5/127.0.0.1"
allowed-peer-ip = "127.0.0.3"
"#;

pub(super) fn alloc_034_the_external_address_is_told_and_works() {
    let server = own_server(&["127.0.0.1", "127.0.0.3"], FILE);
    let (mut near, mut far) = (probe_of(&server), probe_of(&server));
    let (told, far_told) = (near.allocate(), far.allocate());
    assert_eq!([told, far_told].map(|told| told.ip().to_string()), ["203.0.113.5", "203.0.113.5"]);
    let inner = |told: SocketAddr| SocketAddr::new([127, 0, 0, 1].into(), told.port());

    let peer = Peer::at([127, 0, 0, 3].into());
    assert_eq!(near.permit(peer.addr()), 0);
    near.tell(&Draft::send(peer.addr(), b"out"));
    assert_eq!(peer.receive(), (b"out".to_vec(), inner(told)), "the NAT translates what leaves");
    peer.send(inner(told), b"in");
    assert_eq!(near.receive(), Received::Indication(peer.addr(), b"in".to_vec()));

    // Two clients know each other by what they were told, and no NAT is between them.
    assert_eq!((near.permit(far_told), far.bind(0x4000, told)), (0, 0));
    near.tell(&Draft::send(far_told, b"to the other relay"));
    assert_eq!(far.receive(), Received::Channel(0x4000, b"to the other relay".to_vec()));
    far.send_channel(0x4000, b"and back");
    assert_eq!(near.receive(), Received::Indication(far_told, b"and back".to_vec()));
}
