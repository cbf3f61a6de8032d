//! Markdown → itself without front matter, with its headings and its title.
//!
//! ATX (`# Title`) and underlined headings count, as CommonMark has them; lines that merely look like one, in a code
//! block for example, don't. Nor do headings and tables inside lists and quotes: they don't divide the document. A text
//! whose quotes and lists are nested beyond all reason has neither; it stays as it is.

use std::ops::Range;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::ingest::extract::extracted::on_one_line;
use crate::ingest::extract::{Extracted, FileKind, FrontMatter, Heading, Table};

/// People nest no deeper. The parser takes time by the square of it.
const NESTING_MAX: usize = 100;

pub(crate) fn extract(source: &str) -> Extracted {
    let Front { title, matter, text } = split_front_matter(source);
    let body = body(text, FileKind::Markdown);
    Extracted { title: title.or(body.title), front_matter: matter, ..body }
}

/// A text without front matter, whatever it was made from.
pub(crate) fn body(text: &str, kind: FileKind) -> Extracted {
    let (headings, tables) = structure(text);
    let title = title_of(&headings);
    Extracted { headings, tables, title, ..Extracted::of(kind, text.to_owned()) }
}

/// The headings that divide `text`, in its order.
pub(crate) fn headings(text: &str) -> Vec<Heading> {
    structure(text).0
}

/// The headings and tables that divide `text`, in its order.
fn structure(text: &str) -> (Vec<Heading>, Vec<Table>) {
    if is_nested_too_deep(text) {
        return (Vec::new(), Vec::new());
    }
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_GFM;
    let mut headings = Vec::new();
    let mut tables = Vec::new();
    // How many lists and quotes are open.
    let mut depth = 0_usize;
    let mut open: Option<Heading> = None;
    for (event, range) in Parser::new_ext(text, options).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) if depth == 0 => {
                let start = line_start(text, range.start);
                open = Some(Heading { level: level as u8, title: String::new(), start });
            }
            Event::End(TagEnd::Heading(_)) => headings.extend(open.take().and_then(finished)),
            Event::Start(Tag::Table(_)) if depth == 0 => tables.push(table(text, range)),
            Event::Start(Tag::BlockQuote(_) | Tag::List(_) | Tag::FootnoteDefinition(_)) => depth += 1,
            Event::End(TagEnd::BlockQuote(_) | TagEnd::List(_) | TagEnd::FootnoteDefinition) => {
                depth = depth.saturating_sub(1);
            }
            Event::Text(piece) | Event::Code(piece) => {
                if let Some(heading) = &mut open {
                    heading.title.push_str(&piece);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(heading) = &mut open {
                    heading.title.push(' ');
                }
            }
            Event::Start(_)
            | Event::End(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::Rule
            | Event::TaskListMarker(_) => {}
        }
    }
    (headings, tables)
}

/// Its rows come after the header and the rule.
fn table(text: &str, range: Range<usize>) -> Table {
    let span = line_start(text, range.start)..range.end;
    let lines = text.get(span.clone()).unwrap_or_default().split_inclusive('\n');
    let rows_start = span.start + lines.take(2).map(str::len).sum::<usize>();
    Table { span, rows_start }
}

/// Whether a line opens more quotes and lists than anybody would. An indented line may belong to as many lists as it is
/// deep.
fn is_nested_too_deep(text: &str) -> bool {
    text.lines().any(|line| {
        let words = line.trim_start_matches([' ', '\t']);
        let indent: usize = line.bytes().take(line.len() - words.len()).map(|b| if b == b'\t' { 4 } else { 1 }).sum();
        let bytes = words.as_bytes();
        let mut marks = 0;
        for (at, byte) in bytes.iter().enumerate() {
            let ends = bytes.get(at + 1).is_none_or(|next| matches!(next, b' ' | b'\t'));
            match byte {
                b'>' => marks += 1,
                b'-' | b'+' | b'*' | b'.' | b')' => marks += usize::from(ends),
                b' ' | b'\t' | b'0'..=b'9' => {}
                _ => break,
            }
        }
        marks > 0 && marks + indent / 2 > NESTING_MAX
    })
}

/// The first heading of level 1, else the first heading.
pub(crate) fn title_of(headings: &[Heading]) -> Option<String> {
    headings.iter().find(|heading| heading.level == 1).or(headings.first()).map(|heading| heading.title.clone())
}

/// None for a heading without words: it divides nothing.
fn finished(mut heading: Heading) -> Option<Heading> {
    heading.title = on_one_line(&heading.title);
    (!heading.title.is_empty()).then_some(heading)
}

fn line_start(text: &str, at: usize) -> usize {
    text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline + 1)
}

/// A Markdown file's head and the text after it.
struct Front<'a> {
    title: Option<String>,
    matter: Option<FrontMatter>,
    text: &'a str,
}

/// The YAML (`---`) or TOML (`+++`) front matter, the title in it, and the text after it. A text that begins with a
/// horizontal rule has none: everything between the two fences must look like settings.
fn split_front_matter(source: &str) -> Front<'_> {
    let mut rest = source;
    let opening = next_line(&mut rest);
    let (assign, closings, kind): (char, &[&str], fn(String) -> FrontMatter) = match opening.trim_end() {
        "---" => (':', &["---", "..."], FrontMatter::Yaml),
        "+++" => ('=', &["+++"], FrontMatter::Toml),
        _ => return Front { title: None, matter: None, text: source },
    };
    let without = || Front { title: None, matter: Some(FrontMatter::Broken(head(source, closings))), text: source };
    let (mut title, mut matter, mut settings) = (None, String::new(), 0);
    while !rest.is_empty() {
        let line = next_line(&mut rest);
        if closings.contains(&line.trim_end()) {
            let text = rest.trim_start_matches('\n');
            return if settings > 0 { Front { title, matter: Some(kind(matter)), text } } else { without() };
        }
        if let Some((key, value)) = line.split_once(assign)
            && !line.starts_with([' ', '\t', '-', '#', '['])
        {
            settings += 1;
            if key.trim() == "title" {
                title = title_value(value);
            }
        } else if !is_part_of_a_setting(line) {
            return without();
        }
        matter.push_str(line);
        matter.push('\n');
    }
    without()
}

