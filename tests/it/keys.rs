//! Keys at the door: what each lets its holder do, on every route there is, and what it hides.

use std::collections::BTreeSet;
use std::time::Duration;

use cairn::app::App;
use cairn::caller::{Caller, Collections};
use cairn::document::CollectionName;
use cairn::key::{self, Grant, Permission};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::harness::process::run;
use crate::harness::served::{Response, Served, read};
use crate::harness::{ANSWER, QUESTION, Sandbox};

/// The routes that need no key: an orchestrator's probes.
const OPEN: [&str; 2] = ["/livez", "/readyz"];

pub(crate) fn grant(permissions: &[Permission], collections: &[&str], groups: &[&str]) -> Grant {
    let named: BTreeSet<CollectionName> = collections.iter().map(|name| name.parse().unwrap()).collect();
    Grant {
        name: "test".into(),
        permissions: permissions.iter().copied().collect(),
        collections: if named.is_empty() { Collections::All } else { Collections::Only(named) },
        groups: groups.iter().map(|name| name.parse().unwrap()).collect(),
        expires_in: None,
    }
}

pub(crate) async fn key(app: &App, grant: &Grant) -> String {
    key::create(&app.ledger, grant).await.unwrap().expose_secret().to_owned()
}

async fn request(served: &Served, method: &str, path: &str, key: Option<&str>, body: &Value) -> Response {
    let url = format!("{}{path}", served.url);
    let method: Method = method.to_uppercase().parse().unwrap();
    let request = match method == Method::GET {
        true => served.http.get(url),
        false => served.http.request(method, url).json(body),
    };
    let request = key.iter().fold(request, |request, key| request.bearer_auth(key));
    read(request.send().await.unwrap()).await
}

async fn ask(served: &Served, key: &str, collection: &str) -> Response {
    request(served, "post", "/v1/ask", Some(key), &json!({ "question": QUESTION, "collection": collection })).await
}

#[tokio::test]
async fn every_route_declares_its_scope_and_keeps_to_it() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let mut keys = Vec::new();
    for permission in Permission::ALL {
        keys.push((permission.name(), key(&served.app, &grant(&[permission], &[], &[])).await));
    }
    let document = served.get("/openapi.json").await.json();
    let mut open = BTreeSet::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let security = operation["security"].as_array().unwrap();
            if security[0].get("local").is_some() {
                let refused = request(&served, method, path, None, &json!({})).await;
                assert_eq!((refused.status, refused.code().as_str()), (403, "local_only"), "{method} {path}");
                continue;
            }
            let needed: Vec<&str> = security.iter().filter_map(|one| one["key"][0].as_str()).collect();
            if needed.is_empty() {
                assert_eq!(operation["security"], json!([{}]), "{method} {path} declares no scope");
                assert_eq!(request(&served, method, path, None, &json!({})).await.status, 200);
                open.insert(path.as_str());
                continue;
            }
            let refused = request(&served, method, path, None, &json!({})).await;
            assert_eq!((refused.status, refused.code().as_str()), (401, "invalid_api_key"), "{method} {path}");
            assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
            for (scope, key) in &keys {
                let status = request(&served, method, path, Some(key), &json!({})).await.status;
                assert_eq!(status == 403, !needed.contains(scope), "{method} {path} with {scope}: {status}");
                assert_ne!(status, 401);
            }
        }
    }
    assert_eq!(open, BTreeSet::from(OPEN));
}

#[tokio::test]
async fn a_wrong_a_missing_and_a_revoked_key_get_the_same_answer_at_once() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let good = key(&served.app, &grant(&[Permission::Ask], &[], &[])).await;
    assert_eq!(ask(&served, &good, "default").await.status, 200);
    let id = good.split('_').nth(1).unwrap();
    assert!(served.app.ledger.revoke_key(id, key::now_s()).await.unwrap());
    let revoked = ask(&served, &good, "default").await;
    let wrong = ask(&served, "cairn_no_key", "default").await;
    let missing = request(&served, "post", "/v1/ask", None, &json!({ "question": QUESTION })).await;
    assert_eq!((revoked.status, &revoked.body), (401, &wrong.body));
    assert_eq!((wrong.status, &wrong.body), (401, &missing.body));
}

#[tokio::test]
async fn a_collection_of_others_answers_as_one_that_does_not_exist() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let stranger = key(&served.app, &grant(&[Permission::Ask], &["other"], &[])).await;
    let chat = |model: &str| json!({ "model": model, "messages": [{ "role": "user", "content": QUESTION }] });
    for (path, body) in [
        ("/v1/ask", (|name: &str| json!({ "question": QUESTION, "collection": name })) as fn(&str) -> Value),
        ("/v1/search", |name: &str| json!({ "query": QUESTION, "collection": name })),
    ] {
        let theirs = request(&served, "post", path, Some(&stranger), &body("default")).await;
        let nobodys = request(&served, "post", path, Some(&stranger), &body("no-such")).await;
        assert_eq!((theirs.status, nobodys.status), (404, 404));
        assert_eq!(theirs.body.replace("default", "NAME"), nobodys.body.replace("no-such", "NAME"));
    }
    let theirs = request(&served, "post", "/v1/chat/completions", Some(&stranger), &chat("default")).await;
    let nobodys = request(&served, "post", "/v1/chat/completions", Some(&stranger), &chat("no-such")).await;
    assert_eq!((theirs.status, theirs.body.replace("default", "NAME")), (404, nobodys.body.replace("no-such", "NAME")));
    assert_eq!(request(&served, "get", "/v1/models", Some(&stranger), &json!({})).await.json()["data"], json!([]));
}

