//! As much English as it takes to turn a statement into a question: words, verbs, where a clause's subject ends.
//!
//! Knows a few hundred verbs (`verbs.txt`) and no grammar beyond the plain clause. What it is not sure of it gives up on:
//! a question that is not made costs less than one that nobody would ask. Pure.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A clause's subject is not looked for any further than this.
const SUBJECT_WORDS_MAX: usize = 7;

/// A word with the signs around it. Code is one word, however many it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) before: String,
    pub(super) text: String,
    pub(super) after: String,
    pub(super) is_code: bool,
}

impl Word {
    pub(super) fn lower(&self) -> String {
        if self.is_code { self.text.clone() } else { self.text.to_lowercase().replace('’', "'") }
    }

    fn is(&self, list: &str) -> bool {
        !self.is_code && list.split(' ').any(|word| word == self.lower())
    }
}

/// A verb's base form, by each of its forms, and whether that form is as often a noun.
struct Verbs {
    third: HashMap<String, (String, bool)>,
    base: HashMap<String, bool>,
    gerund: HashMap<String, String>,
}

static VERBS: LazyLock<Verbs> = LazyLock::new(|| {
    let (mut third, mut base, mut gerund) = (HashMap::new(), HashMap::new(), HashMap::new());
    for word in include_str!("verbs.txt").split_whitespace() {
        let (verb, is_noun) = word.strip_suffix('*').map_or((word, false), |verb| (verb, true));
        third.insert(third_person(verb), (verb.to_owned(), is_noun));
        gerund.insert(gerund_of(verb), verb.to_owned());
        base.insert(verb.to_owned(), is_noun);
    }
    Verbs { third, base, gerund }
});

fn third_person(verb: &str) -> String {
    let stem = verb.strip_suffix('y').filter(|stem| !stem.ends_with(['a', 'e', 'o', 'u']));
    match stem {
        Some(stem) => format!("{stem}ies"),
        None if verb.ends_with(['s', 'x', 'z', 'o']) || verb.ends_with("ch") || verb.ends_with("sh") => {
            format!("{verb}es")
        }
        None => format!("{verb}s"),
    }
}

fn gerund_of(verb: &str) -> String {
    const DOUBLED: &str = " get set put run stop begin drop let cut forget plan swap map tag ";
    let stem = verb.strip_suffix('e').filter(|stem| !stem.ends_with(['e', 'o', 'y']));
    match (stem, verb.chars().last()) {
        (Some(stem), _) => format!("{stem}ing"),
        (None, Some(last)) if DOUBLED.contains(&format!(" {verb} ")) => format!("{verb}{last}ing"),
        (None, _) => format!("{verb}ing"),
    }
}

/// The base form of a verb that can only be one: `moving` gives `move`.
pub(super) fn from_gerund(word: &str) -> Option<&'static str> {
    VERBS.gerund.get(&word.to_lowercase()).map(String::as_str)
}

/// Whether a word that begins a phrase tells somebody to do something.
pub(super) fn is_imperative(word: &str) -> bool {
    VERBS.base.get(&word.to_lowercase()) == Some(&false)
}

/// Whether a phrase that begins so says where, when or how much.
pub(super) fn is_adverbial(word: &Word) -> bool {
    word.is(NOT_FIRST) || word.is(NOT_IN_SUBJECT)
}

/// Whether this is a verb's base form, if it is no noun here.
pub(super) fn is_verb(word: &str) -> bool {
    VERBS.base.contains_key(word)
}

/// What is done by whoever does this: `stores` gives `store`.
pub(super) fn from_third(word: &str) -> Option<&'static str> {
    VERBS.third.get(&word.to_lowercase()).filter(|(_, is_noun)| !is_noun).map(|(base, _)| base.as_str())
}

