//! The real binary as a service: how it starts, how it stops, and who else may use its data folder meanwhile.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::chat::{ChatStub, Reply, Step, says_then};
use crate::harness::process::{Process, run};
use crate::harness::served::{Frames, client};
use crate::harness::{ANSWER, QUESTION, Sandbox, until};

/// A served sandbox.
struct Server {
    process: Process,
    url: String,
}

impl Server {
    /// Ingests the sandbox's documents and serves them on a port of its own.
    async fn start(sandbox: &Sandbox) -> Self {
        ingest(sandbox).await;
        let mut process = Process::start(sandbox.cairn(&["serve", "--listen", "127.0.0.1:0"]));
        let line = process.line("serving http://").await;
        let url = line.split("serving ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
        Self { process, url }
    }

    /// Asks for an answer's events and takes the first, so that the answer is being written.
    async fn begin_answer(&self) -> Frames {
        let asked = json!({ "question": QUESTION, "stream": true });
        let response = client().post(format!("{}/v1/ask", self.url)).json(&asked).send().await.unwrap();
        let mut frames = Frames::of(response).await;
        assert_eq!(frames.event().await.unwrap().name(), "sources");
        frames
    }
}

async fn ingest(sandbox: &Sandbox) {
    let ingested = run(sandbox.cairn(&["ingest", "docs"])).await;
    assert_eq!(ingested.code, Some(0), "{ingested:?}");
}

fn waits() -> Reply {
    says_then(&["First. ", "Then it "], &[Step::Gate, Step::Text("last [1].".into()), Step::Finish("stop"), Step::Done])
}

#[tokio::test]
async fn sigterm_lets_a_running_answer_end_and_then_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let stub = ChatStub::start([waits()]).await;
        let sandbox = Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
        let mut server = Server::start(&sandbox).await;
        let frames = server.begin_answer().await;
        server.process.signal(signal);
        server.process.line("stopping: running answers may end").await;
        stub.open_gate();
        let events = frames.rest().await;
        assert_eq!(events.last().unwrap().name(), "done", "{signal}: {events:?}");
        let ended = server.process.end().await;
        assert_eq!(ended.code, Some(0), "{signal}: {ended:?}");
        assert!(ended.stderr.contains("every answer ended; stopping"), "{ended:?}");
    }
}

#[tokio::test]
async fn an_idle_server_with_open_connections_stops_at_once() {
    let sandbox = Sandbox::with_documents();
    let server = Server::start(&sandbox).await;
    let http = client();
    assert_eq!(http.get(format!("{}/readyz", server.url)).send().await.unwrap().status(), 200);
    server.process.signal("TERM");
    let ended = tokio::time::timeout(Duration::from_secs(10), server.process.end()).await;
    assert_eq!(ended.expect("nothing runs, so there is nothing to wait for").code, Some(0));
    drop(http);
}

#[tokio::test]
async fn past_the_drains_deadline_an_answer_ends_with_an_error_event_and_the_exit_is_1() {
    let stub = ChatStub::start([says_then(&["First. ", "Then it "], &[Step::Silence])]).await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
        .with("CAIRN__SERVER__DRAIN_TIMEOUT", "300ms");
    let server = Server::start(&sandbox).await;
    let frames = server.begin_answer().await;
    server.process.signal("TERM");
    let last = frames.rest().await.pop().unwrap();
    assert_eq!((last.name(), last.json()["error"]["code"].as_str()), ("error", Some("unavailable")));
    assert!(last.json()["error"]["message"].as_str().unwrap().contains("stopping"));
    let ended = server.process.end().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("some answers were cut off at the drain's deadline"), "{ended:?}");
    stub.sees("the upstream call to end", |seen| seen.left == 1).await;
}

#[tokio::test]
async fn a_second_signal_ends_a_server_that_waits_for_an_answer() {
    let stub = ChatStub::start([waits()]).await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
        .with("CAIRN__SERVER__DRAIN_TIMEOUT", "1h");
    let mut server = Server::start(&sandbox).await;
    let frames = server.begin_answer().await;
    server.process.signal("INT");
    server.process.line("stopping: running answers may end").await;
    server.process.signal("INT");
    let ended = server.process.end().await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("stopping at once: there was a second signal"), "{ended:?}");
    drop(frames);
    ingest(&sandbox).await; // The folder is as usable as after any other end.
}

#[tokio::test]
async fn a_port_in_use_is_a_sentence_and_exit_1() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = run(Sandbox::new().cairn(&["serve", "--listen", &address])).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let sentence = ended.stderr.lines().last().unwrap();
    assert!(sentence.starts_with(&format!("cairn: listen on {address}")), "{sentence}");
    assert!(sentence.contains("--listen ADDRESS:PORT") && sentence.contains("in use"), "{sentence}");
}

