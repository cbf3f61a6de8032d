//! `/v1/jobs`: what was asked for, how far it is, and calling it off; and what only this machine's command line may ask
//! for: to read files of the server's, and to try again what failed.

pub mod wire;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::response::sse::Event;
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Service;
use super::ask::event_stream;
use super::auth::{self, Authorized, Local};
use super::documents::writable;
use super::error::{ApiError, ErrorBody};
use super::limits::InFlight;
use crate::caller::{Caller, Collections};
use crate::ingest::job::{JobEvent, follow};
use crate::ingest::queue::{Compare, Vanished};
use crate::ingest::source::{self, SourceLimits};
use crate::ledger::{Job, JobId};
use crate::tasks::blocking;
use wire::{JobDetailWire, JobEventWire, JobWire};

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 500;
/// Failures that one job shows.
const FAILED_MAX: usize = 1000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// The id of the last job of the page before.
    before: Option<String>,
    /// 1 to 500; 50 if left out.
    limit: Option<usize>,
}

/// Jobs, the latest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct JobsWire {
    pub jobs: Vec<JobWire>,
}

/// Files and folders of the machine that the server runs on.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IngestRequest {
    /// Absolute.
    #[schema(value_type = Vec<String>)]
    pub paths: Vec<PathBuf>,
    /// Remove documents below these paths that are there no more.
    #[serde(default)]
    pub prune: bool,
    /// Read every file, also those that look as they did when they were indexed.
    #[serde(default)]
    pub rehash: bool,
}

/// Documents to try again.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetryRequest {
    /// None: all that were rejected or wait.
    #[serde(default)]
    pub external_ids: Vec<String>,
}

/// A job that was begun.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct JobBegun {
    pub job: String,
}

/// Lists jobs, the latest first.
#[utoipa::path(
    get,
    path = "/v1/jobs",
    tag = "jobs",
    params(ListQuery),
    security(("key" = ["ingest"]), ("key" = ["admin"])),
    responses((status = 200, description = "Jobs of the collections that the caller may use", body = JobsWire))
)]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Watch>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<JobsWire>, ApiError> {
    let Query(query) = query?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::invalid(Some("limit"), format!("limit is {limit}, must be in 1..={LIMIT_MAX}")));
    }
    let before = query.before.map(|id| id.parse().map_err(|error: String| ApiError::invalid(Some("before"), error)));
    let names: Option<Vec<&str>> = match authorized.caller.collections() {
        Collections::All => None,
        Collections::Only(names) => Some(names.iter().map(|name| name.as_str()).collect()),
    };
    let jobs = service.ledger.jobs(names.as_deref(), before.transpose()?.as_ref(), limit).await?;
    Ok(Json(JobsWire { jobs: jobs.into_iter().map(JobWire::from).collect() }))
}

/// One job, with those of its documents that failed.
#[utoipa::path(
    get,
    path = "/v1/jobs/{job}",
    tag = "jobs",
    params(("job" = String, Path, description = "Its id")),
    security(("key" = ["ingest"]), ("key" = ["admin"])),
    responses(
        (status = 200, description = "The job", body = JobDetailWire),
        (status = 404, description = "No such job", body = ErrorBody)
    )
)]
pub(super) async fn get(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Watch>,
    Path(id): Path<String>,
) -> Result<Json<JobDetailWire>, ApiError> {
    let (id, job) = find(&service, &authorized.caller, &id).await?;
    Ok(Json(JobDetailWire::of(job, service.ledger.failed_of(&id, FAILED_MAX).await?)))
}

/// Calls a job off. What was not begun stays as it was; what is under way stops between two batches and is undone.
#[utoipa::path(
    delete,
    path = "/v1/jobs/{job}",
    tag = "jobs",
    params(("job" = String, Path, description = "Its id")),
    security(("key" = ["ingest"])),
    responses(
        (status = 200, description = "The job had ended", body = JobDetailWire),
        (status = 202, description = "It is being cancelled; its state says when that is done", body = JobDetailWire),
        (status = 404, description = "No such job", body = ErrorBody)
    )
)]
pub(super) async fn cancel(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ingest>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<JobDetailWire>), ApiError> {
    let (id, _) = find(&service, &authorized.caller, &id).await?;
    let status = if service.queue.cancel(&id).await? { StatusCode::ACCEPTED } else { StatusCode::OK };
    let job = service.ledger.job(&id).await?.ok_or_else(ApiError::job_not_found)?;
    Ok((status, Json(JobDetailWire::of(job, service.ledger.failed_of(&id, FAILED_MAX).await?))))
}

/// Follows a job to its end.
#[utoipa::path(
    get,
    path = "/v1/jobs/{job}/events",
    tag = "jobs",
    params(
        ("job" = String, Path, description = "Its id"),
        ("last-event-id" = Option<String>, Header, description = "The id of the last `document` event that was read")
    ),
    security(("key" = ["ingest"]), ("key" = ["admin"])),
    responses(
        (status = 200, description = "`progress` and `document` events, then one `done` or `error`",
            body = String, content_type = "text/event-stream"),
        (status = 404, description = "No such job", body = ErrorBody)
    )
)]
pub(super) async fn events(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Watch>,
    Extension(in_flight): Extension<InFlight>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (id, _) = find(&service, &authorized.caller, &id).await?;
    let after = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok()).unwrap_or_default();
    Ok(event_stream(job_events(&service, id, after, in_flight), &service))
}

