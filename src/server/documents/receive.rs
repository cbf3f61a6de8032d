//! Bodies that bring documents: taken in piece by piece, and on the disk before anything is promised.

use std::time::Duration;

use axum::extract::multipart::MultipartError;
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::HeaderName;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use futures::StreamExt;
use tokio::time::{Instant, timeout_at};

use super::wire::{Beside, MetadataWire};
use crate::caller::{Group, InvalidGroup};
use crate::ingest::meta;
use crate::ingest::origin::{Upload, upload_name};
use crate::ingest::uploads::{Receiving, Stored, UploadError, Uploads};
use crate::server::Service;
use crate::server::error::ApiError;

/// What is said of an upload is never longer.
const METADATA_BYTES_MAX: usize = 64 * 1024;
const NAME_BYTES_MAX: usize = 1024;

/// A file as it came. Its bytes are kept at least as long as this.
pub(super) struct Came {
    stored: Stored,
    name: Option<String>,
    media_type: Option<String>,
}

/// Everything that one body brought.
pub(super) struct Body {
    pub(super) files: Vec<Came>,
    pub(super) metadata: MetadataWire,
}

impl Came {
    /// The file as a document of this id, under what was said of it.
    pub(super) fn upload(&self, external_id: &str, metadata: &MetadataWire) -> Result<(Upload, u64), ApiError> {
        let media_type = self.media_type.as_deref();
        let name = upload_name(external_id, None)
            .or_else(|| upload_name(self.name.as_deref().unwrap_or(external_id), media_type))
            .ok_or_else(|| ApiError::unknown_kind(external_id))?;
        let upload = Upload {
            blob: self.stored.blob.clone(),
            name,
            title: metadata.title.clone().filter(|title| !title.trim().is_empty()),
            sidecar: beside(metadata)?.text(),
        };
        Ok((upload, self.stored.bytes))
    }

    /// What the file was called by whoever sent it: the id of a document that was given none.
    pub(super) fn external_id(&self) -> Result<String, ApiError> {
        let name = self.name.as_deref().ok_or_else(|| ApiError::invalid(Some("file"), "a file has no name"))?;
        external_id(name)
    }
}

/// An id that can be a document's.
pub(super) fn external_id(text: &str) -> Result<String, ApiError> {
    let fits = !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
    if fits {
        return Ok(text.to_owned());
    }
    let message = format!("a document's id has 1 to {NAME_BYTES_MAX} bytes and no control characters");
    Err(ApiError::invalid(Some("external_id"), message))
}

/// What is said of an upload, checked: who sends it is told at once what can't be understood.
fn beside(metadata: &MetadataWire) -> Result<Beside, ApiError> {
    let MetadataWire { title: _, allow: names, tags: labels, date: when, language: code } = metadata.clone();
    Ok(Beside {
        allow: names.as_deref().map(allow).transpose()?,
        tags: labels.as_deref().map(tags).transpose()?,
        date: when.as_deref().map(date).transpose()?,
        language: code.as_deref().map(language).transpose()?,
    })
}

pub(super) fn tags(names: &[String]) -> Result<Vec<String>, ApiError> {
    if names.iter().any(|name| name.chars().any(char::is_control)) {
        return Err(ApiError::invalid(Some("tags"), "a tag has no control characters"));
    }
    let tags = meta::tags(names).map_err(|error| ApiError::invalid(Some("tags"), error))?;
    Ok(tags.into_iter().collect())
}

pub(super) fn date(text: &str) -> Result<String, ApiError> {
    let message = || format!("date is {text:?}: write it as 2026-05-31 or 2026-05-31T12:00:00Z");
    let known = meta::seconds(text).ok_or_else(|| ApiError::invalid(Some("date"), message()));
    known.map(|_| text.to_owned())
}

pub(super) fn language(name: &str) -> Result<String, ApiError> {
    let message = || format!("language is {name:?}: write its code of ISO 639-1, such as \"en\"");
    meta::language(name).ok_or_else(|| ApiError::invalid(Some("language"), message()))
}

/// The groups that were named.
pub(super) fn allow(names: &[String]) -> Result<Vec<String>, ApiError> {
    let wrong = |message: String| ApiError::invalid(Some("allow"), message);
    if names.is_empty() {
        return Err(wrong("allow is an empty list: name a group, or leave it out".into()));
    }
    let groups: Result<Vec<Group>, InvalidGroup> = names.iter().map(|name| name.parse()).collect();
    Ok(groups.map_err(|error| wrong(error.to_string()))?.iter().map(ToString::to_string).collect())
}

