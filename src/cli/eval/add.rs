//! `cairn eval add`: an answer that somebody got, and what people said of it, as a case.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;

use crate::answer::REFUSAL;
use crate::app::DataDir;
use crate::cli::answers;
use crate::config::Config;
use crate::document::{DocumentId, Version};
use crate::eval::case::{self, Case, ENTRIES_MAX, Earlier, Gold, MadeBy, Speaker};
use crate::eval::wording::is_exact;
use crate::ingest::texts;
use crate::ledger::{AnswerRow, FeedbackRow, Ledger};
use crate::record::{AnswerId, Asked, Recorder, Trace};
use crate::tasks::blocking;

#[derive(Debug, Args)]
pub(in crate::cli) struct AddArgs {
    /// The answer's id, which `cairn answers list` shows
    #[arg(long, value_name = "ID")]
    from_answer: AnswerId,
    /// The file of cases, JSONL; it is made if it is not there
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// The documents don't answer the question: a refusal would have been right
    #[arg(long)]
    unanswerable: bool,
}

/// What the ledger has of an answer.
struct Known {
    row: AnswerRow,
    asked: Asked,
    trace: Trace,
    /// The latest opinion, which counts.
    said: Option<FeedbackRow>,
}

pub(super) async fn run(args: AddArgs, config: Config) -> anyhow::Result<ExitCode> {
    let mut cases = if args.to.exists() { case::read(&args.to)? } else { Vec::new() };
    let ledger = DataDir::open_ledger_beside(&config.data_dir).await?;
    let recorder = Recorder::new(ledger.clone(), &config);
    let row = answers::find(&ledger, &recorder, args.from_answer).await?;
    if cases.iter().any(|case| case.id == row.id) {
        bail!("{} has the case {} already: remove it first to make it anew", args.to.display(), row.id);
    }
    let said = ledger.feedback_of(&row.id).await?.pop();
    let asked: Asked = serde_json::from_str(&row.asked).context("read how it was asked")?;
    let trace: Trace = serde_json::from_str(&row.trace).context("read what is kept of the answer")?;
    let known = Known { row, asked, trace, said };
    let texts = texts_of(&ledger, &known.trace).await?;
    ledger.close().await;
    let (case, left_out) = made(&known, &texts, args.unanswerable)?;
    writeln!(io::stdout(), "{} is added to {}", case.id, args.to.display())?;
    if left_out > 0 {
        writeln!(io::stdout(), "{left_out} cited passages are left out: their documents have changed since")?;
    }
    cases.push(case);
    case::write(&args.to, &cases).with_context(|| format!("write {}", args.to.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// The texts of the documents that it could rely on, as they were then, as far as they are kept.
async fn texts_of(ledger: &Ledger, trace: &Trace) -> anyhow::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    for passage in &trace.passages {
        let Ok(id) = passage.document_id.parse::<DocumentId>() else { continue };
        if found.contains_key(&passage.document_id) {
            continue;
        }
        let Some(kept) = ledger.text(id, Version(passage.version)).await? else { continue };
        let text = blocking(move || texts::unpack(&kept.body)).await?.context("read a kept text")?.text;
        found.insert(passage.document_id.clone(), text);
    }
    Ok(found)
}

/// The case, and how many cited passages it can't name.
fn made(known: &Known, texts: &BTreeMap<String, String>, unanswerable: bool) -> anyhow::Result<(Case, usize)> {
    let Known { row, asked, trace, said } = known;
    if !asked.filter.is_empty() {
        bail!("{} was asked with a filter, which a case can't say", row.id);
    }
    let said = said.as_ref();
    if said.is_none() && !unanswerable {
        bail!("nobody has said what {} is worth: cairn answers rate {} up|down", row.id, row.id);
    }
    let is_up = said.is_some_and(|said| said.rating == "up");
    let right = said.map(|said| said.right_answer.trim()).filter(|right| !right.is_empty());
    let is_refusal = right.map_or(is_up && row.outcome == "refused", |right| is_exact(right, REFUSAL));
    let base = Case {
        history: asked.history.iter().map(earlier).collect(),
        groups: asked.groups.clone(),
        tags: BTreeSet::from(["feedback".to_owned()]),
        generated: true,
        made_by: Some(MadeBy::Answer),
        note: said.map(|said| said.comment.trim().to_owned()).filter(|comment| !comment.is_empty()),
        ..Case::unanswerable(row.id.clone(), row.question.clone())
    };
    if unanswerable || is_refusal {
        return Ok((base, 0));
    }
    let own = (is_up && row.writer == "model").then(|| without_marks(&row.text, trace));
    let (sources, left_out) = if is_up { sources(trace, texts) } else { (Vec::new(), 0) };
    let answer = right.map(str::to_owned).or(own);
    let case = Case { answerable: true, answer, sources, ..base };
    case.is_sound().map_err(anyhow::Error::msg)?;
    Ok((case, left_out))
}

fn earlier(message: &crate::record::Message) -> Earlier {
    let role = if message.role == "assistant" { Speaker::Assistant } else { Speaker::User };
    Earlier { role, text: message.text.clone() }
}

/// What was cited, word for word, and how much of it is not there any more.
fn sources(trace: &Trace, texts: &BTreeMap<String, String>) -> (Vec<Gold>, usize) {
    let (mut sources, mut left_out): (Vec<Gold>, usize) = (Vec::new(), 0);
    for cited in &trace.citations {
        let passage = trace.passages.iter().find(|passage| passage.document_id == cited.document_id);
        let quote = texts.get(&cited.document_id).and_then(|text| text.get(cited.quote.start..cited.quote.end));
        let (Some(passage), Some(quote)) = (passage, quote.filter(|quote| !quote.trim().is_empty())) else {
            left_out += 1;
            continue;
        };
        let gold = Gold { document: ending(&passage.external_id), text: quote.to_owned() };
        if !sources.contains(&gold) && sources.len() < ENTRIES_MAX {
            sources.push(gold);
        }
    }
    (sources, left_out)
}

/// `docs/guide.md` of a path: the folder's place on a machine is no part of a case.
fn ending(external_id: &str) -> String {
    let mut parts: Vec<&str> = external_id.rsplit('/').take(2).collect();
    parts.reverse();
    parts.join("/").trim_start_matches('/').to_owned()
}

/// The answer without the marks of its citations.
fn without_marks(text: &str, trace: &Trace) -> String {
    let (mut plain, mut at) = (String::new(), 0);
    let mut marks: Vec<(usize, usize)> =
        trace.citations.iter().map(|cited| (cited.mark.start, cited.mark.end)).collect();
    marks.sort_unstable();
    marks.dedup();
    for (start, end) in marks {
        plain.push_str(text.get(at..start).unwrap_or_default().trim_end());
        at = at.max(end);
    }
    plain.push_str(text.get(at..).unwrap_or_default());
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_named_by_folder_and_file_and_a_text_has_no_marks() {
        assert_eq!(ending("/srv/a/docs/guide.md"), "docs/guide.md");
        assert_eq!(ending("guide.md"), "guide.md");
        assert_eq!(without_marks("Port 2525 is used.", &Trace::default()), "Port 2525 is used.");
    }
}
