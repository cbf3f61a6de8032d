//! JSON → text that reads as such: `key: value` lines, lists, tables.
//!
//! Keys stay in the order of the file, numbers as they are written. A key of the outermost object that holds more than
//! one value heads a section, and so does each record of a list of records and each line of a JSONL file. Lists of
//! small, flat objects are tables. `null` is nothing. Broken JSON, and JSON with comments, is taken as plain text.

use std::borrow::Cow;
use std::collections::HashMap;

use json_event_parser::{JsonEvent, SliceJsonParser};

use serde::{Deserialize, Serialize};

use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::limits::ExtractLimits;
use crate::ingest::extract::text::writer::Writer;
use crate::ingest::extract::{Extracted, Note};

const DEPTH_MAX: usize = 100;
/// A value takes some 60 bytes of memory beside its text.
const VALUES_MAX: usize = 3_000_000;
/// Deeper lists are not indented any further.
const INDENTS_MAX: usize = 16;
/// A longer value reads better outside of a table.
const CELL_BYTES_MAX: usize = 300;
const COLUMNS_MAX: usize = 64;
/// What records call themselves, in the order in which it is looked for.
const TITLE_KEYS: &[&str] = &["title", "name", "subject", "heading", "question", "label", "id", "key"];

/// Which fields of JSON files are text: all, or those at and below the given paths (`title`, `author.name`; lists have
/// no name of their own, so `comments.text` is in each comment).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JsonFields(Vec<Vec<String>>);

impl JsonFields {
    /// All fields if there are no paths.
    pub fn new<S: AsRef<str>>(paths: &[S]) -> Self {
        Self(paths.iter().map(|path| path.as_ref().split('.').map(str::to_owned).collect()).collect())
    }

    fn takes(&self, path: &[Cow<'_, str>]) -> bool {
        // A path that leads to a field is as good as one within it.
        self.0.is_empty() || self.0.iter().any(|field| field.iter().zip(path).all(|(a, b)| a == b))
    }
}

/// A value as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node<'a> {
    /// Text, number or truth value.
    Scalar(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

impl<'a> Node<'a> {
    /// The value of a key of an object.
    pub(crate) fn get(&self, key: &str) -> Option<&Node<'a>> {
        match self {
            Self::Object(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Self::Scalar(_) | Self::List(_) => None,
        }
    }

    pub(crate) fn scalar(&self) -> Option<&str> {
        match self {
            Self::Scalar(text) => Some(text),
            Self::List(_) | Self::Object(_) => None,
        }
    }

    pub(crate) fn items(&self) -> &[Node<'a>] {
        match self {
            Self::List(items) => items,
            Self::Scalar(_) | Self::Object(_) => &[],
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Scalar(text) => text.trim().is_empty(),
            Self::List(items) => items.is_empty(),
            Self::Object(entries) => entries.is_empty(),
        }
    }
}

/// Why a text gives no value.
#[derive(Debug)]
pub(crate) enum JsonError {
    Syntax(String),
    Limit(ExtractError),
}

pub(crate) fn extract(text: String, limits: &ExtractLimits) -> Result<Extracted, ExtractError> {
    if text.trim().is_empty() {
        return Ok(Extracted::of(FileKind::Json, String::new()));
    }
    let value = match parse(&text, &limits.json_fields) {
        Ok(value) => value,
        Err(JsonError::Limit(error)) => return Err(error),
        Err(JsonError::Syntax(_)) => return Ok(as_plain_text(FileKind::Json, text)),
    };
    let mut writer = Writer::new(limits.text_bytes_max);
    document(&mut writer, &value, 2);
    let mut extracted = writer.finish(FileKind::Json)?;
    extracted.title = title_of(&value);
    Ok(extracted)
}

pub(crate) fn extract_lines(text: &str, limits: &ExtractLimits) -> Result<Extracted, ExtractError> {
    let mut writer = Writer::new(limits.text_bytes_max);
    let mut broken = false;
    for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match parse(line, &limits.json_fields) {
            Ok(value) => record(&mut writer, &value, i + 1, 2),
            Err(JsonError::Limit(error)) => return Err(error),
            Err(JsonError::Syntax(_)) => {
                broken = true;
                writer.paragraph(line);
            }
        }
    }
    let mut extracted = writer.finish(FileKind::JsonLines)?;
    extracted.title = None; // The first record's is not the file's.
    if broken {
        extracted.notes.push(Note::TakenAsPlainText);
    }
    Ok(extracted)
}

pub(crate) fn as_plain_text(kind: FileKind, text: String) -> Extracted {
    Extracted { notes: vec![Note::TakenAsPlainText], ..Extracted::of(kind, text) }
}

/// The one value in `text`.
pub(crate) fn parse<'a>(text: &'a str, fields: &JsonFields) -> Result<Node<'a>, JsonError> {
    let mut parser = SliceJsonParser::new(text.as_bytes());
    let mut tree = Tree { open: Vec::new(), path: Vec::new(), done: None, values: 0, fields };
    loop {
        let event = parser.parse_next().map_err(|error| JsonError::Syntax(error.message().to_owned()))?;
        if let JsonEvent::Eof = event {
            // Nothing but `null`, or fields that nobody wants.
            return Ok(tree.done.unwrap_or(Node::Object(Vec::new())));
        }
        tree.take(event).map_err(JsonError::Limit)?;
    }
}

