//! A mail as Outlook keeps it (MSG) → its text, and a part for each document attached to it.
//!
//! After [MS-OXMSG]: each property is a stream that is named by its id and type, each attachment a storage of such. Text
//! in an old code page is read in the one that the mail names. The body is plain text, else HTML, else RTF.

use std::io::{Cursor, Read};

use cfb::CompoundFile;
use encoding_rs::{Encoding, UTF_16LE};

use crate::ingest::extract::bundle::archive;
use crate::ingest::extract::bundle::mail::Envelope;
use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::markup::html;
use crate::ingest::extract::office::document::{self, Form};
use crate::ingest::extract::reading::{Place, Reading};
use crate::ingest::extract::text::decode::{self, Declared};
use crate::ingest::extract::{Extracted, Note};

/// One property or attachment.
const STREAM_BYTES_MAX: u64 = 64 << 20;

const SUBJECT: u16 = 0x0037;
const SENDER_NAME: u16 = 0x0c1a;
const SENDER_ADDRESS: u16 = 0x0c1f;
const SENDER_SMTP: u16 = 0x5d01;
const TO: u16 = 0x0e04;
const CC: u16 = 0x0e03;
const RECIPIENT_KIND: u16 = 0x0c15;
const RECIPIENT_NAME: u16 = 0x3001;
const RECIPIENT_SMTP: u16 = 0x39fe;
const RECIPIENT_ADDRESS: u16 = 0x3003;
/// Values of the kind of a recipient; a blind copy is nobody's business.
const KIND_TO: u64 = 1;
const KIND_CC: u64 = 2;
const BODY: u16 = 0x1000;
const BODY_RTF: u16 = 0x1009;
const BODY_HTML: u16 = 0x1013;
const ATTACHED_DATA: u16 = 0x3701;
const ATTACHED_NAMES: [u16; 3] = [0x3707, 0x3704, 0x3001];
const SENT: u16 = 0x0039;
const DELIVERED: u16 = 0x0e06;
const CODE_PAGE: u16 = 0x3ffd;

type Mail<'a> = CompoundFile<Cursor<&'a [u8]>>;

impl Reading<'_> {
    pub(crate) fn msg(&mut self, bytes: &[u8], place: &Place) -> Result<(), ExtractError> {
        match CompoundFile::open(Cursor::new(bytes)) {
            Ok(mut mail) => self.stored(&mut mail, "", place),
            Err(error) => self.part(place.path.clone(), Err(ExtractError::damaged(error))),
        }
    }

    /// The mail in a storage: empty for the outermost.
    fn stored(&mut self, mail: &mut Mail<'_>, storage: &str, place: &Place) -> Result<(), ExtractError> {
        let place = &Place { mails_deep: place.mails_deep + 1, ..place.clone() };
        let limit = self.limits.mails_deep_max;
        if place.mails_deep > limit {
            return self.part(place.path.clone(), Err(ExtractError::TooDeep { what: "mails", limit }));
        }
        let index = self.parts.len();
        let header_bytes = if storage.is_empty() { 32 } else { 24 };
        let fixed = Fixed::read(mail, storage, header_bytes);
        let text = body(mail, storage, &fixed)
            .and_then(|body| envelope(mail, storage, &fixed).text(FileKind::Msg, &body, self.limits.text_bytes_max));
        self.part(place.path.clone(), text)?;
        let mut names = archive::Names::default();
        let mut others = 0;
        for attached in storages(mail, storage, "__attach_version1.0_") {
            self.count_member()?;
            let name = ATTACHED_NAMES.iter().find_map(|id| text_of(mail, &attached, *id, &fixed));
            let inner = format!("{attached}/__substg1.0_{ATTACHED_DATA:04X}000D");
            if mail.exists(format!("{inner}/__properties_version1.0")) {
                let name = names.unique(&name.map_or_else(|| "message.msg".to_owned(), |name| format!("{name}.msg")));
                self.stored(mail, &inner, &Place { path: place.member(&name), ..place.clone() })?;
            } else if let Some(bytes) = stream(mail, &attached, ATTACHED_DATA, "0102") {
                let name = name.unwrap_or_else(|| "attachment.bin".to_owned());
                others += u32::from(!self.attachment(&name, &bytes, &mut names, place)?);
            } else {
                others += 1;
            }
        }
        self.note(index, others, Note::OtherMembers);
        Ok(())
    }
}

/// The storages within another whose names begin so, in their order: those of attachments, or of recipients.
fn storages(mail: &Mail<'_>, storage: &str, prefix: &str) -> Vec<String> {
    let Ok(entries) = mail.read_storage(format!("{storage}/")) else { return Vec::new() };
    let found = entries.filter(|entry| entry.is_storage() && entry.name().starts_with(prefix));
    found.map(|entry| format!("{storage}/{}", entry.name())).collect()
}

/// The properties that are numbers and dates: they stand in one stream.
struct Fixed {
    entries: Vec<(u16, [u8; 8])>,
}

