//! An embedder that remembers: a passage that was embedded before, in whichever document, is not embedded again.
//!
//! Keeps the contract of the embedder behind it, since that gives the same vector for the same text. Questions are passed
//! on, and a cache that fails is as good as an empty one.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use tracing::warn;

use crate::document::sha256;
use crate::embed::{EmbedError, Embedder, Purpose, TokenCounter};
use crate::ledger::Vectors;

/// Of SHA-256 in hexadecimal: 128 bits.
const KEY_CHARS: usize = 32;

pub struct CachedEmbedder {
    embedder: Arc<dyn Embedder>,
    vectors: Vectors,
}

impl CachedEmbedder {
    pub fn new(embedder: Arc<dyn Embedder>, vectors: Vectors) -> Self {
        Self { embedder, vectors }
    }

    fn key(&self, text: &str) -> String {
        let mut key = sha256(format!("{}\0{text}", self.embedder.fingerprint()).as_bytes());
        key.truncate(KEY_CHARS);
        key
    }

    /// Those of these texts that are known, by key.
    async fn known(&self, keys: &[String]) -> HashMap<String, Vec<f32>> {
        let found = self.vectors.get(keys).await.unwrap_or_else(|error| {
            warn!(error = %error, "the cache of vectors can't be read");
            HashMap::new()
        });
        found.into_iter().filter_map(|(key, bytes)| Some((key, self.vector(&bytes)?))).collect()
    }

    /// None: it is damaged.
    fn vector(&self, bytes: &[u8]) -> Option<Vec<f32>> {
        let (numbers, rest) = bytes.as_chunks::<4>();
        let vector: Vec<f32> = numbers.iter().map(|number| f32::from_le_bytes(*number)).collect();
        let whole = rest.is_empty() && vector.len() == self.dimensions() && vector.iter().all(|x| x.is_finite());
        whole.then_some(vector)
    }
}

#[async_trait]
impl Embedder for CachedEmbedder {
    async fn embed(&self, purpose: Purpose, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbedError> {
        match purpose {
            Purpose::Question => return self.embedder.embed(purpose, texts).await,
            Purpose::Passage => {}
        }
        let keys: Vec<String> = texts.iter().map(|text| self.key(text)).collect();
        let known = self.known(&keys).await;
        let (new_keys, new_texts): (Vec<String>, Vec<String>) =
            keys.iter().cloned().zip(texts).filter(|(key, _)| !known.contains_key(key)).unzip();
        metrics::counter!("cairn_embeddings_total", "from" => "cache").increment((keys.len() - new_keys.len()) as u64);
        metrics::counter!("cairn_embeddings_total", "from" => "model").increment(new_keys.len() as u64);
        let new = if new_texts.is_empty() { Vec::new() } else { self.embedder.embed(purpose, new_texts).await? };
        let bytes = |vector: &Vec<f32>| vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
        let kept: Vec<(String, Vec<u8>)> = new_keys.into_iter().zip(new.iter().map(bytes)).collect();
        if !kept.is_empty()
            && let Err(error) = self.vectors.put(&kept).await
        {
            warn!(error = %error, "the cache of vectors can't be written");
        }
        let mut new = new.into_iter();
        let in_order = keys.iter().map(|key| known.get(key).cloned().or_else(|| new.next()));
        in_order.collect::<Option<_>>().ok_or_else(|| EmbedError::Model("the model gave too few vectors".into()))
    }

    fn dimensions(&self) -> usize {
        self.embedder.dimensions()
    }

    fn tokens_max(&self) -> usize {
        self.embedder.tokens_max()
    }

    fn token_counter(&self) -> &TokenCounter {
        self.embedder.token_counter()
    }

    fn fingerprint(&self) -> &str {
        self.embedder.fingerprint()
    }
}
