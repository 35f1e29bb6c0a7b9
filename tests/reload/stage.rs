//! A server that is told everything by one file, and that file written anew.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;

use rustix::process::Signal;
use turnserver::stun::Method;

use crate::wire::{Client, Launch, Server, free_ports, poll_until};

pub(crate) const ALICE: (&str, &str) = ("alice", "wonderland-27");
pub(crate) const BOB: (&str, &str) = ("bob", "builder-81");

/// What a reload that went well says last.
const GOOD: &str = "configuration read again";
/// What one says last that did not.
const BAD: &str = "the configuration cannot be used";

/// Values of options, as TOML has them; an empty one: the option is left out.
pub(crate) type Values<'a> = &'a [(&'a str, &'a str)];

/// A server that runs.
pub(crate) struct Stage {
    pub(crate) server: Server,
    port: u16,
}

impl Stage {
    /// A server with coturn's profile that alice and bob may use, but for `values`.
    pub(crate) fn new(values: Values<'_>) -> Stage {
        Stage::of(Launch::new(&[]), values)
    }

    pub(crate) fn of(launch: Launch, values: Values<'_>) -> Stage {
        let port = free_ports(2);
        let server = launch.by_file_alone(port, &text(port, values)).start();
        Stage { server, port }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.server.addr
    }

    /// The text of a configuration for this server.
    pub(crate) fn text(&self, values: Values<'_>) -> String {
        text(self.port, values)
    }

    /// Writes the configuration anew and has it read; it must be good. Returns when every worker knows.
    pub(crate) fn reload(&self, values: Values<'_>) {
        self.reload_text(&self.text(values));
    }

    pub(crate) fn reload_text(&self, text: &str) {
        assert!(self.try_reload(text), "{}", self.server.log.text());
        // Over TCP, where no answer is missing for its rate; of an unknown method, which coturn's profile always answers.
        let mut client = Client::tcp(self.addr());
        (0..3).for_each(|_| assert_eq!(client.ask_once(Method(0x0AB), |_| {}).code(), 400));
    }

    /// Has this text read; whether it was taken over.
    pub(crate) fn try_reload(&self, text: &str) -> bool {
        fs::write(self.server.dir().join("configuration.toml"), text).expect("our own directory");
        self.signal_reload()
    }

    /// Has the configuration read as it is; whether it was taken over.
    pub(crate) fn signal_reload(&self) -> bool {
        let counts = || [GOOD, BAD].map(|told| self.server.log.count(&[told]));
        let before = counts();
        self.server.signal(Signal::HUP);
        poll_until("the configuration is read", || (counts() != before).then_some(()));
        counts()[0] > before[0]
    }

    pub(crate) fn alice(&self) -> Client {
        Client::udp(self.addr()).with_user(ALICE.0, ALICE.1)
    }

    pub(crate) fn bob(&self) -> Client {
        Client::udp(self.addr()).with_user(BOB.0, BOB.1)
    }
}

fn text(port: u16, values: Values<'_>) -> String {
    let (port, tls_port) = (port.to_string(), (port + 1).to_string());
    let users = format!("[\"{}:{}\", \"{}:{}\"]", ALICE.0, ALICE.1, BOB.0, BOB.1);
    let mut all = BTreeMap::from([
        ("profile", "\"coturn\""),
        ("listening-ip", "[\"127.0.0.1\"]"),
        ("listening-port", &port),
        ("tls-listening-port", &tls_port),
        ("relay-threads", "1"),
        ("pidfile", "\"\""),
        ("realm", "\"r.example\""),
        ("lt-cred-mech", "true"),
        ("user", &users),
        ("allow-loopback-peers", "true"),
    ]);
    all.extend(values.iter().copied());
    let lines = all.into_iter().filter(|(_, value)| !value.is_empty());
    lines.map(|(option, value)| format!("{option} = {value}\n")).collect()
}
