//! A word of the claim whose opposite stands in its place in the evidence: "more" for "less", "after" for "before".

use super::super::lexicon;
use super::super::words::Word;
use super::{Mismatch, MismatchKind, Pair};

/// A cue of negation so near turns an opposite into the same.
const NEGATED_WITHIN: usize = 4;

pub(super) fn mismatches(pair: &Pair<'_>) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for (at, word) in pair.claim.words.iter().enumerate() {
        if is_negated(&pair.claim.words, at) || is_said_too(pair, at, word) {
            continue;
        }
        if let Some((sentence, held)) = opposite(pair, at, word) {
            let evidence = Some(pair.place(sentence, held));
            found.push(Mismatch { kind: MismatchKind::Opposite, claim: word.span, evidence, sure: false });
        }
    }
    found
}

fn opposite<'a>(pair: &'a Pair<'_>, at: usize, said: &Word) -> Option<(usize, &'a Word)> {
    for (offset, sentence) in pair.sentences().iter().enumerate() {
        for (place, held) in sentence.words.iter().enumerate() {
            let is_opposite = lexicon::are_opposites(&said.stem, &held.stem) && !pair.claim_has(&held.stem);
            if is_opposite
                && !is_negated(&sentence.words, place)
                && shares_neighbour(&pair.claim.words, at, &sentence.words, place)
            {
                return Some((pair.window.first + offset, held));
            }
        }
    }
    None
}

/// The window says the same of the same.
fn is_said_too(pair: &Pair<'_>, at: usize, said: &Word) -> bool {
    pair.sentences().iter().any(|sentence| {
        let mut places = sentence.words.iter().enumerate().filter(|(_, held)| held.stem == said.stem);
        said.is_content() && places.clone().next().is_some()
            || places.any(|(place, _)| shares_neighbour(&pair.claim.words, at, &sentence.words, place))
    })
}

fn is_negated(words: &[Word], at: usize) -> bool {
    let before = words.get(at.saturating_sub(NEGATED_WITHIN)..at).unwrap_or_default();
    before.iter().any(|word| {
        matches!(word.plain.as_str(), "not" | "no" | "never" | "without" | "cannot") || word.plain.ends_with("n't")
    })
}

/// The nearest words that mean something, before or after, are the same on both sides.
fn shares_neighbour(claim: &[Word], at: usize, evidence: &[Word], place: usize) -> bool {
    let (before, after) = (neighbour_before(claim, at), neighbour_after(claim, at));
    let (held_before, held_after) = (neighbour_before(evidence, place), neighbour_after(evidence, place));
    let same = |a: Option<&Word>, b: Option<&Word>| a.zip(b).is_some_and(|(a, b)| a.stem == b.stem);
    same(before, held_before) || same(after, held_after)
}

fn neighbour_before(words: &[Word], at: usize) -> Option<&Word> {
    words.get(..at)?.iter().rev().take(4).find(|word| word.is_content())
}

fn neighbour_after(words: &[Word], at: usize) -> Option<&Word> {
    words.get(at + 1..)?.iter().take(4).find(|word| word.is_content())
}
