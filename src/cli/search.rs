//! `cairn search`: the passages for a text, with their scores.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Args;

use super::filter::FilterArgs;
use super::remote::Door;
use super::{collection, show, until_interrupted};
use crate::answer::Within;
use crate::caller::Caller;
use crate::config::Config;
use crate::document::CollectionName;
use crate::server::filter::FilterWire;
use crate::server::search::{SearchRequest, SearchResponse};

#[derive(Debug, Args)]
pub(super) struct SearchArgs {
    /// What to look for
    query: String,
    /// Where to look [default: ingest.collection]
    #[arg(long, short)]
    collection: Option<CollectionName>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Passages to print
    #[arg(long, short = 'n', default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=100))]
    limit: u8,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Ask a running server instead of opening the index here. Done by itself where one has the data folder
    #[arg(long, value_name = "URL")]
    server: Option<String>,
}

pub(super) async fn run(args: SearchArgs, config: Config) -> anyhow::Result<ExitCode> {
    until_interrupted(async {
        let (collection, limit) = (collection(args.collection, &config), usize::from(args.limit));
        let found = match Door::open(args.server, config).await? {
            Door::Here(app) => {
                let filter = FilterWire::read(args.filter.wire())?;
                let within = Within { collection: &collection, filter: &filter };
                SearchResponse::of(app.answerer.search(&Caller::local(), within, &args.query, limit).await?)
            }
            Door::Server(remote) => {
                let filter = args.filter.wire();
                let request =
                    SearchRequest { query: args.query, collection: Some(collection), filter, limit: Some(limit) };
                remote.post("/v1/search", &request).await?
            }
        };
        if args.json {
            writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&found)?)?;
        } else {
            for source in &found.results {
                show::passage(source, &mut io::stdout())?;
            }
        }
        Ok(ExitCode::SUCCESS)
    })
    .await
}
