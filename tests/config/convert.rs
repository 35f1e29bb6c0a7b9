//! What `turnserver convert` writes is TOML that makes the same configuration, and says what it left out.

use std::fs;
use std::path::Path;

use turnserver::config::convert::convert;
use turnserver::config::options::{self, Definition, Kind, Preset};
use turnserver::config::{Dialect, Judged, Profile, effective, judge_text, load_text};

/// Files as people have them, which `tests/convert` starts as well.
fn samples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/convert/files");
    let mut samples: Vec<(String, String)> = fs::read_dir(folder)
        .expect("a file of ours")
        .map(|entry| entry.expect("a file of ours").path())
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).expect("a file of ours")))
        .collect();
    samples.sort();
    samples
}

/// Fails unless a file that is taken converts to the same configuration.
pub(crate) fn is_the_same(text: &[u8]) {
    let original = load_text(text, Path::new("t.conf"));
    let converted = convert(text, Path::new("t.conf"));
    let shown = String::from_utf8_lossy(text);
    match (original, converted) {
        (Ok(original), Ok(converted)) => {
            let toml = judge_text(converted.text.as_bytes(), Path::new("t.toml"));
            assert_eq!(toml.problems, [], "{shown}\n{}", *converted.text);
            assert_eq!(toml.file.as_ref().expect("a file of ours").1, Dialect::Toml);
            assert!(toml.config == Some(original.config), "{shown}\n{}", *converted.text);
        }
        (Err(_), Err(_)) => {}
        (_, Err(problems)) => assert!(problems.to_string().contains("TOML already"), "{shown}: {problems}"),
        (Err(problems), Ok(_)) => panic!("{shown} is refused: {problems}"),
    }
}

#[test]
fn every_sample_is_taken_and_converts_to_the_same() {
    let samples = samples();
    assert!(samples.len() >= 11, "{} samples", samples.len());
    for (path, text) in samples {
        load_text(&text, Path::new("t.conf")).unwrap_or_else(|problems| panic!("{path}: {problems}"));
        is_the_same(text.as_bytes());
    }
}

#[test]
fn what_was_dropped_is_told_with_its_line_and_secrets_are_kept() {
    let text = "# mine\nlt-cred-mech\nuser=alice:pass\"wo\\rd-27\nno-cli\nuser=bob:builder-81\nrealm=a.example\n\
                listening-port=3479\nlistening-port=3480\nfoo-bar=1\n";
    let toml = convert(text.as_bytes(), Path::new("/etc/turnserver.conf")).unwrap().text;
    let expected = "# Made from turnserver.conf by `turnserver convert`.\n\nprofile = \"coturn\"\n\
                    lt-cred-mech = true\n\
                    user = [\n    \"alice:pass\\\"wo\\\\rd-27\",\n    \"bob:builder-81\",\n]\n\
                    # Line 4: no-cli: it is so already (There is no console that could be turned off.)\n\
                    realm = \"a.example\"\n\
                    listening-port = 3480\n\
                    # Line 9: unknown option \"foo-bar\", which changes nothing\n";
    assert_eq!(*toml, expected);
}

#[test]
fn a_file_that_cannot_be_served_is_not_converted() {
    let problems = convert(b"listening-port=x\nno-auth\n", Path::new("/etc/turn.cfg")).unwrap_err().to_string();
    assert_eq!(problems, "/etc/turn.cfg:1:16: listening-port: expected a number from 1 to 65535, found \"x\"");
    let toml = convert(b"listening-ip = [\"127.0.0.1\"]\n", Path::new("turnserver.toml")).unwrap_err().to_string();
    assert_eq!(toml, "turnserver.toml: this is TOML already (serve it with -c FILE)");
}

#[test]
fn what_is_in_force_is_toml_of_the_same_configuration() {
    for (path, text) in samples() {
        let judged = judge_text(text.as_bytes(), Path::new("turnserver.conf"));
        let toml = effective(&judged);
        let again = judge_text(toml.as_bytes(), Path::new("again.toml"));
        assert_eq!((again.profile, again.problems.as_slice()), (Profile::Coturn, &[][..]), "{path}:\n{toml}");
        let (mut first, mut second) = (judged.config.unwrap(), again.config.unwrap());
        // Secrets are not shown, so that they are not the same.
        for config in [&mut first, &mut second] {
            config.auth.users.clear();
            config.auth.secrets.clear();
        }
        assert!(first == second, "{path}:\n{toml}");
    }
}

