//! The cases of the page: each answer cut into its claims, with verdict, channel and evidence beside it. Pure.

use std::collections::BTreeSet;

use minijinja::{Value, context};
use similar::{ChangeTag, TextDiff};

use super::super::order::{Concern, Seen, is_fault};
use super::super::shown::{self, Channel};
use super::page::concerns;
use crate::eval::record::{
    CaseRecord, ChangedValue, CitationRecord, ClaimRecord, ClaimVerdict, EvidenceRecord, FactRecord, Figure,
    FindingRecord, GoldRecord, Measure, Measured, OpinionRecord, PassageRecord, Report, State,
};

/// Longer texts are cut, and say so.
const TEXT_CHARS_MAX: usize = 12_000;
const LINE_CHARS_MAX: usize = 600;
/// Cases that are open when the page is opened: the first of those that somebody should look at.
const OPEN_MAX: usize = 3;
/// So much text is shown of cases, the gravest first; of the others, their line alone.
const CASES_BYTES_MAX: usize = 12 << 20;

/// The groups of cases, each with its cases.
pub(super) fn cases(report: &Report, seen: &[Seen<'_>]) -> Value {
    let (mut bytes, mut bare, mut open) = (0usize, 0usize, 0usize);
    let mut groups = Vec::new();
    for concern in Concern::ALL {
        let mut within = Vec::new();
        for seen in seen.iter().filter(|seen| seen.concern == concern) {
            bytes += weight(seen.case);
            let is_whole = bytes <= CASES_BYTES_MAX;
            bare += usize::from(!is_whole);
            open += usize::from(concern.is_grave());
            within.push(case(seen, is_whole, concern.is_grave() && open <= OPEN_MAX));
        }
        if !within.is_empty() {
            groups.push(context! { name => concern.name(), title => concern.title(), cases => within });
        }
    }
    let tags: BTreeSet<String> = report.cases.iter().flat_map(|case| &case.tags).cloned().collect();
    context! { groups, bare, tags, concerns => concerns(seen), all => seen.len() }
}

/// A case's place on the page.
pub(super) fn anchor(id: &str) -> String {
    let hash = crate::document::sha256(id.as_bytes());
    format!("case-{}", hash.chars().take(12).collect::<String>())
}

pub(super) fn question(case: &CaseRecord) -> String {
    shown::bounded(&shown::one_line(&case.asked.question), LINE_CHARS_MAX)
}

fn weight(case: &CaseRecord) -> usize {
    let passages: usize = case.passages.iter().map(|passage| passage.text.len().min(TEXT_CHARS_MAX)).sum();
    let claims: usize = case.claims.iter().flat_map(|claim| &claim.evidence).map(|found| found.quote.len()).sum();
    passages + claims + case.answer.len()
}

fn case(seen: &Seen<'_>, is_whole: bool, is_open: bool) -> Value {
    let case = seen.case;
    let state = match case.state {
        State::Done => case.outcome.as_deref().unwrap_or("done"),
        State::Errored => "errored",
        State::Stale => "stale",
    };
    context! {
        id => shown::bounded(&shown::one_line(&case.id), LINE_CHARS_MAX),
        anchor => anchor(&case.id),
        concern => seen.concern.name(),
        is_grave => seen.concern.is_grave(),
        is_open,
        is_whole,
        state,
        is_done => case.state == State::Done,
        question => question(case),
        tags => &case.tags,
        why => seen.why(),
        worsened => moved(seen.changed.map(|changed| changed.worsened.as_slice())),
        improved => moved(seen.changed.map(|changed| changed.improved.as_slice())),
        body => is_whole.then(|| body(case)),
    }
}

fn moved(values: Option<&[ChangedValue]>) -> Vec<String> {
    values.unwrap_or_default().iter().map(shown::moved).collect()
}

fn body(case: &CaseRecord) -> Value {
    let text = |text: &String| shown::bounded(text, TEXT_CHARS_MAX);
    context! {
        history => case.asked.history.iter().map(text).collect::<Vec<_>>(),
        groups => case.asked.groups.as_ref().map(|groups| groups.join(", ")),
        answerable => case.asked.answerable,
        reference => case.asked.reference.as_ref().map(text),
        error => case.error.as_ref().map(text),
        is_empty => case.answer.trim().is_empty(),
        rows => rows(case),
        leaks => case.leaks.iter().map(|leak| context! { text => text(&leak.text), place => leak.place.name() }).collect::<Vec<_>>(),
        facts => case.facts.iter().map(fact).collect::<Vec<_>>(),
        sources => case.sources.iter().map(source).collect::<Vec<_>>(),
        passages => case.passages.iter().map(passage).collect::<Vec<_>>(),
        values => values(case),
        cluster => &case.cluster,
    }
}

fn fact(fact: &FactRecord) -> Value {
    let wordings = fact.wordings.join(" / ");
    context! { wordings => shown::bounded(&wordings, LINE_CHARS_MAX), found => &fact.found }
}

fn source(gold: &GoldRecord) -> Value {
    context! {
        document => &gold.document,
        text => shown::bounded(&gold.text, LINE_CHARS_MAX),
        rank => gold.rank,
        passage => gold.passage,
        is_cited => gold.is_cited,
    }
}

fn passage(passage: &PassageRecord) -> Value {
    context! {
        number => passage.number,
        document => &passage.document,
        place => place(passage),
        is_source => passage.is_source,
        text => shown::bounded(passage.text.trim(), TEXT_CHARS_MAX),
    }
}

/// Where in its document a passage stands.
fn place(passage: &PassageRecord) -> String {
    let mut parts: Vec<String> = passage.headings.clone();
    parts.extend(passage.page.map(|page| format!("page {page}")));
    shown::bounded(&shown::one_line(&parts.join(" › ")), LINE_CHARS_MAX)
}

fn values(case: &CaseRecord) -> Vec<Value> {
    let row = |measure: Measure| {
        let (value, skipped) = match case.values.get(&measure)? {
            Measured::Value(value) => (Some(shown::of_case(*value)), None),
            Measured::Skipped(skip) => (None, Some(skip.title())),
        };
        let is_fault = case.value(measure).is_some_and(|value| is_fault(measure, value.get()));
        Some(context! { name => measure.name(), title => measure.title(), value, skipped, is_fault })
    };
    Measure::ALL.into_iter().filter_map(row).collect()
}

/// A stretch of the answer: a claim with the marks that follow it, or what stands between claims.
struct Row<'a> {
    start: usize,
    end: usize,
    claim: Option<&'a ClaimRecord>,
}

