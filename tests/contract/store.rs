//! The contract of `VectorStore`, against each implementation: the one in this process and the one on a server.
//!
//! A suite takes a [`Place`], which opens the same index as often as it likes. Dense vectors are made by hand, so that
//! a test knows which point is near; sparse ones are cairn's own BM25. The server is the tests' own, or, where
//! `QDRANT_TEST_URL` names one, that one. [`callers`] has who may find what, [`filtering`] what is asked
//! for of it, [`folder`] what concerns the one in this process alone, [`moving`] how an index is read out,
//! [`agreeing`] that all answer alike.

#[path = "store/agreeing.rs"]
mod agreeing;
#[path = "store/callers.rs"]
mod callers;
#[path = "store/filtering.rs"]
mod filtering;
#[path = "store/folder.rs"]
mod folder;
#[path = "store/moving.rs"]
mod moving;

use std::fs;
use std::path::PathBuf;

use cairn::caller::{Allow, Caller, Scope};
use cairn::config::{Config, Environment};
use cairn::document::{Chunk, CollectionName, DocumentId, Hit, Metadata, Span, Version};
use cairn::embed::SparseEmbedder;
use cairn::error::Class;
use cairn::store::{EdgeStore, Filter, Point, Query, StoreError, VectorStore};
use tempfile::TempDir;

use crate::harness::temporary_folder;
use crate::qdrant::OnServer;

pub(crate) const DIMENSIONS: usize = 4;
pub(crate) const FINGERPRINT: &str = "model-a sha256:1; chunker 1";
/// Dense vectors: the first two point the same way, the third another.
pub(crate) const EAST: [f32; DIMENSIONS] = [1.0, 0.0, 0.0, 0.0];
const EAST_BY_NORTH: [f32; DIMENSIONS] = [0.9, 0.1, 0.0, 0.0];
pub(crate) const NORTH: [f32; DIMENSIONS] = [0.0, 1.0, 0.0, 0.0];
/// More than any test stores.
const ALL: usize = 1000;

/// Where an index is, and how one implementation opens it.
pub(crate) trait Place {
    type Store: VectorStore;

    async fn open(&self, fingerprint: &str) -> Result<Self::Store, StoreError>;
}

/// The suite: each of these against each implementation.
macro_rules! store_contract {
    ($implementation:ident, $place:expr) => {
        mod $implementation {
            use super::*;

            #[tokio::test]
            async fn a_search_sees_what_was_written_before_it() {
                reads_its_writes(&$place).await;
            }

            #[tokio::test]
            async fn a_hit_carries_the_whole_chunk_and_the_cosine() {
                gives_back_what_it_took(&$place).await;
            }

            #[tokio::test]
            async fn writing_the_same_points_twice_is_writing_them_once() {
                twice_is_once(&$place).await;
            }

            #[tokio::test]
            async fn a_search_finds_nothing_of_another_collection() {
                keeps_collections_apart(&$place).await;
            }

            #[tokio::test]
            async fn rare_words_are_those_that_are_rare_in_the_collection_searched() {
                idf_is_the_collections_own(&$place).await;
            }

            #[tokio::test]
            async fn documents_of_another_collection_change_no_score() {
                others_change_no_score(&$place).await;
            }

            #[tokio::test]
            async fn a_superseded_version_goes_and_nothing_else_does() {
                drops_the_superseded(&$place).await;
            }

            #[tokio::test]
            async fn a_deleted_document_goes_and_nothing_else_does() {
                drops_a_document(&$place).await;
            }

            #[tokio::test]
            async fn an_index_that_is_opened_again_holds_what_it_held() {
                survives_reopening(&$place).await;
            }

            #[tokio::test]
            async fn an_index_of_another_fingerprint_is_refused_with_a_way_out() {
                refuses_another_fingerprint(&$place).await;
            }

            #[tokio::test]
            async fn optimizing_changes_no_result() {
                optimizing_is_invisible(&$place).await;
            }

            #[tokio::test]
            async fn the_same_search_gives_the_same_hits_in_the_same_order() {
                ties_have_an_order(&$place).await;
            }

            #[tokio::test]
            async fn a_question_of_stop_words_is_searched_by_meaning_alone() {
                searches_without_words(&$place).await;
            }

            #[tokio::test]
            async fn a_caller_finds_and_counts_what_its_groups_may_see_and_nothing_else() {
                callers::keeps_groups_apart(&$place).await;
            }

            #[tokio::test]
            async fn documents_that_a_caller_may_not_see_change_no_score() {
                callers::the_hidden_change_no_score(&$place).await;
            }

            #[tokio::test]
            async fn who_may_see_a_document_changes_at_once_and_nothing_else_does() {
                callers::changes_who_may_see(&$place).await;
            }

            #[tokio::test]
            async fn a_filter_lets_pass_what_it_means_of_what_the_caller_may_see_and_nothing_else() {
                filtering::narrows(&$place).await;
            }

            #[tokio::test]
            async fn how_rare_a_word_is_does_not_depend_on_the_filter() {
                filtering::counts_words_in_the_scope(&$place).await;
            }

            #[tokio::test]
            async fn an_export_in_pages_gives_every_point_once_in_order_and_whole() {
                moving::exports_in_pages(&$place).await;
            }

            #[tokio::test]
            async fn what_was_exported_makes_an_index_that_answers_the_same() {
                agreeing::an_export_is_the_index(&$place).await;
            }

            #[tokio::test]
            async fn any_points_give_the_hits_that_the_store_in_this_process_gives() {
                agreeing::agrees_with_the_one_in_process(&$place).await;
            }
        }
    };
}

