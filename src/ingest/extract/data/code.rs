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

#[cfg(test)]
mod tests {
    use text_splitter::Characters;

    use super::*;

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