enum Open<'a> {
    List(Vec<Node<'a>>),
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

struct Tree<'a, 'f> {
    open: Vec<Open<'a>>,
    /// The keys that lead to the value that comes next.
    path: Vec<Cow<'a, str>>,
    done: Option<Node<'a>>,
    values: usize,
    fields: &'f JsonFields,
}

impl<'a> Tree<'a, '_> {
    fn take(&mut self, event: JsonEvent<'a>) -> Result<(), ExtractError> {
        match event {
            JsonEvent::String(text) | JsonEvent::Number(text) => self.value(Some(Node::Scalar(text))),
            JsonEvent::Boolean(true) => self.value(Some(Node::Scalar("true".into()))),
            JsonEvent::Boolean(false) => self.value(Some(Node::Scalar("false".into()))),
            JsonEvent::Null => self.value(None),
            JsonEvent::StartArray => self.begin(Open::List(Vec::new())),
            JsonEvent::StartObject => self.begin(Open::Object(Vec::new())),
            JsonEvent::ObjectKey(key) => {
                self.path.push(key);
                Ok(())
            }
            JsonEvent::EndArray | JsonEvent::EndObject => {
                let closed = self.open.pop().map(|open| match open {
                    Open::List(items) => Node::List(items),
                    Open::Object(entries) => Node::Object(entries),
                });
                self.value(closed)
            }
            JsonEvent::Eof => Ok(()),
        }
    }

    fn begin(&mut self, open: Open<'a>) -> Result<(), ExtractError> {
        if self.open.len() == DEPTH_MAX {
            return Err(ExtractError::TooDeep { what: "values of the JSON", limit: DEPTH_MAX });
        }
        self.open.push(open);
        Ok(())
    }

    /// A value is complete.
    fn value(&mut self, value: Option<Node<'a>>) -> Result<(), ExtractError> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return Err(ExtractError::TooLarge { what: "values in the JSON", limit: VALUES_MAX as u64 });
        }
        let taken = self.fields.takes(&self.path);
        match self.open.last_mut() {
            Some(Open::List(items)) => items.extend(value.filter(|_| taken)),
            Some(Open::Object(entries)) => {
                let key = self.path.pop();
                entries.extend(key.zip(value).filter(|_| taken));
            }
            None => self.done = value,
        }
        Ok(())
    }
}

