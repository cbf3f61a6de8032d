//! `sources.toml`: many sources, each with where its documents go and who may see them.
//!
//! The text in, typed and checked sources out; nothing after this validates a key again. An error names the source and
//! the key. Relative paths are relative to the manifest. A secret is never in the manifest: a key names the environment
//! variable or the file that holds it, and it is read here, so that one that is missing is told at once.

mod raw;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Url;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::Reach;
use super::git::{Git, Login, Remote, Repository};
use super::object::{Access, Objects, Provider};
use super::pattern::Patterns;
use super::web::{Pages, Web, parse_url};
use crate::caller::Allow;
use crate::config::{REQUESTS_PER_SECOND, Sources};
use crate::document::CollectionName;
use crate::ingest::meta;
use crate::ingest::origin::Defaults;

/// Something that runs more often than this should watch.
const SCHEDULE_MIN: Duration = Duration::from_secs(10);
const TAG_CHARS_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 63;

/// A source, and what is to become of its documents.
#[derive(Debug, Clone)]
pub struct Declared {
    /// Of a manifest's source: unique in it; lower-case letters, digits, `-` and `_`, so that a folder can be called so.
    pub name: String,
    pub collection: CollectionName,
    /// What is said of all of its documents.
    pub defaults: Defaults,
    /// How long after a run the next one begins. None: it runs when somebody says so.
    pub schedule: Option<Duration>,
    /// Whether documents that the source has no more are removed.
    pub prune: bool,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    Folder(Folder),
    Web(Web),
    Objects(Objects),
    Git(Git),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => {
                let paths: Vec<String> = folder.paths.iter().map(|path| path.display().to_string()).collect();
                f.write_str(&paths.join(", "))
            }
            Self::Web(web) => match &web.pages {
                Pages::Named(urls) => f.write_str(&urls.iter().map(Url::as_str).collect::<Vec<_>>().join(", ")),
                Pages::Sitemap(url) => write!(f, "{url} (sitemap)"),
                Pages::Crawl { start, .. } => write!(f, "{start} (crawl)"),
            },
            Self::Objects(objects) => write!(f, "{objects}{}", objects.prefix),
            Self::Git(git) => git.repository.fmt(f),
        }
    }
}

/// Folders and files of this machine.
#[derive(Debug, Clone)]
pub struct Folder {
    /// Absolute.
    pub paths: Vec<PathBuf>,
    pub patterns: Patterns,
    /// Whether changes are followed as they happen.
    pub watch: bool,
}

/// What a manifest's meaning depends on beside its text.
pub struct Surroundings<'a> {
    /// The manifest's own folder.
    pub folder: &'a Path,
    /// For sources that name none.
    pub collection: &'a CollectionName,
    pub environment: &'a HashMap<String, SecretString>,
    /// Repositories are kept below it.
    pub data_dir: &'a Path,
    /// For all that a source does not say itself.
    pub settings: &'a Sources,
}

/// Why a manifest can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("read the manifest {path}: {cause}")]
    Read { path: PathBuf, cause: std::io::Error },
    #[error("read the manifest: {0}")]
    Toml(String),
    #[error("source {source_name:?} of the manifest: {reason}")]
    Source { source_name: String, reason: String },
}

/// All sources of a manifest, in its order.
pub fn parse(text: &str, around: &Surroundings<'_>) -> Result<Vec<Declared>, ManifestError> {
    let manifest: raw::Manifest = toml::from_str(text).map_err(|error| ManifestError::Toml(error.to_string()))?;
    let mut sources: Vec<Declared> = Vec::with_capacity(manifest.source.len());
    let mut owners = HashMap::new();
    for (at, table) in manifest.source.into_iter().enumerate() {
        let named = table.get("name").and_then(toml::Value::as_str).filter(|name| !name.is_empty());
        let source_name = named.map_or_else(|| format!("number {}", at + 1), str::to_owned);
        let failed = |reason| ManifestError::Source { source_name: source_name.clone(), reason };
        let declared = declared(table, around).map_err(failed)?;
        if sources.iter().any(|other| other.name == declared.name) {
            return Err(failed("name is not unique: give each source one of its own".into()));
        }
        for root in roots(&declared.what) {
            let place = (declared.collection.clone(), root);
            if let Some(other) = owners.get(&place) {
                let root = place.1;
                return Err(failed(format!(
                    "{root} is in source {other:?} as well: two sources can't own one document"
                )));
            }
            owners.insert(place, declared.name.clone());
        }
        sources.push(declared);
    }
    Ok(sources)
}

/// The sources with these names, or all if none is named; a name that no source has is an error.
pub fn only(sources: Vec<Declared>, names: &[String], prune: bool) -> Result<Vec<Declared>, String> {
    if let Some(name) = names.iter().find(|name| sources.iter().all(|source| source.name != **name)) {
        return Err(format!("the manifest has no source {name:?}"));
    }
    let wanted = sources.into_iter().filter(|source| names.is_empty() || names.contains(&source.name));
    Ok(wanted.map(|source| Declared { prune: source.prune || prune, ..source }).collect())
}

