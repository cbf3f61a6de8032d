//! Canaries of real documents by the real scorer, and labelled sets.

use std::collections::BTreeMap;
use std::fs;

use super::*;
use crate::eval::lines::ReadError;

/// The handbook's own pages.
fn handbook() -> Vec<Document> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.retain(|path| path.extension().is_some_and(|ending| ending == "md"));
    names.sort();
    let document = |path: &std::path::PathBuf| Document {
        name: path.file_name().unwrap().to_string_lossy().into_owned(),
        text: fs::read_to_string(path).unwrap(),
        allow: None,
    };
    names.iter().map(document).collect()
}

#[test]
fn planted_faults_are_made_of_the_documents_and_each_differs_from_its_original() {
    let handbook = handbook();
    let documents: Vec<&Document> = handbook.iter().collect();
    let made = canary::made(&documents);
    assert_eq!(made, canary::made(&documents), "the same documents, the same canaries");
    let mut counts: BTreeMap<Fault, usize> = BTreeMap::new();
    for canary in &made {
        *counts.entry(canary.kind).or_default() += 1;
        assert_eq!(canary.kind == Fault::None, canary.original == canary.corrupted, "{canary:?}");
        assert!(canary.passage.contains(&canary.original));
    }
    for kind in [Fault::None, Fault::Number, Fault::Negation, Fault::Identifier, Fault::Opposite, Fault::Addition] {
        assert!(counts.get(&kind).is_some_and(|count| *count >= 10), "{kind:?}: {counts:?}");
    }
}

#[test]
fn the_card_says_what_is_seen_and_a_bar_that_is_missed_fails_it() {
    let handbook = handbook();
    let documents: Vec<&Document> = handbook.iter().collect();
    let scorer = Scorer::shipped().unwrap();
    let card = |bars: &Bars| super::card(&scorer, &documents, &[], (bars, false));
    let usual = card(&Bars::default());
    let of = |kind: Fault| usual.canaries.iter().find(|canary| canary.kind == kind.name()).unwrap();
    assert!(of(Fault::Number).is_seen, "{:?}", of(Fault::Number));
    assert!(of(Fault::None).caught * 10 < of(Fault::None).made, "{:?}", of(Fault::None));
    assert!(usual.passed && usual.relative_only, "{:?}", usual.bars);
    let strict = card(&Bars { caught_share_min: 1.0, ..Bars::default() });
    assert!(!strict.passed && strict.bars.iter().filter(|bar| !bar.met).count() == 1, "{:?}", strict.bars);
}

fn set(lines: &[serde_json::Value]) -> Result<LabelledSet, ReadError> {
    let folder = tempfile::tempdir().unwrap();
    let contexts = serde_json::json!({ "context_id": "c", "passages": ["Kestrel listens for mail on port 2525."] });
    fs::write(folder.path().join("contexts.jsonl"), contexts.to_string()).unwrap();
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    fs::write(folder.path().join("claims.jsonl"), lines.join("\n")).unwrap();
    LabelledSet::read(folder.path())
}

fn label(n: usize, port: u32, system: &str) -> serde_json::Value {
    let answer = format!("Kestrel listens for mail on port {port}.");
    let wrong = port != 2525;
    let spans = if wrong { vec![[33, 37]] } else { Vec::new() };
    serde_json::json!({ "id": n.to_string(), "context_id": "c", "answer": answer, "supported": !wrong,
        "unsupported_spans": spans, "system": system, "split": "dev", "question": null })
}

#[test]
fn agreement_with_labels_is_told_of_claims_answers_and_systems() {
    let ports = [("a", [2525, 2525, 2525, 2525, 2525]), ("b", [2525, 2525, 2525, 9999, 9999]), ("c", [9999; 5])];
    let lines: Vec<serde_json::Value> = ports
        .into_iter()
        .flat_map(|(system, ports)| ports.into_iter().enumerate().map(move |(n, port)| label(n, port, system)))
        .collect();
    let set = set(&lines).unwrap();
    let scorer = Scorer::shipped().unwrap();
    let found = set.measure(&scorer);
    assert_eq!(found.iter().map(|found| found.level).collect::<Vec<_>>(), [Level::Answer, Level::Claim]);
    for found in &found {
        assert_eq!(found.auroc.unwrap().value, Figure::ONE, "{found:?}");
        let systems = found.systems.as_ref().unwrap();
        assert_eq!((systems.systems, systems.pairs, systems.reversals), (3, 3, 0));
        assert_eq!(systems.kendall_tau, Some(Figure::ONE));
    }
    assert_eq!(set.ungrounded(&scorer).iter().filter(|(people, ours)| people == ours).count(), 15);
}

#[test]
fn a_set_that_can_not_be_used_is_refused_with_its_line() {
    assert!(set(&[]).is_err());
    assert!(set(&[serde_json::json!({ "id": "x" })]).unwrap_err().to_string().contains("line 1"));
    let mut elsewhere = label(1, 1, "a");
    elsewhere["context_id"] = "gone".into();
    assert!(set(&[elsewhere]).unwrap_err().to_string().contains("\"gone\""));
}
