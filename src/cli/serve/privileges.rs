//! Giving up root: who the server becomes once its sockets are bound and its keys are read, and that it cannot go back.

use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::{self, Gid, Group, Uid, User};
use rustix::fs::{Access, access};
use tracing::{info, warn};

use crate::config::Process;

/// Where ports begin that anybody may bind.
const PRIVILEGED_PORTS_END: u16 = 1024;

/// Who the server becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    uid: Uid,
    gid: Gid,
}

impl Identity {
    /// Looks the names up; none: the server stays who it is.
    pub(super) fn of(process: &Process) -> Result<Option<Identity>> {
        let user = process.user.as_deref().map(user).transpose()?;
        let group = process.group.as_deref().map(group).transpose()?;
        if user.is_none() && group.is_none() {
            return Ok(None);
        }
        let uid = user.as_ref().map_or_else(unistd::getuid, |user| user.uid);
        let gid = group.or(user.map(|user| user.gid)).unwrap_or_else(unistd::getgid);
        let identity = Identity { uid, gid };
        if !unistd::geteuid().is_root() {
            ensure!(
                identity == Identity { uid: unistd::getuid(), gid: unistd::getgid() },
                "proc-user and proc-group: only root can become another user; start the server as root, or as that user \
                 without them"
            );
            return Ok(None);
        }
        if uid.is_root() {
            warn!("the server goes on as root; name an unprivileged user with proc-user");
        }
        Ok(Some(identity))
    }

    /// Whose files are that the server makes before and reads afterwards.
    pub(super) fn owner(self) -> (u32, u32) {
        (self.uid.as_raw(), self.gid.as_raw())
    }

    /// Becomes it, with all threads, and makes sure.
    pub(super) fn assume(self) -> Result<()> {
        let refused = "cannot give up root";
        unistd::setgroups(&[]).context(refused)?;
        unistd::setgid(self.gid).context(refused)?;
        unistd::setuid(self.uid).context(refused)?;
        self.verify().context("root was not given up")?;
        let (user, group) = (self.uid.as_raw(), self.gid.as_raw());
        match self.uid.is_root() {
            true => warn!(group, "the group is another one; the server is root still, with all that root may"),
            false => info!(user, group, "root is given up"),
        }
        Ok(())
    }

    fn verify(self) -> Result<()> {
        let Identity { uid, gid } = self;
        let (users, groups) = (unistd::getresuid()?, unistd::getresgid()?);
        ensure!([users.real, users.effective, users.saved] == [uid; 3], "the user is another one");
        ensure!([groups.real, groups.effective, groups.saved] == [gid; 3], "the group is another one");
        ensure!(unistd::getgroups()?.is_empty(), "there are other groups");
        if !uid.is_root() {
            ensure!(unistd::setuid(Uid::from_raw(0)).is_err(), "it can be had again");
            ensure!(gid.as_raw() == 0 || unistd::setgid(Gid::from_raw(0)).is_err(), "its group can be had again");
        }
        // The calls above speak for this thread alone.
        for task in fs::read_dir("/proc/self/task").context("the threads cannot be looked at")? {
            match fs::read_to_string(task?.path().join("status")) {
                Ok(status) => self.verify_thread(&status)?,
                Err(error) if has_ended(&error) => {}
                Err(error) => return Err(error).context("a thread cannot be looked at"),
            }
        }
        Ok(())
    }

    /// `status`: what `/proc` shows of a thread.
    fn verify_thread(self, status: &str) -> Result<()> {
        let ids = |id: u32| vec![id.to_string(); 4];
        let line = |name: &str| -> Result<Vec<String>> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let words = line.with_context(|| format!("a thread has no line {name}"))?;
            Ok(words.split_whitespace().map(str::to_owned).collect())
        };
        ensure!(line("Uid")? == ids(self.uid.as_raw()), "a thread has another user");
        ensure!(line("Gid")? == ids(self.gid.as_raw()), "a thread has another group");
        ensure!(line("Groups")?.is_empty(), "a thread has other groups");
        for set in ["CapPrm", "CapEff", "CapAmb"] {
            let is_empty = line(set)?.concat().bytes().all(|digit| digit == b'0');
            ensure!(self.uid.is_root() || is_empty, "a thread has capabilities: {set}");
        }
        Ok(())
    }
}

