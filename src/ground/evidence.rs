//! Passages in, read once; for a claim, the sentences of theirs that bear it out best.
//!
//! A window is one to three neighbouring sentences of one passage. How well it covers a claim is the share of the
//! claim's words that it has, each counted by how rare it is. Spans are bytes of the passage's text.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::document::Span;

use super::attribution;
use super::boundary::{Stance, stance};
use super::claims::pieces;
use super::lexicon;
use super::mismatch::may_be_denied;
use super::quantity::{self, Quantity, quantities};
use super::words::{Form, Word, words};

pub(super) const WINDOW_SENTENCES_MAX: usize = 3;
/// What a further sentence must add to a window, as a share of the claim.
const SENTENCE_COST: f32 = 0.03;
/// What a synonym and a wider word are worth, where the same word is worth 1.
const SYNONYM_WORTH: f32 = 0.8;
const BROADER_WORTH: f32 = 0.7;
/// `Iran` and `Iranian`, `config` and `configuration`: so many letters must be the same, and so many may be more.
const PREFIX_BYTES_MIN: usize = 4;
const PREFIX_WORTH: f32 = 0.7;
const ENDING_BYTES_MAX: usize = 4;

/// The passages that an answer may rest on, read once for all of its claims.
#[derive(Debug)]
pub struct Passages {
    pub(super) sentences: Vec<Sentence>,
    /// Stem to the sentences that have it, ascending.
    index: HashMap<String, Vec<usize>>,
    /// The first letters of stems, to find `Iranian` for `Iran`.
    prefixes: BTreeMap<String, Vec<usize>>,
}

#[derive(Debug)]
pub(super) struct Sentence {
    pub(super) passage: usize,
    pub(super) span: Span,
    pub(super) text: String,
    /// Spans are bytes of the passage.
    pub(super) words: Vec<Word>,
    pub(super) quantities: Vec<Quantity>,
    pub(super) stance: Stance,
    pairs: HashSet<(String, String)>,
}

/// The claim's different words, with what each is worth.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) word: usize,
    pub(super) weight: f32,
    pub(super) is_content: bool,
    /// Where it is found: sentence and how surely, 1 for the word itself. Ascending.
    pub(super) found: Vec<(usize, f32)>,
}

/// A claim as it is compared with passages.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) text: String,
    pub(super) words: Vec<Word>,
    pub(super) quantities: Vec<Quantity>,
    pub(super) keys: Vec<Key>,
}

/// Neighbouring sentences of one passage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Window {
    pub(super) first: usize,
    pub(super) last: usize,
    /// The share of the claim's weight that it covers.
    pub(super) coverage: f32,
}

