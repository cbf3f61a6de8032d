//! What kind of file it is, by its bytes first and by its name second.
//!
//! A file that is not what its name says is read as what it is, if cairn can read that, and refused otherwise.
//! Containers (ZIP, OLE) are told apart by what is in them.

use std::io::{Cursor, Read};
use std::path::Path;

use super::error::ExtractError;
use super::kind::{FileKind, Shell, by_name};
use super::text::decode;

/// How far into a file called PDF its mark may stand, as PDF readers have it.
const PDF_MARK_WITHIN_BYTES: usize = 1024;
/// What is looked at to tell text from bytes.
const SNIFF_BYTES: usize = 8 << 10;
/// Where a tar archive says so, and what it says.
const TAR_MARK_AT: usize = 257;
const TAR_MARK: &[u8] = b"ustar";
/// The longest `mimetype` that is looked for in a ZIP.
const MIMETYPE_BYTES_MAX: u64 = 200;

/// What kind of file `bytes` are. The name helps where they don't say.
pub(super) fn detect(name: &str, bytes: &[u8]) -> Result<FileKind, ExtractError> {
    let lower = name.rsplit(['/', '\\']).next().unwrap_or(name).to_ascii_lowercase();
    let named = by_name(&lower);
    if bytes.is_empty() {
        return Ok(named.unwrap_or(FileKind::Text));
    }
    match marked(bytes, named) {
        Some(Shell::Zip) => Ok(in_zip(bytes, named)),
        Some(Shell::Ole) => in_ole(bytes, named),
        Some(Shell::Bytes | Shell::Text) => marked_kind(bytes, named),
        None if decode::seems_text(bytes.get(..SNIFF_BYTES).unwrap_or(bytes)) => Ok(in_text(bytes, named)),
        None => Err(foreign(bytes, named)),
    }
}

/// What the first bytes promise; None where they are no mark that is known here.
fn marked(bytes: &[u8], named: Option<FileKind>) -> Option<Shell> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        Some(Shell::Zip)
    } else if bytes.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
        Some(Shell::Ole)
    } else {
        marked_kind(bytes, named).ok().map(FileKind::shell)
    }
}

/// Files that their own bytes name, other than ZIP and OLE.
fn marked_kind(bytes: &[u8], named: Option<FileKind>) -> Result<FileKind, ExtractError> {
    let head = bytes.get(..PDF_MARK_WITHIN_BYTES).unwrap_or(bytes);
    let pdf_inside = || named == Some(FileKind::Pdf) && head.windows(5).any(|window| window == b"%PDF-");
    if bytes.starts_with(b"%PDF-") || pdf_inside() {
        Ok(FileKind::Pdf)
    } else if bytes.starts_with(b"{\\rtf") {
        Ok(FileKind::Rtf)
    } else if bytes.starts_with(b"\x1f\x8b") {
        Ok(FileKind::Gzip)
    } else if bytes.starts_with(b"\xfd7zXZ\0") {
        Ok(FileKind::Xz)
    } else if is_tar(bytes) {
        Ok(FileKind::Tar)
    } else {
        Err(foreign(bytes, named))
    }
}

/// By its mark, or, for the archives of the oldest kind, which have none, by the checksum of its first header.
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    let Some(header) = bytes.get(..512) else { return false };
    if header.get(TAR_MARK_AT..).is_some_and(|rest| rest.starts_with(TAR_MARK)) {
        return true;
    }
    let written = header.get(148..156).and_then(|field| str::from_utf8(field).ok());
    let written = written.map(|field| field.trim_matches([' ', '\0'])).and_then(|f| u32::from_str_radix(f, 8).ok());
    // The checksum counts its own field as spaces.
    let sum = header.iter().enumerate().map(|(i, byte)| if (148..156).contains(&i) { 32 } else { u32::from(*byte) });
    written.is_some_and(|written| written > 8 * 32 && written == sum.sum::<u32>())
}

/// A ZIP that can't be opened is what its name says, so that its reader says what is wrong with it.
fn in_zip(bytes: &[u8], named: Option<FileKind>) -> FileKind {
    let fallback = named.filter(|kind| kind.shell() == Shell::Zip).unwrap_or(FileKind::Zip);
    let Ok(mut archive) = zip::ZipArchive::new(Cursor::new(bytes)) else { return fallback };
    let mut mimetype = String::new();
    if let Ok(file) = archive.by_name("mimetype") {
        // A mimetype that is no text names nothing.
        let _ = file.take(MIMETYPE_BYTES_MAX).read_to_string(&mut mimetype);
    }
    let mimetype = mimetype.trim();
    let open_document = mimetype.strip_prefix("application/vnd.oasis.opendocument.");
    let has = |name: &str| archive.index_for_name(name).is_some();
    let within = |folder: &str| archive.file_names_raw().any(|name| name.starts_with(folder.as_bytes()));
    match open_document.map(|kind| kind.trim_end_matches("-template")) {
        Some("text") => FileKind::Odt,
        Some("spreadsheet") => FileKind::Ods,
        Some("presentation") => FileKind::Odp,
        _ if mimetype == "application/epub+zip" || has("META-INF/container.xml") => FileKind::Epub,
        _ if !has("[Content_Types].xml") => FileKind::Zip,
        _ if has("xl/workbook.bin") => FileKind::Xlsb,
        _ if within("word/") => FileKind::Docx,
        _ if within("ppt/") => FileKind::Pptx,
        _ if within("xl/") => FileKind::Xlsx,
        // Some writers have folders of their own.
        _ => fallback,
    }
}

