//! A text in, its words out: each with its place, its normal form and its stem, so that two texts can be compared.
//!
//! Case, accents, typographic apostrophes, plural and tense make no difference; British and American spelling make
//! little. Compounds (`wi-fi`, `WiFi`, `max_size`) are one word that also knows its parts. Citation marks are no words.
//! Pure; what a number or a name means is said elsewhere.

use std::borrow::Cow;
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::document::Span;

use super::lexicon;
use super::marks;

/// A longer run of letters is data, not a word: base64, a hash.
const WORD_BYTES_MAX: usize = 80;

/// How a word is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Lower,
    /// `Paris`.
    Capital,
    /// `NATO`, `U.S.`.
    Upper,
    /// `WiFi`, `max_size`, `x86`.
    Mixed,
    /// Begins with a digit: `1,000`, `20th`, `11:30`, `5mb`.
    Number,
}

#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) span: Span,
    pub(super) form: Form,
    /// Lower case, without accents and possessive.
    pub(super) plain: String,
    pub(super) stem: String,
    /// Stems of a compound's parts; none for a simple word.
    pub(super) parts: Vec<String>,
    /// Nothing but a mark, a list's sign or an opening quote stands before it in its sentence.
    pub(super) first: bool,
}

impl Word {
    pub(super) fn is_function(&self) -> bool {
        lexicon::is_function(&self.plain)
    }

    pub(super) fn is_content(&self) -> bool {
        !self.is_function() && self.plain.chars().any(char::is_alphanumeric)
    }

    pub(super) fn rarity(&self) -> f32 {
        if self.form == Form::Number { lexicon::RARITY_NUMBER } else { lexicon::rarity(&self.stem) }
    }
}

/// The words of `text[within]`, with spans in `text`.
pub(super) fn words(text: &str, within: Span) -> Vec<Word> {
    let skip = marks::marks(text, within);
    let mut found: Vec<Word> = Vec::new();
    let mut at = within.start;
    while let Some(start) = next_start(text, at, within.end) {
        if let Some(mark) = skip.iter().find(|mark| mark.start <= start && start < mark.end) {
            at = mark.end;
            continue;
        }
        let end = word_end(text, start, within.end);
        let span = Span { start, end };
        if end - start <= WORD_BYTES_MAX {
            let first = found.last().is_none_or(|last| restarts(text.get(last.span.end..start).unwrap_or_default()));
            found.push(word(text, span, first));
        }
        at = end;
    }
    found
}

/// Whether what stands between two words begins a sentence, a quotation or a list's item.
fn restarts(between: &str) -> bool {
    between.contains(['.', '!', '?', '“', '"', '\n', '|', '•']) || between.contains(": ")
}

fn next_start(text: &str, at: usize, end: usize) -> Option<usize> {
    text.get(at..end)?.char_indices().find(|(_, c)| c.is_alphanumeric()).map(|(offset, _)| at + offset)
}

fn word_end(text: &str, start: usize, limit: usize) -> usize {
    let rest = text.get(start..limit).unwrap_or_default();
    let mut chars = rest.char_indices().peekable();
    let mut before: Option<char> = None;
    while let Some((offset, c)) = chars.next() {
        let after = chars.peek().map(|(_, c)| *c);
        let seen = rest.get(..offset).unwrap_or_default();
        let goes_on = c.is_alphanumeric()
            || is_combining_mark(c)
            || joins(seen, before, c, rest.get(offset..).unwrap_or_default());
        if !goes_on {
            return start + offset + sharp(seen, c, after);
        }
        before = Some(c);
    }
    limit
}

/// `C++` and `C#` end with signs.
fn sharp(seen: &str, c: char, after: Option<char>) -> usize {
    match (seen, c, after) {
        ("C" | "c", '+', Some('+')) => 2,
        ("C" | "F", '#', _) => 1,
        _ => 0,
    }
}

/// Whether the sign `c` at the start of `rest` stands within a word.
fn joins(seen: &str, before: Option<char>, c: char, rest: &str) -> bool {
    let (Some(before), Some(after)) = (before, rest.chars().nth(1)) else { return false };
    match c {
        '\'' | '’' => before.is_alphabetic() && after.is_alphabetic(),
        '_' => after.is_alphanumeric() || after == '_',
        '.' if before.is_ascii_digit() => after.is_ascii_digit(),
        '.' => is_initial(seen) && after.is_alphabetic() && is_initial(rest.get(1..3).unwrap_or("xx")),
        ',' => before.is_ascii_digit() && groups_thousands(rest),
        ':' => before.is_ascii_digit() && after.is_ascii_digit() && seen.len() <= 2,
        '-' | '‐' | '‑' => before.is_alphabetic() && after.is_alphanumeric(),
        '&' => before.is_uppercase() && after.is_uppercase(),
        _ => false,
    }
}

/// The last two characters are a lone letter before a full stop, as in `U.S`.
fn is_initial(seen: &str) -> bool {
    let mut letters = seen.chars().rev();
    let alone = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    match letters.next() {
        Some('.') => true,
        Some(c) if c.is_alphabetic() => alone(letters.next()),
        Some(_) | None => false,
    }
}

fn groups_thousands(rest: &str) -> bool {
    let digits = rest.chars().skip(1).take_while(char::is_ascii_digit).count();
    digits == 3
}

