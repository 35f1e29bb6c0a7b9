//! The command line behaves as coturn's does: the habits of getopt, the words of booleans, what wins over what.

use std::ffi::OsString;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use turnserver::config::args::FileChoice;
use turnserver::config::{AuthMode, Command, LogLevel, Profile, load_searching, parse_command_line};

use crate::{config, count, file_choice, load_line, parse, problems, serve, warnings};

#[test]
fn letters_take_their_value_attached_or_as_the_next_word() {
    for line in ["-p3479", "-p 3479", "-p=3479", "--listening-port 3479", "--listening-port=3479", "--listening-p=3479"]
    {
        assert_eq!(config(line).listen.port, 3479, "{line}");
    }
}

#[test]
fn a_value_may_begin_with_a_dash() {
    assert_eq!(config("-a -u a:b -r -realm").auth.realm, "-realm");
    assert_eq!(config("-a -u a:b --realm --x").auth.realm, "--x");
    let text = problems(load_line("--max-port -1"));
    assert!(text.contains("command line: --max-port: expected a number from 0 to 65535, found -1"), "{text}");
}

#[test]
fn lists_add_up_in_their_order() {
    let ips: Vec<IpAddr> = ["127.0.0.1", "::1", "192.0.2.7"].iter().map(|ip| ip.parse().unwrap()).collect();
    assert_eq!(config("-L127.0.0.1 -L ::1 --listening-ip=192.0.2.7").listen.ips, ips);
}

#[test]
fn the_last_scalar_wins() {
    assert_eq!(config("-p 1 --listening-port=2 -p3").listen.port, 3);
    assert!(config("--no-udp --no-udp=false").listen.udp);
    assert!(!config("--no-udp=off --no-udp").listen.udp);
    assert_eq!(config("-V -v").log.level, LogLevel::Trace);
    assert_eq!(config("-V --verbose=off -v").log.level, LogLevel::Debug);
    assert_eq!(config("-v --Verbose=n").log.level, LogLevel::Info);
}

#[test]
fn flags_bundle() {
    let loaded = load_line("-vn").unwrap();
    assert_eq!((loaded.config.log.level, loaded.file), (LogLevel::Debug, None));
    assert_eq!(file_choice("-vn"), FileChoice::Never);
    assert_eq!(config("-vfp3479").listen.port, 3479);
    assert!(config("-vf").protocol.fingerprint);
    assert!(problems(load_line("-az")).contains("no-auth contradicts lt-cred-mech"));
}

