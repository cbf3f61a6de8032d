//! A follow-up question and the conversation before it in; a question that stands by itself out.
//!
//! "And on Windows?" finds little. A chat model writes what is meant, in one call with a deadline; where there is none, or
//! what it writes is not a question about the same thing, a rule does it. None comes out where a question stands by
//! itself already. What comes out is searched for beside the question as it was asked, and shown to whoever asked: it is
//! never taken for their words. Bounds the history too.

mod rule;

use std::collections::HashSet;
use std::time::Duration;

use minijinja::context;

use super::{Question, Turn};
use crate::chat::template::Template;
use crate::chat::{ChatClient, Finish, Message, Role, Sampling};
use crate::config::{self, Condense};
use crate::embed::{Embedder, SparseEmbedder};
use rule::Leaning;

const TEMPLATE: &str = include_str!("../../config/prompts/condense.j2");
/// A rewritten question is at most so many times as long as the two that it is made of, and some more.
const LENGTH_FACTOR: usize = 2;
const LENGTH_MORE: usize = 120;
/// The share of its words that the conversation must have.
const KNOWN_SHARE_MIN: f64 = 0.5;
/// What models like to begin with.
const LABELS: [&str; 4] = ["rewritten:", "rewritten question:", "standalone question:", "question:"];

/// A question that stands by itself, made of one that does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condensed {
    pub text: String,
    pub by: CondensedBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CondensedBy {
    Model,
    Rule,
}

impl CondensedBy {
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Rule => "rule",
        }
    }
}

/// Makes questions stand by themselves.
pub struct Condenser {
    template: Template,
    condense: Condense,
    timeout: Duration,
    tokens_max: u32,
    history_tokens_max: usize,
}

impl Condenser {
    /// With the template in the binary.
    pub fn new(config: &config::Conversations) -> Result<Self, minijinja::Error> {
        Ok(Self {
            template: Template::new("condense.j2", TEMPLATE.to_owned())?,
            condense: config.condense,
            timeout: config.condense_timeout,
            tokens_max: config.condense_tokens_max,
            history_tokens_max: config.history_tokens_max,
        })
    }

    /// The question as it stands by itself. None: it does so already, or nothing is known of what it leans on.
    pub(super) async fn condense(
        &self,
        question: &Question,
        chat: Option<&ChatClient>,
        embedder: &dyn Embedder,
        sparse: &SparseEmbedder,
    ) -> Option<Condensed> {
        let earlier: Vec<&str> =
            question.history.iter().filter(|turn| turn.role == Role::User).map(|turn| turn.text.as_str()).collect();
        let leaning = rule::leaning(&question.text, sparse);
        if earlier.is_empty() || leaning == Leaning::Alone {
            return None;
        }
        let fits = |text: &String| {
            let counter = embedder.token_counter();
            counter.count(text) + counter.special_tokens() <= embedder.tokens_max()
        };
        let chat = chat.filter(|_| self.condense == Condense::Model);
        if let Some(chat) = chat {
            let history = newest(&question.history, embedder, self.history_tokens_max);
            match self.ask(chat, &question.text, &history, sparse).await {
                Asked::Same => return None,
                Asked::Rewritten(text) if fits(&text) => {
                    return Some(Condensed { text, by: CondensedBy::Model }).inspect(count);
                }
                Asked::Rewritten(_) | Asked::Nothing => {}
            }
        }
        let text = rule::condensed(&question.text, leaning, &earlier, sparse).filter(fits)?;
        Some(Condensed { text, by: CondensedBy::Rule }).inspect(count)
    }

    /// The history that is passed on.
    pub(super) fn bounded(&self, history: &[Turn], embedder: &dyn Embedder) -> Vec<Turn> {
        newest(history, embedder, self.history_tokens_max)
    }

