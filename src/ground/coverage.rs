//! A claim beside its evidence, as numbers that a model can weigh. The only definition of them: training reads these.
//!
//! Shares are in 0..=1 and speak of the claim's words by weight (rarity); sums are in units of rarity. Nothing here
//! counts how long a claim is or where it stands: that tells who wrote it, not whether it is true.

use super::evidence::{Key, Passages, Read, WINDOW_SENTENCES_MAX, Window, best};
use super::lexicon::RARITY_MAX;
use super::mismatch::{Mismatch, MismatchKind, Pair};
use super::words::{Form, Word};

/// Words so common in the passages say what these are about, not what they say of it.
const TOPIC_SHARE: f32 = 0.15;
/// Two words belong together if they stand so near in the claim, in words that mean something…
const TOGETHER_WORDS: usize = 2;
/// … and so near in the evidence, in words of any kind.
const NEAR_WORDS: usize = 8;
/// A part of a claim has at least so many words that mean something.
const PART_WORDS_MIN: usize = 2;

/// Name, and whether more of it speaks for (1) or against (-1) the claim.
pub const FEATURES: [(&str, i8); 48] = [
    ("sentence", 1),
    ("window", 1),
    ("window_strict", 1),
    ("all", 1),
    ("all_strict", 1),
    ("content_window", 1),
    ("content_all", 1),
    ("plain_window", 1),
    ("plain_all", 1),
    ("topicless_window", 1),
    ("topicless_all", 1),
    ("two_windows", 1),
    ("worst_part", 1),
    ("worst_part_all", 1),
    ("missing_window", -1),
    ("missing_all", -1),
    ("rarest_missing_window", -1),
    ("rarest_missing_all", -1),
    ("pairs_window", 1),
    ("pairs_all", 1),
    ("triples_all", 1),
    ("together_window", 1),
    ("together_all", 1),
    ("longest_run", 1),
    ("aligned", 1),
    ("only_added", -1),
    ("first_person", -1),
    ("number_missing_window", -1),
    ("name_missing_window", -1),
    ("number", -1),
    ("number_elsewhere", -1),
    ("date", -1),
    ("version", -1),
    ("unit", -1),
    ("identifier", -1),
    ("name", -1),
    ("name_elsewhere", -1),
    ("negation", -1),
    ("modality", -1),
    ("opposite", -1),
    ("opposite_or_negation_strict", -1),
    ("substituted", -1),
    ("context", -1),
    ("by_chance", -1),
    ("lift", 1),
    ("local_window", 1),
    ("local_lift", 1),
    ("local_aligned", 1),
];

/// A claim read, its best window, and what was found in it.
pub(super) struct Comparison<'a> {
    pub(super) claim: &'a Read,
    pub(super) passages: &'a Passages,
    pub(super) window: Option<Window>,
    pub(super) windows: Vec<Window>,
    pub(super) mismatches: Vec<Mismatch>,
    pair: Option<Pair<'a>>,
}

impl<'a> Comparison<'a> {
    pub(super) fn of(claim: &'a Read, passages: &'a Passages) -> Self {
        let weights: Vec<f32> = claim.keys.iter().map(|key| key.weight).collect();
        let windows = passages.windows(&claim.keys, &weights, WINDOW_SENTENCES_MAX);
        let window = best(&windows).filter(|window| window.coverage > 0.0);
        let pair = window.map(|window| Pair::of(claim, passages, window));
        let mismatches = pair.as_ref().map(Pair::mismatches).unwrap_or_default();
        Self { claim, passages, window, windows, mismatches, pair }
    }

    /// In the order of `FEATURES`.
    pub(super) fn features(&self) -> Vec<f32> {
        let keys = &self.claim.keys;
        let all: Vec<f32> = keys.iter().map(|key| key.weight).collect();
        let content: Vec<f32> = keys.iter().map(|key| if key.is_content { key.weight } else { 0.0 }).collect();
        let even: Vec<f32> = keys.iter().map(|key| if key.is_content { 1.0 } else { 0.0 }).collect();
        let topicless: Vec<f32> =
            keys.iter().map(|key| if key.is_content && !self.is_topic(key) { key.weight } else { 0.0 }).collect();
        let strict = 1.0;
        let window = self.window;
        let mut values = vec![
            self.best_sentence(),
            self.share(&all, window, 0.0),
            self.share(&all, window, strict),
            self.share(&all, None, 0.0),
            self.share(&all, None, strict),
            self.share(&content, window, 0.0),
            self.share(&content, None, 0.0),
            self.share(&even, window, 0.0),
            self.share(&even, None, 0.0),
            self.best_share(&topicless),
            self.share(&topicless, None, 0.0),
            self.two_windows(&content),
        ];
        values.extend(self.parts());
        values.extend(self.missing());
        values.extend(self.neighbours());
        values.extend([self.longest_run(), self.aligned(), self.only_added(), self.first_person()]);
        values.extend([self.missing_of(window, is_number), self.missing_of(window, is_name)]);
        values.extend(self.found());
        let by_chance = self.by_chance(&self.windows);
        values.extend([
            self.substituted(),
            self.context(),
            by_chance,
            window.map_or(0.0, |top| top.coverage) - by_chance,
        ]);
        values.extend(self.local());
        values
    }

