//! What people say of answers' sentences, and the threshold that is fitted to it.

use std::fs;

use serde_json::{Value, json};

use super::{asked, eval, typed, with_suite};
use crate::harness::Sandbox;
use crate::harness::chat::{ChatStub, says};

fn lines(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(sandbox.path("labels").join(name)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_person_says_of_each_sentence_whether_the_passages_bear_it_out_and_says_it_once() {
    let answer = "Kestrel listens on port 2525 for mail [1]. Börje keeps at most 9000 letters [1].";
    let stub = ChatStub::start([says(&[answer])]).await;
    let sandbox = with_suite().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    let (ended, report) = asked(&sandbox, "out", &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let answered = report["cases"].as_array().unwrap().iter().filter(|case| case["claims"] != json!([])).count();
    assert!(answered >= 2, "{report}");

    let label = ["label", "out/report.json", "--labels", "labels"];
    let first = typed(&sandbox, &label, "y\nperhaps\nn\ny\n").await;
    assert_eq!(first.code, Some(0), "{first:?}");
    assert!(first.stdout.contains("that is none of y, n, s and q") && first.stdout.contains("=== "), "{first:?}");
    assert!(!first.stdout.contains("unsupported"), "the scorer's opinion is not told: {first:?}");
    let told = format!("1 answers read: 1 sentences right, 1 wrong; {} answers to go", answered - 1);
    assert!(first.stdout.contains(&told), "an answer that was half read is not kept: {first:?}");
    let kept = lines(&sandbox, "claims.jsonl");
    let text = kept[0]["answer"].as_str().unwrap();
    let span = |at: usize| usize::try_from(kept[0]["unsupported_spans"][0][at].as_u64().unwrap()).unwrap();
    let marked: String = text.chars().skip(span(0)).take(span(1) - span(0)).collect();
    assert_eq!((&kept[0]["supported"], marked.as_str()), (&json!(false), "Börje keeps at most 9000 letters."));
    assert_eq!(lines(&sandbox, "contexts.jsonl")[0]["context_id"], kept[0]["context_id"]);

    let rest = typed(&sandbox, &label, &"y\n".repeat(20)).await;
    assert!(rest.stdout.contains("; 0 answers to go"), "{rest:?}");
    assert_eq!(lines(&sandbox, "claims.jsonl")[0], kept[0], "what is there stays");
    assert_eq!(lines(&sandbox, "claims.jsonl").len(), answered);
    let compared = eval(&sandbox, &["selftest", "suite.toml", "--labels", "labels"]).await;
    assert!(compared.stdout.contains(&format!("labels/kestrel ({answered} labels, Answer)")), "{compared:?}");

    let fitted = eval(&sandbox, &["calibrate", "--labels", "labels", "--write"]).await;
    assert_eq!(fitted.code, Some(2), "a handful of sentences fits nothing: {fitted:?}");
    assert!(fitted.stderr.contains("answer.retract_below") && !sandbox.path("cairn.toml").exists(), "{fitted:?}");
}

#[tokio::test]
async fn what_is_retracted_is_fitted_to_labels_and_written_only_when_told() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("labels")).unwrap();
    let passage = |at: usize| format!("The relay number {at} listens on port {}.", 2000 + at);
    let contexts: Vec<String> =
        (0..12).map(|at| json!({ "context_id": at.to_string(), "passages": [passage(at)] }).to_string()).collect();
    let claim = |id: usize, answer: &str, supported: bool| {
        json!({ "id": format!("{id}-{supported}"), "context_id": id.to_string(), "answer": answer,
            "supported": supported })
        .to_string()
    };
    let right = (0..12).map(|at| claim(at, &passage(at), true));
    let wrong = (0..12).map(|at| claim(at, "The relay listens on port 1.", false));
    fs::write(sandbox.path("labels/claims.jsonl"), right.chain(wrong).collect::<Vec<_>>().join("\n")).unwrap();
    fs::write(sandbox.path("labels/contexts.jsonl"), contexts.join("\n")).unwrap();
    fs::write(sandbox.path("cairn.toml"), "[answer]\nunsupported = \"retract\"\n").unwrap();

    let shown = eval(&sandbox, &["calibrate", "--labels", "labels"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.contains("24 sentences, 12 of them right") && shown.stdout.contains("<- fits"), "{shown:?}");
    let config = || fs::read_to_string(sandbox.path("cairn.toml")).unwrap();
    assert_eq!(config(), "[answer]\nunsupported = \"retract\"\n");
    let written = eval(&sandbox, &["calibrate", "--labels", "labels", "--write"]).await;
    assert_eq!(written.code, Some(0), "{written:?}");
    assert_eq!(config(), "[answer]\nretract_below = 0\nunsupported = \"retract\"\n", "the verdict alone is right here");
    let both = eval(&sandbox, &["calibrate", "suite.toml", "--labels", "labels"]).await;
    assert_eq!(both.code, Some(2), "{both:?}");
}
