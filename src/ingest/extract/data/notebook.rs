//! Jupyter notebook → Markdown: its prose as it is, its code in fences, what the code printed below it.
//!
//! Reads versions 3 to 4. Of several forms of one output the plain text counts. Pictures stay away; a long output is
//! shortened, visibly and with a note.

use crate::ingest::extract::data::json::{self, JsonError, JsonFields, Node};
use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::markup::markdown;
use crate::ingest::extract::text::writer::Writer;
use crate::ingest::extract::{Extracted, Note};

/// What one output may have. More is a table of data or a log.
const OUTPUT_BYTES_MAX: usize = 4 << 10;

pub(crate) fn extract(text: String, bytes_max: usize) -> Result<Extracted, ExtractError> {
    if text.trim().is_empty() {
        return Ok(Extracted::of(FileKind::Notebook, text));
    }
    let notebook = match json::parse(&text, &JsonFields::default()) {
        Ok(notebook) => notebook,
        Err(JsonError::Limit(error)) => return Err(error),
        Err(JsonError::Syntax(why)) => return Err(ExtractError::damaged(format!("no JSON: {why}"))),
    };
    let (cells, sheets) = (notebook.get("cells"), notebook.get("worksheets"));
    if cells.is_none() && sheets.is_none() {
        return Err(ExtractError::damaged("it has no cells"));
    }
    let language = language(&notebook).unwrap_or_default();
    let sheets = sheets.map(Node::items).unwrap_or_default().iter().filter_map(|sheet| sheet.get("cells"));
    let mut writer = Writer::new(bytes_max);
    let mut shortened = 0;
    for cell in cells.into_iter().chain(sheets).flat_map(Node::items) {
        match cell.get("cell_type").and_then(Node::scalar) {
            Some("code") => code(&mut writer, cell, language, &mut shortened),
            Some("heading") => {
                let level = cell.get("level").and_then(Node::scalar).and_then(|level| level.parse().ok());
                writer.heading(level.unwrap_or(1), &joined(cell.get("source")));
            }
            Some("markdown") => writer.append(&markdown::body(&joined(cell.get("source")), FileKind::Markdown), 0),
            Some(_) | None => writer.paragraph(&joined(cell.get("source"))),
        }
    }
    let mut extracted = writer.finish(FileKind::Notebook)?;
    if let Some(title) = notebook.get("metadata").and_then(|about| about.get("title")?.scalar()) {
        extracted.title = Some(title.to_owned());
    }
    if shortened > 0 {
        extracted.notes.push(Note::OutputsShortened(shortened));
    }
    Ok(extracted)
}

fn language<'a>(notebook: &'a Node<'_>) -> Option<&'a str> {
    let about = notebook.get("metadata")?;
    let named = about.get("language_info").and_then(|info| info.get("name"));
    let name = named.or_else(|| about.get("kernelspec")?.get("language"))?.scalar()?;
    name.chars().all(|c| c.is_alphanumeric() || "+#-_".contains(c)).then_some(name)
}

fn code(writer: &mut Writer, cell: &Node<'_>, language: &str, shortened: &mut u32) {
    writer.code(language, &joined(cell.get("source").or_else(|| cell.get("input"))));
    for output in cell.get("outputs").map(Node::items).unwrap_or_default() {
        let said = plain(&output_text(output));
        if said.len() > OUTPUT_BYTES_MAX {
            *shortened += 1;
            let kept = said.get(..said.floor_char_boundary(OUTPUT_BYTES_MAX)).unwrap_or_default();
            writer.code("", &format!("{kept}\n[…]"));
        } else {
            writer.code("", &said);
        }
    }
}

fn output_text(output: &Node<'_>) -> String {
    let data = output.get("data").unwrap_or(output);
    for form in ["text/markdown", "text/plain", "text"] {
        if let Some(text) = data.get(form) {
            return joined(Some(text));
        }
    }
    match (output.get("ename").and_then(Node::scalar), output.get("evalue").and_then(Node::scalar)) {
        (Some(name), Some(value)) => format!("{name}: {value}"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => String::new(),
    }
}

/// Text is kept as one string or as a list of lines that end themselves.
fn joined(text: Option<&Node<'_>>) -> String {
    match text {
        Some(Node::Scalar(text)) => text.to_string(),
        Some(Node::List(lines)) => lines.iter().filter_map(Node::scalar).collect(),
        Some(Node::Object(_)) | None => String::new(),
    }
}

/// Without the escapes that colour a terminal.
fn plain(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let rest = piece.strip_prefix('[').and_then(|piece| piece.split_once(|c: char| c.is_ascii_alphabetic()));
        plain.push_str(rest.map_or(piece, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_stays_code_is_fenced_and_what_it_printed_follows() {
        let notebook = r##"{"cells": [
            {"cell_type": "markdown", "source": ["# Title\n", "\n", "Words."]},
            {"cell_type": "code", "source": "print(1)", "outputs": [
                {"output_type": "stream", "text": ["\u001b[31m1\u001b[0m\n"]},
                {"output_type": "display_data", "data": {"image/png": "AAAA", "text/plain": "<Figure>"}},
                {"output_type": "error", "ename": "E", "evalue": "no"}]}],
            "metadata": {"language_info": {"name": "python"}}, "nbformat": 4}"##;
        let made = extract(notebook.to_owned(), 1 << 20).expect("it is a notebook");
        assert_eq!(
            made.text,
            "# Title\n\nWords.\n\n```python\nprint(1)\n```\n\n```\n1\n```\n\n```\n<Figure>\n```\n\n```\nE: no\n```\n"
        );
        assert_eq!(made.title.as_deref(), Some("Title"));
    }

    #[test]
    fn a_long_output_is_shortened_and_that_is_said() {
        let notebook = format!(
            r#"{{"cells": [{{"cell_type": "code", "source": "x", "outputs": [{{"text": "{}"}}]}}]}}"#,
            "y".repeat(100_000)
        );
        let made = extract(notebook, 1 << 20).expect("it is a notebook");
        assert!(made.text.len() < 2 * OUTPUT_BYTES_MAX && made.text.contains("[…]"));
        assert_eq!(made.notes, [Note::OutputsShortened(1)]);
    }
}
