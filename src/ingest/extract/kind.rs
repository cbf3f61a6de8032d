//! What kind of file it is, by its name: a walk over a folder takes what [`FileKind::of`] knows, and opens nothing.
//!
//! Plain texts have no marks, so there the name decides in the end; what else a name promises, the bytes must keep
//! (`detect`).

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::data::code::Language;
use crate::ingest::meta::SIDECAR_SUFFIX;

/// How a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FileKind {
    Markdown,
    Html,
    /// reStructuredText.
    Rst,
    AsciiDoc,
    /// Anything else that people read: prose, configuration, code without a grammar here.
    Text,
    Code(Language),
    Json,
    /// One JSON value a line.
    JsonLines,
    /// DocBook and DITA among others.
    Xml,
    /// Jupyter.
    Notebook,
    /// Values parted by commas, semicolons or tabs.
    Csv,
    Pdf,
    Docx,
    Pptx,
    Odt,
    Odp,
    Epub,
    Rtf,
    /// Word, PowerPoint and Excel before 2007.
    Doc,
    Ppt,
    Xls,
    Xlsx,
    /// A workbook of Excel in its binary form.
    Xlsb,
    Ods,
    /// A mail, with what is attached to it.
    Eml,
    /// A mail as Outlook keeps it.
    Msg,
    Zip,
    Tar,
    /// One file, or a tar archive, compressed.
    Gzip,
    Xz,
}

impl FileKind {
    /// None: cairn reads no such files. Looks at the name only, in any case.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        if is_generated(&name) { None } else { by_name(&name) }
    }

    /// For sentences: "it is called … and is …".
    pub fn name(self) -> &'static str {
        match self {
            Self::Markdown => "Markdown",
            Self::Html => "an HTML page",
            Self::Rst => "reStructuredText",
            Self::AsciiDoc => "AsciiDoc",
            Self::Text => "plain text",
            Self::Code(_) => "source code",
            Self::Json => "JSON",
            Self::JsonLines => "JSON lines",
            Self::Xml => "XML",
            Self::Notebook => "a Jupyter notebook",
            Self::Csv => "a table as text (CSV)",
            Self::Pdf => "a PDF",
            Self::Docx => "a Word document",
            Self::Pptx => "a PowerPoint presentation",
            Self::Odt => "an OpenDocument text",
            Self::Odp => "an OpenDocument presentation",
            Self::Epub => "an EPUB book",
            Self::Rtf => "rich text (RTF)",
            Self::Doc => "an old Word document",
            Self::Ppt => "an old PowerPoint presentation",
            Self::Xls => "an old Excel workbook",
            Self::Xlsx => "an Excel workbook",
            Self::Xlsb => "a binary Excel workbook",
            Self::Ods => "an OpenDocument workbook",
            Self::Eml => "a mail",
            Self::Msg => "an Outlook mail",
            Self::Zip => "a ZIP archive",
            Self::Tar => "a tar archive",
            Self::Gzip => "a gzip file",
            Self::Xz => "an xz file",
        }
    }

    /// What the bytes of such a file are packed in.
    pub(super) fn shell(self) -> Shell {
        match self {
            Self::Docx
            | Self::Pptx
            | Self::Odt
            | Self::Odp
            | Self::Epub
            | Self::Xlsx
            | Self::Xlsb
            | Self::Ods
            | Self::Zip => Shell::Zip,
            Self::Doc | Self::Ppt | Self::Xls | Self::Msg => Shell::Ole,
            Self::Pdf | Self::Tar | Self::Gzip | Self::Xz => Shell::Bytes,
            Self::Markdown
            | Self::Html
            | Self::Rst
            | Self::AsciiDoc
            | Self::Text
            | Self::Code(_)
            | Self::Json
            | Self::JsonLines
            | Self::Xml
            | Self::Notebook
            | Self::Csv
            | Self::Rtf
            | Self::Eml => Shell::Text,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    Text,
    Zip,
    Ole,
    Bytes,
}

/// `name` in lower case, without folders.
pub(super) fn by_name(name: &str) -> Option<FileKind> {
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() => of_extension(extension, stem),
        Some(_) => None, // `.bashrc`: a hidden file, not a file of kind `bashrc`.
        None => is_well_known_text(name).then_some(FileKind::Text),
    }
}

