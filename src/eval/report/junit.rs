//! JUnit XML, for the test views of CI systems.
//!
//! A suite for the gates, one for what must hold, one for the scorer's bars, then one for each measure with a test case
//! for each case. A red test case of a measure is a fault of that one case: whether the run passes is what the gates and
//! the exit code say. Well-formed for any text: what XML 1.0 can't hold is replaced.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::order::{is_fault, worst_claim};
use super::shown::{self, Channel};
use crate::eval::record::{
    Bar, CaseRecord, ClaimRecord, ClaimVerdict, GateRecord, Measure, Measured, OnInconclusive, OpinionRecord, Report,
    Ruling, Skip, State,
};

const MESSAGE_CHARS_MAX: usize = 500;
const TEXT_CHARS_MAX: usize = 4000;
/// Findings of a claim, or cases of an invariant, that are named.
const NAMED_MAX: usize = 20;

struct Suite {
    name: String,
    tests: Vec<Test>,
}

struct Test {
    name: String,
    end: End,
}

enum End {
    Passed,
    /// A line, and what there is to read of it.
    Failed(String, String),
    Errored(String),
    Skipped(String),
}

/// The report's XML.
pub fn junit(report: &Report) -> io::Result<String> {
    let mut suites = vec![gates(report), invariants(report)];
    suites.extend(report.selftest.as_ref().map(|card| bars("self-test of the scorer", &card.bars)));
    suites.extend(report.judge.as_ref().map(|judge| bars("self-test of the judge", &judge.bars)));
    suites.extend(report.metrics.iter().map(|metric| of_measure(metric.measure, &report.cases)));
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all = counts(suites.iter().flat_map(|suite| &suite.tests));
    let clock = [("time", format!("{:.3}", report.times.seconds)), ("timestamp", report.times.began.clone())];
    let attributes = [("name", report.suite.clone())].into_iter().chain(all).chain(clock);
    element(&mut writer, "testsuites", attributes, |writer| {
        suites.iter().try_for_each(|suite| write_suite(writer, suite, &report.suite))
    })?;
    let mut text = String::from_utf8(writer.into_inner()).map_err(io::Error::other)?;
    text.push('\n');
    Ok(text)
}

fn gates(report: &Report) -> Suite {
    let test = |gate: &GateRecord| {
        let slice = gate.slice.as_ref().map(|slice| format!(" in {slice}")).unwrap_or_default();
        Test { name: format!("{}{slice}", gate.measure.name()), end: ruled(gate) }
    };
    Suite { name: "gates".into(), tests: report.gates.iter().map(test).collect() }
}

fn ruled(gate: &GateRecord) -> End {
    match (gate.ruling, gate.on_inconclusive) {
        (Ruling::Pass, _) => End::Passed,
        (Ruling::Fail, _) => End::Failed(gate.reason.clone(), String::new()),
        (Ruling::Invalid, _) => End::Errored(gate.reason.clone()),
        (Ruling::Inconclusive, OnInconclusive::Warn) => End::Skipped(format!("inconclusive: {}", gate.reason)),
        (Ruling::Inconclusive, OnInconclusive::Block | OnInconclusive::Escalate) => {
            End::Failed(format!("inconclusive: {}", gate.reason), String::new())
        }
    }
}

fn invariants(report: &Report) -> Suite {
    let tests = report.invariants.iter().map(|held| {
        let end = match held.ruling {
            Ruling::Pass => End::Passed,
            Ruling::Fail | Ruling::Inconclusive => End::Failed(held.reason.clone(), named(&held.cases)),
            Ruling::Invalid => End::Errored(held.reason.clone()),
        };
        Test { name: held.name.clone(), end }
    });
    Suite { name: "must hold".into(), tests: tests.collect() }
}

fn bars(name: &str, bars: &[Bar]) -> Suite {
    let tests = bars.iter().map(|bar| {
        let end = match bar.found {
            None => End::Skipped("too little to measure it on".into()),
            Some(_) if bar.met => End::Passed,
            Some(found) => {
                let line = format!("it is {}, must be at least {}", shown::percent(found), shown::percent(bar.least));
                End::Failed(line, String::new())
            }
        };
        Test { name: bar.name.clone(), end }
    });
    Suite { name: name.to_owned(), tests: tests.collect() }
}

fn of_measure(measure: Measure, cases: &[CaseRecord]) -> Suite {
    let tests = cases.iter().filter_map(|case| {
        let measured = case.values.get(&measure)?;
        Some(Test { name: case.id.clone(), end: of_case(measure, case, *measured) })
    });
    Suite { name: measure.name().to_owned(), tests: tests.collect() }
}

