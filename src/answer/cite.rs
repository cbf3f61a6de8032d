//! Citation marks: those of a model, in whichever way it cites, in; the one form that cairn writes out.
//!
//! `[1]`, `[1, 2]`, `[1-3]`, `[^1]`, `【1†source】`, `[Source 1]`, `(Source 1)` and, at a clause's end, `(1)` are marks where
//! they name sources of the prompt; what else stands in brackets is text, as is everything in code. Written is `[1][3]`.
//! Nothing else in an answer looks like that outside code. Pure.

use crate::document::Span;
use crate::ground::marks::marks;

/// Most sources that a range such as `[2-5]` may name.
const RANGE_MAX: usize = 20;
/// A longer number is a year or a code, and names no source.
const DIGITS_MAX: usize = 3;

/// A model's mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    /// Bytes of the text, with the white space before it.
    pub(super) span: Span,
    /// How many of these bytes are white space.
    pub(super) gap: usize,
    /// The sources that it names, each once.
    pub(super) known: Vec<usize>,
    /// Numbers in it that name none.
    pub(super) unknown: usize,
}

/// The marks in `text[within]`, for a prompt with so many sources, numbered from 1.
pub(super) fn read(text: &str, within: Span, sources: usize) -> Vec<Mark> {
    let mut end = within.start;
    let mut read = Vec::new();
    for span in marks(text, within) {
        let Some(numbers) = numbers(span.of(text)) else { continue };
        let (mut known, mut unknown) = (Vec::new(), 0);
        for number in numbers {
            if number == 0 || number > sources {
                unknown += 1;
            } else if !known.contains(&number) {
                known.push(number);
            }
        }
        let is_note =
            span.of(text).strip_prefix('(').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        if is_note && unknown > 0 {
            continue; // "(12)" may count anything.
        }
        let before = text.get(end..span.start).unwrap_or_default();
        let gap = before.len() - before.trim_end_matches([' ', '\t']).len();
        end = span.end;
        read.push(Mark { span: Span { start: span.start - gap, end }, gap, known, unknown });
    }
    read
}

/// The numbers in a mark: of `[1, 3-5]`, of nested brackets too; what follows a dagger is none. None where there is
/// something else; in brackets that hold others this names no source, since what is in them must not be left.
fn numbers(mark: &str) -> Option<Vec<usize>> {
    let nested = mark.matches(['[', '【']).count() > 1;
    flat_numbers(mark).or(nested.then(|| vec![0]))
}

fn flat_numbers(mark: &str) -> Option<Vec<usize>> {
    let plain = mark.split('†').next().unwrap_or(mark).to_lowercase().replace("and", ",");
    let mut numbers = Vec::new();
    for part in plain.split(|c: char| !c.is_ascii_digit() && !matches!(c, '-' | '–')).filter(|part| !part.is_empty())
    {
        let ends: Vec<&str> = part.split(['-', '–']).collect();
        if ends.iter().any(|end| end.len() > DIGITS_MAX) {
            return None;
        }
        let ends: Option<Vec<usize>> = ends.into_iter().map(|end| end.parse().ok()).collect();
        match ends.as_deref() {
            Some([only]) => numbers.push(*only),
            Some([first, last]) if first <= last && last - first < RANGE_MAX => numbers.extend(*first..=*last),
            Some(_) | None => return None,
        }
    }
    (!numbers.is_empty()).then_some(numbers)
}

/// What stands in the place of a stretch of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    /// Bytes of the text; empty where something is put in.
    pub(super) span: Span,
    pub(super) text: String,
    /// The sources that `text` cites, each with where in `text` its mark begins.
    pub(super) cites: Vec<(usize, usize)>,
}

impl Edit {
    pub(super) fn remove(span: Span) -> Self {
        Self { span, text: String::new(), cites: Vec::new() }
    }

    /// `lead`, and the marks of these sources.
    pub(super) fn cite(span: Span, lead: &str, sources: &[usize]) -> Self {
        let (mut text, mut cites) = (lead.to_owned(), Vec::new());
        for number in sources {
            cites.push((*number, text.len()));
            text.push_str(&written(*number));
        }
        Self { span, text, cites }
    }
}

/// The mark of a source.
pub(super) fn written(number: usize) -> String {
    format!("[{number}]")
}

/// A stretch of a text with its edits made, at its place in what is shown.
#[derive(Debug)]
pub(super) struct Edited {
    pub(super) text: String,
    whole: Span,
    /// Where `text` begins in what is shown.
    shown: usize,
    edits: Vec<Edit>,
}

