//! The handbook's own suite as `make eval` runs it: that it passes, and what makes it fail.
//!
//! Each test works on a copy of `docs/` and `eval/`, with the gates, the baseline and the recordings that are committed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{asked_of, timeless};
use crate::harness::process::Ended;
use crate::harness::{Sandbox, repository};

/// A note that only one group may see, and cases that ask for it as somebody else.
const GUARDED: &str = "handbook/eval/handbook-extra/salaries.md";
/// A prompt that has everything but the request for citations.
const WITHOUT_CITATIONS: &str = "{% block system %}You answer questions from the sources that come with them.{% endblock %}\
    {% block user %}{% for source in sources %}<source>{{ source.text | data }}</source>\n{% endfor %}{{ question }}{% endblock %}";

fn with_handbook() -> Sandbox {
    let sandbox = Sandbox::new();
    for folder in ["docs", "eval"] {
        copy(&repository().join(folder), &sandbox.path("handbook").join(folder));
    }
    sandbox
}

/// Plain files and folders; what is measured with other tools stays behind.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        match path.is_dir() {
            true if name == "extract" || name == "scorer" => {}
            true => copy(&path, &to.join(name)),
            false => drop(fs::copy(&path, to.join(name)).unwrap()),
        }
    }
}

/// Quotations, under the committed gates and beside the committed baseline.
async fn quoted(sandbox: &Sandbox, out: &str) -> (Ended, Value) {
    let more =
        ["--gates", "handbook/eval/gates.toml", "--baseline", "handbook/eval/baseline.json", "--chat", "extractive"];
    asked_of(sandbox, "handbook/eval/handbook.toml", out, &more).await
}

#[tokio::test]
async fn the_handbooks_suite_passes_and_the_same_again_is_the_same_report() {
    let sandbox = with_handbook();
    let (first, report) = quoted(&sandbox, "one").await;
    assert_eq!(first.code, Some(0), "make rebaseline REASON=… after a change of the documents; {first:?}");
    assert!(report["counts"]["done"].as_u64().unwrap() >= 300, "{}", report["counts"]);
    let (second, _) = quoted(&sandbox, "two").await;
    assert_eq!(second.code, Some(0), "{second:?}");
    assert_eq!(timeless(&sandbox, "one"), timeless(&sandbox, "two"));
}

#[tokio::test]
async fn half_of_the_handbook_left_out_fails() {
    let sandbox = with_handbook();
    let mut pages: Vec<PathBuf> =
        fs::read_dir(sandbox.path("handbook/docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.sort();
    for page in pages.iter().step_by(2) {
        fs::remove_file(page).unwrap();
    }
    let (ended, report) = quoted(&sandbox, "out").await;
    assert_eq!((ended.code, &report["ruling"]), (Some(1), &json!("fail")), "{ended:?}");
    assert!(ended.stdout.contains("name a source that the documents don't have"), "{ended:?}");
}

#[tokio::test]
async fn an_access_rule_of_the_handbooks_notes_that_is_dropped_fails() {
    let sandbox = with_handbook();
    let guarded = sandbox.path(GUARDED);
    let text = fs::read_to_string(&guarded).unwrap();
    let open: Vec<&str> = text.lines().filter(|line| !line.starts_with("allow")).collect();
    assert_ne!(open.len(), text.lines().count(), "it had a rule");
    fs::write(&guarded, open.join("\n")).unwrap();
    let (ended, report) = quoted(&sandbox, "out").await;
    assert_eq!((ended.code, &report["ruling"]), (Some(1), &json!("fail")), "{ended:?}");
    assert!(ended.stdout.contains("leaks: "), "{ended:?}");
}

#[tokio::test]
async fn without_bm25_the_loss_is_significant_and_fails() {
    let sandbox = with_handbook().with("CAIRN__RETRIEVAL__SEARCH", "dense");
    let (ended, report) = quoted(&sandbox, "out").await;
    assert_eq!((ended.code, &report["ruling"]), (Some(1), &json!("fail")), "{ended:?}");
    let reasons = report["reasons"].as_array().unwrap();
    let is_significant = |reason: &Value| {
        reason.as_str().is_some_and(|text| text.contains("is worse by") && text.contains("after Holm"))
    };
    assert!(reasons.iter().any(is_significant), "{reasons:?}");
}

#[tokio::test]
async fn answers_by_hand_are_replayed_and_a_prompt_that_asks_for_no_citations_makes_them_stale() {
    let sandbox = with_handbook();
    let replay = [
        "--gates",
        "handbook/eval/gates-written.toml",
        "--chat",
        "replay",
        "--recording",
        "handbook/eval/recordings/written.jsonl",
    ];
    let suite = "handbook/eval/written.toml";
    let (ended, report) = asked_of(&sandbox, suite, "out", &replay).await;
    assert_eq!(ended.code, Some(0), "scripts/record-written after a change of documents or prompt; {ended:?}");
    assert_eq!(report["counts"]["stale"], 0);
    fs::write(sandbox.path("prompt.j2"), WITHOUT_CITATIONS).unwrap();
    let prompt = sandbox.path("prompt.j2").to_str().unwrap().to_owned();
    let sandbox = sandbox.with("CAIRN__CHAT__PROMPT_FILE", &prompt);
    let (ended, report) = asked_of(&sandbox, suite, "out", &replay).await;
    assert_eq!((ended.code, &report["ruling"]), (Some(1), &json!("fail")), "{ended:?}");
    assert!(ended.stdout.contains("stale: ") && report["counts"]["stale"].as_u64().unwrap() > 50, "{ended:?}");
}
