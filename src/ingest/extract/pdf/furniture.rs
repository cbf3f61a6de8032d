//! Headers, footers and page numbers, which are no part of the text.
//!
//! In: all pages. Removes from each the outermost lines whose place is taken on many pages, and whose words, numbers
//! aside, come back on several. What stands at the edge once stays. A document of few pages keeps all of its lines.

use std::collections::HashMap;

use super::lines::Line;
use super::tables::Block;
use super::{Page, real};

/// With fewer pages, nothing can be said to repeat.
const PAGES_MIN: usize = 4;
/// The same words, numbers aside, on as many pages.
const REPEATS_MIN: usize = 3;
/// How many of the pages have a line in the same place: half of them or more, for books with left and right pages.
const PLACE_SHARE_MIN: f32 = 0.4;
/// Two lines in one place are no further apart than this, in points.
const PLACE_HEIGHT: f32 = 4.0;
/// Header and footer have no more lines than this.
const ROUNDS: usize = 3;
/// They stand no further from the edge, as a share of the page's height; a bare page number may be further in.
const MARGIN_SHARE_MAX: f32 = 0.16;
const NUMBER_MARGIN_SHARE_MAX: f32 = 0.25;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Edge {
    Top,
    Bottom,
}

type Place = (Edge, i32);

pub(super) fn remove(pages: &mut [Page]) {
    if pages.len() < PAGES_MIN {
        return;
    }
    for edge in [Edge::Top, Edge::Bottom] {
        // A line is looked at only once all lines outside it are gone.
        let mut open = vec![true; pages.len()];
        for _ in 0..ROUNDS {
            round(pages, edge, &mut open);
        }
    }
}

/// Looks at the outermost line of each page that is still open, and closes those pages where it stays.
fn round(pages: &mut [Page], edge: Edge, open: &mut [bool]) {
    let mut places: HashMap<Place, usize> = HashMap::new();
    let mut words: HashMap<String, usize> = HashMap::new();
    let outermost: Vec<Option<usize>> =
        pages.iter().zip(&*open).map(|(page, open)| if *open { outermost(page, edge) } else { None }).collect();
    for (page, index) in pages.iter().zip(&outermost) {
        if let Some(line) = index.and_then(|index| line_at(page, index)) {
            *places.entry(place(line, edge)).or_default() += 1;
            *words.entry(masked(&line.text)).or_default() += 1;
        }
    }
    let taken = |(edge, at): Place| -> usize { (at - 1..=at + 1).filter_map(|at| places.get(&(edge, at))).sum() };
    let pages_min = (real(pages.len()) * PLACE_SHARE_MIN).max(real(REPEATS_MIN));
    for ((page, index), open) in pages.iter_mut().zip(outermost).zip(open) {
        let repeats = index.is_some_and(|index| {
            line_at(page, index).is_some_and(|line| {
                let same_words = words.get(&masked(&line.text)).copied().unwrap_or_default();
                same_words >= REPEATS_MIN && real(taken(place(line, edge))) >= pages_min
            })
        });
        match index.filter(|_| repeats) {
            Some(index) => drop(page.blocks.remove(index)),
            None => *open = false,
        }
    }
}

fn line_at(page: &Page, index: usize) -> Option<&Line> {
    match page.blocks.get(index)? {
        Block::Line(line) => Some(line),
        Block::Table(_) => None,
    }
}

/// The highest or lowest block of a page, if it is a line.
fn outermost(page: &Page, edge: Edge) -> Option<usize> {
    let outer = |block: &Block| match edge {
        Edge::Top => block.area().top,
        Edge::Bottom => -block.area().bottom,
    };
    let index = (0..page.blocks.len()).max_by(|a, b| outer(&page.blocks[*a]).total_cmp(&outer(&page.blocks[*b])))?;
    let near = |line: &&Line| {
        let is_number = !line.text.contains(char::is_alphabetic) || is_roman(&line.text);
        let margin = page.height * if is_number { NUMBER_MARGIN_SHARE_MAX } else { MARGIN_SHARE_MAX };
        match edge {
            Edge::Top => line.area.bottom > page.height - margin,
            Edge::Bottom => line.area.top < margin,
        }
    };
    line_at(page, index).filter(near).map(|_| index)
}

fn place(line: &Line, edge: Edge) -> Place {
    #[expect(clippy::cast_possible_truncation, reason = "a saturated place is a place like another")]
    let at = (line.area.middle() / PLACE_HEIGHT).round() as i32;
    (edge, at.clamp(i32::MIN + 1, i32::MAX - 1))
}

/// The text with each number as one sign, since page and chapter numbers go up.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for word in text.split(' ') {
        if is_roman(word) {
            masked.push('#');
        } else {
            for c in word.chars() {
                match c.is_numeric() {
                    true if masked.ends_with('#') => {}
                    true => masked.push('#'),
                    false => masked.push(c),
                }
            }
        }
        masked.push(' ');
    }
    masked
}

/// Page numbers before the first chapter: "xii".
fn is_roman(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| matches!(c, 'i' | 'v' | 'x' | 'l' | 'c'))
}
