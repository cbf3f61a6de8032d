//! Folders, files and patterns that somebody named → the files to index, and their bytes.
//!
//! Walks as `git` and `ripgrep` do: what `.gitignore`, `.ignore` or `.cairnignore` exclude is left out, in a repository
//! or not, and so are hidden files. Symbolic links below a folder are not followed. Whoever names a file means it: it is
//! taken even where a walk would leave it out. Nothing that was asked for is left out in silence. Blocks: call it where
//! that is allowed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ignore::{DirEntry, WalkBuilder};
use rustix::fs::{Mode, OFlags};

use super::manifest::Folder;
use super::pattern::Patterns;
use crate::error::Class;
use crate::ingest::extract::FileKind;
use crate::ingest::meta::SIDECAR_SUFFIX;
use crate::ingest::origin::Defaults;

/// Holds what git must not exclude but cairn shall, in the syntax of `.gitignore`.
const IGNORE_FILE: &str = ".cairnignore";
/// The coarsest clock that a file system stamps changes with, FAT's: a file that changed so recently may change again
/// and look the same.
const CLOCK_NS: i128 = 2_000_000_000;

/// One file to index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Absolute.
    pub path: PathBuf,
    pub kind: FileKind,
    /// What it was called by whoever named it, where that alone tells its kind.
    pub named: Option<String>,
    /// Its size when it was found.
    pub bytes: u64,
    /// What it and the file beside it look like from outside: the same as before, and their bytes are. Empty: they
    /// changed so recently that a further change might not show.
    pub stamp: String,
}

/// What a walk met.
#[derive(Debug, Default)]
pub struct Walk {
    /// Sorted by path, no file twice.
    pub found: Vec<Found>,
    /// Files of no kind that cairn reads.
    pub skipped: usize,
    /// Sorted by path.
    pub problems: Vec<Problem>,
    /// What was walked: what the index holds there and `found` does not has vanished.
    pub roots: Vec<Root>,
    /// The source of a manifest that these are the files of. Empty: they were named on a command line.
    pub source: String,
    /// What that source says of them.
    pub defaults: Defaults,
}

/// A folder that is walked.
#[derive(Debug, Clone)]
pub struct Root {
    /// Absolute.
    pub path: PathBuf,
    /// Which of the files below it are meant.
    pub patterns: Patterns,
}

impl Root {
    pub fn holds(&self, path: &Path) -> bool {
        let below = path.strip_prefix(&self.path).ok();
        below.is_some_and(|below| self.patterns.wants(&below.to_string_lossy()))
    }
}

/// Something that was asked for and can't be indexed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub path: PathBuf,
    /// Says about the path what is wrong with it.
    pub reason: String,
}

#[derive(Debug, Clone, Copy)]
pub struct SourceLimits {
    /// A larger file is a problem: it would be held in memory whole.
    pub file_bytes_max: u64,
}

/// Why a file that was found can't be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("read {path}: {cause}")]
    Read { path: PathBuf, cause: io::Error },
    #[error("read {path}: it is larger than {bytes_max} bytes")]
    TooLarge { path: PathBuf, bytes_max: u64 },
}

impl FileError {
    pub fn class(&self) -> Class {
        match self {
            Self::Read { cause, .. } if cause.kind() == io::ErrorKind::NotFound => Class::NotFound,
            Self::Read { .. } => Class::Unavailable,
            Self::TooLarge { .. } => Class::Invalid,
        }
    }

    pub fn code(&self) -> &'static str {
        match self {
            Self::Read { cause, .. } if cause.kind() == io::ErrorKind::NotFound => "source_missing",
            Self::Read { .. } => "source_unreadable",
            Self::TooLarge { .. } => "too_large",
        }
    }

    pub fn is_too_large(&self) -> bool {
        match self {
            Self::TooLarge { .. } => true,
            Self::Read { .. } => false,
        }
    }
}

/// All files to index at and below `paths`, some of which may be patterns such as `docs/**/*.md`.
pub fn walk(paths: &[PathBuf], limits: &SourceLimits) -> Walk {
    let mut walker = Walker::new(limits);
    for path in paths {
        match pattern(path) {
            Some((folder, patterns)) => walker.pattern(path, &folder, patterns),
            None => walker.root(path, Patterns::default()),
        }
    }
    walker.end()
}

/// All files to index of a source that a manifest declares.
pub fn walk_declared(folder: &Folder, limits: &SourceLimits) -> Walk {
    let mut walker = Walker::new(limits);
    for path in &folder.paths {
        walker.root(path, folder.patterns.clone());
    }
    walker.end()
}

