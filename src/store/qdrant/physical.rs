//! The one collection on the server that holds all of cairn's: how it is made, and whose it is.
//!
//! Its metadata says by which fingerprint it was made and which generation it is; both come into being with the
//! collection itself, so there is never one without them, whichever of two processes made it.

use std::collections::HashMap;

use qdrant_client::QdrantError;
use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::quantization_config::Quantization as QuantizationKind;
use qdrant_client::qdrant::vectors_config::Config as VectorsKind;
use qdrant_client::qdrant::{
    CollectionInfo, CreateCollection, CreateFieldIndexCollection, Distance, FieldType, HnswConfigDiff,
    IntegerIndexParams, KeywordIndexParams, KeywordPrefixParams, Memory, Modifier, OptimizersConfigDiff,
    PayloadIndexParams, PayloadStorageParams, QuantizationConfig, QuantizationType, ScalarQuantization,
    SparseVectorConfig, SparseVectorParams, StrictModeConfig, UpdateCollection, Value, VectorParams, VectorParamsMap,
    VectorsConfig,
};
use tonic::{Code, Status};
use uuid::Uuid;

use super::call::Calls;
use super::{POINTS_PER_REQUEST_MAX, RANKED_MAX, ordered};
use crate::config::{QdrantServer, Quantization, Store};
use crate::store::payload::{BM25, DENSE, key};
use crate::store::{Filter, StoreError};

/// In the collection's metadata.
const FINGERPRINT: &str = "cairn_fingerprint";
const GENERATION: &str = "cairn_generation";
/// Conditions in one filter beside those that somebody asks for: a collection, a caller's groups, points.
const CONDITIONS_OWN: usize = 8;
/// Values in one condition, such as a caller's groups.
const VALUES_MAX: u64 = 10_000;
/// The most candidates of a quantized search for each that is asked for.
const OVERSAMPLING_MAX: f32 = 16.0;
/// Share of the numbers that scalar quantization fits its range to; the others are cut. Qdrant's own advice.
const QUANTILE: f32 = 0.99;
const WHAT: &str = "open the index";

/// The collection as it would be made. Its generation is new.
pub(super) fn collection(
    server: &QdrantServer,
    store: &Store,
    dimensions: usize,
    fingerprint: &str,
) -> CreateCollection {
    let payload_memory = if server.on_disk_payload { Memory::Cold } else { Memory::Cached };
    let generation = Uuid::new_v4().to_string();
    CreateCollection {
        collection_name: server.physical_collection.clone(),
        hnsw_config: Some(graph(store)),
        optimizers_config: Some(OptimizersConfigDiff {
            indexing_threshold: Some(exact_kib(store)),
            ..OptimizersConfigDiff::default()
        }),
        shard_number: Some(server.shard_number),
        vectors_config: Some(dense(dimensions)),
        replication_factor: Some(server.replication_factor),
        write_consistency_factor: Some(server.write_consistency_factor),
        quantization_config: quantization(server.quantization),
        sparse_vectors_config: Some(sparse()),
        strict_mode_config: Some(strict_mode()),
        metadata: HashMap::from([
            (FINGERPRINT.to_owned(), Value::from(fingerprint)),
            (GENERATION.to_owned(), Value::from(generation)),
        ]),
        payload: Some(PayloadStorageParams { memory: Some(payload_memory.into()) }),
        ..CreateCollection::default()
    }
}

