//! What holds for all pages, whatever is on them: from glyphs and rules to the text, without PDFium.

use proptest::prelude::*;

use super::lines::{Area, Fonts, Glyph, Style};
use super::tables::Rule;
use super::{Page, compose, headings, lines, outline, tables};

/// A line of text at a place, in letters as wide as half their size.
fn glyphs(line: &(String, u8, u8, u8, u16)) -> Vec<Glyph> {
    let (text, column, row, size, font) = line;
    let (x, y, size) = (f32::from(*column) * 60.0, 800.0 - f32::from(*row) * 12.0, 8.0 + f32::from(*size) * 3.0);
    let place = |(index, ch): (usize, char)| {
        let left = x + super::real(index) * size / 2.0;
        let area = Area { left, right: left + size / 2.0, bottom: y, top: y + size };
        Glyph { ch, area, style: Style::new(size, *font) }
    };
    text.chars().chain(['\n']).enumerate().map(place).collect()
}

fn rule((across, at, from, length): (bool, u8, u8, u8)) -> Rule {
    let (at, from) = (f32::from(at) * 6.0, f32::from(from) * 6.0);
    let to = from + f32::from(length) * 6.0;
    let (a, b) = if across { ((from, at), (to, at)) } else { ((at, from), (at, to)) };
    Rule::within(Area::around(a, b))
}

/// Cells in three columns below all other lines, and the rules around them.
/// A word, its column, row, size and offset.
type Placed = (String, u8, u8, u8, u16);

fn table(rows: &[[String; 3]], ruled: bool) -> (Vec<Placed>, Vec<Rule>) {
    let cell = |(row, cells): (u8, &[String; 3])| {
        (0_u8..).zip(cells).map(move |(column, text)| (text.clone(), column * 2, 40 + row, 0, 0)).collect::<Vec<_>>()
    };
    let cells = (0_u8..).zip(rows).flat_map(cell).collect();
    let height = |row: usize| 800.0 - 12.0 * (39.0 + super::real(row)) - 2.0;
    let across = (0..=rows.len()).map(|row| Rule::within(Area::around((0.0, height(row)), (360.0, height(row)))));
    let down = [0.0, 118.0, 238.0, 360.0].map(|x| Rule::within(Area::around((x, height(0)), (x, height(rows.len())))));
    (cells, if ruled { across.chain(down).collect() } else { Vec::new() })
}

fn fonts() -> Fonts {
    let mut fonts = Fonts::default();
    for name in ["Times", "Times-Bold", "Courier"] {
        fonts.id(name.to_owned(), || false);
    }
    fonts
}

fn letters(text: &str) -> Vec<char> {
    let mut letters: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
    letters.sort_unstable();
    letters
}

prop_compose! {
    /// Two pages with lines, many of them in columns, and rules.
    fn drawn()(
        pages in prop::collection::vec(
            (
                prop::collection::vec(("[A-Za-zäβ中0-9#|`.,() -]{0,30}", 0..8_u8, 0..38_u8, 0..4_u8, 0..3_u16), 0..40),
                prop::collection::vec((any::<bool>(), 0..130_u8, 0..100_u8, 2..60_u8), 0..6),
                (prop::collection::vec(prop::array::uniform3("[a-zß0-9|中]{1,9}"), 0..6), any::<bool>()),
            ),
            1..3,
        )
    ) -> (Vec<Page>, String) {
        let fonts = fonts();
        let mut said = String::new();
        let pages = pages
            .iter()
            .map(|(drawn, rules, (rows, ruled))| {
                let (cells, borders) = table(rows, *ruled);
                said.extend(drawn.iter().chain(&cells).map(|line| line.0.as_str()));
                let glyphs: Vec<Glyph> = drawn.iter().chain(&cells).flat_map(glyphs).collect();
                let rules: Vec<Rule> = rules.iter().copied().map(rule).chain(borders).collect();
                Page { blocks: tables::blocks(lines::lines(&glyphs, &fonts), &rules), height: 800.0, has_pictures: false }
            })
            .collect();
        (pages, said)
    }
}

proptest! {
    #[test]
    fn no_letter_is_lost_or_written_twice((pages, said) in drawn()) {
        let composed = compose::compose(&pages, &headings::find(&pages, &[]));
        prop_assert_eq!(letters(&composed.text), letters(&said));
    }

    #[test]
    fn offsets_ascend_and_begin_what_they_say((pages, _) in drawn(), titles in prop::collection::vec("[A-Za-z0-9 ]{1,8}", 0..5)) {
        let entry = |(page, title): (usize, String)| outline::Entry { title, level: 1, page: page % 2 };
        let entries: Vec<_> = titles.into_iter().enumerate().map(entry).collect();
        let composed = compose::compose(&pages, &headings::find(&pages, &entries));
        let from = |start: usize| composed.text.get(start..).expect("offsets lie on characters");
        prop_assert_eq!(composed.pages.len(), pages.len());
        prop_assert!(composed.pages.is_sorted());
        composed.pages.iter().for_each(|start| { from(*start); });
        prop_assert!(composed.headings.iter().map(|heading| heading.start).is_sorted_by(|a, b| a < b));
        for heading in &composed.headings {
            let line = format!("{} {}", "#".repeat(usize::from(heading.level)), heading.title);
            prop_assert_eq!(from(heading.start).lines().next(), Some(line.as_str()));
        }
        for table in &composed.tables {
            let rows = composed.text.get(table.span.clone()).expect("offsets lie on characters");
            prop_assert!(rows.lines().all(|row| row.starts_with("| ") && row.ends_with(" |")), "{rows}");
            prop_assert!(table.span.contains(&table.rows_start) && from(table.rows_start).starts_with("| "));
        }
    }
}
