//! Text in, its sentences out, as spans: of paragraphs by Unicode's rules, and each list item and table row by itself.
//!
//! Headings, code blocks and table rules are no sentences; a sentence that ends with a colon takes the code block that
//! it introduces with it. Pure.

use unicode_segmentation::UnicodeSegmentation;

use crate::document::Span;

/// A longer block of code is not worth quoting with the sentence before it.
const CODE_BYTES_MAX: usize = 600;

/// The sentences of Markdown-like text, in order, trimmed.
pub(super) fn sentences(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    for block in blocks(text) {
        match block {
            Block::Prose(span) => found.extend(prose(text, span)),
            Block::Code(span) => attach(text, &mut found, span),
        }
    }
    found
}

enum Block {
    Prose(Span),
    Code(Span),
}

/// Paragraphs, list items, table rows and fenced code, in order.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Span> = None;
    let mut fence: Option<usize> = begins_in_code(text).then_some(0);
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let span = Span { start: at, end: at + line.len() };
        at = span.end;
        let content = line.trim();
        if let Some(start) = fence {
            if content.starts_with("```") {
                blocks.push(Block::Code(Span { start, end: span.end }));
                fence = None;
            }
            continue;
        }
        let is_row = content.starts_with('|');
        let ends_paragraph = content.is_empty() || content.starts_with('#') || content.starts_with("```") || is_row;
        if ends_paragraph || is_item(content, open.is_some()) {
            blocks.extend(open.take().map(Block::Prose));
        }
        if content.starts_with("```") {
            fence = Some(span.start);
        } else if is_row {
            blocks.push(Block::Prose(span));
        } else if !ends_paragraph {
            let start = open.map_or(span.start, |paragraph| paragraph.start);
            open = Some(Span { start, end: span.end });
        }
    }
    blocks.extend(open.map(Block::Prose));
    blocks
}

/// A chunk may begin in the middle of a code block: then its fences don't pair, and the first only closes one.
fn begins_in_code(text: &str) -> bool {
    let mut fences = text.lines().map(str::trim).filter(|line| line.starts_with("```"));
    fences.next().is_some_and(|first| first == "```") && fences.count() % 2 == 0
}

/// In a paragraph only a list's first number begins an item: "1940. " may well begin a line of prose.
fn is_item(line: &str, in_paragraph: bool) -> bool {
    let after = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = line.strip_suffix(after).unwrap_or_default();
    let numbered = !number.is_empty() && (after.starts_with(". ") || after.starts_with(") "));
    let bulleted = ["- ", "* ", "+ "].iter().any(|bullet| line.starts_with(bullet));
    bulleted || (numbered && (!in_paragraph || number == "1"))
}

fn prose(text: &str, block: Span) -> Vec<Span> {
    // To Unicode a line break ends a sentence; in a paragraph it is a space, and as many bytes.
    let one_line = block.of(text).replace('\n', " ");
    one_line
        .split_sentence_bound_indices()
        .filter_map(|(offset, sentence)| {
            let lead = sentence.len() - sentence.trim_start_matches(is_lead).len();
            let start = block.start + offset + lead;
            let end = block.start + offset + sentence.trim_end().len();
            (start < end && sentence.chars().any(char::is_alphabetic)).then_some(Span { start, end })
        })
        .collect()
}

/// White space and the marks that begin list items and quotes.
fn is_lead(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '*' | '+' | '>')
}

/// Joins a code block to the sentence right before it, where that one announces it.
fn attach(text: &str, found: &mut [Span], code: Span) {
    let Some(last) = found.last_mut() else { return };
    let between = Span { start: last.end, end: code.start }.of(text);
    let is_short = code.end - code.start <= CODE_BYTES_MAX;
    if is_short && between.trim().is_empty() && last.of(text).ends_with(':') {
        last.end = code.start + code.of(text).trim_end().len();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(text: &str) -> Vec<&str> {
        sentences(text).into_iter().map(|span| span.of(text)).collect()
    }

    #[test]
    fn a_paragraph_falls_into_its_sentences() {
        assert_eq!(split("One is here. Two follows,\non two lines! "), ["One is here.", "Two follows,\non two lines!"]);
    }

    #[test]
    fn items_and_rows_stand_alone_and_headings_and_rules_are_left_out() {
        let text = "# Title\n\nIntro\n- first item\n- second item\n\n| a | b |\n|---|---|\n| port | 80 |\n";
        assert_eq!(split(text), ["Intro", "first item", "second item", "| a | b |", "| port | 80 |"]);
    }

    #[test]
    fn a_colon_takes_the_code_that_follows() {
        let text = "Run this:\n\n```sh\nmake demo\n```\n\nDone now.\n```\nlone\n```";
        assert_eq!(split(text), ["Run this:\n\n```sh\nmake demo\n```", "Done now."]);
    }

    #[test]
    fn the_rest_of_a_code_block_at_the_start_is_no_sentence() {
        let text = "\"port\": 8080,\n}\n```\n\nThat was an example.";
        assert_eq!(split(text), ["That was an example."]);
    }

    #[test]
    fn a_number_at_the_start_of_a_line_of_prose_begins_no_item() {
        assert_eq!(split("It was built in\n1940. It stands."), ["It was built in\n1940.", "It stands."]);
    }

    proptest! {
        #[test]
        fn sentences_are_in_order_and_do_not_overlap(text in "[a-zA-Zä.!:#|`\\- \n]{0,200}") {
            let found = sentences(&text);
            for pair in found.windows(2) {
                prop_assert!(pair.first().map(|s| s.end) <= pair.last().map(|s| s.start));
            }
            for span in found {
                prop_assert!(!span.of(&text).is_empty());
            }
        }
    }
}
