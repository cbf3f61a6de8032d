//! What was searched for a question and what came of it: two lists of hits made one, and a note of each candidate.
//!
//! The order depends on the hits alone: what is equally good is ordered by the search for the condensed question, then by
//! the points' ids.

use std::collections::HashMap;
use std::time::Duration;

use uuid::Uuid;

use super::condense::Condensed;
use super::{AnswerError, Answerer, Question, Within};
use crate::caller::Caller;
use crate::document::{DocumentId, Hit, Span, Version, sha256};

/// How much the rank in the search for the question as it was asked counts beside that of the condensed one. On 16
/// follow-ups over the handbook, 1 puts the right passage first 9 times, a third 13 times, and the condensed form alone 13
/// times too; a follow-up alone finds much that has nothing to do with the conversation.
const ASKED_SHARE: f32 = 1.0 / 3.0;
/// Characters of a hash that tell one text from another within a trace.
const HASH_CHARS: usize = 16;

/// How the passages of an answer were found.
#[derive(Debug, Clone, Default)]
pub struct Searched {
    /// None: the question stands by itself.
    pub condensed: Option<Condensed>,
    /// What was found, best first.
    pub candidates: Vec<Candidate>,
    /// From the question to its passages.
    pub took: Duration,
}

/// A chunk that was found: what it is and where it stood, without its text.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    pub document: DocumentId,
    pub version: Version,
    pub external_id: String,
    pub title: String,
    pub ordinal: u32,
    /// Bytes of the document's extracted text.
    pub span: Span,
    /// Of its text.
    pub hash: String,
    pub score: f32,
    pub similarity: f32,
}

impl Candidate {
    pub fn of(hit: &Hit) -> Self {
        Self {
            document: hit.document,
            version: hit.version,
            external_id: hit.external_id.clone(),
            title: hit.title.clone(),
            ordinal: hit.chunk.ordinal,
            span: hit.chunk.span,
            hash: sha256(hit.chunk.text.as_bytes()).chars().take(HASH_CHARS).collect(),
            score: hit.score,
            similarity: hit.similarity,
        }
    }
}

impl Answerer {
    /// Hits for the question as it was asked and as it stands by itself, best first.
    pub(super) async fn search_for(
        &self,
        caller: &Caller,
        question: &Question,
        condensed: Option<&Condensed>,
    ) -> Result<Vec<Hit>, AnswerError> {
        let limit = self.retrieval.candidates;
        let within = Within { collection: &question.collection, filter: &question.filter };
        let search = |text| self.search(caller, within, text, limit);
        let Some(condensed) = condensed else { return search(&question.text).await };
        let (first, second) = futures::try_join!(search(&condensed.text), search(&question.text))?;
        Ok(fuse(first, second, self.retrieval.rank_constant, limit))
    }
}

/// The best `limit` hits of two searches by reciprocal rank, each once. A hit that both have is the condensed one's.
fn fuse(condensed: Vec<Hit>, asked: Vec<Hit>, rank_constant: usize, limit: usize) -> Vec<Hit> {
    let mut fused: HashMap<Uuid, (f32, usize, Hit)> = HashMap::new();
    let unranked = condensed.len();
    for (weight, list) in [(1.0, condensed), (ASKED_SHARE, asked)] {
        for (rank, hit) in list.into_iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "a rank is a small number")]
            let share = weight / (rank_constant + rank) as f32;
            let id = hit.document.point(hit.version, hit.chunk.ordinal);
            let first_rank = if weight < 1.0 { unranked } else { rank };
            fused.entry(id).and_modify(|(score, _, _)| *score += share).or_insert((share, first_rank, hit));
        }
    }
    let mut fused: Vec<(Uuid, (f32, usize, Hit))> = fused.into_iter().collect();
    fused.sort_by(|(a_id, (a, a_rank, _)), (b_id, (b, b_rank, _))| {
        b.total_cmp(a).then_with(|| a_rank.cmp(b_rank)).then_with(|| a_id.cmp(b_id))
    });
    fused.truncate(limit);
    fused.into_iter().map(|(_, (score, _, hit))| Hit { score, ..hit }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::answer::tests::passage;

    fn hit(ordinal: u32, similarity: f32) -> Hit {
        let mut hit = passage(1, &format!("text {ordinal}")).hit;
        (hit.chunk.ordinal, hit.similarity) = (ordinal, similarity);
        hit
    }

    fn ordinals(hits: &[Hit]) -> Vec<u32> {
        hits.iter().map(|hit| hit.chunk.ordinal).collect()
    }

    #[test]
    fn what_both_searches_find_moves_up_and_is_as_the_condensed_question_found_it() {
        let fused = fuse(vec![hit(1, 0.9), hit(2, 0.8)], vec![hit(2, 0.3), hit(3, 0.2)], 2, 10);
        assert_eq!(ordinals(&fused), [1, 2, 3]);
        assert!((fused[1].similarity - 0.8).abs() < 1e-6 && (fused[1].score - (1.0 / 3.0 + 1.0 / 6.0)).abs() < 1e-6);
        let fused = fuse(vec![hit(1, 0.9), hit(4, 0.9), hit(2, 0.8)], vec![hit(2, 0.3)], 2, 10);
        assert_eq!(ordinals(&fused), [1, 2, 4]);
        assert_eq!(ordinals(&fuse(vec![hit(1, 0.0)], vec![hit(2, 0.0)], 2, 10)), [1, 2]);
        assert_eq!(fuse(vec![hit(1, 0.0)], vec![hit(2, 0.0)], 2, 1).len(), 1);
    }

    proptest! {
        #[test]
        fn every_hit_comes_once_and_always_in_the_same_order(
            first in prop::collection::hash_set(0_u32..30, 0..20),
            second in prop::collection::hash_set(0_u32..30, 0..20),
        ) {
            let hits = |set: &std::collections::HashSet<u32>| {
                let mut sorted: Vec<u32> = set.iter().copied().collect();
                sorted.sort_unstable();
                sorted.into_iter().map(|ordinal| hit(ordinal, 0.5)).collect::<Vec<_>>()
            };
            let fused = ordinals(&fuse(hits(&first), hits(&second), 2, 100));
            prop_assert_eq!(fused.len(), first.union(&second).count());
            prop_assert_eq!(&fused, &ordinals(&fuse(hits(&first), hits(&second), 2, 100)));
        }
    }
}
