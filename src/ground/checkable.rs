//! Whether a piece of text says something that documents could bear out.

use crate::document::Span;

use super::claims::Kind;
use super::marks;
use super::words::{Form, Word, words};

/// With fewer words that mean something, nothing is claimed.
const CONTENT_WORDS_MIN: usize = 2;
/// A greeting that goes on for longer says something as well.
const CHATTER_WORDS_MAX: usize = 30;

/// A list's number with a full stop is no sentence.
const SENTENCE_WORDS_MIN: usize = 3;
const END_SIGNS: [char; 9] = ['.', '!', '?', '…', ':', ';', '。', '！', '？'];
/// Nothing that is written to its end has one of these last.
const DANGLING: &str = "a an the and or but nor of to for from with by at into onto as that which who whom whose because if when while \
    than is are was were be been has have had could may might must shall should would its their his her your our my these \
    via per between among through during without within about not cannot can't don't doesn't isn't aren't very";

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
/// What stands before the colon of a sentence that only introduces.
const INTRODUCING: [&str; 7] = [" is", " are", " as follows", " the following", " this", " these", " such as"];
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
    if says_something(&words) && !only_introduces(end) { Kind::Claim } else { Kind::Fragment }
}

/// "The command to list them is:" says nothing before what follows it.
fn only_introduces(end: &str) -> bool {
    let said = end.strip_suffix(':').map(|said| without_marks(said).to_lowercase());
    said.is_some_and(|said| INTRODUCING.iter().any(|last| said.ends_with(last)))
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

/// Whether the piece `text[span]` is the last of the text and stops in the middle: after a word that nothing ends with,
/// in brackets that stay open, or without a full stop where the sentences before it have one.
pub(super) fn breaks_off(text: &str, span: Span) -> bool {
    let said = without_marks(span.of(text));
    let is_last = text.get(span.end..).is_some_and(|rest| rest.trim().is_empty());
    let plain = said.trim_end_matches(['*', '_', '"', '”', '\'', '’', ')', ']', '】']);
    if !is_last || said.is_empty() || plain.ends_with(END_SIGNS) || said.starts_with('|') {
        return false;
    }
    let last = said.rsplit(|c: char| !(c.is_alphanumeric() || c == '\'')).next().unwrap_or_default().to_lowercase();
    let opens = |open: char, close: char| said.matches(open).count() > said.matches(close).count();
    said.ends_with([',', '-', '–', '—', '/', '=', '('])
        || DANGLING.split_whitespace().any(|word| word == last)
        || opens('(', ')')
        || opens('“', '”')
        || said.matches('`').count() % 2 == 1
        || others_end(text, span)
}

/// The sentence before it in the same paragraph ends with a full stop, and this one begins with a capital as that does
/// in prose: the writer sets both.
fn others_end(text: &str, span: Span) -> bool {
    if !span.of(text).starts_with(char::is_uppercase) {
        return false;
    }
    let before = text.get(..span.start).unwrap_or_default();
    let line = before.rsplit('\n').next().unwrap_or_default();
    is_closed(line) && line.split_whitespace().count() >= SENTENCE_WORDS_MIN
}

/// Whether it ends as a sentence does, citation marks left aside.
pub(crate) fn is_closed(said: &str) -> bool {
    without_marks(said).trim_end_matches(['*', '_', '"', '”', ')', ']', '】']).ends_with(['.', '!', '?'])
}

/// Without the citation marks at its end.
fn without_marks(text: &str) -> &str {
    let mut said = text.trim_end().trim_end_matches(['*', '_']);
    while let Some(mark) =
        marks::marks(said, Span { start: 0, end: said.len() }).last().filter(|mark| mark.end == said.len())
    {
        said = said.get(..mark.start).unwrap_or_default().trim_end();
    }
    said
}

/// `**A heading that is none**`.
pub(super) fn is_bold(text: &str) -> bool {
    let inside = text.trim_end_matches(':').strip_prefix("**").and_then(|rest| rest.strip_suffix("**"));
    inside.is_some_and(|inside| !inside.contains("**") && !inside.ends_with('.'))
}
