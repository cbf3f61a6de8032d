//! `/v1/conversations`: begin one, list them, read what was said, delete it. A question joins one by its id
//! (`conversation_id` of `POST /v1/ask`).

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Service;
use super::auth::{self, Authorized};
use super::error::{ApiError, ErrorBody};
use super::jobs::wire::time;
use crate::document::CollectionName;
use crate::ledger::{ConversationRow, MessageRow};
use crate::record::ConversationId;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 500;
/// What a conversation's maker may say of it, as in OpenAI's API.
const METADATA_PAIRS_MAX: usize = 16;
const METADATA_KEY_CHARS_MAX: usize = 64;
const METADATA_VALUE_CHARS_MAX: usize = 512;

#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConversationRequest {
    /// Where its questions look. Left out: the configured one.
    #[schema(value_type = Option<String>, example = "default")]
    #[serde(default)]
    pub collection: Option<CollectionName>,
    /// Up to 16 pairs: names of up to 64 characters, texts of up to 512.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// A conversation that is kept here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationWire {
    #[schema(example = "conv_019df1a2c7d07c3e8a5b0d9f4e6b7a81")]
    pub id: String,
    #[schema(example = "conversation")]
    pub object: String,
    /// Seconds since 1970, UTC.
    pub created_at: i64,
    /// When it was last asked in: RFC 3339, UTC.
    pub used_at: String,
    pub collection: String,
    pub metadata: BTreeMap<String, String>,
    /// How many there are.
    pub messages: i64,
}

/// A conversation with what was said in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConversationDetailWire {
    #[serde(flatten)]
    pub conversation: ConversationWire,
    /// Oldest first.
    pub items: Vec<MessageWire>,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageWire {
    /// `user` or `assistant`.
    pub role: String,
    pub content: String,
    /// The answer that this is, or that it asked for.
    pub answer_id: String,
    /// RFC 3339, UTC.
    pub created_at: String,
}

/// Conversations, the latest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ConversationsWire {
    pub data: Vec<ConversationWire>,
    /// Whether there are more; give the last one's id as `before`.
    pub has_more: bool,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct DeletedWire {
    pub id: String,
    #[schema(example = "conversation.deleted")]
    pub object: String,
    pub deleted: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// The id of the last conversation of the page before.
    before: Option<String>,
    /// 1 to 500; 50 if left out.
    limit: Option<usize>,
}

/// Begins a conversation.
#[utoipa::path(
    post,
    path = "/v1/conversations",
    tag = "conversations",
    request_body = ConversationRequest,
    security(("key" = ["ask"])),
    responses(
        (status = 201, description = "The conversation", body = ConversationWire),
        (status = 400, description = "The request is wrong, or there are too many conversations", body = ErrorBody),
        (status = 404, description = "No such collection", body = ErrorBody)
    )
)]
pub(super) async fn create(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ask>,
    request: Result<Json<ConversationRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<ConversationWire>), ApiError> {
    let Json(request) = request?;
    check_metadata(&request.metadata)?;
    let collection = request.collection.unwrap_or_else(|| service.collection.clone());
    if authorized.caller.scope(&collection).is_none() {
        return Err(ApiError::collection_not_found(collection.as_str()));
    }
    let id = service.recorder.start(authorized.asker(), &collection, &request.metadata).await?;
    let (_, row) = service.recorder.conversation(authorized.asker(), &id.to_string()).await?;
    Ok((StatusCode::CREATED, Json(row.into())))
}

/// Lists one's conversations, the latest first.
#[utoipa::path(
    get,
    path = "/v1/conversations",
    tag = "conversations",
    params(ListQuery),
    security(("key" = ["ask"])),
    responses(
        (status = 200, description = "Those of the key", body = ConversationsWire),
        (status = 400, description = "The request is wrong", body = ErrorBody)
    )
)]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ask>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<ConversationsWire>, ApiError> {
    let Query(query) = query?;
    let limit = limit(query.limit)?;
    let before = query.before.map(|id| id.parse::<ConversationId>()).transpose()?;
    let mut rows = service.recorder.conversations(authorized.asker(), before, limit + 1).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Ok(Json(ConversationsWire { data: rows.into_iter().map(ConversationWire::from).collect(), has_more }))
}

/// One conversation, with what was said in it.
#[utoipa::path(
    get,
    path = "/v1/conversations/{conversation}",
    tag = "conversations",
    params(("conversation" = String, Path, description = "Its id")),
    security(("key" = ["ask"])),
    responses(
        (status = 200, description = "The conversation", body = ConversationDetailWire),
        (status = 404, description = "No such conversation of this key", body = ErrorBody)
    )
)]
pub(super) async fn get(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ask>,
    Path(id): Path<String>,
) -> Result<Json<ConversationDetailWire>, ApiError> {
    let (id, row) = service.recorder.conversation(authorized.asker(), &id).await?;
    let items = service.recorder.said(id).await?.into_iter().map(MessageWire::from).collect();
    Ok(Json(ConversationDetailWire { conversation: row.into(), items }))
}

/// Forgets a conversation, all that was said in it, and how its answers came about.
#[utoipa::path(
    delete,
    path = "/v1/conversations/{conversation}",
    tag = "conversations",
    params(("conversation" = String, Path, description = "Its id")),
    security(("key" = ["ask"])),
    responses(
        (status = 200, description = "It is gone", body = DeletedWire),
        (status = 404, description = "No such conversation of this key", body = ErrorBody)
    )
)]
pub(super) async fn delete(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ask>,
    Path(id): Path<String>,
) -> Result<Json<DeletedWire>, ApiError> {
    let id = service.recorder.forget(authorized.asker(), &id).await?.to_string();
    Ok(Json(DeletedWire { id, object: "conversation.deleted".to_owned(), deleted: true }))
}

/// How many of a list are wanted.
pub(super) fn limit(asked: Option<usize>) -> Result<usize, ApiError> {
    let limit = asked.unwrap_or(LIMIT_DEFAULT);
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(ApiError::invalid(Some("limit"), format!("limit is {limit}, must be in 1..={LIMIT_MAX}")))
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), ApiError> {
    let too_long = |(key, value): (&String, &String)| {
        key.chars().count() > METADATA_KEY_CHARS_MAX || value.chars().count() > METADATA_VALUE_CHARS_MAX
    };
    if metadata.len() > METADATA_PAIRS_MAX || metadata.iter().any(too_long) {
        return Err(ApiError::invalid(
            Some("metadata"),
            format!(
                "metadata takes at most {METADATA_PAIRS_MAX} pairs, names of {METADATA_KEY_CHARS_MAX} characters and \
                 texts of {METADATA_VALUE_CHARS_MAX}"
            ),
        ));
    }
    Ok(())
}

impl From<ConversationRow> for ConversationWire {
    fn from(row: ConversationRow) -> Self {
        Self {
            id: row.id,
            object: "conversation".to_owned(),
            created_at: row.created_at_ms / 1000,
            used_at: time(row.used_at_ms),
            collection: row.collection,
            metadata: serde_json::from_str(&row.metadata).unwrap_or_default(),
            messages: row.messages,
        }
    }
}

impl From<MessageRow> for MessageWire {
    fn from(row: MessageRow) -> Self {
        Self { role: row.role, content: row.text, answer_id: row.answer, created_at: time(row.at_ms) }
    }
}
