//! A kept answer's question asked again, and what is otherwise today: what is found, what a model is told, what it says.
//!
//! It goes the way of every question, with the reach of whoever asked it first and no other. Nothing of it is kept.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};

use super::trace::{Asked, Claim, Found, Trace};
use super::{Asker, FAILED, RecordError, Recorder, reason};
use crate::answer::{Answerer, Question};
use crate::caller::{Caller, Collections};
use crate::chat::Sampling;
use crate::ledger::AnswerRow;

/// Longer texts are shown one after the other, and not compared word by word.
const COMPARED_BYTES_MAX: usize = 64 * 1024;

/// What is otherwise than it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub answer_id: String,
    pub collection: String,
    pub question: String,
    /// Whether the index is still the one that was searched. Its documents may be others all the same.
    pub same_index: bool,
    pub same_embedder: bool,
    pub condensed: Change<Option<String>>,
    pub candidates: ListChange,
    pub passages: ListChange,
    /// `same`, `changed`, or `none` where no model was asked either time.
    pub prompt: String,
    pub outcome: Change<String>,
    pub writer: Change<String>,
    pub model: Change<String>,
    /// Claims that came, went, or got another verdict.
    pub claims: Vec<ClaimChange>,
    /// Claims that have the verdict that they had.
    pub claims_same: usize,
    pub text: TextChange,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change<T> {
    pub before: T,
    pub after: T,
}

impl<T: PartialEq> Change<T> {
    pub fn is_same(&self) -> bool {
        self.before == self.after
    }
}

/// How two ranked lists differ. What only made room for others has not moved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListChange {
    pub came: Vec<ItemChange>,
    pub left: Vec<ItemChange>,
    pub moved: Vec<ItemChange>,
    pub same: usize,
}

impl ListChange {
    pub fn is_same(&self) -> bool {
        self.came.is_empty() && self.left.is_empty() && self.moved.is_empty()
    }
}

