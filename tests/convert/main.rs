//! Files of coturn as people have them: the server started with one, and with what `turnserver convert` makes of it,
//! behaves the same from outside. Ports are moved by the command line; paths of a machine and log targets are left out.

#[path = "../wire/mod.rs"]
mod wire;

mod tools;

use std::fs;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::Command;

use turnserver::config::{AuthMode, Config, UserSecret, load_text};
use turnserver::stun::AttributeType;

use wire::{Client, Launch, Server, timed_name};

/// Lines that name places of the machine the file was written for.
const OF_THE_MACHINE: &[&str] = &[
    "log-file",
    "simple-log",
    "no-stdout-log",
    "syslog",
    "userdb",
    "proc-user",
    "proc-group",
    "pidfile",
    "cert",
    "pkey",
];

/// Peers of every kind that a list may name.
const PEERS: [[u8; 4]; 12] = [
    [8, 8, 8, 8],
    [10, 0, 0, 1],
    [10, 1, 2, 3],
    [100, 64, 0, 1],
    [127, 0, 0, 5],
    [169, 254, 169, 254],
    [172, 16, 0, 9],
    [192, 0, 2, 1],
    [192, 168, 1, 20],
    [192, 168, 1, 21],
    [224, 1, 2, 3],
    [255, 255, 255, 255],
];

const CHANNELS: [u16; 5] = [0x3FFF, 0x4000, 0x4FFF, 0x5000, 0x7FFF];

/// Allocations that are tried; more than any quota of the files.
const TRIES: usize = 16;

/// What a client sees of a server.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    /// The answer to a stranger: code, realm, phrase.
    challenge: (u16, String, String),
    wrong_password: u16,
    right_password: u16,
    relay_ip: Option<IpAddr>,
    lifetimes: Vec<u32>,
    peers: Vec<u16>,
    channels: Vec<u16>,
    granted: usize,
    fingerprint: bool,
    software: bool,
    tcp: bool,
}

/// What the file says, in the words of [`Seen`].
struct Expected {
    realm: &'static str,
    right_password: u16,
    relay_ip: &'static str,
    ports: RangeInclusive<u16>,
    longest: u32,
    /// The peers among [`PEERS`] that are let through.
    peers: &'static [[u8; 4]],
    upper_channels: bool,
    granted: usize,
    fingerprint: bool,
    tcp: bool,
}

/// What most files say.
const USUAL: Expected = Expected {
    realm: "",
    right_password: 0,
    relay_ip: "127.0.0.1",
    ports: 49152..=65535,
    longest: 3600,
    peers: PRIVATE_AND_PUBLIC,
    upper_channels: true,
    granted: TRIES,
    fingerprint: false,
    tcp: true,
};

const PUBLIC: [u8; 4] = [8, 8, 8, 8];
const PRIVATE_AND_PUBLIC: &[[u8; 4]] =
    &[PUBLIC, [10, 0, 0, 1], [10, 1, 2, 3], [100, 64, 0, 1], [172, 16, 0, 9], [192, 168, 1, 20], [192, 168, 1, 21]];

macro_rules! files {
    ($($test:ident: $file:literal => $expected:expr,)*) => {
        $(
            #[test]
            fn $test() {
                behaves_the_same($file, &$expected);
            }
        )*

        /// Files that are played.
        const PLAYED: &[&str] = &[$($file),*];
    };
}

files! {
    debians_active_lines: "debian.conf" => Expected { right_password: 999, ..USUAL },
    nextcloud_talk: "nextcloud-talk.conf" => Expected { realm: "cloud.example.org", fingerprint: true, ..USUAL },
    matrix_synapse: "matrix-synapse.conf" => Expected {
        realm: "turn.matrix.example.org", granted: 12, peers: &[PUBLIC, [10, 0, 0, 1]], ..USUAL
    },
    jitsi_meet: "jitsi-meet.conf" => Expected { realm: "meet.example.org", peers: &[PUBLIC], tcp: false, ..USUAL },
    bigbluebutton: "bigbluebutton.conf" => Expected {
        realm: "bbb.example.org", ports: 50000..=58999, fingerprint: true, ..USUAL
    },
    ion_sfu: "ion-sfu.conf" => Expected { realm: "ion", ports: 49200..=49999, ..USUAL },
    freeswitch: "freeswitch.conf" => Expected {
        realm: "sip.example.org", longest: 1200, granted: 2, fingerprint: true, ..USUAL
    },
    openvidu: "openvidu.conf" => Expected { realm: "openvidu", ports: 57001..=65535, fingerprint: true, ..USUAL },
    kurento: "kurento.conf" => Expected {
        realm: "kurento.org",
        fingerprint: true,
        peers: &[
            PUBLIC, [10, 0, 0, 1], [10, 1, 2, 3], [100, 64, 0, 1], [127, 0, 0, 5], [172, 16, 0, 9], [192, 168, 1, 20],
            [192, 168, 1, 21],
        ],
        ..USUAL
    },
    mattermost_calls: "mattermost-calls.conf" => Expected {
        realm: "calls.example.org", longest: 1800, granted: 3, upper_channels: false, ..USUAL
    },
    home_behind_nat: "home-behind-nat.conf" => Expected {
        realm: "home.example.net",
        relay_ip: "203.0.113.5",
        ports: 60000..=60999,
        peers: &[PUBLIC, [10, 0, 0, 1], [10, 1, 2, 3], [100, 64, 0, 1], [172, 16, 0, 9], [192, 168, 1, 20]],
        ..USUAL
    },
}

#[test]
fn every_file_is_played() {
    let entries = fs::read_dir(folder()).expect("the folder of the files");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !PLAYED.contains(&name.as_str()));
    assert!(names.is_empty(), "{names:?}");
}

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convert/files")
}

