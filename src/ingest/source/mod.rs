//! Where documents come from: what a source holds, and the bytes of each document.
//!
//! A source is asked twice. [`Source::list`] says what is there, one entry at a time and without the bytes; it may be
//! dropped at any time. [`Source::fetch`] brings the bytes of one item, unless its revision says that they are known
//! already. Nothing that a source meets is left out in silence: each thing is an item, is skipped for a reason, or is a
//! problem, and a listing that can't be finished ends with an error. Whoever prunes may do so only after a listing that
//! ended without one, and without a problem that may heal. Every size, count and time is bounded. Knows nothing of the
//! ledger, of chunks or of how files are read.

mod address;
pub mod folder;
pub mod git;
mod guard;
pub mod manifest;
pub mod named;
pub mod object;
pub mod pattern;
pub mod watch;
pub mod web;

use std::time::Duration;

use futures::stream::BoxStream;

use super::meta::SIDECAR_SUFFIX;
use crate::error::Class;
pub use folder::{
    FileError, Found, Problem, Root, SourceLimits, Walk, changed_at, external_id, file_of, read, read_sidecar, walk,
};
use git::GitSource;
pub use guard::Reach;
use manifest::What;
use object::ObjectSource;
use web::WebSource;

/// A place that is not this machine's folders. (Folders are walked in one step, see `folder`.)
pub enum Source {
    Web(Box<WebSource>),
    Object(Box<ObjectSource>),
    Git(Box<GitSource>),
}

impl Source {
    /// The source that a manifest declares; None for folders. `memory` is what a crawl kept of its last run.
    pub fn open(what: What, limits: Limits, memory: web::Memory) -> Result<Option<Self>, SourceError> {
        Ok(match what {
            What::Folder(_) => None,
            What::Web(web) => Some(Self::Web(Box::new(WebSource::new(web, limits, memory)?))),
            What::Objects(objects) => Some(Self::Object(Box::new(ObjectSource::new(objects, limits)?))),
            What::Git(git) => Some(Self::Git(Box::new(GitSource::new(git, limits)))),
        })
    }

    /// Everything that is there now, as it is met. Ends after the first `Err`.
    pub fn list(&self) -> Listing<'_> {
        match self {
            Self::Web(source) => source.list(),
            Self::Object(source) => source.list(),
            Self::Git(source) => source.list(),
        }
    }

    /// The bytes of an item, or word that they are still those of `known`, the revision that they had when they were
    /// last brought.
    pub async fn fetch(&self, item: &Item, known: Option<&str>) -> Result<Fetched, SourceError> {
        match self {
            Self::Web(source) => source.fetch(item, known).await,
            Self::Object(_) | Self::Git(_) if item.is(known) => Ok(Fetched::Unchanged),
            Self::Object(source) => source.fetch(item, known).await,
            Self::Git(source) => source.fetch(item).await,
        }
    }
}

/// What [`Source::list`] gives.
pub type Listing<'a> = BoxStream<'a, Result<Entry, SourceError>>;

/// One thing that a listing met.
#[derive(Debug)]
pub enum Entry {
    Item(Item),
    /// The file that says something of the document `of`: another revision of it changes that document too.
    Sidecar {
        of: String,
        item: Item,
    },
    /// Left out on purpose.
    Skipped {
        external_id: String,
        why: Skip,
    },
    /// Should be had and can't be. It has not vanished; and where its error is `Unavailable`, more may be behind it
    /// that has not either.
    Problem {
        external_id: String,
        error: SourceError,
    },
}

/// One document, before its bytes are brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// A URL, `s3://bucket/key` or `git+https://host/repository@/path`: the same document has it on every run.
    pub external_id: String,
    /// A file name, which says what kind of file it is as far as the source knows.
    pub name: String,
    pub bytes: Option<u64>,
    /// The same revision means the same bytes. None: the source has no such thing.
    pub revision: Option<String>,
}

impl Item {
    /// Whether its bytes are those of this revision, as far as the listing says.
    fn is(&self, known: Option<&str>) -> bool {
        self.revision.is_some() && self.revision.as_deref() == known
    }
}

/// What [`Source::fetch`] gives.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    Unchanged,
    Content(Content),
    /// Found out only now.
    Skipped(Skip),
}

/// The bytes of one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    pub bytes: Vec<u8>,
    /// The item's name, or a better one: a page `guide` that came as `text/html` is `guide.html`.
    pub name: String,
    /// Of these very bytes.
    pub revision: Option<String>,
}

