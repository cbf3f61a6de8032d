//! Conversations that are kept: whose they are, what was said, and how much of it.
//!
//! An owner is the id of a key, or empty; a conversation of another owner is one that is not there, and so is one that
//! nobody has used since `alive_since_ms`. Whose turn it is, and what an answer rests on, is not known here.

use super::{Ledger, LedgerError, answers, now_ms, sql};

/// A conversation that is kept, without what was said.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ConversationRow {
    pub id: String,
    pub owner: String,
    pub collection: String,
    /// A JSON object of texts.
    pub metadata: String,
    pub messages: i64,
    /// Of all its messages.
    pub bytes: i64,
    pub created_at_ms: i64,
    pub used_at_ms: i64,
}

/// Something that was said in one.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct MessageRow {
    /// Counts the conversation's messages from 1.
    pub number: i64,
    /// `user` or `assistant`.
    pub role: String,
    pub text: String,
    /// The answer that this is, or that it asked for.
    pub answer: String,
    pub at_ms: i64,
}

/// A conversation that is not kept yet.
#[derive(Debug, Clone, Copy)]
pub struct NewConversation<'a> {
    pub id: &'a str,
    pub owner: &'a str,
    pub collection: &'a str,
    pub metadata: &'a str,
}

/// Whose conversations are looked at, and since when one must have been used to be still there.
#[derive(Debug, Clone, Copy)]
pub struct Mine<'a> {
    pub owner: &'a str,
    pub alive_since_ms: i64,
}

/// A question and its answer, for the end of a conversation.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    pub conversation: &'a str,
    pub question: &'a str,
    pub answer: &'a str,
    pub answer_id: &'a str,
}

impl Ledger {
    /// Keeps a conversation, unless its owner has `count_max` of them. False: they have.
    pub async fn add_conversation(&self, new: NewConversation<'_>, count_max: usize) -> Result<bool, LedgerError> {
        let done = sqlx::query(
            "INSERT INTO conversations (id, owner, collection, metadata, created_at_ms, used_at_ms)
             SELECT ?1, ?2, ?3, ?4, ?5, ?5 WHERE (SELECT COUNT(*) FROM conversations WHERE owner = ?2) < ?6",
        )
        .bind(new.id)
        .bind(new.owner)
        .bind(new.collection)
        .bind(new.metadata)
        .bind(now_ms())
        .bind(i64::try_from(count_max).unwrap_or(i64::MAX))
        .execute(&self.pool)
        .await
        .map_err(sql("keep a conversation"))?;
        Ok(done.rows_affected() == 1)
    }

    pub async fn conversation(&self, id: &str, mine: Mine<'_>) -> Result<Option<ConversationRow>, LedgerError> {
        sqlx::query_as("SELECT * FROM conversations WHERE id = ? AND owner = ? AND used_at_ms >= ?")
            .bind(id)
            .bind(mine.owner)
            .bind(mine.alive_since_ms)
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("look a conversation up"))
    }

    /// The latest conversations that were begun, those before `before`, latest first.
    pub async fn conversations(
        &self,
        mine: Mine<'_>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ConversationRow>, LedgerError> {
        sqlx::query_as(
            "SELECT * FROM conversations WHERE owner = ?1 AND used_at_ms >= ?2 AND (?3 = '' OR id < ?3)
             ORDER BY id DESC LIMIT ?4",
        )
        .bind(mine.owner)
        .bind(mine.alive_since_ms)
        .bind(before.unwrap_or_default())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(sql("list conversations"))
    }

    /// The last `limit` messages of a conversation, in their order.
    pub async fn messages(&self, conversation: &str, limit: usize) -> Result<Vec<MessageRow>, LedgerError> {
        let mut latest: Vec<MessageRow> = sqlx::query_as(
            "SELECT number, role, text, answer, at_ms FROM messages WHERE conversation = ?
             ORDER BY number DESC LIMIT ?",
        )
        .bind(conversation)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(sql("list what was said"))?;
        latest.reverse();
        Ok(latest)
    }

    /// Forgets a conversation with all that was said in it, and how its answers came about. False where there is none of
    /// this owner's.
    pub async fn forget_conversation(&self, id: &str, owner: &str) -> Result<bool, LedgerError> {
        const WHAT: &str = "forget a conversation";
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        let done = sqlx::query("DELETE FROM conversations WHERE id = ? AND owner = ?")
            .bind(id)
            .bind(owner)
            .execute(&mut *transaction)
            .await
            .map_err(sql(WHAT))?;
        if done.rows_affected() == 1 {
            sqlx::query("DELETE FROM messages WHERE conversation = ?")
                .bind(id)
                .execute(&mut *transaction)
                .await
                .map_err(sql(WHAT))?;
            answers::forget_said(&mut transaction, id).await.map_err(sql(WHAT))?;
        }
        transaction.commit().await.map_err(sql(WHAT))?;
        Ok(done.rows_affected() == 1)
    }
}

/// Adds a question and its answer to the end of a conversation, if it is still there.
pub(super) async fn add(connection: &mut sqlx::SqliteConnection, said: Said<'_>) -> Result<(), sqlx::Error> {
    let bytes = i64::try_from(said.question.len() + said.answer.len()).unwrap_or(i64::MAX);
    let now = now_ms();
    let known: Option<(i64,)> = sqlx::query_as(
        "UPDATE conversations SET messages = messages + 2, bytes = bytes + ?, used_at_ms = ? WHERE id = ?
         RETURNING messages",
    )
    .bind(bytes)
    .bind(now)
    .bind(said.conversation)
    .fetch_optional(&mut *connection)
    .await?;
    let Some((messages,)) = known else { return Ok(()) };
    for (number, role, text) in [(messages - 1, "user", said.question), (messages, "assistant", said.answer)] {
        sqlx::query("INSERT INTO messages (conversation, number, role, text, answer, at_ms) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(said.conversation)
            .bind(number)
            .bind(role)
            .bind(text)
            .bind(said.answer_id)
            .bind(now)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Forgets conversations that nobody has used since, at most `limit` of them. Gives how many.
pub(super) async fn forget_unused(
    connection: &mut sqlx::SqliteConnection,
    since_ms: i64,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let old: Vec<(String,)> =
        sqlx::query_as("SELECT id FROM conversations WHERE used_at_ms < ? ORDER BY used_at_ms LIMIT ?")
            .bind(since_ms)
            .bind(limit)
            .fetch_all(&mut *connection)
            .await?;
    for (id,) in &old {
        for delete in ["DELETE FROM messages WHERE conversation = ?", "DELETE FROM conversations WHERE id = ?"] {
            sqlx::query(delete).bind(id).execute(&mut *connection).await?;
        }
    }
    Ok(old.len() as u64)
}
