//! Measured features in, a calibrated probability out: boosted trees and a linear term beside them, read from JSON.
//!
//! The JSON is written by `eval/scorer/train.py` and carries where it comes from. A feature that is not at hand is
//! missing, and each split says which way missing goes. The model names its features; one that this code does not measure
//! is an error when it is read, not a zero when it is used. What a cross-encoder says is weighed against all of that by
//! two weights (`eval/scorer/read.py`); without it, the rest stands as it is.

use serde::Deserialize;

/// A model as its file says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Model {
    pub(super) features: Vec<String>,
    trees: Vec<Vec<Node>>,
    /// One for each feature.
    linear: Vec<Term>,
    bias: f64,
    calibration: Calibration,
    /// What a cross-encoder's word counts. None: nothing.
    read: Option<Reading>,
    /// A claim is supported from this score on.
    pub(super) threshold: f32,
    /// Below this one, it is not even partly.
    pub(super) threshold_partly: f32,
    /// How an answer's score is made of its claims': the exponent of a power mean; the lower, the more the worst counts.
    pub(super) answer_exponent: f64,
    #[serde(rename = "provenance")]
    _provenance: serde_json::Value,
}

/// The raw score and a cross-encoder's logit, as one raw score with its own calibration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reading {
    raw: f64,
    entailment: f64,
    bias: f64,
    calibration: Calibration,
    #[serde(rename = "provenance")]
    _provenance: serde_json::Value,
}

/// What a feature adds, and the value that stands for it where it is not at hand.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Term {
    weight: f64,
    missing: f64,
}

/// A split, or a leaf. Children are places in the tree's list, after their parent.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Node {
    Split { feature: usize, at_most: f64, missing_left: bool, left: usize, right: usize },
    Leaf { leaf: f64 },
}

/// Pairs of raw score and probability, both ascending; straight lines between them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Calibration {
    raw: Vec<f64>,
    probability: Vec<f64>,
}

/// Why a model can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("the scorer's model is no valid JSON of its kind")]
    Format(#[from] serde_json::Error),
    #[error(
        "the scorer's model asks for the feature {name:?}, which is not measured: train it again with this version"
    )]
    UnknownFeature { name: String },
    #[error("the scorer's model has a tree or a list that is not whole: train it again")]
    BrokenTree,
}

impl Model {
    /// `known` are the features that are measured.
    pub(super) fn read(json: &str, known: &[&str]) -> Result<Self, ModelError> {
        let model: Self = serde_json::from_str(json)?;
        if let Some(name) = model.features.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(ModelError::UnknownFeature { name: name.clone() });
        }
        let is_whole = |tree: &Vec<Node>| {
            !tree.is_empty()
                && tree.iter().enumerate().all(|(at, node)| match node {
                    Node::Split { feature, left, right, .. } => {
                        *feature < model.features.len()
                            && [left, right].iter().all(|next| **next > at && **next < tree.len())
                    }
                    Node::Leaf { .. } => true,
                })
        };
        let calibrated =
            model.calibration.is_whole() && model.read.as_ref().is_none_or(|read| read.calibration.is_whole());
        if calibrated && model.linear.len() == model.features.len() && model.trees.iter().all(is_whole) {
            Ok(model)
        } else {
            Err(ModelError::BrokenTree)
        }
    }

    /// The probability that a claim with these features is supported. NaN is a feature that is not at hand.
    /// `entailment`: a cross-encoder's logit, where one has read the claim.
    pub(super) fn probability(&self, features: &[f32], entailment: Option<f32>) -> f32 {
        let trees: f64 = self.trees.iter().map(|tree| leaf(tree, features)).sum();
        let value = |feature: &f32, term: &Term| if feature.is_nan() { term.missing } else { f64::from(*feature) };
        let linear: f64 =
            features.iter().zip(&self.linear).map(|(feature, term)| term.weight * value(feature, term)).sum();
        let raw = trees + linear + self.bias;
        let probability = match self.read.as_ref().zip(entailment) {
            Some((read, logit)) => read.calibration.of(read.raw * raw + read.entailment * f64::from(logit) + read.bias),
            None => self.calibration.of(raw),
        };
        #[expect(clippy::cast_possible_truncation, reason = "a probability")]
        {
            probability as f32
        }
    }
}

fn leaf(tree: &[Node], features: &[f32]) -> f64 {
    let mut at = 0;
    loop {
        match tree.get(at) {
            Some(Node::Leaf { leaf }) => return *leaf,
            Some(Node::Split { feature, at_most, missing_left, left, right }) => {
                let value = features.get(*feature).copied().map_or(f64::NAN, f64::from);
                let goes_left = if value.is_nan() { *missing_left } else { value <= *at_most };
                at = if goes_left { *left } else { *right };
            }
            None => return 0.0, // `read` has checked that children exist.
        }
    }
}

impl Calibration {
    fn is_whole(&self) -> bool {
        self.raw.len() == self.probability.len() && !self.raw.is_empty()
    }

    fn of(&self, raw: f64) -> f64 {
        let above = self.raw.partition_point(|known| *known <= raw);
        let point = |at: usize| self.raw.get(at).copied().zip(self.probability.get(at).copied());
        let before = above.checked_sub(1).and_then(point);
        match (before, point(above)) {
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (raw - x0) / (x1 - x0).max(f64::MIN_POSITIVE),
            (Some((_, end)), None) | (None, Some((_, end))) => end,
            (None, None) => 0.5, // `read` refuses a calibration without points.
        }
    }
}