/// Why something is left out on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// A file of a kind that cairn doesn't read.
    OtherKind,
    /// By the patterns of the manifest.
    Pattern,
    /// Its name, or that of a folder above it, begins with a dot.
    Hidden,
    /// Not followed: it can lead anywhere.
    SymbolicLink,
    /// Another repository.
    Submodule,
    /// The site's robots.txt asks crawlers to stay out.
    Robots,
    /// The page asks not to be indexed.
    NoIndex,
    /// Outside of what the source names.
    Elsewhere,
    /// Farther from the start than the source allows.
    Depth,
    /// Linked, and not there.
    Gone,
    /// Linked, and not for everybody.
    Forbidden,
}

/// What bounds every source. All are keys of the configuration.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A larger document is an error: it would be held in memory whole.
    pub file_bytes_max: u64,
    /// Most entries of one listing, skipped ones included.
    pub entries_max: usize,
    /// The longest that a listing may take.
    pub list_time_max: Duration,
    /// The longest that one document may take to arrive, repetitions included.
    pub fetch_time_max: Duration,
    /// Whether cairn reads files of this name.
    pub reads: fn(&str) -> bool,
}

/// Why a source, or one document of it, can't be had. The text says what to do where somebody can do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("read {what}: {reason}")]
    Unavailable {
        what: String,
        reason: String,
        /// What the other side asked for.
        retry_after: Option<Duration>,
    },
    #[error("read {what}: {reason}")]
    Denied { what: String, reason: String },
    #[error("read {what}: it is not there")]
    NotFound { what: String },
    #[error("read {what}: {reason}")]
    Invalid { what: String, reason: String },
    #[error("read {what}: it is larger than {bytes_max} bytes")]
    TooLarge { what: String, bytes_max: u64 },
    #[error("list {what}: it has more than {count_max} {things}")]
    TooMany { what: String, count_max: usize, things: &'static str },
}

impl SourceError {
    pub fn class(&self) -> Class {
        match self {
            Self::Unavailable { .. } => Class::Unavailable,
            Self::Denied { .. } => Class::Denied,
            Self::NotFound { .. } => Class::NotFound,
            Self::Invalid { .. } | Self::TooLarge { .. } | Self::TooMany { .. } => Class::Invalid,
        }
    }

    fn unavailable(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Unavailable { what: what.into(), reason: reason.into(), retry_after: None }
    }

    fn denied(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Denied { what: what.into(), reason: reason.into() }
    }

    fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Invalid { what: what.into(), reason: reason.into() }
    }
}

/// What a file of this path is for a source of files: nothing to fetch, or `Ok` with the path of the document that it
/// is a sidecar of, if it is one.
fn sorted<'a>(path: &'a str, patterns: &pattern::Patterns, limits: &Limits) -> Result<Option<&'a str>, Skip> {
    let document = path.strip_suffix(SIDECAR_SUFFIX).filter(|document| !document.is_empty());
    let (path, name) = (document.unwrap_or(path), file_name(document.unwrap_or(path)));
    if path.split('/').any(|part| part.starts_with('.')) {
        Err(Skip::Hidden)
    } else if !patterns.wants(path) {
        Err(Skip::Pattern)
    } else if !(limits.reads)(name) {
        Err(Skip::OtherKind)
    } else {
        Ok(document)
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Ends a listing that takes too long or meets too much. What it gave until then stands.
fn bounded<'a>(what: String, limits: &Limits, listing: Listing<'a>) -> Listing<'a> {
    use futures::StreamExt;
    let (entries_max, time_max) = (limits.entries_max, limits.list_time_max);
    Box::pin(async_stream::stream! {
        let end = tokio::time::Instant::now() + time_max;
        let mut listing = listing;
        for _ in 0..entries_max {
            match tokio::time::timeout_at(end, listing.next()).await {
                Ok(Some(Ok(entry))) => yield Ok(entry),
                Ok(Some(Err(error))) => {
                    yield Err(error);
                    return;
                }
                Ok(None) => return,
                Err(_) => {
                    let reason = format!("not done within {}", humantime::format_duration(time_max));
                    yield Err(SourceError::unavailable(what, reason));
                    return;
                }
            }
        }
        match tokio::time::timeout_at(end, listing.next()).await {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => {
                yield Err(SourceError::TooMany { what, count_max: entries_max, things: "entries" });
            }
        }
    })
}
