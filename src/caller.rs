//! Who asks, and what they may find.
//!
//! A search takes a [`Scope`], and a scope is made by a [`Caller`] and by nothing else: its fields are private, so a
//! search that forgot to ask who is asking does not compile. Stores turn the scope into the filter that they push down.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::document::CollectionName;

/// A set of people who may see the same documents, as keys and documents name it. Letters, digits, `-`, `_`, `.`, `:`,
/// `/` and `@`, at most 100 characters; case counts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group(String);

impl Group {
    const LENGTH_MAX: usize = 100;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a group's name.
#[derive(Debug, thiserror::Error)]
#[error("{name:?} is not a group name: use 1 to 100 letters, digits, '-', '_', '.', ':', '/' or '@'")]
pub struct InvalidGroup {
    name: String,
}

impl FromStr for Group {
    type Err = InvalidGroup;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_alphanumeric() || "-_.:/@".contains(c);
        if !name.is_empty() && name.chars().count() <= Self::LENGTH_MAX && name.chars().all(plain) {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidGroup { name: name.chars().take(120).collect() })
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The groups that may see a document. Empty: everybody who may use its collection.
pub type Allow = BTreeSet<Group>;

/// Who asks a question or lists documents.
#[derive(Debug, Clone)]
pub struct Caller {
    name: String,
    collections: Collections,
    reach: Reach,
}

/// Which collections a caller may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collections {
    All,
    Only(BTreeSet<CollectionName>),
}

/// Which documents of a collection somebody may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Every one, whatever groups it allows.
    Everything,
    /// Those that allow everybody, and those that allow one of these groups.
    Groups(BTreeSet<Group>),
}

impl Caller {
    /// Whoever can use this machine's command line, or its loopback address while there are no keys.
    pub fn local() -> Self {
        Self { name: "local".into(), collections: Collections::All, reach: Reach::Everything }
    }

    /// The holder of a key.
    pub fn with_key(name: String, collections: Collections, groups: BTreeSet<Group>) -> Self {
        Self { name, collections, reach: Reach::Groups(groups) }
    }

    /// For logs and metrics; never part of a filter.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which collections this caller may use.
    pub fn collections(&self) -> &Collections {
        &self.collections
    }

    /// What this caller may find in `collection`. None: nothing, not even whether it exists.
    pub fn scope(&self, collection: &CollectionName) -> Option<Scope> {
        let may_use = match &self.collections {
            Collections::All => true,
            Collections::Only(names) => names.contains(collection),
        };
        may_use.then(|| Scope { collection: collection.clone(), reach: self.reach.clone() })
    }
}

/// What one search may see. Built by [`Caller::scope`] only.
#[derive(Debug, Clone)]
pub struct Scope {
    collection: CollectionName,
    reach: Reach,
}

impl Scope {
    pub fn collection(&self) -> &CollectionName {
        &self.collection
    }

    pub fn reach(&self) -> &Reach {
        &self.reach
    }
}
