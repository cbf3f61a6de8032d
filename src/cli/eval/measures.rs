//! `cairn eval score`, `cairn eval selftest` and `cairn eval calibrate`: the scorer by itself, and what is refused.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;

use super::progress::Progress;
use crate::app;
use crate::config::Config;
use crate::eval::calibrate::setting::{RELEVANCE_MIN, RETRACT_BELOW, Setting};
use crate::eval::calibrate::{self, Choice, Costs, sentences};
use crate::eval::gates::Gates;
use crate::eval::index::{Document, Index};
use crate::eval::record::{Card, canonical};
use crate::eval::score;
use crate::eval::selftest::{self, LabelledSet};
use crate::eval::suite::Suite;
use crate::files::replace;
use crate::tasks::blocking;

/// The exit code of a scorer that failed its own validation.
const UNQUALIFIED: u8 = 3;
/// The configuration that is written to where none is named.
const CONFIG_FILE: &str = "cairn.toml";

#[derive(Debug, Args)]
pub(in crate::cli) struct ScoreArgs {
    /// Answers, JSONL: question, contexts, answer; `-` for standard input
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SelftestArgs {
    /// The suite whose documents faults are planted in
    pub(super) suite: PathBuf,
    /// The gates file that has the bars
    #[arg(long, value_name = "FILE")]
    gates: Option<PathBuf>,
    /// A folder of labelled answers (may be repeated)
    #[arg(long, value_name = "DIR")]
    labels: Vec<PathBuf>,
    /// Where the index goes [default: eval/NAME in data.dir]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the card as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CalibrateArgs {
    /// The suite whose cases `retrieval.relevance_min` is fitted to
    #[arg(required_unless_present = "labels", conflicts_with = "labels")]
    pub(super) suite: Option<PathBuf>,
    /// What a refusal costs where the documents do answer
    #[arg(long, default_value_t = 1.0)]
    wrong_refusal: f64,
    /// What an answer costs where they don't
    #[arg(long, default_value_t = 1.0)]
    wrong_answer: f64,
    /// Fit `answer.retract_below` to a folder of labelled answers instead, as `cairn eval label` makes it
    #[arg(long, value_name = "DIR")]
    labels: Option<PathBuf>,
    /// The share of the sentences shown as supported that has to be right, with --labels
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, value_parser = share, requires = "labels")]
    precision: f64,
    /// Where the index goes [default: eval/NAME in data.dir]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write the threshold to this configuration file [with no value: cairn.toml]
    #[arg(long, value_name = "FILE", num_args = 0..=1, default_missing_value = CONFIG_FILE)]
    write: Option<PathBuf>,
}

/// A line of JSON an answer, and how many are grounded on standard error.
pub(super) async fn score(args: ScoreArgs, config: Config) -> anyhow::Result<ExitCode> {
    let scorer = app::scorer(&config).await?;
    let written = blocking(move || {
        let text = if args.file == Path::new("-") {
            let mut text = String::new();
            io::stdin().lock().read_to_string(&mut text).context("read standard input")?;
            text
        } else {
            fs::read_to_string(&args.file).with_context(|| format!("read {}", args.file.display()))?
        };
        let (mut grounded, mut claiming, mut all) = (0usize, 0usize, 0usize);
        let mut out = io::stdout().lock();
        for scored in score::lines(&scorer, &text) {
            let scored = scored.with_context(|| format!("read {}", args.file.display()))?;
            all += 1;
            claiming += usize::from(scored.is_grounded.is_some());
            grounded += usize::from(scored.is_grounded == Some(true));
            writeln!(out, "{}", serde_json::to_string(&scored)?)?;
        }
        anyhow::Ok((grounded, claiming, all))
    });
    let (grounded, claiming, all) = written.await??;
    super::tell(&format!("{all} answers, {claiming} with claims, {grounded} of these with every claim supported"));
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn selftest(args: SelftestArgs, config: Config) -> anyhow::Result<ExitCode> {
    let suite = Suite::read(&args.suite)?;
    let bars = args.gates.as_deref().map(Gates::read).transpose()?.unwrap_or_default().selftest;
    let sets: Vec<LabelledSet> =
        args.labels.iter().map(|folder| LabelledSet::read(folder)).collect::<Result<_, _>>()?;
    let out = args.out.unwrap_or_else(|| config.data_dir.join("eval").join(&suite.name));
    let index = Index::open(config, &suite.documents, &out).await?;
    let (documents, scorer) = (index.documents.clone(), Arc::clone(&index.app.answerer.scorer));
    index.app.ledger.close().await;
    let card = blocking(move || {
        let documents: Vec<&Document> = documents.values().collect();
        selftest::card(&scorer, &documents, &sets, (&bars, false))
    });
    let card = card.await?;
    if args.json {
        write!(io::stdout(), "{}", canonical(&card)?)?;
    } else {
        print_card(&card, &mut io::stdout())?;
    }
    Ok(if card.passed { ExitCode::SUCCESS } else { ExitCode::from(UNQUALIFIED) })
}

fn print_card(card: &Card, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "planted faults that the scorer does not call supported:")?;
    for canary in &card.canaries {
        let sight = match (canary.made, canary.is_seen) {
            (0, _) => "none could be made of these documents",
            (_, true) => "",
            (_, false) => "not seen well enough",
        };
        writeln!(out, "  {:<12}{:>4} of {:<4} {sight}", canary.kind, canary.caught, canary.made)?;
    }
    for set in &card.labelled {
        let shown = |found: Option<crate::eval::record::Estimate>| {
            found.map_or_else(
                || "-".to_owned(),
                |found| format!("{:.3} ({:.3} to {:.3})", found.value.get(), found.low.get(), found.high.get()),
            )
        };
        writeln!(
            out,
            "{} ({} labels, {:?}): AUROC {}, balanced accuracy {}, F1 {}",
            set.name,
            set.labels,
            set.level,
            shown(set.auroc),
            shown(set.balanced_accuracy),
            shown(set.f1)
        )?;
    }
    for bar in &card.bars {
        let found = bar.found.map_or_else(|| "undefined".to_owned(), |found| format!("{:.3}", found.get()));
        let met = if bar.met { "met" } else { "missed" };
        writeln!(out, "{met:<7}{}: {found}, must be at least {:.3}", bar.name, bar.least.get())?;
    }
    writeln!(out, "{}", card.scope)
}

