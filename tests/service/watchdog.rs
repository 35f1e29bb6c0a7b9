//! A worker that is blocked: no word of life while it is, and again after. The engine, the watching thread and the protocol
//! are the real ones; the worker is blocked by a hook.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use turnserver::cli::serve::notify::Notifier;
use turnserver::cli::serve::watch::Watch;
use turnserver::config::load_text;
use turnserver::stream::tls::Certificates;
use turnserver::turn::settings::Hooks;
use turnserver::udp::{Engine, Secrets};
use turnserver::userdb::Users;

use crate::supervisor::Supervisor;
use crate::wire::{Client, free_ports, poll_until};

/// Whether the worker is in the hook, and whether it may go on.
static GATE: (Mutex<(bool, bool)>, Condvar) = (Mutex::new((false, false)), Condvar::new());
/// A datagram that nobody answers.
const BLOCKS: &[u8] = b"\xFFblock";
/// One word of life in half of it.
const WATCHDOG: Duration = Duration::from_millis(400);

fn set(gate: (bool, bool)) {
    *GATE.0.lock().expect("nobody panics with it") = gate;
    GATE.1.notify_all();
}

fn block(_: &turnserver::turn::Path, datagram: &[u8]) {
    if datagram == BLOCKS {
        set((true, false));
        let gate = GATE.0.lock().expect("nobody panics with it");
        drop(GATE.1.wait_while(gate, |(_, may_go_on)| !*may_go_on).expect("nobody panics with it"));
    }
}

#[test]
fn no_word_of_life_while_one_worker_is_blocked() {
    let mut supervisor = Supervisor::new();
    let port = free_ports(1);
    let text = format!(
        "listening-ip = [\"127.0.0.1\"]\nlistening-port = {port}\nrelay-threads = 2\nrealm = \"r\"\n\
         lt-cred-mech = true\nuser = [\"alice:secret\"]\n"
    );
    let config = load_text(&text, Path::new("test.toml")).expect("a good configuration").config;
    let secrets = Secrets { nonce_key: [7; 32], previous_nonce_key: None };
    let users = Arc::new(Users::new(&config.auth));
    let hooks = Hooks { before_datagram: Some(block), ..Hooks::default() };
    let certificates = Certificates::none().expect("randomness");
    let engine = Engine::start_with(Arc::new(config), &secrets, certificates, users, hooks).expect("a free port");
    let notifier = Notifier::at(&supervisor.name).expect("a short path");
    let watch = Watch::start(engine.pulse(), engine.readings(), notifier, Some(WATCHDOG)).expect("a thread");
    supervisor.wait_for("WATCHDOG=1", 0);

    Client::udp(([127, 0, 0, 1], port).into()).send_bytes(BLOCKS);
    poll_until("the worker is blocked", || GATE.0.lock().expect("nobody panics with it").0.then_some(()));
    let blocked = supervisor.read().len();
    let silent = supervisor.wait_for("STATUS=serving, allocations: 0, relay ports: 16384, worker ", blocked);
    let words = supervisor.told[blocked..silent].iter().filter(|told| told.contains("WATCHDOG=1")).count();
    assert!(words <= 1, "the answer to a question from before: {:?}", supervisor.told);
    let told = supervisor.listen_for(2 * WATCHDOG);
    assert_eq!(told.iter().filter(|told| told.contains("WATCHDOG=1")).count(), 0, "{told:?}");

    set((false, true));
    let again = supervisor.wait_for("WATCHDOG=1", silent);
    supervisor.wait_for("WATCHDOG=1", again + 1);
    drop(watch);
    engine.stop().expect("no worker broke off");
}
