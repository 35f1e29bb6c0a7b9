//! The dialect of coturn's `turnserver.conf`: a name, then spaces, tabs or `=`, then a value; a line each.
//!
//! A name alone is an option without a value. There are quotes around a whole value, and nothing else: no escapes, no
//! comments behind values, no lists. The last of several values counts, those of lists add up. What coturn passes over
//! is passed over here, with a warning, and so is what stands behind a number and a space, `#` or `;`. But a number that
//! is none (`many`, `100k`), of which coturn takes the digits it begins with or 0, is an error.
//!
//! Of what coturn takes and this server cannot do, that is told with a warning without which clients are served as they
//! were, or more safely; and that is an error by which clients would be let in that were kept out, or kept out that were
//! let in. `options/later.rs` and `options/refused.rs` are those two.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::error::{Place, nearest};
use super::options::{self, Definition, Kind};
use super::raw::{Setting, Value};
use super::reading::Reading;
use super::value::switch_word;
use super::{Problem, Warning, toml};

/// coturn reads lines into a buffer of this size, and takes what is beyond for another line.
const LINE_LEN_MAX: usize = 1023;

/// Switches that coturn turns on without looking at what stands behind them.
const ON_BY_PRESENCE: &[&str] = &[
    "use-auth-secret",
    "prometheus",
    "prometheus-username-labels",
    "no-auth-pings",
    "no-dynamic-ip-list",
    "no-dynamic-realms",
    "rfc5780",
];

/// Whether a file is a `turnserver.conf`. Its content tells, where it can: coturn alone has bare names (`lt-cred-mech`)
/// and values that TOML would have in quotes (`realm=example.org`), TOML alone has lists, tables and comments behind
/// values. What could be both is coturn's when it is called so (`.conf`).
pub(super) fn is_dialect_of(text: &str, path: &Path) -> bool {
    let is_called = |ending: &str| path.extension().is_some_and(|extension| extension == ending);
    if is_called("toml") {
        return false;
    }
    let whole_is_toml = toml::is_toml(text);
    let (mut is_coturns, mut is_tomls) = (false, false);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, value) = split(line);
        let value = &line[value];
        if line.starts_with('[') || value.starts_with(['[', '\'', '{']) || (whole_is_toml && has_comment(value)) {
            is_tomls = true;
        } else if !whole_is_toml && options::find(name).is_some() && !toml::is_toml(line) {
            is_coturns = true;
        }
    }
    match (is_coturns, is_tomls) {
        (true, false) => true,
        (false, true) => false,
        _ => is_called("conf"),
    }
}

/// Reads a file; `path` is how it is called in findings.
pub(super) fn read(bytes: &[u8], path: &Path) -> Reading {
    let path: Arc<Path> = path.into();
    let mut reading = Reading::default();
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = Line { bytes: line, number: index + 1, path: &path };
        match std::str::from_utf8(line.bytes) {
            Ok(text) => line.read(text, &mut reading),
            Err(_) => line.refuse(&mut reading),
        }
    }
    reading
}

struct Line<'a> {
    bytes: &'a [u8],
    number: usize,
    path: &'a Arc<Path>,
}

impl Line<'_> {
    fn place(&self, before: &str) -> Place {
        Place::File { path: Arc::clone(self.path), line: self.number, column: 1 + before.chars().count() }
    }

    fn read(&self, text: &str, reading: &mut Reading) {
        let start = text.len() - text.trim_start_matches([' ', '\t']).len();
        let line = text[start..].trim_end_matches(is_space);
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let (name, value) = split(line);
        let place = self.place(&text[..start]);
        let found = options::find(name);
        if number(found, unquoted(&line[value.clone()])).is_none() {
            self.doubt(line, &line[value.clone()], &place, reading);
        }
        let Some(option) = found else {
            return reading.warnings.push(unknown(&place, name));
        };
        let place = match value.is_empty() {
            true => place,
            false => self.place(&text[..start + value.start]),
        };
        let value = unquoted(&line[value]);
        let value = match number(Some(option), value) {
            Some(digits) => {
                reading.warnings.push(more_than_a_number(option, digits, &place));
                digits
            }
            None => value_of(option, value, &place, reading),
        };
        reading.settings.push(Setting { option, value: Value::Untyped(value.to_owned()), place });
    }

    /// What is taken as it stands, though hardly meant so.
    fn doubt(&self, line: &str, value: &str, place: &Place, reading: &mut Reading) {
        let mut doubt = |message: &str, hint: &str| reading.warnings.push(Warning::new(place, message).hint(hint));
        if line.ends_with(';') {
            doubt("the line ends with a semicolon, which is part of the value", "leave it out");
        }
        if has_comment(value) {
            doubt("what stands behind # is part of the value", "a comment stands on a line of its own");
        }
        if self.bytes.len() > LINE_LEN_MAX {
            doubt("the line is longer than coturn reads; here it is read as one", "at most 1023 bytes");
        }
    }

    /// A line that is no text; as a comment it does no harm.
    fn refuse(&self, reading: &mut Reading) {
        let text = String::from_utf8_lossy(self.bytes);
        let line = text.trim_start_matches([' ', '\t']);
        if line.starts_with('#') {
            return;
        }
        let (name, value) = split(line);
        match options::find(name) {
            Some(option) => {
                let place = self.place(&text[..text.len() - line.len() + value.start]);
                reading.unread.push(option.name);
                reading.problems.push(Problem::new(&place, format!("{}: the value is not UTF-8", option.name)));
            }
            None => reading.warnings.push(unknown(&self.place(&text[..text.len() - line.len()]), name)),
        }
    }
}

