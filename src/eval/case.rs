//! Cases as a file has them, one JSON object a line, and what is made of them.
//!
//! A line that can't be used is an error that names the file, the line and what is wrong with it; nothing is left out in
//! silence. Everything is bounded. `eval/schema/case.schema.json` says the same for editors, and a test holds the two
//! together.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::caller::Group;
use crate::files::replace;

/// The most of one file, and of one line.
pub const CASES_MAX: usize = 100_000;
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// Of every list in a case.
pub const ENTRIES_MAX: usize = 64;
/// Of every text in a case.
pub const TEXT_BYTES_MAX: usize = 64 * 1024;
const ID_CHARS_MAX: usize = 200;

/// A question, and what is known of its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Unique in its suite.
    pub id: String,
    pub question: String,
    /// Earlier messages, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Earlier>,
    /// Whether the documents answer it.
    pub answerable: bool,
    /// A reference answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What the answer must say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<Fact>,
    /// Passages that answer it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Gold>,
    /// The caller's groups. None: a caller who may see everything.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// Texts that must never appear.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_not: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    /// Cases that may fail together, where it is not by their first source's document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Made by a program, and not yet approved by a person.
    #[serde(default, skip_serializing_if = "is_false")]
    pub generated: bool,
    /// How a program made it; it stays when somebody approves the case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<MadeBy>,
    /// For whoever reads the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a case was made from, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MadeBy {
    /// A heading.
    Heading,
    /// A sentence that says what something is or does.
    Definition,
    /// A row of a table.
    Table,
    /// Any other sentence.
    Statement,
    /// A chat model wrote it.
    Model,
    /// Two questions that different documents answer.
    Combined,
    /// Another case, with a name, a number or an identifier that the documents don't have.
    Swapped,
    /// A document that the suite doesn't have.
    Removed,
    /// A document that the caller may not see.
    Access,
    /// An answer that somebody got, and what people said of it.
    Answer,
}

impl MadeBy {
    pub fn name(self) -> &'static str {
        match self {
            Self::Heading => "heading",
            Self::Definition => "definition",
            Self::Table => "table",
            Self::Statement => "statement",
            Self::Model => "model",
            Self::Combined => "combined",
            Self::Swapped => "swapped",
            Self::Removed => "removed",
            Self::Access => "access",
            Self::Answer => "answer",
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde asks")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// An earlier message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    pub role: Speaker,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    User,
    Assistant,
}

/// A fact in one wording, or in several of which one is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fact {
    One(String),
    AnyOf(Vec<String>),
}

impl Fact {
    pub fn wordings(&self) -> &[String] {
        match self {
            Self::One(wording) => std::slice::from_ref(wording),
            Self::AnyOf(wordings) => wordings,
        }
    }
}

/// A passage that answers the question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gold {
    /// The end of the document's path or URL: `guide.md`, `docs/guide.md`.
    pub document: String,
    /// What the passage must contain; line breaks count as spaces.
    pub text: String,
}

/// Why cases can't be used.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    #[error("read {file}: {cause}")]
    Read { file: String, cause: io::Error },
    #[error("read {file}, line {line}: {reason}")]
    Line { file: String, line: usize, reason: String },
    #[error("read {file}: it has more than {CASES_MAX} cases")]
    TooMany { file: String },
}

/// The cases of one file, as they stand in it. Blank lines are none.
pub fn read(path: &Path) -> Result<Vec<Case>, CaseError> {
    let file = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|cause| CaseError::Read { file: file.clone(), cause })?;
    parse(&file, &text)
}

/// The same of a text.
pub fn parse(file: &str, text: &str) -> Result<Vec<Case>, CaseError> {
    let mut cases = Vec::new();
    let mut seen: HashMap<String, usize> = HashMap::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line_number = at + 1;
        let wrong = |reason: String| CaseError::Line { file: file.to_owned(), line: line_number, reason };
        if cases.len() == CASES_MAX {
            return Err(CaseError::TooMany { file: file.to_owned() });
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(wrong(format!("it has {} bytes, at most {LINE_BYTES_MAX} are read", line.len())));
        }
        let case: Case = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        case.check().map_err(wrong)?;
        if let Some(first) = seen.insert(case.id.clone(), line_number) {
            return Err(wrong(format!("the id {:?} is that of line {first} already", case.id)));
        }
        cases.push(case);
    }
    Ok(cases)
}

/// Makes a file hold these cases, at once: whoever reads it meanwhile has those before or these.
pub fn write<'a>(path: &Path, cases: impl IntoIterator<Item = &'a Case>) -> io::Result<()> {
    let mut text = String::new();
    for case in cases {
        text.push_str(&serde_json::to_string(case)?);
        text.push('\n');
    }
    replace(path, &text)
}

