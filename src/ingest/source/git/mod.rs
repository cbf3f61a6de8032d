//! The files of a git repository at one revision.
//!
//! Nothing is checked out: names and revisions come from the commit's tree, and bytes from its objects, so a file with
//! the same bytes has the same revision in every commit, and only changed files are read again. A repository on this
//! machine is read where it is; one on a server is brought by `remote`, without its history. Runs no program, no hook
//! and no filter, and takes no configuration but its own. Symbolic links and submodules are skipped, and a file that
//! Git LFS keeps elsewhere is an error of that file.

mod remote;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gix::bstr::ByteSlice;
use gix::object::tree::EntryKind;
use gix::{ObjectId, ThreadSafeRepository};
use reqwest::Url;
use secrecy::SecretString;

use super::guard::Reach;
use super::pattern::Patterns;
use super::{Content, Entry, Fetched, Item, Limits, Listing, Skip, SourceError, file_name, sorted};
use crate::tasks::{Panicked, blocking};

/// What a revision of a file begins with.
const BY_BLOB: &str = "blob ";
/// How a file begins that stands for one which Git LFS keeps elsewhere.
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";
/// The most that one object may take in memory, whatever a repository says of its size.
const OBJECT_BYTES_MAX: u64 = 1 << 30;

/// What a git source is told.
#[derive(Debug, Clone)]
pub struct Git {
    pub repository: Repository,
    /// A branch, a tag or a whole commit id. None: what the repository's `HEAD` names.
    pub revision: Option<String>,
    pub patterns: Patterns,
}

#[derive(Debug, Clone)]
pub enum Repository {
    /// The folder of a repository, with a work tree or without.
    Local(PathBuf),
    Remote(Box<Remote>),
}

/// A repository on a server.
#[derive(Debug, Clone)]
pub struct Remote {
    /// `https` or `http`, without user or password.
    pub url: Url,
    pub login: Option<Login>,
    pub reach: Reach,
    /// Where it is kept between runs: a folder for this source alone.
    pub folder: PathBuf,
    /// The most that may be brought and kept.
    pub bytes_max: u64,
    /// The longest that bringing it may take.
    pub time_max: Duration,
}

#[derive(Debug, Clone)]
pub struct Login {
    pub user: String,
    pub token: SecretString,
}

pub struct GitSource {
    git: Git,
    limits: Limits,
    /// As it was when it was last listed.
    listed: Mutex<Option<ThreadSafeRepository>>,
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(folder) => write!(f, "git+file://{}", folder.display()),
            Self::Remote(remote) => write!(f, "git+{}", remote.url.as_str().trim_end_matches('/')),
        }
    }
}

impl GitSource {
    pub fn new(git: Git, limits: Limits) -> Self {
        Self { git, limits, listed: Mutex::default() }
    }

    pub fn list(&self) -> Listing<'_> {
        Box::pin(async_stream::try_stream! {
            for entry in self.entries().await? {
                yield entry;
            }
        })
    }

    pub async fn fetch(&self, item: &Item) -> Result<Fetched, SourceError> {
        let what = item.external_id.clone();
        let id = item.revision.as_deref().and_then(|revision| revision.strip_prefix(BY_BLOB));
        let Some(id) = id.and_then(|id| ObjectId::from_hex(id.as_bytes()).ok()) else {
            return Err(SourceError::invalid(what, "it has no revision: list its repository first"));
        };
        let listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (repository, bytes_max) = (self.git.repository.clone(), self.limits.file_bytes_max);
        let reading = blocking(move || {
            let repository = match listed {
                Some(repository) => repository,
                None => open(repository.folder()).map_err(|error| failure(&what, &error))?,
            };
            blob(&repository.to_thread_local(), id, what, bytes_max)
        });
        let bytes = reading.await.map_err(|panicked| internal(&item.external_id, &panicked))??;
        Ok(Fetched::Content(Content { bytes, name: item.name.clone(), revision: item.revision.clone() }))
    }

    async fn entries(&self) -> Result<Vec<Entry>, SourceError> {
        let tip = match &self.git.repository {
            Repository::Local(_) => None,
            Repository::Remote(remote) => Some(remote::bring(remote, self.git.revision.as_deref()).await?),
        };
        let (git, limits) = (self.git.clone(), self.limits);
        let what = git.repository.to_string();
        let walked = blocking(move || {
            let what = git.repository.to_string();
            let repository = open(git.repository.folder()).map_err(|error| failure(&what, &error))?;
            let local = repository.to_thread_local();
            let tip = match tip {
                Some(tip) => tip,
                None => resolve(&local, git.revision.as_deref(), &what)?,
            };
            let entries = Walk { repository: &local, git: &git, limits: &limits, entries: Vec::new() }.from(tip)?;
            Ok((repository, entries))
        });
        let (repository, entries) = walked.await.map_err(|panicked| internal(&what, &panicked))??;
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(repository);
        Ok(entries)
    }
}

impl Repository {
    fn folder(&self) -> PathBuf {
        match self {
            Self::Local(folder) => folder.clone(),
            Self::Remote(remote) => remote.folder.clone(),
        }
    }
}

/// With its own configuration only: none of this machine's, of its user's or of the environment.
fn options() -> gix::open::Options {
    gix::open::Options::isolated().config_overrides([
        format!("gitoxide.objects.allocLimit={OBJECT_BYTES_MAX}"),
        "http.followRedirects=false".to_owned(), // Another server is none that the manifest names.
        "protocol.allow=never".to_owned(),
        "protocol.https.allow=always".to_owned(),
        "protocol.http.allow=always".to_owned(),
    ])
}

