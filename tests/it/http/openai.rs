//! `POST /v1/chat/completions` and `GET /v1/models`, in OpenAI's shapes.

use cairn::answer::REFUSAL;
use serde_json::{Value, json};

use super::{CHAT, chatting, with};
use crate::harness::chat::{ChatStub, says};
use crate::harness::served::{Frame, Served};
use crate::harness::{ANSWER, QUESTION, Sandbox, UNANSWERABLE};

/// What the stub says: characters of one to four bytes stand before the mark.
const PIECES: [&str; 3] = ["Größe 🦅 日本? Kestrel listens ", "on port 2525 for mail ", "[1]."];

#[tokio::test]
async fn a_whole_completion_has_the_answer_with_annotations_on_its_message() {
    let stub = ChatStub::start([says(&PIECES)]).await;
    let served = Served::start(&Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url)).await;
    let response = served.post(CHAT, &chatting()).await;
    assert_eq!(response.status, 200);
    let completion = response.json();
    assert!(completion["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!((&completion["object"], &completion["model"]), (&json!("chat.completion"), &json!("default")));
    assert!(completion["created"].as_u64().unwrap() > 1_700_000_000);
    let choice = &completion["choices"][0];
    assert_eq!((&choice["index"], &choice["finish_reason"]), (&json!(0), &json!("stop")));
    let message = &choice["message"];
    assert_eq!((&message["role"], &message["refusal"]), (&json!("assistant"), &Value::Null));
    assert_eq!(message["content"], PIECES.concat());
    check_annotations(message["content"].as_str().unwrap(), &message["annotations"]);
    assert_eq!(completion["usage"], json!({ "prompt_tokens": 120, "completion_tokens": 7, "total_tokens": 127 }));
    assert_eq!(completion["cairn"]["outcome"], "answered");
}

#[tokio::test]
async fn a_streamed_completion_is_chunks_of_one_id_that_end_with_done() {
    let stub = ChatStub::start([says(&PIECES)]).await;
    let served = Served::start(&Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url)).await;
    let asked = with(chatting(), &json!({ "stream": true, "stream_options": { "include_usage": true } }));
    let mut frames = served.stream(CHAT, &asked).await.rest().await;
    assert_eq!(frames.pop().unwrap(), Frame::Event { name: None, data: "[DONE]".into() });
    let chunks: Vec<Value> = frames.iter().map(Frame::json).collect();
    for chunk in &chunks {
        assert_eq!((&chunk["id"], &chunk["created"]), (&chunks[0]["id"], &chunks[0]["created"]));
        assert_eq!((&chunk["object"], &chunk["model"]), (&json!("chat.completion.chunk"), &json!("default")));
    }
    let (usage, chunks) = chunks.split_last().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["total_tokens"], 127);
    assert_eq!(chunks[0]["choices"][0]["delta"], json!({ "role": "assistant", "content": "" }));
    let (mut content, mut annotations, mut reasons) = (String::new(), Vec::new(), Vec::new());
    for chunk in chunks {
        assert!(chunk.get("usage").is_none_or(Value::is_null));
        let choice = &chunk["choices"][0];
        content.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        annotations.extend(choice["delta"]["annotations"].as_array().cloned().unwrap_or_default());
        reasons.extend(choice["finish_reason"].as_str().map(str::to_owned));
    }
    assert_eq!(content, PIECES.concat());
    assert_eq!(reasons, ["stop"]);
    assert!(chunks[chunks.len() - 1]["choices"][0]["finish_reason"].is_string(), "the reason comes last");
    check_annotations(&content, &json!(annotations));
}

#[tokio::test]
async fn usage_is_streamed_only_where_it_was_asked_for() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let frames = served.stream(CHAT, &with(chatting(), &json!({ "stream": true }))).await.rest().await;
    let (done, chunks) = frames.split_last().unwrap();
    assert_eq!(done.data(), "[DONE]");
    assert!(chunks.iter().all(|chunk| chunk.json()["choices"] != json!([])));
}

