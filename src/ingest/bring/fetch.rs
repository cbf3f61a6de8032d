//! One document of a source: whether it is new, and its bytes if it is.

use std::collections::HashMap;

use futures::stream::{self, BoxStream};
use futures::{Stream, StreamExt};

use super::Bringer;
use crate::document::DocumentId;
use crate::ingest::IngestError;
use crate::ingest::meta::SIDECAR_SUFFIX;
use crate::ingest::origin::{Brought, Origin};
use crate::ingest::queue::Compare;
use crate::ingest::source::manifest::Declared;
use crate::ingest::source::{Content, Entry, Fetched, Item, Source, SourceError};
use crate::ingest::uploads::{Stored, UploadError};
use crate::ledger::{Action, NewWork, Reading};

/// Parts the two revisions of a stamp.
const PART: char = '\n';

/// One thing of a listing.
pub(super) enum Wanted {
    Document { item: Item, beside: Beside },
    Skipped,
    Problem { external_id: String, error: SourceError },
}

/// The file beside a document that says something of it.
pub(super) enum Beside {
    None,
    Sidecar(Item),
    /// It is there and can't be had.
    Lost(SourceError),
}

/// What came of it.
pub(super) enum Got {
    New { work: NewWork, stored: Stored },
    Unchanged { external_id: String },
    Skipped,
    Problem { external_id: String, error: SourceError },
}

/// What a source lists, as it comes. A source of files is listed to its end first, so that each document is there with
/// the file beside it. The error that ended the listing goes into `ended`.
pub(super) fn wanted<'a>(source: &'a Source, ended: &'a mut Result<(), SourceError>) -> BoxStream<'a, Wanted> {
    let listing = source.list();
    match source {
        Source::Web(_) => {
            let entries = listing.scan(ended, |ended, entry| {
                let entry = match entry {
                    Ok(entry) => Some(entry),
                    Err(error) => {
                        **ended = Err(error);
                        None
                    }
                };
                std::future::ready(entry)
            });
            Box::pin(entries.map(|entry| match entry {
                Entry::Item(item) | Entry::Sidecar { item, .. } => Wanted::Document { item, beside: Beside::None },
                Entry::Skipped { .. } => Wanted::Skipped,
                Entry::Problem { external_id, error } => Wanted::Problem { external_id, error },
            }))
        }
        Source::Object(_) | Source::Git(_) => Box::pin(stream::once(paired(listing, ended)).flat_map(stream::iter)),
    }
}

/// Documents with what lies beside them, and everything else.
async fn paired(
    mut listing: impl Stream<Item = Result<Entry, SourceError>> + Unpin,
    ended: &mut Result<(), SourceError>,
) -> Vec<Wanted> {
    let (mut items, mut beside, mut wanted) = (Vec::new(), HashMap::new(), Vec::new());
    while let Some(entry) = listing.next().await {
        match entry {
            Ok(Entry::Item(item)) => items.push(item),
            Ok(Entry::Sidecar { of, item }) => {
                beside.insert(of, Beside::Sidecar(item));
            }
            Ok(Entry::Skipped { .. }) => wanted.push(Wanted::Skipped),
            Ok(Entry::Problem { external_id, error }) => {
                if let Some(of) = external_id.strip_suffix(SIDECAR_SUFFIX) {
                    beside.insert(of.to_owned(), Beside::Lost(error.clone()));
                }
                wanted.push(Wanted::Problem { external_id, error });
            }
            Err(error) => *ended = Err(error),
        }
    }
    if ended.is_err() {
        // What lies beside a document, and says who may see it, may be in the part that did not come.
        return wanted;
    }
    wanted.extend(items.into_iter().map(|item| {
        let beside = beside.remove(&item.external_id).unwrap_or(Beside::None);
        Wanted::Document { item, beside }
    }));
    wanted
}

impl Bringer {
    /// Fetches one document if it is not known, and stores it.
    pub(super) async fn get(
        &self,
        source: &Source,
        declared: &Declared,
        compare: Compare,
        wanted: Wanted,
    ) -> Result<Got, IngestError> {
        let (item, beside) = match wanted {
            Wanted::Document { item, beside } => (item, beside),
            Wanted::Skipped => return Ok(Got::Skipped),
            Wanted::Problem { external_id, error } => return Ok(Got::Problem { external_id, error }),
        };
        let external_id = item.external_id.clone();
        match self.fetch(source, declared, compare, (item, beside)).await? {
            Ok(got) => Ok(got),
            Err(error) => Ok(Got::Problem { external_id, error }),
        }
    }

