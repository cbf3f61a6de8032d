//! Numbers, dates, versions and units that no passage has, or that stand for something else there.

use std::collections::BTreeSet;

use super::super::evidence::{Read, Sentence};
use super::super::lexicon;
use super::super::quantity::{self, Quantity, Value, agrees};
use super::super::words::{Form, Word};
use super::{Mismatch, MismatchKind, Pair, Place, verbatim};

/// So many words on either side say what a number is of.
const CONTEXT_WORDS: usize = 6;
/// Another number fits the claim's words this well…
const OTHER_FIT_MIN: f32 = 0.6;
/// … and the claim's own number at most so well beside it.
const OWN_FIT_SHARE_MAX: f32 = 0.6;
/// A claim that is in the evidence word for word to this share has its numbers from there, too.
const ALIGNED_MIN: f32 = 0.8;
/// What follows is a thing, not what it does.
const DETERMINERS: &str = "a an the each every any all per its their your this that these those no one";
/// Numbers below this, in words, may be the writer's own count: "three reviewers".
const COUNTED_MAX: f64 = 10.0;

pub(super) fn mismatches(pair: &Pair<'_>) -> Vec<Mismatch> {
    let mut found: Vec<Mismatch> = pair.claim.quantities.iter().filter_map(|claimed| check(pair, claimed)).collect();
    if found.is_empty() {
        found.extend(permuted(pair));
    }
    found
}

fn check(pair: &Pair<'_>, claimed: &Quantity) -> Option<Mismatch> {
    let all = || {
        pair.passages.sentences.iter().flat_map(|sentence| sentence.quantities.iter().map(move |held| (sentence, held)))
    };
    let agreeing: Vec<(&Sentence, &Quantity)> = all().filter(|(_, held)| agrees(claimed, held)).collect();
    if agreeing.is_empty() {
        let instead = substitute(pair, claimed);
        let may_be_counted = is_counted(claimed) && instead.is_none() && pair.alignment.share(pair.claim) < ALIGNED_MIN;
        let is_replaced = replaced_surely(pair, claimed).is_some();
        if may_be_counted || is_scale(pair, claimed) || (!is_replaced && is_written(pair, claimed)) {
            return None;
        }
        return Some(Mismatch {
            kind: kind(claimed),
            claim: claimed.span,
            evidence: instead.map(|(sentence, held)| place(sentence, held)),
            sure: false,
        });
    }
    if let Some(held) = other_unit(claimed, &agreeing) {
        return Some(Mismatch { kind: MismatchKind::Unit, claim: claimed.span, evidence: Some(held), sure: false });
    }
    if let Some(held) = replaced_surely(pair, claimed) {
        return Some(Mismatch {
            kind: MismatchKind::NumberElsewhere,
            claim: claimed.span,
            evidence: Some(held),
            sure: true,
        });
    }
    let elsewhere = replaced(pair, claimed)
        .or_else(|| misplaced(pair, claimed, &agreeing))
        .or_else(|| of_another(pair, claimed, &agreeing))?;
    Some(Mismatch { kind: MismatchKind::NumberElsewhere, claim: claimed.span, evidence: Some(elsewhere), sure: false })
}

fn kind(claimed: &Quantity) -> MismatchKind {
    match claimed.value {
        Value::Number { .. } | Value::Time { .. } => MismatchKind::Number,
        Value::Date { .. } => MismatchKind::Date,
        Value::Version(_) => MismatchKind::Version,
    }
}

fn place(sentence: &Sentence, held: &Quantity) -> Place {
    Place { passage: sentence.passage, span: held.span }
}

/// "4 out of 5": the 5 is the scale, not said of anything.
fn is_scale(pair: &Pair<'_>, claimed: &Quantity) -> bool {
    let before = |back: usize| {
        claimed.words.start.checked_sub(back).and_then(|at| pair.claim.words.get(at)).map(|word| word.plain.as_str())
    };
    before(1) == Some("of") && before(2) == Some("out")
}

fn is_counted(claimed: &Quantity) -> bool {
    matches!(claimed.value, Value::Number { value, .. } if claimed.spelled && value <= COUNTED_MAX)
}

/// The digits stand in some passage though not as a quantity: in an identifier, a path, a date of another form.
fn is_written(pair: &Pair<'_>, claimed: &Quantity) -> bool {
    claimed.words.clone().all(|word| pair.is_known(word))
}

fn same_class(a: &Quantity, b: &Quantity) -> bool {
    std::mem::discriminant(&a.value) == std::mem::discriminant(&b.value)
}

