//! The objects of a bucket or container: S3 and whatever speaks it, Google Cloud Storage, Azure Blob Storage.
//!
//! Listed a page at a time. The revision of an object is its ETag, which comes with the listing, so what has not
//! changed costs no request of its own. Credentials are those that the provider's own tools would find in the environment.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::list::{PaginatedListOptions, PaginatedListStore};
use object_store::path::{self, Path};
use object_store::{BackoffConfig, ClientOptions, Error, GetOptions, ObjectMeta, ObjectStore, RetryConfig};
use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use super::pattern::Patterns;
use super::{Content, Entry, Fetched, Item, Limits, Listing, SourceError, bounded, file_name, sorted};
use crate::ingest::meta::SIDECAR_SUFFIX;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const REPETITIONS_MAX: usize = 3;
/// Keys that are asked for together: the most that S3 gives.
const PAGE_KEYS: usize = 1_000;
/// What a revision begins with.
const BY_TAG: &str = "etag ";
const BY_DATE: &str = "modified ";

/// What an object source is told.
#[derive(Debug, Clone)]
pub struct Objects {
    pub provider: Provider,
    /// Azure calls it a container.
    pub bucket: String,
    /// The folder to list, without a slash at either end. Empty: all of the bucket.
    pub prefix: String,
    /// Another server than the provider's own, over `http` where it says so.
    pub endpoint: Option<Url>,
    pub region: Option<String>,
    pub access: Access,
    pub patterns: Patterns,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    S3,
    Google,
    Azure,
}

/// How to be let in.
#[derive(Debug, Clone)]
pub enum Access {
    /// The bucket is open to everybody.
    Anonymous,
    /// By the provider's own variables, such as `AWS_ACCESS_KEY_ID`. Others are left alone.
    Variables(HashMap<String, SecretString>),
}

pub struct ObjectSource {
    objects: Objects,
    limits: Limits,
    store: Arc<dyn Bucket>,
}

/// Fetches objects, and lists them by the page.
trait Bucket: ObjectStore + PaginatedListStore {}

impl<T: ObjectStore + PaginatedListStore> Bucket for T {}

impl Provider {
    pub fn of_scheme(scheme: &str) -> Option<Self> {
        match scheme {
            "s3" => Some(Self::S3),
            "gs" => Some(Self::Google),
            "az" => Some(Self::Azure),
            _ => None,
        }
    }
}

impl fmt::Display for Objects {
    /// What all external ids of the bucket begin with.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.provider {
            Provider::S3 => "s3",
            Provider::Google => "gs",
            Provider::Azure => "az",
        };
        write!(f, "{scheme}://{}/", self.bucket)
    }
}

impl ObjectSource {
    /// Asks nobody anything yet.
    pub fn new(objects: Objects, limits: Limits) -> Result<Self, SourceError> {
        let store = store(&objects, &limits).map_err(|error| failure(objects.to_string(), &error))?;
        Ok(Self { objects, limits, store })
    }

