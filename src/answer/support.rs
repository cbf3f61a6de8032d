//! A question and what was found for it in; out comes what the documents say nothing of, and whether that forbids an
//! answer without a model's judgement. Pure.

use crate::document::{Hit, Passage, Span};
use crate::ground::asked::{Asked, asked};
use crate::ground::evidence::Passages;

/// Hits that are looked through for a word before the documents count as silent on it. A word that is rare brings the
/// chunks that have it to the front, so more of them would change little.
const HITS_MAX: usize = 20;

/// How far the documents speak of what is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Support {
    /// Words of the question that none of the nearest chunks has, and terms that stand in none.
    pub missing: Vec<String>,
    /// Words that the sentences lack which have most of the question; they may stand elsewhere.
    pub beyond: Vec<String>,
    /// Of what is missing, one is a number, a name or an identifier, for which there is no other word.
    pub misses_exact: bool,
    /// The share of the question, by the rarity of its words, that the nearest chunks don't have, in 0..=1.
    pub missing_share: f32,
    /// The share that up to three neighbouring sentences of one passage have, in 0..=1.
    pub together: f32,
}

/// Looks for the question's words among the hits and in the passages that were packed of them.
pub(super) fn support(question: &str, hits: &[Hit], passages: &[Passage]) -> Support {
    let near: Vec<String> = hits.iter().take(HITS_MAX).map(whole).collect();
    let Asked { absent, .. } = asked(question, &Passages::read(&near));
    let packed: Vec<String> = passages.iter().map(|passage| whole(&passage.hit)).collect();
    let Asked { apart, together, beyond, .. } = asked(question, &Passages::read(&packed));
    let words = |mut spans: Vec<Span>| {
        spans.sort_by_key(|span| span.start);
        spans.into_iter().map(|span| span.of(question).to_owned()).collect()
    };
    Support {
        missing: words(absent.iter().map(|absent| absent.span).chain(apart).collect()),
        beyond: words(beyond),
        misses_exact: absent.iter().any(|absent| absent.is_exact),
        missing_share: absent.iter().map(|absent| absent.share).sum(),
        together,
    }
}

/// A chunk with what stands above it, each as a sentence of its own.
fn whole(hit: &Hit) -> String {
    let chunk = &hit.chunk;
    let head = chunk.table_head.as_deref().unwrap_or_default();
    format!("{}.\n\n{}.\n\n{head}\n{}", hit.title, chunk.headings.join(" "), chunk.text)
}
