//! Two questions that different documents answer, as one that needs both. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Kept;
use super::made::Draft;
use super::readable::is_common;
use crate::eval::case::MadeBy;

/// Nearer in meaning than this, and one person may want to know both at once.
const NEARNESS_MIN: f32 = 0.45;
/// They share a word that so few questions have, in hundredths of all, or so few at all.
const RARE_SHARE: usize = 2;
const RARE_MIN: usize = 4;
const LETTERS_MIN: usize = 4;
/// Of both questions together.
const WORDS_MAX: usize = 24;
const OPENINGS: [&str; 4] = ["What ", "How ", "Where ", "When "];

/// Pairs of neighbours in meaning, the nearest first; each question is in one of them at most.
pub(super) fn pairs(kept: &[Kept]) -> Vec<Draft> {
    let fits = |kept: &&Kept| {
        let question = &kept.draft.question;
        OPENINGS.iter().any(|opening| question.starts_with(opening)) && !question.contains('"')
    };
    let fitting: Vec<&Kept> = kept.iter().filter(fits).collect();
    let topics: Vec<BTreeSet<String>> = fitting.iter().map(|kept| topic(&kept.draft.question)).collect();
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    for word in topics.iter().flatten() {
        *counts.entry(word).or_default() += 1;
    }
    let rare = (fitting.len() * RARE_SHARE / 100).max(RARE_MIN);
    let shares = |first: usize, second: usize| {
        let (Some(one), Some(two)) = (topics.get(first), topics.get(second)) else { return false };
        one.intersection(two).any(|word| counts.get(word).is_some_and(|count| *count <= rare))
    };
    let mut near: Vec<(f32, usize, usize)> = Vec::new();
    for (first, one) in fitting.iter().enumerate() {
        for (second, two) in fitting.iter().enumerate().skip(first + 1) {
            let nearness = one.asked.nearness(&two.asked);
            let words = |kept: &Kept| kept.draft.question.split(' ').count();
            let is_across = document(one) != document(two) && words(one) + words(two) <= WORDS_MAX;
            if is_across && nearness >= NEARNESS_MIN && shares(first, second) {
                near.push((nearness, first, second));
            }
        }
    }
    near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| (a.1, a.2).cmp(&(b.1, b.2))));
    let mut used = vec![false; fitting.len()];
    let mut drafts = Vec::new();
    for (_, first, second) in near {
        let is_free = [first, second].iter().all(|at| used.get(*at) == Some(&false));
        let (Some(one), Some(two), true) = (fitting.get(first), fitting.get(second), is_free) else { continue };
        for at in [first, second] {
            if let Some(used) = used.get_mut(at) {
                *used = true;
            }
        }
        drafts.push(joined(&one.draft, &two.draft));
    }
    drafts
}

/// The words that say what it is about, those within identifiers too.
fn topic(question: &str) -> BTreeSet<String> {
    let parts = question.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase);
    parts.filter(|word| word.chars().count() >= LETTERS_MIN && !is_common(word)).collect()
}

fn document(kept: &Kept) -> &str {
    kept.draft.sources.first().map_or("", |gold| &gold.document)
}

fn joined(one: &Draft, two: &Draft) -> Draft {
    let mut letters = two.question.chars();
    let second: String = letters.next().map(|first| first.to_lowercase().collect()).unwrap_or_default();
    let question = format!("{}, and {second}{}", one.question.trim_end_matches('?'), letters.as_str());
    Draft {
        question,
        by: MadeBy::Combined,
        sources: one.sources.iter().chain(&two.sources).cloned().collect(),
        facts: one.facts.iter().chain(&two.facts).cloned().collect(),
    }
}
