//! Qdrant's messages as the engine's values, and back.

use std::collections::HashMap;

use ordered::OrderedFloat;
use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::{
    CreateCollection, CreateFieldIndexCollection, FieldType, Fusion as FusionMessage, IntegerIndexParams,
    KeywordIndexParams, KeywordPrefixParams, NamedVectorsOutput, PayloadIndexParams, PayloadSchemaInfo,
    PayloadSchemaType as SchemaMessage, PointId as PointIdMessage, PointStruct as PointMessage, PrefetchQuery, Query,
    QueryPoints, RetrievedPoint, ScoredPoint as ScoredMessage, SearchParams as SearchParamsMessage,
    SparseVector as SparseMessage, Value, Vector as VectorMessage, VectorInput, VectorOutput, VectorsOutput,
    WithPayloadSelector, WithVectorsSelector, vector, vector_input, vector_output, vectors, vectors_output,
    with_payload_selector, with_vectors_selector,
};
use qdrant_client::qdrant::{DenseVector, MultiDenseVector};
use qdrant_edge::external::ordered_float as ordered;
use qdrant_edge::external::uuid::Uuid;
use qdrant_edge::{
    Fusion, JsonPath, NamedQuery, Payload, PayloadFieldSchema, PayloadIndexInfo, PayloadSchemaParams,
    PayloadSchemaType, PointId, PointStruct, Prefetch, QueryEnum, QueryRequest, Record, ScoredPoint, ScoringQuery,
    SearchParams, Vector, VectorInternal, VectorStructInternal, Vectors, WithPayloadInterface, WithVector,
};
use serde_json::json;
use tonic::Status;

use super::engine::{refusal, vectors as dense_vectors};
use super::filter::filter;

/// The k of reciprocal rank fusion where a request has none.
const RRF_K: u32 = 2;

pub(super) fn path(field: &str) -> Result<JsonPath, Status> {
    field.parse().map_err(|()| Status::invalid_argument(format!("{field:?} is no path in a payload")))
}

pub(super) fn wanted_id(id: &PointIdMessage) -> Result<PointId, Status> {
    match &id.point_id_options {
        Some(PointIdOptions::Num(number)) => Ok(PointId::NumId(*number)),
        Some(PointIdOptions::Uuid(uuid)) => Uuid::parse_str(uuid)
            .map(PointId::Uuid)
            .map_err(|_| Status::invalid_argument(format!("Unable to parse UUID: {uuid}"))),
        None => Err(Status::invalid_argument("No ID options provided")),
    }
}

pub(super) fn point_id(id: PointId) -> PointIdMessage {
    let options = match id {
        PointId::NumId(number) => PointIdOptions::Num(number),
        PointId::Uuid(uuid) => PointIdOptions::Uuid(uuid.to_string()),
    };
    PointIdMessage { point_id_options: Some(options) }
}

pub(super) fn fields(payload: HashMap<String, Value>) -> Payload {
    Payload(payload.into_iter().map(|(key, value)| (key, value.into_json())).collect())
}

/// A point to store, if its vectors are those of the collection.
pub(super) fn point(point: PointMessage, made: &CreateCollection) -> Result<PointStruct, Status> {
    let id = wanted_id(&point.id.ok_or_else(|| Status::invalid_argument("Empty ID is not allowed"))?)?;
    let named = match point.vectors.and_then(|vectors| vectors.vectors_options) {
        Some(vectors::VectorsOptions::Vectors(named)) => named.vectors,
        Some(vectors::VectorsOptions::Vector(_)) => {
            return Err(Status::invalid_argument("Wrong input: Not existing vector name error: "));
        }
        None => HashMap::new(),
    };
    let vectors = named
        .into_iter()
        .map(|(name, vector)| {
            let vector = stored(&name, vector, made)?;
            Ok((name, vector))
        })
        .collect::<Result<Vec<_>, Status>>()?;
    let payload = fields(point.payload).0.into_iter().collect::<serde_json::Map<_, _>>();
    Ok(PointStruct::new(id, Vectors::new_named(vectors), payload.into()))
}