#[tokio::test]
async fn beside_a_server_a_question_goes_through_it_and_an_ingest_is_refused() {
    let sandbox = Sandbox::with_documents();
    let server = Server::start(&sandbox).await;
    let asked = run(sandbox.cairn(&["ask", QUESTION])).await;
    assert_eq!(asked.code, Some(0), "{asked:?}");
    assert!(asked.stdout.contains(ANSWER) && asked.stdout.contains("\nSources\n"), "{asked:?}");
    let asked = run(sandbox.cairn(&["ask", QUESTION, "--json"])).await;
    assert!(asked.json()["answer"].as_str().unwrap().contains(ANSWER));
    let found = run(sandbox.cairn(&["search", "restore a backup", "--json", "-n", "2"])).await;
    assert_eq!(found.json()["results"].as_array().unwrap().len(), 2, "{found:?}");
    let unknown = run(sandbox.cairn(&["ask", "q", "--collection", "nope"])).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("holds no documents"), "the server's own sentence: {unknown:?}");

    sandbox.write("new.md", "# New\n\nThe door of the office is green.\n");
    let handed_over = run(sandbox.cairn(&["ingest", "--json", "docs"])).await;
    assert_eq!(handed_over.code, Some(0), "{handed_over:?}");
    let summary = handed_over.json_lines().pop().unwrap();
    assert_eq!((&summary["indexed"], &summary["unchanged"]), (&json!(1), &json!(6)), "the server did it");
    let refused = run(sandbox.cairn(&["ingest", "--rebuild", "docs"])).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("stop the server first"), "{refused:?}");
    let second = run(sandbox.cairn(&["serve", "--listen", "127.0.0.1:0"])).await;
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains("in use by another cairn process"), "{second:?}");
    // None of them disturbed it.
    assert_eq!(client().get(format!("{}/readyz", server.url)).send().await.unwrap().status(), 200);
    server.process.signal("TERM");
    assert_eq!(server.process.end().await.code, Some(0));
    ingest(&sandbox).await;
}

#[tokio::test]
async fn a_server_that_was_killed_leaves_a_folder_that_can_be_used_at_once() {
    let sandbox = Sandbox::with_documents();
    let server = Server::start(&sandbox).await;
    server.process.kill().await;
    let asked = run(sandbox.cairn(&["ask", QUESTION])).await;
    assert_eq!(asked.code, Some(0), "{asked:?}");
    assert!(asked.stdout.contains(ANSWER));
    ingest(&sandbox).await;
}

#[tokio::test]
async fn a_server_that_is_forced_to_listen_beyond_this_machine_warns() {
    let sandbox = Sandbox::with_documents().with("CAIRN__SERVER__ALLOW_ANONYMOUS", "true");
    let mut process = Process::start(sandbox.cairn(&["serve", "--listen", "0.0.0.0:0"]));
    process.line("listening beyond this machine without keys").await;
    process.line("serving http://").await;
    process.kill().await;
}

#[tokio::test]
async fn from_the_moment_that_a_server_says_it_serves_it_can_be_stopped_in_order() {
    let sandbox = Sandbox::with_documents();
    for _ in 0..8 {
        let mut process = Process::start(sandbox.cairn(&["serve", "--listen", "127.0.0.1:0"]));
        process.line("serving http://").await;
        process.signal("TERM");
        let ended = process.end().await;
        assert_eq!(ended.code, Some(0), "the signal came before anybody listened for it: {ended:?}");
    }
}

#[tokio::test]
async fn no_question_no_text_and_no_key_is_logged_at_any_level() {
    let stub = ChatStub::start([says_then(
        &["Port 2525 [1]."],
        &[Step::Raw("data: {\"unreadable-answer\n\n".into()), Step::Finish("stop"), Step::Done],
    )])
    .await;
    let key = crate::harness::chat::KEY;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
        .with("CAIRN__CHAT__API_KEY", key)
        .with("CAIRN__LOG__FORMAT", "json");
    ingest(&sandbox).await;
    for level in ["info", "trace"] {
        let mut process = Process::start(sandbox.cairn(&["serve", "--listen", "127.0.0.1:0", "--log", level]));
        let line = process.line("serving http://").await;
        let url = line.split("serving ").nth(1).unwrap().split([' ', '"']).next().unwrap().to_owned();
        let http = client();
        let asked = json!({ "question": "Which port does Kestrel listen on for mail, xylophone?" });
        http.post(format!("{url}/v1/ask")).json(&asked).send().await.unwrap();
        process.line("/v1/ask").await;
        drop(http);
        process.signal("TERM");
        let ended = process.end().await;
        assert_eq!(ended.code, Some(0));
        for private in ["xylophone", "A client that sends nothing", "unreadable-answer", key] {
            let line = ended.stderr.lines().find(|line| line.contains(private));
            assert!(line.is_none(), "{private:?} is logged at {level}: {line:?}");
        }
        let lines: Vec<&str> = ended.stderr.lines().collect();
        for line in lines {
            assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "a line is no JSON: {line}");
        }
    }
}

#[tokio::test]
async fn a_server_is_ready_soon_after_its_start() {
    let sandbox = Sandbox::with_documents();
    let server = Server::start(&sandbox).await;
    let url = format!("{}/readyz", server.url);
    let ready = async || client().get(&url).send().await.is_ok_and(|response| response.status() == 200);
    until("the server to be ready", ready).await;
    server.process.signal("TERM");
    assert_eq!(server.process.end().await.code, Some(0));
}