    /// One call, within its time.
    async fn ask(&self, chat: &ChatClient, question: &str, history: &[Turn], sparse: &SparseEmbedder) -> Asked {
        let Ok(messages) = self.messages(question, history) else { return Asked::Nothing };
        match tokio::time::timeout(self.timeout, written(chat, &messages, self.tokens_max)).await {
            Ok(Some(text)) => judged(&text, question, history, sparse),
            Ok(None) | Err(_) => Asked::Nothing,
        }
    }

    fn messages(&self, question: &str, history: &[Turn]) -> Result<Vec<Message>, minijinja::Error> {
        let history: Vec<_> = history
            .iter()
            .map(|turn| {
                let role = match turn.role {
                    Role::Assistant => "Assistant",
                    Role::User | Role::System => "User",
                };
                context! { role, text => turn.text.split_whitespace().collect::<Vec<_>>().join(" ") }
            })
            .collect();
        Ok(self.template.messages(context! { history, question })?.into())
    }
}

/// What came of asking a model.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Rewritten(String),
    /// It finds that the question stands by itself.
    Same,
    Nothing,
}

fn count(condensed: &Condensed) {
    metrics::counter!("cairn_questions_condensed_total", "by" => condensed.by.name()).increment(1);
}

/// The whole text of a model. None: it failed, or was cut off.
async fn written(chat: &ChatClient, messages: &[Message], tokens_max: u32) -> Option<String> {
    let sampling = Sampling { temperature: Some(0.0), answer_tokens_max: Some(tokens_max) };
    let (text, finish) = chat.text(messages, sampling).await.ok()?;
    (finish == Finish::Stop).then_some(text)
}

/// What a model wrote, if it is a question about what the conversation is about.
fn judged(text: &str, question: &str, history: &[Turn], sparse: &SparseEmbedder) -> Asked {
    let Some(line) = text.lines().map(str::trim).find(|line| !line.is_empty()) else { return Asked::Nothing };
    let lower = line.to_ascii_lowercase();
    let label = LABELS.iter().find(|label| lower.starts_with(*label)).map_or(0, |label| label.len());
    let line = line.get(label..).unwrap_or_default().trim().trim_matches(['"', '“', '”', '*', '`']).trim();
    let last = history.iter().filter(|turn| turn.role == Role::User).map(|turn| turn.text.len()).max();
    let length_max = LENGTH_FACTOR * (question.len() + last.unwrap_or_default()) + LENGTH_MORE;
    let is_question = !question.trim_end().ends_with('?') || line.ends_with('?');
    let terms = |text: &str| -> HashSet<u32> { sparse.question(text).indices.into_iter().collect() };
    let (asked, found) = (terms(question), terms(line));
    if line.is_empty() || line.len() > length_max || !is_question || found.is_empty() {
        return Asked::Nothing;
    }
    if found == asked {
        return Asked::Same;
    }
    let said: HashSet<u32> = history.iter().flat_map(|turn| terms(&turn.text)).collect();
    let known = found.iter().filter(|term| said.contains(term) || asked.contains(term)).count();
    let keeps = asked.is_empty() || !found.is_disjoint(&asked);
    #[expect(clippy::cast_precision_loss, reason = "a question has a few words")]
    let is_known = known as f64 >= KNOWN_SHARE_MIN * found.len() as f64;
    // It must bring something along that was said before, or it is about something else.
    let brings = found.iter().any(|term| said.contains(term) && !asked.contains(term));
    if keeps && is_known && brings { Asked::Rewritten(line.to_owned()) } else { Asked::Nothing }
}

