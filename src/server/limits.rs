//! How much the service takes on: requests held at once, answers worked on at once; and what of it is observed.
//!
//! Two bounds. Past the first a request is turned away at once; past the second it waits its turn, but not for long.
//! The permits travel into the response's stream, so that an answer counts until its last byte.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::info;

use super::Service;
use super::auth::ANONYMOUS;
use super::error::ApiError;
use crate::config;

/// The bounds and what is left of them.
pub(super) struct Limits {
    in_flight: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    queue_timeout: Duration,
    /// None: no bound on how often a key asks.
    rate: Option<DefaultKeyedRateLimiter<String>>,
    /// Answers each key has running. A key with none has no entry.
    running: Arc<Mutex<HashMap<String, usize>>>,
    answers_per_key_max: usize,
}

/// Counts as in flight while it lives.
#[derive(Clone)]
pub(super) struct InFlight {
    _permit: Arc<OwnedSemaphorePermit>,
}

/// Counts as worked on while it lives, among all answers and among its key's.
pub(super) struct Working {
    _permit: OwnedSemaphorePermit,
    _of_key: OfKey,
}

struct OfKey {
    key_id: String,
    running: Arc<Mutex<HashMap<String, usize>>>,
}

impl Drop for OfKey {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = running.entry(std::mem::take(&mut self.key_id)) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

impl Limits {
    pub(super) fn new(config: &config::Server) -> Self {
        Self {
            in_flight: Arc::new(Semaphore::new(config.in_flight_max)),
            answers: Arc::new(Semaphore::new(config.answers_max)),
            queue_timeout: config.queue_timeout,
            rate: NonZeroU32::new(config.requests_per_minute).map(|most| RateLimiter::keyed(Quota::per_minute(most))),
            running: Arc::default(),
            answers_per_key_max: config.answers_per_key_max,
        }
    }

    /// Counts a request of this key's, unless it has made too many.
    pub(super) fn count(&self, key_id: &str) -> Result<(), ApiError> {
        let Some(rate) = self.rate.as_ref().filter(|_| key_id != ANONYMOUS) else { return Ok(()) };
        rate.check_key(&key_id.to_owned())
            .map_err(|until| ApiError::rate_limited(until.wait_time_from(DefaultClock::default().now())))
    }

    /// Waits for a place among the answers that are worked on.
    pub(super) async fn begin(&self, key_id: &str) -> Result<Working, ApiError> {
        let of_key = self.begin_of_key(key_id)?;
        match tokio::time::timeout(self.queue_timeout, Arc::clone(&self.answers).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(Working { _permit: permit, _of_key: of_key }),
            Ok(Err(_)) => Err(ApiError::shutting_down()),
            Err(_) => Err(ApiError::overloaded("too many questions are waiting (server.answers_max); try again soon")),
        }
    }
}

impl Limits {
    fn begin_of_key(&self, key_id: &str) -> Result<OfKey, ApiError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(key_id.to_owned()).or_default();
        if *count >= self.answers_per_key_max && key_id != ANONYMOUS {
            return Err(ApiError::overloaded("this key has too many answers running (server.answers_per_key_max)"));
        }
        *count += 1;
        Ok(OfKey { key_id: key_id.to_owned(), running: Arc::clone(&self.running) })
    }
}

/// Turns a request away when too many are held.
pub(super) async fn admit(State(service): State<Arc<Service>>, mut request: Request, next: Next) -> Response {
    let Ok(permit) = Arc::clone(&service.limits.in_flight).try_acquire_owned() else {
        return ApiError::overloaded("too many requests are in flight (server.in_flight_max); try again soon")
            .into_response();
    };
    request.extensions_mut().insert(InFlight { _permit: Arc::new(permit) });
    next.run(request).await
}

/// Reads the body of a question before anything is said to it: a client that is refused while it still sends would see
/// a broken connection and not the refusal.
pub(super) async fn read_whole(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let bytes_max = usize::try_from(service.config.body_bytes_max.as_u64()).unwrap_or(usize::MAX);
    match to_bytes(body, bytes_max).await {
        Ok(body) => next.run(Request::from_parts(head, Body::from(body))).await,
        Err(_) => ApiError::body_too_large().into_response(),
    }
}

/// Logs and measures each request, up to its response's head.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().to_string();
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    metrics::gauge!("http_server_active_requests").increment(1.0);
    let active = Active;
    let response = next.run(request).await;
    drop(active);
    let (seconds, status) = (started.elapsed().as_secs_f64(), response.status().as_u16());
    let labels = [
        ("http_request_method", method.clone()),
        ("http_route", route.clone()),
        ("http_response_status_code", status.to_string()),
    ];
    metrics::histogram!("http_server_request_duration_seconds", &labels).record(seconds);
    if !is_probe(&route) {
        info!(
            request.id = id,
            http.method = method,
            http.route = route,
            http.status = status,
            duration_s = seconds,
            "request"
        );
    }
    response
}

fn is_probe(route: &str) -> bool {
    matches!(route, "/livez" | "/readyz" | "/metrics")
}

/// One request in the gauge, taken out again even when its handler is dropped.
struct Active;

impl Drop for Active {
    fn drop(&mut self) {
        metrics::gauge!("http_server_active_requests").decrement(1.0);
    }
}
