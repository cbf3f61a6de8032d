//! Two ranked lists of points → one: reciprocal rank fusion whose result depends on the points alone.
//!
//! The engines break ties by where a point happens to lie in its segment, and the order in which they add up a score
//! moves its last digits, so the same points stored anew would be ranked otherwise. Here, scores that differ by rounding
//! alone are equal, and the ids of points order what is equal. Pure.

use std::cmp::Ordering;
use std::collections::HashMap;

use uuid::Uuid;

use crate::config;

/// The most that a list is lengthened to, for the sake of equals at its end.
pub(super) const RANKED_MAX: usize = 2 * config::CANDIDATES_MAX;
/// Two scores that differ by less than this share of the larger one are equal. Rounding moves a sum of a few dozen
/// numbers by a tenth of that.
const ROUNDING: f32 = 1e-6;

/// A point that one search found, and how well it fits there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ranked {
    pub(super) id: Uuid,
    pub(super) score: f32,
}

/// How many to ask a search for, so that `candidates` of them have an order: the first time, or, given what `asked`
/// brought, again. None: it is enough.
pub(super) fn to_ask(candidates: usize, asked: Option<(usize, &[Ranked])>) -> Option<usize> {
    let Some((asked, found)) = asked else { return Some((2 * candidates).min(RANKED_MAX)) };
    let (Some(last_kept), Some(last)) = (found.get(candidates.saturating_sub(1)), found.last()) else { return None };
    let may_be_more = found.len() >= asked && asked < RANKED_MAX;
    (may_be_more && is_equal(last_kept.score, last.score)).then(|| (4 * asked).min(RANKED_MAX))
}

/// The best `limit` points of both lists with their fused scores, best first. Each list counts for its first
/// `candidates`, and of two points that are equally good fused, the one that the first list has higher leads.
pub(super) fn fuse(lists: [Vec<Ranked>; 2], candidates: usize, rank_constant: usize, limit: usize) -> Vec<Ranked> {
    let mut fused: HashMap<Uuid, (f32, usize)> = HashMap::new();
    for (which, list) in lists.into_iter().enumerate() {
        for (rank, point) in in_order(list).into_iter().take(candidates).enumerate() {
            let (score, first_rank) = fused.entry(point.id).or_insert((0.0, usize::MAX));
            #[expect(clippy::cast_precision_loss, reason = "a rank is a small number")]
            {
                *score += 1.0 / (rank_constant + rank) as f32;
            }
            if which == 0 {
                *first_rank = rank;
            }
        }
    }
    let mut fused: Vec<(Ranked, usize)> =
        fused.into_iter().map(|(id, (score, first_rank))| (Ranked { id, score }, first_rank)).collect();
    fused.sort_by(|(a, a_rank), (b, b_rank)| {
        b.score.total_cmp(&a.score).then_with(|| a_rank.cmp(b_rank)).then_with(|| a.id.cmp(&b.id))
    });
    fused.truncate(limit);
    fused.into_iter().map(|(point, _)| point).collect()
}

/// Best first; equals by their ids.
fn in_order(mut list: Vec<Ranked>) -> Vec<Ranked> {
    list.sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.id.cmp(&b.id)));
    for equals in list.chunk_by_mut(|a, b| is_equal(a.score, b.score)) {
        equals.sort_by_key(|point| point.id);
    }
    list
}

fn is_equal(a: f32, b: f32) -> bool {
    a.total_cmp(&b) == Ordering::Equal || (a - b).abs() <= ROUNDING * a.abs().max(b.abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranked(scores: &[(u128, f32)]) -> Vec<Ranked> {
        scores.iter().map(|(id, score)| Ranked { id: Uuid::from_u128(*id), score: *score }).collect()
    }

    fn ids(points: &[Ranked]) -> Vec<u128> {
        points.iter().map(|point| point.id.as_u128()).collect()
    }

    #[test]
    fn a_point_that_both_searches_find_leads() {
        let fused = fuse([ranked(&[(1, 0.9), (2, 0.8)]), ranked(&[(2, 7.0), (3, 6.0)])], 10, 2, 10);
        assert_eq!(ids(&fused), [2, 1, 3], "1/3 + 1/2, 1/2, 1/3");
        assert!((fused[0].score - (1.0 / 3.0 + 1.0 / 2.0)).abs() < 1e-6);
    }

    #[test]
    fn scores_that_differ_by_rounding_alone_are_equal() {
        let list = || ranked(&[(3, 5.000_001), (1, 5.0), (2, 4.999)]);
        assert_eq!(ids(&fuse([list(), Vec::new()], 10, 2, 10)), [1, 3, 2]);
    }

    #[test]
    fn more_is_asked_for_only_while_equals_run_past_the_end() {
        let tied = ranked(&[(1, 2.0), (2, 1.0), (3, 1.0), (4, 1.0)]);
        assert_eq!(to_ask(2, None), Some(4));
        assert_eq!(to_ask(2, Some((4, &tied))), Some(16));
        assert_eq!(to_ask(2, Some((5, &tied))), None, "there are no more");
        assert_eq!(to_ask(1, Some((4, &tied))), None, "the end is another score");
        assert_eq!(to_ask(5, Some((10, &[]))), None);
    }

    proptest! {
        #[test]
        fn the_order_in_which_a_search_names_equals_changes_nothing(
            (scores, shuffled) in prop::collection::vec(0_u8..4, 1..40).prop_flat_map(|scores| {
                let list: Vec<(u128, f32)> =
                    scores.iter().enumerate().map(|(id, score)| (id as u128, f32::from(*score))).collect();
                (Just(list.clone()), Just(list).prop_shuffle())
            }),
            candidates in 1_usize..40,
        ) {
            let other = ranked(&[(3, 1.0), (5, 1.0)]);
            let fused = |list: &[(u128, f32)]| fuse([ranked(list), other.clone()], candidates, 2, 20);
            prop_assert_eq!(fused(&scores), fused(&shuffled));
        }
    }
}
