//! Path 2: a question in, an answer out that stands on numbered passages, or a refusal.
//!
//! [`Answerer::ground`] then [`Answerer::write`]: the whole path for the server and the command line alike. Knows
//! nothing of HTTP, and nothing of how documents came in.

mod event;

mod checked;
mod cite;
mod extractive;
mod pack;
mod prompt;
mod ranked;
mod sentence;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use async_stream::stream;
use futures::{Stream, StreamExt};

pub use checked::Policy;
pub use event::{
    AnswerError, AnswerEvent, CheckedClaim, Citation, ClaimCounts, Done, Evidence, Finding, Outcome, Writer,
};
pub use prompt::{Prompt, PromptError};

use crate::caller::Caller;
use crate::chat::{ChatClient, ChatError, ChatEvent, Finish, Role, Sampling};
use crate::config;
use crate::document::{CollectionName, Hit, Passage, Span};
use crate::embed::{EmbedError, Embedder, Purpose, SparseEmbedder};
use crate::ground::Scorer;
use crate::store::{Query, VectorStore};
use checked::{Gate, checked, quoted_claim};
use cite::{MarkFilter, Piece};

/// The whole of an answer that is none.
pub const REFUSAL: &str = "I can't answer that from these documents.";
/// What an extractive answer begins with, so that nobody takes quotations for a model's words.
pub const EXTRACTIVE_LEAD: &str = "No language model is set up, so here is what the documents say, word for word:";
/// Documents that a refusal names as the nearest.
const NEAREST_MAX: usize = 3;

/// What somebody wants to know.
#[derive(Debug, Clone)]
pub struct Question {
    pub collection: CollectionName,
    pub text: String,
    /// Earlier turns of the conversation, oldest first.
    pub history: Vec<Turn>,
    pub sampling: Sampling,
}

/// An earlier message of a conversation.
#[derive(Debug, Clone)]
pub struct Turn {
    pub role: Role,
    pub text: String,
}

/// What an answer may rely on. No passages: it will be a refusal.
#[derive(Debug, Clone)]
pub struct Grounding {
    pub question: Question,
    pub passages: Vec<Passage>,
    /// The best hit of each of the nearest documents, whether or not it was worth packing.
    pub nearest: Vec<Hit>,
    started: Instant,
}

/// Answers questions from the documents of one store.
pub struct Answerer {
    pub embedder: Arc<dyn Embedder>,
    pub sparse: Arc<SparseEmbedder>,
    pub store: Arc<dyn VectorStore>,
    /// None: answers are extractive.
    pub chat: Option<ChatClient>,
    pub prompt: Prompt,
    pub retrieval: config::Retrieval,
    pub limits: config::Answer,
    pub scorer: Arc<Scorer>,
    pub policy: Policy,
}

impl Answerer {
    /// The hits for a text, best first.
    pub async fn search(
        &self,
        caller: &Caller,
        collection: &CollectionName,
        text: &str,
        limit: usize,
    ) -> Result<Vec<Hit>, AnswerError> {
        self.check_length(text)?;
        // A collection that isn't the caller's is to the caller one that isn't there.
        let absent = || AnswerError::NoDocuments { collection: collection.to_string() };
        let scope = caller.scope(collection).ok_or_else(absent)?;
        let started = Instant::now();
        let dense = match self.embedder.embed(Purpose::Question, vec![text.to_owned()]).await {
            Err(EmbedError::TooLong { tokens, tokens_max }) => {
                return Err(AnswerError::Invalid(format!(
                    "the question has {tokens} tokens, the embedding model takes at most {tokens_max}"
                )));
            }
            embedded => embedded?.pop().unwrap_or_default(),
        };
        let query = Query {
            dense,
            sparse: self.sparse.question(text),
            candidates: self.retrieval.candidates.max(limit),
            rank_constant: self.retrieval.rank_constant,
            limit,
        };
        let hits = self.store.search(&scope, query).await?;
        metrics::histogram!("cairn_retrieval_duration_seconds").record(started.elapsed().as_secs_f64());
        if hits.is_empty() {
            // The nearest hit may be far, but there is one unless there is nothing to find.
            return Err(absent());
        }
        Ok(hits)
    }

