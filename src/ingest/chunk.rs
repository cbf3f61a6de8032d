//! Extracted text → chunks, sized by the embedder's own tokenizer.
//!
//! Pure: the same text, limits and tokenizer always give the same chunks. Cuts at headings first, then along whatever
//! the text is made of: paragraphs, list items, sentences, syntax. Always holds: `span.of(text) == chunk.text`; spans
//! ascend, don't overlap and leave out nothing but white space; what is embedded for a chunk, its heading path and the
//! model's special tokens included, is at most `chunk_tokens_max` tokens long. Nothing is ever cut off.

mod outline;
mod place;
mod split;
mod table;

#[cfg(test)]
mod laws;

use std::ops::Range;

use crate::document::{Chunk, Span};
use crate::embed::TokenCounter;
use crate::ingest::extract::Extracted;

use outline::Outline;
use split::Splitter;
use table::Tables;

/// Part of the index's fingerprint: changes whenever the same text would be cut or embedded otherwise than before.
pub const CHUNKER_VERSION: &str = "3";

/// Between the headings of a path.
const PATH_SEPARATOR: &str = " > ";
/// Ends a title that had to be shortened.
const ELLIPSIS: char = '…';
/// A tokenizer may take a piece of text for one or two tokens more than it takes for it within the whole.
const MARGIN_TOKENS: usize = 2;
/// A heading path may always be this long, so that a title says something.
const PATH_TOKENS_MIN: usize = 8;
/// WordPiece takes any word of more than 100 characters for one token. So that such text (keys, base64) isn't packed
/// into one chunk by the megabyte, a token counts for at most so many bytes.
const TOKEN_BYTES_MAX: usize = 8;

/// How long chunks may become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkLimits {
    /// With the heading path and the model's special tokens.
    pub chunk_tokens_max: usize,
    /// A longer heading path loses its outer headings; never more than half of `chunk_tokens_max` is used.
    pub heading_tokens_max: usize,
}

/// Cuts documents into chunks.
#[derive(Clone)]
pub struct Chunker {
    tokens: TokenCounter,
    limits: ChunkLimits,
}

impl Chunker {
    pub fn new(tokens: TokenCounter, limits: ChunkLimits) -> Self {
        Self { tokens, limits }
    }

    /// The chunks of a document in reading order. None for a text without words.
    pub fn split(&self, title: &str, extracted: &Extracted) -> Vec<Chunk> {
        let (title, text) = (title.trim(), extracted.text.as_str());
        let outline = Outline::new(&extracted.headings);
        let path_of_none = self.fitted_path(title, Vec::new());
        let tables = Tables { text, tables: &extracted.tables };
        let table_head = |start: usize| tables.head(start, &self.tokens, self.limits.chunk_tokens_max);
        let mut chunks: Vec<Chunk> = Vec::new();
        for section in outline.sections(text, &self.tokens) {
            let paths: Vec<(usize, Vec<String>)> =
                outline.paths_within(&section).map(|(start, path)| (start, self.fitted_path(title, path))).collect();
            // A section has headings at its beginning only, and a chunk stands under the last that it goes past.
            let headings_at = |end: usize| paths.iter().rev().find(|(start, _)| *start < end).map(|(_, path)| path);
            let headings_of = |span: &Range<usize>| headings_at(span.end).unwrap_or(&path_of_none).as_slice();
            let fits = |span: &Range<usize>| {
                self.fits(&with_path(title, headings_of(span), table_head(span.start), piece(text, span)))
            };
            let splitter = Splitter { text, form: extracted.kind.into(), tables, tokens: &self.tokens, fits: &fits };
            let path = path_line(title, headings_of(&section));
            for span in splitter.split(section, self.body_tokens_max(&path)) {
                let ordinal = u32::try_from(chunks.len()).expect("a file has fewer than 2^32 bytes, so fewer chunks");
                let chunk = Chunk {
                    ordinal,
                    page: page(&extracted.pages, span.start),
                    headings: headings_of(&span).to_vec(),
                    table_head: table_head(span.start).map(str::to_owned),
                    text: piece(text, &span).to_owned(),
                    span: Span { start: span.start, end: span.end },
                };
                debug_assert_eq!(chunk.span.of(text), chunk.text);
                chunks.push(chunk);
            }
        }
        chunks
    }

    fn fits(&self, embedded: &str) -> bool {
        let tokens_max = self.limits.chunk_tokens_max.saturating_sub(self.tokens.special_tokens());
        !self.is_over(embedded, tokens_max)
    }

