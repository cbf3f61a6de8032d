//! Passages changed between finding them and answering: what an answer makes of more, of others, of fewer.
//!
//! The path is the product's own, `ground` and then `write`; only what stands between them is another. What can't be
//! made of a case is left out with a reason. Pure.

use super::case::{Case, Gold};
use super::index::is_named;
use super::record::Perturbation;
use super::selftest::contradicted;
use super::stats::random::Random;
use super::wording::{on_one_line, says, words};
use crate::answer::Grounding;
use crate::document::{Chunk, DocumentId, Hit, Passage, Span, sha256};
use crate::ground::claims::{Kind, pieces};

/// Passages that are added at most.
const DISTRACTORS_MAX: usize = 3;
/// What a passage that no document has is called.
pub(super) const PLANTED: &str = "perturbation/contradiction";

/// Why a case can't be asked so.
pub(super) type NotMade = &'static str;

/// What is changed for a case.
pub(super) struct Change<'a> {
    pub(super) kind: Perturbation,
    pub(super) case: &'a Case,
    /// A document's name by its external id.
    pub(super) name: &'a (dyn Fn(&str) -> String + Sync),
    /// Below this, what is left counts as nothing (`retrieval.relevance_min`).
    pub(super) relevance_min: f32,
}

/// The changed grounding, and the names of passages that were added.
pub(super) struct Changed {
    pub(super) grounding: Grounding,
    /// External id and place of each.
    pub(super) added: Vec<(String, Span)>,
}

/// The case as it is to be judged then: without its gold, the documents don't answer it.
pub(super) fn judged(kind: Perturbation, case: &Case) -> Case {
    match kind {
        Perturbation::Distractors | Perturbation::Shuffled | Perturbation::Contradiction => case.clone(),
        Perturbation::GoldRemoved => Case {
            answerable: false,
            answer: None,
            facts: Vec::new(),
            sources: Vec::new(),
            cluster: Some(case.cluster()),
            ..case.clone()
        },
    }
}

