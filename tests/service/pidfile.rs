//! The file with the process id: nobody else's file is written, and nobody else's server forgotten without a word.

use std::fs;
use std::os::unix::fs::symlink;

use crate::launch;

#[test]
fn the_pid_file_is_no_way_to_another_file() {
    let launch = launch(&["--pidfile=turnserver.pid"]);
    let (link, precious) = (launch.dir().join("turnserver.pid"), launch.write("precious", "as it was"));
    symlink(&precious, &link).expect("a directory of our own");
    let mut server = launch.start();
    assert_eq!(fs::read_to_string(&precious).expect("it is there"), "as it was");
    assert_eq!(server.log.count(&["WARN", "cannot write the pid file", "turnserver.pid"]), 1, "{}", server.log.text());
    assert!(server.terminate().success());
    assert!(link.is_symlink());
}

#[test]
fn the_pid_file_of_a_server_that_runs_is_not_taken_silently() {
    let first = launch(&["--pidfile=turnserver.pid"]).start();
    let file = first.dir().join("turnserver.pid");
    let args = format!("--pidfile={}", file.display());
    let second = launch(&[&args]).start();
    let pid = format!("pid={}", first.pid());
    let of_another = ["WARN", "is of another server, which runs", &pid];
    assert_eq!(second.log.count(&of_another), 1, "{}", second.log.text());
    assert_eq!(fs::read_to_string(&file).expect("it is there").trim(), second.pid().to_string());
    // Of a process that is no server, or of none, it is what a crash left behind.
    for pid in [std::process::id(), 4_194_304] {
        let launch = launch(&["--pidfile=turnserver.pid"]);
        launch.write("turnserver.pid", &format!("{pid}\n"));
        let server = launch.start();
        assert_eq!(server.log.count(&["pid file"]), 0, "{}", server.log.text());
    }
}
