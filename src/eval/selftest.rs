//! Whether the scorer may be trusted on these documents: what it can see of planted faults, and how far it agrees with
//! people.
//!
//! Canaries need no labels: a sentence of the customer's own documents, changed in one known way, beside the passage that
//! it stood in. A fault of a kind that is not seen here passes unseen in answers as well, and the card says so.

mod canary;
mod labelled;

use super::gates::Bars;
use super::index::Document;
use super::record::{Bar, CanaryRecord, Card, CaseRecord, Estimate, Figure, Labelled, Level, Measure, Missed};
use super::stats::bootstrap::wilson;
use super::stats::predicted;
use super::summary::estimate;
use crate::chat::judge::Opinion;
use crate::ground::claims::{Kind, pieces};
use crate::ground::evidence::Passages;
use crate::ground::{Scorer, Verdict};

pub(super) use canary::Canary;
pub use canary::Fault;
pub(super) use canary::contradicted;
pub use labelled::{LabelledSentence, LabelledSet};

/// Missed canaries that the card shows of each kind.
const MISSED_SHOWN: usize = 3;
/// What a kind with fewer canaries shows is left out of the bars.
const MADE_MIN: usize = 10;

/// What the scorer is good for.
const SCOPE: &str = "Prose answers to questions: yes. Renderings of records and tables, code, and sentences in which one \
                     word was changed for a near one: weak. English; in other languages numbers and names.";

/// The card of this scorer on these documents. `has_own` says whether enough own labels correct absolute rates.
pub fn card(scorer: &Scorer, documents: &[&Document], sets: &[LabelledSet], (bars, has_own): (&Bars, bool)) -> Card {
    let canaries = canaries(scorer, documents, bars);
    let labelled: Vec<Labelled> = sets.iter().flat_map(|set| set.measure(scorer)).collect();
    let bars = judged(&canaries, &labelled, bars);
    Card {
        passed: bars.iter().all(|bar| bar.met),
        canaries,
        labelled,
        bars,
        scope: SCOPE.to_owned(),
        relative_only: !has_own,
    }
}

fn canaries(scorer: &Scorer, documents: &[&Document], bars: &Bars) -> Vec<CanaryRecord> {
    let made = canary::made(documents);
    let judged: Vec<(&Canary, bool)> =
        made.iter().map(|canary| (canary, !is_supported(scorer, &canary.corrupted, &canary.passage))).collect();
    by_kind(&judged, bars)
}

/// Planted faults to ask a judge about: so many of each kind, and four times as many untouched sentences.
pub(super) fn planted(documents: &[&Document], per_kind: usize) -> Vec<Canary> {
    let made = canary::made(documents);
    let wanted = |kind: Fault| if kind == Fault::None { 4 * per_kind } else { per_kind };
    let of_kind = |kind: Fault| made.iter().filter(move |canary| canary.kind == kind).take(wanted(kind)).cloned();
    Fault::ALL.into_iter().flat_map(of_kind).collect()
}

/// How a judge did on them, by the bars of the scorer. What it did not answer counts for nothing, and a bar that nothing
/// is known of is missed: the judge is a stranger.
pub(super) fn by_judge(planted: &[Canary], opinions: &[Option<Opinion>], bars: &Bars) -> (Vec<CanaryRecord>, Vec<Bar>) {
    let answered = planted.iter().zip(opinions).filter_map(|(canary, opinion)| Some((canary, (*opinion)?)));
    let judged: Vec<(&Canary, bool)> =
        answered.map(|(canary, opinion)| (canary, opinion == Opinion::Unsupported)).collect();
    let canaries = by_kind(&judged, bars);
    let strict = |bar: Bar| Bar { met: bar.met && bar.found.is_some(), ..bar };
    let bars = self::judged(&canaries, &[], bars).into_iter().map(strict).collect();
    (canaries, bars)
}

