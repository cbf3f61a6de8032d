//! A row of a table in, what somebody would look up in it out. Pure.

use super::english::{text, without_arguments, words};
use super::outline::Row;
use crate::eval::case::Fact;

/// Longer cells are prose: nobody names a row by one, and nobody expects one as an answer in a word.
const NAME_WORDS_MAX: usize = 4;
const VALUE_WORDS_MAX: usize = 6;
/// A column with this head says what its row's first cell means.
const MEANINGS: [&str; 10] = [
    "meaning",
    "meaning and reason",
    "description",
    "what it says",
    "what it does",
    "what it is",
    "explanation",
    "purpose",
    "effect",
    "of a case",
];
/// Rows of these are for something; those of others mean something.
const USED: [&str; 12] = [
    "key",
    "setting",
    "option",
    "flag",
    "parameter",
    "variable",
    "environment variable",
    "field",
    "command",
    "file",
    "header",
    "argument",
];
/// These do something.
const DOING: [&str; 7] = ["route", "endpoint", "command", "subcommand", "method", "function", "request"];
/// Cells that say that there is nothing.
const NOTHING: [&str; 14] =
    ["", "-", "–", "—", "none", "empty", "required", "no", "yes", "all", "any", "n/a", "never", "[]"];

/// The best question of a row, with what its answer must say.
pub(super) fn question(row: &Row) -> Option<(String, Vec<Fact>)> {
    let noun = plain(row.heads.first()?).to_lowercase();
    let first = row.cells.first()?;
    // Of a cell that names several things, the first is asked for.
    let (name, is_one) = match first.split_once("`, `") {
        Some((name, _)) => (format!("{name}`"), false),
        None => (first.clone(), true),
    };
    let named = words(&name);
    let is_code = named.len() == 1 && named.first()?.is_code;
    let name = without_arguments(&text(&named));
    let is_plain = name.chars().all(char::is_alphanumeric);
    // `id` is a field of many things, and `PUT` a route of many routes.
    let is_vague = is_plain && (USED.contains(&noun.as_str()) || DOING.contains(&noun.as_str()));
    let is_name = !name.is_empty() && name.split_whitespace().count() <= NAME_WORDS_MAX && !is_vague;
    if !is_name || !is_noun(&noun) || looks_numeric(row) {
        return None;
    }
    let columns: Vec<(String, &String)> =
        row.heads.iter().map(|head| plain(head).to_lowercase()).zip(&row.cells).skip(1).collect();
    // "exit code 2", and "the state queued".
    let is_number = name.chars().all(|c| c.is_ascii_digit());
    let noun = if is_number { noun } else { format!("the {noun}") };
    let by_value = || columns.iter().find_map(|(head, cell)| value(head, cell, (&noun, &name), is_one && is_code));
    let by_meaning = || columns.iter().find_map(|(head, cell)| meaning(head, cell, (&noun, &name), is_code));
    // Where both can be asked, some rows are asked for the one and some for the other.
    if name.len().is_multiple_of(2) { by_value().or_else(by_meaning) } else { by_meaning().or_else(by_value) }
}

/// "What is the default of `a.b`": a cell that is a value.
fn value(head: &str, cell: &str, (noun, name): (&str, &str), is_code: bool) -> Option<(String, Vec<Fact>)> {
    let said = plain(cell);
    let is_measured = said.contains('%') && said.starts_with(|c: char| c.is_ascii_digit());
    let is_value = !is_measured
        && said.split_whitespace().count() <= VALUE_WORDS_MAX
        && !NOTHING.contains(&said.to_lowercase().as_str());
    if !is_value || MEANINGS.contains(&head) || !is_noun(head) {
        return None;
    }
    let fact = vec![Fact::One(said)];
    match head {
        "default" if is_code => Some((format!("What is the default of {name}"), fact)),
        "default" => None,
        _ if head.ends_with('s') && !head.ends_with("ss") && !head.ends_with("us") => {
            Some((format!("What are the {head} of {noun} {name}"), fact))
        }
        _ if name.len().is_multiple_of(3) => Some((format!("Which {head} does {noun} {name} have"), fact)),
        _ => Some((format!("What is the {head} of {noun} {name}"), fact)),
    }
}

/// "What does the state `queued` mean": a cell that explains.
fn meaning(head: &str, cell: &str, (noun, name): (&str, &str), is_code: bool) -> Option<(String, Vec<Fact>)> {
    let explains = MEANINGS.contains(&head) && plain(cell).split_whitespace().count() > 2;
    let kind = noun.trim_start_matches("the ");
    let question = if USED.contains(&kind) && is_code {
        format!("What is {noun} {name} for")
    } else if DOING.contains(&kind) {
        format!("What does {noun} {name} do")
    } else {
        format!("What does {noun} {name} mean")
    };
    explains.then_some((question, Vec::new()))
}

/// A head that names one kind of thing: no question of its own, no sentence.
fn is_noun(head: &str) -> bool {
    const NOT: &str = "what how why when where who which that it is are and you so before after";
    let words: Vec<&str> = head.split_whitespace().collect();
    (1..=3).contains(&words.len())
        && words.iter().all(|word| !NOT.split(' ').any(|not| not == *word))
        && head.chars().all(|c| c.is_alphabetic() || c == ' ' || c == '-')
}

/// A table of measurements: its figures mean nothing without what was measured.
fn looks_numeric(row: &Row) -> bool {
    let is_number = |cell: &&String| cell.trim_matches(['`', '*']).starts_with(|c: char| c.is_ascii_digit());
    row.cells.iter().skip(1).filter(is_number).count() >= 2
}

fn plain(cell: &str) -> String {
    text(&words(cell)).replace('\\', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(heads: &[&str], cells: &[&str]) -> Option<(String, Vec<Fact>)> {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        question(&Row { text: String::new(), heads: owned(heads), cells: owned(cells) })
    }

    #[test]
    fn a_row_asks_for_its_value_or_for_what_it_means() {
        let keys = ["Key", "Default", "Meaning and reason"];
        let (question, facts) = asked(&keys, &["`a.time`", "`30s`", "How long it waits for mail."]).unwrap();
        assert_eq!((question.as_str(), facts), ("What is the default of a.time", vec![Fact::One("30s".into())]));
        let (question, _) = asked(&keys, &["`a.url`", "empty", "The address of the server."]).unwrap();
        assert_eq!(question, "What is the key a.url for");
        let (question, _) = asked(&["Exit code", "Meaning"], &["2", "It could not run"]).unwrap();
        assert_eq!(question, "What does exit code 2 mean");
        assert_eq!(asked(&["Model", "nDCG", "Recall"], &["small", "0.4", "0.6"]), None);
        assert_eq!(asked(&["What you see", "Meaning"], &["nothing", "It is off now"]), None);
    }
}
