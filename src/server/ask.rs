//! `POST /v1/ask`: a question in; an answer with its citations out, whole as JSON or as server-sent events.
//!
//! Events: one `sources`, then `delta`s, `citation`s and `claim`s as they come, then exactly one `done` or `error`. These wire
//! types are also what `cairn ask --json` prints and what it reads from a server.

mod also_in;
mod about;
mod claim;

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use utoipa::ToSchema;

pub use about::AboutWire;
pub use also_in::AlsoInWire;
pub use claim::{ClaimCountsWire, ClaimWire, EvidenceWire, FindingWire};

use super::Service;
use super::auth::{self, Authorized};
use super::error::{ApiError, ErrorBody};
use super::filter::FilterWire;
use super::limits::{InFlight, Working};
use crate::answer::{AnswerError, AnswerEvent, Citation, Done, Grounding, Question, Turn, Writer};
use crate::chat::{Finish, Role, Sampling, Usage};
use crate::document::{CollectionName, Hit, Passage, Span};

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AskRequest {
    #[schema(example = "How do I change the address that cairn listens on?")]
    pub question: String,
    /// Left out: the configured one.
    #[schema(value_type = Option<String>, example = "default")]
    #[serde(default)]
    pub collection: Option<CollectionName>,
    /// Which documents may be used. Left out: all that the key may see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<FilterWire>,
    /// Earlier turns, oldest first.
    #[serde(default)]
    pub history: Vec<TurnWire>,
    /// A conversation that is kept here: it brings the earlier turns, and the question and its answer are added to it.
    #[serde(default)]
    pub conversation_id: Option<String>,
    /// Events instead of one JSON document. `Accept: text/event-stream` asks for the same.
    #[serde(default)]
    pub stream: bool,
}

#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TurnWire {
    pub role: TurnRole,
    pub content: String,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TurnRole {
    User,
    Assistant,
}

/// A whole answer.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AskResponse {
    pub answer: String,
    pub citations: Vec<CitationWire>,
    /// Its sentences that say something, and how well the documents bear them out.
    #[serde(default)]
    pub claims: Vec<ClaimWire>,
    /// The passages that the answer could rely on.
    pub sources: Vec<SourceWire>,
    #[serde(flatten)]
    pub end: DoneWire,
}

/// A passage, under the number that marks cite it by.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SourceWire {
    pub number: usize,
    pub document_id: String,
    pub version: i64,
    /// Where the document comes from.
    #[schema(example = "file:///srv/docs/install.md")]
    pub uri: String,
    pub title: String,
    /// The headings above the passage, outermost first.
    pub headings: Vec<String>,
    /// The page or slide that the passage begins on, from 1, where the document has pages.
    pub page: Option<u32>,
    pub span: SpanWire,
    pub text: String,
    /// Orders the passages of one search; means nothing beyond it.
    pub score: f32,
    /// Cosine between question and passage, in -1..=1.
    pub similarity: f32,
    /// Other documents with the same text, or nearly. Of an answer only: a search shows each as a passage of its own.
    #[serde(default)]
    pub also_in: Vec<AlsoInWire>,
}

/// A mark in the answer and the words of a document that it stands for.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct CitationWire {
    /// The number in the mark.
    pub number: usize,
    /// Where the mark stands in the answer.
    pub mark: SpanWire,
    pub document_id: String,
    pub uri: String,
    pub title: String,
    pub headings: Vec<String>,
    /// The page or slide that the passage begins on, from 1, where the document has pages.
    pub page: Option<u32>,
    /// Where the quote stands in the document.
    pub span: SpanWire,
    pub quote: String,
    /// Other documents with the passage's text, or nearly.
    #[serde(default)]
    pub also_in: Vec<AlsoInWire>,
}

