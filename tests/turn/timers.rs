//! The timer wheel against a list that is searched whole.

use std::time::Duration;

use proptest::prelude::*;
use turnserver::turn::time::Mono;
use turnserver::turn::timers::Wheel;

const SECOND: u64 = 1_000_000_000;

/// What is done to a wheel.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A deadline this many nanoseconds ahead; negative ones are over.
    Schedule(i64),
    /// Time passes, and everything due is taken.
    Advance(u64),
    /// Time passes and nobody looks.
    Sleep(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let ahead = prop_oneof![
        4 => 0..40 * SECOND as i64,
        3 => 0..4_000 * SECOND as i64,
        2 => 4_000 * SECOND as i64..20_000 * SECOND as i64,
        1 => -50 * SECOND as i64..1,
        1 => (0..9_000_i64).prop_map(|secs| secs * SECOND as i64),
    ];
    let span = prop_oneof![
        4 => 0..3 * SECOND,
        2 => 0..700 * SECOND,
        1 => 0..30_000 * SECOND,
        1 => (4_090..4_100_u64).prop_map(|secs| secs * SECOND),
    ];
    prop_oneof![
        3 => ahead.prop_map(Step::Schedule),
        2 => span.clone().prop_map(Step::Advance),
        1 => span.prop_map(Step::Sleep),
    ]
}

/// Everything due at `now`, which the model says it is.
fn take_due(wheel: &mut Wheel<usize>, model: &mut Vec<(Mono, usize)>, now: Mono) -> Result<(), TestCaseError> {
    while let Some(key) = wheel.poll(now) {
        let place = model.iter().position(|(_, known)| *known == key);
        let Some(place) = place else { return Err(TestCaseError::fail(format!("{key} fired twice"))) };
        let (deadline, _) = model.swap_remove(place);
        prop_assert!(deadline <= now, "fired {:?} early", deadline.since(now));
    }
    let late = model.iter().find(|(deadline, _)| now.since(*deadline) >= Duration::from_secs(1));
    prop_assert!(late.is_none(), "still there, a second late: {late:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    // Nothing early, nothing lost, nothing twice, nothing more than a second late, however far and long.
    #[test]
    fn the_wheel_fires_as_a_list_would(start in 0..100_000 * SECOND, steps in prop::collection::vec(step(), 1..120)) {
        let mut now = Mono(start);
        let mut wheel = Wheel::new(now);
        let mut model: Vec<(Mono, usize)> = Vec::new();
        for (key, step) in steps.into_iter().enumerate() {
            match step {
                Step::Schedule(ahead) => {
                    let deadline = Mono(now.0.saturating_add_signed(ahead));
                    wheel.schedule(deadline, key);
                    model.push((deadline, key));
                }
                Step::Sleep(span) => now = now + Duration::from_nanos(span),
                Step::Advance(span) => {
                    now = now + Duration::from_nanos(span);
                    take_due(&mut wheel, &mut model, now)?;
                    // Asked when it was, it is asked again in time, and not at once.
                    let first = model.iter().map(|(deadline, _)| *deadline).min();
                    prop_assert_eq!(wheel.next().is_some(), first.is_some());
                    if let (Some(next), Some(first)) = (wheel.next(), first) {
                        prop_assert!(next > now && next.0 < first.0 + SECOND, "{next:?} for {first:?} at {now:?}");
                    }
                }
            }
            prop_assert_eq!(wheel.len(), model.len());
            prop_assert_eq!(wheel.is_empty(), model.is_empty());
        }
        take_due(&mut wheel, &mut model, now + Duration::from_secs(200_000))?;
        prop_assert!(model.is_empty() && wheel.next().is_none());
    }
}

// A server that nobody used for hours looks at its wheel for the first time when it schedules something.
#[test]
fn a_deadline_after_a_long_pause_is_kept() {
    let mut wheel = Wheel::new(Mono(0));
    let now = Mono(50_000 * SECOND);
    wheel.schedule(now.plus_secs(600), "x");
    assert_eq!(wheel.poll(now), None);
    assert_eq!(wheel.poll(now.plus_secs(599)), None);
    assert_eq!(wheel.poll(now.plus_secs(600)), Some("x"));
    assert_eq!(wheel.poll(now.plus_secs(100_000)), None);
}

#[test]
fn a_deadline_beyond_one_turn_of_the_wheel_is_kept() {
    let mut wheel = Wheel::new(Mono(0));
    wheel.schedule(Mono(86_400 * SECOND), "x");
    let mut now = Mono(0);
    while let Some(next) = wheel.next().filter(|next| next.0 < 86_400 * SECOND) {
        assert!(next > now, "it moves on");
        now = next;
        assert_eq!(wheel.poll(now), None, "at {}", now.secs());
    }
    assert_eq!(wheel.next(), Some(Mono(86_400 * SECOND)));
    assert_eq!(wheel.poll(Mono(86_400 * SECOND)), Some("x"));
}

// What ended owners leave behind is bounded by the living ones, and the living ones' entries stay.
#[test]
fn entries_of_ended_owners_do_not_pile_up() {
    use turnserver::turn::limits::LEFTOVERS_MAX;
    let mut wheel = Wheel::new(Mono(0));
    const LIVING: usize = 500;
    (0..LIVING).for_each(|key| wheel.schedule(Mono((1 + key as u64 % 3600) * SECOND), key));
    for key in LIVING..200_000 {
        wheel.schedule(Mono(40 * SECOND), key);
        wheel.prune(|key| *key < LIVING);
        assert!(wheel.len() <= 2 * LIVING + LEFTOVERS_MAX, "{} entries", wheel.len());
    }
    let fired: Vec<usize> = std::iter::from_fn(|| wheel.poll(Mono(10_000 * SECOND))).collect();
    let living: std::collections::BTreeSet<usize> = fired.into_iter().filter(|key| *key < LIVING).collect();
    assert_eq!(living.len(), LIVING);
    assert!(wheel.is_empty() && wheel.next().is_none());
}

// A wheel whose living owners have many entries is not searched at each end.
#[test]
fn a_full_wheel_is_searched_seldom() {
    let mut wheel = Wheel::new(Mono(0));
    (0..100_000_u64).for_each(|key| wheel.schedule(Mono(key % 600 * SECOND), key));
    let looked_at = std::cell::Cell::new(0_u64);
    for _ in 0..1000 {
        wheel.prune(|_| {
            looked_at.set(looked_at.get() + 1);
            true
        });
    }
    assert_eq!((wheel.len(), looked_at.get()), (100_000, 100_000), "each entry once");
}
