//! How well search ranks, on collections whose right documents are known: BEIR folders and SQuAD's JSON.
//!
//! The documents are indexed by the product's own path and asked as the product asks; a document ranks where its first
//! chunk does. Figures are those of trec_eval over all queries that have a right document; one that can't be asked counts
//! as zero and is listed.

mod dataset;

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

pub use dataset::{Dataset, Query};

use super::index::Index;
use super::record::{Estimate, Figure};
use super::stats::bootstrap::Clustered;
use super::stats::real;
use crate::answer::Within;
use crate::caller::Caller;
use crate::config::Config;
use crate::store::Filter;

/// Questions that are asked at the same time.
const CONCURRENCY: usize = 4;
/// Every so many answered questions progress is told.
const TELL_EVERY: usize = 20;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetrievalReport {
    pub dataset: String,
    pub index: String,
    pub documents: usize,
    pub queries: usize,
    /// Hits that each search gave at most.
    pub depth: usize,
    /// `recall@5`, `recall@10`, `ndcg@10`, `mrr`.
    pub metrics: BTreeMap<String, Estimate>,
    /// Queries that could not be asked, and why. They count as zero.
    pub errored: BTreeMap<String, String>,
    /// Documents that could not be indexed, and why.
    pub rejected: BTreeMap<String, String>,
    pub seconds: f64,
}

/// Documents by query, best first.
pub type Rankings = BTreeMap<String, Vec<String>>;

/// Relevance by query and document.
pub type Judgements = BTreeMap<String, BTreeMap<String, u32>>;

/// A figure of one query, from the relevance of its hits in order and of all judged documents.
type Ranked = fn(&[u32], &[u32]) -> f64;

/// Indexes the dataset in `folder` and asks its queries, `depth` hits each; 0: as many as the product looks at.
pub async fn run(
    config: Config,
    dataset: Dataset,
    (folder, depth): (&Path, usize),
    told: impl Fn(&str, usize, usize),
) -> anyhow::Result<(RetrievalReport, Rankings)> {
    let depth = if depth == 0 { config.retrieval.candidates } else { depth };
    let began = Instant::now();
    let Dataset { name, documents, queries, judgements } = dataset;
    let count = documents.len();
    told("indexing", 0, count);
    let index = Index::of_texts(config, documents, folder).await?;
    let asked: Vec<Query> = queries.into_iter().filter(|query| judgements.contains_key(&query.id)).collect();
    let (rankings, errored) = ask(&index, &asked, depth, told).await;
    let report = RetrievalReport {
        dataset: name,
        index: index.app.fingerprint.clone(),
        documents: count,
        queries: judgements.len(),
        depth,
        metrics: metrics(&rankings, &judgements),
        errored,
        rejected: index.failed.iter().cloned().collect(),
        seconds: began.elapsed().as_secs_f64(),
    };
    index.app.ledger.close().await;
    Ok((report, rankings))
}

async fn ask(
    index: &Index,
    queries: &[Query],
    depth: usize,
    told: impl Fn(&str, usize, usize),
) -> (Rankings, BTreeMap<String, String>) {
    use futures::StreamExt;
    let searches = queries.iter().map(|query| async move {
        let within = Within { collection: &index.collection, filter: &Filter::default() };
        let found = index.app.answerer.search(&Caller::local(), within, &query.text, depth).await;
        (query, found)
    });
    let mut searches = futures::stream::iter(searches).buffer_unordered(CONCURRENCY);
    let (mut rankings, mut errored) = (Rankings::new(), BTreeMap::new());
    while let Some((query, found)) = searches.next().await {
        match found {
            Ok(hits) => {
                let mut seen = HashSet::new();
                let names = hits.into_iter().map(|hit| hit.external_id);
                rankings.insert(query.id.clone(), names.filter(|name| seen.insert(name.clone())).collect());
            }
            Err(error) => {
                rankings.insert(query.id.clone(), Vec::new());
                errored.insert(query.id.clone(), error.to_string());
            }
        }
        if rankings.len().is_multiple_of(TELL_EVERY) {
            told("asking", rankings.len(), queries.len());
        }
    }
    (rankings, errored)
}

