//! Path 2, the second half: what was found in, the answer out, by whoever can write it.
//!
//! A stream of events: the sources, then text with its citations and claims, then exactly one terminal event. Without
//! passages it is a refusal, with a chat model its checked words, without one quotations; quotations, too, where the
//! model can't be had.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_stream::stream;
use futures::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::warn;

use super::checked::{Ending, Gate, Policy, SecondOpinion, citation, quoted_claim, whole_text};
use super::cite;
use super::event::{AnswerError, AnswerEvent, ClaimCounts, Done, MarkCounts, Outcome, Reason, Writer};
use super::extractive::{self, Quote, quoted};
use super::links::Addresses;
use super::record::record_end;
use super::{Answerer, Grounding, Question, REFUSAL};
use crate::chat::judge::Opinion;
use crate::chat::{ChatClient, ChatError, ChatEvent, Finish};
use crate::config::Fallback;
use crate::document::{Hit, Passage, Span};
use crate::error::Class;
use crate::tasks::blocking;

/// What an extractive answer begins with, so that nobody takes quotations for a model's words.
pub const EXTRACTIVE_LEAD: &str = "No language model is set up, so here is what the documents say, word for word:";
/// The same where there is a model.
pub const FALLBACK_LEAD: &str =
    "The language model can't be reached just now, so here is what the documents say, word for word:";
/// Stands between what a model wrote and the quotations that go on for it.
const BROKEN_OFF_LEAD: &str = "\n\nThe language model broke off here. What the documents say, word for word:";
/// A model that says nothing for so long may be at the end of a sentence, which then need not wait for the next word.
const SETTLE_AFTER: Duration = Duration::from_millis(40);
/// Less similar than this to the nearest passage, a question that shares no word with it is about something else.
const OFF_TOPIC_SIMILARITY: f32 = 0.3;

