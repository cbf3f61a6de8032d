//! `POST /v1/ask` and `POST /v1/search`.

use std::fs;

use cairn::answer::REFUSAL;
use serde_json::{Value, json};

use super::{ASK, SEARCH, asking, asking_for_events};
use crate::harness::chat::{ChatStub, MODEL, Step, says, says_then};
use crate::harness::served::{Frame, Served, read};
use crate::harness::{ANSWER, QUESTION, Sandbox, UNANSWERABLE, Vanished, ingest, unnamed};

#[tokio::test]
async fn a_whole_answer_is_one_json_document_with_its_sources_and_citations() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let response = served.post(ASK, &asking()).await;
    assert_eq!((response.status, response.header("content-type")), (200, Some("application/json")));
    let answer = response.json();
    let mut keys: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    let expected = [
        "answer",
        "answer_id",
        "citations",
        "citations_added",
        "citations_dropped",
        "claim_counts",
        "claims",
        "condensed",
        "conversation_id",
        "fallback",
        "finish_reason",
        "missing",
        "model",
        "nearest",
        "outcome",
        "reason",
        "sources",
        "usage",
        "writer",
    ];
    assert_eq!(keys, expected);
    assert_eq!((&answer["outcome"], &answer["writer"]), (&json!("answered"), &json!("extractive")));
    assert_eq!((&answer["model"], &answer["usage"], &answer["nearest"]), (&Value::Null, &Value::Null, &json!([])));
    assert!(answer["answer"].as_str().unwrap().contains(ANSWER));
    check_citations(&answer["answer"], answer["citations"].as_array().unwrap(), &answer["sources"]);
}

#[tokio::test]
async fn events_come_as_sources_then_text_with_citations_then_exactly_one_done() {
    let stub = ChatStub::start([says(&["Port 2525", " [1]", " for mail. More [1].", " End"])]).await;
    let served = Served::start(&Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url)).await;
    let frames = served.stream(ASK, &asking_for_events()).await;
    assert_eq!(frames.headers["x-accel-buffering"], "no");
    assert_eq!(frames.headers["cache-control"], "no-cache");
    let events = frames.rest().await;
    let names: Vec<&str> = events.iter().map(Frame::name).collect();
    assert_eq!((names[0], names[names.len() - 1]), ("sources", "done"));
    assert!(names[1..names.len() - 1].iter().all(|name| matches!(*name, "delta" | "citation" | "claim")), "{names:?}");
    assert_eq!(names.iter().filter(|name| **name == "citation").count(), 2);
    let (mut text, mut citations) = (String::new(), Vec::new());
    for event in &events {
        match event.name() {
            "delta" => text.push_str(event.json()["text"].as_str().unwrap()),
            "citation" => {
                let end = event.json()["mark"]["end"].as_u64().unwrap();
                let end = usize::try_from(end).unwrap();
                assert_eq!(text.get(end - 3..end), Some("[1]"), "it comes after its mark: {text:?}");
                citations.push(event.json());
            }
            _ => {}
        }
    }
    assert_eq!(text, "Port 2525 [1] for mail. More [1]. End");
    check_citations(&json!(text), &citations, &events[0].json()["sources"]);
    let done = events[events.len() - 1].json();
    assert_eq!((&done["writer"], &done["model"]), (&json!("model"), &json!(MODEL)));
    assert_eq!(done["usage"], json!({ "prompt_tokens": 120, "completion_tokens": 7, "total_tokens": 127 }));
}

