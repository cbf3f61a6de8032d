//! The payload indexes that the shard's filters use: made with it, and made up for where an older cairn made it.

use std::collections::HashSet;

use qdrant_edge::{
    CreateIndex, EdgeShard, FieldIndexOperations, JsonPath, KeywordIndexParams, OperationError, PayloadFieldSchema,
    PayloadSchemaParams, PayloadSchemaType, UpdateOperation,
};

use super::filter::path;
use crate::store::payload::key;

/// Makes those that are missing. The points that are there are indexed too.
pub(super) fn complete(shard: &EdgeShard) -> Result<(), OperationError> {
    let there: HashSet<JsonPath> = shard.info()?.payload_schema.into_keys().collect();
    let mut missing = wanted().into_iter().filter(|(field, _)| !there.contains(&path(field))).peekable();
    if missing.peek().is_none() {
        return Ok(());
    }
    for (field, schema) in missing {
        shard.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(CreateIndex {
            field_name: path(field),
            field_schema: Some(schema),
        })))?;
    }
    shard.flush()
}

fn wanted() -> [(&'static str, PayloadFieldSchema); 8] {
    let of = PayloadFieldSchema::FieldType;
    let prefixes = KeywordIndexParams { prefix: Some(true), ..KeywordIndexParams::default() };
    [
        (key::COLLECTION, of(PayloadSchemaType::Keyword)),
        (key::DOCUMENT, of(PayloadSchemaType::Keyword)),
        (key::ALLOW, of(PayloadSchemaType::Keyword)),
        (key::TAGS, of(PayloadSchemaType::Keyword)),
        (key::LANGUAGE, of(PayloadSchemaType::Keyword)),
        (key::DATE, of(PayloadSchemaType::Integer)),
        (key::VERSION, of(PayloadSchemaType::Integer)),
        (key::EXTERNAL_ID, PayloadFieldSchema::FieldParams(PayloadSchemaParams::Keyword(prefixes))),
    ]
}