/// `2.5` is a version after a name, and else a number; "April 501" is no date, but stands where one does.
fn are_comparable(pair: &Pair<'_>, a: &Quantity, b: &Quantity) -> bool {
    let counts = |value: &Value| matches!(value, Value::Number { .. } | Value::Version(_));
    let before = a.words.start.checked_sub(1).and_then(|at| pair.claim.words.get(at));
    let is_date = before.is_some_and(|word| quantity::is_month(&word.plain)) && matches!(b.value, Value::Date { .. });
    same_class(a, b) || (counts(&a.value) && counts(&b.value)) || is_date
}

/// What the window has in the number's place.
fn substitute<'a>(pair: &'a Pair<'_>, claimed: &Quantity) -> Option<(&'a Sentence, &'a Quantity)> {
    let gap = pair.alignment.gaps().into_iter().find(|gap| gap.claim.contains(&claimed.words.start))?;
    let places = pair.alignment.evidence.get(gap.evidence)?;
    places.iter().find_map(|(at, word)| {
        let sentence = pair.passages.sentence(*at);
        let held = sentence
            .quantities
            .iter()
            .find(|held| held.span.start <= word.span.start && word.span.end <= held.span.end)?;
        same_class(claimed, held).then_some((sentence, held))
    })
}

/// Another number stands between the very words that the claim has its own between.
fn replaced(pair: &Pair<'_>, claimed: &Quantity) -> Option<Place> {
    let gap = pair.alignment.gaps().into_iter().find(|gap| gap.claim.contains(&claimed.words.start))?;
    if gap.claim.len() > claimed.words.len() + 1 || gap.evidence.len() > claimed.words.len() + 2 {
        return None;
    }
    let (sentence, held) = substitute(pair, claimed)?;
    (!is_claimed(pair, held) && units_fit(claimed, held)).then(|| place(sentence, held))
}

/// The claim has the very numbers of its sentence, in else the same words, and in another order. What only commas or an
/// "and" stand between may stand in any order.
fn permuted(pair: &Pair<'_>) -> Option<Mismatch> {
    let claimed = &pair.claim.quantities;
    let numbers: BTreeSet<usize> = claimed.iter().flat_map(|quantity| quantity.words.clone()).collect();
    if pair.window.first != pair.window.last || !verbatim::is_verbatim_without(pair, &numbers) {
        return None;
    }
    let sentence = pair.passages.sentence(pair.window.first);
    let same = |a: &Quantity, b: &Quantity| agrees(a, b) && agrees(b, a);
    let count = |of: &[Quantity], one: &Quantity| of.iter().filter(|other| same(one, other)).count();
    let runs = || sentence.quantities.windows(claimed.len().max(1));
    if runs().any(|run| run.iter().zip(claimed).all(|(held, one)| same(one, held))) {
        return None;
    }
    let held = runs().find(|run| claimed.iter().all(|one| count(claimed, one) == count(run, one)))?;
    let differs = |at: &usize| claimed.get(*at).zip(held.get(*at)).is_some_and(|(a, b)| !same(a, b));
    let first = (0..claimed.len()).find(differs)?;
    let last = (0..claimed.len()).rfind(differs)?;
    let (from, to) = (claimed.get(first)?, claimed.get(last)?);
    let mut between = from.words.end..to.words.start;
    let is_list = between.all(|at| {
        numbers.contains(&at)
            || pair.claim.words.get(at).is_some_and(|word| matches!(word.plain.as_str(), "and" | "or"))
    });
    let evidence = held.get(first).map(|held| place(sentence, held));
    (!is_list).then_some(Mismatch { kind: MismatchKind::NumberElsewhere, claim: from.span, evidence, sure: true })
}

/// The same in a claim that is else the evidence's own words, whatever number it is and whatever else the claim has.
fn replaced_surely(pair: &Pair<'_>, claimed: &Quantity) -> Option<Place> {
    let stretch = pair.stretches().iter().find(|stretch| stretch.claim.contains(&claimed.words.start))?;
    let words = pair.alignment.evidence.get(stretch.evidence.clone())?;
    let (sentence, held) = words.iter().find_map(|(at, word)| {
        let sentence = pair.passages.sentence(*at);
        let within = |held: &&Quantity| held.span.start <= word.span.start && word.span.end <= held.span.end;
        let held = sentence.quantities.iter().find(within)?;
        are_comparable(pair, claimed, held).then_some((sentence, held))
    })?;
    (!agrees(claimed, held)).then(|| place(sentence, held))
}

fn is_claimed(pair: &Pair<'_>, held: &Quantity) -> bool {
    pair.claim.quantities.iter().any(|quantity| agrees(quantity, held) || agrees(held, quantity))
}

/// The number is there only with units that the claim does not say.
fn other_unit(claimed: &Quantity, agreeing: &[(&Sentence, &Quantity)]) -> Option<Place> {
    let unit = claimed.unit?;
    let fits = agreeing.iter().any(|(_, held)| held.unit.is_none_or(|held| held == unit));
    let (sentence, held) = agreeing.first().filter(|_| !fits)?;
    Some(place(sentence, held))
}

