//! Whatever is sent, in whatever order the world answers: no panic, and the books balance.

#[path = "common/mod.rs"]
mod world;

use std::time::Duration;

use proptest::prelude::*;
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::address::Transport;
use world::{BOB, Pace, Setup, TestClient, World, sock};

const METHODS: [Method; 6] = [
    Method::ALLOCATE,
    Method::REFRESH,
    Method::CREATE_PERMISSION,
    Method::CHANNEL_BIND,
    Method::BINDING,
    Method(0x00A),
];

type Attributes = Vec<(u16, Vec<u8>)>;
/// A byte of a request, and what it is XORed with.
type Flip = Option<(usize, u8)>;

/// An attribute as a client may send it: the right ones, and others.
fn attribute() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let sized = |len: usize| prop::collection::vec(any::<u8>(), len);
    prop_oneof![
        4 => Just((AttributeType::REQUESTED_TRANSPORT.0, vec![17, 0, 0, 0])),
        1 => sized(4).prop_map(|value| (AttributeType::REQUESTED_TRANSPORT.0, value)),
        2 => prop::sample::select(vec![0_u32, 1, 600, 3600, u32::MAX])
            .prop_map(|secs| (AttributeType::LIFETIME.0, secs.to_be_bytes().to_vec())),
        1 => (0..4_u8).prop_map(|family| (AttributeType::REQUESTED_ADDRESS_FAMILY.0, vec![family, 0, 0, 0])),
        1 => (0..4_u8).prop_map(|family| (AttributeType::ADDITIONAL_ADDRESS_FAMILY.0, vec![family, 0, 0, 0])),
        1 => any::<u8>().prop_map(|bits| (AttributeType::EVEN_PORT.0, vec![bits])),
        1 => sized(8).prop_map(|token| (AttributeType::RESERVATION_TOKEN.0, token)),
        1 => (0x3FFE..0x4004_u16).prop_map(|number| {
            (AttributeType::CHANNEL_NUMBER.0, [&number.to_be_bytes()[..], &[0, 0]].concat())
        }),
        1 => sized(8).prop_map(|mut value| {
            value[1] = 1;
            (AttributeType::XOR_PEER_ADDRESS.0, value)
        }),
        1 => (any::<u16>(), prop::collection::vec(any::<u8>(), 0..24)),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Ask { client: usize, method: Method, attributes: Attributes, is_signed: bool, flipped: Flip },
    Allocate { client: usize, reserve: bool },
    Raw { client: usize, bytes: Vec<u8> },
    PeerSends { client: usize, bytes: Vec<u8> },
    Repeat(usize),
    Disconnect(usize),
    Advance(u64),
    Hold(bool, bool),
    AnswerHeld,
    Password(bool),
    HandOver,
}

fn step() -> impl Strategy<Value = Step> {
    let client = || 0..4_usize;
    let bytes = || {
        let first = prop::sample::select(vec![0x00_u8, 0x01, 0x40, 0x4F, 0x7F, 0x16, 0xFF]);
        (first, prop::collection::vec(any::<u8>(), 0..60)).prop_map(|(first, rest)| [vec![first], rest].concat())
    };
    prop_oneof![
        8 => (
            client(),
            prop::sample::select(METHODS.to_vec()),
            prop::collection::vec(attribute(), 0..5),
            prop::bool::weighted(0.85),
            prop::option::weighted(0.2, (0..200_usize, 1..=255_u8)),
        ).prop_map(|(client, method, attributes, is_signed, flipped)| {
            Step::Ask { client, method, attributes, is_signed, flipped }
        }),
        4 => (client(), any::<bool>()).prop_map(|(client, reserve)| Step::Allocate { client, reserve }),
        2 => (client(), bytes()).prop_map(|(client, bytes)| Step::Raw { client, bytes }),
        1 => (client(), bytes()).prop_map(|(client, bytes)| Step::PeerSends { client, bytes }),
        2 => client().prop_map(Step::Repeat),
        2 => client().prop_map(Step::Disconnect),
        4 => prop::sample::select(vec![1_u64, 400, 999, 4_999, 5_001, 29_999, 41_000, 300_500, 601_000, 5_000_000])
            .prop_map(Step::Advance),
        2 => any::<(bool, bool)>().prop_map(|(lookups, openings)| Step::Hold(lookups, openings)),
        4 => Just(Step::AnswerHeld),
        1 => any::<bool>().prop_map(Step::Password),
        1 => Just(Step::HandOver),
    ]
}

struct Stage {
    world: World,
    clients: Vec<TestClient>,
    nonces: Vec<Vec<u8>>,
    last: Vec<Option<Vec<u8>>>,
    /// For how long something was held back, in milliseconds.
    waited: u64,
}

