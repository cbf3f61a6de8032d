//! Numbers, dates and versions as they are read.

use super::*;
use crate::ground::words::words;

fn read(text: &str) -> Vec<Quantity> {
    quantities(text, &words(text, Span { start: 0, end: text.len() }))
}

fn agree(claim: &str, evidence: &str) -> bool {
    let (claim, evidence) = (read(claim), read(evidence));
    assert!(!claim.is_empty() && !evidence.is_empty(), "{claim:?} {evidence:?}");
    claim.iter().all(|claim| {
        evidence.iter().any(|evidence| agrees(claim, evidence) && (claim.unit == evidence.unit || claim.unit.is_none()))
    })
}

#[test]
fn one_quantity_in_many_forms() {
    for (claim, evidence) in [
        ("1,000 files", "one thousand files"),
        ("1k", "1000"),
        ("$1.5 million", "1,500,000 dollars"),
        ("25 percent", "25%"),
        ("twenty-five", "25"),
        ("December 11, 1958", "1958-12-11"),
        ("11 Dec 1958", "December 11th, 1958"),
        ("in 1958", "May 3, 1958"),
        ("8:30 PM", "20:30"),
        ("9 am", "9:0-17:0"),
        ("about 100", "98"),
        ("about 100", "about 98"),
        ("over 100", "116"),
        ("1.9 million", "1,898,240"),
        ("5mb", "5 MB"),
        ("v2.0.1", "version 2.0.1"),
        ("three hundred and five", "305"),
        ("5 seconds", "5s"),
    ] {
        assert!(agree(claim, evidence), "{claim} / {evidence}: {:?} {:?}", read(claim), read(evidence));
    }
}

#[test]
fn other_quantities_do_not_agree() {
    for (claim, evidence) in [
        ("1,001", "1000"),
        ("3.10", "3.11"),
        ("Python 3.10", "Python 3.1"),
        ("December 12, 1958", "December 11, 1958"),
        ("8 am", "8 pm"),
        ("5 MB", "5 GB"),
        ("25%", "25 dollars"),
        ("over 100", "90"),
        ("15", "about 20"),
        ("about 99", "about 100"),
        ("below 101 MB", "below 100 MB"),
        ("2.0.1", "2.0.2"),
    ] {
        assert!(!agree(claim, evidence), "{claim} / {evidence}: {:?} {:?}", read(claim), read(evidence));
    }
}
