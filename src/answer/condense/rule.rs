//! Follow-up questions without a model: whether one leans on the conversation, and what it means there.
//!
//! Pure. Knows the English words that point to something said before; of another language it only sees how short a
//! question is. What it makes is not always good English, but holds the words to search for.

use std::collections::HashSet;

use unicode_segmentation::UnicodeSegmentation;

use crate::embed::SparseEmbedder;

/// Earlier questions that are looked at: a follow-up of a follow-up leans on what both lean on.
const EARLIER_MAX: usize = 4;
/// Words that are carried over from earlier questions.
const CARRIED_MAX: usize = 8;
/// A question with no more words than this is too short to stand by itself, whatever it says.
const SHORT_WORDS_MAX: usize = 2;
/// One with no more words that say something ("How long should I wait?") may lean on the conversation, or not.
const SHORT_CONTENT_MAX: usize = 2;
/// As short as the first, where the language is not known.
const SHORT_WORDS_UNKNOWN_MAX: usize = 4;
/// A longer answer to "and …?" is more than something to put in the place of something else.
const SLOT_WORDS_MAX: usize = 8;

const LEADS: [&str; 9] =
    ["what about ", "how about ", "and what about ", "and how about ", "same for ", "and ", "or ", "but ", "also "];
/// A question that begins so needs no other word to stand by itself, or does not.
const OPENERS: [&str; 36] = [
    "what", "what's", "which", "who", "whom", "whose", "where", "when", "why", "how", "is", "are", "was", "were", "am",
    "do", "does", "did", "can", "could", "may", "must", "shall", "should", "will", "would", "has", "have", "had",
    "list", "show", "tell", "explain", "describe", "give", "name",
];
const PREPOSITIONS: [&str; 24] = [
    "on", "in", "for", "with", "without", "from", "to", "at", "by", "under", "over", "after", "before", "during",
    "via", "through", "into", "of", "about", "against", "between", "behind", "inside", "outside",
];
/// Words that stand for something named before.
const POINTERS: [&str; 25] = [
    "it",
    "its",
    "itself",
    "they",
    "them",
    "their",
    "theirs",
    "themselves",
    "those",
    "these",
    "this",
    "he",
    "him",
    "his",
    "she",
    "her",
    "hers",
    "former",
    "latter",
    "instead",
    "otherwise",
    "previous",
    "aforementioned",
    "latter's",
    "it's",
];
/// After these, "it" stands for nothing: "is it possible to …".
const EXPLETIVE: [&str; 8] = ["possible", "necessary", "required", "allowed", "safe", "okay", "true", "recommended"];
/// Words by which a text is known to be English.
const ENGLISH: [&str; 30] = [
    "the", "a", "an", "of", "to", "in", "on", "for", "with", "and", "or", "is", "are", "do", "does", "can", "how",
    "what", "which", "who", "when", "where", "why", "it", "i", "my", "be", "about", "from", "at",
];

/// Whether a question needs the conversation to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaning {
    Alone,
    Leans,
    /// It is so short that a model had better look at it.
    Maybe,
    /// It is in no language that is known here.
    Unknown,
}

/// Whether a question needs the conversation to be understood.
pub(super) fn leaning(question: &str, sparse: &SparseEmbedder) -> Leaning {
    let lower = question.to_lowercase().replace('’', "'");
    let words: Vec<&str> = lower.unicode_words().collect();
    let Some(first) = words.first() else { return Leaning::Alone };
    let begins = LEADS.iter().any(|lead| lower.trim_start().starts_with(lead));
    if begins || words.len() <= SHORT_WORDS_MAX || points_back(&words) {
        return Leaning::Leans;
    }
    let content = sparse.question(question).indices.len();
    let opens = OPENERS.contains(first);
    if !words.iter().any(|word| ENGLISH.contains(word)) {
        return if opens { Leaning::Alone } else { Leaning::Unknown };
    }
    let has_verb = words.iter().any(|word| OPENERS.contains(word));
    if content == 0 || (content == 1 && !opens) || (PREPOSITIONS.contains(first) && !has_verb) {
        return Leaning::Leans;
    }
    if content <= SHORT_CONTENT_MAX { Leaning::Maybe } else { Leaning::Alone }
}

