//! The codec: a reader and a writer of messages against tables, test vectors, properties and another codec.

mod algorithms;
mod differential;
#[path = "../fuzz/targets/known.rs"]
mod known;
mod known_messages;
#[path = "../vectors/oracle.rs"]
mod oracle;
mod parser;
mod properties;
#[path = "../vectors/raw.rs"]
mod raw;
#[path = "../vectors/mod.rs"]
mod vectors;
mod writer;
