//! `POST /v1/chat/completions` and `GET /v1/models`: the same answers, for clients that speak OpenAI's API.
//!
//! `model` is a collection. The last user message is the question, those before it the conversation. System messages
//! are not passed on: what an answer may rely on is cairn's to say. Citations are `annotations` of type `url_citation`
//! on the message, or on the deltas, whose offsets count characters as OpenAI's do.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Extension, State};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::Service;
use super::ask::{
    AboutWire, AlsoInWire, ClaimWire, DoneWire, SpanWire, UsageWire, answer_events, event_stream, finish_reason, uri,
};
use super::auth::{self, Authorized};
use super::error::{ApiError, ErrorBody};
use super::filter::FilterWire;
use super::limits::InFlight;
use crate::answer::{AnswerError, AnswerEvent, Citation, Outcome, Question, Turn};
use crate::chat::{Role, Sampling};
use crate::document::CollectionName;

/// The fields that are used. Others are accepted and have no effect, as clients send many.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct ChatRequest {
    /// A collection.
    #[schema(example = "default")]
    model: String,
    messages: Vec<ChatMessage>,
    #[serde(default)]
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    temperature: Option<f32>,
    max_tokens: Option<u32>,
    max_completion_tokens: Option<u32>,
    /// Only 1.
    n: Option<u32>,
    /// Which documents may be used, in the form of `POST /v1/ask`; no field of OpenAI's.
    filter: Option<FilterWire>,
    /// Not supported: a request with tools is refused.
    #[schema(value_type = Option<Vec<Object>>)]
    tools: Option<Vec<Value>>,
}

#[derive(Debug, Deserialize, ToSchema)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
struct ChatMessage {
    /// `user`, `assistant`, `system`, `developer` or `tool`.
    role: String,
    /// A text, or parts of type `text`.
    #[schema(value_type = Object)]
    content: Option<Content>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Debug, Deserialize)]
