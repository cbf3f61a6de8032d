//! Path 1: what becomes of the chunks when a document comes, changes, breaks or goes.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use cairn::app::{App, AppError};
use cairn::embed::TokenCounter;
use cairn::error::Class;
use cairn::ingest::chunk::{ChunkLimits, Chunker, embedded_text};
use cairn::ingest::source::{self, SourceLimits};

use super::extracted;
use crate::embedder_contract::{Fault, endpoint};
use crate::harness::{
    ANSWER, MODEL, QUESTION, Sandbox, Vanished, ask, chunk_count, default_collection, file_of, ingest, models_dir,
    repository, rows, search,
};

#[tokio::test]
async fn an_unchanged_document_is_not_embedded_again() {
    let sandbox = Sandbox::with_documents();
    let app = sandbox.open().await;
    let first = sandbox.ingest(&app).await;
    assert_eq!((first.indexed, first.unchanged, first.failed.len()), (6, 0, 0), "{first:?}");
    assert!(first.chunks > 6);
    assert_eq!(chunk_count(&app).await, first.chunks);
    let second = sandbox.ingest(&app).await;
    assert_eq!((second.indexed, second.unchanged, second.chunks), (0, 6, 0), "{second:?}");
    // Neither is one whose file was only touched, nor is any of them after a restart.
    let path = sandbox.docs().join("network.md");
    fs::write(&path, fs::read(&path).unwrap()).unwrap();
    drop(app);
    let app = sandbox.open().await;
    let third = sandbox.ingest(&app).await;
    assert_eq!((third.indexed, third.unchanged, third.chunks), (0, 6, 0), "{third:?}");
    assert_eq!(chunk_count(&app).await, first.chunks);
}

#[tokio::test]
async fn a_changed_document_leaves_no_old_chunks() {
    let sandbox = Sandbox::new();
    sandbox.write("ports.md", "# Ports\n\nThe mail port is 2525.\n\n## Metrics\n\nThe metrics port is 9180.\n");
    sandbox.write("other.md", "# Colours\n\nThe door of the office is green.\n");
    let app = sandbox.ingested().await;
    sandbox.write("ports.md", "# Ports\n\nThe mail port is 4242.\n");
    let summary = sandbox.ingest(&app).await;
    assert_eq!((summary.indexed, summary.unchanged), (1, 1));
    let hits = search(&app, "mail port").await;
    let ports: Vec<_> = hits.iter().filter(|hit| file_of(hit) == "ports.md").collect();
    assert_eq!(ports.len(), 1, "{ports:?}");
    assert!(ports[0].chunk.text.contains("4242"));
    assert_eq!(ports[0].version.0, 2);
    assert!(hits.iter().all(|hit| !hit.chunk.text.contains("2525") && !hit.chunk.text.contains("9180")));
    assert_eq!(chunk_count(&app).await, hits.len());
    // And back again: an old content is a new version.
    sandbox.write("ports.md", "# Ports\n\nThe mail port is 2525.\n");
    sandbox.ingest(&app).await;
    let hits = search(&app, "mail port").await;
    assert!(hits.iter().any(|hit| hit.chunk.text.contains("2525") && hit.version.0 == 3), "{hits:?}");
    assert!(hits.iter().all(|hit| !hit.chunk.text.contains("4242")));
}

#[tokio::test]
async fn a_document_that_became_empty_has_no_chunks_left() {
    let sandbox = Sandbox::new();
    sandbox.write("note.md", "# Note\n\nThe key lies under the mat.\n");
    let app = sandbox.ingested().await;
    sandbox.write("note.md", "");
    let summary = sandbox.ingest(&app).await;
    assert_eq!((summary.indexed, summary.failed.len()), (1, 0), "{summary:?}");
    assert_eq!(search(&app, "Where is the key?").await, []);
    assert_eq!(sandbox.ingest(&app).await.unchanged, 1);
}

