//! How answers came about: by which names that is found, by whom, what is in it, and when it goes.

use cairn::key::Permission;
use serde_json::{Value, json};

use super::{ANSWERS, ASK, delete, holder, id_of, send};
use crate::harness::chat::{ChatStub, MODEL, Step, says, says_then};
use crate::harness::served::Served;
use crate::harness::{QUESTION, Sandbox, UNANSWERABLE, until};
use crate::keys::{grant, key};

async fn ask(served: &Served) -> String {
    id_of(&served.post(ASK, &json!({ "question": QUESTION })).await.json())
}

async fn trace(served: &Served, id: &str) -> Value {
    let found = served.get(&format!("{ANSWERS}/{id}")).await;
    assert_eq!(found.status, 200, "{found:?}");
    found.json()
}

#[tokio::test]
async fn every_answer_has_an_id_by_which_all_that_led_to_it_is_found() {
    let stub = ChatStub::start([says(&["It listens on port 2525 for mail [1]. ", "It was made in Lisbon [9]."])]).await;
    let served = Served::start(&Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url)).await;
    let answer = served.post(ASK, &json!({ "question": QUESTION })).await.json();
    let kept = trace(&served, &id_of(&answer)).await;
    assert_eq!((&kept["question"], &kept["text"]), (&json!(QUESTION), &answer["answer"]));
    assert_eq!(
        (&kept["outcome"], &kept["writer"], &kept["model"]),
        (&json!("partial"), &json!("model"), &json!(MODEL))
    );
    assert_eq!(
        (&kept["collection"], &kept["key_id"], &kept["condensed"]),
        (&json!("default"), &Value::Null, &Value::Null)
    );
    assert_eq!(kept["index_generation"], served.app.store.generation());
    assert_eq!(kept["prompt_hash"].as_str().unwrap().len(), 64);
    let trace_of = &kept["trace"];
    let (candidates, passages) = (trace_of["candidates"].as_array().unwrap(), trace_of["passages"].as_array().unwrap());
    assert_eq!(passages.len(), answer["sources"].as_array().unwrap().len());
    assert!(candidates.len() > passages.len(), "{candidates:?}");
    assert!(candidates.windows(2).all(|two| two[0]["score"].as_f64() >= two[1]["score"].as_f64()));
    assert_eq!(trace_of["citations"].as_array().unwrap().len(), 1);
    assert_eq!(trace_of["citations_dropped"], 1);
    let verdicts: Vec<&str> =
        trace_of["claims"].as_array().unwrap().iter().map(|claim| claim["verdict"].as_str().unwrap()).collect();
    let told: Vec<&str> =
        answer["claims"].as_array().unwrap().iter().map(|claim| claim["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, told);
    assert!(trace_of["total_ms"].as_u64() >= trace_of["first_text_ms"].as_u64());
    let listed = served.get(ANSWERS).await.json();
    assert_eq!((&listed["data"][0]["id"], &listed["data"][0]["question"]), (&answer["answer_id"], &json!(QUESTION)));
}

#[tokio::test]
async fn an_answer_is_kept_when_its_end_is_sent_whichever_way_it_was_asked_for() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let mut frames = served.stream(ASK, &json!({ "question": QUESTION, "stream": true })).await;
    let first = id_of(&frames.event().await.unwrap().json());
    let done = loop {
        let event = frames.event().await.unwrap();
        if event.name() == "done" {
            break event.json();
        }
    };
    assert_eq!(id_of(&done), first);
    assert_eq!(trace(&served, &first).await["outcome"], "answered");
    let body = json!({ "model": "default", "messages": [{ "role": "user", "content": UNANSWERABLE }] });
    let completion = served.post("/v1/chat/completions", &body).await.json();
    let kept = trace(&served, completion["id"].as_str().unwrap()).await;
    assert_eq!((&kept["id"], &kept["outcome"]), (&completion["cairn"]["answer_id"], &json!("refused")));
    assert_eq!((&kept["writer"], &kept["prompt_hash"]), (&json!("cairn"), &Value::Null));
}

