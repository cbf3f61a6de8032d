//! An answer's text in, in pieces of any size; its claims out, each as soon as nothing that follows could change it.
//!
//! What comes out tiles the text: every byte belongs to exactly one `Piece`, so a reader can hold, show or leave out
//! each. How the text is cut on its way in makes no difference. A piece is a sentence, a list item's sentence, a table
//! row, a heading or a block of code; `Kind` says whether there is something in it to check. Reads Markdown as models
//! write it, not all of Markdown. Documents are read the same way, so that both ends have the same sentences.

use crate::document::Span;

use super::boundary::{self, Peek};
use super::checkable;

/// Text without an end is cut here, at a space: nobody waits for longer, and no evidence is as long.
const SENTENCE_BYTES_MAX: usize = 2_000;

/// What a piece is, and whether there is something in it to check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A sentence of a paragraph or list item, or a table row, that says something which may be right or wrong.
    Claim,
    Heading,
    Code,
    /// A table's head or rule, a line across the page.
    Rule,
    Question,
    /// "Sure!", "Here is a summary:", "Let me know if you need more."
    Chatter,
    /// "The documents don't say which port."
    AboutSources,
    /// Too few words to be right or wrong.
    Fragment,
    /// White space at the end.
    Blank,
}

/// A stretch of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// From the end of the piece before it: with white space, list signs and the like.
    pub whole: Span,
    /// What it says, without these.
    pub span: Span,
    pub kind: Kind,
}

/// All pieces of a text that is complete.
pub fn pieces(text: &str) -> Vec<Piece> {
    let mut reader = ClaimReader::new();
    let mut pieces = reader.push(text);
    pieces.extend(reader.finish());
    pieces
}

/// The state between two parts of a stream.
#[derive(Debug, Default, Clone)]
pub struct ClaimReader {
    text: String,
    done: usize,
    fenced: bool,
    in_table: bool,
    in_prose: bool,
    ended: bool,
}

/// What the line at some place begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Fence,
    Heading,
    Row,
    Rule,
    /// Its content begins after so many bytes of signs.
    Item(usize),
    Prose,
}

impl ClaimReader {
    pub fn new() -> Self {
        Self::default()
    }

    /// The text so far; spans are places in it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes the next part of the text; gives the pieces that are final with it.
    pub fn push(&mut self, part: &str) -> Vec<Piece> {
        self.text.push_str(part);
        self.take()
    }

    /// Nothing has come for a while. Gives what is complete whichever word comes next: a sentence with its full stop, that
    /// is, after which neither a capital nor a small letter would go on with it.
    pub fn settle(&mut self) -> Vec<Piece> {
        let mut ahead = Self { ended: true, ..self.clone() };
        let pieces = ahead.take();
        let Some(last) = pieces.iter().rfind(|piece| piece.kind != Kind::Blank) else { return Vec::new() };
        let text = last.span.of(&self.text);
        let plain = text.trim_end_matches(['"', '”', '’', '»', ')', '*', '_']);
        let stopped = plain.trim_end_matches(['.', '!', '?', '…']);
        let sign = text.get(stopped.len()..).unwrap_or_default();
        let is_sentence = !matches!(last.kind, Kind::Code | Kind::Heading | Kind::Rule) && !text.starts_with('|');
        let ends = |next: &str| boundary::is_boundary(stopped, sign, next);
        if !is_sentence || stopped.len() == plain.len() || !ends("The") || !ends("the") {
            return Vec::new();
        }
        *self = Self { ended: false, ..ahead };
        pieces
    }

    /// The text is complete: gives the rest of its pieces.
    pub fn finish(&mut self) -> Vec<Piece> {
        self.ended = true;
        self.take()
    }

    fn take(&mut self) -> Vec<Piece> {
        let mut found = Vec::new();
        while let Some(piece) = self.next() {
            self.done = piece.whole.end;
            found.push(piece);
        }
        found
    }

