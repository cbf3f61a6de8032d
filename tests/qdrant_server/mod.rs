//! A Qdrant server for tests: Qdrant's own gRPC services over the engine that Qdrant itself is made of.
//!
//! It keeps its collections in a folder, so it can be stopped and started again on the same data. It offers what cairn
//! uses and refuses the rest, as a server refuses: unknown collections, vectors of another length, filters without an
//! index in strict mode, wrong keys. Faults can be laid in its way. It is one node, and it optimizes nothing.

mod collection;
mod engine;
mod fault;
mod filter;
mod message;
mod node;
mod service;
mod strict;
mod wire;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use qdrant_client::qdrant::collections_server::CollectionsServer;
use qdrant_client::qdrant::points_server::PointsServer;
use qdrant_client::qdrant::qdrant_server::QdrantServer as HealthServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Status};

pub(crate) use fault::Fault;
use fault::Faults;
use node::Node;
use service::Service;
use wire::Wires;

/// The header that carries the key.
const API_KEY: &str = "api-key";

/// The running server.
pub(crate) struct QdrantServer {
    pub(crate) address: SocketAddr,
    faults: Arc<Faults>,
    node: Arc<Node>,
    wires: Arc<Wires>,
    stop: CancellationToken,
    ended: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl QdrantServer {
    /// Serves the collections in `dir`. With a key, whoever has another is refused.
    pub(crate) async fn start(dir: &Path, address: SocketAddr, key: Option<&str>) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let node = Arc::new(Node::open(dir).map_err(|status| io::Error::other(status.to_string()))?);
        let (faults, wires, stop) = (Arc::<Faults>::default(), Arc::<Wires>::default(), CancellationToken::new());
        let service = Service { node: Arc::clone(&node), faults: Arc::clone(&faults), wires: Arc::clone(&wires) };
        let key = key.map(str::to_owned);
        let checked = move |request: Request<()>| check(key.as_deref(), request);
        let routes = Server::builder()
            .add_service(HealthServer::new(service.clone()))
            .add_service(tonic::service::interceptor::InterceptedService::new(
                CollectionsServer::new(service.clone()).max_decoding_message_size(usize::MAX),
                checked.clone(),
            ))
            .add_service(tonic::service::interceptor::InterceptedService::new(
                PointsServer::new(service).max_decoding_message_size(usize::MAX),
                checked,
            ));
        let incoming = wires.accept(listener);
        #[expect(clippy::disallowed_methods, reason = "it ends when it is stopped, or with the test's own runtime")]
        let ended = tokio::spawn(routes.serve_with_incoming_shutdown(incoming, stop.clone().cancelled_owned()));
        Ok(Self { address, faults, node, wires, stop, ended })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Each of the next requests meets one of these.
    pub(crate) fn lay(&self, faults: impl IntoIterator<Item = Fault>) {
        self.faults.lay(faults);
    }

    /// No request meets a fault any more.
    pub(crate) fn clear(&self) {
        self.faults.clear();
    }

    /// Faults that no request has met yet.
    pub(crate) fn faults_left(&self) -> usize {
        self.faults.left()
    }

    /// Breaks off every connection and lets go of port and folder.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.wires.cut();
        let _ended = self.ended.await;
        self.node.close().await;
    }
}

fn check(key: Option<&str>, request: Request<()>) -> Result<Request<()>, Status> {
    let Some(key) = key else { return Ok(request) };
    match request.metadata().get(API_KEY).and_then(|given| given.to_str().ok()) {
        Some(given) if given == key => Ok(request),
        Some(_) => Err(Status::unauthenticated("Invalid API key or JWT")),
        None => Err(Status::unauthenticated("Must provide an API key or an Authorization bearer token")),
    }
}
