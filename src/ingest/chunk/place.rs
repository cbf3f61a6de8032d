//! Places where a text can be cut, found line by line without parsing it.

/// A line or two that say what the next block is about are no longer than this.
const LEAD_IN_BYTES_MAX: usize = 160;

/// The mark of the Markdown code block that is open at some line, if one is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Fence(Option<&'static str>);

impl Fence {
    pub(super) fn is_open(self) -> bool {
        self.0.is_some()
    }

    /// The state after all lines of `text`.
    pub(super) fn over(self, text: &str) -> Self {
        text.lines().fold(self, Self::after)
    }

    fn after(self, line: &str) -> Self {
        let line = line.trim_start();
        match self.0 {
            Some(mark) if line.starts_with(mark) => Self(None),
            Some(mark) => Self(Some(mark)),
            None => Self(["```", "~~~"].into_iter().find(|mark| line.starts_with(mark))),
        }
    }
}

/// The byte of `stretch` to cut before, and the code block that is open there: the last line in the second half that
/// begins something, that is, follows a blank line, isn't indented and is in no code block; else the last line; else
/// the end.
pub(super) fn best_cut(stretch: &str, mut fence: Fence) -> (usize, Fence) {
    let (mut best, mut last_line) = (None, None);
    let mut start = 0;
    let mut after_blank = false;
    for line in stretch.split_inclusive('\n') {
        if start > stretch.len() / 2 {
            last_line = Some((start, fence));
            if after_blank && !fence.is_open() && !line.starts_with([' ', '\t', '\n', '}', ')', ']']) {
                best = last_line;
            }
        }
        fence = fence.after(line);
        after_blank = line.trim().is_empty();
        start += line.len();
    }
    best.or(last_line).unwrap_or((stretch.len(), fence))
}

/// Where the last block of `piece` begins, if it leads to what follows and is not all that there is.
pub(super) fn lead_in(piece: &str) -> Option<usize> {
    let start = piece.trim_end().rfind("\n\n")? + 2;
    let (before, block) = piece.split_at_checked(start)?;
    (leads(block) && !before.trim().is_empty()).then_some(start)
}

/// Whether a block is a term before its definition, "For example:" before the example, or the like: short, no sentence
/// of its own, no list item and no table row.
pub(super) fn leads(block: &str) -> bool {
    let block = block.trim_end();
    let belongs_to_a_block = [" ", "\t", "\n", "- ", "* ", "+ ", ">", "|", "```", "~~~"];
    let is_numbered = block.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(['.', ')']);
    let words = block.trim_end_matches(|c: char| ")]}\"'”’»*_".contains(c));
    block.len() <= LEAD_IN_BYTES_MAX
        && !belongs_to_a_block.iter().any(|mark| block.starts_with(mark))
        && !is_numbered
        && !words.ends_with(['.', '!', '?', '…', '。', '！', '？', '|'])
        && !block.ends_with("```")
}

/// Where to halve a text that has no white space at its ends: before a paragraph or a line near its middle, else before
/// a word, else before a character. None where there is but one character.
pub(super) fn middle(text: &str) -> Option<usize> {
    let part = |quarters: usize| text.floor_char_boundary(text.len() / 4 * quarters);
    let half = text.floor_char_boundary(text.len() / 2);
    if half == 0 {
        let first = text.chars().next()?.len_utf8();
        return (first < text.len()).then_some(first);
    }
    let quarter = part(1);
    let before = text.get(quarter..half)?;
    let place = text.get(quarter..part(3)).and_then(|around| around.rfind("\n\n"));
    let place = place.or_else(|| before.rfind('\n')).or_else(|| before.rfind(char::is_whitespace));
    Some(place.map_or(half, |at| quarter + at))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRETCH_BYTES: usize = 32 << 10;

    #[test]
    fn a_long_text_is_parted_where_something_begins() {
        let paragraph = format!("{}\n\n", "A line that says something.\n".repeat(40));
        let text = paragraph.repeat(60);
        let (length, _) = best_cut(text.get(..STRETCH_BYTES).expect("it is ASCII"), Fence::default());
        assert_eq!(length % paragraph.len(), 0);
        assert!(length > STRETCH_BYTES / 2);
    }

    #[test]
    fn a_long_text_is_not_parted_inside_a_code_block_if_it_can_be_helped() {
        let block = format!("Prose.\n\n```\n{}```\n\n", "code\n\ncode\n".repeat(100));
        let text = block.repeat(60);
        let (length, fence) = best_cut(text.get(..STRETCH_BYTES).expect("it is ASCII"), Fence::default());
        assert!(!fence.is_open());
        assert!(text.get(length..).is_some_and(|rest| rest.starts_with("Prose.") || rest.starts_with("```\ncode")));
    }

    #[test]
    fn the_code_block_that_is_open_at_a_cut_is_known() {
        let text = format!("```\n{}", "  code\n".repeat(100));
        assert!(best_cut(&text, Fence::default()).1.is_open());
        assert!(!Fence::default().over("a\n~~~\n```\n~~~\nb\n").is_open());
    }

    #[test]
    fn a_term_or_an_announcement_leads_to_what_follows() {
        for block in ["`shared_buffers` (`integer`)", "ACID", "For example:", "`-a`\n`--data-only`", "### Note"] {
            let piece = format!("A paragraph.\n\n{block}");
            assert_eq!(lead_in(&piece), Some(14), "{block}");
        }
    }

    #[test]
    fn sentences_list_items_and_rows_stand_with_what_is_before_them() {
        let long = "word ".repeat(40);
        let blocks =
            ["It is so.", "It is so (see there.)", "- item", "12. item", "| a | b |", "```\nx\n```", "    code", &long];
        for block in blocks {
            assert_eq!(lead_in(&format!("A paragraph.\n\n{block}")), None, "{block}");
        }
        assert_eq!(lead_in("Only this"), None);
        assert_eq!(lead_in("\n\nOnly this"), None);
    }

    #[test]
    fn a_text_is_halved_between_paragraphs_then_lines_then_words_then_characters() {
        let halves = |text: &'static str| middle(text).map(|at| text.split_at(at));
        assert_eq!(halves("one two\n\nthree\nfour"), Some(("one two", "\n\nthree\nfour")));
        assert_eq!(halves("one two\nthree four"), Some(("one two", "\nthree four")));
        assert_eq!(halves("one two three"), Some(("one", " two three")));
        assert_eq!(halves("onetwo"), Some(("one", "two")));
        assert_eq!(halves("日本"), Some(("日", "本")));
        assert_eq!(halves("日"), None);
    }
}
