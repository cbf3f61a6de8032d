//! Filters and selections of points as the engine takes them, by way of the form that Qdrant's REST API gives them.

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::{Condition, FieldCondition, Filter, Match, PointsSelector, Range};
use qdrant_edge::{Filter as EngineFilter, PointId};
use serde_json::{Map, Value, json};
use tonic::Status;

use super::message::wanted_id;

pub(super) fn filter(filter: Filter) -> Result<EngineFilter, Status> {
    serde_json::from_value(rest(filter)?).map_err(|error| Status::invalid_argument(error.to_string()))
}

/// The points that are meant: by id, or by a filter, or neither.
pub(super) fn selection(
    selector: Option<PointsSelector>,
) -> Result<(Option<Vec<PointId>>, Option<EngineFilter>), Status> {
    match selector.and_then(|selector| selector.points_selector_one_of) {
        Some(PointsSelectorOneOf::Points(list)) => {
            Ok((Some(list.ids.iter().map(wanted_id).collect::<Result<_, _>>()?), None))
        }
        Some(PointsSelectorOneOf::Filter(chosen)) => Ok((None, Some(filter(chosen)?))),
        None => Ok((None, None)),
    }
}

fn rest(filter: Filter) -> Result<Value, Status> {
    let all = |conditions: Vec<Condition>| conditions.into_iter().map(condition).collect::<Result<Vec<_>, _>>();
    let mut form = json!({
        "should": all(filter.should)?,
        "must": all(filter.must)?,
        "must_not": all(filter.must_not)?,
    });
    if let Some(min_should) = filter.min_should {
        form["min_should"] = json!({ "conditions": all(min_should.conditions)?, "min_count": min_should.min_count });
    }
    // An empty list means no condition, where an empty `should` in this form would mean one that nothing meets.
    let parts: Map<String, Value> = match form {
        Value::Object(parts) => {
            parts.into_iter().filter(|(_, part)| part.as_array().is_none_or(|c| !c.is_empty())).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    Ok(Value::Object(parts))
}

fn condition(condition: Condition) -> Result<Value, Status> {
    match condition.condition_one_of {
        Some(ConditionOneOf::Field(field)) => of_field(field),
        Some(ConditionOneOf::Filter(inner)) => rest(inner),
        Some(ConditionOneOf::IsEmpty(empty)) => Ok(json!({ "is_empty": { "key": empty.key } })),
        Some(ConditionOneOf::IsNull(missing)) => Ok(json!({ "is_null": { "key": missing.key } })),
        Some(ConditionOneOf::HasVector(has)) => Ok(json!({ "has_vector": has.has_vector })),
        Some(ConditionOneOf::HasId(has)) => {
            let ids = has.has_id.iter().map(|id| wanted_id(id).map(|id| json!(id))).collect::<Result<Vec<_>, _>>()?;
            Ok(json!({ "has_id": ids }))
        }
        Some(ConditionOneOf::Nested(_) | ConditionOneOf::Slice(_)) => {
            Err(Status::unimplemented("nested and slice conditions are not offered here"))
        }
        None => Err(Status::invalid_argument("Malformed Condition type")),
    }
}

fn of_field(field: FieldCondition) -> Result<Value, Status> {
    let key = field.key;
    match (field.r#match, field.range) {
        (Some(wanted), None) => Ok(json!({ "key": key, "match": matching(wanted)? })),
        (None, Some(Range { lt, gt, gte, lte })) => {
            Ok(json!({ "key": key, "range": { "lt": lt, "gt": gt, "gte": gte, "lte": lte } }))
        }
        (Some(_), Some(_)) | (None, None) => {
            Err(Status::unimplemented("a field can be matched or be in a range here, nothing else"))
        }
    }
}

fn matching(wanted: Match) -> Result<Value, Status> {
    match wanted.match_value {
        Some(MatchValue::Keyword(value)) => Ok(json!({ "value": value })),
        Some(MatchValue::Integer(value)) => Ok(json!({ "value": value })),
        Some(MatchValue::Boolean(value)) => Ok(json!({ "value": value })),
        Some(MatchValue::Keywords(values)) => Ok(json!({ "any": values.strings })),
        Some(MatchValue::Integers(values)) => Ok(json!({ "any": values.integers })),
        Some(MatchValue::ExceptKeywords(values)) => Ok(json!({ "except": values.strings })),
        Some(MatchValue::ExceptIntegers(values)) => Ok(json!({ "except": values.integers })),
        Some(MatchValue::Prefix(prefix)) => Ok(json!({ "prefix": prefix })),
        Some(MatchValue::Text(_) | MatchValue::Phrase(_) | MatchValue::TextAny(_) | MatchValue::Substring(_)) => {
            Err(Status::unimplemented("matches within texts are not offered here"))
        }
        None => Err(Status::invalid_argument("Malformed Match condition")),
    }
}