#[tokio::test]
async fn text_reaches_the_client_while_the_model_still_writes() {
    let stub = ChatStub::start([says_then(
        &["First words. ", "And the "],
        &[Step::Gate, Step::Text("last words.".into()), Step::Finish("stop"), Step::Done],
    )])
    .await;
    let served = Served::start(&Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url)).await;
    let mut frames = served.stream(ASK, &asking_for_events()).await;
    assert_eq!(frames.event().await.unwrap().name(), "sources");
    // A sentence is checked, and shown, once the next has begun.
    assert_eq!(frames.event().await.unwrap().json()["text"], "First words.");
    stub.open_gate();
    let rest = frames.rest().await;
    let text: String = rest
        .iter()
        .filter(|frame| frame.name() == "delta")
        .map(|frame| frame.json()["text"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(text, " And the last words.");
    assert_eq!(rest[rest.len() - 1].name(), "done");
}

#[tokio::test]
async fn the_accept_header_asks_for_events_as_the_field_does() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let request = served.http.post(format!("{}{ASK}", served.url)).header("accept", "text/event-stream");
    let response = read(request.json(&asking()).send().await.unwrap()).await;
    assert_eq!(response.header("content-type"), Some("text/event-stream"));
    assert!(response.body.starts_with("event: sources\n"), "{}", response.body);
}

#[tokio::test]
async fn the_same_question_has_the_same_answer_whole_and_in_events() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let whole = served.post(ASK, &asking()).await.json();
    let events = served.stream(ASK, &asking_for_events()).await.rest().await;
    let of = |name: &str| events.iter().filter(|event| event.name() == name).map(Frame::json).collect::<Vec<_>>();
    let text: String = of("delta").iter().map(|delta| delta["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(json!(text), whole["answer"]);
    assert_eq!(json!(of("citation")), whole["citations"]);
    assert_eq!(of("sources")[0]["sources"], whole["sources"]);
    for (key, value) in unnamed(of("done")[0].clone()).as_object().unwrap() {
        assert_eq!(value, &whole[key], "{key}");
    }
    // And so it is the next time.
    assert_eq!(unnamed(served.post(ASK, &asking()).await.json()), unnamed(whole));
}

#[tokio::test]
async fn a_refusal_is_an_answer_that_names_the_nearest_documents() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let response = served.post(ASK, &json!({ "question": UNANSWERABLE })).await;
    assert_eq!(response.status, 200);
    let answer = response.json();
    assert_eq!(answer["answer"], REFUSAL);
    assert_eq!((&answer["outcome"], &answer["writer"]), (&json!("refused"), &json!("cairn")));
    assert_eq!((&answer["citations"], &answer["sources"]), (&json!([]), &json!([])));
    let nearest = answer["nearest"].as_array().unwrap();
    assert!((1..=3).contains(&nearest.len()));
    for document in nearest {
        assert!(document["uri"].as_str().unwrap().starts_with("file:///"));
        assert!(document["similarity"].as_f64().unwrap() < 0.5);
        assert!(
            document["title"].is_string() && document["headings"].is_array() && document["document_id"].is_string()
        );
    }
}

#[tokio::test]
async fn the_conversation_before_a_question_helps_to_find_what_it_means() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let follow_up = "And for its metrics?";
    let history = json!([{ "role": "user", "content": QUESTION }, { "role": "assistant", "content": "2525 [1]" }]);
    let answer = served.post(ASK, &json!({ "question": follow_up, "history": history })).await.json();
    assert_eq!(answer["outcome"], "answered");
    assert!(answer["sources"][0]["uri"].as_str().unwrap().ends_with("network.md"));
}

