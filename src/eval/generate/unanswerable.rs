//! Questions that the documents don't answer: about names that they don't have, about documents that are not there, and
//! about documents that the caller may not see. Pure.
//!
//! Whether cairn refuses them is the suite's to measure, so nothing is dropped because cairn doesn't.

use std::collections::BTreeSet;

use unicode_segmentation::UnicodeSegmentation;

use super::alike::tokens;
use super::made::{self, Draft};
use super::readable::is_common;
use super::{Kept, blank};
use crate::eval::case::{Case, Fact, MadeBy};
use crate::eval::index::Document;
use crate::eval::stats::random::Random;

/// What nothing is called, as far as anybody knows.
const NAMES: [&str; 16] = [
    "Brindlewood",
    "Quorvex",
    "Tamaris",
    "Ostrello",
    "Velmora",
    "Hexagonia",
    "Skarnfjord",
    "Pellucent",
    "Mirandel",
    "Zephyria",
    "Corvanta",
    "Lumenor",
    "Drossel",
    "Fennimore",
    "Gavotte",
    "Isotherma",
];
/// A word of so many letters that no document has is what a question is about.
const TELLING_LETTERS_MIN: usize = 5;
/// A group that no document names.
const OUTSIDERS: &str = "outsiders";
/// A shorter text may stand anywhere.
const SECRET_CHARS_MIN: usize = 8;
/// Swapped parts that are tried.
const TRIES_MAX: usize = 40;

/// Kept questions with one name, number or identifier changed for one that no document has.
pub(super) fn swapped(kept: &[Kept], documents: &[&Document], seed: u64) -> Vec<Case> {
    let mut random = Random::new(seed);
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    let pool: Vec<&str> = kept.iter().flat_map(|kept| tokens(&kept.draft.question)).map(|(_, token)| token).collect();
    let mut order: Vec<&Kept> = kept.iter().filter(|kept| !kept.draft.question.contains('"')).collect();
    random.shuffle(&mut order);
    let mut cases = Vec::new();
    for Kept { draft, .. } in order {
        let Some((at, old)) = tokens(&draft.question).into_iter().next_back() else { continue };
        let Some(new) = another(old, &pool, &texts, &mut random) else { continue };
        let Some((before, rest)) = draft.question.split_at_checked(at) else { continue };
        let question = format!("{before}{new}{}", rest.strip_prefix(old).unwrap_or(rest));
        let tags = BTreeSet::from(["unanswerable".to_owned(), "near".to_owned()]);
        let document = draft.sources.first().map_or("", |gold| &gold.document);
        let cluster = Some(document.to_owned()).filter(|document| !document.is_empty());
        cases.push(Case { tags, cluster, ..blank(&question, MadeBy::Swapped, document) });
    }
    cases
}

/// Something of the same kind that no document has.
fn another(old: &str, pool: &[&str], texts: &[&str], random: &mut Random) -> Option<String> {
    let is_absent = |new: &str| !texts.iter().any(|text| text.contains(new));
    if old.chars().all(|c| c.is_ascii_digit()) {
        let value: u64 = old.parse().ok()?;
        let other = |step: u64| (value + step * 7 + 4).to_string();
        return (1..40).map(other).find(|new| !texts.iter().any(|text| text.unicode_words().any(|word| word == new)));
    }
    let separator = old.chars().rev().find(|c| "._".contains(*c));
    let Some(separator) = separator else {
        let is_name = old.starts_with(char::is_uppercase) && old.chars().skip(1).all(char::is_lowercase);
        let start = random.below(NAMES.len());
        let new = NAMES.iter().cycle().skip(start).take(NAMES.len()).find(|name| is_absent(name));
        return new.filter(|_| is_name).map(|name| (*name).to_owned());
    };
    // `server.timeout` of `server.listen` and `store.timeout`.
    let (head, tail) = old.rsplit_once(separator)?;
    let tails: Vec<&str> = pool.iter().filter_map(|other| other.rsplit_once(separator)).map(|(_, tail)| tail).collect();
    (0..TRIES_MAX).find_map(|_| {
        let other = tails.get(random.below(tails.len()))?;
        let new = format!("{head}{separator}{other}");
        (*other != tail && !other.is_empty() && is_absent(&new)).then_some(new)
    })
}

/// Questions about documents that are not among these, as far as a word of each shows it.
pub(super) fn removed(removed: &[Document], documents: &[&Document], known: &BTreeSet<String>) -> Vec<Case> {
    let lower: BTreeSet<String> =
        documents.iter().flat_map(|document| document.text.unicode_words()).map(str::to_lowercase).collect();
    let is_telling = |draft: &Draft| {
        let mut words = draft.question.unicode_words().map(str::to_lowercase).filter(|word| !is_common(word));
        words.any(|word| word.chars().count() >= TELLING_LETTERS_MIN && !lower.contains(&word))
    };
    let drafts = removed.iter().flat_map(|document| made::drafts(&document.name, &document.text, known));
    let tags = || BTreeSet::from(["unanswerable".to_owned(), "removed".to_owned()]);
    let case = |draft: Draft| {
        let document = draft.sources.first().map_or("", |gold| &gold.document);
        let cluster = Some(document.to_owned());
        Case { tags: tags(), cluster, ..blank(&draft.question, MadeBy::Removed, document) }
    };
    drafts.filter(is_telling).map(case).collect()
}

/// Questions about documents that only some may see, asked by somebody else.
pub(super) fn access(documents: &[&Document], known: &BTreeSet<String>) -> Vec<Case> {
    let open: Vec<&&Document> = documents.iter().filter(|document| document.allow.is_none()).collect();
    let stands_open = |text: &str| open.iter().any(|document| document.text.contains(text));
    let secret = |fact: &Fact| {
        let wording = fact.wordings().first().filter(|text| text.chars().count() >= SECRET_CHARS_MIN);
        wording.filter(|text| !stands_open(text)).cloned()
    };
    let restricted = documents.iter().filter(|document| document.allow.is_some());
    let drafts = restricted.flat_map(|document| made::drafts(&document.name, &document.text, known));
    let case = |draft: Draft| Case {
        groups: Some(vec![OUTSIDERS.to_owned()]),
        must_not: draft.facts.iter().filter_map(secret).collect(),
        tags: BTreeSet::from(["access".to_owned()]),
        cluster: draft.sources.first().map(|gold| gold.document.clone()),
        ..blank(&format!("{} ", draft.question).trim_end().to_owned(), MadeBy::Access, "access")
    };
    let is_secret = |draft: &Draft| !draft.sources.iter().any(|gold| stands_open(&gold.text));
    drafts.filter(is_secret).map(case).collect()
}
