//! Whether a question reads as if a person had asked it. Pure.

use unicode_segmentation::UnicodeSegmentation;

const WORDS_MIN: usize = 4;
const WORDS_MAX: usize = 22;
const CHARS_MAX: usize = 170;
const MEANINGFUL_WORDS_MIN: usize = 2;
/// They point at something that was said before, and nothing was.
const POINTING: &str = "it its itself they them their theirs this these those such he she his her him here there then thus therefore latter \
    former above below following other others another again otherwise instead either neither also same likewise too meanwhile one ones \
    that's so";
/// Words that every text has: alone they ask for nothing.
const COMMON: &str = "what which who whom whose where when why how long many often is are was were be been do does did can may must should \
    will would could has have had a an the of in on at to for from with without by as and or not no my me i mean means happen happens for if \
    after before while once than up out into about get got that what's nothing anything something everything";

/// One line, a capital first, one question mark last.
pub(super) fn finished(question: &str) -> String {
    let plain = question.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = plain.trim_end_matches(['.', ',', ';', ':', '?', ' ']);
    let mut letters = plain.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}?", letters.as_str())
}

/// Whether a person who has read nothing before it understands what it asks.
pub(super) fn is_readable(question: &str) -> bool {
    let words: Vec<String> = question.unicode_words().map(str::to_lowercase).collect();
    let among = |list: &str, word: &str| list.split_whitespace().any(|listed| listed == word);
    let meaningful = words.iter().filter(|word| !among(COMMON, word)).count();
    let points = words.iter().any(|word| among(POINTING, word));
    // "What happens when that is done": only a noun may follow a pointing "that".
    let dangles = words.last().is_some_and(|last| among("a an the of by as and or i is are was can be", last));
    let last_that = question.contains("that?") || question.contains("that is") || question.contains("hen that ");
    let is_closed =
        ['(', '[', '"'].iter().all(|open| balanced(question, *open)) && !question.contains(['…', ';', '|', '<', '>']);
    let twice = words.windows(2).any(|pair| matches!(pair, [first, second] if first == second));
    (WORDS_MIN..=WORDS_MAX).contains(&question.split_whitespace().count())
        && question.chars().count() <= CHARS_MAX
        && meaningful >= if question.starts_with("What ") { 1 } else { MEANINGFUL_WORDS_MIN }
        && !points
        && !dangles
        && !last_that
        && !twice
        && is_closed
}

/// Whether every text has this word.
pub(super) fn is_common(word: &str) -> bool {
    COMMON.split_whitespace().any(|common| common == word)
}

fn balanced(text: &str, open: char) -> bool {
    let close = match open {
        '(' => ')',
        '[' => ']',
        _ => open,
    };
    let (opened, closed) = (text.matches(open).count(), text.matches(close).count());
    if open == close { opened.is_multiple_of(2) } else { opened == closed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_points_back_is_too_short_or_breaks_off_is_no_persons_question() {
        for good in [
            "What is the default of embed.model?",
            "How do I make a key?",
            "What happens when the disk is full?",
            "What does exit code 3 mean?",
        ] {
            assert!(is_readable(good), "{good}");
        }
        for bad in [
            "Why is it refused there?",
            "How do I begin?",
            "What happens when they fail?",
            "What does the answer (which the model gave mean?",
            "What is the default of the?",
            "Does the the relay wait for mail?",
        ] {
            assert!(!is_readable(bad), "{bad}");
        }
        assert_eq!(finished("how do I  make\na key."), "How do I make a key?");
    }
}
