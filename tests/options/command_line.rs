//! What is no option of the table: the choice of a file, the help, the version, usage errors.

use turnserver::config::options;

use crate::wire::{Client, Launch};
use crate::{PRIVATE_PEER, alice, launch};

const FILE: &str = "realm = \"file.example\"\nuser = [\"alice:wonderland-27\"]\nuser-quota = 1\n";

#[test]
fn a_named_file_is_read_and_the_command_line_wins() {
    let server = Launch::new(&[]).with_file(FILE).start();
    assert_eq!(server.log.count(&["configuration read", "configuration.toml", "profile=\"default\""]), 1);
    let mut client = alice(&server);
    assert_eq!(client.allocate().code(), 0);
    assert_eq!(client.permit(PRIVATE_PEER.into()).code(), 403, "a file has the safe defaults");
    assert_eq!(alice(&server).allocate().code(), 486);

    let server = Launch::new(&["--user-quota=2", "--user=bob:builder-81"]).with_file(FILE).start();
    let mut clients = [alice(&server), alice(&server), crate::bob(&server)];
    assert_eq!(clients.each_mut().map(|client| client.allocate().code()), [0, 0, 0], "lists add up, numbers do not");
}

#[test]
fn a_file_that_is_missing_or_wrong_is_told_with_its_place() {
    let missing = Launch::new(&[]).reading("gone.toml").run();
    assert!(!missing.status.success() && missing.log.contains("gone.toml: there is no such file"), "{}", missing.log);
    let wrong = Launch::new(&[]).with_file("user-quota = -1\nrelm = \"x\"\n").run();
    assert!(wrong.log.contains(":1:14: user-quota: expected a number"), "{}", wrong.log);
    assert!(wrong.log.contains(":2:1: unknown option \"relm\" (did you mean realm?)"), "{}", wrong.log);
}

#[test]
fn without_a_file_the_one_in_the_directory_is_not_read() {
    let launch = launch(&[]);
    launch.write("turnserver.toml", "this is no TOML");
    let server = launch.start();
    assert_eq!(server.log.count(&["no configuration file"]), 1);
}

#[test]
fn the_version_is_printed() {
    let ended = Launch::new(&["--version"]).run();
    assert_eq!((ended.status.code(), ended.out.trim()), (Some(0), env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_help_names_every_option_that_does_something() {
    for letter in ["-h", "--help"] {
        let ended = Launch::new(&[letter]).run();
        assert_eq!(ended.status.code(), Some(0));
        for option in options::all() {
            let is_there = ended.out.split([' ', '[', '\n']).any(|word| word == format!("--{}", option.name));
            assert_eq!(is_there, option.category.is_served(), "{}:\n{}", option.name, ended.out);
        }
    }
}

#[test]
fn a_usage_error_ends_the_server_as_coturn_ends() {
    let ended = Launch::new(&["--listening-prot=1"]).run();
    assert_eq!(ended.status.code(), Some(255));
    assert!(ended.log.contains("did you mean --listening-port?"), "{}", ended.log);
}

#[test]
fn without_users_only_stun_is_served_and_the_log_says_so() {
    let server = Launch::new(&["--realm=r.example"]).start();
    assert_eq!(server.log.count(&["WARN", "no users and no secret", "secret-file"]), 1);
    let mut client = Client::udp(server.addr);
    assert_eq!(client.binding().mapped(), client.local());
}

#[test]
fn an_address_that_cannot_be_listened_on_is_told_once() {
    // RFC 5737: no host has this one.
    let ended = Launch::new(&[]).listening_on(&["198.51.100.7"]).run();
    assert_eq!(ended.status.code(), Some(255));
    assert_eq!(ended.log.matches("cannot listen on 198.51.100.7").count(), 1, "{}", ended.log);
    assert_eq!(ended.log.matches("os error").count(), 1, "{}", ended.log);
}

#[test]
fn a_second_server_on_the_same_port_is_refused() {
    let server = launch(&[]).start();
    let port = format!("--listening-port={}", server.addr.port());
    let ended = Launch::new(&["--no-tcp", &port]).run();
    assert!(ended.log.contains(&format!("{} is in use", server.addr)), "{}", ended.log);
    let ended = Launch::new(&["--no-udp", &port]).run();
    assert!(ended.log.contains(&format!("{} is in use", server.addr)), "{}", ended.log);
    assert_eq!(alice(&server).allocate().code(), 0, "the first one goes on");
}
