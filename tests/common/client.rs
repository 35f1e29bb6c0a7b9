//! A TURN client: it learns realm and nonce from a 401 or 438 and signs what it sends.

use std::cell::RefCell;
use std::net::SocketAddr;

use turnserver::auth::LongTermKey;
use turnserver::stun::{AttributeType, ChannelData, ChannelNumber, Class, Message, Method, TransactionId};
use turnserver::turn::address::{FiveTuple, LinkId, Transport};
use turnserver::turn::io::ClientPath;

use super::net::World;
use super::reply::Reply;
use super::request::Request;
use super::setup::{ALICE, REALM, SERVER_V4, SERVER_V6, sock};
use super::users::Person;

/// A client and the 5-tuple it speaks from.
pub(crate) struct TestClient {
    pub(super) world: World,
    worker: usize,
    path: ClientPath,
    pub(super) name: Vec<u8>,
    pub(super) password: Vec<u8>,
    pub(super) nonce: RefCell<Option<Vec<u8>>>,
    relayed: RefCell<Vec<SocketAddr>>,
}

/// What a client gets besides answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// A Data indication.
    Data { peer: SocketAddr, data: Vec<u8> },
    /// ChannelData.
    Channel { number: u16, data: Vec<u8> },
}

impl TestClient {
    pub(super) fn new(world: World, number: u16, client: SocketAddr) -> TestClient {
        let server = sock(if client.is_ipv4() { SERVER_V4 } else { SERVER_V6 });
        let tuple = FiveTuple { transport: Transport::Udp, client, server };
        TestClient {
            world,
            worker: 0,
            path: ClientPath { tuple, link: LinkId(u32::from(number)) },
            name: ALICE.name.into(),
            password: ALICE.password.into(),
            nonce: RefCell::new(None),
            relayed: RefCell::new(Vec::new()),
        }
    }

    /// The same over another transport.
    pub(crate) fn over(mut self, transport: Transport) -> TestClient {
        self.path.tuple.transport = transport;
        self
    }

    /// The same from another address.
    pub(crate) fn at(mut self, addr: &str) -> TestClient {
        self.path.tuple.client = sock(addr);
        let server = if self.path.tuple.client.is_ipv4() { SERVER_V4 } else { SERVER_V6 };
        self.path.tuple.server = sock(server);
        self
    }

    /// The same served by another worker.
    pub(crate) fn on_worker(mut self, worker: usize) -> TestClient {
        self.worker = worker;
        self
    }

    /// The same for another user.
    pub(crate) fn named(self, person: Person) -> TestClient {
        self.login(person.name.as_bytes(), person.password.as_bytes())
    }

    pub(crate) fn login(mut self, name: &[u8], password: &[u8]) -> TestClient {
        self.name = name.into();
        self.password = password.into();
        self
    }

    /// The same with a nonce that was given to somebody.
    pub(crate) fn with_nonce(self, nonce: Vec<u8>) -> TestClient {
        *self.nonce.borrow_mut() = Some(nonce);
        self
    }

    pub(crate) fn tuple(&self) -> FiveTuple {
        self.path.tuple
    }

    pub(crate) fn key(&self) -> LongTermKey {
        LongTermKey::derive(&self.name, REALM.as_bytes(), &self.password)
    }

    /// The nonce it would use; a bare Allocate fetches one.
    pub(crate) fn nonce(&self) -> Vec<u8> {
        if self.nonce.borrow().is_none() {
            let challenge = self.request(Method::ALLOCATE).transport(17).bare().once().expect("a challenge");
            assert_eq!(challenge.code(), 401, "a bare Allocate is challenged");
            assert_eq!(challenge.realm().as_deref(), Some(REALM.as_bytes()));
            *self.nonce.borrow_mut() = challenge.nonce();
        }
        self.nonce.borrow().clone().expect("a challenge carries one")
    }

