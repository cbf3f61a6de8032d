//! The contract of `Embedder`, against the model in this process and against the same model behind an endpoint.
//!
//! The endpoint is a real HTTP server in this process. Besides the contract, the faults that only an endpoint has.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use cairn::config::{Config, EmbedPlace, Environment};
use cairn::embed::{EmbedError, Embedder, LocalEmbedder, ModelFiles, Prefixes, Purpose, RemoteEmbedder, Runtime};
use cairn::error::Class;
use proptest::strategy::{Strategy, ValueTree};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::harness::{MODEL, Sandbox, models_dir};

/// MiniLM's vector length and longest text.
const DIMENSIONS: usize = 384;
const TOKENS_MAX: usize = 512;
/// Two requests' worth for an endpoint, many times what waits for each model thread.
const MANY: usize = 70;
/// What a faulty endpoint writes; it must never come out.
const BODY: &str = "internal-detail-of-the-endpoint";

/// The suite: each of these against each implementation.
macro_rules! embedder_contract {
    ($implementation:ident, $start:expr) => {
        mod $implementation {
            use super::*;

            #[tokio::test]
            async fn gives_as_many_vectors_as_texts_in_their_order() {
                one_vector_a_text_in_order(&$start.await).await;
            }

            #[tokio::test]
            async fn gives_vectors_of_its_dimension_with_finite_numbers_for_any_text() {
                finite_for_any_text(&$start.await).await;
            }

            #[tokio::test]
            async fn gives_the_same_text_the_same_vector_whatever_stands_beside_it() {
                same_text_same_vector(&$start.await).await;
            }

            #[tokio::test]
            async fn takes_a_text_at_its_limit_and_refuses_a_longer_one_uncut() {
                refuses_what_is_too_long(&$start.await).await;
            }

            #[tokio::test]
            async fn puts_texts_that_mean_the_same_near_each_other() {
                near_in_meaning_is_near(&$start.await).await;
            }
        }
    };
}

embedder_contract!(local, async { local() });
embedder_contract!(remote, remote(Fault::None));

async fn one_vector_a_text_in_order(embedder: &dyn Embedder) {
    assert!(embed(embedder, &[]).await.is_empty());
    let texts: Vec<String> = (0..MANY).map(|n| format!("Shelf {n} holds {} books.", n * n)).collect();
    let together = embed(embedder, &texts).await;
    assert_eq!(together.len(), MANY);
    for at in [0, 1, 31, 32, 33, MANY - 1] {
        assert_eq!(embed(embedder, &texts[at..=at]).await[0], together[at], "text {at}");
    }
}

async fn finite_for_any_text(embedder: &dyn Embedder) {
    assert_eq!(embedder.dimensions(), DIMENSIONS);
    assert_eq!(embedder.tokens_max(), TOKENS_MAX);
    let texts =
        ["", " ", "\0", "a", "日本語の文書", "🦅🦅🦅", "\u{202e}\u{feff}", &"a".repeat(5000), "```\n\n```", "Ω≈ç√∫"];
    let mut texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    texts.extend(any_texts());
    for vector in embed(embedder, &texts).await {
        assert_eq!(vector.len(), DIMENSIONS);
        assert!(vector.iter().all(|number| number.is_finite()));
    }
}

async fn same_text_same_vector(embedder: &dyn Embedder) {
    let text = "The certificate is read again when the service receives SIGHUP.".to_owned();
    let alone = embed(embedder, std::slice::from_ref(&text)).await.remove(0);
    for beside in ["short", &"a much longer text beside it ".repeat(60)] {
        let vectors = embed(embedder, &[beside.to_owned(), text.clone(), beside.to_owned()]).await;
        assert_eq!(vectors[1], alone, "bit for bit");
        assert_eq!(vectors[0], vectors[2], "bit for bit");
    }
}

