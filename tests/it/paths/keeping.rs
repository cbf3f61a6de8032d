//! What is kept of a document beside its points: its text, vectors of what was embedded, what is said of it, and what it
//! is like.

use std::fs;

use cairn::ingest::likeness::near;
use cairn::ingest::texts::unpack;
use cairn::ledger::Sight;
use reqwest::Method;
use serde_json::{Value, json};

use cairn::app::App;
use cairn::document::{DocumentId, Version};

use crate::harness::process::run;
use crate::harness::served::{Served, metrics, read};
use crate::harness::{QUESTION, Sandbox, Vanished, ask, default_collection, ingest, rows, search};

const TEXTS: &str = "/v1/collections/default/texts";
const DOCUMENTS: &str = "/v1/collections/default/documents";

async fn kept(app: &App, external_id: &str, version: i64) -> Option<String> {
    let document = DocumentId::new(&default_collection(), external_id);
    let kept = app.ledger.text(document, Version(version)).await.unwrap()?;
    Some(unpack(&kept.body).unwrap().text)
}

async fn send(served: &Served, method: Method, path: &str, body: &Value) -> Value {
    let response = read(served.http.request(method, format!("{}{path}", served.url)).json(body).send().await.unwrap());
    let response = response.await;
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

/// How many passages the model has embedded in this process.
fn embedded() -> u64 {
    let metrics = metrics().render();
    let line = metrics.lines().find_map(|line| line.strip_prefix("cairn_embeddings_total{from=\"model\"} "));
    line.map_or(0, |number| number.parse().unwrap())
}

#[tokio::test]
async fn every_span_points_into_the_text_that_is_kept_and_given() {
    let sandbox = Sandbox::with_documents();
    let served = Served::start(&sandbox).await;
    let hits = search(&served.app, QUESTION).await;
    assert!(hits.len() > 3);
    for hit in hits {
        let text = served.get(&format!("{TEXTS}/{}", hit.external_id)).await.json();
        assert_eq!(hit.chunk.span.of(text["text"].as_str().unwrap()), hit.chunk.text);
        assert_eq!((&text["title"], &text["version"]), (&json!(hit.title), &json!(hit.version.0)));
        let plain =
            served.http.get(format!("{}{TEXTS}/{}", served.url, hit.external_id)).header("accept", "text/plain");
        assert_eq!(read(plain.send().await.unwrap()).await.body, text["text"]);
        let shown = run(sandbox.cairn(&["documents", "text", &hit.external_id, "--json"])).await;
        assert_eq!(shown.json(), text, "the command line shows the same");
    }
    assert_eq!(served.get(&format!("{TEXTS}/nothing.md")).await.status, 404);
}

#[tokio::test]
async fn a_text_is_kept_as_long_as_its_version_answers() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("a.md", "# A\n\nThe heron waits.\n");
    let id = path.to_str().unwrap().to_owned();
    let app = sandbox.ingested().await;
    assert_eq!(kept(&app, &id, 1).await.as_deref(), Some("# A\n\nThe heron waits.\n"));
    sandbox.write("a.md", "# A\n\nThe heron left.\n");
    sandbox.ingest(&app).await;
    assert_eq!(kept(&app, &id, 1).await, None);
    assert_eq!(kept(&app, &id, 2).await.as_deref(), Some("# A\n\nThe heron left.\n"));
    sandbox.write("a.md", b"\0\0");
    sandbox.ingest(&app).await;
    assert_eq!((kept(&app, &id, 2).await, rows(&app).await[0].state.as_str()), (None, "rejected"));
    sandbox.write("a.md", "# A\n\nThe heron is back.\n");
    sandbox.ingest(&app).await;
    let version = rows(&app).await[0].version;
    assert!(kept(&app, &id, version).await.is_some());
    assert!(app.queue.remove(&default_collection(), &id).await.unwrap());
    assert_eq!(kept(&app, &id, version).await, None);
    assert!(app.ledger.kept_texts(&default_collection()).await.unwrap().is_empty());
}

#[tokio::test]
async fn another_chunk_size_is_made_of_kept_texts_even_where_the_files_are_gone() {
    let sandbox = Sandbox::with_documents();
    let before = run(sandbox.cairn(&["ingest", "docs"])).await;
    assert_eq!(before.code, Some(0), "{before:?}");
    fs::remove_dir_all(sandbox.docs()).unwrap();
    let sandbox = sandbox.with("CAIRN__INGEST__CHUNK_TOKENS_MAX", "40").with("CAIRN__INGEST__HEADING_TOKENS_MAX", "16");
    let refused = run(sandbox.cairn(&["search", QUESTION])).await;
    assert!(refused.stderr.contains("cairn ingest --reprocess"), "{refused:?}");
    let again = run(sandbox.cairn(&["ingest", "--reprocess"])).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stderr.contains("the old index is kept"), "{again:?}");
    let app = sandbox.open().await;
    assert!(rows(&app).await.iter().all(|row| row.state == "indexed"), "{:?}", rows(&app).await);
    let answer = ask(&app, QUESTION).await;
    assert!(answer.text.contains("2525"), "{answer:?}");
    drop(app);
    let nothing = run(sandbox.cairn(&["ingest", "--reprocess", "--json"])).await.json_lines();
    let summary = nothing.last().unwrap();
    assert_eq!((&summary["indexed"], &summary["failed"]), (&json!(0), &json!([])), "{summary}");
}

