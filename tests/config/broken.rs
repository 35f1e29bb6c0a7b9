//! Configurations that are wrong, as files of `broken/` by their reader, and beside each exactly what is said about it.
//!
//! `.toml` and `.conf` are files, `.env` is an environment of NAME=VALUE lines, `.args` is a command line of words.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use turnserver::config::{Command, Judged, Serve, Sources, judge, judge_text, parse_command_line};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config/broken")
}

/// Everything that is said, as `turnserver check` says it.
fn findings(path: &Path) -> String {
    let text = fs::read_to_string(path).expect("a file of ours");
    let name = Path::new(path.file_name().expect("a file has a name"));
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("env") => {
            let pairs = text.lines().map(|line| line.split_once('=').expect("NAME=VALUE"));
            let environment = pairs.map(|(name, value)| (name.into(), value.into())).collect();
            said(&judge(&Serve::default(), &Sources { environment, ..Sources::default() }))
        }
        Some("args") => match parse_command_line(text.split_whitespace().map(OsString::from)) {
            Ok(Command::Serve(serve)) => said(&judge(&serve, &Sources::default())),
            Ok(other) => panic!("{other:?}"),
            Err(problem) => format!("error: {problem}\n"),
        },
        _ => said(&judge_text(text.as_bytes(), name)),
    }
}

fn said(judged: &Judged) -> String {
    let problems = judged.problems.iter().map(|problem| format!("error: {problem}\n"));
    problems.chain(judged.warnings.iter().map(|warning| format!("warning: {warning}\n"))).collect()
}

#[test]
fn each_broken_configuration_is_told_exactly_so() {
    let mut files: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension != "expected"));
    files.sort();
    assert!(files.len() >= 20, "{} files", files.len());
    let mut wrong = String::new();
    for path in files {
        let expected = fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
        let found = findings(&path);
        assert!(!found.contains("hunter2") && !expected.contains("hunter2"), "a secret is shown: {found}");
        if found != expected {
            wrong.push_str(&format!("{}\nexpected:\n{expected}found:\n{found}\n", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
