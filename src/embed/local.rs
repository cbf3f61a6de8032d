//! Dense vectors by an ONNX model in this process, through fastembed.
//!
//! Each model lives on a thread that owns it; a bounded mailbox feeds them. Every text is embedded alone: padding a
//! batch to its longest text costs more than batching saves on a CPU, and an int8 model's vector depends on what else
//! is in its batch, while here the same text always gives the same vector.

mod cross;
mod rerank;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
pub use cross::{CrossEncoder, CrossReading};
use fastembed::{
    EmbeddingModel, InitOptionsUserDefined, Pooling, QuantizationMode, TextEmbedding, TokenizerFiles,
    UserDefinedEmbeddingModel,
};
use ort::environment::Environment;
pub use rerank::{LocalReranker, catalogue as rerankers};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use super::{EmbedError, Embedder, Prefixes, Purpose, TokenCounter};
use crate::document::sha256;

/// Oldest ONNX Runtime that fastembed 7.5 works with, and the one that `scripts/fetch` brings.
const RUNTIME_FETCHED: &str = "1.31.1";
/// Longest text of a model whose files don't say.
const TOKENS_MAX_DEFAULT: usize = 512;
/// Texts that wait for each model thread: enough to keep it busy, few enough that a question is soon served.
const MAILBOX_PER_THREAD: usize = 2;
const HOW_TO_GET: &str =
    "run `scripts/fetch`, or set CAIRN__MODELS__DIR to a folder that holds it (`cairn doctor` says more)";

/// ONNX Runtime's environment, of which a process has one; sessions of fastembed's and ours share it. Never freed, so that
/// no session outlives it.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// ONNX Runtime, loaded into this process.
#[derive(Debug, Clone)]
pub struct Runtime {
    pub library: PathBuf,
    /// For sessions beside ours.
    pub environment: Environment,
}

impl Runtime {
    /// Loads the newest `onnxruntime/libonnxruntime.so.*` below the models folder. It stays for the process's life.
    pub fn load(models_dir: &Path) -> Result<Self, EmbedError> {
        let folder = models_dir.join("onnxruntime");
        let library = newest_library(&folder).ok_or_else(|| {
            let wanted = folder.join(format!("libonnxruntime.so.{RUNTIME_FETCHED}"));
            EmbedError::Unusable(format!("ONNX Runtime is missing ({}): {HOW_TO_GET}", wanted.display()))
        })?;
        if !is_whole(&library) {
            let library = library.display();
            return Err(EmbedError::Unusable(format!(
                "ONNX Runtime can't be used: {library} is incomplete: {HOW_TO_GET}"
            )));
        }
        // fastembed panics on a library that is missing or too old; asked here first, it is an error.
        let unusable = |error: &dyn std::fmt::Display| {
            EmbedError::Unusable(format!("ONNX Runtime can't be used: {error}; it must be 1.24 or newer: {HOW_TO_GET}"))
        };
        let mut known = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
        let environment = match known.as_ref() {
            Some(environment) => environment.clone(),
            None => {
                let builder = ort::init_from(&library).map_err(|error| unusable(&error))?;
                builder.with_telemetry(false).build().map_err(|error| unusable(&error))?
            }
        };
        *known = Some(environment.clone());
        Ok(Self { library, environment })
    }
}

/// The environment of the runtime that is loaded.
fn environment() -> Result<Environment, EmbedError> {
    let environment = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner).clone();
    environment.ok_or_else(|| EmbedError::Unusable("ONNX Runtime is not loaded".into()))
}

/// Whether the file is as long as its ELF header says: loading one that was copied by half would kill the process.
fn is_whole(library: &Path) -> bool {
    let read = || -> std::io::Result<(u64, [u8; 64])> {
        let mut file = fs::File::open(library)?;
        let mut header = [0; 64];
        file.read_exact(&mut header)?;
        Ok((file.metadata()?.len(), header))
    };
    let Ok((length, header)) = read() else { return false };
    let number = |at: usize, bytes: usize| {
        header.iter().skip(at).take(bytes).rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte))
    };
    // e_shoff, e_shentsize and e_shnum of a 64-bit little-endian file: the section headers are its last bytes.
    let end = number(0x28, 8).checked_add(number(0x3a, 2) * number(0x3c, 2));
    header.starts_with(b"\x7fELF\x02\x01") && end.is_some_and(|end| end <= length)
}

fn newest_library(folder: &Path) -> Option<PathBuf> {
    let version = |path: &PathBuf| -> Vec<u32> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.split('.').filter_map(|part| part.parse().ok()).collect()
    };
    fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libonnxruntime.so")))
        .max_by_key(version)
}

