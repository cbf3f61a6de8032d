//! Questions that a document's own words suggest, each with the words that answer it. Pure, and in the document's order.

use std::collections::BTreeSet;

use super::english::{
    Clause, Verb, Word, asked_by_reader, clause, first_part, from_gerund, from_third, is_imperative, text, words,
};
use super::outline::{Row, Section, Sentence, sections};
use super::{readable, table};
use crate::document::sha256;
use crate::eval::case::{Fact, Gold, MadeBy};

/// A question before anybody has looked whether it can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::eval) struct Draft {
    pub(in crate::eval) question: String,
    pub(in crate::eval) by: MadeBy,
    /// What answers it. Several: all of them are needed.
    pub(in crate::eval) sources: Vec<Gold>,
    pub(in crate::eval) facts: Vec<Fact>,
}

/// A text is too long a source for a person to check at a glance.
const GOLD_CHARS_MAX: usize = 300;
/// What a definition defines, and what stands before a list item's colon.
const TERM_WORDS_MAX: usize = 4;
/// Of one table.
const ROWS_MAX: usize = 8;
/// Code that ends so is a file.
const FILES: [&str; 16] = [
    "/", ".md", ".txt", ".toml", ".json", ".jsonl", ".sqlite", ".html", ".yml", ".yaml", ".sh", ".py", ".lock", ".env",
    ".log", ".csv",
];

/// The questions that a document suggests. `known` are the words that the documents write in small letters.
pub(super) fn drafts(document: &str, content: &str, known: &BTreeSet<String>) -> Vec<Draft> {
    let mut found = Vec::new();
    let maker = Maker { document, known };
    for section in sections(content) {
        found.extend(maker.heading(&section));
        // Below a message that somebody saw stands what is the matter then, and not what holds in general.
        let is_trouble = section.heading.starts_with(['"', '“']);
        let general = section.sentences.iter().filter(|_| !is_trouble);
        found.extend(general.filter_map(|sentence| maker.sentence(sentence)));
        found.extend(few_of(&section.rows).into_iter().filter_map(|row| maker.row(row)));
    }
    found.retain(|draft| readable::is_readable(&draft.question));
    found
}

/// Of many rows, some, the same each time.
fn few_of(rows: &[Row]) -> Vec<&Row> {
    let mut few: Vec<&Row> = rows.iter().collect();
    if few.len() > ROWS_MAX {
        few.sort_by_cached_key(|row| sha256(row.text.as_bytes()));
        few.truncate(ROWS_MAX);
    }
    few
}

struct Maker<'a> {
    document: &'a str,
    known: &'a BTreeSet<String>,
}

