//! The dialect of coturn's file: its grammar, what is passed over with a warning, and which file is taken for which.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::{any, prop, prop_assert, proptest};
use turnserver::config::{AuthMode, Config, Dialect, Loaded, Problems, Profile, Sources, judge, judge_text, load_text};

use crate::{count, problems, serve, warnings};

fn load(text: &str) -> Result<Loaded, Problems> {
    load_text(text, Path::new("t.conf"))
}

fn config(text: &str) -> Config {
    load(text).unwrap_or_else(|problems| panic!("{text}: {problems}")).config
}

#[test]
fn a_name_ends_at_a_space_a_tab_or_an_equals_sign() {
    for line in [
        "realm=example.org",
        "realm example.org",
        "realm = example.org",
        "realm\t==\texample.org",
        "  \t realm=example.org  \t",
        "realm=example.org\r",
        "realm=\"example.org\"",
        "realm=\"example.org",
    ] {
        let text = format!("# a comment\n\n{line}\n\t# another\nno-auth\n");
        assert_eq!(config(&text).auth.realm, "example.org", "{line:?}");
    }
    assert_eq!(config("no-auth\nrealm=a = b").auth.realm, "a = b", "a value goes on to the end of the line");
    assert_eq!(config("no-auth\nrealm='a'").auth.realm, "'a'", "there are no single quotes");
    assert_eq!(config("\u{feff}realm=x.example\nno-auth").auth.realm, "x.example", "a mark of byte order is no name");
}

#[test]
fn the_last_scalar_counts_and_lists_add_up() {
    let text = "listening-port=1\nlistening-port=2\nlistening-ip=127.0.0.1\nlistening-ip=::1\nuser=a:b c:d\nuser=e:f\n\
                denied-peer-ip=10.0.0.0-10.255.255.255\ndenied-peer-ip=192.0.2.1\nlt-cred-mech\n";
    let config = config(text);
    assert_eq!((config.listen.port, config.listen.ips.len(), config.peers.denied.len()), (2, 2, 2));
    let names: Vec<&str> = config.auth.users.iter().map(|user| user.name.as_str()).collect();
    assert_eq!((config.auth.mode, names), (AuthMode::LongTerm, vec!["a", "e"]));
}

#[test]
fn a_boolean_is_its_first_character() {
    for (line, on) in [
        ("fingerprint", true),
        ("fingerprint=", true),
        ("fingerprint=1", true),
        ("fingerprint yes", true),
        ("fingerprint=0 # off", false),
        ("fingerprint=no way", false),
        ("fingerprint=off", false),
    ] {
        assert_eq!(config(&format!("{line}\nno-auth")).protocol.fingerprint, on, "{line}");
    }
    let text = "use-auth-secret=false\nstatic-auth-secret=0123456789abcdef0123456789abcdef\nrealm=r";
    assert_eq!(config(text).auth.mode, AuthMode::SharedSecret, "coturn looks at nothing behind it");
    assert_eq!(count(&warnings(load(text)), "t.conf:1:17: use-auth-secret: is on, whatever stands behind it"), 1);
}

#[test]
fn what_is_hardly_meant_is_told() {
    let long = format!("cert=/{}\npkey=/k\n", "x".repeat(1100));
    for (line, told) in [
        ("realm=x;", "the line ends with a semicolon"),
        ("realm=x # mine", "what stands behind # is part of the value"),
        (long.as_str(), "longer than coturn reads"),
        ("Realm=x", "did you mean realm? Upper and lower case differ"),
        ("q=5", "here it is user-quota"),
        ("alice:wonderland", "t.conf:1:1: no option begins like this line, which changes nothing"),
        ("wonderland27wonderland", "t.conf:1:1: no option begins like this line"),
        ("Wonderland-wonderland-27", "t.conf:1:1: no option begins like this line"),
        ("wonderland/27+x= 1", "t.conf:1:1: no option begins like this line"),
        ("foo-bar=wonderland", "unknown option \"foo-bar\""),
        ("min_port=5", "did you mean min-port?"),
        ("=x", "no option begins like this line"),
    ] {
        let text = warnings(load(&format!("{line}\nno-auth\n")));
        assert_eq!(count(&text, told), 1, "{line}: {text}");
        assert!(!text.to_lowercase().contains("wonderland"), "{text}");
        let converted =
            turnserver::config::convert::convert(format!("{line}\nno-auth\n").as_bytes(), Path::new("t.conf"));
        let converted = converted.expect("it is served").text;
        assert!(!converted.to_lowercase().contains("wonderland"), "{}", *converted);
    }
    assert_eq!(config("realm=x;\nno-auth").auth.realm, "x;");
}