/// What the source's external ids begin with, as far as that tells two sources apart.
fn roots(what: &What) -> Vec<String> {
    match what {
        What::Folder(folder) => folder.paths.iter().map(|path| path.display().to_string()).collect(),
        What::Web(web) => match &web.pages {
            Pages::Named(urls) => urls.iter().map(Url::to_string).collect(),
            Pages::Sitemap(url) | Pages::Crawl { start: url, .. } => vec![url.to_string()],
        },
        What::Objects(objects) => vec![format!("{objects}{}", objects.prefix)],
        What::Git(git) => vec![git.repository.to_string()],
    }
}

fn declared(table: toml::Table, around: &Surroundings<'_>) -> Result<Declared, String> {
    let (common, own): (toml::Table, toml::Table) =
        table.into_iter().partition(|(key, _)| raw::COMMON_KEYS.contains(&key.as_str()));
    let common: raw::Common = typed(common)?;
    let patterns = Patterns::new(&common.include, &common.exclude).map_err(|error| error.to_string())?;
    let what = match common.kind {
        raw::Kind::Folder => What::Folder(folder(&typed(own)?, patterns, around)?),
        raw::Kind::Web => What::Web(web(typed(own)?, patterns, around)?),
        raw::Kind::Sitemap => What::Web(sitemap(typed(own)?, patterns, around)?),
        raw::Kind::Urls => What::Web(urls(typed(own)?, patterns, around)?),
        raw::Kind::ObjectStore => What::Objects(objects(typed(own)?, patterns, around)?),
        raw::Kind::Git => What::Git(git(typed(own)?, patterns, &common.name, around)?),
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if common.name.is_empty() || common.name.len() > NAME_CHARS_MAX || !common.name.chars().all(plain) {
        return Err(format!("name must be 1 to {NAME_CHARS_MAX} lower-case letters, digits, '-' or '_'"));
    }
    if let Some(schedule) = common.schedule.filter(|schedule| *schedule < SCHEDULE_MIN) {
        let (found, least) = (humantime::format_duration(schedule), humantime::format_duration(SCHEDULE_MIN));
        return Err(format!("schedule is {found}, must be at least {least}"));
    }
    Ok(Declared {
        defaults: Defaults {
            tags: tags(&common.tags)?,
            allow: allow(common.allow)?.iter().map(ToString::to_string).collect(),
            language: common.language.as_deref().map(language).transpose()?,
            metadata: common.metadata,
        },
        name: common.name,
        collection: common.collection.unwrap_or_else(|| around.collection.clone()),
        schedule: common.schedule,
        prune: common.prune,
        what,
    })
}

fn typed<T: DeserializeOwned>(table: toml::Table) -> Result<T, String> {
    table.try_into().map_err(|error: toml::de::Error| error.to_string().trim().replace('\n', " "))
}

fn tags(tags: &[String]) -> Result<BTreeSet<String>, String> {
    let is_plain = |tag: &String| {
        !tag.is_empty() && tag.chars().count() <= TAG_CHARS_MAX && tag.trim() == tag && !tag.contains(char::is_control)
    };
    match tags.iter().find(|tag| !is_plain(tag)) {
        Some(tag) => Err(format!("tags has {tag:?}: use 1 to {TAG_CHARS_MAX} characters, no space at either end")),
        None => meta::tags(tags),
    }
}

/// Fails closed, like the rules that documents bring themselves.
fn allow(groups: Option<Vec<String>>) -> Result<Allow, String> {
    let Some(groups) = groups else { return Ok(Allow::new()) };
    if groups.is_empty() {
        return Err("allow is an empty list: name a group, or leave it out for everybody".into());
    }
    let parsed = groups.iter().map(|group| group.parse());
    parsed.collect::<Result<_, crate::caller::InvalidGroup>>().map_err(|error| format!("allow: {error}"))
}

/// `en`, and `pt` of `pt-BR`.
fn language(tag: &str) -> Result<String, String> {
    meta::language(tag).ok_or_else(|| format!("language is {tag:?}, must be one such as \"en\""))
}

fn folder(raw: &raw::Folder, patterns: Patterns, around: &Surroundings<'_>) -> Result<Folder, String> {
    if raw.paths.is_empty() {
        return Err("paths is empty: name a folder or a file".into());
    }
    let paths = raw.paths.iter().map(|path| around.folder.join(path)).collect();
    Ok(Folder { paths, patterns, watch: raw.watch })
}

fn web(raw: raw::Web, patterns: Patterns, around: &Surroundings<'_>) -> Result<Web, String> {
    let pages_max = raw.pages_max.unwrap_or(around.settings.crawl_pages_max);
    let depth_max = raw.depth.unwrap_or(around.settings.crawl_depth);
    if pages_max == 0 {
        return Err("pages_max is 0, must be at least 1".into());
    }
    let pages = Pages::Crawl { start: url("url", &raw.url)?, depth_max, pages_max };
    let interval = interval(raw.requests_per_second, around)?;
    Ok(Web { pages, patterns, interval, reach: reach(raw.private_hosts, around) })
}

fn sitemap(raw: raw::Sitemap, patterns: Patterns, around: &Surroundings<'_>) -> Result<Web, String> {
    let pages = Pages::Sitemap(url("url", &raw.url)?);
    let interval = interval(raw.requests_per_second, around)?;
    Ok(Web { pages, patterns, interval, reach: reach(raw.private_hosts, around) })
}

fn urls(raw: raw::Urls, patterns: Patterns, around: &Surroundings<'_>) -> Result<Web, String> {
    if raw.urls.is_empty() {
        return Err("urls is empty: name one".into());
    }
    let pages = Pages::Named(raw.urls.iter().map(|text| url("urls", text)).collect::<Result<_, _>>()?);
    let interval = interval(raw.requests_per_second, around)?;
    Ok(Web { pages, patterns, interval, reach: reach(raw.private_hosts, around) })
}

fn objects(raw: raw::Objects, patterns: Patterns, around: &Surroundings<'_>) -> Result<Objects, String> {
    let wrong =
        || format!("bucket is {:?}, must be a URL such as \"s3://bucket/folder\", or one of gs or az", raw.bucket);
    let (scheme, rest) = raw.bucket.split_once("://").ok_or_else(wrong)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let provider = Provider::of_scheme(scheme).filter(|_| !bucket.is_empty()).ok_or_else(wrong)?;
    if raw.anonymous && !raw.credentials.is_empty() {
        return Err("both anonymous and credentials are set: keep one".into());
    }
    let mut variables = around.environment.clone();
    for (variable, place) in &raw.credentials {
        variables.insert(variable.clone(), secret(&format!("credentials.{variable}"), place, around)?);
    }
    Ok(Objects {
        provider,
        bucket: bucket.to_owned(),
        prefix: prefix.trim_matches('/').to_owned(),
        endpoint: raw.endpoint.map(|endpoint| url("endpoint", &endpoint)).transpose()?,
        region: raw.region,
        access: if raw.anonymous { Access::Anonymous } else { Access::Variables(variables) },
        patterns,
    })
}

fn git(raw: raw::Git, patterns: Patterns, name: &str, around: &Surroundings<'_>) -> Result<Git, String> {
    let repository = match raw.repository.split_once("://") {
        None if raw.token.is_some() => return Err("token is set, and repository is a folder, which needs none".into()),
        None => Repository::Local(around.folder.join(&raw.repository)),
        Some((scheme, _)) => {
            let url = url("repository", &raw.repository)?;
            if raw.token.is_some() && scheme != "https" {
                return Err("token is set, and repository is not https: everybody on the way could read it".into());
            }
            let token = raw.token.map(|place| secret("token", &place, around)).transpose()?;
            Repository::Remote(Box::new(Remote {
                url,
                login: token.map(|token| Login { user: raw.user, token }),
                reach: reach(raw.private_hosts, around),
                folder: around.data_dir.join("git").join(name),
                bytes_max: raw.bytes_max.unwrap_or(around.settings.repository_bytes_max).as_u64(),
                time_max: around.settings.repository_time_max,
            }))
        }
    };
    Ok(Git { repository, revision: raw.revision, patterns })
}

fn url(key: &str, text: &str) -> Result<Url, String> {
    parse_url(text).ok_or_else(|| {
        format!("{key} is {text:?}, must be a URL such as \"https://example.org/docs/\", with no password in it")
    })
}

fn interval(requests_per_second: Option<f64>, around: &Surroundings<'_>) -> Result<Duration, String> {
    let requests_per_second = requests_per_second.unwrap_or(around.settings.requests_per_second);
    if REQUESTS_PER_SECOND.contains(&requests_per_second) {
        Ok(Duration::from_secs_f64(1.0 / requests_per_second))
    } else {
        let (least, most) = (REQUESTS_PER_SECOND.start(), REQUESTS_PER_SECOND.end());
        Err(format!("requests_per_second is {requests_per_second}, must be in {least}..={most}"))
    }
}

/// What the source says itself, and what is configured for all of them.
pub(super) fn reach(private_hosts: Vec<String>, around: &Surroundings<'_>) -> Reach {
    let private_hosts = private_hosts.into_iter().chain(around.settings.private_hosts.iter().cloned()).collect();
    Reach { private_hosts, proxy: Url::parse(&around.settings.proxy).ok() }
}

fn secret(key: &str, place: &raw::Secret, around: &Surroundings<'_>) -> Result<SecretString, String> {
    match place {
        raw::Secret::Env(variable) => {
            let value = around.environment.get(variable).filter(|value| !value.expose_secret().is_empty());
            value.cloned().ok_or_else(|| format!("{key}: the variable {variable} is not set"))
        }
        raw::Secret::File(path) => {
            let path = around.folder.join(path);
            let text = std::fs::read_to_string(&path).map_err(|e| format!("{key}: read {}: {e}", path.display()))?;
            Ok(SecretString::from(text.trim().to_owned()))
        }
    }
}
