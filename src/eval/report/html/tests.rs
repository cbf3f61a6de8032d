//! What holds of the page, whatever it shows.

use std::collections::BTreeSet;

use html5ever::tendril::TendrilSink;
use proptest::prelude::*;

use super::*;
use crate::eval::record::tests::{example, example_case};
use crate::eval::record::{BaselineRecord, CanaryRecord, Card, Comparison, Estimate, Figure, Missed, Report, Slice};

/// A comparison in which nothing changed.
pub(crate) fn compared() -> Comparison {
    Comparison {
        baseline: BaselineRecord {
            sha256: "0".repeat(64),
            fingerprint: example().fingerprint,
            rebaselined: Vec::new(),
        },
        alpha: Figure::new(0.05).unwrap(),
        result_of_build: 2,
        differences: Vec::new(),
        changed: Vec::new(),
    }
}