/// As coturn reads them: the digits count, and nothing behind a space, a `#` or a `;`.
#[test]
fn a_number_may_have_something_behind_it() {
    for value in ["3479 # mine", "3479;", "3479#mine", "3479 ; mine", "3479\tmine", "\"3479 # mine\""] {
        let text = format!("no-auth\nlistening-port={value}\n");
        assert_eq!(config(&text).listen.port, 3479, "{value}");
        let told = warnings(load(&text));
        assert_eq!(count(&told, "listening-port: what stands behind 3479 is passed over"), 1, "{value}: {told}");
        assert_eq!(count(&told, "t.conf:2:"), 1, "{value}: {told}");
    }
    for value in ["100k", "k", "# many", ";", "-", "1.5"] {
        let text = problems(load(&format!("no-auth\nlistening-port=3479\nmin-port=x{value}\nmax-port={value}\n")));
        assert_eq!(count(&text, "expected a number"), 2, "{value}: {text}");
    }
    let line = |words: &[&str]| {
        let words = words.iter().map(std::ffi::OsString::from);
        let Ok(turnserver::config::Command::Serve(serve)) = turnserver::config::parse_command_line(words) else {
            panic!("a command line")
        };
        judge(&serve, &Sources::default())
    };
    let judged = line(&["-z", "--listening-port=3479;"]);
    assert_eq!(judged.config.expect("coturn's profile").listen.port, 3479);
    assert!(judged.warnings.iter().any(|warning| warning.to_string().contains("behind 3479 is passed over")));
    assert!(line(&["-z", "--listening-port=3479;", "--profile=default"]).config.is_none(), "no other profile");
}

#[test]
fn of_a_file_that_is_missing_nothing_else_is_told() {
    let judged = judge(&serve("-c /nonexistent/turnserver.conf"), &Sources::default());
    let text: Vec<String> = judged.problems.iter().map(ToString::to_string).collect();
    assert_eq!(text, ["/nonexistent/turnserver.conf: there is no such file"]);
    assert_eq!(judged.warnings, []);
}

#[test]
fn bytes_that_are_no_text_are_an_error_where_they_would_count() {
    let load = |text: &[u8]| load_text(text, Path::new("t.conf"));
    assert!(load(b"# Gr\xfc\xdfe\nno-auth\n").is_ok(), "a comment is nobody's business");
    assert!(warnings(load(b"gr\xfc\xdfe=1\nno-auth\n")).contains("t.conf:1:1: no option begins"));
    assert_eq!(problems(load(b"no-auth\nrealm=\xff\n")), "t.conf:2:7: realm: the value is not UTF-8");
}

#[test]
fn the_content_tells_whose_file_it_is() {
    for (name, text, dialect) in [
        ("x.cfg", "lt-cred-mech\n", Dialect::Coturn),
        ("x.cfg", "# x\nrealm=example.org\n", Dialect::Coturn),
        ("x.cfg", "min-port 5000\n", Dialect::Coturn),
        ("x.cfg", "no-rfc5780\nsyslog\n", Dialect::Coturn),
        ("x.cfg", "realm = \"example.org\"\n", Dialect::Toml),
        ("x.cfg", "listening-port=3478\n", Dialect::Toml),
        ("x.conf", "listening-port=3478\n", Dialect::Coturn),
        ("x.conf", "", Dialect::Coturn),
        ("x.conf", "listening-ip = [\"127.0.0.1\"]\n", Dialect::Toml),
        ("x.conf", "min-port = 50000 # the lowest\n", Dialect::Toml),
        ("x.toml", "lt-cred-mech\n", Dialect::Toml),
        ("x.toml", "realm=example.org\n", Dialect::Toml),
    ] {
        let judged = judge_text(text.as_bytes(), Path::new(name));
        assert_eq!(judged.file, Some((PathBuf::from(name), dialect)), "{name}: {text}");
        let profile = if dialect == Dialect::Coturn { Profile::Coturn } else { Profile::Default };
        assert_eq!(judged.profile, profile, "{name}: {text}");
    }
    assert_eq!(config("profile=hardened\nuser=a:wonderland\nrealm=r").profile, Profile::Hardened);
}

