//! One section → pieces that fit, cut where it hurts least.
//!
//! text-splitter knows paragraphs, list items, sentences and syntax; what it takes for small enough is measured on
//! tokens that were counted once for a whole stretch of text. A token may come out otherwise at a cut, so every piece is
//! tried for real at the end, and halved where it is too long after all. Time grows with the length of the section:
//! text-splitter alone would look at all that is left of it for every piece.

use std::ops::Range;

use text_splitter::{ChunkConfig, ChunkSizer, MarkdownSplitter, TextSplitter};

use super::{TOKEN_BYTES_MAX, piece};
use crate::embed::TokenCounter;
use crate::ingest::extract::FileKind;

/// What is split in one go. Each end is also the end of a piece, so this is many times longer than a piece.
const STRETCH_BYTES: usize = 32 << 10;

/// Splits the sections of one text.
pub(super) struct Splitter<'a> {
    pub(super) text: &'a str,
    pub(super) kind: FileKind,
    pub(super) tokens: &'a TokenCounter,
    /// Whether a piece is short enough for a chunk.
    pub(super) fits: &'a dyn Fn(&Range<usize>) -> bool,
}

impl Splitter<'_> {
    /// Pieces of about `tokens_max` tokens that all fit, without white space around them. Only a single character that
    /// doesn't fit is a piece all the same.
    pub(super) fn split(&self, section: Range<usize>, tokens_max: usize) -> Vec<Range<usize>> {
        let mut pieces = Vec::new();
        let section = trimmed(self.text, section);
        if section.is_empty() {
            return pieces;
        }
        if (self.fits)(&section) {
            return vec![section];
        }
        for stretch in self.stretches(section) {
            for range in self.cut(&stretch, tokens_max) {
                self.push_fitting(range, &mut pieces);
            }
        }
        pieces
    }

    /// `section` in parts of at most [`STRETCH_BYTES`], cut at the best line end in the second half of each.
    fn stretches(&self, section: Range<usize>) -> Vec<Range<usize>> {
        let mut stretches = Vec::new();
        let mut start = section.start;
        let mut fence = Fence::default();
        while section.end - start > STRETCH_BYTES {
            let hard_end = self.text.floor_char_boundary(start + STRETCH_BYTES);
            let (length, fence_there) = best_cut(piece(self.text, &(start..hard_end)), fence);
            stretches.push(start..start + length);
            start += length;
            fence = fence_there;
        }
        stretches.push(start..section.end);
        stretches
    }

    fn cut(&self, stretch: &Range<usize>, tokens_max: usize) -> Vec<Range<usize>> {
        let text = piece(self.text, stretch);
        let sizer = CountedOnce { text, starts: self.tokens.starts(text) };
        let config = || ChunkConfig::new(tokens_max).with_sizer(&sizer);
        let placed = |(at, found): (usize, &str)| stretch.start + at..stretch.start + at + found.len();
        let as_text = || TextSplitter::new(config()).chunk_indices(text).map(placed).collect();
        match self.kind {
            FileKind::Markdown | FileKind::Html => {
                MarkdownSplitter::new(config()).chunk_indices(text).map(placed).collect()
            }
            FileKind::Code(language) => match language.splitter(config()) {
                Ok(splitter) => splitter.chunk_indices(text).map(placed).collect(),
                Err(_) => as_text(),
            },
            FileKind::Rst | FileKind::Text => as_text(),
        }
    }

    fn push_fitting(&self, range: Range<usize>, pieces: &mut Vec<Range<usize>>) {
        let range = trimmed(self.text, range);
        if range.is_empty() {
            return;
        }
        match middle(piece(self.text, &range)) {
            Some(middle) if !(self.fits)(&range) => {
                self.push_fitting(range.start..range.start + middle, pieces);
                self.push_fitting(range.start + middle..range.end, pieces);
            }
            Some(_) | None => pieces.push(range),
        }
    }
}

/// Knows the size of every piece of a text whose tokens were counted once.
struct CountedOnce<'a> {
    text: &'a str,
    /// Where each token of `text` starts, ascending.
    starts: Vec<usize>,
}

impl ChunkSizer for CountedOnce<'_> {
    /// `chunk` must be a slice of `text` itself, as text-splitter's are; its place in it is taken from its address.
    fn size(&self, chunk: &str) -> usize {
        let start = chunk.as_ptr().addr().saturating_sub(self.text.as_ptr().addr());
        let tokens_before = |place: usize| self.starts.partition_point(|token| *token < place);
        let tokens = tokens_before(start + chunk.len()) - tokens_before(start);
        tokens.max(chunk.len().div_ceil(TOKEN_BYTES_MAX))
    }
}

