//! The `[store]` section checked: in this process, or a Qdrant server that can be asked as it says.

use std::time::Duration;

use bytesize::ByteSize;
use secrecy::{ExposeSecret, SecretString};

use super::raw::{self, Quantization};
use super::{ConfigError, at_least, secret, url};

/// The longest name that Qdrant takes.
const COLLECTION_NAME_LENGTH_MAX: usize = 255;
/// What a server would refuse with less, and a graph with fewer links is none.
const HNSW_EF_CONSTRUCT_MIN: usize = 4;
const HNSW_M_MIN: usize = 2;

/// Where vectors are kept and how they are searched.
#[derive(Debug, Clone)]
pub struct Store {
    pub full_scan_threshold: ByteSize,
    pub hnsw_m: usize,
    pub hnsw_ef_construct: usize,
    pub hnsw_ef: usize,
    pub free_space_min: ByteSize,
    /// None: in this process.
    pub server: Option<QdrantServer>,
}

impl Store {
    /// The largest search effort. A server is told to refuse more.
    pub const HNSW_EF_MAX: usize = 4096;
}

/// A Qdrant server or cluster, and how cairn's collection is made there. See `config/default.toml` for the keys.
#[derive(Debug, Clone)]
pub struct QdrantServer {
    pub url: String,
    pub api_key: Option<SecretString>,
    pub physical_collection: String,
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub request_bytes_max: ByteSize,
    pub shard_number: u32,
    pub replication_factor: u32,
    pub write_consistency_factor: u32,
    pub on_disk_payload: bool,
    pub quantization: Quantization,
    pub quantization_oversampling: f64,
}

pub(super) fn resolve(raw: raw::Store) -> Result<Store, ConfigError> {
    let (ef, ef_max) = (raw.hnsw_ef, Store::HNSW_EF_MAX);
    if ef > ef_max {
        return Err(ConfigError::Invalid(format!("store.hnsw_ef is {ef}, must be at most {ef_max}")));
    }
    at_least("store.hnsw_m", raw.hnsw_m, HNSW_M_MIN)?;
    at_least("store.hnsw_ef_construct", raw.hnsw_ef_construct, HNSW_EF_CONSTRUCT_MIN)?;
    Ok(Store {
        full_scan_threshold: raw.full_scan_threshold,
        hnsw_m: raw.hnsw_m,
        hnsw_ef_construct: raw.hnsw_ef_construct,
        hnsw_ef: raw.hnsw_ef,
        free_space_min: raw.free_space_min,
        server: if raw.url.is_empty() { None } else { Some(server(raw)?) },
    })
}

fn server(raw: raw::Store) -> Result<QdrantServer, ConfigError> {
    check_numbers(&raw)?;
    Ok(QdrantServer {
        url: address(&raw.url)?,
        api_key: api_key(&raw)?,
        physical_collection: collection_name(raw.physical_collection)?,
        timeout: raw.timeout,
        connect_timeout: raw.connect_timeout,
        request_bytes_max: raw.request_bytes_max,
        shard_number: raw.shard_number,
        replication_factor: raw.replication_factor,
        write_consistency_factor: raw.write_consistency_factor,
        on_disk_payload: raw.on_disk_payload,
        quantization: raw.quantization,
        quantization_oversampling: raw.quantization_oversampling,
    })
}

fn check_numbers(raw: &raw::Store) -> Result<(), ConfigError> {
    let least = |key: &str, found: u32| at_least(key, usize::try_from(found).unwrap_or(usize::MAX), 1);
    least("store.shard_number", raw.shard_number)?;
    least("store.replication_factor", raw.replication_factor)?;
    least("store.write_consistency_factor", raw.write_consistency_factor)?;
    let (copies, acknowledged) = (raw.replication_factor, raw.write_consistency_factor);
    if acknowledged > copies {
        return Err(ConfigError::Invalid(format!(
            "store.write_consistency_factor is {acknowledged}, must be at most store.replication_factor ({copies})"
        )));
    }
    if !(1.0..=16.0).contains(&raw.quantization_oversampling) {
        let found = raw.quantization_oversampling;
        return Err(ConfigError::Invalid(format!("store.quantization_oversampling is {found}, must be in 1..=16")));
    }
    Ok(())
}

