//! `cairn models`: which embedding and reranking models can be had, and bringing one from the hub. The only command that downloads.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Subcommand;

use crate::config::Config;
use crate::embed;
use crate::tasks::blocking;

#[derive(Debug, Subcommand)]
pub(super) enum ModelsCommand {
    /// The models that can be fetched by name
    List,
    /// Fetch a model from the Hugging Face hub into the models folder
    Fetch {
        /// A name from `cairn models list`
        name: String,
    },
}

pub(super) async fn run(command: ModelsCommand, config: Config) -> anyhow::Result<ExitCode> {
    match command {
        ModelsCommand::List => {
            for (name, hub, dimensions) in embed::catalogue() {
                writeln!(io::stdout(), "{name:<32} {dimensions:>5}  {hub}")?;
            }
            for (name, hub) in embed::rerankers() {
                writeln!(io::stdout(), "{name:<32} {:>5}  {hub} (for rerank.model)", "-")?;
            }
        }
        ModelsCommand::Fetch { name } => {
            let models_dir = config.models_dir;
            let files = blocking(move || embed::fetch(&models_dir, &name)).await??;
            writeln!(io::stdout(), "{} is in {} (sha256 {})", files.name, files.folder.display(), files.sha256()?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