/// The outermost value.
fn document(writer: &mut Writer, value: &Node<'_>, level: u8) {
    match value {
        Node::Scalar(text) => writer.paragraph(text),
        Node::List(items) => list_of_records(writer, items, level),
        Node::Object(entries) => {
            // What belongs to no section comes first, wherever it stands.
            for (key, value) in entries.iter().filter(|(_, value)| is_brief(value)) {
                entry(writer, key, value, 0);
            }
            for (key, value) in entries.iter().filter(|(_, value)| !is_brief(value)) {
                writer.heading(level, key);
                writer.gap();
                match value {
                    Node::Scalar(text) => writer.paragraph(text),
                    Node::List(items) => list_of_records(writer, items, level + 1),
                    Node::Object(entries) => object(writer, entries, 0),
                }
            }
        }
    }
}

fn list_of_records(writer: &mut Writer, items: &[Node<'_>], level: u8) {
    let records = items.iter().any(|item| matches!(item, Node::Object(_)));
    if !records || table(writer, items) {
        if !records {
            list(writer, items, 0);
        }
        return;
    }
    for (i, item) in items.iter().enumerate() {
        record(writer, item, i + 1, level);
    }
}

fn record(writer: &mut Writer, value: &Node<'_>, number: usize, level: u8) {
    let title = title_of(value).unwrap_or_else(|| format!("Record {number}"));
    writer.heading(level, title.get(..title.floor_char_boundary(120)).unwrap_or(&title));
    writer.gap();
    match value {
        Node::Scalar(text) => writer.paragraph(text),
        Node::List(items) => list(writer, items, 0),
        Node::Object(entries) => object(writer, entries, 0),
    }
}

fn object(writer: &mut Writer, entries: &[(Cow<'_, str>, Node<'_>)], indents: usize) {
    for (key, value) in entries {
        entry(writer, key, value, indents);
    }
}

fn entry(writer: &mut Writer, key: &str, value: &Node<'_>, indents: usize) {
    if value.is_empty() || writer.is_full() {
        return;
    }
    let (indent, mark) = (2 * indents.saturating_sub(1).min(INDENTS_MAX), if indents > 0 { "- " } else { "" });
    match value {
        Node::Scalar(text) => lines(writer, indent, &format!("{mark}{key}: {text}")),
        Node::List(items) if items.iter().all(|item| is_short(item)) => {
            let joined: Vec<_> = items.iter().filter_map(Node::scalar).collect();
            lines(writer, indent, &format!("{mark}{key}: {}", joined.join(", ")));
        }
        Node::List(items) => {
            writer.line(indent, &format!("{mark}{key}:"));
            if indents > 0 || !table(writer, items) {
                list(writer, items, indents + 1);
            }
        }
        Node::Object(entries) => {
            writer.line(indent, &format!("{mark}{key}:"));
            object(writer, entries, indents + 1);
        }
    }
}

fn list(writer: &mut Writer, items: &[Node<'_>], indents: usize) {
    let indent = 2 * indents.saturating_sub(1).min(INDENTS_MAX);
    for item in items.iter().filter(|item| !item.is_empty()) {
        match item {
            Node::Scalar(text) => lines(writer, indent, &format!("- {text}")),
            Node::List(items) => list(writer, items, indents + 1),
            Node::Object(entries) => {
                // The first entry begins the item, the others stand below it.
                let mut entries = entries.iter().filter(|(_, value)| !value.is_empty());
                if let Some((key, value)) = entries.next() {
                    entry(writer, key, value, indents.max(1));
                }
                for (key, value) in entries {
                    entry(writer, key, value, indents.max(1) + 1);
                }
            }
        }
    }
}

fn lines(writer: &mut Writer, indent: usize, text: &str) {
    for line in text.lines() {
        writer.line(indent, line.trim_end());
    }
}

/// Writes a list of small, flat objects as a table. False, and nothing written, where it is no such list.
fn table(writer: &mut Writer, items: &[Node<'_>]) -> bool {
    let mut columns: Vec<&str> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for item in items {
        let Node::Object(entries) = item else { return false };
        for (key, value) in entries {
            if !is_short(value) {
                return false;
            }
            if !known.contains_key(key.as_ref()) {
                known.insert(key, columns.len());
                columns.push(key);
            }
        }
    }
    if items.len() < 2 || columns.is_empty() || columns.len() > COLUMNS_MAX {
        return false;
    }
    writer.row(&columns);
    for item in items {
        let mut cells = vec![""; columns.len()];
        if let Node::Object(entries) = item {
            for (key, value) in entries {
                if let Some(cell) = known.get(key.as_ref()).and_then(|column| cells.get_mut(*column)) {
                    *cell = value.scalar().unwrap_or_default();
                }
            }
        }
        writer.row(&cells);
    }
    writer.end_table();
    true
}

fn is_short(value: &Node<'_>) -> bool {
    value.scalar().is_some_and(|text| text.len() <= CELL_BYTES_MAX && !text.contains('\n'))
}

/// Whether it fits beside its key.
fn is_brief(value: &Node<'_>) -> bool {
    match value {
        Node::Scalar(_) => true,
        Node::List(items) => items.iter().all(is_short),
        Node::Object(entries) => entries.is_empty(),
    }
}

fn title_of(value: &Node<'_>) -> Option<String> {
    let title = TITLE_KEYS.iter().find_map(|key| value.get(key)?.scalar())?;
    let title = crate::ingest::extract::extracted::on_one_line(title);
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> String {
        extract(json.to_owned(), &ExtractLimits::default()).expect("it is JSON").text
    }

    #[test]
    fn an_object_is_lines_and_what_is_larger_heads_a_section() {
        let json = r#"{"name": "cairn", "n": 1.10, "no": null, "tags": ["a", "b"],
                       "owner": {"who": "x", "at": {"city": "y"}}, "users": [{"id": 1, "ok": true}, {"id": 2}]}"#;
        assert_eq!(
            text(json),
            "name: cairn\nn: 1.10\ntags: a, b\n\n## owner\n\nwho: x\nat:\n- city: y\n\n## users\n\n\
             | id | ok |\n| --- | --- |\n| 1 | true |\n| 2 |\n"
        );
    }

    #[test]
    fn each_line_of_a_jsonl_file_is_a_section() {
        let lines = "{\"title\": \"One\", \"text\": \"first\"}\n\n{\"text\": \"second\"}\n{broken\n";
        let made = extract_lines(lines, &ExtractLimits::default()).expect("it is text");
        assert_eq!(made.text, "## One\n\ntitle: One\ntext: first\n\n## Record 3\n\ntext: second\n\n{broken\n");
        assert_eq!(made.headings.len(), 2);
        assert_eq!(made.notes, [Note::TakenAsPlainText]);
    }

    #[test]
    fn only_chosen_fields_are_text_where_some_are_chosen() {
        let json = r#"{"id": 7, "doc": {"body": "yes", "hash": "no"}, "notes": [{"by": "no", "text": "yes too"}]}"#;
        let json_fields = JsonFields::new(&["doc.body", "notes.text"]);
        let limits = ExtractLimits { json_fields, ..ExtractLimits::default() };
        let made = extract(json.to_owned(), &limits).expect("it is JSON");
        assert!(made.text.contains("body: yes") && made.text.contains("text: yes too"), "{}", made.text);
        assert!(!made.text.contains("no\n") && !made.text.contains('7'), "{}", made.text);
    }

    #[test]
    fn json_that_is_broken_or_has_comments_is_plain_text() {
        for json in ["{\"a\": 1,", "// settings\n{\"a\": 1}\n"] {
            let made = extract(json.to_owned(), &ExtractLimits::default()).expect("it is text");
            assert_eq!((made.text.as_str(), made.notes.as_slice()), (json, [Note::TakenAsPlainText].as_slice()));
        }
    }

    #[test]
    fn json_that_is_nested_too_deep_or_has_too_many_values_is_refused() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert!(matches!(extract(deep, &ExtractLimits::default()), Err(ExtractError::TooDeep { .. })));
        let many = format!("[{}1]", "1,".repeat(VALUES_MAX));
        assert!(matches!(extract(many, &ExtractLimits::default()), Err(ExtractError::TooLarge { .. })));
    }
}
