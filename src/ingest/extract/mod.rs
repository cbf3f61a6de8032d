//! Bytes of a file → the text that is searched, with its headings, pages, tables and title.
//!
//! In: a name and all bytes of a file. Out: its text, UTF-8 with `\n` line ends, which every span of the document points
//! into; of mails and archives, all that is in them, each part a section of its own. The same bytes always give the same text. An empty file gives an empty text, and the caller decides what that means. Does no I/O,
//! and cuts nothing off in silence: what can't be read whole is an error, and what is left out is noted.

mod archive;
mod asciidoc;
mod code;
mod csv_table;
mod decode;
mod epub;
mod error;
mod grid;
mod html;
mod joined;
mod json;
mod kind;
mod language;
mod limits;
mod mail;
mod markdown;
mod msg;
mod notebook;
mod ods;
mod office;
mod package;
mod pdf;
mod rst;
mod sheet;
mod writer;
mod xml;
mod xml_data;
mod xml_doc;

use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use code::Language;
pub use error::ExtractError;
pub use json::JsonFields;
pub use kind::FileKind;
pub use limits::ExtractLimits;
pub use pdf::Pdfium;

use archive::Packing;
use decode::Declared;
use office::Form;

/// A title goes wherever its document is named. Longer ones are paragraphs that somebody marked as headings.
const TITLE_CHARS_MAX: usize = 300;

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

/// One document of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    /// Where in the file: empty for the file's own text, else `report.pdf`, or `inner.zip!/docs/a.md`. No two parts have
    /// the same.
    path: String,
    content: Result<Extracted, ExtractError>,
}

impl Extracted {
    fn of(kind: FileKind, text: String) -> Self {
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
}

/// The text of a file. Where several documents are in it, each is a section of the text.
pub fn extract(
    name: &str,
    bytes: &[u8],
    limits: &ExtractLimits,
    pdfium: Result<Pdfium, &str>,
) -> Result<Extracted, ExtractError> {
    let mut parts = parts(name, bytes, limits, pdfium)?;
    match parts.pop() {
        Some(Part { path, content }) if parts.is_empty() && path.is_empty() => content,
        last => {
            parts.extend(last);
            joined::join(kind::detect(name, bytes)?, parts)
        }
    }
}

/// The documents in a file, one by one.
fn parts(
    name: &str,
    bytes: &[u8],
    limits: &ExtractLimits,
    pdfium: Result<Pdfium, &str>,
) -> Result<Vec<Part>, ExtractError> {
    let mut reading = Reading { limits, pdfium, parts: Vec::new(), text_bytes: 0, members: 0, unpacked_bytes: 0 };
    reading.file(name, bytes, &Place::default())?;
    match reading.parts.as_mut_slice() {
        [Part { path, content: Err(error) }] if path.is_empty() => Err(error.clone()),
        _ => Ok(reading.parts),
    }
}

/// Where in the outermost file a file stands.
#[derive(Debug, Clone, Default)]
struct Place {
    /// Empty for the outermost.
    path: String,
    archives_deep: usize,
    mails_deep: usize,
}

impl Place {
    fn member(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}!/{name}", self.path) }
    }
}

/// A file being read, and what it has come to so far.
struct Reading<'a> {
    limits: &'a ExtractLimits,
    /// Or why it is not there.
    pdfium: Result<Pdfium, &'a str>,
    parts: Vec<Part>,
    text_bytes: usize,
    members: usize,
    unpacked_bytes: u64,
}

