//! Sentences with one planted fault, made from documents. Pure; the same documents give the same canaries.

use std::collections::BTreeSet;

use unicode_segmentation::UnicodeSegmentation;

use crate::document::sha256;
use crate::eval::index::Document;
use crate::eval::stats::random::Random;
use crate::ground::claims::{Kind, pieces};

/// Of each kind.
const PER_KIND_MAX: usize = 60;
/// Sentences that are looked at.
const SENTENCES_MAX: usize = 600;
const SENTENCE_WORDS: std::ops::RangeInclusive<usize> = 6..=45;
/// The passage beside a sentence: so much on both sides of it.
const AROUND_BYTES: usize = 700;
/// Numbers below this and small ones that differ by less are too easily right by chance.
const NUMBER_DIGITS_MAX: usize = 9;

const UNITS: [(&str, &str); 11] = [
    ("seconds", "minutes"),
    ("minutes", "hours"),
    ("hours", "days"),
    ("days", "weeks"),
    ("KiB", "MiB"),
    ("MiB", "GiB"),
    ("GiB", "TiB"),
    ("KB", "MB"),
    ("MB", "GB"),
    ("percent", "points"),
    ("bytes", "bits"),
];
const OPPOSITES: [(&str, &str); 14] = [
    ("more", "less"),
    ("before", "after"),
    ("first", "last"),
    ("enabled", "disabled"),
    ("minimum", "maximum"),
    ("largest", "smallest"),
    ("newest", "oldest"),
    ("longer", "shorter"),
    ("always", "never"),
    ("with", "without"),
    ("above", "below"),
    ("start", "stop"),
    ("accepted", "refused"),
    ("true", "false"),
];
const MODALITIES: [(&str, &str); 7] = [
    ("must", "may"),
    ("can", "must"),
    ("every", "some"),
    ("all", "some"),
    ("only", "also"),
    ("each", "no"),
    ("needs", "forbids"),
];
const VERBS: [&str; 12] = ["is", "are", "can", "should", "must", "will", "was", "were", "does", "do", "has", "may"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// What is wrong with a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Nothing: it was left alone.
    None,
    Number,
    Date,
    Unit,
    Name,
    Identifier,
    Negation,
    Opposite,
    Modality,
    /// A sentence of another document is added.
    Addition,
}

impl Fault {
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::Number,
        Self::Date,
        Self::Unit,
        Self::Name,
        Self::Identifier,
        Self::Negation,
        Self::Opposite,
        Self::Modality,
        Self::Addition,
    ];

    /// As reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Number => "number",
            Self::Date => "date",
            Self::Unit => "unit",
            Self::Name => "name",
            Self::Identifier => "identifier",
            Self::Negation => "negation",
            Self::Opposite => "opposite",
            Self::Modality => "modality",
            Self::Addition => "addition",
        }
    }
}

/// A sentence, what was made of it, and the passage that it stood in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::eval) struct Canary {
    pub(in crate::eval) kind: Fault,
    pub(in crate::eval) original: String,
    pub(in crate::eval) corrupted: String,
    pub(in crate::eval) passage: String,
    pub(in crate::eval) document: String,
}

struct Sentence<'a> {
    text: &'a str,
    passage: &'a str,
    document: &'a str,
}

/// Canaries of every kind, as many as the documents give and at most so many.
pub(super) fn made(documents: &[&Document]) -> Vec<Canary> {
    let sentences = sentences(documents);
    let names = pool(&sentences, names);
    let identifiers = pool(&sentences, identifiers);
    let mut made = Vec::new();
    for kind in Fault::ALL {
        let of_kind = sentences.iter().enumerate().filter_map(|(at, sentence)| {
            let corrupted = match kind {
                Fault::None => Some(sentence.text.to_owned()),
                Fault::Number => number(sentence.text, sentence.passage),
                Fault::Date => date(sentence.text, sentence.passage),
                Fault::Unit => swapped(sentence.text, &UNITS),
                Fault::Name => replaced(sentence, &names, names_of(sentence.text), at),
                Fault::Identifier => replaced(sentence, &identifiers, identifiers_of(sentence.text), at),
                Fault::Negation => negated(sentence.text),
                Fault::Opposite => swapped(sentence.text, &OPPOSITES),
                Fault::Modality => swapped(sentence.text, &MODALITIES),
                Fault::Addition => added(sentence, &sentences, at),
            }?;
            Some(Canary {
                kind,
                original: sentence.text.to_owned(),
                corrupted,
                passage: sentence.passage.to_owned(),
                document: sentence.document.to_owned(),
            })
        });
        made.extend(of_kind.take(PER_KIND_MAX));
    }
    made
}

/// Sentences worth asking about, in an order that follows from their words alone.
fn sentences<'a>(documents: &[&'a Document]) -> Vec<Sentence<'a>> {
    let mut found = Vec::new();
    for document in documents {
        for piece in pieces(&document.text).into_iter().filter(|piece| piece.kind == Kind::Claim) {
            let Some(text) = document.text.get(piece.span.start..piece.span.end) else { continue };
            let is_prose = !text.contains(['|', '\n'])
                && text.ends_with('.')
                && SENTENCE_WORDS.contains(&text.unicode_words().count());
            if is_prose {
                let passage = around(&document.text, piece.span.start, piece.span.end);
                found.push(Sentence { text, passage, document: &document.name });
            }
        }
    }
    found.sort_by_cached_key(|sentence| sha256(sentence.text.as_bytes()));
    found.dedup_by_key(|sentence| sentence.text);
    found.truncate(SENTENCES_MAX);
    found
}

