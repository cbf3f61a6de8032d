//! The manifest as it is written: the keys that every source has, and those of its kind. Every key known, nothing
//! checked yet.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;

use crate::document::CollectionName;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    #[serde(default)]
    pub(super) source: Vec<toml::Table>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Folder,
    Web,
    Sitemap,
    Urls,
    ObjectStore,
    Git,
}

/// The keys of [`Common`], which are taken out before the kind's own are read.
pub(super) const COMMON_KEYS: &[&str] =
    &["name", "kind", "collection", "tags", "allow", "language", "metadata", "schedule", "prune", "include", "exclude"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Common {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) collection: Option<CollectionName>,
    #[serde(default)]
    pub(super) tags: Vec<String>,
    pub(super) allow: Option<Vec<String>>,
    pub(super) language: Option<String>,
    #[serde(default)]
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(default, with = "humantime_serde")]
    pub(super) schedule: Option<Duration>,
    #[serde(default)]
    pub(super) prune: bool,
    #[serde(default)]
    pub(super) include: Vec<String>,
    #[serde(default)]
    pub(super) exclude: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Folder {
    pub(super) paths: Vec<PathBuf>,
    #[serde(default)]
    pub(super) watch: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Web {
    pub(super) url: String,
    pub(super) depth: Option<usize>,
    pub(super) pages_max: Option<usize>,
    pub(super) requests_per_second: Option<f64>,
    #[serde(default)]
    pub(super) private_hosts: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sitemap {
    pub(super) url: String,
    pub(super) requests_per_second: Option<f64>,
    #[serde(default)]
    pub(super) private_hosts: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Urls {
    pub(super) urls: Vec<String>,
    pub(super) requests_per_second: Option<f64>,
    #[serde(default)]
    pub(super) private_hosts: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Objects {
    pub(super) bucket: String,
    pub(super) endpoint: Option<String>,
    pub(super) region: Option<String>,
    #[serde(default)]
    pub(super) anonymous: bool,
    #[serde(default)]
    pub(super) credentials: BTreeMap<String, Secret>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Git {
    pub(super) repository: String,
    pub(super) revision: Option<String>,
    #[serde(default = "user")]
    pub(super) user: String,
    pub(super) token: Option<Secret>,
    pub(super) bytes_max: Option<ByteSize>,
    #[serde(default)]
    pub(super) private_hosts: Vec<String>,
}

/// Where a secret is; never the secret.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(super) enum Secret {
    Env(String),
    File(PathBuf),
}

/// What GitHub and GitLab take with any token.
fn user() -> String {
    "oauth2".to_owned()
}
