//! `POST /v1/search`: the passages for a text, with their scores.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Service;
use super::ask::SourceWire;
use super::auth::{self, Authorized};
use super::error::{ApiError, ErrorBody};
use super::filter::FilterWire;
use crate::answer::Within;
use crate::document::{CollectionName, Passage};

const LIMIT_DEFAULT: usize = 10;
const LIMIT_MAX: usize = 100;

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    #[schema(example = "change the address it listens on")]
    pub query: String,
    /// Left out: the configured one.
    #[schema(value_type = Option<String>, example = "default")]
    pub collection: Option<CollectionName>,
    /// Which documents may be found. Left out: all that the key may see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<FilterWire>,
    /// Passages to give back, 1 to 100; 10 if left out.
    pub limit: Option<usize>,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SearchResponse {
    /// Best first; `number` counts from 1.
    pub results: Vec<SourceWire>,
}

/// Finds passages, best first.
#[utoipa::path(
    post,
    path = "/v1/search",
    tag = "answers",
    request_body = SearchRequest,
    security(("key" = ["ask"])),
    responses(
        (status = 200, description = "The passages", body = SearchResponse),
        (status = 400, description = "The request is wrong", body = ErrorBody),
        (status = 404, description = "No such collection", body = ErrorBody),
        (status = 429, description = "Too much at once; see Retry-After", body = ErrorBody)
    )
)]
pub(super) async fn search(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ask>,
    request: Result<Json<SearchRequest>, JsonRejection>,
) -> Result<Json<SearchResponse>, ApiError> {
    let Json(request) = request?;
    let limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(ApiError::invalid(Some("limit"), format!("limit is {limit}, must be in 1..={LIMIT_MAX}")));
    }
    let collection = request.collection.unwrap_or_else(|| service.collection.clone());
    let filter = FilterWire::read(request.filter)?;
    let _working = service.limits.begin(&authorized.key_id).await?;
    let within = Within { collection: &collection, filter: &filter };
    let hits = service.answerer.search(&authorized.caller, within, &request.query, limit).await?;
    Ok(Json(SearchResponse::of(hits)))
}

impl SearchResponse {
    pub fn of(hits: Vec<crate::document::Hit>) -> Self {
        let numbered =
            hits.into_iter().enumerate().map(|(at, hit)| Passage { number: at + 1, hit, also_in: Vec::new() });
        Self { results: numbered.map(SourceWire::from).collect() }
    }
}