/// Makes the collection where there is none, and what an older cairn did not give it: indexes, and room for filters.
/// Gives the generation of the one that is there, which another process may have made.
pub(super) async fn open(calls: &Calls, wanted: CreateCollection, fingerprint: &str) -> Result<String, StoreError> {
    let name = wanted.collection_name.clone();
    if !calls.read(WHAT, |client| client.collection_exists(name.as_str())).await? {
        calls
            .read(WHAT, |client| {
                let created = client.create_collection(wanted.clone());
                async { made_by_somebody(created.await) }
            })
            .await?;
    }
    let info = calls
        .read(WHAT, |client| {
            let info = client.collection_info(name.as_str());
            async { not_yet(info.await) }
        })
        .await?
        .result
        .unwrap_or_default();
    let generation = generation(calls, &name, &info, fingerprint)?;
    if let Some(change) = wider(&name, &info) {
        calls.read(WHAT, |client| client.update_collection(change.clone())).await?;
    }
    for index in indexes(&name).into_iter().filter(|index| !info.payload_schema.contains_key(&index.field_name)) {
        calls.write(WHAT, |client| client.create_field_index(index.clone())).await?;
    }
    Ok(generation)
}

/// Strict mode as it is, with room for the filters of today where it has less. An operator may have allowed more.
fn wider(name: &str, info: &CollectionInfo) -> Option<UpdateCollection> {
    let now = info.config.as_ref()?.strict_mode_config.clone()?;
    let wanted = strict_mode().filter_max_conditions;
    let is_narrow = now.filter_max_conditions.is_some_and(|most| Some(most) < wanted);
    is_narrow.then(|| UpdateCollection {
        collection_name: name.to_owned(),
        strict_mode_config: Some(StrictModeConfig { filter_max_conditions: wanted, ..now }),
        ..UpdateCollection::default()
    })
}

/// Another process, or an earlier attempt of this one whose answer was lost, is as good.
fn made_by_somebody<T>(created: Result<T, QdrantError>) -> Result<(), QdrantError> {
    match created {
        Err(QdrantError::ResponseError { ref status }) if status.code() == Code::AlreadyExists => Ok(()),
        Ok(_) | Err(_) => created.map(drop),
    }
}

/// A node of a cluster may hear of a new collection a moment after the one that made it.
fn not_yet<T>(info: Result<T, QdrantError>) -> Result<T, QdrantError> {
    match info {
        Err(QdrantError::ResponseError { ref status }) if status.code() == Code::NotFound => {
            Err(Status::unavailable(status.message()).into())
        }
        Ok(_) | Err(_) => info,
    }
}

fn generation(calls: &Calls, name: &str, info: &CollectionInfo, fingerprint: &str) -> Result<String, StoreError> {
    let noted = |key: &str| info.config.as_ref()?.metadata.get(key)?.as_str().cloned();
    let refused = |found: String| StoreError::OtherFingerprint {
        place: format!("{} on {}", name, calls.place),
        found,
        wanted: fingerprint.to_owned(),
        beside: " after giving store.physical_collection another name, which keeps the old index beside the new one",
    };
    match (noted(FINGERPRINT), noted(GENERATION)) {
        (Some(found), Some(generation)) if found == fingerprint => Ok(generation),
        (Some(found), Some(_)) => Err(refused(found)),
        (Some(_), None) | (None, Some(_) | None) => Err(refused("something other than cairn".into())),
    }
}

/// Every search is within one of cairn's collections, the tenant, so Qdrant's advice for tenants could save the graph
/// over all points (`m` 0) and build one for each tenant alone. It is kept nevertheless: only a graph that has it can
/// be searched by ACORN, without which a caller who may see a small part of a large collection would miss much of it.
fn graph(store: &Store) -> HnswConfigDiff {
    let links = u64::try_from(store.hnsw_m).unwrap_or(u64::MAX);
    HnswConfigDiff {
        m: Some(links),
        payload_m: Some(links),
        ef_construct: Some(u64::try_from(store.hnsw_ef_construct).unwrap_or(u64::MAX)),
        full_scan_threshold: Some(exact_kib(store)),
        ..HnswConfigDiff::default()
    }
}

/// Below this, every search is exact, and no graph is built.
fn exact_kib(store: &Store) -> u64 {
    store.full_scan_threshold.as_u64().div_ceil(1024)
}

