//! Strict mode: which requests a collection refuses, with the words of a server.

use std::collections::HashMap;

use qdrant_client::qdrant::StrictModeConfig;
use qdrant_edge::{
    AnyVariants, Condition, FieldCondition, Filter, JsonPath, Match, PayloadIndexInfo, PayloadSchemaParams,
    PayloadSchemaType, Prefetch, QueryRequest, SearchParams, ValueVariants,
};
use tonic::Status;

/// The rules of one collection. One without any refuses nothing.
pub(super) struct Strict {
    pub(super) config: StrictModeConfig,
    pub(super) indexed: HashMap<JsonPath, PayloadIndexInfo>,
}

impl Strict {
    pub(super) fn batch(&self, points: usize) -> Result<(), Status> {
        at_most(points as u64, self.config.upsert_max_batchsize, "upsert limit")
    }

    pub(super) fn limit(&self, limit: usize) -> Result<(), Status> {
        at_most(limit as u64, self.config.max_query_limit.map(u64::from), "limit")
    }

    pub(super) fn exact(&self, exact: bool) -> Result<(), Status> {
        if exact && self.config.search_allow_exact == Some(false) {
            return Err(refused("Exact search disabled!", "Set exact=false."));
        }
        Ok(())
    }

    pub(super) fn read_filter(&self, filter: Option<&Filter>) -> Result<(), Status> {
        self.filter(filter, self.config.unindexed_filtering_retrieve)
    }

    pub(super) fn write_filter(&self, filter: Option<&Filter>) -> Result<(), Status> {
        self.filter(filter, self.config.unindexed_filtering_update)
    }

    pub(super) fn query(&self, query: &QueryRequest) -> Result<(), Status> {
        query.prefetches.iter().try_for_each(|prefetch| self.prefetch(prefetch))?;
        self.limit(query.limit)?;
        self.read_filter(query.filter.as_ref())?;
        self.params(query.params.as_ref())
    }

    fn prefetch(&self, prefetch: &Prefetch) -> Result<(), Status> {
        prefetch.prefetches.iter().try_for_each(|inner| self.prefetch(inner))?;
        self.limit(prefetch.limit)?;
        self.read_filter(prefetch.filter.as_ref())?;
        self.params(prefetch.params.as_ref())
    }

    fn params(&self, params: Option<&SearchParams>) -> Result<(), Status> {
        let Some(params) = params else { return Ok(()) };
        self.exact(params.exact)?;
        at_most(params.hnsw_ef.unwrap_or_default() as u64, self.config.search_max_hnsw_ef.map(u64::from), "hnsw_ef")?;
        let oversampling = params.quantization.and_then(|quantization| quantization.oversampling);
        if let (Some(asked), Some(most)) = (oversampling, self.config.search_max_oversampling)
            && asked > f64::from(most)
        {
            return Err(refused("Limit exceeded for \"oversampling\"", "Reduce the \"oversampling\" parameter."));
        }
        self.read_filter(params.idf.as_ref().and_then(|idf| idf.corpus()))
    }

    fn filter(&self, filter: Option<&Filter>, unindexed_allowed: Option<bool>) -> Result<(), Status> {
        let Some(filter) = filter else { return Ok(()) };
        if unindexed_allowed == Some(false) {
            filter.iter_conditions().try_for_each(|condition| self.indexed(condition))?;
        }
        at_most(filter.total_conditions_count() as u64, self.config.filter_max_conditions, "filter conditions")?;
        at_most(filter.max_condition_input_size() as u64, self.config.condition_max_size, "condition size")
    }

    fn indexed(&self, condition: &Condition) -> Result<(), Status> {
        match condition {
            Condition::Field(field) => self.field_indexed(field),
            Condition::Filter(inner) => inner.iter_conditions().try_for_each(|condition| self.indexed(condition)),
            Condition::HasId(_) | Condition::HasVector(_) | Condition::CustomIdChecker(_) | Condition::Slice(_) => {
                Ok(())
            }
            Condition::IsEmpty(_) | Condition::IsNull(_) | Condition::Nested(_) => condition
                .targeted_key()
                .filter(|key| !self.indexed.contains_key(key))
                .map_or(Ok(()), |key| Err(no_index(&key))),
        }
    }

    fn field_indexed(&self, field: &FieldCondition) -> Result<(), Status> {
        let wanted = match field.r#match.as_ref() {
            Some(Match::Value(value)) => Some(match &value.value {
                ValueVariants::String(_) => PayloadSchemaType::Keyword,
                ValueVariants::Integer(_) => PayloadSchemaType::Integer,
                ValueVariants::Bool(_) => PayloadSchemaType::Bool,
            }),
            Some(Match::Any(any)) => Some(kind(&any.any)),
            Some(Match::Except(except)) => Some(kind(&except.except)),
            Some(Match::Prefix(_)) => return self.prefix_indexed(&field.key),
            Some(_) | None => None,
        };
        let found = self.indexed.get(&field.key).map(|index| index.data_type);
        if found.is_some() && (wanted.is_none() || found == wanted) { Ok(()) } else { Err(no_index(&field.key)) }
    }

    fn prefix_indexed(&self, key: &JsonPath) -> Result<(), Status> {
        let params = self.indexed.get(key).and_then(|index| index.params.as_ref());
        match params {
            Some(PayloadSchemaParams::Keyword(keyword)) if keyword.prefix == Some(true) => Ok(()),
            Some(_) | None => Err(no_index(key)),
        }
    }
}

fn kind(values: &AnyVariants) -> PayloadSchemaType {
    match values {
        AnyVariants::Strings(_) => PayloadSchemaType::Keyword,
        AnyVariants::Integers(_) => PayloadSchemaType::Integer,
    }
}

fn at_most(value: u64, most: Option<u64>, name: &str) -> Result<(), Status> {
    match most {
        Some(most) if value > most => Err(refused(
            &format!("Limit exceeded {value} > {most} for \"{name}\""),
            &format!("Reduce the \"{name}\" parameter to or below {most}."),
        )),
        Some(_) | None => Ok(()),
    }
}

fn no_index(key: &JsonPath) -> Status {
    refused(
        &format!("Index required but not found for \"{key}\""),
        "Create an index for this key or use a different filter.",
    )
}

fn refused(error: &str, help: &str) -> Status {
    Status::invalid_argument(format!("Bad request: {error}. Help: {help}"))
}
