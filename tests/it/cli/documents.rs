//! `cairn documents`, `cairn jobs`, and `cairn ingest` beside a server: the same states here, there and over HTTP.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use crate::harness::process::{Ended, Process, run};
use crate::harness::served::client;
use crate::harness::{Sandbox, until};

/// Documents of which one is rejected, and one will be gone.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::with_documents();
    sandbox.write("picture.md", b"\0\x01");
    sandbox.write("gone.md", "# Gone\n\nThe heron left.\n");
    sandbox
}

async fn cairn(sandbox: &Sandbox, arguments: &[&str], code: i32) -> Ended {
    let ended = run(sandbox.cairn(arguments)).await;
    assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
    ended
}

/// States by file name.
async fn states(sandbox: &Sandbox) -> Vec<(String, String)> {
    let listed = cairn(sandbox, &["documents", "list", "--json"], 0).await.json();
    let short = |row: &Value| {
        let id = row["external_id"].as_str().unwrap();
        (id.rsplit('/').next().unwrap().to_owned(), row["state"].as_str().unwrap().to_owned())
    };
    listed["documents"].as_array().unwrap().iter().map(short).collect()
}

/// What happens to documents, each step by the command line: as summaries and as states.
async fn story(sandbox: &Sandbox) -> Vec<Value> {
    let mut told = Vec::new();
    let tell = async |told: &mut Vec<Value>, ended: Ended| {
        let mut summary = ended.json_lines().pop().unwrap();
        summary.as_object_mut().unwrap().remove("seconds");
        let anywhere = summary.to_string().replace(sandbox.docs().to_str().unwrap(), "docs");
        told.push(serde_json::from_str(&anywhere).unwrap());
        told.push(json!(states(sandbox).await));
    };
    tell(&mut told, cairn(sandbox, &["ingest", "--json", "docs"], 1).await).await;
    sandbox.write("picture.md", "# Picture\n\nNow it is words.\n");
    fs::rename(sandbox.docs().join("faq.html"), sandbox.docs().join("questions.html")).unwrap();
    fs::remove_file(sandbox.docs().join("gone.md")).unwrap();
    tell(&mut told, cairn(sandbox, &["ingest", "--json", "--prune", "docs"], 0).await).await;
    let removed = sandbox.docs().join("picture.md");
    let removed = removed.to_str().unwrap();
    let ended = cairn(sandbox, &["documents", "remove", removed], 0).await;
    assert!(ended.stdout.contains("1 removed"), "{ended:?}");
    assert!(cairn(sandbox, &["documents", "remove", removed], 1).await.stderr.contains("document"));
    told.push(json!(states(sandbox).await));
    told
}

#[tokio::test]
async fn here_and_beside_a_server_the_same_happens_and_the_same_is_told() {
    let alone = story(&sandbox()).await;
    assert_eq!((&alone[0]["indexed"], &alone[2]["removed"]), (&json!(7), &json!(2)), "{alone:?}");
    let beside = sandbox();
    let mut server = Process::start(beside.cairn(&["serve", "--listen", "127.0.0.1:0"]));
    server.line("serving http://").await;
    let told = story(&beside).await;
    assert_eq!(told, alone);
    server.signal("TERM");
    assert_eq!(server.end().await.code, Some(0));
}