#[expect(deprecated, reason = "a client may still send vectors in the old form, and a server takes them")]
fn stored(name: &str, vector: VectorMessage, made: &CreateCollection) -> Result<Vector, Status> {
    let VectorMessage { data, indices, vectors_count: _, vector } = vector;
    let vector = match (vector, indices) {
        (Some(vector), _) => vector,
        (None, Some(indices)) => vector::Vector::Sparse(SparseMessage { values: data, indices: indices.data }),
        (None, None) => vector::Vector::Dense(DenseVector { data }),
    };
    match vector {
        vector::Vector::Dense(dense) => {
            let expected = dense_vectors(made)?.into_iter().find(|(known, _)| *known == name);
            let expected = expected.ok_or_else(|| unknown_vector(name))?.1.size;
            if expected != dense.data.len() as u64 {
                return Err(Status::invalid_argument(format!(
                    "Wrong input: Vector dimension error: expected dim: {expected}, got {}",
                    dense.data.len()
                )));
            }
            Ok(Vector::new_dense(dense.data))
        }
        vector::Vector::Sparse(sparse) => {
            if !made.sparse_vectors_config.as_ref().is_some_and(|config| config.map.contains_key(name)) {
                return Err(unknown_vector(name));
            }
            Vector::new_sparse(sparse.indices, sparse.values).map_err(|error| refusal(&error))
        }
        vector::Vector::MultiDense(_)
        | vector::Vector::Document(_)
        | vector::Vector::Image(_)
        | vector::Vector::Object(_) => Err(Status::unimplemented("only dense and sparse vectors are offered here")),
    }
}

fn unknown_vector(name: &str) -> Status {
    Status::invalid_argument(format!("Wrong input: Not existing vector name error: {name}"))
}

pub(super) fn query(request: QueryPoints, limit_usual: usize, made: &CreateCollection) -> Result<QueryRequest, Status> {
    if request.lookup_from.is_some() || request.shard_key_selector.is_some() {
        return Err(Status::unimplemented("lookups and shard keys are not offered here"));
    }
    let limit = number(request.limit).unwrap_or(limit_usual);
    if limit == 0 {
        return Err(Status::invalid_argument(
            "Validation error in body: [limit: value 0 invalid, must be 1 or larger]",
        ));
    }
    Ok(QueryRequest {
        prefetches: request.prefetch.into_iter().map(|inner| prefetch(inner, made)).collect::<Result<_, _>>()?,
        query: request.query.map(|query| scoring(query, request.using, made)).transpose()?,
        filter: request.filter.map(filter).transpose()?,
        score_threshold: request.score_threshold,
        limit,
        offset: number(request.offset).unwrap_or_default(),
        params: request.params.map(params).transpose()?,
        with_vector: with_vectors(request.with_vectors),
        with_payload: with_payload(request.with_payload),
    })
}

fn prefetch(request: PrefetchQuery, made: &CreateCollection) -> Result<Prefetch, Status> {
    if request.lookup_from.is_some() {
        return Err(Status::unimplemented("lookups are not offered here"));
    }
    Ok(Prefetch {
        prefetches: request.prefetch.into_iter().map(|inner| prefetch(inner, made)).collect::<Result<_, _>>()?,
        query: request.query.map(|query| scoring(query, request.using, made)).transpose()?,
        limit: number(request.limit).unwrap_or(10),
        params: request.params.map(params).transpose()?,
        filter: request.filter.map(filter).transpose()?,
        score_threshold: request.score_threshold,
    })
}

fn scoring(query: Query, using: Option<String>, made: &CreateCollection) -> Result<ScoringQuery, Status> {
    match query.variant {
        Some(Variant::Nearest(wanted)) => {
            let using = using.ok_or_else(|| unknown_vector(""))?;
            Ok(ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery {
                query: nearest(wanted, &using, made)?,
                using: Some(using),
            })))
        }
        Some(Variant::Fusion(fusion)) => match FusionMessage::try_from(fusion) {
            Ok(FusionMessage::Rrf) => Ok(ScoringQuery::Fusion(Fusion::Rrf { k: RRF_K as usize, weights: None })),
            Ok(FusionMessage::Dbsf) => Ok(ScoringQuery::Fusion(Fusion::Dbsf)),
            Err(error) => Err(Status::invalid_argument(error.to_string())),
        },
        Some(Variant::Rrf(rrf)) => {
            let k = rrf.k.unwrap_or(RRF_K) as usize;
            if k == 0 {
                return Err(Status::invalid_argument(
                    "Validation error in body: [k: value 0 invalid, must be 1 or larger]",
                ));
            }
            let weights = rrf.weights.into_iter().map(OrderedFloat).collect::<Vec<_>>();
            Ok(ScoringQuery::Fusion(Fusion::Rrf { k, weights: Some(weights).filter(|weights| !weights.is_empty()) }))
        }
        Some(
            Variant::Recommend(_)
            | Variant::Discover(_)
            | Variant::Context(_)
            | Variant::OrderBy(_)
            | Variant::Sample(_)
            | Variant::Formula(_)
            | Variant::NearestWithMmr(_)
            | Variant::RelevanceFeedback(_)
            | Variant::Text(_),
        ) => Err(Status::unimplemented("only nearest vectors and their fusion are offered here")),
        None => Err(Status::invalid_argument("Query variant is missing")),
    }
}

