//! ZIP, tar, gzip and xz → a part for each document in them.
//!
//! Which members are documents is decided by their names, as in a folder: pictures and programs are not even unpacked,
//! only counted. Links and devices are counted and never followed. Names are made safe, whatever they try. An archive
//! that unfolds beyond the limits is refused whole; a member that can't be read is an error of its own.

use std::collections::HashSet;
use std::io::{self, Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use tar::EntryType;
use zip::ZipArchive;
use zip::read::ZipFile;

use crate::ingest::extract::detect;
use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::reading::{Place, Reading};
use crate::ingest::extract::{Extracted, Note};

/// Below this, how many times its size an archive unfolds does no harm.
const UNPACKED_BYTES_HARMLESS: u64 = 4 << 20;
/// What an xz file may ask for to be unpacked: the most that its tools take by default, and a little more.
const XZ_MEMORY_KB_MAX: u32 = 96 << 10;
/// A longer name keeps its end.
const NAME_BYTES_MAX: usize = 512;
/// The type bits of a Unix mode, and what they say of a plain file.
const MODE_TYPE: u32 = 0o170_000;
const MODE_FILE: u32 = 0o100_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    Zip,
    Tar,
    Gzip,
    Xz,
}

/// The names of members so far, made safe and told apart.
#[derive(Debug, Default)]
pub(crate) struct Names {
    seen: HashSet<String>,
}

impl Names {
    /// `name` without what would lead out of the archive, and unlike all names before it.
    pub(crate) fn unique(&mut self, name: &str) -> String {
        let name = safe(name);
        let (stem, extension) = match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() && !stem.ends_with('/') => (stem, format!(".{extension}")),
            Some(_) | None => (name.as_str(), String::new()),
        };
        let mut unique = name.clone();
        let mut number = self.seen.len();
        while !self.seen.insert(unique.clone()) {
            number += 1;
            unique = format!("{stem} ({number}){extension}");
        }
        unique
    }
}

/// Steps parted by `/`, none of which is empty, goes up, or holds what a name should not.
fn safe(name: &str) -> String {
    let steps = name.split(['/', '\\']).map(str::trim).filter(|step| !matches!(*step, "" | "." | ".."));
    let steps = steps.filter(|step| !(step.len() == 2 && step.ends_with(':')));
    let steps: Vec<String> = steps
        // `!/` is what parts a member from its archive.
        .map(|step| step.trim_end_matches('!').chars().map(|c| if c.is_control() { '_' } else { c }).collect())
        .filter(|step: &String| !step.is_empty())
        .collect();
    let name = steps.join("/");
    let start = name.ceil_char_boundary(name.len().saturating_sub(NAME_BYTES_MAX));
    match name.get(start..).unwrap_or_default() {
        "" => "unnamed".to_owned(),
        name => name.to_owned(),
    }
}

/// Whether a walk over a folder would take such a file.
fn is_wanted(name: &str) -> bool {
    let hidden = name.split('/').any(|step| step.starts_with('.') || step == "__MACOSX");
    !hidden && FileKind::of(Path::new(name)).is_some()
}

/// What was met beside documents.
#[derive(Debug, Default)]
struct Skipped {
    links: u32,
    others: u32,
}

/// Fails once more is read than may be.
struct Limited<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}

