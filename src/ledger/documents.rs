//! Documents as they are shown: in lists, one by one, and counted by where they stand.

use serde_json::Value;

use super::{Ledger, LedgerError, now_ms, sql};
use crate::caller::{Group, Reach, Scope};
use crate::document::{CollectionName, DocumentId};

/// Where a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentState {
    Queued,
    Working,
    Indexed,
    /// Failed for a reason that may pass; tried again later.
    Waiting,
    /// Can't be indexed as it is.
    Rejected,
    /// Has nothing in the index any more.
    Removed,
}

impl DocumentState {
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Working, Self::Indexed, Self::Waiting, Self::Rejected, Self::Removed];

    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Working => "working",
            Self::Indexed => "indexed",
            Self::Waiting => "waiting",
            Self::Rejected => "rejected",
            Self::Removed => "removed",
        }
    }
}

impl std::str::FromStr for DocumentState {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|state| state.name() == name)
            .ok_or_else(|| format!("{name:?} is none of queued, working, indexed, waiting, rejected, removed"))
    }
}

/// A document as it stands, in short.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DocumentRow {
    pub external_id: String,
    pub state: String,
    pub version: i64,
    pub title: String,
    pub chunks: i64,
    pub reason: String,
}

/// All that is known of a document.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct DocumentDetail {
    pub id: String,
    pub collection: String,
    pub external_id: String,
    /// As JSON.
    pub origin: String,
    /// A [`DocumentState`] by name: of the work on it while there is any.
    pub state: String,
    pub version: i64,
    pub title: String,
    /// Of the version that answers.
    pub chunks: i64,
    pub bytes: i64,
    /// A JSON list of groups.
    pub allow: String,
    /// JSON: a [`Metadata`](crate::document::Metadata).
    pub metadata: String,
    /// A JSON list of what a reader should know of its text.
    pub notices: String,
    pub code: String,
    pub reason: String,
    pub changed_at_ms: i64,
    pub job: Option<String>,
    pub stage: Option<String>,
    pub chunks_done: Option<i64>,
    pub chunks_total: Option<i64>,
    pub failures: Option<i64>,
    pub class: Option<String>,
    pub next_try_at_ms: Option<i64>,
    pub heartbeat_at_ms: Option<i64>,
}

/// Who looks.
#[derive(Debug, Clone, Copy)]
pub enum Sight<'a> {
    /// Whoever may change the collection: every document, wherever it stands.
    All,
    /// Whoever may only ask: what answers, and that only where the scope has it.
    Answering(&'a Scope),
}

/// Part of a list.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    pub state: Option<DocumentState>,
    /// External ids after this one.
    pub after: Option<&'a str>,
    pub limit: usize,
}

/// How many documents of a collection are in a state.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StateCount {
    pub collection: String,
    pub state: String,
    pub documents: i64,
}

const DETAIL: &str =
    "SELECT id, collection, external_id, origin, CASE state WHEN 'new' THEN 'queued' ELSE state END AS state,
    version, title, chunks, bytes, allow, metadata, notices, code, reason, changed_at_ms, job, stage, chunks_done, chunks_total, failures,
    class, next_try_at_ms, heartbeat_at_ms FROM shown";

/// `?2` is NULL where everything is seen, else a JSON list of groups.
pub(super) const SEEN: &str = "(?2 IS NULL OR (chunks > 0 AND (allow = '[]' OR EXISTS (
    SELECT 1 FROM json_each(allow) AS a JOIN json_each(?2) AS g ON a.value = g.value))))";

impl Sight<'_> {
    /// The groups of whoever sees only what answers. `Reach::Everything` belongs to callers that see all.
    pub(super) fn groups(&self) -> Option<String> {
        match self {
            Self::All => None,
            Self::Answering(scope) => match scope.reach() {
                Reach::Everything => None,
                Reach::Groups(groups) => Some(Value::from_iter(groups.iter().map(Group::as_str)).to_string()),
            },
        }
    }
}

impl Ledger {
    /// Every document of the collection that was not removed, by external id.
    pub async fn documents(&self, collection: &CollectionName) -> Result<Vec<DocumentRow>, LedgerError> {
        sqlx::query_as(
            "SELECT external_id, CASE state WHEN 'new' THEN 'queued' ELSE state END AS state, version, title, chunks,
                    reason
             FROM shown WHERE collection = ? AND state <> 'removed' ORDER BY external_id",
        )
        .bind(collection.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(sql("list documents"))
    }

    /// A page of the documents that are seen, removed ones among them, by external id.
    pub async fn page(
        &self,
        collection: &CollectionName,
        sight: Sight<'_>,
        page: Page<'_>,
    ) -> Result<Vec<DocumentDetail>, LedgerError> {
        let query = format!(
            "{DETAIL} WHERE collection = ?1 AND {SEEN} AND external_id > ?3
             AND (?4 IS NULL OR CASE state WHEN 'new' THEN 'queued' ELSE state END = ?4)
             ORDER BY external_id LIMIT ?5"
        );
        sqlx::query_as(sqlx::AssertSqlSafe(query))
            .bind(collection.as_str())
            .bind(sight.groups())
            .bind(page.after.unwrap_or_default())
            .bind(page.state.map(DocumentState::name))
            .bind(i64::try_from(page.limit).unwrap_or(i64::MAX))
            .fetch_all(&self.pool)
            .await
            .map_err(sql("list documents"))
    }

    /// One document, if it is seen.
    pub async fn document(
        &self,
        document: DocumentId,
        sight: Sight<'_>,
    ) -> Result<Option<DocumentDetail>, LedgerError> {
        sqlx::query_as(sqlx::AssertSqlSafe(format!("{DETAIL} WHERE id = ?1 AND {SEEN}")))
            .bind(document.to_string())
            .bind(sight.groups())
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("look a document up"))
    }

    /// Documents by collection and state.
    pub async fn count_states(&self) -> Result<Vec<StateCount>, LedgerError> {
        sqlx::query_as(
            "SELECT collection, CASE state WHEN 'new' THEN 'queued' ELSE state END AS state, COUNT(*) AS documents
             FROM shown GROUP BY 1, 2 ORDER BY 1, 2",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(sql("count documents"))
    }

    /// How long the document that is queued for longest has been. None: nothing is queued.
    pub async fn oldest_queued_ms(&self) -> Result<Option<i64>, LedgerError> {
        let (oldest,): (Option<i64>,) = sqlx::query_as("SELECT MIN(queued_at_ms) FROM work WHERE state = 'queued'")
            .fetch_one(&self.pool)
            .await
            .map_err(sql("look for the oldest work"))?;
        Ok(oldest.map(|at| now_ms() - at))
    }
}