impl Answerer {
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
                for event in refusal(&grounding, reason(&grounding)) {
                    yield event;
                }
            } else if self.is_beyond(&grounding) {
                for event in refusal(&grounding, Reason::NotSupported) {
                    yield event;
                }
            } else if let Some(chat) = self.chat.clone() {
                let mut writing = std::pin::pin!(self.write_by_model(chat, grounding));
                while let Some(event) = writing.next().await {
                    yield event;
                }
            } else {
                for event in self.write_by_quoting(&grounding, &Instead::default()).await {
                    yield event;
                }
            }
        }
    }

    /// Whether the documents say too little of what is asked for an answer that may show nothing else.
    fn is_beyond(&self, grounding: &Grounding) -> bool {
        self.policy_of(grounding) != Policy::Annotate && grounding.support.missing_share > self.limits.missing_share_max
    }

    fn policy_of(&self, grounding: &Grounding) -> Policy {
        self.policies.get(&grounding.question.collection).copied().unwrap_or(self.policy)
    }

    /// What the model writes, sentence by sentence as it is checked.
    fn write_by_model(
        self: Arc<Self>,
        chat: ChatClient,
        grounding: Grounding,
    ) -> impl Stream<Item = AnswerEvent> + Send {
        stream! {
            let policy = self.policy_of(&grounding);
            let gate = Gate::new(Arc::clone(&self.scorer), policy, &grounding.passages)
                .with_second(self.second(&grounding.passages))
                .retracting_below(self.limits.retract_below);
            let gate = Arc::new(Mutex::new(gate));
            let (error, model) = match self.ask(&chat, &grounding.question, &grounding.passages).await {
                Err(error) => (error, None),
                Ok((mut pieces, model)) => loop {
                    let next = match timeout(SETTLE_AFTER, pieces.next()).await {
                        Ok(next) => next,
                        Err(_) => {
                            match checked(&gate, Gate::settle).await {
                                Ok(events) => for event in events {
                                    yield event;
                                },
                                Err(error) => break (error, Some(model)),
                            }
                            pieces.next().await
                        }
                    };
                    match next {
                        Some(Ok(ChatEvent::Text(piece))) => {
                            match checked(&gate, move |gate| gate.push(&piece)).await {
                                Ok(events) => for event in events {
                                    yield event;
                                },
                                Err(error) => break (error, Some(model)),
                            }
                        }
                        Some(Ok(ChatEvent::End { finish, usage })) if finish != Finish::Stop || locked(&gate).has_words() => {
                            let (events, Ending { outcome, claims, marks }) =
                                match checked(&gate, move |gate| gate.end(finish)).await {
                                    Ok(ended) => ended,
                                    Err(error) => break (error, Some(model)),
                                };
                            for event in events {
                                yield event;
                            }
                            let (outcome, missing, nearest) = completed(outcome, &grounding);
                            let writer = Writer::Model(model);
                            yield AnswerEvent::Done(Done {
                                outcome, writer, finish, usage, marks, claims, missing, nearest, fallback: None,
                            });
                            return;
                        }
                        Some(Ok(ChatEvent::End { .. })) => break (silent(&chat), Some(model)),
                        Some(Err(error)) => break (error.into(), Some(model)),
                        None => break (AnswerError::Stopped, Some(model)),
                    }
                },
            };
            // A request that the endpoint refuses is to be put right by whoever asks or runs cairn.
            let is_down = matches!(error.class(), Class::Unavailable | Class::Busy);
            if self.limits.fallback == Fallback::Error || !is_down {
                yield AnswerEvent::Failed(error);
                return;
            }
            warn!(error = %error, "the chat model did not answer; the documents are quoted instead");
            metrics::counter!("cairn_answer_fallbacks_total").increment(1);
            let instead = Instead { of: Some(error.to_string()), model, at: locked(&gate).shown() };
            for event in self.write_by_quoting(&grounding, &instead).await {
                yield event;
            }
        }
    }

    /// The judge, to be asked about an answer that rests on these passages. None: there is none. Blocks whoever asks, which
    /// must not be an asynchronous task.
    fn second(&self, passages: &[Passage]) -> Option<SecondOpinion> {
        let judge = self.judge.clone()?;
        let sources: Vec<String> = passages.iter().map(whole_text).collect();
        let (runtime, mut left) = (Handle::current(), judge.claims_max());
        Some(Box::new(move |claim| {
            left = left.checked_sub(1)?;
            match runtime.block_on(judge.opinion(claim, &sources)) {
                Ok(opinion) => Some(opinion == Opinion::Supported),
                Err(error) => {
                    warn!(error = %error, "a sentence has no second opinion");
                    metrics::counter!("cairn_judge_failures_total", "reason" => error.name()).increment(1);
                    None
                }
            }
        }))
    }

    async fn ask(
        &self,
        chat: &ChatClient,
        question: &Question,
        passages: &[Passage],
    ) -> Result<(impl Stream<Item = Result<ChatEvent, ChatError>> + Send + Unpin + 'static, String), AnswerError> {
        let messages = self.prompt.messages(&question.text, &question.history, passages)?;
        let limit = self.limits.first_text_timeout;
        let late = || ChatError::Unavailable {
            base_url: chat.base_url().to_owned(),
            reason: format!(
                "did not begin its answer within {} (answer.first_text_timeout)",
                humantime::format_duration(limit)
            ),
        };
        let asked = async {
            let model = chat.model().await?.to_owned();
            let mut pieces = Box::pin(chat.stream(&messages, question.sampling).await?);
            let first = pieces.next().await;
            Ok::<_, ChatError>((futures::stream::iter(first).chain(pieces), model))
        };
        Ok(timeout(limit, asked).await.map_err(|_| late())??)
    }

    async fn write_by_quoting(&self, grounding: &Grounding, instead: &Instead) -> Vec<AnswerEvent> {
        let Grounding { passages, support, .. } = grounding;
        let quotes = extractive::quotes(
            self.embedder.as_ref(),
            &self.sparse,
            grounding.asked(),
            passages,
            self.limits.quotes_max,
        );
        let quotes = match quotes.await {
            Ok(quotes) => quotes,
            Err(error) => return vec![AnswerEvent::Failed(error.into())],
        };
        if quotes.is_empty() || support.missing_share > self.limits.missing_share_max {
            return refusal(grounding, Reason::NotSupported);
        }
        let lead = instead.lead(&support.missing);
        let mut at = instead.at + lead.len();
        let mut events = vec![AnswerEvent::Delta(lead)];
        let addresses = Addresses::of(passages);
        let mut claims = ClaimCounts::default();
        for quote in &quotes {
            let Some(source) = passages.iter().find(|passage| passage.number == quote.passage) else { continue };
            let words = within(quote, source);
            let text = quoted(&quote.text, &addresses);
            let start = at + text.len();
            let mark = cite::written(quote.passage);
            let claim = Span { start: at, end: start };
            at = start + mark.len();
            claims.supported += 1;
            events.push(AnswerEvent::Delta(format!("{text}{mark}")));
            events.push(AnswerEvent::Citation(citation(source, Some(words), Span { start, end: at })));
            events.push(AnswerEvent::Claim(quoted_claim(claim, source, words)));
        }
        let (mut missing, is_close) = (support.missing.clone(), support.together >= self.limits.together_min);
        if missing.is_empty() && !is_close {
            missing.clone_from(&support.beyond);
        }
        let is_whole = missing.is_empty() && is_close && instead.at == 0;
        let outcome = if is_whole { Outcome::Answered } else { Outcome::Partial };
        events.push(AnswerEvent::Done(Done {
            outcome,
            writer: instead.writer(),
            finish: Finish::Stop,
            usage: None,
            marks: MarkCounts::default(),
            claims,
            missing,
            nearest: Vec::new(),
            fallback: instead.of.clone(),
        }));
        events
    }
}

