//! Writing answers: the one place where an outcome becomes a message.

use std::net::SocketAddr;

use super::address::{Family, FiveTuple, ReservationToken};
use super::drop_reason::DropReason;
use super::io::RelayGrant;
use super::limits::ANSWER_LEN_MAX;
use super::redirect::Alternate;
use super::settings::Settings;
use super::time::UnixTime;
use crate::auth::Seal;
use crate::config::ReasonPhrases;
use crate::stun::{
    AttributeType, Class, ErrorCode, Message, MessageType, Method, PasswordAlgorithm, SecurityFeatures, TransactionId,
    Writer,
};

/// SOFTWARE, when it is switched on.
const SOFTWARE: &str = concat!("turnserver-", env!("CARGO_PKG_VERSION"));

/// Room for one answer; owned by the engine and used again and again.
#[derive(Clone, Debug)]
pub struct AnswerBuf {
    bytes: [u8; ANSWER_LEN_MAX],
    len: usize,
}

impl Default for AnswerBuf {
    fn default() -> AnswerBuf {
        AnswerBuf { bytes: [0; ANSWER_LEN_MAX], len: 0 }
    }
}

impl AnswerBuf {
    /// The answer.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(super) fn set(&mut self, answer: &[u8]) {
        self.bytes[..answer.len()].copy_from_slice(answer);
        self.len = answer.len();
    }
}

/// What of a request its answer repeats.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) method: Method,
    pub(super) id: TransactionId,
    /// FINGERPRINT is answered with FINGERPRINT (RFC 8489 section 7).
    pub(super) fingerprint: bool,
}

impl Head {
    pub(super) fn of(message: &Message<'_>) -> Head {
        let fingerprint = message.has(AttributeType::FINGERPRINT);
        Head { method: message.kind().method, id: message.id(), fingerprint }
    }
}

/// A request that succeeded.
#[derive(Debug)]
pub(super) enum Success {
    /// Nothing to say.
    Plain,
    /// XOR-MAPPED-ADDRESS.
    Mapped(SocketAddr),
    /// LIFETIME.
    Lifetime(u32),
    /// An allocation.
    Allocated(Allocated),
    /// The answer buffer holds it already.
    Replayed,
    /// It waits for the world.
    Parked,
}

/// What the answer to Allocate says (RFC 8656 section 7.2).
#[derive(Debug)]
pub(super) struct Allocated {
    pub(super) relays: [Option<RelayGrant>; 2],
    pub(super) mapped: SocketAddr,
    pub(super) lifetime_secs: u32,
    pub(super) token: Option<ReservationToken>,
    pub(super) missing: Option<(Family, ErrorCode)>,
}

/// A request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reject {
    /// With this code.
    Code(ErrorCode),
    /// With this code, REALM and a new NONCE (401 and 438).
    Challenge(ErrorCode),
    /// 420, naming the attributes.
    UnknownAttributes,
    /// With 300, naming another server.
    Redirected(Alternate),
    /// With silence.
    Silent(DropReason),
}

impl From<ErrorCode> for Reject {
    fn from(code: ErrorCode) -> Reject {
        Reject::Code(code)
    }
}

/// Writes answers with one worker's settings.
pub(super) struct Reply<'a> {
    pub(super) settings: &'a Settings,
    pub(super) head: Head,
    /// Signs the answer; none before authentication.
    pub(super) seal: Option<Seal<'a>>,
}

