//! BM25 as sparse vectors: term frequencies here, inverse document frequencies by the engine at search time.
//!
//! The vectors are the ones that Qdrant's own BM25 makes, so that one index can move between engines; therefore this
//! file uses a Qdrant crate although it is no store. Words are lower-cased, stemmed and freed of stop words.

use qdrant_edge::bm25_embed::{EdgeBm25, EdgeBm25Config};
use qdrant_edge::external::ordered_float::NotNan;

/// Words of a typical chunk after stop words, the length at which BM25 neither favours nor punishes.
const CHUNK_WORDS_MEAN: f64 = 96.0;

/// Term ids and their weights, of equal length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseVector {
    pub indices: Vec<u32>,
    pub values: Vec<f32>,
}

/// Makes sparse vectors. Pure: the same text gives the same vector.
pub struct SparseEmbedder {
    bm25: EdgeBm25,
}

impl SparseEmbedder {
    /// Names the way words become vectors; part of an index's fingerprint.
    pub const FINGERPRINT: &'static str = "bm25-en-1";

    pub fn new() -> Self {
        let config = EdgeBm25Config {
            avg_len: NotNan::new(CHUNK_WORDS_MEAN).expect("a constant is a number"),
            ..EdgeBm25Config::default()
        };
        Self { bm25: EdgeBm25::new(config).expect("English and the usual BM25 parameters are known to the engine") }
    }

    pub fn passage(&self, text: &str) -> SparseVector {
        let vector = self.bm25.embed_document(text);
        SparseVector { indices: vector.indices, values: vector.values }
    }

    pub fn question(&self, text: &str) -> SparseVector {
        let vector = self.bm25.embed_query(text);
        SparseVector { indices: vector.indices, values: vector.values }
    }
}

impl Default for SparseEmbedder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_and_a_passage_share_the_ids_of_words_with_one_stem() {
        let sparse = SparseEmbedder::new();
        let passage = sparse.passage("The server listens on a port.");
        let question = sparse.question("listening servers");
        assert_eq!(question.indices.len(), 2);
        assert!(question.indices.iter().all(|id| passage.indices.contains(id)));
    }

    #[test]
    fn stop_words_alone_make_an_empty_vector() {
        assert!(SparseEmbedder::new().question("what is the").indices.is_empty());
    }
}
