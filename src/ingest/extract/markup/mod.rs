//! Texts with marks in them: Markdown, HTML, reStructuredText, AsciiDoc, XML.

pub(super) mod markdown;
pub(super) mod html;
pub(super) mod rst;
pub(super) mod asciidoc;
pub(super) mod xml;
mod xml_doc;
mod xml_data;
