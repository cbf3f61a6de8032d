//! The reranker: it orders what was found anew, takes nothing away, and an answer does without it where it fails.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use cairn::app::App;

use crate::harness::chat::KEY;
use crate::harness::process::run;
use crate::harness::rerank::{RerankStub, Scoring};
use crate::harness::served::Served;
use crate::harness::{MODEL, QUESTION, Sandbox, ask, models_dir, repository};

/// Stands in one document alone, which is not the one that answers the question.
const ELSEWHERE: &str = "small offices";

/// All that is found is packed, so that a hit that is lost shows.
fn roomy() -> Sandbox {
    Sandbox::with_documents()
        .with("CAIRN__RETRIEVAL__PASSAGES_MAX", "50")
        .with("CAIRN__RETRIEVAL__PASSAGE_TOKENS_MAX", "100000")
        .with("CAIRN__RETRIEVAL__OVERLAP_MAX", "1.0")
}

fn reranked_by(stub: &RerankStub, deadline: &str) -> Sandbox {
    roomy()
        .with("CAIRN__RERANK__BASE_URL", &stub.base_url)
        .with("CAIRN__RERANK__API_KEY", KEY)
        .with("CAIRN__RERANK__DEADLINE", deadline)
}

/// The passages of the answer in their order, each by its document's name and its place there.
async fn packed(app: &App) -> Vec<String> {
    let answer = ask(app, QUESTION).await;
    let named = |hit: &cairn::document::Hit| {
        let file = hit.external_id.rsplit('/').next().unwrap();
        format!("{file} {}-{}", hit.chunk.span.start, hit.chunk.span.end)
    };
    answer.sources.iter().map(|passage| named(&passage.hit)).collect()
}

#[tokio::test]
async fn the_best_hits_are_ordered_anew_and_none_is_lost() {
    let fused = packed(&roomy().ingested().await).await;
    assert!(fused.len() > 2, "{fused:?}");
    let stub = RerankStub::start(Scoring::Prefers(ELSEWHERE)).await;
    let app = reranked_by(&stub, "20s").ingested().await;
    let reranked = packed(&app).await;
    assert_ne!(fused, reranked);
    let set = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(set(&fused), set(&reranked));
    assert!(ask(&app, QUESTION).await.sources[0].hit.chunk.text.contains(ELSEWHERE), "{reranked:?}");
    let asked = stub.asked();
    let (authorization, body) = &asked[0];
    assert_eq!(authorization.as_deref(), Some(format!("Bearer {KEY}").as_str()));
    assert_eq!((body["query"].as_str(), body["truncate"].as_bool()), (Some(QUESTION), Some(true)));
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["query", "texts", "truncate"]);
}

#[tokio::test]
async fn no_more_candidates_are_sent_than_are_set_and_the_others_stay_behind_them() {
    let fused = packed(&roomy().ingested().await).await;
    let stub = RerankStub::start(Scoring::Prefers("in none of them")).await;
    let app = reranked_by(&stub, "20s").with("CAIRN__RERANK__CANDIDATES", "2").ingested().await;
    let reranked = packed(&app).await;
    assert_eq!(stub.asked()[0].1["texts"].as_array().unwrap().len(), 2);
    assert_eq!((&reranked[0], &reranked[1]), (&fused[1], &fused[0]), "turned round");
    assert_eq!(reranked[2..], fused[2..]);
}

#[tokio::test]
async fn after_its_deadline_the_fused_order_stands_and_it_is_counted() {
    let fused = packed(&roomy().ingested().await).await;
    let stub = RerankStub::start(Scoring::Silence).await;
    let served = Served::of(reranked_by(&stub, "200ms").ingested().await).await;
    let begun = Instant::now();
    assert_eq!(packed(&served.app).await, fused);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(stub.asked().len(), 1);
    let metrics = served.get("/metrics").await.body;
    assert!(metrics.contains("cairn_rerankings_total{outcome=\"deadline\"}"), "{metrics}");
}

