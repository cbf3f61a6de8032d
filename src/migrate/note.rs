//! How far a run came, in a small file: a line with the two generations, then one for each collection.
//!
//! Written only after the points it tells of are durable in the target. A note about two other stores, or one that
//! can't be read as a note, counts as none: to begin anew is always right.

use std::collections::BTreeMap;
use std::fs;
use std::io;

use uuid::Uuid;

use super::{MigrateError, Migration};
use crate::document::CollectionName;
use crate::files::replace;
use crate::tasks::blocking;

/// Stands for the id of the last point where none is copied yet.
const NONE: &str = "-";

/// Where the copy of one collection stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct At {
    /// The last point that is in the target.
    pub(super) after: Option<Uuid>,
    pub(super) copied: usize,
}

/// All collections under way between two stores.
pub(super) struct Note {
    generations: String,
    collections: BTreeMap<CollectionName, At>,
}

impl Note {
    pub(super) fn at(&self, collection: &CollectionName) -> Option<At> {
        self.collections.get(collection).copied()
    }

    pub(super) fn set(&mut self, collection: &CollectionName, at: At) {
        self.collections.insert(collection.clone(), at);
    }

    fn parse(text: &str, generations: String) -> Self {
        let found = text.strip_prefix(&generations).and_then(|rest| rest.strip_prefix('\n'));
        let collections = found.and_then(|lines| lines.lines().map(line).collect()).unwrap_or_default();
        Self { generations, collections }
    }

    fn write(&self) -> String {
        let lines = self.collections.iter().map(|(collection, at)| {
            let after = at.after.map_or(NONE.to_owned(), |id| id.to_string());
            format!("{collection} {after} {}\n", at.copied)
        });
        [format!("{}\n", self.generations)].into_iter().chain(lines).collect()
    }
}

fn line(line: &str) -> Option<(CollectionName, At)> {
    let mut words = line.split(' ');
    let collection = words.next()?.parse().ok()?;
    let after = match words.next()? {
        NONE => None,
        id => Some(Uuid::parse_str(id).ok()?),
    };
    let copied = words.next()?.parse().ok()?;
    Some((collection, At { after, copied }))
}

impl Migration<'_> {
    pub(super) async fn read_note(&self) -> Result<Note, MigrateError> {
        let generations = format!("{} {}", self.from.generation(), self.to.generation());
        let path = self.note.clone();
        let text = blocking(move || match fs::read_to_string(&path) {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData) => {
                Ok(String::new())
            }
            read => read,
        });
        let text = text.await?.map_err(|cause| self.failed("read", cause))?;
        Ok(Note::parse(&text, generations))
    }

    /// Durable on return, and never half a note.
    pub(super) async fn write_note(&self, note: &Note) -> Result<(), MigrateError> {
        let (path, text) = (self.note.clone(), note.write());
        blocking(move || replace(&path, &text)).await?.map_err(|cause| self.failed("write", cause))
    }

    /// Takes a collection out of the note, and the note away with the last one.
    pub(super) async fn forget(&self, collection: &CollectionName) -> Result<(), MigrateError> {
        let mut note = self.read_note().await?;
        note.collections.remove(collection);
        if !note.collections.is_empty() {
            return self.write_note(&note).await;
        }
        let path = self.note.clone();
        let removed = blocking(move || match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        });
        removed.await?.map_err(|cause| self.failed("remove", cause))
    }

    fn failed(&self, what: &'static str, cause: io::Error) -> MigrateError {
        MigrateError::File { what, place: self.note.display().to_string(), cause }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_as_it_was_written_and_one_of_other_stores_or_damaged_is_none() {
        let (first, second): (CollectionName, CollectionName) = ("first".parse().unwrap(), "second".parse().unwrap());
        let at = At { after: Some(Uuid::from_u128(7)), copied: 510 };
        let mut note = Note::parse("", "a b".into());
        note.set(&first, at);
        note.set(&second, At::default());
        let text = note.write();
        let read = Note::parse(&text, "a b".into());
        assert_eq!((read.at(&first), read.at(&second)), (Some(at), Some(At::default())));
        for (text, generations) in [(text.as_str(), "b a"), (text.trim_end_matches("0\n"), "a b"), ("noise", "a b")] {
            assert_eq!(Note::parse(text, generations.into()).at(&second), None, "{text:?}");
        }
    }
}
