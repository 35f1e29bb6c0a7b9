//! What the service manager is told, and when.

use std::fs;
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::Duration;

use rustix::process::Signal;

use crate::supervisor::Supervisor;
use crate::wire::{Client, Launch, Server, tls};
use crate::{alice, launch};

fn start(supervisor: &Supervisor, args: &[&str]) -> Server {
    launch(args).with_env("NOTIFY_SOCKET", &supervisor.name).start()
}

#[test]
fn ready_is_told_once_every_socket_is_bound() {
    let mut supervisor = Supervisor::new();
    let certificate = tls::Certificate::new();
    let ips = ["127.0.0.1", "127.0.0.2", "::1"];
    let launch = certificate.given_to(launch(&["--relay-threads=2"])).listening_on(&ips);
    let server = launch.with_env("NOTIFY_SOCKET", &supervisor.name).start();
    let ready = supervisor.wait_for("READY=1", 0);
    assert_eq!(ready, 0, "nothing is told before: {:?}", supervisor.told);
    assert!(supervisor.told[0].contains(&format!("MAINPID={}\n", server.pid())), "{:?}", supervisor.told);
    for ip in ips {
        let ip: IpAddr = ip.parse().expect("an address");
        for port in [server.addr.port(), server.tls_addr.port()] {
            TcpStream::connect((ip, port)).expect("it listens");
        }
        assert_eq!(Client::udp((ip, server.addr.port()).into()).binding().code(), 0, "{ip}");
    }
    assert_eq!(supervisor.count("READY=1"), 1);
}

#[test]
fn a_server_that_cannot_bind_is_never_ready() {
    let mut supervisor = Supervisor::new();
    let taken = UdpSocket::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("a bound socket").port();
    let launch = launch(&[&format!("--listening-port={port}")]).with_env("NOTIFY_SOCKET", &supervisor.name);
    let ended = launch.run();
    assert_eq!(ended.status.code(), Some(255), "{}", ended.log);
    assert_eq!(supervisor.count("READY=1"), 0, "{:?}", supervisor.told);
}

#[test]
fn a_reload_stands_between_reloading_and_ready() {
    let mut supervisor = Supervisor::new();
    let server = start(&supervisor, &[]);
    let mut from = supervisor.wait_for("READY=1", 0) + 1;
    for _ in 0..3 {
        server.signal(Signal::HUP);
        let reloading = supervisor.wait_for("RELOADING=1", from);
        let since = supervisor.told[reloading].lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC="));
        let since: u64 = since.and_then(|since| since.parse().ok()).expect("systemd asks for the time");
        assert!(since <= turnserver::clock::now().mono.0 / 1000);
        from = supervisor.wait_for("READY=1", reloading) + 1;
    }
    assert_eq!((supervisor.count("RELOADING=1"), supervisor.count("READY=1")), (3, 4));
}

/// A signal is no question, so that nobody is answered: the status says what came of it.
#[test]
fn a_refused_reload_stands_in_the_status_until_a_good_one() {
    let mut supervisor = Supervisor::new();
    let text = |more: &str| format!("realm = \"r\"\nuser = \"alice:wonderland-27\"\n{more}");
    // A watchdog has it look more often.
    let launch = Launch::new(&[]).with_file(&text("")).with_env("WATCHDOG_USEC", "200000");
    let server = launch.with_env("NOTIFY_SOCKET", &supervisor.name).start();
    let file = server.dir().join("configuration.toml");
    let reload = |more: &str| {
        fs::write(&file, text(more)).expect("our own directory");
        server.signal(Signal::HUP);
    };
    let serving = supervisor.wait_for("STATUS=serving, allocations: 0", 0);
    reload("nonsense = 1\nmax-bps = \"much\"\n");
    let place = format!("{}:3:", file.display());
    let refused = supervisor.wait_for(&format!("STATUS=last reload refused: {place}"), serving);
    supervisor.wait_for("READY=1", refused);
    let still = supervisor.wait_for("STATUS=serving, allocations: 0", refused);
    let told = supervisor.told[still].clone();
    assert!(told.contains(&format!("last reload refused: {place}")) && told.contains("(and 1 more)"), "{told}");
    reload("");
    let good = supervisor.wait_for("STATUS=serving, allocations: 0", still + 1);
    assert!(!supervisor.told[good].contains("refused"), "{:?}", supervisor.told);
}

#[test]
fn the_end_is_told_where_it_begins() {
    let mut supervisor = Supervisor::abstract_one();
    let mut server = start(&supervisor, &[]);
    supervisor.wait_for("READY=1", 0);
    let mut client = Client::tcp(server.addr);
    assert_eq!((client.binding().code(), supervisor.count("STOPPING=1")), (0, 0));
    server.signal(Signal::TERM);
    assert!(client.is_closed());
    assert_eq!(supervisor.count("STOPPING=1"), 1, "it comes before any session ends: {:?}", supervisor.told);
    assert!(server.end().success());
    assert_eq!(supervisor.count("STOPPING=1"), 1, "{:?}", supervisor.told);
}

#[test]
fn the_status_line_has_the_counts() {
    let mut supervisor = Supervisor::new();
    // A watchdog has it look more often.
    let launch = launch(&["--min-port=50000", "--max-port=50009"]).with_env("WATCHDOG_USEC", "200000");
    let server = launch.with_env("NOTIFY_SOCKET", &supervisor.name).start();
    supervisor.wait_for("STATUS=serving, allocations: 0, relay ports: 10", 0);
    let mut client = alice(&server);
    client.relayed();
    supervisor.wait_for("STATUS=serving, allocations: 1, relay ports: 10", 0);
    assert_eq!(client.refresh(0).code(), 0);
    let first = supervisor.wait_for("STATUS=serving, allocations: 1", 0);
    let back = supervisor.wait_for("STATUS=serving, allocations: 0", first);
    supervisor.wait_for("WATCHDOG=1", back);
    assert_eq!(supervisor.count("STATUS="), 3, "only what changed is told: {:?}", supervisor.told);
}

#[test]
fn the_watchdog_is_fed_if_it_is_ours() {
    let mut supervisor = Supervisor::new();
    let fed = start_with_watchdog(&supervisor, None);
    let mut from = 0;
    for _ in 0..5 {
        from = supervisor.wait_for("WATCHDOG=1", from) + 1;
    }
    drop(fed);

    let mut supervisor = Supervisor::new();
    let _others = start_with_watchdog(&supervisor, Some("1"));
    let ready = supervisor.wait_for("READY=1", 0);
    let told = supervisor.listen_for(Duration::from_secs(1));
    assert_eq!(supervisor.count("WATCHDOG=1"), 0, "it is for another process: {ready} {told:?}");
}

fn start_with_watchdog(supervisor: &Supervisor, pid: Option<&str>) -> Server {
    let launch = launch(&[]).with_env("NOTIFY_SOCKET", &supervisor.name).with_env("WATCHDOG_USEC", "100000");
    match pid {
        Some(pid) => launch.with_env("WATCHDOG_PID", pid),
        None => launch,
    }
    .start()
}
