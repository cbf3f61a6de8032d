//! How much the service takes on, and what it lets go of: overload, clients that leave, silence, the stop.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{ASK, CHAT, SEARCH, asking, asking_for_events, chatting, with};
use crate::harness::chat::{ChatStub, Reply, Step, says, says_then};
use crate::harness::served::{Frame, Served};
use crate::harness::{Sandbox, within};

/// An answer that begins and then waits for the gate.
fn waits() -> Reply {
    says_then(&["First. ", "Then it "], &[Step::Gate, Step::Text("last [1].".into()), Step::Finish("stop"), Step::Done])
}

async fn served(stub: &ChatStub, settings: &[(&str, &str)]) -> Served {
    let sandbox = Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    Served::start(&settings.iter().fold(sandbox, |sandbox, (key, value)| sandbox.with(key, value))).await
}

#[tokio::test]
async fn a_request_too_many_is_turned_away_at_once_and_probes_never_are() {
    let stub = ChatStub::start([waits()]).await;
    let bounds = [("CAIRN__SERVER__IN_FLIGHT_MAX", "1"), ("CAIRN__SERVER__ANSWERS_MAX", "1")];
    let served = served(&stub, &bounds).await;
    let mut first = served.stream(ASK, &asking_for_events()).await;
    assert_eq!(first.event().await.unwrap().name(), "sources");
    for (path, body) in [(ASK, asking()), (CHAT, chatting()), (SEARCH, json!({ "query": "port" }))] {
        let response = served.post(path, &body).await;
        assert_eq!((response.status, response.code().as_str()), (429, "overloaded"), "{path}");
        assert_eq!(response.json()["error"]["type"], "rate_limit_error");
        assert!(response.json()["error"]["message"].as_str().unwrap().contains("server.in_flight_max"));
        assert!(response.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    }
    for probe in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(served.get(probe).await.status, 200, "{probe}");
    }
    stub.open_gate();
    assert_eq!(first.rest().await.last().unwrap().name(), "done");
    // Its place is free again.
    assert_eq!(served.post(SEARCH, &json!({ "query": "port" })).await.status, 200);
}

#[tokio::test]
async fn an_answer_too_many_waits_its_turn_but_not_for_long() {
    let stub = ChatStub::start([waits()]).await;
    let bounds = [("CAIRN__SERVER__ANSWERS_MAX", "1"), ("CAIRN__SERVER__QUEUE_TIMEOUT", "200ms")];
    let served = served(&stub, &bounds).await;
    let mut first = served.stream(ASK, &asking_for_events()).await;
    assert_eq!(first.event().await.unwrap().name(), "sources");
    let response = served.post(ASK, &asking()).await;
    assert_eq!((response.status, response.code().as_str()), (429, "overloaded"));
    assert!(response.json()["error"]["message"].as_str().unwrap().contains("server.answers_max"));
    assert!(response.header("retry-after").is_some());
    stub.open_gate();
    assert_eq!(first.rest().await.last().unwrap().name(), "done");
}

#[tokio::test]
async fn an_answer_that_waited_is_given_once_there_is_room() {
    let stub = ChatStub::start([waits(), says(&["Second [1]."])]).await;
    let served = served(&stub, &[("CAIRN__SERVER__ANSWERS_MAX", "1")]).await;
    let mut first = served.stream(ASK, &asking_for_events()).await;
    assert_eq!(first.event().await.unwrap().name(), "sources");
    let question = asking_for_events();
    let (second, ()) = tokio::join!(served.stream(ASK, &question), async {
        stub.open_gate();
        assert_eq!(first.rest().await.last().unwrap().name(), "done");
    });
    assert_eq!(second.rest().await.last().unwrap().name(), "done");
    assert_eq!(stub.seen().asked.len(), 2);
}

#[tokio::test]
async fn a_client_that_leaves_stops_the_upstream_call_and_frees_its_place() {
    let silent = || says_then(&["First. ", "Then it "], &[Step::Silence]);
    let stub = ChatStub::start([silent(), silent(), says(&["Answer [1]."])]).await;
    let bounds = [("CAIRN__SERVER__IN_FLIGHT_MAX", "1"), ("CAIRN__SERVER__ANSWERS_MAX", "1")];
    let served = served(&stub, &bounds).await;
    for (path, body) in [(ASK, asking_for_events()), (CHAT, with(chatting(), &json!({ "stream": true })))] {
        let already = stub.seen().left;
        let mut frames = served.stream(path, &body).await;
        frames.event().await.unwrap();
        frames.event().await.unwrap();
        drop(frames);
        stub.sees("the upstream call to end", |seen| seen.left == already + 1).await;
    }
    let answered = async || served.post(ASK, &asking()).await.status == 200;
    crate::harness::until("the place to be free", answered).await;
}

#[tokio::test]
async fn a_client_that_leaves_before_its_whole_answer_is_there_stops_the_upstream_call() {
    let stub = ChatStub::start([says_then(&["First. ", "Then it "], &[Step::Silence])]).await;
    let served = served(&stub, &[]).await;
    for (number, (path, body)) in [(ASK, asking()), (CHAT, chatting())].into_iter().enumerate() {
        let request = served.http.post(format!("{}{path}", served.url)).json(&body).send();
        let asked = stub.sees("the upstream call", |seen| seen.asked.len() == number + 1);
        tokio::select! {
            response = request => panic!("there is nothing to answer yet: {response:?}"),
            _ = asked => {}
        }
        stub.sees("the upstream call to end", |seen| seen.left == number + 1).await;
    }
}

