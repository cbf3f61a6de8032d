//! The rules of the house, read from the tree itself: who may import whom, what is documented, what may come in.

mod docs;
mod imports;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;

use crate::harness::repository;

/// Every file of the repository that git would take, as a path below its root, sorted.
fn files() -> Vec<PathBuf> {
    let walk = WalkBuilder::new(repository()).hidden(false).require_git(false).git_global(false).build();
    let entries = walk.map(|entry| entry.unwrap()).filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path().strip_prefix(repository()).unwrap().to_path_buf())
        .filter(|path| !path.starts_with(".git") && !path.starts_with("target"))
        .collect();
    files.sort();
    assert!(files.len() > 80, "{files:?}");
    files
}

/// Those below a folder with this ending.
fn files_in(folder: &str, ending: &str) -> Vec<PathBuf> {
    let wanted = |path: &PathBuf| path.starts_with(folder) && path.extension().is_some_and(|found| found == ending);
    files().into_iter().filter(wanted).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Text as lines, numbered from 1, without those of a file that is no text.
fn lines(path: &Path) -> Vec<(usize, String)> {
    let bytes = fs::read(repository().join(path)).unwrap();
    let text = String::from_utf8(bytes).unwrap_or_default();
    text.lines().enumerate().map(|(at, line)| (at + 1, line.to_owned())).collect()
}

/// Fails with everything that was found, not with the first of it.
#[track_caller]
fn none(what: &str, found: &[String]) {
    assert!(found.is_empty(), "{what}:\n  {}", found.join("\n  "));
}
