//! Texts in, vectors out: dense ones by a model in this process or behind an endpoint, sparse ones by BM25. And pairs of
//! texts in, scores out, by a cross-encoder.
//!
//! Knows nothing of documents, stores or prompts.

mod local;
mod remote;
mod rerank;
mod sparse;
mod tokens;

use async_trait::async_trait;

pub use local::{
    CrossEncoder, CrossReading, LocalEmbedder, LocalReranker, ModelFiles, Runtime, catalogue, fetch, rerankers,
};
pub use remote::RemoteEmbedder;
pub use rerank::{RemoteReranker, RerankError, Reranker};
pub use sparse::{SparseEmbedder, SparseVector};
pub use tokens::{TokenCounter, TokenizerError};

use crate::error::Class;

/// What a text is embedded for. Some models were trained to embed the two differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Question,
    Passage,
}

/// The words that a model wants in front of each kind of text. Empty for most.
#[derive(Debug, Clone, Default)]
pub struct Prefixes {
    pub question: String,
    pub passage: String,
}

impl Prefixes {
    fn of(&self, purpose: Purpose) -> &str {
        match purpose {
            Purpose::Question => &self.question,
            Purpose::Passage => &self.passage,
        }
    }
}

/// Turns texts into vectors of one length.
///
/// Contract: as many vectors as texts, in their order; each of [`dimensions`](Self::dimensions) finite numbers; the
/// same text always gives the same vector, whatever else is embedded beside it; a text of more than
/// [`tokens_max`](Self::tokens_max) tokens is [`EmbedError::TooLong`], never cut in silence.
#[async_trait]
pub trait Embedder: Send + Sync {
    async fn embed(&self, purpose: Purpose, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbedError>;

    fn dimensions(&self) -> usize;

    /// The longest text, in tokens, the model's special ones included.
    fn tokens_max(&self) -> usize;

    /// Counts tokens as this embedder's model does.
    fn token_counter(&self) -> &TokenCounter;

    /// Names the model and its files, so that vectors of two models are never compared.
    fn fingerprint(&self) -> &str;
}

/// The cosine of two vectors' angle; 0 where one of them is zero.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(p, q)| p * q).sum::<f32>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { dot(a, b) / lengths } else { 0.0 }
}

/// Why texts were not embedded.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    #[error("embed a text of {tokens} tokens: the model takes at most {tokens_max}")]
    TooLong { tokens: usize, tokens_max: usize },
    #[error("{0}")]
    Unusable(String),
    #[error("embed through {base_url}: {reason}")]
    Unavailable { base_url: String, reason: String },
    #[error("embed through {base_url}: the endpoint is busy")]
    Busy { base_url: String },
    #[error("run the embedding model: {0}")]
    Model(String),
}

impl EmbedError {
    pub fn class(&self) -> Class {
        match self {
            Self::TooLong { .. } => Class::Invalid,
            Self::Busy { .. } => Class::Busy,
            Self::Unusable(_) | Self::Unavailable { .. } => Class::Unavailable,
            Self::Model(_) => Class::Internal,
        }
    }
}
