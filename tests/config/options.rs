//! The option table itself, and the file that is made from it.

use std::collections::BTreeSet;
use std::path::Path;

use turnserver::config::options::{self, Kind, Preset};
use turnserver::config::{AuthMode, Profile};

use crate::{config, load_toml, toml_config};

#[test]
fn names_and_letters_are_unique() {
    let mut names: BTreeSet<&str> = ["help", "version"].into();
    let mut letters: BTreeSet<char> = ['c', 'n', 'h'].into();
    for option in options::all() {
        for name in [&[option.name], option.aliases].concat() {
            assert!(names.insert(name), "{name} is defined twice");
            assert_eq!(options::find(name).unwrap().name, option.name);
        }
        if let Some(letter) = option.short {
            assert!(letters.insert(letter), "-{letter} is defined twice");
        }
    }
}

#[test]
fn every_option_is_documented_and_shows_how_it_is_written() {
    for option in options::all() {
        assert!(!option.doc.is_empty() && option.doc.ends_with('.'), "{}", option.name);
        assert!(option.more.is_empty() || option.more.ends_with('.'), "{}", option.name);
        let shows = matches!(option.default[0], Preset::Value(_)) || !option.example.is_empty();
        assert!(shows || option.shipped.is_some() || !option.category.is_served(), "{}", option.name);
    }
}

#[test]
fn both_ends_of_every_range_are_taken() {
    for option in options::all() {
        let Kind::Integer { min, max, alone } = option.kind else { continue };
        assert!(alone.is_none_or(|alone| (min..=max).contains(&alone)), "{}", option.name);
        for (number, inside) in [(min, true), (max, true), (min - 1, false), (max + 1, false)] {
            let text = match load_toml(&format!("{} = {number}", option.name)) {
                Ok(_) => String::new(),
                Err(problems) => problems.to_string(),
            };
            assert_eq!(!text.contains("expected a number from"), inside, "{} = {number}: {text}", option.name);
        }
    }
}

#[test]
fn defaults_are_good_in_every_profile() {
    for profile in Profile::ALL {
        let config = config(&format!("-r r -u a:b --profile={profile}"));
        assert_eq!((config.listen.port, config.listen.tls_port), (3478, 5349), "defaults are applied");
        assert_eq!((config.auth.separator, config.auth.nonce_lifetime_secs), (':', 600));
    }
}

/// Refresh with `UPDATE_TURNSERVER_TOML=1 cargo test --test config`.
#[test]
fn the_shipped_file_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("turnserver.toml");
    let expected = options::template();
    if std::env::var_os("UPDATE_TURNSERVER_TOML").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let shipped = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shipped == expected, "turnserver.toml is out of date: UPDATE_TURNSERVER_TOML=1 cargo test --test config");
}

#[test]
fn the_shipped_file_starts_a_server_with_time_limited_credentials() {
    let loaded = load_toml(&options::template()).unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!((loaded.config.profile, loaded.config.auth.mode), (Profile::Default, AuthMode::SharedSecret));
    assert_eq!(loaded.config.auth.secret_file.as_deref(), Some(Path::new("turn.secret")));
    assert!(loaded.config.auth.secrets.is_empty());
}

#[test]
fn the_shipped_file_holds_every_option_once_and_each_works_when_uncommented() {
    let template = options::template();
    let lines: Vec<&str> = template.lines().collect();
    for option in options::all().filter(|option| option.category.is_served()) {
        let is_its_line = |line: &&str| {
            let line = line.strip_prefix('#').unwrap_or(line);
            line.strip_prefix(option.name).is_some_and(|rest| rest.starts_with(" = "))
        };
        assert_eq!(lines.iter().filter(|line| is_its_line(line)).count(), 1, "{}", option.name);
        let uncommented: Vec<&str> = lines
            .iter()
            .map(|line| if is_its_line(line) { line.strip_prefix('#').unwrap_or(line) } else { line })
            .collect();
        match load_toml(&uncommented.join("\n")) {
            Ok(_) => {}
            Err(problems) if ["cert", "pkey"].contains(&option.name) => {
                assert!(problems.0.len() == 1 && problems.to_string().contains("TLS needs both"), "{problems}");
            }
            Err(problems) if ["static-auth-secret", "nonce-secret", "user"].contains(&option.name) => {
                assert!(problems.0.len() == 1 && problems.to_string().contains("is an example"), "{problems}");
            }
            Err(problems) => panic!("{}: {problems}", option.name),
        }
    }
}

#[test]
fn a_default_written_out_changes_nothing() {
    let plain = toml_config("");
    for option in options::all() {
        let (Preset::Value(value), false) = (option.default[0], option.name == "unauthorized-ratelimit-rps") else {
            continue;
        };
        let value =
            if matches!(option.kind, Kind::Text(_) | Kind::Word(_)) { format!("{value:?}") } else { value.to_owned() };
        assert_eq!(toml_config(&format!("{} = {value}", option.name)), plain, "{}", option.name);
    }
}
