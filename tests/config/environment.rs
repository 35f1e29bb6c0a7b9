//! The environment: its names and values, and what wins over what.

use std::ffi::OsString;
use std::fs;

use turnserver::config::options::{self, Kind, Preset};
use turnserver::config::raw::Value;
use turnserver::config::{AuthMode, Config, Judged, LogLevel, Profile, Sources, judge};

use crate::serve;

fn judged(line: &str, variables: &[(&str, &str)]) -> Judged {
    let environment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
    judge(&serve(line), &Sources { environment, ..Sources::default() })
}

fn config(variables: &[(&str, &str)]) -> Config {
    let judged = judged("", variables);
    judged.config.unwrap_or_else(|| panic!("{:?}", judged.problems))
}

#[test]
fn every_option_has_a_variable_that_takes_its_words() {
    for option in options::all() {
        let value = match (option.kind, option.default[0], option.example) {
            (_, _, [example, ..]) => (*example).to_owned(),
            (Kind::Switch, ..) => "yes".to_owned(),
            (_, Preset::Value(text), _) => text.to_owned(),
            (Kind::Integer { max, .. }, ..) => max.to_string(),
            (Kind::Text(_) | Kind::Word(_), ..) => "value".to_owned(),
        };
        let variable = format!("TURNSERVER_{}", option.name.to_uppercase().replace('-', "_"));
        let judged = judged("", &[(&variable, &value)]);
        // Of two names that differ in case only there is one variable.
        let set: Vec<String> = judged.settings.iter().map(|setting| setting.option.name.to_lowercase()).collect();
        assert_eq!(set, [option.name.to_lowercase()], "{variable}={value}");
        assert!(judged.settings[0].value == Value::Untyped(value), "{variable}");
    }
}

#[test]
fn variables_have_the_words_of_the_command_line() {
    let config = config(&[
        ("TURNSERVER_LISTENING_PORT", "3479"),
        ("TURNSERVER_FINGERPRINT", "yes"),
        ("TURNSERVER_NO_TLS", "0"),
        ("TURNSERVER_STALE_NONCE", "30"),
        ("TURNSERVER_REALM", "turn.example"),
        ("TURNSERVER_RFC5766_CHANNEL_NUMBERS", "on"),
        ("TURNSERVER_VERBOSE", "1"),
        ("TURNSERVER_USER", "alice:a pass word\nbob:builder-81\n"),
        ("TURNSERVER_DENIED_PEER_IP", "192.0.2.1 192.0.2.2-192.0.2.9\n2001:db8::/32"),
        ("turnserver_realm", "not ours"),
        ("TURNSERVE_REALM", "not ours"),
    ]);
    assert_eq!((config.listen.port, config.listen.tls, config.auth.nonce_lifetime_secs), (3479, true, 30));
    assert!(config.protocol.fingerprint && config.protocol.channel_number_max == 0x7FFF);
    assert_eq!((config.auth.realm.as_str(), config.log.level), ("turn.example", LogLevel::Debug));
    assert_eq!((config.auth.mode, config.auth.users.len(), config.peers.denied.len()), (AuthMode::LongTerm, 2, 3));
    assert_eq!(config.profile, Profile::Default, "coturn reads no environment");
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    for name in ["TURNSERVER_REALM", "TURNSERVER_NO_AUTH", "TURNSERVER_LISTENING_IP", "TURNSERVER_MIN_PORT"] {
        assert_eq!(config(&[(name, "")]), config(&[]), "{name}");
    }
}

#[test]
fn what_platforms_put_there_warns_and_changes_nothing() {
    let names = [
        "TURNSERVER_SERVICE_HOST",
        "TURNSERVER_SERVICE_PORT",
        "TURNSERVER_PORT",
        "TURNSERVER_PORT_3478_UDP",
        "TURNSERVER_PORT_3478_UDP_ADDR",
        "TURNSERVER_",
    ];
    let variables: Vec<(&str, &str)> = names.iter().map(|name| (*name, "udp://10.0.0.1:hunter2")).collect();
    let judged = judged("", &variables);
    assert_eq!(judged.config, Some(config(&[])));
    for name in names {
        let told = format!("environment: {name}: unknown variable, which changes nothing");
        let told = judged.warnings.iter().filter(|warning| warning.to_string().starts_with(&told));
        assert_eq!(told.count(), 1, "{name}");
    }
    assert!(judged.warnings.iter().all(|warning| !warning.to_string().contains("hunter2")));
}

