//! What is noted of an answer beside its words, in the form in which the ledger keeps it: JSON.
//!
//! Where texts of documents stand, and hashes of them, but not the texts: they are the documents'.

use serde::{Deserialize, Serialize};

use crate::answer::{Candidate, CheckedClaim, Citation, Done, Grounding, Question, Turn};
use crate::caller::{Group, Reach};
use crate::chat::{Finish, Role, Sampling};
use crate::document::{Passage, Span};
use crate::store::Filter;

/// What it takes to ask again as it was asked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Asked {
    pub history: Vec<Message>,
    #[serde(default)]
    pub filter: Filter,
    pub temperature: Option<f32>,
    pub answer_tokens_max: Option<u32>,
    /// The groups of whoever asked. None: they could see everything.
    pub groups: Option<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// `user` or `assistant`.
    pub role: String,
    pub text: String,
}

/// What was found, and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Who made the question stand by itself: `model` or `rule`.
    pub condensed_by: Option<String>,
    /// Best first.
    pub candidates: Vec<Found>,
    /// Candidates that were found and not noted.
    pub candidates_left_out: usize,
    /// By number.
    pub passages: Vec<Found>,
    pub citations: Vec<Cited>,
    pub claims: Vec<Claim>,
    pub citations_dropped: usize,
    pub finish_reason: Option<String>,
    pub prompt_tokens: Option<u32>,
    pub completion_tokens: Option<u32>,
    /// From the question to the passages.
    pub searched_ms: u64,
    /// From the passages to the first text. None: there was none.
    pub first_text_ms: Option<u64>,
    /// From the passages to the end.
    pub total_ms: u64,
}

/// A chunk that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub document_id: String,
    pub version: i64,
    pub external_id: String,
    pub title: String,
    pub ordinal: u32,
    pub start: usize,
    pub end: usize,
    /// Of its text.
    pub hash: String,
    pub score: f32,
    pub similarity: f32,
}

/// A mark, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cited {
    pub number: usize,
    /// Bytes of the answer's text.
    pub mark: Place,
    pub document_id: String,
    /// Bytes of the document's text.
    pub quote: Place,
}

/// A claim with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    /// Bytes of the answer's text.
    pub place: Place,
    pub verdict: String,
    pub score: f32,
    pub coverage: f32,
    pub evidence: Vec<Evidence>,
    /// What was found against it, by kind.
    pub findings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Of the passage.
    pub number: usize,
    /// Bytes of the document's text.
    pub quote: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub start: usize,
    pub end: usize,
}

impl Asked {
    pub(super) fn of(question: &Question, reach: &Reach) -> Self {
        let groups = match reach {
            Reach::Everything => None,
            Reach::Groups(groups) => Some(groups.iter().map(ToString::to_string).collect()),
        };
        let Sampling { temperature, answer_tokens_max } = question.sampling;
        let history = question.history.iter().map(message).collect();
        Self { history, filter: question.filter.clone(), temperature, answer_tokens_max, groups }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("it is made of texts and finite numbers")
    }

    pub(super) fn history(&self) -> Vec<Turn> {
        let turn = |message: &Message| Turn {
            role: if message.role == "assistant" { Role::Assistant } else { Role::User },
            text: message.text.clone(),
        };
        self.history.iter().map(turn).collect()
    }

    /// None: the caller saw everything. An error where a name is none: that must not be taken for nothing.
    pub(super) fn groups(&self) -> Result<Option<std::collections::BTreeSet<Group>>, String> {
        let Some(names) = &self.groups else { return Ok(None) };
        names
            .iter()
            .map(|name| name.parse().map_err(|_| format!("{name:?} is no group")))
            .collect::<Result<_, _>>()
            .map(Some)
    }
}

impl Trace {
    pub(super) fn of(grounding: &Grounding, candidates_max: usize) -> Self {
        let searched = &grounding.searched;
        Self {
            condensed_by: searched.condensed.as_ref().map(|condensed| condensed.by.name().to_owned()),
            candidates: searched.candidates.iter().take(candidates_max).map(Found::from).collect(),
            candidates_left_out: searched.candidates.len().saturating_sub(candidates_max),
            passages: grounding.passages.iter().map(Found::from).collect(),
            searched_ms: super::millis(searched.took),
            ..Self::default()
        }
    }

    pub(super) fn end(&mut self, done: &Done) {
        let finish = match done.finish {
            Finish::Stop => "stop",
            Finish::Length => "length",
            Finish::ContentFilter => "content_filter",
        };
        self.finish_reason = Some(finish.to_owned());
        self.citations_dropped = done.marks.unknown + done.marks.unsupported;
        self.prompt_tokens = done.usage.map(|usage| usage.prompt_tokens);
        self.completion_tokens = done.usage.map(|usage| usage.completion_tokens);
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("it is made of texts and finite numbers")
    }
}

fn message(turn: &Turn) -> Message {
    let role = match turn.role {
        Role::Assistant => "assistant",
        Role::User | Role::System => "user",
    };
    Message { role: role.to_owned(), text: turn.text.clone() }
}

impl From<&Candidate> for Found {
    fn from(found: &Candidate) -> Self {
        Self {
            document_id: found.document.to_string(),
            version: found.version.0,
            external_id: found.external_id.clone(),
            title: found.title.clone(),
            ordinal: found.ordinal,
            start: found.span.start,
            end: found.span.end,
            hash: found.hash.clone(),
            score: found.score,
            similarity: found.similarity,
        }
    }
}

impl From<&Passage> for Found {
    fn from(passage: &Passage) -> Self {
        Self::from(&Candidate::of(&passage.hit))
    }
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self { start: span.start, end: span.end }
    }
}

impl From<&Citation> for Cited {
    fn from(citation: &Citation) -> Self {
        Self {
            number: citation.number,
            mark: citation.mark.into(),
            document_id: citation.document.to_string(),
            quote: citation.span.into(),
        }
    }
}

impl From<&CheckedClaim> for Claim {
    fn from(claim: &CheckedClaim) -> Self {
        let evidence = |one: &crate::answer::Evidence| Evidence { number: one.number, quote: one.span.into() };
        Self {
            place: claim.span.into(),
            verdict: claim.verdict.name().to_owned(),
            score: claim.score,
            coverage: claim.coverage,
            evidence: claim.evidence.iter().map(evidence).collect(),
            findings: claim.findings.iter().map(|finding| finding.kind.name().to_owned()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_that_can_not_be_read_are_an_error_and_neither_nobodys_nor_everybodys() {
        let asked = |groups: Option<&[&str]>| Asked {
            groups: groups.map(|names| names.iter().map(|name| (*name).to_owned()).collect()),
            ..Asked::default()
        };
        assert_eq!(asked(None).groups(), Ok(None));
        assert_eq!(asked(Some(&[])).groups(), Ok(Some([].into())));
        assert_eq!(asked(Some(&["staff"])).groups(), Ok(Some(["staff".parse().unwrap()].into())));
        assert!(asked(Some(&["staff", "no group!"])).groups().is_err());
    }

    #[test]
    fn what_is_asked_comes_back_from_json_as_it_was() {
        let history = vec![
            Message { role: "user".into(), text: "Which port?".into() },
            Message { role: "assistant".into(), text: "2525 [1].".into() },
        ];
        let asked = Asked {
            history,
            filter: Filter::default(),
            temperature: Some(0.1),
            answer_tokens_max: Some(9),
            groups: Some(vec![]),
        };
        assert_eq!(serde_json::from_str::<Asked>(&asked.to_json()).unwrap(), asked);
        assert_eq!(asked.history()[1].role, Role::Assistant);
    }
}