    pub fn list(&self) -> Listing<'_> {
        bounded(self.objects.to_string(), &self.limits, self.pages())
    }

    pub async fn fetch(&self, item: &Item, known: Option<&str>) -> Result<Fetched, SourceError> {
        let limit = self.limits.fetch_time_max;
        tokio::time::timeout(limit, self.get(item, known)).await.unwrap_or_else(|_| {
            let reason = format!("it did not arrive within {}", humantime::format_duration(limit));
            Err(SourceError::unavailable(&item.external_id, reason))
        })
    }

    /// The library gives a page up where one of its keys is no path by its own rules. So a page that fails is asked for
    /// again in smaller ones, until that key stands alone and can be told and passed over.
    fn pages(&self) -> Listing<'_> {
        Box::pin(async_stream::try_stream! {
            let prefix = Some(self.objects.prefix.as_str()).filter(|p| !p.is_empty()).map(|p| format!("{p}/"));
            let (mut page_token, mut offset, mut max_keys) = (None, None, PAGE_KEYS);
            loop {
                let options = PaginatedListOptions {
                    offset: offset.clone(),
                    max_keys: Some(max_keys),
                    page_token: page_token.clone(),
                    ..PaginatedListOptions::default()
                };
                match self.store.list_paginated(prefix.as_deref(), options).await {
                    Ok(page) => {
                        for object in page.result.objects {
                            yield self.entry(&object);
                        }
                        if page.page_token.is_none() {
                            return;
                        }
                        (page_token, max_keys) = (page.page_token, (max_keys * 2).min(PAGE_KEYS));
                    }
                    Err(Error::InvalidPath { .. }) if max_keys > 1 => max_keys /= 2,
                    Err(Error::InvalidPath { source }) => {
                        let key = unreadable_key(&source)
                            .ok_or_else(|| SourceError::invalid(self.objects.to_string(), source.to_string()))?;
                        let external_id = format!("{}{key}", self.objects);
                        let reason = "its key has an empty part, \".\" or \"..\" between slashes: rename it";
                        let error = SourceError::invalid(&external_id, reason);
                        yield Entry::Problem { external_id, error };
                        (page_token, offset) = (None, Some(key));
                    }
                    Err(error) => Err(failure(self.objects.to_string(), &error))?,
                }
            }
        })
    }

    fn entry(&self, object: &ObjectMeta) -> Entry {
        let key = object.location.as_ref();
        let external_id = format!("{}{key}", self.objects);
        let below = key.strip_prefix(self.objects.prefix.as_str()).unwrap_or(key).trim_start_matches('/');
        let of = match sorted(below, &self.objects.patterns, &self.limits) {
            Ok(of) => of.and_then(|_| external_id.strip_suffix(SIDECAR_SUFFIX)).map(str::to_owned),
            Err(why) => return Entry::Skipped { external_id, why },
        };
        let bytes_max = self.limits.file_bytes_max;
        if object.size > bytes_max {
            let error = SourceError::TooLarge { what: external_id.clone(), bytes_max };
            return Entry::Problem { external_id, error };
        }
        let name = file_name(key).to_owned();
        let item = Item { external_id, name, bytes: Some(object.size), revision: Some(revision(object)) };
        match of {
            Some(of) => Entry::Sidecar { of, item },
            None => Entry::Item(item),
        }
    }

    async fn get(&self, item: &Item, known: Option<&str>) -> Result<Fetched, SourceError> {
        let (what, bytes_max) = (item.external_id.clone(), self.limits.file_bytes_max);
        let key = what.strip_prefix(&self.objects.to_string()).and_then(|key| Path::parse(key).ok());
        let key = key.ok_or_else(|| SourceError::invalid(&what, format!("it is not in {}", self.objects)))?;
        let known = known.and_then(|known| known.strip_prefix(BY_TAG)).map(str::to_owned);
        let options = GetOptions { if_none_match: known, ..GetOptions::default() };
        let found = match self.store.get_opts(&key, options).await {
            Ok(found) => found,
            Err(Error::NotModified { .. }) => return Ok(Fetched::Unchanged),
            Err(error) => return Err(failure(what, &error)),
        };
        let revision = Some(revision(&found.meta));
        let mut bytes = Vec::with_capacity(usize::try_from(found.meta.size.min(bytes_max)).unwrap_or_default());
        let mut pieces = found.into_stream();
        while let Some(piece) = pieces.next().await {
            bytes.extend_from_slice(&piece.map_err(|error| failure(what.clone(), &error))?);
            if u64::try_from(bytes.len()).is_ok_and(|length| length > bytes_max) {
                return Err(SourceError::TooLarge { what, bytes_max });
            }
        }
        Ok(Fetched::Content(Content { bytes, name: item.name.clone(), revision }))
    }
}

fn revision(object: &ObjectMeta) -> String {
    match &object.e_tag {
        Some(tag) => format!("{BY_TAG}{tag}"),
        None => format!("{BY_DATE}{} {}", object.last_modified.to_rfc3339(), object.size),
    }
}

fn store(objects: &Objects, limits: &Limits) -> Result<Arc<dyn Bucket>, Error> {
    let client = ClientOptions::new()
        .with_user_agent(HeaderValue::from_static(concat!("cairn/", env!("CARGO_PKG_VERSION"))))
        .with_connect_timeout(CONNECT_TIMEOUT)
        .with_timeout(limits.fetch_time_max);
    // Without TLS only to a server that somebody named so.
    let client = |settings: &[(String, String)]| {
        let is_open = |(key, value): &(String, String)| is_endpoint(key) && value.starts_with("http://");
        client.clone().with_allow_http(settings.iter().any(is_open))
    };
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: REPETITIONS_MAX,
        retry_timeout: limits.fetch_time_max,
    };
    let bucket = objects.bucket.as_str();
    Ok(match objects.provider {
        Provider::S3 => {
            let settings = settings(objects, "aws_", "aws_endpoint");
            let builder = configured(AmazonS3Builder::new(), &settings, AmazonS3Builder::with_config);
            Arc::new(builder.with_bucket_name(bucket).with_client_options(client(&settings)).with_retry(retry).build()?)
        }
        Provider::Google => {
            let settings = settings(objects, "google_", "google_base_url");
            let builder =
                configured(GoogleCloudStorageBuilder::new(), &settings, GoogleCloudStorageBuilder::with_config);
            Arc::new(builder.with_bucket_name(bucket).with_client_options(client(&settings)).with_retry(retry).build()?)
        }
        Provider::Azure => {
            let settings = settings(objects, "azure_", "azure_endpoint");
            let builder = configured(MicrosoftAzureBuilder::new(), &settings, MicrosoftAzureBuilder::with_config);
            Arc::new(
                builder.with_container_name(bucket).with_client_options(client(&settings)).with_retry(retry).build()?,
            )
        }
    })
}

