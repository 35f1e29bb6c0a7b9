//! Every dependency says what it is for.

use super::tree::{Finding, Source};

/// Dependencies without a comment behind or above them.
pub(crate) fn check(file: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut section = Section::Other;
    let mut above = false;
    for (index, line) in file.text.lines().enumerate() {
        let line = line.trim();
        let mut unsaid = |name: &str| {
            let message = format!("dependency {name} does not say why; add a comment: what it does here, and for whom");
            findings.push(file.finding(index + 1, message));
        };
        if let Some(header) = line.strip_prefix('[') {
            section = Section::of(header);
            if let (Section::Of(name), false) = (&section, above || says_why(line)) {
                unsaid(name);
            }
        } else if section == Section::List && is_entry(line) && !above && !says_why(line) {
            unsaid(line.split(['=', '.']).next().unwrap_or(line).trim());
        }
        above = line.starts_with('#') && says_why(line);
    }
    findings
}

/// What the lines under a header are.
#[derive(Debug, PartialEq, Eq)]
enum Section {
    /// Dependencies, one a line.
    List,
    /// The table of one dependency.
    Of(String),
    Other,
}

impl Section {
    fn of(header: &str) -> Section {
        let header = header.split(']').next().unwrap_or_default();
        match header.rsplit('.').next() {
            Some("dependencies" | "dev-dependencies" | "build-dependencies") => Section::List,
            Some(name) if header.contains("dependencies.") => Section::Of(name.to_owned()),
            _ => Section::Other,
        }
    }
}

/// Whether a line starts an entry, as opposed to going on with a list or a table.
fn is_entry(line: &str) -> bool {
    let name = line.split('=').next().unwrap_or_default().trim();
    let is_key = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.\"".contains(c));
    line.contains('=') && is_key
}

/// Whether a comment stands in the line, outside quotes, that says more than the line's own name.
fn says_why(line: &str) -> bool {
    let name = line.split('=').next().unwrap_or_default().trim();
    let mut quoted = false;
    for (at, c) in line.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' if !quoted => return ![name, ""].contains(&line[at + 1..].trim()),
            _ => {}
        }
    }
    false
}

#[test]
fn a_dependency_that_does_not_say_why_is_found() {
    for bad in [
        "[dependencies]\nslab = \"1\"",
        "[dependencies]\nslab = \"1\" # slab",
        "[dev-dependencies]\na = { version = \"1 # no\", features = [\"b\"] }",
        "[target.'cfg(unix)'.dependencies]\nslab = \"1\"",
        "[dependencies.slab]\nversion = \"1\"",
        "[build-dependencies]\n# why this one\na = \"1\"\nb = \"2\"",
    ] {
        assert_eq!(check(&Source::new("Cargo.toml", bad)).len(), 1, "{bad}");
    }
    let fine = "[package]\nname = \"a\"\n[dependencies]\nslab = \"1\" # allocations by index\n# sockets, one a line\n\
                a = { version = \"1\", features = [\n    \"b\",\n] }\n[lints.rust]\nc = \"warn\"";
    assert_eq!(check(&Source::new("Cargo.toml", fine)), []);
}
