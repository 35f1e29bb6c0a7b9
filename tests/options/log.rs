//! Where the log goes, and what stands in it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;

use crate::netns::can_make_hosts;
use crate::wire::{Client, Launch, Server, poll_until};
use crate::{alice, launch, start};

/// Waits for a file to hold all of `parts` in one line.
fn line_of(path: &Path, parts: &[&str]) -> String {
    poll_until(&format!("{} holds {parts:?}", path.display()), || {
        let text = fs::read_to_string(path).ok()?;
        text.lines().find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
    })
}

/// Files of a directory whose name begins with `turn`.
fn logs(dir: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(dir).expect("a directory").flatten().map(|file| file.path());
    files.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("turn"))).collect()
}

fn logging_into(name: &str, args: &[&str]) -> (Launch, PathBuf) {
    let launch = launch(args);
    let path = launch.dir().join(name);
    let option = format!("--log-file={}", path.display());
    (launch.and(&[&option]), path)
}

pub(crate) fn nothing_below_the_level_is_told() {
    let debug = start(&["--log-min-level=debug"]);
    let mut client = alice(&debug);
    client.relayed();
    assert_eq!(client.permit(crate::PRIVATE_PEER.into()).code(), 0);
    assert!(debug.log.find(&["DEBUG", "permission installed"]).is_some());
    let (launch, path) =
        logging_into("turn.log", &["--simple-log", "--no-stdout-log", "-V", "--log-min-level=warning"]);
    let mut server = launch.silent().start();
    alice(&server).relayed();
    assert_eq!(Client::udp(server.addr).with_user("alice", "wrong").allocate().code(), 401);
    line_of(&path, &[" WARN ", "request refused"]);
    assert!(server.terminate().success());
    let text = fs::read_to_string(&path).expect("it is there");
    assert!(!text.contains("INFO") && !text.contains("DEBUG"), "{text}");
    let unknown = Launch::new(&["--log-min-level=warn", "--profile=default"]).run();
    assert!(unknown.log.contains("expected debug, info, warning, error"), "{}", unknown.log);
}

pub(crate) fn the_file_of_the_day_is_written() {
    let (launch, path) = logging_into("turn.log", &["--no-stdout-log"]);
    let server = launch.silent().start();
    alice(&server).relayed();
    let files = logs(server.dir());
    let [file] = &files[..] else { panic!("one file, not {files:?}") };
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    let day = name.strip_prefix("turn_20").and_then(|rest| rest.strip_suffix(".log")).expect("a date in the name");
    assert!(day.len() == 8 && day.bytes().all(|b| b.is_ascii_digit() || b == b'-') && !path.exists(), "{name}");
    let line = line_of(file, &["allocation created"]);
    assert!(line.starts_with(&name[5..15]), "the day of the name is the day of the line: {line}");
    assert_eq!(fs::metadata(file).expect("it is there").permissions().mode() & 0o137, 0, "others cannot read it");
    let missing = server.dir().join("missing").join("turn.log");
    let option = format!("--log-file={}", missing.display());
    let refused = super::launch(&["--profile=default", &option]).run();
    assert!(refused.log.contains(&format!("cannot log into {}", missing.display())), "{}", refused.log);
    // As coturn, which would look for another place.
    let served = start(&[&option]);
    assert!(served.log.find(&["WARN", "the log goes to the console"]).is_some());
}

pub(crate) fn the_name_is_kept_and_the_file_opened_anew() {
    let (launch, path) = logging_into("turn.log", &["--simple-log", "--no-stdout-log"]);
    fs::write(&path, "before\n").expect("our own directory");
    let server = launch.silent().start();
    line_of(&path, &["listening"]);
    let aside = path.with_extension("1");
    fs::rename(&path, &aside).expect("our own directory");
    server.signal(Signal::HUP);
    line_of(&path, &["log file opened anew"]);
    alice(&server).relayed();
    line_of(&path, &["allocation created"]);
    let old = fs::read_to_string(&aside).expect("it is there");
    assert!(old.starts_with("before\n") && old.contains("listening") && !old.contains("allocation created"), "{old}");
    assert_eq!(logs(server.dir()).len(), 2);
}

pub(crate) fn what_goes_to_the_file_stays_off_the_console() {
    let (launch, path) = logging_into("turn.log", &["--simple-log"]);
    let both = launch.start();
    assert!(both.log.find(&["listening"]).is_some(), "as coturn, whose containers are read on the console");
    line_of(&path, &["listening"]);
    let (launch, path) = logging_into("turn.log", &["--simple-log", "--no-stdout-log"]);
    let mut file = launch.silent().start();
    line_of(&path, &["listening"]);
    assert!(file.terminate().success());
    assert_eq!(file.log.whole(), "");
    let alone = start(&["--no-stdout-log"]);
    assert!(alone.log.find(&["WARN", "--no-stdout-log", "the log goes to the console"]).is_some());
    let mut output = super::launch(&["-l", "-"]).logging_on_output().start();
    assert!(output.log.find(&["INFO", "listening"]).is_some());
    assert!(output.terminate().success());
    assert_eq!(output.out.whole(), "");
}

