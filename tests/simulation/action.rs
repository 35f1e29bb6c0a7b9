//! What happens in a simulation, one action after the other. All are drawn before the first is done and each has dice of
//! its own, so that leaving some out changes no other.

use crate::dice::Dice;
use crate::hostile::Trick;
use crate::plan::{LISTS, PEERS, SENDERS, Weather, weather};

pub(crate) const ACTIONS: usize = 520;

/// One action with its dice.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub(crate) act: Act,
    pub(crate) die: u64,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// A client asks something, as an honest client does.
    Ask {
        client: usize,
        ask: Ask,
    },
    /// Its last request once more, byte for byte.
    Repeat {
        client: usize,
    },
    /// A Send indication.
    Send {
        client: usize,
        peer: usize,
        size: Size,
        dont_fragment: bool,
    },
    /// ChannelData.
    Channel {
        client: usize,
        number: u16,
        size: Size,
    },
    /// A peer sends to a client's relayed address.
    PeerSends {
        peer: usize,
        client: usize,
        size: Size,
    },
    /// Something forged as from one of our own addresses reaches a relayed address.
    OwnSends {
        client: usize,
        peer: usize,
    },
    /// The last message of another comes from this client's address.
    Replay {
        client: usize,
        of: usize,
    },
    Hostile {
        client: usize,
        trick: Trick,
        ask: Ask,
    },
    /// The NAT gives a client another source address, or a former one again.
    Rebind {
        client: usize,
        back: bool,
        other_ip: bool,
    },
    Disconnect {
        client: usize,
    },
    /// A client tries passwords, one behind the other.
    Guess {
        client: usize,
        user: usize,
        count: usize,
    },
    Wait {
        millis: u64,
    },
    /// The machine sleeps: time goes on, nothing else; what came is served before the timers or behind them.
    Suspend {
        secs: u64,
        timers_first: bool,
    },
    WallClock {
        secs: i64,
    },
    LookUps(Pace),
    Openings(Pace),
    Epoll {
        refuses: bool,
    },
    Password {
        user: usize,
        is_new: bool,
    },
    Revoke {
        user: usize,
    },
    /// The operator changes which peers may be reached.
    Peers {
        lists: usize,
    },
    /// A worker's state goes over to a new core; through text now and then.
    HandOver {
        worker: usize,
    },
    /// A worker's clients and state go over to another worker.
    Merge {
        from: usize,
        to: usize,
    },
    /// The core panicked over something of a client.
    Fault {
        client: usize,
    },
    Weather(Weather),
    /// Allocations that begin and end without a pause.
    Churn {
        client: usize,
    },
    /// More requests than may wait.
    Flood {
        client: usize,
    },
    /// The system refuses to send for a while.
    Sending {
        fails: bool,
    },
}

/// How fast the world answers the core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    AtOnce,
    Slow,
    Lost,
    /// It says at once that it cannot.
    Down,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Size {
    Empty,
    Small,
    Large,
    Huge,
}

/// What a request asks.
#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Binding,
    Allocate(Kind),
    Refresh {
        lifetime: Option<u32>,
        family: Option<u8>,
    },
    Permit {
        peers: Vec<usize>,
    },
    Bind {
        number: u16,
        peer: usize,
    },
    /// Permissions for many hosts of a network.
    Scan {
        network: u8,
        count: u8,
    },
    /// A Send indication, for the hostile.
    SendTo {
        peer: usize,
    },
}

/// How an allocation is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Plain,
    Long,
    Six,
    Four,
    Both,
    Even,
    EvenSix,
    Reserve,
    /// With the last token a client was given.
    Token(usize),
    TokenOfNobody,
    TokenAndEven,
    BothAndReserve,
    BothFamilies,
    OddFamily,
    OverTcp,
    NoTransport,
}

const KINDS: [Kind; 13] = [
    Kind::Long,
    Kind::Six,
    Kind::Four,
    Kind::Even,
    Kind::EvenSix,
    Kind::TokenOfNobody,
    Kind::TokenAndEven,
    Kind::BothAndReserve,
    Kind::BothFamilies,
    Kind::OddFamily,
    Kind::OverTcp,
    Kind::NoTransport,
    Kind::Both,
];

const NUMBERS: [u16; 10] = [0x4000, 0x4000, 0x4001, 0x4001, 0x4002, 0x4FFF, 0x3FFF, 0x5000, 0x7FFF, 0x4003];

const WAITS: [u64; 14] =
    [900, 1_000, 4_999, 5_000, 5_001, 29_999, 40_000, 61_000, 121_500, 150_000, 299_999, 301_000, 599_900, 601_000];

impl Ask {
    /// What a hostile client spoils.
    fn draw_any(dice: &mut Dice, clients: usize) -> Ask {
        match dice.percent(20) {
            true => Ask::SendTo { peer: peer(dice, clients) },
            false => Ask::draw(dice, clients),
        }
    }

