//! Lines, tables and headings of all pages → one text with its offsets.
//!
//! In: the pages, and which lines are headings. Out: Markdown-like text. Lines of a paragraph are joined, and a word that
//! was cut at the end of a line is whole again; lines that were ended on purpose stay lines. List items begin with `- `
//! or their number, lines of code stand between fences, and tables have pipes. All offsets lie on character boundaries,
//! and headings, pages and tables ascend.

use super::super::{Heading, Table};

use super::headings::Mark;
use super::hyphens::Vocabulary;
use super::lines::{Line, is_unspaced};
use super::tables::{Block, Rows};
use super::{Page, real};

/// More than this times the usual distance of two lines parts paragraphs.
const PARAGRAPH_GAP_MIN: f32 = 1.3;
/// A line that is indented by so many sizes of type begins a paragraph.
const INDENT_MIN: f32 = 0.7;
/// How different two sizes may be within one paragraph.
const SIZE_SHARE_MAX: f32 = 0.15;
/// As many lines before and after a line show where its column ends.
const COLUMN_LINES: usize = 30;
/// What lines are apart where a page doesn't show it, in sizes of type.
const PITCH_USUAL: f32 = 1.2;
/// A single line of code is a line like another.
const CODE_LINES_MIN: usize = 2;
const CODE_INDENT_MAX: usize = 60;
const BULLETS: [char; 14] = ['•', '◦', '▪', '▫', '■', '□', '●', '○', '‣', '⁃', '∙', '·', '➢', '–'];

#[derive(Debug, Default)]
pub(super) struct Composed {
    pub(super) text: String,
    pub(super) headings: Vec<Heading>,
    pub(super) pages: Vec<usize>,
    pub(super) tables: Vec<Table>,
}

/// What stands between two lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joint {
    /// They are one line of a paragraph.
    Flow,
    Line,
    Paragraph,
}

pub(super) fn compose(pages: &[Page], marks: &[Mark]) -> Composed {
    let mut vocabulary = Vocabulary::default();
    for page in pages {
        for block in &page.blocks {
            match block {
                Block::Line(line) => vocabulary.add(line),
                Block::Table(_) => {}
            }
        }
    }
    let mut writer = Writer { vocabulary, composed: Composed::default(), last: None };
    let mut marks = marks.iter().peekable();
    for (number, page) in pages.iter().enumerate() {
        writer.begin_page();
        let layout = Layout::of(&page.blocks);
        let mut index = 0;
        while let Some(block) = page.blocks.get(index) {
            let mark = marks.next_if(|mark| mark.page == number && mark.first == index);
            index = match (block, mark) {
                (Block::Line(_), Some(mark)) => writer.heading(&page.blocks, mark),
                (Block::Line(line), None) => match code_run(&page.blocks, index, marks.peek().copied(), number) {
                    Some(end) => writer.code(page.blocks.get(index..end).unwrap_or_default(), end),
                    None => writer.line(line, layout.at(index), index),
                },
                (Block::Table(rows), _) => writer.table(rows, index),
            };
        }
    }
    writer.finish()
}

/// Where the lines of code that begin here end.
fn code_run(blocks: &[Block], start: usize, mark: Option<&Mark>, page: usize) -> Option<usize> {
    let heading = mark.filter(|mark| mark.page == page).map_or(usize::MAX, |mark| mark.first);
    let is_code = |block: &Block| match block {
        Block::Line(line) => line.fixed && line.is_upright(),
        Block::Table(_) => false,
    };
    let rest = blocks.get(start..blocks.len().min(heading)).unwrap_or_default();
    let count = rest.iter().take_while(|block| is_code(block)).count();
    (count >= CODE_LINES_MIN).then_some(start + count)
}

struct Writer<'a> {
    vocabulary: Vocabulary,
    composed: Composed,
    /// The line that was written last, if a paragraph may go on after it.
    last: Option<Last<'a>>,
}

struct Last<'a> {
    line: &'a Line,
    column_right: f32,
    same_page: bool,
}

impl<'a> Writer<'a> {
    fn begin_page(&mut self) {
        self.composed.pages.push(usize::MAX);
        if let Some(last) = &mut self.last {
            last.same_page = false;
        }
    }

    fn heading(&mut self, blocks: &[Block], mark: &Mark) -> usize {
        self.part(Joint::Paragraph);
        let start = self.composed.text.len();
        self.composed.text.extend(std::iter::repeat_n('#', usize::from(mark.level)));
        self.composed.text.push(' ');
        self.composed.text.push_str(&mark.title);
        self.composed.headings.push(Heading { level: mark.level, title: mark.title.clone(), start });
        self.page_starts(start);
        self.last = None;
        debug_assert!(mark.last < blocks.len());
        mark.last + 1
    }

