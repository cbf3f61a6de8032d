//! `cairn documents`: where each document stands; another try for what failed; removal.
//!
//! Looks into the ledger, whoever has the data folder. What is to be done is done by the server that has the folder, else
//! here.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::ingest::finish_job;
use super::remote::Hand;
use super::show::{shown, shown_in_line};
use super::{collection, until_interrupted};
use crate::app::{App, DataDir};
use crate::config::Config;
use crate::document::{CollectionName, DocumentId, Version};
use crate::ingest::likeness::near;
use crate::ingest::texts;
use crate::ledger::{DocumentState, Page, Sight};
use crate::server::documents::text::TextWire;
use crate::server::documents::wire::{DocumentWire, DocumentsWire, NearWire};
use crate::server::jobs::{JobBegun, RetryRequest};
use crate::tasks::blocking;

/// Documents that are read from the ledger at once.
const PAGE: usize = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum DocumentsCommand {
    /// List documents with their states
    List(ListArgs),
    /// Show one document
    Show(OneArgs),
    /// Print the text that was read in one document, which citations point into
    Text(OneArgs),
    /// Try again documents that were rejected or wait
    Retry(RetryArgs),
    /// Remove documents: when it returns, no search finds them
    Remove(RemoveArgs),
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Where to look [default: ingest.collection]
    #[arg(long, short)]
    collection: Option<CollectionName>,
    /// Only those that are queued, working, indexed, waiting, rejected or removed
    #[arg(long)]
    state: Option<DocumentState>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// Its id: for a file, its absolute path
    id: String,
    /// Where to look [default: ingest.collection]
    #[arg(long, short)]
    collection: Option<CollectionName>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    /// Their ids [default: all that were rejected or wait]
    ids: Vec<String>,
    /// Where they are [default: ingest.collection]
    #[arg(long, short)]
    collection: Option<CollectionName>,
}

#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// Their ids: for files, their absolute paths
    #[arg(required = true)]
    ids: Vec<String>,
    /// Where they are [default: ingest.collection]
    #[arg(long, short)]
    collection: Option<CollectionName>,
}

pub(super) async fn run(command: DocumentsCommand, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        DocumentsCommand::List(args) => list(args, config).await,
        DocumentsCommand::Show(args) => show(args, config).await,
        DocumentsCommand::Text(args) => text(args, config).await,
        DocumentsCommand::Retry(args) => retry(args, config).await,
        DocumentsCommand::Remove(args) => until_interrupted(remove(args, config)).await,
    }
}

async fn list(args: ListArgs, config: Config) -> anyhow::Result<ExitCode> {
    let ledger = DataDir::open_ledger_beside(&config.data_dir).await?;
    let name = collection(args.collection, &config);
    let mut out = io::stdout();
    let mut after: Option<String> = None;
    let mut all = Vec::new();
    loop {
        let page = Page { state: args.state, after: after.as_deref(), limit: PAGE };
        let rows = ledger.page(&name, Sight::All, page).await?;
        let Some(last) = rows.last() else { break };
        after = Some(last.external_id.clone());
        let documents = rows.into_iter().map(DocumentWire::from);
        if args.json {
            all.extend(documents);
            continue;
        }
        for document in documents {
            writeln!(out, "{:<8}  {}", document.state, shown_in_line(&line(&document)))?;
        }
    }
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&DocumentsWire { documents: all, next: None })?)?;
    }
    ledger.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The document's id, and what there is to say of its state.
fn line(document: &DocumentWire) -> String {
    let id = &document.external_id;
    match (&document.reason, &document.work) {
        (Some(reason), _) => format!("{id}: {reason}"),
        (None, Some(work)) if work.chunks_total > 0 => {
            format!("{id} ({} of {} chunks)", work.chunks_done, work.chunks_total)
        }
        (None, _) => id.clone(),
    }
}