impl Passages {
    /// Reads the passages, in the order that evidence will name them by.
    pub fn read<S: AsRef<str>>(passages: &[S]) -> Self {
        let mut sentences = Vec::new();
        for (passage, text) in passages.iter().enumerate() {
            let text = text.as_ref();
            for piece in pieces(text).into_iter().filter(|piece| piece.span.start < piece.span.end) {
                sentences.push(Sentence::read(passage, text, piece.span));
            }
        }
        let mut index: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, sentence) in sentences.iter().enumerate() {
            if sentence.stance == Stance::Unknown {
                continue; // That something is not known bears nothing out.
            }
            for stem in sentence.stems() {
                let places = index.entry(stem).or_default();
                if places.last() != Some(&at) {
                    places.push(at);
                }
            }
        }
        let prefixes = index.iter().map(|(stem, places)| (stem.clone(), places.clone())).collect();
        Self { sentences, index, prefixes }
    }

    pub fn is_empty(&self) -> bool {
        self.sentences.is_empty()
    }

    pub(super) fn sentence(&self, at: usize) -> &Sentence {
        self.sentences.get(at).expect("sentences are named by their places")
    }

    /// The sentences of a window.
    pub(super) fn window(&self, window: Window) -> &[Sentence] {
        self.sentences.get(window.first..=window.last).unwrap_or_default()
    }

    pub(super) fn has(&self, stem: &str) -> bool {
        self.index.contains_key(stem)
    }

    /// Whether a word that may stand for this one is written as names are.
    pub(super) fn has_other_name(&self, stem: &str) -> bool {
        let is_name = |other: &str, place: &usize| {
            let mut words = self.sentence(*place).words.iter().filter(|word| word.stem == other);
            words.any(|word| matches!(word.form, Form::Capital | Form::Upper | Form::Mixed))
        };
        lexicon::synonyms(stem)
            .chain(lexicon::narrower(stem))
            .any(|other| self.index.get(other).is_some_and(|places| places.iter().any(|place| is_name(other, place))))
    }

    /// Whether the two stand side by side somewhere, as the parts of one name do.
    pub(super) fn are_neighbours(&self, a: &str, b: &str) -> bool {
        self.sentences.iter().any(|sentence| sentence.has_pair(a, b) || sentence.has_pair(b, a))
    }

    /// Whether a sentence has these very characters.
    pub(super) fn has_text(&self, text: &str) -> bool {
        self.sentences.iter().any(|sentence| sentence.text.contains(text))
    }

    /// Whether any passage has the word itself, its parts, its initials' words or another form of it: what a name needs.
    pub(super) fn has_form(&self, word: &Word) -> bool {
        self.has(&word.stem)
            || (!word.parts.is_empty() && word.parts.iter().all(|part| self.has(part)))
            || !self.with_ending(&word.stem).is_empty()
    }

    /// Reads a claim, and finds its words in the passages.
    pub(super) fn claim(&self, text: &str, within: Span) -> Read {
        let words = words(text, attribution::said(text, within));
        let quantities = quantities(text, &words);
        let mut seen: HashSet<&str> = HashSet::new();
        let mut keys = Vec::new();
        for (at, word) in words.iter().enumerate() {
            if !seen.insert(&word.stem) {
                continue;
            }
            let mut found = self.find(word, quantities.iter().find(|quantity| quantity.words.contains(&at)));
            if word.is_content() && !may_be_denied(&words, at) {
                found.retain(|(place, _)| self.sentence(*place).stance != Stance::Denies);
            }
            keys.push(Key { word: at, weight: word.rarity(), is_content: word.is_content(), found });
        }
        Read { text: text.to_owned(), words, quantities, keys }
    }

    fn find(&self, word: &Word, quantity: Option<&Quantity>) -> Vec<(usize, f32)> {
        let mut found: BTreeMap<usize, f32> = BTreeMap::new();
        let mut note = |places: &[usize], worth: f32| {
            for place in places {
                let best = found.entry(*place).or_insert(worth);
                *best = best.max(worth);
            }
        };
        let of = |stem: &str| self.index.get(stem).map(Vec::as_slice).unwrap_or_default();
        note(of(&word.stem), 1.0);
        if let Some((first, rest)) = word.parts.split_first() {
            let all: Vec<usize> =
                of(first).iter().copied().filter(|place| rest.iter().all(|part| of(part).contains(place))).collect();
            note(&all, 1.0);
        }
        if let Some(quantity) = quantity {
            note(&self.with_quantity(quantity), 1.0);
            return found.into_iter().collect();
        }
        if word.is_content() && word.form != Form::Number {
            note(&self.with_ending(&word.stem), PREFIX_WORTH);
            for synonym in lexicon::synonyms(&word.stem) {
                note(of(synonym), SYNONYM_WORTH);
            }
            for narrow in lexicon::narrower(&word.stem) {
                note(of(narrow), BROADER_WORTH);
            }
        }
        found.into_iter().collect()
    }

    fn with_quantity(&self, claimed: &Quantity) -> Vec<usize> {
        let has = |sentence: &Sentence| sentence.quantities.iter().any(|quantity| quantity::agrees(claimed, quantity));
        self.sentences.iter().enumerate().filter(|(_, sentence)| has(sentence)).map(|(at, _)| at).collect()
    }

    /// Sentences with a word that begins as this one does, or that this one begins with.
    fn with_ending(&self, stem: &str) -> Vec<usize> {
        if stem.len() < PREFIX_BYTES_MIN {
            return Vec::new();
        }
        let longer = self.prefixes.range(stem.to_owned()..).take_while(|(other, _)| other.starts_with(stem));
        let longer =
            longer.filter(|(other, _)| other.len() <= stem.len() + ENDING_BYTES_MAX).flat_map(|(_, places)| places);
        let cuts = stem
            .char_indices()
            .map(|(at, _)| at)
            .filter(|at| *at >= PREFIX_BYTES_MIN && at + ENDING_BYTES_MAX >= stem.len());
        let shorter = cuts.filter_map(|at| self.index.get(stem.get(..at)?)).flatten();
        longer.chain(shorter).copied().collect()
    }

    /// Each window, with how well it covers what of the claim `weigh` gives weight.
    pub(super) fn windows(&self, keys: &[Key], weights: &[f32], sentences_max: usize) -> Vec<Window> {
        let total: f32 = weights.iter().sum();
        if total <= 0.0 {
            return Vec::new();
        }
        let held = self.held(keys);
        let mut windows = Vec::new();
        for first in 0..self.sentences.len() {
            let mut best = vec![0.0_f32; keys.len()];
            for last in first..self.sentences.len().min(first + sentences_max) {
                if self.sentence(last).passage != self.sentence(first).passage {
                    break;
                }
                for (key, worth) in held.get(last).into_iter().flatten() {
                    if let Some(best) = best.get_mut(*key) {
                        *best = best.max(*worth);
                    }
                }
                let covered: f32 = best.iter().zip(weights).map(|(worth, weight)| worth * weight).sum();
                windows.push(Window { first, last, coverage: covered / total });
            }
        }
        windows
    }

    /// For each sentence, the keys that it has.
    fn held(&self, keys: &[Key]) -> Vec<Vec<(usize, f32)>> {
        let mut held = vec![Vec::new(); self.sentences.len()];
        for (at, key) in keys.iter().enumerate() {
            for (place, worth) in &key.found {
                if let Some(of_sentence) = held.get_mut(*place) {
                    of_sentence.push((at, *worth));
                }
            }
        }
        held
    }
}

