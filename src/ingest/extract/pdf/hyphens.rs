//! Whether a word that is cut at the end of a line has a hyphen of its own.
//!
//! In: all lines of a document, as the one source of which words there are; then the two halves of a word. Out: whether
//! the hyphen stays. "exam-ple" loses it, "well-known" keeps it where the document has both halves as words.

use std::collections::HashSet;

use super::lines::Line;

/// A vocabulary larger than any dictionary is not one of words.
const WORDS_MAX: usize = 500_000;
/// Halves shorter than this are found in any text, as abbreviations and endings.
const HALF_CHARS_MIN: usize = 3;

#[derive(Default)]
pub(super) struct Vocabulary(HashSet<String>);

impl Vocabulary {
    pub(super) fn add(&mut self, line: &Line) {
        let mut words = line.text.split(|c: char| !(c.is_alphanumeric() || c == '-')).filter(|word| !word.is_empty());
        if line.hyphen {
            words.next_back(); // Half a word says nothing.
        }
        for word in words {
            if self.0.len() < WORDS_MAX && word.chars().any(char::is_alphabetic) {
                let word = word.to_lowercase();
                if !self.0.contains(&word) {
                    self.0.insert(word);
                }
            }
        }
    }

    /// `left` is what stands before the hyphen at the end of a line, `right` what begins the next one.
    pub(super) fn keeps_hyphen(&self, left: &str, right: &str) -> bool {
        let half = |c: char| c.is_alphanumeric() || c == '-';
        let left = left.rsplit(|c| !half(c)).next().unwrap_or_default().to_lowercase();
        let right = right.split(|c| !half(c)).next().unwrap_or_default();
        if !right.starts_with(|c: char| c.is_lowercase()) || !left.ends_with(char::is_alphabetic) {
            return true; // "UTF-8" and "Anglo-Saxon".
        }
        let right = right.to_lowercase();
        if self.0.contains(&format!("{left}{right}")) {
            return false;
        }
        let is_word = |half: &str| half.chars().count() >= HALF_CHARS_MIN && self.0.contains(half);
        self.0.contains(&format!("{left}-{right}")) || (is_word(&left) && is_word(&right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(text: &str) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        vocabulary.add(&super::super::testing::line(text));
        vocabulary
    }

    #[test]
    fn a_word_that_is_whole_elsewhere_loses_its_hyphen() {
        assert!(!vocabulary("This configuration works").keeps_hyphen("the configu", "ration file"));
    }

    #[test]
    fn a_word_that_has_a_hyphen_elsewhere_keeps_it() {
        assert!(vocabulary("a co-op shop").keeps_hyphen("the co", "op"));
    }

    #[test]
    fn two_words_keep_their_hyphen() {
        assert!(vocabulary("known as well").keeps_hyphen("a well", "known fact"));
    }

    #[test]
    fn an_unknown_word_loses_its_hyphen() {
        assert!(!vocabulary("nothing").keeps_hyphen("a zygo", "morphic flower"));
    }

    #[test]
    fn names_and_numbers_keep_their_hyphen() {
        let vocabulary = vocabulary("nothing");
        assert!(vocabulary.keeps_hyphen("in UTF", "8 everywhere"));
        assert!(vocabulary.keeps_hyphen("the Anglo", "Saxon world"));
    }
}