    fn next(&mut self) -> Option<Piece> {
        let rest = self.text.get(self.done..).filter(|rest| !rest.is_empty())?;
        let lead = rest.len() - rest.trim_start().len();
        let start = self.done + lead;
        if start == self.text.len() {
            return self.ended.then(|| self.piece(Span { start, end: start }, start, Kind::Blank));
        }
        let skipped = rest.get(..lead).unwrap_or_default();
        let begins_line = self.done == 0 || skipped.contains('\n') || self.text.get(..self.done)?.ends_with('\n');
        if self.fenced {
            return self.code(start);
        }
        if !begins_line {
            return self.sentence(start);
        }
        let in_prose = self.in_prose && skipped.matches('\n').count() < 2;
        let line = self.line(start, in_prose)?;
        let in_table = std::mem::replace(&mut self.in_table, line == Line::Row);
        self.in_prose = line == Line::Prose;
        match line {
            Line::Fence => self.code(start),
            Line::Heading => self.whole_line(start, Kind::Heading),
            Line::Rule => self.whole_line(start, Kind::Rule),
            Line::Row => {
                let row = self.row(start, in_table);
                self.in_table = row.is_some() || in_table;
                row
            }
            Line::Item(signs) => self.item(start, signs),
            Line::Prose => self.sentence(start),
        }
    }

    fn piece(&self, span: Span, end: usize, kind: Kind) -> Piece {
        Piece { whole: Span { start: self.done, end }, span, kind }
    }