/// The words of a sentence, without Markdown. A link is its text, code is one word without its arguments in capitals.
pub(super) fn words(text: &str) -> Vec<Word> {
    let plain = without_links(text).replace("**", "").replace(" _", " ").replace("_ ", " ");
    let mut found: Vec<Word> = Vec::new();
    let mut glued = false;
    for (at, part) in plain.split('`').enumerate() {
        if at % 2 == 1 {
            let before = if glued {
                found.pop().map(|word| word.before + &word.text).unwrap_or_default()
            } else {
                String::new()
            };
            found.push(Word { before, text: without_arguments(part), after: String::new(), is_code: true });
            continue;
        }
        for (nth, token) in part.split_whitespace().enumerate() {
            let follows = nth == 0 && at > 0 && !part.starts_with(char::is_whitespace);
            match found.last_mut().filter(|_| follows) {
                Some(code) => code.after.push_str(token),
                None => found.push(word(token)),
            }
        }
        let opens = part.chars().last().is_some_and(|last| "(\"“'".contains(last));
        glued = opens && !part.ends_with(char::is_whitespace);
    }
    found
}

fn word(token: &str) -> Word {
    let inner = token.trim_start_matches(['(', '"', '“', '\'', '*']);
    let text = inner.trim_end_matches([')', '"', '”', '\'', ',', '.', ';', ':', '!', '?', '*']);
    let before = token.strip_suffix(inner).unwrap_or_default().replace('*', "");
    let after = inner.strip_prefix(text).unwrap_or_default().replace('*', "");
    Word { before, text: text.to_owned(), after, is_code: false }
}

fn without_links(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('[') {
        plain.push_str(before);
        let link = after.split_once("](").and_then(|(name, more)| Some((name, more.split_once(')')?.1)));
        match link.filter(|(name, _)| !name.contains(']')) {
            Some((name, more)) => {
                plain.push_str(name);
                rest = more;
            }
            None => {
                plain.push('[');
                rest = after;
            }
        }
    }
    plain + rest
}

/// `cairn documents show ID` is `cairn documents show`; `GET /metrics` stays.
pub(super) fn without_arguments(code: &str) -> String {
    let is_argument = |word: &str| {
        let plain = word.trim_end_matches(['…', '.', ']', ')']).trim_start_matches(['[', '(', '<']);
        plain.len() > 1 && plain.chars().all(|c| c.is_ascii_uppercase() || c == '_' || c == '-')
            || word.starts_with(['[', '<', '"', '\''])
            || word.contains('…')
    };
    let kept = code.split_whitespace().enumerate().take_while(|(at, word)| *at == 0 || !is_argument(word));
    kept.map(|(_, word)| word.trim_end_matches('…')).collect::<Vec<_>>().join(" ")
}

/// Words as a text, without backticks.
pub(super) fn text(words: &[Word]) -> String {
    words.iter().map(|word| format!("{}{}{}", word.before, word.text, word.after)).collect::<Vec<_>>().join(" ")
}

/// A clause that says one thing of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clause {
    pub(super) subject: Vec<Word>,
    pub(super) verb: Verb,
    pub(super) rest: Vec<Word>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verb {
    /// `can`, `is`: goes before the subject by itself.
    Helping { word: String, is_negated: bool },
    /// Any other, in its base form.
    Plain { base: String, is_plural: bool, is_negated: bool },
}

const MODALS: &str = "can may must should will could can't cannot mustn't shouldn't won't couldn't";
const BE: &str = "is are was were isn't aren't wasn't weren't";
const DO: &str = "does do doesn't don't";
const NOT_IN_SUBJECT: &str = "that which who whose whom where when if because while until unless as than so but then also there only \
    it they this these those he she we i not never always otherwise therefore instead both such same else others another what how why whoever whatever whichever everybody everything something somebody nobody nothing";
const NOT_FIRST: &str = "in on at for with without by from to of under over after before between beside below above through during \
    within into about against per via up most least even just both either neither such more less fewer here now every";
/// After one of these comes a noun, however it looks.
const BEFORE_NOUNS: &str = "a an the its their your my our his her this that these those each every all any some no of in on at for with \
    by from to and or as two three four several many few one own";
/// Before what is done to something stands one of these.
const OBJECTS: &str = "a an the its their your each every all any some no one two three four up at only nothing";

