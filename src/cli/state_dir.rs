//! What outlives a restart: a directory of our own with the nonce key and the secret made on the first start.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::rng;

/// Where packages keep it.
const SYSTEM_DIR: &str = "/var/lib/turn";
/// Where it is kept when that is not ours to write.
const LOCAL_DIR: &str = ".turnserver";
const NONCE_KEY: &str = "nonce.key";
/// The longest secret file that is read.
const SECRET_LEN_MAX: u64 = 4096;

/// The state directory, mode 0700 where we made it.
#[derive(Debug)]
pub(super) struct StateDir {
    path: PathBuf,
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
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot make {}", local.display())),
        }
        Ok(StateDir { path: local })
    }

    /// The key nonces are made with; made on the first start, so that nonces outlive a restart.
    pub(super) fn nonce_key(&self) -> Result<[u8; 32]> {
        let path = self.path.join(NONCE_KEY);
        if let Some(key) = read(&path)? {
            return key
                .try_into()
                .map_err(|_| anyhow::anyhow!("{} does not hold 32 bytes; remove it to get a new key", path.display()));
        }
        let key = rng::seed()?;
        write_new(&path, &key)?;
        Ok(key)
    }

    /// The secret in `file`, and whether it was made just now; a relative path lies in the state directory.
    pub(super) fn secret(&self, file: &Path) -> Result<(String, PathBuf, bool)> {
        let path = self.path.join(file);
        if let Some(bytes) = read(&path)? {
            let text = String::from_utf8(bytes).with_context(|| format!("{} is not text", path.display()))?;
            let secret = text.trim();
            if secret.is_empty() {
                bail!("{} is empty; put a secret in, or remove it to have one made", path.display());
            }
            return Ok((secret.to_owned(), path, false));
        }
        let secret: String = rng::seed()?.iter().map(|byte| format!("{byte:02x}")).collect();
        write_new(&path, format!("{secret}\n").as_bytes())?;
        Ok((secret, path, true))
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    let mut bytes = Vec::new();
    file.take(SECRET_LEN_MAX).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Some(bytes))
}

/// Writes a file that did not exist, readable by its owner only and whole or not at all.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = || -> io::Result<()> {
        let unfinished = path.with_extension(format!("new-{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}