impl Maker<'_> {
    fn draft(&self, by: MadeBy, question: &str, source: &str) -> Draft {
        let short = source.char_indices().nth(GOLD_CHARS_MAX).map(|(end, _)| end);
        let short = short.and_then(|end| source.get(..end)).map(|head| head.rsplit_once(' ').map_or(head, |cut| cut.0));
        let gold = Gold { document: self.document.to_owned(), text: short.unwrap_or(source).to_owned() };
        Draft { question: readable::finished(question), by, sources: vec![gold], facts: Vec::new() }
    }

    /// A first word in a capital that is no name.
    fn lowered(&self, words: &[Word]) -> Vec<Word> {
        let mut found = words.to_vec();
        if let Some(first) = found.first_mut().filter(|first| !first.is_code) {
            let lower = first.text.to_lowercase();
            let rest = first.text.chars().skip(1);
            if self.known.contains(&lower) && rest.clone().all(char::is_lowercase) {
                first.text = lower;
            }
        }
        found
    }

    fn lowered_clause(&self, words: &[Word]) -> Option<Clause> {
        let found = clause(&asked_by_reader(words))?;
        // `failed` may be anything, `ledger.sqlite` is a file.
        if found.subject.len() == 1 && found.subject.first().is_some_and(|word| word.is_code && !is_name(word)) {
            return None;
        }
        Some(Clause { subject: self.lowered(&found.subject), ..found })
    }

    fn heading(&self, section: &Section) -> Option<Draft> {
        let said = section.sentences.iter().find(|sentence| sentence.words.len() > 4)?;
        // A page's own title is about all of it.
        let question = (section.level > 1).then(|| self.of_heading(&section.heading))??;
        Some(self.draft(MadeBy::Heading, &question, &said.text))
    }

    fn of_heading(&self, heading: &str) -> Option<String> {
        if let Some(message) = heading.strip_prefix(['"', '“']) {
            let (message, _) = message.split_once(['"', '”'])?;
            let is_sentence = message.split_whitespace().count() > 2 && !message.contains('…');
            return is_sentence.then(|| format!("What does the message \"{}\" mean", message.replace('`', "")));
        }
        let (heading, more) = heading.split_once(": ").map_or((heading, None), |(before, more)| (before, Some(more)));
        if more.is_some_and(|more| more.starts_with('[')) {
            return None;
        }
        let said = asked_by_reader(&words(heading));
        let first = said.first()?;
        let lower = first.lower();
        match lower.as_str() {
            "who" => Some(text(&said)),
            "when" => Some(format!("What happens when {}", text(said.get(1..)?))),
            "what" | "which" | "how" | "where" | "why" => self.asked_by_its_first_words(&said),
            _ => {
                let what_is = ["a", "an", "the"].contains(&lower.as_str()) && said.len() <= 5 && more.is_none();
                let why = || self.why_is(&said);
                self.told(&said).or_else(why).or_else(|| what_is.then(|| self.what_is(&said)))
            }
        }
    }

    /// "An answer cites an old text" asks why it does.
    fn why_is(&self, said: &[Word]) -> Option<String> {
        let clause = clause_of_few(said)?;
        let clause = Clause { subject: self.lowered(&clause.subject), ..clause };
        let inverted = clause.inverted();
        let (helping, rest) = inverted.split_once(' ')?;
        Some(format!("Why {} {rest}", negated(helping, clause.is_negated())))
    }

    /// "How citations are checked" asks "How are citations checked".
    fn asked_by_its_first_words(&self, said: &[Word]) -> Option<String> {
        let asked = asking(said).into_iter().find_map(|asking| {
            let clause = said.get(asking..).and_then(clause_of_few)?;
            let clause = Clause { subject: self.lowered(&clause.subject), ..clause };
            let inverted = clause.inverted();
            let (helping, rest) = inverted.split_once(' ')?;
            let helping = negated(helping, clause.is_negated());
            Some(format!("{} {helping} {rest}", text(said.get(..asking)?)))
        });
        // "What leaves the machine" is a question as it stands.
        let stands = || said.get(1).is_some_and(|second| from_third(&second.text).is_some()) && said.len() > 2;
        asked.or_else(|| stands().then(|| text(said)))
    }

    fn what_is(&self, said: &[Word]) -> String {
        let is_many = said.last().is_some_and(|last| last.text.ends_with('s') && !last.text.ends_with("ss"));
        format!("What {} {}", if is_many { "are" } else { "is" }, text(&self.lowered(said)))
    }

    /// "Make a key" and "Moving an index" ask how.
    fn told(&self, said: &[Word]) -> Option<String> {
        let (first, rest) = said.split_first()?;
        if rest.is_empty() || first.is_code {
            return None;
        }
        let verb = if is_imperative(&first.text) {
            first.text.to_lowercase()
        } else if let Some(base) = from_gerund(&first.text) {
            base.to_owned()
        } else {
            let next = rest.first()?.lower();
            let is_told = determines(rest.first()?) || ["up", "what", "who"].contains(&next.as_str());
            let lower = first.text.to_lowercase();
            let is_plain = !super::english::is_adverbial(first) && !determines(first);
            let is_one = !lower.ends_with('s') && is_plain && clause_of_few(said).is_none();
            let is_verb = super::english::is_verb(&lower) || (is_one && determines(rest.first()?));
            (is_told && is_verb).then_some(lower)?
        };
        Some(format!("How do I {verb} {}", text(rest)))
    }

    fn sentence(&self, sentence: &Sentence) -> Option<Draft> {
        let definition = self.definition(sentence).map(|question| (MadeBy::Definition, question, Vec::new()));
        let statement = || self.statement(sentence).map(|(question, facts)| (MadeBy::Statement, question, facts));
        let (by, question, facts) = definition.or_else(statement)?;
        Some(Draft { facts, ..self.draft(by, &question, &sentence.text) })
    }

    /// "A passage is a chunk that …" asks what a passage is, "`--crawl` follows links" what it does.
    fn definition(&self, sentence: &Sentence) -> Option<String> {
        if let Some(named) = self.named_item(sentence) {
            return Some(named);
        }
        let Clause { subject, verb, rest } = clause(&sentence.words)?;
        let first = subject.first()?;
        let is_short = subject.len() <= TERM_WORDS_MAX + 1;
        let subject_text = text(&self.lowered(&subject));
        let plain_code = subject.len() == 1 && is_name(first);
        let is_file = FILES.iter().any(|ending| first.text.ends_with(ending)) && !first.text.contains(' ');
        // Of `answer_id`, a field, and of a file one asks what it is for.
        let is_field = first.text.contains('_') && !first.text.contains(['.', '/', ' ', '-']);
        let (follows, article) = (rest.first()?.lower(), first.lower());
        match verb {
            Verb::Helping { word, is_negated: false } if word == "is" || word == "are" => {
                let defines = ["a", "an", "the", "what", "one"].contains(&follows.as_str());
                let is_general = ["a", "an"].contains(&article.as_str()) && is_short;
                let is_error = rest.get(1).is_some_and(|what| what.lower() == "error");
                (defines && rest.len() > 2 && !is_error && (plain_code || is_general))
                    .then(|| format!("What {word} {subject_text}"))
            }
            Verb::Plain { base, is_plural: false, is_negated: false } if plain_code && rest.len() > 2 => {
                match base.as_str() {
                    "mean" => Some(format!("What does {subject_text} mean")),
                    "have" | "need" | "take" | "become" | "stay" => None,
                    _ if is_file || is_field => Some(format!("What is {subject_text} for")),
                    _ => Some(format!("What does {subject_text} do")),
                }
            }
            Verb::Plain { base, is_negated: false, .. } if base == "mean" && is_short => {
                Some(format!("What does {subject_text} mean"))
            }
            Verb::Helping { .. } | Verb::Plain { .. } => None,
        }
    }

    /// "- `live`: the configured endpoint."
    fn named_item(&self, sentence: &Sentence) -> Option<String> {
        if !sentence.is_item {
            return None;
        }
        let (term, said) = sentence.text.split_once(": ")?;
        let term = words(term.trim_start_matches(['-', '*', '+', ' ']));
        let is_name = term.len() == 1 && is_name(term.first()?) && said.split_whitespace().count() > 3;
        is_name.then(|| format!("What does {} mean", text(&term)))
    }

    fn row(&self, row: &Row) -> Option<Draft> {
        let (question, facts) = table::question(row)?;
        Some(Draft { facts, ..self.draft(MadeBy::Table, &question, &row.text) })
    }

    fn statement(&self, sentence: &Sentence) -> Option<(String, Vec<Fact>)> {
        let said = &sentence.words;
        let plain = |question: String| (question, Vec::new());
        self.how_to(said)
            .or_else(|| self.what_happens(said))
            .or_else(|| self.why(said))
            .map(plain)
            .or_else(|| self.how_long(said))
            .or_else(|| self.how_many(said))
            .or_else(|| {
                self.when(said)
                    .or_else(|| self.whereabouts(said))
                    .or_else(|| self.whether(said))
                    .or_else(|| self.what(said))
                    .map(plain)
            })
    }

    /// "To move the index, run …" asks how to move it.
    fn how_to(&self, said: &[Word]) -> Option<String> {
        let (first, rest) = said.split_first()?;
        let told = up_to_comma(rest)?;
        let begins = told.first()?.lower();
        let is_done = super::english::is_verb(&begins)
            || (told.get(1).is_some_and(determines)
                && !super::english::is_adverbial(told.first()?)
                && !determines(told.first()?));
        let (is_told, is_long) = (first.lower() == "to" && is_done, told.len() > 1);
        (is_told && is_long).then(|| format!("How do I {}", text(&asked_by_reader(&told))))
    }

    /// "If the disk is full, …" asks what happens then, or what to do.
    fn what_happens(&self, said: &[Word]) -> Option<String> {
        const OPENING: [&str; 6] = ["if", "when", "while", "after", "once", "before"];
        let (first, rest) = said.split_first()?;
        let lower = first.lower();
        let opening = OPENING.iter().find(|opening| **opening == lower)?;
        let condition = up_to_comma(rest)?;
        let follows = rest.get(condition.len())?;
        let is_clause = clause_of_few(&condition).is_some() || condition.first()?.lower() == "you";
        let asks = if is_imperative(&follows.text) && !follows.is_code { "What should I do" } else { "What happens" };
        is_clause.then(|| format!("{asks} {opening} {}", text(&asked_by_reader(&condition))))
    }

    /// "It is refused because …" asks why.
    fn why(&self, said: &[Word]) -> Option<String> {
        let at = said.iter().position(|word| word.lower() == "because")?;
        let before = said.get(..at).filter(|before| !before.is_empty())?;
        let clause = self.lowered_clause(&first_part(before))?;
        let inverted = clause.inverted();
        let (helping, rest) = inverted.split_once(' ')?;
        let helping = negated(helping, clause.is_negated());
        Some(format!("Why {helping} {rest}"))
    }

    /// "It keeps them for 30 days" asks for how long.
    fn how_long(&self, said: &[Word]) -> Option<(String, Vec<Fact>)> {
        const UNITS: &str = "second seconds minute minutes hour hours day days week weeks month months year years ms";
        let said = first_part(said);
        let at = said.iter().position(|word| UNITS.split(' ').any(|unit| unit == word.lower()))?;
        let (number, lead) = (said.get(at.checked_sub(1)?)?, said.get(at.checked_sub(2)?)?);
        let is_number = number.text.starts_with(|c: char| c.is_ascii_digit());
        let asks = match lead.lower().as_str() {
            "for" => "How long",
            "after" => "After how long",
            "every" => "How often",
            _ => return None,
        };
        let clause = self.lowered_clause(&said)?;
        let fact = format!("{} {}", number.text, said.get(at)?.text);
        let kept = clause.rest.len().checked_sub(said.len() - at + 2)?;
        let mut rest = clause.rest.get(..kept)?.to_vec();
        rest.extend(clause.rest.get(kept + 3..).unwrap_or_default().iter().cloned());
        let is_whole = is_number && !clause.is_negated() && said.len() == at + 1;
        is_whole.then(|| (format!("{asks} {}", clause.inverted_with(&text(&rest))), vec![Fact::One(fact)]))
    }

    /// "A key has 43 characters" asks how many.
    fn how_many(&self, said: &[Word]) -> Option<(String, Vec<Fact>)> {
        let clause = self.lowered_clause(&first_part(said)).filter(|clause| !clause.is_negated())?;
        let skipped = clause
            .rest
            .iter()
            .take_while(|word| ["at", "most", "least", "up", "to", "about", "exactly"].contains(&word.lower().as_str()))
            .count();
        let (number, counted) = (clause.rest.get(skipped)?, clause.rest.get(skipped + 1)?);
        let is_number =
            !number.is_code && number.text.chars().all(|c| c.is_ascii_digit() || c == ',') && number.after.is_empty();
        let is_counted = counted.text.ends_with('s')
            && !counted.is_code
            && counted.text.chars().all(char::is_lowercase)
            && counted.text.len() > 3;
        let Verb::Plain { .. } = clause.verb else { return None };
        let rest = clause.rest.get(skipped + 2..).unwrap_or_default();
        let question = || format!("How many {} {}", counted.text, clause.inverted_with(&text(rest)));
        (is_number && is_counted).then(|| (question(), vec![Fact::One(format!("{} {}", number.text, counted.text))]))
    }

    /// "The service stops when the disk is full" asks when it does.
    fn when(&self, said: &[Word]) -> Option<String> {
        let at = said.iter().position(|word| ["when", "if", "unless"].contains(&word.lower().as_str()))?;
        let (before, asks) = (said.get(..at)?, said.get(at).filter(|word| word.lower() != "unless")?);
        let is_last = !said.get(at..)?.iter().rev().skip(1).any(|word| word.after.contains([',', ';', ':']));
        let ends_well = before.last().is_some_and(|last| last.after.is_empty());
        if before.len() < 4 || !is_last || !ends_well || asks.is_code {
            return None;
        }
        let clause = self.lowered_clause(&first_part(before)).filter(|clause| !clause.is_negated())?;
        let is_state = matches!(&clause.verb, Verb::Helping { word, .. } if ["is", "are"].contains(&word.as_str()));
        let is_done = clause.rest.first().is_some_and(|done| done.text.ends_with("ed") || done.text.ends_with("en"));
        (!is_state || is_done).then(|| format!("When {}", clause.inverted()))
    }

    /// "Keys are kept in the ledger" asks where.
    fn whereabouts(&self, said: &[Word]) -> Option<String> {
        const PLACED: &str = "kept stored held saved placed recorded";
        let clause = self.lowered_clause(&first_part(said)).filter(|clause| !clause.is_negated())?;
        let Verb::Helping { word, .. } = &clause.verb else { return None };
        let (done, place) = (clause.rest.first()?.lower(), clause.rest.get(1)?.lower());
        let is_place = ["in", "on", "under", "beside", "below"].contains(&place.as_str());
        let is_kept = PLACED.split(' ').any(|placed| placed == done) && ["is", "are"].contains(&word.as_str());
        (is_kept && is_place).then(|| format!("Where {}", clause.inverted_with(&done)))
    }

    /// "A key can't be changed" asks whether it can.
    fn whether(&self, said: &[Word]) -> Option<String> {
        let clause = self.lowered_clause(&first_part(said))?;
        let asks = match &clause.verb {
            Verb::Helping { word, is_negated } => match (word.as_str(), is_negated) {
                ("can" | "may", _) => "Can",
                ("must", _) => {
                    return clause
                        .inverted()
                        .strip_prefix("must ")
                        .map(|rest| format!("Must {rest}"))
                        .filter(|_| !is_negated);
                }
                ("is", true) => "Is",
                ("are", true) => "Are",
                _ => return None,
            },
            Verb::Plain { is_negated: true, is_plural: false, .. } => "Does",
            Verb::Plain { is_negated: true, is_plural: true, .. } => "Do",
            Verb::Plain { .. } => return None,
        };
        let inverted = clause.inverted();
        let (_, rest) = inverted.split_once(' ')?;
        let is_limit = inverted.contains(',') || inverted.contains("up to") || inverted.contains("at most");
        (!is_limit).then(|| format!("{asks} {rest}"))
    }

    /// "The manifest names sources" asks what it names.
    fn what(&self, said: &[Word]) -> Option<String> {
        const ASKED_OF: &str =
            "hold contain need require list print show record return store include support remove cover";
        const PLACES: &str = "on in at with under within during while";
        let clause = self.lowered_clause(&first_part(said)).filter(|clause| !clause.is_negated())?;
        let Verb::Plain { base, .. } = &clause.verb else { return None };
        let is_specific = clause.subject.len() > 1 || clause.subject.first()?.is_code;
        let place = clause.rest.iter().rposition(|word| PLACES.split(' ').any(|place| place == word.lower()));
        let tail = place.filter(|at| *at > 0).and_then(|at| clause.rest.get(at..)).map(text).unwrap_or_default();
        let is_asked = ASKED_OF.split_whitespace().any(|verb| verb == base) && clause.rest.len() > 2;
        let objects = clause.rest.first()?.lower();
        let begins_well =
            !["up", "to", "it", "them", "of", "as", "at", "that", "from", "for", "only"].contains(&objects.as_str());
        let question = format!("What {}", clause.inverted_with(&tail));
        let is_long = question.split(' ').count() > 5 || clause.subject.iter().any(|word| word.is_code);
        (is_asked && begins_well && is_specific && is_long).then_some(question)
    }
}