impl Reading<'_> {
    pub(crate) fn archive(
        &mut self,
        packing: Packing,
        name: &str,
        bytes: &[u8],
        place: &Place,
    ) -> Result<(), ExtractError> {
        let place = Place { archives_deep: place.archives_deep + 1, ..place.clone() };
        let limit = self.limits.archives_deep_max;
        if place.archives_deep > limit {
            return self.part(place.path, Err(ExtractError::TooDeep { what: "archives", limit }));
        }
        // What it may unfold to in all, by its own size.
        let by_ratio = (bytes.len() as u64).saturating_mul(self.limits.unpacked_times_max);
        let left = by_ratio.max(UNPACKED_BYTES_HARMLESS);
        match packing {
            Packing::Zip => self.zip(bytes, left, &place),
            Packing::Tar => self.tar(bytes, FileKind::Tar, &place),
            Packing::Gzip => {
                let source = Limited { inner: MultiGzDecoder::new(bytes), left };
                self.compressed(source, name, FileKind::Gzip, &place)
            }
            Packing::Xz => {
                let inner = XzReader::new_mem_limit(bytes, true, XZ_MEMORY_KB_MAX);
                self.compressed(Limited { inner, left }, name, FileKind::Xz, &place)
            }
        }
    }

    fn zip(&mut self, bytes: &[u8], mut left: u64, place: &Place) -> Result<(), ExtractError> {
        let mut archive = match ZipArchive::new(Cursor::new(bytes)) {
            Ok(archive) => archive,
            Err(error) => return self.part(place.path.clone(), Err(ExtractError::damaged(error))),
        };
        let index = self.own_part(FileKind::Zip, place)?;
        let (mut names, mut skipped) = (Names::default(), Skipped::default());
        for number in 0..archive.len() {
            let Some(name) = member_name(&mut archive, number, &mut skipped) else { continue };
            self.count_member()?;
            let name = names.unique(&name);
            let path = place.member(&name);
            match archive.by_index(number) {
                Ok(file) if file.encrypted() => self.part(path, Err(ExtractError::Encrypted))?,
                Ok(file) => {
                    let mut source = Limited { inner: file, left };
                    self.member(&mut source, &name, &Place { path, ..place.clone() })?;
                    left = source.left;
                }
                Err(zip::result::ZipError::UnsupportedArchive(what)) if what.contains("assword") => {
                    self.part(path, Err(ExtractError::Encrypted))?;
                }
                Err(error) => self.part(path, Err(ExtractError::damaged(error)))?,
            }
        }
        self.skipped(index, &skipped);
        Ok(())
    }

    fn tar(&mut self, source: impl Read, kind: FileKind, place: &Place) -> Result<(), ExtractError> {
        let index = self.own_part(kind, place)?;
        let (mut names, mut skipped) = (Names::default(), Skipped::default());
        let mut archive = tar::Archive::new(source);
        let entries = match archive.entries() {
            Ok(entries) => entries,
            Err(error) => return self.broken(index, &error),
        };
        for entry in entries {
            let mut entry = match entry {
                Ok(entry) => entry,
                Err(error) => return self.broken(index, &error),
            };
            let name = safe(&String::from_utf8_lossy(&entry.path_bytes()));
            match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse if is_wanted(&name) => {
                    self.count_member()?;
                    let name = names.unique(&name);
                    self.member(&mut entry, &name, &Place { path: place.member(&name), ..place.clone() })?;
                }
                EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => skipped.others += 1,
                EntryType::Symlink | EntryType::Link | EntryType::Char | EntryType::Block | EntryType::Fifo => {
                    skipped.links += 1;
                }
                EntryType::Directory
                | EntryType::GNULongName
                | EntryType::GNULongLink
                | EntryType::XGlobalHeader
                | EntryType::XHeader => {}
                _ => skipped.others += 1,
            }
        }
        self.skipped(index, &skipped);
        Ok(())
    }

    /// A compressed file: a tar archive, or the one document in it, which has the place of the file itself.
    fn compressed(
        &mut self,
        mut source: Limited<impl Read>,
        name: &str,
        kind: FileKind,
        place: &Place,
    ) -> Result<(), ExtractError> {
        let mut head = Vec::new();
        if let Err(error) = (&mut source).take(512).read_to_end(&mut head) {
            return self.part(place.path.clone(), Err(ExtractError::damaged(error)));
        }
        let is_tar = detect::is_tar(&head);
        let mut source = Limited { left: source.left, inner: Cursor::new(head).chain(source.inner) };
        if is_tar {
            return self.tar(source, kind, place);
        }
        let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        self.member(&mut source, name, place)
    }

    /// Unpacks a member and reads it. An error is one of the whole archive.
    fn member(&mut self, source: &mut impl Read, name: &str, place: &Place) -> Result<(), ExtractError> {
        let limits = self.limits;
        let left = limits.unpacked_bytes_max.saturating_sub(self.unpacked_bytes);
        let mut bytes = Vec::new();
        let read = source.take(limits.member_bytes_max.min(left) + 1).read_to_end(&mut bytes);
        let length = bytes.len() as u64;
        self.unpacked_bytes += length;
        if length > left {
            let limit = limits.unpacked_bytes_max;
            return Err(ExtractError::TooLarge { what: "unpacked bytes of the archive", limit });
        }
        match read {
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(bomb(limits.unpacked_times_max)),
            Err(error) => self.part(place.path.clone(), Err(ExtractError::damaged(error))),
            Ok(_) if length > limits.member_bytes_max => {
                let limit = limits.member_bytes_max;
                self.part(place.path.clone(), Err(ExtractError::TooLarge { what: "bytes of the member", limit }))
            }
            Ok(_) => self.file(name, &bytes, place),
        }
    }

    /// The archive's own part has no text, only notes.
    fn own_part(&mut self, kind: FileKind, place: &Place) -> Result<usize, ExtractError> {
        self.part(place.path.clone(), Ok(Extracted::of(kind, String::new())))?;
        Ok(self.parts.len() - 1)
    }

    fn skipped(&mut self, index: usize, skipped: &Skipped) {
        self.note(index, skipped.others, Note::OtherMembers);
        self.note(index, skipped.links, Note::Links);
    }

    /// What follows can't be read. What was read so far stays.
    fn broken(&mut self, index: usize, error: &io::Error) -> Result<(), ExtractError> {
        if error.kind() == io::ErrorKind::FileTooLarge {
            return Err(bomb(self.limits.unpacked_times_max));
        }
        if let Some(part) = self.parts.get_mut(index) {
            part.content = Err(ExtractError::damaged(error));
        }
        Ok(())
    }
}

