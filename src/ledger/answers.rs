//! How answers came about: kept for a while, in a bounded number, and gone with a document that they could rely on.
//!
//! What was found and checked is JSON here, and its form `record`'s to say. An answer and what it adds to a conversation
//! are written in one transaction.

use super::conversations::{self, Said};
use super::{Ledger, LedgerError, feedback, now_ms, sql};
use crate::document::DocumentId;

/// An answer as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct AnswerRow {
    pub id: String,
    /// The id of the key that asked. Empty: none did.
    pub owner: String,
    pub collection: String,
    /// Empty: none.
    pub conversation: String,
    pub question: String,
    /// Empty: the question stands by itself.
    pub condensed: String,
    pub outcome: String,
    pub reason: String,
    pub writer: String,
    pub model: String,
    pub prompt_hash: String,
    pub generation: String,
    pub embedder: String,
    pub text: String,
    /// What it takes to ask again, as JSON.
    pub asked: String,
    /// What was found and checked, as JSON.
    pub trace: String,
    pub created_at_ms: i64,
}

/// Whose answers are looked at, and since when one must have been given to be still there.
#[derive(Debug, Clone, Copy)]
pub struct AnswersOf<'a> {
    /// None: everybody's.
    pub owner: Option<&'a str>,
    /// None: of every collection.
    pub collections: Option<&'a [&'a str]>,
    pub alive_since_ms: i64,
}

/// What is kept no longer than until when, in milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Cutoffs {
    pub answers_ms: i64,
    pub feedback_ms: i64,
    pub conversations_ms: i64,
}

/// What the end of an answer leaves behind.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// None: answers are not kept.
    pub answer: Option<&'a AnswerRow>,
    /// The documents that it could rely on.
    pub documents: &'a [DocumentId],
    /// None: it belongs to no conversation, or was not finished.
    pub said: Option<Said<'a>>,
    /// The oldest answers beyond so many go.
    pub count_max: usize,
}

impl AnswersOf<'_> {
    fn collections(&self) -> Option<String> {
        self.collections.map(|names| serde_json::Value::from_iter(names.iter().copied()).to_string())
    }
}

const SEEN: &str = "(?1 IS NULL OR owner = ?1) AND (?2 IS NULL OR collection IN (SELECT value FROM json_each(?2)))
                    AND created_at_ms >= ?3";

impl Ledger {
    /// Keeps an answer, and adds it to its conversation, unless that was forgotten meanwhile.
    pub async fn keep_answer(&self, ending: Ending<'_>) -> Result<(), LedgerError> {
        const WHAT: &str = "keep an answer";
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        if let Some(said) = ending.said {
            conversations::add(&mut transaction, said).await.map_err(sql(WHAT))?;
        }
        if let Some(answer) = ending.answer {
            insert(&mut transaction, answer).await.map_err(sql(WHAT))?;
            for document in ending.documents {
                sqlx::query("INSERT INTO answer_documents (document, answer) VALUES (?, ?) ON CONFLICT DO NOTHING")
                    .bind(document.to_string())
                    .bind(&answer.id)
                    .execute(&mut *transaction)
                    .await
                    .map_err(sql(WHAT))?;
            }
            forget_beyond(&mut transaction, ending.count_max).await.map_err(sql(WHAT))?;
        }
        transaction.commit().await.map_err(sql(WHAT))
    }

