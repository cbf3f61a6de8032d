//! The values of one case: each measure a number, or skipped for a reason.

use std::collections::{BTreeMap, BTreeSet};

use crate::eval::case::Case;
use crate::eval::record::{CaseRecord, ClaimVerdict, Figure, GoldRecord, Measure, Measured, Skip, State};
use crate::eval::retrieval::ndcg;
use crate::eval::wording::{is_exact, token_f1};

use super::plain;

/// Every measure of a case that was asked. A case that errored has the worst of each that is meant for it.
pub(super) fn of(case: &Case, record: &CaseRecord, cites_a_source: bool) -> BTreeMap<Measure, Measured> {
    let value = |measure| match record.state {
        State::Errored => match meant_for(measure, case) {
            None => Measured::Value(measure.worst()),
            Some(skip) => Measured::Skipped(skip),
        },
        State::Stale if !is_of_search(measure) => Measured::Skipped(Skip::Stale),
        State::Done | State::Stale => of_one(measure, case, record, cites_a_source),
    };
    Measure::ALL.into_iter().map(|measure| (measure, value(measure))).collect()
}

fn is_of_search(measure: Measure) -> bool {
    match measure {
        Measure::RecallAt5 | Measure::RecallAt10 | Measure::NdcgAt10 | Measure::Mrr | Measure::PassageRecall => true,
        Measure::UngroundedAnswers
        | Measure::UngroundedByJudge
        | Measure::GroundedClaims
        | Measure::CitationPrecision
        | Measure::CitationRecall
        | Measure::FactRecall
        | Measure::TokenF1
        | Measure::ExactMatch
        | Measure::RightRefusals
        | Measure::WrongRefusals
        | Measure::WrongAnswers => false,
    }
}

/// Why a measure is not meant for a case. None: it is.
fn meant_for(measure: Measure, case: &Case) -> Option<Skip> {
    let unless = |holds: bool, skip: Skip| (!holds).then_some(skip);
    match measure {
        Measure::WrongAnswers => None,
        Measure::UngroundedByJudge => Some(Skip::NoJudge),
        Measure::RightRefusals => unless(!case.answerable, Skip::Answerable),
        Measure::UngroundedAnswers
        | Measure::GroundedClaims
        | Measure::CitationPrecision
        | Measure::CitationRecall
        | Measure::WrongRefusals => unless(case.answerable, Skip::Unanswerable),
        Measure::FactRecall => {
            unless(case.answerable, Skip::Unanswerable).or(unless(!case.facts.is_empty(), Skip::NoFacts))
        }
        Measure::TokenF1 | Measure::ExactMatch => {
            unless(case.answerable, Skip::Unanswerable).or(unless(case.answer.is_some(), Skip::NoReference))
        }
        Measure::RecallAt5 | Measure::RecallAt10 | Measure::NdcgAt10 | Measure::Mrr | Measure::PassageRecall => {
            unless(case.answerable, Skip::Unanswerable).or(unless(!case.sources.is_empty(), Skip::NoSources))
        }
    }
}