/// The folder and the pattern below it of a path that is a pattern: one that is nothing by its whole name.
fn pattern(path: &Path) -> Option<(PathBuf, Result<Patterns, String>)> {
    let has_marks = |part: &Path| part.to_string_lossy().contains(['*', '?', '[']);
    if !has_marks(path) || path.exists() {
        return None;
    }
    let folder = path.ancestors().find(|folder| !has_marks(folder))?;
    let below = path.strip_prefix(folder).ok()?.to_string_lossy();
    let patterns = Patterns::new(&[format!("/{below}")], &[]).map_err(|error| error.to_string());
    Some((if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_path_buf() }, patterns))
}

/// What the document in this file is called: its path, and where that is no UTF-8, its `file:` URL, so that no two
/// files have one name.
pub fn external_id(path: &Path) -> String {
    match path.to_str() {
        Some(path) => path.to_owned(),
        None => reqwest::Url::from_file_path(path).map_or_else(|()| path.to_string_lossy().into(), String::from),
    }
}

/// The file of a document that [`external_id`] named.
pub fn file_of(external_id: &str) -> PathBuf {
    let url = reqwest::Url::parse(external_id).ok().filter(|url| url.scheme() == "file");
    url.and_then(|url| url.to_file_path().ok()).unwrap_or_else(|| PathBuf::from(external_id))
}

/// All bytes of a file, which may have changed since it was found.
pub fn read(found: &Found, limits: &SourceLimits) -> Result<Vec<u8>, FileError> {
    let failed = |cause| FileError::Read { path: found.path.clone(), cause };
    let file = open(&found.path).map_err(failed)?;
    let bytes_max = limits.file_bytes_max;
    let mut bytes = Vec::with_capacity(usize::try_from(found.bytes.min(bytes_max)).unwrap_or_default());
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max) {
        Ok(bytes)
    } else {
        Err(FileError::TooLarge { path: found.path.clone(), bytes_max })
    }
}

/// When the file was last changed, in seconds since 1970, UTC.
pub fn changed_at(found: &Found) -> Option<i64> {
    fs::metadata(&found.path).ok().map(|metadata| metadata.mtime())
}

/// What the file beside a document says of it, if there is one.
pub fn read_sidecar(found: &Found, limits: &SourceLimits) -> Result<Option<String>, FileError> {
    let path = sidecar_of(&found.path);
    let beside = Found { path: path.clone(), ..found.clone() };
    match read(&beside, limits) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(FileError::Read { path, cause: io::ErrorKind::InvalidData.into() }),
        },
        Err(FileError::Read { cause, .. }) if is_absent(&cause) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a file and nothing else: what was found as one may have been replaced by a link out of the folder, or by a pipe
/// that nobody writes to.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no file any more"))
    }
}

/// Whether there is no such file. There can't be one whose name is too long.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidFilename)
}

fn sidecar_of(path: &Path) -> PathBuf {
    let mut name = path.to_path_buf().into_os_string();
    name.push(SIDECAR_SUFFIX);
    PathBuf::from(name)
}

/// What a file and the one beside it look like from outside. The time of a change of the inode is a part of it, which
/// nobody can set back; what changed within the clock's last tick is not told apart, and gives an empty text.
fn stamp(path: &Path, metadata: &fs::Metadata) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let now = i128::try_from(now).unwrap_or(i128::MAX);
    let beside = match fs::metadata(sidecar_of(path)) {
        Ok(beside) => Some(beside),
        Err(error) if is_absent(&error) => None,
        Err(_) => return String::new(),
    };
    let mut stamp = String::new();
    for file in std::iter::once(metadata).chain(beside.as_ref()) {
        let changed_ns = i128::from(file.ctime()) * 1_000_000_000 + i128::from(file.ctime_nsec());
        if now - changed_ns < CLOCK_NS {
            return String::new();
        }
        let parts = [i128::from(file.dev()), i128::from(file.ino()), i128::from(file.size()), changed_ns];
        stamp.extend(parts.map(|part| format!("{part:x}.")));
    }
    stamp
}

struct Walker {
    limits: SourceLimits,
    found: BTreeMap<PathBuf, Found>,
    /// Files that were found, some of them more than once.
    taken: usize,
    skipped: usize,
    problems: BTreeMap<PathBuf, String>,
    roots: Vec<Root>,
}

impl Walker {
    fn new(limits: &SourceLimits) -> Self {
        let (found, problems) = (BTreeMap::new(), BTreeMap::new());
        Self { limits: *limits, found, taken: 0, skipped: 0, problems, roots: Vec::new() }
    }

