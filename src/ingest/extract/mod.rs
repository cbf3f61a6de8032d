//! Bytes of a file → the text that is searched, with its headings and its title.
//!
//! In: what kind of file it is, and all of its bytes. Out: UTF-8 text with `\n` line ends, which every span of the
//! document points into, and the headings in the order of the text. The same bytes always give the same text. An empty
//! file gives an empty text, and the caller decides what that means. Does no I/O, and cuts nothing off in silence: what
//! can't be read whole is an error.

mod code;
mod decode;
mod html;
mod markdown;
mod rst;

use std::path::Path;

use super::meta::SIDECAR_SUFFIX;

pub use code::Language;

use decode::Declared;

/// A title goes wherever its document is named. Longer ones are paragraphs that somebody marked as headings.
const TITLE_CHARS_MAX: usize = 300;

/// What a file's name says about how to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    Markdown,
    Html,
    /// reStructuredText.
    Rst,
    /// Anything else that people read: prose, configuration, code without a grammar here.
    Text,
    Code(Language),
}

/// One heading of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    /// 1 is the outermost.
    pub level: u8,
    /// Without markup, on one line.
    pub title: String,
    /// The byte of `text` at which the heading's line begins.
    pub start: usize,
}

/// A file as text. `headings` ascend by `start`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    pub kind: FileKind,
    pub text: String,
    pub headings: Vec<Heading>,
    /// What the document calls itself; None where it does not say.
    pub title: Option<String>,
    /// What stands before the text, for machines.
    pub front_matter: Option<FrontMatter>,
}

/// Settings at the head of a Markdown file, without their fences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrontMatter {
    Yaml(String),
    Toml(String),
    /// Begins as front matter and is none: taken for text, unless it says who may see the document.
    Broken(String),
}

/// Why a file gives no text. The file would have to change before another attempt can succeed.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    #[error("read as text: the file is not text although its name says so")]
    Binary,
    #[error("convert from HTML: {0}")]
    Html(html_to_markdown_rs::ConversionError),
    #[error("convert from HTML: elements are nested more than {depth_max} deep")]
    HtmlDepth { depth_max: usize },
    #[error("convert from HTML: the page unfolds to more than {times_max} times its size")]
    HtmlGrowth { times_max: usize },
}

impl FileKind {
    /// None: cairn reads no such files. Looks at the name only, in any case.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        if is_generated(&name) {
            return None;
        }
        match name.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() => of_extension(extension),
            Some(_) => None, // `.bashrc`: a hidden file, not a file of kind `bashrc`.
            None => is_well_known_text(&name).then_some(Self::Text),
        }
    }
}

/// The text of a file whose kind is known.
pub fn extract(kind: FileKind, bytes: &[u8]) -> Result<Extracted, ExtractError> {
    let mut extracted = match kind {
        FileKind::Markdown => markdown::extract(&decode::decode(bytes, Declared::Nowhere)?),
        FileKind::Html => html::extract(&decode::decode(bytes, Declared::InHtml)?)?,
        FileKind::Rst => rst::extract(decode::decode(bytes, Declared::Nowhere)?),
        FileKind::Text | FileKind::Code(_) => {
            let text = decode::decode(bytes, Declared::Nowhere)?;
            Extracted { kind, text, headings: Vec::new(), title: None, front_matter: None }
        }
    };
    extracted.title = extracted.title.map(bounded);
    Ok(extracted)
}

fn bounded(title: String) -> String {
    match title.char_indices().nth(TITLE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", title.get(..end).unwrap_or_default().trim_end()),
        None => title,
    }
}

