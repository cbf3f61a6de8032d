//! Excel workbooks → a section for each sheet, with its rows as a table.
//!
//! Cells give their values: dates as ISO 8601, numbers to the 15 digits that Excel shows, formulas their last result.
//! Empty rows and columns, and sheets that are hidden from everybody, are left out. Cells are read one by one where the
//! library can, so that a sheet takes the memory of its cells and not of the square around them.

use std::io::{Cursor, Read};

use calamine::{CellErrorType, Data, DataRef, ExcelDateTime, Reader, SheetType, SheetVisible, Xls, Xlsb, Xlsx};

use crate::ingest::extract::Extracted;
use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::office::package::{self, PackageLimits};
use crate::ingest::extract::text::grid::{Columns, Grid};
use crate::ingest::extract::text::writer::Writer;

const PACKAGE_LIMITS: PackageLimits =
    PackageLimits { part_bytes_max: 256 << 20, all_bytes_max: 512 << 20, part_elements_max: None };
/// The library lays an old workbook's sheets out in full, empty cells included.
const OLD_CELLS_MAX: u64 = 6_000_000;

/// One sheet after another gives its cells: row, column, value.
type EachCell<'f> = dyn FnMut(usize, usize, &DataRef<'_>) -> bool + 'f;

pub(crate) fn extract(kind: FileKind, bytes: &[u8], bytes_max: usize) -> Result<Extracted, ExtractError> {
    let mut writer = Writer::new(bytes_max);
    let source = Cursor::new(bytes);
    if kind == FileKind::Xls {
        check_old(bytes)?;
        let mut book: Xls<_> = Xls::new(source).map_err(refused)?;
        for name in shown(&book) {
            let range = book.worksheet_range(&name).map_err(refused)?;
            sheet(&mut writer, &name, |each| {
                let (top, left) = range.start().unwrap_or_default();
                for (row, column, value) in range.used_cells() {
                    if !each(row + top as usize, column + left as usize, &by_reference(value)) {
                        break;
                    }
                }
                Ok(())
            })?;
        }
    } else if kind == FileKind::Xlsb {
        package::check(bytes, PACKAGE_LIMITS)?;
        let mut book: Xlsb<_> = Xlsb::new(source).map_err(refused)?;
        for name in shown(&book) {
            sheet(&mut writer, &name, |each| {
                let mut cells = book.worksheet_cells_reader(&name).map_err(refused)?;
                while let Some(cell) = cells.next_cell().map_err(refused)? {
                    let (row, column) = cell.get_position();
                    if !each(row as usize, column as usize, cell.get_value()) {
                        break;
                    }
                }
                Ok(())
            })?;
        }
    } else {
        package::check(bytes, PACKAGE_LIMITS)?;
        let mut book: Xlsx<_> = Xlsx::new(source).map_err(refused)?;
        for name in shown(&book) {
            sheet(&mut writer, &name, |each| {
                let mut cells = book.worksheet_cells_reader(&name).map_err(refused)?;
                while let Some(cell) = cells.next_cell().map_err(refused)? {
                    let (row, column) = cell.get_position();
                    if !each(row as usize, column as usize, cell.get_value()) {
                        break;
                    }
                }
                Ok(())
            })?;
        }
    }
    let mut extracted = writer.finish(kind)?;
    extracted.title = None; // The first sheet's name is not the workbook's.
    Ok(extracted)
}

fn refused(error: impl Into<calamine::Error>) -> ExtractError {
    let text = error.into().to_string();
    if text.to_ascii_lowercase().contains("password") { ExtractError::Encrypted } else { ExtractError::damaged(text) }
}

/// The sheets with cells, in their order.
fn shown<RS: std::io::Read + std::io::Seek, R: Reader<RS>>(book: &R) -> Vec<String> {
    let sheets = book.sheets_metadata().iter();
    let shown = sheets.filter(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible != SheetVisible::VeryHidden);
    shown.map(|sheet| sheet.name.clone()).collect()
}

fn sheet(
    writer: &mut Writer,
    name: &str,
    mut cells: impl FnMut(&mut EachCell<'_>) -> Result<(), ExtractError>,
) -> Result<(), ExtractError> {
    let mut columns = Columns::default();
    let mut any = false;
    cells(&mut |_, column, value| {
        let text = text_of(value);
        any |= !text.is_empty();
        columns.see(column, &text);
        true
    })?;
    if !any {
        return Ok(());
    }
    writer.heading(2, name);
    let mut grid = Grid::new(writer, columns);
    cells(&mut |row, column, value| {
        grid.cell(row, column, &text_of(value));
        !grid.is_full()
    })?;
    grid.finish();
    Ok(())
}

fn by_reference(value: &Data) -> DataRef<'_> {
    match value {
        Data::Int(number) => DataRef::Int(*number),
        Data::Float(number) => DataRef::Float(*number),
        Data::String(text) => DataRef::SharedString(text),
        Data::Bool(truth) => DataRef::Bool(*truth),
        Data::DateTime(time) => DataRef::DateTime(*time),
        Data::DateTimeIso(text) => DataRef::DateTimeIso(text.clone()),
        Data::DurationIso(text) => DataRef::DurationIso(text.clone()),
        Data::Error(error) => DataRef::Error(error.clone()),
        Data::Empty => DataRef::Empty,
    }
}

