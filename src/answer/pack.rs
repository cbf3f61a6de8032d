//! Hits in, passages out: near-duplicates dropped, the unworthy left out, the rest numbered up to a token budget. Pure.

use std::collections::HashSet;

use unicode_segmentation::UnicodeSegmentation;

use crate::config::Retrieval;
use crate::document::{Hit, Passage};
use crate::embed::TokenCounter;

/// Words in a shingle: enough that two texts share one only where one repeats the other.
const SHINGLE_WORDS: usize = 3;

/// The passages that the answer may rely on, best first, numbered from 1. Empty: nothing is worth answering from.
pub(super) fn pack(hits: Vec<Hit>, limits: &Retrieval, tokens: &TokenCounter) -> Vec<Passage> {
    let mut kept: Vec<(HashSet<Vec<String>>, Hit)> = Vec::new();
    let mut tokens_left = limits.passage_tokens_max;
    for hit in hits {
        if kept.len() == limits.passages_max {
            break;
        }
        if hit.similarity < limits.similarity_min {
            continue;
        }
        let cost = tokens.count(&hit.chunk.text);
        let shingles = shingles(&hit.chunk.text);
        if cost > tokens_left || kept.iter().any(|(other, _)| overlap(other, &shingles) > limits.overlap_max) {
            continue;
        }
        tokens_left -= cost;
        kept.push((shingles, hit));
    }
    kept.into_iter().enumerate().map(|(at, (_, hit))| Passage { number: at + 1, hit }).collect()
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

    fn hit(text: &str) -> Hit {
        passage(1, text).hit
    }

    fn packed(hits: Vec<Hit>, limits: &Retrieval) -> Vec<String> {
        pack(hits, limits, &TokenCounter::estimate()).into_iter().map(|p| p.hit.chunk.text).collect()
    }

    #[test]
    fn a_near_duplicate_of_a_better_hit_is_dropped() {
        let text = "Run the installer as root and restart the service when it has finished its work.";
        let copy = format!("{text} Thanks.");
        assert_eq!(packed(vec![hit(text), hit(&copy), hit("Something else is said here.")], &limits()).len(), 2);
    }

    #[test]
    fn a_passage_below_the_similarity_is_not_worth_packing() {
        let far = Hit { similarity: limits().similarity_min - 0.01, ..hit("far away") };
        assert!(packed(vec![far], &limits()).is_empty());
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
            pack(hits, &limits(), &TokenCounter::estimate()).iter().map(|passage| passage.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
    }
}
