//! A claim's words laid beside a window's, in order: which stand for which, and what stands in each other's place.
//!
//! The longest common subsequence, by weight; neighbours that match as neighbours count more. What lies between two
//! matched words on both sides is a `Gap`: there one side says something else than the other.

use std::ops::Range;

use super::evidence::{Passages, Read, Window};
use super::lexicon;
use super::words::Word;

/// A longer window is compared by its first words only: rules then find less, never more.
const EVIDENCE_WORDS_MAX: usize = 1_200;
const CLAIM_WORDS_MAX: usize = 400;
const FUNCTION_WORTH: f32 = 0.25;
const SYNONYM_WORTH: f32 = 0.6;
const NEIGHBOUR_WORTH: f32 = 0.4;

/// Between the same two anchors the claim has these words, and the evidence those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) claim: Range<usize>,
    pub(super) evidence: Range<usize>,
}

pub(super) struct Alignment<'a> {
    /// The window's words, with the sentence each is of.
    pub(super) evidence: Vec<(usize, &'a Word)>,
    /// For each of the claim's words, the place in `evidence` that it matches.
    pub(super) matched: Vec<Option<usize>>,
}

impl<'a> Alignment<'a> {
    pub(super) fn of(claim: &Read, passages: &'a Passages, window: Window) -> Self {
        let evidence: Vec<(usize, &Word)> = (window.first..=window.last)
            .flat_map(|at| passages.sentence(at).words.iter().map(move |word| (at, word)))
            .take(EVIDENCE_WORDS_MAX)
            .collect();
        let words = claim.words.get(..claim.words.len().min(CLAIM_WORDS_MAX)).unwrap_or_default();
        let mut matched = trace(&scores(words, &evidence), words.len(), evidence.len());
        matched.resize(claim.words.len(), None);
        Self { evidence, matched }
    }

    /// Where the two differ between words that they share. Of the window's ends only what the claim's own ends touch.
    pub(super) fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let mut before: Option<(usize, usize)> = None;
        for (at, matched) in self.matched.iter().enumerate() {
            let Some(place) = *matched else { continue };
            let (claim, evidence) = match before {
                Some((claim, evidence)) => (claim + 1..at, evidence + 1..place),
                None => (0..at, place.saturating_sub(at)..place),
            };
            if !claim.is_empty() && !evidence.is_empty() {
                gaps.push(Gap { claim, evidence });
            }
            before = Some((at, place));
        }
        if let Some((claim, evidence)) = before {
            let rest = self.matched.len() - claim - 1;
            let end = (evidence + 1 + rest).min(self.evidence.len());
            if rest > 0 && end > evidence + 1 {
                gaps.push(Gap { claim: claim + 1..self.matched.len(), evidence: evidence + 1..end });
            }
        }
        gaps
    }

    /// The share of the claim's words that are matched in order, by weight.
    pub(super) fn share(&self, claim: &Read) -> f32 {
        let (matched, total) = self.matched_and_all(claim, |_| true);
        if total > 0.0 { matched / total } else { 0.0 }
    }

    /// The weight of those of the claim's words at the places `counts` that are matched, and of all at these places.
    pub(super) fn matched_and_all(&self, claim: &Read, counts: impl Fn(usize) -> bool) -> (f32, f32) {
        let weigh = |word: &Word| if word.is_function() { FUNCTION_WORTH } else { word.rarity() / lexicon::RARITY_MAX };
        let mut sums = (0.0, 0.0);
        for (_, (word, place)) in claim.words.iter().zip(&self.matched).enumerate().filter(|(at, _)| counts(*at)) {
            let weight = weigh(word);
            sums = (sums.0 + if place.is_some() { weight } else { 0.0 }, sums.1 + weight);
        }
        sums
    }
}

fn worth(claim: &Word, evidence: &Word) -> f32 {
    if claim.stem == evidence.stem {
        if claim.is_function() { FUNCTION_WORTH } else { 1.0 }
    } else if claim.is_content() && evidence.is_content() && lexicon::are_synonyms(&claim.stem, &evidence.stem) {
        SYNONYM_WORTH
    } else {
        0.0
    }
}

/// One cell of the table: the best score so far, and the step that led there.
#[derive(Clone, Copy)]
struct Cell {
    score: f32,
    step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Both,
    Claim,
    Evidence,
}

fn scores(claim: &[Word], evidence: &[(usize, &Word)]) -> Vec<Cell> {
    let width = evidence.len() + 1;
    let mut table = vec![Cell { score: 0.0, step: Step::Claim }; (claim.len() + 1) * width];
    let cell =
        |table: &[Cell], row: usize, column: usize| table.get(row * width + column).copied().expect("within the table");
    for (row, word) in claim.iter().enumerate() {
        for (column, (_, other)) in evidence.iter().enumerate() {
            let above = cell(&table, row, column + 1);
            let beside = cell(&table, row + 1, column);
            let mut best = if above.score >= beside.score {
                Cell { score: above.score, step: Step::Claim }
            } else {
                Cell { score: beside.score, step: Step::Evidence }
            };
            let worth = worth(word, other);
            if worth > 0.0 {
                let before = cell(&table, row, column);
                let is_neighbour = row > 0 && column > 0 && before.step == Step::Both;
                let score = before.score + worth + if is_neighbour { NEIGHBOUR_WORTH } else { 0.0 };
                if score > best.score {
                    best = Cell { score, step: Step::Both };
                }
            }
            if let Some(here) = table.get_mut((row + 1) * width + column + 1) {
                *here = best;
            }
        }
    }
    table
}

fn trace(table: &[Cell], rows: usize, columns: usize) -> Vec<Option<usize>> {
    let mut matched = vec![None; rows];
    let (mut row, mut column) = (rows, columns);
    while row > 0 && column > 0 {
        let step = table.get(row * (columns + 1) + column).map_or(Step::Claim, |cell| cell.step);
        match step {
            Step::Both => {
                row -= 1;
                column -= 1;
                if let Some(place) = matched.get_mut(row) {
                    *place = Some(column);
                }
            }
            Step::Claim => row -= 1,
            Step::Evidence => column -= 1,
        }
    }
    matched
}
