//! The one place that picks implementations and wires the parts.

mod data_dir;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
pub use data_dir::{DataDir, DataDirError, Serving};
use tracing::warn;

use crate::answer::{
    AnswerError, Answerer, Condenser, Joiner, Originals, Policy, Prompt, PromptError, Rerank, Verifier,
};
use crate::chat::judge::ChatJudge;
use crate::chat::{ChatClient, ChatError};
use crate::config::{self, Config, Embed, EmbedPlace, RerankPlace, Unsupported};
use crate::document::{CollectionName, DocumentId, Version};
use crate::embed::{
    CrossEncoder, CrossReading, EmbedError, Embedder, LocalEmbedder, LocalReranker, ModelFiles, Prefixes,
    RemoteEmbedder, RemoteReranker, RerankError, Reranker, Runtime, SparseEmbedder,
};
use crate::ground::{ModelError, Opinion, Scorer, SecondReader};
use crate::ingest::bring::Bringer;
use crate::ingest::budget::Budget;
use crate::ingest::cached::CachedEmbedder;
use crate::ingest::chunk::{ChunkLimits, Chunker};
use crate::ingest::queue::Queue;
use crate::ingest::reader::Reader;
use crate::ingest::source::SourceLimits;
use crate::ingest::uploads::Uploads;
use crate::ingest::worker::{Worker, WorkerLimits};
use crate::ingest::{self, Indexer, texts};
use crate::ledger::{Ledger, LedgerError, Vectors};
use crate::store::{EdgeStore, QdrantStore, StoreError, VectorStore};
use crate::tasks::{Panicked, blocking};

/// In the models folder: the library that decodes PDF files.
pub const PDFIUM: &str = "pdfium/libpdfium.so";

/// The parts of a running cairn, and the lock that makes the data folder theirs.
pub struct App {
    pub config: Config,
    pub answerer: Arc<Answerer>,
    pub indexer: Arc<Indexer>,
    pub queue: Arc<Queue>,
    pub bringer: Arc<Bringer>,
    pub worker: Worker,
    pub store: Arc<dyn VectorStore>,
    pub ledger: Ledger,
    pub data_dir: DataDir,
    /// What the index was made by: vectors of another one can't be compared with its.
    pub fingerprint: String,
}

/// Why the parts can't be wired.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    Rerank(#[from] RerankError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Chat(#[from] ChatError),
    #[error(transparent)]
    Prompt(#[from] PromptError),
    #[error(transparent)]
    Scorer(#[from] ModelError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error("open the Qdrant store: no server is named; set store.url, or give --url")]
    NoServer,
}

impl App {
    /// Opens everything in `config.data_dir`, which is this process's until the app is dropped.
    pub async fn open(config: Config) -> Result<Self, AppError> {
        let data_dir = DataDir::lock(&config.data_dir)?;
        Self::wire(config, data_dir, |_| Ok(())).await
    }

    /// The same with an index begun anew. Gives where the old one is now; it is touched only once all else is ready.
    pub async fn open_rebuilt(config: Config) -> Result<(Self, Option<PathBuf>), AppError> {
        let data_dir = DataDir::lock(&config.data_dir)?;
        let mut aside = None;
        let app = Self::wire(config, data_dir, |data_dir| {
            aside = data_dir.set_index_aside()?;
            Ok(())
        });
        let app = app.await?;
        Ok((app, aside))
    }

    async fn wire(
        config: Config,
        data_dir: DataDir,
        before_index: impl FnOnce(&DataDir) -> Result<(), DataDirError>,
    ) -> Result<Self, AppError> {
        let embedder = embedder(&config).await?;
        let limits = chunk_limits(&config, embedder.as_ref());
        let fingerprint = ingest::fingerprint(embedder.as_ref(), limits);
        let ledger = Ledger::open(&data_dir.ledger()).await?;
        let chat = config.chat.clone().map(ChatClient::new).transpose()?;
        let prompt = Prompt::load(config.chat.as_ref().and_then(|chat| chat.prompt_file.as_deref()))?;
        before_index(&data_dir)?;
        let kind = if config.store.server.is_some() { StoreKind::Qdrant } else { StoreKind::Edge };
        let store = store(kind, &config.store, &data_dir, &fingerprint, embedder.dimensions()).await?;
        let sparse = Arc::new(SparseEmbedder::new());
        let indexer = Indexer {
            embedder: remembering(Arc::clone(&embedder), &data_dir, &config).await?,
            sparse: Arc::clone(&sparse),
            store: Arc::clone(&store),
            ledger: ledger.clone(),
            chunker: Arc::new(Chunker::new(embedder.token_counter().clone(), limits)),
            uploads: Arc::new(Uploads::new(data_dir.uploads())),
            source_limits: SourceLimits { file_bytes_max: config.ingest.file_bytes_max.as_u64() },
            reader: Arc::new(reader(&config, config.extract.processes)),
            budget: Budget::new(config.ingest.bytes_in_flight_max.as_u64()),
            extraction: texts::extraction(&config.extract),
            chunks_per_batch: config.ingest.chunks_per_batch,
        };
        let originals: Arc<dyn Originals> = Arc::new(KeptTexts(ledger.clone()));
        let answerer = Arc::new(Answerer {
            embedder,
            sparse,
            store: Arc::clone(&store),
            chat,
            prompt,
            rerank: rerank(&config).await?,
            joiner: Joiner::new(Arc::clone(&originals)),
            condenser: Condenser::new(&config.conversations).map_err(PromptError::from)?,
            retrieval: config.retrieval.clone(),
            limits: config.answer.clone(),
            scorer: Arc::new(scorer(&config).await?),
            judge: config.ground.judge.as_ref().map(ChatJudge::new).transpose()?,
            verifier: Verifier::new(originals),
            policy: policy(config.answer.unsupported, config.answer.supported_share_min),
            policies: policies(&config),
        });
        let indexer = Arc::new(indexer);
        let queue = Arc::new(Queue::new(Arc::clone(&indexer)));
        let worker = Worker { queue: Arc::clone(&queue), limits: worker_limits(&config.ingest) };
        let bringer = Arc::new(Bringer::new(Arc::clone(&queue), &config));
        Ok(Self { config, answerer, indexer, queue, bringer, worker, store, ledger, data_dir, fingerprint })
    }
}

/// The two stores that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreKind {
    /// In this process, in the data folder.
    Edge,
    /// On the server that `store.url` names.
    Qdrant,
}

