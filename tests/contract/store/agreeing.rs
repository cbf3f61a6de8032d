//! The same points give the same answers, whichever store holds them and however they came there.

use std::ops::RangeInclusive;

use cairn::document::{DocumentId, Hit};
use cairn::store::{Point, VectorStore};
use proptest::array::uniform4;
use proptest::sample::subsequence;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;

use super::callers::{allowing, within_groups};
use super::moving::export;
use super::{ALL, DIMENSIONS, Folder, Place, name, open, point, query, scope};

/// What points and questions are about. None is a stop word.
const WORDS: &[&str] = &["quartz", "xenon", "violet", "zebra", "amber", "cobalt", "dahlia", "ember", "fjord", "gravel"];
/// Between two scores that differ in rounding alone.
const EPSILON: f32 = 1e-5;
const QUESTIONS: usize = 100;

pub(super) async fn an_export_is_the_index(place: &impl Place) {
    let store = open(place).await;
    store.upsert(any_points(60)).await.unwrap();
    let folder = Folder::new();
    let copy = open(&folder).await;
    for page in export(&store, "a", 7).await.chunks(9) {
        copy.upsert(page.iter().map(|(_, point)| point.clone()).collect()).await.unwrap();
    }
    assert_the_same_answers(&store, &copy).await;
}

pub(super) async fn agrees_with_the_one_in_process(place: &impl Place) {
    let folder = Folder::new();
    let (store, edge) = (open(place).await, open(&folder).await);
    for points in any_points(300).chunks(50) {
        store.upsert(points.to_vec()).await.unwrap();
        edge.upsert(points.to_vec()).await.unwrap();
    }
    for n in (0..300).step_by(7) {
        let document = DocumentId::new(&name("a"), &format!("doc-{n}"));
        store.delete_document(document).await.unwrap();
        edge.delete_document(document).await.unwrap();
    }
    assert_the_same_answers(&store, &edge).await;
}

/// So many different words, a direction, and groups.
fn anything(words: RangeInclusive<usize>) -> impl Strategy<Value = (String, [f32; DIMENSIONS], String)> {
    let text = subsequence(WORDS, words).prop_map(|words| words.join(" "));
    (text, uniform4(-1.0_f32..1.0), "(staff|board|staff board)?")
}

/// Many of them say the same or as much, so that searches have equals to put in order.
fn any_points(count: usize) -> Vec<Point> {
    let (one, mut runner) = (anything(1..=WORDS.len()), TestRunner::deterministic());
    (0..count)
        .map(|n| {
            let (text, dense, groups) = one.new_tree(&mut runner).unwrap().current();
            let dense = if n.is_multiple_of(3) { super::EAST } else { dense };
            allowing(point("a", &format!("doc-{n}"), &text, dense), &groups)
        })
        .collect()
}

/// To many questions of people in any groups.
async fn assert_the_same_answers(one: &impl VectorStore, other: &impl VectorStore) {
    let (question, mut runner) = (anything(1..=4), TestRunner::deterministic());
    for _ in 0..QUESTIONS {
        let (text, dense, groups) = question.new_tree(&mut runner).unwrap().current();
        for scope in [scope("a"), within_groups("a", &groups)] {
            for candidates in [3, 20, ALL] {
                let query = || query(dense, &text, candidates);
                let of_one = one.search(&scope, query()).await.unwrap();
                let of_other = other.search(&scope, query()).await.unwrap();
                let found = |hits: &[Hit]| hits.iter().map(|hit| hit.external_id.clone()).collect::<Vec<_>>();
                assert_eq!(found(&of_one), found(&of_other), "{text:?} {groups:?}");
                for (here, there) in of_one.iter().zip(&of_other) {
                    assert!((here.score - there.score).abs() < EPSILON, "{text:?} {groups:?}: {here:?} and {there:?}");
                }
            }
            assert_eq!(one.count(&scope).await.unwrap(), other.count(&scope).await.unwrap());
        }
    }
}