/// The question with what it leans on, from the earlier questions, oldest first. None: there is nothing to add.
pub(super) fn condensed(question: &str, leaning: Leaning, earlier: &[&str], sparse: &SparseEmbedder) -> Option<String> {
    let is_short = question.unicode_words().count() <= SHORT_WORDS_UNKNOWN_MAX;
    match leaning {
        Leaning::Leans => {}
        Leaning::Unknown if is_short => {}
        Leaning::Alone | Leaning::Maybe | Leaning::Unknown => return None,
    }
    let from = earlier.len().saturating_sub(EARLIER_MAX);
    let mut base = String::new();
    for before in earlier.iter().skip(from) {
        let leans = !base.is_empty() && self::leaning(before, sparse) == Leaning::Leans;
        base = if leans { joined(&base, before, sparse) } else { (*before).trim().to_owned() };
    }
    let text = joined(&base, question, sparse);
    (text != question.trim()).then_some(text)
}

/// What a follow-up means after the question before it.
fn joined(base: &str, follow_up: &str, sparse: &SparseEmbedder) -> String {
    if let Some(text) = put_in(base, follow_up) {
        return text;
    }
    let has: HashSet<u32> = sparse.question(follow_up).indices.into_iter().collect();
    let mut seen = has;
    let carried: Vec<&str> = base
        .unicode_words()
        .filter(|word| {
            let known = seen.len();
            seen.extend(sparse.question(word).indices);
            seen.len() > known
        })
        .take(CARRIED_MAX)
        .collect();
    let follow_up = follow_up.trim();
    if carried.is_empty() { follow_up.to_owned() } else { format!("{follow_up} ({})", carried.join(", ")) }
}

/// "And on Windows?" after "How do I install it on Debian?": the one place in the place of the other, or at the end where
/// the earlier question names none. None: the follow-up does not begin with such a word.
fn put_in(base: &str, follow_up: &str) -> Option<String> {
    let rest = without_lead(follow_up);
    let rest = rest.trim().trim_end_matches(['?', '.', '!', ' ']);
    let words: Vec<String> = rest.unicode_words().map(str::to_lowercase).collect();
    let preposition = words.first().filter(|first| PREPOSITIONS.contains(&first.as_str()))?;
    let is_phrase = words.len() <= SLOT_WORDS_MAX && !words.iter().any(|word| OPENERS.contains(&word.as_str()));
    if words.len() < 2 || !is_phrase {
        return None;
    }
    let base = base.trim().trim_end_matches(['?', '.', '!', ' ']);
    let places: Vec<(usize, &str)> = base.unicode_word_indices().collect();
    let slot = places.iter().rposition(|(_, word)| word.to_lowercase() == *preposition);
    let Some(slot) = slot else { return Some(format!("{base} {rest}?")) };
    let start = places.get(slot).map_or(base.len(), |(at, _)| *at);
    let end = places
        .iter()
        .skip(slot + 1)
        .find(|(_, word)| PREPOSITIONS.contains(&word.to_lowercase().as_str()))
        .map_or(base.len(), |(at, _)| *at);
    let (before, after) = (base.get(..start)?, base.get(end..)?);
    let gap = if after.is_empty() { "" } else { " " };
    Some(format!("{before}{rest}{gap}{after}?"))
}

/// The follow-up without the words that only say that it is one.
fn without_lead(follow_up: &str) -> &str {
    let mut rest = follow_up.trim();
    while let Some(lead) = LEADS.iter().find(|lead| {
        rest.get(..lead.len()).is_some_and(|start| start.eq_ignore_ascii_case(lead)) && rest.len() > lead.len()
    }) {
        rest = rest.get(lead.len()..).unwrap_or_default().trim_start();
    }
    rest
}

