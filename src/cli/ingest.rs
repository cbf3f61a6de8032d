//! `cairn ingest`: documents in, with progress while it runs and every one of them accounted for at the end.
//!
//! The work is jobs of the queue, one for each source, done by the worker in this process, or by the server that has the
//! data folder, and followed by their events either way.

mod asked;
mod progress;
mod reprocess;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use futures::{Stream, StreamExt};

use super::remote::{Hand, Remote};
use super::{INTERRUPTED, collection, reader_left, tell};
use crate::app::App;
use crate::config::Config;
use crate::document::CollectionName;
use crate::ingest::job::{self, Summary};
use crate::ingest::source::manifest::{self, Declared, What};
use crate::ingest::source::named::Named;
use crate::ingest::source::{self, SourceLimits, Walk};
use crate::ingest::worker::Until;
use crate::ledger::JobId;
use crate::server::documents::wire::AcceptedWire;
use crate::server::jobs::wire::{JobDetailWire, JobEventWire};
use crate::server::jobs::{IngestRequest, JobBegun};
use crate::server::sources::{JobsBegun, SourcesRequest};
use crate::tasks::{Signals, blocking};
use asked::Asked;
pub(super) use asked::IngestArgs;
use progress::{Progress, report};

/// One run of the command: what it was asked for, and who is told how it goes.
struct Run {
    args: IngestArgs,
    asked: Asked,
    collection: CollectionName,
    limits: SourceLimits,
    progress: Progress,
    signals: Signals,
    /// Documents of which no job was made, since there was nothing to do.
    unchanged: usize,
}

pub(super) async fn run(args: IngestArgs, config: Config) -> anyhow::Result<ExitCode> {
    // From the start: a signal that comes before anybody listens for it would kill the process.
    let signals = Signals::listen()?;
    if args.reprocess {
        return reprocess::run(args, config, signals).await;
    }
    let collection = collection(args.collection.clone(), &config);
    let limits = SourceLimits { file_bytes_max: config.ingest.file_bytes_max.as_u64() };
    let (asked, progress) = (args.told_apart()?, Progress::new(args.json));
    let mut run = Run { args, asked, collection, limits, progress, signals, unchanged: 0 };
    let hand = Hand::open(config, async |config| match run.args.rebuild {
        true => run.rebuilt(config).await,
        false => App::open(config).await.map_err(anyhow::Error::from),
    });
    let ended = match hand.await? {
        Hand::Here(app) => {
            let ended = run.here(&app).await?;
            app.ledger.close().await;
            ended
        }
        Hand::Server(_) if run.args.rebuild => {
            bail!("stop the server first: it has the index that is to be set aside")
        }
        Hand::Server(remote) => run.there(&remote).await?,
    };
    run.progress.clear();
    if run.args.prune && ended.iter().any(|ended| !ended.job.problems.is_empty()) {
        tell("nothing was pruned: some paths can't be read, and what is below them may still be there");
    }
    let rest = Summary { unchanged: run.unchanged, ..Summary::default() };
    let summary = ended.iter().map(JobDetailWire::summary).fold(rest, Summary::and);
    conclude(&summary, &run.progress, run.args.json)
}

/// Says how it ended, for people or for programs, and as an exit code.
fn conclude(summary: &Summary, progress: &Progress, json: bool) -> anyhow::Result<ExitCode> {
    let code = if summary.left > 0 {
        ExitCode::from(INTERRUPTED)
    } else if summary.failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    match report(summary, progress.started.elapsed(), json) {
        Err(error) if reader_left(&error) => Ok(code), // How it ended does not depend on who reads on.
        reported => reported.map(|()| code),
    }
}

