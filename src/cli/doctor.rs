//! `cairn doctor`: what is there, what is missing, and how to get it. Looks only; changes nothing.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use crate::chat::ChatClient;
use crate::config::{Config, EmbedPlace, RerankPlace};
use crate::embed::{CrossEncoder, LocalEmbedder, LocalReranker, ModelFiles, Prefixes, Runtime};
use crate::store::QdrantStore;
use crate::tasks::blocking;

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One thing that cairn needs or may use.
#[derive(Debug, Serialize)]
struct Check {
    what: &'static str,
    state: State,
    detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// Works without it.
    Note,
    Missing,
}

pub(super) async fn run(args: DoctorArgs, config: Config) -> anyhow::Result<ExitCode> {
    let mut checks = Vec::new();
    let models = config.clone();
    checks.extend(blocking(move || models_checks(&models)).await?);
    let models = config.clone();
    checks.extend(blocking(move || rerank_check(&models)).await?);
    let models = config.clone();
    checks.push(blocking(move || cross_check(&models)).await?);
    checks.push(data_check(&config));
    if let Some(server) = &config.store.server {
        checks.push(check("Qdrant server", QdrantStore::look(server).await));
    }
    checks.push(chat_check(&config).await);
    if args.json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&checks)?)?;
    } else {
        for check in &checks {
            let mark = match check.state {
                State::Ok => "ok     ",
                State::Note => "note   ",
                State::Missing => "MISSING",
            };
            writeln!(io::stdout(), "{mark}  {:<16}  {}", check.what, check.detail)?;
        }
    }
    let complete = checks.iter().all(|check| check.state != State::Missing);
    Ok(if complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn models_checks(config: &Config) -> Vec<Check> {
    match &config.embed.place {
        EmbedPlace::Remote(remote) => vec![Check {
            what: "embedding model",
            state: State::Note,
            detail: format!("{} at {}, asked when documents come", config.embed.model, remote.base_url),
        }],
        EmbedPlace::Local { threads } => {
            let runtime = Runtime::load(&config.models_dir).map(|runtime| runtime.library.display().to_string());
            let model = ModelFiles::find(&config.models_dir, &config.embed.model).and_then(|files| {
                if runtime.is_ok() {
                    LocalEmbedder::start(&files, Prefixes::default(), 1)?; // Only loading it shows that it is whole.
                }
                let sha256 = files.sha256()?;
                Ok(format!("{} in {}, {threads} threads, sha256 {sha256}", files.name, files.folder.display()))
            });
            vec![check("ONNX Runtime", runtime), check("embedding model", model)]
        }
    }
}

/// Nothing where none is configured.
fn rerank_check(config: &Config) -> Option<Check> {
    const WHAT: &str = "reranker";
    let place = &config.rerank.as_ref()?.place;
    Some(match place {
        RerankPlace::Remote(endpoint) => {
            let detail = format!("at {}, asked when questions come", endpoint.base_url);
            Check { what: WHAT, state: State::Note, detail }
        }
        RerankPlace::Local { model, threads } => {
            let found = Runtime::load(&config.models_dir)
                .and_then(|_| ModelFiles::find_reranker(&config.models_dir, model))
                .and_then(|files| LocalReranker::start(&files, 1).map(|_| files));
            check(WHAT, found.map(|files| format!("{} in {}, {threads} threads", files.name, files.folder.display())))
        }
    })
}

/// Answers are checked without it too.
fn cross_check(config: &Config) -> Check {
    const WHAT: &str = "cross-encoder";
    if !config.ground.contradiction {
        return Check { what: WHAT, state: State::Note, detail: "switched off (ground.contradiction)".into() };
    }
    match Runtime::load(&config.models_dir).and_then(|_| CrossEncoder::start(1)) {
        Ok(model) => Check { what: WHAT, state: State::Ok, detail: format!("{}, built in", model.fingerprint()) },
        Err(error) => {
            let detail = format!("sentences are checked by words and rules alone: {error}");
            Check { what: WHAT, state: State::Note, detail }
        }
    }
}

fn check(what: &'static str, found: Result<String, impl std::fmt::Display>) -> Check {
    match found {
        Ok(detail) => Check { what, state: State::Ok, detail },
        Err(error) => Check { what, state: State::Missing, detail: error.to_string() },
    }
}

fn data_check(config: &Config) -> Check {
    let dir = config.data_dir.display();
    let (state, detail) = if config.store.server.is_some() {
        (State::Ok, format!("{dir}, with the ledger; the index is on the server"))
    } else if config.data_dir.join("index").exists() {
        (State::Ok, format!("{dir}"))
    } else {
        (State::Note, format!("{dir} has no index yet: `cairn ingest PATH` makes one"))
    };
    Check { what: "data folder", state, detail }
}

async fn chat_check(config: &Config) -> Check {
    const WHAT: &str = "chat endpoint";
    let Some(chat) = config.chat.clone() else {
        let detail = "none set, so answers are quotations (chat.base_url or CAIRN__CHAT__BASE_URL sets one)";
        return Check { what: WHAT, state: State::Note, detail: detail.into() };
    };
    let base_url = chat.base_url.clone();
    let asked = async { ChatClient::new(chat)?.model().await.map(str::to_owned) };
    check(WHAT, asked.await.map(|model| format!("{base_url}, model {model}")))
}
