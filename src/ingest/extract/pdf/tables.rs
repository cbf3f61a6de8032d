//! Lines and rules of a page → its parts, with the tables among them.
//!
//! In: the lines of a page in reading order, and the rules that are drawn on it. Out: the same lines, except that those of
//! a table are one block, at the place of the first of them. A table is what stands between rules, or text of at least
//! three columns that align over at least three rows. Whatever does not fit stays lines: a false table is worse than
//! none. No word is lost or written twice.

mod ruled;
mod aligned;

use super::lines::{Area, Line, Word};
use super::real;

const COLUMNS_MAX: usize = 24;
const ROWS_MAX: usize = 500;
/// Longer cells are boxes with text in them, not tables.
const CELL_CHARS_MAX: usize = 600;
const CELL_CHARS_MEAN_MAX: usize = 120;
/// Fewer filled cells are a drawing with labels.
const FILLED_SHARE_MIN: f32 = 0.55;

/// A straight line that is drawn on the page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rule {
    pub(super) area: Area,
    pub(super) direction: Direction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Across,
    Down,
}

/// A table, row by row, each with as many cells; the first row is its head.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rows {
    pub(super) cells: Vec<Vec<String>>,
    pub(super) area: Area,
}

/// A part of a page, in reading order.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Block {
    Line(Line),
    Table(Rows),
}

/// A table and the lines that are in it, by their index.
struct Found {
    rows: Rows,
    lines: Vec<usize>,
}

pub(super) fn blocks(lines: Vec<Line>, rules: &[Rule]) -> Vec<Block> {
    let mut found = ruled::tables(&lines, rules);
    let mut taken = vec![false; lines.len()];
    mark(&found, &mut taken);
    found.extend(aligned::tables(&lines, &taken));
    mark(&found, &mut taken);
    let mut tables: Vec<(usize, Rows)> =
        found.into_iter().filter_map(|found| Some((*found.lines.iter().min()?, found.rows))).collect();
    tables.sort_by_key(|(first, _)| *first);
    let mut tables = tables.into_iter().peekable();
    let mut blocks = Vec::with_capacity(lines.len());
    for (index, line) in lines.into_iter().enumerate() {
        while let Some((_, rows)) = tables.next_if(|(first, _)| *first == index) {
            blocks.push(Block::Table(rows));
        }
        if !taken.get(index).copied().unwrap_or_default() {
            blocks.push(Block::Line(line.settle()));
        }
    }
    blocks
}

fn mark(found: &[Found], taken: &mut [bool]) {
    for index in found.iter().flat_map(|found| &found.lines) {
        if let Some(taken) = taken.get_mut(*index) {
            *taken = true;
        }
    }
}

impl Block {
    pub(super) fn line(&self) -> Option<&Line> {
        match self {
            Self::Line(line) => Some(line),
            Self::Table(_) => None,
        }
    }

    pub(super) fn area(&self) -> &Area {
        match self {
            Self::Line(line) => &line.area,
            Self::Table(rows) => &rows.area,
        }
    }

    /// What the block takes in the text, roughly.
    pub(super) fn text_bytes(&self) -> usize {
        const MARKUP: usize = 3;
        match self {
            Self::Line(line) => line.text.len() + MARKUP,
            Self::Table(rows) => rows.cells.iter().flatten().map(|cell| cell.len() + MARKUP).sum(),
        }
    }
}

impl Rule {
    /// The rule that a thin rectangle is.
    pub(super) fn within(area: Area) -> Self {
        let direction = if area.width() >= area.height() { Direction::Across } else { Direction::Down };
        Self { area, direction }
    }

    pub(super) fn length(&self) -> f32 {
        self.area.width().max(self.area.height())
    }
}

impl Rows {
    /// None: this is no table that would help a reader.
    fn checked(cells: Vec<Vec<String>>, area: Area, rows_min: usize) -> Option<Self> {
        let columns = cells.first()?.len();
        let fits = (2..=COLUMNS_MAX).contains(&columns) && (rows_min..=ROWS_MAX).contains(&cells.len());
        let chars = || cells.iter().flatten().map(|cell| cell.chars().count());
        let filled = chars().filter(|count| *count > 0).count();
        let mean = chars().sum::<usize>() / filled.max(1);
        let full_enough = real(filled) >= FILLED_SHARE_MIN * real(columns * cells.len());
        let short_enough = mean <= CELL_CHARS_MEAN_MAX && chars().all(|count| count <= CELL_CHARS_MAX);
        let says_something = |cell: &String| cell.chars().any(char::is_alphanumeric);
        let columns_used = (0..columns).all(|column| {
            let column = || cells.iter().filter_map(move |row| row.get(column)).filter(|cell| !cell.is_empty());
            column().count() >= 2 && column().any(says_something)
        });
        let rows_used = cells.iter().filter(|row| row.iter().filter(|cell| !cell.is_empty()).count() >= 2).count();
        let sound = fits && full_enough && short_enough && columns_used && rows_used >= 2;
        sound.then_some(Self { cells, area })
    }
}

/// A word of the page, with the line that it is from.
#[derive(Clone, Copy)]
struct Placed<'a> {
    line: &'a Line,
    word: &'a Word,
}

impl<'a> Placed<'a> {
    fn text(&self) -> &'a str {
        self.line.text.get(self.word.range.clone()).unwrap_or_default()
    }

    fn middle(&self) -> f32 {
        f32::midpoint(self.word.left, self.word.right)
    }
}

/// Words in rows of the page, from top to bottom, each from left to right.
fn baselines<'a>(lines: impl Iterator<Item = &'a Line>) -> Vec<Vec<Placed<'a>>> {
    let mut lines: Vec<&Line> = lines.collect();
    lines.sort_by(|a, b| b.area.middle().total_cmp(&a.area.middle()));
    let mut rows: Vec<(f32, Vec<Placed<'a>>)> = Vec::new();
    for line in lines {
        let middle = line.area.middle();
        let words = line.words.iter().map(|word| Placed { line, word });
        match rows.last_mut().filter(|(above, _)| above - middle < 0.5 * line.size.max(1.0)) {
            Some((_, row)) => row.extend(words),
            None => rows.push((middle, words.collect())),
        }
    }
    let mut rows: Vec<_> = rows.into_iter().map(|(_, row)| row).collect();
    for row in &mut rows {
        row.sort_by(|a, b| a.word.left.total_cmp(&b.word.left));
    }
    rows
}

/// The words of one row in the columns between `bounds`.
fn cells(row: &[Placed<'_>], bounds: &[f32]) -> Vec<String> {
    let mut cells = vec![String::new(); bounds.len().saturating_sub(1)];
    for word in row {
        let column = bounds.iter().skip(1).take_while(|bound| **bound <= word.middle()).count();
        let last = cells.len().saturating_sub(1);
        if let Some(cell) = cells.get_mut(column.min(last)) {
            append(cell, word.text());
        }
    }
    cells
}

fn append(cell: &mut String, text: &str) {
    if !cell.is_empty() && !text.is_empty() {
        cell.push(' ');
    }
    cell.push_str(text);
}

/// Rows in which a cell goes on from the row above, its first column being empty, joined to that row.
fn without_continuations(rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let mut joined: Vec<Vec<String>> = Vec::new();
    for row in rows {
        let goes_on = row.first().is_some_and(String::is_empty);
        match joined.last_mut().filter(|_| goes_on) {
            Some(above) => above.iter_mut().zip(&row).for_each(|(above, cell)| append(above, cell)),
            None => joined.push(row),
        }
    }
    joined
}