impl Run {
    /// Does the work in this process, source by source. Gives how each job stands when nothing more can be done.
    async fn here(&mut self, app: &App) -> anyhow::Result<Vec<JobDetailWire>> {
        app.queue.uploads().sweep(&app.ledger).await?;
        let declared = self.declared(app).await?; // What is wrong with one of them is told before anything is done.
        let (mut ended, compare) = (Vec::new(), self.args.compare());
        if !self.asked.paths.is_empty() {
            let walk = walk(&self.asked.paths, self.limits).await?;
            let job = app.queue.ingest(&self.collection, walk, self.args.vanished(), compare).await?;
            ended.push(self.work(app, &job, async { Ok(()) }).await?);
        }
        if let Some(name) = self.asked.stdin.clone() {
            let job = self.stdin_here(app, &name).await?;
            ended.push(self.work(app, &job, async { Ok(()) }).await?);
        }
        for source in declared {
            if ended.iter().any(|ended: &JobDetailWire| ended.summary().left > 0) {
                break; // Interrupted.
            }
            ended.push(match &source.what {
                What::Folder(_) => {
                    let job = app.bringer.ingest(&source, compare).await?;
                    self.work(app, &job, async { Ok(()) }).await?
                }
                What::Web(_) | What::Objects(_) | What::Git(_) => {
                    let job = app.bringer.begin(&source).await?;
                    let bringing = async { Ok(app.bringer.bring(&job, &source, compare).await?) };
                    self.work(app, &job, bringing).await?
                }
            });
        }
        shape(app, &ended, &self.progress, &mut self.signals).await?;
        Ok(ended)
    }

