//! A question and texts in, a score for each text out, by a cross-encoder: in this process, or behind an endpoint.
//!
//! The endpoint speaks as text-embeddings-inference does: `POST /rerank` with `{query, texts, truncate}` gives
//! `[{index, score}]` (<https://huggingface.github.io/text-embeddings-inference/>). A text that is too long for the model
//! is judged by its beginning: a score orders texts, and nothing of them is left out for it.

use std::time::Duration;

use futures::StreamExt;
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::EmbedError;
use super::local::LocalReranker;
use crate::config::RerankEndpoint;
use crate::openai;

/// What names a text and a number, and the text itself, which some servers send back, takes at most.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Scores texts for a question. Higher is better; scores of one call can be compared with each other and no others.
pub enum Reranker {
    Local(LocalReranker),
    Remote(RemoteReranker),
}

/// Why texts have no scores.
#[derive(Debug, thiserror::Error)]
pub enum RerankError {
    #[error("{0}")]
    Unusable(String),
    #[error("rerank through {base_url}: {reason}")]
    Unavailable { base_url: String, reason: String },
    #[error("rerank through {base_url}: its answer has not one score for each text")]
    Nonsense { base_url: String },
    #[error("run the reranking model: {0}")]
    Model(String),
}

impl RerankError {
    /// For a metric: one of a few words.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Unusable(_) | Self::Model(_) => "model",
            Self::Unavailable { .. } => "unavailable",
            Self::Nonsense { .. } => "nonsense",
        }
    }
}

impl From<EmbedError> for RerankError {
    fn from(error: EmbedError) -> Self {
        Self::Unusable(error.to_string())
    }
}

impl Reranker {
    /// A score for each text, in their order. Dropped, it ends the work.
    pub async fn scores(&self, question: &str, texts: Vec<String>) -> Result<Vec<f32>, RerankError> {
        match self {
            Self::Local(local) => local.scores(question, texts).await,
            Self::Remote(remote) => remote.scores(question, texts).await,
        }
    }
}

/// A reranker behind an endpoint.
pub struct RemoteReranker {
    http: reqwest::Client,
    base_url: String,
    api_key: SecretString,
}

#[derive(Serialize)]
struct Request<'a> {
    query: &'a str,
    texts: &'a [String],
    truncate: bool,
}

#[derive(Deserialize)]
struct Score {
    index: usize,
    score: f32,
}

impl RemoteReranker {
    /// Prepares the client. The endpoint is first asked when something is reranked.
    pub fn new(endpoint: &RerankEndpoint, deadline: Duration) -> Result<Self, RerankError> {
        let http = openai::http(&endpoint.base_url)
            .connect_timeout(CONNECT_TIMEOUT.min(deadline))
            .timeout(deadline.saturating_mul(2)) // For whoever does not give up before.
            .build()
            .map_err(|error| RerankError::Unusable(format!("set up HTTP: {error}")))?;
        Ok(Self { http, base_url: endpoint.base_url.clone(), api_key: endpoint.api_key.clone() })
    }

    async fn scores(&self, question: &str, texts: Vec<String>) -> Result<Vec<f32>, RerankError> {
        let request = Request { query: question, texts: &texts, truncate: true };
        let mut sent = self.http.post(format!("{}/rerank", self.base_url)).json(&request);
        if !self.api_key.expose_secret().is_empty() {
            sent = sent.bearer_auth(self.api_key.expose_secret());
        }
        let response = sent.send().await.map_err(|error| self.unavailable(why(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(self.unavailable(&format!("it answered {}", response.status())));
        }
        let mut body = Vec::new();
        let mut pieces = response.bytes_stream();
        while let Some(piece) = pieces.next().await {
            body.extend_from_slice(&piece.map_err(|error| self.unavailable(why(&error)))?);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(self.nonsense());
            }
        }
        let scores: Vec<Score> = serde_json::from_slice(&body).map_err(|_| self.nonsense())?;
        in_order(scores, texts.len()).ok_or_else(|| self.nonsense())
    }

    fn unavailable(&self, reason: &str) -> RerankError {
        RerankError::Unavailable { base_url: self.base_url.clone(), reason: reason.to_owned() }
    }

    fn nonsense(&self) -> RerankError {
        RerankError::Nonsense { base_url: self.base_url.clone() }
    }
}

/// Never the error's own words: they hold the address, which may hold a key.
fn why(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "it can't be reached"
    } else {
        "the request failed"
    }
}

/// The scores by index. None unless each index is there once.
fn in_order(scores: Vec<Score>, count: usize) -> Option<Vec<f32>> {
    let mut found: Vec<Option<f32>> = vec![None; count];
    for Score { index, score } in scores {
        if found.get_mut(index)?.replace(score).is_some() {
            return None;
        }
    }
    found.into_iter().collect::<Option<Vec<f32>>>().filter(|scores| scores.iter().all(|score| score.is_finite()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_counts_only_with_one_number_for_each_text() {
        let read = |json: &str| serde_json::from_str(json).ok().and_then(|scores| in_order(scores, 2));
        assert_eq!(read(r#"[{"index":1,"score":0.9},{"index":0,"score":-3}]"#), Some(vec![-3.0, 0.9]));
        for nonsense in [
            r#"[{"index":1,"score":0.9}]"#,
            r#"[{"index":1,"score":0.9},{"index":1,"score":0.1}]"#,
            r#"[{"index":1,"score":0.9},{"index":2,"score":0.1}]"#,
            r#"[{"index":0,"score":0.9},{"index":1,"score":0.1},{"index":0,"score":0.5}]"#,
            r#"[{"index":0,"score":null},{"index":1,"score":0.1}]"#,
            r#"[{"index":0,"score":1e300},{"index":1,"score":0.1}]"#,
            r#"[{"index":-1,"score":0.9},{"index":0,"score":0.1}]"#,
            r#"{"scores":[1,2]}"#,
        ] {
            assert_eq!(read(nonsense), None, "{nonsense}");
        }
    }
}
