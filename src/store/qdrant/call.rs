//! One policy for every request to the server: how often it is sent, how long that may take, what its failure means.
//!
//! The client repeats a request once by itself on a new connection, which is how it reconnects; what fails then is
//! repeated here. All of it together takes at most `store.timeout`.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use qdrant_client::config::QdrantConfig;
use qdrant_client::qdrant::{PointsOperationResponse, UpdateStatus};
use qdrant_client::{Qdrant, QdrantError};
use secrecy::ExposeSecret;
use tonic::{Code, Status};

use crate::config::QdrantServer;
use crate::store::StoreError;

const REPETITIONS_MAX: usize = 4;
/// Before the first repetition; the next ones wait twice as long each.
const WAIT_MIN: Duration = Duration::from_millis(100);
/// A server that wants to be left alone for longer than this gets its way: the caller hears of it at once.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// For a request that is not repeated.
const CHECK_MAX: Duration = Duration::from_secs(3);
/// Marks that the server has no room, not too much to do, where a status can mean either.
const NO_ROOM: &str = "qdrant-insufficient-storage";

/// The server, and how it is asked.
pub(super) struct Calls {
    client: Qdrant,
    pub(super) place: String,
    limit: Duration,
}

impl Calls {
    /// Connects with the first request, not here.
    pub(super) fn new(server: &QdrantServer) -> Result<Self, StoreError> {
        let key = server.api_key.as_ref().map(|key| key.expose_secret().to_owned());
        // The client's own check would print to standard output.
        let client = QdrantConfig::from_url(&server.url)
            .api_key(key)
            .timeout(server.timeout)
            .connect_timeout(server.connect_timeout)
            .skip_compatibility_check()
            .build()
            .map_err(|error| StoreError::Engine { what: "open the index", reason: error.to_string() })?;
        Ok(Self { client, place: server.url.clone(), limit: server.timeout })
    }

    /// Sends a request that may be sent twice, until it succeeds or there is no use or no time.
    pub(super) async fn read<'a, T, F>(
        &'a self,
        what: &'static str,
        request: impl Fn(&'a Qdrant) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, QdrantError>>,
    {
        let attempt = || async { request(&self.client).await.map_err(|error| self.failure(what, &error)) };
        let policy =
            ExponentialBuilder::default().with_min_delay(WAIT_MIN).with_max_times(REPETITIONS_MAX).with_jitter();
        let attempts = attempt.retry(policy).when(is_transient).adjust(wait);
        tokio::time::timeout(self.limit, attempts).await.unwrap_or_else(|_| {
            let reason = format!("no answer within {} (store.timeout)", humantime::format_duration(self.limit));
            Err(StoreError::Unavailable { what, place: self.place.clone(), reason })
        })
    }

    /// Sends a request once, for whoever asks only whether the server is well.
    pub(super) async fn once<'a, T, F>(
        &'a self,
        what: &'static str,
        request: impl FnOnce(&'a Qdrant) -> F,
    ) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, QdrantError>>,
    {
        let answer = tokio::time::timeout(CHECK_MAX, request(&self.client)).await.map_err(|_| {
            let reason = format!("no answer within {}", humantime::format_duration(CHECK_MAX));
            StoreError::Unavailable { what, place: self.place.clone(), reason }
        })?;
        answer.map_err(|error| self.failure(what, &error))
    }

    /// Like [`read`](Self::read) for a write that asks to be waited for: it has happened when this is `Ok`.
    pub(super) async fn write<'a, F>(
        &'a self,
        what: &'static str,
        request: impl Fn(&'a Qdrant) -> F,
    ) -> Result<(), StoreError>
    where
        F: Future<Output = Result<PointsOperationResponse, QdrantError>>,
    {
        self.read(what, |client| {
            let response = request(client);
            async { completed(&response.await?) }
        })
        .await
    }

    fn failure(&self, what: &'static str, error: &QdrantError) -> StoreError {
        match error {
            QdrantError::ResponseError { status } => self.refusal(what, status),
            QdrantError::ResourceExhaustedError { retry_after_seconds, .. } => StoreError::Busy {
                what,
                place: self.place.clone(),
                retry_after: Some(Duration::from_secs(*retry_after_seconds)),
            },
            QdrantError::ConversionError(_)
            | QdrantError::InvalidUri(_)
            | QdrantError::NoSnapshotFound(_)
            | QdrantError::Io(_)
            | QdrantError::JsonToPayload(_)
            | QdrantError::PayloadDeserialization(_) => StoreError::Engine { what, reason: error.to_string() },
        }
    }

    fn refusal(&self, what: &'static str, status: &Status) -> StoreError {
        let (place, reason) = (self.place.clone(), status.message().to_owned());
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => StoreError::Key { what, place, reason },
            Code::ResourceExhausted if status.metadata().contains_key(NO_ROOM) => {
                StoreError::Unavailable { what, place, reason }
            }
            Code::ResourceExhausted => StoreError::Busy { what, place, retry_after: None },
            // What the client makes of a deadline is `Cancelled`; `FailedPrecondition` is a collection that an operator
            // has locked, or a node that is recovering.
            Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Aborted | Code::FailedPrecondition => {
                StoreError::Unavailable { what, place, reason }
            }
            Code::Internal | Code::Unknown if never_arrived(status) => {
                StoreError::Unavailable { what, place, reason: brief(&reason).to_owned() }
            }
            Code::Ok
            | Code::Unknown
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::Internal
            | Code::DataLoss => StoreError::Engine { what, reason },
        }
    }
}