/// Where the clause after the words that ask may begin: "How", "How much history", "Which kinds of files".
fn asking(said: &[Word]) -> Vec<usize> {
    const DEGREES: [&str; 8] = ["well", "big", "long", "often", "far", "fast", "soon", "large"];
    let at = |place: usize| said.get(place).map(Word::lower).unwrap_or_default();
    let counts = at(0) == "which" || (at(0) == "how" && ["much", "many"].contains(&at(1).as_str()));
    if counts {
        let first = if at(0) == "which" { 2 } else { 3 };
        let with_article =
            (first..said.len()).find(|place| ["a", "an", "the", "I", "my"].contains(&at(*place).as_str()));
        return with_article.into_iter().chain((first..said.len().min(6)).rev()).collect();
    }
    vec![if at(0) == "how" && DEGREES.contains(&at(1).as_str()) { 2 } else { 1 }]
}

/// Code that names one thing wherever it is read: no plain word, no setting with its value, no file of an example.
fn is_name(word: &Word) -> bool {
    let text = &word.text;
    word.is_code
        && text.contains(['.', '_', '-', '/', ' '])
        && !text.contains(['=', '"', '\'', '*', '$'])
        && !text.contains(" - ")
        && text.ends_with(|c: char| c.is_alphanumeric() || c == '/' || c == '}')
}