    /// Counting is slow, so texts that are too long in bytes aren't counted at all.
    fn is_over(&self, text: &str, tokens_max: usize) -> bool {
        text.len() > tokens_max.saturating_mul(TOKEN_BYTES_MAX) || self.tokens.count(text) > tokens_max
    }

    /// What the path leaves for a chunk's own text.
    fn body_tokens_max(&self, path: &str) -> usize {
        let taken = self.tokens.count(path) + self.tokens.special_tokens() + MARGIN_TOKENS;
        self.limits.chunk_tokens_max.saturating_sub(taken).max(1)
    }

    /// The headings to embed: all of `path` where it fits together with the title, else the innermost ones.
    ///
    /// Where the title itself is too long, the first heading is what was kept of it: see [`is_title`].
    fn fitted_path(&self, title: &str, path: Vec<&str>) -> Vec<String> {
        let tokens_max = self.limits.heading_tokens_max.min(self.limits.chunk_tokens_max / 2).max(PATH_TOKENS_MIN);
        let mut headings: Vec<String> = path.into_iter().map(str::to_owned).collect();
        let over = |headings: &[String]| self.is_over(&path_line(title, headings), tokens_max);
        if !over(&headings) {
            return headings;
        }
        let leads = headings.first().is_some_and(|first| is_title(first, title));
        let kept = self.shortened(title, tokens_max / 2);
        let mut droppable = usize::from(leads);
        if kept != title {
            headings.splice(..droppable, [kept]);
            droppable = 1;
        }
        while headings.len() > droppable + 1 && over(&headings) {
            headings.remove(droppable);
        }
        if headings.len() > droppable && over(&headings) {
            let innermost = headings.pop().unwrap_or_default();
            let taken = self.tokens.count(&path_line(title, &headings)) + MARGIN_TOKENS;
            headings.push(self.shortened(&innermost, tokens_max.saturating_sub(taken)));
        }
        headings
    }

    /// `title`, or as much of its beginning as `tokens_max` allows, but never less than its first character.
    fn shortened(&self, title: &str, tokens_max: usize) -> String {
        if !self.is_over(title, tokens_max) {
            return title.to_owned();
        }
        let cut = |end: usize| format!("{}{ELLIPSIS}", title.get(..end).unwrap_or(title).trim_end());
        let bytes_max = tokens_max.saturating_mul(TOKEN_BYTES_MAX);
        let ends: Vec<usize> =
            title.char_indices().skip(1).map(|(at, _)| at).take_while(|at| *at <= bytes_max.max(4)).collect();
        let fitting = ends.partition_point(|end| !self.is_over(&cut(*end), tokens_max));
        cut(ends.get(fitting.saturating_sub(1)).copied().unwrap_or(title.len()))
    }
}

/// The text that is embedded for `chunk`: its heading path on the first line, the head of its table, then its own text.
pub fn embedded_text(title: &str, chunk: &Chunk) -> String {
    with_path(title, &chunk.headings, chunk.table_head.as_deref(), &chunk.text)
}

fn with_path(title: &str, headings: &[String], table_head: Option<&str>, body: &str) -> String {
    let path = path_line(title, headings);
    let lines = [Some(path.as_str()).filter(|path| !path.is_empty()), table_head, Some(body)];
    lines.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// The page that a place is on, counted from 1.
fn page(pages: &[usize], start: usize) -> Option<u32> {
    let number = pages.partition_point(|page| *page <= start);
    u32::try_from(number).ok().filter(|number| *number > 0)
}

/// "Title > Install > Linux". The title leads unless the first heading is the title.
fn path_line(title: &str, headings: &[String]) -> String {
    let title = title.trim();
    let titled = title.is_empty() || headings.first().is_some_and(|first| is_title(first, title));
    let leading = if titled { None } else { Some(title) };
    leading.into_iter().chain(headings.iter().map(String::as_str)).collect::<Vec<_>>().join(PATH_SEPARATOR)
}

/// Whether `heading` is `title`, or what was left of it when it was shortened.
fn is_title(heading: &str, title: &str) -> bool {
    let shortened = |kept: &str| !kept.is_empty() && title.starts_with(kept);
    heading == title || heading.strip_suffix(ELLIPSIS).is_some_and(shortened)
}

fn piece<'a>(text: &'a str, span: &Range<usize>) -> &'a str {
    Span { start: span.start, end: span.end }.of(text)
}
