//! Word, PowerPoint, OpenDocument and RTF → Markdown-like text, through the crate `anydoc`.
//!
//! Headings, lists, tables, notes and the slides' places are kept; links and emphasis leave only their words, pictures
//! nothing. Words are never escaped. The library's own bounds on unpacking, nesting and repetition hold, and passing one
//! is an error. Only this file knows the library.

use std::io::{Cursor, Read};

use anydoc::model::{Block, Cell, CellSlot, Document, Inline, List, Table, TableKind};
use anydoc::{ConvertError, Format};
use quick_xml::Reader;
use quick_xml::events::Event;
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

use crate::ingest::extract::Extracted;
use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::office::package::{self, PackageLimits};
use crate::ingest::extract::text::writer::Writer;

/// The library holds a part as a tree that takes about half a kilobyte of memory for an element.
const PACKAGE_LIMITS: PackageLimits =
    PackageLimits { part_bytes_max: 64 << 20, all_bytes_max: 256 << 20, part_elements_max: Some(600_000) };
/// Parts of a package that hold no text. They are left out before the library sees them, since it would keep them.
const MEDIA_FOLDERS: &[&str] =
    &["word/media/", "word/embeddings/", "word/fonts/", "ppt/media/", "ppt/embeddings/", "ppt/fonts/", "Pictures/"];
const PRESENTATION: &str = "ppt/presentation.xml";
const SLIDES: &str = "ppt/slides/";
const SLIDE_LINK: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/slide";
const LINKS_HEAD: &str = "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">";
const LINKS_END: &str = "</Relationships>";
/// How the library names the beginning of a slide that a link leads to: `slide-7`.
const SLIDE_ANCHOR: &str = "slide-";
/// The parts that are read here. They are small, or they are not what they seem.
const SMALL_PART_BYTES_MAX: u64 = 1 << 20;
/// What programs put where nobody gave a title.
const NO_TITLES: &[&str] = &["powerpoint presentation", "presentation", "slide 1", "document", "untitled", "title"];

/// What the library reads for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Docx,
    Pptx,
    Odt,
    Odp,
    Rtf,
    Doc,
    Ppt,
}

impl Form {
    fn kind(self) -> FileKind {
        match self {
            Self::Docx => FileKind::Docx,
            Self::Pptx => FileKind::Pptx,
            Self::Odt => FileKind::Odt,
            Self::Odp => FileKind::Odp,
            Self::Rtf => FileKind::Rtf,
            Self::Doc => FileKind::Doc,
            Self::Ppt => FileKind::Ppt,
        }
    }

    fn format(self) -> Format {
        match self {
            Self::Docx => Format::Docx,
            Self::Pptx => Format::Pptx,
            Self::Odt => Format::Odt,
            Self::Odp => Format::Odp,
            Self::Rtf => Format::Rtf,
            Self::Doc => Format::Doc,
            Self::Ppt => Format::Ppt,
        }
    }

    fn is_package(self) -> bool {
        match self {
            Self::Docx | Self::Pptx | Self::Odt | Self::Odp => true,
            Self::Rtf | Self::Doc | Self::Ppt => false,
        }
    }
}

