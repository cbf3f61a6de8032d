//! An index that moves: there and back, interrupted, and a copy that is not one.
//!
//! The library moves between two stores in this process, whose points are made by hand.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cairn::caller::{Allow, Caller};
use cairn::config::{Config, Environment};
use cairn::document::{Chunk, CollectionName, DocumentId, Metadata, Span, Version};
use cairn::embed::SparseEmbedder;
use cairn::error::Class;
use cairn::ledger::{Content, IndexedAs, Ledger};
use cairn::migrate::{Event, MigrateError, Migration};
use cairn::store::{EdgeStore, Filter, Point, Query, VectorStore};
use tempfile::TempDir;
use tokio::sync::Notify;

use crate::harness::corpus::{self, Corpus};
use crate::harness::{Sandbox, search, temporary_folder, use_store};
use crate::qdrant::OnServer;
use crate::store_contract::{FINGERPRINT, Place};

const DIMENSIONS: usize = 4;
/// Of the real embedding model.
const MODEL_DIMENSIONS: usize = 384;
/// Documents of a test, and chunks of each: more than a few pages.
const DOCUMENTS: u32 = 90;
const CHUNKS: u32 = 10;
/// Of the corpus, where real ones are moved.
const REAL_CHUNKS: u32 = 20_000;

#[tokio::test]
async fn there_and_back_leaves_the_same_points_and_the_same_documents_indexed() {
    let bench = Bench::new().await;
    let collections = [name("a"), name("b")];
    for collection in &collections {
        bench.fill(collection).await;
    }
    let (there, back) = (bench.there(), bench.back());
    let before = everything(&bench.first, &collections).await;
    assert_eq!(indexed(&there.plan(&[]).await.unwrap()), [("a", DOCUMENTS), ("b", DOCUMENTS)]);
    for collection in &collections {
        let moved = there.run(collection, &|_| {}).await.unwrap();
        assert_eq!(moved.documents, u64::from(DOCUMENTS));
        assert_eq!(moved.verified.chunks, (DOCUMENTS * CHUNKS) as usize);
        assert_eq!(moved.verified.searches, 50);
    }
    assert_eq!(everything(&bench.second, &collections).await, before);
    assert_eq!(everything(&bench.first, &collections).await, before, "the source is only read");
    assert!(!bench.note().exists(), "nothing is under way");
    assert_eq!(there.plan(&collections).await.unwrap(), [], "what was moved is not moved again");

    // What happens meanwhile must come back as well: a document goes, another is for fewer people.
    let (gone, hidden) = (document(&collections[0], 3), document(&collections[0], 4));
    bench.second.delete_document(gone).await.unwrap();
    bench.ledger.remove(gone).await.unwrap();
    bench.second.describe(hidden, &["staff".parse().unwrap()].into(), &Metadata::default()).await.unwrap();
    let changed = everything(&bench.second, &collections).await;
    assert_ne!(changed, before);
    let plan = back.plan(&[]).await.unwrap();
    assert_eq!(indexed(&plan), [("a", DOCUMENTS - 1), ("b", DOCUMENTS)]);
    assert_eq!(plan[0].chunks_in_target, (DOCUMENTS * CHUNKS) as usize);
    for collection in &collections {
        back.run(collection, &|_| {}).await.unwrap();
    }
    assert_eq!(everything(&bench.first, &collections).await, changed);
}

#[tokio::test]
async fn what_was_interrupted_goes_on_where_it_was() {
    let bench = Bench::new().await;
    let collection = name("a");
    bench.fill(&collection).await;
    let total = (DOCUMENTS * CHUNKS) as usize;
    let (pages, enough, there) = (AtomicUsize::new(0), Notify::new(), bench.there());
    let stop_after_two = |event: Event| {
        if matches!(event, Event::Copied(_)) && pages.fetch_add(1, Ordering::Relaxed) == 1 {
            enough.notify_one();
        }
    };
    tokio::select! {
        biased;
        () = enough.notified() => {}
        moved = there.run(&collection, &stop_after_two) => panic!("it was not interrupted: {moved:?}"),
    }
    assert_eq!(indexed(&there.plan(&[]).await.unwrap()), [("a", DOCUMENTS)], "half a copy counts for nothing");
    assert!(bench.note().exists());
    let (resumed, copied) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let watch = |event: Event| match event {
        Event::Resumed(chunks) => resumed.store(chunks, Ordering::Relaxed),
        Event::Copied(chunks) => drop(copied.fetch_add(chunks, Ordering::Relaxed)),
        Event::Cleared(_) => panic!("what is copied stays"),
        Event::Optimizing | Event::Compared(_) => {}
    };
    there.run(&collection, &watch).await.unwrap();
    assert!(resumed.load(Ordering::Relaxed) > 0, "the first pages are not copied again");
    assert_eq!(resumed.into_inner() + copied.into_inner(), total);
    let collections = [collection];
    assert_eq!(everything(&bench.second, &collections).await, everything(&bench.first, &collections).await);
}

