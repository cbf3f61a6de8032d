//! The HTTP service. Nothing outside this folder knows a status code, nothing inside it knows how an answer is made.
//!
//! The listener and the stop signal are handed in, so that tests serve on port 0 and end when they like.

pub mod answers;
pub mod ask;
mod auth;
pub mod conversations;
pub mod documents;
mod error;
pub mod filter;
mod host;
pub mod jobs;
mod limits;
mod openai;
mod probe;
pub mod search;
pub mod sources;

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
use tracing::{info, warn};
use utoipa::openapi::security::{Http, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use crate::answer::Answerer;
use crate::config::{self, Config};
use crate::document::CollectionName;
use crate::ingest::bring::Bringer;
use crate::ingest::queue::Queue;
use crate::ledger::Ledger;
use crate::record::Recorder;
use crate::store::VectorStore;
use crate::tasks::Tasks;
use limits::Limits;

/// What the handlers work with.
pub struct Service {
    answerer: Arc<Answerer>,
    queue: Arc<Queue>,
    bringer: Arc<Bringer>,
    store: Arc<dyn VectorStore>,
    ledger: Ledger,
    recorder: Recorder,
    /// Where a request that names no collection looks.
    collection: CollectionName,
    metrics: PrometheusHandle,
    /// Shown by whoever can read the data folder.
    local_token: Option<SecretString>,
    limits: Limits,
    /// Fires at a stop: no more work should be sent here.
    stopping: CancellationToken,
    /// Fires when running answers have had their time after a stop.
    cut: CancellationToken,
    file_bytes_max: u64,
    config: config::Server,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "cairn",
        description = "Answers from your own documents, each sentence with its source. Errors are always \
                       `{\"error\": {\"message\", \"type\", \"param\", \"code\"}}` with a stable `code`."
    ),
    modifiers(&Keys),
    tags(
        (name = "answers", description = "Cited answers, and the passages they stand on"),
        (name = "conversations", description = "Conversations that are kept here"),
        (name = "documents", description = "Documents in, looked at, changed and out"),
        (name = "jobs", description = "What was asked for, and how far it is"),
        (name = "openai", description = "The same answers in the shapes that OpenAI clients know"),
        (name = "operations", description = "Probes and metrics")
    )
)]
struct Api;

/// Says in the API's document how a key is sent; each route says which scope it needs.
struct Keys;

impl Modify for Keys {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme("key", scheme);
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
            "The token in the file server.json of the data folder, for commands on the same machine",
        ));
        components.add_security_scheme("local", SecurityScheme::Http(token.build()));
    }
}

impl Service {
    pub fn new(
        answerer: Arc<Answerer>,
        bringer: Arc<Bringer>,
        metrics: PrometheusHandle,
        local_token: Option<SecretString>,
        config: &Config,
    ) -> Self {
        let queue = Arc::clone(&bringer.queue);
        Self {
            answerer,
            bringer,
            store: Arc::clone(queue.store()),
            ledger: queue.ledger().clone(),
            recorder: Recorder::new(queue.ledger().clone(), config),
            queue,
            collection: config.ingest.collection.clone(),
            metrics,
            local_token,
            limits: Limits::new(&config.server),
            stopping: CancellationToken::new(),
            cut: CancellationToken::new(),
            file_bytes_max: config.ingest.file_bytes_max.as_u64(),
            config: config.server.clone(),
        }
    }
}

/// Serves until `tasks` is stopped, then drains. True if every answer ended within the drain's time.
pub async fn serve(listener: TcpListener, service: Service, tasks: &Tasks) -> std::io::Result<bool> {
    let service = Arc::new(service);
    let drain_timeout = service.config.drain_timeout;
    let (stopping, cut, stopped) = (service.stopping.clone(), service.cut.clone(), tasks.stopped());
    tasks.spawn(async move {
        stopped.await;
        stopping.cancel();
        tokio::time::sleep(drain_timeout).await;
        cut.cancel();
    });
    let (cut, recorder) = (service.cut.clone(), service.recorder.clone());
    tasks.spawn(recorder.clone().sweep(tasks.stopped()));
    let serving = axum::serve(listener, router(service)).with_graceful_shutdown(tasks.stopped());
    let cut_off = async {
        cut.cancelled().await;
        tokio::time::sleep(CUT_GRACE).await; // A client that never ends its request is not waited for.
    };
    tokio::select! {
        served = serving.into_future() => served?,
        () = cut_off => {}
    }
    recorder.drain().await;
    let in_time = !cut.is_cancelled();
    if in_time {
        info!("every answer ended; stopping");
    } else {
        warn!(server.drain_timeout_s = drain_timeout.as_secs(), "some answers were cut off at the drain's deadline");
    }
    Ok(in_time)
}

/// Every route, with its document.
fn router(service: Arc<Service>) -> Router {
    let body_bytes_max = usize::try_from(service.config.body_bytes_max.as_u64()).unwrap_or(usize::MAX);
    let read_whole = middleware::from_fn_with_state(Arc::clone(&service), limits::read_whole);
    let (answers, mut api) = OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(ask::ask).layer(read_whole.clone()))
        .routes(routes!(search::search).layer(read_whole.clone()))
        .routes(routes!(openai::chat_completions).layer(read_whole))
        .routes(routes!(openai::models))
        .routes(routes!(conversations::list, conversations::create))
        .routes(routes!(conversations::get, conversations::delete))
        .routes(routes!(answers::list))
        .routes(routes!(answers::get, answers::delete))
        .routes(routes!(answers::judge))
        .routes(routes!(answers::replay))
        .routes(routes!(answers::feedback))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::get, jobs::cancel))
        .routes(routes!(jobs::events))
        .routes(routes!(jobs::ingest))
        .routes(routes!(sources::ingest))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::reprocess))
        .routes(routes!(documents::text::text))
        .routes(routes!(documents::list, documents::post).layer(DefaultBodyLimit::disable()))
        .routes(
            routes!(documents::get, documents::put, documents::patch, documents::delete)
                .layer(DefaultBodyLimit::disable()),
        )
        .split_for_parts();
    let answers = answers.layer(middleware::from_fn_with_state(Arc::clone(&service), limits::admit));
    let (probes, probes_api) = OpenApiRouter::new()
        .routes(routes!(probe::livez))
        .routes(routes!(probe::readyz))
        .routes(routes!(probe::metrics))
        .split_for_parts();
    api.merge(probes_api);
    // OpenAPI has no word for "and whatever follows, slashes too".
    let paths = std::mem::take(&mut api.paths.paths);
    api.paths.paths = paths.into_iter().map(|(path, item)| (path.replace("{*", "{"), item)).collect();
    // The page's own default asks a validator on the web about the document.
    let page = utoipa_swagger_ui::Config::default().validator_url("none");
    let check_host = middleware::from_fn_with_state(Arc::clone(&service), host::check);
    answers
        .merge(probes)
        .with_state(service)
        .merge(SwaggerUi::new("/docs").url("/openapi.json", api).config(page))
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(check_host)
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .layer(CatchPanicLayer::custom(error::panicked))
        .layer(middleware::from_fn(limits::observe))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
}

/// What streams get to say that they were cut off.
const CUT_GRACE: Duration = Duration::from_millis(500);
/// Seconds that a caller who was turned away is asked to wait.
const RETRY_AFTER: Duration = Duration::from_secs(2);
