//! `cairn ingest`: files and folders in, with progress while it runs and every document accounted for at the end.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::Args;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use serde::Serialize;

use super::show::shown;
use super::{INTERRUPTED, collection, reader_left, tell};
use crate::app::{App, AppError, DataDirError};
use crate::config::Config;
use crate::document::CollectionName;
use crate::ingest::source::{self, SourceLimits};
use crate::ingest::worker::{self, Event, Summary};
use crate::ingest::{IngestError, Outcome};
use crate::tasks::{Signals, blocking};

/// How often a line of progress is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Failures that the summary lists; `--json` lists all.
const FAILURES_SHOWN_MAX: usize = 20;

#[derive(Debug, Args)]
pub(super) struct IngestArgs {
    /// Files and folders (.gitignore, .ignore and .cairnignore are honoured)
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Where the documents go [default: ingest.collection]
    #[arg(long, short)]
    collection: Option<CollectionName>,
    /// Remove documents below these paths that are there no more
    #[arg(long)]
    prune: bool,
    /// Begin a new index (for another model or chunk size); the old one is kept beside it
    #[arg(long)]
    rebuild: bool,
    /// Print a JSON object for each document and one for the whole
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: IngestArgs, config: Config) -> anyhow::Result<ExitCode> {
    // From the start: a signal that comes before anybody listens for it would kill the process.
    let mut signals = Signals::listen()?;
    let collection = collection(args.collection.clone(), &config);
    let limits = SourceLimits { file_bytes_max: config.ingest.file_bytes_max.as_u64() };
    let paths = args.paths.clone();
    let walk = blocking(move || source::walk(&paths, &limits)).await?;
    if args.rebuild && walk.found.is_empty() {
        bail!("nothing to index was found below these paths, so the index is left as it is");
    }
    let app = open(config, args.rebuild).await?;

    let pruning = match (args.prune, walk.problems.is_empty()) {
        (false, _) => None,
        (true, true) => Some(Pruning {
            roots: walk.roots.clone(),
            found: walk.found.iter().map(|found| found.path.clone()).collect(),
        }),
        (true, false) => {
            tell("nothing will be pruned: some paths can't be read, and what is below them may still be there");
            None
        }
    };
    let progress = Progress::new(&walk.found.iter().map(|found| found.bytes).collect::<Vec<_>>(), args.json);
    let stopped = async {
        signals.next().await;
    };
    let in_flight = app.config.ingest.documents_in_flight;
    let on_event = |event: Event<'_>| progress.event(&event);
    let mut summary = worker::run(&app.indexer, &collection, walk, in_flight, &on_event, stopped).await?;
    progress.clear();
    if summary.left == 0 {
        tokio::select! {
            removed = finish(&app, &collection, pruning, &summary, &progress) => summary.removed = removed?,
            _ = signals.next() => return Ok(ExitCode::from(INTERRUPTED)),
        }
    }
    app.ledger.close().await;
    let code = if summary.left > 0 {
        ExitCode::from(INTERRUPTED)
    } else if summary.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    match report(&summary, progress.started.elapsed(), args.json) {
        Err(error) if reader_left(&error) => Ok(code), // How it ended does not depend on who reads on.
        reported => reported.map(|()| code),
    }
}

/// What tells a vanished document from one that was not asked for.
struct Pruning {
    roots: Vec<PathBuf>,
    found: HashSet<PathBuf>,
}

/// Removes what has vanished and brings the index into shape. Gives how many documents were removed.
async fn finish(
    app: &App,
    collection: &CollectionName,
    pruning: Option<Pruning>,
    summary: &Summary,
    progress: &Progress,
) -> anyhow::Result<usize> {
    let removed = match pruning {
        Some(Pruning { roots, found }) => worker::prune(&app.indexer, collection, &roots, &found).await?,
        None => 0,
    };
    if summary.indexed + removed > 0 {
        progress.say("optimizing the index");
        app.store.optimize().await?;
        progress.clear();
    }
    Ok(removed)
}

async fn open(config: Config, rebuild: bool) -> anyhow::Result<App> {
    let opened = if rebuild { App::open_rebuilt(config).await } else { App::open(config).await.map(|app| (app, None)) };
    let (app, aside) = opened.map_err(|error| {
        let beside_server = matches!(error, AppError::DataDir(DataDirError::InUse { server: Some(_), .. }));
        let error = anyhow::Error::new(error);
        if beside_server { error.context("stop the server first: nothing is ingested beside it yet") } else { error }
    })?;
    if let Some(aside) = aside {
        tell(&format!("the old index is kept in {}; remove it when you don't need it any more", aside.display()));
    }
    Ok(app)
}

