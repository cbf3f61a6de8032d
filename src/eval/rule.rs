//! A run's cases, its baseline and the gates in; verdicts out.
//!
//! Pure. A gate **passes** where nothing more than its margin can have been lost, and its floor is met; it **fails** where
//! its floor is missed, or a loss is significant and at least the smallest effect that matters; else it is
//! **inconclusive**. It is **invalid** where so many cases can't show what it asks for. Results of one build after the
//! first have to pass at a tighter level; what fails, fails at the plain one, so that trying again never helps.

mod invariants;

use std::collections::BTreeMap;

use super::baseline::Baseline;
use super::gates::{Gate, Gates};
use super::record::{
    Card, CaseRecord, ChangedCase, ChangedValue, Comparison, Difference, Estimate, Figure, GateRecord, JudgeRecord,
    Measure, Measured, OnInconclusive, Ruling, Skip, Test,
};
use super::stats::bootstrap::Clustered;
use super::stats::{paired, real};
use super::summary::{detectable, estimate, of_slice, values};

pub(super) use invariants::{Broken, invariants};

/// What a gate is ruled by.
pub(super) struct Bench<'a> {
    pub(super) cases: &'a [CaseRecord],
    /// None: there is none, or it can't be compared with.
    pub(super) baseline: Option<&'a Baseline>,
    /// Which different result of this build this is, from 1.
    pub(super) result_of_build: usize,
    pub(super) card: Option<&'a Card>,
}

/// A figure here and there.
struct Pairs {
    gains: Clustered,
    before: f64,
    now: f64,
    improved: usize,
    worsened: usize,
    test: Test,
    p: f64,
}

