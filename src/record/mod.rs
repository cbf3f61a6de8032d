//! What was asked and answered, kept for a while: how each answer came about, conversations, and what people say of answers.
//!
//! An answer's events go through a [`Record`] and come out as they were; before the last one does, what the answer rests
//! on is in the ledger. That is written once, by a task of its own, so that neither a slow reader nor one who has left
//! holds the ledger up. Texts of documents are not kept with it, only where they stand. Knows nothing of HTTP.

mod conversation;
pub mod replay;
mod trace;

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

use async_stream::stream;
use futures::{Stream, StreamExt};
use tokio::sync::oneshot;
use tracing::warn;
use uuid::Uuid;

pub use conversation::{ConversationId, Opened};
pub use trace::{Asked, Message, Trace};

use crate::answer::{AnswerError, AnswerEvent, Answerer, Grounding, Writer};
use crate::caller::{Caller, Reach};
use crate::config::{self, Config};
use crate::document::DocumentId;
use crate::error::Class;
use crate::ledger::{AnswerRow, Cutoffs, Ending, Ledger, LedgerError, Said, cutoff_ms, now_ms};
use crate::tasks::Tasks;

/// How often what is too old is looked for.
const SWEEP_INTERVAL: Duration = Duration::from_secs(600);
/// Rows that one sweep of the ledger takes out of each table, before it lets others at it.
const SWEPT_ROWS: usize = 200;
/// The same at the end of each answer.
const SWEPT_ROWS_ASIDE: usize = 20;
/// How long what ends with the service may still take to be written.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Names an answer. Those made later sort later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AnswerId(Uuid);

impl AnswerId {
    const PREFIX: &str = "ans_";
    /// What clients of OpenAI's API call it by.
    const COMPLETION_PREFIX: &str = "chatcmpl-";

    fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The same answer's name as a chat completion.
    pub fn completion(self) -> String {
        format!("{}{}", Self::COMPLETION_PREFIX, self.0.simple())
    }
}

impl fmt::Display for AnswerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", Self::PREFIX, self.0.simple())
    }
}

impl FromStr for AnswerId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix(Self::PREFIX).or_else(|| text.strip_prefix(Self::COMPLETION_PREFIX));
        bare.and_then(|bare| Uuid::try_parse(bare).ok())
            .map(Self)
            .ok_or_else(|| "that is not the id of an answer: it begins with ans_ or chatcmpl-".to_owned())
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    pub caller: &'a Caller,
    /// The id of their key. None: whoever is at this machine, or there are no keys.
    pub key_id: Option<&'a str>,
}

impl Asker<'_> {
    fn owner(&self) -> &str {
        self.key_id.unwrap_or_default()
    }
}

/// What an answer is called, and how its question was understood.
#[derive(Debug, Clone)]
pub struct About {
    pub answer: AnswerId,
    pub condensed: Option<String>,
    pub conversation: Option<ConversationId>,
}

/// Why something of this is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("there is no such conversation")]
    NoConversation,
    #[error("there is no such answer; answers are kept for a while only (answers.keep)")]
    NoAnswer,
    #[error(
        "the conversation is full: it may have {messages_max} messages (conversations.messages_max) of {bytes_max} bytes \
         together (conversations.bytes_max); begin another one"
    )]
    Full { messages_max: usize, bytes_max: u64 },
    #[error("there are {count_max} conversations, and no more are kept (conversations.count_max); delete some")]
    TooMany { count_max: usize },
    #[error("no conversations are kept here (conversations.store)")]
    Off,
    #[error("the answer can't be replayed: {0}")]
    NotReplayable(String),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl RecordError {
    pub fn class(&self) -> Class {
        match self {
            Self::NoConversation | Self::NoAnswer => Class::NotFound,
            Self::Full { .. } | Self::TooMany { .. } | Self::Off | Self::NotReplayable(_) => Class::Invalid,
            Self::Ledger(error) => error.class(),
        }
    }
}

/// Keeps what was asked and answered. Cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    ledger: Ledger,
    answers: config::Answers,
    conversations: config::Conversations,
    history_messages_max: usize,
    message_bytes_max: u64,
    tasks: Tasks,
}

impl Recorder {
    pub fn new(ledger: Ledger, config: &Config) -> Self {
        Self {
            ledger,
            answers: config.answers.clone(),
            conversations: config.conversations.clone(),
            history_messages_max: config.answer.history_messages_max,
            message_bytes_max: config.answer.message_bytes_max.as_u64(),
            tasks: Tasks::default(),
        }
    }