#[tokio::test]
async fn a_source_that_changed_during_an_interruption_is_noticed_and_the_next_run_arrives() {
    let bench = Bench::new().await;
    let collection = name("a");
    bench.fill(&collection).await;
    let there = bench.there();
    there.copy(&collection, &|_| {}).await.unwrap();
    bench
        .first
        .describe(document(&collection, 7), &["staff".parse().unwrap()].into(), &Metadata::default())
        .await
        .unwrap();
    let error = there.run(&collection, &|_| {}).await.unwrap_err();
    assert!(matches!(error, MigrateError::Differs { .. }), "{error}");
    assert!(error.to_string().contains("doc-7 "), "{error}");
    there.run(&collection, &|_| {}).await.unwrap();
    let collections = [collection];
    assert_eq!(everything(&bench.second, &collections).await, everything(&bench.first, &collections).await);
}

#[tokio::test]
async fn a_copy_that_lacks_a_document_or_shows_it_to_others_is_no_copy() {
    let bench = Bench::new().await;
    let collection = name("a");
    bench.fill(&collection).await;
    let there = bench.there();
    there.copy(&collection, &|_| {}).await.unwrap();
    there.verify(&collection, &|_| {}).await.unwrap();
    let lost = document(&collection, 5);
    bench.second.delete_document(lost).await.unwrap();
    let error = there.verify(&collection, &|_| {}).await.unwrap_err();
    assert_eq!(error.class(), Class::Internal);
    assert!(error.to_string().contains("it has 900 chunks, and the copy 890"), "{error}");

    // As many, but others.
    bench.second.upsert((0..CHUNKS).map(|n| point(&collection, DOCUMENTS, n)).collect()).await.unwrap();
    let error = there.verify(&collection, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("the copy lacks chunk") || error.contains("the copy alone has chunk"), "{error}");

    bench.second.delete_document(document(&collection, DOCUMENTS)).await.unwrap();
    bench.second.upsert((0..CHUNKS).map(|n| point(&collection, 5, n)).collect()).await.unwrap();
    there.verify(&collection, &|_| {}).await.unwrap();
    bench.second.describe(document(&collection, 6), &Allow::new(), &Metadata::default()).await.unwrap();
    let error = there.verify(&collection, &|_| {}).await.unwrap_err().to_string();
    assert!(error.contains("of doc-6 is another in the copy"), "{error}");
    assert_eq!(indexed(&there.plan(&[]).await.unwrap()), [("a", DOCUMENTS)], "nothing counts as moved");
}

#[tokio::test]
async fn a_collection_that_is_in_neither_or_in_both_is_refused_with_a_way_out() {
    let bench = Bench::new().await;
    let collection = name("a");
    bench.fill(&collection).await;
    let there = bench.there();
    let error = there.plan(&[name("nowhere")]).await.unwrap_err();
    assert_eq!(error.class(), Class::NotFound);
    bench.note_indexed(&collection, "doc-new", bench.second.generation()).await;
    let error = there.plan(&[]).await.unwrap_err();
    assert_eq!(error.class(), Class::Invalid);
    assert!(error.to_string().contains("cairn ingest"), "{error}");
}

#[tokio::test]
async fn after_a_move_every_document_is_unchanged_and_found_as_before_in_both_directions() {
    let sandbox = Sandbox::with_documents();
    let mut app = sandbox.ingested().await;
    let other = EdgeStore::open(&sandbox.path("other"), "any", MODEL_DIMENSIONS, &app.config.store).await.unwrap();
    let other: Arc<dyn VectorStore> = Arc::new(other);
    let (first, documents) = (Arc::clone(&app.store), sandbox.ingest(&app).await.unchanged);
    assert!(documents > 3);
    let found = async |app: &_| -> BTreeSet<(DocumentId, u32)> {
        search(app, "Which port?").await.iter().map(|hit| (hit.document, hit.chunk.ordinal)).collect()
    };
    let before = found(&app).await;
    assert!(before.len() > 3);
    for (from, to) in [(&first, &other), (&other, &first)] {
        let note = sandbox.path("note");
        let migration = Migration { from: from.as_ref(), to: to.as_ref(), ledger: &app.ledger, note };
        let plan = migration.plan(&[]).await.unwrap();
        let moved = migration.run(&plan[0].collection, &|_| {}).await.unwrap();
        assert_eq!(moved.documents, documents as u64);
        use_store(&mut app, to);
        let summary = sandbox.ingest(&app).await;
        assert_eq!((summary.unchanged, summary.indexed), (documents, 0));
    }
    assert_eq!(found(&app).await, before);
}

