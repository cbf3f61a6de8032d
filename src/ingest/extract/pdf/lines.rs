//! Glyphs in reading order → lines of text with their position and type.
//!
//! In: the characters of a page as PDFium orders them, each with its box. Out: lines, in the same order, without control
//! characters, ligatures or doubled spaces. A line that ends within a word says so. Nothing is sorted: a column beside
//! another one comes after it.

use std::collections::HashMap;
use std::ops::Range;

use super::real;

/// How PDFium marks a hyphen at the end of a line.
const HYPHEN_MARKS: [char; 2] = ['\u{2}', '\u{fffe}'];
/// A glyph that is further up or down than this, in its own heights, is on another line.
const SHIFT_MAX: f32 = 0.7;
/// A fragment that begins no further than this behind another, in sizes of type, continues it: an index, for one.
const FRAGMENT_GAP_MAX: f32 = 0.6;
/// Letters further apart than this, in sizes of type, belong to two words.
const SPACE_MIN: f32 = 0.18;
/// More guesses than this among the words mean that the file is wrong about the widths of its letters.
const GUESSED_SHARE_MAX: f32 = 0.15;
/// A page number is so far from what it belongs to, in sizes of type.
const PAGE_GAP_MIN: f32 = 1.8;
const LEADER_DOTS_MIN: usize = 4;
/// The share of a line's letters that makes the line bold, or code.
const BOLD_SHARE_MIN: f32 = 0.95;
const FIXED_SHARE_MIN: f32 = 0.8;

/// A rectangle with its sides along the page's.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Area {
    pub(super) left: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
    pub(super) top: f32,
}

pub(super) type FontId = u16;

/// The type of a character.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Style {
    /// In tenths of a point.
    size: u16,
    pub(super) font: FontId,
}

#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Face {
    pub(super) bold: bool,
    pub(super) fixed: bool,
}

/// The typefaces of a document.
#[derive(Default)]
pub(super) struct Fonts {
    ids: HashMap<String, FontId>,
    faces: Vec<Face>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Glyph {
    pub(super) ch: char,
    pub(super) area: Area,
    pub(super) style: Style,
}

/// A word of a line, for finding columns.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    /// Within the line's text.
    pub(super) range: Range<usize>,
    pub(super) left: f32,
    pub(super) right: f32,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) text: String,
    /// Empty once tables have been looked for.
    pub(super) words: Vec<Word>,
    pub(super) area: Area,
    /// Of most of its characters, in points.
    pub(super) size: f32,
    pub(super) bold: bool,
    pub(super) fixed: bool,
    /// It ends within a word, with the hyphen as its last character.
    pub(super) hyphen: bool,
    /// It is an entry of a table of contents: its last word is a number, far off or behind dots.
    pub(super) leads_to_page: bool,
    pub(super) first_word_width: f32,
}

/// The lines of one page.
pub(super) fn lines(glyphs: &[Glyph], fonts: &Fonts) -> Vec<Line> {
    let (lines, guessed) = read(glyphs, fonts, Spaces::Guessed);
    let words: usize = lines.iter().map(|line| line.words.len()).sum();
    if real(guessed) <= real(words) * GUESSED_SHARE_MAX {
        return lines;
    }
    read(glyphs, fonts, Spaces::Given).0
}

/// Where words end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Spaces {
    /// Where PDFium says so.
    #[default]
    Given,
    /// And where there is room for a space that it did not see.
    Guessed,
}

/// The lines, and how many spaces in them were guessed.
fn read(glyphs: &[Glyph], fonts: &Fonts, spaces: Spaces) -> (Vec<Line>, usize) {
    let mut lines: Vec<Line> = Vec::new();
    let mut guessed = 0;
    let mut open = Open::default();
    for glyph in glyphs {
        if matches!(glyph.ch, '\n' | '\r') || open.is_left_by(glyph) {
            finish(&mut open, fonts, &mut lines);
        }
        if spaces == Spaces::Guessed && open.is_parted_from(glyph) {
            guessed += 1;
            open.push_space();
        }
        open.push(glyph);
    }
    finish(&mut open, fonts, &mut lines);
    (lines, guessed)
}

