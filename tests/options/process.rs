//! The process around the server, and which set of defaults everything starts from.

use std::fs;

use crate::wire::{Launch, Server, poll_until};
use crate::{PRIVATE_PEER, alice, launch, start};

pub(crate) fn a_profile_is_a_set_of_defaults() {
    for (args, name, code) in [
        (&[][..], "coturn", 0),
        (&["--profile=coturn"], "coturn", 0),
        (&["--profile=default"], "default", 403),
        (&["--profile=hardened"], "hardened", 403),
    ] {
        let server = start(args);
        assert_eq!(server.log.count(&["no configuration file", &format!("profile=\"{name}\"")]), 1, "{args:?}");
        let mut client = alice(&server);
        client.relayed();
        assert_eq!(client.permit(PRIVATE_PEER.into()).code(), code, "{name}");
    }
    let nobody = Launch::new(&["--profile=hardened", "--realm=r.example"]).run();
    assert!(!nobody.status.success() && nobody.log.contains("no users and no secret"), "{}", nobody.log);
    let unknown = Launch::new(&["--profile=hardend"]).run();
    assert!(unknown.log.contains("did you mean hardened?"), "{}", unknown.log);
}

/// The names of the server's worker threads.
fn workers(server: &Server) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("the server runs");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let mut names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    names.retain(|name| name.starts_with("worker-"));
    names.sort();
    names
}

pub(crate) fn so_many_threads_relay() {
    for (count, names) in [("3", &["worker-0", "worker-1", "worker-2"][..]), ("0", &["worker-0"])] {
        let server = launch(&["-m", count]).start();
        // A thread gives itself its name when it first runs.
        poll_until(&format!("the workers are {names:?}"), || (workers(&server) == names).then_some(()));
        assert_eq!(server.log.count(&["listening", &format!("workers={}", names.len())]), 1);
        let mut clients: Vec<_> = (0..8).map(|_| alice(&server)).collect();
        assert!(clients.iter_mut().all(|client| client.allocate().code() == 0));
    }
}

/// A server's log after a client got a permission and asked again.
fn log_of_a_session(args: &[&str]) -> Server {
    let server = start(args);
    let mut client = alice(&server);
    client.relayed();
    assert_eq!(client.permit(PRIVATE_PEER.into()).code(), 0);
    client.settle();
    assert!(server.log.find(&["INFO", "allocation created", "user=\"alice\""]).is_some());
    server
}

pub(crate) fn verbose_logs_sessions() {
    assert!(log_of_a_session(&["-v"]).log.find(&["DEBUG", "permission installed", "10.1.2.3"]).is_some());
    assert_eq!(log_of_a_session(&[]).log.count(&["DEBUG"]), 0);
}

pub(crate) fn more_verbose_logs_sessions() {
    assert!(log_of_a_session(&["-V"]).log.find(&["DEBUG", "permission installed", "10.1.2.3"]).is_some());
    assert_eq!(log_of_a_session(&["-V", "--Verbose=off"]).log.count(&["DEBUG"]), 0);
}

pub(crate) fn the_process_id_is_written() {
    let launch = launch(&[]);
    let path = launch.dir().join("turnserver.pid");
    let mut server = launch.and(&[&format!("--pidfile={}", path.display())]).start();
    // The file is there as soon as the server listens.
    assert_eq!(fs::read_to_string(&path).expect("the file is written"), format!("{}\n", server.pid()));
    assert!(server.terminate().success());
    assert!(!path.exists(), "the file of a process that ended is gone");
    let mut server = super::launch(&[]).and(&[&format!("--pidfile={}", path.display())]).start();
    fs::write(&path, "1\n").expect("the directory is ours");
    assert!(server.terminate().success());
    assert_eq!(fs::read_to_string(&path).expect("it is kept"), "1\n", "another process has the file now");
}
