//! How OpenAI-compatible endpoints are spoken to, for chat and for embeddings alike: one client, errors made legible.
//!
//! Servers word their errors in many ways: OpenAI's envelope, a number where OpenAI has a text, a proxy's HTML. The
//! client library reads OpenAI's only, and a response that it can't read loses its status. So every refusal is
//! rewritten into that envelope first, with nothing in it but what kind of refusal it is.

use std::net::IpAddr;
use std::task::{Context, Poll};

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::retry::OpenAIRetryLayer;
use async_openai::middleware::{HttpRequestFactory, ReqwestService};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use reqwest::{Response, header};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tower::{Layer, Service};

/// The code of a refusal because the prompt is too long.
pub(crate) const TOO_LONG: &str = "context_length_exceeded";
/// The most of a refusal's body that is looked at.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// A client of this endpoint. It retries 429 and 5xx by itself: no second retry around it.
pub(crate) fn client(base_url: &str, api_key: &SecretString, http: reqwest::Client) -> Client<OpenAIConfig> {
    let config = OpenAIConfig::new().with_api_base(base_url).with_api_key(api_key.expose_secret());
    let service = OpenAIRetryLayer::default().layer(Legible(ReqwestService::new(http)));
    Client::with_config(config).with_http_service(service)
}

/// What builds the HTTP client for this endpoint. One on this machine is not asked through a proxy.
pub(crate) fn http(base_url: &str) -> reqwest::ClientBuilder {
    let builder = reqwest::Client::builder();
    let host = reqwest::Url::parse(base_url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified());
    if is_here { builder.no_proxy() } else { builder }
}

/// Sends requests, and rewrites refusals.
#[derive(Clone)]
struct Legible(ReqwestService);

impl Service<HttpRequestFactory> for Legible {
    type Response = Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<Response, OpenAIError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let sending = self.0.call(request);
        async move {
            let response = sending.await?;
            if response.status().is_success() { Ok(response) } else { Ok(rewritten(response).await) }
        }
        .boxed()
    }
}

/// The same status with an envelope that says which kind of refusal it is, and nothing of what the endpoint wrote.
async fn rewritten(refusal: Response) -> Response {
    let mut head = http::Response::builder().status(refusal.status());
    if let Some(after) = refusal.headers().get(header::RETRY_AFTER) {
        head = head.header(header::RETRY_AFTER, after);
    }
    let body = first_bytes(refusal).await;
    let error = serde_json::from_slice::<Value>(&body).unwrap_or_default();
    let code = code(error.get("error").unwrap_or(&error));
    let envelope = json!({ "error": { "message": "", "type": null, "param": null, "code": code } }).to_string();
    Response::from(head.body(envelope).expect("a status and a header of a response make a response"))
}

async fn first_bytes(response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(Ok(piece)) = pieces.next().await {
        body.extend_from_slice(&piece);
        if body.len() >= BODY_BYTES_MAX {
            break;
        }
    }
    body
}

/// OpenAI's code, or its like. A prompt that is too long has one code here, however the server words it.
fn code(error: &Value) -> Option<String> {
    let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default().to_lowercase();
    let (code, kind, message) = (text("code"), text("type"), text("message"));
    let too_long = code == TOO_LONG
        || kind == "exceed_context_size_error" // llama.cpp
        || message.contains("context length") // vLLM and others
        || message.contains("context window");
    if too_long { Some(TOO_LONG.to_owned()) } else { Some(code).filter(|code| !code.is_empty()) }
}
