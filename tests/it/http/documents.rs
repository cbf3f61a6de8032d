//! Documents over HTTP: in, looked at, changed and out; and the jobs that do it.

use std::fs;

use cairn::ingest::origin::Origin;
use cairn::key::Permission;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::served::{Frames, Response, Served, TOKEN, read};
use crate::harness::{ANSWER, QUESTION, Sandbox, chunk_count, search, until};
use crate::keys::{grant, key};

const DOCUMENTS: &str = "/v1/collections/default/documents";
const HERON: &str = "# Vault\n\nThe vault of Kestrel opens with the code word heron.\n";
const ASKS_FOR_HERON: &str = "Which code word opens the vault of Kestrel?";

async fn send(served: &Served, method: Method, path: &str, body: impl Into<reqwest::Body>) -> Response {
    let request = served.http.request(method, format!("{}{path}", served.url)).header("content-type", "text/markdown");
    read(request.body(body).send().await.unwrap()).await
}

async fn put(served: &Served, id: &str, query: &str, body: &str) -> Response {
    send(served, Method::PUT, &format!("{DOCUMENTS}/{id}{query}"), body.to_owned()).await
}

async fn with_key(served: &Served, method: Method, path: &str, key: &str, body: &Value) -> Response {
    let request = served.http.request(method, format!("{}{path}", served.url)).bearer_auth(key).json(body);
    read(request.send().await.unwrap()).await
}

/// A service over nothing.
async fn empty() -> (Sandbox, Served) {
    let sandbox = Sandbox::new();
    let served = Served::of(sandbox.open().await).await;
    (sandbox, served)
}

fn kept(sandbox: &Sandbox) -> usize {
    fs::read_dir(sandbox.path("data/uploads")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn an_upload_is_found_changed_and_gone_and_each_state_is_shown() {
    let (sandbox, served) = empty().await;
    let made = put(&served, "a%20folder/vault.md", "?wait=indexed", HERON).await;
    assert_eq!(made.status, 200, "{made:?}");
    let document = &made.json()["document"];
    assert_eq!((&document["state"], &document["version"]), (&json!("indexed"), &json!(1)));
    assert_eq!((&document["external_id"], &document["title"]), (&json!("a folder/vault.md"), &json!("Vault")));
    assert!(search(&served.app, ASKS_FOR_HERON).await[0].chunk.text.contains("heron"));

    let again = put(&served, "a%20folder%2Fvault.md", "", HERON).await;
    assert_eq!((again.status, &again.json()["job"]), (200, &Value::Null), "the same content is nothing to do");
    let changed =
        put(&served, "a%20folder/vault.md", "?wait=indexed", "# Vault\n\nThe vault has no code word.\n").await;
    assert_eq!((changed.status, &changed.json()["document"]["version"]), (200, &json!(2)));
    assert!(search(&served.app, ASKS_FOR_HERON).await.iter().all(|hit| !hit.chunk.text.contains("heron")));
    assert_eq!(kept(&sandbox), 1, "what nothing needs is not kept");

    let path = format!("{DOCUMENTS}/a%20folder/vault.md");
    assert_eq!(served.get(&path).await.json()["state"], "indexed");
    assert_eq!(send(&served, Method::DELETE, &path, "").await.status, 204);
    assert_eq!(search(&served.app, ASKS_FOR_HERON).await, []);
    assert_eq!((chunk_count(&served.app).await, kept(&sandbox)), (0, 0));
    assert_eq!(served.get(&path).await.json()["state"], "removed", "that it was there is still to be seen");
    let gone = send(&served, Method::DELETE, &path, "").await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "document_not_found"));
    let back = put(&served, "a%20folder/vault.md", "?wait=indexed", HERON).await;
    assert_eq!((back.status, &back.json()["document"]["version"]), (200, &json!(3)));
}

