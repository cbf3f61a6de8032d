//! Which lines are headings, and of which level.
//!
//! In: all pages, and the entries of the document's outline. Out: marks in the order of the text. An entry of the outline
//! makes a heading of the line on its page that says the same. Where the outline matches, lines that look like those
//! headings are headings too; where there is none, larger and bold lines are, level by level as they get smaller.
//! Rather misses a heading than makes one of a line of text.

use std::collections::{BTreeMap, HashMap};

use super::super::extracted::{Heading, on_one_line};

use super::lines::Line;
use super::outline::Entry;
use super::tables::Block;
use super::{Page, real};

const LEVEL_MAX: u8 = 6;
const TITLE_CHARS_MAX: usize = 200;
/// A heading runs over no more lines; more are a paragraph in large type.
const LINES_MAX: usize = 3;
/// An entry of the outline may stand on more of them: a chapter's number, then its name.
const ENTRY_LINES_MAX: usize = 4;
/// By how much a heading's type is larger than the text's.
const LARGER_MIN: f32 = 1.1;
/// Space above a bold heading of the text's size, as a multiple of the usual distance between lines.
const SPACE_ABOVE_MIN: f32 = 1.2;
const PITCH_USUAL: f32 = 1.2;
/// The outline is trusted to name all headings if as many of its entries are found.
const FOUND_SHARE_MIN: f32 = 0.5;
const ENTRIES_MIN: usize = 3;
/// A type that so much of the text is set in is not one of headings.
const TEXT_SHARE_MAX: f32 = 0.2;
/// A document of fewer pages has no title page.
const PAGES_WITH_TITLE_MIN: usize = 4;

/// A heading: the lines `first..=last` among the blocks of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) page: usize,
    pub(super) first: usize,
    pub(super) last: usize,
    pub(super) level: u8,
    pub(super) title: String,
}

/// What headings of one level look alike in: half points, and weight. Ordered from the least to the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Look {
    half_points: u16,
    bold: bool,
}

pub(super) fn find(pages: &[Page], entries: &[Entry]) -> Vec<Mark> {
    let Some(body) = body(pages) else { return Vec::new() };
    let listed = listed(pages, entries, body);
    let candidates = candidates(pages, body);
    let trusted = entries.len() >= ENTRIES_MIN && real(listed.len()) >= real(entries.len()) * FOUND_SHARE_MIN;
    let levels = if trusted {
        levels_learned(pages, &listed, &candidates)
    } else {
        levels_ranked(&candidates, pages.len(), body)
    };
    let mut marks: BTreeMap<(usize, usize), Mark> = BTreeMap::new();
    for mark in listed.into_iter().chain(candidates.into_iter().filter_map(|candidate| candidate.marked(&levels))) {
        let overlaps = (mark.first.saturating_sub(ENTRY_LINES_MAX)..=mark.last)
            .any(|at| marks.get(&(mark.page, at)).is_some_and(|other| other.last >= mark.first));
        if !overlaps {
            marks.insert((mark.page, mark.first), mark);
        }
    }
    marks.into_values().collect()
}

/// The title that the file gives, if a person could have written it, else the greatest heading of the first page.
pub(super) fn title(metadata: Option<String>, headings: &[Heading], pages: &[usize]) -> Option<String> {
    let page_end = pages.get(1).copied().unwrap_or(usize::MAX);
    let on_first_page = headings.iter().take_while(|heading| heading.start < page_end);
    metadata
        .filter(|title| is_sensible(title))
        .or_else(|| on_first_page.min_by_key(|heading| heading.level).map(|heading| heading.title.clone()))
}

/// Not the name of a file, nor what a program writes when nobody gave a title.
fn is_sensible(title: &str) -> bool {
    const FILES: [&str; 16] = [
        ".doc", ".docx", ".dvi", ".tex", ".indd", ".pdf", ".ps", ".fm", ".qxd", ".ppt", ".pptx", ".xls", ".xlsx",
        ".odt", ".rtf", ".txt",
    ];
    const EMPTY: [&str; 6] =
        ["untitled", "microsoft word -", "microsoft powerpoint -", "powerpoint presentation", "slide 1", "no title"];
    let lower = title.to_lowercase();
    let letters = title.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 3
        && !FILES.iter().any(|ending| lower.ends_with(ending))
        && !EMPTY.iter().any(|empty| lower.starts_with(empty))
        && !title.contains(['\u{fffd}', '\\'])
}

