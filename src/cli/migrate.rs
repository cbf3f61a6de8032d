//! `cairn migrate`: an index moved between this process and a Qdrant server, compared before it counts.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use clap::{Args, ValueEnum};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use super::{INTERRUPTED, tell};
use crate::app::{AppError, BothStores, DataDirError};
use crate::config::Config;
use crate::document::CollectionName;
use crate::migrate::{Event, Migration, Moved, Planned};
use crate::tasks::interrupted;

/// How often a line of progress is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct MigrateArgs {
    /// Where the index is: in the data folder (edge) or on the server (qdrant). It is only read
    #[arg(long)]
    from: Place,
    /// Where it goes
    #[arg(long)]
    to: Place,
    /// The Qdrant server's gRPC address [default: store.url]
    #[arg(long)]
    url: Option<String>,
    /// A collection to move, may be repeated [default: all]
    #[arg(long = "collection", short, value_name = "NAME")]
    collections: Vec<CollectionName>,
    /// Say what would be moved, and move nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    Edge,
    Qdrant,
}

impl MigrateArgs {
    /// What these arguments say in the words of the configuration.
    pub(super) fn overrides(&self) -> Vec<(&'static str, String)> {
        self.url.iter().map(|url| ("store.url", url.clone())).collect()
    }
}

pub(super) async fn run(args: MigrateArgs, config: Config) -> anyhow::Result<ExitCode> {
    if args.from == args.to {
        bail!("--from and --to name the same store: one must be edge and the other qdrant");
    }
    let stores = open(config).await?;
    let (from, to) = match args.from {
        Place::Edge => (&stores.edge, &stores.qdrant),
        Place::Qdrant => (&stores.qdrant, &stores.edge),
    };
    let migration = Migration {
        from: from.as_ref(),
        to: to.as_ref(),
        ledger: &stores.ledger,
        note: stores.data_dir.migration_note(),
    };
    let work = async {
        let plan = migration.plan(&args.collections).await?;
        if args.dry_run { say_plan(&plan) } else { move_all(&migration, &plan).await }
    };
    tokio::select! {
        moved = work => moved?,
        signal = interrupted() => {
            signal?;
            tell("interrupted: run the same command again to go on");
            return Ok(ExitCode::from(INTERRUPTED));
        }
    }
    stores.ledger.close().await;
    if !args.dry_run {
        tell(match args.to {
            Place::Edge => "to use it, take store.url out of the configuration",
            Place::Qdrant => "to use it, set store.url in the configuration",
        });
    }
    Ok(ExitCode::SUCCESS)
}

async fn open(config: Config) -> anyhow::Result<BothStores> {
    BothStores::open(config).await.map_err(|error| {
        let beside_server = matches!(error, AppError::DataDir(DataDirError::InUse { server: Some(_), .. }));
        let error = anyhow::Error::new(error);
        if beside_server {
            error.context("stop the server first: an index is moved while nobody writes to it")
        } else {
            error
        }
    })
}

fn say_plan(plan: &[Planned]) -> anyhow::Result<()> {
    if plan.is_empty() {
        writeln!(io::stdout(), "nothing to move")?;
    }
    for Planned { collection, documents, chunks, chunks_in_target } in plan {
        let instead = match chunks_in_target {
            0 => String::new(),
            old => format!(", in place of {old} chunks in the target"),
        };
        writeln!(io::stdout(), "{collection}: {documents} documents, {chunks} chunks would be moved{instead}")?;
    }
    Ok(())
}

async fn move_all(migration: &Migration<'_>, plan: &[Planned]) -> anyhow::Result<()> {
    if plan.is_empty() {
        writeln!(io::stdout(), "nothing to move: no document is indexed in the source alone")?;
    }
    for Planned { collection, chunks, .. } in plan {
        let progress = Progress::new(collection, *chunks);
        let moved = migration.run(collection, &|event| progress.event(event)).await;
        progress.bar.finish_and_clear();
        let Moved { documents, verified } = moved?;
        writeln!(
            io::stdout(),
            "{collection}: {documents} documents moved ({} chunks, all the same), {} of {} sampled searches in the \
             same order, in {:.1} s",
            verified.chunks,
            verified.searches_same,
            verified.searches,
            progress.started.elapsed().as_secs_f64()
        )?;
    }
    Ok(())
}

/// Where a move stands: a bar on a terminal, a line now and then elsewhere. A chunk counts as copied and as compared.
struct Progress {
    collection: CollectionName,
    bar: ProgressBar,
    started: Instant,
    chunks: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Copied by an earlier run.
    before: usize,
    copied: usize,
    compared: usize,
    line: Option<Instant>,
}

impl Progress {
    fn new(collection: &CollectionName, chunks: usize) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}").expect("the template is constant");
        let steps = u64::try_from(chunks.saturating_mul(2)).unwrap_or(u64::MAX);
        Self {
            collection: collection.clone(),
            bar: ProgressBar::new(steps).with_style(style),
            started: Instant::now(),
            chunks,
            state: Mutex::default(),
        }
    }

    fn event(&self, event: Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Resumed(chunks) => state.before = chunks,
            Event::Copied(chunks) => state.copied += chunks,
            Event::Compared(chunks) => state.compared += chunks,
            Event::Cleared(_) | Event::Optimizing => {}
        }
        let message = match event {
            Event::Cleared(_) => "removing what the target held of it".to_owned(),
            Event::Optimizing => "optimizing the index".to_owned(),
            Event::Resumed(_) | Event::Copied(_) | Event::Compared(_) => self.message(&state),
        };
        let steps = state.before + state.copied + state.compared;
        self.bar.set_position(u64::try_from(steps).unwrap_or(u64::MAX));
        if self.bar.is_hidden() && state.line.is_none_or(|line| line.elapsed() >= LINE_EVERY) {
            state.line = Some(Instant::now());
            tell(&format!("migrate {}: {message}", self.collection));
        }
        self.bar.set_message(message);
    }

    fn message(&self, state: &State) -> String {
        let (elapsed, done) = (self.started.elapsed(), state.copied + state.compared);
        let to_do = self.chunks.saturating_mul(2).saturating_sub(state.before + done);
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let (rate, factor) = (done as f64 / elapsed.as_secs_f64(), to_do as f64 / done.max(1) as f64);
        let left = match done {
            0 => String::new(),
            _ => format!(", {} left", HumanDuration(elapsed.mul_f64(factor))),
        };
        let copied = state.before + state.copied;
        format!("{copied} of {} chunks copied, {} compared, {rate:.0} chunks/s{left}", self.chunks, state.compared)
    }
}
