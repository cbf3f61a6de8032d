//! What stands on the page above the cases. Pure.

use minijinja::{Value, context};

use super::super::order::{self, Concern, Seen};
use super::super::shown;
use super::cases;
use super::plot::{Axis, Plot, end, reliability};
use crate::eval::record::{
    Bar, CanaryRecord, Card, Comparison, Difference, Estimate, Figure, GateRecord, InvariantRecord, JudgeRecord,
    Labelled, Level, Measure, Metric, OnInconclusive, PerturbationRecord, Quantiles, Report, Ruling, Slice, Test,
};

/// Cases that are named in a list; the cases themselves are all below.
const NAMED_MAX: usize = 60;
const REASON_CHARS_MAX: usize = 1000;
/// Columns of the table of slices, the weightiest first.
const COLUMNS: [Measure; 8] = [
    Measure::UngroundedAnswers,
    Measure::WrongAnswers,
    Measure::WrongRefusals,
    Measure::RightRefusals,
    Measure::FactRecall,
    Measure::CitationPrecision,
    Measure::RecallAt5,
    Measure::NdcgAt10,
];

/// Everything that the template asks for, but for style, script and policy.
pub(super) fn page(report: &Report) -> Value {
    let seen = order::seen(report);
    context! {
        suite => shown::bounded(&report.suite, REASON_CHARS_MAX),
        ruling => report.ruling.name(),
        verdict => verdict(report.ruling),
        lead => lead(report),
        reasons => texts(report.reasons.iter().skip(1)),
        notes => texts(report.notes.iter()),
        exit_code => report.exit_code,
        tiles => tiles(report, &seen),
        times => times(report),
        gates => gates(report),
        gates_passed => report.gates.iter().filter(|gate| gate.ruling == Ruling::Pass).count(),
        with_baseline => report.comparison.is_some(),
        invariants => report.invariants.iter().map(invariant).collect::<Vec<_>>(),
        comparison => report.comparison.as_ref().map(|comparison| compared(comparison, &seen)),
        metrics => metrics(&report.metrics),
        corrected => report.metrics.iter().any(|metric| metric.corrected.is_some()),
        slices => slices(report),
        card => report.selftest.as_ref().map(card),
        judge => report.judge.as_ref().map(judge),
        perturbations => report.perturbations.iter().map(perturbed).collect::<Vec<_>>(),
        fingerprint => fingerprint(report),
        cases => cases::cases(report, &seen),
    }
}

fn verdict(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Pass => "Pass",
        Ruling::Fail => "Fail",
        Ruling::Inconclusive => "Inconclusive",
        Ruling::Invalid => "Not valid",
    }
}

/// The verdict in a sentence.
fn lead(report: &Report) -> String {
    if let Some(first) = report.reasons.first() {
        return shown::bounded(first, REASON_CHARS_MAX);
    }
    let open = report.gates.iter().filter(|gate| gate.ruling == Ruling::Inconclusive).count();
    match (report.gates.len(), open) {
        (0, _) => "Everything that must hold holds. No gates were given.".to_owned(),
        (_, 0) => "Every gate is passed, and everything that must hold holds.".to_owned(),
        (_, open) => format!(
            "No gate is failed, and everything that must hold holds. {} inconclusive, and set to let through.",
            if open == 1 { "One gate is".to_owned() } else { format!("{open} gates are") }
        ),
    }
}

fn texts<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<String> {
    texts.map(|text| shown::bounded(text, REASON_CHARS_MAX)).collect()
}