/// The mark of the Markdown code block that is open at some line, if one is.
#[derive(Clone, Copy, Default)]
struct Fence(Option<&'static str>);

impl Fence {
    fn after(self, line: &str) -> Self {
        let line = line.trim_start();
        match self.0 {
            Some(mark) if line.starts_with(mark) => Self(None),
            Some(mark) => Self(Some(mark)),
            None => Self(["```", "~~~"].into_iter().find(|mark| line.starts_with(mark))),
        }
    }
}

/// The byte of `stretch` to cut before, and the code block that is open there: the last line in the second half that
/// begins something, that is, follows a blank line, isn't indented and is in no code block; else the last line; else
/// the end.
fn best_cut(stretch: &str, mut fence: Fence) -> (usize, Fence) {
    let (mut best, mut last_line) = (None, None);
    let mut start = 0;
    let mut after_blank = false;
    for line in stretch.split_inclusive('\n') {
        if start > stretch.len() / 2 {
            last_line = Some((start, fence));
            if after_blank && fence.0.is_none() && !line.starts_with([' ', '\t', '\n', '}', ')', ']']) {
                best = last_line;
            }
        }
        fence = fence.after(line);
        after_blank = line.trim().is_empty();
        start += line.len();
    }
    best.or(last_line).unwrap_or((stretch.len(), fence))
}

/// Where to halve a text that has no white space at its ends: before a line near its middle, else before a word, else
/// before a character. None where there is but one character.
fn middle(text: &str) -> Option<usize> {
    let half = text.floor_char_boundary(text.len() / 2);
    if half == 0 {
        let first = text.chars().next()?.len_utf8();
        return (first < text.len()).then_some(first);
    }
    let quarter = text.floor_char_boundary(text.len() / 4);
    let before = text.get(quarter..half)?;
    let line_or_word = before.rfind('\n').or_else(|| before.rfind(char::is_whitespace));
    Some(line_or_word.map_or(half, |at| quarter + at))
}

/// `range` without the white space at both ends.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let found = piece(text, &range);
    let start = range.start + (found.len() - found.trim_start().len());
    start..start + found.trim().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces<'a>(text: &'a str, kind: FileKind, tokens_max: usize) -> Vec<&'a str> {
        let tokens = TokenCounter::estimate();
        let fits = |span: &Range<usize>| tokens.count(piece(text, span)) <= tokens_max;
        let splitter = Splitter { text, kind, tokens: &tokens, fits: &fits };
        splitter.split(0..text.len(), tokens_max).iter().map(|span| piece(text, span)).collect()
    }

    #[test]
    fn a_section_that_fits_is_one_piece() {
        assert_eq!(pieces("\n  # A\n\nb\n\n", FileKind::Markdown, 10), ["# A\n\nb"]);
    }

    #[test]
    fn markdown_is_cut_between_its_blocks() {
        let text = "First paragraph of it.\n\n- one item\n- another\n\nLast paragraph of it.";
        let expected = ["First paragraph of it.", "- one item\n- another", "Last paragraph of it."];
        assert_eq!(pieces(text, FileKind::Markdown, 9), expected);
    }

    #[test]
    fn code_is_cut_between_its_items() {
        let text = "fn first() {\n    one();\n}\n\nfn second() {\n    two();\n}\n";
        let expected = ["fn first() {\n    one();\n}", "fn second() {\n    two();\n}"];
        assert_eq!(pieces(text, FileKind::Code(crate::ingest::extract::Language::Rust), 12), expected);
    }

    #[test]
    fn one_endless_word_is_cut_and_not_dropped() {
        let word = "ü日x".repeat(1000);
        let pieces = pieces(&word, FileKind::Text, 20);
        assert_eq!(pieces.concat(), word);
        assert!(pieces.iter().all(|piece| piece.len() <= 60));
    }

    #[test]
    fn a_character_that_does_not_fit_stays() {
        assert_eq!(pieces("日本", FileKind::Text, 0), ["日", "本"]);
    }

    #[test]
    fn a_long_text_is_parted_where_something_begins() {
        let paragraph = format!("{}\n\n", "A line that says something.\n".repeat(40));
        let text = paragraph.repeat(60);
        let (length, _) = best_cut(text.get(..STRETCH_BYTES).expect("it is ASCII"), Fence::default());
        assert_eq!(length % paragraph.len(), 0);
        assert!(length > STRETCH_BYTES / 2);
    }

    #[test]
    fn a_long_text_is_not_parted_inside_a_code_block_if_it_can_be_helped() {
        let block = format!("Prose.\n\n```\n{}```\n\n", "code\n\ncode\n".repeat(100));
        let text = block.repeat(60);
        let (length, fence) = best_cut(text.get(..STRETCH_BYTES).expect("it is ASCII"), Fence::default());
        assert!(fence.0.is_none());
        assert!(text.get(length..).is_some_and(|rest| rest.starts_with("Prose.") || rest.starts_with("```\ncode")));
    }
}
