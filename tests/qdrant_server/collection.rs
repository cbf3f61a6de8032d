//! One collection: a shard of the engine, and how it was made. Every call blocks.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, RwLock};

use prost::Message;
use qdrant_client::qdrant::{
    CollectionConfig, CollectionInfo, CollectionParams, CollectionStatus, CountPoints, CreateCollection,
    CreateFieldIndexCollection, DeletePoints, GetPoints, OptimizerStatus, QueryPoints, RetrievedPoint, ScoredPoint,
    ScrollPoints, ScrollResponse, SetPayloadPoints, UpdateCollection, UpsertPoints,
};
use qdrant_edge::{
    CountRequest, CreateIndex, EdgeShard, FieldIndexOperations, PayloadOps, PointInsertOperations, PointOperations,
    RetrieveRequest, ScrollRequest, SetPayloadOp, UpdateOperation,
};
use tonic::Status;

use super::engine::{refusal, shard_config};
use super::filter::{filter, selection};
use super::message::{
    fields, index_schema, path, payload_schema, point, point_id, query, retrieved, scored, wanted_id, with_payload,
    with_vectors,
};
use super::strict::Strict;

/// How the collection was made, beside its shard.
const DEFINITION_FILE: &str = "definition.pb";
const SHARD_DIR: &str = "shard";
/// What a server gives when nobody says how much.
const LIMIT: usize = 10;

pub(super) struct Collection {
    definition_file: PathBuf,
    definition: Mutex<CreateCollection>,
    /// None when the server has stopped.
    shard: RwLock<Option<EdgeShard>>,
}

impl Collection {
    pub(super) fn create(dir: &Path, definition: CreateCollection) -> Result<Self, Status> {
        let config = shard_config(&definition)?;
        fs::create_dir_all(dir.join(SHARD_DIR)).map_err(|error| Status::internal(error.to_string()))?;
        let shard = EdgeShard::new(&dir.join(SHARD_DIR), config).map_err(|error| refusal(&error))?;
        let made = Self {
            definition_file: dir.join(DEFINITION_FILE),
            definition: Mutex::new(definition),
            shard: RwLock::new(Some(shard)),
        };
        made.save()?;
        Ok(made)
    }

    pub(super) fn load(dir: &Path) -> Result<Self, Status> {
        let definition_file = dir.join(DEFINITION_FILE);
        let bytes = fs::read(&definition_file).map_err(|error| Status::internal(error.to_string()))?;
        let definition =
            CreateCollection::decode(bytes.as_slice()).map_err(|error| Status::internal(error.to_string()))?;
        let shard = EdgeShard::load(&dir.join(SHARD_DIR), None).map_err(|error| refusal(&error))?;
        Ok(Self { definition_file, definition: Mutex::new(definition), shard: RwLock::new(Some(shard)) })
    }

    /// Waits for what still runs.
    pub(super) fn close(&self) {
        if let Some(shard) = self.shard.write().unwrap_or_else(PoisonError::into_inner).take() {
            shard.flush().expect("the test's disk takes it");
        }
    }

    pub(super) fn info(&self) -> Result<CollectionInfo, Status> {
        let info = self.on_shard(|shard| shard.info().map_err(|error| refusal(&error)))?;
        let definition = self.definition();
        let params = CollectionParams {
            shard_number: definition.shard_number.unwrap_or(1),
            vectors_config: definition.vectors_config,
            replication_factor: definition.replication_factor,
            write_consistency_factor: definition.write_consistency_factor,
            sparse_vectors_config: definition.sparse_vectors_config,
            payload: definition.payload,
            ..CollectionParams::default()
        };
        Ok(CollectionInfo {
            status: CollectionStatus::Green.into(),
            optimizer_status: Some(OptimizerStatus { ok: true, error: String::new() }),
            segments_count: info.segments_count as u64,
            config: Some(CollectionConfig {
                params: Some(params),
                hnsw_config: definition.hnsw_config,
                quantization_config: definition.quantization_config,
                strict_mode_config: definition.strict_mode_config,
                metadata: definition.metadata,
                ..CollectionConfig::default()
            }),
            payload_schema: payload_schema(&info.payload_schema),
            points_count: Some(info.points_count as u64),
            indexed_vectors_count: Some(info.indexed_vectors_count as u64),
            ..CollectionInfo::default()
        })
    }

    /// Metadata is merged, strict mode replaced; nothing else can be changed here.
    pub(super) fn update(&self, change: &UpdateCollection) -> Result<(), Status> {
        let offered = UpdateCollection {
            collection_name: change.collection_name.clone(),
            timeout: change.timeout,
            strict_mode_config: change.strict_mode_config.clone(),
            metadata: change.metadata.clone(),
            ..UpdateCollection::default()
        };
        if *change != offered {
            return Err(Status::unimplemented("only metadata and strict mode can be changed here"));
        }
        {
            let mut definition = self.definition.lock().unwrap_or_else(PoisonError::into_inner);
            definition.metadata.extend(offered.metadata);
            definition.strict_mode_config = offered.strict_mode_config.or(definition.strict_mode_config.take());
        }
        self.save()
    }

    pub(super) fn create_index(&self, index: &CreateFieldIndexCollection) -> Result<(), Status> {
        let created = FieldIndexOperations::CreateIndex(CreateIndex {
            field_name: path(&index.field_name)?,
            field_schema: Some(index_schema(index)?),
        });
        self.apply(UpdateOperation::FieldIndexOperation(created))
    }

