//! `turnserver probe`: asks a STUN or TURN server for what a call needs, and says which step fails and why.
//!
//! Two clients, A and B, each allocate a relayed address and permit the other's; numbered datagrams then go from A through
//! both relays to B and back. Blocking sockets with timeouts, one thread, no state left on the server. `client.rs` has the
//! transactions, `relay.rs` the datagrams, `failure.rs` the hints.

mod client;
mod credentials;
mod failure;
mod framing;
mod relay;
mod report;
mod tls;
mod transport;
mod uri;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, value_parser};
use rustls::pki_types::ServerName;

use crate::auth::rest;
use crate::{clock, rng};
use client::{Allocation, Client};
use credentials::{Credentials, shared_secret};
use failure::Failure;
use relay::{Datagrams, End};
use report::{Facts, Failed, Report, Side, Step, millis};
use tls::Trust;
use transport::{Tls, Transport};
use uri::{Protocol, Service, Uri};

/// How long the credential made from a secret holds.
const SECRET_SECS: u64 = 600;

/// The arguments.
pub fn command() -> Command {
    Command::new("probe")
        .bin_name("turnserver probe")
        .about("Test a STUN or TURN server as a client")
        .after_help(
            "Exit status: 0 when everything came back, 1 otherwise. A password or secret on the command line can be \
             seen by other users of this machine while the probe runs; -W @FILE shows them none.",
        )
        .arg(
            Arg::new("uri")
                .required(true)
                .value_name("URI")
                .value_parser(|text: &str| text.parse::<Uri>())
                .help("turn:HOST[:PORT][?transport=udp|tcp], turns:HOST[:PORT], stun:HOST[:PORT] or stuns:HOST[:PORT]"),
        )
        .arg(text('u', "user", "NAME").requires("credential").help("User name; with -W the part behind the timestamp"))
        .arg(text('w', "password", "PASSWORD").requires("user").help("The user's password"))
        .arg(text('W', "secret", "SECRET|@FILE").help(
            "Shared secret of TURN REST: makes a credential of ten minutes itself. Behind @ stands a file that holds it, \
             as one must that begins with @",
        ))
        .group(ArgGroup::new("credential").args(["password", "secret"]))
        .arg(
            number('n', "count", "COUNT", "10")
                .value_parser(value_parser!(u32).range(1..=1_000_000))
                .help("Datagrams to send"),
        )
        .arg(
            number('l', "length", "BYTES", "172")
                .value_parser(value_parser!(u64).range(relay::LENGTHS))
                .help("Length of each"),
        )
        .arg(
            Arg::new("timeout")
                .long("timeout")
                .value_name("SECONDS")
                .default_value("8")
                .value_parser(value_parser!(u64).range(1..=600))
                .help("How long to wait for an answer, retransmissions included"),
        )
        .arg(
            Arg::new("ca")
                .long("ca")
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help("Certificates of the authorities to trust with turns: and stuns:, in PEM"),
        )
        .arg(
            Arg::new("insecure")
                .long("insecure")
                .action(ArgAction::SetTrue)
                .conflicts_with("ca")
                .help("Take any certificate"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Report as one JSON object"))
}

fn text(short: char, name: &'static str, value: &'static str) -> Arg {
    Arg::new(name).short(short).long(name).value_name(value)
}

fn number(short: char, name: &'static str, value: &'static str, default: &'static str) -> Arg {
    text(short, name, value).default_value(default)
}

/// Probes, and reports on standard output.
///
/// # Errors
/// What stands in the way of beginning (no certificates, no randomness), and errors of writing the report.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let probe = Probe::from_matches(matches)?;
    if matches.get_flag("insecure") {
        writeln!(io::stderr(), "warning: --insecure takes any certificate; whoever answers may not be the server")?;
    }
    let mut report = Report::new(io::stdout(), probe.uri.to_string(), matches.get_flag("json"))?;
    match probe.run(&mut report) {
        Ok(()) => report.finish(None)?,
        Err(Stop::Failed(failed)) => {
            report.finish(Some(&failed))?;
            return Ok(ExitCode::FAILURE);
        }
        Err(Stop::Broken(error)) => return Err(error),
    }
    Ok(ExitCode::SUCCESS)
}

/// Why a probe ends early: the server's part, or ours.
enum Stop {
    Failed(Box<Failed>),
    Broken(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Stop {
    fn from(error: E) -> Stop {
        Stop::Broken(error.into())
    }
}

struct Probe {
    uri: Uri,
    credentials: Option<Credentials>,
    count: u32,
    length: usize,
    timeout: Duration,
    tls: Option<Tls>,
}

/// One of the two clients, and what it got.
struct Party {
    side: Side,
    client: Client,
    allocation: Option<Allocation>,
}

impl Probe {
    fn from_matches(matches: &ArgMatches) -> anyhow::Result<Probe> {
        let uri = matches.get_one::<Uri>("uri").context("a URI is required")?.clone();
        let tls = match uri.protocol {
            Protocol::Tls => Some(Tls {
                config: tls::client_config(&trust(matches))?,
                name: ServerName::try_from(uri.host.clone()).context("no name that a certificate can have")?,
            }),
            _ => None,
        };
        let number = |name| matches.get_one::<u64>(name).copied().unwrap_or_default();
        Ok(Probe {
            uri,
            credentials: credentials(matches)?,
            count: matches.get_one("count").copied().unwrap_or_default(),
            length: usize::try_from(number("length"))?,
            timeout: Duration::from_secs(number("timeout")),
            tls,
        })
    }

    fn run(&self, report: &mut Report<impl Write>) -> Result<(), Stop> {
        let found = |addresses: &Vec<SocketAddr>| {
            let addresses: Vec<String> = addresses.iter().map(SocketAddr::to_string).collect();
            vec![("addresses", addresses.into())]
        };
        let addresses = self.step(report, Step::Resolve, Side::Both, || Ok(self.uri.resolve()?), found)?;
        let mut a = self.connect(report, Side::A, &addresses)?;
        if self.uri.service == Service::Stun {
            let seen = |mapped: &SocketAddr| vec![("mapped", mapped.to_string().into())];
            return self.step(report, Step::Binding, Side::A, || a.client.bind(), seen).map(|_| ());
        }
        let mut b = self.connect(report, Side::B, &addresses)?;
        let relayed = self.relay(report, &mut a, &mut b);
        // Who does not answer any more would not answer this either.
        if let Err(Stop::Failed(failed)) = &relayed
            && matches!(failed.failure, Failure::Silence { .. } | Failure::Io(_))
        {
            return relayed;
        }
        let deleted = [&mut a, &mut b].map(|party| self.delete(report, party));
        deleted.into_iter().fold(relayed, Result::and)
    }

    /// Connects to the first address that can be connected to.
    fn connect(&self, report: &mut Report<impl Write>, side: Side, addresses: &[SocketAddr]) -> Result<Party, Stop> {
        let open = || {
            let mut last = Failure::Answer("the name has no address".to_owned());
            for server in addresses {
                match Transport::open(self.uri.protocol, *server, self.tls.clone(), self.timeout) {
                    Ok(transport) => return Ok((transport.local_addr()?, *server, transport)),
                    Err(error) => last = error.into(),
                }
            }
            Err(last)
        };
        let found = |(local, server, _): &(SocketAddr, SocketAddr, Transport)| {
            vec![
                ("server", server.to_string().into()),
                ("protocol", self.uri.protocol.to_string().into()),
                ("local", local.to_string().into()),
            ]
        };
        let (_, _, transport) = self.step(report, Step::Connect, side, open, found)?;
        let client = Client::new(transport, self.credentials.clone(), self.timeout, rng::seed()?);
        Ok(Party { side, client, allocation: None })
    }

    fn relay(&self, report: &mut Report<impl Write>, a: &mut Party, b: &mut Party) -> Result<(), Stop> {
        let a_relayed = self.allocate(report, a)?;
        let b_relayed = self.allocate(report, b)?;
        self.permit(report, a, b_relayed)?;
        self.permit(report, b, a_relayed)?;
        let seed = rng::seed()?;
        let mark = *seed.first_chunk().context("a seed has 32 bytes")?;
        let datagrams = Datagrams { count: self.count, length: self.length, mark };
        let mut near = End { client: &mut a.client, relayed: a_relayed };
        let mut far = End { client: &mut b.client, relayed: b_relayed };
        let exchange = || relay::round_trips(&mut near, &mut far, &datagrams, self.timeout);
        let found = |trips: &relay::RoundTrips| {
            let lost = trips.sent() - trips.returned();
            let mut facts: Facts = vec![
                ("length_bytes", self.length.into()),
                ("sent", trips.sent().into()),
                ("returned", trips.returned().into()),
                ("lost", lost.into()),
            ];
            if let Some((min, avg, max)) = trips.min_avg_max() {
                facts.extend([("min_ms", millis(min)), ("avg_ms", millis(avg)), ("max_ms", millis(max))]);
            }
            facts
        };
        let trips = self.step(report, Step::RoundTrip, Side::Both, exchange, found)?;
        let (sent, returned) = (trips.sent(), trips.returned());
        if returned < sent {
            return Err(self.failed(Step::RoundTrip, Side::Both, Failure::Lost { sent, returned }));
        }
        Ok(())
    }

    fn allocate(&self, report: &mut Report<impl Write>, party: &mut Party) -> Result<SocketAddr, Stop> {
        let allocate = || {
            let allocation = party.client.allocate()?;
            Ok((allocation, party.client.password_algorithm()))
        };
        let found = |(allocation, algorithm): &(Allocation, Option<&str>)| {
            vec![
                ("mapped", allocation.mapped.to_string().into()),
                ("relayed", allocation.relayed.to_string().into()),
                ("lifetime_secs", allocation.lifetime_secs.into()),
                ("key", algorithm.unwrap_or("none").into()),
            ]
        };
        let (allocation, _) = self.step(report, Step::Allocate, party.side, allocate, found)?;
        party.allocation = Some(allocation);
        Ok(allocation.relayed)
    }

    fn permit(&self, report: &mut Report<impl Write>, party: &mut Party, peer: SocketAddr) -> Result<(), Stop> {
        let found = |(): &()| vec![("peer", peer.to_string().into())];
        self.step(report, Step::Permission, party.side, || party.client.permit(peer), found)
    }

    fn delete(&self, report: &mut Report<impl Write>, party: &mut Party) -> Result<(), Stop> {
        match party.allocation.take() {
            Some(_) => self.step(report, Step::Delete, party.side, || party.client.delete(), |(): &()| vec![]),
            None => Ok(()),
        }
    }

    /// Takes a step and reports it when it succeeds.
    fn step<T>(
        &self,
        report: &mut Report<impl Write>,
        step: Step,
        side: Side,
        act: impl FnOnce() -> Result<T, Failure>,
        found: impl FnOnce(&T) -> Facts,
    ) -> Result<T, Stop> {
        let begin = clock::now().mono;
        let value = act().map_err(|failure| self.failed(step, side, failure))?;
        report.done(step, side, clock::now().mono.since(begin), found(&value))?;
        Ok(value)
    }

    fn failed(&self, step: Step, side: Side, failure: Failure) -> Stop {
        let hint = match step {
            Step::Resolve => "is this the server's name, and does the resolver know it?".to_owned(),
            _ => failure.hint(self.credentials.is_some()),
        };
        Stop::Failed(Box::new(Failed { step, side, failure, hint }))
    }
}

fn trust(matches: &ArgMatches) -> Trust<'_> {
    match (matches.get_flag("insecure"), matches.get_one::<PathBuf>("ca")) {
        (true, _) => Trust::Anyone,
        (false, Some(file)) => Trust::Roots(Path::new(file)),
        (false, None) => Trust::System,
    }
}

/// The credentials named, or made from the secret.
fn credentials(matches: &ArgMatches) -> anyhow::Result<Option<Credentials>> {
    let text = |name| matches.get_one::<String>(name).cloned();
    if let Some(secret) = text("secret") {
        let secret = shared_secret(&secret)?;
        let user = text("user").unwrap_or_else(|| "probe".to_owned());
        let username = format!("{}:{user}", clock::now().wall.0 + SECRET_SECS);
        let password = rest::password(secret.as_bytes(), username.as_bytes());
        return Ok(Some(Credentials { username, password }));
    }
    let named = text("user").zip(text("password"));
    Ok(named.map(|(username, password)| Credentials { username, password }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(arguments: &[&str]) -> Result<ArgMatches, clap::Error> {
        command().try_get_matches_from([&["probe"], arguments].concat())
    }

    #[test]
    fn the_arguments_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn a_uri_is_enough() {
        let probe = Probe::from_matches(&matches(&["turn:192.0.2.1"]).expect("arguments")).expect("a probe");
        assert_eq!((probe.count, probe.length, probe.timeout), (10, 172, Duration::from_secs(8)));
        assert!(probe.credentials.is_none() && probe.tls.is_none());
    }

    #[test]
    fn credentials_come_in_pairs() {
        let taken = |arguments: &[&str]| {
            let matches = matches(&[&["turn:192.0.2.1"], arguments].concat()).ok()?;
            credentials(&matches).ok()?.map(|credentials| (credentials.username, credentials.password))
        };
        assert_eq!(taken(&["-u", "user", "-w", "pass"]), Some(("user".to_owned(), "pass".to_owned())));
        for wrong in [&["-u", "user"][..], &["-w", "pass"], &["-u", "user", "-w", "pass", "-W", "secret"]] {
            assert_eq!(taken(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_secret_makes_a_credential_of_ten_minutes() {
        for (user, arguments) in [("probe", &["-W", "north"][..]), ("fred", &["-W", "north", "-u", "fred"])] {
            let matches = matches(&[&["turn:192.0.2.1"], arguments].concat()).expect("arguments");
            let made = credentials(&matches).expect("a secret").expect("credentials");
            let (expiry, name) = made.username.split_once(':').expect("a timestamp and a name");
            let left = expiry.parse::<u64>().expect("seconds").saturating_sub(clock::now().wall.0);
            assert!((SECRET_SECS - 5..=SECRET_SECS).contains(&left));
            assert_eq!(name, user);
            assert_eq!(made.password, rest::password(b"north", made.username.as_bytes()));
        }
    }

    #[test]
    fn a_secret_may_stand_in_a_file() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let given = format!("@{}", file.path().display());
        let made = || credentials(&matches(&["turn:192.0.2.1", "-W", &given]).expect("arguments"));
        let problem = |made: anyhow::Result<_>| made.err().map(|error| error.to_string()).unwrap_or_default();
        assert!(problem(made()).contains("holds no secret"));
        // The end of the line is no part of it, an @ is.
        std::fs::write(file.path(), "@north\n").expect("our own file");
        let credentials = made().expect("a secret").expect("credentials");
        assert_eq!(credentials.password, rest::password(b"@north", credentials.username.as_bytes()));
        file.close().expect("our own file");
        assert!(problem(made()).contains("cannot read the secret from "));
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for wrong in [
            &["turn:192.0.2.1", "-n", "0"][..],
            &["turn:192.0.2.1", "-l", "11"],
            &["turn:192.0.2.1", "-l", "8193"],
            &["turn:192.0.2.1", "--timeout", "0"],
            &["turns:192.0.2.1", "--insecure", "--ca", "ca.pem"],
            &["turn://192.0.2.1"],
            &[],
        ] {
            assert!(matches(wrong).is_err(), "{wrong:?}");
        }
    }
}
