//! What an answer is chosen from, before anything is chosen: for measuring search, and for fitting what is refused.

use super::{AnswerError, Answerer, Question, pack};
use crate::caller::Caller;
use crate::document::Hit;

impl Answerer {
    /// The hits for a question that [`ground`](Self::ground) packs its passages from, in order, each with its relevance.
    pub async fn ranked(&self, caller: &Caller, question: &Question) -> Result<Vec<(Hit, f32)>, AnswerError> {
        let text = self.search_text(question);
        let hits = self.search(caller, &question.collection, &text, self.retrieval.candidates).await?;
        let judged = pack::judge(&text, hits, &self.sparse);
        Ok(judged.into_iter().map(|judged| (judged.hit, judged.relevance)).collect())
    }
}
