//! Two questions that different documents answer, as one that needs both. Pure.

use super::Kept;
use super::made::Draft;
use crate::eval::case::MadeBy;

/// Nearer in meaning than this, and one person may want to know both at once.
const NEARNESS_MIN: f32 = 0.45;
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
    let mut near: Vec<(f32, usize, usize)> = Vec::new();
    for (first, one) in fitting.iter().enumerate() {
        for (second, two) in fitting.iter().enumerate().skip(first + 1) {
            let nearness = one.asked.nearness(&two.asked);
            let words = |kept: &Kept| kept.draft.question.split(' ').count();
            let is_across = document(one) != document(two) && words(one) + words(two) <= WORDS_MAX;
            if is_across && nearness >= NEARNESS_MIN {
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