impl Edited {
    /// Makes the edits in `text[whole]`. Of two that overlap, the first stands.
    pub(super) fn new(text: &str, whole: Span, mut edits: Vec<Edit>, shown: usize) -> Self {
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let mut end = whole.start;
        edits.retain(|edit| {
            let stands = edit.span.start >= end && edit.span.end <= whole.end;
            end = if stands { edit.span.end } else { end };
            stands
        });
        let (mut written, mut at) = (String::new(), whole.start);
        for edit in &edits {
            written.push_str(text.get(at..edit.span.start).unwrap_or_default());
            written.push_str(&edit.text);
            at = edit.span.end;
        }
        written.push_str(text.get(at..whole.end).unwrap_or_default());
        let mut edited = Self { text: written, whole, shown, edits };
        edited.disarm();
        edited
    }

    /// Each mark that was written, and where it is shown.
    pub(super) fn cited(&self) -> Vec<(usize, Span)> {
        let mut cited = Vec::new();
        for edit in &self.edits {
            let start = self.offset(edit.span.start);
            cited.extend(edit.cites.iter().map(|(number, within)| {
                let start = start + within;
                (*number, Span { start, end: start + written(*number).len() })
            }));
        }
        cited
    }

    /// Where a stretch of the text is shown.
    pub(super) fn place(&self, span: Span) -> Span {
        let start = self.offset(span.start);
        Span { start, end: self.offset(span.end).max(start) }
    }

    /// The same with the marks that were put in at its end.
    pub(super) fn place_with_marks(&self, span: Span) -> Span {
        let at_end = |edit: &&Edit| edit.span.start == span.end && edit.span.end == span.end;
        let put_in: usize = self.edits.iter().filter(at_end).map(|edit| edit.text.len()).sum();
        let Span { start, end } = self.place(span);
        Span { start, end: end + put_in }
    }

    /// Where the text before `at` ends in what is shown. Within an edit: where that begins.
    fn offset(&self, at: usize) -> usize {
        let mut shown = self.shown + at.saturating_sub(self.whole.start);
        for edit in &self.edits {
            if edit.span.end <= at && edit.span.start < at {
                shown = shown + edit.text.len() - (edit.span.end - edit.span.start);
            } else if edit.span.start < at {
                shown -= at - edit.span.start;
            }
        }
        shown
    }

    /// What the removal of other things has made look like a mark gets round brackets, of as many bytes.
    fn disarm(&mut self) {
        let placed: Vec<usize> = self.cited().into_iter().map(|(_, at)| at.start - self.shown).collect();
        let whole = Span { start: 0, end: self.text.len() };
        for mark in marks(&self.text, whole) {
            let held = mark.of(&self.text);
            if !held.starts_with(['[', '【']) || placed.contains(&mark.start) || numbers(held).is_none() {
                continue;
            }
            let plain: String = held
                .chars()
                .map(|c| match c {
                    '[' => '(',
                    ']' => ')',
                    '【' => '（',
                    '】' => '）',
                    other => other,
                })
                .collect();
            self.text.replace_range(mark.start..mark.end, &plain);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<Vec<usize>> {
        read(text, Span { start: 0, end: text.len() }, 3).into_iter().map(|mark| mark.known).collect()
    }

    #[test]
    fn a_mark_names_its_sources_and_counts_those_that_are_none() {
        let marks = read("It works [2, 9].", Span { start: 0, end: 16 }, 3);
        assert_eq!(marks, [Mark { span: Span { start: 8, end: 15 }, gap: 1, known: vec![2], unknown: 1 }]);
        assert_eq!(found("a [1-3] b [3-3] c [1-900]"), [vec![1, 2, 3], vec![3]]);
    }

    #[test]
    fn brackets_that_are_no_marks_are_text() {
        for text in
            ["[x] done", "[ ] to do", "see [1](url)", "a[i] [", "[]", "[2024]", "(2019).", "(12).", "step (1) is"]
        {
            assert!(found(text).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_left_of_nested_brackets_is_no_mark() {
        let text = "a [[x]2] b";
        let edits = vec![Edit::remove(Span { start: 3, end: 6 })];
        assert_eq!(Edited::new(text, Span { start: 0, end: text.len() }, edits, 0).text, "a (2) b");
    }

    #[test]
    fn places_follow_the_edits() {
        let text = "One [9] two. Three.";
        let edits = vec![Edit::remove(Span { start: 3, end: 7 }), Edit::cite(Span { start: 11, end: 11 }, " ", &[2])];
        let edited = Edited::new(text, Span { start: 0, end: 12 }, edits, 100);
        assert_eq!(edited.text, "One two [2].");
        assert_eq!(edited.cited(), [(2, Span { start: 108, end: 111 })]);
        assert_eq!(edited.place(Span { start: 8, end: 12 }), Span { start: 104, end: 112 });
        assert_eq!(edited.place(Span { start: 8, end: 11 }), Span { start: 104, end: 107 });
        assert_eq!(edited.place_with_marks(Span { start: 8, end: 11 }), Span { start: 104, end: 111 });
    }
}
