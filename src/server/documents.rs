//! `/v1/collections/{collection}/documents`: documents in, looked at, changed and out, each by its own id.
//!
//! What is promised with status 202 is on the disk. What is removed can't be found any more when the response is sent.

mod receive;
pub mod text;
pub mod wire;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Deserializer};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

use super::Service;
use super::auth::{self, Authorized};
use super::error::{ApiError, ErrorBody};
use crate::caller::{Caller, Scope};
use crate::document::{CollectionName, DocumentId};
use crate::ingest::likeness::near;
use crate::ingest::origin::Upload;
use crate::ingest::queue::Accepted;
use crate::ledger::{DocumentDetail, DocumentState, Page, Sight};
use receive::{Body, external_id, receive};
use wire::{AcceptedWire, Beside, BulkWire, DocumentWire, DocumentsWire, MetadataWire, NearWire};

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 1000;

/// What stands in the address beside the document's id.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PutQuery {
    /// `indexed`: answer when the document is indexed or rejected, but not later than `server.wait_timeout`.
    #[param(inline)]
    wait: Option<Wait>,
    /// Instead of the title that the document gives itself.
    title: Option<String>,
    /// The groups that may see it, between commas.
    allow: Option<String>,
    /// Between commas.
    tags: Option<String>,
    /// RFC 3339, or a date alone.
    date: Option<String>,
    /// ISO 639-1.
    language: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Wait {
    Indexed,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Only documents in this state.
    state: Option<String>,
    /// The `next` of the page before.
    after: Option<String>,
    /// 1 to 1000; 100 if left out.
    limit: Option<usize>,
}

/// What is to be said of an upload from now on; what is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PatchRequest {
    /// `null`: the title that the document gives itself.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    title: Option<Option<String>>,
    /// `null`: the groups that the document names itself.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    allow: Option<Option<Vec<String>>>,
    /// `null`: the tags that the document names itself.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>)]
    tags: Option<Option<Vec<String>>>,
    /// `null`: the date that the document gives itself.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    date: Option<Option<String>>,
    /// `null`: the language that the document says or is taken for.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    language: Option<Option<String>>,
}

/// Tells `null` from nothing.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Brings a document in, or a new version of it.
#[utoipa::path(
    put,
    path = "/v1/collections/{collection}/documents/{*external_id}",
    tag = "documents",
    params(
        ("collection" = String, Path, description = "Where it goes"),
        ("external_id" = String, Path, description = "Its id there, percent-encoded; it may have `/` in it"),
        PutQuery
    ),
    request_body(content((Vec<u8> = "*/*"), (MetadataWire = "multipart/form-data")),
        description = "The document's bytes, or a form with the parts `file` and `metadata` (JSON)"),
    security(("key" = ["ingest"])),
    responses(
        (status = 200, description = "It is indexed: nothing had changed, or it was waited for", body = AcceptedWire),
        (status = 202, description = "It is kept and queued; see Location for the job", body = AcceptedWire),
        (status = 400, description = "The request is wrong, or its kind is none that cairn reads", body = ErrorBody),
        (status = 408, description = "The body took too long", body = ErrorBody),
        (status = 413, description = "The body is too large", body = ErrorBody),
        (status = 422, description = "It was waited for and is rejected", body = ErrorBody)
    )
)]
pub(super) async fn put(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ingest>,
    Path((collection, id)): Path<(String, String)>,
    query: Result<Query<PutQuery>, QueryRejection>,
    request: Request,
) -> Result<Response, ApiError> {
    let (collection, id) = (writable(&authorized.caller, &collection)?, external_id(&id)?);
    let Query(query) = query?;
    let Body { files, mut metadata } = receive(&service, request).await?;
    let [came] = files.as_slice() else {
        return Err(ApiError::invalid(Some("file"), "the form must have one file: POST takes several"));
    };
    metadata.title = query.title.or(metadata.title);
    let list = |names: String| names.split(',').map(|name| name.trim().to_owned()).collect();
    metadata.allow = query.allow.map(list).or(metadata.allow);
    metadata.tags = query.tags.map(list).or(metadata.tags);
    metadata.date = query.date.or(metadata.date);
    metadata.language = query.language.or(metadata.language);
    let upload = came.upload(&id, &metadata)?;
    let accepted = service.queue.upload(&collection, &id, upload).await?;
    accepted_response(&service, (&collection, &id), accepted, query.wait).await
}

