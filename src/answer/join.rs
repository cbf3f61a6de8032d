//! Packed passages in; where two are neighbours in their document, one passage that has both, out.
//!
//! Chunks leave out the white space between them, so what stands there comes from the document's text: always holds
//! `span.of(text) == chunk.text`, before and after. Neighbours are of one version, one section and one page, so that what
//! a citation says of its passage stays true. Neither adds a chunk nor loses one, and keeps to the token budget.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tracing::warn;

use super::event::AnswerError;
use crate::document::{AlsoIn, Chunk, DocumentId, Hit, Passage, Span, Version};
use crate::embed::TokenCounter;

/// More white space than this between two chunks is no neighbourhood.
const GAP_BYTES_MAX: usize = 64;
/// Gaps that are remembered: a version's text never changes, and a large one takes long to read.
const KNOWN_MAX: usize = 50_000;

/// The texts that documents were extracted as. Answers need no more of the ledger than this.
#[async_trait]
pub trait Originals: Send + Sync {
    /// The text of a version. None: it is not kept, since the version is not or no longer there.
    async fn text(&self, document: DocumentId, version: Version) -> Result<Option<String>, AnswerError>;
}

/// What stands between two chunks. None: something that is not white space, or nobody knows.
type Gap = Option<String>;

/// Joins passages with the help of the texts that they come from.
pub struct Joiner {
    originals: Arc<dyn Originals>,
    known: Mutex<HashMap<(DocumentId, Version, usize), Gap>>,
}

/// How many tokens all passages may have, and who counts.
#[derive(Clone, Copy)]
pub(super) struct Budget<'a> {
    pub(super) tokens: &'a TokenCounter,
    pub(super) tokens_max: usize,
}

impl Joiner {
    pub fn new(originals: Arc<dyn Originals>) -> Self {
        Self { originals, known: Mutex::new(HashMap::new()) }
    }

    /// The passages with neighbours made one, each where the better of its parts was, numbered anew from 1.
    pub(super) async fn joined(&self, passages: Vec<Passage>, budget: Budget<'_>) -> Vec<Passage> {
        let passages = in_reading_order(passages);
        let mut gaps = Vec::with_capacity(passages.len());
        for pair in passages.windows(2) {
            gaps.push(match pair {
                [first, second] if are_neighbours(&first.hit, &second.hit) => self.gap(&first.hit, &second.hit).await,
                _ => None,
            });
        }
        join(passages, gaps, budget)
    }

    async fn gap(&self, first: &Hit, second: &Hit) -> Gap {
        let key = (first.document, first.version, first.chunk.span.end);
        if let Some(gap) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return gap.clone();
        }
        let gap = match self.originals.text(first.document, first.version).await {
            Ok(text) => text.and_then(|text| between(&text, &first.chunk, &second.chunk)),
            Err(error) => {
                // Two passages say the same as one of both.
                warn!(doc.id = %first.document, error = %error, "passages can't be joined");
                return None;
            }
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key, gap.clone());
        gap
    }
}

/// The white space between two chunks of this text.
fn between(text: &str, first: &Chunk, second: &Chunk) -> Gap {
    let stands = |chunk: &Chunk| text.get(chunk.span.start..chunk.span.end) == Some(chunk.text.as_str());
    let gap = text.get(first.span.end..second.span.start)?;
    (stands(first) && stands(second) && gap.len() <= GAP_BYTES_MAX && gap.trim().is_empty()).then(|| gap.to_owned())
}

fn are_neighbours(first: &Hit, second: &Hit) -> bool {
    let (a, b) = (&first.chunk, &second.chunk);
    (first.document, first.version) == (second.document, second.version)
        && a.ordinal.checked_add(1) == Some(b.ordinal)
        && a.span.end <= b.span.start
        && a.headings == b.headings
        && a.page == b.page
}

fn in_reading_order(mut passages: Vec<Passage>) -> Vec<Passage> {
    passages.sort_by_key(|passage| (passage.hit.document, passage.hit.version, passage.hit.chunk.ordinal));
    passages
}

/// `passages` in reading order, and what stands between each and the next.
fn join(passages: Vec<Passage>, gaps: Vec<Gap>, budget: Budget<'_>) -> Vec<Passage> {
    let cost = |passage: &Passage| budget.tokens.count(&passage.hit.chunk.text);
    let mut total: usize = passages.iter().map(cost).sum();
    let mut joined: Vec<Passage> = Vec::with_capacity(passages.len());
    let gaps = std::iter::once(None).chain(gaps);
    for (passage, gap) in passages.into_iter().zip(gaps) {
        let both = joined.last().zip(gap).and_then(|(last, gap)| one_of_both(last, &gap, &passage));
        let costs = joined.last().map_or(0, cost) + cost(&passage);
        match both {
            Some(both) if total - costs + cost(&both) <= budget.tokens_max => {
                total = total - costs + cost(&both);
                joined.pop();
                joined.push(both);
            }
            Some(_) | None => joined.push(passage),
        }
    }
    joined.sort_by_key(|passage| passage.number);
    joined.into_iter().enumerate().map(|(at, passage)| Passage { number: at + 1, ..passage }).collect()
}

