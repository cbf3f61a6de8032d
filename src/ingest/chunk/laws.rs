//! What holds for the chunks of any text at all.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::ingest::extract::{self, ExtractLimits, FileKind, Heading};

fn chunker(chunk_tokens_max: usize, heading_tokens_max: usize) -> Chunker {
    Chunker::new(TokenCounter::estimate(), ChunkLimits { chunk_tokens_max, heading_tokens_max })
}

/// Splits and checks every law; gives the chunks for more.
fn lawful(chunker: &Chunker, title: &str, extracted: &Extracted) -> Vec<Chunk> {
    let text = extracted.text.as_str();
    let chunks = chunker.split(title, extracted);
    let mut covered = 0;
    for (i, chunk) in chunks.iter().enumerate() {
        assert_eq!(chunk.ordinal as usize, i, "ordinals are dense");
        assert_eq!(chunk.span.of(text), chunk.text, "a chunk is what its span says");
        assert_eq!(chunk.text.trim(), chunk.text, "no white space around a chunk");
        assert!(!chunk.text.is_empty(), "no chunk is empty");
        assert!(covered <= chunk.span.start, "chunks don't overlap");
        let skipped = piece(text, &(covered..chunk.span.start));
        assert_eq!(skipped.trim(), "", "nothing but white space is lost");
        covered = chunk.span.end;
        let tokens = chunker.tokens.count(&embedded_text(title, chunk)) + chunker.tokens.special_tokens();
        let limit = chunker.limits.chunk_tokens_max;
        assert!(tokens <= limit, "{tokens} tokens, more than {limit}: {chunk:?}");
    }
    assert_eq!(piece(text, &(covered..text.len())).trim(), "", "nothing but white space is lost");
    chunks
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the repository can be read") {
        let path = entry.expect("the repository can be read").path();
        if path.is_dir() { files.extend(files_below(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn the_laws_hold_for_our_own_source_and_for_a_real_manual() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [files_below(&root.join("src")), files_below(&root.join("tests/fixtures/docs"))].concat();
    let mut count = 0;
    for path in files {
        if FileKind::of(&path).is_none() {
            continue;
        }
        let bytes = fs::read(&path).expect("the repository can be read");
        let extracted = extract(&path.to_string_lossy(), &bytes);
        let title = extracted.title.clone().unwrap_or_else(|| path.display().to_string());
        for (chunk_tokens_max, heading_tokens_max) in [(256, 64), (64, 32)] {
            count += lawful(&chunker(chunk_tokens_max, heading_tokens_max), &title, &extracted).len();
        }
    }
    assert!(count > 100, "{count} chunks");
}

fn extract(name: &str, bytes: &[u8]) -> Extracted {
    extract::extract(name, bytes, &ExtractLimits::default(), Err("no PDFs here")).expect("it is text")
}

fn names() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a.md", "a.rst", "a.txt", "a.html", "a.rs", "a.py", "a.sh", "a.adoc", "a.csv"])
}

/// Lines as they stand in Markdown, and some that try to be mistaken for them.
fn markdown_like() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        3 => Just(String::new()),
        4 => "[a-zäß日]{1,12}( [a-z,.`*]{1,9}){0,30}",
        2 => "#{1,6} [A-Za-z`ü ]{0,30}",
        1 => "[=-]{1,8}",
        1 => "(```|~~~)[a-z]{0,3}",
        1 => " {0,6}([-*>]|[0-9]\\.) [a-z ]{0,20}",
        1 => "\\|( [a-z]{0,5} \\|){1,4}",
        1 => "[a-z]{90,300}",
        1 => "\\PC{0,40}",
    ];
    proptest::collection::vec(line, 0..60).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn the_laws_hold_for_any_text(
        name in names(),
        text in markdown_like(),
        title in "[A-Za-z ü]{0,120}",
        chunk_tokens_max in 32..300_usize,
        heading_tokens_max in 0..64_usize,
    ) {
        let extracted = extract(name, text.as_bytes());
        lawful(&chunker(chunk_tokens_max, heading_tokens_max), &title, &extracted);
    }

    #[test]
    fn the_laws_hold_for_any_headings(
        text in "([a-zü ]{0,30}\n){0,40}",
        marks in proptest::collection::vec((0..40_usize, 1..9_u8, "[A-Zü ]{1,90}"), 0..20),
        title in "[A-Z ü]{0,90}",
    ) {
        let lines: Vec<_> = text.split_inclusive('\n').scan(0, |at, line| {
            *at += line.len();
            Some(*at - line.len())
        }).collect();
        let mut headings: Vec<_> = marks.into_iter()
            .filter_map(|(line, level, title)| Some(Heading { level, title, start: *lines.get(line)? }))
            .collect();
        headings.sort_by_key(|heading| heading.start);
        headings.dedup_by_key(|heading| heading.start);
        let extracted = Extracted { text, headings, ..extract("a.rst", b"") };
        lawful(&chunker(64, 32), &title, &extracted);
    }
}

