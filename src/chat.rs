//! Asks a chat model behind any OpenAI-compatible endpoint, and gives its answer piece by piece; or gives again what one
//! answered before.
//!
//! Knows nothing of documents or citations. Dropping the stream closes the connection, so the endpoint stops working.

mod circles;
pub mod judge;
pub mod replay;
pub mod template;

use std::sync::Arc;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use futures::StreamExt;
use futures::stream::BoxStream;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::config;
use crate::error::Class;
use crate::openai;
use replay::{Recorded, Recording, Replay};

/// The largest list of models that is looked through for the one to use.
const MODELS_LISTED_MAX: usize = 5;

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
}

/// What a caller may say about how its answer is written; the configuration says the rest.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sampling {
    pub temperature: Option<f32>,
    pub answer_tokens_max: Option<u32>,
}

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEvent {
    Text(String),
    /// The last item of a stream that went well.
    End {
        finish: Finish,
        usage: Option<Usage>,
    },
}

/// Why a model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finish {
    Stop,
    /// It ran into the token limit: the answer is cut.
    Length,
    ContentFilter,
}

/// Tokens, as the endpoint counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    pub prompt_tokens: u32,
    #[serde(default)]
    pub completion_tokens: u32,
}

/// Why a model did not answer. Says nothing of what the endpoint wrote: that can hold anything.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    #[error("the chat endpoint {base_url} is busy")]
    Busy { base_url: String },
    #[error("the chat endpoint {base_url} {reason}")]
    Unavailable { base_url: String, reason: String },
    #[error("the chat endpoint {base_url} refuses the request ({reason})")]
    Refused { base_url: String, reason: String },
    #[error("set up the chat client: {0}")]
    Setup(String),
    #[error("no answer is recorded for this request ({request}): its prompt, model or sampling is another one")]
    NotRecorded { request: String },
}

impl ChatError {
    pub fn class(&self) -> Class {
        match self {
            Self::Busy { .. } => Class::Busy,
            Self::Unavailable { .. } | Self::Setup(_) => Class::Unavailable,
            Self::Refused { .. } => Class::Invalid,
            Self::NotRecorded { .. } => Class::NotFound,
        }
    }
}

/// A model that answers: one behind an endpoint, or what one answered before. Cheap to clone.
#[derive(Clone)]
pub struct ChatClient(Kind);

#[derive(Clone)]
enum Kind {
    Endpoint(Endpoint),
    Replay(Replay),
    Recorded(Box<ChatClient>, Recording),
    /// The same, and what is recorded is not asked again.
    Remembering(Box<ChatClient>, Recording),
}

/// What [`ChatClient::stream`] gives.
pub type ChatStream = BoxStream<'static, Result<ChatEvent, ChatError>>;

/// A chat endpoint, and the model that is asked there.
#[derive(Clone)]
struct Endpoint(Arc<Inner>);

struct Inner {
    client: Client<OpenAIConfig>,
    http: reqwest::Client,
    config: config::Chat,
    model: OnceCell<String>,
}

#[derive(Serialize)]
struct Streamed<'a> {
    #[serde(flatten)]
    request: &'a replay::Request<'a>,
    stream: bool,
    stream_options: StreamOptions,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// The parts of a streamed piece that are used. Servers differ in the rest, so the rest is not looked at.
#[derive(Deserialize)]
struct Piece {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

impl ChatClient {
    /// Prepares the client. The endpoint is first asked when a question is.
    pub fn new(config: config::Chat) -> Result<Self, ChatError> {
        Ok(Self(Kind::Endpoint(Endpoint::new(config)?)))
    }

    /// One that gives recorded answers.
    pub fn replay(replay: Replay) -> Self {
        Self(Kind::Replay(replay))
    }

    /// The same, with each whole answer kept in `recording`.
    #[must_use]
    pub fn recorded(self, recording: Recording) -> Self {
        Self(Kind::Recorded(Box::new(self), recording))
    }

    /// The same, and a request whose answer is in `recording` gets that one.
    #[must_use]
    pub fn remembering(self, recording: Recording) -> Self {
        Self(Kind::Remembering(Box::new(self), recording))
    }

    pub fn base_url(&self) -> &str {
        match &self.0 {
            Kind::Endpoint(endpoint) => &endpoint.0.config.base_url,
            Kind::Replay(_) => "recorded answers",
            Kind::Recorded(client, _) | Kind::Remembering(client, _) => client.base_url(),
        }
    }

    /// The model that answers: the configured one, else the only one that the endpoint lists.
    pub async fn model(&self) -> Result<&str, ChatError> {
        match &self.0 {
            Kind::Endpoint(endpoint) => endpoint.model().await,
            Kind::Replay(replay) => Ok(&replay.head().model),
            Kind::Recorded(client, _) | Kind::Remembering(client, _) => Box::pin(client.model()).await,
        }
    }

