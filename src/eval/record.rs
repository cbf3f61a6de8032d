//! What a finished run is, as its report says it: plain data, written and read as JSON.
//!
//! A report is a document of record: a baseline is made of one, and the reports for people are drawn from it and from
//! nothing else. `eval/schema/report.schema.json` says its form to other programs. [`canonical`] writes it with sorted keys and rounded figures, so that the same run is the same bytes; all that
//! depends on the clock stands in [`Times`] and nowhere else. Holds no rules of its own: what a figure means is said in
//! [`Measure`], how a gate decides in `gate`.

mod canonical;
mod card;
mod case;
mod figure;
mod judge;
mod measure;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use canonical::{RecordError, canonical, canonical_without_times};
pub use card::{Bar, Bin, CanaryRecord, Card, Labelled, Level, Missed, Systems};
pub use case::{
    Asked, CaseRecord, CitationRecord, ClaimRecord, ClaimVerdict, EvidenceRecord, FactRecord, FindingRecord,
    GoldRecord, Leak, LeakPlace, OpinionRecord, PassageRecord, State,
};
pub use figure::{DIGITS, Estimate, Figure};
pub use judge::{Agreement, JudgeRecord};
pub use measure::{Direction, Measure, Measured, Skip};

/// The form of reports that this code writes; another one is refused when it is read.
pub const FORMAT: u32 = 1;

/// A finished run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    pub format: u32,
    /// The suite's own name.
    pub suite: String,
    pub ruling: Ruling,
    /// 0 pass, 1 fail, 2 could not run or underpowered, 3 the scorer failed its own validation, 4 inconclusive and set to
    /// block.
    pub exit_code: u8,
    /// Why, a sentence each, the weightiest first. Empty on a plain pass.
    pub reasons: Vec<String>,
    /// What a reader should know beside it: "relative only", "the third result of this build".
    pub notes: Vec<String>,
    pub fingerprint: Fingerprint,
    pub counts: Counts,
    /// All cases together, in the order of `Measure::ALL`.
    pub metrics: Vec<Metric>,
    /// The cases of one tag each, by name.
    pub slices: Vec<Slice>,
    /// In the order of the gates file.
    pub gates: Vec<GateRecord>,
    /// What must hold whatever the averages say: leaks, must-pass cases, too many skipped, stale answers.
    pub invariants: Vec<InvariantRecord>,
    /// None: there was no baseline.
    pub comparison: Option<Comparison>,
    /// None: no gate needed the scorer.
    pub selftest: Option<Card>,
    /// None: no judge was asked.
    pub judge: Option<JudgeRecord>,
    /// In the suite's order.
    pub cases: Vec<CaseRecord>,
    /// All that differs between two runs of the same.
    pub times: Times,
}

/// What a run, a gate or an invariant comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    Pass,
    Inconclusive,
    Fail,
    /// It can't be ruled on: it did not run, is underpowered, or the scorer failed its own validation.
    Invalid,
}

impl Ruling {
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Inconclusive => "inconclusive",
            Self::Fail => "fail",
            Self::Invalid => "invalid",
        }
    }
}

/// What was measured, so that two reports can be told to be of the same thing. Hashes are SHA-256, in hexadecimal.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Of the cases, and of what the suite says that changes figures.
    pub suite: String,
    /// Of the documents' names and contents; of an existing collection's, the ledger's.
    pub documents: String,
    /// Of the settings that an answer depends on; no keys, no folders.
    pub config: String,
    pub prompt: String,
    /// As the index names itself: embedding model, prefixes, chunker.
    pub index: String,
    pub scorer: String,
    /// How answers were made: extractive, replay or live.
    pub chat: String,
    /// The model that wrote; None where none did.
    pub chat_model: Option<String>,
    /// Of the recorded answers that were replayed.
    pub recording: Option<String>,
    /// The perturbation that was asked for.
    pub perturbation: Option<String>,
    pub cairn_version: String,
    /// Of the program's file.
    pub build: String,
}

/// Cases by how they ended. The first three add up to all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub done: usize,
    /// They count as failed.
    pub errored: usize,
    /// Their prompt is none that an answer was recorded for.
    pub stale: usize,
    pub answered: usize,
    pub partial: usize,
    pub refused: usize,
    /// Groups of cases that may fail together: one document's, one conversation's.
    pub clusters: usize,
}

/// One figure over the cases that it is defined for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    pub measure: Measure,
    /// None: undefined for every case.
    pub estimate: Option<Estimate>,
    /// Cases that it is defined for.
    pub cases: usize,
    /// The others, by reason.
    pub skipped: BTreeMap<Skip, usize>,
    /// The smallest difference to a baseline that so many cases are likely to show.
    pub detectable: Option<Figure>,
    /// Corrected by people's labels (prediction-powered inference), where there are enough of them.
    pub corrected: Option<Estimate>,
}

