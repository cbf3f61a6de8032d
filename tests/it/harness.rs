//! What tests stand on: a throw-away folder with documents and an index, and the ways to ask about them.
//!
//! [`Sandbox`] is the folder and the configuration; [`served`] is the HTTP service in this process, [`process`] the
//! real binary, [`chat`] the stub of a chat endpoint, [`rerank`] that of a reranking one,
//! [`corpus`] 50,000 real chunks.

pub(crate) mod chat;
pub(crate) mod corpus;
pub(crate) mod process;
pub(crate) mod rerank;
pub(crate) mod served;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use cairn::answer::{AnswerError, AnswerEvent, CheckedClaim, Citation, Done, Question, Turn, Within};
use cairn::app::App;
use cairn::caller::Caller;
use cairn::chat::Sampling;
use cairn::config::{Config, Environment};
use cairn::document::{CollectionName, Hit, Passage};
use cairn::embed::{ModelFiles, Runtime};
use cairn::ingest::Indexer;
use cairn::ingest::bring::Bringer;
use cairn::ingest::job::Summary;
pub(crate) use cairn::ingest::queue::Vanished;
use cairn::ingest::queue::{Compare, Queue};
use cairn::ingest::source::{self, SourceLimits};
use cairn::ingest::worker::{Until, Worker};
use cairn::ledger::{DocumentRow, JobId};
use cairn::server::jobs::wire::JobDetailWire;
use cairn::store::{Filter, VectorStore};
use futures::StreamExt;
use tempfile::TempDir;

/// The longest that anything may take before a test gives up on it.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks at a condition that nothing announces.
const POLL_INTERVAL: Duration = Duration::from_millis(10);
/// A smaller file system in memory has no room for the indexes of tests that run side by side.
const MEMORY_BYTES_MIN: u64 = 2 << 30;
/// The embedding model that `scripts/fetch` brings.
pub(crate) const MODEL: &str = "AllMiniLML6V2Q";

/// A question that one sentence of the fixtures answers, and a word of that sentence.
pub(crate) const QUESTION: &str = "Which port does Kestrel listen on for mail?";
pub(crate) const ANSWER: &str = "2525";
/// A question that no fixture has anything to do with.
pub(crate) const UNANSWERABLE: &str = "What is the boiling point of tungsten?";

/// A folder of a test's own, with what cairn is told about it.
pub(crate) struct Sandbox {
    folder: TempDir,
    variables: BTreeMap<String, String>,
}

impl Sandbox {
    /// An empty one. Fails with a sentence when the embedding model is not at hand.
    pub(crate) fn new() -> Self {
        let models = models_dir();
        let found = Runtime::load(&models).and_then(|_| ModelFiles::find(&models, MODEL));
        found.unwrap_or_else(|error| panic!("{error}"));
        let folder = temporary_folder();
        fs::create_dir(folder.path().join("docs")).unwrap();
        fs::write(folder.path().join("empty.toml"), "").unwrap();
        let sandbox = Self { folder, variables: BTreeMap::new() };
        let data = sandbox.path("data");
        sandbox
            .with("CAIRN__MODELS__DIR", models.to_str().unwrap())
            .with("CAIRN__DATA__DIR", data.to_str().unwrap())
            .with("CAIRN__EMBED__THREADS", "1")
    }

    /// One that holds the documents about Kestrel, a mail relay that does not exist.
    pub(crate) fn with_documents() -> Self {
        let sandbox = Self::new();
        for entry in fs::read_dir(fixtures().join("kestrel")).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, sandbox.docs().join(path.file_name().unwrap())).unwrap();
        }
        sandbox
    }

    /// The same with one more environment variable.
    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.variables.insert(variable.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    /// Where its documents are.
    pub(crate) fn docs(&self) -> PathBuf {
        self.path("docs")
    }

    /// Writes a document.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.docs().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// What these variables and nothing else say.
    pub(crate) fn config(&self) -> Config {
        let mut environment: Environment = self.variables.clone().into_iter().collect();
        environment.insert("HOME".into(), self.path("home").to_str().unwrap().into());
        let config = Config::from_layers(Some(&self.path("empty.toml")), &environment, &[]).unwrap();
        Config { program: env!("CARGO_BIN_EXE_cairn").into(), ..config }
    }

    pub(crate) async fn open(&self) -> App {
        App::open(self.config()).await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Opened, with its documents in the index.
    pub(crate) async fn ingested(&self) -> App {
        let app = self.open().await;
        let summary = self.ingest(&app).await;
        assert!(summary.failed.is_empty(), "{:?}", summary.failed);
        app
    }

    /// Indexes its documents into the configured collection.
    pub(crate) async fn ingest(&self, app: &App) -> Summary {
        ingest(app, &default_collection(), &[self.docs()], Vanished::Stay).await
    }

    /// The real binary, which sees these variables and nothing else of this process's environment.
    pub(crate) fn cairn(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("HOME", self.path("home")).envs(&self.variables);
        command
    }
}

/// `cairn ingest` in process.
pub(crate) async fn ingest(app: &App, collection: &CollectionName, paths: &[PathBuf], vanished: Vanished) -> Summary {
    let job = begin_ingest(app, collection, paths, vanished).await;
    app.worker.run(Until::AtRest(&job), std::future::pending()).await.unwrap();
    summary(app, &job).await
}

/// Asks for it and does nothing of it.
pub(crate) async fn begin_ingest(
    app: &App,
    collection: &CollectionName,
    paths: &[PathBuf],
    vanished: Vanished,
) -> JobId {
    let walk = source::walk(paths, &SourceLimits { file_bytes_max: app.config.ingest.file_bytes_max.as_u64() });
    app.queue.ingest(collection, walk, vanished, Compare::Stamp).await.unwrap()
}

/// How a job stands.
pub(crate) async fn summary(app: &App, job: &JobId) -> Summary {
    let row = app.ledger.job(job).await.unwrap().unwrap();
    JobDetailWire::of(row, app.ledger.failed_of(job, usize::MAX).await.unwrap()).summary()
}

/// Has documents indexed into another store from now on.
pub(crate) fn use_store(app: &mut App, store: &Arc<dyn VectorStore>) {
    app.indexer = Arc::new(Indexer { store: Arc::clone(store), ..Indexer::clone(&app.indexer) });
    app.queue = Arc::new(Queue::new(Arc::clone(&app.indexer)));
    app.bringer = Arc::new(Bringer::new(Arc::clone(&app.queue), &app.config));
    app.worker = Worker { queue: Arc::clone(&app.queue), limits: app.worker.limits };
}

/// A whole answer, as its events gave it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) sources: Vec<Passage>,
    pub(crate) text: String,
    pub(crate) citations: Vec<Citation>,
    pub(crate) claims: Vec<CheckedClaim>,
    pub(crate) end: Result<Done, AnswerError>,
}

