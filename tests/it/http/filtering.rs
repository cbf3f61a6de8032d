//! `filter` on every route that asks: what it lets pass, what it says where nothing does, and what of it is wrong.

use cairn::key::Permission;
use serde_json::{Value, json};

use super::{ASK, CHAT, SEARCH};
use crate::harness::Sandbox;
use crate::harness::process::run;
use crate::harness::served::{Response, Served, read};
use crate::keys::{grant, key};

const QUESTION: &str = "When does the cafeteria open?";

/// Four documents that all speak of the cafeteria.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let page =
        |front: &str, hour: &str| format!("---\n{front}---\n\nThe cafeteria opens at {hour} on every working day.\n");
    sandbox.write("handbook/old.md", page("tags: [manual, food]\ndate: 2020-05-01\nlanguage: en\n", "seven"));
    sandbox.write("handbook/new.md", page("tags: [manual]\ndate: 2024-05-31T10:00:00Z\nlanguage: en\n", "nine"));
    sandbox.write("notes/menu.md", page("tags: [food]\ndate: 2022-01-01\nlanguage: de\n", "ten"));
    sandbox.write("board/secret.md", page("tags: [secret]\nallow: board\ndate: 2023-01-01\n", "midnight"));
    sandbox
}

/// The names of the files that a response of `/v1/search` has, sorted.
fn files(response: &Response) -> Vec<String> {
    assert_eq!(response.status, 200, "{}", response.body);
    let results = response.json()["results"].as_array().unwrap().clone();
    let mut files: Vec<String> =
        results.iter().map(|one| one["uri"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_search_finds_what_passes_its_filter() {
    let sandbox = sandbox();
    let served = Served::start(&sandbox).await;
    let docs = sandbox.docs().display().to_string();
    for (filter, wanted) in [
        (json!({}), &["menu.md", "new.md", "old.md", "secret.md"][..]),
        (json!({ "tag": "food" }), &["menu.md", "old.md"]),
        (json!({ "tag": ["food", "manual"] }), &["menu.md", "new.md", "old.md"]),
        (json!({ "all_tags": ["food", "manual"] }), &["old.md"]),
        (json!({ "from": "2022-01-01" }), &["menu.md", "new.md", "secret.md"]),
        (json!({ "from": "2021-01-01", "to": "2024-05-31" }), &["menu.md", "new.md", "secret.md"]),
        (json!({ "to": "2024-05-31T09:59:59Z" }), &["menu.md", "old.md", "secret.md"]),
        (json!({ "language": "DE" }), &["menu.md"]),
        (json!({ "source": format!("{docs}/handbook") }), &["new.md", "old.md"]),
        (json!({ "source": format!("file://{docs}/notes/") }), &["menu.md"]),
        (json!({ "source": docs, "path": ["handbook/o", "notes"] }), &["menu.md", "old.md"]),
        (json!({ "path": format!("{docs}/hand"), "tag": "food" }), &["old.md"]),
    ] {
        let response = served.post(SEARCH, &json!({ "query": QUESTION, "filter": filter })).await;
        assert_eq!(files(&response), wanted, "{filter}");
    }
}

#[tokio::test]
async fn an_answer_relies_on_what_passes_its_filter_alone_by_either_route() {
    let served = Served::start(&sandbox()).await;
    for (filter, hour) in
        [(json!({ "tag": "manual", "from": "2024-01-01" }), "nine"), (json!({ "language": "de" }), "ten")]
    {
        let asked = json!({ "question": QUESTION, "filter": filter });
        let answer = served.post(ASK, &asked).await.json();
        assert!(answer["answer"].as_str().unwrap().contains(hour), "{answer}");
        assert_eq!(answer["sources"].as_array().unwrap().len(), 1, "{answer}");
        let chat = json!({
            "model": "default", "messages": [{ "role": "user", "content": QUESTION }], "filter": filter,
        });
        let completion = served.post(CHAT, &chat).await.json();
        assert!(completion["choices"][0]["message"]["content"].as_str().unwrap().contains(hour), "{completion}");
    }
}

#[tokio::test]
async fn a_filter_that_can_not_be_meant_is_refused_with_a_sentence() {
    let served = Served::start(&sandbox()).await;
    for (filter, said) in [
        (json!({ "tag": "" }), "filter.tag: a value is empty"),
        (json!({ "from": "last week" }), "filter.from: it is \"last week\""),
        (json!({ "from": "2024-01-02", "to": "2024-01-01" }), "later than filter.to"),
        (json!({ "language": "english" }), "ISO 639-1"),
        (json!({ "source": "the wiki" }), "an absolute folder or an address"),
        (json!({ "tags": "food" }), "unknown field `tags`"),
        (json!("food"), "filter"),
    ] {
        for (route, mut body) in [
            (SEARCH, json!({ "query": QUESTION })),
            (ASK, json!({ "question": QUESTION })),
            (CHAT, json!({ "model": "default", "messages": [{ "role": "user", "content": QUESTION }] })),
        ] {
            body["filter"] = filter.clone();
            let refused = served.post(route, &body).await;
            assert_eq!((refused.status, refused.code().as_str()), (400, "invalid_request"), "{route} {filter}");
            assert!(refused.json()["error"]["message"].as_str().unwrap().contains(said), "{}", refused.body);
        }
    }
}

#[tokio::test]
async fn where_nothing_passes_the_filter_is_named_and_the_hidden_have_no_part_in_it() {
    let served = Served::start(&sandbox()).await;
    let staff = key(&served.app, &grant(&[Permission::Ask], &[], &["staff"])).await;
    let elsewhere = key(&served.app, &grant(&[Permission::Ask], &["other"], &["staff"])).await;
    let ask = async |key: &str, route: &str, body: Value| {
        read(served.http.post(format!("{}{route}", served.url)).bearer_auth(key).json(&body).send().await.unwrap())
            .await
    };
    // One tag that only a hidden document has, and one that none has: the same words.
    let mut sentences = Vec::new();
    for tag in ["secret", "no-such-tag"] {
        for (route, body) in [
            (SEARCH, json!({ "query": QUESTION, "filter": { "tag": tag } })),
            (ASK, json!({ "question": QUESTION, "filter": { "tag": tag } })),
            (
                CHAT,
                json!({ "model": "default", "messages": [{ "role": "user", "content": QUESTION }], "filter": { "tag": tag } }),
            ),
        ] {
            let response = ask(&staff, route, body).await;
            assert_eq!(
                (response.status, response.code().as_str()),
                (404, "nothing_passes_filter"),
                "{}",
                response.body
            );
            sentences.push(response.json()["error"]["message"].as_str().unwrap().to_owned());
        }
    }
    assert!(sentences[0].contains("passes the filter"), "{sentences:?}");
    assert!(sentences.iter().all(|sentence| *sentence == sentences[0]), "{sentences:?}");
    // A collection that is not the caller's stays one that is not there, with a filter as without.
    let asked =
        |collection: &str| json!({ "question": QUESTION, "collection": collection, "filter": { "tag": "food" } });
    let forbidden = ask(&elsewhere, ASK, asked("default")).await;
    let absent = ask(&staff, ASK, asked("nowhere")).await;
    assert_eq!((forbidden.status, forbidden.code()), (404, "collection_not_found".into()));
    let words = |response: &Response, name: &str| response.body.replace(name, "NAME");
    assert_eq!(words(&forbidden, "default"), words(&absent, "nowhere"));
}

#[tokio::test]
async fn the_command_line_takes_the_same_filter_here_and_through_a_server() {
    let sandbox = sandbox();
    let ended = run(sandbox.cairn(&["ingest", "docs"])).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let docs = sandbox.docs().display().to_string();
    let search =
        ["search", "--json", "--source", docs.as_str(), "--path", "handbook/", "--from", "2021-01-01", QUESTION];
    let ask = ["ask", "--all-tags", "food", "--all-tags", "manual", "--language", "en", "--to", "2021-01-01", QUESTION];
    let wrong = ["search", "--from", "soon", QUESTION];
    let nothing = ["ask", "--tag", "no-such-tag", QUESTION];
    let check = async |options: &[&str]| {
        let with = |arguments: &[&str]| run(sandbox.cairn(&[arguments, options].concat()));
        let found = with(&search).await.json();
        let uris: Vec<&str> =
            found["results"].as_array().unwrap().iter().map(|one| one["uri"].as_str().unwrap()).collect();
        assert_eq!(uris, [format!("file://{docs}/handbook/new.md")]);
        let answer = with(&ask).await.stdout;
        assert!(answer.contains("seven") && !answer.contains("nine"), "{answer}");
        for (arguments, said) in [(&wrong[..], "filter.from: it is \"soon\""), (&nothing[..], "passes the filter")] {
            let ended = with(arguments).await;
            assert!(ended.code == Some(1) && ended.stderr.contains(said), "{ended:?}");
        }
    };
    check(&[]).await;
    let served = Served::of(sandbox.open().await).await;
    check(&["--server", &served.url]).await;
}
