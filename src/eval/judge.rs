//! What came of a case, judged: claims and citations by the scorer, facts and sources by their words, leaks, values.
//!
//! Pure. The scorer is the one that checks answers as they are written; here it is also asked whether the passages that a
//! claim cites bear it out alone.

mod values;

use std::collections::BTreeSet;

use super::ask::{End, Told};
use super::case::{Case, Fact, Gold, Speaker};
use super::index::{Document, is_named};
use super::record::{
    Asked, CaseRecord, CitationRecord, ClaimRecord, ClaimVerdict, EvidenceRecord, FactRecord, Figure, FindingRecord,
    GoldRecord, Leak, LeakPlace, PassageRecord, State,
};
use super::wording::{on_one_line, says, words};
use crate::answer::{CheckedClaim, Citation, EXTRACTIVE_LEAD, Evidence, Finding};
use crate::caller::Group;
use crate::document::{Hit, Passage, Span};
use crate::ground::evidence::Passages;
use crate::ground::{Scorer, Verdict};

/// What a case is judged with.
pub(super) struct Judge<'a> {
    pub(super) scorer: &'a Scorer,
    /// A document by its external id.
    pub(super) document: &'a (dyn Fn(&str) -> Option<&'a Document> + Sync),
}

impl Judge<'_> {
    /// The case's record.
    pub(super) fn record(&self, case: &Case, told: &Told) -> CaseRecord {
        let (state, error, outcome) = match &told.end {
            End::Answered => (State::Done, None, Some("answered")),
            End::Partial => (State::Done, None, Some("partial")),
            End::Refused => (State::Done, None, Some("refused")),
            End::Stale(why) => (State::Stale, Some(why.clone()), None),
            End::Errored(why) => (State::Errored, Some(why.clone()), None),
            End::Unfinished => (State::Errored, Some("the answer ended in the middle".to_owned()), None),
        };
        let sources = case.sources.iter().map(|gold| self.gold(gold, told)).collect();
        let mut record = CaseRecord {
            id: case.id.clone(),
            asked: asked(case),
            tags: case.tags.iter().cloned().collect(),
            cluster: case.cluster(),
            state,
            error,
            outcome: outcome.map(str::to_owned),
            answer: told.text.clone(),
            passages: told.passages.iter().map(|passage| self.passage(passage, case)).collect(),
            claims: self.claims(told),
            citations: Vec::new(),
            facts: facts(&case.facts, &told.text),
            sources,
            leaks: self.leaks(case, told),
            values: std::collections::BTreeMap::new(),
        };
        record.citations = self.citations(told, &record.claims);
        record.values = values::of(case, &record, self.cites_a_source(case, told));
        record
    }

    fn name(&self, external_id: &str) -> String {
        (self.document)(external_id).map_or_else(|| external_id.to_owned(), |document| document.name.clone())
    }

    fn is_source(&self, hit: &Hit, gold: &Gold) -> bool {
        is_named(&self.name(&hit.external_id), &gold.document)
            && on_one_line(&whole(hit)).contains(&on_one_line(&gold.text))
    }

    /// Whether a citation at least is from a document that answers the question.
    fn cites_a_source(&self, case: &Case, told: &Told) -> bool {
        told.citations.iter().any(|citation| {
            let name = self.name(&citation.external_id);
            case.sources.iter().any(|gold| is_named(&name, &gold.document))
        })
    }

    fn gold(&self, gold: &Gold, told: &Told) -> GoldRecord {
        let passage = told.passages.iter().find(|passage| self.is_source(&passage.hit, gold));
        let number = passage.map(|passage| passage.number);
        GoldRecord {
            document: gold.document.clone(),
            text: gold.text.clone(),
            rank: told.hits.iter().position(|hit| self.is_source(hit, gold)).map(|at| at + 1),
            passage: number,
            is_cited: told.citations.iter().any(|citation| Some(citation.number) == number),
        }
    }

    fn passage(&self, passage: &Passage, case: &Case) -> PassageRecord {
        let hit = &passage.hit;
        PassageRecord {
            number: passage.number,
            document: self.name(&hit.external_id),
            title: hit.title.clone(),
            page: hit.chunk.page,
            headings: hit.chunk.headings.clone(),
            text: whole(hit),
            is_source: case.sources.iter().any(|gold| self.is_source(hit, gold)),
        }
    }

    fn claims(&self, told: &Told) -> Vec<ClaimRecord> {
        let ends = told.claims.iter().skip(1).map(|claim| claim.span.start).chain([told.text.len()]);
        let with_end = told.claims.iter().zip(ends);
        with_end.map(|(claim, end)| self.claim(claim, end, told)).collect()
    }

    /// A claim, with the citations that stand in it or after it, before the next one.
    fn claim(&self, claim: &CheckedClaim, end: usize, told: &Told) -> ClaimRecord {
        let within = |citation: &&Citation| (claim.span.start..end).contains(&citation.mark.start);
        let cites: BTreeSet<usize> = told.citations.iter().filter(within).map(|citation| citation.number).collect();
        let cited: Vec<String> =
            told.passages.iter().filter(|p| cites.contains(&p.number)).map(|p| whole(&p.hit)).collect();
        ClaimRecord {
            start: claim.span.start,
            end: claim.span.end,
            text: text_at(&told.text, claim.span).trim().to_owned(),
            verdict: match claim.verdict {
                Verdict::Supported => ClaimVerdict::Supported,
                Verdict::Partly => ClaimVerdict::Partly,
                Verdict::Unsupported => ClaimVerdict::Unsupported,
            },
            score: figure(claim.score),
            coverage: figure(claim.coverage),
            evidence: claim.evidence.iter().map(|evidence| self.evidence(evidence)).collect(),
            findings: claim.findings.iter().map(|finding| found(finding, &told.text)).collect(),
            cited_supports: (!cited.is_empty()).then(|| self.supports(&told.text, claim.span, &cited)),
            cites: cites.into_iter().collect(),
            judge: None,
        }
    }

    /// Whether these passages alone bear the claim out. A quotation is its own proof.
    fn supports(&self, text: &str, span: Span, cited: &[String]) -> bool {
        let quoted: String =
            text_at(text, span).lines().map(|line| line.trim_start_matches(['>', ' '])).collect::<Vec<_>>().join(" ");
        let quoted = on_one_line(&quoted);
        let is_quoted = cited.iter().any(|passage| on_one_line(passage).contains(&quoted));
        is_quoted || self.scorer.judge(text, span, &Passages::read(cited)).verdict == Verdict::Supported
    }

    fn evidence(&self, evidence: &Evidence) -> EvidenceRecord {
        EvidenceRecord {
            passage: evidence.number,
            document: self.name(&evidence.external_id),
            quote: evidence.quote.clone(),
        }
    }

    fn citations(&self, told: &Told, claims: &[ClaimRecord]) -> Vec<CitationRecord> {
        let starts: Vec<usize> = claims.iter().map(|claim| claim.start).collect();
        let with = |citation: &Citation| {
            let before = starts.partition_point(|start| *start <= citation.mark.start);
            before.checked_sub(1).and_then(|at| claims.get(at))
        };
        let cited = |citation: &Citation| -> Vec<String> {
            told.passages.iter().filter(|p| p.number == citation.number).map(|p| whole(&p.hit)).collect()
        };
        let record = |citation: &Citation| CitationRecord {
            passage: citation.number,
            start: citation.mark.start,
            end: citation.mark.end,
            document: self.name(&citation.external_id),
            supports: with(citation)
                .map(|claim| self.supports(&told.text, Span { start: claim.start, end: claim.end }, &cited(citation))),
        };
        told.citations.iter().map(record).collect()
    }

    /// Texts that must never appear: in the answer; for a caller with limited sight, nor in anything else that is shown.
    /// And documents that this caller may not see by their own rules.
    fn leaks(&self, case: &Case, told: &Told) -> Vec<Leak> {
        let mut shown = vec![(LeakPlace::Answer, on_one_line(&told.text))];
        if case.groups.is_some() {
            let hits = || told.passages.iter().map(|passage| &passage.hit).chain(&told.nearest).chain(&told.hits);
            shown.extend(hits().map(|hit| (LeakPlace::Passages, on_one_line(&whole(hit)))));
            let titles =
                |hit: &Hit| on_one_line(&format!("{} {} {}", hit.title, hit.chunk.headings.join(" "), hit.external_id));
            shown.extend(hits().map(|hit| (LeakPlace::Titles, titles(hit))));
        }
        let mut leaks = Vec::new();
        for text in &case.must_not {
            let wanted = on_one_line(text);
            let places: BTreeSet<LeakPlace> =
                shown.iter().filter(|(_, shown)| shown.contains(&wanted)).map(|(place, _)| *place).collect();
            leaks.extend(places.into_iter().map(|place| Leak { place, text: text.clone() }));
        }
        leaks.extend(self.forbidden(case, told));
        leaks
    }

    fn forbidden(&self, case: &Case, told: &Told) -> Vec<Leak> {
        let Some(groups) = case.groups() else { return Vec::new() };
        let hits = told.passages.iter().map(|passage| &passage.hit).chain(&told.nearest).chain(&told.hits);
        let may_see = |allow: &[Group]| allow.iter().any(|group| groups.contains(group));
        let names: BTreeSet<String> = hits
            .filter_map(|hit| (self.document)(&hit.external_id))
            .filter(|document| document.allow.as_ref().is_some_and(|allow| !may_see(allow)))
            .map(|document| document.name.clone())
            .collect();
        names.into_iter().map(|text| Leak { place: LeakPlace::Passages, text }).collect()
    }
}

