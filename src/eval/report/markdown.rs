//! A summary in Markdown, for a comment on a pull request: verdict, gates, what got worse, what was measured.
//!
//! Short: sections are written in the order of their weight until the room is used up, and what is left out is said. Any
//! text of a case or a document is escaped, so that it neither marks up nor mentions anybody.

use super::order::{Concern, Seen, seen};
use super::shown::{self, Channel};
use crate::eval::record::{
    CanaryRecord, ClaimVerdict, Comparison, Difference, Fingerprint, GateRecord, Metric, PerturbationRecord, Report,
    Ruling,
};

/// A comment on GitHub has room for 65,536 characters.
const CHARS_MAX: usize = 59_000;
/// Of these, for what is closing.
const CHARS_KEPT: usize = 2_000;
const REASONS_MAX: usize = 10;
const CASES_MAX: usize = 25;
const TEXT_CHARS_MAX: usize = 400;

/// The summary's text.
pub fn markdown(report: &Report) -> String {
    let mut page = Page { text: String::new(), left_out: Vec::new() };
    page.add("the verdict", &head(report));
    page.add("gates", &gates(report));
    page.add("what must hold", &broken(report));
    for (title, section) in cases(report) {
        page.add(title, &section);
    }
    page.add("all figures", &metrics(report));
    page.add("the scorer's own test", &scorer(report));
    page.add("the judge", &judge(report));
    page.add("changed passages", &perturbations(report));
    page.add("slices", &slices(report));
    page.add("what was measured", &measured(report));
    if !page.left_out.is_empty() {
        let sections = page.left_out.join(", ");
        page.text.push_str(&format!("\nLeft out here for want of room, and in `report.html`: {sections}.\n"));
    }
    page.text.push_str(&times(report));
    page.text
}

/// What fits.
struct Page {
    text: String,
    /// By name.
    left_out: Vec<&'static str>,
}

impl Page {
    fn add(&mut self, name: &'static str, section: &str) {
        let length = self.text.chars().count() + section.chars().count();
        if length > CHARS_MAX - CHARS_KEPT {
            self.left_out.push(name);
        } else {
            self.text.push_str(section);
        }
    }
}

fn head(report: &Report) -> String {
    let counts = &report.counts;
    let mut text = format!(
        "## {} {}: {}\n\n",
        mark(report.ruling),
        escaped(&shown::bounded(&report.suite, TEXT_CHARS_MAX)),
        report.ruling.name()
    );
    for reason in report.reasons.iter().take(REASONS_MAX) {
        text.push_str(&format!("- {}\n", bounded(reason)));
    }
    text.push_str(&more(report.reasons.len(), REASONS_MAX, "reason"));
    if !report.reasons.is_empty() {
        text.push('\n');
    }
    let mut said = vec![
        shown::count(counts.done + counts.errored + counts.stale, "case"),
        format!("{} answered", shown::thousands(counts.answered + counts.partial)),
        format!("{} refused", shown::thousands(counts.refused)),
    ];
    let rest = [(counts.errored, "errored"), (counts.stale, "stale")];
    said.extend(rest.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("**{n} {what}**")));
    if let Some(comparison) = &report.comparison {
        let (worse, better) = moved(comparison);
        said.push(format!("{worse} worse and {better} better than the baseline"));
    }
    text.push_str(&format!("{}.\n", said.join(", ")));
    for note in report.notes.iter().take(REASONS_MAX) {
        text.push_str(&format!("\n> {}\n", bounded(note)));
    }
    text
}

/// Cases that got worse in something, and those that only got better.
fn moved(comparison: &Comparison) -> (usize, usize) {
    let worse = comparison.changed.iter().filter(|changed| !changed.worsened.is_empty()).count();
    (worse, comparison.changed.len() - worse)
}

fn gates(report: &Report) -> String {
    if report.gates.is_empty() {
        return "\nNo gates were given.\n".to_owned();
    }
    let mut text = "\n| | Gate | Value (95% interval) | Floor | Baseline | Change (95% interval) |\n".to_owned();
    text.push_str("| --- | --- | --- | --- | --- | --- |\n");
    for gate in &report.gates {
        text.push_str(&gate_row(gate, report.comparison.as_ref()));
    }
    text
}

