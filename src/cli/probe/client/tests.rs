//! The client against a server of a few lines on a loopback socket, which speaks with the server's own codec.

use std::net::UdpSocket;
use std::thread::JoinHandle;

use sha2::{Digest, Sha256};

use super::*;
use crate::auth::LongTermKey;
use crate::cli::probe::uri::Protocol;
use crate::stun::{
    AttributeType, Class, ErrorCode as Code, IntegrityKeySha256, Message, MessageType, Method, TransactionId as Id,
    Writer,
};

const REALM: &[u8] = b"example.org";
const RELAYED: &str = "192.0.2.15:50000";

/// What the server does with the next datagram.
type Answer = Box<dyn FnOnce(&Message<'_>) -> Option<Vec<u8>> + Send>;

fn then(answer: impl FnOnce(&Message<'_>) -> Option<Vec<u8>> + Send + 'static) -> Answer {
    Box::new(answer)
}

/// Gives the answers in order, one per datagram, and returns what it received.
fn serve(answers: Vec<Answer>) -> (SocketAddr, JoinHandle<Vec<Vec<u8>>>) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a loopback socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    let address = socket.local_addr().expect("bound");
    let server = std::thread::spawn(move || {
        let mut received = Vec::new();
        for answer in answers {
            let mut buf = [0; 4096];
            let (len, client) = socket.recv_from(&mut buf).expect("the client sends");
            received.push(buf[..len].to_vec());
            if let Some(bytes) = answer(&Message::parse(&buf[..len]).expect("the client sends messages")) {
                socket.send_to(&bytes, client).expect("the client is there");
            }
        }
        received
    });
    (address, server)
}

fn client(server: SocketAddr, timeout: Duration) -> Client {
    let transport = Transport::open(Protocol::Udp, server, None, timeout).expect("a loopback socket");
    let credentials = Credentials { username: "user".to_owned(), password: "pass".to_owned() };
    Client::new(transport, Some(credentials), timeout, [7; 32])
}

fn patient(server: SocketAddr) -> Client {
    client(server, Duration::from_secs(5))
}

/// For answers that must not count: gives up before it would send again.
fn hurried(server: SocketAddr) -> Client {
    client(server, RTO - Duration::from_millis(50))
}

fn key() -> LongTermKey {
    LongTermKey::derive(b"user", REALM, b"pass")
}

fn message(method: Method, class: Class, id: Id, fill: impl FnOnce(&mut Writer<'_>)) -> Option<Vec<u8>> {
    let mut buf = vec![0; 1024];
    let mut writer = Writer::new(&mut buf, MessageType { method, class }, id);
    fill(&mut writer);
    let len = writer.finish().expect("room for all");
    buf.truncate(len);
    Some(buf)
}

fn challenge(request: &Message<'_>, code: Code, nonce: &str) -> Option<Vec<u8>> {
    message(request.kind().method, Class::Error, request.id(), |writer| {
        writer.error_code(code, true);
        writer.attribute(AttributeType::REALM, REALM);
        writer.attribute(AttributeType::NONCE, nonce.as_bytes());
    })
}

fn allocated(writer: &mut Writer<'_>) {
    writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, RELAYED.parse().expect("an address"));
    writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, "192.0.2.1:4000".parse().expect("an address"));
    writer.attribute_u32(AttributeType::LIFETIME, 600);
}

fn success(request: &Message<'_>, key: &LongTermKey) -> Option<Vec<u8>> {
    message(request.kind().method, Class::Success, request.id(), |writer| {
        allocated(writer);
        writer.integrity(key.integrity());
        writer.fingerprint();
    })
}

fn unauthenticated() -> Answer {
    then(|request| challenge(request, Code::UNAUTHENTICATED, "nonce1"))
}

