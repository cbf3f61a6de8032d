//! What a client sees when the chat endpoint fails: the right status before the first byte, an `error` event after it,
//! and never a word of the endpoint's own, nor the key.

use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{ASK, CHAT, asking, asking_for_events, chatting, with};
use crate::harness::Sandbox;
use crate::harness::chat::{BODY, ChatStub, KEY, Reply, Step, refuses, says, says_then};
use crate::harness::served::{Frame, Served};

/// An endpoint's fault, and how it is told: status and code.
async fn is_told_as(reply: Reply, status: u16, code: &str) {
    let stub = ChatStub::start([reply.clone()]).await;
    told_as(&format!("{reply:?}"), sandbox(&stub.base_url), status, code).await;
}

async fn told_as(fault: &str, sandbox: Sandbox, status: u16, code: &str) {
    let served = Served::start(&sandbox).await;
    let told = |body: &str| {
        assert!(!body.contains(BODY) && !body.contains(KEY), "{fault}: {body}");
    };
    for (path, body) in [(ASK, asking()), (CHAT, chatting())] {
        let response = served.post(path, &body).await;
        assert_eq!((response.status, response.code().as_str()), (status, code), "{path}, {fault}");
        assert_eq!(response.header("retry-after").is_some(), status == 429, "{path}, {fault}");
        told(&response.body);
    }
    let mut events = served.stream(ASK, &asking_for_events()).await.rest().await;
    let error = events.pop().unwrap();
    assert_eq!((error.name(), error.json()["error"]["code"].as_str()), ("error", Some(code)), "{fault}");
    assert_eq!(events.first().map(Frame::name), Some("sources"));
    assert!(events[1..].iter().all(|event| matches!(event.name(), "delta" | "citation")), "{events:?}");
    told(&format!("{events:?}{error:?}"));

    let mut chunks = served.stream(CHAT, &with(chatting(), &json!({ "stream": true }))).await.rest().await;
    let error = chunks.pop().unwrap();
    assert_eq!(error.json()["error"]["code"].as_str(), Some(code), "{fault}");
    assert!(chunks.iter().all(|chunk| chunk.json()["choices"][0]["finish_reason"] == Value::Null));
    told(&format!("{chunks:?}{error:?}"));
}

fn sandbox(base_url: &str) -> Sandbox {
    Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", base_url)
        .with("CAIRN__CHAT__API_KEY", KEY)
        .with("CAIRN__ANSWER__FALLBACK", "error")
}

fn plain(status: u16) -> Reply {
    Reply::Refuse { status, body: format!("<html>{BODY} {KEY}</html>") }
}

#[tokio::test]
async fn a_busy_endpoint_is_429_with_retry_after() {
    is_told_as(refuses(429), 429, "upstream_busy").await;
}

#[tokio::test]
async fn a_busy_endpoint_behind_a_proxy_that_speaks_html_is_429_too() {
    is_told_as(plain(429), 429, "upstream_busy").await;
}

#[tokio::test]
async fn a_failing_endpoint_is_503() {
    is_told_as(refuses(500), 503, "upstream_unavailable").await;
    is_told_as(plain(502), 503, "upstream_unavailable").await;
}

#[tokio::test]
async fn an_endpoint_that_does_not_accept_the_key_is_503_for_the_caller_has_no_part_in_it() {
    is_told_as(refuses(401), 503, "upstream_unavailable").await;
    is_told_as(plain(403), 503, "upstream_unavailable").await;
}

#[tokio::test]
async fn the_sentence_says_that_the_key_is_not_accepted_however_the_endpoint_words_it() {
    for reply in [refuses(401), plain(401)] {
        let stub = ChatStub::start([reply.clone()]).await;
        let served = Served::start(&sandbox(&stub.base_url)).await;
        let response = served.post(ASK, &asking()).await;
        assert!(response.body.contains("does not accept the key (status 401)"), "{reply:?}: {response:?}");
    }
}

#[tokio::test]
async fn a_prompt_that_is_too_long_is_400_and_says_what_to_lower() {
    let openai =
        json!({ "error": { "message": BODY, "type": "invalid_request_error", "code": "context_length_exceeded" } });
    // As llama.cpp words it.
    let llama =
        json!({ "error": { "message": BODY, "type": "exceed_context_size_error", "code": 400, "n_ctx": 4096 } });
    for body in [openai, llama] {
        let stub = ChatStub::start([Reply::Refuse { status: 400, body: body.to_string() }]).await;
        let served = Served::start(&sandbox(&stub.base_url)).await;
        let response = served.post(ASK, &asking()).await;
        assert_eq!(response.status, 400, "{body}: {response:?}");
        assert!(!response.body.contains(BODY));
    }
}

