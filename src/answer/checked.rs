//! An answer's sentences, each held until it is checked against the passages.
//!
//! Events of whoever writes the answer go in, and come out again with a [`CheckedClaim`] after each sentence that says
//! something: how well the passages bear it out, by which of their words, and what speaks against it. No sentence is shown
//! before it is checked. What becomes of one that is not borne out is the [`Policy`]'s to say. However the text is cut on
//! its way in, the same comes out.

use std::collections::VecDeque;
use std::sync::Arc;

use async_stream::stream;
use futures::{Stream, StreamExt};

use super::event::{AnswerEvent, CheckedClaim, Citation, ClaimCounts, Done, Evidence, Finding, Outcome};
use super::refusal;
use crate::document::{Hit, Passage, Span};
use crate::ground::claims::{ClaimReader, Kind, Piece};
use crate::ground::evidence::Passages;
use crate::ground::mismatch::Place;
use crate::ground::{Judgement, Scorer, Verdict};

/// What becomes of sentences that the passages don't bear out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Policy {
    /// They are shown with their verdict.
    Annotate,
    /// They are left out, and that is said at the end.
    Retract,
    /// With less than this share of supported sentences, the whole answer becomes a refusal.
    Block { supported_share_min: f64 },
}

/// Checks the events of an answer that a model writes.
pub(super) fn checked(
    events: impl Stream<Item = AnswerEvent> + Send,
    gate: Gate,
    nearest: Vec<Hit>,
) -> impl Stream<Item = AnswerEvent> + Send {
    stream! {
        let mut gate = gate;
        let mut held = Vec::new(); // where nothing may be shown before all of it is checked
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            let (out, done) = match event {
                AnswerEvent::Delta(text) => (gate.text(&text), None),
                AnswerEvent::Citation(citation) => (gate.citation(citation), None),
                AnswerEvent::Done(done) => (gate.end(), Some(done)),
                other @ (AnswerEvent::Sources(_) | AnswerEvent::Claim(_) | AnswerEvent::Failed(_)) => (vec![other], None),
            };
            let holds = matches!(gate.policy, Policy::Block { .. });
            if holds && !out.iter().any(|event| matches!(event, AnswerEvent::Failed(_))) {
                held.extend(out);
            } else {
                for event in out {
                    yield event;
                }
            }
            let Some(done) = done else { continue };
            if gate.blocks() && done.outcome == Outcome::Answered {
                for event in refusal(nearest) {
                    yield with_counts(event, gate.counts);
                }
                return;
            }
            for event in held {
                yield event;
            }
            yield AnswerEvent::Done(Done { claims: gate.counts, ..done });
            return;
        }
    }
}

fn with_counts(event: AnswerEvent, claims: ClaimCounts) -> AnswerEvent {
    match event {
        AnswerEvent::Done(done) => AnswerEvent::Done(Done { claims, ..done }),
        other @ (AnswerEvent::Sources(_)
        | AnswerEvent::Delta(_)
        | AnswerEvent::Citation(_)
        | AnswerEvent::Claim(_)
        | AnswerEvent::Failed(_)) => other,
    }
}

/// The state between two events.
pub(super) struct Gate {
    scorer: Arc<Scorer>,
    policy: Policy,
    /// As the answer may rely on them, and as claims are compared with them.
    sources: Vec<Passage>,
    passages: Passages,
    reader: ClaimReader,
    /// Marks of text that is still held, at their place in the text as it was written.
    citations: VecDeque<Citation>,
    /// Stretches of that text that are not shown, ascending.
    left_out: Vec<Span>,
    /// Where the text that was passed on ends, as it was written.
    passed: usize,
    counts: ClaimCounts,
}

