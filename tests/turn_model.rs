//! Random stories of clients and peers against a naive model that only knows times and tables, with the core handed over
//! to a new process now and then.

#[path = "turn_model/expected.rs"]
mod expected;
#[path = "common/mod.rs"]
mod world;

use expected::Model;
use proptest::prelude::*;

const CLIENTS: usize = 6;
const PEERS: [&str; 6] =
    ["8.8.4.4:5000", "8.8.4.4:5001", "9.9.9.9:53", "[2606:4700::1]:5000", "127.0.0.1:80", "10.0.0.1:80"];

/// How an allocation is asked for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Long,
    Six,
    Both,
    Reserve,
    /// With the last token of a client.
    Token(usize),
}

#[derive(Clone, Debug)]
enum Step {
    Allocate(usize, Kind),
    Refresh(usize, Option<u32>, Option<u8>),
    Permit(usize, Vec<usize>),
    Bind(usize, u16, usize),
    Send(usize, usize),
    Channel(usize, u16),
    PeerSends(usize, usize),
    Disconnect(usize),
    Advance(u64),
    Garbage(usize, Vec<u8>),
    HandOver(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..CLIENTS;
    let peer = || 0..PEERS.len() + CLIENTS;
    let kind = prop_oneof![
        3 => Just(Kind::Plain),
        1 => Just(Kind::Long),
        1 => Just(Kind::Six),
        2 => Just(Kind::Both),
        1 => Just(Kind::Reserve),
        1 => client().prop_map(Kind::Token),
    ];
    let lifetime = prop::sample::select(vec![None, Some(0), Some(600), Some(3600), Some(u32::MAX)]);
    let family = prop::sample::select(vec![None, None, Some(1), Some(2), Some(3)]);
    let number = prop::sample::select(vec![0x3FFF, 0x4000, 0x4001, 0x4002, 0x4FFF, 0x5000]);
    let span = prop::sample::select(vec![1, 5, 29, 31, 150, 299, 301, 599, 601, 3600]);
    prop_oneof![
        6 => (client(), kind).prop_map(|(client, kind)| Step::Allocate(client, kind)),
        3 => (client(), lifetime, family).prop_map(|(client, lifetime, family)| Step::Refresh(client, lifetime, family)),
        6 => (client(), prop::collection::vec(peer(), 0..4)).prop_map(|(client, peers)| Step::Permit(client, peers)),
        5 => (client(), number.clone(), peer()).prop_map(|(client, number, peer)| Step::Bind(client, number, peer)),
        6 => (client(), peer()).prop_map(|(client, peer)| Step::Send(client, peer)),
        5 => (client(), number).prop_map(|(client, number)| Step::Channel(client, number)),
        6 => (0..PEERS.len(), client()).prop_map(|(peer, client)| Step::PeerSends(peer, client)),
        1 => client().prop_map(Step::Disconnect),
        6 => span.prop_map(Step::Advance),
        1 => (client(), prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(client, bytes)| Step::Garbage(client, bytes)),
        2 => (0..2_usize).prop_map(Step::HandOver),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_server_does_what_the_model_says(steps in prop::collection::vec(step(), 1..120)) {
        let mut model = Model::new();
        for step in steps {
            model.play(step)?;
            model.assert_sound()?;
        }
        model.play(Step::Advance(3601))?;
        model.assert_sound()?;
        let world = &model.world;
        prop_assert_eq!((world.allocations(), world.relay_sockets(), world.reservations(), world.census().0), (0, 0, 0, 0));
    }
}
