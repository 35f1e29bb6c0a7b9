//! Users in a database; `tests/userdb` tells the whole story.

use crate::file::Turndb;
use crate::wire::{Client, Launch, Server};
use crate::{ALICE, BOB, PRIVATE_PEER, REALM};

fn database() -> Turndb {
    let file = Turndb::new();
    file.add_user(ALICE);
    file.run(&format!("INSERT INTO denied_peer_ip VALUES ('{REALM}', '10.0.0.0/8')"));
    file.run(&format!("INSERT INTO turn_realm_option VALUES ('{REALM}', 'user-quota', '1')"));
    file
}

fn start(file: &Turndb, args: &[&str]) -> Server {
    Launch::new(&["-a", "--realm", REALM, "--userdb", file.name()]).and(args).start()
}

fn allocate(server: &Server, (name, password): (&str, &str)) -> (u16, Client) {
    let mut client = Client::udp(server.addr).with_user(name, password);
    (client.allocate().code(), client)
}

pub(crate) fn users_of_the_database_are_let_in() {
    let file = database();
    let server = start(&file, &[]);
    assert_eq!((allocate(&server, ALICE).0, allocate(&server, BOB).0), (0, 401));
    for option in ["-b", "--db"] {
        let server = Launch::new(&["-a", "--realm", REALM, option, file.name()]).start();
        assert_eq!(allocate(&server, ALICE).0, 0, "{option}");
    }
}

pub(crate) fn peers_of_the_database_may_be_left_out() {
    let file = database();
    let permit = |args: &[&str]| {
        let server = start(&file, args);
        allocate(&server, ALICE).1.permit(PRIVATE_PEER.into()).code()
    };
    assert_eq!((permit(&[]), permit(&["--no-dynamic-ip-list"])), (403, 0));
}

pub(crate) fn limits_of_the_database_may_be_left_out() {
    let file = database();
    let second = |args: &[&str]| {
        let server = start(&file, args);
        let first = allocate(&server, ALICE);
        (first.0, allocate(&server, ALICE).0)
    };
    assert_eq!((second(&[]), second(&["--no-dynamic-realms"])), ((0, 486), (0, 0)));
}
