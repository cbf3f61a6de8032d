//! Claims that are the evidence's own words but for a few: there a difference of one word is what is said.
//!
//! In other words than the evidence's, a "not" may be said by a verb and a name by a pronoun; in the same words, a "not"
//! that only one side has turns the claim round. Findings here are sure. Where more than a few words differ in one
//! place, nothing is found.

use std::collections::BTreeSet;
use std::ops::Range;

use super::super::boundary::code_spans;
use super::super::lexicon;
use super::super::words::{Form, Word};
use super::{Mismatch, MismatchKind, Pair, polarity};

/// A place where the two differ has at most so many words on either side.
const WORDS_MAX: usize = 3;
/// The rest of the claim is in the evidence, in order, to this share.
const VERBATIM_MIN: f32 = 0.85;
/// Of fewer words that mean something, an order can't be told.
const CONTENT_WORDS_MIN: usize = 3;
/// "Nor" goes with "neither": together they say no once.
const CUES: &str = "not no never cannot neither none without";
/// "not only": says no to nothing.
const AFTER_NO_CUE: &str = "only just merely simply";
/// Longer code is a listing.
const CODE_BYTES_MAX: usize = 80;
/// `package.module.Class.method`.
const CODE_WORDS_MAX: usize = 6;

/// Between two words that both sides share, or at a sentence's start, the claim has these words and the evidence those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) claim: Range<usize>,
    /// Places in the alignment's evidence.
    pub(super) evidence: Range<usize>,
}

pub(super) fn mismatches(pair: &Pair<'_>) -> Vec<Mismatch> {
    let mut found = negations(pair);
    found.extend(other_code(pair));
    found
}

/// Where one of the two says no and the other does not. "found no" for "not found any" says it in two places, each on
/// one side: that is no difference.
fn negations(pair: &Pair<'_>) -> Vec<Mismatch> {
    let found: Vec<Mismatch> = pair.stretches().iter().filter_map(|stretch| negated(pair, stretch)).collect();
    let claim: Vec<&Word> = pair.claim.words.iter().collect();
    let held: BTreeSet<usize> = pair
        .alignment
        .matched
        .iter()
        .flatten()
        .filter_map(|at| pair.alignment.evidence.get(*at))
        .map(|(at, _)| *at)
        .collect();
    let of_evidence = held
        .iter()
        .map(|at| cues(&pair.passages.sentence(*at).words.iter().collect::<Vec<_>>(), None).len())
        .sum::<usize>();
    if cues(&claim, None).len() == of_evidence {
        return Vec::new();
    }
    found
}

/// The few places where a claim that is else word for word differs from its evidence.
pub(super) fn stretches(pair: &Pair<'_>) -> Vec<Stretch> {
    let rest = Rest::of(pair);
    let mut found = all_stretches(pair);
    found.retain(|stretch| {
        !(stretch.claim.is_empty() && stretch.evidence.is_empty())
            && stretch.claim.len() <= WORDS_MAX
            && stretch.evidence.len() <= WORDS_MAX
            && rest.is_verbatim(pair, stretch.claim.clone())
    });
    found
}

fn all_stretches(pair: &Pair<'_>) -> Vec<Stretch> {
    let matched: Vec<(usize, usize)> =
        pair.alignment.matched.iter().enumerate().filter_map(|(at, place)| Some((at, (*place)?))).collect();
    let sentence = |place: usize| pair.alignment.evidence.get(place).map(|(sentence, _)| *sentence);
    let mut found = Vec::new();
    if let Some((at, place)) = matched.first() {
        let start = (0..=*place).rev().take_while(|before| sentence(*before) == sentence(*place)).last();
        found.push(Stretch { claim: 0..*at, evidence: start.unwrap_or(*place)..*place });
    }
    for (before, after) in matched.iter().zip(matched.iter().skip(1)) {
        if sentence(before.1) == sentence(after.1) {
            found.push(Stretch { claim: before.0 + 1..after.0, evidence: before.1 + 1..after.1 });
        }
    }
    if let Some((at, place)) = matched.last() {
        let end =
            (*place..pair.alignment.evidence.len()).take_while(|after| sentence(*after) == sentence(*place)).last();
        found.push(Stretch {
            claim: at + 1..pair.alignment.matched.len(),
            evidence: place + 1..end.unwrap_or(*place) + 1,
        });
    }
    found
}

/// A claim's weight and words, of which a few are then set aside.
struct Rest {
    matched: f32,
    all: f32,
    content: usize,
}

impl Rest {
    fn of(pair: &Pair<'_>) -> Self {
        let (matched, all) = pair.alignment.matched_and_all(pair.claim, |_| true);
        Self { matched, all, content: pair.claim.words.iter().filter(|word| word.is_content()).count() }
    }

    /// The claim without the words `aside` is in the evidence word for word, or nearly so.
    fn is_verbatim(&self, pair: &Pair<'_>, aside: Range<usize>) -> bool {
        let words = pair.claim.words.get(aside.clone()).unwrap_or_default();
        let content = self.content - words.iter().filter(|word| word.is_content()).count();
        let (matched, all) = pair.alignment.matched_and_all(pair.claim, |at| aside.contains(&at));
        content >= CONTENT_WORDS_MIN && self.matched - matched >= VERBATIM_MIN * (self.all - all).max(f32::EPSILON)
    }
}

