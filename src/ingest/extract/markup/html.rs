//! HTML → readable Markdown of its main content, with its headings and its title.
//!
//! Navigation, scripts, forms' fields and pictures go; of links and emphasis only the words stay; code, tables and
//! lists stay as Markdown. A table of contents stays only on a page that has nothing else to say. Pages that are too
//! large, nested too deep or unfold beyond measure are errors, never cut.

use html_to_markdown_rs::types::WarningKind;
use html_to_markdown_rs::{ConversionOptions, OutputFormat, convert};

use crate::ingest::extract::extracted::on_one_line;
use crate::ingest::extract::markup::markdown;
use crate::ingest::extract::{ExtractError, Extracted, FileKind, Heading};

/// More than any page that people read. The converter needs some ten times the page's size in memory.
const PAGE_BYTES_MAX: u64 = 64 << 20;
/// The converter needs about a kilobyte of memory for an element.
const ELEMENTS_MAX: usize = 300_000;
/// The most that the converter follows.
const DEPTH_MAX: usize = 1024;
/// Text is shorter than the page it is in. One that unfolds beyond this, by cells that span a thousand columns say, is
/// broken or hostile.
const GROWTH_TIMES_MAX: usize = 4;
/// Below this many bytes of text, growth does no harm.
const GROWTH_BYTES_MIN: usize = 1 << 20;
/// A page with less text than this beside its headings is one that only leads to others.
const CONTENT_BYTES_MIN: usize = 200;

/// What the tools that build documentation put around it. Each entry matches an element by its own properties.
const NAVIGATION: &[&str] = &[
    // Elements and roles.
    "nav",
    "footer",
    "button",
    "input",
    "select",
    "textarea",
    "[role=navigation]",
    "[role=search]",
    "[role=contentinfo]",
    // DocBook.
    ".navheader",
    ".navfooter",
    ".indexterm",
    // Sphinx, Read the Docs and MkDocs.
    ".sphinxsidebar",
    "div.related",
    ".headerlink",
    ".viewcode-link",
    ".wy-nav-side",
    ".wy-breadcrumbs",
    ".rst-footer-buttons",
    ".md-sidebar",
    ".md-header",
    ".md-footer",
    // Docusaurus, Jekyll, wikis and the rest of the web.
    ".hash-link",
    ".anchor-link",
    ".anchorjs-link",
    ".permalink",
    ".theme-edit-this-page",
    ".mw-editsection",
    ".mw-jump-link",
    ".sidebar",
    ".navbar",
    ".breadcrumb",
    ".breadcrumbs",
    ".pagination",
    ".skip-link",
];

const CONTENTS: &[&str] = &[".toc", "#toc", ".table-of-contents", ".tableofcontents", ".toctree-wrapper"];

/// Elements of which only the content stays.
const UNWRAPPED: &[&str] = &["a", "b", "strong", "i", "em", "u", "s", "mark", "small", "abbr", "acronym"];

/// Titles of boxes within a section. As headings, they would claim the rest of the section for the box.
const BOX_TITLES: &[&str] = &["note", "tip", "hint", "important", "warning", "caution", "attention", "danger"];
/// Boxes have small headings; above this level the same word heads a section.
const BOX_LEVEL_MIN: u8 = 3;

pub(crate) fn extract(page: &str) -> Result<Extracted, ExtractError> {
    let tags = page.as_bytes().windows(2).filter(|two| matches!(two, [b'<', b'a'..=b'z' | b'A'..=b'Z'])).count();
    if tags > ELEMENTS_MAX {
        return Err(ExtractError::TooLarge { what: "elements of the page", limit: ELEMENTS_MAX as u64 });
    }
    let mut text = to_markdown(page, &[NAVIGATION, CONTENTS].concat())?;
    if content_bytes(&text) < CONTENT_BYTES_MIN {
        text = to_markdown(page, NAVIGATION)?;
    }
    text = with_boxes_as_prose(&text);
    let body = markdown::body(&text, FileKind::Html);
    let title = declared_title(page)?.or(body.title);
    Ok(Extracted { title, ..body })
}

fn to_markdown(page: &str, excluded: &[&str]) -> Result<String, ExtractError> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut options = ConversionOptions {
        autolinks: false,
        bullets: "-".to_owned(),
        compact_tables: true,
        exclude_selectors: owned(excluded),
        expand_abbreviations: false,
        extract_metadata: false,
        include_blockquote_citations: false,
        max_depth: Some(DEPTH_MAX),
        max_input_size: Some(PAGE_BYTES_MAX),
        skip_images: true,
        strip_tags: owned(UNWRAPPED),
        ..ConversionOptions::default()
    };
    // Some frameworks put the whole page into one form.
    options.preprocessing.remove_forms = false;
    converted(page, options)
}

