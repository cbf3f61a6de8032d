//! Conversations that are kept: what they remember, whose they are, how much of them there is, and when they go.

use cairn::key::Permission;
use cairn::ledger::Mine;
use cairn::record::Recorder;
use serde_json::{Value, json};

use super::{ASK, CONVERSATIONS, FOLLOW_UP, METRICS, UNDERSTOOD, delete, history, holder, send};
use crate::harness::chat::{ChatStub, Step, says_then};
use crate::harness::served::Served;
use crate::harness::{ANSWER, QUESTION, Sandbox, until};
use crate::keys::{grant, key};

async fn begun(served: &Served) -> String {
    let made = served.post(CONVERSATIONS, &json!({})).await;
    assert_eq!(made.status, 201, "{made:?}");
    made.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_conversation_remembers_what_was_said_in_it() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let made = served.post(CONVERSATIONS, &json!({ "metadata": { "topic": "ports" } })).await.json();
    assert_eq!((&made["object"], &made["collection"]), (&json!("conversation"), &json!("default")));
    assert_eq!((&made["metadata"]["topic"], &made["messages"]), (&json!("ports"), &json!(0)));
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("conv_"));
    let first = served.post(ASK, &json!({ "question": QUESTION, "conversation_id": id })).await.json();
    assert_eq!((&first["conversation_id"], &first["condensed"]), (&json!(id), &Value::Null));
    let second = served.post(ASK, &json!({ "question": FOLLOW_UP, "conversation_id": id })).await.json();
    assert_eq!(second["condensed"], UNDERSTOOD, "its own history is used");
    assert!(second["answer"].as_str().unwrap().contains(METRICS));
    let kept = served.get(&format!("{CONVERSATIONS}/{id}")).await.json();
    let items = kept["items"].as_array().unwrap();
    assert_eq!((items.len(), &kept["messages"]), (4, &json!(4)));
    for (at, (answer, question)) in [(&first, QUESTION), (&second, FOLLOW_UP)].into_iter().enumerate() {
        let (asked, said) = (&items[2 * at], &items[2 * at + 1]);
        assert_eq!((&asked["role"], &asked["content"]), (&json!("user"), &json!(question)));
        assert_eq!((&said["role"], &said["content"]), (&json!("assistant"), &answer["answer"]));
        assert_eq!((&asked["answer_id"], &said["answer_id"]), (&answer["answer_id"], &answer["answer_id"]));
    }
    let listed = served.get(CONVERSATIONS).await.json();
    assert_eq!((&listed["data"][0]["id"], &listed["has_more"]), (&json!(id), &json!(false)));
    let gone = delete(&served, &format!("{CONVERSATIONS}/{id}")).await;
    assert_eq!(gone.json(), json!({ "id": id, "object": "conversation.deleted", "deleted": true }));
    assert_eq!(served.get(&format!("{CONVERSATIONS}/{id}")).await.code(), "conversation_not_found");
    let trace = served.get(&format!("/v1/answers/{}", first["answer_id"].as_str().unwrap())).await;
    assert_eq!(trace.code(), "answer_not_found", "how its answers came about is gone as well");
    let late = served.post(ASK, &json!({ "question": QUESTION, "conversation_id": id })).await;
    assert_eq!((late.status, late.code().as_str()), (404, "conversation_not_found"));
}

#[tokio::test]
async fn lists_go_on_where_a_page_ends() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(begun(&served).await);
    }
    made.reverse();
    let page = served.get(&format!("{CONVERSATIONS}?limit=2")).await.json();
    let ids = |page: &Value| -> Vec<String> {
        page["data"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((ids(&page), &page["has_more"]), (made[..2].to_vec(), &json!(true)));
    let rest = served.get(&format!("{CONVERSATIONS}?limit=2&before={}", made[1])).await.json();
    assert_eq!((ids(&rest), &rest["has_more"]), (made[2..].to_vec(), &json!(false)));
    assert_eq!(served.get(&format!("{CONVERSATIONS}?limit=0")).await.status, 400);
    assert_eq!(served.get(&format!("{CONVERSATIONS}?before=nothing")).await.status, 404);
}

#[tokio::test]
async fn a_request_with_a_history_of_its_own_or_another_collection_is_told_why_it_is_wrong() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let id = begun(&served).await;
    let both = served.post(ASK, &json!({ "question": FOLLOW_UP, "conversation_id": id, "history": history() })).await;
    assert_eq!((both.status, both.json()["error"]["param"].as_str()), (400, Some("history")));
    assert!(both.body.contains("brings its own history"), "{both:?}");
    let other = served.post(ASK, &json!({ "question": QUESTION, "conversation_id": id, "collection": "other" })).await;
    assert_eq!((other.status, other.json()["error"]["param"].as_str()), (400, Some("collection")));
    for id in ["", "conv_", "conv_1", "ans_019df1a2c7d07c3e8a5b0d9f4e6b7a81"] {
        let wrong = served.post(ASK, &json!({ "question": QUESTION, "conversation_id": id })).await;
        assert_eq!((wrong.status, wrong.code().as_str()), (404, "conversation_not_found"), "{id}");
    }
    for metadata in [json!({ "a": "x".repeat(513) }), json!({ "x".repeat(65): "" }), json!({ "a": 1 })] {
        assert_eq!(served.post(CONVERSATIONS, &json!({ "metadata": metadata })).await.status, 400);
    }
}

