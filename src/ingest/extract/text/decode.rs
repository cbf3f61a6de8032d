//! Bytes → text, whatever its encoding.
//!
//! A byte order mark decides, then UTF-8 if the bytes are valid, then what an HTML page declares, then a guess from the
//! bytes. The text has no byte order mark and `\n` for every line end. Bytes that are no text in any encoding are
//! refused.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, ISO_2022_JP, UTF_8};

use crate::ingest::extract::ExtractError;

/// Where a page has to declare its encoding: <https://html.spec.whatwg.org/#charset>.
const DECLARATION_BYTES: usize = 1024;
/// Enough to guess an encoding from; more takes seconds and makes nothing surer.
const GUESS_BYTES: usize = 256 << 10;
/// A text has at most one control character in so many; of random bytes, more than one in ten is one.
const CHARS_PER_CONTROL_MIN: usize = 20;

/// Whether the bytes themselves may say which encoding they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    InHtml,
    Nowhere,
}

/// The text of `bytes`.
pub(crate) fn decode(bytes: &[u8], declared: Declared) -> Result<String, ExtractError> {
    let text = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding.decode_with_bom_removal(bytes).0.into_owned(),
        None if bytes.contains(&0) => return Err(ExtractError::NotText),
        None => without_mark(bytes, declared),
    };
    if is_text(&text) { Ok(with_plain_line_ends(text)) } else { Err(ExtractError::NotText) }
}

/// Whether the beginning of a file may be that of a text. It may end within a character.
pub(crate) fn seems_text(head: &[u8]) -> bool {
    match Encoding::for_bom(head) {
        Some(_) => true,
        None => !head.contains(&0) && is_text(&String::from_utf8_lossy(head)),
    }
}

fn without_mark(bytes: &[u8], declared: Declared) -> String {
    let declared = match declared {
        Declared::InHtml => declared_in_html(bytes),
        Declared::Nowhere => None,
    };
    // Text in ISO-2022-JP is ASCII bytes throughout, so it passes for UTF-8: here the declaration goes first.
    let seven_bit = declared == Some(ISO_2022_JP);
    match str::from_utf8(bytes) {
        Ok(text) if !seven_bit => text.to_owned(),
        _ => {
            // Declared as UTF-8 and yet invalid: the declaration is wrong.
            let encoding = declared.filter(|encoding| *encoding != UTF_8).unwrap_or_else(|| guessed(bytes));
            encoding.decode_without_bom_handling(bytes).0.into_owned()
        }
    }
}

/// From the first part of the text that has more than ASCII.
fn guessed(bytes: &[u8]) -> &'static Encoding {
    let telling = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let sample = bytes.get(telling.saturating_sub(GUESS_BYTES / 2)..).unwrap_or(bytes);
    let sample = sample.get(..GUESS_BYTES).unwrap_or(sample);
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(sample, true);
    detector.guess(None, Utf8Detection::Deny)
}

/// The encoding in `<meta charset=…>` or `<meta http-equiv=… content="…; charset=…">` or `<?xml encoding=…?>`.
fn declared_in_html(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..DECLARATION_BYTES).unwrap_or(bytes).to_ascii_lowercase();
    // Every encoding that a page can declare in its own bytes shares ASCII, which is all that is looked for.
    let head = String::from_utf8_lossy(&head);
    ["charset", "encoding"].into_iter().find_map(|name| {
        head.split(name).skip(1).find_map(|rest| {
            let value = rest.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
            let label = value.split(|c: char| !(c.is_ascii_alphanumeric() || "-_:.+".contains(c))).next()?;
            Encoding::for_label(label.as_bytes())
        })
    })
}

fn is_text(text: &str) -> bool {
    let mut controls = 0;
    let mut chars = 0;
    for c in text.chars() {
        chars += 1;
        match c {
            '\0' => return false,
            // Line ends, tabs, page breaks and the escape of coloured terminal output stand in honest texts.
            '\n' | '\r' | '\t' | '\u{b}' | '\u{c}' | '\u{1b}' => {}
            other => controls += usize::from(other.is_control()),
        }
    }
    controls * CHARS_PER_CONTROL_MIN <= chars
}

/// With `\n` for every line end.
pub(crate) fn with_plain_line_ends(text: String) -> String {
    if text.contains('\r') { text.replace("\r\n", "\n").replace('\r', "\n") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        decode(bytes, Declared::Nowhere).expect("the bytes are text")
    }

    fn page(bytes: &[u8]) -> String {
        decode(bytes, Declared::InHtml).expect("the bytes are text")
    }

    #[test]
    fn a_byte_order_mark_decides_and_is_not_part_of_the_text() {
        assert_eq!(text(b"\xef\xbb\xbfGr\xc3\xbc\xc3\x9fe"), "Grüße");
        assert_eq!(text(b"\xff\xfeG\0r\0\xfc\0"), "Grü");
        assert_eq!(text(b"\xfe\xff\0G\0r\0\xfc"), "Grü");
    }

    #[test]
    fn text_in_an_old_encoding_is_recognised() {
        assert_eq!(text(b"Die Stra\xdfe f\xfchrt \xfcber die Br\xfccke."), "Die Straße führt über die Brücke.");
        let (shift_jis, _, _) = encoding_rs::SHIFT_JIS.encode("データベースの設定を変更する方法について説明します。");
        assert_eq!(text(&shift_jis), "データベースの設定を変更する方法について説明します。");
    }

    #[test]
    fn a_page_is_read_in_the_encoding_it_declares() {
        assert_eq!(page(b"<meta charset=iso-8859-7>\xe1"), "<meta charset=iso-8859-7>α");
        let equiv = b"<META HTTP-EQUIV='Content-Type' CONTENT='text/html; CHARSET=koi8-r'>\xc1";
        assert!(page(equiv).ends_with('а'));
        assert!(page(b"<?xml version='1.0' encoding=\"windows-1251\"?>\xe0").ends_with('а'));
    }

    #[test]
    fn a_page_that_is_utf_8_is_read_so_whatever_it_declares() {
        assert_eq!(page("<meta charset=latin1>é".as_bytes()), "<meta charset=latin1>é");
    }

    #[test]
    fn a_page_that_wrongly_declares_utf_8_is_still_readable() {
        assert!(page(b"<meta charset=utf-8>caf\xe9 cr\xe8me, d\xe9j\xe0 vu").ends_with("café crème, déjà vu"));
    }

    #[test]
    fn every_line_end_becomes_a_line_feed() {
        assert_eq!(text(b"a\r\nb\rc\n\r\nd"), "a\nb\nc\n\nd");
    }

    #[test]
    fn white_space_of_every_kind_is_text() {
        assert_eq!(text(b"a\t\x0b\x0c b"), "a\t\u{b}\u{c} b");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        let noise: Vec<u8> = (0..4096_u32).map(|i| i.wrapping_mul(2_654_435_761).to_be_bytes()[0] | 1).collect();
        for bytes in [b"\x7fELF\x02\0\x01".as_slice(), b"\xff\xfe\0\0a\0".as_slice(), noise.as_slice()] {
            assert!(matches!(decode(bytes, Declared::Nowhere), Err(ExtractError::NotText)));
        }
    }
}
