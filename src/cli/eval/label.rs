//! `cairn eval label`: answers of a run, shown one by one with their passages, and what a person says of each sentence.
//!
//! A line of input is an answer, from a terminal and from a pipe alike. The end of the input is a quit.

use std::fs;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::review::line;
use crate::cli::show::shown;
use crate::eval::label::Labels;
use crate::eval::record::{CaseRecord, ClaimRecord, Report};
use crate::tasks::blocking;

const KEYS: &str = "Do the passages bear out all of it? [y]es  [n]o  [s]kip this answer  [q]uit";

#[derive(Debug, Args)]
pub(in crate::cli) struct LabelArgs {
    /// The report.json of a run
    report: PathBuf,
    /// The folder that the labels go to; what is there stays
    #[arg(long, value_name = "DIR")]
    labels: PathBuf,
}

/// What was said.
#[derive(Debug, Default)]
struct Tally {
    answers: usize,
    right: usize,
    wrong: usize,
}

/// What was said of one answer.
enum Said<'a> {
    /// Its claims that are wrong.
    Read(Vec<&'a ClaimRecord>),
    Skipped,
    Quit,
}

pub(super) async fn run(args: LabelArgs) -> anyhow::Result<ExitCode> {
    // On a thread that may be left behind: whoever presses Ctrl-C does not wait for a line.
    blocking(move || {
        let text = fs::read_to_string(&args.report).with_context(|| format!("read {}", args.report.display()))?;
        let report = Report::read(&text).with_context(|| format!("read {}", args.report.display()))?;
        let mut labels = Labels::open(&args.labels)?;
        let (stdin, mut out) = (io::stdin(), io::stdout());
        let is_asked = stdin.is_terminal();
        let tally = go_through(&mut labels, &report, &mut stdin.lock(), &mut out)
            .with_context(|| format!("label answers in {}", args.labels.display()))?;
        if is_asked {
            writeln!(out)?;
        }
        let left = labels.open_answers(&report).len();
        let Tally { answers, right, wrong } = tally;
        writeln!(out, "{answers} answers read: {right} sentences right, {wrong} wrong; {left} answers to go")?;
        Ok(ExitCode::SUCCESS)
    })
    .await?
}

fn go_through(
    labels: &mut Labels,
    report: &Report,
    lines: &mut impl BufRead,
    out: &mut impl Write,
) -> io::Result<Tally> {
    let mut tally = Tally::default();
    let open = labels.open_answers(report);
    for (at, case) in open.iter().enumerate() {
        show(case, (at + 1, open.len()), out)?;
        match ask(case, lines, out)? {
            Said::Read(wrong) => {
                labels.keep(report, case, &wrong)?;
                tally.answers += 1;
                tally.wrong += wrong.len();
                tally.right += case.claims.len() - wrong.len();
            }
            Said::Skipped => {}
            Said::Quit => break,
        }
    }
    Ok(tally)
}

fn ask<'a>(case: &'a CaseRecord, lines: &mut impl BufRead, out: &mut impl Write) -> io::Result<Said<'a>> {
    let mut wrong = Vec::new();
    for claim in &case.claims {
        writeln!(out, "\n  “{}”", shown(&claim.text))?;
        loop {
            write!(out, "{KEYS} > ")?;
            out.flush()?;
            let Some(line) = line(lines)? else { return Ok(Said::Quit) };
            match line.to_lowercase().as_str() {
                "y" | "yes" => break,
                "n" | "no" => {
                    wrong.push(claim);
                    break;
                }
                "s" | "skip" => return Ok(Said::Skipped),
                "q" | "quit" => return Ok(Said::Quit),
                _ => writeln!(out, "that is none of y, n, s and q")?,
            }
        }
    }
    Ok(Said::Read(wrong))
}

fn show(case: &CaseRecord, (at, all): (usize, usize), out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\n{at} of {all}  {}", shown(&case.id))?;
    for passage in &case.passages {
        writeln!(out, "\n--- [{}] {}", passage.number, shown(&passage.document))?;
        for line in passage.text.lines() {
            writeln!(out, "  {}", shown(line))?;
        }
    }
    for earlier in &case.asked.history {
        writeln!(out, "\n{}", shown(earlier))?;
    }
    writeln!(out, "\n=== {}\n", shown(&case.asked.question))?;
    for line in case.answer.lines() {
        writeln!(out, "  {}", shown(line))?;
    }
    Ok(())
}
