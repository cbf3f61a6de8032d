//! `/v1/answers` and `/v1/feedback`: how answers came about, what people say of them, and asking them again.
//!
//! A key sees its own answers; one with the scope `admin` sees all of its collections. What is not seen is not there.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Service;
use super::auth::{self, Authorized, Local};
use super::conversations::limit;
use super::error::{ApiError, ErrorBody};
use super::jobs::wire::time;
use crate::caller::Collections;
use crate::ledger::{AnswerRow, AnswersOf, FeedbackRow};
use crate::record::replay::Comparison;
use crate::record::{AnswerId, RecordError};

/// How an answer came about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AnswerWire {
    #[serde(flatten)]
    pub answer: AnswerLineWire,
    /// What the answer said, as far as it was written.
    pub text: String,
    /// SHA-256 of the messages that a model was sent.
    pub prompt_hash: Option<String>,
    /// The index that was searched.
    pub index_generation: String,
    /// What embedded the question.
    pub embedder: String,
    /// The earlier turns and the limits that it was asked with.
    #[schema(value_type = Object)]
    pub asked: Value,
    /// Candidates, passages, citations, claims and times. Places are bytes of the answer's or of a document's text.
    #[schema(value_type = Object)]
    pub trace: Value,
    /// What was said of it.
    pub feedback: Vec<FeedbackWire>,
}

/// An answer in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnswerLineWire {
    #[schema(example = "ans_019df1a2c7d07c3e8a5b0d9f4e6b7a81")]
    pub id: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    pub collection: String,
    pub conversation_id: Option<String>,
    /// The id of the key that asked.
    pub key_id: Option<String>,
    pub question: String,
    /// The question as it stands without the conversation.
    pub condensed: Option<String>,
    /// As the answer has it, or `failed`, or `cut_off` where its reader left before the end.
    pub outcome: String,
    /// Why it failed.
    pub reason: Option<String>,
    /// `model`, `extractive` or `cairn`; null where there was no end.
    pub writer: Option<String>,
    pub model: Option<String>,
}

/// Answers, the latest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AnswersWire {
    pub data: Vec<AnswerLineWire>,
    /// Whether there are more; give the last one's id as `before`.
    pub has_more: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Rating {
    Up,
    Down,
}

/// What somebody says of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FeedbackRequest {
    pub rating: Rating,
    #[serde(default)]
    pub comment: Option<String>,
    /// What the answer should have been.
    #[serde(default)]
    pub right_answer: Option<String>,
}

/// What somebody said of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FeedbackWire {
    pub answer_id: String,
    /// The id of the key that said it.
    pub key_id: Option<String>,
    pub collection: String,
    /// As it stands without the conversation.
    pub question: String,
    pub rating: Rating,
    pub comment: Option<String>,
    pub right_answer: Option<String>,
    /// RFC 3339, UTC.
    pub created_at: String,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FeedbackListWire {
    pub data: Vec<FeedbackWire>,
    /// Whether there may be more; give the last one's `answer_id` as `before`. All that was said of one answer is on one
    /// page.
    pub has_more: bool,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// The id of the last answer of the page before.
    before: Option<String>,
    /// 1 to 500; 50 if left out.
    limit: Option<usize>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct FeedbackQuery {
    /// `up` or `down`; both if left out.
    rating: Option<Rating>,
    /// The answer's id of the last one of the page before.
    before: Option<String>,
    /// 1 to 500; 50 if left out.
    limit: Option<usize>,
}

/// Lists answers, the latest first.
#[utoipa::path(
    get,
    path = "/v1/answers",
    tag = "answers",
    params(ListQuery),
    security(("key" = ["ask"]), ("key" = ["admin"])),
    responses(
        (status = 200, description = "Those of the key; with `admin`, all of its collections", body = AnswersWire),
        (status = 400, description = "The request is wrong", body = ErrorBody)
    )
)]
pub(super) async fn list(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Review>,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<AnswersWire>, ApiError> {
    let Query(query) = query?;
    let limit = limit(query.limit)?;
    let before = before(query.before)?;
    let seen = Seen::of(&authorized);
    let of = seen.since(service.recorder.answers_since_ms());
    let mut rows = service.ledger.answers(of, before.as_deref(), limit + 1).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    Ok(Json(AnswersWire { data: rows.iter().map(AnswerLineWire::from).collect(), has_more }))
}

/// How one answer came about.
#[utoipa::path(
    get,
    path = "/v1/answers/{answer}",
    tag = "answers",
    params(("answer" = String, Path, description = "Its id, or that of its chat completion")),
    security(("key" = ["ask"]), ("key" = ["admin"])),
    responses(
        (status = 200, description = "The answer", body = AnswerWire),
        (status = 404, description = "No such answer", body = ErrorBody)
    )
)]
pub(super) async fn get(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Review>,
    Path(id): Path<String>,
) -> Result<Json<AnswerWire>, ApiError> {
    let row = find(&service, &authorized, &id).await?;
    let feedback = service.ledger.feedback_of(&row.id).await?;
    Ok(Json(AnswerWire::of(row, feedback)))
}