#[test]
fn what_is_in_force_names_its_places_and_no_secret() {
    let text = "user=alice:wonderland-27\nstatic-auth-secret=hunter2-hunter2-hunter2\nlistening-port=3479\nrealm=r\n";
    let toml = effective(&judge_text(text.as_bytes(), Path::new("t.conf")));
    for line in [
        "profile = \"coturn\"  # t.conf is coturn's\n",
        "listening-port = 3479  # t.conf:3:16\n",
        "    \"alice:...\",  # t.conf:1:6\n",
        "static-auth-secret = [\n    \"...\",  # t.conf:2:20\n]\n",
        "tls-listening-port = 5349\n",
        "# unauthorized-ratelimit-rps = 10\n",
        "# min-allocate-lifetime = 600\n",
        "# relay-threads: one per core\n",
    ] {
        assert!(toml.contains(line), "{line} is missing:\n{toml}");
    }
    assert!(!toml.contains("hunter2") && !toml.contains("wonderland"), "{toml}");
}

/// Each option alone, as its example or default has it, and at its other end.
#[test]
fn what_is_in_force_means_the_same_when_it_is_read_again() {
    for option in options::all().filter(|option| option.category.is_served()) {
        let default = match option.default[0] {
            Preset::Value(text) => Some(text),
            Preset::Described(_) => None,
        };
        let mut compared = 0;
        let mut values: Vec<String> =
            option.example.iter().chain(&default).chain(&option.shipped).map(|text| (*text).to_owned()).collect();
        match option.kind {
            Kind::Switch => values = vec!["true".to_owned(), "false".to_owned()],
            Kind::Integer { min, max, .. } => values.extend([min.max(1).to_string(), max.to_string(), "50".to_owned()]),
            Kind::Text(_) | Kind::Word(_) => values.iter_mut().for_each(|text| *text = format!("{text:?}")),
        }
        for (profile, value) in
            ["default", "coturn", "hardened"].iter().flat_map(|p| values.iter().map(move |v| (p, v)))
        {
            let profile = if option.name == "profile" { String::new() } else { format!("profile = \"{profile}\"\n") };
            compared += usize::from(reads_the_same(option, &format!("{profile}{} = {value}\n", option.name)));
        }
        assert!(compared > 0, "no value of {} is taken", option.name);
    }
    assert!(reads_the_same(options::find("realm").expect("an option"), &options::template()));
}

/// Whether the text is taken; then what is in force is read again and compared.
fn reads_the_same(option: &Definition, text: &str) -> bool {
    let judged = judge_text(text.as_bytes(), Path::new("t.toml"));
    let Some(mut first) = judged.config.clone() else { return false };
    let toml = effective(&judged);
    let again = judge_text(toml.as_bytes(), Path::new("again.toml"));
    // An example of a secret is refused where it can be read; here it is not shown.
    assert_eq!(again.problems, [], "{text}\n{toml}");
    let mut second = again.config.clone().expect("no problems");
    for config in [&mut first, &mut second] {
        config.auth.users.clear();
        config.auth.secrets.clear();
        config.auth.nonce_secret = None;
    }
    assert!(first == second, "{text}\n{toml}");
    let messages = |judged: &Judged| judged.warnings.iter().map(|warning| warning.message.clone()).collect::<Vec<_>>();
    let known = messages(&judged);
    let new: Vec<String> = messages(&again).into_iter().filter(|message| !known.contains(message)).collect();
    assert!(option.secret || new.is_empty(), "{text}\n{new:?}");
    true
}

#[test]
fn a_file_of_ours_is_not_taken_for_coturns() {
    let converted = convert(b"no-auth\n", Path::new("t.conf")).unwrap().text;
    let shipped = options::template();
    for (text, name) in [
        (shipped.as_str(), "turnserver.toml"),
        (shipped.as_str(), "turnserver.conf"),
        (converted.as_str(), "t.conf"),
        ("secret-file = \"turn.secret\"\n", "t.conf"),
        ("listening-port = 3478\n", "t.toml"),
        ("lt-cred-mech\n", "t.toml"),
    ] {
        let problem = convert(text.as_bytes(), Path::new(name)).unwrap_err().to_string();
        assert_eq!(problem, format!("{name}: this is TOML already (serve it with -c FILE)"), "{text}");
    }
    assert!(convert(b"listening-port=3478\nrealm=\"r\"\n", Path::new("t.conf")).is_ok(), "it may be coturn's");
}
