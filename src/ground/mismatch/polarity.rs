//! Negation and modality that one of the two has and the other has not.
//!
//! A cue ("not", "without", "fails") governs the words after it; what matters is whether the same word is governed on
//! both sides. Where either side can be read both ways, nothing is found.

use super::super::boundary::Stance;
use super::super::lexicon;
use super::super::words::{Form, Word};
use super::{Mismatch, MismatchKind, Pair};

/// A window that covers less of the claim is about something else.
const COVERAGE_MIN: f32 = 0.45;
/// A cue governs the next words that mean something, so many…
const HEADS_MAX: usize = 2;
/// … and may govern anything so near.
const NEAR_BEFORE: usize = 6;
const NEAR_AFTER: usize = 4;
/// An auxiliary stands so near before its verb.
const MODAL_WORDS_MAX: usize = 3;

const CUES: &str = "not no never none nobody nothing neither nor cannot without hardly barely unable lack lacks lacking lacked \
    fail fails failed failing refuse refuses refused deny denies denied prevent prevents prevented prohibit prohibits prohibited \
    forbid forbids forbidden stop stops stopped except avoid avoids avoided false unlike impossible ain't nope rarely seldom";
/// "instead of", "rather than": without their second word, these say no to nothing.
const PAIRED_CUES: [(&str, &str); 2] = [("instead", "of"), ("rather", "than")];
/// "not only", "no doubt": these say no to nothing.
const NO_CUE_BEFORE: &str = "only just merely simply necessarily doubt matter least later sooner longer";
const POSSIBLE: &str =
    "may might could can possibly perhaps optionally optional potentially sometimes occasionally allegedly maybe";
const NECESSARY: &str = "must shall always mandatory required invariably";
const SOME: &str = "some many several few most sometimes often usually typically generally occasionally partly";
const ALL: &str = "all every always each entire entirely never completely";

#[derive(Debug)]
struct Cue {
    at: usize,
    heads: Vec<usize>,
}

pub(super) fn mismatches(pair: &Pair<'_>) -> Vec<Mismatch> {
    if pair.window.coverage < COVERAGE_MIN {
        return Vec::new();
    }
    let mut found = denied_by_claim(pair);
    found.extend(denied_by_evidence(pair));
    found.extend(denied_by_entry(pair));
    found.extend(modality(pair));
    found
}

fn is_one_of(word: &Word, list: &str) -> bool {
    list.split_whitespace().any(|entry| entry == word.plain)
}

fn is_cue(words: &[Word], at: usize) -> bool {
    let Some(word) = words.get(at) else { return false };
    let next = words.get(at + 1).map_or("", |next| next.plain.as_str());
    let is_value = word.plain == "none" && word.form == Form::Capital && !word.first; // As programs write it.
    let says_no = (is_one_of(word, CUES) && !is_value)
        || word.plain.ends_with("n't")
        || PAIRED_CUES.contains(&(word.plain.as_str(), next));
    says_no && !words.get(at + 1).is_some_and(|next| is_one_of(next, NO_CUE_BEFORE) && next.plain != "longer")
}

/// The word alone may deny what it speaks of: "refused", "unaware".
pub(super) fn may_deny(word: &Word) -> bool {
    const PREFIXES: [&str; 4] = ["un", "non", "dis", "mis"];
    let is_negative = PREFIXES.iter().any(|prefix| word.plain.strip_prefix(prefix).is_some_and(|base| base.len() >= 4));
    is_one_of(word, CUES) || word.plain.ends_with("n't") || word.plain.ends_with("less") || is_negative
}

fn cues(words: &[Word], text: &str, offset: usize) -> Vec<Cue> {
    let breaks = |a: &Word, b: &Word| {
        let between =
            a.span.end.checked_sub(offset).zip(b.span.start.checked_sub(offset)).and_then(|(a, b)| text.get(a..b));
        between.is_some_and(|between| between.contains(['.', ';', ':', ',', '!', '?']))
    };
    let mut found = Vec::new();
    for at in (0..words.len()).filter(|at| is_cue(words, *at)) {
        let mut heads = Vec::new();
        for next in at + 1..words.len() {
            let (Some(before), Some(word)) = (words.get(next - 1), words.get(next)) else { break };
            if breaks(before, word) || heads.len() == HEADS_MAX {
                break;
            }
            if word.is_content() {
                heads.push(next);
            }
        }
        found.push(Cue { at, heads });
    }
    found
}

/// A cue is so near that it may govern the word.
pub(in super::super) fn may_be_denied(words: &[Word], at: usize) -> bool {
    let start = at.saturating_sub(NEAR_BEFORE);
    let end = (at + NEAR_AFTER + 1).min(words.len());
    (start..end).any(|near| near != at && is_cue(words, near))
}

/// The claim says no to a word that the evidence has without a no.
fn denied_by_claim(pair: &Pair<'_>) -> Vec<Mismatch> {
    let words = &pair.claim.words;
    let mut found = Vec::new();
    for cue in cues(words, &pair.claim.text, 0) {
        let Some(said) = words.get(cue.at) else { continue };
        let mut heads = cue.heads.iter().filter_map(|head| words.get(*head));
        let head = heads.find(|head| pair.window_has(&head.stem) || pair.window_has_opposite(&head.stem));
        if let Some(place) = head.and_then(|head| affirmed(pair, head)) {
            found.push(Mismatch { kind: MismatchKind::Negation, claim: said.span, evidence: Some(place), sure: false });
        }
    }
    found
}

