//! How clients ask that know nothing of password algorithms.

use turnserver::stun::{AttributeType, Message, Method};

use crate::draft::{Credentials, Draft};
use crate::probe::{Probe, judge};
use crate::target::Target;
use crate::wire::Reply;

/// A client's Allocate: what it asks, in which order it names itself, and what it puts behind its integrity.
struct Habit {
    client: &'static str,
    asks: &'static [(AttributeType, &'static [u8])],
    names: [AttributeType; 3],
    behind: &'static [(AttributeType, &'static [u8])],
    fingerprint: bool,
}

const USERNAME: AttributeType = AttributeType::USERNAME;
const REALM: AttributeType = AttributeType::REALM;
const NONCE: AttributeType = AttributeType::NONCE;
const UDP: (AttributeType, &[u8]) = (AttributeType::REQUESTED_TRANSPORT, &[17, 0, 0, 0]);

/// Section 25 of the list, row by row. Attributes of nobody's knowledge stand for what a client may add.
const HABITS: [Habit; 6] = [
    Habit {
        client: "libwebrtc",
        asks: &[UDP, (AttributeType(0xFF05), b"\0\0\0\x01")],
        names: [USERNAME, REALM, NONCE],
        behind: &[],
        fingerprint: false,
    },
    Habit {
        client: "Firefox",
        asks: &[UDP, (AttributeType::LIFETIME, &3600_u32.to_be_bytes())],
        names: [USERNAME, REALM, NONCE],
        behind: &[],
        fingerprint: false,
    },
    Habit {
        client: "libnice",
        asks: &[UDP, (AttributeType::SOFTWARE, b"libnice 0.1.21")],
        names: [REALM, NONCE, USERNAME],
        behind: &[],
        fingerprint: false,
    },
    Habit {
        client: "pjnath",
        asks: &[UDP, (AttributeType::SOFTWARE, b"pjnath-2.15")],
        names: [USERNAME, REALM, NONCE],
        behind: &[],
        fingerprint: false,
    },
    Habit {
        client: "aioice",
        asks: &[UDP, (AttributeType::LIFETIME, &600_u32.to_be_bytes())],
        names: [USERNAME, NONCE, REALM],
        behind: &[],
        fingerprint: false,
    },
    Habit {
        client: "pion",
        asks: &[UDP],
        names: [USERNAME, REALM, NONCE],
        behind: &[(AttributeType::REQUESTED_ADDRESS_FAMILY, &[1, 0, 0, 0])],
        fingerprint: true,
    },
];

impl Habit {
    /// The first Allocate.
    fn bare(&self) -> Draft {
        let draft = self
            .asks
            .iter()
            .fold(Draft::request(Method::ALLOCATE).bare(), |draft, (kind, value)| draft.with(*kind, value));
        if self.fingerprint { draft.fingerprint() } else { draft }
    }

    /// The second one. All of these sign by MESSAGE-INTEGRITY under the MD5 key.
    fn signed(&self, credentials: &Credentials) -> Draft {
        let value = |kind| match kind {
            USERNAME => credentials.person.name.as_bytes(),
            REALM => &credentials.realm,
            _ => &credentials.nonce,
        };
        let draft =
            self.asks.iter().fold(Draft::request(Method::ALLOCATE), |draft, (kind, value)| draft.with(*kind, value));
        let draft = self.names.iter().fold(draft, |draft, kind| draft.with(*kind, value(*kind)).without(*kind));
        let draft = self.behind.iter().fold(draft, |draft, (kind, value)| draft.behind(*kind, value));
        if self.fingerprint { draft.fingerprint() } else { draft }
    }
}

/// The clients themselves are run by `tests/interop/`, as far as they can be had; here stands what each of them sends and what
/// it insists on.
pub(super) fn int_001_a_list_of_algorithms_harms_nobody() {
    for habit in HABITS {
        for (over, probe) in Probe::over_each() {
            allocates(&habit, probe, &format!("{} over {over}", habit.client));
        }
    }
}

fn allocates(habit: &Habit, mut probe: Probe, who: &str) {
    let bare = habit.bare();
    let challenge = probe.ask(&bare);
    assert_eq!(challenge.code(), 401, "{who}");
    if Target::get().is_ours() {
        let nonce = challenge.value(NONCE).expect("a challenge has one");
        assert!(nonce.starts_with(b"obMatJos2gAAA") && nonce.len() == 41, "{who}: the long nonce");
        assert!(challenge.has(AttributeType::PASSWORD_ALGORITHMS), "{who}: and the list");
    }
    is_understood(&challenge, who);
    probe.learn(&challenge);
    let credentials = probe.challenged().clone();
    let draft = habit.signed(&credentials);
    let reply = probe.ask_bytes(&draft.bytes(Some(&credentials))).expect("an answer");
    judge(&reply, &draft, Some(&credentials.key()));
    assert_eq!(reply.code(), 0, "{who}");
    let insisted = [AttributeType::XOR_MAPPED_ADDRESS, AttributeType::XOR_RELAYED_ADDRESS, AttributeType::LIFETIME];
    assert!(insisted.iter().all(|kind| reply.has(*kind)) && reply.has(AttributeType::MESSAGE_INTEGRITY), "{who}");
    is_understood(&reply, who);
    for draft in [Draft::request(Method::REFRESH), Draft::request(Method::REFRESH).lifetime(0)] {
        let reply = probe.ask(&draft);
        assert_eq!(reply.code(), 0, "{who}");
        is_understood(&reply, who);
    }
}

/// Of what a client must understand there is nothing that RFC 5389 and RFC 5766 do not know; libwebrtc drops an answer that
/// has.
fn is_understood(reply: &Reply, who: &str) {
    let known = [0x0006, 0x0008, 0x0009, 0x000A, 0x000D, 0x0014, 0x0015, 0x0016, 0x0020, 0x0022];
    let bytes = reply.message().bytes().to_vec();
    let message = Message::parse(&bytes).expect("a message");
    for (kind, _) in message.attributes().filter(|(kind, _)| kind.is_comprehension_required()) {
        assert!(known.contains(&kind.0), "{who}: {kind:?}");
    }
}
