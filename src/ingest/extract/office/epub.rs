//! EPUB → the text of its chapters, in the order in which they are read.
//!
//! Chapters are web pages, so the reader of HTML reads them. A chapter that is named and can't be read is an error: a
//! book is whole, or it is not taken.

use std::collections::{HashMap, HashSet};
use std::io::{Cursor, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use crate::ingest::extract::Extracted;
use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::markup::html;
use crate::ingest::extract::markup::xml::unescaped;
use crate::ingest::extract::text::decode::{self, Declared};
use crate::ingest::extract::text::writer::Writer;

/// One chapter or table of contents, unpacked.
const CHAPTER_BYTES_MAX: u64 = 32 << 20;
/// All chapters together, unpacked.
const BOOK_BYTES_MAX: u64 = 256 << 20;

type Book<'a> = ZipArchive<Cursor<&'a [u8]>>;

pub(crate) fn extract(bytes: &[u8], bytes_max: usize) -> Result<Extracted, ExtractError> {
    let mut book = ZipArchive::new(Cursor::new(bytes)).map_err(ExtractError::damaged)?;
    let container = xml(&mut book, "META-INF/container.xml")?;
    let package = package_path(&container).ok_or_else(|| ExtractError::damaged("it does not say where its text is"))?;
    let package = Contents::read(&xml(&mut book, &package)?, &package)?;
    let mut writer = Writer::new(bytes_max);
    let mut left = BOOK_BYTES_MAX;
    for chapter in &package.chapters {
        let page = part(&mut book, chapter)?;
        left = left.checked_sub(page.len() as u64).ok_or_else(too_large)?;
        let page = html::extract(&decode::decode(&page, Declared::InHtml)?)?;
        writer.append(&page, 0);
        if writer.is_full() {
            break;
        }
    }
    let mut extracted = writer.finish(FileKind::Epub)?;
    extracted.title = package.title.or(extracted.title);
    extracted.language = package.language;
    Ok(extracted)
}

fn too_large() -> ExtractError {
    ExtractError::TooLarge { what: "unpacked bytes of the book", limit: BOOK_BYTES_MAX }
}

fn part(book: &mut Book<'_>, name: &str) -> Result<Vec<u8>, ExtractError> {
    let file = book.by_name(name).map_err(|error| ExtractError::damaged(format!("{name}: {error}")))?;
    if file.encrypted() {
        return Err(ExtractError::Encrypted);
    }
    let mut bytes = Vec::new();
    let read = file.take(CHAPTER_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| ExtractError::damaged(format!("{name}: {error}")))?;
    if bytes.len() as u64 > CHAPTER_BYTES_MAX {
        return Err(ExtractError::TooLarge { what: "bytes of a chapter", limit: CHAPTER_BYTES_MAX });
    }
    Ok(bytes)
}

fn xml(book: &mut Book<'_>, name: &str) -> Result<String, ExtractError> {
    decode::decode(&part(book, name)?, Declared::InHtml)
}

fn package_path(container: &str) -> Option<String> {
    let mut reader = Reader::from_str(container);
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) | Event::Empty(tag) if tag.local_name().as_ref() == "rootfile" => {
                return attribute(&tag, "full-path");
            }
            Event::Eof => return None,
            Event::Start(_)
            | Event::End(_)
            | Event::Empty(_)
            | Event::Text(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::DocType(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

/// What the package says of the book.
#[derive(Default)]
struct Contents {
    title: Option<String>,
    language: Option<String>,
    /// Names in the archive, each once.
    chapters: Vec<String>,
}

impl Contents {
    fn read(package: &str, path: &str) -> Result<Self, ExtractError> {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut contents = Self::default();
        let mut pages: HashMap<String, String> = HashMap::new();
        let mut seen = HashSet::new();
        let mut reader = Reader::from_str(package);
        // The element whose text comes next.
        let mut within: Option<String> = None;
        loop {
            match reader.read_event().map_err(ExtractError::damaged)? {
                Event::Start(tag) | Event::Empty(tag) => {
                    let name = tag.local_name().into_inner().to_owned();
                    match name.as_str() {
                        "item" if is_page(&tag) => {
                            let place = attribute(&tag, "href").map(|href| resolved(folder, &href));
                            pages.extend(attribute(&tag, "id").zip(place));
                        }
                        "itemref" => {
                            let page = attribute(&tag, "idref").and_then(|id| pages.get(&id).cloned());
                            contents.chapters.extend(page.filter(|page| seen.insert(page.clone())));
                        }
                        _ => {}
                    }
                    within = Some(name);
                }
                Event::Text(text) => {
                    let text = || Some(text.trim().to_owned()).filter(|text| !text.is_empty());
                    match within.as_deref() {
                        Some("title") if contents.title.is_none() => contents.title = text(),
                        Some("language") if contents.language.is_none() => {
                            contents.language = text().and_then(|code| two_letters(&code));
                        }
                        _ => {}
                    }
                }
                Event::End(_) => within = None,
                Event::Eof => return Ok(contents),
                Event::CData(_)
                | Event::Comment(_)
                | Event::Decl(_)
                | Event::PI(_)
                | Event::DocType(_)
                | Event::GeneralRef(_) => {}
            }
        }
    }
}

/// Whether it is text to read, and not the book's table of contents, which repeats its headings.
fn is_page(tag: &BytesStart<'_>) -> bool {
    let is_text = attribute(tag, "media-type").is_none_or(|kind| kind.contains("html") || kind.contains("xml"));
    let is_contents =
        attribute(tag, "properties").is_some_and(|what| what.split_whitespace().any(|what| what == "nav"));
    is_text && !is_contents
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    tag.try_get_attribute(name).ok()?.map(|found| unescaped(&found.value))
}

/// `href`, which stands in `folder`, as a name in the archive.
fn resolved(folder: &str, href: &str) -> String {
    let href = percent_decoded(href.split('#').next().unwrap_or(href));
    let mut path: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in href.split('/') {
        match step {
            "" | "." => {}
            ".." => {
                path.pop();
            }
            step => path.push(step),
        }
    }
    path.join("/")
}

fn percent_decoded(href: &str) -> String {
    let mut pieces = href.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let code = piece.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        match code {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(piece.get(2..).unwrap_or_default().as_bytes());
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(piece.as_bytes());
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| href.to_owned())
}

/// `en-GB` → `en`.
fn two_letters(code: &str) -> Option<String> {
    let code = code.split(['-', '_']).next()?.to_ascii_lowercase();
    (code.len() == 2 && code.chars().all(|c| c.is_ascii_alphabetic())).then_some(code)
}
