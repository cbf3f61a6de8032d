//! `cairn eval` from the outside: suites, gates, baselines and recordings, by exit code and by report.

mod handbook;
mod labelling;
mod making;
mod perturbing;

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;

use cairn::tasks::blocking;
use serde_json::{Value, json};

use crate::clients::python;
use crate::harness::chat::{ChatStub, Step, refuses, says, says_then};
use crate::harness::process::{Ended, Process, run};
use crate::harness::{QUESTION, Sandbox, UNANSWERABLE, repository, within};

const SUITE: &str = "name = \"kestrel\"\ncases = [\"cases.jsonl\"]\ndocuments = [\"docs\"]\n";
const SECRET: &str = "# Board\n\nThe takeover of Petrel Networks is planned for the third of May.\n";
/// Of the example's two kinds of cases.
const GATES: &str =
    "[[gate]]\nmeasure = \"recall@5\"\nfloor = 0.9\n[[gate]]\nmeasure = \"wrong_refusals\"\nfloor = 0.1\n";

/// The documents about Kestrel, one that only the board may see, and a suite that asks about them.
fn with_suite() -> Sandbox {
    let sandbox = Sandbox::with_documents();
    sandbox.write("board.md", SECRET);
    sandbox.write("board.md.meta.toml", "allow = [\"board\"]\n");
    let cases = [
        json!({ "id": "port", "question": QUESTION, "answerable": true, "answer": "Port 2525", "facts": ["2525"],
            "sources": [{ "document": "docs/network.md", "text": "listens on port 2525" }], "tags": ["plain"] }),
        json!({ "id": "limit", "question": "How many connections does Kestrel hold at once?", "answerable": true,
            "facts": [["40", "forty"]], "sources": [{ "document": "network.md", "text": "40 connections" }] }),
        json!({ "id": "tungsten", "question": UNANSWERABLE, "answerable": false, "tags": ["unanswerable"] }),
        json!({ "id": "takeover", "question": "Which takeover is planned?", "answerable": false, "as": ["staff"],
            "must_not": ["Petrel Networks"], "tags": ["access"] }),
    ];
    let lines: Vec<String> = cases.iter().map(Value::to_string).collect();
    fs::write(sandbox.path("cases.jsonl"), lines.join("\n")).unwrap();
    fs::write(sandbox.path("suite.toml"), SUITE).unwrap();
    fs::write(sandbox.path("gates.toml"), GATES).unwrap();
    sandbox
}

async fn eval(sandbox: &Sandbox, arguments: &[&str]) -> Ended {
    run(sandbox.cairn(&[&["eval"], arguments].concat())).await
}

/// The same, with these lines to read.
async fn typed(sandbox: &Sandbox, arguments: &[&str], input: &str) -> Ended {
    fs::write(sandbox.path("input"), input).unwrap();
    let mut command = sandbox.cairn(&[&["eval"], arguments].concat());
    command.stdin(Stdio::from(File::open(sandbox.path("input")).unwrap()));
    let ended = blocking(move || command.output().unwrap());
    let output = within("a program that reads its input", ended).await.unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), signal: None, stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// `cairn eval run suite.toml --out NAME` and what else is said.
async fn asked(sandbox: &Sandbox, out: &str, more: &[&str]) -> (Ended, Value) {
    asked_of(sandbox, "suite.toml", out, more).await
}

async fn asked_of(sandbox: &Sandbox, suite: &str, out: &str, more: &[&str]) -> (Ended, Value) {
    let ended = eval(sandbox, &[&["run", suite, "--out", out], more].concat()).await;
    let report = fs::read_to_string(sandbox.path(out).join("report.json")).unwrap_or_else(|_| "null".into());
    (ended, serde_json::from_str(&report).unwrap())
}

/// The report's bytes but for its block of times.
fn timeless(sandbox: &Sandbox, out: &str) -> String {
    let mut report: Value = serde_json::from_slice(&fs::read(sandbox.path(out).join("report.json")).unwrap()).unwrap();
    report["times"] = Value::Null;
    report.to_string()
}

