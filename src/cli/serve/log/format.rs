//! How a record is written: one line, whatever its values hold.
//!
//! Text: time, level, what happened, `name=value`. A string stands in quotes with Rust's escapes, and so does any other
//! value that is not one plain word. JSON: one flat object. In both, nothing that ends a line, moves a terminal's cursor or
//! turns the direction of writing comes through.

use std::fmt::{self, Debug, Write};

use syslog::Severity;
use time::{OffsetDateTime, UtcOffset};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::syslog::Header;
use crate::clock;
use crate::config::{self, LogFormat, Timestamps};
use crate::turn::time::Mono;

/// How lines of one target look.
#[derive(Clone)]
pub(super) struct Style {
    format: LogFormat,
    timestamps: Timestamps,
    started: Mono,
    lead: Lead,
    is_coloured: bool,
}

/// What stands before a record for whoever takes the lines.
#[derive(Clone)]
pub(super) enum Lead {
    /// Nothing.
    None,
    /// `<6>`, from which the journal of systemd knows the level; it knows the time.
    Journal,
    /// Priority and the program's name, from which the system's log knows the level; it knows the time.
    Syslog(Header),
}

impl Style {
    pub(super) fn new(log: &config::Log, started: Mono) -> Style {
        let timestamps = log.timestamps.clone();
        Style { format: log.format, timestamps, started, lead: Lead::None, is_coloured: false }
    }

    #[cfg(test)]
    pub(super) fn plain(format: LogFormat) -> Style {
        Style { format, timestamps: Timestamps::Date, started: Mono(0), lead: Lead::None, is_coloured: false }
    }

    pub(super) fn led_by(self, lead: Lead) -> Style {
        Style { lead, ..self }
    }

    pub(super) fn coloured(self, is_coloured: bool) -> Style {
        Style { is_coloured, ..self }
    }

    /// A line of the log about itself.
    pub(super) fn notice(&self, message: &str, count: u64) -> String {
        let mut line = String::new();
        // A string takes everything.
        let _ = self.write(&mut line, Level::WARN, |record| {
            record.begin("message", |out, format| put_message(out, format, message));
            record.begin("count", |out, _| write!(out, "{count}"));
        });
        line
    }

    /// A whole line.
    fn write(&self, out: &mut dyn Write, level: Level, visit: impl FnOnce(&mut Record<'_>)) -> fmt::Result {
        match &self.lead {
            Lead::None => self.write_record(out, level, visit)?,
            Lead::Journal => {
                write!(out, "<{}>", severity(level) as u8)?;
                self.write_record(out, level, visit)?;
            }
            Lead::Syslog(header) => {
                header.write(out, severity(level))?;
                self.write_record(out, level, visit)?;
            }
        }
        out.write_char('\n')
    }

    fn write_record(&self, out: &mut dyn Write, level: Level, visit: impl FnOnce(&mut Record<'_>)) -> fmt::Result {
        match self.format {
            LogFormat::Text => {
                if matches!(self.lead, Lead::None) {
                    self.write_time(out)?;
                    out.write_char(' ')?;
                }
                if !matches!(self.lead, Lead::Syslog(_)) {
                    let colour = if self.is_coloured { colour(level) } else { "" };
                    let end = if colour.is_empty() { "" } else { "\x1b[0m" };
                    write!(out, "{colour}{:>5}{end} ", level.as_str())?;
                }
            }
            LogFormat::Json => {
                out.write_str("{\"timestamp\":\"")?;
                write_date(out, now())?;
                write!(out, "\",\"level\":\"{level}\"")?;
            }
        }
        let mut record = Record { out, format: self.format, is_first: self.format == LogFormat::Text, result: Ok(()) };
        visit(&mut record);
        record.result?;
        match self.format {
            LogFormat::Text => Ok(()),
            LogFormat::Json => out.write_char('}'),
        }
    }

    fn write_time(&self, out: &mut dyn Write) -> fmt::Result {
        match &self.timestamps {
            Timestamps::Date => write_date(out, now()),
            Timestamps::Seconds => write!(out, "{}:", clock::now().mono.since(self.started).as_secs()),
            Timestamps::Own(format) => {
                let text = now().to_offset(UtcOffset::UTC).format(format).map_err(|_| fmt::Error)?;
                text.chars().try_for_each(|c| out.write_char(if is_plain(c) { c } else { ' ' }))
            }
        }
    }
}

impl<S, N> FormatEvent<S, N> for Style
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        self.write(&mut out, *event.metadata().level(), |record| event.record(record))
    }
}

