//! The certificate's files are looked at while the server runs: nobody has to tell it that they changed.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustix::process::Signal;
use turnserver::clock;

use crate::looks;
use crate::stage::Stage;
use crate::wire::tls::{self, Certificate};
use crate::wire::{Client, Launch, poll_until};

/// Makes a pair of files with these names.
fn write(dir: &Path, name: &str, certificate: &Certificate) {
    fs::write(dir.join(format!("{name}.pem")), &certificate.pem).expect("our own directory");
    fs::write(dir.join(format!("{name}.key")), &certificate.key_pem).expect("our own directory");
}

/// Names of a pair.
fn named(dir: &Path, name: &str) -> [(&'static str, String); 2] {
    let path = |suffix: &str| format!("\"{}/{name}{suffix}\"", dir.display());
    [("cert", path(".pem")), ("pkey", path(".key"))]
}

fn start(launch: Launch, name: &str) -> Stage {
    let [(cert, cert_path), (key, key_path)] = named(launch.dir(), name);
    Stage::of(launch, &[(cert, &cert_path), (key, &key_path)])
}

fn wait_for(stage: &Stage, certificate: &Certificate, what: &str) {
    poll_until(what, || tls::try_connect(stage.server.tls_addr, certificate).map(drop));
}

fn shows(stage: &Stage, certificate: &Certificate) -> bool {
    tls::try_connect(stage.server.tls_addr, certificate).is_some()
}

#[test]
fn files_that_are_written_anew_are_taken_when_both_are_there() {
    let (first, second, third) = (Certificate::new(), Certificate::new(), Certificate::new());
    let launch = Launch::new(&[]);
    write(launch.dir(), "own", &first);
    let stage = start(launch, "own");
    let log = &stage.server.log;
    let mut early = Client::tls(stage.server.tls_addr, &first);
    let dir = stage.server.dir().to_owned();

    write(&dir, "own", &second);
    wait_for(&stage, &second, "the new pair is shown");
    assert!(log.find(&["INFO", "certificates read again"]).is_some());
    assert_eq!(early.binding().code(), 0, "connections keep the certificate they began with");

    // Half of a pair keeps the old one, and is told of once, however often it is tried.
    fs::write(dir.join("own.pem"), &third.pem).expect("our own directory");
    assert!(log.find(&["WARN", "the certificates stay as they are", "does not belong"]).is_some());
    assert!(shows(&stage, &second));
    fs::write(dir.join("own.key"), &third.key_pem).expect("our own directory");
    wait_for(&stage, &third, "the other half is there");
    assert_eq!(log.count(&["the certificates stay as they are"]), 1, "{}", log.text());
    assert_eq!(log.count(&["certificates read again"]), 2, "each change once:\n{}", log.text());
    // A signal says that the operator wants it read, changed or not.
    stage.server.signal(Signal::USR2);
    poll_until("it is read", || (log.count(&["certificates read again"]) == 3).then_some(()));
}

/// As certbot does it: `live/` has links into `archive/`, which are put in the place of the former ones one by one.
#[test]
fn links_that_lead_elsewhere_are_a_change() {
    let (first, second) = (Certificate::new(), Certificate::new());
    let launch = Launch::new(&[]);
    let dir = launch.dir().to_owned();
    fs::create_dir(dir.join("archive")).expect("our own directory");
    write(&dir, "archive/1", &first);
    write(&dir, "archive/2", &second);
    let link = |number: u8, suffix: &str| {
        let fresh: PathBuf = dir.join(format!("fresh{suffix}"));
        symlink(format!("archive/{number}{suffix}"), &fresh).expect("our own directory");
        fs::rename(&fresh, dir.join(format!("live{suffix}"))).expect("our own directory");
    };
    [".pem", ".key"].into_iter().for_each(|suffix| link(1, suffix));
    let stage = start(launch, "live");
    assert!(shows(&stage, &first));
    [".pem", ".key"].into_iter().for_each(|suffix| link(2, suffix));
    wait_for(&stage, &second, "the links are followed");
}

/// Nothing works at the start, everything else is served, and TLS begins as soon as the files are good.
#[test]
fn files_that_were_never_good_are_tried_until_they_are() {
    let certificate = Certificate::new();
    let launch = Launch::new(&[]);
    write(launch.dir(), "own", &certificate);
    fs::write(launch.dir().join("own.key"), "").expect("our own directory");
    let stage = start(launch, "own");
    assert!(stage.server.log.find(&["WARN", "TLS is not served", "own.key"]).is_some());
    let key = ("pkey", format!("\"{}/own.key\"", stage.server.dir().display()));
    let cert = ("cert", format!("\"{}/own.pem\"", stage.server.dir().display()));
    let same = [(key.0, key.1.as_str()), (cert.0, cert.1.as_str()), ("user-quota", "1")];
    stage.reload(&same);
    assert_eq!(looks::allocations(&stage), "1", "what was broken before refuses no reload");
    fs::write(stage.server.dir().join("own.key"), &certificate.key_pem).expect("our own directory");
    wait_for(&stage, &certificate, "the key is there");
    assert_eq!(stage.server.log.count(&["the certificates stay as they are"]), 0, "{}", stage.server.log.text());
}

/// Until a reload names others, and then those.
#[test]
fn the_files_that_are_looked_at_are_those_in_force() {
    let (first, second, third) = (Certificate::new(), Certificate::new(), Certificate::new());
    let launch = Launch::new(&[]);
    write(launch.dir(), "one", &first);
    write(launch.dir(), "two", &second);
    let dir = launch.dir().to_owned();
    let stage = start(launch, "one");
    let [cert, key] = named(&dir, "two");
    stage.reload(&[(cert.0, &cert.1), (key.0, &key.1)]);
    assert!(shows(&stage, &second), "a reload takes them at once");
    write(&dir, "one", &third);
    write(&dir, "two", &first);
    wait_for(&stage, &first, "the files in force are watched");
}

/// Until when a certificate of a self-made issuer is good, in days from now.
fn ending_in(days: i64) -> Certificate {
    let mut params = CertificateParams::new([String::from("turn.example.org")]).expect("a name");
    let now = i64::try_from(clock::now().wall.0).expect("a time of our age");
    let epoch = date_time_ymd(1970, 1, 1);
    params.not_before = epoch + std::time::Duration::from_secs(1);
    params.not_after =
        epoch + std::time::Duration::from_secs(u64::try_from(now + days * 86_400 + 3600).expect("later"));
    let key = KeyPair::generate().expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    Certificate { der: made.der().clone(), pem: made.pem(), key_pem: key.serialize_pem() }
}

#[test]
fn a_certificate_that_ends_soon_is_warned_about_when_it_is_read() {
    let launch = Launch::new(&[]);
    write(launch.dir(), "own", &ending_in(13));
    let stage = start(launch, "own");
    let log = &stage.server.log;
    assert!(log.find(&["WARN", "the certificate ends soon", "days=13"]).is_some());
    let read = |days: i64| {
        write(stage.server.dir(), "own", &ending_in(days));
        let before = log.count(&["certificates read again"]);
        stage.server.signal(Signal::USR2);
        poll_until("it is read", || (log.count(&["certificates read again"]) > before).then_some(()));
    };
    read(15);
    assert_eq!(log.count(&["WARN", "the certificate"]), 1, "{}", log.text());
    read(-1);
    assert_eq!(log.count(&["WARN", "the certificate has ended"]), 1, "{}", log.text());
}

#[test]
fn a_key_that_others_can_read_is_told_with_each_reading() {
    let launch = Launch::new(&[]);
    write(launch.dir(), "own", &Certificate::new());
    let key = launch.dir().join("own.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("our own file");
    let stage = start(launch, "own");
    assert_eq!(stage.server.log.count(&["can be read by others", "own.key"]), 0);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("our own file");
    // A change of mode is one of the file: who made a key readable, or unreadable, did so now.
    assert!(stage.server.log.find(&["WARN", "can be read by others", "own.key"]).is_some());
}
