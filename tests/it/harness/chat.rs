//! A chat endpoint that says what a test tells it to: whole answers, halves of them, errors, nonsense, nothing.
//!
//! Real HTTP on port 0, in OpenAI's shapes. Keeps each request, and notices when a client leaves before the end.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::within;

/// The one model that the stub lists.
pub(crate) const MODEL: &str = "stub-model";
/// The key that tests configure; it must never come out again.
pub(crate) const KEY: &str = "sk-never-to-be-seen";
/// What a faulty endpoint writes; it must never come out again either.
pub(crate) const BODY: &str = "internal-detail-of-the-endpoint";

/// What the stub does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Status 200 and these steps.
    Stream(Vec<Step>),
    /// A status and a body.
    Refuse { status: u16, body: String },
}

/// One step of a streamed answer.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A piece of the answer's text.
    Text(String),
    /// The reason for the end.
    Finish(&'static str),
    /// Prompt and completion tokens.
    Usage(u32, u32),
    /// The end as OpenAI marks it.
    Done,
    /// These bytes, whatever they are.
    Raw(String),
    /// Waits until the test opens the gate once.
    Gate,
    /// Breaks the connection off.
    Cut,
    /// Says nothing more and keeps the connection.
    Silence,
}

/// A whole answer in these pieces.
pub(crate) fn says(pieces: &[&str]) -> Reply {
    let end = [Step::Finish("stop"), Step::Usage(120, 7), Step::Done];
    Reply::Stream(texts(pieces).into_iter().chain(end).collect())
}

/// These pieces and then those steps.
pub(crate) fn says_then(pieces: &[&str], steps: &[Step]) -> Reply {
    Reply::Stream(texts(pieces).into_iter().chain(steps.iter().cloned()).collect())
}

/// An error as OpenAI words it, with a text that is nobody's business.
pub(crate) fn refuses(status: u16) -> Reply {
    let body = json!({ "error": { "message": format!("{BODY} {KEY}"), "type": "some_error", "code": null } });
    Reply::Refuse { status, body: body.to_string() }
}

fn texts(pieces: &[&str]) -> Vec<Step> {
    pieces.iter().map(|piece| Step::Text((*piece).to_owned())).collect()
}

/// A chat request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
}

impl Asked {
    /// The prompt's messages, as (role, content).
    pub(crate) fn messages(&self) -> Vec<(&str, &str)> {
        self.body["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|message| (message["role"].as_str().unwrap(), message["content"].as_str().unwrap()))
            .collect()
    }
}

/// What the stub has seen so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub(crate) asked: Vec<Asked>,
    /// Requests for the list of models.
    pub(crate) listings: usize,
    /// Clients that left before their answer's end.
    pub(crate) left: usize,
}

/// The running stub.
pub(crate) struct ChatStub {
    pub(crate) base_url: String,
    shared: Arc<Shared>,
    seen: watch::Receiver<Seen>,
}

struct Shared {
    replies: Mutex<VecDeque<Reply>>,
    seen: watch::Sender<Seen>,
    gate: Semaphore,
}

impl ChatStub {
    /// Gives the replies one after the other, and the last one to every later request.
    pub(crate) async fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let (sender, seen) = watch::channel(Seen::default());
        let replies = Mutex::new(replies.into_iter().collect());
        let shared = Arc::new(Shared { replies, seen: sender, gate: Semaphore::new(0) });
        let router = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(completions))
            .with_state(Arc::clone(&shared));
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's own runtime")]
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base_url, shared, seen }
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    /// Lets one waiting answer go on.
    pub(crate) fn open_gate(&self) {
        self.shared.gate.add_permits(1);
    }

    /// Waits until this is true of what the stub has seen.
    pub(crate) async fn sees(&self, what: &str, holds: impl FnMut(&Seen) -> bool) -> Seen {
        let mut seen = self.seen.clone();
        within(what, seen.wait_for(holds)).await.unwrap().clone()
    }
}

async fn models(State(shared): State<Arc<Shared>>) -> Json<Value> {
    shared.seen.send_modify(|seen| seen.listings += 1);
    Json(json!({ "object": "list", "data": [{ "id": MODEL, "object": "model", "created": 0, "owned_by": "tests" }] }))
}

async fn completions(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let authorization = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap().to_owned());
    let asked = Asked { authorization, body: serde_json::from_slice(&body).unwrap() };
    shared.seen.send_modify(|seen| seen.asked.push(asked));
    let reply = {
        let mut replies = shared.replies.lock().unwrap();
        let next = replies.pop_front().expect("the stub was told what to say");
        if replies.is_empty() {
            replies.push_back(next.clone());
        }
        next
    };
    match reply {
        Reply::Refuse { status, body } => {
            let status = axum::http::StatusCode::from_u16(status).unwrap();
            (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        Reply::Stream(steps) => {
            let body = Body::from_stream(written(shared, steps));
            ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
        }
    }
}

fn written(shared: Arc<Shared>, steps: Vec<Step>) -> impl futures::Stream<Item = Result<String, io::Error>> {
    async_stream::stream! {
        let mut watch = UntilTheEnd { shared: Arc::clone(&shared), reached: false };
        for step in steps {
            match step {
                Step::Text(text) => yield Ok(piece(&json!({ "content": text }), &Value::Null)),
                Step::Finish(reason) => yield Ok(piece(&json!({}), &json!(reason))),
                Step::Usage(prompt, completion) => {
                    let usage = json!({ "prompt_tokens": prompt, "completion_tokens": completion });
                    yield Ok(event(&json!({ "choices": [], "usage": usage })));
                }
                Step::Done => yield Ok("data: [DONE]\n\n".to_owned()),
                Step::Raw(text) => yield Ok(text),
                Step::Gate => shared.gate.acquire().await.unwrap().forget(),
                Step::Silence => std::future::pending().await,
                Step::Cut => {
                    watch.reached = true;
                    yield Err(io::Error::other("cut"));
                }
            }
        }
        watch.reached = true;
    }
}

fn piece(delta: &Value, finish_reason: &Value) -> String {
    event(&json!({
        "id": "chatcmpl-stub", "object": "chat.completion.chunk", "created": 0, "model": MODEL,
        "choices": [{ "index": 0, "delta": delta, "finish_reason": finish_reason }],
    }))
}

fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// Dropped before its end was reached: the client has left.
struct UntilTheEnd {
    shared: Arc<Shared>,
    reached: bool,
}

impl Drop for UntilTheEnd {
    fn drop(&mut self) {
        if !self.reached {
            self.shared.seen.send_modify(|seen| seen.left += 1);
        }
    }
}
