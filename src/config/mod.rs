//! Layers of TOML, environment and flags in; one typed, checked [`Config`] out.
//!
//! `config/default.toml` < a file < `CAIRN__SECTION__KEY` < flags. Nothing outside this module reads the environment,
//! and nothing after it validates a setting again. Keys and secrets never appear in an error.

mod kept;
mod raw;
mod chat;
mod ground;
mod rerank;
mod store;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytesize::ByteSize;
pub use chat::Chat;
pub use ground::{Ground, Judge};
pub use kept::{Answers, Condense, Conversations, StoreConversations};
pub use raw::{
    Answer, Collection, Extract, Fallback, Ingest, Log, LogFormat, Quantization, Retrieval, Search, Server, Sources,
    Unsupported,
};
pub use rerank::{Rerank, RerankEndpoint, RerankPlace};
use secrecy::{ExposeSecret, SecretString};
pub use store::{QdrantServer, Store};

use crate::document::CollectionName;
use raw::Raw;

const DEFAULTS: &str = include_str!("../../config/default.toml");
/// Read from the current folder when no file is named.
const FILE_DEFAULT: &str = "cairn.toml";
/// Names the file where no flag does.
const FILE_VARIABLE: &str = "CAIRN_CONFIG";
/// More than this of each search, and a question is a download.
pub const CANDIDATES_MAX: usize = 10_000;
/// How often one site may be asked.
pub const REQUESTS_PER_SECOND: RangeInclusive<f64> = 0.01..=100.0;
/// Switches ONNX Runtime's telemetry off, where it is 1.
pub const TELEMETRY_OFF: &str = "ORT_DISABLE_TELEMETRY";
const OPENAI_URL: &str = "https://api.openai.com/v1";

/// Everything that cairn was told, checked.
#[derive(Debug, Clone)]
pub struct Config {
    pub data_dir: PathBuf,
    pub models_dir: PathBuf,
    pub embed: Embed,
    pub ingest: Ingest,
    pub extract: Extract,
    pub sources: Sources,
    /// What sources may find their credentials in.
    pub variables: HashMap<String, SecretString>,
    /// Started again to read files in.
    pub program: PathBuf,
    pub store: Store,
    pub retrieval: Retrieval,
    /// None: the order that the searches give stands.
    pub rerank: Option<Rerank>,
    /// None: answers are extractive.
    pub chat: Option<Chat>,
    pub answer: Answer,
    /// What checks sentences.
    pub ground: Ground,
    pub collections: BTreeMap<CollectionName, Collection>,
    pub answers: Answers,
    pub conversations: Conversations,
    pub server: Server,
    /// Shown to a server by the commands that ask one.
    pub client_key: Option<SecretString>,
    pub log: Log,
}

/// What turns texts into vectors.
#[derive(Debug, Clone)]
pub struct Embed {
    pub model: String,
    pub question_prefix: String,
    pub passage_prefix: String,
    /// Of vectors of passages that were embedded before; 0: none are kept.
    pub cache_bytes_max: ByteSize,
    pub place: EmbedPlace,
}

/// Where the embedding model runs.
#[derive(Debug, Clone)]
pub enum EmbedPlace {
    /// In this process, on so many threads.
    Local {
        threads: usize,
    },
    Remote(RemoteEmbed),
}

/// An OpenAI-compatible `/v1/embeddings` endpoint.
#[derive(Debug, Clone)]
pub struct RemoteEmbed {
    pub base_url: String,
    pub api_key: SecretString,
    pub dimensions: usize,
    pub tokens_max: usize,
    pub tokenizer_file: Option<PathBuf>,
    pub timeout: Duration,
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error(transparent)]
    Read(#[from] config::ConfigError),
    #[error("read {path}: {cause}")]
    Secret { path: PathBuf, cause: std::io::Error },
    #[error("find this program's own file: {0}")]
    Program(std::io::Error),
    #[error("{0}")]
    Invalid(String),
}

/// The environment, as the layers see it. A map of its own, so that tests need not change the process's.
pub type Environment = HashMap<String, String>;

