//! A document's text in, what questions can be made of out: sections with their sentences, list items and table rows.
//!
//! Reads text as extraction leaves it, which is like Markdown. Pure. Every piece keeps the words of the document that it
//! came from, so that a case can name them as its source.

use unicode_segmentation::UnicodeSegmentation;

use super::english::{Word, words};
use crate::ground::claims::{Kind, pieces};

/// A row of more cells is no table that somebody would ask about.
const CELLS_MAX: usize = 8;
/// Of a row, so much names it.
const ROW_CHARS_MAX: usize = 200;

/// What stands under one heading, up to the next heading of any level.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Section {
    /// Without markup. Empty: before the first heading.
    pub(super) heading: String,
    /// 1 is the outermost; 0 before the first.
    pub(super) level: usize,
    pub(super) sentences: Vec<Sentence>,
    pub(super) rows: Vec<Row>,
}

/// A sentence of prose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sentence {
    /// As the document has it, on one line.
    pub(super) text: String,
    pub(super) words: Vec<Word>,
    /// Whether it is one of a list.
    pub(super) is_item: bool,
}

/// A row of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// As the document has it, without its outer bars.
    pub(super) text: String,
    pub(super) heads: Vec<String>,
    pub(super) cells: Vec<String>,
}

/// The sections of a text, in order.
pub(super) fn sections(text: &str) -> Vec<Section> {
    let mut found = vec![Section::default()];
    let (mut block, mut heads, mut is_fenced) = (String::new(), None::<Vec<String>>, false);
    for line in text.lines() {
        let content = line.trim();
        let is_fence = content.starts_with("```") || content.starts_with("~~~");
        if is_fence || is_fenced {
            is_fenced ^= is_fence;
            close(&mut block, &mut found);
            heads = None;
            continue;
        }
        let level = content.chars().take_while(|c| *c == '#').count();
        let begins_anew = content.is_empty() || level > 0 || content.starts_with('|') || is_item(content);
        if begins_anew {
            close(&mut block, &mut found);
        }
        if (1..=6).contains(&level) && content.chars().nth(level) == Some(' ') {
            let heading = content.trim_matches('#').trim().to_owned();
            found.push(Section { heading, level, ..Section::default() });
        } else if content.starts_with('|') {
            row(content, &mut heads, &mut found);
            continue;
        } else {
            block.push_str(content);
            block.push(' ');
        }
        heads = None;
    }
    close(&mut block, &mut found);
    found
}

/// The words that a text has in small letters, code aside: no names.
pub(super) fn small_words(text: &str) -> impl Iterator<Item = &str> {
    let mut is_fenced = false;
    let prose = text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_fenced ^= is_fence;
        !is_fence && !is_fenced
    });
    let parts = prose.flat_map(|line| line.split('`').step_by(2));
    parts.flat_map(UnicodeSegmentation::unicode_words).filter(|word| word.chars().all(char::is_lowercase))
}

fn is_item(line: &str) -> bool {
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    let number = line.chars().nth(digits) == Some('.') && digits > 0 && line.chars().nth(digits + 1) == Some(' ');
    line.starts_with("- ") || line.starts_with("* ") || line.starts_with("+ ") || number
}

/// The sentences of a paragraph or list item.
fn close(block: &mut String, found: &mut [Section]) {
    let text = std::mem::take(block);
    let is_item = is_item(text.trim());
    let Some(section) = found.last_mut().filter(|_| !text.trim().is_empty()) else { return };
    for piece in pieces(&text).into_iter().filter(|piece| piece.kind == Kind::Claim) {
        let text = piece.span.of(&text).split_whitespace().collect::<Vec<_>>().join(" ");
        section.sentences.push(Sentence { words: words(&text), text, is_item });
    }
}

/// A line of a table: its head, the rule below it, or a row.
fn row(line: &str, heads: &mut Option<Vec<String>>, found: &mut [Section]) {
    let inner = line.trim_start_matches('|').trim_end_matches('|');
    let cells: Vec<String> = cells(inner);
    let is_rule = cells.iter().all(|cell| !cell.is_empty() && cell.chars().all(|c| c == '-' || c == ':'));
    let Some(heads) = heads else {
        *heads = Some(cells);
        return;
    };
    let fits = !is_rule && cells.len() == heads.len() && cells.len() <= CELLS_MAX;
    let Some(section) = found.last_mut().filter(|_| fits) else { return };
    let mut text = inner.trim().to_owned();
    if let Some((end, _)) = text.char_indices().nth(ROW_CHARS_MAX) {
        let cut = text.get(..end).and_then(|head| head.rfind(' ')).unwrap_or(end);
        text.truncate(cut);
    }
    section.rows.push(Row { text, heads: heads.clone(), cells });
}

/// The cells of a row. A bar after a backslash, or within code, parts none.
fn cells(inner: &str) -> Vec<String> {
    let (mut cells, mut cell, mut is_code, mut is_escaped) = (Vec::new(), String::new(), false, false);
    for c in inner.chars() {
        match c {
            '|' if !is_code && !is_escaped => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            other => {
                is_code ^= other == '`';
                cell.push(other);
            }
        }
        is_escaped = c == '\\';
    }
    cells.push(cell.trim().to_owned());
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_its_sections_with_sentences_items_and_rows() {
        let text = "Before it all, somebody wrote a line.\n\n# Guide\n\nThe relay listens on\nport 2525. It holds mail.\n\n\
                    - `spool/` holds letters that wait.\n\n```sh\n# no heading at all\n```\n\n## Keys\n\n\
                    | Key | Default |\n| --- | --- |\n| `a.b` | `x|y` |\n| short |\n";
        let found = sections(text);
        assert_eq!(found.iter().map(|s| s.heading.as_str()).collect::<Vec<_>>(), ["", "Guide", "Keys"]);
        let texts: Vec<&str> = found[1].sentences.iter().map(|sentence| sentence.text.as_str()).collect();
        assert_eq!(texts[0], "The relay listens on port 2525.");
        assert!(found[1].sentences.last().unwrap().is_item);
        assert_eq!(found[2].rows.len(), 1, "a row with other cells than its head is none");
        assert_eq!(found[2].rows[0].cells, ["`a.b`", "`x|y`"]);
        assert_eq!(found[2].rows[0].text, "`a.b` | `x|y`");
    }
}
