//! The texts that documents were cut from, and which of them are nearly the same.
//!
//! A text is kept from before its version's first point is stored until its last one is gone, so that a span always has
//! the text that it points into. What is in a text is the reader's business: here it is bytes.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::documents::Sight;
use super::{Ledger, LedgerError, sql};
use crate::document::{CollectionName, DocumentId, Version};

/// A text as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct KeptText {
    /// What it was extracted by.
    pub extraction: String,
    /// Compressed.
    pub body: Vec<u8>,
}

/// What tells whether two texts are nearly the same: the least hashes of their pieces, and these cut into bands.
#[derive(Debug, Clone, Copy)]
pub struct Signature<'a> {
    pub minima: &'a [u8],
    pub bands: &'a [u64],
}

/// A document that shares a band with another one.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Alike {
    pub external_id: String,
    pub title: String,
    /// JSON, as the document's row has it.
    pub metadata: String,
    pub minima: Vec<u8>,
}

impl Ledger {
    /// Keeps the text of a version. Call it before the version's points are stored.
    pub async fn keep_text(
        &self,
        document: DocumentId,
        version: Version,
        (extraction, body): (&str, &[u8]),
    ) -> Result<(), LedgerError> {
        sqlx::query(
            "INSERT INTO texts (document, version, extraction, body) VALUES (?, ?, ?, ?)
             ON CONFLICT (document, version) DO UPDATE SET extraction = excluded.extraction, body = excluded.body",
        )
        .bind(document.to_string())
        .bind(version.0)
        .bind(extraction)
        .bind(body)
        .execute(&self.pool)
        .await
        .map_err(sql("keep a text"))?;
        Ok(())
    }

    /// The text of a version. None: it is not kept.
    pub async fn text(&self, document: DocumentId, version: Version) -> Result<Option<KeptText>, LedgerError> {
        sqlx::query_as("SELECT extraction, body FROM texts WHERE document = ? AND version = ?")
            .bind(document.to_string())
            .bind(version.0)
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("look a text up"))
    }

    /// Notes what the text of a document is like.
    pub async fn sign(
        &self,
        document: DocumentId,
        collection: &CollectionName,
        signature: Signature<'_>,
    ) -> Result<(), LedgerError> {
        const WHAT: &str = "note what a text is like";
        let id = document.to_string();
        let mut transaction = self.pool.begin().await.map_err(sql(WHAT))?;
        sqlx::query("DELETE FROM signature_bands WHERE document = ?")
            .bind(&id)
            .execute(&mut *transaction)
            .await
            .map_err(sql(WHAT))?;
        sqlx::query("INSERT OR REPLACE INTO signatures (document, collection, minima) VALUES (?, ?, ?)")
            .bind(&id)
            .bind(collection.as_str())
            .bind(signature.minima)
            .execute(&mut *transaction)
            .await
            .map_err(sql(WHAT))?;
        let bands = signature.bands.iter().enumerate().map(|(band, hash)| json!([band, hash.cast_signed()]));
        sqlx::query(
            "INSERT OR IGNORE INTO signature_bands (collection, band, hash, document)
             SELECT ?1, value->>0, value->>1, ?2 FROM json_each(?3)",
        )
        .bind(collection.as_str())
        .bind(&id)
        .bind(Value::from_iter(bands).to_string())
        .execute(&mut *transaction)
        .await
        .map_err(sql(WHAT))?;
        transaction.commit().await.map_err(sql(WHAT))
    }

    /// What the text of a document is like, and which others that are seen share a band with it: at most `limit`.
    pub async fn alike(
        &self,
        document: DocumentId,
        sight: Sight<'_>,
        limit: usize,
    ) -> Result<Option<(Vec<u8>, Vec<Alike>)>, LedgerError> {
        const WHAT: &str = "look for texts that are alike";
        let own: Option<(Vec<u8>,)> = sqlx::query_as("SELECT minima FROM signatures WHERE document = ?")
            .bind(document.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(sql(WHAT))?;
        let Some((minima,)) = own else { return Ok(None) };
        let alike = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT external_id, title, metadata, minima
             FROM shown JOIN signatures s ON s.document = shown.id
             WHERE {} AND id IN (
                SELECT o.document FROM signature_bands b JOIN signature_bands o
                ON o.collection = b.collection AND o.band = b.band AND o.hash = b.hash
                WHERE b.document = ?1 AND o.document <> ?1)
             ORDER BY external_id LIMIT ?3",
            super::documents::SEEN
        )))
        .bind(document.to_string())
        .bind(sight.groups())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all(&self.pool)
        .await
        .map_err(sql(WHAT))?;
        Ok(Some((minima, alike)))
    }

    /// Every kept text of a collection, by document and version: for whoever compares two data folders.
    pub async fn kept_texts(
        &self,
        collection: &CollectionName,
    ) -> Result<HashMap<(String, i64), Vec<u8>>, LedgerError> {
        let rows: Vec<(String, i64, Vec<u8>)> = sqlx::query_as(
            "SELECT d.external_id, t.version, t.body FROM texts t JOIN documents d ON d.id = t.document
             WHERE d.collection = ?",
        )
        .bind(collection.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(sql("list texts"))?;
        Ok(rows.into_iter().map(|(id, version, body)| ((id, version), body)).collect())
    }
}

/// Forgets the texts of a document but that of `kept`, and with none kept what its text is like.
pub(super) async fn forget(
    connection: &mut sqlx::SqliteConnection,
    document: DocumentId,
    kept: Option<i64>,
) -> Result<(), sqlx::Error> {
    let id = document.to_string();
    sqlx::query("DELETE FROM texts WHERE document = ? AND version IS NOT ?")
        .bind(&id)
        .bind(kept)
        .execute(&mut *connection)
        .await?;
    if kept.is_none() {
        for table in ["signatures", "signature_bands"] {
            let delete = format!("DELETE FROM {table} WHERE document = ?");
            sqlx::query(sqlx::AssertSqlSafe(delete)).bind(&id).execute(&mut *connection).await?;
        }
    }
    Ok(())
}
