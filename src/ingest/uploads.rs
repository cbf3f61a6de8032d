//! What came over HTTP, kept until nothing needs it: one file an upload, named by the SHA-256 of its bytes.
//!
//! A file is written beside its place, brought to the disk, and moved there whole, so what is named is there and
//! complete. Whoever stored bytes keeps what it was given for them until the ledger has their name, so that they are not
//! swept away in between.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use crate::error::Class;
use crate::ledger::{Ledger, LedgerError};

const PART: &str = "part-";

/// The uploads of one data folder.
pub struct Uploads {
    dir: PathBuf,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// One file at a time is moved to its place, or found unneeded and removed.
    moving: tokio::sync::Mutex<()>,
    /// How many hold each upload that the ledger need not know yet.
    held: Mutex<HashMap<String, usize>>,
}

/// Bytes on their way in. Dropped before [`finish`](Self::finish), they are gone.
pub struct Receiving {
    file: File,
    part: Option<PathBuf>,
    dir: PathBuf,
    shared: Arc<Shared>,
    hash: Sha256,
    bytes: u64,
    bytes_max: u64,
}

/// Bytes that are kept, at least as long as this lives.
pub struct Stored {
    pub blob: String,
    pub bytes: u64,
    shared: Arc<Shared>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        let mut held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.blob) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.blob);
            }
        }
    }
}

/// Why bytes are not kept.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("keep the upload: {0}")]
    File(#[from] io::Error),
    #[error("the upload is larger than {bytes_max} bytes")]
    TooLarge { bytes_max: u64 },
}

impl UploadError {
    pub(super) fn class(&self) -> Class {
        match self {
            Self::File(_) => Class::Unavailable,
            Self::TooLarge { .. } => Class::Invalid,
        }
    }
}

impl Uploads {
    pub fn new(dir: PathBuf) -> Self {
        Self { dir, shared: Arc::default() }
    }

    /// Where the bytes are kept.
    pub fn path(&self, blob: &str) -> PathBuf {
        self.dir.join(blob)
    }

    /// Begins to take bytes in.
    pub async fn receive(&self, bytes_max: u64) -> Result<Receiving, UploadError> {
        fs::create_dir_all(&self.dir).await?;
        let part = self.dir.join(format!("{PART}{}", Uuid::new_v4()));
        let file = File::create_new(&part).await?;
        let (dir, shared) = (self.dir.clone(), Arc::clone(&self.shared));
        Ok(Receiving { file, part: Some(part), dir, shared, hash: Sha256::new(), bytes: 0, bytes_max })
    }

    /// Removes the upload unless something needs it.
    pub async fn sweep_one(&self, ledger: &Ledger, blob: &str) -> Result<(), LedgerError> {
        if blob.is_empty() {
            return Ok(());
        }
        let _moving = self.shared.moving.lock().await;
        let is_held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner).contains_key(blob);
        if !is_held && !ledger.needs_blob(blob).await? {
            remove(&self.path(blob)).await;
        }
        Ok(())
    }

    /// Removes what a killed process left, before anything is taken in: halves, and uploads that nothing needs.
    pub async fn sweep(&self, ledger: &Ledger) -> Result<(), LedgerError> {
        let Ok(mut entries) = fs::read_dir(&self.dir).await else { return Ok(()) };
        while let Ok(Some(entry)) = entries.next_entry().await {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(PART) {
                remove(&entry.path()).await;
            } else {
                self.sweep_one(ledger, &name).await?;
            }
        }
        Ok(())
    }
}

impl Receiving {
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.bytes > self.bytes_max {
            return Err(UploadError::TooLarge { bytes_max: self.bytes_max });
        }
        self.hash.update(bytes);
        Ok(self.file.write_all(bytes).await?)
    }

    /// Durable when it returns.
    pub async fn finish(mut self) -> Result<Stored, UploadError> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        let hash = std::mem::take(&mut self.hash).finalize();
        let blob = hash.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let moving = self.shared.moving.lock().await;
        *self.shared.held.lock().unwrap_or_else(PoisonError::into_inner).entry(blob.clone()).or_default() += 1;
        let stored = Stored { blob, bytes: self.bytes, shared: Arc::clone(&self.shared) };
        if let Some(part) = &self.part {
            fs::rename(part, self.dir.join(&stored.blob)).await?;
        }
        drop(moving);
        self.part = None;
        File::open(&self.dir).await?.sync_all().await?;
        Ok(stored)
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if let Some(part) = self.part.take() {
            // What stays behind is swept at the next start.
            let _ = std::fs::remove_file(part);
        }
    }
}

async fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path).await
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!(file.path = %path.display(), error = %error, "an upload that nothing needs can't be removed");
    }
}
