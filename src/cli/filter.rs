//! The options of `cairn ask` and `cairn search` that choose documents.

use clap::Args;

use crate::server::filter::FilterWire;

#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Which documents")]
pub(super) struct FilterArgs {
    /// Only documents that come from this folder or address (may be repeated: from one of them)
    #[arg(long, value_name = "FOLDER_OR_URL")]
    source: Vec<String>,
    /// Only documents whose path below the source, or without one whose id, begins so (may be repeated)
    #[arg(long, value_name = "PREFIX")]
    path: Vec<String>,
    /// Only documents with this tag (may be repeated: with one of them)
    #[arg(long)]
    tag: Vec<String>,
    /// Only documents that have this tag too (may be repeated: with all of them)
    #[arg(long, value_name = "TAG")]
    all_tags: Vec<String>,
    /// Only documents of this date or later, such as 2024-05-31
    #[arg(long, value_name = "DATE")]
    from: Option<String>,
    /// Only documents of this date or earlier
    #[arg(long, value_name = "DATE")]
    to: Option<String>,
    /// Only documents in this language, such as en (may be repeated: in one of them)
    #[arg(long, value_name = "CODE")]
    language: Vec<String>,
}

impl FilterArgs {
    /// As a server takes it. None: nothing is asked for.
    pub(super) fn wire(self) -> Option<FilterWire> {
        let Self { source, path, tag, all_tags, from, to, language } = self;
        Some(FilterWire { source, path, tag, all_tags, from, to, language })
            .filter(|filter| *filter != FilterWire::default())
    }
}