/// Whether a word stands for something that the question does not name itself.
fn points_back(words: &[&str]) -> bool {
    words.iter().enumerate().any(|(at, word)| {
        let before = at.checked_sub(1).and_then(|before| words.get(before)).copied();
        let is_last = at + 1 == words.len();
        let after_function = before.is_some_and(|before| OPENERS.contains(&before) || PREPOSITIONS.contains(&before));
        match *word {
            "it" => !words.get(at + 1).is_some_and(|next| EXPLETIVE.contains(next)),
            // Else it joins two halves of a sentence: "the key that opens the door".
            "that" => is_last || after_function,
            "there" | "too" | "so" | "else" => is_last,
            "one" | "ones" => is_last || before.is_some_and(|before| ["which", "other", "another"].contains(&before)),
            other => POINTERS.contains(&other),
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn condense(earlier: &[&str], question: &str) -> Option<String> {
        let sparse = SparseEmbedder::new();
        condensed(question, leaning(question, &sparse), earlier, &sparse)
    }

    #[test]
    fn a_follow_up_is_told_from_a_question_that_stands_by_itself() {
        let sparse = SparseEmbedder::new();
        for follow_up in [
            "And on Windows?",
            "What about Debian?",
            "Why?",
            "how long does it take",
            "Can they be revoked?",
            "Which one is faster?",
            "What does that mean?",
            "With TLS and a proxy?",
            "and how is it done there?",
            "Where is its log?",
            "On Debian?",
            "But what if the disk is full?",
            "Can I use this for backups instead?",
        ] {
            assert_eq!(leaning(follow_up, &sparse), Leaning::Leans, "{follow_up}");
        }
        for alone in [
            "What is the boiling point of tungsten?",
            "Is it possible to restore a backup?",
            "Which key opens the vault that Kestrel guards?",
            "How do I install Kestrel on Debian?",
            "In which folder are the logs of Kestrel?",
            "List the ports of Kestrel",
            "backup retention of the mail relay",
            "",
            "?",
        ] {
            assert_eq!(leaning(alone, &sparse), Leaning::Alone, "{alone}");
        }
        assert_eq!(leaning("How long should I wait?", &sparse), Leaning::Maybe);
        assert_eq!(leaning("Welche Fehlermeldung erscheint danach immer?", &sparse), Leaning::Unknown);
    }

    #[test]
    fn a_place_takes_the_place_of_another() {
        for (earlier, question, expected) in [
            (&["How do I install Kestrel on Debian?"][..], "And on Windows?", "How do I install Kestrel on Windows?"),
            (
                &["How do I install Kestrel on Debian without root?"],
                "what about on Windows 11?",
                "How do I install Kestrel on Windows 11 without root?",
            ),
            (
                &["Which port does Kestrel listen on for mail?"],
                "And for its metrics?",
                "Which port does Kestrel listen on for its metrics?",
            ),
            (&["How do I install Kestrel?"], "On Windows?", "How do I install Kestrel on Windows?"),
            (&["How do I install Kestrel?", "On Debian?"], "and on Windows?", "How do I install Kestrel on Windows?"),
        ] {
            let found = condense(earlier, question).unwrap().replace(" On ", " on ");
            assert_eq!(found, expected, "{question}");
        }
    }

    #[test]
    fn elsewhere_the_words_that_a_follow_up_lacks_are_carried_over() {
        assert_eq!(
            condense(&["Where is the signing key of Kestrel stored?"], "How do I rotate it?").unwrap(),
            "How do I rotate it? (signing, key, Kestrel, stored)"
        );
        assert_eq!(
            condense(&["How do I restore a backup?"], "What about routing rules?").unwrap(),
            "What about routing rules? (restore, backup)"
        );
        assert_eq!(condense(&["How do I restore a backup?"], "Which port does Kestrel use for mail?"), None);
        assert_eq!(condense(&["the backup"], "And its backup?"), None, "there is nothing to carry over");
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd_and_every_word_of_the_follow_up_stays(
            earlier in prop::collection::vec("[a-zA-Z ?'.,é本\\n]{0,40}", 0..4),
            question in "(and |what about |on |for )?[a-zA-Z ?'.,é本]{0,40}",
        ) {
            let sparse = SparseEmbedder::new();
            let earlier: Vec<&str> = earlier.iter().map(String::as_str).collect();
            if let Some(text) = condense(&earlier, &question) {
                let has: HashSet<u32> = sparse.question(&text).indices.into_iter().collect();
                let asked: HashSet<u32> = sparse.question(&question).indices.into_iter().collect();
                prop_assert!(asked.is_subset(&has), "{question:?} became {text:?}");
            }
        }
    }
}
