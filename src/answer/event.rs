//! What an answer is made of, as it is written: events, citations, how it ended, why there is none.

use crate::chat::{ChatError, Finish, Usage};
use crate::document::{AlsoIn, DocumentId, Hit, Passage, Span, Version};
use crate::embed::EmbedError;
use crate::error::Class;
use crate::ground::Verdict;
use crate::ground::mismatch::MismatchKind;
use crate::store::StoreError;
use crate::tasks::Panicked;

/// An answer as it is written: `Sources`, then text, citations and claims, then exactly one `Done` or `Failed`.
#[derive(Debug)]
pub enum AnswerEvent {
    Sources(Vec<Passage>),
    Delta(String),
    Citation(Citation),
    /// Comes after the sentence that it is about.
    Claim(CheckedClaim),
    Done(Done),
    Failed(AnswerError),
}

/// A mark in the answer, joined to the words of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Citation {
    /// The passage's number, as the mark has it.
    pub number: usize,
    /// Where the mark stands: bytes of the answer's text.
    pub mark: Span,
    pub document: DocumentId,
    pub external_id: String,
    pub title: String,
    /// The page that the passage begins on, counted from 1.
    pub page: Option<u32>,
    pub headings: Vec<String>,
    /// Bytes of the document's extracted text.
    pub span: Span,
    /// The text at that span.
    pub quote: String,
    /// Other documents with the text of the passage, or nearly.
    pub also_in: Vec<AlsoIn>,
}

/// A sentence of the answer that says something, and how well the documents bear it out.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckedClaim {
    /// Bytes of the answer's text.
    pub span: Span,
    pub verdict: Verdict,
    /// How probable it is that the claim is supported, in 0..=1.
    pub score: f32,
    /// The share of the claim's words that the evidence has, in 0..=1.
    pub coverage: f32,
    /// How probable the cross-encoder holds it, in 0..=1. None: it was not asked.
    pub entailment: Option<f32>,
    /// The words that bear it out best; none where there are none.
    pub evidence: Vec<Evidence>,
    pub findings: Vec<Finding>,
}

/// Words of a document that bear a claim out, or speak against it.
#[derive(Debug, Clone, PartialEq)]
pub struct Evidence {
    /// Of the passage that they stand in.
    pub number: usize,
    pub document: DocumentId,
    pub version: Version,
    pub external_id: String,
    pub title: String,
    pub page: Option<u32>,
    pub headings: Vec<String>,
    /// Bytes of the document's extracted text.
    pub span: Span,
    /// The text at that span.
    pub quote: String,
}

/// Something that a claim says and its evidence doesn't.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub kind: MismatchKind,
    /// Bytes of the answer's text.
    pub span: Span,
    /// What the documents say in its place.
    pub evidence: Option<Evidence>,
}

/// An answer's claims by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClaimCounts {
    pub supported: usize,
    pub partly: usize,
    pub unsupported: usize,
    /// Those of them that were left out.
    pub retracted: usize,
}

impl ClaimCounts {
    pub(super) fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Supported => self.supported += 1,
            Verdict::Partly => self.partly += 1,
            Verdict::Unsupported => self.unsupported += 1,
        }
        metrics::counter!("cairn_claims_total", "verdict" => verdict.name()).increment(1);
    }
}

/// How an answer ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    pub outcome: Outcome,
    pub writer: Writer,
    pub finish: Finish,
    /// None where no model was asked, or it did not say.
    pub usage: Option<Usage>,
    pub marks: MarkCounts,
    pub claims: ClaimCounts,
    /// Unless it is answered: what of the question the documents say nothing of, in the question's own words.
    pub missing: Vec<String>,
    /// On a refusal: the nearest documents.
    pub nearest: Vec<Hit>,
    /// Why the chat model that is set up did not write this, or not to its end.
    pub fallback: Option<String>,
}

/// What became of the marks that a model wrote.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MarkCounts {
    /// Taken out because they named no source.
    pub unknown: usize,
    /// Taken out because their source does not bear out the sentence.
    pub unsupported: usize,
    /// Put in, for a source that bears the sentence out and was not cited.
    pub added: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The documents bear all of it out.
    Answered,
    /// Some of the question is open, or something in the answer is not borne out.
    Partial,
    Refused(Reason),
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// What was found says too little about the question.
    NothingFound,
    /// The passages are near it, and don't bear out an answer.
    NotSupported,
    /// The chat endpoint does not allow an answer. Never said of documents that the caller may not see: to them, these
    /// are not there.
    NotAllowed,
    /// Nothing in the collection has to do with it.
    OffTopic,
}

impl Outcome {
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Partial => "partial",
            Self::Refused(_) => "refused",
        }
    }

    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Answered | Self::Partial => None,
            Self::Refused(reason) => Some(reason),
        }
    }
}

impl Reason {
    pub fn name(self) -> &'static str {
        match self {
            Self::NothingFound => "nothing_found",
            Self::NotSupported => "not_supported",
            Self::NotAllowed => "not_allowed",
            Self::OffTopic => "off_topic",
        }
    }
}

/// Who wrote an answer's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Writer {
    /// This chat model.
    Model(String),
    /// The documents: quotations.
    Extractive,
    /// Cairn itself: a refusal that no model was asked for.
    Cairn,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    #[error("{0}")]
    Invalid(String),
    #[error(
        "the collection {collection:?} holds no documents: `cairn ingest --collection {collection} PATH` adds some"
    )]
    NoDocuments { collection: String },
    /// There are documents that the caller may see, and none of them passes the filter. What the caller may not see has
    /// no part in it.
    #[error(
        "no document of the collection {collection:?} passes the filter: leave a part of it out, or look at its words"
    )]
    NothingPasses { collection: String },
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Chat(#[from] ChatError),
    #[error(transparent)]
    Prompt(#[from] minijinja::Error),
    #[error("read the text that document {document} was indexed from: {reason}")]
    Originals { document: String, reason: String },
    #[error("the answer took longer than server.answer_timeout ({seconds} s)")]
    TimedOut { seconds: u64 },
    #[error("the service is stopping")]
    Stopped,
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error("the answer can't be added to its conversation just now; the service's log says why")]
    NotKept,
}

impl AnswerError {
    pub fn class(&self) -> Class {
        match self {
            Self::Invalid(_) => Class::Invalid,
            Self::NoDocuments { .. } | Self::NothingPasses { .. } => Class::NotFound,
            Self::Embed(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Chat(error) => error.class(),
            Self::Prompt(_) | Self::Originals { .. } | Self::Panicked(_) => Class::Internal,
            Self::TimedOut { .. } | Self::Stopped | Self::NotKept => Class::Unavailable,
        }
    }
}