#[test]
fn a_challenge_is_answered_with_credentials() {
    let granted = then(|request| {
        assert!(request.verify_integrity(key().integrity()) && request.fingerprint_holds());
        assert_eq!(request.value(AttributeType::USERNAME), Some(b"user".as_slice()));
        assert_eq!(request.value(AttributeType::NONCE), Some(b"nonce1".as_slice()));
        assert_eq!(request.value(AttributeType::REQUESTED_TRANSPORT), Some([17, 0, 0, 0].as_slice()));
        success(request, &key())
    });
    let (address, server) = serve(vec![unauthenticated(), granted]);
    let mut client = patient(address);
    let allocation = client.allocate().expect("an allocation");
    assert_eq!((allocation.relayed.to_string().as_str(), allocation.lifetime_secs), (RELAYED, 600));
    assert_eq!(allocation.mapped.to_string(), "192.0.2.1:4000");
    assert_eq!(client.password_algorithm(), Some("MD5"));
    let received = server.join().expect("the server agrees");
    assert_ne!(received[0][8..20], received[1][8..20], "each request is a transaction of its own");
}

/// RFC 8489 section 6.2.1.
#[test]
fn a_lost_request_is_sent_again_unchanged() {
    let granted = then(|request| success(request, &key()));
    let (address, server) = serve(vec![unauthenticated(), then(|_| None), granted]);
    let begin = clock::now().mono;
    patient(address).allocate().expect("an allocation");
    assert!(clock::now().mono.since(begin) >= RTO);
    let received = server.join().expect("the server agrees");
    assert_eq!(received[1], received[2]);
}

#[test]
fn a_stale_nonce_is_replaced() {
    let stale = then(|request| challenge(request, Code::STALE_NONCE, "nonce2"));
    let granted = then(|request| {
        assert_eq!(request.value(AttributeType::NONCE), Some(b"nonce2".as_slice()));
        success(request, &key())
    });
    let (address, server) = serve(vec![unauthenticated(), stale, granted]);
    patient(address).allocate().expect("an allocation");
    server.join().expect("the server agrees");
}

#[test]
fn nonces_that_are_always_stale_end_the_request() {
    let stale = || then(|request| challenge(request, Code::STALE_NONCE, "nonce2"));
    let (address, server) = serve(vec![unauthenticated(), stale(), stale(), stale()]);
    let failure = patient(address).allocate().expect_err("no allocation");
    assert_eq!(failure.code(), Some(438));
    server.join().expect("the server agrees");
}

#[test]
fn wrong_credentials_are_not_tried_again() {
    let (address, server) = serve(vec![unauthenticated(), unauthenticated()]);
    let failure = patient(address).allocate().expect_err("no allocation");
    assert_eq!(failure.to_string(), "401 Unauthorized");
    server.join().expect("the server agrees");
}

/// RFC 8489 section 9.2.5: what is not signed, or with another key, is as if it had not come.
#[test]
fn a_success_without_the_right_seal_does_not_count() {
    let unsigned = then(|request| message(Method::ALLOCATE, Class::Success, request.id(), allocated));
    let forged = then(|request| success(request, &LongTermKey::derive(b"user", REALM, b"guess")));
    for (answer, reason) in [(unsigned, "without MESSAGE-INTEGRITY"), (forged, "could not be read or verified")] {
        let (address, server) = serve(vec![unauthenticated(), answer]);
        match hurried(address).allocate() {
            Err(Failure::Silence { discarded: Some(told), .. }) => assert!(told.contains(reason), "{told}"),
            other => panic!("{other:?}"),
        }
        server.join().expect("the server agrees");
    }
}

#[test]
fn answers_to_other_requests_do_not_count() {
    let other = then(|_| message(Method::ALLOCATE, Class::Success, Id([9; 12]), allocated));
    let other_method = then(|request| message(Method::REFRESH, Class::Success, request.id(), allocated));
    for answer in [other, other_method] {
        let (address, server) = serve(vec![answer]);
        match hurried(address).allocate() {
            Err(Failure::Silence { discarded: None, transmissions: 1 }) => {}
            other => panic!("{other:?}"),
        }
        server.join().expect("the server agrees");
    }
}

#[test]
fn errors_are_told_with_the_servers_words() {
    let refusal = then(|request| {
        message(Method::ALLOCATE, Class::Error, request.id(), |writer| {
            writer.error_code(Code::ALLOCATION_QUOTA_REACHED, true);
            writer.integrity(key().integrity());
        })
    });
    let (address, server) = serve(vec![unauthenticated(), refusal]);
    let failure = patient(address).allocate().expect_err("no allocation");
    assert_eq!(failure.to_string(), "486 Allocation Quota Reached");
    server.join().expect("the server agrees");
}

