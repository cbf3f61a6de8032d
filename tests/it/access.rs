//! Nobody finds what they may not see: random callers, groups, filters, documents and rules, against a model that is a
//! list.
//!
//! The model knows what every caller may see. After each operation a search and a count are compared with it; a
//! planted fault, a store that forgets the groups or the filter, proves that the comparison would notice.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use cairn::answer::{AnswerError, Within};
use cairn::caller::{Allow, Caller, Collections, Group, Scope};
use cairn::document::{Chunk, CollectionName, DocumentId, Hit, Metadata, Span, Version};
use cairn::embed::{SparseEmbedder, SparseVector};
use cairn::store::{Counts, Filter, Places, Point, Query, StoreError, VectorStore};
use uuid::Uuid;

use crate::harness::Sandbox;
use crate::qdrant::OnServer;
use crate::store_contract::{DIMENSIONS, Folder, open};

const COLLECTIONS: [&str; 3] = ["handbook", "board", "public"];
const GROUPS: [&str; 4] = ["staff", "board", "legal", "guests"];
const TAGS: [&str; 3] = ["manual", "faq", "draft"];
const LANGUAGES: [&str; 2] = ["en", "de"];
/// Dates are small numbers here.
const DAYS: usize = 10;
const DOCUMENTS: usize = 40;
const CALLERS: usize = 16;
const OPERATIONS: usize = 10_000;
/// Within so many operations a dropped filter must show.
const NOTICED_WITHIN: usize = 1_000;
/// More than there are points, so that a search that hides something by chance hides nothing.
const ALL: usize = 200;

const TEXTS: [&str; 8] = [
    "The salaries of the board are paid in March.",
    "The cafeteria opens at noon and closes at two.",
    "The merger with the northern branch is planned for autumn.",
    "Visitors sign the book at the entrance.",
    "The legal department reviews each contract twice.",
    "The server room is locked with the blue key.",
    "Holidays are requested three weeks ahead.",
    "The quarterly figures show a loss in shipping.",
];

/// Operations in a fixed random order: SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    /// Each with the chance of one in `odds`.
    fn some<T: Copy>(&mut self, items: &[T], odds: usize) -> Vec<T> {
        items.iter().copied().filter(|_| self.below(odds) == 0).collect()
    }
}

/// The texts' vectors: dense ones by hand, sparse ones cairn's own.
struct Vectors {
    dense: Vec<[f32; DIMENSIONS]>,
    sparse: Vec<SparseVector>,
}

impl Vectors {
    fn made() -> Self {
        let words = SparseEmbedder::new();
        let angle = |n: usize| f32::from(u8::try_from(n).unwrap()) / 4.0;
        Self {
            dense: (0..TEXTS.len()).map(|n| [angle(n).cos(), angle(n).sin(), 0.1, 0.0]).collect(),
            sparse: TEXTS.iter().map(|text| words.passage(text)).collect(),
        }
    }
}

/// A document as the model knows it.
struct Document {
    collection: CollectionName,
    external_id: String,
    allow: Allow,
    metadata: Metadata,
    version: Version,
}

/// Somebody, as the model knows them.
struct Person {
    caller: Caller,
    /// None: all.
    collections: Option<BTreeSet<CollectionName>>,
    groups: BTreeSet<Group>,
}

impl Person {
    fn random(random: &mut Random) -> Self {
        let groups: BTreeSet<Group> = random.some(&GROUPS, 3).into_iter().map(|g| g.parse().unwrap()).collect();
        let collections = (random.below(3) > 0)
            .then(|| random.some(&COLLECTIONS, 2).into_iter().map(|c| c.parse().unwrap()).collect::<BTreeSet<_>>());
        let may_use = collections.clone().map_or(Collections::All, Collections::Only);
        Self { caller: Caller::with_key("somebody".into(), may_use, groups.clone()), collections, groups }
    }

    fn may_use(&self, collection: &CollectionName) -> bool {
        self.collections.as_ref().is_none_or(|names| names.contains(collection))
    }

    fn may_see(&self, document: &Document) -> bool {
        self.may_use(&document.collection)
            && (document.allow.is_empty() || document.allow.iter().any(|group| self.groups.contains(group)))
    }
}