fn open(folder: PathBuf) -> Result<ThreadSafeRepository, gix::Error> {
    ThreadSafeRepository::open_opts(folder, options())
}

/// The commit that a revision of a repository on this machine names.
fn resolve(repository: &gix::Repository, revision: Option<&str>, what: &str) -> Result<ObjectId, SourceError> {
    let Some(revision) = revision else {
        return Ok(repository.head_commit().map_err(|error| failure(what, &error))?.id);
    };
    if let Ok(id) = ObjectId::from_hex(revision.as_bytes()) {
        return Ok(id);
    }
    let found = repository.try_find_reference(revision).map_err(|error| failure(what, &error))?;
    let mut reference = found.ok_or_else(|| no_revision(what, revision))?;
    Ok(reference.peel_to_commit().map_err(|error| failure(what, &error))?.id)
}

fn no_revision(what: &str, revision: &str) -> SourceError {
    SourceError::invalid(what, format!("it has no branch, tag or commit {revision:?}"))
}

/// Goes through the tree of one commit.
struct Walk<'a> {
    repository: &'a gix::Repository,
    git: &'a Git,
    limits: &'a Limits,
    entries: Vec<Entry>,
}

impl Walk<'_> {
    fn from(mut self, commit: ObjectId) -> Result<Vec<Entry>, SourceError> {
        let what = self.git.repository.to_string();
        let failed = |error| failure(&what, &error);
        let commit = self.repository.find_object(commit).and_then(gix::Object::peel_to_commit).map_err(failed)?;
        // Folders that are still to do, the next one last. They count like files: a few small trees can name each other
        // so often that they never end.
        let mut folders = vec![(String::new(), commit.tree_id().map_err(failed)?.detach())];
        let mut met = 0;
        while let Some((path, id)) = folders.pop() {
            let tree = self.repository.find_tree(id).map_err(failed)?;
            let mut below = Vec::new();
            for entry in tree.iter() {
                met += 1;
                if met > self.limits.entries_max {
                    let count_max = self.limits.entries_max;
                    return Err(SourceError::TooMany { what, count_max, things: "files and folders" });
                }
                let entry = entry.map_err(failed)?;
                let Ok(name) = entry.filename().to_str() else {
                    let external_id = format!("{what}@/{path}{}", entry.filename().to_str_lossy());
                    let error = SourceError::invalid(&external_id, "its name is no UTF-8");
                    self.entries.push(Entry::Problem { external_id, error });
                    continue;
                };
                match entry.kind() {
                    EntryKind::Tree => below.push((format!("{path}{name}/"), entry.object_id())),
                    EntryKind::Blob | EntryKind::BlobExecutable => {
                        self.file(&format!("{path}{name}"), entry.object_id())
                    }
                    EntryKind::Link => self.skip(&format!("{path}{name}"), Skip::SymbolicLink),
                    EntryKind::Commit => self.skip(&format!("{path}{name}"), Skip::Submodule),
                }
            }
            folders.extend(below.into_iter().rev());
        }
        Ok(self.entries)
    }

    fn file(&mut self, path: &str, id: ObjectId) {
        let of = match sorted(path, &self.git.patterns, self.limits) {
            Ok(of) => of.map(|document| self.external_id(document)),
            Err(why) => return self.skip(path, why),
        };
        let external_id = self.external_id(path);
        let size = self.repository.find_header(id).map(|header| header.size());
        let bytes_max = self.limits.file_bytes_max;
        let problem = match size {
            Ok(size) if size > bytes_max => SourceError::TooLarge { what: external_id.clone(), bytes_max },
            Err(error) => failure(&external_id, &error),
            Ok(size) => {
                let (name, revision) = (file_name(path).to_owned(), Some(format!("{BY_BLOB}{id}")));
                let item = Item { external_id, name, bytes: Some(size), revision };
                self.entries.push(match of {
                    Some(of) => Entry::Sidecar { of, item },
                    None => Entry::Item(item),
                });
                return;
            }
        };
        self.entries.push(Entry::Problem { external_id, error: problem });
    }

    fn skip(&mut self, path: &str, why: Skip) {
        let external_id = self.external_id(path);
        self.entries.push(Entry::Skipped { external_id, why });
    }

    fn external_id(&self, path: &str) -> String {
        format!("{}@/{path}", self.git.repository)
    }
}

fn blob(repository: &gix::Repository, id: ObjectId, what: String, bytes_max: u64) -> Result<Vec<u8>, SourceError> {
    let header = repository.find_header(id).map_err(|error| failure(&what, &error))?;
    if header.size() > bytes_max {
        return Err(SourceError::TooLarge { what, bytes_max });
    }
    let bytes = repository.find_blob(id).map_err(|error| failure(&what, &error))?.take_data();
    if bytes.starts_with(LFS_POINTER) {
        return Err(SourceError::invalid(what, "Git LFS keeps its content elsewhere, which cairn does not read"));
    }
    Ok(bytes)
}

fn failure(what: &str, error: &gix::Error) -> SourceError {
    let reason = error.probable_cause().to_string();
    if error.is_unauthenticated() || error.is_permission_denied() {
        SourceError::denied(what, reason)
    } else if error.is_retryable() {
        SourceError::unavailable(what, reason)
    } else {
        SourceError::invalid(what, reason)
    }
}

fn internal(what: &str, panicked: &Panicked) -> SourceError {
    SourceError::invalid(what, panicked.to_string())
}
