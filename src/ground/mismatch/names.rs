//! Names and identifiers that no passage has, or in whose place the evidence has another.

use super::super::align::Gap;
use super::super::lexicon;
use super::super::quantity;
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
        if !pair.is_known(at)
            || is_made_up(pair, word)
            || (kind == MismatchKind::Name && !is_name_known(pair, at, word))
        {
            found.push(Mismatch { kind, claim: word.span, evidence: None, sure: false });
        }
    }
    found.extend(replaced(pair, is_title));
    found
}

/// A name with an underline that no passage has as it is: of `key_path`, it says nothing that `key_file` and a path are
/// there.
fn is_made_up(pair: &Pair<'_>, word: &Word) -> bool {
    let as_it_is = word.span.of(&pair.claim.text);
    word.plain.contains('_') && !pair.passages.has(&word.stem) && !pair.passages.has_text(as_it_is)
}

/// A passage has the name, or another name for it: "CA" for "California". That "start" means the same as "jump" makes
/// nothing that is called Jump known.
fn is_name_known(pair: &Pair<'_>, at: usize, word: &Word) -> bool {
    let of_quantity = pair.claim.quantities.iter().any(|quantity| quantity.words.contains(&at)); // "Oct 4", "5 PM"
    of_quantity
        || lexicon::is_common(&word.stem)
        || pair.passages.has_form(word)
        || pair.passages.has_other_name(&word.stem)
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

/// One name stands where the evidence has another.
fn replaced(pair: &Pair<'_>, is_title: bool) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let sure = pair.stretches();
    for gap in pair.alignment.gaps() {
        let is_sure = sure.iter().any(|stretch| stretch.claim == gap.claim && stretch.evidence == gap.evidence);
        found.extend(replacement(pair, &gap, is_sure, is_title));
    }
    found
}

/// In a gap of a claim that is `sure`ly the evidence's words, the other name may be the claim's elsewhere: its role is
/// another. In other claims it must not be.
fn replacement(pair: &Pair<'_>, gap: &Gap, sure: bool, is_title: bool) -> Option<Mismatch> {
    let held = pair.alignment.evidence.get(gap.evidence.clone()).unwrap_or_default();
    let words = pair.claim.words.get(gap.claim.clone()).unwrap_or_default();
    if words.len() > GAP_WORDS_MAX || held.len() > GAP_WORDS_MAX {
        return None;
    }
    let only_names = words.iter().all(|word| is_proper(word, is_title))
        && held.iter().all(|(_, word)| word.is_function() || is_proper(word, false));
    let sure = sure && only_names;
    let said = words.iter().find(|word| is_proper(word, is_title))?;
    let (sentence, instead) =
        held.iter().find(|(_, word)| is_proper(word, false) && (sure || !pair.claim_has(&word.stem)))?;
    if are_alike(&said.stem, &instead.stem) || is_short_for(said, held) {
        return None;
    }
    let sure = sure && !is_of_time(instead) && !pair.passages.are_neighbours(&said.stem, &instead.stem);
    let evidence = Some(pair.place(*sentence, instead));
    let kind = if pair.passages.has(&said.stem) { MismatchKind::NameElsewhere } else { MismatchKind::Name };
    Some(Mismatch { kind, claim: said.span, evidence, sure })
}

/// "UN" for "United Nations".
fn is_short_for(said: &Word, held: &[(usize, &Word)]) -> bool {
    let names = held.iter().filter(|(_, word)| is_proper(word, false));
    let initials: String = names.filter_map(|(_, word)| word.plain.chars().next()).collect();
    said.plain == initials
}

fn is_of_time(word: &Word) -> bool {
    const DAYS: &str = "monday tuesday wednesday thursday friday saturday sunday today yesterday tomorrow";
    DAYS.split(' ').any(|day| day == word.plain) || quantity::is_month(&word.plain)
}

fn is_proper(word: &Word, is_title: bool) -> bool {
    is_name(word, is_title) && word.form != Form::Number && !word.is_function()
}

/// Two forms of one name.
fn are_alike(a: &str, b: &str) -> bool {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    same >= 4 || a.starts_with(b) || b.starts_with(a) || lexicon::are_synonyms(a, b)
}
