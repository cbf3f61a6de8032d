//! The vector store on a Qdrant server or cluster, over gRPC.
//!
//! One physical collection holds all of cairn's, told apart by a tenant index on the collection's name, which is in
//! every filter. Each write is acknowledged once it is applied and in the server's log. Every request here may be sent
//! twice, so all of them are repeated after a failure, by the one policy in [`call`].

mod call;
mod message;
mod physical;

use std::collections::HashMap;

use async_trait::async_trait;
use qdrant_client::qdrant::{
    CountPoints, DeletePoints, QueryPoints, ScrollPoints, SetPayloadPoints, UpsertPoints, WithVectorsSelector,
    WriteOrdering, WriteOrderingType,
};
use uuid::Uuid;

use self::call::Calls;
use self::message::Searching;
use super::fusion::{self, RANKED_MAX, Ranked};
use super::{Counts, Point, Query, StoreError, VectorStore};
use crate::caller::{Allow, Scope};
use crate::config;
use crate::document::{CollectionName, DocumentId, Hit, Metadata, Version};

/// Points that one request carries at most. The server is told to refuse more.
const POINTS_PER_REQUEST_MAX: usize = 256;
const SEARCH: &str = "search";

/// The vector store on a server.
pub struct QdrantStore {
    calls: Calls,
    /// The server's collection.
    name: String,
    generation: String,
    searching: Searching,
    request_bytes_max: usize,
}

impl QdrantStore {
    /// Connects, and makes the server's collection if it is not there. Two processes may do so at the same time.
    pub async fn open(
        server: &config::QdrantServer,
        fingerprint: &str,
        dimensions: usize,
        store: &config::Store,
    ) -> Result<Self, StoreError> {
        let calls = Calls::new(server)?;
        let wanted = physical::collection(server, store, dimensions, fingerprint);
        let generation = physical::open(&calls, wanted, fingerprint).await?;
        Ok(Self {
            calls,
            name: server.physical_collection.clone(),
            generation,
            searching: Searching::new(server, store),
            request_bytes_max: usize::try_from(server.request_bytes_max.as_u64()).unwrap_or(usize::MAX),
        })
    }

    /// What there is at the address, for a person: nothing is made, and nothing is waited for long.
    pub async fn look(server: &config::QdrantServer) -> Result<String, StoreError> {
        const WHAT: &str = "look at the server";
        let calls = Calls::new(server)?;
        let (name, place) = (server.physical_collection.as_str(), &server.url);
        let version = calls.once(WHAT, qdrant_client::Qdrant::health_check).await?.version;
        let is_made = calls.once(WHAT, |client| client.collection_exists(name)).await?;
        let made = if is_made { "holds" } else { "does not hold yet" };
        Ok(format!("Qdrant {version} at {place} {made} the collection {name}"))
    }

    /// What one search finds, as much of it as has an order.
    async fn ranked(
        &self,
        candidates: usize,
        request: impl Fn(usize) -> QueryPoints,
    ) -> Result<Vec<Ranked>, StoreError> {
        let (mut asked, mut found) = (0, Vec::new());
        while let Some(limit) = fusion::to_ask(candidates, (asked > 0).then_some((asked, &found))) {
            let request = request(limit);
            let response = self.calls.read(SEARCH, |client| client.query(request.clone())).await?;
            let ranked = |point| message::ranked(point).ok_or_else(|| damaged(SEARCH, point.id.as_ref()));
            found = response.result.iter().map(ranked).collect::<Result<_, _>>()?;
            asked = limit;
        }
        Ok(found)
    }

    /// The points as hits, in the order given. One that was deleted a moment ago is missing.
    async fn hits(&self, scope: &Scope, query: &Query, points: &[Ranked]) -> Result<Vec<Hit>, StoreError> {
        let request = message::records(&self.name, scope, &query.filter, points);
        let records = self.calls.read(SEARCH, |client| client.scroll(request.clone())).await?.result;
        let mut by_id: HashMap<_, _> =
            records.iter().filter_map(|record| Some((message::uuid(record.id.as_ref()?)?, record))).collect();
        let there = points.iter().filter_map(|point| Some((by_id.remove(&point.id)?, point.score)));
        there
            .map(|(record, score)| {
                message::hit(record, score, &query.dense).ok_or_else(|| damaged(SEARCH, record.id.as_ref()))
            })
            .collect()
    }

    async fn delete(&self, what: &'static str, points: qdrant_client::qdrant::Filter) -> Result<(), StoreError> {
        let request = DeletePoints {
            collection_name: self.name.clone(),
            wait: Some(true),
            points: Some(points.into()),
            ordering: ordered(),
            ..DeletePoints::default()
        };
        self.calls.write(what, |client| client.delete_points(request.clone())).await
    }
}

