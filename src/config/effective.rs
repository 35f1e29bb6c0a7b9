//! Everything that is in force, as TOML: what was set with its place, defaults without one. Without secrets.

use super::error::Place;
use super::load::{Dialect, Judged};
use super::options::{self, Definition, Preset};
use super::raw::Setting;
use super::written;

/// The settings in force. Read again it makes the same configuration, but for what is secret and shown as `...`.
pub fn effective(judged: &Judged) -> String {
    let mut out = String::new();
    let mut category = None;
    for option in options::all().filter(|option| option.category.is_served()) {
        if category != Some(option.category) {
            category = Some(option.category);
            out.push_str(&format!("# === {} ===\n", option.category.heading()));
        }
        let set: Vec<&Setting> = judged.settings.iter().filter(|setting| setting.option == option).collect();
        out.push_str(&match (option.name, set.as_slice()) {
            ("profile", []) => profile(judged),
            (_, []) => default(option, judged),
            (_, set) if option.repeatable => list(option, set),
            (_, [.., last]) => scalar(last),
        });
    }
    out
}

fn scalar(setting: &Setting) -> String {
    let value = written::shown(setting).unwrap_or_default();
    format!("{} = {value}  # {}\n", setting.option.name, place(&setting.place))
}

fn list(option: &Definition, settings: &[&Setting]) -> String {
    let line = |setting: &&Setting| {
        format!("    {},  # {}\n", written::shown(setting).unwrap_or_default(), place(&setting.place))
    };
    format!("{} = [\n{}]\n", option.name, settings.iter().map(line).collect::<String>())
}

/// Options of which it counts that they were written, whatever their value: one turns a limit on or undoes another, or is
/// told to have no effect. A default of theirs stands as a comment.
const COUNTS_WHEN_WRITTEN: &[&str] = &[
    "verbose",
    "Verbose",
    "min-allocate-lifetime",
    "unauthorized-ratelimit",
    "unauthorized-ratelimit-rps",
    "simple-log",
    "no-stdout-log",
];

fn default(option: &Definition, judged: &Judged) -> String {
    let is_silent = COUNTS_WHEN_WRITTEN.contains(&option.name);
    match option.default_in(judged.profile) {
        Preset::Value(text) if is_silent => format!("# {} = {text}\n", option.name),
        Preset::Value(text) => format!("{} = {}\n", option.name, written::preset(option.kind, text)),
        Preset::Described(words) => format!("# {}: {words}\n", option.name),
    }
}

fn profile(judged: &Judged) -> String {
    let why = match &judged.file {
        Some((path, Dialect::Coturn)) => format!("  # {} is coturn's", path.display()),
        Some(_) => String::new(),
        None if judged.settings.is_empty() => String::new(),
        None => "  # options came without a file".to_owned(),
    };
    format!("profile = {}{}\n", written::quoted(judged.profile.name()), written::comment(&why))
}

fn place(place: &Place) -> String {
    written::comment(&place.to_string())
}
