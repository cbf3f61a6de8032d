//! What people say of answers: one opinion of each owner about each answer, the last one counts.
//!
//! It outlives the answer, so it brings the question along.

use super::answers::AnswersOf;
use super::{Ledger, LedgerError, now_ms, sql};

/// What somebody said of an answer.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct FeedbackRow {
    pub answer: String,
    /// The id of the key that said it. Empty: none did.
    pub owner: String,
    pub collection: String,
    /// As it stands without the conversation.
    pub question: String,
    /// `up` or `down`.
    pub rating: String,
    pub comment: String,
    /// What the answer should have been. Empty: not said.
    pub right_answer: String,
    pub at_ms: i64,
}

impl Ledger {
    /// Keeps what an owner says of an answer, in the place of what they said before.
    pub async fn keep_feedback(&self, row: &FeedbackRow) -> Result<(), LedgerError> {
        sqlx::query(
            "INSERT INTO feedback (answer, owner, collection, question, rating, comment, right_answer, at_ms)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT (answer, owner) DO UPDATE SET rating = excluded.rating, comment = excluded.comment,
                 right_answer = excluded.right_answer, at_ms = excluded.at_ms",
        )
        .bind(&row.answer)
        .bind(&row.owner)
        .bind(&row.collection)
        .bind(&row.question)
        .bind(&row.rating)
        .bind(&row.comment)
        .bind(&row.right_answer)
        .bind(row.at_ms)
        .execute(&self.pool)
        .await
        .map_err(sql("keep feedback"))?;
        Ok(())
    }

    /// What was said of an answer, the oldest first.
    pub async fn feedback_of(&self, answer: &str) -> Result<Vec<FeedbackRow>, LedgerError> {
        sqlx::query_as("SELECT * FROM feedback WHERE answer = ? ORDER BY at_ms, owner")
            .bind(answer)
            .fetch_all(&self.pool)
            .await
            .map_err(sql("look feedback up"))
    }

    /// What was said of answers, about those with ids before `before`, the latest answer first, and of one answer as they
    /// were said.
    pub async fn feedback(
        &self,
        of: AnswersOf<'_>,
        rating: Option<&str>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<FeedbackRow>, LedgerError> {
        sqlx::query_as(
            "SELECT * FROM feedback WHERE (?1 IS NULL OR owner = ?1)
             AND (?2 IS NULL OR collection IN (SELECT value FROM json_each(?2))) AND at_ms >= ?3
             AND (?4 IS NULL OR rating = ?4) AND (?5 = '' OR answer < ?5) ORDER BY answer DESC, at_ms, owner LIMIT ?6",
        )
        .bind(of.owner)
        .bind(of.collections.map(|names| serde_json::Value::from_iter(names.iter().copied()).to_string()))
        .bind(of.alive_since_ms)
        .bind(rating)
        .bind(before.unwrap_or_default())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(sql("list feedback"))
    }
}

impl FeedbackRow {
    /// The same, said now.
    pub fn now(self) -> Self {
        Self { at_ms: now_ms(), ..self }
    }
}

/// Forgets what was said longer ago, at most `limit` rows. Gives how many.
pub(super) async fn forget_old(
    connection: &mut sqlx::SqliteConnection,
    since_ms: i64,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let old: Vec<(String, String)> =
        sqlx::query_as("SELECT answer, owner FROM feedback WHERE at_ms < ? ORDER BY at_ms LIMIT ?")
            .bind(since_ms)
            .bind(limit)
            .fetch_all(&mut *connection)
            .await?;
    for (answer, owner) in &old {
        sqlx::query("DELETE FROM feedback WHERE answer = ? AND owner = ?")
            .bind(answer)
            .bind(owner)
            .execute(&mut *connection)
            .await?;
    }
    Ok(old.len() as u64)
}
