//! Questions of a client: signed once it was challenged, sent again over UDP until they are answered.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use turnserver::auth::LongTermKey;
use turnserver::stun::{AttributeType, Class, Message, MessageType, Method, TransactionId, Writer};

use super::super::reply::Reply;
use super::super::wait::Deadline;
use super::Client;

/// How long to wait for an answer before the request is sent again over UDP.
const RESEND: Duration = Duration::from_secs(1);

impl Client {
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

    /// Asks once, with what is known of the last challenge.
    pub(crate) fn ask_once(&mut self, method: Method, body: impl Fn(&mut Writer<'_>)) -> Reply {
        let (message, id) = self.signed(method, body);
        self.exchange(&message, id).unwrap_or_else(|| panic!("no answer to {method:?}"))
    }

    /// Learns realm and nonce, so that what it sends from now on is signed.
    pub(crate) fn challenged(mut self) -> Client {
        let reply = self.ask_once(Method::ALLOCATE, |_| {});
        assert_eq!(reply.code(), 401, "who has no nonce is given one");
        self.challenge = reply.value(AttributeType::REALM).zip(reply.value(AttributeType::NONCE));
        self
    }

    /// REALM and NONCE as the server said them last.
    pub(crate) fn challenge(&self) -> Option<&(Vec<u8>, Vec<u8>)> {
        self.challenge.as_ref()
    }

    /// The same client with what another one was told.
    pub(crate) fn with_challenge(mut self, (realm, nonce): &(Vec<u8>, Vec<u8>)) -> Client {
        self.challenge = Some((realm.clone(), nonce.clone()));
        self
    }

    /// Asks for its own address with the credentials it has.
    pub(crate) fn signed_binding(&mut self) -> Reply {
        let (message, id) = self.signed_anyhow(Method::BINDING, |_| {});
        self.exchange(&message, id).expect("an answer to a signed Binding request")
    }

    /// A request with the credentials it has; Binding asks for none.
    pub(crate) fn signed(&self, method: Method, body: impl Fn(&mut Writer<'_>)) -> (Vec<u8>, TransactionId) {
        match method {
            Method::BINDING => write(MessageType { method, class: Class::Request }, body),
            _ => self.signed_anyhow(method, body),
        }
    }

    fn signed_anyhow(&self, method: Method, body: impl Fn(&mut Writer<'_>)) -> (Vec<u8>, TransactionId) {
        let credentials = self.credentials.as_ref().zip(self.challenge.as_ref());
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

/// Writes a message under a transaction id that no other message of this process has.
pub(super) fn write(kind: MessageType, body: impl FnOnce(&mut Writer<'_>)) -> (Vec<u8>, TransactionId) {
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