    fn end(self) -> Walk {
        Walk {
            found: self.found.into_values().collect(),
            skipped: self.skipped,
            problems: self.problems.into_iter().map(|(path, reason)| Problem { path, reason }).collect(),
            roots: self.roots,
            source: String::new(),
            defaults: Defaults::default(),
        }
    }

    /// A pattern that no file fits is a problem: whoever wrote it meant some.
    fn pattern(&mut self, named: &Path, folder: &Path, patterns: Result<Patterns, String>) {
        match patterns {
            Ok(patterns) => {
                let before = (self.taken, self.problems.len());
                self.root(folder, patterns);
                if before == (self.taken, self.problems.len()) {
                    self.problem(named.to_path_buf(), "fits no file that cairn reads");
                }
            }
            Err(reason) => self.problem(named.to_path_buf(), &reason),
        }
    }

    fn root(&mut self, named: &Path, patterns: Patterns) {
        let resolved = std::path::absolute(named).and_then(fs::canonicalize);
        let root = match resolved.and_then(|path| Ok((fs::metadata(&path)?, path))) {
            Ok((metadata, path)) if metadata.is_dir() => path,
            Ok((metadata, path)) if metadata.is_file() => {
                match (FileKind::of(&path), FileKind::of(named)) {
                    (Some(kind), _) => self.take(path, kind, None, &metadata),
                    (None, Some(kind)) => {
                        let name = named.file_name().map(|name| name.to_string_lossy().into_owned());
                        self.take(path, kind, name, &metadata);
                    }
                    (None, None) => self.problem(path, "is of no kind that cairn reads"),
                }
                return;
            }
            Ok((_, path)) => return self.problem(path, "is neither a file nor a folder"),
            Err(error) => return self.problem(named.to_path_buf(), &unreadable(&error)),
        };
        let root = Root { path: root, patterns };
        let entries = WalkBuilder::new(&root.path)
            .require_git(false)
            .git_global(false) // The same folder gives the same documents, whoever walks it.
            .add_custom_ignore_filename(IGNORE_FILE)
            .follow_links(false)
            .build();
        for entry in entries {
            match entry {
                Ok(entry) => self.entry(entry, &root),
                Err(error) => self.walk_error(&error, &root.path),
            }
        }
        self.roots.push(root);
    }

    fn entry(&mut self, entry: DirEntry, root: &Root) {
        if let Some(error) = entry.error() {
            self.walk_error(error, &root.path); // A line of an ignore file that means nothing.
        }
        if !entry.file_type().is_some_and(|kind| kind.is_file()) || !root.holds(entry.path()) {
            return;
        }
        let Some(kind) = FileKind::of(entry.path()) else {
            self.skipped += 1;
            return;
        };
        match entry.metadata() {
            Ok(metadata) => self.take(entry.into_path(), kind, None, &metadata),
            Err(error) => self.walk_error(&error, entry.path()),
        }
    }

    fn take(&mut self, path: PathBuf, kind: FileKind, named: Option<String>, metadata: &fs::Metadata) {
        let bytes = metadata.len();
        let bytes_max = self.limits.file_bytes_max;
        if bytes > bytes_max {
            self.problem(path, &format!("has {bytes} bytes, more than ingest.file_bytes_max ({bytes_max})"));
        } else {
            let stamp = stamp(&path, metadata);
            self.taken += 1;
            self.found.insert(path.clone(), Found { path, kind, named, bytes, stamp });
        }
    }

    fn walk_error(&mut self, error: &ignore::Error, near: &Path) {
        let path = path_of(error).unwrap_or(near).to_path_buf();
        let reason = error.io_error().map_or_else(|| format!("can't be walked: {error}"), unreadable);
        self.problem(path, &reason);
    }

    fn problem(&mut self, path: PathBuf, reason: &str) {
        self.problems.entry(path).or_insert_with(|| reason.to_owned());
    }
}

fn unreadable(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        "does not exist".to_owned()
    } else {
        format!("can't be read: {error}")
    }
}

