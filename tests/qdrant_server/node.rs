//! The collections of the one node, by name, each in a folder of its own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use qdrant_client::qdrant::CreateCollection;
use tonic::Status;

use super::collection::Collection;

pub(super) struct Node {
    dir: PathBuf,
    collections: RwLock<BTreeMap<String, Arc<Collection>>>,
    /// As on a server: one collection is made at a time.
    making: Mutex<()>,
}

impl Node {
    pub(super) fn open(dir: &Path) -> Result<Self, Status> {
        let file = |error: std::io::Error| Status::internal(error.to_string());
        fs::create_dir_all(dir).map_err(file)?;
        let mut collections = BTreeMap::new();
        for entry in fs::read_dir(dir).map_err(file)? {
            let path = entry.map_err(file)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            collections.insert(name, Arc::new(Collection::load(&path)?));
        }
        Ok(Self { dir: dir.to_path_buf(), collections: RwLock::new(collections), making: Mutex::new(()) })
    }

    pub(super) fn get(&self, name: &str) -> Result<Arc<Collection>, Status> {
        let collections = self.collections.read().unwrap_or_else(PoisonError::into_inner);
        let found = collections.get(name).map(Arc::clone);
        found.ok_or_else(|| Status::not_found(format!("Not found: Collection `{name}` doesn't exist!")))
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.collections.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    pub(super) fn create(&self, made: CreateCollection) -> Result<(), Status> {
        let _making = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let name = made.collection_name.clone();
        if self.get(&name).is_ok() {
            return Err(Status::already_exists(format!("Wrong input: Collection `{name}` already exists!")));
        }
        let collection = Arc::new(Collection::create(&self.dir.join(&name), made)?);
        self.collections.write().unwrap_or_else(PoisonError::into_inner).insert(name, collection);
        Ok(())
    }

    /// False if there was none.
    pub(super) fn delete(&self, name: &str) -> Result<bool, Status> {
        let removed = self.collections.write().unwrap_or_else(PoisonError::into_inner).remove(name);
        let Some(removed) = removed else { return Ok(false) };
        removed.close();
        fs::remove_dir_all(self.dir.join(name)).map_err(|error| Status::internal(error.to_string()))?;
        Ok(true)
    }

    /// Lets go of every folder, after what still runs.
    pub(super) async fn close(self: Arc<Self>) {
        let closed = tokio::task::spawn_blocking(move || {
            for collection in self.collections.read().unwrap_or_else(PoisonError::into_inner).values() {
                collection.close();
            }
        });
        closed.await.expect("closing does not panic");
    }
}
