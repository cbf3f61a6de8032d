//! The store on a Qdrant server when things go wrong: a server that is down, slow or busy, connections that break,
//! wrong keys, other people's collections, and several processes at once.
//!
//! [`OnServer`] is the place where the contract of stores is tried too. Faults need the tests' own server.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use cairn::config::{Config, Environment};
use cairn::error::Class;
use cairn::store::{Filter, Places, Point, QdrantStore, Query, StoreError, VectorStore};
use qdrant_client::Qdrant;
use qdrant_client::qdrant::{
    Condition, CreateCollectionBuilder, DeleteFieldIndexCollectionBuilder, Filter as Conditions, ScrollPointsBuilder,
    StrictModeConfig, UpdateCollectionBuilder,
};
use tempfile::TempDir;

use crate::harness::{ANSWER, QUESTION, Sandbox, ask, chunk_count, temporary_folder, within};
use crate::qdrant_server::{Fault, QdrantServer};
use crate::store_contract::{
    DIMENSIONS, EAST, FINGERPRINT, NORTH, Place, count, hits, name, open, point, query, scope,
};

/// More than any attempt is repeated.
const ALWAYS: usize = 100;
const KEY: &str = "a-key-that-must-not-be-seen";

/// A server, and a collection of its own there.
pub(crate) struct OnServer {
    own: Option<(QdrantServer, TempDir)>,
    url: String,
    key: Option<String>,
    timeout: &'static str,
    physical_collection: String,
    dimensions: usize,
}

impl OnServer {
    /// The server that `QDRANT_TEST_URL` names (with the key in `QDRANT_TEST_KEY`), else the tests' own.
    pub(crate) async fn chosen() -> Self {
        #[expect(clippy::disallowed_methods, reason = "says which server the tests talk to; no part of cairn")]
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        match variable("QDRANT_TEST_URL") {
            Some(url) => Self::at(url, variable("QDRANT_TEST_KEY"), None),
            None => Self::own().await,
        }
    }

    /// The tests' own server.
    async fn own() -> Self {
        let folder = temporary_folder();
        let server = start(&folder, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None).await;
        Self::at(server.url(), None, Some((server, folder)))
    }

    fn at(url: String, key: Option<String>, own: Option<(QdrantServer, TempDir)>) -> Self {
        let physical_collection = format!("cairn-test-{}", uuid::Uuid::new_v4());
        Self { own, url, key, timeout: "20s", physical_collection, dimensions: DIMENSIONS }
    }

    /// For vectors of another length than those made by hand.
    pub(crate) fn of_dimensions(mut self, dimensions: usize) -> Self {
        self.dimensions = dimensions;
        self
    }

    fn server(&self) -> &QdrantServer {
        &self.own.as_ref().expect("a server of the test's own").0
    }

    /// The client itself, for what cairn does not do.
    fn client(&self) -> Qdrant {
        Qdrant::from_url(&self.url).api_key(self.key.clone()).skip_compatibility_check().build().unwrap()
    }

    /// Stops the server and starts it again, on the same data and at the same address.
    async fn restart(&mut self) {
        let (server, folder) = self.own.take().unwrap();
        let address = server.address;
        server.stop().await;
        self.own = Some((start(&folder, address, self.key.as_deref()).await, folder));
    }
}

async fn start(folder: &TempDir, address: SocketAddr, key: Option<&str>) -> QdrantServer {
    QdrantServer::start(&folder.path().join("collections"), address, key).await.unwrap()
}

impl Place for OnServer {
    type Store = QdrantStore;

