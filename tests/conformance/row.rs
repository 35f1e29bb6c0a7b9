//! What the suite consists of: sections of rows.

use std::any::Any;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;

use libtest_mimic::{Failed, Trial};

use crate::target::Target;

/// The rows of one or more sections of `ids.txt`, and what is said of ids that have none.
#[derive(Clone, Copy)]
pub(crate) struct Section {
    /// The tests.
    pub(crate) rows: &'static [Row],
    /// Ids that have a row which asserts all but what needs a feature that does not exist yet, each with what is missing.
    /// They do not count as covered.
    pub(crate) partly: &'static [(&'static str, &'static str)],
    /// Ids that need a feature which does not exist yet, each with that feature.
    pub(crate) later: &'static [(&'static str, &'static str)],
    /// Ids that cannot be tested, each with the reason.
    pub(crate) left_out: &'static [(&'static str, &'static str)],
}

/// One requirement's test.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    /// Its id in snake case, then what it shows.
    pub(crate) name: &'static str,
    pub(crate) shown: Shown,
    pub(crate) run: fn(),
}

/// How a row shows what it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// Over sockets, against any server.
    Wire,
    /// Over sockets, against our server under a configuration of its own.
    Configured,
    /// Against our core in virtual time.
    Timer,
    /// Like `Wire`, and against our core in virtual time what only a clock decides; elsewhere without that.
    WireAndTimer,
    /// Like `Configured`, and in virtual time what only a clock decides.
    ConfiguredAndTimer,
}

impl Shown {
    /// Whether any server can be asked.
    fn is_of_any_server(self) -> bool {
        matches!(self, Shown::Wire | Shown::WireAndTimer)
    }

    /// Whether what decides is seen in virtual time beside what sockets show.
    pub(crate) fn is_partly_timed(self) -> bool {
        matches!(self, Shown::WireAndTimer | Shown::ConfiguredAndTimer)
    }
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Green,
    Red,
    /// The server that was aimed at does not let the row be asked.
    NotAsked(String),
    /// It found nothing wrong, but could not look at all of it for lack of root.
    NotSeen(&'static str),
}

/// Lists rows: `rows![wire stun_001_top_bits, timer refr_008_expiry]`.
macro_rules! rows {
    ($($shown:ident $name:ident),* $(,)?) => {
        &[$(crate::row::Row { name: stringify!($name), shown: crate::row::shown::$shown, run: $name }),*]
    };
}
pub(crate) use rows;

/// The words by which [`rows!`] names a [`Shown`].
#[allow(non_upper_case_globals, reason = "they are words of the macro's language")]
pub(crate) mod shown {
    use super::Shown;
    pub(crate) const wire: Shown = Shown::Wire;
    pub(crate) const configured: Shown = Shown::Configured;
    pub(crate) const timer: Shown = Shown::Timer;
    pub(crate) const both: Shown = Shown::WireAndTimer;
    pub(crate) const configured_both: Shown = Shown::ConfiguredAndTimer;
}

static OUTCOMES: Mutex<BTreeMap<&'static str, Outcome>> = Mutex::new(BTreeMap::new());

struct NotAsked(String);

/// Ends a wire row that the server aimed at cannot be asked; our own must always be.
pub(crate) fn not_asked(why: &str) -> ! {
    assert!(!Target::get().is_ours(), "every row can be asked of our server: {why}");
    resume_unwind(Box::new(NotAsked(why.to_owned())))
}

thread_local! {
    /// What the row that runs in this thread could not look at.
    static NOT_SEEN: Cell<Option<&'static str>> = const { Cell::new(None) };
}

/// Takes down that this row checks less than it could, for lack of root; where `CI` is set it fails instead. Called in the
/// row's own thread.
pub(crate) fn not_seen(what: &'static str) {
    assert!(std::env::var_os("CI").is_none(), "needs root (CAP_NET_RAW): {what}");
    NOT_SEEN.set(Some(what));
}

/// What became of every row that ran.
pub(crate) fn outcomes() -> BTreeMap<&'static str, Outcome> {
    OUTCOMES.lock().expect("nothing panics while it holds the outcomes").clone()
}

impl Row {
    /// `ALLOC-012` of `alloc_012_...`.
    pub(crate) fn id(&self) -> String {
        let mut words = self.name.split('_');
        let (kind, number) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        format!("{}-{number}", kind.to_uppercase())
    }

    /// The row for the test harness.
    pub(crate) fn trial(&'static self) -> Trial {
        let is_aimed_elsewhere = Target::is_elsewhere() && !self.shown.is_of_any_server();
        let kind = match self.shown {
            Shown::Wire => "",
            Shown::Configured => "configured",
            Shown::Timer => "virtual time",
            Shown::WireAndTimer => "wire and virtual time",
            Shown::ConfiguredAndTimer => "configured and virtual time",
        };
        let trial = Trial::test(self.name, move || self.judge()).with_kind(kind);
        trial.with_ignored_flag(is_aimed_elsewhere)
    }

    #[allow(clippy::print_stderr, reason = "also whoever runs one row is told that it did not see all")]
    fn judge(&self) -> Result<(), Failed> {
        NOT_SEEN.set(None);
        let (outcome, result) = match catch_unwind(AssertUnwindSafe(self.run)) {
            Ok(()) => match NOT_SEEN.take() {
                Some(what) => {
                    eprintln!("{} COULD NOT LOOK, for lack of root (CAP_NET_RAW), at {what}", self.name);
                    (Outcome::NotSeen(what), Ok(()))
                }
                None => (Outcome::Green, Ok(())),
            },
            Err(thrown) => match thrown.downcast::<NotAsked>() {
                Ok(why) => (Outcome::NotAsked(why.0), Ok(())),
                Err(thrown) => (Outcome::Red, Err(Failed::from(text(&*thrown)))),
            },
        };
        OUTCOMES.lock().expect("nothing panics while it holds the outcomes").insert(self.name, outcome);
        result
    }
}

fn text(thrown: &(dyn Any + Send)) -> String {
    let owned = thrown.downcast_ref::<String>().cloned();
    owned.or_else(|| thrown.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
}
