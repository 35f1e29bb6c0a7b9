//! A plain HTTP client: one request a connection, the whole answer.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// The longest wait for anything of an answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 200, 404 and so on.
    pub(crate) status: u16,
    /// Status line and headers.
    pub(crate) head: String,
    /// What follows them.
    pub(crate) body: String,
}

/// GET.
pub(crate) fn get(server: SocketAddr, path: &str) -> Answer {
    ask(server, &format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
}

/// Sends bytes as they are, and reads until the server ends the connection.
pub(crate) fn ask(server: SocketAddr, request: &str) -> Answer {
    let mut stream = TcpStream::connect(server).expect("the server shows something there");
    stream.set_read_timeout(Some(ANSWER_MAX)).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer, and its end");
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status line");
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}
