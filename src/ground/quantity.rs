//! Words in, the quantities among them out: numbers with units, dates, times of day, versions.
//!
//! `1,000`, `1000`, `one thousand` and `1k` are one number; `11 December 1958`, `Dec 11, 1958` and `1958-12-11` one
//! date; `8:30 pm` and `20:30` one time. `agrees` says whether a claim's quantity may be said of an evidence's.

use std::ops::Range;

use crate::document::Span;

use super::words::{Form, Word};

/// How far a number that is said to be about right may be off.
const ABOUT_SHARE_MAX: f64 = 0.1;
/// Numbers this close are one number.
const EQUAL_SHARE_MAX: f64 = 1e-9;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Quantity {
    /// Which words make it up.
    pub(super) words: Range<usize>,
    pub(super) span: Span,
    pub(super) value: Value,
    pub(super) unit: Option<&'static str>,
    pub(super) bound: Bound,
    /// In words: `three`. May well be the writer's own count of something.
    pub(super) spelled: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// With the digits that it is written in, without signs: tells `3.10` from `3.1`, and what is rounded.
    Number {
        value: f64,
        digits: usize,
    },
    Date {
        year: Option<u32>,
        month: Option<u32>,
        day: Option<u32>,
    },
    /// Minutes since midnight; whether morning or evening is known.
    Time {
        minutes: u32,
        certain: bool,
    },
    Version(String),
}

/// What a claim says about its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    Exact,
    About,
    AtLeast,
    AtMost,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const SMALL: [&str; 20] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
];
const TENS: [&str; 8] = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];
const SCALES: [(&str, f64); 13] = [
    ("hundred", 1e2),
    ("thousand", 1e3),
    ("million", 1e6),
    ("billion", 1e9),
    ("trillion", 1e12),
    ("k", 1e3),
    ("m", 1e6),
    ("mn", 1e6),
    ("mm", 1e6),
    ("bn", 1e9),
    ("b", 1e9),
    ("tn", 1e12),
    ("dozen", 12.0),
];
/// One name for each unit; what stands alone is its own name.
const UNITS: [(&str, &str); 64] = [
    ("%", "%"),
    ("percent", "%"),
    ("pct", "%"),
    ("$", "$"),
    ("dollar", "$"),
    ("usd", "$"),
    ("€", "€"),
    ("euro", "€"),
    ("eur", "€"),
    ("£", "£"),
    ("pound", "£"),
    ("gbp", "£"),
    ("¥", "¥"),
    ("yen", "¥"),
    ("ns", "ns"),
    ("nanosecond", "ns"),
    ("us", "µs"),
    ("µs", "µs"),
    ("microsecond", "µs"),
    ("ms", "ms"),
    ("millisecond", "ms"),
    ("s", "s"),
    ("sec", "s"),
    ("second", "s"),
    ("min", "min"),
    ("minute", "min"),
    ("h", "h"),
    ("hr", "h"),
    ("hour", "h"),
    ("day", "day"),
    ("week", "week"),
    ("month", "month"),
    ("year", "year"),
    ("yr", "year"),
    ("decade", "decade"),
    ("century", "century"),
    ("bit", "bit"),
    ("byte", "B"),
    ("kb", "kB"),
    ("kilobyte", "kB"),
    ("kib", "KiB"),
    ("mb", "MB"),
    ("megabyte", "MB"),
    ("mib", "MiB"),
    ("gb", "GB"),
    ("gigabyte", "GB"),
    ("gib", "GiB"),
    ("tb", "TB"),
    ("terabyte", "TB"),
    ("km", "km"),
    ("kilometer", "km"),
    ("kilometre", "km"),
    ("meter", "m"),
    ("metre", "m"),
    ("cm", "cm"),
    ("mm", "mm"),
    ("mile", "mile"),
    ("foot", "foot"),
    ("feet", "foot"),
    ("inch", "inch"),
    ("kg", "kg"),
    ("kilogram", "kg"),
    ("mg", "mg"),
    ("hz", "Hz"),
];
const ABOUT: &str = "about around approximately roughly nearly almost some circa ca approx close";
const AT_LEAST: &str = "over exceeding least beyond above";
const AT_MOST: &str = "most under below within";

/// The quantities in `words` of `text`, in order.
pub(super) fn quantities(text: &str, words: &[Word]) -> Vec<Quantity> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let read = Reader { text, words, at };
        match read.date().or_else(|| read.time()).or_else(|| read.version()).or_else(|| read.number()) {
            Some(quantity) => {
                at = quantity.words.end;
                found.push(quantity);
            }
            None => at += 1,
        }
    }
    found
}

