//! Records as other tests need them, and what holds of their written form.

use super::*;

/// A report of one case with one unsupported claim.
pub(crate) fn example() -> Report {
    let estimate = |value: f64| Estimate {
        value: Figure::new(value).unwrap(),
        low: Figure::new(value - 0.1).unwrap(),
        high: Figure::new(value + 0.1).unwrap(),
    };
    Report {
        format: FORMAT,
        suite: "handbook".into(),
        ruling: Ruling::Fail,
        exit_code: 1,
        reasons: vec!["wrong_answers is 0.5, must be at most 0.1".into()],
        notes: vec!["relative only: fewer than 100 own labels".into()],
        fingerprint: Fingerprint { suite: "ab".into(), chat: "extractive".into(), ..Fingerprint::default() },
        counts: Counts { done: 1, answered: 1, clusters: 1, ..Counts::default() },
        metrics: vec![Metric {
            measure: Measure::UngroundedAnswers,
            estimate: Some(estimate(0.5)),
            cases: 1,
            skipped: BTreeMap::from([(Skip::Refused, 2)]),
            detectable: Figure::new(0.2),
            corrected: None,
        }],
        slices: Vec::new(),
        gates: vec![GateRecord {
            measure: Measure::UngroundedAnswers,
            slice: None,
            ruling: Ruling::Fail,
            reason: "it is 0.5, must be at most 0.1".into(),
            floor: Figure::new(0.1),
            margin: Figure::new(0.05),
            smallest_effect: Figure::new(0.05),
            detectable: Figure::new(0.2),
            estimate: Some(estimate(0.5)),
            gain: Some(estimate(-0.25)),
            p: Figure::new(0.01),
            p_adjusted: Figure::new(0.02),
            on_inconclusive: OnInconclusive::Block,
        }],
        invariants: Vec::new(),
        comparison: None,
        selftest: None,
        judge: None,
        cases: vec![example_case()],
        times: Times { began: "2026-01-01T00:00:00Z".into(), seconds: 1.5, ..Times::default() },
    }
}

/// A comparison in which this case got worse.
pub(crate) fn example_comparison(id: &str) -> Comparison {
    let change = ChangedValue { measure: Measure::FactRecall, before: Figure::ONE, now: Figure::ZERO };
    let gain = Estimate { value: Figure::new(-0.5).unwrap(), low: Figure::new(-0.75).unwrap(), high: Figure::ZERO };
    Comparison {
        baseline: BaselineRecord {
            sha256: "0".repeat(64),
            fingerprint: Fingerprint { config: "other settings".into(), ..example().fingerprint },
            rebaselined: vec![Rebaselined { reason: "the first".into(), before: None }],
        },
        alpha: Figure::new(0.025).unwrap(),
        result_of_build: 2,
        differences: vec![Difference {
            measure: Measure::FactRecall,
            slice: None,
            cases: 2,
            baseline: Figure::ONE,
            run: Figure::new(0.5).unwrap(),
            gain,
            test: Test::SignFlipPermutation,
            p: Figure::new(0.04).unwrap(),
            p_adjusted: None,
            improved: 0,
            worsened: 1,
        }],
        changed: vec![ChangedCase { id: id.into(), worsened: vec![change], improved: Vec::new() }],
    }
}

