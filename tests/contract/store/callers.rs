//! Who finds what: documents that allow groups, callers that are in some, and changes of both.

use cairn::caller::{Allow, Caller, Collections, Scope};
use cairn::document::{DocumentId, Metadata};
use cairn::store::{Point, VectorStore};

use super::moving::export;
use super::{ALL, EAST, NORTH, Place, count, name, open, point, query};

pub(super) async fn keeps_groups_apart(place: &impl Place) {
    let store = open(place).await;
    let text = "the same text";
    let points = vec![
        point("a", "public", text, EAST),
        allowing(point("a", "staff", text, EAST), "staff"),
        allowing(point("a", "board", text, EAST), "board"),
        allowing(point("a", "staff-or-board", text, EAST), "staff board"),
        allowing(point("a", "staffing", text, EAST), "staffing"),
        allowing(point("b", "elsewhere", text, EAST), "staff"),
    ];
    store.upsert(points).await.unwrap();
    for (groups, wanted) in [
        ("", &["public"][..]),
        ("staff", &["public", "staff", "staff-or-board"]),
        ("board staffing", &["board", "public", "staff-or-board", "staffing"]),
        ("Staff nobody", &["public"]),
    ] {
        let scope = within_groups("a", groups);
        let found = store.search(&scope, query(EAST, text, ALL)).await.unwrap();
        let mut found: Vec<_> = found.iter().map(|hit| hit.external_id.as_str()).collect();
        found.sort_unstable();
        assert_eq!(found, wanted, "{groups:?}");
        assert_eq!(store.count(&scope).await.unwrap().chunks, wanted.len(), "{groups:?}");
    }
    assert_eq!(count(&store, "a").await, 5, "without groups, all of the collection");
    assert_eq!(store.count(&within_groups("b", "")).await.unwrap().chunks, 0);
}

pub(super) async fn the_hidden_change_no_score(place: &impl Place) {
    let store = open(place).await;
    for (n, text) in ["alpha beta", "alpha alpha gamma", "beta gamma delta", "delta"].iter().enumerate() {
        store.upsert(vec![point("a", &format!("doc-{n}"), text, EAST)]).await.unwrap();
    }
    let scope = within_groups("a", "staff");
    let before = store.search(&scope, query(EAST, "alpha delta", ALL)).await.unwrap();
    for n in 0..40 {
        let hidden = allowing(point("a", &format!("hidden-{n}"), "alpha alpha alpha", EAST), "board");
        store.upsert(vec![hidden]).await.unwrap();
    }
    assert_eq!(store.search(&scope, query(EAST, "alpha delta", ALL)).await.unwrap(), before);
}

pub(super) async fn changes_who_may_see(place: &impl Place) {
    let store = open(place).await;
    let chunk = |ordinal: u32| {
        let mut point = point("a", "doc", &format!("text {ordinal}"), EAST);
        point.chunk.ordinal = ordinal;
        allowing(point, "staff")
    };
    let other = allowing(point("a", "other", "text", NORTH), "staff");
    store.upsert(vec![chunk(0), chunk(1), other]).await.unwrap();
    let before = export(&store, "a", ALL).await;
    let document = DocumentId::new(&name("a"), "doc");
    for (allow, board, staff, nobody) in [("board", 2, 1, 0), ("board", 2, 1, 0), ("", 2, 3, 2), ("staff", 0, 3, 0)] {
        store.describe(document, &groups(allow), &Metadata::default()).await.unwrap();
        for (of, wanted) in [("board", board), ("staff", staff), ("", nobody)] {
            let seen = store.count(&within_groups("a", of)).await.unwrap().chunks;
            assert_eq!(seen, wanted, "allowed to {allow:?}, seen by {of:?}");
        }
    }
    assert_eq!(format!("{:?}", export(&store, "a", ALL).await), format!("{before:?}"), "all else as it was");
    store.describe(DocumentId::new(&name("a"), "never was there"), &groups("x"), &Metadata::default()).await.unwrap();
}

/// What somebody in these groups, with spaces between them, may find.
pub(super) fn within_groups(collection: &str, of: &str) -> Scope {
    Caller::with_key("somebody".into(), Collections::All, groups(of)).scope(&name(collection)).unwrap()
}

pub(super) fn allowing(point: Point, allow: &str) -> Point {
    Point { allow: groups(allow), ..point }
}

fn groups(names: &str) -> Allow {
    names.split_whitespace().map(|name| name.parse().unwrap()).collect()
}
