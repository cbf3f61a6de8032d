//! `cairn eval`: whether this build, with this configuration, on these documents, still answers as well.
//!
//! Exit codes: 0 pass, 1 fail, 2 could not run or underpowered, 3 the scorer failed its own validation, 4 inconclusive
//! and set to block.

mod add;
mod generate;
mod label;
mod measures;
mod progress;
mod retrieval;
mod review;
mod run;
mod written;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use super::{INTERRUPTED, tell};
use crate::config::Config;
use crate::eval::suite::Suite;

/// The exit code of what could not run.
const COULD_NOT_RUN: u8 = 2;
/// An endpoint that is never asked: recorded answers need none, and without one, settings of prompts are not read.
const NOBODY: (&str, &str) = ("chat.base_url", "http://127.0.0.1:9/v1");

#[derive(Debug, Subcommand)]
pub(super) enum EvalCommand {
    /// Ask a suite's cases, compare with a baseline, and rule by gates
    Run(run::RunArgs),
    /// Make the baseline of a run's report, and write down why
    Rebaseline(run::RebaselineArgs),
    /// Draw the page and the summaries of a run's report anew
    Report(written::ReportArgs),
    /// Measure search on a BEIR folder or a SQuAD file
    Retrieval(retrieval::RetrievalArgs),
    /// Score answers that any system made
    Score(measures::ScoreArgs),
    /// Say which faults the scorer sees on a suite's documents, and how far it agrees with people's labels
    Selftest(measures::SelftestArgs),
    /// Say of a run's answers, sentence by sentence, whether their passages bear them out
    Label(label::LabelArgs),
    /// Fit what is refused to a suite's cases, or what is retracted to labelled answers
    Calibrate(measures::CalibrateArgs),
    /// Make cases from documents
    Generate(generate::GenerateArgs),
    /// Approve, reject or edit the cases that a program made
    Review(review::ReviewArgs),
    /// Make a case of an answer that somebody got, and of what people said of it
    Add(add::AddArgs),
}

impl EvalCommand {
    /// Settings that the suite fixes, read before the configuration is.
    pub(super) fn overrides(&self) -> anyhow::Result<Vec<(String, String)>> {
        let fixed = |suite: &Path| Suite::read(suite).map(|suite| suite.settings);
        match self {
            Self::Run(args) => {
                let mut settings = fixed(&args.suite)?;
                if args.replays() {
                    settings.push((NOBODY.0.to_owned(), NOBODY.1.to_owned()));
                }
                Ok(settings)
            }
            Self::Selftest(args) => fixed(&args.suite),
            Self::Calibrate(measures::CalibrateArgs { suite, .. })
            | Self::Generate(generate::GenerateArgs { suite, .. }) => {
                suite.as_deref().map_or_else(|| Ok(Vec::new()), fixed)
            }
            Self::Rebaseline(_)
            | Self::Report(_)
            | Self::Retrieval(_)
            | Self::Score(_)
            | Self::Label(_)
            | Self::Review(_)
            | Self::Add(_) => Ok(Vec::new()),
        }
    }
}

pub(super) async fn run(command: EvalCommand, config: Config) -> ExitCode {
    let work = async {
        match command {
            EvalCommand::Run(args) => run::run(args, config).await,
            EvalCommand::Rebaseline(args) => run::rebaseline(&args),
            EvalCommand::Report(args) => written::run(args).await,
            EvalCommand::Retrieval(args) => retrieval::run(args, config).await,
            EvalCommand::Score(args) => measures::score(args, config).await,
            EvalCommand::Selftest(args) => measures::selftest(args, config).await,
            EvalCommand::Label(args) => label::run(args).await,
            EvalCommand::Calibrate(args) => measures::calibrate(args, config).await,
            EvalCommand::Generate(args) => generate::run(args, config).await,
            EvalCommand::Review(args) => review::run(args).await,
            EvalCommand::Add(args) => add::run(args, config).await,
        }
    };
    let ended = tokio::select! {
        ended = work => ended,
        signal = crate::tasks::interrupted() => signal.map_err(anyhow::Error::from).map(|_| ExitCode::from(INTERRUPTED)),
    };
    ended.unwrap_or_else(|error| could_not_run(&error))
}

/// Says why on standard error.
pub(super) fn could_not_run(error: &anyhow::Error) -> ExitCode {
    tell(&format!("cairn: {error:#}"));
    ExitCode::from(COULD_NOT_RUN)
}
