//! Dense vectors by an OpenAI-compatible `/v1/embeddings` endpoint.

use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::types::embeddings::{CreateEmbeddingRequestArgs, EncodingFormat};
use async_trait::async_trait;

use super::{EmbedError, Embedder, Prefixes, Purpose, TokenCounter};
use crate::config::RemoteEmbed;
use crate::openai;

/// Texts a request: what the smaller of today's servers take.
const TEXTS_PER_REQUEST: usize = 32;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// An embedder whose model runs behind an endpoint. The client retries 429 and 5xx by itself.
pub struct RemoteEmbedder {
    client: Client<OpenAIConfig>,
    base_url: String,
    model: String,
    prefixes: Prefixes,
    token_counter: TokenCounter,
    tokens_max: usize,
    dimensions: usize,
    fingerprint: String,
}

impl RemoteEmbedder {
    /// Prepares the client. The endpoint is first asked when something is embedded.
    pub fn new(model: &str, prefixes: Prefixes, remote: &RemoteEmbed) -> Result<Self, EmbedError> {
        let token_counter = match &remote.tokenizer_file {
            Some(path) => TokenCounter::load(path).map_err(|error| EmbedError::Unusable(error.to_string()))?,
            None => TokenCounter::estimate(),
        };
        let http = openai::http(&remote.base_url)
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(remote.timeout)
            .build()
            .map_err(|error| EmbedError::Unusable(format!("set up HTTP: {error}")))?;
        let client = openai::client(&remote.base_url, &remote.api_key, http);
        Ok(Self {
            client,
            base_url: remote.base_url.clone(),
            model: model.to_owned(),
            fingerprint: format!("{model} remote prefixes:{:?},{:?}", prefixes.question, prefixes.passage),
            prefixes,
            token_counter,
            tokens_max: remote.tokens_max,
            dimensions: remote.dimensions,
        })
    }

    async fn request(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbedError> {
        let count = texts.len();
        let request = CreateEmbeddingRequestArgs::default()
            .model(&self.model)
            .input(texts)
            .encoding_format(EncodingFormat::Float)
            .build()
            .map_err(|error| EmbedError::Model(error.to_string()))?;
        let mut data = self.client.embeddings().create(request).await.map_err(|e| self.error(&e))?.data;
        data.sort_by_key(|embedding| embedding.index);
        let right = |vector: &Vec<f32>| vector.len() == self.dimensions && vector.iter().all(|x| x.is_finite());
        let vectors: Vec<Vec<f32>> = data.into_iter().map(|embedding| embedding.embedding).collect();
        if vectors.len() != count || !vectors.iter().all(right) {
            let lengths = vectors.first().map_or(0, Vec::len);
            return Err(self.unavailable(format!(
                "it gave {} vectors of length {lengths} for {count} texts, expected length {} (embed.dimensions)",
                vectors.len(),
                self.dimensions
            )));
        }
        Ok(vectors)
    }

    fn unavailable(&self, reason: String) -> EmbedError {
        EmbedError::Unavailable { base_url: self.base_url.clone(), reason }
    }

    /// Names what failed; never the endpoint's own body, which can hold anything.
    fn error(&self, error: &OpenAIError) -> EmbedError {
        match error {
            OpenAIError::ApiError(answer) if answer.status_code.as_u16() == 429 => {
                EmbedError::Busy { base_url: self.base_url.clone() }
            }
            OpenAIError::ApiError(answer) => self.unavailable(format!("it answered {}", answer.status_code)),
            OpenAIError::Reqwest(error) if error.is_timeout() => self.unavailable("it did not answer in time".into()),
            OpenAIError::Reqwest(error) if error.is_connect() => self.unavailable("it can't be reached".into()),
            OpenAIError::JSONDeserialize(..) => self.unavailable("its answer is no list of embeddings".into()),
            OpenAIError::Reqwest(_)
            | OpenAIError::Boxed(_)
            | OpenAIError::FileSaveError(_)
            | OpenAIError::FileReadError(_)
            | OpenAIError::StreamError(_)
            | OpenAIError::InvalidArgument(_) => self.unavailable("the request failed".into()),
        }
    }
}

#[async_trait]
impl Embedder for RemoteEmbedder {
    async fn embed(&self, purpose: Purpose, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbedError> {
        let texts: Vec<String> = texts.into_iter().map(|text| format!("{}{text}", self.prefixes.of(purpose))).collect();
        for text in &texts {
            let tokens = self.token_counter.count(text) + self.token_counter.special_tokens();
            if tokens > self.tokens_max {
                return Err(EmbedError::TooLong { tokens, tokens_max: self.tokens_max });
            }
        }
        let mut vectors = Vec::with_capacity(texts.len());
        for batch in texts.chunks(TEXTS_PER_REQUEST) {
            vectors.extend(self.request(batch.to_vec()).await?);
        }
        Ok(vectors)
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn tokens_max(&self) -> usize {
        self.tokens_max
    }

    fn token_counter(&self) -> &TokenCounter {
        &self.token_counter
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}