#[test]
fn letters_mean_what_they_mean_for_coturn() {
    let line = "-a -f -v -L 192.0.2.1 -p 1 -E 192.0.2.2 -X 192.0.2.3 -m 3 -u a:b -r r -q 4 -Q 5 -C ; -l stdout";
    let config = config(line);
    assert_eq!(config.listen.ips, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    assert_eq!(config.relay.ips, ["192.0.2.2".parse::<IpAddr>().unwrap()]);
    assert_eq!(config.relay.external.single, ["192.0.2.3".parse::<IpAddr>().unwrap()]);
    assert_eq!((config.listen.port, config.process.threads), (1, Some(3)));
    assert_eq!((config.limits.user_quota, config.limits.total_quota), (4, 5));
    assert_eq!((config.auth.mode, config.auth.realm.as_str(), config.auth.separator), (AuthMode::LongTerm, "r", ';'));
}

#[test]
fn unique_prefixes_of_long_names_do_and_ambiguous_ones_do_not() {
    assert_eq!(config("--total 7").limits.total_quota, 7);
    assert_eq!(config("--user a:b --use-a=on --static=x-y-z").auth.mode, AuthMode::SharedSecret);
    let text = parse("--listening- 1").unwrap_err().to_string();
    assert!(text.contains("ambiguous") && text.contains("--listening-ip, --listening-port"), "{text}");
    assert!(parse("--verbos").is_ok(), "version is no candidate");
    assert!(parse("--ver").unwrap_err().to_string().contains("--verbose, --version"));
}

#[test]
fn booleans_know_the_words_of_coturn() {
    let off = ["0", "00", "n", "N", "no", "No", "f", "F", "false", "FALSE", "off", "Off", "OFF"];
    let on = ["", "1", "9", "42", "y", "Y", "yes", "t", "T", "true", "on", "On", "ON"];
    for (words, expected) in [(&off[..], false), (&on[..], true)] {
        for word in words {
            assert_eq!(config(&format!("--fingerprint={word}")).protocol.fingerprint, expected, "{word:?}");
        }
    }
    for word in ["oN", "ofF", "o", "maybe", "-1", "x"] {
        let text = problems(load_line(&format!("--fingerprint={word}")));
        assert!(text.contains("--fingerprint: expected a boolean") && text.contains("on/off, yes/no"), "{text}");
    }
}

#[test]
fn a_boolean_takes_its_value_behind_an_equals_sign_only() {
    let loaded = load_line("--no-udp false").unwrap();
    assert!(!loaded.config.listen.udp);
    let told = warnings(Ok(loaded));
    assert_eq!(count(&told, "CONFIG: Unknown argument: false"), 1);
    assert_eq!(count(&told, "a switch takes its value behind ="), 1, "{told}");
}

#[test]
fn an_optional_number_left_out_is_the_usual_one() {
    assert_eq!(config("--stale-nonce=30").auth.nonce_lifetime_secs, 30);
    assert_eq!(config("--stale-nonce").auth.nonce_lifetime_secs, 600);
    assert_eq!(config("--max-allocate-lifetime").limits.allocate_lifetime_secs_max, 3600);
    assert_eq!(config("--unauthorized-ratelimit-rps").limits.unauthorized.unwrap().per_sec, 10);
}

#[test]
fn numbers_are_judged_and_not_guessed() {
    for (value, expected) in [
        ("65536", "expected a number from 1 to 65535, found 65536"),
        ("-1", "expected a number from 1 to 65535, found -1"),
        ("0", "expected a number from 1 to 65535, found 0"),
        ("abc", "expected a number from 1 to 65535, found \"abc\""),
        ("3478x", "expected a number from 1 to 65535, found \"3478x\""),
        ("", "expected a number from 1 to 65535, found \"\""),
        ("99999999999999999999", "expected a number from 1 to 65535, found \"99999999999999999999\""),
    ] {
        let text = problems(load_line(&format!("--listening-port={value}")));
        assert_eq!(text, format!("command line: --listening-port: {expected}"));
    }
}

#[test]
fn every_bad_value_is_reported_at_once() {
    let text = problems(load_line("-p 70000 -L host.example -m 129 --min-port=x --fingerprint=perhaps"));
    for option in ["listening-port", "listening-ip", "relay-threads", "min-port", "fingerprint"] {
        assert_eq!(count(&text, &format!("command line: --{option}: expected ")), 1, "{text}");
    }
    assert_eq!(text.lines().count(), 5, "{text}");
}

#[test]
fn stray_words_warn_and_hide_what_may_be_a_password() {
    let text = warnings(load_line("one -p 3479 two alice:wonderland"));
    for word in ["one", "two", "alice:..."] {
        assert_eq!(count(&text, &format!("command line: CONFIG: Unknown argument: {word}\n")), 1, "{text}");
    }
    assert!(!text.contains("wonderland"));
    assert_eq!(config("-- -p 3479").listen.port, 3478, "nothing behind -- is an option");
}

#[test]
fn an_unknown_option_is_a_usage_error_that_names_the_nearest() {
    let text = parse("--listning-port=1").unwrap_err().to_string();
    assert_eq!(text, "command line: --listning-port: unknown option (did you mean --listening-port?)");
    assert!(parse("-W").unwrap_err().to_string().contains("-W: unknown option"));
    assert!(parse("--realm").unwrap_err().to_string().contains("--realm: a value is missing"));
    assert!(parse("-v -p").unwrap_err().to_string().contains("--listening-port: a value is missing"));
    assert!(!parse("--static-auth-secert=hunter2").unwrap_err().to_string().contains("hunter2"));
}

#[test]
fn help_and_version_come_before_everything_else() {
    for line in ["-h", "--help", "-p 70000 -h", "--nonsense --help", "-c -h", "-vh", "-hvh"] {
        match parse(line) {
            Ok(Command::Help(text)) => assert!(text.contains("-p, --listening-port"), "{text}"),
            other => panic!("{line}: {other:?}"),
        }
    }
    for line in ["--version", "-p x --version", "--nonsense --version"] {
        assert_eq!(parse(line), Ok(Command::Version), "{line}");
    }
}

#[test]
fn help_lists_every_option_that_does_something() {
    let Ok(Command::Help(text)) = parse("-h") else { panic!("no help") };
    for option in turnserver::config::options::all().filter(|option| option.category.is_served()) {
        assert!(text.contains(&format!("--{}", option.name)), "{}", option.name);
    }
}

#[test]
fn the_file_is_named_by_a_separate_c_only() {
    assert_eq!(file_choice(""), FileChoice::Search);
    assert_eq!(file_choice("-c x.toml"), FileChoice::Named(PathBuf::from("x.toml")));
    assert_eq!(file_choice("-c x.toml -c y.toml"), FileChoice::Named(PathBuf::from("y.toml")));
    assert_eq!(file_choice("-c x.toml -n"), FileChoice::Never);
    assert!(parse("-cx.toml").unwrap_err().to_string().contains("-c FILE"));
    assert!(parse("-c").unwrap_err().to_string().contains("-c: a value is missing"));
}

#[test]
fn the_command_line_wins_over_the_file_and_lists_add_up() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.toml");
    fs::write(&file, "listening-port = 1111\nmax-port = 50000\nrelay-ip = \"192.0.2.1\"\nexternal-ip = \"1.1.1.1\"\n")
        .unwrap();
    let line = format!("-p 2222 -E 192.0.2.2 -X 2.2.2.2 -c {}", file.display());
    let loaded = load_line(&line).unwrap();
    assert_eq!(loaded.file, Some(file));
    assert_eq!((loaded.config.listen.port, *loaded.config.relay.ports.end()), (2222, 50000));
    assert_eq!(loaded.config.relay.ips.len(), 2);
    assert_eq!(loaded.config.relay.external.single, ["2.2.2.2".parse::<IpAddr>().unwrap()]);
    assert_eq!(loaded.config.profile, Profile::Default, "a TOML file was read");
}

