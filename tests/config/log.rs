//! Where the log goes, from what was written.

use std::path::PathBuf;

use turnserver::config::{Facility, LogLevel, LogTarget, SyslogFacility, Timestamps};

use crate::{config, load_line, load_toml, warnings};

fn file(path: &str, daily: bool, required: bool) -> LogTarget {
    LogTarget::File { path: PathBuf::from(path), daily, required }
}

#[test]
fn the_target_is_what_the_last_word_says() {
    let user = LogTarget::Syslog(SyslogFacility(Facility::LOG_USER));
    for (line, target, is_console) in [
        ("", LogTarget::Console, false),
        ("-l stdout", LogTarget::Output, false),
        ("-l -", LogTarget::Output, false),
        ("-l syslog", user.clone(), false),
        ("--syslog -l turn.log", user, false),
        ("-l x -l turn.log", file("turn.log", true, false), true),
        ("-l turn.log --simple-log", file("turn.log", false, false), true),
        ("-l turn.log --no-stdout-log", file("turn.log", true, false), false),
        ("-l turn.log --profile=default", file("turn.log", true, true), false),
        ("-l turn.log --profile=hardened --no-stdout-log=off", file("turn.log", true, true), true),
    ] {
        let log = config(&format!("-r r -u a:b {line}")).log;
        assert_eq!((log.target, log.console), (target, is_console), "{line}");
    }
    let daemon = config("--syslog --syslog-facility=Log_Daemon").log.target;
    assert_eq!(daemon, LogTarget::Syslog(SyslogFacility(Facility::LOG_DAEMON)));
}

#[test]
fn a_level_that_is_named_wins() {
    for (line, level) in [
        ("", LogLevel::Info),
        ("-v", LogLevel::Debug),
        ("--log-min-level=WARNING", LogLevel::Warning),
        ("-V --log-min-level=error", LogLevel::Error),
        ("--log-min-level=debug", LogLevel::Debug),
    ] {
        assert_eq!(config(line).log.level, level, "{line}");
    }
}

#[test]
fn what_has_no_effect_is_said() {
    for (line, told) in [
        ("--simple-log", "simple-log has no effect"),
        ("--no-stdout-log", "no-stdout-log has no effect"),
        ("-l stdout --syslog-facility=user", "syslog-facility has no effect"),
        ("--log-format=json --new-log-timestamp-format=%F", "new-log-timestamp-format has no effect"),
        ("--new-log-timestamp-format=%!", "new-log-timestamp-format is not understood"),
    ] {
        let text = warnings(load_line(line));
        assert_eq!(
            text.lines().filter(|warning| warning.contains(told.split_once(' ').expect("words").1)).count(),
            1,
            "{text}"
        );
    }
    assert_eq!(
        warnings(load_line(
            "-r r -u a:b -a -l turn.log --simple-log --no-stdout-log --new-log-timestamp-format=%FT%T%z"
        )),
        ""
    );
    let loaded = load_toml("new-log-timestamp = false").expect("it is taken");
    assert_eq!(loaded.config.log.timestamps, Timestamps::Seconds);
}