fn converted(page: &str, options: ConversionOptions) -> Result<String, ExtractError> {
    let bytes_max = page.len().saturating_mul(GROWTH_TIMES_MAX).max(GROWTH_BYTES_MIN);
    let result = convert(page, options).map_err(ExtractError::damaged)?;
    if result.warnings.iter().any(|warning| warning.kind == WarningKind::DepthLimitExceeded) {
        return Err(ExtractError::TooDeep { what: "elements of the page", limit: DEPTH_MAX });
    }
    let text = result.content.unwrap_or_default();
    if text.len() > bytes_max {
        return Err(ExtractError::TooLarge { what: "bytes of text in the page", limit: bytes_max as u64 });
    }
    Ok(tidy(&text))
}

/// `text` as it reads: without invisible characters, which would part words that people search for, and with single
/// spaces outside of code blocks, where the page's source breaks its lines.
fn tidy(text: &str) -> String {
    let visible = text.trim().chars().filter(|c| !matches!(c, '\u{ad}' | '\u{200b}' | '\u{2060}' | '\u{feff}'));
    let plain: String = visible.map(|c| if c == '\u{a0}' { ' ' } else { c }).collect();
    let mut tidied = String::with_capacity(plain.len() + 1);
    let mut fence: Option<&str> = None;
    for line in plain.lines() {
        let words = line.trim_start();
        let indent = line.strip_suffix(words).unwrap_or_default();
        let mark = words.strip_suffix(words.trim_start_matches('`')).filter(|mark| mark.len() >= 3);
        match (fence, mark) {
            (None, None) => {
                tidied.push_str(indent);
                tidied.push_str(&on_one_line(words));
            }
            (None, Some(_)) | (Some(_), None | Some(_)) => tidied.push_str(line),
        }
        tidied.push('\n');
        fence = match (fence, mark) {
            (None, opened) => opened,
            (Some(open), Some(closing)) if closing == words && closing.len() >= open.len() => None,
            (Some(open), Some(_) | None) => Some(open),
        };
    }
    tidied
}

/// Bytes of `text` that belong to no heading's line.
fn content_bytes(text: &str) -> usize {
    let headings = markdown::headings(text);
    let in_headings: usize = headings.iter().map(|heading| line_at(text, heading.start).len()).sum();
    text.trim().len().saturating_sub(in_headings)
}

/// `text` in which "### Note" is "Note:".
fn with_boxes_as_prose(text: &str) -> String {
    let mut prose = String::with_capacity(text.len());
    let mut copied = 0;
    for heading in markdown::headings(text).iter().filter(|heading| is_box(heading)) {
        prose.push_str(text.get(copied..heading.start).unwrap_or_default());
        prose.push_str(heading.title.trim_end_matches([':', '!']));
        prose.push(':');
        copied = heading.start + line_at(text, heading.start).len();
    }
    prose.push_str(text.get(copied..).unwrap_or_default());
    prose
}

fn line_at(text: &str, start: usize) -> &str {
    text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default()
}

fn is_box(heading: &Heading) -> bool {
    let title = heading.title.to_lowercase();
    heading.level >= BOX_LEVEL_MIN && BOX_TITLES.contains(&title.trim_end_matches([':', '!']))
}

/// What stands in `<title>`, if anything does.
fn declared_title(page: &str) -> Result<Option<String>, ExtractError> {
    let Some(written) = title_element(page) else { return Ok(None) };
    // The element holds text with entities and no elements; the converter knows how to read entities.
    let paragraph = format!("<p>{}</p>", written.replace('<', "&lt;"));
    let options = ConversionOptions { output_format: OutputFormat::Plain, ..ConversionOptions::default() };
    let title = on_one_line(&converted(&paragraph, options)?);
    Ok((!title.is_empty()).then_some(title))
}