#[test]
fn a_file_is_looked_for_in_order_and_may_be_missing() {
    let dir = tempfile::tempdir().unwrap();
    let [first, second] = ["first.toml", "second.toml"].map(|name| dir.path().join(name));
    let search: [&Path; 2] = [&first, &second];
    let load = |line: &str| load_searching(&serve(line), &search).unwrap();
    assert_eq!(load("").file, None);
    fs::write(&second, "listening-port = 2").unwrap();
    assert_eq!(load("").config.listen.port, 2);
    fs::write(&first, "listening-port = 1").unwrap();
    assert_eq!((load("").config.listen.port, load("").file), (1, Some(first.clone())));
    assert_eq!(load("-n").file, None);
    let missing = dir.path().join("missing.toml");
    let text = problems(load_searching(&serve(&format!("-c {}", missing.display())), &search));
    assert_eq!(text, format!("{}: there is no such file", missing.display()));
}

#[test]
fn the_profile_follows_from_what_was_given() {
    for (line, profile) in [
        ("", Profile::Default),
        ("-n", Profile::Default),
        ("-v", Profile::Default),
        ("-nV", Profile::Default),
        ("--profile=coturn", Profile::Coturn),
        ("--profile hardened -u a:b -r r", Profile::Hardened),
        ("-n --log-file=stdout", Profile::Coturn),
        ("-p 3478", Profile::Coturn),
        ("-a -u a:b --profile=default", Profile::Default),
    ] {
        assert_eq!(config(line).profile, profile, "{line}");
    }
    let text = problems(load_line("--profile=cotrun"));
    assert!(text.contains("expected default, coturn, hardened, found \"cotrun\" (did you mean coturn?)"), "{text}");
}

#[test]
fn options_without_effect_yet_warn_once_each() {
    let line = "--cli --cli --dtls --no-tlsv1 --no-tlsv1";
    let text = warnings(load_line(line));
    for name in ["cli", "dtls"] {
        assert_eq!(count(&text, &format!("{name} has no effect yet")), 1, "{text}");
    }
    assert_eq!(count(&text, "--no-tlsv1: it is so already"), 1, "{text}");
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let args = ["-r".into(), OsString::from_vec(vec![b'a', 0xff])];
    assert!(parse_command_line(args).unwrap_err().to_string().contains("--realm: the value is not UTF-8"));
}

#[test]
fn what_may_be_a_secret_is_not_shown() {
    let text = problems(load_line("--use-auth-secret=hunter2"));
    assert!(text.contains("--use-auth-secret: expected a boolean") && !text.contains("hunter2"), "{text}");
    for option in ["--static-auth-secret", "-u", "--use-auth-secret", "--cli-password", "--nonce-secret"] {
        let line = format!("-r r {option} a:long-enough-for-all hunter2");
        let text = match load_line(&line) {
            Ok(loaded) => warnings(Ok(loaded)),
            Err(problems) => problems.to_string(),
        };
        assert!(!text.contains("hunter2"), "{text}");
        assert_eq!(count(&text, "Unknown argument: ...\n"), 1 + usize::from(option == "--use-auth-secret"), "{text}");
    }
}