    /// Begins to note an answer, before its first event.
    pub fn begin(
        &self,
        answerer: &Answerer,
        asker: Asker<'_>,
        grounding: &Grounding,
        conversation: Option<ConversationId>,
    ) -> Record {
        let question = &grounding.question;
        let id = AnswerId::new();
        let reach = asker.caller.scope(&question.collection).map(|scope| scope.reach().clone());
        // A caller without a scope finds nothing, and has no grounding either.
        let reach = reach.unwrap_or(Reach::Groups(std::collections::BTreeSet::new()));
        let condensed = grounding.searched.condensed.as_ref().map(|condensed| condensed.text.clone());
        let row = AnswerRow {
            id: id.to_string(),
            owner: asker.owner().to_owned(),
            collection: question.collection.to_string(),
            conversation: conversation.map(|id| id.to_string()).unwrap_or_default(),
            question: question.text.clone(),
            condensed: condensed.clone().unwrap_or_default(),
            outcome: CUT_OFF.to_owned(),
            reason: String::new(),
            writer: String::new(),
            model: String::new(),
            prompt_hash: answerer.prompt_hash(grounding).unwrap_or_default(),
            generation: answerer.store.generation().to_owned(),
            embedder: answerer.embedder.fingerprint().to_owned(),
            text: String::new(),
            asked: Asked::of(question, &reach).to_json(),
            trace: String::new(),
            created_at_ms: now_ms(),
        };
        Record {
            recorder: self.clone(),
            about: About { answer: id, condensed, conversation },
            row,
            trace: Trace::of(grounding, self.answers.candidates_max),
            documents: grounding.passages.iter().map(|passage| passage.hit.document).collect(),
            started: Instant::now(),
        }
    }

    /// Takes out what is too old, now and then, until `stopped` resolves.
    pub async fn sweep(self, stopped: impl Future<Output = ()>) {
        let mut stopped = std::pin::pin!(stopped);
        loop {
            if let Err(error) = self.sweep_now().await {
                warn!(error = %error, "old answers and conversations can't be taken out");
            }
            tokio::select! {
                () = &mut stopped => return,
                () = tokio::time::sleep(SWEEP_INTERVAL) => {}
            }
        }
    }

    /// Takes out all that is too old, some rows at a time.
    pub async fn sweep_now(&self) -> Result<(), LedgerError> {
        while self.ledger.forget_expired(self.cutoffs(), SWEPT_ROWS).await? > 0 {}
        Ok(())
    }

    /// Waits for what is still being written.
    pub async fn drain(&self) {
        if !self.tasks.drain(DRAIN_TIMEOUT).await {
            warn!("some answers were not kept: the ledger took too long");
        }
    }

    /// Since when an answer must have been given to be still there.
    pub fn answers_since_ms(&self) -> i64 {
        cutoff_ms(self.answers.keep)
    }

    /// The same for what was said of answers.
    pub fn feedback_since_ms(&self) -> i64 {
        cutoff_ms(self.answers.feedback_keep)
    }

    /// The longest comment and the longest right answer.
    pub fn feedback_bytes_max(&self) -> u64 {
        self.answers.feedback_bytes_max.as_u64()
    }

    fn cutoffs(&self) -> Cutoffs {
        Cutoffs {
            answers_ms: self.answers_since_ms(),
            feedback_ms: self.feedback_since_ms(),
            conversations_ms: cutoff_ms(self.conversations.expire_after),
        }
    }
}

/// How an answer is noted of which nobody saw the end.
const CUT_OFF: &str = "cut_off";
const FAILED: &str = "failed";

/// An answer that is being written, and what is noted of it.
pub struct Record {
    recorder: Recorder,
    about: About,
    row: AnswerRow,
    trace: Trace,
    documents: Vec<DocumentId>,
    started: Instant,
}