    /// Sends the prompt. Exactly one terminal item follows the text: [`ChatEvent::End`] or an error.
    pub async fn stream(&self, messages: &[Message], sampling: Sampling) -> Result<ChatStream, ChatError> {
        let (temperature, max_tokens) = self.sampling(sampling);
        let request = replay::Request { model: self.model().await?, messages, temperature, max_tokens };
        match &self.0 {
            Kind::Endpoint(endpoint) => Ok(without_circles(endpoint.stream(&request).await?)),
            Kind::Replay(replay) => Ok(replayed(replay.answer(&request)?)),
            Kind::Recorded(client, recording) => {
                let events = Box::pin(client.stream(messages, sampling)).await?;
                Ok(kept(events, request.sha256(), recording.clone()))
            }
            Kind::Remembering(client, recording) => {
                if let Some(known) = recording.answer(&request.sha256()) {
                    return Ok(replayed(known));
                }
                let events = Box::pin(client.stream(messages, sampling)).await?;
                Ok(kept(events, request.sha256(), recording.clone()))
            }
        }
    }

    /// The whole answer at once, and why it ended.
    pub async fn text(&self, messages: &[Message], sampling: Sampling) -> Result<(String, Finish), ChatError> {
        let mut pieces = self.stream(messages, sampling).await?;
        let mut text = String::new();
        while let Some(piece) = pieces.next().await {
            match piece? {
                ChatEvent::Text(more) => text.push_str(&more),
                ChatEvent::End { finish, .. } => return Ok((text, finish)),
            }
        }
        let reason = "ended its answer in the middle".to_owned();
        Err(ChatError::Unavailable { base_url: self.base_url().to_owned(), reason })
    }

    /// The temperature and the most tokens of an answer.
    fn sampling(&self, sampling: Sampling) -> (f32, u32) {
        let (temperature, tokens_max) = match &self.0 {
            Kind::Endpoint(endpoint) => (endpoint.0.config.temperature, endpoint.0.config.answer_tokens_max),
            Kind::Replay(replay) => (replay.head().temperature, replay.head().answer_tokens_max),
            Kind::Recorded(client, _) | Kind::Remembering(client, _) => return client.sampling(sampling),
        };
        let tokens = sampling.answer_tokens_max.map_or(tokens_max, |n| n.min(tokens_max));
        (sampling.temperature.unwrap_or(temperature), tokens)
    }
}

fn replayed(answer: Recorded) -> ChatStream {
    without_circles(replay::streamed(answer).boxed())
}

/// The same events. A text that goes in circles ends there, as if it had become too long; what would follow is not waited
/// for.
fn without_circles(mut events: ChatStream) -> ChatStream {
    async_stream::stream! {
        let mut tail = String::new();
        while let Some(event) = events.next().await {
            if let Ok(ChatEvent::Text(piece)) = &event {
                tail.push_str(piece);
                let too_much = tail.len().saturating_sub(circles::TAIL_BYTES_MAX);
                tail.drain(..tail.ceil_char_boundary(too_much));
                if circles::ends_in_circles(&tail) {
                    yield event;
                    yield Ok(ChatEvent::End { finish: Finish::Length, usage: None });
                    return;
                }
            }
            yield event;
        }
    }
    .boxed()
}

/// The same events; the whole answer is kept once it has ended well.
fn kept(mut events: ChatStream, request: String, recording: Recording) -> ChatStream {
    async_stream::stream! {
        let mut text = String::new();
        while let Some(event) = events.next().await {
            match &event {
                Ok(ChatEvent::Text(piece)) => text.push_str(piece),
                Ok(ChatEvent::End { finish, usage }) => {
                    let (request, text) = (request.clone(), std::mem::take(&mut text));
                    recording.keep(Recorded { request, text, finish: *finish, usage: *usage });
                }
                Err(_) => {}
            }
            yield event;
        }
    }
    .boxed()
}

impl Endpoint {
    fn new(config: config::Chat) -> Result<Self, ChatError> {
        let http = openai::http(&config.base_url)
            .connect_timeout(config.connect_timeout)
            .read_timeout(config.read_timeout)
            .build()
            .map_err(|error| ChatError::Setup(error.to_string()))?;
        let client = openai::client(&config.base_url, &config.api_key, http.clone());
        Ok(Self(Arc::new(Inner { client, http, model: OnceCell::new_with(config.model.clone()), config })))
    }

    fn base_url(&self) -> &str {
        &self.0.config.base_url
    }

    async fn model(&self) -> Result<&str, ChatError> {
        self.0.model.get_or_try_init(|| self.only_model()).await.map(String::as_str)
    }

