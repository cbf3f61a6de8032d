//! A suite as its file says it: documents, cases, and how they are asked.
//!
//! TOML in, paths resolved against the file's folder, cases read and checked. `eval/schema/suite.schema.json` says the
//! same for editors.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::case::{self, Case};
use super::record::canonical;
use crate::document::{CollectionName, sha256};

const NAME_CHARS_MAX: usize = 100;
const FILES_MAX: usize = 100;

/// What the file says.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    /// Files of cases.
    cases: Vec<PathBuf>,
    /// Files of cases that are asked only where a gate escalates.
    #[serde(default)]
    reserve: Vec<PathBuf>,
    /// Files and folders to index; empty where `collection` is asked as it is.
    #[serde(default)]
    documents: Vec<PathBuf>,
    collection: Option<CollectionName>,
    /// Tags that are slices of the report. Empty: all tags are.
    #[serde(default)]
    slices: Vec<String>,
    /// Settings that the suite fixes, whatever the machine's configuration says.
    #[serde(default)]
    settings: toml::Table,
    #[serde(default)]
    run: RawRun,
}

#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct RawRun {
    concurrency: usize,
    #[serde(with = "humantime_serde")]
    case_timeout: Duration,
}

impl Default for RawRun {
    fn default() -> Self {
        Self { concurrency: 4, case_timeout: Duration::from_secs(300) }
    }
}

/// A suite, ready to be run.
#[derive(Debug, Clone)]
pub struct Suite {
    pub name: String,
    /// In the order of their files.
    pub cases: Vec<Case>,
    pub reserve: Vec<Case>,
    pub documents: Documents,
    pub slices: Vec<String>,
    /// As `("section.key", "value")`.
    pub settings: Vec<(String, String)>,
    pub concurrency: usize,
    pub case_timeout: Duration,
    /// Of everything that changes figures: SHA-256.
    pub sha256: String,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Documents {
    /// These files and folders, in an index of the suite's own.
    Paths(Vec<PathBuf>),
    /// What the data folder holds already.
    Collection(CollectionName),
}

impl Suite {
    /// Reads a suite's file and its cases.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let raw: Raw = toml::from_str(&text).with_context(|| format!("read {}", path.display()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        resolve(raw, folder).with_context(|| format!("read {}", path.display()))
    }
}

fn resolve(raw: Raw, folder: &Path) -> anyhow::Result<Suite> {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if raw.name.is_empty() || raw.name.chars().count() > NAME_CHARS_MAX || !raw.name.chars().all(plain) {
        bail!("name must have 1 to {NAME_CHARS_MAX} letters, digits, '-', '_' or '.'");
    }
    if raw.cases.is_empty() {
        bail!("cases must name at least one file");
    }
    if raw.cases.len() + raw.reserve.len() + raw.documents.len() > FILES_MAX {
        bail!("cases, reserve and documents name more than {FILES_MAX} paths");
    }
    if !(1..=64).contains(&raw.run.concurrency) {
        bail!("run.concurrency is {}, must be in 1..=64", raw.run.concurrency);
    }
    let documents = match (&raw.collection, raw.documents.as_slice()) {
        (Some(name), []) => Documents::Collection(name.clone()),
        (None, []) => bail!("it must name documents or a collection"),
        (None, paths) => Documents::Paths(paths.iter().map(|path| folder.join(path)).collect()),
        (Some(_), _) => bail!("it names documents and a collection: keep one"),
    };
    let (cases, reserve) = (read_all(folder, &raw.cases)?, read_all(folder, &raw.reserve)?);
    if cases.is_empty() {
        bail!("its files hold no case");
    }
    unique(cases.iter().chain(&reserve))?;
    let settings = flatten(&raw.settings)?;
    let counted = (&raw.documents, &raw.collection, as_asked(&cases), as_asked(&reserve), &settings);
    let sha256 = sha256(canonical(&counted)?.as_bytes());
    Ok(Suite {
        name: raw.name,
        cases,
        reserve,
        documents,
        slices: raw.slices,
        settings,
        concurrency: raw.run.concurrency,
        case_timeout: raw.run.case_timeout,
        sha256,
    })
}