    fn peek(&self, at: usize) -> Peek<'_> {
        boundary::peek(&self.text, at, self.ended)
    }

    /// What the line that starts at `at` begins. None: more text is needed to know.
    fn line(&self, at: usize, in_prose: bool) -> Option<Line> {
        let rest = self.text.get(at..)?;
        if rest.starts_with('|') {
            return Some(Line::Row);
        }
        let word = match self.peek(at) {
            Peek::Word(word) => word,
            Peek::Nothing => return Some(Line::Prose),
            Peek::Unknown => return None,
        };
        let is_of = |signs: &[char]| word.chars().all(|c| signs.contains(&c));
        let digits = word.bytes().take_while(u8::is_ascii_digit).count();
        let numbered = digits > 0 && digits <= 9 && matches!(word.get(digits..), Some("." | ")"));
        let line = if word.starts_with("```") || word.starts_with("~~~") {
            Line::Fence
        } else if is_of(&['#']) && word.len() <= 6 {
            Line::Heading
        } else if word.len() >= 3 && (is_of(&['-']) || is_of(&['*']) || is_of(&['_']) || is_of(&['='])) {
            Line::Rule
        } else if matches!(word, "-" | "*" | "+" | "•" | "–" | ">") || (numbered && (!in_prose || word == "1.")) {
            Line::Item(word.len())
        } else {
            Line::Prose
        };
        Some(line)
    }

    /// The end of the line at `at`, without its line break. None: it is not there yet.
    fn line_end(&self, at: usize) -> Option<usize> {
        let rest = self.text.get(at..)?;
        rest.find('\n').map(|length| at + length).or(self.ended.then_some(self.text.len()))
    }

    fn whole_line(&self, start: usize, kind: Kind) -> Option<Piece> {
        let end = self.line_end(start)?;
        Some(self.piece(trimmed(&self.text, start, end), end, kind))
    }

    /// A table row. The first one is the head, if a rule follows it.
    fn row(&self, start: usize, in_table: bool) -> Option<Piece> {
        let end = self.line_end(start)?;
        let span = trimmed(&self.text, start, end);
        let mut kind = if is_rule(span.of(&self.text)) { Kind::Rule } else { checkable::kind(span.of(&self.text)) };
        if !in_table && end < self.text.len() {
            let next_end = self.line_end(end + 1)?;
            if is_rule(self.text.get(end + 1..next_end)?.trim()) {
                kind = Kind::Rule;
            }
        } else if !in_table && !self.ended {
            return None;
        }
        Some(self.piece(span, end, kind))
    }

    /// A block of code, from its first fence to its last.
    fn code(&mut self, start: usize) -> Option<Piece> {
        self.fenced = true;
        let mut at = self.line_end(start)?;
        loop {
            if at >= self.text.len() {
                self.fenced = !self.ended;
                return self.ended.then(|| self.piece(trimmed(&self.text, start, at), at, Kind::Code));
            }
            let end = self.line_end(at + 1)?;
            let line = self.text.get(at + 1..end)?.trim();
            at = end;
            if line.starts_with("```") || line.starts_with("~~~") {
                self.fenced = false;
                return Some(self.piece(trimmed(&self.text, start, end), end, Kind::Code));
            }
        }
    }

    fn item(&mut self, start: usize, signs: usize) -> Option<Piece> {
        let rest = self.text.get(start + signs..)?;
        let spaces = rest.len() - rest.trim_start_matches([' ', '\t']).len();
        let content = start + signs + spaces;
        match self.text.get(content..)?.chars().next() {
            None if !self.ended => None,
            None | Some('\n') => Some(self.piece(Span { start, end: content }, content, Kind::Fragment)),
            Some(_) => self.sentence(content),
        }
    }

    /// The sentence that starts at `start`.
    fn sentence(&self, start: usize) -> Option<Piece> {
        let end = self.sentence_end(start)?;
        let span = trimmed(&self.text, start, end);
        let mut kind = checkable::kind(span.of(&self.text));
        if kind == Kind::Claim && self.stands_alone(span) && checkable::is_bold(span.of(&self.text)) {
            kind = Kind::Heading;
        }
        if kind == Kind::Fragment && self.ended && checkable::breaks_off(&self.text, span) {
            kind = Kind::Claim; // It would have said something: "The port is".
        }
        Some(self.piece(span, end, kind))
    }

    fn stands_alone(&self, span: Span) -> bool {
        let before = self.text.get(..span.start).unwrap_or_default();
        before.trim_end_matches([' ', '\t']).is_empty() || before.trim_end_matches([' ', '\t']).ends_with('\n')
    }

    fn sentence_end(&self, start: usize) -> Option<usize> {
        let mut at = start;
        loop {
            let Some(c) = self.text.get(at..)?.chars().next() else {
                return self.ended.then_some(at);
            };
            if at - start > SENTENCE_BYTES_MAX && c.is_whitespace() {
                return Some(at);
            }
            at = match c {
                '\n' if self.ends_block(start, at)? => return Some(at),
                '`' => boundary::after_code(&self.text, at, self.ended)?,
                '.' | '!' | '?' | '…' | '。' | '！' | '？' => match self.terminated(start, at)? {
                    Ok(end) => return Some(end),
                    Err(after) => after,
                },
                _ => at + c.len_utf8(),
            };
        }
    }

    /// Where the sentence ends if the sign at `at` ends it, or where to go on if it does not.
    fn terminated(&self, start: usize, at: usize) -> Option<Result<usize, usize>> {
        let end = boundary::after_closers(&self.text, at, self.ended)?;
        let next = self.text.get(end..)?;
        let Some(c) = next.chars().next() else {
            return self.ended.then_some(Ok(end));
        };
        let is_wide = self.text.get(at..)?.starts_with(['。', '！', '？']);
        if is_wide {
            return Some(Ok(end));
        }
        if !c.is_whitespace() {
            return Some(Err(end));
        }
        let gap = next.len() - next.trim_start().len();
        let skipped = next.get(..gap).unwrap_or_default();
        if let Some(offset) = skipped.find('\n') {
            // The end of a line may be the end of the block, whatever stands before it.
            if self.ends_block(start, end + offset)? {
                return Some(Ok(end));
            }
        }
        let word = match self.peek(end + gap) {
            Peek::Word(word) => word,
            Peek::Nothing => return Some(Ok(end)),
            Peek::Unknown => return None,
        };
        let sentence = self.text.get(start..at)?;
        let sign = self.text.get(at..end)?;
        Some(if boundary::is_boundary(sentence, sign, word) { Ok(end) } else { Err(end) })
    }

    /// Whether the line break at `at` ends the paragraph or item. None: more text is needed to know.
    fn ends_block(&self, start: usize, at: usize) -> Option<bool> {
        let line_start = self.text.get(start..at)?.rfind('\n').map_or(start, |offset| start + offset + 1);
        if boundary::is_entry(self.text.get(line_start..at)?) {
            return Some(true);
        }
        let rest = self.text.get(at + 1..)?;
        let next = rest.trim_start_matches([' ', '\t', '\r']);
        match next.chars().next() {
            None => self.ended.then_some(true),
            Some('\n') => Some(true),
            Some(_) => self.line(self.text.len() - next.len(), true).map(|line| line != Line::Prose),
        }
    }
}

/// `|---|:--:|`.
fn is_rule(row: &str) -> bool {
    row.starts_with('|') && row.contains('-') && row.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ' | '\t'))
}

fn trimmed(text: &str, start: usize, end: usize) -> Span {
    let held = text.get(start..end).unwrap_or_default();
    let from = start + (held.len() - held.trim_start().len());
    Span { start: from, end: (start + held.trim_end().len()).max(from) }
}

#[cfg(test)]
mod tests;
