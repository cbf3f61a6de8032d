//! What a run is compared with: the values of each case of an earlier one, in a file that names itself by its content.
//!
//! A baseline holds for the same cases, documents, index, scorer and models; for others it has to be made anew, and the
//! reason is written into it. Whoever edits the file breaks its address, and it is refused.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::record::{
    BaselineRecord, CaseRecord, Fingerprint, Measure, Measured, RecordError, Report, State, canonical,
};
use super::record::{Figure, Rebaselined};
use crate::document::sha256;

/// The form of the file.
const FORMAT: u32 = 1;
const REASON_CHARS_MAX: usize = 1000;

/// An earlier run's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    format: u32,
    /// Of everything else in it.
    sha256: String,
    pub suite: String,
    pub fingerprint: Fingerprint,
    /// Oldest first.
    pub rebaselined: Vec<Rebaselined>,
    /// By case.
    pub cases: BTreeMap<String, BTreeMap<Measure, Figure>>,
}

/// Why a baseline can't be used.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    #[error("read the baseline {file}: {cause}")]
    Read { file: String, cause: std::io::Error },
    #[error("read the baseline {file}: {cause}")]
    Json { file: String, cause: serde_json::Error },
    #[error("read the baseline {file}: it is of form {found}, this version reads {FORMAT}: make it anew")]
    Format { file: String, found: u32 },
    #[error("read the baseline {file}: its content is not what its sha256 says, so it was edited: make it anew")]
    Edited { file: String },
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("say why the baseline is made anew, in at most {REASON_CHARS_MAX} characters")]
    Reason,
    #[error("make a baseline of {count} cases that errored or are stale (the first is {first:?}): let them end first")]
    Unfinished { count: usize, first: String },
}

impl Baseline {
    /// Reads and verifies a baseline.
    pub fn read(path: &Path) -> Result<Self, BaselineError> {
        let file = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|cause| BaselineError::Read { file: file.clone(), cause })?;
        let read: Self =
            serde_json::from_str(&text).map_err(|cause| BaselineError::Json { file: file.clone(), cause })?;
        if read.format != FORMAT {
            return Err(BaselineError::Format { file, found: read.format });
        }
        if read.address()? != read.sha256 {
            return Err(BaselineError::Edited { file });
        }
        Ok(read)
    }

    /// A baseline of this run, in the place of `before`, for a reason.
    pub fn of(report: &Report, before: Option<&Self>, reason: &str) -> Result<Self, BaselineError> {
        let reason = reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            return Err(BaselineError::Reason);
        }
        let unfinished: Vec<&str> =
            report.cases.iter().filter(|case| case.state != State::Done).map(|case| case.id.as_str()).collect();
        if let Some(first) = unfinished.first() {
            return Err(BaselineError::Unfinished { count: unfinished.len(), first: (*first).to_owned() });
        }
        let mut rebaselined = before.map(|before| before.rebaselined.clone()).unwrap_or_default();
        rebaselined.push(Rebaselined { reason: reason.to_owned(), before: before.map(|before| before.sha256.clone()) });
        let mut made = Self {
            format: FORMAT,
            sha256: String::new(),
            suite: report.suite.clone(),
            fingerprint: report.fingerprint.clone(),
            rebaselined,
            cases: report.cases.iter().map(|case| (case.id.clone(), known(&case.values))).collect(),
        };
        made.sha256 = made.address()?;
        Ok(made)
    }

    /// These cases as what others are compared with. It is no file's, so it has no address.
    pub(super) fn of_cases(fingerprint: Fingerprint, cases: &[CaseRecord]) -> Self {
        Self {
            format: FORMAT,
            sha256: String::new(),
            suite: String::new(),
            fingerprint,
            rebaselined: Vec::new(),
            cases: cases.iter().map(|case| (case.id.clone(), known(&case.values))).collect(),
        }
    }

    /// The file's text.
    pub fn text(&self) -> Result<String, RecordError> {
        canonical(self)
    }

    fn address(&self) -> Result<String, RecordError> {
        let nameless = Self { sha256: String::new(), ..self.clone() };
        Ok(sha256(canonical(&nameless)?.as_bytes()))
    }

    /// As a report names it.
    pub(super) fn record(&self) -> BaselineRecord {
        BaselineRecord {
            sha256: self.sha256.clone(),
            fingerprint: self.fingerprint.clone(),
            rebaselined: self.rebaselined.clone(),
        }
    }

    /// What differs so that the two can't be compared, by name. The settings may differ: that is what is asked.
    pub fn mismatch(&self, run: &Fingerprint) -> Vec<&'static str> {
        let theirs = &self.fingerprint;
        let pairs = [
            ("cases", &theirs.suite, &run.suite),
            ("documents", &theirs.documents, &run.documents),
            ("index", &theirs.index, &run.index),
            ("scorer", &theirs.scorer, &run.scorer),
            ("chat", &theirs.chat, &run.chat),
        ];
        let mut differs: Vec<&str> =
            pairs.into_iter().filter(|(_, before, now)| before != now).map(|(name, ..)| name).collect();
        if theirs.chat_model != run.chat_model {
            differs.push("chat_model");
        }
        differs
    }
}

/// Those that are not skipped.
fn known(values: &BTreeMap<Measure, Measured>) -> BTreeMap<Measure, Figure> {
    values.iter().filter_map(|(measure, measured)| Some((*measure, measured.value()?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::record::tests::example;

    #[test]
    fn a_baseline_names_itself_by_its_content_and_an_edited_one_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let first = Baseline::of(&example(), None, "the first").unwrap();
        std::fs::write(file.path(), first.text().unwrap()).unwrap();
        assert_eq!(Baseline::read(file.path()).unwrap(), first);
        let edited = first.text().unwrap().replacen("\"ungrounded_answers\": 1.0", "\"ungrounded_answers\": 0.0", 1);
        assert_ne!(edited, first.text().unwrap());
        std::fs::write(file.path(), edited).unwrap();
        assert!(matches!(Baseline::read(file.path()), Err(BaselineError::Edited { .. })));
    }

    #[test]
    fn why_it_was_made_anew_is_written_down() {
        let first = Baseline::of(&example(), None, "the first").unwrap();
        let second = Baseline::of(&example(), Some(&first), "documents were rewritten").unwrap();
        assert_eq!(second.rebaselined.len(), 2);
        assert_eq!(second.rebaselined[1].before.as_ref(), Some(&first.sha256));
        assert!(matches!(Baseline::of(&example(), None, " "), Err(BaselineError::Reason)));
    }

    #[test]
    fn other_documents_can_not_be_compared_and_other_settings_can() {
        let baseline = Baseline::of(&example(), None, "the first").unwrap();
        let run = Fingerprint { config: "other".into(), build: "other".into(), ..example().fingerprint };
        assert!(baseline.mismatch(&run).is_empty());
        let run = Fingerprint { documents: "other".into(), chat_model: Some("x".into()), ..run };
        assert_eq!(baseline.mismatch(&run), ["documents", "chat_model"]);
    }
}
