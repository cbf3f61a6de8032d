//! PDF → its text in reading order, with headings, tables and page breaks.
//!
//! In: the bytes of a file and PDFium, which decodes it. Out: Markdown-like text. PDFium's order of characters is kept;
//! lines are joined to paragraphs, and what repeats at the edge of most pages is left out. Headings come from the
//! document's outline, and from sizes and weights of its type; tables from ruled lines and from columns that align.
//! Pages that only show pictures are counted in the notes. The same bytes always give the same text. Reads no form
//! fields, annotations or attachments.
//!
//! The way of a page: [`page`] asks PDFium for glyphs, rules and pictures; [`lines`] makes lines of the glyphs; [`tables`]
//! takes those that stand in tables out of them. When all pages are there, [`furniture`] removes headers and footers,
//! [`headings`] says which lines are headings, and [`compose`] writes the text. Only [`library`], [`page`] and
//! [`outline`] know PDFium; the rest is arithmetic.

mod library;
mod page;
mod lines;
mod tables;
mod furniture;
mod outline;
mod headings;
mod compose;
mod hyphens;

pub use library::Pdfium;

use pdfium_render::prelude::PdfDocument;

use super::{ExtractError, Extracted, FileKind, Note};

use lines::Fonts;
use tables::Block;

/// More pages than any book has. A file may claim a million and have one.
const PAGES_MAX: u32 = 20_000;
/// What one page may hold: a broadsheet has about 50,000 characters.
const PAGE_CHARS_MAX: u32 = 1_000_000;
const TEXT_BYTES_MAX: usize = 64 << 20;
/// Twenty times what a book of a thousand pages has.
const LINES_MAX: usize = 1_000_000;
/// After as many that can't be read, the others are not asked for: the file has lied about their number.
const DAMAGED_PAGES_IN_A_ROW_MAX: u32 = 100;

/// A page, reduced to what its text is made of.
#[derive(Debug)]
struct Page {
    blocks: Vec<Block>,
    height: f32,
    /// It shows pictures, or drawings large enough to be letters.
    has_pictures: bool,
}

/// The text of a PDF file.
pub(super) fn extract(pdfium: Pdfium, bytes: &[u8]) -> Result<Extracted, ExtractError> {
    let session = pdfium.begin();
    let document = session.open(bytes)?;
    let mut fonts = Fonts::default();
    let (mut pages, damaged) = pages(&document, &mut fonts)?;
    furniture::remove(&mut pages);
    let without_text = scanned(&pages);
    if without_text > 0 && pages.iter().all(|page| page.blocks.is_empty()) {
        return Err(ExtractError::NoText { pages: without_text });
    }
    let entries = outline::entries(&document);
    let marks = headings::find(&pages, &entries);
    let composed = compose::compose(&pages, &marks);
    let title = headings::title(outline::metadata_title(&document), &composed.headings, &composed.pages);
    let mut notes = Vec::new();
    if without_text > 0 {
        notes.push(Note::PagesWithoutText(without_text));
    }
    if damaged > 0 {
        notes.push(Note::PagesDamaged(damaged));
    }
    Ok(Extracted {
        kind: FileKind::Pdf,
        text: composed.text,
        headings: composed.headings,
        pages: composed.pages,
        tables: composed.tables,
        title,
        language: None,
        front_matter: None,
        notes,
    })
}

/// All pages that can be read, and how many can't.
fn pages(document: &PdfDocument<'_>, fonts: &mut Fonts) -> Result<(Vec<Page>, u32), ExtractError> {
    let count = u32::try_from(document.pages().len()).unwrap_or(0);
    if count > PAGES_MAX {
        return Err(ExtractError::TooLarge { what: "the number of pages", limit: u64::from(PAGES_MAX) });
    }
    let (mut pages, mut damaged, mut in_a_row) = (Vec::new(), 0, 0);
    let (mut bytes, mut lines) = (0, 0);
    for number in 0..i32::try_from(count).unwrap_or(i32::MAX) {
        let page = if in_a_row < DAMAGED_PAGES_IN_A_ROW_MAX { page(document, number, fonts)? } else { None };
        let Some(page) = page else {
            (damaged, in_a_row) = (damaged + 1, in_a_row + 1);
            pages.push(Page { blocks: Vec::new(), height: 0.0, has_pictures: false });
            continue;
        };
        in_a_row = 0;
        bytes += page.blocks.iter().map(Block::text_bytes).sum::<usize>();
        lines += page.blocks.len();
        if bytes > TEXT_BYTES_MAX {
            return Err(ExtractError::TooLarge { what: "its text, in bytes", limit: TEXT_BYTES_MAX as u64 });
        }
        if lines > LINES_MAX {
            return Err(ExtractError::TooLarge { what: "the number of lines", limit: LINES_MAX as u64 });
        }
        pages.push(page);
    }
    if pages.len() == damaged as usize {
        return Err(ExtractError::Damaged { what: "it has no page that can be read".to_owned() });
    }
    Ok((pages, damaged))
}

/// None: the page can't be read.
fn page(document: &PdfDocument<'_>, number: i32, fonts: &mut Fonts) -> Result<Option<Page>, ExtractError> {
    let Ok(page) = document.pages().get(number) else { return Ok(None) };
    let Some(shown) = page::read(&page, fonts, PAGE_CHARS_MAX)? else { return Ok(None) };
    let lines = lines::lines(&shown.glyphs, fonts);
    Ok(Some(Page {
        blocks: tables::blocks(lines, &shown.rules),
        height: shown.height,
        has_pictures: shown.has_pictures,
    }))
}

/// A count, for shares and means. Counts here are of things on a page or in a document, far below where this rounds.
#[expect(clippy::cast_precision_loss, reason = "a share need not be exact")]
fn real(count: usize) -> f32 {
    count as f32
}

/// How many pages show something and say nothing.
fn scanned(pages: &[Page]) -> u32 {
    let such = pages.iter().filter(|page| page.blocks.is_empty() && page.has_pictures).count();
    u32::try_from(such).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod testing;
