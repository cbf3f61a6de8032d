//! A file of cases, decided on one by one: what a person says of a case is in the file before the next one is shown.
//!
//! Each decision rewrites the whole file at once, so that neither a power cut nor Ctrl-C leaves half of one. What is
//! rejected goes to a file beside it, so that nothing is lost and the same question is not made again.

use std::io;
use std::path::{Path, PathBuf};

use super::case::{self, Case, CaseError};

/// What somebody says of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Approve,
    Reject,
    /// It is asked so; to be decided on after that.
    Edit(String),
}

/// Why a decision can't be kept.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    #[error(transparent)]
    Case(#[from] CaseError),
    #[error("write {file}: {cause}")]
    Write { file: String, cause: io::Error },
    #[error("keep the question: {0}")]
    Unsound(String),
    #[error("there is no case {0:?} any more")]
    Gone(String),
}

/// Cases of a file, and where they are written back to.
#[derive(Debug)]
pub struct Review {
    path: PathBuf,
    cases: Vec<Case>,
}

/// Where the rejected cases of a file are.
pub fn rejected(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".rejected");
    name.into()
}

impl Review {
    pub fn open(path: &Path) -> Result<Self, ReviewError> {
        Ok(Self { path: path.to_owned(), cases: case::read(path)? })
    }

    /// The cases that nobody has approved, in the file's order.
    pub fn open_cases(&self) -> Vec<&Case> {
        self.cases.iter().filter(|case| case.generated).collect()
    }

    pub fn case(&self, id: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.id == id)
    }

    /// Keeps a decision: when this returns, it is in the file.
    pub fn decide(&mut self, id: &str, decision: Decision) -> Result<(), ReviewError> {
        let at = self.cases.iter().position(|case| case.id == id).ok_or_else(|| ReviewError::Gone(id.to_owned()))?;
        let mut cases = self.cases.clone();
        match decision {
            Decision::Approve => {
                if let Some(case) = cases.get_mut(at) {
                    case.generated = false;
                }
            }
            Decision::Reject => self.set_aside(cases.remove(at))?,
            Decision::Edit(question) => {
                if let Some(case) = cases.get_mut(at) {
                    case.question = question.trim().to_owned();
                    case.is_sound().map_err(ReviewError::Unsound)?;
                }
            }
        }
        written(&self.path, &cases)?;
        self.cases = cases;
        Ok(())
    }

    /// Before it leaves its own file, so that a crash between the two leaves it in both and not in neither.
    fn set_aside(&self, case: Case) -> Result<(), ReviewError> {
        let path = rejected(&self.path);
        let mut aside = if path.exists() { case::read(&path)? } else { Vec::new() };
        aside.retain(|other| other.id != case.id);
        aside.push(case);
        written(&path, &aside)
    }
}

fn written(path: &Path, cases: &[Case]) -> Result<(), ReviewError> {
    case::write(path, cases).map_err(|cause| ReviewError::Write { file: path.display().to_string(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::case::MadeBy;

    fn file() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cases.jsonl");
        let made = |id: &str| Case {
            generated: true,
            made_by: Some(MadeBy::Table),
            ..Case::unanswerable(id.to_owned(), "Which port is it?".to_owned())
        };
        let own = Case::unanswerable("own".to_owned(), "Who wrote it?".to_owned());
        case::write(&path, &[made("a"), own, made("b"), made("c")]).unwrap();
        (folder, path)
    }

    #[test]
    fn a_decision_is_in_the_file_when_it_is_made() {
        let (_folder, path) = file();
        let mut review = Review::open(&path).unwrap();
        let ids = |review: &Review| review.open_cases().iter().map(|case| case.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&review), ["a", "b", "c"]);
        review.decide("a", Decision::Approve).unwrap();
        review.decide("b", Decision::Reject).unwrap();
        review.decide("c", Decision::Edit(" Which port does the relay have? ".into())).unwrap();
        let read = case::read(&path).unwrap();
        assert_eq!(read.iter().map(|case| case.id.as_str()).collect::<Vec<_>>(), ["a", "own", "c"]);
        assert_eq!((read[0].generated, read[0].made_by), (false, Some(MadeBy::Table)), "how it was made stays");
        assert_eq!((read[2].generated, read[2].question.as_str()), (true, "Which port does the relay have?"));
        assert_eq!(case::read(&rejected(&path)).unwrap()[0].id, "b");
        assert_eq!(ids(&Review::open(&path).unwrap()), ["c"]);
    }

    #[test]
    fn a_question_without_words_is_refused_and_nothing_is_written() {
        let (_folder, path) = file();
        let before = std::fs::read(&path).unwrap();
        let mut review = Review::open(&path).unwrap();
        let refused = review.decide("a", Decision::Edit("  ".into())).unwrap_err();
        assert!(refused.to_string().contains("the question is empty"), "{refused}");
        assert!(matches!(review.decide("gone", Decision::Approve), Err(ReviewError::Gone(_))));
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}
