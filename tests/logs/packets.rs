//! Requests as a hostile client makes them.

use std::sync::atomic::{AtomicU64, Ordering};

use turnserver::auth::LongTermKey;
use turnserver::stun::{AttributeType, Class, MessageType, Method, TransactionId, Writer};

use crate::wire::{Client, Reply};

/// ORIGIN, of a draft.
const ORIGIN: AttributeType = AttributeType(0x802F);

/// An id of its own for each request: the same one again would be a retransmission.
fn fresh_id() -> TransactionId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut id = TransactionId([5; 12]);
    id.0[4..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    id
}

fn request(method: Method, write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let mut writer = Writer::new(&mut bytes, MessageType { method, class: Class::Request }, fresh_id());
    write(&mut writer);
    let len = writer.finish().expect("room");
    bytes.truncate(len);
    bytes
}

/// A signed Refresh in somebody's name, with a signature that is none.
pub(crate) fn forged(name: &[u8], realm: &[u8], nonce: &[u8]) -> Vec<u8> {
    request(Method::REFRESH, |writer| {
        writer.attribute(AttributeType::USERNAME, name);
        writer.attribute(AttributeType::REALM, realm);
        writer.attribute(AttributeType::NONCE, nonce);
        writer.attribute(AttributeType::MESSAGE_INTEGRITY, &[7; 20]);
    })
}

/// A Refresh that is signed and names nobody.
pub(crate) fn nameless() -> Vec<u8> {
    request(Method::REFRESH, |writer| writer.attribute(AttributeType::MESSAGE_INTEGRITY, &[7; 20]))
}

/// REALM and NONCE of a challenge.
pub(crate) fn challenge(client: &mut Client) -> (Vec<u8>, Vec<u8>) {
    let reply = client.ask_once(Method::ALLOCATE, transport);
    let value = |kind: AttributeType| reply.value(kind).expect("a challenge has it");
    (value(AttributeType::REALM), value(AttributeType::NONCE))
}

/// Asks for UDP.
pub(crate) fn transport(writer: &mut Writer<'_>) {
    writer.attribute(AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);
}

/// A request under any name, in every attribute of text.
pub(crate) fn ask_as(
    client: &mut Client,
    method: Method,
    (name, password): (&[u8], &[u8]),
    (realm, nonce): (&[u8], &[u8]),
    write: impl Fn(&mut Writer<'_>),
) -> Reply {
    client.ask_once(method, |writer| {
        write(writer);
        writer.attribute(AttributeType::SOFTWARE, &name[..name.len().min(500)]);
        writer.attribute(ORIGIN, name);
        writer.attribute(AttributeType::USERNAME, name);
        writer.attribute(AttributeType::REALM, realm);
        writer.attribute(AttributeType::NONCE, nonce);
        writer.integrity(LongTermKey::derive(name, realm, password).integrity());
    })
}

/// An Allocate under any name.
pub(crate) fn allocate_as(client: &mut Client, name: &[u8], password: &[u8]) -> Reply {
    let (realm, nonce) = challenge(client);
    ask_as(client, Method::ALLOCATE, (name, password), (&realm, &nonce), transport)
}
