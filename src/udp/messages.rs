//! Requests and answers of one worker, by method and error code. They are told apart by their first bytes, which the core
//! has looked at by then.

use std::sync::atomic::AtomicU64;

use super::counters::add;
use crate::stun::Method;

/// The methods that are counted by name.
pub const METHODS: [(Method, &str); 5] = [
    (Method::BINDING, Method::BINDING.name()),
    (Method::ALLOCATE, Method::ALLOCATE.name()),
    (Method::REFRESH, Method::REFRESH.name()),
    (Method::CREATE_PERMISSION, Method::CREATE_PERMISSION.name()),
    (Method::CHANNEL_BIND, Method::CHANNEL_BIND.name()),
];

/// The error codes that are counted each; 0 is success. Any other counts as the last one.
pub const CODES: [u16; 16] = [0, 300, 400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 486, 500, 508, 999];

/// Behind [`METHODS`]: whatever else a client may ask.
const OTHER_METHOD: usize = METHODS.len();

/// How many kinds of methods are told apart.
const METHOD_KINDS: usize = METHODS.len() + 1;

/// Counts of requests and answers.
#[derive(Debug, Default)]
pub(super) struct MessageCounters {
    /// Requests that were looked at, by method.
    pub(super) requests: [AtomicU64; METHOD_KINDS],
    /// Answers sent, by method and code.
    pub(super) answers: [[AtomicU64; CODES.len()]; METHOD_KINDS],
}

impl MessageCounters {
    /// Counts a request that is answered, now or later.
    pub(super) fn requested(&self, request: &[u8]) {
        add(&self.requests[method_kind(request)], 1);
    }

    /// Counts an answer that was sent.
    pub(super) fn answered(&self, answer: &[u8]) {
        add(&self.answers[method_kind(answer)][code_kind(answer)], 1);
    }
}

/// The type of a message without its class (RFC 8489 section 5).
fn method_kind(message: &[u8]) -> usize {
    let Some(kind) = message.first_chunk().map(|first| u16::from_be_bytes(*first)) else { return OTHER_METHOD };
    // Bits 4 and 8 are the class; methods below 16 have theirs in the lowest four.
    let method = kind & !0x0110;
    METHODS.iter().position(|(known, _)| known.0 == method).unwrap_or(OTHER_METHOD)
}

/// The place of an answer's code: errors have ERROR-CODE as their first attribute, as we write them.
fn code_kind(answer: &[u8]) -> usize {
    let is_error = answer.first_chunk().is_some_and(|first| u16::from_be_bytes(*first) & 0x0110 == 0x0110);
    if !is_error {
        return 0;
    }
    let code = match answer.get(20..28) {
        Some(&[0, 9, _, _, _, _, class, number]) => u16::from(class) * 100 + u16::from(number),
        _ => 999,
    };
    CODES.iter().position(|known| *known == code).unwrap_or(CODES.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stun::{Class, ErrorCode, MessageType, TransactionId, Writer};

    fn message(method: Method, class: Class, code: Option<ErrorCode>) -> Vec<u8> {
        let mut bytes = [0; 256];
        let mut writer = Writer::new(&mut bytes, MessageType { method, class }, TransactionId([7; 12]));
        if let Some(code) = code {
            writer.error_code(code, true);
        }
        let len = writer.finish().expect("it fits");
        bytes[..len].to_vec()
    }

    #[test]
    fn methods_are_told_apart_in_every_class() {
        for (place, (method, name)) in METHODS.into_iter().enumerate() {
            for class in [Class::Request, Class::Success, Class::Error] {
                assert_eq!(method_kind(&message(method, class, None)), place, "{name}");
            }
        }
        assert_eq!(method_kind(&message(Method(0x00A), Class::Request, None)), OTHER_METHOD);
        assert_eq!(method_kind(&[0]), OTHER_METHOD);
    }

    #[test]
    fn codes_are_told_apart() {
        assert_eq!(code_kind(&message(Method::ALLOCATE, Class::Success, None)), 0);
        for (place, code) in CODES.into_iter().enumerate().skip(1).take(CODES.len() - 2) {
            let [class, number] = [(code / 100) as u8, (code % 100) as u8];
            let answer = [&[0x01, 0x13][..], &[0; 18], &[0, 9, 0, 4, 0, 0, class, number]].concat();
            assert_eq!(code_kind(&answer), place, "{code}");
        }
        let quota = message(Method::ALLOCATE, Class::Error, Some(ErrorCode::ALLOCATION_QUOTA_REACHED));
        assert_eq!(CODES[code_kind(&quota)], 486);
        assert_eq!(CODES[code_kind(&message(Method::ALLOCATE, Class::Error, None))], 999);
    }
}
