//! A table that is too long for one chunk → runs of whole rows.
//!
//! Each run but the first is embedded and shown with the table's head in front of it, which is no part of its text: a
//! row says little without the names of its columns.

use std::ops::Range;

use super::piece;
use crate::embed::TokenCounter;
use crate::ingest::extract::Table;

/// A head that takes more than this part of a chunk leaves too little room for rows, and is left away.
const HEAD_PART: usize = 3;

/// The tables of one text.
#[derive(Clone, Copy)]
pub(super) struct Tables<'a> {
    pub(super) text: &'a str,
    /// Ascending.
    pub(super) tables: &'a [Table],
}

impl<'a> Tables<'a> {
    /// What of each table is in `section`.
    pub(super) fn within(self, section: &Range<usize>) -> impl Iterator<Item = Range<usize>> + use<'a> {
        let section = section.clone();
        let parts =
            self.tables.iter().map(move |table| table.span.start.max(section.start)..table.span.end.min(section.end));
        parts.filter(|part| part.start < part.end)
    }

    /// The head of the table that a chunk at `start` has rows of and not the head itself. At most a third of
    /// `tokens_max` long.
    pub(super) fn head(self, start: usize, tokens: &TokenCounter, tokens_max: usize) -> Option<&'a str> {
        let at = self.tables.partition_point(|table| table.span.end <= start);
        let table = self.tables.get(at).filter(|table| (table.rows_start..table.span.end).contains(&start))?;
        let head = piece(self.text, &(table.span.start..table.rows_start)).trim();
        (!head.is_empty()
            && head.len() < tokens_max * super::TOKEN_BYTES_MAX
            && tokens.count(head) <= tokens_max / HEAD_PART)
            .then_some(head)
    }
}

/// Runs of rows that fit, as far as adding up tells. A row that is too long alone is a run by itself.
pub(super) fn runs(text: &str, rows: Range<usize>, tokens: &TokenCounter, tokens_max: usize) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let (mut start, mut end, mut taken) = (rows.start, rows.start, 0);
    for row in piece(text, &rows).split_inclusive('\n') {
        let long = row.len() > tokens_max * super::TOKEN_BYTES_MAX;
        let cost = if long { tokens_max + 1 } else { tokens.count(row) + 1 };
        if taken > 0 && taken + cost > tokens_max {
            runs.push(start..end);
            (start, taken) = (end, 0);
        }
        taken += cost;
        end += row.len();
    }
    if start < end {
        runs.push(start..end);
    }
    runs
}