#[tokio::test]
async fn what_another_version_read_is_read_anew_where_the_file_is_there_and_kept_where_it_is_gone() {
    let sandbox = Sandbox::new();
    let there = sandbox.write("there.json", r#"{"bird": "heron", "place": "the vault"}"#);
    let gone = sandbox.write("gone.json", r#"{"bird": "bittern", "place": "the reeds"}"#);
    drop(sandbox.ingested().await);
    fs::remove_file(&gone).unwrap();
    let sandbox = sandbox.with("CAIRN__EXTRACT__JSON_FIELDS", "bird").with("CAIRN__INGEST__CHUNK_TOKENS_MAX", "128");
    let ended = run(sandbox.cairn(&["ingest", "--reprocess"])).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let app = sandbox.open().await;
    let text = async |path: &std::path::Path| kept(&app, path.to_str().unwrap(), 2).await.unwrap();
    assert!(!text(&there).await.contains("vault"), "it was read anew");
    assert!(text(&gone).await.contains("reeds"), "it can't be");
    assert!(search(&app, "bittern").await[0].chunk.text.contains("reeds"));
}

#[tokio::test]
async fn what_was_embedded_once_is_not_embedded_again_under_another_name_or_in_an_edited_document() {
    let sandbox = Sandbox::new();
    let long: String = (0..30)
        .map(|n| format!("## Part {n}\n\n{}\n\n", format!("Heron {n} waits at the vault. ").repeat(12)))
        .collect();
    sandbox.write("first.md", format!("# Herons\n\n{long}"));
    assert_eq!(embedded(), 0); // It counts from now on.
    let app = sandbox.ingested().await;
    let once = embedded();
    assert!(once >= 30, "{once}");
    fs::rename(sandbox.docs().join("first.md"), sandbox.docs().join("second.md")).unwrap();
    let summary = ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Go).await;
    assert_eq!((summary.indexed, summary.removed), (1, 1));
    assert_eq!(embedded(), once, "a new name is no new text");
    sandbox.write("second.md", format!("# Herons\n\n{}", long.replace("Heron 7 waits", "Heron 7 left")));
    sandbox.ingest(&app).await;
    let edited = embedded();
    assert!(edited > once && edited <= once + 3, "{once} {edited}");
    assert!(search(&app, "Which heron left the vault?").await[0].chunk.text.contains("Heron 7 left"));
}

#[tokio::test]
async fn no_token_of_any_text_is_kept_from_the_model() {
    let sandbox = Sandbox::new();
    let base64 = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo".repeat(3000);
    sandbox.write("key.txt", &base64);
    sandbox.write("words.txt", "antidisestablishmentarianism ".repeat(3000));
    sandbox.write("chinese.txt", "水力发电站在夏天供电".repeat(2000));
    sandbox.write("table.csv", format!("name,value\n{}", "Größe,12345678901234567890\n".repeat(2000)));
    assert_eq!(embedded(), 0); // It counts from now on.
    let app = sandbox.open().await;
    assert_eq!(sandbox.ingest(&app).await.indexed, 4);
    assert!(embedded() > 100);
    let metrics = metrics().render();
    assert!(metrics.lines().any(|line| line == "cairn_embedding_tokens_cut_total 0"), "{metrics}");
}

#[tokio::test]
async fn a_cache_of_vectors_that_is_damaged_is_begun_anew() {
    let sandbox = Sandbox::with_documents();
    fs::create_dir_all(sandbox.path("data")).unwrap();
    fs::write(sandbox.path("data/vectors.sqlite"), "no database".repeat(1000)).unwrap();
    let app = sandbox.ingested().await;
    assert!(ask(&app, QUESTION).await.text.contains("2525"));
}

#[tokio::test]
async fn what_is_said_of_a_document_is_in_its_hits_and_changes_without_a_new_version() {
    let sandbox = Sandbox::new();
    sandbox.write("a.md", "---\ntags: [birds, vault]\ndate: 2024-05-31\nlang: en\n---\n# A\n\nThe heron waits.\n");
    let app = sandbox.ingested().await;
    let metadata = search(&app, "heron").await.remove(0).metadata;
    assert_eq!(metadata.tags.iter().map(String::as_str).collect::<Vec<_>>(), ["birds", "vault"]);
    assert_eq!((metadata.date, metadata.language.as_deref()), (Some(1_717_113_600), Some("en")));
    sandbox.write("a.md.meta.toml", "tags = ['herons']\ntitle = 'The heron'\n");
    sandbox.ingest(&app).await;
    let hit = search(&app, "heron").await.remove(0);
    assert_eq!((hit.metadata.tags.first().unwrap().as_str(), hit.title.as_str()), ("herons", "The heron"));

    let served = Served::of(app).await;
    let said = "?wait=indexed&tags=x,y&date=2025-01-01&language=de";
    let url = format!("{}{DOCUMENTS}/up.txt{said}", served.url);
    let put = read(served.http.put(url).body("The bittern sleeps.").send().await.unwrap()).await;
    assert_eq!(put.json()["document"]["tags"], json!(["x", "y"]), "{put:?}");
    let body = json!({ "tags": ["z"], "allow": ["staff"] });
    let patched = send(&served, Method::PATCH, &format!("{DOCUMENTS}/up.txt"), &body).await;
    let document = &patched["document"];
    assert_eq!((&document["tags"], &document["version"]), (&json!(["z"]), &json!(1)));
    assert_eq!((&document["date"], &document["language"]), (&json!("2025-01-01T00:00:00Z"), &json!("de")));
    assert_eq!(document["allow"], json!(["staff"]));
    let hits = search(&served.app, "bittern").await;
    let hit = hits.iter().find(|hit| hit.external_id == "up.txt").unwrap();
    assert_eq!((hit.metadata.tags.len(), hit.metadata.date), (1, Some(1_735_689_600)));
    let wrong =
        read(served.http.put(format!("{}{DOCUMENTS}/b.txt?date=soon", served.url)).body("x").send().await.unwrap());
    assert_eq!(wrong.await.status, 400);
}

#[tokio::test]
async fn documents_of_nearly_the_same_text_are_named_and_the_newest_answers() {
    let sandbox = Sandbox::new();
    let manual = |port: &str| {
        let words: String = (0..60).map(|n| format!("Step {n} of the set-up names drawer {n}. ")).collect();
        format!("# Set-up\n\nKestrel listens for mail on port {port}, and on no other port than that.\n\n{words}\n")
    };
    sandbox.write("manual-1.md", format!("---\ndate: 2020-01-01\n---\n{}", manual("25")));
    sandbox.write("manual-2.md", format!("---\ndate: 2025-01-01\n---\n{}", manual("2525")));
    sandbox
        .write("other.md", "# Other\n\nNothing here speaks of that, and it is about the weather at the coast only.\n");
    let app = sandbox.ingested().await;
    let id = sandbox.docs().join("manual-1.md").to_str().unwrap().to_owned();
    let near = near(&app.ledger, DocumentId::new(&default_collection(), &id), Sight::All).await.unwrap();
    assert_eq!(near.len(), 1, "{near:?}");
    assert!(near[0].external_id.ends_with("manual-2.md") && near[0].similarity >= 0.8, "{near:?}");
    let answer = ask(&app, "On which port does Kestrel listen for mail?").await;
    assert!(answer.text.contains("2525") && !answer.text.contains("port 25,"), "{answer:?}");
    drop(app);
    let shown = run(sandbox.cairn(&["documents", "show", &id])).await.stdout;
    assert!(shown.contains("manual-2.md") && shown.contains("% the same"), "{shown}");
}

#[tokio::test]
async fn what_could_not_be_read_of_a_document_is_told_wherever_it_is_shown() {
    use std::io::Write;
    let sandbox = Sandbox::new();
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in [("a.md", b"# A\n\nThe heron waits.\n".as_slice()), ("a.png", b"\x89PNG\r\n\x1a\n")] {
        archive.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    let path = sandbox.write("a.zip", archive.finish().unwrap().into_inner());
    let served = Served::start(&sandbox).await;
    let document = served.get(&format!("{DOCUMENTS}/{}", path.display())).await.json();
    assert_eq!(document["notices"][0]["code"], "other_members", "{document}");
    let shown = run(sandbox.cairn(&["documents", "show", path.to_str().unwrap()])).await.stdout;
    assert!(shown.contains("1 member is no document"), "{shown}");
    let read = run(sandbox.cairn(&["text", "docs/a.zip", "--json"])).await.json_lines().remove(0);
    assert!(read["text"].as_str().unwrap().contains("The heron waits."), "{read}");
    assert!(read["peak_bytes"].as_u64().unwrap() > 1 << 20, "{read}");
}
