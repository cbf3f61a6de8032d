//! The only place that starts tasks: each is tracked, hears the stop signal, and is waited for at the end.
//!
//! Work that blocks (the vector store, hashing, parsing) goes to [`blocking`], so that no runtime thread waits on it.

use std::future::Future;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The running tasks of one process, and the signal that ends them.
#[derive(Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Starts a task that [`drain`](Self::drain) waits for.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(task);
    }

    /// Resolves once [`stop`](Self::stop) was called.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        self.stop.clone().cancelled_owned()
    }

    pub fn is_stopped(&self) -> bool {
        self.stop.is_cancelled()
    }

    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Waits for every task to end. False if some still ran after `limit`.
    pub async fn drain(&self, limit: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}

/// Tasks that somebody has started and waits for, one result after the other. Dropped, it ends them.
pub struct Crew<T>(JoinSet<T>);

impl<T: Send + 'static> Crew<T> {
    pub fn new() -> Self {
        Self(JoinSet::new())
    }

    pub fn spawn(&mut self, task: impl Future<Output = T> + Send + 'static) {
        self.0.spawn(task);
    }

    /// The result of the next that ends. None: there is none.
    pub async fn next(&mut self) -> Option<Result<T, Panicked>> {
        self.0.join_next().await.map(|ended| ended.map_err(|_| Panicked))
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Send + 'static> Default for Crew<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs `work` to its end although whoever waits for it may pause in the middle, as a stream does whose reader is slow: a
/// connection of the ledger's must not be held meanwhile.
pub async fn unpaused<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Result<T, Panicked> {
    let mut crew = Crew::new();
    crew.spawn(work);
    crew.next().await.unwrap_or(Err(Panicked))
}

/// A task or a blocking call that panicked. Its message went to the panic hook.
#[derive(Debug, thiserror::Error)]
#[error("a task panicked; the log has its message")]
pub struct Panicked;

/// Runs `work` on the blocking pool.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Panicked> {
    let span = tracing::Span::current();
    tokio::task::spawn_blocking(move || span.in_scope(work)).await.map_err(|_| Panicked)
}

/// SIGINT and SIGTERM, listened for from the moment this is made.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Resolves with the name of the next signal.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "SIGINT",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

/// Resolves at the first SIGINT or SIGTERM.
pub async fn interrupted() -> std::io::Result<&'static str> {
    Ok(Signals::listen()?.next().await)
}
