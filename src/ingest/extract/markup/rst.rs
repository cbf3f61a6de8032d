//! reStructuredText → itself, with its headings and its title.
//!
//! A heading is a line with an adornment under it, and perhaps the same one over it; which adornment means which level
//! is decided by the order in which they first appear. Directives, roles and comments stay in the text as they are.
//! After <https://docutils.sourceforge.io/docs/ref/rst/restructuredtext.html#sections>.

use crate::ingest::extract::extracted::on_one_line;
use crate::ingest::extract::{Extracted, FileKind, Heading};

/// From here on an adornment may be shorter than its title: docutils warns and still takes it for one.
const ADORNMENT_CHARS_SURE: usize = 4;

pub(crate) fn extract(text: String) -> Extracted {
    let headings = headings(&text);
    let title = headings.first().map(|heading| heading.title.clone());
    Extracted { headings, title, ..Extracted::of(FileKind::Rst, text) }
}

/// What tells one level from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Adornment {
    mark: char,
    over_too: bool,
}

fn headings(text: &str) -> Vec<Heading> {
    let mut headings = Vec::new();
    let mut seen: Vec<Adornment> = Vec::new();
    let mut start = 0;
    let mut blank_before = true;
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        let mut after = lines.clone();
        let (second, third) = (after.next().unwrap_or(""), after.next().unwrap_or(""));
        let found = if blank_before { heading_at(line, second, third) } else { None };
        let mut next = start + line.len() + 1;
        blank_before = line.trim().is_empty();
        if let Some((adornment, title)) = found {
            let level = seen.iter().position(|known| *known == adornment).unwrap_or_else(|| {
                seen.push(adornment);
                seen.len() - 1
            });
            let level = u8::try_from(level + 1).unwrap_or(u8::MAX);
            headings.push(Heading { level, title: plain(title), start });
            for _ in 0..if adornment.over_too { 2 } else { 1 } {
                next += lines.next().map_or(0, |line| line.len() + 1);
            }
            blank_before = true; // Nothing has to part a heading from what follows it.
        }
        start = next;
    }
    headings
}

/// The heading that begins at the first of three lines.
fn heading_at<'a>(first: &'a str, second: &'a str, third: &str) -> Option<(Adornment, &'a str)> {
    if let Some(mark) = adornment(first) {
        let framed = adornment(third) == Some(mark) && third.trim_end().len() == first.trim_end().len();
        let titled = !second.trim().is_empty() && adornment(second).is_none();
        return (framed && titled && is_long_enough(first, second))
            .then_some((Adornment { mark, over_too: true }, second.trim()));
    }
    let mark = adornment(second)?;
    let titled = !first.trim().is_empty() && !first.starts_with([' ', '\t']);
    (titled && is_long_enough(second, first)).then_some((Adornment { mark, over_too: false }, first.trim()))
}

/// The character that a line consists of.
fn adornment(line: &str) -> Option<char> {
    let line = line.trim_end();
    let mark = line.chars().next().filter(char::is_ascii_punctuation)?;
    line.chars().all(|c| c == mark).then_some(mark)
}

fn is_long_enough(adornment: &str, title: &str) -> bool {
    let (adornment, title) = (adornment.trim_end().len(), title.trim().chars().count());
    adornment >= title.min(ADORNMENT_CHARS_SURE)
}

/// A title without inline markup: ``:mod:`!os` --- *files*`` is `os --- files`.
fn plain(title: &str) -> String {
    let mut plain = String::with_capacity(title.len());
    for (i, piece) in title.split('`').enumerate() {
        let quoted = i % 2 == 1;
        if quoted {
            plain.push_str(piece.trim_start_matches(['!', '~']));
        } else {
            plain.push_str(without_role(piece));
        }
    }
    on_one_line(&plain.replace('*', ""))
}

/// `piece` without the `:role:` at its end, which belongs to the quote that follows.
fn without_role(piece: &str) -> &str {
    let Some(rest) = piece.strip_suffix(':') else { return piece };
    match rest.rsplit_once(':') {
        Some((before, role)) if !role.is_empty() && role.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') => {
            before
        }
        _ => piece,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn titles(text: &str) -> Vec<(u8, String)> {
        headings(text).into_iter().map(|heading| (heading.level, heading.title)).collect()
    }

    fn title(level: u8, title: &str) -> (u8, String) {
        (level, title.to_owned())
    }

    #[test]
    fn levels_follow_the_order_of_first_appearance() {
        let text =
            "*****\nGuide\n*****\n\nText.\n\nInstall\n-------\n\nLinux\n~~~~~\nMore.\n\nUse\n---\n\n***\nAPI\n***\n";
        let expected = [title(1, "Guide"), title(2, "Install"), title(3, "Linux"), title(2, "Use"), title(1, "API")];
        assert_eq!(titles(text), expected);
        assert_eq!(extract(text.to_owned()).title.as_deref(), Some("Guide"));
    }

    #[test]
    fn the_same_mark_with_and_without_an_overline_is_two_levels() {
        assert_eq!(titles("===\nOne\n===\n\nTwo\n===\n"), [title(1, "One"), title(2, "Two")]);
    }

    #[test]
    fn transitions_tables_and_literal_blocks_are_no_headings() {
        let text =
            "Text.\n\n-----\n\nMore::\n\n    code\n    ----\n\n====  ====\nA     B\n====  ====\n1     2\n====  ====\n";
        assert_eq!(titles(text), []);
    }

    #[test]
    fn a_paragraph_with_a_rule_under_its_second_line_is_no_heading() {
        assert_eq!(titles("one\ntwo\n---\n"), []);
    }

    #[test]
    fn a_heading_has_no_markup() {
        assert_eq!(titles(":mod:`!os` --- *Files* and ``open()``\n=========\n"), [title(1, "os --- Files and open()")]);
    }

    #[test]
    fn a_heading_with_an_overline_starts_at_it() {
        let text = "Text.\n\n===\nOne\n===\n\nTwo\n---\n";
        let starts: Vec<_> = headings(text).into_iter().map(|heading| heading.start).collect();
        assert_eq!(starts, [text.find("===").expect("it is there"), text.find("Two").expect("it is there")]);
    }

    proptest! {
        #[test]
        fn headings_ascend_and_each_starts_a_line(text in "([=~`* \n\n-]|[a-zé:]){0,200}") {
            let mut last = None;
            for heading in headings(&text) {
                prop_assert!(last < Some(heading.start));
                prop_assert!(heading.start == 0 || text.as_bytes()[heading.start - 1] == b'\n');
                last = Some(heading.start);
            }
        }
    }
}