impl Case {
    /// A case of nothing but a question that has no answer.
    pub fn unanswerable(id: String, question: String) -> Self {
        Self {
            id,
            question,
            history: Vec::new(),
            answerable: false,
            answer: None,
            facts: Vec::new(),
            sources: Vec::new(),
            groups: None,
            must_not: Vec::new(),
            tags: BTreeSet::new(),
            cluster: None,
            generated: false,
            made_by: None,
            note: None,
        }
    }

    /// Whether a suite may hold it; else what is wrong with it.
    pub fn is_sound(&self) -> Result<(), String> {
        self.check()
    }

    /// The cluster that it is drawn with: what is said, else the first source's document, else the conversation, else
    /// the case by itself.
    pub fn cluster(&self) -> String {
        let named = self.cluster.clone().or_else(|| self.sources.first().map(|gold| gold.document.clone()));
        named.or_else(|| self.history.first().map(|first| first.text.clone())).unwrap_or_else(|| self.id.clone())
    }

    /// The groups as groups. None: whoever asks may see everything. `check` has read them before.
    pub fn groups(&self) -> Option<BTreeSet<Group>> {
        self.groups.as_ref().map(|names| names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    fn check(&self) -> Result<(), String> {
        if self.id.is_empty() || self.id.chars().count() > ID_CHARS_MAX || self.id.chars().any(char::is_control) {
            return Err(format!("the id must have 1 to {ID_CHARS_MAX} characters"));
        }
        if self.question.trim().is_empty() {
            return Err("the question is empty".into());
        }
        let lists = [
            ("history", self.history.len()),
            ("facts", self.facts.len()),
            ("sources", self.sources.len()),
            ("must_not", self.must_not.len()),
            ("tags", self.tags.len()),
            ("as", self.groups.as_ref().map_or(0, Vec::len)),
        ];
        let wordings = self.facts.iter().map(|fact| ("a fact's wordings", fact.wordings().len()));
        if let Some((name, count)) = lists.into_iter().chain(wordings).find(|(_, count)| *count > ENTRIES_MAX) {
            return Err(format!("{name} has {count} entries, at most {ENTRIES_MAX} are allowed"));
        }
        if let Some((name, text)) = self.texts().find(|(_, text)| text.len() > TEXT_BYTES_MAX) {
            return Err(format!("{name} has {} bytes, at most {TEXT_BYTES_MAX} are allowed", text.len()));
        }
        let meaningless = |text: &str| super::wording::words(text).is_empty();
        if self.facts.iter().any(|fact| fact.wordings().is_empty() || fact.wordings().iter().any(|w| meaningless(w))) {
            return Err("a fact must have at least one wording, and each wording a word".into());
        }
        if self.sources.iter().any(|gold| gold.document.trim().is_empty() || gold.text.trim().is_empty()) {
            return Err("a source must name a document and a text".into());
        }
        if self.must_not.iter().chain(&self.tags).any(|text| text.trim().is_empty()) {
            return Err("must_not and tags must hold no empty text".into());
        }
        let knows_answer = !self.facts.is_empty() || !self.sources.is_empty() || self.answer.is_some();
        if knows_answer && !self.answerable {
            return Err("it is not answerable, so it can have no answer, facts or sources".into());
        }
        let groups = self.groups.iter().flatten().map(|name| name.parse::<Group>());
        groups.collect::<Result<Vec<_>, _>>().map(drop).map_err(|error| error.to_string())
    }

    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let facts = self.facts.iter().flat_map(|fact| fact.wordings()).map(|text| ("a fact", text.as_str()));
        let gold =
            self.sources.iter().flat_map(|gold| [("a source", gold.text.as_str()), ("a source", &gold.document)]);
        let history = self.history.iter().map(|turn| ("an earlier message", turn.text.as_str()));
        let must_not = self.must_not.iter().map(|text| ("must_not", text.as_str()));
        let tags = self.tags.iter().map(|text| ("a tag", text.as_str()));
        [("the question", self.question.as_str())]
            .into_iter()
            .chain(self.answer.as_deref().map(|text| ("the answer", text)))
            .chain(self.cluster.as_deref().map(|text| ("the cluster", text)))
            .chain(self.note.as_deref().map(|text| ("the note", text)))
            .chain(facts)
            .chain(gold)
            .chain(history)
            .chain(must_not)
            .chain(tags)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refused(line: &str) -> String {
        parse("cases.jsonl", line).unwrap_err().to_string()
    }

    #[test]
    fn a_whole_case_is_read() {
        let line = r#"{"id": "a", "question": "Which port?", "history": [{"role": "user", "text": "Hi"}],
            "answerable": true, "answer": "2525", "facts": ["2525", ["two", "2"]],
            "sources": [{"document": "docs/a.md", "text": "port 2525"}], "as": ["staff"], "must_not": ["secret"],
            "tags": ["plain"], "generated": true, "made_by": "table", "note": "n"}"#
            .replace('\n', " ");
        let cases = parse("cases.jsonl", &format!("\n{line}\n\n")).unwrap();
        assert_eq!(cases[0].facts[1].wordings(), ["two", "2"]);
        assert_eq!((cases[0].cluster().as_str(), cases[0].groups().unwrap().len()), ("docs/a.md", 1));
        let written = serde_json::to_string(&cases[0]).unwrap();
        assert_eq!(parse("again", &written).unwrap(), cases, "what is written is read");
    }

    #[test]
    fn a_bad_line_is_named_with_its_number() {
        let good = r#"{"id": "a", "question": "Why?", "answerable": true}"#;
        let message = refused(&format!("{good}\n\n{{\"id\": 3}}"));
        assert!(message.starts_with("read cases.jsonl, line 3: "), "{message}");
        let twice = refused(&format!("{good}\n{good}"));
        assert!(twice.contains("line 2") && twice.contains("that of line 1"), "{twice}");
        for (line, part) in [
            (r#"{"id": "a", "question": " ", "answerable": true}"#, "question is empty"),
            (r#"{"id": "", "question": "Why?", "answerable": true}"#, "the id must have"),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "fact": ["x"]}"#, "unknown field"),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "facts": [[]]}"#, "at least one wording"),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "facts": ["?!"]}"#, "each wording a word"),
            (r#"{"id": "a", "question": "Why?", "answerable": false, "facts": ["x"]}"#, "not answerable"),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "as": ["a b"]}"#, "is not a group name"),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "must_not": [""]}"#, "no empty text"),
        ] {
            assert!(refused(line).contains(part), "{line}: {}", refused(line));
        }
    }

    /// The lines here are all that the parser's tests have, and those that a handbook's suite has.
    #[test]
    fn the_published_schema_says_what_the_parser_does() {
        let schema: serde_json::Value = serde_json::from_str(
            &std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/eval/schema/case.schema.json")).unwrap(),
        )
        .unwrap();
        let schema = jsonschema::validator_for(&schema).unwrap();
        for (line, is_read) in [
            (r#"{"id": "a", "question": "Why?", "answerable": true}"#, true),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "facts": ["5 %", ["x", "y"]], "as": []}"#, true),
            (r#"{"id": "a", "question": "Why?", "answerable": false, "must_not": ["x"], "as": ["a:b"]}"#, true),
            (
                r#"{"id": "a", "question": "Why?", "answerable": true, "sources": [{"document": "d", "text": "t"}]}"#,
                true,
            ),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "generated": true, "made_by": "swapped"}"#, true),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "made_by": "magic"}"#, false),
            (r#"{"id": "a", "question": "Why?"}"#, false),
            (r#"{"id": 3, "question": "Why?", "answerable": true}"#, false),
            (r#"{"id": "", "question": "Why?", "answerable": true}"#, false),
            (r#"{"id": "a", "question": " ", "answerable": true}"#, false),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "fact": ["x"]}"#, false),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "facts": [[]]}"#, false),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "facts": ["?!"]}"#, false),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "as": ["a b"]}"#, false),
            (r#"{"id": "a", "question": "Why?", "answerable": true, "must_not": [""]}"#, false),
            (r#"{"id": "a", "question": "Why?", "answerable": false, "facts": ["x"]}"#, false),
            (
                r#"{"id": "a", "question": "Why?", "answerable": true, "history": [{"role": "system", "text": ""}]}"#,
                false,
            ),
        ] {
            let value = serde_json::from_str(line).unwrap();
            assert_eq!((parse("x", line).is_ok(), schema.is_valid(&value)), (is_read, is_read), "{line}");
        }
    }

    #[test]
    fn everything_is_bounded() {
        let long = "x".repeat(TEXT_BYTES_MAX + 1);
        assert!(refused(&format!(r#"{{"id": "a", "question": "{long}", "answerable": true}}"#)).contains("bytes"));
        let many = vec!["\"x\""; ENTRIES_MAX + 1].join(",");
        let line = format!(r#"{{"id": "a", "question": "Why?", "answerable": true, "facts": [{many}]}}"#);
        assert!(refused(&line).contains("at most 64"));
        assert!(refused(&" x".repeat(LINE_BYTES_MAX)).contains("are read"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}\":,a-z \n]{0,200}") {
            let _ = parse("x", &text);
        }
    }
}