fn finish(open: &mut Open, fonts: &Fonts, lines: &mut Vec<Line>) {
    let Some(line) = std::mem::take(open).into_line(fonts) else { return };
    match lines.last_mut() {
        Some(last) if last.is_continued_by(&line) => last.append(line),
        Some(_) | None => lines.push(line),
    }
}

/// A line that is being read.
#[derive(Default)]
struct Open {
    text: String,
    words: Vec<Word>,
    area: Option<Area>,
    /// The type of its first character.
    first: Option<Style>,
    last: Option<Glyph>,
    /// The space between the last two characters of the word, in points.
    last_gap: Option<f32>,
    in_word: bool,
    hyphen: bool,
    /// How many characters are of which type; a few types at most.
    styles: Vec<(Style, usize)>,
}

impl Open {
    fn push(&mut self, glyph: &Glyph) {
        if HYPHEN_MARKS.contains(&glyph.ch) {
            self.add("-", glyph);
            self.hyphen = true;
            return;
        }
        if glyph.ch.is_whitespace() {
            self.push_space();
            return;
        }
        let mut buffer = [0; 4];
        self.add(plain(glyph.ch, &mut buffer), glyph);
    }

    fn push_space(&mut self) {
        if self.in_word {
            self.in_word = false;
            self.text.push(' ');
        }
    }

    fn add(&mut self, text: &str, glyph: &Glyph) {
        if text.is_empty() {
            return;
        }
        self.hyphen = false;
        self.last_gap = self.last.filter(|_| self.in_word).map(|last| glyph.area.left - last.area.right);
        let start = self.text.len();
        self.text.push_str(text);
        match self.words.last_mut().filter(|_| self.in_word) {
            Some(word) => {
                word.range.end = self.text.len();
                word.left = word.left.min(glyph.area.left);
                word.right = word.right.max(glyph.area.right);
            }
            None => {
                let Area { left, right, .. } = glyph.area;
                self.words.push(Word { range: start..self.text.len(), left, right });
            }
        }
        self.in_word = true;
        self.area = Some(self.area.map_or(glyph.area, |area| area.with(&glyph.area)));
        self.first = self.first.or(Some(glyph.style));
        self.last = Some(*glyph);
        match self.styles.iter_mut().find(|(style, _)| *style == glyph.style) {
            Some((_, count)) => *count += 1,
            None => self.styles.push((glyph.style, 1)),
        }
    }

    /// PDFium does not break the line after a hyphen, nor always where text is set in a column.
    fn is_left_by(&self, glyph: &Glyph) -> bool {
        let Some(last) = &self.last else { return false };
        if glyph.ch.is_whitespace() || HYPHEN_MARKS.contains(&glyph.ch) {
            return false;
        }
        let height = last.area.height().max(glyph.area.height());
        (last.area.middle() - glyph.area.middle()).abs() > height * SHIFT_MAX
    }

    /// A space that PDFium did not see: wide, after letters that stand close.
    fn is_parted_from(&self, glyph: &Glyph) -> bool {
        let (Some(last), Some(last_gap)) = (self.last.filter(|_| self.in_word), self.last_gap) else { return false };
        if glyph.ch.is_whitespace() || HYPHEN_MARKS.contains(&glyph.ch) {
            return false;
        }
        let gap = glyph.area.left - last.area.right;
        let size = glyph.style.points();
        gap > SPACE_MIN * size
            && last_gap < gap / 2.0
            && ![last.ch, glyph.ch].iter().any(|ch| is_unspaced(*ch) || is_right_to_left(*ch))
            && last.style.size == glyph.style.size
    }

