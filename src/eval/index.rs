//! The documents that a suite asks about, indexed by the product's own path, and what is known of each.
//!
//! A suite's own documents come into an index of their own below the output folder, which is used again while neither
//! they nor what makes an index have changed. A collection that is there already is opened as it is, and never changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::Value;

use super::suite::Documents;
use crate::app::{App, AppError};
use crate::caller::Group;
use crate::config::Config;
use crate::document::{CollectionName, DocumentId, Version, sha256};
use crate::ingest::origin::Upload;
use crate::ingest::queue::{Compare, Vanished};
use crate::ingest::source::{self, SourceLimits, Walk};
use crate::ingest::texts;
use crate::ingest::worker::Until;
use crate::ledger::{JobId, Page, Sight};
use crate::store::StoreError;
use crate::tasks::blocking;

/// The collection of an index of a suite's own.
const COLLECTION: &str = "eval";
/// Says what the index beside it was made of.
const MARK: &str = "index.sha256";
/// Documents that are read at once, and names of failed ones that are told.
const PAGE: usize = 500;
const FAILED_MAX: usize = 1000;

/// An index that can be asked.
pub struct Index {
    pub app: App,
    pub collection: CollectionName,
    /// By external id.
    pub documents: BTreeMap<String, Document>,
    /// What could not be indexed: name and reason.
    pub failed: Vec<(String, String)>,
    /// Of the documents' names, texts and rules of access.
    pub sha256: String,
}

/// A document as it is in the index.
#[derive(Debug, Clone)]
pub struct Document {
    /// What reports call it: below the folder that the suite names, with that folder's name; else its external id.
    pub name: String,
    pub text: String,
    /// Who may see it; None: everybody who may use the collection.
    pub allow: Option<Vec<Group>>,
}

/// A document that comes from no file: what it is called, its title and its text.
#[derive(Debug, Clone)]
pub struct Given {
    pub id: String,
    pub title: Option<String>,
    pub text: String,
}

impl Index {
    /// Opens what the suite asks about, and indexes what has to be.
    pub async fn open(config: Config, documents: &Documents, folder: &Path) -> anyhow::Result<Self> {
        match documents {
            Documents::Collection(name) => {
                let app =
                    App::open(config).await.context("open the data folder (stop the server that has it first)")?;
                Self::of(app, name.clone(), &[], Vec::new()).await
            }
            Documents::Paths(paths) => {
                let limits = SourceLimits { file_bytes_max: config.ingest.file_bytes_max.as_u64() };
                let (paths, named) = (paths.clone(), paths.clone());
                let walk = blocking(move || source::walk(&paths, &limits)).await?;
                if walk.found.is_empty() {
                    bail!("documents: {} hold nothing that cairn reads", shown(&named));
                }
                let mark = mark(&config, &walk);
                let app = open_own(config, folder, &mark).await?;
                let mut failed: Vec<(String, String)> =
                    walk.problems.iter().map(|p| (p.path.display().to_string(), p.reason.clone())).collect();
                let collection = own_collection();
                let job = app.queue.ingest(&collection, walk, Vanished::Go, Compare::Bytes).await?;
                failed.extend(work(&app, &job).await?);
                Self::of(app, collection, &named, failed).await
            }
        }
    }

    /// Indexes documents that are given as texts, into an empty index in `folder`.
    pub async fn of_texts(config: Config, given: Vec<Given>, folder: &Path) -> anyhow::Result<Self> {
        let mut mark = sha256(settings(&config).as_bytes());
        for Given { id, title, text } in &given {
            mark = sha256(format!("{mark}\0{id}\0{title:?}\0{text}").as_bytes());
        }
        let is_there = is_made(folder, &mark);
        let app = open_own(config, folder, &mark).await?;
        let collection = own_collection();
        let mut failed = Vec::new();
        if !is_there {
            for page in given.chunks(PAGE) {
                failed.extend(upload(&app, &collection, page).await?);
            }
            app.store.optimize().await?;
            finish(folder, &mark)?;
        }
        Ok(Self { app, collection, documents: BTreeMap::new(), failed, sha256: mark })
    }

    async fn of(
        app: App,
        collection: CollectionName,
        roots: &[PathBuf],
        mut failed: Vec<(String, String)>,
    ) -> anyhow::Result<Self> {
        let roots: Vec<PathBuf> = roots.iter().filter_map(|root| fs::canonicalize(root).ok()).collect();
        let documents = documents(&app, &collection, &roots).await?;
        if documents.is_empty() {
            bail!("the collection {collection} holds no documents");
        }
        for (id, _) in &mut failed {
            *id = name_of(id, &roots);
        }
        failed.sort();
        let mut all = String::new();
        for document in documents.values() {
            let (text, allow) = (sha256(document.text.as_bytes()), &document.allow);
            all.push_str(&format!("{}\0{text}\0{allow:?}\n", document.name));
        }
        Ok(Self { app, collection, documents, failed, sha256: sha256(all.as_bytes()) })
    }

    /// What reports call a document.
    pub fn name<'a>(&'a self, external_id: &'a str) -> &'a str {
        self.documents.get(external_id).map_or(external_id, |document| &document.name)
    }
}

fn own_collection() -> CollectionName {
    COLLECTION.parse().expect("the name is constant")
}

