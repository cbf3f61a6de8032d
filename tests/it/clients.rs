//! Programs that are not ours: the official OpenAI client in front of cairn, a real model server behind it.
//!
//! Both come with `scripts/fetch --tests`. The model has 135 million parameters: enough to see that streaming, token
//! counts, the reason for an end and cancellation are real, and too few to judge what it says.

use std::path::PathBuf;
use std::process::Command;

use cairn::key::Permission;
use serde_json::{Value, json};

use crate::harness::chat::{ChatStub, says};
use crate::harness::process::{Process, run};
use crate::harness::served::{Frame, Frames, Served, client};
use crate::harness::{ANSWER, QUESTION, Sandbox, repository, until};
use crate::keys::{grant, key};
use crate::paths::marks;

const WEIGHTS: &str = "smollm2-135m-instruct-q4_1.gguf";

#[tokio::test]
async fn the_openai_client_is_given_quotations_with_typed_citations() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let said = openai_client(&served, "all").await;
    assert_eq!(said["models"]["ids"], json!(["default"]));
    for mode in ["ask", "stream"] {
        assert!(said[mode]["text"].as_str().unwrap().contains(ANSWER), "{said}");
        assert_eq!(said[mode]["finish_reason"], "stop");
        for annotation in said[mode]["annotations"].as_array().unwrap() {
            assert_eq!(annotation["covers"], format!("[{}]", annotation["number"]));
        }
    }
    assert_eq!(said["ask"]["text"], said["stream"]["text"]);
    assert_eq!((&said["unknown"]["status"], &said["unknown"]["code"]), (&json!(404), &json!("model_not_found")));
}

#[tokio::test]
async fn the_openai_client_is_given_a_models_words_as_they_come() {
    let stub = ChatStub::start([says(&[
        "Größe 🦅? ",
        "Kestrel listens on port 2525",
        " [1]",
        ", [7] for ",
        "mail. ",
        "Metrics [1].",
    ])])
    .await;
    let served = Served::start(&Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url)).await;
    let said = openai_client(&served, "all").await;
    for mode in ["ask", "stream"] {
        assert_eq!(said[mode]["text"], "Größe 🦅? Kestrel listens on port 2525 [1], for mail. Metrics [1].");
        assert_eq!(said[mode]["annotations"].as_array().unwrap().len(), 2);
        assert!(said[mode]["annotations"].as_array().unwrap().iter().all(|annotation| annotation["covers"] == "[1]"));
        assert_eq!(said[mode]["usage"], json!({ "prompt_tokens": 120, "completion_tokens": 7, "total_tokens": 127 }));
    }
    assert!(said["stream"]["pieces"].as_u64().unwrap() > 4, "it came in pieces: {said}");
}

#[tokio::test]
async fn the_openai_client_gets_what_its_keys_scope_allows_and_its_own_errors_otherwise() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let refusal = |status: u16, name: &str, code: &str| json!({ "type": name, "status": status, "code": code });
    for permission in Permission::ALL {
        let key = key(&served.app, &grant(&[permission], &[], &[])).await;
        let mode = if permission == Permission::Ask { "all" } else { "refused" };
        let said = openai_client_with(&served, mode, Some(&key)).await;
        match permission {
            Permission::Ask => {
                assert_eq!(said["models"]["ids"], json!(["default"]));
                assert!(said["stream"]["text"].as_str().unwrap().contains(ANSWER), "{said}");
                assert_eq!(said["unknown"]["status"], 404);
            }
            Permission::Ingest | Permission::Admin => {
                for call in ["models", "ask", "stream"] {
                    assert_eq!(said["refused"][call], refusal(403, "PermissionDeniedError", "not_permitted"));
                }
            }
        }
    }
    let said = openai_client_with(&served, "refused", Some("cairn_no_key")).await;
    for call in ["models", "ask", "stream"] {
        assert_eq!(said["refused"][call], refusal(401, "AuthenticationError", "invalid_api_key"));
    }
    let elsewhere = key(&served.app, &grant(&[Permission::Ask], &["other"], &[])).await;
    let said = openai_client_with(&served, "refused", Some(&elsewhere)).await;
    assert_eq!(said["refused"]["models"]["given"], "[]");
    for call in ["ask", "stream"] {
        assert_eq!(said["refused"][call], refusal(404, "NotFoundError", "model_not_found"));
    }
}

