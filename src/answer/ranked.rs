//! What an answer is chosen from, before anything is chosen: for measuring search, and for fitting what is refused.

use super::{AnswerError, Answerer, Question, pack, rerank};
use crate::caller::Caller;
use crate::document::Hit;

impl Answerer {
    /// The hits for a question that [`ground`](Self::ground) packs its passages from, in order, each with its relevance.
    pub async fn ranked(&self, caller: &Caller, question: &Question) -> Result<Vec<(Hit, f32)>, AnswerError> {
        let condensed =
            self.condenser.condense(question, self.chat.as_ref(), self.embedder.as_ref(), &self.sparse).await;
        let asked = condensed.as_ref().map_or(&question.text, |condensed| &condensed.text);
        let hits = self.search_for(caller, question, condensed.as_ref()).await?;
        let hits = rerank::reranked(self.rerank.as_ref(), asked, hits).await;
        let judged = pack::judge(asked, hits, &self.sparse);
        Ok(judged.into_iter().map(|judged| (judged.hit, judged.relevance)).collect())
    }
}
