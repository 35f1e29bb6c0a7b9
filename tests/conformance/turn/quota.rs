//! How many allocations there may be, and that no two share an address.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use turnserver::config::Profile;

use crate::draft::Draft;
use crate::probe::Probe;
use crate::relaying::{as_other_user, is_signed, own_server, probe_of};
use crate::target::Target;
use crate::world::{Setup, TestClient};

/// On the wire; each takes a socket here and one there.
const HELD: usize = 200;

pub(super) fn turn_006_a_user_has_a_quota() {
    let server = own_server(&["127.0.0.1"], "user-quota = 3");
    let mut probes: Vec<Probe> = (0..3).map(|_| probe_of(&server)).collect();
    for probe in &mut probes {
        probe.allocate();
    }
    let mut late = probe_of(&server);
    let reply = late.ask(&Draft::allocate());
    assert_eq!((reply.code(), is_signed(&reply)), (486, true));
    as_other_user(probe_of(&server)).allocate();
    assert_eq!(probes[1].refresh(0), 0);
    late.allocate();
    assert_eq!(probes[1].code(&Draft::allocate()), 486);
}

pub(super) fn turn_008_relayed_addresses_are_unique() {
    let mut probes: Vec<Probe> = (0..HELD).map(|_| Probe::udp()).collect();
    let mut held: Vec<SocketAddr> = probes.iter_mut().map(Probe::allocate).collect();
    assert_unique(&held);
    for (probe, relayed) in probes.iter_mut().zip(&mut held).step_by(2) {
        assert_eq!(probe.refresh(0), 0);
        // From another port: some servers need a moment before a 5-tuple is free.
        *probe = Probe::udp();
        *relayed = probe.allocate();
    }
    assert_unique(&held);
    if Target::get().is_ours() {
        ten_thousand_are_unique();
    }
}

/// The same with ten thousand of the 16,384 ports taken, and a third of them given back and taken anew.
fn ten_thousand_are_unique() {
    let world = Setup::with(Profile::Default, "user-quota = 0\ntotal-quota = 0").build();
    let clients: Vec<TestClient> = (0..10_000).map(|_| world.client()).collect();
    let allocate = |client: &TestClient| client.allocate().expect("there are ports left");
    let mut held: Vec<SocketAddr> = clients.iter().map(allocate).collect();
    assert_unique(&held);
    for (client, relayed) in clients.iter().zip(&mut held).step_by(3) {
        assert_eq!(client.refresh(Some(0)), Ok(0));
        *relayed = allocate(client);
    }
    assert_unique(&held);
    assert_eq!((world.allocations(), world.census().0), (10_000, 10_000));
}

fn assert_unique(held: &[SocketAddr]) {
    let different: BTreeSet<&SocketAddr> = held.iter().collect();
    assert_eq!(different.len(), held.len(), "of {} relayed addresses", held.len());
}