/// The address is part of errors and logs, so it must hold no password.
fn address(value: &str) -> Result<String, ConfigError> {
    let address = url("store.url", value)?;
    let parsed = reqwest::Url::parse(&address).map_err(|error| ConfigError::Invalid(error.to_string()))?;
    if parsed.username().is_empty() && parsed.password().is_none() {
        Ok(address)
    } else {
        Err(ConfigError::Invalid("store.url names a user: give the server's key as store.api_key_file".into()))
    }
}

/// Checked here, because the client names a key that can't be sent in its error.
fn api_key(raw: &raw::Store) -> Result<Option<SecretString>, ConfigError> {
    let key = secret("store", raw.api_key.clone(), &raw.api_key_file)?;
    match key {
        Some(key) if !key.expose_secret().chars().all(|c| c.is_ascii_graphic()) => Err(ConfigError::Invalid(
            "the key of store.api_key or store.api_key_file has spaces or characters that a key can't have".into(),
        )),
        Some(key) => Ok(Some(key)),
        None => Ok(None),
    }
}

fn collection_name(name: String) -> Result<String, ConfigError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.len() <= COLLECTION_NAME_LENGTH_MAX && name.chars().all(plain) {
        Ok(name)
    } else {
        Err(ConfigError::Invalid(format!(
            "store.physical_collection is {name:?}, must be 1 to {COLLECTION_NAME_LENGTH_MAX} letters, digits, '-' or '_'"
        )))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, Environment};

    fn configured(pairs: &[(&str, &str)]) -> Result<Store, ConfigError> {
        let mut environment: Environment = [("HOME".to_owned(), "/home/someone".to_owned())].into();
        environment.extend(pairs.iter().map(|(key, value)| (format!("CAIRN__STORE__{key}"), (*value).to_owned())));
        Config::from_layers(None::<&Path>, &environment, &[]).map(|config| config.store)
    }

    #[test]
    fn without_an_address_the_store_is_in_this_process() {
        assert!(configured(&[]).unwrap().server.is_none());
    }

    #[test]
    fn a_server_has_an_address_and_a_key_that_never_shows() {
        let store = configured(&[("URL", "https://qdrant.example:6334/"), ("API_KEY", "kept-secret")]).unwrap();
        assert!(!format!("{store:?}").contains("kept-secret"));
        let server = store.server.unwrap();
        assert_eq!(server.url, "https://qdrant.example:6334");
        assert_eq!(server.api_key.unwrap().expose_secret(), "kept-secret");
    }

    #[test]
    fn what_a_server_would_refuse_is_refused_before_it_is_asked() {
        for (key, value, named) in [
            ("URL", "qdrant:6334", "store.url"),
            ("URL", "http://user:hidden@qdrant:6334", "store.api_key_file"),
            ("API_KEY", "hidden hidden", "store.api_key"),
            ("PHYSICAL_COLLECTION", "a/b", "store.physical_collection"),
            ("SHARD_NUMBER", "0", "store.shard_number"),
            ("WRITE_CONSISTENCY_FACTOR", "2", "store.replication_factor (1)"),
            ("QUANTIZATION", "binary", "quantization"),
            ("QUANTIZATION_OVERSAMPLING", "0.5", "store.quantization_oversampling"),
            ("HNSW_EF", "5000", "store.hnsw_ef"),
            ("HNSW_EF_CONSTRUCT", "3", "store.hnsw_ef_construct"),
            ("HNSW_M", "0", "store.hnsw_m"),
        ] {
            let error = configured(&[("URL", "http://qdrant:6334"), (key, value)]).unwrap_err().to_string();
            assert!(error.contains(named) && !error.contains("hidden"), "{key}: {error}");
        }
    }
}
