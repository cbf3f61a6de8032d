//! Whether a copy is one: as many points, each the same, and found by the same searches.
//!
//! Both stores give points in the order of their ids, so two pages are compared one by one. Dense vectors are made to
//! length 1 by the stores, which may move the last digit; all else must be equal.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::{Event, MigrateError, Migration, PAGE_POINTS, Verified, count, whole};
use crate::document::{CollectionName, DocumentId, Hit};
use crate::embed::SparseVector;
use crate::store::{Filter, Point, Query, VectorStore};

/// Points whose own vectors are searched for, spread over the collection.
const SEARCHES: usize = 50;
/// Hits of each search that are compared, and the candidates that they are fused from.
const HITS: usize = 10;
const CANDIDATES: usize = 50;
/// Qdrant's own default.
const RANK_CONSTANT: usize = 2;
/// What two numbers of a vector, or two cosines, may differ by.
const TOLERANCE: f32 = 1e-4;
/// Dense vectors of more bytes than this may be searched by a graph, whose answers are approximate and differ from
/// index to index: a collection that was made on the server by other settings has one from 10,000 KB on.
const EXACT_BYTES_MAX: usize = 8 << 20;
/// Share of the hits that searches must have in common, over all of them, where a graph is searched.
const GRAPH_HITS_SHARED_MIN: f64 = 0.9;

impl Migration<'_> {
    /// Whether the target holds of the collection what the source does. Fails with the first difference.
    pub async fn verify(
        &self,
        collection: &CollectionName,
        on_event: &(dyn Fn(Event) + Send + Sync),
    ) -> Result<Verified, MigrateError> {
        let differs = |difference| MigrateError::Differs { collection: collection.clone(), difference };
        let (chunks, copied) = (count(self.from, collection).await?, count(self.to, collection).await?);
        if chunks != copied {
            return Err(differs(format!("it has {chunks} chunks, and the copy {copied}")));
        }
        let (mut after, mut compared, mut samples) = (None, 0_usize, Vec::new());
        let step = chunks.div_ceil(SEARCHES).max(1);
        loop {
            let page = self.from.export(collection, after, PAGE_POINTS).await?;
            let copy = self.to.export(collection, after, PAGE_POINTS).await?;
            if let Some(difference) = difference(&page, &copy) {
                return Err(differs(difference));
            }
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            on_event(Event::Compared(page.len()));
            for (_, point) in page {
                if compared.is_multiple_of(step) {
                    samples.push(query(point));
                }
                compared += 1;
            }
        }
        let searches_same = self.search_both(collection, &samples).await?.map_err(differs)?;
        Ok(Verified { chunks, searches: samples.len(), searches_same })
    }

    /// How many of the searches find the very same in both; as an inner error, what two searches may not differ by.
    async fn search_both(
        &self,
        collection: &CollectionName,
        samples: &[Query],
    ) -> Result<Result<usize, String>, MigrateError> {
        let (mut same, mut by_meaning, mut fused) = (0, Shared::default(), Shared::default());
        let chunks = count(self.from, collection).await?;
        for sample in samples {
            let without_words = SparseVector { indices: Vec::new(), values: Vec::new() };
            let dense = Query { sparse: without_words, ..sample.clone() };
            let (hits, of_copy) =
                (search(self.from, collection, &dense).await?, search(self.to, collection, &dense).await?);
            let is_exact = size_of_val(sample.dense.as_slice()).saturating_mul(chunks) <= EXACT_BYTES_MAX;
            if is_exact && !are_as_near(&hits, &of_copy) {
                return Ok(Err(format!("the same search finds {} and in the copy {}", say(&hits), say(&of_copy))));
            }
            by_meaning.add(&hits, &of_copy);
            let (hits, of_copy) =
                (search(self.from, collection, sample).await?, search(self.to, collection, sample).await?);
            same += usize::from(hits.iter().map(name).eq(of_copy.iter().map(name)));
            fused.add(&hits, &of_copy);
        }
        let short = [by_meaning, fused].iter().find_map(|shared| shared.short_of(GRAPH_HITS_SHARED_MIN));
        Ok(short.map_or(Ok(same), Err))
    }
}

/// Hits of the same searches in both stores, counted by their texts: one of two equal chunks is as good as the other.
#[derive(Default)]
struct Shared {
    found: usize,
    shared: usize,
}

