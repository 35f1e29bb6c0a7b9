//! A failing script, made short: actions are left out, or waited for instead, as long as it still fails.

use std::fmt::Write;

use crate::action::{Act, Action};
use crate::plan::Plan;
use crate::run::{Outcome, play, script};

/// Runs it may take.
const RUNS_MAX: usize = 1_500;

/// A script that fails, with its times and its failure.
struct Failing {
    actions: Vec<Action>,
    times: Vec<u64>,
    why: String,
}

impl Failing {
    /// Plays a script; none when it does not fail.
    fn of(seed: u64, mut actions: Vec<Action>) -> Option<Failing> {
        let Outcome { failure, times, .. } = play(seed, &actions);
        let (at, why) = failure?;
        actions.truncate(at + 1);
        Some(Failing { actions, times, why })
    }

    /// One wait that takes as long as these actions did.
    fn wait_for(&self, start: usize, end: usize) -> Option<Action> {
        let before = if start == 0 { crate::plan::MONO_START } else { *self.times.get(start - 1)? };
        let millis = (*self.times.get(end - 1)? - before) / 1_000_000;
        Some(Action { act: Act::Wait { millis }, die: 0 })
    }
}

/// The shortest script found, and why it fails.
fn shrink(seed: u64) -> Option<Failing> {
    let mut failing = Failing::of(seed, script(seed))?;
    let mut runs = 0;
    let mut chunk = failing.actions.len().div_ceil(2);
    while chunk > 0 && runs < RUNS_MAX {
        let before = failing.actions.len();
        let mut start = 0;
        while start < failing.actions.len() && runs < RUNS_MAX {
            let end = (start + chunk).min(failing.actions.len());
            let (head, tail) = (&failing.actions[..start], &failing.actions[end..]);
            runs += 1;
            if let Some(shorter) = Failing::of(seed, [head, tail].concat()) {
                failing = shorter;
                continue;
            }
            let wait = failing.wait_for(start, end).filter(|_| end - start > 1);
            let waiting = wait.and_then(|wait| {
                runs += 1;
                Failing::of(seed, [head, &[wait], tail].concat())
            });
            start = if waiting.is_some() { start + 1 } else { end };
            failing = waiting.unwrap_or(failing);
        }
        if failing.actions.len() == before || chunk > 1 {
            chunk /= 2;
        }
    }
    Some(failing)
}

/// What a failing seed shows: the line that replays it, the server's kind, and the script.
pub(crate) fn report(seed: u64) -> String {
    let plan = Plan::of(seed);
    let mut text = format!("\nSEED={seed} cargo test --test simulation seeds\n");
    let Some(Failing { actions, why, .. }) = shrink(seed) else { return format!("{text}it did not fail again") };
    let _ = writeln!(
        text,
        "profile {}, {:?}, {} workers, relays {:?}, ports {:?}, {} descriptors, taken by others {:?}\n{:?}\n{:?}",
        plan.profile,
        plan.mode,
        plan.workers,
        plan.relays,
        plan.ports,
        plan.descriptors_max,
        plan.squatted,
        plan.config.limits,
        plan.config.protocol
    );
    for (index, client) in plan.clients.iter().enumerate() {
        let what = (client.transport, client.address, client.scheme);
        let _ = writeln!(text, "client {index}: {what:?} user {}", client.user);
    }
    let _ = writeln!(text, "script of {} actions:", actions.len());
    for action in &actions {
        let _ = writeln!(text, "  {:?}", action.act);
    }
    let _ = write!(text, "{why}");
    text
}
