//! What only the store in this process can meet: a folder that somebody touched, or that an older cairn made.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cairn::store::{Filter, Query, VectorStore};
use qdrant_edge::{EdgeShard, FieldIndexOperations, UpdateOperation};

use super::filtering::{everything, places};
use super::{ALL, EAST, FINGERPRINT, Folder, Place, count, open, point, query, scope};

#[tokio::test]
async fn a_damaged_identity_is_an_error_and_not_a_wipe() {
    let folder = Folder::new();
    let store = open(&folder).await;
    store.upsert(vec![point("a", "doc", "text", EAST)]).await.unwrap();
    drop(store);
    let identity = folder.index().join("identity");
    let intact = fs::read_to_string(&identity).unwrap();
    let before = listing(&folder.index());
    let first_line = intact.lines().next().unwrap();
    for damage in [Some(""), Some("\n"), Some(first_line), Some("\0\0\0\0"), Some("noise\nmore noise\n"), None] {
        match damage {
            Some(content) => fs::write(&identity, content).unwrap(),
            None => fs::remove_file(&identity).unwrap(),
        }
        let Err(error) = folder.open(FINGERPRINT).await else { panic!("{damage:?} was taken for an identity") };
        let sentence = error.to_string();
        assert!(sentence.contains(folder.index().to_str().unwrap()), "it says where: {sentence}");
        fs::write(&identity, &intact).unwrap();
        assert_eq!(listing(&folder.index()), before, "nothing else was touched");
    }
    assert_eq!(count(&open(&folder).await, "a").await, 1);
}

#[tokio::test]
async fn a_new_index_in_the_place_of_an_old_one_has_another_generation() {
    let folder = Folder::new();
    let first = open(&folder).await.generation().to_owned();
    fs::remove_dir_all(folder.index()).unwrap();
    assert_ne!(open(&folder).await.generation(), first);
}

#[tokio::test]
async fn half_an_index_that_a_killed_process_left_is_made_anew() {
    let folder = Folder::new();
    let part = folder.index().with_extension("part");
    fs::create_dir_all(part.join("segments")).unwrap();
    fs::write(part.join("edge_config.json"), "{").unwrap();
    let store = open(&folder).await;
    store.upsert(vec![point("a", "doc", "text", EAST)]).await.unwrap();
    assert_eq!(count(&store, "a").await, 1);
    assert!(!part.exists());
}

#[tokio::test]
async fn an_index_that_an_older_cairn_made_gets_the_payload_indexes_that_it_lacks() {
    let folder = Folder::new();
    let store = open(&folder).await;
    store.upsert(vec![point("a", "docs/one", "text", EAST), point("a", "notes/two", "text", EAST)]).await.unwrap();
    drop(store);
    let shard = EdgeShard::load(&folder.index(), None).unwrap();
    for field in ["external_id", "tags", "date"] {
        let gone = FieldIndexOperations::DeleteIndex(field.parse().unwrap());
        shard.update(UpdateOperation::FieldIndexOperation(gone)).unwrap();
    }
    shard.flush().unwrap();
    assert_eq!(shard.info().unwrap().payload_schema.len(), 5);
    drop(shard);
    let store = open(&folder).await;
    let filter = Filter { places: places(&[], &["docs/"]), ..everything() };
    let found = store.search(&scope("a"), Query { filter, ..query(EAST, "text", ALL) }).await.unwrap();
    assert_eq!(found.iter().map(|hit| hit.external_id.as_str()).collect::<Vec<_>>(), ["docs/one"]);
    drop(store);
    let shard = EdgeShard::load(&folder.index(), None).unwrap();
    assert_eq!(shard.info().unwrap().payload_schema.len(), 8);
}

/// Each file below a folder with its length.
fn listing(folder: &Path) -> BTreeMap<PathBuf, u64> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            files.extend(listing(&entry.path()));
        } else {
            files.insert(entry.path(), entry.metadata().unwrap().len());
        }
    }
    files
}