#[async_trait]
impl VectorStore for QdrantStore {
    fn generation(&self) -> &str {
        &self.generation
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.calls.once("check the index", |client| client.collection_exists(self.name.as_str())).await?;
        Ok(())
    }

    async fn upsert(&self, points: Vec<Point>) -> Result<(), StoreError> {
        for points in message::batches(points, POINTS_PER_REQUEST_MAX, self.request_bytes_max) {
            let request = UpsertPoints {
                collection_name: self.name.clone(),
                wait: Some(true),
                points,
                ordering: ordered(),
                ..UpsertPoints::default()
            };
            self.calls.write("store points", |client| client.upsert_points(request.clone())).await?;
        }
        Ok(())
    }

    async fn delete_superseded(&self, document: DocumentId, version: Version) -> Result<(), StoreError> {
        self.delete("delete superseded points", message::superseded(document, version)).await
    }

    async fn delete_document(&self, document: DocumentId) -> Result<(), StoreError> {
        self.delete("delete a document's points", message::of_document(document)).await
    }

    async fn describe(&self, document: DocumentId, allow: &Allow, metadata: &Metadata) -> Result<(), StoreError> {
        let request = SetPayloadPoints {
            collection_name: self.name.clone(),
            wait: Some(true),
            payload: message::said(allow, metadata),
            points_selector: Some(message::of_document(document).into()),
            ordering: ordered(),
            ..SetPayloadPoints::default()
        };
        self.calls.write("change what is said of a document", |client| client.set_payload(request.clone())).await
    }

    async fn search(&self, scope: &Scope, query: Query) -> Result<Vec<Hit>, StoreError> {
        if query.limit == 0 || query.candidates == 0 {
            return Ok(Vec::new()); // The server takes no limit of 0.
        }
        let by_meaning = |limit| self.searching.by_meaning(&self.name, scope, &query, limit);
        let by_words = async {
            if query.sparse.indices.is_empty() {
                return Ok(Vec::new());
            }
            self.ranked(query.candidates, |limit| self.searching.by_words(&self.name, scope, &query, limit)).await
        };
        let (near, worded) = tokio::try_join!(self.ranked(query.candidates, by_meaning), by_words)?;
        let best = fusion::fuse([near, worded], query.candidates, query.rank_constant, query.limit);
        let mut hits = Vec::with_capacity(best.len());
        for points in best.chunks(POINTS_PER_REQUEST_MAX) {
            hits.extend(self.hits(scope, &query, points).await?);
        }
        Ok(hits)
    }

    async fn count(&self, scope: &Scope) -> Result<Counts, StoreError> {
        let request = CountPoints {
            collection_name: self.name.clone(),
            filter: Some(message::within(scope)),
            exact: Some(true),
            ..CountPoints::default()
        };
        let counted = self.calls.read("count points", |client| client.count(request.clone())).await?;
        let chunks = counted.result.map_or(0, |result| result.count);
        Ok(Counts { chunks: usize::try_from(chunks).unwrap_or(usize::MAX) })
    }

    async fn export(
        &self,
        collection: &CollectionName,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<(Uuid, Point)>, StoreError> {
        const WHAT: &str = "export points";
        let mut exported: Vec<(Uuid, Point)> = Vec::new();
        let mut offset = after.map(message::point_id);
        while exported.len() < limit {
            // The server begins at the offset, not after it.
            let page = limit.saturating_sub(exported.len()).saturating_add(1).min(POINTS_PER_REQUEST_MAX);
            let request = ScrollPoints {
                collection_name: self.name.clone(),
                filter: Some(message::of_collection(collection)),
                offset,
                limit: Some(u32::try_from(page).unwrap_or(u32::MAX)),
                with_payload: Some(true.into()),
                with_vectors: Some(WithVectorsSelector::from(true)),
                ..ScrollPoints::default()
            };
            let scrolled = self.calls.read(WHAT, |client| client.scroll(request.clone())).await?;
            for point in &scrolled.result {
                let point = message::exported(point).ok_or_else(|| damaged(WHAT, point.id.as_ref()))?;
                if Some(point.0) != after && exported.len() < limit {
                    exported.push(point);
                }
            }
            match scrolled.next_page_offset {
                Some(next) => offset = Some(next),
                None => break,
            }
        }
        Ok(exported)
    }

    /// Nothing to do: the server optimizes its segments by itself, as points come in.
    async fn optimize(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// All copies of a shard take the writes to it in one order, whichever node they came in by: without it, two that cross
/// could leave one copy with the groups from before and another with those after.
fn ordered() -> Option<WriteOrdering> {
    Some(WriteOrdering { r#type: WriteOrderingType::Medium.into() })
}

fn damaged(what: &'static str, id: Option<&qdrant_client::qdrant::PointId>) -> StoreError {
    StoreError::Engine { what, reason: format!("point {id:?} is damaged") }
}
