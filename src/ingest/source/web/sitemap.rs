//! A sitemap → the URLs that it names: <https://www.sitemaps.org/protocol.html>.
//!
//! Reads a list of pages, an index of sitemaps, and plain text with a URL a line. Entities other than XML's own five
//! are not expanded, so nothing unfolds. A sitemap that can't be read to its end is an error, not a shorter list.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};
use reqwest::Url;

use super::super::address::canonical;

/// By the protocol. One that is larger is no sitemap.
pub(super) const BYTES_MAX: u64 = 50 << 20;
pub(super) const URLS_MAX: usize = 50_000;

/// What a sitemap names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Sitemap {
    pub(super) pages: Vec<Url>,
    /// Other sitemaps.
    pub(super) sitemaps: Vec<Url>,
    /// Entries that are no URL.
    pub(super) invalid: Vec<String>,
}

/// Which element a `<loc>` is in.
#[derive(Debug, Clone, Copy)]
enum Parent {
    Page,
    Sitemap,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Sitemap, String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let mut sitemap = Sitemap::default();
    if text.starts_with('<') {
        sitemap.read_xml(text)?;
    } else {
        for line in text.lines() {
            sitemap.add(Parent::Page, line)?;
        }
    }
    Ok(sitemap)
}

impl Sitemap {
    fn read_xml(&mut self, text: &str) -> Result<(), String> {
        let mut reader = Reader::from_str(text);
        let (mut parent, mut root, mut location, mut open) = (None, None, None::<String>, 0_usize);
        loop {
            let event = reader.read_event().map_err(|error| format!("it is no XML: {error}"))?;
            match event {
                Event::Start(tag) => {
                    open += 1;
                    let name = tag.local_name();
                    match name.as_ref() {
                        "url" => parent = Some(Parent::Page),
                        "sitemap" => parent = Some(Parent::Sitemap),
                        // Not `image:loc`, which is a picture on the page.
                        "loc" if tag.name().prefix().is_none() => location = Some(String::new()),
                        _ => {}
                    }
                    root.get_or_insert_with(|| name.as_ref().to_owned());
                }
                Event::Text(piece) => push(&mut location, &piece),
                Event::CData(piece) => push(&mut location, &piece),
                Event::GeneralRef(entity) => push(&mut location, &resolved(&entity)?),
                Event::End(tag) => {
                    open = open.saturating_sub(1);
                    let ended = location.take_if(|_| tag.local_name().as_ref() == "loc");
                    if let (Some(parent), Some(location)) = (parent, ended) {
                        self.add(parent, &location)?;
                    }
                }
                // The reader takes the end of the text for the end of everything.
                Event::Eof if open > 0 => return Err("it ends in the middle".to_owned()),
                Event::Eof => break,
                Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
        match root.as_deref() {
            Some("urlset" | "sitemapindex") => Ok(()),
            Some(other) => Err(format!("it begins with <{other}>, which is no sitemap")),
            None => Err("it is empty".to_owned()),
        }
    }

    fn add(&mut self, parent: Parent, text: &str) -> Result<(), String> {
        let text = text.trim();
        match Url::parse(text).ok().and_then(canonical) {
            Some(url) => match parent {
                Parent::Page => self.pages.push(url),
                Parent::Sitemap => self.sitemaps.push(url),
            },
            None if text.is_empty() => {}
            None => self.invalid.push(text.chars().take(200).collect()),
        }
        if self.pages.len() + self.sitemaps.len() + self.invalid.len() > URLS_MAX {
            return Err(format!("it has more than {URLS_MAX} entries"));
        }
        Ok(())
    }
}

fn push(location: &mut Option<String>, piece: &str) {
    if let Some(location) = location {
        location.push_str(piece);
    }
}

fn resolved(entity: &BytesRef<'_>) -> Result<String, String> {
    if let Some(character) = entity.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(character.to_string());
    }
    let name = entity.as_ref();
    resolve_predefined_entity(name).map(str::to_owned).ok_or_else(|| format!("it uses the unknown entity &{name};"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(list: &[Url]) -> Vec<&str> {
        list.iter().map(Url::as_str).collect()
    }

    #[test]
    fn pages_are_read_with_entities_and_without_pictures() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
            <urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/x">
            <url><loc> http://x.org/a?b=1&amp;c=&#50; </loc><lastmod>2024-01-01</lastmod>
            <image:image><image:loc>http://x.org/a.png</image:loc></image:image></url>
            <url><loc><![CDATA[http://x.org/b]]></loc></url><url><loc>nowhere</loc></url></urlset>"#;
        let sitemap = parse(xml.as_bytes()).unwrap();
        assert_eq!(urls(&sitemap.pages), ["http://x.org/a?b=1&c=2", "http://x.org/b"]);
        assert_eq!(sitemap.invalid, ["nowhere"]);
    }

    #[test]
    fn an_index_names_sitemaps_and_a_text_names_pages() {
        let index = "<sitemapindex><sitemap><loc>http://x.org/1.xml.gz</loc></sitemap></sitemapindex>";
        assert_eq!(urls(&parse(index.as_bytes()).unwrap().sitemaps), ["http://x.org/1.xml.gz"]);
        assert_eq!(urls(&parse(b"\xef\xbb\xbfhttp://x.org/a\r\n\nhttp://x.org/b").unwrap().pages).len(), 2);
    }

    #[test]
    fn what_can_not_be_read_to_its_end_is_an_error_and_nothing_unfolds() {
        for broken in [
            "<urlset><url><loc>http://x.org/a</loc>",
            "<urlset><url></loc></urlset>",
            "<html><body></body></html>",
            "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">]><urlset><url><loc>http://x.org/&a;</loc></url></urlset>",
        ] {
            assert!(parse(broken.as_bytes()).is_err(), "{broken}");
        }
        assert!(parse("http://x.org/a\n".repeat(URLS_MAX + 1).as_bytes()).unwrap_err().contains("50000"));
    }
}
