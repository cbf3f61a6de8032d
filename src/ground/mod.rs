//! Claims, evidence, verdicts: what an answer may be trusted in.
//!
//! An answer's text goes in as it is written, and the passages it should rest on; for each claim comes out how well it
//! is supported, by which sentences, and what speaks against it. Pure and deterministic: no I/O, no clock, no chance.
//! Knows nothing of questions, prompts or who asks.

pub mod claims;
mod attribution;
mod boundary;
mod checkable;
pub mod evidence;
mod align;
pub mod mismatch;
pub mod coverage;
pub mod asked;
mod model;
mod quantity;
mod words;
pub mod marks;
mod lexicon;

use crate::document::Span;

use self::coverage::{Comparison, FEATURES};
use self::evidence::{Passages, Window};
use self::mismatch::{Mismatch, MismatchKind, Place};
use self::model::Model;

pub use self::model::ModelError;

/// The model that ships; `eval/scorer/train.py` writes it.
const SHIPPED: &str = include_str!("data/model.json");
/// What another model may add to what is measured here, missing where there is none.
pub const OUTSIDE: [&str; 1] = ["entailment"];

/// Where a rule fired that decides, the score is at most this share of the threshold, whatever else is said.
const RULED_SHARE_MAX: f32 = 0.7;

/// What is to be made of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Supported,
    /// Some of it is, or it is about the same.
    Partly,
    Unsupported,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Self::Supported => "supported",
            Self::Partly => "partly",
            Self::Unsupported => "unsupported",
        }
    }
}

/// What other models say of a claim and its best evidence, where they are at hand.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Opinions {
    /// The cross-encoder's score, the higher the better supported.
    pub entailment: Option<f32>,
}

/// A claim, judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The probability that the claim is supported, in 0..=1.
    pub score: f32,
    pub verdict: Verdict,
    /// Sentences that bear it out best, in reading order; none where no word of it is found.
    pub evidence: Vec<Place>,
    /// What speaks against it, for a reader to be told.
    pub mismatches: Vec<Mismatch>,
    /// The share of what the claim says that its evidence has, in 0..=1.
    pub coverage: f32,
}

/// A claim that was compared with its passages, and not yet judged: another model may be asked in between.
#[derive(Debug, Clone)]
pub struct Measured {
    /// In the order of `coverage::FEATURES`.
    pub features: Vec<f32>,
    pub evidence: Vec<Place>,
    pub mismatches: Vec<Mismatch>,
    pub coverage: f32,
}

/// Judges claims. Cheap to share; holds the model and nothing else.
#[derive(Debug)]
pub struct Scorer {
    model: Model,
    /// For each of the model's features, where it is among what is measured.
    order: Vec<usize>,
}

impl Scorer {
    /// The scorer that ships.
    pub fn shipped() -> Result<Self, ModelError> {
        Self::read(SHIPPED)
    }

    /// The file of the model that ships, to tell one scorer from another by.
    pub fn shipped_model() -> &'static str {
        SHIPPED
    }

    /// A scorer with a model of one's own.
    pub fn read(json: &str) -> Result<Self, ModelError> {
        let known: Vec<&str> = FEATURES.iter().map(|(name, _)| *name).chain(OUTSIDE).collect();
        let model = Model::read(json, &known)?;
        lexicon::load(); // Not while the first reader waits.
        let order = model.features.iter().filter_map(|name| known.iter().position(|known| known == name)).collect();
        Ok(Self { model, order })
    }

    /// Judges the claim `text[span]` by the passages alone.
    pub fn judge(&self, text: &str, span: Span, passages: &Passages) -> Judgement {
        self.weigh(measure(text, span, passages), Opinions::default())
    }

    /// Judges what was measured, with what others say of it.
    pub fn weigh(&self, measured: Measured, opinions: Opinions) -> Judgement {
        let outside = [opinions.entailment.unwrap_or(f32::NAN)];
        let all: Vec<f32> = measured.features.iter().copied().chain(outside).collect();
        let features: Vec<f32> = self.order.iter().map(|at| all.get(*at).copied().unwrap_or(f32::NAN)).collect();
        let mut score = self.model.probability(&features);
        if measured.mismatches.iter().any(Mismatch::decides) {
            score = score.min(self.model.threshold * RULED_SHARE_MAX);
        }
        let Measured { evidence, mismatches, coverage, .. } = measured;
        Judgement { score, verdict: self.verdict(score), evidence, mismatches, coverage }
    }

    fn verdict(&self, score: f32) -> Verdict {
        if score >= self.model.threshold {
            Verdict::Supported
        } else if score >= self.model.threshold_partly {
            Verdict::Partly
        } else {
            Verdict::Unsupported
        }
    }

    /// From this score on, a claim or an answer counts as supported.
    pub fn threshold(&self) -> f32 {
        self.model.threshold
    }

    /// An answer's score from its claims': between the worst and the mean of them. None without claims.
    pub fn answer(&self, scores: &[f32]) -> Option<f32> {
        const SCORE_MIN: f64 = 1e-3;
        if scores.is_empty() {
            return None;
        }
        let power = self.model.answer_exponent;
        let sum: f64 = scores.iter().map(|score| f64::from(*score).max(SCORE_MIN).powf(power)).sum();
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a mean of probabilities")]
        {
            Some((sum / scores.len() as f64).powf(1.0 / power) as f32)
        }
    }
}

/// Compares the claim `text[span]` with the passages.
pub fn measure(text: &str, span: Span, passages: &Passages) -> Measured {
    let read = passages.claim(text, span);
    let comparison = Comparison::of(&read, passages);
    let evidence = comparison.window.map(|window| places(passages, window)).unwrap_or_default();
    let coverage = comparison.window.map_or(0.0, |window| window.coverage);
    let features = comparison.features();
    let mut mismatches = comparison.mismatches;
    if checkable::breaks_off(text, span) {
        let claim = Span { start: span.end, end: span.end };
        mismatches.push(Mismatch { kind: MismatchKind::Unfinished, claim, evidence: None, sure: false });
    }
    Measured { features, evidence, mismatches, coverage }
}

fn places(passages: &Passages, window: Window) -> Vec<Place> {
    passages.window(window).iter().map(|sentence| Place { passage: sentence.passage, span: sentence.span }).collect()
}

#[cfg(test)]
mod tests;
