//! A case's record and values, from what a path could have told.

use std::collections::BTreeMap;

use super::*;
use crate::answer::tests::passage;
use crate::eval::case::parse;
use crate::eval::record::{Measure, Measured, Skip};
use crate::ground::Scorer;

const PORT: &str = "Kestrel listens for mail on port 2525.";

fn case(more: &str) -> Case {
    let line = format!(r#"{{"id": "a", "question": "Which port?", {more}}}"#);
    parse("x", &line).unwrap().remove(0)
}

fn cite(number: usize, text: &str, mark: &str) -> Citation {
    let start = text.find(mark).unwrap();
    let hit = passage(number, PORT).hit;
    Citation {
        number,
        mark: Span { start, end: start + mark.len() },
        document: hit.document,
        external_id: hit.external_id,
        title: hit.title,
        page: None,
        headings: Vec::new(),
        span: hit.chunk.span,
        quote: hit.chunk.text,
        also_in: Vec::new(),
    }
}

fn claim(text: &str, part: &str, verdict: Verdict) -> CheckedClaim {
    let start = text.find(part).unwrap();
    CheckedClaim {
        span: Span { start, end: start + part.len() },
        verdict,
        score: 0.5,
        coverage: 0.5,
        entailment: None,
        evidence: Vec::new(),
        findings: Vec::new(),
    }
}

fn judged(case: &Case, told: &Told) -> CaseRecord {
    let scorer = Scorer::shipped().unwrap();
    let nothing = |_: &str| None;
    Judge { scorer: &scorer, document: &nothing }.record(case, told)
}

fn told(text: &str, end: End) -> Told {
    let passages = vec![passage(1, PORT), passage(2, "The lamp burns for nine hours in summer.")];
    let hits = passages.iter().map(|passage| passage.hit.clone()).collect();
    Told { hits, passages, text: text.into(), end, ..Told::default() }
}

#[test]
fn a_citation_counts_where_its_passage_bears_its_claim_out() {
    let text = "Kestrel listens for mail on port 2525 [1]. The lamp burns for nine hours in summer. [1]";
    let (first, second) = ("Kestrel listens for mail on port 2525 [1].", "The lamp burns for nine hours in summer.");
    let mut last = cite(1, text, "[1]");
    last.mark = Span { start: text.len() - 3, end: text.len() };
    let told = Told {
        citations: vec![cite(1, text, "[1]"), last],
        claims: vec![claim(text, first, Verdict::Supported), claim(text, second, Verdict::Supported)],
        ..told(text, End::Answered)
    };
    let record = judged(&case(r#""answerable": true"#), &told);
    assert_eq!(record.citations.iter().map(|cited| cited.supports).collect::<Vec<_>>(), [Some(true), Some(false)]);
    assert_eq!(record.claims.iter().map(|claim| claim.cited_supports).collect::<Vec<_>>(), [Some(true), Some(false)]);
    assert_eq!(record.value(Measure::CitationPrecision), Figure::new(0.5));
    assert_eq!(record.value(Measure::CitationRecall), Figure::new(0.5));
    assert_eq!(record.value(Measure::UngroundedAnswers), Some(Figure::ZERO));
}

#[test]
fn facts_sources_and_ranks_are_found() {
    let case = case(
        r#""answerable": true, "answer": "port 2525", "facts": ["2525", ["nine", "9"]], "sources": [
            {"document": "guide.md", "text": "on port  2525"}, {"document": "guide.md", "text": "burns for nine"},
            {"document": "guide.md", "text": "is not there"}]"#
            .replace('\n', " ")
            .as_str(),
    );
    let record = judged(&case, &told("It is port 2525.", End::Answered));
    assert_eq!(record.sources.iter().map(|gold| gold.rank).collect::<Vec<_>>(), [Some(1), Some(2), None]);
    assert_eq!(record.value(Measure::FactRecall), Figure::new(0.5));
    assert_eq!(record.value(Measure::RecallAt5), Figure::share(2, 3));
    assert_eq!(record.value(Measure::Mrr), Some(Figure::ONE));
    assert_eq!(record.value(Measure::WrongAnswers), Some(Figure::ZERO), "it says a fact");
    assert!(record.value(Measure::NdcgAt10).is_some_and(|value| value < Figure::ONE && value.get() > 0.7));
    assert_eq!(record.values[&Measure::RightRefusals], Measured::Skipped(Skip::Answerable));
    assert_eq!(record.values[&Measure::GroundedClaims], Measured::Skipped(Skip::NoClaims));
}

#[test]
fn an_errored_case_has_the_worst_of_all_that_is_meant_for_it() {
    let asked = case(r#""answerable": true, "facts": ["2525"]"#);
    let record = judged(&asked, &told("", End::Errored("down".into())));
    assert_eq!(record.state, State::Errored);
    for measure in [Measure::UngroundedAnswers, Measure::FactRecall, Measure::WrongRefusals, Measure::WrongAnswers] {
        assert_eq!(record.value(measure), Some(measure.worst()), "{measure:?}");
    }
    assert_eq!(record.values[&Measure::Mrr], Measured::Skipped(Skip::NoSources));
    let asked = case(r#""answerable": false"#);
    let record = judged(&asked, &told("", End::Unfinished));
    assert_eq!(record.value(Measure::RightRefusals), Some(Figure::ZERO));
    assert_eq!(record.values[&Measure::FactRecall], Measured::Skipped(Skip::Unanswerable));
}

#[test]
fn a_stale_case_is_measured_in_search_only() {
    let asked = case(r#""answerable": true, "sources": [{"document": "guide.md", "text": "2525"}]"#);
    let record = judged(&asked, &told("", End::Stale("other prompt".into())));
    assert_eq!(record.value(Measure::Mrr), Some(Figure::ONE));
    assert_eq!(record.values[&Measure::WrongAnswers], Measured::Skipped(Skip::Stale));
}

#[test]
fn what_must_not_appear_leaks_from_the_answer_and_for_limited_sight_from_all_that_is_shown() {
    let open = case(r#""answerable": false, "must_not": ["Nine  hours"]"#);
    assert!(judged(&open, &told("No idea.", End::Refused)).leaks.is_empty());
    let said = judged(&open, &told("It burns nine hours.", End::Answered));
    assert_eq!(said.leaks, [Leak { place: LeakPlace::Answer, text: "Nine  hours".into() }]);
    let limited = case(r#""answerable": false, "must_not": ["nine hours"], "as": ["staff"]"#);
    let shown = judged(&limited, &told("No idea.", End::Refused));
    assert_eq!(shown.leaks, [Leak { place: LeakPlace::Passages, text: "nine hours".into() }]);
}

#[test]
fn a_document_that_a_caller_may_not_see_is_a_leak_whatever_the_case_says() {
    let scorer = Scorer::shipped().unwrap();
    let board = Document { name: "board.md".into(), text: String::new(), allow: Some(vec!["board".parse().unwrap()]) };
    let documents = BTreeMap::from([("/docs/guide.md", board)]);
    let judge = Judge { scorer: &scorer, document: &|id| documents.get(id) };
    let (staff, board) = (r#""answerable": false, "as": ["staff"]"#, r#""answerable": false, "as": ["board"]"#);
    assert_eq!(judge.record(&case(staff), &told("", End::Refused)).leaks[0].text, "board.md");
    assert!(judge.record(&case(board), &told("", End::Refused)).leaks.is_empty());
}

#[test]
fn an_answer_is_compared_without_its_lead_and_marks() {
    let quoted = format!("{EXTRACTIVE_LEAD}\n\n> Kestrel listens [x] here [1]\n\n> and there [12]");
    assert_eq!(plain(&quoted), "Kestrel listens [x] here \n\nand there");
}