    /// Finds what the answer may rely on. Fails before the first byte, so an error here is an HTTP status.
    pub async fn ground(&self, caller: &Caller, question: Question) -> Result<Grounding, AnswerError> {
        let started = Instant::now();
        self.check_history(&question.history)?;
        let text = self.search_text(&question);
        let hits = self.search(caller, &question.collection, &text, self.retrieval.candidates).await?;
        let nearest = nearest(&hits);
        let judged = pack::judge(&text, hits, &self.sparse);
        let passages = pack::pack(judged, &self.retrieval, self.embedder.token_counter());
        Ok(Grounding { question, passages, nearest, started })
    }

    /// Writes the answer. Runs after the first byte, so an error here is an event.
    pub fn write(self: &Arc<Self>, grounding: Grounding) -> impl Stream<Item = AnswerEvent> + Send + 'static {
        let this = Arc::clone(self);
        stream! {
            let started = grounding.started;
            yield AnswerEvent::Sources(grounding.passages.clone());
            let mut writing = std::pin::pin!(this.write_text(grounding));
            let mut first_text = true;
            while let Some(event) = writing.next().await {
                if matches!(event, AnswerEvent::Delta(_)) && std::mem::take(&mut first_text) {
                    metrics::histogram!("cairn_answer_first_token_seconds").record(started.elapsed().as_secs_f64());
                }
                record_end(&event, started);
                yield event;
            }
        }
    }

    /// Text and citations, then one terminal event, by whoever can write this answer.
    fn write_text(self: Arc<Self>, grounding: Grounding) -> impl Stream<Item = AnswerEvent> + Send {
        stream! {
            if grounding.passages.is_empty() {
                for event in refusal(grounding.nearest) {
                    yield event;
                }
            } else if let Some(chat) = self.chat.clone() {
                let gate = Gate::new(Arc::clone(&self.scorer), self.policy, &grounding.passages);
                let nearest = grounding.nearest.clone();
                let mut writing = std::pin::pin!(checked(self.write_by_model(chat, grounding), gate, nearest));
                while let Some(event) = writing.next().await {
                    yield event;
                }
            } else {
                match self.write_by_quoting(grounding).await {
                    Ok(events) => for event in events {
                        yield event;
                    },
                    Err(error) => yield AnswerEvent::Failed(error.into()),
                }
            }
        }
    }

    fn write_by_model(
        self: Arc<Self>,
        chat: ChatClient,
        grounding: Grounding,
    ) -> impl Stream<Item = AnswerEvent> + Send {
        stream! {
            let Grounding { question, passages, nearest, .. } = grounding;
            let (mut pieces, model) = match self.ask(&chat, &question, &passages).await {
                Ok(asked) => asked,
                Err(error) => {
                    yield AnswerEvent::Failed(error);
                    return;
                }
            };
            let mut filter = MarkFilter::new(passages.len());
            let mut text = String::new();
            while let Some(piece) = pieces.next().await {
                let (checked, end) = match piece {
                    Ok(ChatEvent::Text(piece)) => (filter.push(&piece), None),
                    Ok(ChatEvent::End { finish, usage }) => (filter.finish(), Some((finish, usage))),
                    Err(error) => {
                        yield AnswerEvent::Failed(error.into());
                        return;
                    }
                };
                for piece in checked {
                    match piece {
                        Piece::Text(piece) => {
                            text.push_str(&piece);
                            yield AnswerEvent::Delta(piece);
                        }
                        Piece::Mark { number, at } => {
                            yield AnswerEvent::Citation(cite_passage(&passages, number, at));
                        }
                    }
                }
                let Some((finish, usage)) = end else { continue };
                let refused = is_refusal(&text);
                let citations_dropped = filter.dropped();
                metrics::counter!("cairn_citations_dropped_total").increment(citations_dropped as u64);
                yield AnswerEvent::Done(Done {
                    outcome: if refused { Outcome::Refused } else { Outcome::Answered },
                    writer: Writer::Model(model),
                    finish,
                    usage,
                    citations_dropped,
                    claims: ClaimCounts::default(),
                    nearest: if refused { nearest } else { Vec::new() },
                });
                return;
            }
        }
    }

    async fn ask(
        &self,
        chat: &ChatClient,
        question: &Question,
        passages: &[Passage],
    ) -> Result<(impl Stream<Item = Result<ChatEvent, ChatError>> + Send + Unpin + 'static, String), AnswerError> {
        let messages = self.prompt.messages(&question.text, &question.history, passages)?;
        let model = chat.model().await?.to_owned();
        let pieces = chat.stream(&messages, question.sampling).await?;
        Ok((Box::pin(pieces), model))
    }

    async fn write_by_quoting(&self, grounding: Grounding) -> Result<Vec<AnswerEvent>, EmbedError> {
        let Grounding { question, passages, nearest, .. } = grounding;
        let quotes =
            extractive::quotes(self.embedder.as_ref(), &self.sparse, &question.text, &passages, self.limits.quotes_max)
                .await?;
        if quotes.is_empty() {
            return Ok(refusal(nearest));
        }
        let mut claims = ClaimCounts::default();
        let mut events = vec![AnswerEvent::Delta(EXTRACTIVE_LEAD.to_owned())];
        let mut length = EXTRACTIVE_LEAD.len();
        for quote in quotes {
            let text = quoted(&quote.text);
            let mark = format!("[{}]", quote.passage);
            let start = length + text.len();
            let at = Span { start, end: start + mark.len() };
            length = at.end;
            events.push(AnswerEvent::Delta(format!("{text}{mark}")));
            let citation =
                Citation { span: quote.span, quote: quote.text, ..cite_passage(&passages, quote.passage, at) };
            let claim = passages
                .iter()
                .find(|passage| passage.number == quote.passage)
                .map(|passage| quoted_claim(Span { start: start - text.len(), end: start }, passage, &citation));
            claims.supported += usize::from(claim.is_some());
            events.push(AnswerEvent::Citation(citation));
            events.extend(claim.map(AnswerEvent::Claim));
        }
        events.push(AnswerEvent::Done(Done {
            outcome: Outcome::Answered,
            writer: Writer::Extractive,
            finish: Finish::Stop,
            usage: None,
            citations_dropped: 0,
            claims,
            nearest: Vec::new(),
        }));
        Ok(events)
    }

    /// What is searched for: the question, after the one before it where it may lean on that ("and on Debian?").
    fn search_text(&self, question: &Question) -> String {
        let before = question.history.iter().rev().find(|turn| turn.role == Role::User);
        let Some(before) = before else { return question.text.clone() };
        let both = format!("{}\n{}", before.text, question.text);
        let counter = self.embedder.token_counter();
        let fits = counter.count(&both) + counter.special_tokens() <= self.embedder.tokens_max();
        if fits { both } else { question.text.clone() }
    }

    fn check_length(&self, text: &str) -> Result<(), AnswerError> {
        if text.trim().is_empty() {
            return Err(AnswerError::Invalid("the question is empty".into()));
        }
        let limit = self.limits.question_bytes_max;
        if text.len() as u64 > limit.as_u64() {
            let length = text.len();
            return Err(AnswerError::Invalid(format!(
                "the question has {length} bytes, at most {} are allowed (answer.question_bytes_max)",
                limit.as_u64()
            )));
        }
        Ok(())
    }

    fn check_history(&self, history: &[Turn]) -> Result<(), AnswerError> {
        let (turns, turns_max) = (history.len(), self.limits.history_messages_max);
        if turns > turns_max {
            return Err(AnswerError::Invalid(format!(
                "the conversation has {turns} earlier messages, at most {turns_max} are allowed \
                 (answer.history_messages_max)"
            )));
        }
        let bytes_max = self.limits.message_bytes_max.as_u64();
        if history.iter().any(|turn| turn.text.len() as u64 > bytes_max) {
            return Err(AnswerError::Invalid(format!(
                "an earlier message has more than {bytes_max} bytes (answer.message_bytes_max)"
            )));
        }
        Ok(())
    }
}