#[tokio::test]
async fn an_answer_that_failed_or_whose_reader_left_is_kept_as_far_as_it_came() {
    let begun = &["It listens on port 2525 [1]. ", "And the "];
    let broken = Step::Raw("data: {\"error\":{}}\n\n".into());
    let stub = ChatStub::start([says_then(begun, &[broken]), says_then(begun, &[Step::Silence])]).await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
        .with("CAIRN__ANSWER__FALLBACK", "error");
    let served = Served::start(&sandbox).await;
    assert_eq!(served.post(ASK, &json!({ "question": QUESTION })).await.status, 503);
    let id = id_of_latest(&served).await;
    let failed = trace(&served, &id).await;
    assert_eq!((&failed["outcome"], &failed["writer"]), (&json!("failed"), &Value::Null));
    assert!(failed["reason"].as_str().unwrap().contains("chat endpoint"), "{failed}");
    assert_eq!(failed["text"], "It listens on port 2525 [1].");

    let mut frames = served.stream(ASK, &json!({ "question": QUESTION, "stream": true })).await;
    let id = id_of(&frames.event().await.unwrap().json());
    assert_eq!(frames.event().await.unwrap().name(), "delta");
    drop(frames);
    let path = format!("{ANSWERS}/{id}");
    until("the answer to be kept", async || served.get(&path).await.status == 200).await;
    let left = trace(&served, &id).await;
    assert_eq!((&left["outcome"], &left["text"]), (&json!("cut_off"), &json!("It listens on port 2525 [1].")));
}

async fn id_of_latest(served: &Served) -> String {
    served.get(ANSWERS).await.json()["data"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn nothing_is_kept_where_nothing_is_to_be() {
    let sandbox = Sandbox::with_documents().with("CAIRN__ANSWERS__KEEP", "0s");
    let served = Served::start(&sandbox).await;
    let id = ask(&served).await;
    let found = served.get(&format!("{ANSWERS}/{id}")).await;
    assert_eq!((found.status, found.code().as_str()), (404, "answer_not_found"));
    served.app.ledger.close().await;
    for name in ["ledger.sqlite", "ledger.sqlite-wal"] {
        let bytes = std::fs::read(sandbox.path("data").join(name)).unwrap_or_default();
        assert!(!bytes.windows(QUESTION.len()).any(|window| window == QUESTION.as_bytes()), "{name}");
    }
}

#[tokio::test]
async fn a_trace_says_where_texts_of_documents_stand_and_does_not_hold_them() {
    let stub = ChatStub::start([says(&["It listens on port 2525 [1]."])]).await;
    let served = Served::start(&Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url)).await;
    let answer = served.post(ASK, &json!({ "question": QUESTION })).await.json();
    let kept = trace(&served, &id_of(&answer)).await;
    let passage = &answer["sources"][0];
    assert_eq!(kept["trace"]["passages"][0]["start"], passage["span"]["start"]);
    let words: Vec<&str> = passage["text"].as_str().unwrap().split("\n\n").collect();
    for text in words.iter().filter(|text| text.len() > 20) {
        assert!(!kept["trace"].to_string().contains(*text), "{text}");
    }
}

#[tokio::test]
async fn an_answer_goes_with_a_document_that_it_could_rely_on_and_what_was_said_of_it_stays() {
    let sandbox = Sandbox::with_documents();
    let served = Served::start(&sandbox).await;
    let id = ask(&served).await;
    let said = json!({ "rating": "down", "right_answer": "Port 2525, unless relay.port says otherwise." });
    assert_eq!(served.post(&format!("{ANSWERS}/{id}/feedback"), &said).await.status, 200);
    let document = sandbox.docs().join("network.md");
    let path = format!("/v1/collections/default/documents/{}", document.to_str().unwrap().replace('/', "%2F"));
    assert_eq!(delete(&served, &path).await.status, 204);
    assert_eq!(served.get(&format!("{ANSWERS}/{id}")).await.status, 404);
    let feedback = served.get("/v1/feedback").await.json();
    assert_eq!((&feedback["data"][0]["answer_id"], &feedback["data"][0]["question"]), (&json!(id), &json!(QUESTION)));
    assert_eq!(feedback["data"][0]["right_answer"], said["right_answer"]);
}

#[tokio::test]
async fn answers_of_other_keys_are_not_there_but_for_an_admin_of_their_collection() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let (mine, theirs) = (holder(&served, &[Permission::Ask]).await, holder(&served, &[Permission::Ask]).await);
    let admin = holder(&served, &[Permission::Admin]).await;
    let elsewhere = key(&served.app, &grant(&[Permission::Admin, Permission::Ask], &["other"], &[])).await;
    let id = id_of(&send(&served, "POST", ASK, &mine, &json!({ "question": QUESTION })).await.json());
    let path = format!("{ANSWERS}/{id}");
    let none = json!({});
    for (key, status) in [(&mine, 200), (&theirs, 404), (&admin, 200), (&elsewhere, 404)] {
        assert_eq!(send(&served, "GET", &path, key, &none).await.status, status);
        let rated = send(&served, "POST", &format!("{path}/feedback"), key, &json!({ "rating": "up" })).await;
        assert_eq!(rated.status, status, "{rated:?}");
        let listed = send(&served, "GET", ANSWERS, key, &none).await.json();
        assert_eq!(listed["data"].as_array().unwrap().len(), usize::from(status == 200));
    }
    let feedback = send(&served, "GET", "/v1/feedback", &admin, &none).await.json();
    assert_eq!(feedback["data"].as_array().unwrap().len(), 2, "one of each key that may see it");
    let whole = send(&served, "GET", "/v1/feedback?limit=1", &admin, &none).await.json();
    assert_eq!(whole["data"], feedback["data"], "what is said of one answer is on one page");
    let others = send(&served, "GET", "/v1/feedback", &elsewhere, &none).await.json();
    assert_eq!(others["data"], json!([]));
    assert_eq!(send(&served, "DELETE", &path, &theirs, &none).await.status, 404);
    assert_eq!(send(&served, "DELETE", &path, &mine, &none).await.status, 204);
    assert_eq!(send(&served, "GET", &path, &admin, &none).await.status, 404);
}

