//! Hours of abuse in minutes: what a server that runs for long must not lose, in memory, descriptors and ports.
//!
//! Each test is a short form; `tests/soak/run.sh` runs the long one, scaled by `SOAK` (1 is the whole). As root everything
//! happens in a network namespace of the test's own; otherwise on loopback. Each test ends with one line of figures.

mod alphabet;
mod closes;
mod cycles;
mod datagrams;
mod figures;
mod idle;
#[path = "../netns/mod.rs"]
mod netns;
mod spelling;
mod streams;
#[path = "../wire/mod.rs"]
mod wire;

use std::net::{IpAddr, Ipv4Addr};

use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use netns::Host;
use wire::{Client, Launch};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How often something is done: `short` in the short form, a share of `long` in the long one.
fn times(short: usize, long: usize) -> usize {
    match std::env::var("SOAK") {
        Err(_) => short,
        Ok(share) => {
            let share: f64 = share.parse().expect("SOAK is the share of the whole, 1 or less");
            (long as f64 * share) as usize
        }
    }
}

/// A place where random destinations hurt nobody, for this thread; none without root, where it is loopback.
fn own_network() -> Option<Host> {
    geteuid().is_root().then(|| {
        let host = Host::new();
        host.enter();
        host
    })
}

/// A server that lets its clients reach loopback and answers whoever asks.
fn launch(args: &[&str]) -> Launch {
    Launch::new(&["-a", "--realm=r", "--user=alice:a-secret-88", "--allow-loopback-peers"]).and(args)
}

/// The same in the profile that is shipped, as far as one source may go on asking. Its peers are named, as it has no
/// switch for loopback; the budgets of guesses and of new peers are its own.
fn launch_shipped(args: &[&str]) -> Launch {
    let fixed = ["--profile=default", "--realm=r", "--user=alice:a-secret-88", "--relay-ip=127.0.0.1"];
    Launch::new(&fixed).and(&["--allowed-peer-ip=127.0.0.1", "--unauthorized-ratelimit-rps=1000000"]).and(args)
}

fn alice(client: Client) -> Client {
    client.with_user("alice", "a-secret-88")
}

/// As many descriptors for this process, and for servers it starts, as the system lets it have, and `needed` at least.
fn raise_descriptors(needed: u64) {
    let hard = getrlimit(Resource::Nofile).maximum;
    // Root may raise the hard limit as well.
    for maximum in [hard.map(|hard| hard.max(needed)), hard] {
        let raised = Rlimit { current: maximum, maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            break;
        }
    }
    let limit = getrlimit(Resource::Nofile).current;
    assert!(limit.is_none_or(|limit| limit >= needed), "{needed} descriptors are needed, the limit is {limit:?}");
}
