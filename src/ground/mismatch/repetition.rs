//! Claims that say the same words again: "the request is turned away when a request is turned away".
//!
//! So writes a small model that has nothing to say, and as every word of it is in the passages, coverage takes it for
//! supported. Numbers and their units don't count, since opening hours repeat them, nor does what the evidence itself
//! repeats.

use std::collections::BTreeMap;

use super::super::words::{Form, Word};
use super::{Mismatch, MismatchKind, Pair};

/// Of fewer words that mean something, two may be the same by chance.
const CONTENT_WORDS_MIN: usize = 4;
/// A claim repeats itself if one word in so many says nothing new.
const AGAIN_ONE_IN: usize = 3;

pub(super) fn mismatches(pair: &Pair<'_>) -> Vec<Mismatch> {
    let words: Vec<&Word> = counted(pair);
    let mut evidence: BTreeMap<&str, usize> = BTreeMap::new();
    for word in pair.sentences().iter().flat_map(|sentence| &sentence.words) {
        *evidence.entry(&word.stem).or_default() += 1;
    }
    let mut said: BTreeMap<&str, usize> = BTreeMap::new();
    let again: Vec<&&Word> = words
        .iter()
        .filter(|word| {
            let times = said.entry(&word.stem).or_default();
            *times += 1;
            *times > 1 && *times > evidence.get(word.stem.as_str()).copied().unwrap_or_default()
        })
        .collect();
    let Some(first) = again.first() else { return Vec::new() };
    if words.len() < CONTENT_WORDS_MIN || again.len() * AGAIN_ONE_IN < words.len() {
        return Vec::new();
    }
    vec![Mismatch { kind: MismatchKind::Repetition, claim: first.span, evidence: None, sure: false }]
}

/// The claim's words that mean something and are no part of a quantity.
fn counted<'a>(pair: &Pair<'a>) -> Vec<&'a Word> {
    let claim = pair.claim;
    let words = claim.words.iter().enumerate();
    words
        .filter(|(at, word)| {
            word.is_content()
                && word.form != Form::Number
                && !claim.quantities.iter().any(|quantity| quantity.words.contains(at))
        })
        .map(|(_, word)| word)
        .collect()
}