    async fn open(&self, fingerprint: &str) -> Result<QdrantStore, StoreError> {
        let folder = temporary_folder();
        let file = folder.path().join("empty.toml");
        fs::write(&file, "").unwrap();
        let mut environment = Environment::new();
        for (variable, value) in [
            ("HOME", "/nonexistent"),
            ("CAIRN__STORE__URL", &self.url),
            ("CAIRN__STORE__API_KEY", self.key.as_deref().unwrap_or_default()),
            ("CAIRN__STORE__TIMEOUT", self.timeout),
            ("CAIRN__STORE__PHYSICAL_COLLECTION", &self.physical_collection),
        ] {
            environment.insert(variable.to_owned(), value.to_owned());
        }
        let store = Config::from_layers(Some(&file), &environment, &[]).unwrap().store;
        let server = store.server.clone().unwrap();
        QdrantStore::open(&server, fingerprint, self.dimensions, &store).await
    }
}

impl Drop for OnServer {
    /// Leaves nothing on a server that is not the test's own.
    fn drop(&mut self) {
        if self.own.is_some() {
            return;
        }
        let (client, collection) = (self.client(), self.physical_collection.clone());
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(client.delete_collection(collection.as_str())).map(drop)
        });
        let _deleted = deleting.join();
    }
}

fn some_points() -> Vec<Point> {
    (0..10).map(|n| point("a", &format!("doc-{n}"), &format!("text number {n}"), EAST)).collect()
}

/// All that it holds, whole, to compare.
async fn content(store: &impl VectorStore) -> String {
    format!("{:?}", store.export(&name("a"), None, 1000).await.unwrap())
}

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_and_the_error_says_which() {
    let mut place = OnServer::own().await;
    place.timeout = "3s";
    let store = open(&place).await;
    let (server, _folder) = place.own.take().unwrap();
    server.stop().await;
    let errors = [
        store.upsert(some_points()).await.unwrap_err(),
        store.delete_document(point("a", "doc", "", EAST).document).await.unwrap_err(),
        place.open(FINGERPRINT).await.err().unwrap(),
    ];
    for error in errors {
        assert_eq!(error.class(), Class::Unavailable, "{error}");
        assert!(error.to_string().contains(&place.url) && error.to_string().contains("refused"), "{error}");
    }
    place.physical_collection.clear(); // There is no server to clean up.
}

#[tokio::test]
async fn a_server_that_was_restarted_is_found_again_with_all_it_held() {
    let mut place = OnServer::own().await;
    let store = open(&place).await;
    store.upsert(some_points()).await.unwrap();
    let (before, found) = (content(&store).await, hits(&store, "a", EAST, "number 3").await);
    for _ in 0..2 {
        place.restart().await;
        assert_eq!(content(&store).await, before);
        assert_eq!(hits(&store, "a", EAST, "number 3").await, found);
    }
    store.upsert(vec![point("a", "new", "text", NORTH)]).await.unwrap();
    assert_eq!(count(&store, "a").await, 11);
    assert_eq!(open(&place).await.generation(), store.generation());
}

#[tokio::test]
async fn a_moment_without_the_shard_passes_unnoticed_and_a_long_one_is_unavailable() {
    let place = OnServer::own().await;
    let store = open(&place).await;
    store.upsert(some_points()).await.unwrap();
    place.server().lay([Fault::Unavailable; 5]);
    assert_eq!(count(&store, "a").await, 10);
    assert_eq!(place.server().faults_left(), 0);
    place.server().lay([Fault::Unavailable; ALWAYS]);
    let error = store.upsert(vec![point("a", "new", "text", NORTH)]).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable, "{error}");
    assert!(error.to_string().contains("no active replica"), "{error}");
    place.server().clear();
    assert_eq!(count(&store, "a").await, 10);
}

#[tokio::test]
async fn a_busy_server_is_left_alone_for_as_long_as_it_asks() {
    let place = OnServer::own().await;
    let store = open(&place).await;
    let begun = Instant::now();
    place.server().lay([Fault::Exhausted { retry_after_s: 1 }]);
    store.upsert(some_points()).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
    place.server().lay([Fault::Exhausted { retry_after_s: 90 }]);
    let error = within("the answer", store.upsert(some_points())).await.unwrap_err();
    assert_eq!(error.class(), Class::Busy, "{error}");
    assert!(matches!(error, StoreError::Busy { retry_after: Some(after), .. } if after == Duration::from_secs(90)));
    assert!(error.to_string().contains("1m 30s"), "{error}");
    assert_eq!(count(&store, "a").await, 10);
}

