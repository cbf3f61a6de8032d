//! How much documents in flight may hold together, so that memory stays bounded however large they are and however many
//! are worked on at once.
//!
//! Each takes its size before it is read and gives it back when it is done with. A document larger than the whole budget
//! takes all of it, and so goes alone.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The smallest share: what a small document takes beside its bytes.
const UNIT_BYTES: u64 = 64 * 1024;

/// Bytes of documents that may be in flight.
#[derive(Debug, Clone)]
pub struct Budget {
    units: Arc<Semaphore>,
    units_max: u32,
}

/// What a document took. Given back when it is dropped.
#[derive(Debug)]
pub struct Share {
    _permit: OwnedSemaphorePermit,
}

impl Budget {
    pub fn new(bytes_max: u64) -> Self {
        let units_max = u32::try_from(bytes_max / UNIT_BYTES).unwrap_or(u32::MAX).clamp(1, u32::MAX >> 3);
        Self { units: Arc::new(Semaphore::new(units_max as usize)), units_max }
    }

    /// Waits until so many bytes are free. Who came first is served first, so a large document is not starved.
    pub async fn take(&self, bytes: u64) -> Share {
        let units = u32::try_from(bytes / UNIT_BYTES + 1).unwrap_or(u32::MAX).min(self.units_max);
        let permit = Arc::clone(&self.units).acquire_many_owned(units).await;
        Share { _permit: permit.expect("the semaphore is never closed") }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn no_more_is_in_flight_than_fits_and_what_is_larger_than_all_goes_alone() {
        let budget = Budget::new(10 * UNIT_BYTES);
        let first = budget.take(6 * UNIT_BYTES).await;
        assert!(budget.take(6 * UNIT_BYTES).now_or_never().is_none(), "both do not fit");
        let small = budget.take(2 * UNIT_BYTES).now_or_never().expect("it fits beside the first");
        assert!(budget.take(1000 * UNIT_BYTES).now_or_never().is_none());
        drop((first, small));
        let _all = budget.take(1000 * UNIT_BYTES).now_or_never().expect("nothing else is there");
        assert!(budget.take(0).now_or_never().is_none());
    }
}