/// A line about to be written.
struct Record<'a> {
    out: &'a mut dyn Write,
    format: LogFormat,
    /// Nothing stands before it but what ends with a space.
    is_first: bool,
    result: fmt::Result,
}

impl Record<'_> {
    /// A name and what `value` writes for it.
    fn begin(&mut self, name: &str, value: impl FnOnce(&mut dyn Write, LogFormat) -> fmt::Result) {
        // What packages that use another logger add about themselves.
        if self.result.is_err() || name.starts_with("log.") {
            return;
        }
        let space = if std::mem::take(&mut self.is_first) { "" } else { " " };
        let named = match (self.format, name) {
            (LogFormat::Text, "message") => self.out.write_str(space),
            (LogFormat::Text, name) => write!(self.out, "{space}{name}="),
            (LogFormat::Json, name) => write!(self.out, ",\"{name}\":"),
        };
        self.result = named.and_then(|()| value(self.out, self.format));
    }
}

impl Visit for Record<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.begin("message", |out, format| put_message(out, format, &text)),
            name => self.begin(name, |out, format| match format {
                LogFormat::Json => put_json(out, &text),
                LogFormat::Text if is_word(&text) => out.write_str(&text),
                LogFormat::Text => write!(out, "{text:?}"),
            }),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.begin("message", |out, format| put_message(out, format, value)),
            name => self.begin(name, |out, format| match format {
                LogFormat::Json => put_json(out, value),
                LogFormat::Text => write!(out, "{value:?}"),
            }),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.begin(field.name(), |out, _| write!(out, "{value}"));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.begin(field.name(), |out, _| write!(out, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.begin(field.name(), |out, _| write!(out, "{value}"));
    }
}

fn put_message(out: &mut dyn Write, format: LogFormat, text: &str) -> fmt::Result {
    match format {
        LogFormat::Json => put_json(out, text),
        LogFormat::Text => text.chars().try_for_each(|c| match is_plain(c) {
            true => out.write_char(c),
            false => write!(out, "{}", c.escape_debug()),
        }),
    }
}

fn put_json(out: &mut dyn Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => write!(out, "\\{c}")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            _ if is_plain(c) => out.write_char(c)?,
            _ => c.encode_utf16(&mut [0; 2]).iter().try_for_each(|unit| write!(out, "\\u{unit:04x}"))?,
        }
    }
    out.write_char('"')
}

/// Needs no quotes to be one value.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| is_plain(c) && !matches!(c, ' ' | '"' | '\'' | '=' | '\\'))
}

/// Seen, and nothing else: no end of a line, no control character, no turn of the direction of writing.
fn is_plain(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || c.escape_debug().len() == 1
}

fn now() -> OffsetDateTime {
    let nanos = i128::try_from(clock::since_epoch().as_nanos()).unwrap_or(0);
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// RFC 3339 with milliseconds.
fn write_date(out: &mut dyn Write, now: OffsetDateTime) -> fmt::Result {
    let (hour, minute, second, milli) = now.time().as_hms_milli();
    write!(out, "{}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z", now.date())
}

fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::LOG_ERR,
        Level::WARN => Severity::LOG_WARNING,
        Level::INFO => Severity::LOG_INFO,
        Level::DEBUG | Level::TRACE => Severity::LOG_DEBUG,
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        Level::DEBUG | Level::TRACE => "\x1b[34m",
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
