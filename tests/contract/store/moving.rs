//! Whole indexes, read out page by page.

use std::collections::BTreeMap;

use cairn::store::{Point, VectorStore};
use uuid::Uuid;

use super::callers::allowing;
use super::{ALL, Place, name, open, point};

/// Numbers in a test go to and fro as `f32`.
const EPSILON: f32 = 1e-5;

pub(super) async fn exports_in_pages(place: &impl Place) {
    let store = open(place).await;
    let stored = |collection: &str| -> Vec<Point> {
        let numbered = |n: u8| {
            let text = if n == 3 { "the of".to_owned() } else { format!("text number {n}") };
            let point = point(collection, &format!("doc-{n}"), &text, [1.0, f32::from(n), 0.0, 0.0]);
            if n.is_multiple_of(2) { point } else { allowing(point, "staff board") }
        };
        (0..23).map(numbered).collect()
    };
    store.upsert([stored("a"), stored("b")].concat()).await.unwrap();
    assert_eq!(store.export(&name("a"), None, 0).await.unwrap().len(), 0);
    assert_eq!(export(&store, "c", 5).await.len(), 0);
    let whole = export(&store, "a", ALL).await;
    assert!(whole.is_sorted_by(|(one, _), (next, _)| one < next));
    for page in [1, 5, 22, 23] {
        assert_eq!(format!("{:?}", export(&store, "a", page).await), format!("{whole:?}"), "pages of {page}");
    }
    let id = |point: &Point| point.document.point(point.version, point.chunk.ordinal);
    let mut wanted: BTreeMap<Uuid, Point> = stored("a").into_iter().map(|point| (id(&point), point)).collect();
    for (id, exported) in whole {
        let wanted = wanted.remove(&id).expect("a point that was stored, and once");
        // A store may keep a vector's direction alone.
        assert!((cairn::embed::cosine(&exported.dense, &wanted.dense) - 1.0).abs() < EPSILON);
        let exported = Point { dense: wanted.dense.clone(), ..exported };
        assert_eq!(format!("{exported:?}"), format!("{wanted:?}"));
    }
    assert!(wanted.is_empty(), "left out: {wanted:?}");
}

/// A whole collection, read in pages of this size.
pub(super) async fn export(store: &impl VectorStore, collection: &str, page: usize) -> Vec<(Uuid, Point)> {
    let mut exported: Vec<(Uuid, Point)> = Vec::new();
    loop {
        let after = exported.last().map(|(id, _)| *id);
        let next = store.export(&name(collection), after, page).await.unwrap();
        assert!(next.len() <= page);
        if next.is_empty() {
            return exported;
        }
        exported.extend(next);
    }
}
