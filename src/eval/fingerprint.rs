//! What a run measured: hashes of all that its figures depend on.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::Context;
use sha2::{Digest, Sha256};

use super::index::Index;
use super::record::Fingerprint;
use super::suite::Suite;
use crate::chat::ChatClient;
use crate::config::Config;
use crate::document::sha256;
use crate::tasks::blocking;

/// Bytes of a program that are read at once.
const BUFFER_BYTES: usize = 1 << 20;

/// Of this run. `chat` names the mode; `recording` is the text of the recorded answers.
pub(super) async fn of(
    suite: &Suite,
    index: &Index,
    (chat, recording): (&str, Option<&str>),
) -> anyhow::Result<Fingerprint> {
    let config = &index.app.config;
    let program = config.program.clone();
    let answerer = &index.app.answerer;
    let prompt = answerer.prompt.messages("question", &[], &[])?;
    let chat_model = match &answerer.chat {
        Some(client) => Some(client.model().await?.to_owned()),
        None => None,
    };
    Ok(Fingerprint {
        suite: suite.sha256.clone(),
        documents: index.sha256.clone(),
        config: sha256(settings(config, answerer.chat.as_ref()).as_bytes()),
        prompt: sha256(serde_json::to_string(&prompt)?.as_bytes()),
        index: index.app.fingerprint.clone(),
        scorer: sha256(answerer.scorer.fingerprint().as_bytes()),
        chat: chat.to_owned(),
        chat_model,
        recording: recording.map(|text| sha256(text.as_bytes())),
        perturbation: None,
        cairn_version: env!("CARGO_PKG_VERSION").to_owned(),
        build: blocking(move || of_file(&program)).await?.context("read this program's own file")?,
    })
}

/// The settings that an answer depends on: no folders, no keys, no addresses.
fn settings(config: &Config, chat: Option<&ChatClient>) -> String {
    let sampling =
        config.chat.as_ref().filter(|_| chat.is_some()).map(|chat| (chat.temperature, chat.answer_tokens_max));
    let chunks = (config.ingest.chunk_tokens_max, config.ingest.heading_tokens_max);
    format!("{:?}\n{:?}\n{chunks:?}\n{sampling:?}", config.retrieval, config.answer)
}

fn of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; BUFFER_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            read => hash.update(buffer.get(..read).unwrap_or_default()),
        }
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
