//! Records of cases in, figures over them out. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::record::{
    CaseRecord, CaseTimes, Counts, Estimate, Figure, Measure, Measured, Metric, Quantiles, Skip, Slice, State,
};
use super::stats::bootstrap::Clustered;
use super::stats::{Interval, power, quantile};

/// What is taken for granted where the power of a comparison is told before there is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Assumed {
    /// Of the cases of a figure that is 0 or 1: the share that comes out otherwise in two runs.
    pub(super) changing_share: f64,
    /// Of the other figures: the standard deviation of a case's difference.
    pub(super) deviation: f64,
    /// How alike cases of one cluster are, 0..=1.
    pub(super) cluster_correlation: f64,
    pub(super) alpha: f64,
}

impl Default for Assumed {
    fn default() -> Self {
        Self { changing_share: 0.1, deviation: 0.3, cluster_correlation: 0.1, alpha: 0.05 }
    }
}

/// Cases by how they ended.
pub(super) fn counts(cases: &[CaseRecord]) -> Counts {
    let of = |state: State| cases.iter().filter(|case| case.state == state).count();
    let ended = |outcome: &str| cases.iter().filter(|case| case.outcome.as_deref() == Some(outcome)).count();
    Counts {
        done: of(State::Done),
        errored: of(State::Errored),
        stale: of(State::Stale),
        answered: ended("answered"),
        partial: ended("partial"),
        refused: ended("refused"),
        clusters: cases.iter().map(|case| &case.cluster).collect::<BTreeSet<_>>().len(),
    }
}

/// Every measure over these cases, those aside that none of them is meant for.
pub(super) fn metrics(cases: &[&CaseRecord], assumed: Assumed) -> Vec<Metric> {
    let all = Measure::ALL.into_iter().map(|measure| metric(measure, cases, assumed));
    all.filter(|metric| metric.cases > 0 || metric.skipped.keys().any(|skip| !skip.is_by_design())).collect()
}

fn metric(measure: Measure, cases: &[&CaseRecord], assumed: Assumed) -> Metric {
    let values = values(measure, cases);
    let mut skipped: BTreeMap<Skip, usize> = BTreeMap::new();
    for case in cases {
        if let Some(Measured::Skipped(skip)) = case.values.get(&measure) {
            *skipped.entry(*skip).or_default() += 1;
        }
    }
    let estimate = values.mean().zip(values.share_interval()).and_then(|(value, interval)| estimate(value, interval));
    Metric {
        measure,
        estimate,
        cases: values.cases(),
        skipped,
        detectable: detectable(measure, &values, assumed).and_then(Figure::new),
        corrected: None,
    }
}

/// The values of the cases that have one.
pub(super) fn values(measure: Measure, cases: &[&CaseRecord]) -> Clustered {
    Clustered::of(cases.iter().filter_map(|case| Some((case.cluster.as_str(), case.value(measure)?.get()))))
}

/// The smallest difference to a baseline that so many cases are likely to show.
pub(super) fn detectable(measure: Measure, values: &Clustered, assumed: Assumed) -> Option<f64> {
    let n = power::effective(values.cases(), values.clusters(), assumed.cluster_correlation);
    if measure.is_binary() {
        power::detectable_share(n, assumed.changing_share, assumed.alpha)
    } else {
        power::detectable_mean(n, assumed.deviation, assumed.alpha)
    }
}

pub(super) fn estimate(value: f64, interval: Interval) -> Option<Estimate> {
    Some(Estimate { value: Figure::new(value)?, low: Figure::new(interval.low)?, high: Figure::new(interval.high)? })
}

/// The cases of each tag, or of those that the suite names.
pub(super) fn slices(cases: &[CaseRecord], named: &[String], assumed: Assumed) -> Vec<Slice> {
    let tags: BTreeSet<&String> =
        if named.is_empty() { cases.iter().flat_map(|case| &case.tags).collect() } else { named.iter().collect() };
    let slice = |tag: &String| {
        let within = of_slice(cases, Some(tag));
        Slice { tag: tag.clone(), cases: within.len(), metrics: metrics(&within, assumed) }
    };
    tags.into_iter().map(slice).collect()
}

/// The cases with a tag; all of them without one.
pub(super) fn of_slice<'a>(cases: &'a [CaseRecord], tag: Option<&str>) -> Vec<&'a CaseRecord> {
    cases.iter().filter(|case| tag.is_none_or(|tag| case.tags.iter().any(|has| has == tag))).collect()
}

/// Median and 95th percentile of one column of times. None where there is none.
pub(super) fn quantiles<'a>(
    times: impl Iterator<Item = &'a CaseTimes>,
    column: impl Fn(&CaseTimes) -> Option<f64>,
) -> Option<Quantiles> {
    let mut values: Vec<f64> = times.filter_map(column).collect();
    values.sort_by(f64::total_cmp);
    Some(Quantiles { median: quantile(&values, 0.5)?, p95: quantile(&values, 0.95)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::record::tests::example_case;

    #[test]
    fn what_is_skipped_is_counted_by_reason_and_no_part_of_the_mean() {
        let (mut other, mut third) = (example_case(), example_case());
        other.values.insert(Measure::UngroundedAnswers, Measured::Value(Figure::ZERO));
        other.cluster = "b".into();
        third.values.insert(Measure::UngroundedAnswers, Measured::Skipped(Skip::Refused));
        let cases = [example_case(), other, third];
        let found = metrics(&cases.iter().collect::<Vec<_>>(), Assumed::default());
        assert_eq!(found.len(), 1, "a measure that no case is meant for is left out");
        assert_eq!(found[0].estimate.unwrap().value, Figure::new(0.5).unwrap());
        assert_eq!((found[0].cases, &found[0].skipped), (2, &BTreeMap::from([(Skip::Refused, 1)])));
        assert_eq!(counts(&cases).clusters, 2);
        assert_eq!(slices(&cases, &[], Assumed::default())[0].tag, "plain");
    }
}
