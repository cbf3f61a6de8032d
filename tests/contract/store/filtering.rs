//! What is asked for: tags, dates, languages and places, beside who asks.

use std::collections::BTreeSet;

use cairn::document::Metadata;
use cairn::store::{Filter, Places, Point, Query, VectorStore};

use super::callers::{allowing, within_groups};
use super::{ALL, EAST, NORTH, Place, open, point, query, scope};

pub(super) async fn narrows(place: &impl Place) {
    let store = open(place).await;
    let points = vec![
        said(point("a", "/srv/docs/one.md", "text", EAST), "manual faq", Some(100), Some("en")),
        said(point("a", "/srv/docs/two.md", "text", EAST), "manual", Some(200), Some("de")),
        said(point("a", "/srv/docs2/three.md", "text", EAST), "faq", None, Some("en")),
        said(point("a", "https://example.com/guide", "text", EAST), "", Some(-5), None),
        said(point("a", "Größe/ß.md", "text", EAST), "Ümläut", Some(150), Some("de")),
        allowing(said(point("a", "/srv/docs/secret.md", "text", EAST), "manual faq", Some(100), Some("en")), "board"),
        said(point("b", "/srv/docs/elsewhere.md", "text", EAST), "manual faq", Some(100), Some("en")),
    ];
    store.upsert(points.clone()).await.unwrap();
    for filter in filters() {
        for (who, scope, groups) in
            [("anybody", within_groups("a", "staff"), false), ("the board", within_groups("a", "board"), true)]
        {
            let wanted = points.iter().filter(|point| point.collection.as_str() == "a");
            let wanted = wanted.filter(|point| groups || point.allow.is_empty());
            let wanted = wanted.filter(|point| filter.passes(&point.external_id, &point.metadata));
            let wanted: BTreeSet<&str> = wanted.map(|point| point.external_id.as_str()).collect();
            let asked = Query { filter: filter.clone(), ..query(EAST, "text", ALL) };
            let found = store.search(&scope, asked).await.unwrap();
            let found: BTreeSet<&str> = found.iter().map(|hit| hit.external_id.as_str()).collect();
            assert_eq!(found, wanted, "{who}, {filter:?}");
        }
    }
    // What is said of a document may change, and the filter looks at what is said now.
    let tags = ["new".to_owned()].into();
    store.describe(points[0].document, &points[0].allow, &Metadata { tags, ..Metadata::default() }).await.unwrap();
    let asked =
        |tag: &str| Query { filter: Filter { tags_any: words(tag), ..everything() }, ..query(EAST, "text", ALL) };
    assert_eq!(store.search(&scope("a"), asked("new")).await.unwrap().len(), 1);
    assert_eq!(store.search(&within_groups("a", ""), asked("manual")).await.unwrap().len(), 1);
}

pub(super) async fn counts_words_in_the_scope(place: &impl Place) {
    let store = open(place).await;
    for (collection, common) in [("a", "beta"), ("b", "alpha")] {
        // With a filter, both words are equally rare among what passes. Without one, one of them is common.
        let mut points = vec![
            said(point(collection, "has-alpha", "alpha", NORTH), "x", None, None),
            said(point(collection, "has-beta", "beta", NORTH), "x", None, None),
        ];
        points.extend((0..10).map(|n| said(point(collection, &format!("near-{n}"), "gamma", EAST), "x", None, None)));
        points.extend((0..30).map(|n| point(collection, &format!("other-{n}"), common, EAST)));
        store.upsert(points).await.unwrap();
    }
    for (collection, rare, common) in [("a", "has-alpha", "has-beta"), ("b", "has-beta", "has-alpha")] {
        let filter = Filter { tags_all: words("x"), ..everything() };
        // With so few candidates, those that are near are all that meaning brings.
        let found = store.search(&scope(collection), Query { filter, ..query(EAST, "alpha beta", 5) }).await.unwrap();
        let place = |wanted: &str| found.iter().position(|hit| hit.external_id == wanted).unwrap();
        assert!(place(rare) < place(common), "{found:?}");
    }
}

/// Each condition alone, some together, and all at once, as many as a client may send.
fn filters() -> Vec<Filter> {
    let many: BTreeSet<String> = (0..70).map(|n| format!("/nowhere/{n}/")).chain(words("/srv/docs/")).collect();
    vec![
        everything(),
        Filter { tags_any: words("manual Ümläut"), ..everything() },
        Filter { tags_any: words("man"), ..everything() },
        Filter { tags_all: words("manual faq"), ..everything() },
        Filter { from: Some(100), ..everything() },
        Filter { to: Some(100), ..everything() },
        Filter { from: Some(-5), to: Some(150), ..everything() },
        Filter { from: Some(101), to: Some(149), ..everything() },
        Filter { languages: words("en"), ..everything() },
        Filter { languages: words("de fr"), ..everything() },
        Filter { places: places(&[], &["/srv/docs/"]), ..everything() },
        Filter { places: places(&["/srv/docs2/three.md"], &["https://example.com/", "Größe/"]), ..everything() },
        Filter { places: places(&[], &["/srv/docs/tw"]), ..everything() },
        Filter { places: places(&["/srv/docs"], &[]), ..everything() },
        Filter { places: places(&[], &[]), ..everything() },
        Filter {
            tags_any: (0..16).map(|n| n.to_string()).chain(words("manual")).collect(),
            tags_all: words("manual faq"),
            from: Some(0),
            to: Some(1000),
            languages: words("en de"),
            places: Some(Places { external_ids: many.clone(), prefixes: many }),
        },
    ]
}

pub(super) fn everything() -> Filter {
    Filter::default()
}

pub(super) fn places(external_ids: &[&str], prefixes: &[&str]) -> Option<Places> {
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Some(Places { external_ids: set(external_ids), prefixes: set(prefixes) })
}

fn said(point: Point, tags: &str, date: Option<i64>, language: Option<&str>) -> Point {
    Point { metadata: Metadata { tags: words(tags), date, language: language.map(str::to_owned) }, ..point }
}

/// The words between spaces.
fn words(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_owned).collect()
}
