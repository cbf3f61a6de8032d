//! Figures and texts as every form shows them: the same number reads the same in each. Pure.

use crate::eval::record::{
    Agreement, ChangedValue, Estimate, Figure, FindingRecord, Fingerprint, JudgeRecord, Measure, PerturbationRecord,
};

/// Of the cases that did not do as expected, so much is named.
const UNEXPECTED_CHARS_MAX: usize = 300;
/// Of a hash, what is enough to tell two apart at a glance.
const HASH_CHARS: usize = 12;
/// A difference that is shown as none.
const NOTHING: f64 = 5e-5;

/// A value of a measure: shares as percentages, ranks and overlaps as they are.
pub(super) fn value(measure: Measure, value: Figure) -> String {
    let value = value.get();
    if is_share(measure) { format!("{}%", decimals(value * 100.0, 1)) } else { format!("{value:.3}") }
}

/// The 95% interval of a value.
pub(super) fn interval(measure: Measure, found: Estimate) -> String {
    let (low, high) = (found.low.get(), found.high.get());
    if is_share(measure) {
        format!("{} to {}%", decimals(low * 100.0, 1), decimals(high * 100.0, 1))
    } else {
        format!("{low:.3} to {high:.3}")
    }
}

/// A difference in words. Positive is better.
pub(super) fn change(measure: Measure, gain: Figure) -> String {
    let gain = gain.get();
    if gain.abs() < NOTHING {
        return "no change".to_owned();
    }
    let way = if gain > 0.0 { "better" } else { "worse" };
    format!("{} {way}", size(measure, gain.abs()))
}

/// The interval of a difference. Empty where no case differs.
pub(super) fn change_interval(measure: Measure, gain: Estimate) -> String {
    if gain.low.get().abs() < NOTHING && gain.high.get().abs() < NOTHING {
        return String::new();
    }
    let end = |at: Figure| {
        let at = at.get();
        let sign = match (at < -NOTHING, at > NOTHING) {
            (true, _) => "\u{2212}",
            (_, true) => "+",
            (false, false) => "",
        };
        if is_share(measure) {
            format!("{sign}{}", decimals(at.abs() * 100.0, 1))
        } else {
            format!("{sign}{:.3}", at.abs())
        }
    };
    let unit = if is_share(measure) { " points" } else { "" };
    format!("{} to {}{unit}", end(gain.low), end(gain.high))
}

/// A value of one case, where a percentage would say nothing.
pub(super) fn of_case(value: Figure) -> String {
    decimals(value.get(), 3)
}

/// How a value of one case changed.
pub(super) fn moved(changed: &ChangedValue) -> String {
    format!("{} {} → {}", changed.measure.name(), of_case(changed.before), of_case(changed.now))
}

/// A distance between two values of a measure.
pub(super) fn size(measure: Measure, size: f64) -> String {
    if is_share(measure) { format!("{} points", decimals(size * 100.0, 1)) } else { format!("{size:.3}") }
}

/// A share that belongs to no measure.
pub(super) fn percent(share: Figure) -> String {
    format!("{}%", decimals(share.get() * 100.0, 1))
}

pub(super) fn p(p: Figure) -> String {
    let p = p.get();
    if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") }
}

/// `1 case`, `2,000 cases`.
pub(super) fn count(n: usize, one: &str) -> String {
    let ending = if n == 1 { "" } else { "s" };
    format!("{} {one}{ending}", thousands(n))
}

pub(super) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `350 ms`, `4.2 s`, `3 min 20 s`.
pub(super) fn duration(ms: f64) -> String {
    let seconds = ms / 1000.0;
    if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.0} min {:.0} s", (seconds / 60.0).floor(), (seconds % 60.0).floor())
    }
}

/// `2026-01-01T08:00:00Z` as `2026-01-01 08:00 UTC`; anything else as it is.
pub(super) fn moment(rfc3339: &str) -> String {
    let Some((day, time)) = rfc3339.split_once('T') else { return rfc3339.to_owned() };
    let minutes: String = time.chars().take(5).collect();
    if time.ends_with('Z') { format!("{day} {minutes} UTC") } else { rfc3339.to_owned() }
}

/// A hash by its beginning, anything else as it is.
pub(super) fn hash(text: &str) -> String {
    let is_hash = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if is_hash { text.chars().take(HASH_CHARS).collect() } else { text.to_owned() }
}

/// What a run measured, by name, in the order of weight. What there is none of is `–`.
pub(super) fn fingerprint(of: &Fingerprint) -> Vec<(&'static str, String)> {
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    vec![
        ("cairn", of.cairn_version.clone()),
        ("build", of.build.clone()),
        ("settings", of.config.clone()),
        ("prompt", of.prompt.clone()),
        ("answers", of.chat.clone()),
        ("chat model", or_none(&of.chat_model)),
        ("recording", or_none(&of.recording)),
        ("suite", of.suite.clone()),
        ("documents", of.documents.clone()),
        ("index", of.index.clone()),
        ("scorer", of.scorer.clone()),
        ("perturbation", or_none(&of.perturbation)),
    ]
}

/// On one line, without more than one space in a row.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most so many characters; what is left out is said.
pub(super) fn bounded(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        None => text.to_owned(),
        Some((end, _)) => {
            let kept = text.get(..end).unwrap_or_default();
            let more = text.chars().count() - chars_max;
            format!("{kept} … ({} more characters in report.json)", thousands(more))
        }
    }
}

