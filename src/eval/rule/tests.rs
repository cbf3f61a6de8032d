//! Gates over made-up values, and what a whole run comes to.

use super::*;
use crate::eval::record::State;
use crate::eval::record::tests::{example, example_case};

const MEASURE: Measure = Measure::WrongAnswers;

/// So many cases, one cluster each, of which these are wrong.
fn cases(count: usize, wrong: impl Fn(usize) -> bool) -> Vec<CaseRecord> {
    let case = |at: usize| {
        let value = if wrong(at) { Figure::ONE } else { Figure::ZERO };
        CaseRecord {
            id: format!("c{at}"),
            cluster: format!("c{at}"),
            values: BTreeMap::from([(MEASURE, Measured::Value(value))]),
            ..example_case()
        }
    };
    (0..count).map(case).collect()
}

fn baseline(cases: &[CaseRecord]) -> Baseline {
    let report = crate::eval::record::Report { cases: cases.to_vec(), ..example() };
    Baseline::of(&report, None, "first").unwrap()
}

fn gates(keys: &str) -> Gates {
    toml::from_str(&format!("[[gate]]\nmeasure = \"wrong_answers\"\n{keys}")).unwrap()
}

fn ruled(now: &[CaseRecord], before: Option<&Baseline>, gates: &Gates, result: usize) -> GateRecord {
    let bench = Bench { cases: now, baseline: before, result_of_build: result, card: None };
    bench.rule(gates).remove(0)
}

const COMPARED: &str = "margin = 0.05\nsmallest_effect = 0.05";

#[test]
fn the_same_answers_pass_and_many_more_wrong_ones_fail() {
    let before = cases(400, |at| at % 20 == 0);
    let (baseline, gates) = (baseline(&before), gates(COMPARED));
    let same = ruled(&before, Some(&baseline), &gates, 1);
    assert_eq!(same.ruling, Ruling::Pass, "{same:?}");
    let worse = ruled(&cases(400, |at| at % 5 == 0), Some(&baseline), &gates, 1);
    assert_eq!(worse.ruling, Ruling::Fail, "{worse:?}");
    assert!(worse.gain.unwrap().value.get() < -0.1 && worse.p_adjusted.unwrap().get() < 0.01);
    let better = ruled(&cases(400, |_| false), Some(&baseline), &gates, 1);
    assert_eq!(better.ruling, Ruling::Pass, "{better:?}");
}

#[test]
fn a_loss_that_may_be_chance_is_neither_passed_nor_failed() {
    let baseline = baseline(&cases(400, |at| at % 20 == 0));
    let unclear = ruled(&cases(400, |at| at % 20 == 0 || at % 25 == 1), Some(&baseline), &gates(COMPARED), 1);
    assert_eq!(unclear.ruling, Ruling::Inconclusive, "{unclear:?}");
}

#[test]
fn a_later_result_of_the_same_build_has_to_pass_at_a_tighter_level() {
    let baseline = baseline(&cases(400, |at| at % 20 == 0));
    let now = cases(400, |at| at % 20 == 0 || at % 40 == 1);
    let low = |result| ruled(&now, Some(&baseline), &gates(COMPARED), result).gain.unwrap().low;
    assert!(low(10) < low(1));
}

#[test]
fn a_floor_is_a_floor_with_or_without_a_baseline() {
    let now = cases(40, |at| at % 4 == 0);
    assert_eq!(ruled(&now, None, &gates("floor = 0.2"), 1).ruling, Ruling::Fail);
    assert_eq!(ruled(&now, None, &gates("floor = 0.3"), 1).ruling, Ruling::Pass);
    assert_eq!(ruled(&now, None, &gates(COMPARED), 1).ruling, Ruling::Inconclusive, "nothing to compare with");
}

