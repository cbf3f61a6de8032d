//! An answer's question asked again: what is told of what changed, with whose eyes, and how it looks on a terminal.

use std::fs;

use cairn::key::Permission;
use serde_json::{Value, json};

use super::{ASK, id_of, send};
use crate::harness::chat::{ChatStub, says};
use crate::harness::process::run;
use crate::harness::served::{Served, TOKEN};
use crate::harness::{QUESTION, Sandbox};
use crate::keys::{grant, key};

async fn replayed(served: &Served, id: &str) -> Value {
    let response = send(served, "POST", &format!("/v1/answers/{id}/replay"), TOKEN, &json!({})).await;
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

#[tokio::test]
async fn over_an_unchanged_index_nothing_is_otherwise() {
    let stub = ChatStub::start([says(&["It listens on port 2525 for mail [1]."])]).await;
    let served = Served::start(&Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url)).await;
    let id = id_of(&served.post(ASK, &json!({ "question": QUESTION })).await.json());
    let found = replayed(&served, &id).await;
    for list in ["candidates", "passages"] {
        let change = &found[list];
        assert_eq!(
            (&change["came"], &change["left"], &change["moved"]),
            (&json!([]), &json!([]), &json!([])),
            "{list}"
        );
        assert!(change["same"].as_u64().unwrap() > 0);
    }
    assert_eq!(
        (&found["prompt"], &found["same_index"], &found["same_embedder"]),
        (&json!("same"), &json!(true), &json!(true))
    );
    assert_eq!(
        (&found["text"]["same"], &found["claims"], &found["claims_same"]),
        (&json!(true), &json!([]), &json!(1))
    );
    assert_eq!(found["outcome"], json!({ "before": "answered", "after": "answered" }));
    let kept = served.get("/v1/answers").await.json();
    assert_eq!(kept["data"].as_array().unwrap().len(), 1, "a replay is not kept");
}

