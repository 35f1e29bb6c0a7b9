//! The files of the repository, and what a rule found in them. Nothing outside the repository is read.

use std::fmt;
use std::fs;
use std::path::Path;

/// What is no source: version control, build output, state of a local run, caches of tools.
const SKIPPED: &[&str] = &[".git", "target", ".turnserver", ".venv", "__pycache__", "node_modules"];

/// A text file of the repository.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Its path from the repository's root.
    pub(crate) path: String,
    /// What it says.
    pub(crate) text: String,
}

/// Something that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The file.
    pub(crate) path: String,
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// What is wrong, and what to do instead.
    pub(crate) message: String,
}

impl Source {
    /// A file for a test of a rule.
    pub(crate) fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned() }
    }

    /// A finding at a line counted from 1.
    pub(crate) fn finding(&self, line: usize, message: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

/// All text files, in the order of their paths.
#[derive(Debug)]
pub(crate) struct Tree {
    files: Vec<Source>,
}

impl Tree {
    /// Reads the repository.
    pub(crate) fn read() -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        walk(root, root, &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(files.iter().any(|file| file.path == "src/lib.rs"), "the tree was not found at {}", root.display());
        Tree { files }
    }

    /// A tree for a test of a rule.
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        Tree { files: files.iter().map(|(path, text)| Source::new(path, text)).collect() }
    }

    /// Every text file.
    pub(crate) fn all(&self) -> impl Iterator<Item = Source> {
        self.files.iter().cloned()
    }

    /// The Rust files below a folder.
    pub(crate) fn rust(&self, folder: &str) -> impl Iterator<Item = Source> {
        let within = |file: &Source| file.path.starts_with(folder) && file.path.ends_with(".rs");
        self.all().filter(within).collect::<Vec<_>>().into_iter()
    }

    /// Whatever is written by hand in a programming language.
    pub(crate) fn code(&self) -> impl Iterator<Item = Source> {
        const ENDINGS: &[&str] = &[".rs", ".c", ".h", ".py", ".js", ".sh"];
        self.all().filter(|file| ENDINGS.iter().any(|ending| file.path.ends_with(ending)))
    }

    /// Documents for people.
    pub(crate) fn documents(&self) -> impl Iterator<Item = Source> {
        self.all().filter(|file| file.path.ends_with(".md"))
    }

    /// The files of that name.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = Source> {
        let is_named = |file: &Source| file.path.rsplit('/').next() == Some(name);
        self.all().filter(is_named).collect::<Vec<_>>().into_iter()
    }

    /// Whether a file, or a folder with files in it, is there.
    pub(crate) fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files
            .iter()
            .any(|file| file.path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
    }
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<Source>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if SKIPPED.contains(&&*name) || path.is_symlink() {
            continue;
        }
        if path.is_dir() {
            walk(root, &path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            // What is no text, or went away while the tree was read, has no rules.
            let path = path.strip_prefix(root).expect("the walk starts at the root").to_string_lossy().into_owned();
            files.push(Source { path, text });
        }
    }
}

#[test]
fn a_finding_shows_where() {
    let finding = Source::new("src/a.rs", "").finding(3, "too long; split it");
    assert_eq!(finding.to_string(), "src/a.rs:3: too long; split it");
}

#[test]
fn a_path_is_found_as_file_or_folder() {
    let tree = Tree::of(&[("src/turn/io.rs", "")]);
    assert!(tree.has("src/turn/io.rs") && tree.has("src/turn/") && tree.has("src"));
    assert!(!tree.has("src/tur") && !tree.has("src/turn/io"));
}