#[tokio::test]
async fn twenty_thousand_real_chunks_are_found_alike_on_a_server_and_back() {
    let corpus = Corpus::read().await;
    let (folder, server, bench) =
        (temporary_folder(), OnServer::chosen().await.of_dimensions(corpus.dimensions), Bench::new().await);
    let config = config(&folder);
    let open = async |name: &str| {
        EdgeStore::open(&folder.path().join(name), FINGERPRINT, corpus.dimensions, &config.store).await.unwrap()
    };
    let (first, there, back) = (open("first").await, server.open(FINGERPRINT).await.unwrap(), open("back").await);
    let collection = name("comments");
    let documents: Vec<u32> = (0..REAL_CHUNKS / CHUNKS).collect();
    for document in &documents {
        first.upsert((0..CHUNKS).map(|ordinal| real_point(&corpus, *document, ordinal)).collect()).await.unwrap();
        bench.note_indexed(&collection, &format!("doc-{document}"), first.generation()).await;
    }
    first.optimize().await.unwrap();
    let before = answers(&first, &corpus).await;
    let stores: [&dyn VectorStore; 3] = [&first, &there, &back];
    for (from, to) in stores.iter().zip(&stores[1..]) {
        let migration = Migration { from: *from, to: *to, ledger: &bench.ledger, note: bench.note() };
        let moved = migration.run(&collection, &|_| {}).await.unwrap();
        assert_eq!(moved.verified.chunks, REAL_CHUNKS as usize);
        assert_eq!(moved.verified.searches_same, moved.verified.searches);
        for (here, there) in before.iter().zip(answers(*to, &corpus).await) {
            assert_eq!(*here, there);
        }
    }
}

/// What a search for each question finds, word by word.
async fn answers(store: &dyn VectorStore, corpus: &Corpus) -> Vec<Vec<String>> {
    let (scope, words) = (Caller::local().scope(&name("comments")).unwrap(), SparseEmbedder::new());
    let mut answers = Vec::new();
    for n in corpus::CHUNKS..corpus::CHUNKS + corpus::QUESTIONS {
        let query = Query {
            dense: corpus.vectors().row(n).to_vec(),
            sparse: words.question(&corpus.texts[n]),
            filter: Filter::default(),
            candidates: 50,
            rank_constant: 2,
            limit: 10,
        };
        let hits = store.search(&scope, query).await.unwrap();
        assert_eq!(hits.len(), 10);
        answers.push(
            hits.iter().map(|hit| format!("{} {} {:.4}", hit.external_id, hit.chunk.ordinal, hit.score)).collect(),
        );
    }
    answers
}

fn real_point(corpus: &Corpus, number: u32, ordinal: u32) -> Point {
    let n = (number * CHUNKS + ordinal) as usize;
    let made = point(&name("comments"), 0, ordinal);
    Point {
        document: document(&name("comments"), number),
        external_id: format!("doc-{number}"),
        dense: corpus.vectors().row(n).to_vec(),
        sparse: SparseEmbedder::new().passage(&corpus.texts[n]),
        chunk: Chunk {
            span: Span { start: 0, end: corpus.texts[n].len() },
            text: corpus.texts[n].clone(),
            ..made.chunk
        },
        ..made
    }
}

/// Two empty stores and a ledger.
struct Bench {
    folder: TempDir,
    ledger: Ledger,
    first: EdgeStore,
    second: EdgeStore,
}

impl Bench {
    async fn new() -> Self {
        let folder = temporary_folder();
        let config = config(&folder);
        let open = async |name: &str| {
            EdgeStore::open(&folder.path().join(name), "by hand", DIMENSIONS, &config.store).await.unwrap()
        };
        let (first, second) = (open("first").await, open("second").await);
        let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
        Self { folder, ledger, first, second }
    }

