//! A TURN client for tests: it asks, answers challenges, and keeps what comes in between.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};
use turnserver::auth::{LongTermKey, rest};
use turnserver::clock;
use turnserver::stun::{
    AttributeType, ChannelData, ChannelNumber, Class, Message, MessageType, Method, TransactionId, Writer,
};

use super::link::Link;
use super::reply::Reply;
use super::tls;
use super::wait::Deadline;

/// How long to wait for an answer before the request is sent again over UDP.
const RESEND: Duration = Duration::from_secs(1);

/// A client.
pub(crate) struct Client {
    link: Link,
    credentials: Option<(String, String)>,
    /// REALM and NONCE of the last challenge.
    challenge: Option<(Vec<u8>, Vec<u8>)>,
    inbox: VecDeque<Vec<u8>>,
}

/// Data of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// In a Data indication.
    Indication(SocketAddr, Vec<u8>),
    /// On a channel.
    Channel(u16, Vec<u8>),
}

impl Client {
    /// A client over UDP.
    pub(crate) fn udp(server: SocketAddr) -> Client {
        Client::over(Link::udp(server))
    }

    /// A client on a socket that is connected to the server already.
    pub(crate) fn on(socket: UdpSocket) -> Client {
        Client::over(Link::Udp(socket))
    }

    /// A client on a connection.
    pub(crate) fn on_stream(stream: TcpStream) -> Client {
        Client::over(Link::over(stream))
    }

    /// A client inside TLS.
    pub(crate) fn on_tls(stream: StreamOwned<ClientConnection, TcpStream>) -> Client {
        Client::over(Link::Tls(Box::new(stream), Vec::new()))
    }

    /// The same from an address of this machine.
    pub(crate) fn udp_from(source: IpAddr, server: SocketAddr) -> Client {
        Client::over(Link::udp_from(source, server))
    }

    /// A client over TCP.
    pub(crate) fn tcp(server: SocketAddr) -> Client {
        Client::over(Link::tcp(server))
    }

    /// A client over TLS that trusts `certificate` only.
    pub(crate) fn tls(server: SocketAddr, certificate: &tls::Certificate) -> Client {
        Client::on_tls(tls::connect(server, certificate))
    }

    fn over(link: Link) -> Client {
        Client { link, credentials: None, challenge: None, inbox: VecDeque::new() }
    }

    /// The same client as a user.
    pub(crate) fn with_user(mut self, name: &str, password: &str) -> Client {
        self.credentials = Some((name.to_owned(), password.to_owned()));
        self
    }

    /// The same client with a time-limited credential of `secret`.
    pub(crate) fn with_timed_name(self, name: &str, secret: &str) -> Client {
        self.with_user(name, &rest::password(secret.as_bytes(), name.as_bytes()))
    }

    /// Its address.
    pub(crate) fn local(&self) -> SocketAddr {
        self.link.local()
    }

    /// Asks for its own address.
    pub(crate) fn binding(&mut self) -> Reply {
        self.ask_once(Method::BINDING, |_| {})
    }

