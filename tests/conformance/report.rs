//! How many of the requirements are covered, section by section.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::{Chapter, chapters};
use crate::row::{Outcome, Row, Section, Shown, outcomes};
use crate::target::Target;

/// A ratchet: so many ids are covered now. Fewer are red, and more are until this number says so.
const COVERED: usize = 244;
/// Of all claimed ids, how many in a hundred must be covered.
const PERCENT_WANTED: usize = 95;

/// Every claimed id has exactly one of: a test, a feature it waits for, a reason. Nothing else has. What is missing is said
/// of tests only.
pub(crate) fn check_accounts(sections: &[Section]) -> Result<(), String> {
    let mut accounts: BTreeMap<String, usize> = BTreeMap::new();
    let tested = sections.iter().flat_map(|section| section.rows).map(Row::id);
    let explained = sections.iter().flat_map(|section| section.later.iter().chain(section.left_out));
    for id in tested.chain(explained.map(|(id, _)| (*id).to_owned())) {
        *accounts.entry(id).or_default() += 1;
    }
    let claimed: BTreeSet<&str> = chapters().iter().flat_map(|chapter| chapter.claimed().collect::<Vec<_>>()).collect();
    let forgotten: Vec<_> = claimed.iter().filter(|id| !accounts.contains_key(**id)).collect();
    let unknown: Vec<_> = accounts.keys().filter(|id| !claimed.contains(id.as_str())).collect();
    let twice: Vec<_> = accounts.iter().filter(|(_, count)| **count > 1).map(|(id, _)| id).collect();
    if !forgotten.is_empty() || !unknown.is_empty() || !twice.is_empty() {
        return Err(format!("not accounted for: {forgotten:?}; not in the list: {unknown:?}; twice: {twice:?}"));
    }
    let tested: BTreeSet<String> = sections.iter().flat_map(|section| section.rows).map(Row::id).collect();
    let partly: BTreeSet<&str> = sections.iter().flat_map(|section| section.partly).map(|(id, _)| *id).collect();
    let untested: Vec<_> = partly.iter().filter(|id| !tested.contains(**id)).collect();
    if COVERED * 100 < PERCENT_WANTED * claimed.len() {
        return Err(format!("{COVERED} of {} ids are less than {PERCENT_WANTED} in a hundred", claimed.len()));
    }
    match (tested.len() - partly.len(), untested.is_empty()) {
        (COVERED, true) => Ok(()),
        (covered, _) => Err(format!("{covered} ids are covered, not {COVERED}; partly, but not tested: {untested:?}")),
    }
}

/// Prints the report.
pub(crate) fn print(sections: &[Section]) {
    let results = Results::of(sections);
    println!("conformance of {}", Target::describe());
    for chapter in chapters() {
        results.print_chapter(&chapter);
    }
    println!("{}", results.total());
}

struct Results {
    rows: BTreeMap<String, Row>,
    outcomes: BTreeMap<&'static str, Outcome>,
    partly: BTreeMap<&'static str, &'static str>,
    later: BTreeMap<&'static str, &'static str>,
    left_out: BTreeMap<&'static str, &'static str>,
}

impl Results {
    fn of(sections: &[Section]) -> Results {
        Results {
            rows: sections.iter().flat_map(|section| section.rows).map(|row| (row.id(), *row)).collect(),
            outcomes: outcomes(),
            partly: sections.iter().flat_map(|section| section.partly).copied().collect(),
            later: sections.iter().flat_map(|section| section.later).copied().collect(),
            left_out: sections.iter().flat_map(|section| section.left_out).copied().collect(),
        }
    }

    /// The rows of these ids that ended like this.
    fn ended<'r>(&'r self, ids: &'r [&str], outcome: &'r Outcome) -> impl Iterator<Item = &'r Row> {
        let rows = ids.iter().filter_map(|id| self.rows.get(*id));
        rows.filter(move |row| self.outcomes.get(row.name) == Some(outcome))
    }

    /// The green rows of these ids of which nothing is missing.
    fn covered<'r>(&'r self, ids: &'r [&str]) -> impl Iterator<Item = &'r Row> {
        self.ended(ids, &Outcome::Green).filter(|row| !self.partly.contains_key(row.id().as_str()))
    }

    fn print_chapter(&self, chapter: &Chapter) {
        let claimed: Vec<&str> = chapter.claimed().collect();
        if claimed.is_empty() {
            return println!("  {:<62} later: all {}", chapter.title, chapter.ids.len());
        }
        let covered = || self.covered(&claimed);
        let timed = covered().filter(|row| row.shown == Shown::Timer).count();
        let partly_timed = covered().filter(|row| row.shown.is_partly_timed()).count();
        let partly = claimed.iter().filter(|id| self.partly.contains_key(**id)).count();
        let later = claimed.iter().filter(|id| self.later.contains_key(**id)).count();
        let left_out = claimed.iter().filter(|id| self.left_out.contains_key(**id)).count();
        println!(
            "  {:<62} covered: {} of {} ({timed} in virtual time, {partly_timed} partly), covered in part: {partly}, later: {later}, \
             left out: {left_out}{}",
            chapter.title,
            covered().count(),
            claimed.len(),
            match chapter.ids.len() - claimed.len() {
                0 => String::new(),
                others => format!(", not claimed: {others}"),
            },
        );
        for id in &claimed {
            self.print_explained(id);
        }
    }

    /// Ids that are not covered say why.
    fn print_explained(&self, id: &str) {
        let said = |what: &str, why: &str| println!("      {id} {what}{why}");
        let outcome = self.rows.get(id).and_then(|row| self.outcomes.get(row.name));
        match (outcome, self.later.get(id), self.left_out.get(id)) {
            (Some(Outcome::Red), ..) => said("RED", ""),
            (Some(Outcome::NotAsked(why)), ..) => said("not asked: ", why),
            (Some(Outcome::NotSeen(what)), ..) => said("NOT LOOKED AT, for lack of root: ", what),
            (Some(Outcome::Green), ..) => {
                self.partly.get(id).into_iter().for_each(|missing| said("partly: without ", missing));
            }
            (_, Some(feature), _) => said("later: ", feature),
            (_, _, Some(reason)) => said("left out: ", reason),
            _ => {}
        }
    }

    fn total(&self) -> String {
        let chapters = chapters();
        let claimed: Vec<&str> = chapters.iter().flat_map(Chapter::claimed).collect();
        let covered = self.covered(&claimed).count();
        let partly = self.ended(&claimed, &Outcome::Green).count() - covered;
        let red = self.ended(&claimed, &Outcome::Red).count();
        let not_seen = self.outcomes.values().filter(|outcome| matches!(outcome, Outcome::NotSeen(_))).count();
        let tenths = covered * 1000 / claimed.len();
        let all = chapters.iter().map(|chapter| chapter.ids.len()).sum::<usize>();
        format!(
            "conformance: {covered} of {} ids covered, {}.{} in a hundred ({PERCENT_WANTED} are wanted); {partly} covered in \
             part, {red} red, {not_seen} not looked at; {all} ids in the list",
            claimed.len(),
            tenths / 10,
            tenths % 10,
        )
    }
}
