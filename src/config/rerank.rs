//! `[rerank]`: whether and by what the best hits are ordered anew.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::{ConfigError, at_least, cores, longer, secret, url};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRerank {
    model: String,
    threads: usize,
    base_url: String,
    api_key: SecretString,
    api_key_file: PathBuf,
    candidates: usize,
    #[serde(with = "humantime_serde")]
    deadline: Duration,
}

/// A cross-encoder that orders the best hits anew.
#[derive(Debug, Clone)]
pub struct Rerank {
    /// How many of them.
    pub candidates: usize,
    /// After this the fused order stands.
    pub deadline: Duration,
    pub place: RerankPlace,
}

/// Where the cross-encoder runs.
#[derive(Debug, Clone)]
pub enum RerankPlace {
    /// In this process, on so many threads.
    Local {
        model: String,
        threads: usize,
    },
    Remote(RerankEndpoint),
}

/// A `/rerank` endpoint as text-embeddings-inference has it.
#[derive(Debug, Clone)]
pub struct RerankEndpoint {
    pub base_url: String,
    pub api_key: SecretString,
}

/// None: the fused order stands.
pub(super) fn resolve(raw: RawRerank) -> Result<Option<Rerank>, ConfigError> {
    at_least("rerank.candidates", raw.candidates, 2)?;
    longer("rerank.deadline", raw.deadline, Duration::from_millis(1))?;
    let place = match (raw.model.is_empty(), raw.base_url.is_empty()) {
        (true, true) => return Ok(None),
        (false, true) => {
            let threads = if raw.threads == 0 { cores() } else { raw.threads };
            RerankPlace::Local { model: raw.model, threads }
        }
        (true, false) => RerankPlace::Remote(RerankEndpoint {
            base_url: url("rerank.base_url", &raw.base_url)?,
            api_key: secret("rerank", raw.api_key, &raw.api_key_file)?.unwrap_or_default(),
        }),
        (false, false) => {
            let reason = "both rerank.model and rerank.base_url are set: keep one, the endpoint knows its own model";
            return Err(ConfigError::Invalid(reason.into()));
        }
    };
    Ok(Some(Rerank { candidates: raw.candidates, deadline: raw.deadline, place }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    fn rerank(pairs: &[(&str, &str)]) -> Result<Option<Rerank>, String> {
        let home = [("HOME", "/home/someone")];
        let environment: Environment =
            home.iter().chain(pairs).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Config::from_layers(None, &environment, &[]).map(|config| config.rerank).map_err(|error| error.to_string())
    }

    #[test]
    fn it_is_off_until_a_model_or_an_endpoint_is_named_and_both_are_one_too_many() {
        assert!(rerank(&[]).unwrap().is_none());
        let model = [("CAIRN__RERANK__MODEL", "bge-reranker-base"), ("CAIRN__RERANK__THREADS", "3")];
        let local = rerank(&model).unwrap().unwrap();
        assert!(matches!(local.place, RerankPlace::Local { threads: 3, .. }));
        let endpoint = ("CAIRN__RERANK__BASE_URL", "http://gpu-box:8080/");
        let remote = rerank(&[endpoint]).unwrap().unwrap();
        assert!(matches!(remote.place, RerankPlace::Remote(found) if found.base_url == "http://gpu-box:8080"));
        assert!(rerank(&[model[0], endpoint]).unwrap_err().contains("keep one"));
        assert!(rerank(&[("CAIRN__RERANK__CANDIDATES", "1")]).unwrap_err().contains("rerank.candidates is 1"));
    }
}