    fn is_topic(&self, key: &Key) -> bool {
        let sentences = self.passages.sentences.len();
        #[expect(clippy::cast_precision_loss, reason = "passages have some hundred sentences")]
        let share = key.found.len() as f32 / sentences.max(1) as f32;
        key.found.len() >= 3 && share >= TOPIC_SHARE
    }

    /// How surely the window (or any passage) has the key.
    fn worth(key: &Key, window: Option<Window>) -> f32 {
        let within = |place: usize| window.is_none_or(|window| (window.first..=window.last).contains(&place));
        key.found.iter().filter(|(place, _)| within(*place)).map(|(_, worth)| *worth).fold(0.0, f32::max)
    }

    /// The share of the weight that the window (or all passages) covers, counting what is at least so sure.
    fn share(&self, weights: &[f32], window: Option<Window>, sure: f32) -> f32 {
        let total: f32 = weights.iter().sum();
        if total <= 0.0 {
            return 0.0;
        }
        let covered = self.claim.keys.iter().zip(weights).map(|(key, weight)| {
            let worth = Self::worth(key, window);
            if worth >= sure { worth * weight } else { 0.0 }
        });
        covered.sum::<f32>() / total
    }

    fn best_sentence(&self) -> f32 {
        let single = self.windows.iter().filter(|window| window.first == window.last);
        single.map(|window| window.coverage).fold(0.0, f32::max)
    }

    fn best_share(&self, weights: &[f32]) -> f32 {
        let windows = self.passages.windows(&self.claim.keys, weights, WINDOW_SENTENCES_MAX);
        if windows.is_empty() {
            self.share(weights, self.window, 0.0)
        } else {
            best(&windows).map_or(0.0, |window| window.coverage)
        }
    }

    /// What the best window and the best other one beside it cover together.
    fn two_windows(&self, weights: &[f32]) -> f32 {
        let covered = self.share(weights, self.window, 0.0);
        let keys = &self.claim.keys;
        let rest: Vec<f32> =
            keys.iter().zip(weights).map(|(key, weight)| weight * (1.0 - Self::worth(key, self.window))).collect();
        let more =
            best(&self.passages.windows(keys, &rest, WINDOW_SENTENCES_MAX)).map_or(0.0, |window| window.coverage);
        covered + more * (1.0 - covered)
    }

    /// How well the worst part of a joined claim is covered: by one window, and by all passages.
    fn parts(&self) -> [f32; 2] {
        let (mut one, mut all) = (1.0_f32, 1.0_f32);
        for part in self.claim.parts(PART_WORDS_MIN) {
            let of_part =
                |key: &Key| self.claim.words.get(key.word).is_some_and(|word| part.contains(word.stem.as_str()));
            let weights: Vec<f32> = self
                .claim
                .keys
                .iter()
                .map(|key| if key.is_content && of_part(key) { key.weight } else { 0.0 })
                .collect();
            let windows = self.passages.windows(&self.claim.keys, &weights, WINDOW_SENTENCES_MAX);
            one = one.min(best(&windows).map_or(0.0, |window| window.coverage));
            all = all.min(self.share(&weights, None, 0.0));
        }
        [one, all]
    }

    fn missing(&self) -> [f32; 4] {
        let lost = |window: Option<Window>| {
            self.claim
                .keys
                .iter()
                .filter(|key| key.is_content)
                .map(move |key| key.weight * (1.0 - Self::worth(key, window)) / RARITY_MAX)
        };
        [
            lost(self.window).sum(),
            lost(None).sum(),
            lost(self.window).fold(0.0, f32::max),
            lost(None).fold(0.0, f32::max),
        ]
    }

    /// Pairs and triples of neighbouring words, and of words that belong together.
    fn neighbours(&self) -> [f32; 5] {
        let words = &self.claim.words;
        let (mut pairs, mut triples) = (Share::default(), Share::default());
        let mut in_window = Share::default();
        let linked: Vec<(bool, bool)> = words.windows(2).map(|pair| self.has_pair(pair)).collect();
        for (at, (anywhere, near)) in linked.iter().enumerate() {
            let weight = words.get(at).map_or(0.0, Word::rarity) + words.get(at + 1).map_or(0.0, Word::rarity);
            pairs.add(weight, *anywhere);
            in_window.add(weight, *near);
            if let Some((next, _)) = linked.get(at + 1) {
                triples.add(weight, *anywhere && *next);
            }
        }
        let (together_window, together_all) = self.together();
        [in_window.of_one(), pairs.of_one(), triples.of_one(), together_window, together_all]
    }

