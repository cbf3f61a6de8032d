//! `cairn eval run`: asks a suite's cases, rules on them, writes the report; and `cairn eval rebaseline`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::Deserialize;

use super::progress::Progress;
use super::written;
use crate::chat::replay::Head;
use crate::config::Config;
use crate::eval::baseline::Baseline;
use crate::eval::gates::Gates;
use crate::eval::record::{JudgeRecord, Perturbation, PerturbationRecord, Report, Ruling};
use crate::eval::run::{self, ChatMode, Plan, Reserve};
use crate::eval::selftest::LabelledSet;
use crate::eval::suite::Suite;
use crate::files::replace;
use crate::tasks::blocking;

/// Reasons and cases that are printed; the report has all.
const SHOWN_MAX: usize = 20;
/// What written answers are recorded as, where nothing else is said.
const WRITTEN_MODEL: &str = "written-by-hand";
const WRITTEN_TOKENS_MAX: u32 = 1024;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Chat {
    /// Quotations, without a model
    Extractive,
    /// Answers that were recorded
    Replay,
    /// The configured endpoint
    Live,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Perturb {
    /// Passages that don't answer are added
    Distractors,
    /// Passages come in another order
    Shuffled,
    /// Passages that answer are taken out
    GoldRemoved,
    /// A passage is added that says otherwise
    Contradiction,
}

impl Perturb {
    fn kind(self) -> Perturbation {
        match self {
            Self::Distractors => Perturbation::Distractors,
            Self::Shuffled => Perturbation::Shuffled,
            Self::GoldRemoved => Perturbation::GoldRemoved,
            Self::Contradiction => Perturbation::Contradiction,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RunArgs {
    /// The suite's TOML file
    pub(super) suite: PathBuf,
    /// Compare with this baseline
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Rule by these gates
    #[arg(long, value_name = "FILE")]
    gates: Option<PathBuf>,
    /// How answers are made [default: live where an endpoint is set up, else extractive]
    #[arg(long, value_enum)]
    chat: Option<Chat>,
    /// Recorded answers to replay
    #[arg(long, value_name = "FILE", required_if_eq("chat", "replay"))]
    recording: Option<PathBuf>,
    /// Record answers to this file
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Ask only what is not recorded there yet, and keep the rest
    #[arg(long, requires = "record", conflicts_with = "answers")]
    missing: bool,
    /// Answers that a person wrote (JSONL: id, answer), to be recorded for the prompts that their cases give
    #[arg(long, value_name = "FILE", requires = "record")]
    answers: Option<PathBuf>,
    /// A folder of labelled answers that the scorer is validated on (may be repeated)
    #[arg(long, value_name = "DIR")]
    labels: Vec<PathBuf>,
    /// A folder of people's labels of answers to this suite; 100 or more correct absolute rates
    #[arg(long, value_name = "DIR")]
    own_labels: Option<PathBuf>,
    /// Ask the chat model of ground.judge about every claim as well, and report how far it and the scorer agree
    #[arg(long)]
    judge: bool,
    /// Ask the judge at most so often
    #[arg(long, value_name = "N", default_value_t = 2000, requires = "judge")]
    judge_calls_max: usize,
    /// Ask the reserve's cases too, whatever the gates say
    #[arg(long)]
    reserve: bool,
    /// Ask every case again with its passages changed so, and compare (separated by commas)
    #[arg(long, value_name = "KINDS", value_enum, value_delimiter = ',')]
    perturb: Vec<Perturb>,
    /// Where the index, finished cases and the report go [default: eval/NAME in data.dir]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RebaselineArgs {
    /// The report of the run that is the new baseline
    report: PathBuf,
    /// The baseline's file
    #[arg(long, value_name = "FILE")]
    baseline: PathBuf,
    /// Why it is made anew; written down in it
    #[arg(long)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenLine {
    id: String,
    answer: String,
    /// What is known of it, for whoever reads the file.
    #[serde(default, rename = "note")]
    _note: Option<String>,
}

impl RunArgs {
    /// Replaying asks no endpoint; but without one, nothing that is said of prompts would be read.
    pub(super) fn replays(&self) -> bool {
        matches!(self.chat, Some(Chat::Replay)) || self.answers.is_some()
    }

    fn plan(self, config: &Config) -> anyhow::Result<Plan> {
        let suite = Suite::read(&self.suite)?;
        let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("read {}", path.display()));
        let out = self.out.unwrap_or_else(|| config.data_dir.join("eval").join(&suite.name));
        let usual = if config.chat.is_some() { Chat::Live } else { Chat::Extractive };
        let chat = match (&self.answers, self.chat.unwrap_or(usual), &self.recording) {
            (Some(path), ..) => {
                written(&suite, &read(path)?, config).with_context(|| format!("read {}", path.display()))?
            }
            (None, Chat::Extractive, _) => ChatMode::Extractive,
            (None, Chat::Replay, Some(path)) => ChatMode::Replay(read(path)?),
            (None, Chat::Replay, None) => bail!("--chat replay needs --recording FILE"),
            (None, Chat::Live, _) => ChatMode::Live,
        };
        let labels = self.labels.iter().map(|folder| LabelledSet::read(folder)).collect::<Result<_, _>>()?;
        let mut perturbations: Vec<Perturbation> = Vec::new();
        for kind in self.perturb.into_iter().map(Perturb::kind) {
            if !perturbations.contains(&kind) {
                perturbations.push(kind);
            }
        }
        Ok(Plan {
            perturbations,
            suite,
            chat,
            out,
            baseline: self.baseline.as_deref().map(Baseline::read).transpose()?,
            gates: self.gates.as_deref().map(Gates::read).transpose()?,
            record: self.record,
            missing: self.missing,
            labels,
            own_labels: self.own_labels.as_deref().map(LabelledSet::read).transpose()?,
            judge: self.judge.then_some(self.judge_calls_max),
            reserve: if self.reserve { Reserve::Always } else { Reserve::WhereNeeded },
        })
    }
}

/// Answers by hand, for the questions of their cases.
fn written(suite: &Suite, text: &str, config: &Config) -> anyhow::Result<ChatMode> {
    let mut by_question = BTreeMap::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let line: WrittenLine = serde_json::from_str(line).with_context(|| format!("line {}", at + 1))?;
        let Some(case) = suite.cases.iter().find(|case| case.id == line.id) else {
            bail!("line {}: the suite has no case {:?}", at + 1, line.id);
        };
        if by_question.insert(case.question.clone(), line.answer).is_some() {
            bail!("line {}: the question of {:?} was answered before", at + 1, line.id);
        }
    }
    let (temperature, tokens) =
        config.chat.as_ref().map_or((0.0, WRITTEN_TOKENS_MAX), |chat| (chat.temperature, chat.answer_tokens_max));
    Ok(ChatMode::Written { head: Head::new(WRITTEN_MODEL.to_owned(), temperature, tokens), by_question })
}

pub(super) async fn run(args: RunArgs, config: Config) -> anyhow::Result<ExitCode> {
    let plan = args.plan(&config)?;
    let out = plan.out.clone();
    announce(&plan);
    let progress = Progress::new();
    let report = run::run(config, plan, |what, done, all| progress.at(what, done, all)).await?;
    progress.clear();
    let (report, written) = blocking(move || written::write(&report, &out).map(|written| (report, written))).await??;
    print(&report, &mut io::stdout())?;
    written::print(&written, &mut io::stdout())?;
    writeln!(io::stdout(), "{}", report.ruling.name())?;
    Ok(ExitCode::from(report.exit_code))
}

/// What so many cases can show, before they are asked.
fn announce(plan: &Plan) {
    let Some(gates) = plan.gates.as_ref().filter(|gates| gates.gates.iter().any(|gate| gate.margin.is_some())) else {
        return;
    };
    for line in run::power(&plan.suite, gates) {
        super::tell(&line);
    }
}

fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    let counts = &report.counts;
    let asked = counts.done + counts.errored + counts.stale;
    writeln!(
        out,
        "{}: {asked} cases, {} answered, {} refused, {} errored, {} stale",
        report.suite,
        counts.answered + counts.partial,
        counts.refused,
        counts.errored,
        counts.stale
    )?;
    for metric in &report.metrics {
        let skipped: usize = metric.skipped.values().sum();
        let name = metric.measure.name();
        match metric.estimate {
            Some(found) => {
                let (value, low, high) = (found.value.get(), found.low.get(), found.high.get());
                writeln!(
                    out,
                    "  {name:<20}{value:>6.3}   {low:.3} to {high:.3}   {} cases, {skipped} skipped",
                    metric.cases
                )?;
            }
            None => writeln!(out, "  {name:<20}     -   {skipped} skipped")?,
        }
    }
    for perturbed in &report.perturbations {
        print_perturbed(perturbed, out)?;
    }
    for gate in &report.gates {
        writeln!(out, "{:<13}{}", gate.ruling.name(), gate.reason)?;
    }
    for held in report.invariants.iter().filter(|held| held.ruling != Ruling::Pass) {
        let cases: Vec<&str> = held.cases.iter().take(SHOWN_MAX).map(String::as_str).collect();
        writeln!(out, "{:<13}{}: {}", held.ruling.name(), held.name, held.reason)?;
        writeln!(out, "             {}", cases.join(", "))?;
    }
    if let Some(judge) = &report.judge {
        writeln!(out, "{}", judged(judge))?;
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    for reason in report.reasons.iter().take(SHOWN_MAX) {
        writeln!(out, "because: {reason}")?;
    }
    Ok(())
}

/// A second scorer, in a line.
fn judged(judge: &JudgeRecord) -> String {
    let caught = |kind: &dyn Fn(&str) -> bool| {
        let of = judge.canaries.iter().filter(|canary| kind(&canary.kind));
        of.fold((0, 0), |(caught, made), canary| (caught + canary.caught, made + canary.made))
    };
    let ((caught, planted), (alarms, untouched)) = (caught(&|kind| kind != "none"), caught(&|kind| kind == "none"));
    let share = judge.agreement.share.map_or_else(|| "-".to_owned(), |share| format!("{:.3}", share.get()));
    let kappa = judge.agreement.kappa.map_or_else(|| "-".to_owned(), |kappa| format!("{:.3}", kappa.get()));
    format!(
        "judge {}: agrees with the scorer on {share} of claims (kappa {kappa}); catches {caught} of {planted} planted \
         faults, doubts {alarms} of {untouched} untouched sentences; {} calls, {} unreadable, {} failed, {} not asked",
        judge.model, judge.calls, judge.unread, judge.failed, judge.not_asked
    )
}

/// The same cases with their passages changed: what differs, with its interval and p.
fn print_perturbed(perturbed: &PerturbationRecord, out: &mut impl Write) -> io::Result<()> {
    let PerturbationRecord { kind, expected, cases, .. } = perturbed;
    let left_out: usize = perturbed.left_out.values().sum();
    writeln!(out, "{}: {cases} cases, {left_out} left out; expected: {expected}", kind.name())?;
    for difference in &perturbed.differences {
        let (name, gain) = (difference.measure.name(), difference.gain);
        writeln!(
            out,
            "  {name:<20}{:>6.3} -> {:.3}   gain {:+.3}, {:+.3} to {:+.3}   p {:.3}",
            difference.baseline.get(),
            difference.run.get(),
            gain.value.get(),
            gain.low.get(),
            gain.high.get(),
            difference.p.get()
        )?;
    }
    if let Some(citing) = perturbed.cites_added {
        writeln!(out, "  {citing} answers cite what was added")?;
    }
    Ok(())
}

pub(super) fn rebaseline(args: &RebaselineArgs) -> anyhow::Result<ExitCode> {
    let text = fs::read_to_string(&args.report).with_context(|| format!("read {}", args.report.display()))?;
    let report = Report::read(&text).with_context(|| format!("read {}", args.report.display()))?;
    let before = if args.baseline.exists() { Some(Baseline::read(&args.baseline)?) } else { None };
    let made = Baseline::of(&report, before.as_ref(), &args.reason)?;
    replace(&args.baseline, &made.text()?).with_context(|| format!("write {}", args.baseline.display()))?;
    writeln!(io::stdout(), "{} is the baseline of {} cases", args.baseline.display(), made.cases.len())?;
    Ok(ExitCode::SUCCESS)
}