/// The path that an error is about. `ignore` wraps one error in another to say so.
fn path_of(error: &ignore::Error) -> Option<&Path> {
    match error {
        ignore::Error::WithPath { path, .. } => Some(path),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => path_of(err),
        ignore::Error::Partial(errors) => errors.iter().find_map(path_of),
        ignore::Error::Loop { child, .. } => Some(child),
        ignore::Error::Io(_)
        | ignore::Error::Glob { .. }
        | ignore::Error::UnrecognizedFileType(_)
        | ignore::Error::InvalidDefinition => None,
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    const LIMITS: SourceLimits = SourceLimits { file_bytes_max: 100 };

    fn folder(files: &[(&str, &str)]) -> TempDir {
        let folder = TempDir::new().expect("a temporary folder can be made");
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("it is below the folder")).expect("a folder can be made");
            fs::write(path, content).expect("a file can be written");
        }
        folder
    }

    /// The names of what was found below `folder`, in the walk's order.
    fn names(walk: &Walk, folder: &TempDir) -> Vec<String> {
        let root = folder.path().canonicalize().expect("it is there");
        let name =
            |found: &Found| found.path.strip_prefix(&root).expect("it is below the folder").display().to_string();
        walk.found.iter().map(name).collect()
    }

    fn reasons(walk: &Walk) -> Vec<&str> {
        walk.problems.iter().map(|problem| problem.reason.as_str()).collect()
    }

    #[test]
    fn a_folder_is_walked_in_order_and_other_kinds_are_counted() {
        let folder = folder(&[("b.md", "b"), ("a/z.rst", "z"), ("a.txt", "a"), ("logo.png", ""), ("a/x.bin", "")]);
        let walk = walk(&[folder.path().to_path_buf()], &LIMITS);
        assert_eq!(names(&walk, &folder), ["a/z.rst", "a.txt", "b.md"]);
        assert_eq!(walk.skipped, 2);
        assert_eq!(walk.problems, []);
        assert!(walk.found.iter().all(|found| found.path.is_absolute() && found.bytes == 1));
    }

    #[test]
    fn what_an_ignore_file_excludes_is_left_out_without_a_repository_too() {
        let files = [
            (".gitignore", "target/\n"),
            (".cairnignore", "drafts/\n"),
            ("sub/.ignore", "*.txt\n"),
            ("target/a.md", ""),
            ("drafts/a.md", ""),
            ("sub/a.txt", ""),
            (".hidden/a.md", ""),
            ("sub/a.md", ""),
        ];
        let folder = folder(&files);
        assert_eq!(names(&walk(&[folder.path().to_path_buf()], &LIMITS), &folder), ["sub/a.md"]);
    }

    #[test]
    fn a_file_named_directly_is_taken_even_when_hidden_or_ignored() {
        let folder = folder(&[(".gitignore", "*.md"), (".notes.md", "x"), ("a.md", "")]);
        let named = [folder.path().join(".notes.md"), folder.path().join("a.md")];
        assert_eq!(names(&walk(&named, &LIMITS), &folder), [".notes.md", "a.md"]);
    }

    #[test]
    fn a_file_that_is_met_twice_is_found_once() {
        let folder = folder(&[("sub/a.md", "")]);
        let named = [folder.path().to_path_buf(), folder.path().join("sub"), folder.path().join("sub/../sub/a.md")];
        assert_eq!(names(&walk(&named, &LIMITS), &folder), ["sub/a.md"]);
    }

    #[test]
    fn what_was_asked_for_and_can_not_be_had_is_a_problem() {
        let folder = folder(&[("large.md", &"x".repeat(101)), ("logo.png", "")]);
        let named = ["large.md", "logo.png", "missing.md"].map(|name| folder.path().join(name));
        let walk = walk(&named, &LIMITS);
        assert_eq!(walk.found, []);
        let large = "has 101 bytes, more than ingest.file_bytes_max (100)";
        assert_eq!(reasons(&walk), [large, "is of no kind that cairn reads", "does not exist"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_only_where_it_was_named() {
        let folder = folder(&[("real/a.md", "")]);
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("real"), &link).expect("a link can be made");
        assert_eq!(names(&walk(&[folder.path().to_path_buf()], &LIMITS), &folder), ["real/a.md"]);
        assert_eq!(names(&walk(&[link], &LIMITS), &folder), ["real/a.md"]);
    }

    #[test]
    fn a_file_that_grew_past_the_limit_is_not_read() {
        let folder = folder(&[("a.md", "short")]);
        let walk = walk(&[folder.path().to_path_buf()], &LIMITS);
        let found = walk.found.first().expect("the file is found");
        assert_eq!(read(found, &LIMITS).expect("it can be read"), b"short");
        fs::write(&found.path, "x".repeat(101)).expect("a file can be written");
        assert!(matches!(read(found, &LIMITS), Err(FileError::TooLarge { .. })));
        fs::remove_file(&found.path).expect("a file can be removed");
        assert!(matches!(read(found, &LIMITS), Err(FileError::Read { .. })));
    }
}
