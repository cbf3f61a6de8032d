//! Hits in, passages out: the irrelevant dropped, the same text in several documents made one with a note of the others,
//! the rest numbered up to a token budget. Pure.

use std::collections::HashSet;

use unicode_segmentation::UnicodeSegmentation;

use crate::config::Retrieval;
use crate::document::{AlsoIn, Hit, Passage};
use crate::embed::{SparseEmbedder, TokenCounter};

/// Words in a shingle: enough that two texts share one only where one repeats the other.
const SHINGLE_WORDS: usize = 3;
/// How much the question's words count beside its meaning. Meaning alone takes "install Oracle on Windows" for
/// "install PostgreSQL on Windows"; words alone miss "upper case" for "capitals".
const COVERAGE_WEIGHT: f32 = 0.5;
/// A passage this far below the best one is left out.
const RELEVANCE_SHARE_MIN: f32 = 0.6;

/// A hit and how well it fits the question, in -1..=1.5: comparable between searches, unlike a fused rank. Good for
/// telling whether there is an answer at all; for the order among hits, the fused rank proved better.
pub(super) struct Judged {
    pub(super) hit: Hit,
    pub(super) relevance: f32,
}

/// Each hit with its relevance, in the order given.
pub(super) fn judge(question: &str, hits: Vec<Hit>, sparse: &SparseEmbedder) -> Vec<Judged> {
    let asked: HashSet<u32> = sparse.question(question).indices.into_iter().collect();
    hits.into_iter()
        .map(|hit| {
            let head = hit.chunk.table_head.as_deref().unwrap_or_default();
            let text = format!("{}\n{}\n{head}\n{}", hit.title, hit.chunk.headings.join("\n"), hit.chunk.text);
            let relevance = hit.similarity + COVERAGE_WEIGHT * coverage(&asked, &sparse.question(&text).indices);
            Judged { hit, relevance }
        })
        .collect()
}

/// The share of the question's words that a text has, in 0..=1.
pub(super) fn coverage(asked: &HashSet<u32>, found: &[u32]) -> f32 {
    let found: HashSet<u32> = found.iter().copied().collect();
    #[expect(clippy::cast_precision_loss, reason = "a question has a few words")]
    {
        asked.intersection(&found).count() as f32 / asked.len().max(1) as f32
    }
}

/// The passages that the answer may rely on, best first, numbered from 1. Empty: nothing is worth answering from.
pub(super) fn pack(judged: Vec<Judged>, limits: &Retrieval, tokens: &TokenCounter) -> Vec<Passage> {
    let best = judged.iter().map(|judged| judged.relevance).fold(f32::NEG_INFINITY, f32::max);
    if best < limits.relevance_min {
        return Vec::new();
    }
    let mut kept: Vec<Kept> = Vec::new();
    let mut tokens_left = limits.passage_tokens_max;
    for Judged { hit, .. } in judged.into_iter().filter(|judged| judged.relevance >= best * RELEVANCE_SHARE_MIN) {
        let cost = tokens.count(&hit.chunk.text);
        let shingles = shingles(&hit.chunk.text);
        let alike = kept.iter_mut().find(|other| overlap(&other.shingles, &shingles) > limits.overlap_max);
        if let Some(place) = alike {
            let room = tokens_left + tokens.count(&place.hit.chunk.text);
            if is_newer(&hit, &place.hit) && cost <= room {
                tokens_left = room - cost;
                place.shingles = shingles;
                let older = std::mem::replace(&mut place.hit, hit);
                place.note(older);
            } else {
                place.note(hit);
            }
            continue;
        }
        // Later ones may still be the same as one of these, and newer.
        if kept.len() < limits.passages_max && cost <= tokens_left {
            tokens_left -= cost;
            kept.push(Kept { shingles, hit, also_in: Vec::new() });
        }
    }
    let numbered = kept.into_iter().enumerate();
    numbered.map(|(at, Kept { hit, also_in, .. })| Passage { number: at + 1, hit, also_in }).collect()
}

/// A hit that will be a passage, and the other documents that say the same.
struct Kept {
    shingles: HashSet<Vec<String>>,
    hit: Hit,
    also_in: Vec<AlsoIn>,
}

impl Kept {
    /// Notes a hit with the same text that is not shown. Each other document is noted once, with its best hit.
    fn note(&mut self, other: Hit) {
        let (own, others) = (self.hit.document, other.document);
        self.also_in.retain(|known| known.document != own);
        if others != own && self.also_in.iter().all(|known| known.document != others) {
            self.also_in.push(other.into());
        }
    }
}

/// Whether the one is the later word on what both say. Two pieces of one document are equally new.
fn is_newer(hit: &Hit, other: &Hit) -> bool {
    hit.document != other.document && hit.metadata.date.is_some() && hit.metadata.date > other.metadata.date
}

fn shingles(text: &str) -> HashSet<Vec<String>> {
    let words: Vec<String> = text.unicode_words().map(str::to_lowercase).collect();
    if words.len() < SHINGLE_WORDS {
        return HashSet::from([words]);
    }
    words.windows(SHINGLE_WORDS).map(<[String]>::to_vec).collect()
}