impl Gate {
    pub(super) fn new(scorer: Arc<Scorer>, policy: Policy, sources: &[Passage]) -> Self {
        let texts: Vec<String> = sources.iter().map(whole_text).collect();
        Self {
            scorer,
            policy,
            passages: Passages::read(&texts),
            sources: sources.to_vec(),
            reader: ClaimReader::new(),
            citations: VecDeque::new(),
            left_out: Vec::new(),
            passed: 0,
            counts: ClaimCounts::default(),
        }
    }

    fn text(&mut self, text: &str) -> Vec<AnswerEvent> {
        let pieces = self.reader.push(text);
        pieces.into_iter().flat_map(|piece| self.pass(piece)).collect()
    }

    /// A mark comes after the text that holds it, which may be held still.
    fn citation(&mut self, citation: Citation) -> Vec<AnswerEvent> {
        if citation.mark.end > self.passed {
            self.citations.push_back(citation);
            return Vec::new();
        }
        self.shown(citation).into_iter().collect()
    }

    fn end(&mut self) -> Vec<AnswerEvent> {
        let pieces = self.reader.finish();
        let mut events: Vec<AnswerEvent> = pieces.into_iter().flat_map(|piece| self.pass(piece)).collect();
        if self.counts.retracted > 0 {
            events.push(AnswerEvent::Delta(match self.counts.retracted {
                1 => "\n\n(1 sentence was left out: the documents don't bear it out.)".to_owned(),
                more => format!("\n\n({more} sentences were left out: the documents don't bear them out.)"),
            }));
        }
        events
    }

    fn blocks(&self) -> bool {
        match self.policy {
            Policy::Annotate | Policy::Retract => false,
            Policy::Block { supported_share_min } => {
                let all = self.counts.supported + self.counts.partly + self.counts.unsupported;
                #[expect(clippy::cast_precision_loss, reason = "an answer has few claims")]
                let share = self.counts.supported as f64 / all.max(1) as f64;
                all > 0 && share < supported_share_min
            }
        }
    }

    /// A piece of the text that nothing can change any more.
    fn pass(&mut self, piece: Piece) -> Vec<AnswerEvent> {
        self.passed = piece.whole.end;
        let judged = match piece.kind {
            Kind::Claim => Some(self.scorer.judge(self.reader.text(), piece.span, &self.passages)),
            Kind::Heading
            | Kind::Code
            | Kind::Rule
            | Kind::Question
            | Kind::Chatter
            | Kind::AboutSources
            | Kind::Fragment
            | Kind::Blank => None,
        };
        let retracts = self.policy == Policy::Retract
            && judged.as_ref().is_some_and(|judged| judged.verdict != Verdict::Supported);
        if let Some(judged) = &judged {
            self.counts.count(judged.verdict);
        }
        if retracts {
            self.counts.retracted += 1;
            self.left_out.push(piece.whole);
        }
        let mut events = Vec::new();
        if !retracts {
            events.push(AnswerEvent::Delta(piece.whole.of(self.reader.text()).to_owned()));
        }
        while self.citations.front().is_some_and(|citation| citation.mark.end <= self.passed) {
            events.extend(self.citations.pop_front().and_then(|citation| self.shown(citation)));
        }
        if let Some(judged) = judged.filter(|_| !retracts) {
            events.push(AnswerEvent::Claim(self.claim(piece.span, &judged)));
        }
        events
    }

    /// The citation at its mark's place in what is shown. None: its mark is not.
    fn shown(&self, citation: Citation) -> Option<AnswerEvent> {
        let mark = self.place(citation.mark)?;
        Some(AnswerEvent::Citation(Citation { mark, ..citation }))
    }

    /// Where a stretch of the text stands in what is shown. None: some of it is not.
    fn place(&self, written: Span) -> Option<Span> {
        let touches = |gone: &Span| gone.start < written.end && written.start < gone.end;
        if self.left_out.iter().any(touches) {
            return None;
        }
        let before: usize =
            self.left_out.iter().filter(|gone| gone.end <= written.start).map(|gone| gone.end - gone.start).sum();
        Some(Span { start: written.start - before, end: written.end - before })
    }