    fn line(&mut self, line: &'a Line, place: Place, index: usize) -> usize {
        let joint = match &self.last {
            Some(last) => joint(last, line, place.pitch),
            None => Joint::Paragraph,
        };
        let text = &mut self.composed.text;
        let start = match joint {
            Joint::Flow => {
                let hyphen = self.last.as_ref().is_some_and(|last| last.line.hyphen);
                if hyphen && text.ends_with('-') {
                    if !self.vocabulary.keeps_hyphen(text.trim_end_matches('-'), &line.text) {
                        text.pop();
                    }
                } else if !(text.ends_with(is_unspaced) && line.text.starts_with(is_unspaced)) {
                    text.push(' ');
                }
                let start = text.len();
                text.push_str(&line.text);
                start
            }
            Joint::Line | Joint::Paragraph => {
                self.part(joint);
                let start = self.composed.text.len();
                match line.text.strip_prefix(BULLETS).map(str::trim_start).filter(|item| !item.is_empty()) {
                    Some(item) => self.composed.text.extend(["- ", item]),
                    None => self.composed.text.push_str(&line.text),
                }
                start
            }
        };
        self.page_starts(start);
        self.last = Some(Last { line, column_right: place.column_right, same_page: true });
        index + 1
    }

    fn code(&mut self, blocks: &[Block], end: usize) -> usize {
        let lines = || {
            blocks.iter().filter_map(|block| match block {
                Block::Line(line) => Some(line),
                Block::Table(_) => None,
            })
        };
        let fence = if lines().any(|line| line.text.contains("```")) { "~~~~" } else { "```" };
        self.part(Joint::Paragraph);
        let start = self.composed.text.len();
        let left = lines().map(|line| line.area.left).fold(f32::INFINITY, f32::min);
        let text = &mut self.composed.text;
        text.push_str(fence);
        let mut above: Option<&Line> = None;
        for line in lines() {
            text.push('\n');
            if above.is_some_and(|above| above.area.middle() - line.area.middle() > 1.8 * line.size) {
                text.push('\n');
            }
            let char_width = line.area.width() / real(line.text.chars().count().max(1));
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of floats saturates")]
            let indent = ((line.area.left - left) / char_width.max(1.0)).round() as usize;
            text.extend(std::iter::repeat_n(' ', indent.min(CODE_INDENT_MAX)));
            text.push_str(&line.text);
            above = Some(line);
        }
        text.push('\n');
        text.push_str(fence);
        self.page_starts(start);
        self.last = None;
        end
    }

    fn table(&mut self, rows: &Rows, index: usize) -> usize {
        self.part(Joint::Paragraph);
        let text = &mut self.composed.text;
        let start = text.len();
        let mut rows_start = start;
        for (number, row) in rows.cells.iter().enumerate() {
            if number > 0 {
                text.push('\n');
            }
            text.push('|');
            for cell in row {
                text.push(' ');
                text.push_str(&cell.replace('|', "\\|"));
                text.push_str(" |");
            }
            if number == 0 {
                text.push_str("\n|");
                text.extend(std::iter::repeat_n(" --- |", row.len()));
                rows_start = text.len() + 1;
            }
        }
        let span = start..text.len();
        self.composed.tables.push(Table { rows_start: rows_start.min(span.end), span });
        self.page_starts(start);
        self.last = None;
        index + 1
    }

    fn part(&mut self, joint: Joint) {
        let text = &mut self.composed.text;
        if !text.is_empty() {
            text.push_str(if joint == Joint::Line { "\n" } else { "\n\n" });
        }
    }

    /// Something of the page that was begun last is at `start`; the first call for a page counts.
    fn page_starts(&mut self, start: usize) {
        for page in self.composed.pages.iter_mut().rev().take_while(|page| **page == usize::MAX) {
            *page = start;
        }
    }

    fn finish(mut self) -> Composed {
        let end = self.composed.text.len();
        self.page_starts(end); // Empty pages at the end.
        if !self.composed.text.is_empty() {
            self.composed.text.push('\n');
        }
        self.composed
    }
}