#[tokio::test]
async fn a_server_that_never_answers_is_unavailable_after_the_timeout() {
    let mut place = OnServer::own().await;
    place.timeout = "1s";
    let store = open(&place).await;
    store.upsert(some_points()).await.unwrap();
    let begun = Instant::now();
    place.server().lay([Fault::Slow(Duration::from_secs(3600)); ALWAYS]);
    let error = store.count(&cairn::caller::Caller::local().scope(&name("a")).unwrap()).await.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable, "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10), "one timeout for all attempts");
    assert!(error.to_string().contains("store.timeout"), "{error}");
    place.server().clear();
    assert_eq!(count(&store, "a").await, 10);
}

#[tokio::test]
async fn a_connection_cut_in_the_middle_of_a_write_loses_nothing_and_doubles_nothing() {
    let whole = {
        let place = OnServer::own().await;
        let store = open(&place).await;
        store.upsert(some_points()).await.unwrap();
        content(&store).await
    };
    for cut in [Fault::CutBefore, Fault::CutAfter] {
        let place = OnServer::own().await;
        let store = open(&place).await;
        place.server().lay([cut; 3]);
        store.upsert(some_points()).await.unwrap();
        assert_eq!(place.server().faults_left(), 0);
        assert_eq!(content(&store).await, whole, "{cut:?} and repeated by the store");
    }
    for cut in [Fault::CutBefore, Fault::CutAfter] {
        let place = OnServer::own().await;
        let store = open(&place).await;
        place.server().lay([cut; ALWAYS]);
        let error = store.upsert(some_points()).await.unwrap_err();
        assert_eq!(error.class(), Class::Unavailable, "{error}");
        place.server().clear();
        store.upsert(some_points()).await.unwrap();
        assert_eq!(content(&store).await, whole, "{cut:?} and repeated by the caller");
        place.server().lay([cut; 3]);
        store.delete_document(some_points()[4].document).await.unwrap();
        assert_eq!(count(&store, "a").await, 9, "{cut:?}");
    }
}

#[tokio::test]
async fn a_wrong_key_is_a_sentence_that_names_the_setting_and_not_the_key() {
    let folder = temporary_folder();
    let server = start(&folder, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), Some("the-right-one")).await;
    let mut place = OnServer::at(server.url(), None, Some((server, folder)));
    for (key, said) in [(None, "Must provide an API key"), (Some(KEY.to_owned()), "Invalid API key")] {
        place.key = key;
        let error = place.open(FINGERPRINT).await.err().unwrap();
        let sentence = error.to_string();
        assert_eq!(error.class(), Class::Unavailable, "{sentence}");
        assert!(sentence.contains("store.api_key_file") && sentence.contains(said), "{sentence}");
        assert!(!sentence.contains(KEY), "{sentence}");
    }
    place.key = Some("the-right-one".into());
    assert_eq!(count(&open(&place).await, "a").await, 0);
}

#[tokio::test]
async fn a_collection_that_cairn_did_not_make_is_left_alone() {
    let place = OnServer::own().await;
    place.client().create_collection(CreateCollectionBuilder::new(&place.physical_collection)).await.unwrap();
    let error = place.open(FINGERPRINT).await.err().unwrap();
    assert_eq!(error.class(), Class::Invalid);
    let sentence = error.to_string();
    assert!(sentence.contains(&place.physical_collection), "{sentence}");
    assert!(sentence.contains("something other than cairn"), "{sentence}");
    assert!(sentence.contains("store.physical_collection"), "{sentence}");
}

