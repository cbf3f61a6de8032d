//! Logs on standard error, metrics for Prometheus, and a panic hook that logs instead of printing a trace.
//!
//! Logged are ids, counts and durations; never a question, a text or a key.

use std::io::IsTerminal;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Upper bounds in seconds, as OpenTelemetry advises for `http.server.request.duration`, and longer ones for answers.
const SECONDS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 120.0];

/// The chat client logs answers that it can't read, whole, and logs hold no texts; the vector engine warns of switches
/// that only Qdrant's server has.
const QUIET: &str = "async_openai=off,qdrant_edge=error";

/// Why telemetry can't start.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    #[error("read log.level {level:?}: {cause}")]
    Level { level: String, cause: tracing_subscriber::filter::ParseError },
    #[error("start logging: {0}")]
    Log(String),
    #[error("start metrics: {0}")]
    Metrics(String),
}

/// Starts logging. Once a process.
pub fn start_logging(log: &Log) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(format!("{},{QUIET}", log.level))
        .map_err(|cause| TelemetryError::Level { level: log.level.clone(), cause })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .log_internal_errors(false);
    match log.format {
        LogFormat::Text => subscriber.with_target(false).compact().try_init(),
        LogFormat::Json => subscriber.json().flatten_event(true).try_init(),
    }
    .map_err(|error| TelemetryError::Log(error.to_string()))?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(panic.place = place, panic.message = message, "a task panicked; this is a bug in cairn");
    }));
    Ok(())
}

/// Starts metrics and gives what `/metrics` renders. Once a process.
pub fn start_metrics() -> Result<PrometheusHandle, TelemetryError> {
    let failed = |error: metrics_exporter_prometheus::BuildError| TelemetryError::Metrics(error.to_string());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .map_err(failed)?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| TelemetryError::Metrics(error.to_string()))?;
    describe();
    Ok(handle)
}

fn describe() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    describe_histogram!("http_server_request_duration_seconds", Unit::Seconds, "From a request's head to its answer's");
    describe_gauge!("http_server_active_requests", "Requests whose response has not begun");
    describe_counter!("cairn_answers_total", "Answers by outcome: answered, partial, refused or failed");
    describe_counter!(
        "cairn_citations_dropped_total",
        "Citation marks that were removed: they named no source, or one that does not support the sentence"
    );
    describe_counter!("cairn_citations_added_total", "Citation marks that a model left out and that were put in");
    describe_counter!(
        "cairn_passages_unverified_total",
        "Passages left out because they are not in their document's text"
    );
    describe_counter!("cairn_answer_fallbacks_total", "Answers quoted because the chat model could not be had");
    describe_counter!("cairn_judge_failures_total", "Sentences that have no second opinion, by reason");
    for rare in ["cairn_passages_unverified_total", "cairn_answer_fallbacks_total"] {
        metrics::counter!(rare).increment(0); // An alert needs the 0 before the 1.
    }
    describe_histogram!(
        "cairn_answer_first_token_seconds",
        Unit::Seconds,
        "From a question to its answer's first text"
    );
    describe_counter!(
        "cairn_claims_total",
        "Sentences of models' answers by verdict: supported, partly or unsupported"
    );
    describe_histogram!("cairn_answer_duration_seconds", Unit::Seconds, "From a question to its answer's end");
    describe_histogram!("cairn_retrieval_duration_seconds", Unit::Seconds, "To embed a question and search for it");
    describe_histogram!("cairn_rerank_duration_seconds", Unit::Seconds, "To order the best hits anew, or to fail to");
    describe_counter!(
        "cairn_rerankings_total",
        "Answers for which a reranker was asked, by outcome: ordered, deadline, unavailable, nonsense or model"
    );
    describe_gauge!("cairn_documents", "Documents by collection and state");
    describe_gauge!(
        "cairn_oldest_queued_seconds",
        Unit::Seconds,
        "How long the oldest queued document has been queued"
    );
    describe_counter!("cairn_embeddings_total", "Passages by where their vectors came from: model or cache");
    describe_counter!("cairn_embedding_tokens_cut_total", "Tokens that an embedding model did not get to see");
    describe_counter!("cairn_documents_total", "Documents by how the work on them ended");
    describe_histogram!(
        "cairn_ingest_stage_duration_seconds",
        Unit::Seconds,
        "Time that documents spend in a stage of ingesting"
    );
    describe_counter!(
        "gen_ai_client_token_usage_total",
        "Tokens by gen_ai_token_type, as the chat endpoint counts them"
    );
}
