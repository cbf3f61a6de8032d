//! Makes a Markdown-like text piece by piece, and notes where its headings, pages and tables stand.
//!
//! Blocks are parted by one blank line. The text never passes the limit it was given: from there on nothing is added,
//! and `finish` fails. Headings are what they are called, not what the text looks like: words are never escaped, except
//! for `|` within the cells of tables.

use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::extracted::on_one_line;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::{Extracted, Heading, Table};

/// The deepest heading that Markdown has. A deeper one keeps its level and gets as many marks as this.
const HEADING_MARKS_MAX: u8 = 6;

pub(crate) fn too_much_text(bytes_max: usize) -> ExtractError {
    ExtractError::TooLarge { what: "bytes of text in the file", limit: bytes_max as u64 }
}

#[derive(Debug)]
pub(crate) struct Writer {
    text: String,
    headings: Vec<Heading>,
    pages: Vec<usize>,
    tables: Vec<Table>,
    bytes_max: usize,
    overflowed: bool,
    /// Where the table that is being written began, and how many rows it has.
    table: Option<(usize, usize)>,
}

impl Writer {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            text: String::new(),
            headings: Vec::new(),
            pages: Vec::new(),
            tables: Vec::new(),
            bytes_max,
            overflowed: false,
            table: None,
        }
    }

    /// Whether nothing more will be added: a reason to stop reading.
    pub(crate) fn is_full(&self) -> bool {
        self.overflowed
    }

    /// A page or slide begins here.
    pub(crate) fn page(&mut self) {
        self.gap();
        self.pages.push(self.text.len());
    }

    /// Nothing where the title has no words.
    pub(crate) fn heading(&mut self, level: u8, title: &str) {
        let title = on_one_line(title);
        if title.is_empty() {
            return;
        }
        self.gap();
        let start = self.text.len();
        let marks = usize::from(level.clamp(1, HEADING_MARKS_MAX));
        self.push(&"#".repeat(marks));
        self.push(" ");
        self.push(&title);
        self.push("\n");
        self.headings.push(Heading { level: level.max(1), title, start });
    }

    /// Text as it is, line breaks included.
    pub(crate) fn paragraph(&mut self, text: &str) {
        let text = text.trim_matches('\n').trim_end();
        if !text.trim().is_empty() {
            self.gap();
            self.push(text);
            self.push("\n");
        }
    }

    /// A line right below what is there.
    pub(crate) fn line(&mut self, indent: usize, text: &str) {
        for _ in 0..indent {
            self.push(" ");
        }
        self.push(text);
        self.push("\n");
    }

    /// Parts what follows from what is there.
    pub(crate) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.push(if self.text.ends_with('\n') { "\n" } else { "\n\n" });
        }
    }

    /// A fenced block, with a fence that the code does not have.
    pub(crate) fn code(&mut self, language: &str, code: &str) {
        let code = code.trim_matches('\n').trim_end();
        if code.trim().is_empty() {
            return;
        }
        let longest =
            code.lines().map(|line| line.trim_start()).map(|line| line.len() - line.trim_start_matches('`').len());
        let fence = "`".repeat(longest.max().unwrap_or(0).max(2) + 1);
        self.gap();
        for piece in [&fence, language, "\n", code, "\n", &fence, "\n"] {
            self.push(piece);
        }
    }

    /// A row of the table that is being written; the first begins it and is its head. Trailing empty cells stay away, but
    /// for the head's.
    pub(crate) fn row<C: AsRef<str>>(&mut self, cells: &[C]) {
        let (_, rows) = match self.table {
            Some(table) => table,
            None => {
                self.gap();
                *self.table.insert((self.text.len(), 0))
            }
        };
        let filled = cells.iter().rposition(|cell| !cell.as_ref().trim().is_empty()).map_or(0, |last| last + 1);
        let shown = if rows == 0 { cells.len() } else { filled };
        self.push("|");
        for cell in cells.get(..shown).unwrap_or_default() {
            self.push(" ");
            self.cell(cell.as_ref());
            self.push(" |");
        }
        self.push("\n");
        if rows == 0 {
            self.push("|");
            for _ in 0..shown {
                self.push(" --- |");
            }
            self.push("\n");
        }
        if let Some((start, rows)) = &mut self.table {
            *rows += 1;
            if *rows == 1 {
                let start = *start;
                self.tables.push(Table { span: start..self.text.len(), rows_start: self.text.len() });
            } else if let Some(table) = self.tables.last_mut() {
                table.span.end = self.text.len();
            }
        }
    }

    pub(crate) fn end_table(&mut self) {
        self.table = None;
    }

    /// Adds another text with its headings, pages and tables, its headings lowered by so many levels.
    pub(crate) fn append(&mut self, other: &Extracted, lowered: u8) {
        if other.text.trim().is_empty() {
            return;
        }
        self.gap();
        let base = self.text.len();
        self.push(&other.text);
        if self.overflowed {
            return;
        }
        self.headings.extend(other.headings.iter().map(|heading| Heading {
            level: heading.level.saturating_add(lowered),
            title: heading.title.clone(),
            start: base + heading.start,
        }));
        self.pages.extend(other.pages.iter().map(|page| base + page));
        self.tables.extend(other.tables.iter().map(|table| Table {
            span: base + table.span.start..base + table.span.end,
            rows_start: base + table.rows_start,
        }));
    }

    /// The text, titled by its first heading of the highest level unless the caller knows better.
    pub(crate) fn finish(mut self, kind: FileKind) -> Result<Extracted, ExtractError> {
        if self.overflowed {
            return Err(too_much_text(self.bytes_max));
        }
        let length = self.text.trim_end().len();
        self.text.truncate(length);
        if length > 0 {
            self.text.push('\n');
        }
        let end = self.text.len();
        self.pages.iter_mut().for_each(|page| *page = (*page).min(end));
        self.tables.iter_mut().for_each(|table| table.span.end = table.span.end.min(end));
        let title = crate::ingest::extract::markup::markdown::title_of(&self.headings);
        Ok(Extracted {
            headings: self.headings,
            pages: self.pages,
            tables: self.tables,
            title,
            ..Extracted::of(kind, self.text)
        })
    }

    /// On one line, with `|` escaped.
    fn cell(&mut self, cell: &str) {
        for (i, word) in cell.split_whitespace().enumerate() {
            if i > 0 {
                self.push(" ");
            }
            if word.contains('|') { self.push(&word.replace('|', "\\|")) } else { self.push(word) }
        }
    }

    fn push(&mut self, piece: &str) {
        if self.overflowed || piece.len() > self.bytes_max.saturating_sub(self.text.len()) {
            self.overflowed = true;
        } else {
            self.text.push_str(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_point_at_what_was_written() {
        let mut writer = Writer::new(1000);
        writer.page();
        writer.heading(2, "A \n title");
        writer.paragraph("words\n");
        writer.page();
        writer.row(&["k", "v"]);
        writer.row(&["a|b", "1\n2"]);
        writer.row(&["c", ""]);
        writer.end_table();
        writer.code("sh", "echo ```\n```");
        let made = writer.finish(FileKind::Text).expect("it fits");
        assert_eq!(
            made.text,
            "## A title\n\nwords\n\n| k | v |\n| --- | --- |\n| a\\|b | 1 2 |\n| c |\n\n````sh\necho ```\n```\n````\n"
        );
        assert_eq!(made.pages, [0, made.text.find("| k").expect("the table is there")]);
        let table = made.tables.first().expect("there is a table");
        assert_eq!(made.text.get(table.rows_start..table.span.end), Some("| a\\|b | 1 2 |\n| c |\n"));
        assert_eq!(made.title.as_deref(), Some("A title"));
    }

    #[test]
    fn a_text_beyond_the_limit_is_an_error_and_never_cut() {
        let mut writer = Writer::new(10);
        writer.paragraph("12345678901");
        writer.paragraph("1");
        assert!(writer.is_full());
        assert_eq!(writer.finish(FileKind::Text), Err(too_much_text(10)));
    }
}
