//! How answers, sources and passages look on a terminal.

use std::io::{self, Write};

use crate::server::ask::{AlsoInWire, AskEvent, CitationWire, ClaimWire, DoneWire, NearestWire, SourceWire};

/// Characters of a passage or a quote that one line shows.
const LINE_CHARS_MAX: usize = 160;

/// Prints an answer while it comes and its sources under it.
#[derive(Default)]
pub(super) struct AnswerPrinter {
    citations: Vec<CitationWire>,
    claims: Vec<ClaimWire>,
    text: String,
}

impl AnswerPrinter {
    /// Prints one event. The end of the answer is given back.
    pub(super) fn event(&mut self, event: AskEvent, out: &mut impl Write) -> io::Result<Option<DoneWire>> {
        match event {
            AskEvent::Sources(sources) => {
                if let Some(condensed) = sources.about.condensed {
                    writeln!(out, "Understood as: {}\n", one_line(&condensed))?;
                }
            }
            AskEvent::Delta(delta) => {
                self.text.push_str(&delta.text);
                write!(out, "{}", shown(&delta.text))?;
                out.flush()?;
            }
            AskEvent::Citation(citation) => self.citations.push(citation),
            AskEvent::Claim(claim) => self.claims.push(claim),
            AskEvent::Done(done) => {
                self.end(&done, out)?;
                return Ok(Some(done));
            }
            AskEvent::Error(body) => {
                writeln!(out)?;
                return Err(io::Error::other(body.error.message));
            }
        }
        Ok(None)
    }

    fn end(&mut self, done: &DoneWire, out: &mut impl Write) -> io::Result<()> {
        writeln!(out)?;
        if done.finish_reason == "length" {
            writeln!(out, "\n(cut off: the answer ran into its limit)")?;
        }
        if !self.citations.is_empty() {
            writeln!(out, "\nSources")?;
        } else if done.outcome != "refused" {
            writeln!(out, "\n(the model cited no source: nothing here is tied to a document)")?;
        }
        self.citations.sort_by_key(|citation| (citation.number, citation.span.start));
        self.citations.dedup_by_key(|citation| (citation.number, citation.span));
        let mut last = 0;
        for citation in &self.citations {
            if citation.number != last {
                let place = place(&citation.title, &citation.headings);
                let page = page(citation.page);
                writeln!(out, "  [{}] {place}{page}\n      {}", citation.number, shown_in_line(&citation.uri))?;
                also_in(&citation.also_in, out)?;
                last = citation.number;
            }
            let (quote, span) = (one_line(&citation.quote), citation.span);
            writeln!(out, "      bytes {}-{}: “{quote}”", span.start, span.end)?;
        }
        self.doubts(out)?;
        if !done.missing.is_empty() {
            let missing: Vec<String> = done.missing.iter().map(|word| format!("“{}”", one_line(word))).collect();
            writeln!(out, "\nThe documents say nothing of {}.", missing.join(", "))?;
        }
        if let Some(reason) = &done.fallback {
            writeln!(out, "\n(quoted because {})", shown_in_line(reason))?;
        }
        nearest(&done.nearest, out)
    }

    /// The sentences that the documents don't bear out, and why.
    fn doubts(&self, out: &mut impl Write) -> io::Result<()> {
        let doubtful: Vec<&ClaimWire> = self.claims.iter().filter(|claim| claim.verdict != "supported").collect();
        if doubtful.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nNot borne out by the documents")?;
        for claim in doubtful {
            let text = self.text.get(claim.span.start..claim.span.end).unwrap_or_default();
            writeln!(out, "  - {} ({}, {:.2})", one_line(text), claim.verdict, claim.score)?;
            for finding in &claim.findings {
                let word = self.text.get(finding.span.start..finding.span.end).unwrap_or_default();
                let said = finding
                    .evidence
                    .as_ref()
                    .map_or(String::new(), |said| format!("; the source says “{}”", one_line(&said.quote)));
                writeln!(out, "      {}: “{}”{said}", finding.kind.replace('_', " "), one_line(word))?;
            }
        }
        Ok(())
    }
}

/// The other documents with a source's text.
fn also_in(copies: &[AlsoInWire], out: &mut impl Write) -> io::Result<()> {
    for copy in copies {
        let page = page(copy.page);
        writeln!(out, "      also in {}{page}\n        {}", shown(&copy.title), shown_in_line(&copy.uri))?;
    }
    Ok(())
}

fn nearest(documents: &[NearestWire], out: &mut impl Write) -> io::Result<()> {
    if documents.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nThe nearest documents:")?;
    for document in documents {
        let place = place(&document.title, &document.headings);
        writeln!(out, "  - {place} (similarity {:.2})\n    {}", document.similarity, shown_in_line(&document.uri))?;
    }
    Ok(())
}

/// A passage found by a search.
pub(super) fn passage(source: &SourceWire, out: &mut impl Write) -> io::Result<()> {
    let place = place(&source.title, &source.headings);
    writeln!(out, "{:>2}. {place}{}", source.number, page(source.page))?;
    writeln!(
        out,
        "    score {:.3}, similarity {:.2}, {}",
        source.score,
        source.similarity,
        shown_in_line(&source.uri)
    )?;
    writeln!(out, "    {}", one_line(&source.text))
}

/// "Title > Heading > Heading", without saying the title twice.
fn place(title: &str, headings: &[String]) -> String {
    let below = headings.iter().map(String::as_str).filter(|heading| *heading != title);
    shown(&std::iter::once(title).chain(below).collect::<Vec<_>>().join(" > "))
}

fn page(number: Option<u32>) -> String {
    number.map_or(String::new(), |number| format!(", page {number}"))
}

pub(super) fn one_line(text: &str) -> String {
    let line = shown(&text.split_whitespace().collect::<Vec<_>>().join(" "));
    match line.char_indices().nth(LINE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", line.split_at(end).0),
        None => line,
    }
}

/// The same on one line, whatever it holds: for names in a list.
pub(super) fn shown_in_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Text from outside without what a terminal would take for an order: a document must not set the window's title.
pub(super) fn shown(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { char::REPLACEMENT_CHARACTER } else { c })
        .collect()
}