    fn claim(&self, span: Span, judged: &Judgement) -> CheckedClaim {
        let here = |span: Span| self.place(span).unwrap_or(span);
        CheckedClaim {
            span: here(span),
            verdict: judged.verdict,
            score: judged.score,
            coverage: judged.coverage,
            evidence: judged.evidence.iter().filter_map(|place| self.evidence(*place)).collect(),
            findings: judged
                .mismatches
                .iter()
                .map(|mismatch| Finding {
                    kind: mismatch.kind,
                    span: here(mismatch.claim),
                    evidence: mismatch.evidence.and_then(|place| self.evidence(place)),
                })
                .collect(),
        }
    }

    /// The words of a document at a place in a passage. None: they are not the document's own, but head a table.
    fn evidence(&self, place: Place) -> Option<Evidence> {
        let passage = self.sources.get(place.passage)?;
        let hit = &passage.hit;
        let head = whole_text(passage).len() - hit.chunk.text.len();
        let within = Span { start: place.span.start.checked_sub(head)?, end: place.span.end.checked_sub(head)? };
        let quote = hit.chunk.text.get(within.start..within.end)?.to_owned();
        let start = hit.chunk.span.start;
        Some(Evidence {
            number: passage.number,
            document: hit.document,
            version: hit.version,
            external_id: hit.external_id.clone(),
            title: hit.title.clone(),
            page: hit.chunk.page,
            headings: hit.chunk.headings.clone(),
            span: Span { start: start + within.start, end: start + within.end },
            quote,
        })
    }
}

/// A quotation is its own evidence.
pub(super) fn quoted_claim(span: Span, passage: &Passage, citation: &Citation) -> CheckedClaim {
    CheckedClaim {
        span,
        verdict: Verdict::Supported,
        score: 1.0,
        coverage: 1.0,
        evidence: vec![Evidence {
            number: citation.number,
            document: citation.document,
            version: passage.hit.version,
            external_id: citation.external_id.clone(),
            title: citation.title.clone(),
            page: citation.page,
            headings: citation.headings.clone(),
            span: citation.span,
            quote: citation.quote.clone(),
        }],
        findings: Vec::new(),
    }
}

