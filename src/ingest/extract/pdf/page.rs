//! A page of PDFium → glyphs, rules and whether it has pictures.
//!
//! In: an open page. Out: its characters in PDFium's order, each with its box and its type, and the straight lines that
//! are drawn on it. Positions are in points with y upwards, turned so that the page is upright as it is shown.
//! Looks at a bounded number of drawn objects; a page with more has no rules.

use pdfium_render::prelude::{
    PdfPage, PdfPageObject, PdfPageObjectCommon, PdfPageObjectsCommon, PdfPagePathObject, PdfPageRenderRotation,
    PdfPageTextChar, PdfPathSegmentType, PdfPathSegments, PdfRect,
};

use super::super::ExtractError;
use super::lines::{Area, FontId, Fonts, Glyph, Style};
use super::tables::Rule;

/// A page with more objects than this is a drawing or a map, and its lines are no tables.
const OBJECTS_MAX: usize = 20_000;
const RULES_MAX: usize = 2_000;
/// A path with more segments is a curve or a letter.
const PATH_SEGMENTS_MAX: u32 = 400;
/// A rule is no thicker than this, in points.
const RULE_THICKNESS_MAX: f32 = 3.0;
/// And no shorter.
const RULE_LENGTH_MIN: f32 = 8.0;
/// Forms within forms, for pictures that are wrapped so.
const FORM_DEPTH_MAX: u32 = 4;
/// As many paths, on a page without characters, are letters drawn as outlines.
const OUTLINED_PATHS_MIN: usize = 200;

/// What PDFium shows of a page.
pub(super) struct Shown {
    pub(super) glyphs: Vec<Glyph>,
    pub(super) rules: Vec<Rule>,
    pub(super) height: f32,
    pub(super) has_pictures: bool,
}

/// How a page is turned when it is shown.
#[derive(Clone, Copy)]
struct Turn {
    rotation: PdfPageRenderRotation,
    width: f32,
    height: f32,
}

/// None: PDFium can't read the page's text.
pub(super) fn read(page: &PdfPage<'_>, fonts: &mut Fonts, chars_max: u32) -> Result<Option<Shown>, ExtractError> {
    let Ok(text) = page.text() else { return Ok(None) };
    let count = u32::try_from(text.len()).unwrap_or(0);
    if count > chars_max {
        return Err(ExtractError::TooLarge { what: "the characters of one page", limit: u64::from(chars_max) });
    }
    let turn = Turn::of(page);
    let mut glyphs = Vec::with_capacity(count as usize);
    let mut style = Style::default();
    let mut inside_word = false;
    let mut pairs = Surrogates::default();
    for char in text.chars().iter() {
        let Some(ch) = pairs.next(char.unicode_value()) else { continue };
        // Asking for the font takes longer than all the rest, and within a word it changes next to nothing.
        if !inside_word {
            style = style_of(&char, fonts);
        }
        inside_word = !ch.is_whitespace();
        let area = char.loose_bounds().map(|bounds| turn.rect(&bounds)).unwrap_or_default();
        glyphs.push(Glyph { ch, area, style });
    }
    let (rules, has_pictures) = drawn(page, turn);
    Ok(Some(Shown { glyphs, rules, height: turn.height, has_pictures }))
}

/// PDFium gives a character beyond the first 65,536 as two halves, one after the other.
#[derive(Default)]
struct Surrogates(Option<u16>);

impl Surrogates {
    /// None: the first half of a character, or none at all.
    fn next(&mut self, value: u32) -> Option<char> {
        let first = self.0.take();
        match (first, u16::try_from(value)) {
            (_, Ok(high @ 0xd800..0xdc00)) => {
                self.0 = Some(high);
                None
            }
            (Some(high), Ok(low)) => char::decode_utf16([high, low]).next()?.ok(),
            (None, _) | (Some(_), Err(_)) => char::from_u32(value).filter(|ch| *ch != '\0'),
        }
    }
}

fn style_of(char: &PdfPageTextChar<'_>, fonts: &mut Fonts) -> Style {
    let size = char.scaled_font_size().value.abs();
    let size = if size.is_finite() { size.min(1_000.0) } else { 0.0 };
    let font: FontId = fonts.id(char.font_name(), || char.font_is_fixed_pitch());
    Style::new(size, font)
}