/// The cases without who made them, and notes: that somebody approves one changes no figure.
fn as_asked(cases: &[Case]) -> Vec<Case> {
    cases.iter().map(|case| Case { generated: false, made_by: None, note: None, ..case.clone() }).collect()
}

fn read_all(folder: &Path, files: &[PathBuf]) -> Result<Vec<Case>, case::CaseError> {
    let read = files.iter().map(|file| case::read(&folder.join(file))).collect::<Result<Vec<_>, _>>()?;
    Ok(read.into_iter().flatten().collect())
}

fn unique<'a>(cases: impl Iterator<Item = &'a Case>) -> anyhow::Result<()> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for case in cases {
        let count = seen.entry(&case.id).or_default();
        *count += 1;
        if *count > 1 {
            bail!("the id {:?} is that of two cases, in two of its files", case.id);
        }
    }
    Ok(())
}

/// `[settings.retrieval] passages_max = 4` as `retrieval.passages_max` and `4`.
fn flatten(settings: &toml::Table) -> anyhow::Result<Vec<(String, String)>> {
    let mut flat = Vec::new();
    for (section, keys) in settings {
        let Some(keys) = keys.as_table() else { bail!("settings.{section} must be a table of keys") };
        for (key, value) in keys {
            let text = match value {
                toml::Value::String(text) => text.clone(),
                toml::Value::Integer(_) | toml::Value::Float(_) | toml::Value::Boolean(_) => value.to_string(),
                toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => {
                    bail!("settings.{section}.{key} must be a text, a number, true or false")
                }
            };
            flat.push((format!("{section}.{key}"), text));
        }
    }
    flat.sort();
    Ok(flat)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const CASE: &str = "{\"id\": \"a\", \"question\": \"Why?\", \"answerable\": true}\n";

    fn read(toml: &str) -> anyhow::Result<Suite> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cases.jsonl"), CASE).unwrap();
        fs::write(folder.path().join("suite.toml"), toml).unwrap();
        Suite::read(&folder.path().join("suite.toml"))
    }

    #[test]
    fn a_suite_is_read_with_its_cases() {
        let toml = "name = \"s\"\ncases = [\"cases.jsonl\"]\ndocuments = [\"docs\"]\n\
                    [settings.retrieval]\npassages_max = 4\n[run]\ncase_timeout = \"5s\"\n";
        let suite = read(toml).unwrap();
        assert_eq!(suite.settings, [("retrieval.passages_max".to_owned(), "4".to_owned())]);
        assert_eq!((suite.cases.len(), suite.case_timeout), (1, Duration::from_secs(5)));
        assert!(matches!(&suite.documents, Documents::Paths(paths) if paths[0].ends_with("docs")));
        assert_eq!(read(toml).unwrap().sha256, suite.sha256, "wherever it lies");
        assert_ne!(read(&toml.replace("= 4", "= 5")).unwrap().sha256, suite.sha256);
    }

    #[test]
    fn what_is_wrong_with_a_suite_is_said() {
        for (toml, part) in [
            ("name = \"s\"\ncases = [\"cases.jsonl\"]", "documents or a collection"),
            ("name = \"s\"\ncases = []\ndocuments = [\"d\"]", "at least one file"),
            ("name = \"s/t\"\ncases = [\"cases.jsonl\"]\ndocuments = [\"d\"]", "name must have"),
            ("name = \"s\"\ncases = [\"none.jsonl\"]\ndocuments = [\"d\"]", "none.jsonl"),
            (
                "name = \"s\"\ncases = [\"cases.jsonl\"]\ndocuments = [\"d\"]\nreserve = [\"cases.jsonl\"]",
                "of two cases",
            ),
            ("name = \"s\"\ncases = [\"cases.jsonl\"]\ndocuments = [\"d\"]\ncollection = \"x\"", "keep one"),
            ("name = \"s\"\ncases = [\"cases.jsonl\"]\ndocument = [\"d\"]", "unknown field"),
            ("name = \"s\"\ncases = [\"cases.jsonl\"]\ndocuments = [\"d\"]\n[run]\nconcurrency = 0", "in 1..=64"),
        ] {
            let error = format!("{:#}", read(toml).unwrap_err());
            assert!(error.contains(part), "{toml}: {error}");
        }
    }
}
