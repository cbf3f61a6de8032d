//! Documents that office programs write, and books: packages of parts, or files as they were before 2007.

pub(super) mod document;
pub(super) mod sheet;
pub(super) mod ods;
pub(super) mod epub;
mod package;