#[tokio::test]
async fn a_completion_without_a_model_is_quotations_and_counts_no_tokens() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let completion = served.post(CHAT, &chatting()).await.json();
    let message = &completion["choices"][0]["message"];
    assert!(message["content"].as_str().unwrap().contains(ANSWER));
    check_annotations(message["content"].as_str().unwrap(), &message["annotations"]);
    assert_eq!(completion["usage"], json!({ "prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0 }));
    assert_eq!(completion["cairn"]["writer"], "extractive");
}

#[tokio::test]
async fn a_refusal_stands_in_the_content_and_in_its_own_field() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let messages = json!({ "messages": [{ "role": "user", "content": UNANSWERABLE }] });
    let completion = served.post(CHAT, &with(chatting(), &messages)).await.json();
    let message = &completion["choices"][0]["message"];
    assert_eq!((&message["content"], &message["refusal"]), (&json!(REFUSAL), &json!(REFUSAL)));
    assert_eq!(message["annotations"], json!([]));
    assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    assert!(!completion["cairn"]["nearest"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn a_clients_system_message_is_not_passed_on_and_its_conversation_and_sampling_are() {
    let stub = ChatStub::start([says(&["Fine [1]."])]).await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
        .with("CAIRN__CONVERSATIONS__CONDENSE", "rule");
    let served = Served::start(&sandbox).await;
    let asked = json!({
        "model": "default",
        "messages": [
            { "role": "system", "content": "You are a pirate." },
            { "role": "developer", "content": "Talk like one." },
            { "role": "user", "content": "What is Kestrel?" },
            { "role": "assistant", "content": "A mail relay [1]." },
            { "role": "tool", "content": "tool output", "tool_call_id": "x" },
            { "role": "user", "content": [{ "type": "text", "text": "Which port does it" },
                                          { "type": "text", "text": "listen on for mail?" }] },
        ],
        "temperature": 0.5, "max_tokens": 9, "max_completion_tokens": 8, "user": "somebody", "seed": 7, "n": 1,
        "tools": [], "stream": null, "stop": null,
    });
    let response = served.post(CHAT, &asked).await;
    assert_eq!(response.status, 200, "{response:?}");
    let seen = stub.seen();
    let messages = seen.asked[0].messages();
    assert_eq!(messages.iter().map(|(role, _)| *role).collect::<Vec<_>>(), ["system", "user", "assistant", "user"]);
    let all = seen.asked[0].body.to_string();
    assert!(!all.contains("pirate") && !all.contains("Talk like one") && !all.contains("tool output"), "{all}");
    assert!(messages[3].1.ends_with("Question: Which port does it\nlisten on for mail?"), "{}", messages[3].1);
    assert_eq!((&seen.asked[0].body["temperature"], &seen.asked[0].body["max_tokens"]), (&json!(0.5), &json!(8)));
}

#[tokio::test]
async fn a_client_can_not_ask_for_a_longer_answer_than_is_configured() {
    let stub = ChatStub::start([says(&["Fine [1]."])]).await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
        .with("CAIRN__CHAT__ANSWER_TOKENS_MAX", "50");
    let served = Served::start(&sandbox).await;
    served.post(CHAT, &with(chatting(), &json!({ "max_tokens": 100_000 }))).await;
    assert_eq!(stub.seen().asked[0].body["max_tokens"], 50);
}

#[tokio::test]
async fn collections_with_documents_are_listed_as_models() {
    let sandbox = Sandbox::with_documents();
    let app = sandbox.open().await;
    let served = Served::of(app).await;
    assert_eq!(served.get("/v1/models").await.json(), json!({ "object": "list", "data": [] }));
    sandbox.ingest(&served.app).await;
    let model = json!({ "id": "default", "object": "model", "created": 0, "owned_by": "cairn" });
    assert_eq!(served.get("/v1/models").await.json(), json!({ "object": "list", "data": [model] }));
    // What was indexed while the service runs can be asked at once.
    assert!(served.post(CHAT, &chatting()).await.body.contains(ANSWER), "{QUESTION}");
}

/// Indices count characters, as OpenAI's do.
fn check_annotations(content: &str, annotations: &Value) {
    let characters: Vec<char> = content.chars().collect();
    let annotations = annotations.as_array().unwrap();
    assert!(!annotations.is_empty());
    for annotation in annotations {
        assert_eq!(annotation["type"], "url_citation");
        let cited = &annotation["url_citation"];
        let index = |key: &str| usize::try_from(cited[key].as_u64().unwrap()).unwrap();
        let mark: String = characters[index("start_index")..index("end_index")].iter().collect();
        assert_eq!(mark, format!("[{}]", cited["number"]));
        assert!(cited["url"].as_str().unwrap().starts_with("file:///") && cited["title"].is_string());
        assert!(!cited["quote"].as_str().unwrap().is_empty() && cited["span"]["end"].is_u64());
    }
}
