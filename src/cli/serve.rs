//! `cairn serve`: the HTTP service, until SIGTERM or Ctrl-C.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::app::App;
use crate::config::Config;
use crate::ingest::source::manifest::Declared;
use crate::ingest::worker::Until;
use crate::server::{self, Service};
use crate::tasks::{Signals, Tasks, blocking};
use crate::telemetry;

/// How much longer than running answers everything else may take to stop.
const STOP_GRACE: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Address to listen on [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

impl ServeArgs {
    pub(super) fn overrides(&self) -> Vec<(&'static str, String)> {
        self.listen.map(|address| ("server.listen", address.to_string())).into_iter().collect()
    }
}

pub(super) async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let metrics = telemetry::start_metrics()?;
    // Before anybody is told that it serves: from then on it can be stopped in order.
    let signals = Signals::listen().context("listen for signals")?;
    let listen = config.server.listen;
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listen on {listen} (another one: --listen ADDRESS:PORT)"))?;
    let address = listener.local_addr().context("read the address that is listened on")?;
    let mut app = App::open(config).await?;
    let followed = followed(&app).await?;
    let token = app.data_dir.announce(address)?;
    let open = !app.ledger.has_keys().await?;
    if open && !address.ip().is_loopback() {
        if !app.config.server.allow_anonymous {
            bail!(
                "refuse to listen on {address} without any key, since whoever reaches it could read every document: make \
                 one with `cairn keys create`, or force it with server.allow_anonymous"
            );
        }
        warn!(server.address = %address, "listening beyond this machine without keys: whoever reaches it can read every document");
    }
    if open {
        info!("there are no keys: whoever reaches the address may ask");
    }
    match &app.answerer.chat {
        Some(chat) => info!(chat.base_url = chat.base_url(), "answers are written by a chat model"),
        None => info!("no chat endpoint is set: answers are extractive (chat.base_url sets one)"),
    }
    let tasks = Tasks::default();
    let service = Service::new(app.answerer.clone(), app.bringer.clone(), metrics, Some(token), &app.config);
    info!(server.address = %address, "serving http://{address} (API page: http://{address}/docs)");
    app.queue.uploads().sweep(&app.ledger).await?;
    let in_order = async {
        let working = app.worker.run(Until::Stopped, tasks.stopped());
        let bringing = app.bringer.clone().run(followed, tasks.stopped());
        let (in_time, worked, ()) = tokio::join!(server::serve(listener, service, &tasks), working, bringing);
        worked?;
        let in_time = in_time.context("serve")?;
        app.ledger.close().await;
        Ok(if in_time { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    };
    let limit = app.config.server.drain_timeout.saturating_add(STOP_GRACE);
    tokio::select! {
        ended = in_order => ended,
        why = stop_on_signal(signals, &tasks, limit) => {
            warn!("stopping at once: {why}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Stops `tasks` at the first signal. Resolves once the rest is not to be waited for any more, with the reason.
async fn stop_on_signal(mut signals: Signals, tasks: &Tasks, limit: Duration) -> &'static str {
    let signal = signals.next().await;
    info!(signal, "stopping: running answers may end");
    tasks.stop();
    tokio::select! {
        _ = signals.next() => "there was a second signal",
        () = tokio::time::sleep(limit) => "something has not ended in time",
    }
}

/// The sources of the configured manifest.
async fn followed(app: &App) -> anyhow::Result<Vec<Declared>> {
    let path = app.config.sources.manifest.clone();
    if path.as_os_str().is_empty() {
        return Ok(Vec::new());
    }
    let bringer = app.bringer.clone();
    let followed = blocking(move || bringer.manifest(&path, None)).await?.context("follow sources.manifest")?;
    info!(source.count = followed.len(), "sources are followed");
    Ok(followed)
}