#[tokio::test]
async fn a_document_and_a_job_say_where_they_stand() {
    let sandbox = sandbox();
    cairn(&sandbox, &["ingest", "docs"], 1).await;
    let picture = sandbox.docs().join("picture.md");
    let shown = cairn(&sandbox, &["documents", "show", picture.to_str().unwrap()], 0).await.stdout;
    assert!(shown.contains("rejected") && shown.contains("not text") && shown.contains("not_text"), "{shown}");
    let listed = cairn(&sandbox, &["documents", "list", "--state", "rejected"], 0).await.stdout;
    assert_eq!(listed.lines().count(), 1, "{listed}");
    cairn(&sandbox, &["documents", "show", "nobody.md"], 1).await;
    cairn(&sandbox, &["documents", "list", "--state", "asleep"], 2).await;
    let jobs = cairn(&sandbox, &["jobs", "list", "--json"], 0).await.json();
    let job = &jobs["jobs"][0];
    assert_eq!((&job["state"], &job["documents"]["rejected"]), (&json!("done"), &json!(1)), "{job}");
    let id = job["id"].as_str().unwrap();
    let shown = cairn(&sandbox, &["jobs", "show", id], 0).await.stdout;
    assert!(shown.contains("picture.md") && shown.contains("7 indexed"), "{shown}");
    fs::write(&picture, "# Picture\n\nNow it is words.\n").unwrap();
    let retried = cairn(&sandbox, &["documents", "retry"], 0).await.stdout;
    assert!(retried.starts_with("1 indexed"), "{retried}");
    assert!(cairn(&sandbox, &["jobs", "cancel", id], 0).await.stdout.contains("is done"));
    cairn(&sandbox, &["jobs", "cancel", "no-such-job"], 1).await;
}

#[tokio::test]
async fn ctrl_c_beside_a_server_calls_the_job_off_there() {
    let sandbox = Sandbox::new().with("CAIRN__INGEST__DOCUMENTS_IN_FLIGHT", "1");
    for number in 0..80 {
        sandbox.write(&format!("{number}.md"), format!("# Report {number}\n\n{}", "The river rose again. ".repeat(80)));
    }
    let mut server = Process::start(sandbox.cairn(&["serve", "--listen", "127.0.0.1:0"]));
    server.line("serving http://").await;
    let mut ingest = Process::start(sandbox.cairn(&["ingest", "--json", "docs"]));
    ingest.line("\"outcome\":\"indexed\"").await;
    ingest.signal("INT");
    let ended = ingest.end().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    let summary = ended.json_lines().pop().unwrap();
    assert!(summary["left"].as_u64().unwrap() > 0, "{summary}");
    let jobs = cairn(&sandbox, &["jobs", "list", "--json"], 0).await.json();
    assert_eq!(jobs["jobs"][0]["state"], "cancelled");
}

#[tokio::test]
async fn a_servers_token_is_its_owners_alone_and_goes_with_it() {
    let sandbox = Sandbox::with_documents();
    let file = sandbox.path("data/server.json");
    let mut server = Process::start(sandbox.cairn(&["serve", "--listen", "127.0.0.1:0"]));
    server.line("serving http://").await;
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let first = fs::read_to_string(&file).unwrap();
    server.signal("TERM");
    assert_eq!(server.end().await.code, Some(0));
    assert!(!file.exists());
    let mut server = Process::start(sandbox.cairn(&["serve", "--listen", "127.0.0.1:0"]));
    server.line("serving http://").await;
    assert_ne!(fs::read_to_string(&file).unwrap(), first, "another token at each start");
    server.kill().await;
    assert!(file.exists(), "a killed server leaves it");
    cairn(&sandbox, &["ingest", "docs"], 0).await;
    assert!(!file.exists(), "and whoever has the folder next takes it away");
}

#[tokio::test]
async fn a_server_goes_on_with_what_a_killed_ingest_had_not_done() {
    let sandbox = Sandbox::new().with("CAIRN__INGEST__DOCUMENTS_IN_FLIGHT", "1");
    for number in 0..12 {
        sandbox.write(&format!("{number}.md"), format!("# Report {number}\n\n{}", "The river rose again. ".repeat(80)));
    }
    let mut ingest = Process::start(sandbox.cairn(&["ingest", "--json", "docs"]));
    ingest.line("\"outcome\":\"indexed\"").await;
    ingest.kill().await;
    let mut server = Process::start(sandbox.cairn(&["serve", "--listen", "127.0.0.1:0"]));
    let line = server.line("serving http://").await;
    let url = line.split("serving ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let url = format!("{url}/v1/collections/default/documents?state=indexed");
    let all = async || {
        let listed: Value = client().get(&url).send().await.unwrap().json().await.unwrap();
        listed["documents"].as_array().is_some_and(|rows| rows.len() == 12)
    };
    until("all documents to be indexed", all).await;
}