pub(super) async fn calibrate(args: CalibrateArgs, config: Config) -> anyhow::Result<ExitCode> {
    let (setting, fitted) = match (&args.suite, &args.labels) {
        (Some(suite), _) => (RELEVANCE_MIN, Some(refusals(suite, &args, config).await?)),
        (None, Some(labels)) => (RETRACT_BELOW, retractions(labels, args.precision, &config).await?),
        (None, None) => bail!("name a suite, or --labels DIR"),
    };
    if let Some(path) = &args.write {
        let threshold = fitted.with_context(|| format!("no value of {} fits: nothing is written", setting.name()))?;
        write_setting(path, setting, threshold)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What costs least on a suite's cases.
async fn refusals(suite: &Path, args: &CalibrateArgs, config: Config) -> anyhow::Result<f64> {
    let suite = Suite::read(suite)?;
    let out = args.out.clone().unwrap_or_else(|| config.data_dir.join("eval").join(&suite.name));
    let (now, progress) = (f64::from(config.retrieval.relevance_min), Progress::new());
    let told = |what: &str, done, all| progress.at(what, done, all);
    let best = calibrate::measure(config, (&suite, &out), told).await?;
    progress.clear();
    let costs = Costs { wrong_refusal: args.wrong_refusal, wrong_answer: args.wrong_answer };
    let (choices, chosen) = calibrate::choices(&best, costs);
    let chosen = chosen.context("no case found anything: there is nothing to fit")?;
    table(&choices, chosen, (now, best.iter().filter(|case| case.answerable).count(), best.len()), &mut io::stdout())?;
    Ok(chosen.threshold)
}

/// The lowest threshold at which so many of the labelled sentences that are shown are right. None: there is none.
async fn retractions(labels: &Path, precision: f64, config: &Config) -> anyhow::Result<Option<f64>> {
    let set = LabelledSet::read(labels)?;
    let scorer = app::scorer(config).await?;
    let now = f64::from(config.answer.retract_below);
    let read = blocking(move || set.sentences(&scorer)).await?;
    let (choices, chosen) = sentences::choices(&read, precision);
    let out = &mut io::stdout();
    let right = read.iter().filter(|sentence| sentence.right).count();
    writeln!(out, "{} sentences, {right} of them right\n", read.len())?;
    writeln!(out, "retract_below   shown   right   share right (95%)")?;
    for choice in &choices {
        let mark = if Some(*choice) == chosen { "  <- fits" } else { "" };
        let share = choice.precision().zip(choice.interval()).map_or_else(String::new, |(share, interval)| {
            format!("{share:.2} ({:.2} to {:.2})", interval.low, interval.high)
        });
        writeln!(out, "{:>13.2}   {:>5}   {:>5}   {share}{mark}", choice.threshold, choice.shown, choice.right)?;
    }
    let says = chosen.map_or_else(
        || "at no value are enough sentences shown, and enough of them right".to_owned(),
        |chosen| format!("{:.2} is the lowest at which {precision} of what is shown is right", chosen.threshold),
    );
    writeln!(out, "\n{} is {now:.2} now; {says}", RETRACT_BELOW.name())?;
    Ok(chosen.map(|chosen| chosen.threshold))
}

fn write_setting(path: &Path, setting: Setting, threshold: f64) -> anyhow::Result<()> {
    let before = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read.with_context(|| format!("read {}", path.display()))?,
    };
    let after = setting.written(&before, threshold).with_context(|| format!("write {}", path.display()))?;
    replace(path, &after).with_context(|| format!("write {}", path.display()))?;
    writeln!(io::stdout(), "{} has it now", path.display())?;
    Ok(())
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "it is no number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share is from 0 to 1".to_owned()) }
}

fn table(
    choices: &[Choice],
    chosen: Choice,
    (now, answerable, all): (f64, usize, usize),
    out: &mut impl Write,
) -> io::Result<()> {
    writeln!(out, "{answerable} cases that the documents answer, {} that they don't\n", all - answerable)?;
    writeln!(out, "relevance_min   wrong refusals   wrong answers   cost")?;
    for choice in choices {
        let mark = if choice.threshold.total_cmp(&chosen.threshold).is_eq() { "  <- fits best" } else { "" };
        let Choice { threshold, wrong_refusals, wrong_answers, cost } = choice;
        writeln!(out, "{threshold:>13.2}   {wrong_refusals:>14}   {wrong_answers:>13}   {cost:>4.1}{mark}")?;
    }
    writeln!(out, "\nretrieval.relevance_min is {now:.2} now, {:.2} fits these cases best", chosen.threshold)
}
