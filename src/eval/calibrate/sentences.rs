//! Which supported sentences `retract` leaves out, fitted to sentences that people read: for each threshold, how many would
//! be shown, and how many of these are right.
//!
//! A score is a probability where half of what a model writes is right or more. A model that is mostly wrong has more wrong
//! sentences of every score, so what is shown as supported has to score higher. `answer.retract_below` is the threshold;
//! who fits it names the share that has to be right.

use crate::eval::selftest::LabelledSentence;
use crate::eval::stats::bootstrap::wilson;
use crate::eval::stats::{Interval, real};

/// Thresholds that are tried lie a hundredth apart.
const STEPS: usize = 100;
/// Of fewer sentences, no share is told.
const SHOWN_MIN: usize = 10;

/// What one threshold shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    /// 0 goes by the verdict alone.
    pub threshold: f64,
    pub shown: usize,
    pub right: usize,
}

impl Choice {
    /// The share that is right of what is shown.
    pub fn precision(&self) -> Option<f64> {
        (self.shown > 0).then(|| real(self.right) / real(self.shown))
    }

    pub fn interval(&self) -> Option<Interval> {
        wilson(self.right, self.shown)
    }

    fn of(sentences: &[LabelledSentence], threshold: f64) -> Self {
        let shown: Vec<_> = sentences.iter().filter(|it| it.supported && it.score >= threshold).collect();
        Self { threshold, shown: shown.len(), right: shown.iter().filter(|it| it.right).count() }
    }
}

/// Every threshold from the verdict alone on that shows anything, and the lowest of which so large a share is right. None:
/// of none that shows enough to tell.
pub fn choices(sentences: &[LabelledSentence], precision: f64) -> (Vec<Choice>, Option<Choice>) {
    let mut choices: Vec<Choice> = Vec::new();
    for step in 0..=STEPS {
        let choice = Choice::of(sentences, real(step) / real(STEPS));
        // A threshold that shows what the one before shows is no other choice.
        if choice.shown > 0 && choices.last().is_none_or(|last| last.shown != choice.shown) {
            choices.push(choice);
        }
    }
    let reaches =
        |choice: &&Choice| choice.shown >= SHOWN_MIN && choice.precision().is_some_and(|share| share >= precision);
    let best = choices.iter().find(reaches).copied();
    (choices, best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(score: f64, right: bool) -> LabelledSentence {
        LabelledSentence { score, supported: score >= 0.5, right }
    }

    #[test]
    fn the_lowest_threshold_that_shows_enough_and_is_right_often_enough_fits() {
        let mut sentences = vec![sentence(0.9, true); 12];
        sentences.extend([sentence(0.7, false), sentence(0.6, true), sentence(0.4, true)]);
        let (choices, best) = choices(&sentences, 0.9);
        let shown: Vec<(usize, usize)> = choices.iter().map(|choice| (choice.shown, choice.right)).collect();
        assert_eq!(shown, [(14, 13), (13, 12), (12, 12)], "what the verdict leaves out is never shown");
        assert_eq!(choices[0].threshold.total_cmp(&0.0), std::cmp::Ordering::Equal);
        assert_eq!(best, Some(choices[0]), "13 of 14");
        assert_eq!(super::choices(&sentences, 0.95).1, Some(choices[2]));
        assert!((choices[2].threshold - 0.71).abs() < 1e-9);
    }

    #[test]
    fn a_handful_of_right_sentences_fits_nothing() {
        let mut sentences = vec![sentence(0.9, true); 5];
        sentences.extend(vec![sentence(0.6, false); 20]);
        assert_eq!(choices(&sentences, 0.95).1, None);
        assert_eq!(choices(&[], 0.95), (Vec::new(), None));
    }
}