struct Reader<'a> {
    text: &'a str,
    words: &'a [Word],
    at: usize,
}

impl Reader<'_> {
    fn plain(&self, ahead: usize) -> &str {
        self.words.get(self.at + ahead).map_or("", |word| word.plain.as_str())
    }

    /// What stands between a word and the one before it.
    fn gap(&self, ahead: usize) -> &str {
        let (Some(before), Some(word)) =
            ((self.at + ahead).checked_sub(1).and_then(|i| self.words.get(i)), self.words.get(self.at + ahead))
        else {
            return "";
        };
        self.text.get(before.span.end..word.span.start).unwrap_or_default()
    }

    fn quantity(&self, count: usize, value: Value) -> Quantity {
        let words = self.at..self.at + count;
        let held = self.words.get(words.clone()).unwrap_or_default();
        let start = held.first().map_or(0, |word| word.span.start);
        let end = held.last().map_or(start, |word| word.span.end);
        let spelled = held.iter().all(|word| word.form != Form::Number);
        Quantity { words, span: Span { start, end }, value, unit: None, bound: self.bound(), spelled }
    }

    fn bound(&self) -> Bound {
        let before: Vec<&str> = (1..=2)
            .filter_map(|back| self.words.get(self.at.checked_sub(back)?))
            .map(|word| word.plain.as_str())
            .collect();
        let is_one_of = |word: &&str, list: &str| list.split(' ').any(|entry| entry == *word);
        match before.as_slice() {
            ["than", "more" | "greater" | "higher", ..] => Bound::AtLeast,
            ["than", "less" | "fewer" | "lower", ..] | ["to", "up", ..] => Bound::AtMost,
            [word, ..] if is_one_of(word, ABOUT) => Bound::About,
            [word, ..] if is_one_of(word, AT_LEAST) => Bound::AtLeast,
            [word, ..] if is_one_of(word, AT_MOST) => Bound::AtMost,
            _ => Bound::Exact,
        }
    }

    fn date(&self) -> Option<Quantity> {
        let day = |ahead: usize| self.digits(ahead).filter(|day| (1..=31).contains(day));
        let year = |ahead: usize| {
            self.digits(ahead).filter(|year| (1000..2200).contains(year) && self.plain(ahead).len() == 4)
        };
        let date = |count, year, month, day| Some(self.quantity(count, Value::Date { year, month, day }));
        if let Some(y) = year(0)
            && self.gap(1) == "-"
            && self.gap(2) == "-"
            && let (Some(m), Some(d)) = (self.digits(1).filter(|m| (1..=12).contains(m)), day(2))
        {
            return date(3, Some(y), Some(m), Some(d));
        }
        if let Some(m) = self.month(0) {
            return match (day(1), year(1), year(2)) {
                (Some(d), _, Some(y)) if self.gap(2).trim_matches([',', ' ']).is_empty() => {
                    date(3, Some(y), Some(m), Some(d))
                }
                (Some(d), _, _) => date(2, None, Some(m), Some(d)),
                (None, Some(y), _) => date(2, Some(y), Some(m), None),
                (None, None, _) => None,
            };
        }
        let of = usize::from(self.plain(1) == "of");
        let (d, m) = (day(0)?, self.month(1 + of)?);
        match year(2 + of) {
            Some(y) => date(3 + of, Some(y), Some(m), Some(d)),
            None => date(2 + of, None, Some(m), Some(d)),
        }
    }

    fn month(&self, ahead: usize) -> Option<u32> {
        let word = self.words.get(self.at + ahead)?;
        let name = word.plain.as_str();
        let is_name = |month: &str| name == month || (name.len() >= 3 && name.len() <= 4 && month.starts_with(name));
        let at = MONTHS.iter().position(|month| is_name(month))?;
        // "may" and "march" are words too.
        let is_month = word.form == Form::Capital || !matches!(name, "may" | "mar" | "march" | "dec" | "sept");
        is_month.then(|| u32::try_from(at + 1).ok()).flatten()
    }

    /// A whole number in digits, perhaps as `11th`.
    fn digits(&self, ahead: usize) -> Option<u32> {
        let plain = self.plain(ahead);
        ["st", "nd", "rd", "th"].iter().find_map(|ending| plain.strip_suffix(ending)).unwrap_or(plain).parse().ok()
    }

    fn time(&self) -> Option<Quantity> {
        let word = self.words.get(self.at).filter(|word| word.form == Form::Number)?;
        let (clock, attached) = split_letters(&word.plain);
        let (hours, minutes) = clock.split_once(':').unwrap_or((clock, "0"));
        let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
        let half = |letters: &str| match letters {
            "am" | "a.m" => Some(0),
            "pm" | "p.m" => Some(12),
            _ => None,
        };
        let (half, count) = match (half(attached), half(self.plain(1))) {
            (Some(half), _) => (Some(half), 1),
            (None, Some(half)) => (Some(half), 2),
            (None, None) => (None, 1),
        };
        if (half.is_none() && !clock.contains(':')) || hours > 24 || minutes > 59 {
            return None;
        }
        let hours = half.map_or(hours, |half| hours % 12 + half);
        let certain = half.is_some() || hours >= 13 || hours == 0;
        Some(self.quantity(count, Value::Time { minutes: (hours * 60 + minutes) % 1440, certain }))
    }

    fn version(&self) -> Option<Quantity> {
        let word = self.words.get(self.at)?;
        let digits = word.plain.strip_prefix('v').unwrap_or(&word.plain);
        let is_numeric = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit() || c == '.');
        let before = self.at.checked_sub(1).and_then(|before| self.words.get(before));
        let named = before.is_some_and(|before| {
            matches!(before.plain.as_str(), "version" | "versions" | "release" | "v")
                || (digits.contains('.')
                    && matches!(before.form, Form::Capital | Form::Upper | Form::Mixed)
                    && !before.is_function())
        });
        let is_version = is_numeric
            && !self.text.get(word.span.end..).is_some_and(|rest| rest.starts_with('%'))
            && (digits.matches('.').count() >= 2 || digits.len() < word.plain.len() || named);
        is_version.then(|| self.quantity(1, Value::Version(digits.to_owned())))
    }

    fn number(&self) -> Option<Quantity> {
        let word = self.words.get(self.at)?;
        let (mut value, digits, mut count, attached) = if word.form == Form::Number {
            let (digits, letters) = split_letters(&word.plain);
            let plain = digits.replace(',', "");
            (plain.parse().ok()?, plain.trim_matches('0').replace('.', "").len(), 1, letters)
        } else {
            let (value, count) = self.spelled()?;
            (value, 2, count, "")
        };
        let mut unit = unit(attached);
        if unit.is_none()
            && let Some(scale) = scale(attached)
        {
            value *= scale;
        }
        while let Some(scale) =
            scale(self.plain(count)).filter(|_| self.plain(count).len() > 2 && self.gap(count).trim().is_empty())
        {
            value *= scale;
            count += 1;
        }
        unit = unit.or_else(|| self.unit_around(count));
        let mut quantity = self.quantity(count, Value::Number { value, digits });
        quantity.unit = unit;
        Some(quantity)
    }

    /// `twenty-five`, `one hundred and three`; `one` alone is a pronoun.
    fn spelled(&self) -> Option<(f64, usize)> {
        let (mut total, mut group, mut count) = (0.0, 0.0, 0);
        loop {
            let plain = self.plain(count);
            let (tens, ones) = plain.split_once('-').unwrap_or((plain, ""));
            if let Some(value) = spelled_value(tens).filter(|_| ones.is_empty() || spelled_value(ones).is_some()) {
                group += value + spelled_value(ones).unwrap_or(0.0);
            } else if plain == "hundred" && count > 0 {
                group *= 100.0;
            } else if let Some(scale) = scale(plain).filter(|scale| *scale > 100.0 && count > 0 && plain.len() > 2) {
                total += group * scale;
                group = 0.0;
            } else if !(plain == "and"
                && count > 0
                && self.plain(count - 1) == "hundred"
                && spelled_value(self.plain(count + 1)).is_some())
            {
                break;
            }
            count += 1;
        }
        (count > 0 && !(count == 1 && self.plain(0) == "one")).then_some((total + group, count))
    }

    /// The sign before or after the number, or the word after it.
    fn unit_around(&self, count: usize) -> Option<&'static str> {
        let first = self.words.get(self.at)?;
        let last = self.words.get(self.at + count - 1)?;
        let before =
            self.text.get(..first.span.start)?.chars().next_back().filter(|c| matches!(c, '$' | '€' | '£' | '¥'));
        let after =
            self.text.get(last.span.end..)?.trim_start().chars().next().filter(|c| matches!(c, '%' | '€' | '$'));
        if let Some(sign) = before.or(after) {
            return unit(sign.encode_utf8(&mut [0; 4]));
        }
        unit(self.plain(count)).filter(|_| self.gap(count).trim_matches(['-', ' ']).is_empty())
    }
}

