//! What the server sends: errors, SOFTWARE, sources, how many answers, transaction ids.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use turnserver::stun::{AttributeType, Message, Method};

use crate::auth;
use crate::draft::{Draft, is_of};
use crate::peer::Peer;
use crate::probe::Probe;
use crate::target::Target;
use crate::wire::{Launch, Link, Server};

fn binding() -> Draft {
    Draft::request(Method::BINDING)
}

pub(super) fn stun_028_error_codes_are_well_formed() {
    let mut replies = auth::errors::provoked();
    if Target::get().is_ours() {
        replies.extend(auth::errors::with_phrases());
    }
    for (code, reply) in replies {
        let value = reply.value(AttributeType::ERROR_CODE).expect("an error says which");
        let [zero, also, class, number, phrase @ ..] = &value[..] else { panic!("{value:02x?}") };
        assert_eq!((*zero, *also, *class & 0xF8), (0, 0, 0), "21 reserved bits");
        assert!((3..=6).contains(class) && *number <= 99, "{value:02x?}");
        assert_eq!(u16::from(*class) * 100 + u16::from(*number), code);
        let phrase = std::str::from_utf8(phrase).expect("UTF-8");
        assert!(phrase.chars().count() < 128, "{phrase}");
    }
}

/// The project decided that it is off by default.
pub(super) fn stun_031_software_is_told_when_configured() {
    for (line, is_told) in [("", false), ("software-attribute = false", false), ("software-attribute = true", true)] {
        let file = format!("realm = \"example.org\"\nuser = [\"alice:wonderland-7\"]\n{line}");
        let server = Launch::new(&[]).with_file(&file).start();
        let mut probe = Probe::over(Link::udp(server.addr));
        let drafts = [
            binding(),
            binding().with(AttributeType(0x7F00), b""),
            Draft::allocate().bare(),
            Draft::allocate().without(AttributeType::NONCE),
            Draft::allocate(),
            Draft::allocate(),
            Draft::request(Method::REFRESH).lifetime(0),
        ];
        for draft in drafts {
            let reply = probe.ask(&draft);
            assert_eq!(reply.has(AttributeType::SOFTWARE), is_told, "{line}: {}", reply.code());
            let name = reply.text(AttributeType::SOFTWARE);
            assert!(name.is_empty() != is_told && name.chars().count() < 128, "{name}");
        }
    }
}

pub(super) fn stun_032_the_answer_leaves_from_where_the_request_came_to() {
    // Every address by its name, and all of them at once.
    let named = Launch::new(&[]).listening_on(&["127.0.0.1", "127.0.0.2", "::1"]).start();
    let loopback: [IpAddr; 3] = [[127, 0, 0, 1].into(), [127, 0, 0, 2].into(), Ipv6Addr::LOCALHOST.into()];
    answers_from_each(&named, &loopback);
    let any = Launch::new(&[]).listening_on(&["0.0.0.0", "::"]).start();
    let own = if_addrs::get_if_addrs().expect("interfaces").into_iter().map(|interface| interface.ip());
    let mut all: Vec<IpAddr> = own.filter(|ip| !is_link_local(*ip)).collect();
    all.sort_unstable();
    all.dedup();
    assert!(all.contains(&loopback[0]), "{all:?}");
    answers_from_each(&any, &all);
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// One socket that is bound to no address asks each of `ips`, over UDP and TCP.
fn answers_from_each(server: &Server, ips: &[IpAddr]) {
    for ip in ips {
        let to = SocketAddr::new(*ip, server.addr.port());
        let any: IpAddr = if ip.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).expect("a free port");
        socket.set_read_timeout(Some(std::time::Duration::from_secs(10))).expect("a socket");
        let (draft, mut answer) = (binding(), [0; 500]);
        socket.send_to(&draft.bytes(None), to).expect("an address of this machine");
        let (len, from) = socket.recv_from(&mut answer).unwrap_or_else(|error| panic!("{to}: {error}"));
        assert_eq!((from, is_of(&answer[..len], draft.id)), (to, true));
        let mut stream = TcpStream::connect(to).expect("the server listens for TCP");
        let draft = binding();
        stream.write_all(&draft.bytes(None)).expect("the server is there");
        let len = stream.read(&mut answer).expect("an answer");
        assert!(is_of(&answer[..len], draft.id), "{to} over TCP");
    }
}