/// Takes in a body, bytes as they are or the parts of a form: `file`, any number of times, and `metadata`.
pub(super) async fn receive(service: &Service, request: Request) -> Result<Body, ApiError> {
    let deadline = Instant::now() + service.config.upload_timeout;
    let limits = Limits {
        uploads: service.queue.uploads(),
        bytes_max: service.config.upload_bytes_max.as_u64(),
        files_max: service.config.upload_files_max,
    };
    match timeout_at(deadline, take(&limits, request)).await {
        Ok(body) => body,
        Err(_) => Err(ApiError::upload_too_slow(service.config.upload_timeout)),
    }
}

struct Limits<'a> {
    uploads: &'a Uploads,
    bytes_max: u64,
    files_max: usize,
}

async fn take(limits: &Limits<'_>, request: Request) -> Result<Body, ApiError> {
    let (media_type, length) = (header(&request, &CONTENT_TYPE), header(&request, &CONTENT_LENGTH));
    if media_type.as_deref().is_some_and(|media_type| media_type.starts_with("multipart/form-data")) {
        let form = Multipart::from_request(request, &()).await;
        return parts(limits, form.map_err(|error| ApiError::invalid(None, error.body_text()))?).await;
    }
    if length.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > limits.bytes_max) {
        return Err(UploadError::TooLarge { bytes_max: limits.bytes_max }.into());
    }
    let mut receiving = limits.uploads.receive(limits.bytes_max).await?;
    let mut body = request.into_body().into_data_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| ApiError::invalid(None, format!("the body ended in the middle: {error}")))?;
        receiving.write(&piece).await?;
    }
    let came = Came { stored: receiving.finish().await?, name: None, media_type };
    Ok(Body { files: vec![came], metadata: MetadataWire::default() })
}

fn header(request: &Request, name: &HeaderName) -> Option<String> {
    request.headers().get(name)?.to_str().ok().map(str::to_owned)
}

async fn parts(limits: &Limits<'_>, mut form: Multipart) -> Result<Body, ApiError> {
    let mut body = Body { files: Vec::new(), metadata: MetadataWire::default() };
    while let Some(mut field) = form.next_field().await? {
        match field.name() {
            Some("metadata") => {
                let mut text = Vec::new();
                while let Some(piece) = field.chunk().await? {
                    text.extend_from_slice(&piece);
                    if text.len() > METADATA_BYTES_MAX {
                        let message = format!("metadata is larger than {METADATA_BYTES_MAX} bytes");
                        return Err(ApiError::invalid(Some("metadata"), message));
                    }
                }
                body.metadata = serde_json::from_slice(&text)
                    .map_err(|error| ApiError::invalid(Some("metadata"), format!("read metadata: {error}")))?;
            }
            Some("file") if body.files.len() >= limits.files_max => {
                let message = format!("more than {} files (server.upload_files_max)", limits.files_max);
                return Err(ApiError::invalid(Some("file"), message));
            }
            Some("file") => {
                let name = field.file_name().map(str::to_owned);
                let media_type = field.content_type().map(str::to_owned);
                let mut receiving: Receiving = limits.uploads.receive(limits.bytes_max).await?;
                while let Some(piece) = field.chunk().await? {
                    receiving.write(&piece).await?;
                }
                body.files.push(Came { stored: receiving.finish().await?, name, media_type });
            }
            other => {
                let message = format!("the form has a part {other:?}; it may have `file` and `metadata`");
                return Err(ApiError::invalid(None, message));
            }
        }
    }
    Ok(body)
}

impl From<MultipartError> for ApiError {
    fn from(error: MultipartError) -> Self {
        Self::invalid(None, error.body_text())
    }
}

impl From<UploadError> for ApiError {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::TooLarge { .. } => Self::upload_too_large(),
            UploadError::File(error) => Self::upload_failed(&error),
        }
    }
}

impl ApiError {
    fn upload_too_slow(limit: Duration) -> Self {
        Self::upload_timeout(format!("the body took longer than {} s (server.upload_timeout)", limit.as_secs()))
    }
}
