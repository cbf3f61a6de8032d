//! XML → text, by what it is: DocBook and DITA as documents, anything else as data.
//!
//! Nothing outside of the file is ever read. Entities that the file declares are known by their plain text; they are
//! not looked for in each other, so they can't multiply. Broken XML is taken as plain text, markup included.

use std::borrow::Cow;
use std::collections::HashMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use crate::ingest::extract::Extracted;
use crate::ingest::extract::data::json;
use crate::ingest::extract::error::ExtractError;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::markup::xml_data;
use crate::ingest::extract::markup::xml_doc;

const DEPTH_MAX: usize = 256;
const ENTITIES_MAX: usize = 10_000;
const ENTITY_BYTES_MAX: usize = 4 << 10;
/// Entities that documents use without declaring them, because their DTD does. Others stay as they are written.
const KNOWN_ENTITIES: &[(&str, &str)] = &[
    ("amp", "&"),
    ("lt", "<"),
    ("gt", ">"),
    ("quot", "\""),
    ("apos", "'"),
    ("nbsp", " "),
    ("ndash", "–"),
    ("mdash", "—"),
    ("hellip", "…"),
    ("lsquo", "‘"),
    ("rsquo", "’"),
    ("ldquo", "“"),
    ("rdquo", "”"),
    ("laquo", "«"),
    ("raquo", "»"),
    ("copy", "©"),
    ("reg", "®"),
    ("trade", "™"),
    ("bull", "•"),
    ("middot", "·"),
    ("times", "×"),
    ("deg", "°"),
    ("sect", "§"),
    ("para", "¶"),
    ("rarr", "→"),
    ("larr", "←"),
    ("auml", "ä"),
    ("ouml", "ö"),
    ("uuml", "ü"),
    ("Auml", "Ä"),
    ("Ouml", "Ö"),
    ("Uuml", "Ü"),
    ("szlig", "ß"),
    ("eacute", "é"),
    ("egrave", "è"),
    ("agrave", "à"),
    ("ccedil", "ç"),
];

/// Elements that DocBook and DITA begin with. Many of these names are common, so more has to point at a document.
const DOCUMENT_ROOTS: &[&str] = &[
    "book",
    "article",
    "set",
    "part",
    "chapter",
    "appendix",
    "preface",
    "section",
    "sect1",
    "sect2",
    "sect3",
    "refentry",
    "reference",
    "glossary",
    "bibliography",
    "topic",
    "concept",
    "task",
    "dita",
    "map",
    "bookmap",
    "glossentry",
    "troubleshooting",
    "simplesect",
];
const DOCUMENT_MARKS: &[&str] = &["docbook", "DocBook", "//DTD DITA", "//DTD Dita", "dita", "<para>", "<p>", "<title>"];
/// Where such a mark stands.
const HEAD_BYTES: usize = 4 << 10;

pub(crate) fn extract(text: String, bytes_max: usize) -> Result<Extracted, ExtractError> {
    let mut tokens = Tokens::new(&text, bytes_max);
    let made = if is_document(&text) {
        xml_doc::extract(&mut tokens, bytes_max)
    } else {
        xml_data::extract(&mut tokens, bytes_max)
    };
    match made {
        Ok(extracted) => Ok(extracted),
        Err(XmlError::Limit(error)) => Err(error),
        Err(XmlError::Syntax(_)) => Ok(json::as_plain_text(FileKind::Xml, text)),
    }
}

fn is_document(text: &str) -> bool {
    let head = text.get(..text.floor_char_boundary(HEAD_BYTES)).unwrap_or(text);
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(Event::Start(tag) | Event::Empty(tag)) => {
                let root = tag.local_name().into_inner();
                return DOCUMENT_ROOTS.contains(&root) && DOCUMENT_MARKS.iter().any(|mark| head.contains(mark));
            }
            Ok(Event::Eof) | Err(_) => return false,
            Ok(_) => {}
        }
    }
}

/// Why a file gives no tokens any more.
#[derive(Debug)]
pub(crate) enum XmlError {
    Syntax(String),
    Limit(ExtractError),
}

impl From<XmlError> for ExtractError {
    fn from(error: XmlError) -> Self {
        match error {
            XmlError::Syntax(what) => Self::damaged(what),
            XmlError::Limit(error) => error,
        }
    }
}

