//! What a crawl reads of an HTML page: where it leads, and what it asks of crawlers.
//!
//! Only tags are looked at, one after the other and without a tree, so that no nesting is too deep. Reads any bytes.

use std::cell::RefCell;
use std::collections::BTreeSet;

use encoding_rs::{Encoding, UTF_8};
use html5ever::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};
use reqwest::Url;

use super::super::address::canonical;

/// What a page, or the response that it came in, asks of crawlers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) no_index: bool,
    pub(super) no_follow: bool,
}

impl Wishes {
    /// Reads `noindex, nofollow`, and `none`, which is both.
    pub(super) fn add(&mut self, content: &str) {
        for wish in content.split(',').map(|wish| wish.trim().to_ascii_lowercase()) {
            self.no_index |= matches!(wish.as_str(), "noindex" | "none");
            self.no_follow |= matches!(wish.as_str(), "nofollow" | "none");
        }
    }
}

/// A page's links, each once and in its one spelling, and its wishes.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) links: BTreeSet<Url>,
    pub(super) wishes: Wishes,
}

/// `charset` is what the response said.
pub(super) fn read(url: &Url, bytes: &[u8], charset: Option<&str>) -> Page {
    let said = charset.and_then(|label| Encoding::for_label(label.as_bytes())).unwrap_or(UTF_8);
    let (text, ..) = said.decode(bytes); // A byte order mark wins.
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(&text));
    let sink = Sink { found: RefCell::new(Found { page: Page::default(), base: url.clone() }) };
    let tokenizer = Tokenizer::new(sink, TokenizerOpts::default());
    loop {
        match tokenizer.feed(&input) {
            TokenizerResult::Done => break,
            // Of no matter here: no script runs, and the text is decoded already.
            TokenizerResult::Script(()) | TokenizerResult::EncodingIndicator(_) => {}
        }
    }
    tokenizer.end();
    tokenizer.sink.found.into_inner().page
}

struct Sink {
    found: RefCell<Found>,
}

struct Found {
    page: Page,
    base: Url,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                self.found.borrow_mut().tag(&tag);
                after(&tag)
            }
            Token::TagToken(_)
            | Token::DoctypeToken(_)
            | Token::CommentToken(_)
            | Token::CharacterTokens(_)
            | Token::NullCharacterToken
            | Token::EOFToken
            | Token::ParseError(_) => TokenSinkResult::Continue,
        }
    }
}

/// Elements that hold text, whatever looks like a tag in them.
fn after(tag: &Tag) -> TokenSinkResult<()> {
    match &*tag.name {
        "script" => TokenSinkResult::RawData(RawKind::ScriptData),
        "style" | "xmp" | "iframe" | "noembed" | "noframes" => TokenSinkResult::RawData(RawKind::Rawtext),
        "title" | "textarea" => TokenSinkResult::RawData(RawKind::Rcdata),
        "plaintext" => TokenSinkResult::Plaintext,
        _ => TokenSinkResult::Continue,
    }
}

impl Found {
    fn tag(&mut self, tag: &Tag) {
        let value = |name: &str| tag.attrs.iter().find(|a| &*a.name.local == name).map(|a| a.value.trim());
        match &*tag.name {
            "base" => {
                if let Some(base) = value("href").and_then(|href| self.base.join(href).ok()) {
                    self.base = base;
                }
            }
            "meta" => {
                let name = value("name").unwrap_or_default().to_ascii_lowercase();
                if name == "robots" || name == "cairn" {
                    self.page.wishes.add(value("content").unwrap_or_default());
                }
            }
            "a" | "area" => {
                let rel = value("rel").unwrap_or_default().to_ascii_lowercase();
                let url = value("href").and_then(|href| self.base.join(href).ok()).and_then(canonical);
                if !rel.split_ascii_whitespace().any(|word| word == "nofollow") {
                    self.page.links.extend(url);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(html: &str) -> Page {
        read(&Url::parse("http://x.org/docs/a.html").unwrap(), html.as_bytes(), None)
    }

    fn links(html: &str) -> Vec<String> {
        page(html).links.into_iter().map(String::from).collect()
    }

    #[test]
    fn links_are_found_resolved_and_each_only_once() {
        let html = "<a href='b.html'>b</a><A HREF=\" ../c?x=1&amp;y=2#z \">c</A><map><area href=/d></map>\
                    <a href=b.html#top><a name=x><a href='mailto:x@y.z'><a href='javascript:x()'><a href='//y.org/e'>";
        let expected = ["http://x.org/c?x=1&y=2", "http://x.org/d", "http://x.org/docs/b.html", "http://y.org/e"];
        assert_eq!(links(html), expected);
    }

    #[test]
    fn a_base_moves_what_follows_it() {
        assert_eq!(links("<base href='/other/'><a href=a>"), ["http://x.org/other/a"]);
    }

    #[test]
    fn what_stands_in_text_or_asks_not_to_be_followed_is_no_link() {
        let html = "<script>'<a href=1>'</script><style><a href=2></style><textarea><a href=3></textarea>\
                    <!-- <a href=4> --><title><a href=5></title><a rel='external NoFollow' href=6><a href=7>";
        assert_eq!(links(html), ["http://x.org/docs/7"]);
    }

    #[test]
    fn a_page_says_what_it_asks_of_crawlers() {
        let wishes = |html: &str| page(html).wishes;
        assert_eq!(wishes("<meta name=Robots content='NoIndex'>"), Wishes { no_index: true, no_follow: false });
        assert_eq!(wishes("<meta name=cairn content='all,nofollow'>"), Wishes { no_index: false, no_follow: true });
        assert_eq!(wishes("<meta name=robots content=none>"), Wishes { no_index: true, no_follow: true });
        assert_eq!(wishes("<meta name=googlebot content=noindex>"), Wishes::default());
    }

    #[test]
    fn a_page_in_another_encoding_and_one_of_garbage_are_read() {
        let utf16: Vec<u8> = "\u{feff}<a href=z>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let base = Url::parse("http://x.org/").unwrap();
        assert_eq!(read(&base, &utf16, None).links.len(), 1);
        assert_eq!(read(&base, b"<a href=\xe9>", Some("iso-8859-1")).links.first().unwrap().path(), "/%C3%A9");
        assert!(read(&base, &[0xff, 0x00, b'<', 0x80], Some("nonsense")).links.is_empty());
        let deep = "<div>".repeat(500_000) + "<a href=deep>";
        assert_eq!(page(&deep).links.len(), 1);
    }
}