fn gate_row(gate: &GateRecord, comparison: Option<&Comparison>) -> String {
    let measure = gate.measure;
    let slice = gate.slice.as_ref().map(|slice| format!(", {}", escaped(slice))).unwrap_or_default();
    let value = gate.estimate.map_or_else(
        || "undefined".to_owned(),
        |found| format!("**{}** ({})", shown::value(measure, found.value), shown::interval(measure, found)),
    );
    let none = || "–".to_owned();
    let floor = gate.floor.map_or_else(none, |floor| shown::value(measure, floor));
    let before = comparison.and_then(|comparison| difference(comparison, gate));
    let baseline = before.map_or_else(none, |before| shown::value(measure, before.baseline));
    let change = gate.gain.map_or_else(none, |gain| {
        let p = gate.p_adjusted.map(|p| format!(", {}", shown::p(p))).unwrap_or_default();
        let interval = shown::change_interval(measure, gain);
        let interval = if interval.is_empty() { interval } else { format!(" ({interval})") };
        format!("{}{interval}{p}", shown::change(measure, gain.value))
    });
    let title = format!("{}<br>`{}`{slice}", measure.title(), measure.name());
    format!("| {} {} | {title} | {value} | {floor} | {baseline} | {change} |\n", mark(gate.ruling), gate.ruling.name())
}

fn difference<'a>(comparison: &'a Comparison, gate: &GateRecord) -> Option<&'a Difference> {
    comparison.differences.iter().find(|found| found.measure == gate.measure && found.slice == gate.slice)
}

fn broken(report: &Report) -> String {
    let broken: Vec<String> = report
        .invariants
        .iter()
        .filter(|held| held.ruling != Ruling::Pass)
        .map(|held| format!("- **{}**: {}\n", escaped(&held.name.replace('_', " ")), bounded(&held.reason)))
        .collect();
    if broken.is_empty() {
        return format!("\nEverything that must hold holds ({} checks).\n", report.invariants.len());
    }
    format!("\n### What must hold and does not\n\n{}", broken.concat())
}

/// The cases that somebody should look at, the gravest first: a section each concern.
fn cases(report: &Report) -> Vec<(&'static str, String)> {
    let all = seen(report);
    let grave = Concern::ALL.into_iter().filter(|concern| concern.is_grave());
    let section = |concern: Concern| {
        let of: Vec<&Seen<'_>> = all.iter().filter(|seen| seen.concern == concern).collect();
        if of.is_empty() {
            return (concern.title(), String::new());
        }
        let lines: String = of.iter().take(CASES_MAX).map(|seen| case(seen)).collect();
        let more = more(of.len(), CASES_MAX, "case");
        (concern.title(), format!("\n### {} ({})\n\n{lines}{more}", concern.title(), of.len()))
    };
    grave.map(section).collect()
}

fn case(seen: &Seen<'_>) -> String {
    let case = seen.case;
    let mut text = format!("- **{}** {}\n", bounded(&case.id), bounded(&case.asked.question));
    for value in seen.changed.iter().flat_map(|changed| &changed.worsened) {
        text.push_str(&format!("  - `{}`\n", shown::moved(value)));
    }
    text.push_str(&seen.why().iter().map(|why| format!("  - {}\n", bounded(why))).collect::<String>());
    for leak in &case.leaks {
        text.push_str(&format!("  - leaks “{}” in its {}\n", bounded(&leak.text), leak.place.name()));
    }
    if let Some(claim) = seen.worst_claim() {
        let verdict = match claim.verdict {
            ClaimVerdict::Supported => "supported",
            ClaimVerdict::Partly => "partly supported",
            ClaimVerdict::Unsupported => "unsupported",
        };
        text.push_str(&format!("  - {verdict}: “{}”\n", bounded(&claim.text)));
        if let Some(finding) = claim.findings.first() {
            text.push_str(&format!("    {}: {}\n", Channel::of(finding).name(), bounded(&shown::finding(finding))));
        }
        if let Some(best) = claim.evidence.first() {
            text.push_str(&format!("    best evidence, {}: “{}”\n", bounded(&best.document), bounded(&best.quote)));
        }
    }
    text
}

fn metrics(report: &Report) -> String {
    let rows: String = report.metrics.iter().map(metric_row).collect();
    if rows.is_empty() {
        return String::new();
    }
    let head = "| Figure | Value | 95% interval | Cases | Skipped |\n| --- | --- | --- | --- | --- |\n";
    folded("All figures", &format!("{head}{rows}"))
}

fn metric_row(metric: &Metric) -> String {
    let (value, interval) = metric.estimate.map_or_else(
        || ("undefined".to_owned(), "–".to_owned()),
        |found| (shown::value(metric.measure, found.value), shown::interval(metric.measure, found)),
    );
    let skipped: Vec<String> = metric.skipped.iter().map(|(skip, n)| format!("{n}: {}", skip.title())).collect();
    let name = format!("{} `{}`", metric.measure.title(), metric.measure.name());
    format!("| {name} | {value} | {interval} | {} | {} |\n", metric.cases, skipped.join("; "))
}

