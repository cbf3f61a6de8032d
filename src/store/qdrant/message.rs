//! Points, filters and searches as Qdrant's messages, and its answers as hits and points. Pure.

use std::collections::{BTreeSet, HashMap};
use std::mem;

use qdrant_client::qdrant::{
    AcornSearchParams, Condition, DenseVector, Filter, IdfParams, NamedVectors, PointId, PointStruct,
    QuantizationSearchParams, QueryPoints, Range, RetrievedPoint, ScoredPoint, ScrollPoints, SearchParams,
    SparseVector as SparseMessage, Value, Vector, VectorInput, Vectors, VectorsOutput, VectorsSelector, query, vector,
    vector_input, vector_output, vectors, with_vectors_selector,
};
use qdrant_client::qdrant::{Query as QueryMessage, point_id};
use serde_json::Map;
use uuid::Uuid;

use crate::caller::{Allow, Reach, Scope};
use crate::config::{QdrantServer, Quantization, Store};
use crate::document::{CollectionName, DocumentId, Hit, Metadata, Version};
use crate::embed::{SparseVector, cosine};
use crate::store::fusion::Ranked;
use crate::store::payload::{self, BM25, DENSE, key};
use crate::store::{Filter as Narrowed, Point, Query};

/// What a point takes in a message beside its vectors and its text: ids, names, keys. Rather more than less.
const POINT_BYTES: usize = 1024;

/// The points cut into requests of at most `points_max` points and about `bytes_max` bytes, but of one at least.
pub(super) fn batches(
    points: Vec<Point>,
    points_max: usize,
    bytes_max: usize,
) -> impl Iterator<Item = Vec<PointStruct>> {
    let mut points = points.into_iter().peekable();
    std::iter::from_fn(move || {
        let (mut batch, mut batch_bytes) = (Vec::new(), 0);
        while let Some(point) = points
            .next_if(|next| batch.is_empty() || (batch.len() < points_max && batch_bytes + bytes(next) <= bytes_max))
        {
            batch_bytes += bytes(&point);
            batch.push(point_struct(point));
        }
        (!batch.is_empty()).then_some(batch)
    })
}

/// About as many as it takes in a message.
fn bytes(point: &Point) -> usize {
    let numbers = mem::size_of_val(point.dense.as_slice())
        + mem::size_of_val(point.sparse.indices.as_slice())
        + mem::size_of_val(point.sparse.values.as_slice());
    let headings: usize = point.chunk.headings.iter().map(String::len).sum();
    POINT_BYTES + numbers + headings + point.chunk.text.len() + point.title.len() + point.external_id.len()
}

fn point_struct(point: Point) -> PointStruct {
    let id = point.document.point(point.version, point.chunk.ordinal);
    let payload = message(payload::write(&point));
    let named = HashMap::from([
        (DENSE.to_owned(), vector::Vector::Dense(DenseVector { data: point.dense })),
        (BM25.to_owned(), vector::Vector::Sparse(sparse(point.sparse))),
    ]);
    let vectors =
        named.into_iter().map(|(name, vector)| (name, Vector { vector: Some(vector), ..Vector::default() })).collect();
    PointStruct {
        id: Some(point_id(id)),
        payload,
        vectors: Some(Vectors { vectors_options: Some(vectors::VectorsOptions::Vectors(NamedVectors { vectors })) }),
    }
}

pub(super) fn point_id(id: Uuid) -> PointId {
    PointId { point_id_options: Some(point_id::PointIdOptions::Uuid(id.to_string())) }
}

fn sparse(vector: SparseVector) -> SparseMessage {
    SparseMessage { values: vector.values, indices: vector.indices }
}

/// Who may see a document and what is said of it, as a change of a point's payload.
pub(super) fn said(allow: &Allow, metadata: &Metadata) -> HashMap<String, Value> {
    message(payload::said(allow, metadata))
}

