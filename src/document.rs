//! The nouns that both paths share: what a document is called, where a piece of it stands, what a search found.
//!
//! Plain data, no I/O. Every `Span` is a range of UTF-8 bytes in the *extracted* text of one version of one document,
//! and lies on character boundaries of it.

use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Documents that are searched together. Lower-case letters, digits, `-` and `_`, at most 63 characters, the first one
/// a letter or digit: so that it can stand in a URL, a payload and an OpenAI `model` field as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CollectionName(String);

impl CollectionName {
    const LENGTH_MAX: usize = 63;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a collection's name.
#[derive(Debug, thiserror::Error)]
#[error(
    "{name:?} is not a collection name: use 1 to 63 lower-case letters, digits, '-' or '_', the first a letter or digit"
)]
pub struct InvalidCollectionName {
    name: String,
}

impl FromStr for CollectionName {
    type Err = InvalidCollectionName;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let starts_well = name.chars().next().is_some_and(plain);
        if starts_well && name.len() <= Self::LENGTH_MAX && name.chars().all(|c| plain(c) || c == '-' || c == '_') {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidCollectionName { name: name.chars().take(80).collect() })
        }
    }
}

impl TryFrom<String> for CollectionName {
    type Error = InvalidCollectionName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        name.parse()
    }
}

impl From<CollectionName> for String {
    fn from(name: CollectionName) -> Self {
        name.0
    }
}

impl fmt::Display for CollectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names every id that cairn derives, so that they never meet anybody else's UUIDs.
const NAMESPACE: Uuid = Uuid::from_u128(0x8f6e_2f0a_51c3_4f0e_9d3b_6a1c_7e42_c0a1);

/// One document of one collection: a UUIDv5 of the collection's name and the document's own (external) id, so that
/// the same file is the same document on every run and on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentId(Uuid);

impl DocumentId {
    pub fn new(collection: &CollectionName, external_id: &str) -> Self {
        Self(Uuid::new_v5(&NAMESPACE, format!("{collection}\0{external_id}").as_bytes()))
    }

    /// The id of one chunk's point: the same chunk of the same version is the same point, whoever stores it.
    pub fn point(self, version: Version, ordinal: u32) -> Uuid {
        Uuid::new_v5(&self.0, format!("{version}\0{ordinal}").as_bytes())
    }
}

impl FromStr for DocumentId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Counts a document's versions from 1: a new one begins when its content or the index's fingerprint changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub i64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What is said of a document beside its text: for filters, and to tell the newest of several from the older ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    pub tags: BTreeSet<String>,
    /// When it was written or last changed, in seconds since 1970, UTC.
    pub date: Option<i64>,
    /// ISO 639-1.
    pub language: Option<String>,
}

/// UTF-8 bytes `start..end` of a document's extracted text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    /// The piece of `text` that this span names. The span must have been computed from this very text.
    pub fn of(self, text: &str) -> &str {
        text.get(self.start..self.end).expect("a span is computed from the text it is used on")
    }
}

/// A piece of a document that is embedded and found as one: `span.of(extracted.text) == text`, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Counts the document's chunks from 0, in reading order.
    pub ordinal: u32,
    pub span: Span,
    /// The page or slide that the chunk begins on, counted from 1; None where there are none.
    pub page: Option<u32>,
    /// The headings above the chunk, outermost first; embedded with it, not part of its text.
    pub headings: Vec<String>,
    /// The head of the table that the chunk has rows of; embedded with it, not part of its text.
    pub table_head: Option<String>,
    pub text: String,
}

/// A chunk as a search found it, with what a citation needs to say where it comes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    pub document: DocumentId,
    pub version: Version,
    /// What the document is called where it comes from: for a file, its absolute path.
    pub external_id: String,
    pub title: String,
    pub metadata: Metadata,
    pub chunk: Chunk,
    /// The fused rank score that orders the hits of one search. Comparable within that search only.
    pub score: f32,
    /// Cosine between the question's vector and the chunk's, in -1..=1. Comparable between searches.
    pub similarity: f32,
}

/// A chunk chosen for a prompt, under the number that the answer cites it by (from 1).
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    pub number: usize,
    pub hit: Hit,
    /// Other documents with the same text, or nearly the same, as far as the search found them.
    pub also_in: Vec<AlsoIn>,
}

/// Where else a passage's text stands, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlsoIn {
    pub document: DocumentId,
    pub version: Version,
    pub external_id: String,
    pub title: String,
    /// The page that it begins on, counted from 1.
    pub page: Option<u32>,
    pub span: Span,
}

impl From<Hit> for AlsoIn {
    fn from(hit: Hit) -> Self {
        let Hit { document, version, external_id, title, chunk, .. } = hit;
        Self { document, version, external_id, title, page: chunk.page, span: chunk.span }
    }
}

/// SHA-256 in hexadecimal: tells whether a document or a model is still the same.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every write");
        text
    })
}
