//! Question and passages in, the passages' own best sentences out: how cairn answers without a language model.

use std::collections::HashSet;

use crate::document::{Passage, Span};
use crate::embed::{EmbedError, Embedder, Purpose, SparseEmbedder, cosine};

use super::cite::Edited;
use super::instructions::is_instruction;
use super::links::Addresses;
use super::pack::coverage;
use super::sentence::sentences;

/// Sentences that are looked at for one question: bounds its cost to about a second on one core.
const SENTENCES_MAX: usize = 80;
const SENTENCE_BYTES_MAX: usize = 900;
const SENTENCE_WORDS_MIN: usize = 4;
/// A sentence this far below the best one is left out.
const SCORE_SHARE_MIN: f32 = 0.8;
/// How much the question's words in the sentence count beside its meaning.
const COVERAGE_WEIGHT: f32 = 0.35;

/// A sentence of a passage, word for word.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Quote {
    pub(super) passage: usize,
    /// Bytes of the document's extracted text.
    pub(super) span: Span,
    pub(super) text: String,
}

struct Scored {
    quote: Quote,
    score: f32,
}

/// The sentences that answer the question best, in reading order of the passages.
pub(super) async fn quotes(
    embedder: &dyn Embedder,
    sparse: &SparseEmbedder,
    question: &str,
    passages: &[Passage],
    quotes_max: usize,
) -> Result<Vec<Quote>, EmbedError> {
    let candidates = candidates(passages, embedder);
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let asked = embedder.embed(Purpose::Question, vec![question.to_owned()]).await?.pop().unwrap_or_default();
    let texts = candidates.iter().map(|quote| quote.text.clone()).collect();
    let vectors = embedder.embed(Purpose::Passage, texts).await?;
    let terms: HashSet<u32> = sparse.question(question).indices.into_iter().collect();
    let scored = candidates.into_iter().zip(vectors).map(|(quote, vector)| {
        let score = cosine(&asked, &vector) + COVERAGE_WEIGHT * coverage(&terms, &sparse.question(&quote.text).indices);
        Scored { quote, score }
    });
    Ok(best(scored.collect(), quotes_max))
}

fn candidates(passages: &[Passage], embedder: &dyn Embedder) -> Vec<Quote> {
    let room = embedder.tokens_max().saturating_sub(embedder.token_counter().special_tokens());
    let mut seen = HashSet::new();
    passages
        .iter()
        .flat_map(|passage| {
            let chunk = &passage.hit.chunk;
            sentences(&chunk.text).into_iter().map(move |within| Quote {
                passage: passage.number,
                span: Span { start: chunk.span.start + within.start, end: chunk.span.start + within.end },
                text: within.of(&chunk.text).to_owned(),
            })
        })
        .filter(|quote| quote.text.len() <= SENTENCE_BYTES_MAX)
        .filter(|quote| !is_instruction(&quote.text))
        .filter(|quote| quote.text.split_whitespace().count() >= SENTENCE_WORDS_MIN)
        .filter(|quote| embedder.token_counter().count(&quote.text) <= room)
        .filter(|quote| seen.insert(quote.text.to_lowercase()))
        .take(SENTENCES_MAX)
        .collect()
}

fn best(mut scored: Vec<Scored>, quotes_max: usize) -> Vec<Quote> {
    scored.sort_by(|a, b| b.score.total_cmp(&a.score));
    let floor = scored.first().map_or(0.0, |best| best.score * SCORE_SHARE_MIN);
    scored.retain(|candidate| candidate.score >= floor);
    scored.truncate(quotes_max);
    let mut quotes: Vec<Quote> = scored.into_iter().map(|candidate| candidate.quote).collect();
    quotes.sort_by_key(|quote| (quote.passage, quote.span.start));
    quotes
}

/// A quotation in Markdown, up to where its mark goes: prose on one line, code as it is. What looks like a mark in it is
/// none of this answer's, and it leads nowhere but to documents.
pub(super) fn quoted(text: &str, addresses: &Addresses) -> String {
    let (prose, code) = text.split_once("```").map_or((text, None), |(prose, code)| (prose, Some(code)));
    let prose = prose.split_whitespace().collect::<Vec<_>>().join(" ");
    let whole = Span { start: 0, end: prose.len() };
    let prose = Edited::new(&prose, whole, addresses.edits(&prose, whole), 0).text;
    match code {
        None => format!("\n\n> {prose} "),
        Some(code) => {
            let code: String = format!("```{code}").lines().map(|line| format!("> {line}\n")).collect();
            format!("\n\n> {prose}\n>\n{code}> ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotation_with_code_keeps_its_lines() {
        let shown = quoted("Run\nthis:\n\n```sh\nmake x[5]\n```", &Addresses::default());
        assert_eq!(shown, "\n\n> Run this:\n>\n> ```sh\n> make x[5]\n> ```\n> ");
    }

    #[test]
    fn a_documents_own_marks_and_pictures_are_none_of_the_answers() {
        let shown = quoted("It holds [3], see ![x](https://evil.example/x).", &Addresses::default());
        assert_eq!(shown, "\n\n> It holds (3), see ![x]. ");
    }
}