/// What a claim may rest on: the head of a table that the passage has rows of counts too.
fn whole_text(passage: &Passage) -> String {
    let chunk = &passage.hit.chunk;
    match &chunk.table_head {
        Some(head) => format!("{head}\n{}", chunk.text),
        None => chunk.text.clone(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::answer::tests::passage;

    const PORT: &str = "Kestrel listens for mail on port 2525. The vault opens with a code word.";

    fn gate(policy: Policy) -> Gate {
        let scorer = Arc::new(Scorer::shipped().unwrap());
        Gate::new(scorer, policy, &[passage(1, PORT), passage(2, "The lamp burns for nine hours in summer.")])
    }

    /// What comes out of a text that goes in as these parts.
    fn run(policy: Policy, parts: &[&str]) -> (String, Vec<CheckedClaim>, ClaimCounts) {
        let mut gate = gate(policy);
        let mut events: Vec<AnswerEvent> = parts.iter().flat_map(|part| gate.text(part)).collect();
        events.extend(gate.end());
        let (mut text, mut claims) = (String::new(), Vec::new());
        for event in events {
            match event {
                AnswerEvent::Delta(delta) => text.push_str(&delta),
                AnswerEvent::Claim(claim) => claims.push(claim),
                other @ (AnswerEvent::Sources(_)
                | AnswerEvent::Citation(_)
                | AnswerEvent::Done(_)
                | AnswerEvent::Failed(_)) => panic!("{other:?}"),
            }
        }
        (text, claims, gate.counts)
    }

    #[test]
    fn each_claim_has_its_verdict_and_the_words_that_bear_it_out() {
        let answer = "Kestrel listens for mail on port 2525. It was written in Lisbon by Maria Santos.";
        let (text, claims, counts) = run(Policy::Annotate, &[answer]);
        assert_eq!(text, answer);
        assert_eq!((claims.len(), counts.supported, counts.unsupported + counts.partly), (2, 1, 1), "{claims:?}");
        assert_eq!(claims[0].verdict, Verdict::Supported);
        assert_eq!(claims[0].span.of(&text), "Kestrel listens for mail on port 2525.");
        assert_eq!(claims[0].evidence[0].quote, "Kestrel listens for mail on port 2525.");
        assert_eq!(claims[0].evidence[0].span.start, 100, "where the passage stands in its document");
    }

    #[test]
    fn a_wrong_number_is_told_and_with_retract_its_sentence_is_not_shown() {
        let answer = "Kestrel listens for mail on port 25. The vault opens with a code word.";
        let (_, claims, _) = run(Policy::Annotate, &[answer]);
        assert_ne!(claims[0].verdict, Verdict::Supported);
        assert_eq!(claims[0].findings[0].span.of(answer), "25");
        let (text, claims, counts) = run(Policy::Retract, &[answer]);
        assert!(!text.contains("25") && text.contains("The vault opens with a code word."), "{text}");
        assert!(text.ends_with("(1 sentence was left out: the documents don't bear it out.)"), "{text}");
        assert_eq!((claims.len(), counts.retracted), (1, 1));
        assert_eq!(claims[0].span.of(&text), "The vault opens with a code word.");
    }

    #[test]
    fn a_citation_follows_its_sentence_or_goes_with_it() {
        let mut gate = gate(Policy::Retract);
        let cite = |start: usize| {
            let hit = passage(1, PORT).hit;
            Citation {
                number: 1,
                mark: Span { start, end: start + 3 },
                document: hit.document,
                external_id: hit.external_id,
                title: hit.title,
                page: None,
                headings: Vec::new(),
                span: hit.chunk.span,
                quote: hit.chunk.text,
                also_in: Vec::new(),
            }
        };
        let mut events = gate.text("Kestrel listens for mail on port 99 [1]");
        events.extend(gate.citation(cite(36)));
        events.extend(gate.text(". The vault opens with a code word [1]"));
        events.extend(gate.citation(cite(74)));
        events.extend(gate.text("."));
        events.extend(gate.end());
        let text: String = events
            .iter()
            .filter_map(|event| if let AnswerEvent::Delta(text) = event { Some(text.as_str()) } else { None })
            .collect();
        let marks: Vec<&str> = events
            .iter()
            .filter_map(
                |event| if let AnswerEvent::Citation(cited) = event { Some(cited.mark.of(&text)) } else { None },
            )
            .collect();
        assert_eq!(marks, ["[1]"], "{text}");
    }

    proptest! {
        #[test]
        fn the_text_comes_out_whole_and_the_same_however_it_is_cut(
            words in prop::collection::vec("[a-zA-Z0-9 .,!?\\n*#|`-]{0,12}|[0-9]{1,4}|é|Kestrel |port 2525", 0..40),
        ) {
            let parts: Vec<&str> = words.iter().map(String::as_str).collect();
            let whole = parts.concat();
            let (text, claims, counts) = run(Policy::Annotate, &parts);
            let (at_once, claims_at_once, _) = run(Policy::Annotate, &[&whole]);
            prop_assert_eq!(&text, &whole);
            prop_assert_eq!(text, at_once);
            prop_assert_eq!(&claims, &claims_at_once);
            prop_assert_eq!(claims.len(), counts.supported + counts.partly + counts.unsupported);
            for claim in claims {
                prop_assert!(!claim.span.of(&whole).is_empty());
                for evidence in claim.evidence {
                    let inside = evidence.span.start - 100..evidence.span.end - 100;
                    let text = if evidence.number == 1 { PORT } else { "The lamp burns for nine hours in summer." };
                    prop_assert_eq!(text.get(inside), Some(evidence.quote.as_str()));
                }
            }
        }
    }
}
