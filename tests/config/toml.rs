//! The TOML dialect: typed values, every problem with its line and column, and no mistaking of coturn's dialect.

use std::fs;

use turnserver::config::{AuthMode, Profile};

use crate::{count, load_line, load_toml, problems, toml_config, warnings};

#[test]
fn values_are_typed_and_keys_are_option_names() {
    let config = toml_config(
        r#"
        listening-ip = ["192.0.2.1", "2001:db8::1"]   # a list
        relay-ip = "192.0.2.2"                        # one value where several may stand
        listening-port = 13478
        fingerprint = true
        realm = "example.org"
        user = ["alice:pass:word", "bob:0x00112233445566778899aabbccddeeff"]
        "#,
    );
    assert_eq!(config.profile, Profile::Default);
    assert_eq!((config.listen.ips.len(), config.relay.ips.len()), (2, 1));
    assert_eq!((config.listen.port, config.protocol.fingerprint), (13478, true));
    assert_eq!((config.auth.mode, config.auth.users.len()), (AuthMode::LongTerm, 2));
    assert_eq!(config.auth.realm, "example.org");
}

#[test]
fn an_empty_file_is_all_defaults() {
    for text in ["", "# nothing\n", "listening-ip = []"] {
        assert_eq!(toml_config(text), toml_config(""), "{text:?}");
    }
}

#[test]
fn each_mistake_is_named_with_its_place_and_a_way_out() {
    for (text, expected) in [
        ("listening-port = 65536", "1:18: listening-port: expected a number from 1 to 65535, found 65536"),
        ("\n  listening-port = -1", "2:20: listening-port: expected a number from 1 to 65535, found -1"),
        (
            "listening-port = \"3478\"",
            "1:18: listening-port: expected a number from 1 to 65535, found \"3478\" (listening-port = 3478, without quotes)",
        ),
        (
            "listening-port = 3.5",
            "1:18: listening-port: expected a number from 1 to 65535, found a number with a fraction",
        ),
        ("listening-port = [1]", "1:18: listening-port: expected a number from 1 to 65535, found a list"),
        (
            "total-quota = 99999999999999999999",
            "1:15: total-quota: expected a number from 0 to 4294967295, found a number beyond all ranges",
        ),
        ("fingerprint = 1", "1:15: fingerprint: expected true or false, found the number 1"),
        (
            "fingerprint = \"yes\"",
            "1:15: fingerprint: expected true or false, found \"yes\" (fingerprint = true, without quotes)",
        ),
        ("realm = 5", "1:9: realm: expected a string, found the number 5 (realm = \"5\")"),
        ("realm = 2024-01-01", "1:9: realm: expected a string, found a date"),
        (
            "relay-ip = [\"::1\", true]",
            "1:20: relay-ip: expected a string, found the boolean true (relay-ip = \"true\")",
        ),
        ("listning-port = 1", "1:1: unknown option \"listning-port\" (did you mean listening-port?)"),
        ("listening_port = 1", "1:1: unknown option \"listening_port\" (did you mean listening-port?)"),
        ("zzzzzzzzzzzz = 1", "1:1: unknown option \"zzzzzzzzzzzz\""),
        ("[relay]\nmin-port = 50000", "1:2: unknown option \"relay\" (options stand by themselves, without tables)"),
        ("cert = \"\"", "1:8: cert: the value is empty"),
        ("secret-file = \"\"", "1:15: secret-file: the value is empty"),
        ("rest-api-separator = \"::\"", "1:22: rest-api-separator: expected exactly one character, found \"::\""),
        ("profile = \"hard\"", "1:11: profile: expected default, coturn, hardened, found \"hard\""),
    ] {
        assert_eq!(problems(load_toml(text)), format!("t.toml:{expected}"), "{text}");
    }
}

#[test]
fn all_mistakes_of_a_file_come_together_in_its_order() {
    let text = problems(load_toml(
        "realm = example.org\nlistening-port = 0\nmin-prt = 5\ncert = \"ä\" 5\nmin-port = 9\nfingerprint =\n\
         total-quota = 1\ntotal-quota = 2\n",
    ));
    let places: Vec<&str> = text.lines().map(|line| line.split(": ").next().unwrap()).collect();
    let expected = ["1:9", "2:18", "3:1", "4:12", "5:12", "6:14", "8:1"].map(|place| format!("t.toml:{place}"));
    assert_eq!(places, expected, "{text}");
    assert_eq!(problems(load_toml("cert = c.pem\npkey = \"k.pem\"")).lines().count(), 1, "cert is not missing");
    assert!(text.contains("t.toml:8:1: not TOML: duplicate key (an option stands once"), "{text}");
}

#[test]
fn mistakes_of_file_and_command_line_come_together() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.toml");
    fs::write(&file, "listening-port = 0\n").unwrap();
    let text = problems(load_line(&format!("-c {} -m 999", file.display())));
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("x.toml:1:18: listening-port") && text.contains("command line: --relay-threads"), "{text}");
}

#[test]
fn a_file_that_is_no_text_says_where() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("x.toml");
    fs::write(&file, b"fingerprint = true\nrealm = \"\xff\"\n").unwrap();
    assert!(problems(load_line(&format!("-c {}", file.display()))).contains("x.toml: line 2 is not UTF-8"));
    assert!(problems(load_line(&format!("-c {}", dir.path().display()))).contains("cannot be read"));
}

#[test]
fn windows_line_ends_do_not_matter() {
    assert_eq!(toml_config("listening-port = 5\r\nmax-port = 50000\r\n").listen.port, 5);
    assert!(problems(load_toml("fingerprint = true\r\nmax-port = x\r\n")).starts_with("t.toml:2:12: "));
}

#[test]
fn options_without_effect_yet_warn_in_a_file_too() {
    let text = warnings(load_toml("cli = true\nno-dtls = true"));
    assert_eq!(count(&text, "t.toml:1:7: cli has no effect yet"), 1, "{text}");
    assert_eq!(count(&text, "t.toml:2:11: no-dtls: it is so already"), 1, "{text}");
}
