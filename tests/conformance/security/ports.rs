//! Relayed ports that somebody else had before.

use turnserver::config::Profile;

use crate::peer::Peer;
use crate::scene::{client_of, launch};
use crate::wire::free_ports;
use crate::world::Setup;

/// How long a freed port rests while others are free.
const REST_SECS: u64 = 30;

/// One port is free beside the freed one: that is the one the next client gets, for sure and not by chance.
pub(super) fn sec_021_freed_ports_rest() {
    let first = free_ports(2);
    let lines = format!("allowed-peer-ip = [\"127.0.0.1\"]\nmin-port = {first}\nmax-port = {}", first + 1);
    let server = launch("default", &lines).start();
    let (mut former, mut next, peer) = (client_of(&server), client_of(&server), Peer::new());
    let old = former.allocate();
    assert_eq!(former.permit(peer.addr()), 0);
    assert_eq!(former.refresh(0), 0);
    let new = next.allocate();
    assert_ne!(new.port(), old.port());
    assert_eq!(next.permit(peer.addr()), 0);
    peer.send(old, b"for the one who is gone");
    next.receives_nothing();

    let world = Setup::of(Profile::Default).ports(50_000..=50_003).build();
    for round in 0..100 {
        let client = world.client();
        let port = client.allocate().expect("ports are free").port();
        assert_eq!(client.refresh(Some(0)), Ok(0));
        world.advance(REST_SECS - 1);
        for _ in 0..3 {
            let other = world.client();
            assert_ne!(other.allocate().expect("ports are free").port(), port, "round {round}");
            assert_eq!(other.refresh(Some(0)), Ok(0));
            world.advance(0);
        }
        world.advance(2 * REST_SECS);
    }
}
