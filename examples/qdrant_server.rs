//! The tests' Qdrant server as a process: `cargo run --example qdrant_server PORT DIR`, until it is interrupted.
//!
//! For demonstrations without a container. It is a test tool: one node that builds no graph and asks for no key.

#![allow(clippy::unwrap_used, reason = "a test tool")]

#[path = "../tests/qdrant_server/mod.rs"]
#[allow(dead_code, reason = "its faults are for tests")]
mod qdrant_server;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::Context;
use qdrant_server::QdrantServer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, port, dir] = arguments.as_slice() else { anyhow::bail!("usage: qdrant_server PORT DIR") };
    let port = port.parse().with_context(|| format!("read the port {port:?}"))?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let server = QdrantServer::start(Path::new(dir), address, None).await.context("start the server")?;
    eprintln!("serving {dir} at {}", server.url());
    cairn::tasks::interrupted().await?;
    server.stop().await;
    Ok(())
}
