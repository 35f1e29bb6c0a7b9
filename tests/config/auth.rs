//! Who may allocate, which credentials win, what is too weak, and that no secret is ever shown.

use turnserver::config::{AuthMode, Command, RawKeys, UserSecret};

use crate::{config, count, load_line, load_toml, parse, problems, toml_config, warnings};

const KEY: &str = "00112233445566778899aAbBcCdDeEfF";

#[test]
fn credentials_decide_the_mode() {
    for (line, mode) in [
        ("-r r", AuthMode::StunOnly),
        ("-z", AuthMode::Anonymous),
        ("-z --no-auth=off", AuthMode::StunOnly),
        ("-u a:b", AuthMode::LongTerm),
        ("-a -u a:b", AuthMode::LongTerm),
        ("-a", AuthMode::LongTerm),
        ("--lt-cred-mech=no -u a:b", AuthMode::LongTerm),
        ("--use-auth-secret", AuthMode::SharedSecret),
        ("--static-auth-secret=s1", AuthMode::SharedSecret),
        ("--secret-file=x", AuthMode::SharedSecret),
        ("-a -u a:b --static-auth-secret=s1", AuthMode::SharedSecret),
    ] {
        assert_eq!(config(line).auth.mode, mode, "{line}");
    }
}

#[test]
fn a_user_is_split_at_the_first_colon() {
    let users = format!("\"alice:pass:word\", \"bob:0x{KEY}\", \"@c@h:0\"");
    let config = toml_config(&format!("realm = \"r\"\nuser = [{users}]"));
    let [alice, bob, carol] = &config.auth.users[..] else { panic!("three users") };
    assert!(alice.name == "alice" && alice.secret == UserSecret::Password("pass:word".to_owned().into()));
    let key = [0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff];
    assert!(bob.name == "bob" && bob.secret == UserSecret::Keys(vec![RawKeys::md5_only(key)]));
    assert!(carol.name == "@c@h" && carol.secret == UserSecret::Password("0".to_owned().into()));
}

#[test]
fn a_bad_user_is_refused_without_showing_the_password() {
    for (value, expected) in [
        ("hunter2", "expected NAME:PASSWORD or NAME:0xKEY"),
        (":hunter2", "expected a name of 1 to 508 bytes"),
        ("alice:", "the password of \"alice\" is empty"),
        ("alice:0xhunter2", "the key of \"alice\" is not exactly 32 hex digits"),
        ("alice:0x", "the key of \"alice\" is not exactly 32 hex digits"),
        ("alice:0x00112233445566778899aabbccddeef", "the key of \"alice\""),
        ("alice:0x00112233445566778899aabbccddeeff0", "the key of \"alice\""),
        ("alice:0x00112233445566778899aabbccddeegg", "the key of \"alice\""),
    ] {
        for loaded in [load_line(&format!("-r r -u {value}")), load_toml(&format!("realm = \"r\"\nuser = \"{value}\""))]
        {
            let text = problems(loaded);
            assert!(text.contains(expected), "{value}: {text}");
            assert!(!text.contains("hunter2") && !text.contains("0011"), "{text}");
            assert_eq!(text.lines().count(), 1, "{text}");
        }
    }
}