async fn show(args: OneArgs, config: Config) -> anyhow::Result<ExitCode> {
    let ledger = DataDir::open_ledger_beside(&config.data_dir).await?;
    let name = collection(args.collection, &config);
    let id = DocumentId::new(&name, &args.id);
    let row = ledger.document(id, Sight::All).await?;
    let row = row.with_context(|| format!("the collection {name} has no document {:?}", args.id))?;
    let near = near(&ledger, id, Sight::All).await?.into_iter().map(NearWire::from).collect();
    let document = DocumentWire { near_duplicates: Some(near), ..row.into() };
    let mut out = io::stdout();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{}", shown_in_line(&document.external_id))?;
    let allow = if document.allow.is_empty() { "everybody".to_owned() } else { document.allow.join(", ") };
    let mut lines = vec![
        ("state", document.state.clone()),
        ("title", document.title.clone()),
        ("version", format!("{} ({} chunks)", document.version, document.chunks)),
        ("origin", format!("{}, {} bytes", document.origin, document.bytes)),
        ("seen by", allow),
        ("tags", document.tags.join(", ")),
        ("date", document.date.unwrap_or_default()),
        ("language", document.language.unwrap_or_default()),
        ("changed", document.changed_at.clone()),
    ];
    lines.extend(document.notices.into_iter().map(|notice| ("notice", notice.message)));
    let near = document.near_duplicates.into_iter().flatten();
    lines.extend(
        near.map(|near| ("nearly", format!("{} ({:.0} % the same)", near.external_id, 100.0 * near.similarity))),
    );
    lines.extend(document.reason.map(|reason| ("reason", reason)));
    lines.extend(document.code.map(|code| ("code", code)));
    if let Some(work) = document.work {
        lines.push(("job", work.job));
        lines.extend(work.stage.map(|stage| ("stage", stage)));
        lines.push(("progress", format!("{} of {} chunks", work.chunks_done, work.chunks_total)));
        lines.extend(work.heartbeat_at.map(|at| ("heartbeat", at)));
        lines.extend(work.next_try_at.map(|at| ("next try", format!("{at}, after {} failures", work.failures))));
    }
    for (name, value) in lines {
        writeln!(out, "  {name:<9}  {}", shown_in_line(&value))?;
    }
    ledger.close().await;
    Ok(ExitCode::SUCCESS)
}

async fn text(args: OneArgs, config: Config) -> anyhow::Result<ExitCode> {
    let ledger = DataDir::open_ledger_beside(&config.data_dir).await?;
    let name = collection(args.collection, &config);
    let id = DocumentId::new(&name, &args.id);
    let missing = || format!("the collection {name} has no text of a document {:?}", args.id);
    let row = ledger.document(id, Sight::All).await?.with_context(missing)?;
    let kept = ledger.text(id, Version(row.version)).await?.with_context(missing)?;
    let extracted = blocking(move || texts::unpack(&kept.body)).await?.context("read the kept text")?;
    let mut out = io::stdout();
    if args.json {
        let text = TextWire::new(row.external_id, row.version, row.title, extracted);
        writeln!(out, "{}", serde_json::to_string_pretty(&text)?)?;
    } else {
        writeln!(out, "{}", shown(&extracted.text))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn retry(args: RetryArgs, config: Config) -> anyhow::Result<ExitCode> {
    let name = collection(args.collection, &config);
    match open(config).await? {
        Hand::Here(app) => {
            let job = app.queue.retry(&name, &args.ids).await?;
            finish_job(&app, &job).await
        }
        Hand::Server(remote) => {
            let request = RetryRequest { external_ids: args.ids };
            let begun: JobBegun = remote.post(&format!("/v1/collections/{name}/retry"), &request).await?;
            writeln!(io::stdout(), "the server does it as job {}", begun.job)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn remove(args: RemoveArgs, config: Config) -> anyhow::Result<ExitCode> {
    let name = collection(args.collection, &config);
    let mut missing = Vec::new();
    match open(config).await? {
        Hand::Here(app) => {
            for id in &args.ids {
                if !app.queue.remove(&name, id).await? {
                    missing.push(id.as_str());
                }
            }
            app.ledger.close().await;
        }
        Hand::Server(remote) => {
            for id in &args.ids {
                let mut url = reqwest::Url::parse("http://localhost/").context("make an address")?;
                if let Ok(mut segments) = url.path_segments_mut() {
                    segments.clear().extend(["v1", "collections", name.as_str(), "documents", id]);
                }
                remote.delete(url.path()).await?;
            }
        }
    }
    if missing.is_empty() {
        writeln!(io::stdout(), "{} removed", args.ids.len())?;
        Ok(ExitCode::SUCCESS)
    } else {
        bail!("the collection {name} has no document {}", missing.join(", "))
    }
}

async fn open(config: Config) -> anyhow::Result<Hand> {
    Hand::open(config, async |config| Ok(App::open(config).await?)).await
}
