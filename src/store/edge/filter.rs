//! Scopes, filters and documents as the engine's conditions.

use qdrant_edge::{Filter as Conditions, JsonPath};
use serde_json::{Value, json};

use crate::caller::Scope;
use crate::document::{CollectionName, DocumentId, Version};
use crate::store::Filter;
use crate::store::payload::{self, key};

/// The one place where a scope becomes a filter.
pub(super) fn of_scope(scope: &Scope) -> Conditions {
    filter(&json!({ "must": scope_conditions(scope) }))
}

/// What a search may find: within the scope, and past the filter.
pub(super) fn of_search(scope: &Scope, narrowed: &Filter) -> Conditions {
    let must: Vec<Value> = scope_conditions(scope).into_iter().chain(conditions(narrowed)).collect();
    filter(&json!({ "must": must }))
}

pub(super) fn of_collection(collection: &CollectionName) -> Conditions {
    filter(&json!({ "must": [matches(key::COLLECTION, &json!({ "value": collection.as_str() }))] }))
}

pub(super) fn of_document(document: DocumentId) -> Conditions {
    filter(&json!({ "must": [document_condition(document)] }))
}

/// Every version of the document but this one.
pub(super) fn superseded(document: DocumentId, version: Version) -> Conditions {
    let current = matches(key::VERSION, &json!({ "value": version.0 }));
    filter(&json!({ "must": [document_condition(document)], "must_not": [current] }))
}

pub(super) fn path(field: &str) -> JsonPath {
    field.parse().expect("payload keys are plain words")
}

fn scope_conditions(scope: &Scope) -> Vec<Value> {
    let collection = matches(key::COLLECTION, &json!({ "value": scope.collection().as_str() }));
    let within = payload::within(scope.reach()).map(|groups| matches(key::ALLOW, &json!({ "any": groups })));
    [collection].into_iter().chain(within).collect()
}

fn conditions(filter: &Filter) -> Vec<Value> {
    let Filter { tags_any, tags_all, from, to, languages, places } = filter;
    let mut conditions = Vec::new();
    if !tags_any.is_empty() {
        conditions.push(matches(key::TAGS, &json!({ "any": tags_any })));
    }
    conditions.extend(tags_all.iter().map(|tag| matches(key::TAGS, &json!({ "value": tag }))));
    if from.is_some() || to.is_some() {
        conditions.push(json!({ "key": key::DATE, "range": { "gte": from, "lte": to } }));
    }
    if !languages.is_empty() {
        conditions.push(matches(key::LANGUAGE, &json!({ "any": languages })));
    }
    if let Some(places) = places {
        let exactly = matches(key::EXTERNAL_ID, &json!({ "any": places.external_ids }));
        let below = places.prefixes.iter().map(|prefix| matches(key::EXTERNAL_ID, &json!({ "prefix": prefix })));
        let one_of: Vec<Value> = [exactly].into_iter().chain(below).collect();
        conditions.push(json!({ "should": one_of }));
    }
    conditions
}

fn document_condition(document: DocumentId) -> Value {
    matches(key::DOCUMENT, &json!({ "value": document.to_string() }))
}

/// A condition in the words of Qdrant's filters.
fn matches(field: &str, how: &Value) -> Value {
    json!({ "key": field, "match": how })
}

fn filter(conditions: &Value) -> Conditions {
    serde_json::from_value(conditions.clone()).expect("the engine reads its own filters")
}
