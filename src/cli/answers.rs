//! `cairn answers`: how answers came about, and what people say of them, from the ledger of the data folder, whether a
//! server has it or not.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::show::{one_line, shown, shown_in_line};
use crate::app::DataDir;
use crate::config::Config;
use crate::ledger::{AnswerRow, AnswersOf, Ledger};
use crate::record::{AnswerId, Recorder, Trace};
use crate::server::answers::{
    AnswerLineWire, AnswerWire, AnswersWire, FeedbackListWire, FeedbackRequest, FeedbackWire, Rating,
};

/// Answers that are listed; `--all` lists more.
const LISTED: usize = 20;
/// Candidates that `show` prints.
const CANDIDATES_SHOWN: usize = 10;

#[derive(Debug, Subcommand)]
pub(super) enum AnswersCommand {
    /// List answers, the latest first
    List(ListArgs),
    /// Show how an answer came about
    Show(OneArgs),
    /// Say what an answer is worth
    Rate(RateArgs),
    /// List what was said of answers
    Feedback(FeedbackArgs),
    /// Forget how an answer came about
    Remove {
        /// Its id
        id: AnswerId,
    },
}

#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Not only the latest 20
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// The id that `cairn answers list` or `cairn ask --trace` shows
    id: AnswerId,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RateArgs {
    /// The answer's id
    id: AnswerId,
    /// up or down
    rating: Rating,
    /// Why
    #[arg(long)]
    comment: Option<String>,
    /// What the answer should have been
    #[arg(long, value_name = "TEXT")]
    right_answer: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct FeedbackArgs {
    /// Only up, or only down
    #[arg(long)]
    rating: Option<Rating>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: AnswersCommand, config: Config) -> anyhow::Result<ExitCode> {
    let ledger = DataDir::open_ledger_beside(&config.data_dir).await?;
    let recorder = Recorder::new(ledger.clone(), &config);
    match command {
        AnswersCommand::List(args) => list(&ledger, &recorder, &args).await?,
        AnswersCommand::Show(args) => show(&ledger, &recorder, &args).await?,
        AnswersCommand::Rate(args) => rate(&ledger, &recorder, args).await?,
        AnswersCommand::Feedback(args) => feedback(&ledger, &recorder, &args).await?,
        AnswersCommand::Remove { id } => {
            let row = find(&ledger, &recorder, id).await?;
            ledger.forget_answer(&row.id).await?;
            writeln!(io::stdout(), "{id} is forgotten")?;
        }
    }
    ledger.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Everybody's answers: whoever has the data folder has them all.
fn all(recorder: &Recorder) -> AnswersOf<'static> {
    AnswersOf { owner: None, collections: None, alive_since_ms: recorder.answers_since_ms() }
}

pub(super) async fn find(ledger: &Ledger, recorder: &Recorder, id: AnswerId) -> anyhow::Result<AnswerRow> {
    let found = ledger.answer(&id.to_string(), all(recorder)).await?;
    found.with_context(|| format!("no answer {id} is kept (answers.keep): `cairn answers list` shows those that are"))
}

async fn list(ledger: &Ledger, recorder: &Recorder, args: &ListArgs) -> anyhow::Result<()> {
    let limit = if args.all { usize::MAX } else { LISTED };
    let rows = ledger.answers(all(recorder), None, limit).await?;
    let mut out = io::stdout();
    if args.json {
        let data = rows.iter().map(AnswerLineWire::from).collect();
        let has_more = !args.all && rows.len() == LISTED;
        writeln!(out, "{}", serde_json::to_string_pretty(&AnswersWire { data, has_more })?)?;
        return Ok(());
    }
    for line in rows.iter().map(AnswerLineWire::from) {
        let (id, at, outcome, question) = (&line.id, &line.created_at, &line.outcome, one_line(&line.question));
        writeln!(out, "{}", shown_in_line(&format!("{id}  {at}  {outcome:<8}  {}  {question}", line.collection)))?;
    }
    Ok(())
}

async fn show(ledger: &Ledger, recorder: &Recorder, args: &OneArgs) -> anyhow::Result<()> {
    let row = find(ledger, recorder, args.id).await?;
    let said = ledger.feedback_of(&row.id).await?;
    let mut out = io::stdout();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&AnswerWire::of(row, said))?)?;
        return Ok(());
    }
    let trace: Trace = serde_json::from_str(&row.trace).context("read what is kept of the answer")?;
    let answer = AnswerWire::of(row, said);
    print_head(&answer, &trace, &mut out)?;
    print_found(&trace, &mut out)?;
    print_claims(&answer, &trace, &mut out)?;
    for said in &answer.feedback {
        writeln!(out, "\n{}", opinion(said))?;
    }
    Ok(())
}