impl Shared {
    fn add(&mut self, hits: &[Hit], of_copy: &[Hit]) {
        let texts: BTreeSet<&str> = hits.iter().map(|hit| hit.chunk.text.as_str()).collect();
        self.shared += of_copy.iter().filter(|hit| texts.contains(hit.chunk.text.as_str())).count();
        self.found += hits.len().max(of_copy.len());
    }

    fn short_of(&self, share_min: f64) -> Option<String> {
        let Self { found, shared } = *self;
        #[expect(clippy::cast_precision_loss, reason = "a share of a few hundred")]
        let share = shared as f64 / found.max(1) as f64;
        let short = || format!("of {found} hits of the same searches, the copy finds {shared}");
        (found > 0 && share < share_min).then(short)
    }
}

async fn search(store: &dyn VectorStore, collection: &CollectionName, query: &Query) -> Result<Vec<Hit>, MigrateError> {
    Ok(store.search(&whole(collection), query.clone()).await?)
}

/// Looks for a point by what it is made of.
fn query(point: Point) -> Query {
    let Point { dense, sparse, .. } = point;
    Query {
        dense,
        sparse,
        filter: Filter::default(),
        candidates: CANDIDATES,
        rank_constant: RANK_CONSTANT,
        limit: HITS,
    }
}

/// The first difference of two pages, as the end of a sentence.
fn difference(page: &[(Uuid, Point)], copy: &[(Uuid, Point)]) -> Option<String> {
    for ((id, point), (copy_id, copy)) in page.iter().zip(copy) {
        if id < copy_id {
            return Some(format!("the copy lacks chunk {} of {}", point.chunk.ordinal, point.external_id));
        }
        if id > copy_id {
            return Some(format!("the copy alone has chunk {} of {}", copy.chunk.ordinal, copy.external_id));
        }
        if !is_same(point, copy) {
            return Some(format!("chunk {} of {} is another in the copy", point.chunk.ordinal, point.external_id));
        }
    }
    (page.len() != copy.len()).then(|| "one of the two ends earlier".to_owned())
}

fn is_same(a: &Point, b: &Point) -> bool {
    let close = |a: &[f32], b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= TOLERANCE);
    let ((a_indices, a_values), (b_indices, b_values)) = (sorted(&a.sparse), sorted(&b.sparse));
    (&a.collection, a.document, a.version, &a.external_id, &a.title, &a.allow, &a.chunk)
        == (&b.collection, b.document, b.version, &b.external_id, &b.title, &b.allow, &b.chunk)
        && close(&a.dense, &b.dense)
        && a_indices == b_indices
        && close(&a_values, &b_values)
}

fn sorted(vector: &SparseVector) -> (Vec<u32>, Vec<f32>) {
    let mut pairs: Vec<(u32, f32)> = vector.indices.iter().copied().zip(vector.values.iter().copied()).collect();
    pairs.sort_by_key(|(index, _)| *index);
    pairs.into_iter().unzip()
}

/// The same chunks, as near to the question. Those that are equally near may change places with each other, and at the
/// end with those that the limit cut off.
fn are_as_near(a: &[Hit], b: &[Hit]) -> bool {
    let sorted = |hits: &[Hit]| {
        let mut nearness: Vec<f32> = hits.iter().map(|hit| hit.similarity).collect();
        nearness.sort_by(|a, b| b.total_cmp(a));
        nearness
    };
    let (near_a, near_b) = (sorted(a), sorted(b));
    let (Some(last_a), Some(last_b)) = (near_a.last(), near_b.last()) else { return a.len() == b.len() };
    let cut = last_a.max(*last_b) + TOLERANCE;
    let as_near = near_a.iter().zip(&near_b).all(|(a, b)| (a - b).abs() <= TOLERANCE);
    let above = |hits: &[Hit]| hits.iter().filter(|hit| hit.similarity > cut).map(name).collect::<BTreeSet<_>>();
    let lacks = |hits: &[Hit], others: &[Hit]| {
        let others: BTreeSet<_> = others.iter().map(name).collect();
        above(hits).into_iter().any(|hit| !others.contains(&hit))
    };
    a.len() == b.len() && as_near && !lacks(a, b) && !lacks(b, a)
}

fn name(hit: &Hit) -> (DocumentId, u32) {
    (hit.document, hit.chunk.ordinal)
}

fn say(hits: &[Hit]) -> String {
    let first = hits.first().map_or(String::new(), |hit| {
        format!(", first chunk {} of {} with {:.4}", hit.chunk.ordinal, hit.external_id, hit.similarity)
    });
    format!("{} chunks{first}", hits.len())
}