impl Record {
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The same events. Before the last of them comes, the answer is kept, and stands in its conversation. Dropped before
    /// that, as when its reader leaves, it is kept as far as it came.
    pub fn follow(
        self,
        events: impl Stream<Item = AnswerEvent> + Send + 'static,
    ) -> impl Stream<Item = AnswerEvent> + Send + 'static {
        stream! {
            let mut open = Open(Some(self));
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                open.note(&event);
                match event {
                    AnswerEvent::Done(_) | AnswerEvent::Failed(_) => {
                        let kept = open.close().await;
                        yield kept.map_or_else(AnswerEvent::Failed, |()| event);
                        return;
                    }
                    AnswerEvent::Sources(_)
                    | AnswerEvent::Delta(_)
                    | AnswerEvent::Citation(_)
                    | AnswerEvent::Claim(_) => yield event,
                }
            }
        }
    }

    fn note(&mut self, event: &AnswerEvent) {
        match event {
            AnswerEvent::Sources(_) => {}
            AnswerEvent::Delta(text) => {
                self.trace.first_text_ms.get_or_insert_with(|| millis(self.started.elapsed()));
                self.row.text.push_str(text);
            }
            AnswerEvent::Citation(citation) => self.trace.citations.push(citation.into()),
            AnswerEvent::Claim(claim) => self.trace.claims.push(claim.into()),
            AnswerEvent::Done(done) => {
                done.outcome.name().clone_into(&mut self.row.outcome);
                let (writer, model) = match &done.writer {
                    Writer::Model(model) => ("model", model.as_str()),
                    Writer::Extractive => ("extractive", ""),
                    Writer::Cairn => ("cairn", ""),
                };
                writer.clone_into(&mut self.row.writer);
                model.clone_into(&mut self.row.model);
                self.trace.end(done);
            }
            AnswerEvent::Failed(error) => {
                FAILED.clone_into(&mut self.row.outcome);
                self.row.reason = reason(error);
            }
        }
    }

    /// What was noted: the row, and the trace that is not yet in it.
    fn noted(mut self) -> (AnswerRow, Trace) {
        self.trace.total_ms = millis(self.started.elapsed());
        (self.row, self.trace)
    }

    async fn write(self) -> Result<(), LedgerError> {
        let is_kept = !self.recorder.answers.keep.is_zero();
        let is_said = self.about.conversation.is_some() && ![CUT_OFF, FAILED].contains(&self.row.outcome.as_str());
        if !is_kept && !is_said {
            return Ok(());
        }
        let (recorder, documents) = (self.recorder.clone(), self.documents.clone());
        let (mut row, trace) = self.noted();
        row.trace = trace.to_json();
        let said =
            Said { conversation: &row.conversation, question: &row.question, answer: &row.text, answer_id: &row.id };
        let ending = Ending {
            answer: is_kept.then_some(&row),
            documents: &documents,
            said: is_said.then_some(said),
            count_max: recorder.answers.count_max,
        };
        recorder.ledger.keep_answer(ending).await?;
        recorder.ledger.forget_expired(recorder.cutoffs(), SWEPT_ROWS_ASIDE).await?;
        Ok(())
    }
}

/// What may be shown to whoever asked.
fn reason(error: &AnswerError) -> String {
    let is_theirs = matches!(
        error,
        AnswerError::Chat(_) | AnswerError::TimedOut { .. } | AnswerError::Stopped | AnswerError::Invalid(_)
    );
    if is_theirs { error.to_string() } else { error.class().name().to_owned() }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A record that is written when it goes, however it goes.
struct Open(Option<Record>);

impl Open {
    fn note(&mut self, event: &AnswerEvent) {
        if let Some(record) = &mut self.0 {
            record.note(event);
        }
    }

    /// Waits until it is written. Only what belongs to a conversation must be.
    async fn close(&mut self) -> Result<(), AnswerError> {
        let Some(record) = self.0.take() else { return Ok(()) };
        let (tasks, must) = (record.recorder.tasks.clone(), record.about.conversation.is_some());
        let (done, written) = oneshot::channel();
        // In a task of its own: whoever reads the answer may leave now, and the ledger is not kept waiting.
        tasks.spawn(async move {
            let _ = done.send(record.write().await);
        });
        match written.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                warn!(error = %error, "an answer can't be kept");
                if must { Err(AnswerError::NotKept) } else { Ok(()) }
            }
            Err(_) => {
                if must {
                    Err(AnswerError::NotKept)
                } else {
                    Ok(())
                }
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Some(record) = self.0.take() else { return };
        let tasks = record.recorder.tasks.clone();
        tasks.spawn(async move {
            if let Err(error) = record.write().await {
                warn!(error = %error, "an answer that was cut off can't be kept");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_known_by_both_of_its_names_and_by_no_other() {
        let id = AnswerId::new();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.completion().parse(), Ok(id));
        for other in ["", "ans_", "ans_1", "conv_0190f6acc7140c0d4a6c8f57b1ffd6b5", "0190f6acc7140c0d4a6c8f57b1ffd6b5"]
        {
            assert!(other.parse::<AnswerId>().is_err(), "{other}");
        }
    }
}
