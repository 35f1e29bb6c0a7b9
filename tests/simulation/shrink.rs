//! A failing script, made short: actions are left out as long as it still fails.

use std::fmt::Write;

use crate::action::Action;
use crate::plan::Plan;
use crate::run::{play, script};

/// Runs it may take.
const RUNS_MAX: usize = 1_500;

/// The shortest script found, and why it fails.
pub(crate) fn shrink(seed: u64) -> Option<(Vec<Action>, String)> {
    let mut actions = script(seed);
    let (at, mut why) = play(seed, &actions).failure?;
    actions.truncate(at + 1);
    let mut runs = 0;
    let mut chunk = actions.len() / 2;
    while chunk > 0 && runs < RUNS_MAX {
        let mut start = 0;
        let before = actions.len();
        while start < actions.len() && runs < RUNS_MAX {
            let end = (start + chunk).min(actions.len());
            let rest = [&actions[..start], &actions[end..]].concat();
            runs += 1;
            match play(seed, &rest).failure {
                Some((at, shorter)) => {
                    actions = rest;
                    actions.truncate(at + 1);
                    why = shorter;
                }
                None => start = end,
            }
        }
        if actions.len() == before || chunk > 1 {
            chunk /= 2;
        }
    }
    Some((actions, why))
}

/// What a failing seed shows: the line that replays it, the server's kind, and the script.
pub(crate) fn report(seed: u64) -> String {
    let plan = Plan::of(seed);
    let mut text = format!("\nSEED={seed} cargo test --test simulation seeds\n");
    let Some((actions, why)) = shrink(seed) else { return format!("{text}it did not fail again") };
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
        let _ = writeln!(text, "client {index}: {:?} {} user {}", client.transport, client.address, client.user);
    }
    let _ = writeln!(text, "script of {} actions:", actions.len());
    for action in &actions {
        let _ = writeln!(text, "  {:?}", action.act);
    }
    let _ = write!(text, "{why}");
    text
}