impl Reply<'_> {
    pub(super) fn success(&self, outcome: &Success, answer: &mut AnswerBuf) {
        self.write(Class::Success, answer, |writer| match outcome {
            Success::Mapped(mapped) => writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, *mapped),
            Success::Lifetime(secs) => writer.attribute_u32(AttributeType::LIFETIME, *secs),
            Success::Allocated(allocated) => allocated.write(writer),
            Success::Plain | Success::Replayed | Success::Parked => {}
        });
    }

    /// An error without REALM and NONCE.
    pub(super) fn error(&self, code: ErrorCode, answer: &mut AnswerBuf) {
        self.write(Class::Error, answer, |writer| writer.error_code(code, self.with_phrase()));
    }

    /// 420 (RFC 8489 section 6.3.1).
    pub(super) fn unknown_attributes(&self, message: &Message<'_>, answer: &mut AnswerBuf) {
        self.write(Class::Error, answer, |writer| {
            writer.error_code(ErrorCode::UNKNOWN_ATTRIBUTE, self.with_phrase());
            writer.unknown_attributes(message.unknown_required());
        });
    }

    /// 300 (RFC 8489 section 10).
    pub(super) fn try_alternate(&self, alternate: &Alternate, answer: &mut AnswerBuf) {
        self.write(Class::Error, answer, |writer| {
            writer.error_code(ErrorCode::TRY_ALTERNATE, self.with_phrase());
            for server in [Some(alternate.first), alternate.second].into_iter().flatten() {
                writer.address(AttributeType::ALTERNATE_SERVER, server);
            }
        });
    }

    /// 401 or 438 with REALM and NONCE (RFC 8489 section 9.2.4).
    pub(super) fn challenge(
        &self,
        code: ErrorCode,
        now: UnixTime,
        salt: u32,
        tuple: &FiveTuple,
        answer: &mut AnswerBuf,
    ) {
        let nonce = self.settings.nonces.mint(now, salt, tuple);
        self.write(Class::Error, answer, |writer| {
            writer.error_code(code, self.with_phrase());
            writer.attribute(AttributeType::NONCE, &nonce);
            writer.attribute(AttributeType::REALM, self.settings.config.auth.realm.as_bytes());
            // RFC 8489 section 9.2.5: a client gives up where the nonce announces a list that is not there.
            if self.settings.nonces.features().contain(SecurityFeatures::PASSWORD_ALGORITHMS) {
                writer.attribute(AttributeType::PASSWORD_ALGORITHMS, &PasswordAlgorithm::LIST);
            }
        });
    }

    fn with_phrase(&self) -> bool {
        match self.settings.config.protocol.reason_phrases {
            ReasonPhrases::Never => false,
            ReasonPhrases::Signed => self.seal.is_some(),
            ReasonPhrases::Always => true,
        }
    }

    fn write(&self, class: Class, answer: &mut AnswerBuf, body: impl FnOnce(&mut Writer<'_>)) {
        let kind = MessageType { method: self.head.method, class };
        let mut writer = Writer::new(&mut answer.bytes, kind, self.head.id);
        body(&mut writer);
        if self.settings.config.protocol.software {
            writer.attribute(AttributeType::SOFTWARE, SOFTWARE.as_bytes());
        }
        if let Some(seal) = &self.seal {
            seal.sign(&mut writer);
        }
        if self.head.fingerprint || self.settings.config.protocol.fingerprint {
            writer.fingerprint();
        }
        answer.len = writer.finish().expect("ANSWER_LEN_MAX holds every answer: realm and lists are bounded");
    }
}

impl Allocated {
    fn write(&self, writer: &mut Writer<'_>) {
        for relay in self.relays.iter().flatten() {
            writer.xor_address(AttributeType::XOR_RELAYED_ADDRESS, relay.external);
        }
        writer.xor_address(AttributeType::XOR_MAPPED_ADDRESS, self.mapped);
        if let Some(token) = self.token {
            writer.attribute(AttributeType::RESERVATION_TOKEN, &token.0);
        }
        writer.attribute_u32(AttributeType::LIFETIME, self.lifetime_secs);
        if let Some((family, code)) = self.missing {
            let [class, number] = code.class_and_number();
            // RFC 8656 section 18.12: family, 13 reserved bits, class, number.
            writer.attribute(AttributeType::ADDRESS_ERROR_CODE, &[family.code(), 0, class, number]);
        }
    }
}
