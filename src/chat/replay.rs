//! Answers that were recorded, given again for the very same requests; and the recording of them.
//!
//! A request is named by the hash of all that a model would be sent: messages, model, temperature, token limit. Another
//! prompt is therefore another request, and one that nothing was recorded for is an error, never an old answer. A file is
//! JSON lines: first what all requests have in common, then an answer a line, by request. Touches no disk itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_stream::stream;
use futures::Stream;
use serde::{Deserialize, Serialize};

use super::{ChatError, ChatEvent, Finish, Message, Role, Usage};
use crate::document::sha256;

/// The form of the file; another one is refused.
const FORM: u32 = 1;
/// Answers of one file.
const ANSWERS_MAX: usize = 1_000_000;

/// All that a model is sent.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Request<'a> {
    pub(super) model: &'a str,
    pub(super) messages: &'a [Message],
    pub(super) temperature: f32,
    pub(super) max_tokens: u32,
}

impl Request<'_> {
    pub(super) fn sha256(&self) -> String {
        let json = serde_json::to_string(self).expect("texts and numbers can be written");
        sha256(json.as_bytes())
    }
}

/// What the requests of a recording have in common.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    recording: u32,
    pub model: String,
    pub temperature: f32,
    pub answer_tokens_max: u32,
}

impl Head {
    pub fn new(model: String, temperature: f32, answer_tokens_max: u32) -> Self {
        Self { recording: FORM, model, temperature, answer_tokens_max }
    }
}

/// An answer, and the request that it is to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// SHA-256 of the whole request.
    pub request: String,
    pub text: String,
    pub finish: Finish,
    pub usage: Option<Usage>,
}

/// Why a recording can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("line {line}: {reason}")]
    Line { line: usize, reason: String },
    #[error("it is empty: its first line must name the model")]
    Empty,
    #[error("it has more than {ANSWERS_MAX} answers")]
    TooMany,
}

/// Recorded answers. Cheap to clone.
#[derive(Clone)]
pub struct Replay(Arc<Answers>);

struct Answers {
    head: Head,
    by: Key,
}

enum Key {
    Request(BTreeMap<String, Recorded>),
    /// Texts by the question that the last message ends with.
    Question(BTreeMap<String, String>),
}

impl Replay {
    /// Reads a recording.
    pub fn read(text: &str) -> Result<Self, ReplayError> {
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let wrong = |at: usize, reason: String| ReplayError::Line { line: at + 1, reason };
        let (at, first) = lines.next().ok_or(ReplayError::Empty)?;
        let head: Head = serde_json::from_str(first).map_err(|error| wrong(at, error.to_string()))?;
        if head.recording != FORM {
            return Err(wrong(at, format!("it is of form {}, this version reads {FORM}", head.recording)));
        }
        let mut answers = BTreeMap::new();
        for (at, line) in lines {
            let answer: Recorded = serde_json::from_str(line).map_err(|error| wrong(at, error.to_string()))?;
            if answers.len() == ANSWERS_MAX {
                return Err(ReplayError::TooMany);
            }
            if let Some(twice) = answers.insert(answer.request.clone(), answer) {
                return Err(wrong(at, format!("the request {} was answered before", twice.request)));
            }
        }
        Ok(Self(Arc::new(Answers { head, by: Key::Request(answers) })))
    }

    /// Texts that a person wrote, each for the question that the last message ends with: to record them, so that from
    /// then on they stand for one request and no other.
    pub fn written(head: Head, by_question: BTreeMap<String, String>) -> Self {
        Self(Arc::new(Answers { head, by: Key::Question(by_question) }))
    }

    pub fn head(&self) -> &Head {
        &self.0.head
    }

    /// The answer that was recorded for this request.
    pub(super) fn answer(&self, request: &Request<'_>) -> Result<Recorded, ChatError> {
        let name = request.sha256();
        let found = match &self.0.by {
            Key::Request(answers) => answers.get(&name).cloned(),
            Key::Question(texts) => {
                let last = request.messages.iter().rev().find(|message| message.role == Role::User);
                let ends =
                    |question: &&String| last.is_some_and(|message| message.content.trim_end().ends_with(*question));
                // Of two that fit, the longer one: it is the whole question, the other its end.
                let question = texts.keys().filter(ends).max_by_key(|question| question.len());
                question.and_then(|question| texts.get(question)).map(|text| Recorded {
                    request: name.clone(),
                    text: text.clone(),
                    finish: Finish::Stop,
                    usage: None,
                })
            }
        };
        found.ok_or(ChatError::NotRecorded { request: name })
    }
}

