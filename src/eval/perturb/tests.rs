//! Changes of a small grounding, each seen from outside.

use super::*;
use crate::answer::Question;
use crate::chat::Sampling;
use crate::document::{Metadata, Version};
use crate::eval::case::parse;
use crate::store::Filter;

const GOLD: &str = "The relay listens on port 2525 for mail.";

fn hit(name: &str, text: &str) -> Hit {
    let collection = "eval".parse().unwrap();
    Hit {
        document: DocumentId::new(&collection, name),
        version: Version(1),
        external_id: name.to_owned(),
        title: "Guide".into(),
        metadata: Metadata::default(),
        chunk: Chunk {
            ordinal: 0,
            span: Span { start: 0, end: text.len() },
            page: None,
            headings: Vec::new(),
            table_head: None,
            text: text.to_owned(),
        },
        score: 0.5,
        similarity: 0.9,
    }
}

fn changed(kind: Perturbation, passages: &[Hit], ranked: &[Hit]) -> Result<Changed, NotMade> {
    let line = r#"{"id": "port", "question": "Which port does the relay listen on?", "answerable": true, "facts": ["2525"],
        "sources": [{"document": "a.md", "text": "listens on port 2525"}]}"#;
    let case = parse("x", &line.replace('\n', " ")).unwrap().remove(0);
    let question = Question {
        collection: "eval".parse().unwrap(),
        filter: Filter::default(),
        text: case.question.clone(),
        history: Vec::new(),
        sampling: Sampling::default(),
    };
    let numbered = passages.iter().enumerate().map(|(at, hit)| Passage { number: at + 1, ..as_passage(hit.clone()) });
    let grounding = Grounding::over(question, numbered.collect());
    let name = |id: &str| id.to_owned();
    let change = Change { kind, case: &case, name: &name, relevance_min: 0.5 };
    change.made(grounding, ranked.iter().map(|hit| (hit.clone(), 0.9)).collect())
}

fn texts(changed: &Changed) -> Vec<&str> {
    changed.grounding.passages.iter().map(|passage| passage.hit.chunk.text.as_str()).collect()
}

#[test]
fn what_is_changed_is_what_was_asked_for_and_passages_are_numbered_anew() {
    let (gold, other) = (hit("a.md", GOLD), hit("b.md", "Letters wait in the spool for a day."));
    let far = hit("c.md", "The office is closed on Sundays.");
    let (packed, ranked) = ([gold.clone(), other.clone()], [gold.clone(), other.clone(), far.clone()]);

    let found = changed(Perturbation::Distractors, &packed, &ranked).unwrap();
    assert_eq!((found.grounding.passages.len(), found.added[0].0.as_str()), (3, "c.md"));
    let numbers: Vec<usize> = found.grounding.passages.iter().map(|passage| passage.number).collect();
    assert_eq!(numbers, [1, 2, 3]);

    let found = changed(Perturbation::Shuffled, &packed, &ranked).unwrap();
    assert_eq!(texts(&found), [other.chunk.text.as_str(), GOLD]);

    let found = changed(Perturbation::GoldRemoved, &packed, &ranked).unwrap();
    assert_eq!(texts(&found), [other.chunk.text.as_str()]);

    let found = changed(Perturbation::Contradiction, &packed, &ranked).unwrap();
    let planted = texts(&found)[2];
    assert!(planted.starts_with("The relay listens on port ") && !planted.contains("2525"), "{planted}");
    assert_eq!(found.added[0].0, PLANTED);
}

#[test]
fn what_can_not_be_made_is_left_out_with_its_reason() {
    let (gold, other) = (hit("a.md", GOLD), hit("b.md", "Letters wait in the spool for a day."));
    for (kind, packed) in [
        (Perturbation::Distractors, vec![gold.clone()]),
        (Perturbation::Shuffled, vec![gold.clone()]),
        (Perturbation::GoldRemoved, vec![other.clone()]),
        (Perturbation::Contradiction, vec![other]),
    ] {
        assert!(changed(kind, &packed, std::slice::from_ref(&gold)).is_err(), "{kind:?}");
    }
}

#[test]
fn what_is_too_far_from_the_question_counts_as_nothing_when_the_gold_is_gone() {
    let (gold, other) = (hit("a.md", GOLD), hit("b.md", "Letters wait in the spool for a day."));
    let line = r#"{"id": "a", "question": "Which port?", "answerable": true, "sources": [{"document": "a.md", "text": "2525"}]}"#;
    let case = parse("x", line).unwrap().remove(0);
    let grounding = changed(Perturbation::Shuffled, &[gold.clone(), other.clone()], &[]).unwrap().grounding;
    let name = |id: &str| id.to_owned();
    let change = Change { kind: Perturbation::GoldRemoved, case: &case, name: &name, relevance_min: 0.5 };
    let found = change.made(grounding, vec![(gold, 0.9), (other, 0.4)]).unwrap();
    assert!(found.grounding.passages.is_empty());
}