/// UTF-8 bytes `start..end`: of the answer's text for a mark, of the document's extracted text for a quote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SpanWire {
    pub start: usize,
    pub end: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DoneWire {
    /// `answered` (the documents bear all of it out), `partial` (some of the question is open, or something in the answer
    /// is not borne out) or `refused`.
    pub outcome: String,
    /// Why it is refused: `nothing_found`, `not_supported`, `not_allowed` or `off_topic`.
    #[serde(default)]
    pub reason: Option<String>,
    /// Unless it is answered: words of the question that the documents say nothing of.
    #[serde(default)]
    pub missing: Vec<String>,
    /// Who wrote the words: `model`, `extractive` (quotations) or `cairn` (a refusal).
    pub writer: String,
    /// The model that wrote it, where one did.
    pub model: Option<String>,
    /// `stop`, or `length` where the answer ran into its limit, or `content_filter`.
    pub finish_reason: String,
    pub usage: Option<UsageWire>,
    /// Marks of the model's that were taken out: they named no source, or one that does not bear the sentence out.
    pub citations_dropped: usize,
    /// Marks that were put in: for sources that bear a sentence out, and were not cited for it.
    #[serde(default)]
    pub citations_added: usize,
    /// Why the model that is set up did not write this, or not to its end.
    #[serde(default)]
    pub fallback: Option<String>,
    #[serde(default)]
    pub claim_counts: ClaimCountsWire,
    /// On a refusal: the nearest documents, which did not answer the question.
    pub nearest: Vec<NearestWire>,
    #[serde(flatten)]
    pub about: AboutWire,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub struct UsageWire {
    pub prompt_tokens: u32,
    pub completion_tokens: u32,
    pub total_tokens: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct NearestWire {
    pub document_id: String,
    pub uri: String,
    pub title: String,
    pub headings: Vec<String>,
    pub similarity: f32,
}

/// One server-sent event: its name, and its data as JSON.
#[derive(Debug, Clone)]
pub enum AskEvent {
    Sources(SourcesWire),
    Delta(DeltaWire),
    Citation(CitationWire),
    Claim(ClaimWire),
    Done(DoneWire),
    Error(ErrorBody),
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct SourcesWire {
    pub sources: Vec<SourceWire>,
    #[serde(flatten)]
    pub about: AboutWire,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DeltaWire {
    pub text: String,
}

/// Answers a question from the documents.
#[utoipa::path(
    post,
    path = "/v1/ask",
    tag = "answers",
    request_body = AskRequest,
    security(("key" = ["ask"])),
    responses(
        (status = 200, description = "The answer, or the start of its events (`sources`, `delta`, `citation`, \
                                      `claim`, then one `done` or `error`)",
            content((AskResponse = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "The request is wrong", body = ErrorBody),
        (status = 404, description = "No such collection or conversation", body = ErrorBody),
        (status = 429, description = "Too much at once; see Retry-After", body = ErrorBody),
        (status = 503, description = "The chat endpoint can't be used just now", body = ErrorBody)
    )
)]
pub(super) async fn ask(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ask>,
    Extension(in_flight): Extension<InFlight>,
    headers: HeaderMap,
    request: Result<Json<AskRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(mut request) = request?;
    let named = about::named(&service, authorized.asker(), &mut request).await?;
    let wants_events = request.stream
        || headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    let question = Question {
        collection: request.collection.unwrap_or_else(|| service.collection.clone()),
        filter: FilterWire::read(request.filter)?,
        text: request.question,
        history: request.history.into_iter().map(Turn::from).collect(),
        sampling: Sampling::default(),
    };
    let working = service.limits.begin(&authorized.key_id).await?;
    let grounding = service.answerer.ground(&authorized.caller, question).await?;
    let conversation = about::begun(&service, authorized.asker(), named, &grounding).await?;
    let record = service.recorder.begin(&service.answerer, authorized.asker(), &grounding, conversation);
    let about = AboutWire::from(record.about());
    let events = record.follow(answer_events(&service, grounding, (working, in_flight)));
    if wants_events {
        let events = events.map(move |event| Ok::<_, Infallible>(AskEvent::from(event).about(&about).into_sse()));
        Ok(event_stream(events, &service))
    } else {
        Ok(Json(collect(events, &about).await?).into_response())
    }
}

/// The answer within its time, and cut off with an error when the service stops. Holds its permits to the end.
pub(super) fn answer_events(
    service: &Arc<Service>,
    grounding: Grounding,
    permits: (Working, InFlight),
) -> impl Stream<Item = AnswerEvent> + Send + 'static {
    let (limit, cut) = (service.config.answer_timeout, service.cut.clone());
    let writing = service.answerer.write(grounding);
    async_stream::stream! {
        let _permits = permits;
        let deadline = Instant::now() + limit;
        let mut writing = std::pin::pin!(writing);
        loop {
            let next = tokio::select! {
                next = writing.next() => next,
                () = tokio::time::sleep_until(deadline) => {
                    Some(AnswerEvent::Failed(AnswerError::TimedOut { seconds: limit.as_secs() }))
                }
                () = cut.cancelled() => Some(AnswerEvent::Failed(AnswerError::Stopped)),
            };
            let Some(event) = next else { break };
            let is_last = matches!(event, AnswerEvent::Done(_) | AnswerEvent::Failed(_));
            if matches!(event, AnswerEvent::Failed(AnswerError::TimedOut { .. } | AnswerError::Stopped)) {
                // The answerer counts what it sees the end of, and it did not see this.
                metrics::counter!("cairn_answers_total", "outcome" => "failed").increment(1);
            }
            yield event;
            if is_last {
                break;
            }
        }
    }
}

/// Server-sent events with a heartbeat, marked so that no proxy buffers them.
pub(super) fn event_stream(
    events: impl Stream<Item = Result<Event, Infallible>> + Send + 'static,
    service: &Service,
) -> Response {
    let heartbeat = KeepAlive::new().interval(service.config.heartbeat);
    ([("x-accel-buffering", "no")], Sse::new(events).keep_alive(heartbeat)).into_response()
}

/// A whole answer out of its events.
pub async fn collect(events: impl Stream<Item = AnswerEvent>, about: &AboutWire) -> Result<AskResponse, AnswerError> {
    let mut events = std::pin::pin!(events);
    let (mut answer, mut citations, mut claims, mut sources) = (String::new(), Vec::new(), Vec::new(), Vec::new());
    while let Some(event) = events.next().await {
        match event {
            AnswerEvent::Sources(passages) => sources = passages.into_iter().map(SourceWire::from).collect(),
            AnswerEvent::Delta(text) => answer.push_str(&text),
            AnswerEvent::Citation(citation) => citations.push(citation.into()),
            AnswerEvent::Claim(claim) => claims.push(claim.into()),
            AnswerEvent::Done(done) => {
                let end = DoneWire { about: about.clone(), ..done.into() };
                return Ok(AskResponse { answer, citations, claims, sources, end });
            }
            AnswerEvent::Failed(error) => return Err(error),
        }
    }
    Err(AnswerError::Stopped)
}

impl AskEvent {
    fn into_sse(self) -> Event {
        let named = |name: &str, data: serde_json::Result<String>| {
            Event::default().event(name).data(data.expect("wire types have string keys and finite numbers"))
        };
        match self {
            Self::Sources(data) => named("sources", serde_json::to_string(&data)),
            Self::Delta(data) => named("delta", serde_json::to_string(&data)),
            Self::Citation(data) => named("citation", serde_json::to_string(&data)),
            Self::Claim(data) => named("claim", serde_json::to_string(&data)),
            Self::Done(data) => named("done", serde_json::to_string(&data)),
            Self::Error(data) => named("error", serde_json::to_string(&data)),
        }
    }

    /// Reads an event that [`into_sse`](Self::into_sse) wrote. None for a name that is not known.
    pub fn parse(name: &str, data: &str) -> serde_json::Result<Option<Self>> {
        Ok(Some(match name {
            "sources" => Self::Sources(serde_json::from_str(data)?),
            "delta" => Self::Delta(serde_json::from_str(data)?),
            "citation" => Self::Citation(serde_json::from_str(data)?),
            "claim" => Self::Claim(serde_json::from_str(data)?),
            "done" => Self::Done(serde_json::from_str(data)?),
            "error" => Self::Error(serde_json::from_str(data)?),
            _ => return Ok(None),
        }))
    }
}

impl From<AnswerEvent> for AskEvent {
    fn from(event: AnswerEvent) -> Self {
        match event {
            AnswerEvent::Sources(passages) => {
                let sources = passages.into_iter().map(SourceWire::from).collect();
                Self::Sources(SourcesWire { sources, about: AboutWire::default() })
            }
            AnswerEvent::Delta(text) => Self::Delta(DeltaWire { text }),
            AnswerEvent::Citation(citation) => Self::Citation(citation.into()),
            AnswerEvent::Claim(claim) => Self::Claim(claim.into()),
            AnswerEvent::Done(done) => Self::Done(done.into()),
            AnswerEvent::Failed(error) => Self::Error(ApiError::from(error).body()),
        }
    }
}

impl From<TurnWire> for Turn {
    fn from(turn: TurnWire) -> Self {
        let role = match turn.role {
            TurnRole::User => Role::User,
            TurnRole::Assistant => Role::Assistant,
        };
        Self { role, text: turn.content }
    }
}

impl From<Span> for SpanWire {
    fn from(span: Span) -> Self {
        Self { start: span.start, end: span.end }
    }
}

impl From<Passage> for SourceWire {
    fn from(passage: Passage) -> Self {
        let hit = passage.hit;
        Self {
            number: passage.number,
            document_id: hit.document.to_string(),
            version: hit.version.0,
            uri: uri(&hit.external_id),
            title: hit.title,
            headings: hit.chunk.headings,
            page: hit.chunk.page,
            span: hit.chunk.span.into(),
            text: hit.chunk.text,
            score: hit.score,
            similarity: hit.similarity,
            also_in: passage.also_in.into_iter().map(AlsoInWire::from).collect(),
        }
    }
}

impl From<Citation> for CitationWire {
    fn from(citation: Citation) -> Self {
        Self {
            number: citation.number,
            mark: citation.mark.into(),
            document_id: citation.document.to_string(),
            uri: uri(&citation.external_id),
            title: citation.title,
            headings: citation.headings,
            page: citation.page,
            span: citation.span.into(),
            quote: citation.quote,
            also_in: citation.also_in.into_iter().map(AlsoInWire::from).collect(),
        }
    }
}

impl From<Hit> for NearestWire {
    fn from(hit: Hit) -> Self {
        Self {
            document_id: hit.document.to_string(),
            uri: uri(&hit.external_id),
            title: hit.title,
            headings: hit.chunk.headings,
            similarity: hit.similarity,
        }
    }
}

impl From<Usage> for UsageWire {
    fn from(usage: Usage) -> Self {
        Self {
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            total_tokens: usage.prompt_tokens.saturating_add(usage.completion_tokens),
        }
    }
}

impl From<Done> for DoneWire {
    fn from(done: Done) -> Self {
        let (writer, model) = match done.writer {
            Writer::Model(model) => ("model", Some(model)),
            Writer::Extractive => ("extractive", None),
            Writer::Cairn => ("cairn", None),
        };
        Self {
            outcome: done.outcome.name().into(),
            reason: done.outcome.reason().map(|reason| reason.name().into()),
            missing: done.missing,
            writer: writer.into(),
            model,
            finish_reason: finish_reason(done.finish).into(),
            usage: done.usage.map(UsageWire::from),
            citations_dropped: done.marks.unknown + done.marks.unsupported,
            citations_added: done.marks.added,
            fallback: done.fallback,
            claim_counts: done.claims.into(),
            nearest: done.nearest.into_iter().map(NearestWire::from).collect(),
            about: AboutWire::default(),
        }
    }
}

pub(super) fn finish_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::ContentFilter => "content_filter",
    }
}

/// A file's path as a URI; anything else is its own.
pub(super) fn uri(external_id: &str) -> String {
    reqwest::Url::from_file_path(external_id).map_or_else(|()| external_id.to_owned(), String::from)
}
