//! A file being read: which reader takes it, and what it comes to when other files are in it.
//!
//! In: a name and all bytes. Out: its documents, one for most files, one for each member of an archive or attachment of
//! a mail. [`Reading::file`] is the one place that knows the reader of each kind. Limits that hold for a file and all
//! that is in it are counted here.

use super::bundle::Packing;
use super::data::{csv, json, notebook};
use super::detect::detect;
use super::error::ExtractError;
use super::extracted::Extracted;
use super::kind::FileKind;
use super::limits::ExtractLimits;
use super::markup::{asciidoc, html, markdown, rst, xml};
use super::office::document::{self, Form};
use super::office::{epub, ods, sheet};
use super::pdf::{self, Pdfium};
use super::text::decode::{self, Declared};
use super::text::writer;

/// One document of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    /// Where in the file: empty for the file's own text, else `report.pdf`, or `inner.zip!/docs/a.md`. No two parts have
    /// the same.
    pub(super) path: String,
    pub(super) content: Result<Extracted, ExtractError>,
}

/// The documents in a file, one by one.
pub(super) fn parts(
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
pub(super) struct Place {
    /// Empty for the outermost.
    pub(super) path: String,
    pub(super) archives_deep: usize,
    pub(super) mails_deep: usize,
}

impl Place {
    pub(super) fn member(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}!/{name}", self.path) }
    }
}

/// A file being read, and what it has come to so far.
pub(super) struct Reading<'a> {
    pub(super) limits: &'a ExtractLimits,
    /// Or why it is not there.
    pub(super) pdfium: Result<Pdfium, &'a str>,
    pub(super) parts: Vec<Part>,
    pub(super) text_bytes: usize,
    pub(super) members: usize,
    pub(super) unpacked_bytes: u64,
}

impl Reading<'_> {
    /// Adds the parts of a file. An error is one that ends the whole reading.
    pub(super) fn file(&mut self, name: &str, bytes: &[u8], place: &Place) -> Result<(), ExtractError> {
        let kind = match detect(name, bytes) {
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
            FileKind::Csv => text().and_then(|text| csv::extract(&text, bytes_max)),
            FileKind::Pdf => {
                self.pdfium.map_err(ExtractError::no_pdfium).and_then(|pdfium| pdf::extract(pdfium, bytes))
            }
            FileKind::Epub => epub::extract(bytes, bytes_max),
            FileKind::Docx => document::extract(Form::Docx, bytes, bytes_max),
            FileKind::Pptx => document::extract(Form::Pptx, bytes, bytes_max),
            FileKind::Odt => document::extract(Form::Odt, bytes, bytes_max),
            FileKind::Odp => document::extract(Form::Odp, bytes, bytes_max),
            FileKind::Rtf => document::extract(Form::Rtf, bytes, bytes_max),
            FileKind::Doc => document::extract(Form::Doc, bytes, bytes_max),
            FileKind::Ppt => document::extract(Form::Ppt, bytes, bytes_max),
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
    pub(super) fn part(&mut self, path: String, content: Result<Extracted, ExtractError>) -> Result<(), ExtractError> {
        let content = content.map(Extracted::finished);
        self.text_bytes += content.as_ref().map_or(0, |extracted| extracted.text.len());
        if self.text_bytes > self.limits.text_bytes_max {
            return Err(writer::too_much_text(self.limits.text_bytes_max));
        }
        self.parts.push(Part { path, content });
        Ok(())
    }

    /// Counts a member of an archive or an attachment of a mail.
    pub(super) fn count_member(&mut self) -> Result<(), ExtractError> {
        self.members += 1;
        let limit = self.limits.members_max;
        if self.members > limit {
            return Err(ExtractError::TooLarge { what: "members of the archive", limit: limit as u64 });
        }
        Ok(())
    }
}
