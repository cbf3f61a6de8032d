//! The Dockerfile and docker-compose.yml: whether they say what Compose understands, name nothing that is not there and
//! leave no secret lying about; and whether what the image would run runs.
//!
//! No container engine is used. The commands of the image run as plain processes, with its folders mapped to throw-away
//! ones, and with the environment that Compose would give them.

mod described;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use cairn::config::{Config, Environment};
use serde_json::Value;
use tempfile::TempDir;

use described::{Compose, Dockerfile, environment, environment_in, host, mounts, networks, text, texts};

use crate::harness::process::{Ended, Process, run};
use crate::harness::served::client;
use crate::harness::{QUESTION, Sandbox, models_dir, repository};

/// What an environment variable of cairn's containers may be without being a key of cairn's.
const NOT_CAIRNS_OWN: [&str; 1] = ["ORT_DISABLE_TELEMETRY"];
/// Where Compose puts secrets in a container.
const SECRETS: &str = "/run/secrets/";

#[test]
fn the_compose_file_is_valid_by_the_compose_specification() {
    let schema: Value = serde_json::from_str(&text("tests/fixtures/compose/compose-spec.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let problems = |compose: &Value| -> Vec<String> {
        validator.iter_errors(compose).map(|error| format!("{}: {error}", error.instance_path())).collect()
    };
    let mut compose = Compose::read();
    assert_eq!(problems(&compose.whole), Vec::<String>::new());
    compose.whole["services"]["cairn"]["mem_limits"] = "2g".into();
    assert_ne!(problems(&compose.whole), Vec::<String>::new(), "a key that Compose does not know is found");
}

#[test]
fn every_variable_of_a_container_is_a_key_of_the_configuration() {
    let (image, compose) = (Dockerfile::read(), Compose::read());
    let folder = TempDir::new().unwrap();
    let nothing = folder.path().join("empty.toml");
    fs::write(&nothing, "").unwrap();
    for (name, service) in compose.cairns() {
        let mut told = environment_in(&image, service);
        for variable in told.keys() {
            assert!(
                variable.starts_with("CAIRN__") || NOT_CAIRNS_OWN.contains(&variable.as_str()),
                "{name}: {variable} is none of cairn's"
            );
        }
        for value in told.values_mut() {
            if let Some(secret) = value.strip_prefix(SECRETS) {
                let file = folder.path().join(secret);
                fs::write(&file, "key-of-a-test\n").unwrap();
                *value = file.to_str().unwrap().to_owned();
            }
        }
        // An unknown key is an error there, and so is a value that can't be used.
        Config::from_layers(Some(&nothing), &told, &[]).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_image_has_every_folder_that_its_environment_names() {
    let image = Dockerfile::read();
    let environment = image.environment();
    let volumes: Vec<String> = image.words("VOLUME");
    assert_eq!(volumes, [environment["CAIRN__DATA__DIR"].clone()], "only the data folder is written to");
    let owner = image.of_image("USER").replace(':', " -g ");
    let made = format!("install -d -o {owner} {}", environment["CAIRN__DATA__DIR"]);
    assert!(image.of_image("RUN").contains(&made), "a new volume belongs to the user: {made}");
    let models = format!("/models {}", environment["CAIRN__MODELS__DIR"]);
    assert!(image.all("COPY").any(|copy| copy.contains("--from=models") && copy.ends_with(&models)), "{models}");
    assert!(image.all("RUN").any(|run| run.contains("CAIRN__MODELS__DIR=/models /src/scripts/fetch")));
    let port = environment["CAIRN__SERVER__LISTEN"].rsplit(':').next().unwrap();
    assert_eq!(image.of_image("EXPOSE"), port);
    let user = image.of_image("USER");
    assert!(user.split(':').all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)), "{user} is a number, and not root");
}

#[test]
fn what_the_image_copies_is_there_and_reaches_the_build() {
    let ignored = text(".dockerignore");
    let seen: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    assert!(ignored.lines().any(|line| line == "*"), "what nobody named stays outside");
    let image = Dockerfile::read();
    let mut copied = BTreeSet::new();
    for copy in image.all("COPY").filter(|copy| !copy.contains("--from=")) {
        let mut words: Vec<&str> = copy.split(' ').collect();
        words.pop();
        for source in words {
            assert!(repository().join(source).exists(), "{source} is there");
            assert!(seen.contains(&source), "{source} is not ignored");
            copied.insert(source);
        }
    }
    assert_eq!(copied, seen.iter().copied().collect(), "nothing else reaches the build");
    for file in rust_files(&repository().join("src")) {
        for path in included(&file) {
            let path = path.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let path = path.strip_prefix(repository().canonicalize().unwrap()).unwrap().to_owned();
            assert!(copied.iter().any(|copied| path.starts_with(copied)), "{} is compiled in", path.display());
        }
    }
}

/// The files that a source file has compiled in.
fn included(file: &Path) -> Vec<PathBuf> {
    let source = fs::read_to_string(file).unwrap();
    let macros = ["include_str!(\"", "include_bytes!(\""];
    let paths = macros.iter().flat_map(|name| source.split(name).skip(1)).filter_map(|rest| rest.split('"').next());
    paths.map(|path| file.parent().unwrap().join(path)).collect()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_image_is_pinned_and_the_compiler_and_version_are_ours() {
    let (image, compose) = (Dockerfile::read(), Compose::read());
    let stages: Vec<&str> = image.all("FROM").filter_map(|from| from.split(" AS ").nth(1)).collect();
    let bases = image.all("FROM").map(|from| from.split(' ').next().unwrap().to_owned());
    let bases: Vec<String> = bases.filter(|base| !stages.contains(&base.as_str()) && !base.contains("${")).collect();
    let used = compose.services().map(|(_, service)| service["image"].as_str().unwrap().to_owned());
    for pinned in bases.iter().cloned().chain(used) {
        let tag = pinned.rsplit_once(':').map(|(_, tag)| tag);
        assert!(tag.is_some_and(|tag| tag != "latest" && !tag.is_empty()), "{pinned} has a tag");
    }
    for choice in ["models-0", "models-1"] {
        assert!(stages.contains(&choice), "WITH_MODELS is one of the stages, {choice}");
    }
    let toolchain: toml::Table = toml::from_str(&text("rust-toolchain.toml")).unwrap();
    let compiler = format!("rust:{}-bookworm", toolchain["toolchain"]["channel"].as_str().unwrap());
    assert!(bases.contains(&compiler), "{compiler} builds it: {bases:?}");
    let version = format!("cairn:{}", env!("CARGO_PKG_VERSION"));
    assert!(compose.cairns().all(|(_, service)| service["image"] == version.as_str()), "{version} is run");
    assert!(text("Dockerfile").contains(&format!("docker build -t {version}")), "{version} is built");
}

#[test]
fn no_secret_stands_in_what_describes_a_container() {
    let is_secret = |name: &str| {
        let name = name.to_ascii_uppercase();
        ["KEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|word| name.contains(word)) && !name.ends_with("_FILE")
    };
    let (image, compose) = (Dockerfile::read(), Compose::read());
    let arguments = image.all("ARG").map(|argument| argument.split('=').next().unwrap().to_owned());
    for name in image.environment().into_keys().chain(arguments) {
        assert!(!is_secret(&name), "{name} in the Dockerfile");
    }
    let ignored = text(".gitignore");
    for (name, service) in compose.services() {
        for (variable, value) in environment(service) {
            assert!(!is_secret(&variable), "{name}: {variable}");
            assert!(!value.contains('@'), "{name}: {variable} has no name and password in a URL");
            if variable.ends_with("_FILE") {
                let secret = value.strip_prefix(SECRETS).unwrap_or_else(|| panic!("{variable} names a secret"));
                assert!(texts(&service["secrets"]).contains(&secret), "{name} gets {secret}");
            }
        }
        for secret in texts(&service["secrets"]) {
            let file =
                compose.whole["secrets"][secret]["file"].as_str().unwrap_or_else(|| panic!("{secret} is a file"));
            let folder = file.trim_start_matches('.').rsplit_once('/').unwrap().0;
            assert!(ignored.lines().any(|line| line == format!("{folder}/")), "{folder} is not in git");
        }
    }
    let settings: Vec<String> = text(".env").lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect();
    assert_eq!(settings, ["COMPOSE_PROFILES=default"], ".env is in git, and says nothing else");
}

#[test]
fn every_profile_brings_what_its_services_name() {
    let compose = Compose::read();
    let (networks_made, volumes_made) = (compose.names("networks"), compose.names("volumes"));
    let mut volumes_used = BTreeSet::new();
    let mut profiles: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, service) in compose.services() {
        let [profile] = texts(&service["profiles"])[..] else { panic!("{name} is in one profile") };
        profiles.entry(profile).or_default().push(name);
        for network in networks(service) {
            assert!(networks_made.contains(network), "{name}: the network {network} is there");
        }
        for (source, _) in mounts(service).into_iter().filter(|(source, _)| !source.starts_with('.')) {
            assert!(volumes_made.contains(source), "{name}: the volume {source} is there");
            volumes_used.insert(source.to_owned());
        }
        for (other, wait) in service["depends_on"].as_object().into_iter().flatten() {
            assert_eq!(texts(&compose.service(other)["profiles"]), [profile], "{name} waits for {other}");
            let healthy = wait["condition"] == "service_healthy";
            assert!(!healthy || compose.service(other)["healthcheck"].is_object(), "{other} has a health check");
        }
        for url in environment(service).values().filter(|value| value.starts_with("http")) {
            let other = compose.service(host(url));
            assert_eq!(texts(&other["profiles"]), [profile], "{name}: {url} is a service of the profile");
            assert!(networks(service).intersection(&networks(other)).next().is_some(), "{name} reaches {url}");
        }
    }
    assert_eq!(volumes_used, volumes_made, "no volume is left over");
    let expected = [
        ("default", vec!["cairn"]),
        ("local-llm", vec!["cairn-llm", "ollama", "ollama-pull"]),
        ("qdrant", vec!["cairn-qdrant", "qdrant"]),
    ];
    for services in profiles.values_mut() {
        services.sort_unstable();
    }
    assert_eq!(profiles.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn only_cairn_is_published_and_only_on_loopback() {
    let (image, compose) = (Dockerfile::read(), Compose::read());
    let port = image.of_image("EXPOSE");
    for (name, service) in compose.services() {
        let published = texts(&service["ports"]);
        if service["image"].as_str().unwrap().starts_with("cairn:") {
            assert_eq!(published, [format!("127.0.0.1:8080:{port}")], "{name}");
        } else {
            assert!(published.is_empty(), "{name} is reached by cairn alone");
        }
    }
    for server in ["qdrant", "ollama"] {
        for network in networks(compose.service(server)) {
            assert_eq!(compose.whole["networks"][network]["internal"], true, "{server} reaches nothing outside");
        }
    }
    assert!(environment(compose.service("cairn-qdrant")).keys().all(|name| !name.contains("ALLOW_ANONYMOUS")));
}

#[test]
fn every_container_is_read_only_without_rights_and_bounded() {
    let (image, compose) = (Dockerfile::read(), Compose::read());
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("empty.toml"), "").unwrap();
    let config = Config::from_layers(Some(&folder.path().join("empty.toml")), &image.environment(), &[]).unwrap();
    for (name, service) in compose.services() {
        assert_eq!(service["read_only"], true, "{name}");
        assert_eq!(texts(&service["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(texts(&service["security_opt"]), ["no-new-privileges:true"], "{name}");
        assert!(service["pids_limit"].is_number() && service["mem_limit"].is_string(), "{name} is bounded");
        assert!(texts(&service["tmpfs"]).iter().all(|tmpfs| tmpfs.contains("size=")), "{name}: a folder in memory too");
        let options = &service["logging"]["options"];
        assert!(options["max-size"].is_string() && options["max-file"].is_string(), "{name} rotates its log");
        let restart = if name == "ollama-pull" { "no" } else { "unless-stopped" };
        assert_eq!(service["restart"], restart, "{name}");
    }
    for (name, service) in compose.cairns() {
        let grace: Duration = humantime::parse_duration(service["stop_grace_period"].as_str().unwrap()).unwrap();
        assert!(grace > config.server.drain_timeout, "{name}: running answers may end");
        let written: Vec<&str> =
            mounts(service).iter().filter(|(source, _)| !source.starts_with('.')).map(|(_, target)| *target).collect();
        assert_eq!(written, [config.data_dir.to_str().unwrap()], "{name} writes to its data folder alone");
        let read_only =
            texts(&service["volumes"]).iter().filter(|volume| volume.starts_with('.')).all(|v| v.ends_with(":ro"));
        assert!(read_only, "{name} can't change the documents");
    }
}

/// The image's commands as plain processes: its folders are throw-away ones, and the port is one that is free.
struct Container {
    sandbox: Sandbox,
    image: Dockerfile,
    told: Environment,
}

impl Container {
    fn new(told: impl FnOnce(&Dockerfile) -> Environment) -> Self {
        let image = Dockerfile::read();
        let told = told(&image);
        Self { sandbox: Sandbox::with_documents(), image, told }
    }

    /// `ENTRYPOINT` with these words after it, else with `CMD`'s.
    fn command(&self, words: Option<&[&str]>) -> Command {
        let entrypoint = self.image.words("ENTRYPOINT");
        assert_eq!(entrypoint, ["cairn"], "the binary, and nothing between it and its signals");
        let standard = self.image.words("CMD");
        let words: Vec<&str> = words.map_or_else(|| standard.iter().map(String::as_str).collect(), <[&str]>::to_vec);
        let mut command = self.sandbox.cairn(&words);
        command.env_clear().envs(&self.told);
        command.env(self.folder("CAIRN__DATA__DIR", "/data"), self.sandbox.path("data"));
        command.env(self.folder("CAIRN__MODELS__DIR", "/models"), models_dir());
        command.env("CAIRN__SERVER__LISTEN", self.told["CAIRN__SERVER__LISTEN"].replace(":8080", ":0"));
        command
    }

    /// A variable of the image that names this folder.
    fn folder(&self, variable: &'static str, folder: &str) -> &'static str {
        assert_eq!(self.told[variable], folder);
        variable
    }

    /// `HEALTHCHECK` where the service listens on this port.
    async fn health(&self, port: u16) -> Ended {
        let words = self.image.words("HEALTHCHECK");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("CAIRN__SERVER__LISTEN", format!("0.0.0.0:{port}"));
        run(command).await
    }
}

/// The port in a line such as `serving http://0.0.0.0:34567 (…)`.
fn port_in(line: &str) -> u16 {
    let address = line.split("serving http://").nth(1).unwrap().split(' ').next().unwrap();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_compose_starts_ingests_gets_healthy_answers_and_stops() {
    let container = Container::new(|image| environment_in(image, Compose::read().service("cairn")));
    let documents = container.sandbox.docs();
    let ingested = run(container.command(Some(&["ingest", documents.to_str().unwrap()]))).await;
    assert_eq!(ingested.code, Some(0), "{ingested:?}");

    let mut serving = Process::start(container.command(None));
    let port = port_in(&serving.line("serving http://").await);
    let url = format!("http://127.0.0.1:{port}");
    assert_eq!(client().get(format!("{url}/readyz")).send().await.unwrap().status(), 200);
    let health = container.health(port).await;
    assert_eq!(health.code, Some(0), "{health:?}");
    let rebound = client().get(format!("{url}/v1/models")).header("host", "evil.example").send().await.unwrap();
    assert_eq!(rebound.status(), 403, "a web page in a browser of this machine comes with its own name");
    let asked = serde_json::json!({ "question": QUESTION });
    let answer = client().post(format!("{url}/v1/ask")).json(&asked).send().await.unwrap();
    assert_eq!(answer.status(), 200, "without a key, as docker-compose.yml has it");

    serving.signal("TERM");
    let ended = serving.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let health = container.health(port).await;
    assert_ne!(health.code, Some(0), "nobody listens there any more: {health:?}");
}

#[tokio::test]
async fn the_image_by_itself_asks_for_a_key_before_it_serves() {
    let container = Container::new(Dockerfile::environment);
    let refused = run(container.command(None)).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("cairn keys create"), "{}", refused.stderr);
    let made = run(container.command(Some(&["keys", "create", "--name", "test", "--scope", "ask"]))).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let mut serving = Process::start(container.command(None));
    let port = port_in(&serving.line("serving http://").await);
    let health = container.health(port).await;
    assert_eq!(health.code, Some(0), "the probe needs no key: {health:?}");
    serving.signal("TERM");
    let ended = serving.end().await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn what_the_handbook_adds_to_the_compose_file_is_valid_too() {
    let schema: Value = serde_json::from_str(&text("tests/fixtures/compose/compose-spec.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let chapter = text("docs/containers.md");
    let blocks: Vec<&str> =
        chapter.split("```yaml\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    assert!(!blocks.is_empty(), "the chapter has examples");
    for block in blocks {
        let value: Value = serde_saphyr::from_str(block).unwrap_or_else(|error| panic!("{block}\n{error}"));
        let problems: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert!(problems.is_empty(), "{block}\n{problems:?}");
    }
}