/// The type that most of the text is set in.
#[derive(Debug, Clone, Copy)]
struct Body {
    size: f32,
    bold: bool,
}

fn body(pages: &[Page]) -> Option<Body> {
    let mut chars: HashMap<Look, usize> = HashMap::new();
    for line in pages.iter().flat_map(|page| &page.blocks).filter_map(Block::line) {
        *chars.entry(Look::of(line)).or_default() += line.text.len();
    }
    let (look, _) = chars.into_iter().max_by_key(|(look, chars)| (*chars, *look))?;
    Some(Body { size: look.points(), bold: look.bold })
}

/// Headings that the outline names, in its order.
fn listed(pages: &[Page], entries: &[Entry], body: Body) -> Vec<Mark> {
    let mut taken: BTreeMap<(usize, usize), ()> = BTreeMap::new();
    let mut marks = Vec::new();
    let mut keys: HashMap<usize, Vec<String>> = HashMap::new();
    for entry in entries {
        // Some programs count pages anew, and a destination may lie at the end of the page before.
        let near = [Some(entry.page), entry.page.checked_add(1), entry.page.checked_sub(1)];
        let found = near.into_iter().flatten().find_map(|number| {
            let page = pages.get(number)?;
            let keys = keys.entry(number).or_insert_with(|| page.blocks.iter().map(block_key).collect());
            line_of(entry, page, keys, &|first| taken.contains_key(&(number, first)), body)
                .map(|(first, last)| (number, first, last))
        });
        let Some((page, first, last)) = found else { continue };
        taken.insert((page, first), ());
        let level = entry.level.clamp(1, LEVEL_MAX);
        let title = text_of(&pages[page].blocks, first, last);
        marks.push(Mark { page, first, last, level, title });
    }
    marks
}

/// The lines of a page that say what the entry says. Of several, the largest: the others are in a header or a text.
fn line_of(
    entry: &Entry,
    page: &Page,
    keys: &[String],
    is_taken: &dyn Fn(usize) -> bool,
    body: Body,
) -> Option<(usize, usize)> {
    let wanted = key(&entry.title);
    let bare = key(without_number(&entry.title));
    if bare.is_empty() {
        return None;
    }
    let mut best: Option<(u16, usize, usize)> = None;
    for first in 0..keys.len() {
        if is_taken(first) {
            continue;
        }
        let Some(last) = said_at(keys, first, &wanted, &bare) else { continue };
        let Some(line) = page.blocks.get(last).and_then(Block::line) else { continue };
        let begins = page.blocks.get(first).and_then(Block::line).and_then(|line| line.text.chars().next());
        if begins.is_some_and(|c| matches!(c, '(' | '[')) || line.leads_to_page {
            continue; // "(p. 12). Title" and the table of contents.
        }
        let rank = Look::of(line).half_points + u16::from(line.bold && !body.bold);
        if best.is_none_or(|(other, ..)| rank > other) {
            best = Some((rank, first, last));
        }
    }
    best.map(|(_, first, last)| (first, last))
}

/// The last of the lines from `first` on that together say the title, with its number or without.
fn said_at(keys: &[String], first: usize, wanted: &str, bare: &str) -> Option<usize> {
    let mut said = String::new();
    for (last, key) in keys.iter().enumerate().skip(first).take(ENTRY_LINES_MAX) {
        if key.is_empty() {
            return None;
        }
        said.push_str(key);
        if said.len() > wanted.len() + NUMBER_BYTES_MAX {
            return None;
        }
        let before = said.strip_suffix(bare);
        if said == wanted || before.is_some_and(|number| number.is_empty() || is_number(number)) {
            return Some(last);
        }
    }
    None
}

/// "chapter12" and "a".
const NUMBER_BYTES_MAX: usize = 24;

/// What may stand before a title, with spaces and points gone: "1", "23", "a1", "chapter2", "appendixb", "iv".
fn is_number(key: &str) -> bool {
    let words = ["chapter", "appendix", "part", "section", "kapitel", "chapitre", "capitulo", "annex"];
    let key = words.iter().find_map(|word| key.strip_prefix(word)).unwrap_or(key);
    let letters = key.trim_end_matches(|c: char| c.is_ascii_digit());
    letters.len() <= 1 || (letters.len() == key.len() && letters.chars().all(|c| matches!(c, 'i' | 'v' | 'x' | 'l')))
}