fn record_end(event: &AnswerEvent, started: Instant) {
    let outcome = match event {
        AnswerEvent::Done(done) => {
            if let Some(usage) = done.usage {
                let count = |kind: &'static str, tokens: u32| {
                    metrics::counter!("gen_ai_client_token_usage_total", "gen_ai_token_type" => kind)
                        .increment(u64::from(tokens));
                };
                count("input", usage.prompt_tokens);
                count("output", usage.completion_tokens);
            }
            done.outcome.name()
        }
        AnswerEvent::Failed(_) => "failed",
        AnswerEvent::Sources(_) | AnswerEvent::Delta(_) | AnswerEvent::Citation(_) | AnswerEvent::Claim(_) => return,
    };
    metrics::counter!("cairn_answers_total", "outcome" => outcome).increment(1);
    metrics::histogram!("cairn_answer_duration_seconds").record(started.elapsed().as_secs_f64());
}

/// A refusal that no model is asked for.
fn refusal(nearest: Vec<Hit>) -> Vec<AnswerEvent> {
    vec![
        AnswerEvent::Delta(REFUSAL.to_owned()),
        AnswerEvent::Done(Done {
            outcome: Outcome::Refused,
            writer: Writer::Cairn,
            finish: Finish::Stop,
            usage: None,
            citations_dropped: 0,
            claims: ClaimCounts::default(),
            nearest,
        }),
    ]
}

