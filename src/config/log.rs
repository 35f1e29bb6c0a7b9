//! Where the log goes, and what stands in it.

use std::path::PathBuf;

pub use syslog::Facility;
use time::format_description::OwnedFormatItem;

/// The log.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// What is left out.
    pub level: LogLevel,
    /// How a record is written.
    pub format: LogFormat,
    /// Where records go.
    pub target: LogTarget,
    /// They go to the console as well.
    pub console: bool,
    /// How text says when it was written.
    pub timestamps: Timestamps,
    /// Binding requests are told.
    pub bindings: bool,
}

/// The least that is worth a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// What the server does for its clients, in detail.
    Debug,
    /// Everything, also what only its makers want to know.
    Trace,
    /// Allocations, and what an operator did.
    Info,
    /// What may need an operator.
    Warning,
    /// What does not work.
    Error,
}

impl LogLevel {
    /// The words of `log-min-level`.
    pub const NAMES: &[&str] = &["debug", "info", "warning", "error"];

    /// The level of that name.
    pub fn from_name(name: &str) -> Option<LogLevel> {
        match name {
            "debug" => Some(Self::Debug),
            "info" => Some(Self::Info),
            "warning" => Some(Self::Warning),
            "error" => Some(Self::Error),
            _ => None,
        }
    }
}

/// How a record is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people: time, level, what happened, fields.
    #[default]
    Text,
    /// One flat object per line.
    Json,
}

impl LogFormat {
    /// The words of `log-format`.
    pub const NAMES: &[&str] = &["text", "json"];

    /// The format of that name.
    pub fn from_name(name: &str) -> Option<LogFormat> {
        match name {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Where records go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error.
    #[default]
    Console,
    /// Standard output.
    Output,
    /// A file.
    File {
        /// As it was written.
        path: PathBuf,
        /// Its name has the date, and every day has its file.
        daily: bool,
        /// Without it the server does not start; else the log goes to the console.
        required: bool,
    },
    /// The system's log.
    Syslog(SyslogFacility),
}

/// What kind of program the system's log takes this one for.
#[derive(Clone, Copy, Debug)]
pub struct SyslogFacility(pub Facility);

impl PartialEq for SyslogFacility {
    fn eq(&self, other: &Self) -> bool {
        self.0 as u8 == other.0 as u8
    }
}

impl Eq for SyslogFacility {}

/// How text says when it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Timestamps {
    /// RFC 3339, UTC, with milliseconds.
    #[default]
    Date,
    /// Seconds since the start.
    Seconds,
    /// As the operator wants it, in UTC.
    Own(OwnedFormatItem),
}