impl Fixed {
    fn read(mail: &mut Mail<'_>, storage: &str, header_bytes: usize) -> Self {
        const ENTRY_BYTES: usize = 16;
        let bytes = read(mail, &format!("{storage}/__properties_version1.0")).unwrap_or_default();
        let entries = bytes.get(header_bytes..).unwrap_or_default().chunks_exact(ENTRY_BYTES).filter_map(|entry| {
            let id = u16::from_le_bytes(entry.get(2..4)?.try_into().ok()?);
            Some((id, entry.get(8..16)?.try_into().ok()?))
        });
        Self { entries: entries.collect() }
    }

    fn get(&self, id: u16) -> Option<u64> {
        self.entries.iter().find(|(known, _)| *known == id).map(|(_, value)| u64::from_le_bytes(*value))
    }

    fn encoding(&self) -> Option<&'static Encoding> {
        let label = match u32::try_from(self.get(CODE_PAGE)? & 0xffff_ffff).ok()? {
            932 => "shift_jis".to_owned(),
            936 => "gbk".to_owned(),
            949 => "euc-kr".to_owned(),
            950 => "big5".to_owned(),
            65001 => "utf-8".to_owned(),
            20866 => "koi8-r".to_owned(),
            page @ 28591..=28606 => format!("iso-8859-{}", page - 28590),
            page => format!("windows-{page}"),
        };
        Encoding::for_label(label.as_bytes())
    }
}

fn envelope(mail: &mut Mail<'_>, storage: &str, fixed: &Fixed) -> Envelope {
    Envelope {
        subject: text_of(mail, storage, SUBJECT, fixed),
        from: person(mail, storage, fixed, [SENDER_NAME, SENDER_SMTP, SENDER_ADDRESS]),
        to: recipients(mail, storage, fixed, (TO, KIND_TO)),
        cc: recipients(mail, storage, fixed, (CC, KIND_CC)),
        date: fixed.get(SENT).or_else(|| fixed.get(DELIVERED)).filter(|time| *time > 0).map(date),
    }
}

/// Those who got the mail, with their addresses; or the line that names them, where it names more.
fn recipients(mail: &mut Mail<'_>, storage: &str, fixed: &Fixed, (line, kind): (u16, u64)) -> Option<String> {
    const HEADER_BYTES: usize = 8;
    let mut named = Vec::new();
    for recipient in storages(mail, storage, "__recip_version1.0_") {
        let own = Fixed::read(mail, &recipient, HEADER_BYTES).get(RECIPIENT_KIND).unwrap_or(KIND_TO);
        if own & u64::from(u32::MAX) == kind {
            named.extend(person(mail, &recipient, fixed, [RECIPIENT_NAME, RECIPIENT_SMTP, RECIPIENT_ADDRESS]));
        }
    }
    match text_of(mail, storage, line, fixed) {
        Some(line) if line.split(';').count() > named.len() => Some(line),
        Some(_) | None => (!named.is_empty()).then(|| named.join("; ")),
    }
}

/// `Name <address>`, or the one that there is. The first of the ids is the name's; the others may hold an address.
/// Addresses of Exchange's own (`/O=…`) say nothing to anybody.
fn person(mail: &mut Mail<'_>, storage: &str, fixed: &Fixed, [name, addresses @ ..]: [u16; 3]) -> Option<String> {
    let name = text_of(mail, storage, name, fixed).map(|name| name.trim_matches('\'').to_owned());
    let mut known = addresses.into_iter().filter_map(|id| text_of(mail, storage, id, fixed));
    let address = known.find(|address| address.contains('@') && !address.starts_with('/'));
    match (name, address) {
        (Some(name), Some(address)) if name != address => Some(format!("{name} <{address}>")),
        (one, other) => one.or(other),
    }
}

fn body(mail: &mut Mail<'_>, storage: &str, fixed: &Fixed) -> Result<Extracted, ExtractError> {
    if let Some(text) = text_of(mail, storage, BODY, fixed) {
        return Ok(Extracted::of(FileKind::Msg, decode::with_plain_line_ends(text)));
    }
    if let Some(page) = stream(mail, storage, BODY_HTML, "0102") {
        return html::extract(&decode::decode(&page, Declared::InHtml)?);
    }
    if let Some(page) = text_of(mail, storage, BODY_HTML, fixed) {
        return html::extract(&page);
    }
    match stream(mail, storage, BODY_RTF, "0102") {
        Some(packed) => document::extract(Form::Rtf, &unpacked_rtf(&packed)?, usize::MAX),
        None => Ok(Extracted::of(FileKind::Msg, String::new())),
    }
}

