//! Folders of this machine, followed as they change: which paths are worth a look now.
//!
//! Says where to look and never what happened, since a file can change again before anybody reads it. Changes are
//! gathered until there is quiet, or until it has taken long enough. Where there are more than can be kept apart, where
//! the system lost some, where it can't watch at all, and now and then in any case, the answer is to look everywhere: so
//! a change is found late at the worst, and never missed. Network folders often tell nothing of changes made elsewhere;
//! for them the looks now and then are all there is.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::tasks::{Panicked, blocking};

/// How changes are gathered.
#[derive(Debug, Clone, Copy)]
pub struct WatchLimits {
    /// So long nothing may change before the changes are told: an editor writes a file in several steps.
    pub quiet: Duration,
    /// The longest that a change is kept back by others that follow it.
    pub delay_max: Duration,
    /// More paths than this are told as [`Change::Anywhere`].
    pub paths_max: usize,
    /// So often everything is looked at, whatever was told.
    pub rescan_every: Duration,
}

/// Where to look.
#[derive(Debug, PartialEq, Eq)]
pub enum Change {
    /// At these files and folders, some of which may be gone.
    Paths(BTreeSet<PathBuf>),
    Anywhere(Reason),
}

/// Why there is no saying where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It is time for it.
    Interval,
    /// There were more changes than can be kept apart.
    Many,
    /// The system lost changes.
    Lost,
}

/// Follows folders and files until it is dropped.
pub struct Watch {
    paths: Vec<PathBuf>,
    limits: WatchLimits,
    gathered: Arc<Gathered>,
    /// None: the system can't watch.
    watcher: Option<RecommendedWatcher>,
    blind: Option<String>,
    next_rescan: Instant,
}

#[derive(Default)]
struct Gathered {
    changes: Mutex<Changes>,
    some: Notify,
}

#[derive(Default)]
struct Changes {
    paths: BTreeSet<PathBuf>,
    anywhere: Option<Reason>,
    /// Of the first and the last change.
    times: Option<(Instant, Instant)>,
}

impl Watch {
    /// `paths` are absolute.
    pub async fn start(paths: Vec<PathBuf>, limits: WatchLimits) -> Result<Self, Panicked> {
        let gathered = Arc::new(Gathered::default());
        let handler = {
            let (gathered, paths) = (Arc::clone(&gathered), paths.clone());
            move |event: notify::Result<notify::Event>| gathered.add(event, &paths, limits.paths_max)
        };
        let next_rescan = Instant::now() + limits.rescan_every;
        let (watcher, blind) = match notify::recommended_watcher(handler) {
            Ok(watcher) => (Some(watcher), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut watch = Self { paths, limits, gathered, watcher, blind, next_rescan };
        watch.arm().await?;
        Ok(watch)
    }

    /// What keeps some of the paths from being watched; for them the looks now and then are all there is.
    pub fn blind(&self) -> Option<&str> {
        self.blind.as_deref()
    }

    /// Resolves when something is worth a look. Dropping it before that loses nothing.
    pub async fn next(&mut self) -> Result<Change, Panicked> {
        loop {
            let due = self
                .gathered
                .lock()
                .times
                .map(|(first, last)| (last + self.limits.quiet).min(first + self.limits.delay_max));
            match due {
                Some(due) if due <= Instant::now() => return Ok(self.gathered.take()),
                Some(due) => sleep_until(due).await,
                None => {
                    if timeout_at(self.next_rescan, self.gathered.some.notified()).await.is_err() {
                        self.next_rescan = Instant::now() + self.limits.rescan_every;
                        self.arm().await?; // What came since, or came back, is watched from now on.
                        return Ok(Change::Anywhere(Reason::Interval));
                    }
                }
            }
        }
    }

    async fn arm(&mut self) -> Result<(), Panicked> {
        let Some(mut watcher) = self.watcher.take() else { return Ok(()) };
        let paths = self.paths.clone();
        let (watcher, blind) = blocking(move || {
            let failed = |path: &PathBuf| watch_one(&mut watcher, path).err().map(|error| reason(path, &error));
            let blind = paths.iter().filter_map(failed).next();
            (watcher, blind)
        })
        .await?;
        (self.watcher, self.blind) = (Some(watcher), blind);
        Ok(())
    }
}

/// A file is watched through its folder: most editors put a new file in its place.
fn watch_one(watcher: &mut RecommendedWatcher, path: &Path) -> notify::Result<()> {
    match path.parent() {
        Some(folder) if path.is_file() => watcher.watch(folder, RecursiveMode::NonRecursive),
        Some(_) | None => watcher.watch(path, RecursiveMode::Recursive),
    }
}

fn reason(path: &Path, error: &notify::Error) -> String {
    let what = match &error.kind {
        notify::ErrorKind::MaxFilesWatch => {
            "the system watches no more folders: raise fs.inotify.max_user_watches".into()
        }
        notify::ErrorKind::PathNotFound => "it does not exist".into(),
        notify::ErrorKind::Io(error) => error.to_string(),
        notify::ErrorKind::Generic(text) => text.clone(),
        notify::ErrorKind::WatchNotFound | notify::ErrorKind::InvalidConfig(_) => error.to_string(),
    };
    format!("watch {}: {what}", path.display())
}

impl Gathered {
    /// Called on the watcher's thread.
    fn add(&self, event: notify::Result<notify::Event>, roots: &[PathBuf], paths_max: usize) {
        let mut changes = self.lock();
        match event {
            Ok(event) if event.need_rescan() => changes.anywhere = Some(Reason::Lost),
            Err(_) => changes.anywhere = Some(Reason::Lost),
            Ok(event) if !changes_something(event.kind) => return,
            Ok(event) => {
                // Of a file's folder, the file alone.
                let asked = |path: &PathBuf| roots.iter().any(|root| path.starts_with(root));
                let paths: Vec<PathBuf> = event.paths.into_iter().filter(asked).collect();
                if paths.is_empty() {
                    return;
                }
                if changes.anywhere.is_none() {
                    changes.paths.extend(paths);
                }
                if changes.paths.len() > paths_max {
                    changes.anywhere = Some(Reason::Many);
                }
            }
        }
        if changes.anywhere.is_some() {
            changes.paths.clear();
        }
        let now = Instant::now();
        changes.times = Some((changes.times.map_or(now, |(first, _)| first), now));
        drop(changes);
        self.some.notify_one();
    }

    fn take(&self) -> Change {
        let changes = std::mem::take(&mut *self.lock());
        match changes.anywhere {
            Some(reason) => Change::Anywhere(reason),
            None => Change::Paths(changes.paths),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reading doesn't: or each look would call for the next.
fn changes_something(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    }
}
