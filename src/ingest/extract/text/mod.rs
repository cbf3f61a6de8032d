//! What the readers share: bytes to characters, tables and Markdown-like text, and the language of it.

pub(super) mod decode;
pub(super) mod writer;
pub(super) mod grid;
pub(super) mod language;