fn text_of(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.trim().to_owned(),
        DataRef::SharedString(text) => text.trim().to_owned(),
        DataRef::Bool(truth) => if *truth { "TRUE" } else { "FALSE" }.to_owned(),
        DataRef::DateTime(time) => time_text(time),
        DataRef::Error(error) => error_text(error).to_owned(),
        DataRef::Empty => String::new(),
    }
}

/// What Excel shows: 15 digits, so 0.1 + 0.2 is 0.3.
pub(crate) fn number_text(number: f64) -> String {
    let rounded = format!("{number:.14e}").parse().unwrap_or(number);
    format!("{rounded}")
}

fn time_text(time: &ExcelDateTime) -> String {
    let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
    let clock = format!("{hour:02}:{minute:02}:{second:02}");
    if time.is_duration() {
        // May be more than a day.
        let seconds = (time.as_f64() * 86_400.0).round();
        let (hours, rest) = ((seconds / 3600.0).trunc(), seconds % 3600.0);
        return format!("{hours}:{:02}:{:02}", (rest / 60.0).trunc().abs(), (rest % 60.0).abs());
    }
    match (time.as_f64(), clock.as_str()) {
        (days, _) if days.abs() < 1.0 => clock,
        (_, "00:00:00") => format!("{year:04}-{month:02}-{day:02}"),
        _ => format!("{year:04}-{month:02}-{day:02} {clock}"),
    }
}

fn error_text(error: &CellErrorType) -> &'static str {
    match error {
        CellErrorType::Div0 => "#DIV/0!",
        CellErrorType::NA => "#N/A",
        CellErrorType::Name => "#NAME?",
        CellErrorType::Null => "#NULL!",
        CellErrorType::Num => "#NUM!",
        CellErrorType::Ref => "#REF!",
        CellErrorType::Value => "#VALUE!",
        _ => "#ERROR!",
    }
}

/// Whether an old workbook's sheets, laid out in full, fit into memory. Records are a type, a length and that many bytes;
/// those of
/// cells begin with row and column. Cells that only have a format take no room.
fn check_old(bytes: &[u8]) -> Result<(), ExtractError> {
    const CELLS: &[u16] = &[0x06, 0x7e, 0xbd, 0xfd, 0xd6, 0x203, 0x204, 0x205, 0x27e, 0x02, 0x03, 0x04];
    const SEALED: u16 = 0x2f;
    const BEGINNING: &[u16] = &[0x809, 0x409, 0x209, 0x09];
    let mut file = cfb::CompoundFile::open(Cursor::new(bytes)).map_err(ExtractError::damaged)?;
    let name = if file.exists("/Workbook") { "/Workbook" } else { "/Book" };
    let mut records = Vec::new();
    let stream = file.open_stream(name).map_err(ExtractError::damaged)?;
    stream.take(bytes.len() as u64).read_to_end(&mut records).map_err(ExtractError::damaged)?;
    let word = |at: usize| records.get(at..at + 2).map(|two| u16::from_le_bytes([two[0], two[1]]));
    let (mut at, mut cells, mut rows, mut columns) = (0, 0_u64, 0_u64, 0_u64);
    while let (Some(record), Some(length)) = (word(at), word(at + 2)) {
        if record == SEALED {
            return Err(ExtractError::Encrypted);
        } else if BEGINNING.contains(&record) {
            cells += rows * columns;
            (rows, columns) = (0, 0);
        } else if let (true, Some(row), Some(column)) = (CELLS.contains(&record), word(at + 4), word(at + 6)) {
            rows = rows.max(u64::from(row) + 1);
            // A record of several cells has no more than it has bytes.
            columns = columns.max(u64::from(column) + 1 + u64::from(length) / 2);
        }
        at += 4 + usize::from(length);
    }
    if cells + rows * columns > OLD_CELLS_MAX {
        return Err(ExtractError::TooLarge { what: "cells of the workbook", limit: OLD_CELLS_MAX });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_excel_shows() {
        let shown = [0.1 + 0.2, 1_234_567.0, -0.5, 1e21, 0.0].map(number_text);
        assert_eq!(shown, ["0.3", "1234567", "-0.5", "1000000000000000000000", "0"]);
    }

    #[test]
    fn dates_are_iso() {
        use calamine::ExcelDateTimeType::{DateTime, TimeDelta};
        let text = |days, kind| time_text(&ExcelDateTime::new(days, kind, false));
        assert_eq!(text(45_322.0, DateTime), "2024-01-31");
        assert_eq!(text(45_322.75, DateTime), "2024-01-31 18:00:00");
        assert_eq!(text(0.5, DateTime), "12:00:00");
        assert_eq!(text(1.5, TimeDelta), "36:00:00");
    }
}
