//! Path 2: a question in, an answer out that stands on numbered passages, or a refusal.
//!
//! [`Answerer::ground`] then [`Answerer::write`]: the whole path for the server and the command line alike. Knows
//! nothing of HTTP, and nothing of how documents came in.

mod event;

// From a question to what it may rely on.
mod condense;
mod searched;
mod rerank;
mod pack;
mod join;
mod verify;
mod support;
mod ranked;

// From there to the answer.
mod write;
mod prompt;
mod checked;
mod cite;
mod links;
mod extractive;
mod instructions;
mod sentence;
mod record;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

pub use checked::Policy;
pub use condense::{Condensed, CondensedBy, Condenser};
pub use event::{
    AnswerError, AnswerEvent, CheckedClaim, Citation, ClaimCounts, Done, Evidence, Finding, MarkCounts, Outcome,
    Reason, Writer,
};
pub use join::{Joiner, Originals};
pub use prompt::{Prompt, PromptError};
pub use rerank::Rerank;
pub use searched::{Candidate, Searched};
pub use support::Support;
pub use verify::Verifier;
pub use write::{EXTRACTIVE_LEAD, FALLBACK_LEAD};

use crate::caller::Caller;
use crate::chat::judge::ChatJudge;
use crate::chat::{ChatClient, Role, Sampling};
use crate::config::{self, Search};
use crate::document::{CollectionName, Hit, Passage};
use crate::embed::{EmbedError, Embedder, Purpose, SparseEmbedder, SparseVector};
use crate::ground::Scorer;
use crate::store::{Filter, Query, VectorStore};
use join::Budget;

/// The whole of an answer that is none.
pub const REFUSAL: &str = "I can't answer that from these documents.";
/// Documents that a refusal names as the nearest.
const NEAREST_MAX: usize = 3;

/// What somebody wants to know.
#[derive(Debug, Clone)]
pub struct Question {
    pub collection: CollectionName,
    /// Which of its documents may be used.
    pub filter: Filter,
    pub text: String,
    /// Earlier turns of the conversation, oldest first.
    pub history: Vec<Turn>,
    pub sampling: Sampling,
}

/// Where a search looks, as far as whoever asks chooses.
#[derive(Debug, Clone, Copy)]
pub struct Within<'a> {
    pub collection: &'a CollectionName,
    pub filter: &'a Filter,
}

/// An earlier message of a conversation.
#[derive(Debug, Clone)]
pub struct Turn {
    pub role: Role,
    pub text: String,
}

/// What an answer may rely on. No passages: it will be a refusal.
#[derive(Debug, Clone)]
pub struct Grounding {
    pub question: Question,
    pub passages: Vec<Passage>,
    /// The best hit of each of the nearest documents, whether or not it was worth packing.
    pub nearest: Vec<Hit>,
    /// How far the documents speak of what is asked.
    pub support: Support,
    pub searched: Searched,
    started: Instant,
}

impl Grounding {
    /// An answer may rely on these passages, wherever they come from. For measuring what becomes of recorded answers.
    pub fn over(question: Question, passages: Vec<Passage>) -> Self {
        let support = support::support(&question.text, &[], &passages);
        let searched = Searched::default();
        Self { question, passages, nearest: Vec::new(), support, searched, started: Instant::now() }
    }

    /// What is asked, as it stands by itself.
    pub fn asked(&self) -> &str {
        self.searched.condensed.as_ref().map_or(&self.question.text, |condensed| &condensed.text)
    }
}

/// Answers questions from the documents of one store.
pub struct Answerer {
    pub embedder: Arc<dyn Embedder>,
    pub sparse: Arc<SparseEmbedder>,
    pub store: Arc<dyn VectorStore>,
    /// None: answers are extractive.
    pub chat: Option<ChatClient>,
    pub prompt: Prompt,
    /// None: the fused order stands.
    pub rerank: Option<Rerank>,
    pub joiner: Joiner,
    pub condenser: Condenser,
    pub retrieval: config::Retrieval,
    pub limits: config::Answer,
    pub scorer: Arc<Scorer>,
    /// A second opinion on claims. None: the scorer's word stands.
    pub judge: Option<ChatJudge>,
    pub verifier: Verifier,
    pub policy: Policy,
    /// Where a collection has one of its own.
    pub policies: BTreeMap<CollectionName, Policy>,
}

