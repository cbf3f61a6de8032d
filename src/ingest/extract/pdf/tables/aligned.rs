//! Tables without rules: at least three columns that align over at least three rows.

use super::super::lines::{Area, Line};
use super::super::real;
use super::{Found, Placed, ROWS_MAX, Rows, append};

const COLUMNS_MIN: usize = 3;
const ROWS_MIN: usize = 3;
/// Space that parts cells, in sizes of type.
const GAP_MIN: f32 = 1.5;
/// Cells align if their left sides, right sides or middles are no further apart, in sizes of type.
const ALIGNED_MAX: f32 = 0.4;
/// Rows are no further apart, in sizes of type.
const ROW_GAP_MAX: f32 = 3.0;
/// The share of cells with letters or digits; fewer are formulas.
const WORDS_SHARE_MIN: f32 = 0.8;

/// A row of the page that has gaps in it.
struct Row {
    lines: Vec<usize>,
    cells: Vec<Cell>,
    area: Area,
    size: f32,
}

#[derive(Debug, Clone)]
struct Cell {
    text: String,
    left: f32,
    right: f32,
}

pub(super) fn tables(lines: &[Line], taken: &[bool]) -> Vec<Found> {
    let mut rows = rows(lines, taken);
    let mut found = Vec::new();
    let mut start = 0;
    while start < rows.len() {
        let count = aligned_from(&rows, start);
        if count < ROWS_MIN {
            start += 1;
            continue;
        }
        let end = start + count;
        let first = if has_head(&rows, start) { start - 1 } else { start };
        found.extend(table(rows.get_mut(first..end).unwrap_or_default().iter_mut().filter_map(Option::take).collect()));
        start = end;
    }
    found
}

/// How many rows from `start` on align with each other.
fn aligned_from(rows: &[Option<Row>], start: usize) -> usize {
    let Some(first) = rows.get(start).and_then(Option::as_ref).filter(|row| row.cells.len() >= COLUMNS_MIN) else {
        return 0;
    };
    let mut above = first;
    let mut count = 1;
    while let Some(row) = rows.get(start + count).and_then(Option::as_ref) {
        if count >= ROWS_MAX || !row.is_below(above) || !row.aligns_with(first) || !row.aligns_with(above) {
            break;
        }
        above = row;
        count += 1;
    }
    count
}

/// The row above has as many cells, each over its column, though not aligned with it.
fn has_head(rows: &[Option<Row>], start: usize) -> bool {
    let row = |index: usize| rows.get(index).and_then(Option::as_ref);
    let (Some(head), Some(first)) = (start.checked_sub(1).and_then(row), row(start)) else { return false };
    let over = |(a, b): (&Cell, &Cell)| a.left < b.right && b.left < a.right;
    head.cells.len() == first.cells.len()
        && first.is_below(head)
        && head.cells.iter().zip(&first.cells).all(over)
        && head.cells.iter().zip(first.cells.iter().skip(1)).all(|(a, next)| a.right <= next.left)
}

fn table(rows: Vec<Row>) -> Option<Found> {
    if rows.len() < ROWS_MIN {
        return None;
    }
    let area = rows.iter().map(|row| row.area).reduce(|all, area| all.with(&area))?;
    let lines = rows.iter().flat_map(|row| row.lines.iter().copied()).collect();
    let cells: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.cells.into_iter().map(|cell| cell.text).collect()).collect();
    let all = cells.iter().flatten().count();
    let words = cells.iter().flatten().filter(|cell| cell.chars().any(char::is_alphanumeric)).count();
    if real(words) < WORDS_SHARE_MIN * real(all) {
        return None;
    }
    Some(Found { rows: Rows::checked(cells, area, ROWS_MIN)?, lines })
}

/// Lines that follow each other at the same height, as rows. None: something that no row of a table is.
fn rows(lines: &[Line], taken: &[bool]) -> Vec<Option<Row>> {
    let mut rows: Vec<Option<Row>> = Vec::new();
    for (index, (line, taken)) in lines.iter().zip(taken).enumerate() {
        if *taken || line.fixed || !line.is_upright() || line.text.contains("....") || line.text.contains(". . .") {
            rows.push(None);
            continue;
        }
        match rows.last_mut() {
            Some(Some(row)) if row.goes_on_with(line) => row.add(index, line),
            Some(Some(_) | None) | None => rows.push(Some(Row::of(index, line))),
        }
    }
    rows
}

impl Row {
    fn of(index: usize, line: &Line) -> Self {
        let mut row = Self { lines: Vec::new(), cells: Vec::new(), area: line.area, size: line.size.max(1.0) };
        row.add(index, line);
        row
    }

    fn goes_on_with(&self, line: &Line) -> bool {
        let level = (self.area.middle() - line.area.middle()).abs() < 0.4 * self.size;
        level && line.area.left > self.area.right
    }

    fn add(&mut self, index: usize, line: &Line) {
        self.lines.push(index);
        self.area = self.area.with(&line.area);
        for word in &line.words {
            let placed = Placed { line, word };
            match self.cells.last_mut().filter(|cell| word.left - cell.right < GAP_MIN * self.size) {
                Some(cell) => {
                    append(&mut cell.text, placed.text());
                    cell.right = cell.right.max(word.right);
                }
                None => {
                    let text = placed.text().to_owned();
                    self.cells.push(Cell { text, left: word.left, right: word.right });
                }
            }
        }
    }

    fn is_below(&self, above: &Self) -> bool {
        let down = above.area.middle() - self.area.middle();
        down > 0.5 * self.size && down < ROW_GAP_MAX * self.size
    }

    fn aligns_with(&self, other: &Self) -> bool {
        let near = |a: f32, b: f32| (a - b).abs() <= ALIGNED_MAX * self.size;
        let aligns = |(a, b): (&Cell, &Cell)| {
            near(a.left, b.left) || near(a.right, b.right) || near(a.left + a.right, b.left + b.right)
        };
        self.cells.len() == other.cells.len() && self.cells.iter().zip(&other.cells).all(aligns)
    }
}