fn behaves_the_same(file: &str, expected: &Expected) {
    let text = fs::read_to_string(folder().join(file)).expect("a file of ours");
    let name = |line: &str| line.split([' ', '\t', '=']).next().unwrap_or_default().to_owned();
    let kept = text.lines().filter(|line| !OF_THE_MACHINE.contains(&name(line.trim()).as_str()));
    let text: String = kept.map(|line| format!("{line}\n")).collect();
    let config = load_text(&text, Path::new("turnserver.conf")).expect("a file that is served").config;

    let launch = Launch::new(&[]);
    let original = launch.write("turnserver.conf", &text);
    let toml = converted(&original);
    let of_original = seen(&launch.reading("turnserver.conf").start(), &config, &expected.ports);
    let launch = Launch::new(&[]);
    launch.write("turnserver.toml", &toml);
    let of_converted = seen(&launch.reading("turnserver.toml").start(), &config, &expected.ports);
    assert_eq!(of_original, of_converted, "{toml}");
    expected.meets(&of_original);
}

/// What `turnserver convert` makes of a file.
fn converted(path: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnserver"));
    let output = command.arg("convert").arg(path).output().expect("the built server can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("TOML is text")
}

impl Expected {
    fn meets(&self, seen: &Seen) {
        assert_eq!((seen.right_password, seen.challenge.1.as_str()), (self.right_password, self.realm));
        assert_eq!((seen.fingerprint, seen.tcp), (self.fingerprint, self.tcp), "FINGERPRINT, TCP");
        if self.right_password != 0 {
            return assert_eq!((seen.granted, seen.challenge.2.as_str()), (0, "0 answers"), "nobody may allocate");
        }
        assert_eq!((seen.challenge.0, seen.wrong_password), (401, 401));
        assert_eq!(seen.relay_ip, self.relay_ip.parse().ok());
        assert_eq!(seen.lifetimes, [600, self.longest, 600], "as asked, the longest, the shortest");
        let through = PEERS.iter().zip(&seen.peers).filter(|(_, code)| **code == 0).map(|(peer, _)| *peer);
        assert_eq!(through.collect::<Vec<_>>(), self.peers);
        let upper = if self.upper_channels { 0 } else { 400 };
        assert_eq!(seen.channels, [400, 0, 0, upper, upper]);
        assert_eq!(seen.granted, self.granted, "allocations of a user");
    }
}

/// Looks at a server as the first user, or secret, of its configuration.
fn seen(server: &Server, config: &Config, ports: &RangeInclusive<u16>) -> Seen {
    let mut stranger = Client::udp(server.addr);
    let binding = stranger.binding();
    let challenge = match config.auth.mode {
        AuthMode::StunOnly => {
            stranger.send_allocate();
            stranger.settle();
            (0, String::new(), format!("{} answers", stranger.unread()))
        }
        _ => {
            let asked = stranger.allocate();
            (asked.code(), asked.text(AttributeType::REALM), asked.phrase())
        }
    };
    let fingerprint = binding.has(AttributeType::FINGERPRINT);
    let software = binding.has(AttributeType::SOFTWARE);
    let tcp = TcpStream::connect(server.addr).is_ok();
    let mut seen = Seen {
        challenge,
        wrong_password: 999,
        right_password: 999,
        relay_ip: None,
        lifetimes: Vec::new(),
        peers: Vec::new(),
        channels: Vec::new(),
        granted: 0,
        fingerprint,
        software,
        tcp,
    };
    if let Some((name, password)) = credentials(config) {
        look_as_user(server.addr, &name, &password, ports, &mut seen);
    }
    seen
}

fn look_as_user(server: SocketAddr, name: &str, password: &str, ports: &RangeInclusive<u16>, seen: &mut Seen) {
    seen.wrong_password = Client::udp(server).with_user(name, "not the password").allocate().code();
    let mut client = Client::udp(server).with_user(name, password);
    let reply = client.allocate();
    seen.right_password = reply.code();
    if reply.code() != 0 {
        return;
    }
    assert!(ports.contains(&reply.relayed().port()), "{} is not among {ports:?}", reply.relayed());
    seen.relay_ip = Some(reply.relayed().ip());
    seen.lifetimes = vec![reply.lifetime(), client.refresh(100_000).lifetime(), client.refresh(60).lifetime()];
    seen.peers = PEERS.iter().map(|peer| client.permit((*peer).into()).code()).collect();
    let peer = |index: usize| SocketAddr::from((PUBLIC, 1000 + index as u16));
    seen.channels = CHANNELS.iter().enumerate().map(|(at, number)| client.bind(*number, peer(at)).code()).collect();
    let mut others: Vec<Client> = (1..TRIES).map(|_| Client::udp(server).with_user(name, password)).collect();
    seen.granted = 1 + others.iter_mut().map(|other| other.allocate().code()).filter(|code| *code == 0).count();
}

/// The name and password of somebody who is let in.
fn credentials(config: &Config) -> Option<(String, String)> {
    match config.auth.mode {
        AuthMode::LongTerm => config.auth.users.first().map(|user| match &user.secret {
            UserSecret::Password(password) => (user.name.clone(), password.to_string()),
            // The key in home-behind-nat.conf was made of this password.
            UserSecret::Keys(_) => (user.name.clone(), "at-home-1".to_owned()),
        }),
        AuthMode::SharedSecret => config.auth.secrets.last().map(|secret| {
            let name = timed_name(config.auth.separator, "somebody");
            let password = turnserver::auth::rest::password(secret.as_bytes(), name.as_bytes());
            (name, password)
        }),
        AuthMode::StunOnly | AuthMode::Anonymous => None,
    }
}