#[tokio::test]
async fn a_document_that_vanished_stays_until_it_is_pruned() {
    let sandbox = Sandbox::with_documents();
    let app = sandbox.ingested().await;
    let chunks = chunk_count(&app).await;
    fs::remove_file(sandbox.docs().join("backup.md")).unwrap();
    let summary = sandbox.ingest(&app).await;
    assert_eq!((summary.unchanged, summary.removed), (5, 0));
    assert_eq!(chunk_count(&app).await, chunks);
    let summary = ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Go).await;
    assert_eq!((summary.unchanged, summary.removed), (5, 1));
    assert!(search(&app, "restore a backup").await.iter().all(|hit| file_of(hit) != "backup.md"));
    assert!(rows(&app).await.iter().all(|row| !row.external_id.ends_with("backup.md")));
    assert!(chunk_count(&app).await < chunks);
}

#[tokio::test]
async fn pruning_a_folder_touches_nothing_outside_it_and_no_other_collection() {
    let sandbox = Sandbox::new();
    sandbox.write("a/one.md", "Text one about apples.");
    sandbox.write("ab/two.md", "Text two about pears.");
    let app = sandbox.ingested().await;
    let other = "other".parse().unwrap();
    ingest(&app, &other, &[sandbox.docs()], Vanished::Stay).await;
    fs::remove_dir_all(sandbox.docs().join("ab")).unwrap();
    fs::remove_file(sandbox.docs().join("a/one.md")).unwrap();
    let removed = ingest(&app, &default_collection(), &[sandbox.docs().join("a")], Vanished::Go).await.removed;
    assert_eq!(removed, 1, "`ab` is not below `a`");
    assert_eq!(rows(&app).await.len(), 1);
    assert_eq!(app.ledger.documents(&other).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_document_in_a_folder_whose_name_is_no_utf8_is_still_there_after_a_prune() {
    let sandbox = Sandbox::new();
    let folder = sandbox.docs().join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("machine.md"), "The coffee machine is in the cellar.").unwrap();
    let app = sandbox.open().await;
    let summary = ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Go).await;
    assert_eq!((summary.indexed, summary.removed), (1, 0), "{summary:?}");
    assert_eq!(search(&app, "coffee").await.len(), 1);
}