impl Bench<'_> {
    /// Every gate, in the file's order.
    pub(super) fn rule(&self, gates: &Gates) -> Vec<GateRecord> {
        let pairs: Vec<Option<Pairs>> =
            gates.gates.iter().map(|gate| self.pairs(gate.measure, gate.slice.as_deref())).collect();
        let known: Vec<f64> = pairs.iter().flatten().map(|pairs| pairs.p).collect();
        let mut adjusted = paired::holm(&known).into_iter();
        let ruled = gates.gates.iter().zip(&pairs).map(|(gate, pairs)| {
            let adjusted = pairs.as_ref().and_then(|_| adjusted.next());
            self.gate(gates, gate, (pairs.as_ref(), adjusted))
        });
        ruled.collect()
    }

    fn gate(&self, gates: &Gates, gate: &Gate, (pairs, p_adjusted): (Option<&Pairs>, Option<f64>)) -> GateRecord {
        let cases = of_slice(self.cases, gate.slice.as_deref());
        let measured = values(gate.measure, &cases);
        let level = 1.0 - gates.alpha / real(self.result_of_build.max(1));
        let gain = pairs.and_then(|pairs| {
            let mean = pairs.gains.mean()?;
            estimate(mean, pairs.gains.interval_at(level)?)
        });
        let detectable = detectable(gate.measure, &measured, gates.assumed());
        let value = measured.mean();
        let skipped = skipped_share(gate.measure, &cases);
        let found = Found { value, gain, p_adjusted, detectable, skipped, cases: measured.cases() };
        let (ruling, reason) = self.verdict(gates, gate, &found);
        GateRecord {
            measure: gate.measure,
            slice: gate.slice.clone(),
            ruling,
            reason,
            floor: gate.floor.and_then(Figure::new),
            margin: gate.margin.and_then(Figure::new),
            smallest_effect: gate.smallest_effect.and_then(Figure::new),
            detectable: detectable.and_then(Figure::new),
            estimate: value.zip(measured.share_interval()).and_then(|(value, interval)| estimate(value, interval)),
            gain,
            p: pairs.and_then(|pairs| Figure::new(pairs.p)),
            p_adjusted: p_adjusted.and_then(Figure::new),
            on_inconclusive: gate.on_inconclusive,
        }
    }

    fn verdict(&self, gates: &Gates, gate: &Gate, found: &Found) -> (Ruling, String) {
        let title = gate.title();
        let Some(value) = found.value else {
            return (Ruling::Invalid, format!("{title} is undefined for every case"));
        };
        if found.skipped > gates.skipped_share_max {
            let (share, most) = (shown(found.skipped), shown(gates.skipped_share_max));
            return (
                Ruling::Invalid,
                format!(
                    "{title} is undefined for {share} of the cases that it is meant for, at most {most} are allowed (skipped_share_max)"
                ),
            );
        }
        if !gate.meets_floor(value) {
            let floor = shown(gate.floor.unwrap_or_default());
            let loss = found.loss(gates.alpha).map(|loss| format!("; it is {loss}")).unwrap_or_default();
            return (Ruling::Fail, format!("{title} is {}, its floor is {floor}{loss}", shown(value)));
        }
        let (Some(margin), Some(effect)) = (gate.margin, gate.smallest_effect) else {
            return (Ruling::Pass, format!("{title} is {}, which meets its floor", shown(value)));
        };
        let Some(gain) = found.gain else {
            return (Ruling::Inconclusive, format!("{title} has a margin and there is no baseline to compare with"));
        };
        if let Some(reason) = self.refusal(gate, (margin, effect), found.detectable) {
            return (Ruling::Invalid, format!("{title} {reason}"));
        }
        let (change, low) = (gain.value.get(), gain.low.get());
        if let Some(loss) = found.loss(gates.alpha).filter(|_| change <= -effect) {
            return (Ruling::Fail, format!("{title} is {loss}"));
        }
        if low > -margin {
            let reason =
                format!("{title} changed by {change:+.3}, and no loss beyond {} is left possible", shown(margin));
            return (Ruling::Pass, reason);
        }
        let (lost, margin_shown) = (shown(-low), shown(margin));
        let mut reason = format!(
            "{title} changed by {change:+.3}; a loss of {lost} is still possible, its margin is {margin_shown}"
        );
        if gate.on_inconclusive == OnInconclusive::Escalate {
            // Intervals narrow with the root of the cases: for half the width, four times as many.
            let times = ((change - low) / (change + margin).max(1e-3)).powi(2);
            let wanted = (times * real(found.cases)).ceil().min(1e6);
            reason.push_str(&format!("; some {wanted:.0} cases, or people's labels of these, would tell"));
        }
        (Ruling::Inconclusive, reason)
    }

    /// Why a comparison would say nothing, whatever came of it.
    fn refusal(&self, gate: &Gate, (margin, effect): (f64, f64), detectable: Option<f64>) -> Option<String> {
        match detectable {
            None => return Some("is underpowered: so few cases show no difference at all".into()),
            Some(least) if least > margin => {
                return Some(format!(
                    "is underpowered: its margin is {}, and the smallest difference that these cases are likely to show is {}",
                    shown(margin),
                    shown(least)
                ));
            }
            Some(_) => {}
        }
        let card = self.card.filter(|_| gate.measure.is_scored())?;
        let errors = card.labelled.iter().filter_map(|set| set.systems.as_ref()).map(|systems| systems.error.get());
        let error = errors.fold(0.0, f64::max);
        (effect < error).then(|| {
            format!(
                "asks for an effect of {}, which is less than the scorer's own error over systems ({})",
                shown(effect),
                shown(error)
            )
        })
    }

    fn pairs(&self, measure: Measure, slice: Option<&str>) -> Option<Pairs> {
        let baseline = self.baseline?;
        let cases = of_slice(self.cases, slice);
        let both: Vec<(&CaseRecord, f64, f64)> = cases
            .into_iter()
            .filter_map(|case| {
                let before = baseline.cases.get(&case.id)?.get(&measure)?.get();
                Some((case, before, case.value(measure)?.get()))
            })
            .collect();
        let count = real(both.len());
        let gain = |before: f64, now: f64| measure.gain(before, now);
        let improved = both.iter().filter(|(_, before, now)| gain(*before, *now) > 0.0).count();
        let worsened = both.iter().filter(|(_, before, now)| gain(*before, *now) < 0.0).count();
        let gains = Clustered::of(both.iter().map(|(case, before, now)| (case.cluster.as_str(), gain(*before, *now))));
        let (test, p) = if measure.is_binary() {
            (Test::McnemarExact, paired::mcnemar(worsened, improved))
        } else {
            (Test::SignFlipPermutation, paired::sign_flip(&gains))
        };
        let mean = |of: fn(&(&CaseRecord, f64, f64)) -> f64| both.iter().map(of).sum::<f64>() / count;
        let (before, now) = (mean(|pair| pair.1), mean(|pair| pair.2));
        (!both.is_empty()).then_some(Pairs { gains, before, now, improved, worsened, test, p })
    }

    /// This run beside its baseline: every measure, over all cases and over each slice that has some.
    pub(super) fn comparison(&self, gates: &Gates, slices: &[String]) -> Option<Comparison> {
        let baseline = self.baseline?;
        let gating = |measure: Measure, slice: Option<&str>| {
            gates.gates.iter().any(|gate| gate.measure == measure && gate.slice.as_deref() == slice)
        };
        let places = [None].into_iter().chain(slices.iter().map(|tag| Some(tag.as_str())));
        let mut found: Vec<(Measure, Option<&str>, Pairs)> = Vec::new();
        for slice in places {
            let pairs =
                Measure::ALL.into_iter().filter_map(|measure| Some((measure, slice, self.pairs(measure, slice)?)));
            found.extend(pairs);
        }
        let known: Vec<f64> =
            found.iter().filter(|(measure, slice, _)| gating(*measure, *slice)).map(|(_, _, pairs)| pairs.p).collect();
        let mut adjusted = paired::holm(&known).into_iter();
        let differences = found.iter().filter_map(|(measure, slice, pairs)| {
            let p_adjusted = if gating(*measure, *slice) { adjusted.next().and_then(Figure::new) } else { None };
            difference(*measure, *slice, pairs, p_adjusted)
        });
        Some(Comparison {
            baseline: baseline.record(),
            alpha: Figure::new(gates.alpha / real(self.result_of_build.max(1)))?,
            result_of_build: self.result_of_build,
            differences: differences.collect(),
            changed: self.changed(baseline),
        })
    }

    fn changed(&self, baseline: &Baseline) -> Vec<ChangedCase> {
        let mut changed: Vec<ChangedCase> = Vec::new();
        for case in self.cases {
            let Some(values) = baseline.cases.get(&case.id) else { continue };
            let (mut worsened, mut improved) = (Vec::new(), Vec::new());
            for (measure, before) in values {
                let Some(now) = case.value(*measure) else { continue };
                let gain = measure.gain(before.get(), now.get());
                let value = ChangedValue { measure: *measure, before: *before, now };
                if gain < 0.0 {
                    worsened.push(value);
                } else if gain > 0.0 {
                    improved.push(value);
                }
            }
            if !worsened.is_empty() || !improved.is_empty() {
                changed.push(ChangedCase { id: case.id.clone(), worsened, improved });
            }
        }
        changed.sort_by(|a, b| b.worsened.len().cmp(&a.worsened.len()).then_with(|| a.id.cmp(&b.id)));
        changed
    }
}