/// A piece of a document, and its places in the two lists, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemChange {
    pub document_id: String,
    pub external_id: String,
    pub title: String,
    pub start: usize,
    pub end: usize,
    pub before: Option<usize>,
    pub after: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimChange {
    pub text: String,
    /// Its verdict. None: the answer did not say it.
    pub before: Option<String>,
    pub after: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextChange {
    pub same: bool,
    /// Both texts in one, word by word.
    pub pieces: Vec<TextPiece>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPiece {
    /// `same`, `gone` or `new`.
    pub kind: String,
    pub text: String,
}

impl Recorder {
    /// Asks the question of a kept answer again.
    pub async fn replay(&self, answerer: &Arc<Answerer>, row: &AnswerRow) -> Result<Comparison, RecordError> {
        let unreadable =
            |what: &str| RecordError::NotReplayable(format!("its {what} was kept by another version of cairn"));
        let asked: Asked = serde_json::from_str(&row.asked).map_err(|_| unreadable("question"))?;
        let trace: Trace = serde_json::from_str(&row.trace).map_err(|_| unreadable("trace"))?;
        let collection: crate::document::CollectionName =
            row.collection.parse().map_err(|_| unreadable("collection"))?;
        let caller = match asked.groups().map_err(RecordError::NotReplayable)? {
            None => Caller::local(),
            Some(groups) => {
                let only = Collections::Only(BTreeSet::from([collection.clone()]));
                Caller::with_key("replay".to_owned(), only, groups)
            }
        };
        let question = Question {
            collection,
            filter: asked.filter.clone(),
            text: row.question.clone(),
            history: asked.history(),
            sampling: Sampling { temperature: asked.temperature, answer_tokens_max: asked.answer_tokens_max },
        };
        let (now, now_trace) = self.ask_again(answerer, &caller, question, row).await;
        Ok(compare((row, &trace), (&now, &now_trace)))
    }

    async fn ask_again(
        &self,
        answerer: &Arc<Answerer>,
        caller: &Caller,
        question: Question,
        before: &AnswerRow,
    ) -> (AnswerRow, Trace) {
        match answerer.ground(caller, question).await {
            Ok(grounding) => {
                let mut record = self.begin(answerer, Asker { caller, key_id: None }, &grounding, None);
                let mut events = std::pin::pin!(answerer.write(grounding));
                while let Some(event) = events.next().await {
                    record.note(&event);
                }
                record.noted()
            }
            Err(error) => {
                let (outcome, reason) = (FAILED.to_owned(), reason(&error));
                let (generation, embedder) =
                    (answerer.store.generation().to_owned(), answerer.embedder.fingerprint().to_owned());
                let (text, writer, model) = (String::new(), String::new(), String::new());
                let (prompt_hash, condensed) = (String::new(), String::new());
                let row = AnswerRow {
                    outcome,
                    reason,
                    generation,
                    embedder,
                    text,
                    writer,
                    model,
                    prompt_hash,
                    condensed,
                    ..before.clone()
                };
                (row, Trace::default())
            }
        }
    }
}

/// What is otherwise in the second.
fn compare((before, before_trace): (&AnswerRow, &Trace), (after, after_trace): (&AnswerRow, &Trace)) -> Comparison {
    let change = |of: fn(&AnswerRow) -> &str| Change { before: of(before).to_owned(), after: of(after).to_owned() };
    let condensed = |row: &AnswerRow| Some(row.condensed.clone()).filter(|text| !text.is_empty());
    let prompt = match (before.prompt_hash.as_str(), after.prompt_hash.as_str()) {
        ("", "") => "none",
        (before, after) if before == after => "same",
        _ => "changed",
    };
    let (claims, claims_same) = claims((&before.text, &before_trace.claims), (&after.text, &after_trace.claims));
    Comparison {
        answer_id: before.id.clone(),
        collection: before.collection.clone(),
        question: before.question.clone(),
        same_index: before.generation == after.generation,
        same_embedder: before.embedder == after.embedder,
        condensed: Change { before: condensed(before), after: condensed(after) },
        candidates: lists(&before_trace.candidates, &after_trace.candidates),
        passages: lists(&before_trace.passages, &after_trace.passages),
        prompt: prompt.to_owned(),
        outcome: change(|row| &row.outcome),
        writer: change(|row| &row.writer),
        model: change(|row| &row.model),
        claims,
        claims_same,
        text: texts(&before.text, &after.text),
    }
}

/// A piece is the same where its document has the same text, in whichever version and wherever it stands there.
fn lists(before: &[Found], after: &[Found]) -> ListChange {
    let id = |found: &Found| (found.document_id.clone(), found.hash.clone());
    let places = |list: &[Found]| -> HashMap<(String, String), usize> {
        let mut places = HashMap::new();
        for (at, found) in list.iter().enumerate() {
            places.entry(id(found)).or_insert(at + 1);
        }
        places
    };
    let (was, is) = (places(before), places(after));
    let item = |found: &Found| ItemChange {
        document_id: found.document_id.clone(),
        external_id: found.external_id.clone(),
        title: found.title.clone(),
        start: found.start,
        end: found.end,
        before: was.get(&id(found)).copied(),
        after: is.get(&id(found)).copied(),
    };
    let came = after.iter().map(item).filter(|item| item.before.is_none()).collect();
    let left = before.iter().map(item).filter(|item| item.after.is_none()).collect();
    // Only the order among those that both have tells what moved.
    let both: Vec<ItemChange> = after.iter().map(item).filter(|item| item.before.is_some()).collect();
    let mut in_old_order: Vec<usize> = both.iter().filter_map(|item| item.before).collect();
    in_old_order.sort_unstable();
    let moved: Vec<ItemChange> = both
        .iter()
        .zip(&in_old_order)
        .filter(|(item, place)| item.before != Some(**place))
        .map(|(item, _)| item.clone())
        .collect();
    ListChange { same: both.len() - moved.len(), came, left, moved }
}

fn claims((before_text, before): (&str, &[Claim]), (after_text, after): (&str, &[Claim])) -> (Vec<ClaimChange>, usize) {
    let said = |text: &str, claims: &[Claim]| -> Vec<(String, String)> {
        claims
            .iter()
            .map(|claim| {
                let words = text.get(claim.place.start..claim.place.end).unwrap_or_default();
                (words.split_whitespace().collect::<Vec<_>>().join(" "), claim.verdict.clone())
            })
            .collect()
    };
    let (before, after) = (said(before_text, before), said(after_text, after));
    let verdict = |claims: &[(String, String)], text: &str| {
        claims.iter().find(|(said, _)| said == text).map(|(_, verdict)| verdict.clone())
    };
    let mut changes = Vec::new();
    let mut same = 0;
    for (text, was) in &before {
        let is = verdict(&after, text);
        if is.as_ref() == Some(was) {
            same += 1;
        } else {
            changes.push(ClaimChange { text: text.clone(), before: Some(was.clone()), after: is });
        }
    }
    let new = after.iter().filter(|(text, _)| verdict(&before, text).is_none());
    changes.extend(new.map(|(text, is)| ClaimChange { text: text.clone(), before: None, after: Some(is.clone()) }));
    (changes, same)
}

fn texts(before: &str, after: &str) -> TextChange {
    if before == after {
        return TextChange { same: true, pieces: vec![piece("same", before)] };
    }
    if before.len().max(after.len()) > COMPARED_BYTES_MAX {
        return TextChange { same: false, pieces: vec![piece("gone", before), piece("new", after)] };
    }
    let mut pieces: Vec<TextPiece> = Vec::new();
    for change in TextDiff::from_words(before, after).iter_all_changes() {
        let kind = match change.tag() {
            ChangeTag::Equal => "same",
            ChangeTag::Delete => "gone",
            ChangeTag::Insert => "new",
        };
        match pieces.last_mut().filter(|last| last.kind == kind) {
            Some(last) => last.text.push_str(change.value()),
            None => pieces.push(piece(kind, change.value())),
        }
    }
    TextChange { same: false, pieces }
}

fn piece(kind: &str, text: &str) -> TextPiece {
    TextPiece { kind: kind.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::trace::Place;
    use super::*;

    fn found(hash: &str) -> Found {
        Found {
            document_id: "d".into(),
            version: 1,
            external_id: "/d.md".into(),
            title: "D".into(),
            ordinal: 0,
            start: 0,
            end: 1,
            hash: hash.into(),
            score: 1.0,
            similarity: 1.0,
        }
    }

    fn hashes(items: &str) -> Vec<Found> {
        items.chars().map(|one| found(&one.to_string())).collect()
    }

    #[test]
    fn what_only_made_room_has_not_moved() {
        let change = lists(&hashes("abcd"), &hashes("xabd"));
        assert_eq!((change.came.len(), change.left.len(), change.moved.len(), change.same), (1, 1, 0, 3));
        assert_eq!((change.came[0].after, change.left[0].before), (Some(1), Some(3)));
        let change = lists(&hashes("abc"), &hashes("bac"));
        assert_eq!((change.moved.len(), change.same), (2, 1));
        assert_eq!((change.moved[0].before, change.moved[0].after), (Some(2), Some(1)));
    }

    #[test]
    fn a_claim_that_changed_its_verdict_came_or_went_is_told() {
        let claim = |start, end, verdict: &str| Claim {
            place: Place { start, end },
            verdict: verdict.into(),
            score: 0.5,
            coverage: 0.5,
            evidence: Vec::new(),
            findings: Vec::new(),
        };
        let before = [claim(0, 2, "supported"), claim(3, 5, "supported"), claim(6, 8, "partly")];
        let after = [claim(0, 2, "supported"), claim(3, 5, "unsupported"), claim(6, 8, "supported")];
        let (changes, same) = claims(("A. B. C.", &before), ("A. B. D.", &after));
        assert_eq!(same, 1);
        let told: Vec<_> =
            changes.iter().map(|one| (one.text.as_str(), one.before.as_deref(), one.after.as_deref())).collect();
        assert_eq!(
            told,
            [
                ("B.", Some("supported"), Some("unsupported")),
                ("C.", Some("partly"), None),
                ("D.", None, Some("supported"))
            ]
        );
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_out_of_their_difference(
            before in "([a-c]{1,3}[ \\n]?|é|\\[1\\]\\.){0,30}",
            after in "([a-c]{1,3}[ \\n]?|é|\\[1\\]\\.){0,30}",
        ) {
            let change = texts(&before, &after);
            let without = |kind: &str| -> String {
                change.pieces.iter().filter(|piece| piece.kind != kind).map(|piece| piece.text.as_str()).collect()
            };
            prop_assert_eq!(without("new"), before);
            prop_assert_eq!(without("gone"), after);
        }

        #[test]
        fn every_candidate_came_left_moved_or_stayed(before in "[a-j]{0,10}", after in "[a-j]{0,10}") {
            let unique = |text: &str| {
                let mut seen = BTreeSet::new();
                text.chars().filter(|one| seen.insert(*one)).collect::<String>()
            };
            let (before, after) = (unique(&before), unique(&after));
            let change = lists(&hashes(&before), &hashes(&after));
            prop_assert_eq!(change.came.len() + change.moved.len() + change.same, after.chars().count());
            prop_assert_eq!(change.left.len() + change.moved.len() + change.same, before.chars().count());
        }
    }
}
