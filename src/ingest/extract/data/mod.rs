//! Texts that programs read as well: JSON, tables as text, notebooks, source code.

pub(super) mod json;
pub(super) mod csv;
pub(super) mod notebook;
pub(super) mod code;