store_contract!(edge, Folder::new());
store_contract!(qdrant, OnServer::chosen().await);

async fn reads_its_writes(place: &impl Place) {
    let store = open(place).await;
    assert_eq!(hits(&store, "a", EAST, "anything").await, []);
    assert_eq!(count(&store, "a").await, 0);
    store.upsert(vec![]).await.unwrap();
    for n in 0..5 {
        store.upsert(vec![point("a", &format!("doc-{n}"), "some text", EAST)]).await.unwrap();
        assert_eq!(count(&store, "a").await, n + 1);
        assert_eq!(hits(&store, "a", EAST, "text").await.len(), n + 1);
    }
}

async fn gives_back_what_it_took(place: &impl Place) {
    let store = open(place).await;
    let mut wanted = point("a", "guide.md", "Übergrößen & 日本語 \"quoted\"\n\nsecond", EAST);
    wanted.chunk.headings = vec!["Guide".into(), "Größe".into()];
    wanted.chunk.span = Span { start: 17, end: 17 + wanted.chunk.text.len() };
    wanted.chunk.ordinal = 3;
    wanted.version = Version(7);
    store.upsert(vec![wanted.clone(), point("a", "other.md", "words", NORTH)]).await.unwrap();
    let found = hits(&store, "a", EAST_BY_NORTH, "größe").await;
    let hit = &found[0];
    assert_eq!(hit.chunk, wanted.chunk);
    assert_eq!((hit.document, hit.version), (wanted.document, wanted.version));
    assert_eq!((&hit.external_id, &hit.title), (&wanted.external_id, &wanted.title));
    for (hit, vector) in [(hit, EAST), (&found[1], NORTH)] {
        let cosine = cairn::embed::cosine(&EAST_BY_NORTH, &vector);
        assert!((hit.similarity - cosine).abs() < 1e-5, "{} is not {cosine}", hit.similarity);
    }
    assert!(found[0].score >= found[1].score, "best first");
}

async fn twice_is_once(place: &impl Place) {
    let store = open(place).await;
    let points = || (0..5).map(ranked).collect::<Vec<_>>();
    store.upsert(points()).await.unwrap();
    let once = hits(&store, "a", EAST, "text").await;
    store.upsert(points()).await.unwrap();
    store.upsert([points(), points()].concat()).await.unwrap();
    assert_eq!(count(&store, "a").await, 5);
    assert_eq!(hits(&store, "a", EAST, "text").await, once);
}

async fn keeps_collections_apart(place: &impl Place) {
    let store = open(place).await;
    // The same texts and vectors, so that nothing but the filter tells them apart.
    for n in 0..20 {
        for collection in ["a", "b"] {
            store.upsert(vec![point(collection, &format!("doc-{n}"), "the same text", EAST)]).await.unwrap();
        }
    }
    for collection in ["a", "b"] {
        let found = hits(&store, collection, EAST, "same text").await;
        assert_eq!(found.len(), 20);
        let own = |hit: &Hit| hit.document == DocumentId::new(&name(collection), &hit.external_id);
        assert!(found.iter().all(own));
        assert_eq!(count(&store, collection).await, 20);
    }
    assert_eq!(hits(&store, "c", EAST, "same text").await, []);
    // Not even where the other collection alone has what is looked for.
    store.upsert(vec![point("b", "secret", "the password is heron", NORTH)]).await.unwrap();
    assert!(hits(&store, "a", NORTH, "password heron").await.iter().all(|hit| hit.external_id != "secret"));
}