fn of_case(measure: Measure, case: &CaseRecord, measured: Measured) -> End {
    let why = || case.error.clone().unwrap_or_else(|| "it did not come to an end".to_owned());
    match (case.state, measured) {
        (State::Stale, _) => End::Skipped(format!("{}: {}", Skip::Stale.title(), why())),
        (State::Errored, _) => End::Errored(why()),
        (State::Done, Measured::Skipped(skip)) => End::Skipped(skip.title().to_owned()),
        (State::Done, Measured::Value(value)) if is_fault(measure, value.get()) => {
            let said = format!("{}: {}", measure.title(), shown::of_case(value));
            let claim = match (measure == Measure::UngroundedByJudge, measure.is_scored()) {
                (true, _) => doubted(case).next(),
                (false, true) => worst_claim(case),
                (false, false) => None,
            };
            let line = claim.map_or(said.clone(), |claim| {
                format!("{said}. {}: “{}”", verdict(measure, claim), shown::one_line(&claim.text))
            });
            End::Failed(line, failure(measure, case))
        }
        (State::Done, Measured::Value(_)) => End::Passed,
    }
}

/// What a person reads to see what went wrong: the question, the sentences and their best evidence, or the answer.
fn failure(measure: Measure, case: &CaseRecord) -> String {
    let mut lines = vec![format!("question: {}", shown::one_line(&case.asked.question))];
    let scored: Vec<&ClaimRecord> = match (measure == Measure::UngroundedByJudge, measure.is_scored()) {
        (true, _) => doubted(case).collect(),
        (false, true) => case.ungrounded().collect(),
        (false, false) => Vec::new(),
    };
    for claim in &scored {
        lines.push(format!("{}: {}", verdict(measure, claim), shown::one_line(&claim.text)));
        for finding in claim.findings.iter().take(NAMED_MAX) {
            lines.push(format!("  {}: {}", Channel::of(finding).name(), shown::finding(finding)));
        }
        match claim.evidence.first() {
            Some(best) => lines.push(format!("  best evidence, {}: {}", best.document, shown::one_line(&best.quote))),
            None => lines.push("  no evidence was found".to_owned()),
        }
    }
    if scored.is_empty() {
        lines.push(format!("answer: {}", shown::one_line(&case.answer)));
        lines.extend(missing(measure, case));
    }
    lines.join("\n")
}

/// What the case hoped for and did not get.
fn missing(measure: Measure, case: &CaseRecord) -> Vec<String> {
    if measure == Measure::FactRecall {
        let facts = case.facts.iter().filter(|fact| fact.found.is_none());
        return facts.map(|fact| format!("missing fact: {}", fact.wordings.join(" / "))).collect();
    }
    let sources = case.sources.iter().filter(|gold| gold.rank.is_none());
    sources
        .map(|gold| format!("source that was not found: {}: {}", gold.document, shown::one_line(&gold.text)))
        .collect()
}

/// The claims that the judge does not call supported.
fn doubted(case: &CaseRecord) -> impl Iterator<Item = &ClaimRecord> {
    case.claims.iter().filter(|claim| claim.judge == Some(OpinionRecord::Unsupported))
}

fn verdict(measure: Measure, claim: &ClaimRecord) -> &'static str {
    if measure == Measure::UngroundedByJudge {
        return "unsupported, says the judge";
    }
    match claim.verdict {
        ClaimVerdict::Supported => "supported",
        ClaimVerdict::Partly => "partly supported",
        ClaimVerdict::Unsupported => "unsupported",
    }
}

fn named(cases: &[String]) -> String {
    let mut lines: Vec<String> = cases.iter().take(NAMED_MAX).cloned().collect();
    let more = cases.len().saturating_sub(NAMED_MAX);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines.join("\n")
}