fn shown(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// What an index depends on beside its documents: the settings, and the program, since another one may read otherwise.
fn settings(config: &Config) -> String {
    let Config { embed, ingest, extract, program, .. } = config;
    let chunks = (ingest.chunk_tokens_max, ingest.heading_tokens_max);
    let prefixes = (&embed.passage_prefix, &embed.question_prefix);
    let program = fs::metadata(program).map(|file| (file.len(), file.modified().ok())).ok();
    format!("{program:?}\0{}\0{prefixes:?}\0{chunks:?}\0{extract:?}", embed.model)
}

/// Names what an index is made of, before it is made.
fn mark(config: &Config, walk: &Walk) -> String {
    let mut all = settings(config);
    for found in &walk.found {
        all.push_str(&format!("\0{}", found.path.display()));
    }
    sha256(all.as_bytes())
}

fn is_made(folder: &Path, mark: &str) -> bool {
    fs::read_to_string(folder.join(MARK)).is_ok_and(|found| found == format!("{mark} whole"))
}

fn finish(folder: &Path, mark: &str) -> anyhow::Result<()> {
    fs::write(folder.join(MARK), format!("{mark} whole")).context("note what the index is made of")
}

/// Opens the index in this folder, emptied unless it was made of the same.
async fn open_own(config: Config, folder: &Path, mark: &str) -> anyhow::Result<App> {
    let data_dir = folder.join("index");
    let found = fs::read_to_string(folder.join(MARK)).unwrap_or_default();
    if found.split(' ').next() != Some(mark) && data_dir.exists() {
        fs::remove_dir_all(&data_dir).with_context(|| format!("empty {}", data_dir.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    if found.split(' ').next() != Some(mark) {
        fs::write(folder.join(MARK), mark).with_context(|| format!("write to {}", folder.display()))?;
    }
    let mut config = Config { data_dir, ..config };
    config.store.server = None; // A run of its own touches no server that others use.
    match App::open(config.clone()).await {
        Err(AppError::Store(StoreError::OtherFingerprint { .. })) => {
            fs::remove_dir_all(&config.data_dir).with_context(|| format!("empty {}", config.data_dir.display()))?;
            Ok(App::open(config).await?)
        }
        opened => Ok(opened?),
    }
}

async fn upload(app: &App, collection: &CollectionName, page: &[Given]) -> anyhow::Result<Vec<(String, String)>> {
    let mut uploads = Vec::new();
    for document in page {
        let mut receiving = app.queue.uploads().receive(app.config.ingest.file_bytes_max.as_u64()).await?;
        receiving.write(document.text.as_bytes()).await?;
        let stored = receiving.finish().await?;
        let upload = Upload {
            blob: stored.blob.clone(),
            name: "document.txt".into(),
            title: document.title.clone(),
            sidecar: None,
        };
        uploads.push((document.id.clone(), upload, stored.bytes));
    }
    let job = app.queue.upload_all(collection, uploads).await?;
    work(app, &job).await
}

/// Does the job. Gives what failed.
async fn work(app: &App, job: &JobId) -> anyhow::Result<Vec<(String, String)>> {
    app.worker.run(Until::AtRest(job), std::future::pending()).await?;
    let done = app.ledger.job(job).await?.context("the job is gone")?;
    if done.indexed + done.removed > 0 && done.kind != "upload" {
        app.store.optimize().await?;
    }
    let failed = app.ledger.failed_of(job, FAILED_MAX).await?;
    Ok(failed.into_iter().map(|ended| (ended.external_id, ended.reason)).collect())
}

/// Every document that answers, with its text.
async fn documents(
    app: &App,
    collection: &CollectionName,
    roots: &[PathBuf],
) -> anyhow::Result<BTreeMap<String, Document>> {
    let mut found = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page = Page { state: None, after: Some(&after), limit: PAGE };
        let rows = app.ledger.page(collection, Sight::All, page).await?;
        let Some(last) = rows.last() else { return Ok(found) };
        after.clone_from(&last.external_id);
        for row in rows.iter().filter(|row| row.chunks > 0) {
            let id = DocumentId::new(collection, &row.external_id);
            let Some(kept) = app.ledger.text(id, Version(row.version)).await? else { continue };
            let text = blocking(move || texts::unpack(&kept.body)).await?.context("read a kept text")?.text;
            let allow: Vec<String> = serde_json::from_str(&row.allow).context("read who may see a document")?;
            let allow: Vec<Group> = allow.iter().filter_map(|name| name.parse().ok()).collect();
            let is_open = serde_json::from_str::<Value>(&row.allow)?.as_array().is_some_and(Vec::is_empty);
            let name = name_of(&row.external_id, roots);
            found.insert(row.external_id.clone(), Document { name, text, allow: (!is_open).then_some(allow) });
        }
    }
}

/// `docs/guide.md` for a file below a root that is called `docs`.
fn name_of(external_id: &str, roots: &[PathBuf]) -> String {
    let below = roots.iter().find_map(|root| {
        let above = root.parent()?;
        Path::new(external_id).strip_prefix(root).ok()?;
        Path::new(external_id).strip_prefix(above).ok()
    });
    below.map_or_else(|| external_id.to_owned(), |below| below.display().to_string())
}

/// Whether a case's name of a document means this one: it is the whole name, or its end after a `/`.
pub fn is_named(document: &str, wanted: &str) -> bool {
    let wanted = wanted.trim_start_matches("./");
    document.strip_suffix(wanted).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_named_by_the_end_of_its_path() {
        assert!(is_named("docs/guide.md", "docs/guide.md") && is_named("docs/guide.md", "guide.md"));
        assert!(is_named("https://example.org/guide.md", "./guide.md"));
        assert!(!is_named("docs/my-guide.md", "guide.md") && !is_named("docs/guide.md", "docs"));
    }

    #[test]
    fn a_report_names_a_document_below_the_suites_folder() {
        let roots = [PathBuf::from("/a/b/docs")];
        assert_eq!(name_of("/a/b/docs/x/y.md", &roots), "docs/x/y.md");
        assert_eq!(name_of("https://example.org/x", &roots), "https://example.org/x");
    }
}
