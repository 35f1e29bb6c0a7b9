//! A log file: appended to, never cut off; of one name, or of one for every day.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use time::{Date, OffsetDateTime};
use tracing::error;

use crate::clock;

/// Operators' group may read it: it names clients and users.
const MODE: u32 = 0o640;

/// The file in use. The thread of the log writes to it, and whoever is told to opens it anew.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    daily: bool,
    current: ArcSwap<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    /// The day it is of, or the last one on which its successor could not be opened.
    day: Date,
}

impl LogFile {
    /// Opens it, or makes it.
    pub(super) fn open(path: &Path, daily: bool) -> io::Result<LogFile> {
        LogFile::open_on(path, daily, today())
    }

    fn open_on(path: &Path, daily: bool, day: Date) -> io::Result<LogFile> {
        let file = append_to(&name(path, daily, day))?;
        Ok(LogFile { path: path.to_owned(), daily, current: ArcSwap::from_pointee(Current { file, day }) })
    }

    /// Opens what has the name now, and says which name.
    pub(super) fn reopen(&self) -> io::Result<PathBuf> {
        let day = today();
        let path = name(&self.path, self.daily, day);
        let file = append_to(&path)?;
        self.current.store(Arc::new(Current { file, day }));
        Ok(path)
    }

    /// Makes it a user's and a group's.
    pub(super) fn give_to(&self, (user, group): (u32, u32)) -> io::Result<()> {
        fchown(&self.current.load().file, Some(user), Some(group))
    }

    fn write_on(&self, line: &[u8], day: Date) -> io::Result<usize> {
        let mut current = self.current.load();
        if self.daily && current.day != day {
            self.roll_over(&current, day);
            current = self.current.load();
        }
        (&current.file).write(line)
    }

    /// The first line of another day goes to that day's file; while there is none, to the old one.
    fn roll_over(&self, current: &Current, day: Date) {
        let path = name(&self.path, true, day);
        let file = append_to(&path).or_else(|error| {
            error!(path = %path.display(), %error, "the log file of the day cannot be opened; the old one stays");
            current.file.try_clone()
        });
        if let Ok(file) = file {
            self.current.store(Arc::new(Current { file, day }));
        }
    }
}

/// The end that writes.
pub(super) struct Writer(pub(super) Arc<LogFile>);

impl Write for Writer {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write_on(line, today())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A pipe that nobody reads is an error: nobody waits for its reader.
fn append_to(path: &Path) -> io::Result<File> {
    let at_once = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().append(true).create(true).mode(MODE).custom_flags(at_once).open(path)?;
    // From here on the thread of the log is the one that waits.
    fcntl_setfl(&file, fcntl_getfl(&file)? - OFlags::NONBLOCK)?;
    Ok(file)
}

/// As coturn has it: `turn.log` of a day is `turn_2026-11-21.log`.
fn name(path: &Path, daily: bool, day: Date) -> PathBuf {
    if !daily {
        return path.to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("_{day}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The date in UTC.
fn today() -> Date {
    let secs = i64::try_from(clock::now().wall.0).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(secs).map_or(Date::MIN, OffsetDateTime::date)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn day(ordinal: u16) -> Date {
        Date::from_ordinal_date(2026, ordinal).expect("a day of that year")
    }

    #[test]
    fn files_of_a_day_have_coturns_names() {
        for (path, named) in [
            ("/var/log/turn.log", "/var/log/turn_2026-01-09.log"),
            ("turn", "turn_2026-01-09"),
            ("a.b/turn", "a.b/turn_2026-01-09"),
            ("a/turn.2.log", "a/turn.2_2026-01-09.log"),
        ] {
            assert_eq!(name(Path::new(path), true, day(9)), Path::new(named));
            assert_eq!(name(Path::new(path), false, day(9)), Path::new(path));
        }
    }

    #[test]
    fn every_day_has_its_file_and_none_is_cut_off() {
        let dir = tempfile::tempdir().expect("a directory");
        let (first, second) = (dir.path().join("turn_2026-01-09.log"), dir.path().join("turn_2026-01-10.log"));
        fs::write(&second, "before\n").expect("our own directory");
        let log = LogFile::open_on(&dir.path().join("turn.log"), true, day(9)).expect("our own directory");
        for (line, ordinal) in [("one\n", 9), ("two\n", 9), ("three\n", 10), ("four\n", 10)] {
            assert_eq!(log.write_on(line.as_bytes(), day(ordinal)).expect("there is room"), line.len());
        }
        assert_eq!(fs::read_to_string(first).expect("it is there"), "one\ntwo\n");
        assert_eq!(fs::read_to_string(second).expect("it is there"), "before\nthree\nfour\n");
        assert_eq!(fs::read_dir(dir.path()).expect("it is there").count(), 2);
    }

    #[test]
    fn where_no_new_file_can_be_made_the_old_one_stays() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = LogFile::open_on(&dir.path().join("turn.log"), true, day(9)).expect("our own directory");
        fs::create_dir(dir.path().join("turn_2026-01-10.log")).expect("our own directory");
        assert!(log.write_on(b"one\n", day(10)).is_ok());
        assert!(log.write_on(b"two\n", day(11)).is_ok());
        assert_eq!(fs::read_to_string(dir.path().join("turn_2026-01-09.log")).expect("it is there"), "one\n");
        assert_eq!(fs::read_to_string(dir.path().join("turn_2026-01-11.log")).expect("it is there"), "two\n");
    }
}