    fn has_pair(&self, pair: &[Word]) -> (bool, bool) {
        let [a, b] = pair else { return (false, false) };
        let anywhere = self.passages.sentences.iter().any(|sentence| sentence.has_pair(&a.stem, &b.stem));
        let near = self.window.is_some_and(|window| {
            self.passages.window(window).iter().any(|sentence| sentence.has_pair(&a.stem, &b.stem))
        });
        (anywhere, near)
    }

    fn together(&self) -> (f32, f32) {
        let content: Vec<&Word> = self.claim.words.iter().filter(|word| word.is_content()).collect();
        let (mut in_window, mut anywhere) = (Share::default(), Share::default());
        for (at, a) in content.iter().enumerate() {
            for b in content.iter().skip(at + 1).take(TOGETHER_WORDS) {
                let places = self.places_together(a, b);
                let weight = a.rarity().min(b.rarity());
                anywhere.add(weight, !places.is_empty());
                let near =
                    |place: &usize| self.window.is_some_and(|window| (window.first..=window.last).contains(place));
                in_window.add(weight, places.iter().any(near));
            }
        }
        (in_window.of_one(), anywhere.of_one())
    }

    /// Sentences where both words, or what may stand for them, are near each other.
    fn places_together(&self, a: &Word, b: &Word) -> Vec<usize> {
        let key = |word: &Word| {
            self.claim
                .keys
                .iter()
                .find(|key| self.claim.words.get(key.word).is_some_and(|other| other.stem == word.stem))
        };
        let (Some(of_a), Some(of_b)) = (key(a), key(b)) else { return Vec::new() };
        let shared =
            of_a.found.iter().filter(|(place, _)| of_b.found.binary_search_by_key(place, |(other, _)| *other).is_ok());
        shared
            .filter(|(place, _)| {
                let words = &self.passages.sentence(*place).words;
                let at = |stem: &str| {
                    words.iter().enumerate().filter(|(_, word)| word.stem == stem).map(|(at, _)| at).collect::<Vec<_>>()
                };
                let (of_a, of_b) = (at(&a.stem), at(&b.stem));
                // Where a synonym stands for one of them, its place is not known: the sentence will do.
                of_a.is_empty()
                    || of_b.is_empty()
                    || of_a.iter().any(|a| of_b.iter().any(|b| a.abs_diff(*b) <= NEAR_WORDS))
            })
            .map(|(place, _)| *place)
            .collect()
    }

    /// The longest run of the claim's words that a sentence has in a row, as a share of the claim.
    fn longest_run(&self) -> f32 {
        let words = &self.claim.words;
        let total: f32 = words.iter().map(Word::rarity).sum();
        let mut longest = 0.0_f32;
        for sentence in &self.passages.sentences {
            let mut before = vec![0.0_f32; words.len() + 1];
            for other in &sentence.words {
                let mut row = vec![0.0_f32; words.len() + 1];
                for (at, word) in words.iter().enumerate() {
                    if word.stem == other.stem {
                        let run = before.get(at).copied().unwrap_or(0.0) + word.rarity();
                        longest = longest.max(run);
                        if let Some(cell) = row.get_mut(at + 1) {
                            *cell = run;
                        }
                    }
                }
                before = row;
            }
        }
        if total > 0.0 { longest / total } else { 0.0 }
    }

    fn aligned(&self) -> f32 {
        self.pair.as_ref().map_or(0.0, |pair| pair.alignment.share(self.claim))
    }

    /// "only" narrows what the evidence says.
    fn only_added(&self) -> f32 {
        let narrows = |word: &Word| matches!(word.plain.as_str(), "only" | "solely" | "exclusively" | "sole");
        let said = self.claim.words.iter().any(narrows);
        let held = self.window.is_some_and(|window| {
            self.passages.window(window).iter().flat_map(|sentence| &sentence.words).any(narrows)
        });
        if said && !held { 1.0 } else { 0.0 }
    }

    /// What the writer says of himself, no document says.
    fn first_person(&self) -> f32 {
        let speaks = |word: &Word| {
            matches!(word.plain.as_str(), "i" | "i'm" | "i've" | "i'd" | "i'll" | "me" | "my" | "mine" | "we" | "our")
        };
        let said = self.claim.words.iter().any(speaks);
        let held = self
            .window
            .is_some_and(|window| self.passages.window(window).iter().flat_map(|sentence| &sentence.words).any(speaks));
        if said && !held { 1.0 } else { 0.0 }
    }

