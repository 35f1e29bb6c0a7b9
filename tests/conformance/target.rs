//! The server that is asked: ours, started here, or the one that the environment names.

use std::env;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use crate::wire::{Launch, Server, tls};

/// Somebody with a password.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// A server and what one must know to use it.
pub(crate) struct Target {
    /// Where it listens for UDP and TCP (`SERVER`).
    pub(crate) addr: SocketAddr,
    /// The same over IPv6 (`SERVER6`).
    pub(crate) addr_v6: Option<SocketAddr>,
    /// Where it listens for TLS, and its certificate (`TLS_SERVER`, `TLS_CERT`: a file in PEM).
    pub(crate) tls: Option<(SocketAddr, tls::Certificate)>,
    /// Its realm (`REALM`).
    pub(crate) realm: String,
    /// A user (`USER`, `PASS`).
    pub(crate) user: Person,
    /// Another one (`USER2`, `PASS2`).
    pub(crate) other: Option<Person>,
    /// An IPv4 address of this machine to which the server may relay (`PEER_IP`).
    pub(crate) peer_ip: IpAddr,
    is_ours: bool,
}

static TARGET: OnceLock<Target> = OnceLock::new();
/// Our server while the rows run; static values are never dropped.
static RUNNING: Mutex<Option<Server>> = Mutex::new(None);

/// Nothing that many rows at once may run into, and peers on loopback, which a server hides by default.
const FILE: &str = r#"
profile = "default"
realm = "example.org"
user = ["alice:wonderland-7", "bob:the-builder-9"]
user-quota = 0
total-quota = 0
unauthorized-ratelimit = false
auth-failures-per-minute = 0
new-peers-per-minute = 0
allowed-peer-ip = ["127.0.0.1", "127.0.0.2", "::1"]
"#;

impl Target {
    /// The server of this run.
    pub(crate) fn get() -> &'static Target {
        TARGET.get_or_init(|| if Target::is_elsewhere() { Target::of_environment() } else { Target::start() })
    }

    /// Whether the environment names a server.
    pub(crate) fn is_elsewhere() -> bool {
        env::var_os("SERVER").is_some()
    }

    /// Whether it is the one we built.
    pub(crate) fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// How long silence is listened to, behind the answers that show that everything before was dealt with. Our server
    /// does one thing after the other; of another one this is not known.
    pub(crate) fn grace(&self) -> Duration {
        Duration::from_millis(if self.is_ours { 0 } else { 300 })
    }

    /// For the report.
    pub(crate) fn describe() -> String {
        match Target::is_elsewhere() {
            true => format!("{} (rows that need our configuration or our clock were not asked)", Target::get().addr),
            false => "this server".to_owned(),
        }
    }

    fn start() -> Target {
        let certificate = tls::Certificate::new();
        let launch = Launch::new(&[]).with_file(FILE).listening_on(&["127.0.0.1", "127.0.0.2", "::1"]);
        let server = certificate.given_to(launch).start();
        let target = Target {
            addr: server.addr,
            addr_v6: Some(SocketAddr::new([0, 0, 0, 0, 0, 0, 0, 1].into(), server.addr.port())),
            tls: Some((server.tls_addr, certificate)),
            realm: "example.org".to_owned(),
            user: Person { name: "alice".to_owned(), password: "wonderland-7".to_owned() },
            other: Some(Person { name: "bob".to_owned(), password: "the-builder-9".to_owned() }),
            peer_ip: server.addr.ip(),
            is_ours: true,
        };
        *RUNNING.lock().expect("nobody panics with it") = Some(server);
        target
    }

    fn of_environment() -> Target {
        let addr: SocketAddr = variable("SERVER").parse().expect("SERVER is an address with a port");
        let other = env::var("USER2").ok().map(|name| Person { name, password: variable("PASS2") });
        let optional = |name| env::var(name).ok().map(|text| text.parse().expect("an address with a port"));
        let tls = optional("TLS_SERVER").map(|tls| (tls, tls::Certificate::read(variable("TLS_CERT").as_ref())));
        Target {
            addr,
            addr_v6: optional("SERVER6"),
            tls,
            realm: variable("REALM"),
            user: Person { name: variable("USER"), password: variable("PASS") },
            other,
            peer_ip: variable("PEER_IP").parse().expect("PEER_IP is an address"),
            is_ours: false,
        }
    }
}

/// Ends our server.
pub(crate) fn stop() {
    drop(RUNNING.lock().expect("nobody panics with it").take());
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set; SERVER wants REALM, USER, PASS and PEER_IP beside it"))
}