fn message(payload: Map<String, serde_json::Value>) -> HashMap<String, Value> {
    payload.into_iter().map(|(key, value)| (key, Value::from(value))).collect()
}

/// The one place where a scope becomes a filter.
pub(super) fn within(scope: &Scope) -> Filter {
    let collection = Condition::matches(key::COLLECTION, scope.collection().as_str().to_owned());
    let reach = payload::within(scope.reach()).map(|groups| Condition::matches(key::ALLOW, groups));
    Filter::must([collection].into_iter().chain(reach))
}

/// What a search may find: within the scope, and past the filter.
fn found(scope: &Scope, narrowed: &Narrowed) -> Filter {
    let mut filter = within(scope);
    filter.must.extend(conditions(narrowed));
    filter
}

fn conditions(filter: &Narrowed) -> Vec<Condition> {
    let Narrowed { tags_any, tags_all, from, to, languages, places } = filter;
    let any = |field: &str, values: &BTreeSet<String>| {
        Condition::matches(field, values.iter().cloned().collect::<Vec<String>>())
    };
    let mut conditions = Vec::new();
    if !tags_any.is_empty() {
        conditions.push(any(key::TAGS, tags_any));
    }
    conditions.extend(tags_all.iter().map(|tag| Condition::matches(key::TAGS, tag.clone())));
    if from.is_some() || to.is_some() {
        #[expect(clippy::cast_precision_loss, reason = "a range is of floats, which hold every second of a calendar")]
        let bound = |second: &Option<i64>| second.map(|second| second as f64);
        conditions.push(Condition::range(key::DATE, Range { gte: bound(from), lte: bound(to), ..Range::default() }));
    }
    if !languages.is_empty() {
        conditions.push(any(key::LANGUAGE, languages));
    }
    if let Some(places) = places {
        let exactly = any(key::EXTERNAL_ID, &places.external_ids);
        let below = places.prefixes.iter().map(|prefix| Condition::matches_prefix(key::EXTERNAL_ID, prefix.clone()));
        conditions.push(Filter::should([exactly].into_iter().chain(below)).into());
    }
    conditions
}

pub(super) fn of_collection(collection: &CollectionName) -> Filter {
    Filter::must([Condition::matches(key::COLLECTION, collection.as_str().to_owned())])
}

pub(super) fn of_document(document: DocumentId) -> Filter {
    Filter::must([Condition::matches(key::DOCUMENT, document.to_string())])
}

/// Every version of the document but this one.
pub(super) fn superseded(document: DocumentId, version: Version) -> Filter {
    Filter { must_not: vec![Condition::matches(key::VERSION, version.0)], ..of_document(document) }
}

/// How searches are made here.
pub(super) struct Searching {
    hnsw_ef: u64,
    quantization: Option<QuantizationSearchParams>,
}

impl Searching {
    pub(super) fn new(server: &QdrantServer, store: &Store) -> Self {
        let quantization = match server.quantization {
            Quantization::None => None,
            Quantization::Scalar => Some(QuantizationSearchParams {
                rescore: Some(true),
                oversampling: Some(server.quantization_oversampling),
                ..QuantizationSearchParams::default()
            }),
        };
        Self { hnsw_ef: number(store.hnsw_ef), quantization }
    }

    /// The nearest by meaning. Only ids and scores come back.
    pub(super) fn by_meaning(&self, name: &str, scope: &Scope, query: &Query, limit: usize) -> QueryPoints {
        let dense = vector_input::Variant::Dense(DenseVector { data: query.dense.clone() });
        let all = found(scope, &query.filter);
        nearest(name, all, (DENSE, dense), self.graph_params(scope.reach(), &query.filter), limit)
    }