fn is_verbatim_but(pair: &Pair<'_>, aside: Range<usize>) -> bool {
    Rest::of(pair).is_verbatim(pair, aside)
}

/// The same without words here and there.
pub(super) fn is_verbatim_without(pair: &Pair<'_>, aside: &BTreeSet<usize>) -> bool {
    let rest = || pair.claim.words.iter().enumerate().filter(|(at, _)| !aside.contains(at));
    let (matched, all) = pair.alignment.matched_and_all(pair.claim, |at| !aside.contains(&at));
    let content = rest().filter(|(_, word)| word.is_content()).count();
    content >= CONTENT_WORDS_MIN && matched >= VERBATIM_MIN * all.max(f32::EPSILON)
}

fn words<'a>(pair: &'a Pair<'_>, stretch: &Stretch) -> (Vec<&'a Word>, Vec<&'a Word>) {
    let claim = pair.claim.words.get(stretch.claim.clone()).unwrap_or_default().iter().collect();
    let evidence = pair.alignment.evidence.get(stretch.evidence.clone()).unwrap_or_default();
    (claim, evidence.iter().map(|(_, word)| *word).collect())
}

/// One of the two says no here, and the other in no way.
fn negated(pair: &Pair<'_>, stretch: &Stretch) -> Option<Mismatch> {
    let (claim, evidence) = words(pair, stretch);
    let next_said = pair.claim.words.get(stretch.claim.end);
    let next_held = pair.alignment.evidence.get(stretch.evidence.end).map(|(_, word)| *word);
    let (said, held) = (cues(&claim, next_said), cues(&evidence, next_held));
    if stretch_is_aside(pair, stretch) {
        return None;
    }
    let silent = match (said.len() % 2, held.len() % 2) {
        (1, 0) => &evidence,
        (0, 1) => &claim,
        _ => return None,
    };
    let begins = stretch.claim.start == 0 && claim.len() != 1 && !said.is_empty(); // "Not sure, but …"
    let says_otherwise = silent.iter().any(|word| word.is_content() || polarity::may_deny(word)); // "left alone"
    if begins || have_opposites(&claim, &evidence) || says_otherwise {
        return None;
    }
    let at =
        said.first().copied().or(next_said).or_else(|| pair.claim.words.get(stretch.claim.start.checked_sub(1)?))?;
    let place = held.first().copied().or(next_held)?;
    let sentence = pair.alignment.evidence.iter().find(|(_, word)| word.span == place.span).map(|(at, _)| *at)?;
    let evidence = Some(pair.place(sentence, place));
    Some(Mismatch { kind: MismatchKind::Negation, claim: at.span, evidence, sure: true })
}

/// What the evidence has more is in brackets, "(not found)", or "or not" after "whether".
fn stretch_is_aside(pair: &Pair<'_>, stretch: &Stretch) -> bool {
    let Some((at, first)) = pair.alignment.evidence.get(stretch.evidence.start) else { return false };
    let sentence = pair.passages.sentence(*at);
    let before = first.span.start.checked_sub(sentence.span.start).and_then(|start| sentence.text.get(..start));
    let opens = before.is_some_and(|before| before.ends_with('('));
    opens || (first.plain == "or" && before.is_some_and(|before| before.to_lowercase().contains("whether ")))
}

fn cues<'a>(words: &[&'a Word], next: Option<&Word>) -> Vec<&'a Word> {
    let is_of = |word: &Word, list: &str| list.split_whitespace().any(|entry| entry == word.plain);
    let after = |at: usize| words.get(at + 1).copied().or(next);
    let is_cue = |at: usize, word: &Word| {
        let is_value = word.form == Form::Capital && !word.first; // `None`
        (is_of(word, CUES) || word.plain.ends_with("n't"))
            && !is_value
            && !after(at).is_some_and(|next| is_of(next, AFTER_NO_CUE))
    };
    words.iter().enumerate().filter(|(at, word)| is_cue(*at, word)).map(|(_, word)| *word).collect()
}

fn have_opposites(claim: &[&Word], evidence: &[&Word]) -> bool {
    claim.iter().any(|said| evidence.iter().any(|held| lexicon::are_opposites(&said.stem, &held.stem)))
}

/// Code that no passage has, where the words around it are the evidence's.
fn other_code(pair: &Pair<'_>) -> Vec<Mismatch> {
    let (Some(first), Some(last)) = (pair.claim.words.first(), pair.claim.words.last()) else { return Vec::new() };
    let text = pair.claim.text.as_str();
    let is_here = |start: usize, end: usize| first.span.start <= end && start <= last.span.end;
    let mut found = Vec::new();
    for span in code_spans(text).into_iter().filter(|span| is_here(span.start, span.end)) {
        let code = span.of(text).trim();
        if code.is_empty() || code.len() > CODE_BYTES_MAX || pair.passages.has_text(code) {
            continue;
        }
        let inside = |word: &Word| span.start <= word.span.start && word.span.end <= span.end;
        let start = pair.claim.words.iter().position(inside);
        let count = pair.claim.words.iter().filter(|word| inside(word)).count();
        let aside = start.map_or(0..0, |start| start..start + count);
        if count <= CODE_WORDS_MAX && is_verbatim_but(pair, aside) {
            found.push(Mismatch { kind: MismatchKind::Identifier, claim: span, evidence: None, sure: true });
        }
    }
    found
}
