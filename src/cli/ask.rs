//! `cairn ask`: a question on the command line, its answer streamed to the terminal.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use futures::{Stream, StreamExt};

use super::filter::FilterArgs;
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
use crate::server::filter::FilterWire;

#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// What you want to know
    question: String,
    /// Where to look [default: ingest.collection]
    #[arg(long, short)]
    collection: Option<CollectionName>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
    /// Ask a running server instead of opening the index here. Done by itself where one has the data folder
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

pub(super) async fn run(args: AskArgs, config: Config) -> anyhow::Result<ExitCode> {
    until_interrupted(async {
        let request = AskRequest {
            question: args.question,
            collection: Some(collection(args.collection, &config)),
            filter: args.filter.wire(),
            history: Vec::new(),
            stream: !args.json,
        };
        match Door::open(args.server, config).await? {
            Door::Here(app) => here(&app, request).await,
            Door::Server(remote) => there(&remote, &request).await,
        }
    })
    .await
}

async fn here(app: &App, request: AskRequest) -> anyhow::Result<ExitCode> {
    let question = Question {
        collection: request.collection.unwrap_or_else(|| app.config.ingest.collection.clone()),
        filter: FilterWire::read(request.filter)?,
        text: request.question,
        history: Vec::new(),
        sampling: Sampling::default(),
    };
    let answerer: &Arc<Answerer> = &app.answerer;
    let grounding = answerer.ground(&Caller::local(), question).await?;
    let events = answerer.write(grounding);
    if !request.stream {
        let answer = collect(events).await?;
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&answer)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(events.map(|event| Ok(AskEvent::from(event)))).await
}

async fn there(remote: &Remote, request: &AskRequest) -> anyhow::Result<ExitCode> {
    if !request.stream {
        let answer: serde_json::Value = remote.post("/v1/ask", request).await?;
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&answer)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    print(remote.ask(request).await?).await
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
