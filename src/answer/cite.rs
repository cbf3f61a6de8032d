//! Citation marks in a model's text, checked while it streams.
//!
//! Text goes in as it comes, in pieces of any size; what comes out is the same text in which every mark names a source
//! of the prompt. `[2, 9]` becomes `[2]` where there is no ninth source, and a mark that names none is taken out with
//! the space before it. Brackets in code (`argv[3]`) are no marks. Holds back at most one unfinished mark.

use crate::document::Span;

/// Longest text between brackets that may still be a mark.
const MARK_CHARS_MAX: usize = 40;
/// Most sources that a range such as `[2-5]` may name.
const RANGE_MAX: usize = 20;

/// Checked text, or a mark in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// The mark of this source, as bytes of the whole checked text. Comes right after the text that holds it.
    Mark {
        number: usize,
        at: Span,
    },
}

/// The state between two pieces.
#[derive(Debug)]
pub(super) struct MarkFilter {
    sources: usize,
    /// White space, then perhaps an opening bracket and what followed it: not yet known to be text or mark.
    held: String,
    code: Code,
    line_start: bool,
    backticks: usize,
    /// Bytes of checked text so far.
    length: usize,
    dropped: usize,
    text: String,
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Code {
    Prose,
    Inline,
    Fence,
}

impl MarkFilter {
    /// For a prompt with so many sources, numbered from 1.
    pub(super) fn new(sources: usize) -> Self {
        Self {
            sources,
            held: String::new(),
            code: Code::Prose,
            line_start: true,
            backticks: 0,
            length: 0,
            dropped: 0,
            text: String::new(),
            pieces: Vec::new(),
        }
    }

    /// Marks that named no source of the prompt, so far.
    pub(super) fn dropped(&self) -> usize {
        self.dropped
    }

    /// Takes the next piece of the model's text; gives what of it is checked.
    pub(super) fn push(&mut self, text: &str) -> Vec<Piece> {
        for c in text.chars() {
            self.take(c);
        }
        self.flush_text();
        std::mem::take(&mut self.pieces)
    }

    /// The model is done: what is still held back is text.
    pub(super) fn finish(&mut self) -> Vec<Piece> {
        self.take_prose('\n'); // Ends whatever is held, and is taken back.
        self.text.pop();
        self.flush_text();
        std::mem::take(&mut self.pieces)
    }

    fn take(&mut self, c: char) {
        self.follow_code(c);
        if self.code != Code::Prose {
            self.release();
            self.text.push(c);
            return;
        }
        self.take_prose(c);
    }

    fn take_prose(&mut self, c: char) {
        let bracket = self.held.trim_start().chars().next();
        let (held, depth) = (self.held.chars().count(), depth(&self.held));
        match (bracket, c) {
            (None, ' ' | '\t' | '[' | '【') => self.held.push(c),
            (None, _) => {
                self.release();
                self.text.push(c);
            }
            (Some('['), ']') if depth == 1 => self.close(c),
            (Some('【'), '】') => self.close(c),
            (Some(open), c) if held < MARK_CHARS_MAX && continues_mark(open, c) => self.held.push(c),
            // Forty brackets and numbers are no text, and what is left of them could read as a mark.
            (Some(_), c) if held >= MARK_CHARS_MAX && depth > 1 => {
                self.held.clear();
                self.dropped += 1;
                self.take_prose(c);
            }
            (Some(_), c) => self.abandon(c),
        }
    }

    /// The held bracket is no mark's after all. What follows it may still hold one.
    fn abandon(&mut self, c: char) {
        let held = std::mem::take(&mut self.held);
        let opening = held.find(['[', '【']).and_then(|at| held.get(at..)?.chars().next().map(|c| at + c.len_utf8()));
        let (before, after) = held.split_at(opening.unwrap_or(held.len()));
        self.text.push_str(before);
        for c in after.chars().chain([c]) {
            self.take_prose(c);
        }
    }

    /// Notes where code begins and ends: a line that starts with three backticks, or a backtick within one line.
    fn follow_code(&mut self, c: char) {
        if c == '`' {
            self.backticks += 1;
            if self.line_start && self.backticks == 3 {
                self.code = if self.code == Code::Fence { Code::Prose } else { Code::Fence };
            } else if self.code != Code::Fence && !(self.line_start && self.backticks < 3) {
                self.code = if self.code == Code::Inline { Code::Prose } else { Code::Inline };
            }
            return;
        }
        if self.line_start && (1..3).contains(&self.backticks) && self.code == Code::Prose {
            self.code = Code::Inline; // One backtick began the line, and no fence came of it.
        }
        self.backticks = 0;
        self.line_start = c == '\n' || (self.line_start && c.is_whitespace());
        if c == '\n' && self.code == Code::Inline {
            self.code = Code::Prose;
        }
    }

    /// The held bracket is closed by `c`: a mark, unless there is no number in it.
    fn close(&mut self, c: char) {
        let inside = self.held.trim_start().chars().skip(1).collect::<String>();
        let named = numbers(&inside);
        if named.is_empty() {
            self.held.push(c);
            self.release();
            return;
        }
        let mut known: Vec<usize> = Vec::new();
        for number in named {
            if number == 0 || number > self.sources {
                self.dropped += 1;
            } else if !known.contains(&number) {
                known.push(number);
            }
        }
        let space: String = self.held.chars().take_while(|c| c.is_whitespace()).collect();
        self.held.clear();
        if !known.is_empty() {
            self.text.push_str(&space);
        }
        for number in known {
            let start = self.length + self.text.len();
            self.text.push_str(&format!("[{number}]"));
            let at = Span { start, end: self.length + self.text.len() };
            self.flush_text();
            self.pieces.push(Piece::Mark { number, at });
        }
    }