    /// The best by words. Only ids and scores come back.
    pub(super) fn by_words(&self, name: &str, scope: &Scope, query: &Query, limit: usize) -> QueryPoints {
        // Word frequencies within the scope, whatever is asked for in it: those of all would tell what others hold.
        let idf = IdfParams { corpus: Some(within(scope)) };
        let words = vector_input::Variant::Sparse(sparse(query.sparse.clone()));
        let params = SearchParams { idf: Some(idf), ..SearchParams::default() };
        nearest(name, found(scope, &query.filter), (BM25, words), params, limit)
    }

    /// The tenant's links lead a search through one collection. Where only part of it may be found, they would lead to
    /// points out of reach and end there; ACORN looks past those, at some cost.
    fn graph_params(&self, reach: &Reach, narrowed: &Narrowed) -> SearchParams {
        let is_whole = match reach {
            Reach::Everything => narrowed.is_empty(),
            Reach::Groups(_) => false,
        };
        let acorn = (!is_whole).then_some(AcornSearchParams { enable: Some(true), max_selectivity: None });
        SearchParams { hnsw_ef: Some(self.hnsw_ef), quantization: self.quantization, acorn, ..SearchParams::default() }
    }
}

fn nearest(
    name: &str,
    all: Filter,
    (using, vector): (&str, vector_input::Variant),
    params: SearchParams,
    limit: usize,
) -> QueryPoints {
    let nearest = query::Variant::Nearest(VectorInput { variant: Some(vector) });
    QueryPoints {
        collection_name: name.to_owned(),
        query: Some(QueryMessage { variant: Some(nearest) }),
        using: Some(using.to_owned()),
        filter: Some(all),
        params: Some(params),
        limit: Some(number(limit)),
        with_payload: Some(false.into()),
        ..QueryPoints::default()
    }
}

/// The points whole. The scope stands again, because who may see a document may have changed in between.
pub(super) fn records(name: &str, scope: &Scope, narrowed: &Narrowed, points: &[Ranked]) -> ScrollPoints {
    let mut filter = found(scope, narrowed);
    filter.must.push(Condition::has_id(points.iter().map(|point| point_id(point.id))));
    let only_dense = VectorsSelector { names: vec![DENSE.to_owned()] };
    ScrollPoints {
        collection_name: name.to_owned(),
        filter: Some(filter),
        limit: Some(u32::try_from(points.len()).unwrap_or(u32::MAX)),
        with_payload: Some(true.into()),
        with_vectors: Some(with_vectors_selector::SelectorOptions::Include(only_dense).into()),
        ..ScrollPoints::default()
    }
}

/// None where the point is not one that [`point_struct`] made.
pub(super) fn ranked(point: &ScoredPoint) -> Option<Ranked> {
    Some(Ranked { id: uuid(point.id.as_ref()?)?, score: point.score })
}

pub(super) fn uuid(id: &PointId) -> Option<Uuid> {
    match id.point_id_options.as_ref()? {
        point_id::PointIdOptions::Uuid(id) => Uuid::parse_str(id).ok(),
        point_id::PointIdOptions::Num(_) => None,
    }
}

/// None where the point is not one that [`point_struct`] made.
pub(super) fn hit(point: &RetrievedPoint, score: f32, question: &[f32]) -> Option<Hit> {
    let similarity = cosine(question, &dense(point.vectors.as_ref()?)?);
    payload::hit(&fields(&point.payload), score, similarity)
}

/// None where the point is not one that [`point_struct`] made.
pub(super) fn exported(point: &RetrievedPoint) -> Option<(Uuid, Point)> {
    let vectors = point.vectors.as_ref()?;
    let whole = payload::point(&fields(&point.payload), dense(vectors)?, bm25(vectors)?)?;
    Some((uuid(point.id.as_ref()?)?, whole))
}

fn fields(payload: &HashMap<String, Value>) -> Map<String, serde_json::Value> {
    payload.iter().map(|(key, value)| (key.clone(), value.clone().into_json())).collect()
}

fn dense(vectors: &VectorsOutput) -> Option<Vec<f32>> {
    match vectors.get_vector_by_name(DENSE)? {
        vector_output::Vector::Dense(dense) => Some(dense.data),
        vector_output::Vector::Sparse(_) | vector_output::Vector::MultiDense(_) => None,
    }
}

