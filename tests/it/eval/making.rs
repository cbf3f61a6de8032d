//! Cases made from documents and from answers, and what a person says of them.

use std::fs;

use serde_json::{Value, json};

use super::{asked, eval, typed};
use crate::harness::chat::{ChatStub, says};
use crate::harness::process::{Ended, run};
use crate::harness::{QUESTION, Sandbox, UNANSWERABLE, repository};

/// More of a handbook, so that there is something to ask of several documents.
const OPERATING: &str = "# Operating Kestrel\n\n## Move the queue\n\nTo move the queue to another disk, stop the service \
    and copy its folder.\n\n## Spool\n\nThe spool is a folder on the disk where Kestrel keeps letters that wait. When the \
    disk of the spool is full, Kestrel refuses new letters with code 452.\n\n| Setting | Default | Meaning |\n\
    | --- | --- | --- |\n| `spool.letters_max` | `5000` | How many letters may wait in the spool. |\n\
    | `spool.age_max` | `5 days` | How old a letter may become before its sender is told. |\n\
    | `spool.retry_wait` | `90 s` | How long Kestrel waits before it sends a letter again. |\n";

fn handbook() -> Sandbox {
    let sandbox = Sandbox::with_documents();
    sandbox.write("operating.md", OPERATING);
    sandbox
}

async fn generate(sandbox: &Sandbox, out: &str, more: &[&str]) -> (Ended, Vec<Value>) {
    let ended = eval(sandbox, &[&["generate", "--documents", "docs", "--out", out], more].concat()).await;
    (ended, cases(sandbox, out))
}

