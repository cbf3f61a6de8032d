//! How a collection is made, in the engine's words, and the engine's errors in a server's.

use qdrant_client::qdrant::vectors_config::Config as VectorsKind;
use qdrant_client::qdrant::{
    CreateCollection, Distance, HnswConfigDiff, Modifier, QuantizationConfig, QuantizationType, VectorParams,
    quantization_config,
};
use qdrant_edge::{
    Distance as EngineDistance, EdgeConfig, EdgeSparseVectorParams, EdgeVectorParams, HnswIndexConfig,
    Modifier as EngineModifier, OperationError,
};
use serde_json::json;
use tonic::Status;

pub(super) fn shard_config(made: &CreateCollection) -> Result<EdgeConfig, Status> {
    check(made)?;
    let mut config = EdgeConfig::builder().hnsw_config(graph(made.hnsw_config.as_ref()));
    for (name, params) in vectors(made)? {
        config = config.vector(name, dense(params)?);
    }
    for (name, params) in made.sparse_vectors_config.iter().flat_map(|sparse| &sparse.map) {
        let modifier = match params.modifier() {
            Modifier::None => EngineModifier::None,
            Modifier::Idf => EngineModifier::Idf,
        };
        let sparse = EdgeSparseVectorParams { modifier: Some(modifier), ..EdgeSparseVectorParams::default() };
        config = config.sparse_vector(name, sparse);
    }
    if let Some(quantization) = &made.quantization_config {
        config = config.quantization_config(quantized(quantization)?);
    }
    Ok(config.build())
}

/// The named dense vectors. A collection with one that has no name is not offered here.
pub(super) fn vectors(made: &CreateCollection) -> Result<Vec<(&String, &VectorParams)>, Status> {
    match made.vectors_config.as_ref().and_then(|config| config.config.as_ref()) {
        Some(VectorsKind::ParamsMap(named)) => Ok(named.map.iter().collect()),
        Some(VectorsKind::Params(_)) => Err(Status::unimplemented("a vector without a name is not offered here")),
        None => Ok(Vec::new()),
    }
}

/// As a server checks its requests.
fn check(made: &CreateCollection) -> Result<(), Status> {
    let name = &made.collection_name;
    if name.is_empty() || name.len() > 255 || name.contains(['<', '>', ':', '"', '/', '\\', '|', '?', '*', '\0']) {
        return Err(Status::invalid_argument("Validation error in body: [collection_name: invalid]"));
    }
    for (field, number) in [
        ("shard_number", made.shard_number),
        ("replication_factor", made.replication_factor),
        ("write_consistency_factor", made.write_consistency_factor),
    ] {
        if number == Some(0) {
            return Err(Status::invalid_argument(format!(
                "Validation error in body: [{field}: value 0 invalid, must be 1 or larger]"
            )));
        }
    }
    Ok(())
}

fn graph(hnsw: Option<&HnswConfigDiff>) -> HnswIndexConfig {
    let usual = HnswIndexConfig::default();
    let Some(hnsw) = hnsw else { return usual };
    let number = |value: Option<u64>| value.and_then(|value| usize::try_from(value).ok());
    HnswIndexConfig {
        m: number(hnsw.m).unwrap_or(usual.m),
        ef_construct: number(hnsw.ef_construct).unwrap_or(usual.ef_construct),
        full_scan_threshold: number(hnsw.full_scan_threshold).unwrap_or(usual.full_scan_threshold),
        max_indexing_threads: number(hnsw.max_indexing_threads).unwrap_or(usual.max_indexing_threads),
        payload_m: number(hnsw.payload_m),
        ..usual
    }
}

fn dense(params: &VectorParams) -> Result<EdgeVectorParams, Status> {
    let distance = match params.distance() {
        Distance::Cosine => EngineDistance::Cosine,
        Distance::Euclid => EngineDistance::Euclid,
        Distance::Dot => EngineDistance::Dot,
        Distance::Manhattan => EngineDistance::Manhattan,
        Distance::UnknownDistance => return Err(Status::invalid_argument("unknown distance")),
    };
    let size = usize::try_from(params.size).ok().filter(|size| *size > 0);
    let size = size.ok_or_else(|| Status::invalid_argument("Validation error in body: [size: must be 1 or larger]"))?;
    let vector = EdgeVectorParams::builder(size, distance);
    Ok(match &params.hnsw_config {
        Some(hnsw) => vector.hnsw_config(graph(Some(hnsw))).build(),
        None => vector.build(),
    })
}

fn quantized(config: &QuantizationConfig) -> Result<qdrant_edge::QuantizationConfig, Status> {
    match &config.quantization {
        Some(quantization_config::Quantization::Scalar(scalar)) if scalar.r#type() == QuantizationType::Int8 => {
            let config = json!({ "scalar": { "type": "int8", "quantile": scalar.quantile } });
            serde_json::from_value(config).map_err(|error| Status::invalid_argument(error.to_string()))
        }
        Some(
            quantization_config::Quantization::Scalar(_)
            | quantization_config::Quantization::Product(_)
            | quantization_config::Quantization::Binary(_)
            | quantization_config::Quantization::Turboquant(_),
        )
        | None => Err(Status::unimplemented("only scalar int8 quantization is offered here")),
    }
}

/// What is the request's fault is an invalid argument, the rest is internal, as on a server.
pub(super) fn refusal(error: &OperationError) -> Status {
    match error {
        OperationError::WrongVectorDimension { .. }
        | OperationError::VectorNameNotExists { .. }
        | OperationError::TypeError { .. }
        | OperationError::TypeInferenceError { .. }
        | OperationError::ValidationError { .. }
        | OperationError::WrongSparse
        | OperationError::WrongMulti
        | OperationError::MissingRangeIndexForOrderBy { .. }
        | OperationError::MissingMapIndexForFacet { .. }
        | OperationError::VariableTypeError { .. }
        | OperationError::NonFiniteNumber { .. } => Status::invalid_argument(format!("Wrong input: {error}")),
        OperationError::PointIdError { .. } => Status::not_found(format!("Not found: {error}")),
        OperationError::Timeout { .. } => Status::deadline_exceeded(error.to_string()),
        OperationError::MalformedVectorBlob { .. }
        | OperationError::MalformedPayloadBlob { .. }
        | OperationError::ServiceError { .. }
        | OperationError::InconsistentStorage { .. }
        | OperationError::FileNotFound { .. }
        | OperationError::OutOfMemory { .. }
        | OperationError::Cancelled { .. }
        | OperationError::OutOfAppendableCapacity { .. } => {
            Status::internal(format!("Service internal error: {error}"))
        }
    }
}