#[derive(Debug)]
pub(crate) enum Token<'a> {
    Open(BytesStart<'a>),
    /// Of the element that was opened last.
    Close,
    Text(Cow<'a, str>),
    End,
}

/// The elements and words of an XML text: each element that is opened is closed.
pub(crate) struct Tokens<'a> {
    reader: Reader<&'a [u8]>,
    entities: HashMap<String, String>,
    depth: usize,
    /// How many bytes entities may still unfold to.
    unfold_left: usize,
    bytes_max: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) fn new(text: &'a str, bytes_max: usize) -> Self {
        let mut reader = Reader::from_str(text);
        let config = reader.config_mut();
        config.expand_empty_elements = true;
        config.allow_dangling_amp = true;
        Self { reader, entities: HashMap::new(), depth: 0, unfold_left: bytes_max, bytes_max }
    }

    pub(crate) fn next(&mut self) -> Result<Token<'a>, XmlError> {
        loop {
            let event = self.reader.read_event().map_err(|error| XmlError::Syntax(error.to_string()))?;
            return Ok(match event {
                Event::Start(tag) | Event::Empty(tag) => {
                    self.depth += 1;
                    if self.depth > DEPTH_MAX {
                        let error = ExtractError::TooDeep { what: "elements of the XML", limit: DEPTH_MAX };
                        return Err(XmlError::Limit(error));
                    }
                    Token::Open(tag)
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Token::Close
                }
                Event::Text(text) => Token::Text(text.into_inner()),
                Event::CData(text) => Token::Text(text.into_inner()),
                Event::GeneralRef(name) => {
                    let text = self.entity(&name);
                    self.unfold_left = self.unfold_left.checked_sub(text.len()).ok_or_else(|| {
                        XmlError::Limit(crate::ingest::extract::text::writer::too_much_text(self.bytes_max))
                    })?;
                    Token::Text(Cow::Owned(text))
                }
                Event::DocType(declared) => {
                    self.declare(&declared);
                    continue;
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
                Event::Eof if self.depth > 0 => return Err(XmlError::Syntax("it ends within an element".into())),
                Event::Eof => Token::End,
            });
        }
    }

    fn entity(&self, name: &str) -> String {
        if let Some(text) = self.entities.get(name) {
            return text.clone();
        }
        let known = KNOWN_ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        let written = || format!("&{name};");
        known.or_else(|| name.starts_with('#').then(|| unescaped(&written()))).unwrap_or_else(written)
    }

    /// Notes `<!ENTITY name "text">`, and no entity that is a file.
    fn declare(&mut self, declared: &str) {
        for entity in declared.split("<!ENTITY").skip(1).take(ENTITIES_MAX) {
            let mut words = entity.trim_start().splitn(2, char::is_whitespace);
            let (Some(name), Some(rest)) = (words.next(), words.next()) else { continue };
            let rest = rest.trim_start();
            let quoted = rest.chars().next().filter(|c| "\"'".contains(*c)).and_then(|quote| {
                let value = rest.get(1..)?;
                value.get(..value.find(quote)?)
            });
            if let Some(value) = quoted.filter(|value| name != "%" && value.len() <= ENTITY_BYTES_MAX) {
                // The first declaration counts.
                self.entities.entry(name.to_owned()).or_insert_with(|| unescaped(&without_tags(value)));
            }
        }
    }
}

/// The value of an attribute, whatever its prefix.
pub(crate) fn attribute(tag: &BytesStart<'_>, local: &str) -> Option<String> {
    let mut attributes = tag.attributes();
    let mut attributes = attributes.with_checks(false).filter_map(Result::ok);
    attributes.find(|attribute| attribute.key.local_name().as_ref() == local).map(|found| unescaped(&found.value))
}

/// With characters for their numbers and the five entities of XML. What can't be is left as it is.
pub(crate) fn unescaped(text: &str) -> String {
    quick_xml::escape::unescape(text).map_or_else(|_| text.to_owned(), Cow::into_owned)
}

fn without_tags(value: &str) -> String {
    let mut pieces = value.split('<');
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        plain.push_str(piece.split_once('>').map_or(piece, |(_, rest)| rest));
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(xml: &str) -> Extracted {
        extract(xml.to_owned(), 1 << 20).expect("it is read")
    }

    #[test]
    fn entities_are_read_once_and_never_from_elsewhere() {
        let xml = "<!DOCTYPE a [<!ENTITY v '1.2 &amp; <b>up</b>'><!ENTITY f SYSTEM 'file:///etc/passwd'>\
                   <!ENTITY a 'lol'><!ENTITY b '&a;&a;'>]><r><x>&v; &f; &b; &#233; &mdash;</x></r>";
        assert_eq!(made(xml).text, "x: 1.2 & up &f; &a;&a; é —\n");
    }

    #[test]
    fn a_text_that_multiplies_by_entities_is_refused() {
        let entity = format!("<!ENTITY a '{}'>", "x".repeat(4000));
        let xml = format!("<!DOCTYPE a [{entity}]><r>{}</r>", "&a;".repeat(100_000));
        assert!(matches!(extract(xml, 1 << 20), Err(ExtractError::TooLarge { .. })));
    }

    #[test]
    fn xml_that_is_nested_too_deep_is_refused() {
        let xml = format!("{}x{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        assert!(matches!(extract(xml, 1 << 20), Err(ExtractError::TooDeep { .. })));
    }

    #[test]
    fn broken_xml_is_plain_text_and_that_is_said() {
        for xml in ["<a><b>text</a>", "<a>cut o"] {
            assert_eq!((made(xml).text.as_str(), made(xml).notes.len()), (xml, 1));
        }
    }
}