/// A server that finds this socket as its `/dev/log`.
fn with_system_log(test: &str, args: &[&str]) -> Option<(Server, UnixDatagram)> {
    if !can_make_hosts(test) {
        return None;
    }
    let launch = launch(args);
    let path = launch.dir().join("log");
    let socket = UnixDatagram::bind(&path).expect("our own directory");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a time");
    let dev = launch.dir().join("dev");
    fs::create_dir(&dev).expect("our own directory");
    let (dev, path) = (dev.display(), path.display());
    let mounts = format!(
        "mount -t tmpfs none {dev}; for n in null urandom random; do touch {dev}/$n; mount --bind /dev/$n {dev}/$n; done; \
         ln -s {path} {dev}/log; mount --rbind {dev} /dev"
    );
    Some((launch.after_mounts(&mounts).silent().start(), socket))
}

/// The first record that holds `part`.
fn record_of(socket: &UnixDatagram, part: &str) -> String {
    let mut buf = [0; 8192];
    loop {
        let len = socket.recv(&mut buf).unwrap_or_else(|error| panic!("no record with {part:?}: {error}"));
        let record = String::from_utf8(buf[..len].to_vec()).expect("records are text");
        if record.contains(part) {
            return record;
        }
    }
}

pub(crate) fn the_systems_log_takes_records() {
    let Some((mut server, socket)) = with_system_log("the_systems_log_takes_records", &["--syslog"]) else { return };
    alice(&server).relayed();
    let record = record_of(&socket, "allocation created");
    // LOG_USER, informational.
    assert!(
        record.starts_with(&format!("<14>turnserver[{}]: allocation created allocation=", server.pid())),
        "{record}"
    );
    assert!(!record.contains('\n'), "{record:?}");
    assert_eq!(Client::udp(server.addr).with_user("alice", "wrong").allocate().code(), 401);
    assert!(record_of(&socket, "request refused").starts_with("<12>"));
    assert!(server.terminate().success());
    assert_eq!(server.log.whole(), "");
}

pub(crate) fn the_systems_log_is_told_the_facility() {
    let args = ["-l", "syslog", "--syslog-facility=log_local3"];
    let Some((_server, socket)) = with_system_log("the_systems_log_is_told_the_facility", &args) else { return };
    // 19 * 8 + 6.
    assert!(record_of(&socket, "listening").starts_with("<158>"));
    let unknown = Launch::new(&["--syslog", "--syslog-facility=local9", "--profile=default"]).run();
    assert!(unknown.log.contains("expected a facility of the system's log, found \"local9\""), "{}", unknown.log);
}

pub(crate) fn records_are_objects() {
    let mut server = start(&["--log-format=json"]);
    let mut client = alice(&server);
    let relayed = client.relayed();
    assert_eq!(client.refresh(0).code(), 0);
    assert!(server.terminate().success());
    let text = server.log.whole();
    let records: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect();
    let ended = records.iter().find(|record| record["message"] == "allocation ended").expect("it is told");
    assert_eq!((&ended["user"], &ended["realm"]), (&"alice".into(), &crate::REALM.into()));
    assert_eq!(
        (&ended["client"], &ended["relayed"]),
        (&client.local().to_string().into(), &relayed.to_string().into())
    );
    assert_eq!(
        (&ended["level"], &ended["reason"], &ended["to_peer_bytes"]),
        (&"INFO".into(), &"deleted".into(), &0.into())
    );
}

pub(crate) fn lines_begin_with_seconds() {
    let server = start(&["--new-log-timestamp=off"]);
    let line = server.log.find(&["listening"]).expect("it starts");
    let secs = line.split_once(':').expect("seconds").0;
    assert!(secs.parse::<u64>().is_ok_and(|secs| secs < 60), "{line}");
    let line = start(&[]).log.find(&["listening"]).expect("it starts");
    assert!(&line[10..11] == "T" && &line[19..20] == "." && &line[23..25] == "Z ", "{line}");
}

pub(crate) fn lines_begin_as_told() {
    let server = start(&["--new-log-timestamp-format=%d/%m/%Y %H-%M"]);
    let line = server.log.find(&["listening"]).expect("it starts");
    assert!(&line[2..3] == "/" && &line[10..11] == " " && &line[13..14] == "-" && &line[16..22] == "  INFO", "{line}");
    let doubtful = start(&["--new-log-timestamp-format=%!"]);
    assert!(doubtful.log.find(&["WARN", "--new-log-timestamp-format", "is not understood"]).is_some());
}

pub(crate) fn binding_requests_are_told() {
    let server = start(&["--log-binding"]);
    let mut client = Client::udp(server.addr);
    for _ in 0..50 {
        assert_eq!(client.binding().code(), 0);
    }
    let mut stream = Client::tcp(server.addr);
    assert_eq!(stream.binding().code(), 0);
    let line = server.log.find(&["INFO", "binding request answered"]).expect("it is told");
    assert!(line.contains(&format!("transport=udp client={}", client.local())), "{line}");
    assert!(server.log.count(&["binding request answered"]) < 50, "once a second and source");
    assert_eq!(start(&[]).log.count(&["binding"]), 0);
}