fn drawn(page: &PdfPage<'_>, turn: Turn) -> (Vec<Rule>, bool) {
    let objects = page.objects();
    let mut rules = Vec::new();
    let mut has_pictures = false;
    let mut paths = 0;
    for index in 0..objects.len().min(OBJECTS_MAX) {
        let Ok(object) = objects.get(index) else { continue };
        match &object {
            PdfPageObject::Path(path) => {
                paths += 1;
                if rules.len() < RULES_MAX {
                    rules_of(path, &object, turn, &mut rules);
                }
            }
            PdfPageObject::Image(_) | PdfPageObject::Shading(_) => has_pictures = true,
            PdfPageObject::XObjectForm(_) => has_pictures = has_pictures || shows_pictures(&object, FORM_DEPTH_MAX),
            PdfPageObject::Text(_) | PdfPageObject::Unsupported(_) => {}
        }
    }
    if objects.len() > OBJECTS_MAX || rules.len() >= RULES_MAX {
        rules.clear();
    }
    (rules, has_pictures || paths >= OUTLINED_PATHS_MIN)
}

fn shows_pictures(object: &PdfPageObject<'_>, depth: u32) -> bool {
    match object {
        PdfPageObject::Image(_) => true,
        PdfPageObject::XObjectForm(form) if depth > 0 => (0..form.len().min(OBJECTS_MAX))
            .any(|index| form.get(index).is_ok_and(|object| shows_pictures(&object, depth - 1))),
        PdfPageObject::XObjectForm(_)
        | PdfPageObject::Path(_)
        | PdfPageObject::Shading(_)
        | PdfPageObject::Text(_)
        | PdfPageObject::Unsupported(_) => false,
    }
}

/// The straight lines of a path: the path itself where it is thin, else its segments.
fn rules_of(path: &PdfPagePathObject<'_>, object: &PdfPageObject<'_>, turn: Turn, rules: &mut Vec<Rule>) {
    let Ok(bounds) = object.bounds() else { return };
    let bounds = turn.rect(&bounds.to_rect());
    if bounds.width().min(bounds.height()) <= RULE_THICKNESS_MAX {
        rules.extend(Some(Rule::within(bounds)).filter(|rule| rule.length() >= RULE_LENGTH_MIN));
        return;
    }
    let stroked = path.is_stroked().unwrap_or(false);
    let Ok(matrix) = object.matrix() else { return };
    let segments = path.segments().transform(matrix);
    if !stroked || segments.len() > PATH_SEGMENTS_MAX {
        return;
    }
    let mut at = (0.0, 0.0);
    let mut from = at;
    for index in 0..segments.len() {
        let Ok(segment) = segments.get(index) else { return };
        let point = segment.point();
        let to = turn.point(point.0.value, point.1.value);
        match segment.segment_type() {
            PdfPathSegmentType::MoveTo => from = to,
            PdfPathSegmentType::LineTo => rules.extend(rule_between(at, to)),
            PdfPathSegmentType::BezierTo | PdfPathSegmentType::Unknown => {}
        }
        at = to;
        if segment.is_close() {
            rules.extend(rule_between(at, from));
            at = from;
        }
    }
}

fn rule_between(a: (f32, f32), b: (f32, f32)) -> Option<Rule> {
    let bounds = Area::around(a, b);
    let thin = bounds.width().min(bounds.height()) <= RULE_THICKNESS_MAX / 2.0;
    Some(Rule::within(bounds)).filter(|rule| thin && rule.length() >= RULE_LENGTH_MIN)
}

impl Turn {
    fn of(page: &PdfPage<'_>) -> Self {
        let rotation = page.rotation().unwrap_or(PdfPageRenderRotation::None);
        Self { rotation, width: page.width().value, height: page.height().value }
    }

    fn rect(self, rect: &PdfRect) -> Area {
        let low = self.point(rect.left().value, rect.bottom().value);
        let high = self.point(rect.right().value, rect.top().value);
        Area::around(low, high)
    }

    /// Width and height are those of the page as it is shown, after the turn.
    fn point(self, x: f32, y: f32) -> (f32, f32) {
        let (x, y) = match self.rotation {
            PdfPageRenderRotation::None => (x, y),
            PdfPageRenderRotation::Degrees90 => (y, self.height - x),
            PdfPageRenderRotation::Degrees180 => (self.width - x, self.height - y),
            PdfPageRenderRotation::Degrees270 => (self.width - y, x),
        };
        // Nothing below divides by a position, but a comparison with NaN is never true.
        (if x.is_finite() { x } else { 0.0 }, if y.is_finite() { y } else { 0.0 })
    }
}