/// The source between `<title>` and `</title>` in the page's head.
fn title_element(page: &str) -> Option<&str> {
    let lower = page.to_ascii_lowercase(); // Keeps every offset.
    // Pictures have titles too.
    let head_end = ["<body", "<svg"].into_iter().filter_map(|tag| lower.find(tag)).min().unwrap_or(lower.len());
    let head = lower.get(..head_end)?;
    let tag = head.find("<title")?;
    let start = tag + head.get(tag..)?.find('>')? + 1;
    let end = start + head.get(start..)?.find("</title")?;
    page.get(start..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str) -> Extracted {
        extract(&format!("<html><head><title>T</title></head><body>{body}</body></html>")).expect("it converts")
    }

    fn titles(extracted: &Extracted) -> Vec<(u8, &str)> {
        extracted.headings.iter().map(|heading| (heading.level, heading.title.as_str())).collect()
    }

    #[test]
    fn only_the_words_of_a_page_stay() {
        let extracted = page(
            "<nav>Home</nav><div class='navheader x'>Prev</div><script>var a = '<p>b</p>'</script><style>p{}</style>\
             <h1>Guide<a class=headerlink href='#g'>¶</a></h1>\
             <p>See <a href='http://x/y'>the <em>manual</em></a>, <b>now</b>.<img alt=pic src='data:image/png;base64,AA'></p>\
             <div role=navigation>Up</div><footer>©</footer>",
        );
        assert_eq!(extracted.text, "# Guide\n\nSee the manual, now.\n");
    }

    #[test]
    fn code_tables_and_lists_stay() {
        let extracted = page(
            "<p>Set <code>max_wal_size</code>.</p><pre># not a heading\n  x = 1\n</pre><ul><li>a<li>b</ul>\
             <table><tr><th>k<th>v<tr><td>1<td>2</table>",
        );
        assert!(extracted.text.contains("Set `max_wal_size`."));
        assert!(extracted.text.contains("```\n# not a heading\n  x = 1\n```"));
        assert!(extracted.text.contains("- a\n- b"));
        assert!(extracted.text.contains("| k | v |\n| --- | --- |\n| 1 | 2 |"));
        assert_eq!(extracted.headings, []);
    }

    #[test]
    fn headings_start_where_their_lines_start() {
        let extracted = page("<h2 class=title>20.4. A <code>b</code></h2><p>c</p><div><h3>D &amp; E</h3>f</div>");
        assert_eq!(titles(&extracted), [(2, "20.4. A b"), (3, "D & E")]);
        for heading in &extracted.headings {
            assert!(extracted.text.get(heading.start..).is_some_and(|rest| rest.starts_with("##")));
        }
    }

    #[test]
    fn the_title_of_a_box_heads_no_section() {
        let extracted = page("<h2>Backup</h2><div class=warning><h3>Warning</h3><p>Careful.</p></div><p>More.</p>");
        assert_eq!(titles(&extracted), [(2, "Backup")]);
        assert_eq!(extracted.text, "## Backup\n\nWarning:\n\nCareful.\n\nMore.\n");
    }

    #[test]
    fn a_table_of_contents_stays_only_where_there_is_nothing_else() {
        let contents = "<h2>Chapter 1</h2><div class=toc><dl><dt><a href=x>1.1. Start</a></dl></div>";
        assert!(page(contents).text.contains("1.1. Start"));
        let prose = "<p>It is a chapter with much to say. </p>".repeat(20);
        assert!(!page(&format!("{contents}{prose}")).text.contains("1.1. Start"));
    }

    #[test]
    fn the_title_is_the_pages_own_else_the_first_heading() {
        let own = extract("<HTML><TITLE>\n A &amp; B &mdash; <i> </TITLE><body><h1>C</h1>").expect("it converts");
        assert_eq!(own.title.as_deref(), Some("A & B — <i>"));
        let headed = extract("<h2>B</h2><h1>C</h1><svg><title>no</title></svg>").expect("it converts");
        assert_eq!(headed.title.as_deref(), Some("C"));
        assert_eq!(extract("<p>x").expect("it converts").title, None);
    }

    #[test]
    fn characters_that_only_lay_out_a_page_go() {
        assert_eq!(page("<p>900150\u{200b}983&nbsp;d6&shy;963</p>").text, "900150983 d6963\n");
    }

    #[test]
    fn spaces_are_kept_in_code_blocks_and_nowhere_else() {
        let extracted = page(
            "<p>Use <code>psql\n     &lt; file</code>.</p><ul><li>a<pre>\nx   = 1\n\n  ```\n</pre></ul><p>b   c</p>",
        );
        assert!(extracted.text.contains("Use `psql < file`."), "{}", extracted.text);
        assert!(extracted.text.contains("x   = 1\n\n    ```\n"), "{}", extracted.text);
        assert!(extracted.text.ends_with("\nb c\n"), "{}", extracted.text);
    }

    #[test]
    fn a_page_that_is_nested_too_deep_is_refused_and_never_cut() {
        let deep = format!("{}deep{}", "<div>".repeat(3000), "</div>".repeat(3000));
        assert!(matches!(extract(&deep), Err(ExtractError::TooDeep { .. })));
    }

    #[test]
    fn a_page_that_unfolds_beyond_measure_is_refused() {
        let bomb = format!("<table><tr>{}</table>", "<td colspan=1000>a".repeat(1000));
        assert!(matches!(extract(&bomb), Err(ExtractError::TooLarge { .. })));
    }

    #[test]
    fn broken_html_still_gives_its_text() {
        let extracted = page("<p>one<div><b>two<p></i>three<table><tr><td>four");
        for word in ["one", "two", "three", "four"] {
            assert!(extracted.text.contains(word), "{}", extracted.text);
        }
    }
}
