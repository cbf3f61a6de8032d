//! Qdrant's three services: each request meets its fault, then its collection on the blocking pool.

use std::sync::Arc;

use ::qdrant_client::qdrant::collections_server::Collections;
use ::qdrant_client::qdrant::points_server::Points;
use ::qdrant_client::qdrant::qdrant_server::Qdrant;
use ::qdrant_client::qdrant::*;
use tonic::{Request, Response, Status};

use super::collection::Collection;
use super::fault::{Fault, Faults};
use super::node::Node;
use super::wire::Wires;

/// What clients are told, so that they take it for one that they know.
const VERSION: &str = "1.19.0";

#[derive(Clone)]
pub(super) struct Service {
    pub(super) node: Arc<Node>,
    pub(super) faults: Arc<Faults>,
    pub(super) wires: Arc<Wires>,
}

impl Service {
    /// Serves one request, if its fault lets it.
    async fn serve<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Node>) -> Result<T, Status> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        match self.faults.next() {
            Fault::None => self.work(work).await.map(Response::new),
            Fault::Unavailable => Err(Status::unavailable("The replica set has no active replica")),
            Fault::Exhausted { retry_after_s } => Err(exhausted(retry_after_s)),
            Fault::Slow(delay) => {
                let _late = tokio::time::timeout(delay, std::future::pending::<()>()).await;
                self.work(work).await.map(Response::new)
            }
            Fault::CutBefore => self.cut().await,
            Fault::CutAfter => {
                let _lost = self.work(work).await;
                self.cut().await
            }
        }
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Node>) -> Result<T, Status> + Send + 'static,
    ) -> Result<T, Status> {
        let node = Arc::clone(&self.node);
        let worked = tokio::task::spawn_blocking(move || work(&node)).await;
        worked.unwrap_or_else(|panicked| Err(Status::internal(panicked.to_string())))
    }

    /// The same for one collection.
    async fn on<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&Collection) -> Result<T, Status> + Send + 'static,
    ) -> Result<Response<T>, Status> {
        let name = name.to_owned();
        self.serve(move |node| work(node.get(&name)?.as_ref())).await
    }

    /// The same for a change of one collection.
    async fn change(
        &self,
        name: &str,
        wait: Option<bool>,
        work: impl FnOnce(&Collection) -> Result<(), Status> + Send + 'static,
    ) -> Result<Response<PointsOperationResponse>, Status> {
        let status = if wait == Some(true) { UpdateStatus::Completed } else { UpdateStatus::Acknowledged };
        let result = UpdateResult { operation_id: Some(0), status: status.into() };
        let response = PointsOperationResponse { result: Some(result), ..PointsOperationResponse::default() };
        self.on(name, move |collection| work(collection).map(|()| response)).await
    }

    /// Ends with the connection.
    async fn cut<T>(&self) -> Result<Response<T>, Status> {
        self.wires.cut();
        std::future::pending().await
    }
}

/// As a server's rate limit says it.
fn exhausted(retry_after_s: u32) -> Status {
    let message =
        format!("Rate limiting exceeded: Write rate limit exceeded, retry later. Retry after {retry_after_s}s");
    let mut status = Status::resource_exhausted(message);
    status.metadata_mut().insert("retry-after", retry_after_s.into());
    status
}

#[tonic::async_trait]
impl Qdrant for Service {
    async fn health_check(&self, _: Request<HealthCheckRequest>) -> Result<Response<HealthCheckReply>, Status> {
        let title = "qdrant - vector search engine".into();
        Ok(Response::new(HealthCheckReply { title, version: VERSION.into(), commit: None }))
    }
}

/// Requests that nobody here makes.
macro_rules! not_offered {
    ($($name:ident: $request:ty => $response:ty;)*) => {
        $(fn $name<'service, 'answer>(
            &'service self,
            _: Request<$request>,
        ) -> std::pin::Pin<Box<dyn Future<Output = Result<Response<$response>, Status>> + Send + 'answer>>
        where
            'service: 'answer,
            Self: 'answer,
        {
            Box::pin(async { Err(Status::unimplemented(concat!(stringify!($name), " is not offered here"))) })
        })*
    };
}

#[tonic::async_trait]
impl Collections for Service {
    async fn get(
        &self,
        request: Request<GetCollectionInfoRequest>,
    ) -> Result<Response<GetCollectionInfoResponse>, Status> {
        self.on(&request.into_inner().collection_name, |collection| {
            Ok(GetCollectionInfoResponse { result: Some(collection.info()?), time: 0.0 })
        })
        .await
    }

    async fn list(&self, _: Request<ListCollectionsRequest>) -> Result<Response<ListCollectionsResponse>, Status> {
        self.serve(|node| {
            let collections = node.names().into_iter().map(|name| CollectionDescription { name }).collect();
            Ok(ListCollectionsResponse { collections, time: 0.0 })
        })
        .await
    }

    async fn create(
        &self,
        request: Request<CreateCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        self.serve(|node| {
            node.create(request.into_inner())?;
            Ok(CollectionOperationResponse { result: true, time: 0.0 })
        })
        .await
    }

    async fn update(
        &self,
        request: Request<UpdateCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        let change = request.into_inner();
        let name = change.collection_name.clone();
        self.on(&name, move |collection| {
            collection.update(&change)?;
            Ok(CollectionOperationResponse { result: true, time: 0.0 })
        })
        .await
    }

    async fn delete(
        &self,
        request: Request<DeleteCollection>,
    ) -> Result<Response<CollectionOperationResponse>, Status> {
        self.serve(move |node| {
            let result = node.delete(&request.into_inner().collection_name)?;
            Ok(CollectionOperationResponse { result, time: 0.0 })
        })
        .await
    }

