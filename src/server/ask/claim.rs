//! How an answer's claims look over HTTP, and in what `cairn ask --json` prints.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{SpanWire, uri};
use crate::answer::{CheckedClaim, ClaimCounts, Evidence};

/// A sentence of the answer, and how well the documents bear it out.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct ClaimWire {
    /// Where it stands in the answer.
    pub span: SpanWire,
    /// `supported`, `partly` or `unsupported`.
    pub verdict: String,
    /// How probable it is that the documents support it, in 0..=1.
    pub score: f32,
    /// The share of its words that the evidence has, in 0..=1.
    pub coverage: f32,
    /// How probable the cross-encoder that read it beside its evidence holds it, in 0..=1. Null: it was not asked.
    pub entailment: Option<f32>,
    /// The words of documents that bear it out best.
    pub evidence: Vec<EvidenceWire>,
    /// What it says and the evidence doesn't.
    pub findings: Vec<FindingWire>,
}

/// Words of a document that bear a claim out, or say something else.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct EvidenceWire {
    /// Of the source that they stand in.
    pub number: usize,
    pub document_id: String,
    pub version: i64,
    pub uri: String,
    pub title: String,
    pub headings: Vec<String>,
    pub page: Option<u32>,
    /// Where the quote stands in the document.
    pub span: SpanWire,
    pub quote: String,
}

/// Something that a claim says and its evidence doesn't.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FindingWire {
    /// By rule: `number`, `number_elsewhere`, `date`, `version`, `unit`, `identifier`, `name`, `name_elsewhere`,
    /// `negation`, `modality`, `opposite`, `joint`, `repetition` or `unfinished`. By the cross-encoder: `contradiction`.
    /// By the chat model of `ground.judge`: `judge`.
    pub kind: String,
    /// Where it stands in the answer.
    pub span: SpanWire,
    /// What the documents say in its place.
    pub evidence: Option<EvidenceWire>,
}

/// An answer's claims by verdict.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
pub struct ClaimCountsWire {
    pub supported: usize,
    pub partly: usize,
    pub unsupported: usize,
    /// Those of them that were left out of the answer.
    pub retracted: usize,
}

impl From<CheckedClaim> for ClaimWire {
    fn from(claim: CheckedClaim) -> Self {
        Self {
            span: claim.span.into(),
            verdict: claim.verdict.name().into(),
            score: claim.score,
            coverage: claim.coverage,
            entailment: claim.entailment,
            evidence: claim.evidence.into_iter().map(EvidenceWire::from).collect(),
            findings: claim
                .findings
                .into_iter()
                .map(|finding| FindingWire {
                    kind: finding.kind.name().into(),
                    span: finding.span.into(),
                    evidence: finding.evidence.map(EvidenceWire::from),
                })
                .collect(),
        }
    }
}

impl From<Evidence> for EvidenceWire {
    fn from(evidence: Evidence) -> Self {
        Self {
            number: evidence.number,
            document_id: evidence.document.to_string(),
            version: evidence.version.0,
            uri: uri(&evidence.external_id),
            title: evidence.title,
            headings: evidence.headings,
            page: evidence.page,
            span: evidence.span.into(),
            quote: evidence.quote,
        }
    }
}

impl From<ClaimCounts> for ClaimCountsWire {
    fn from(counts: ClaimCounts) -> Self {
        let ClaimCounts { supported, partly, unsupported, retracted } = counts;
        Self { supported, partly, unsupported, retracted }
    }
}