#[tokio::test]
async fn a_real_models_answer_streams_with_counts_and_known_sources_and_its_cancellation_frees_the_server() {
    let (_server, base_url) = model_server().await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &base_url)
        .with("CAIRN__CHAT__ANSWER_TOKENS_MAX", "160")
        .with("CAIRN__RETRIEVAL__PASSAGE_TOKENS_MAX", "200")
        .with("CAIRN__CONVERSATIONS__HISTORY_TOKENS_MAX", "100000");
    let served = Served::start(&sandbox).await;

    // A client that leaves after the first words.
    let slots = format!("{}/slots", base_url.strip_suffix("/v1").unwrap());
    let busy = async || -> bool {
        let slots: Value = client().get(&slots).send().await.unwrap().json().await.unwrap();
        slots.as_array().unwrap().iter().any(|slot| slot["is_processing"] == true)
    };
    let mut frames =
        ask(&served, "Which port does Kestrel listen on? Tell everything else about Kestrel as well.").await;
    while frames.event().await.expect("the answer goes on").name() != "delta" {}
    assert!(busy().await, "the model still writes");
    drop(frames);
    until("the model server to be free again", async || !busy().await).await;

    // And one that stays.
    let events = ask(&served, QUESTION).await.rest().await;
    let (done, events) = events.split_last().unwrap();
    assert_eq!(done.name(), "done", "{done:?}");
    let sources = events[0].json()["sources"].as_array().unwrap().len();
    let deltas: Vec<String> = of(events, "delta").map(|delta| delta["text"].as_str().unwrap().to_owned()).collect();
    let text = deltas.concat();
    assert!(!text.trim().is_empty(), "{deltas:?}");
    assert!(marks(&text).iter().all(|number| (1..=sources).contains(number)), "{text:?} of {sources} sources");
    assert_eq!(of(events, "citation").count(), marks(&text).len(), "{text:?}");
    let done = done.json();
    assert_eq!(done["writer"], "model");
    assert!(done["model"].as_str().unwrap().contains("smollm2"), "{done}");
    assert!(matches!(done["finish_reason"].as_str().unwrap(), "stop" | "length"), "{done}");
    assert!(done["usage"]["prompt_tokens"].as_u64().unwrap() > 100, "{done}");
    assert!(done["usage"]["completion_tokens"].as_u64().unwrap() > 0, "{done}");
}

#[tokio::test]
async fn a_real_model_stops_at_the_limit_and_refuses_a_prompt_beyond_its_context() {
    let (_server, base_url) = model_server().await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &base_url)
        .with("CAIRN__CHAT__ANSWER_TOKENS_MAX", "3")
        .with("CAIRN__CONVERSATIONS__HISTORY_TOKENS_MAX", "100000")
        .with("CAIRN__RETRIEVAL__PASSAGE_TOKENS_MAX", "200");
    let served = Served::start(&sandbox).await;
    let response = served.post("/v1/ask", &json!({ "question": QUESTION })).await;
    assert_eq!(response.json()["finish_reason"], "length", "{response:?}");
    assert_eq!(response.json()["usage"]["completion_tokens"], 3);
    let turn = json!({ "role": "assistant", "content": "word ".repeat(6000) });
    let response = served.post("/v1/ask", &json!({ "question": QUESTION, "history": [turn] })).await;
    assert_eq!(response.status, 400, "{response:?}");
}

/// Asks for an answer's events.
async fn ask(served: &Served, question: &str) -> Frames {
    served.stream("/v1/ask", &json!({ "question": question, "stream": true })).await
}

fn of<'a>(events: &'a [Frame], name: &'a str) -> impl Iterator<Item = Value> + 'a {
    events.iter().filter(move |event| event.name() == name).map(Frame::json)
}

/// What tests/python/openai_client.py found out about a service.
async fn openai_client(served: &Served, mode: &str) -> Value {
    openai_client_with(served, mode, None).await
}

async fn openai_client_with(served: &Served, mode: &str, key: Option<&str>) -> Value {
    let mut command = python("openai_client.py");
    command.args([&format!("{}/v1", served.url), "default", mode, QUESTION]);
    command.envs(key.map(|key| ("OPENAI_API_KEY", key)));
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.json()
}

/// A model server that goes when it is dropped, and its address.
async fn model_server() -> (Process, String) {
    let weights = fetched(&format!("test-model/{WEIGHTS}"));
    let mut command = python("model_server.py");
    command.arg(weights).arg("0");
    let mut server = Process::start(command);
    let line = server.line("listening http://").await;
    let base_url = line.split("listening ").nth(1).unwrap().trim().to_owned();
    (server, base_url)
}

/// One of tests/python, in the tests' own Python environment.
pub(crate) fn python(script: &str) -> Command {
    let mut command = Command::new(fetched("test-venv/bin/python"));
    command.arg(repository().join("tests/python").join(script));
    command
}

/// Something that `scripts/fetch --tests` brings.
fn fetched(name: &str) -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "scripts/fetch looks at these variables too")]
    let (cache, home) = (std::env::var_os("XDG_CACHE_HOME"), std::env::var_os("HOME"));
    let cache = cache.filter(|cache| !cache.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(home?).join(".cache"))).expect("there is a home folder");
    let path = cache.join("cairn").join(name);
    assert!(path.exists(), "{} is missing: run `scripts/fetch --tests`", path.display());
    path
}