    async fn only_model(&self) -> Result<String, ChatError> {
        let url = format!("{}/models", self.base_url());
        let answer = self
            .0
            .http
            .get(url)
            .bearer_auth(self.0.config.api_key.expose_secret())
            .send()
            .await
            .and_then(reqwest::Response::error_for_status)
            .map_err(|error| self.unreachable(&error))?;
        let listed = answer.json::<Models>().await.map_err(|_| self.unavailable("lists no models; set chat.model"))?;
        match listed.data.as_slice() {
            [only] => Ok(only.id.clone()),
            [] => Err(self.unavailable("lists no models; set chat.model")),
            several => {
                let names: Vec<&str> = several.iter().take(MODELS_LISTED_MAX).map(|m| m.id.as_str()).collect();
                let (count, names) = (several.len(), names.join(", "));
                Err(self.unavailable(&format!("lists {count} models ({names}, …); set chat.model to one of them")))
            }
        }
    }

    async fn stream(&self, request: &replay::Request<'_>) -> Result<ChatStream, ChatError> {
        let streamed = Streamed { request, stream: true, stream_options: StreamOptions { include_usage: true } };
        let mut pieces =
            self.0.client.chat().create_stream_byot::<_, Piece>(&streamed).await.map_err(|error| self.error(&error))?;
        let this = self.clone();
        Ok(async_stream::stream! {
            let (mut finish, mut usage) = (None, None);
            while let Some(piece) = pieces.next().await {
                let piece = match piece {
                    Ok(piece) => piece,
                    Err(error) => {
                        yield Err(this.error(&error));
                        return;
                    }
                };
                if piece.error.is_some() {
                    yield Err(this.unavailable("failed in the middle of its answer"));
                    return;
                }
                usage = piece.usage.or(usage);
                for choice in piece.choices {
                    finish = choice.finish_reason.as_deref().and_then(finish_of).or(finish);
                    if let Some(text) = choice.delta.and_then(|d| d.content).filter(|text| !text.is_empty()) {
                        yield Ok(ChatEvent::Text(text));
                    }
                }
            }
            yield match finish {
                Some(finish) => Ok(ChatEvent::End { finish, usage }),
                // Without a reason the connection was cut: what came may be half an answer.
                None => Err(this.unavailable("ended its answer in the middle")),
            };
        }
        .boxed())
    }

    fn unavailable(&self, reason: &str) -> ChatError {
        ChatError::Unavailable { base_url: self.base_url().to_owned(), reason: reason.to_owned() }
    }

    fn unreachable(&self, error: &reqwest::Error) -> ChatError {
        match error.status() {
            Some(status) => self.status(status.as_u16()),
            None if error.is_timeout() => self.unavailable("did not answer in time"),
            None if error.is_connect() => self.unavailable("can't be reached"),
            None => self.unavailable("broke off the connection"),
        }
    }

    fn status(&self, status: u16) -> ChatError {
        let base_url = self.base_url().to_owned();
        match status {
            429 => ChatError::Busy { base_url },
            401 | 403 => self.unavailable(&format!("does not accept the key (status {status}); set chat.api_key")),
            404 => self.unavailable("knows no such model or path (status 404); see chat.base_url and chat.model"),
            400..500 => ChatError::Refused { base_url, reason: format!("status {status}") },
            _ => self.unavailable(&format!("failed (status {status})")),
        }
    }

    fn error(&self, error: &OpenAIError) -> ChatError {
        match error {
            OpenAIError::ApiError(answer) if answer.api_error.code.as_deref() == Some(openai::TOO_LONG) => {
                ChatError::Refused {
                    base_url: self.base_url().to_owned(),
                    reason: "the prompt is longer than the model's context; lower retrieval.passage_tokens_max".into(),
                }
            }
            OpenAIError::ApiError(answer) => self.status(answer.status_code.as_u16()),
            OpenAIError::Reqwest(error) => self.unreachable(error),
            OpenAIError::JSONDeserialize(..) => self.unavailable("sent something that is no chat completion"),
            OpenAIError::StreamError(_) => self.unavailable("broke off its answer"),
            OpenAIError::Boxed(_)
            | OpenAIError::FileSaveError(_)
            | OpenAIError::FileReadError(_)
            | OpenAIError::InvalidArgument(_) => self.unavailable("could not be asked"),
        }
    }
}

/// None for a reason that is none yet: some servers send an empty text with every piece.
fn finish_of(reason: &str) -> Option<Finish> {
    match reason {
        "" => None,
        "length" => Some(Finish::Length),
        "content_filter" => Some(Finish::ContentFilter),
        _ => Some(Finish::Stop),
    }
}
