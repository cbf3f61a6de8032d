//! Path 1: a document in, its chunks and vectors searchable.
//!
//! [`Indexer::index`] is the whole path for one document, top to bottom. What is to be indexed is asked for at the
//! [`queue`], and the [`worker`] takes it from there. Knows nothing of questions and answers.

pub mod bring;
pub mod budget;
pub mod cached;
pub mod chunk;
pub mod extract;
pub mod job;
pub mod likeness;
pub mod meta;
pub mod notices;
pub mod origin;
mod progress;
pub mod queue;
pub mod reader;
pub mod source;
pub mod texts;
pub mod uploads;
pub mod worker;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::caller::Allow;
use crate::document::{Chunk, CollectionName, DocumentId, Metadata, sha256};
use crate::embed::{EmbedError, Embedder, Purpose, SparseEmbedder};
use crate::error::Class;
use crate::ledger::{Claim, Content, IndexedAs, KeptText, Known, Ledger, LedgerError, Left, Outcome, Reading};
use crate::store::{POINT_VERSION, Point, StoreError, VectorStore};
use crate::tasks::{Panicked, blocking};
use budget::Budget;
use chunk::{CHUNKER_VERSION, ChunkLimits, Chunker, embedded_text};
use extract::Extracted;
use likeness::Likeness;
use meta::{MetaError, Said};
use notices::Notice;
use origin::Origin;
use progress::{Progress, Stage};
use reader::{ReadError, Reader};
use source::{FileError, Found, SourceLimits};
use uploads::{UploadError, Uploads};

/// Turns documents into points, one at a time.
#[derive(Clone)]
pub struct Indexer {
    pub embedder: Arc<dyn Embedder>,
    pub sparse: Arc<SparseEmbedder>,
    pub store: Arc<dyn VectorStore>,
    pub ledger: Ledger,
    pub chunker: Arc<Chunker>,
    pub reader: Arc<Reader>,
    pub uploads: Arc<Uploads>,
    pub source_limits: SourceLimits,
    /// Names what decides which text the same bytes give: see [`texts::extraction`].
    pub extraction: String,
    pub chunks_per_batch: usize,
    /// Bounds what documents in flight hold together.
    pub budget: Budget,
}

/// A document as it was read, with what lies beside it.
struct File {
    bytes: Vec<u8>,
    /// An error here is one of what the document may show to whom, so it must not keep what it showed before.
    sidecar: Result<Option<String>, String>,
    /// Of both.
    hash: String,
    /// When it was last changed, in seconds since 1970, where that is known.
    changed_at: Option<i64>,
}

/// A document as text, and what is said of it.
struct Text {
    hash: String,
    /// What extracted it.
    extraction: String,
    extracted: Extracted,
    title: String,
    allow: Allow,
    metadata: Metadata,
}

/// A document that is to be indexed.
#[derive(Debug, Clone)]
pub struct Item {
    pub collection: CollectionName,
    pub external_id: String,
    pub origin: Origin,
    pub reading: Reading,
}