/// The window that covers most, where each further sentence must be worth its while. The first of equals.
pub(super) fn best(windows: &[Window]) -> Option<Window> {
    #[expect(clippy::cast_precision_loss, reason = "a window has three sentences at most")]
    let worth = |window: &Window| window.coverage - SENTENCE_COST * (window.last - window.first) as f32;
    windows.iter().copied().reduce(|best, window| if worth(&window) > worth(&best) { window } else { best })
}

impl Sentence {
    fn read(passage: usize, text: &str, span: Span) -> Self {
        let words = words(text, span);
        let quantities = quantities(text, &words);
        let pairs =
            words.windows(2).filter_map(|pair| Some((pair.first()?.stem.clone(), pair.last()?.stem.clone()))).collect();
        Self { passage, span, text: span.of(text).to_owned(), words, quantities, stance: stance(span.of(text)), pairs }
    }

    /// All that a claim's word may be found by: stems, parts of compounds, compounds written apart, initials.
    fn stems(&self) -> Vec<String> {
        let mut stems: Vec<String> = Vec::new();
        for word in &self.words {
            stems.push(word.stem.clone());
            stems.extend(word.parts.iter().cloned());
        }
        for pair in self.words.windows(2) {
            if let [a, b] = pair
                && a.is_content()
                && b.is_content()
                && a.plain.len() + b.plain.len() <= 12
            {
                stems.push(super::words::stem(&format!("{}{}", a.plain, b.plain)));
            }
        }
        stems.extend(self.initials());
        stems
    }

    /// `un` for `United Nations`, `nasa` for its long name: of two to five words with capitals in a row.
    fn initials(&self) -> Vec<String> {
        let mut found = Vec::new();
        for first in 0..self.words.len() {
            let mut initials = String::new();
            for word in self.words.get(first..).unwrap_or_default().iter().take(6) {
                if word.form == Form::Capital {
                    initials.extend(word.plain.chars().next());
                } else if !matches!(word.plain.as_str(), "of" | "and" | "the" | "for") {
                    break;
                }
                if initials.len() >= 2 && found.last() != Some(&initials) {
                    found.push(initials.clone());
                }
            }
        }
        found
    }

    pub(super) fn has_pair(&self, a: &str, b: &str) -> bool {
        self.pairs.contains(&(a.to_owned(), b.to_owned()))
    }
}

impl Read {
    /// The stems of each part of a joined claim: what commas, semicolons and "and" separate, where both sides say
    /// something. A claim that is not joined is its own only part.
    pub(super) fn parts(&self, content_words_min: usize) -> Vec<HashSet<&str>> {
        let mut parts: Vec<Vec<&Word>> = vec![Vec::new()];
        let mut end = 0;
        for word in &self.words {
            let between = self.text.get(end..word.span.start).unwrap_or_default();
            let joins = matches!(
                word.plain.as_str(),
                "and" | "but" | "while" | "whereas" | "which" | "or" | "because" | "although" | "with"
            );
            let cut = end > 0 && (between.contains([',', ';', ':', '(', ')', '—', '–']) || joins);
            end = word.span.end;
            if cut {
                parts.push(Vec::new());
            }
            if word.is_content()
                && let Some(part) = parts.last_mut()
            {
                part.push(word);
            }
        }
        // A part that says too little by itself belongs to the one before it.
        let mut joined: Vec<Vec<&Word>> = Vec::new();
        for part in parts {
            match joined.last_mut() {
                Some(last) if part.len() < content_words_min || last.len() < content_words_min => last.extend(part),
                Some(_) | None => joined.push(part),
            }
        }
        joined.into_iter().map(|part| part.into_iter().map(|word| word.stem.as_str()).collect()).collect()
    }
}
