//! Under systemd the journal keeps the time, and is told each record's level.

use crate::netns::can_make_hosts;
use crate::wire::Client;
use crate::{alice, launch};

/// As systemd tells a service whose standard error it reads.
const JOURNAL: &str = "export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/$$/fd/2)";

#[test]
fn the_journal_is_told_levels_and_no_times() {
    if !can_make_hosts("the_journal_is_told_levels_and_no_times") {
        return;
    }
    let server = launch(&["-v"]).after_mounts(JOURNAL).start();
    let mut client = alice(&server);
    client.relayed();
    assert_eq!(client.permit([127, 0, 0, 9].into()).code(), 0);
    assert_eq!(Client::udp(server.addr).with_user("alice", "wrong").allocate().code(), 401);
    assert!(server.log.find(&["request refused"]).is_some_and(|line| line.starts_with("<4> WARN request refused ")));
    assert!(server.log.find(&["allocation created"]).is_some_and(|line| line.starts_with("<6> INFO allocation ")));
    assert!(server.log.find(&["permission installed"]).is_some_and(|line| line.starts_with("<7>DEBUG permission ")));
}

#[test]
fn a_stream_that_is_not_the_journals_is_told_times() {
    if !can_make_hosts("a_stream_that_is_not_the_journals_is_told_times") {
        return;
    }
    let server = launch(&[]).after_mounts("export JOURNAL_STREAM=1:2").start();
    crate::assert_record(&server.log.find(&["listening"]).expect("it starts"));
}