    /// The outer error is the ledger's, the inner one the source's.
    async fn fetch(
        &self,
        source: &Source,
        declared: &Declared,
        compare: Compare,
        (item, beside): (Item, Beside),
    ) -> Result<Result<Got, SourceError>, IngestError> {
        let external_id = item.external_id.clone();
        let known = match compare {
            Compare::Stamp => self.known(declared, &external_id).await?,
            Compare::Bytes => None,
        };
        let beside_revision = match &beside {
            Beside::None => Some(String::new()),
            Beside::Sidecar(sidecar) => sidecar.revision.clone(),
            Beside::Lost(_) => None,
        };
        // Known bytes count only where what lies beside them is known as well.
        let known = known.filter(|(_, beside)| beside_revision.as_ref() == Some(beside)).map(|(item, _)| item);
        let content = match source.fetch(&item, known.as_deref()).await {
            Ok(Fetched::Unchanged) => return Ok(Ok(Got::Unchanged { external_id })),
            Ok(Fetched::Skipped(_)) => return Ok(Ok(Got::Skipped)),
            Ok(Fetched::Content(content)) => content,
            Err(error) => return Ok(Err(error)),
        };
        let sidecar = match beside {
            Beside::None => Ok(None),
            Beside::Lost(error) => Err(error),
            Beside::Sidecar(sidecar) => match source.fetch(&sidecar, None).await {
                Ok(Fetched::Content(content)) => text(content, &sidecar.external_id).map(Some),
                Ok(Fetched::Unchanged | Fetched::Skipped(_)) => Ok(None),
                Err(error) => Err(error),
            },
        };
        if let Err(error @ SourceError::Unavailable { .. }) = sidecar {
            return Ok(Err(error)); // The document stays as it is until it can be told who may see it.
        }
        let (Content { bytes, name, revision }, sidecar) = (content, sidecar.map_err(|error| error.to_string()));
        let stamp = match (revision, beside_revision) {
            (Some(revision), Some(beside)) => format!("{revision}{PART}{beside}"),
            (None, _) | (_, None) => String::new(),
        };
        let stored = self.store(&bytes).await?;
        let origin = Origin::Source(Brought {
            source: declared.name.clone(),
            blob: stored.blob.clone(),
            name,
            sidecar: sidecar.as_ref().ok().cloned().flatten(),
            sidecar_error: sidecar.err(),
            defaults: declared.defaults.clone(),
        });
        let work = NewWork {
            external_id,
            action: Action::Index,
            reading: Reading::Origin,
            origin: origin.to_json(),
            blob: stored.blob.clone(),
            bytes: stored.bytes,
            stamp,
        };
        Ok(Ok(Got::New { work, stored }))
    }

    /// The revisions of the document and of what lies beside it that were indexed, under what is said of it now.
    async fn known(&self, declared: &Declared, external_id: &str) -> Result<Option<(String, String)>, IngestError> {
        let document = DocumentId::new(&declared.collection, external_id);
        let before = self.queue.ledger().before(document, self.queue.store().generation()).await?;
        Ok(before.and_then(|before| {
            let origin = Origin::parse(&before.origin).ok()?;
            let (item, beside) = before.stamp.split_once(PART)?;
            let is_same = matches!(origin, Origin::Source(_)) && origin.defaults() == declared.defaults;
            is_same.then(|| (item.to_owned(), beside.to_owned()))
        }))
    }

    async fn store(&self, bytes: &[u8]) -> Result<Stored, IngestError> {
        let mut receiving = self.queue.uploads().receive(self.file_bytes_max).await?;
        receiving.write(bytes).await?;
        Ok(receiving.finish().await?)
    }
}

fn text(content: Content, what: &str) -> Result<String, SourceError> {
    let what = what.to_owned();
    String::from_utf8(content.bytes).map_err(|_| SourceError::Invalid { what, reason: "it is no UTF-8".into() })
}

impl From<UploadError> for IngestError {
    fn from(error: UploadError) -> Self {
        Self::Keep(error)
    }
}
