//! Log files that are moved away while lines are written.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use rustix::process::Signal;

use crate::netns::can_make_hosts;
use crate::{alice, assert_record, launch, line_of};

/// How often the file is moved away, and how many allocations are made and ended meanwhile.
const MOVES: usize = 20;
const ALLOCATIONS: usize = 15;

#[test]
fn no_line_is_lost_when_a_file_is_moved_away_and_opened_anew() {
    let launch = launch(&["--simple-log", "--no-stdout-log"]);
    let dir = launch.dir().to_owned();
    let path = dir.join("turn.log");
    let mut server = launch.and(&[&format!("--log-file={}", path.display())]).silent().start();
    let mut clients = Vec::new();
    for number in 0..MOVES {
        for round in 0..ALLOCATIONS {
            let mut client = alice(&server);
            client.relayed();
            if round == ALLOCATIONS / 2 {
                fs::rename(&path, dir.join(format!("turn.log.{number}"))).expect("our own directory");
                server.signal(Signal::HUP);
            }
            assert_eq!(client.refresh(0).code(), 0);
            clients.push(client.local());
        }
        line_of(&path, &["log file opened anew"]);
    }
    assert!(server.terminate().success());
    let moved = (0..MOVES).map(|number| dir.join(format!("turn.log.{number}")));
    let files: Vec<PathBuf> = moved.chain([path]).collect();
    let text: String = files.iter().map(|file| fs::read_to_string(file).expect("it is there")).collect();
    text.lines().for_each(assert_record);
    for message in ["allocation created", "allocation ended"] {
        let told = text.lines().filter(|line| line.contains(message)).count();
        assert_eq!(told, MOVES * ALLOCATIONS, "{message}");
    }
    assert_eq!(text.matches("log file opened anew").count(), MOVES);
    assert!(clients.iter().all(|client| text.contains(&format!("client={client} "))));
    assert!(text.contains(" INFO stopped"), "the last line as well");
}

#[test]
fn where_the_file_cannot_be_opened_anew_the_old_one_stays() {
    let launch = launch(&["--simple-log", "--no-stdout-log"]);
    let dir = launch.dir().join("logs");
    fs::create_dir(&dir).expect("our own directory");
    let path = dir.join("turn.log");
    let server = launch.and(&[&format!("--log-file={}", path.display())]).silent().start();
    line_of(&path, &["listening"]);
    let aside = launch_aside(&dir);
    server.signal(Signal::HUP);
    let old = aside.join("turn.log");
    line_of(&old, &["ERROR", "cannot be opened anew; the old one stays"]);
    alice(&server).relayed();
    line_of(&old, &["allocation created"]);
}

/// Moves a directory away, and says where to.
fn launch_aside(dir: &std::path::Path) -> PathBuf {
    let aside = dir.with_file_name("elsewhere");
    fs::rename(dir, &aside).expect("our own directory");
    aside
}

/// What root made when it started is the user's by the time it has to be opened again.
#[test]
fn who_gave_up_root_opens_the_file_anew() {
    if !can_make_hosts("who_gave_up_root_opens_the_file_anew") {
        return;
    }
    let launch = launch(&["--simple-log", "--no-stdout-log", "--proc-user=nobody"]);
    let dir = launch.dir().join("logs");
    fs::create_dir(&dir).expect("our own directory");
    fs::set_permissions(launch.dir(), fs::Permissions::from_mode(0o755)).expect("our own directory");
    let nobody = nix::unistd::User::from_name("nobody").expect("users are known").expect("a user of every system");
    chown(&dir, Some(nobody.uid.as_raw()), None).expect("we are root");
    let path = dir.join("turn.log");
    let server = launch.and(&[&format!("--log-file={}", path.display())]).silent().start();
    line_of(&path, &["root is given up"]);
    assert_eq!(fs::metadata(&path).expect("it is there").uid(), nobody.uid.as_raw());
    server.signal(Signal::HUP);
    line_of(&path, &["log file opened anew"]);
    fs::rename(&path, path.with_extension("1")).expect("our own directory");
    server.signal(Signal::HUP);
    line_of(&path, &["log file opened anew"]);
    alice(&server).relayed();
    line_of(&path, &["allocation created"]);
}

/// Whoever starts it is told, and does not wait.
#[test]
fn a_pipe_that_nobody_reads_is_refused_at_once() {
    let launch = launch(&["--profile=default", "--simple-log"]);
    let pipe = launch.dir().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).expect("our own directory");
    let option = format!("--log-file={}", pipe.display());
    let refused = launch.and(&[&option]).run();
    assert!(refused.log.contains(&format!("cannot log into {}", pipe.display())), "{}", refused.log);
}

/// Whoever collects lines from a pipe gets them.
#[test]
fn a_pipe_that_is_read_gets_the_log() {
    let launch = launch(&["--simple-log", "--no-stdout-log"]);
    let pipe = launch.dir().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RWXU, 0).expect("our own directory");
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let mut reader = fs::File::options().read(true).custom_flags(nonblocking).open(&pipe).expect("our own pipe");
    let option = format!("--log-file={}", pipe.display());
    let mut server = launch.and(&[&option]).silent().start();
    alice(&server).relayed();
    assert!(server.terminate().success());
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("the server wrote, and closed it");
    assert!(text.contains("allocation created") && text.contains("stopped"), "{text}");
}
