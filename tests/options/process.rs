//! The process around the server, and which set of defaults everything starts from.

use std::fs;

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::wire::{Client, Launch, Server, free_ports, poll_until};
use crate::{ALICE, PRIVATE_PEER, alice, bob, launch, start};

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

/// A line of what the system says of the server.
fn status(server: &Server, name: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server runs");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("every process has it").split_whitespace().next().expect("a number").to_owned()
}

/// Starts with this, as root; others are told that they cannot become somebody else.
fn become_other(arg: &str) -> Option<Server> {
    if geteuid().is_root() {
        return Some(start(&[arg]));
    }
    let ended = launch(&[arg]).run();
    assert!(ended.log.contains("only root can become another user"), "{}", ended.log);
    None
}

pub(crate) fn the_server_becomes_the_user() {
    let Some(server) = become_other("--proc-user=nobody") else { return };
    assert_eq!((status(&server, "Uid"), status(&server, "Gid")), ("65534".to_owned(), "65534".to_owned()));
    alice(&server).relayed();
}

pub(crate) fn the_server_becomes_the_group() {
    let Some(server) = become_other("--proc-group=nogroup") else { return };
    assert_eq!((status(&server, "Uid"), status(&server, "Gid")), ("0".to_owned(), "65534".to_owned()));
}

pub(crate) fn the_server_goes_on_in_the_background() {
    let launch = launch(&[]);
    let path = launch.dir().join("turnserver.pid");
    let port = free_ports(1);
    let args = ["-o", &format!("--pidfile={}", path.display()), &format!("--listening-port={port}")];
    // The command passes on what the server says until it is ready, which may be before it says anything.
    let mut command = launch.and(&args).try_run();
    let status = match &mut command {
        Ok(command) => command.end(),
        Err(ended) => ended.status,
    };
    assert_eq!(status.code(), Some(0));
    let pid = fs::read_to_string(&path).expect("the server is ready");
    let pid = pid.trim().parse().ok().and_then(Pid::from_raw).expect("a process id");
    let mut client = Client::udp(([127, 0, 0, 1], port).into()).with_user(ALICE.0, ALICE.1);
    let code = client.allocate().code();
    kill_process(pid, Signal::TERM).expect("it runs in the background");
    assert_eq!(code, 0);
    poll_until("it ends", || (!path.exists()).then_some(()));
}

/// A server that drains while alice and bob have an allocation; bob's ends by himself.
fn drain(args: &[&str]) -> String {
    let mut server = start(args);
    let mut clients = [alice(&server), bob(&server)];
    for client in &mut clients {
        client.relayed();
    }
    server.signal(Signal::USR1);
    assert!(server.log.find(&["draining", "allocations=2"]).is_some());
    assert_eq!(clients[1].refresh(0).code(), 0);
    assert_eq!(server.end().code(), Some(0));
    server.log.whole()
}

pub(crate) fn a_drain_is_over_in_time() {
    let log = drain(&["--drain-timeout=2"]);
    assert!(log.contains("drain-timeout is over") && log.contains("allocations=1"), "{log}");
}

pub(crate) fn a_drain_leaves_so_many_allocations() {
    let log = drain(&["--drain-min-allocations=1"]);
    assert!(log.contains("drained allocations=1"), "{log}");
}