fn rows(case: &CaseRecord) -> Vec<Value> {
    let mut claims: Vec<&ClaimRecord> = case.claims.iter().collect();
    claims.sort_by_key(|claim| (claim.start, claim.end));
    let (mut stretches, mut at) = (Vec::new(), 0usize);
    for (place, claim) in claims.iter().enumerate() {
        let (start, end) = (claim.start.max(at), claim.end.max(at));
        // Spans that are none of this answer's are shown by the claim's own text, further down.
        if case.answer.get(start..end).is_none() {
            stretches.push(Row { start: at, end: at, claim: Some(claim) });
            continue;
        }
        stretches.push(Row { start: at, end: start, claim: None });
        let next = claims.get(place + 1).map_or(case.answer.len(), |next| next.start.max(end));
        at = end + marks(case.answer.get(end..next).unwrap_or_default());
        stretches.push(Row { start, end: at, claim: Some(claim) });
    }
    stretches.push(Row { start: at, end: case.answer.len(), claim: None });
    let is_shown = |row: &&Row<'_>| {
        row.claim.is_some() || !case.answer.get(row.start..row.end).unwrap_or_default().trim().is_empty()
    };
    stretches.iter().filter(is_shown).map(|row| shown_row(case, row)).collect()
}

/// The length of the citation marks and stops that a text begins with.
fn marks(text: &str) -> usize {
    let mut length = 0;
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start_matches([' ', ',', '.', ';', ')']);
        let Some((inside, after)) = trimmed.strip_prefix('[').and_then(|inner| inner.split_once(']')) else {
            return length;
        };
        if inside.is_empty() || !inside.bytes().all(|byte| byte.is_ascii_digit()) {
            return length;
        }
        let stops = after.len() - after.trim_start_matches(['.', ',', ';', ')']).len();
        rest = after.get(stops..).unwrap_or_default();
        length = text.len() - rest.len();
    }
}

