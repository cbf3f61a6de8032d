//! XML that is data → `name: text` lines, indented as the elements are.
//!
//! Attributes stand in brackets behind the name of their element. Element names lose their prefixes.

use crate::ingest::extract::Extracted;
use crate::ingest::extract::kind::FileKind;
use crate::ingest::extract::markup::xml::{Token, Tokens, XmlError, unescaped};
use crate::ingest::extract::text::writer::Writer;

/// Deeper elements are not indented any further.
const INDENTS_MAX: usize = 16;
/// A `title` no deeper than this is the file's.
const TITLE_DEPTH_MAX: usize = 3;

struct Element {
    name: String,
    /// ` (id: 1, lang: en)`, or nothing.
    about: String,
    text: String,
    has_children: bool,
}

pub(crate) fn extract(tokens: &mut Tokens<'_>, bytes_max: usize) -> Result<Extracted, XmlError> {
    let mut writer = Writer::new(bytes_max);
    let mut open: Vec<Element> = Vec::new();
    let mut title = None;
    loop {
        match tokens.next()? {
            Token::Open(tag) => {
                let depth = open.len();
                if let Some(parent) = open.last_mut() {
                    begin(&mut writer, parent, depth);
                    parent.has_children = true;
                }
                let mut attributes = tag.attributes();
                let attributes = attributes.with_checks(false).filter_map(Result::ok);
                let named = attributes.filter(|attribute| !attribute.key.as_ref().starts_with("xmlns"));
                let about: Vec<_> = named
                    .map(|found| format!("{}: {}", found.key.local_name().as_ref(), unescaped(&found.value)))
                    .collect();
                let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
                let name = tag.local_name().into_inner().to_owned();
                open.push(Element { name, about, text: String::new(), has_children: false });
            }
            Token::Text(text) => {
                if let Some(element) = open.last_mut() {
                    element.text.push_str(&text);
                }
            }
            Token::Close => {
                let depth = open.len();
                if let Some(mut element) = open.pop() {
                    if title.is_none() && depth <= TITLE_DEPTH_MAX && element.name.eq_ignore_ascii_case("title") {
                        title = Some(element.text.clone());
                    }
                    begin(&mut writer, &mut element, depth);
                }
            }
            Token::End => break,
        }
        if writer.is_full() {
            break;
        }
    }
    let mut extracted = writer.finish(FileKind::Xml).map_err(XmlError::Limit)?;
    extracted.title = title;
    Ok(extracted)
}

/// Writes what is known of an element that is `depth` deep, once before its first child and once at its end.
fn begin(writer: &mut Writer, element: &mut Element, depth: usize) {
    let text = crate::ingest::extract::extracted::on_one_line(&std::mem::take(&mut element.text));
    // The outermost element's name says nothing that each of its children would not.
    let (indent, mark) = match depth {
        0..=2 => (0, ""),
        deeper => (2 * (deeper - 3).min(INDENTS_MAX), "- "),
    };
    let line = match (element.has_children, text.is_empty()) {
        (false, true) if element.about.is_empty() && depth == 1 => return,
        (false, true) => format!("{mark}{}{}:", element.name, element.about),
        (false, false) => format!("{mark}{}{}: {text}", element.name, element.about),
        (true, true) => return,
        (true, false) => text,
    };
    writer.line(indent, &line);
}

#[cfg(test)]
mod tests {
    use crate::ingest::extract::markup::xml;

    #[test]
    fn data_is_lines_with_names_and_attributes() {
        let text = "<c xmlns='u'><b id=\"1\"><t>A &amp; B</t><n><o>x</o></n>tail</b>\n<e/></c>";
        let made = xml::extract(text.to_owned(), 1000).expect("it is XML");
        assert_eq!(made.text, "b (id: 1):\n- t: A & B\n- n:\n  - o: x\ntail\ne:\n");
    }
}
