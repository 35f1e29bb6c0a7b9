//! One seed, and many.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once};

use turnserver::turn::DropReason;

use crate::action::{Action, Size};
use crate::plan::Plan;
use crate::shrink;
use crate::stage::Stage;
use crate::tally::Tally;

/// Seeds of a plain run.
const SEEDS: u64 = 2_000;

thread_local! {
    /// Whether this thread is inside a simulation, and where its last panic there was.
    static PLAYS: Cell<bool> = const { Cell::new(false) };
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Panics of the core are failures like others, and are told with the script; all others are told as ever.
fn keep_panics_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let tell = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match PLAYS.get() {
            true => PANICKED_AT.set(info.location().map_or(String::new(), |place| format!("at {place}"))),
            false => tell(info),
        }));
    });
}

/// How a run went.
pub(crate) struct Outcome {
    pub(crate) tally: Tally,
    pub(crate) trace: u64,
    /// When each action was over.
    pub(crate) times: Vec<u64>,
    /// At which action it failed, and why.
    pub(crate) failure: Option<(usize, String)>,
}

/// Plays actions of a seed.
pub(crate) fn play(seed: u64, actions: &[Action]) -> Outcome {
    let mut stage = Stage::new(seed, Plan::of(seed));
    let mut times = Vec::with_capacity(actions.len());
    keep_panics_quiet();
    PLAYS.set(true);
    let result = catch_unwind(AssertUnwindSafe(|| {
        for action in actions {
            stage.play(action).map_err(|why| format!("at {:.3} s: {why}", seconds(&stage)))?;
            times.push(stage.mono);
        }
        stage.finish()
    }));
    PLAYS.set(false);
    let why = match result {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why),
        Err(panic) => Some(format!("panic {}: {}", PANICKED_AT.take(), text_of(&*panic))),
    };
    let failure = why.map(|why| (times.len(), why));
    Outcome { tally: std::mem::take(&mut stage.tally), trace: stage.trace, times, failure }
}

fn seconds(stage: &Stage) -> f64 {
    (stage.mono - crate::plan::MONO_START) as f64 / 1e9
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("of no text").to_owned()
}

/// Every action of a seed. Where bandwidth is limited, some data is more than a limit gives at once.
pub(crate) fn script(seed: u64) -> Vec<Action> {
    let plan = Plan::of(seed);
    let mut actions = Action::all_of(seed, plan.clients.len(), plan.workers);
    if plan.config.limits.max_bps > 0 {
        actions.iter_mut().filter_map(Action::size).step_by(5).for_each(|size| *size = Size::Huge);
    }
    actions
}

/// A number of the environment.
pub(crate) fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// What many seeds came to.
pub(crate) struct Sum {
    pub(crate) seeds: u64,
    pub(crate) tally: Tally,
    pub(crate) failed: Option<u64>,
    pub(crate) secs: u64,
}

/// Seeds from `first` on, on all cores, until one fails, all are done, or time is over.
pub(crate) fn play_many(first: u64, count: u64, minutes: Option<u64>) -> Sum {
    let start = turnserver::clock::now().mono;
    let secs = || turnserver::clock::now().mono.since(start).as_secs();
    let (next, done, minute) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(1));
    let stop = AtomicBool::new(false);
    let failed: Mutex<Option<u64>> = Mutex::new(None);
    let sum = Mutex::new(Tally::default());
    let work = || {
        let mut tally = Tally::default();
        while !stop.load(Ordering::Relaxed) {
            let seed = first + next.fetch_add(1, Ordering::Relaxed);
            if seed >= first.saturating_add(count) || minutes.is_some_and(|minutes| secs() >= 60 * minutes) {
                break;
            }
            let outcome = play(seed, &script(seed));
            tally.add(&outcome.tally);
            let done = 1 + done.fetch_add(1, Ordering::Relaxed);
            if outcome.failure.is_some() {
                stop.store(true, Ordering::Relaxed);
                let mut failed = failed.lock().expect("no panic under the lock");
                *failed = Some(failed.map_or(seed, |other| other.min(seed)));
            }
            let due = minute.load(Ordering::Relaxed);
            let is_mine = || minute.compare_exchange(due, due + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if secs() >= 60 * due && is_mine() {
                say(&format!("{due} min: {done} seeds"));
            }
        }
        sum.lock().expect("no panic under the lock").add(&tally);
    };
    std::thread::scope(|scope| {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        (0..threads).for_each(|_| drop(scope.spawn(work)));
    });
    let failed = failed.into_inner().expect("no panic under the lock");
    let tally = sum.into_inner().expect("no panic under the lock");
    Sum { seeds: done.load(Ordering::Relaxed), tally, failed, secs: secs() }
}