fn print_head(answer: &AnswerWire, trace: &Trace, out: &mut impl Write) -> io::Result<()> {
    let line = &answer.answer;
    writeln!(out, "{}  {}  {}", line.id, line.created_at, shown_in_line(&line.collection))?;
    writeln!(out, "Question: {}", shown(&line.question))?;
    if let (Some(condensed), Some(by)) = (&line.condensed, &trace.condensed_by) {
        writeln!(out, "Understood as: {} (by {by})", shown(condensed))?;
    }
    let writer = line.model.as_ref().or(line.writer.as_ref()).map_or(String::new(), |by| format!(", by {by}"));
    let reason = line.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
    writeln!(out, "Outcome: {}", shown_in_line(&format!("{}{reason}{writer}", line.outcome)))?;
    let first = trace.first_text_ms.map_or(String::new(), |ms| format!(", first text after {ms} ms"));
    writeln!(out, "Times: found in {} ms{first}, ended after {} ms", trace.searched_ms, trace.total_ms)?;
    if let Some(hash) = &answer.prompt_hash {
        writeln!(out, "Prompt: {hash}")?;
    }
    writeln!(out, "\n{}", shown(&answer.text))
}

fn print_found(trace: &Trace, out: &mut impl Write) -> io::Result<()> {
    let packed = |hash: &str| trace.passages.iter().position(|passage| passage.hash == hash);
    writeln!(out, "\nFound ({} noted, {} more)", trace.candidates.len(), trace.candidates_left_out)?;
    for (at, found) in trace.candidates.iter().take(CANDIDATES_SHOWN).enumerate() {
        let number = packed(&found.hash).map_or("   ".to_owned(), |at| format!("[{}]", at + 1));
        let (score, similarity) = (found.score, found.similarity);
        let place = shown_in_line(&format!("{} bytes {}-{}", found.external_id, found.start, found.end));
        writeln!(out, "  {:>2}. {number} score {score:.3}, similarity {similarity:.2}  {place}", at + 1)?;
    }
    Ok(())
}

fn print_claims(answer: &AnswerWire, trace: &Trace, out: &mut impl Write) -> io::Result<()> {
    if trace.claims.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nClaims")?;
    for claim in &trace.claims {
        let text = answer.text.get(claim.place.start..claim.place.end).unwrap_or_default();
        let against =
            if claim.findings.is_empty() { String::new() } else { format!(" ({})", claim.findings.join(", ")) };
        writeln!(out, "  - {} {:.2}{against}: {}", claim.verdict, claim.score, one_line(text))?;
    }
    Ok(())
}

fn opinion(said: &FeedbackWire) -> String {
    let by = said.key_id.as_ref().map_or(String::new(), |key| format!(" by key {key}"));
    let comment = said.comment.as_ref().map_or(String::new(), |text| format!(": {}", one_line(text)));
    let right =
        said.right_answer.as_ref().map_or(String::new(), |text| format!("\n  right answer: {}", one_line(text)));
    format!("Rated {}{by} at {}{comment}{right}", said.rating.name(), said.created_at)
}

async fn rate(ledger: &Ledger, recorder: &Recorder, args: RateArgs) -> anyhow::Result<()> {
    let bytes_max = recorder.feedback_bytes_max();
    if [&args.comment, &args.right_answer].into_iter().flatten().any(|text| text.len() as u64 > bytes_max) {
        bail!("the text is longer than {bytes_max} bytes (answers.feedback_bytes_max)");
    }
    let row = find(ledger, recorder, args.id).await?;
    let RateArgs { rating, comment, right_answer, .. } = args;
    let request = FeedbackRequest { rating, comment, right_answer };
    ledger.keep_feedback(&request.about(&row, String::new())).await?;
    writeln!(io::stdout(), "{} is rated", row.id)?;
    Ok(())
}

async fn feedback(ledger: &Ledger, recorder: &Recorder, args: &FeedbackArgs) -> anyhow::Result<()> {
    let of = AnswersOf { alive_since_ms: recorder.feedback_since_ms(), ..all(recorder) };
    let rows = ledger.feedback(of, args.rating.map(Rating::name), None, usize::MAX).await?;
    let data: Vec<FeedbackWire> = rows.into_iter().map(FeedbackWire::from).collect();
    let mut out = io::stdout();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(&FeedbackListWire { data, has_more: false })?)?;
        return Ok(());
    }
    for said in &data {
        writeln!(out, "{}  {}\n  {}", said.answer_id, one_line(&said.question), opinion(said))?;
    }
    Ok(())
}
