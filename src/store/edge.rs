//! The vector store in this process: Qdrant's engine (qdrant-edge) on a folder of its own.
//!
//! One shard holds every collection; the collection's name is in each payload and in each filter. The folder belongs
//! to one process at a time. Every call blocks in the engine, so each runs on the blocking pool.

use std::path::Path;
use std::sync::Arc;
use std::{fs, io};

use async_trait::async_trait;
use qdrant_edge::external::uuid::Uuid as EdgeUuid;
use qdrant_edge::{
    CountRequest, Distance, EdgeConfig, EdgeShard, EdgeSparseVectorParams, EdgeVectorParams, FieldIndexOperations,
    Filter, Fusion, HnswIndexConfig, IdfCorpusParams, IdfParams, JsonPath, Modifier, NamedQuery, OperationError,
    Payload, PayloadFieldSchema, PayloadOps, PayloadSchemaType, PointId, PointInsertOperations, PointOperations,
    PointStruct, Prefetch, QueryEnum, QueryRequest, Record, ScoredPoint, ScoringQuery, ScrollRequest, SearchParams,
    SetPayloadOp, UpdateOperation, Vector, VectorInternal, VectorStructInternal, Vectors, WithPayloadInterface,
    WithVector,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::payload::{self, BM25, DENSE, key};
use super::{Counts, Point, Query, StoreError, VectorStore, in_order};
use crate::caller::{Allow, Scope};
use crate::config;
use crate::document::{CollectionName, DocumentId, Hit, Version};
use crate::embed::{SparseVector, cosine};
use crate::tasks::blocking;

/// Beside the shard: a line that no other index has, and the fingerprint of the vectors in it.
const IDENTITY_FILE: &str = "identity";

/// The in-process vector store.
pub struct EdgeStore {
    shard: Arc<EdgeShard>,
    generation: String,
    hnsw_ef: usize,
    free_bytes_min: u64,
}

impl EdgeStore {
    /// Opens the index in `dir`, or makes an empty one. Replays what a killed process had not yet flushed.
    pub async fn open(
        dir: &Path,
        fingerprint: &str,
        dimensions: usize,
        store: &config::Store,
    ) -> Result<Self, StoreError> {
        let (dir, fingerprint) = (dir.to_path_buf(), fingerprint.to_owned());
        let (hnsw_ef, free_bytes_min) = (store.hnsw_ef, store.free_space_min.as_u64());
        let config = shard_config(dimensions, store);
        let (shard, identity) =
            on_pool("open the index", move || open_shard(&dir, &fingerprint, config, free_bytes_min)).await?;
        Ok(Self { shard: Arc::new(shard), generation: identity.generation, hnsw_ef, free_bytes_min })
    }

    async fn on_shard<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&EdgeShard) -> Result<T, OperationError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shard = Arc::clone(&self.shard);
        on_pool(what, move || work(&shard).map_err(|error| engine(what, &error))).await
    }
}

async fn on_pool<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    blocking(work).await.map_err(|panicked| StoreError::Engine { what, reason: panicked.to_string() })?
}

fn engine(what: &'static str, error: &OperationError) -> StoreError {
    StoreError::Engine { what, reason: error.to_string() }
}

fn shard_config(dimensions: usize, store: &config::Store) -> EdgeConfig {
    let hnsw = HnswIndexConfig { m: store.hnsw_m, ef_construct: store.hnsw_ef_construct, ..Default::default() };
    EdgeConfig::builder()
        .vector(DENSE, EdgeVectorParams::builder(dimensions, Distance::Cosine).build())
        .sparse_vector(BM25, EdgeSparseVectorParams { modifier: Some(Modifier::Idf), ..Default::default() })
        .hnsw_config(hnsw)
        .build()
}

/// What the shard's folder says of itself, in [`IDENTITY_FILE`].
struct Identity {
    fingerprint: String,
    generation: String,
}