pub(crate) fn extract(form: Form, bytes: &[u8], bytes_max: usize) -> Result<Extracted, ExtractError> {
    let (kind, format) = (form.kind(), form.format());
    let package = if form.is_package() {
        package::check(bytes, PACKAGE_LIMITS)?;
        Some(Package::open(bytes)?)
    } else {
        None
    };
    let source = package.as_ref().map_or(bytes, |package| package.bytes.as_slice());
    let slides = package.as_ref().and_then(|package| package.slides);
    if slides == Some(0) {
        return Ok(Extracted::of(kind, String::new()));
    }
    let document = anydoc::to_document(source, format).map_err(|error| refused(error, format))?;
    let mut extracted = write(&document, kind, bytes_max)?;
    // The library leaves out what it can't read, and says nothing.
    if slides.is_some_and(|slides| extracted.pages.len() < slides) {
        return Err(ExtractError::damaged("not all of its slides can be read"));
    }
    if extracted.title.is_none() {
        extracted.title = package.and_then(|package| package.title);
    }
    Ok(extracted)
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the library's errors may become more")]
fn refused(error: ConvertError, format: Format) -> ExtractError {
    match error {
        ConvertError::Encrypted => ExtractError::Encrypted,
        ConvertError::ResourceLimit { limit: "max_xml_depth", .. } => {
            ExtractError::TooDeep { what: "elements of the document", limit: 256 }
        }
        ConvertError::ResourceLimit { limit, detail } => ExtractError::damaged(format!("{limit}: {detail}")),
        // Word 6 and 95, whose files look alike from outside.
        ConvertError::Malformed { detail, .. } if format == Format::Doc && detail.contains("FIB magic") => {
            ExtractError::Unsupported { what: "a Word document of before 1997", instead: "save it as .docx" }
        }
        ConvertError::Unsupported(_) => {
            ExtractError::Unsupported { what: "this form of document", instead: "save it as .docx or .pptx" }
        }
        error => ExtractError::damaged(error),
    }
}

/// A ZIP package as the library gets it.
struct Package {
    bytes: Vec<u8>,
    /// How many slides the presentation shows, hidden ones included; None if it is none.
    slides: Option<usize>,
    title: Option<String>,
}

impl Package {
    /// `bytes` without pictures, and with a link from each slide to itself: the library marks the beginning of slides
    /// that are linked to, and of no others.
    fn open(bytes: &[u8]) -> Result<Self, ExtractError> {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(ExtractError::damaged)?;
        let mut lean = ZipWriter::new(Cursor::new(Vec::new()));
        let mut slides = Vec::new();
        let mut titles = [None, None];
        for index in 0..archive.len() {
            let Ok(file) = archive.by_index_raw(index) else { continue };
            let Ok(name) = file.name().map(|name| name.into_owned()) else { continue };
            if MEDIA_FOLDERS.iter().any(|folder| name.starts_with(folder)) || file.is_dir() {
                continue;
            }
            let slide = name.strip_prefix(SLIDES);
            if slide.is_some_and(|slide| slide.starts_with("_rels/")) {
                continue; // Written below.
            }
            slides.extend(slide.filter(|slide| slide.ends_with(".xml") && !slide.contains('/')).map(str::to_owned));
            lean.raw_copy_file(file).map_err(ExtractError::damaged)?;
        }
        for (part, title) in ["docProps/core.xml", "meta.xml"].into_iter().zip(&mut titles) {
            *title = small_part(&mut archive, part).as_deref().and_then(title_in);
        }
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for slide in &slides {
            let part = format!("{SLIDES}_rels/{slide}.rels");
            let links = small_part(&mut archive, &part).filter(|links| links.contains(LINKS_END));
            let links = links.unwrap_or_else(|| format!("{LINKS_HEAD}{LINKS_END}"));
            let own = format!("<Relationship Id=\"itself\" Type=\"{SLIDE_LINK}\" Target=\"{slide}\"/>{LINKS_END}");
            lean.start_file(part, stored).map_err(ExtractError::damaged)?;
            std::io::Write::write_all(&mut lean, links.replacen(LINKS_END, &own, 1).as_bytes())
                .map_err(ExtractError::damaged)?;
        }
        let slides = small_part(&mut archive, PRESENTATION).map(|presentation| slides_in(&presentation));
        let bytes = lean.finish().map_err(ExtractError::damaged)?.into_inner();
        let [core, meta] = titles;
        Ok(Self { bytes, slides, title: core.or(meta) })
    }
}

fn small_part(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Option<String> {
    let mut text = String::new();
    archive.by_name(name).ok()?.take(SMALL_PART_BYTES_MAX).read_to_string(&mut text).ok()?;
    Some(text)
}

/// How many slides a presentation has by its own list.
fn slides_in(presentation: &str) -> usize {
    let mut reader = Reader::from_str(presentation);
    let mut slides = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) if tag.local_name().as_ref() == "sldId" => {
                // Lists of other kinds have slides too, by another id. This one's has a prefix: `r:id`.
                let mut attributes = tag.attributes();
                let mut ids = attributes.with_checks(false).filter_map(Result::ok).map(|attribute| attribute.key);
                slides += usize::from(ids.any(|key| key.prefix().is_some() && key.local_name().as_ref() == "id"));
            }
            Ok(Event::Eof) | Err(_) => return slides,
            Ok(_) => {}
        }
    }
}

/// What stands in `<dc:title>`.
fn title_in(about: &str) -> Option<String> {
    let (_, rest) = about.split_once("<dc:title>")?;
    let (title, _) = rest.split_once("</dc:title>")?;
    let title = quick_xml::escape::unescape(title).ok()?;
    let title = title.trim();
    (!title.is_empty() && !NO_TITLES.contains(&title.to_lowercase().as_str())).then(|| title.to_owned())
}

fn write(document: &Document, kind: FileKind, bytes_max: usize) -> Result<Extracted, ExtractError> {
    let mut writer = Writer::new(bytes_max);
    for block in &document.blocks {
        if kind == FileKind::Pptx && is_slide_start(block) {
            writer.page();
        } else {
            write_block(&mut writer, block, 0);
        }
    }
    for (i, note) in document.notes.iter().enumerate() {
        let text = blocks_text(&note.blocks);
        if !text.trim().is_empty() {
            writer.paragraph(&format!("[^{}]: {}", i + 1, crate::ingest::extract::extracted::on_one_line(&text)));
        }
    }
    writer.finish(kind)
}

fn is_slide_start(block: &Block) -> bool {
    match block {
        Block::Paragraph(inlines) => {
            matches!(inlines.as_slice(), [Inline::Anchor(anchor)] if anchor.starts_with(SLIDE_ANCHOR))
        }
        Block::Heading { .. }
        | Block::List(_)
        | Block::Table(_)
        | Block::BlockQuote(_)
        | Block::CodeBlock { .. }
        | Block::Rule
        | Block::Math(_) => false,
    }
}