/// What came of changed passages beside their figures: how many answers cite what was added, and what was not expected.
pub(super) fn unexpected(perturbed: &PerturbationRecord) -> String {
    let mut said = Vec::new();
    if let Some(citing) = perturbed.cites_added {
        said.push(format!(
            "{} what was added.",
            if citing == 1 { "1 answer cites".into() } else { format!("{citing} answers cite") }
        ));
    }
    if !perturbed.unexpected.is_empty() {
        said.push(format!("Not as expected: {}.", bounded(&perturbed.unexpected.join(", "), UNEXPECTED_CHARS_MAX)));
    }
    said.join(" ")
}

/// A judge's word beside the scorer's, in a sentence.
pub(super) fn judge(judge: &JudgeRecord) -> String {
    let Agreement { both_supported, both_unsupported, scorer_alone, judge_alone, share, kappa } = judge.agreement;
    let all = both_supported + both_unsupported + scorer_alone + judge_alone;
    let Some(share) = share else {
        return "It shares no claim with the scorer.".to_owned();
    };
    let kappa = kappa.map(|kappa| format!(", Cohen's kappa {:.2}", kappa.get())).unwrap_or_default();
    format!(
        "It agrees with the scorer on {} of {}{kappa}: {scorer_alone} are supported by the scorer's word alone, \
         {judge_alone} by the judge's.",
        percent(share),
        count(all, "claim")
    )
}

/// What asking it came to.
pub(super) fn calls(judge: &JudgeRecord) -> String {
    let rest = [(judge.unread, "unreadable"), (judge.failed, "failed"), (judge.not_asked, "not asked")];
    let rest: String =
        rest.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!(", {} {what}", thousands(*n))).collect();
    let why = judge.why.as_ref().map(|why| format!(" (the first: {})", one_line(why))).unwrap_or_default();
    format!("{}{rest}{why}.", count(judge.calls, "call"))
}

/// By which of the scorer's channels a finding was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    /// The claim's words are not in the evidence.
    Coverage,
    /// A number, a date, a unit, an identifier or a name is another one.
    Mismatch,
    /// The evidence says the opposite, or not so much.
    Contradiction,
}

impl Channel {
    /// Kinds are open: one that this list doesn't know is a matter of coverage.
    pub(super) fn of(finding: &FindingRecord) -> Self {
        match finding.kind.as_str() {
            "number" | "number_elsewhere" | "date" | "version" | "unit" | "identifier" | "name" | "name_elsewhere" => {
                Self::Mismatch
            }
            "negation" | "modality" | "opposite" | "contradiction" => Self::Contradiction,
            _ => Self::Coverage,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Coverage => "coverage",
            Self::Mismatch => "mismatch",
            Self::Contradiction => "contradiction",
        }
    }
}

/// What a finding says, as a sentence without its channel.
pub(super) fn finding(found: &FindingRecord) -> String {
    let kind = found.kind.replace('_', " ");
    let said = one_line(&found.text);
    match (&found.instead, said.is_empty()) {
        (Some(instead), false) => format!("{kind}: “{said}”, where the documents have “{}”", one_line(instead)),
        (Some(instead), true) => format!("{kind}: the documents have “{}”", one_line(instead)),
        (None, false) => format!("{kind}: “{said}”"),
        (None, true) => kind,
    }
}

fn is_share(measure: Measure) -> bool {
    match measure {
        Measure::TokenF1 | Measure::NdcgAt10 | Measure::Mrr => false,
        Measure::UngroundedAnswers
        | Measure::UngroundedByJudge
        | Measure::GroundedClaims
        | Measure::CitationPrecision
        | Measure::CitationRecall
        | Measure::FactRecall
        | Measure::ExactMatch
        | Measure::RightRefusals
        | Measure::WrongRefusals
        | Measure::WrongAnswers
        | Measure::RecallAt5
        | Measure::RecallAt10
        | Measure::PassageRecall => true,
    }
}

/// So many places, without zeros at the end.
fn decimals(value: f64, places: usize) -> String {
    let text = format!("{value:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(value: f64) -> Figure {
        Figure::new(value).unwrap()
    }

    #[test]
    fn each_finding_is_of_the_channel_that_made_it() {
        let channel = |kind: &str| {
            Channel::of(&FindingRecord {
                kind: kind.to_owned(),
                decides: false,
                start: 0,
                end: 1,
                text: "x".to_owned(),
                instead: None,
            })
        };
        for (kind, expected) in [
            ("version", Channel::Mismatch),
            ("negation", Channel::Contradiction),
            ("contradiction", Channel::Contradiction),
            ("repetition", Channel::Coverage),
            ("of a later cairn", Channel::Coverage),
        ] {
            assert_eq!(channel(kind), expected, "{kind}");
        }
    }

    #[test]
    fn figures_read_as_people_write_them() {
        assert_eq!(value(Measure::FactRecall, figure(0.8085)), "80.8%");
        assert_eq!(value(Measure::FactRecall, figure(1.0)), "100%");
        assert_eq!(value(Measure::Mrr, figure(0.8085)), "0.808");
        assert_eq!(change(Measure::FactRecall, figure(-0.0125)), "1.2 points worse");
        assert_eq!(change(Measure::FactRecall, figure(-0.0)), "no change");
        assert_eq!((count(1, "case"), count(12_345, "case")), ("1 case".to_owned(), "12,345 cases".to_owned()));
        assert_eq!((duration(12.4), duration(200_000.0)), ("12 ms".to_owned(), "3 min 20 s".to_owned()));
        assert_eq!(moment("2026-01-01T08:00:00Z"), "2026-01-01 08:00 UTC");
    }

    #[test]
    fn what_is_left_out_of_a_text_is_said() {
        assert_eq!(bounded("äöü", 3), "äöü");
        assert_eq!(bounded("äöüß", 3), "äöü … (1 more characters in report.json)");
    }
}