#[test]
fn no_text_of_an_error_or_of_debug_shows_a_secret() {
    let line = "-r r -u alice:hunter2 --static-auth-secret=hunter2-too";
    let command = parse(line).unwrap();
    assert!(matches!(command, Command::Serve(_)));
    assert!(!format!("{command:?}").contains("hunter2"), "{command:?}");
    let loaded = load_line(line).unwrap();
    assert!(!format!("{loaded:?}").contains("hunter2"), "{loaded:?}");
    for text in [
        "static-auth-secret = \"hunter2",
        "static-auth-secret = hunter2",
        "static-auth-secret = \"hunter2\" \"hunter2\"",
        "user = [\"hunter2\"",
        "user = 'hunter2' fingerprint = true",
        "static-auth-secert = \"hunter2\"",
        "user = [\"a:b\", [\"hunter2\"]]",
    ] {
        let text = problems(load_toml(text));
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(!problems(load_toml("static-auth-secret = 4711\nuser = 4711")).contains("4711"));
}

#[test]
fn contradictions_are_fatal() {
    for line in ["-z -a", "-a -u a:b -z", "-z --use-auth-secret", "-z --static-auth-secret=s1", "-z --secret-file=x"] {
        let text = problems(load_line(line));
        assert!(text.contains("--no-auth: no-auth contradicts"), "{line}: {text}");
    }
    assert!(problems(load_toml("no-auth = true\n\nlt-cred-mech = true")).contains("(t.toml:3:16)"));
}

#[test]
fn what_is_ignored_is_said() {
    assert!(warnings(load_line("-z -u a:b")).contains("--user: users are ignored (no-auth lets everybody in)"));
    let text = warnings(load_line("-r r -a -u a:b --use-auth-secret --static-auth-secret=s1"));
    assert!(text.contains("static users are ignored (a shared secret is configured, and it wins)"), "{text}");
    let auth = config("-r r -a -u a:b --static-auth-secret=s1 --static-auth-secret=s2 --static-auth-secret=s1").auth;
    assert_eq!((auth.users.len(), auth.secrets), (0, vec!["s1".to_owned(), "s2".to_owned()]));
    assert!(warnings(load_line("-r r -u a:b")).contains("lt-cred-mech is turned on"));
    assert_eq!(warnings(load_line("-r r -a -u a:b")), "");
    assert_eq!(warnings(load_toml("realm = \"r\"\nuser = \"a:b\"")), "");
    let text = warnings(load_toml("realm = \"r\"\nuser = [\"a:b\", \"c:d\", \"a:x\", \"c:d\"]"));
    assert_eq!(count(&text, "is given twice"), 1, "{text}");
    assert!(text.contains("user \"a\" is given twice (the last password counts)"), "{text}");
}

#[test]
fn anonymous_access_is_warned_about_and_refused_when_hardened() {
    for loaded in [load_line("-z"), load_toml("no-auth = true")] {
        assert!(warnings(loaded).contains("anybody who reaches this server may relay through it"));
    }
    assert!(problems(load_line("-z --profile=hardened")).contains("no-auth is refused in the hardened profile"));
}

#[test]
fn nobody_to_authenticate_is_said_and_refused_when_hardened() {
    for (line, message) in [
        ("-r r", "no users and no secret: only STUN Binding requests are answered"),
        ("-r r -a", "lt-cred-mech is on and there is no user"),
        ("-r r --use-auth-secret", "use-auth-secret is on and there is no secret"),
    ] {
        assert!(warnings(load_line(line)).contains(message), "{line}");
        assert!(warnings(load_line(&format!("{line} --profile=default"))).contains(message), "{line}");
        assert!(problems(load_line(&format!("{line} --profile=hardened"))).contains(message), "{line}");
    }
    assert_eq!(warnings(load_toml("realm = \"r\"\nprofile = \"hardened\"\nsecret-file = \"x\"")), "");
}

#[test]
fn a_secret_from_a_documentation_is_refused() {
    for secret in ["north", "changeme", "secret", "logen"] {
        let line = format!("-r r --static-auth-secret={secret}");
        assert!(warnings(load_line(&line)).contains("is an example from a documentation"), "{line}");
        for profile in ["default", "hardened"] {
            let text = problems(load_line(&format!("{line} --profile={profile}")));
            assert!(text.contains("--static-auth-secret: the secret is an example"), "{text}");
        }
    }
    for profile in ["default", "coturn", "hardened"] {
        let text = problems(load_line(&format!("-r r --static-auth-secret= --profile={profile}")));
        assert_eq!(text, "command line: --static-auth-secret: the secret is empty (use a long random text)");
    }
}

#[test]
fn a_password_that_everybody_knows_is_refused() {
    for (user, message) in [
        ("turn:changeme", "user: the password of \"turn\" is an example from a documentation"),
        ("user:joshua", "user: the password of \"user\" is an example"),
        ("turn:turn", "user: the password of \"turn\" is its name"),
    ] {
        let line = format!("-r r -a -u {user}");
        assert!(warnings(load_line(&line)).contains(message), "coturn's users go on: {line}");
        for profile in ["default", "hardened"] {
            assert!(problems(load_line(&format!("{line} --profile={profile}"))).contains(message), "{line}");
        }
    }
}

#[test]
fn a_short_secret_is_doubtful() {
    let text = warnings(load_line("-r r --static-auth-secret=0123456789abcde"));
    assert!(text.contains("--static-auth-secret: the secret is shorter than 16 bytes"), "{text}");
    assert_eq!(warnings(load_line("-r r --static-auth-secret=0123456789abcdef")), "");
}

#[test]
fn a_realm_is_needed_where_credentials_are() {
    for loaded in [load_line("-u a:b"), load_line("--use-auth-secret --static-auth-secret=s1")] {
        assert_eq!(loaded.as_ref().unwrap().config.auth.realm, "turnserver");
        assert!(warnings(loaded).contains("realm is not given; clients are told \"turnserver\""));
    }
    assert!(problems(load_line("-u a:b --profile=hardened")).contains("realm is not given"));
    assert!(!warnings(load_line("-z")).contains("realm"));
}

// RFC 8489 section 9.2.2: quotes around it, and NULs behind it, are no part of a realm.
#[test]
fn a_realm_may_stand_in_quotes() {
    for written in [r#"\"example.org\""#, r"example.org\u0000", r#"\"example.org\"\u0000\u0000"#] {
        assert_eq!(toml_config(&format!("realm = \"{written}\"")).auth.realm, "example.org", "{written}");
    }
    assert!(problems(load_toml(r#"realm = "\"\"""#)).contains("expected 1 to 127 bytes, found 0"));
}

#[test]
fn a_realm_has_limits() {
    let long = "x".repeat(127);
    assert_eq!(config(&format!("-u a:b -r {long}")).auth.realm, long);
    assert!(problems(load_line(&format!("-u a:b -r {long}x"))).contains("expected 1 to 127 bytes, found 128"));
    assert!(problems(load_line("-u a:b --realm=")).contains("--realm: expected 1 to 127 bytes, found 0"));
    for realm in [r"a\nb", r"a\u0000b", r#"a\"b"#] {
        let text = problems(load_toml(&format!("realm = \"{realm}\"")));
        assert!(text.starts_with("t.toml:1:9: realm: control characters and double quotes"), "{text}");
    }
}
