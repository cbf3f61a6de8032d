//! What another model is given to read beside a claim: the sentences that have most of its words, in reading order.
//!
//! The best window is one to three sentences of one passage, which is what a person is shown. A model that reads for
//! itself does better with more: up to six sentences of all passages, each chosen for words that the others don't have,
//! and the neighbours of the first two, as many as fit. Not of records (`name: value`), which such a model can't read.

use std::collections::BTreeMap;

use crate::document::Span;

use super::attribution;
use super::evidence::{Passages, Read, Window};
use super::marks;

/// Claim and evidence together, and the claim alone: what the model's 160 tokens hold, at four bytes each.
const PAIR_BYTES_MAX: usize = 640;
const CLAIM_BYTES_MAX: usize = 290;
/// Less room than this is not worth filling.
const ROOM_BYTES_MIN: usize = 32;
const SENTENCES_MAX: usize = 6;
/// So many of those that were chosen first bring their neighbours.
const ANCHORS: usize = 2;
/// What a sentence's words count that are in others already, and what standing beside a chosen one adds, as shares.
const AGAIN_WORTH: f32 = 0.25;
const NEAR_WORTH: f32 = 0.1;
/// An entry of a record: so long a name at most, and so many words of a value.
const ENTRY_NAME_BYTES_MAX: usize = 60;
const ENTRY_WORDS_MAX: usize = 8;

/// A claim, and what to read it beside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// As long as it is in its text, citation marks blanked.
    pub claim: String,
    /// Where that begins in the text.
    pub(super) start: usize,
    pub evidence: String,
}

/// None: no passage has a word of the claim, or what bears it out best is a record.
pub(super) fn beside(
    text: &str,
    span: Span,
    (read, passages): (&Read, &Passages),
    window: Option<Window>,
) -> Option<Beside> {
    if passages.window(window?).iter().any(|sentence| is_entry(&sentence.text)) {
        return None;
    }
    let claim = attribution::said(text, span);
    let evidence: Vec<String> = chosen(read, passages, claim.end - claim.start)
        .into_iter()
        .map(|at| passages.sentence(at).text.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    (!evidence.is_empty()).then(|| Beside {
        claim: blanked(text, claim),
        start: claim.start,
        evidence: evidence.join(" "),
    })
}

/// The claim without its citation marks, every other byte where it was.
fn blanked(text: &str, claim: Span) -> String {
    let mut said = String::with_capacity(claim.end - claim.start);
    let mut at = claim.start;
    for mark in marks::marks(text, claim) {
        said.push_str(text.get(at..mark.start).unwrap_or_default());
        said.extend(std::iter::repeat_n(' ', mark.end - mark.start));
        at = mark.end;
    }
    said.push_str(text.get(at..claim.end).unwrap_or_default());
    said
}

/// Whether a line is `name: value` rather than a sentence.
fn is_entry(text: &str) -> bool {
    let text = text.trim();
    text.split_once(": ").is_some_and(|(name, value)| {
        !name.is_empty()
            && name.len() <= ENTRY_NAME_BYTES_MAX
            && !name.contains(['.', '!', '?', ',', ';'])
            && value.split_whitespace().count() <= ENTRY_WORDS_MAX
            && !text.ends_with(['.', '!', '?'])
    })
}

/// The sentences, in reading order.
fn chosen(read: &Read, passages: &Passages, claim_bytes: usize) -> Vec<usize> {
    let mut open = words_of(read);
    let mut covered = vec![0.0_f32; read.keys.len()];
    let mut room = PAIR_BYTES_MAX - claim_bytes.min(CLAIM_BYTES_MAX);
    let mut chosen: Vec<usize> = Vec::new();
    while room > ROOM_BYTES_MIN && chosen.len() < SENTENCES_MAX {
        let Some(best) = most(&open, &covered, &chosen) else { break };
        let words = open.remove(&best).unwrap_or_default();
        let bytes = passages.sentence(best).text.len() + 1;
        if bytes > room && !chosen.is_empty() {
            continue;
        }
        for (key, weight) in words {
            if let Some(covered) = covered.get_mut(key) {
                *covered = covered.max(weight);
            }
        }
        chosen.push(best);
        room = room.saturating_sub(bytes);
    }
    let anchors: Vec<usize> = chosen.iter().copied().take(ANCHORS).collect();
    for near in anchors.iter().flat_map(|at| [at.checked_sub(1), at.checked_add(1)]).flatten() {
        let Some(sentence) = passages.sentences.get(near) else { continue };
        if !chosen.contains(&near) && sentence.text.len() < room {
            chosen.push(near);
            room -= sentence.text.len() + 1;
        }
    }
    chosen.sort_unstable();
    chosen
}

/// For each sentence that has any, the claim's words that mean something, and what each is worth there.
fn words_of(read: &Read) -> BTreeMap<usize, Vec<(usize, f32)>> {
    let mut words: BTreeMap<usize, Vec<(usize, f32)>> = BTreeMap::new();
    for (at, key) in read.keys.iter().enumerate().filter(|(_, key)| key.is_content) {
        for (sentence, worth) in &key.found {
            words.entry(*sentence).or_default().push((at, worth * key.weight));
        }
    }
    words
}

/// The sentence that adds most, the first of equals.
fn most(open: &BTreeMap<usize, Vec<(usize, f32)>>, covered: &[f32], chosen: &[usize]) -> Option<usize> {
    let value = |at: usize, words: &[(usize, f32)]| {
        let all: f32 = words.iter().map(|(_, weight)| weight).sum();
        let fresh: f32 =
            words.iter().map(|(key, weight)| (weight - covered.get(*key).copied().unwrap_or_default()).max(0.0)).sum();
        let near = if chosen.iter().any(|other| other.abs_diff(at) == 1) { NEAR_WORTH } else { 0.0 };
        fresh + (AGAIN_WORTH + near) * all
    };
    let valued = open.iter().map(|(at, words)| (*at, value(*at, words)));
    valued.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(at, _)| at)
}