/// A month's name in full.
pub(super) fn is_month(plain: &str) -> bool {
    MONTHS.contains(&plain)
}

fn spelled_value(word: &str) -> Option<f64> {
    let small = SMALL.iter().position(|name| *name == word);
    let tens = || TENS.iter().position(|name| *name == word).map(|at| (at + 2) * 10);
    small.or_else(tens).and_then(|value| u32::try_from(value).ok()).map(f64::from)
}

/// `5mb` is `5` and `mb`; `1990s` is `1990` and `s`.
fn split_letters(plain: &str) -> (&str, &str) {
    let end = plain.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | ',' | ':'))).unwrap_or(plain.len());
    plain.split_at(end)
}

fn scale(word: &str) -> Option<f64> {
    SCALES.iter().find(|(name, _)| *name == word || word.strip_suffix('s') == Some(name)).map(|(_, scale)| *scale)
}

fn unit(word: &str) -> Option<&'static str> {
    let single = word.strip_suffix('s').filter(|single| single.len() > 1).unwrap_or(word);
    UNITS.iter().find(|(name, _)| *name == word || *name == single).map(|(_, unit)| *unit)
}

/// Whether evidence that says `evidence` bears out a claim that says `claim`, units aside.
pub(super) fn agrees(claim: &Quantity, evidence: &Quantity) -> bool {
    match (&claim.value, &evidence.value) {
        // Both say "about": then only what is rounder may differ. "About 99" is not said by "about 100".
        (Value::Number { value: a, digits }, Value::Number { value: b, digits: held })
            if claim.bound == evidence.bound && digits >= held =>
        {
            numbers_agree(*a, *b, *digits, Bound::Exact)
        }
        (Value::Number { value: a, digits }, Value::Number { value: b, .. }) => {
            numbers_agree(*a, *b, *digits, claim.bound)
        }
        (Value::Date { year, month, day }, Value::Date { year: y, month: m, day: d }) => {
            let fits = |a: &Option<u32>, b: &Option<u32>| a.is_none() || a == b;
            fits(year, y) && fits(month, m) && fits(day, d)
        }
        (Value::Number { value, .. }, Value::Date { year: Some(year), .. }) => (value - f64::from(*year)).abs() < 0.5,
        (Value::Date { year: Some(year), month: None, day: None }, Value::Number { value, .. }) => {
            (value - f64::from(*year)).abs() < 0.5
        }
        (Value::Number { value, .. }, Value::Date { day: Some(day), .. }) if claim.unit.is_none() => {
            (value - f64::from(*day)).abs() < 0.1
        }
        (Value::Time { minutes: a, certain: x }, Value::Time { minutes: b, certain: y }) => {
            a == b || (!(*x && *y) && a % 720 == b % 720)
        }
        (Value::Version(a), Value::Version(b)) => a == b,
        (Value::Version(a), Value::Number { value, .. }) | (Value::Number { value, .. }, Value::Version(a)) => {
            a.parse::<f64>().is_ok_and(|a| (a - value).abs() <= EQUAL_SHARE_MAX * value.abs().max(1.0))
        }
        (Value::Number { .. } | Value::Date { .. } | Value::Time { .. } | Value::Version(_), _) => false,
    }
}

fn numbers_agree(claim: f64, evidence: f64, digits: usize, bound: Bound) -> bool {
    let off = (claim - evidence).abs();
    let scale = claim.abs().max(evidence.abs());
    if off <= EQUAL_SHARE_MAX * scale.max(1.0) {
        return true;
    }
    let rounds = digits >= 2 && off <= scale * ROUNDING.get(digits).copied().unwrap_or(0.0) && evidence.abs() >= 10.0;
    match bound {
        // 2010 is no rounded 2014: below this, four digits are a year or a port more often than a round number.
        Bound::Exact => rounds && claim.abs() >= ROUNDED_MIN,
        Bound::About => off <= ABOUT_SHARE_MAX * scale,
        Bound::AtLeast => claim < evidence && off <= scale * 0.5 && claim.abs() >= 10.0,
        Bound::AtMost => claim > evidence && off <= ABOUT_SHARE_MAX * scale,
    }
}

const ROUNDED_MIN: f64 = 10_000.0;

/// How far a number of so many digits may be from what it was rounded from: half of its last digit.
const ROUNDING: [f64; 5] = [0.0, 0.0, 0.05, 0.005, 0.0005];

#[cfg(test)]
mod tests;