#[tokio::test]
async fn what_a_changed_document_changed_is_told_in_lists_verdicts_and_words() {
    let said = says(&["It listens on port 2525 for mail [1]."]);
    let stub = ChatStub::start([said]).await;
    let sandbox = Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    let served = Served::start(&sandbox).await;
    let id = id_of(&served.post(ASK, &json!({ "question": QUESTION })).await.json());
    let network = sandbox.docs().join("network.md");
    let text = fs::read_to_string(&network).unwrap().replace("2525", "2626");
    fs::write(&network, text).unwrap();
    sandbox.ingest(&served.app).await;
    let found = replayed(&served, &id).await;
    let name = |item: &Value| item["external_id"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert_eq!(name(&found["candidates"]["came"][0]), "network.md");
    assert_eq!(name(&found["candidates"]["left"][0]), "network.md");
    assert_eq!(found["prompt"], "changed");
    let claim = &found["claims"][0];
    assert_eq!(claim["before"], "supported", "{found}");
    assert_ne!(claim["after"], "supported");
    let pieces = found["text"]["pieces"].as_array().unwrap();
    let gone: Vec<&str> =
        pieces.iter().filter(|piece| piece["kind"] == "gone").map(|piece| piece["text"].as_str().unwrap()).collect();
    assert!(gone.concat().contains("[1]"), "what is no longer borne out is no longer cited: {found}");
}

#[tokio::test]
async fn a_replay_sees_what_whoever_asked_may_see_and_no_more() {
    let sandbox = Sandbox::with_documents();
    sandbox
        .write("vault.md", "---\nallow: [guards]\n---\n# Vault\n\nThe vault of Kestrel opens with the word heron.\n");
    let served = Served::start(&sandbox).await;
    let guest = key(&served.app, &grant(&[Permission::Ask], &[], &["guests"])).await;
    let asking = json!({ "question": "Which word opens the vault of Kestrel?" });
    let by_guest = id_of(&send(&served, "POST", ASK, &guest, &asking).await.json());
    let local = send(&served, "POST", ASK, TOKEN, &asking).await.json();
    assert!(local.to_string().contains("heron"));
    let found = replayed(&served, &by_guest).await.to_string();
    assert!(!found.contains("heron") && !found.contains("vault.md"), "{found}");
    assert!(replayed(&served, &id_of(&local)).await["candidates"]["came"] == json!([]));
    let refused = send(&served, "POST", &format!("/v1/answers/{by_guest}/replay"), &guest, &json!({})).await;
    assert_eq!((refused.status, refused.code().as_str()), (403, "local_only"));
}

#[tokio::test]
async fn on_the_command_line_answers_are_listed_shown_rated_and_replayed() {
    let sandbox = Sandbox::with_documents();
    assert_eq!(run(sandbox.cairn(&["ingest", "docs"])).await.code, Some(0));
    let asked = run(sandbox.cairn(&["ask", "--trace", QUESTION])).await;
    let id = asked.stdout.lines().find_map(|line| line.strip_prefix("Answer ")).unwrap().to_owned();
    let listed = run(sandbox.cairn(&["answers", "list"])).await;
    assert!(listed.stdout.contains(&id) && listed.stdout.contains(QUESTION), "{listed:?}");
    let rated = run(sandbox.cairn(&["answers", "rate", &id, "down", "--comment", "too short"])).await;
    assert_eq!(rated.code, Some(0), "{rated:?}");
    let shown = run(sandbox.cairn(&["answers", "show", &id])).await;
    for part in ["Outcome: answered", "[1] score", "network.md", "Rated down", "too short", "supported"] {
        assert!(shown.stdout.contains(part), "{part}: {shown:?}");
    }
    let json = run(sandbox.cairn(&["answers", "show", "--json", &id])).await.json();
    assert_eq!((&json["id"], &json["feedback"][0]["rating"]), (&json!(id), &json!("down")));
    let feedback = run(sandbox.cairn(&["answers", "feedback", "--rating", "down"])).await;
    assert!(feedback.stdout.contains(&id), "{feedback:?}");

    let same = run(sandbox.cairn(&["replay", &id])).await;
    assert!(same.stdout.contains("Found: same") && same.stdout.contains("Text: same"), "{same:?}");
    let network = sandbox.docs().join("network.md");
    fs::write(&network, fs::read_to_string(&network).unwrap().replace("2525", "2626")).unwrap();
    assert_eq!(run(sandbox.cairn(&["ingest", "docs"])).await.code, Some(0));
    let changed = run(sandbox.cairn(&["replay", &id])).await;
    for part in ["came", "left", "[-2525-]{+2626+}", "not said"] {
        assert!(changed.stdout.contains(part), "{part}: {changed:?}");
    }
    assert_eq!(run(sandbox.cairn(&["replay", "--json", &id])).await.json()["text"]["same"], false);
    assert_eq!(run(sandbox.cairn(&["answers", "remove", &id])).await.code, Some(0));
    let gone = run(sandbox.cairn(&["replay", &id])).await;
    assert!(gone.code == Some(1) && gone.stderr.contains("cairn answers list"), "{gone:?}");
}

#[tokio::test]
async fn a_conversation_goes_on_from_one_command_to_the_next() {
    let sandbox = Sandbox::with_documents();
    assert_eq!(run(sandbox.cairn(&["ingest", "docs"])).await.code, Some(0));
    let first = run(sandbox.cairn(&["ask", "--conversation", "new", QUESTION])).await;
    let id = first.stdout.lines().find_map(|line| line.strip_prefix("Conversation ")).unwrap().to_owned();
    let next = run(sandbox.cairn(&["ask", "--conversation", &id, super::FOLLOW_UP])).await;
    assert!(next.stdout.starts_with(&format!("Understood as: {}\n", super::UNDERSTOOD)), "{next:?}");
    assert!(next.stdout.contains(super::METRICS));
    // And the same through a server.
    let served = Served::of(sandbox.open().await).await;
    let client = Sandbox::new();
    let there = run(client.cairn(&["ask", "--server", &served.url, "--conversation", &id, super::FOLLOW_UP])).await;
    assert!(there.stdout.starts_with("Understood as: ") && there.stdout.contains(&id), "{there:?}");
    let begun = run(client.cairn(&["ask", "--server", &served.url, "--conversation", "new", QUESTION])).await;
    assert!(begun.stdout.contains("Conversation conv_"), "{begun:?}");
    let unknown = run(client.cairn(&["ask", "--server", &served.url, "--conversation", "conv_1", QUESTION])).await;
    assert!(unknown.code == Some(1) && unknown.stderr.contains("no such conversation"), "{unknown:?}");
}