impl Config {
    /// The configuration of this process. `overrides` are flags, as `("section.key", "value")`.
    pub fn load(file: Option<&Path>, overrides: &[(&str, String)]) -> Result<Self, ConfigError> {
        // Variables that are no UTF-8 are none of ours.
        #[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
        let environment: Environment =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        let named = environment.get(FILE_VARIABLE).map(PathBuf::from);
        Self::from_layers(file.or(named.as_deref()), &environment, overrides)
    }

    /// The same from an environment that is given.
    pub fn from_layers(
        file: Option<&Path>,
        environment: &Environment,
        overrides: &[(&str, String)],
    ) -> Result<Self, ConfigError> {
        let mut layers =
            config::Config::builder().add_source(config::File::from_str(DEFAULTS, config::FileFormat::Toml));
        layers = match file {
            Some(path) => layers.add_source(config::File::from(path).format(config::FileFormat::Toml)),
            None => layers.add_source(
                config::File::from(Path::new(FILE_DEFAULT)).format(config::FileFormat::Toml).required(false),
            ),
        };
        layers = layers.add_source(
            config::Environment::with_prefix("CAIRN")
                .prefix_separator("__")
                .separator("__")
                .source(Some(environment.clone())),
        );
        for (key, value) in overrides {
            layers = layers.set_override(key, value.as_str())?;
        }
        resolve(layers.build()?.try_deserialize::<Raw>()?, environment)
    }
}

/// Makes sure that ONNX Runtime tells nobody anything, before it is loaded.
///
/// Since 1.29 it writes a device id and sends usage events unless this variable is set when it is loaded; switching it
/// off through its API comes too late. A running process can't set its own environment safely, so this one starts
/// itself again, in place, with the variable set.
pub fn silence_runtime() -> std::io::Result<()> {
    use std::os::unix::process::CommandExt;
    #[expect(clippy::disallowed_methods, reason = "the one reader of the environment")]
    if std::env::var_os(TELEMETRY_OFF).is_some_and(|value| value == "1") {
        return Ok(());
    }
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    Err(std::process::Command::new(std::env::current_exe()?).arg0(name).args(arguments).env(TELEMETRY_OFF, "1").exec())
}

fn resolve(raw: Raw, environment: &Environment) -> Result<Config, ConfigError> {
    check_ingest(&raw.ingest)?;
    check_sources(&raw.sources)?;
    check_retrieval(&raw.retrieval)?;
    check_server(&raw.server)?;
    check_answer(&raw.answer, &raw.collections)?;
    kept::check(&raw.answers, &raw.conversations)?;
    Ok(Config {
        data_dir: folder(raw.data.dir, environment, "XDG_DATA_HOME", ".local/share", "cairn")?,
        models_dir: folder(raw.models.dir, environment, "XDG_CACHE_HOME", ".cache", "cairn/models")?,
        embed: embed(raw.embed)?,
        ingest: raw.ingest,
        extract: extract(raw.extract),
        sources: raw.sources,
        variables: environment.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect(),
        program: std::env::current_exe().map_err(ConfigError::Program)?,
        store: store::resolve(raw.store)?,
        retrieval: raw.retrieval,
        rerank: rerank::resolve(raw.rerank)?,
        chat: chat::resolve(raw.chat, environment)?,
        answer: raw.answer,
        ground: ground::resolve(raw.ground)?,
        collections: raw.collections,
        answers: raw.answers,
        conversations: raw.conversations,
        server: raw.server,
        client_key: secret("client", raw.client.api_key, &raw.client.api_key_file)?,
        log: raw.log,
    })
}

/// The folder as configured, else the XDG base directory's: <https://specifications.freedesktop.org/basedir-spec/>.
fn folder(
    configured: PathBuf,
    environment: &Environment,
    xdg: &str,
    below_home: &str,
    name: &str,
) -> Result<PathBuf, ConfigError> {
    let set = |key: &str| environment.get(key).filter(|v| !v.is_empty()).map(PathBuf::from);
    if !configured.as_os_str().is_empty() {
        return Ok(configured);
    }
    set(xdg)
        .or_else(|| set("HOME").map(|home| home.join(below_home)))
        .map(|base| base.join(name))
        .ok_or_else(|| ConfigError::Invalid(format!("neither HOME nor {xdg} is set: name data.dir and models.dir")))
}