#[test]
fn deleting_what_is_gone_succeeds() {
    let gone = then(|request| {
        assert_eq!(request.value(AttributeType::LIFETIME), Some([0; 4].as_slice()));
        challenge(request, Code::ALLOCATION_MISMATCH, "nonce")
    });
    let (address, server) = serve(vec![gone]);
    patient(address).delete().expect("it is gone");
    server.join().expect("the server agrees");
}

/// RFC 8489 sections 9.2.3.2 and 9.2.4: the list comes back as it was sent, with the first known algorithm of it.
#[test]
fn the_first_known_password_algorithm_is_taken() {
    const OFFERED: [u8; 12] = [0, 9, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0];
    let offer = then(|request| {
        message(Method::ALLOCATE, Class::Error, request.id(), |writer| {
            writer.error_code(Code::UNAUTHENTICATED, true);
            writer.attribute(AttributeType::REALM, REALM);
            writer.attribute(AttributeType::NONCE, b"obMatJos2wAAAnonce");
            writer.attribute(AttributeType::PASSWORD_ALGORITHMS, &OFFERED);
        })
    });
    let granted = then(|request| {
        let key = IntegrityKeySha256::new(&Sha256::digest(b"user:example.org:pass"));
        assert!(request.verify_integrity_sha256(&key) && !request.has(AttributeType::MESSAGE_INTEGRITY));
        assert_eq!(request.value(AttributeType::PASSWORD_ALGORITHMS), Some(OFFERED.as_slice()));
        assert_eq!(request.value(AttributeType::PASSWORD_ALGORITHM), Some([0, 2, 0, 0].as_slice()));
        let userhash = Sha256::digest(b"user:example.org");
        assert_eq!(request.value(AttributeType::USERHASH), Some(userhash.as_slice()));
        assert!(!request.has(AttributeType::USERNAME));
        message(Method::ALLOCATE, Class::Success, request.id(), |writer| {
            allocated(writer);
            writer.integrity_sha256(&key);
        })
    });
    let (address, server) = serve(vec![offer, granted]);
    let mut client = patient(address);
    client.allocate().expect("an allocation");
    assert_eq!(client.password_algorithm(), Some("SHA-256"));
    server.join().expect("the server agrees");
}

/// RFC 8489 section 9.2.5: the list was taken out on the way.
#[test]
fn a_nonce_that_announces_a_missing_list_is_refused() {
    let (address, server) =
        serve(vec![then(|request| challenge(request, Code::UNAUTHENTICATED, "obMatJos2gAAAnonce"))]);
    let failure = patient(address).allocate().expect_err("no allocation");
    assert!(failure.to_string().contains("PASSWORD-ALGORITHMS"), "{failure}");
    server.join().expect("the server agrees");
}

#[test]
fn data_goes_out_and_comes_in_as_indications() {
    let echo = then(|sent| {
        assert_eq!(sent.kind(), MessageType { method: Method::SEND, class: Class::Indication });
        let peer = sent.xor_address(AttributeType::XOR_PEER_ADDRESS).expect("a peer").expect("well formed");
        let data = sent.value(AttributeType::DATA).expect("data");
        message(Method::DATA, Class::Indication, Id([1; 12]), |writer| {
            writer.xor_address(AttributeType::XOR_PEER_ADDRESS, peer);
            writer.attribute(AttributeType::DATA, data);
        })
    });
    let (address, server) = serve(vec![echo]);
    let mut client = patient(address);
    let peer = RELAYED.parse().expect("an address");
    client.send_data(peer, b"hello").expect("sent");
    let until = clock::now().mono + Duration::from_secs(5);
    assert_eq!(client.receive_data(until).expect("received"), Some((peer, b"hello".to_vec())));
    assert_eq!(client.receive_data(clock::now().mono).expect("nothing broke"), None);
    server.join().expect("the server agrees");
}

#[test]
fn a_closed_port_is_told_at_once() {
    let closed = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a loopback socket");
    match patient(closed).bind() {
        Err(Failure::Io(error)) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused),
        other => panic!("{other:?}"),
    }
}
