//! How documents look over HTTP, and in what `cairn documents` prints as JSON.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::caller::Allow;
use crate::ingest::origin::Origin;
use crate::ledger::{DocumentDetail, DocumentState};
use crate::server::jobs::wire::time;

/// A document as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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
    /// Why it is rejected, for programs.
    pub code: Option<String>,
    /// Why it is rejected or waits, for people.
    pub reason: Option<String>,
    /// RFC 3339, UTC.
    pub changed_at: String,
    /// While something is to be done with it.
    pub work: Option<WorkWire>,
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
            code: said(row.code),
            reason: said(row.reason),
            changed_at: time(row.changed_at_ms),
            work,
        }
    }
}

/// The groups as a file beside a document would say them.
pub(super) fn sidecar(allow: &Allow) -> String {
    let groups = serde_json::Value::from_iter(allow.iter().map(crate::caller::Group::as_str));
    format!("allow = {groups}\n") // A JSON list of texts is a TOML one.
}
