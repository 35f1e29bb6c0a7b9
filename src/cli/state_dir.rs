//! What outlives a restart: a directory of our own with the nonce key and the secret made on the first start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
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
    pub(super) fn open() -> Result<StateDir> {
        if let Some(path) = std::env::var_os("STATE_DIRECTORY").filter(|path| !path.is_empty()) {
            return Ok(StateDir { path: path.into() });
        }
        let system = Path::new(SYSTEM_DIR);
        if rustix::fs::access(system, rustix::fs::Access::WRITE_OK).is_ok() {
            return Ok(StateDir { path: system.to_owned() });
        }
        let local = std::env::current_dir()?.join(LOCAL_DIR);
        match fs::DirBuilder::new().mode(0o700).create(&local) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse_strangers(&local)?,
            Err(error) => return Err(error).with_context(|| format!("cannot make {}", local.display())),
        }
        Ok(StateDir { path: local })
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
        write_new(&self.path.join(NONCE_KEY), &made)?;
        // Another first start may have been quicker; its key is the one.
        let key = read_key(NONCE_KEY)?.context("the nonce key was removed while it was made")?;
        Ok((key, previous))
    }

    /// The secret in `file`, made when there is none; a relative path lies in the state directory.
    pub(super) fn secret(&self, file: &Path) -> Result<Secret> {
        let path = self.path.join(file);
        let is_new = !path.exists();
        if is_new {
            let made: String = rng::seed()?.iter().map(|byte| format!("{byte:02x}")).collect();
            write_new(&path, format!("{made}\n").as_bytes())?;
        }
        let bytes = read(&path)?.with_context(|| format!("{} was removed while it was made", path.display()))?;
        let text = String::from_utf8(bytes).with_context(|| format!("{} is not text", path.display()))?;
        let text = text.trim().to_owned();
        ensure!(!text.is_empty(), "{} is empty; put a secret in, or remove it to have one made", path.display());
        Ok(Secret { text, path, is_new })
    }
}

/// Who can write to the directory can choose our keys.
fn refuse_strangers(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path)?;
    let ours = rustix::process::geteuid().as_raw();
    ensure!(metadata.is_dir(), "{} is not a directory", path.display());
    ensure!(metadata.uid() == ours, "{} belongs to another user", path.display());
    ensure!(metadata.mode() & 0o022 == 0, "{} can be written by others; chmod 700", path.display());
    Ok(())
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mode = file.metadata()?.mode();
    if mode & 0o077 != 0 {
        warn!(path = %path.display(), mode = format!("{:03o}", mode & 0o777), "a secret can be read by others");
    }
    let mut bytes = Vec::new();
    file.take(SECRET_LEN_MAX + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(bytes.len() as u64 <= SECRET_LEN_MAX, "{} is longer than {SECRET_LEN_MAX} bytes", path.display());
    Ok(Some(bytes))
}

/// Writes a file, readable by its owner only and whole or not at all; one that is there meanwhile stays.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = || -> io::Result<()> {
        let suffix = u64::from_le_bytes(rng::seed()?[..8].try_into().expect("a seed has 32 bytes"));
        let unfinished = path.with_extension(format!("new-{suffix:016x}"));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
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
