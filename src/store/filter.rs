//! What narrows a search to some of the documents that a caller may see.
//!
//! Stands beside the [`Scope`](crate::caller::Scope), never in its place: both stores demand both, so a filter can take
//! documents away and add none. What it means is [`Filter::passes`]; the stores push the same down as conditions on
//! their payload indexes. Word frequencies are counted in the whole scope, so a filter changes no score.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::document::Metadata;

/// Conditions on documents, all of which must hold. None at all: every document passes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// The document has one of these tags. Empty: any tags, or none.
    pub tags_any: BTreeSet<String>,
    /// The document has all of these tags.
    pub tags_all: BTreeSet<String>,
    /// The document's date is this or later, in seconds since 1970, UTC. One without a date does not pass.
    pub from: Option<i64>,
    /// The document's date is this or earlier.
    pub to: Option<i64>,
    /// The document is in one of these languages (ISO 639-1). Empty: any, or not known.
    pub languages: BTreeSet<String>,
    /// Where the document comes from. None: anywhere.
    pub places: Option<Places>,
}

/// Documents by what they are called where they come from: one of these, or one that begins with one of these.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    pub external_ids: BTreeSet<String>,
    pub prefixes: BTreeSet<String>,
}

impl Filter {
    /// More conditions than this make no sense, and a Qdrant server is told to refuse a filter with more.
    pub const CONDITIONS_MAX: usize = 96;

    /// Whether every document passes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a document passes.
    pub fn passes(&self, external_id: &str, metadata: &Metadata) -> bool {
        let dated = |holds: &dyn Fn(i64) -> bool| metadata.date.is_some_and(holds);
        (self.tags_any.is_empty() || !self.tags_any.is_disjoint(&metadata.tags))
            && self.tags_all.is_subset(&metadata.tags)
            && self.from.is_none_or(|from| dated(&|date| date >= from))
            && self.to.is_none_or(|to| dated(&|date| date <= to))
            && (self.languages.is_empty() || metadata.language.as_ref().is_some_and(|l| self.languages.contains(l)))
            && self.places.as_ref().is_none_or(|places| places.have(external_id))
    }
}

impl Places {
    fn have(&self, external_id: &str) -> bool {
        self.external_ids.contains(external_id) || self.prefixes.iter().any(|prefix| external_id.starts_with(prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_document_passes_where_every_part_of_the_filter_holds() {
        let said = Metadata { tags: set(&["a", "b"]), date: Some(100), language: Some("en".into()) };
        let passes = |filter: &Filter| filter.passes("/docs/guide.md", &said);
        let none = Filter::default();
        assert!(passes(&none) && none.is_empty());
        assert!(passes(&Filter { tags_any: set(&["b", "x"]), ..none.clone() }));
        assert!(!passes(&Filter { tags_any: set(&["x"]), ..none.clone() }));
        assert!(passes(&Filter { tags_all: set(&["a", "b"]), ..none.clone() }));
        assert!(!passes(&Filter { tags_all: set(&["a", "x"]), ..none.clone() }));
        assert!(passes(&Filter { from: Some(100), to: Some(100), ..none.clone() }));
        assert!(!passes(&Filter { from: Some(101), ..none.clone() }));
        assert!(!passes(&Filter { to: Some(99), ..none.clone() }));
        assert!(passes(&Filter { languages: set(&["de", "en"]), ..none.clone() }));
        assert!(!passes(&Filter { languages: set(&["de"]), ..none.clone() }));
        let places = |ids: &[&str], prefixes: &[&str]| Filter {
            places: Some(Places { external_ids: set(ids), prefixes: set(prefixes) }),
            ..Filter::default()
        };
        assert!(passes(&places(&["/docs/guide.md"], &[])) && passes(&places(&["/x"], &["/docs/"])));
        assert!(!passes(&places(&["/docs"], &["/documents/"])) && !passes(&places(&[], &[])));
    }

    #[test]
    fn what_nobody_said_passes_no_filter_that_asks_for_it() {
        let nothing = Metadata::default();
        for filter in [
            Filter { from: Some(i64::MIN), ..Filter::default() },
            Filter { to: Some(i64::MAX), ..Filter::default() },
            Filter { tags_any: set(&["a"]), ..Filter::default() },
            Filter { languages: set(&["en"]), ..Filter::default() },
        ] {
            assert!(!filter.passes("/docs/guide.md", &nothing), "{filter:?}");
        }
    }
}