#[tokio::test]
async fn a_document_that_became_binary_no_longer_answers() {
    let sandbox = Sandbox::with_documents();
    let app = sandbox.ingested().await;
    assert!(ask(&app, QUESTION).await.text.contains(ANSWER));
    let picture = sandbox.write("network.md", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    for _ in 0..2 {
        let summary = sandbox.ingest(&app).await;
        assert_eq!((summary.unchanged, summary.failed.len()), (5, 1), "it fails anew each time: {summary:?}");
        assert_eq!(Path::new(&summary.failed[0].path), picture);
        assert!(summary.failed[0].reason.contains("image/png"), "{summary:?}");
        assert!(search(&app, QUESTION).await.iter().all(|hit| file_of(hit) != "network.md"));
        assert!(!ask(&app, QUESTION).await.text.contains(ANSWER));
        let row = rows(&app).await.into_iter().find(|row| row.external_id.ends_with("network.md")).unwrap();
        assert_eq!((row.state.as_str(), row.chunks), ("rejected", 0));
        assert!(row.reason.contains("image/png"));
    }
    fs::copy(crate::harness::fixtures().join("kestrel/network.md"), picture).unwrap();
    assert_eq!(sandbox.ingest(&app).await.indexed, 1);
    assert!(ask(&app, QUESTION).await.text.contains(ANSWER), "mended, it answers again");
}

#[tokio::test]
async fn one_documents_failure_is_that_documents_only() {
    let sandbox = Sandbox::with_documents().with("CAIRN__INGEST__FILE_BYTES_MAX", "4 KiB");
    sandbox.write("picture.md", b"\0\0\0\0");
    sandbox.write("large.txt", "x".repeat(5000));
    sandbox.write("photo.png", "not read at all");
    let app = sandbox.open().await;
    let gone = sandbox.docs().join("never-there.md");
    let paths = [sandbox.docs(), gone.clone()];
    let summary = ingest(&app, &default_collection(), &paths, Vanished::Stay).await;
    assert_eq!((summary.indexed, summary.skipped), (6, 1), "{summary:?}");
    let reason = |path: &Path| -> String {
        summary.failed.iter().find(|failure| Path::new(&failure.path) == path).unwrap().reason.clone()
    };
    assert_eq!(summary.failed.len(), 3, "{summary:?}");
    assert!(reason(&sandbox.docs().join("picture.md")).contains("not text"));
    assert!(reason(&sandbox.docs().join("large.txt")).contains("ingest.file_bytes_max (4096)"));
    assert!(reason(&gone).contains("does not exist"));
}

#[tokio::test]
async fn with_a_disk_that_is_nearly_full_nothing_is_written_and_questions_are_still_answered() {
    let sandbox = Sandbox::with_documents();
    drop(sandbox.ingested().await);
    sandbox.write("new.md", "# New\n\nThe door of the office is green.\n");
    fs::remove_file(sandbox.docs().join("faq.html")).unwrap();
    let sandbox = sandbox.with("CAIRN__STORE__FREE_SPACE_MIN", "900 TiB");
    let app = sandbox.open().await;
    let summary = ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Go).await;
    assert_eq!((summary.indexed, summary.unchanged, summary.failed.len()), (0, 5, 1), "{summary:?}");
    assert!(summary.failed[0].reason.contains("store.free_space_min"), "{summary:?}");
    assert_eq!(summary.removed, 1, "what makes room is still done");
    assert!(ask(&app, QUESTION).await.text.contains(ANSWER));
    drop(app);
    let app = sandbox.with("CAIRN__STORE__FREE_SPACE_MIN", "1 MiB").ingested().await;
    assert!(search(&app, "office door").await.iter().any(|hit| file_of(hit) == "new.md"), "with room, it comes in");
}

#[tokio::test]
async fn questions_are_answered_while_documents_come_in() {
    let sandbox = Sandbox::with_documents();
    let app = sandbox.ingested().await;
    for number in 0..20 {
        sandbox.write(&format!("new/{number}.md"), format!("# Bird {number}\n\n{}", "It sings. ".repeat(60)));
    }
    let asking = async {
        for _ in 0..5 {
            assert!(ask(&app, QUESTION).await.text.contains(ANSWER));
        }
    };
    let (summary, ()) = tokio::join!(sandbox.ingest(&app), asking);
    assert_eq!((summary.indexed, summary.unchanged), (20, 6));
}

#[tokio::test]
async fn an_index_can_be_made_and_asked_through_an_embedding_endpoint() {
    let base_url = endpoint(Fault::None).await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__EMBED__BASE_URL", &base_url)
        .with("CAIRN__EMBED__MODEL", "minilm")
        .with("CAIRN__EMBED__DIMENSIONS", "384");
    let app = sandbox.ingested().await;
    assert!(ask(&app, QUESTION).await.text.contains(ANSWER));
    drop(app);
    // Its vectors are not those of a local model, as far as anybody knows.
    let Err(error) =
        App::open(sandbox.with("CAIRN__EMBED__BASE_URL", "").with("CAIRN__EMBED__MODEL", MODEL).config()).await
    else {
        panic!("another embedder is another index")
    };
    assert!(error.to_string().contains("cairn ingest --rebuild"), "{error}");
}