/// The clause that these words begin with. None: it is not plain enough.
pub(super) fn clause(words: &[Word]) -> Option<Clause> {
    let first = words.first().filter(|first| !first.is(NOT_IN_SUBJECT) && !first.is(NOT_FIRST))?;
    if !first.is_code && is_imperative(&first.text) {
        return None;
    }
    for (at, word) in words.iter().enumerate().take(SUBJECT_WORDS_MAX + 1).skip(1) {
        let subject = words.get(..at)?;
        if subject.last()?.after.contains([',', ';', ':', '.']) || word.is(NOT_IN_SUBJECT) {
            return None;
        }
        let rest = words.get(at + 1..).unwrap_or_default();
        if let Some((verb, rest)) = verb(subject, word, rest) {
            return (!rest.is_empty()).then(|| Clause { subject: subject.to_vec(), verb, rest: rest.to_vec() });
        }
    }
    None
}

fn verb<'a>(subject: &[Word], word: &Word, rest: &'a [Word]) -> Option<(Verb, &'a [Word])> {
    let lower = word.lower();
    let next = rest.first();
    if word.is(MODALS) || word.is(BE) {
        let is_not = next.is_some_and(|next| next.is("not"));
        let plain = lower.replace("cannot", "can").replace("can't", "can").replace("won't", "will").replace("n't", "");
        let is_negated = plain != lower || is_not;
        let rest = if is_not { rest.get(1..)? } else { rest };
        return Some((Verb::Helping { word: plain, is_negated }, rest));
    }
    if word.is(DO) {
        let is_not = lower.ends_with("n't") || next.is_some_and(|next| next.is("not"));
        let rest = if next.is_some_and(|next| next.is("not")) { rest.get(1..)? } else { rest };
        let base = rest.first().filter(|_| is_not)?.lower();
        let is_plural = !lower.starts_with("does");
        return Some((Verb::Plain { base, is_plural, is_negated: true }, rest.get(1..)?));
    }
    let last = subject.last()?;
    if word.is("has have") {
        let base = "have".to_owned();
        return Some((Verb::Plain { base, is_plural: word.is("have"), is_negated: false }, rest));
    }
    if word.is_code || !word.before.is_empty() || last.is(BEFORE_NOUNS) {
        return None;
    }
    let does_something = next
        .is_some_and(|next| next.is(OBJECTS) || next.is_code || next.text.starts_with(|c: char| c.is_ascii_digit()));
    let is_command = subject.len() == 1 && last.is_code;
    if let Some((base, is_noun)) = VERBS.third.get(&lower)
        && (!is_noun || does_something || is_command)
        && !is_many(last)
    {
        return Some((Verb::Plain { base: base.clone(), is_plural: false, is_negated: false }, rest));
    }
    let is_base = VERBS.base.get(&lower).is_some_and(|is_noun| !is_noun || does_something);
    let is_plural = is_many(last) || last.is("you people and");
    (is_base && is_plural).then_some((Verb::Plain { base: lower, is_plural: true, is_negated: false }, rest))
}

fn is_many(word: &Word) -> bool {
    !word.is_code && word.text.ends_with('s') && !word.text.ends_with("ss") && !word.text.ends_with("us")
}

impl Clause {
    /// As a question that one of `wh` begins: `does the relay listen on port 2525`. Without the negation.
    pub(super) fn inverted(&self) -> String {
        self.inverted_with(&text(&self.rest))
    }

    /// The same with something else, or nothing, after the verb.
    pub(super) fn inverted_with(&self, rest: &str) -> String {
        let subject = text(&self.subject);
        let question = match &self.verb {
            Verb::Helping { word, .. } => format!("{word} {subject} {rest}"),
            Verb::Plain { base, is_plural: true, .. } => format!("do {subject} {base} {rest}"),
            Verb::Plain { base, is_plural: false, .. } => format!("does {subject} {base} {rest}"),
        };
        question.trim_end().to_owned()
    }

    pub(super) fn is_negated(&self) -> bool {
        match &self.verb {
            Verb::Helping { is_negated, .. } | Verb::Plain { is_negated, .. } => *is_negated,
        }
    }
}