fn open_shard(
    dir: &Path,
    fingerprint: &str,
    config: EdgeConfig,
    free_bytes_min: u64,
) -> Result<(EdgeShard, Identity), StoreError> {
    if !dir.exists() {
        check_disk(dir.parent().unwrap_or(dir), free_bytes_min)?;
        make_shard(dir, fingerprint, config.clone())?;
    }
    let identity = read_identity(dir)?;
    if identity.fingerprint != fingerprint {
        return Err(StoreError::OtherFingerprint {
            place: dir.display().to_string(),
            found: identity.fingerprint,
            wanted: fingerprint.to_owned(),
            beside: ", which keeps the old index beside the new one",
        });
    }
    let shard = EdgeShard::load(dir, Some(config)).map_err(|error| engine("open the index", &error))?;
    Ok((shard, identity))
}

/// Makes the index beside its place and moves it there whole, so that a killed process leaves no half of one.
fn make_shard(dir: &Path, fingerprint: &str, config: EdgeConfig) -> Result<(), StoreError> {
    let part = dir.with_extension("part");
    let file =
        |error: io::Error| StoreError::File { what: "make the index", place: dir.display().to_string(), cause: error };
    if part.exists() {
        fs::remove_dir_all(&part).map_err(file)?;
    }
    let shard = EdgeShard::new(&part, config).map_err(|error| engine("make the index", &error))?;
    create_payload_indexes(&shard).map_err(|error| engine("make the index", &error))?;
    drop(shard);
    fs::write(part.join(IDENTITY_FILE), format!("{}\n{fingerprint}\n", Uuid::new_v4())).map_err(file)?;
    fs::File::open(part.join(IDENTITY_FILE)).and_then(|identity| identity.sync_all()).map_err(file)?;
    fs::rename(&part, dir).map_err(file)
}

fn read_identity(dir: &Path) -> Result<Identity, StoreError> {
    let path = dir.join(IDENTITY_FILE);
    let text = fs::read_to_string(&path).map_err(|cause| StoreError::File {
        what: "read",
        place: path.display().to_string(),
        cause,
    })?;
    let (generation, fingerprint) = text.trim_end().split_once('\n').unwrap_or_default();
    Ok(Identity { fingerprint: fingerprint.to_owned(), generation: generation.to_owned() })
}

fn create_payload_indexes(shard: &EdgeShard) -> Result<(), OperationError> {
    for (field, schema) in [
        (key::COLLECTION, PayloadSchemaType::Keyword),
        (key::DOCUMENT, PayloadSchemaType::Keyword),
        (key::ALLOW, PayloadSchemaType::Keyword),
        (key::VERSION, PayloadSchemaType::Integer),
    ] {
        shard.update(UpdateOperation::FieldIndexOperation(FieldIndexOperations::CreateIndex(
            qdrant_edge::CreateIndex {
                field_name: path(field),
                field_schema: Some(PayloadFieldSchema::FieldType(schema)),
            },
        )))?;
    }
    shard.flush()
}

#[async_trait]
impl VectorStore for EdgeStore {
    fn generation(&self) -> &str {
        &self.generation
    }

    async fn upsert(&self, points: Vec<Point>) -> Result<(), StoreError> {
        check_disk(self.shard.path(), self.free_bytes_min)?;
        self.on_shard("store points", move |shard| {
            let points = points.into_iter().map(point_struct).collect::<Result<Vec<_>, _>>()?;
            shard.update(UpdateOperation::PointOperation(PointOperations::UpsertPoints(
                PointInsertOperations::PointsList(points.into_iter().map(Into::into).collect()),
            )))?;
            shard.flush()
        })
        .await
    }

    async fn delete_superseded(&self, document: DocumentId, version: Version) -> Result<(), StoreError> {
        let superseded = matches(key::VERSION, &json!({ "value": version.0 }));
        let filter = filter(&json!({ "must": [of_document(document)], "must_not": [superseded] }));
        self.on_shard("delete superseded points", move |shard| delete(shard, filter)).await
    }

    async fn delete_document(&self, document: DocumentId) -> Result<(), StoreError> {
        let filter = filter(&json!({ "must": [of_document(document)] }));
        self.on_shard("delete a document's points", move |shard| delete(shard, filter)).await
    }

    async fn set_allow(&self, document: DocumentId, allow: &Allow) -> Result<(), StoreError> {
        let changed = PayloadOps::SetPayload(SetPayloadOp {
            payload: Payload([(key::ALLOW.to_owned(), json!(payload::allowed(allow)))].into_iter().collect()),
            points: None,
            filter: Some(filter(&json!({ "must": [of_document(document)] }))),
            key: None,
        });
        self.on_shard("change who may see a document", move |shard| {
            shard.update(UpdateOperation::PayloadOperation(changed))?;
            shard.flush()
        })
        .await
    }

