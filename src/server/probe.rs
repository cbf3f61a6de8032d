//! Probes for an orchestrator, and metrics for Prometheus.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use super::Service;
use super::auth::{self, Authorized};
use super::error::{ApiError, ErrorBody};
use crate::ledger::{DocumentState, LedgerError};

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
    if let Err(error) = gauge(&service).await {
        tracing::warn!(error = %error, "the documents can't be counted");
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], service.metrics.render())
}

/// Brings the gauges up to date that count what the ledger holds.
async fn gauge(service: &Service) -> Result<(), LedgerError> {
    let counts = service.ledger.count_states().await?;
    let collections: BTreeSet<&str> = counts.iter().map(|count| count.collection.as_str()).collect();
    for collection in collections {
        for state in DocumentState::ALL {
            let found = counts.iter().find(|count| count.collection == collection && count.state == state.name());
            #[expect(clippy::cast_precision_loss, reason = "a count of documents")]
            let documents = found.map_or(0, |count| count.documents) as f64;
            let labels = [("collection", collection.to_owned()), ("state", state.name().to_owned())];
            metrics::gauge!("cairn_documents", &labels).set(documents);
        }
    }
    let oldest_ms = service.ledger.oldest_queued_ms().await?.unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "an age")]
    metrics::gauge!("cairn_oldest_queued_seconds").set(oldest_ms as f64 / 1000.0);
    Ok(())
}