#[tokio::test]
async fn an_answer_that_is_no_chat_completion_is_503() {
    let raw = |text: &str| Reply::Stream(vec![Step::Raw(text.to_owned())]);
    is_told_as(raw(&format!("<html>{BODY} {KEY}</html>")), 503, "upstream_unavailable").await;
    is_told_as(raw(&format!("data: {{\"{BODY}\n\n")), 503, "upstream_unavailable").await;
    is_told_as(raw(""), 503, "upstream_unavailable").await;
    is_told_as(raw("data: [DONE]\n\n"), 503, "upstream_unavailable").await;
}

#[tokio::test]
async fn nonsense_in_the_middle_of_an_answer_ends_it() {
    let nonsense = Step::Raw(format!("data: {BODY} {KEY}\n\n"));
    is_told_as(says_then(&["The port ", "is "], &[nonsense, Step::Text("2525".into())]), 503, "upstream_unavailable")
        .await;
}

#[tokio::test]
async fn an_error_object_in_the_middle_of_an_answer_ends_it() {
    let error = json!({ "error": { "message": format!("{BODY} {KEY}"), "code": 500 } });
    is_told_as(says_then(&["The port "], &[Step::Raw(format!("data: {error}\n\n"))]), 503, "upstream_unavailable")
        .await;
}

#[tokio::test]
async fn a_connection_that_breaks_off_ends_the_answer() {
    is_told_as(says_then(&["The port ", "is "], &[Step::Cut]), 503, "upstream_unavailable").await;
}

#[tokio::test]
async fn an_answer_without_a_reason_for_its_end_may_be_half_of_one() {
    is_told_as(says_then(&["The port is 2525 [1]."], &[Step::Done]), 503, "upstream_unavailable").await;
    is_told_as(says_then(&["The port is 2525 [1]."], &[]), 503, "upstream_unavailable").await;
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_503() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    told_as("nothing listens", sandbox(&base_url), 503, "upstream_unavailable").await;
    let named = sandbox(&base_url).with("CAIRN__CHAT__MODEL", "some-model");
    told_as("nothing listens", named, 503, "upstream_unavailable").await;
}

#[tokio::test]
async fn an_endpoint_that_says_nothing_for_too_long_is_503() {
    for silent in [vec![Step::Silence], vec![Step::Text("The port ".into()), Step::Silence]] {
        let stub = ChatStub::start([Reply::Stream(silent)]).await;
        let sandbox = sandbox(&stub.base_url).with("CAIRN__CHAT__READ_TIMEOUT", "200ms");
        told_as("it says nothing", sandbox, 503, "upstream_unavailable").await;
    }
}

#[tokio::test]
async fn an_answer_that_takes_too_long_as_a_whole_is_cut_off_by_its_own_code() {
    let stub = ChatStub::start([says_then(&["The port "], &[Step::Silence])]).await;
    let sandbox = sandbox(&stub.base_url).with("CAIRN__SERVER__ANSWER_TIMEOUT", "300ms");
    told_as("it never ends", sandbox, 503, "timeout").await;
    stub.sees("all four upstream calls to be given up", |seen| seen.left == 4).await;
}

#[tokio::test]
async fn an_answer_that_fails_for_whatever_reason_is_counted_as_failed() {
    let failures = async |served: &Served| -> u64 {
        let metrics = served.get("/metrics").await.body;
        let value = metrics.lines().find_map(|line| line.strip_prefix("cairn_answers_total{outcome=\"failed\"} "));
        value.map_or(0, |value| value.parse().unwrap())
    };
    for (steps, timeout) in [(Step::Cut, "5m"), (Step::Silence, "200ms")] {
        let stub = ChatStub::start([says_then(&["The port "], std::slice::from_ref(&steps))]).await;
        let served = Served::start(&sandbox(&stub.base_url).with("CAIRN__SERVER__ANSWER_TIMEOUT", timeout)).await;
        let before = failures(&served).await;
        assert_eq!(served.post(ASK, &asking()).await.status, 503);
        assert!(failures(&served).await > before, "{steps:?}");
    }
}

#[tokio::test]
async fn after_a_fault_the_next_question_is_answered() {
    let stub = ChatStub::start([says_then(&["The "], &[Step::Cut]), refuses(401), says(&["Port 2525 [1]."])]).await;
    let served = Served::start(&sandbox(&stub.base_url)).await;
    assert_eq!(served.post(ASK, &asking()).await.status, 503);
    assert_eq!(served.post(ASK, &asking()).await.status, 503);
    assert_eq!(served.post(ASK, &asking()).await.json()["answer"], "Port 2525 [1].");
}
