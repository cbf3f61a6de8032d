//! What can go wrong with a request, laid in its way by a test.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What one request meets.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Nothing: the request is served.
    None,
    /// The status of a node without the shard that is asked for.
    Unavailable,
    /// The status of a rate limit, with the time to wait as a server sends it.
    Exhausted { retry_after_s: u32 },
    /// Served, but late.
    Slow(Duration),
    /// The connection breaks off and nothing has happened.
    CutBefore,
    /// The connection breaks off when all has happened.
    CutAfter,
}

/// The faults that are laid, the next one first.
#[derive(Default)]
pub(super) struct Faults {
    laid: Mutex<VecDeque<Fault>>,
}

impl Faults {
    pub(super) fn lay(&self, faults: impl IntoIterator<Item = Fault>) {
        self.laid.lock().unwrap_or_else(PoisonError::into_inner).extend(faults);
    }

    pub(super) fn clear(&self) {
        self.laid.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn left(&self) -> usize {
        self.laid.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    pub(super) fn next(&self) -> Fault {
        self.laid.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Fault::None)
    }
}
