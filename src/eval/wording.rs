//! Whether two texts say the same, by their words alone: facts, reference answers, texts that must never appear.
//!
//! Pure. Case, punctuation, Markdown's marks and line breaks don't count; numbers, and signs that change a value, do.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use crate::eval::stats::real;

/// Signs that are words by themselves: `5 %` is not `5`.
const SIGNS: &str = "%‰€$£¥°<>=±+";
/// Left out by SQuAD's evaluation.
const ARTICLES: [&str; 3] = ["a", "an", "the"];

/// The words of a text, in lower case and in order.
pub fn words(text: &str) -> Vec<String> {
    let plain: String = text.nfkc().collect::<String>().to_lowercase().replace('’', "'");
    plain
        .split_word_bounds()
        .filter(|word| word.chars().any(|c| c.is_alphanumeric() || SIGNS.contains(c)))
        .map(str::to_owned)
        .collect()
}

/// A text as it is compared letter by letter: lower case, each white space one space.
pub fn on_one_line(text: &str) -> String {
    text.nfkc().collect::<String>().to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the words of `wording` stand in `text` side by side and in this order.
pub fn says(text: &[String], wording: &str) -> bool {
    let wanted = words(wording);
    !wanted.is_empty() && text.windows(wanted.len()).any(|window| window == wanted)
}

fn for_squad(text: &str) -> Vec<String> {
    words(text).into_iter().filter(|word| !ARTICLES.contains(&word.as_str())).collect()
}

/// Whether answer and reference are the same words, articles aside (Rajpurkar et al. 2016).
pub fn is_exact(answer: &str, reference: &str) -> bool {
    for_squad(answer) == for_squad(reference)
}

/// F1 over the words that answer and reference share, each as often as both have it (Rajpurkar et al. 2016).
pub fn token_f1(answer: &str, reference: &str) -> f64 {
    let (answer, reference) = (for_squad(answer), for_squad(reference));
    if answer.is_empty() || reference.is_empty() {
        return if answer.len() == reference.len() { 1.0 } else { 0.0 };
    }
    let mut left: HashMap<&String, usize> = HashMap::new();
    for word in &reference {
        *left.entry(word).or_default() += 1;
    }
    let mut shared = 0usize;
    for word in &answer {
        if let Some(count) = left.get_mut(word).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    2.0 * real(shared) / real(answer.len() + reference.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_found_however_it_is_marked_up_and_never_within_a_word() {
        let text = words("It listens on **port\n2525** — by `default`, at 5 %.");
        for found in ["port 2525", "Port `2525`", "by default", "5%", "5 %"] {
            assert!(says(&text, found), "{found}");
        }
        for missing in ["port 25", "ort 2525", "2525 port", "6 %", ""] {
            assert!(!says(&text, missing), "{missing}");
        }
    }

    // squad's evaluate-v1.1.py: f1_score("The port is 2525.", "port 2525") == 0.8, exact_match_score("The Port", "port")
    #[test]
    fn f1_and_exact_match_are_squads() {
        assert!((token_f1("The port is 2525.", "port 2525") - 0.8).abs() < 1e-12);
        assert!(token_f1("something else", "port 2525").abs() < 1e-12);
        assert!((token_f1("", "") - 1.0).abs() < 1e-12 && token_f1("x", "").abs() < 1e-12);
        assert!(is_exact("The Port!", "port") && !is_exact("ports", "port"));
    }

    #[test]
    fn letters_are_compared_on_one_line() {
        assert!(on_one_line("The  code\nword is ÄPFEL").contains("code word is äpfel"));
    }
}
