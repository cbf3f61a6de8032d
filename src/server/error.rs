//! Every error that leaves the service: one envelope, one table from class to status.

use std::any::Any;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RETRY_AFTER;
use crate::answer::AnswerError;
use crate::error::Class;
use crate::ingest::IngestError;
use crate::key::Permission;
use crate::ledger::LedgerError;
use crate::record::RecordError;

/// The denial with a status of its own: not "you may not", but "who are you?".
const INVALID_KEY: &str = "invalid_api_key";
const COLLECTION_NOT_FOUND: &str = "collection_not_found";
/// An invalid request with a status of its own.
const BODY_TOO_LARGE: &str = "body_too_large";
/// The same for a body that is too slow, and for a document that was waited for in vain.
const UPLOAD_TIMEOUT: &str = "upload_timeout";
const DOCUMENT_REJECTED: &str = "document_rejected";

/// What a caller gets instead of an answer, in the shape that OpenAI clients know.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// A sentence for a person.
    pub message: String,
    /// `invalid_request_error`, `not_found_error`, `permission_error`, `authentication_error`, `rate_limit_error` or `api_error`.
    pub r#type: String,
    /// The field that is wrong, where it is one.
    pub param: Option<String>,
    /// For programs; never changes its meaning.
    #[schema(example = "invalid_request")]
    pub code: String,
}

/// An error on its way out.
#[derive(Debug)]
pub(super) struct ApiError {
    class: Class,
    code: &'static str,
    message: String,
    param: Option<&'static str>,
    /// How long a caller who was turned away should wait.
    retry_after: Duration,
}

impl ApiError {
    fn new(class: Class, code: &'static str, message: impl Into<String>) -> Self {
        Self { class, code, message: message.into(), param: None, retry_after: RETRY_AFTER }
    }

    pub(super) fn invalid_key() -> Self {
        Self::new(Class::Denied, INVALID_KEY, "a valid key is needed: send it as \"Authorization: Bearer KEY\"")
    }

    pub(super) fn not_permitted(needed: &[Permission]) -> Self {
        let names: Vec<&str> = needed.iter().map(|permission| permission.name()).collect();
        let message = format!("the key does not have the scope {:?} that this needs", names.join(" or "));
        Self::new(Class::Denied, "not_permitted", message)
    }

    pub(super) fn local_only() -> Self {
        Self::new(
            Class::Denied,
            "local_only",
            "only `cairn ingest` on this machine may ask for this: it reads the server's own files",
        )
    }

    pub(super) fn collection_not_found(collection: &str) -> Self {
        let message = format!("the collection {collection:?} holds no documents");
        Self::new(Class::NotFound, COLLECTION_NOT_FOUND, message)
    }

    pub(super) fn document_not_found() -> Self {
        Self::new(Class::NotFound, "document_not_found", "there is no such document")
    }

    pub(super) fn document_rejected(reason: &str) -> Self {
        Self::new(Class::Invalid, DOCUMENT_REJECTED, reason)
    }

    pub(super) fn job_not_found() -> Self {
        Self::new(Class::NotFound, "job_not_found", "there is no such job")
    }

    pub(super) fn unknown_kind(name: &str) -> Self {
        let name: String = name.chars().take(80).collect();
        let message =
            format!("cairn reads no files like {name:?}: its name or its media type must tell a kind that it reads");
        Self::new(Class::Invalid, "unknown_kind", message)
    }

    pub(super) fn body_too_large() -> Self {
        Self::new(Class::Invalid, BODY_TOO_LARGE, "the body is larger than server.body_bytes_max")
    }

    pub(super) fn upload_too_large() -> Self {
        Self::new(Class::Invalid, BODY_TOO_LARGE, "the upload is larger than server.upload_bytes_max")
    }

    pub(super) fn upload_timeout(message: String) -> Self {
        Self::new(Class::Invalid, UPLOAD_TIMEOUT, message)
    }

    pub(super) fn upload_failed(error: &std::io::Error) -> Self {
        tracing::error!(error = %error, "an upload can't be kept");
        Self::unavailable("the upload can't be kept just now; the service's log says why")
    }

    pub(super) fn rate_limited(retry_after: Duration) -> Self {
        let message = "this key sends more requests than server.requests_per_minute";
        Self { retry_after, ..Self::new(Class::Busy, "rate_limited", message) }
    }

    pub(super) fn invalid(param: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { param, ..Self::new(Class::Invalid, "invalid_request", message) }
    }

    pub(super) fn model_not_found(model: &str) -> Self {
        let message =
            format!("the model {model:?} does not exist: it must be a collection (GET /v1/models lists them)");
        Self { param: Some("model"), ..Self::new(Class::NotFound, "model_not_found", message) }
    }

    pub(super) fn host_not_allowed(host: &str) -> Self {
        let host: String = host.chars().take(80).collect();
        let message = format!("the request names the host {host:?}, not this machine; server.allowed_hosts lists more");
        Self::new(Class::Denied, "host_not_allowed", message)
    }

    pub(super) fn overloaded(message: &str) -> Self {
        Self::new(Class::Busy, "overloaded", message)
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(Class::Unavailable, "unavailable", message)
    }

    pub(super) fn shutting_down() -> Self {
        Self::unavailable("the service is shutting down")
    }

