//! What outlives a restart: a directory of our own with the nonce key and the secret made on the first start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tracing::warn;

use crate::rng;

/// Where packages keep it.
const SYSTEM_DIR: &str = "/var/lib/turn";
/// Where it is kept when that is not ours to write.
const LOCAL_DIR: &str = ".turnserver";
const NONCE_KEY: &str = "nonce.key";
/// To change the nonce key, give the old one this name: its nonces are accepted as long as they live.
const PREVIOUS_NONCE_KEY: &str = "nonce.key.previous";
/// The longest secret file that is read.
const SECRET_LEN_MAX: u64 = 4096;

/// The state directory, mode 0700 where we made it.
#[derive(Debug)]
pub(super) struct StateDir {
    path: PathBuf,
    /// Who the server is about to become: user and group.
    owner: Option<(u32, u32)>,
}

/// A secret that was read, or made just now.
#[derive(Debug)]
pub(super) struct Secret {
    pub(super) text: String,
    pub(super) path: PathBuf,
    pub(super) is_new: bool,
}

impl StateDir {
    /// The directory systemd gives the service (`StateDirectory=`), else `/var/lib/turn` when it is writable, else
    /// `./.turnserver`.
    pub(super) fn open(owner: Option<(u32, u32)>) -> Result<StateDir> {
        let given = std::env::var_os("STATE_DIRECTORY").unwrap_or_default();
        // A service may have several; the first is ours.
        if let Some(path) = std::env::split_paths(&given).find(|path| !path.as_os_str().is_empty()) {
            return Ok(StateDir { path, owner });
        }
        let system = Path::new(SYSTEM_DIR);
        if rustix::fs::access(system, rustix::fs::Access::WRITE_OK).is_ok() {
            return Ok(StateDir { path: system.to_owned(), owner });
        }
        let local = std::env::current_dir()?.join(LOCAL_DIR);
        match fs::DirBuilder::new().mode(0o700).create(&local) {
            Ok(()) => give(&File::open(&local)?, owner)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_strangers(&local, owner)?,
            Err(error) => return Err(error).with_context(|| format!("cannot make {}", local.display())),
        }
        Ok(StateDir { path: local, owner })
    }

    /// Whose are the files that are made.
    pub(super) fn owner(&self) -> Option<(u32, u32)> {
        self.owner
    }

    /// The key nonces are made with, made on the first start so that nonces outlive a restart; and the one before it, if
    /// there is one.
    pub(super) fn nonce_keys(&self) -> Result<([u8; 32], Option<[u8; 32]>)> {
        let read_key = |name: &str| -> Result<Option<[u8; 32]>> {
            let path = self.path.join(name);
            let to_key = |bytes: Vec<u8>| <[u8; 32]>::try_from(bytes).ok();
            match read(&path)?.map(to_key) {
                None => Ok(None),
                Some(Some(key)) => Ok(Some(key)),
                Some(None) => bail!("{} does not hold 32 bytes; remove it to get a new key", path.display()),
            }
        };
        let previous = read_key(PREVIOUS_NONCE_KEY)?;
        if let Some(key) = read_key(NONCE_KEY)? {
            return Ok((key, previous));
        }
        let made = rng::seed()?;
        write_new(&self.path.join(NONCE_KEY), &made, self.owner)?;
        // Another first start may have been quicker; its key is the one.
        let key = read_key(NONCE_KEY)?.context("the nonce key was removed while it was made")?;
        Ok((key, previous))
    }

    /// Where `file` lies when its path is relative.
    pub(super) fn join(&self, file: &Path) -> PathBuf {
        self.path.join(file)
    }
}

/// The secret in a file, made when there is none.
pub(super) fn secret(path: PathBuf, owner: Option<(u32, u32)>) -> Result<Secret> {
    let is_new = !path.exists();
    if is_new {
        let made: String = rng::seed()?.iter().map(|byte| format!("{byte:02x}")).collect();
        write_new(&path, format!("{made}\n").as_bytes(), owner)?;
    }
    let bytes = read(&path)?.with_context(|| format!("{} was removed while it was made", path.display()))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{} is not text", path.display()))?;
    let text = text.trim().to_owned();
    ensure!(!text.is_empty(), "{} is empty; put a secret in, or remove it to have one made", path.display());
    Ok(Secret { text, path, is_new })
}

