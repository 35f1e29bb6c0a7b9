//! What the fuzzers found and kept, played again. `tests/fuzz/corpus` holds few inputs that reach much code,
//! `tests/fuzz/regressions` what once failed and scenes made by hand. `tests/fuzz/run.sh` looks for more.

#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The inputs of a folder, in the order of their names; a folder that is not there has none.
fn inputs(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.sort();
    files
}

/// An input as it is; what clients do also against servers of each profile and each kind of credentials, of which the
/// first byte is the number.
fn variants(target: &str, data: Vec<u8>) -> Vec<Vec<u8>> {
    let kits = if matches!(target, "client" | "stranger") { 0..targets::KITS } else { 0..0 };
    let others = kits.map(|kit| [&[kit], data.get(1..).unwrap_or_default()].concat());
    let mut all: Vec<_> = others.collect();
    all.push(data);
    all
}

/// Plays everything kept for a target; all inputs that fail are named.
fn replay(target: &str, run: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz");
    let corpus = inputs(&fuzz.join("corpus").join(target));
    assert!(corpus.len() >= 10, "the corpus of {target} has only {} inputs", corpus.len());
    let mut failed = Vec::new();
    for input in corpus.into_iter().chain(inputs(&fuzz.join("regressions").join(target))) {
        let data = fs::read(&input).unwrap_or_else(|error| panic!("{}: {error}", input.display()));
        for data in variants(target, data) {
            if catch_unwind(AssertUnwindSafe(|| run(&data))).is_err() {
                failed.push((input.clone(), data.first().copied()));
            }
        }
    }
    assert!(failed.is_empty(), "{target} fails with {failed:#?}");
}

/// One test a target.
macro_rules! targets {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            replay(stringify!($target), targets::$target::run);
        })*

        #[test]
        fn every_fuzzer_is_replayed() {
            let mut names = vec![$(concat!(stringify!($target), ".rs")),*];
            names.sort_unstable();
            let bins = inputs(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/bins"));
            let bins: Vec<_> = bins.iter().filter_map(|path| path.file_name()?.to_str()).collect();
            assert_eq!(bins, names);
        }
    };
}

targets! { client codec config framing stranger }
