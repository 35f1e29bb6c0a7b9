//! Credentials as pure functions of names, keys and time: who is asking, and with which key (RFC 8489 section 9.2).
//!
//! Nothing here looks anything up; `userdb` finds the material, `turn` decides what an answer is.
#![forbid(unsafe_code)]

pub mod long_term;
pub mod opaque_string;
pub mod rest;
pub mod scheme;

pub use long_term::LongTermKey;
pub use scheme::{Scheme, Seal};