fn extract(raw: Extract) -> Extract {
    Extract { processes: if raw.processes == 0 { cores() } else { raw.processes }, ..raw }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn embed(raw: raw::Embed) -> Result<Embed, ConfigError> {
    if raw.model.is_empty() {
        return Err(ConfigError::Invalid("embed.model is empty, must name a model".into()));
    }
    let place = if raw.base_url.is_empty() {
        EmbedPlace::Local { threads: if raw.threads == 0 { cores() } else { raw.threads } }
    } else {
        if raw.dimensions == 0 {
            return Err(ConfigError::Invalid(
                "embed.base_url is set, so embed.dimensions must be the model's vector length".into(),
            ));
        }
        EmbedPlace::Remote(RemoteEmbed {
            base_url: url("embed.base_url", &raw.base_url)?,
            api_key: secret("embed", raw.api_key, &raw.api_key_file)?.unwrap_or_default(),
            dimensions: raw.dimensions,
            tokens_max: raw.tokens_max,
            tokenizer_file: named(raw.tokenizer_file),
            timeout: raw.timeout,
        })
    };
    Ok(Embed {
        model: raw.model,
        question_prefix: raw.question_prefix,
        passage_prefix: raw.passage_prefix,
        cache_bytes_max: raw.cache_bytes_max,
        place,
    })
}

fn named(path: PathBuf) -> Option<PathBuf> {
    Some(path).filter(|path| !path.as_os_str().is_empty())
}

fn secret(section: &str, value: SecretString, file: &Path) -> Result<Option<SecretString>, ConfigError> {
    let given = !value.expose_secret().is_empty();
    if file.as_os_str().is_empty() {
        return Ok(given.then_some(value));
    }
    if given {
        return Err(ConfigError::Invalid(format!(
            "both {section}.api_key and {section}.api_key_file are set: keep one"
        )));
    }
    let text = fs::read_to_string(file).map_err(|cause| ConfigError::Secret { path: file.to_path_buf(), cause })?;
    Ok(Some(SecretString::from(text.trim().to_owned())))
}

fn url(key: &str, value: &str) -> Result<String, ConfigError> {
    match reqwest::Url::parse(value) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            Ok(value.trim_end_matches('/').to_owned())
        }
        Ok(_) | Err(_) => Err(ConfigError::Invalid(format!(
            "{key} is {value:?}, must be a URL such as \"http://127.0.0.1:11434/v1\""
        ))),
    }
}

fn check_ingest(ingest: &Ingest) -> Result<(), ConfigError> {
    at_least("ingest.documents_in_flight", ingest.documents_in_flight, 1)?;
    at_least("ingest.chunks_per_batch", ingest.chunks_per_batch, 1)?;
    at_least("ingest.chunk_tokens_max", ingest.chunk_tokens_max, 32)?;
    at_least("ingest.attempts_max", usize::try_from(ingest.attempts_max).unwrap_or(usize::MAX), 1)?;
    longer("ingest.lease", ingest.lease, Duration::from_secs(10))?;
    longer("ingest.stall_timeout", ingest.stall_timeout, Duration::from_secs(1))?;
    let (heading, chunk) = (ingest.heading_tokens_max, ingest.chunk_tokens_max);
    if heading > chunk / 2 {
        return Err(ConfigError::Invalid(format!(
            "ingest.heading_tokens_max is {heading}, must be at most half of ingest.chunk_tokens_max ({chunk})"
        )));
    }
    Ok(())
}

