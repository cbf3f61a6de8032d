//! The sources against real servers, each started by its test on a free port.

mod command;
mod git;
mod manifest;
mod objects;
mod product;
mod site;
mod watch;
mod web;

use std::time::Duration;

use cairn::ingest::source::{Entry, Fetched, Item, Limits, Listing, Skip, Source, SourceError};
use futures::StreamExt;

const LIMITS: Limits = Limits {
    file_bytes_max: 100_000,
    entries_max: 10_000,
    list_time_max: Duration::from_secs(60),
    fetch_time_max: Duration::from_secs(20),
    reads,
};

fn reads(name: &str) -> bool {
    ["md", "html", "txt", "pdf"].iter().any(|extension| name.ends_with(&format!(".{extension}")))
}

/// All that a listing gave, and what ended it.
#[derive(Debug, Default)]
struct Listed {
    items: Vec<Item>,
    sidecars: Vec<(String, Item)>,
    skipped: Vec<(String, Skip)>,
    problems: Vec<(String, SourceError)>,
    error: Option<SourceError>,
}

impl Listed {
    async fn of(mut listing: Listing<'_>) -> Self {
        let mut listed = Self::default();
        while let Some(entry) = listing.next().await {
            match entry {
                Ok(Entry::Item(item)) => listed.items.push(item),
                Ok(Entry::Sidecar { of, item }) => listed.sidecars.push((of, item)),
                Ok(Entry::Skipped { external_id, why }) => listed.skipped.push((external_id, why)),
                Ok(Entry::Problem { external_id, error }) => listed.problems.push((external_id, error)),
                Err(error) => listed.error = Some(error),
            }
        }
        listed
    }

    /// Of a listing that ended well, the ids after `prefix`, sorted.
    #[track_caller]
    fn ids(&self, prefix: &str) -> Vec<&str> {
        assert_eq!((&self.error, &self.problems), (&None, &vec![]));
        let mut ids: Vec<&str> = self.items.iter().map(|i| i.external_id.strip_prefix(prefix).unwrap()).collect();
        ids.sort_unstable();
        ids
    }

    #[track_caller]
    fn item(&self, ending: &str) -> &Item {
        self.items.iter().find(|item| item.external_id.ends_with(ending)).expect(ending)
    }

    /// What was skipped, after `prefix`, sorted.
    fn skipped(&self, prefix: &str) -> Vec<(&str, Skip)> {
        let mut skipped: Vec<_> =
            self.skipped.iter().map(|(id, why)| (id.strip_prefix(prefix).unwrap(), *why)).collect();
        skipped.sort_unstable_by_key(|(id, _)| *id);
        skipped
    }
}

/// The text of an item, which must be had.
#[track_caller]
fn text(fetched: Result<Fetched, SourceError>) -> String {
    match fetched.unwrap() {
        Fetched::Content(content) => String::from_utf8(content.bytes).unwrap(),
        other @ (Fetched::Unchanged | Fetched::Skipped(_)) => panic!("{other:?}"),
    }
}

async fn list(source: &Source) -> Listed {
    Listed::of(source.list()).await
}
