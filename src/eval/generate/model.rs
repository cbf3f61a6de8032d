//! Questions by a chat model: one call for a section, an answer in JSON that is checked before it counts.
//!
//! A reply that is no JSON, quotes what the section doesn't say, or asks what no person would ask is refused and counted.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use serde::Deserialize;

use super::made::Draft;
use super::outline::{Section, sections};
use super::{Plan, readable};
use crate::chat::{ChatClient, ChatEvent, Message, Role, Sampling};
use crate::eval::case::{Gold, MadeBy};
use crate::eval::index::{Document, Index};
use crate::eval::stats::random::Random;
use crate::eval::wording::on_one_line;

/// Calls at the same time.
const CONCURRENCY: usize = 4;
const CALL_TIME_MAX: Duration = Duration::from_secs(120);
const REPLY_BYTES_MAX: usize = 8 * 1024;
const REPLY_TOKENS_MAX: u32 = 300;
/// Of a section that is shown.
const SECTION_CHARS_MAX: usize = 3_000;
const SECTION_WORDS_MIN: usize = 25;
/// A quotation that is shorter stands anywhere.
const QUOTE_WORDS_MIN: usize = 4;

const SYSTEM: &str = "You write questions that test a search system over documents. You are given one section of a document. \
    Write one question that a person who has never seen the document would type, and that the section answers. Name what it \
    is about; never say \"the section\" or \"the text\". Reply with one JSON object and nothing else: \
    {\"question\": \"…\", \"quote\": \"the sentence of the section that answers it, word for word\"}";

/// What a model wrote, and what of it was refused.
#[derive(Debug, Default)]
pub(super) struct Written {
    pub(super) drafts: Vec<Draft>,
    pub(super) refused: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct Reply {
    question: String,
    quote: String,
}

/// A section to be asked about.
struct Shown {
    document: String,
    text: String,
}

/// Asks about sections that the seed chooses, `calls_max` of them at most.
pub(super) async fn drafts(
    index: &Index,
    documents: &[&Document],
    plan: &Plan,
    told: &impl Fn(&str, usize, usize),
) -> anyhow::Result<Written> {
    let chat = index
        .app
        .answerer
        .chat
        .as_ref()
        .context("no chat endpoint is set up: set chat.base_url, or leave --chat out")?;
    let mut shown: Vec<Shown> = documents.iter().flat_map(|document| of_document(document)).collect();
    Random::new(plan.seed).shuffle(&mut shown);
    shown.truncate(plan.calls_max);
    let mut written = Written::default();
    let calls = shown.iter().map(|shown| call(chat, shown));
    let mut calls = futures::stream::iter(calls).buffered(CONCURRENCY);
    let mut done = 0;
    while let Some(drafted) = calls.next().await {
        match drafted {
            Ok(draft) => written.drafts.push(draft),
            Err(why) => *written.refused.entry(why).or_default() += 1,
        }
        done += 1;
        told("writing", done, shown.len());
    }
    Ok(written)
}

fn of_document(document: &Document) -> Vec<Shown> {
    let text = |section: &Section| {
        let sentences = section.sentences.iter().map(|sentence| sentence.text.as_str());
        let rows = section.rows.iter().map(|row| row.text.as_str());
        let all = sentences.chain(rows).collect::<Vec<_>>().join("\n");
        format!("{}\n\n{}", section.heading, all.chars().take(SECTION_CHARS_MAX).collect::<String>())
    };
    let shown = sections(&document.text)
        .iter()
        .map(text)
        .map(|text| Shown { document: document.name.clone(), text })
        .collect::<Vec<_>>();
    shown.into_iter().filter(|shown| shown.text.split_whitespace().count() >= SECTION_WORDS_MIN).collect()
}

async fn call(chat: &ChatClient, shown: &Shown) -> Result<Draft, String> {
    let reply = tokio::time::timeout(CALL_TIME_MAX, reply(chat, &shown.text)).await;
    let reply = reply.map_err(|_| format!("no reply within {} s", CALL_TIME_MAX.as_secs()))??;
    read(&reply, shown)
}

async fn reply(chat: &ChatClient, section: &str) -> Result<String, String> {
    let message = |role: Role, content: &str| Message { role, content: content.to_owned() };
    let messages = [message(Role::System, SYSTEM), message(Role::User, section)];
    let sampling = Sampling { temperature: Some(0.0), answer_tokens_max: Some(REPLY_TOKENS_MAX) };
    let mut pieces = chat.stream(&messages, sampling).await.map_err(|error| error.to_string())?;
    let mut reply = String::new();
    while let Some(piece) = pieces.next().await {
        match piece.map_err(|error| error.to_string())? {
            ChatEvent::Text(text) => reply.push_str(&text),
            ChatEvent::End { .. } => break,
        }
        if reply.len() > REPLY_BYTES_MAX {
            return Err("the reply is too long".to_owned());
        }
    }
    Ok(reply)
}

/// A reply as a draft, or what is wrong with it.
fn read(reply: &str, shown: &Shown) -> Result<Draft, String> {
    let json = reply.find('{').zip(reply.rfind('}')).and_then(|(start, end)| reply.get(start..=end));
    let reply: Option<Reply> = json.and_then(|json| serde_json::from_str(json).ok());
    let Reply { question, quote } = reply.ok_or("the reply is no such JSON as was asked for")?;
    let quote = quote.trim().trim_matches('"').to_owned();
    let is_long = quote.split_whitespace().count() >= QUOTE_WORDS_MIN;
    if !is_long || !on_one_line(&shown.text).contains(&on_one_line(&quote)) {
        return Err("the quotation is not in the section".to_owned());
    }
    let question = readable::finished(&question);
    if !readable::is_readable(&question) {
        return Err("the question reads like none".to_owned());
    }
    let gold = Gold { document: shown.document.clone(), text: quote };
    Ok(Draft { question, by: MadeBy::Model, sources: vec![gold], facts: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_counts_only_if_it_is_json_that_quotes_the_section() {
        let shown =
            Shown { document: "a.md".into(), text: "Ports\n\nThe relay listens on port 2525.\nIt waits.".into() };
        let whole = "```json\n{\"question\": \"Which port does the relay listen on\", \"quote\": \"The relay listens on port 2525.\"}\n```";
        let draft = read(whole, &shown).unwrap();
        assert_eq!((draft.question.as_str(), draft.by), ("Which port does the relay listen on?", MadeBy::Model));
        for (reply, why) in [
            ("Which port does it listen on?", "no such JSON"),
            ("{\"question\": \"Which port?\"}", "no such JSON"),
            (&whole.replace("2525.\"", "25.\""), "not in the section"),
            (&whole.replace("Which port does the relay listen on", "Why is that"), "reads like none"),
        ] {
            assert!(read(reply, &shown).unwrap_err().contains(why), "{reply}");
        }
    }
}