/// `TURNSERVER_PROMETHEUS_PORT` is what a service called turnserver-prometheus has every container told.
#[test]
fn an_address_of_another_service_is_no_port() {
    let ports = options::all().filter(|option| matches!(option.kind, Kind::Integer { .. }));
    let ports: Vec<&str> = ports.map(|option| option.name).filter(|name| name.ends_with("-port")).collect();
    assert!(ports.len() >= 5, "{ports:?}");
    for name in ports {
        let variable = format!("TURNSERVER_{}", name.to_uppercase().replace('-', "_"));
        for value in ["tcp://10.3.4.5:9641", "udp://10.3.4.5:3478", "sctp://10.3.4.5:1"] {
            let judged = judged("", &[(&variable, value)]);
            assert_eq!(judged.config, Some(config(&[])), "{variable}={value}");
            let told = format!("environment: {variable}: the address of another service, which changes nothing");
            let told = judged.warnings.iter().filter(|warning| warning.to_string().starts_with(&told));
            assert_eq!(told.count(), 1, "{variable}={value}");
        }
        assert!(judged("", &[(&variable, "tcp:3478")]).config.is_none(), "{variable}");
    }
}

#[test]
fn a_value_that_is_no_text_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let environment = vec![("TURNSERVER_REALM".into(), OsString::from_vec(vec![b'a', 0xff]))];
    let judged = judge(&serve(""), &Sources { environment, ..Sources::default() });
    assert_eq!(judged.problems[0].to_string(), "environment: TURNSERVER_REALM: the value is not UTF-8");
}

/// What each of the three says of a number, and which of them counts.
#[test]
fn the_command_line_is_over_the_environment_and_that_over_the_file() {
    let dir = tempfile::tempdir().unwrap();
    for (file, variable, line, port) in [
        (None, None, None, 3478),
        (Some(1), None, None, 1),
        (None, Some(2), None, 2),
        (None, None, Some(3), 3),
        (Some(1), Some(2), None, 2),
        (Some(1), None, Some(3), 3),
        (None, Some(2), Some(3), 3),
        (Some(1), Some(2), Some(3), 3),
    ] {
        for (name, prefix) in [("t.toml", "no-auth = true\n"), ("t.conf", "no-auth\n")] {
            let path = dir.path().join(name);
            let port_line = file.map(|port: u16| format!("listening-port = {port}\n")).unwrap_or_default();
            fs::write(&path, format!("{prefix}{port_line}relay-ip = \"192.0.2.1\"\nexternal-ip = \"192.0.2.11\"\n"))
                .unwrap();
            let mut words = format!("-c {}", path.display());
            if let Some(port) = line {
                words.push_str(&format!(" -p {port} -E 192.0.2.3 -X 192.0.2.13"));
            }
            let value = variable.map(|port: u16| port.to_string()).unwrap_or_default();
            let judged = judged(
                &words,
                &[
                    ("TURNSERVER_LISTENING_PORT", value.as_str()),
                    ("TURNSERVER_RELAY_IP", if value.is_empty() { "" } else { "192.0.2.2" }),
                    ("TURNSERVER_EXTERNAL_IP", if value.is_empty() { "" } else { "192.0.2.12" }),
                ],
            );
            let config = judged.config.unwrap_or_else(|| panic!("{:?}", judged.problems));
            assert_eq!(config.listen.port, port, "{file:?} {variable:?} {line:?} {name}");
            let given = 1 + usize::from(variable.is_some()) + usize::from(line.is_some());
            assert_eq!(config.relay.ips.len(), given, "lists add up");
            let last = line.map_or(variable.map_or(11, |_| 12), |_| 13);
            assert_eq!(config.relay.external.single, [std::net::IpAddr::from([192, 0, 2, last])], "a scalar of a kind");
        }
    }
}

#[test]
fn the_profile_may_come_from_anywhere() {
    for (variable, line, profile) in [
        ("", "", Profile::Default),
        ("coturn", "", Profile::Coturn),
        ("coturn", "--profile=default", Profile::Default),
        ("default", "-p 5", Profile::Default),
        ("", "-p 5", Profile::Coturn),
    ] {
        assert_eq!(judged(line, &[("TURNSERVER_PROFILE", variable)]).profile, profile, "{variable:?} {line:?}");
    }
}