#[tokio::test]
async fn a_document_that_is_deleted_while_it_is_made_is_not_found_afterwards() {
    let sandbox = Sandbox::new().with("CAIRN__INGEST__CHUNKS_PER_BATCH", "1");
    let served = Served::of(sandbox.open().await).await;
    let text: String = (0..60).map(|n| format!("## Part {n}\n\nHeron number {n} waits at the vault.\n\n")).collect();
    for round in 0..3 {
        let accepted = put(&served, "herons.md", "", &format!("{text}Round {round}.")).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        assert!(accepted.header("location").unwrap().starts_with("/v1/jobs/"));
        let begun = async || chunk_count(&served.app).await > 0;
        until("the first chunks", begun).await;
        assert_eq!(send(&served, Method::DELETE, &format!("{DOCUMENTS}/herons.md"), "").await.status, 204);
        assert_eq!(search(&served.app, "heron").await, [], "nothing may be found from now on");
        assert_eq!(chunk_count(&served.app).await, 0);
        let job = accepted.json()["job"].as_str().unwrap().to_owned();
        let ended = async || served.get(&format!("/v1/jobs/{job}")).await.json()["state"] == "done";
        until("the job's end", ended).await;
        assert_eq!(chunk_count(&served.app).await, 0, "and nothing comes back");
    }
}

#[tokio::test]
async fn groups_are_changed_without_embedding_again_and_a_title_with() {
    let (_sandbox, served) = empty().await;
    put(&served, "vault.md", "?wait=indexed&allow=guards", HERON).await;
    let path = format!("{DOCUMENTS}/vault.md");
    let patch = async |body: Value| {
        let request = served.http.patch(format!("{}{path}", served.url)).json(&body);
        read(request.send().await.unwrap()).await
    };
    let changed = patch(json!({ "allow": ["guests"] })).await;
    assert_eq!((changed.status, &changed.json()["document"]["allow"]), (200, &json!(["guests"])), "{changed:?}");
    assert_eq!(changed.json()["document"]["version"], 1, "its points are the same");
    let job = served.get(changed.header("location").unwrap()).await.json();
    assert_eq!((&job["documents"]["access_changed"], &job["chunks"]), (&json!(1), &json!(0)));
    let titled = patch(json!({ "title": "The strong room" })).await;
    assert_eq!((titled.status, &titled.json()["document"]["title"]), (200, &json!("The strong room")));
    let open = patch(json!({ "allow": null, "title": null })).await.json();
    assert_eq!((&open["document"]["allow"], &open["document"]["title"]), (&json!([]), &json!("Vault")));
    for wrong in [json!({ "allow": [] }), json!({ "allow": ["two words"] }), json!({ "colour": "red" })] {
        assert_eq!(patch(wrong).await.status, 400);
    }
}

#[tokio::test]
async fn a_document_that_can_not_be_read_is_rejected_with_a_reason_and_tried_again_when_asked() {
    let (_sandbox, served) = empty().await;
    let rejected = put(&served, "picture.md", "?wait=indexed", "\0\0\0").await;
    assert_eq!((rejected.status, rejected.code().as_str()), (422, "document_rejected"));
    assert!(rejected.json()["error"]["message"].as_str().unwrap().contains("not text"), "{rejected:?}");
    let document = served.get(&format!("{DOCUMENTS}/picture.md")).await.json();
    assert_eq!((&document["state"], &document["code"]), (&json!("rejected"), &json!("not_text")));
    let listed = served.get(&format!("{DOCUMENTS}?state=rejected")).await.json();
    assert_eq!(listed["documents"].as_array().unwrap().len(), 1);
    let begun = served.post("/v1/collections/default/retry", &json!({})).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let job = format!("/v1/jobs/{}", begun.json()["job"].as_str().unwrap());
    until("the job's end", async || served.get(&job).await.json()["state"] == "done").await;
    let failed = served.get(&job).await.json();
    assert_eq!((&failed["kind"], &failed["failed"][0]["code"]), (&json!("retry"), &json!("not_text")));
}

