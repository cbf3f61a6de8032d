//! `cairn ask`: a question on the command line, its answer streamed to the terminal.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use futures::{Stream, StreamExt};

use super::remote::{Door, Remote};
use super::show::AnswerPrinter;
use super::{collection, until_interrupted};
use crate::answer::{Answerer, Question};
use crate::app::App;
use crate::caller::Caller;
use crate::chat::Sampling;
use crate::config::Config;
use crate::document::CollectionName;
use crate::server::ask::{AskEvent, AskRequest, collect};

#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// What you want to know
    question: String,
    /// Where to look [default: ingest.collection]
    #[arg(long, short)]
    collection: Option<CollectionName>,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
    /// Ask a running server instead of opening the index here. Done by itself where one has the data folder
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

pub(super) async fn run(args: AskArgs, config: Config) -> anyhow::Result<ExitCode> {
    until_interrupted(async {
        let collection = collection(args.collection, &config);
        match Door::open(args.server, config).await? {
            Door::Here(app) => here(&app, collection, args.question, args.json).await,
            Door::Server(remote) => there(&remote, collection, args.question, args.json).await,
        }
    })
    .await
}

async fn here(app: &App, collection: CollectionName, text: String, json: bool) -> anyhow::Result<ExitCode> {
    let question = Question { collection, text, history: Vec::new(), sampling: Sampling::default() };
    let answerer: &Arc<Answerer> = &app.answerer;
    let grounding = answerer.ground(&Caller::local(), question).await?;
    let events = answerer.write(grounding);
    if json {
        let answer = collect(events).await?;
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&answer)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(events.map(|event| Ok(AskEvent::from(event)))).await
}

async fn there(remote: &Remote, collection: CollectionName, question: String, json: bool) -> anyhow::Result<ExitCode> {
    let request = AskRequest { question, collection: Some(collection), history: Vec::new(), stream: !json };
    if json {
        let answer: serde_json::Value = remote.post("/v1/ask", &request).await?;
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&answer)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(remote.ask(&request).await?).await
}

async fn print(events: impl Stream<Item = anyhow::Result<AskEvent>>) -> anyhow::Result<ExitCode> {
    let mut events = std::pin::pin!(events);
    let mut printer = AnswerPrinter::default();
    while let Some(event) = events.next().await {
        if printer.event(event?, &mut io::stdout())?.is_some() {
            return Ok(ExitCode::SUCCESS);
        }
    }
    Err(anyhow!("the answer ended in the middle"))
}
