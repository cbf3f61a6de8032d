//! Probes, metrics, the API's own description, request ids.

use std::fs;

use serde_json::json;

use super::{ASK, CHAT, SEARCH, asking, chatting};
use crate::harness::chat::{ChatStub, says};
use crate::harness::rerank::{RerankStub, Scoring};
use crate::harness::served::{Served, read};
use crate::harness::{QUESTION, Sandbox, repository};

#[tokio::test]
async fn the_probes_answer() {
    let served = Served::start(&Sandbox::with_documents()).await;
    for (path, body) in [("/livez", "ok"), ("/readyz", "ready")] {
        let response = served.get(path).await;
        assert_eq!((response.status, response.body.as_str()), (200, body));
    }
}

#[tokio::test]
async fn a_service_whose_ledger_does_not_answer_is_alive_and_not_ready() {
    let served = Served::start(&Sandbox::with_documents()).await;
    served.app.ledger.close().await;
    assert_eq!(served.get("/livez").await.status, 200);
    let response = served.get("/readyz").await;
    assert_eq!((response.status, response.code().as_str()), (503, "unavailable"));
}

#[tokio::test]
async fn every_documented_metric_is_there_after_traffic() {
    let stub = ChatStub::start([says(&["Port 2525 [1] [99]."])]).await;
    let reranker = RerankStub::start(Scoring::Prefers("port")).await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
        .with("CAIRN__RERANK__BASE_URL", &reranker.base_url)
        .with("CAIRN__RERANK__DEADLINE", "20s");
    let served = Served::start(&sandbox).await;
    served.post(ASK, &asking()).await;
    let before = json!([{ "role": "user", "content": QUESTION }]);
    served.post(ASK, &json!({ "question": "And for its metrics?", "history": before })).await;
    served.post(CHAT, &chatting()).await;
    served.post(SEARCH, &json!({ "query": "port" })).await;
    let upload = served.http.put(format!("{}/v1/collections/default/documents/new.md?wait=indexed", served.url));
    assert_eq!(upload.body("# New\n\nIt came over HTTP.\n").send().await.unwrap().status(), 200);
    let response = served.get("/metrics").await;
    assert!(response.header("content-type").unwrap().starts_with("text/plain"));
    let documented = documented_metrics();
    assert!(documented.len() >= 8, "docs/operating.md lists the metrics in a table: {documented:?}");
    for (name, kind) in &documented {
        let declared = format!("# TYPE {name} {kind}");
        assert!(response.body.lines().any(|line| line == declared), "{declared} in\n{}", response.body);
    }
    let has = |line: &str| response.body.lines().any(|found| found.starts_with(line));
    assert!(has("cairn_documents{collection=\"default\",state=\"indexed\"} 7"));
    assert!(has("cairn_answers_total{outcome=\"answered\"}"));
    assert!(has("gen_ai_client_token_usage_total{gen_ai_token_type=\"input\"}"));
    assert!(has("cairn_answer_duration_seconds_bucket{le=\"120\"}"));
    assert!(response.body.contains("http_route=\"/v1/ask\"") && !response.body.contains("Kestrel"));
    // And the other way round: what is exported is explained.
    for line in response.body.lines() {
        let Some(name) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()) else { continue };
        assert!(documented.iter().any(|(known, _)| known == name), "{name} is not in docs/operating.md");
    }
}

#[tokio::test]
async fn a_question_never_becomes_a_label_of_a_metric() {
    let served = Served::start(&Sandbox::with_documents()).await;
    served.get("/v1/some-secret-path?q=some-secret-question").await;
    served.post(ASK, &json!({ "question": "some-secret-question" })).await;
    let metrics = served.get("/metrics").await.body;
    assert!(!metrics.contains("some-secret"), "{metrics}");
    assert!(metrics.contains("http_route=\"unmatched\""));
}

