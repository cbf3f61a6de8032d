//! A mail → its text, and a part for each document attached to it.
//!
//! The text begins with who wrote to whom, when and about what, and goes on with the body: as plain text where the mail
//! has it so, else from HTML. Attached mails are read as mails; attachments that are no documents are counted.

use mail_parser::{Address, Message, MessageParser, MessagePart, MimeHeaders, PartType};

use crate::ingest::extract::bundle::archive;
use crate::ingest::extract::detect;
use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::extracted::on_one_line;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::markup::html;
use crate::ingest::extract::reading::{Place, Reading};
use crate::ingest::extract::text::decode::{self, Declared};
use crate::ingest::extract::text::writer::Writer;
use crate::ingest::extract::{Extracted, Note};

/// A body with less than this as plain text, and more as HTML, says "your program can't show this mail".
const PLAIN_BYTES_MIN: usize = 40;

/// What stands above a mail's text.
#[derive(Debug, Default)]
pub(crate) struct Envelope {
    pub(crate) subject: Option<String>,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) cc: Option<String>,
    pub(crate) date: Option<String>,
}

impl Envelope {
    /// The mail's text, of whichever kind of file it is.
    pub(crate) fn text(&self, kind: FileKind, body: &Extracted, bytes_max: usize) -> Result<Extracted, ExtractError> {
        let mut writer = Writer::new(bytes_max);
        if let Some(subject) = &self.subject {
            writer.heading(1, subject);
        }
        let lines = [("From", &self.from), ("To", &self.to), ("Cc", &self.cc), ("Date", &self.date)];
        writer.gap();
        for (name, value) in lines {
            if let Some(value) = value.as_deref().map(on_one_line).filter(|value| !value.is_empty()) {
                writer.line(0, &format!("{name}: {value}"));
            }
        }
        writer.append(body, 1);
        let mut extracted = writer.finish(kind)?;
        extracted.title.clone_from(&self.subject);
        Ok(extracted)
    }
}

impl Reading<'_> {
    pub(crate) fn mail(&mut self, bytes: &[u8], place: &Place) -> Result<(), ExtractError> {
        match MessageParser::default().parse(bytes).filter(|mail| !mail.headers().is_empty()) {
            Some(mail) => self.message(&mail, place),
            None => self.part(place.path.clone(), Err(ExtractError::damaged("it has no headers as a mail has them"))),
        }
    }

    fn message(&mut self, mail: &Message<'_>, place: &Place) -> Result<(), ExtractError> {
        let place = &Place { mails_deep: place.mails_deep + 1, ..place.clone() };
        let limit = self.limits.mails_deep_max;
        if place.mails_deep > limit {
            return self.part(place.path.clone(), Err(ExtractError::TooDeep { what: "mails", limit }));
        }
        let index = self.parts.len();
        let text = body(mail).and_then(|body| envelope(mail).text(FileKind::Eml, &body, self.limits.text_bytes_max));
        self.part(place.path.clone(), text)?;
        let mut names = archive::Names::default();
        let mut others = 0;
        let is_untyped = untyped(mail).is_some();
        let same = other_forms(mail);
        let is_body = |part: &MessagePart<'_>| {
            is_untyped && std::ptr::eq(part, mail.root_part()) || same.iter().any(|form| std::ptr::eq(part, *form))
        };
        for attachment in mail.attachments().filter(|part| !is_body(part)) {
            self.count_member()?;
            let name = attachment.attachment_name().map(on_one_line);
            match &attachment.body {
                PartType::Message(inner) => {
                    let name = names.unique(&name.unwrap_or_else(|| "message.eml".to_owned()));
                    self.message(inner, &Place { path: place.member(&name), ..place.clone() })?;
                }
                PartType::Text(_) | PartType::Html(_) | PartType::Binary(_) | PartType::InlineBinary(_) => {
                    let name = name.unwrap_or_else(|| unnamed(attachment));
                    others += u32::from(!self.attachment(&name, attachment.contents(), &mut names, place)?);
                }
                PartType::Multipart(_) => {}
            }
        }
        self.note(index, others, Note::OtherMembers);
        Ok(())
    }

    /// Reads a file that hangs on a mail. False where it is no document.
    pub(crate) fn attachment(
        &mut self,
        name: &str,
        bytes: &[u8],
        names: &mut archive::Names,
        place: &Place,
    ) -> Result<bool, ExtractError> {
        if detect::is_document(name, bytes) {
            let name = names.unique(name);
            let path = place.member(&name);
            self.file(&name, bytes, &Place { path, ..place.clone() })?;
            Ok(true)
        } else {
            Ok(false)
        }
    }

    /// Adds a note to a part, unless there is nothing to say.
    pub(crate) fn note(&mut self, index: usize, count: u32, note: fn(u32) -> Note) {
        if let (true, Some(Ok(extracted))) = (count > 0, self.parts.get_mut(index).map(|part| part.content.as_mut())) {
            extracted.notes.push(note(count));
        }
    }
}

fn envelope(mail: &Message<'_>) -> Envelope {
    Envelope {
        subject: mail.subject().map(on_one_line).filter(|subject| !subject.is_empty()),
        from: mail.from().map(people),
        to: mail.to().map(people),
        cc: mail.cc().map(people),
        date: mail.date().map(|date| date.to_rfc3339().replace('T', " ")),
    }
}

