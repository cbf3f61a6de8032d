//! A chat model as a second scorer: what it can see, what it cost, and how far it agrees with the scorer.

use serde::{Deserialize, Serialize};

use super::{Bar, CanaryRecord, Figure};

/// How a judge did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JudgeRecord {
    pub model: String,
    /// Whether every bar was met. If not, and a gate is on its word, the exit code is 3.
    pub passed: bool,
    /// The planted faults that it was asked about, by kind.
    pub canaries: Vec<CanaryRecord>,
    pub bars: Vec<Bar>,
    /// Answers that it gave, kept ones among them.
    pub calls: usize,
    /// Of these, neither yes nor no.
    pub unread: usize,
    /// Of these, late or an error.
    pub failed: usize,
    /// Claims beyond the most calls.
    pub not_asked: usize,
    /// Why the first one failed.
    pub why: Option<String>,
    pub agreement: Agreement,
}

/// Claims by what scorer and judge call them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agreement {
    pub both_supported: usize,
    pub both_unsupported: usize,
    /// Supported by the scorer's word alone.
    pub scorer_alone: usize,
    pub judge_alone: usize,
    /// The share that both call the same. None: they share no claim.
    pub share: Option<Figure>,
    /// Cohen's kappa. None where one of them calls everything the same.
    pub kappa: Option<Figure>,
}