#[tokio::test]
async fn the_description_lists_every_route_and_each_of_its_errors_has_the_envelope() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let description = served.get("/openapi.json").await.json();
    assert!(description["openapi"].as_str().unwrap().starts_with("3."));
    let paths = description["paths"].as_object().unwrap();
    let mut listed: Vec<String> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        })
        .collect();
    let mut expected = [
        "POST /v1/ask",
        "POST /v1/search",
        "POST /v1/chat/completions",
        "GET /v1/models",
        "GET /v1/conversations",
        "POST /v1/conversations",
        "GET /v1/conversations/{conversation}",
        "DELETE /v1/conversations/{conversation}",
        "GET /v1/answers",
        "GET /v1/answers/{answer}",
        "DELETE /v1/answers/{answer}",
        "POST /v1/answers/{answer}/feedback",
        "POST /v1/answers/{answer}/replay",
        "GET /v1/feedback",
        "GET /v1/collections/{collection}/documents",
        "POST /v1/collections/{collection}/documents",
        "GET /v1/collections/{collection}/documents/{external_id}",
        "PUT /v1/collections/{collection}/documents/{external_id}",
        "PATCH /v1/collections/{collection}/documents/{external_id}",
        "DELETE /v1/collections/{collection}/documents/{external_id}",
        "POST /v1/ingest",
        "POST /v1/collections/{collection}/ingest",
        "POST /v1/collections/{collection}/retry",
        "POST /v1/collections/{collection}/reprocess",
        "GET /v1/collections/{collection}/texts/{external_id}",
        "GET /v1/jobs",
        "GET /v1/jobs/{job}",
        "DELETE /v1/jobs/{job}",
        "GET /v1/jobs/{job}/events",
        "GET /livez",
        "GET /readyz",
        "GET /metrics",
    ];
    listed.sort();
    expected.sort_unstable();
    assert_eq!(listed, expected);
    for (path, methods) in paths {
        for operation in methods.as_object().unwrap().values() {
            for (status, response) in operation["responses"].as_object().unwrap() {
                if status.starts_with(['4', '5']) {
                    let schema = &response["content"]["application/json"]["schema"]["$ref"];
                    assert_eq!(schema, "#/components/schemas/ErrorBody", "{path} {status}");
                }
            }
        }
    }
    let schemas = description["components"]["schemas"].as_object().unwrap();
    for name in references(&description) {
        assert!(schemas.contains_key(&name), "{name} is referred to and not described");
    }
}

#[tokio::test]
async fn the_page_to_read_the_description_loads_nothing_from_elsewhere() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let page = served.get("/docs").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(!page.body.contains("http://") && !page.body.contains("https://") && !page.body.contains("=\"//"));
    let mut files = 0;
    for attribute in ["src=\"", "href=\""] {
        for rest in page.body.split(attribute).skip(1) {
            let file = rest.split('"').next().unwrap().trim_start_matches("./");
            assert_eq!(served.get(&format!("/docs/{file}")).await.status, 200, "{file}");
            files += 1;
        }
    }
    assert!(files >= 3, "{}", page.body);
    let start = served.get("/docs/swagger-initializer.js").await.body;
    assert!(start.contains("/openapi.json"));
    // Without this, a page that is served under any name but localhost sends its address to validator.swagger.io.
    let quiet = start.split_whitespace().collect::<String>().contains("\"validatorUrl\":\"none\"");
    assert!(quiet, "the page asks a validator on the web: {start}");
}

#[tokio::test]
async fn a_response_carries_the_requests_id_or_one_of_its_own() {
    let served = Served::start(&Sandbox::with_documents()).await;
    let own = served.get("/livez").await;
    assert!(own.header("x-request-id").unwrap().len() >= 32);
    assert_ne!(own.header("x-request-id"), served.get("/livez").await.header("x-request-id"));
    for path in ["/livez", "/nowhere"] {
        let request = served.http.get(format!("{}{path}", served.url)).header("x-request-id", "mine-7");
        assert_eq!(read(request.send().await.unwrap()).await.header("x-request-id"), Some("mine-7"));
    }
}

/// Names and kinds in the table of docs/operating.md.
fn documented_metrics() -> Vec<(String, String)> {
    let page = fs::read_to_string(repository().join("docs/operating.md")).unwrap();
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split('|');
        let name = cells.next()?.trim().strip_suffix('`')?.to_owned();
        let kind = cells.next()?.trim().to_owned();
        matches!(kind.as_str(), "counter" | "gauge" | "histogram").then_some((name, kind))
    });
    rows.collect()
}

/// Every schema that is referred to anywhere.
fn references(value: &serde_json::Value) -> Vec<String> {
    const PREFIX: &str = "#/components/schemas/";
    let text = value.to_string();
    text.split(PREFIX).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}
