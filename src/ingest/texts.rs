//! Extracted texts as they are kept: compressed on their way into the ledger, whole again on their way out.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

use super::extract::Extracted;
use crate::config;

/// Changes whenever the same bytes would give another text than before, so that `--reprocess` extracts them anew.
pub const EXTRACTOR_VERSION: &str = "1";

/// Names what decides which text the same bytes give.
pub fn extraction(limits: &config::Extract) -> String {
    format!("{EXTRACTOR_VERSION}; json {:?}", limits.json_fields)
}

/// As it is kept. Blocks.
pub fn pack(extracted: &Extracted) -> io::Result<Vec<u8>> {
    let mut body = ZlibEncoder::new(Vec::new(), Compression::fast());
    serde_json::to_writer(&mut body, extracted)?;
    body.flush()?;
    body.finish()
}

/// As it was. Blocks.
pub fn unpack(body: &[u8]) -> io::Result<Extracted> {
    let mut json = Vec::new();
    ZlibDecoder::new(body).read_to_end(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::extract::{ExtractLimits, extract};

    #[test]
    fn a_text_is_what_it_was_after_it_was_kept_and_takes_less() {
        let prose = "Some words, and then the same words again. ".repeat(200);
        let page = format!("# Title\n\n{prose}\n\n| a | b |\n|---|---|\n| 1 | 2 |\n");
        let extracted = extract("a.md", page.as_bytes(), &ExtractLimits::default(), Err("")).unwrap();
        let body = pack(&extracted).unwrap();
        assert!(body.len() < page.len() / 4);
        assert_eq!(unpack(&body).unwrap(), extracted);
    }

    #[test]
    fn what_was_not_packed_here_is_an_error() {
        assert!(unpack(b"").is_err());
        assert!(unpack(b"x\x9c broken").is_err());
    }
}
