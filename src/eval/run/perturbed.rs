//! The cases of a run asked again with their passages changed, and how they differ from themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;

use super::Ready;
use super::kept::Kept;
use crate::document::{Passage, Span, sha256};
use crate::eval::ask::{Told, ask_changed};
use crate::eval::baseline::Baseline;
use crate::eval::case::Case;
use crate::eval::gates::Gates;
use crate::eval::judge::Judge;
use crate::eval::perturb::{Change, NotMade, judged};
use crate::eval::record::{
    CaseRecord, CaseTimes, Figure, Fingerprint, Measure, Measured, Perturbation, PerturbationRecord, State, canonical,
};
use crate::eval::rule::Bench;
use crate::eval::summary;

/// What is compared: search is the same in both.
const COMPARED: [Measure; 9] = [
    Measure::UngroundedAnswers,
    Measure::GroundedClaims,
    Measure::CitationPrecision,
    Measure::CitationRecall,
    Measure::FactRecall,
    Measure::TokenF1,
    Measure::RightRefusals,
    Measure::WrongRefusals,
    Measure::WrongAnswers,
];

/// Marks a record, which is no part of the report, as one whose answer cites what was added.
const CITING: &str = "cites what was added";

/// Cases that were asked so, and why others were not.
pub(super) struct Perturbed {
    kind: Perturbation,
    cases: Vec<CaseRecord>,
    left_out: BTreeMap<String, usize>,
    /// Those whose answer cites what was added.
    citing: BTreeSet<String>,
}

/// A case that was asked so.
struct Asked {
    record: CaseRecord,
    times: CaseTimes,
}

/// Asks every case so that came to an end without.
pub(super) async fn ask_all(
    ready: &Arc<Ready>,
    kind: Perturbation,
    (out, fingerprint): (&Path, &Fingerprint),
    told: &impl Fn(&str, usize, usize),
) -> anyhow::Result<Perturbed> {
    let fingerprint = Fingerprint { perturbation: Some(kind.name().to_owned()), ..fingerprint.clone() };
    let mut kept = Kept::open(out, &sha256(canonical(&fingerprint)?.as_bytes()))?;
    let mut left_out: BTreeMap<String, usize> = BTreeMap::new();
    let (waiting, ask) = (ready.left(&kept), |ready: Arc<Ready>, at| async move { ready.ask_changed(at, kind).await });
    ready
        .each(
            waiting,
            ask,
            |_, ended| {
                match ended {
                    Ok(Asked { record, times }) => kept.add(record, times)?,
                    Err(why) => *left_out.entry(why.to_owned()).or_default() += 1,
                }
                Ok(())
            },
            |done, all| told(kind.name(), done, all),
        )
        .await?;
    let order: Vec<Case> = ready.suite.cases.iter().filter(|case| kept.has(&case.id)).cloned().collect();
    let (cases, _) = kept.take(&order)?;
    let citing =
        cases.iter().filter(|case| case.tags.iter().any(|tag| tag == CITING)).map(|case| case.id.clone()).collect();
    Ok(Perturbed { kind, cases, left_out, citing })
}

/// Whether the answer cites a passage that was added.
fn cites_added(told: &Told, added: &[(String, Span)]) -> bool {
    let is_added = |passage: &&Passage| {
        added.iter().any(|(id, span)| *id == passage.hit.external_id && *span == passage.hit.chunk.span)
    };
    let numbers: BTreeSet<usize> = told.passages.iter().filter(is_added).map(|passage| passage.number).collect();
    told.citations.iter().any(|citation| numbers.contains(&citation.number))
}

impl Ready {
    async fn ask_changed(&self, at: usize, kind: Perturbation) -> Result<Asked, NotMade> {
        let case = self.suite.cases.get(at).expect("places come from this very list");
        let document = |id: &str| self.documents.get(id);
        let name = |id: &str| self.documents.get(id).map_or_else(|| id.to_owned(), |document| document.name.clone());
        let judge = Judge { scorer: &self.answerer.scorer, document: &document };
        let relevance_min = self.answerer.retrieval.relevance_min;
        let change = Change { kind, case, name: &name, relevance_min };
        let as_judged = judged(kind, case);
        let asking = ask_changed(&self.answerer, &self.collection, &change, self.suite.case_timeout);
        let (told, added) = match AssertUnwindSafe(asking).catch_unwind().await {
            Ok(asked) => asked?,
            Err(_) => (Told::panicked(), Vec::new()),
        };
        let mut record = judge.record(&as_judged, &told);
        if cites_added(&told, &added) {
            record.tags.push(CITING.to_owned());
        }
        Ok(Asked { record, times: told.times })
    }
}

impl Perturbed {
    /// Beside the same cases as they are.
    pub(super) fn record(self, base: &[CaseRecord], fingerprint: &Fingerprint) -> PerturbationRecord {
        let Self { kind, mut cases, mut left_out, citing } = self;
        let before: BTreeMap<&str, &CaseRecord> =
            base.iter().filter(|case| case.state == State::Done).map(|case| (case.id.as_str(), case)).collect();
        let all = cases.len();
        cases.retain(|case| before.contains_key(case.id.as_str()));
        if cases.len() < all {
            left_out.insert("it did not come to an end as it is".to_owned(), all - cases.len());
        }
        let compared = |case: &CaseRecord| {
            let mut case = case.clone();
            case.values.retain(|measure, _| COMPARED.contains(measure));
            case
        };
        let as_is = |case: &CaseRecord| {
            let mut case = compared(before.get(case.id.as_str()).expect("the others were left out"));
            if kind == Perturbation::GoldRemoved {
                let refused = if case.outcome.as_deref() == Some("refused") { Figure::ONE } else { Figure::ZERO };
                case.values.insert(Measure::RightRefusals, Measured::Value(refused));
            }
            case
        };
        let baseline = Baseline::of_cases(fingerprint.clone(), &cases.iter().map(as_is).collect::<Vec<_>>());
        let now: Vec<CaseRecord> = cases.iter().map(compared).collect();
        let bench = Bench { cases: &now, baseline: Some(&baseline), result_of_build: 1, card: None };
        let comparison = bench.comparison(&Gates::default(), &[]);
        let (differences, changed) =
            comparison.map(|comparison| (comparison.differences, comparison.changed)).unwrap_or_default();
        let adds = matches!(kind, Perturbation::Distractors | Perturbation::Contradiction);
        let is_unexpected = |case: &&CaseRecord| match kind {
            Perturbation::Distractors | Perturbation::Contradiction => citing.contains(&case.id),
            Perturbation::GoldRemoved => case.outcome.as_deref() != Some("refused"),
            Perturbation::Shuffled => false,
        };
        PerturbationRecord {
            kind,
            expected: kind.expected().to_owned(),
            cases: cases.len(),
            left_out,
            counts: summary::counts(&cases),
            differences,
            cites_added: adds.then(|| cases.iter().filter(|case| citing.contains(&case.id)).count()),
            unexpected: cases.iter().filter(is_unexpected).map(|case| case.id.clone()).collect(),
            changed,
        }
    }
}
