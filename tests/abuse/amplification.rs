//! T03, T05: how large an answer to a stranger is, and what gets none.

use turnserver::config::Profile;
use turnserver::stun::{AttributeType, Method};
use turnserver::turn::DropReason;

use crate::world::{REALM, Reply, TestClient, World};

/// What the answer says that nobody asked for.
const TALK: [AttributeType; 4] = [
    AttributeType::SOFTWARE,
    AttributeType::MAPPED_ADDRESS,
    // RESPONSE-ORIGIN and OTHER-ADDRESS (RFC 5780 section 7).
    AttributeType(0x802B),
    AttributeType(0x802C),
];

fn bare(client: &TestClient, method: Method) -> Reply {
    client.request(method).bare().once().expect("an answer")
}

/// Whether `answer` is at most 3.6 times a request of `len` bytes.
fn is_modest(answer: &Reply, len: usize) -> bool {
    answer.bytes().len() * 10 <= len * 36
}

/// The row's factor of 3.6 is that of the smallest requests clients send; a bare header, which no client sends, gets
/// the same bytes.
#[test]
fn t03_strangers_get_few_bytes() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let (v4, v6) = (world.client(), world.client().at("[2001:db8::7]:4000"));
        let sizes = [&v4, &v6].map(|client| bare(client, Method::BINDING).bytes().len());
        assert_eq!(sizes, [32, 44], "{profile}: Binding");

        // Decided: a list of password algorithms, and a nonce that announces it, may take 40 bytes more.
        let lists_algorithms = world.settings().config.auth.sha256;
        let bound = if lists_algorithms { 112 } else { 72 } + REALM.len().next_multiple_of(4);
        for method in [Method::ALLOCATE, Method::REFRESH, Method::CREATE_PERMISSION, Method::CHANNEL_BIND] {
            let answer = bare(&v4, method);
            assert!(answer.code() == 401 && answer.bytes().len() <= bound, "{profile}: {} bytes", answer.bytes().len());
        }
        let allocate = v4.request(Method::ALLOCATE).transport(17).bare();
        let challenge = allocate.once().expect("an answer");
        assert!(challenge.bytes().len() <= bound);
        assert!(lists_algorithms || is_modest(&challenge, allocate.bytes().len()), "{profile}");
        let marked = v4.request(Method::BINDING).fingerprint().bare();
        assert!(is_modest(&marked.once().expect("an answer"), marked.bytes().len()), "{profile}: with FINGERPRINT");
        let unknown = v4.request(Method::BINDING).attribute(AttributeType(0x7F00), &[]).bare();
        let refused = unknown.once().expect("an answer");
        assert!(refused.code() == 420 && is_modest(&refused, unknown.bytes().len()), "{profile}: 420");

        for answer in [bare(&v4, Method::BINDING), challenge, refused] {
            assert!(!TALK.iter().any(|kind| answer.has(*kind)), "{profile}: {answer:?}");
            assert!(answer.code() == 200 || answer.phrase().is_empty(), "{profile}: {answer:?}");
        }
    }
}

/// A 438 is smaller than what it takes to get one, or larger by no more than what it says of password algorithms.
#[test]
fn t03_a_stale_nonce_is_answered_with_about_what_came() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = world.client();
        let request = client.request(Method::ALLOCATE).transport(17).nonce(b"foreign");
        let answer = request.once().expect("an answer");
        let algorithms_len = if world.settings().config.auth.sha256 { 16 + 12 } else { 0 };
        let len_max = request.bytes().len() + algorithms_len;
        assert!(answer.code() == 438 && answer.bytes().len() <= len_max, "{profile}");
    }
}

#[test]
fn t05_without_magic_cookie_there_is_silence() {
    for profile in Profile::ALL {
        let world = World::of(profile);
        let client = world.client();
        let mut request = client.request(Method::BINDING).bare().bytes();
        for cookie in [[0; 4], [0x21, 0x12, 0xA4, 0x43], [0xFF; 4]] {
            request[4..8].copy_from_slice(&cookie);
            client.datagram(&request);
        }
        assert_eq!((client.frames().len(), world.drops()), (0, vec![DropReason::NotStun; 3]), "{profile}");
        request[4..8].copy_from_slice(&[0x21, 0x12, 0xA4, 0x42]);
        client.datagram(&request);
        assert_eq!(client.frames().len(), 1, "{profile}: with it there is an answer");
    }
}
