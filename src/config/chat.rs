//! `[chat]`: the endpoint that answers, if any.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::{ConfigError, Environment, OPENAI_URL, named, secret, url};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawChat {
    base_url: String,
    api_key: SecretString,
    api_key_file: PathBuf,
    model: String,
    temperature: f32,
    answer_tokens_max: u32,
    #[serde(with = "humantime_serde")]
    connect_timeout: Duration,
    #[serde(with = "humantime_serde")]
    read_timeout: Duration,
    prompt_file: PathBuf,
}

/// An OpenAI-compatible chat endpoint and how it is asked.
#[derive(Debug, Clone)]
pub struct Chat {
    pub base_url: String,
    pub api_key: SecretString,
    /// None: the one model that the endpoint lists.
    pub model: Option<String>,
    pub temperature: f32,
    pub answer_tokens_max: u32,
    pub connect_timeout: Duration,
    pub read_timeout: Duration,
    pub prompt_file: Option<PathBuf>,
}

/// None: answers are extractive.
pub(super) fn resolve(raw: RawChat, environment: &Environment) -> Result<Option<Chat>, ConfigError> {
    let set = |key: &str| environment.get(key).filter(|v| !v.is_empty()).cloned();
    let key = secret("chat", raw.api_key, &raw.api_key_file)?.or_else(|| set("OPENAI_API_KEY").map(SecretString::from));
    let base_url = if raw.base_url.is_empty() { set("OPENAI_BASE_URL") } else { Some(raw.base_url) };
    let base_url = match (base_url, &key) {
        (Some(base_url), _) => url("chat.base_url", &base_url)?,
        (None, Some(_)) => OPENAI_URL.to_owned(),
        (None, None) => return Ok(None),
    };
    Ok(Some(Chat {
        base_url,
        api_key: key.unwrap_or_default(),
        model: Some(raw.model).filter(|model| !model.is_empty()),
        temperature: raw.temperature,
        answer_tokens_max: raw.answer_tokens_max,
        connect_timeout: raw.connect_timeout,
        read_timeout: raw.read_timeout,
        prompt_file: named(raw.prompt_file),
    }))
}