struct Found {
    value: Option<f64>,
    gain: Option<Estimate>,
    p_adjusted: Option<f64>,
    detectable: Option<f64>,
    skipped: f64,
    cases: usize,
}

impl Found {
    /// A significant loss beside the baseline, in words. None: there is none.
    fn loss(&self, alpha: f64) -> Option<String> {
        let (change, p) = (self.gain?.value.get(), self.p_adjusted?);
        (change < 0.0 && p < alpha).then(|| format!("worse by {}, p {} after Holm", shown(-change), shown(p)))
    }
}

fn difference(measure: Measure, slice: Option<&str>, pairs: &Pairs, p_adjusted: Option<Figure>) -> Option<Difference> {
    Some(Difference {
        measure,
        slice: slice.map(str::to_owned),
        cases: pairs.gains.cases(),
        baseline: Figure::new(pairs.before)?,
        run: Figure::new(pairs.now)?,
        gain: estimate(pairs.gains.mean()?, pairs.gains.interval()?)?,
        test: pairs.test,
        p: Figure::new(pairs.p)?,
        p_adjusted,
        improved: pairs.improved,
        worsened: pairs.worsened,
    })
}

/// Of the cases that a measure is meant for, the share that it is undefined for.
fn skipped_share(measure: Measure, cases: &[&CaseRecord]) -> f64 {
    let mut by_reason: BTreeMap<bool, usize> = BTreeMap::new();
    for case in cases {
        let is_missed = match case.values.get(&measure) {
            Some(Measured::Value(_)) => false,
            // A refusal where the documents don't answer is right, and says nothing that could be measured.
            Some(Measured::Skipped(Skip::Refused)) => case.asked.answerable,
            Some(Measured::Skipped(skip)) if skip.is_by_design() => continue,
            Some(Measured::Skipped(_)) => true,
            None => continue,
        };
        *by_reason.entry(is_missed).or_default() += 1;
    }
    let of = |missed: bool| real(by_reason.get(&missed).copied().unwrap_or(0));
    of(true) / (of(true) + of(false)).max(1.0)
}