/// What stands between the last line and this one.
fn joint(last: &Last<'_>, line: &Line, pitch: f32) -> Joint {
    let (above, size) = (last.line, last.line.size.max(line.size));
    if above.hyphen && line.text.starts_with(char::is_alphanumeric) {
        return Joint::Flow;
    }
    if begins_item(&line.text) || above.leads_to_page && last.same_page {
        return Joint::Line;
    }
    if (above.size - line.size).abs() > SIZE_SHARE_MAX * size {
        return Joint::Paragraph;
    }
    let down = above.area.middle() - line.area.middle();
    let ended = above.text.ends_with(['.', '!', '?', ':', '…', '。']);
    let goes_on = !ended && line.text.starts_with(|c: char| c.is_lowercase());
    let beside = down.abs() < 0.5 * size && line.area.left >= above.area.right;
    if last.same_page && beside {
        return Joint::Flow; // A row with a wide gap in it.
    }
    if !last.same_page || down <= 0.0 {
        return if goes_on { Joint::Flow } else { Joint::Paragraph }; // The next column or page.
    }
    if down > PARAGRAPH_GAP_MIN * pitch * size {
        return Joint::Paragraph;
    }
    // The first word would have fitted in the line above, so that line was ended on purpose.
    let short = last.column_right - above.area.right > line.first_word_width + 0.8 * size;
    let indent = (line.area.left - above.area.left) / size.max(1.0);
    if begins_item(&above.text) && indent > 0.0 && !short {
        return Joint::Flow;
    }
    if indent > INDENT_MIN && (ended || short) {
        return Joint::Paragraph;
    }
    if short { Joint::Line } else { Joint::Flow }
}

/// A bullet, a dash, or a number with a point or bracket, before a space.
fn begins_item(text: &str) -> bool {
    let Some((first, rest)) = text.split_once(' ') else { return false };
    if rest.is_empty() {
        return false;
    }
    let mut chars = first.chars();
    match (chars.next(), chars.as_str()) {
        (Some(bullet), "") if BULLETS.contains(&bullet) || matches!(bullet, '-' | '*') => true,
        (Some(_), _) => {
            let number = first.trim_start_matches('(').trim_end_matches([')', '.']);
            let closed = first.ends_with([')', '.']);
            let short = number.len() <= 3 && !number.is_empty();
            let counts = number.chars().all(|c| c.is_ascii_digit())
                || (number.len() == 1 && number.chars().all(|c| c.is_ascii_lowercase()) && first.ends_with(')'));
            closed && short && counts
        }
        (None, _) => false,
    }
}

/// How the lines of a page lie.
struct Layout {
    pitch: f32,
    columns: Vec<f32>,
}

#[derive(Clone, Copy)]
struct Place {
    /// Where the column that the line is in ends.
    column_right: f32,
    /// What lines are apart here, in sizes of type.
    pitch: f32,
}

impl Layout {
    fn of(blocks: &[Block]) -> Self {
        let line = |block: &Block| match block {
            Block::Line(line) => Some((line.area, line.size)),
            Block::Table(_) => None,
        };
        let lines: Vec<_> = blocks.iter().map(line).collect();
        let mut pitches: Vec<f32> =
            lines.iter().zip(lines.iter().skip(1)).filter_map(|(above, below)| pitch(*above, *below)).collect();
        pitches.sort_by(f32::total_cmp);
        let pitch = pitches.get(pitches.len() / 2).copied().unwrap_or(PITCH_USUAL);
        let columns = (0..lines.len()).map(|index| column_right(&lines, index)).collect();
        Self { pitch, columns }
    }

    fn at(&self, index: usize) -> Place {
        Place { column_right: self.columns.get(index).copied().unwrap_or_default(), pitch: self.pitch }
    }
}

type Laid = Option<(super::lines::Area, f32)>;

/// The distance of two lines, where they could be of one paragraph.
fn pitch(above: Laid, below: Laid) -> Option<f32> {
    let ((above, size), (below, other)) = (above?, below?);
    let pitch = (above.middle() - below.middle()) / size.max(1.0);
    ((size - other).abs() < 0.5 && (0.8..3.2).contains(&pitch)).then_some(pitch)
}

fn column_right(lines: &[Laid], index: usize) -> f32 {
    let Some((own, size)) = lines.get(index).copied().flatten() else { return 0.0 };
    let near = index.saturating_sub(COLUMN_LINES)..(index + COLUMN_LINES).min(lines.len());
    let column = lines
        .get(near)
        .unwrap_or_default()
        .iter()
        .flatten()
        .filter(|(area, _)| (area.left - own.left).abs() < 3.0 * size.max(1.0));
    column.map(|(area, _)| area.right).fold(own.right, f32::max)
}