fn around(text: &str, start: usize, end: usize) -> &str {
    let mut from = start.saturating_sub(AROUND_BYTES);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    let mut to = (end + AROUND_BYTES).min(text.len());
    while !text.is_char_boundary(to) {
        to += 1;
    }
    text.get(from..to).unwrap_or(text)
}

/// The words of a text with their places.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.unicode_word_indices()
}

fn with(text: &str, at: usize, old: &str, new: &str) -> Option<String> {
    let (before, rest) = text.split_at_checked(at)?;
    Some(format!("{before}{new}{}", rest.strip_prefix(old)?))
}

fn number(text: &str, passage: &str) -> Option<String> {
    let is_free = |at: usize, word: &str| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(|c| "-./:#`_".contains(c)) && !after.is_some_and(|c| "-/:`_".contains(c))
    };
    let plain = |word: &str| word.len() <= NUMBER_DIGITS_MAX && word.bytes().all(|b| b.is_ascii_digit());
    let (at, word) = words(text).find(|(at, word)| plain(word) && is_free(*at, word))?;
    let value: u64 = word.parse().ok()?;
    let other = (1..).map(|step| value + step * (value / 3 + 2)).find(|other| !passage.contains(&other.to_string()))?;
    with(text, at, word, &other.to_string())
}

fn date(text: &str, passage: &str) -> Option<String> {
    if let Some((at, word)) = words(text).find(|(_, word)| MONTHS.contains(word) && *word != "May") {
        let other = MONTHS.iter().find(|month| !passage.contains(**month))?;
        return with(text, at, word, other);
    }
    let year = |word: &str| word.len() == 4 && word.parse().is_ok_and(|year: u32| (1900..2100).contains(&year));
    let (at, word) = words(text).find(|(_, word)| year(word))?;
    let value: u32 = word.parse().ok()?;
    let other = (1..20).map(|step| value - step).find(|other| !passage.contains(&other.to_string()))?;
    with(text, at, word, &other.to_string())
}

fn swapped(text: &str, pairs: &[(&str, &str)]) -> Option<String> {
    words(text).find_map(|(at, word)| {
        let other = pairs.iter().find_map(|(one, two)| {
            if word == *one {
                Some(*two)
            } else if word == *two {
                Some(*one)
            } else {
                None
            }
        })?;
        with(text, at, word, other)
    })
}

fn negated(text: &str) -> Option<String> {
    let mut before = "";
    for (at, word) in words(text) {
        if word == "not" && VERBS.contains(&before) {
            return with(text, at, "not ", "");
        }
        before = word;
    }
    let (at, word) = words(text).find(|(_, word)| VERBS.contains(word))?;
    with(text, at, word, &format!("{word} not"))
}

fn added(sentence: &Sentence<'_>, all: &[Sentence<'_>], at: usize) -> Option<String> {
    let other = all.iter().cycle().skip(at + 1).take(all.len()).find(|other| other.document != sentence.document)?;
    Some(format!("{} {}", sentence.text, other.text))
}

/// Capitalised words that don't begin the sentence.
fn names_of(text: &str) -> Vec<(usize, &str)> {
    let is_name = |word: &str| {
        word.len() > 3 && word.starts_with(char::is_uppercase) && word.chars().skip(1).all(char::is_lowercase)
    };
    words(text).skip(1).filter(|(_, word)| is_name(word)).collect()
}

/// What stands between backticks, where it is one word.
fn identifiers_of(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut at = 0;
    for (nth, part) in text.split('`').enumerate() {
        if nth % 2 == 1 && part.len() > 3 && !part.contains(char::is_whitespace) {
            found.push((at, part));
        }
        at += part.len() + 1;
    }
    found
}

fn names<'a>(sentence: &Sentence<'a>) -> Vec<&'a str> {
    names_of(sentence.text).into_iter().map(|(_, word)| word).collect()
}

fn identifiers<'a>(sentence: &Sentence<'a>) -> Vec<&'a str> {
    identifiers_of(sentence.text).into_iter().map(|(_, word)| word).collect()
}

fn pool<'a>(sentences: &[Sentence<'a>], of: fn(&Sentence<'a>) -> Vec<&'a str>) -> Vec<&'a str> {
    let all: BTreeSet<&str> = sentences.iter().flat_map(of).collect();
    all.into_iter().collect()
}

/// One of the sentence's own words by one from elsewhere that its passage does not have.
fn replaced(sentence: &Sentence<'_>, pool: &[&str], own: Vec<(usize, &str)>, seed: usize) -> Option<String> {
    let (at, old) = own.into_iter().next()?;
    let mut random = Random::new(seed as u64);
    let start = random.below(pool.len());
    let new = pool.iter().cycle().skip(start).take(pool.len()).find(|word| !sentence.passage.contains(**word))?;
    with(sentence.text, at, old, new)
}
