//! A run's answers, read by a person sentence by sentence: labels that `eval calibrate --labels` and `eval run --own-labels`
//! go by, in a folder of the form that [`selftest::LabelledSet`](super::selftest::LabelledSet) reads.
//!
//! What was said of an answer is in the folder before the next one is shown, and what is there stays as it is. Nothing of
//! what the scorer holds for right is told to who labels.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::lines::{ReadError, parsed, read};
use super::record::{CaseRecord, ClaimRecord, Report, State};
use crate::document::sha256;
use crate::files::replace;

/// Of a hash, enough to tell two answers or two sets of passages apart.
const HASH_CHARS: usize = 12;

/// Labels of a folder, and where they are written to.
#[derive(Debug)]
pub struct Labels {
    claims: File,
    contexts: File,
}

/// A file of JSON lines that is only added to.
#[derive(Debug)]
struct File {
    path: PathBuf,
    text: String,
    ids: HashSet<String>,
}

#[derive(Serialize)]
struct Row<'a> {
    id: String,
    source: &'a str,
    system: Option<&'a str>,
    context_id: String,
    question: &'a str,
    answer: &'a str,
    supported: bool,
    /// Characters, from and up to.
    unsupported_spans: Vec<(usize, usize)>,
}

#[derive(Serialize)]
struct Context<'a> {
    context_id: String,
    passages: Vec<&'a str>,
}

/// Either file's line, as far as it names itself.
#[derive(Deserialize)]
struct Named {
    #[serde(default)]
    id: Option<String>,
    context_id: String,
}

impl Labels {
    /// The labels of a folder; of one that is not there yet, none.
    pub fn open(folder: &Path) -> Result<Self, ReadError> {
        Ok(Self {
            claims: File::open(folder.join("claims.jsonl"), |line| line.id)?,
            contexts: File::open(folder.join("contexts.jsonl"), |line| Some(line.context_id))?,
        })
    }

    /// The answers that claim something and have no label here, in an order as good as drawn by lot: the first hundred
    /// stand for all.
    pub fn open_answers<'a>(&self, report: &'a Report) -> Vec<&'a CaseRecord> {
        let mut open: Vec<(String, &CaseRecord)> = report
            .cases
            .iter()
            .filter(|case| case.state == State::Done && !case.claims.is_empty())
            .map(|case| (id(case), case))
            .filter(|(id, _)| !self.claims.ids.contains(id))
            .map(|(id, case)| (sha256(id.as_bytes()), case))
            .collect();
        open.sort_by(|(a, _), (b, _)| a.cmp(b));
        open.into_iter().map(|(_, case)| case).collect()
    }

    /// Keeps what was said of an answer, `wrong` being those of its claims that the passages don't bear out: when this
    /// returns, it is in the folder. An error says what can't be written.
    pub fn keep(&mut self, report: &Report, case: &CaseRecord, wrong: &[&ClaimRecord]) -> io::Result<()> {
        let passages: Vec<&str> = case.passages.iter().map(|passage| passage.text.as_str()).collect();
        let context_id = short(&serde_json::to_string(&passages)?);
        let row = Row {
            id: id(case),
            source: &report.suite,
            system: report.fingerprint.chat_model.as_deref(),
            context_id: context_id.clone(),
            question: &case.asked.question,
            answer: &case.answer,
            supported: wrong.is_empty(),
            unsupported_spans: wrong.iter().map(|claim| characters(&case.answer, claim)).collect(),
        };
        // Passages first: a crash in between leaves some that no label names, and never a label without its passages.
        if !self.contexts.ids.contains(&context_id) {
            self.contexts.add(context_id.clone(), &Context { context_id, passages })?;
        }
        self.claims.add(row.id.clone(), &row)
    }
}

impl File {
    fn open(path: PathBuf, named: impl Fn(Named) -> Option<String>) -> Result<Self, ReadError> {
        if !path.exists() {
            return Ok(Self { path, text: String::new(), ids: HashSet::new() });
        }
        let text = read(&path)?;
        let ids = parsed::<Named>(&path, &text, usize::MAX)?.into_iter().filter_map(named).collect();
        Ok(Self { path, text, ids })
    }

    fn add(&mut self, id: String, line: &impl Serialize) -> io::Result<()> {
        let mut text = self.text.clone();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&serde_json::to_string(line)?);
        text.push('\n');
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder)?;
        }
        replace(&self.path, &text)?;
        self.text = text;
        self.ids.insert(id);
        Ok(())
    }
}

/// Names the answer and not only its case: another answer to the same question is read anew.
fn id(case: &CaseRecord) -> String {
    format!("{}-{}", case.id, short(&case.answer))
}

fn short(text: &str) -> String {
    sha256(text.as_bytes()).chars().take(HASH_CHARS).collect()
}

/// Where a claim stands, counted in characters.
fn characters(answer: &str, claim: &ClaimRecord) -> (usize, usize) {
    let count = |end: usize| answer.char_indices().take_while(|(at, _)| *at < end).count();
    (count(claim.start), count(claim.end))
}