#[tokio::test]
async fn a_document_shows_to_its_groups_only_and_a_change_of_them_embeds_nothing_again() {
    let sandbox = Sandbox::with_documents();
    let text = "# Vault\n\nThe vault of Kestrel opens with the code word heron.\n";
    sandbox.write("vault.md", format!("---\nallow: [guards]\n---\n{text}"));
    let served = Served::start(&sandbox).await;
    let guard = key(&served.app, &grant(&[Permission::Ask], &[], &["guards"])).await;
    let guest = key(&served.app, &grant(&[Permission::Ask], &[], &["guests"])).await;
    let sees = async |key: &str| {
        let body = json!({ "query": "Which code word opens the vault of Kestrel?", "limit": 100 });
        request(&served, "post", "/v1/search", Some(key), &body).await.body.contains("heron")
    };
    assert!(sees(&guard).await);
    assert!(!sees(&guest).await);
    assert!(ask(&served, &guest, "default").await.body.contains(ANSWER), "the rest is for everybody");

    sandbox.write("vault.md.meta.toml", "allow = [\"guests\"]\n");
    let summary = sandbox.ingest(&served.app).await;
    assert_eq!((summary.access_changed, summary.indexed, summary.chunks), (1, 0, 0));
    assert!(sees(&guest).await);
    assert!(!sees(&guard).await);

    sandbox.write("vault.md.meta.toml", "alow = [\"guests\"]\n");
    let summary = sandbox.ingest(&served.app).await;
    assert!(summary.failed[0].reason.contains("alow"), "{:?}", summary.failed);
    assert!(!sees(&guest).await && !sees(&guard).await, "a rule that can't be read shows the document to nobody");
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_asked_to_wait_and_others_are_not() {
    let sandbox = Sandbox::with_documents().with("CAIRN__SERVER__REQUESTS_PER_MINUTE", "2");
    let served = Served::start(&sandbox).await;
    let busy = key(&served.app, &grant(&[Permission::Ask], &[], &[])).await;
    let calm = key(&served.app, &grant(&[Permission::Ask], &[], &[])).await;
    let models = async |key: &str| request(&served, "get", "/v1/models", Some(key), &json!({})).await;
    assert_eq!((models(&busy).await.status, models(&busy).await.status), (200, 200));
    let refused = models(&busy).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "rate_limited"));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(models(&calm).await.status, 200);
}

#[tokio::test]
async fn keys_are_made_listed_and_revoked_beside_a_running_server() {
    let sandbox = Sandbox::with_documents();
    let served = Served::start(&sandbox).await;
    let made =
        run(sandbox.cairn(&["keys", "create", "--name", "laptop", "--groups", "staff", "--expires", "1day"])).await;
    let key = made.stdout.trim().to_owned();
    assert!(made.stderr.contains("the first key"), "{made:?}");
    assert_eq!(ask(&served, &key, "default").await.status, 200);
    let listed = run(sandbox.cairn(&["keys", "list", "--json"])).await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!((&listed[0]["state"], &listed[0]["groups"]), (&json!("active"), &json!(["staff"])));
    assert!(listed[0]["last_used"].is_string() && !listed.to_string().contains(key.rsplit('_').next().unwrap()));
    let id = listed[0]["id"].as_str().unwrap();
    assert!(run(sandbox.cairn(&["keys", "revoke", id])).await.code == Some(0));
    assert_eq!(ask(&served, &key, "default").await.status, 401);
    assert_eq!(run(sandbox.cairn(&["keys", "revoke", id])).await.code, Some(1));
}

#[tokio::test]
async fn without_a_key_no_address_beyond_this_machine_is_served_unless_forced() {
    let sandbox = Sandbox::new();
    let refused = run(sandbox.cairn(&["serve", "--listen", "0.0.0.0:0"])).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("cairn keys create"), "{refused:?}");
}

#[tokio::test]
async fn a_holder_is_nobody_after_the_keys_time() {
    let sandbox = Sandbox::with_documents();
    let served = Served::start(&sandbox).await;
    let short = Grant { expires_in: Some(Duration::ZERO), ..grant(&[Permission::Ask], &[], &[]) };
    let ended = key(&served.app, &short).await;
    assert_eq!(ask(&served, &ended, "default").await.status, 401);
    assert!(Caller::local().scope(&"default".parse().unwrap()).is_some());
}
