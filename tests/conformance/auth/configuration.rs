//! What an administrator may say, and may not leave unsaid.

use turnserver::stun::AttributeType;

use crate::draft::Draft;
use crate::probe::Probe;
use crate::wire::{Launch, Link, tls};

const USER: &str = "user = [\"alice:wonderland-7\"]";

pub(super) fn auth_028_the_realm_is_never_empty() {
    for file in [format!("realm = \"\"\n{USER}"), format!("realm = \"\\\"\\\"\"\n{USER}")] {
        let ended = Launch::new(&[]).with_file(&file).run();
        assert!(!ended.status.success() && ended.log.contains("realm"), "{}", ended.log);
    }
    let on_the_command_line = Launch::new(&["-a", "--user=alice:wonderland-7", "--realm="]).run();
    assert!(!on_the_command_line.status.success(), "{}", on_the_command_line.log);
    for (line, realm) in [("realm = \"turn.example.com\"", "turn.example.com"), ("", "turnserver")] {
        let server = Launch::new(&[]).with_file(&format!("{line}\n{USER}")).start();
        let mut probe = Probe::over(Link::udp(server.addr));
        assert_eq!(probe.ask(&Draft::allocate().bare()).text(AttributeType::REALM), realm);
        assert_eq!(probe.code(&Draft::allocate()), 0);
        assert_eq!(server.log.count(&["WARN", "realm is not given"]), usize::from(line.is_empty()));
    }
}

pub(super) fn auth_030_strangers_need_an_explicit_word() {
    for (over, mut probe) in Probe::over_each() {
        assert_eq!(probe.code(&Draft::allocate().bare()), 401, "over {over}");
    }
    let server = Launch::new(&["--no-auth"]).start();
    assert_eq!(server.log.count(&["WARN", "no-auth: anybody who reaches this server may relay through it"]), 1);
    assert_eq!(Probe::over(Link::udp(server.addr)).code(&Draft::allocate().bare()), 0);
    // With a certificate such a server has TLS.
    let certificate = tls::Certificate::new();
    let server = certificate.given_to(Launch::new(&["--no-auth"])).start();
    let stream = tls::connect(server.tls_addr, &certificate);
    assert_eq!(Probe::over(Link::Tls(Box::new(stream), Vec::new())).code(&Draft::allocate().bare()), 0);
    let hardened = Launch::new(&["--no-auth", "--profile=hardened", "--realm=r"]).run();
    assert!(hardened.log.contains("no-auth is refused in the hardened profile"), "{}", hardened.log);
}