/// Where a run stands: a bar on a terminal, a line now and then elsewhere, an object a document for machines.
struct Progress {
    bar: ProgressBar,
    json: bool,
    started: Instant,
    documents: usize,
    bytes: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    documents: usize,
    bytes: u64,
    chunks: usize,
    line: Option<Instant>,
}

#[derive(Serialize)]
struct DocumentLine<'a> {
    event: &'static str,
    path: &'a str,
    outcome: &'static str,
    chunks: Option<usize>,
    reason: Option<String>,
}

#[derive(Serialize)]
struct SummaryLine<'a> {
    event: &'static str,
    indexed: usize,
    access_changed: usize,
    unchanged: usize,
    failed: Vec<FailedLine<'a>>,
    removed: usize,
    skipped: usize,
    left: usize,
    chunks: usize,
    seconds: f64,
}

#[derive(Serialize)]
struct FailedLine<'a> {
    path: String,
    reason: &'a str,
}

impl Progress {
    fn new(bytes: &[u64], json: bool) -> Self {
        let total = bytes.iter().sum();
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}").expect("the template is constant");
        let bar = ProgressBar::new(total).with_style(style);
        Self {
            bar: if json { ProgressBar::hidden() } else { bar },
            json,
            started: Instant::now(),
            documents: bytes.len(),
            bytes: total,
            state: Mutex::default(),
        }
    }

    fn event(&self, event: &Event<'_>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Chunks(chunks) => state.chunks += chunks,
            Event::Document { found, result } => {
                state.documents += 1;
                state.bytes += found.bytes;
                self.document(&found.path.to_string_lossy(), result);
            }
        }
        self.bar.set_position(state.bytes);
        let message = self.message(&state);
        if self.bar.is_hidden() && !self.json && state.line.is_none_or(|line| line.elapsed() >= LINE_EVERY) {
            state.line = Some(Instant::now());
            tell(&format!("ingest: {message}"));
        }
        self.bar.set_message(message);
    }

    fn message(&self, state: &State) -> String {
        let elapsed = self.started.elapsed();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let (rate, share) =
            (state.chunks as f64 / elapsed.as_secs_f64(), state.bytes as f64 / self.bytes.max(1) as f64);
        let left = if share > 0.0 {
            format!(", {} left", HumanDuration(elapsed.mul_f64((1.0 - share) / share)))
        } else {
            String::new()
        };
        format!(
            "{} of {} documents, {} chunks, {rate:.0} chunks/s{left}",
            state.documents, self.documents, state.chunks
        )
    }

    fn document(&self, path: &str, result: &Result<Outcome, IngestError>) {
        let (outcome, chunks, reason) = match result {
            Ok(Outcome::Indexed { chunks }) => ("indexed", Some(*chunks), None),
            Ok(Outcome::AccessChanged) => ("access_changed", None, None),
            Ok(Outcome::Unchanged) => ("unchanged", None, None),
            Err(error) => ("failed", None, Some(error.to_string())),
        };
        if self.json {
            let line = DocumentLine { event: "document", path, outcome, chunks, reason };
            // A reader that went away costs the report, not the documents.
            let _ = writeln!(io::stdout(), "{}", serde_json::to_string(&line).expect("a line of texts and numbers"));
        }
    }

    fn say(&self, what: &'static str) {
        self.bar.set_message(what);
        if self.bar.is_hidden() && !self.json {
            tell(&format!("ingest: {what}"));
        }
    }

    fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn report(summary: &Summary, took: Duration, json: bool) -> anyhow::Result<()> {
    let Summary { indexed, access_changed, unchanged, failed, removed, skipped, chunks, left } = summary;
    if json {
        let line = SummaryLine {
            event: "summary",
            indexed: *indexed,
            access_changed: *access_changed,
            unchanged: *unchanged,
            failed: failed
                .iter()
                .map(|f| FailedLine { path: f.path.display().to_string(), reason: &f.reason })
                .collect(),
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
        writeln!(io::stdout(), "failed: {}", shown(&format!("{}: {}", failure.path.display(), failure.reason)))?;
    }
    if failed.len() > FAILURES_SHOWN_MAX {
        writeln!(io::stdout(), "… and {} more failed (--json lists all)", failed.len() - FAILURES_SHOWN_MAX)?;
    }
    let failed = failed.len();
    writeln!(
        io::stdout(),
        "{indexed} indexed ({chunks} chunks), {access_changed} with changed access, {unchanged} unchanged, {failed} failed, {removed} removed, \
         {skipped} skipped (not a known kind) in {:.1} s",
        took.as_secs_f64()
    )?;
    if *left > 0 {
        writeln!(io::stdout(), "interrupted with {left} documents to go: run it again to go on")?;
    }
    Ok(())
}
