//! `/v1/ingest`: sources beyond this machine and manifests, for the command line of this machine alone: it has them
//! fetched with the server's own credentials.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Service;
use super::auth::Local;
use super::documents::writable;
use super::error::{ApiError, ErrorBody};
use crate::caller::Caller;
use crate::ingest::queue::Compare;
use crate::ingest::source::manifest::{self, Declared};
use crate::ingest::source::named::{How, Named};
use crate::tasks::blocking;

/// What is to be brought in: sources that are named, or those of a manifest.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourcesRequest {
    /// For sources that name none themselves. None: the configured one.
    #[serde(default)]
    pub collection: Option<String>,
    /// Where the command was given. Absolute.
    #[schema(value_type = String)]
    pub folder: PathBuf,
    /// Addresses of pages, buckets and repositories.
    #[serde(default)]
    pub sources: Vec<String>,
    /// What is to be read at web addresses: `page`, `sitemap` or `crawl`.
    #[serde(default)]
    #[schema(value_type = String)]
    pub how: How,
    /// Of git repositories.
    #[serde(default)]
    pub revision: Option<String>,
    /// Absolute.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub manifest: Option<PathBuf>,
    /// Of the manifest, only the sources with these names.
    #[serde(default)]
    pub only: Vec<String>,
    /// Remove documents that a source has no more.
    #[serde(default)]
    pub prune: bool,
    /// Fetch and read everything, also what is said to be as it was.
    #[serde(default)]
    pub rehash: bool,
}

/// Jobs that were begun, one for each source.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct JobsBegun {
    pub jobs: Vec<String>,
}

/// Brings in what sources beyond this machine have, or those of a manifest.
#[utoipa::path(
    post,
    path = "/v1/ingest",
    tag = "jobs",
    request_body = SourcesRequest,
    security(("local" = [])),
    responses(
        (status = 202, description = "The jobs that do it", body = JobsBegun),
        (status = 400, description = "The request is wrong", body = ErrorBody),
        (status = 403, description = "Only whoever can read the server's data folder may ask for this", body = ErrorBody),
        (status = 429, description = "Too many sources wait already", body = ErrorBody)
    )
)]
pub(super) async fn ingest(
    State(service): State<Arc<Service>>,
    _: Local,
    request: Result<Json<SourcesRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<JobsBegun>), ApiError> {
    let Json(request) = request?;
    let compare = if request.rehash { Compare::Bytes } else { Compare::Stamp };
    let mut jobs = Vec::new();
    for source in declared(&service, request).await? {
        jobs.push(service.bringer.ask(source, compare).await?.to_string());
    }
    Ok((StatusCode::ACCEPTED, Json(JobsBegun { jobs })))
}

async fn declared(service: &Arc<Service>, request: SourcesRequest) -> Result<Vec<Declared>, ApiError> {
    let named = request.collection.as_deref().map(|name| writable(&Caller::local(), name)).transpose()?;
    let bringer = Arc::clone(&service.bringer);
    let collection = named.clone().unwrap_or_else(|| service.collection.clone());
    let declaring = blocking(move || {
        let SourcesRequest { folder, sources: texts, how, revision, prune, .. } = &request;
        let named_here = Named { texts, how: *how, revision: revision.clone(), prune: *prune };
        let mut declared =
            bringer.named(&named_here, folder, &collection).map_err(|error| ("sources", error.to_string()))?;
        if let Some(path) = &request.manifest {
            let sources = bringer.manifest(path, named.as_ref()).map_err(|error| ("manifest", error.to_string()))?;
            declared.extend(manifest::only(sources, &request.only, *prune).map_err(|error| ("only", error))?);
        }
        Ok(declared)
    });
    let declared: Result<_, (&'static str, String)> =
        declaring.await.map_err(|error| ApiError::unavailable(error.to_string()))?;
    declared.map_err(|(param, error)| ApiError::invalid(Some(param), error))
}