fn nearest(wanted: VectorInput, using: &str, made: &CreateCollection) -> Result<VectorInternal, Status> {
    let vector = match wanted.variant {
        Some(vector_input::Variant::Dense(dense)) => vector::Vector::Dense(dense),
        Some(vector_input::Variant::Sparse(sparse)) => vector::Vector::Sparse(sparse),
        Some(
            vector_input::Variant::Id(_)
            | vector_input::Variant::MultiDense(_)
            | vector_input::Variant::Document(_)
            | vector_input::Variant::Image(_)
            | vector_input::Variant::Object(_),
        ) => return Err(Status::unimplemented("only dense and sparse vectors are offered here")),
        None => return Err(Status::invalid_argument("VectorInput variant is missing")),
    };
    stored(using, VectorMessage { vector: Some(vector), ..VectorMessage::default() }, made).map(Into::into)
}

/// By way of the form that Qdrant's REST API gives them.
fn params(params: SearchParamsMessage) -> Result<SearchParams, Status> {
    let SearchParamsMessage { hnsw_ef, exact, quantization, indexed_only, acorn, idf } = params;
    let corpus = idf.and_then(|idf| idf.corpus).map(filter).transpose()?;
    let form = json!({
        "hnsw_ef": hnsw_ef,
        "exact": exact.unwrap_or_default(),
        "indexed_only": indexed_only.unwrap_or_default(),
        "quantization": quantization.map(|quantization| json!({
            "ignore": quantization.ignore.unwrap_or_default(),
            "rescore": quantization.rescore,
            "oversampling": quantization.oversampling,
        })),
        "acorn": acorn.map(|acorn| json!({
            "enable": acorn.enable.unwrap_or_default(),
            "max_selectivity": acorn.max_selectivity,
        })),
        "idf": corpus.map(|corpus| json!({ "corpus": corpus })),
    });
    serde_json::from_value(form).map_err(|error| Status::invalid_argument(error.to_string()))
}

pub(super) fn with_payload(selector: Option<WithPayloadSelector>) -> WithPayloadInterface {
    use with_payload_selector::SelectorOptions;
    let form = match selector.and_then(|selector| selector.selector_options) {
        Some(SelectorOptions::Enable(all)) => json!(all),
        Some(SelectorOptions::Include(include)) => json!({ "include": include.fields }),
        Some(SelectorOptions::Exclude(exclude)) => json!({ "exclude": exclude.fields }),
        None => json!(false),
    };
    serde_json::from_value(form).expect("the engine reads its own selectors")
}

pub(super) fn with_vectors(selector: Option<WithVectorsSelector>) -> WithVector {
    use with_vectors_selector::SelectorOptions;
    match selector.and_then(|selector| selector.selector_options) {
        Some(SelectorOptions::Enable(all)) => WithVector::Bool(all),
        Some(SelectorOptions::Include(include)) => WithVector::Selector(include.names),
        None => WithVector::Bool(false),
    }
}

pub(super) fn scored(point: ScoredPoint) -> ScoredMessage {
    ScoredMessage {
        id: Some(point_id(point.id)),
        payload: payload(point.payload),
        score: point.score,
        version: point.version,
        vectors: point.vector.map(given),
        ..ScoredMessage::default()
    }
}

pub(super) fn retrieved(point: Record) -> RetrievedPoint {
    RetrievedPoint {
        id: Some(point_id(point.id)),
        payload: payload(point.payload),
        vectors: point.vector.map(given),
        ..RetrievedPoint::default()
    }
}

fn payload(payload: Option<Payload>) -> HashMap<String, Value> {
    payload.into_iter().flat_map(|payload| payload.0).map(|(key, value)| (key, Value::from(value))).collect()
}

