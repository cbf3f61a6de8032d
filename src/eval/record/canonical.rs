//! A record as bytes: keys sorted, two spaces of indentation, one line end at the end. The same record, the same bytes.

use serde::Serialize;
use serde_json::Value;

use super::{FORMAT, Report, Times};

/// Why a report can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    #[error("it is no report: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it is a report of form {found}, this version reads {FORMAT}: make it anew")]
    Format { found: u64 },
}

/// Any record in canonical form.
pub fn canonical(record: &impl Serialize) -> Result<String, RecordError> {
    let mut text = serde_json::to_string_pretty(&sorted(serde_json::to_value(record)?))?;
    text.push('\n');
    Ok(text)
}

/// A report in canonical form with an empty block of times: what its address is made of.
pub fn canonical_without_times(report: &Report) -> Result<String, RecordError> {
    let timeless = Report { times: Times::default(), ..report.clone() };
    canonical(&timeless)
}

pub(super) fn read(json: &str) -> Result<Report, RecordError> {
    let value: Value = serde_json::from_str(json)?;
    match value.get("format").and_then(Value::as_u64) {
        Some(found) if found != u64::from(FORMAT) => Err(RecordError::Format { found }),
        Some(_) | None => Ok(serde_json::from_value(value)?),
    }
}

/// Whether maps keep their order depends on a feature that any crate may switch on, so it is not relied on.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<(String, Value)> = map.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(sorted).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}