    pub(super) fn body(&self) -> ErrorBody {
        let r#type = match self.class {
            Class::Invalid => "invalid_request_error",
            Class::NotFound => "not_found_error",
            Class::Denied if self.code == INVALID_KEY => "authentication_error",
            Class::Denied => "permission_error",
            Class::Busy => "rate_limit_error",
            Class::Unavailable | Class::Internal => "api_error",
        };
        ErrorBody {
            error: ErrorDetail {
                message: self.message.clone(),
                r#type: r#type.into(),
                param: self.param.map(str::to_owned),
                code: self.code.into(),
            },
        }
    }

    fn status(&self) -> StatusCode {
        match self.class {
            Class::Invalid if self.code == BODY_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
            Class::Invalid if self.code == UPLOAD_TIMEOUT => StatusCode::REQUEST_TIMEOUT,
            Class::Invalid if self.code == DOCUMENT_REJECTED => StatusCode::UNPROCESSABLE_ENTITY,
            Class::Invalid => StatusCode::BAD_REQUEST,
            Class::NotFound => StatusCode::NOT_FOUND,
            Class::Denied if self.code == INVALID_KEY => StatusCode::UNAUTHORIZED,
            Class::Denied => StatusCode::FORBIDDEN,
            Class::Busy => StatusCode::TOO_MANY_REQUESTS,
            Class::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Class::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl From<AnswerError> for ApiError {
    fn from(error: AnswerError) -> Self {
        let class = error.class();
        let code = match (&error, class) {
            (AnswerError::NoDocuments { .. }, _) => COLLECTION_NOT_FOUND,
            (AnswerError::NothingPasses { .. }, _) => "nothing_passes_filter",
            (AnswerError::Chat(_), Class::Busy) => "upstream_busy",
            (AnswerError::Chat(_), Class::Invalid) => "upstream_refused",
            (AnswerError::Chat(_), _) => "upstream_unavailable",
            (AnswerError::TimedOut { .. }, _) => "timeout",
            (_, Class::Invalid) => "invalid_request",
            (_, Class::NotFound) => "not_found",
            (_, Class::Denied) => "denied",
            (_, Class::Busy) => "overloaded",
            (_, Class::Unavailable) => "unavailable",
            (_, Class::Internal) => "internal",
        };
        let message = match class {
            Class::Internal => {
                tracing::error!(error = %error, "answer failed");
                "the service failed; its log says why".into()
            }
            // Where the documents are kept is not the caller's business.
            Class::Busy | Class::Unavailable if matches!(error, AnswerError::Store(_)) => {
                tracing::warn!(error = %error, "the store did not answer");
                "the document store can't answer just now; try again soon".into()
            }
            Class::Invalid | Class::NotFound | Class::Denied | Class::Busy | Class::Unavailable => error.to_string(),
        };
        let asked = if let AnswerError::Store(error) = &error { error.retry_after() } else { None };
        Self { retry_after: asked.unwrap_or(RETRY_AFTER), ..Self::new(class, code, message) }
    }
}

impl From<RecordError> for ApiError {
    fn from(error: RecordError) -> Self {
        let message = error.to_string();
        match error {
            RecordError::NoConversation => Self::new(Class::NotFound, "conversation_not_found", message),
            RecordError::NoAnswer => Self::new(Class::NotFound, "answer_not_found", message),
            RecordError::Full { .. } => Self::new(Class::Invalid, "conversation_full", message),
            RecordError::TooMany { .. } => Self::new(Class::Invalid, "too_many_conversations", message),
            RecordError::Off => Self::new(Class::Invalid, "conversations_off", message),
            RecordError::NotReplayable(_) => Self::new(Class::Invalid, "not_replayable", message),
            RecordError::Ledger(error) => error.into(),
        }
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        Self::unavailable(error.to_string())
    }
}

impl From<IngestError> for ApiError {
    fn from(error: IngestError) -> Self {
        // Where the documents are kept is not the caller's business.
        tracing::warn!(error = %error, "documents can't be changed");
        match error.class() {
            Class::Busy => Self::overloaded("the document store has too much to do; try again soon"),
            Class::Invalid | Class::NotFound | Class::Denied | Class::Unavailable | Class::Internal => {
                Self::unavailable("the document store can't be used just now; try again soon")
            }
        }
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::invalid(None, rejection.body_text())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Self::body_too_large(),
            _ => Self::new(Class::Invalid, "invalid_request", rejection.body_text()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.body())).into_response();
        if self.class == Class::Busy {
            // Whole seconds, and never "at once".
            let seconds = self.retry_after.as_secs_f64().ceil().max(1.0);
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few seconds, at least 1")]
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds as u64));
        }
        if self.code == INVALID_KEY {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

pub(super) async fn not_found() -> ApiError {
    ApiError::new(Class::NotFound, "route_not_found", "there is no such path; /docs lists those there are")
}

pub(super) async fn method_not_allowed() -> Response {
    let error = ApiError::new(
        Class::Invalid,
        "method_not_allowed",
        "this path does not take this method; /docs lists those it takes",
    );
    (StatusCode::METHOD_NOT_ALLOWED, Json(error.body())).into_response()
}

/// The panic itself is logged by the panic hook.
pub(super) fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    ApiError::new(Class::Internal, "internal", "the service failed; its log says why").into_response()
}