async fn idf_is_the_collections_own(place: &impl Place) {
    let store = open(place).await;
    // Both collections hold the same two documents. In one of them the first one's word is common, in the other the
    // second one's; so a question with both words must rank the two differently.
    for (collection, common) in [("a", "beta"), ("b", "alpha")] {
        let mut points =
            vec![point(collection, "has-alpha", "alpha", NORTH), point(collection, "has-beta", "beta", NORTH)];
        points.extend((0..30).map(|n| point(collection, &format!("filler-{n}"), &format!("{common} {n}"), EAST)));
        store.upsert(points).await.unwrap();
    }
    for (collection, rare, common) in [("a", "has-alpha", "has-beta"), ("b", "has-beta", "has-alpha")] {
        // With so few candidates the dense search brings fillers alone.
        let found = search(&store, collection, EAST, "alpha beta", 5).await;
        let place = |wanted: &str| found.iter().position(|hit| hit.external_id == wanted);
        assert!(place(rare).is_some(), "{found:?}");
        assert!(place(common).is_none_or(|common| place(rare).unwrap() < common), "{found:?}");
    }
}

async fn others_change_no_score(place: &impl Place) {
    let store = open(place).await;
    store.upsert((0..8).map(ranked).collect()).await.unwrap();
    let before = hits(&store, "a", EAST, "text").await;
    for n in 0..40 {
        store.upsert(vec![point("b", &format!("doc-{n}"), "text text text", EAST)]).await.unwrap();
    }
    assert_eq!(hits(&store, "a", EAST, "text").await, before);
}

async fn drops_the_superseded(place: &impl Place) {
    let store = open(place).await;
    let version = |version: i64, ordinal: u32, document: &str| {
        let mut point = point("a", document, &format!("version {version}"), EAST);
        (point.version, point.chunk.ordinal) = (Version(version), ordinal);
        point
    };
    store.upsert(vec![version(1, 0, "doc"), version(1, 1, "doc"), version(1, 2, "doc")]).await.unwrap();
    store.upsert(vec![version(2, 0, "doc"), version(3, 0, "doc"), version(1, 0, "other")]).await.unwrap();
    store.delete_superseded(DocumentId::new(&name("a"), "doc"), Version(2)).await.unwrap();
    let mut left: Vec<_> =
        hits(&store, "a", EAST, "version").await.into_iter().map(|hit| (hit.external_id, hit.version.0)).collect();
    left.sort();
    assert_eq!(left, [("doc".to_owned(), 2), ("other".to_owned(), 1)]);
    store.delete_superseded(DocumentId::new(&name("a"), "doc"), Version(2)).await.unwrap();
    assert_eq!(count(&store, "a").await, 2, "again is the same");
}

async fn drops_a_document(place: &impl Place) {
    let store = open(place).await;
    let both = |document: &str| vec![point("a", document, "text", EAST), point("b", document, "text", EAST)];
    store.upsert([both("doc"), both("other")].concat()).await.unwrap();
    for _ in 0..2 {
        store.delete_document(DocumentId::new(&name("a"), "doc")).await.unwrap();
        let left: Vec<_> = hits(&store, "a", EAST, "text").await.into_iter().map(|hit| hit.external_id).collect();
        assert_eq!(left, ["other"]);
        assert_eq!(count(&store, "b").await, 2);
    }
    store.delete_document(DocumentId::new(&name("a"), "never was there")).await.unwrap();
}

async fn survives_reopening(place: &impl Place) {
    let store = open(place).await;
    store.upsert((0..50).map(ranked).collect()).await.unwrap();
    store.delete_document(DocumentId::new(&name("a"), "doc-7")).await.unwrap();
    let (generation, before) = (store.generation().to_owned(), hits(&store, "a", EAST, "text").await);
    drop(store);
    let store = open(place).await;
    assert_eq!(count(&store, "a").await, 49);
    assert_eq!(hits(&store, "a", EAST, "text").await, before);
    assert_eq!(store.generation(), generation, "the same index has the same generation");
    store.upsert(vec![ranked(7)]).await.unwrap();
    assert_eq!(count(&store, "a").await, 50);
}

async fn refuses_another_fingerprint(place: &impl Place) {
    let store = open(place).await;
    store.upsert(vec![point("a", "doc", "text", EAST)]).await.unwrap();
    drop(store);
    for other in ["model-b sha256:2; chunker 1", "", "model-a sha256:1; chunker 1 "] {
        let Err(error) = place.open(other).await else { panic!("{other:?} is another fingerprint") };
        assert!(matches!(error, StoreError::OtherFingerprint { .. }), "{error:?}");
        assert_eq!(error.class(), Class::Invalid);
        let sentence = error.to_string();
        assert!(sentence.contains(FINGERPRINT) && sentence.contains(other), "{sentence}");
        assert!(sentence.contains("cairn ingest --rebuild"), "{sentence}");
    }
    assert_eq!(count(&open(place).await, "a").await, 1, "a refusal changes nothing");
}

async fn optimizing_is_invisible(place: &impl Place) {
    let store = open(place).await;
    for n in 0..30 {
        store.upsert(vec![ranked(n)]).await.unwrap();
    }
    let before = hits(&store, "a", EAST, "text").await;
    store.optimize().await.unwrap();
    assert_eq!(hits(&store, "a", EAST, "text").await, before);
    drop(store);
    assert_eq!(hits(&open(place).await, "a", EAST, "text").await, before);
}