/// The variables of this provider in lower case, and over them what the manifest says itself.
fn settings(objects: &Objects, prefix: &str, endpoint_key: &str) -> Vec<(String, String)> {
    let mut settings = match &objects.access {
        Access::Anonymous => vec![(format!("{prefix}skip_signature"), "true".to_owned())],
        Access::Variables(variables) => {
            let variables =
                variables.iter().map(|(key, value)| (key.to_ascii_lowercase(), value.expose_secret().into()));
            variables.filter(|(key, _)| key.starts_with(prefix)).collect()
        }
    };
    let endpoint = objects.endpoint.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
    settings.extend(endpoint.map(|endpoint| (endpoint_key.to_owned(), endpoint)));
    settings.extend(objects.region.clone().map(|region| (format!("{prefix}region"), region)));
    settings
}

fn is_endpoint(key: &str) -> bool {
    key.ends_with("_endpoint") || key.ends_with("_endpoint_url") || key.ends_with("_base_url")
}

/// Those settings that the builder knows: an environment holds many others.
fn configured<B, K: FromStr>(builder: B, settings: &[(String, String)], with: fn(B, K, String) -> B) -> B {
    let known = settings.iter().filter_map(|(key, value)| Some((key.parse().ok()?, value.clone())));
    known.fold(builder, |builder, (key, value)| with(builder, key, value))
}

/// The key that is no path, as the store has it.
fn unreadable_key(error: &path::Error) -> Option<String> {
    match error {
        path::Error::EmptySegment { path } | path::Error::BadSegment { path, .. } => Some(path.clone()),
        path::Error::Canonicalize { .. }
        | path::Error::InvalidPath { .. }
        | path::Error::NonUnicode { .. }
        | path::Error::PrefixMismatch { .. }
        | _ => None, // The library may add more.
    }
}

/// Names what failed; never the store's own words, in which a signed URL can stand.
fn failure(what: String, error: &Error) -> SourceError {
    match error {
        Error::NotFound { .. } => SourceError::NotFound { what },
        Error::PermissionDenied { .. } => {
            SourceError::denied(what, "the store does not allow it with these credentials")
        }
        Error::Unauthenticated { .. } => SourceError::denied(what, "the store wants credentials, or others"),
        Error::InvalidPath { .. } => SourceError::invalid(what, "it is no path"),
        Error::UnknownConfigurationKey { .. } => SourceError::invalid(what, error.to_string()),
        Error::Generic { source, .. } => generic(what, source.as_ref()),
        Error::JoinError { .. }
        | Error::NotSupported { .. }
        | Error::AlreadyExists { .. }
        | Error::Precondition { .. }
        | Error::NotModified { .. }
        | Error::NotImplemented { .. }
        | _ => SourceError::unavailable(what, "the request failed"), // The library may add more.
    }
}

/// The library says which status came in its text alone.
fn generic(what: String, error: &(dyn std::error::Error + Send + Sync + 'static)) -> SourceError {
    let text = error.to_string();
    let after = |mark: &str| text.split_once(mark).map(|(_, rest)| rest);
    let status: Option<u16> = after("status code: ").and_then(|rest| rest.get(..3)?.parse().ok());
    let code = after("<Code>").and_then(|rest| rest.split_once('<')).map(|(code, _)| format!(" ({code})"));
    let reason = |status: u16| format!("the store answered {status}{}", code.unwrap_or_default());
    match status {
        Some(status @ (408 | 429 | 500..)) => SourceError::unavailable(what, reason(status)),
        Some(404) => SourceError::NotFound { what },
        Some(status) => SourceError::invalid(what, reason(status)),
        None if text.contains("error sending request") => SourceError::unavailable(what, "the store can't be reached"),
        None => SourceError::unavailable(what, "the store gave no answer that can be read"),
    }
}