/// Both stores of one data folder, for moving what one holds into the other, and the lock of the folder.
pub struct BothStores {
    pub edge: Arc<dyn VectorStore>,
    pub qdrant: Arc<dyn VectorStore>,
    pub ledger: Ledger,
    pub data_dir: DataDir,
}

impl BothStores {
    /// Opens both as the configured embedder's; one that is not there is made, empty.
    pub async fn open(mut config: Config) -> Result<Self, AppError> {
        let data_dir = DataDir::lock(&config.data_dir)?;
        match &mut config.embed.place {
            EmbedPlace::Local { threads } => *threads = 1, // It is only asked who it is.
            EmbedPlace::Remote(_) => {}
        }
        let embedder = embedder(&config).await?;
        let fingerprint = ingest::fingerprint(embedder.as_ref(), chunk_limits(&config, embedder.as_ref()));
        let ledger = Ledger::open(&data_dir.ledger()).await?;
        let open = |kind| store(kind, &config.store, &data_dir, &fingerprint, embedder.dimensions());
        let (edge, qdrant) = (open(StoreKind::Edge).await?, open(StoreKind::Qdrant).await?);
        Ok(Self { edge, qdrant, ledger, data_dir })
    }
}

/// A store of this kind, as it is configured.
async fn store(
    kind: StoreKind,
    config: &config::Store,
    data_dir: &DataDir,
    fingerprint: &str,
    dimensions: usize,
) -> Result<Arc<dyn VectorStore>, AppError> {
    Ok(match (kind, &config.server) {
        (StoreKind::Edge, _) => Arc::new(EdgeStore::open(&data_dir.index(), fingerprint, dimensions, config).await?),
        (StoreKind::Qdrant, Some(server)) => {
            Arc::new(QdrantStore::open(server, fingerprint, dimensions, config).await?)
        }
        (StoreKind::Qdrant, None) => return Err(AppError::NoServer),
    })
}

/// The embedder with the data folder's cache of vectors before it, unless that shall hold nothing.
async fn remembering(
    embedder: Arc<dyn Embedder>,
    data_dir: &DataDir,
    config: &Config,
) -> Result<Arc<dyn Embedder>, AppError> {
    let bytes_max = config.embed.cache_bytes_max.as_u64();
    if bytes_max == 0 {
        return Ok(embedder);
    }
    let vectors = Vectors::open(&data_dir.vectors(), bytes_max, embedder.dimensions()).await?;
    Ok(Arc::new(CachedEmbedder::new(embedder, vectors)))
}

/// Reads files as ingestion does, so many at once.
pub fn reader(config: &Config, at_once: usize) -> Reader {
    Reader::new(config.program.clone(), config.models_dir.join(PDFIUM), config.extract.clone(), at_once)
}

fn policy(unsupported: Unsupported, supported_share_min: f64) -> Policy {
    match unsupported {
        Unsupported::Annotate => Policy::Annotate,
        Unsupported::Retract => Policy::Retract,
        Unsupported::Block => Policy::Block { supported_share_min },
    }
}

