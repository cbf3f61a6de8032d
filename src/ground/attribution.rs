//! What of a claim names its source and says nothing by itself: "According to the manual, …", "Note that …".
//!
//! No passage has these words, and none needs to: they are left out before a claim is compared. Pure; English only.

use crate::document::Span;

/// So many phrases may stand one before the other: "In short, the manual says that …".
const PHRASES_MAX: usize = 3;
/// A phrase has no more words than this.
const PHRASE_WORDS_MAX: usize = 9;

/// Before a comma, whole.
const ASIDES: [&str; 24] = [
    "in short",
    "in brief",
    "in summary",
    "in fact",
    "in other words",
    "in essence",
    "in general",
    "to summarize",
    "to sum up",
    "to be precise",
    "put simply",
    "simply put",
    "overall",
    "basically",
    "essentially",
    "specifically",
    "as described",
    "as stated",
    "as mentioned",
    "as noted",
    "as explained",
    "as documented",
    "additionally",
    "furthermore",
];
/// Before what they point at.
const POINTERS: [&str; 4] = ["note that", "please note that", "remember that", "keep in mind that"];
/// Before a source, then a comma.
const BY_SOURCE: [&str; 9] = [
    "according to",
    "based on",
    "as described in",
    "as stated in",
    "as mentioned in",
    "as noted in",
    "as explained in",
    "as documented in",
    "per",
];
/// What may be said to speak.
const SOURCES: &str = "answer article chapter content context docs document documentation documents excerpt guide \
    handbook information manual material page paragraph passage passages readme reference section source sources text texts";
/// What may stand before it.
const DETERMINERS: &str =
    "the this these that given provided official above cited following user project's online reference source";
/// How it speaks, before "that".
const SAYS: &str = "says states mentions notes explains describes adds indicates reports tells specifies clarifies \
    suggests shows say state mention note explain indicate specify";
/// How it is spoken, between "it is" and "that".
const SAID: &str = "said stated mentioned noted explained described indicated reported specified documented";

/// The part of the claim `text[claim]` that says something: without the phrases at its start that name its source.
/// The whole claim where nothing else is in it.
pub(super) fn said(text: &str, claim: Span) -> Span {
    let mut start = claim.start;
    for _ in 0..PHRASES_MAX {
        let Some(rest) = text.get(start..claim.end) else { break };
        let Some(length) = phrase(rest) else { break };
        let after = rest.get(length..).unwrap_or_default();
        if !after.contains(char::is_alphanumeric) {
            break;
        }
        start += length + (after.len() - after.trim_start().len());
    }
    Span { start, end: claim.end }
}

/// How long the phrase is that `text` begins with, with its comma or "that".
fn phrase(text: &str) -> Option<usize> {
    let words = Words::of(text);
    aside(&words).or_else(|| pointer(&words)).or_else(|| by_source(&words)).or_else(|| source_says(&words))
}

/// The first words, in lower case, with where each ends; and after which a comma stands.
struct Words<'a> {
    text: &'a str,
    found: Vec<(String, usize)>,
}

impl<'a> Words<'a> {
    fn of(text: &'a str) -> Self {
        let mut found = Vec::new();
        let mut at = 0;
        while found.len() < PHRASE_WORDS_MAX {
            let rest = text.get(at..).unwrap_or_default();
            let Some(start) = rest.find(|c: char| !c.is_whitespace()).map(|offset| at + offset) else { break };
            let word = text.get(start..).unwrap_or_default();
            let length = word.find(char::is_whitespace).unwrap_or(word.len());
            let plain = word.get(..length).unwrap_or_default().trim_end_matches([',', ':']).replace('’', "'");
            at = start + length;
            found.push((plain.to_lowercase(), at));
        }
        Self { text, found }
    }

    fn is(&self, at: usize, list: &str) -> bool {
        self.found.get(at).is_some_and(|(word, _)| list.split_whitespace().any(|entry| entry == word))
    }

    /// How many words `phrase` has, if the text begins with it.
    fn begin_with(&self, phrase: &str) -> Option<usize> {
        let words = phrase.split(' ');
        let all = words.clone().zip(&self.found).all(|(word, (found, _))| word == found);
        (all && words.clone().count() <= self.found.len()).then(|| words.count())
    }

    fn end(&self, last: usize) -> Option<usize> {
        self.found.get(last).map(|(_, end)| *end)
    }

    fn ends_with_comma(&self, last: usize) -> bool {
        self.end(last).and_then(|end| self.text.get(..end)).is_some_and(|text| text.ends_with([',', ':']))
    }

    /// The place of the source that determiners from `at` on lead to.
    fn source(&self, at: usize) -> Option<usize> {
        let place = (at..self.found.len()).find(|place| !self.is(*place, DETERMINERS) || self.is(place + 1, SAYS))?;
        if self.is(place, SOURCES) {
            return Some(place);
        }
        // "the reference": a word of both lists, before something else.
        place.checked_sub(1).filter(|before| *before >= at && self.is(*before, SOURCES))
    }
}

fn aside(words: &Words<'_>) -> Option<usize> {
    let count = ASIDES.iter().find_map(|phrase| words.begin_with(phrase).filter(|n| words.ends_with_comma(n - 1)))?;
    words.end(count - 1)
}

fn pointer(words: &Words<'_>) -> Option<usize> {
    let count = POINTERS.iter().find_map(|phrase| words.begin_with(phrase))?;
    words.end(count - 1)
}

fn by_source(words: &Words<'_>) -> Option<usize> {
    let count = BY_SOURCE.iter().find_map(|phrase| words.begin_with(phrase))?;
    let source = words.source(count)?;
    let last = if words.is(source + 1, "provided given above") { source + 1 } else { source };
    words.ends_with_comma(last).then(|| words.end(last)).flatten()
}

fn source_says(words: &Words<'_>) -> Option<usize> {
    if words.is(0, "it") && words.is(1, "is") && words.is(2, SAID) && words.is(3, "that") {
        return words.end(3);
    }
    let source = words.source(0)?;
    let verb = if words.is(source + 1, "also") { source + 2 } else { source + 1 };
    (words.is(verb, SAYS) && words.is(verb + 1, "that")).then(|| words.end(verb + 1)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_the_source_is_left_out() {
        for (claim, left) in [
            ("According to the documentation, ports are open.", "ports are open."),
            ("According to the provided passages, ports are open.", "ports are open."),
            ("Based on the information provided, ports are open.", "ports are open."),
            ("The documentation says that ports are open.", "ports are open."),
            ("The reference also notes that ports are open.", "ports are open."),
            ("It is stated that ports are open.", "ports are open."),
            ("In short, note that ports are open.", "ports are open."),
            ("As stated in the manual, ports are open.", "ports are open."),
        ] {
            let span = said(claim, Span { start: 0, end: claim.len() });
            assert_eq!(span.of(claim), left);
        }
    }

    #[test]
    fn what_says_something_stays() {
        for claim in [
            "According to Jones, ports are open.",
            "The document is signed.",
            "The manual page says so.",
            "Note the port.",
            "Overall length is 5 m.",
            "In short,",
            "The documentation says that",
            "Based on Debian, the image is small.",
            "",
            "According to",
        ] {
            assert_eq!(said(claim, Span { start: 0, end: claim.len() }).of(claim), claim);
        }
    }
}