/// Brings files and folders of the server's own machine in.
#[utoipa::path(
    post,
    path = "/v1/collections/{collection}/ingest",
    tag = "jobs",
    params(("collection" = String, Path, description = "Where they go")),
    request_body = IngestRequest,
    security(("local" = [])),
    responses(
        (status = 202, description = "The job that does it", body = JobBegun),
        (status = 400, description = "The request is wrong", body = ErrorBody),
        (status = 403, description = "Only whoever can read the server's data folder may ask for this", body = ErrorBody)
    )
)]
pub(super) async fn ingest(
    State(service): State<Arc<Service>>,
    _: Local,
    Path(collection): Path<String>,
    request: Result<Json<IngestRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<JobBegun>), ApiError> {
    let Json(request) = request?;
    if let Some(path) = request.paths.iter().find(|path| !path.is_absolute()) {
        return Err(ApiError::invalid(Some("paths"), format!("{path:?} is not absolute")));
    }
    let collection = writable(&Caller::local(), &collection)?;
    let limits = SourceLimits { file_bytes_max: service.file_bytes_max };
    let paths = request.paths;
    let walk =
        blocking(move || source::walk(&paths, &limits)).await.map_err(|e| ApiError::unavailable(e.to_string()))?;
    let vanished = if request.prune { Vanished::Go } else { Vanished::Stay };
    let compare = if request.rehash { Compare::Bytes } else { Compare::Stamp };
    let job = service.queue.ingest(&collection, walk, vanished, compare).await?.to_string();
    Ok((StatusCode::ACCEPTED, Json(JobBegun { job })))
}

/// Tries documents again that were rejected or wait.
#[utoipa::path(
    post,
    path = "/v1/collections/{collection}/retry",
    tag = "jobs",
    params(("collection" = String, Path, description = "Where they are")),
    request_body = RetryRequest,
    security(("key" = ["ingest"])),
    responses(
        (status = 202, description = "The job that does it", body = JobBegun),
        (status = 400, description = "The request is wrong", body = ErrorBody),
        (status = 404, description = "No such collection", body = ErrorBody)
    )
)]
pub(super) async fn retry(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ingest>,
    Path(collection): Path<String>,
    request: Result<Json<RetryRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<JobBegun>), ApiError> {
    let Json(request) = request?;
    let collection = writable(&authorized.caller, &collection)?;
    let job = service.queue.retry(&collection, &request.external_ids).await?.to_string();
    Ok((StatusCode::ACCEPTED, Json(JobBegun { job })))
}

/// Brings every document of a collection into the index as it would be made today.
#[utoipa::path(
    post,
    path = "/v1/collections/{collection}/reprocess",
    tag = "jobs",
    params(("collection" = String, Path, description = "Which documents")),
    security(("key" = ["ingest"])),
    responses(
        (status = 202, description = "The job that does it", body = JobBegun),
        (status = 404, description = "No such collection", body = ErrorBody)
    )
)]
pub(super) async fn reprocess(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ingest>,
    Path(collection): Path<String>,
) -> Result<(StatusCode, Json<JobBegun>), ApiError> {
    let collection = writable(&authorized.caller, &collection)?;
    let job = service.queue.reprocess(&collection).await?.to_string();
    Ok((StatusCode::ACCEPTED, Json(JobBegun { job })))
}

/// A job of a collection that the caller may use: one of others is not there.
async fn find(service: &Service, caller: &Caller, id: &str) -> Result<(JobId, Job), ApiError> {
    let id: JobId = id.parse().map_err(|_| ApiError::job_not_found())?;
    let job = service.ledger.job(&id).await?.ok_or_else(ApiError::job_not_found)?;
    let may_use = job.collection.parse().is_ok_and(|collection| caller.scope(&collection).is_some());
    if may_use { Ok((id, job)) } else { Err(ApiError::job_not_found()) }
}

/// The job's events as they are sent. A stop ends them, so that nobody waits for a long job to end first.
fn job_events(
    service: &Arc<Service>,
    id: JobId,
    after: i64,
    in_flight: InFlight,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    let (queue, stopping) = (Arc::clone(&service.queue), service.stopping.clone());
    async_stream::stream! {
        let _permit = in_flight;
        let mut events = std::pin::pin!(follow(queue, id, after));
        loop {
            let next = tokio::select! {
                next = events.next() => next,
                () = stopping.cancelled() => {
                    yield Ok(sse(&JobEventWire::Error(ApiError::shutting_down().body()), None));
                    return;
                }
            };
            match next {
                Some(Ok(event)) => {
                    let number = match &event {
                        JobEvent::Document(ended) => Some(ended.ended),
                        JobEvent::Progress(_) | JobEvent::End(_) => None,
                    };
                    yield Ok(sse(&event.into(), number));
                }
                Some(Err(error)) => {
                    yield Ok(sse(&JobEventWire::Error(ApiError::from(error).body()), None));
                    return;
                }
                None => return,
            }
        }
    }
}

fn sse(event: &JobEventWire, number: Option<i64>) -> Event {
    let (name, data) = event.named();
    let sent = Event::default().event(name).data(data.expect("wire types have string keys and finite numbers"));
    match number {
        Some(number) => sent.id(number.to_string()),
        None => sent,
    }
}