#[tokio::test]
async fn what_can_not_be_taken_is_refused_by_name() {
    let sandbox = Sandbox::new().with("CAIRN__SERVER__UPLOAD_BYTES_MAX", "100 B");
    let served = Served::of(sandbox.open().await).await;
    let large = put(&served, "a.md", "", &"x".repeat(101)).await;
    assert_eq!((large.status, large.code().as_str()), (413, "body_too_large"));
    let stream = futures::stream::iter((0..20).map(|_| Ok::<_, std::io::Error>("0123456789")));
    let endless = send(&served, Method::PUT, &format!("{DOCUMENTS}/a.md"), reqwest::Body::wrap_stream(stream)).await;
    assert_eq!((endless.status, endless.code().as_str()), (413, "body_too_large"), "no length was announced");
    let request = served.http.put(format!("{}{DOCUMENTS}/a.bin", served.url)).header("content-type", "image/png");
    let picture = read(request.body("x").send().await.unwrap()).await;
    assert_eq!((picture.status, picture.code().as_str()), (400, "unknown_kind"));
    for (path, query) in
        [("a%01.md", ""), ("a.md", "?wait=long"), ("a.md", "?allow=two%20words"), ("a.md", "?colour=red")]
    {
        assert_eq!(put(&served, path, query, "x").await.status, 400, "{path}{query}");
    }
    assert_eq!(send(&served, Method::PUT, "/v1/collections/No%20Name/documents/a.md", "x").await.status, 400);
    let missing = served.get(DOCUMENTS).await;
    assert_eq!((missing.status, missing.code().as_str()), (404, "collection_not_found"));
    assert_eq!(served.get("/v1/jobs/none").await.code(), "job_not_found");
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let sandbox = Sandbox::new().with("CAIRN__SERVER__UPLOAD_TIMEOUT", "50ms");
    let served = Served::of(sandbox.open().await).await;
    let endless = futures::stream::pending::<Result<&'static str, std::io::Error>>();
    let slow = send(&served, Method::PUT, &format!("{DOCUMENTS}/a.md"), reqwest::Body::wrap_stream(endless)).await;
    assert_eq!((slow.status, slow.code().as_str()), (408, "upload_timeout"));
    assert_eq!(kept(&sandbox), 0, "halves are not kept");
}

