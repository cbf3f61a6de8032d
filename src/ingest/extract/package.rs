//! Whether a ZIP package can be given to a library that would unpack it.
//!
//! Sizes in the directory may lie, so parts that could pass the limit are unpacked here once, and thrown away.

use std::io::{self, Cursor, Read};

use zip::ZipArchive;

use super::error::ExtractError;

/// Deflate makes no more of a byte than this many.
const DEFLATE_TIMES_MAX: u64 = 1032;

/// What a package may unfold to, pictures aside.
#[derive(Debug, Clone, Copy)]
pub(super) struct PackageLimits {
    pub(super) part_bytes_max: u64,
    pub(super) all_bytes_max: u64,
}

pub(super) fn check(bytes: &[u8], limits: PackageLimits) -> Result<(), ExtractError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(ExtractError::damaged)?;
    let mut all = 0_u64;
    for index in 0..archive.len() {
        let (name, packed) = match archive.by_index_raw(index) {
            Ok(file) if file.encrypted() => return Err(ExtractError::Encrypted),
            Ok(file) => (file.name().map(|name| name.to_ascii_lowercase()), file.compressed_size()),
            Err(error) => return Err(ExtractError::damaged(error)),
        };
        if !name.is_ok_and(|name| holds_text(&name)) {
            continue;
        }
        let most = packed.saturating_mul(DEFLATE_TIMES_MAX);
        let left = limits.part_bytes_max.min(limits.all_bytes_max.saturating_sub(all));
        all += if most <= left {
            archive.by_index_raw(index).map_or(0, |file| file.size()).min(most)
        } else {
            // What can't be unpacked is for its reader to find.
            let Ok(file) = archive.by_index(index) else { continue };
            io::copy(&mut file.take(left + 1), &mut io::sink()).unwrap_or(0)
        };
        if all > limits.all_bytes_max {
            return Err(ExtractError::TooLarge { what: "unpacked bytes of the document", limit: limits.all_bytes_max });
        }
        if most > left && all > left {
            return Err(ExtractError::TooLarge { what: "unpacked bytes of a part of the document", limit: left });
        }
    }
    Ok(())
}

fn holds_text(name: &str) -> bool {
    [".xml", ".rels", ".bin", ".html", ".xhtml", ".htm", ".vml"].iter().any(|end| name.ends_with(end))
}
