//! What strangers learn, and what they leave behind.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use turnserver::auth::LongTermKey;
use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Message, Method};
use turnserver::turn::address::{FiveTuple, LinkId, Transport, WorkerId};
use turnserver::turn::io::{ClientPath, UserRecord};
use turnserver::turn::{Answer, AnswerBuf, DropReason, Output, Path, Server, Verdict};

use crate::draft::{Credentials, Draft};
use crate::probe::Probe;
use crate::target::{Person, Target};
use crate::wire::{Launch, Link, Reply};
use crate::world::{NOW, SERVER_V4, World, sock};

/// The types of an answer's attributes, and its length.
fn shape(reply: &Reply) -> (u16, usize, Vec<AttributeType>) {
    let message = reply.message();
    let kinds = message.attributes().map(|(kind, _)| kind).collect();
    (reply.code(), message.bytes().len(), kinds)
}

pub(super) fn auth_031_unknown_users_look_like_wrong_passwords() {
    let mut probe = Probe::udp();
    let own = Target::get().user.name.clone();
    let nobody = "x".repeat(own.len());
    let mut wrong = probe.challenged().clone();
    wrong.person.password.push('!');
    for _ in 0..1000 {
        let of_nobody = probe.ask(&Draft::allocate().instead(AttributeType::USERNAME, nobody.as_bytes()));
        let of_wrong = probe.ask(&Draft::allocate().signed_with(wrong.key()));
        assert_eq!(shape(&of_nobody), shape(&of_wrong));
        assert_eq!(of_nobody.code(), 401);
    }
    if Target::get().is_ours() {
        takes_the_same_time();
    }
}

/// The same work, whatever the request names and whichever keys are known of a user: medians that differ by a fraction of
/// what the HMAC of so long a message takes. For somebody unknown a key is made up, which is far less and taken off.
fn takes_the_same_time() {
    let whole = Arc::new(LongTermKey::derive(b"alice", b"example.org", b"another one"));
    let of_md5 = Arc::new(LongTermKey::from_raw([7; 16]));
    let record = |key: &Arc<LongTermKey>| UserRecord {
        keys: vec![Arc::clone(key)],
        quota: Arc::from(*b"alice"),
        usable: true,
        renewable: false,
    };
    for draft in [Draft::allocate(), Draft::allocate().by_sha256()] {
        let scheme = draft.scheme;
        let mut core = Core::new();
        let message = core.signed(draft);
        let parsed = Message::parse(&message).expect("a message");
        let mut spent = [const { Vec::new() }; 5];
        for _ in 0..1000 {
            let took = [
                cost(|| assert!(!whole.verifies(&parsed, scheme))),
                cost(|| drop(LongTermKey::from_raw([0; 16]))),
                core.judge(&message, None),
                core.judge(&message, Some(record(&whole))),
                core.judge(&message, Some(record(&of_md5))),
            ];
            spent.iter_mut().zip(took).for_each(|(spent, took)| spent.push(took));
        }
        let [hmac, making, unknown, known, md5_known] = spent.map(|mut spent| {
            spent.sort_unstable();
            spent[spent.len() / 2]
        });
        let alike = [unknown.saturating_sub(making), known, md5_known];
        let is_alike = alike.iter().all(|one| alike.iter().all(|other| one.abs_diff(*other) < hmac / 2));
        assert!(is_alike, "{scheme:?}: unknown users, known ones, MD5: {alike:?} ns, an HMAC {hmac} ns");
    }
}

/// What this thread computed for it.
fn cost(work: impl FnOnce()) -> u64 {
    let before = cpu_nanos();
    work();
    cpu_nanos() - before
}

/// What this thread computed so far; other threads and processes do not count.
fn cpu_nanos() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(now.tv_sec).expect("it began at 0") * 1_000_000_000 + u64::try_from(now.tv_nsec).expect("below 10^9")
}

/// A core of its own that strangers talk to.
struct Core {
    server: Server,
    answer: AnswerBuf,
    request: Vec<u8>,
}

impl Core {
    fn new() -> Core {
        let settings = World::of(Profile::Default).settings();
        let server = Server::new(settings, WorkerId(0), [7; 32], NOW);
        Core { server, answer: AnswerBuf::default(), request: Draft::allocate().bare().bytes(None) }
    }

    /// A draft, lengthened, with a nonce of stranger 0, signed with a key that is nobody's.
    fn signed(&mut self, draft: Draft) -> Vec<u8> {
        let challenge = Reply::new(self.ask(0).to_vec());
        let value = |kind| challenge.value(kind).expect("a challenge has it");
        let person = Person { name: "alice".to_owned(), password: "a wrong one".to_owned() };
        let (realm, nonce) = (value(AttributeType::REALM), value(AttributeType::NONCE));
        draft.with(AttributeType(0x8022), &[0x55; 3500]).bytes(Some(&Credentials { person, realm, nonce }))
    }

