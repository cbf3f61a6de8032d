//! The way to the documents: the index itself, or the server that has it open.

use std::time::Duration;

use anyhow::{Context, anyhow};
use eventsource_stream::Eventsource;
use futures::{Stream, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::{App, AppError, DataDirError};
use crate::config::Config;
use crate::openai;
use crate::server::ask::{AskEvent, AskRequest};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Who answers this command.
pub(super) enum Door {
    /// This process, which has the data folder.
    Here(Box<App>),
    /// A server: the named one, or the one that was found to have the data folder.
    Server(Remote),
}

impl Door {
    pub(super) async fn open(server: Option<String>, config: Config) -> anyhow::Result<Self> {
        let key = config.client_key.clone();
        if let Some(url) = server {
            return Ok(Self::Server(Remote::new(&url, key)?));
        }
        match App::open(config).await {
            Ok(app) => Ok(Self::Here(Box::new(app))),
            Err(AppError::DataDir(DataDirError::InUse { server: Some(address), .. })) => {
                Ok(Self::Server(Remote::new(&format!("http://{address}"), key)?))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A running cairn server.
pub(super) struct Remote {
    base_url: String,
    http: reqwest::Client,
    key: Option<SecretString>,
}

impl Remote {
    fn new(url: &str, key: Option<SecretString>) -> anyhow::Result<Self> {
        let http = openai::http(url).connect_timeout(CONNECT_TIMEOUT).build().context("set up HTTP")?;
        Ok(Self { base_url: url.trim_end_matches('/').to_owned(), http, key })
    }

    /// Posts JSON, gives the JSON that comes back.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.send(path, body).await?.json().await.context("read the server's answer")
    }

    /// Asks for an answer's events.
    pub(super) async fn ask(
        &self,
        request: &AskRequest,
    ) -> anyhow::Result<impl Stream<Item = anyhow::Result<AskEvent>> + use<>> {
        let response = self.send("/v1/ask", request).await?;
        let events = response.bytes_stream().eventsource();
        Ok(events.filter_map(|event| async {
            match event.context("read the server's answer") {
                Ok(event) => AskEvent::parse(&event.event, &event.data).map_err(anyhow::Error::from).transpose(),
                Err(error) => Some(Err(error)),
            }
        }))
    }

    async fn send(&self, path: &str, body: &impl Serialize) -> anyhow::Result<reqwest::Response> {
        let mut request = self.http.post(format!("{}{path}", self.base_url)).json(body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.expose_secret());
        }
        let response = request.send().await.with_context(|| format!("reach the server {}", self.base_url))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said: Value = response.json().await.unwrap_or_default();
        if status == reqwest::StatusCode::UNAUTHORIZED {
            return Err(anyhow!("the server {} needs a key: set CAIRN__CLIENT__API_KEY", self.base_url));
        }
        let message = said["error"]["message"].as_str().unwrap_or("no reason given").to_owned();
        Err(anyhow!("the server {} answered {status}: {message}", self.base_url))
    }
}
