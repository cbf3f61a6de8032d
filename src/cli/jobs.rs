//! `cairn jobs`: what was asked for, how far it is, and calling it off.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;

use super::remote::Remote;
use super::show::shown_in_line;
use crate::app::{DataDir, DataDirError};
use crate::config::Config;
use crate::ledger::{JobId, Ledger};
use crate::server::jobs::JobsWire;
use crate::server::jobs::wire::{JobDetailWire, JobWire};

/// Jobs that are listed; `--all` lists more.
const LISTED: usize = 20;

#[derive(Debug, Subcommand)]
pub(super) enum JobsCommand {
    /// List jobs, the latest first
    List {
        /// Not only the latest 20
        #[arg(long)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one job with the documents that failed
    Show {
        /// The id that `cairn jobs list` shows
        id: JobId,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Call a job off: what was not begun stays as it was
    Cancel {
        /// The id that `cairn jobs list` shows
        id: JobId,
    },
}

pub(super) async fn run(command: JobsCommand, config: Config) -> anyhow::Result<ExitCode> {
    let ledger = DataDir::open_ledger_beside(&config.data_dir).await?;
    match command {
        JobsCommand::List { all, json } => list(&ledger, if all { usize::MAX } else { LISTED }, json).await?,
        JobsCommand::Show { id, json } => show(&ledger, &id, json).await?,
        JobsCommand::Cancel { id } => cancel(&ledger, &id, &config).await?,
    }
    ledger.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn list(ledger: &Ledger, limit: usize, json: bool) -> anyhow::Result<()> {
    let jobs: Vec<JobWire> = ledger.jobs(None, None, limit).await?.into_iter().map(JobWire::from).collect();
    let mut out = io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&JobsWire { jobs })?)?;
        return Ok(());
    }
    for job in jobs {
        writeln!(out, "{}", shown_in_line(&line(&job)))?;
    }
    Ok(())
}

fn line(job: &JobWire) -> String {
    let counts = job.documents;
    let ended = counts.total - counts.queued - counts.working - counts.waiting;
    format!(
        "{}  {:<10}  {:<6}  {}  {ended} of {} documents, {} rejected, {} waiting  {}  {}",
        job.id,
        job.state,
        job.kind,
        job.created_at,
        counts.total,
        counts.rejected,
        counts.waiting,
        job.collection,
        job.name
    )
}

async fn show(ledger: &Ledger, id: &JobId, json: bool) -> anyhow::Result<()> {
    let job = ledger.job(id).await?.with_context(|| format!("there is no job {id}: `cairn jobs list` shows them"))?;
    let detail = JobDetailWire::of(job, ledger.failed_of(id, usize::MAX).await?);
    let mut out = io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&detail)?)?;
        return Ok(());
    }
    writeln!(out, "{}", shown_in_line(&line(&detail.job)))?;
    let counts = detail.job.documents;
    writeln!(
        out,
        "  {} indexed ({} chunks), {} with changed access, {} unchanged, {} removed, {} superseded, {} cancelled, {} skipped",
        counts.indexed,
        detail.job.chunks,
        counts.access_changed,
        counts.unchanged,
        counts.removed,
        counts.superseded,
        counts.cancelled,
        detail.job.skipped
    )?;
    for problem in &detail.job.problems {
        writeln!(out, "  not found: {}", shown_in_line(&format!("{}: {}", problem.path, problem.reason)))?;
    }
    for failed in &detail.failed {
        writeln!(
            out,
            "  {}: {}",
            failed.outcome,
            shown_in_line(&format!("{}: {}", failed.external_id, failed.reason))
        )?;
    }
    Ok(())
}

async fn cancel(ledger: &Ledger, id: &JobId, config: &Config) -> anyhow::Result<()> {
    match DataDir::lock(&config.data_dir) {
        Ok(_alone) => {
            // Nobody works on it. What is half-made is undone by whoever works next.
            ledger.cancel_job(id).await?;
        }
        Err(DataDirError::InUse { .. }) => match Remote::beside(config)? {
            Some(remote) => remote.delete(&format!("/v1/jobs/{id}")).await?,
            None => {
                ledger.cancel_job(id).await?; // Whoever works on it looks for this every second.
            }
        },
        Err(error) => return Err(error.into()),
    }
    let job = ledger.job(id).await?.with_context(|| format!("there is no job {id}: `cairn jobs list` shows them"))?;
    writeln!(io::stdout(), "{id} is {}", job.state().name())?;
    Ok(())
}