/// Forgets how an answer came about. What was said of it stays.
#[utoipa::path(
    delete,
    path = "/v1/answers/{answer}",
    tag = "answers",
    params(("answer" = String, Path, description = "Its id, or that of its chat completion")),
    security(("key" = ["ask"]), ("key" = ["admin"])),
    responses(
        (status = 204, description = "It is gone"),
        (status = 404, description = "No such answer", body = ErrorBody)
    )
)]
pub(super) async fn delete(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Review>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let row = find(&service, &authorized, &id).await?;
    service.ledger.forget_answer(&row.id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says what an answer is worth, in the place of what the same key said before.
#[utoipa::path(
    post,
    path = "/v1/answers/{answer}/feedback",
    tag = "answers",
    params(("answer" = String, Path, description = "Its id, or that of its chat completion")),
    request_body = FeedbackRequest,
    security(("key" = ["ask"]), ("key" = ["admin"])),
    responses(
        (status = 200, description = "As it is kept", body = FeedbackWire),
        (status = 400, description = "The request is wrong", body = ErrorBody),
        (status = 404, description = "No such answer", body = ErrorBody)
    )
)]
pub(super) async fn judge(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Review>,
    Path(id): Path<String>,
    request: Result<Json<FeedbackRequest>, JsonRejection>,
) -> Result<Json<FeedbackWire>, ApiError> {
    let Json(request) = request?;
    let bytes_max = service.recorder.feedback_bytes_max();
    for (name, text) in [("comment", &request.comment), ("right_answer", &request.right_answer)] {
        if text.as_ref().is_some_and(|text| text.len() as u64 > bytes_max) {
            let message = format!("{name} is longer than {bytes_max} bytes (answers.feedback_bytes_max)");
            return Err(ApiError::invalid(Some(name), message));
        }
    }
    let row = find(&service, &authorized, &id).await?;
    let owner = authorized.asker().key_id.unwrap_or_default().to_owned();
    let row = request.about(&row, owner);
    service.ledger.keep_feedback(&row).await?;
    Ok(Json(row.into()))
}

/// Lists what was said of answers, the latest answer first.
#[utoipa::path(
    get,
    path = "/v1/feedback",
    tag = "answers",
    params(FeedbackQuery),
    security(("key" = ["admin"])),
    responses(
        (status = 200, description = "What was said of answers of the key's collections", body = FeedbackListWire),
        (status = 400, description = "The request is wrong", body = ErrorBody)
    )
)]
pub(super) async fn feedback(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Admin>,
    query: Result<Query<FeedbackQuery>, QueryRejection>,
) -> Result<Json<FeedbackListWire>, ApiError> {
    let Query(query) = query?;
    let limit = limit(query.limit)?;
    let before = before(query.before)?;
    let seen = Seen::of(&authorized);
    let of = seen.since(service.recorder.feedback_since_ms());
    let rating = query.rating.map(Rating::name);
    let mut rows = service.ledger.feedback(of, rating, before.as_deref(), limit + 1).await?;
    let has_more = rows.len() > limit;
    if let Some(next) = rows.get(limit).map(|row| row.answer.clone()) {
        // A page ends with an answer: the next one begins after it.
        let begun = rows.iter().position(|row| row.answer == next).unwrap_or(limit);
        rows.truncate(begun);
        if rows.is_empty() {
            rows = service.ledger.feedback_of(&next).await?;
            rows.retain(|row| rating.is_none_or(|rating| row.rating == rating));
        }
    }
    Ok(Json(FeedbackListWire { data: rows.into_iter().map(FeedbackWire::from).collect(), has_more }))
}