/// Runs operations until a search or a count differs from the model: then says after how many, and how.
async fn run(store: &dyn VectorStore, vectors: &Vectors, operations: usize) -> Result<(), (usize, String)> {
    let mut random = Random(7);
    let people: Vec<Person> = (0..CALLERS).map(|_| Person::random(&mut random)).collect();
    let mut documents: BTreeMap<DocumentId, Document> = BTreeMap::new();
    for operation in 0..operations {
        change(store, vectors, &mut documents, &mut random).await;
        let person = &people[random.below(CALLERS)];
        let collection: CollectionName = random.of(&COLLECTIONS).parse().unwrap();
        let Some(scope) = person.caller.scope(&collection) else {
            assert!(!person.may_use(&collection), "a scope is denied to those only who may not use the collection");
            continue;
        };
        assert!(person.may_use(&collection));
        let seen =
            |(_, document): &(&DocumentId, &Document)| document.collection == collection && person.may_see(document);
        let seen: Vec<(&DocumentId, &Document)> = documents.iter().filter(seen).collect();
        let filter = filter(&mut random);
        let passing = seen.iter().filter(|(_, document)| filter.passes(&document.external_id, &document.metadata));
        let expected: BTreeSet<DocumentId> = passing.map(|(id, _)| **id).collect();
        let text = random.below(TEXTS.len());
        let query = Query {
            dense: vectors.dense[text].to_vec(),
            sparse: vectors.sparse[text].clone(),
            filter,
            candidates: ALL,
            rank_constant: 2,
            limit: ALL,
        };
        let hits = store.search(&scope, query).await.unwrap();
        let found: BTreeSet<DocumentId> = hits.iter().map(|hit| hit.document).collect();
        if found != expected {
            return Err((operation, format!("found {found:?}, may see {expected:?}")));
        }
        let counted = store.count(&scope).await.unwrap().chunks;
        if counted != seen.len() {
            return Err((operation, format!("counted {counted}, may see {}", seen.len())));
        }
    }
    Ok(())
}

/// One document is put, changed, opened, closed or removed.
async fn change(
    store: &dyn VectorStore,
    vectors: &Vectors,
    documents: &mut BTreeMap<DocumentId, Document>,
    random: &mut Random,
) {
    let collection: CollectionName = random.of(&COLLECTIONS).parse().unwrap();
    let name = format!("document-{}", random.below(DOCUMENTS));
    let id = DocumentId::new(&collection, &name);
    let allow: Allow = random.some(&GROUPS, 3).into_iter().map(|group| group.parse().unwrap()).collect();
    let metadata = metadata(random);
    match (random.below(4), documents.get_mut(&id)) {
        (0, Some(_)) => {
            store.delete_document(id).await.unwrap();
            documents.remove(&id);
        }
        (1, Some(document)) => {
            store.describe(id, &allow, &metadata).await.unwrap();
            (document.allow, document.metadata) = (allow, metadata);
        }
        (_, known) => {
            let version = Version(known.map_or(1, |document| document.version.0 + 1));
            let text = random.below(TEXTS.len());
            let point = Point {
                collection: collection.clone(),
                document: id,
                version,
                external_id: name.clone(),
                title: name.clone(),
                allow: allow.clone(),
                metadata: metadata.clone(),
                chunk: Chunk {
                    ordinal: 0,
                    span: Span { start: 0, end: TEXTS[text].len() },
                    page: None,
                    headings: Vec::new(),
                    table_head: None,
                    text: TEXTS[text].to_owned(),
                },
                dense: vectors.dense[text].to_vec(),
                sparse: vectors.sparse[text].clone(),
            };
            store.upsert(vec![point]).await.unwrap();
            store.delete_superseded(id, version).await.unwrap();
            documents.insert(id, Document { collection, external_id: name, allow, metadata, version });
        }
    }
}

/// What is said of a document: some of it, or nothing.
fn metadata(random: &mut Random) -> Metadata {
    let date = |random: &mut Random| i64::try_from(random.below(DAYS)).unwrap();
    Metadata {
        tags: random.some(&TAGS, 2).into_iter().map(str::to_owned).collect(),
        date: (random.below(3) > 0).then(|| date(random)),
        language: (random.below(3) > 0).then(|| random.of(&LANGUAGES).to_owned()),
    }
}

/// A filter of a few conditions; every other one has none.
fn filter(random: &mut Random) -> Filter {
    if random.below(2) == 0 {
        return Filter::default();
    }
    let words = |random: &mut Random, words: &[&'static str], odds| {
        random.some(words, odds).into_iter().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    let day = |random: &mut Random| (random.below(4) == 0).then(|| i64::try_from(random.below(DAYS)).unwrap());
    let places = (random.below(4) == 0).then(|| Places {
        external_ids: [format!("document-{}", random.below(DOCUMENTS))].into(),
        prefixes: words(random, &["document-1", "document-2", "document-39", "doc-"], 3),
    });
    Filter {
        tags_any: words(random, &TAGS, 4),
        tags_all: words(random, &TAGS, 6),
        from: day(random),
        to: day(random),
        languages: words(random, &LANGUAGES, 6),
        places,
    }
}

/// A store with a fault that must not be.
struct Forgetful<'a>(&'a dyn VectorStore, Forgets);

