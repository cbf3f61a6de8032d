//! In which order a reader should see cases: what breaks a rule, what got worse, what is wrong, and then the rest. Pure.

use std::collections::{HashMap, HashSet};

use super::shown;
use crate::eval::record::{CaseRecord, ChangedCase, ChangedValue, ClaimRecord, Measure, Report, Ruling, State};

/// Of an error's text in a line.
const WHY_CHARS_MAX: usize = 600;

/// Why a case deserves to be read. The gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Concern {
    /// Something that must hold does not hold for it.
    Breaks,
    /// It is worse than in the baseline.
    Worse,
    /// It errored, is stale, or has a fault.
    Faulty,
    /// Nothing is wrong, and it is better than in the baseline.
    Better,
    Clean,
}

impl Concern {
    pub(super) const ALL: [Self; 5] = [Self::Breaks, Self::Worse, Self::Faulty, Self::Better, Self::Clean];

    /// For programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Breaks => "breaks",
            Self::Worse => "worse",
            Self::Faulty => "faulty",
            Self::Better => "better",
            Self::Clean => "clean",
        }
    }

    /// Above the cases that have it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Breaks => "Break what must hold",
            Self::Worse => "Worse than the baseline",
            Self::Faulty => "With a fault",
            Self::Better => "Better than the baseline",
            Self::Clean => "Without a fault",
        }
    }

    /// Whether somebody should look.
    pub(super) fn is_grave(self) -> bool {
        match self {
            Self::Breaks | Self::Worse | Self::Faulty => true,
            Self::Better | Self::Clean => false,
        }
    }
}

/// A case, and what is known of it beside its record.
pub(super) struct Seen<'a> {
    pub(super) case: &'a CaseRecord,
    pub(super) concern: Concern,
    /// None: nothing changed, or there is no baseline.
    pub(super) changed: Option<&'a ChangedCase>,
    /// The invariants that it breaks, by name.
    pub(super) breaks: Vec<&'a str>,
}

/// Every case, the gravest first; among equals, the greatest loss first, then the suite's order.
pub(super) fn seen(report: &Report) -> Vec<Seen<'_>> {
    let changes = report.comparison.iter().flat_map(|comparison| &comparison.changed);
    let changes: HashMap<&str, &ChangedCase> = changes.map(|changed| (changed.id.as_str(), changed)).collect();
    let mut breaking: HashMap<&str, Vec<&str>> = HashMap::new();
    for broken in report.invariants.iter().filter(|held| held.ruling == Ruling::Fail) {
        let ids: HashSet<&str> = broken.cases.iter().map(String::as_str).collect();
        for id in ids {
            breaking.entry(id).or_default().push(&broken.name);
        }
    }
    let mut seen: Vec<Seen<'_>> = report
        .cases
        .iter()
        .map(|case| {
            let changed = changes.get(case.id.as_str()).copied();
            let breaks = breaking.remove(case.id.as_str()).unwrap_or_default();
            let concern = concern(case, changed, &breaks);
            Seen { case, concern, changed, breaks }
        })
        .collect();
    seen.sort_by(|a, b| a.concern.cmp(&b.concern).then_with(|| b.weight().total_cmp(&a.weight())));
    seen
}

fn concern(case: &CaseRecord, changed: Option<&ChangedCase>, breaks: &[&str]) -> Concern {
    let is_worse = changed.is_some_and(|changed| !changed.worsened.is_empty());
    if !breaks.is_empty() {
        Concern::Breaks
    } else if is_worse {
        Concern::Worse
    } else if case.state != State::Done || !case.is_faultless() || case.ungrounded().next().is_some() {
        Concern::Faulty
    } else if changed.is_some() {
        Concern::Better
    } else {
        Concern::Clean
    }
}

impl Seen<'_> {
    /// What was lost, where a measure that is 0 or 1 counts more than any shift of a rank.
    fn weight(&self) -> f64 {
        let lost = |value: &ChangedValue| {
            let loss = -value.measure.gain(value.before.get(), value.now.get());
            if value.measure.is_binary() { loss * 100.0 } else { loss }
        };
        self.changed.map_or(0.0, |changed| changed.worsened.iter().map(lost).sum())
    }

    /// In a few words, why somebody should look.
    pub(super) fn why(&self) -> Vec<String> {
        let case = self.case;
        let mut why: Vec<String> = self.breaks.iter().map(|name| name.replace('_', " ")).collect();
        let is_worst = |measure: Measure| case.value(measure) == Some(measure.worst());
        if case.state == State::Done {
            let ungrounded = case.ungrounded().count();
            if ungrounded > 0 {
                why.push(format!("{} not supported", shown::count(ungrounded, "claim")));
            }
            let named = [
                (Measure::WrongRefusals, "the documents do answer this"),
                (Measure::RightRefusals, "the documents don't answer this"),
                (Measure::FactRecall, "none of the facts"),
            ];
            why.extend(named.iter().filter(|(measure, _)| is_worst(*measure)).map(|(_, said)| (*said).to_owned()));
            if is_worst(Measure::WrongAnswers) && !is_worst(Measure::RightRefusals) {
                why.push("wrong answer".to_owned());
            }
        } else {
            why.push(shown::bounded(
                &shown::one_line(case.error.as_deref().unwrap_or("it did not end")),
                WHY_CHARS_MAX,
            ));
        }
        why
    }

    /// The claim that is least borne out, of those that are not supported.
    pub(super) fn worst_claim(&self) -> Option<&ClaimRecord> {
        worst_claim(self.case)
    }
}

/// The claim that is least borne out, of those that are not supported.
pub(super) fn worst_claim(case: &CaseRecord) -> Option<&ClaimRecord> {
    case.ungrounded().min_by_key(|claim| claim.score)
}

/// Whether this value of one case is a fault by itself. Figures that are never perfect are none.
pub(super) fn is_fault(measure: Measure, value: f64) -> bool {
    match measure {
        Measure::UngroundedAnswers | Measure::UngroundedByJudge | Measure::WrongRefusals | Measure::WrongAnswers => {
            value > 0.0
        }
        Measure::GroundedClaims
        | Measure::CitationPrecision
        | Measure::CitationRecall
        | Measure::FactRecall
        | Measure::RightRefusals => value < 1.0,
        Measure::RecallAt5 | Measure::RecallAt10 | Measure::NdcgAt10 | Measure::Mrr | Measure::PassageRecall => {
            value <= 0.0
        }
        Measure::TokenF1 | Measure::ExactMatch => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::record::tests::{example, example_case};
    use crate::eval::record::{CaseRecord, Figure, InvariantRecord, Measured};

    #[test]
    fn what_breaks_a_rule_comes_first_and_what_is_clean_last() {
        let clean = CaseRecord {
            id: "clean".into(),
            claims: Vec::new(),
            values: [(Measure::UngroundedAnswers, Measured::Value(Figure::ZERO))].into(),
            ..example_case()
        };
        let leaking = CaseRecord { id: "leaking".into(), ..clean.clone() };
        let broken = InvariantRecord {
            name: "leaks".into(),
            ruling: Ruling::Fail,
            reason: "1 cases".into(),
            cases: vec!["leaking".into()],
        };
        let report = Report { cases: vec![clean, example_case(), leaking], invariants: vec![broken], ..example() };
        let found: Vec<(&str, Concern)> =
            seen(&report).iter().map(|seen| (seen.case.id.as_str(), seen.concern)).collect();
        assert_eq!(found, [("leaking", Concern::Breaks), ("port", Concern::Faulty), ("clean", Concern::Clean)]);
    }
}