/// Whether the same request may succeed in a moment.
fn is_transient(error: &StoreError) -> bool {
    match error {
        StoreError::Busy { .. } | StoreError::Unavailable { .. } => true,
        StoreError::OtherFingerprint { .. }
        | StoreError::File { .. }
        | StoreError::DiskFull { .. }
        | StoreError::Key { .. }
        | StoreError::Engine { .. } => false,
    }
}

/// As long as the server asks for, within reason.
fn wait(error: &StoreError, planned: Option<Duration>) -> Option<Duration> {
    match error {
        StoreError::Busy { retry_after: Some(asked), .. } => {
            planned.map(|planned| planned.max(*asked)).filter(|wait| *wait <= WAIT_MAX)
        }
        StoreError::Busy { retry_after: None, .. }
        | StoreError::Unavailable { .. }
        | StoreError::OtherFingerprint { .. }
        | StoreError::File { .. }
        | StoreError::DiskFull { .. }
        | StoreError::Key { .. }
        | StoreError::Engine { .. } => planned,
    }
}

/// A write counts when it is applied, not when it is queued.
fn completed(response: &PointsOperationResponse) -> Result<(), QdrantError> {
    let status = response.result.as_ref().map_or(UpdateStatus::UnknownUpdateStatus, |result| result.status());
    match status {
        UpdateStatus::Completed => Ok(()),
        UpdateStatus::UnknownUpdateStatus
        | UpdateStatus::Acknowledged
        | UpdateStatus::ClockRejected
        | UpdateStatus::WaitTimeout => {
            let message = format!("the write is {}, not completed", status.as_str_name());
            Err(Status::unavailable(message).into())
        }
    }
}

/// Whether a status was made on this side: of a connection that failed. Those of the server have no source.
fn never_arrived(status: &Status) -> bool {
    status.source().is_some() || status.message().starts_with("Failed to connect to")
}

/// The system's own words, where the client wraps them in its types.
fn brief(reason: &str) -> &str {
    let inner = reason.split_once("message: \"").and_then(|(_, rest)| rest.split_once('"'));
    inner.map_or(reason, |(words, _)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_connection_is_told_in_the_systems_words() {
        let reason = "Failed to connect to http://127.0.0.1:1/: tonic::transport::Error(Transport, ConnectError(\"tcp \
                      connect error\", 127.0.0.1:1, Os { code: 111, kind: ConnectionRefused, message: \"Connection refused\" }))";
        assert_eq!(brief(reason), "Connection refused");
        assert_eq!(brief("Timeout expired"), "Timeout expired");
    }

    #[test]
    fn a_server_is_left_alone_for_as_long_as_it_asks() {
        let busy = |seconds| StoreError::Busy { what: "search", place: "x".into(), retry_after: seconds };
        let planned = Some(Duration::from_millis(200));
        assert_eq!(wait(&busy(Some(Duration::from_secs(2))), planned), Some(Duration::from_secs(2)));
        assert_eq!(wait(&busy(Some(Duration::from_secs(60))), planned), None, "too long to hold the caller");
        assert_eq!(wait(&busy(Some(Duration::ZERO)), planned), planned);
        assert_eq!(wait(&busy(None), planned), planned);
        assert_eq!(wait(&busy(Some(Duration::from_secs(2))), None), None, "no attempt is left");
    }
}