#[test]
fn too_few_cases_for_the_margin_are_refused_and_so_are_too_many_skipped_ones() {
    let few = cases(20, |_| false);
    let found = ruled(&few, Some(&baseline(&few)), &gates(COMPARED), 1);
    assert!(found.ruling == Ruling::Invalid && found.reason.contains("underpowered"), "{found:?}");
    let mut many = cases(40, |_| false);
    for case in many.iter_mut().take(10) {
        case.values.insert(MEASURE, Measured::Skipped(Skip::Unparsed));
    }
    let found = ruled(&many, None, &gates("floor = 0.5"), 1);
    assert!(found.ruling == Ruling::Invalid && found.reason.contains("skipped_share_max"), "{found:?}");
}

#[test]
fn a_comparison_names_what_changed_and_those_that_got_worse_first() {
    let baseline = baseline(&cases(30, |at| at == 3));
    let now = cases(30, |at| at == 7);
    let bench = Bench { cases: &now, baseline: Some(&baseline), result_of_build: 1, card: None };
    let comparison = bench.comparison(&gates(COMPARED), &["plain".to_owned()]).unwrap();
    assert_eq!(comparison.changed.iter().map(|case| case.id.as_str()).collect::<Vec<_>>(), ["c7", "c3"]);
    assert_eq!(comparison.differences.len(), 2, "over all cases and over the slice");
    let first = &comparison.differences[0];
    assert_eq!((first.improved, first.worsened, first.test), (1, 1, Test::McnemarExact));
    assert!(first.p_adjusted.is_some() && comparison.differences[1].p_adjusted.is_none());
}

#[test]
fn the_weightiest_reason_decides_the_exit_code() {
    let gate = |ruling, on_inconclusive| GateRecord { ruling, on_inconclusive, ..example().gates.remove(0) };
    let code = |broken: &[Broken], invalid: &[String], gates: &[GateRecord]| {
        conclude(broken, (None, None), (invalid, gates)).1
    };
    assert_eq!(code(&[], &[], &[gate(Ruling::Pass, OnInconclusive::Block)]), 0);
    assert_eq!(code(&[], &[], &[gate(Ruling::Inconclusive, OnInconclusive::Warn)]), 0);
    assert_eq!(code(&[], &[], &[gate(Ruling::Inconclusive, OnInconclusive::Block)]), 4);
    assert_eq!(code(&[], &[], &[gate(Ruling::Invalid, OnInconclusive::Block)]), 2);
    assert_eq!(code(&[], &["other documents".into()], &[]), 2);
    let failed = gate(Ruling::Fail, OnInconclusive::Block);
    assert_eq!(code(&[], &["other documents".into()], &[failed]), 1);
    assert_eq!(code(&[Broken("a leak".into())], &["x".into()], &[]), 1);
    let card = Card {
        passed: false,
        canaries: Vec::new(),
        labelled: Vec::new(),
        bars: Vec::new(),
        scope: String::new(),
        relative_only: true,
    };
    assert_eq!(conclude(&[], (Some(&card), None), (&[], &[])).1, 3);
    assert_eq!(conclude(&[Broken("a leak".into())], (Some(&card), None), (&[], &[])).1, 1, "a leak needs no scorer");
}

#[test]
fn what_must_hold_for_every_case_is_broken_by_one() {
    let mut all = cases(3, |_| false);
    all[1].state = State::Stale;
    all[2].state = State::Errored;
    let gates =
        Gates { must_pass: vec!["c2".into(), "gone".into()], critical_tags: vec!["plain".into()], ..Gates::default() };
    let found = invariants(&gates, &all, std::iter::empty(), &[], &[("a.pdf".into(), "too large".into())]);
    let broken: Vec<&str> =
        found.iter().filter(|held| held.ruling == Ruling::Fail).map(|held| held.name.as_str()).collect();
    assert_eq!(broken, ["must_pass", "critical_findings", "errors", "stale", "documents"]);
    assert_eq!(found[1].cases, ["c2", "gone"]);
}
