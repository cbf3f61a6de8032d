//! Hard rules: what a claim says that its evidence does not have, or says the other way round.
//!
//! Each finding has a kind and a place in the claim, and a place in the evidence where something else stands there.
//! Rules look at the best window, and ask all passages before they call something missing. They don't weigh anything:
//! what a finding is worth is the model's to say. English only; in other languages numbers and identifiers still count.

mod joint;
mod names;
mod opposites;
mod polarity;
mod quantities;
mod repetition;
mod verbatim;

pub(super) use self::polarity::may_be_denied;

use std::cell::OnceCell;

use crate::document::Span;

use self::verbatim::Stretch;
use super::align::Alignment;
use super::evidence::{Passages, Read, Sentence, Window};
use super::lexicon;
use super::words::Word;

/// What is wrong, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MismatchKind {
    /// No passage has the number.
    Number,
    /// The passages have the number, but say it of something else.
    NumberElsewhere,
    Date,
    Version,
    /// The number is there, with another unit.
    Unit,
    Identifier,
    Name,
    /// The passages have the name, but another one in this place.
    NameElsewhere,
    /// One of the two says no.
    Negation,
    /// "must" for "may", "all" for "some".
    Modality,
    /// "more" for "less", "before" for "after", "enabled" for "disabled".
    Opposite,
    /// Both halves of "A when B" are there, but nothing says one of the other.
    Joint,
    /// It says the same words again, and nothing by that.
    Repetition,
    /// The claim breaks off, so that what it says can't be told.
    Unfinished,
    /// No rule: a model that read the claim beside its evidence holds it for wrong.
    Contradiction,
    /// No rule either: a chat model that was asked for its opinion says no.
    Judge,
}

impl MismatchKind {
    /// For programs; never changes its meaning.
    pub fn name(self) -> &'static str {
        match self {
            Self::Number => "number",
            Self::NumberElsewhere => "number_elsewhere",
            Self::Date => "date",
            Self::Version => "version",
            Self::Unit => "unit",
            Self::Identifier => "identifier",
            Self::Name => "name",
            Self::NameElsewhere => "name_elsewhere",
            Self::Negation => "negation",
            Self::Modality => "modality",
            Self::Opposite => "opposite",
            Self::Joint => "joint",
            Self::Repetition => "repetition",
            Self::Unfinished => "unfinished",
            Self::Contradiction => "contradiction",
            Self::Judge => "judge",
        }
    }

    /// A claim with such a finding is not supported, however well it is covered. The others can be read both ways
    /// where the claim is put in other words; what they are worth is the model's to say.
    pub fn decides(self) -> bool {
        match self {
            Self::Number | Self::NumberElsewhere | Self::Date | Self::Version | Self::Unit => true,
            Self::Identifier | Self::Name | Self::Modality | Self::Opposite | Self::Joint | Self::Unfinished => true,
            Self::Repetition | Self::Judge => true,
            Self::NameElsewhere | Self::Negation | Self::Contradiction => false,
        }
    }
}

/// A place in a passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Counts the passages from 0, as they were given.
    pub passage: usize,
    /// Bytes of the passage.
    pub span: Span,
}

/// One finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    pub kind: MismatchKind,
    /// Bytes of the text that the claim is of.
    pub claim: Span,
    pub evidence: Option<Place>,
    /// The claim is else its evidence's own words, so that this can't be read in another way.
    pub sure: bool,
}

impl Mismatch {
    /// A claim with such a finding is not supported, however well it is covered.
    pub fn decides(&self) -> bool {
        self.sure || self.kind.decides()
    }
}

/// A claim beside its best window.
pub(super) struct Pair<'a> {
    pub(super) claim: &'a Read,
    pub(super) passages: &'a Passages,
    pub(super) window: Window,
    pub(super) alignment: Alignment<'a>,
    stretches: OnceCell<Vec<Stretch>>,
}

impl<'a> Pair<'a> {
    pub(super) fn of(claim: &'a Read, passages: &'a Passages, window: Window) -> Self {
        Self { claim, passages, window, alignment: Alignment::of(claim, passages, window), stretches: OnceCell::new() }
    }

    /// All findings, by kind and place.
    pub(super) fn mismatches(&self) -> Vec<Mismatch> {
        let mut found = self.found();
        // Beside its one best sentence, a claim can't be laid partly beside another one.
        let alone = self.best_sentence().map(|alone| alone.found()).unwrap_or_default();
        found.extend(alone.into_iter().filter(|mismatch| mismatch.sure));
        found.sort_by_key(|mismatch| (mismatch.claim.start, mismatch.kind, !mismatch.sure));
        found.dedup_by_key(|mismatch| (mismatch.claim.start, mismatch.kind));
        found
    }

    fn found(&self) -> Vec<Mismatch> {
        let mut found = quantities::mismatches(self);
        found.extend(names::mismatches(self));
        found.extend(polarity::mismatches(self));
        found.extend(opposites::mismatches(self));
        found.extend(verbatim::mismatches(self));
        found.extend(joint::mismatches(self.claim, self.passages));
        found.extend(repetition::mismatches(self));
        found
    }

    /// The same claim beside the one sentence of a longer window that has most of its words.
    fn best_sentence(&self) -> Option<Self> {
        if self.window.first == self.window.last {
            return None;
        }
        let matched = |sentence: usize| {
            let places = self.alignment.matched.iter().flatten();
            places.filter(|place| self.alignment.evidence.get(**place).is_some_and(|(of, _)| *of == sentence)).count()
        };
        let best = (self.window.first..=self.window.last).rev().max_by_key(|sentence| matched(*sentence))?;
        Some(Self::of(self.claim, self.passages, Window { first: best, last: best, ..self.window }))
    }

    /// The few places where a claim that is else word for word differs from its evidence.
    fn stretches(&self) -> &[Stretch] {
        self.stretches.get_or_init(|| verbatim::stretches(self))
    }

    fn sentences(&self) -> &'a [Sentence] {
        self.passages.window(self.window)
    }

    fn place(&self, sentence: usize, word: &Word) -> Place {
        Place { passage: self.passages.sentence(sentence).passage, span: word.span }
    }

    fn claim_has(&self, stem: &str) -> bool {
        self.claim.words.iter().any(|word| word.stem == stem)
    }

    fn window_has(&self, stem: &str) -> bool {
        self.sentences()
            .iter()
            .flat_map(|sentence| &sentence.words)
            .any(|word| word.stem == stem || word.parts.iter().any(|part| part == stem))
    }

    fn window_has_opposite(&self, stem: &str) -> bool {
        self.sentences()
            .iter()
            .flat_map(|sentence| &sentence.words)
            .any(|word| lexicon::are_opposites(&word.stem, stem))
    }

    /// Whether any passage has the claim's word, in any form.
    fn is_known(&self, word: usize) -> bool {
        let stem = self.claim.words.get(word).map(|word| &word.stem);
        let key = self.claim.keys.iter().find(|key| self.claim.words.get(key.word).map(|word| &word.stem) == stem);
        key.is_some_and(|key| !key.found.is_empty())
    }
}

#[cfg(test)]
mod tests;
