//! Where a sentence ends: the one decision that abbreviations, initials, versions, quotations and marks make hard.
//!
//! Each function looks no further than it says, so that a stream can tell when it has seen enough. None means: not yet.

use crate::document::Span;

use super::lexicon;
use super::marks;

/// Of the word after a full stop, so much is looked at.
const WORD_CHARS_MAX: usize = 24;
/// Inline code that is longer, or goes over a line's end, is a stray backtick.
const CODE_BYTES_MAX: usize = 200;
/// A mark that is not closed by then is none.
const MARK_BYTES_MAX: usize = 56;
/// The name in `name: value`.
const ENTRY_NAME_BYTES_MAX: usize = 60;
const ENTRY_BYTES_MAX: usize = 400;
const QUOTATION_BYTES_MAX: usize = 300;

/// Never at a sentence's end: a name or an example follows.
const BEFORE_MORE: &str = "mr mrs ms mx dr prof st gen col lt sgt capt cmdr adm rep sen gov rev hon pres supt e.g eg i.e ie vs cf \
    viz fig figs eq eqs sec ch chap pp vol ed eds approx ca no nos art para ref refs al mt ft messrs";
/// At a sentence's end only before a word that opens one.
const MAYBE_LAST: &str = "etc inc ltd co corp llc plc bros jr sr phd ph.d m.d b.a m.a a.m p.m u.s u.k u.n e.u d.c \
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun ave blvd rd dept univ est min max sq hr hrs";

/// The word at some place of a text that may still grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Peek<'a> {
    /// It is complete, or its first `WORD_CHARS_MAX` characters.
    Word(&'a str),
    /// The text is at its end.
    Nothing,
    Unknown,
}

pub(super) fn peek(text: &str, at: usize, ended: bool) -> Peek<'_> {
    let rest = text.get(at..).unwrap_or_default();
    for (count, (offset, c)) in rest.char_indices().enumerate() {
        if c.is_whitespace() || count == WORD_CHARS_MAX {
            return Peek::Word(rest.get(..offset).unwrap_or_default());
        }
    }
    match (ended, rest.is_empty()) {
        (true, true) => Peek::Nothing,
        (true, false) => Peek::Word(rest),
        (false, _) => Peek::Unknown,
    }
}

/// Past the inline code that the backtick at `at` opens, or past the backtick where it opens none.
pub(super) fn after_code(text: &str, at: usize, ended: bool) -> Option<usize> {
    let rest = text.get(at + 1..)?;
    for (offset, c) in rest.char_indices() {
        match c {
            '`' => return Some(at + 1 + offset + 1),
            '\n' => return Some(at + 1),
            _ if offset >= CODE_BYTES_MAX => return Some(at + 1),
            _ => {}
        }
    }
    ended.then_some(at + 1)
}

/// What stands between backticks on one line.
pub(super) fn code_spans(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..).and_then(|rest| rest.find('`')).map(|offset| at + offset) {
        let end = after_code(text, start, true).unwrap_or(start + 1);
        if text.get(..end).is_some_and(|text| text.ends_with('`')) && end > start + 2 {
            found.push(Span { start: start + 1, end: end - 1 });
        }
        at = end.max(start + 1);
    }
    found
}

/// Past the full stop at `at`, further ones, closing quotes and brackets, and citation marks after a space too.
pub(super) fn after_closers(text: &str, at: usize, ended: bool) -> Option<usize> {
    let is_closer = |c: char| {
        matches!(c, '.' | '!' | '?' | '…' | '"' | '\'' | '”' | '’' | '»' | ')' | ']' | '*' | '_' | '。' | '！' | '？')
    };
    let mut end = at;
    loop {
        let rest = text.get(end..)?;
        end += rest.len() - rest.trim_start_matches(is_closer).len();
        let rest = text.get(end..)?;
        let spaces = rest.len() - rest.trim_start_matches(' ').len();
        let after = rest.get(spaces..)?;
        match after.chars().next() {
            None => return ended.then_some(end),
            Some('[' | '【' | '(') => {}
            Some(_) => return Some(end),
        }
        let closed = after.find([']', '】', ')']).is_some_and(|close| close + 4 < after.len());
        if !closed && after.len() < MARK_BYTES_MAX && !ended {
            return None;
        }
        let length = marks::mark_length(after).max(marks::note_length(after));
        if length == 0 {
            return Some(end);
        }
        end += spaces + length;
    }
}