impl Stage {
    fn new(profile: Profile) -> Stage {
        let world = Setup::with(profile, "user-quota = 2").ports(50_000..=50_007).build();
        let over = |transport| world.client().over(transport);
        let clients =
            vec![over(Transport::Udp), over(Transport::Tcp), over(Transport::Tls).named(BOB), over(Transport::Tcp)];
        let nonces = clients.iter().map(TestClient::nonce).collect();
        Stage { world, clients, nonces, last: vec![None; 4], waited: 0 }
    }

    fn ask(&mut self, client: usize, method: Method, attributes: Attributes, is_signed: bool, flipped: Flip) {
        let start = self.clients[client].request(method).nonce(&self.nonces[client]);
        // FINGERPRINT in the middle makes no message; that is the codec's to test.
        let kind_of = |kind| if kind == AttributeType::FINGERPRINT.0 { 0x8029 } else { kind };
        let mut request = attributes
            .iter()
            .fold(start, |request, (kind, value)| request.attribute(AttributeType(kind_of(*kind)), value));
        if !is_signed {
            request = request.bare();
        }
        let mut bytes = request.bytes();
        if let Some((place, mask)) = flipped {
            let place = place % bytes.len();
            bytes[place] ^= mask;
        }
        self.clients[client].datagram(&bytes);
        let replies = self.clients[client].replies(request.transaction());
        if let Some(nonce) = replies.iter().find_map(|reply| reply.nonce()) {
            self.nonces[client] = nonce;
        }
        self.last[client] = Some(bytes);
    }

    fn play(&mut self, step: Step) {
        match step {
            Step::Ask { client, method, attributes, is_signed, flipped } => {
                self.ask(client, method, attributes, is_signed, flipped);
            }
            Step::Allocate { client, reserve } => {
                let mut attributes = vec![(AttributeType::REQUESTED_TRANSPORT.0, vec![17, 0, 0, 0])];
                attributes.extend(reserve.then(|| (AttributeType::EVEN_PORT.0, vec![0x80])));
                self.ask(client, Method::ALLOCATE, attributes, true, None);
            }
            Step::Raw { client, bytes } => self.clients[client].datagram(&bytes),
            Step::PeerSends { client, bytes } => {
                let peer = self.world.peer("8.8.4.4:5000");
                peer.send_to(sock(&format!("130.89.1.1:{}", 50_000 + client)), &bytes);
            }
            Step::Repeat(client) => {
                if let Some(bytes) = self.last[client].clone() {
                    self.clients[client].datagram(&bytes);
                }
            }
            Step::Disconnect(client) => {
                if self.clients[client].tuple().transport.is_stream() {
                    self.clients[client].disconnect();
                }
            }
            Step::Advance(millis) => {
                // An engine may be late, but not by more than half a minute.
                self.waited = if self.world.held() == 0 { 0 } else { self.waited + millis };
                if self.waited > 30_000 {
                    self.world.answer_held();
                    self.world.answer_held();
                }
                self.world.advance_by(Duration::from_millis(millis));
            }
            Step::Hold(lookups, openings) => {
                let pace = |is_held| if is_held { Pace::Held } else { Pace::Prompt };
                self.world.look_ups(pace(lookups));
                self.world.openings(pace(openings));
            }
            Step::AnswerHeld => self.world.answer_held(),
            Step::Password(is_new) => self.world.set_password("alice", if is_new { "another" } else { "wonderland-7" }),
            Step::HandOver => {
                // What waits is left behind by a hand-over, and so is what it asked for.
                if self.world.held() == 0 && self.world.parked() == 0 {
                    self.world.replace(0, self.world.export(0));
                }
            }
        }
        for client in &self.clients {
            client.frames();
        }
    }

    fn assert_sound(&self) -> Result<(), TestCaseError> {
        let world = &self.world;
        prop_assert_eq!(world.allocations() + world.reservations(), world.quota_total() as usize);
        prop_assert_eq!(world.census().0, world.relay_sockets() + world.reservations());
        let (taken, resting, free) = world.census();
        prop_assert_eq!(taken + resting + free, 16);
        prop_assert!(world.allocations() <= 4 && world.relay_sockets() <= 2 * world.allocations());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_books_balance(
        profile in prop::sample::select(Profile::ALL.to_vec()),
        steps in prop::collection::vec(step(), 1..100),
    ) {
        let mut stage = Stage::new(profile);
        for step in steps {
            stage.play(step);
            stage.assert_sound()?;
        }
        stage.play(Step::Hold(false, false));
        for _ in 0..3 {
            stage.play(Step::AnswerHeld);
        }
        stage.play(Step::Advance(4_000_000));
        stage.assert_sound()?;
        let world = &stage.world;
        prop_assert_eq!((world.allocations(), world.reservations(), world.parked(), world.census().0), (0, 0, 0, 0));
    }
}