fn markdown(text: &str) -> Extracted {
    extract("a.md", text.as_bytes())
}

#[test]
fn a_chunk_is_embedded_with_its_title_and_the_headings_above_it() {
    let chunks = lawful(
        &chunker(256, 64),
        "Guide",
        &markdown("# Install\n\nLong enough to stand on its own, this.\n\n## Linux\n\nUse apt.\n"),
    );
    let last = chunks.last().expect("there are chunks");
    assert_eq!(embedded_text("Guide", last), "Guide > Install > Linux\n## Linux\n\nUse apt.");
}

#[test]
fn a_title_that_is_the_first_heading_is_embedded_once() {
    let chunks = lawful(
        &chunker(256, 64),
        "Install",
        &markdown("# Install\n\nLong enough to stand on its own, this.\n\n## Linux\n\nUse apt.\n"),
    );
    let paths: Vec<_> = chunks.iter().map(|chunk| path_line("Install", &chunk.headings)).collect();
    assert_eq!(paths, ["Install", "Install > Linux"]);
}

#[test]
fn a_long_path_loses_its_outer_headings_first() {
    let text = format!("# {0}\n\n## {1}\n\n### {2}\n\nText.\n", "A".repeat(60), "B".repeat(60), "C".repeat(60));
    let chunks = lawful(&chunker(256, 32), "Title", &markdown(&text));
    assert_eq!(chunks.last().expect("there are chunks").headings, ["C".repeat(60)]);
}

#[test]
fn a_title_or_heading_that_is_too_long_is_shortened_in_the_path_only() {
    let (title, heading) = ("T".repeat(400), "h".repeat(400));
    let chunks = lawful(&chunker(256, 32), &title, &markdown(&format!("# {heading}\n\nText.\n")));
    let chunk = chunks.first().expect("there are chunks");
    assert!(chunk.text.contains(&heading));
    let path = path_line(&title, &chunk.headings);
    assert!(path.starts_with("TTTT") && path.contains("… > hhhh") && path.ends_with('…'), "{path}");
}

#[test]
fn a_long_table_is_cut_between_rows_and_each_piece_is_embedded_with_its_head() {
    let rows: String = (0..200).map(|n| format!("{n},name {n},a place\n")).collect();
    let extracted = extract("people.csv", format!("id,name,city\n{rows}").as_bytes());
    let chunks = lawful(&chunker(128, 32), "People", &extracted);
    assert!(chunks.len() > 5, "{}", chunks.len());
    for chunk in chunks.iter().skip(1) {
        assert!(chunk.text.starts_with("| ") && chunk.text.ends_with(" |"), "whole rows: {:?}", chunk.text);
        assert!(embedded_text("People", chunk).contains("| id | name | city |"), "{chunk:?}");
        assert!(!chunk.text.contains("| id |"), "what is cited is what the document says");
    }
}

#[test]
fn a_text_without_words_has_no_chunks() {
    for text in ["", " \n\t\n", "\u{a0}\n"] {
        assert_eq!(chunker(256, 64).split("T", &markdown(text)), []);
    }
}
