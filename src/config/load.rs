//! From a command line to a checked configuration: find the file, choose the profile, apply every setting, resolve.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::args::{FileChoice, Serve};
use super::error::Place;
use super::raw::{Raw, Setting};
use super::reading::Reading;
use super::resolve::resolve;
use super::{Config, Problem, Problems, Profile, Warning, coturn, environment, toml};

/// Where a configuration file is looked for first when none is named.
pub const SEARCH: [&str; 2] = ["turnserver.toml", "/etc/turnserver/turnserver.toml"];

/// Where coturn looks for its own file, and for one that is named without a folder.
const COTURN_FOLDERS: [&str; 15] = [
    ".",
    "turnserver",
    "coturn",
    "etc",
    "etc/turnserver",
    "etc/coturn",
    "../etc",
    "../etc/turnserver",
    "../etc/coturn",
    "/etc",
    "/etc/turnserver",
    "/etc/coturn",
    "/usr/local/etc",
    "/usr/local/etc/turnserver",
    "/usr/local/etc/coturn",
];

/// What coturn calls its file.
const COTURN_FILE: &str = "turnserver.conf";

/// What a configuration is made from, besides the command line. Without `Debug`: a variable may hold a secret.
#[derive(Clone, Default)]
pub struct Sources {
    /// Where a file is looked for when none is named, in this order.
    pub search: Vec<PathBuf>,
    /// The folders in which a file that is named by a relative path is looked for.
    pub folders: Vec<PathBuf>,
    /// The environment.
    pub environment: Vec<(OsString, OsString)>,
}

impl Sources {
    /// Those of this machine and process.
    pub fn of_this_process() -> Sources {
        let folders: Vec<PathBuf> = COTURN_FOLDERS.iter().map(PathBuf::from).collect();
        let own = SEARCH.iter().map(PathBuf::from);
        Sources {
            search: own.chain(folders.iter().map(|folder| folder.join(COTURN_FILE))).collect(),
            folders,
            environment: std::env::vars_os().collect(),
        }
    }
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// As TOML.
    Toml,
    /// As coturn's `turnserver.conf`.
    Coturn,
}

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

impl Loaded {
    /// Whether the switch of this name was written, and on.
    pub fn is_on(&self, option: &str) -> bool {
        let last = self.written.iter().rev().find(|setting| setting.option.name == option);
        last.is_some_and(|setting| setting.switch() == Ok(true))
    }
}

/// Whatever was written, and everything there is to say about it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// What was set, the last of a scalar counting.
    pub settings: Vec<Setting>,
    /// The set of defaults below it.
    pub profile: Profile,
    /// The configuration; none while there are problems.
    pub config: Option<Config>,
    /// What keeps the server from starting.
    pub problems: Vec<Problem>,
    /// What is doubtful.
    pub warnings: Vec<Warning>,
    /// The file that was read, and how it is written.
    pub file: Option<(PathBuf, Dialect)>,
}

/// Reads the file that `serve` names, or the first that is found, and puts environment and command line over it.
///
/// # Errors
///
/// Every problem of the file, of the other values and of what they amount to together.
pub fn load(serve: &Serve) -> Result<Loaded, Problems> {
    loaded(judge(serve, &Sources::of_this_process()))
}

/// [`load`] without an environment, and with other places to look for a file.
///
/// # Errors
///
/// As [`load`].
pub fn load_searching(serve: &Serve, search: &[&Path]) -> Result<Loaded, Problems> {
    let search = search.iter().map(|path| path.to_path_buf()).collect();
    loaded(judge(serve, &Sources { search, ..Sources::default() }))
}

/// The configuration that the text of a file makes, without environment and command line.
///
/// # Errors
///
/// As [`load`]; `path` is how the text is called in them.
pub fn load_text(text: &(impl AsRef<[u8]> + ?Sized), path: &Path) -> Result<Loaded, Problems> {
    loaded(judge_text(text.as_ref(), path))
}

fn loaded(judged: Judged) -> Result<Loaded, Problems> {
    let Judged { config, problems, warnings, file, settings, .. } = judged;
    let file = file.map(|(path, _)| path);
    match config {
        Some(config) if problems.is_empty() => Ok(Loaded { config, warnings, file, written: settings }),
        _ => Err(Problems(problems)),
    }
}

/// [`load_text`], with all that is to be said about the text.
pub fn judge_text(text: &[u8], path: &Path) -> Judged {
    let (reading, dialect) = read(text, path);
    finish(reading, Reading::default(), &Serve::default(), Some((path.to_owned(), dialect)))
}

/// [`load`], with all that is to be said.
pub fn judge(serve: &Serve, sources: &Sources) -> Judged {
    let (reading, file) = match find_file(&serve.file, sources) {
        Ok(Some((path, text))) => {
            let (reading, dialect) = read(&text, &path);
            (reading, Some((path, dialect)))
        }
        Ok(None) => (Reading::default(), None),
        Err(problem) => (Reading { problems: vec![problem], ..Reading::default() }, None),
    };
    let mut judged = finish(reading, environment::read(&sources.environment), serve, file);
    if let (Profile::Coturn, Some(tls)) =
        (judged.profile, judged.config.as_mut().and_then(|config| config.tls.as_mut()))
    {
        // coturn looks for certificates where it looks for its file.
        for path in [&mut tls.cert, &mut tls.key] {
            if let Some(there) = places_of(path, &sources.folders).into_iter().find(|place| place.exists()) {
                *path = there;
            }
        }
    }
    judged
}

