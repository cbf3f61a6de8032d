//! What an answer has said already: a sentence that comes again, word for word, adds nothing to it.

use std::collections::HashSet;

use super::super::cite;
use crate::ground::claims::{Kind, Piece};

/// A sentence of fewer words may well be said twice.
const WORDS_MIN: usize = 5;

/// The sentences of an answer so far, without marks and white space.
#[derive(Default)]
pub(super) struct Said(HashSet<String>);

impl Said {
    /// Notes a piece of an answer with so many sources. True if it has been said. Rows of tables and code may come again.
    pub(super) fn is_repeated(&mut self, text: &str, piece: Piece, sources: usize) -> bool {
        let is_row = piece.span.of(text).starts_with('|');
        if is_row || !matches!(piece.kind, Kind::Claim | Kind::AboutSources | Kind::Question | Kind::Chatter) {
            return false;
        }
        let mut words = String::new();
        let mut from = piece.span.start;
        for mark in cite::read(text, piece.span, sources) {
            words.push_str(text.get(from..mark.span.start).unwrap_or_default());
            from = mark.span.end;
        }
        words.push_str(text.get(from..piece.span.end).unwrap_or_default());
        let is_long = words.split_whitespace().count() >= WORDS_MIN;
        words.retain(|c| !c.is_whitespace());
        is_long && !self.0.insert(words)
    }
}
