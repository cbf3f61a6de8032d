//! The programming languages whose syntax cairn knows, and how to cut a text along it.
//!
//! A language is known by the file's extension alone. Parsing is left to tree-sitter, which makes something of any
//! text, so broken code is cut as well as it goes and is never an error.

use serde::{Deserialize, Serialize};
use text_splitter::{ChunkConfig, ChunkSizer, CodeSplitter, CodeSplitterError};

/// A language with a tree-sitter grammar in cairn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Language {
    Rust,
    Python,
    JavaScript,
    TypeScript,
    Go,
    Java,
    C,
    Bash,
    Sql,
    Yaml,
}

impl Language {
    /// `extension` in lower case, without the dot.
    pub(crate) fn of_extension(extension: &str) -> Option<Self> {
        match extension {
            "rs" => Some(Self::Rust),
            "py" | "pyi" => Some(Self::Python),
            "js" | "mjs" | "cjs" | "jsx" => Some(Self::JavaScript),
            "ts" | "mts" | "cts" | "tsx" => Some(Self::TypeScript),
            "go" => Some(Self::Go),
            "java" => Some(Self::Java),
            "c" | "h" => Some(Self::C),
            "sh" | "bash" => Some(Self::Bash),
            "sql" => Some(Self::Sql),
            "yaml" | "yml" => Some(Self::Yaml),
            _ => None,
        }
    }

    /// Whether the parser of this language may be given a text.
    ///
    /// That of YAML keeps a stack of indents in a buffer of 1024 bytes, four for each, and ends the whole process where
    /// they don't fit. No more than three indents belong to one column, so a text whose structure stays within a few
    /// columns can't get there.
    pub fn can_parse(self, text: &str) -> bool {
        const COLUMNS_MAX: usize = 80;
        match self {
            Self::Yaml => text.lines().all(|line| structure_columns(line) <= COLUMNS_MAX),
            Self::Rust
            | Self::Python
            | Self::JavaScript
            | Self::TypeScript
            | Self::Go
            | Self::Java
            | Self::C
            | Self::Bash
            | Self::Sql => true,
        }
    }

    /// Cuts texts of this language along its syntax. Fails only where the grammar and tree-sitter are of versions that
    /// don't fit, which a test rules out for the ones that cairn is built with.
    pub fn splitter<S: ChunkSizer>(self, config: ChunkConfig<S>) -> Result<CodeSplitter<S>, CodeSplitterError> {
        match self {
            Self::Rust => CodeSplitter::new(tree_sitter_rust::LANGUAGE, config),
            Self::Python => CodeSplitter::new(tree_sitter_python::LANGUAGE, config),
            Self::JavaScript => CodeSplitter::new(tree_sitter_javascript::LANGUAGE, config),
            // TSX reads plain TypeScript too, but for casts in the old `<T>value` form.
            Self::TypeScript => CodeSplitter::new(tree_sitter_typescript::LANGUAGE_TSX, config),
            Self::Go => CodeSplitter::new(tree_sitter_go::LANGUAGE, config),
            Self::Java => CodeSplitter::new(tree_sitter_java::LANGUAGE, config),
            Self::C => CodeSplitter::new(tree_sitter_c::LANGUAGE, config),
            Self::Bash => CodeSplitter::new(tree_sitter_bash::LANGUAGE, config),
            Self::Sql => CodeSplitter::new(tree_sitter_sequel::LANGUAGE, config),
            Self::Yaml => CodeSplitter::new(tree_sitter_yaml::LANGUAGE, config),
        }
    }
}

/// Up to which byte something may begin that YAML nests: behind white space, `-`, `?` and `:`. Long lines of prose may
/// have those too, and count as if they were structure.
fn structure_columns(line: &str) -> usize {
    let is_last_of_word =
        |at: usize| line.get(at + 1..).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t']));
    let indent = line.len() - line.trim_start().len();
    let mark = line.char_indices().rfind(|(at, c)| "-?:".contains(*c) && is_last_of_word(*at));
    indent.max(mark.map_or(0, |(at, _)| at))
}

#[cfg(test)]
mod tests {
    use text_splitter::Characters;

    use super::*;

    #[test]
    fn yaml_that_would_end_the_process_is_not_parsed() {
        let nested: String = (0..300).map(|depth| format!("{}k:\n", " ".repeat(depth))).collect();
        let in_a_line = format!("{}k: v\n", "- ".repeat(300));
        for text in [nested.as_str(), in_a_line.as_str()] {
            assert!(!Language::Yaml.can_parse(text));
        }
        assert!(Language::Yaml.can_parse("a:\n  - b: c\n    d: https://x.example/#e\n"));
        // As deep as it may be.
        let deepest: String = (0..=80).map(|depth| format!("{}-\n", " ".repeat(depth))).collect();
        assert!(Language::Yaml.can_parse(&deepest));
        let splitter = Language::Yaml.splitter(ChunkConfig::new(24).with_sizer(Characters)).expect("the versions fit");
        assert!(splitter.chunks(&deepest).count() > 1);
    }

    #[test]
    fn every_grammar_fits_the_tree_sitter_that_cairn_is_built_with() {
        let texts = [
            (Language::Rust, "fn a() {\n    b();\n}\n\nfn c() {}\n"),
            (Language::Python, "def a():\n    b()\n\ndef c(): pass\n"),
            (Language::JavaScript, "function a() {\n  b()\n}\n\nfunction c() {}\n"),
            (Language::TypeScript, "let a = (): B => {}\n\nconst c: B = <B/>\n"),
            (Language::Go, "func a() {\n\tb()\n}\n\nfunc c() {}\n"),
            (Language::Java, "class A { int b; }\n\nclass C { int d; }\n"),
            (Language::C, "void a() {\n  b();\n}\n\nvoid c() {}\n"),
            (Language::Bash, "a() {\n  b\n}\n\nc() { echo d; }\n"),
            (Language::Sql, "SELECT a FROM b;\n\nDELETE FROM c;\n"),
            (Language::Yaml, "a:\n  - b\n  - c\n\nd:\n  e: f\n  g: h\n"),
        ];
        for (language, text) in texts {
            let config = ChunkConfig::new(24).with_sizer(Characters);
            let splitter = language.splitter(config).expect("the versions fit");
            let pieces: Vec<_> = splitter.chunks(text).collect();
            assert_eq!(pieces.len(), 2, "{language:?}: {pieces:?}");
        }
    }
}