fn bm25(vectors: &VectorsOutput) -> Option<SparseVector> {
    match vectors.get_vector_by_name(BM25) {
        Some(vector_output::Vector::Sparse(words)) => {
            Some(SparseVector { indices: words.indices, values: words.values })
        }
        // A chunk without a word to search for has nothing here.
        None => Some(SparseVector { indices: Vec::new(), values: Vec::new() }),
        Some(vector_output::Vector::Dense(_) | vector_output::Vector::MultiDense(_)) => None,
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::{Chunk, Span};

    fn point(document: &str, text_bytes: usize) -> Point {
        let collection: CollectionName = "docs".parse().unwrap();
        Point {
            document: DocumentId::new(&collection, document),
            collection,
            version: Version(1),
            external_id: document.to_owned(),
            title: document.to_owned(),
            allow: Allow::new(),
            metadata: Metadata { tags: ["a".to_owned()].into(), date: Some(1), language: None },
            chunk: Chunk {
                ordinal: 0,
                span: Span { start: 0, end: text_bytes },
                page: None,
                headings: Vec::new(),
                table_head: None,
                text: "x".repeat(text_bytes),
            },
            dense: vec![0.5; 4],
            sparse: SparseVector { indices: vec![1], values: vec![1.0] },
        }
    }

    #[test]
    fn requests_are_bounded_in_points_and_bytes_and_lose_nothing() {
        let lengths = |points: Vec<Point>, points_max: usize, bytes_max: usize| -> Vec<usize> {
            batches(points, points_max, bytes_max).map(|batch| batch.len()).collect()
        };
        let small = |count: usize| (0..count).map(|n| point(&n.to_string(), 10)).collect::<Vec<_>>();
        assert_eq!(lengths(Vec::new(), 3, 1 << 20), [0; 0]);
        assert_eq!(lengths(small(7), 3, 1 << 20), [3, 3, 1]);
        assert_eq!(lengths(small(4), 256, 2 * bytes(&point("0", 10))), [2, 2]);
        let large = vec![point("a", 10), point("b", 1 << 20), point("c", 10), point("d", 10)];
        assert_eq!(lengths(large, 256, 1 << 19), [1, 1, 2], "one alone may be larger");
    }

    #[test]
    fn a_point_comes_back_as_it_was_sent() {
        let sent = point("guide.md", 10);
        let message = point_struct(sent.clone());
        let Some(vectors::VectorsOptions::Vectors(named)) = message.vectors.unwrap().vectors_options else {
            panic!("vectors have names");
        };
        let output = |vector: Vector| match vector.vector.unwrap() {
            vector::Vector::Dense(dense) => vector_output::Vector::Dense(dense),
            vector::Vector::Sparse(words) => vector_output::Vector::Sparse(words),
            other @ (vector::Vector::MultiDense(_)
            | vector::Vector::Document(_)
            | vector::Vector::Image(_)
            | vector::Vector::Object(_)) => panic!("{other:?}"),
        };
        let vectors = named.vectors.into_iter().map(|(name, vector)| {
            let vector = Some(output(vector));
            (name, qdrant_client::qdrant::VectorOutput { vector, ..Default::default() })
        });
        let named = qdrant_client::qdrant::NamedVectorsOutput { vectors: vectors.collect() };
        let retrieved = RetrievedPoint {
            id: message.id,
            payload: message.payload,
            vectors: Some(VectorsOutput {
                vectors_options: Some(qdrant_client::qdrant::vectors_output::VectorsOptions::Vectors(named)),
            }),
            ..RetrievedPoint::default()
        };
        let (id, back) = exported(&retrieved).unwrap();
        assert_eq!(id, sent.document.point(sent.version, 0));
        assert_eq!(format!("{back:?}"), format!("{sent:?}"));
    }
}
