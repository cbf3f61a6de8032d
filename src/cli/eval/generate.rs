//! `cairn eval generate`: cases made from documents, into a file that a person reads through.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{ArgGroup, Args};

use super::progress::Progress;
use crate::config::Config;
use crate::document::CollectionName;
use crate::eval::case::{self, CASES_MAX, Case, MadeBy};
use crate::eval::generate::{self, Made, Plan};
use crate::eval::review;
use crate::eval::suite::{Documents, Suite};

/// Where the index is below the data folder, where no suite has one of its own.
const FOLDER: &str = "generate";

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("of").required(true))]
pub(in crate::cli) struct GenerateArgs {
    /// The suite whose documents are asked about; its cases are not made again
    #[arg(group = "of")]
    pub(super) suite: Option<PathBuf>,
    /// Ask about a collection of the data folder
    #[arg(long, value_name = "NAME", group = "of")]
    collection: Option<CollectionName>,
    /// Ask about these files and folders (may be repeated)
    #[arg(long, value_name = "PATH", group = "of")]
    documents: Vec<PathBuf>,
    /// Files and folders that are not among the documents: questions about them have no answer (may be repeated)
    #[arg(long, value_name = "PATH")]
    removed: Vec<PathBuf>,
    /// Cases at most
    #[arg(long, default_value_t = 200)]
    count: usize,
    /// Another seed chooses other questions
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Have the configured chat model write questions too
    #[arg(long)]
    chat: bool,
    /// Calls of the chat model at most
    #[arg(long, value_name = "N", default_value_t = 200, requires = "chat")]
    calls: usize,
    /// The file of cases, JSONL; those that it has stay, and new ones are added
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(super) async fn run(args: GenerateArgs, config: Config) -> anyhow::Result<ExitCode> {
    anyhow::ensure!((1..=CASES_MAX).contains(&args.count), "--count is {}, must be in 1..={CASES_MAX}", args.count);
    let there = |path: &Path| if path.exists() { case::read(path) } else { Ok(Vec::new()) };
    let (before, rejected) = (there(&args.out)?, there(&review::rejected(&args.out))?);
    let (documents, mut known, folder): (_, Vec<Case>, _) = match (&args.suite, args.collection) {
        (Some(path), _) => {
            let suite = Suite::read(path)?;
            let folder = config.data_dir.join("eval").join(&suite.name);
            (suite.documents, suite.cases.into_iter().chain(suite.reserve).collect(), folder)
        }
        (None, Some(name)) => (Documents::Collection(name), Vec::new(), config.data_dir.join("eval").join(FOLDER)),
        (None, None) => (Documents::Paths(args.documents), Vec::new(), config.data_dir.join("eval").join(FOLDER)),
    };
    // What somebody has rejected is not thought of again.
    for case in before.iter().chain(&rejected) {
        if known.iter().all(|other| other.id != case.id) {
            known.push(case.clone());
        }
    }
    let calls_max = if args.chat { args.calls } else { 0 };
    let (count, seed, removed) = (args.count, args.seed, args.removed);
    let plan = Plan { documents, removed, known, folder, count, seed, calls_max };
    let progress = Progress::new();
    let made = generate::generate(config, plan, |what, done, all| progress.at(what, done, all)).await?;
    progress.clear();
    let written = case::write(&args.out, before.iter().chain(&made.cases));
    written.with_context(|| format!("write {}", args.out.display()))?;
    print(&made, &args.out, &mut io::stdout())?;
    Ok(ExitCode::SUCCESS)
}

fn print(made: &Made, path: &Path, out: &mut impl Write) -> io::Result<()> {
    let mut by: BTreeMap<MadeBy, usize> = BTreeMap::new();
    for kind in made.cases.iter().filter_map(|case| case.made_by) {
        *by.entry(kind).or_default() += 1;
    }
    writeln!(out, "{} cases are added to {}", made.cases.len(), path.display())?;
    for (kind, count) in by {
        writeln!(out, "  {count:>5}  {}", kind.name())?;
    }
    let dropped: usize = made.dropped.values().sum();
    if dropped > 0 {
        writeln!(out, "{dropped} questions were dropped:")?;
        for (why, count) in &made.dropped {
            writeln!(out, "  {count:>5}  {why}")?;
        }
    }
    for (why, count) in &made.refused {
        writeln!(out, "{count} replies of the chat model were refused: {why}")?;
    }
    writeln!(out, "no person has approved them: cairn eval review {}", path.display())
}
