//! A suite with its passages changed between finding them and answering.

use std::fs;

use serde_json::{Value, json};

use super::{asked, with_suite};
use crate::harness::repository;

const KINDS: &str = "distractors,shuffled,gold_removed,contradiction";

fn of<'a>(report: &'a Value, kind: &str) -> &'a Value {
    let all = report["perturbations"].as_array().unwrap();
    all.iter().find(|perturbed| perturbed["kind"] == kind).unwrap_or_else(|| panic!("{kind} in {all:?}"))
}

fn difference<'a>(perturbed: &'a Value, measure: &str) -> &'a Value {
    perturbed["differences"].as_array().unwrap().iter().find(|found| found["measure"] == measure).unwrap()
}

#[tokio::test]
async fn each_change_is_compared_with_the_same_cases_as_they_are() {
    let sandbox = with_suite();
    let (ended, report) = asked(&sandbox, "out", &["--chat", "extractive", "--perturb", KINDS]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let schema = fs::read(repository().join("eval/schema/report.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
    let wrong: Vec<String> = schema.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(report["fingerprint"]["perturbation"], Value::Null, "the report's own cases are as they are");

    let removed = of(&report, "gold_removed");
    assert_eq!(removed["cases"], 2, "of two cases a source is among the passages: {removed}");
    let refusals = difference(removed, "right_refusals");
    assert_eq!(refusals["baseline"], 0.0, "with its gold, neither is refused");
    let unexpected = removed["unexpected"].as_array().unwrap().len();
    assert_eq!(refusals["run"].as_f64().unwrap() < 1.0, unexpected > 0);
    assert!(refusals["run"].as_f64().unwrap() > 0.4, "{removed}");

    let contradicted = of(&report, "contradiction");
    assert_eq!(contradicted["cases"], 2, "{contradicted}");
    let citing = contradicted["cites_added"].as_u64().unwrap();
    assert!(citing >= 1, "quoting has no way to tell which of the two is true: {contradicted}");
    assert_eq!(contradicted["unexpected"].as_array().unwrap().len() as u64, citing);

    let shuffled = of(&report, "shuffled");
    assert_eq!(shuffled["cites_added"], Value::Null);
    let facts = difference(shuffled, "fact_recall");
    assert_eq!((&facts["baseline"], &facts["gain"]["value"]), (&json!(1.0), &json!(0.0)), "{shuffled}");
    assert!(of(&report, "distractors")["cases"].as_u64().unwrap() >= 1);
    assert!(ended.stdout.contains("gold_removed: 2 cases") && ended.stdout.contains("answers cite what was added"));
}

#[tokio::test]
async fn a_run_with_changed_passages_gives_the_same_report_again_and_leaves_the_plain_cases_as_they_are() {
    let sandbox = with_suite();
    let timeless = |mut report: Value| {
        report["times"] = Value::Null;
        report
    };
    let (_, first) = asked(&sandbox, "one", &["--chat", "extractive", "--perturb", KINDS]).await;
    let (_, again) = asked(&sandbox, "two", &["--chat", "extractive", "--perturb", KINDS]).await;
    let (_, plain) = asked(&sandbox, "three", &["--chat", "extractive"]).await;
    assert_eq!(timeless(first.clone()), timeless(again));
    assert_eq!((&first["cases"], &first["metrics"]), (&plain["cases"], &plain["metrics"]));
    assert_eq!(plain["perturbations"], json!([]));
}
