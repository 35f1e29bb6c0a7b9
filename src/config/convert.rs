//! A `turnserver.conf` as TOML that means the same: values in the order of the file, what was dropped as a comment.

use std::path::Path;

use zeroize::Zeroizing;

use super::error::Place;
use super::load::Judged;
use super::raw::Setting;
use super::{Problem, Problems, coturn, judge_text, options, toml, written};

/// What the first line of a converted file begins with.
const MADE: &str = "# Made from ";

/// Options that coturn does not have and that many files of ours name.
const OURS: [&str; 6] = ["profile", "secret-file", "nonce-secret", "sha256", "log-format", "drain-timeout"];

/// What [`convert`] made.
pub struct Converted {
    /// The TOML, secrets included; wiped when it is dropped.
    pub text: Zeroizing<String>,
}

impl std::fmt::Debug for Converted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Converted").finish_non_exhaustive()
    }
}

/// The TOML for the text of coturn's file; `path` is how it is called.
///
/// # Errors
///
/// The problems for which the file cannot be served.
pub fn convert(text: &[u8], path: &Path) -> Result<Converted, Problems> {
    // Who converts it says that it is coturn's: only what cannot be, or is called ours, is refused.
    let called = path.with_extension("conf");
    let shown = String::from_utf8_lossy(text);
    let is_called_toml = path.extension().is_some_and(|extension| extension == "toml");
    if is_called_toml || is_ours(&shown) || !coturn::is_dialect_of(&shown, &called) {
        let place = Place::WholeFile(path.to_owned());
        return Err(Problem::new(&place, "this is TOML already").hint("serve it with -c FILE").into());
    }
    let judged = judge_text(text, &called);
    if !judged.problems.is_empty() {
        let mut problems = judged.problems;
        problems.iter_mut().for_each(|problem| rename(&mut problem.place, path));
        return Err(Problems(problems));
    }
    Ok(Converted { text: written(&judged, path).into() })
}

/// Whether a text is TOML that was written for this server: taken for coturn's it would lose our defaults.
fn is_ours(text: &str) -> bool {
    let key = |line: &str| line.split_once('=').map(|(key, _)| key.trim().to_owned()).unwrap_or_default();
    let is_mark = |line: &str| line == options::MARK || line.starts_with(MADE) || OURS.contains(&key(line).as_str());
    toml::is_toml(text) && text.lines().any(is_mark)
}

/// Findings name the file as the caller does.
fn rename(place: &mut Place, name: &Path) {
    match place {
        Place::File { path, .. } => *path = name.into(),
        Place::WholeFile(path) => *path = name.to_owned(),
        Place::Unset | Place::CommandLine { .. } | Place::Environment { .. } => {}
    }
}

fn written(judged: &Judged, path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let mut out = format!("{MADE}{} by `turnserver convert`.\n\n", written::comment(&name));
    if judged.settings.iter().all(|setting| setting.option.name != "profile") {
        out.push_str(&format!("profile = {}\n", written::quoted(judged.profile.name())));
    }
    let mut lines: Vec<(usize, String)> = entries(&judged.settings);
    let findings = judged.warnings.iter().map(|warning| {
        let line = line_of(&warning.place);
        let hint = warning.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        let at = if line == usize::MAX { String::new() } else { format!("Line {line}: ") };
        (line, written::comment(&format!("# {at}{}{hint}", warning.message)))
    });
    lines.extend(findings);
    lines.sort_by_key(|(line, _)| *line);
    lines.iter().for_each(|(_, text)| out.extend([text, "\n"]));
    out
}

/// Each option that does something, at the line where it stands first; the last of a scalar counts.
fn entries(settings: &[Setting]) -> Vec<(usize, String)> {
    let mut entries = Vec::new();
    for (index, first) in settings.iter().enumerate() {
        let option = first.option;
        let stands_before = settings[..index].iter().any(|setting| setting.option == option);
        if stands_before || !option.category.is_served() {
            continue;
        }
        let values = settings.iter().filter(|setting| setting.option == option).filter_map(written::value);
        let values: Vec<String> = values.collect();
        let value = match values.as_slice() {
            [only] => only.clone(),
            all if option.repeatable => format!("[\n    {},\n]", all.join(",\n    ")),
            all => all.last().cloned().unwrap_or_default(),
        };
        entries.push((line_of(&first.place), format!("{} = {value}", option.name)));
    }
    entries
}

fn line_of(place: &Place) -> usize {
    match place {
        Place::File { line, .. } => *line,
        _ => usize::MAX,
    }
}
