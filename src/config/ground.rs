//! `[ground]`: what checks sentences beside words and rules, and whether a chat model gives a second opinion.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::{Chat, ConfigError, at_least, cores, longer, secret, url};

/// The answer is one word, by a model that may think before.
const ANSWER_TOKENS_MAX: u32 = 1024;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGround {
    contradiction: bool,
    threads: usize,
    judge: RawJudge,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawJudge {
    base_url: String,
    api_key: SecretString,
    api_key_file: PathBuf,
    model: String,
    #[serde(with = "humantime_serde")]
    deadline: Duration,
    claims_max: usize,
}

/// What checks sentences beside words and rules.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Whether the cross-encoder reads along.
    pub contradiction: bool,
    /// Threads that each own a copy of it.
    pub threads: usize,
    /// None: there is no second opinion.
    pub judge: Option<Judge>,
}

/// A chat model that gives a second opinion on claims.
#[derive(Debug, Clone)]
pub struct Judge {
    pub chat: Chat,
    /// For each claim; after it there is no opinion.
    pub deadline: Duration,
    /// Of one answer.
    pub claims_max: usize,
}

pub(super) fn resolve(raw: RawGround) -> Result<Ground, ConfigError> {
    let RawGround { contradiction, threads, judge } = raw;
    Ok(Ground { contradiction, threads: if threads == 0 { cores() } else { threads }, judge: resolve_judge(judge)? })
}

fn resolve_judge(judge: RawJudge) -> Result<Option<Judge>, ConfigError> {
    at_least("ground.judge.claims_max", judge.claims_max, 1)?;
    longer("ground.judge.deadline", judge.deadline, Duration::from_millis(1))?;
    if judge.base_url.is_empty() {
        return Ok(None);
    }
    let chat = Chat {
        base_url: url("ground.judge.base_url", &judge.base_url)?,
        api_key: secret("ground.judge", judge.api_key, &judge.api_key_file)?.unwrap_or_default(),
        model: Some(judge.model).filter(|model| !model.is_empty()),
        temperature: 0.0,
        answer_tokens_max: ANSWER_TOKENS_MAX,
        connect_timeout: judge.deadline,
        read_timeout: judge.deadline,
        prompt_file: None,
    };
    Ok(Some(Judge { chat, deadline: judge.deadline, claims_max: judge.claims_max }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    fn judge(pairs: &[(&str, &str)]) -> Result<Option<Judge>, String> {
        let home = [("HOME", "/home/someone")];
        let environment: Environment =
            home.iter().chain(pairs).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Config::from_layers(None, &environment, &[])
            .map(|config| config.ground.judge)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn it_is_off_until_an_endpoint_is_named() {
        assert!(judge(&[("CAIRN__GROUND__JUDGE__MODEL", "gpt-x")]).unwrap().is_none());
        let named = [("CAIRN__GROUND__JUDGE__BASE_URL", "http://gpu-box:8000/v1/")];
        let found = judge(&named).unwrap().unwrap();
        assert_eq!((found.chat.base_url.as_str(), found.claims_max), ("http://gpu-box:8000/v1", 30));
        let none = [named[0], ("CAIRN__GROUND__JUDGE__CLAIMS_MAX", "0")];
        assert!(judge(&none).unwrap_err().contains("ground.judge.claims_max"));
    }
}