/// Share of the smaller set that is in the larger one, in 0..=1: a text within another is a duplicate of it.
fn overlap(a: &HashSet<Vec<String>>, b: &HashSet<Vec<String>>) -> f64 {
    let common = a.intersection(b).count();
    #[expect(clippy::cast_precision_loss, reason = "a chunk has a few hundred words")]
    {
        common as f64 / a.len().min(b.len()).max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::tests::{limits, passage};
    use crate::document::DocumentId;

    fn hit(text: &str) -> Hit {
        passage(1, text).hit
    }

    fn alike(hits: Vec<Hit>) -> Vec<Judged> {
        hits.into_iter().map(|hit| Judged { hit, relevance: 1.0 }).collect()
    }

    fn packed(hits: Vec<Hit>, limits: &Retrieval) -> Vec<String> {
        pack(alike(hits), limits, &TokenCounter::estimate()).into_iter().map(|p| p.hit.chunk.text).collect()
    }

    #[test]
    fn a_near_duplicate_of_a_better_hit_is_dropped() {
        let text = "Run the installer as root and restart the service when it has finished its work.";
        let copy = format!("{text} Thanks.");
        assert_eq!(packed(vec![hit(text), hit(&copy), hit("Something else is said here.")], &limits()).len(), 2);
    }

    #[test]
    fn of_near_duplicates_in_two_documents_the_newest_is_shown_in_the_best_ones_place() {
        let text = "Run the installer as root and restart the service when it has finished its work in version";
        let dated = |document: &str, date: Option<i64>, text: &str| {
            let mut hit = hit(text);
            hit.document = DocumentId::new(&"docs".parse().unwrap(), document);
            hit.metadata.date = date;
            hit
        };
        let (old, new) =
            (dated("old", Some(1), &format!("{text} one.")), dated("new", Some(2), &format!("{text} two.")));
        let other = dated("other", Some(9), "Something else is said here.");
        let packed = |hits: Vec<Hit>| packed(hits, &limits());
        assert_eq!(packed(vec![old.clone(), other.clone(), new.clone()]), [new.chunk.text.as_str(), &other.chunk.text]);
        assert_eq!(packed(vec![new.clone(), other.clone(), old.clone()]), [new.chunk.text.as_str(), &other.chunk.text]);
        let passages = pack(alike(vec![old.clone(), other.clone(), new.clone()]), &limits(), &TokenCounter::estimate());
        let also_in = |passage: &Passage| passage.also_in.iter().map(|copy| copy.document).collect::<Vec<_>>();
        assert_eq!((also_in(&passages[0]), also_in(&passages[1])), (vec![old.document], vec![]));
        let undated = dated("undated", None, &format!("{text} three."));
        assert_eq!(packed(vec![old.clone(), undated]), [old.chunk.text]);
    }

    #[test]
    fn the_same_text_in_several_documents_is_one_passage_that_names_each_other_document_once() {
        let text = "Run the installer as root and restart the service when it has finished its work.";
        let of = |document: &str| {
            let mut hit = hit(text);
            hit.document = DocumentId::new(&"docs".parse().unwrap(), document);
            hit.external_id = document.to_owned();
            hit
        };
        let hits = ["one", "two", "one", "three", "two"].map(of);
        let one_place = Retrieval { passages_max: 1, ..limits() };
        for limits in [limits(), one_place] {
            let passages = pack(alike(hits.to_vec()), &limits, &TokenCounter::estimate());
            assert_eq!((passages.len(), passages[0].hit.external_id.as_str()), (1, "one"));
            let others: Vec<&str> = passages[0].also_in.iter().map(|copy| copy.external_id.as_str()).collect();
            assert_eq!(others, ["two", "three"], "those that come after the last passage too");
        }
    }

    #[test]
    fn without_one_relevant_passage_nothing_is_packed() {
        let below = Judged { hit: hit("far away"), relevance: limits().relevance_min - 0.01 };
        assert!(pack(vec![below], &limits(), &TokenCounter::estimate()).is_empty());
    }

    #[test]
    fn a_passage_far_below_the_best_is_left_out() {
        let ranked = [("the best of them", 1.0), ("one that still fits", 0.61), ("one too far off", 0.59)];
        let ranked = ranked.map(|(text, relevance)| Judged { hit: hit(text), relevance });
        assert_eq!(pack(ranked.into(), &limits(), &TokenCounter::estimate()).len(), 2);
    }

    #[test]
    fn of_two_hits_as_similar_the_one_with_the_questions_words_is_more_relevant() {
        let hits = vec![hit("Something about gardens."), hit("Restarting the servers takes a minute.")];
        let judged = judge("How do I restart the server?", hits, &SparseEmbedder::new());
        let relevance: Vec<f32> = judged.iter().map(|judged| judged.relevance).collect();
        assert!(relevance.first() < relevance.last(), "{relevance:?}");
    }

    #[test]
    fn the_token_budget_is_kept_and_a_shorter_later_passage_may_still_fit() {
        let tight = Retrieval { passage_tokens_max: 20, ..limits() };
        let long = "long ".repeat(20);
        assert_eq!(packed(vec![hit("first one fits well"), hit(&long), hit("third fits too")], &tight).len(), 2);
    }

    #[test]
    fn numbers_run_from_one_without_a_gap() {
        let hits = vec![hit("one apple a day"), hit("two pears at night"), hit("three plums at noon")];
        let numbers: Vec<usize> =
            pack(alike(hits), &limits(), &TokenCounter::estimate()).iter().map(|passage| passage.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }
}
