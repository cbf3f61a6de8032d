//! What goes between cairn and the child that reads files: frames of a length and so many bytes.
//!
//! First the [`Setup`]; then, for each file, a [`Request`] and its bytes one way and a [`Reply`] the other.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::config;
use crate::ingest::extract::{ExtractLimits, Extracted, JsonFields};

/// A request's own words are short. The bytes after it are of a file that cairn has read whole.
const WORDS_BYTES_MAX: u64 = 1 << 20;

/// What a child is told once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Setup {
    pub(super) memory_bytes_max: u64,
    pub(super) cpu_time_max_s: u64,
    pub(super) pdfium: PathBuf,
    pub(super) limits: ExtractLimits,
}

impl Setup {
    pub(super) fn new(limits: &config::Extract, pdfium: PathBuf) -> Self {
        Self {
            memory_bytes_max: limits.memory_max.as_u64(),
            cpu_time_max_s: limits.cpu_time_max.as_secs().max(1),
            pdfium,
            limits: ExtractLimits {
                text_bytes_max: size(limits.output_bytes_max),
                members_max: limits.members_max,
                member_bytes_max: limits.member_bytes_max.as_u64(),
                unpacked_bytes_max: limits.unpacked_bytes_max.as_u64(),
                json_fields: JsonFields::new(&limits.json_fields),
                ..ExtractLimits::default()
            },
        }
    }
}

fn size(bytes: bytesize::ByteSize) -> usize {
    usize::try_from(bytes.as_u64()).unwrap_or(usize::MAX)
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) name: String,
}

/// Why a file gives no text, in words that outlive the child.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: String,
    pub(super) reason: String,
}

pub(super) type Reply = Result<Extracted, Refusal>;

/// A message, and the bytes that belong to it.
pub(super) async fn send(to: &mut (impl AsyncWrite + Unpin), message: &impl Serialize, bytes: &[u8]) -> io::Result<()> {
    let words = serde_json::to_vec(message)?;
    to.write_u64_le(length(&words)).await?;
    to.write_all(&words).await?;
    to.write_u64_le(length(bytes)).await?;
    to.write_all(bytes).await?;
    to.flush().await
}

/// A message of a child, which is not trusted.
pub(super) async fn receive<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin), bytes_max: u64) -> io::Result<T> {
    let length = from.read_u64_le().await?;
    if length > bytes_max {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut words = Vec::new();
    from.take(length).read_to_end(&mut words).await?;
    Ok(serde_json::from_slice(&words)?)
}

/// The next message and its bytes, on the child's side; None when there will be no more.
pub(super) fn next<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<(T, Vec<u8>)>> {
    let mut head = [0; 8];
    match from.read_exact(&mut head) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let words = bytes(from, u64::from_le_bytes(head).min(WORDS_BYTES_MAX))?;
    let mut head = [0; 8];
    from.read_exact(&mut head)?;
    let bytes = bytes(from, u64::from_le_bytes(head))?;
    Ok(Some((serde_json::from_slice(&words)?, bytes)))
}

/// An answer, from the child's side.
pub(super) fn answer(to: &mut impl Write, reply: &Reply) -> io::Result<()> {
    let words = serde_json::to_vec(reply)?;
    to.write_all(&length(&words).to_le_bytes())?;
    to.write_all(&words)?;
    to.flush()
}

fn bytes(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(usize::MAX).min(1 << 30));
    from.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}
