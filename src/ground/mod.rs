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
mod beside;
pub mod mismatch;
pub mod coverage;
pub mod asked;
mod model;
mod quantity;
mod words;
pub mod marks;
mod lexicon;

use std::sync::Arc;

use crate::document::Span;

use self::coverage::{Comparison, FEATURES};
use self::evidence::{Passages, Window};
use self::mismatch::{Mismatch, MismatchKind, Place};
use self::model::Model;

pub use self::beside::Beside;
pub(crate) use self::checkable::is_closed;
pub use self::model::ModelError;

/// The model that ships; `eval/scorer/train.py` writes it.
const SHIPPED: &str = include_str!("data/model.json");

/// Where a rule fired that decides, the score is at most this share of the threshold, whatever else is said.
const RULED_SHARE_MAX: f32 = 0.7;
/// From this logit down, the other model's word is a finding of its own: of 1,674 such claims, out of fold, 77 % were wrong.
const CONTRADICTED_MAX: f32 = -1.5;

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

/// What another model says of a claim, having read it beside its evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Opinion {
    /// A logit: above 0 it holds the claim for supported, the higher the surer.
    pub entailment: f32,
    /// The words of the claim that it finds wrong or does not find, as bytes of what it was given.
    pub against: Option<Span>,
}

/// Another model, which reads claims beside their evidence.
///
/// Contract: the same texts always give the same opinion, whatever else is asked meanwhile. It may block for as long as
/// the model takes. `None`: it can't say; the claim is then weighed without it.
pub trait SecondReader: Send + Sync {
    fn read(&self, claim: &str, evidence: &str) -> Option<Opinion>;

    /// Names the model and its files, to tell one from another by.
    fn fingerprint(&self) -> &str;
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
    /// How probable another model that read it beside its evidence holds it, in 0..=1. None: none did.
    pub entailment: Option<f32>,
}

/// A claim that was compared with its passages, and not yet judged: another model may be asked in between.
#[derive(Debug, Clone)]
pub struct Measured {
    /// In the order of `coverage::FEATURES`.
    pub features: Vec<f32>,
    pub evidence: Vec<Place>,
    pub mismatches: Vec<Mismatch>,
    pub coverage: f32,
    /// What another model is to read. None: there is nothing that it could read.
    pub beside: Option<Beside>,
}

/// Judges claims. Cheap to share.
pub struct Scorer {
    model: Model,
    /// For each of the model's features, where it is among what is measured.
    order: Vec<usize>,
    reader: Option<Arc<dyn SecondReader>>,
}

impl Scorer {
    /// The scorer that ships.
    pub fn shipped() -> Result<Self, ModelError> {
        Self::read(SHIPPED)
    }

    /// A scorer with a model of one's own.
    pub fn read(json: &str) -> Result<Self, ModelError> {
        let known: Vec<&str> = FEATURES.iter().map(|(name, _)| *name).collect();
        let model = Model::read(json, &known)?;
        lexicon::load(); // Not while the first reader waits.
        let order = model.features.iter().filter_map(|name| known.iter().position(|known| known == name)).collect();
        Ok(Self { model, order, reader: None })
    }

    /// The same scorer with another model to ask.
    pub fn with_reader(self, reader: Arc<dyn SecondReader>) -> Self {
        Self { reader: Some(reader), ..self }
    }

    /// Names the models that judge, to tell one scorer from another by.
    pub fn fingerprint(&self) -> String {
        let reader = self.reader.as_ref().map_or("none", |reader| reader.fingerprint());
        format!("{SHIPPED}\nread by {reader}")
    }

    /// Judges the claim `text[span]` by the passages. Blocks for as long as the other model takes, where there is one.
    pub fn judge(&self, text: &str, span: Span, passages: &Passages) -> Judgement {
        let measured = measure(text, span, passages);
        let opinion = self.opinion(&measured);
        self.weigh(measured, opinion)
    }

    /// What the other model says of what was measured.
    pub fn opinion(&self, measured: &Measured) -> Option<Opinion> {
        let beside = measured.beside.as_ref()?;
        self.reader.as_ref()?.read(&beside.claim, &beside.evidence)
    }

    /// Judges what was measured, with what the other model says of it.
    pub fn weigh(&self, measured: Measured, opinion: Option<Opinion>) -> Judgement {
        let value = |at: &usize| measured.features.get(*at).copied().unwrap_or(f32::NAN);
        let features: Vec<f32> = self.order.iter().map(value).collect();
        let mut score = self.model.probability(&features, opinion.map(|opinion| opinion.entailment));
        if measured.mismatches.iter().any(Mismatch::decides) {
            score = score.min(self.model.threshold * RULED_SHARE_MAX);
        }
        let verdict = self.verdict(score);
        let contradiction =
            opinion.filter(|_| verdict != Verdict::Supported).and_then(|it| contradicted(&measured, it));
        let Measured { evidence, mut mismatches, coverage, .. } = measured;
        mismatches.extend(contradiction);
        let entailment = opinion.map(|opinion| 1.0 / (1.0 + (-opinion.entailment).exp()));
        Judgement { score, verdict, evidence, mismatches, coverage, entailment }
    }

    /// What is left of a judgement where something else is known that decides against the claim `span`: as where a rule
    /// does.
    pub fn against(&self, judged: Judgement, span: Span, kind: MismatchKind) -> Judgement {
        let score = judged.score.min(self.model.threshold * RULED_SHARE_MAX);
        let evidence = judged.evidence.first().copied();
        let mut mismatches = judged.mismatches;
        mismatches.push(Mismatch { kind, claim: span, evidence, sure: true });
        Judgement { score, verdict: self.verdict(score), mismatches, ..judged }
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
    let window = comparison.window;
    let mut mismatches = comparison.mismatches;
    if checkable::breaks_off(text, span) {
        let claim = Span { start: span.end, end: span.end };
        mismatches.push(Mismatch { kind: MismatchKind::Unfinished, claim, evidence: None, sure: false });
    }
    let beside = beside::beside(text, span, (&read, passages), window);
    Measured { features, evidence, mismatches, coverage, beside }
}

/// The finding that the other model makes, where it is sure enough.
fn contradicted(measured: &Measured, opinion: Opinion) -> Option<Mismatch> {
    let beside = measured.beside.as_ref().filter(|_| opinion.entailment <= CONTRADICTED_MAX)?;
    let words = opinion.against.unwrap_or(Span { start: 0, end: beside.claim.len() });
    let claim = Span { start: beside.start + words.start, end: beside.start + words.end };
    Some(Mismatch {
        kind: MismatchKind::Contradiction,
        claim,
        evidence: measured.evidence.first().copied(),
        sure: false,
    })
}

fn places(passages: &Passages, window: Window) -> Vec<Place> {
    passages.window(window).iter().map(|sentence| Place { passage: sentence.passage, span: sentence.span }).collect()
}

#[cfg(test)]
mod tests;