async fn refuses_what_is_too_long(embedder: &dyn Embedder) {
    let words = |count: usize| "word ".repeat(count);
    let special = embedder.token_counter().special_tokens();
    let longest = words(TOKENS_MAX - special);
    assert_eq!(embedder.token_counter().count(&longest) + special, TOKENS_MAX);
    assert_eq!(embed(embedder, &[longest]).await.len(), 1);
    let texts = vec!["short".to_owned(), words(TOKENS_MAX - special + 1)];
    let error = embedder.embed(Purpose::Passage, texts).await.unwrap_err();
    assert!(matches!(error, EmbedError::TooLong { tokens: 513, tokens_max: TOKENS_MAX }), "{error:?}");
    assert_eq!(error.class(), Class::Invalid);
    assert!(error.to_string().contains("513") && error.to_string().contains("512"), "{error}");
}

async fn near_in_meaning_is_near(embedder: &dyn Embedder) {
    let texts = ["How is a backup made?", "Making a copy of the data for safety", "The recipe needs three eggs"];
    let vectors = embed(embedder, &texts.map(str::to_owned)).await;
    let (near, far) = (cairn::embed::cosine(&vectors[0], &vectors[1]), cairn::embed::cosine(&vectors[0], &vectors[2]));
    assert!(near > far + 0.2, "{near} and {far}");
}

async fn embed(embedder: &dyn Embedder, texts: &[String]) -> Vec<Vec<f32>> {
    embedder.embed(Purpose::Passage, texts.to_vec()).await.unwrap()
}

/// The same texts on every run.
fn any_texts() -> Vec<String> {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let text = "\\PC{0,60}";
    (0..20).map(|_| text.new_tree(&mut runner).unwrap().current()).collect()
}

#[tokio::test]
async fn a_prefix_is_part_of_what_is_embedded_and_of_the_fingerprint() {
    let bare = local();
    let prefixes = Prefixes { question: "query: ".into(), passage: String::new() };
    let prefixed = LocalEmbedder::start(&files(), prefixes, 1).unwrap();
    let text = || vec!["Where is the key?".to_owned()];
    let by_hand = bare.embed(Purpose::Question, vec!["query: Where is the key?".into()]).await.unwrap();
    assert_eq!(prefixed.embed(Purpose::Question, text()).await.unwrap(), by_hand);
    assert_eq!(prefixed.embed(Purpose::Passage, text()).await.unwrap(), embed(&bare, &text()).await);
    assert_ne!(prefixed.fingerprint(), bare.fingerprint());
}

