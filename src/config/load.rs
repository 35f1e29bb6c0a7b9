//! From a command line to a checked configuration: find the file, choose the profile, apply every setting, resolve.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::args::{FileChoice, Serve};
use super::error::Place;
use super::raw::{Raw, Setting};
use super::resolve::resolve;
use super::toml::{self, Reading};
use super::{Config, Problem, Problems, Profile, Warning, options};

/// Where a configuration file is looked for when none is named.
pub const SEARCH: [&str; 2] = ["turnserver.toml", "/etc/turnserver/turnserver.toml"];

/// A configuration that can be served, and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is doubtful about it; to be logged.
    pub warnings: Vec<Warning>,
    /// The file that was read.
    pub file: Option<PathBuf>,
    /// Everything that was written, in the order in which it counts.
    pub written: Vec<Setting>,
}

/// Reads the file that `serve` names, or the first of [`SEARCH`] that exists, and puts the command line over it.
///
/// # Errors
///
/// Every problem of the file, of the command line's values and of what they amount to together.
pub fn load(serve: &Serve) -> Result<Loaded, Problems> {
    load_searching(serve, &SEARCH.map(Path::new))
}

/// [`load`] with other places to look for a file.
///
/// # Errors
///
/// As [`load`].
pub fn load_searching(serve: &Serve, search: &[&Path]) -> Result<Loaded, Problems> {
    let file = find_file(&serve.file, search)?;
    let reading = match &file {
        Some((path, text)) => read(text, path)?,
        None => Reading::default(),
    };
    finish(reading, serve, file.map(|(path, _)| path))
}

/// The configuration that the text of a TOML file makes, without any command line.
///
/// # Errors
///
/// As [`load`]; `path` is how the text is called in them.
pub fn load_text(text: &str, path: &Path) -> Result<Loaded, Problems> {
    finish(toml::read(text, path), &Serve::default(), Some(path.to_owned()))
}

fn finish(reading: Reading, serve: &Serve, file: Option<PathBuf>) -> Result<Loaded, Problems> {
    let profile = choose_profile(&reading.settings, &serve.settings, file.is_some());
    let (mut raw, refused) = Raw::new(profile, reading.settings.iter().chain(&serve.settings));
    raw.broken.extend(&reading.unread);
    let (config, mut found) = resolve(&raw);
    let mut problems = reading.problems;
    problems.extend(refused);
    problems.append(&mut found.problems);
    if !problems.is_empty() {
        problems.sort_by_key(|problem| position(&problem.place));
        return Err(Problems(problems));
    }
    let mut warnings = serve.warnings.clone();
    warnings.append(&mut found.warnings);
    let written = reading.settings.into_iter().chain(serve.settings.iter().cloned()).collect();
    Ok(Loaded { config, warnings, file, written })
}

/// The order of a report: the file from its top, then the rest as it was found.
fn position(place: &Place) -> (usize, usize) {
    match place {
        Place::File { line, column, .. } => (*line, *column),
        Place::CommandLine { .. } | Place::Unset | Place::WholeFile(_) => (usize::MAX, 0),
    }
}

/// What was asked for; else coturn's where options came without a file, for that is how coturn is often started.
fn choose_profile(file: &[Setting], command_line: &[Setting], file_was_read: bool) -> Profile {
    let named = file.iter().chain(command_line).rev().find(|setting| setting.option.name == "profile");
    match named.and_then(|setting| setting.profile().ok()) {
        Some(profile) => profile,
        None if !file_was_read && command_line.iter().any(|setting| !setting.option.selects) => Profile::Coturn,
        None => Profile::Default,
    }
}

/// The file to be read and its text, which may hold passwords and is wiped when it is dropped.
fn find_file(choice: &FileChoice, search: &[&Path]) -> Result<Option<(PathBuf, Zeroizing<String>)>, Problems> {
    match choice {
        FileChoice::Never => Ok(None),
        FileChoice::Named(path) => match read_text(path)? {
            Some(text) => Ok(Some((path.clone(), text))),
            None => Err(Problem::new(&Place::WholeFile(path.clone()), "there is no such file").into()),
        },
        FileChoice::Search => {
            for path in search {
                if let Some(text) = read_text(path)? {
                    return Ok(Some((path.to_path_buf(), text)));
                }
            }
            Ok(None)
        }
    }
}

/// The text of a file; none when there is no such file.
fn read_text(path: &Path) -> Result<Option<Zeroizing<String>>, Problems> {
    let problem = |message: String| Problem::new(&Place::WholeFile(path.to_owned()), message);
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(problem(format!("cannot be read: {error}")).into()),
    };
    String::from_utf8(bytes).map(|text| Some(text.into())).map_err(|error| {
        let line = 1 + error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count();
        problem(format!("line {line} is not UTF-8")).into()
    })
}

/// Reads a file in the dialect its content shows.
fn read(text: &str, path: &Path) -> Result<Reading, Problems> {
    if is_coturn_dialect(text, path) {
        let place = Place::WholeFile(path.to_owned());
        let problem = Problem::new(&place, "this is coturn's file dialect, which is not read yet");
        return Err(problem.hint("write the options as TOML: realm = \"example.org\", fingerprint = true").into());
    }
    Ok(toml::read(text, path))
}

/// Whether a file is a `turnserver.conf`: it is not TOML, and one of its lines is an option as only coturn writes it,
/// bare (`lt-cred-mech`) or with a value that TOML would have in quotes (`realm=example.org`).
fn is_coturn_dialect(text: &str, path: &Path) -> bool {
    if path.extension().is_some_and(|extension| extension == "toml") || toml::is_toml(text) {
        return false;
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.into_iter().any(|line| {
        let name = line.split([' ', '\t', '=']).next().unwrap_or_default();
        !toml::is_toml(line) && options::find(name).is_some()
    })
}
