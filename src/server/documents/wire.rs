//! How documents look over HTTP, and in what `cairn documents` prints as JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::document::Metadata;
use crate::ingest::likeness::Near;
use crate::ingest::meta;
use crate::ingest::notices::Notice;
use crate::ingest::origin::{Origin, Upload};
use crate::ledger::{DocumentDetail, DocumentState};
use crate::server::jobs::wire::time;

/// A document as it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DocumentWire {
    #[schema(example = "aefe33f5-8722-559e-a471-28d3f7ff7691")]
    pub id: String,
    pub collection: String,
    #[schema(example = "handbook/install.md")]
    pub external_id: String,
    /// `queued`, `working`, `indexed`, `waiting` (to be tried again), `rejected` or `removed`.
    pub state: String,
    /// The version that answers; 0 while there is none.
    pub version: i64,
    pub title: String,
    /// Chunks of the version that answers.
    pub chunks: i64,
    pub bytes: i64,
    /// Where it comes from: `file`, `upload` or `source`.
    pub origin: String,
    /// What the source is called that brought it last, where it comes from one.
    pub source: Option<String>,
    /// The groups that may see it; none: everybody who may use its collection.
    pub allow: Vec<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    /// When it was written or last changed: RFC 3339, UTC.
    pub date: Option<String>,
    /// ISO 639-1.
    pub language: Option<String>,
    /// What a reader should know of its text: pages that have none, for one.
    #[serde(default)]
    pub notices: Vec<NoticeWire>,
    /// Documents of the collection with nearly the same text, where one document was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub near_duplicates: Option<Vec<NearWire>>,
    /// Why it is rejected, for programs.
    pub code: Option<String>,
    /// Why it is rejected or waits, for people.
    pub reason: Option<String>,
    /// RFC 3339, UTC.
    pub changed_at: String,
    /// While something is to be done with it.
    pub work: Option<WorkWire>,
}

/// What a reader should know of a document's text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoticeWire {
    /// For programs; never changes its meaning.
    #[schema(example = "pages_without_text")]
    pub code: String,
    /// How many there are of what it speaks of.
    pub count: u32,
    /// For people.
    #[schema(example = "3 pages have no text: scanned ones need text recognition (OCR)")]
    pub message: String,
}

/// A document with nearly the same text as another one. Of such passages, answers show the newest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NearWire {
    pub external_id: String,
    pub title: String,
    /// The share of five-word pieces that both have, in 0..=1, give or take 0.07.
    pub similarity: f64,
    /// RFC 3339, UTC.
    pub date: Option<String>,
}

/// What is being done with a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WorkWire {
    pub job: String,
    /// `reading`, `extracting`, `splitting`, `embedding` or `storing`, while it is worked on.
    pub stage: Option<String>,
    pub chunks_done: i64,
    pub chunks_total: i64,
    /// When a worker last said that it works on it: not the same as progress.
    pub heartbeat_at: Option<String>,
    pub failures: i64,
    /// What kind of failure the last one was: `busy`, `unavailable` or `internal`.
    pub class: Option<String>,
    pub next_try_at: Option<String>,
}

/// A page of documents, by external id.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct DocumentsWire {
    pub documents: Vec<DocumentWire>,
    /// Give it as `after` for the next page. None: this is the last one.
    pub next: Option<String>,
}

/// What became of a request to bring a document in or to change it.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AcceptedWire {
    /// The job that does it. None: nothing is to be done.
    pub job: Option<String>,
    pub document: DocumentWire,
}

/// What became of several uploads.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BulkWire {
    pub job: String,
    pub documents: Vec<String>,
}

/// What is said of an upload beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MetadataWire {
    /// Instead of the title that the document gives itself.
    pub title: Option<String>,
    /// The groups that may see it, instead of those that the document names itself. None at all: everybody.
    #[schema(value_type = Option<Vec<String>>, example = json!(["staff"]))]
    pub allow: Option<Vec<String>>,
    /// Instead of those that the document names itself.
    pub tags: Option<Vec<String>>,
    /// When it was written or last changed: RFC 3339, or a date alone.
    #[schema(example = "2026-05-31")]
    pub date: Option<String>,
    /// ISO 639-1, instead of what the text was taken for.
    pub language: Option<String>,
}

impl From<DocumentDetail> for DocumentWire {
    fn from(row: DocumentDetail) -> Self {
        let said = |text: String| Some(text).filter(|text| !text.is_empty());
        let working = row.state == DocumentState::Working.name();
        let waiting = row.state == DocumentState::Waiting.name();
        let work = row.job.map(|job| WorkWire {
            job,
            stage: row.stage.filter(|stage| working && !stage.is_empty()),
            chunks_done: row.chunks_done.unwrap_or_default(),
            chunks_total: row.chunks_total.unwrap_or_default(),
            heartbeat_at: row.heartbeat_at_ms.filter(|_| working).map(time),
            failures: row.failures.unwrap_or_default(),
            class: row.class.and_then(said),
            next_try_at: row.next_try_at_ms.filter(|_| waiting).map(time),
        });
        let (origin, source) = match Origin::parse(&row.origin) {
            Ok(Origin::Upload(_)) => ("upload", None),
            Ok(Origin::Source(brought)) => ("source", Some(brought.source)),
            Ok(Origin::File { .. }) | Err(_) => ("file", None),
        };
        let metadata: Metadata = serde_json::from_str(&row.metadata).unwrap_or_default();
        let notices: Vec<Notice> = serde_json::from_str(&row.notices).unwrap_or_default();
        let notices = notices.into_iter();
        Self {
            id: row.id,
            collection: row.collection,
            external_id: row.external_id,
            state: row.state,
            version: row.version,
            title: row.title,
            chunks: row.chunks,
            bytes: row.bytes,
            origin: origin.to_owned(),
            source,
            allow: serde_json::from_str(&row.allow).unwrap_or_default(),
            tags: metadata.tags.into_iter().collect(),
            date: metadata.date.and_then(meta::date_text),
            language: metadata.language,
            notices: notices.map(|n| NoticeWire { code: n.code, count: n.count, message: n.message }).collect(),
            near_duplicates: None,
            code: said(row.code),
            reason: said(row.reason),
            changed_at: time(row.changed_at_ms),
            work,
        }
    }
}

impl From<Near> for NearWire {
    fn from(near: Near) -> Self {
        let Near { external_id, title, similarity, metadata } = near;
        Self { external_id, title, similarity, date: metadata.date.and_then(meta::date_text) }
    }
}

/// What is said of an upload, as a file beside a document would say it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Beside {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) allow: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) language: Option<String>,
}

impl Beside {
    /// What an upload was sent with.
    pub(super) fn of(upload: &Upload) -> Self {
        upload.sidecar.as_deref().and_then(|text| toml::from_str(text).ok()).unwrap_or_default()
    }

    /// None: nothing is said.
    pub(super) fn text(&self) -> Option<String> {
        let text = toml::to_string(self).expect("it is made of texts");
        (!text.is_empty()).then_some(text)
    }
}
