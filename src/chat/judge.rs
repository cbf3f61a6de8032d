//! A chat model's opinion: a claim and the sources that it should rest on in, yes or no out.
//!
//! A second opinion beside `ground/`, off unless it is set up. Whatever goes wrong gives no opinion, and a reason: one is
//! never made up.

use std::sync::Arc;
use std::time::Duration;

use minijinja::context;

use super::replay::Recording;
use super::template::Template;
use super::{ChatClient, ChatError, Finish, Message, Sampling};
use crate::config;

const TEMPLATE: &str = include_str!("../../config/prompts/judge.j2");
/// Room for a model that thinks before its one word.
const TOKENS_MAX: u32 = 1024;
/// Where such a model's thoughts end.
const THOUGHTS_END: &str = "</think>";

/// Asks a chat model for its opinion. Cheap to clone.
#[derive(Clone)]
pub struct ChatJudge(Arc<Inner>);

struct Inner {
    chat: ChatClient,
    template: Template,
    deadline: Duration,
    claims_max: usize,
}

/// What the model says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opinion {
    Supported,
    Unsupported,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum NoOpinion {
    #[error("the judge took longer than ground.judge.deadline ({})", humantime::format_duration(*.0))]
    Late(Duration),
    #[error("the judge's answer is neither yes nor no")]
    Unclear,
    #[error(transparent)]
    Chat(#[from] ChatError),
    #[error("write the judge's prompt: {0}")]
    Prompt(#[from] minijinja::Error),
}

impl NoOpinion {
    /// As metrics have it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Late(_) => "late",
            Self::Unclear => "unclear",
            Self::Chat(_) => "unavailable",
            Self::Prompt(_) => "prompt",
        }
    }
}

impl ChatJudge {
    /// Prepares it. The endpoint is first asked when a claim is judged.
    pub fn new(config: &config::Judge) -> Result<Self, ChatError> {
        Self::of(config, ChatClient::new(config.chat.clone())?)
    }

    /// One that asks nothing twice: what it was answered before, and now, is kept in the recording. Another model's answer
    /// is one to another request.
    pub fn remembering(config: &config::Judge, recording: Recording) -> Result<Self, ChatError> {
        let chat = ChatClient::new(config.chat.clone())?.remembering(recording);
        Self::of(config, chat)
    }

    fn of(config: &config::Judge, chat: ChatClient) -> Result<Self, ChatError> {
        let setup = |error: minijinja::Error| ChatError::Setup(error.to_string());
        let template = Template::new("judge.j2", TEMPLATE.to_owned()).map_err(setup)?;
        Ok(Self(Arc::new(Inner { chat, template, deadline: config.deadline, claims_max: config.claims_max })))
    }

    pub async fn model(&self) -> Result<&str, ChatError> {
        self.0.chat.model().await
    }

    /// Of one answer, it is asked about so many claims.
    pub fn claims_max(&self) -> usize {
        self.0.claims_max
    }

    /// Whether these sources bear the claim out.
    pub async fn opinion(&self, claim: &str, sources: &[String]) -> Result<Opinion, NoOpinion> {
        let Inner { template, deadline, .. } = self.0.as_ref();
        let messages = template.messages(context! { claim => on_one_line(claim), sources => sources.to_vec() })?;
        let asked = tokio::time::timeout(*deadline, self.text(&messages)).await;
        let text = asked.map_err(|_| NoOpinion::Late(*deadline))??;
        read(&text).ok_or(NoOpinion::Unclear)
    }

    /// What the model writes. What is cut off is no answer.
    async fn text(&self, messages: &[Message]) -> Result<String, ChatError> {
        let sampling = Sampling { temperature: Some(0.0), answer_tokens_max: Some(TOKENS_MAX) };
        let (text, finish) = self.0.chat.text(messages, sampling).await?;
        Ok(if finish == Finish::Stop { text } else { String::new() })
    }
}

fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first word after its thoughts, if that is one of the two that were asked for.
fn read(text: &str) -> Option<Opinion> {
    let said = text.rsplit(THOUGHTS_END).next().unwrap_or(text);
    let word = said.split(|c: char| !c.is_alphanumeric()).find(|word| !word.is_empty())?;
    if word.eq_ignore_ascii_case("yes") {
        Some(Opinion::Supported)
    } else if word.eq_ignore_ascii_case("no") {
        Some(Opinion::Unsupported)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_word_is_an_opinion_and_anything_else_is_none() {
        for text in ["yes", " Yes.", "**YES**", "<think>no, wait</think>\n\nyes", "yes: the port is there"] {
            assert_eq!(read(text), Some(Opinion::Supported), "{text}");
        }
        for text in ["no", "No, the sources say 2525", "\"no\""] {
            assert_eq!(read(text), Some(Opinion::Unsupported), "{text}");
        }
        for text in ["", "maybe", "The statement is true", "<think>yes", "nothing", "yesterday"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