    fn release(&mut self) {
        self.text.push_str(&self.held);
        self.held.clear();
    }

    fn flush_text(&mut self) {
        if !self.text.is_empty() {
            self.length += self.text.len();
            self.pieces.push(Piece::Text(std::mem::take(&mut self.text)));
        }
    }
}

fn continues_mark(open: char, c: char) -> bool {
    // 【3†source】 is how some models were taught to cite.
    open == '【' && !c.is_control() || c.is_ascii_digit() || matches!(c, ' ' | ',' | ';' | '-' | '–' | '[' | ']')
}

/// Brackets that are open at the end of what is held.
fn depth(held: &str) -> usize {
    held.matches('[').count().saturating_sub(held.matches(']').count())
}

/// The numbers in `1, 3-5`, of nested brackets too; what follows a dagger is no number. None where there is more.
fn numbers(inside: &str) -> Vec<usize> {
    let inside = inside.split('†').next().unwrap_or(inside);
    let mut numbers = Vec::new();
    for part in inside.split([',', ';', ' ', '[', ']']).filter(|part| !part.is_empty()) {
        let ends: Option<Vec<usize>> = part.split(['-', '–']).map(|n| n.parse().ok()).collect();
        match ends.as_deref() {
            Some([only]) => numbers.push(*only),
            Some([first, last]) if first <= last && last - first < RANGE_MAX => numbers.extend(*first..=*last),
            Some(_) | None => return Vec::new(),
        }
    }
    numbers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filtered(sources: usize, pieces: &[&str]) -> (String, Vec<(usize, Span)>, usize) {
        let mut filter = MarkFilter::new(sources);
        let mut out: Vec<Piece> = pieces.iter().flat_map(|piece| filter.push(piece)).collect();
        out.extend(filter.finish());
        let (mut text, mut marks) = (String::new(), Vec::new());
        for piece in out {
            match piece {
                Piece::Text(piece) => text.push_str(&piece),
                Piece::Mark { number, at } => marks.push((number, at)),
            }
        }
        (text, marks, filter.dropped())
    }

    #[test]
    fn a_mark_of_a_known_source_passes_and_is_placed() {
        let (text, marks, dropped) = filtered(3, &["It works [2]. So"]);
        assert_eq!((text.as_str(), dropped), ("It works [2]. So", 0));
        assert_eq!(marks, [(2, Span { start: 9, end: 12 })]);
    }

    #[test]
    fn a_mark_of_an_unknown_source_never_appears_and_is_counted() {
        assert_eq!(filtered(3, &["It works [7]. So [0] and [12]"]), ("It works. So and".into(), vec![], 3));
    }

    #[test]
    fn groups_and_ranges_keep_what_is_known_of_them() {
        let (text, marks, dropped) = filtered(3, &["a [1, 9] b [2-4] c 【3†source】"]);
        assert_eq!((text.as_str(), dropped), ("a [1] b [2][3] c [3]", 2));
        assert_eq!(marks.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 3]);
    }

    #[test]
    fn brackets_that_are_no_marks_stay_as_they_are() {
        for text in ["[x] done", "[ ] to do", "see [this](url)", "a[i] [", "[]", "x [1", "[2024-] ["] {
            assert_eq!(filtered(2, &[text]).0, text);
        }
    }

    #[test]
    fn brackets_in_code_stay_and_are_no_marks() {
        let text = "Use `argv[3]` or\n```c\nx[9] = a[1];\n```\nas said [1].";
        let (out, marks, dropped) = filtered(1, &[text]);
        assert_eq!((out.as_str(), dropped, marks.len()), (text, 0, 1));
        assert_eq!(filtered(1, &["`x[5]` and `y` then [5]"]).0, "`x[5]` and `y` then");
        assert_eq!(filtered(1, &["a lone ` and\nthen [5]"]).0, "a lone ` and\nthen");
    }

    proptest! {
        #[test]
        fn how_the_text_is_cut_makes_no_difference(
            parts in proptest::collection::vec("[a\\[\\]0-9, `\n【】†-]{0,6}", 0..12),
        ) {
            let pieces: Vec<&str> = parts.iter().map(String::as_str).collect();
            prop_assert_eq!(filtered(3, &pieces), filtered(3, &[&parts.concat()]));
        }

        #[test]
        fn every_mark_stands_where_it_says(text in "[a\\[\\]0-9, \n]{0,60}") {
            let (out, marks, _) = filtered(4, &[&text]);
            for (number, at) in marks {
                prop_assert_eq!(at.of(&out), format!("[{number}]"));
                prop_assert!((1..=4).contains(&number));
            }
        }

        #[test]
        fn no_unknown_number_stays_in_brackets(text in "[a\\[\\]0-9 \n]{0,60}") {
            let (out, _, _) = filtered(4, &[&text]);
            for number in 5..=999 {
                prop_assert!(!out.contains(&format!("[{number}]")), "{out:?}");
            }
        }
    }
}
