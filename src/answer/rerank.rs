//! Hits in the order of the fusion in, the same hits in the order of a cross-encoder out, if that is in time.
//!
//! A hit more or less can't come of it: whatever the reranker gives is a score for each of the first few hits, or
//! nothing, and then the fused order stands. So does it after the deadline.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tracing::{info, warn};

use crate::document::Hit;
use crate::embed::Reranker;

/// A reranker, and how much is asked of it.
pub struct Rerank {
    reranker: Reranker,
    /// The first so many hits are ordered anew.
    candidates: usize,
    deadline: Duration,
    /// Whether it failed the last time: the first failure is logged, not each.
    fails: AtomicBool,
}

impl Rerank {
    pub fn new(reranker: Reranker, candidates: usize, deadline: Duration) -> Self {
        Self { reranker, candidates, deadline, fails: AtomicBool::new(false) }
    }

    /// A score for each of the first hits. None: there is none in time, or none that can be used.
    async fn scores(&self, question: &str, hits: &[Hit]) -> Option<Vec<f32>> {
        let texts: Vec<String> = hits.iter().take(self.candidates).map(text).collect();
        let (asked, started) = (texts.len(), Instant::now());
        let scored = tokio::time::timeout(self.deadline, self.reranker.scores(question, texts)).await;
        metrics::histogram!("cairn_rerank_duration_seconds").record(started.elapsed().as_secs_f64());
        let count = |outcome: &'static str| {
            metrics::counter!("cairn_rerankings_total", "outcome" => outcome).increment(1);
        };
        let (outcome, cause) = match scored {
            Ok(Ok(scores)) if scores.len() == asked && scores.iter().all(|score| score.is_finite()) => {
                count("ordered");
                if self.fails.swap(false, Ordering::Relaxed) {
                    info!("the reranker works again");
                }
                return Some(scores);
            }
            Ok(Ok(_)) => ("nonsense", "it gave scores that are none".to_owned()),
            Ok(Err(error)) => (error.outcome(), error.to_string()),
            Err(_) => {
                let limit = humantime::format_duration(self.deadline);
                ("deadline", format!("no answer within {limit} (rerank.deadline)"))
            }
        };
        count(outcome);
        if !self.fails.swap(true, Ordering::Relaxed) {
            warn!(outcome, cause, "the reranker failed, so the fused order stands; more failures are only counted");
        }
        None
    }
}

/// The same hits, best first by the reranker, and behind its candidates the others as they were.
pub(super) async fn reranked(rerank: Option<&Rerank>, question: &str, hits: Vec<Hit>) -> Vec<Hit> {
    let Some(rerank) = rerank.filter(|_| hits.len() > 1) else { return hits };
    match rerank.scores(question, &hits).await {
        Some(scores) => ordered(hits, &scores),
        None => hits,
    }
}

/// By the scores of the first hits, equals as they were, and behind them those without a score.
fn ordered(hits: Vec<Hit>, scores: &[f32]) -> Vec<Hit> {
    let score = |at: usize| scores.get(at).copied().unwrap_or(f32::NEG_INFINITY);
    let mut ordered: Vec<(f32, Hit)> = hits.into_iter().enumerate().map(|(at, hit)| (score(at), hit)).collect();
    ordered.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    ordered.into_iter().map(|(_, hit)| hit).collect()
}

/// What the reranker reads of a hit: what was embedded of it, and what a chat model would get.
fn text(hit: &Hit) -> String {
    let below = hit.chunk.headings.iter().filter(|heading| **heading != hit.title);
    let path = std::iter::once(&hit.title).chain(below).map(String::as_str).collect::<Vec<_>>().join(" > ");
    let lines = [Some(path.as_str()), hit.chunk.table_head.as_deref(), Some(&hit.chunk.text)];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::answer::tests::passage;

    proptest! {
        #[test]
        fn no_hit_is_lost_and_those_without_a_score_stay_behind_as_they_were(
            scores in prop::collection::vec(-9.0..9.0_f32, 0..12), more in 0..12_usize,
        ) {
            let hits: Vec<Hit> = (0..scores.len() + more).map(|n| passage(n, &n.to_string()).hit).collect();
            let found: Vec<usize> =
                ordered(hits, &scores).iter().map(|hit| hit.chunk.text.parse().unwrap()).collect();
            let (first, rest) = found.split_at(scores.len());
            prop_assert!(first.is_sorted_by(|a, b| scores[*a] > scores[*b] || scores[*a] == scores[*b] && a < b));
            prop_assert_eq!(rest, (scores.len()..scores.len() + more).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_reranker_reads_the_headings_and_the_head_of_a_table_too() {
        let mut hit = passage(1, "| 2525 | mail |").hit;
        hit.chunk.table_head = Some("| Port | Use |".into());
        assert_eq!(text(&hit), "Guide > Install\n| Port | Use |\n| 2525 | mail |");
    }
}
