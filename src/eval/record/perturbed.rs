//! What became of a suite whose passages were changed between finding them and answering.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ChangedCase, Counts, Difference};

/// How passages are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Perturbation {
    /// Passages are added that have nothing to say.
    Distractors,
    /// They come in another order.
    Shuffled,
    /// Those that answer the question are taken out.
    GoldRemoved,
    /// One is added that says otherwise.
    Contradiction,
}

impl Perturbation {
    pub fn name(self) -> &'static str {
        match self {
            Self::Distractors => "distractors",
            Self::Shuffled => "shuffled",
            Self::GoldRemoved => "gold_removed",
            Self::Contradiction => "contradiction",
        }
    }

    /// What should come of it.
    pub fn expected(self) -> &'static str {
        match self {
            Self::Distractors => "answers stay as they were, and don't cite what was added",
            Self::Shuffled => "answers stay as they were",
            Self::GoldRemoved => "every question is refused",
            Self::Contradiction => "answers keep to what was there, or name both",
        }
    }
}

/// The cases with their passages changed, beside the same cases as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PerturbationRecord {
    pub kind: Perturbation,
    /// What should come of it, a sentence.
    pub expected: String,
    /// Cases that were asked so.
    pub cases: usize,
    /// The others, by why.
    pub left_out: BTreeMap<String, usize>,
    pub counts: Counts,
    /// The same cases: `baseline` is as they are, `run` with their passages changed. Where the gold is removed,
    /// `right_refusals` of the baseline is the share that was refused with it.
    pub differences: Vec<Difference>,
    /// Answers that cite a passage that was added. None: nothing is added.
    pub cites_added: Option<usize>,
    /// Cases that did not do what was expected: not refused without the gold, citing what was added.
    pub unexpected: Vec<String>,
    /// Cases with a value that changed, those that got worse first.
    pub changed: Vec<ChangedCase>,
}
