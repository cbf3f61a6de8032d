//! The text that was read in a document, which every citation's span points into.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{readable, sight};
use crate::document::{DocumentId, Version};
use crate::ingest::extract::Extracted;
use crate::ingest::texts;
use crate::server::Service;
use crate::server::auth::{self, Authorized};
use crate::server::error::{ApiError, ErrorBody};
use crate::tasks::blocking;

/// The text of a document's version. Offsets count bytes of its UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TextWire {
    pub external_id: String,
    pub version: i64,
    pub title: String,
    /// ISO 639-1.
    pub language: Option<String>,
    /// Like Markdown.
    pub text: String,
    pub headings: Vec<HeadingWire>,
    /// Where pages or slides begin, the first one first; empty where there are none.
    pub pages: Vec<usize>,
    pub tables: Vec<TableWire>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HeadingWire {
    /// 1 is the outermost.
    pub level: u8,
    pub title: String,
    pub start: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableWire {
    pub start: usize,
    pub end: usize,
    /// Where its head ends.
    pub rows_start: usize,
}

impl TextWire {
    pub fn new(external_id: String, version: i64, title: String, extracted: Extracted) -> Self {
        let headings = extracted.headings.into_iter();
        let tables = extracted.tables.into_iter();
        Self {
            external_id,
            version,
            title,
            language: extracted.language,
            text: extracted.text,
            headings: headings.map(|h| HeadingWire { level: h.level, title: h.title, start: h.start }).collect(),
            pages: extracted.pages,
            tables: tables
                .map(|t| TableWire { start: t.span.start, end: t.span.end, rows_start: t.rows_start })
                .collect(),
        }
    }
}

/// The text that was read in a document, as its spans count it.
#[utoipa::path(
    get,
    path = "/v1/collections/{collection}/texts/{*external_id}",
    tag = "documents",
    params(
        ("collection" = String, Path, description = "Where the document is"),
        ("external_id" = String, Path, description = "Its id there, percent-encoded")
    ),
    security(("key" = ["ask"]), ("key" = ["ingest"]), ("key" = ["admin"])),
    responses(
        (status = 200, description = "The text of the version that answers; as it is with `Accept: text/plain`",
            content((TextWire = "application/json"), (String = "text/plain"))),
        (status = 404, description = "No such document, or it has no text", body = ErrorBody)
    )
)]
pub(in crate::server) async fn text(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Look>,
    Path((collection, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let (name, scope) = readable(&authorized, &collection)?;
    let document = DocumentId::new(&name, &id);
    let row = service.ledger.document(document, sight(&authorized, &scope)).await?;
    let row = row.ok_or_else(ApiError::document_not_found)?;
    let kept = service.ledger.text(document, Version(row.version)).await?.ok_or_else(ApiError::document_not_found)?;
    let unpacked =
        blocking(move || texts::unpack(&kept.body)).await.map_err(|e| ApiError::unavailable(e.to_string()))?;
    let extracted =
        unpacked.map_err(|error| ApiError::unavailable(format!("read the document's kept text: {error}")))?;
    let wants_text = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if wants_text.is_some_and(|accept| accept.trim_start().starts_with("text/plain")) {
        return Ok(extracted.text.into_response());
    }
    Ok(Json(TextWire::new(row.external_id, row.version, row.title, extracted)).into_response())
}
