//! Passages in, those that stand in their documents out: before an answer may rely on a text, it is compared byte by
//! byte with what was extracted from the document.
//!
//! A quote is a piece of a passage, so what passes here makes every citation true. What does not pass is left out and
//! counted: a version that was replaced a moment ago, an index that is not of this data folder.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::warn;

use super::event::AnswerError;
use super::join::Originals;
use crate::document::Passage;

/// Passages that are remembered as true: a version's text never changes.
const KNOWN_MAX: usize = 50_000;

/// Compares passages with originals, each once.
pub struct Verifier {
    originals: Arc<dyn Originals>,
    known: Mutex<HashSet<u64>>,
}

impl Verifier {
    pub fn new(originals: Arc<dyn Originals>) -> Self {
        Self { originals, known: Mutex::new(HashSet::new()) }
    }

    /// The passages whose text stands at its span, numbered anew from 1.
    pub(super) async fn verified(&self, passages: Vec<Passage>) -> Result<Vec<Passage>, AnswerError> {
        let mut verified = Vec::with_capacity(passages.len());
        for passage in passages {
            if self.is_true(&passage).await? {
                verified.push(Passage { number: verified.len() + 1, ..passage });
            } else {
                metrics::counter!("cairn_passages_unverified_total").increment(1);
                warn!(doc.id = %passage.hit.document, doc.version = passage.hit.version.0,
                    "a passage is not in its document's text and was left out");
            }
        }
        Ok(verified)
    }

    async fn is_true(&self, passage: &Passage) -> Result<bool, AnswerError> {
        let (hit, chunk) = (&passage.hit, &passage.hit.chunk);
        let mut hasher = DefaultHasher::new();
        (hit.document, hit.version, chunk.span.start, chunk.span.end, &chunk.text).hash(&mut hasher);
        let key = hasher.finish();
        if self.known().contains(&key) {
            return Ok(true);
        }
        let text = self.originals.text(hit.document, hit.version).await?;
        let is_true = text.is_some_and(|text| text.get(chunk.span.start..chunk.span.end) == Some(chunk.text.as_str()));
        if is_true {
            let mut known = self.known();
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
            known.insert(key);
        }
        Ok(is_true)
    }

    fn known(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