#[tokio::test]
async fn an_endpoint_that_is_busy_is_busy_and_one_that_fails_is_unavailable() {
    for (fault, class) in [
        (Fault::Status(429), Class::Busy),
        (Fault::PlainStatus(429), Class::Busy),
        (Fault::Status(500), Class::Unavailable),
        (Fault::PlainStatus(502), Class::Unavailable),
        (Fault::Status(401), Class::Unavailable),
        (Fault::PlainStatus(403), Class::Unavailable),
        (Fault::Garbage, Class::Unavailable),
        (Fault::OtherJson, Class::Unavailable),
        (Fault::ShortVectors, Class::Unavailable),
        (Fault::OneMissing, Class::Unavailable),
    ] {
        let embedder = remote(fault).await;
        let texts = vec!["one".to_owned(), "two".to_owned()];
        let error = embedder.embed(Purpose::Passage, texts).await.unwrap_err();
        assert_eq!(error.class(), class, "{fault:?} gave {error:?}");
        assert!(!error.to_string().contains(BODY) && !format!("{error:?}").contains(BODY), "{error:?}");
        assert!(error.to_string().contains("http://127.0.0.1:"), "it says which endpoint: {error}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_there_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = remote_at(&format!("http://{address}/v1")).embed(Purpose::Question, vec!["one".into()]).await;
    let error = error.unwrap_err();
    assert_eq!(error.class(), Class::Unavailable);
    assert!(error.to_string().contains("can't be reached"), "{error}");
}

fn files() -> ModelFiles {
    let _sandbox = Sandbox::new(); // Says what is missing, if anything is.
    Runtime::load(&models_dir()).unwrap();
    ModelFiles::find(&models_dir(), MODEL).unwrap()
}

fn local() -> LocalEmbedder {
    LocalEmbedder::start(&files(), Prefixes::default(), 2).unwrap()
}

/// How an endpoint misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// An error in OpenAI's shape.
    Status(u16),
    /// An error as a proxy words it.
    PlainStatus(u16),
    /// Text where JSON should be.
    Garbage,
    /// JSON of another shape.
    OtherJson,
    ShortVectors,
    OneMissing,
}

/// An embedder that asks an endpoint, which asks the model in this process.
async fn remote(fault: Fault) -> RemoteEmbedder {
    remote_at(&endpoint(fault).await)
}

/// The address of an endpoint with the model `minilm`.
pub(crate) async fn endpoint(fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    let model = if fault == Fault::None { Some(Arc::new(local())) } else { None };
    let router = Router::new().route("/v1/embeddings", post(embeddings)).with_state((fault, model));
    #[expect(clippy::disallowed_methods, reason = "it ends with the test's own runtime")]
    tokio::spawn(async move { axum::serve(listener, router).await });
    base_url
}

fn remote_at(base_url: &str) -> RemoteEmbedder {
    let tokenizer = files().folder.join("tokenizer.json");
    let environment: Environment = [
        ("HOME", "/nonexistent"),
        ("CAIRN__EMBED__MODEL", "minilm"),
        ("CAIRN__EMBED__BASE_URL", base_url),
        ("CAIRN__EMBED__DIMENSIONS", "384"),
        ("CAIRN__EMBED__TOKENS_MAX", "512"),
        ("CAIRN__EMBED__TOKENIZER_FILE", tokenizer.to_str().unwrap()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let config = Config::from_layers(Some(&Sandbox::new().path("empty.toml")), &environment, &[]).unwrap();
    let EmbedPlace::Remote(remote) = config.embed.place else { panic!("an endpoint is configured") };
    RemoteEmbedder::new(&config.embed.model, Prefixes::default(), &remote).unwrap()
}

type Endpoint = (Fault, Option<Arc<LocalEmbedder>>);

async fn embeddings(State((fault, model)): State<Endpoint>, Json(request): Json<Value>) -> (StatusCode, String) {
    let status = |code: u16| StatusCode::from_u16(code).unwrap();
    let texts: Vec<String> = serde_json::from_value(request["input"].clone()).unwrap();
    let zeros = |count: usize, length: usize| listed(vec![vec![0.0; length]; count]);
    match fault {
        Fault::None => {
            assert_eq!(request["model"], "minilm");
            let vectors = model.unwrap().embed(Purpose::Passage, texts).await.unwrap();
            (StatusCode::OK, listed(vectors))
        }
        Fault::Status(code) => {
            (status(code), json!({ "error": { "message": BODY, "type": "some_error" } }).to_string())
        }
        Fault::PlainStatus(code) => (status(code), format!("<html>{BODY}</html>")),
        Fault::Garbage => (StatusCode::OK, BODY.to_owned()),
        Fault::OtherJson => (StatusCode::OK, json!({ "result": BODY }).to_string()),
        Fault::ShortVectors => (StatusCode::OK, zeros(texts.len(), 3)),
        Fault::OneMissing => (StatusCode::OK, zeros(texts.len() - 1, DIMENSIONS)),
    }
}

/// Last one first, as the protocol allows: the index says which text a vector is of.
fn listed(vectors: Vec<Vec<f32>>) -> String {
    let data: Vec<Value> = vectors
        .into_iter()
        .enumerate()
        .rev()
        .map(|(index, embedding)| json!({ "object": "embedding", "index": index, "embedding": embedding }))
        .collect();
    let usage = json!({ "prompt_tokens": 1, "total_tokens": 1 });
    json!({ "object": "list", "data": data, "model": "minilm", "usage": usage }).to_string()
}
