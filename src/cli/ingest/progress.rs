//! What `cairn ingest` shows: where the job stands while it runs, and how it ended.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::cli::show::shown_in_line;
use crate::cli::tell;
use crate::ingest::job::Summary;
use crate::server::jobs::wire::{JobDocumentWire, JobWire};

/// How often a line of progress is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// What a document costs beside its bytes, in bytes: to look at it, and to note how it ended.
const BYTES_PER_DOCUMENT: i64 = 512;
/// Failures that the summary lists; `--json` lists all.
const FAILURES_SHOWN_MAX: usize = 20;

/// Where a run stands: a bar on a terminal, a line now and then elsewhere, an object a document for machines.
pub(super) struct Progress {
    bar: ProgressBar,
    json: bool,
    pub(super) started: Instant,
    line: Option<Instant>,
    /// When the job was first seen, and how much of it was done then.
    seen: Option<(Instant, i64)>,
}

#[derive(Serialize)]
struct DocumentLine<'a> {
    event: &'static str,
    path: &'a str,
    outcome: &'a str,
    chunks: i64,
    code: &'a str,
    reason: &'a str,
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    event: &'static str,
    indexed: usize,
    access_changed: usize,
    unchanged: usize,
    failed: Vec<FailedLine<'a>>,
    waiting: usize,
    removed: usize,
    skipped: usize,
    left: usize,
    chunks: usize,
    seconds: f64,
}

#[derive(Serialize)]
struct FailedLine<'a> {
    path: &'a str,
    reason: &'a str,
}

impl Progress {
    pub(super) fn new(json: bool) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}").expect("the template is constant");
        let bar = if json { ProgressBar::hidden() } else { ProgressBar::new(0).with_style(style) };
        Self { bar, json, started: Instant::now(), line: None, seen: None }
    }

    /// Another job begins.
    pub(super) fn begin(&mut self) {
        self.seen = None;
    }

    pub(super) fn job(&mut self, job: &JobWire) {
        self.bar.set_length(u64::try_from(job.bytes.total).unwrap_or_default());
        self.bar.set_position(u64::try_from(job.bytes.done).unwrap_or_default());
        let (done, total) = weight(job);
        let (since, before) = *self.seen.get_or_insert_with(|| (Instant::now(), done));
        let message = message(job, self.started.elapsed(), left(done - before, total - before, since.elapsed()));
        if self.bar.is_hidden() && !self.json && self.line.is_none_or(|line| line.elapsed() >= LINE_EVERY) {
            self.line = Some(Instant::now());
            tell(&format!("ingest: {message}"));
        }
        self.bar.set_message(message);
    }

    pub(super) fn document(&self, document: &JobDocumentWire) {
        if !self.json {
            return;
        }
        let JobDocumentWire { external_id, outcome, chunks, code, reason } = document;
        let line = DocumentLine { event: "document", path: external_id, outcome, chunks: *chunks, code, reason };
        // A reader that went away costs the report, not the documents.
        let _ = writeln!(io::stdout(), "{}", serde_json::to_string(&line).expect("a line of texts and numbers"));
    }

    pub(super) fn say(&self, what: &'static str) {
        self.bar.set_message(what);
        if self.bar.is_hidden() && !self.json {
            tell(&format!("ingest: {what}"));
        }
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn message(job: &JobWire, elapsed: Duration, left: Option<Duration>) -> String {
    let counts = job.documents;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = job.chunks as f64 / elapsed.as_secs_f64().max(0.001);
    let left = left.map_or_else(String::new, |left| format!(", {} left", in_seconds(left)));
    let waiting = if counts.waiting > 0 { format!(", {} wait for another try", counts.waiting) } else { String::new() };
    format!("{} of {} documents, {} chunks, {rate:.0} chunks/s{left}{waiting}", ended(job), counts.total, job.chunks)
}

fn ended(job: &JobWire) -> i64 {
    let counts = job.documents;
    counts.total - counts.queued - counts.working - counts.waiting
}

/// "4m 10s".
fn in_seconds(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}

/// How much of the job is done, and how much there is.
fn weight(job: &JobWire) -> (i64, i64) {
    let of = |documents: i64, bytes: i64| bytes.saturating_add(documents.saturating_mul(BYTES_PER_DOCUMENT));
    (of(ended(job), job.bytes.done), of(job.documents.total, job.bytes.total))
}

/// The time that is left, if what is left goes as fast as what was done since. None: nothing was done yet.
fn left(done: i64, total: i64, since: Duration) -> Option<Duration> {
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let (done, total) = (done as f64, total as f64);
    (done > 0.0 && total >= done).then(|| since.mul_f64((total - done) / done))
}

pub(super) fn report(summary: &Summary, took: Duration, json: bool) -> anyhow::Result<()> {
    let Summary { indexed, access_changed, unchanged, failed, waiting, removed, skipped, chunks, left } = summary;
    if json {
        let line = SummaryLine {
            event: "summary",
            indexed: *indexed,
            access_changed: *access_changed,
            unchanged: *unchanged,
            failed: failed.iter().map(|f| FailedLine { path: &f.path, reason: &f.reason }).collect(),
            waiting: *waiting,
            removed: *removed,
            skipped: *skipped,
            left: *left,
            chunks: *chunks,
            seconds: took.as_secs_f64(),
        };
        writeln!(io::stdout(), "{}", serde_json::to_string(&line)?)?;
        return Ok(());
    }
    for failure in failed.iter().take(FAILURES_SHOWN_MAX) {
        writeln!(io::stdout(), "failed: {}", shown_in_line(&format!("{}: {}", failure.path, failure.reason)))?;
    }
    if failed.len() > FAILURES_SHOWN_MAX {
        writeln!(io::stdout(), "… and {} more failed (--json lists all)", failed.len() - FAILURES_SHOWN_MAX)?;
    }
    writeln!(
        io::stdout(),
        "{indexed} indexed ({chunks} chunks), {access_changed} with changed access, {unchanged} unchanged, {} failed, {removed} removed, \
         {skipped} skipped (not a known kind) in {:.1} s",
        failed.len(),
        took.as_secs_f64()
    )?;
    if *waiting > 0 {
        writeln!(
            io::stdout(),
            "{waiting} of those that failed may be well later: `cairn serve`, or the next run, tries them again"
        )?;
    }
    if *left > 0 {
        writeln!(io::stdout(), "interrupted with {left} documents to go: run it again to go on")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_what_was_done_since_the_job_was_seen() {
        let minute = Duration::from_secs(60);
        assert_eq!(left(0, 100, minute), None);
        assert_eq!(left(25, 100, minute), Some(minute * 3));
        assert_eq!(left(100, 100, minute), Some(Duration::ZERO));
        assert_eq!(left(101, 100, minute), None, "a document that grew");
    }
}