/// A property that is text, in Unicode or in the mail's code page. None where it has no words.
fn text_of(mail: &mut Mail<'_>, storage: &str, id: u16, fixed: &Fixed) -> Option<String> {
    let text = match stream(mail, storage, id, "001F") {
        Some(bytes) => UTF_16LE.decode_without_bom_handling(&bytes).0.into_owned(),
        None => {
            let bytes = stream(mail, storage, id, "001E")?;
            match (str::from_utf8(&bytes), fixed.encoding()) {
                (Ok(text), _) => text.to_owned(),
                (Err(_), Some(encoding)) => encoding.decode_without_bom_handling(&bytes).0.into_owned(),
                (Err(_), None) => decode::decode(&bytes, Declared::Nowhere).ok()?,
            }
        }
    };
    let text = text.trim_matches('\0').trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn stream(mail: &mut Mail<'_>, storage: &str, id: u16, kind: &str) -> Option<Vec<u8>> {
    read(mail, &format!("{storage}/__substg1.0_{id:04X}{kind}"))
}

fn read(mail: &mut Mail<'_>, path: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    mail.open_stream(path).ok()?.take(STREAM_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// RTF as [MS-OXRTFCP] packs it: runs of bytes, and references into the last 4096, which begin with a known text.
fn unpacked_rtf(packed: &[u8]) -> Result<Vec<u8>, ExtractError> {
    const KNOWN: &[u8] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \
        \\fscript \\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \
        \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";
    const WINDOW: usize = 4096;
    let damaged = || ExtractError::damaged("its RTF can't be unpacked");
    let (head, body) = packed.split_at_checked(16).ok_or_else(damaged)?;
    match head.get(8..12) {
        Some(b"MELA") => return Ok(body.to_vec()),
        Some(b"LZFu") => {}
        Some(_) | None => return Err(damaged()),
    }
    let mut unpacked = KNOWN.to_vec();
    let mut bytes = body.iter().copied();
    'runs: while let Some(control) = bytes.next() {
        for bit in 0..8 {
            if control >> bit & 1 == 0 {
                let Some(byte) = bytes.next() else { break 'runs };
                unpacked.push(byte);
                continue;
            }
            let (Some(high), Some(low)) = (bytes.next(), bytes.next()) else { break 'runs };
            let reference = usize::from(high) << 8 | usize::from(low);
            let (offset, length) = (reference >> 4, (reference & 15) + 2);
            // The window wraps around; a reference to the place that is written next ends the text.
            let back = (unpacked.len() + WINDOW - offset) % WINDOW;
            if back == 0 {
                break 'runs;
            }
            let start = unpacked.len().checked_sub(back).ok_or_else(damaged)?;
            for at in start..start + length {
                unpacked.push(unpacked.get(at).copied().ok_or_else(damaged)?);
            }
        }
    }
    Ok(unpacked.split_off(KNOWN.len()))
}

/// Windows counts tenths of a microsecond from 1601; in UTC.
fn date(time: u64) -> String {
    const DAYS_TO_1970: i64 = 134_774;
    let seconds = time / 10_000_000;
    let days = i64::try_from(seconds / 86_400).unwrap_or(i64::MAX) - DAYS_TO_1970;
    // http://howardhinnant.github.io/date_algorithms.html#civil_from_days
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::ingest::extract::{ExtractLimits, extract};

    #[test]
    fn people_are_named_with_the_addresses_that_others_can_use() {
        let mut mail = CompoundFile::create(Cursor::new(Vec::new())).expect("it is in memory");
        let mut write = |path: &str, text: &str| {
            let (storage, _) = path.rsplit_once('/').expect("paths have a slash");
            mail.create_storage_all(format!("/{storage}")).expect("it is in memory");
            let mut stream = mail.create_stream(path).expect("it is in memory");
            stream.write_all(text.as_bytes()).expect("it is in memory");
        };
        write("/__properties_version1.0", "");
        write("/__substg1.0_0C1A001E", "Ann");
        write("/__substg1.0_0C1F001E", "/O=HOUSE/CN=ANN@HQ");
        write("/__substg1.0_0E04001E", "Bob; Cyd");
        write("/__recip_version1.0_#00000000/__substg1.0_3001001E", "Bob");
        write("/__recip_version1.0_#00000000/__substg1.0_3003001E", "bob@b.example");
        write("/__recip_version1.0_#00000001/__substg1.0_3001001E", "Cyd");
        let bytes = mail.into_inner().into_inner();
        let read = extract("a.msg", &bytes, &ExtractLimits::default(), Err("")).expect("it is a mail");
        assert_eq!(read.text, "From: Ann\nTo: Bob <bob@b.example>; Cyd\n");
    }

    #[test]
    fn a_windows_time_is_a_date() {
        assert_eq!(date(116_444_736_000_000_000), "1970-01-01 00:00:00Z");
        assert_eq!(date(133_512_345_670_000_000), "2024-02-01 04:16:07Z");
    }

    #[test]
    fn packed_rtf_is_unpacked_as_its_specification_shows() {
        // The example of [MS-OXRTFCP] 3.1.
        let packed =
            b"\x2d\0\0\0\x2b\0\0\0LZFu\xf1\xc5\xc7\xa7\x03\0\n\0rcpg125B2\x0a\xf3 hel\t\0 bw\x05\xb0ld}\n\x80\x0f\xa0";
        let text = unpacked_rtf(packed).expect("it is packed RTF");
        assert_eq!(text, b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
    }
}