/// Why one document was not indexed.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error(transparent)]
    Source(#[from] FileError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Meta(#[from] MetaError),
    #[error(transparent)]
    Embed(#[from] EmbedError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Panicked(#[from] Panicked),
    #[error(transparent)]
    Keep(UploadError),
    #[error("list the source: {most} others wait already")]
    TooManySources { most: usize },
    #[error("read it: cairn reads no files of this kind")]
    UnknownKind,
    #[error("read it: what its source brought is not kept any more, so ingest the source again")]
    NotKept,
    #[error("read what is kept of it in the ledger: {0}")]
    Origin(String),
    #[error("keep its text: {0}")]
    Text(io::Error),
    #[error("it made no progress for {seconds} s (ingest.stall_timeout)")]
    Stalled { seconds: u64 },
    #[error("it was stopped before it was done")]
    Stopped,
}

impl IngestError {
    pub fn class(&self) -> Class {
        match self {
            Self::Source(error) => error.class(),
            Self::Read(error) => error.class(),
            Self::Meta(_) | Self::UnknownKind => Class::Invalid,
            Self::NotKept => Class::NotFound,
            Self::Origin(_) | Self::Text(_) => Class::Internal,
            Self::Stalled { .. } | Self::Stopped => Class::Unavailable,
            Self::Embed(error) => error.class(),
            Self::Store(error) => error.class(),
            Self::Ledger(error) => error.class(),
            Self::Panicked(_) => Class::Internal,
            Self::Keep(error) => error.class(),
            Self::TooManySources { .. } => Class::Busy,
        }
    }

    /// For programs; never changes its meaning.
    pub fn code(&self) -> &str {
        match self {
            Self::Source(error) => error.code(),
            Self::Read(error) => error.code(),
            Self::Meta(_) => "invalid_metadata",
            Self::UnknownKind => "unknown_kind",
            Self::NotKept => "source_missing",
            Self::Embed(_) => "embedding_failed",
            Self::Store(_) => "store_failed",
            Self::Ledger(_) | Self::Origin(_) | Self::Text(_) => "ledger_failed",
            Self::Panicked(_) => "internal",
            Self::Keep(_) => "source_unreadable",
            Self::TooManySources { .. } => "too_many_sources",
            Self::Stalled { .. } => "stalled",
            Self::Stopped => "stopped",
        }
    }

    /// Whether what the document held before is gone from where it came from, so that it must not answer any more.
    fn takes_the_old_away(&self) -> bool {
        match self {
            Self::Source(error) => error.is_too_large(),
            Self::Read(error) => error.class() == Class::Invalid,
            Self::Meta(_) | Self::UnknownKind => true,
            Self::Embed(_)
            | Self::Store(_)
            | Self::Ledger(_)
            | Self::Origin(_)
            | Self::NotKept
            | Self::Text(_)
            | Self::Panicked(_)
            | Self::Keep(_)
            | Self::TooManySources { .. }
            | Self::Stalled { .. }
            | Self::Stopped => false,
        }
    }
}

/// Names everything that decides whether two vectors may be compared and two chunks were cut alike.
pub fn fingerprint(embedder: &dyn Embedder, limits: ChunkLimits) -> String {
    format!(
        "{}; points {POINT_VERSION}; chunker {CHUNKER_VERSION}, {} tokens, {} for headings; {}",
        embedder.fingerprint(),
        limits.chunk_tokens_max,
        limits.heading_tokens_max,
        SparseEmbedder::FINGERPRINT
    )
}

impl Indexer {
    /// One document, from bytes to searchable. Only the last line makes it count as indexed, so a crash anywhere
    /// above runs the document again and converges to the same points.
    async fn index(&self, item: &Item, progress: &Progress) -> Result<Outcome, IngestError> {
        let Item { collection, external_id, .. } = item;
        let document = DocumentId::new(collection, external_id);
        let _share = progress.or_stop(self.budget.take(self.size(item))).await?; // until the document is done with
        let known = self.ledger.known(document).await?;
        let Some(text) = self.text(item, document, &known, progress).await? else { return Ok(Outcome::Unchanged) };
        let Text { hash, extraction, extracted, title, allow, metadata } = text;
        let text_hash = sha256(format!("{title}\0{}", extracted.text).as_bytes());
        let content = Content { hash: &hash, text_hash: &text_hash, allow: &allow, metadata: &metadata };
        let says_otherwise = known.says_otherwise(&allow, &metadata);
        if says_otherwise {
            self.store.describe(document, &allow, &metadata).await?; // before anything else: it may take somebody's access
        }
        let (extracted, kept, notices) = self.kept(extracted).await?;
        let kept = (extraction.as_str(), kept.as_slice());
        if let Some(version) = known.finished(self.store.generation())
            && known.has_text(&text_hash, self.store.generation())
        {
            self.ledger.keep_text(document, version, kept).await?;
            self.ledger.describe(document, content).await?;
            return Ok(if says_otherwise { Outcome::AccessChanged } else { Outcome::Unchanged });
        }
        let Claim { version, supersedes } =
            self.ledger.claim(document, &known, content, self.store.generation()).await?;
        self.ledger.keep_text(document, version, kept).await?; // before the first span points into it
        progress.stage(Stage::Splitting);
        let (chunks, likeness) = progress.or_stop(self.split(&title, extracted)).await??;
        progress.chunks(0, chunks.len());
        for batch in chunks.chunks(self.chunks_per_batch) {
            progress.check()?;
            progress.stage(Stage::Embedding);
            let texts = batch.iter().map(|chunk| embedded_text(&title, chunk)).collect::<Vec<_>>();
            let sparse: Vec<_> = texts.iter().map(|text| self.sparse.passage(text)).collect();
            let dense = progress.or_stop(self.embedder.embed(Purpose::Passage, texts)).await??;
            let points = batch.iter().cloned().zip(dense).zip(sparse).map(|((chunk, dense), sparse)| Point {
                collection: collection.clone(),
                document,
                version,
                external_id: external_id.clone(),
                title: title.clone(),
                allow: allow.clone(),
                metadata: metadata.clone(),
                chunk,
                dense,
                sparse,
            });
            progress.stage(Stage::Storing);
            self.store.upsert(points.collect()).await?; // durable on return
            progress.chunks(progress.step().chunks_done + batch.len(), chunks.len());
        }
        progress.check()?;
        if supersedes {
            self.store.delete_superseded(document, version).await?; // the old version leaves after the new is in
        }
        if let Some(likeness) = &likeness {
            self.ledger.sign(document, collection, likeness.signature()).await?;
        }
        let indexed = IndexedAs { title: &title, chunks: chunks.len(), notices: &notices };
        self.ledger.commit(document, indexed).await?;
        progress.end();
        Ok(Outcome::Indexed { chunks: chunks.len() })
    }

    /// The document's text: the one that is kept where that is still what it would be, else as its file gives it. None:
    /// the index has it as it is.
    async fn text(
        &self,
        item: &Item,
        document: DocumentId,
        known: &Known,
        progress: &Progress,
    ) -> Result<Option<Text>, IngestError> {
        if item.reading == Reading::Origin {
            return self.text_as_read(item, document, known, progress).await;
        }
        match self.text_as_kept(document, known).await? {
            Some(text) if text.extraction == self.extraction => Ok(self.unless_current(known, text)),
            // Where its bytes are gone, an older way of reading them is better than none.
            Some(text) => match self.text_as_read(item, document, known, progress).await {
                Err(error) if error.class() == Class::NotFound => Ok(self.unless_current(known, text)),
                read => read,
            },
            None => self.text_as_read(item, document, known, progress).await,
        }
    }

    fn unless_current(&self, known: &Known, text: Text) -> Option<Text> {
        let is_current = known.is_current(known.content_hash(), self.store.generation());
        (!is_current).then_some(text)
    }

    /// What is kept of the document, under whichever extraction. None: nothing is.
    async fn text_as_kept(&self, document: DocumentId, known: &Known) -> Result<Option<Text>, IngestError> {
        let Some((extraction, extracted)) = self.kept_text(document, known).await? else { return Ok(None) };
        let (allow, metadata) = known.said()?;
        let (hash, title) = (known.content_hash().to_owned(), known.title().to_owned());
        Ok(Some(Text { hash, extraction, extracted, title, allow, metadata }))
    }

    async fn text_as_read(
        &self,
        item: &Item,
        document: DocumentId,
        known: &Known,
        progress: &Progress,
    ) -> Result<Option<Text>, IngestError> {
        let file = self.read(&self.find(item)?, &item.origin).await?;
        if item.reading == Reading::Origin && known.is_current(&file.hash, self.store.generation()) {
            return Ok(None);
        }
        progress.stage(Stage::Extracting);
        let unchanged = known.content_hash() == file.hash;
        let extracted = match if unchanged { self.kept_text(document, known).await? } else { None } {
            Some((extraction, extracted)) if extraction == self.extraction => extracted,
            Some(_) | None => {
                progress.or_stop(self.reader.read(&item.origin.name(&item.external_id), file.bytes)).await??
            }
        };
        let sidecar = file.sidecar.map_err(MetaError::Sidecar)?;
        let said: Said = meta::said(extracted.front_matter.as_ref(), sidecar.as_deref())?;
        let said = meta::or_else(said, &item.origin.defaults())?;
        let metadata = Metadata {
            tags: said.tags.unwrap_or_default(),
            date: said.date.or(file.changed_at),
            language: said.language.or_else(|| extracted.language.clone()),
        };
        let title = item
            .origin
            .title()
            .or(said.title)
            .or_else(|| extracted.title.clone())
            .unwrap_or_else(|| item.origin.file_name(&item.external_id));
        let (hash, extraction, allow) = (file.hash, self.extraction.clone(), said.allow);
        Ok(Some(Text { hash, extraction, extracted, title, allow, metadata }))
    }
    /// Takes the document out of the index, then out of the ledger.
    async fn remove(&self, document: DocumentId) -> Result<(), IngestError> {
        self.store.delete_document(document).await?;
        self.ledger.remove(document).await?;
        Ok(())
    }

    /// Takes out what is half-made of the document, so that it is what it was before.
    async fn undo(&self, document: DocumentId) -> Result<(), IngestError> {
        let known: Known = self.ledger.known(document).await?;
        if !known.is_half_made() {
            return Ok(());
        }
        let Some(finished) = known.finished(self.store.generation()) else { return self.remove(document).await };
        self.store.delete_superseded(document, finished).await?;
        self.ledger.undo(document).await?;
        Ok(())
    }

    /// Notes that the document can't be indexed. What it held before goes where that is gone from its source.
    async fn reject(&self, document: DocumentId, code: &str, error: &IngestError) -> Result<(), IngestError> {
        let left = if error.takes_the_old_away() {
            self.store.delete_document(document).await?;
            Left::Nothing
        } else {
            self.undo(document).await?;
            Left::Before
        };
        self.ledger.reject(document, left, (code, &error.to_string())).await?;
        Ok(())
    }

    /// Where the bytes are, and what kind of file they make.
    fn find(&self, item: &Item) -> Result<Found, IngestError> {
        let kind = item.origin.kind(&item.external_id).ok_or(IngestError::UnknownKind)?;
        Ok(Found { path: self.place(item), kind, named: None, bytes: 0, stamp: String::new() })
    }

    fn place(&self, item: &Item) -> PathBuf {
        match &item.origin {
            Origin::File { .. } => source::file_of(&item.external_id),
            Origin::Upload(upload) => self.uploads.path(&upload.blob),
            Origin::Source(brought) => self.uploads.path(&brought.blob),
        }
    }

    /// Of what it is made from, as far as the file system knows.
    fn size(&self, item: &Item) -> u64 {
        std::fs::metadata(self.place(item)).map_or(0, |metadata| metadata.len())
    }

    async fn read(&self, found: &Found, origin: &Origin) -> Result<File, IngestError> {
        let (found, origin, limits) = (found.clone(), origin.clone(), self.source_limits);
        blocking(move || {
            let read = source::read(&found, &limits);
            let (bytes, sidecar, defaults) = match origin {
                Origin::File { defaults, .. } => {
                    let bytes = read?;
                    (
                        bytes,
                        source::read_sidecar(&found, &limits).map_err(|error| error.to_string()),
                        defaults.to_text(),
                    )
                }
                Origin::Upload(upload) => {
                    let hash = upload.content_hash();
                    return Ok(File { bytes: read?, sidecar: Ok(upload.sidecar), hash, changed_at: None });
                }
                Origin::Source(brought) => {
                    let hash = brought.content_hash();
                    let bytes = read.map_err(|error| match error.class() {
                        Class::NotFound => IngestError::NotKept,
                        Class::Invalid | Class::Denied | Class::Busy | Class::Unavailable | Class::Internal => {
                            error.into()
                        }
                    })?;
                    let sidecar = brought.sidecar_error.map_or(Ok(brought.sidecar), Err);
                    return Ok(File { bytes, sidecar, hash, changed_at: None });
                }
            };
            let mut beside = match &sidecar {
                Ok(None) => vec![],
                Err(_) => b"\0unreadable".to_vec(),
                Ok(Some(beside)) => [b"\0", beside.as_bytes()].concat(),
            };
            if !defaults.is_empty() {
                beside.extend([b"\0said", defaults.as_bytes()].concat());
            }
            let hash = if beside.is_empty() { sha256(&bytes) } else { sha256(&[bytes.as_slice(), &beside].concat()) };
            Ok(File { bytes, sidecar, hash, changed_at: source::changed_at(&found) })
        })
        .await?
    }

    /// The text that is kept of the document, and what extracted it. A damaged one is as good as none.
    async fn kept_text(&self, document: DocumentId, known: &Known) -> Result<Option<(String, Extracted)>, IngestError> {
        let Some(version) = known.last() else { return Ok(None) };
        let Some(KeptText { extraction, body }) = self.ledger.text(document, version).await? else { return Ok(None) };
        let extracted = blocking(move || texts::unpack(&body)).await?.ok();
        Ok(extracted.map(|extracted| (extraction, extracted)))
    }

    /// The text as it is kept, and what a reader should know of it, as the ledger has that.
    async fn kept(&self, extracted: Extracted) -> Result<(Extracted, Vec<u8>, String), IngestError> {
        let notices: Vec<Notice> = extracted.notes.iter().copied().map(Notice::from).collect();
        let notices = serde_json::to_string(&notices).expect("notices are made of texts and numbers");
        let packed = blocking(move || texts::pack(&extracted).map(|body| (extracted, body))).await?;
        let (extracted, body) = packed.map_err(IngestError::Text)?;
        Ok((extracted, body, notices))
    }

    async fn split(&self, title: &str, extracted: Extracted) -> Result<(Vec<Chunk>, Option<Likeness>), IngestError> {
        let (chunker, title) = (Arc::clone(&self.chunker), title.to_owned());
        Ok(blocking(move || (chunker.split(&title, &extracted), Likeness::of(&extracted.text))).await?)
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
