//! cairn from the outside: both paths in process, the HTTP service on port 0, the real binary, real clients; and the
//! contract of each trait against each of its implementations.
//!
//! The vector store, the ledger and the embedding model are the real ones, in a folder that is thrown away. Only the
//! chat endpoint is a stub, an HTTP server that can also misbehave. Tests wait for events, never for time to pass.

#![allow(
    clippy::unwrap_used,
    clippy::string_slice,
    reason = "a test that can't go on stops where it is, and says where"
)]

mod harness;

#[path = "../contract/embedder.rs"]
mod embedder_contract;
#[path = "../contract/cross_encoder.rs"]
mod cross_encoder_contract;
#[path = "../contract/store.rs"]
mod store_contract;
#[path = "../qdrant_server/mod.rs"]
mod qdrant_server;

mod access;
mod clients;
mod cli;
mod containers;
mod conversations;
mod crash;
mod eval;
mod http;
mod keys;
mod migrate;
mod paths;
mod qdrant;
mod reading;
mod recall;
mod shutdown;
mod sources;
mod tidy;