fn of_extension(extension: &str) -> Option<FileKind> {
    let kind = match extension {
        "md" | "markdown" | "mdx" | "mkd" | "mdown" => FileKind::Markdown,
        "html" | "htm" | "xhtml" => FileKind::Html,
        "rst" | "rest" => FileKind::Rst,
        // Prose, and markup that reads as prose. Not `log`: logs change all the time and bury what people wrote.
        "txt" | "text" | "adoc" | "asciidoc" | "org" | "tex" => FileKind::Text,
        // Configuration and schemas. Not `json`, `xml` or `csv`: mostly data, dumps and lock files.
        "toml" | "yaml" | "yml" | "ini" | "cfg" | "conf" | "properties" | "service" | "tf" | "hcl" | "proto"
        | "graphql" | "sql" | "mk" | "cmake" | "gradle" => FileKind::Text,
        // Code without a grammar here.
        "cpp" | "cc" | "cxx" | "hpp" | "hh" | "hxx" | "cs" | "kt" | "kts" | "swift" | "scala" | "groovy" | "rb"
        | "php" | "pl" | "pm" | "lua" | "r" | "jl" | "dart" | "ex" | "exs" | "erl" | "hs" | "ml" | "mli" | "clj"
        | "el" | "zig" | "nim" | "vue" | "svelte" | "zsh" | "fish" | "ps1" | "bat" => FileKind::Text,
        other => FileKind::Code(Language::of_extension(other)?),
    };
    Some(kind)
}

/// Written by a tool, for a tool; large, and never what somebody asks about.
fn is_generated(name: &str) -> bool {
    name == "pnpm-lock.yaml" || name.ends_with(".min.js") || name.ends_with(SIDECAR_SUFFIX)
}

fn is_well_known_text(name: &str) -> bool {
    matches!(
        name,
        "readme"
            | "license"
            | "licence"
            | "copying"
            | "copyright"
            | "notice"
            | "authors"
            | "contributors"
            | "contributing"
            | "maintainers"
            | "codeowners"
            | "changelog"
            | "changes"
            | "history"
            | "news"
            | "install"
            | "todo"
            | "security"
            | "hacking"
            | "makefile"
            | "gnumakefile"
            | "dockerfile"
            | "containerfile"
            | "justfile"
            | "procfile"
            | "jenkinsfile"
            | "vagrantfile"
            | "gemfile"
            | "rakefile"
    )
}

/// One line, with single spaces.
fn on_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(path: &str) -> Option<FileKind> {
        FileKind::of(Path::new(path))
    }

    #[test]
    fn a_kind_is_known_by_the_name_in_any_case() {
        assert_eq!(kind("docs/Guide.MD"), Some(FileKind::Markdown));
        assert_eq!(kind("index.HTM"), Some(FileKind::Html));
        assert_eq!(kind("README"), Some(FileKind::Text));
        assert_eq!(kind("readme.rst"), Some(FileKind::Rst));
        assert_eq!(kind("src/main.rs"), Some(FileKind::Code(Language::Rust)));
        assert_eq!(kind("a.test.tsx"), Some(FileKind::Code(Language::TypeScript)));
        assert_eq!(kind("engine.cpp"), Some(FileKind::Text));
        assert_eq!(kind("schema.sql"), Some(FileKind::Text));
    }

    #[test]
    fn a_file_of_no_known_kind_has_none() {
        for path in ["a.png", "archive.tar.gz", "data.json", ".gitignore", ".env", "bin/cairn", "app.min.js", "..", "/"]
        {
            assert_eq!(kind(path), None, "{path}");
        }
    }

    #[test]
    fn an_empty_file_of_any_kind_gives_an_empty_text() {
        let kinds =
            [FileKind::Markdown, FileKind::Html, FileKind::Rst, FileKind::Text, FileKind::Code(Language::Python)];
        for kind in kinds {
            let extracted = extract(kind, b"").expect("an empty file is no error");
            assert_eq!(
                extracted,
                Extracted { kind, text: String::new(), headings: Vec::new(), title: None, front_matter: None }
            );
        }
    }

    #[test]
    fn a_title_is_never_longer_than_a_line_or_two() {
        let extracted = extract(FileKind::Markdown, format!("# {}\n", "ü".repeat(500)).as_bytes());
        let title = extracted.expect("it is text").title.expect("there is a heading");
        assert_eq!(title, format!("{}…", "ü".repeat(TITLE_CHARS_MAX)));
    }

    #[test]
    fn a_picture_with_a_text_name_is_refused() {
        let picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
        assert!(matches!(extract(FileKind::Markdown, picture), Err(ExtractError::Binary)));
    }
}