fn without_number(title: &str) -> &str {
    match title.split_once([' ', '\u{a0}', '\t']) {
        Some((number, rest)) if is_number(&key(number)) && !rest.trim().is_empty() => rest,
        Some(_) | None => title,
    }
}

/// Letters and digits, which neither spacing nor punctuation change.
fn key(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn block_key(block: &Block) -> String {
    block.line().map(|line| key(&line.text)).unwrap_or_default()
}

fn text_of(blocks: &[Block], first: usize, last: usize) -> String {
    let lines = blocks.get(first..=last).unwrap_or_default().iter().filter_map(Block::line);
    let mut text = String::new();
    for line in lines {
        match text.strip_suffix('-').filter(|_| line.text.starts_with(char::is_lowercase)) {
            Some(_) => drop(text.pop()),
            None => text.push(' '),
        }
        text.push_str(&line.text);
    }
    on_one_line(&text)
}

/// Lines that look like a heading, without a level yet.
struct Candidate {
    mark: Mark,
    look: Look,
}

impl Candidate {
    fn marked(mut self, levels: &BTreeMap<Look, u8>) -> Option<Mark> {
        self.mark.level = *levels.get(&self.look)?;
        Some(self.mark)
    }
}

fn candidates(pages: &[Page], body: Body) -> Vec<Candidate> {
    let mut candidates = Vec::new();
    let mut bytes = 0;
    let mut of_look: HashMap<Look, usize> = HashMap::new();
    for (number, page) in pages.iter().enumerate() {
        let mut first = 0;
        while first < page.blocks.len() {
            let run = run(&page.blocks, first);
            if let Some(line) = page.blocks.get(first).and_then(Block::line) {
                let said: usize = page.blocks.iter().skip(first).take(run).map(Block::text_bytes).sum();
                bytes += said;
                *of_look.entry(Look::of(line)).or_default() += said;
                candidates.extend(candidate(page, number, first, run, body));
            }
            first += run;
        }
    }
    let frequent = |look: &Look| of_look.get(look).is_some_and(|said| real(*said) > real(bytes) * TEXT_SHARE_MAX);
    candidates.retain(|candidate| !frequent(&candidate.look));
    candidates
}

/// How many lines from `first` on are set alike and follow each other closely.
fn run(blocks: &[Block], first: usize) -> usize {
    let mut count = 1;
    while let (Some(Block::Line(above)), Some(Block::Line(below))) =
        (blocks.get(first + count - 1), blocks.get(first + count))
    {
        let down = above.area.middle() - below.area.middle();
        let close = down > 0.5 * above.size && down < 1.6 * above.size;
        if Look::of(above) != Look::of(below) || !close {
            break;
        }
        count += 1;
    }
    count
}

fn candidate(page: &Page, number: usize, first: usize, run: usize, body: Body) -> Option<Candidate> {
    let line = page.blocks.get(first)?.line()?;
    let larger = line.size >= body.size * LARGER_MIN;
    let bolder = line.bold && !body.bold && line.size >= body.size * 0.95;
    let lines_max = if larger { LINES_MAX } else { 1 };
    if !(larger || bolder) || run > lines_max || line.fixed && !larger || line.leads_to_page {
        return None;
    }
    let last = first + run - 1;
    let title = text_of(&page.blocks, first, last);
    let blocks = &page.blocks;
    let stands_alone = !shares_row(blocks, first) && !shares_row(blocks, last) && !goes_on(blocks, last);
    if !is_title(&title) || !line.is_upright() || !stands_alone || !larger && !has_space_above(&page.blocks, first) {
        return None;
    }
    Some(Candidate { mark: Mark { page: number, first, last, level: 0, title }, look: Look::of(line) })
}

fn is_title(text: &str) -> bool {
    let chars = text.chars().count();
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    let begins =
        text.chars().next().is_some_and(|c| c.is_alphanumeric() || matches!(c, '(' | '"' | '“' | '¿' | '§' | '‘'));
    begins
        && chars <= TITLE_CHARS_MAX
        && letters >= 2
        && letters * 2 >= chars.saturating_sub(text.matches(' ').count())
        && !text.ends_with(['.', ',', ';', ':'])
        && !text.contains("...")
        && !text.contains(". . .")
}

/// Something stands beside the line: it is the name of a parameter or a cell, not a heading.
fn shares_row(blocks: &[Block], index: usize) -> bool {
    let Some(line) = blocks.get(index).and_then(Block::line) else { return false };
    let neighbours = [index.checked_sub(1), index.checked_add(1)];
    neighbours.into_iter().flatten().filter_map(|index| blocks.get(index)?.line()).any(|other| {
        let overlap = line.area.top.min(other.area.top) - line.area.bottom.max(other.area.bottom);
        overlap > 0.5 * line.area.height().min(other.area.height())
    })
}

/// The line below is close, and goes on with the sentence in another type.
fn goes_on(blocks: &[Block], last: usize) -> bool {
    let line = |index: usize| blocks.get(index).and_then(Block::line);
    let (Some(above), Some(below)) = (line(last), line(last + 1)) else { return false };
    let down = above.area.middle() - below.area.middle();
    let close = down > 0.0 && down < 1.5 * above.size;
    close && below.text.starts_with(char::is_lowercase)
}

fn has_space_above(blocks: &[Block], index: usize) -> bool {
    let above = index.checked_sub(1).and_then(|above| blocks.get(above));
    let (Some(above), Some(line)) = (above, blocks.get(index).and_then(Block::line)) else { return true };
    let above = above.area();
    let down = above.bottom + line.area.height() / 2.0 - line.area.middle();
    down < 0.0 || down > SPACE_ABOVE_MIN * PITCH_USUAL * line.size
}

/// Of each look, the level that most headings of the outline with this look have; what looks greater than any of them
/// is of level 1.
fn levels_learned(pages: &[Page], listed: &[Mark], candidates: &[Candidate]) -> BTreeMap<Look, u8> {
    let mut counts: BTreeMap<Look, [u32; LEVEL_MAX as usize + 1]> = BTreeMap::new();
    for mark in listed {
        let line = pages.get(mark.page).and_then(|page| page.blocks.get(mark.last)).and_then(Block::line);
        if let Some(line) = line
            && let Some(count) = counts.entry(Look::of(line)).or_default().get_mut(usize::from(mark.level))
        {
            *count += 1;
        }
    }
    let most = |counts: [u32; LEVEL_MAX as usize + 1]| (1..=LEVEL_MAX).max_by_key(|level| counts[usize::from(*level)]);
    let mut levels: BTreeMap<Look, u8> =
        counts.into_iter().filter_map(|(look, counts)| Some((look, most(counts)?))).collect();
    let greatest = levels.keys().next_back().copied();
    for candidate in candidates {
        if greatest.is_some_and(|greatest| candidate.look > greatest) {
            levels.entry(candidate.look).or_insert(1);
        }
    }
    levels
}

/// The greatest look is level 1, and so on. Looks that only the first page of many has are those of a title page; its
/// greatest is the title, the others are names and dates and get no level.
fn levels_ranked(candidates: &[Candidate], pages: usize, body: Body) -> BTreeMap<Look, u8> {
    let mut looks: BTreeMap<Look, bool> = BTreeMap::new();
    for candidate in candidates {
        *looks.entry(candidate.look).or_default() |= candidate.mark.page > 0 || pages < PAGES_WITH_TITLE_MIN;
    }
    let mut levels = BTreeMap::new();
    let mut level = 0;
    let mut above: Option<Look> = None;
    for (look, is_used) in looks.into_iter().rev() {
        if !is_used && level > 0 {
            continue;
        }
        let alike = above.is_some_and(|above| {
            // Weight parts levels only where size does not: a word in another font can take it from a line.
            let weighs = look.points() < body.size * LARGER_MIN && above.bold != look.bold;
            above.half_points - look.half_points <= 1 && !weighs
        });
        if !alike {
            level = (level + 1).min(LEVEL_MAX);
        }
        levels.insert(look, level);
        above = Some(look);
    }
    levels
}

impl Look {
    fn of(line: &Line) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size is no more than 6,000")]
        let half_points = (line.size * 2.0).round().clamp(0.0, 20_000.0) as u16;
        Self { half_points, bold: line.bold }
    }

    fn points(self) -> f32 {
        f32::from(self.half_points) / 2.0
    }
}