fn shown(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// What the whole run comes to, its exit code, and why.
pub(super) fn conclude(
    broken: &[Broken],
    (card, judge): (Option<&Card>, Option<&JudgeRecord>),
    (invalid, gates): (&[String], &[GateRecord]),
) -> (Ruling, u8, Vec<String>) {
    let with = |ruling: Ruling| gates.iter().filter(move |gate| gate.ruling == ruling).map(|gate| gate.reason.clone());
    let unqualified: Vec<String> = card
        .filter(|card| !card.passed)
        .map(|card| {
            let missed = card.bars.iter().filter(|bar| !bar.met).map(|bar| bar.name.as_str()).collect::<Vec<_>>();
            vec![format!("the scorer failed its own validation: {}", missed.join(", "))]
        })
        .unwrap_or_default();
    let by_judge = gates.iter().any(|gate| gate.measure == Measure::UngroundedByJudge);
    let unknown: Vec<String> = judge
        .filter(|judge| by_judge && !judge.passed)
        .map(|judge| {
            let missed = judge.bars.iter().filter(|bar| !bar.met).map(|bar| bar.name.as_str()).collect::<Vec<_>>();
            vec![format!(
                "the judge {} failed its validation, so no gate may be on its word: {}",
                judge.model,
                missed.join(", ")
            )]
        })
        .unwrap_or_default();
    let unqualified: Vec<String> = unqualified.into_iter().chain(unknown).collect();
    let failed: Vec<String> = broken.iter().map(|broken| broken.0.clone()).collect();
    let could_not: Vec<String> = invalid.iter().cloned().chain(with(Ruling::Invalid)).collect();
    let blocks =
        |gate: &&GateRecord| gate.ruling == Ruling::Inconclusive && gate.on_inconclusive != OnInconclusive::Warn;
    let open: Vec<String> = gates.iter().filter(blocks).map(|gate| gate.reason.clone()).collect();
    let missed: Vec<String> = with(Ruling::Fail).collect();
    let levels = [
        (Ruling::Fail, 1, failed),
        (Ruling::Invalid, 3, unqualified),
        (Ruling::Fail, 1, missed),
        (Ruling::Invalid, 2, could_not),
        (Ruling::Inconclusive, 4, open),
    ];
    let decided = levels.iter().find(|(.., reasons)| !reasons.is_empty());
    let (ruling, code) = decided.map_or((Ruling::Pass, 0), |(ruling, code, _)| (*ruling, *code));
    let first = decided.map(|(.., reasons)| reasons.clone()).unwrap_or_default();
    let rest = levels.iter().flat_map(|(.., reasons)| reasons.clone()).filter(|reason| !first.contains(reason));
    (ruling, code, first.iter().cloned().chain(rest.collect::<Vec<_>>()).collect())
}

#[cfg(test)]
mod tests;
