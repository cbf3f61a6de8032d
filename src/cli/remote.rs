//! The way to the documents: the index itself, or the server that has it open.

use std::time::Duration;

use anyhow::{Context, anyhow};
use eventsource_stream::Eventsource;
use futures::{Stream, StreamExt};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::{App, AppError, DataDir, DataDirError, Serving};
use crate::config::Config;
use crate::openai;
use crate::server::ask::{AskEvent, AskRequest};
use crate::server::jobs::wire::JobEventWire;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const READ: &str = "read the server's answer";

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

/// Who changes what is in the data folder: this process, or the server that has it.
pub(super) enum Hand {
    Here(Box<App>),
    Server(Remote),
}

impl Hand {
    /// The server that has the data folder, reached with the token that lies there, or the folder itself.
    pub(super) async fn open(
        config: Config,
        open: impl AsyncFnOnce(Config) -> anyhow::Result<App>,
    ) -> anyhow::Result<Self> {
        let dir = config.data_dir.clone();
        match DataDir::lock(&dir) {
            // Free at this moment: whoever is faster gets it, and the other one is told.
            Ok(free) => drop(free),
            Err(DataDirError::InUse { .. }) => {
                if let Some(remote) = Remote::beside(&config)? {
                    return Ok(Self::Server(remote));
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(Self::Here(Box::new(open(config).await?)))
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

    /// The server that has the data folder, with the token that lies there. None: none says that it does.
    pub(super) fn beside(config: &Config) -> anyhow::Result<Option<Self>> {
        let serving = Serving::find(&config.data_dir);
        serving.map(|serving| Self::new(&serving.url(), Some(serving.token()))).transpose()
    }

    /// Posts JSON, gives the JSON that comes back.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> anyhow::Result<T> {
        self.send(self.http.post(self.url(path)).json(body)).await?.json().await.context(READ)
    }

    /// Puts bytes, gives the JSON that comes back.
    pub(super) async fn put<T: DeserializeOwned>(&self, path: &str, bytes: Vec<u8>) -> anyhow::Result<T> {
        self.send(self.http.put(self.url(path)).body(bytes)).await?.json().await.context(READ)
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.send(self.http.get(self.url(path))).await?.json().await.context(READ)
    }

    pub(super) async fn delete(&self, path: &str) -> anyhow::Result<()> {
        self.send(self.http.delete(self.url(path))).await.map(|_| ())
    }

    /// Asks for an answer's events.
    pub(super) async fn ask(
        &self,
        request: &AskRequest,
    ) -> anyhow::Result<impl Stream<Item = anyhow::Result<AskEvent>> + use<>> {
        let response = self.send(self.http.post(self.url("/v1/ask")).json(request)).await?;
        Ok(events(response, AskEvent::parse))
    }

    /// Follows a job.
    pub(super) async fn job_events(
        &self,
        job: &str,
    ) -> anyhow::Result<impl Stream<Item = anyhow::Result<JobEventWire>> + use<>> {
        let response = self.send(self.http.get(self.url(&format!("/v1/jobs/{job}/events")))).await?;
        Ok(events(response, JobEventWire::parse))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    async fn send(&self, mut request: reqwest::RequestBuilder) -> anyhow::Result<reqwest::Response> {
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

/// A response's events, as far as their names are known.
fn events<T>(
    response: reqwest::Response,
    parse: impl Fn(&str, &str) -> serde_json::Result<Option<T>>,
) -> impl Stream<Item = anyhow::Result<T>> {
    response.bytes_stream().eventsource().filter_map(move |event| {
        let event = match event.context(READ) {
            Ok(event) => parse(&event.event, &event.data).map_err(anyhow::Error::from).transpose(),
            Err(error) => Some(Err(error)),
        };
        std::future::ready(event)
    })
}
