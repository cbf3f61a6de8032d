//! How much of what is nearest a search finds: 50,000 real chunks, against a look at every one of them.

use std::collections::HashSet;
use std::path::Path;

use cairn::caller::{Allow, Caller, Collections, Scope};
use cairn::config::{Config, Environment};
use cairn::document::{Chunk, CollectionName, DocumentId, Metadata, Span, Version};
use cairn::embed::SparseVector;
use cairn::store::{EdgeStore, Filter, Point, Query, VectorStore};
use ndarray::Axis;

use crate::harness::corpus::{CHUNKS, Corpus, QUESTIONS};
use crate::harness::temporary_folder;

const NEAREST: usize = 10;
const RECALL_MIN: f64 = 0.97;
const POINTS_PER_REQUEST: usize = 500;
const FINGERPRINT: &str = "recall";
/// Every how manyth chunk each of these groups may see.
const GROUPS: [(&str, usize); 3] = [("half", 2), ("tenth", 10), ("hundredth", 100)];

#[tokio::test]
async fn a_search_finds_nearly_all_that_is_nearest_with_and_without_filters() {
    let corpus = Corpus::read().await;
    let folder = temporary_folder();
    let index = folder.path().join("index");
    let shipped = open(&index, "64 MiB", &corpus).await;
    fill(&shipped, &corpus).await;
    check(&shipped, &corpus, "as shipped").await;
    drop(shipped);
    // The same with graphs for all that is larger than the smallest share, as a larger index has them.
    let with_graph = open(&index, "1 MiB", &corpus).await;
    with_graph.optimize().await.unwrap();
    check(&with_graph, &corpus, "with graphs").await;
}

async fn open(index: &Path, full_scan_threshold: &str, corpus: &Corpus) -> EdgeStore {
    let environment = Environment::from([
        ("HOME".to_owned(), "/nonexistent".to_owned()),
        ("CAIRN__STORE__FULL_SCAN_THRESHOLD".to_owned(), full_scan_threshold.to_owned()),
    ]);
    let store = Config::from_layers(None, &environment, &[]).unwrap().store;
    EdgeStore::open(index, FINGERPRINT, corpus.dimensions, &store).await.unwrap()
}

async fn fill(store: &EdgeStore, corpus: &Corpus) {
    let vectors = corpus.vectors();
    let numbers: Vec<usize> = (0..CHUNKS).collect();
    for batch in numbers.chunks(POINTS_PER_REQUEST) {
        store.upsert(batch.iter().map(|n| point(*n, vectors.row(*n).to_vec())).collect()).await.unwrap();
    }
    store.optimize().await.unwrap();
}

/// Whoever asks finds enough of what is nearest among what they may see.
async fn check(store: &EdgeStore, corpus: &Corpus, how: &str) {
    let (chunks, questions) = corpus.vectors().split_at(Axis(0), CHUNKS);
    let similarity = questions.dot(&chunks.t());
    let everybody = ("everybody", 1, Caller::local().scope(&collection()).unwrap());
    let groups = GROUPS.map(|(group, every)| (group, every, within(group)));
    for (who, every, scope) in [everybody].into_iter().chain(groups) {
        let mut found_in_all = 0;
        for (question, similarity) in questions.outer_iter().zip(similarity.outer_iter()) {
            let mut nearest: Vec<usize> = (0..CHUNKS).step_by(every).collect();
            nearest.sort_by(|a, b| similarity[*b].total_cmp(&similarity[*a]));
            let nearest: HashSet<String> = nearest[..NEAREST].iter().map(ToString::to_string).collect();
            let query = Query {
                dense: question.to_vec(),
                sparse: SparseVector { indices: Vec::new(), values: Vec::new() },
                filter: Filter::default(),
                candidates: 50,
                rank_constant: 2,
                limit: NEAREST,
            };
            let hits = store.search(&scope, query).await.unwrap();
            found_in_all += hits.iter().filter(|hit| nearest.contains(&hit.external_id)).count();
        }
        #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
        let recall = found_in_all as f64 / (QUESTIONS * NEAREST) as f64;
        assert!(recall >= RECALL_MIN, "{how}, {who}: recall@{NEAREST} is {recall}");
    }
}

fn point(n: usize, dense: Vec<f32>) -> Point {
    let groups = GROUPS.iter().filter(|(_, every)| n.is_multiple_of(*every)).map(|(group, _)| group.parse().unwrap());
    let nobody = "nobody".parse().unwrap(); // A document without groups would be for everybody.
    Point {
        collection: collection(),
        document: DocumentId::new(&collection(), &n.to_string()),
        version: Version(1),
        external_id: n.to_string(),
        title: String::new(),
        allow: groups.chain([nobody]).collect::<Allow>(),
        metadata: Metadata::default(),
        chunk: Chunk {
            ordinal: 0,
            span: Span { start: 0, end: 0 },
            page: None,
            headings: Vec::new(),
            table_head: None,
            text: String::new(),
        },
        dense,
        sparse: SparseVector { indices: Vec::new(), values: Vec::new() },
    }
}

fn collection() -> CollectionName {
    "comments".parse().unwrap()
}

fn within(group: &str) -> Scope {
    let caller = Caller::with_key("somebody".into(), Collections::All, [group.parse().unwrap()].into());
    caller.scope(&collection()).unwrap()
}