fn counts<'a>(tests: impl Iterator<Item = &'a Test>) -> [(&'static str, String); 4] {
    let (mut all, mut failed, mut errored, mut skipped) = (0usize, 0usize, 0usize, 0usize);
    for test in tests {
        all += 1;
        match test.end {
            End::Passed => {}
            End::Failed(..) => failed += 1,
            End::Errored(_) => errored += 1,
            End::Skipped(_) => skipped += 1,
        }
    }
    [("tests", all), ("failures", failed), ("errors", errored), ("skipped", skipped)]
        .map(|(name, count)| (name, count.to_string()))
}

fn write_suite(writer: &mut Writer<Vec<u8>>, suite: &Suite, run: &str) -> io::Result<()> {
    let attributes = [("name", suite.name.clone())].into_iter().chain(counts(suite.tests.iter()));
    let class = format!("{run}.{}", suite.name);
    element(writer, "testsuite", attributes, |writer| {
        suite.tests.iter().try_for_each(|test| write_test(writer, test, &class))
    })
}

fn write_test(writer: &mut Writer<Vec<u8>>, test: &Test, class: &str) -> io::Result<()> {
    let attributes = [("name", test.name.clone()), ("classname", class.to_owned())];
    let line = |text: &String| ("message", shown::bounded(&shown::one_line(text), MESSAGE_CHARS_MAX));
    match &test.end {
        End::Passed => empty(writer, "testcase", attributes),
        End::Skipped(why) => element(writer, "testcase", attributes, |writer| empty(writer, "skipped", [line(why)])),
        End::Errored(why) => element(writer, "testcase", attributes, |writer| empty(writer, "error", [line(why)])),
        End::Failed(why, text) => element(writer, "testcase", attributes, |writer| {
            if text.is_empty() {
                return empty(writer, "failure", [line(why)]);
            }
            let (name, message) = line(why);
            let text = plain(&shown::bounded(text, TEXT_CHARS_MAX));
            let opened = writer.create_element("failure").with_attribute((name, plain(&message).as_str()));
            opened.write_text_content(BytesText::new(&text)).map(|_| ())
        }),
    }
}

fn element(
    writer: &mut Writer<Vec<u8>>,
    name: &'static str,
    attributes: impl IntoIterator<Item = (&'static str, String)>,
    inside: impl FnOnce(&mut Writer<Vec<u8>>) -> io::Result<()>,
) -> io::Result<()> {
    let attributes: Vec<(&str, String)> = attributes.into_iter().map(|(name, text)| (name, plain(&text))).collect();
    let pairs = attributes.iter().map(|(name, text)| (*name, text.as_str()));
    writer.create_element(name).with_attributes(pairs).write_inner_content(inside).map(|_| ())
}

fn empty(
    writer: &mut Writer<Vec<u8>>,
    name: &'static str,
    attributes: impl IntoIterator<Item = (&'static str, String)>,
) -> io::Result<()> {
    let attributes: Vec<(&str, String)> = attributes.into_iter().map(|(name, text)| (name, plain(&text))).collect();
    let pairs = attributes.iter().map(|(name, text)| (*name, text.as_str()));
    writer.create_element(name).with_attributes(pairs).write_empty().map(|_| ())
}

/// What XML 1.0 can't hold, not even escaped, is replaced.
fn plain(text: &str) -> String {
    let is_allowed = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}');
    text.chars().map(|c| if is_allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quick_xml::Reader;

    use super::*;
    use crate::eval::record::tests::{example, example_case};

    /// Every start and every text, or what is wrong with it.
    fn parsed(xml: &str) -> Result<Vec<String>, String> {
        let mut reader = Reader::from_str(xml);
        reader.config_mut().check_end_names = true;
        let mut found = Vec::new();
        loop {
            match reader.read_event().map_err(|error| error.to_string())? {
                Event::Eof => return Ok(found),
                Event::Start(start) | Event::Empty(start) => {
                    let mut line = start.name().as_ref().to_owned();
                    for attribute in start.attributes() {
                        let attribute = attribute.map_err(|error| error.to_string())?;
                        let value = quick_xml::escape::unescape(&attribute.value).map_err(|error| error.to_string())?;
                        line.push_str(&format!(" {}={value}", attribute.key.as_ref()));
                    }
                    found.push(line);
                }
                Event::Text(text) => found.push(text.to_string()),
                Event::GeneralRef(name) => found.push(format!("&{};", &*name)),
                Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
                Event::End(_) => {}
            }
        }
    }

    #[test]
    fn a_failure_has_the_unsupported_sentence_and_its_best_evidence() {
        let xml = junit(&example()).unwrap();
        let found = parsed(&xml).unwrap().join("\n");
        assert!(found.contains("testsuite name=ungrounded_answers tests=1 failures=1 errors=0 skipped=0"), "{xml}");
        assert!(found.contains("unsupported: It listens on port 25 [1]."), "{xml}");
        assert!(found.contains("best evidence, docs/kestrel.md: Kestrel listens for mail on port 2525."), "{xml}");
        assert!(found.contains("mismatch: number: “25”, where the documents have “2525”"), "{xml}");
        assert!(found.contains("testcase name=ungrounded_answers classname=handbook.gates"), "{xml}");
    }

    #[test]
    fn an_errored_case_is_an_error_and_a_skipped_one_says_why() {
        let errored = CaseRecord {
            id: "errored".into(),
            state: State::Errored,
            error: Some("the endpoint gave status 400".into()),
            ..example_case()
        };
        let refused = CaseRecord {
            id: "refused".into(),
            values: [(Measure::UngroundedAnswers, Measured::Skipped(Skip::Refused))].into(),
            ..example_case()
        };
        let xml = junit(&Report { cases: vec![errored, refused], ..example() }).unwrap();
        let found = parsed(&xml).unwrap().join("\n");
        assert!(found.contains("error message=the endpoint gave status 400"), "{xml}");
        assert!(found.contains("skipped message=the answer is a refusal"), "{xml}");
        assert!(found.contains("tests=2 failures=0 errors=1 skipped=1"), "{xml}");
    }

    proptest! {
        #[test]
        fn any_text_gives_xml_that_can_be_read_again(text in any::<String>(), other in "[\\x00-\\x1f<>&\"']{0,40}") {
            let mut case = example_case();
            case.id = text.clone();
            case.asked.question = other.clone();
            case.claims[0].text = format!("{text}]]>{other}");
            case.claims[0].evidence[0].quote = other;
            let xml = junit(&Report { cases: vec![case], suite: text, ..example() }).unwrap();
            let found = parsed(&xml);
            prop_assert!(found.is_ok(), "{:?} in {}", found, xml);
            let forbidden = |c: char| c < ' ' && !matches!(c, '\t' | '\n' | '\r') || matches!(c, '\u{fffe}' | '\u{ffff}');
            prop_assert!(!xml.contains(forbidden), "{}", xml);
        }
    }
}
