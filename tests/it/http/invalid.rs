//! Requests that are wrong: each gets the envelope, the right status and a code that never changes.

use serde_json::{Value, json};

use super::{ASK, CHAT, SEARCH, asking, chatting, with};
use crate::harness::chat::{ChatStub, says};
use crate::harness::served::{Served, read};
use crate::harness::{QUESTION, Sandbox};

/// A body, and what its answer is: status, code, the field that is named, a word of the sentence.
type Case = (&'static str, Value, u16, &'static str, Option<&'static str>, &'static str);

#[tokio::test]
async fn a_wrong_field_or_value_is_refused_with_a_sentence_before_any_model_is_asked() {
    let stub = ChatStub::start([says(&["never"])]).await;
    let served = Served::start(&Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url)).await;
    let long = "word ".repeat(2000);
    let longer_than_the_model = "word ".repeat(600);
    let turn = json!({ "role": "user", "content": "q" });
    let many_turns = vec![turn.clone(); 21];
    let message = |content: Value| json!({ "messages": [{ "role": "user", "content": content }] });
    let image = json!([{ "type": "image_url", "image_url": { "url": "data:," } }]);
    let cases: Vec<Case> = vec![
        (ASK, json!({}), 400, "invalid_request", None, "question"),
        (ASK, json!([]), 400, "invalid_request", None, "expected"),
        (ASK, json!({ "question": 5 }), 400, "invalid_request", None, "string"),
        (ASK, json!({ "question": "q", "top_k": 5 }), 400, "invalid_request", None, "top_k"),
        (ASK, json!({ "question": "" }), 400, "invalid_request", None, "empty"),
        (ASK, json!({ "question": " \n\t" }), 400, "invalid_request", None, "empty"),
        (ASK, json!({ "question": long }), 400, "invalid_request", None, "answer.question_bytes_max"),
        (ASK, json!({ "question": longer_than_the_model }), 400, "invalid_request", None, "at most 512"),
        (ASK, json!({ "question": "q", "collection": "nope" }), 404, "collection_not_found", None, "nope"),
        (ASK, json!({ "question": "q", "collection": "No/Name" }), 400, "invalid_request", None, "collection name"),
        (ASK, json!({ "question": "q", "history": many_turns }), 400, "invalid_request", None, "history_messages_max"),
        (
            ASK,
            json!({ "question": "q", "history": [{ "role": "system", "content": "" }] }),
            400,
            "invalid_request",
            None,
            "system",
        ),
        (
            ASK,
            json!({ "question": "q", "history": [{ "role": "user", "content": "x".repeat(33_000) }] }),
            400,
            "invalid_request",
            None,
            "message_bytes_max",
        ),
        (SEARCH, json!({}), 400, "invalid_request", None, "query"),
        (SEARCH, json!({ "query": "" }), 400, "invalid_request", None, "empty"),
        (SEARCH, json!({ "query": "q", "limit": 0 }), 400, "invalid_request", Some("limit"), "1..=100"),
        (SEARCH, json!({ "query": "q", "limit": 101 }), 400, "invalid_request", Some("limit"), "1..=100"),
        (SEARCH, json!({ "query": "q", "limit": -1 }), 400, "invalid_request", None, "limit"),
        (SEARCH, json!({ "query": "q", "page": 2 }), 400, "invalid_request", None, "page"),
        (SEARCH, json!({ "query": "q", "collection": "nope" }), 404, "collection_not_found", None, "nope"),
        (CHAT, json!({ "model": "default" }), 400, "invalid_request", None, "messages"),
        (CHAT, with(chatting(), &json!({ "model": "gpt-4" })), 404, "model_not_found", Some("model"), "gpt-4"),
        (
            CHAT,
            with(chatting(), &json!({ "model": "Not A Name" })),
            404,
            "model_not_found",
            Some("model"),
            "Not A Name",
        ),
        (CHAT, with(chatting(), &json!({ "n": 2 })), 400, "invalid_request", Some("n"), "n must be 1"),
        (
            CHAT,
            with(chatting(), &json!({ "tools": [{ "type": "function" }] })),
            400,
            "invalid_request",
            Some("tools"),
            "not supported",
        ),
        (CHAT, with(chatting(), &message(image)), 400, "invalid_request", Some("messages"), "image_url"),
        (CHAT, with(chatting(), &message(json!(""))), 400, "invalid_request", None, "empty"),
        (CHAT, with(chatting(), &message(Value::Null)), 400, "invalid_request", None, "empty"),
        (CHAT, with(chatting(), &json!({ "messages": [] })), 400, "invalid_request", Some("messages"), "user"),
        (
            CHAT,
            with(chatting(), &json!({ "messages": [turn, { "role": "assistant", "content": "a" }] })),
            400,
            "invalid_request",
            Some("messages"),
            "user",
        ),
        (
            CHAT,
            with(chatting(), &json!({ "messages": [{ "role": "king", "content": "q" }] })),
            400,
            "invalid_request",
            Some("messages"),
            "king",
        ),
    ];
    for (path, body, status, code, param, word) in cases {
        let shown: String = body.to_string().chars().take(120).collect();
        let streaming = if path == SEARCH { body.clone() } else { with_stream(&body) };
        for body in [body, streaming] {
            let response = served.post(path, &body).await;
            assert_eq!((response.status, response.code().as_str()), (status, code), "{path} {shown}: {response:?}");
            let error = response.json()["error"].clone();
            assert_eq!(error["param"].as_str(), param, "{path} {shown}: {error}");
            assert!(error["message"].as_str().unwrap().contains(word), "{path} {shown}: {error}");
            let r#type = if status == 404 { "not_found_error" } else { "invalid_request_error" };
            assert_eq!(error["type"], r#type);
        }
    }
    assert_eq!(stub.seen().asked.len(), 0);
}

