//! Counts tokens as a model's own tokenizer does, to size chunks, passages and questions.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokenizers::Tokenizer;

/// Bytes that are taken for one token where the tokenizer is not known: few, so that chunks come out short, not long.
const BYTES_PER_TOKEN: usize = 3;

/// A tokenizer without truncation and padding, cheap to clone.
#[derive(Clone)]
pub struct TokenCounter(Kind);

#[derive(Clone)]
enum Kind {
    Exact { tokenizer: Arc<Tokenizer>, special_tokens: usize },
    Estimate,
}

/// Why a tokenizer can't be loaded.
#[derive(Debug, thiserror::Error)]
#[error("load {path}: {reason}")]
pub struct TokenizerError {
    path: PathBuf,
    reason: String,
}

impl TokenCounter {
    /// Reads a Hugging Face `tokenizer.json`.
    pub fn load(tokenizer_json: &Path) -> Result<Self, TokenizerError> {
        let failed =
            |error: tokenizers::Error| TokenizerError { path: tokenizer_json.to_path_buf(), reason: error.to_string() };
        let mut tokenizer = Tokenizer::from_file(tokenizer_json).map_err(failed)?;
        tokenizer.with_truncation(None).map_err(failed)?;
        tokenizer.with_padding(None);
        let special_tokens = tokenizer.encode_fast("", true).map_err(failed)?.len();
        Ok(Self(Kind::Exact { tokenizer: Arc::new(tokenizer), special_tokens }))
    }

    /// For a model whose tokenizer is not at hand: one token for every three bytes.
    pub fn estimate() -> Self {
        Self(Kind::Estimate)
    }

    /// Tokens of `text`, the special ones around it not counted.
    pub fn count(&self, text: &str) -> usize {
        match &self.0 {
            Kind::Exact { tokenizer, .. } => match tokenizer.encode_fast(text, false) {
                Ok(encoding) => encoding.len(),
                Err(_) => estimate(text),
            },
            Kind::Estimate => estimate(text),
        }
    }

    /// The byte offset at which each token of `text` begins, ascending.
    pub fn starts(&self, text: &str) -> Vec<usize> {
        match &self.0 {
            Kind::Exact { tokenizer, .. } => match tokenizer.encode(text, false) {
                Ok(encoding) => encoding.get_offsets().iter().map(|(start, _)| *start).collect(),
                Err(_) => estimated_starts(text),
            },
            Kind::Estimate => estimated_starts(text),
        }
    }

    /// Tokens that the model puts around every text, e.g. 2 for `[CLS] … [SEP]`.
    pub fn special_tokens(&self) -> usize {
        match &self.0 {
            Kind::Exact { special_tokens, .. } => *special_tokens,
            Kind::Estimate => 2,
        }
    }
}

fn estimate(text: &str) -> usize {
    text.len().div_ceil(BYTES_PER_TOKEN)
}

fn estimated_starts(text: &str) -> Vec<usize> {
    (0..text.len()).step_by(BYTES_PER_TOKEN).collect()
}