#[tokio::test]
async fn the_last_word_of_a_key_counts_and_what_is_no_rating_is_refused() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let id = ask(&served).await;
    let path = format!("{ANSWERS}/{id}/feedback");
    served.post(&path, &json!({ "rating": "down", "comment": "No." })).await;
    let said = served.post(&path, &json!({ "rating": "up", "comment": "Yes." })).await.json();
    assert_eq!(
        (&said["rating"], &said["comment"], &said["right_answer"]),
        (&json!("up"), &json!("Yes."), &Value::Null)
    );
    let kept = trace(&served, &id).await;
    assert_eq!(kept["feedback"], json!([said]));
    let of = async |rating: &str| served.get(&format!("/v1/feedback?rating={rating}")).await.json()["data"].clone();
    assert_eq!((of("up").await, of("down").await), (json!([said]), json!([])));
    for wrong in [json!({}), json!({ "rating": "left" }), json!({ "rating": "up", "comment": "x".repeat(9000) })] {
        assert_eq!(served.post(&path, &wrong).await.status, 400, "{wrong}");
    }
    let nobody = format!("{ANSWERS}/ans_019df1a2c7d07c3e8a5b0d9f4e6b7a81/feedback");
    assert_eq!(served.post(&nobody, &json!({ "rating": "up" })).await.code(), "answer_not_found");
}

#[tokio::test]
async fn the_oldest_answers_make_room() {
    let served = Served::start(&Sandbox::with_documents().with("CAIRN__ANSWERS__COUNT_MAX", "2")).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(ask(&served).await);
    }
    let listed = served.get(ANSWERS).await.json();
    let kept: Vec<&str> = listed["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(kept, [ids[3].as_str(), &ids[2]]);
}

#[tokio::test]
async fn neither_a_question_nor_an_answer_is_a_metric_or_a_label() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let id = ask(&served).await;
    trace(&served, &id).await;
    let metrics = served.get("/metrics").await.body;
    // Words, not the answer's number: digits of a duration can be the same by chance.
    for private in [&id, "Kestrel", "listens"] {
        assert!(!metrics.contains(private), "{private} in {metrics}");
    }
}