    fn into_line(self, fonts: &Fonts) -> Option<Line> {
        let area = self.area?;
        let text = self.text.trim_end().to_owned();
        let (style, _) = self.styles.iter().max_by_key(|(style, count)| (*count, *style))?;
        let share = |wanted: fn(Face) -> bool| {
            let all: usize = self.styles.iter().map(|(_, count)| count).sum();
            let such = self.styles.iter().filter(|(style, _)| wanted(fonts.face(style.font)));
            real(such.map(|(_, count)| *count).sum()) / real(all.max(1))
        };
        let begins_bold = self.first.is_some_and(|style| fonts.face(style.font).bold);
        let hyphen = self.hyphen || ends_within_a_word(&text);
        let first_word_width = self.words.first().map_or(0.0, |word| word.right - word.left);
        Some(Line {
            text,
            area,
            size: style.points(),
            bold: begins_bold && share(|face| face.bold) >= BOLD_SHARE_MIN,
            fixed: share(|face| face.fixed) >= FIXED_SHARE_MIN,
            hyphen,
            leads_to_page: false,
            first_word_width,
            words: self.words,
        })
    }
}

impl Line {
    /// An index above or below the line is a line to PDFium, and so is what comes after it.
    fn is_continued_by(&self, next: &Self) -> bool {
        let size = self.size.max(next.size);
        let gap = next.area.left - self.area.right;
        let beside = gap > -0.3 * size && gap < FRAGMENT_GAP_MAX * size;
        let overlap = self.area.top.min(next.area.top) - self.area.bottom.max(next.area.bottom);
        beside && overlap > 0.5 * self.area.height().min(next.area.height())
    }

    fn append(&mut self, next: Self) {
        let gap = next.area.left - self.area.right;
        if gap > 0.15 * self.size.min(next.size) {
            self.text.push(' ');
        }
        let shift = self.text.len();
        self.text.push_str(&next.text);
        let shifted = |word: Word| Word { range: word.range.start + shift..word.range.end + shift, ..word };
        self.words.extend(next.words.into_iter().map(shifted));
        if next.text.len() > shift {
            self.size = next.size;
        }
        self.area = self.area.with(&next.area);
        self.bold &= next.bold;
        self.fixed &= next.fixed;
        self.hyphen = next.hyphen;
    }

    /// The line as part of a text, in which columns and rows of dots mean nothing any more.
    pub(super) fn settle(mut self) -> Self {
        self.leads_to_page = self.ends_in_page_number();
        self.words = Vec::new();
        self.text = without_leaders(&self.text);
        self
    }

    fn ends_in_page_number(&self) -> bool {
        let [.., before, last] = self.words.as_slice() else { return false };
        let text = |word: &Word| self.text.get(word.range.clone()).unwrap_or_default();
        let is_number = text(last).chars().all(|c| c.is_ascii_digit() || matches!(c, 'i' | 'v' | 'x' | 'l'));
        let dots = text(before).ends_with("..") || matches!(text(before), "." | "·" | "…");
        is_number && last.range.len() <= 4 && (dots || last.left - before.right > PAGE_GAP_MIN * self.size)
    }

    /// Written from left to right or from right to left, not up or down the page.
    pub(super) fn is_upright(&self) -> bool {
        self.area.height() <= 3.0 * self.size.max(1.0) || self.area.width() >= self.area.height()
    }
}

/// Four dots and more, spaced or not, are drawn to lead the eye: one sign says the same.
fn without_leaders(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['.', '·', '…']) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c| !matches!(c, '.' | '·' | '…' | ' ')).unwrap_or(from.len());
        let (dots, after) = from.split_at(end);
        out.push_str(before);
        if dots.matches(['.', '·', '…']).count() >= LEADER_DOTS_MIN {
            out.truncate(out.trim_end().len());
            out.push_str(" … ");
        } else {
            out.push_str(dots);
        }
        rest = after;
    }
    out.push_str(rest);
    out.truncate(out.trim_end().len());
    out
}

