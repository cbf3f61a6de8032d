//! `cairn ingest --reprocess`: every document into an index as today's configuration makes it.

use std::process::ExitCode;

use anyhow::bail;

use super::{IngestArgs, Progress, conclude, shape, show, work};
use crate::app::{App, AppError};
use crate::cli::remote::Hand;
use crate::cli::{collection, tell};
use crate::config::Config;
use crate::document::CollectionName;
use crate::server::jobs::JobBegun;
use crate::server::jobs::wire::JobDetailWire;
use crate::store::StoreError;
use crate::tasks::Signals;

/// All collections, or the one that is named, one after the other.
pub(super) async fn run(args: IngestArgs, config: Config, mut signals: Signals) -> anyhow::Result<ExitCode> {
    let named = args.collection.clone();
    let configured = collection(named.clone(), &config);
    let app = match Hand::open(config, open).await? {
        Hand::Here(app) => app,
        Hand::Server(remote) => {
            tell("the server that has the data folder does it");
            let mut progress = Progress::new(args.json);
            let begun: JobBegun = remote.post(&format!("/v1/collections/{configured}/reprocess"), &()).await?;
            let job = format!("/v1/jobs/{}", begun.job);
            let events = remote.job_events(&begun.job).await?;
            show(events, &mut progress, &mut signals, async || remote.delete(&job).await).await?;
            progress.clear();
            let ended: JobDetailWire = remote.get(&job).await?;
            return conclude(&ended.summary(), &progress, args.json);
        }
    };
    let collections: Vec<CollectionName> = match named {
        Some(name) => vec![name],
        None => {
            let counted = app.ledger.collections(app.store.generation()).await?;
            counted.iter().filter_map(|counts| counts.collection.parse().ok()).collect()
        }
    };
    if collections.is_empty() {
        bail!("there are no documents: index some with `cairn ingest PATH…`");
    }
    let mut code = ExitCode::SUCCESS;
    for name in &collections {
        let mut progress = Progress::new(args.json);
        let job = app.queue.reprocess(name).await?;
        let ended = work(&app, &job, async { Ok(()) }, (&mut progress, &mut signals)).await?;
        shape(&app, std::slice::from_ref(&ended), &progress, &mut signals).await?;
        progress.clear();
        if collections.len() > 1 && !args.json {
            tell(&format!("collection {name}:"));
        }
        let ended_well = ended.summary().left == 0 && ended.summary().failed.is_empty();
        let this = conclude(&ended.summary(), &progress, args.json)?;
        if !ended_well {
            code = this;
        }
        if ended.summary().left > 0 {
            break; // It was called off.
        }
    }
    app.ledger.close().await;
    Ok(code)
}

/// The index, begun anew where another configuration made it.
async fn open(config: Config) -> anyhow::Result<App> {
    match App::open(config.clone()).await {
        Err(AppError::Store(StoreError::OtherFingerprint { .. })) => {
            let (app, aside) = App::open_rebuilt(config).await?;
            if let Some(aside) = aside {
                tell(&format!(
                    "the old index is kept in {}; remove it when you don't need it any more",
                    aside.display()
                ));
            }
            Ok(app)
        }
        opened => Ok(opened?),
    }
}