/// Whether a word says which one: before it stands what is done, after it to what.
fn determines(word: &Word) -> bool {
    ["a", "an", "the", "my", "your", "its"].contains(&word.lower().as_str())
}

/// "does" with a negation is "doesn't".
fn negated(helping: &str, is_negated: bool) -> String {
    match helping {
        "can" if is_negated => "can't".to_owned(),
        "will" if is_negated => "won't".to_owned(),
        "may" | "must" if is_negated => helping.to_owned(),
        _ if is_negated => format!("{helping}n't"),
        _ => helping.to_owned(),
    }
}

/// The words before the first comma, if that comma ends the phrase: what follows is no list.
fn up_to_comma(words: &[Word]) -> Option<Vec<Word>> {
    let at = words.iter().position(|word| word.after.contains([',', ';', ':', '.']))?;
    let mut found = words.get(..=at)?.to_vec();
    let last = found.last_mut()?;
    let ends_with_comma = last.after == "," && at + 2 < words.len();
    last.after.clear();
    let goes_on = words
        .get(at + 1)
        .is_some_and(|next| ["and", "or", "but", "nor", "which", "who"].contains(&next.lower().as_str()));
    let is_list =
        words.get(at + 1..)?.iter().take(4).any(|word| word.after.contains(',') && !word.is_code) && found.len() < 3;
    (ends_with_comma && !goes_on && !is_list).then_some(found)
}

/// A clause, also of as few words as "a document fails".
fn clause_of_few(words: &[Word]) -> Option<Clause> {
    let mut longer = words.to_vec();
    longer.push(Word { before: String::new(), text: String::new(), after: String::new(), is_code: false });
    clause(&longer).map(|mut found| {
        found.rest.pop();
        found
    })
}
