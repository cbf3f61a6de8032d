//! What a point carries beside its vectors, in every store alike: a point in, JSON out, and back.
//!
//! The keys are what the stores' filters and indexes name, so renaming one is a migration.

use serde_json::{Map, Value, json};

use super::Point;
use crate::caller::{Allow, Reach};
use crate::document::{Chunk, Hit, Metadata, Span, Version};
use crate::embed::SparseVector;

pub(super) mod key {
    pub(in crate::store) const COLLECTION: &str = "collection";
    pub(in crate::store) const DOCUMENT: &str = "document";
    pub(in crate::store) const VERSION: &str = "version";
    pub(in crate::store) const ALLOW: &str = "allow";
    pub(in crate::store) const TAGS: &str = "tags";
    pub(in crate::store) const DATE: &str = "date";
    pub(in crate::store) const LANGUAGE: &str = "language";
    pub(in crate::store) const EXTERNAL_ID: &str = "external_id";
    pub(super) const TITLE: &str = "title";
    pub(super) const ORDINAL: &str = "ordinal";
    pub(super) const PAGE: &str = "page";
    pub(super) const HEADINGS: &str = "headings";
    pub(super) const TABLE_HEAD: &str = "table_head";
    pub(super) const START: &str = "start";
    pub(super) const END: &str = "end";
    pub(super) const TEXT: &str = "text";
}

/// The two vectors of a point, by name.
pub(super) const DENSE: &str = "dense";
pub(super) const BM25: &str = "bm25";

/// Stands among a point's groups where everybody who may use the collection may see it. No group has this name.
const EVERYBODY: &str = "*";

/// The payload of a point.
pub(super) fn write(point: &Point) -> Map<String, Value> {
    let mut payload = said(&point.allow, &point.metadata);
    let rest = json!({
        key::COLLECTION: point.collection.as_str(),
        key::DOCUMENT: point.document.to_string(),
        key::VERSION: point.version.0,
        key::EXTERNAL_ID: point.external_id,
        key::TITLE: point.title,
        key::ORDINAL: point.chunk.ordinal,
        key::PAGE: point.chunk.page,
        key::HEADINGS: point.chunk.headings,
        key::TABLE_HEAD: point.chunk.table_head,
        key::START: point.chunk.span.start,
        key::END: point.chunk.span.end,
        key::TEXT: point.chunk.text,
    });
    if let Value::Object(rest) = rest {
        payload.extend(rest);
    }
    payload
}

/// The part of a payload that may change while the text stays: the same on all points of a document.
pub(super) fn said(allow: &Allow, metadata: &Metadata) -> Map<String, Value> {
    let allowed: Vec<String> =
        if allow.is_empty() { vec![EVERYBODY.to_owned()] } else { allow.iter().map(ToString::to_string).collect() };
    [
        (key::ALLOW, json!(allowed)),
        (key::TAGS, json!(metadata.tags)),
        (key::DATE, json!(metadata.date)),
        (key::LANGUAGE, json!(metadata.language)),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect()
}

/// What a point must carry one of to be within reach. None: every point is.
pub(super) fn within(reach: &Reach) -> Option<Vec<String>> {
    match reach {
        Reach::Everything => None,
        Reach::Groups(groups) => {
            Some([EVERYBODY.to_owned()].into_iter().chain(groups.iter().map(ToString::to_string)).collect())
        }
    }
}

/// The hit that a payload tells of. None where it is not one that [`write`] made.
pub(super) fn hit(payload: &Map<String, Value>, score: f32, similarity: f32) -> Option<Hit> {
    Some(Hit {
        document: text(payload, key::DOCUMENT)?.parse().ok()?,
        version: Version(payload.get(key::VERSION)?.as_i64()?),
        external_id: text(payload, key::EXTERNAL_ID)?,
        title: text(payload, key::TITLE)?,
        metadata: metadata(payload)?,
        chunk: chunk(payload)?,
        score,
        similarity,
    })
}

/// The point that a payload and its vectors make. None where it is not one that [`write`] made.
pub(super) fn point(payload: &Map<String, Value>, dense: Vec<f32>, sparse: SparseVector) -> Option<Point> {
    let groups = payload.get(key::ALLOW)?.as_array()?.iter().filter_map(Value::as_str);
    Some(Point {
        collection: text(payload, key::COLLECTION)?.parse().ok()?,
        document: text(payload, key::DOCUMENT)?.parse().ok()?,
        version: Version(payload.get(key::VERSION)?.as_i64()?),
        external_id: text(payload, key::EXTERNAL_ID)?,
        title: text(payload, key::TITLE)?,
        allow: groups.filter(|name| *name != EVERYBODY).map(str::parse).collect::<Result<_, _>>().ok()?,
        metadata: metadata(payload)?,
        chunk: chunk(payload)?,
        dense,
        sparse,
    })
}

fn metadata(payload: &Map<String, Value>) -> Option<Metadata> {
    let tags = payload.get(key::TAGS)?.as_array()?;
    Some(Metadata {
        tags: tags.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        date: payload.get(key::DATE).and_then(Value::as_i64), // a store may take null for nothing at all
        language: text(payload, key::LANGUAGE),
    })
}

fn chunk(payload: &Map<String, Value>) -> Option<Chunk> {
    let offset = |key: &str| payload.get(key)?.as_u64().and_then(|number| usize::try_from(number).ok());
    let headings = payload.get(key::HEADINGS)?.as_array()?;
    Some(Chunk {
        ordinal: u32::try_from(offset(key::ORDINAL)?).ok()?,
        span: Span { start: offset(key::START)?, end: offset(key::END)? },
        page: offset(key::PAGE).and_then(|page| u32::try_from(page).ok()),
        table_head: text(payload, key::TABLE_HEAD),
        headings: headings.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        text: text(payload, key::TEXT)?,
    })
}

fn text(payload: &Map<String, Value>, key: &str) -> Option<String> {
    payload.get(key)?.as_str().map(str::to_owned)
}