#[tokio::test]
async fn processes_that_begin_at_once_share_one_index() {
    let place = OnServer::own().await;
    let stores = futures::future::join_all((0..8).map(|_| open(&place))).await;
    for (n, store) in stores.iter().enumerate() {
        assert_eq!(store.generation(), stores[0].generation());
        store.upsert(vec![point("a", &format!("doc-{n}"), "text", EAST)]).await.unwrap();
    }
    assert_eq!(count(&stores[7], "a").await, 8);
}

#[tokio::test]
async fn an_index_whose_making_was_interrupted_is_completed() {
    let place = OnServer::own().await;
    // Whether it exists, its making, what it is: then the first payload index can't be made.
    place.server().lay([Fault::None; 3]);
    place.server().lay([Fault::Unavailable; ALWAYS]);
    assert_eq!(place.open(FINGERPRINT).await.err().unwrap().class(), Class::Unavailable);
    place.server().clear();
    let store = open(&place).await;
    store.upsert(some_points()).await.unwrap();
    store.delete_document(some_points()[0].document).await.unwrap();
    assert_eq!(count(&store, "a").await, 9);
}

#[tokio::test]
async fn a_collection_that_an_older_cairn_made_gets_what_todays_filters_need() {
    let place = OnServer::own().await;
    let store = open(&place).await;
    store.upsert(vec![point("a", "docs/one", "text", EAST), point("a", "notes/two", "text", EAST)]).await.unwrap();
    let (client, collection) = (place.client(), place.physical_collection.as_str());
    for field in ["external_id", "tags", "date", "language"] {
        client.delete_field_index(DeleteFieldIndexCollectionBuilder::new(collection, field).wait(true)).await.unwrap();
    }
    let strict = client.collection_info(collection).await.unwrap().result.unwrap().config.unwrap().strict_mode_config;
    let strict = StrictModeConfig { filter_max_conditions: Some(8), max_query_limit: Some(4000), ..strict.unwrap() };
    let change = UpdateCollectionBuilder::new(collection).strict_mode_config(strict.clone());
    client.update_collection(change).await.unwrap();
    let prefixes = (0..70).map(|n| format!("nowhere/{n}")).chain(["docs/".to_owned()]).collect();
    let filter = Filter { places: Some(Places { prefixes, ..Places::default() }), ..Filter::default() };
    let asked = Query { filter, ..query(EAST, "text", 10) };
    assert!(store.search(&scope("a"), asked.clone()).await.is_err());
    let found = open(&place).await.search(&scope("a"), asked).await.unwrap();
    assert_eq!(found.iter().map(|hit| hit.external_id.as_str()).collect::<Vec<_>>(), ["docs/one"]);
    let now = client.collection_info(collection).await.unwrap().result.unwrap().config.unwrap().strict_mode_config;
    let now = now.unwrap();
    assert_eq!(
        (now.max_query_limit, now.unindexed_filtering_retrieve),
        (Some(4000), Some(false)),
        "all else as it was"
    );
}

#[tokio::test]
async fn a_new_index_in_the_place_of_an_old_one_has_another_generation() {
    let place = OnServer::own().await;
    let first = open(&place).await.generation().to_owned();
    place.client().delete_collection(&place.physical_collection).await.unwrap();
    assert_ne!(open(&place).await.generation(), first);
}

#[tokio::test]
async fn the_server_refuses_a_search_that_forgot_its_index() {
    let place = OnServer::own().await;
    open(&place).await;
    let by_title = Conditions::must([Condition::matches("title", "x".to_owned())]);
    let request = ScrollPointsBuilder::new(&place.physical_collection).filter(by_title);
    let error = place.client().scroll(request).await.unwrap_err().to_string();
    assert!(error.contains("Index required"), "{error}");
}

#[tokio::test]
async fn documents_are_indexed_and_answered_from_on_a_server() {
    let place = OnServer::own().await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__STORE__URL", &place.url)
        .with("CAIRN__STORE__PHYSICAL_COLLECTION", &place.physical_collection);
    let app = sandbox.ingested().await;
    assert!(chunk_count(&app).await > 0);
    assert!(ask(&app, QUESTION).await.text.contains(ANSWER));
}