/// `indent` is that of the list item which the block stands in.
fn write_block(writer: &mut Writer, block: &Block, indent: usize) {
    match block {
        Block::Heading { level, content, .. } => writer.heading(*level, &inline_text(content)),
        Block::Paragraph(inlines) => write_indented(writer, &inline_text(inlines), indent),
        Block::List(list) => {
            if indent == 0 {
                writer.gap();
            }
            write_list(writer, list, indent);
        }
        Block::Table(table) => write_table(writer, table, indent),
        Block::BlockQuote(blocks) => {
            let text = blocks_text(blocks);
            let quoted: Vec<_> = text.lines().map(|line| format!("> {line}")).collect();
            write_indented(writer, &quoted.join("\n"), indent);
        }
        Block::CodeBlock { lang, text } => writer.code(lang.as_deref().unwrap_or_default(), text),
        Block::Rule => {}
        Block::Math(formula) => write_indented(writer, &format!("$${}$$", formula.trim()), indent),
    }
}

fn write_indented(writer: &mut Writer, text: &str, indent: usize) {
    if indent == 0 {
        writer.paragraph(text);
    } else {
        text.lines().filter(|line| !line.trim().is_empty()).for_each(|line| writer.line(indent, line.trim()));
    }
}

fn write_list(writer: &mut Writer, list: &List, indent: usize) {
    for (item, number) in list.items.iter().zip(list.start..) {
        let mark = match &item.marker_label {
            Some(label) => format!("- {}", crate::ingest::extract::extracted::on_one_line(label)),
            None => list.marker.label(number),
        };
        let mut blocks = item.blocks.iter();
        match blocks.next() {
            Some(Block::Paragraph(inlines)) => {
                let text = inline_text(inlines);
                let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
                writer.line(indent, format!("{mark} {}", lines.next().unwrap_or_default()).trim_end());
                lines.for_each(|line| writer.line(indent + 2, line));
            }
            Some(other) => {
                writer.line(indent, &mark);
                write_block(writer, other, indent + 2);
            }
            None => writer.line(indent, &mark),
        }
        blocks.for_each(|block| write_block(writer, block, indent + 2));
    }
}

fn write_table(writer: &mut Writer, table: &Table, indent: usize) {
    if table.kind == TableKind::Layout && table.is_single_cell() {
        let cell = table.grid.first().and_then(|row| row.first()).and_then(origin);
        cell.into_iter().flat_map(|cell| &cell.blocks).for_each(|block| write_block(writer, block, indent));
        return;
    }
    for row in &table.grid {
        let cells: Vec<_> =
            row.iter().map(|slot| origin(slot).map(|cell| blocks_text(&cell.blocks)).unwrap_or_default()).collect();
        if cells.iter().any(|cell| !cell.trim().is_empty()) {
            writer.row(&cells);
        }
    }
    writer.end_table();
}

/// None for the place that another cell spans over.
fn origin(slot: &CellSlot) -> Option<&Cell> {
    match slot {
        CellSlot::Origin(cell) => Some(cell),
        CellSlot::Covered { .. } => None,
    }
}

/// The words of some blocks, one block a line.
fn blocks_text(blocks: &[Block]) -> String {
    let mut text = String::new();
    for block in blocks {
        let words = match block {
            Block::Heading { content, .. } | Block::Paragraph(content) => inline_text(content),
            Block::List(list) => list.items.iter().map(|item| blocks_text(&item.blocks)).collect::<Vec<_>>().join("\n"),
            Block::Table(table) => {
                let slots = table.grid.iter().flatten().filter_map(origin);
                slots.map(|cell| blocks_text(&cell.blocks)).collect::<Vec<_>>().join(" ")
            }
            Block::BlockQuote(blocks) => blocks_text(blocks),
            Block::CodeBlock { text, .. } => text.clone(),
            Block::Rule => String::new(),
            Block::Math(formula) => format!("$${}$$", formula.trim()),
        };
        if !words.trim().is_empty() {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(words.trim());
        }
    }
    text
}

fn inline_text(inlines: &[Inline]) -> String {
    let mut text = String::new();
    push_inlines(inlines, &mut text);
    text
}

fn push_inlines(inlines: &[Inline], text: &mut String) {
    for inline in inlines {
        match inline {
            Inline::Text { text: words, .. } => text.push_str(words),
            Inline::Link { content, .. } => push_inlines(content, text),
            Inline::NoteRef(id) => text.push_str(&format!("[^{id}]")),
            Inline::LineBreak => text.push('\n'),
            Inline::Math(formula) => text.push_str(&format!("${}$", formula.trim())),
            Inline::Checkbox(checked) => text.push_str(if *checked { "[x]" } else { "[ ]" }),
            Inline::Image { .. } | Inline::Anchor(_) => {}
        }
    }
}