/// What quotations stand in for.
#[derive(Debug, Default)]
struct Instead {
    /// What kept the model from answering. None: there is no model.
    of: Option<String>,
    model: Option<String>,
    /// Bytes of its text that are shown already.
    at: usize,
}

impl Instead {
    fn lead(&self, missing: &[String]) -> String {
        let lead = match (&self.of, self.at) {
            (None, _) => EXTRACTIVE_LEAD,
            (Some(_), 0) => FALLBACK_LEAD,
            (Some(_), _) => BROKEN_OFF_LEAD,
        };
        if missing.is_empty() {
            return lead.to_owned();
        }
        let missing: Vec<String> = missing.iter().map(|word| format!("“{word}”")).collect();
        format!("{lead}\n\n(They say nothing of {}.)", missing.join(", "))
    }

    /// The documents wrote it, unless a model wrote some of it.
    fn writer(&self) -> Writer {
        match &self.model {
            Some(model) if self.at > 0 => Writer::Model(model.clone()),
            Some(_) | None => Writer::Extractive,
        }
    }
}

/// A quotation's place in its source's text.
fn within(quote: &Quote, source: &Passage) -> Span {
    let start = source.hit.chunk.span.start;
    Span { start: quote.span.start - start, end: quote.span.end - start }
}

/// The outcome, with what is told of a question that is not wholly answered. A sentence that the documents bear out may
/// answer another question than the one that was asked.
fn completed(outcome: Outcome, grounding: &Grounding) -> (Outcome, Vec<String>, Vec<Hit>) {
    let outcome =
        if outcome == Outcome::Answered && grounding.support.misses_exact { Outcome::Partial } else { outcome };
    match outcome {
        Outcome::Answered => (outcome, Vec::new(), Vec::new()),
        Outcome::Partial => (outcome, grounding.support.missing.clone(), Vec::new()),
        Outcome::Refused(_) => (outcome, grounding.support.missing.clone(), grounding.nearest.clone()),
    }
}

/// Why nothing was worth packing.
fn reason(grounding: &Grounding) -> Reason {
    let similarity = grounding.nearest.iter().map(|hit| hit.similarity).fold(f32::NEG_INFINITY, f32::max);
    if similarity < OFF_TOPIC_SIMILARITY { Reason::OffTopic } else { Reason::NothingFound }
}

/// A refusal that no model is asked for.
fn refusal(grounding: &Grounding, reason: Reason) -> Vec<AnswerEvent> {
    vec![
        AnswerEvent::Delta(REFUSAL.to_owned()),
        AnswerEvent::Done(Done {
            outcome: Outcome::Refused(reason),
            writer: Writer::Cairn,
            finish: Finish::Stop,
            usage: None,
            marks: MarkCounts::default(),
            claims: ClaimCounts::default(),
            missing: grounding.support.missing.clone(),
            nearest: grounding.nearest.clone(),
            fallback: None,
        }),
    ]
}

/// What an endpoint is told to have done that answered without a word.
fn silent(chat: &ChatClient) -> AnswerError {
    ChatError::Unavailable { base_url: chat.base_url().to_owned(), reason: "answered with no words at all".into() }
        .into()
}

/// Has the gate check on the blocking pool: a model may read along, and no other answer waits for it meanwhile.
async fn checked<T: Send + 'static>(
    gate: &Arc<Mutex<Gate>>,
    work: impl FnOnce(&mut Gate) -> T + Send + 'static,
) -> Result<T, AnswerError> {
    let gate = Arc::clone(gate);
    Ok(blocking(move || work(&mut locked(&gate))).await?)
}

/// Nobody else wants it at the same time: the stream waits for what it has asked.
fn locked(gate: &Mutex<Gate>) -> MutexGuard<'_, Gate> {
    gate.lock().unwrap_or_else(PoisonError::into_inner)
}