#[tokio::test]
async fn a_conversation_is_not_there_for_any_key_but_its_own() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let (mine, theirs) = (holder(&served, &[Permission::Ask]).await, holder(&served, &Permission::ALL).await);
    let made = send(&served, "POST", CONVERSATIONS, &mine, &json!({})).await.json();
    let (id, path) = (made["id"].clone(), format!("{CONVERSATIONS}/{}", made["id"].as_str().unwrap()));
    let asking = json!({ "question": QUESTION, "conversation_id": id });
    for (method, path) in [("GET", path.as_str()), ("DELETE", &path), ("POST", ASK)] {
        let refused = send(&served, method, path, &theirs, &asking).await;
        assert_eq!((refused.status, refused.code().as_str()), (404, "conversation_not_found"), "{method} {path}");
    }
    assert_eq!(send(&served, "GET", CONVERSATIONS, &theirs, &json!({})).await.json()["data"], json!([]));
    assert_eq!(send(&served, "POST", ASK, &mine, &asking).await.status, 200);
    assert_eq!(send(&served, "GET", &path, &mine, &json!({})).await.json()["messages"], 2);
    let elsewhere = key(&served.app, &grant(&[Permission::Ask], &["other"], &[])).await;
    let refused = send(&served, "POST", CONVERSATIONS, &elsewhere, &json!({ "collection": "default" })).await;
    assert_eq!((refused.status, refused.code().as_str()), (404, "collection_not_found"));
}

#[tokio::test]
async fn a_full_conversation_takes_no_more_and_neither_does_a_full_list_of_them() {
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CONVERSATIONS__MESSAGES_MAX", "2")
        .with("CAIRN__CONVERSATIONS__COUNT_MAX", "1");
    let served = Served::start(&sandbox).await;
    let id = begun(&served).await;
    let asking = json!({ "question": QUESTION, "conversation_id": id });
    assert_eq!(served.post(ASK, &asking).await.status, 200);
    let full = served.post(ASK, &asking).await;
    assert_eq!((full.status, full.code().as_str()), (400, "conversation_full"));
    let many = served.post(CONVERSATIONS, &json!({})).await;
    assert_eq!((many.status, many.code().as_str()), (400, "too_many_conversations"));
    delete(&served, &format!("{CONVERSATIONS}/{id}")).await;
    begun(&served).await;
}

#[tokio::test]
async fn what_nobody_has_used_for_long_is_gone() {
    let sandbox = Sandbox::with_documents().with("CAIRN__CONVERSATIONS__EXPIRE_AFTER", "1s");
    let served = Served::start(&sandbox).await;
    let id = begun(&served).await;
    let path = format!("{CONVERSATIONS}/{id}");
    until("the conversation to expire", async || served.get(&path).await.status == 404).await;
    assert_eq!(served.get(CONVERSATIONS).await.json()["data"], json!([]));
    Recorder::new(served.app.ledger.clone(), &served.app.config).sweep_now().await.unwrap();
    let ever = Mine { owner: "", alive_since_ms: 0 };
    assert_eq!(served.app.ledger.conversation(&id, ever).await.unwrap(), None, "nothing of it is left");
}

#[tokio::test]
async fn an_answer_that_fails_leaves_its_conversation_as_it_was() {
    let stub = ChatStub::start([says_then(&["Port 25"], &[Step::Cut])]).await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
        .with("CAIRN__ANSWER__FALLBACK", "error");
    let served = Served::start(&sandbox).await;
    let id = begun(&served).await;
    assert_eq!(served.post(ASK, &json!({ "question": QUESTION, "conversation_id": id })).await.status, 503);
    assert_eq!(served.get(&format!("{CONVERSATIONS}/{id}")).await.json()["items"], json!([]));
}

#[tokio::test]
async fn questions_in_one_conversation_at_once_are_all_kept_each_with_its_answer() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let id = begun(&served).await;
    let asking = json!({ "question": QUESTION, "conversation_id": id });
    let answers = futures::future::join_all((0..8).map(|_| served.post(ASK, &asking))).await;
    assert!(answers.iter().all(|answer| answer.status == 200 && answer.body.contains(ANSWER)));
    let kept = served.get(&format!("{CONVERSATIONS}/{id}")).await.json();
    let items = kept["items"].as_array().unwrap();
    assert_eq!(items.len(), 16);
    for pair in items.chunks(2) {
        assert_eq!((&pair[0]["role"], &pair[1]["role"]), (&json!("user"), &json!("assistant")));
        assert_eq!(pair[0]["answer_id"], pair[1]["answer_id"]);
    }
}

#[tokio::test]
async fn the_configuration_says_whether_conversations_are_kept() {
    let always = Sandbox::with_documents().with("CAIRN__CONVERSATIONS__STORE", "always");
    let served = Served::start(&always).await;
    let answer = served.post(ASK, &json!({ "question": QUESTION })).await.json();
    let id = answer["conversation_id"].as_str().unwrap();
    let next = served.post(ASK, &json!({ "question": FOLLOW_UP, "conversation_id": id })).await.json();
    assert_eq!(next["condensed"], UNDERSTOOD);
    let own = served.post(ASK, &json!({ "question": FOLLOW_UP, "history": history() })).await.json();
    assert_eq!(own["conversation_id"], Value::Null, "who brings a history keeps it");
    let nowhere = served.post(ASK, &json!({ "question": QUESTION, "collection": "no-such" })).await;
    assert_eq!(nowhere.status, 404);
    assert_eq!(served.get(CONVERSATIONS).await.json()["data"].as_array().unwrap().len(), 1, "none was begun for it");

    let named = Served::start(&Sandbox::with_documents()).await;
    let answer = named.post(ASK, &json!({ "question": QUESTION })).await.json();
    assert_eq!(answer["conversation_id"], Value::Null);
    assert_eq!(named.get(CONVERSATIONS).await.json()["data"], json!([]));

    let off = Served::start(&Sandbox::with_documents().with("CAIRN__CONVERSATIONS__STORE", "off")).await;
    assert_eq!(off.post(CONVERSATIONS, &json!({})).await.code(), "conversations_off");
}
