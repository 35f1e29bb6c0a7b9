//! Every file says first what it is, and belongs to the crate.

use super::code::Code;
use super::tree::{Finding, Source, Tree};

/// A file without a preface.
pub(crate) fn check_preface(file: &Source) -> Vec<Finding> {
    let first = file.text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//! ").is_some_and(|text| !text.trim().is_empty());
    let message = "the file does not begin with `//! what it owns, and what it never does`";
    (!says).then(|| file.finding(1, message)).into_iter().collect()
}

/// Files below `src` that no `mod` declares: nobody compiles them.
pub(crate) fn check_declared(tree: &Tree) -> Vec<Finding> {
    let files: Vec<Source> = tree.rust("src/").collect();
    let is_declared = |file: &Source| {
        let Some((parents, name)) = parents_of(&file.path) else { return true };
        let mut by_name = files.iter().filter(|parent| parents.contains(&parent.path));
        let mut beside = files.iter().filter(|other| folder_of(&other.path) == folder_of(&file.path));
        by_name.any(|parent| declares(&parent.text, name))
            || beside.any(|other| other.text.contains(&format!("#[path = \"{name}.rs\"]")))
    };
    let dead = files.iter().filter(|file| !is_declared(file));
    dead.map(|file| file.finding(1, "no file declares this module; add `mod`, or remove the file")).collect()
}

/// The files that could declare a file's module, and the module's name; none for the roots of the crate.
fn parents_of(path: &str) -> Option<(Vec<String>, &str)> {
    let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let module = inside.strip_suffix("/mod").unwrap_or(inside);
    match module.rsplit_once('/') {
        Some((folder, name)) => Some((vec![format!("src/{folder}/mod.rs"), format!("src/{folder}.rs")], name)),
        None if matches!(module, "lib" | "main") => None,
        None => Some((vec!["src/lib.rs".to_owned(), "src/main.rs".to_owned()], module)),
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn declares(text: &str, name: &str) -> bool {
    Code::new(text)
        .tokens()
        .windows(3)
        .any(|triple| triple[0].text == "mod" && triple[1].text == name && matches!(triple[2].text, ";" | "{"))
}

#[test]
fn a_file_without_a_preface_is_found() {
    for bad in ["", "use std::fmt;\n//! late", "//!\nfn a() {}"] {
        assert_eq!(check_preface(&Source::new("src/a.rs", bad)).len(), 1, "{bad:?}");
    }
    assert_eq!(check_preface(&Source::new("src/a.rs", "//! The ports of relayed addresses.\n")), []);
}

#[test]
fn a_file_nobody_declares_is_found() {
    let tree = Tree::of(&[
        ("src/lib.rs", "pub mod turn;\n// mod dead;"),
        ("src/turn/mod.rs", "mod io;"),
        ("src/turn/io.rs", "#[path = \"io_tests.rs\"]\nmod tests;"),
        ("src/turn/io_tests.rs", ""),
        ("src/turn/dead.rs", ""),
        ("src/dead.rs", ""),
    ]);
    let found: Vec<String> = check_declared(&tree).into_iter().map(|finding| finding.path).collect();
    assert_eq!(found, ["src/turn/dead.rs", "src/dead.rs"]);
}
