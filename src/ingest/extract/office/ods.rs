//! OpenDocument workbook → a section for each sheet, with its rows as a table.
//!
//! Cells give their values: dates as ISO 8601 (which is how the file has them), numbers and texts as they are shown.
//! Repeated cells and rows count as often as they are repeated, within bounds, if there is something in them.

use std::io::{Cursor, Read};

use quick_xml::events::BytesStart;
use zip::ZipArchive;

use crate::ingest::extract::Extracted;
use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::markup::xml::{Token, Tokens, attribute};
use crate::ingest::extract::text::decode::{self, Declared};
use crate::ingest::extract::text::grid::{Columns, Grid};
use crate::ingest::extract::text::writer::{Writer, too_much_text};

const CONTENT_BYTES_MAX: u64 = 128 << 20;
/// How often something that is not empty is repeated at most.
const REPEATS_MAX: usize = 1000;

/// A cell that is not empty.
struct Filled {
    row: usize,
    column: usize,
    text: String,
}

struct Sheet {
    name: String,
    cells: Vec<Filled>,
}

pub(crate) fn extract(bytes: &[u8], bytes_max: usize) -> Result<Extracted, ExtractError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(ExtractError::damaged)?;
    let about = part(&mut archive, "META-INF/manifest.xml").unwrap_or_default();
    if about.contains("encryption-data") {
        return Err(ExtractError::Encrypted);
    }
    let content = part(&mut archive, "content.xml")?;
    let mut writer = Writer::new(bytes_max);
    for sheet in Book::new(bytes_max).read(&content)? {
        let mut columns = Columns::default();
        sheet.cells.iter().for_each(|cell| columns.see(cell.column, &cell.text));
        writer.heading(2, &sheet.name);
        let mut grid = Grid::new(&mut writer, columns);
        sheet.cells.iter().for_each(|cell| grid.cell(cell.row, cell.column, &cell.text));
        grid.finish();
    }
    let mut extracted = writer.finish(FileKind::Ods)?;
    extracted.title = None; // The first sheet's name is not the workbook's.
    Ok(extracted)
}

fn part(archive: &mut ZipArchive<Cursor<&[u8]>>, name: &str) -> Result<String, ExtractError> {
    let file = archive.by_name(name).map_err(|error| ExtractError::damaged(format!("{name}: {error}")))?;
    let mut bytes = Vec::new();
    file.take(CONTENT_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(ExtractError::damaged)?;
    if bytes.len() as u64 > CONTENT_BYTES_MAX {
        return Err(ExtractError::TooLarge { what: "unpacked bytes of the workbook", limit: CONTENT_BYTES_MAX });
    }
    decode::decode(&bytes, Declared::InHtml)
}

/// A workbook that is being read.
struct Book {
    sheets: Vec<Sheet>,
    /// The row's cells so far, and where the next one goes.
    row: Vec<(usize, String)>,
    next_column: usize,
    next_row: usize,
    row_repeats: usize,
    cell: Option<Cell>,
    /// What may still be repeated, in bytes: an empty file can ask for millions of rows.
    bytes_left: usize,
    bytes_max: usize,
}

struct Cell {
    repeats: usize,
    /// Its value where the file has it in a form of its own.
    value: Option<String>,
    text: String,
}

impl Book {
    fn new(bytes_max: usize) -> Self {
        Self {
            sheets: Vec::new(),
            row: Vec::new(),
            next_column: 0,
            next_row: 0,
            row_repeats: 1,
            cell: None,
            bytes_left: bytes_max,
            bytes_max,
        }
    }

    fn read(mut self, content: &str) -> Result<Vec<Sheet>, ExtractError> {
        let mut tokens = Tokens::new(content, self.bytes_max);
        let mut open: Vec<String> = Vec::new();
        // How many elements are open whose words are not the cell's.
        let mut unread = 0_usize;
        loop {
            match tokens.next()? {
                Token::Open(tag) => {
                    let name = tag.local_name().into_inner().to_owned();
                    unread += usize::from(is_unread(&name));
                    if unread == 0 {
                        self.open(&name, &tag);
                    }
                    open.push(name);
                }
                Token::Text(text) => {
                    let words = open.last().is_some_and(|name| ["p", "span", "a"].contains(&name.as_str()));
                    if let Some(cell) = self.cell.as_mut().filter(|_| unread == 0 && words) {
                        cell.text.push_str(&text);
                    }
                }
                Token::Close => {
                    let name = open.pop().unwrap_or_default();
                    if unread == 0 {
                        self.close(&name)?;
                    }
                    unread = unread.saturating_sub(usize::from(is_unread(&name)));
                }
                Token::End => return Ok(self.sheets),
            }
        }
    }

    fn open(&mut self, name: &str, tag: &BytesStart<'_>) {
        match name {
            "table" => {
                self.sheets.push(Sheet { name: attribute(tag, "name").unwrap_or_default(), cells: Vec::new() });
                self.next_row = 0;
            }
            "table-row" => {
                self.row_repeats = repeats(tag, "number-rows-repeated");
                self.next_column = 0;
                self.row.clear();
            }
            "table-cell" | "covered-table-cell" => {
                let value = ["date-value", "boolean-value"].iter().find_map(|name| attribute(tag, name));
                let value = value.map(|value| value.trim_end_matches("T00:00:00").replace('T', " "));
                self.cell = Some(Cell { repeats: repeats(tag, "number-columns-repeated"), value, text: String::new() });
            }
            "s" | "tab" | "line-break" => {
                if let Some(cell) = &mut self.cell {
                    cell.text.push(' ');
                }
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) -> Result<(), ExtractError> {
        match name {
            "p" => {
                if let Some(cell) = &mut self.cell {
                    cell.text.push(' ');
                }
            }
            "table-cell" | "covered-table-cell" => {
                if let Some(cell) = self.cell.take() {
                    let text = cell.value.unwrap_or(cell.text).trim().to_owned();
                    if !text.is_empty() {
                        for column in (self.next_column..).take(cell.repeats.min(REPEATS_MAX)) {
                            self.spend(text.len())?;
                            self.row.push((column, text.clone()));
                        }
                    }
                    self.next_column = self.next_column.saturating_add(cell.repeats);
                }
            }
            "table-row" => {
                let times = if self.row.is_empty() { 0 } else { self.row_repeats.min(REPEATS_MAX) };
                for row in (self.next_row..).take(times) {
                    self.spend(self.row.iter().map(|(_, text)| text.len()).sum())?;
                    if let Some(sheet) = self.sheets.last_mut() {
                        let cells = self.row.iter();
                        sheet.cells.extend(cells.map(|(column, text)| Filled {
                            row,
                            column: *column,
                            text: text.clone(),
                        }));
                    }
                }
                self.next_row = self.next_row.saturating_add(self.row_repeats);
            }
            _ => {}
        }
        Ok(())
    }

    fn spend(&mut self, bytes: usize) -> Result<(), ExtractError> {
        // An empty text takes room too.
        let left = self.bytes_left.checked_sub(bytes + 1);
        self.bytes_left = left.ok_or_else(|| too_much_text(self.bytes_max))?;
        Ok(())
    }
}

/// Comments, changes that somebody made, and what floats above the cells.
fn is_unread(name: &str) -> bool {
    matches!(name, "annotation" | "tracked-changes" | "shapes" | "frame" | "custom-shape" | "dde-links")
}

fn repeats(tag: &BytesStart<'_>, name: &str) -> usize {
    attribute(tag, name).and_then(|times| times.parse().ok()).unwrap_or(1).max(1)
}
