//! The TOML dialect: flat keys that are option names, with typed values.
//!
//! Everything wrong with a file is found in one reading: errors of syntax, unknown keys, and later, with the settings
//! returned here, bad values. No message quotes the file, for a line may hold a secret.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;
use super::error::{Place, nearest};
use super::options::{self, Definition};
use super::raw::{Setting, Value};
use super::reading::Reading;

/// Whether `text` follows TOML's syntax.
pub(super) fn is_toml(text: &str) -> bool {
    DeTable::parse(text).is_ok()
}

pub(super) fn read(text: &str, path: &Path) -> Reading {
    let source = Source::new(text, path);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reading = Reading::default();
    let mut broken_lines = Vec::new();
    for error in errors {
        let start = error.span().map_or(text.len(), |span| span.start);
        broken_lines.push(source.line(start));
        let problem = Problem::new(&source.place(start), format!("not TOML: {}", error.message()));
        // A value that follows a missing one is reported once more by the parser, at the same place.
        if reading.problems.iter().all(|known: &Problem| known.place != problem.place) {
            reading.problems.push(problem.hint(syntax_hint(error.message())));
        }
    }
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let name = key.get_ref().as_ref();
        // What the parser made of a line that it could not read means nothing.
        let broken = lines(&source, key.span(), value.span()).any(|line| broken_lines.contains(&line));
        match options::find(name) {
            option if broken => reading.unread.extend(option.map(|option| option.name)),
            Some(option) => source.read_option(option, value, &mut reading),
            None => reading.problems.push(source.unknown(name, key.span().start, value)),
        }
    }
    reading
}

fn syntax_hint(message: &str) -> &'static str {
    if message.contains("duplicate") {
        return "an option stands once; one that takes several values has them in a list";
    }
    "every line is KEY = VALUE; strings stand in quotes"
}

/// The lines that an entry takes up.
fn lines(source: &Source<'_>, key: Range<usize>, value: Range<usize>) -> std::ops::RangeInclusive<usize> {
    source.line(key.start)..=source.line(value.end)
}

/// A file's text, with the offsets at which its lines start.
struct Source<'a> {
    text: &'a str,
    path: Arc<Path>,
    line_starts: Vec<usize>,
}

impl<'a> Source<'a> {
    fn new(text: &'a str, path: &Path) -> Self {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let line_starts = std::iter::once(0).chain(newlines.map(|(at, _)| at + 1)).collect();
        Self { text, path: path.into(), line_starts }
    }

    fn line(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset)
    }

    fn place(&self, offset: usize) -> Place {
        let line = self.line(offset);
        let before = self.text.get(self.line_starts[line - 1]..offset).unwrap_or_default();
        Place::File { path: self.path.clone(), line, column: 1 + before.chars().count() }
    }

    fn read_option(&self, option: &'static Definition, value: &Spanned<DeValue<'_>>, reading: &mut Reading) {
        if let (true, DeValue::Array(list)) = (option.repeatable, value.get_ref()) {
            reading.settings.extend(list.iter().map(|item| self.setting(option, item)));
        } else {
            reading.settings.push(self.setting(option, value));
        }
    }

    fn setting(&self, option: &'static Definition, value: &Spanned<DeValue<'_>>) -> Setting {
        let place = self.place(value.span().start);
        let value = match value.get_ref() {
            DeValue::Boolean(on) => Value::Bool(*on),
            DeValue::Integer(digits) => match i64::from_str_radix(digits.as_str(), digits.radix()) {
                Ok(number) => Value::Integer(number),
                Err(_) => Value::Other("a number beyond all ranges"),
            },
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Float(_) => Value::Other("a number with a fraction"),
            DeValue::Datetime(_) => Value::Other("a date"),
            DeValue::Array(_) => Value::Other("a list"),
            DeValue::Table(_) => Value::Other("a table"),
        };
        Setting { option, value, place }
    }

    fn unknown(&self, name: &str, start: usize, value: &Spanned<DeValue<'_>>) -> Problem {
        let problem = Problem::new(&self.place(start), format!("unknown option {name:?}"));
        let tables = match value.get_ref() {
            DeValue::Table(_) => true,
            DeValue::Array(items) => items.iter().any(|item| matches!(item.get_ref(), DeValue::Table(_))),
            _ => false,
        };
        if tables {
            return problem.hint("options stand by themselves, without tables");
        }
        match nearest(name, options::all().map(|option| option.name)) {
            Some(near) => problem.hint(format!("did you mean {near}?")),
            None => problem,
        }
    }
}
