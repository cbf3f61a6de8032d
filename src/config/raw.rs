//! The configuration as it is written: one struct a section, every key known, nothing checked yet.
//!
//! The sections that need no second look are the ones that [`Config`](super::Config) hands out; the others have an
//! empty text where a value is left to be found elsewhere, which `Config` resolves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

use super::chat::RawChat;
use super::ground::RawGround;
use super::rerank::RawRerank;
use super::{Answers, Conversations};
use crate::document::CollectionName;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) data: Folder,
    pub(super) models: Folder,
    pub(super) embed: Embed,
    pub(super) ingest: Ingest,
    pub(super) extract: Extract,
    pub(super) sources: Sources,
    pub(super) store: Store,
    pub(super) retrieval: Retrieval,
    pub(super) rerank: RawRerank,
    pub(super) chat: RawChat,
    pub(super) answer: Answer,
    pub(super) ground: RawGround,
    #[serde(default)]
    pub(super) collections: BTreeMap<CollectionName, Collection>,
    pub(super) answers: Answers,
    pub(super) conversations: Conversations,
    pub(super) server: Server,
    pub(super) client: Client,
    pub(super) log: Log,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Folder {
    pub(super) dir: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Embed {
    pub(super) model: String,
    pub(super) question_prefix: String,
    pub(super) passage_prefix: String,
    pub(super) cache_bytes_max: ByteSize,
    pub(super) threads: usize,
    pub(super) base_url: String,
    pub(super) api_key: SecretString,
    pub(super) api_key_file: PathBuf,
    pub(super) dimensions: usize,
    pub(super) tokens_max: usize,
    pub(super) tokenizer_file: PathBuf,
    #[serde(with = "humantime_serde")]
    pub(super) timeout: Duration,
}

/// How documents become chunks. See `config/default.toml` for each key's meaning.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ingest {
    pub collection: CollectionName,
    pub chunk_tokens_max: usize,
    pub heading_tokens_max: usize,
    pub file_bytes_max: ByteSize,
    pub documents_in_flight: usize,
    pub bytes_in_flight_max: ByteSize,
    pub chunks_per_batch: usize,
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    #[serde(with = "humantime_serde")]
    pub stall_timeout: Duration,
    pub attempts_max: u32,
    #[serde(with = "humantime_serde")]
    pub retry_pause_min: Duration,
    #[serde(with = "humantime_serde")]
    pub retry_pause_max: Duration,
}

/// What reading one file may take. See `config/default.toml` for each key's meaning.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extract {
    pub processes: usize,
    #[serde(with = "humantime_serde")]
    pub time_max: Duration,
    #[serde(with = "humantime_serde")]
    pub cpu_time_max: Duration,
    pub memory_max: ByteSize,
    pub output_bytes_max: ByteSize,
    pub members_max: usize,
    pub member_bytes_max: ByteSize,
    pub unpacked_bytes_max: ByteSize,
    #[serde(deserialize_with = "names")]
    pub json_fields: Vec<String>,
}

/// What bounds sources beyond this machine, and how they are followed. See `config/default.toml` for each key's meaning.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sources {
    pub manifest: PathBuf,
    pub runs_in_flight: usize,
    pub entries_max: usize,
    #[serde(with = "humantime_serde")]
    pub list_time_max: Duration,
    #[serde(with = "humantime_serde")]
    pub fetch_time_max: Duration,
    pub fetches_in_flight: usize,
    pub requests_per_second: f64,
    pub crawl_depth: usize,
    pub crawl_pages_max: usize,
    #[serde(deserialize_with = "names")]
    pub private_hosts: Vec<String>,
    pub proxy: String,
    pub repository_bytes_max: ByteSize,
    #[serde(with = "humantime_serde")]
    pub repository_time_max: Duration,
    #[serde(with = "humantime_serde")]
    pub watch_quiet: Duration,
    #[serde(with = "humantime_serde")]
    pub watch_delay_max: Duration,
    #[serde(with = "humantime_serde")]
    pub watch_rescan: Duration,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) free_space_min: ByteSize,
    pub(super) full_scan_threshold: ByteSize,
    pub(super) hnsw_m: usize,
    pub(super) hnsw_ef_construct: usize,
    pub(super) hnsw_ef: usize,
    pub(super) url: String,
    pub(super) api_key: SecretString,
    pub(super) api_key_file: PathBuf,
    pub(super) physical_collection: String,
    #[serde(with = "humantime_serde")]
    pub(super) timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub(super) connect_timeout: Duration,
    pub(super) request_bytes_max: ByteSize,
    pub(super) shard_number: u32,
    pub(super) replication_factor: u32,
    pub(super) write_consistency_factor: u32,
    pub(super) on_disk_payload: bool,
    pub(super) quantization: Quantization,
    pub(super) quantization_oversampling: f64,
}

/// What a Qdrant server searches instead of the vectors themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quantization {
    None,
    /// A byte for each number, and the best looked at again in full.
    Scalar,
}

/// What finds passages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Search {
    /// Vectors and words, fused.
    Hybrid,
    /// Vectors alone.
    Dense,
}

/// Which passages an answer may rely on.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retrieval {
    pub search: Search,
    pub candidates: usize,
    pub rank_constant: usize,
    pub passages_max: usize,
    pub passage_tokens_max: usize,
    pub relevance_min: f32,
    pub overlap_max: f64,
}

/// What a question may bring, and how long an extractive answer gets.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub unsupported: Unsupported,
    pub supported_share_min: f64,
    pub retract_below: f32,
    pub question_bytes_max: ByteSize,
    pub history_messages_max: usize,
    pub message_bytes_max: ByteSize,
    pub quotes_max: usize,
    pub missing_share_max: f32,
    pub together_min: f32,
    pub fallback: Fallback,
    #[serde(with = "humantime_serde")]
    pub first_text_timeout: Duration,
}

/// What a caller gets when the chat model can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fallback {
    Extractive,
    Error,
}

/// What is done otherwise in one collection.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    pub unsupported: Option<Unsupported>,
    pub supported_share_min: Option<f64>,
}

/// What becomes of sentences that the passages don't bear out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unsupported {
    Annotate,
    Retract,
    Block,
}

/// The HTTP service and its bounds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub listen: SocketAddr,
    #[serde(deserialize_with = "names")]
    pub allowed_hosts: Vec<String>,
    pub in_flight_max: usize,
    pub allow_anonymous: bool,
    pub answers_max: usize,
    pub requests_per_minute: u32,
    pub answers_per_key_max: usize,
    #[serde(with = "humantime_serde")]
    pub queue_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub answer_timeout: Duration,
    pub body_bytes_max: ByteSize,
    pub upload_bytes_max: ByteSize,
    pub upload_files_max: usize,
    #[serde(with = "humantime_serde")]
    pub upload_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub wait_timeout: Duration,
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    #[serde(with = "humantime_serde")]
    pub drain_timeout: Duration,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Client {
    pub(super) api_key: SecretString,
    pub(super) api_key_file: PathBuf,
}

/// What is logged, and in which form.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    pub level: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

/// A list, or one text with commas, as an environment variable has it.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Names {
        List(Vec<String>),
        Text(String),
    }
    Ok(match Names::deserialize(deserializer)? {
        Names::List(names) => names,
        Names::Text(text) => text.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned).collect(),
    })
}
