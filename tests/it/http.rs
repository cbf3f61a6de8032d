//! The HTTP service, route by route, as a client sees it: shapes, the order of events, errors, bounds.

mod ask;
mod bounds;
mod documents;
mod faults;
mod filtering;
mod invalid;
mod openai;
mod operations;

use serde_json::{Value, json};

use crate::harness::QUESTION;

const ASK: &str = "/v1/ask";
const SEARCH: &str = "/v1/search";
const CHAT: &str = "/v1/chat/completions";

/// The question of the fixtures for `/v1/ask`.
fn asking() -> Value {
    json!({ "question": QUESTION })
}

/// The same, answered by events.
fn asking_for_events() -> Value {
    json!({ "question": QUESTION, "stream": true })
}

/// The same for `/v1/chat/completions`.
fn chatting() -> Value {
    json!({ "model": "default", "messages": [{ "role": "user", "content": QUESTION }] })
}

/// `object` with these fields set.
fn with(mut object: Value, fields: &Value) -> Value {
    object.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    object
}
