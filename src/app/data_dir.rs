//! The folder that holds the index, the ledger and the uploads: whose it is, and how others on this machine reach them.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::AppError;
use crate::document::sha256;
use crate::ledger::Ledger;

/// Says where this folder is served, readable by its owner only.
const SERVING_FILE: &str = "server.json";
const TOKEN_PREFIX: &str = "local_";
const LEDGER_FILE: &str = "ledger.sqlite";

/// The folder that holds the index and the ledger, locked.
pub struct DataDir {
    dir: PathBuf,
    lock: File,
}

/// Where a process serves, and the token that lets others on this machine in. Kept in [`SERVING_FILE`].
#[derive(Serialize, Deserialize)]
pub struct Serving {
    pub address: SocketAddr,
    pub pid: u32,
    token: String,
}

/// Why the data folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("use the data folder {dir}: {cause}")]
    File { dir: String, cause: std::io::Error },
    #[error("draw random numbers: {0}")]
    Random(getrandom::Error),
    #[error("the data folder {dir} is in use by another cairn process{}", server.as_ref().map_or(String::new(), |address| format!(", which serves http://{address}")))]
    InUse { dir: String, server: Option<SocketAddr> },
}

impl DataDir {
    /// Makes the folder if need be and locks it. The lock goes with the process, however it ends.
    pub fn lock(dir: &Path) -> Result<Self, DataDirError> {
        let failed = |cause| DataDirError::File { dir: dir.display().to_string(), cause };
        fs::create_dir_all(dir).map_err(failed)?;
        let path = dir.join("lock");
        let mut lock =
            File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {
                lock.set_len(0).map_err(failed)?;
                forget_serving(dir); // A killed server's.
                Ok(Self { dir: dir.to_path_buf(), lock })
            }
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                lock.read_to_string(&mut text).map_err(failed)?;
                Err(DataDirError::InUse { dir: dir.display().to_string(), server: text.trim().parse().ok() })
            }
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    /// The ledger of a data folder that another process may have, for what needs no lock.
    pub async fn open_ledger_beside(dir: &Path) -> Result<Ledger, AppError> {
        let failed = |cause| DataDirError::File { dir: dir.display().to_string(), cause };
        fs::create_dir_all(dir).map_err(failed)?;
        Ok(Ledger::open_beside(&dir.join(LEDGER_FILE)).await?)
    }

    /// Notes where this process serves, for another one that finds the folder in use. Gives the token that lets it in,
    /// which only those can read who can read the folder.
    pub fn announce(&mut self, address: SocketAddr) -> Result<SecretString, DataDirError> {
        let failed = |cause| DataDirError::File { dir: self.dir.display().to_string(), cause };
        self.lock.set_len(0).map_err(failed)?;
        self.lock.rewind().map_err(failed)?;
        write!(self.lock, "{address}").map_err(failed)?;
        let mut bytes = [0_u8; 32];
        getrandom::fill(&mut bytes).map_err(DataDirError::Random)?;
        let token = format!("{TOKEN_PREFIX}{}", sha256(&bytes));
        let serving = Serving { address, pid: std::process::id(), token: token.clone() };
        let text = serde_json::to_string(&serving).expect("it is made of texts and numbers");
        forget_serving(&self.dir);
        let mut options = File::options();
        let mut file =
            options.write(true).create_new(true).mode(0o600).open(self.dir.join(SERVING_FILE)).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        Ok(SecretString::from(token))
    }

    /// Moves the index out of the way, whole. Gives where it is now; None if there was none.
    pub(super) fn set_index_aside(&self) -> Result<Option<PathBuf>, DataDirError> {
        let failed = |cause| DataDirError::File { dir: self.dir.display().to_string(), cause };
        let index = self.index();
        if !index.exists() {
            return Ok(None);
        }
        let aside = (1_u32..).map(|n| self.dir.join(format!("index.old-{n}"))).find(|path| !path.exists());
        let aside = aside.expect("there are more numbers than folders");
        fs::rename(&index, &aside).map_err(failed)?;
        Ok(Some(aside))
    }

    /// Where a move between stores notes how far it came.
    pub fn migration_note(&self) -> PathBuf {
        self.dir.join("migration")
    }

    pub(super) fn index(&self) -> PathBuf {
        self.dir.join("index")
    }

    /// The cache of vectors of texts that were embedded before.
    pub(super) fn vectors(&self) -> PathBuf {
        self.dir.join("vectors.sqlite")
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.dir.join("uploads")
    }

    pub(super) fn ledger(&self) -> PathBuf {
        self.dir.join(LEDGER_FILE)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        forget_serving(&self.dir);
    }
}

impl Serving {
    /// What a process that serves from this folder left there. None: none does, or it isn't this one's to read.
    pub fn find(dir: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(dir.join(SERVING_FILE)).ok()?).ok()
    }

    pub fn token(&self) -> SecretString {
        SecretString::from(self.token.clone())
    }

    /// The server's address as it is reached from this machine.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            let loopback = if address.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
            address.set_ip(loopback);
        }
        format!("http://{address}")
    }
}

fn forget_serving(dir: &Path) {
    // Fails where there is none, which is what is wanted.
    let _ = fs::remove_file(dir.join(SERVING_FILE));
}
