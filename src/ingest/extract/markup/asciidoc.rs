//! AsciiDoc → itself, with its headings and its title.
//!
//! A heading is a line that begins with `=` (or `#`), or one with a line of the same length under it. Lines that merely
//! look so within listings, comments, tables and other blocks are not. Attributes, macros and directives stay in the
//! text as they are. After <https://docs.asciidoctor.org/asciidoc/latest/sections/titles-and-levels/>.

use crate::ingest::extract::extracted::on_one_line;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::{Extracted, Heading};

/// The deepest that AsciiDoc has, the document's title included.
const MARKS_MAX: usize = 6;
/// What underlines a title, from the document's own on.
const UNDERLINES: &[char] = &['=', '-', '~', '^', '+'];
/// How much longer or shorter than its title a line under it may be.
const UNDERLINE_SLACK: usize = 2;
/// Blocks begin and end with a line of at least so many of these.
const FENCE_CHARS_MIN: usize = 4;
const FENCES: &[char] = &['-', '.', '/', '+', '=', '*', '_'];

pub(crate) fn extract(text: String) -> Extracted {
    let headings = headings(&text);
    let title = crate::ingest::extract::markup::markdown::title_of(&headings);
    Extracted { headings, title, ..Extracted::of(FileKind::AsciiDoc, text) }
}

fn headings(text: &str) -> Vec<Heading> {
    let mut headings = Vec::new();
    // The line that will end the block which is open.
    let mut closing: Option<&str> = None;
    let mut start = 0;
    let mut lines = text.split('\n').peekable();
    while let Some(whole) = lines.next() {
        let line = whole.trim_end();
        let under = lines.peek().map_or("", |line| line.trim_end());
        let mut next = start + whole.len() + 1;
        if let Some(open) = closing {
            closing = Some(open).filter(|open| *open != line);
        } else if let Some((level, title)) = marked(line) {
            headings.push(Heading { level, title, start });
        } else if let Some(level) = underlined(line, under) {
            headings.push(Heading { level, title: plain(line), start });
            next += lines.next().map_or(0, |line| line.len() + 1);
        } else {
            closing = fence(line);
        }
        start = next;
    }
    headings.retain(|heading| !heading.title.is_empty());
    headings
}

/// `== Title ==`.
fn marked(line: &str) -> Option<(u8, String)> {
    let mark = line.chars().next().filter(|c| "=#".contains(*c))?;
    let title = line.trim_start_matches(mark);
    let level = line.len() - title.len();
    let closed = title.trim_end_matches(mark);
    let title = if title.len() - closed.len() == level { closed } else { title };
    let spaced = title.starts_with([' ', '\t']) && level <= MARKS_MAX;
    spaced.then(|| (u8::try_from(level).unwrap_or(u8::MAX), plain(title)))
}

fn underlined(line: &str, under: &str) -> Option<u8> {
    let mark = under.chars().next()?;
    let level = UNDERLINES.iter().position(|known| *known == mark)? + 1;
    let whole = under.chars().all(|c| c == mark);
    let alike = line.chars().count().abs_diff(under.len()) <= UNDERLINE_SLACK && under.len() > UNDERLINE_SLACK;
    let titled = line.starts_with(char::is_alphanumeric) || line.starts_with(['`', '{', '"', '\'', '<', '(']);
    (whole && alike && titled && !line.ends_with("::")).then(|| u8::try_from(level).unwrap_or(u8::MAX))
}

/// The line that ends the block which this line begins, if it begins one.
fn fence(line: &str) -> Option<&str> {
    const CODE: &str = "```";
    let fenced = |mark: char| line.len() >= FENCE_CHARS_MIN && line.chars().all(|c| c == mark);
    let is_block = FENCES.iter().any(|mark| fenced(*mark)) || matches!(line, "|===" | ",===" | ":===" | "!===" | "--");
    // Only this one may name a language where it begins.
    if line.starts_with(CODE) { Some(CODE) } else { is_block.then_some(line) }
}

/// Without markup, on one line.
fn plain(title: &str) -> String {
    let without_anchor = title.split("[[").map(|piece| piece.split_once("]]").map_or(piece, |(_, rest)| rest));
    on_one_line(&without_anchor.collect::<String>().replace(['`', '*'], ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(text: &str) -> Vec<(u8, String)> {
        headings(text).into_iter().map(|heading| (heading.level, heading.title)).collect()
    }

    #[test]
    fn marks_and_underlines_both_make_headings() {
        let text =
            "= The `Guide`\n:toc:\n\n== First ==\n\nText\nmore\n\nSecond\n------\n\n[[x]]\nThird one\n~~~~~~~~~\n";
        let expected = [(1, "The Guide"), (2, "First"), (2, "Second"), (3, "Third one")];
        assert_eq!(titles(text), expected.map(|(level, title)| (level, title.to_owned())));
    }

    #[test]
    fn what_looks_like_a_heading_within_a_block_is_none() {
        let text = "----\n== code\n----\n\n////\n== comment\n////\n\n|===\n|== cell\n|===\n\n```sh\n# sh\n```\n====\n== no\n====\n=no\n";
        assert_eq!(titles(text), []);
    }

    #[test]
    fn a_block_of_code_in_a_named_language_ends_like_any_other() {
        assert_eq!(titles("```sh\n== no\n```\n\n== Yes\n"), [(2, "Yes".to_owned())]);
    }

    #[test]
    fn a_heading_starts_where_its_line_starts() {
        let text = "a\n\n== B\nC\n\nDdd\n---\n";
        let starts: Vec<_> =
            headings(text).into_iter().map(|heading| text.get(heading.start..heading.start + 2)).collect();
        assert_eq!(starts, [Some("=="), Some("Dd")]);
    }
}
