//! Citation marks in a finished text: where they stand, so that their numbers are not read as the claim's own.
//!
//! Knows `[1]`, `[1, 2]`, `[1-3]`, `[^1]`, `【1†source】`, `[Source 1]`, `(Source 1)` and, at a clause's end, `(1)`. Does not know whether such a
//! source exists; `answer/cite.rs` does.

use crate::document::Span;

/// Longest text between brackets that may still be a mark.
const MARK_BYTES_MAX: usize = 48;

/// The marks in `text[within]`, in order.
pub fn marks(text: &str, within: Span) -> Vec<Span> {
    let mut found = Vec::new();
    let mut at = within.start;
    let code = code(text, within);
    while let Some(start) =
        text.get(at..within.end).and_then(|rest| rest.find(['[', '【', '(']).map(|offset| at + offset))
    {
        let rest = text.get(start..within.end).unwrap_or_default();
        let is_code = code.iter().any(|code| code.start < start && start < code.end);
        let is_call =
            text.get(..start).is_some_and(|before| before.ends_with(|c: char| c.is_alphanumeric() || c == '_'));
        let note = if is_call { 0 } else { note_length(rest) };
        let length = if is_code { 0 } else { mark_length(rest).max(note) };
        if length > 0 {
            found.push(Span { start, end: start + length });
        }
        at = start + length.max(rest.chars().next().map_or(1, char::len_utf8));
    }
    found
}

/// Bytes of `(1)` or `(1, 2)` at the end of a clause, where some models put their marks. Before other words it counts
/// something or refers to an equation, and stays text.
pub(super) fn note_length(rest: &str) -> usize {
    let Some((inside, after)) = rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) else { return 0 };
    let numbers =
        inside.split(", ").all(|number| matches!(number.len(), 1 | 2) && number.bytes().all(|b| b.is_ascii_digit()));
    let ends = after.is_empty() || after.starts_with(['.', ',', ';', '!', '?', '\n']);
    if numbers && ends { inside.len() + 2 } else { 0 }
}

/// Inline code: what stands between two backticks, in which `argv[3]` is no mark.
fn code(text: &str, within: Span) -> Vec<Span> {
    let ticks: Vec<usize> = within.of(text).match_indices('`').map(|(at, _)| within.start + at).collect();
    ticks.chunks_exact(2).filter_map(|pair| Some(Span { start: *pair.first()?, end: *pair.last()? })).collect()
}

/// Bytes of the mark that `rest` begins with; 0 where it begins with none.
pub(super) fn mark_length(rest: &str) -> usize {
    let close = match rest.chars().next() {
        Some('[') => ']',
        Some('【') => '】',
        Some('(') => ')',
        Some(_) | None => return 0,
    };
    let Some(end) = closing(rest, close).filter(|end| *end <= MARK_BYTES_MAX) else { return 0 };
    let inside = rest.get(..end).and_then(|held| held.get(held.chars().next()?.len_utf8()..)).unwrap_or_default();
    let is_link = close == ']' && rest.get(end + 1..).is_some_and(|after| after.starts_with('('));
    let is_mark = match close {
        ')' => names_source(inside),
        '】' => names_numbers(inside.split('†').next().unwrap_or(inside)),
        _ => !is_link && (names_numbers(inside) || names_source(inside)),
    };
    if is_mark { end + close.len_utf8() } else { 0 }
}

/// Where the bracket that `rest` begins with is closed. Square ones may hold others: what is left of `[2[1]]` without
/// its inner mark would read as one.
fn closing(rest: &str, close: char) -> Option<usize> {
    if close != ']' {
        return rest.find(close);
    }
    let mut depth = 0_usize;
    for (at, c) in rest.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 1 => return Some(at),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn names_numbers(inside: &str) -> bool {
    inside.contains(|c: char| c.is_ascii_digit())
        && inside.chars().all(|c| c.is_ascii_digit() || matches!(c, ' ' | ',' | ';' | '-' | '–' | '^' | '[' | ']'))
}

/// `Source 1`, `doc 2, 3`, `passages 1 and 2`.
fn names_source(inside: &str) -> bool {
    let lower = inside.to_lowercase();
    let named = ["source", "passage", "document", "doc", "ref", "reference", "citation", "chunk", "context"];
    let rest = named.iter().filter_map(|name| lower.strip_prefix(name)).min_by_key(|rest| rest.len());
    rest.is_some_and(|rest| {
        let rest = rest.trim_start_matches(['s', '.', ':', '#', ' ']);
        rest.starts_with(|c: char| c.is_ascii_digit()) && names_numbers(&rest.replace("and", ","))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_in_parentheses_is_a_mark_at_the_end_of_a_clause_only() {
        let found = |text: &str| marks(text, Span { start: 0, end: text.len() }).len();
        assert_eq!((found("It restarts (1)."), found("It restarts (1, 2)"), found("It restarts. (1)")), (1, 1, 1));
        assert_eq!((found("Step (1) is first."), found("in (2019)."), found("`f(1)`, f(2).")), (0, 0, 0));
    }

    #[test]
    fn marks_are_told_from_other_brackets() {
        for text in
            ["[1]", "[1, 2]", "[1-3]", "[^1]", "【1】", "【3†source】", "[Source 1]", "(Source 2)", "[doc 1, 2]"]
        {
            assert_eq!(mark_length(text), text.len(), "{text}");
        }
        for text in ["[x]", "[ ]", "[1](url)", "(1)", "(2019)", "[see this]", "[", "(source code)", "[1", "x[1]"] {
            assert_eq!(mark_length(text), 0, "{text}");
        }
    }
}