/// The files of one model: `model.onnx` and `tokenizer.json`, and what else lies beside them.
#[derive(Debug, Clone)]
pub struct ModelFiles {
    pub name: String,
    pub folder: PathBuf,
    /// What the model is for, in errors.
    what: &'static str,
}

impl ModelFiles {
    /// `model` is a folder, or a name below the models folder, as fastembed spells it (in any case).
    pub fn find(models_dir: &Path, model: &str) -> Result<Self, EmbedError> {
        let name = EmbeddingModel::from_str(model).map_or_else(|_| model.to_owned(), |known| known.to_string());
        Self::named(models_dir, model, name, "embedding")
    }

    /// The same for a cross-encoder.
    pub fn find_reranker(models_dir: &Path, model: &str) -> Result<Self, EmbedError> {
        Self::named(models_dir, model, model.to_owned(), "reranking")
    }

    fn named(models_dir: &Path, model: &str, name: String, what: &'static str) -> Result<Self, EmbedError> {
        let folder = if model.contains('/') { PathBuf::from(model) } else { models_dir.join(&name) };
        for file in ["model.onnx", "tokenizer.json"] {
            let path = folder.join(file);
            if !path.is_file() {
                return Err(EmbedError::Unusable(format!(
                    "the {what} model {name} is missing ({}): {HOW_TO_GET}; `cairn models fetch {name}` asks the \
                     Hugging Face hub",
                    path.display()
                )));
            }
        }
        Ok(Self { name, folder, what })
    }

    /// SHA-256 of `model.onnx`, in hexadecimal.
    pub fn sha256(&self) -> Result<String, EmbedError> {
        Ok(sha256(&self.read("model.onnx")?))
    }

    fn read(&self, file: &str) -> Result<Vec<u8>, EmbedError> {
        let path = self.folder.join(file);
        fs::read(&path).map_err(|error| EmbedError::Unusable(format!("read {}: {error}", path.display())))
    }

    /// A JSON file that some models come without.
    fn json(&self, file: &str) -> Value {
        self.read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null)
    }

    fn tokens_max(&self) -> usize {
        let small = |value: &Value| value.as_f64().filter(|max| *max > 0.0 && *max < 1e6);
        let tokenizer = small(&self.json("tokenizer_config.json")["model_max_length"]);
        let positions = small(&self.json("config.json")["max_position_embeddings"]);
        let least = [tokenizer, positions].into_iter().flatten().fold(f64::INFINITY, f64::min);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive and below a million")]
        if least.is_finite() { least as usize } else { TOKENS_MAX_DEFAULT }
    }

    /// How token vectors become one: as fastembed knows it for its models, else as the folder's own
    /// `1_Pooling/config.json` says, else the mean.
    fn pooling(&self) -> Pooling {
        if let Some(pooling) =
            EmbeddingModel::from_str(&self.name).ok().and_then(|m| TextEmbedding::get_default_pooling_method(&m))
        {
            return pooling;
        }
        match self.json("1_Pooling/config.json")["pooling_mode_cls_token"].as_bool() {
            Some(true) => Pooling::Cls,
            Some(false) | None => Pooling::Mean,
        }
    }

    fn tokenizer_files(&self, tokens_max: usize) -> Result<TokenizerFiles, EmbedError> {
        let or_default = |file: &str, default: Value| {
            let found = self.json(file);
            if found.is_null() { default } else { found }.to_string().into_bytes()
        };
        Ok(TokenizerFiles {
            tokenizer_file: self.read("tokenizer.json")?,
            config_file: or_default("config.json", json!({ "pad_token_id": 0 })),
            special_tokens_map_file: or_default("special_tokens_map.json", json!({})),
            tokenizer_config_file: or_default(
                "tokenizer_config.json",
                json!({ "model_max_length": tokens_max, "pad_token": "[PAD]" }),
            ),
        })
    }

    fn load(&self, tokens_max: usize) -> Result<TextEmbedding, EmbedError> {
        let tokenizer_files = self.tokenizer_files(tokens_max)?;
        let mut model = UserDefinedEmbeddingModel::new(self.read("model.onnx")?, tokenizer_files)
            .with_pooling(self.pooling())
            .with_quantization(QuantizationMode::None);
        for (name, bytes) in self.external_data()? {
            model = model.with_external_initializer(name, bytes);
        }
        let options = InitOptionsUserDefined::new()
            .with_environment(environment()?)
            .with_max_length(tokens_max)
            .with_intra_threads(1);
        TextEmbedding::try_new_from_user_defined(model, options).map_err(|error| self.unusable(&error))
    }

    fn unusable(&self, error: &dyn std::fmt::Display) -> EmbedError {
        EmbedError::Unusable(format!("load the {} model {}: {error}: {HOW_TO_GET}", self.what, self.name))
    }

    /// Weights that lie beside `model.onnx`, as large models have them.
    fn external_data(&self) -> Result<Vec<(String, Vec<u8>)>, EmbedError> {
        let unreadable = |error| EmbedError::Unusable(format!("read {}: {error}", self.folder.display()));
        let mut data = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(unreadable)? {
            let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".onnx_data") || name.ends_with(".onnx.data") {
                let bytes = self.read(&name)?;
                data.push((name, bytes));
            }
        }
        Ok(data)
    }
}