#[tokio::test]
async fn a_silent_stream_is_kept_open_by_comments() {
    let stub = ChatStub::start([waits()]).await;
    let served = served(&stub, &[("CAIRN__SERVER__HEARTBEAT", "50ms")]).await;
    for (path, body) in [(ASK, asking_for_events()), (CHAT, with(chatting(), &json!({ "stream": true })))] {
        let mut frames = served.stream(path, &body).await;
        let mut comments = 0;
        while comments < 2 {
            comments += usize::from(frames.next().await.unwrap() == Frame::Comment);
        }
        stub.open_gate();
        let last = frames.rest().await.pop().unwrap();
        assert!(last.data() == "[DONE]" || last.name() == "done", "{last:?}");
    }
}

#[tokio::test]
async fn a_stop_lets_a_running_answer_end_and_takes_no_new_connection() {
    let stub = ChatStub::start([waits()]).await;
    let served = served(&stub, &[]).await;
    let mut frames = served.stream(ASK, &asking_for_events()).await;
    frames.event().await.unwrap();
    served.stop();
    let url = format!("{}/livez", served.url);
    crate::harness::until("new connections to be refused", async || {
        crate::harness::served::client().get(&url).send().await.is_err_and(|error| error.is_connect())
    })
    .await;
    stub.open_gate();
    assert_eq!(frames.rest().await.last().unwrap().name(), "done");
    assert!(served.ended().await, "every answer ended in time");
}

#[tokio::test]
async fn an_answer_that_outlasts_the_drain_ends_with_an_error_event() {
    let stub = ChatStub::start([says_then(&["First. ", "Then it "], &[Step::Silence])]).await;
    let served = served(&stub, &[("CAIRN__SERVER__DRAIN_TIMEOUT", "200ms")]).await;
    let mut asked = served.stream(ASK, &asking_for_events()).await;
    let mut chat = served.stream(CHAT, &with(chatting(), &json!({ "stream": true }))).await;
    asked.event().await.unwrap();
    chat.event().await.unwrap();
    let (url, body) = (format!("{}{ASK}", served.url), asking());
    let whole = async { crate::harness::served::read(served.http.post(url).json(&body).send().await.unwrap()).await };
    let (whole, _) = tokio::join!(whole, async {
        stub.sees("all three upstream calls", |seen| seen.asked.len() == 3).await;
        served.stop();
    });
    assert_eq!((whole.status, whole.code().as_str()), (503, "unavailable"));
    let last = asked.rest().await.pop().unwrap();
    assert_eq!((last.name(), last.json()["error"]["code"].as_str()), ("error", Some("unavailable")));
    assert_eq!(chat.rest().await.last().unwrap().json()["error"]["code"], "unavailable");
    assert!(!served.ended().await, "not every answer ended in time");
    stub.sees("every upstream call to end", |seen| seen.left == 3).await;
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_does_not_outlast_the_drain() {
    let stub = ChatStub::start([waits()]).await;
    let served = served(&stub, &[("CAIRN__SERVER__DRAIN_TIMEOUT", "200ms")]).await;
    let address = served.url.strip_prefix("http://").unwrap();
    let mut silent = TcpStream::connect(address).await.unwrap();
    let head =
        "POST /v1/ask HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{";
    silent.write_all(head.as_bytes()).await.unwrap();
    // The service has the request's head once another connection, made later, was answered.
    assert_eq!(served.get("/livez").await.status, 200);
    served.stop();
    let ended = tokio::time::timeout(Duration::from_secs(5), served.ended()).await;
    assert!(ended.is_ok(), "it still waits for the rest of a request, long after its drain_timeout of 200 ms");
    drop(silent);
}

#[tokio::test]
async fn on_loopback_only_this_machines_names_may_be_asked_for() {
    let sandbox = Sandbox::with_documents().with("CAIRN__SERVER__ALLOWED_HOSTS", "docs.example.com");
    let served = Served::start(&sandbox).await;
    for (host, status) in [
        ("localhost", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("docs.example.com", 200),
        ("evil.example", 403),
        ("localhost.evil.example:8080", 403),
        ("127.0.0.1@evil.example", 403),
        ("", 403),
    ] {
        for path in ["/livez", "/v1/models", "/docs/", "/openapi.json", "/metrics"] {
            let response =
                raw(&served, &format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")).await;
            let given = response.split(' ').nth(1).unwrap_or_default();
            assert_eq!(given, status.to_string(), "{host} {path}: {response}");
            assert_eq!(response.contains("\"host_not_allowed\""), status == 403, "{host} {path}");
        }
    }
}

/// A whole exchange on a connection of its own.
async fn raw(served: &Served, request: &str) -> String {
    let mut connection = TcpStream::connect(served.url.strip_prefix("http://").unwrap()).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    within("the response", connection.read_to_end(&mut response)).await.unwrap();
    String::from_utf8_lossy(&response).into_owned()
}