fn value(report: &Value, measure: &str) -> f64 {
    let metrics = report["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["measure"] == measure).unwrap()["estimate"]["value"].as_f64().unwrap()
}

#[tokio::test]
async fn a_suite_that_is_run_twice_gives_the_same_report_and_passes() {
    let sandbox = with_suite();
    let gates = ["--gates", "gates.toml", "--chat", "extractive"];
    let (first, report) = asked(&sandbox, "one", &gates).await;
    assert_eq!(first.code, Some(0), "{first:?}");
    let schema = fs::read(repository().join("eval/schema/report.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_slice(&schema).unwrap()).unwrap();
    let wrong: Vec<String> = schema.iter_errors(&report).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!((&report["ruling"], &report["counts"]["done"]), (&json!("pass"), &json!(4)));
    assert!(value(&report, "recall@5") > 0.99 && value(&report, "fact_recall") > 0.99, "{first:?}");
    assert!(value(&report, "right_refusals") > 0.99, "{first:?}");
    let (again, _) = asked(&sandbox, "one", &gates).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let one = timeless(&sandbox, "one");
    asked(&sandbox, "two", &gates).await;
    assert_eq!(timeless(&sandbox, "two"), one, "in whichever folder");
    assert!(!one.contains(sandbox.docs().to_str().unwrap()), "a report names no machine's folders");
}

/// A form of a report without what the clock said.
fn without_times(form: &str, text: &str) -> String {
    let between = |from: &str, to: &str| {
        let (before, rest) = text.split_once(from).unwrap_or_else(|| panic!("{form} has no {from}"));
        format!("{before}{}", rest.split_once(to).unwrap().1)
    };
    match form {
        "junit.xml" => between(" time=\"", "\">"),
        "summary.md" => between("\n<sub>", "</sub>\n"),
        "report.html" => between("<!-- times -->", "<!-- /times -->"),
        _ => panic!("{form} is no form"),
    }
}

#[tokio::test]
async fn every_form_of_a_report_is_written_and_is_the_same_bytes_but_for_its_times() {
    let sandbox = with_suite();
    let gates = ["--gates", "gates.toml", "--chat", "extractive"];
    let (ended, _) = asked(&sandbox, "one", &gates).await;
    asked(&sandbox, "two", &gates).await;
    let read = |out: &str, form: &str| fs::read_to_string(sandbox.path(out).join(form)).unwrap();
    for form in ["junit.xml", "summary.md", "report.html"] {
        assert!(ended.stdout.contains(&format!("written: one/{form}")), "{ended:?}");
        let (one, two) = (without_times(form, &read("one", form)), without_times(form, &read("two", form)));
        assert_eq!(one, two, "{form}");
        assert!(one.contains("Which port") || form != "report.html", "{one}");
    }
    let left: Vec<_> = fs::read_dir(sandbox.path("one")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{left:?}");
    let mut reader = python("junit.py");
    reader.arg(sandbox.path("one").join("junit.xml"));
    let counted = run(reader).await;
    assert_eq!(counted.code, Some(0), "{counted:?}");
    assert_eq!(counted.json()["gates"], json!([2, 0, 0, 0]));
    assert_eq!(counted.json()["right_refusals"], json!([4, 0, 0, 2]), "two cases are answerable");
    let again = eval(&sandbox, &["report", "one/report.json", "--out", "again"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    for form in ["report.json", "junit.xml", "summary.md", "report.html"] {
        assert_eq!(read("again", form), read("one", form), "{form} is made of report.json and of nothing else");
    }
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_with_the_cases_that_are_left() {
    let sandbox = with_suite();
    let stub = ChatStub::start([says(&["Port 2525 [1]."]), says_then(&["At most"], &[Step::Silence])]).await;
    let sandbox = sandbox.with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    fs::write(sandbox.path("suite.toml"), format!("{SUITE}[run]\nconcurrency = 1\n")).unwrap();
    let killed = Process::start(sandbox.cairn(&["eval", "run", "suite.toml", "--out", "out"]));
    stub.sees("the second request", |seen| seen.asked.len() == 2).await;
    killed.kill().await;
    let stub = ChatStub::start([says(&["At most 40 connections are held [1]."])]).await;
    let sandbox = sandbox.with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    let (ended, report) = asked(&sandbox, "out", &[]).await;
    assert_eq!((ended.code, &report["times"]["resumed"]), (Some(0), &json!(1)), "{ended:?}");
    assert_eq!(report["cases"][0]["answer"], "Port 2525 [1].", "the first one's is kept");
    assert!(report["cases"][1]["answer"].as_str().unwrap().contains("40 connections"));
}

#[tokio::test]
async fn an_endpoint_that_fails_is_an_errored_case_that_counts_as_failed() {
    let stub = ChatStub::start([refuses(400)]).await;
    let sandbox = with_suite().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    let (ended, report) = asked(&sandbox, "out", &["--gates", "gates.toml", "--chat", "live"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stdout.contains("errors: 2 cases ended in an error") || report["counts"]["errored"] == 3,
        "{ended:?}"
    );
    assert_eq!(report["cases"][0]["values"]["ungrounded_answers"]["value"], 1.0);
    assert_eq!(report["cases"][0]["values"]["fact_recall"]["value"], 0.0);
}

#[tokio::test]
async fn where_a_gate_escalates_the_reserve_is_asked_too() {
    let sandbox = with_suite();
    let more = json!({ "id": "more", "question": "What does Kestrel do with a silent client?", "answerable": true });
    fs::write(sandbox.path("reserve.jsonl"), more.to_string()).unwrap();
    fs::write(sandbox.path("suite.toml"), format!("{SUITE}reserve = [\"reserve.jsonl\"]\n")).unwrap();
    let gate = "[[gate]]\nmeasure = \"mrr\"\nmargin = 0.9\nsmallest_effect = 0.9\non_inconclusive = ";
    for (what, cases) in [("\"warn\"", 4), ("\"escalate\"", 5)] {
        fs::write(sandbox.path("gates.toml"), format!("{gate}{what}\n")).unwrap();
        let (_, report) = asked(&sandbox, "out", &["--gates", "gates.toml"]).await;
        assert_eq!(report["counts"]["done"], cases, "without a baseline the gate is inconclusive");
    }
}

#[tokio::test]
async fn an_access_rule_that_is_dropped_fails_the_run_whatever_the_gates_say() {
    let sandbox = with_suite();
    fs::remove_file(sandbox.docs().join("board.md.meta.toml")).unwrap();
    let (ended, report) = asked(&sandbox, "out", &["--gates", "gates.toml"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("leaks: 1 cases show what must never appear"), "{ended:?}");
    let leaking = report["invariants"].as_array().unwrap().iter().find(|held| held["name"] == "leaks").unwrap();
    assert_eq!(leaking["cases"], json!(["takeover"]));
}

#[tokio::test]
async fn documents_that_are_left_out_fail_the_run_with_the_cases_that_miss_them() {
    let sandbox = with_suite();
    fs::remove_file(sandbox.docs().join("network.md")).unwrap();
    let (ended, _) = asked(&sandbox, "out", &["--gates", "gates.toml"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("sources: 2 cases name a source that the documents don't have"), "{ended:?}");
}

#[tokio::test]
async fn what_could_not_run_is_exit_code_two_with_the_line_that_is_wrong() {
    let sandbox = with_suite();
    fs::write(sandbox.path("cases.jsonl"), "{\"id\": \"a\", \"question\": \"Why?\", \"answerable\": true}\n{}\n")
        .unwrap();
    let (ended, report) = asked(&sandbox, "out", &[]).await;
    assert_eq!((ended.code, report), (Some(2), Value::Null));
    assert!(ended.stderr.contains("cases.jsonl, line 2: missing field"), "{ended:?}");
}

#[tokio::test]
async fn a_baseline_is_compared_with_and_one_of_other_documents_is_refused() {
    let sandbox = with_suite();
    asked(&sandbox, "out", &[]).await;
    let made = eval(&sandbox, &["rebaseline", "out/report.json", "--baseline", "base.json", "--reason", "first"]).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let (same, report) = asked(&sandbox, "out", &["--baseline", "base.json", "--gates", "gates.toml"]).await;
    assert_eq!(same.code, Some(0), "{same:?}");
    assert_eq!(report["comparison"]["changed"], json!([]));
    assert_eq!(report["comparison"]["baseline"]["rebaselined"][0]["reason"], "first");
    fs::write(sandbox.path("small.toml"), "[[gate]]\nmeasure = \"mrr\"\nmargin = 0.01\nsmallest_effect = 0.01\n")
        .unwrap();
    let (small, _) = asked(&sandbox, "out", &["--baseline", "base.json", "--gates", "small.toml"]).await;
    assert_eq!(small.code, Some(2), "{small:?}");
    assert!(small.stdout.contains("underpowered") && small.stderr.contains("its margin is 0.01"), "{small:?}");
    sandbox.write("more.md", "# More\n\nKestrel was renamed twice.\n");
    let (other, _) = asked(&sandbox, "out", &["--baseline", "base.json", "--gates", "gates.toml"]).await;
    assert_eq!(other.code, Some(2), "{other:?}");
    assert!(other.stdout.contains("documents differ") && other.stdout.contains("rebaseline"), "{other:?}");
}

#[tokio::test]
async fn recorded_answers_are_replayed_and_another_prompt_makes_them_stale() {
    let sandbox = with_suite();
    let answers = [
        json!({ "id": "port", "answer": "Kestrel listens on port 2525 for mail [1]." }),
        json!({ "id": "limit", "answer": "At most 400 connections are held at once [1].", "note": "wrong number" }),
        json!({ "id": "takeover", "answer": "I can't answer that from these documents." }),
    ];
    let lines: Vec<String> = answers.iter().map(Value::to_string).collect();
    fs::write(sandbox.path("answers.jsonl"), lines.join("\n")).unwrap();
    let (written, _) = asked(&sandbox, "out", &["--answers", "answers.jsonl", "--record", "recorded.jsonl"]).await;
    assert_eq!(written.code, Some(0), "{written:?}");
    let replay = ["--chat", "replay", "--recording", "recorded.jsonl"];
    let (ended, report) = asked(&sandbox, "out", &replay).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(report["fingerprint"]["chat_model"], "written-by-hand");
    let case = |id: &str| report["cases"].as_array().unwrap().iter().find(|case| case["id"] == id).unwrap().clone();
    assert_eq!(case("port")["values"]["ungrounded_answers"]["value"], 0.0, "{}", case("port"));
    assert_eq!(case("port")["values"]["citation_recall"]["value"], 1.0);
    assert_eq!(case("limit")["values"]["ungrounded_answers"]["value"], 1.0);
    assert_eq!(case("limit")["claims"][0]["findings"][0]["text"], "400");

    let template = "{% block system %}Answer.{% endblock %}{% block user %}{% for source in sources %}{{ source.text }}{% endfor %}{{ question }}{% endblock %}";
    fs::write(sandbox.path("prompt.j2"), template).unwrap();
    let prompt = sandbox.path("prompt.j2").to_str().unwrap().to_owned();
    let sandbox = sandbox.with("CAIRN__CHAT__PROMPT_FILE", &prompt);
    let (stale, report) = asked(&sandbox, "out", &replay).await;
    assert_eq!(stale.code, Some(1), "{stale:?}");
    assert!(stale.stdout.contains("stale: ") && stale.stdout.contains("no answer was recorded for"), "{stale:?}");
    assert!(report["counts"]["stale"].as_u64().unwrap() >= 2, "{stale:?}");
}

#[tokio::test]
async fn a_scorer_below_its_bars_is_exit_code_three() {
    let sandbox = with_suite();
    let long: String = (2..40)
        .map(|n| format!("The relay keeps {n} copies of each letter in its spool for {} days.\n\n", n + 50))
        .collect();
    sandbox.write("spool.md", format!("# Spool\n\n{long}"));
    let gates = |least: &str| {
        let text = format!(
            "[selftest]\ncaught_share_min = {least}\n[[gate]]\nmeasure = \"ungrounded_answers\"\nfloor = 1.0\n"
        );
        fs::write(sandbox.path("gates.toml"), text).unwrap();
    };
    gates("0.0");
    let (qualified, report) = asked(&sandbox, "out", &["--gates", "gates.toml"]).await;
    assert_eq!(qualified.code, Some(0), "{qualified:?}");
    let canaries = report["selftest"]["canaries"].as_array().unwrap();
    assert!(canaries.iter().any(|canary| canary["kind"] == "number" && canary["made"].as_u64().unwrap() > 20));
    gates("1.0");
    let (failed, _) = asked(&sandbox, "out", &["--gates", "gates.toml"]).await;
    assert_eq!(failed.code, Some(3), "{failed:?}");
    let alone = eval(&sandbox, &["selftest", "suite.toml", "--gates", "gates.toml", "--out", "out"]).await;
    assert_eq!(alone.code, Some(3), "{alone:?}");
    assert!(alone.stdout.contains("missed planted faults that are caught"), "{alone:?}");
}

#[tokio::test]
async fn the_threshold_of_refusals_is_fitted_and_written_only_when_told() {
    let sandbox = with_suite();
    let config = sandbox.path("cairn.toml");
    let shown = eval(&sandbox, &["calibrate", "suite.toml", "--out", "out"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.contains("<- fits best") && !config.exists(), "{shown:?}");
    let written = eval(&sandbox, &["calibrate", "suite.toml", "--out", "out", "--write"]).await;
    assert_eq!(written.code, Some(0), "{written:?}");
    assert!(fs::read_to_string(&config).unwrap().starts_with("[retrieval]\nrelevance_min = 0."), "{written:?}");
}

#[tokio::test]
async fn answers_of_another_system_are_scored_line_by_line() {
    let sandbox = Sandbox::new();
    let line =
        |answer: &str| json!({ "question": "?", "contexts": ["Kestrel listens on port 2525."], "answer": answer });
    let text = format!("{}\n{}\n", line("Kestrel listens on port 2525."), line("Kestrel listens on port 25."));
    fs::write(sandbox.path("answers.jsonl"), text).unwrap();
    let ended = eval(&sandbox, &["score", "answers.jsonl"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines = ended.json_lines();
    assert_eq!((&lines[0]["is_grounded"], &lines[1]["is_grounded"]), (&json!(true), &json!(false)));
    assert!(ended.stderr.contains("2 answers, 2 with claims, 1 of these"), "{ended:?}");
}

/// A BEIR folder of the fixtures' sentences: many documents, some of them right to a degree.
fn beir(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path("beir");
    fs::create_dir_all(folder.join("qrels")).unwrap();
    let topics = ["mail", "metrics", "backup", "install", "routing", "certificate", "queue", "spool", "log", "alarm"];
    let (mut corpus, mut queries, mut qrels) =
        (String::new(), String::new(), "query-id\tcorpus-id\tscore\n".to_owned());
    for (at, topic) in topics.iter().enumerate() {
        for (nth, what) in
            ["is set with the key", "was added in version", "needs at least", "is kept for"].iter().enumerate()
        {
            let text = format!("The {topic} of the relay {what} {}, and its neighbours are told.", at * 7 + nth);
            corpus +=
                &json!({ "_id": format!("d{at}-{nth}"), "title": if nth == 0 { *topic } else { "" }, "text": text })
                    .to_string();
            corpus.push('\n');
            qrels += &format!("q{at}\td{at}-{nth}\t{}\n", [2, 0, 1, 0][nth]);
        }
        queries += &format!(
            "{}\n",
            json!({ "_id": format!("q{at}"), "text": format!("which key sets the {topic}, and what does it need?") })
        );
    }
    qrels += "q0\td9-1\t1\nq3\td7-2\t2\n";
    for (name, text) in [("corpus.jsonl", corpus), ("queries.jsonl", queries), ("qrels/test.tsv", qrels)] {
        fs::write(folder.join(name), text).unwrap();
    }
    folder
}

#[tokio::test]
async fn figures_of_a_beir_folder_are_those_of_trec_eval_on_the_same_rankings() {
    let sandbox = Sandbox::new();
    let folder = beir(&sandbox);
    let ended = eval(&sandbox, &["retrieval", "beir", "--out", "index", "--run-out", "run.trec", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = ended.json();
    assert_eq!((&report["documents"], &report["queries"], &report["errored"]), (&json!(40), &json!(10), &json!({})));
    let mut reference = python("trec.py");
    reference.arg(folder.join("qrels/test.tsv")).arg(sandbox.path("run.trec"));
    let theirs = run(reference).await;
    assert_eq!(theirs.code, Some(0), "{theirs:?}");
    let theirs = theirs.json();
    for name in ["ndcg@10", "recall@5", "recall@10", "mrr"] {
        let (ours, theirs) = (report["metrics"][name]["value"].as_f64().unwrap(), theirs[name].as_f64().unwrap());
        assert!((ours - theirs).abs() < 1e-6, "{name}: {ours} here, {theirs} there");
        assert!(ours > 0.2 && ours <= 1.0, "{name}: {ours}");
    }
}

#[tokio::test]
async fn squads_paragraphs_are_indexed_and_found() {
    let sandbox = Sandbox::new();
    let paragraph = |context: &str, id: &str, question: &str| json!({ "context": context, "qas": [{ "id": id, "question": question, "answers": [] }] });
    let squad = json!({ "version": "2.0", "data": [{ "title": "Kestrel", "paragraphs": [
        paragraph("Kestrel listens for mail on port 2525.", "a", "Which port does Kestrel listen on?"),
        paragraph("Backups are written every night at two.", "b", "When are backups written?"),
    ] }] });
    fs::write(sandbox.path("dev.json"), squad.to_string()).unwrap();
    let ended = eval(&sandbox, &["retrieval", "dev.json", "--out", "index", "--json"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(ended.json()["metrics"]["mrr"]["value"], 1.0);
}

#[tokio::test]
async fn a_judge_is_asked_once_reports_its_agreement_and_may_gate_only_if_it_sees_planted_faults() {
    let stub = ChatStub::start([says(&["Yes", "."])]).await;
    let sandbox = with_suite().with("CAIRN__GROUND__JUDGE__BASE_URL", &stub.base_url);
    let gate = "[[gate]]\nmeasure = \"ungrounded_by_judge\"\nfloor = 0.5\n";
    fs::write(sandbox.path("judged.toml"), gate).unwrap();
    let run = ["--judge", "--gates", "judged.toml"];
    let (ended, report) = asked(&sandbox, "out", &run).await;
    assert_eq!(ended.code, Some(3), "one who says yes to everything sees nothing: {ended:?}");
    assert!(ended.stdout.contains("the judge stub-model failed its validation"), "{ended:?}");
    let judge = &report["judge"];
    assert_eq!((&judge["model"], &judge["passed"]), (&json!("stub-model"), &json!(false)));
    let claims: usize =
        report["cases"].as_array().unwrap().iter().map(|case| case["claims"].as_array().unwrap().len()).sum();
    assert_eq!(judge["agreement"]["both_supported"], claims, "quotations are supported by both");
    assert_eq!(value(&report, "ungrounded_by_judge"), 0.0);
    let calls = judge["calls"].as_u64().unwrap();
    assert_eq!(stub.seen().asked.len() as u64, calls);
    let (_, again) = asked(&sandbox, "out", &run).await;
    assert_eq!((&again["judge"], stub.seen().asked.len() as u64), (judge, calls), "nothing is asked twice");
    let (capped, _) = asked(&sandbox, "new", &["--judge", "--judge-calls-max", "1"]).await;
    assert!(capped.stdout.contains("; 1 calls, 0 unreadable"), "{capped:?}");
}

#[tokio::test]
async fn what_a_judge_says_that_is_neither_yes_nor_no_is_counted_and_skipped() {
    let stub = ChatStub::start([says(&["It depends."])]).await;
    let sandbox = with_suite().with("CAIRN__GROUND__JUDGE__BASE_URL", &stub.base_url);
    let (ended, report) = asked(&sandbox, "out", &["--judge"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let judge = &report["judge"];
    assert_eq!((&judge["unread"], &judge["failed"]), (&judge["calls"], &json!(0)));
    assert_eq!(judge["agreement"]["share"], Value::Null);
    assert!(report["cases"][0]["values"]["ungrounded_by_judge"]["skipped"] == "unparsed", "{}", report["cases"][0]);
    let (none, _) = asked(&with_suite(), "out", &["--judge"]).await;
    assert_eq!(none.code, Some(2), "{none:?}");
    assert!(none.stderr.contains("set ground.judge.base_url"), "{none:?}");
}