fn tiles(report: &Report, seen: &[Seen<'_>]) -> Vec<Value> {
    let counts = &report.counts;
    let all = counts.done + counts.errored + counts.stale;
    let mut ended = vec![
        format!("{} answered", shown::thousands(counts.answered + counts.partial)),
        format!("{} refused", shown::thousands(counts.refused)),
    ];
    let rest = [(counts.errored, "errored"), (counts.stale, "stale")];
    ended.extend(rest.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")));
    let mut tiles = vec![context! { name => "Cases", value => shown::thousands(all), more => ended.join(", ") }];
    if !report.gates.is_empty() {
        let passed = report.gates.iter().filter(|gate| gate.ruling == Ruling::Pass).count();
        let held = report.invariants.iter().filter(|held| held.ruling == Ruling::Pass).count();
        let all = report.invariants.len();
        let more = if all == 0 { String::new() } else { format!("{held} of {all} invariants hold") };
        tiles.push(context! { name => "Gates passed", value => format!("{passed} of {}", report.gates.len()), more });
    }
    let headline = report.metrics.iter().find(|metric| metric.measure == Measure::UngroundedAnswers);
    if let Some((metric, found)) = headline.and_then(|metric| Some((metric, metric.corrected.or(metric.estimate)?))) {
        let (measure, value) = (metric.measure, shown::value(metric.measure, found.value));
        let more = format!("{}, at 95%", shown::interval(measure, found));
        tiles.push(context! { name => "Ungrounded answers", value, more });
    }
    tiles.push(match &report.comparison {
        Some(comparison) => {
            let worse = comparison.changed.iter().filter(|changed| !changed.worsened.is_empty()).count();
            let better = comparison.changed.len() - worse;
            context! { name => "Cases that got worse", value => worse.to_string(), more => format!("{better} got better only") }
        }
        None => {
            let faulty = seen.iter().filter(|seen| seen.concern.is_grave()).count();
            context! { name => "Cases with a fault", value => faulty.to_string(), more => "no baseline was given" }
        }
    });
    tiles
}

/// All that the clock said.
fn times(report: &Report) -> Vec<Value> {
    let times = &report.times;
    let mut rows = vec![("Begun", shown::moment(&times.began)), ("Took", shown::duration(times.seconds * 1000.0))];
    let ms = |of: Quantiles| {
        format!("{} at the median, {} at the 95th percentile", shown::duration(of.median), shown::duration(of.p95))
    };
    let tokens = |of: Quantiles| format!("{:.0} at the median, {:.0} at the 95th percentile", of.median, of.p95);
    rows.extend(times.total_ms.map(|of| ("An answer", ms(of))));
    rows.extend(times.first_token_ms.map(|of| ("First token", ms(of))));
    rows.extend(times.first_sentence_ms.map(|of| ("First sentence", ms(of))));
    rows.extend(times.prompt_tokens.map(|of| ("Prompt tokens", tokens(of))));
    rows.extend(times.completion_tokens.map(|of| ("Answer tokens", tokens(of))));
    if times.resumed > 0 {
        rows.push(("Resumed", format!("{} were finished by a run before", shown::count(times.resumed, "case"))));
    }
    rows.into_iter().map(|(name, value)| context! { name, value }).collect()
}

fn gates(report: &Report) -> Vec<Value> {
    let comparison = report.comparison.as_ref();
    let ends = report.gates.iter().filter_map(|gate| gate.gain).flat_map(|gain| [gain.low.get(), gain.high.get()]);
    let margins = report.gates.iter().filter_map(|gate| Some(gate.margin?.get()));
    let axis = Axis::of_changes(ends.chain(margins));
    report.gates.iter().map(|gate| self::gate(gate, comparison, axis)).collect()
}

fn gate(gate: &GateRecord, comparison: Option<&Comparison>, axis: Axis) -> Value {
    let measure = gate.measure;
    let difference = comparison.and_then(|comparison| {
        comparison.differences.iter().find(|found| found.measure == measure && found.slice == gate.slice)
    });
    let baseline = difference.map(|difference| difference.baseline);
    let value = gate.estimate.map(|found| drawn(measure, found, &Plot::of_gate(gate, found, baseline)));
    let change = gate.gain.map(|gain| changed(measure, gain, &Plot::of_change(axis, gain, gate.margin)));
    let mut facts = Vec::new();
    facts.extend(gate.floor.map(|floor| format!("floor {}", shown::value(measure, floor))));
    facts.extend(baseline.map(|baseline| format!("baseline {}", shown::value(measure, baseline))));
    facts.extend(gate.margin.map(|margin| format!("margin {}", shown::size(measure, margin.get()))));
    let needed = gate.detectable.filter(|_| gate.margin.is_some());
    facts.extend(needed.map(|least| format!("shows {} or more", shown::size(measure, least.get()))));
    let tested = gate.p_adjusted.filter(|_| gate.margin.is_some());
    facts.extend(tested.map(|p| format!("{} after Holm", shown::p(p))));
    let on_inconclusive = (gate.ruling == Ruling::Inconclusive).then_some(match gate.on_inconclusive {
        OnInconclusive::Block => "set to block",
        OnInconclusive::Warn => "set to let through",
        OnInconclusive::Escalate => "set to escalate",
    });
    facts.extend(on_inconclusive.map(str::to_owned));
    context! {
        ruling => gate.ruling.name(),
        title => measure.title(),
        name => measure.name(),
        slice => &gate.slice,
        reason => shown::bounded(&gate.reason, REASON_CHARS_MAX),
        value,
        change,
        facts,
    }
}

/// A value with its drawing.
fn drawn(measure: Measure, found: Estimate, plot: &Plot) -> Value {
    let (value, interval) = (shown::value(measure, found.value), shown::interval(measure, found));
    let svg = Value::from_safe_string(plot.svg(&format!("{value}, interval {interval}")));
    context! {
        value,
        interval,
        svg,
        from => end(measure, plot.axis().from),
        to => end(measure, plot.axis().to),
    }
}

/// A difference with its drawing.
fn changed(measure: Measure, gain: Estimate, plot: &Plot) -> Value {
    let (value, interval) = (shown::change(measure, gain.value), shown::change_interval(measure, gain));
    let svg = Value::from_safe_string(plot.svg(&format!("{value}, interval {interval}")));
    let is_loss = gain.high.get() < 0.0;
    context! { value, interval, svg, is_loss, is_gain => gain.low.get() > 0.0 }
}

fn invariant(held: &InvariantRecord) -> Value {
    let title = match held.name.as_str() {
        "leaks" => "Nothing leaks",
        "must_pass" => "Must-pass cases",
        "critical_findings" => "Critical figures are right",
        "errors" => "No case errored",
        "stale" => "Recorded answers are current",
        "sources" => "Sources are in the documents",
        "documents" => "Documents could be indexed",
        other => other,
    };
    context! {
        title,
        ruling => held.ruling.name(),
        reason => shown::bounded(&held.reason, REASON_CHARS_MAX),
        cases => held.cases.iter().take(NAMED_MAX).map(|id| linked(id)).collect::<Vec<_>>(),
        more => held.cases.len().saturating_sub(NAMED_MAX),
    }
}

fn linked(id: &str) -> Value {
    context! { id, anchor => cases::anchor(id) }
}

fn compared(comparison: &Comparison, seen: &[Seen<'_>]) -> Value {
    let all: Vec<&Difference> = comparison.differences.iter().filter(|found| found.slice.is_none()).collect();
    // Of the slices, only what chance alone does not explain: there are many of them.
    let sliced: Vec<&Difference> = comparison
        .differences
        .iter()
        .filter(|found| found.slice.is_some() && (found.gain.high.get() < 0.0 || found.gain.low.get() > 0.0))
        .collect();
    let ends = all.iter().chain(&sliced).flat_map(|found| [found.gain.low.get(), found.gain.high.get()]);
    let axis = Axis::of_changes(ends);
    let rows = |of: &[&Difference]| of.iter().map(|found| difference(found, axis)).collect::<Vec<_>>();
    let worse: Vec<&Seen<'_>> =
        seen.iter().filter(|seen| seen.changed.is_some_and(|changed| !changed.worsened.is_empty())).collect();
    let better = comparison.changed.len() - worse.len();
    let told = worse.iter().take(NAMED_MAX).map(|seen| {
        let changes = seen.changed.iter().flat_map(|changed| &changed.worsened);
        let values: Vec<String> = changes.map(shown::moved).collect();
        context! { anchor => cases::anchor(&seen.case.id), question => cases::question(seen.case), values }
    });
    context! {
        baseline => shown::hash(&comparison.baseline.sha256),
        reasons => comparison.baseline.rebaselined.iter().map(|made| shown::bounded(&made.reason, REASON_CHARS_MAX)).collect::<Vec<_>>(),
        result_of_build => comparison.result_of_build,
        alpha => format!("{:.3}", comparison.alpha.get()),
        from => format!("{:.0} points worse", axis.to * 100.0),
        to => format!("{:.0} points better", axis.to * 100.0),
        rows => rows(&all),
        sliced => rows(&sliced),
        told => told.collect::<Vec<_>>(),
        worse => worse.len(),
        more => worse.len().saturating_sub(NAMED_MAX),
        better,
    }
}

fn difference(found: &Difference, axis: Axis) -> Value {
    let test = match found.test {
        Test::McnemarExact => "McNemar, exact",
        Test::SignFlipPermutation => "sign-flip permutation",
    };
    context! {
        title => found.measure.title(),
        name => found.measure.name(),
        slice => &found.slice,
        before => shown::value(found.measure, found.baseline),
        now => shown::value(found.measure, found.run),
        change => changed(found.measure, found.gain, &Plot::of_change(axis, found.gain, None)),
        p => shown::p(found.p),
        p_adjusted => found.p_adjusted.map(shown::p),
        test,
        cases => found.cases,
        improved => found.improved,
        worsened => found.worsened,
    }
}

fn metrics(metrics: &[Metric]) -> Vec<Value> {
    let row = |metric: &Metric| {
        let measure = metric.measure;
        let skipped: usize = metric.skipped.values().sum();
        let reasons: Vec<String> = metric.skipped.iter().map(|(skip, n)| format!("{n}: {}", skip.title())).collect();
        context! {
            title => measure.title(),
            name => measure.name(),
            cases => metric.cases,
            skipped,
            reasons,
            value => metric.estimate.map(|found| drawn(measure, found, &Plot::of(Axis::WHOLE, found))),
            corrected => metric.corrected.map(|found| {
                format!("{} ({})", shown::value(measure, found.value), shown::interval(measure, found))
            }),
        }
    };
    metrics.iter().map(row).collect()
}

/// A table: tags down, measures across.
fn slices(report: &Report) -> Value {
    let found = |slice: &Slice, measure: Measure| {
        slice.metrics.iter().find(|metric| metric.measure == measure).and_then(|metric| metric.estimate)
    };
    let columns: Vec<Measure> = COLUMNS
        .into_iter()
        .filter(|measure| report.slices.iter().any(|slice| found(slice, *measure).is_some()))
        .collect();
    let lost = |tag: &str, measure: Measure| {
        let differences = report.comparison.iter().flat_map(|comparison| &comparison.differences);
        let mut of = differences.filter(|of| of.measure == measure && of.slice.as_deref() == Some(tag));
        of.any(|difference| difference.gain.high.get() < 0.0)
    };
    let row = |slice: &Slice| {
        let cells: Vec<Value> = columns
            .iter()
            .map(|measure| match found(slice, *measure) {
                Some(estimate) => {
                    let drawn = drawn(*measure, estimate, &Plot::of(Axis::WHOLE, estimate));
                    context! { drawn, is_loss => lost(&slice.tag, *measure) }
                }
                None => context! { drawn => None::<Value>, is_loss => false },
            })
            .collect();
        context! { tag => &slice.tag, cases => slice.cases, cells }
    };
    let heads = columns.iter().map(|measure| context! { title => measure.title(), name => measure.name() });
    context! {
        heads => heads.collect::<Vec<_>>(),
        rows => report.slices.iter().map(row).collect::<Vec<_>>(),
    }
}

fn bar(bar: &Bar) -> Value {
    let (least, found) = (shown::percent(bar.least), bar.found.map(shown::percent));
    context! { name => &bar.name, least, found, met => bar.met }
}

fn judge(judge: &JudgeRecord) -> Value {
    context! {
        model => shown::bounded(&judge.model, REASON_CHARS_MAX),
        passed => judge.passed,
        agreement => shown::judge(judge),
        calls => shown::bounded(&shown::calls(judge), REASON_CHARS_MAX),
        bars => judge.bars.iter().map(bar).collect::<Vec<_>>(),
        canaries => judge.canaries.iter().map(canary).collect::<Vec<_>>(),
    }
}

fn perturbed(perturbed: &PerturbationRecord) -> Value {
    let row = |row: &Difference| {
        context! {
            title => row.measure.title(),
            before => shown::value(row.measure, row.baseline),
            now => shown::value(row.measure, row.run),
            gain => shown::change(row.measure, row.gain.value),
            interval => shown::change_interval(row.measure, row.gain),
            p => shown::p(row.p),
            is_loss => row.gain.high.get() < 0.0,
        }
    };
    context! {
        name => perturbed.kind.name(),
        expected => &perturbed.expected,
        cases => shown::count(perturbed.cases, "case"),
        left_out => perturbed.left_out.iter().map(|(why, n)| format!("{n}: {why}")).collect::<Vec<_>>(),
        said => shown::unexpected(perturbed),
        rows => perturbed.differences.iter().map(row).collect::<Vec<_>>(),
    }
}

fn card(card: &Card) -> Value {
    context! {
        passed => card.passed,
        scope => &card.scope,
        relative_only => card.relative_only,
        bars => card.bars.iter().map(bar).collect::<Vec<_>>(),
        canaries => card.canaries.iter().map(canary).collect::<Vec<_>>(),
        labelled => card.labelled.iter().map(labelled).collect::<Vec<_>>(),
    }
}

fn canary(canary: &CanaryRecord) -> Value {
    let is_clean = canary.kind == "none";
    let (title, sight) = match (is_clean, canary.made, canary.is_seen) {
        (true, ..) if canary.is_seen => ("left as it was".to_owned(), "few false alarms"),
        (true, ..) => ("left as it was".to_owned(), "too many false alarms"),
        (false, 0, _) => (canary.kind.replace('_', " "), "none could be made"),
        (false, _, true) => (canary.kind.replace('_', " "), "seen"),
        (false, _, false) => (canary.kind.replace('_', " "), "not seen well enough"),
    };
    let plot = canary.share.map(|share| {
        let said = format!("{} of {}", canary.caught, canary.made);
        Value::from_safe_string(Plot::of(Axis::WHOLE, share).svg(&said))
    });
    let missed = canary.missed.iter().map(|missed| {
        context! { words => cases::compared(&missed.original, &missed.corrupted), document => &missed.document }
    });
    context! {
        title,
        sight,
        is_clean,
        is_seen => canary.is_seen || canary.made == 0,
        made => canary.made,
        caught => canary.caught,
        share => canary.share.map(|share| shown::percent(share.value)),
        plot,
        missed => missed.collect::<Vec<_>>(),
    }
}

fn labelled(set: &Labelled) -> Value {
    let shown_with = |found: Option<Estimate>| {
        found.map(|found| format!("{:.3} ({:.3} to {:.3})", found.value.get(), found.low.get(), found.high.get()))
    };
    let tau = |tau: Option<Figure>| tau.map_or_else(|| "undefined".to_owned(), |tau| format!("{:.2}", tau.get()));
    let systems = set.systems.as_ref().map(|systems| {
        format!(
            "{} systems: Kendall's tau {}, {} of {} pairs reversed, error {}",
            systems.systems,
            tau(systems.kendall_tau),
            systems.reversals,
            systems.pairs,
            shown::percent(systems.error)
        )
    });
    let level = match set.level {
        Level::Claim => "claims",
        Level::Answer => "answers",
    };
    context! {
        name => &set.name,
        level,
        labels => set.labels,
        supported => set.supported,
        auroc => shown_with(set.auroc),
        balanced_accuracy => shown_with(set.balanced_accuracy),
        f1 => shown_with(set.f1),
        calibration_error => set.calibration_error.map(|error| format!("{:.3}", error.get())),
        reliability => Value::from_safe_string(reliability(&set.reliability)),
        systems,
    }
}

fn fingerprint(report: &Report) -> Vec<Value> {
    let before = report.comparison.as_ref().map(|comparison| shown::fingerprint(&comparison.baseline.fingerprint));
    let rows = shown::fingerprint(&report.fingerprint).into_iter().enumerate().map(|(at, (name, now))| {
        let was = before.as_ref().and_then(|before| before.get(at)).map(|(_, was)| was.clone());
        let differs = was.as_ref().is_some_and(|was| *was != now);
        context! { name, now => shown::hash(&now), full => now, was => was.map(|was| shown::hash(&was)), differs }
    });
    rows.collect()
}

/// The groups of cases, for the filter.
pub(super) fn concerns(seen: &[Seen<'_>]) -> Vec<Value> {
    let count = |concern: Concern| seen.iter().filter(|seen| seen.concern == concern).count();
    let shown = Concern::ALL.into_iter().filter(|concern| count(*concern) > 0);
    shown
        .map(|concern| context! { name => concern.name(), title => concern.title(), count => count(concern) })
        .collect()
}
