//! Certificate and key of TLS.

use std::fs;

use rustix::process::Signal;
use rustls::ProtocolVersion::{TLSv1_2, TLSv1_3};
use rustls::version::{TLS12, TLS13};

use crate::wire::tls::{self, Certificate};
use crate::wire::{Client, Server, poll_until};
use crate::{ALICE, alice, launch};

pub(crate) fn the_certificate_is_shown() {
    let certificate = Certificate::new();
    let server = certificate.given_to(launch(&[])).start();
    // A client of this kind fails unless it sees exactly this certificate.
    for address in [server.tls_addr, server.addr] {
        let mut client = Client::tls(address, &certificate).with_user(ALICE.0, ALICE.1);
        assert_eq!(client.relayed().ip(), server.addr.ip(), "{address}");
    }
    let told = format!("tls_port={}", server.tls_addr.port());
    assert!(server.log.find(&["listening", &told]).is_some(), "the log tells where TLS is served");
    let renewed = Certificate::new();
    fs::write(server.dir().join("cert.pem"), &renewed.pem).expect("our own directory");
    fs::write(server.dir().join("key.pem"), &renewed.key_pem).expect("our own directory");
    server.signal(Signal::USR2);
    poll_until("the renewed certificate is shown", || tls::try_connect(server.tls_addr, &renewed));
}

pub(crate) fn the_key_must_be_the_certificates() {
    let (mine, other) = (Certificate::new(), Certificate::new());
    for (key, what) in [(other.key_pem.as_str(), "the key of another certificate"), ("no key", "no key at all")] {
        let launch = launch(&[]);
        let (cert, key) = (launch.write("cert.pem", &mine.pem), launch.write("key.pem", key));
        let server = launch.and(&["--cert", &cert.to_string_lossy(), "--pkey", &key.to_string_lossy()]).start();
        assert_eq!(server.log.count(&["WARN", "TLS is not served", "key.pem"]), 1, "{what}:\n{}", server.log.text());
        assert_eq!(server.log.count(&["listening", "tls_port="]), 0, "{what}");
        assert!(tls::try_connect(server.tls_addr, &mine).is_none(), "{what}: no handshake without a good certificate");
        assert_eq!(alice(&server).allocate().code(), 0, "{what}: everything else is served");
        server.signal(Signal::USR2);
        assert!(server.log.find(&["WARN", "the certificates stay as they are", "key.pem"]).is_some());
        fs::write(server.dir().join("key.pem"), &mine.key_pem).expect("our own directory");
        server.signal(Signal::USR2);
        poll_until("the mended key is used", || tls::try_connect(server.tls_addr, &mine));
    }
    let launch = launch(&[]);
    let cert = launch.write("cert.pem", &mine.pem);
    let cert = format!("--cert={}", cert.display());
    let ended = launch.and(&[&cert, "--profile=default"]).run();
    assert!(!ended.status.success() && ended.log.contains("cert is given without pkey"), "{}", ended.log);
}

/// As with coturn: what is wrong with these is told, and clients are served without.
#[test]
fn half_a_certificate_leaves_plain_service() {
    let certificate = Certificate::new();
    for (args, told) in [
        (&["--cert=cert.pem"][..], "cert is given without pkey"),
        (&["--pkey=key.pem"], "pkey is given without cert"),
        (&["--cert=", "--pkey=key.pem"], "the value is empty; it is passed over"),
        (&["--cert=cert.pem", "--pkey=/nonexistent/key.pem"], "TLS is not served: cannot read /nonexistent/key.pem"),
        (&["--log-min-level=notice"], "expected debug, info, warning, error, found \"notice\"; it is passed over"),
        (&["--syslog-facility=local9"], "found \"local9\"; it is passed over"),
        (&["-X", "203.0.113.5", "-X", "203.0.113.6"], "203.0.113.5 is given already for this family"),
    ] {
        let launch = launch(&[]);
        certificate.write(&launch);
        let server = launch.and(args).start();
        assert_eq!(server.log.count(&["WARN", told]), 1, "{args:?}:\n{}", server.log.text());
        assert!(tls::try_connect(server.addr, &certificate).is_none(), "{args:?}");
        assert_eq!(alice(&server).allocate().code(), 0, "{args:?}");
    }
}

pub(crate) fn tls_1_2_may_be_left_out() {
    let certificate = Certificate::new();
    let version_of = |server: &Server, versions: &[&'static rustls::SupportedProtocolVersion]| {
        let stream = tls::try_connect_by(server.addr, &certificate, versions)?;
        stream.conn.protocol_version()
    };
    for (args, old) in [(&[][..], Some(TLSv1_2)), (&["--no-tlsv1_2"], None), (&["--no-tlsv1_2=no"], Some(TLSv1_2))] {
        let server = certificate.given_to(launch(args)).start();
        assert_eq!(version_of(&server, &[&TLS12]), old, "{args:?}");
        assert_eq!(version_of(&server, &[&TLS12, &TLS13]), Some(TLSv1_3), "{args:?}");
        let mut client = Client::tls(server.tls_addr, &certificate).with_user(ALICE.0, ALICE.1);
        assert_eq!(client.allocate().code(), 0, "{args:?}");
    }
}