#[test]
fn a_file_of_ours_comes_before_one_of_coturns() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let sources = Sources {
        search: vec![path("turnserver.toml"), path("turnserver.conf")],
        folders: vec![dir.path().to_owned()],
        ..Sources::default()
    };
    let judge = |line: &str| judge(&serve(line), &sources);
    assert_eq!(judge("").file, None);
    fs::write(path("turnserver.conf"), "no-auth\nlistening-port=1\n").unwrap();
    assert_eq!(judge("").file, Some((path("turnserver.conf"), Dialect::Coturn)));
    assert_eq!(judge("-p 2").config.unwrap().listen.port, 2, "the command line wins");
    assert_eq!(judge("-n").file, None);
    fs::write(path("turnserver.toml"), "no-auth = true\n").unwrap();
    assert_eq!(judge("").profile, Profile::Default);
    assert_eq!(judge("-p 2").profile, Profile::Default, "options do not make a TOML file coturn's");
    let named = "-c turnserver-that-is-only-here.conf";
    assert!(judge(named).problems[0].to_string().contains("there is no such file"));
    fs::write(path("turnserver-that-is-only-here.conf"), "no-auth\n").unwrap();
    assert!(judge(named).problems.is_empty(), "a name without a folder is looked for where coturn looks");
    assert!(judge("-c etc/turnserver-that-is-only-here.conf").problems.is_empty());
}

#[test]
fn certificates_are_looked_for_where_coturn_looks() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let sources = Sources { folders: vec![dir.path().to_owned()], ..Sources::default() };
    fs::write(path("turn_cert-3817.pem"), "").unwrap();
    fs::write(path("t.conf"), "no-auth\ncert=turn_cert-3817.pem\npkey=turn_key-3817.pem\n").unwrap();
    let files = |line: &str| judge(&serve(line), &sources).config.unwrap().tls.unwrap();
    let found = files(&format!("-c {}", path("t.conf").display()));
    assert_eq!((found.cert, found.key), (path("turn_cert-3817.pem"), PathBuf::from("turn_key-3817.pem")));
    let plain = files("-z --profile=default --cert=turn_cert-3817.pem --pkey=k");
    assert_eq!(plain.cert, Path::new("turn_cert-3817.pem"), "no other profile looks further");
}

#[test]
fn letters_that_need_a_value_have_one_on_the_command_line_only() {
    let lines = ["-K 1", "-A keep", "--keep-address-family", "--keep-address-family=yes"];
    for line in lines {
        let judged = judge(&serve(&format!("-z {line}")), &Sources::default());
        assert!(judged.problems.is_empty(), "{line}");
        assert!(judged.warnings.iter().any(|warning| warning.message.contains("has no effect yet")), "{line}");
    }
    assert!(crate::parse("-z -K").is_err(), "coturn's letter demands a value");
    assert!(load("no-auth\nkeep-address-family\n").is_ok());
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let judged = judge_text(&bytes, Path::new("t.conf"));
        prop_assert!(judged.config.is_some() == judged.problems.is_empty());
    }

    #[test]
    fn any_line_that_is_taken_converts(
        name in prop::sample::select(turnserver::config::options::all().map(|option| option.name).collect::<Vec<_>>()),
        value in "[ =\\t]?[a-z0-9.:/\"\\\\#; -]{0,12}",
    ) {
        let text = format!("no-auth\n{name}{value}\n");
        crate::convert::is_the_same(text.as_bytes());
    }
}