fn check_sources(sources: &Sources) -> Result<(), ConfigError> {
    at_least("sources.runs_in_flight", sources.runs_in_flight, 1)?;
    at_least("sources.fetches_in_flight", sources.fetches_in_flight, 1)?;
    at_least("sources.entries_max", sources.entries_max, 1)?;
    at_least("sources.crawl_pages_max", sources.crawl_pages_max, 1)?;
    longer("sources.watch_rescan", sources.watch_rescan, Duration::from_secs(1))?;
    if !REQUESTS_PER_SECOND.contains(&sources.requests_per_second) {
        let (found, least, most) =
            (sources.requests_per_second, REQUESTS_PER_SECOND.start(), REQUESTS_PER_SECOND.end());
        return Err(ConfigError::Invalid(format!(
            "sources.requests_per_second is {found}, must be in {least}..={most}"
        )));
    }
    if !sources.proxy.is_empty() {
        url("sources.proxy", &sources.proxy)?;
    }
    Ok(())
}

fn check_retrieval(retrieval: &Retrieval) -> Result<(), ConfigError> {
    let (candidates, passages) = (retrieval.candidates, retrieval.passages_max);
    at_least("retrieval.passages_max", passages, 1)?;
    at_least("retrieval.rank_constant", retrieval.rank_constant, 1)?;
    if candidates > CANDIDATES_MAX {
        return Err(ConfigError::Invalid(format!(
            "retrieval.candidates is {candidates}, must be at most {CANDIDATES_MAX}"
        )));
    }
    if candidates < passages {
        return Err(ConfigError::Invalid(format!(
            "retrieval.candidates is {candidates}, must be at least retrieval.passages_max ({passages})"
        )));
    }
    if !(-1.0..=1.5).contains(&retrieval.relevance_min) {
        let found = retrieval.relevance_min;
        return Err(ConfigError::Invalid(format!("retrieval.relevance_min is {found}, must be in -1..=1.5")));
    }
    if !(0.0..=1.0).contains(&retrieval.overlap_max) {
        let found = retrieval.overlap_max;
        return Err(ConfigError::Invalid(format!("retrieval.overlap_max is {found}, must be in 0..=1")));
    }
    Ok(())
}

fn check_server(server: &Server) -> Result<(), ConfigError> {
    at_least("server.answers_max", server.answers_max, 1)?;
    at_least("server.answers_per_key_max", server.answers_per_key_max, 1)?;
    at_least("server.in_flight_max", server.in_flight_max, server.answers_max)
}

fn check_answer(answer: &Answer, collections: &BTreeMap<CollectionName, Collection>) -> Result<(), ConfigError> {
    let shares = [
        ("answer.supported_share_min".to_owned(), answer.supported_share_min),
        ("answer.retract_below".to_owned(), f64::from(answer.retract_below)),
        ("answer.missing_share_max".to_owned(), f64::from(answer.missing_share_max)),
        ("answer.together_min".to_owned(), f64::from(answer.together_min)),
    ];
    let of_collections = collections.iter().filter_map(|(name, collection)| {
        Some((format!("collections.{name}.supported_share_min"), collection.supported_share_min?))
    });
    match shares.into_iter().chain(of_collections).find(|(_, share)| !(0.0..=1.0).contains(share)) {
        Some((key, share)) => Err(ConfigError::Invalid(format!("{key} is {share}, must be in 0..=1"))),
        None => Ok(()),
    }
}

fn at_least(key: &str, found: usize, least: usize) -> Result<(), ConfigError> {
    if found < least {
        return Err(ConfigError::Invalid(format!("{key} is {found}, must be at least {least}")));
    }
    Ok(())
}

