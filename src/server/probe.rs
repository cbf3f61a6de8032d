//! Probes for an orchestrator, and metrics for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Service;
use super::auth::{self, Authorized};
use super::error::{ApiError, ErrorBody};

/// The process runs.
#[utoipa::path(get, path = "/livez", tag = "operations", security(()), responses((status = 200, description = "It runs")))]
pub(super) async fn livez() -> &'static str {
    "ok"
}

/// The index and the ledger answer, so questions can be asked.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "operations",
    security(()),
    responses((status = 200, description = "Ready"), (status = 503, description = "Not ready", body = ErrorBody))
)]
pub(super) async fn readyz(State(service): State<Arc<Service>>) -> Result<&'static str, ApiError> {
    if service.stopping.is_cancelled() {
        return Err(ApiError::shutting_down());
    }
    service.ledger.collections(service.store.generation()).await?;
    service.store.check().await.map_err(|error| {
        tracing::warn!(error = %error, "the store is not ready");
        ApiError::unavailable("the document store can't be reached")
    })?;
    Ok("ready")
}

/// Counters and histograms in Prometheus' text form.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operations",
    security(("key" = ["admin"])),
    responses((status = 200, description = "Metrics", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(State(service): State<Arc<Service>>, _: Authorized<auth::Admin>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], service.metrics.render())
}