    async fn work(
        &mut self,
        app: &App,
        job: &JobId,
        bringing: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<JobDetailWire> {
        work(app, job, bringing, (&mut self.progress, &mut self.signals)).await
    }

    /// Everything beyond paths and standard input.
    async fn declared(&self, app: &App) -> anyhow::Result<Vec<Declared>> {
        let named = Named {
            texts: &self.asked.remote,
            how: self.args.how(),
            revision: self.args.revision.clone(),
            prune: self.args.prune,
        };
        let folder = std::path::absolute(".").context("find the current folder")?;
        let mut declared = app.bringer.named(&named, &folder, &self.collection)?;
        if let Some(path) = self.args.manifest.clone() {
            let (bringer, collection) = (app.bringer.clone(), self.args.collection.clone());
            let sources = blocking(move || bringer.manifest(&path, collection.as_ref())).await??;
            let chosen = manifest::only(sources, &self.args.only, self.args.prune);
            declared.extend(chosen.map_err(anyhow::Error::msg)?);
        }
        Ok(declared)
    }

    /// Keeps standard input as an upload, and queues it in a lane of its own, so that nothing else is done.
    async fn stdin_here(&self, app: &App, name: &str) -> anyhow::Result<JobId> {
        let bytes = asked::stdin(name, self.limits.file_bytes_max).await?;
        let mut receiving = app.queue.uploads().receive(self.limits.file_bytes_max).await?;
        receiving.write(&bytes).await?;
        let stored = receiving.finish().await?;
        let upload = (name.to_owned(), asked::upload(name, &stored.blob), stored.bytes);
        Ok(app.queue.upload_all(&self.collection, vec![upload]).await?)
    }

    /// Has the server that has the data folder do it, and shows what it does.
    async fn there(&mut self, remote: &Remote) -> anyhow::Result<Vec<JobDetailWire>> {
        if !self.args.json {
            tell("the server that has the data folder does it");
        }
        let mut ended = Vec::new();
        for job in self.begin_there(remote).await? {
            self.progress.begin();
            let url = format!("/v1/jobs/{job}");
            let events = remote.job_events(&job).await?;
            show(events, &mut self.progress, &mut self.signals, async || remote.delete(&url).await).await?;
            ended.push(remote.get(&url).await?);
        }
        Ok(ended)
    }

    async fn begin_there(&mut self, remote: &Remote) -> anyhow::Result<Vec<String>> {
        let (mut jobs, collection) = (Vec::new(), self.collection.clone());
        if !self.asked.paths.is_empty() {
            let request = IngestRequest {
                paths: self.asked.paths.iter().map(|path| absolute(path)).collect::<Result<_, _>>()?,
                prune: self.args.prune,
                rehash: self.args.rehash,
            };
            let begun: JobBegun = remote.post(&format!("/v1/collections/{collection}/ingest"), &request).await?;
            jobs.push(begun.job);
        }
        if let Some(name) = &self.asked.stdin {
            let bytes = asked::stdin(name, self.limits.file_bytes_max).await?;
            let accepted: AcceptedWire = remote.put(&document_path(&collection, name), bytes).await?;
            self.unchanged += usize::from(accepted.job.is_none());
            jobs.extend(accepted.job);
        }
        if !self.asked.remote.is_empty() || self.args.manifest.is_some() {
            let request = SourcesRequest {
                collection: self.args.collection.as_ref().map(ToString::to_string),
                folder: absolute(Path::new("."))?,
                sources: self.asked.remote.clone(),
                how: self.args.how(),
                revision: self.args.revision.clone(),
                manifest: self.args.manifest.as_deref().map(absolute).transpose()?,
                only: self.args.only.clone(),
                prune: self.args.prune,
                rehash: self.args.rehash,
            };
            let begun: JobsBegun = remote.post("/v1/ingest", &request).await?;
            jobs.extend(begun.jobs);
        }
        Ok(jobs)
    }

    /// The index begun anew, unless there is nothing to put into it: a slip of the finger must not empty it.
    async fn rebuilt(&self, config: Config) -> anyhow::Result<App> {
        let only_paths = self.asked.remote.is_empty() && self.asked.stdin.is_none() && self.args.manifest.is_none();
        if only_paths && walk(&self.asked.paths, self.limits).await?.found.is_empty() {
            bail!("nothing to index was found below these paths, so the index is left as it is");
        }
        let (app, aside) = App::open_rebuilt(config).await?;
        if let Some(aside) = aside {
            tell(&format!("the old index is kept in {}; remove it when you don't need it any more", aside.display()));
        }
        Ok(app)
    }
}

/// Does what is left of a job in this process, and tells how it ended.
pub(super) async fn finish_job(app: &App, job: &JobId) -> anyhow::Result<ExitCode> {
    let (mut signals, mut progress) = (Signals::listen()?, Progress::new(false));
    let ended = work(app, job, async { Ok(()) }, (&mut progress, &mut signals)).await?;
    shape(app, std::slice::from_ref(&ended), &progress, &mut signals).await?;
    app.ledger.close().await;
    progress.clear();
    conclude(&ended.summary(), &progress, false)
}

/// Works on a job, while `bringing` may still find documents for it.
async fn work(
    app: &App,
    job: &JobId,
    bringing: impl Future<Output = anyhow::Result<()>>,
    (progress, signals): (&mut Progress, &mut Signals),
) -> anyhow::Result<JobDetailWire> {
    progress.begin();
    let events = job::follow(app.queue.clone(), job.clone(), 0).map(|event| Ok(event?.into()));
    let working = async { Ok(app.worker.run(Until::AtRest(job), std::future::pending()).await?) };
    let showing = show(events, progress, signals, async || Ok(app.queue.cancel(job).await.map(|_| ())?));
    tokio::try_join!(showing, working, bringing)?;
    let row = app.ledger.job(job).await?.context("the job is gone")?;
    Ok(JobDetailWire::of(row, app.ledger.failed_of(job, usize::MAX).await?))
}

/// Brings the index into the shape that searches fastest, where something has changed.
async fn shape(app: &App, ended: &[JobDetailWire], progress: &Progress, signals: &mut Signals) -> anyhow::Result<()> {
    let has_changed = ended.iter().any(|ended| ended.job.documents.indexed + ended.job.documents.removed > 0);
    if has_changed && ended.iter().all(|ended| ended.summary().left == 0) {
        progress.say("optimizing the index");
        tokio::select! {
            optimized = app.store.optimize() => optimized?,
            _ = signals.next() => tell("stopped while the index was optimized: all documents are in it"),
        }
    }
    Ok(())
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

/// A path as it can be sent to the server.
fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(path).context("find the current folder")?;
    if path.to_str().is_none() {
        bail!("a path is no UTF-8 and can't be sent to the server: stop it, and ingest without it");
    }
    Ok(path)
}

/// Where the API has a document. Whatever is no letter or digit may mean something in an address.
fn document_path(collection: &CollectionName, external_id: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    let escaped = external_id.bytes().map(|byte| match is_plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    format!("/v1/collections/{collection}/documents/{}", escaped.collect::<String>())
}

async fn walk(paths: &[PathBuf], limits: SourceLimits) -> anyhow::Result<Walk> {
    let paths = paths.to_vec();
    Ok(blocking(move || source::walk(&paths, &limits)).await?)
}