/// Up to where the first thing is said: before `, and …`, `; …`, `, which …`, and without what stands in brackets.
pub(super) fn first_part(words: &[Word]) -> Vec<Word> {
    const GOES_ON: &str =
        "and but so which because or as since where who while unless if until for nor not even except then else that";
    let (mut found, mut depth): (Vec<Word>, usize) = (Vec::new(), 0);
    for (at, word) in words.iter().enumerate() {
        depth += word.before.matches('(').count();
        if depth == 0 {
            found.push(word.clone());
        } else if let Some(last) = found.last_mut() {
            last.after = word.after.replace(')', "");
        }
        depth = depth.saturating_sub(word.after.matches(')').count());
        let goes_on = words.get(at + 1).is_some_and(|next| next.is(GOES_ON));
        let ends = word.after.contains([';', ':', '.', '!', '?']) || (word.after.contains(',') && goes_on);
        if depth == 0
            && ends
            && (at + 1 == words.len() || !word.after.contains('.') || goes_on || word.after.ends_with('.'))
        {
            break;
        }
    }
    if let Some(last) = found.last_mut() {
        last.after = last.after.trim_end_matches(['.', ',', ';', ':', '!', '?']).to_owned();
    }
    found
}

/// Who reads is told "you" and asks as "I".
pub(super) fn asked_by_reader(words: &[Word]) -> Vec<Word> {
    let mut found = words.to_vec();
    for at in 0..found.len() {
        let follows = found.get(at + 1).cloned();
        let is_subject = follows.is_some_and(|next| {
            next.is(MODALS) || next.is("have are were do don't want need did") || is_imperative(&next.text)
        });
        let Some(word) = found.get_mut(at).filter(|word| !word.is_code) else { continue };
        let other = match word.lower().as_str() {
            "you" if is_subject => "I",
            "you" => "me",
            "your" => "my",
            "yours" => "mine",
            "yourself" => "myself",
            _ => continue,
        };
        other.clone_into(&mut word.text);
        if let Some(next) = found.get_mut(at + 1).filter(|next| other == "I" && next.is("are were")) {
            next.text = if next.is("are") { "am".to_owned() } else { "was".to_owned() };
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inverted(sentence: &str) -> Option<String> {
        clause(&first_part(&words(sentence))).map(|clause| clause.inverted())
    }

    #[test]
    fn a_plain_clause_becomes_a_question_and_any_other_is_left_alone() {
        for (sentence, question) in [
            ("The relay listens on port 2525.", Some("does The relay listen on port 2525")),
            ("Two processes can't share a folder, and wait.", Some("can Two processes share a folder")),
            ("Keys are kept in the ledger.", Some("are Keys kept in the ledger")),
            ("`cairn keys` works on the ledger.", Some("does cairn keys work on the ledger")),
            ("Documents expire after 30 days.", Some("do Documents expire after 30 days")),
            ("A crawl does not follow links.", Some("does A crawl follow links")),
            ("It listens on port 2525.", None),
            ("Run the command.", None),
            ("In a cluster, writes are slow.", None),
            ("Whatever comes, comes.", None),
        ] {
            assert_eq!(inverted(sentence).as_deref(), question, "{sentence}");
        }
    }

    #[test]
    fn code_is_one_word_without_arguments_and_a_link_is_its_text() {
        let found = words("Run `cairn documents show ID`, or (see [the guide](a.md#b)) `GET /metrics`.");
        let texts: Vec<&str> = found.iter().map(|word| word.text.as_str()).collect();
        assert_eq!(texts, ["Run", "cairn documents show", "or", "see", "the", "guide", "GET /metrics"]);
        assert!(found[1].is_code && found[1].after == ",");
        assert_eq!(text(&first_part(&words("It waits (a while) for mail, and ends."))), "It waits for mail");
    }

    #[test]
    fn who_is_told_you_asks_as_i() {
        let asked = |sentence: &str| text(&asked_by_reader(&words(sentence)));
        assert_eq!(asked("you rename your file"), "I rename my file");
        assert_eq!(asked("cairn tells you"), "cairn tells me");
        assert_eq!(asked("you are late"), "I am late");
    }
}