/// The cases of one tag.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slice {
    pub tag: String,
    pub cases: usize,
    pub metrics: Vec<Metric>,
}

/// What is done where a gate is inconclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnInconclusive {
    /// Exit code 4.
    Block,
    /// Said, and let through.
    Warn,
    /// Reserve cases are drawn; where there are none left, exit code 4 and how many labels a person should give.
    Escalate,
}

/// A gate, and how it was ruled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateRecord {
    pub measure: Measure,
    /// None: over all cases.
    pub slice: Option<String>,
    pub ruling: Ruling,
    /// A sentence.
    pub reason: String,
    /// The worst value that passes, whatever the baseline.
    pub floor: Option<Figure>,
    /// A loss below this is none.
    pub margin: Option<Figure>,
    /// A significant loss of at least this fails.
    pub smallest_effect: Option<Figure>,
    /// The smallest difference that so many cases are likely to show.
    pub detectable: Option<Figure>,
    pub estimate: Option<Estimate>,
    /// This run less the baseline, in the sense that more is better.
    pub gain: Option<Estimate>,
    pub p: Option<Figure>,
    /// After Holm, over all gates.
    pub p_adjusted: Option<Figure>,
    pub on_inconclusive: OnInconclusive,
}

/// Something that must hold for every case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InvariantRecord {
    /// `leaks`, `must_pass`, `critical_findings`, `errors`, `stale`, `skipped`, `documents`.
    pub name: String,
    pub ruling: Ruling,
    /// A sentence.
    pub reason: String,
    /// The cases that break it.
    pub cases: Vec<String>,
}

/// This run beside its baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    pub baseline: BaselineRecord,
    /// The level that p-values are held against, after tightening.
    pub alpha: Figure,
    /// Which different result of this build this is, from 1. More than 1 tightens alpha.
    pub result_of_build: usize,
    pub differences: Vec<Difference>,
    /// Cases with a value that changed, those that got worse first.
    pub changed: Vec<ChangedCase>,
}

/// The baseline that was compared with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BaselineRecord {
    /// Of its canonical form without times.
    pub sha256: String,
    pub fingerprint: Fingerprint,
    /// Why it was made anew, each time, oldest first.
    pub rebaselined: Vec<Rebaselined>,
}

/// Why a baseline took the place of another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rebaselined {
    pub reason: String,
    /// The baseline before; None for the first one.
    pub before: Option<String>,
}

/// One figure here and there, over the cases that it is defined for in both.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    pub measure: Measure,
    /// None: over all cases.
    pub slice: Option<String>,
    pub cases: usize,
    pub baseline: Figure,
    pub run: Figure,
    /// In the sense that more is better, with its 95% interval.
    pub gain: Estimate,
    pub test: Test,
    pub p: Figure,
    /// After Holm over the gating figures; None where it gates nothing.
    pub p_adjusted: Option<Figure>,
    pub improved: usize,
    pub worsened: usize,
}

/// How a p-value was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Test {
    /// For figures that are 0 or 1 in each case.
    McnemarExact,
    SignFlipPermutation,
}

/// A case that a change touched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedCase {
    pub id: String,
    /// Measure, value before and now; None where it is skipped there.
    pub worsened: Vec<ChangedValue>,
    pub improved: Vec<ChangedValue>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangedValue {
    pub measure: Measure,
    pub before: Figure,
    pub now: Figure,
}

/// All that depends on the clock, on the machine and on how a model felt that day: never compared, never gated.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    /// RFC 3339, UTC.
    pub began: String,
    pub seconds: f64,
    /// Cases that an interrupted run had finished.
    pub resumed: usize,
    pub first_token_ms: Option<Quantiles>,
    pub first_sentence_ms: Option<Quantiles>,
    pub total_ms: Option<Quantiles>,
    pub prompt_tokens: Option<Quantiles>,
    pub completion_tokens: Option<Quantiles>,
    /// By case.
    pub cases: BTreeMap<String, CaseTimes>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    pub median: f64,
    pub p95: f64,
}

/// How long one case took, and what it cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseTimes {
    /// From the question to the first of the answer's text.
    pub first_token_ms: Option<f64>,
    /// To the end of the first sentence that is checked.
    pub first_sentence_ms: Option<f64>,
    pub total_ms: f64,
    pub prompt_tokens: Option<u32>,
    pub completion_tokens: Option<u32>,
}

impl Report {
    /// Reads a report. Another form than this code's is an error that says so.
    pub fn read(json: &str) -> Result<Self, RecordError> {
        canonical::read(json)
    }

    /// A case by its id.
    pub fn case(&self, id: &str) -> Option<&CaseRecord> {
        self.cases.iter().find(|case| case.id == id)
    }
}

#[cfg(test)]
pub(crate) mod tests;