fn longer(key: &str, found: Duration, least: Duration) -> Result<(), ConfigError> {
    if found < least {
        let (found, least) = (humantime::format_duration(found), humantime::format_duration(least));
        return Err(ConfigError::Invalid(format!("{key} is {found}, must be at least {least}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        [("HOME", "/home/someone")].iter().chain(pairs).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn the_defaults_are_a_whole_configuration() {
        let config = Config::from_layers(None, &environment(&[]), &[]).unwrap();
        assert_eq!(config.data_dir, PathBuf::from("/home/someone/.local/share/cairn"));
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
        assert!(config.chat.is_none());
    }

    #[test]
    fn flags_win_over_the_environment_over_the_file_over_the_defaults() {
        let file = file("[retrieval]\npassages_max = 3\n[server]\nin_flight_max = 20\nlisten = \"127.0.0.1:1\"\n");
        let environment = environment(&[("CAIRN__SERVER__LISTEN", "127.0.0.1:2"), ("CAIRN__SERVER__ANSWERS_MAX", "9")]);
        let config =
            Config::from_layers(Some(file.path()), &environment, &[("server.listen", "127.0.0.1:3".into())]).unwrap();
        assert_eq!(config.server.listen.port(), 3, "flag");
        assert_eq!(config.server.answers_max, 9, "environment");
        assert_eq!(config.server.in_flight_max, 20, "file");
        assert_eq!(config.retrieval.candidates, 50, "default");
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_it_in_a_file_and_in_the_environment() {
        let file = file("[retrieval]\ntop_k = 3\n");
        let error = Config::from_layers(Some(file.path()), &environment(&[]), &[]).unwrap_err().to_string();
        assert!(error.contains("top_k"), "{error}");
        let error = Config::from_layers(None, &environment(&[("CAIRN__CHAT__BASEURL", "x")]), &[]).unwrap_err();
        assert!(error.to_string().contains("baseurl"), "{error}");
    }

    #[test]
    fn a_named_file_that_is_missing_is_an_error() {
        let error = Config::from_layers(Some(Path::new("/nowhere/cairn.toml")), &environment(&[]), &[]).unwrap_err();
        assert!(error.to_string().contains("/nowhere/cairn.toml"), "{error}");
    }

    #[test]
    fn openai_variables_choose_the_endpoint_unless_cairns_own_do() {
        let chat = |pairs: &[(&str, &str)]| Config::from_layers(None, &environment(pairs), &[]).unwrap().chat.unwrap();
        assert_eq!(chat(&[("OPENAI_API_KEY", "k")]).base_url, OPENAI_URL);
        assert_eq!(chat(&[("OPENAI_BASE_URL", "http://a/v1/")]).base_url, "http://a/v1");
        let both = [("OPENAI_BASE_URL", "http://a/v1"), ("CAIRN__CHAT__BASE_URL", "http://b/v1")];
        assert_eq!(chat(&both).base_url, "http://b/v1");
    }

    #[test]
    fn a_key_comes_from_a_file_and_never_shows() {
        let key = file("sk-secret\n");
        let pairs =
            [("CAIRN__CHAT__BASE_URL", "http://a/v1"), ("CAIRN__CHAT__API_KEY_FILE", key.path().to_str().unwrap())];
        let config = Config::from_layers(None, &environment(&pairs), &[]).unwrap();
        assert_eq!(config.chat.as_ref().unwrap().api_key.expose_secret(), "sk-secret");
        assert!(!format!("{config:?}").contains("sk-secret"));
    }

    #[test]
    fn names_are_a_list_in_a_file_and_stand_between_commas_in_the_environment() {
        let file = file("[server]\nallowed_hosts = [\"a.example\", \"b.example\"]\n");
        let hosts = |config: Result<Config, ConfigError>| config.unwrap().server.allowed_hosts;
        let from_file = hosts(Config::from_layers(Some(file.path()), &environment(&[]), &[]));
        let pairs = [("CAIRN__SERVER__ALLOWED_HOSTS", "a.example, b.example")];
        let from_environment = hosts(Config::from_layers(None, &environment(&pairs), &[]));
        assert_eq!(from_file, ["a.example", "b.example"]);
        assert_eq!(from_environment, from_file);
    }

    #[test]
    fn values_that_contradict_each_other_are_refused_with_both_names() {
        let error = Config::from_layers(None, &environment(&[("CAIRN__RETRIEVAL__CANDIDATES", "2")]), &[]).unwrap_err();
        assert!(error.to_string().contains("retrieval.passages_max (6)"), "{error}");
    }
}