/// A hyphen after a letter, at the end of a line.
fn ends_within_a_word(text: &str) -> bool {
    let mut chars = text.chars().rev();
    chars.next() == Some('-') && chars.next().is_some_and(char::is_alphabetic)
}

/// Written without spaces between words: Chinese and Japanese.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{ff00}'..='\u{ffef}')
}

/// Hebrew, Arabic and their neighbours, whose positions go down as the text goes on.
fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}')
}

/// What a character is in running text.
fn plain(ch: char, buffer: &mut [u8; 4]) -> &str {
    match ch {
        '\u{fb00}' => "ff",
        '\u{fb01}' => "fi",
        '\u{fb02}' => "fl",
        '\u{fb03}' => "ffi",
        '\u{fb04}' => "ffl",
        '\u{fb05}' | '\u{fb06}' => "st",
        // A hyphen that is drawn is there to be seen, whatever it is called.
        '\u{ad}' | '\u{2010}' | '\u{2011}' => "-",
        // The bullet of symbol fonts without names for their letters.
        '\u{f0b7}' | '\u{f0a7}' => "•",
        '\u{200b}' | '\u{feff}' | '\u{ffff}' => "",
        ch if ch.is_control() => "",
        ch => ch.encode_utf8(buffer),
    }
}

impl Area {
    pub(super) fn around(a: (f32, f32), b: (f32, f32)) -> Self {
        Self { left: a.0.min(b.0), right: a.0.max(b.0), bottom: a.1.min(b.1), top: a.1.max(b.1) }
    }

    pub(super) fn with(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            right: self.right.max(other.right),
            bottom: self.bottom.min(other.bottom),
            top: self.top.max(other.top),
        }
    }

    pub(super) fn width(&self) -> f32 {
        self.right - self.left
    }

    pub(super) fn height(&self) -> f32 {
        self.top - self.bottom
    }

    pub(super) fn middle(&self) -> f32 {
        f32::midpoint(self.bottom, self.top)
    }
}

impl Style {
    pub(super) fn new(size: f32, font: FontId) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
        let size = (size * 10.0).round().clamp(0.0, 60_000.0) as u16;
        Self { size, font }
    }

    fn points(self) -> f32 {
        f32::from(self.size) / 10.0
    }
}

impl Fonts {
    /// The number of the font of this name. Fonts beyond the 65,000th share one.
    pub(super) fn id(&mut self, name: String, fixed: impl FnOnce() -> bool) -> FontId {
        if let Some(id) = self.ids.get(&name) {
            return *id;
        }
        let Ok(id) = FontId::try_from(self.faces.len()) else { return FontId::MAX };
        let face = Face::named(&name);
        self.faces.push(Face { fixed: face.fixed || fixed(), ..face });
        self.ids.insert(name, id);
        id
    }

    fn face(&self, id: FontId) -> Face {
        self.faces.get(usize::from(id)).copied().unwrap_or_default()
    }
}

impl Face {
    /// Names are all that can be relied on: weights are guessed where the file gives none.
    fn named(name: &str) -> Self {
        let name = name.split_once('+').map_or(name, |(_, name)| name).to_ascii_lowercase();
        let any = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        // CMBX and its kin are Computer Modern Bold Extended; Medi is what Nimbus calls its bold.
        let bold = any(&["bold", "black", "heavy", "demi", "-medi", "cmbx", "cmssbx", "sfbx", "ecbx", "cmb1", "ecrb"]);
        let fixed = any(&["mono", "courier", "typewriter", "cmsltt", "cmitt", "consol", "fixed"]);
        // cmtt10, t1xtt: teletype, in the names that TeX's fonts have.
        let fixed = fixed || name.trim_end_matches(|c: char| c.is_ascii_digit()).ends_with("tt");
        Self { bold, fixed }
    }
}