    pub(super) fn delete_index(&self, field: &str) -> Result<(), Status> {
        self.apply(UpdateOperation::FieldIndexOperation(FieldIndexOperations::DeleteIndex(path(field)?)))
    }

    pub(super) fn upsert(&self, request: UpsertPoints) -> Result<(), Status> {
        self.strict()?.batch(request.points.len())?;
        let definition = self.definition();
        let points = request.points.into_iter().map(|made| point(made, &definition)).collect::<Result<Vec<_>, _>>()?;
        let points = PointInsertOperations::PointsList(points.into_iter().map(Into::into).collect());
        self.apply(UpdateOperation::PointOperation(PointOperations::UpsertPoints(points)))
    }

    pub(super) fn delete(&self, request: DeletePoints) -> Result<(), Status> {
        let (ids, filter) = selection(request.points)?;
        self.strict()?.write_filter(filter.as_ref())?;
        let deletion = match (ids, filter) {
            (Some(ids), _) => PointOperations::DeletePoints { ids },
            (None, Some(filter)) => PointOperations::DeletePointsByFilter(filter),
            (None, None) => return Err(Status::invalid_argument("PointsSelector is missing")),
        };
        self.apply(UpdateOperation::PointOperation(deletion))
    }

    pub(super) fn set_payload(&self, request: SetPayloadPoints) -> Result<(), Status> {
        if request.key.is_some() {
            return Err(Status::unimplemented("key in a payload is not offered here"));
        }
        let (points, filter) = selection(request.points_selector)?;
        self.strict()?.write_filter(filter.as_ref())?;
        let set = SetPayloadOp { payload: fields(request.payload), points, filter, key: None };
        self.apply(UpdateOperation::PayloadOperation(PayloadOps::SetPayload(set)))
    }

    pub(super) fn get(&self, request: GetPoints) -> Result<Vec<RetrievedPoint>, Status> {
        let wanted = RetrieveRequest {
            point_ids: request.ids.iter().map(wanted_id).collect::<Result<_, _>>()?,
            with_payload: Some(with_payload(request.with_payload)),
            with_vector: Some(with_vectors(request.with_vectors)),
        };
        let found = self.on_shard(|shard| shard.retrieve(wanted).map_err(|error| refusal(&error)))?;
        Ok(found.into_iter().map(retrieved).collect())
    }

    pub(super) fn scroll(&self, request: ScrollPoints) -> Result<ScrollResponse, Status> {
        if request.order_by.is_some() {
            return Err(Status::unimplemented("order_by is not offered here"));
        }
        let limit = request.limit.map_or(LIMIT, |limit| limit as usize);
        let filter = request.filter.map(filter).transpose()?;
        let strict = self.strict()?;
        strict.limit(limit)?;
        strict.read_filter(filter.as_ref())?;
        let scroll = ScrollRequest {
            offset: request.offset.as_ref().map(wanted_id).transpose()?,
            limit: Some(limit),
            filter,
            with_payload: Some(with_payload(request.with_payload)),
            with_vector: with_vectors(request.with_vectors),
            order_by: None,
        };
        let (found, next) = self.on_shard(|shard| shard.scroll(scroll).map_err(|error| refusal(&error)))?;
        Ok(ScrollResponse {
            next_page_offset: next.map(point_id),
            result: found.into_iter().map(retrieved).collect(),
            ..ScrollResponse::default()
        })
    }

    pub(super) fn count(&self, request: CountPoints) -> Result<u64, Status> {
        let count =
            CountRequest { filter: request.filter.map(filter).transpose()?, exact: request.exact.unwrap_or(true) };
        let strict = self.strict()?;
        strict.read_filter(count.filter.as_ref())?;
        strict.exact(count.exact)?;
        self.on_shard(|shard| shard.count(count).map(|points| points as u64).map_err(|error| refusal(&error)))
    }

    pub(super) fn query(&self, request: QueryPoints) -> Result<Vec<ScoredPoint>, Status> {
        let query = query(request, LIMIT, &self.definition())?;
        self.strict()?.query(&query)?;
        let found = self.on_shard(|shard| shard.query(query).map_err(|error| refusal(&error)))?;
        Ok(found.into_iter().map(scored).collect())
    }

    fn apply(&self, operation: UpdateOperation) -> Result<(), Status> {
        self.on_shard(|shard| shard.update(operation).map_err(|error| refusal(&error)))
    }

    fn on_shard<T>(&self, work: impl FnOnce(&EdgeShard) -> Result<T, Status>) -> Result<T, Status> {
        let shard = self.shard.read().unwrap_or_else(PoisonError::into_inner);
        work(shard.as_ref().ok_or_else(|| Status::unavailable("the server is stopping"))?)
    }

    fn definition(&self) -> CreateCollection {
        self.definition.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn strict(&self) -> Result<Strict, Status> {
        let config = self.definition().strict_mode_config.filter(|config| config.enabled == Some(true));
        let indexed = self.on_shard(|shard| shard.info().map_err(|error| refusal(&error)))?.payload_schema;
        Ok(Strict { config: config.unwrap_or_default(), indexed })
    }

    fn save(&self) -> Result<(), Status> {
        let bytes = self.definition().encode_to_vec();
        fs::write(&self.definition_file, bytes).map_err(|error| Status::internal(error.to_string()))
    }
}
