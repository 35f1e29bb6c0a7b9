//! /readyz says no while new clients would be served badly, and why; /livez says yes.

use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, PoisonError};

use turnserver::admin::{Admin, Bound, Health, Metrics};
use turnserver::config::Config;
use turnserver::turn::Path;
use turnserver::turn::settings::Hooks;
use turnserver::udp::Engine;

use crate::inside;
use crate::wire::{Client, free_ports, http, poll_until};

/// A server inside this process that shows its health.
fn start(lines: &str, hooks: Hooks) -> (Engine, SocketAddr, SocketAddr) {
    let port = free_ports(1);
    let (config, server) = inside::config(&format!("prometheus-port = {port}\n{lines}"));
    let engine = inside::start(config.clone(), None, hooks);
    let health = Health::new(engine.readings(), engine.pulse());
    serve(&config, health);
    (engine, server, ([127, 0, 0, 1], port).into())
}

/// Serves until the process ends.
fn serve(config: &Config, health: Health) {
    let bound = Bound::bind(config.metrics.as_ref().expect("they are on")).expect("a free port");
    let metrics = Metrics::new(config, &health).expect("each name once");
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(Admin::new(health, metrics).serve(bound)).expect("a listener");
    });
}

fn readyz(at: SocketAddr) -> (u16, String) {
    assert_eq!(http::get(at, "/livez").status, 200);
    let answer = http::get(at, "/readyz");
    (answer.status, answer.body)
}

#[test]
fn a_server_that_drains_or_has_stopped_is_not_ready() {
    let (mut engine, _, at) = start("", Hooks::default());
    assert_eq!(readyz(at), (200, "ready\n".to_owned()));
    assert!(http::get(at, "/metrics").body.contains("turnserver_ready 1\n"));
    engine.drain();
    assert_eq!(readyz(at), (503, "draining: no new allocations are given\n".to_owned()));
    let text = http::get(at, "/metrics").body;
    assert!(text.contains("turnserver_ready 0\n") && text.contains("turnserver_draining 1\n"), "{text}");
    engine.stop().expect("no worker broke off");
    let (status, reasons) = readyz(at);
    assert!(status == 503 && reasons.contains("worker 0 has stopped\n"), "{reasons}");
    assert!(http::get(at, "/metrics").body.contains("turnserver_worker_up{worker=\"0\"} 0\n"));
}

#[test]
fn a_server_with_few_ports_left_is_not_ready() {
    let first = free_ports(40);
    let lines = format!("relay-ip = [\"127.0.0.1\"]\nuser-quota = 0\nmin-port = {first}\nmax-port = {}", first + 39);
    let (engine, server, at) = start(&lines, Hooks::default());
    let mut clients: Vec<Client> = (0..38).map(|_| Client::udp(server).with_user("alice", "secret")).collect();
    for client in &mut clients {
        client.relayed();
    }
    assert_eq!(readyz(at).0, 200, "2 of 40 are 5 %");
    let mut last = Client::udp(server).with_user("alice", "secret");
    last.relayed();
    assert_eq!(readyz(at), (503, "relay ports: 1 of 40 are left for IPv4\n".to_owned()));
    assert_eq!(last.refresh(0).code(), 0);
    poll_until("a port that rests counts as left", || (readyz(at).0 == 200).then_some(()));
    engine.stop().expect("no worker broke off");
}

/// What a worker waits for, as a bug would have it.
static BLOCKED: (Mutex<bool>, Condvar) = (Mutex::new(false), Condvar::new());
const BLOCK: &[u8] = b"planted block";

fn block(_path: &Path, datagram: &[u8]) {
    if datagram.windows(BLOCK.len()).any(|window| window == BLOCK) {
        let guard = BLOCKED.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(BLOCKED.1.wait_while(guard, |goes_on| !*goes_on));
    }
}

#[test]
fn a_worker_that_does_not_answer_is_noticed() {
    let (engine, server, at) = start("", Hooks { before_datagram: Some(block), ..Hooks::default() });
    let mut client = Client::udp(server).with_user("alice", "secret");
    client.relayed();
    assert_eq!(readyz(at).0, 200);
    client.send(([192, 0, 2, 1], 9).into(), BLOCK);
    let reasons = poll_until("it is noticed", || Some(readyz(at)).filter(|(status, _)| *status == 503)).1;
    assert!(reasons.starts_with("worker 0 has not answered for "), "{reasons}");
    *BLOCKED.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
    BLOCKED.1.notify_all();
    poll_until("it answers again", || (readyz(at).0 == 200).then_some(()));
    assert_eq!(client.refresh(0).code(), 0);
    let blocked = "turnserver_worker_latency_seconds_bucket{worker=\"0\",le=\"1\"} ";
    let all = "turnserver_worker_latency_seconds_count{worker=\"0\"} ";
    let value = |text: &str, series: &str| -> Option<u64> { text.split_once(series)?.1.lines().next()?.parse().ok() };
    poll_until("the long answer is counted", || {
        let text = http::get(at, "/metrics").body;
        (value(&text, all)? > value(&text, blocked)?).then_some(())
    });
    engine.stop().expect("no worker broke off");
}