    fn missing_of(&self, window: Option<Window>, kind: fn(&Word) -> bool) -> f32 {
        let of_kind = self.claim.keys.iter().filter(|key| self.claim.words.get(key.word).is_some_and(kind));
        of_kind.map(|key| 1.0 - Self::worth(key, window)).sum()
    }

    /// How many mismatches of each kind there are.
    fn found(&self) -> Vec<f32> {
        const KINDS: [MismatchKind; 11] = [
            MismatchKind::Number,
            MismatchKind::NumberElsewhere,
            MismatchKind::Date,
            MismatchKind::Version,
            MismatchKind::Unit,
            MismatchKind::Identifier,
            MismatchKind::Name,
            MismatchKind::NameElsewhere,
            MismatchKind::Negation,
            MismatchKind::Modality,
            MismatchKind::Opposite,
        ];
        let count =
            |kind: MismatchKind| self.mismatches.iter().filter(|mismatch| mismatch.kind == kind).map(|_| 1.0_f32).sum();
        let mut values: Vec<f32> = KINDS.map(count).into();
        let turned = self.mismatches.iter().any(|m| matches!(m.kind, MismatchKind::Negation | MismatchKind::Opposite));
        values.push(if turned && self.aligned() > 0.7 { 1.0 } else { 0.0 });
        values
    }

    /// The weight of words that stand in other words' place, between words that both sides share.
    fn substituted(&self) -> f32 {
        let Some(pair) = &self.pair else { return 0.0 };
        let key = |at: usize| self.claim.keys.iter().find(|key| key.word == at);
        let lost = |at: usize| {
            key(at)
                .filter(|key| key.is_content)
                .map_or(0.0, |key| key.weight * (1.0 - Self::worth(key, None)) / RARITY_MAX)
        };
        pair.alignment
            .gaps()
            .into_iter()
            .filter(|gap| gap.evidence.len() <= 4 && gap.claim.len() <= 4)
            .flat_map(|gap| gap.claim)
            .map(lost)
            .sum()
    }
}

impl Comparison<'_> {
    /// How much text there is to find words in, as the logarithm of its words.
    fn context(&self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "passages have some thousand words")]
        let words = self.passages.sentences.iter().map(|sentence| sentence.words.len()).sum::<usize>() as f32;
        (1.0 + words).ln()
    }

    /// The same with words weighed by how rare they are in these passages too: a word of every sentence tells nothing.
    fn local(&self) -> [f32; 3] {
        #[expect(clippy::cast_precision_loss, reason = "passages have some hundred sentences")]
        let (sentences, count) = (self.passages.sentences.len() as f32, |key: &Key| key.found.len() as f32);
        let rare = |key: &Key| ((sentences + 1.0) / (count(key) + 0.5)).ln().max(0.0) / ((sentences + 1.0) / 0.5).ln();
        let weights: Vec<f32> =
            self.claim.keys.iter().map(|key| if key.is_content { key.weight * rare(key) } else { 0.0 }).collect();
        let windows = self.passages.windows(&self.claim.keys, &weights, WINDOW_SENTENCES_MAX);
        let top = best(&windows).map_or(0.0, |window| window.coverage);
        let in_order = self.pair.as_ref().map_or(0.0, |pair| {
            let held = |key: &&Key| pair.alignment.matched.get(key.word).is_some_and(Option::is_some);
            let weighed = self.claim.keys.iter().zip(&weights);
            weighed.filter(|(key, _)| held(key)).map(|(_, weight)| weight).sum::<f32>()
                / weights.iter().sum::<f32>().max(f32::EPSILON)
        });
        [top, top - self.by_chance(&windows), in_order]
    }

    /// What the best window covers that does not touch the best of all: so much is found by chance, or by the topic.
    fn by_chance(&self, windows: &[Window]) -> f32 {
        let Some(top) = best(windows) else { return 0.0 };
        let apart = windows.iter().filter(|window| window.last < top.first || window.first > top.last);
        apart.map(|window| window.coverage).fold(0.0, f32::max)
    }
}

fn is_number(word: &Word) -> bool {
    word.form == Form::Number
}

fn is_name(word: &Word) -> bool {
    matches!(word.form, Form::Upper | Form::Mixed) || (word.form == Form::Capital && !word.first)
}

/// A share that is counted up.
#[derive(Default)]
struct Share {
    total: f32,
    held: f32,
}

impl Share {
    fn add(&mut self, weight: f32, is_held: bool) {
        self.total += weight;
        self.held += if is_held { weight } else { 0.0 };
    }

    /// 1 where there was nothing to count.
    fn of_one(&self) -> f32 {
        if self.total > 0.0 { self.held / self.total } else { 1.0 }
    }
}
