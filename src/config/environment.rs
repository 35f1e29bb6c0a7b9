//! The environment: `TURNSERVER_<OPTION>`, the option in upper case with `_` for `-`.
//!
//! It stands over the file and under the command line. Values are written as on the command line; of an option that may
//! be given many times each line of a variable is a value, and where no value can hold a space (users and secrets can),
//! spaces part values as well. An empty variable is as good as none, for that is how containers leave one out. A
//! variable that nobody knows is a warning: platforms put such names there for services they find. Where such a name is an
//! option's, the address in it tells.

use std::ffi::OsString;

use super::error::{Place, nearest};
use super::options::{self, Definition};
use super::raw::{Setting, Value};
use super::reading::Reading;
use super::{Problem, Warning};

const PREFIX: &str = "TURNSERVER_";

/// The variable of an option.
pub(super) fn variable_of(option: &str) -> String {
    let upper = |c: char| if c == '-' { '_' } else { c.to_ascii_uppercase() };
    PREFIX.chars().chain(option.chars().map(upper)).collect()
}

/// Reads the variables that are ours, in the order of their names.
pub(super) fn read(variables: &[(OsString, OsString)]) -> Reading {
    let mut ours: Vec<_> = variables.iter().filter(|(name, _)| is_ours(name)).collect();
    ours.sort();
    let mut reading = Reading::default();
    for (name, value) in ours {
        let variable = name.to_string_lossy().into_owned();
        let place = Place::Environment { variable: variable.clone() };
        let Some(option) = find(&variable) else {
            reading.warnings.push(unknown(&place, &variable));
            continue;
        };
        match value.to_str() {
            Some(text) if is_of_a_platform(&variable, text) => {
                let warning = Warning::new(&place, "the address of another service, which changes nothing");
                reading.warnings.push(warning.hint("a platform of containers put it there; enableServiceLinks: false"));
            }
            Some(text) => reading.settings.extend(values(option, text).map(|text| Setting {
                option,
                value: Value::Untyped(text.to_owned()),
                place: place.clone(),
            })),
            None => {
                reading.unread.push(option.name);
                reading.problems.push(Problem::new(&place, "the value is not UTF-8"));
            }
        }
    }
    reading
}

fn is_ours(name: &OsString) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PREFIX))
}

/// What container platforms tell of a service called `turnserver-prometheus` is called as an option is.
fn is_of_a_platform(variable: &str, value: &str) -> bool {
    variable.ends_with("_PORT") && ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme))
}

/// The option of a variable; of two that differ in case only (`verbose`, `Verbose`) the first one.
fn find(variable: &str) -> Option<&'static Definition> {
    options::all().find(|option| names(option).any(|name| variable_of(name) == variable))
}

fn names(option: &Definition) -> impl Iterator<Item = &'static str> {
    std::iter::once(option.name).chain(option.aliases.iter().copied())
}

fn values<'a>(option: &Definition, text: &'a str) -> impl Iterator<Item = &'a str> {
    let part = match (option.repeatable, option.secret) {
        (true, true) => |c: char| c == '\n' || c == '\r',
        (true, false) => char::is_whitespace,
        (false, _) => |_: char| false,
    };
    text.split(part).filter(|value| !value.trim().is_empty())
}

fn unknown(place: &Place, variable: &str) -> Warning {
    let warning = Warning::new(place, "unknown variable, which changes nothing");
    let served = options::all().filter(|option| option.category.is_served());
    let known: Vec<String> = served.flat_map(names).map(variable_of).collect();
    let ends = known.iter().filter_map(|name| name.strip_prefix(PREFIX));
    match nearest(variable.strip_prefix(PREFIX).unwrap_or(variable), ends) {
        Some(near) => warning.hint(format!("did you mean {PREFIX}{near}?")),
        None => warning,
    }
}
