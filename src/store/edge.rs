//! The vector store in this process: Qdrant's engine (qdrant-edge) on a folder of its own.
//!
//! One shard holds every collection; the collection's name is in each payload and in each filter. The folder belongs
//! to one process at a time. Every call blocks in the engine, so each runs on the blocking pool.

mod filter;
mod indexes;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{fs, io};

use async_trait::async_trait;
use qdrant_edge::external::uuid::Uuid as EdgeUuid;
use qdrant_edge::{
    Condition, CountRequest, Distance, EdgeConfig, EdgeOptimizersConfig, EdgeShard, EdgeSparseVectorParams,
    EdgeVectorParams, Filter, HnswIndexConfig, IdfCorpusParams, IdfParams, Modifier, NamedQuery, OperationError,
    Payload, PayloadOps, PointId, PointInsertOperations, PointOperations, PointStruct, QueryEnum, QueryRequest, Record,
    ScoredPoint, ScoringQuery, ScrollRequest, SearchParams, SetPayloadOp, UpdateOperation, Vector, VectorInternal,
    VectorStructInternal, Vectors, WithVector,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::fusion::{self, Ranked};
use super::payload::{self, BM25, DENSE};
use super::{Counts, Point, Query, StoreError, VectorStore};
use crate::caller::{Allow, Scope};
use crate::config;
use crate::document::{CollectionName, DocumentId, Hit, Metadata, Version};
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
    /// How many changes were made, and how many of them are flushed.
    changes: AtomicU64,
    flushed: tokio::sync::Mutex<u64>,
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
        Ok(Self {
            shard: Arc::new(shard),
            generation: identity.generation,
            hnsw_ef,
            free_bytes_min,
            changes: AtomicU64::new(0),
            flushed: tokio::sync::Mutex::new(0),
        })
    }

    /// Changes the shard, and returns when the change outlives a power cut.
    ///
    /// A flush takes tens of writes to the disk, however little has changed, so those who wait for one share the next:
    /// only the first of them flushes.
    async fn write(
        &self,
        what: &'static str,
        change: impl FnOnce(&EdgeShard) -> Result<(), OperationError> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.on_shard(what, change).await?;
        let own = self.changes.fetch_add(1, Ordering::AcqRel) + 1;
        let mut flushed = self.flushed.lock().await;
        if *flushed < own {
            let all = self.changes.load(Ordering::Acquire); // Those that were made before this flush begins.
            self.on_shard(what, |shard| shard.flush()).await?;
            *flushed = all;
        }
        Ok(())
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
    // A graph that no search would use is not built either.
    let exact_kib = usize::try_from(store.full_scan_threshold.as_u64().div_ceil(1024)).unwrap_or(usize::MAX);
    let hnsw = HnswIndexConfig {
        m: store.hnsw_m,
        ef_construct: store.hnsw_ef_construct,
        full_scan_threshold: exact_kib,
        ..Default::default()
    };
    let optimizers = EdgeOptimizersConfig { indexing_threshold: Some(exact_kib), ..Default::default() };
    EdgeConfig::builder()
        .vector(DENSE, EdgeVectorParams::builder(dimensions, Distance::Cosine).build())
        .sparse_vector(BM25, EdgeSparseVectorParams { modifier: Some(Modifier::Idf), ..Default::default() })
        .hnsw_config(hnsw)
        .optimizers(optimizers)
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
    indexes::complete(&shard).map_err(|error| engine("open the index", &error))?;
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
    indexes::complete(&shard).map_err(|error| engine("make the index", &error))?;
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

#[async_trait]
impl VectorStore for EdgeStore {
    fn generation(&self) -> &str {
        &self.generation
    }

    /// An index that was opened can be asked.
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn upsert(&self, points: Vec<Point>) -> Result<(), StoreError> {
        check_disk(self.shard.path(), self.free_bytes_min)?;
        self.write("store points", move |shard| {
            let points = points.into_iter().map(point_struct).collect::<Result<Vec<_>, _>>()?;
            shard.update(UpdateOperation::PointOperation(PointOperations::UpsertPoints(
                PointInsertOperations::PointsList(points.into_iter().map(Into::into).collect()),
            )))
        })
        .await
    }

    async fn delete_superseded(&self, document: DocumentId, version: Version) -> Result<(), StoreError> {
        let filter = filter::superseded(document, version);
        self.write("delete superseded points", move |shard| delete(shard, filter)).await
    }

    async fn delete_document(&self, document: DocumentId) -> Result<(), StoreError> {
        let filter = filter::of_document(document);
        self.write("delete a document's points", move |shard| delete(shard, filter)).await
    }

    async fn describe(&self, document: DocumentId, allow: &Allow, metadata: &Metadata) -> Result<(), StoreError> {
        let changed = PayloadOps::SetPayload(SetPayloadOp {
            payload: Payload(payload::said(allow, metadata).into_iter().collect()),
            points: None,
            filter: Some(filter::of_document(document)),
            key: None,
        });
        self.write("change what is said of a document", move |shard| {
            shard.update(UpdateOperation::PayloadOperation(changed))
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
            filter: Some(filter::of_collection(collection)),
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
        let question = query.dense.clone();
        let within = Within {
            all: filter::of_search(scope, &query.filter),
            counted: filter::of_scope(scope),
            hnsw_ef: self.hnsw_ef,
        };
        let found = self.on_shard(WHAT, move |shard| found(shard, &within, &query)).await?;
        let hits = found.into_iter().map(|(point, score)| {
            hit(&point, score, &question)
                .ok_or_else(|| StoreError::Engine { what: WHAT, reason: format!("point {} is damaged", point.id) })
        });
        hits.collect()
    }

    async fn count(&self, scope: &Scope) -> Result<Counts, StoreError> {
        let request = CountRequest { filter: Some(filter::of_scope(scope)), exact: true };
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
    shard.update(UpdateOperation::PointOperation(PointOperations::DeletePointsByFilter(filter)))
}

/// Where a search looks, and how hard.
struct Within {
    /// What it may find.
    all: Filter,
    /// What its words are counted in: the scope, whatever is asked for within it. Those of all would tell what others
    /// hold.
    counted: Filter,
    hnsw_ef: usize,
}

/// Dense and BM25 search under one filter, fused by reciprocal rank: the best points and their scores.
fn found(shard: &EdgeShard, within: &Within, query: &Query) -> Result<Vec<(Record, f32)>, OperationError> {
    let dense = Leaf {
        filter: &within.all,
        vector: VectorInternal::Dense(query.dense.clone()),
        using: DENSE,
        params: SearchParams { hnsw_ef: Some(within.hnsw_ef), ..SearchParams::default() },
    };
    let corpus = IdfParams::Corpus(IdfCorpusParams { corpus: within.counted.clone() });
    let words = Leaf {
        filter: &within.all,
        vector: VectorInternal::Sparse(sparse(&query.sparse)),
        using: BM25,
        params: SearchParams { idf: Some(corpus), ..SearchParams::default() },
    };
    let by_words = if query.sparse.indices.is_empty() { Vec::new() } else { words.ranked(shard, query.candidates)? };
    let lists = [dense.ranked(shard, query.candidates)?, by_words];
    let best = fusion::fuse(lists, query.candidates, query.rank_constant, query.limit);
    let mut records = records(shard, &within.all, &best)?;
    // One that was deleted a moment ago is missing among the records.
    Ok(best.iter().filter_map(|point| Some((records.remove(&point.id)?, point.score))).collect())
}

/// One of the two searches.
struct Leaf<'a> {
    filter: &'a Filter,
    vector: VectorInternal,
    using: &'static str,
    params: SearchParams,
}

impl Leaf<'_> {
    fn ranked(&self, shard: &EdgeShard, candidates: usize) -> Result<Vec<Ranked>, OperationError> {
        let (mut asked, mut found) = (0, Vec::new());
        while let Some(limit) = fusion::to_ask(candidates, (asked > 0).then_some((asked, &found))) {
            let nearest = NamedQuery { query: self.vector.clone(), using: Some(self.using.into()) };
            let request = QueryRequest {
                query: Some(ScoringQuery::Vector(QueryEnum::Nearest(nearest))),
                filter: Some(self.filter.clone()),
                params: Some(self.params.clone()),
                ..QueryRequest::new(limit)
            };
            let ranked = |point: ScoredPoint| Some(Ranked { id: uuid(point.id)?, score: point.score });
            found = shard.query(request)?.into_iter().filter_map(ranked).collect();
            asked = limit;
        }
        Ok(found)
    }
}

/// The points whole, by id. The filter stands again, because who may see a document may have changed in between.
fn records(shard: &EdgeShard, within: &Filter, points: &[Ranked]) -> Result<HashMap<Uuid, Record>, OperationError> {
    let mut filter = within.clone();
    let ids: Vec<String> = points.iter().map(|point| point.id.to_string()).collect();
    let one_of: Condition = serde_json::from_value(json!({ "has_id": ids })).expect("the engine reads its own filters");
    filter.must.get_or_insert_default().push(one_of);
    let request = ScrollRequest {
        limit: Some(points.len()),
        filter: Some(filter),
        with_vector: WithVector::Selector(vec![DENSE.into()]),
        ..ScrollRequest::new()
    };
    let (records, _) = shard.scroll(request)?;
    Ok(records.into_iter().filter_map(|record| Some((uuid(record.id)?, record))).collect())
}

fn uuid(id: PointId) -> Option<Uuid> {
    match id {
        PointId::Uuid(id) => Some(Uuid::from_bytes(id.into_bytes())),
        PointId::NumId(_) => None,
    }
}

fn sparse(vector: &SparseVector) -> qdrant_edge::SparseVector {
    qdrant_edge::SparseVector { indices: vector.indices.clone(), values: vector.values.clone() }
}

fn point_struct(point: Point) -> Result<PointStruct, OperationError> {
    let id = PointId::Uuid(EdgeUuid::from_bytes(point.document.point(point.version, point.chunk.ordinal).into_bytes()));
    let payload = Value::Object(payload::write(&point));
    let vectors = Vectors::new_named([
        (DENSE, Vector::new_dense(point.dense)),
        (BM25, Vector::new_sparse(point.sparse.indices, point.sparse.values)?),
    ]);
    Ok(PointStruct::new(id, vectors, payload))
}

/// None where the point is not one that [`point_struct`] made.
fn hit(point: &Record, score: f32, question: &[f32]) -> Option<Hit> {
    let similarity = cosine(question, dense(point.vector.as_ref()?)?);
    payload::hit(&fields(point.payload.as_ref()?), score, similarity)
}

fn exported(record: &Record) -> Option<(Uuid, Point)> {
    let vector = record.vector.as_ref()?;
    let point = payload::point(&fields(record.payload.as_ref()?), dense(vector)?.to_vec(), bm25(vector)?)?;
    Some((uuid(record.id)?, point))
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