fn cases(sandbox: &Sandbox, name: &str) -> Vec<Value> {
    let text = fs::read_to_string(sandbox.path(name)).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn questions(cases: &[Value]) -> Vec<&str> {
    cases.iter().map(|case| case["question"].as_str().unwrap()).collect()
}

/// A folder that is named as the suite's documents, and the cases of one file.
fn suite_of(sandbox: &Sandbox, cases: &str) {
    let suite = format!("name = \"made\"\ncases = [\"{cases}\"]\ndocuments = [\"docs\"]\n");
    fs::write(sandbox.path("suite.toml"), suite).unwrap();
}

#[tokio::test]
async fn cases_made_of_documents_are_found_again_and_count_as_approved_by_nobody() {
    let sandbox = handbook();
    let (made, found) = generate(&sandbox, "made.jsonl", &[]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let asked_for = questions(&found);
    for wanted in [
        "How do I move the queue?",
        "What is the default of spool.retry_wait?",
        "What happens when the disk of the spool is full?",
        "How do I restore a backup?",
    ] {
        assert!(asked_for.contains(&wanted), "{wanted}: {asked_for:?}");
    }
    let schema = fs::read(repository().join("eval/schema/case.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
    for case in &found {
        assert!(schema.is_valid(case), "{case}");
        assert_eq!(case["generated"], true);
    }
    let (_, again) = generate(&sandbox, "again.jsonl", &[]).await;
    assert_eq!(again, found, "the same documents and seed, the same cases");
    suite_of(&sandbox, "made.jsonl");
    let (ran, report) = asked(&sandbox, "out", &["--chat", "extractive"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("were made by a program, and no person has approved them"), "{ran:?}");
    let recall = report["metrics"].as_array().unwrap().iter().find(|metric| metric["measure"] == "recall@5").unwrap();
    assert_eq!(recall["estimate"]["value"], 1.0, "a case is kept only if its source is found");
}

#[tokio::test]
async fn cases_that_are_there_are_neither_lost_nor_made_again() {
    let sandbox = handbook();
    let own = json!({ "id": "own", "question": "How can I move the queue?", "answerable": true });
    fs::write(sandbox.path("cases.jsonl"), format!("{own}\n")).unwrap();
    let (made, found) = generate(&sandbox, "cases.jsonl", &["--count", "6"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    assert_eq!(found[0], own, "what was there stays as it was");
    let asked_for = questions(&found);
    assert!(found.len() > 3 && !asked_for.contains(&"How do I move the queue?"), "{asked_for:?}");
    let (_, more) = generate(&sandbox, "cases.jsonl", &["--count", "6"]).await;
    assert_eq!(more[..found.len()], found[..]);
    let mut ids: Vec<&str> = more.iter().map(|case| case["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), more.len());
}

#[tokio::test]
async fn what_documents_set_apart_say_and_what_others_may_see_are_no_answers() {
    let sandbox = handbook();
    sandbox.write("board.md", "# Board\n\n## Takeover\n\nThe takeover of Petrel Networks is planned for the third of May.\n\nTo prepare the takeover, call the notary in Bergen.\n");
    sandbox.write("board.md.meta.toml", "allow = [\"board\"]\n");
    fs::create_dir(sandbox.path("apart")).unwrap();
    let apart = "# Falcon\n\n## Calibrate the telescope\n\nTo calibrate the telescope, point it at Polaris and press the button.\n";
    fs::write(sandbox.path("apart/falcon.md"), apart).unwrap();
    let (made, found) = generate(&sandbox, "cases.jsonl", &["--removed", "apart", "--count", "60"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let by = |kind: &str| found.iter().filter(|case| case["made_by"] == kind).collect::<Vec<_>>();
    let removed = by("removed");
    assert_eq!(removed.len(), 1, "{found:?}");
    assert_eq!(removed[0]["question"], "How do I calibrate the telescope?");
    assert_eq!(removed[0]["answerable"], false);
    let access = by("access");
    assert!(!access.is_empty() && access.iter().all(|case| case["as"] == json!(["outsiders"])), "{found:?}");
    suite_of(&sandbox, "cases.jsonl");
    let (ran, report) = asked(&sandbox, "out", &["--chat", "extractive"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for case in report["cases"].as_array().unwrap().iter().filter(|case| !case["asked"]["as"].is_null()) {
        assert_eq!(case["leaks"], json!([]), "{case}");
    }
}

#[tokio::test]
async fn a_chat_models_question_counts_only_with_a_quotation_that_is_there() {
    let good = json!({ "question": "How long does Kestrel wait before it sends a letter again?",
        "quote": "How long Kestrel waits before it sends a letter again." });
    let stub = ChatStub::start([says(&["Certainly! Which port?"]), says(&[good.to_string().as_str()])]).await;
    let sandbox = Sandbox::new().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    sandbox.write("operating.md", OPERATING);
    let more = format!("# More\n\n## Letters\n\n{}", "Nothing is known of letters that come by night, as nobody has seen one come in all these long years of waiting for them. ".repeat(2));
    sandbox.write("more.md", more);
    let (made, found) = generate(&sandbox, "cases.jsonl", &["--chat", "--calls", "2"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.stdout.contains("1 replies of the chat model were refused"), "{made:?}");
    assert_eq!(stub.seen().asked.len(), 2, "calls are bounded");
    let written = found.iter().filter(|case| case["made_by"] == "model").count();
    assert!(written <= 1, "{found:?}");
}

async fn review(sandbox: &Sandbox, input: &str) -> Ended {
    typed(sandbox, &["review", "cases.jsonl"], input).await
}

#[tokio::test]
async fn a_person_approves_rejects_and_edits_and_each_decision_is_in_the_file_at_once() {
    let sandbox = Sandbox::new();
    let made = |id: &str| {
        json!({ "id": id, "question": format!("Which port is {id}?"), "answerable": true, "generated": true,
        "made_by": "table", "sources": [{ "document": "a.md", "text": "listens on port 2525" }] })
    };
    let lines: Vec<String> = ["a", "b", "c", "d"].iter().map(|id| made(id).to_string()).collect();
    fs::write(sandbox.path("cases.jsonl"), lines.join("\n")).unwrap();
    let ended = review(&sandbox, "a\nwhat?\nr\ne\n \ne\nWhich port is it then?\na\n").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("listens on port 2525") && ended.stdout.contains("none of a, r, e, s and q"));
    assert!(ended.stdout.contains("not changed: the question is empty"), "{ended:?}");
    assert!(ended.stdout.contains("2 approved, 1 rejected, 1 edited, 0 skipped; 1 to go"), "{ended:?}");
    let left = cases(&sandbox, "cases.jsonl");
    assert_eq!(questions(&left), ["Which port is a?", "Which port is it then?", "Which port is d?"]);
    assert_eq!((&left[0]["generated"], &left[2]["generated"]), (&Value::Null, &json!(true)));
    assert_eq!(questions(&cases(&sandbox, "cases.jsonl.rejected")), ["Which port is b?"]);
    let skipped = review(&sandbox, "s\n").await;
    assert!(skipped.stdout.contains("1 of 1  d") && skipped.stdout.contains("1 to go"), "{skipped:?}");
}

/// Asks, and gives the answer's id.
async fn answered(sandbox: &Sandbox, question: &str) -> String {
    let ended = run(sandbox.cairn(&["ask", "--json", question])).await;
    ended.json()["answer_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_answer_that_was_rated_becomes_a_case_and_never_a_second_one() {
    let stub = ChatStub::start([says(&["Kestrel listens on port 2525 for mail [1]."])]).await;
    let sandbox = Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    assert_eq!(run(sandbox.cairn(&["ingest", "docs"])).await.code, Some(0));
    let id = answered(&sandbox, QUESTION).await;
    let add = async |id: &str, more: &[&str]| {
        eval(&sandbox, &[&["add", "--from-answer", id, "--to", "cases.jsonl"], more].concat()).await
    };
    let unrated = add(&id, &[]).await;
    assert_eq!(unrated.code, Some(2), "{unrated:?}");
    assert!(unrated.stderr.contains("cairn answers rate"), "{unrated:?}");
    run(sandbox.cairn(&["answers", "rate", &id, "up", "--comment", "just so"])).await;
    let added = add(&id, &[]).await;
    assert_eq!(added.code, Some(0), "{added:?}");
    let again = add(&id, &[]).await;
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("already"), "{again:?}");
    let unknown = answered(&sandbox, UNANSWERABLE).await;
    run(sandbox.cairn(&["answers", "rate", &unknown, "up"])).await;
    assert_eq!(add(&unknown, &[]).await.code, Some(0));
    let found = cases(&sandbox, "cases.jsonl");
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((&found[0]["question"], &found[0]["answerable"]), (&json!(QUESTION), &json!(true)));
    assert_eq!(found[0]["answer"], "Kestrel listens on port 2525 for mail.", "without marks");
    assert_eq!((&found[0]["note"], &found[0]["made_by"]), (&json!("just so"), &json!("answer")));
    let source = &found[0]["sources"][0];
    assert_eq!(source["document"], "docs/network.md");
    assert!(source["text"].as_str().unwrap().contains("listens on port 2525 for mail"), "{source}");
    assert_eq!(found[1]["answerable"], false, "a refusal that was right");
    suite_of(&sandbox, "cases.jsonl");
    let (ran, report) = asked(&sandbox, "out", &["--chat", "extractive"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(report["cases"][0]["sources"][0]["rank"], 1, "its source is found by its name");
}
