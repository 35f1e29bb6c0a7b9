//! Where the log goes: a file, the system's log, the console.

use std::path::Path;

use super::Found;
use crate::config::raw::Raw;
use crate::config::{Facility, Log, LogFormat, LogLevel, LogTarget, Profile, SyslogFacility, Timestamps};

pub(super) fn log(raw: &Raw, found: &mut Found) -> Log {
    let target = target(raw, found);
    let is_file = matches!(target, LogTarget::File { .. });
    if raw.no_stdout_log.is_set() && raw.no_stdout_log.value && target == LogTarget::Console {
        let message = "no-stdout-log has no effect: there is no log-file, so the log goes to the console";
        found.doubtful(&raw.no_stdout_log.place, message, "log-file = \"/var/log/turnserver/turn.log\"");
    }
    if raw.simple_log.is_set() && raw.simple_log.value && !is_file {
        let message = "simple-log has no effect: there is no log-file whose name could be kept simple";
        found.doubtful(&raw.simple_log.place, message, "log-file = \"/var/log/turnserver/turn.log\"");
    }
    Log {
        level: match (raw.log_min_level, raw.verbosity) {
            (Some(level), _) => level,
            (None, 0) => LogLevel::Info,
            (None, 1) => LogLevel::Debug,
            (None, _) => LogLevel::Trace,
        },
        format: raw.log_format,
        console: is_file && !raw.no_stdout_log.value,
        target,
        timestamps: timestamps(raw, found),
        bindings: raw.log_binding,
    }
}

fn target(raw: &Raw, found: &mut Found) -> LogTarget {
    let facility = raw.syslog_facility.as_ref().map_or(SyslogFacility(Facility::LOG_USER), |facility| facility.value);
    let path = raw.log_file.as_ref().map_or(Path::new(""), |file| &file.value);
    let target = match path.to_str() {
        _ if raw.syslog.value => LogTarget::Syslog(facility),
        Some("") => LogTarget::Console,
        Some("stdout" | "-") => LogTarget::Output,
        Some("syslog") => LogTarget::Syslog(facility),
        _ => LogTarget::File {
            path: path.to_owned(),
            daily: !raw.simple_log.value,
            // As coturn, which finds another place then; that is no reason not to serve.
            required: raw.profile != Profile::Coturn,
        },
    };
    match (&raw.syslog_facility, &target) {
        (None, _) | (_, LogTarget::Syslog(_)) => {}
        (Some(facility), _) => {
            let message = "syslog-facility has no effect: the log does not go to the system's log";
            found.doubtful(&facility.place, message, "syslog = true");
        }
    }
    target
}

fn timestamps(raw: &Raw, found: &mut Found) -> Timestamps {
    if !raw.new_log_timestamp.value {
        return Timestamps::Seconds;
    }
    let Some(format) = &raw.log_timestamp_format else { return Timestamps::Date };
    if raw.log_format == LogFormat::Json {
        let message = "new-log-timestamp-format has no effect on log-format json, whose times are RFC 3339";
        found.doubtful(&format.place, message, "leave one of them out");
    }
    match time::format_description::parse_strftime_owned(&format.value) {
        Ok(items) => Timestamps::Own(items),
        Err(error) => {
            let message = format!("new-log-timestamp-format is not understood, and lines have RFC 3339: {error}");
            found.doubtful(&format.place, message, "%FT%T%z");
            Timestamps::Date
        }
    }
}
