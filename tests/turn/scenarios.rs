//! Plays the stories of `tests/scenarios/`, each in a world of its own and in virtual time.

use std::path::{Path, PathBuf};

use crate::script::parse;
use crate::stage::Stage;

/// Every script, in the order of their names.
fn scripts() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let entries = std::fs::read_dir(folder).expect("the scenarios are there");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "turn"));
    paths.sort();
    paths
}

/// Plays a script up to the first act that goes otherwise than written.
fn play(name: &str, text: &str) -> Result<(), String> {
    let mut stage = Stage::new();
    parse(text).iter().try_for_each(|act| {
        let line = text.lines().nth(act.line - 1).unwrap_or_default();
        stage.play(act).map_err(|error| format!("{name}:{}: {error}\n    {line}", act.line))
    })
}

#[test]
fn every_story_goes_as_it_is_written() {
    let scripts = scripts();
    let failures: Vec<String> = scripts
        .iter()
        .filter_map(|path| {
            let name = Path::new("tests/scenarios").join(path.file_name().expect("a name"));
            let text = std::fs::read_to_string(path).expect("a script can be read");
            play(&name.display().to_string(), &text).err()
        })
        .collect();
    assert!(failures.is_empty(), "\n{}\n", failures.join("\n"));
    assert!(scripts.len() >= 20, "{} scripts", scripts.len());
}

#[test]
fn every_story_says_which_rule_it_is_about() {
    for path in scripts() {
        let text = std::fs::read_to_string(&path).expect("a script can be read");
        let first = text.lines().next().unwrap_or_default();
        let cites = ["RFC ", "section ", "our rules"].iter().any(|word| first.contains(word));
        assert!(first.starts_with("# ") && cites, "{}: {first:?}", path.display());
        assert!(parse(&text).iter().filter(|act| act.expected.is_some()).count() >= 3, "{}", path.display());
    }
}

#[test]
fn a_story_that_goes_otherwise_is_told_with_its_line() {
    let failure = |text: &str| play("x.turn", text).expect_err("it goes otherwise");
    assert_eq!(
        failure("# RFC\nclient a allocate -> 200\nclient a refresh -> 437\n"),
        "x.turn:3: expected 437, got 200 lifetime=600 signed\n    client a refresh -> 437"
    );
    let none = failure("client a allocate -> 200\nclient a permit p -> 200\nclient a send p \"x y\" -> none");
    assert_eq!(none, "x.turn:3: expected none, got p \"x y\"\n    client a send p \"x y\" -> none");
    assert!(failure("client a allocate -> 200 lifetime=9").contains("expected 200 lifetime=9, got 200 lifetime=600"));
    assert!(failure("client a dance -> 200").contains("a client cannot dance"));
    assert!(failure("advance 10s -> 200").contains("nothing is seen"));
    assert!(failure("peer p send 130.89.1.1:50000 \"x\" -> none").contains("got closed"));
}