/// Whether a model said what the prompt tells it to say where the sources don't answer.
fn is_refusal(text: &str) -> bool {
    let plain = |text: &str| text.trim().trim_end_matches('.').replace('’', "'").to_lowercase();
    plain(text) == plain(REFUSAL)
}

fn nearest(hits: &[Hit]) -> Vec<Hit> {
    let mut seen = HashSet::new();
    hits.iter().filter(|hit| seen.insert(hit.document)).take(NEAREST_MAX).cloned().collect()
}

fn cite_passage(passages: &[Passage], number: usize, mark: Span) -> Citation {
    let passage = passages.iter().find(|p| p.number == number).expect("marks are checked against these passages");
    let hit = &passage.hit;
    Citation {
        number,
        mark,
        document: hit.document,
        external_id: hit.external_id.clone(),
        title: hit.title.clone(),
        page: hit.chunk.page,
        headings: hit.chunk.headings.clone(),
        span: hit.chunk.span,
        quote: hit.chunk.text.clone(),
    }
}

/// A quotation in Markdown, up to where its mark goes: prose on one line, code as it is. A mark that the document
/// itself has is written so that it shows, and is not taken for one of this answer.
fn quoted(text: &str) -> String {
    let text = &without_marks(text);
    match text.split_once("```") {
        None => format!("\n\n> {} ", text.split_whitespace().collect::<Vec<_>>().join(" ")),
        Some((prose, code)) => {
            let prose = prose.split_whitespace().collect::<Vec<_>>().join(" ");
            let code: String = format!("```{code}").lines().map(|line| format!("> {line}\n")).collect();
            format!("\n\n> {prose}\n>\n{code}> ")
        }
    }
}

fn without_marks(text: &str) -> String {
    let mut rest = text;
    let mut written = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once('[') {
        let inside = after.split(']').next().unwrap_or_default();
        let is_mark = !inside.is_empty() && inside.chars().all(|c| c.is_ascii_digit() || " ,;-–".contains(c));
        written.push_str(before);
        if let (true, Some(behind)) = (is_mark, after.strip_prefix(inside).and_then(|b| b.strip_prefix(']'))) {
            written.push_str(&format!("\\[{inside}\\]"));
            rest = behind;
        } else {
            written.push('[');
            rest = after;
        }
    }
    written.push_str(rest);
    written
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::document::{Chunk, DocumentId, Metadata, Version};

    pub(crate) fn limits() -> config::Retrieval {
        config::Retrieval {
            candidates: 10,
            rank_constant: 2,
            passages_max: 5,
            passage_tokens_max: 500,
            relevance_min: 0.7,
            overlap_max: 0.8,
        }
    }

    pub(crate) fn passage(number: usize, text: &str) -> Passage {
        let collection: CollectionName = "default".parse().unwrap();
        Passage {
            number,
            hit: Hit {
                document: DocumentId::new(&collection, "guide.md"),
                version: Version(1),
                external_id: "/docs/guide.md".into(),
                title: "Guide".into(),
                metadata: Metadata::default(),
                chunk: Chunk {
                    ordinal: 0,
                    span: Span { start: 100, end: 100 + text.len() },
                    page: None,
                    headings: vec!["Guide".into(), "Install".into()],
                    table_head: None,
                    text: text.into(),
                },
                score: 0.5,
                similarity: 0.9,
            },
        }
    }

    #[test]
    fn a_models_refusal_is_known_whatever_its_quotes_and_full_stop() {
        assert!(is_refusal(" I can’t answer that from these documents\n"));
        assert!(!is_refusal("I can't answer that from these documents. But I guess it is 5."));
    }

    #[test]
    fn each_of_the_nearest_documents_is_named_once() {
        let hit = passage(1, "text").hit;
        assert_eq!(nearest(&[hit.clone(), hit]).len(), 1);
    }

    #[test]
    fn a_quotation_with_code_keeps_its_lines() {
        assert_eq!(quoted("Run\nthis:\n\n```sh\nmake\n```"), "\n\n> Run this:\n>\n> ```sh\n> make\n> ```\n> ");
    }
}