    async fn export(
        &self,
        collection: &CollectionName,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<(Uuid, Point)>, StoreError> {
        const WHAT: &str = "export points";
        let request = ScrollRequest {
            offset: after.map(|id| PointId::Uuid(EdgeUuid::from_bytes(id.into_bytes()))),
            limit: Some(limit.saturating_add(1)), // The engine begins at the offset, not after it.
            filter: Some(filter(
                &json!({ "must": [matches(key::COLLECTION, &json!({ "value": collection.as_str() }))] }),
            )),
            with_vector: WithVector::Bool(true),
            ..ScrollRequest::new()
        };
        let (records, _) = self.on_shard(WHAT, move |shard| shard.scroll(request)).await?;
        let points = records.iter().map(|record| {
            exported(record)
                .ok_or_else(|| StoreError::Engine { what: WHAT, reason: format!("point {} is damaged", record.id) })
        });
        let points = points.collect::<Result<Vec<_>, _>>()?;
        Ok(points.into_iter().filter(|(id, _)| Some(*id) != after).take(limit).collect())
    }

    async fn search(&self, scope: &Scope, query: Query) -> Result<Vec<Hit>, StoreError> {
        const WHAT: &str = "search";
        let request = fused(&scope_filter(scope), &query, self.hnsw_ef);
        let found = self.on_shard(WHAT, move |shard| shard.query(request)).await?;
        let hits = found.into_iter().map(|point| {
            hit(&point, &query.dense)
                .ok_or_else(|| StoreError::Engine { what: WHAT, reason: format!("point {} is damaged", point.id) })
        });
        Ok(in_order(hits.collect::<Result<_, _>>()?, query.limit))
    }

    async fn count(&self, scope: &Scope) -> Result<Counts, StoreError> {
        let request = CountRequest { filter: Some(scope_filter(scope)), exact: true };
        let chunks = self.on_shard("count points", move |shard| shard.count(request)).await?;
        Ok(Counts { chunks })
    }

    async fn optimize(&self) -> Result<(), StoreError> {
        check_disk(self.shard.path(), self.free_bytes_min)?;
        self.on_shard("optimize the index", |shard| {
            shard.optimize()?;
            shard.flush()
        })
        .await
    }
}

/// Refuses to write where the disk is nearly full. What is read, and what is deleted, needs no room.
fn check_disk(place: &Path, free_bytes_min: u64) -> Result<(), StoreError> {
    const MIB: u64 = 1024 * 1024;
    let disk = rustix::fs::statvfs(place).map_err(|error| StoreError::File {
        what: "look at the disk of",
        place: place.display().to_string(),
        cause: error.into(),
    })?;
    let free_bytes = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free_bytes >= free_bytes_min {
        return Ok(());
    }
    let place = place.display().to_string();
    Err(StoreError::DiskFull { place, free_mib: free_bytes / MIB, min_mib: free_bytes_min / MIB })
}

fn delete(shard: &EdgeShard, filter: Filter) -> Result<(), OperationError> {
    shard.update(UpdateOperation::PointOperation(PointOperations::DeletePointsByFilter(filter)))?;
    shard.flush()
}

/// The one place where a scope becomes a filter.
fn scope_filter(scope: &Scope) -> Filter {
    let collection = matches(key::COLLECTION, &json!({ "value": scope.collection().as_str() }));
    let within = payload::within(scope.reach()).map(|groups| matches(key::ALLOW, &json!({ "any": groups })));
    let must: Vec<Value> = [collection].into_iter().chain(within).collect();
    filter(&json!({ "must": must }))
}

fn of_document(document: DocumentId) -> Value {
    matches(key::DOCUMENT, &json!({ "value": document.to_string() }))
}

/// A condition in the words of Qdrant's filters.
fn matches(field: &str, how: &Value) -> Value {
    json!({ "key": field, "match": how })
}

fn filter(conditions: &Value) -> Filter {
    serde_json::from_value(conditions.clone()).expect("the engine reads its own filters")
}

fn path(field: &str) -> JsonPath {
    field.parse().expect("payload keys are plain words")
}

/// Dense and BM25 search under one filter, fused by reciprocal rank.
fn fused(filter: &Filter, query: &Query, hnsw_ef: usize) -> QueryRequest {
    let nearest = |using: &str, vector: VectorInternal| {
        ScoringQuery::Vector(QueryEnum::Nearest(NamedQuery { query: vector, using: Some(using.into()) }))
    };
    let leaf = |query: ScoringQuery, params: SearchParams, limit: usize| Prefetch {
        query: Some(query),
        filter: Some(filter.clone()),
        params: Some(params),
        ..Prefetch::new(limit)
    };
    let dense = leaf(
        nearest(DENSE, VectorInternal::Dense(query.dense.clone())),
        SearchParams { hnsw_ef: Some(hnsw_ef), ..SearchParams::default() },
        query.candidates,
    );
    let mut prefetches = vec![dense];
    if !query.sparse.indices.is_empty() {
        // Word frequencies of this collection only: those of all would tell what others hold.
        let corpus = IdfParams::Corpus(IdfCorpusParams { corpus: filter.clone() });
        prefetches.push(leaf(
            nearest(BM25, VectorInternal::Sparse(sparse(&query.sparse))),
            SearchParams { idf: Some(corpus), ..SearchParams::default() },
            query.candidates,
        ));
    }
    QueryRequest {
        prefetches,
        query: Some(ScoringQuery::Fusion(Fusion::Rrf { k: query.rank_constant, weights: None })),
        filter: Some(filter.clone()),
        with_vector: WithVector::Selector(vec![DENSE.into()]),
        with_payload: WithPayloadInterface::Bool(true),
        // All that the two searches brought, so that hits of equal rank are ordered before they are cut.
        ..QueryRequest::new(query.limit.max(2 * query.candidates))
    }
}

fn sparse(vector: &SparseVector) -> qdrant_edge::SparseVector {
    qdrant_edge::SparseVector { indices: vector.indices.clone(), values: vector.values.clone() }
}

fn point_struct(point: Point) -> Result<PointStruct, OperationError> {
    let id = PointId::Uuid(EdgeUuid::from_bytes(point.document.point(point.version, point.chunk.ordinal).into_bytes()));
    let payload = payload::write(&point);
    let vectors = Vectors::new_named([
        (DENSE, Vector::new_dense(point.dense)),
        (BM25, Vector::new_sparse(point.sparse.indices, point.sparse.values)?),
    ]);
    Ok(PointStruct::new(id, vectors, payload))
}

/// None where the point is not one that [`point_struct`] made.
fn hit(point: &ScoredPoint, question: &[f32]) -> Option<Hit> {
    let similarity = cosine(question, dense(point.vector.as_ref()?)?);
    payload::hit(&fields(point.payload.as_ref()?), point.score, similarity)
}

fn exported(record: &Record) -> Option<(Uuid, Point)> {
    let PointId::Uuid(id) = record.id else { return None };
    let vector = record.vector.as_ref()?;
    let point = payload::point(&fields(record.payload.as_ref()?), dense(vector)?.to_vec(), bm25(vector)?)?;
    Some((Uuid::from_bytes(id.into_bytes()), point))
}

fn fields(payload: &Payload) -> Map<String, Value> {
    payload.0.clone().into_iter().collect()
}

fn bm25(vector: &VectorStructInternal) -> Option<SparseVector> {
    match vector {
        VectorStructInternal::Named(named) => match named.get(BM25)? {
            VectorInternal::Sparse(sparse) => {
                Some(SparseVector { indices: sparse.indices.clone(), values: sparse.values.clone() })
            }
            VectorInternal::Dense(_) | VectorInternal::MultiDense(_) => None,
        },
        VectorStructInternal::Single(_) | VectorStructInternal::MultiDense(_) => None,
    }
}

fn dense(vector: &VectorStructInternal) -> Option<&[f32]> {
    match vector {
        VectorStructInternal::Named(named) => match named.get(DENSE)? {
            VectorInternal::Dense(values) => Some(values),
            VectorInternal::Sparse(_) | VectorInternal::MultiDense(_) => None,
        },
        VectorStructInternal::Single(_) | VectorStructInternal::MultiDense(_) => None,
    }
}