pub(super) fn stun_033_a_retransmission_has_the_same_answer() {
    for (over, mut probe) in Probe::over_each() {
        let bytes = probe.bytes(&binding());
        let answers = [(); 3].map(|()| {
            probe.send_bytes(&bytes);
            probe.receive_bytes()
        });
        assert!(answers.iter().all(|answer| *answer == answers[0]), "over {over}: {answers:02x?}");
    }
}

pub(super) fn stun_035_at_most_one_answer_a_request() {
    // Few enough at once that the client's socket holds all answers.
    const ROUNDS: u64 = 50;
    const AT_ONCE: usize = 40;
    let mut probe = Probe::udp();
    probe.challenged();
    let mut dice = ChaCha12Rng::seed_from_u64(35);
    for round in 0..ROUNDS {
        let mut asked = BTreeMap::new();
        for _ in 0..AT_ONCE {
            let (bytes, is_request) = any_datagram(&mut probe, &mut dice);
            if is_request {
                // A wrong byte may have made the id of another request of it.
                *asked.entry(bytes[8..20].to_vec()).or_insert(0) += 1;
            }
            probe.send_bytes(&bytes);
        }
        probe.settle();
        let answers = probe.pending();
        assert!(answers.len() <= AT_ONCE, "round {round}");
        // What is malformed another server may answer as well.
        for answer in answers.into_iter().filter(|_| Target::get().is_ours()) {
            let count = asked.get_mut(&answer[8..20]).unwrap_or_else(|| panic!("not asked for: {answer:02x?}"));
            assert!(*count > 0, "round {round}: one request, one answer");
            *count -= 1;
        }
    }
}

/// Requests, indications, messages with a few wrong bytes and noise; and whether it may be a request.
fn any_datagram(probe: &mut Probe, dice: &mut ChaCha12Rng) -> (Vec<u8>, bool) {
    let peer = SocketAddr::new(Target::get().peer_ip, 9);
    let drafts = [
        binding(),
        binding().fingerprint(),
        Draft::allocate().bare(),
        Draft::request(Method::REFRESH).lifetime(0),
        Draft::request(Method::CREATE_PERMISSION).peer(peer),
        Draft::send(peer, b"data"),
        Draft::of(Method::BINDING, turnserver::stun::Class::Indication),
        Draft::of(Method(0x00D), turnserver::stun::Class::Request),
    ];
    let mut bytes = probe.bytes(&drafts[dice.next_u32() as usize % drafts.len()]);
    match dice.next_u32() % 4 {
        0 => {}
        1 => (0..1 + dice.next_u32() % 4).for_each(|_| {
            let at = dice.next_u32() as usize % bytes.len();
            bytes[at] = dice.next_u32() as u8;
        }),
        2 => bytes.truncate(dice.next_u32() as usize % bytes.len()),
        _ => dice.fill_bytes(&mut bytes),
    }
    let is_request = Message::parse(&bytes).is_ok_and(|it| it.kind().class == turnserver::stun::Class::Request);
    (bytes, is_request)
}

pub(super) fn stun_036_transaction_ids_of_indications_are_random() {
    const COUNT: usize = 1000;
    let (mut probe, peer) = (Probe::udp(), Peer::new());
    let relayed = probe.allocate();
    assert_eq!(probe.permit(peer.addr()), 0);
    let ids: Vec<[u8; 12]> = (0..COUNT)
        .map(|_| {
            peer.send(relayed, b"data");
            probe.receive_bytes()[8..20].try_into().expect("twelve bytes")
        })
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), COUNT, "all differ");
    for byte in 0..12 {
        // Of 256 values 251 come up in a thousand draws, and under 200 never.
        let seen: BTreeSet<u8> = ids.iter().map(|id| id[byte]).collect();
        assert!(seen.len() >= 200, "byte {byte} has {} values", seen.len());
        // A counter makes the same step again and again; of dice every step is as likely as any other.
        let mut steps = BTreeMap::new();
        ids.windows(2).for_each(|pair| *steps.entry(pair[1][byte].wrapping_sub(pair[0][byte])).or_insert(0) += 1);
        let most = steps.into_values().max().unwrap_or_default();
        assert!(most < COUNT / 10, "byte {byte} makes one step {most} times");
    }
}