    async fn collection_exists(
        &self,
        request: Request<CollectionExistsRequest>,
    ) -> Result<Response<CollectionExistsResponse>, Status> {
        self.serve(move |node| {
            let exists = node.get(&request.into_inner().collection_name).is_ok();
            Ok(CollectionExistsResponse { result: Some(CollectionExists { exists }), time: 0.0 })
        })
        .await
    }

    not_offered! {
        update_aliases: ChangeAliases => CollectionOperationResponse;
        list_collection_aliases: ListCollectionAliasesRequest => ListAliasesResponse;
        list_aliases: ListAliasesRequest => ListAliasesResponse;
        collection_cluster_info: CollectionClusterInfoRequest => CollectionClusterInfoResponse;
        update_collection_cluster_setup: UpdateCollectionClusterSetupRequest => UpdateCollectionClusterSetupResponse;
        create_shard_key: CreateShardKeyRequest => CreateShardKeyResponse;
        delete_shard_key: DeleteShardKeyRequest => DeleteShardKeyResponse;
        list_shard_keys: ListShardKeysRequest => ListShardKeysResponse;
    }
}

#[tonic::async_trait]
impl Points for Service {
    async fn upsert(&self, request: Request<UpsertPoints>) -> Result<Response<PointsOperationResponse>, Status> {
        let request = request.into_inner();
        let (name, wait) = (request.collection_name.clone(), request.wait);
        self.change(&name, wait, |collection| collection.upsert(request)).await
    }

    async fn delete(&self, request: Request<DeletePoints>) -> Result<Response<PointsOperationResponse>, Status> {
        let request = request.into_inner();
        let (name, wait) = (request.collection_name.clone(), request.wait);
        self.change(&name, wait, |collection| collection.delete(request)).await
    }

    async fn set_payload(
        &self,
        request: Request<SetPayloadPoints>,
    ) -> Result<Response<PointsOperationResponse>, Status> {
        let request = request.into_inner();
        let (name, wait) = (request.collection_name.clone(), request.wait);
        self.change(&name, wait, |collection| collection.set_payload(request)).await
    }

    async fn create_field_index(
        &self,
        request: Request<CreateFieldIndexCollection>,
    ) -> Result<Response<PointsOperationResponse>, Status> {
        let request = request.into_inner();
        let (name, wait) = (request.collection_name.clone(), request.wait);
        self.change(&name, wait, move |collection| collection.create_index(&request)).await
    }

    async fn delete_field_index(
        &self,
        request: Request<DeleteFieldIndexCollection>,
    ) -> Result<Response<PointsOperationResponse>, Status> {
        let request = request.into_inner();
        let (name, wait) = (request.collection_name.clone(), request.wait);
        self.change(&name, wait, move |collection| collection.delete_index(&request.field_name)).await
    }

    async fn get(&self, request: Request<GetPoints>) -> Result<Response<GetResponse>, Status> {
        let request = request.into_inner();
        let name = request.collection_name.clone();
        self.on(&name, |collection| Ok(GetResponse { result: collection.get(request)?, ..GetResponse::default() }))
            .await
    }

    async fn scroll(&self, request: Request<ScrollPoints>) -> Result<Response<ScrollResponse>, Status> {
        let request = request.into_inner();
        let name = request.collection_name.clone();
        self.on(&name, |collection| collection.scroll(request)).await
    }

    async fn count(&self, request: Request<CountPoints>) -> Result<Response<CountResponse>, Status> {
        let request = request.into_inner();
        let name = request.collection_name.clone();
        self.on(&name, |collection| {
            let result = CountResult { count: collection.count(request)? };
            Ok(CountResponse { result: Some(result), ..CountResponse::default() })
        })
        .await
    }

    async fn query(&self, request: Request<QueryPoints>) -> Result<Response<QueryResponse>, Status> {
        let request = request.into_inner();
        let name = request.collection_name.clone();
        self.on(&name, |collection| {
            Ok(QueryResponse { result: collection.query(request)?, ..QueryResponse::default() })
        })
        .await
    }

    not_offered! {
        update_vectors: UpdatePointVectors => PointsOperationResponse;
        delete_vectors: DeletePointVectors => PointsOperationResponse;
        overwrite_payload: SetPayloadPoints => PointsOperationResponse;
        delete_payload: DeletePayloadPoints => PointsOperationResponse;
        clear_payload: ClearPayloadPoints => PointsOperationResponse;
        create_vector_name: CreateVectorNameRequest => PointsOperationResponse;
        delete_vector_name: DeleteVectorNameRequest => PointsOperationResponse;
        search: SearchPoints => SearchResponse;
        search_batch: SearchBatchPoints => SearchBatchResponse;
        search_groups: SearchPointGroups => SearchGroupsResponse;
        recommend: RecommendPoints => RecommendResponse;
        recommend_batch: RecommendBatchPoints => RecommendBatchResponse;
        recommend_groups: RecommendPointGroups => RecommendGroupsResponse;
        discover: DiscoverPoints => DiscoverResponse;
        discover_batch: DiscoverBatchPoints => DiscoverBatchResponse;
        update_batch: UpdateBatchPoints => UpdateBatchResponse;
        query_batch: QueryBatchPoints => QueryBatchResponse;
        query_groups: QueryPointGroups => QueryGroupsResponse;
        facet: FacetCounts => FacetResponse;
        search_matrix_pairs: SearchMatrixPoints => SearchMatrixPairsResponse;
        search_matrix_offsets: SearchMatrixPoints => SearchMatrixOffsetsResponse;
    }
}
