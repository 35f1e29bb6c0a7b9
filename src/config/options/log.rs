//! Where the log goes, and what stands in it.

use super::{BASE, Category, Definition, Kind, always, by_profile, described};
use crate::config::{LogFormat, LogLevel};

const LOG: Definition = Definition { category: Category::Log, ..BASE };

pub(super) static OPTIONS: &[Definition] = &[
    Definition {
        name: "verbose",
        short: Some('v'),
        selects: true,
        reloadable: true,
        doc: "Log more about sessions.",
        apply: |raw, it| it.switch().map(|on| raw.verbosity = if on { raw.verbosity.max(1) } else { 0 }),
        ..LOG
    },
    Definition {
        name: "Verbose",
        short: Some('V'),
        selects: true,
        reloadable: true,
        doc: "Log everything about sessions.",
        apply: |raw, it| it.switch().map(|on| raw.verbosity = if on { 2 } else { 0 }),
        ..LOG
    },
    Definition {
        name: "log-min-level",
        kind: Kind::Word(LogLevel::NAMES),
        default: described("info; what verbose and Verbose say"),
        example: &["warning"],
        selects: true,
        reloadable: true,
        survives: true,
        doc: "Log nothing below this level: debug, info, warning or error.",
        more: "It wins over verbose and Verbose. Allocations are told at info, authentication failures at warning.",
        apply: |raw, it| it.one_of(LogLevel::NAMES, LogLevel::from_name).map(|level| raw.log_min_level = Some(level)),
        ..LOG
    },
    Definition {
        name: "log-file",
        short: Some('l'),
        kind: Kind::Text("FILE"),
        default: described("none; the log goes to standard error"),
        example: &["/var/log/turnserver/turn.log"],
        doc: "Log into this file; stdout, - and syslog are no files but what they say.",
        more: "Its name gets the date (turn_2026-11-21.log), UTC, and every day its file, unless simple-log is on. Lines \
               are appended; SIGHUP opens the file anew. The directory must exist, and be writable by the server's user.",
        apply: |raw, it| it.text().map(|path| raw.log_file = Some(it.at(path.into()))),
        ..LOG
    },
    Definition {
        name: "simple-log",
        doc: "Use the name of log-file as it is, for logrotate.",
        apply: |raw, it| it.switch().map(|on| raw.simple_log = it.at(on)),
        ..LOG
    },
    Definition {
        name: "no-stdout-log",
        default: by_profile("true", "false", "true"),
        doc: "Do not log to the console what goes to log-file.",
        more: "Without log-file the log goes to the console in any case.",
        apply: |raw, it| it.switch().map(|on| raw.no_stdout_log = it.at(on)),
        ..LOG
    },
    Definition {
        name: "syslog",
        doc: "Log to the system's log, and nowhere else.",
        apply: |raw, it| it.switch().map(|on| raw.syslog = it.at(on)),
        ..LOG
    },
    Definition {
        name: "syslog-facility",
        kind: Kind::Text("NAME"),
        default: described("LOG_USER"),
        example: &["LOG_DAEMON"],
        survives: true,
        doc: "What the system's log takes this program for: LOG_DAEMON, LOG_LOCAL0 and so on, in any case.",
        apply: |raw, it| it.facility().map(|facility| raw.syslog_facility = Some(it.at(facility))),
        ..LOG
    },
    Definition {
        name: "log-format",
        kind: Kind::Word(LogFormat::NAMES),
        default: always("text"),
        selects: true,
        doc: "How a record is written: text, or json, one flat object per line.",
        apply: |raw, it| it.one_of(LogFormat::NAMES, LogFormat::from_name).map(|format| raw.log_format = format),
        ..LOG
    },
    Definition {
        name: "new-log-timestamp",
        default: always("true"),
        doc: "Begin lines of text with date and time, RFC 3339 in UTC; off: with seconds since the start.",
        apply: |raw, it| it.switch().map(|on| raw.new_log_timestamp = it.at(on)),
        ..LOG
    },
    Definition {
        name: "new-log-timestamp-format",
        kind: Kind::Text("STRFTIME"),
        default: described("RFC 3339 with milliseconds"),
        example: &["%FT%T%z"],
        doc: "Begin lines of text with date and time written like this, in UTC.",
        apply: |raw, it| it.text().map(|text| raw.log_timestamp_format = Some(it.at(text.to_owned()))),
        ..LOG
    },
    Definition {
        name: "log-binding",
        reloadable: true,
        doc: "Log Binding requests, each source at most once a second.",
        apply: |raw, it| it.switch().map(|on| raw.log_binding = on),
        ..LOG
    },
];
