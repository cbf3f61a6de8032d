//! The headings of a text as a tree: what stands above a place, and where the text is cut first.
//!
//! A section is a heading's line and the text up to the next heading. A heading that leads straight to a deeper one
//! makes no section of its own but begins the next one's, and so does a very short beginning of the document: alone,
//! neither says anything that could be found.

use std::ops::Range;

use crate::embed::TokenCounter;
use crate::ingest::extract::Heading;

/// A document's beginning that is shorter than this joins the section after it.
const BEGINNING_TOKENS_MIN: usize = 16;

/// The headings of one text, and the heading that each stands under.
pub(super) struct Outline<'a> {
    headings: &'a [Heading],
    parents: Vec<Option<usize>>,
}

impl<'a> Outline<'a> {
    pub(super) fn new(headings: &'a [Heading]) -> Self {
        let mut open: Vec<usize> = Vec::new();
        let mut parents = Vec::with_capacity(headings.len());
        for (i, heading) in headings.iter().enumerate() {
            while open.last().is_some_and(|last| headings.get(*last).is_none_or(|over| over.level >= heading.level)) {
                open.pop();
            }
            parents.push(open.last().copied());
            open.push(i);
        }
        Self { headings, parents }
    }

    /// Where each heading within `section` starts, and its path: the titles above it, outermost first, and its own.
    pub(super) fn paths_within(&self, section: &Range<usize>) -> impl Iterator<Item = (usize, Vec<&'a str>)> {
        let place = |at: usize| self.headings.partition_point(|heading| heading.start < at);
        (place(section.start)..place(section.end)).filter_map(|i| Some((self.headings.get(i)?.start, self.path(i))))
    }

    fn path(&self, heading: usize) -> Vec<&'a str> {
        let mut path = Vec::new();
        let mut at = Some(heading);
        while let Some(i) = at {
            path.extend(self.headings.get(i).map(|heading| heading.title.as_str()));
            at = self.parents.get(i).copied().flatten();
        }
        path.reverse();
        path
    }

    /// Where `text` is cut first: ranges that ascend and hold all of it but white space.
    pub(super) fn sections(&self, text: &str, tokens: &TokenCounter) -> Vec<Range<usize>> {
        let starts = || self.headings.iter().map(|heading| heading.start);
        let begins = [0].into_iter().chain(starts());
        let ends = starts().chain([text.len()]);
        // The level of each section's own heading; the text before the first one has none.
        let levels: Vec<Option<u8>> =
            [None].into_iter().chain(self.headings.iter().map(|heading| Some(heading.level))).collect();
        let mut sections = Vec::new();
        let mut pending: Option<usize> = None;
        for (i, (begin, end)) in begins.zip(ends).enumerate() {
            let Some(own) = text.get(begin..end).map(str::trim).filter(|own| !own.is_empty()) else { continue };
            let is_first = sections.is_empty() && pending.is_none();
            let start = *pending.get_or_insert(begin);
            let level = levels.get(i).copied().flatten();
            let joins = match levels.get(i + 1).copied().flatten() {
                None => false,
                Some(next) => {
                    (is_first && is_short(own, tokens)) || (level.is_some_and(|own| own < next) && is_bare(own))
                }
            };
            if !joins {
                sections.push(start..end);
                pending = None;
            }
        }
        sections.extend(pending.map(|start| start..text.len())); // Nothing came that it could join.
        sections
    }
}

fn is_short(section: &str, tokens: &TokenCounter) -> bool {
    // No tokenizer needs more than a few bytes a token to see that a long text is long.
    section.len() < BEGINNING_TOKENS_MIN * 16 && tokens.count(section) < BEGINNING_TOKENS_MIN
}

/// Whether a section is a heading and nothing else: one line, and rules under or over it.
fn is_bare(section: &str) -> bool {
    let is_rule = |line: &str| {
        let mark = line.chars().next();
        mark.is_some_and(|mark| mark.is_ascii_punctuation() && line.chars().all(|c| c == mark))
    };
    section.lines().map(str::trim).filter(|line| !line.is_empty() && !is_rule(line)).count() <= 1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A heading for every line that begins with `#`, as in Markdown.
    fn headings(text: &str) -> Vec<Heading> {
        let mut start = 0;
        let mut headings = Vec::new();
        for line in text.split_inclusive('\n') {
            let title = line.trim_start_matches('#');
            if title.len() < line.len() {
                let level = u8::try_from(line.len() - title.len()).expect("the level is small");
                headings.push(Heading { level, title: title.trim().to_owned(), start });
            }
            start += line.len();
        }
        headings
    }

    fn sections(text: &str) -> Vec<&str> {
        let headings = headings(text);
        let sections = Outline::new(&headings).sections(text, &TokenCounter::estimate());
        sections.into_iter().map(|section| text.get(section).expect("sections lie on characters").trim()).collect()
    }

    const LONG: &str = "A text of more than sixteen tokens, which is what it takes to stand alone.";

    #[test]
    fn each_heading_begins_a_section_that_it_is_part_of() {
        let text = format!("{LONG}\n# A\n{LONG}\n## B\nb\n# C\nc\n");
        assert_eq!(sections(&text), [LONG, &format!("# A\n{LONG}"), "## B\nb", "# C\nc"]);
    }

    #[test]
    fn a_heading_that_leads_straight_to_a_deeper_one_begins_its_section() {
        let text = format!("# A\n{LONG}\n# B\n\n## C\n\n### D\nd\n");
        assert_eq!(sections(&text), [&format!("# A\n{LONG}"), "# B\n\n## C\n\n### D\nd"]);
    }

    #[test]
    fn a_bare_heading_before_one_of_its_own_level_is_kept() {
        let text = format!("# A\n{LONG}\n## B\n## C\nc\n");
        assert_eq!(sections(&text), [&format!("# A\n{LONG}"), "## B", "## C\nc"]);
    }

    #[test]
    fn a_short_beginning_joins_what_follows_whatever_its_level() {
        assert_eq!(sections("![badge](x)\n\n## A\na\n## B\nb\n"), ["![badge](x)\n\n## A\na", "## B\nb"]);
        assert_eq!(sections("## Title\n## Synopsis\ns\n"), ["## Title\n## Synopsis\ns"]);
        assert_eq!(sections("only this"), ["only this"]);
    }

    #[test]
    fn a_path_skips_what_was_closed_above_it() {
        let text = "# A\n### B\nb\n## C\nc\n# D\nd\n";
        let headings = headings(text);
        let paths: Vec<_> = Outline::new(&headings).paths_within(&(1..text.len())).map(|(_, path)| path).collect();
        assert_eq!(paths, [vec!["A", "B"], vec!["A", "C"], vec!["D"]]);
    }
}