/// What stands between the first fence and the next, or the next blank line.
fn head(source: &str, closings: &[&str]) -> String {
    let lines = source.lines().skip(1).map(str::trim_end);
    lines.take_while(|line| !line.is_empty() && !closings.contains(line)).collect::<Vec<_>>().join("\n")
}

/// The next line of `rest` without its end; `rest` is what follows.
fn next_line<'a>(rest: &mut &'a str) -> &'a str {
    let (line, after) = rest.split_once('\n').unwrap_or((rest, ""));
    *rest = after;
    line
}

/// Comments, TOML tables, list items, continued values and blank lines.
fn is_part_of_a_setting(line: &str) -> bool {
    line.trim().is_empty() || line.starts_with([' ', '\t', '#', '-', '[', ']', '"', '}'])
}

fn title_value(value: &str) -> Option<String> {
    let value = value.trim();
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote));
    let title = on_one_line(quoted.unwrap_or(value));
    (!title.is_empty()).then_some(title)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn titles(text: &str) -> Vec<(u8, String)> {
        headings(text).into_iter().map(|heading| (heading.level, heading.title)).collect()
    }

    fn title(level: u8, title: &str) -> (u8, String) {
        (level, title.to_owned())
    }

    #[test]
    fn hashes_and_underlines_both_make_headings() {
        let text = "Guide\n=====\n\nIntro.\n\n## Install ##\n\nLinux\n-----\n";
        assert_eq!(titles(text), [title(1, "Guide"), title(2, "Install"), title(2, "Linux")]);
    }

    #[test]
    fn a_heading_inside_a_code_fence_is_no_heading() {
        assert_eq!(titles("# Real\n\n```sh\n# comment\n```\n\n    # indented\n"), [title(1, "Real")]);
    }

    #[test]
    fn a_heading_inside_a_list_or_a_quote_divides_nothing() {
        assert_eq!(titles("- # item\n\n> ## quoted\n\n# Real\n"), [title(1, "Real")]);
    }

    #[test]
    fn a_heading_has_no_markup() {
        let text = "# The `--force` flag, *really* ([docs](http://x/y \"z\")) <a id=\"f\"></a> {#force}\n";
        assert_eq!(titles(text), [title(1, "The --force flag, really (docs)")]);
    }

    #[test]
    fn a_heading_starts_where_its_line_starts() {
        let text = "one\n\n  ## Two\n\nThree\nand more\n===\n";
        let starts: Vec<_> = headings(text).into_iter().map(|heading| heading.start).collect();
        assert_eq!(starts, [text.find("  ##").expect("it is there"), text.find("Three").expect("it is there")]);
    }

    #[test]
    fn the_title_is_the_front_matters_then_the_first_of_level_one_then_the_first() {
        let declared = extract("---\nlayout: page\ntitle: \"A: B\"\ntags:\n  - x\n---\n\n# C\n");
        assert_eq!(declared.title.as_deref(), Some("A: B"));
        assert_eq!(declared.text, "# C\n");
        assert_eq!(extract("+++\ntitle = 'Hugo'\n[menu]\n+++\ntext\n").title.as_deref(), Some("Hugo"));
        assert_eq!(extract("## B\n\n# C\n").title.as_deref(), Some("C"));
        assert_eq!(extract("## B\n\n### C\n").title.as_deref(), Some("B"));
        assert_eq!(extract("no headings\n").title, None);
    }

    #[test]
    fn a_table_is_known_with_its_head() {
        let made =
            extract("a\n\n| k | v |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n\nb\n\n- | x | y |\n  |---|---|\n  | 1 | 2 |\n");
        let [table] = made.tables.as_slice() else { panic!("{:?}", made.tables) };
        assert_eq!(made.text.get(table.span.start..table.rows_start), Some("| k | v |\n|---|---|\n"));
        assert_eq!(made.text.get(table.rows_start..table.span.end), Some("| 1 | 2 |\n| 3 | 4 |\n"));
    }

    #[test]
    fn a_text_nested_beyond_all_reason_is_read_in_no_time() {
        let lists: String = (0..3000).map(|depth| format!("{}- x\n", "  ".repeat(depth))).collect();
        for text in [">".repeat(50_000) + "x", "- ".repeat(50_000) + "x", "1. ".repeat(50_000), lists] {
            assert_eq!(extract(&text).text, text);
        }
        let ruled = format!("# A\n\n{}\n\n{}\n\n{}\n", "-".repeat(200), "*".repeat(300), "----- ".repeat(40));
        assert_eq!(extract(&ruled).headings.len(), 1);
    }

    #[test]
    fn a_text_between_two_rules_is_no_front_matter() {
        for text in ["---\nSome prose here.\n---\nMore.\n", "---\n\n---\n", "---\ntitle: never closed\n"] {
            assert_eq!(extract(text).text, text);
        }
    }

    proptest! {
        #[test]
        fn headings_ascend_and_each_starts_a_line(text in "([#=`>\\-+ \n]|[a-zé|]){0,200}") {
            let mut last = None;
            for heading in headings(&text) {
                prop_assert!(last < Some(heading.start));
                prop_assert!(heading.start == 0 || text.as_bytes()[heading.start - 1] == b'\n');
                last = Some(heading.start);
            }
        }
    }
}