#[tokio::test]
async fn a_form_brings_many_documents_as_one_job_that_can_be_followed() {
    let (_sandbox, served) = empty().await;
    let mut form = String::new();
    let mut part = |head: &str, body: &str| {
        form.push_str(&format!("--edge\r\ncontent-disposition: form-data; {head}\r\n\r\n{body}\r\n"))
    };
    part("name=\"metadata\"", "{\"allow\": [\"staff\"]}");
    for number in 0..5 {
        part(&format!("name=\"file\"; filename=\"birds/{number}.md\""), &format!("# Bird {number}\n\nIt sings.\n"));
    }
    form.push_str("--edge--\r\n");
    let request = served.http.post(format!("{}{DOCUMENTS}", served.url));
    let request = request.header("content-type", "multipart/form-data; boundary=edge").body(form);
    let begun = read(request.send().await.unwrap()).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    assert_eq!(begun.json()["documents"].as_array().unwrap().len(), 5);
    let job = format!("/v1/jobs/{}", begun.json()["job"].as_str().unwrap());
    let events =
        Frames::of(served.http.get(format!("{}{job}/events", served.url)).send().await.unwrap()).await.rest().await;
    let documents = events.iter().filter(|event| event.name() == "document").count();
    assert_eq!((documents, events.last().unwrap().name()), (5, "done"), "{events:?}");
    assert_eq!(events.last().unwrap().json()["documents"]["indexed"], 5);
    // Whoever comes back gets what they missed and no more.
    let request = served.http.get(format!("{}{job}/events", served.url)).header("last-event-id", "3");
    let missed = Frames::of(request.send().await.unwrap()).await.rest().await;
    assert_eq!(missed.iter().filter(|event| event.name() == "document").count(), 2);

    let mut after = String::new();
    let mut ids = Vec::new();
    loop {
        let page = served.get(&format!("{DOCUMENTS}?limit=2{after}")).await.json();
        ids.extend(
            page["documents"].as_array().unwrap().iter().map(|row| row["external_id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={}", next.replace('/', "%2F"));
    }
    assert_eq!(ids, (0..5).map(|number| format!("birds/{number}.md")).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_may_only_ask_sees_what_answers_them_and_no_job() {
    let (_sandbox, served) = empty().await;
    put(&served, "open.md", "?wait=indexed", "# Open\n\nFor everybody.\n").await;
    put(&served, "guards.md", "?wait=indexed&allow=guards", HERON).await;
    put(&served, "broken.md", "?wait=indexed", "\0").await;
    let guest = key(&served.app, &grant(&[Permission::Ask], &[], &["guests"])).await;
    let guard = key(&served.app, &grant(&[Permission::Ask], &["default"], &["guards"])).await;
    let stranger = key(&served.app, &grant(&[Permission::Ask, Permission::Ingest], &["other"], &[])).await;
    let writer = key(&served.app, &grant(&[Permission::Ingest], &["default"], &[])).await;
    let seen = async |key: &str| {
        let page = with_key(&served, Method::GET, DOCUMENTS, key, &json!({})).await.json();
        let rows = page["documents"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| row["external_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(seen(&guest).await, ["open.md"]);
    assert_eq!(seen(&guard).await, ["guards.md", "open.md"]);
    assert_eq!(seen(&writer).await, ["broken.md", "guards.md", "open.md"]);
    let one = format!("{DOCUMENTS}/guards.md");
    let hidden = with_key(&served, Method::GET, &one, &guest, &json!({})).await;
    let missing = with_key(&served, Method::GET, &format!("{DOCUMENTS}/no.md"), &guest, &json!({})).await;
    assert_eq!((hidden.status, &hidden.body), (404, &missing.body), "hidden and missing are one");
    for (method, path) in [(Method::GET, DOCUMENTS), (Method::GET, one.as_str()), (Method::DELETE, one.as_str())] {
        assert_eq!(with_key(&served, method, path, &stranger, &json!({})).await.status, 404);
    }
    let jobs =
        async |key: &str| with_key(&served, Method::GET, "/v1/jobs", key, &json!({})).await.json()["jobs"].clone();
    assert_eq!(jobs(&stranger).await, json!([]));
    let of_writer = jobs(&writer).await;
    let job = format!("/v1/jobs/{}", of_writer[0]["id"].as_str().unwrap());
    assert_eq!(with_key(&served, Method::GET, &job, &stranger, &json!({})).await.status, 404);
    assert_eq!(with_key(&served, Method::DELETE, &job, &stranger, &json!({})).await.status, 404);
}

#[tokio::test]
async fn only_the_token_of_the_data_folder_has_files_of_the_server_read() {
    let sandbox = Sandbox::with_documents();
    let served = Served::of(sandbox.open().await).await;
    let path = "/v1/collections/default/ingest";
    let body = json!({ "paths": [sandbox.docs()] });
    assert_eq!(served.post(path, &body).await.code(), "local_only", "not even where there are no keys");
    let admin = key(&served.app, &grant(&Permission::ALL, &[], &[])).await;
    assert_eq!(with_key(&served, Method::POST, path, &admin, &body).await.status, 403);
    let relative = with_key(&served, Method::POST, path, TOKEN, &json!({ "paths": ["docs"] })).await;
    assert_eq!(relative.status, 400);
    let begun = with_key(&served, Method::POST, path, TOKEN, &body).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    let job = format!("/v1/jobs/{}", begun.json()["job"].as_str().unwrap());
    let done = async || with_key(&served, Method::GET, &job, TOKEN, &json!({})).await.json()["state"] == "done";
    until("the job's end", done).await;
    let asked = json!({ "question": QUESTION });
    assert!(with_key(&served, Method::POST, "/v1/ask", TOKEN, &asked).await.body.contains(ANSWER));
}

#[tokio::test]
async fn an_upload_that_was_promised_is_done_by_the_next_process() {
    let sandbox = Sandbox::new();
    let app = sandbox.open().await;
    let mut receiving = app.queue.uploads().receive(1000).await.unwrap();
    receiving.write(HERON.as_bytes()).await.unwrap();
    let stored = receiving.finish().await.unwrap();
    let upload =
        cairn::ingest::origin::Upload { blob: stored.blob.clone(), name: "v.md".into(), title: None, sidecar: None };
    assert_eq!(Origin::Upload(upload.clone()).blob(), stored.blob);
    app.queue.upload(&crate::harness::default_collection(), "vault", (upload, stored.bytes)).await.unwrap();
    drop((stored, app));
    fs::write(sandbox.path("data/uploads/part-of-a-killed-process"), "half").unwrap();
    fs::write(sandbox.path("data/uploads/needed-by-nothing"), "x").unwrap();
    let app = sandbox.open().await;
    app.queue.uploads().sweep(&app.ledger).await.unwrap();
    assert_eq!(kept(&sandbox), 1);
    let served = Served::of(app).await;
    let indexed = async || served.get(&format!("{DOCUMENTS}/vault")).await.json()["state"] == "indexed";
    until("the upload to be indexed", indexed).await;
    assert!(search(&served.app, ASKS_FOR_HERON).await[0].chunk.text.contains("heron"));
}