#[tokio::test]
async fn an_embedding_endpoint_that_fails_fails_the_document_and_not_the_run() {
    let base_url = endpoint(Fault::Garbage).await;
    let sandbox =
        Sandbox::with_documents().with("CAIRN__EMBED__BASE_URL", &base_url).with("CAIRN__EMBED__DIMENSIONS", "384");
    let app = sandbox.open().await;
    let summary = sandbox.ingest(&app).await;
    assert_eq!((summary.indexed, summary.failed.len()), (0, 6), "{summary:?}");
    assert!(summary.failed.iter().all(|failure| failure.reason.contains(&base_url)), "{summary:?}");
    assert!(rows(&app).await.iter().all(|row| row.state != "indexed" && row.chunks == 0));
}

#[tokio::test]
async fn front_matter_names_the_document_and_is_not_searched() {
    let sandbox = Sandbox::with_documents();
    let app = sandbox.ingested().await;
    let hits = search(&app, "Installing Kestrel from source").await;
    let hit = hits.iter().find(|hit| file_of(hit) == "install.md").unwrap();
    assert_eq!(hit.title, "Installing Kestrel");
    assert!(hits.iter().all(|hit| !hit.chunk.text.contains("title:") && !hit.chunk.text.starts_with("---")));
}

#[tokio::test]
async fn an_index_made_with_other_settings_is_refused_with_a_way_out() {
    let sandbox = Sandbox::with_documents();
    drop(sandbox.ingested().await);
    let sandbox = sandbox.with("CAIRN__INGEST__CHUNK_TOKENS_MAX", "128");
    let Err(error) = App::open(sandbox.config()).await else { panic!("128 tokens are not 256 tokens") };
    let AppError::Store(store) = &error else { panic!("{error}") };
    assert_eq!(store.class(), Class::Invalid);
    assert!(error.to_string().contains("cairn ingest --rebuild"), "{error}");
    assert!(error.to_string().contains("256 tokens") && error.to_string().contains("128 tokens"), "{error}");
}

#[tokio::test]
async fn every_chunk_of_our_own_docs_and_source_keeps_the_laws_under_the_real_tokenizer() {
    const CHUNK_TOKENS_MAX: usize = 256;
    let tokens = TokenCounter::load(&models_dir().join(MODEL).join("tokenizer.json"))
        .unwrap_or_else(|error| panic!("{error}: run `scripts/fetch`"));
    let limits = ChunkLimits { chunk_tokens_max: CHUNK_TOKENS_MAX, heading_tokens_max: 64 };
    let chunker = Chunker::new(tokens.clone(), limits);
    let folders = ["docs", "src", "tests/fixtures"].map(|folder| repository().join(folder));
    let walk = source::walk(&folders, &SourceLimits { file_bytes_max: 1 << 20 });
    assert!(walk.problems.is_empty(), "{:?}", walk.problems);
    let mut chunks = 0;
    for found in walk.found {
        let extracted = extracted(found.path.to_str().unwrap());
        let title = extracted.title.clone().unwrap_or_default();
        let mut covered = 0;
        for chunk in chunker.split(&title, &extracted) {
            chunks += 1;
            assert_eq!(chunk.span.of(&extracted.text), chunk.text);
            assert!(covered <= chunk.span.start, "chunks don't overlap");
            assert_eq!(extracted.text[covered..chunk.span.start].trim(), "", "nothing is left out");
            covered = chunk.span.end;
            let length = tokens.count(&embedded_text(&title, &chunk)) + tokens.special_tokens();
            assert!(length <= CHUNK_TOKENS_MAX, "{length} tokens in {}: {chunk:?}", found.path.display());
        }
        assert_eq!(extracted.text[covered..].trim(), "", "nothing is left out");
    }
    assert!(chunks > 200, "{chunks}");
}

#[tokio::test]
async fn what_is_stored_is_what_stands_at_its_span_in_the_document() {
    let sandbox = Sandbox::with_documents();
    let app = sandbox.ingested().await;
    let hits = search(&app, "Kestrel").await;
    assert_eq!(hits.len(), chunk_count(&app).await);
    for hit in hits {
        assert_eq!(hit.chunk.span.of(&extracted(&hit.external_id).text), hit.chunk.text);
    }
}
