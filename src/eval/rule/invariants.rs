//! What must hold whatever the averages say.

use crate::eval::gates::Gates;
use crate::eval::index::Document;
use crate::eval::record::{CaseRecord, InvariantRecord, Ruling, State};
use crate::eval::stats::real;
use crate::eval::wording::on_one_line;
use crate::eval::{case::Case, index::is_named};

/// Kinds of findings that are never a matter of wording.
const CRITICAL: [&str; 5] = ["number", "number_elsewhere", "date", "version", "unit"];

/// Why a run fails, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::eval) struct Broken(pub(in crate::eval) String);

/// All of them, held or broken.
pub(in crate::eval) fn invariants<'a>(
    gates: &Gates,
    cases: &[CaseRecord],
    asked: impl Iterator<Item = &'a Case>,
    documents: &[&Document],
    failed: &[(String, String)],
) -> Vec<InvariantRecord> {
    let of = |wanted: &dyn Fn(&CaseRecord) -> bool| -> Vec<String> {
        cases.iter().filter(|case| wanted(case)).map(|case| case.id.clone()).collect()
    };
    let errored = of(&|case| case.state == State::Errored);
    let too_many = real(errored.len()) > gates.errored_share_max * real(cases.len());
    let is_known = |id: &&String| !cases.iter().any(|case| case.id == **id);
    let mut must_pass = of(&|case| gates.must_pass.contains(&case.id) && !case.is_faultless());
    must_pass.extend(gates.must_pass.iter().filter(is_known).cloned());
    vec![
        held("leaks", of(&|case| !case.leaks.is_empty()), "show what must never appear"),
        held("must_pass", must_pass, "must pass and have a fault, or are not there"),
        held("critical_findings", of(&|case| is_critical(case, gates)), "say a wrong number, date, version or unit"),
        InvariantRecord {
            ruling: if too_many { Ruling::Fail } else { Ruling::Pass },
            ..held("errors", errored, "ended in an error, and count as failed")
        },
        held("stale", of(&|case| case.state == State::Stale), "have a prompt that no answer was recorded for"),
        held("sources", without_source(asked, documents), "name a source that the documents don't have"),
        documents_record(failed),
    ]
}

fn held(name: &str, cases: Vec<String>, what: &str) -> InvariantRecord {
    let ruling = if cases.is_empty() { Ruling::Pass } else { Ruling::Fail };
    let reason = match cases.as_slice() {
        [] => format!("no cases {what}"),
        [first, ..] => format!("{} cases {what} (the first is {first:?})", cases.len()),
    };
    InvariantRecord { name: name.to_owned(), ruling, reason, cases }
}

fn documents_record(failed: &[(String, String)]) -> InvariantRecord {
    let (ruling, reason) = match failed {
        [] => (Ruling::Pass, "every document was indexed".to_owned()),
        [(name, why), ..] => {
            (Ruling::Fail, format!("{} documents could not be indexed (the first is {name}: {why})", failed.len()))
        }
    };
    InvariantRecord { name: "documents".into(), ruling, reason, cases: Vec::new() }
}

fn is_critical(case: &CaseRecord, gates: &Gates) -> bool {
    let is_tagged = case.tags.iter().any(|tag| gates.critical_tags.contains(tag));
    is_tagged
        && case.claims.iter().flat_map(|claim| &claim.findings).any(|found| CRITICAL.contains(&found.kind.as_str()))
}

/// A passage that no document holds can never be found: the case is stale, or a document is missing.
fn without_source<'a>(asked: impl Iterator<Item = &'a Case>, documents: &[&Document]) -> Vec<String> {
    let texts: Vec<(&str, String)> =
        documents.iter().map(|document| (document.name.as_str(), on_one_line(&document.text))).collect();
    let is_there = |gold: &crate::eval::case::Gold| {
        let wanted = on_one_line(&gold.text);
        texts.iter().any(|(name, text)| is_named(name, &gold.document) && text.contains(&wanted))
    };
    asked.filter(|case| !case.sources.iter().all(is_there)).map(|case| case.id.clone()).collect()
}