/// The means over all judged queries, with intervals over queries.
pub fn metrics(rankings: &Rankings, judgements: &Judgements) -> BTreeMap<String, Estimate> {
    let measures: [(&str, Ranked); 4] = [
        ("recall@5", |found, right| recall(found, right, 5)),
        ("recall@10", |found, right| recall(found, right, 10)),
        ("ndcg@10", |found, right| ndcg(found, right, 10)),
        ("mrr", |found, _| reciprocal_rank(found)),
    ];
    let mut metrics = BTreeMap::new();
    for (name, measure) in measures {
        let values = judgements.iter().map(|(query, right)| {
            let gains: Vec<u32> = rankings
                .get(query)
                .map(|ranked| ranked.iter().map(|document| right.get(document).copied().unwrap_or(0)).collect())
                .unwrap_or_default();
            (query.as_str(), measure(&gains, &right.values().copied().collect::<Vec<_>>()))
        });
        let values = Clustered::of(values);
        let estimate = values.mean().zip(values.interval()).and_then(|(value, interval)| {
            Some(Estimate {
                value: Figure::new(value)?,
                low: Figure::new(interval.low)?,
                high: Figure::new(interval.high)?,
            })
        });
        metrics.extend(estimate.map(|estimate| (name.to_owned(), estimate)));
    }
    metrics
}

/// The share of the right documents among the first `k`. `found` is the relevance of each hit in order, `right` of all
/// judged documents.
pub fn recall(found: &[u32], right: &[u32], k: usize) -> f64 {
    let all = right.iter().filter(|gain| **gain > 0).count();
    let hits = found.iter().take(k).filter(|gain| **gain > 0).count();
    if all == 0 { 0.0 } else { real(hits) / real(all) }
}

/// One divided by the rank of the first right hit; 0 where there is none.
pub fn reciprocal_rank(found: &[u32]) -> f64 {
    found.iter().position(|gain| *gain > 0).map_or(0.0, |at| 1.0 / real(at + 1))
}

/// nDCG as trec_eval's `ndcg_cut` has it (Järvelin and Kekäläinen 2002): gains by log2(rank + 1), over those of the best
/// order that there is.
pub fn ndcg(found: &[u32], right: &[u32], k: usize) -> f64 {
    let gained = |gains: &[u32]| -> f64 {
        gains.iter().take(k).enumerate().map(|(at, gain)| f64::from(*gain) / real(at + 2).log2()).sum()
    };
    let mut best = right.to_vec();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let ideal = gained(&best);
    if ideal > 0.0 { gained(found) / ideal } else { 0.0 }
}

/// Writes rankings as TREC has them: `query Q0 document rank score run`, scores falling so that readers who sort by them
/// have the same order. An id with a space can't be written so, and is an error.
pub fn write_trec(rankings: &Rankings, out: &mut impl Write) -> io::Result<()> {
    for (query, documents) in rankings {
        for (at, document) in documents.iter().enumerate() {
            if let Some(id) = [query, document].into_iter().find(|id| id.contains(char::is_whitespace)) {
                return Err(io::Error::other(format!("the id {id:?} has a space, which TREC's format can't hold")));
            }
            writeln!(out, "{query} Q0 {document} {} {} cairn", at + 1, documents.len() - at)?;
        }
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    // pytrec_eval.RelevanceEvaluator({"q": {"a": 2, "b": 1, "c": 0, "d": 1}}, {"ndcg_cut_10", "recall_5", "recip_rank"})
    //     .evaluate({"q": {"x": 5, "b": 4, "a": 3, "c": 2}})
    #[test]
    fn figures_are_trec_evals() {
        let (found, right) = ([0, 1, 2, 0], [2, 1, 0, 1]);
        assert!((ndcg(&found, &right, 10) - 0.520_909_085_140_301_4).abs() < 1e-9, "{}", ndcg(&found, &right, 10));
        assert!((recall(&found, &right, 5) - 2.0 / 3.0).abs() < 1e-12);
        assert!((reciprocal_rank(&found) - 0.5).abs() < 1e-12);
        assert!(ndcg(&[], &right, 10).abs() < 1e-12 && ndcg(&found, &[0], 10).abs() < 1e-12);
    }

    #[test]
    fn a_query_without_a_ranking_counts_as_zero() {
        let right = BTreeMap::from([("a".to_owned(), 1)]);
        let judgements = Judgements::from([("q1".into(), right.clone()), ("q2".into(), right)]);
        let rankings = Rankings::from([("q1".into(), vec!["a".into()])]);
        let found = metrics(&rankings, &judgements);
        assert_eq!(found["mrr"].value, Figure::new(0.5).unwrap());
        assert_eq!(found["recall@5"].value, Figure::new(0.5).unwrap());
    }

    #[test]
    fn an_id_with_a_space_is_not_written_as_trec() {
        let mut out = Vec::new();
        write_trec(&Rankings::from([("q".into(), vec!["a".into(), "b".into()])]), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "q Q0 a 1 2 cairn\nq Q0 b 2 1 cairn\n");
        assert!(write_trec(&Rankings::from([("q".into(), vec!["a b".into()])]), &mut Vec::new()).is_err());
    }
}