impl Change<'_> {
    /// Changes what was found. `ranked` are all hits in order, with their relevance.
    pub(super) fn made(&self, grounding: Grounding, ranked: Vec<(Hit, f32)>) -> Result<Changed, NotMade> {
        match self.kind {
            Perturbation::Distractors => self.with_distractors(grounding, ranked),
            Perturbation::Shuffled => self.shuffled(grounding, ranked),
            Perturbation::GoldRemoved => self.without_gold(grounding, ranked),
            Perturbation::Contradiction => self.with_contradiction(grounding, ranked),
        }
    }

    /// With the last of what was found: on the subject, and not worth packing.
    fn with_distractors(&self, grounding: Grounding, ranked: Vec<(Hit, f32)>) -> Result<Changed, NotMade> {
        let is_packed = |hit: &Hit| {
            let spans = grounding.passages.iter().filter(|passage| passage.hit.document == hit.document);
            spans
                .map(|passage| passage.hit.chunk.span)
                .any(|span| hit.chunk.span.start < span.end && span.start < hit.chunk.span.end)
        };
        let hits = hits(ranked);
        let others = hits.iter().rev().filter(|hit| !is_packed(hit) && !self.is_gold(hit) && !self.has_fact(hit));
        let added: Vec<Hit> = others.take(DISTRACTORS_MAX).cloned().collect();
        if added.is_empty() || grounding.passages.is_empty() {
            return Err("nothing else was found for it");
        }
        let places = added.iter().map(|hit| (hit.external_id.clone(), hit.chunk.span)).collect();
        let mut passages = grounding.passages.clone();
        passages.extend(added.into_iter().map(as_passage));
        Random::new(self.seed()).shuffle(&mut passages);
        Ok(Changed { grounding: grounding.instead(&hits, passages), added: places })
    }

    fn shuffled(&self, grounding: Grounding, ranked: Vec<(Hit, f32)>) -> Result<Changed, NotMade> {
        let mut passages = grounding.passages.clone();
        if passages.len() < 2 {
            return Err("it has fewer than two passages");
        }
        let mut random = Random::new(self.seed());
        let order = |passages: &[Passage]| passages.iter().map(|passage| passage.number).collect::<Vec<_>>();
        let before = order(&passages);
        while order(&passages) == before {
            random.shuffle(&mut passages);
        }
        Ok(Changed { grounding: grounding.instead(&hits(ranked), passages), added: Vec::new() })
    }

    /// Without the passages that answer it, as if no document had them.
    fn without_gold(&self, grounding: Grounding, ranked: Vec<(Hit, f32)>) -> Result<Changed, NotMade> {
        if !grounding.passages.iter().any(|passage| self.is_gold(&passage.hit)) {
            return Err("none of its sources is among the passages");
        }
        let says_it = |hit: &Hit| self.is_gold(hit) || self.has_fact(hit);
        let left: Vec<(Hit, f32)> = ranked.into_iter().filter(|(hit, _)| !says_it(hit)).collect();
        let best = left.iter().map(|(_, relevance)| *relevance).fold(f32::NEG_INFINITY, f32::max);
        let kept = |passage: &&Passage| best >= self.relevance_min && !says_it(&passage.hit);
        let passages = grounding.passages.iter().filter(kept).cloned().collect();
        Ok(Changed { grounding: grounding.instead(&hits(left), passages), added: Vec::new() })
    }

    fn with_contradiction(&self, grounding: Grounding, ranked: Vec<(Hit, f32)>) -> Result<Changed, NotMade> {
        let gold = grounding.passages.iter().find(|passage| self.is_gold(&passage.hit));
        let gold = gold.ok_or("none of its sources is among the passages")?;
        let text =
            self.other_than(&gold.hit.chunk.text).ok_or("its source has no sentence that can be turned round")?;
        let span = Span { start: 0, end: text.len() };
        let chunk = Chunk { ordinal: 0, span, table_head: None, text, ..gold.hit.chunk.clone() };
        let document = DocumentId::new(&grounding.question.collection, PLANTED);
        let planted = Hit { document, external_id: PLANTED.to_owned(), chunk, ..gold.hit.clone() };
        let mut passages = grounding.passages.clone();
        passages.push(as_passage(planted));
        let added = vec![(PLANTED.to_owned(), span)];
        Ok(Changed { grounding: grounding.instead(&hits(ranked), passages), added })
    }

    /// A sentence of the passage that the case rests on, turned round: one with a fact rather than another.
    fn other_than(&self, passage: &str) -> Option<String> {
        let claims = pieces(passage).into_iter().filter(|piece| piece.kind == Kind::Claim);
        let texts: Vec<&str> = claims.map(|piece| piece.span.of(passage)).collect();
        let golds: Vec<String> = self.case.sources.iter().map(|gold| on_one_line(&gold.text)).collect();
        let is_of_gold = |text: &&&str| {
            let line = on_one_line(text);
            golds.iter().any(|gold| line.contains(gold) || gold.contains(&line))
        };
        let has_fact =
            |text: &&&str| self.case.facts.iter().any(|fact| fact.wordings().iter().any(|w| says(&words(text), w)));
        let with_fact = texts.iter().filter(is_of_gold).filter(has_fact);
        with_fact.chain(texts.iter().filter(is_of_gold)).find_map(|text| contradicted(text, passage))
    }

    fn is_gold(&self, hit: &Hit) -> bool {
        let is_of = |gold: &Gold| is_named(&(self.name)(&hit.external_id), &gold.document);
        let text = on_one_line(&hit.chunk.text);
        self.case.sources.iter().any(|gold| is_of(gold) && text.contains(&on_one_line(&gold.text)))
    }

    /// Whether a passage of another place says the answer too. A single plain word stands in too many to tell.
    fn has_fact(&self, hit: &Hit) -> bool {
        let read = words(&hit.chunk.text);
        let tells = |wording: &String| words(wording).len() > 1 || wording.chars().any(|c| c.is_ascii_digit());
        let facts = &self.case.facts;
        facts.iter().any(|fact| fact.wordings().iter().any(tells))
            && facts.iter().all(|fact| fact.wordings().iter().any(|wording| says(&read, wording)))
    }

    /// The same for the same case.
    fn seed(&self) -> u64 {
        let hash = sha256(self.case.id.as_bytes());
        hash.get(..16).and_then(|head| u64::from_str_radix(head, 16).ok()).unwrap_or_default()
    }
}

fn hits(ranked: Vec<(Hit, f32)>) -> Vec<Hit> {
    ranked.into_iter().map(|(hit, _)| hit).collect()
}

fn as_passage(hit: Hit) -> Passage {
    Passage { number: 0, hit, also_in: Vec::new() }
}

#[cfg(test)]
mod tests;