/// One text for one model thread.
struct Job {
    text: String,
    reply: oneshot::Sender<Result<Vec<f32>, EmbedError>>,
}

/// Threads that own models, waited for when it is dropped: a process that ends while a model is being freed crashes in the
/// model's runtime. Drop it after the sender that they wait for.
#[derive(Default)]
struct Owners(Vec<JoinHandle<()>>);

impl Drop for Owners {
    fn drop(&mut self) {
        for owner in self.0.drain(..) {
            let _ = owner.join(); // What it panicked about has been said.
        }
    }
}

/// An embedder whose models run in this process.
pub struct LocalEmbedder {
    jobs: mpsc::Sender<Job>,
    _owners: Owners, // Dropped after `jobs`.
    prefixes: Prefixes,
    token_counter: TokenCounter,
    tokens_max: usize,
    dimensions: usize,
    fingerprint: String,
}

impl LocalEmbedder {
    /// Loads the model once for each thread. Blocks for about a tenth of a second.
    pub fn start(files: &ModelFiles, prefixes: Prefixes, threads: usize) -> Result<Self, EmbedError> {
        let token_counter =
            TokenCounter::load(&files.folder.join("tokenizer.json")).map_err(|error| files.unusable(&error))?;
        let tokens_max = files.tokens_max();
        let fingerprint = format!(
            "{} sha256:{} prefixes:{:?},{:?}",
            files.name,
            files.sha256()?,
            prefixes.question,
            prefixes.passage
        );
        // Each text is tokenised alone, on its model's thread; more threads would only take turns.
        tokenizers::utils::parallelism::set_parallelism(false);
        let mut owners = Owners::default(); // Before the sender, so that it goes after it.
        let (jobs, mailbox) = mpsc::channel(MAILBOX_PER_THREAD * threads);
        let mailbox = Arc::new(Mutex::new(mailbox));
        let (ready, started) = std::sync::mpsc::channel();
        for number in 0..threads {
            let (files, mailbox, ready) = (files.clone(), Arc::clone(&mailbox), ready.clone());
            let owner = std::thread::Builder::new()
                .name(format!("embed-{number}"))
                .spawn(move || own_model(&files, tokens_max, &mailbox, ready))
                .map_err(|error| EmbedError::Unusable(format!("start a thread: {error}")))?;
            owners.0.push(owner);
        }
        drop(ready);
        let mut dimensions = 0;
        for loaded in started {
            dimensions = loaded?;
        }
        Ok(Self { jobs, _owners: owners, prefixes, token_counter, tokens_max, dimensions, fingerprint })
    }
}

/// Says how loading a model went, and gives the model. Takes the sender, since whoever waits for all threads waits until the
/// last one is gone.
fn announced<M, T>(
    loaded: Result<(M, T), EmbedError>,
    ready: std::sync::mpsc::Sender<Result<T, EmbedError>>,
) -> Option<M> {
    let (model, said) = match loaded {
        Ok((model, what)) => (Some(model), Ok(what)),
        Err(error) => (None, Err(error)),
    };
    let _ = ready.send(said); // Nobody waits any more: the others have failed.
    drop(ready);
    model
}

/// The whole life of one model thread: load, say so, then serve until the embedder is gone.
fn own_model(
    files: &ModelFiles,
    tokens_max: usize,
    mailbox: &Mutex<mpsc::Receiver<Job>>,
    ready: std::sync::mpsc::Sender<Result<usize, EmbedError>>,
) {
    let loaded = files.load(tokens_max).and_then(|mut model| {
        let dimensions = embed_one(&mut model, "ready")?.len();
        Ok((model, dimensions))
    });
    let Some(mut model) = announced(loaded, ready) else { return };
    loop {
        let job = mailbox.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
        let Some(job) = job else { return };
        if job.reply.is_closed() {
            continue; // The caller gave up; spend nothing on a vector that nobody reads.
        }
        let _ = job.reply.send(embed_one(&mut model, &job.text));
    }
}

/// Tokens that the model does not get to see, because its own tokenizer leaves them out. Zero, unless chunks are cut by
/// another tokenizer than the model's.
fn tokens_cut(model: &TextEmbedding, text: &str) -> u64 {
    let encoded = model.tokenizer.encode_fast(text, true);
    encoded.map_or(0, |tokens| tokens.get_overflowing().iter().map(|rest| rest.len() as u64).sum())
}

