//! Who asks, and what they may find.
//!
//! A search takes a [`Scope`], and a scope is made by a [`Caller`] and by nothing else: its fields are private, so a
//! search that forgot to ask who is asking does not compile. Stores turn the scope into the filter that they push down.

use crate::document::CollectionName;

/// Who asks a question or lists documents.
///
/// Today there is one kind: whoever can run the command or reach the loopback address, and may use every collection.
#[derive(Debug, Clone)]
pub struct Caller {
    name: &'static str,
}

impl Caller {
    /// Whoever can use this machine's command line or its loopback address.
    pub fn local() -> Self {
        Self { name: "local" }
    }

    /// For logs and metrics; never part of a filter.
    pub fn name(&self) -> &str {
        self.name
    }

    /// What this caller may find in `collection`.
    pub fn scope(&self, collection: &CollectionName) -> Scope {
        Scope { collection: collection.clone() }
    }
}

/// What one search may see. Built by [`Caller::scope`] only.
#[derive(Debug, Clone)]
pub struct Scope {
    collection: CollectionName,
}

impl Scope {
    pub fn collection(&self) -> &CollectionName {
        &self.collection
    }
}
