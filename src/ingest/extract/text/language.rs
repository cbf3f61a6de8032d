//! Which language a text is in.
//!
//! Looks at some of its prose: lines that are no code, no table and no markup. Says nothing where it is not sure.

use whatlang::Lang;

use crate::ingest::extract::{Extracted, FileKind};

/// Enough to be sure, and little enough to cost nothing.
const SAMPLE_BYTES: usize = 3 << 10;
/// Below this many letters a guess is no more than that.
const LETTERS_MIN: usize = 40;

pub(crate) fn of(extracted: &Extracted) -> Option<String> {
    let FileKind::Code(_) = extracted.kind else { return of_prose(&sample(&extracted.text)) };
    None
}

fn of_prose(prose: &str) -> Option<String> {
    if prose.chars().filter(|c| c.is_alphabetic()).take(LETTERS_MIN).count() < LETTERS_MIN {
        return None;
    }
    let found = whatlang::detect(prose)?;
    let sure = found.is_reliable();
    sure.then(|| iso_639_1(found.lang()).to_owned())
}

/// Lines of prose from all over the text: a third from its beginning, its middle and its end, where it is long.
fn sample(text: &str) -> String {
    let third = SAMPLE_BYTES / 3;
    let mut prose = String::with_capacity(SAMPLE_BYTES);
    let starts = if text.len() <= SAMPLE_BYTES { vec![0] } else { vec![0, text.len() / 2, text.len() - third] };
    let share = if starts.len() == 1 { SAMPLE_BYTES } else { third };
    for start in starts {
        let start = text.ceil_char_boundary(start);
        let window = text.get(start..text.floor_char_boundary(start + 4 * share)).unwrap_or_default();
        let until = prose.len() + share;
        let mut fenced = false;
        for line in window.lines() {
            let words = line.trim_start();
            fenced ^= words.starts_with("```");
            let markup = words.starts_with(['|', '`', '<', '{', '}', ':', '.']);
            if !fenced && !markup && prose.len() < until {
                let room = words.floor_char_boundary(until - prose.len());
                prose.push_str(words.get(..room).unwrap_or_default());
                prose.push('\n');
            }
        }
    }
    prose
}

/// Each language of whatlang has a code of two letters but these; they keep that of their wider language.
fn iso_639_1(lang: Lang) -> &'static str {
    match lang {
        Lang::Epo => "eo",
        Lang::Eng => "en",
        Lang::Rus => "ru",
        Lang::Cmn => "zh",
        Lang::Spa => "es",
        Lang::Por => "pt",
        Lang::Ita => "it",
        Lang::Ben => "bn",
        Lang::Fra => "fr",
        Lang::Deu => "de",
        Lang::Ukr => "uk",
        Lang::Kat => "ka",
        Lang::Ara => "ar",
        Lang::Hin => "hi",
        Lang::Jpn => "ja",
        Lang::Heb => "he",
        Lang::Yid => "yi",
        Lang::Pol => "pl",
        Lang::Amh => "am",
        Lang::Jav => "jv",
        Lang::Kor => "ko",
        Lang::Nob => "nb",
        Lang::Dan => "da",
        Lang::Swe => "sv",
        Lang::Fin => "fi",
        Lang::Tur => "tr",
        Lang::Nld => "nl",
        Lang::Hun => "hu",
        Lang::Ces => "cs",
        Lang::Ell => "el",
        Lang::Bul => "bg",
        Lang::Bel => "be",
        Lang::Mar => "mr",
        Lang::Kan => "kn",
        Lang::Ron => "ro",
        Lang::Slv => "sl",
        Lang::Hrv => "hr",
        Lang::Srp => "sr",
        Lang::Mkd => "mk",
        Lang::Lit => "lt",
        Lang::Lav => "lv",
        Lang::Est => "et",
        Lang::Tam => "ta",
        Lang::Vie => "vi",
        Lang::Urd => "ur",
        Lang::Tha => "th",
        Lang::Guj => "gu",
        Lang::Uzb => "uz",
        Lang::Pan => "pa",
        Lang::Aze => "az",
        Lang::Ind => "id",
        Lang::Tel => "te",
        Lang::Pes => "fa",
        Lang::Mal => "ml",
        Lang::Ori => "or",
        Lang::Mya => "my",
        Lang::Nep => "ne",
        Lang::Sin => "si",
        Lang::Khm => "km",
        Lang::Tuk => "tk",
        Lang::Aka => "ak",
        Lang::Zul => "zu",
        Lang::Sna => "sn",
        Lang::Afr => "af",
        Lang::Lat => "la",
        Lang::Slk => "sk",
        Lang::Cat => "ca",
        Lang::Tgl => "tl",
        Lang::Hye => "hy",
        Lang::Cym => "cy",
    }
}
