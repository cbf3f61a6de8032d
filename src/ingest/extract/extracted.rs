//! What a file becomes: a text, and where in it headings, pages and tables stand.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::kind::FileKind;
use super::text::language;

/// A title goes wherever its document is named. Longer ones are paragraphs that somebody marked as headings.
pub(super) const TITLE_CHARS_MAX: usize = 300;

/// One heading of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heading {
    /// 1 is the outermost.
    pub level: u8,
    /// Without markup, on one line.
    pub title: String,
    /// The byte of `text` at which the heading's line begins.
    pub start: usize,
}

/// A table of the text. `span.start..rows_start` is its head (the header line and, in Markdown, the rule below it),
/// which each chunk of later rows repeats; each row is one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub span: Range<usize>,
    pub rows_start: usize,
}

/// What a reader should know of a text beside what stands in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// So many pages have no text layer: they need text recognition.
    PagesWithoutText(u32),
    /// So many members of an archive, or attachments of a mail, are no documents: pictures, for one.
    OtherMembers(u32),
    /// So many members of an archive are links or devices, which are never followed.
    Links(u32),
    /// So many outputs of a notebook are longer than a reader wants, and end in `[…]`.
    OutputsShortened(u32),
    /// So many members of an archive, or attachments of a mail, could not be read.
    UnreadableMembers(u32),
    /// So many pages of a PDF could not be read at all.
    PagesDamaged(u32),
    /// Its markup is broken, so it is taken as plain text, markup included.
    TakenAsPlainText,
}

/// A file as text. `headings` ascend by `start`, `tables` by `span.start`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    pub kind: FileKind,
    /// Like Markdown; all offsets point into it.
    pub text: String,
    pub headings: Vec<Heading>,
    /// Byte offsets at which pages or slides begin, the first one first, ascending; empty where there are none. An empty
    /// page has the offset of the one after it.
    pub pages: Vec<usize>,
    /// Tables that can be cut between rows.
    pub tables: Vec<Table>,
    /// What the document calls itself; None where it does not say.
    pub title: Option<String>,
    /// The language that most of the text is in, as ISO 639-1 has it; None where that is not sure.
    pub language: Option<String>,
    /// What stands before the text, for machines.
    pub front_matter: Option<FrontMatter>,
    pub notes: Vec<Note>,
}

/// Settings at the head of a Markdown file, without their fences.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FrontMatter {
    Yaml(String),
    Toml(String),
    /// Begins as front matter and is none: taken for text, unless it says who may see the document.
    Broken(String),
}

impl Extracted {
    pub(super) fn of(kind: FileKind, text: String) -> Self {
        Self {
            kind,
            text,
            headings: Vec::new(),
            pages: Vec::new(),
            tables: Vec::new(),
            title: None,
            language: None,
            front_matter: None,
            notes: Vec::new(),
        }
    }

    /// With what holds for every text, whatever it was made from.
    pub(super) fn finished(mut self) -> Self {
        self.title = self.title.as_deref().map(on_one_line).filter(|title| !title.is_empty()).map(bounded);
        if self.language.is_none() {
            self.language = language::of(&self);
        }
        self
    }
}

fn bounded(title: String) -> String {
    match title.char_indices().nth(TITLE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", title.get(..end).unwrap_or_default().trim_end()),
        None => title,
    }
}

/// One line, with single spaces.
pub(super) fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
