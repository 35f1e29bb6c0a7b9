//! A TURN client for tests: it asks, answers challenges, and keeps what comes in between.

mod ask;
mod receive;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};

use rustls::{ClientConnection, StreamOwned};
use turnserver::auth::rest;
use turnserver::clock;
use turnserver::stun::{AttributeType, ChannelData, ChannelNumber, Class, MessageType, Method, Writer};

use super::link::Link;
use super::reply::Reply;
use super::tls;
use ask::write;

pub(crate) use receive::Received;

/// A client.
pub(crate) struct Client {
    link: Link,
    credentials: Option<(String, String)>,
    /// REALM and NONCE of the last challenge.
    challenge: Option<(Vec<u8>, Vec<u8>)>,
    inbox: VecDeque<Vec<u8>>,
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
        self.link.send(&Client::indication(peer, data)).expect("the server is there");
    }

    /// A Send indication.
    pub(crate) fn indication(peer: SocketAddr, data: &[u8]) -> Vec<u8> {
        let kind = MessageType { method: Method::SEND, class: Class::Indication };
        let (message, _) = write(kind, |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            writer.attribute(AttributeType::DATA, data);
        });
        message
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

    /// Returns when the server has dealt with everything that was sent to it, by this client or to its relayed address,
    /// before the call. Three questions: the first one may be answered before the worker looks at what became ready
    /// meanwhile, the second one before it comes to that.
    pub(crate) fn settle(&mut self) {
        for _ in 0..3 {
            self.binding();
        }
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

    /// Sends an Allocate request and does not wait.
    pub(crate) fn send_allocate(&mut self) {
        let transport = |writer: &mut Writer<'_>| writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
        let (message, _) = self.signed(Method::ALLOCATE, transport);
        self.link.send(&message).expect("the server is there");
    }
}

/// The name of a credential that is valid for a while.
pub(crate) fn timed_name(separator: char, user: &str) -> String {
    format!("{}{separator}{user}", clock::now().wall.0 + 600)
}