fn bomb(times_max: u64) -> ExtractError {
    ExtractError::TooLarge { what: "times its own size that the archive unfolds", limit: times_max }
}

/// None: no document, and counted.
fn member_name(archive: &mut ZipArchive<Cursor<&[u8]>>, number: usize, skipped: &mut Skipped) -> Option<String> {
    let Ok(file) = archive.by_index_raw(number) else {
        // Its own header is not where the directory says; reading it says so.
        return archive.name_for_index(number).and_then(Result::ok).map(|name| safe(&name)).filter(|n| is_wanted(n));
    };
    if file.is_dir() {
        return None;
    }
    let name = safe(&zip_name(&file));
    let kind = file.unix_mode().map_or(MODE_FILE, |mode| mode & MODE_TYPE);
    if file.is_symlink() || !matches!(kind, 0 | MODE_FILE) {
        skipped.links += 1;
        None
    } else if is_wanted(&name) {
        Some(name)
    } else {
        skipped.others += 1;
        None
    }
}

fn zip_name<R: Read>(file: &ZipFile<'_, R>) -> String {
    file.name().map_or_else(|_| String::from_utf8_lossy(file.name_raw()).into_owned(), |name| name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_are_made_safe_and_told_apart() {
        let mut names = Names::default();
        let given = ["/etc/a.md", "../../etc/a.md", "C:\\x\\b.md", "d/./e\0.md", "!/f.md", "g!/h.md", "..", "a", "a"];
        let safe: Vec<_> = given.iter().map(|name| names.unique(name)).collect();
        let expected = ["etc/a.md", "etc/a (2).md", "x/b.md", "d/e_.md", "f.md", "g/h.md", "unnamed", "a", "a (9)"];
        assert_eq!(safe, expected);
    }
}
