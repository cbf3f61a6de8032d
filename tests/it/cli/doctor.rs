//! What is missing or damaged below the models folder, as `cairn doctor` and every command that needs it tell it.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::{ingested, says_it_once};
use crate::harness::chat::{ChatStub, KEY, MODEL as CHAT_MODEL, says};
use crate::harness::process::run;
use crate::harness::served::Served;
use crate::harness::{MODEL, QUESTION, Sandbox, models_dir, temporary_folder};
use crate::qdrant_server::QdrantServer;

#[tokio::test]
async fn the_doctor_says_what_is_there_and_what_may_be_added() {
    let sandbox = ingested().await;
    let ended = run(sandbox.cairn(&["doctor"])).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    for (mark, what) in [
        ("ok", "ONNX Runtime"),
        ("ok", "embedding model"),
        ("ok", "cross-encoder"),
        ("ok", "data folder"),
        ("note", "chat endpoint"),
    ] {
        let line = ended.stdout.lines().find(|line| line.contains(what)).unwrap();
        assert!(line.starts_with(mark), "{line}");
    }
    let checks = run(sandbox.cairn(&["doctor", "--json"])).await.json();
    assert_eq!(checks.as_array().unwrap().len(), 5);
    for check in checks.as_array().unwrap() {
        assert!(matches!(check["state"].as_str().unwrap(), "ok" | "note"), "{check}");
        assert!(check["what"].is_string() && !check["detail"].as_str().unwrap().is_empty());
    }
}

#[tokio::test]
async fn the_doctor_asks_the_chat_endpoint_for_its_model() {
    let stub = ChatStub::start([says(&["never"])]).await;
    let sandbox = Sandbox::new().with("CAIRN__CHAT__BASE_URL", &stub.base_url).with("CAIRN__CHAT__API_KEY", KEY);
    let ended = run(sandbox.cairn(&["doctor"])).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(CHAT_MODEL) && !ended.stdout.contains(KEY), "{ended:?}");
    let gone = Sandbox::new().with("CAIRN__CHAT__BASE_URL", "http://127.0.0.1:1/v1");
    let ended = run(gone.cairn(&["doctor"])).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stdout.contains("can't be reached"), "{ended:?}");
}

#[tokio::test]
async fn the_doctor_and_the_probe_tell_whether_the_qdrant_server_is_there() {
    let (folder, address) = (temporary_folder(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let server = QdrantServer::start(&folder.path().join("collections"), address, None).await.unwrap();
    let sandbox = Sandbox::with_documents().with("CAIRN__STORE__URL", &server.url());
    let line = async |sandbox: &Sandbox| -> String {
        let ended = run(sandbox.cairn(&["doctor"])).await;
        ended.stdout.lines().find(|line| line.contains("Qdrant server")).unwrap().to_owned()
    };
    assert!(line(&sandbox).await.contains("does not hold yet the collection cairn"));
    let served = Served::start(&sandbox).await;
    assert!(line(&sandbox).await.contains("holds the collection cairn"));
    assert_eq!(served.get("/readyz").await.status, 200);
    server.stop().await;
    assert!(line(&sandbox).await.starts_with("MISSING"));
    let unready = served.get("/readyz").await;
    assert_eq!(unready.status, 503, "{unready:?}");
    assert!(!unready.body.contains("http://"), "where the documents are is not everybody's business: {unready:?}");
}

/// A models folder with these changes to the real one.
fn damaged_models(sandbox: &Sandbox, damage: impl Fn(&Path)) -> String {
    let folder = sandbox.path("models");
    for part in ["onnxruntime", MODEL] {
        fs::create_dir_all(folder.join(part)).unwrap();
        for entry in fs::read_dir(models_dir().join(part)).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), folder.join(part).join(entry.file_name())).unwrap();
        }
    }
    damage(&folder);
    folder.to_str().unwrap().to_owned()
}