/// Where another number stands among the claim's words, if the claim's own stands among others.
fn misplaced(pair: &Pair<'_>, claimed: &Quantity, agreeing: &[(&Sentence, &Quantity)]) -> Option<Place> {
    let context = context(pair.claim, claimed);
    let own = agreeing.iter().map(|(sentence, held)| fit(&context, sentence, held)).fold(0.0, f32::max);
    let others =
        pair.sentences().iter().flat_map(|sentence| sentence.quantities.iter().map(move |held| (sentence, held)));
    let other = others
        .filter(|(_, held)| same_class(claimed, held) && !is_claimed(pair, held) && units_fit(claimed, held))
        .map(|(sentence, held)| (fit(&context, sentence, held), sentence, held))
        .reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    (other.0 >= OTHER_FIT_MIN && own <= other.0 * OWN_FIT_SHARE_MAX).then(|| place(other.1, other.2))
}

/// The sentence that has the number says it of another thing, in else the same words: "a chunk has 64" for "a segment
/// has 64". The thing is known, but stands in no sentence with this number.
fn of_another(pair: &Pair<'_>, claimed: &Quantity, agreeing: &[(&Sentence, &Quantity)]) -> Option<Place> {
    if matches!(claimed.value, Value::Date { .. } | Value::Time { .. }) || claimed.spelled {
        return None;
    }
    pair.stretches().iter().find_map(|stretch| {
        let before = stretch.claim.start.checked_sub(1).and_then(|before| pair.claim.words.get(before))?;
        let said = only_thing(pair.claim.words.get(stretch.claim.clone())?.iter())?;
        let places = pair.alignment.evidence.get(stretch.evidence.clone())?;
        let held = only_thing(places.iter().map(|(_, word)| *word))?;
        let is_another = DETERMINERS.split(' ').any(|entry| entry == before.plain)
            && pair.passages.has(&said.stem)
            && !lexicon::are_related(&said.stem, &held.stem)
            && !pair.claim_has(&held.stem)
            && !agreeing.iter().any(|(sentence, _)| sentence.words.iter().any(|near| near.stem == said.stem));
        is_another.then(|| agreeing.first().map(|(sentence, held)| place(sentence, held))).flatten()
    })
}

/// The one word that names something.
fn only_thing<'w>(words: impl Iterator<Item = &'w Word>) -> Option<&'w Word> {
    let mut things = words.filter(|word| word.is_content());
    let thing = things.next().filter(|word| word.form != Form::Number)?;
    things.next().is_none().then_some(thing)
}

fn units_fit(a: &Quantity, b: &Quantity) -> bool {
    a.unit == b.unit || a.unit.is_none() || b.unit.is_none()
}

/// A word that says what the number is of: how much it says, and how near it stands.
struct Context<'a> {
    word: &'a Word,
    weight: f32,
    closeness: f32,
}

fn context<'a>(claim: &'a Read, claimed: &Quantity) -> Vec<Context<'a>> {
    let of_number = |at: usize| claim.quantities.iter().any(|quantity| quantity.words.contains(&at));
    let words = claim.words.iter().enumerate().filter(|(at, word)| !of_number(*at) && word.is_content());
    words
        .map(|(at, word)| (distance(at, claimed), word))
        .filter(|(distance, _)| *distance <= CONTEXT_WORDS)
        .map(|(distance, word)| Context { word, weight: word.rarity(), closeness: closeness(distance) })
        .collect()
}

fn distance(at: usize, quantity: &Quantity) -> usize {
    if at < quantity.words.start { quantity.words.start - at } else { (at + 1).saturating_sub(quantity.words.end) }
}

fn closeness(distance: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "a few words")]
    let distance = distance as f32;
    1.0 / (1.0 + distance / 2.0)
}

/// How much of the context stands around the number `held`, as near as in the claim.
fn fit(context: &[Context<'_>], sentence: &Sentence, held: &Quantity) -> f32 {
    let total: f32 = context.iter().map(|of| of.weight * of.closeness).sum();
    if total <= 0.0 {
        return 0.0;
    }
    let nearest = |of: &Context<'_>| {
        let places = sentence.words.iter().enumerate();
        let same =
            places.filter(|(_, other)| other.stem == of.word.stem || lexicon::are_synonyms(&of.word.stem, &other.stem));
        same.map(|(at, _)| distance(at, held)).filter(|distance| *distance <= CONTEXT_WORDS + 3).min()
    };
    let found = |of: &Context<'_>| nearest(of).map_or(0.0, |near| of.weight * of.closeness.min(closeness(near)));
    context.iter().map(found).sum::<f32>() / total
}
