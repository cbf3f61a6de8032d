//! `cairn eval review`: the cases that a program made, shown one by one, and what a person decides on each.
//!
//! A line of input is a decision, from a terminal and from a pipe alike. The end of the input is a quit.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::cli::show::shown;
use crate::eval::case::{Case, Speaker};
use crate::eval::review::{Decision, Review, ReviewError};
use crate::tasks::blocking;

const KEYS: &str = "[a]pprove  [r]eject  [e]dit the question  [s]kip  [q]uit";

#[derive(Debug, Args)]
pub(in crate::cli) struct ReviewArgs {
    /// The file of cases, JSONL
    file: PathBuf,
}

/// What was decided.
#[derive(Debug, Default)]
struct Tally {
    approved: usize,
    rejected: usize,
    edited: usize,
    skipped: usize,
}

/// What a line asks for.
enum Key {
    Approve,
    Reject,
    Edit,
    Skip,
    Quit,
}

pub(super) async fn run(args: ReviewArgs) -> anyhow::Result<ExitCode> {
    // On a thread that may be left behind: whoever presses Ctrl-C does not wait for a line.
    blocking(move || {
        let mut review = Review::open(&args.file)?;
        let (stdin, mut out) = (io::stdin(), io::stdout());
        let is_asked = stdin.is_terminal();
        let tally = go_through(&mut review, &mut stdin.lock(), &mut out).context("review the cases")?;
        if is_asked {
            writeln!(out)?;
        }
        let left = review.open_cases().len();
        let Tally { approved, rejected, edited, skipped } = tally;
        writeln!(out, "{approved} approved, {rejected} rejected, {edited} edited, {skipped} skipped; {left} to go")?;
        Ok(ExitCode::SUCCESS)
    })
    .await?
}

fn go_through(review: &mut Review, lines: &mut impl BufRead, out: &mut impl Write) -> anyhow::Result<Tally> {
    let ids: Vec<String> = review.open_cases().iter().map(|case| case.id.clone()).collect();
    let mut tally = Tally::default();
    for (at, id) in ids.iter().enumerate() {
        let Some(case) = review.case(id) else { continue };
        show(case, (at + 1, ids.len()), out)?;
        loop {
            write!(out, "{KEYS} > ")?;
            out.flush()?;
            let Some(line) = line(lines)? else { return Ok(tally) };
            match key(&line) {
                Some(Key::Approve) => {
                    review.decide(id, Decision::Approve)?;
                    tally.approved += 1;
                    break;
                }
                Some(Key::Reject) => {
                    review.decide(id, Decision::Reject)?;
                    tally.rejected += 1;
                    break;
                }
                Some(Key::Edit) => {
                    write!(out, "the question > ")?;
                    out.flush()?;
                    let Some(question) = self::line(lines)? else { return Ok(tally) };
                    match review.decide(id, Decision::Edit(question)) {
                        Ok(()) => tally.edited += 1,
                        Err(ReviewError::Unsound(why)) => writeln!(out, "not changed: {why}")?,
                        Err(error) => return Err(error.into()),
                    }
                    if let Some(case) = review.case(id) {
                        show(case, (at + 1, ids.len()), out)?;
                    }
                }
                Some(Key::Skip) => {
                    tally.skipped += 1;
                    break;
                }
                Some(Key::Quit) => return Ok(tally),
                None => writeln!(out, "that is none of a, r, e, s and q")?,
            }
        }
    }
    Ok(tally)
}

/// The next line. None: the input has ended.
pub(super) fn line(lines: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    Ok((lines.read_line(&mut line)? > 0).then(|| line.trim().to_owned()))
}

fn key(line: &str) -> Option<Key> {
    match line.to_lowercase().as_str() {
        "a" | "approve" => Some(Key::Approve),
        "r" | "reject" => Some(Key::Reject),
        "e" | "edit" => Some(Key::Edit),
        "s" | "skip" => Some(Key::Skip),
        "q" | "quit" => Some(Key::Quit),
        _ => None,
    }
}

fn show(case: &Case, (at, all): (usize, usize), out: &mut impl Write) -> io::Result<()> {
    let by = case.made_by.map_or("a program", |by| by.name());
    writeln!(out, "\n{at} of {all}  {}  made by: {by}", shown(&case.id))?;
    for earlier in &case.history {
        let role = match earlier.role {
            Speaker::User => "user",
            Speaker::Assistant => "assistant",
        };
        writeln!(out, "  {role}: {}", shown(&earlier.text))?;
    }
    writeln!(out, "\n  {}\n", shown(&case.question))?;
    if let Some(groups) = &case.groups {
        writeln!(out, "  asked as: {}", shown(&groups.join(", ")))?;
    }
    if !case.answerable {
        writeln!(out, "  the documents don't answer it")?;
    }
    for fact in &case.facts {
        writeln!(out, "  must say: {}", shown(&fact.wordings().join(" / ")))?;
    }
    for text in &case.must_not {
        writeln!(out, "  must not say: {}", shown(text))?;
    }
    for gold in &case.sources {
        writeln!(out, "  source: {}\n    {}", shown(&gold.document), shown(&gold.text))?;
    }
    for (name, text) in [("answer", &case.answer), ("note", &case.note)] {
        if let Some(text) = text {
            writeln!(out, "  {name}: {}", shown(text))?;
        }
    }
    Ok(())
}