    fn there(&self) -> Migration<'_> {
        Migration { from: &self.first, to: &self.second, ledger: &self.ledger, note: self.note() }
    }

    fn back(&self) -> Migration<'_> {
        Migration { from: &self.second, to: &self.first, ledger: &self.ledger, note: self.note() }
    }

    fn note(&self) -> PathBuf {
        self.folder.path().join("migration")
    }

    /// Indexes the documents of a collection in the first store, as the ledger and the store are told by an ingest.
    async fn fill(&self, collection: &CollectionName) {
        for number in 0..DOCUMENTS {
            let points = (0..CHUNKS).map(|ordinal| point(collection, number, ordinal)).collect();
            self.first.upsert(points).await.unwrap();
            self.note_indexed(collection, &format!("doc-{number}"), self.first.generation()).await;
        }
    }

    async fn note_indexed(&self, collection: &CollectionName, external_id: &str, generation: &str) {
        let document = DocumentId::new(collection, external_id);
        self.ledger.queue(collection, &[external_id]).await.unwrap();
        let known = self.ledger.known(document).await.unwrap();
        let content =
            Content { hash: "content", text_hash: "text", allow: &Allow::new(), metadata: &Metadata::default() };
        self.ledger.claim(document, &known, content, generation).await.unwrap();
        let indexed = IndexedAs { title: "Title", chunks: CHUNKS as usize, notices: "[]" };
        self.ledger.commit(document, indexed).await.unwrap();
    }
}

fn config(folder: &TempDir) -> Config {
    let file = folder.path().join("empty.toml");
    fs::write(&file, "").unwrap();
    let environment = Environment::from([("HOME".to_owned(), "/nonexistent".to_owned())]);
    Config::from_layers(Some(&file), &environment, &[]).unwrap()
}

fn name(collection: &str) -> CollectionName {
    collection.parse().unwrap()
}

fn document(collection: &CollectionName, number: u32) -> DocumentId {
    DocumentId::new(collection, &format!("doc-{number}"))
}

/// Each with its own direction and its own words; the last chunk of a document has no word to search for.
fn point(collection: &CollectionName, number: u32, ordinal: u32) -> Point {
    let text = match ordinal {
        9 => "— 。".to_owned(),
        _ => format!("kestrel number{number} relay{ordinal} {}", "mail ".repeat(1 + number as usize % 7)),
    };
    let angle = f32::from(u16::try_from(number * CHUNKS + ordinal).unwrap()) / 150.0;
    Point {
        collection: collection.clone(),
        document: document(collection, number),
        version: Version(1),
        external_id: format!("doc-{number}"),
        title: format!("Title of {number}"),
        allow: if number.is_multiple_of(3) {
            ["ops".parse().unwrap(), "staff".parse().unwrap()].into()
        } else {
            Allow::new()
        },
        metadata: Metadata { tags: ["a".into()].into(), date: Some(i64::from(ordinal)), language: None },
        chunk: Chunk {
            ordinal,
            span: Span { start: 0, end: text.len() },
            page: None,
            headings: vec!["Guide".into(), "Größe".into()],
            table_head: None,
            text: text.clone(),
        },
        dense: vec![angle.cos(), angle.sin(), 0.1, f32::from(number.is_multiple_of(2))],
        sparse: SparseEmbedder::new().passage(&text),
    }
}

/// Every point of these collections, word by word.
async fn everything(store: &EdgeStore, collections: &[CollectionName]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for collection in collections {
        let points = store.export(collection, None, 10_000).await.unwrap();
        assert_eq!(points.len(), store.count(&Caller::local().scope(collection).unwrap()).await.unwrap().chunks);
        for (id, mut point) in points {
            let words = point.sparse.indices.iter().zip(&point.sparse.values);
            let words: BTreeSet<String> = words.map(|(index, value)| format!("{index} {value:.4}")).collect();
            let dense: Vec<String> = point.dense.iter().map(|number| format!("{number:.4}")).collect();
            (point.dense, point.sparse.indices, point.sparse.values) = (vec![], vec![], vec![]);
            all.insert(format!("{id} {point:?} {dense:?} {words:?}"));
        }
    }
    all
}

fn indexed(plan: &[cairn::migrate::Planned]) -> Vec<(&str, u32)> {
    plan.iter().map(|planned| (planned.collection.as_str(), u32::try_from(planned.documents).unwrap())).collect()
}
