//! A passage in, and its words as an answer shows them: cited by a mark, or as what a claim rests on.

use crate::answer::event::{CheckedClaim, Citation, Evidence};
use crate::document::{Passage, Span};
use crate::ground::Verdict;

/// A source as a mark cites it. `words`: bytes of the chunk's text; all of it where there are none.
pub(in crate::answer) fn citation(source: &Passage, words: Option<Span>, mark: Span) -> Citation {
    let hit = &source.hit;
    let Evidence { number, document, external_id, title, page, headings, span, quote, .. } =
        evidence(source, words.unwrap_or(Span { start: 0, end: hit.chunk.text.len() }));
    let also_in = source.also_in.clone();
    Citation { number, mark, document, external_id, title, page, headings, span, quote, also_in }
}

pub(super) fn evidence(source: &Passage, words: Span) -> Evidence {
    let hit = &source.hit;
    let start = hit.chunk.span.start;
    Evidence {
        number: source.number,
        document: hit.document,
        version: hit.version,
        external_id: hit.external_id.clone(),
        title: hit.title.clone(),
        page: hit.chunk.page,
        headings: hit.chunk.headings.clone(),
        span: Span { start: start + words.start, end: start + words.end },
        quote: words.of(&hit.chunk.text).to_owned(),
    }
}

/// A quotation is its own evidence.
pub(in crate::answer) fn quoted_claim(span: Span, source: &Passage, words: Span) -> CheckedClaim {
    CheckedClaim {
        span,
        verdict: Verdict::Supported,
        score: 1.0,
        coverage: 1.0,
        entailment: None,
        evidence: vec![evidence(source, words)],
        findings: Vec::new(),
    }
}

/// What a claim may rest on: the head of a table that the passage has rows of counts too.
pub(in crate::answer) fn whole_text(passage: &Passage) -> String {
    let chunk = &passage.hit.chunk;
    match &chunk.table_head {
        Some(head) => format!("{head}\n{}", chunk.text),
        None => chunk.text.clone(),
    }
}
