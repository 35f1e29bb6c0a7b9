//! Documents stay true: their links and the paths they name lead to something.

use super::tree::{Finding, Source, Tree};

/// Folders whose files a document names in backquotes.
const FOLDERS: &[&str] = &["src/", "tests/", "benches/", "docs/", "systemd/"];

/// Links and paths that lead nowhere.
pub(crate) fn check(file: &Source, tree: &Tree) -> Vec<Finding> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut findings = Vec::new();
    let mut fenced = false;
    for (index, line) in file.text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        let links = links(line).filter_map(|link| inside(folder, link));
        let named = backquoted(line).filter(|path| FOLDERS.iter().any(|folder| path.starts_with(folder)));
        let named = named.filter(|path| !path.contains(['*', '<', '{', ' '])).map(str::to_owned);
        for path in links.chain(named).filter(|path| !tree.has(path)) {
            let message = format!("{path:?} leads nowhere; name what is there, or take the link out");
            findings.push(file.finding(index + 1, message));
        }
    }
    findings
}

/// The targets of `[text](target)`.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// What stands between backquotes.
fn backquoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// A link as a path from the root; none when it leads out of the repository or within the page.
fn inside(folder: &str, link: &str) -> Option<String> {
    let path = link.split(['#', ' ']).next().unwrap_or_default();
    if path.is_empty() || link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let tree = Tree::of(&[("README.md", ""), ("docs/start.md", ""), ("src/turn/io.rs", "")]);
    for (path, bad) in [
        ("README.md", "see [the guide](docs/gone.md)"),
        ("docs/start.md", "[home](../GONE.md#top)"),
        ("README.md", "`src/turn/gone.rs` holds it"),
    ] {
        assert_eq!(check(&Source::new(path, bad), &tree).len(), 1, "{bad}");
    }
    for (path, fine) in [
        (
            "README.md",
            "[a](docs/start.md#b) [c](#d) [e](https://example.org/f) `src/turn/io.rs` `src/*/mod.rs` `docs/`",
        ),
        ("docs/start.md", "[home](../README.md)\n```\n[x](gone.md)\n```\n"),
    ] {
        assert_eq!(check(&Source::new(path, fine), &tree), [], "{fine}");
    }
}
