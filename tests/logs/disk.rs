//! A log that cannot be written keeps nobody from being served.

use std::fs;

use crate::netns::can_make_hosts;
use crate::wire::{Client, poll_until};
use crate::{alice, launch};

#[test]
fn a_file_that_takes_nothing_stops_neither_relaying_nor_the_end() {
    let mut server = launch(&["-v", "--log-file=/dev/full", "--simple-log", "--no-stdout-log"]).silent().start();
    for _ in 0..50 {
        let mut client = alice(&server);
        client.relayed();
        assert_eq!(client.refresh(0).code(), 0);
    }
    assert!(server.terminate().success());
    assert_eq!(server.log.whole(), "", "nor does it go elsewhere");
}

#[test]
fn a_disk_that_was_full_is_written_again_and_what_was_lost_is_counted() {
    if !can_make_hosts("a_disk_that_was_full_is_written_again_and_what_was_lost_is_counted") {
        return;
    }
    let launch = launch(&["--simple-log", "--no-stdout-log"]);
    let dir = launch.dir().join("disk");
    fs::create_dir(&dir).expect("our own directory");
    let (path, ballast) = (dir.join("turn.log"), dir.join("ballast"));
    let option = format!("--log-file={}", path.display());
    let mounts =
        format!("mount -t tmpfs -o size=64k none {}; head -c 49152 /dev/zero >{}", dir.display(), ballast.display());
    let mut server = launch.and(&[&option]).after_mounts(&mounts).silent().start();
    let seen = |path: &std::path::Path| {
        let inside = path.strip_prefix("/").expect("paths of a test are absolute");
        std::path::Path::new("/proc").join(server.pid().to_string()).join("root").join(inside)
    };
    let (seen_log, seen_ballast) = (seen(&path), seen(&ballast));
    let allocate = |server: &crate::Server| {
        let mut client = alice(server);
        client.relayed();
        assert_eq!(client.refresh(0).code(), 0);
    };
    // A page holds eighteen lines or so; there is room for less than four of them.
    (0..80).for_each(|_| allocate(&server));
    assert_eq!(Client::udp(server.addr).binding().code(), 0);
    let room = poll_until("the disk is full", || {
        allocate(&server);
        fs::metadata(&seen_log).ok().map(|file| file.len()).filter(|len| *len == 64 * 1024 - 49152)
    });
    fs::remove_file(&seen_ballast).expect("it is there");
    poll_until("what was lost is told", || {
        allocate(&server);
        let text = fs::read_to_string(&seen_log).ok()?;
        text.contains(" WARN lines of the log were lost count=").then_some(())
    });
    let text = fs::read_to_string(&seen_log).expect("it is there");
    assert!(text.len() as u64 > room);
    // The line that met the end of the disk was cut off; the next one has a line of its own.
    let is_whole = |line: &&str| {
        let ends = ["to_client_bytes=0", "lifetime_secs=600", "workers=1", "profile=\"coturn\""];
        line.contains(" WARN ") || ends.iter().any(|end| line.ends_with(end))
    };
    let torn: Vec<&str> = text.lines().filter(|line| !is_whole(line)).collect();
    assert!(torn.len() <= 1, "{torn:?}");
    assert!(server.terminate().success());
}