fn scorer(report: &Report) -> String {
    let Some(card) = &report.selftest else { return String::new() };
    let verdict = if card.passed { "passed" } else { "**failed**" };
    let text = format!("The scorer {verdict} its own validation. {}\n\n", bounded(&card.scope));
    folded("What the scorer can see on these documents", &format!("{text}{}", canaries(&card.canaries)))
}

fn judge(report: &Report) -> String {
    let Some(judge) = &report.judge else { return String::new() };
    let verdict = if judge.passed { "passed" } else { "**failed**" };
    let (model, agreement, calls) =
        (bounded(&judge.model), bounded(&shown::judge(judge)), bounded(&shown::calls(judge)));
    let text = format!("The judge, {model}, {verdict} its own validation. {agreement} {calls}\n\n");
    folded("What the judge says", &format!("{text}{}", canaries(&judge.canaries)))
}

fn perturbations(report: &Report) -> String {
    let head = "| Figure | As it is | Changed | Gain, 95% interval | p |\n| --- | --- | --- | --- | --- |\n";
    let one = |perturbed: &PerturbationRecord| {
        let rows: String = perturbed.differences.iter().map(perturbed_row).collect();
        let cases = shown::count(perturbed.cases, "case");
        let text = format!("Expected: {}. {}\n\n", perturbed.expected, bounded(&shown::unexpected(perturbed)));
        folded(&format!("Passages changed: {} ({cases})", perturbed.kind.name()), &format!("{text}{head}{rows}"))
    };
    report.perturbations.iter().map(one).collect()
}

fn perturbed_row(row: &Difference) -> String {
    let measure = row.measure;
    format!(
        "| {} `{}` | {} | {} | {} ({}) | {} |\n",
        measure.title(),
        measure.name(),
        shown::value(measure, row.baseline),
        shown::value(measure, row.run),
        shown::change(measure, row.gain.value),
        shown::change_interval(measure, row.gain),
        shown::p(row.p)
    )
}

fn canaries(canaries: &[CanaryRecord]) -> String {
    let mut text = "| Planted fault | Caught | |\n| --- | --- | --- |\n".to_owned();
    for canary in canaries.iter().filter(|canary| canary.made > 0) {
        let (kind, seen) = match (canary.kind.as_str(), canary.is_seen) {
            ("none", true) => ("none (false alarms)".to_owned(), "few enough"),
            ("none", false) => ("none (false alarms)".to_owned(), "**too many**"),
            (kind, true) => (escaped(kind), "seen"),
            (kind, false) => (escaped(kind), "**not seen well enough**"),
        };
        text.push_str(&format!("| {kind} | {} of {} | {seen} |\n", canary.caught, canary.made));
    }
    text
}

fn slices(report: &Report) -> String {
    let mut rows = String::new();
    for slice in &report.slices {
        let figures: Vec<String> = slice
            .metrics
            .iter()
            .filter_map(|metric| {
                Some(format!("{} {}", metric.measure.name(), shown::value(metric.measure, metric.estimate?.value)))
            })
            .collect();
        rows.push_str(&format!("| {} | {} | {} |\n", escaped(&slice.tag), slice.cases, figures.join(", ")));
    }
    if rows.is_empty() {
        return String::new();
    }
    folded("Slices", &format!("| Tag | Cases | Figures |\n| --- | --- | --- |\n{rows}"))
}

fn measured(report: &Report) -> String {
    let before = report.comparison.as_ref().map(|comparison| &comparison.baseline.fingerprint);
    let mut text = "| | This run | Baseline |\n| --- | --- | --- |\n".to_owned();
    let of_before = |at: usize| before.and_then(|before| pairs(before).into_iter().nth(at));
    for (at, (name, now)) in pairs(&report.fingerprint).into_iter().enumerate() {
        let was = match of_before(at) {
            None => "–".to_owned(),
            Some((_, was)) if was == now => "the same".to_owned(),
            Some((_, was)) => format!("**`{}`**", code(&was)),
        };
        text.push_str(&format!("| {name} | `{}` | {was} |\n", code(&now)));
    }
    folded("What was measured", &text)
}

/// Name and value, in the order of weight.
fn pairs(fingerprint: &Fingerprint) -> Vec<(&'static str, String)> {
    shown::fingerprint(fingerprint).into_iter().map(|(name, value)| (name, shown::hash(&value))).collect()
}

fn times(report: &Report) -> String {
    let times = &report.times;
    let median = times.total_ms.map(|total| {
        format!(
            ", {} an answer at the median, {} at the 95th percentile",
            shown::duration(total.median),
            shown::duration(total.p95)
        )
    });
    let took = shown::duration(times.seconds * 1000.0);
    format!("\n<sub>{}, took {took}{}</sub>\n", escaped(&shown::moment(&times.began)), median.unwrap_or_default())
}