impl Answerer {
    /// The hits for a text, best first.
    pub async fn search(
        &self,
        caller: &Caller,
        within: Within<'_>,
        text: &str,
        limit: usize,
    ) -> Result<Vec<Hit>, AnswerError> {
        let Within { collection, filter } = within;
        self.check_length(text)?;
        // A collection that isn't the caller's is to the caller one that isn't there.
        let absent = || AnswerError::NoDocuments { collection: collection.to_string() };
        let scope = caller.scope(collection).ok_or_else(absent)?;
        let started = Instant::now();
        let dense = match self.embedder.embed(Purpose::Question, vec![text.to_owned()]).await {
            Err(EmbedError::TooLong { tokens, tokens_max }) => {
                return Err(AnswerError::Invalid(format!(
                    "the question has {tokens} tokens, the embedding model takes at most {tokens_max}"
                )));
            }
            embedded => embedded?.pop().unwrap_or_default(),
        };
        let query = Query {
            dense,
            sparse: match self.retrieval.search {
                Search::Hybrid => self.sparse.question(text),
                Search::Dense => SparseVector::default(),
            },
            filter: filter.clone(),
            candidates: self.retrieval.candidates.max(limit),
            rank_constant: self.retrieval.rank_constant,
            limit,
        };
        let hits = self.store.search(&scope, query).await?;
        metrics::histogram!("cairn_retrieval_duration_seconds").record(started.elapsed().as_secs_f64());
        if hits.is_empty() && !filter.is_empty() && self.store.count(&scope).await?.chunks > 0 {
            return Err(AnswerError::NothingPasses { collection: collection.to_string() });
        }
        if hits.is_empty() {
            // The nearest hit may be far, but there is one unless there is nothing to find.
            return Err(absent());
        }
        Ok(hits)
    }

    /// Finds what the answer may rely on. Fails before the first byte, so an error here is an HTTP status.
    pub async fn ground(&self, caller: &Caller, question: Question) -> Result<Grounding, AnswerError> {
        let started = Instant::now();
        self.check_history(&question.history)?;
        self.check_length(&question.text)?;
        let (embedder, chat) = (self.embedder.as_ref(), self.chat.as_ref());
        let condensed = self.condenser.condense(&question, chat, embedder, &self.sparse).await;
        let question = Question { history: self.condenser.bounded(&question.history, embedder), ..question };
        let asked = condensed.as_ref().map_or(&question.text, |condensed| &condensed.text).clone();
        let hits = self.search_for(caller, &question, condensed.as_ref()).await?;
        let hits = rerank::reranked(self.rerank.as_ref(), &asked, hits).await;
        let near = hits.clone();
        let judged = pack::judge(&asked, hits, &self.sparse);
        let tokens = self.embedder.token_counter();
        let packed = pack::pack(judged, &self.retrieval, tokens);
        let budget = Budget { tokens, tokens_max: self.retrieval.passage_tokens_max };
        let passages = self.verifier.verified(self.joiner.joined(packed, budget).await).await?;
        let support = support::support(&asked, &near, &passages);
        let candidates = near.iter().map(Candidate::of).collect();
        let searched = Searched { condensed, candidates, took: started.elapsed() };
        Ok(Grounding { question, passages, nearest: nearest(&near), support, searched, started })
    }

    fn check_length(&self, text: &str) -> Result<(), AnswerError> {
        if text.trim().is_empty() {
            return Err(AnswerError::Invalid("the question is empty".into()));
        }
        let limit = self.limits.question_bytes_max;
        if text.len() as u64 > limit.as_u64() {
            let length = text.len();
            return Err(AnswerError::Invalid(format!(
                "the question has {length} bytes, at most {} are allowed (answer.question_bytes_max)",
                limit.as_u64()
            )));
        }
        Ok(())
    }

    fn check_history(&self, history: &[Turn]) -> Result<(), AnswerError> {
        let (turns, turns_max) = (history.len(), self.limits.history_messages_max);
        if turns > turns_max {
            return Err(AnswerError::Invalid(format!(
                "the conversation has {turns} earlier messages, at most {turns_max} are allowed \
                 (answer.history_messages_max)"
            )));
        }
        let bytes_max = self.limits.message_bytes_max.as_u64();
        if history.iter().any(|turn| turn.text.len() as u64 > bytes_max) {
            return Err(AnswerError::Invalid(format!(
                "an earlier message has more than {bytes_max} bytes (answer.message_bytes_max)"
            )));
        }
        Ok(())
    }
}

fn nearest(hits: &[Hit]) -> Vec<Hit> {
    let mut seen = HashSet::new();
    hits.iter().filter(|hit| seen.insert(hit.document)).take(NEAREST_MAX).cloned().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::document::{Chunk, DocumentId, Metadata, Span, Version};

    pub(crate) fn limits() -> config::Retrieval {
        config::Retrieval {
            search: Search::Hybrid,
            candidates: 10,
            rank_constant: 2,
            passages_max: 5,
            passage_tokens_max: 500,
            relevance_min: 0.7,
            overlap_max: 0.8,
        }
    }

    pub(crate) fn passage(number: usize, text: &str) -> Passage {
        let collection: CollectionName = "default".parse().unwrap();
        Passage {
            number,
            hit: Hit {
                document: DocumentId::new(&collection, "guide.md"),
                version: Version(1),
                external_id: "/docs/guide.md".into(),
                title: "Guide".into(),
                metadata: Metadata::default(),
                chunk: Chunk {
                    ordinal: 0,
                    span: Span { start: 100, end: 100 + text.len() },
                    page: None,
                    headings: vec!["Guide".into(), "Install".into()],
                    table_head: None,
                    text: text.into(),
                },
                score: 0.5,
                similarity: 0.9,
            },
            also_in: Vec::new(),
        }
    }

    #[test]
    fn each_of_the_nearest_documents_is_named_once() {
        let hit = passage(1, "text").hit;
        assert_eq!(nearest(&[hit.clone(), hit]).len(), 1);
    }
}
