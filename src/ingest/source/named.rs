//! Sources as they are written on a command line → declared ones.
//!
//! What begins with a scheme is beyond this machine; everything else is a path, and none of this module's business. All
//! pages that are named one by one are one source, of which nothing is ever removed but what was named.

use std::time::Duration;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::git::{Git, Remote, Repository};
use super::manifest::{Declared, Surroundings, What, reach};
use super::object::{Access, Objects, Provider};
use super::pattern::Patterns;
use super::web::{Pages, Web, parse_url};
use crate::document::sha256;
use crate::ingest::origin::Defaults;

/// What the pages are called that were named one by one.
pub const NAMED_PAGES: &str = "web pages";
/// What a repository's address begins with where nothing else tells that it is one.
const GIT: &str = "git+";
/// How much of its address's hash names a repository's folder.
const FOLDER_HEX: usize = 16;

/// What is to be read at a web address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// The page, or a sitemap where the address is called so.
    #[default]
    Page,
    Sitemap,
    /// The page, and all of its site that it leads to.
    Crawl,
}

/// Sources beyond this machine, as they were written.
#[derive(Debug, Clone, Default)]
pub struct Named<'a> {
    pub texts: &'a [String],
    pub how: How,
    /// Of git repositories.
    pub revision: Option<String>,
    /// Whether documents that a source has no more are removed.
    pub prune: bool,
}

/// Why what was written is no source.
#[derive(Debug, thiserror::Error)]
#[error("read {text}: {reason}")]
pub struct InvalidSource {
    /// Without anything that may be a password.
    text: String,
    reason: String,
}

/// Whether this names something beyond this machine's folders and files.
pub fn is_remote(text: &str) -> bool {
    text.starts_with(GIT) || text.split_once("://").is_some_and(|(scheme, _)| is_scheme(scheme)) || is_ssh(text)
}

/// All that is named, each source with how it is read.
pub fn declare(named: &Named<'_>, around: &Surroundings<'_>) -> Result<Vec<Declared>, InvalidSource> {
    let (mut pages, mut sources) = (Vec::new(), Vec::new());
    for text in named.texts {
        let failed = |reason: String| InvalidSource { text: without_login(text), reason };
        match source(text, named, around).map_err(failed)? {
            What::Web(Web { pages: Pages::Named(urls), .. }) => pages.extend(urls),
            what @ (What::Folder(_) | What::Web(_) | What::Objects(_) | What::Git(_)) => {
                sources.push(declared(what.to_string(), what, named, around))
            }
        }
    }
    if !pages.is_empty() {
        let what = What::Web(web(Pages::Named(pages), around));
        sources.insert(0, declared(NAMED_PAGES.to_owned(), what, named, around));
    }
    let meant_git = named.revision.is_none() || sources.iter().any(|source| matches!(source.what, What::Git(_)));
    if meant_git {
        Ok(sources)
    } else {
        let text = named.revision.clone().unwrap_or_default();
        Err(InvalidSource { text, reason: "a revision is of git repositories, and none is named".into() })
    }
}

fn declared(name: String, what: What, named: &Named<'_>, around: &Surroundings<'_>) -> Declared {
    Declared {
        name,
        collection: around.collection.clone(),
        defaults: Defaults::default(),
        schedule: None,
        prune: named.prune,
        what,
    }
}

fn source(text: &str, named: &Named<'_>, around: &Surroundings<'_>) -> Result<What, String> {
    if is_ssh(text) {
        return Err("cairn reads repositories over HTTPS: write git+https://host/repository.git".into());
    }
    if let Some(place) = text.strip_prefix(GIT) {
        return git(place, named, around).map(What::Git);
    }
    let (scheme, rest) = text.split_once("://").ok_or("it has no scheme")?;
    if let Some(provider) = Provider::of_scheme(scheme) {
        return objects(provider, rest, around).map(What::Objects);
    }
    if !matches!(scheme, "http" | "https") {
        return Err("use https, http, s3, gs, az, or git+https".into());
    }
    let url = web_url(text)?;
    let last = url.path().rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let is_sitemap = last.starts_with("sitemap") && [".xml", ".xml.gz", ".txt"].iter().any(|end| last.ends_with(end));
    Ok(match named.how {
        How::Page if last.ends_with(".git") => What::Git(git(text, named, around)?),
        How::Page if is_sitemap => What::Web(web(Pages::Sitemap(url), around)),
        How::Page => What::Web(web(Pages::Named(vec![url]), around)),
        How::Sitemap => What::Web(web(Pages::Sitemap(url), around)),
        How::Crawl => {
            let (depth_max, pages_max) = (around.settings.crawl_depth, around.settings.crawl_pages_max);
            What::Web(web(Pages::Crawl { start: url, depth_max, pages_max }, around))
        }
    })
}

fn web(pages: Pages, around: &Surroundings<'_>) -> Web {
    let interval = Duration::from_secs_f64(1.0 / around.settings.requests_per_second);
    Web { pages, patterns: Patterns::default(), interval, reach: reach(Vec::new(), around) }
}

fn objects(provider: Provider, rest: &str, around: &Surroundings<'_>) -> Result<Objects, String> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() || bucket.contains('@') {
        return Err("it must be a bucket, such as s3://bucket/folder; credentials come from the environment".into());
    }
    Ok(Objects {
        provider,
        bucket: bucket.to_owned(),
        prefix: prefix.trim_matches('/').to_owned(),
        endpoint: None,
        region: None,
        access: Access::Variables(around.environment.clone()),
        patterns: Patterns::default(),
    })
}

/// `place` is an address, or a folder of this machine.
fn git(place: &str, named: &Named<'_>, around: &Surroundings<'_>) -> Result<Git, String> {
    let folder = match place.split_once("://") {
        Some(("file", path)) => Some(path),
        Some(_) => None,
        None => Some(place),
    };
    let repository = match folder {
        Some(path) => Repository::Local(around.folder.join(path)),
        None => {
            let url = web_url(place)?;
            let name: String = sha256(url.as_str().as_bytes()).chars().take(FOLDER_HEX).collect();
            Repository::Remote(Box::new(Remote {
                url,
                login: None,
                reach: reach(Vec::new(), around),
                folder: around.data_dir.join("git").join(format!("url-{name}")),
                bytes_max: around.settings.repository_bytes_max.as_u64(),
                time_max: around.settings.repository_time_max,
            }))
        }
    };
    Ok(Git { repository, revision: named.revision.clone(), patterns: Patterns::default() })
}

fn web_url(text: &str) -> Result<Url, String> {
    let has_login = Url::parse(text).is_ok_and(|url| !url.username().is_empty() || url.password().is_some());
    if has_login {
        return Err(
            "there is a login in it, which would be kept and shown: declare it in a manifest with a token".into()
        );
    }
    parse_url(text).ok_or_else(|| "it is no address that can be asked for over HTTP".to_owned())
}

fn is_scheme(scheme: &str) -> bool {
    scheme.len() > 1 && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// `user@host:path`, as git takes it.
fn is_ssh(text: &str) -> bool {
    let Some((login, path)) = text.split_once(':') else { return false };
    !path.starts_with("//") && login.contains('@') && !login.contains('/') && !path.is_empty()
        || text.strip_prefix(GIT).unwrap_or(text).starts_with("ssh://")
}

/// What stands before an `@` in the host may be a token.
fn without_login(text: &str) -> String {
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            path.map_or_else(|| format!("{scheme}://{host}"), |path| format!("{scheme}://{host}/{path}"))
        }
        None => text.to_owned(),
    }
}
