//! Options of coturn's users that have no effect, taken each with one warning, or note, and those that are refused.

use turnserver::config::options::{self, Category, Definition, Kind};

use crate::{alice, launch, start};

/// What nearly every tutorial's file has.
const MET: [&str; 7] = ["no-cli", "no-dtls", "no-sslv2", "no-sslv3", "no-tlsv1", "no-tlsv1_1", "no-rfc5780"];

fn of(category: Category) -> Vec<&'static Definition> {
    options::all().filter(|option| option.category == category).collect()
}

/// An option as a command line has it; twice, for one warning is enough.
fn written(option: &Definition) -> String {
    match option.kind {
        Kind::Switch => format!("--{}", option.name),
        _ => format!("--{}=1", option.name),
    }
}

#[test]
fn what_has_no_effect_is_taken_each_with_one_warning() {
    let later = of(Category::Later);
    let args: Vec<String> = later.iter().map(|option| written(option)).collect();
    let args: Vec<&str> = args.iter().chain(&args).map(String::as_str).collect();
    let server = start(&args);
    let mut warnings = 0;
    for option in &later {
        let place = format!("command line: --{}: ", option.name);
        let is_warning = server.log.count(&["WARN", &place, "has no effect yet", option.doc]);
        let is_note = server.log.count(&["INFO", &place, "it is so already", option.doc]);
        assert_eq!(is_warning + is_note, 1, "{}: {}", option.name, server.log.text());
        assert!(is_note == 1 || !MET.contains(&option.name), "{} is so already", option.name);
        warnings += is_warning;
    }
    assert_eq!(server.log.count(&["has no effect yet"]), warnings, "{}", server.log.text());
    assert!(warnings > later.len() / 2, "{warnings}");
    assert_eq!(alice(&server).allocate().code(), 0);
}

#[test]
fn a_feature_that_is_switched_off_is_no_news() {
    let off = [Category::Later, Category::Refused].into_iter().flat_map(of);
    let off = off.filter(|option| option.kind == Kind::Switch && !option.name.starts_with("no-"));
    let mut args: Vec<String> = off.map(|option| format!("--{}=no", option.name)).collect();
    args.push("--no-udp-relay=off".to_owned());
    let server = start(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(server.log.count(&["has no effect yet"]), 0, "{}", server.log.text());
    assert_eq!(alice(&server).allocate().code(), 0);
}

#[test]
fn a_feature_that_is_asked_for_by_a_double_negative_is_news() {
    let server = start(&["--no-cli=no"]);
    assert_eq!(server.log.count(&["WARN", "--no-cli: ", "has no effect yet"]), 1, "{}", server.log.text());
}

#[test]
fn what_cannot_be_passed_over_is_refused_with_a_reason() {
    let refused = of(Category::Refused);
    let args: Vec<String> = refused.iter().map(|option| written(option)).collect();
    let ended = launch(&args.iter().map(String::as_str).collect::<Vec<_>>()).run();
    assert_eq!(ended.status.code(), Some(255));
    for option in &refused {
        let line = format!("command line: --{}: cannot be served ({})", option.name, option.doc);
        assert_eq!(ended.log.matches(&line).count(), 1, "{line}:\n{}", ended.log);
    }
}