    pub(crate) fn draw(dice: &mut Dice, clients: usize) -> Ask {
        match dice.below(100) {
            0..=5 => Ask::Binding,
            6..=34 => Ask::Allocate(match dice.below(100) {
                0..=39 => Kind::Plain,
                40..=54 => Kind::Both,
                55..=64 => Kind::Reserve,
                65..=74 => Kind::Token(dice.below(clients)),
                _ => dice.pick(&KINDS),
            }),
            35..=46 => Ask::Refresh {
                lifetime: dice.pick(&[None, None, Some(0), Some(100), Some(600), Some(3600), Some(u32::MAX)]),
                family: dice.pick(&[None, None, None, Some(1), Some(2), Some(3)]),
            },
            47..=49 => Ask::Scan { network: dice.below(9) as u8, count: dice.pick(&[5, 40, 64, 64]) },
            50..=72 => {
                let count = dice.pick(&[0, 1, 1, 1, 1, 2, 2, 3, 65]);
                Ask::Permit { peers: (0..count).map(|_| peer(dice, clients)).collect() }
            }
            _ => Ask::Bind { number: dice.pick(&NUMBERS), peer: peer(dice, clients) },
        }
    }
}

/// A peer or, above those, a client's relayed address; mostly one that may be reached.
fn peer(dice: &mut Dice, clients: usize) -> usize {
    match dice.below(10) {
        0..=4 => dice.below(SENDERS - 2),
        5..=7 => PEERS.len() + dice.below(clients),
        _ => dice.below(PEERS.len()),
    }
}

fn size(dice: &mut Dice) -> Size {
    match dice.below(200) {
        0..=15 => Size::Empty,
        16..=19 => Size::Large,
        20 => Size::Huge,
        _ => Size::Small,
    }
}

impl Action {
    pub(crate) fn all_of(seed: u64, clients: usize, workers: usize) -> Vec<Action> {
        let mut dice = Dice::new(seed ^ 0xAC71_0AC7_10AC_710A);
        let mut actions: Vec<Action> =
            (0..ACTIONS).map(|_| Action { act: Act::draw(&mut dice, clients, workers), die: dice.next() }).collect();
        if seed.is_multiple_of(500) {
            let act = Act::Flood { client: dice.below(clients) };
            actions[ACTIONS / 2] = Action { act, die: dice.next() };
        }
        if seed % 500 == 270 {
            let act = Act::Churn { client: dice.below(clients) };
            actions[ACTIONS / 10] = Action { act, die: dice.next() };
        }
        actions
    }

    /// How much data it sends, if it sends data.
    pub(crate) fn size(&mut self) -> Option<&mut Size> {
        match &mut self.act {
            Act::Send { size, .. } | Act::Channel { size, .. } | Act::PeerSends { size, .. } => Some(size),
            _ => None,
        }
    }
}

impl Act {
    fn draw(dice: &mut Dice, clients: usize, workers: usize) -> Act {
        let client = dice.below(clients);
        match dice.below(1000) {
            0..=379 => Act::Ask { client, ask: Ask::draw(dice, clients) },
            380..=409 => Act::Repeat { client },
            410..=509 => {
                let (peer, size) = (peer(dice, clients), size(dice));
                Act::Send { client, peer, size, dont_fragment: dice.percent(10) }
            }
            510..=609 => Act::Channel { client, number: dice.pick(&NUMBERS), size: size(dice) },
            610..=714 => Act::PeerSends { peer: dice.below(SENDERS), client, size: size(dice) },
            715..=719 => Act::OwnSends { client, peer: dice.below(PEERS.len()) },
            720..=734 => Act::Replay { client, of: dice.below(clients) },
            735..=834 => Act::Hostile { client, trick: Trick::draw(dice), ask: Ask::draw_any(dice, clients) },
            835..=849 => Act::Rebind { client, back: dice.percent(50), other_ip: dice.percent(20) },
            850..=855 => Act::Disconnect { client },
            856..=858 => Act::Guess { client, user: dice.below(3), count: dice.pick(&[2, 5, 22]) },
            859..=861 => Act::Peers { lists: if dice.percent(50) { 0 } else { dice.below(LISTS.len()) } },
            862..=916 => {
                Act::Wait { millis: if dice.percent(60) { 1 + dice.below(9_000) as u64 } else { dice.pick(&WAITS) } }
            }
            917 => Act::Suspend { secs: dice.pick(&[60, 400, 4_000, 90_000]), timers_first: dice.percent(50) },
            918..=922 => Act::WallClock { secs: dice.pick(&[-3_600, -60, -4, 4, 60, 3_600, 100_000]) },
            923..=937 => Act::LookUps(match dice.below(12) {
                0..=5 => Pace::AtOnce,
                6..=8 => Pace::Slow,
                9..=10 => Pace::Lost,
                _ => Pace::Down,
            }),
            938..=949 => Act::Openings(dice.pick(&[Pace::AtOnce, Pace::AtOnce, Pace::Slow])),
            950..=957 => Act::Epoll { refuses: dice.percent(15) },
            958..=961 => Act::Password { user: dice.below(3), is_new: dice.percent(50) },
            962..=963 => Act::Revoke { user: dice.below(3) },
            964..=975 => Act::HandOver { worker: dice.below(workers) },
            976..=979 => Act::Merge { from: dice.below(workers), to: dice.below(workers) },
            980..=984 => Act::Fault { client },
            985..=992 => Act::Weather(weather(dice)),
            _ => Act::Sending { fails: dice.percent(40) },
        }
    }

    /// What coverage counts it as.
    pub(crate) fn name(&self) -> String {
        match self {
            Act::Hostile { trick, .. } => format!("trick {trick:?}"),
            Act::Ask { ask: Ask::Allocate(kind), .. } => {
                format!("allocate {}", format!("{kind:?}").split('(').next().unwrap_or_default())
            }
            other => {
                let text = format!("{other:?}");
                text.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
            }
        }
    }
}