    /// A request to be filled in and sent.
    pub(crate) fn request(&self, method: Method) -> Request<'_> {
        Request::new(self, method, Class::Request)
    }

    /// An indication to be filled in and sent.
    pub(crate) fn indication(&self, method: Method) -> Request<'_> {
        Request::new(self, method, Class::Indication).bare()
    }

    /// A transaction id nobody had.
    pub(crate) fn fresh_id(&self) -> TransactionId {
        let mut id = *b"test-abcdefg";
        id[4..].copy_from_slice(&self.world.fresh().to_be_bytes());
        TransactionId(id)
    }

    /// Allocates; gives the first relayed address or the code.
    pub(crate) fn allocate(&self) -> Result<SocketAddr, u16> {
        let reply = self.request(Method::ALLOCATE).transport(17).send().expect("Allocate is answered");
        self.learn(&reply);
        match reply.code() {
            200 => Ok(reply.relayed()[0]),
            code => Err(code),
        }
    }

    /// Remembers the relayed addresses of an answer.
    pub(crate) fn learn(&self, reply: &Reply) {
        if reply.code() == 200 {
            *self.relayed.borrow_mut() = reply.relayed();
        }
    }

    pub(crate) fn has_allocated(&self) -> bool {
        !self.relayed.borrow().is_empty()
    }

    /// Its first relayed address.
    pub(crate) fn relayed(&self) -> SocketAddr {
        *self.relayed.borrow().first().expect("it has allocated")
    }

    /// Its relayed address of the family of `peer`.
    pub(crate) fn relayed_for(&self, peer: SocketAddr) -> SocketAddr {
        let relayed = self.relayed.borrow();
        let of_family = relayed.iter().find(|relayed| relayed.is_ipv4() == peer.is_ipv4());
        *of_family.or(relayed.first()).expect("it has allocated")
    }

    /// Refreshes; gives the lifetime granted or the code.
    pub(crate) fn refresh(&self, lifetime: Option<u32>) -> Result<u32, u16> {
        let request = self.request(Method::REFRESH);
        let request = match lifetime {
            Some(secs) => request.lifetime(secs),
            None => request,
        };
        let reply = request.send().expect("Refresh is answered");
        match reply.code() {
            200 => Ok(reply.lifetime().expect("RFC 8656 section 8.2: LIFETIME")),
            code => Err(code),
        }
    }

    /// Asks for permissions; gives the code.
    pub(crate) fn permit(&self, peers: &[SocketAddr]) -> u16 {
        let request = self.request(Method::CREATE_PERMISSION);
        peers.iter().fold(request, |request, peer| request.peer(*peer)).code()
    }

    /// Binds a channel; gives the code.
    pub(crate) fn bind(&self, number: u16, peer: SocketAddr) -> u16 {
        self.request(Method::CHANNEL_BIND).channel(number).peer(peer).code()
    }

    /// Sends data in a Send indication.
    pub(crate) fn send_to(&self, peer: SocketAddr, data: &[u8]) {
        self.indication(Method::SEND).peer(peer).data(data).dispatch();
    }

    /// Sends data on a channel, as its transport asks for.
    pub(crate) fn channel_send(&self, number: u16, data: &[u8]) {
        let len = u16::try_from(data.len()).expect("ChannelData holds 65535 bytes");
        let mut bytes = ChannelData::header(ChannelNumber(number), len).to_vec();
        bytes.extend_from_slice(data);
        if self.path.tuple.transport.is_stream() {
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        self.datagram(&bytes);
    }

    /// Sends bytes as they are.
    pub(crate) fn datagram(&self, bytes: &[u8]) {
        self.world.inner().receive_from_client(self.worker, self.path, bytes);
    }

    /// Its stream ends.
    pub(crate) fn disconnect(&self) {
        self.world.disconnect(self.worker, self.path.tuple);
    }

    /// The answers to a transaction that came since the last call.
    pub(crate) fn replies(&self, id: TransactionId) -> Vec<Reply> {
        let mut inner = self.world.inner();
        let mail = inner.client_mail(self.path.tuple);
        let is_answer = |bytes: &[u8]| {
            Message::parse(bytes).is_ok_and(|message| {
                message.id() == id && matches!(message.kind().class, Class::Success | Class::Error)
            })
        };
        let (mine, rest) = mail.drain(..).partition::<Vec<_>, _>(|bytes| is_answer(bytes));
        mail.extend(rest);
        mine.into_iter().map(Reply::new).collect()
    }

    /// Everything that came since the last call, as bytes.
    pub(crate) fn frames(&self) -> Vec<Vec<u8>> {
        self.world.inner().client_mail(self.path.tuple).drain(..).collect()
    }

    /// The data that came since the last call.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.frames().iter().map(|bytes| read(bytes)).collect()
    }
}

fn read(bytes: &[u8]) -> Received {
    if bytes[0] >= 0x40 {
        let ChannelData { number, data } = ChannelData::parse(bytes).expect("whole ChannelData");
        return Received::Channel { number: number.0, data: data.into() };
    }
    let message = Message::parse(bytes).expect("a STUN message");
    assert_eq!((message.kind().class, message.kind().method), (Class::Indication, Method::DATA), "data, no answer");
    let peer = message.xor_address(AttributeType::XOR_PEER_ADDRESS).expect("a peer").expect("an address");
    Received::Data { peer, data: message.value(AttributeType::DATA).expect("data").into() }
}
