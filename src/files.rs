//! A file's whole content in, the file on the disk out: as it was before or as it is now, never half of it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Puts this content in the file's place: written beside it, brought to the disk, and renamed. Whoever reads it
/// meanwhile, and whoever comes after a power cut, finds the one or the other.
pub(crate) fn replace(path: &Path, content: &str) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let mut file = File::create(&part)?;
    file.write_all(content.as_bytes())?;
    file.sync_all()?;
    fs::rename(&part, path)
}