fn of_extension(extension: &str, stem: &str) -> Option<FileKind> {
    let kind = match extension {
        "md" | "markdown" | "mdx" | "mkd" | "mdown" => FileKind::Markdown,
        "html" | "htm" | "xhtml" => FileKind::Html,
        "rst" | "rest" => FileKind::Rst,
        "adoc" | "asciidoc" => FileKind::AsciiDoc,
        "json" => FileKind::Json,
        "jsonl" | "ndjson" => FileKind::JsonLines,
        "xml" | "docbook" | "dbk" | "dita" | "ditamap" => FileKind::Xml,
        "ipynb" => FileKind::Notebook,
        "csv" | "tsv" => FileKind::Csv,
        "pdf" => FileKind::Pdf,
        // Templates and documents with macros are documents. Not `pot`, `dot` and `xlt`, which other programs use.
        "docx" | "docm" | "dotx" | "dotm" => FileKind::Docx,
        "pptx" | "pptm" | "ppsx" | "ppsm" | "potx" | "potm" => FileKind::Pptx,
        "xlsx" | "xlsm" | "xltx" | "xltm" => FileKind::Xlsx,
        "xlsb" => FileKind::Xlsb,
        "doc" => FileKind::Doc,
        "ppt" | "pps" => FileKind::Ppt,
        "xls" => FileKind::Xls,
        "odt" | "ott" => FileKind::Odt,
        "ods" | "ots" => FileKind::Ods,
        "odp" | "otp" => FileKind::Odp,
        "epub" => FileKind::Epub,
        "rtf" => FileKind::Rtf,
        "eml" => FileKind::Eml,
        "msg" => FileKind::Msg,
        "zip" => FileKind::Zip,
        "tar" => FileKind::Tar,
        "tgz" => FileKind::Gzip,
        "txz" => FileKind::Xz,
        // Worth unpacking for what is in it.
        "gz" => by_name(stem).map(|_| FileKind::Gzip)?,
        "xz" => by_name(stem).map(|_| FileKind::Xz)?,
        // Prose, and markup that reads as prose. Not `log`: logs change all the time and bury what people wrote.
        "txt" | "text" | "org" | "tex" => FileKind::Text,
        // Configuration and schemas.
        "toml" | "ini" | "cfg" | "conf" | "properties" | "service" | "tf" | "hcl" | "proto" | "graphql" | "mk"
        | "cmake" | "gradle" => FileKind::Text,
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
    const NAMES: &[&str] =
        &["package-lock.json", "npm-shrinkwrap.json", "packages.lock.json", "project.assets.json", "pnpm-lock.yaml"];
    const ENDS: &[&str] = &[".min.js", ".min.mjs", ".min.json", ".lock.json", ".lock.yaml", ".deps.json"];
    NAMES.contains(&name)
        || ENDS.iter().any(|end| name.ends_with(end))
        || name.ends_with(SIDECAR_SUFFIX)
        || name.starts_with("~$") // What Office puts beside a document that is open.
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
        assert_eq!(kind("schema.sql"), Some(FileKind::Code(Language::Sql)));
        assert_eq!(kind("compose.yaml"), Some(FileKind::Code(Language::Yaml)));
        assert_eq!(kind("engine.cpp"), Some(FileKind::Text));
        assert_eq!(kind("Report.DOCX"), Some(FileKind::Docx));
        assert_eq!(kind("data.json"), Some(FileKind::Json));
        assert_eq!(kind("archive.tar.gz"), Some(FileKind::Gzip));
        assert_eq!(kind("changelog.gz"), Some(FileKind::Gzip));
    }

    #[test]
    fn a_file_of_no_known_kind_or_written_by_a_tool_has_none() {
        for path in [
            "a.png",
            "a.png.gz",
            ".gitignore",
            ".env",
            "bin/cairn",
            "app.min.js",
            "package-lock.json",
            "Cargo.lock",
            "app.js.map",
            "~$report.docx",
            "a.md.meta.toml",
            "..",
            "/",
        ] {
            assert_eq!(kind(path), None, "{path}");
        }
    }
}
