//! `cairn ask`: a question on the command line, its answer streamed to the terminal.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use anyhow::{anyhow, bail};
use clap::Args;
use futures::{Stream, StreamExt};

use super::filter::FilterArgs;
use super::remote::{Door, Remote};
use super::show::{AnswerPrinter, shown_in_line};
use super::{collection, until_interrupted};
use crate::answer::{AnswerEvent, Question};
use crate::app::App;
use crate::caller::Caller;
use crate::chat::Sampling;
use crate::config::Config;
use crate::document::CollectionName;
use crate::record::{Asker, Recorder};
use crate::server::ask::{AboutWire, AskEvent, AskRequest, DoneWire, collect};
use crate::server::conversations::{ConversationRequest, ConversationWire};
use crate::server::filter::FilterWire;

/// Instead of an id: begin a conversation.
const NEW: &str = "new";

#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// What you want to know
    question: String,
    /// Where to look [default: ingest.collection]
    #[arg(long, short)]
    collection: Option<CollectionName>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Ask in a conversation that is kept: its id, or "new" to begin one
    #[arg(long, value_name = "ID")]
    conversation: Option<String>,
    /// Print the answer's id under it, for `cairn answers` and `cairn replay`
    #[arg(long)]
    trace: bool,
    /// Print the whole answer as JSON
    #[arg(long)]
    json: bool,
    /// Ask a running server instead of opening the index here. Done by itself where one has the data folder
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

pub(super) async fn run(mut args: AskArgs, config: Config) -> anyhow::Result<ExitCode> {
    let recorder = OnceLock::new();
    let code = until_interrupted(async {
        match Door::open(args.server.take(), config.clone()).await? {
            Door::Here(app) => here(&app, args, recorder.get_or_init(|| recorder_of(&app))).await,
            Door::Server(remote) => there(&remote, args, &config).await,
        }
    })
    .await;
    if let Some(recorder) = recorder.get() {
        recorder.drain().await; // An answer that was interrupted is kept as far as it came.
    }
    code
}

fn recorder_of(app: &App) -> Recorder {
    Recorder::new(app.ledger.clone(), &app.config)
}

async fn here(app: &App, args: AskArgs, recorder: &Recorder) -> anyhow::Result<ExitCode> {
    let caller = Caller::local();
    let asker = Asker { caller: &caller, key_id: None };
    let named = args.conversation.as_deref().filter(|id| *id != NEW);
    let opened = match named {
        Some(id) => Some(recorder.open(asker, id).await?),
        None => None,
    };
    if let (Some(opened), Some(named)) = (&opened, &args.collection)
        && opened.collection != *named
    {
        bail!("the conversation is about the collection {}; leave --collection out", opened.collection);
    }
    let (known, place, history) = match opened {
        Some(opened) => (Some(opened.id), opened.collection, opened.history),
        None => (None, collection(args.collection, &app.config), Vec::new()),
    };
    let filter = FilterWire::read(args.filter.wire())?;
    let question =
        Question { collection: place.clone(), filter, text: args.question, history, sampling: Sampling::default() };
    let grounding = app.answerer.ground(&caller, question).await?;
    let begins = known.is_none() && (args.conversation.is_some() || recorder.keeps_always());
    let conversation = if begins { Some(recorder.start(asker, &place, &BTreeMap::new()).await?) } else { known };
    let record = recorder.begin(&app.answerer, asker, &grounding, conversation);
    let about = AboutWire::from(record.about());
    let events = record.follow(app.answerer.write(grounding));
    if args.json {
        return print_json(events, &about).await;
    }
    let done = print(events.map(|event| Ok(AskEvent::from(event).about(&about)))).await?;
    print_names(done.about.answer_id.filter(|_| args.trace), done.about.conversation_id)
}

async fn print_json(events: impl Stream<Item = AnswerEvent>, about: &AboutWire) -> anyhow::Result<ExitCode> {
    let answer = collect(events, about).await?;
    writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&answer)?)?;
    Ok(ExitCode::SUCCESS)
}

async fn there(remote: &Remote, args: AskArgs, config: &Config) -> anyhow::Result<ExitCode> {
    let (stream, trace) = (!args.json, args.trace);
    let named = args.conversation.as_deref().filter(|id| *id != NEW).map(str::to_owned);
    // A conversation knows its collection.
    let place = if named.is_some() { args.collection } else { Some(collection(args.collection, config)) };
    let conversation_id = match (&args.conversation, named) {
        (None, _) => None,
        (Some(_), Some(id)) => Some(id),
        (Some(_), None) => {
            let request = ConversationRequest { collection: place.clone(), metadata: BTreeMap::new() };
            Some(remote.post::<ConversationWire>("/v1/conversations", &request).await?.id)
        }
    };
    let request = AskRequest {
        question: args.question,
        collection: place,
        filter: args.filter.wire(),
        history: Vec::new(),
        conversation_id,
        stream,
    };
    if args.json {
        let answer: serde_json::Value = remote.post("/v1/ask", &request).await?;
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&answer)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let done = print(remote.ask(&request).await?).await?;
    print_names(done.about.answer_id.filter(|_| trace), done.about.conversation_id)
}

async fn print(events: impl Stream<Item = anyhow::Result<AskEvent>>) -> anyhow::Result<DoneWire> {
    let mut events = std::pin::pin!(events);
    let mut printer = AnswerPrinter::default();
    while let Some(event) = events.next().await {
        if let Some(done) = printer.event(event?, &mut io::stdout())? {
            return Ok(done);
        }
    }
    Err(anyhow!("the answer ended in the middle"))
}

fn print_names(answer: Option<String>, conversation: Option<String>) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    let names = [("Answer", answer), ("Conversation", conversation)];
    let lines: Vec<String> =
        names.into_iter().filter_map(|(what, id)| Some(format!("{what} {}\n", shown_in_line(&id?)))).collect();
    if !lines.is_empty() {
        write!(out, "\n{}", lines.concat())?;
    }
    Ok(ExitCode::SUCCESS)
}
