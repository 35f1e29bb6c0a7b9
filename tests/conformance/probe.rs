//! A client of the suite: it sends drafts and judges whatever comes back.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use turnserver::auth::{LongTermKey, Scheme};
use turnserver::stun::{AttributeType, ChannelData, ChannelNumber, Class, Message, Method};

use crate::draft::{Credentials, Draft, is_of};
use crate::row::not_asked;
use crate::target::{Person, Target};
use crate::wire::{Link, Received, Reply, tls};

/// Far beyond what a busy machine takes; the answer of another server that stays away is red after this.
const PATIENCE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 10 } else { 5 });
/// Datagrams may get lost on the way to a server elsewhere; ours is on loopback, and a second answer would be data.
const RESEND: Duration = Duration::from_secs(1);

/// A client.
pub(crate) struct Probe {
    link: Link,
    person: Person,
    /// What the last challenge taught.
    pub(crate) credentials: Option<Credentials>,
    inbox: VecDeque<Vec<u8>>,
}

impl Probe {
    /// A client over UDP with the target's user.
    pub(crate) fn udp() -> Probe {
        Probe::udp_to(Target::get().addr)
    }

    /// A client over UDP, to any server, from a 5-tuple that no client of this run had: an allocation outlives the client
    /// that forgot it, and would be in the way of the next one.
    pub(crate) fn udp_to(server: SocketAddr) -> Probe {
        static USED: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());
        loop {
            let link = Link::udp(server);
            if USED.lock().expect("nothing panics while it holds them").insert(link.local()) {
                return Probe::over(link);
            }
        }
    }

    /// The same over IPv6.
    pub(crate) fn udp_v6() -> Probe {
        let addr = Target::get().addr_v6.unwrap_or_else(|| not_asked("SERVER6 is not set"));
        Probe::udp_to(addr)
    }

    /// A client over TCP.
    pub(crate) fn tcp() -> Probe {
        Probe::over(Link::tcp(Target::get().addr))
    }

    /// A client over TLS.
    pub(crate) fn tls() -> Probe {
        let tls = Target::get().tls.as_ref();
        let (addr, certificate) = tls.unwrap_or_else(|| not_asked("TLS_SERVER is not set"));
        Probe::over(Link::Tls(Box::new(tls::connect(*addr, certificate)), Vec::new()))
    }

    /// One client over each transport that the target has.
    pub(crate) fn over_each() -> Vec<(&'static str, Probe)> {
        let mut all = vec![("UDP", Probe::udp()), ("TCP", Probe::tcp())];
        all.extend(Target::get().tls.is_some().then(|| ("TLS", Probe::tls())));
        all
    }

    /// A client over any link, also to a server that a row started itself.
    pub(crate) fn over(link: Link) -> Probe {
        Probe { link, person: Target::get().user.clone(), credentials: None, inbox: VecDeque::new() }
    }

    /// The same client as somebody else.
    pub(crate) fn of_user(mut self, person: &Person) -> Probe {
        self.become_user(person);
        self
    }

    /// From now on it signs as somebody else, with the challenge it has.
    pub(crate) fn become_user(&mut self, person: &Person) {
        self.person = person.clone();
        if let Some(credentials) = &mut self.credentials {
            credentials.person = person.clone();
        }
    }

    pub(crate) fn local(&self) -> SocketAddr {
        self.link.local()
    }

    pub(crate) fn link(&mut self) -> &mut Link {
        &mut self.link
    }

    /// Learns realm and nonce from a 401, unless it knows them.
    pub(crate) fn challenged(&mut self) -> &Credentials {
        if self.credentials.is_none() {
            let reply = self.ask(&Draft::allocate().bare());
            assert_eq!(reply.code(), 401, "a bare Allocate is challenged");
            self.learn(&reply);
        }
        self.credentials.as_ref().expect("just learnt")
    }

    /// Takes REALM and NONCE of a challenge.
    pub(crate) fn learn(&mut self, reply: &Reply) {
        let value = |kind| reply.value(kind).expect("a challenge has REALM and NONCE");
        self.credentials = Some(Credentials {
            person: self.person.clone(),
            realm: value(AttributeType::REALM),
            nonce: value(AttributeType::NONCE),
        });
    }

    /// The message as this client would send it.
    pub(crate) fn bytes(&mut self, draft: &Draft) -> Vec<u8> {
        if draft.is_signed {
            self.challenged();
        }
        draft.bytes(self.credentials.as_ref())
    }

    /// Sends a draft and waits for its answer, which must be one that RFC 8489 allows; see [`judge`].
    pub(crate) fn ask(&mut self, draft: &Draft) -> Reply {
        let bytes = self.bytes(draft);
        let reply = self.ask_bytes(&bytes).expect("an answer");
        let key = self.credentials.as_ref().filter(|_| draft.is_signed).map(Credentials::key);
        judge(&reply, draft, key.as_ref());
        reply
    }

    /// The code of the answer; 0 is success.
    pub(crate) fn code(&mut self, draft: &Draft) -> u16 {
        self.ask(draft).code()
    }

    /// Sends a request as it is and waits for the answer with its transaction id; none when it stays away.
    pub(crate) fn ask_bytes(&mut self, request: &[u8]) -> Option<Reply> {
        let id = turnserver::stun::TransactionId(request[8..20].try_into().expect("a whole header"));
        let is_reliable = self.link.is_stream() || Target::get().is_ours();
        let patience = if is_reliable { PATIENCE } else { RESEND };
        for _ in 0..PATIENCE.as_secs() / patience.as_secs() {
            self.send_bytes(request);
            while let Some(bytes) = self.link.receive(patience).expect("the server is there") {
                match is_of(&bytes, id) {
                    true => return Some(Reply::new(bytes)),
                    false => self.inbox.push_back(bytes),
                }
            }
        }
        None
    }

    /// Sends a draft; nothing is waited for.
    pub(crate) fn tell(&mut self, draft: &Draft) {
        let bytes = self.bytes(draft);
        self.send_bytes(&bytes);
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.link.send(bytes).expect("the server is there");
    }

    /// Sends data on a channel, as its transport asks for.
    pub(crate) fn send_channel(&mut self, number: u16, data: &[u8]) {
        let mut bytes = ChannelData::header(ChannelNumber(number), data.len() as u16).to_vec();
        bytes.extend(data);
        if self.link.is_stream() {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        self.send_bytes(&bytes);
    }

    /// These bytes are not answered, and the server goes on.
    pub(crate) fn is_mute(&mut self, bytes: &[u8]) {
        self.send_bytes(bytes);
        self.receives_nothing();
    }

    /// Nothing came that was not asked for: no answer, no data.
    pub(crate) fn receives_nothing(&mut self) {
        self.settle();
        assert_eq!(self.inbox.pop_front(), None, "nothing may come");
    }

    /// Lets go of whatever came that was not asked for.
    pub(crate) fn forget_unread(&mut self) {
        self.inbox.clear();
    }

    /// What came so far that no one asked for.
    pub(crate) fn pending(&mut self) -> Vec<Vec<u8>> {
        self.inbox.drain(..).collect()
    }

    /// Returns when the server has dealt with everything sent to it before, by this client or to its relayed address. Three
    /// questions: the first one may be answered before the worker looks at what became ready meanwhile, the second one
    /// before it comes to that.
    pub(crate) fn settle(&mut self) {
        for _ in 0..3 {
            self.ask(&Draft::request(Method::BINDING));
        }
        let grace = Target::get().grace();
        while let Some(bytes) = (!grace.is_zero()).then(|| self.link.receive(grace).expect("alive")).flatten() {
            self.inbox.push_back(bytes);
        }
    }

    /// The next message that no one asked for, as it came, waited for.
    pub(crate) fn receive_bytes(&mut self) -> Vec<u8> {
        let waited = || "the server sends what it must".to_owned();
        match self.inbox.pop_front() {
            Some(bytes) => bytes,
            None => self.link.receive(PATIENCE).expect("the server is there").unwrap_or_else(|| panic!("{}", waited())),
        }
    }

    /// The next data of a peer, waited for.
    pub(crate) fn receive(&mut self) -> Received {
        Received::parse(&self.receive_bytes())
    }

    /// Allocates, which must succeed; gives XOR-RELAYED-ADDRESS.
    pub(crate) fn allocate(&mut self) -> SocketAddr {
        let reply = self.ask(&Draft::allocate());
        assert_eq!(reply.code(), 0, "an allocation was expected");
        reply.relayed()
    }

    /// Asks for a permission; gives the code.
    pub(crate) fn permit(&mut self, peer: SocketAddr) -> u16 {
        self.code(&Draft::request(Method::CREATE_PERMISSION).peer(peer))
    }

    /// Asks for a channel; gives the code.
    pub(crate) fn bind(&mut self, number: u16, peer: SocketAddr) -> u16 {
        self.code(&Draft::request(Method::CHANNEL_BIND).channel(number).peer(peer))
    }

    /// Refreshes; gives the code.
    pub(crate) fn refresh(&mut self, secs: u32) -> u16 {
        self.code(&Draft::request(Method::REFRESH).lifetime(secs))
    }
}

