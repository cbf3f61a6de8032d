//! Which stored uploads some row still needs.

use super::{Ledger, LedgerError, sql};
use crate::document::DocumentId;

impl Ledger {
    /// The stored upload that the document was made from. Empty: none.
    pub async fn blob_of(&self, document: DocumentId) -> Result<String, LedgerError> {
        let found: Option<(String,)> = sqlx::query_as("SELECT blob FROM documents WHERE id = ?")
            .bind(document.to_string())
            .fetch_optional(&self.pool)
            .await
            .map_err(sql("look an upload up"))?;
        Ok(found.map(|(blob,)| blob).unwrap_or_default())
    }

    /// Whether a document, or work that is to do, needs this upload.
    pub async fn needs_blob(&self, blob: &str) -> Result<bool, LedgerError> {
        let (needed,): (bool,) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM documents WHERE blob = ?1 AND state <> 'removed')
                 OR EXISTS (SELECT 1 FROM work WHERE blob = ?1 AND state <> 'ended')",
        )
        .bind(blob)
        .fetch_one(&self.pool)
        .await
        .map_err(sql("look an upload up"))?;
        Ok(needed)
    }

    /// Makes everything that was written so far outlive a power cut: what was promised to somebody outside is kept.
    /// Without this, only what a killed process wrote is sure to be there.
    pub async fn sync(&self) -> Result<(), LedgerError> {
        sqlx::query("PRAGMA wal_checkpoint(FULL)")
            .execute(&self.pool)
            .await
            .map_err(sql("write the ledger to the disk"))?;
        Ok(())
    }
}
