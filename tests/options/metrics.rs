//! Where metrics and health are shown.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::wire::{Launch, Server, free_ports, http, poll_until};
use crate::{alice, launch};

fn at(ip: [u8; 4], port: u16) -> SocketAddr {
    (ip, port).into()
}

fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

/// A server that shows metrics on a port of its own.
fn shown(args: &[&str]) -> (Server, u16) {
    let port = free_ports(1);
    (launch(&[&format!("--prometheus-port={port}")]).and(args).start(), port)
}

fn assert_shown(address: SocketAddr) {
    assert!(http::get(address, "/metrics").body.contains("turnserver_build_info{"), "{address}");
    assert_eq!(http::get(address, "/readyz").status, 200, "{address}");
}

pub(crate) fn metrics_are_shown_or_not() {
    for (args, is_on) in [
        (&["--profile=coturn"][..], false),
        (&["--profile=coturn", "--prometheus"], true),
        (&["--profile=default"], true),
        (&["--profile=default", "--prometheus=off"], false),
        (&["--profile=hardened"], true),
    ] {
        let (server, port) = shown(args);
        assert_eq!(server.log.count(&["metrics and health are shown"]), usize::from(is_on), "{args:?}");
        match is_on {
            true => assert_shown(at([127, 0, 0, 1], port)),
            false => assert!(is_refused(at([127, 0, 0, 1], port)), "{args:?}"),
        }
    }
}

pub(crate) fn metrics_are_shown_on_the_address() {
    let (_server, port) = shown(&["--prometheus", "--prometheus-address=127.0.0.2"]);
    assert_shown(at([127, 0, 0, 2], port));
    assert!(is_refused(at([127, 0, 0, 1], port)));
    for (profile, elsewhere) in [("default", false), ("hardened", false), ("coturn", true)] {
        let (server, port) = shown(&["--prometheus", &format!("--profile={profile}")]);
        assert_shown(at([127, 0, 0, 1], port));
        assert_eq!(!is_refused(at([127, 0, 0, 2], port)), elsewhere, "{profile}");
        let warnings = server.log.count(&["WARN", "metrics are shown to whoever reaches this address"]);
        assert_eq!(warnings, usize::from(elsewhere), "{profile}");
    }
}

/// A second instance on a host, and a place that cannot be had.
pub(crate) fn metrics_are_shown_on_the_port() {
    let (mut first, port) = shown(&["--profile=default"]);
    let asked = format!("--prometheus-port={port}");
    let second = launch(&["--profile=default", &asked]).run();
    assert_eq!(second.status.code(), Some(255), "{}", second.log);
    let told = format!("metrics cannot be shown on 127.0.0.1 port {port}: choose another prometheus-address");
    assert!(second.log.contains(&told), "{}", second.log);
    // coturn goes on.
    let second = launch(&["--profile=coturn", "--prometheus", "--prometheus-address=127.0.0.1", &asked]).start();
    assert_eq!(second.log.count(&["WARN", "metrics and health are not shown", "prometheus-port of its own"]), 1);
    assert_eq!(alice(&second).allocate().code(), 0);
    assert_shown(at([127, 0, 0, 1], port));
    assert!(first.terminate().success());
    // Where nothing was asked for, a taken port is no reason not to serve. Servers of other tests have it for a while.
    let _held = poll_until("the default port is free", || TcpListener::bind(at([127, 0, 0, 1], 9641)).ok());
    let without = launch(&["--profile=default"]).start();
    assert_eq!(without.log.count(&["WARN", "metrics and health are not shown"]), 1, "{}", without.log.text());
    assert_eq!(alice(&without).allocate().code(), 0);
    let clash = free_ports(2);
    let clash = Launch::new(&[&format!("--listening-port={clash}"), &format!("--prometheus-port={clash}")]);
    let clash = clash.and(&["--prometheus", "--no-auth"]).run();
    assert!(clash.log.contains("is a port of clients as well"), "{}", clash.log);
}

pub(crate) fn metrics_are_shown_under_the_path() {
    let (_server, port) = shown(&["--prometheus", "--prometheus-path=/turn/stats"]);
    let server = at([127, 0, 0, 1], port);
    assert!(http::get(server, "/turn/stats").body.contains("turnserver_build_info{"));
    assert_eq!(http::get(server, "/metrics").status, 404);
    for path in ["", "/", "metrics", "/readyz", "/{a}", "/a b", "/metrics?x"] {
        let refused = launch(&["--prometheus", &format!("--prometheus-path={path}")]).run();
        assert!(refused.log.contains("is no path for metrics"), "{path:?}: {}", refused.log);
    }
}

pub(crate) fn labels_that_clients_multiply_are_refused() {
    let told = "a label that clients can multiply is not given";
    let refused = launch(&["--profile=default", "--prometheus-username-labels"]).run();
    assert!(!refused.status.success() && refused.log.contains(told), "{}", refused.log);
    let (server, port) = shown(&["--profile=coturn", "--prometheus", "--prometheus-username-labels"]);
    assert_eq!(server.log.count(&["WARN", told]), 1, "{}", server.log.text());
    alice(&server).relayed();
    let text = http::get(at([127, 0, 0, 1], port), "/metrics").body;
    assert!(text.contains("turn_traffic_rcvp{realm=") && !text.contains("alice"), "{text}");
}

pub(crate) fn metrics_that_should_have_tls_stay_on_loopback() {
    let (server, port) = shown(&["--prometheus-tls", "--prometheus-address=127.0.0.2"]);
    assert_eq!(server.log.count(&["WARN", "not served over TLS yet"]), 1, "{}", server.log.text());
    assert_shown(at([127, 0, 0, 1], port));
    assert!(is_refused(at([127, 0, 0, 2], port)));
}
