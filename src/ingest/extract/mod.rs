//! Bytes of a file → the text that is searched, with its headings, pages, tables and title.
//!
//! In: a name and all bytes of a file. Out: its text, UTF-8 with `\n` line ends, which every span of the document points
//! into; of mails and archives, all that is in them, each part a section of its own. The same bytes always give the same
//! text. An empty file gives an empty text, and the caller decides what that means. Does no I/O, and cuts nothing off in
//! silence: what can't be read whole is an error, and what is left out is noted.
//!
//! The way of a file: [`detect`] says what kind it is, [`reading`] gives it to the reader of that kind, which makes an
//! [`Extracted`] of it; where other files are in it, [`bundle`] joins what they become.

mod kind;
mod detect;
mod reading;
mod extracted;
mod error;
mod limits;

// The readers, by what they have in common; the last folder is what they share.
mod markup;
mod data;
mod office;
mod pdf;
mod bundle;
mod text;

pub use data::code::Language;
pub use data::json::JsonFields;
pub use error::ExtractError;
pub use extracted::{Extracted, FrontMatter, Heading, Note, Table};
pub use kind::FileKind;
pub use limits::ExtractLimits;
pub use pdf::Pdfium;

use bundle::joined;
use reading::Part;

/// The text of a file. Where several documents are in it, each is a section of the text.
pub fn extract(
    name: &str,
    bytes: &[u8],
    limits: &ExtractLimits,
    pdfium: Result<Pdfium, &str>,
) -> Result<Extracted, ExtractError> {
    let mut parts = reading::parts(name, bytes, limits, pdfium)?;
    match parts.pop() {
        Some(Part { path, content }) if parts.is_empty() && path.is_empty() => content,
        last => {
            parts.extend(last);
            joined::join(detect::detect(name, bytes)?, parts)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_never_longer_than_a_line_or_two() {
        let whole = extract("a.md", format!("# {}\n", "ü".repeat(500)).as_bytes(), &ExtractLimits::default(), Err(""));
        let title = whole.expect("it is text").title.expect("there is a heading");
        assert_eq!(title, format!("{}…", "ü".repeat(extracted::TITLE_CHARS_MAX)));
    }

    #[test]
    fn texts_beyond_the_limit_are_refused_wherever_they_stand() {
        let limits = ExtractLimits { text_bytes_max: 10, ..ExtractLimits::default() };
        assert_eq!(extract("a.txt", b"12345678901", &limits, Err("")), Err(text::writer::too_much_text(10)));
        assert!(extract("a.txt", b"1234567890", &limits, Err("")).is_ok());
    }
}