/// The newest messages that fit together, whole ones only, in their order. The last question comes along where it fits
/// by itself, however long the answer to it was: that is what a follow-up leans on.
fn newest(history: &[Turn], embedder: &dyn Embedder, tokens_max: usize) -> Vec<Turn> {
    let counter = embedder.token_counter();
    let mut left = tokens_max;
    let mut kept: Vec<Turn> = Vec::new();
    for turn in history.iter().rev() {
        let cost = counter.count(&turn.text);
        if cost > left {
            break;
        }
        left -= cost;
        kept.push(turn.clone());
    }
    if !kept.iter().any(|turn| turn.role == Role::User)
        && let Some(last) = history.iter().rfind(|turn| turn.role == Role::User)
    {
        let cost = counter.count(&last.text);
        if cost <= left {
            kept.push(last.clone());
        } else if cost <= tokens_max {
            kept = vec![last.clone()];
        }
    }
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embed::{EmbedError, Purpose, TokenCounter};

    struct Counting(TokenCounter);

    #[async_trait::async_trait]
    impl Embedder for Counting {
        async fn embed(&self, _: Purpose, _: Vec<String>) -> Result<Vec<Vec<f32>>, EmbedError> {
            Ok(Vec::new())
        }

        fn dimensions(&self) -> usize {
            1
        }

        fn tokens_max(&self) -> usize {
            512
        }

        fn token_counter(&self) -> &TokenCounter {
            &self.0
        }

        fn fingerprint(&self) -> &'static str {
            "counting"
        }
    }

    fn turn(role: Role, text: &str) -> Turn {
        Turn { role, text: text.into() }
    }

    fn texts(turns: &[Turn]) -> Vec<&str> {
        turns.iter().map(|turn| turn.text.as_str()).collect()
    }

    #[test]
    fn the_newest_messages_are_kept_whole_and_the_last_question_with_them() {
        let counting = Counting(TokenCounter::estimate()); // a token for three bytes
        let long = "x".repeat(60);
        let history = [
            turn(Role::User, "first question"),
            turn(Role::Assistant, "first answer"),
            turn(Role::User, "second question"),
            turn(Role::Assistant, &long),
        ];
        let kept = |tokens_max: usize| texts(&newest(&history, &counting, tokens_max)).join("|");
        assert_eq!(kept(1000), format!("first question|first answer|second question|{long}"));
        assert_eq!(kept(30), format!("first answer|second question|{long}"));
        assert_eq!(kept(25), format!("second question|{long}"));
        assert_eq!(kept(10), "second question", "the answer alone is longer");
        assert_eq!(kept(2), "");
    }

    #[test]
    fn what_a_model_writes_is_taken_only_where_it_is_a_question_about_the_same_thing() {
        let sparse = SparseEmbedder::new();
        let history = [turn(Role::User, "How do I install Kestrel on Debian?"), turn(Role::Assistant, "With apt [1].")];
        let asked = |text: &str| judged(text, "And on Windows?", &history, &sparse);
        let good = "How do I install Kestrel on Windows?";
        for text in [good, "\n  \"How do I install Kestrel on Windows?\"\n\nIt is clear.", &format!("Question: {good}")]
        {
            assert_eq!(asked(text), Asked::Rewritten(good.into()), "{text}");
        }
        assert_eq!(asked("And on Windows?"), Asked::Same);
        for nonsense in [
            "",
            "   \n",
            "With the installer [1].",
            "You install Kestrel on Windows with the installer.",
            "What is the boiling point of tungsten on Windows?",
            "How do I install Kestrel on Debian?",
            &format!("How do I install Kestrel on Windows {}?", "and Kestrel on Debian ".repeat(20)),
        ] {
            assert_eq!(asked(nonsense), Asked::Nothing, "{nonsense}");
        }
    }

    #[test]
    fn the_template_holds_the_conversation_and_the_question() {
        let config = config::Config::from_layers(
            None,
            &[("HOME".to_owned(), "/home/someone".to_owned())].into_iter().collect(),
            &[],
        );
        let condenser = Condenser::new(&config.unwrap().conversations).unwrap();
        let messages = condenser.messages("And on Windows?", &[turn(Role::User, "How do I\ninstall it?")]).unwrap();
        assert_eq!(messages.len(), 2);
        assert!(messages[1].content.contains("User: How do I install it?\n"), "{}", messages[1].content);
        assert!(messages[1].content.ends_with("Last question: And on Windows?\nRewritten:"));
    }
}
