//! Whether a question can be answered again: asked as the product asks, its sources are among the passages.

use futures::StreamExt;

use super::alike::Asked;
use super::made::Draft;
use crate::answer::{Grounding, Question};
use crate::caller::Caller;
use crate::chat::Sampling;
use crate::document::Passage;
use crate::embed::Purpose;
use crate::eval::case::Gold;
use crate::eval::index::{Index, is_named};
use crate::eval::wording::{on_one_line, says, words};
use crate::store::Filter;

/// Questions that are asked at the same time.
const CONCURRENCY: usize = 4;
/// A source below this place was not found: the question does not lead to it.
const PLACE_MAX: usize = 4;

const NOT_ASKED: &str = "they could not be asked";
const NOT_FOUND: &str = "search does not find their source";
const NOT_SAID: &str = "what is found does not say the answer";
const REFUSED: &str = "the question has words that the documents lack";

pub(super) struct Checker<'a> {
    index: &'a Index,
}

impl<'a> Checker<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self { index }
    }

    /// For each draft, in order: nothing, or why it is dropped.
    pub(super) async fn look(&self, drafts: &[Draft]) -> Vec<Result<(), &'static str>> {
        let looks = drafts.iter().map(|draft| self.look_at(draft));
        futures::stream::iter(looks).buffered(CONCURRENCY).collect().await
    }

    async fn look_at(&self, draft: &Draft) -> Result<(), &'static str> {
        let question = Question {
            collection: self.index.collection.clone(),
            filter: Filter::default(),
            text: draft.question.clone(),
            history: Vec::new(),
            sampling: Sampling::default(),
        };
        let answerer = &self.index.app.answerer;
        let grounding = answerer.ground(&Caller::local(), question).await.map_err(|_| NOT_ASKED)?;
        let Grounding { passages, support, .. } = grounding;
        let places = if draft.sources.len() > 1 { passages.len() } else { PLACE_MAX };
        let first = passages.iter().take(places).collect::<Vec<_>>();
        if !draft.sources.iter().all(|gold| first.iter().any(|passage| self.is_source(passage, gold))) {
            return Err(NOT_FOUND);
        }
        let read = words(&first.iter().map(|passage| whole(passage)).collect::<Vec<_>>().join("\n"));
        if !draft.facts.iter().all(|fact| fact.wordings().iter().any(|wording| says(&read, wording))) {
            return Err(NOT_SAID);
        }
        if support.missing_share > answerer.limits.missing_share_max { Err(REFUSED) } else { Ok(()) }
    }

    fn is_source(&self, passage: &Passage, gold: &Gold) -> bool {
        is_named(self.index.name(&passage.hit.external_id), &gold.document)
            && on_one_line(&whole(passage)).contains(&on_one_line(&gold.text))
    }

    /// The question with its meaning, to be compared with others.
    pub(super) async fn asked(&self, question: &str) -> anyhow::Result<Asked> {
        let embedder = &self.index.app.answerer.embedder;
        let vector = embedder.embed(Purpose::Question, vec![question.to_owned()]).await?.pop().unwrap_or_default();
        Ok(Asked::new(question, vector))
    }
}

fn whole(passage: &Passage) -> String {
    let chunk = &passage.hit.chunk;
    format!("{}\n{}\n{}", chunk.headings.join("\n"), chunk.table_head.as_deref().unwrap_or_default(), chunk.text)
}