    pub async fn answer(&self, id: &str, of: AnswersOf<'_>) -> Result<Option<AnswerRow>, LedgerError> {
        sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT * FROM answers WHERE {SEEN} AND id = ?4")))
            .bind(of.owner)
            .bind(of.collections())
            .bind(of.alive_since_ms)
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("look an answer up"))
    }

    /// The latest answers, those before `before`, latest first.
    pub async fn answers(
        &self,
        of: AnswersOf<'_>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<AnswerRow>, LedgerError> {
        sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT * FROM answers WHERE {SEEN} AND (?4 = '' OR id < ?4) ORDER BY id DESC LIMIT ?5"
        )))
        .bind(of.owner)
        .bind(of.collections())
        .bind(of.alive_since_ms)
        .bind(before.unwrap_or_default())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(sql("list answers"))
    }

    /// Forgets one answer; what was said of it stays. False where there is none.
    pub async fn forget_answer(&self, id: &str) -> Result<bool, LedgerError> {
        const WHAT: &str = "forget an answer";
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        let forgotten = forget(&mut transaction, id).await.map_err(sql(WHAT))?;
        transaction.commit().await.map_err(sql(WHAT))?;
        Ok(forgotten)
    }

    /// Forgets what is too old, at most `limit` rows of each kind. Gives how many.
    pub async fn forget_expired(&self, cutoffs: Cutoffs, limit: usize) -> Result<u64, LedgerError> {
        const WHAT: &str = "forget what is too old";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        let old: Vec<(String,)> =
            sqlx::query_as("SELECT id FROM answers WHERE created_at_ms < ? ORDER BY created_at_ms LIMIT ?")
                .bind(cutoffs.answers_ms)
                .bind(limit)
                .fetch_all(&mut *transaction)
                .await
                .map_err(sql(WHAT))?;
        for (id,) in &old {
            forget(&mut transaction, id).await.map_err(sql(WHAT))?;
        }
        let mut forgotten = old.len() as u64;
        forgotten += feedback::forget_old(&mut transaction, cutoffs.feedback_ms, limit).await.map_err(sql(WHAT))?;
        forgotten +=
            conversations::forget_unused(&mut transaction, cutoffs.conversations_ms, limit).await.map_err(sql(WHAT))?;
        transaction.commit().await.map_err(sql(WHAT))?;
        Ok(forgotten)
    }
}

/// Forgets the answers that could rely on a document.
pub(super) async fn forget_of(
    connection: &mut sqlx::SqliteConnection,
    document: DocumentId,
) -> Result<(), sqlx::Error> {
    let resting: Vec<(String,)> = sqlx::query_as("SELECT answer FROM answer_documents WHERE document = ?")
        .bind(document.to_string())
        .fetch_all(&mut *connection)
        .await?;
    for (id,) in &resting {
        forget(connection, id).await?;
    }
    Ok(())
}

/// Forgets the answers of a conversation.
pub(super) async fn forget_said(
    connection: &mut sqlx::SqliteConnection,
    conversation: &str,
) -> Result<(), sqlx::Error> {
    let said: Vec<(String,)> = sqlx::query_as("SELECT id FROM answers WHERE conversation = ?")
        .bind(conversation)
        .fetch_all(&mut *connection)
        .await?;
    for (id,) in &said {
        forget(connection, id).await?;
    }
    Ok(())
}

async fn insert(connection: &mut sqlx::SqliteConnection, answer: &AnswerRow) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO answers (id, owner, collection, conversation, question, condensed, outcome, reason, writer, model,
                              prompt_hash, generation, embedder, text, asked, trace, created_at_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&answer.id)
    .bind(&answer.owner)
    .bind(&answer.collection)
    .bind(&answer.conversation)
    .bind(&answer.question)
    .bind(&answer.condensed)
    .bind(&answer.outcome)
    .bind(&answer.reason)
    .bind(&answer.writer)
    .bind(&answer.model)
    .bind(&answer.prompt_hash)
    .bind(&answer.generation)
    .bind(&answer.embedder)
    .bind(&answer.text)
    .bind(&answer.asked)
    .bind(&answer.trace)
    .bind(answer.created_at_ms)
    .execute(connection)
    .await?;
    Ok(())
}

async fn forget_beyond(connection: &mut sqlx::SqliteConnection, count_max: usize) -> Result<(), sqlx::Error> {
    let beyond: Vec<(String,)> =
        sqlx::query_as("SELECT id FROM answers WHERE id <= (SELECT id FROM answers ORDER BY id DESC LIMIT 1 OFFSET ?)")
            .bind(i64::try_from(count_max).unwrap_or(i64::MAX))
            .fetch_all(&mut *connection)
            .await?;
    for (id,) in &beyond {
        forget(connection, id).await?;
    }
    Ok(())
}

async fn forget(connection: &mut sqlx::SqliteConnection, id: &str) -> Result<bool, sqlx::Error> {
    sqlx::query("DELETE FROM answer_documents WHERE answer = ?").bind(id).execute(&mut *connection).await?;
    let done = sqlx::query("DELETE FROM answers WHERE id = ?").bind(id).execute(connection).await?;
    Ok(done.rows_affected() == 1)
}

/// The moment before which something that is kept for `keep` was last new.
pub fn cutoff_ms(keep: std::time::Duration) -> i64 {
    now_ms().saturating_sub(i64::try_from(keep.as_millis()).unwrap_or(i64::MAX))
}