/// C's `isspace`.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t'..='\r')
}

/// The name at the beginning of a line, and where its value stands.
fn split(line: &str) -> (&str, Range<usize>) {
    const BETWEEN: [char; 3] = [' ', '=', '\t'];
    let end = line.find(BETWEEN).unwrap_or(line.len());
    let start = line.len() - line[end..].trim_start_matches(BETWEEN).len();
    (&line[..end], start..line.len())
}

fn unquoted(value: &str) -> &str {
    match value.strip_prefix('"') {
        Some(inner) => inner.strip_suffix('"').unwrap_or(inner),
        None => value,
    }
}

/// Whether a value ends with what was meant as a comment.
fn has_comment(value: &str) -> bool {
    !value.starts_with('"') && (value.contains(" #") || value.contains("\t#"))
        || value.starts_with('"') && value.rsplit('"').next().is_some_and(|rest| rest.trim_start().starts_with('#'))
}

/// The digits of a number behind which something stands of which coturn takes no notice.
fn number<'a>(option: Option<&Definition>, value: &'a str) -> Option<&'a str> {
    option.filter(|option| matches!(option.kind, Kind::Integer { .. }))?;
    let (digits, rest) = value.split_at(value.find(|c: char| !c.is_ascii_digit())?);
    let is_apart = rest.starts_with(|c| is_space(c) || c == '#' || c == ';');
    (is_apart && !digits.is_empty()).then_some(digits)
}

fn more_than_a_number(option: &Definition, digits: &str, place: &Place) -> Warning {
    let message = format!("{}: what stands behind {digits} is passed over", option.name);
    Warning::new(place, message).hint("a comment stands on a line of its own")
}

/// A setting of the command line as coturn reads it, and what is doubtful about it.
pub(super) fn of_command_line(setting: &Setting) -> (Setting, Option<Warning>) {
    if let Value::Untyped(text) = &setting.value
        && let Some(digits) = number(Some(setting.option), text)
    {
        let warning = more_than_a_number(setting.option, digits, &setting.place);
        let value = Value::Untyped(digits.to_owned());
        return (Setting { option: setting.option, value, place: setting.place.clone() }, Some(warning));
    }
    (setting.clone(), None)
}

/// What coturn makes of a value: of a boolean it looks at the first character at most.
fn value_of<'a>(option: &Definition, value: &'a str, place: &Place, reading: &mut Reading) -> &'a str {
    if option.kind != Kind::Switch || !ON_BY_PRESENCE.contains(&option.name) {
        return value;
    }
    if switch_word(value) != Some(true) {
        let message = format!("{}: is on, whatever stands behind it", option.name);
        reading.warnings.push(Warning::new(place, message).hint("to turn it off take the line out"));
    }
    ""
}

/// Whether a word may be shown, because it looks like the name of an option or is nearly one.
fn is_like_a_name(name: &str) -> bool {
    let is_of_names = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let names = || options::all().flat_map(|option| [&[option.name], option.aliases].concat());
    let is_letter = name.len() == 1 && name.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_known = names().any(|known| known.eq_ignore_ascii_case(name));
    let has_its_look = name.contains('-') && name.chars().all(is_of_names);
    is_letter || is_known || has_its_look || (name.len() > 3 && nearest(name, names()).is_some())
}

fn unknown(place: &Place, name: &str) -> Warning {
    // A secret whose option was forgotten stands where a name should.
    if !is_like_a_name(name) {
        return Warning::new(place, "no option begins like this line, which changes nothing");
    }
    let warning = Warning::new(place, format!("unknown option {name:?}, which changes nothing"));
    let mut letters = name.chars();
    if let (Some(letter), None) = (letters.next(), letters.next())
        && let Some(option) = options::all().find(|option| option.short == Some(letter))
    {
        return warning.hint(format!("letters are for the command line; here it is {}", option.name));
    }
    let names = || options::all().flat_map(|option| [&[option.name], option.aliases].concat());
    if let Some(meant) = names().find(|known| known.eq_ignore_ascii_case(name)) {
        return warning.hint(format!("did you mean {meant}? Upper and lower case differ"));
    }
    match nearest(name, names()) {
        Some(near) => warning.hint(format!("did you mean {near}?")),
        None => warning,
    }
}