/// Who can write to the directory can choose our keys.
fn refuse_strangers(path: &Path, owner: Option<(u32, u32)>) -> Result<()> {
    let metadata = fs::metadata(path)?;
    let ours = rustix::process::geteuid().as_raw();
    ensure!(metadata.is_dir(), "{} is not a directory", path.display());
    let is_ours = metadata.uid() == ours || owner.is_some_and(|(uid, _)| metadata.uid() == uid);
    ensure!(is_ours, "{} belongs to another user", path.display());
    ensure!(metadata.mode() & 0o022 == 0, "{} can be written by others; chmod 700", path.display());
    Ok(())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    // A pipe would be waited at for somebody who writes to it.
    let opened = OpenOptions::new().read(true).custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let metadata = file.metadata()?;
    ensure!(metadata.is_file(), "{} is not a regular file", path.display());
    let mode = metadata.mode();
    // A service's group may read it: root:turnserver 0640 is how a file is given to it.
    if mode & 0o007 != 0 {
        warn!(path = %path.display(), mode = format!("{:03o}", mode & 0o777), "a secret can be read by others");
    }
    let mut bytes = Vec::new();
    file.take(SECRET_LEN_MAX + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(bytes.len() as u64 <= SECRET_LEN_MAX, "{} is longer than {SECRET_LEN_MAX} bytes", path.display());
    Ok(Some(bytes))
}

/// Hands a file that was just made to whoever the server is about to become.
fn give(file: &File, owner: Option<(u32, u32)>) -> io::Result<()> {
    owner.map_or(Ok(()), |(uid, gid)| fchown(file, Some(uid), Some(gid)))
}

/// Writes a file, readable by its owner only and whole or not at all; one that is there meanwhile stays.
fn write_new(path: &Path, bytes: &[u8], owner: Option<(u32, u32)>) -> Result<()> {
    let written = || -> io::Result<()> {
        let suffix = u64::from_le_bytes(rng::seed()?[..8].try_into().expect("a seed has 32 bytes"));
        let unfinished = path.with_extension(format!("new-{suffix:016x}"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        give(&file, owner)?;
        let linked = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| {
            match fs::hard_link(&unfinished, path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                linked => linked,
            }
        });
        fs::remove_file(&unfinished)?;
        linked
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, chown};
    use std::sync::Barrier;

    use super::*;

    fn refusal(path: &Path) -> String {
        refuse_strangers(path, None).map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        for (mode, is_refused) in [(0o700, false), (0o755, false), (0o777, true), (0o720, true), (0o1702, true)] {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).expect("a directory of our own");
            let expected = format!("{} can be written by others; chmod 700", dir.path().display());
            assert_eq!(refusal(dir.path()), if is_refused { expected } else { String::new() }, "{mode:o}");
        }
    }

    #[test]
    fn what_is_not_a_directory_of_ours_is_refused() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("a directory of our own");
        assert!(refusal(&file).contains("is not a directory"));
        // Who may give directories away does so; to everybody else the root directory is another user's.
        let foreign = match chown(dir.path(), Some(12_345), None) {
            Ok(()) => dir.path(),
            Err(_) => Path::new("/"),
        };
        assert!(refusal(foreign).contains("belongs to another user"));
    }

    /// Runs `first_start` in many threads at once, in a directory of their own, and gives what each got.
    fn at_once<T: Send>(first_start: impl Fn(&StateDir) -> T + Sync) -> (Vec<T>, usize) {
        const STARTS: usize = 16;
        let dir = tempfile::tempdir().expect("a directory");
        let barrier = Barrier::new(STARTS);
        let start = || {
            let state = StateDir { path: dir.path().to_owned(), owner: None };
            barrier.wait();
            first_start(&state)
        };
        let got = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..STARTS).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|start| start.join().expect("it starts")).collect()
        });
        (got, fs::read_dir(dir.path()).expect("a directory").count())
    }

    #[test]
    fn first_starts_at_once_get_one_secret_and_one_key() {
        for _ in 0..20 {
            let (secrets, files) = at_once(|state| secret(state.join(Path::new("made")), None).expect("a secret").text);
            assert!(secrets[0].len() == 64 && secrets.iter().all(|secret| *secret == secrets[0]), "{secrets:?}");
            assert_eq!(files, 1, "unfinished files are gone");
            let (keys, files) = at_once(|state| state.nonce_keys().expect("a key"));
            assert!(keys.iter().all(|key| *key == keys[0]) && keys[0].1.is_none());
            assert_eq!(files, 1);
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused_and_kept() {
        let dir = tempfile::tempdir().expect("a directory");
        let state = StateDir { path: dir.path().to_owned(), owner: None };
        let path = dir.path().join(NONCE_KEY);
        fs::write(&path, [7; 31]).expect("a directory of our own");
        assert!(state.nonce_keys().expect_err("31 bytes").to_string().contains("does not hold 32 bytes"));
        assert_eq!(fs::read(&path).expect("it is there"), [7; 31]);
    }
}