pub(crate) fn example_case() -> CaseRecord {
    CaseRecord {
        id: "port".into(),
        asked: Asked {
            question: "Which port?".into(),
            history: Vec::new(),
            groups: None,
            answerable: true,
            reference: Some("2525".into()),
        },
        tags: vec!["plain".into()],
        cluster: "docs/kestrel.md".into(),
        state: State::Done,
        error: None,
        outcome: Some("answered".into()),
        answer: "It listens on port 25 [1].".into(),
        passages: vec![PassageRecord {
            number: 1,
            document: "docs/kestrel.md".into(),
            title: "Kestrel".into(),
            page: None,
            headings: vec!["Ports".into()],
            text: "Kestrel listens for mail on port 2525.".into(),
            is_source: true,
        }],
        claims: vec![ClaimRecord {
            start: 0,
            end: 26,
            text: "It listens on port 25 [1].".into(),
            verdict: ClaimVerdict::Unsupported,
            score: Figure::new(0.1).unwrap(),
            coverage: Figure::new(0.7).unwrap(),
            evidence: vec![EvidenceRecord {
                passage: 1,
                document: "docs/kestrel.md".into(),
                quote: "Kestrel listens for mail on port 2525.".into(),
            }],
            findings: vec![FindingRecord {
                kind: "number".into(),
                decides: true,
                start: 19,
                end: 21,
                text: "25".into(),
                instead: Some("2525".into()),
            }],
            cites: vec![1],
            judge: None,
            cited_supports: Some(false),
        }],
        citations: vec![CitationRecord {
            passage: 1,
            start: 22,
            end: 25,
            document: "docs/kestrel.md".into(),
            supports: Some(false),
        }],
        facts: vec![FactRecord { wordings: vec!["2525".into()], found: None }],
        sources: vec![GoldRecord {
            document: "docs/kestrel.md".into(),
            text: "on port 2525".into(),
            rank: Some(1),
            passage: Some(1),
            is_cited: true,
        }],
        leaks: Vec::new(),
        values: BTreeMap::from([
            (Measure::UngroundedAnswers, Measured::Value(Figure::ONE)),
            (Measure::RightRefusals, Measured::Skipped(Skip::Answerable)),
        ]),
    }
}

#[test]
fn a_report_that_is_written_and_read_is_the_same_and_so_are_its_bytes() {
    let report = example();
    let text = canonical(&report).unwrap();
    let read = Report::read(&text).unwrap();
    assert_eq!(read, report);
    assert_eq!(canonical(&read).unwrap(), text);
    assert!(text.ends_with("}\n") && !text.contains("\n\n"));
}

#[test]
fn the_published_schema_is_the_reports() {
    let schema: serde_json::Value = serde_json::from_str(
        &std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/eval/schema/report.schema.json")).unwrap(),
    )
    .unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let report = serde_json::to_value(example()).unwrap();
    let wrong: Vec<String> =
        validator.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let mut more = report.clone();
    more["cases"][0]["more"] = true.into();
    assert!(!validator.is_valid(&more), "no field stands in a report that the schema does not have");
    for measure in Measure::ALL {
        assert!(schema["$defs"]["measure"]["enum"].as_array().unwrap().contains(&measure.name().into()));
    }
}

#[test]
fn keys_are_sorted_at_every_depth() {
    let text = canonical(&example()).unwrap();
    let mut last: Vec<String> = Vec::new();
    for line in text.lines() {
        let depth = (line.len() - line.trim_start().len()) / 2;
        last.truncate(depth + 1);
        let Some((key, _)) = line.trim_start().strip_prefix('"').and_then(|rest| rest.split_once("\":")) else {
            continue;
        };
        last.resize(depth + 1, String::new());
        assert!(last[depth].as_str() < key || last[depth].is_empty(), "{key} after {}", last[depth]);
        last[depth] = key.to_owned();
    }
}

#[test]
fn only_the_block_of_times_depends_on_the_clock() {
    let (first, mut second) = (example(), example());
    second.times = Times { seconds: 9.0, resumed: 3, ..Times::default() };
    assert_ne!(canonical(&first).unwrap(), canonical(&second).unwrap());
    assert_eq!(canonical_without_times(&first).unwrap(), canonical_without_times(&second).unwrap());
}

#[test]
fn a_report_of_another_form_is_refused_by_name() {
    let text = canonical(&Report { format: FORMAT + 1, ..example() }).unwrap();
    assert!(Report::read(&text).unwrap_err().to_string().contains("of form 2"), "{text}");
    assert!(Report::read("{}").is_err());
}
