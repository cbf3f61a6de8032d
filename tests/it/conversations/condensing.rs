//! Follow-up questions stand by themselves: by a model, by rule where it does not help, and seen by whoever asked.

use serde_json::{Value, json};

use super::{ASK, FOLLOW_UP, METRICS, UNDERSTOOD, history};
use crate::harness::chat::{ChatStub, Reply, Step, refuses, says, says_then};
use crate::harness::served::Served;
use crate::harness::{QUESTION, Sandbox};

fn follow_up() -> Value {
    json!({ "question": FOLLOW_UP, "history": history() })
}

async fn with_model(replies: Vec<Reply>) -> (ChatStub, Served) {
    let stub = ChatStub::start(replies).await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
        .with("CAIRN__CONVERSATIONS__CONDENSE_TIMEOUT", "300ms");
    (stub, Served::start(&sandbox).await)
}

#[tokio::test]
async fn without_a_model_a_rule_says_what_a_follow_up_means_and_every_surface_shows_it() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let answer = served.post(ASK, &follow_up()).await.json();
    assert_eq!(answer["condensed"], UNDERSTOOD);
    assert!(answer["answer"].as_str().unwrap().contains(METRICS), "{answer}");
    let mut streamed = follow_up();
    streamed["stream"] = json!(true);
    let events = served.stream(ASK, &streamed).await.rest().await;
    let (first, last) = (events[0].json(), events[events.len() - 1].json());
    assert_eq!((&first["condensed"], &last["condensed"]), (&json!(UNDERSTOOD), &json!(UNDERSTOOD)));
    assert_eq!((events[0].name(), &first["answer_id"]), ("sources", &last["answer_id"]));
    let mut messages = history();
    messages.as_array_mut().unwrap().push(json!({ "role": "user", "content": FOLLOW_UP }));
    let body = json!({ "model": "default", "messages": messages });
    let completion = served.post("/v1/chat/completions", &body).await.json();
    assert_eq!(completion["cairn"]["condensed"], UNDERSTOOD);
    assert!(completion["choices"][0]["message"]["content"].as_str().unwrap().contains(METRICS), "{completion}");
}

#[tokio::test]
async fn a_model_says_in_one_bounded_call_what_a_follow_up_means_and_both_forms_are_searched() {
    let rewritten = "On which port does Kestrel listen for metrics?";
    let (stub, served) = with_model(vec![says(&[rewritten]), says(&["Port 9180 [1]."])]).await;
    let answer = served.post(ASK, &follow_up()).await.json();
    assert_eq!(answer["condensed"], rewritten);
    let asked = stub.seen().asked;
    assert_eq!(asked.len(), 2, "one call to understand the question, one to answer it");
    assert_eq!((&asked[0].body["max_tokens"], &asked[0].body["temperature"]), (&json!(96), &json!(0.0)));
    let messages = asked[0].messages();
    assert_eq!(messages.iter().map(|(role, _)| *role).collect::<Vec<_>>(), ["system", "user"]);
    assert!(messages[1].1.contains(QUESTION) && messages[1].1.contains(FOLLOW_UP), "{messages:?}");
    let prompt = asked[1].messages();
    assert!(prompt[prompt.len() - 1].1.ends_with(&format!("Question: {FOLLOW_UP}")), "a model answers what was asked");
    let id = answer["answer_id"].as_str().unwrap();
    let trace = served.get(&format!("/v1/answers/{id}")).await.json();
    assert_eq!(trace["trace"]["condensed_by"], "model");
}

#[tokio::test]
async fn a_model_that_is_slow_fails_or_writes_nonsense_leaves_it_to_the_rule() {
    let cases = [
        says_then(&["On which"], &[Step::Silence]),
        says_then(&["On which port does"], &[Step::Cut]),
        says_then(&["On which port does Kestrel listen for"], &[Step::Finish("length"), Step::Done]),
        refuses(400),
        refuses(500),
        says(&[""]),
        says(&["Kestrel listens on port 9180 for its metrics."]),
        says(&["What is the boiling point of tungsten and its metrics?"]),
        says(&["Which port does Kestrel listen on for mail?"]),
        says(&[&format!("Which port {} for its metrics?", "does Kestrel listen on ".repeat(40))]),
    ];
    for reply in cases {
        let what = format!("{reply:?}").chars().take(120).collect::<String>();
        let (_stub, served) = with_model(vec![reply, says(&["Port 9180 [1]."])]).await;
        let mut streamed = follow_up();
        streamed["stream"] = json!(true);
        let first = served.stream(ASK, &streamed).await.event().await.unwrap().json();
        assert_eq!(first["condensed"], UNDERSTOOD, "{what}");
    }
}

#[tokio::test]
async fn a_question_that_stands_by_itself_costs_no_call_and_is_searched_as_it_is() {
    let (stub, served) = with_model(vec![says(&["40 connections [1]."])]).await;
    let question = "How many connections does Kestrel hold at once?";
    let after = served.post(ASK, &json!({ "question": question, "history": history() })).await.json();
    assert_eq!((&after["condensed"], stub.seen().asked.len()), (&Value::Null, 1));
    let alone = served.post(ASK, &json!({ "question": question })).await.json();
    assert_eq!(after["sources"], alone["sources"], "what was said before changes nothing");
}

#[tokio::test]
async fn by_rule_only_means_that_no_model_is_asked() {
    let stub = ChatStub::start([says(&["Port 9180 [1]."])]).await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
        .with("CAIRN__CONVERSATIONS__CONDENSE", "rule");
    let served = Served::start(&sandbox).await;
    assert_eq!(served.post(ASK, &follow_up()).await.json()["condensed"], UNDERSTOOD);
    assert_eq!(stub.seen().asked.len(), 1);
}

#[tokio::test]
async fn a_model_is_sent_the_newest_whole_messages_that_fit_and_the_last_question() {
    let stub = ChatStub::start([says(&["Port 9180 [1]."])]).await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
        .with("CAIRN__CONVERSATIONS__CONDENSE", "rule")
        .with("CAIRN__CONVERSATIONS__HISTORY_TOKENS_MAX", "30");
    let served = Served::start(&sandbox).await;
    let turn = |role: &str, content: &str| json!({ "role": role, "content": content });
    let (old, long) = ("How do I install Kestrel? ".repeat(20), "It is a long story. ".repeat(20));
    for (turns, expected) in [
        (
            json!([turn("user", &old), turn("user", QUESTION), turn("assistant", "On 2525.")]),
            vec![QUESTION, "On 2525."],
        ),
        (json!([turn("user", QUESTION), turn("assistant", &long)]), vec![QUESTION]),
        (json!([turn("user", &old), turn("assistant", &long)]), vec![]),
    ] {
        served.post(ASK, &json!({ "question": "Which port is for metrics?", "history": turns })).await;
        let asked = stub.seen().asked;
        let messages = asked[asked.len() - 1].messages();
        let between: Vec<&str> = messages[1..messages.len() - 1].iter().map(|(_, content)| *content).collect();
        assert_eq!(between, expected);
    }
}
