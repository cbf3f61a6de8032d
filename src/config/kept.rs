//! What is kept of questions and answers, for how long and how much of it; and how follow-up questions are treated.

use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

use super::{ConfigError, at_least, longer};

/// How answers came about, and what people say of them. See `config/default.toml` for each key's meaning.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answers {
    /// Zero: none is kept.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
    pub count_max: usize,
    pub candidates_max: usize,
    #[serde(with = "humantime_serde")]
    pub feedback_keep: Duration,
    pub feedback_bytes_max: ByteSize,
}

/// Follow-up questions and kept conversations. See `config/default.toml` for each key's meaning.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conversations {
    pub condense: Condense,
    #[serde(with = "humantime_serde")]
    pub condense_timeout: Duration,
    pub condense_tokens_max: u32,
    pub history_tokens_max: usize,
    pub store: StoreConversations,
    #[serde(with = "humantime_serde")]
    pub expire_after: Duration,
    pub count_max: usize,
    pub messages_max: usize,
    pub bytes_max: ByteSize,
}

/// Who makes a follow-up question stand by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Condense {
    /// The chat model, where there is one.
    Model,
    Rule,
}

/// Which conversations are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreConversations {
    /// Those that requests name.
    Named,
    /// Those that requests name, and one for each question that names none and brings no history.
    Always,
    Off,
}

pub(super) fn check(answers: &Answers, conversations: &Conversations) -> Result<(), ConfigError> {
    at_least("answers.count_max", answers.count_max, 1)?;
    longer("answers.feedback_keep", answers.feedback_keep, Duration::from_secs(1))?;
    longer("conversations.condense_timeout", conversations.condense_timeout, Duration::from_millis(1))?;
    at_least("conversations.condense_tokens_max", usize::try_from(conversations.condense_tokens_max).unwrap_or(0), 8)?;
    longer("conversations.expire_after", conversations.expire_after, Duration::from_secs(1))?;
    at_least("conversations.count_max", conversations.count_max, 1)?;
    at_least("conversations.messages_max", conversations.messages_max, 2)
}
