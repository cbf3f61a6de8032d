//! What came of one case: the answer, its claims and citations beside their evidence, what was hoped for, the values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Figure, Measure, Measured};

/// One case, asked. Spans are bytes of `answer`; documents are named as the suite names them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRecord {
    pub id: String,
    pub asked: Asked,
    pub tags: Vec<String>,
    /// Cases of one cluster may fail together, so intervals are drawn over clusters.
    pub cluster: String,
    pub state: State,
    /// Why it errored or is stale.
    pub error: Option<String>,
    /// `answered`, `partial` or `refused`; None where it did not come to an end.
    pub outcome: Option<String>,
    pub answer: String,
    pub passages: Vec<PassageRecord>,
    pub claims: Vec<ClaimRecord>,
    pub citations: Vec<CitationRecord>,
    pub facts: Vec<FactRecord>,
    pub sources: Vec<GoldRecord>,
    /// Any one fails the run.
    pub leaks: Vec<Leak>,
    pub values: BTreeMap<Measure, Measured>,
}

/// What was asked, by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    pub question: String,
    /// Earlier messages, oldest first, as `user: …` and `assistant: …`.
    pub history: Vec<String>,
    /// The caller's groups. None: a caller who may see everything.
    #[serde(rename = "as")]
    pub groups: Option<Vec<String>>,
    pub answerable: bool,
    /// The reference answer.
    pub reference: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Done,
    /// Counts as failed in every measure that is meant for the case.
    Errored,
    Stale,
}

/// A passage that the answer may rely on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassageRecord {
    /// As citations have it, from 1.
    pub number: usize,
    pub document: String,
    pub title: String,
    pub page: Option<u32>,
    pub headings: Vec<String>,
    pub text: String,
    /// Whether it is one of the case's sources.
    pub is_source: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimVerdict {
    Supported,
    Partly,
    Unsupported,
}

/// A judge's word on a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpinionRecord {
    Supported,
    Unsupported,
}

/// A sentence of the answer that says something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClaimRecord {
    pub start: usize,
    pub end: usize,
    pub text: String,
    pub verdict: ClaimVerdict,
    /// How probable it is that the claim is supported.
    pub score: Figure,
    pub coverage: Figure,
    /// The words that bear it out best, where there are any.
    pub evidence: Vec<EvidenceRecord>,
    /// What speaks against it.
    pub findings: Vec<FindingRecord>,
    /// Numbers of the passages that it cites.
    pub cites: Vec<usize>,
    /// Whether those together support it. None: it cites nothing.
    pub cited_supports: Option<bool>,
    /// What the judge says of it. None: it was not asked, or its answer can't be read.
    pub judge: Option<OpinionRecord>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRecord {
    /// The passage's number.
    pub passage: usize,
    pub document: String,
    pub quote: String,
}

/// Something that a claim says and its evidence doesn't: the channel by which a fault was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingRecord {
    /// `number`, `date`, `name`, `negation` and so on, as the API names them.
    pub kind: String,
    /// Whether it decides alone that the claim is not supported.
    pub decides: bool,
    pub start: usize,
    pub end: usize,
    pub text: String,
    /// What the documents say in its place.
    pub instead: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CitationRecord {
    /// The passage's number.
    pub passage: usize,
    pub start: usize,
    pub end: usize,
    pub document: String,
    /// Whether the passage supports a claim that it stands with. None: it stands with none.
    pub supports: Option<bool>,
}

/// A fact that the answer should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactRecord {
    /// Any of these counts.
    pub wordings: Vec<String>,
    /// The one that was found.
    pub found: Option<String>,
}

/// A passage that answers the question, as the case names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldRecord {
    pub document: String,
    pub text: String,
    /// The rank of the first hit that has it, from 1.
    pub rank: Option<usize>,
    /// The passage that has it.
    pub passage: Option<usize>,
    /// Whether a citation names a passage that has it.
    pub is_cited: bool,
}

/// A text that must never appear, or a document that the caller must never see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leak {
    pub place: LeakPlace,
    pub text: String,
}

/// Where a leak was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeakPlace {
    Answer,
    /// In what the answer may rely on or in what a refusal names as near, which the caller sees as well.
    Passages,
    /// In a title or a heading.
    Titles,
}

impl LeakPlace {
    pub fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Passages => "passages",
            Self::Titles => "titles",
        }
    }
}

impl CaseRecord {
    /// The value of a measure, where it is defined.
    pub fn value(&self, measure: Measure) -> Option<Figure> {
        self.values.get(&measure).and_then(|measured| measured.value())
    }

    /// The claims that are not supported.
    pub fn ungrounded(&self) -> impl Iterator<Item = &ClaimRecord> {
        self.claims.iter().filter(|claim| claim.verdict != ClaimVerdict::Supported)
    }

    /// Whether nothing is wrong with it: it ended, leaks nothing, and each measure that is 0 or 1 is at its best.
    pub fn is_faultless(&self) -> bool {
        let is_right = |measure: Measure| self.value(measure).is_none_or(|value| value != measure.worst());
        self.state == State::Done && self.leaks.is_empty() && FAULTS.into_iter().all(is_right)
    }
}

/// Measures whose worst value is a fault by itself.
const FAULTS: [Measure; 5] = [
    Measure::UngroundedAnswers,
    Measure::RightRefusals,
    Measure::WrongRefusals,
    Measure::WrongAnswers,
    Measure::FactRecall,
];