fn shown_row(case: &CaseRecord, row: &Row<'_>) -> Value {
    let text = case.answer.get(row.start..row.end).unwrap_or_default();
    let pieces = if text.is_empty() {
        let said = row.claim.map(|claim| claim.text.clone()).unwrap_or_default();
        vec![context! { kind => "plain", text => said }]
    } else {
        pieces(case, row)
    };
    let is_quote = text.trim_start().starts_with('>');
    let Some(claim) = row.claim else {
        return context! { is_claim => false, is_quote, pieces };
    };
    context! {
        is_claim => true,
        is_quote,
        pieces,
        verdict => verdict(claim.verdict),
        said => match claim.verdict {
            ClaimVerdict::Supported => "Supported",
            ClaimVerdict::Partly => "Partly supported",
            ClaimVerdict::Unsupported => "Not supported",
        },
        score => format!("{:.2}", claim.score.get()),
        coverage => shown::percent(claim.coverage),
        channels => channels(claim),
        cites => claim.cites.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
        cited_supports => claim.cited_supports,
        judge => claim.judge.map(|judge| match judge {
            OpinionRecord::Supported => "supported, says the judge",
            OpinionRecord::Unsupported => "not supported, says the judge",
        }),
        evidence => claim.evidence.iter().map(|found| evidence(case, claim, found)).collect::<Vec<_>>(),
    }
}

fn verdict(verdict: ClaimVerdict) -> &'static str {
    match verdict {
        ClaimVerdict::Supported => "supported",
        ClaimVerdict::Partly => "partly",
        ClaimVerdict::Unsupported => "unsupported",
    }
}

/// What speaks against a claim, by channel. A claim that is not supported and has no finding lacks words in its evidence.
fn channels(claim: &ClaimRecord) -> Vec<Value> {
    let mut found: Vec<Value> = claim
        .findings
        .iter()
        .map(|finding| {
            let said = shown::bounded(&shown::finding(finding), LINE_CHARS_MAX);
            context! { channel => Channel::of(finding).name(), said, decides => finding.decides }
        })
        .collect();
    if claim.verdict != ClaimVerdict::Supported && claim.findings.is_empty() {
        let said = match (claim.evidence.is_empty(), claim.coverage < Figure::ONE) {
            (true, _) => "nothing in the passages says this".to_owned(),
            (false, true) => format!("{} of its words are in the evidence", shown::percent(claim.coverage)),
            (false, false) => "its words are in the evidence, and not said together".to_owned(),
        };
        found.push(context! { channel => Channel::Coverage.name(), said, decides => true });
    }
    found
}

fn evidence(case: &CaseRecord, claim: &ClaimRecord, found: &EvidenceRecord) -> Value {
    let passage = case.passages.iter().find(|passage| passage.number == found.passage);
    let is_cited = claim.cites.contains(&found.passage);
    context! {
        passage => found.passage,
        document => &found.document,
        place => passage.map(place).unwrap_or_default(),
        is_verbatim => bare(&claim.text) == bare(&found.quote),
        is_cited,
        quote => shown::bounded(&unwrapped(found.quote.trim()), TEXT_CHARS_MAX),
    }
}

/// Without the signs of a quotation and the marks of citations.
fn bare(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let (before, from) = rest.split_at(open);
        kept.push_str(before);
        let length = marks(from);
        let step = if length == 0 { 1 } else { from.find(']').map_or(1, |close| close + 1) };
        let (mark, after) = from.split_at(step);
        kept.push_str(if length == 0 { mark } else { "" });
        rest = after;
    }
    kept.push_str(rest);
    shown::one_line(&kept.lines().map(|line| line.trim_start_matches(['>', ' '])).collect::<Vec<_>>().join(" "))
}

