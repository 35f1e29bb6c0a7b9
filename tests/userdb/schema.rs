//! The file: made with coturn's tables, or left as its owner made it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::file::Turndb;
use crate::users::allocate;
use crate::wire::Launch;
use crate::{ALICE, BOB, REALM, launch, start};

#[test]
fn a_missing_file_is_made_with_coturns_tables_for_its_owner_alone() {
    let file = Turndb::missing("made.db");
    let mut server = start(&file);
    assert_eq!(server.log.count(&["made a user database", "made.db"]), 1);
    assert_eq!(fs::metadata(file.path()).expect("made").permissions().mode() & 0o777, 0o600);
    let columns = "SELECT m.name || '(' || group_concat(p.name || ' ' || p.type || ' ' || p.pk) || ')' FROM sqlite_master m \
                   JOIN pragma_table_info(m.name) p WHERE m.type = 'table' GROUP BY m.name ORDER BY m.name";
    let made = file.ask(columns);
    let secret = |table: &String| table.replace("value varchar(256) 2", "value varchar(127) 2");
    // coturn's SQLite driver gives secrets 127 letters; its schema file 256. SQLite heeds neither.
    let coturns = Turndb::new().ask(columns);
    assert_eq!(made.iter().map(secret).collect::<Vec<_>>(), coturns.iter().map(secret).collect::<Vec<_>>());
    assert_eq!(made.len(), 8);
    file.add_user(ALICE);
    assert_eq!(allocate(&server, ALICE), 0);
    server.restart();
    assert_eq!(server.log.count(&["made a user database"]), 0, "the next start takes it as it is");
    assert_eq!(allocate(&server, ALICE), 0);
}

#[test]
fn an_empty_file_is_filled_and_one_with_tables_is_left_alone() {
    let file = Turndb::missing("empty.db");
    fs::write(file.path(), "").expect("a directory of our own");
    assert_eq!(start(&file).log.count(&["made a user database"]), 1);

    for mode in ["delete", "wal"] {
        let file = Turndb::new();
        file.add_user(ALICE);
        file.run(&format!("CREATE TABLE other (a); PRAGMA user_version = 7; PRAGMA journal_mode = {mode};"));
        let (schema, bytes) = (file.schema(), fs::read(file.path()).expect("it is there"));
        assert!(schema.contains(&format!("journal_mode {mode}")), "{schema:?}");
        let mut server = start(&file);
        assert_eq!((allocate(&server, ALICE), allocate(&server, BOB)), (0, 401));
        file.add_user(BOB);
        file.run("DELETE FROM turnusers_lt WHERE name = 'bob'");
        assert!(server.terminate().success());
        assert_eq!(file.schema(), schema);
        if mode == "delete" {
            let strip = |mut bytes: Vec<u8>| {
                // The count of changes, which are the test's own.
                bytes[24..28].fill(0);
                bytes[92..96].fill(0);
                bytes.truncate(4096);
                bytes
            };
            assert_eq!(strip(fs::read(file.path()).expect("still")), strip(bytes));
        }
    }
}

/// A name is a name: nothing in it is taken for a URI, its query, or an escape.
#[test]
fn any_name_is_taken_as_it_is() {
    for name in ["a b.db", "what?mode=ro.db", "half#.db", "50%20.db", "file:x.db", ":memory:", "ünï.db"] {
        let file = Turndb::missing(name);
        drop(start(&file));
        assert!(file.path().is_file(), "{name}");
        let others = fs::read_dir(file.dir()).expect("its directory").count();
        assert_eq!(others, 1, "{name}");
    }
}

#[test]
fn a_relative_name_lies_in_the_directory_of_the_process_and_a_tilde_is_the_home() {
    let relative = Launch::new(&["-a", "--realm", REALM, "--db=file:here.db"]).start();
    assert!(relative.dir().join("file:here.db").is_file());
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from).expect("a home");
    let file = turnserver::config::Database { file: "~/turndb".into(), peer_lists: true, realm_options: true };
    assert_eq!(file.path(Some(home.as_os_str())), home.join("turndb"));
    let named = |name: &str| turnserver::config::Database { file: name.into(), ..file.clone() };
    assert_eq!(named("~").path(Some("/h".as_ref())), std::path::Path::new("/h"));
    assert_eq!(
        named("~x/db").path(Some("/h".as_ref())),
        std::path::Path::new("~x/db"),
        "another user's home is not known"
    );
    assert_eq!(named("~/db").path(None), std::path::Path::new("~/db"));
}

/// What coturn's packages leave behind is used where credentials are asked for, and only in coturn's profile.
#[test]
fn coturns_own_file_is_found_where_it_lies() {
    let file = Turndb::new();
    let found = turnserver::userdb::coturn_file(&["/nowhere/turndb", file.name()]);
    assert_eq!(found.as_deref(), Some(file.path()));
    assert_eq!(turnserver::userdb::coturn_file(&["/nowhere/turndb", "/"]), None);
    drop(launch(&file, &[]));
}