fn dense(dimensions: usize) -> VectorsConfig {
    let params = VectorParams {
        size: u64::try_from(dimensions).unwrap_or(u64::MAX),
        distance: Distance::Cosine.into(),
        ..VectorParams::default()
    };
    let map = HashMap::from([(DENSE.to_owned(), params)]);
    VectorsConfig { config: Some(VectorsKind::ParamsMap(VectorParamsMap { map })) }
}

fn sparse() -> SparseVectorConfig {
    let params = SparseVectorParams { index: None, modifier: Some(Modifier::Idf.into()) };
    SparseVectorConfig { map: HashMap::from([(BM25.to_owned(), params)]) }
}

fn quantization(kind: Quantization) -> Option<QuantizationConfig> {
    match kind {
        Quantization::None => None,
        Quantization::Scalar => Some(QuantizationConfig {
            quantization: Some(QuantizationKind::Scalar(ScalarQuantization {
                r#type: QuantizationType::Int8.into(),
                quantile: Some(QUANTILE),
                memory: Some(Memory::Pinned.into()),
                ..ScalarQuantization::default()
            })),
        }),
    }
}

/// Lets through what cairn sends and little more, so that a filter that forgot its index is an error and not a scan of
/// everybody's documents. Exact search stays allowed, because the server takes an exact count for one.
fn strict_mode() -> StrictModeConfig {
    StrictModeConfig {
        enabled: Some(true),
        max_query_limit: u32::try_from(RANKED_MAX).ok(),
        unindexed_filtering_retrieve: Some(false),
        unindexed_filtering_update: Some(false),
        search_max_hnsw_ef: u32::try_from(Store::HNSW_EF_MAX).ok(),
        search_allow_exact: Some(true),
        search_max_oversampling: Some(OVERSAMPLING_MAX),
        upsert_max_batchsize: u64::try_from(POINTS_PER_REQUEST_MAX).ok(),
        filter_max_conditions: u64::try_from(CONDITIONS_OWN + Filter::CONDITIONS_MAX).ok(),
        condition_max_size: Some(VALUES_MAX),
        ..StrictModeConfig::default()
    }
}

/// One for each field that a filter names. Only the tenant's adds links to the graph: the others never stand alone.
fn indexes(name: &str) -> Vec<CreateFieldIndexCollection> {
    let keyword =
        KeywordIndexParams { is_tenant: Some(false), enable_hnsw: Some(false), ..KeywordIndexParams::default() };
    let tenant = KeywordIndexParams { is_tenant: Some(true), enable_hnsw: Some(true), ..keyword.clone() };
    let prefixes = KeywordIndexParams { prefix: Some(KeywordPrefixParams {}), ..keyword.clone() };
    // Looked up by value, or by range, never both; a server wants both said.
    let number = IntegerIndexParams {
        lookup: Some(true),
        range: Some(false),
        enable_hnsw: Some(false),
        ..IntegerIndexParams::default()
    };
    let range = IntegerIndexParams { lookup: Some(false), range: Some(true), ..number.clone() };
    let keywords = |params| (FieldType::Keyword, IndexParams::KeywordIndexParams(params));
    let integers = |params| (FieldType::Integer, IndexParams::IntegerIndexParams(params));
    [
        (key::COLLECTION, keywords(tenant)),
        (key::DOCUMENT, keywords(keyword.clone())),
        (key::ALLOW, keywords(keyword.clone())),
        (key::VERSION, integers(number)),
        (key::TAGS, keywords(keyword.clone())),
        (key::LANGUAGE, keywords(keyword)),
        (key::DATE, integers(range)),
        (key::EXTERNAL_ID, keywords(prefixes)),
    ]
    .into_iter()
    .map(|(field, (kind, params))| CreateFieldIndexCollection {
        collection_name: name.to_owned(),
        wait: Some(true),
        field_name: field.to_owned(),
        field_type: Some(kind.into()),
        field_index_params: Some(PayloadIndexParams { index_params: Some(params) }),
        ordering: ordered(),
        ..CreateFieldIndexCollection::default()
    })
    .collect()
}
