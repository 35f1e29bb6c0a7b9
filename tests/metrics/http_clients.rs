//! HTTP clients that are slow, long, or ask for what is not there.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Shown;
use crate::wire::http;

fn connect(shown: &Shown) -> TcpStream {
    let stream = TcpStream::connect(shown.metrics).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    stream
}

/// Whether the server ended the connection without an answer.
fn is_ended(stream: &mut TcpStream) -> bool {
    let mut text = Vec::new();
    // A reset is an end as well; a timeout is none.
    match stream.read_to_end(&mut text) {
        Ok(_) => !text.starts_with(b"HTTP/1.1 200"),
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn slow_clients_hold_nobody_up_and_are_closed() {
    let shown = Shown::start(&[]);
    let mut slow: Vec<TcpStream> = (0..100).map(|_| connect(&shown)).collect();
    for stream in &mut slow {
        // What makes room for others is closed already.
        let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nX-Slow: ");
        assert_eq!(http::get(shown.metrics, "/livez").status, 200);
    }
    assert_eq!(shown.scrape().sum("turnserver_ready", &[]), 1.0);
    assert!(is_ended(&mut slow[0]), "the oldest makes room");
    let mut last = slow.pop().expect("a hundred");
    assert!(is_ended(&mut last), "it is too slow");
    let mut silent = connect(&shown);
    assert!(is_ended(&mut silent), "it says nothing");
}

/// How many connections there are at a time, by what the server holds.
const OPEN_MAX: usize = 32;

#[test]
fn so_many_connections_are_open_at_a_time() {
    let shown = Shown::start(&[]);
    let mut slow: Vec<TcpStream> = (0..100).map(|_| connect(&shown)).collect();
    // Connections are taken in their order, and this one is for an answer.
    assert_eq!(http::get(shown.metrics, "/livez").status, 200);
    assert_eq!(http::get(shown.metrics, "/livez").status, 200);
    let is_open = |stream: &mut TcpStream| {
        stream.set_nonblocking(true).expect("a socket");
        stream.read(&mut [0]).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    };
    let open = slow.iter_mut().filter_map(|stream| is_open(stream).then_some(())).count();
    assert!(open <= OPEN_MAX, "{open} of 100 are open");
}

#[test]
fn a_request_that_does_not_end_is_cut() {
    let shown = Shown::start(&[]);
    let mut stream = connect(&shown);
    let line = format!("X-Long: {}\r\n", "x".repeat(1000));
    let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\n");
    let sent = (0..10_000).take_while(|_| stream.write_all(line.as_bytes()).is_ok()).count();
    assert!(sent < 10_000, "it read ten megabytes");
}

/// A whole request is answered up to so many bytes.
const REQUEST_LEN_MAX: usize = 16 * 1024;

#[test]
fn a_long_request_is_not_answered() {
    let shown = Shown::start(&[]);
    for (len, is_answered) in [(REQUEST_LEN_MAX - 1024, true), (REQUEST_LEN_MAX + 1024, false)] {
        let mut stream = connect(&shown);
        let lines = format!("X-Long: {}\r\n", "x".repeat(len));
        // The server may have heard enough before it has heard all.
        let _ = stream.write_all(format!("GET /livez HTTP/1.1\r\nHost: x\r\n{lines}\r\n").as_bytes());
        assert_eq!(is_ended(&mut stream), !is_answered, "{len}");
    }
}

#[test]
fn only_what_is_there_can_be_read_and_nothing_written() {
    let shown = Shown::start(&[]);
    for (path, body) in [("/", "ok\n"), ("/livez", "ok\n"), ("/readyz", "ready\n"), ("/readyz?verbose", "ready\n")] {
        let answer = http::get(shown.metrics, path);
        assert_eq!((answer.status, answer.body.as_str()), (200, body), "{path}");
    }
    for path in ["/metrics/", "/x", "/../etc/passwd", "//", "/%2e%2e", "/livez/x"] {
        assert_eq!(http::get(shown.metrics, path).status, 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
        for path in ["/metrics", "/", "/readyz", "/x"] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
            let answer = http::ask(shown.metrics, &request);
            assert_eq!(answer.status, 405, "{method} {path}");
            assert!(answer.head.contains("allow: get,head"), "{}", answer.head);
        }
    }
    let head = http::ask(shown.metrics, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert!(head.head.contains("version=0.0.4"), "{}", head.head);
}

#[test]
fn a_connection_is_for_one_request() {
    let shown = Shown::start(&[]);
    let request = "GET /livez HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n";
    let answer = http::ask(shown.metrics, &request.repeat(3));
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    assert!(answer.head.contains("connection: close"), "{}", answer.head);
}