fn given(vector: VectorStructInternal) -> VectorsOutput {
    let options = match vector {
        VectorStructInternal::Named(named) => {
            let vectors = named.into_iter().map(|(name, vector)| (name, output(vector))).collect();
            vectors_output::VectorsOptions::Vectors(NamedVectorsOutput { vectors })
        }
        VectorStructInternal::Single(data) => {
            vectors_output::VectorsOptions::Vector(output(VectorInternal::Dense(data)))
        }
        VectorStructInternal::MultiDense(multi) => {
            vectors_output::VectorsOptions::Vector(output(VectorInternal::MultiDense(multi)))
        }
    };
    VectorsOutput { vectors_options: Some(options) }
}

fn output(vector: VectorInternal) -> VectorOutput {
    let vector = match vector {
        VectorInternal::Dense(data) => vector_output::Vector::Dense(DenseVector { data }),
        VectorInternal::Sparse(sparse) => {
            vector_output::Vector::Sparse(SparseMessage { values: sparse.values, indices: sparse.indices })
        }
        VectorInternal::MultiDense(multi) => vector_output::Vector::MultiDense(MultiDenseVector {
            vectors: multi.multi_vectors().map(|data| DenseVector { data: data.to_vec() }).collect(),
        }),
    };
    VectorOutput { vector: Some(vector), ..VectorOutput::default() }
}

/// The index that is asked for: of keywords or of integers.
pub(super) fn index_schema(index: &CreateFieldIndexCollection) -> Result<PayloadFieldSchema, Status> {
    let form = match index.field_index_params.as_ref().and_then(|params| params.index_params.as_ref()) {
        Some(IndexParams::KeywordIndexParams(keyword)) => json!({
            "type": "keyword", "is_tenant": keyword.is_tenant, "enable_hnsw": keyword.enable_hnsw,
            "prefix": keyword.prefix.map(|_| true),
        }),
        Some(IndexParams::IntegerIndexParams(integer)) => json!({
            "type": "integer", "lookup": integer.lookup, "range": integer.range, "enable_hnsw": integer.enable_hnsw,
        }),
        None if index.field_type == Some(FieldType::Keyword.into()) => json!("keyword"),
        None if index.field_type == Some(FieldType::Integer.into()) => json!("integer"),
        Some(_) | None => return Err(Status::unimplemented("only keywords and integers are indexed here")),
    };
    serde_json::from_value(form).map_err(|error| Status::invalid_argument(error.to_string()))
}

pub(super) fn payload_schema(indexed: &HashMap<JsonPath, PayloadIndexInfo>) -> HashMap<String, PayloadSchemaInfo> {
    indexed
        .iter()
        .map(|(field, index)| {
            let params = index.params.as_ref().and_then(index_params);
            let data_type = match index.data_type {
                PayloadSchemaType::Keyword => SchemaMessage::Keyword,
                PayloadSchemaType::Integer => SchemaMessage::Integer,
                PayloadSchemaType::Float => SchemaMessage::Float,
                PayloadSchemaType::Geo => SchemaMessage::Geo,
                PayloadSchemaType::Text => SchemaMessage::Text,
                PayloadSchemaType::Bool => SchemaMessage::Bool,
                PayloadSchemaType::Datetime => SchemaMessage::Datetime,
                PayloadSchemaType::Uuid => SchemaMessage::Uuid,
            };
            let info = PayloadSchemaInfo { data_type: data_type.into(), params, points: Some(index.points as u64) };
            (field.to_string(), info)
        })
        .collect()
}

fn index_params(params: &PayloadSchemaParams) -> Option<PayloadIndexParams> {
    let params = match params {
        PayloadSchemaParams::Keyword(keyword) => IndexParams::KeywordIndexParams(KeywordIndexParams {
            is_tenant: keyword.is_tenant,
            enable_hnsw: keyword.enable_hnsw,
            prefix: keyword.prefix.filter(|prefix| *prefix).map(|_| KeywordPrefixParams {}),
            ..KeywordIndexParams::default()
        }),
        PayloadSchemaParams::Integer(integer) => IndexParams::IntegerIndexParams(IntegerIndexParams {
            lookup: integer.lookup,
            range: integer.range,
            enable_hnsw: integer.enable_hnsw,
            ..IntegerIndexParams::default()
        }),
        PayloadSchemaParams::Float(_)
        | PayloadSchemaParams::Geo(_)
        | PayloadSchemaParams::Text(_)
        | PayloadSchemaParams::Bool(_)
        | PayloadSchemaParams::Datetime(_)
        | PayloadSchemaParams::Uuid(_) => return None,
    };
    Some(PayloadIndexParams { index_params: Some(params) })
}

fn number(value: Option<u64>) -> Option<usize> {
    value.and_then(|value| usize::try_from(value).ok())
}
