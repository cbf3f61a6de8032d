//! Which texts are nearly the same: MinHash over five-word pieces, cut into bands so that they can be looked up.
//!
//! Broder, "On the resemblance and containment of documents" (1997). Pure; the same text always gives the same
//! signature. With [`BANDS`] bands of [`ROWS`] hashes, two texts that share 90 % of their pieces share a band in all but
//! one case of ten thousand, and two that share half in one of sixteen.

use unicode_segmentation::UnicodeSegmentation;

use crate::document::{DocumentId, Metadata};
use crate::ledger::{Ledger, LedgerError, Sight, Signature};

/// Words in a piece.
const PIECE_WORDS: usize = 5;
const BANDS: usize = 16;
const ROWS: usize = 8;
const HASHES: usize = BANDS * ROWS;
/// Texts of fewer words are alike by chance.
const WORDS_MIN: usize = 20;
/// From this share of common pieces on, two texts are called nearly the same.
const NEAR: f64 = 0.8;
/// Of a text that is everywhere, nobody wants to see each copy.
const NEAR_MAX: usize = 100;

/// A document whose text is nearly that of another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Near {
    pub external_id: String,
    pub title: String,
    /// The share of common pieces, in 0..=1.
    pub similarity: f64,
    pub metadata: Metadata,
}

/// The documents that are seen and have nearly the same text as this one, the most similar first.
pub async fn near(ledger: &Ledger, document: DocumentId, sight: Sight<'_>) -> Result<Vec<Near>, LedgerError> {
    let Some((minima, alike)) = ledger.alike(document, sight, NEAR_MAX).await? else { return Ok(Vec::new()) };
    let measured = alike.into_iter().map(|other| Near {
        similarity: similarity(&minima, &other.minima),
        metadata: serde_json::from_str(&other.metadata).unwrap_or_default(),
        external_id: other.external_id,
        title: other.title,
    });
    let mut near: Vec<Near> = measured.filter(|other| other.similarity >= NEAR).collect();
    near.sort_by(|a, b| b.similarity.total_cmp(&a.similarity).then_with(|| a.external_id.cmp(&b.external_id)));
    Ok(near)
}

/// What a text is like. None: it is too short to tell.
pub struct Likeness {
    minima: Vec<u8>,
    bands: Vec<u64>,
}

impl Likeness {
    pub fn of(text: &str) -> Option<Self> {
        let words: Vec<u64> = text.unicode_words().map(|word| hash(word.to_lowercase().as_bytes())).collect();
        if words.len() < WORDS_MIN {
            return None;
        }
        let mut least = [u32::MAX; HASHES];
        for piece in words.windows(PIECE_WORDS) {
            let mut state = piece.iter().fold(0_u64, |state, word| mix(state ^ word));
            for least in &mut least {
                state = mix(state);
                *least = u32::try_from(state >> 32).expect("the upper half has 32 bits").min(*least);
            }
        }
        let bands = least.chunks(ROWS).map(|rows| rows.iter().fold(0, |state, row| mix(state ^ u64::from(*row))));
        Some(Self { bands: bands.collect(), minima: least.iter().flat_map(|hash| hash.to_le_bytes()).collect() })
    }

    pub fn signature(&self) -> Signature<'_> {
        Signature { minima: &self.minima, bands: &self.bands }
    }
}

/// The share of pieces that two texts have in common, in 0..=1, as their signatures tell it: give or take 0.07.
fn similarity(a: &[u8], b: &[u8]) -> f64 {
    let same = a.chunks(4).zip(b.chunks(4)).filter(|(a, b)| a == b).count();
    f64::from(u32::try_from(same).unwrap_or(u32::MAX)) / f64::from(u32::try_from(HASHES).unwrap_or(u32::MAX))
}

/// FNV-1a, <http://www.isthe.com/chongo/tech/comp/fnv/>: the same on every machine and in every release.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A step of SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(from: usize, to: usize) -> String {
        (from..to).map(|n| format!("word{n} ")).collect()
    }

    fn compare(a: &str, b: &str) -> (f64, bool) {
        let (a, b) = (Likeness::of(a).unwrap(), Likeness::of(b).unwrap());
        (similarity(&a.minima, &b.minima), a.bands.iter().zip(&b.bands).any(|(a, b)| a == b))
    }

    #[test]
    fn a_text_with_a_few_words_changed_is_nearly_the_same_and_another_text_is_not() {
        let text = words(0, 500);
        let edited = text.replace("word77 ", "other ");
        let (similar, shares_a_band) = compare(&text, &edited);
        assert!(similar >= NEAR && shares_a_band, "{similar}");
        assert_eq!(compare(&text, &text.to_uppercase()), (1.0, true));
        let (similar, shares_a_band) = compare(&text, &words(1000, 1500));
        assert!(similar < 0.1 && !shares_a_band, "{similar}");
    }

    #[test]
    fn the_share_of_common_pieces_is_told_within_a_few_hundredths() {
        // Of 1,496 pieces in all, 496 are common.
        let (similar, _) = compare(&words(0, 1000), &words(500, 1500));
        assert!((similar - 496.0 / 1496.0).abs() < 0.12, "{similar}");
    }

    #[test]
    fn a_few_words_are_like_nothing() {
        assert!(Likeness::of("See the next page.").is_none());
    }
}