/// Whether a sentence ends with the full stop (or the like) between `sentence` and `next`, the word after it.
pub(super) fn is_boundary(sentence: &str, sign: &str, next: &str) -> bool {
    let said = without_marks(sentence);
    let last = said.rsplit([' ', '\n', '\t', '(', '[', '"', '“', '—']).next().unwrap_or_default();
    let opener = next.trim_start_matches(['"', '“', '\'', '‘', '(', '*', '_', '[', '`', '#']);
    let starts_lower = opener.chars().next().is_some_and(char::is_lowercase);
    let quotes = sign.contains(['"', '”', '’', ')']);
    if is_within_quotation(sentence) && !sign.contains(['"', '”']) {
        return false;
    }
    if !sign.starts_with('.') || last.is_empty() {
        // "Stop!" he said. "Yahoo! is a company" is read as two.
        return !(starts_lower && quotes);
    }
    if sign.starts_with("..") {
        return !starts_lower;
    }
    let known = last.to_lowercase();
    let is_one_of = |list: &str| list.split_whitespace().any(|entry| entry == known);
    let is_initial = last.chars().count() == 1 && last.chars().all(char::is_uppercase);
    if is_one_of(BEFORE_MORE) {
        // "The answer is no. It works": here "no" is a word, and no number follows.
        return matches!(known.as_str(), "no" | "art" | "ed" | "sec" | "al") && opens_sentence(opener);
    }
    if is_one_of(MAYBE_LAST) || is_initial || is_dotted(last) {
        return opens_sentence(opener);
    }
    if starts_lower {
        // Some people write without capitals; but after `foo.` in a list of names there is no end.
        return !quotes && last.chars().filter(|c| c.is_alphanumeric()).count() >= 3;
    }
    true
}

/// A sentence without the marks that it ends with: "… the port [1]" ends with "port".
fn without_marks(sentence: &str) -> &str {
    let mut rest = sentence.trim_end();
    while let Some(at) = rest.rfind(['[', '【']) {
        let (before, mark) = rest.split_at(at);
        if marks::mark_length(mark) != mark.len() {
            break;
        }
        rest = before.trim_end();
    }
    rest
}

/// A quotation is open at the end. One that is open for long was never one.
fn is_within_quotation(sentence: &str) -> bool {
    let straight = sentence.matches('"').count() % 2 == 1
        && sentence.rfind('"').is_some_and(|at| sentence.len() - at < QUOTATION_BYTES_MAX);
    let curly = sentence.rfind('“').is_some_and(|at| {
        sentence.len() - at < QUOTATION_BYTES_MAX && sentence.rfind('”').is_none_or(|close| close < at)
    });
    straight || curly
}

/// Begins with a capital and is a word that sentences begin with.
fn opens_sentence(word: &str) -> bool {
    let plain: String = word.chars().take_while(|c| c.is_alphabetic() || *c == '\'').collect::<String>().to_lowercase();
    word.starts_with(char::is_uppercase) && lexicon::is_function(&plain)
}

/// `U.S`, `e.g`, `a.k.a`.
fn is_dotted(word: &str) -> bool {
    word.contains('.') && word.split('.').all(|part| part.chars().count() == 1 && part.chars().all(char::is_alphabetic))
}

/// A line that is `name: value` by itself, as records and settings are written.
pub(super) fn is_entry(line: &str) -> bool {
    let line = line.trim();
    let Some((name, value)) = line.split_once(": ") else { return false };
    line.len() <= ENTRY_BYTES_MAX
        && name.len() <= ENTRY_NAME_BYTES_MAX
        && !value.trim().is_empty()
        && !name.contains(['.', '!', '?', ',', ';'])
}

/// What a record's entry says of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stance {
    Says,
    /// `wifi: no`
    Denies,
    /// `wifi: null`
    Unknown,
}

/// How a sentence that is an entry (`name: value`, or a table row of two cells) stands to its name.
pub(super) fn stance(sentence: &str) -> Stance {
    let row = sentence.trim().strip_prefix('|').and_then(|rest| rest.strip_suffix('|'));
    let value = match row {
        Some(cells) if cells.matches('|').count() == 1 => cells.rsplit('|').next(),
        Some(_) => None,
        None if is_entry(sentence) => sentence.split_once(": ").map(|(_, value)| value),
        None => None,
    };
    match value.unwrap_or_default().trim().trim_matches(['"', '\'', '`', ',', '*', '.', ' ']) {
        "None" | "null" | "nil" | "n/a" | "N/A" | "unknown" | "Unknown" | "undefined" => Stance::Unknown,
        "False" | "false" | "No" | "no" | "none" | "never" | "disabled" | "off" | "✗" | "✘" | "❌" => {
            Stance::Denies
        }
        _ => Stance::Says,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abbreviations_and_initials_end_no_sentence() {
        for (sentence, next) in [
            ("It was Dr", "Smith"),
            ("by J", "Smith"),
            ("e.g", "Rust"),
            ("in the U.S", "Army"),
            ("see fig", "3"),
            ("at 5 p.m", "on"),
            ("with etc", "and"),
            ("founded Acme Inc", "in"),
            ("No", "5"),
        ] {
            assert!(!is_boundary(sentence, ".", next), "{sentence}. {next}");
        }
        for (sentence, next) in [
            ("It ended", "Then"),
            ("in the U.S", "The"),
            ("at 5 p.m", "It"),
            ("the answer is no", "It"),
            ("it works", "you"),
            ("in 1940", "It"),
            ("the file wins [1]", "cairn"),
            ("the file wins [1, 2] [3]", "cairn"),
        ] {
            assert!(is_boundary(sentence, ".", next), "{sentence}. {next}");
        }
    }
}
