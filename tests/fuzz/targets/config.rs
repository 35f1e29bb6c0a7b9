//! The readers of the configuration: whatever an operator writes is taken, or refused with its place; nothing is opened.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use turnserver::config::args::FileChoice;
use turnserver::config::convert::convert;
use turnserver::config::error::Place;
use turnserver::config::{
    AuthMode, Command, Loaded, Problem, Problems, Profile, Serve, Sources, Warning, effective, judge, judge_text,
    load_searching, load_text, parse_command_line,
};
use turnserver::turn::nonce::Nonces;
use turnserver::turn::policy::{OwnNet, PeerPolicy};
use turnserver::userdb::Users;

/// The first byte chooses the reader: 0 a command line, its words ended by NUL; 1 coturn's file; 2 an environment, its
/// variables ended by NUL; else TOML, for that is how text begins.
pub(crate) fn run(data: &[u8]) {
    match data {
        [0, words @ ..] => read_words(words),
        [1, text @ ..] => read_coturns(text),
        [2, variables @ ..] => read_environment(variables),
        text => read_text(text),
    }
}

/// A file of coturn is read whatever its bytes are; what is taken converts to TOML of the same configuration.
fn read_coturns(text: &[u8]) {
    let outcome = load_text(text, Path::new("fuzz.conf"));
    check(&outcome);
    let Ok(loaded) = outcome else { return };
    // A file that could be TOML as well may be nothing else.
    let Ok(converted) = convert(text, Path::new("fuzz.conf")) else { return };
    let again = judge_text(converted.text.as_bytes(), Path::new("fuzz.toml"));
    assert!(again.problems.is_empty(), "{:?}", again.problems);
    assert!(again.config == Some(loaded.config), "another configuration");
    let shown = judge_text(effective(&again).as_bytes(), Path::new("shown.toml"));
    assert!(shown.problems.iter().all(|problem| !problem.message.contains("TOML")), "{:?}", shown.problems);
}

fn read_environment(variables: &[u8]) {
    let pairs = variables.split(|byte| *byte == 0).map(|variable| {
        let at = variable.iter().position(|byte| *byte == b'=').unwrap_or(variable.len());
        let (name, value) = (&variable[..at], variable.get(at + 1..).unwrap_or_default());
        (OsString::from_vec([b"TURNSERVER_", name].concat()), OsString::from_vec(value.into()))
    });
    let sources = Sources { environment: pairs.collect(), ..Sources::default() };
    let judged = judge(&Serve { file: FileChoice::Never, ..Serve::default() }, &sources);
    judged.problems.iter().for_each(check_problem);
    judged.warnings.iter().for_each(check_warning);
    assert!(judged.config.is_some() == judged.problems.is_empty());
}

fn read_text(text: &[u8]) {
    // A file that is not UTF-8 is refused before it is read as TOML.
    let Ok(text) = std::str::from_utf8(text) else { return };
    let outcome = load_text(text, Path::new("fuzz.toml"));
    if let Err(problems) = &outcome {
        let lines = 1 + text.matches('\n').count();
        for problem in &problems.0 {
            match &problem.place {
                Place::File { line, column, .. } => {
                    assert!((1..=lines).contains(line) && *column >= 1, "{problem} in {lines} lines");
                }
                place => assert_eq!(*place, Place::Unset, "a file has no other places"),
            }
        }
    }
    check(&outcome);
    assert!(outcome == load_text(text, Path::new("fuzz.toml")), "the same text, the same configuration");
}

fn read_words(words: &[u8]) {
    let words = words.split(|byte| *byte == 0).map(|word| OsString::from_vec(word.into()));
    let mut serve = match parse_command_line(words) {
        Ok(Command::Serve(serve)) => serve,
        Ok(Command::Help(text)) => return assert!(text.contains("--realm")),
        Ok(Command::Version) => return,
        Err(problem) => {
            assert!(problem.place.is_command_line(), "{problem}");
            return check_problem(&problem);
        }
    };
    // No file is looked for: what the machine has there is not the fuzzer's business.
    serve.file = FileChoice::Never;
    let outcome = load_searching(&serve, &[]);
    if let Err(problems) = &outcome {
        let is_here = |problem: &Problem| matches!(problem.place, Place::CommandLine { .. } | Place::Unset);
        assert!(problems.0.iter().all(is_here), "{problems}");
    }
    check(&outcome);
}

fn check(outcome: &Result<Loaded, Problems>) {
    match outcome {
        Ok(loaded) => {
            loaded.warnings.iter().for_each(check_warning);
            check_config(loaded);
        }
        Err(problems) => {
            assert!(!problems.0.is_empty(), "a refusal says why");
            problems.0.iter().for_each(check_problem);
        }
    }
}

fn check_problem(problem: &Problem) {
    assert!(!problem.message.is_empty() && problem.hint.as_deref() != Some(""));
    assert!(problem.to_string().starts_with(&problem.place.to_string()), "every finding begins with its place");
}

fn check_warning(warning: &Warning) {
    assert!(!warning.message.is_empty());
    assert!(warning.to_string().starts_with(&warning.place.to_string()), "every finding begins with its place");
}

/// What was accepted can be served: ranges are ranges, and what is compiled from it compiles.
fn check_config(loaded: &Loaded) {
    let config = &loaded.config;
    let (auth, limits) = (&config.auth, &config.limits);
    let lowest = if config.profile == Profile::Coturn { 1 } else { 1024 };
    assert!(*config.relay.ports.start() >= lowest && !config.relay.ports.is_empty());
    assert!(config.listen.udp || config.listen.tcp || (config.listen.tls && config.tls.is_some()));
    assert!(matches!(config.protocol.channel_number_max, 0x4FFF | 0x7FFF));
    let has_secret = !auth.secrets.is_empty() || auth.secret_file.is_some();
    let has_credentials = match auth.mode {
        AuthMode::StunOnly | AuthMode::Anonymous => false,
        AuthMode::LongTerm => !auth.users.is_empty(),
        AuthMode::SharedSecret => has_secret,
    };
    assert!(has_credentials || config.profile != Profile::Hardened, "hardened: not without credentials");
    assert!(has_credentials || !loaded.warnings.is_empty(), "nobody, or everybody, may allocate: that is said");
    // RFC 8489 section 14.9.
    assert!((1..=127).contains(&auth.realm.len()) && !auth.realm.contains('"'));
    assert!(limits.unauthorized.is_none_or(|rate| rate.per_sec > 0 && rate.burst > 0), "a budget is not empty");
    let mut own = OwnNet::new(vec![config.listen.port, config.listen.tls_port], config.relay.ports.clone());
    config.relay.ips.iter().for_each(|ip| own.add_relay(*ip, &config.relay.external));
    let policy = PeerPolicy::new(&config.peers, own);
    policy.reach(([8, 8, 8, 8], 53).into());
    assert!(!policy.permits([0, 0, 0, 0].into()), "no configuration opens 0.0.0.0");
    Nonces::new(&[0; 32], None, &auth.realm, auth.nonce_lifetime_secs);
    if auth.users.len() < 20 {
        let _ = format!("{:?}", Users::new(auth));
    }
}
