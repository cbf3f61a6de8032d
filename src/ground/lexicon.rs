//! What is known of English words: how rare they are, their irregular forms, synonyms and opposites.
//!
//! The tables are built by `eval/scorer/background.py` from WordNet 3.0 and from documentation of free software; see
//! `data/README.md`. Read once, at first use. Unknown words are as rare as a word can be.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::words::stem;

/// The rarity of a word that no table has: about one in 150,000 paragraphs.
pub(super) const RARITY_MAX: f32 = 11.0;
/// A number is never common: whether it is in the evidence matters more than how often it is written elsewhere.
pub(super) const RARITY_NUMBER: f32 = 8.0;
/// Words that are less rare than this are known to everybody; a capital makes no name of them.
const RARITY_COMMON: f32 = 6.5;

/// Words that begin with so many same letters are forms of one.
const RELATED_LETTERS_MIN: usize = 4;

static RARITY: LazyLock<HashMap<String, f32>> = LazyLock::new(|| {
    let mut table = HashMap::new();
    for (word, rarity) in rows(include_str!("data/rarity.tsv")) {
        let rarity: f32 = rarity.parse().unwrap_or(RARITY_MAX);
        let least = table.entry(stem(word)).or_insert(rarity);
        *least = rarity.min(*least);
    }
    table
});
static IRREGULAR: LazyLock<HashMap<&str, &str>> =
    LazyLock::new(|| rows(include_str!("data/irregular.tsv")).chain(IRREGULAR_MORE).collect());
static SYNONYMS: LazyLock<Related> =
    LazyLock::new(|| related(&[include_str!("data/synonyms.tsv"), include_str!("data/synonyms_own.tsv")]));
static NARROWER: LazyLock<Related> = LazyLock::new(|| {
    let mut narrower = Related::new();
    for (word, others) in related(&[include_str!("data/broader.tsv")]) {
        for other in others {
            narrower.entry(other).or_default().insert(word.clone());
        }
    }
    narrower
});
static OPPOSITES: LazyLock<Related> =
    LazyLock::new(|| related(&[include_str!("data/opposites.tsv"), include_str!("data/opposites_own.tsv")]));
static FUNCTION: LazyLock<HashSet<&str>> = LazyLock::new(|| FUNCTION_WORDS.split_whitespace().collect());

const NEGATIVE_PREFIXES: [&str; 7] = ["un", "in", "im", "ir", "il", "dis", "non"];

/// Stem to stems.
type Related = HashMap<String, HashSet<String>>;

const IRREGULAR_MORE: [(&str, &str); 12] = [
    ("is", "be"),
    ("are", "be"),
    ("am", "be"),
    ("has", "have"),
    ("does", "do"),
    ("children", "child"),
    ("people", "person"),
    ("men", "man"),
    ("women", "woman"),
    ("data", "datum"),
    ("indices", "index"),
    ("born", "bear"),
];

const FUNCTION_WORDS: &str = "a about above after again against all also am an and any are aren't as at be because been \
    before being below between both but by can can't cannot could couldn't did didn't do does doesn't doing don't down \
    during each either else ever every few for from further had hadn't has hasn't have haven't having he he'd he'll he's \
    her here here's hers herself him himself his how how's however i i'd i'll i'm i've if in into is isn't it it's its \
    itself just let's like may me might more most much must mustn't my myself neither no nor not of off often on once one only or \
    other ought our ours ourselves out over own per rather same shall shan't she she'd she'll she's should shouldn't since so some such \
    than that that's the their theirs them themselves then there there's therefore these they they'd they'll they're \
    they've this those though through thus to too under until up upon us very via was wasn't we we'd we'll we're we've were \
    weren't what what's when when's where where's whether which while who who's whom whose why will with within without won't would \
    wouldn't yet you you'd you'll you're you've your yours yourself yourselves";

/// Reads all tables, which takes some tens of milliseconds, once.
pub(super) fn load() {
    for table in [&SYNONYMS, &NARROWER, &OPPOSITES] {
        LazyLock::force(table);
    }
    LazyLock::force(&RARITY);
}

/// How rare a stem is, as the natural logarithm of paragraphs per paragraph that has it.
pub(super) fn rarity(stem: &str) -> f32 {
    RARITY.get(stem).copied().unwrap_or(RARITY_MAX)
}

pub(super) fn is_common(stem: &str) -> bool {
    rarity(stem) < RARITY_COMMON
}

/// Articles, pronouns, prepositions, auxiliaries: words that say little by themselves. Takes folded words.
pub(super) fn is_function(plain: &str) -> bool {
    FUNCTION.contains(plain)
}

/// `go` for `went`.
pub(super) fn base_form(plain: &str) -> Option<&'static str> {
    IRREGULAR.get(plain).copied()
}

/// Words that may stand for this one, by their stems.
pub(super) fn synonyms(stem: &str) -> impl Iterator<Item = &'static str> {
    list(&SYNONYMS, stem)
}

pub(super) fn are_synonyms(a: &str, b: &str) -> bool {
    a == b || has(&SYNONYMS, a, b) || has(&SYNONYMS, b, a)
}

/// One may stand for the other, is a wider word for it, or is made from it.
pub(super) fn are_related(a: &str, b: &str) -> bool {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    same >= RELATED_LETTERS_MIN || are_synonyms(a, b) || has(&NARROWER, a, b) || has(&NARROWER, b, a)
}

/// Words that this one is a wider word for, as `animal` is for `dog`.
pub(super) fn narrower(stem: &str) -> impl Iterator<Item = &'static str> {
    list(&NARROWER, stem)
}

pub(super) fn are_opposites(a: &str, b: &str) -> bool {
    has(&OPPOSITES, a, b) || has(&OPPOSITES, b, a) || is_negative_of(a, b) || is_negative_of(b, a)
}

/// `unavailable` for `available`.
fn is_negative_of(negative: &str, stem: &str) -> bool {
    const NOT_NEGATIVE: [&str; 9] =
        ["inform", "import", "discov", "instal", "increas", "impress", "includ", "display", "intern"];
    let base = NEGATIVE_PREFIXES.iter().find_map(|prefix| negative.strip_prefix(prefix).filter(|base| *base == stem));
    base.is_some_and(|base| base.len() >= 4) && !NOT_NEGATIVE.contains(&negative)
}

fn list(table: &'static Related, stem: &str) -> impl Iterator<Item = &'static str> {
    let mut found: Vec<&str> = table.get(stem).into_iter().flatten().map(String::as_str).collect();
    found.sort_unstable(); // The order of a hash set differs from run to run.
    found.into_iter()
}

fn has(table: &Related, a: &str, b: &str) -> bool {
    table.get(a).is_some_and(|others| others.contains(b))
}

fn rows(table: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    table.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('\t'))
}

fn related(tables: &[&'static str]) -> Related {
    let mut related = Related::new();
    for (word, others) in tables.iter().flat_map(|table| rows(table)) {
        let others = others.split_whitespace().map(stem);
        let of_word = related.entry(stem(word)).or_default();
        of_word.extend(others);
    }
    for (word, others) in &mut related {
        others.remove(word);
    }
    related
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        assert!(rarity("the") < 2.0 && rarity("server") > 4.0 && rarity("zzyzx") == RARITY_MAX);
        assert!(are_opposites(&stem("increase"), &stem("decreased")));
        assert!(are_synonyms(&stem("cars"), &stem("automobile")));
    }
}