fn of_one(measure: Measure, case: &Case, record: &CaseRecord, cites_a_source: bool) -> Measured {
    let refused = record.outcome.as_deref() == Some("refused");
    // Who asks for what is not there is told so by a partial answer, too: it names what is missing.
    let admits = refused || (!case.answerable && record.outcome.as_deref() == Some("partial"));
    let claims = || record.claims.len();
    let yes = |holds: bool| Measured::Value(if holds { Figure::ONE } else { Figure::ZERO });
    let is_scored = measure.is_scored();
    // An answer that should be none is judged as well: that it is wrong makes it no less a claim.
    if !is_scored && let Some(skip) = meant_for(measure, case) {
        return Measured::Skipped(skip);
    }
    if is_scored && refused {
        return Measured::Skipped(Skip::Refused);
    }
    match measure {
        Measure::UngroundedByJudge => Measured::Skipped(Skip::NoJudge),
        Measure::UngroundedAnswers if claims() == 0 => Measured::Skipped(Skip::NoClaims),
        Measure::UngroundedAnswers => yes(record.ungrounded().next().is_some()),
        Measure::GroundedClaims => {
            let supported = record.claims.iter().filter(|claim| claim.verdict == ClaimVerdict::Supported).count();
            Measured::or_skipped(Figure::share(supported, claims()), Skip::NoClaims)
        }
        Measure::CitationPrecision if record.citations.is_empty() => Measured::Skipped(Skip::NoCitations),
        Measure::CitationPrecision => {
            let judged = record.citations.iter().filter_map(|citation| citation.supports);
            let all = judged.clone().count();
            Measured::or_skipped(Figure::share(judged.filter(|supports| *supports).count(), all), Skip::NoClaims)
        }
        Measure::CitationRecall => {
            let borne = record.claims.iter().filter(|claim| claim.cited_supports == Some(true)).count();
            Measured::or_skipped(Figure::share(borne, claims()), Skip::NoClaims)
        }
        Measure::FactRecall => {
            let found = record.facts.iter().filter(|fact| fact.found.is_some()).count();
            Measured::or_skipped(Figure::share(found, record.facts.len()), Skip::NoFacts)
        }
        Measure::TokenF1 | Measure::ExactMatch if refused => yes(false),
        Measure::TokenF1 => {
            let f1 = case.answer.as_ref().map(|reference| token_f1(&plain(&record.answer), reference));
            Measured::or_skipped(f1.and_then(Figure::new), Skip::NoReference)
        }
        Measure::ExactMatch => {
            let exact = case.answer.as_ref().map(|reference| is_exact(&plain(&record.answer), reference));
            exact.map_or(Measured::Skipped(Skip::NoReference), yes)
        }
        Measure::RightRefusals => yes(admits),
        Measure::WrongRefusals => yes(refused),
        Measure::WrongAnswers => wrong_answer(case, record, admits, cites_a_source),
        Measure::RecallAt5 => recall(&record.sources, |gold| gold.rank.is_some_and(|rank| rank <= 5)),
        Measure::RecallAt10 => recall(&record.sources, |gold| gold.rank.is_some_and(|rank| rank <= 10)),
        Measure::PassageRecall => recall(&record.sources, |gold| gold.passage.is_some()),
        Measure::Mrr => {
            let first = record.sources.iter().filter_map(|gold| gold.rank).min();
            Measured::Value(first.and_then(|rank| Figure::share(1, rank)).unwrap_or(Figure::ZERO))
        }
        Measure::NdcgAt10 => Measured::or_skipped(Figure::new(order(&record.sources)), Skip::NoSources),
    }
}

fn wrong_answer(case: &Case, record: &CaseRecord, refused: bool, cites_a_source: bool) -> Measured {
    if refused {
        return Measured::Value(Figure::ZERO);
    }
    if case.answerable && case.facts.is_empty() && case.sources.is_empty() {
        return Measured::Skipped(Skip::NoSources);
    }
    let says_a_fact = record.facts.iter().any(|fact| fact.found.is_some());
    let is_right = case.answerable && (says_a_fact || cites_a_source);
    Measured::Value(if is_right { Figure::ZERO } else { Figure::ONE })
}

fn recall(sources: &[GoldRecord], found: impl Fn(&GoldRecord) -> bool) -> Measured {
    let count = sources.iter().filter(|gold| found(gold)).count();
    Measured::or_skipped(Figure::share(count, sources.len()), Skip::NoSources)
}

/// nDCG@10 of the ranks at which sources were first found. Two sources in one hit are one.
fn order(sources: &[GoldRecord]) -> f64 {
    let ranks: BTreeSet<usize> = sources.iter().filter_map(|gold| gold.rank).collect();
    let missing = sources.iter().filter(|gold| gold.rank.is_none()).count();
    let length = ranks.last().copied().unwrap_or(0);
    let found: Vec<u32> = (1..=length).map(|rank| u32::from(ranks.contains(&rank))).collect();
    ndcg(&found, &vec![1; ranks.len() + missing], 10)
}