/// Where the window says the word, if it never says no to it.
fn affirmed(pair: &Pair<'_>, head: &Word) -> Option<super::Place> {
    let mut place = None;
    for (offset, sentence) in pair.sentences().iter().enumerate() {
        for (at, word) in sentence.words.iter().enumerate() {
            if lexicon::are_opposites(&word.stem, &head.stem) {
                return None;
            }
            if word.stem == head.stem {
                if may_be_denied(&sentence.words, at) {
                    return None;
                }
                place = place.or(Some(pair.place(pair.window.first + offset, word)));
            }
        }
    }
    place
}

/// The evidence says no to a word that the claim has without a no.
fn denied_by_evidence(pair: &Pair<'_>) -> Vec<Mismatch> {
    let claim = &pair.claim.words;
    let mut found = Vec::new();
    for (offset, sentence) in pair.sentences().iter().enumerate() {
        for cue in cues(&sentence.words, &sentence.text, sentence.span.start) {
            let Some(head) = cue.heads.first().and_then(|head| sentence.words.get(*head)) else { continue };
            let Some(at) = claim.iter().position(|word| word.stem == head.stem) else { continue };
            let Some(said) = sentence.words.get(cue.at) else { continue };
            let is_denied =
                may_be_denied(claim, at) || claim.iter().any(|word| lexicon::are_opposites(&word.stem, &head.stem));
            if is_denied || is_affirmed_too(pair, &head.stem) || !shares_neighbour(pair, &sentence.words, &cue) {
                continue;
            }
            let evidence = Some(pair.place(pair.window.first + offset, said));
            found.extend(claim.get(at).map(|word| Mismatch {
                kind: MismatchKind::Negation,
                claim: word.span,
                evidence,
                sure: false,
            }));
        }
    }
    found
}

/// A record says no to a name that the claim has without a no, and nothing else says yes.
fn denied_by_entry(pair: &Pair<'_>) -> Option<Mismatch> {
    let entries = pair.passages.sentences.iter().enumerate().filter(|(_, sentence)| sentence.stance == Stance::Denies);
    for (at, sentence) in entries {
        let mut names = sentence.words.iter().filter(|word| word.is_content() && !is_one_of(word, CUES)).rev();
        let Some(name) = names.next() else { continue };
        let stems: Vec<&String> = if name.parts.is_empty() { vec![&name.stem] } else { name.parts.iter().collect() };
        let said = pair
            .claim
            .words
            .iter()
            .enumerate()
            .find(|(_, word)| stems.last() == Some(&&word.stem) || word.stem == name.stem);
        let Some((said_at, said)) = said else { continue };
        let is_said = pair.claim.keys.iter().any(|key| {
            pair.claim.words.get(key.word).is_some_and(|word| word.stem == said.stem) && !key.found.is_empty()
        });
        if !is_said && !may_be_denied(&pair.claim.words, said_at) {
            return Some(Mismatch {
                kind: MismatchKind::Negation,
                claim: said.span,
                evidence: Some(pair.place(at, name)),
                sure: false,
            });
        }
    }
    None
}

fn is_affirmed_too(pair: &Pair<'_>, stem: &str) -> bool {
    pair.sentences().iter().any(|sentence| {
        sentence.words.iter().enumerate().any(|(at, word)| word.stem == stem && !may_be_denied(&sentence.words, at))
    })
}

/// The words on both sides of the cue are the claim's too: it is this very statement that is denied.
fn shares_neighbour(pair: &Pair<'_>, words: &[Word], cue: &Cue) -> bool {
    let before = words.get(..cue.at).unwrap_or_default().iter().rev().filter(|word| word.is_content()).take(2);
    let after = cue.heads.iter().skip(1).filter_map(|head| words.get(*head));
    before.chain(after).any(|word| pair.claim_has(&word.stem))
}

fn modality(pair: &Pair<'_>) -> Option<Mismatch> {
    [(NECESSARY, POSSIBLE), (POSSIBLE, NECESSARY), (ALL, SOME)]
        .iter()
        .find_map(|(said, held)| changed(pair, said, held))
}

/// The claim has a word of the list `said` where the evidence has one of `held`, before or after the same word.
fn changed(pair: &Pair<'_>, said: &str, held: &str) -> Option<Mismatch> {
    let claim = &pair.claim.words;
    for (at, word) in claim.iter().enumerate().filter(|(_, word)| is_one_of(word, said)) {
        if pair.window_has(&word.stem) {
            continue;
        }
        let head =
            claim.get(at + 1..(at + 1 + MODAL_WORDS_MAX).min(claim.len()))?.iter().find(|next| next.is_content())?;
        for (offset, sentence) in pair.sentences().iter().enumerate() {
            for (place, other) in sentence.words.iter().enumerate().filter(|(_, other)| is_one_of(other, held)) {
                let end = (place + 1 + MODAL_WORDS_MAX).min(sentence.words.len());
                let follows =
                    sentence.words.get(place + 1..end).unwrap_or_default().iter().find(|next| next.is_content());
                if follows.is_some_and(|next| next.stem == head.stem) && !pair.claim_has(&other.stem) {
                    let evidence = Some(pair.place(pair.window.first + offset, other));
                    return Some(Mismatch { kind: MismatchKind::Modality, claim: word.span, evidence, sure: false });
                }
            }
        }
    }
    None
}
