//! The keys' rows. What a key is, and who its holder may be, is `key`'s to say.

use super::{Ledger, LedgerError, sql};

/// A key as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KeyRow {
    pub id: String,
    pub name: String,
    pub secret_hash: String,
    /// JSON lists of texts.
    pub permissions: String,
    pub collections: String,
    pub groups: String,
    /// Seconds since 1970, UTC.
    pub created_at: i64,
    pub expires_at: Option<i64>,
    pub last_used_at: Option<i64>,
    pub revoked_at: Option<i64>,
}

/// A key that is not kept yet.
#[derive(Debug, Clone, Copy)]
pub struct NewKey<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub secret_hash: &'a str,
    pub permissions: &'a str,
    pub collections: &'a str,
    pub groups: &'a str,
    pub created_at: i64,
    pub expires_at: Option<i64>,
}

impl Ledger {
    pub async fn add_key(&self, key: NewKey<'_>) -> Result<(), LedgerError> {
        sqlx::query(
            "INSERT INTO keys (id, name, secret_hash, permissions, collections, groups, created_at, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(key.id)
        .bind(key.name)
        .bind(key.secret_hash)
        .bind(key.permissions)
        .bind(key.collections)
        .bind(key.groups)
        .bind(key.created_at)
        .bind(key.expires_at)
        .execute(&self.pool)
        .await
        .map_err(sql("keep a key"))?;
        Ok(())
    }

    /// Every key there ever was, the oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyRow>, LedgerError> {
        sqlx::query_as("SELECT * FROM keys ORDER BY created_at, id")
            .fetch_all(&self.pool)
            .await
            .map_err(sql("list keys"))
    }

    pub async fn key(&self, id: &str) -> Result<Option<KeyRow>, LedgerError> {
        sqlx::query_as("SELECT * FROM keys WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("look a key up"))
    }

    /// Whether there ever was a key: from then on a key is asked for.
    pub async fn has_keys(&self) -> Result<bool, LedgerError> {
        let (any,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT 1 FROM keys)")
            .fetch_one(&self.pool)
            .await
            .map_err(sql("look for keys"))?;
        Ok(any)
    }

    /// False where no such key is in use.
    pub async fn revoke_key(&self, id: &str, now: i64) -> Result<bool, LedgerError> {
        let done = sqlx::query("UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL")
            .bind(now)
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(sql("revoke a key"))?;
        Ok(done.rows_affected() == 1)
    }

    pub async fn key_used(&self, id: &str, now: i64) -> Result<(), LedgerError> {
        sqlx::query("UPDATE keys SET last_used_at = ? WHERE id = ?")
            .bind(now)
            .bind(id)
            .execute(&self.pool)
            .await
            .map_err(sql("note a key's use"))?;
        Ok(())
    }
}
