//! One section → pieces that fit, cut where it hurts least.
//!
//! text-splitter knows paragraphs, list items, sentences and syntax; what it takes for small enough is measured on
//! tokens that were counted once for a whole stretch of text. What it gives is mended: a line that leads to what follows
//! goes with it, and scraps join their neighbours. A token may come out otherwise at a cut, so every piece is tried for
//! real at the end, and halved where it is too long after all. Time grows with the length of the section: text-splitter
//! alone would look at all that is left of it for every piece.

use std::ops::Range;

use text_splitter::{ChunkConfig, ChunkSizer, MarkdownSplitter, TextSplitter};

use super::place::{Fence, best_cut, lead_in, leads, middle};
use super::table::{self, Tables};
use super::{TOKEN_BYTES_MAX, piece};
use crate::embed::TokenCounter;
use crate::ingest::extract::{FileKind, Language};

/// How many pieces of full length are split off in one go. Much fewer, and the ends of stretches, which are also the
/// ends of pieces, begin to show; many more, and the time grows with the square of them.
const STRETCH_PIECES: usize = 16;
/// A piece with less than this part of what it may have joins a neighbour where both fit into one.
const SMALL_PART: usize = 4;
/// A piece with less than this part says nothing alone (`}`, `impl Parser`): it shares its neighbour's text.
const SCRAP_PART: usize = 6;

/// What a text is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Markdown,
    Plain,
    Code(Language),
}

impl From<FileKind> for Form {
    fn from(kind: FileKind) -> Self {
        match kind {
            FileKind::Code(language) => Self::Code(language),
            FileKind::Rst | FileKind::AsciiDoc | FileKind::Text => Self::Plain,
            // Whatever else is read becomes Markdown, or like it.
            FileKind::Markdown
            | FileKind::Html
            | FileKind::Json
            | FileKind::JsonLines
            | FileKind::Xml
            | FileKind::Notebook
            | FileKind::Csv
            | FileKind::Pdf
            | FileKind::Docx
            | FileKind::Pptx
            | FileKind::Odt
            | FileKind::Odp
            | FileKind::Epub
            | FileKind::Rtf
            | FileKind::Doc
            | FileKind::Ppt
            | FileKind::Xls
            | FileKind::Xlsx
            | FileKind::Xlsb
            | FileKind::Ods
            | FileKind::Eml
            | FileKind::Msg
            | FileKind::Zip
            | FileKind::Tar
            | FileKind::Gzip
            | FileKind::Xz => Self::Markdown,
        }
    }
}

/// Splits the sections of one text.
pub(super) struct Splitter<'a> {
    pub(super) text: &'a str,
    pub(super) form: Form,
    pub(super) tables: Tables<'a>,
    pub(super) tokens: &'a TokenCounter,
    /// Whether a piece is short enough for a chunk.
    pub(super) fits: &'a dyn Fn(&Range<usize>) -> bool,
}

