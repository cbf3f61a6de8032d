//! `cairn eval retrieval`: recall, nDCG and MRR on a benchmark, and the rankings for other programs to measure.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::progress::Progress;
use crate::config::{CANDIDATES_MAX, Config};
use crate::eval::record::canonical;
use crate::eval::retrieval::{self, Dataset, RetrievalReport};

#[derive(Debug, Args)]
pub(in crate::cli) struct RetrievalArgs {
    /// A BEIR folder (corpus.jsonl, queries.jsonl, qrels/), or a SQuAD JSON file
    dataset: PathBuf,
    /// Which qrels/NAME.tsv [default: test, else the only one]
    #[arg(long, value_name = "NAME")]
    split: Option<String>,
    /// Hits of each search [default: retrieval.candidates]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    depth: usize,
    /// Keep the index here, and use it again [default: eval in data.dir]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the rankings in TREC's format
    #[arg(long, value_name = "FILE")]
    run_out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: RetrievalArgs, config: Config) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(args.depth <= CANDIDATES_MAX, "--depth is {}, must be at most {CANDIDATES_MAX}", args.depth);
    let dataset = Dataset::read(&args.dataset, args.split.as_deref())?;
    let folder = args.out.unwrap_or_else(|| config.data_dir.join("eval").join(format!("retrieval-{}", dataset.name)));
    let progress = Progress::new();
    let told = |what: &str, done, all| progress.at(what, done, all);
    let (report, rankings) = retrieval::run(config, dataset, (&folder, args.depth), told).await?;
    progress.clear();
    if let Some(path) = &args.run_out {
        let written = File::create(path).and_then(|file| retrieval::write_trec(&rankings, &mut BufWriter::new(file)));
        written.with_context(|| format!("write {}", path.display()))?;
    }
    if args.json {
        write!(io::stdout(), "{}", canonical(&report)?)?;
    } else {
        table(&report, &mut io::stdout())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn table(report: &RetrievalReport, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{}: {} documents, {} queries", report.dataset, report.documents, report.queries)?;
    for (name, estimate) in &report.metrics {
        let (value, low, high) = (estimate.value.get(), estimate.low.get(), estimate.high.get());
        writeln!(out, "{name:<12}{value:.4}   95% interval {low:.4} to {high:.4}")?;
    }
    for (what, troubles) in [("query", &report.errored), ("document", &report.rejected)] {
        for (id, reason) in troubles {
            writeln!(out, "{what} {id}: {reason}")?;
        }
    }
    Ok(())
}
