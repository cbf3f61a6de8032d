//! `cairn ingest`: files and folders in, with progress while it runs and every document accounted for at the end.
//!
//! The work is a job of the queue, done by the worker in this process, or by the server that has the data folder, and
//! followed by its events either way.

mod progress;
mod reprocess;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use futures::{Stream, StreamExt};

use super::remote::{Hand, Remote};
use super::{INTERRUPTED, collection, reader_left, tell};
use crate::app::App;
use crate::config::Config;
use crate::document::CollectionName;
use crate::ingest::job;
use crate::ingest::queue::{Compare, Vanished};
use crate::ingest::source::{self, SourceLimits, Walk};
use crate::ingest::worker::Until;
use crate::ledger::JobId;
use crate::server::jobs::wire::{JobDetailWire, JobEventWire};
use crate::server::jobs::{IngestRequest, JobBegun};
use crate::tasks::{Signals, blocking};
use progress::{Progress, report};

#[derive(Debug, Args)]
pub(super) struct IngestArgs {
    /// Files and folders (.gitignore, .ignore and .cairnignore are honoured)
    #[arg(required_unless_present = "reprocess")]
    paths: Vec<PathBuf>,
    /// Where the documents go [default: ingest.collection]
    #[arg(long, short)]
    collection: Option<CollectionName>,
    /// Remove documents below these paths that are there no more
    #[arg(long)]
    prune: bool,
    /// Read every file, also those that look as they did when they were indexed
    #[arg(long)]
    rehash: bool,
    /// Begin a new index (for another model or chunk size); the old one is kept beside it
    #[arg(long)]
    rebuild: bool,
    /// Bring every document into an index as this configuration makes it (another model, another chunk size), from the
    /// texts that are kept; the old index is kept beside it
    #[arg(long, conflicts_with_all = ["paths", "prune", "rehash", "rebuild"])]
    reprocess: bool,
    /// Print a JSON object for each document and one for the whole
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: IngestArgs, config: Config) -> anyhow::Result<ExitCode> {
    // From the start: a signal that comes before anybody listens for it would kill the process.
    let mut signals = Signals::listen()?;
    if args.reprocess {
        return reprocess::run(args, config, signals).await;
    }
    let collection = collection(args.collection.clone(), &config);
    let limits = SourceLimits { file_bytes_max: config.ingest.file_bytes_max.as_u64() };
    let rebuild = args.rebuild;
    let hand = Hand::open(config, async |config| match rebuild {
        true => rebuilt(config, &args.paths, limits).await,
        false => App::open(config).await.map_err(anyhow::Error::from),
    });
    let mut progress = Progress::new(args.json);
    let ended = match hand.await? {
        Hand::Here(app) => {
            let walk = walk(&args, limits).await?;
            let ended = here(&app, &collection, (walk, &args), &mut progress, &mut signals).await?;
            app.ledger.close().await;
            ended
        }
        Hand::Server(_) if rebuild => bail!("stop the server first: it has the index that is to be set aside"),
        Hand::Server(remote) => there(&remote, &collection, &args, &mut progress, &mut signals).await?,
    };
    progress.clear();
    if args.prune && !ended.job.problems.is_empty() {
        tell("nothing was pruned: some paths can't be read, and what is below them may still be there");
    }
    conclude(&ended, &progress, args.json)
}

/// Says how a job ended, for people or for programs, and as an exit code.
fn conclude(ended: &JobDetailWire, progress: &Progress, json: bool) -> anyhow::Result<ExitCode> {
    let summary = ended.summary();
    let code = if summary.left > 0 {
        ExitCode::from(INTERRUPTED)
    } else if summary.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    match report(&summary, progress.started.elapsed(), json) {
        Err(error) if reader_left(&error) => Ok(code), // How it ended does not depend on who reads on.
        reported => reported.map(|()| code),
    }
}

impl IngestArgs {
    fn vanished(&self) -> Vanished {
        if self.prune { Vanished::Go } else { Vanished::Stay }
    }

    fn compare(&self) -> Compare {
        if self.rehash { Compare::Bytes } else { Compare::Stamp }
    }
}

/// Does the work in this process. Gives how the job stands when nothing more can be done.
async fn here(
    app: &App,
    collection: &CollectionName,
    (walk, args): (Walk, &IngestArgs),
    progress: &mut Progress,
    signals: &mut Signals,
) -> anyhow::Result<JobDetailWire> {
    let job = app.queue.ingest(collection, walk, args.vanished(), args.compare()).await?;
    work(app, &job, progress, signals).await
}

