//! The HTTP service in this process on a port of its own, and a client that reads what goes over the wire.

use std::sync::OnceLock;
use std::time::Duration;

use cairn::app::App;
use cairn::ingest::worker::Until;
use cairn::server::{self, Service};
use cairn::tasks::Tasks;
use cairn::telemetry;
use metrics_exporter_prometheus::PrometheusHandle;
use reqwest::header::HeaderMap;
use secrecy::SecretString;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{LIMIT, Sandbox, within};

/// What whoever can read the data folder of a served sandbox shows.
pub(crate) const TOKEN: &str = "token-of-the-data-folder";

/// A running service.
pub(crate) struct Served {
    pub(crate) url: String,
    pub(crate) app: App,
    pub(crate) http: reqwest::Client,
    tasks: Tasks,
    serving: JoinHandle<std::io::Result<bool>>,
}

/// A whole response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Served {
    /// Serves the sandbox's documents.
    pub(crate) async fn start(sandbox: &Sandbox) -> Self {
        Self::of(sandbox.ingested().await).await
    }

    pub(crate) async fn of(app: App) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let token = Some(SecretString::from(TOKEN));
        let service = Service::new(app.answerer.clone(), app.bringer.clone(), metrics(), token, &app.config);
        let tasks = Tasks::default();
        let until_stopped = tasks.clone();
        let (worker, bringer) = (app.worker.clone(), app.bringer.clone());
        #[expect(clippy::disallowed_methods, reason = "it ends with the test's own runtime")]
        let serving = tokio::spawn(async move {
            let working = worker.run(Until::Stopped, until_stopped.stopped());
            let bringing = bringer.run(Vec::new(), until_stopped.stopped());
            let (served, worked, ()) =
                tokio::join!(server::serve(listener, service, &until_stopped), working, bringing);
            worked.unwrap();
            served
        });
        Self { url, app, http: client(), tasks, serving }
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        read(self.http.get(format!("{}{path}", self.url)).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Response {
        read(self.http.post(format!("{}{path}", self.url)).json(body).send().await.unwrap()).await
    }

    /// Posts, and reads the events of the response one by one.
    pub(crate) async fn stream(&self, path: &str, body: &Value) -> Frames {
        let response = self.http.post(format!("{}{path}", self.url)).json(body).send().await.unwrap();
        Frames::of(response).await
    }

    /// Tells it to stop, as SIGTERM does.
    pub(crate) fn stop(&self) {
        self.tasks.stop();
    }

    /// Waits for its end. True: every answer ended in time.
    pub(crate) async fn ended(self) -> bool {
        within("the service to end", self.serving).await.unwrap().unwrap()
    }
}

impl Response {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The code of the error envelope. Fails where the body is none.
    pub(crate) fn code(&self) -> String {
        let error = &self.json()["error"];
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{self:?}");
        assert!(error["type"].is_string() && error.get("param").is_some(), "{self:?}");
        error["code"].as_str().unwrap().to_owned()
    }
}

/// One event, or one comment, of an event stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Frame {
    Event { name: Option<String>, data: String },
    Comment,
}

impl Frame {
    /// The event's name; "" where it has none.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Event { name, .. } => name.as_deref().unwrap_or_default(),
            Self::Comment => panic!("a comment has no name"),
        }
    }

    pub(crate) fn data(&self) -> &str {
        match self {
            Self::Event { data, .. } => data,
            Self::Comment => panic!("a comment has no data"),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.data()).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// The frames of an event stream, as they come.
pub(crate) struct Frames {
    pub(crate) headers: HeaderMap,
    response: reqwest::Response,
    buffer: String,
}

impl Frames {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        if status != 200 {
            panic!("no event stream but {status}: {}", response.text().await.unwrap());
        }
        assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
        Self { headers: response.headers().clone(), response, buffer: String::new() }
    }

    /// None: the stream has ended as HTTP says it should.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some((frame, rest)) = self.buffer.split_once("\n\n") {
                let frame = parse(frame);
                self.buffer = rest.to_owned();
                return Some(frame);
            }
            match within("the next event", self.response.chunk()).await.unwrap() {
                Some(bytes) => self.buffer.push_str(str::from_utf8(&bytes).unwrap()),
                None => {
                    assert_eq!(self.buffer, "", "the last event is whole");
                    return None;
                }
            }
        }
    }

    /// The next one that is no comment.
    pub(crate) async fn event(&mut self) -> Option<Frame> {
        loop {
            match self.next().await {
                Some(Frame::Comment) => {}
                event => return event,
            }
        }
    }

    /// All that are no comments, to the end.
    pub(crate) async fn rest(mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.event().await {
            frames.push(frame);
        }
        frames
    }
}

/// After <https://html.spec.whatwg.org/multipage/server-sent-events.html>, for what cairn sends of it.
fn parse(frame: &str) -> Frame {
    let (mut name, mut data) = (None, Vec::new());
    for line in frame.lines() {
        match line.split_once(':') {
            Some(("" | "id", _)) => {}
            Some(("event", value)) => name = Some(value.trim_start().to_owned()),
            Some(("data", value)) => data.push(value.strip_prefix(' ').unwrap_or(value)),
            _ => panic!("{line:?} is no line of an event"),
        }
    }
    if name.is_none() && data.is_empty() { Frame::Comment } else { Frame::Event { name, data: data.join("\n") } }
}

pub(crate) async fn read(response: reqwest::Response) -> Response {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Response { status, headers, body: within("a response", response.text()).await.unwrap() }
}

/// A client that asks no proxy and does not wait for ever.
pub(crate) fn client() -> reqwest::Client {
    let seconds = Duration::from_secs(5);
    reqwest::Client::builder().no_proxy().connect_timeout(seconds).timeout(LIMIT).build().unwrap()
}

/// The process's metrics, which can be started once.
pub(crate) fn metrics() -> PrometheusHandle {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    METRICS.get_or_init(|| telemetry::start_metrics().unwrap()).clone()
}