/// Asks an answer's question again, with the reach of whoever asked it, and says what is otherwise.
#[utoipa::path(
    post,
    path = "/v1/answers/{answer}/replay",
    tag = "answers",
    params(("answer" = String, Path, description = "Its id, or that of its chat completion")),
    security(("local" = [])),
    responses(
        (status = 200, description = "What is otherwise", body = Value),
        (status = 403, description = "Only whoever can read the server's data folder may ask for this", body = ErrorBody),
        (status = 404, description = "No such answer", body = ErrorBody)
    )
)]
pub(super) async fn replay(
    State(service): State<Arc<Service>>,
    _: Local,
    Path(id): Path<String>,
) -> Result<Json<Comparison>, ApiError> {
    let id: AnswerId = id.parse().map_err(|_| RecordError::NoAnswer)?;
    let of = AnswersOf { owner: None, collections: None, alive_since_ms: service.recorder.answers_since_ms() };
    let row = service.ledger.answer(&id.to_string(), of).await?.ok_or(RecordError::NoAnswer)?;
    let _working = service.limits.begin(auth::ANONYMOUS).await?;
    let limit = service.config.answer_timeout;
    match tokio::time::timeout(limit, service.recorder.replay(&service.answerer, &row)).await {
        Ok(comparison) => Ok(Json(comparison?)),
        Err(_) => Err(ApiError::unavailable("the replay took longer than server.answer_timeout")),
    }
}

/// Whose answers a caller sees.
struct Seen<'a> {
    owner: Option<&'a str>,
    collections: Option<Vec<&'a str>>,
}

impl<'a> Seen<'a> {
    fn of<P>(authorized: &'a Authorized<P>) -> Self {
        let owner = if authorized.is_admin() { None } else { Some(authorized.asker().key_id.unwrap_or_default()) };
        let collections = match authorized.caller.collections() {
            Collections::All => None,
            Collections::Only(names) => Some(names.iter().map(|name| name.as_str()).collect()),
        };
        Self { owner, collections }
    }

    fn since(&self, alive_since_ms: i64) -> AnswersOf<'_> {
        AnswersOf { owner: self.owner, collections: self.collections.as_deref(), alive_since_ms }
    }
}

/// An answer that the caller may see.
async fn find(service: &Service, authorized: &Authorized<auth::Review>, id: &str) -> Result<AnswerRow, ApiError> {
    let id: AnswerId = id.parse().map_err(|_| RecordError::NoAnswer)?;
    let seen = Seen::of(authorized);
    let of = seen.since(service.recorder.answers_since_ms());
    Ok(service.ledger.answer(&id.to_string(), of).await?.ok_or(RecordError::NoAnswer)?)
}

fn before(id: Option<String>) -> Result<Option<String>, ApiError> {
    let parsed = id.map(|id| id.parse::<AnswerId>().map_err(|error| ApiError::invalid(Some("before"), error)));
    Ok(parsed.transpose()?.map(|id| id.to_string()))
}

fn filled(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

impl Rating {
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl std::str::FromStr for Rating {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "up" => Ok(Self::Up),
            "down" => Ok(Self::Down),
            other => Err(format!("{other:?} is neither up nor down")),
        }
    }
}

impl FeedbackRequest {
    /// As the ledger keeps it.
    pub fn about(self, answer: &AnswerRow, owner: String) -> FeedbackRow {
        let row = FeedbackRow {
            answer: answer.id.clone(),
            owner,
            collection: answer.collection.clone(),
            question: if answer.condensed.is_empty() { &answer.question } else { &answer.condensed }.clone(),
            rating: self.rating.name().to_owned(),
            comment: self.comment.unwrap_or_default(),
            right_answer: self.right_answer.unwrap_or_default(),
            at_ms: 0,
        };
        row.now()
    }
}

impl AnswerWire {
    pub fn of(row: AnswerRow, feedback: Vec<FeedbackRow>) -> Self {
        Self {
            answer: AnswerLineWire::from(&row),
            prompt_hash: filled(&row.prompt_hash),
            text: row.text,
            index_generation: row.generation,
            embedder: row.embedder,
            asked: serde_json::from_str(&row.asked).unwrap_or_default(),
            trace: serde_json::from_str(&row.trace).unwrap_or_default(),
            feedback: feedback.into_iter().map(FeedbackWire::from).collect(),
        }
    }
}

impl From<&AnswerRow> for AnswerLineWire {
    fn from(row: &AnswerRow) -> Self {
        Self {
            id: row.id.clone(),
            created_at: time(row.created_at_ms),
            collection: row.collection.clone(),
            conversation_id: filled(&row.conversation),
            key_id: filled(&row.owner),
            question: row.question.clone(),
            condensed: filled(&row.condensed),
            outcome: row.outcome.clone(),
            reason: filled(&row.reason),
            writer: filled(&row.writer),
            model: filled(&row.model),
        }
    }
}

impl From<FeedbackRow> for FeedbackWire {
    fn from(row: FeedbackRow) -> Self {
        Self {
            answer_id: row.answer,
            key_id: filled(&row.owner),
            collection: row.collection,
            question: row.question,
            rating: if row.rating == "up" { Rating::Up } else { Rating::Down },
            comment: filled(&row.comment),
            right_answer: filled(&row.right_answer),
            created_at: time(row.at_ms),
        }
    }
}
