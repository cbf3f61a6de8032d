//! Cross-encoders in this process, through fastembed. As the embedding models do, each lives on a thread that owns it.
//!
//! Every pair of question and text is scored alone: padding a batch to its longest text costs more than batching saves on
//! a CPU, and between two texts a thread notices that nobody waits any more.

use std::sync::{Arc, Mutex, PoisonError};

use fastembed::{RerankInitOptionsUserDefined, TextRerank, UserDefinedRerankingModel};
use tokio::sync::{mpsc, oneshot};

use super::{MAILBOX_PER_THREAD, ModelFiles, Owners, announced, environment};
use crate::embed::{EmbedError, RerankError};

/// A question and its texts for one model thread.
struct Job {
    question: String,
    texts: Vec<String>,
    reply: oneshot::Sender<Result<Vec<f32>, RerankError>>,
}

/// A reranker whose models run in this process.
pub struct LocalReranker {
    jobs: mpsc::Sender<Job>,
    _owners: Owners, // Dropped after `jobs`.
}

impl LocalReranker {
    /// Loads the model once for each thread. Blocks until all are ready.
    pub fn start(files: &ModelFiles, threads: usize) -> Result<Self, EmbedError> {
        let mut owners = Owners::default(); // Before the sender, so that it goes after it.
        let (jobs, mailbox) = mpsc::channel(MAILBOX_PER_THREAD * threads);
        let mailbox = Arc::new(Mutex::new(mailbox));
        let (ready, started) = std::sync::mpsc::channel();
        for number in 0..threads {
            let (files, mailbox, ready) = (files.clone(), Arc::clone(&mailbox), ready.clone());
            let owner = std::thread::Builder::new()
                .name(format!("rerank-{number}"))
                .spawn(move || own_model(&files, &mailbox, ready))
                .map_err(|error| EmbedError::Unusable(format!("start a thread: {error}")))?;
            owners.0.push(owner);
        }
        drop(ready);
        for loaded in started {
            loaded?;
        }
        Ok(Self { jobs, _owners: owners })
    }

    /// A score for each text, in their order.
    pub(in crate::embed) async fn scores(&self, question: &str, texts: Vec<String>) -> Result<Vec<f32>, RerankError> {
        let gone = || RerankError::Model("the reranking threads are gone".into());
        let (reply, scores) = oneshot::channel();
        self.jobs.send(Job { question: question.to_owned(), texts, reply }).await.map_err(|_| gone())?;
        scores.await.map_err(|_| gone())?
    }
}

/// The whole life of one model thread: load, try it, say so, then serve until the reranker is gone.
fn own_model(
    files: &ModelFiles,
    mailbox: &Mutex<mpsc::Receiver<Job>>,
    ready: std::sync::mpsc::Sender<Result<(), EmbedError>>,
) {
    let loaded = load(files).and_then(|mut model| {
        score(&mut model, "ready?", "ready").map_err(|error| files.unusable(&error))?;
        Ok((model, ()))
    });
    let Some(mut model) = announced(loaded, ready) else { return };
    loop {
        let job = mailbox.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(Job { question, texts, reply }) = job else { return };
        let mut scores = Ok(Vec::with_capacity(texts.len()));
        for text in &texts {
            if reply.is_closed() {
                break; // The deadline has passed; spend nothing on scores that nobody reads.
            }
            scores = scores.and_then(|mut scores: Vec<f32>| {
                scores.push(score(&mut model, &question, text)?);
                Ok(scores)
            });
        }
        let _ = reply.send(scores);
    }
}

fn load(files: &ModelFiles) -> Result<TextRerank, EmbedError> {
    let tokens_max = files.tokens_max();
    let model = UserDefinedRerankingModel::new(files.folder.join("model.onnx"), files.tokenizer_files(tokens_max)?);
    let options = RerankInitOptionsUserDefined::new()
        .with_environment(environment()?)
        .with_max_length(tokens_max)
        .with_intra_threads(1);
    TextRerank::try_new_from_user_defined(model, options).map_err(|error| files.unusable(&error))
}

fn score(model: &mut TextRerank, question: &str, text: &str) -> Result<f32, RerankError> {
    let scored = model.rerank(question, [text], false, Some(1));
    let scored = scored.map_err(|error| RerankError::Model(error.to_string()))?;
    let score = scored.first().map(|result| result.score).filter(|score| score.is_finite());
    score.ok_or_else(|| RerankError::Model("the model gave no score".into()))
}

/// The cross-encoders that can be fetched: the name of the folder, and the hub's.
pub fn catalogue() -> Vec<(String, String)> {
    TextRerank::list_supported_models()
        .into_iter()
        .map(|info| (folder_name(&info.model_code), info.model_code))
        .collect()
}

/// What is to be fetched for a cross-encoder of this name, in any case. None: it is none.
pub(super) fn known(name: &str) -> Option<super::Fetched> {
    let of = |code: &str| code.eq_ignore_ascii_case(name) || folder_name(code).eq_ignore_ascii_case(name);
    let info = TextRerank::list_supported_models().into_iter().find(|info| of(&info.model_code))?;
    Some(super::Fetched {
        name: folder_name(&info.model_code),
        hub: info.model_code,
        model_file: info.model_file,
        beside: info.additional_files,
    })
}

/// The hub's name without its owner, so that it can be a folder.
fn folder_name(code: &str) -> String {
    code.rsplit('/').next().unwrap_or(code).to_owned()
}
