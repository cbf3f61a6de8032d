//! Whether a text goes round in circles: small models write the same over and over until they are stopped.

/// The same stretch so many times in a row …
const TIMES: usize = 3;
/// … and so long in all: "ha ha ha" is no circle yet.
const BYTES_MIN: usize = 160;
/// A longer stretch is not looked for.
const STRETCH_BYTES_MAX: usize = 1_000;
/// Lines across a page and rows of empty cells repeat as well; only of words is it a circle.
const WORDS_MIN: usize = 3;

/// So much of a text's end is looked at.
pub(super) const TAIL_BYTES_MAX: usize = TIMES * STRETCH_BYTES_MAX;

/// Whether the text ends with a stretch of words that came again and again, with nothing between.
pub(super) fn ends_in_circles(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=STRETCH_BYTES_MAX.min(bytes.len() / TIMES)).any(|stretch| {
        let all = stretch * TIMES.max(BYTES_MIN.div_ceil(stretch));
        let Some(tail) = bytes.len().checked_sub(all).and_then(|start| bytes.get(start..)) else { return false };
        let is_periodic = tail.get(stretch..) == tail.get(..all - stretch);
        is_periodic && words(tail.get(..stretch).unwrap_or_default()) >= WORDS_MIN
    })
}

fn words(stretch: &[u8]) -> usize {
    stretch
        .split(u8::is_ascii_whitespace)
        .filter(|word| word.iter().any(u8::is_ascii_alphabetic) || !word.is_ascii())
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_three_times_in_a_row_is_a_circle_and_less_is_none() {
        let sentence = "You can also use the `ALTER TABLE` command with a `NOT NULL` constraint [1]. ";
        assert!(!ends_in_circles(&format!("Yes. {}", sentence.repeat(2))));
        assert!(ends_in_circles(&format!("Yes. {}", sentence.repeat(3))));
        let later = format!("{}And so it ended, as it had to end: You can also use the", sentence.repeat(3));
        assert!(!ends_in_circles(&later), "what came since is no circle");
        assert!(ends_in_circles(&"The answer is:\n\n".repeat(12)), "short ones, when they come often");
        assert!(!ends_in_circles(&"The answer is:\n\n".repeat(4)));
        assert!(ends_in_circles(&"Der Schlüssel lässt sich ändern, und er läßt sich löschen. ".repeat(3)));
    }

    #[test]
    fn lines_tables_and_numbers_are_no_circles() {
        for text in ["-", "=", "| --- ", "|   ", "0, ", "...", "1 2 3 4 5 "] {
            assert!(!ends_in_circles(&text.repeat(200)), "{text}");
        }
        assert!(!ends_in_circles(&"ha ".repeat(20)));
    }
}
