//! What is wrong, or doubtful, about a configuration: each finding with its place, what was expected and a way out.
//!
//! Findings are collected, so that an operator sees all of them in one run. None of them ever shows a secret.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The exit status of a usage or configuration error: coturn calls `exit(-1)`, of which a shell sees 255.
pub const EXIT_STATUS: u8 = 255;

/// Where a value was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: it is a default, or the finding is about the configuration as a whole.
    #[default]
    Unset,
    /// On the command line; the long name of the option, empty for a stray word.
    CommandLine {
        /// The option's long name, without dashes.
        option: String,
    },
    /// In a variable of the environment, by its name.
    Environment {
        /// The variable, `TURNSERVER_` included.
        variable: String,
    },
    /// At a position of a file, both counted from 1; columns count characters.
    File {
        /// The file as it was named.
        path: Arc<Path>,
        /// The line.
        line: usize,
        /// The column.
        column: usize,
    },
    /// A file as a whole.
    WholeFile(PathBuf),
}

impl Place {
    /// Whether somebody wrote the value, as opposed to a default.
    pub fn is_set(&self) -> bool {
        *self != Self::Unset
    }

    /// Whether the value stands on the command line.
    pub fn is_command_line(&self) -> bool {
        matches!(self, Self::CommandLine { .. })
    }

    /// Which of two values counts: the environment's is over the file's, the command line's over both.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Unset => 0,
            Self::File { .. } | Self::WholeFile(_) => 1,
            Self::Environment { .. } => 2,
            Self::CommandLine { .. } => 3,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unset => f.write_str("configuration"),
            Self::CommandLine { option } if option.is_empty() => f.write_str("command line"),
            Self::CommandLine { option } if option.starts_with('-') => write!(f, "command line: {option}"),
            Self::CommandLine { option } => write!(f, "command line: --{option}"),
            Self::Environment { variable } => write!(f, "environment: {variable}"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::WholeFile(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A finding that keeps the server from starting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where the value stands.
    pub place: Place,
    /// What is wrong, and what was expected.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem without a hint.
    pub fn new(place: &Place, message: impl Into<String>) -> Self {
        Self { place: place.clone(), message: message.into(), hint: None }
    }

    /// The same problem with a way out.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, &self.place, &self.message, self.hint.as_deref())
    }
}

impl std::error::Error for Problem {}

/// Everything that keeps the server from starting; never empty. Displays one problem per line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// A finding the server can live with; the caller logs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where the value stands.
    pub place: Place,
    /// What is doubtful.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
    /// Nothing is to be done about it: for information only.
    pub is_note: bool,
}

impl Warning {
    /// A warning without a hint.
    pub fn new(place: &Place, message: impl Into<String>) -> Self {
        Self { place: place.clone(), message: message.into(), hint: None, is_note: false }
    }

    /// What is good as it is, and may be known.
    pub fn note(place: &Place, message: impl Into<String>) -> Self {
        Self { is_note: true, ..Self::new(place, message) }
    }

    /// The same warning with a way out.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        display(f, &self.place, &self.message, self.hint.as_deref())
    }
}

fn display(f: &mut fmt::Formatter<'_>, place: &Place, message: &str, hint: Option<&str>) -> fmt::Result {
    let message = match place {
        // The place names the option already.
        Place::CommandLine { option } => {
            message.strip_prefix(option.as_str()).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(message)
        }
        Place::Environment { variable } => match message.split_once(": ") {
            Some((option, rest)) if super::environment::variable_of(option) == *variable => rest,
            _ => message,
        },
        Place::File { .. } | Place::WholeFile(_) | Place::Unset => message,
    };
    write!(f, "{place}: {message}")?;
    match hint {
        Some(hint) => write!(f, " ({hint})"),
        None => Ok(()),
    }
}

/// A word that nobody knows as it may be shown: a user whose option was forgotten, or misspelt, loses the password.
pub(super) fn harmless(word: &str) -> String {
    match word.split_once(':') {
        Some((name, _)) => format!("{name}:..."),
        None => word.to_owned(),
    }
}

/// The name among `names` that `wrong` was most likely meant to be.
pub(super) fn nearest<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Long enough for every name, and for no text that would take its time.
    if wrong.len() > 64 {
        return None;
    }
    let close_enough = (wrong.chars().count() / 3).max(2);
    let (distance, name) = names.map(|name| (edit_distance(wrong, name), name)).min()?;
    (distance <= close_enough).then_some(name)
}

/// Insertions, deletions and replacements that turn `from` into `to` (Levenshtein).
fn edit_distance(from: &str, to: &str) -> usize {
    let mut row: Vec<usize> = (0..=to.chars().count()).collect();
    for (line, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, b) in to.chars().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[row.len() - 1]
}