fn library(models: &Path) -> PathBuf {
    fs::read_dir(models.join("onnxruntime")).unwrap().next().unwrap().unwrap().path()
}

/// Whether every command that needs the models fails with a sentence that says what to do, the doctor first.
async fn is_told(damage: impl Fn(&Path), what: &str, words: &str) {
    let sandbox = Sandbox::with_documents();
    let models = damaged_models(&sandbox, damage);
    let sandbox = sandbox.with("CAIRN__MODELS__DIR", &models);
    let doctor = run(sandbox.cairn(&["doctor"])).await;
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    let line = doctor.stdout.lines().find(|line| line.contains(what)).unwrap();
    assert!(line.starts_with("MISSING") && line.contains(words), "{line}");
    assert!(line.contains("scripts/fetch"), "it says what to do: {line}");
    let json = run(sandbox.cairn(&["doctor", "--json"])).await;
    assert!(json.json().as_array().unwrap().iter().any(|check| check["state"] == "missing"));
    for arguments in [&["ask", QUESTION][..], &["ingest", "docs"], &["serve", "--listen", "127.0.0.1:0"]] {
        let ended = run(sandbox.cairn(arguments)).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(words) && ended.stderr.contains("scripts/fetch"), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
        says_it_once(&ended);
    }
}

#[tokio::test]
async fn a_missing_runtime_is_told() {
    is_told(|models| fs::remove_dir_all(models.join("onnxruntime")).unwrap(), "ONNX Runtime", "is missing").await;
}

#[tokio::test]
async fn a_runtime_that_is_no_library_is_told() {
    is_told(|models| fs::write(library(models), "not a library").unwrap(), "ONNX Runtime", "can't be used").await;
}

#[tokio::test]
async fn a_runtime_that_was_copied_by_half_is_told() {
    let cut = |models: &Path| {
        let library = library(models);
        let whole = fs::read(&library).unwrap();
        fs::write(library, &whole[..whole.len() / 2]).unwrap();
    };
    is_told(cut, "ONNX Runtime", "can't be used").await;
}

#[tokio::test]
async fn a_runtime_that_is_another_library_is_told() {
    // The C library of this machine: any library will do that is not ONNX Runtime.
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let other = maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("libc.so"));
    let other = other.expect("every program here has a C library").to_owned();
    let replace = |models: &Path| {
        fs::copy(&other, library(models)).unwrap();
    };
    is_told(replace, "ONNX Runtime", "can't be used").await;
}

#[tokio::test]
async fn a_missing_model_is_told() {
    is_told(|models| fs::remove_dir_all(models.join(MODEL)).unwrap(), "embedding model", "is missing").await;
    is_told(
        |models| fs::remove_file(models.join(MODEL).join("tokenizer.json")).unwrap(),
        "embedding model",
        "is missing",
    )
    .await;
}

#[tokio::test]
async fn a_model_that_can_not_be_loaded_is_told() {
    is_told(|models| fs::write(models.join(MODEL).join("model.onnx"), "noise").unwrap(), "embedding model", MODEL)
        .await;
}

#[tokio::test]
async fn a_tokenizer_that_can_not_be_read_is_told() {
    let damage = |models: &Path| fs::write(models.join(MODEL).join("tokenizer.json"), "{}").unwrap();
    is_told(damage, "embedding model", "tokenizer.json").await;
}

#[tokio::test]
async fn models_are_listed_and_an_unknown_one_is_refused_without_asking_anybody() {
    let sandbox = Sandbox::new();
    let listed = run(sandbox.cairn(&["models", "list"])).await;
    assert_eq!(listed.code, Some(0));
    assert!(listed.stdout.lines().any(|line| line.starts_with(MODEL) && line.contains("384")), "{listed:?}");
    let unknown = run(sandbox.cairn(&["models", "fetch", "no-such-model"])).await;
    assert_eq!(unknown.code, Some(1));
    assert!(unknown.stderr.contains("cairn models list"), "{unknown:?}");
}
