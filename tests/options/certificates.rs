//! Certificate and key of TLS.

use std::fs;

use rustix::process::Signal;

use crate::wire::tls::{self, Certificate};
use crate::wire::{Client, poll_until};
use crate::{ALICE, alice, launch};

pub(crate) fn the_certificate_is_shown() {
    let certificate = Certificate::new();
    let server = certificate.given_to(launch(&[])).start();
    // A client of this kind fails unless it sees exactly this certificate.
    for address in [server.tls_addr, server.addr] {
        let mut client = Client::tls(address, &certificate).with_user(ALICE.0, ALICE.1);
        assert_eq!(client.relayed().ip(), server.addr.ip(), "{address}");
    }
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
    let ended = launch.and(&["--cert", &cert.to_string_lossy()]).run();
    assert!(!ended.status.success() && ended.log.contains("cert is given without pkey"), "{}", ended.log);
}