/// Does what is left of a job in this process, and tells how it ended.
pub(super) async fn finish_job(app: &App, job: &JobId) -> anyhow::Result<ExitCode> {
    let (mut signals, mut progress) = (Signals::listen()?, Progress::new(false));
    let ended = work(app, job, &mut progress, &mut signals).await?;
    app.ledger.close().await;
    progress.clear();
    conclude(&ended, &progress, false)
}

async fn work(app: &App, job: &JobId, progress: &mut Progress, signals: &mut Signals) -> anyhow::Result<JobDetailWire> {
    let events = job::follow(app.queue.clone(), job.clone(), 0).map(|event| Ok(event?.into()));
    let working = async { Ok(app.worker.run(Until::AtRest(job), std::future::pending()).await?) };
    let showing = show(events, progress, signals, async || Ok(app.queue.cancel(job).await.map(|_| ())?));
    tokio::try_join!(showing, working)?;
    let ended = detail(app, job).await?;
    let changed = ended.job.documents.indexed + ended.job.documents.removed > 0;
    if changed && ended.summary().left == 0 {
        progress.say("optimizing the index");
        tokio::select! {
            optimized = app.store.optimize() => optimized?,
            _ = signals.next() => tell("stopped while the index was optimized: all documents are in it"),
        }
    }
    Ok(ended)
}

/// Shows a job's events until nothing more can be done. The first signal calls the job off, a second one ends the wait.
async fn show(
    events: impl Stream<Item = anyhow::Result<JobEventWire>>,
    progress: &mut Progress,
    signals: &mut Signals,
    cancel: impl AsyncFn() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut events = std::pin::pin!(events);
    let mut signalled = false;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = signals.next() => {
                if signalled {
                    return Ok(());
                }
                signalled = true;
                cancel().await?;
                continue;
            }
        };
        match event.context("the job ended in the middle")?? {
            JobEventWire::Progress(job) => {
                progress.job(&job);
                if job.only_waits() {
                    return Ok(());
                }
            }
            JobEventWire::Document(document) => progress.document(&document),
            JobEventWire::Done(job) => {
                progress.job(&job);
                return Ok(());
            }
            JobEventWire::Error(body) => bail!(body.error.message),
        }
    }
}

async fn detail(app: &App, job: &JobId) -> anyhow::Result<JobDetailWire> {
    let row = app.ledger.job(job).await?.context("the job is gone")?;
    Ok(JobDetailWire::of(row, app.ledger.failed_of(job, usize::MAX).await?))
}

/// Has the server that has the data folder do it, and shows what it does.
async fn there(
    remote: &Remote,
    collection: &CollectionName,
    args: &IngestArgs,
    progress: &mut Progress,
    signals: &mut Signals,
) -> anyhow::Result<JobDetailWire> {
    let paths = args.paths.iter().map(|path| std::path::absolute(path).context("find the current folder"));
    let request = IngestRequest { paths: paths.collect::<Result<_, _>>()?, prune: args.prune, rehash: args.rehash };
    if request.paths.iter().any(|path| path.to_str().is_none()) {
        bail!("a path is no UTF-8 and can't be sent to the server: stop it, and ingest without it");
    }
    if !args.json {
        tell("the server that has the data folder does it");
    }
    let begun: JobBegun = remote.post(&format!("/v1/collections/{collection}/ingest"), &request).await?;
    let job = format!("/v1/jobs/{}", begun.job);
    let events = remote.job_events(&begun.job).await?;
    show(events, progress, signals, async || remote.delete(&job).await).await?;
    remote.get(&job).await
}

/// The index begun anew, unless there is nothing to put into it: a slip of the finger must not empty it.
async fn rebuilt(config: Config, paths: &[PathBuf], limits: SourceLimits) -> anyhow::Result<App> {
    let paths = paths.to_vec();
    if blocking(move || source::walk(&paths, &limits)).await?.found.is_empty() {
        bail!("nothing to index was found below these paths, so the index is left as it is");
    }
    let (app, aside) = App::open_rebuilt(config).await?;
    if let Some(aside) = aside {
        tell(&format!("the old index is kept in {}; remove it when you don't need it any more", aside.display()));
    }
    Ok(app)
}

async fn walk(args: &IngestArgs, limits: SourceLimits) -> anyhow::Result<Walk> {
    let paths = args.paths.clone();
    Ok(blocking(move || source::walk(&paths, &limits)).await?)
}
