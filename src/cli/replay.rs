//! `cairn replay`: an answer's question asked again, and what is otherwise today, in words for a person or as JSON.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::remote::Hand;
use super::show::{one_line, shown, shown_in_line};
use super::{answers, until_interrupted};
use crate::app::App;
use crate::config::Config;
use crate::record::replay::{Change, Comparison, ItemChange, ListChange};
use crate::record::{AnswerId, Recorder};

/// Changes of one list that are printed.
const CHANGES_SHOWN: usize = 10;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// The id that `cairn answers list` or `cairn ask --trace` shows
    id: AnswerId,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: ReplayArgs, config: Config) -> anyhow::Result<ExitCode> {
    until_interrupted(async {
        let comparison: Comparison = match Hand::open(config, async |config| Ok(App::open(config).await?)).await? {
            Hand::Here(app) => {
                let recorder = Recorder::new(app.ledger.clone(), &app.config);
                let row = answers::find(&app.ledger, &recorder, args.id).await?;
                recorder.replay(&app.answerer, &row).await?
            }
            Hand::Server(remote) => {
                remote.post(&format!("/v1/answers/{}/replay", args.id), &serde_json::json!({})).await?
            }
        };
        let mut out = io::stdout();
        if args.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&comparison)?)?;
        } else {
            print(&comparison, &mut out)?;
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}

fn print(comparison: &Comparison, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Question: {}", one_line(&comparison.question))?;
    let condensed = &comparison.condensed;
    if !condensed.is_same() {
        let shown = |text: &Option<String>| text.as_deref().map_or("as it is".to_owned(), one_line);
        writeln!(out, "Understood as: {} -> {}", shown(&condensed.before), shown(&condensed.after))?;
    }
    if !comparison.same_index {
        writeln!(out, "Index: another one than then")?;
    }
    if !comparison.same_embedder {
        writeln!(out, "Embedding model: another one than then")?;
    }
    list("Found", &comparison.candidates, out)?;
    list("Passages", &comparison.passages, out)?;
    let prompt = match comparison.prompt.as_str() {
        "none" => "no model was asked",
        other => other,
    };
    writeln!(out, "Prompt: {prompt}")?;
    change("Outcome", &comparison.outcome, out)?;
    change("Writer", &comparison.writer, out)?;
    if !comparison.model.is_same() {
        change("Model", &comparison.model, out)?;
    }
    writeln!(out, "Claims: {} as before, {} otherwise", comparison.claims_same, comparison.claims.len())?;
    for claim in &comparison.claims {
        let verdict = |verdict: &Option<String>| verdict.clone().unwrap_or_else(|| "not said".to_owned());
        let (before, after) = (verdict(&claim.before), verdict(&claim.after));
        writeln!(out, "  {} -> {}: {}", shown_in_line(&before), shown_in_line(&after), one_line(&claim.text))?;
    }
    if comparison.text.same {
        return writeln!(out, "Text: same");
    }
    writeln!(out, "Text: [-what is gone-] {{+what is new+}}\n")?;
    for piece in &comparison.text.pieces {
        let text = shown(&piece.text);
        match piece.kind.as_str() {
            "gone" => write!(out, "[-{text}-]")?,
            "new" => write!(out, "{{+{text}+}}")?,
            _ => write!(out, "{text}")?,
        }
    }
    writeln!(out)
}

fn change(what: &str, change: &Change<String>, out: &mut impl Write) -> io::Result<()> {
    let none = |text: &str| if text.is_empty() { "none".to_owned() } else { shown_in_line(text) };
    if change.is_same() {
        return writeln!(out, "{what}: {}", none(&change.after));
    }
    writeln!(out, "{what}: {} -> {}", none(&change.before), none(&change.after))
}

fn list(what: &str, change: &ListChange, out: &mut impl Write) -> io::Result<()> {
    let (came, left, moved) = (change.came.len(), change.left.len(), change.moved.len());
    if change.is_same() {
        return writeln!(out, "{what}: same ({})", change.same);
    }
    writeln!(out, "{what}: {came} came, {left} left, {moved} moved, {} as before", change.same)?;
    for (sign, items) in [('+', &change.came), ('-', &change.left), ('~', &change.moved)] {
        for item in items.iter().take(CHANGES_SHOWN) {
            writeln!(out, "  {sign} {}", place(item))?;
        }
        if items.len() > CHANGES_SHOWN {
            writeln!(out, "  {sign} and {} more (--json lists all)", items.len() - CHANGES_SHOWN)?;
        }
    }
    Ok(())
}

fn place(item: &ItemChange) -> String {
    let rank = |place: Option<usize>| place.map_or("-".to_owned(), |place| place.to_string());
    let (before, after) = (rank(item.before), rank(item.after));
    shown_in_line(&format!("{before} -> {after}  {} bytes {}-{}", item.external_id, item.start, item.end))
}
