//! Stream clients over real loopback sockets, in virtual time: the test thread is the worker and the client at once.

#[path = "stream_clients/certificates.rs"]
mod certificates;
#[path = "stream_clients/client.rs"]
mod client;
#[path = "stream_clients/deadlines.rs"]
mod deadlines;
#[path = "stream_clients/gate.rs"]
mod gate;
#[path = "stream_clients/handshakes.rs"]
mod handshakes;
#[path = "stream_clients/plain.rs"]
mod plain;
#[path = "stream_clients/random.rs"]
mod random;
#[path = "stream_clients/tls.rs"]
mod tls;
#[path = "stream_clients/worker.rs"]
mod worker;
#[path = "stream_clients/writing.rs"]
mod writing;