impl Splitter<'_> {
    /// Pieces of at most about `tokens_max` tokens that all fit, without white space around them. Only a single
    /// character that doesn't fit is a piece all the same.
    pub(super) fn split(&self, section: Range<usize>, tokens_max: usize) -> Vec<Range<usize>> {
        let section = trimmed(self.text, section);
        if section.is_empty() {
            return Vec::new();
        }
        if (self.fits)(&section) {
            return vec![section];
        }
        let (mut pieces, mut at) = (Vec::new(), section.start);
        for mut rows in self.tables.within(&section) {
            pieces.extend(self.prose(at..rows.start, tokens_max));
            at = rows.end;
            // A line that leads to the table goes with it.
            if let Some(lead) = pieces.pop_if(|last| self.is_below(last, tokens_max / SCRAP_PART)) {
                rows.start = lead.start;
            }
            for run in table::runs(self.text, rows, self.tokens, tokens_max) {
                self.push_fitting(run, &mut pieces);
            }
        }
        pieces.extend(self.prose(at..section.end, tokens_max));
        pieces
    }

    /// Pieces of what is no table.
    fn prose(&self, range: Range<usize>, tokens_max: usize) -> Vec<Range<usize>> {
        let range = trimmed(self.text, range);
        if range.is_empty() {
            return Vec::new();
        }
        let mut pieces = Vec::new();
        for (stretch, fence) in self.stretches(range, tokens_max) {
            for range in self.cut(stretch, fence, tokens_max) {
                self.push_fitting(range, &mut pieces);
            }
        }
        self.without_scraps(pieces, tokens_max)
    }

    fn is_below(&self, range: &Range<usize>, tokens: usize) -> bool {
        range.len() < tokens * TOKEN_BYTES_MAX && self.tokens.count(piece(self.text, range)) < tokens
    }

    /// `section` in parts that are split one after the other, with the code block that is open where each begins.
    fn stretches(&self, section: Range<usize>, tokens_max: usize) -> Vec<(Range<usize>, Fence)> {
        let bytes_max = tokens_max.max(1).saturating_mul(TOKEN_BYTES_MAX * STRETCH_PIECES);
        let mut stretches = Vec::new();
        let mut start = section.start;
        let mut fence = Fence::default();
        while section.end - start > bytes_max {
            let hard_end = self.text.floor_char_boundary(start + bytes_max);
            let (length, fence_there) = best_cut(piece(self.text, &(start..hard_end)), fence);
            stretches.push((start..start + length, fence));
            start += length;
            fence = fence_there;
        }
        stretches.push((start..section.end, fence));
        stretches
    }

    /// What text-splitter makes of a stretch, but that no piece of prose ends with a line that leads to what follows:
    /// the rest is split again from that line on.
    fn cut(&self, stretch: Range<usize>, fence: Fence, tokens_max: usize) -> Vec<Range<usize>> {
        let text = piece(self.text, &stretch);
        let sizer = CountedOnce { text, starts: self.tokens.starts(text) };
        let mut pieces = Vec::new();
        let mut rest = stretch.clone();
        loop {
            let mut found = self.cut_once(&rest, &sizer, tokens_max);
            let followed = found.len().saturating_sub(1);
            let leads = found.iter().take(followed).enumerate().find_map(|(i, range)| {
                let place = range.start + self.lead_in(range)?;
                let in_code = fence.over(piece(self.text, &(stretch.start..place))).is_open();
                (!in_code).then_some((i, place))
            });
            let Some((last, place)) = leads else {
                pieces.append(&mut found);
                return pieces;
            };
            pieces.extend(found.drain(..=last));
            if let Some(shortened) = pieces.last_mut() {
                shortened.end = place;
            }
            rest.start = place;
        }
    }

    fn lead_in(&self, range: &Range<usize>) -> Option<usize> {
        match self.form {
            Form::Markdown | Form::Plain => lead_in(piece(self.text, range)),
            Form::Code(_) => None,
        }
    }

    fn cut_once(&self, range: &Range<usize>, sizer: &CountedOnce, tokens_max: usize) -> Vec<Range<usize>> {
        let text = piece(self.text, range);
        let config = || ChunkConfig::new(tokens_max).with_sizer(sizer);
        let placed = |(at, found): (usize, &str)| range.start + at..range.start + at + found.len();
        let as_text = || TextSplitter::new(config()).chunk_indices(text).map(placed).collect();
        match self.form {
            Form::Markdown => MarkdownSplitter::new(config()).chunk_indices(text).map(placed).collect(),
            Form::Code(language) => match language.splitter(config()) {
                Ok(splitter) if language.can_parse(text) => splitter.chunk_indices(text).map(placed).collect(),
                Ok(_) | Err(_) => as_text(),
            },
            Form::Plain => as_text(),
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

    /// `pieces`, of which the small ones have joined a neighbour where both fit, and of which scraps have joined one
    /// even where the two together have to be cut elsewhere.
    fn without_scraps(&self, pieces: Vec<Range<usize>>, tokens_max: usize) -> Vec<Range<usize>> {
        let is_small = |range: &Range<usize>| self.is_below(range, tokens_max / SMALL_PART);
        let is_scrap = |range: &Range<usize>| self.is_below(range, tokens_max / SCRAP_PART);
        let mut joined: Vec<Range<usize>> = Vec::with_capacity(pieces.len());
        let mut pieces = pieces.into_iter().peekable();
        while let Some(range) = pieces.next() {
            let Some(last) = joined.last().cloned() else {
                joined.push(range);
                continue;
            };
            let both = last.start..range.end;
            let belongs_to_next = pieces.peek().is_some() && is_scrap(&range) && self.opens(&range);
            let belongs_to_this = is_scrap(&last) && self.opens(&last);
            let fits_small = || (is_small(&last) || is_small(&range)) && (self.fits)(&both);
            let parts_scrap = || is_scrap(&last) || is_scrap(&range);
            if belongs_to_this || (!belongs_to_next && (fits_small() || parts_scrap())) {
                joined.pop();
                self.push_fitting(both, &mut joined);
            } else {
                joined.push(range);
            }
        }
        joined
    }

    /// Whether a scrap belongs to what follows it rather than to what is before it.
    fn opens(&self, range: &Range<usize>) -> bool {
        let text = piece(self.text, range);
        match self.form {
            Form::Markdown | Form::Plain => leads(text),
            Form::Code(_) => !text.starts_with(['}', ')', ']']),
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

/// `range` without the white space at both ends.
fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let found = piece(text, &range);
    let start = range.start + (found.len() - found.trim_start().len());
    start..start + found.trim().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str, kind: FileKind, tokens_max: usize) -> Vec<&str> {
        let tokens = TokenCounter::estimate();
        let fits = |span: &Range<usize>| tokens.count(piece(text, span)) <= tokens_max;
        let tables = Tables { text, tables: &[] };
        let splitter = Splitter { text, form: kind.into(), tables, tokens: &tokens, fits: &fits };
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
    fn a_line_that_leads_to_what_follows_goes_with_it() {
        let definition = "Does it whether or not it is wise. ".repeat(9);
        for before in 1..12 {
            let text = format!("{}\n\n`--force`\n\n{definition}", "Some words about options. ".repeat(before));
            for piece in pieces(&text, FileKind::Markdown, 100) {
                assert!(!piece.ends_with("`--force`"), "{before}: {piece}");
            }
        }
    }

    #[test]
    fn code_is_cut_between_its_items() {
        let text = "fn first() {\n    one();\n}\n\nfn second() {\n    two();\n}\n";
        let expected = ["fn first() {\n    one();\n}", "fn second() {\n    two();\n}"];
        assert_eq!(pieces(text, FileKind::Code(Language::Rust), 12), expected);
    }

    #[test]
    fn no_scrap_of_code_stands_alone() {
        let body = "        self.lines.push(line.trim().to_owned());\n".repeat(24);
        let text = format!("impl Parser {{\n    fn parse(&mut self, line: &str) {{\n{body}    }}\n}}\n");
        for tokens_max in [140, 200, 300] {
            let pieces = pieces(&text, FileKind::Code(Language::Rust), tokens_max);
            assert!(pieces.iter().all(|piece| piece.len() > 100), "{pieces:#?}");
            assert!(pieces.first().is_some_and(|first| first.starts_with("impl Parser") && first.contains("push")));
        }
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
}