    /// Refuses what stranger 0 signed, given what is known of the user; tells how long that took.
    fn judge(&mut self, message: &[u8], record: Option<UserRecord>) -> u64 {
        let verdict = self.server.handle_datagram(NOW, path(0), message, &mut self.answer);
        assert!(matches!(verdict, Verdict::Drop(DropReason::Parked)));
        let Some(Output::LookUpUser(asked)) = self.server.poll_output() else { panic!("a look-up") };
        let before = cpu_nanos();
        self.server.handle_answer(NOW, Answer::User { request: asked.request, record });
        let spent = cpu_nanos() - before;
        let mut outputs = std::iter::from_fn(|| self.server.poll_output());
        let answer = outputs.find_map(|output| if let Output::Transmit(it) = output { Some(it.bytes) } else { None });
        assert_eq!(answer.map(|bytes| Reply::new(bytes.to_vec()).code()), Some(401));
        assert_eq!(outputs.count(), 0);
        spent
    }

    /// A bare Allocate of the stranger with this number; gives the answer.
    fn ask(&mut self, number: u32) -> &[u8] {
        let verdict = self.server.handle_datagram(NOW, path(number), &self.request, &mut self.answer);
        assert!(matches!(verdict, Verdict::Respond(_)), "every stranger is answered");
        self.answer.bytes()
    }
}

/// The way to the stranger with this number; four have one address.
fn path(number: u32) -> Path {
    let ip = Ipv4Addr::from(u32::from(Ipv4Addr::new(100, 0, 0, 0)) + number / 4);
    let client = SocketAddr::from((ip, 1024 + (number % 4) as u16));
    let tuple = FiveTuple { transport: Transport::Udp, client, server: sock(SERVER_V4) };
    Path::Client(ClientPath { tuple, link: LinkId(0) })
}

/// 10^5 strangers, 10^5 nonces.
pub(super) fn nonces_never_repeat() {
    let mut core = Core::new();
    let mut nonces = HashSet::new();
    for number in 0..100_000 {
        let message = core.ask(number);
        let message = Message::parse(message).expect("an answer");
        let nonce = message.value(AttributeType::NONCE).expect("a challenge has one");
        assert!(nonces.insert(nonce.to_vec()), "{number}");
    }
}

/// A million strangers leave the core as it was, and some real ones do not make the process grow.
pub(super) fn auth_032_strangers_leave_no_trace() {
    let program = std::env::current_exe().expect("this program");
    let child = Command::new(program).env(ALONE, "1").output().expect("it runs once more");
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    the_nonce_proves_itself();
    the_process_does_not_grow();
}

/// Where this is set, this program is the process of [`strangers_alone`]; the rows beside would grow and shrink it.
pub(crate) const ALONE: &str = "CONFORMANCE_STRANGERS_ALONE";
/// An eighth of what their addresses would take.
const GROWTH_KIB_MAX: u64 = 4096;

/// A million strangers and two workers that share them, in a process whose memory nothing else changes.
pub(crate) fn strangers_alone() {
    let mut cores = [Core::new(), Core::new()];
    cores.iter_mut().for_each(|core| (0..1000).for_each(|number| drop(core.ask(number).to_vec())));
    let before = resident_kib();
    std::thread::scope(|scope| {
        for (core, from) in cores.iter_mut().zip([0, 500_000]) {
            scope.spawn(move || leave_no_trace(core, from..from + 500_000));
        }
    });
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < GROWTH_KIB_MAX, "{grown} KiB for a million strangers");
    drop(cores);
}

fn leave_no_trace(core: &mut Core, numbers: std::ops::Range<u32>) {
    let before = serde_json::to_string(&core.server.export()).expect("it can be written");
    for number in numbers {
        core.ask(number);
    }
    assert_eq!((core.server.allocations(), core.server.parked()), (0, 0));
    assert!(core.server.poll_output().is_none() && core.server.poll_timeout().is_none());
    assert_eq!(serde_json::to_string(&core.server.export()).expect("it can be written"), before);
}

/// What this process has in memory.
pub(crate) fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}

/// Every character of a nonce is covered by its tag: no other text in its place is ours.
fn the_nonce_proves_itself() {
    let mut probe = Probe::udp();
    let nonce = probe.challenged().nonce.clone();
    for at in 0..nonce.len() {
        let mut other = nonce.clone();
        other[at] = if other[at] == b'A' { b'Q' } else { b'A' };
        assert_eq!(probe.code(&Draft::allocate().instead(AttributeType::NONCE, &other)), 438, "character {at}");
    }
}

fn the_process_does_not_grow() {
    let file = "realm = \"example.org\"\nuser = [\"alice:wonderland-7\"]";
    let server = Launch::new(&[]).with_file(file).start();
    let draft = Draft::allocate().bare().bytes(None);
    let mut probe = Probe::over(Link::udp(server.addr));
    let mut flood = |addresses: std::ops::Range<u8>| {
        for last in addresses {
            let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 1, last), 0)).expect("a loopback address");
            socket.connect(server.addr).expect("loopback has a route");
            (0..100).for_each(|_| drop(socket.send(&draft)));
            // So that the server's receive buffer holds each hundred.
            probe.ask(&Draft::request(Method::BINDING));
        }
    };
    flood(1..20);
    let before = server.resident_kib();
    flood(20..250);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 1024, "{grown} KiB for 23,000 requests of 230 addresses");
}