fn embed_one(model: &mut TextEmbedding, text: &str) -> Result<Vec<f32>, EmbedError> {
    metrics::counter!("cairn_embedding_tokens_cut_total").increment(tokens_cut(model, text));
    let vector = model
        .embed([text], None)
        .map_err(|error| EmbedError::Model(error.to_string()))?
        .pop()
        .ok_or_else(|| EmbedError::Model("the model gave no vector".into()))?;
    if vector.iter().all(|x| x.is_finite()) {
        Ok(vector)
    } else {
        Err(EmbedError::Model("the model gave a vector that is not finite".into()))
    }
}

#[async_trait]
impl Embedder for LocalEmbedder {
    async fn embed(&self, purpose: Purpose, texts: Vec<String>) -> Result<Vec<Vec<f32>>, EmbedError> {
        let gone = || EmbedError::Model("the embedding threads are gone".into());
        let mut replies = Vec::with_capacity(texts.len());
        for text in texts {
            let text = format!("{}{text}", self.prefixes.of(purpose));
            let tokens = self.token_counter.count(&text) + self.token_counter.special_tokens();
            if tokens > self.tokens_max {
                return Err(EmbedError::TooLong { tokens, tokens_max: self.tokens_max });
            }
            let (reply, vector) = oneshot::channel();
            self.jobs.send(Job { text, reply }).await.map_err(|_| gone())?;
            replies.push(vector);
        }
        let mut vectors = Vec::with_capacity(replies.len());
        for reply in replies {
            vectors.push(reply.await.map_err(|_| gone())??);
        }
        Ok(vectors)
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn tokens_max(&self) -> usize {
        self.tokens_max
    }

    fn token_counter(&self) -> &TokenCounter {
        &self.token_counter
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// The models that [`fetch`] can bring: fastembed's name, the hub's, the vector length.
pub fn catalogue() -> Vec<(String, String, usize)> {
    TextEmbedding::list_supported_models()
        .into_iter()
        .map(|info| (info.model.to_string(), info.model_code, info.dim))
        .collect()
}

/// What is to be brought from the hub for a model.
struct Fetched {
    /// Of its folder.
    name: String,
    hub: String,
    model_file: String,
    beside: Vec<String>,
}

fn known(model: &str) -> Option<Fetched> {
    let Ok(embedding) = EmbeddingModel::from_str(model) else { return rerank::known(model) };
    let info = TextEmbedding::get_model_info(&embedding).ok()?;
    Some(Fetched {
        name: embedding.to_string(),
        hub: info.model_code.clone(),
        model_file: info.model_file.clone(),
        beside: info.additional_files.clone(),
    })
}

/// Brings one of fastembed's models from the Hugging Face hub into the models folder, whole or not at all.
pub fn fetch(models_dir: &Path, model: &str) -> Result<ModelFiles, EmbedError> {
    let failed = |what: &str, error: &dyn std::fmt::Display| EmbedError::Unusable(format!("{what}: {error}"));
    let Fetched { name, hub: code, model_file, beside } = known(model).ok_or_else(|| {
        EmbedError::Unusable(format!("{model:?} is none of fastembed's models: `cairn models list` prints them"))
    })?;
    let staging = models_dir.join(format!(".{name}.part"));
    let hub = hf_hub::api::sync::ApiBuilder::from_env()
        .with_cache_dir(staging.join("hub"))
        .with_progress(true)
        .build()
        .map_err(|error| failed("reach the Hugging Face hub", &error))?
        .model(code.clone());
    let required = [(model_file.as_str(), "model.onnx"), ("tokenizer.json", "tokenizer.json")];
    let beside = beside.iter().map(|file| (file.as_str(), base_name(file)));
    for (file, name) in required.into_iter().chain(beside) {
        let path = hub.get(file).map_err(|error| failed(&format!("fetch {code}/{file}"), &error))?;
        fs::copy(path, staging.join(name)).map_err(|error| failed("store the model", &error))?;
    }
    for file in ["config.json", "tokenizer_config.json", "special_tokens_map.json"] {
        if let Ok(path) = hub.get(file) {
            fs::copy(path, staging.join(file)).map_err(|error| failed("store the model", &error))?;
        }
    }
    let folder = models_dir.join(&name);
    let replaced = |error: std::io::Error| failed("store the model", &error);
    fs::remove_dir_all(staging.join("hub")).map_err(replaced)?;
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(replaced)?;
    }
    fs::rename(&staging, &folder).map_err(replaced)?;
    ModelFiles::find(models_dir, &name)
}

fn base_name(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}
