//! The command line: one file a subcommand. Reports go to standard output, everything else to standard error.

mod answers;
mod ask;
mod doctor;
mod documents;
mod filter;
mod eval;
mod ingest;
mod jobs;
mod keys;
mod migrate;
mod models;
mod remote;
mod replay;
mod search;
mod serve;
mod show;
mod text;

use std::future::Future;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::config::Config;
use crate::document::CollectionName;
use crate::ingest::reader;
use crate::telemetry;

/// How long work on the blocking pool may still take when a command has ended.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// The shell's code for a command that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// Answers questions from your own documents, each sentence with its source.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// Configuration file [default: $CAIRN_CONFIG, else cairn.toml in this folder, where there is one]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set one key, e.g. --set retrieval.passages_max=4 (may be repeated)
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,
    /// What to log: error, warn, info, debug or trace
    #[arg(long, global = true, value_name = "LEVEL")]
    log: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Index folders, files, web pages, buckets and repositories
    Ingest(ingest::IngestArgs),
    /// Say where documents stand, try them again, remove them
    #[command(subcommand)]
    Documents(documents::DocumentsCommand),
    /// Print the text that is read in files, without indexing them
    Text(text::TextArgs),
    /// Say what was asked for and how far it is, and call it off
    #[command(subcommand)]
    Jobs(jobs::JobsCommand),
    /// Ask a question
    Ask(ask::AskArgs),
    /// Say how answers came about, and what they are worth
    #[command(subcommand)]
    Answers(answers::AnswersCommand),
    /// Ask an answer's question again, and show what is otherwise today
    Replay(replay::ReplayArgs),
    /// Find passages
    Search(search::SearchArgs),
    /// Serve the HTTP API
    Serve(serve::ServeArgs),
    /// Say what is there, what is missing, and how to get it
    Doctor(doctor::DoctorArgs),
    /// Measure answers and search on cases, and rule on a deploy
    #[command(subcommand)]
    Eval(eval::EvalCommand),
    /// Make, list and revoke the keys that callers show
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Move the index between this process and a Qdrant server, without embedding again
    Migrate(migrate::MigrateArgs),
    /// List and fetch embedding models
    #[command(subcommand)]
    Models(models::ModelsCommand),
    /// Read files that come on standard input, for another cairn
    #[command(hide = true)]
    Extract,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write it as section.key=value")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Runs one command to its end.
pub fn run(cli: Cli) -> ExitCode {
    if matches!(cli.command, Command::Extract) {
        // One thread and nothing open, so that it can be confined.
        return reader::run_child().map_or_else(|error| complain(&error.into()), |()| ExitCode::SUCCESS);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&anyhow::Error::new(error).context("start the runtime")),
    };
    let code = match runtime.block_on(dispatch(cli)) {
        Ok(code) => code,
        Err(error) if reader_left(&error) => ExitCode::SUCCESS,
        Err(error) => complain(&error),
    };
    runtime.shutdown_timeout(SHUTDOWN_TIMEOUT);
    code
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let Cli { global, command } = cli;
    match command {
        Command::Ingest(args) => ingest::run(args, global.load("warn", &[])?).await,
        Command::Documents(command) => documents::run(command, global.load("warn", &[])?).await,
        Command::Text(args) => text::run(args, global.load("warn", &[])?).await,
        Command::Jobs(command) => jobs::run(command, global.load("warn", &[])?).await,
        Command::Ask(args) => ask::run(args, global.load("warn", &[])?).await,
        Command::Answers(command) => answers::run(command, global.load("warn", &[])?).await,
        Command::Replay(args) => replay::run(args, global.load("warn", &[])?).await,
        Command::Search(args) => search::run(args, global.load("warn", &[])?).await,
        Command::Serve(args) => {
            let config = global.load("info", &args.overrides())?;
            serve::run(config).await
        }
        Command::Doctor(args) => doctor::run(args, global.load("error", &[])?).await,
        Command::Eval(command) => {
            let config = command.overrides().and_then(|settings| {
                let flags: Vec<(&str, String)> =
                    settings.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
                global.load("error", &flags)
            });
            Ok(match config {
                Ok(config) => eval::run(command, config).await,
                Err(error) => eval::could_not_run(&error),
            })
        }
        Command::Keys(command) => keys::run(command, global.load("warn", &[])?).await,
        Command::Migrate(args) => {
            let config = global.load("warn", &args.overrides())?;
            migrate::run(args, config).await
        }
        Command::Models(command) => models::run(command, global.load("warn", &[])?).await,
        Command::Extract => unreachable!("it runs without a runtime"),
    }
}

impl Global {
    /// The configuration, and logging started by it. `level` is the command's own unless somebody asked for another.
    fn load(&self, level: &str, overrides: &[(&str, String)]) -> anyhow::Result<Config> {
        let mut flags: Vec<(&str, String)> =
            self.set.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        flags.extend(overrides.iter().map(|(key, value)| (*key, value.clone())));
        if let Some(log) = &self.log {
            flags.push(("log.level", log.clone()));
        }
        let mut config = Config::load(self.config.as_deref(), &flags)?;
        if config.log.level.is_empty() {
            level.clone_into(&mut config.log.level);
        }
        telemetry::start_logging(&config.log)?;
        Ok(config)
    }
}

/// The collection that was named, else the configured one.
fn collection(named: Option<CollectionName>, config: &Config) -> CollectionName {
    named.unwrap_or_else(|| config.ingest.collection.clone())
}

/// Whether whoever read the output (`| head`) has seen enough.
fn reader_left(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// One sentence a cause on standard error.
fn complain(error: &anyhow::Error) -> ExitCode {
    tell(&format!("cairn: {error:#}"));
    ExitCode::FAILURE
}

/// A line on standard error, where anybody still reads it.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Runs `work` until Ctrl-C, which ends it with the shell's code for that.
async fn until_interrupted(work: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::select! {
        code = work => code,
        signal = crate::tasks::interrupted() => {
            signal?;
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}