/// Each kind of fault, with those that were caught.
fn by_kind(judged: &[(&Canary, bool)], bars: &Bars) -> Vec<CanaryRecord> {
    let record = |kind: Fault| {
        let of_kind: Vec<&(&Canary, bool)> = judged.iter().filter(|(canary, _)| canary.kind == kind).collect();
        let caught = of_kind.iter().filter(|(_, is_caught)| *is_caught).count();
        // Of sentences that were left alone, those that are caught are the mistakes.
        let mistakes = of_kind.iter().filter(|(_, is_caught)| *is_caught == (kind == Fault::None));
        let missed = mistakes.take(MISSED_SHOWN).map(|(canary, _)| Missed {
            original: canary.original.clone(),
            corrupted: canary.corrupted.clone(),
            document: canary.document.clone(),
        });
        let share = Figure::share(caught, of_kind.len()).map(Figure::get);
        let is_enough = |share: f64| {
            if kind == Fault::None { share <= bars.false_alarm_share_max } else { share >= bars.seen_share_min }
        };
        CanaryRecord {
            kind: kind.name().to_owned(),
            made: of_kind.len(),
            caught,
            share: share.zip(wilson(caught, of_kind.len())).and_then(|(value, interval)| estimate(value, interval)),
            is_seen: share.is_some_and(is_enough),
            missed: missed.collect(),
        }
    };
    Fault::ALL.into_iter().map(record).collect()
}

/// Whether every claim in a text is supported by one passage.
fn is_supported(scorer: &Scorer, text: &str, passage: &str) -> bool {
    let passages = Passages::read(&[passage]);
    let mut claims = pieces(text).into_iter().filter(|piece| piece.kind == Kind::Claim);
    claims.all(|piece| scorer.judge(text, piece.span, &passages).verdict == Verdict::Supported)
}

fn judged(canaries: &[CanaryRecord], labelled: &[Labelled], bars: &Bars) -> Vec<Bar> {
    let mut found = Vec::new();
    let mut bar = |name: String, least: f64, value: Option<f64>| {
        let (least, value) = (Figure::new(least).unwrap_or_default(), value.and_then(Figure::new));
        found.push(Bar { name, least, found: value, met: value.is_none_or(|value| value >= least) });
    };
    let sum = |of: fn(&CanaryRecord) -> usize, wanted: &dyn Fn(&CanaryRecord) -> bool| {
        canaries.iter().filter(|canary| wanted(canary)).map(of).sum::<usize>()
    };
    let is_fault = |canary: &CanaryRecord| canary.kind != Fault::None.name();
    let is_clean = |canary: &CanaryRecord| canary.kind == Fault::None.name();
    let share = |wanted: &dyn Fn(&CanaryRecord) -> bool| {
        let made = sum(|canary| canary.made, wanted);
        Figure::share(sum(|canary| canary.caught, wanted), made).filter(|_| made >= MADE_MIN).map(Figure::get)
    };
    bar("planted faults that are caught".into(), bars.caught_share_min, share(&is_fault));
    let quiet = share(&is_clean).map(|alarms| 1.0 - alarms);
    bar("untouched sentences without a false alarm".into(), 1.0 - bars.false_alarm_share_max, quiet);
    for set in labelled.iter().filter(|set| set.level == Level::Answer) {
        let value = |estimate: Option<Estimate>| estimate.map(|estimate| estimate.value.get());
        bar(format!("AUROC on {}", set.name), bars.auroc_min, value(set.auroc));
        let accuracy = value(set.balanced_accuracy);
        bar(format!("balanced accuracy on {}", set.name), bars.balanced_accuracy_min, accuracy);
        let right = set.calibration_error.map(|error| 1.0 - error.get());
        bar(format!("1 - calibration error on {}", set.name), 1.0 - bars.calibration_error_max, right);
    }
    found
}

/// The share of answers with an ungrounded claim, corrected by people's labels of some.
pub fn corrected(scorer: &Scorer, own: &LabelledSet, cases: &[CaseRecord]) -> Option<Estimate> {
    let scored: Vec<f64> =
        cases.iter().filter_map(|case| Some(case.value(Measure::UngroundedAnswers)?.get())).collect();
    let found = predicted::mean_of(&own.ungrounded(scorer), &scored)?;
    let (low, high) = (found.interval.low.clamp(0.0, 1.0), found.interval.high.clamp(0.0, 1.0));
    estimate(found.value.clamp(0.0, 1.0), super::stats::Interval { low, high })
}

#[cfg(test)]
mod tests;
