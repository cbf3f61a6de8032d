//! Every error that leaves the service: one envelope, one table from class to status.

use std::any::Any;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::RETRY_AFTER;
use crate::answer::AnswerError;
use crate::error::Class;

/// The one invalid request with a status of its own.
const BODY_TOO_LARGE: &str = "body_too_large";

/// What a caller gets instead of an answer, in the shape that OpenAI clients know.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    pub error: ErrorDetail,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ErrorDetail {
    /// A sentence for a person.
    pub message: String,
    /// `invalid_request_error`, `not_found_error`, `permission_error`, `rate_limit_error` or `api_error`.
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
}

impl ApiError {
    pub(super) fn invalid(param: Option<&'static str>, message: impl Into<String>) -> Self {
        Self { class: Class::Invalid, code: "invalid_request", message: message.into(), param }
    }

    pub(super) fn model_not_found(model: &str) -> Self {
        let message =
            format!("the model {model:?} does not exist: it must be a collection (GET /v1/models lists them)");
        Self { class: Class::NotFound, code: "model_not_found", message, param: Some("model") }
    }

    pub(super) fn host_not_allowed(host: &str) -> Self {
        let host: String = host.chars().take(80).collect();
        let message = format!("the request names the host {host:?}, not this machine; server.allowed_hosts lists more");
        Self { class: Class::Denied, code: "host_not_allowed", message, param: None }
    }

    pub(super) fn overloaded(message: &str) -> Self {
        Self { class: Class::Busy, code: "overloaded", message: message.into(), param: None }
    }

    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self { class: Class::Unavailable, code: "unavailable", message: message.into(), param: None }
    }

    pub(super) fn shutting_down() -> Self {
        Self::unavailable("the service is shutting down")
    }

    pub(super) fn body(&self) -> ErrorBody {
        let r#type = match self.class {
            Class::Invalid => "invalid_request_error",
            Class::NotFound => "not_found_error",
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
            Class::Invalid => StatusCode::BAD_REQUEST,
            Class::NotFound => StatusCode::NOT_FOUND,
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
            (AnswerError::NoDocuments { .. }, _) => "collection_not_found",
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
            Class::Invalid | Class::NotFound | Class::Denied | Class::Busy | Class::Unavailable => error.to_string(),
        };
        Self { class, code, message, param: None }
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let (code, message) = match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                (BODY_TOO_LARGE, "the body is larger than server.body_bytes_max".to_owned())
            }
            _ => ("invalid_request", rejection.body_text()),
        };
        Self { class: Class::Invalid, code, message, param: None }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.body())).into_response();
        if self.class == Class::Busy {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER.as_secs()));
        }
        response
    }
}

pub(super) async fn not_found() -> ApiError {
    ApiError {
        class: Class::NotFound,
        code: "route_not_found",
        message: "there is no such path; /docs lists those there are".into(),
        param: None,
    }
}

pub(super) async fn method_not_allowed() -> Response {
    let error = ApiError {
        class: Class::Invalid,
        code: "method_not_allowed",
        message: "this path does not take this method; /docs lists those it takes".into(),
        param: None,
    };
    (StatusCode::METHOD_NOT_ALLOWED, Json(error.body())).into_response()
}

/// The panic itself is logged by the panic hook.
pub(super) fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    ApiError {
        class: Class::Internal,
        code: "internal",
        message: "the service failed; its log says why".into(),
        param: None,
    }
    .into_response()
}
