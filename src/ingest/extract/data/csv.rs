//! Values parted by commas, semicolons, tabs or bars → one table.

use csv::{ReaderBuilder, StringRecord};

use crate::ingest::extract::Extracted;
use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::text::grid::{Columns, Grid};
use crate::ingest::extract::text::writer::Writer;

const DELIMITERS: &[u8] = b",;\t|";
/// A cell takes some 60 bytes of memory while its row is read.
const COLUMNS_MAX: usize = 1_000_000;
/// Enough to see what parts the values.
const SNIFF_LINES: usize = 20;
const SNIFF_BYTES: usize = 64 << 10;

pub(crate) fn extract(text: &str, bytes_max: usize) -> Result<Extracted, ExtractError> {
    let (text, declared) = declared_delimiter(text);
    let delimiter = declared.unwrap_or_else(|| delimiter(text));
    let widest = text.lines().map(|line| line.bytes().filter(|byte| *byte == delimiter).count()).max();
    if widest.is_some_and(|columns| columns > COLUMNS_MAX) {
        return Err(ExtractError::TooLarge { what: "columns of the table", limit: COLUMNS_MAX as u64 });
    }
    let mut columns = Columns::default();
    each_row(text, delimiter, |_, row| {
        row.iter().enumerate().for_each(|(column, value)| columns.see(column, value));
        true
    })?;
    let mut writer = Writer::new(bytes_max);
    let mut grid = Grid::new(&mut writer, columns);
    each_row(text, delimiter, |number, row| {
        row.iter().enumerate().for_each(|(column, value)| grid.cell(number, column, value));
        !grid.is_full()
    })?;
    grid.finish();
    writer.finish(FileKind::Csv)
}

/// Calls `row` with each row until it says false.
fn each_row(text: &str, delimiter: u8, mut row: impl FnMut(usize, &StringRecord) -> bool) -> Result<(), ExtractError> {
    let mut reader =
        ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut number = 0;
    while reader.read_record(&mut record).map_err(ExtractError::damaged)? {
        if !row(number, &record) {
            break;
        }
        number += 1;
    }
    Ok(())
}

/// Excel writes `sep=;` above such a table, and reads it.
fn declared_delimiter(text: &str) -> (&str, Option<u8>) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    match first.trim_end_matches('\r').strip_prefix("sep=").map(str::as_bytes) {
        Some([delimiter]) => (rest, Some(*delimiter)),
        Some(_) | None => (text, None),
    }
}

/// The one that parts the most of the first lines into the same number of values.
fn delimiter(text: &str) -> u8 {
    let head = text.get(..text.floor_char_boundary(SNIFF_BYTES)).unwrap_or(text);
    let lines: Vec<&str> = head.lines().filter(|line| !line.trim().is_empty()).take(SNIFF_LINES).collect();
    let score = |delimiter: u8| {
        let counts: Vec<usize> = lines.iter().map(|line| outside_quotes(line, delimiter)).collect();
        let first = counts.first().copied().unwrap_or(0);
        let alike = if first == 0 { 0 } else { counts.iter().filter(|count| **count == first).count() };
        (alike, first)
    };
    // The first of equals, so commas.
    DELIMITERS.iter().copied().rev().max_by_key(|delimiter| score(*delimiter)).unwrap_or(b',')
}

fn outside_quotes(line: &str, delimiter: u8) -> usize {
    let mut quoted = false;
    let mut count = 0;
    for byte in line.bytes() {
        quoted ^= byte == b'"';
        count += usize::from(byte == delimiter && !quoted);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> Extracted {
        extract(text, 64 << 20).expect("it is a table")
    }

    #[test]
    fn a_table_of_any_delimiter_keeps_its_values_and_drops_what_is_empty() {
        let expected = "| name | note |\n| --- | --- |\n| a | x, y \\| z |\n| b |\n";
        assert_eq!(table("name,,note\na,,\"x, y\n| z\"\n,,\nb,,\n").text, expected);
        assert_eq!(table("name;;note\na;;x, y | z\nb\n").text, expected);
        assert_eq!(table("sep=\t\nname\tnote\na\tx, y | z\nb\t\n").text, expected);
        let made = table("k,v\n1,2\n");
        let head = made.tables.first().expect("there is a table").rows_start;
        assert_eq!(made.text.get(head..), Some("| 1 | 2 |\n"));
    }

    #[test]
    fn a_million_columns_are_read_and_more_are_refused() {
        let wide = format!("{}x\n{}\n", "c,".repeat(1_000_000), "1\n".repeat(50_000));
        assert!(table(&wide).text.len() < 10 << 20);
        assert!(matches!(extract(&wide.replace("c,", "c,,"), 64 << 20), Err(ExtractError::TooLarge { .. })));
    }
}