#[tokio::test]
async fn a_body_that_is_no_json_or_of_another_type_is_refused() {
    let served = Served::start(&Sandbox::with_documents()).await;
    for (content_type, body) in [
        ("application/json", "{\"question\": "),
        ("application/json", ""),
        ("application/json", "question=why"),
        ("text/plain", "{\"question\": \"why\"}"),
        ("application/x-www-form-urlencoded", "question=why"),
        ("application/json", "{\"question\": \"\u{0}\\ud800\"}"),
    ] {
        for path in [ASK, SEARCH, CHAT] {
            let request = served.http.post(format!("{}{path}", served.url)).header("content-type", content_type);
            let response = read(request.body(body).send().await.unwrap()).await;
            assert_eq!((response.status, response.code().as_str()), (400, "invalid_request"), "{path} {body:?}");
        }
    }
    let bytes = b"{\"question\": \"\xff\xfe\"}".to_vec();
    let request = served.http.post(format!("{}{ASK}", served.url)).header("content-type", "application/json");
    let response = read(request.body(bytes).send().await.unwrap()).await;
    assert_eq!((response.status, response.code().as_str()), (400, "invalid_request"));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_by_its_own_code() {
    let served = Served::start(&Sandbox::with_documents().with("CAIRN__SERVER__BODY_BYTES_MAX", "2 KiB")).await;
    let padded = json!({ "question": QUESTION, "history": [{ "role": "user", "content": "x".repeat(3000) }] });
    for path in [ASK, SEARCH, CHAT] {
        let response = served.post(path, &padded).await;
        assert_eq!((response.status, response.code().as_str()), (413, "body_too_large"), "{path}");
    }
    assert_eq!(served.post(ASK, &asking()).await.status, 200);
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_have_the_envelope_too() {
    let served = Served::start(&Sandbox::with_documents()).await;
    for path in
        ["/", "/v1", "/v1/embeddings", "/v1/ask/", "/v1/models/default", "/favicon.ico", "/../etc/passwd", "/%00"]
    {
        let response = served.get(path).await;
        assert_eq!((response.status, response.code().as_str()), (404, "route_not_found"), "{path}");
    }
    let wrong =
        [("GET", ASK), ("GET", SEARCH), ("PUT", CHAT), ("DELETE", ASK), ("POST", "/v1/models"), ("POST", "/livez")];
    for (method, path) in wrong {
        let method: reqwest::Method = method.parse().unwrap();
        let request = served.http.request(method.clone(), format!("{}{path}", served.url));
        let response = read(request.send().await.unwrap()).await;
        assert_eq!((response.status, response.code().as_str()), (405, "method_not_allowed"), "{method} {path}");
        assert!(response.header("allow").is_some(), "{method} {path}");
    }
}

/// The same request, whose answer would be events.
fn with_stream(body: &Value) -> Value {
    if body.is_object() { with(body.clone(), &json!({ "stream": true })) } else { body.clone() }
}
