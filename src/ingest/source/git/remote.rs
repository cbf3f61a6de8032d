//! Brings one revision of a repository on a server into a folder of this machine, without its history.
//!
//! Speaks git's protocol over HTTPS in this process; there is no `git`, no `ssh` and no credential helper. What is
//! there already is not brought again. The folder can be removed at any time: it is made anew.

use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gix::ObjectId;
use gix::credentials::helper::Action;
use gix::credentials::protocol::Outcome;
use gix::progress::Discard;
use gix::protocol::transport::client::blocking_io::http;
use gix::remote::Direction;
use gix::remote::fetch::{Shallow, Tags};
use ignore::WalkBuilder;
use secrecy::ExposeSecret;

use super::super::SourceError;
use super::super::guard::{self, Guard};
use super::{Login, Remote, failure, internal, no_revision, open, options};
use crate::tasks::blocking;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest silence of a server.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How often the folder's size is looked at while it grows.
const MEASURED_EVERY: Duration = Duration::from_secs(1);
/// Each fetch that brings something adds a pack. Rather than repack, begin anew now and then.
const PACKS_MAX: usize = 50;
/// Where the revision is kept in the folder, by what it was called.
const KEPT_HEAD: &str = "refs/cairn/head";
const KEPT_BRANCH: &str = "refs/cairn/branch";
const KEPT_TAG: &str = "refs/cairn/tag";
const KEPT_COMMIT: &str = "refs/cairn/commit";

/// The commit that the revision names now; all of its files are in the folder then.
pub(super) async fn bring(remote: &Remote, revision: Option<&str>) -> Result<ObjectId, SourceError> {
    let what = remote.url.to_string();
    // Whatever ends this ends the fetch too, as soon as it next hears from the server.
    let stop = StopOnDrop(Arc::default());
    let flag = Arc::clone(&stop.0);
    let (owned, revision) = (remote.clone(), revision.map(str::to_owned));
    let mut fetching = std::pin::pin!(blocking(move || fetch(&owned, revision.as_deref(), &flag)));
    let deadline = tokio::time::Instant::now() + remote.time_max;
    loop {
        let fetched = tokio::select! {
            result = &mut fetching => Some(result.map_err(|panicked| internal(&what, &panicked))??),
            () = tokio::time::sleep_until(deadline) => {
                let limit = humantime::format_duration(remote.time_max);
                return Err(SourceError::unavailable(what, format!("it did not arrive within {limit}")));
            }
            () = tokio::time::sleep(MEASURED_EVERY) => None,
        };
        let folder = remote.folder.clone();
        let bytes = blocking(move || bytes_in(&folder)).await.map_err(|panicked| internal(&what, &panicked))?;
        if bytes > remote.bytes_max {
            return Err(SourceError::TooLarge { what, bytes_max: remote.bytes_max });
        }
        if let Some(commit) = fetched {
            return Ok(commit);
        }
    }
}

struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn fetch(remote: &Remote, revision: Option<&str>, stop: &AtomicBool) -> Result<ObjectId, SourceError> {
    let what = remote.url.to_string();
    let failed = |error: gix::Error| refused(remote, &error).unwrap_or_else(|| failure(&what, &error));
    let repository = folder(&remote.folder).map_err(failed)?;
    let (specs, kept) = specs(revision);
    let from = repository
        .remote_at_without_url_rewrite(remote.url.as_str())
        .and_then(|from| {
            from.with_fetch_tags(Tags::None).with_refspecs(specs.iter().map(String::as_str), Direction::Fetch)
        })
        .map_err(failed)?;
    let login = remote.login.clone();
    let outcome = from
        .connect(Direction::Fetch)
        .map_err(failed)?
        .with_transport_options(Box::new(transport(remote)))
        .with_credentials(move |action| Ok(answer(action, login.as_ref())))
        .prepare_fetch(Discard, gix::remote::ref_map::Options::default())
        .map_err(failed)?
        .with_shallow(Shallow::DepthAtRemote(NonZeroU32::MIN))
        .receive(Discard, stop)
        .map_err(failed)?;
    let mappings = &outcome.ref_map.mappings;
    let of = |name: &&str| mappings.iter().find(|mapping| mapping.local.as_ref().is_some_and(|local| local == *name));
    let tip = kept.iter().find_map(of).and_then(|mapping| mapping.remote.peeled_id());
    Ok(tip.ok_or_else(|| no_revision(&what, revision.unwrap_or("HEAD")))?.to_owned())
}