/// A line for whoever watches, past the capture of the test's output.
pub(crate) fn say(text: &str) {
    // Nobody reads it when this fails.
    let _ = writeln!(std::io::stdout(), "{text}");
}

#[test]
fn seeds() {
    let one = number("SEED");
    let (first, count) = match one {
        Some(seed) => (seed, 1),
        None => (number("FIRST").unwrap_or(0), number("SEEDS").unwrap_or(SEEDS)),
    };
    let sum = play_many(first, count, number("MINUTES"));
    let Sum { seeds, tally, failed, secs } = &sum;
    say(&format!(
        "{seeds} seeds, {} actions, {} datagrams, {} failures, {secs} s\n{tally}",
        tally.actions,
        tally.datagrams,
        usize::from(failed.is_some())
    ));
    if let Some(seed) = failed {
        let report = shrink::report(*seed);
        panic!("{report}");
    }
    if one.is_none() && *seeds >= SEEDS {
        assert_whole(tally);
    }
}

/// Whatever can occur did.
fn assert_whole(tally: &Tally) {
    const CODES: [u16; 15] = [200, 300, 400, 401, 403, 420, 437, 438, 440, 441, 442, 443, 486, 500, 508];
    const OTHERS: [&str; 40] = [
        "lost by the network",
        "over the budget",
        "guessed too often",
        "guesser's stream closed",
        "too many new peers",
        "peer that is ours and no relay",
        "answered again",
        "channel data to a client",
        "data indication",
        "not sent",
        "dead end",
        "relay to relay",
        "to a peer",
        "look-up lost",
        "two relayed addresses",
        "one of two relayed addresses",
        "a reservation claimed",
        "one relayed address",
        "quota reached",
        "no capacity",
        "family not served",
        "a reservation released",
        "ended: expired",
        "ended: deleted",
        "ended: disconnected",
        "ended: stopped",
        "ended: fault",
        "one of two relayed addresses over",
        "permission over",
        "channel over",
        "permission forbidden",
        "channel forbidden",
        "state through text",
        "state compared",
        "states taken together",
        "timers left behind",
        "an answer unsigned",
        "an answer to one that names nothing",
        "an answer to one that names MD5",
        "an answer to one that names SHA-256",
    ];
    let codes: Vec<u16> = tally.codes.keys().copied().collect();
    assert_eq!(codes, CODES, "each answer code that can occur, and no other");
    let others: Vec<&str> = OTHERS.iter().copied().filter(|what| !tally.others.contains_key(what)).collect();
    assert!(others.is_empty(), "did not occur: {others:?}");
    let drops: Vec<DropReason> =
        DropReason::ALL.into_iter().filter(|reason| tally.drops[*reason as usize] == 0).collect();
    assert!(drops.is_empty(), "no datagram was dropped for {drops:?}");
    assert_eq!(tally.acts.len(), 73, "each kind of action: {:?}", tally.acts.keys());
}

#[test]
fn one_seed_makes_one_trace() {
    for seed in [3, 77, 1_000_003] {
        let actions = script(seed);
        let [first, second] = [play(seed, &actions), play(seed, &actions)];
        assert_eq!((first.trace, &first.tally), (second.trace, &second.tally));
        assert_ne!(first.trace, play(seed + 1, &script(seed + 1)).trace);
    }
}
