//! The house rules that a compiler does not know: which module may use which, how long a file and a function may be,
//! which words are no names, where `unsafe` lives, what must be said beside an exception.
//!
//! Each rule is a function from a file to its findings, in `tidy/`, next to samples that break it. Here every rule meets
//! the tree. What needs more than reading is held elsewhere: banned calls by `clippy.toml`, licenses and sources of
//! dependencies by `deny.toml`, the option table by `tests/config` and `tests/options`.

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/budgets.rs"]
mod budgets;
#[path = "tidy/code.rs"]
mod code;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/manifest.rs"]
mod manifest;
#[path = "tidy/marks.rs"]
mod marks;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/names.rs"]
mod names;
#[path = "tidy/places.rs"]
mod places;
#[path = "tidy/tree.rs"]
mod tree;
#[path = "tidy/unsafety.rs"]
mod unsafety;

use tree::{Finding, Source, Tree};

/// Fails with every finding of a rule, one a line, as `file:line: what is wrong; what to do instead`.
fn hold(rule: impl Fn(&Source) -> Vec<Finding>, files: impl Iterator<Item = Source>) {
    report(files.flat_map(|file| rule(&file)).collect());
}

fn report(findings: Vec<Finding>) {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
}

#[test]
fn modules_use_each_other_along_the_arrows() {
    hold(arrows::check, Tree::read().rust("src/"));
}

#[test]
fn the_core_knows_no_runtime_socket_file_thread_or_clock() {
    hold(arrows::check_core, Tree::read().rust("src/"));
}

#[test]
fn files_and_functions_keep_their_budgets() {
    let tree = Tree::read();
    report(budgets::check_exceptions(budgets::EXCEPTIONS, &tree));
    hold(|file| budgets::check_file(file, budgets::EXCEPTIONS), tree.code());
    hold(budgets::check_functions, tree.rust("src/"));
}

#[test]
fn names_say_what_a_thing_is() {
    let tree = Tree::read();
    hold(names::check_path, tree.all());
    hold(names::check, tree.rust(""));
}

#[test]
fn unsafe_has_its_homes_and_a_reason_each_time() {
    hold(unsafety::check, Tree::read().rust(""));
}

#[test]
fn nothing_is_left_to_do() {
    hold(marks::check_unfinished, Tree::read().rust(""));
}

#[test]
fn every_allow_says_why() {
    hold(marks::check_allows, Tree::read().rust(""));
}

#[test]
fn every_file_says_what_it_is() {
    hold(modules::check_preface, Tree::read().rust(""));
}

#[test]
fn every_module_file_is_declared() {
    let tree = Tree::read();
    report(modules::check_declared(&tree));
}

#[test]
fn every_dependency_says_why() {
    hold(manifest::check, Tree::read().named("Cargo.toml"));
}

#[test]
fn links_and_paths_in_documents_lead_somewhere() {
    let tree = Tree::read();
    hold(|file| links::check(file, &tree), tree.documents());
}

#[test]
fn no_text_names_the_machine_it_was_written_on() {
    hold(places::check, Tree::read().all());
}