    /// Asks for a relayed address over UDP.
    pub(crate) fn allocate(&mut self) -> Reply {
        self.ask(Method::ALLOCATE, |writer| writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]))
    }

    /// Asks for a relayed address, which must be granted.
    pub(crate) fn relayed(&mut self) -> SocketAddr {
        let reply = self.allocate();
        assert_eq!(reply.code(), 0, "an allocation was expected, the answer says {}", reply.code());
        reply.relayed()
    }

    /// Asks for another lifetime; 0 ends the allocation.
    pub(crate) fn refresh(&mut self, secs: u32) -> Reply {
        self.ask(Method::REFRESH, |writer| writer.attribute_u32(AttributeType::LIFETIME, secs))
    }

    /// Asks for a permission.
    pub(crate) fn permit(&mut self, peer: IpAddr) -> Reply {
        self.ask(Method::CREATE_PERMISSION, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, SocketAddr::new(peer, 0));
        })
    }

    /// Asks for a channel.
    pub(crate) fn bind(&mut self, number: u16, peer: SocketAddr) -> Reply {
        self.ask(Method::CHANNEL_BIND, |writer| {
            writer.attribute_u32(AttributeType::CHANNEL_NUMBER, u32::from(number) << 16);
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
        })
    }

    /// Sends data to a peer in a Send indication.
    pub(crate) fn send(&mut self, peer: SocketAddr, data: &[u8]) {
        let kind = MessageType { method: Method::SEND, class: Class::Indication };
        let (message, _) = write(kind, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            writer.attribute(AttributeType::DATA, data);
        });
        self.link.send(&message).expect("the server is there");
    }

    /// Sends data on a channel.
    pub(crate) fn send_channel(&mut self, number: u16, data: &[u8]) {
        let mut message = ChannelData::header(ChannelNumber(number), data.len() as u16).to_vec();
        message.extend(data);
        if self.link.is_stream() {
            message.resize(message.len().next_multiple_of(4), 0);
        }
        self.link.send(&message).expect("the server is there");
    }

    /// REALM and NONCE as the server said them last.
    pub(crate) fn challenge(&self) -> Option<&(Vec<u8>, Vec<u8>)> {
        self.challenge.as_ref()
    }

    /// The next data of a peer, waited for.
    pub(crate) fn receive(&mut self) -> Received {
        let deadline = Deadline::new();
        loop {
            if let Some(bytes) = self.inbox.pop_front() {
                return Received::parse(&bytes);
            }
            let left = deadline.left().expect("data of a peer came in time");
            self.inbox.extend(self.link.receive(left).expect("the server is there"));
        }
    }

    /// The data of peers that came so far and was not received.
    pub(crate) fn pending(&mut self) -> Vec<Received> {
        self.inbox.drain(..).map(|bytes| Received::parse(&bytes)).collect()
    }

    /// The same as they came, whatever they are.
    pub(crate) fn pending_bytes(&mut self) -> Vec<Vec<u8>> {
        self.inbox.drain(..).collect()
    }

    /// Takes the next messages, so many, whatever they are; they are waited for.
    pub(crate) fn gather(&mut self, count: usize) -> Vec<Vec<u8>> {
        let deadline = Deadline::new();
        while self.inbox.len() < count {
            let left = deadline.left().expect("messages came in time");
            self.inbox.extend(self.link.receive(left).expect("the server is there"));
        }
        self.inbox.drain(..count).collect()
    }

    /// Takes what is there, over UDP; nothing is waited for.
    pub(crate) fn take_in(&mut self) {
        while let Some(bytes) = self.link.take().expect("the server is there") {
            self.inbox.push_back(bytes);
        }
    }

    /// Returns when the server has dealt with everything that was sent to it, by this client or to its relayed address,
    /// before the call. Two questions: whatever was ready together with the first one is done before the second one.
    pub(crate) fn settle(&mut self) {
        self.binding();
        self.binding();
    }

    /// Asks for another lifetime once, with what is known of the last challenge.
    pub(crate) fn refresh_once(&mut self) -> Reply {
        self.ask_once(Method::REFRESH, |writer| writer.attribute_u32(AttributeType::LIFETIME, 600))
    }

    /// Sends bytes as they are.
    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.link.send(bytes).expect("the server is there");
    }

    /// The same to a server that may have had enough.
    pub(crate) fn try_send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.link.send(bytes)
    }

    /// Its connection, which goes on without it.
    pub(crate) fn into_tcp(self) -> TcpStream {
        match self.link {
            Link::Tcp(stream, _) => stream,
            _ => panic!("a client over TCP"),
        }
    }

    /// Sends a Binding request and does not wait.
    pub(crate) fn send_binding(&mut self) {
        let (message, _) = write(MessageType { method: Method::BINDING, class: Class::Request }, |_| {});
        self.link.send(&message).expect("the server is there");
    }

    /// Sends a Refresh with the credentials it has and does not wait.
    pub(crate) fn send_signed_refresh(&mut self) {
        let (message, _) = self.signed(Method::REFRESH, |_| {});
        self.link.send(&message).expect("the server is there");
    }

    /// Whether the server closes the connection, waited for.
    pub(crate) fn is_closed(&mut self) -> bool {
        let deadline = Deadline::new();
        while let Some(left) = deadline.left() {
            match self.link.receive(left) {
                Err(_) => return true,
                Ok(message) => self.inbox.extend(message),
            }
        }
        false
    }

    /// How many messages came so far and were not read.
    pub(crate) fn unread(&mut self) -> usize {
        self.inbox.len()
    }

    /// Asks with credentials, and again when the server has a challenge.
    pub(crate) fn ask(&mut self, method: Method, body: impl Fn(&mut Writer<'_>)) -> Reply {
        for _ in 0..2 {
            let reply = self.ask_once(method, &body);
            let is_challenge = matches!(reply.code(), 401 | 438) && self.credentials.is_some();
            let challenge = reply.value(AttributeType::REALM).zip(reply.value(AttributeType::NONCE));
            let is_news = challenge.is_some() && (self.challenge.is_none() || reply.code() == 438);
            if !is_challenge || !is_news {
                return reply;
            }
            self.challenge = challenge;
        }
        self.ask_once(method, &body)
    }

    /// Learns realm and nonce, so that what it sends from now on is signed.
    pub(crate) fn challenged(mut self) -> Client {
        let reply = self.ask_once(Method::ALLOCATE, |_| {});
        assert_eq!(reply.code(), 401, "who has no nonce is given one");
        self.challenge = reply.value(AttributeType::REALM).zip(reply.value(AttributeType::NONCE));
        self
    }

    /// Sends an Allocate request and does not wait.
    pub(crate) fn send_allocate(&mut self) {
        let transport = |writer: &mut Writer<'_>| writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        let (message, _) = self.signed(Method::ALLOCATE, transport);
        self.link.send(&message).expect("the server is there");
    }

    /// Asks once, with what is known of the last challenge.
    pub(crate) fn ask_once(&mut self, method: Method, body: impl Fn(&mut Writer<'_>)) -> Reply {
        let (message, id) = self.signed(method, body);
        self.exchange(&message, id).unwrap_or_else(|| panic!("no answer to {method:?}"))
    }

    /// A request with the credentials it has.
    pub(crate) fn signed(&self, method: Method, body: impl Fn(&mut Writer<'_>)) -> (Vec<u8>, TransactionId) {
        let credentials = self.credentials.as_ref().zip(self.challenge.as_ref()).filter(|_| method != Method::BINDING);
        write(MessageType { method, class: Class::Request }, |writer| {
            body(writer);
            if let Some(((name, password), (realm, nonce))) = credentials {
                writer.attribute(AttributeType::USERNAME, name.as_bytes());
                writer.attribute(AttributeType::REALM, realm);
                writer.attribute(AttributeType::NONCE, nonce);
                writer.integrity(LongTermKey::derive(name.as_bytes(), realm, password.as_bytes()).integrity());
            }
        })
    }

    /// Sends a request and waits for its answer; data that comes before is kept.
    fn exchange(&mut self, message: &[u8], id: TransactionId) -> Option<Reply> {
        let deadline = Deadline::new();
        while let Some(left) = deadline.left() {
            self.link.send(message).expect("the server is there");
            let patience = if self.link.is_stream() { left } else { left.min(RESEND) };
            while let Some(bytes) = self.link.receive(patience).expect("the server is there") {
                match Message::parse(&bytes) {
                    Ok(answer) if answer.id() == id => return Some(Reply::new(bytes)),
                    _ => self.inbox.push_back(bytes),
                }
            }
        }
        None
    }
}

impl Received {
    /// Takes a Data indication or ChannelData apart.
    pub(crate) fn parse(bytes: &[u8]) -> Received {
        if let (Some(0x40..), Some(ChannelData { number, data })) = (bytes.first(), ChannelData::parse(bytes)) {
            return Received::Channel(number.0, data.to_vec());
        }
        let message = Message::parse(bytes).expect("what is no ChannelData is STUN");
        let peer =
            message.xor_address(AttributeType::XOR_PEER_ADDRESS).expect("a Data indication").expect("an address");
        Received::Indication(peer, message.value(AttributeType::DATA).expect("data").to_vec())
    }
}

/// The name of a credential that is valid for a while.
pub(crate) fn timed_name(separator: char, user: &str) -> String {
    format!("{}{separator}{user}", clock::now().wall.0 + 600)
}

/// Writes a message under a transaction id that no other message of this process has.
fn write(kind: MessageType, body: impl FnOnce(&mut Writer<'_>)) -> (Vec<u8>, TransactionId) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut id = TransactionId([0; 12]);
    id.0[4..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    let mut bytes = vec![0; 4096];
    let mut writer = Writer::new(&mut bytes, kind, id);
    body(&mut writer);
    let len = writer.finish().expect("the buffer holds every message of a test");
    bytes.truncate(len);
    (bytes, id)
}
