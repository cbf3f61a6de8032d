//! What the scorer can and can't see: the card that every gate run shows.

use serde::{Deserialize, Serialize};

use super::{Estimate, Figure};

/// How the scorer did on what is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// Whether every bar was met. If not, the exit code is 3.
    pub passed: bool,
    /// Sentences of the customer's own documents with one planted fault, by its kind.
    pub canaries: Vec<CanaryRecord>,
    /// Sets that people labelled.
    pub labelled: Vec<Labelled>,
    pub bars: Vec<Bar>,
    /// What the scorer is good for, and what not.
    pub scope: String,
    /// True where too few own labels are there to correct absolute rates: then only differences count.
    pub relative_only: bool,
}

/// One kind of fault, planted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryRecord {
    /// `number`, `date`, `name`, `negation`, …; `none` for sentences that were left as they are.
    pub kind: String,
    pub made: usize,
    /// Those that the scorer does not call supported. Of kind `none`: false alarms.
    pub caught: usize,
    /// The share, with its interval; None where none could be made.
    pub share: Option<Estimate>,
    /// Whether that is enough to rely on; for `none`, few enough.
    pub is_seen: bool,
    /// Up to three that were not caught (of kind `none`: that were).
    pub missed: Vec<Missed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missed {
    pub original: String,
    pub corrupted: String,
    pub document: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    Claim,
    Answer,
}

/// A labelled set, and how far the scorer agrees with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labelled {
    pub name: String,
    pub level: Level,
    pub labels: usize,
    /// Of these, what people called supported.
    pub supported: usize,
    pub auroc: Option<Estimate>,
    pub balanced_accuracy: Option<Estimate>,
    /// Of finding what is not supported.
    pub f1: Option<Estimate>,
    /// Expected calibration error over ten bins.
    pub calibration_error: Option<Figure>,
    pub reliability: Vec<Bin>,
    /// None where the set does not say which system wrote what.
    pub systems: Option<Systems>,
}

/// A bar of the reliability table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    pub from: Figure,
    pub to: Figure,
    pub labels: usize,
    /// The mean score, and the share that people called supported.
    pub score: Figure,
    pub supported: Figure,
}

/// Agreement on which of two systems is better.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Systems {
    pub systems: usize,
    pub kendall_tau: Option<Figure>,
    pub pairs: usize,
    /// Pairs that the scorer ranks the other way round.
    pub reversals: usize,
    /// The mean distance between the scorer's rate of a system and people's, once the common shift is taken out: the
    /// smallest effect that a gate on the scorer may ask for.
    pub error: Figure,
}

/// A bar, and whether it was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bar {
    pub name: String,
    pub least: Figure,
    pub found: Option<Figure>,
    pub met: bool,
}
