//! Follow-up questions, conversations that are kept, and how answers came about, as those who ask see them.

mod condensing;
mod keeping;
mod replaying;
mod tracing;

use cairn::key::Permission;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::QUESTION;
use crate::harness::served::{Response, Served, read};
use crate::keys::{grant, key};

const ASK: &str = "/v1/ask";
const ANSWERS: &str = "/v1/answers";
const CONVERSATIONS: &str = "/v1/conversations";
/// A question that leans on [`QUESTION`], and how it is understood without a model.
const FOLLOW_UP: &str = "And for its metrics?";
const UNDERSTOOD: &str = "Which port does Kestrel listen on for its metrics?";
/// What answers it.
const METRICS: &str = "9180";

/// The conversation that a follow-up leans on.
fn history() -> Value {
    json!([{ "role": "user", "content": QUESTION }, { "role": "assistant", "content": "On port 2525 [1]." }])
}

/// A request of the holder of a key.
async fn send(served: &Served, method: &str, path: &str, key: &str, body: &Value) -> Response {
    let method: Method = method.parse().unwrap();
    let request = served.http.request(method.clone(), format!("{}{path}", served.url)).bearer_auth(key);
    let request = if method == Method::POST { request.json(body) } else { request };
    read(request.send().await.unwrap()).await
}

async fn delete(served: &Served, path: &str) -> Response {
    read(served.http.delete(format!("{}{path}", served.url)).send().await.unwrap()).await
}

/// A new key that may do this in all collections.
async fn holder(served: &Served, permissions: &[Permission]) -> String {
    key(&served.app, &grant(permissions, &[], &[])).await
}

fn id_of(answer: &Value) -> String {
    answer["answer_id"].as_str().unwrap().to_owned()
}
