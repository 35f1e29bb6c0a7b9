//! The tree builds anywhere: no text names a place that only its author's machine has, and packages come from the
//! registries everybody uses.

use super::tree::{Finding, Source};

/// Beginnings of paths, each in two halves so that this file does not name what it bans.
const PATHS: &[[&str; 2]] = &[
    ["/wo", "rk/"],
    ["/ho", "me/"],
    ["/ro", "ot/"],
    ["/Us", "ers/"],
    ["/tmp/tar", "get"],
    ["../sha", "red/"],
    ["C:\\Us", "ers\\"],
];

/// Settings that send a package manager elsewhere.
const REGISTRIES: &[[&str; 2]] = &[
    ["replace", "-with"],
    ["[sour", "ce."],
    ["[regist", "ries"],
    ["sparse+", "http"],
    ["--index", "-url"],
    ["extra-index", "-url"],
    ["GOPR", "OXY="],
    ["_auth", "Token"],
    ["npm_config_regi", "stry"],
];

/// Where the lock file's packages come from, in halves as well.
const RUST_REGISTRY: [&str; 2] = ["registry+https://github.com/rust-lang/crate", "s.io-index"];

/// Names of machines and their registries.
pub(crate) fn check(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        if let Some(path) = PATHS.iter().map(|halves| halves.concat()).find(|path| names(line, path)) {
            let message =
                format!("{path} is a place of one machine; take it from the environment, or from the repository");
            findings.push(file.finding(index + 1, message));
        }
        if let Some(setting) = REGISTRIES.iter().map(|halves| halves.concat()).find(|setting| line.contains(setting)) {
            let message = format!("{setting} names a registry; it belongs to the settings of a machine");
            findings.push(file.finding(index + 1, message));
        }
        let source = line.strip_prefix("source = \"").and_then(|rest| rest.strip_suffix('"'));
        if let Some(source) = source.filter(|source| file.path == "Cargo.lock" && *source != RUST_REGISTRY.concat()) {
            let message = format!("{source} is not the Rust registry; lock the package that everybody gets");
            findings.push(file.finding(index + 1, message));
        }
    }
    findings
}

/// Whether a path begins in the line, rather than going on from a longer one or a URL.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && !"./_-".contains(c))
    })
}

#[test]
fn a_place_of_one_machine_is_found() {
    for halves in PATHS {
        let bad = format!("let path = \"{}turn\";", halves.concat());
        assert_eq!(check(&Source::new("src/a.rs", &bad)).len(), 1, "{bad}");
    }
    for halves in REGISTRIES {
        let bad = format!("{} = \"x\"", halves.concat());
        assert_eq!(check(&Source::new("config.toml", &bad)).len(), 1, "{bad}");
    }
    let lock = "source = \"registry+https://packages.example.org/index\"";
    assert_eq!(check(&Source::new("Cargo.lock", lock)).len(), 1);
}

#[test]
fn places_that_every_machine_has_are_fine() {
    let fine =
        format!("/var/lib/turn /etc/turnserver https://example.org{}x a{}b", PATHS[0].concat(), PATHS[1].concat());
    assert_eq!(check(&Source::new("README.md", &fine)), []);
    assert_eq!(check(&Source::new("Cargo.lock", &format!("source = \"{}\"", RUST_REGISTRY.concat()))), []);
}
