//! cairn answers questions from a customer's own documents, and shows for each sentence where it stands.
//!
//! Two paths make the service. **Path 1**, [`ingest`]: a document becomes chunks, the chunks become vectors, the
//! vectors become searchable, and the [`ledger`] remembers which version is in. **Path 2**, [`answer`]: a question
//! finds passages, the passages become a prompt or a quotation, and what is written is checked while it streams; [`record`] keeps how
//! it came about.
//! [`server`] and [`cli`] are two doors to the same paths; [`app`] wires everything once.
//!
//! The modules in reading order: the nouns first, then path 1, the parts, path 2, and the doors.

pub mod document;
pub mod caller;
pub mod error;
pub mod config;
pub mod telemetry;
pub mod tasks;
mod files;

pub mod ingest;

pub mod ledger;
pub mod key;
pub mod embed;
pub mod store;
mod openai;
pub mod chat;

pub mod ground;

pub mod answer;
pub mod record;

pub mod migrate;
pub mod app;
pub mod eval;
pub mod server;
pub mod cli;
