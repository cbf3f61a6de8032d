//! Halves of two statements joined into one: "A when B", where one passage says A and another one B.
//!
//! "And" may join what has nothing to do with each other; "when", "because" and "until" say that it has. Found only where
//! both halves are well covered, each far from the other, and no few sentences speak of both. Claims with commas or
//! an "and" are left alone: what belongs to what is not told by these rules.

use super::super::evidence::{Key, Passages, Read, WINDOW_SENTENCES_MAX, Window};
use super::super::words::Word;
use super::{Mismatch, MismatchKind};

const JOINTS: &str = "when whenever if unless because until before after";
/// Each half has at least so many words that mean something,
const CONTENT_WORDS_MIN: usize = 2;
/// is covered by some window to this share,
const HALF_MIN: f32 = 0.8;
/// and no window covers both to more than that.
const BOTH_MAX: f32 = 0.34;

pub(super) fn mismatches(claim: &Read, passages: &Passages) -> Vec<Mismatch> {
    if !is_simple(claim) {
        return Vec::new();
    }
    let places = claim.words.iter().enumerate().skip(1);
    let joints = places.filter(|(_, word)| JOINTS.split(' ').any(|joint| joint == word.plain));
    joints.filter(|(at, _)| are_apart(claim, passages, *at)).map(|(_, word)| found(word)).take(1).collect()
}

fn found(word: &Word) -> Mismatch {
    Mismatch { kind: MismatchKind::Joint, claim: word.span, evidence: None, sure: false }
}

fn are_apart(claim: &Read, passages: &Passages, joint: usize) -> bool {
    let Some((head, tail)) = claim.words.split_at_checked(joint) else { return false };
    let weights = |half: &[Word]| -> Vec<f32> {
        let of_half = |word: &Word| half.iter().any(|other| other.stem == word.stem);
        let weigh = |key: &Key| {
            claim.words.get(key.word).filter(|word| key.is_content && of_half(word)).map_or(0.0, |_| key.weight)
        };
        claim.keys.iter().map(weigh).collect()
    };
    let content = |half: &[Word]| half.iter().filter(|word| word.is_content()).count();
    if content(head) < CONTENT_WORDS_MIN || content(tail) < CONTENT_WORDS_MIN {
        return false;
    }
    let of_head = passages.windows(&claim.keys, &weights(head), WINDOW_SENTENCES_MAX);
    let of_tail = passages.windows(&claim.keys, &weights(tail), WINDOW_SENTENCES_MAX);
    let most = |windows: &[Window]| windows.iter().map(|w| w.coverage).fold(0.0, f32::max);
    let both = of_head.iter().zip(&of_tail).map(|(a, b)| a.coverage.min(b.coverage)).fold(0.0, f32::max);
    most(&of_head) >= HALF_MIN && most(&of_tail) >= HALF_MIN && both <= BOTH_MAX
}

/// One clause before the joint and one after it: no comma, no "and".
fn is_simple(claim: &Read) -> bool {
    claim.words.windows(2).all(|pair| {
        let [before, word] = pair else { return true };
        let between = claim.text.get(before.span.end..word.span.start).unwrap_or_default();
        !between.contains([',', ';', ':', '(', ')', '.', '—', '–'])
            && !matches!(word.plain.as_str(), "and" | "but" | "or")
    })
}
