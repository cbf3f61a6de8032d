//! A question in, and texts that should answer it; out comes what of the question they say nothing of.
//!
//! Looks at the question's words, not at what it wants to know: texts that have them all may still not answer it, but
//! texts that lack one that matters hardly do. Rare words weigh more.

use crate::document::Span;

use super::evidence::{Key, Passages, Read, Window, best};
use super::words::{Form, Word};

/// As for claims: what answers a question stands close together.
const WINDOW_SENTENCES_MAX: usize = 3;
/// Words that are commoner name too little to make a term with another one: "support works", "make use".
const TERM_RARITY_MIN: f32 = 5.8;
/// The two words of a term stand this close to each other.
const TERM_WORDS_MAX: usize = 3;

/// How texts stand to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// Words that mean something and that no text has, in the question's order.
    pub absent: Vec<Absent>,
    /// Terms of two words, as "query cache", that are both there and stand nowhere together.
    pub apart: Vec<Span>,
    /// The share of the question, by the rarity of its words, that up to three neighbouring sentences have, in 0..=1.
    pub together: f32,
    /// Words that the sentences lack which have most of the question.
    pub beyond: Vec<Span>,
    /// The same share for all texts.
    pub anywhere: f32,
}

/// A word of a question that no text has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Absent {
    /// Bytes of the question.
    pub span: Span,
    /// Its share of the question's weight, in 0..=1.
    pub share: f32,
    /// A number, a name or an identifier, which has no other word for it.
    pub is_exact: bool,
}

/// Compares a question with texts. A question without a word that means something lacks nothing.
pub fn asked(question: &str, texts: &Passages) -> Asked {
    let read = texts.claim(question, Span { start: 0, end: question.len() });
    let weights: Vec<f32> = read.keys.iter().map(|key| if key.is_content { key.weight } else { 0.0 }).collect();
    let total: f32 = weights.iter().sum();
    if total <= 0.0 {
        return Asked { absent: Vec::new(), apart: Vec::new(), together: 1.0, beyond: Vec::new(), anywhere: 1.0 };
    }
    let best_of = |key: &Key| key.found.iter().map(|(_, worth)| *worth).fold(0.0, f32::max);
    let anywhere = read.keys.iter().zip(&weights).map(|(key, weight)| best_of(key) * weight).sum::<f32>() / total;
    let window = best(&texts.windows(&read.keys, &weights, WINDOW_SENTENCES_MAX));
    let together = window.map_or(0.0, |window: Window| window.coverage);
    let in_window = |key: &Key| {
        window.is_some_and(|window| key.found.iter().any(|(at, _)| (window.first..=window.last).contains(at)))
    };
    let beyond = read
        .keys
        .iter()
        .filter(|key| key.is_content && !in_window(key))
        .filter_map(|key| read.words.get(key.word).map(|word| word.span))
        .collect();
    let absent = read
        .keys
        .iter()
        .zip(&weights)
        .filter_map(|(key, weight)| {
            let word = read.words.get(key.word)?;
            let is_name = matches!(word.form, Form::Capital | Form::Upper) && !word.first;
            let is_exact = is_name || matches!(word.form, Form::Mixed | Form::Number);
            // What begins alike, or means the same, will do for a word, and not for a name.
            let is_there = if is_exact { best_of(key) >= 1.0 } else { !key.found.is_empty() };
            (*weight > 0.0 && !is_there).then_some(Absent { span: word.span, share: weight / total, is_exact })
        })
        .collect();
    Asked { absent, apart: apart(&read, texts), together, beyond, anywhere }
}

fn apart(question: &Read, texts: &Passages) -> Vec<Span> {
    let names = |word: &Word| word.is_content() && word.rarity() >= TERM_RARITY_MIN;
    let is_there = |word: &Word| texts.has(&word.stem);
    let pairs = question.words.windows(2).filter_map(|pair| Some((pair.first()?, pair.last()?)));
    pairs
        .filter(|(a, b)| names(a) && names(b) && a.stem != b.stem && is_there(a) && is_there(b))
        .filter(|(a, b)| question.text.get(a.span.end..b.span.start).is_some_and(|between| between.trim().is_empty()))
        .filter(|(a, b)| !texts.sentences.iter().any(|sentence| stand_together(&sentence.words, a, b)))
        .map(|(a, b)| Span { start: a.span.start, end: b.span.end })
        .collect()
}

/// `query cache`, `query plan cache`, `cache of queries`; but not `cached query`.
fn stand_together(words: &[Word], a: &Word, b: &Word) -> bool {
    let at = |wanted: &Word| {
        let stem = wanted.stem.clone();
        words
            .iter()
            .enumerate()
            .filter(move |(_, word)| word.stem == stem || word.parts.contains(&stem))
            .map(|(at, _)| at)
    };
    at(a).any(|first| {
        at(b).any(|second| {
            let follows = (first..=first + TERM_WORDS_MAX).contains(&second);
            let precedes = (first.saturating_sub(TERM_WORDS_MAX)..first.saturating_sub(1)).contains(&second)
                && words.get(second + 1..first).is_some_and(|between| between.iter().any(Word::is_function));
            follows || precedes
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(question: &str) -> Vec<(&str, bool)> {
        let texts = Passages::read(&[
            "The server listens on port 5432. Set `max_connections` to allow more of them.",
            "A backup is made with the dump command.",
        ]);
        asked(question, &texts).absent.into_iter().map(|absent| (absent.span.of(question), absent.is_exact)).collect()
    }

    #[test]
    fn what_no_text_speaks_of_is_named() {
        assert_eq!(missing("On which port does the server listen?"), []);
        assert_eq!(
            missing("How do I make a columnstore index for Oracle?"),
            [("columnstore", false), ("index", false), ("Oracle", true)]
        );
        assert_eq!(missing("What is max_replicas?"), [("max_replicas", true)]);
        assert_eq!(missing("What is it, and why?"), []);
    }

    #[test]
    fn a_term_is_more_than_its_words() {
        let texts = Passages::read(&[
            "The plan of a cached query is kept. A cache of plans holds them. The query planner runs.",
        ]);
        let question = "Is there a query cache, a plan cache or a query planner?";
        let apart: Vec<&str> = asked(question, &texts).apart.into_iter().map(|span| span.of(question)).collect();
        assert_eq!(apart, ["query cache"]);
    }

    #[test]
    fn words_that_stand_apart_are_not_together() {
        let texts = Passages::read(&["The server listens on port 5432.", "A backup is made with the dump command."]);
        let close = asked("Which port does the server listen on?", &texts);
        let apart = asked("Does the dump command listen on a port?", &texts);
        assert!(close.together > 0.9 && close.anywhere > 0.9, "{close:?}");
        assert!(apart.together < 0.7 && apart.anywhere > 0.9, "{apart:?}");
    }
}
