//! What a CreatePermission must look like, and what it answers.

use std::net::SocketAddr;

use turnserver::stun::{AttributeType, Method};

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::relaying::{hears, is_signed, permit_all};

/// An address of the other family that a server could well relay to.
const FOREIGN: &str = "[2606:4700:4700::1111]:5000";

fn create() -> Draft {
    Draft::request(Method::CREATE_PERMISSION)
}

/// The draft is refused with this code, signed, and the peer still has no permission.
fn installs_nothing(probe: &mut Probe, relayed: SocketAddr, peer: &Peer, draft: &Draft, code: u16, what: &str) {
    let reply = probe.ask(draft);
    assert_eq!((reply.code(), is_signed(&reply)), (code, true), "{what}");
    peer.send(relayed, b"not permitted");
    probe.receives_nothing();
    probe.tell(&Draft::send(peer.addr(), b"not permitted"));
    peer.receives_nothing(probe);
}

pub(super) fn perm_001_an_address_is_needed() {
    for (over, mut probe) in Probe::over_each() {
        probe.allocate();
        let reply = probe.ask(&create());
        assert_eq!((reply.code(), is_signed(&reply)), (400, true), "over {over}");
    }
}

pub(super) fn perm_002_one_bad_address_spoils_all() {
    let bad: [&[u8]; 6] = [
        &[0, 5, 0x21, 0x12, 1, 2, 3, 4],
        &[0, 0, 0x21, 0x12, 1, 2, 3, 4],
        &[0, 1, 0x21, 0x12, 1, 2, 3],
        &[0, 2, 0x21, 0x12, 1, 2, 3, 4],
        &[0, 1],
        &[],
    ];
    let mut probe = Probe::udp();
    let (relayed, good) = (probe.allocate(), Peer::new());
    for value in bad {
        let behind = create().peer(good.addr()).with(AttributeType::XOR_PEER_ADDRESS, value);
        installs_nothing(&mut probe, relayed, &good, &behind, 400, &format!("{value:02x?} behind a good one"));
        let before = create().with(AttributeType::XOR_PEER_ADDRESS, value).peer(good.addr());
        installs_nothing(&mut probe, relayed, &good, &before, 400, &format!("{value:02x?} before a good one"));
    }
    assert_eq!(probe.permit(good.addr()), 0);
    hears(&mut probe, relayed, &good);
}

pub(super) fn perm_005_the_family_is_the_relays() {
    let foreign: SocketAddr = FOREIGN.parse().expect("an address");
    let mut probe = Probe::udp();
    let (relayed, own) = (probe.allocate(), Peer::new());
    let lists: [&[SocketAddr]; 3] = [&[foreign], &[own.addr(), foreign], &[foreign, own.addr()]];
    for list in lists {
        let draft = list.iter().fold(create(), |draft, peer| draft.peer(*peer));
        installs_nothing(&mut probe, relayed, &own, &draft, 443, &format!("{list:?}"));
    }
    let mut probe = Probe::udp();
    let relayed = probe.ask(&Draft::allocate().requested_family(2));
    if relayed.code() == 0 {
        assert_eq!(probe.permit(own.addr()), 443, "an IPv6 relay and an IPv4 address");
    }
}

pub(super) fn perm_014_a_success_says_nothing() {
    for (over, mut probe) in Probe::over_each() {
        probe.allocate();
        let peers = [Peer::new(), Peer::new()];
        assert_eq!(permit_all(&mut probe, peers.iter().map(Peer::addr)), 0);
        let reply = probe.ask(&create().peer(peers[0].addr()));
        let message = reply.message();
        assert_eq!(message.bytes()[..2], [0x01, 0x08], "over {over}");
        let required: Vec<AttributeType> =
            message.attributes().map(|(kind, _)| kind).filter(|kind| kind.is_comprehension_required()).collect();
        assert_eq!(required, [AttributeType::MESSAGE_INTEGRITY], "over {over}");
    }
}