fn finish(file: Reading, environment: Reading, serve: &Serve, path: Option<(PathBuf, Dialect)>) -> Judged {
    let profile = choose_profile(&file.settings, &environment.settings, &serve.settings, path.as_ref());
    let (words, doubts): (Vec<Setting>, Vec<Option<Warning>>) = match profile {
        Profile::Coturn => serve.settings.iter().map(coturn::of_command_line).unzip(),
        Profile::Default | Profile::Hardened => (serve.settings.clone(), Vec::new()),
    };
    let settings: Vec<Setting> = [file.settings, environment.settings, words].concat();
    let (mut raw, refused) = Raw::new(profile, &settings);
    raw.broken.extend(file.unread.iter().chain(&environment.unread));
    let unfounded = file.problems.iter().any(|problem| matches!(problem.place, Place::WholeFile(_)));
    let (config, mut found) = resolve(&raw);
    let mut problems = [file.problems, environment.problems, refused].concat();
    // What a file that could not be read leaves open is no news.
    if !unfounded {
        problems.append(&mut found.problems);
    }
    problems.sort_by_key(|problem| position(&problem.place));
    let doubts = doubts.into_iter().flatten().collect();
    let mut warnings = [file.warnings, environment.warnings, serve.warnings.clone(), doubts].concat();
    // Nor is what it leaves doubtful.
    if !unfounded {
        warnings.append(&mut found.warnings);
    }
    warnings.sort_by_key(|warning| position(&warning.place));
    let config = problems.is_empty().then_some(config);
    Judged { settings, profile, config, problems, warnings, file: path }
}

/// The order of a report: the file from its top, then the rest as it was found.
fn position(place: &Place) -> (u8, usize, usize) {
    match place {
        Place::File { line, column, .. } => (0, *line, *column),
        Place::WholeFile(_) => (0, 0, 0),
        Place::Environment { .. } => (1, 0, 0),
        Place::CommandLine { .. } | Place::Unset => (2, 0, 0),
    }
}

/// What was asked for; else coturn's where the configuration is coturn's: its file, or options without a file, for that
/// is how coturn is often started. coturn reads no environment.
fn choose_profile(
    file: &[Setting],
    environment: &[Setting],
    command_line: &[Setting],
    path: Option<&(PathBuf, Dialect)>,
) -> Profile {
    let all = file.iter().chain(environment).chain(command_line);
    let named = all.rev().find(|setting| setting.option.name == "profile");
    match (named.and_then(|setting| setting.profile().ok()), path) {
        (Some(profile), _) => profile,
        (None, Some((_, Dialect::Coturn))) => Profile::Coturn,
        (None, None) if command_line.iter().any(|setting| !setting.option.selects) => Profile::Coturn,
        (None, _) => Profile::Default,
    }
}

/// A file and its text, which may hold passwords and is wiped when it is dropped.
type Found = (PathBuf, Zeroizing<Vec<u8>>);

/// The file to be read.
fn find_file(choice: &FileChoice, sources: &Sources) -> Result<Option<Found>, Problem> {
    let candidates: Cow<'_, [PathBuf]> = match choice {
        FileChoice::Never => return Ok(None),
        FileChoice::Named(path) => Cow::Owned(places_of(path, &sources.folders)),
        FileChoice::Search => Cow::Borrowed(&sources.search),
    };
    for path in candidates.iter() {
        if let Some(text) = read_bytes(path)? {
            return Ok(Some((path.clone(), text)));
        }
    }
    match choice {
        FileChoice::Named(path) => Err(Problem::new(&Place::WholeFile(path.clone()), "there is no such file")),
        FileChoice::Search | FileChoice::Never => Ok(None),
    }
}

/// Where a named file is looked for: as it is named, and a relative one in coturn's folders as well.
fn places_of(path: &Path, folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut places = vec![path.to_owned()];
    if path.is_relative() && !path.starts_with("~") {
        let inner = path.strip_prefix("etc").unwrap_or(path);
        let further = folders.iter().filter(|folder| *folder != Path::new("."));
        places.extend(further.flat_map(|folder| [folder.join(path), folder.join(inner)]));
    }
    places
}

/// What a file holds; none when there is no such file.
fn read_bytes(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, Problem> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes.into())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(Problem::new(&Place::WholeFile(path.to_owned()), format!("cannot be read: {error}"))),
    }
}

/// Reads a file in the dialect its content shows.
fn read(bytes: &[u8], path: &Path) -> (Reading, Dialect) {
    // A comment that is no text hides no dialect; in TOML it is refused below.
    let text = String::from_utf8_lossy(bytes);
    if coturn::is_dialect_of(&text, path) {
        return (coturn::read(bytes, path), Dialect::Coturn);
    }
    let reading = match std::str::from_utf8(bytes) {
        Ok(text) => toml::read(text, path),
        Err(error) => {
            let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
            let place = Place::WholeFile(path.to_owned());
            Reading { problems: vec![Problem::new(&place, format!("line {line} is not UTF-8"))], ..Reading::default() }
        }
    };
    (reading, Dialect::Toml)
}