fn word(text: &str, span: Span, first: bool) -> Word {
    let raw = span.of(text);
    let mut plain = fold(raw);
    for ending in ["'s", "s'"] {
        if let Some(base) = plain.strip_suffix(ending) {
            plain = if ending == "s'" { format!("{base}s") } else { base.to_owned() };
        }
    }
    if plain.contains('.') && !plain.contains(|c: char| c.is_ascii_digit()) {
        plain.retain(|c| c != '.');
    }
    let parts: Vec<String> = parts(raw).iter().map(|part| stem(&fold(part))).collect();
    let joined: String = plain.chars().filter(|c| !matches!(c, '-' | '‐' | '‑' | '_')).collect();
    let stem = stem(if parts.is_empty() { &plain } else { &joined });
    Word { span, form: form(raw), plain, stem, parts, first }
}

/// Lower case, without accents, with plain apostrophes.
pub(super) fn fold(raw: &str) -> String {
    if raw.is_ascii() {
        return raw.to_ascii_lowercase();
    }
    raw.nfkd()
        .filter(|c| !is_combining_mark(*c))
        .map(|c| if c == '’' { '\'' } else { c })
        .collect::<String>()
        .to_lowercase()
}

/// What a word is compared by. Takes folded words only.
pub(super) fn stem(plain: &str) -> String {
    static SNOWBALL: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));
    if plain.starts_with(|c: char| c.is_ascii_digit()) || !plain.is_ascii() {
        return plain.replace(',', "");
    }
    let base = american(lexicon::base_form(plain).unwrap_or(plain));
    SNOWBALL.stem(&base).into_owned()
}

/// One spelling for `colour` and `color`, `organise` and `organize`, `centre` and `center`.
fn american(plain: &str) -> Cow<'_, str> {
    const SPELLINGS: [(&str, &str); 17] = [
        ("ise", "ize"),
        ("ised", "ized"),
        ("ises", "izes"),
        ("ising", "izing"),
        ("isation", "ization"),
        ("isations", "izations"),
        ("iser", "izer"),
        ("our", "or"),
        ("ours", "ors"),
        ("oured", "ored"),
        ("ouring", "oring"),
        ("tre", "ter"),
        ("tres", "ters"),
        ("yse", "yze"),
        ("ysed", "yzed"),
        ("elled", "eled"),
        ("elling", "eling"),
    ];
    let swap = |(from, to): &(&str, &str)| {
        plain.strip_suffix(from).filter(|rest| rest.len() >= 3).map(|rest| format!("{rest}{to}"))
    };
    SPELLINGS.iter().find_map(swap).map_or(Cow::Borrowed(plain), Cow::Owned)
}

/// The parts of `wi-fi`, `max_size` and `OutdoorSeating`; none where there is one only.
fn parts(raw: &str) -> Vec<&str> {
    let mut cuts = vec![0];
    let mut before: Option<char> = None;
    for (offset, c) in raw.char_indices() {
        let is_sign = matches!(c, '-' | '‐' | '‑' | '_');
        let humps = c.is_uppercase() && before.is_some_and(char::is_lowercase);
        if is_sign || humps {
            cuts.push(offset);
        }
        before = Some(c);
    }
    if cuts.len() == 1 {
        return Vec::new();
    }
    cuts.push(raw.len());
    cuts.windows(2)
        .filter_map(|pair| raw.get(*pair.first()?..*pair.last()?))
        .map(|part| part.trim_start_matches(['-', '‐', '‑', '_']))
        .filter(|part| !part.is_empty())
        .collect()
}

fn form(raw: &str) -> Form {
    let letters = || raw.chars().filter(|c| c.is_alphabetic());
    let upper = letters().filter(|c| c.is_uppercase()).count();
    let all = letters().count();
    let starts_upper = raw.starts_with(char::is_uppercase);
    let hump = parts(raw).len() > 1 && !raw.contains(['-', '‐', '‑']);
    if raw.starts_with(|c: char| c.is_ascii_digit()) {
        Form::Number
    } else if raw.contains('_') || hump || raw.chars().any(|c| c.is_ascii_digit()) {
        Form::Mixed
    } else if upper == all && all > 1 {
        Form::Upper
    } else if starts_upper {
        Form::Capital
    } else {
        Form::Lower
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<String> {
        words(text, Span { start: 0, end: text.len() }).into_iter().map(|word| word.plain).collect()
    }

    #[test]
    fn numbers_initials_and_compounds_are_one_word() {
        assert_eq!(
            plain("1,000 at 3.14, 11:30 in the U.S. by J.R.R. Tolkien"),
            ["1,000", "at", "3.14", "11:30", "in", "the", "us", "by", "jrr", "tolkien"]
        );
        assert_eq!(
            plain("Wi-Fi and C++ don't; Bob's AT&T, max_size"),
            ["wi-fi", "and", "c++", "don't", "bob", "at&t", "max_size"]
        );
    }

    #[test]
    fn spellings_of_one_word_have_one_stem() {
        for (a, b) in [
            ("WiFi", "Wi-Fi"),
            ("colours", "color"),
            ("organised", "organizing"),
            ("Verdé", "verde"),
            ("went", "going"),
            ("centre", "centers"),
        ] {
            let stem = |text: &str| {
                words(text, Span { start: 0, end: text.len() }).into_iter().map(|w| w.stem).collect::<String>()
            };
            assert_eq!(stem(a), stem(b), "{a} {b}");
        }
    }

    #[test]
    fn citation_marks_are_no_words() {
        assert_eq!(plain("It works [1, 2]. So【3†source】 yes [^4]"), ["it", "works", "so", "yes"]);
    }

    #[test]
    fn any_text_is_taken() {
        for text in ["", "…", "a.", ".5", "x’", "'", "9,", "9:", "C+", "日本語 text", "a\u{301}b"] {
            let _ = plain(text);
        }
    }
}
