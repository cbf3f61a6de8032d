//! Which `Host` a request may name: what keeps a web page in a browser on this machine from reading the documents.
//!
//! A page can point its own name at 127.0.0.1 (DNS rebinding) and so reach a loopback service as its "own" server. Its
//! requests still carry its name as `Host`. While the service listens on loopback, or has names in
//! `server.allowed_hosts`, only this machine's names pass, and those. A proxy needs the second that passes the outer name
//! on, and a container, whose own address is never loopback though its published one may be.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Service;
use super::error::ApiError;

/// Turns away a request for another machine's name.
pub(super) async fn check(State(service): State<Arc<Service>>, request: Request, next: Next) -> Response {
    let named = request.uri().authority().cloned().or_else(|| {
        let host = request.headers().get(header::HOST)?.to_str().ok()?;
        host.parse::<Authority>().ok()
    });
    let host = named.as_ref().map_or("", Authority::host);
    let allowed = &service.config.allowed_hosts;
    let is_checked = service.config.listen.ip().is_loopback() || !allowed.is_empty();
    if !is_checked || may_be_named(host, allowed) {
        next.run(request).await
    } else {
        ApiError::host_not_allowed(host).into_response()
    }
}

fn may_be_named(host: &str, allowed: &[String]) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = bare.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    is_here || allowed.iter().any(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_names_and_the_allowed_ones_pass() {
        let allowed = ["docs.example.com".to_owned()];
        for host in ["localhost", "LOCALHOST", "127.0.0.1", "127.1.2.3", "[::1]", "docs.example.com"] {
            assert!(may_be_named(host, &allowed), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "10.0.0.1", "127.0.0.1.evil.example"] {
            assert!(!may_be_named(host, &allowed), "{host}");
        }
    }
}
