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

/// What people ask about as well: used where no document has it.
const NAMES: [&str; 18] = [
    "Salesforce",
    "Splunk",
    "Terraform",
    "Snowflake",
    "Podman",
    "Jenkins",
    "Zendesk",
    "Tableau",
    "Milvus",
    "Pinecone",
    "Bedrock",
    "Oracle",
    "Airflow",
    "Elastic",
    "Grafana",
    "Nomad",
    "Dropbox",
    "Confluence",
];
/// After one of these stands what something is called, and not what it works with.
const BEFORE_TITLES: [&str; 6] = ["kind", "header", "measure", "message", "code", "field"];
const OPEN: [&str; 5] = ["What ", "Which ", "How ", "When ", "Where "];
/// A word of so many letters that no document has is what a question is about.
const TELLING_LETTERS_MIN: usize = 5;
/// A group that no document names.
const OUTSIDERS: &str = "outsiders";
/// A shorter text may stand anywhere.
const SECRET_CHARS_MIN: usize = 8;
/// Identifiers that are asked about in the same words, from which one that looks like them can be made.
const ALIKE_MIN: usize = 3;
/// Swapped parts that are tried.
const TRIES_MAX: usize = 40;

/// Kept questions with one name, number or identifier changed for one that no document has.
pub(super) fn swapped(kept: &[Kept], documents: &[&Document], seed: u64) -> Vec<Case> {
    let mut random = Random::new(seed);
    let texts: Vec<&str> = documents.iter().map(|document| document.text.as_str()).collect();
    let framed: Vec<(&str, &str)> = kept.iter().filter_map(|kept| frame(&kept.draft.question)).collect();
    // Of "Can a key have 8 groups?" another number would make a question that has an answer: no.
    let is_open = |question: &str| OPEN.iter().any(|opening| question.starts_with(opening)) && !question.contains('"');
    let mut order: Vec<&Kept> = kept.iter().filter(|kept| is_open(&kept.draft.question)).collect();
    random.shuffle(&mut order);
    let mut cases = Vec::new();
    for Kept { draft, .. } in order {
        let Some((before, old)) = frame(&draft.question) else { continue };
        // What is asked of a setting is asked of another setting, so that the new one looks like one.
        let is_like = |other: &str, token: &str| other == before && token.contains('.') == old.contains('.');
        let alike: Vec<&str> =
            framed.iter().filter(|(other, token)| is_like(other, token)).map(|(_, token)| *token).collect();
        let Some(new) = another(&draft.question, old, (&alike, &texts), &mut random) else { continue };
        let Some(rest) = draft.question.strip_prefix(before).and_then(|rest| rest.strip_prefix(old)) else { continue };
        let question = format!("{before}{new}{rest}");
        let tags = BTreeSet::from(["unanswerable".to_owned(), "near".to_owned()]);
        let document = draft.sources.first().map_or("", |gold| &gold.document);
        let cluster = Some(document.to_owned()).filter(|document| !document.is_empty());
        cases.push(Case { tags, cluster, ..blank(&question, MadeBy::Swapped, document) });
    }
    cases
}

/// A question up to the last name, number or identifier in it, and that.
fn frame(question: &str) -> Option<(&str, &str)> {
    let (at, token) = tokens(question).into_iter().next_back()?;
    Some((question.get(..at)?, token))
}

/// Something of the same kind that no document has.
fn another(question: &str, old: &str, (alike, texts): (&[&str], &[&str]), random: &mut Random) -> Option<String> {
    let is_absent = |new: &str| !texts.iter().any(|text| text.contains(new));
    if old.chars().all(|c| c.is_ascii_digit()) {
        let value: u64 = old.parse().ok()?;
        let other = |step: u64| (value + step * 7 + 4).to_string();
        return (1..40).map(other).find(|new| !texts.iter().any(|text| text.unicode_words().any(|word| word == new)));
    }
    if old.chars().all(char::is_alphabetic) {
        // After "a" stays no "an".
        let is_vowel = |name: &str| name.starts_with(['A', 'E', 'I', 'O', 'U']);
        let fits = |name: &&&str| is_vowel(name) == is_vowel(old) && is_absent(name);
        let new = NAMES.iter().cycle().skip(random.below(NAMES.len())).take(NAMES.len()).find(fits);
        return new.filter(|_| is_replaceable(question, old)).map(|name| (*name).to_owned());
    }
    let is_identifier = old.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '.');
    if !is_identifier || !old.starts_with(char::is_alphabetic) || alike.len() < ALIKE_MIN {
        return None;
    }
    // `server.timeout` of `server.listen` and `store.timeout`; `a_b_count` of `a_b_total` and `a_c_count`.
    let split = |text: &'_ str, nth: usize| {
        let separator = if old.contains('.') { '.' } else { '_' };
        let at = text.match_indices(separator).nth(nth)?.0;
        Some((text.get(..=at)?.to_owned(), text.get(at + 1..)?.to_owned()))
    };
    (0..TRIES_MAX).find_map(|tried| {
        let nth = if old.contains('.') { 0 } else { tried % 2 };
        let (head, tail) = split(old, nth)?;
        let (_, other) = split(alike.get(random.below(alike.len()))?, nth)?;
        let new = format!("{head}{other}");
        (other != tail && is_absent(&new)).then_some(new)
    })
}

/// Whether a name stands by itself, as what something is done with.
fn is_replaceable(question: &str, name: &str) -> bool {
    let words: Vec<&str> = question.split([' ', '?']).collect();
    let Some(at) = words.iter().position(|word| *word == name) else { return false };
    let beside = [at.checked_sub(1), Some(at + 1)].into_iter().flatten().filter_map(|at| words.get(at));
    let is_plain = |word: &&str| !word.chars().next().is_some_and(char::is_uppercase) && !BEFORE_TITLES.contains(word);
    let is_word = name.chars().skip(1).any(char::is_lowercase) && name.chars().count() > 3;
    is_word && at > 1 && beside.into_iter().all(is_plain)
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
        ..blank(&draft.question, MadeBy::Access, "access")
    };
    let is_secret = |draft: &Draft| !draft.sources.iter().any(|gold| stands_open(&gold.text));
    drafts.filter(is_secret).map(case).collect()
}
