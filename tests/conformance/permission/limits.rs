//! How many permissions there may be, and for whom.

use std::net::{IpAddr, SocketAddr};

use turnserver::stun::Method;

use crate::draft::Draft;
use crate::peer::Peer;
use crate::probe::Probe;
use crate::relaying::{exchanges_data, hears, is_signed, own_server, permit_all, probe_of};
use crate::target::Target;
use crate::wire::{Launch, Server};

/// What coturn's client puts into one request.
const AT_ONCE: u8 = 25;
/// Permissions of one allocation in the default profile.
const PERMISSIONS_MAX: u16 = 256;

pub(super) fn perm_003_many_addresses_at_once() {
    let mut probe = Probe::udp();
    let (relayed, peers) = (probe.allocate(), (0..AT_ONCE).map(|_| Peer::new()).collect::<Vec<_>>());
    assert_eq!(permit_all(&mut probe, peers.iter().map(Peer::addr)), 0);
    for peer in &peers {
        exchanges_data(&mut probe, relayed, peer);
    }
    if Target::get().is_ours() {
        many_addresses_of_as_many_hosts();
    }
}

fn many_addresses_of_as_many_hosts() {
    let server = relaying_to_all_of_loopback();
    let mut probe = probe_of(&server);
    let relayed = probe.allocate();
    let peers: Vec<Peer> = (1..=AT_ONCE).map(|host| Peer::at([127, 0, 1, host].into())).collect();
    let stranger = Peer::at([127, 0, 1, AT_ONCE + 1].into());
    assert_eq!(permit_all(&mut probe, peers.iter().map(Peer::addr)), 0);
    for peer in &peers {
        exchanges_data(&mut probe, relayed, peer);
    }
    stranger.send(relayed, b"not permitted");
    probe.receives_nothing();
}

/// Coturn's profile, which has a switch for it.
fn relaying_to_all_of_loopback() -> Server {
    let users = ["--user=alice:wonderland-7", "--user=bob:the-builder-9"];
    let args = ["--lt-cred-mech", "--realm=example.org", "--allow-loopback-peers"];
    Launch::new(&args).and(&users).start()
}

pub(super) fn perm_007_refused_addresses_install_nothing() {
    // A relay on one address of loopback, one peer that may be reached, and everything else that may not.
    let server = own_server(
        &["127.0.0.1", "127.0.0.2", "127.0.0.3"],
        "relay-ip = \"127.0.0.2\"\nallowed-peer-ip = \"127.0.0.3\"",
    );
    let mut probe = probe_of(&server);
    let (relayed, peer) = (probe.allocate(), Peer::at([127, 0, 0, 3].into()));
    let refused = ["127.0.0.1", "127.0.0.4", "10.0.0.1", "169.254.169.254", "224.0.0.1", "0.0.0.0", "255.255.255.255"];
    for refused in refused {
        let refused: IpAddr = refused.parse().expect("an address");
        let refused = SocketAddr::new(refused, 5000);
        let lists = [vec![refused], vec![peer.addr(), refused], vec![refused, peer.addr()]];
        for list in lists {
            let draft = list.iter().fold(Draft::request(Method::CREATE_PERMISSION), |draft, peer| draft.peer(*peer));
            let reply = probe.ask(&draft);
            assert_eq!((reply.code(), is_signed(&reply)), (403, true), "{list:?}");
        }
        peer.send(relayed, b"not permitted");
        probe.receives_nothing();
    }
    assert_eq!(probe.permit(peer.addr()), 0);
    hears(&mut probe, relayed, &peer);
}

pub(super) fn perm_008_the_table_is_full() {
    let mut probe = Probe::udp();
    let (relayed, peer) = (probe.allocate(), Peer::new());
    assert_eq!(probe.permit(peer.addr()), 0);
    // Nothing is sent there.
    let address = |number: u16| SocketAddr::new([8, 8, (number >> 8) as u8, number as u8].into(), 9);
    let others: Vec<SocketAddr> = (1..PERMISSIONS_MAX).map(address).collect();
    for some in others.chunks(60) {
        assert_eq!(permit_all(&mut probe, some.iter().copied()), 0);
    }
    let reply = probe.ask(&Draft::request(Method::CREATE_PERMISSION).peer(address(PERMISSIONS_MAX)));
    assert_eq!((reply.code(), is_signed(&reply)), (508, true));
    assert_eq!(permit_all(&mut probe, [peer.addr(), address(PERMISSIONS_MAX + 1)]), 508, "not even with a known one");
    assert_eq!(probe.bind(0x4000, address(PERMISSIONS_MAX)), 508, "nor by a channel");
    exchanges_data(&mut probe, relayed, &peer);
    assert_eq!(permit_all(&mut probe, [peer.addr(), address(1)]), 0, "those that are there are refreshed");
}
