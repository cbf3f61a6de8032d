//! The document's own table of contents and its title, as PDFium gives them.
//!
//! In: an open document. Out: entries in the order of the outline, each with its level and page. The number of entries
//! is bounded, and none is visited twice.

use std::collections::HashSet;

use pdfium_render::prelude::{PdfBookmark, PdfDocument, PdfDocumentMetadataTagType};

use super::super::extracted::on_one_line;

const ENTRIES_MAX: usize = 50_000;
const DEPTH_MAX: u8 = 6;
/// Longer ones are no titles.
const TITLE_CHARS_MAX: usize = 300;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) title: String,
    /// 1 is the outermost.
    pub(super) level: u8,
    /// Counted from 0.
    pub(super) page: usize,
}

pub(super) fn entries(document: &PdfDocument<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut seen = HashSet::new();
    // What comes next, with its level: the tree in the order in which it is read.
    let mut stack: Vec<(PdfBookmark<'_>, u8)> = document.bookmarks().root().map(|root| (root, 1)).into_iter().collect();
    while let Some((bookmark, level)) = stack.pop() {
        if seen.len() >= ENTRIES_MAX {
            break;
        }
        if !seen.insert(bookmark.clone()) {
            continue; // The outline points back at itself.
        }
        stack.extend(bookmark.next_sibling().map(|next| (next, level)));
        if level < DEPTH_MAX {
            stack.extend(bookmark.first_child().map(|child| (child, level + 1)));
        }
        entries.extend(entry(&bookmark, level));
    }
    entries
}

fn entry(bookmark: &PdfBookmark<'_>, level: u8) -> Option<Entry> {
    let title = on_one_line(&bookmark.title()?);
    let page = bookmark.destination()?.page_index().ok()?;
    let fits = !title.is_empty() && title.chars().count() <= TITLE_CHARS_MAX;
    fits.then_some(Entry { title, level, page: usize::try_from(page).ok()? })
}

/// What the file says its title is, whatever that may be.
pub(super) fn metadata_title(document: &PdfDocument<'_>) -> Option<String> {
    let title = document.metadata().get(PdfDocumentMetadataTagType::Title)?;
    Some(on_one_line(title.value())).filter(|title| !title.is_empty())
}
