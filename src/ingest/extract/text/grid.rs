//! Cells of a sheet, row by row → a table without its empty rows and columns.
//!
//! Goes over the cells twice: first to see which columns are used, then to write. So nothing but one row is held, and a
//! sheet with two cells far apart is a small one. Lines of one cell above a table of several columns are its caption.

use crate::ingest::extract::text::writer::Writer;

/// From this many used columns on, a lone cell above the table is no column's name.
const CAPTION_COLUMNS_MIN: usize = 3;

/// Which columns have a cell that is not empty.
#[derive(Debug, Default)]
pub(crate) struct Columns {
    used: Vec<bool>,
}

impl Columns {
    pub(crate) fn see(&mut self, column: usize, text: &str) {
        if !text.trim().is_empty() {
            if self.used.len() <= column {
                self.used.resize(column + 1, false);
            }
            if let Some(used) = self.used.get_mut(column) {
                *used = true;
            }
        }
    }

    /// The place of each column among the used ones.
    fn places(&self) -> Vec<usize> {
        let places = self.used.iter().scan(0, |next, used| {
            let place = *next;
            *next += usize::from(*used);
            Some(place)
        });
        places.collect()
    }
}

/// Writes the table whose columns were seen.
pub(crate) struct Grid<'w> {
    writer: &'w mut Writer,
    used: Vec<bool>,
    places: Vec<usize>,
    width: usize,
    row: usize,
    cells: Vec<String>,
    filled: usize,
    begun: bool,
}

impl<'w> Grid<'w> {
    pub(crate) fn new(writer: &'w mut Writer, columns: Columns) -> Self {
        let places = columns.places();
        let width = columns.used.iter().filter(|used| **used).count();
        Self { writer, used: columns.used, places, width, row: 0, cells: Vec::new(), filled: 0, begun: false }
    }

    /// Cells come row by row, and in a row from left to right.
    pub(crate) fn cell(&mut self, row: usize, column: usize, text: &str) {
        if row != self.row {
            self.end_row();
            self.row = row;
        }
        let used = self.used.get(column).copied().unwrap_or(false);
        if let Some(place) = self.places.get(column).copied().filter(|_| used && !text.trim().is_empty()) {
            if self.cells.len() <= place {
                self.cells.resize(place + 1, String::new());
            }
            if let Some(cell) = self.cells.get_mut(place) {
                text.clone_into(cell);
                self.filled += 1;
            }
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.writer.is_full()
    }

    pub(crate) fn finish(mut self) {
        self.end_row();
        self.writer.end_table();
    }

    fn end_row(&mut self) {
        let mut cells = std::mem::take(&mut self.cells);
        let filled = std::mem::take(&mut self.filled);
        if filled == 0 {
            return;
        }
        if !self.begun && filled == 1 && self.width >= CAPTION_COLUMNS_MIN {
            self.writer.paragraph(&cells.concat());
            return;
        }
        if !self.begun {
            cells.resize(self.width, String::new());
        }
        self.begun = true;
        self.writer.row(&cells);
    }
}