impl Drop for Probe {
    /// A server elsewhere outlives this process: the next run may come from the same port.
    fn drop(&mut self) {
        if !Target::get().is_ours() && !self.link.is_stream() && self.credentials.is_some() {
            let bytes = Draft::request(Method::REFRESH).lifetime(0).bytes(self.credentials.as_ref());
            // It may be gone by now; there is nobody to tell.
            let _ = self.link.send(&bytes);
        }
    }
}

/// What holds for every answer to `draft`: RFC 8489 sections 5 (method, cookie), 14 (zero padding), 14.7 (FINGERPRINT holds
/// and is last), and, to a signed request, 9.2.4: it is signed in the way that the request asks for. A challenge is not
/// signed, and what is said before or without a look at the user (400, 500) need not be; other servers may know more
/// exceptions.
pub(crate) fn judge(reply: &Reply, draft: &Draft, key: Option<&LongTermKey>) {
    let message = reply.message();
    assert_eq!(message.kind().method, draft.method(), "an answer has the method of its request");
    assert!(matches!(message.kind().class, Class::Success | Class::Error), "an answer is a response");
    assert_eq!(message.bytes()[4..8], [0x21, 0x12, 0xA4, 0x42], "the magic cookie");
    assert!(!has_dirty_padding(message.bytes()), "padding is zero");
    if message.has(AttributeType::FINGERPRINT) {
        let last = message.bytes().len() - 4;
        assert_eq!(message.offset(AttributeType::FINGERPRINT), Some(last), "FINGERPRINT is last");
        assert!(message.fingerprint_holds(), "FINGERPRINT holds");
    }
    let is_challenge = matches!(reply.code(), 401 | 438);
    let seals =
        [AttributeType::MESSAGE_INTEGRITY, AttributeType::MESSAGE_INTEGRITY_SHA256].map(|kind| message.has(kind));
    let [is_signed, is_other] = match draft.scheme {
        Scheme::Unnamed => seals,
        Scheme::Named(_) => [seals[1], seals[0]],
    };
    assert!(!is_other, "an answer has the integrity attribute that its request asks for");
    if let Some(key) = key.filter(|_| !is_challenge) {
        let may_be_bare = matches!(reply.code(), 400 | 500) || !Target::get().is_ours();
        assert!(is_signed || may_be_bare, "an answer {} to a signed request is signed", reply.code());
        assert!(!is_signed || key.verifies(&message, draft.scheme), "the integrity of an answer holds");
    }
}

/// Whether a pad byte of a well-formed message is not zero.
fn has_dirty_padding(bytes: &[u8]) -> bool {
    let mut rest = &bytes[20..];
    while let [_, _, high, low, body @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let padded = len.next_multiple_of(4);
        if body[len..padded].iter().any(|byte| *byte != 0) {
            return true;
        }
        rest = &body[padded..];
    }
    false
}

/// Whether an answer's own bytes still are a message, for rows that inspect them.
pub(crate) fn reparse(bytes: &[u8]) -> Message<'_> {
    Message::parse(bytes).expect("the server sends well-formed STUN")
}
