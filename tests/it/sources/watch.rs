//! Folders that are followed while the test changes them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairn::ingest::source::watch::{Change, Reason, Watch, WatchLimits};
use tempfile::TempDir;

const LIMITS: WatchLimits = WatchLimits {
    quiet: Duration::from_millis(50),
    delay_max: Duration::from_secs(2),
    paths_max: 100,
    rescan_every: Duration::from_secs(20),
};

async fn watch(path: &Path, limits: WatchLimits) -> Watch {
    Watch::start(vec![path.to_path_buf()], limits).await.unwrap()
}

/// All paths that are told until `wanted` is among them.
async fn until(watch: &mut Watch, wanted: &PathBuf) -> BTreeSet<PathBuf> {
    let mut told = BTreeSet::new();
    while !told.contains(wanted) {
        match watch.next().await.unwrap() {
            Change::Paths(paths) => told.extend(paths),
            Change::Anywhere(reason) => panic!("{reason:?}"),
        }
    }
    told
}

#[tokio::test]
async fn what_is_written_renamed_and_removed_is_told_in_new_folders_too() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let mut watch = watch(&root, LIMITS).await;
    assert_eq!(watch.blind(), None);
    fs::write(root.join("a.md"), "a").unwrap();
    assert_eq!(until(&mut watch, &root.join("a.md")).await, [root.join("a.md")].into());
    fs::rename(root.join("a.md"), root.join("b.md")).unwrap();
    assert_eq!(until(&mut watch, &root.join("b.md")).await, [root.join("a.md"), root.join("b.md")].into());
    fs::create_dir(root.join("new")).unwrap();
    until(&mut watch, &root.join("new")).await;
    fs::write(root.join("new/c.md"), "c").unwrap();
    until(&mut watch, &root.join("new/c.md")).await;
    fs::remove_dir_all(root.join("new")).unwrap();
    until(&mut watch, &root.join("new")).await;
}

#[tokio::test]
async fn changes_that_follow_each_other_are_told_together_and_reading_is_none() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().canonicalize().unwrap();
    fs::write(root.join("read.md"), "r").unwrap();
    let mut watch = watch(&root, LIMITS).await;
    for n in 0..20 {
        fs::write(root.join(format!("{n}.md")), "x").unwrap();
        fs::read(root.join("read.md")).unwrap();
    }
    let Change::Paths(paths) = watch.next().await.unwrap() else { panic!() };
    assert_eq!(paths.len(), 20, "{paths:?}");
}

#[tokio::test]
async fn a_file_is_followed_when_an_editor_puts_another_in_its_place() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let file = root.join("a.md");
    fs::write(&file, "a").unwrap();
    let mut watch = watch(&file, LIMITS).await;
    for _ in 0..2 {
        fs::write(root.join("other.md"), "o").unwrap();
        fs::write(root.join("a.md.tmp"), "new").unwrap();
        fs::rename(root.join("a.md.tmp"), &file).unwrap();
        assert_eq!(until(&mut watch, &file).await, [file.clone()].into());
    }
}

#[tokio::test]
async fn too_many_changes_are_told_as_anywhere_and_then_it_goes_on() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let mut watch = watch(&root, LIMITS).await;
    for n in 0..101 {
        fs::write(root.join(format!("{n}.md")), "x").unwrap();
    }
    assert_eq!(watch.next().await.unwrap(), Change::Anywhere(Reason::Many));
    fs::write(root.join("0.md"), "y").unwrap();
    until(&mut watch, &root.join("0.md")).await;
}

#[tokio::test]
async fn a_folder_that_never_rests_is_told_of_all_the_same() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().canonicalize().unwrap();
    let limits = WatchLimits { quiet: Duration::from_secs(10), delay_max: Duration::from_millis(100), ..LIMITS };
    let mut watch = watch(&root, limits).await;
    fs::write(root.join("a.md"), "a").unwrap();
    let start = std::time::Instant::now();
    until(&mut watch, &root.join("a.md")).await;
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn where_it_can_not_watch_it_looks_now_and_then_and_watches_what_comes_back() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().canonicalize().unwrap().join("later");
    let limits = WatchLimits { rescan_every: Duration::from_millis(100), ..LIMITS };
    let mut watch = watch(&root, limits).await;
    assert!(watch.blind().unwrap().contains("does not exist"), "{:?}", watch.blind());
    fs::create_dir(&root).unwrap();
    assert_eq!(watch.next().await.unwrap(), Change::Anywhere(Reason::Interval));
    assert_eq!(watch.blind(), None);
    fs::write(root.join("a.md"), "a").unwrap();
    loop {
        match watch.next().await.unwrap() {
            Change::Paths(paths) => break assert!(paths.contains(&root.join("a.md"))),
            Change::Anywhere(reason) => assert_eq!(reason, Reason::Interval),
        }
    }
}