/// Lines of prose that were broken for the width of a file become one; lists, tables and paragraphs stay.
fn unwrapped(text: &str) -> String {
    let mut whole = String::with_capacity(text.len());
    for line in text.lines() {
        let is_prose = !begins_anew(line.trim_start());
        let is_open = !whole.is_empty() && !whole.ends_with(['\n', '|']);
        match (is_prose && is_open, whole.is_empty()) {
            (true, _) => whole.push(' '),
            (false, true) => {}
            (false, false) => whole.push('\n'),
        }
        whole.push_str(line);
    }
    whole
}

/// Whether a line of Markdown can't belong to the one before.
fn begins_anew(line: &str) -> bool {
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_numbered = number.len() < line.len() && (number.starts_with(". ") || number.starts_with(") "));
    let marks = ["- ", "* ", "+ ", "# ", "## ", "### ", "```", "|", ">"];
    line.is_empty() || is_numbered || marks.iter().any(|mark| line.starts_with(mark))
}

/// The row's text, cut at findings and citation marks.
fn pieces(case: &CaseRecord, row: &Row<'_>) -> Vec<Value> {
    enum Mark<'a> {
        Finding(&'a FindingRecord),
        Citation(&'a CitationRecord),
    }
    let within = |start: usize, end: usize| row.start <= start && start < end && end <= row.end;
    let findings = row.claim.iter().flat_map(|claim| &claim.findings);
    let mut marks: Vec<(usize, usize, Mark<'_>)> = findings
        .filter(|found| within(found.start, found.end))
        .map(|found| (found.start, found.end, Mark::Finding(found)))
        .collect();
    let citations = case.citations.iter().filter(|cited| within(cited.start, cited.end));
    marks.extend(citations.map(|cited| (cited.start, cited.end, Mark::Citation(cited))));
    marks.sort_by_key(|(start, end, _)| (*start, *end));
    let (mut pieces, mut at) = (Vec::new(), row.start);
    let plain = |from: usize, to: usize| {
        let text = case.answer.get(from..to).unwrap_or_default();
        context! { kind => "plain", text => without_signs(text, from == row.start) }
    };
    for (start, end, mark) in marks {
        let Some(text) = case.answer.get(start..end).filter(|_| start >= at) else { continue };
        pieces.push(plain(at, start));
        pieces.push(match mark {
            Mark::Finding(found) => context! {
                kind => "finding",
                channel => Channel::of(found).name(),
                said => shown::finding(found),
                text,
            },
            Mark::Citation(cited) => context! {
                kind => "citation",
                supports => cited.supports,
                document => &cited.document,
                text => text.trim_matches(['[', ']']),
            },
        });
        at = end;
    }
    pieces.push(plain(at, row.end));
    pieces
}

/// The signs of quotations go: the page draws a line in their place.
fn without_signs(text: &str, at_start: bool) -> String {
    let text = text.replace("\n> ", "\n").replace("\n>", "\n");
    let text = if at_start { text.trim_start().trim_start_matches("> ").trim_start_matches('>') } else { &text };
    text.to_owned()
}

/// A sentence before and after a change, word by word.
pub(super) fn compared(before: &str, after: &str) -> Vec<Value> {
    let diff = TextDiff::from_words(before, after);
    let words = diff.iter_all_changes().map(|change| {
        let kind = match change.tag() {
            ChangeTag::Equal => "same",
            ChangeTag::Delete => "gone",
            ChangeTag::Insert => "new",
        };
        context! { kind, text => change.value() }
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_unwrapped_and_lists_and_tables_stay() {
        let text = "of\n2680, none\n`failed`.\n\nThen:\n- one\n2. two\n| a |\n| b |";
        assert_eq!(unwrapped(text), "of 2680, none `failed`.\n\nThen:\n- one\n2. two\n| a |\n| b |");
    }

    #[test]
    fn a_quotation_is_word_for_word_without_its_signs_and_marks() {
        assert_eq!(bare("> Ask\n> twice. [1] [x]"), bare("Ask twice. [x]"));
        assert_eq!(marks(" [1], [12]. Then [3]"), " [1], [12].".len());
    }
}