fn asked(case: &Case) -> Asked {
    let said = |earlier: &super::case::Earlier| match earlier.role {
        Speaker::User => format!("user: {}", earlier.text),
        Speaker::Assistant => format!("assistant: {}", earlier.text),
    };
    Asked {
        question: case.question.clone(),
        history: case.history.iter().map(said).collect(),
        groups: case.groups.clone(),
        answerable: case.answerable,
        reference: case.answer.clone(),
    }
}

/// A hit's text as claims are compared with it.
fn whole(hit: &Hit) -> String {
    match &hit.chunk.table_head {
        Some(head) => format!("{head}\n{}", hit.chunk.text),
        None => hit.chunk.text.clone(),
    }
}

fn text_at(text: &str, span: Span) -> &str {
    text.get(span.start..span.end).unwrap_or_default()
}

fn figure(value: f32) -> Figure {
    Figure::new(f64::from(value)).unwrap_or_default()
}

fn found(finding: &Finding, text: &str) -> FindingRecord {
    FindingRecord {
        kind: finding.kind.name().to_owned(),
        decides: finding.kind.decides(),
        start: finding.span.start,
        end: finding.span.end,
        text: text_at(text, finding.span).to_owned(),
        instead: finding.evidence.as_ref().map(|evidence| evidence.quote.clone()),
    }
}

fn facts(facts: &[Fact], answer: &str) -> Vec<FactRecord> {
    let said = words(&plain(answer));
    let record = |fact: &Fact| FactRecord {
        wordings: fact.wordings().to_vec(),
        found: fact.wordings().iter().find(|wording| says(&said, wording)).cloned(),
    };
    facts.iter().map(record).collect()
}

/// An answer without its lead, its marks and the signs of quotations.
fn plain(answer: &str) -> String {
    let said = answer.strip_prefix(EXTRACTIVE_LEAD).unwrap_or(answer);
    let mut text = String::with_capacity(said.len());
    for line in said.lines() {
        text.push_str(&without_marks(line.trim_start_matches(['>', ' '])));
        text.push('\n');
    }
    text.trim().to_owned()
}

/// `[3]` is a mark, `[x]` is none.
fn without_marks(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        text.push_str(before);
        match after.split_once(']') {
            Some((inside, behind)) if !inside.is_empty() && inside.bytes().all(|b| b.is_ascii_digit()) => rest = behind,
            Some(_) | None => {
                text.push('[');
                rest = after;
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests;
