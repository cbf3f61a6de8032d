//! Whether two questions ask the same. Pure.

use std::collections::BTreeSet;

use super::readable::is_common;
use crate::embed::cosine;
use crate::eval::wording;

/// From here on two questions mean the same, unless they name different things. Of MiniLM's vectors.
const COSINE_MIN: f32 = 0.9;
/// The share of words that two questions have in common before they are one.
const SHARED_MIN: usize = 80;

/// A question, as it is compared.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    words: BTreeSet<String>,
    /// Names, numbers and identifiers, for which there is no other word.
    exact: BTreeSet<String>,
    vector: Vec<f32>,
}

impl Asked {
    pub(super) fn new(question: &str, vector: Vec<f32>) -> Self {
        let words = wording::words(question).into_iter().filter(|word| !is_common(word));
        Self { words: words.map(|word| stem(&word)).collect(), exact: exact(question), vector }
    }

    /// Whether one of the others asks the same.
    pub(super) fn is_among(&self, others: &[Self]) -> bool {
        others.iter().any(|other| self.is_like(other))
    }

    fn is_like(&self, other: &Self) -> bool {
        let shared = self.words.intersection(&other.words).count();
        let all = self.words.union(&other.words).count().max(1);
        self.exact == other.exact
            && (shared * 100 >= all * SHARED_MIN || cosine(&self.vector, &other.vector) >= COSINE_MIN)
    }

    /// How near they are in meaning, -1..=1.
    pub(super) fn nearness(&self, other: &Self) -> f32 {
        cosine(&self.vector, &other.vector)
    }
}

fn stem(word: &str) -> String {
    word.strip_suffix('s').filter(|stem| stem.len() > 2).unwrap_or(word).to_owned()
}

/// The words of a question that are no words: identifiers, numbers, and names within it.
pub(super) fn exact(question: &str) -> BTreeSet<String> {
    tokens(question).into_iter().map(|(_, token)| token.to_owned()).collect()
}

/// The same, with their places, in order.
pub(super) fn tokens(question: &str) -> Vec<(usize, &str)> {
    let (mut found, mut at) = (Vec::new(), 0);
    for (nth, part) in question.split(' ').enumerate() {
        let lead = part.len() - part.trim_start_matches(['"', '(', '\'']).len();
        let token = part.trim_matches(['"', '(', ')', '\'', '?', ',']);
        let inner = token.trim_matches('-');
        let is_joined =
            inner.contains(['.', '_', '/', ':', '=']) && inner.len() > 2 || token.starts_with('-') && inner.len() > 1;
        let is_number = token.chars().any(|c| c.is_ascii_digit());
        let is_name = nth > 0 && token.chars().any(char::is_uppercase) && token.len() > 1;
        if is_joined || is_number || is_name {
            found.push((at + lead, token));
        }
        at += part.len() + 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_for_the_same_are_the_same_and_other_names_are_not() {
        let asked = |question: &str| Asked::new(question, vec![1.0, 0.0]);
        let known = [asked("What is the default of embed.model?")];
        assert!(asked("Which default does embed.model have?").is_among(&known));
        assert!(!asked("What is the default of embed.threads?").is_among(&known));
        assert_eq!(tokens("How do I send \"a.b\" to Qdrant?"), [(15, "a.b"), (23, "Qdrant")]);
    }
}