impl Reading<'_> {
    /// Adds the parts of a file. An error is one that ends the whole reading.
    fn file(&mut self, name: &str, bytes: &[u8], place: &Place) -> Result<(), ExtractError> {
        let kind = match kind::detect(name, bytes) {
            Ok(kind) => kind,
            Err(error) => return self.part(place.path.clone(), Err(error)),
        };
        let bytes_max = self.limits.text_bytes_max;
        let text = || decode::decode(bytes, Declared::Nowhere);
        let content = match kind {
            FileKind::Markdown => text().map(|text| markdown::extract(&text)),
            FileKind::Html => decode::decode(bytes, Declared::InHtml).and_then(|page| html::extract(&page)),
            FileKind::Rst => text().map(rst::extract),
            FileKind::AsciiDoc => text().map(asciidoc::extract),
            FileKind::Text | FileKind::Code(_) => text().map(|text| Extracted::of(kind, text)),
            FileKind::Json => text().and_then(|text| json::extract(text, self.limits)),
            FileKind::JsonLines => text().and_then(|text| json::extract_lines(&text, self.limits)),
            FileKind::Xml => decode::decode(bytes, Declared::InHtml).and_then(|text| xml::extract(text, bytes_max)),
            FileKind::Notebook => text().and_then(|text| notebook::extract(text, bytes_max)),
            FileKind::Csv => text().and_then(|text| csv_table::extract(&text, bytes_max)),
            FileKind::Pdf => {
                self.pdfium.map_err(ExtractError::no_pdfium).and_then(|pdfium| pdf::extract(pdfium, bytes))
            }
            FileKind::Epub => epub::extract(bytes, bytes_max),
            FileKind::Docx => office::extract(Form::Docx, bytes, bytes_max),
            FileKind::Pptx => office::extract(Form::Pptx, bytes, bytes_max),
            FileKind::Odt => office::extract(Form::Odt, bytes, bytes_max),
            FileKind::Odp => office::extract(Form::Odp, bytes, bytes_max),
            FileKind::Rtf => office::extract(Form::Rtf, bytes, bytes_max),
            FileKind::Doc => office::extract(Form::Doc, bytes, bytes_max),
            FileKind::Ppt => office::extract(Form::Ppt, bytes, bytes_max),
            FileKind::Xlsx | FileKind::Xlsb | FileKind::Xls => sheet::extract(kind, bytes, bytes_max),
            FileKind::Ods => ods::extract(bytes, bytes_max),
            FileKind::Eml => return self.mail(bytes, place),
            FileKind::Msg => return self.msg(bytes, place),
            FileKind::Zip => return self.archive(Packing::Zip, name, bytes, place),
            FileKind::Tar => return self.archive(Packing::Tar, name, bytes, place),
            FileKind::Gzip => return self.archive(Packing::Gzip, name, bytes, place),
            FileKind::Xz => return self.archive(Packing::Xz, name, bytes, place),
        };
        self.part(place.path.clone(), content)
    }

    /// Adds a part.
    fn part(&mut self, path: String, content: Result<Extracted, ExtractError>) -> Result<(), ExtractError> {
        let content = content.map(finished);
        self.text_bytes += content.as_ref().map_or(0, |extracted| extracted.text.len());
        if self.text_bytes > self.limits.text_bytes_max {
            return Err(writer::too_much_text(self.limits.text_bytes_max));
        }
        self.parts.push(Part { path, content });
        Ok(())
    }

    /// Counts a member of an archive or an attachment of a mail.
    fn count_member(&mut self) -> Result<(), ExtractError> {
        self.members += 1;
        let limit = self.limits.members_max;
        if self.members > limit {
            return Err(ExtractError::TooLarge { what: "members of the archive", limit: limit as u64 });
        }
        Ok(())
    }
}

/// What holds for every text, whatever it was made from.
fn finished(mut extracted: Extracted) -> Extracted {
    extracted.title = extracted.title.as_deref().map(on_one_line).filter(|title| !title.is_empty()).map(bounded);
    if extracted.language.is_none() {
        extracted.language = language::of(&extracted);
    }
    extracted
}

fn bounded(title: String) -> String {
    match title.char_indices().nth(TITLE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", title.get(..end).unwrap_or_default().trim_end()),
        None => title,
    }
}

/// One line, with single spaces.
fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_never_longer_than_a_line_or_two() {
        let whole = extract("a.md", format!("# {}\n", "ü".repeat(500)).as_bytes(), &ExtractLimits::default(), Err(""));
        let title = whole.expect("it is text").title.expect("there is a heading");
        assert_eq!(title, format!("{}…", "ü".repeat(TITLE_CHARS_MAX)));
    }

    #[test]
    fn texts_beyond_the_limit_are_refused_wherever_they_stand() {
        let limits = ExtractLimits { text_bytes_max: 10, ..ExtractLimits::default() };
        assert_eq!(extract("a.txt", b"12345678901", &limits, Err("")), Err(writer::too_much_text(10)));
        assert!(extract("a.txt", b"1234567890", &limits, Err("")).is_ok());
    }
}
