//! `turnserver check` and `turnserver convert` as commands: what they print, where, and how they end.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const GOOD: &str = "realm=r.example\nlt-cred-mech\nuser=alice:wonderland-27\nno-cli\n";

/// Runs the built server in a directory with `turnserver.conf` in it, and an environment of its own.
fn run(text: &str, args: &[&str], variables: &[(&str, &str)]) -> (TempDir, Output) {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("turnserver.conf"), text).expect("a directory of our own");
    let mut command = Command::new(env!("CARGO_BIN_EXE_turnserver"));
    command.args(args).env_clear().envs(variables.iter().copied()).current_dir(dir.path());
    let output = command.output().expect("the built server can be started");
    (dir, output)
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_good_configuration_is_told_with_its_warnings() {
    let (_dir, output) = run(GOOD, &["check", "turnserver.conf"], &[]);
    let (out, told) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(0), ""));
    assert_eq!(
        told,
        "note: turnserver.conf:4:1: no-cli: it is so already (There is no console that could be turned off.)\n\
         turnserver.conf: 0 errors, 0 warnings; no mistake was found in the configuration, with profile coturn\n"
    );
}

#[test]
fn a_bad_one_is_told_with_every_place() {
    let text = format!("{GOOD}listening-port=many\nmin_port=5\n");
    let variables = [("TURNSERVER_MAX_PORT", "high"), ("TURNSERVER_SERVICE_HOST", "10.0.0.1")];
    let (_dir, output) = run(&text, &["check", "-c", "turnserver.conf", "-m", "999"], &variables);
    let (out, told) = texts(&output);
    assert_eq!((output.status.code(), out.as_str()), (Some(1), ""));
    for line in [
        "error: turnserver.conf:5:16: listening-port: expected a number from 1 to 65535, found \"many\"\n",
        "error: environment: TURNSERVER_MAX_PORT: expected a number from 0 to 65535, found \"high\"\n",
        "error: command line: --relay-threads: expected a number from 0 to 128, found 999\n",
        "warning: turnserver.conf:6:1: unknown option \"min_port\", which changes nothing (did you mean min-port?)\n",
        "warning: environment: TURNSERVER_SERVICE_HOST: unknown variable, which changes nothing\n",
        "turnserver.conf: 3 errors, 2 warnings; the server would not start, with profile coturn\n",
    ] {
        assert!(told.contains(line), "{line}:\n{told}");
    }
}

#[test]
fn what_is_in_force_is_printed_without_secrets() {
    let variables = [("TURNSERVER_USER_QUOTA", "7")];
    let (_dir, output) = run(GOOD, &["check", "--effective", "-p", "3479", "turnserver.conf"], &variables);
    let (out, told) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for line in [
        "listening-port = 3479  # command line: --listening-port\n",
        "user-quota = 7  # environment: TURNSERVER_USER_QUOTA\n",
        "realm = \"r.example\"  # turnserver.conf:1:7\n",
        "\"alice:...\",  # turnserver.conf:3:6\n",
        "total-quota = 0\n",
    ] {
        assert!(out.contains(line), "{line}:\n{out}");
    }
    assert!(!out.contains("wonderland") && !told.contains("wonderland"));
    let (_dir, output) = run("listening-port=x", &["check", "--effective", "turnserver.conf"], &[]);
    assert_eq!((output.status.code(), texts(&output).0), (Some(1), String::new()), "nothing is in force");
}

#[test]
fn a_certificate_that_cannot_be_read_is_told() {
    let (_dir, output) = run(&format!("{GOOD}cert=/nowhere.pem\npkey=/nowhere.key\n"), &["check"], &[]);
    let (_, told) = texts(&output);
    assert_eq!(output.status.code(), Some(0), "the server starts without TLS: {told}");
    assert!(told.contains("warning: TLS would not be served: ") && told.contains("/nowhere."), "{told}");
    assert!(told.contains("./turnserver.conf: 0 errors, 1 warning"), "the file was found: {told}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_told() {
    for (args, told) in [
        (&["check", "--listning-port=1"][..], "did you mean --listening-port?"),
        (&["check", "turnserver.conf", "turnserver.conf"], "one FILE at most"),
        (&["check", "--version"], "check takes no such option"),
        (&["check", "missing.conf"], "missing.conf: there is no such file"),
        (&["convert", "missing.conf"], "missing.conf: cannot be read"),
        (&["convrt"], "there are check, convert and probe"),
    ] {
        let (_dir, output) = run(GOOD, args, &[]);
        let (_, text) = texts(&output);
        assert!(!output.status.success() && text.contains(told), "{args:?}: {text}");
    }
    for (args, told) in [
        (&["check", "--help"][..], "turnserver check [FILE]"),
        (&["convert", "--help"], "turnserver convert"),
        (&["--help"], "turnserver check [FILE]"),
    ] {
        let (_dir, output) = run(GOOD, args, &[]);
        assert!(output.status.success() && texts(&output).0.contains(told), "{args:?}");
    }
}

#[test]
fn a_conversion_is_written_for_its_owner_alone_and_over_nothing() {
    let (dir, output) = run(GOOD, &["convert", "turnserver.conf"], &[]);
    let (toml, _) = texts(&output);
    assert!(output.status.success() && toml.contains("user = \"alice:wonderland-27\"\n"), "{toml}");
    drop(dir);
    let (dir, output) = run(GOOD, &["convert", "turnserver.conf", "-o", "turnserver.toml"], &[]);
    assert!(output.status.success(), "{}", texts(&output).1);
    let path = dir.path().join("turnserver.toml");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((fs::read_to_string(&path).expect("text"), mode(&path)), (toml, 0o600));
    let (dir, output) = run(GOOD, &["convert", "turnserver.conf", "-o", "turnserver.conf"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(texts(&output).1.contains("is there already, and stays as it is"));
    assert_eq!(fs::read_to_string(dir.path().join("turnserver.conf")).expect("text"), GOOD);
    let (dir, output) = run("listening-port=x\n", &["convert", "turnserver.conf", "-o", "new.toml"], &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(texts(&output).1.contains("turnserver.conf:1:16: listening-port: expected a number"));
    assert!(!dir.path().join("new.toml").exists());
}

/// What the configuration names and the machine has not.
#[test]
fn what_is_missing_on_the_machine_is_an_error() {
    let toml =
        |line: &str| format!("profile = \"default\"\nuser = \"alice:wonderland-27\"\nrealm = \"r.example\"\n{line}\n");
    for (text, told) in [
        (toml("proc-user = \"no-such-user\""), "error: proc-user no-such-user: there is no such user\n"),
        (toml("proc-group = \"no-such-group\""), "error: proc-group no-such-group: there is no such group\n"),
        (toml("log-file = \"/nonexistent/turn.log\""), "error: log-file: there is no directory /nonexistent\n"),
        (toml("userdb = \"/nonexistent/turndb\""), "error: userdb: there is no directory /nonexistent\n"),
        (toml("secret-file = \"/nonexistent/s\""), "error: secret-file: there is no directory /nonexistent\n"),
    ] {
        let (_dir, output) = run(&text, &["check", "turnserver.conf"], &[]);
        let (_, said) = texts(&output);
        assert!(said.contains(told) && said.contains("1 error, "), "{text}:\n{said}");
        assert!(said.contains("the server would not start"), "{said}");
        assert_eq!(output.status.code(), Some(1), "{text}");
    }
    let (_dir, output) = run(&toml("log-file = \"turn.log\""), &["check", "turnserver.conf"], &[]);
    assert_eq!(output.status.code(), Some(0), "{}", texts(&output).1);
}
