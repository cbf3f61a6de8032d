//! What the tests of several parts need.

use super::lines::{Area, Line};

/// A line at the bottom left of a page, in text of 10 points.
pub(super) fn line(text: &str) -> Line {
    Line {
        text: text.to_owned(),
        words: Vec::new(),
        area: Area { left: 0.0, right: 5.0 * length(text), bottom: 0.0, top: 10.0 },
        size: 10.0,
        bold: false,
        fixed: false,
        hyphen: text.ends_with('-'),
        leads_to_page: false,
        first_word_width: 5.0 * length(text.split(' ').next().unwrap_or_default()),
    }
}

fn length(text: &str) -> f32 {
    text.chars().map(|_| 1.0).sum()
}