/// None where the second has rows of a table whose head the first does not have.
fn one_of_both(first: &Passage, gap: &str, second: &Passage) -> Option<Passage> {
    let (a, b) = (&first.hit.chunk, &second.hit.chunk);
    let has_head = |head: &String| a.table_head.as_ref() == Some(head) || a.text.contains(head.as_str());
    if !b.table_head.as_ref().is_none_or(has_head) {
        return None;
    }
    let chunk = Chunk {
        span: Span { start: a.span.start, end: b.span.end },
        text: format!("{}{gap}{}", a.text, b.text),
        ..a.clone()
    };
    let hit = Hit {
        chunk,
        score: first.hit.score.max(second.hit.score),
        similarity: first.hit.similarity.max(second.hit.similarity),
        ..first.hit.clone()
    };
    let number = first.number.min(second.number);
    Some(Passage { number, hit, also_in: also_in(&first.also_in, &second.also_in) })
}

/// Each other document once; where it has the text of both, from the first to the last byte of it.
fn also_in(first: &[AlsoIn], second: &[AlsoIn]) -> Vec<AlsoIn> {
    let mut all = first.to_vec();
    for other in second {
        match all.iter_mut().find(|known| known.document == other.document) {
            Some(known) if known.version == other.version => {
                known.span.start = known.span.start.min(other.span.start);
                known.span.end = known.span.end.max(other.span.end);
                known.page = known.page.min(other.page);
            }
            Some(_) => {}
            None => all.push(other.clone()),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::answer::tests::passage;

    /// A document's text, its chunks, and the section of each.
    #[derive(Debug, Clone)]
    struct Document {
        text: String,
        chunks: Vec<Chunk>,
    }

    fn document(pieces: &[(String, String, u8)]) -> Document {
        let (mut text, mut chunks) = (String::new(), Vec::new());
        for (words, gap, section) in pieces {
            let start = text.len();
            text.push_str(words);
            chunks.push(Chunk {
                ordinal: u32::try_from(chunks.len()).unwrap(),
                span: Span { start, end: text.len() },
                page: None,
                headings: vec![format!("Section {section}")],
                table_head: None,
                text: words.clone(),
            });
            text.push_str(gap);
        }
        Document { text, chunks }
    }

    /// Passages of these chunks, in this order.
    fn of(document: &Document, chosen: &[usize]) -> Vec<Passage> {
        let chosen = chosen.iter().enumerate().map(|(at, n)| {
            let mut passage = passage(at + 1, "");
            passage.hit.chunk = document.chunks[*n].clone();
            passage
        });
        chosen.collect()
    }

    fn joined(document: &Document, passages: Vec<Passage>, tokens_max: usize) -> Vec<Passage> {
        let passages = in_reading_order(passages);
        let gap = |pair: &[Passage]| {
            let (first, second) = (&pair[0].hit, &pair[1].hit);
            are_neighbours(first, second).then(|| between(&document.text, &first.chunk, &second.chunk)).flatten()
        };
        let gaps = passages.windows(2).map(gap).collect();
        join(passages, gaps, Budget { tokens: &TokenCounter::estimate(), tokens_max })
    }

    fn spans(passages: &[Passage]) -> Vec<(usize, usize)> {
        passages.iter().map(|passage| (passage.hit.chunk.span.start, passage.hit.chunk.span.end)).collect()
    }

    fn pieces(pieces: &[(&str, &str, u8)]) -> Document {
        let owned: Vec<_> = pieces.iter().map(|(a, b, n)| ((*a).to_owned(), (*b).to_owned(), *n)).collect();
        document(&owned)
    }

    #[test]
    fn neighbours_become_one_passage_in_the_place_of_the_better_one() {
        let document = pieces(&[("One.", "\n\n", 1), ("Two.", " ", 1), ("Three.", "\n", 1), ("Four.", "", 2)]);
        let found = joined(&document, of(&document, &[3, 2, 1]), 100);
        assert_eq!(
            found.iter().map(|p| (p.number, p.hit.chunk.text.as_str())).collect::<Vec<_>>(),
            [(1, "Four."), (2, "Two. Three."),]
        );
        let apart = joined(&document, of(&document, &[0, 2]), 100);
        assert_eq!(apart.len(), 2, "what stands between them was not found");
    }

    #[test]
    fn another_version_another_page_and_words_in_between_keep_passages_apart() {
        let document = pieces(&[("One.", " and ", 1), ("Two.", " ", 1), ("Three.", "", 1)]);
        assert_eq!(joined(&document, of(&document, &[0, 1]), 100).len(), 2, "words");
        let mut passages = of(&document, &[1, 2]);
        passages[0].hit.chunk.page = Some(1);
        assert_eq!(joined(&document, passages, 100).len(), 2, "page");
        let mut passages = of(&document, &[1, 2]);
        passages[0].hit.version = Version(2);
        assert_eq!(joined(&document, passages, 100).len(), 2, "version");
        let mut passages = of(&document, &[1, 2]);
        passages[0].hit.chunk.text = "Two!".into();
        assert_eq!(joined(&document, passages, 100).len(), 2, "a text that is not the document's");
    }

    #[test]
    fn rows_of_a_table_keep_the_head_that_stands_above_them() {
        let head = "| Port | Use |";
        let rows =
            pieces(&[("| Port | Use |\n|--|--|\n| 1 | a |", "\n", 1), ("| 2 | b |", "\n", 1), ("| 3 | c |", "", 1)]);
        let with_heads = |chosen: &[usize]| {
            let mut passages = of(&rows, chosen);
            for passage in passages.iter_mut().filter(|passage| passage.hit.chunk.ordinal > 0) {
                passage.hit.chunk.table_head = Some(head.to_owned());
            }
            passages
        };
        let later = joined(&rows, with_heads(&[1, 2]), 100);
        assert_eq!((later.len(), later[0].hit.chunk.table_head.as_deref()), (1, Some(head)));
        let all = joined(&rows, with_heads(&[0, 1, 2]), 100);
        assert_eq!((all.len(), all[0].hit.chunk.table_head.as_deref()), (1, None), "it is in the text");
        let prose = pieces(&[("Some prose.", "\n", 1), ("| 2 | b |", "", 1)]);
        let mut passages = of(&prose, &[0, 1]);
        passages[1].hit.chunk.table_head = Some(head.to_owned());
        assert_eq!(joined(&prose, passages, 100).len(), 2, "the head would be lost");
    }

    proptest! {
        #[test]
        fn joined_passages_are_the_documents_own_text_and_all_that_was_packed(
            cut in prop::collection::vec(("[a-zß日]{1,9}( [a-z.]{1,9}){0,3}", "[ \\n\\t\u{a0}]{0,4}|x", 0..3_u8), 1..12),
            order in Just((0..12_usize).collect::<Vec<_>>()).prop_shuffle(),
            count in 1..12_usize,
            tokens_max in 0..80_usize,
        ) {
            let document = document(&cut);
            let chosen: Vec<usize> = order.into_iter().filter(|n| *n < cut.len()).take(count).collect();
            let passages = of(&document, &chosen);
            let before: usize = passages.iter().map(|p| TokenCounter::estimate().count(&p.hit.chunk.text)).sum();
            let found = joined(&document, passages, tokens_max);
            for passage in &found {
                prop_assert_eq!(passage.hit.chunk.span.of(&document.text), &passage.hit.chunk.text);
            }
            // Each packed chunk is in exactly one passage, and no passage begins or ends elsewhere.
            for n in 0..cut.len() {
                let span = document.chunks[n].span;
                let holding = found.iter().filter(|p| {
                    p.hit.chunk.span.start <= span.start && span.end <= p.hit.chunk.span.end
                });
                prop_assert_eq!(holding.count(), usize::from(chosen.contains(&n)));
            }
            let numbers: Vec<usize> = found.iter().map(|passage| passage.number).collect();
            prop_assert_eq!(numbers, (1..=found.len()).collect::<Vec<_>>());
            let after: usize = found.iter().map(|p| TokenCounter::estimate().count(&p.hit.chunk.text)).sum();
            prop_assert!(after <= tokens_max.max(before), "{after} tokens");
            // Done again, nothing more is joined, and with room nothing was left that could be.
            if tokens_max >= 2 * before {
                let spans = spans(&found);
                for (n, pair) in document.chunks.windows(2).enumerate() {
                    let both = chosen.contains(&n) && chosen.contains(&(n + 1));
                    let joinable = both && pair[0].headings == pair[1].headings
                        && between(&document.text, &pair[0], &pair[1]).is_some();
                    let together = spans.iter().any(|s| s.0 <= pair[0].span.start && pair[1].span.end <= s.1);
                    prop_assert_eq!(joinable, together);
                }
            }
        }
    }
}