fn folded(title: &str, text: &str) -> String {
    format!("\n<details><summary>{title}</summary>\n\n{text}\n</details>\n")
}

fn more(all: usize, shown_max: usize, what: &str) -> String {
    match all.saturating_sub(shown_max) {
        0 => String::new(),
        left => format!("- and {} in `report.html`\n", shown::count(left, &format!("more {what}"))),
    }
}

fn mark(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Pass => "✅",
        Ruling::Fail => "❌",
        Ruling::Inconclusive => "⚠️",
        Ruling::Invalid => "⛔",
    }
}

fn bounded(text: &str) -> String {
    escaped(&shown::bounded(&shown::one_line(text), TEXT_CHARS_MAX))
}

/// Text that stands for itself: on one line, no markup, no HTML, no table's bars, and nobody is mentioned.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in shown::one_line(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // A mention or a reference is found in what was rendered, so that an entity would not hide it.
            '@' | '#' => {
                out.push(c);
                out.push_str("<!-- -->");
            }
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '|' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out.replace("://", ":<!-- -->//").replace("www.", "www<!-- -->.")
}

/// Text between backticks in a table.
fn code(text: &str) -> String {
    shown::one_line(text).replace('`', "'").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser};

    use super::*;
    use crate::eval::record::tests::{example, example_case, example_comparison};
    use crate::eval::record::{Asked, CaseRecord, Slice};

    /// What a reader sees, without any markup.
    fn read(markdown: &str) -> String {
        let mut text = String::new();
        for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
            if let Event::Text(said) | Event::Code(said) = &event {
                text.push_str(said);
            } else if matches!(event, Event::End(_) | Event::SoftBreak) {
                text.push('\n');
            }
        }
        text
    }

    #[test]
    fn verdict_gates_and_the_unsupported_sentence_with_its_evidence_are_there() {
        let text = markdown(&example());
        let seen = read(&text);
        assert!(text.starts_with("## ❌ handbook: fail\n\n- wrong\\_answers is 0.5, must be at most 0.1\n"), "{text}");
        assert!(text.contains("| ❌ fail | Answers with an ungrounded claim<br>`ungrounded_answers` | **50%** (40 to 60%) | 10% | – | 25 points worse (−35 to −15 points), p = 0.020 |"), "{text}");
        assert!(seen.contains("unsupported: “It listens on port 25 [1].”"), "{seen}");
        assert!(seen.contains("best evidence, docs/kestrel.md: “Kestrel listens for mail on port 2525.”"), "{seen}");
        assert!(seen.contains("mismatch: number: “25”, where the documents have “2525”"), "{seen}");
    }

    #[test]
    fn text_of_a_case_is_no_markup_and_breaks_no_table() {
        let nasty = "<script>x</script> | **b** `c` [d](https://e) @f #1 ![g](h)\n# i &amp; $j$ <!-- k -->";
        let mut case = example_case();
        case.asked.question = nasty.into();
        let mut report = Report { cases: vec![case], suite: nasty.into(), ..example() };
        report.gates[0].slice = Some(nasty.into());
        let text = markdown(&report);
        let row = text.lines().find(|line| line.starts_with("| ❌")).unwrap();
        assert_eq!(row.replace("\\|", "").matches('|').count(), 7, "{row}");
        assert!(!text.contains("<script") && !text.contains("](h") && !text.contains("@f"), "{text}");
        assert!(read(&text).contains("<script>x</script> | **b** `c` [d]("), "{}", read(&text));
    }

    #[test]
    fn what_got_worse_comes_first_and_what_does_not_fit_is_said() {
        let long = "words ".repeat(500);
        let cases: Vec<CaseRecord> = (0..2000)
            .map(|n| CaseRecord {
                id: format!("case-{n}"),
                asked: Asked { question: long.clone(), ..example_case().asked },
                ..example_case()
            })
            .collect();
        let mut report = Report { cases, reasons: vec![long.clone(); 300], ..example() };
        report.slices =
            (0..5000).map(|n| Slice { tag: format!("tag-{n}"), cases: 1, metrics: report.metrics.clone() }).collect();
        report.comparison = Some(example_comparison("case-7"));
        let text = markdown(&report);
        assert!(text.chars().count() < 60_000, "{}", text.chars().count());
        let (worse, faulty) = (text.find("case-7**").unwrap(), text.find("case-0**").unwrap());
        assert!(worse < faulty, "regressions first");
        assert!(text.contains("and 1,974 more cases in `report.html`"), "{text}");
        assert!(text.contains("and 290 more reasons in `report.html`"), "{text}");
        assert!(text.contains("Left out here for want of room, and in `report.html`: slices."), "{text}");
    }
}
