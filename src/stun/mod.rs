//! STUN and ChannelData on the wire: bytes to messages and back (RFC 8489 sections 5 and 14, RFC 8656 sections 12 and 18).
//!
//! Nothing here allocates, keeps state or judges a request. [`Message::parse`] reads a datagram in one pass and hands out
//! slices of it; [`Writer`] fills the caller's buffer. What may not be seen is not shown: attributes behind
//! MESSAGE-INTEGRITY do not exist for a reader. Start with `message.rs`.
#![forbid(unsafe_code)]

pub mod address;
pub mod attribute;
pub mod channel_data;
pub mod error_code;
pub mod fingerprint;
pub mod header;
pub mod integrity;
pub mod message;
pub mod password_algorithm;
pub mod security_features;
pub mod writer;

pub use attribute::AttributeType;
pub use channel_data::{ChannelData, ChannelNumber};
pub use error_code::ErrorCode;
pub use header::{Class, MessageType, Method, TransactionId};
pub use integrity::{IntegrityKey, IntegrityKeySha256};
pub use message::{Message, ParseError};
pub use password_algorithm::PasswordAlgorithm;
pub use security_features::SecurityFeatures;
pub use writer::{Full, Writer};
