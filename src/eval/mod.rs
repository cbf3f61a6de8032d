//! The suite that decides a deploy: cases in, a report with verdicts out.
//!
//! Asks each case over the very `ground → write` path that the server uses, measures what comes back, compares it with
//! a baseline and rules on gates. Deterministic: the same build, configuration, documents and cases give the same
//! report, byte by byte, but for its block of times. A case that fails counts as failed, and a figure that is undefined
//! is skipped with a reason; nothing is averaged away.
//!
//! In reading order: what is asked ([`suite`], [`case`]), of what ([`index`]), and how (`ask`); what that is worth
//! (`judge`, `summary`); what it is held against ([`baseline`], [`gates`], `rule`, [`selftest`]); and what comes out
//! ([`record`], [`report`]). [`run`] is the way through them. [`generate`] makes cases, and
//! [`review`] has a person approve them; [`label`] has a person read answers, and [`calibrate`] fits thresholds to all that.

pub mod suite;
pub mod case;
pub mod wording;
pub mod index;
pub mod lines;

pub mod run;
mod ask;
mod perturb;
mod judge;
mod second;
mod fingerprint;
mod summary;

pub mod baseline;
pub mod gates;
mod rule;
pub mod selftest;

pub mod record;
pub mod report;
pub mod stats;

pub mod retrieval;
pub mod score;
pub mod calibrate;

pub mod generate;
pub mod review;
pub mod label;
