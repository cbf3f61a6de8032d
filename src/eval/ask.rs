//! One case, asked as the server asks: `ground`, then `write`, and everything that came of it.
//!
//! Gives what was said and found as it is; what that is worth is `judge`'s to say. Never fails: what went wrong is part
//! of what came of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;

use super::case::{Case, Speaker};
use super::record::CaseTimes;
use crate::answer::{AnswerError, AnswerEvent, Answerer, CheckedClaim, Citation, Done, Outcome, Question, Turn};
use crate::caller::{Caller, Collections};
use crate::chat::{ChatError, Role, Sampling};
use crate::document::{CollectionName, Hit, Passage};
use crate::store::Filter;

/// What keys made for a case are called.
const CALLER: &str = "eval";

/// What came of a case.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// All hits in order; none where the case names no sources.
    pub(super) hits: Vec<Hit>,
    pub(super) passages: Vec<Passage>,
    /// What a refusal names as near.
    pub(super) nearest: Vec<Hit>,
    pub(super) text: String,
    pub(super) citations: Vec<Citation>,
    pub(super) claims: Vec<CheckedClaim>,
    pub(super) end: End,
    pub(super) times: CaseTimes,
}

/// How it ended.
#[derive(Debug, Default)]
pub(super) enum End {
    Answered,
    Partial,
    Refused,
    /// No answer was recorded for its prompt.
    Stale(String),
    Errored(String),
    #[default]
    Unfinished,
}

/// Who asks for this case.
pub(super) fn caller(case: &Case, collection: &CollectionName) -> Caller {
    match case.groups() {
        None => Caller::local(),
        Some(groups) => {
            let collections = Collections::Only([collection.clone()].into());
            Caller::with_key(CALLER.to_owned(), collections, groups)
        }
    }
}

/// The case as a question.
pub(super) fn question(case: &Case, collection: &CollectionName) -> Question {
    let turn = |earlier: &super::case::Earlier| Turn {
        role: match earlier.role {
            Speaker::User => Role::User,
            Speaker::Assistant => Role::Assistant,
        },
        text: earlier.text.clone(),
    };
    Question {
        collection: collection.clone(),
        filter: Filter::default(),
        text: case.question.clone(),
        history: case.history.iter().map(turn).collect(),
        sampling: Sampling::default(),
    }
}

/// Asks, and waits at most `timeout` for the end.
pub(super) async fn ask(answerer: &Arc<Answerer>, collection: &CollectionName, case: &Case, timeout: Duration) -> Told {
    let mut told = Told::default();
    let asked = tokio::time::timeout(timeout, ask_into(&mut told, answerer, collection, case)).await;
    match asked {
        Ok(Ok(())) => {}
        Ok(Err(error)) => told.end = ended_by(&error, case),
        Err(_) => told.end = End::Errored(format!("it took longer than run.case_timeout ({} s)", timeout.as_secs())),
    }
    told
}

async fn ask_into(
    told: &mut Told,
    answerer: &Arc<Answerer>,
    collection: &CollectionName,
    case: &Case,
) -> Result<(), AnswerError> {
    let (caller, question) = (caller(case, collection), question(case, collection));
    if !case.sources.is_empty() {
        told.hits = answerer.ranked(&caller, &question).await?.into_iter().map(|(hit, _)| hit).collect();
    }
    let began = Instant::now();
    let grounding = answerer.ground(&caller, question).await?;
    let mut events = std::pin::pin!(answerer.write(grounding));
    while let Some(event) = events.next().await {
        let now = ms(began);
        match event {
            AnswerEvent::Sources(passages) => told.passages = passages,
            AnswerEvent::Delta(text) => {
                told.times.first_token_ms.get_or_insert(now);
                told.text.push_str(&text);
            }
            AnswerEvent::Citation(citation) => told.citations.push(citation),
            AnswerEvent::Claim(claim) => {
                told.times.first_sentence_ms.get_or_insert(now);
                told.claims.push(claim);
            }
            AnswerEvent::Done(done) => told.done(done, now),
            AnswerEvent::Failed(error) => return Err(error),
        }
    }
    Ok(())
}

fn ms(began: Instant) -> f64 {
    (began.elapsed().as_secs_f64() * 1e6).round() / 1e3
}

impl Told {
    /// What a panic left: nothing but that.
    pub(super) fn panicked() -> Self {
        Self { end: End::Errored("it panicked; the log has its message".to_owned()), ..Self::default() }
    }

    fn done(&mut self, done: Done, now: f64) {
        self.times.total_ms = now;
        self.times.prompt_tokens = done.usage.map(|usage| usage.prompt_tokens);
        self.times.completion_tokens = done.usage.map(|usage| usage.completion_tokens);
        self.end = match done.outcome {
            Outcome::Answered => End::Answered,
            Outcome::Partial => End::Partial,
            Outcome::Refused(_) => End::Refused,
        };
        self.nearest = done.nearest;
    }
}

/// For a caller who may see nothing of it, a collection is not there: to them that is a refusal.
fn ended_by(error: &AnswerError, case: &Case) -> End {
    match error {
        AnswerError::NoDocuments { .. } if case.groups.is_some() => End::Refused,
        AnswerError::Chat(ChatError::NotRecorded { .. }) => End::Stale(error.to_string()),
        AnswerError::NoDocuments { .. }
        | AnswerError::NothingPasses { .. }
        | AnswerError::Originals { .. }
        | AnswerError::NotKept
        | AnswerError::Invalid(_)
        | AnswerError::Embed(_)
        | AnswerError::Store(_)
        | AnswerError::Chat(_)
        | AnswerError::Prompt(_)
        | AnswerError::TimedOut { .. }
        | AnswerError::Stopped
        | AnswerError::Panicked(_) => End::Errored(error.to_string()),
    }
}