fn in_ole(bytes: &[u8], named: Option<FileKind>) -> Result<FileKind, ExtractError> {
    let fallback = named.filter(|kind| kind.shell() == Shell::Ole);
    let Ok(file) = cfb::CompoundFile::open(Cursor::new(bytes)) else {
        return fallback.ok_or_else(|| ExtractError::damaged("an OLE file whose directory can't be read"));
    };
    let has = |name: &str| file.exists(name);
    if has("/EncryptedPackage") || has("/\u{6}DataSpaces") {
        Err(ExtractError::Encrypted)
    } else if has("/WordDocument") {
        Ok(FileKind::Doc)
    } else if has("/PowerPoint Document") {
        Ok(FileKind::Ppt)
    } else if has("/Workbook") || has("/Book") {
        Ok(FileKind::Xls)
    } else if has("/__properties_version1.0") {
        Ok(FileKind::Msg)
    } else {
        match (fallback, named) {
            // Its reader says what is missing.
            (Some(kind), _) => Ok(kind),
            (None, Some(kind)) => {
                Err(ExtractError::WrongType { named: kind.name(), found: "an OLE file of another program".into() })
            }
            (None, None) => Err(ExtractError::UnknownKind { found: "an OLE file of another program".into() }),
        }
    }
}

/// Text of any kind. Its name decides, unless that promises something that is no text.
fn in_text(bytes: &[u8], named: Option<FileKind>) -> FileKind {
    let head = String::from_utf8_lossy(bytes.get(..SNIFF_BYTES).unwrap_or(bytes));
    let head = head.trim_start_matches('\u{feff}').trim_start();
    match named {
        Some(FileKind::Xml) if root(head).is_some_and(|root| root == "html") => FileKind::Html,
        Some(kind) if kind.shell() == Shell::Text => kind,
        // Tables that programs write as text or as a page under the name of a workbook.
        Some(FileKind::Xls | FileKind::Xlsx | FileKind::Ods) if !head.starts_with('<') => FileKind::Csv,
        Some(_) | None => match root(head) {
            Some("html") => FileKind::Html,
            Some(_) if head.starts_with("<?xml") => FileKind::Xml,
            Some(_) | None => FileKind::Text,
        },
    }
}

/// The name of the first element of a page or an XML file.
fn root(head: &str) -> Option<&str> {
    let mut rest = head;
    loop {
        rest = rest.trim_start().strip_prefix('<')?;
        rest = match rest.chars().next()? {
            '!' if rest.starts_with("!--") => rest.split_once("-->")?.1,
            '!' if rest.get(..8).is_some_and(|doctype| doctype.eq_ignore_ascii_case("!doctype")) => {
                let kind = rest.get(8..)?.trim_start();
                if kind.get(..4).is_some_and(|kind| kind.eq_ignore_ascii_case("html")) {
                    return Some("html");
                }
                rest.split_once('>')?.1
            }
            '!' | '?' => rest.split_once('>')?.1,
            _ => {
                let name = rest.split(|c: char| c.is_whitespace() || "/>".contains(c)).next()?;
                let name = name.rsplit_once(':').map_or(name, |(_, local)| local);
                return Some(if name.eq_ignore_ascii_case("html") { "html" } else { name });
            }
        };
    }
}

/// Bytes that cairn can't read, named as well as they can be.
fn foreign(bytes: &[u8], named: Option<FileKind>) -> ExtractError {
    let found = infer::get(bytes).map(|kind| format!("a file of type {}", kind.mime_type()));
    match (named, found) {
        (Some(kind), None) if kind.shell() == Shell::Text => ExtractError::NotText,
        (Some(kind), None) => ExtractError::damaged(format!("it does not begin as {} does", kind.name())),
        (Some(kind), Some(found)) => ExtractError::WrongType { named: kind.name(), found },
        (None, found) => ExtractError::UnknownKind { found: found.unwrap_or_else(|| "made of bytes".into()) },
    }
}

/// Whether a file within another is worth reading: by its name as in a folder, or else by bytes that name themselves.
pub(super) fn is_document(name: &str, bytes: &[u8]) -> bool {
    FileKind::of(Path::new(name)).is_some()
        || (!name.contains('.') || name.ends_with(".bin") || name.ends_with(".dat")) && marked(bytes, None).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_element_of_a_page_is_found_behind_what_may_stand_before_it() {
        assert_eq!(
            root("<?xml version='1.0'?>\n<!-- a > b -->\n<!DOCTYPE book SYSTEM 'x'>\n<d:book a='1'>"),
            Some("book")
        );
        assert_eq!(root("<!doctype HTML><p>"), Some("html"));
        assert_eq!(root("<HTML>"), Some("html"));
        assert_eq!(root("text"), None);
    }
}