/// Brings several documents in, each under its file's name.
#[utoipa::path(
    post,
    path = "/v1/collections/{collection}/documents",
    tag = "documents",
    params(("collection" = String, Path, description = "Where they go")),
    request_body(content = MetadataWire, content_type = "multipart/form-data",
        description = "A form with parts `file`, and `metadata` (JSON) that counts for all of them"),
    security(("key" = ["ingest"])),
    responses(
        (status = 202, description = "They are kept and queued; see Location for the job", body = BulkWire),
        (status = 400, description = "The request is wrong, or a file's kind is none that cairn reads", body = ErrorBody),
        (status = 413, description = "A file is too large", body = ErrorBody)
    )
)]
pub(super) async fn post(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ingest>,
    Path(collection): Path<String>,
    request: Request,
) -> Result<Response, ApiError> {
    let collection = writable(&authorized.caller, &collection)?;
    let Body { files, metadata } = receive(&service, request).await?;
    let mut uploads = Vec::with_capacity(files.len());
    for came in &files {
        let id = came.external_id()?;
        let (upload, bytes) = came.upload(&id, &metadata)?;
        uploads.push((id, upload, bytes));
    }
    if uploads.is_empty() {
        return Err(ApiError::invalid(Some("file"), "the form has no file"));
    }
    let documents = uploads.iter().map(|(id, _, _)| id.clone()).collect();
    let job = service.queue.upload_all(&collection, uploads).await?.to_string();
    Ok((StatusCode::ACCEPTED, location(&job), Json(BulkWire { job, documents })).into_response())
}

/// Lists documents by their ids.
#[utoipa::path(
    get,
    path = "/v1/collections/{collection}/documents",
    tag = "documents",
    params(("collection" = String, Path, description = "Which documents"), ListQuery),
    security(("key" = ["ask"]), ("key" = ["ingest"]), ("key" = ["admin"])),
    responses(
        (status = 200, description = "A page of them. A key with the scope `ask` alone sees what it may find",
            body = DocumentsWire),
        (status = 404, description = "No such collection", body = ErrorBody)
    )
)]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Look>,
    Path(collection): Path<String>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<DocumentsWire>, ApiError> {
    let Query(query) = query?;
    let (name, scope) = readable(&authorized, &collection)?;
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::invalid(Some("limit"), format!("limit is {limit}, must be in 1..={LIMIT_MAX}")));
    }
    let parse = |state: String| state.parse::<DocumentState>().map_err(|e| ApiError::invalid(Some("state"), e));
    let state = query.state.map(parse).transpose()?;
    let sight = sight(&authorized, &scope);
    let page = Page { state, after: query.after.as_deref(), limit: limit + 1 };
    let mut rows = service.ledger.page(&name, sight, page).await?;
    let asks_for_all = page.state.is_none() && page.after.is_none();
    let is_there = !rows.is_empty()
        || (!asks_for_all
            && !service.ledger.page(&name, sight, Page { state: None, after: None, limit: 1 }).await?.is_empty());
    if !is_there {
        return Err(ApiError::collection_not_found(&collection));
    }
    let is_last = rows.len() <= limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| !is_last).map(|row| row.external_id.clone());
    Ok(Json(DocumentsWire { documents: rows.into_iter().map(DocumentWire::from).collect(), next }))
}

/// One document as it stands.
#[utoipa::path(
    get,
    path = "/v1/collections/{collection}/documents/{*external_id}",
    tag = "documents",
    params(
        ("collection" = String, Path, description = "Where it is"),
        ("external_id" = String, Path, description = "Its id there, percent-encoded")
    ),
    security(("key" = ["ask"]), ("key" = ["ingest"]), ("key" = ["admin"])),
    responses(
        (status = 200, description = "The document", body = DocumentWire),
        (status = 404, description = "No such document", body = ErrorBody)
    )
)]
pub(super) async fn get(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Look>,
    Path((collection, id)): Path<(String, String)>,
) -> Result<Json<DocumentWire>, ApiError> {
    let (name, scope) = readable(&authorized, &collection)?;
    let (document, sight) = (DocumentId::new(&name, &id), sight(&authorized, &scope));
    let row = service.ledger.document(document, sight).await?.ok_or_else(ApiError::document_not_found)?;
    let near = near(&service.ledger, document, sight).await?;
    let near_duplicates = Some(near.into_iter().map(NearWire::from).collect());
    Ok(Json(DocumentWire { near_duplicates, ..row.into() }))
}

/// Changes what is said of an uploaded document.
#[utoipa::path(
    patch,
    path = "/v1/collections/{collection}/documents/{*external_id}",
    tag = "documents",
    params(
        ("collection" = String, Path, description = "Where it is"),
        ("external_id" = String, Path, description = "Its id there, percent-encoded")
    ),
    request_body = PatchRequest,
    security(("key" = ["ingest"])),
    responses(
        (status = 200, description = "It is done; a change of groups alone embeds nothing again", body = AcceptedWire),
        (status = 202, description = "It is queued; see Location for the job", body = AcceptedWire),
        (status = 400, description = "The request is wrong, or the document is a file, which says it itself", body = ErrorBody),
        (status = 404, description = "No such document", body = ErrorBody),
        (status = 422, description = "The document is rejected", body = ErrorBody)
    )
)]
pub(super) async fn patch(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ingest>,
    Path((collection, id)): Path<(String, String)>,
    request: Result<Json<PatchRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(request) = request?;
    let name = writable(&authorized.caller, &collection)?;
    let row = service.ledger.document(DocumentId::new(&name, &id), Sight::All).await?;
    let row = row.filter(|row| row.state != DocumentState::Removed.name()).ok_or_else(ApiError::document_not_found)?;
    let allow = request.allow.map(|names| names.as_deref().map(receive::allow).transpose()).transpose()?;
    let tags = request.tags.map(|names| names.as_deref().map(receive::tags).transpose()).transpose()?;
    let date = request.date.map(|text| text.as_deref().map(receive::date).transpose()).transpose()?;
    let language = request.language.map(|name| name.as_deref().map(receive::language).transpose()).transpose()?;
    let change = |upload: &mut Upload| {
        if let Some(title) = request.title {
            upload.title = title.filter(|title| !title.trim().is_empty());
        }
        let before = Beside::of(upload);
        let beside = Beside {
            allow: allow.unwrap_or(before.allow),
            tags: tags.unwrap_or(before.tags),
            date: date.unwrap_or(before.date),
            language: language.unwrap_or(before.language),
        };
        upload.sidecar = beside.text();
    };
    let accepted = service.queue.describe(&name, &row, change).await?.ok_or_else(|| {
        let message = "the document is a file on the server: its front matter, or the .meta.toml beside it, says this";
        ApiError::invalid(None, message)
    })?;
    accepted_response(&service, (&name, &id), accepted, Some(Wait::Indexed)).await
}