async fn ties_have_an_order(place: &impl Place) {
    let store = open(place).await;
    // The nearest by meaning is the farthest by words and so on, so that each pair of opposite ranks has one score.
    let numbered =
        |n: u8| point("a", &format!("doc-{n}"), &"text ".repeat(1 + usize::from(n)), [1.0, f32::from(n), 0.0, 0.0]);
    store.upsert((0..12).map(numbered).collect()).await.unwrap();
    let order = async |store: &_| -> Vec<String> {
        hits(store, "a", EAST, "text").await.into_iter().map(|hit| hit.external_id).collect()
    };
    let first = order(&store).await;
    for _ in 0..20 {
        assert_eq!(order(&store).await, first);
    }
    drop(store);
    assert_eq!(order(&open(place).await).await, first);
}

async fn searches_without_words(place: &impl Place) {
    let store = open(place).await;
    store.upsert(vec![point("a", "far", "the of", NORTH), point("a", "near", "what is", EAST)]).await.unwrap();
    let found = search(&store, "a", EAST_BY_NORTH, "what is the of", 10).await;
    assert_eq!(found.iter().map(|hit| hit.external_id.as_str()).collect::<Vec<_>>(), ["near", "far"]);
    let limited = Query { limit: 1, ..query(EAST_BY_NORTH, "what is the of", 10) };
    let limited = store.search(&scope("a"), limited).await.unwrap();
    assert_eq!(limited.len(), 1, "no more than asked for");
}

/// A folder for the store in this process.
pub(crate) struct Folder {
    folder: TempDir,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self { folder: temporary_folder() }
    }

    fn index(&self) -> PathBuf {
        self.folder.path().join("index")
    }
}

impl Place for Folder {
    type Store = EdgeStore;

    async fn open(&self, fingerprint: &str) -> Result<EdgeStore, StoreError> {
        let environment = Environment::from([("HOME".to_owned(), "/nonexistent".to_owned())]);
        let file = self.folder.path().join("empty.toml");
        fs::write(&file, "").unwrap();
        let config = Config::from_layers(Some(&file), &environment, &[]).unwrap();
        EdgeStore::open(&self.index(), fingerprint, DIMENSIONS, &config.store).await
    }
}

pub(crate) async fn open<P: Place>(place: &P) -> P::Store {
    place.open(FINGERPRINT).await.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn name(collection: &str) -> CollectionName {
    collection.parse().unwrap()
}

pub(crate) fn point(collection: &str, document: &str, text: &str, dense: [f32; DIMENSIONS]) -> Point {
    Point {
        collection: name(collection),
        document: DocumentId::new(&name(collection), document),
        version: Version(1),
        external_id: document.to_owned(),
        title: format!("Title of {document}"),
        allow: Allow::new(),
        metadata: Metadata::default(),
        chunk: Chunk {
            ordinal: 0,
            span: Span { start: 0, end: text.len() },
            page: None,
            headings: vec!["Heading".into()],
            table_head: None,
            text: text.to_owned(),
        },
        dense: dense.to_vec(),
        sparse: SparseEmbedder::new().passage(text),
    }
}

/// The nth best for `EAST` and "text", by meaning and by words alike, so that no two have the same score.
fn ranked(n: u8) -> Point {
    let words = "text ".repeat(60 - usize::from(n));
    point("a", &format!("doc-{n}"), &words, [1.0, f32::from(n), 0.0, 0.0])
}

pub(crate) fn query(dense: [f32; DIMENSIONS], text: &str, candidates: usize) -> Query {
    let sparse = SparseEmbedder::new().question(text);
    Query { dense: dense.to_vec(), sparse, filter: Filter::default(), candidates, limit: ALL, rank_constant: 2 }
}

/// Everything that there is, in the order of the search.
pub(crate) async fn hits(store: &impl VectorStore, collection: &str, dense: [f32; DIMENSIONS], text: &str) -> Vec<Hit> {
    search(store, collection, dense, text, ALL).await
}

async fn search(
    store: &impl VectorStore,
    collection: &str,
    dense: [f32; DIMENSIONS],
    text: &str,
    candidates: usize,
) -> Vec<Hit> {
    store.search(&scope(collection), query(dense, text, candidates)).await.unwrap()
}

/// All of a collection, as whoever may see everything.
pub(crate) fn scope(collection: &str) -> Scope {
    Caller::local().scope(&name(collection)).unwrap()
}

pub(crate) async fn count(store: &impl VectorStore, collection: &str) -> usize {
    store.count(&scope(collection)).await.unwrap().chunks
}