fn people(address: &Address<'_>) -> String {
    let person = |person: &mail_parser::Addr<'_>| match (person.name(), person.address()) {
        (Some(name), Some(address)) if name != address => format!("{name} <{address}>"),
        (Some(one), _) | (None, Some(one)) => one.to_owned(),
        (None, None) => String::new(),
    };
    address.iter().map(person).filter(|person| !person.is_empty()).collect::<Vec<_>>().join(", ")
}

/// The words of a mail.
fn body(mail: &Message<'_>) -> Result<Extracted, ExtractError> {
    let is_encrypted = mail.parts.iter().any(|part| {
        let kind = part.content_type();
        kind.is_some_and(|kind| {
            let sealed = kind.attribute("smime-type").is_some_and(|what| what.eq_ignore_ascii_case("enveloped-data"));
            sealed || (kind.ctype() == "multipart" && kind.subtype() == Some("encrypted"))
        })
    });
    if is_encrypted {
        return Err(ExtractError::Encrypted);
    }
    if let Some(text) = untyped(mail) {
        return Ok(Extracted::of(FileKind::Eml, text));
    }
    let mut writer = Writer::new(usize::MAX);
    let html: Vec<&str> = mail.html_bodies().filter_map(html_of).collect();
    let plain: Vec<&str> = mail.text_bodies().filter_map(plain_of).collect();
    let plain_bytes: usize = plain.iter().map(|text| text.trim().len()).sum();
    let html_bytes: usize = html.iter().map(|text| text.len()).sum();
    if plain_bytes >= PLAIN_BYTES_MIN || html_bytes <= plain_bytes {
        plain.iter().for_each(|text| writer.paragraph(&decode::with_plain_line_ends((*text).to_owned())));
    } else {
        for page in html {
            writer.append(&html::extract(page)?, 0);
        }
    }
    writer.finish(FileKind::Eml)
}

/// Parts that say what the body says in another form, as RTF for one: <https://www.rfc-editor.org/rfc/rfc2046#section-5.1.4>.
fn other_forms<'a>(mail: &'a Message<'a>) -> Vec<&'a MessagePart<'a>> {
    let is_body = |id: &u32| mail.text_body.contains(id) || mail.html_body.contains(id);
    let mut forms = Vec::new();
    for part in &mail.parts {
        let PartType::Multipart(within) = &part.body else { continue };
        let are_forms = part.content_type().is_some_and(|kind| kind.subtype() == Some("alternative"));
        if are_forms && within.iter().any(is_body) {
            forms.extend(within.iter().filter(|id| !is_body(id)).filter_map(|id| mail.parts.get(*id as usize)));
        }
    }
    forms
}

/// The words of a mail that is of one part and says wrongly, or not at all, what that is.
fn untyped(mail: &Message<'_>) -> Option<String> {
    let root = mail.root_part();
    if !mail.text_body.is_empty() || !mail.html_body.is_empty() || root.attachment_name().is_some() {
        return None;
    }
    match &root.body {
        PartType::Text(text) => Some(decode::with_plain_line_ends(text.to_string())),
        PartType::Binary(bytes) | PartType::InlineBinary(bytes) => decode::decode(bytes, Declared::Nowhere).ok(),
        PartType::Html(_) | PartType::Message(_) | PartType::Multipart(_) => None,
    }
}

fn html_of<'a>(part: &'a MessagePart<'_>) -> Option<&'a str> {
    match &part.body {
        PartType::Html(page) => Some(page),
        PartType::Text(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Message(_)
        | PartType::Multipart(_) => None,
    }
}

fn plain_of<'a>(part: &'a MessagePart<'_>) -> Option<&'a str> {
    match &part.body {
        PartType::Text(text) => Some(text),
        PartType::Html(_)
        | PartType::Binary(_)
        | PartType::InlineBinary(_)
        | PartType::Message(_)
        | PartType::Multipart(_) => None,
    }
}

/// A name for an attachment without one, by what the mail says of it.
fn unnamed(part: &MessagePart<'_>) -> String {
    let kind = part.content_type().map(|kind| (kind.ctype(), kind.subtype().unwrap_or_default()));
    let extension = match kind {
        Some(("text", "plain")) => "txt",
        Some(("text", "html")) => "html",
        Some(("text", "csv")) => "csv",
        Some(("application", "pdf")) => "pdf",
        Some(_) | None => "bin",
    };
    format!("attachment.{extension}")
}

#[cfg(test)]
mod tests {
    use crate::ingest::extract::{ExtractLimits, extract};

    #[test]
    fn a_body_in_several_forms_is_read_once() {
        let mail = "From: a@b.example\nContent-Type: multipart/alternative; boundary=X\n\n\
            --X\nContent-Type: text/plain\n\nThe ferry leaves at nine, whatever the weather is.\n\
            --X\nContent-Type: application/rtf\n\n{\\rtf1 The ferry leaves at nine, whatever the weather is.}\n--X--\n";
        let read = extract("a.eml", mail.as_bytes(), &ExtractLimits::default(), Err("")).expect("it is a mail");
        assert_eq!(read.text.matches("The ferry").count(), 1, "{}", read.text);
        assert_eq!(read.notes, []);
    }
}