#[tokio::test]
async fn a_request_looks_in_the_collection_that_it_names_and_in_no_other() {
    let sandbox = Sandbox::with_documents();
    let app = sandbox.ingested().await;
    fs::create_dir(sandbox.path("elsewhere")).unwrap();
    fs::write(sandbox.path("elsewhere/a.md"), "# Ports\n\nOsprey listens on port 7777 for mail.\n").unwrap();
    ingest(&app, &"osprey".parse().unwrap(), &[sandbox.path("elsewhere")], Vanished::Stay).await;
    let served = Served::of(app).await;
    let found = async |collection: &str| -> Vec<String> {
        let body = json!({ "query": "port for mail", "collection": collection, "limit": 100 });
        let response = served.post(SEARCH, &body).await.json();
        let results = response["results"].as_array().unwrap();
        results.iter().map(|result| result["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(found("osprey").await, ["# Ports\n\nOsprey listens on port 7777 for mail."]);
    assert!(found("default").await.iter().all(|text| !text.contains("7777")));
    let answer = served.post(ASK, &json!({ "question": QUESTION, "collection": "osprey" })).await.json();
    assert!(!answer.to_string().contains("on port 2525"), "{answer}");
}

#[tokio::test]
async fn questions_asked_at_the_same_time_each_get_their_own_answer() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let questions = [QUESTION, "How do I restore a backup?", "How large may a message be?", UNANSWERABLE];
    let bodies: Vec<Value> = questions.iter().map(|question| json!({ "question": question })).collect();
    let mut alone = Vec::new();
    for body in &bodies {
        alone.push(unnamed(served.post(ASK, body).await.json()));
    }
    let together = bodies.iter().cycle().take(24).map(|body| served.post(ASK, body));
    for (number, response) in futures::future::join_all(together).await.into_iter().enumerate() {
        assert_eq!(unnamed(response.json()), alone[number % alone.len()]);
    }
}

#[tokio::test]
async fn the_address_of_a_document_leads_back_to_its_file_whatever_its_name() {
    let sandbox = Sandbox::new();
    let path = sandbox.write("größe & co/a #1? 50%.md", "The heron nests in the tall reeds.");
    let served = Served::start(&sandbox).await;
    let found = served.post(SEARCH, &json!({ "query": "Where does the heron nest?" })).await.json();
    let uri = reqwest::Url::parse(found["results"][0]["uri"].as_str().unwrap()).unwrap();
    assert_eq!(uri.to_file_path().unwrap(), path);
}

#[tokio::test]
async fn a_search_gives_numbered_passages_with_their_scores_best_first() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let results = served.post(SEARCH, &json!({ "query": "restore a backup", "limit": 3 })).await.json();
    let results = results["results"].as_array().unwrap().clone();
    assert_eq!(results.len(), 3);
    for (at, result) in results.iter().enumerate() {
        assert_eq!(result["number"], at + 1);
        assert!((-1.0..=1.0).contains(&result["similarity"].as_f64().unwrap()));
        assert_eq!(result["version"], 1);
    }
    let scores: Vec<f64> = results.iter().map(|result| result["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    assert!(results[0]["uri"].as_str().unwrap().ends_with("/docs/backup.md"), "{}", results[0]);
    let ten = served.post(SEARCH, &json!({ "query": "Kestrel" })).await.json();
    assert_eq!(ten["results"].as_array().unwrap().len(), 10, "unless told otherwise");
}

/// On the wire as in process: a mark stands where it says, and its citation is of the source that it names.
fn check_citations(answer: &Value, citations: &[Value], sources: &Value) {
    let answer = answer.as_str().unwrap();
    let offset = |span: &Value, end: &str| usize::try_from(span[end].as_u64().unwrap()).unwrap();
    assert!(!citations.is_empty());
    for citation in citations {
        let mark = &answer[offset(&citation["mark"], "start")..offset(&citation["mark"], "end")];
        assert_eq!(mark, format!("[{}]", citation["number"]));
        let source = sources.as_array().unwrap().iter().find(|source| source["number"] == citation["number"]).unwrap();
        for field in ["document_id", "uri", "title", "headings"] {
            assert_eq!(citation[field], source[field], "{field}");
        }
        let quote = citation["quote"].as_str().unwrap();
        let (quoted, passage) = (&citation["span"], &source["span"]);
        assert_eq!(offset(quoted, "end") - offset(quoted, "start"), quote.len());
        let within = offset(quoted, "start") - offset(passage, "start");
        assert_eq!(&source["text"].as_str().unwrap()[within..within + quote.len()], quote);
    }
}