struct Part {
    r#type: String,
    text: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ChatCompletion {
    id: String,
    #[schema(example = "chat.completion")]
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<ChatChoice>,
    usage: UsageWire,
    cairn: Beside,
}

/// What OpenAI's shape has no place for: outcome, writer, nearest documents, claims.
#[derive(Debug, Serialize, ToSchema)]
struct Beside {
    #[serde(flatten)]
    done: DoneWire,
    /// The answer's sentences that say something, and how well the documents bear them out. Spans are bytes.
    claims: Vec<ClaimWire>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ChatChoice {
    index: u32,
    message: AssistantMessage,
    finish_reason: &'static str,
    #[schema(value_type = Option<Object>)]
    logprobs: Option<()>,
}

#[derive(Debug, Serialize, ToSchema)]
struct AssistantMessage {
    role: &'static str,
    content: String,
    /// The same text as `content`, where it is a refusal.
    refusal: Option<String>,
    annotations: Vec<Annotation>,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct Annotation {
    #[schema(example = "url_citation")]
    r#type: &'static str,
    url_citation: UrlCitation,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct UrlCitation {
    /// Where the mark stands: characters of the message's content.
    start_index: usize,
    end_index: usize,
    title: String,
    url: String,
    /// The number in the mark.
    number: usize,
    document_id: String,
    headings: Vec<String>,
    /// The page or slide that the passage begins on, from 1, where the document has pages.
    page: Option<u32>,
    /// Bytes of the document's extracted text.
    span: SpanWire,
    quote: String,
    /// Other documents with the passage's text, or nearly.
    also_in: Vec<AlsoInWire>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Models {
    object: &'static str,
    data: Vec<Model>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Model {
    /// A collection's name.
    id: String,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

/// The collections that can be asked.
#[utoipa::path(
    get,
    path = "/v1/models",
    tag = "openai",
    security(("key" = ["ask"])),
    responses((status = 200, description = "The collections, as models", body = Models))
)]
pub(super) async fn models(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ask>,
) -> Result<Json<Models>, ApiError> {
    let collections = service.ledger.collections(service.store.generation()).await?;
    let mut data = Vec::new();
    for counts in collections.into_iter().filter(|counts| counts.indexed > 0) {
        let scope = counts.collection.parse().ok().and_then(|name| authorized.caller.scope(&name));
        let Some(scope) = scope else { continue };
        // A collection of which the caller may see nothing is to them one that isn't there.
        if service.store.count(&scope).await.map_err(AnswerError::from)?.chunks > 0 {
            data.push(Model { id: counts.collection, object: "model", created: 0, owned_by: "cairn" });
        }
    }
    Ok(Json(Models { object: "list", data }))
}

/// Answers the last user message from the documents.
#[utoipa::path(
    post,
    path = "/v1/chat/completions",
    tag = "openai",
    request_body = ChatRequest,
    security(("key" = ["ask"])),
    responses(
        (status = 200, description = "The answer, or the start of its chunks when `stream` is true",
            content((ChatCompletion = "application/json"), (String = "text/event-stream"))),
        (status = 400, description = "The request is wrong", body = ErrorBody),
        (status = 404, description = "No such model (collection)", body = ErrorBody),
        (status = 429, description = "Too much at once; see Retry-After", body = ErrorBody),
        (status = 503, description = "The chat endpoint can't be used just now", body = ErrorBody)
    )
)]
pub(super) async fn chat_completions(
    State(service): State<Arc<Service>>,
    authorized: Authorized<auth::Ask>,
    Extension(in_flight): Extension<InFlight>,
    request: Result<Json<ChatRequest>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(request) = request?;
    let collection: CollectionName = request.model.parse().map_err(|_| ApiError::model_not_found(&request.model))?;
    let (streams, includes_usage) =
        (request.stream.unwrap_or(false), request.stream_options.as_ref().is_some_and(|o| o.include_usage));
    let question = question(collection, request)?;
    let working = service.limits.begin(&authorized.key_id).await?;
    let grounding = match service.answerer.ground(&authorized.caller, question).await {
        Err(AnswerError::NoDocuments { collection }) => return Err(ApiError::model_not_found(&collection)),
        grounding => grounding?,
    };
    let record = service.recorder.begin(&service.answerer, authorized.asker(), &grounding, None);
    let head = Head {
        id: record.about().answer.completion(),
        created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        model: grounding.question.collection.to_string(),
        about: record.about().into(),
    };
    let events = record.follow(answer_events(&service, grounding, (working, in_flight)));
    if streams {
        Ok(event_stream(chunks(events, head, includes_usage), &service))
    } else {
        Ok(Json(whole(events, head).await?).into_response())
    }
}

fn question(collection: CollectionName, request: ChatRequest) -> Result<Question, ApiError> {
    if request.n.is_some_and(|n| n != 1) {
        return Err(ApiError::invalid(Some("n"), "n must be 1: there is one answer to a question"));
    }
    if request.tools.is_some_and(|tools| !tools.is_empty()) {
        return Err(ApiError::invalid(Some("tools"), "tools are not supported: answers come from documents only"));
    }
    let filter = FilterWire::read(request.filter)?;
    let mut turns = Vec::new();
    for message in request.messages {
        let role = match message.role.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" | "developer" | "tool" | "function" => continue,
            other => {
                let role: String = other.chars().take(40).collect();
                return Err(ApiError::invalid(Some("messages"), format!("{role:?} is no role of a message")));
            }
        };
        turns.push(Turn { role, text: text(message.content)? });
    }
    match turns.pop() {
        Some(Turn { role: Role::User, text }) => Ok(Question {
            collection,
            filter,
            text,
            history: turns,
            sampling: Sampling {
                temperature: request.temperature,
                answer_tokens_max: request.max_completion_tokens.or(request.max_tokens),
            },
        }),
        Some(_) | None => Err(ApiError::invalid(Some("messages"), "the last message must be a user's: the question")),
    }
}

fn text(content: Option<Content>) -> Result<String, ApiError> {
    match content {
        None => Ok(String::new()),
        Some(Content::Text(text)) => Ok(text),
        Some(Content::Parts(parts)) => {
            if let Some(other) = parts.iter().find(|part| part.r#type != "text") {
                let kind: String = other.r#type.chars().take(40).collect();
                return Err(ApiError::invalid(
                    Some("messages"),
                    format!("content of type {kind:?} is not supported, only \"text\""),
                ));
            }
            Ok(parts.into_iter().filter_map(|part| part.text).collect::<Vec<_>>().join("\n"))
        }
    }
}

/// What every chunk of one completion repeats.
struct Head {
    id: String,
    created: u64,
    model: String,
    about: AboutWire,
}

async fn whole(events: impl Stream<Item = AnswerEvent>, head: Head) -> Result<ChatCompletion, ApiError> {
    let mut events = std::pin::pin!(events);
    let (mut content, mut annotations, mut claims) = (String::new(), Vec::new(), Vec::new());
    while let Some(event) = events.next().await {
        match event {
            AnswerEvent::Sources(_) => {}
            AnswerEvent::Claim(claim) => claims.push(claim.into()),
            AnswerEvent::Delta(text) => content.push_str(&text),
            AnswerEvent::Citation(citation) => annotations.push(annotation(citation, &content)),
            AnswerEvent::Failed(error) => return Err(error.into()),
            AnswerEvent::Done(done) => {
                let finish_reason = finish_reason(done.finish);
                let refusal = matches!(done.outcome, Outcome::Refused(_)).then(|| content.clone());
                let message = AssistantMessage { role: "assistant", content, refusal, annotations };
                return Ok(ChatCompletion {
                    id: head.id,
                    object: "chat.completion",
                    created: head.created,
                    model: head.model,
                    choices: vec![ChatChoice { index: 0, message, finish_reason, logprobs: None }],
                    usage: done.usage.unwrap_or_default().into(),
                    cairn: Beside { done: DoneWire { about: head.about, ..done.into() }, claims },
                });
            }
        }
    }
    Err(AnswerError::Stopped.into())
}

/// Chunks as OpenAI streams them: a role first, then deltas, a finish reason, usage if asked for, `[DONE]`.
fn chunks(
    events: impl Stream<Item = AnswerEvent> + Send + 'static,
    head: Head,
    includes_usage: bool,
) -> impl Stream<Item = Result<Event, Infallible>> + Send + 'static {
    let about = head.about.clone();
    let chunk = move |choices: Value, more: Value| {
        let mut chunk = json!({
            "id": head.id, "object": "chat.completion.chunk", "created": head.created, "model": head.model,
            "choices": choices,
        });
        if let (Value::Object(chunk), Value::Object(more)) = (&mut chunk, more) {
            chunk.extend(more);
        }
        Ok(Event::default().data(chunk.to_string()))
    };
    let delta = |delta: Value| json!([{ "index": 0, "delta": delta, "finish_reason": null }]);
    async_stream::stream! {
        let mut events = std::pin::pin!(events);
        let (mut content, mut claims) = (String::new(), Vec::new());
        yield chunk(delta(json!({ "role": "assistant", "content": "" })), json!({}));
        while let Some(event) = events.next().await {
            match event {
                AnswerEvent::Sources(_) => {}
                AnswerEvent::Claim(claim) => claims.push(claim.into()),
                AnswerEvent::Delta(text) => {
                    content.push_str(&text);
                    yield chunk(delta(json!({ "content": text })), json!({}));
                }
                AnswerEvent::Citation(citation) => {
                    let annotations = [annotation(citation, &content)];
                    yield chunk(delta(json!({ "annotations": annotations })), json!({}));
                }
                AnswerEvent::Failed(error) => {
                    let body = json!(ApiError::from(error).body());
                    yield Ok(Event::default().data(body.to_string()));
                    return;
                }
                AnswerEvent::Done(done) => {
                    let choices = json!([{ "index": 0, "delta": {}, "finish_reason": finish_reason(done.finish) }]);
                    let usage = UsageWire::from(done.usage.unwrap_or_default());
                    let done = DoneWire { about: about.clone(), ..done.into() };
                    yield chunk(choices, json!({ "cairn": Beside { done, claims } }));
                    if includes_usage {
                        yield chunk(json!([]), json!({ "usage": usage }));
                    }
                    yield Ok(Event::default().data("[DONE]"));
                    return;
                }
            }
        }
    }
}

fn annotation(citation: Citation, content: &str) -> Annotation {
    let characters = |byte: usize| content.get(..byte).map_or(0, |before| before.chars().count());
    Annotation {
        r#type: "url_citation",
        url_citation: UrlCitation {
            start_index: characters(citation.mark.start),
            end_index: characters(citation.mark.end),
            title: citation.title,
            url: uri(&citation.external_id),
            number: citation.number,
            document_id: citation.document.to_string(),
            headings: citation.headings,
            page: citation.page,
            span: citation.span.into(),
            quote: citation.quote,
            also_in: citation.also_in.into_iter().map(AlsoInWire::from).collect(),
        },
    }
}