/// What it searches and counts without.
#[derive(Clone, Copy)]
enum Forgets {
    Groups,
    Filter,
}

impl Forgetful<'_> {
    fn within(&self, scope: &Scope) -> Scope {
        match self.1 {
            Forgets::Groups => Caller::local().scope(scope.collection()).unwrap(),
            Forgets::Filter => scope.clone(),
        }
    }

    fn query(&self, query: Query) -> Query {
        match self.1 {
            Forgets::Groups => query,
            Forgets::Filter => Query { filter: Filter::default(), ..query },
        }
    }
}

#[async_trait]
impl VectorStore for Forgetful<'_> {
    fn generation(&self) -> &str {
        self.0.generation()
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.0.check().await
    }

    async fn upsert(&self, points: Vec<Point>) -> Result<(), StoreError> {
        self.0.upsert(points).await
    }

    async fn delete_superseded(&self, document: DocumentId, version: Version) -> Result<(), StoreError> {
        self.0.delete_superseded(document, version).await
    }

    async fn delete_document(&self, document: DocumentId) -> Result<(), StoreError> {
        self.0.delete_document(document).await
    }

    async fn describe(&self, document: DocumentId, allow: &Allow, metadata: &Metadata) -> Result<(), StoreError> {
        self.0.describe(document, allow, metadata).await
    }

    async fn search(&self, scope: &Scope, query: Query) -> Result<Vec<Hit>, StoreError> {
        self.0.search(&self.within(scope), self.query(query)).await
    }

    async fn count(&self, scope: &Scope) -> Result<Counts, StoreError> {
        self.0.count(&self.within(scope)).await
    }

    async fn export(
        &self,
        collection: &CollectionName,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<(Uuid, Point)>, StoreError> {
        self.0.export(collection, after, limit).await
    }

    async fn optimize(&self) -> Result<(), StoreError> {
        self.0.optimize().await
    }
}

#[tokio::test]
async fn ten_thousand_operations_show_nobody_what_they_may_not_see() {
    shows_nobody_too_much(&open(&Folder::new()).await).await;
}

#[tokio::test]
async fn ten_thousand_operations_on_a_server_show_nobody_what_they_may_not_see() {
    shows_nobody_too_much(&open(&OnServer::chosen().await).await).await;
}

#[tokio::test]
async fn a_dropped_filter_is_found_within_a_thousand_operations() {
    finds_a_dropped_filter(&open(&Folder::new()).await).await;
}

#[tokio::test]
async fn a_dropped_filter_on_a_server_is_found_within_a_thousand_operations() {
    finds_a_dropped_filter(&open(&OnServer::chosen().await).await).await;
}

async fn shows_nobody_too_much(store: &dyn VectorStore) {
    if let Err((operation, leak)) = run(store, &Vectors::made(), OPERATIONS).await {
        panic!("operation {operation}: {leak}");
    }
}

async fn finds_a_dropped_filter(store: &dyn VectorStore) {
    for forgets in [Forgets::Groups, Forgets::Filter] {
        for collection in COLLECTIONS {
            for (_, point) in store.export(&collection.parse().unwrap(), None, ALL).await.unwrap() {
                store.delete_document(point.document).await.unwrap();
            }
        }
        let (operation, _) = run(&Forgetful(store, forgets), &Vectors::made(), OPERATIONS).await.unwrap_err();
        assert!(operation < NOTICED_WITHIN, "found after {operation} operations");
    }
}

#[tokio::test]
async fn a_collection_that_is_not_the_callers_is_one_that_is_not_there() {
    let sandbox = Sandbox::with_documents();
    let app = sandbox.ingested().await;
    let only = Collections::Only(BTreeSet::from(["other".parse().unwrap()]));
    let stranger = Caller::with_key("stranger".into(), only, BTreeSet::new());
    let errors = ["default", "nowhere"].map(|name| (name, name.parse::<CollectionName>().unwrap()));
    for (name, collection) in errors {
        let everything = Filter::default();
        let within = |collection| Within { collection, filter: &everything };
        let error = app.answerer.search(&stranger, within(&collection), "Kestrel", 5).await.unwrap_err();
        assert!(matches!(error, AnswerError::NoDocuments { .. }));
        let said = error.to_string().replace(name, "NAME");
        let void = "void".parse().unwrap();
        let unknown = app.answerer.search(&Caller::local(), within(&void), "Kestrel", 5).await.unwrap_err();
        assert_eq!(said, unknown.to_string().replace("void", "NAME"));
    }
}
