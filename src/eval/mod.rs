//! The suite that decides a deploy: cases in, a report with verdicts out.
//!
//! Asks each case over the very `ground → write` path that the server uses, measures what comes back, compares it with
//! a baseline and rules on gates. Deterministic: the same build, configuration, documents and cases give the same
//! report, byte by byte, but for its block of times. A case that fails counts as failed, and a figure that is undefined
//! is skipped with a reason; nothing is averaged away.

pub mod record;
pub mod report;
pub mod stats;
pub mod case;
pub mod suite;
pub mod wording;
pub mod index;
pub mod retrieval;
