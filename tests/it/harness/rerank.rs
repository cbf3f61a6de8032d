//! A reranking endpoint in the shapes of text-embeddings-inference: `POST /rerank`, `[{index, score}]`, best first.
//!
//! Real HTTP on port 0. Scores as a test says, or says nothing, or nonsense. Keeps each request.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the stub does with each request.
#[derive(Debug, Clone)]
pub(crate) enum Scoring {
    /// Texts with these words first, the others after them in the opposite of the order that they came in.
    Prefers(&'static str),
    /// Never answers.
    Silence,
    /// This status and this body.
    Raw(u16, String),
}

/// The running stub.
pub(crate) struct RerankStub {
    pub(crate) base_url: String,
    shared: Arc<Shared>,
}

struct Shared {
    scoring: Scoring,
    asked: Mutex<Vec<(Option<String>, Value)>>,
}

impl RerankStub {
    pub(crate) async fn start(scoring: Scoring) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared { scoring, asked: Mutex::new(Vec::new()) });
        let router = Router::new().route("/rerank", post(rerank)).with_state(Arc::clone(&shared));
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's own runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base_url, shared }
    }

    /// Each request so far: its `Authorization`, and its body.
    pub(crate) fn asked(&self) -> Vec<(Option<String>, Value)> {
        self.shared.asked.lock().unwrap().clone()
    }
}

async fn rerank(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    let texts: Vec<String> = serde_json::from_value(body["texts"].clone()).unwrap();
    shared.asked.lock().unwrap().push((authorization, body));
    match &shared.scoring {
        Scoring::Prefers(words) => {
            let mut order: Vec<usize> = (0..texts.len()).rev().collect();
            order.sort_by_key(|index| !texts[*index].contains(words));
            let scored = order.iter().enumerate().map(|(rank, index)| {
                let rank = f32::from(u8::try_from(rank).unwrap());
                json!({ "index": index, "score": 0.99 - rank / 100.0 })
            });
            Json(scored.collect::<Vec<_>>()).into_response()
        }
        Scoring::Silence => std::future::pending().await,
        Scoring::Raw(status, body) => {
            let status = StatusCode::from_u16(*status).unwrap();
            (status, [(header::CONTENT_TYPE, "application/json")], body.clone()).into_response()
        }
    }
}