/// Removes a document. When the response comes, no search finds it.
#[utoipa::path(
    delete,
    path = "/v1/collections/{collection}/documents/{*external_id}",
    tag = "documents",
    params(
        ("collection" = String, Path, description = "Where it is"),
        ("external_id" = String, Path, description = "Its id there, percent-encoded")
    ),
    security(("key" = ["ingest"])),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such document", body = ErrorBody),
        (status = 503, description = "The document store can't be used just now", body = ErrorBody)
    )
)]
pub(super) async fn delete(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ingest>,
    Path((collection, id)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    let name = writable(&authorized.caller, &collection)?;
    match service.queue.remove(&name, &id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::document_not_found()),
    }
}

/// The collection, if the caller may use it: one of others answers as one that is not there.
pub(super) fn writable(caller: &Caller, collection: &str) -> Result<CollectionName, ApiError> {
    let name: CollectionName = parse_collection(collection)?;
    caller.scope(&name).map(|_| name).ok_or_else(|| ApiError::collection_not_found(collection))
}

fn readable<P>(authorized: &Authorized<P>, collection: &str) -> Result<(CollectionName, Scope), ApiError> {
    let name = parse_collection(collection)?;
    let scope = authorized.caller.scope(&name).ok_or_else(|| ApiError::collection_not_found(collection))?;
    Ok((name, scope))
}

fn parse_collection(collection: &str) -> Result<CollectionName, ApiError> {
    collection.parse().map_err(|error: crate::document::InvalidCollectionName| {
        ApiError::invalid(Some("collection"), error.to_string())
    })
}

fn sight<'a, P>(authorized: &Authorized<P>, scope: &'a Scope) -> Sight<'a> {
    if authorized.sees_all() { Sight::All } else { Sight::Answering(scope) }
}

async fn accepted_response(
    service: &Service,
    (collection, id): (&CollectionName, &str),
    accepted: Accepted,
    wait: Option<Wait>,
) -> Result<Response, ApiError> {
    let document = DocumentId::new(collection, id);
    let job = match accepted {
        Accepted::Unchanged => None,
        Accepted::Queued(job) => Some(job.to_string()),
    };
    let deadline = Instant::now()
        + match wait {
            Some(Wait::Indexed) => service.config.wait_timeout,
            None => std::time::Duration::ZERO,
        };
    let row = settled(service, document, deadline).await?;
    if wait.is_some() && row.state == DocumentState::Rejected.name() {
        return Err(ApiError::document_rejected(&row.reason));
    }
    let is_done = row.state == DocumentState::Indexed.name() && (job.is_none() || wait.is_some());
    let body = Json(AcceptedWire { job: job.clone(), document: row.into() });
    Ok(match job {
        Some(job) if !is_done => (StatusCode::ACCEPTED, location(&job), body).into_response(),
        Some(job) => (StatusCode::OK, location(&job), body).into_response(),
        None => body.into_response(),
    })
}

/// The document when nothing is to be done with it any more, or as it stands at the deadline.
async fn settled(service: &Service, document: DocumentId, deadline: Instant) -> Result<DocumentDetail, ApiError> {
    let mut changes = service.queue.changes();
    loop {
        changes.mark_unchanged();
        let row = service.ledger.document(document, Sight::All).await?.ok_or_else(ApiError::document_not_found)?;
        let is_settled = row.job.is_none();
        let stopping = service.stopping.cancelled();
        let waited = tokio::select! {
            waited = timeout_at(deadline, changes.changed()), if !is_settled => waited.is_ok_and(|changed| changed.is_ok()),
            () = stopping, if !is_settled => false,
            else => false,
        };
        if !waited {
            return Ok(row);
        }
    }
}

fn location(job: &str) -> [(header::HeaderName, HeaderValue); 1] {
    let value = HeaderValue::from_str(&format!("/v1/jobs/{job}")).expect("a job's id is plain");
    [(header::LOCATION, value)]
}