/// A recorded answer as a stream, in pieces of a word.
pub(super) fn streamed(answer: Recorded) -> impl Stream<Item = Result<ChatEvent, ChatError>> + Send {
    stream! {
        for piece in answer.text.split_inclusive(' ') {
            yield Ok(ChatEvent::Text(piece.to_owned()));
        }
        yield Ok(ChatEvent::End { finish: answer.finish, usage: answer.usage });
    }
}

/// Keeps answers as they come. Cheap to clone; all clones keep the same.
#[derive(Clone, Default)]
pub struct Recording(Arc<Mutex<BTreeMap<String, Recorded>>>);

impl Recording {
    /// Begins with what was recorded before.
    pub fn of(replay: &Replay) -> Self {
        match &replay.0.by {
            Key::Request(answers) => Self(Arc::new(Mutex::new(answers.clone()))),
            Key::Question(_) => Self::default(),
        }
    }

    /// What was answered to this request.
    pub(super) fn answer(&self, request: &str) -> Option<Recorded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(request).cloned()
    }

    pub(super) fn keep(&self, answer: Recorded) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(answer.request.clone(), answer);
    }

    /// The file's text.
    pub fn text(&self, head: &Head) -> String {
        let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |answer: &Recorded| serde_json::to_string(answer).expect("texts and numbers can be written");
        let mut text = serde_json::to_string(head).expect("texts and numbers can be written");
        text.push('\n');
        for answer in answers.values() {
            text.push_str(&line(answer));
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;

    use super::*;
    use crate::chat::{ChatClient, Sampling};

    fn head() -> Head {
        Head::new("small".into(), 0.0, 100)
    }

    fn asks(text: &str) -> Vec<Message> {
        let message = |role, text: &str| Message { role, content: text.into() };
        vec![message(Role::System, "Cite."), message(Role::User, text)]
    }

    async fn said(client: &ChatClient, text: &str) -> Result<String, ChatError> {
        let mut events = client.stream(&asks(text), Sampling::default()).await?;
        let (mut all, mut ends) = (String::new(), 0);
        while let Some(event) = events.next().await {
            match event? {
                ChatEvent::Text(piece) => all.push_str(&piece),
                ChatEvent::End { .. } => ends += 1,
            }
        }
        assert_eq!(ends, 1, "exactly one terminal item");
        Ok(all)
    }

    #[tokio::test]
    async fn what_was_recorded_is_given_again_for_the_same_request_and_for_no_other() {
        let texts = BTreeMap::from([("Why?".to_owned(), "Because  of\nthat [1].".to_owned())]);
        let recording = Recording::default();
        let live = ChatClient::replay(Replay::written(head(), texts)).recorded(recording.clone());
        assert_eq!(said(&live, "Question: Why?").await.unwrap(), "Because  of\nthat [1].");
        let file = recording.text(&head());
        let replay = ChatClient::replay(Replay::read(&file).unwrap());
        assert_eq!(replay.model().await.unwrap(), "small");
        assert_eq!(said(&replay, "Question: Why?").await.unwrap(), "Because  of\nthat [1].");
        for other in ["Question: why?", "Source. Question: Why?"] {
            assert!(matches!(said(&replay, other).await, Err(ChatError::NotRecorded { .. })), "{other}");
        }
        let warmer = Sampling { temperature: Some(0.5), ..Sampling::default() };
        assert!(replay.stream(&asks("Question: Why?"), warmer).await.is_err(), "the sampling is part of the request");
    }

    #[test]
    fn a_recording_that_can_not_be_used_says_where() {
        assert!(matches!(Replay::read(""), Err(ReplayError::Empty)));
        let file = Recording::default().text(&head());
        assert!(Replay::read(&file).is_ok());
        assert!(Replay::read(&format!("{file}{{}}\n")).err().unwrap().to_string().starts_with("line 2: "));
        assert!(Replay::read(&file.replace("\"recording\":1", "\"recording\":2")).is_err());
    }
}