/// What is wrong with the names of user and group, whoever asks.
pub(in crate::cli) fn unknown_names(process: &Process) -> Vec<anyhow::Error> {
    let user = process.user.as_deref().and_then(|name| user(name).err());
    let group = process.group.as_deref().and_then(|name| group(name).err());
    user.into_iter().chain(group).collect()
}

fn has_ended(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound || error.raw_os_error() == Some(nix::libc::ESRCH)
}

fn user(name: &str) -> Result<User> {
    let by_name = User::from_name(name).with_context(|| format!("proc-user {name}: cannot be looked up"))?;
    let by_number = || name.parse().ok().and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok().flatten());
    match by_name.or_else(by_number) {
        Some(user) => Ok(user),
        None => bail!("proc-user {name}: there is no such user"),
    }
}

fn group(name: &str) -> Result<Gid> {
    let by_name = Group::from_name(name).with_context(|| format!("proc-group {name}: cannot be looked up"))?;
    match by_name.map(|group| group.gid).or_else(|| name.parse().ok().map(Gid::from_raw)) {
        Some(gid) => Ok(gid),
        None => bail!("proc-group {name}: there is no such group"),
    }
}

/// Says which of the files that are read again by a reload the server cannot read any more.
pub(super) fn warn_unreadable(files: Vec<PathBuf>) {
    for file in files {
        if let Err(error) = access(&file, Access::READ_OK) {
            warn!(
                file = %file.display(), error = %std::io::Error::from(error),
                "cannot be read without root: what was read at the start stays, whatever a reload asks for"
            );
        }
    }
}

/// Relay ports are bound when they are asked for.
pub(super) fn warn_low_ports(ports: &RangeInclusive<u16>) {
    if *ports.start() < PRIVILEGED_PORTS_END {
        warn!(
            from = ports.start(),
            "relay ports below {PRIVILEGED_PORTS_END} cannot be had without root; raise min-port"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tworker-0\nUid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\nGroups:\t \n\
                          CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n";

    #[test]
    fn a_thread_that_kept_something_is_noticed() {
        let identity = Identity { uid: Uid::from_raw(7), gid: Gid::from_raw(8) };
        assert!(identity.verify_thread(STATUS).is_ok());
        for (kept, line) in [
            ("Uid:\t7\t7\t7\t7", "Uid:\t7\t7\t0\t7"),
            ("Gid:\t8\t8\t8\t8", "Gid:\t0\t0\t0\t0"),
            ("Groups:\t ", "Groups:\t4 "),
            ("CapPrm:\t0000000000000000", "CapPrm:\t0000000000000400"),
            ("CapEff:\t0000000000000000", "CapEff:\t000001ffffffffff"),
            ("CapAmb:\t0000000000000000\n", ""),
        ] {
            assert!(STATUS.contains(kept));
            assert!(identity.verify_thread(&STATUS.replace(kept, line)).is_err(), "{line}");
        }
    }

    #[test]
    fn unknown_names_are_named() {
        let named = |user: Option<&str>, group: Option<&str>| Process {
            threads: None,
            pidfile: None,
            user: user.map(str::to_owned),
            group: group.map(str::to_owned),
            daemon: false,
            drain_secs_max: None,
            drain_allocations_min: 0,
        };
        let refusal = |process: &Process| Identity::of(process).expect_err("nobody has that name").to_string();
        assert_eq!(refusal(&named(Some("no-such-user"), None)), "proc-user no-such-user: there is no such user");
        assert_eq!(refusal(&named(None, Some("no-such-group"))), "proc-group no-such-group: there is no such group");
        assert_eq!(Identity::of(&named(None, None)).expect("nothing is asked"), None);
    }
}