#[tokio::test]
async fn where_it_fails_or_gives_nonsense_the_fused_order_stands() {
    let fused = packed(&roomy().ingested().await).await;
    for (status, body) in [
        (200, "[]"),
        (200, r#"[{"index":0,"score":0.5}]"#),
        (200, r#"[{"index":0,"score":null},{"index":1,"score":0.1}]"#),
        (200, r#"[{"index":999,"score":0.5}]"#),
        (200, r#"{"results":[]}"#),
        (200, "<html>"),
        (413, r#"{"error":"batch size 20 > maximum allowed batch size 8","error_type":"Validation"}"#),
        (500, ""),
    ] {
        let stub = RerankStub::start(Scoring::Raw(status, body.to_owned())).await;
        let app = reranked_by(&stub, "20s").ingested().await;
        assert_eq!(packed(&app).await, fused, "{status} {body}");
        assert_eq!(stub.asked().len(), 1, "asked once for {body}");
    }
    let nobody = roomy().with("CAIRN__RERANK__BASE_URL", "http://127.0.0.1:1").ingested().await;
    assert_eq!(packed(&nobody).await, fused);
}

#[tokio::test]
async fn a_cross_encoder_in_this_process_orders_the_hits_too() {
    let folder = Sandbox::new();
    let model = folder.path("counting");
    fs::create_dir(&model).unwrap();
    fs::copy(repository().join("tests/fixtures/reranker/model.onnx"), model.join("model.onnx")).unwrap();
    fs::copy(models_dir().join(MODEL).join("tokenizer.json"), model.join("tokenizer.json")).unwrap();
    let sandbox =
        Sandbox::new().with("CAIRN__RERANK__MODEL", model.to_str().unwrap()).with("CAIRN__RERANK__DEADLINE", "20s");
    // The model counts pairs of equal words; the searches like the other one better.
    sandbox.write("near.md", "Kestrel listens on port 2525 for mail.\n");
    sandbox.write("far.md", "Kestrel, mail, port, port, port, port: for, for, for, on, on, on, on.\n");
    let app = sandbox.ingested().await;
    assert_eq!(packed(&app).await[0].split(' ').next(), Some("far.md"));
    let without = sandbox.with("CAIRN__RERANK__MODEL", "");
    drop(app);
    assert_eq!(packed(&without.open().await).await[0].split(' ').next(), Some("near.md"));
}

#[tokio::test]
async fn a_cross_encoder_that_is_missing_or_broken_is_a_sentence_when_cairn_starts() {
    let sandbox = Sandbox::new().with("CAIRN__RERANK__MODEL", "bge-reranker-base");
    let missing = run(sandbox.cairn(&["search", "anything"])).await;
    assert_eq!(missing.code, Some(1), "{missing:?}");
    let wanted = ["the reranking model bge-reranker-base is missing", "cairn models fetch bge-reranker-base"];
    assert!(wanted.iter().all(|part| missing.stderr.contains(part)), "{missing:?}");
    let broken = sandbox.path("broken");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join("model.onnx"), "no model").unwrap();
    fs::copy(models_dir().join(MODEL).join("tokenizer.json"), broken.join("tokenizer.json")).unwrap();
    // An embedding model has vectors where a cross-encoder has a score.
    for folder in [broken.as_path(), &models_dir().join(MODEL)] {
        let sandbox = Sandbox::new().with("CAIRN__RERANK__MODEL", folder.to_str().unwrap());
        let ended = run(sandbox.cairn(&["search", "anything"])).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("load the reranking model"), "{ended:?}");
    }
}

#[tokio::test]
async fn rerankers_are_listed_with_the_models() {
    let listed = run(Sandbox::new().cairn(&["models", "list"])).await;
    assert!(listed.stdout.contains("bge-reranker-base") && listed.stdout.contains("AllMiniLML6V2Q"), "{listed:?}");
}
