//! Whether a ZIP package can be given to a library that would unpack it.
//!
//! Sizes in the directory may lie, so parts that could pass the limit are unpacked here once, and thrown away.

use std::io::{self, Cursor, Read, Write};

use zip::ZipArchive;

use crate::ingest::extract::error::ExtractError;

/// Deflate makes no more of a byte than this many.
const DEFLATE_TIMES_MAX: u64 = 1032;

/// What a package may unfold to, pictures aside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackageLimits {
    pub(crate) part_bytes_max: u64,
    pub(crate) all_bytes_max: u64,
    /// Elements of one part, where a library holds them all at once.
    pub(crate) part_elements_max: Option<u64>,
}

pub(crate) fn check(bytes: &[u8], limits: PackageLimits) -> Result<(), ExtractError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(ExtractError::damaged)?;
    let mut left = limits.all_bytes_max;
    for index in 0..archive.len() {
        let (name, packed, declared) = match archive.by_index_raw(index) {
            Ok(file) if file.encrypted() => return Err(ExtractError::Encrypted),
            Ok(file) => (file.name().map(|name| name.to_ascii_lowercase()), file.compressed_size(), file.size()),
            Err(error) => return Err(ExtractError::damaged(error)),
        };
        if !name.is_ok_and(|name| holds_text(&name)) {
            continue;
        }
        let most = packed.saturating_mul(DEFLATE_TIMES_MAX);
        let room = limits.part_bytes_max.min(left);
        let measured = if most <= room && limits.part_elements_max.is_none() {
            Measured { bytes: declared.min(most), elements: 0, ..Measured::default() }
        } else {
            // What can't be unpacked is for its reader to find.
            let Ok(file) = archive.by_index(index) else { continue };
            let mut measured = Measured::default();
            let _ = io::copy(&mut file.take(room + 1), &mut measured);
            measured
        };
        if measured.bytes > room {
            let limit = limits.part_bytes_max.min(limits.all_bytes_max);
            return Err(ExtractError::TooLarge { what: "unpacked bytes of the document", limit });
        }
        if let Some(limit) = limits.part_elements_max.filter(|limit| measured.elements > *limit) {
            return Err(ExtractError::TooLarge { what: "elements of the document", limit });
        }
        left -= measured.bytes;
    }
    Ok(())
}

/// Counts what is written to it.
#[derive(Debug, Default)]
struct Measured {
    bytes: u64,
    /// Tags that open one.
    elements: u64,
    last: u8,
}

impl Write for Measured {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.bytes += buffer.len() as u64;
        for byte in buffer {
            self.elements += u64::from(self.last == b'<' && byte.is_ascii_alphabetic());
            self.last = *byte;
        }
        Ok(buffer.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn holds_text(name: &str) -> bool {
    [".xml", ".rels", ".bin", ".html", ".xhtml", ".htm", ".vml"].iter().any(|end| name.ends_with(end))
}