/// What only the HTTP below git's protocol knows.
fn refused(remote: &Remote, error: &gix::Error) -> Option<SourceError> {
    let what = remote.url.as_str();
    if let Some(refusal) = error.iter_errors().find_map(guard::refusal) {
        return Some(SourceError::denied(what, refusal.to_string()));
    }
    if error.is_unauthenticated() || error.is_permission_denied() {
        let reason = match remote.login {
            Some(_) => "the server refuses this login",
            None => "the server wants a login, or the repository does not exist: give the source a token",
        };
        return Some(SourceError::denied(what, reason));
    }
    let status = error.iter_errors().find_map(|cause| cause.downcast_ref::<reqwest::Error>()?.status())?;
    match status.as_u16() {
        404 | 410 => Some(SourceError::NotFound { what: what.to_owned() }),
        429 => Some(SourceError::unavailable(what, format!("the server answered {status}"))),
        _ => None,
    }
}

/// What to ask for, and under which names it is kept, the one to prefer first.
fn specs(revision: Option<&str>) -> (Vec<String>, &'static [&'static str]) {
    match revision {
        None => (vec![format!("+HEAD:{KEPT_HEAD}")], &[KEPT_HEAD]),
        Some(id) if ObjectId::from_hex(id.as_bytes()).is_ok() => (vec![format!("+{id}:{KEPT_COMMIT}")], &[KEPT_COMMIT]),
        Some(name) => {
            let specs = vec![format!("+refs/heads/{name}:{KEPT_BRANCH}"), format!("+refs/tags/{name}:{KEPT_TAG}")];
            (specs, &[KEPT_BRANCH, KEPT_TAG])
        }
    }
}

/// The repository in the folder, made anew where it is none, or where it has become many pieces.
fn folder(folder: &Path) -> Result<gix::Repository, gix::Error> {
    let packs = fs::read_dir(folder.join("objects/pack")).map_or(0, Iterator::count);
    // A pack is two files.
    if packs <= 2 * PACKS_MAX
        && let Ok(repository) = open(folder.to_path_buf())
    {
        return Ok(repository.to_thread_local());
    }
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(gix::Error::from_error(error)),
        Ok(()) | Err(_) => {}
    }
    fs::create_dir_all(folder).map_err(gix::Error::from_error)?;
    let made = gix::ThreadSafeRepository::init_opts(
        folder,
        gix::create::Kind::Bare,
        gix::create::Options::default(),
        options(),
    )?;
    Ok(made.to_thread_local())
}

fn transport(remote: &Remote) -> http::Options {
    let guard = Arc::new(Guard::new(&remote.reach, [&remote.url]));
    let configure = move |client: reqwest::blocking::ClientBuilder| {
        let client = match guard.proxy() {
            Some(proxy) => client.proxy(proxy),
            None => client.no_proxy(),
        };
        Ok(client.connect_timeout(CONNECT_TIMEOUT).timeout(SILENCE_MAX).dns_resolver(Arc::clone(&guard)))
    };
    let backend = http::reqwest::Options { configure_client: Some(Box::new(configure)), configure_request: None };
    http::Options {
        user_agent: Some(concat!("cairn/", env!("CARGO_PKG_VERSION")).to_owned()),
        follow_redirects: http::options::FollowRedirects::None,
        ssl_verify: true,
        backend: Some(Arc::new(Mutex::new(backend))),
        ..http::Options::default()
    }
}

/// The login of the manifest, and never a question to anybody.
fn answer(action: Action, login: Option<&Login>) -> Option<Outcome> {
    match (action, login) {
        (Action::Get(context), Some(login)) => {
            let (username, password) = (login.user.clone(), login.token.expose_secret().to_owned());
            let identity = gix::sec::identity::Account { username, password, oauth_refresh_token: None };
            Some(Outcome { identity, next: context.into() })
        }
        (Action::Get(_) | Action::Store(_) | Action::Erase(_), _) => None,
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let files = WalkBuilder::new(folder).standard_filters(false).build().filter_map(Result::ok);
    files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}