fn policies(config: &Config) -> BTreeMap<CollectionName, Policy> {
    let of = |collection: &config::Collection| {
        policy(
            collection.unsupported.unwrap_or(config.answer.unsupported),
            collection.supported_share_min.unwrap_or(config.answer.supported_share_min),
        )
    };
    config.collections.iter().map(|(name, collection)| (name.clone(), of(collection))).collect()
}

/// The ledger's texts, for answers, which know nothing of ledgers.
struct KeptTexts(Ledger);

#[async_trait]
impl Originals for KeptTexts {
    async fn text(&self, document: DocumentId, version: Version) -> Result<Option<String>, AnswerError> {
        let unreadable = |reason: String| AnswerError::Originals { document: document.to_string(), reason };
        let Some(kept) = self.0.text(document, version).await.map_err(|error| unreadable(error.to_string()))? else {
            return Ok(None);
        };
        let unpacked =
            blocking(move || texts::unpack(&kept.body)).await.map_err(|error| unreadable(error.to_string()))?;
        Ok(Some(unpacked.map_err(|error| unreadable(error.to_string()))?.text))
    }
}

fn chunk_limits(config: &Config, embedder: &dyn Embedder) -> ChunkLimits {
    let prefix_tokens = embedder.token_counter().count(&config.embed.passage_prefix);
    ChunkLimits {
        chunk_tokens_max: config.ingest.chunk_tokens_max.min(embedder.tokens_max()).saturating_sub(prefix_tokens),
        heading_tokens_max: config.ingest.heading_tokens_max,
    }
}

fn worker_limits(ingest: &config::Ingest) -> WorkerLimits {
    WorkerLimits {
        documents_in_flight: ingest.documents_in_flight,
        lease: ingest.lease,
        stall_timeout: ingest.stall_timeout,
        attempts_max: ingest.attempts_max,
        retry_pause_min: ingest.retry_pause_min,
        retry_pause_max: ingest.retry_pause_max,
    }
}

/// The configured reranker, its models loaded. None: none is configured.
async fn rerank(config: &Config) -> Result<Option<Rerank>, AppError> {
    let Some(config::Rerank { candidates, deadline, place }) = config.rerank.clone() else { return Ok(None) };
    let reranker = match place {
        RerankPlace::Remote(endpoint) => Reranker::Remote(RemoteReranker::new(&endpoint, deadline)?),
        RerankPlace::Local { model, threads } => {
            let models_dir = config.models_dir.clone();
            let started = blocking(move || {
                Runtime::load(&models_dir)?;
                LocalReranker::start(&ModelFiles::find_reranker(&models_dir, &model)?, threads)
            });
            Reranker::Local(started.await??)
        }
    };
    Ok(Some(Rerank::new(reranker, candidates, deadline)))
}

/// What checks sentences, as configured. Where ONNX Runtime can't be had, by words and rules alone.
pub async fn scorer(config: &Config) -> Result<Scorer, AppError> {
    let (models_dir, config::Ground { contradiction, threads, .. }) =
        (config.models_dir.clone(), config.ground.clone());
    let started = blocking(move || {
        let scorer = Scorer::shipped()?;
        if !contradiction {
            return Ok(scorer);
        }
        if let Err(error) = Runtime::load(&models_dir) {
            warn!(error = %error, "sentences are checked without the cross-encoder (ground.contradiction)");
            return Ok(scorer);
        }
        Ok(scorer.with_reader(Arc::new(Cross(CrossEncoder::start(threads)?))))
    });
    started.await?
}

/// The cross-encoder, for the scorer, which knows nothing of models.
struct Cross(CrossEncoder);

impl SecondReader for Cross {
    fn read(&self, claim: &str, evidence: &str) -> Option<Opinion> {
        match self.0.read(claim, evidence) {
            Ok(CrossReading { entailment, against }) => Some(Opinion { entailment, against }),
            Err(error) => {
                warn!(error = %error, "a sentence is checked without the cross-encoder");
                None
            }
        }
    }

    fn fingerprint(&self) -> &str {
        self.0.fingerprint()
    }
}

/// The configured embedder, its models loaded.
async fn embedder(config: &Config) -> Result<Arc<dyn Embedder>, AppError> {
    let Embed { model, question_prefix, passage_prefix, place, .. } = config.embed.clone();
    let prefixes = Prefixes { question: question_prefix, passage: passage_prefix };
    match place {
        EmbedPlace::Remote(remote) => Ok(Arc::new(RemoteEmbedder::new(&model, prefixes, &remote)?)),
        EmbedPlace::Local { threads } => {
            let models_dir = config.models_dir.clone();
            let started = blocking(move || {
                Runtime::load(&models_dir)?;
                LocalEmbedder::start(&ModelFiles::find(&models_dir, &model)?, prefixes, threads)
            });
            Ok(Arc::new(started.await??))
        }
    }
}