/// Asks the default collection, without any conversation before.
pub(crate) async fn ask(app: &App, text: &str) -> Answer {
    ask_after(app, Vec::new(), text).await
}

/// Asks with earlier turns. Fails when the events are not in their order.
pub(crate) async fn ask_after(app: &App, history: Vec<Turn>, text: &str) -> Answer {
    let question = Question {
        collection: default_collection(),
        filter: Filter::default(),
        text: text.into(),
        history,
        sampling: Sampling::default(),
    };
    let grounding = app.answerer.ground(&Caller::local(), question).await.unwrap();
    let mut events = std::pin::pin!(app.answerer.write(grounding));
    let Some(AnswerEvent::Sources(sources)) = events.next().await else { panic!("the sources come first") };
    let (mut text, mut citations, mut claims, mut end) = (String::new(), Vec::new(), Vec::new(), None);
    while let Some(event) = events.next().await {
        assert!(end.is_none(), "nothing follows the end, but {event:?}");
        match event {
            AnswerEvent::Sources(_) => panic!("the sources come once"),
            AnswerEvent::Delta(delta) => text.push_str(&delta),
            AnswerEvent::Citation(citation) => {
                assert!(citation.mark.end <= text.len(), "a citation comes after the text that holds its mark");
                citations.push(citation);
            }
            AnswerEvent::Claim(claim) => claims.push(claim),
            AnswerEvent::Done(done) => end = Some(Ok(done)),
            AnswerEvent::Failed(error) => end = Some(Err(error)),
        }
    }
    Answer { sources, text, citations, claims, end: end.expect("an answer has an end") }
}

/// An answer as JSON without its name, which no two share.
pub(crate) fn unnamed(mut answer: serde_json::Value) -> serde_json::Value {
    assert!(answer.as_object_mut().unwrap().remove("answer_id").is_some_and(|id| id.is_string()), "{answer}");
    answer
}

/// The hits for a text in the default collection, best first; none where it holds nothing.
pub(crate) async fn search(app: &App, text: &str) -> Vec<Hit> {
    let within = Within { collection: &default_collection(), filter: &Filter::default() };
    match app.answerer.search(&Caller::local(), within, text, 100).await {
        Ok(hits) => hits,
        Err(AnswerError::NoDocuments { .. }) => Vec::new(),
        Err(error) => panic!("{error}"),
    }
}

pub(crate) async fn rows(app: &App) -> Vec<DocumentRow> {
    app.ledger.documents(&default_collection()).await.unwrap()
}

pub(crate) async fn chunk_count(app: &App) -> usize {
    app.store.count(&Caller::local().scope(&default_collection()).unwrap()).await.unwrap().chunks
}

pub(crate) fn default_collection() -> CollectionName {
    "default".parse().unwrap()
}

/// The file name of a hit's document.
pub(crate) fn file_of(hit: &Hit) -> &str {
    hit.external_id.rsplit('/').next().unwrap()
}

/// Looks until the condition holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let look = async {
        let mut ticks = tokio::time::interval(POLL_INTERVAL);
        while !holds().await {
            ticks.tick().await;
        }
    };
    within(what, look).await;
}

/// The outcome of something that must not take for ever.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("waited {LIMIT:?} for {what}"),
    }
}

/// Where ONNX Runtime and the embedding model are for whoever runs the tests.
pub(crate) fn models_dir() -> PathBuf {
    Config::load(None, &[]).unwrap().models_dir
}

pub(crate) fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn fixtures() -> PathBuf {
    repository().join("tests/fixtures/docs")
}

/// In memory where there is room: what a test finds out does not depend on how fast a disk is.
pub(crate) fn temporary_folder() -> TempDir {
    let in_memory = Path::new("/dev/shm");
    let room = fs::read_to_string("/proc/mounts").ok().and_then(|mounts| memory_bytes(&mounts));
    if room.is_some_and(|bytes| bytes >= MEMORY_BYTES_MIN)
        && let Ok(folder) = TempDir::with_prefix_in("cairn-test-", in_memory)
    {
        return folder;
    }
    TempDir::with_prefix("cairn-test-").unwrap()
}

/// The size of the file system in memory, as its mount options have it.
fn memory_bytes(mounts: &str) -> Option<u64> {
    let line = mounts.lines().find(|line| line.split(' ').nth(1) == Some("/dev/shm"))?;
    let size = line.split([' ', ',']).find_map(|option| option.strip_prefix("size="))?;
    size.strip_suffix('k')?.parse::<u64>().ok()?.checked_mul(1024)
}
