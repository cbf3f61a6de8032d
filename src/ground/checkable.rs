//! Whether a piece of text says something that documents could bear out.

use crate::document::Span;

use super::claims::Kind;
use super::words::{Form, Word, words};

/// With fewer words that mean something, nothing is claimed.
const CONTENT_WORDS_MIN: usize = 2;
/// A greeting that goes on for longer says something as well.
const CHATTER_WORDS_MAX: usize = 30;

const CHATTER: [&str; 22] = [
    "sure",
    "certainly",
    "of course",
    "absolutely",
    "great question",
    "good question",
    "hello",
    "hi ",
    "thank you",
    "thanks",
    "you're welcome",
    "i hope",
    "hope this",
    "let me know",
    "feel free",
    "please let me",
    "if you have any",
    "if you need any",
    "as an ai",
    "i'm sorry",
    "i am sorry",
    "i'd be happy",
];
const INTRODUCES: [&str; 9] = [
    "here is",
    "here's",
    "here are",
    "below is",
    "below are",
    "the following",
    "in summary:",
    "to summarize:",
    "based on the",
];
/// Who is said to be silent…
const SOURCES: [&str; 12] = [
    "document",
    "passage",
    "source",
    "context",
    "text",
    "article",
    "information",
    "excerpt",
    "material",
    "section",
    "reference",
    "data",
];
/// … and how.
const SILENT: [&str; 22] = [
    "does not say",
    "do not say",
    "doesn't say",
    "don't say",
    "does not mention",
    "do not mention",
    "doesn't mention",
    "don't mention",
    "does not provide",
    "do not provide",
    "doesn't provide",
    "don't provide",
    "does not specify",
    "do not specify",
    "does not contain",
    "do not contain",
    "does not include",
    "do not include",
    "not mentioned in",
    "not provided in",
    "not specified in",
    "no information",
];
const CANNOT_TELL: [&str; 7] = [
    "i don't know",
    "i do not know",
    "i couldn't find",
    "i could not find",
    "i cannot answer",
    "i can't answer",
    "unable to answer",
];

/// What a sentence or row is; `Claim` unless there is nothing in it to check.
pub(super) fn kind(text: &str) -> Kind {
    let lower = text.to_lowercase().replace('’', "'");
    let said = lower.trim_start_matches(['*', '_', '"', '“', '(', ' ']);
    let end = text.trim_end_matches(['"', '”', '*', '_', ')', ' ']);
    let words = words(text, Span { start: 0, end: text.len() });
    if end.ends_with('?') {
        return Kind::Question;
    }
    if is_chatter(said, end, words.len()) {
        return Kind::Chatter;
    }
    if is_about_sources(said) {
        return Kind::AboutSources;
    }
    if says_something(&words) { Kind::Claim } else { Kind::Fragment }
}

fn is_chatter(said: &str, end: &str, count: usize) -> bool {
    let greets = CHATTER.iter().any(|start| said.starts_with(start)) && count <= CHATTER_WORDS_MAX;
    let introduces = INTRODUCES.iter().any(|start| said.starts_with(start)) && end.ends_with(':');
    greets || introduces
}

fn is_about_sources(said: &str) -> bool {
    let silent = SILENT.iter().any(|how| said.contains(how)) && SOURCES.iter().any(|who| said.contains(who));
    silent || CANNOT_TELL.iter().any(|how| said.contains(how))
}

fn says_something(words: &[Word]) -> bool {
    let content = words.iter().filter(|word| word.is_content()).count();
    let exact = words.iter().any(|word| matches!(word.form, Form::Number | Form::Mixed));
    content >= CONTENT_WORDS_MIN || (content == 1 && exact && words.len() > 1)
}

/// `**A heading that is none**`.
pub(super) fn is_bold(text: &str) -> bool {
    let inside = text.trim_end_matches(':').strip_prefix("**").and_then(|rest| rest.strip_suffix("**"));
    inside.is_some_and(|inside| !inside.contains("**") && !inside.ends_with('.'))
}
