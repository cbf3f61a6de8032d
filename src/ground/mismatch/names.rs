//! Names and identifiers that no passage has, or in whose place the evidence has another.

use super::super::lexicon;
use super::super::words::{Form, Word};
use super::{Mismatch, MismatchKind, Pair};

/// Where more of the words have capitals, capitals make no names: it is a title.
const TITLE_SHARE_MIN: f32 = 0.7;
/// A word that begins a sentence has a capital anyhow: it is a name only if it is as rare as this.
const RARITY_NAME_MIN: f32 = 9.3;
/// In other scripts endings grow onto names, and capitals are none.
const LATIN_LAST: char = '\u{24f}';
/// More words in the evidence's gap, and it is no longer one name for another.
const GAP_WORDS_MAX: usize = 4;

pub(super) fn mismatches(pair: &Pair<'_>) -> Vec<Mismatch> {
    let is_title = is_title(&pair.claim.words);
    let mut found: Vec<Mismatch> = Vec::new();
    for (at, word) in pair.claim.words.iter().enumerate() {
        if word.form == Form::Number || word.is_function() || word.plain.chars().count() < 2 {
            continue;
        }
        let kind = if is_identifier(&pair.claim.text, word) {
            MismatchKind::Identifier
        } else if is_name(word, is_title) || begins_name(&pair.claim.words, at) {
            MismatchKind::Name
        } else {
            continue;
        };
        if !pair.is_known(at) {
            found.push(Mismatch { kind, claim: word.span, evidence: None });
        }
    }
    found.extend(replaced(pair, is_title));
    found
}

fn is_title(words: &[Word]) -> bool {
    let content: Vec<&Word> = words.iter().filter(|word| word.is_content()).collect();
    let capitals = content.iter().filter(|word| matches!(word.form, Form::Capital | Form::Upper)).count();
    #[expect(clippy::cast_precision_loss, reason = "a claim has a few words")]
    let share = capitals as f32 / content.len().max(1) as f32;
    content.len() >= 4 && share >= TITLE_SHARE_MIN
}

fn is_name(word: &Word, is_title: bool) -> bool {
    if word.plain.chars().any(|c| c > LATIN_LAST) {
        return false;
    }
    match word.form {
        Form::Upper | Form::Mixed => true,
        Form::Capital => !(word.first || is_title) || word.rarity() >= RARITY_NAME_MIN,
        Form::Lower | Form::Number => false,
    }
}

/// The first word of a sentence, before another name: "Carol Jones".
fn begins_name(words: &[Word], at: usize) -> bool {
    let (Some(word), Some(next)) = (words.get(at), words.get(at + 1)) else { return false };
    word.form == Form::Capital
        && word.first
        && next.form == Form::Capital
        && !next.first
        && !lexicon::is_common(&word.stem)
}

/// Written as code is: in backticks, with a path's or a flag's signs, with an underline or a hump.
fn is_identifier(text: &str, word: &Word) -> bool {
    let before = text.get(..word.span.start).unwrap_or_default();
    let after = text.get(word.span.end..).unwrap_or_default();
    let of_code = before.ends_with(['`', '/', '\\', '@', '$', '~']) && !before.ends_with("//")
        || before.ends_with("--")
        || before.ends_with("::");
    let goes_on = ["`", "()", "::", "/", "="].iter().any(|sign| after.starts_with(sign));
    word.plain.contains('_') || of_code || (goes_on && !before.ends_with(char::is_alphabetic))
}

/// One name stands where the evidence has another that the claim does not mention.
fn replaced(pair: &Pair<'_>, is_title: bool) -> Vec<Mismatch> {
    let mut found = Vec::new();
    for gap in pair.alignment.gaps() {
        let held = pair.alignment.evidence.get(gap.evidence.clone()).unwrap_or_default();
        if gap.claim.len() > GAP_WORDS_MAX || held.len() > GAP_WORDS_MAX {
            continue;
        }
        let said = gap.claim.clone().filter_map(|at| pair.claim.words.get(at)).find(|word| is_proper(word, is_title));
        let instead = held.iter().find(|(_, word)| is_proper(word, false) && !pair.claim_has(&word.stem));
        if let (Some(said), Some((sentence, instead))) = (said, instead)
            && !are_alike(&said.stem, &instead.stem)
        {
            let evidence = Some(pair.place(*sentence, instead));
            let kind = if pair.passages.has(&said.stem) { MismatchKind::NameElsewhere } else { MismatchKind::Name };
            found.push(Mismatch { kind, claim: said.span, evidence });
        }
    }
    found
}

fn is_proper(word: &Word, is_title: bool) -> bool {
    is_name(word, is_title) && word.form != Form::Number && !word.is_function()
}

/// Two forms of one name.
fn are_alike(a: &str, b: &str) -> bool {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    same >= 4 || a.starts_with(b) || b.starts_with(a) || lexicon::are_synonyms(a, b)
}
