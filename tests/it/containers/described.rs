//! The Dockerfile and docker-compose.yml, read as the tools read them as far as the tests need it.

use std::collections::BTreeSet;
use std::fs;

use cairn::config::Environment;
use serde_json::Value;

use crate::harness::repository;

/// One instruction of a Dockerfile: its word, and what follows with continued lines joined.
struct Instruction {
    word: String,
    rest: String,
}

/// The Dockerfile's last stage, and what stands before it.
pub(super) struct Dockerfile {
    instructions: Vec<Instruction>,
}

impl Dockerfile {
    pub(super) fn read() -> Self {
        let text = text("Dockerfile");
        let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
        let joined = lines.replace("\\\n", " ");
        let instructions = joined.lines().filter(|line| !line.trim().is_empty()).map(|line| {
            let (word, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?} has a word and a rest"));
            Instruction { word: word.to_owned(), rest: rest.split_whitespace().collect::<Vec<_>>().join(" ") }
        });
        Self { instructions: instructions.collect() }
    }

    pub(super) fn all<'a>(&'a self, word: &'a str) -> impl Iterator<Item = &'a str> {
        self.instructions.iter().filter(move |i| i.word == word).map(|i| i.rest.as_str())
    }

    /// What this word says in the last stage, which is the image.
    pub(super) fn of_image(&self, word: &str) -> &str {
        let last = self.instructions.iter().rposition(|i| i.word == "FROM").unwrap();
        let found = self.instructions[last..].iter().find(|i| i.word == word);
        &found.unwrap_or_else(|| panic!("the image has {word}")).rest
    }

    /// `ENV`, with its values.
    pub(super) fn environment(&self) -> Environment {
        let pair = |pair: &str| pair.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap();
        self.of_image("ENV").split(' ').map(pair).collect()
    }

    /// An instruction in its exec form, a list of words.
    pub(super) fn words(&self, word: &str) -> Vec<String> {
        let rest = self.of_image(word);
        let list = &rest[rest.find('[').unwrap()..];
        serde_json::from_str(list).unwrap_or_else(|error| panic!("{word} {rest} is a list: {error}"))
    }
}

/// docker-compose.yml as Compose sees it: anchors merged, variables put in at their defaults.
pub(super) struct Compose {
    pub(super) whole: Value,
}

impl Compose {
    pub(super) fn read() -> Self {
        let mut whole: Value = serde_saphyr::from_str(&text("docker-compose.yml")).unwrap();
        interpolate(&mut whole);
        Self { whole }
    }

    pub(super) fn services(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.whole["services"].as_object().unwrap().iter().map(|(name, service)| (name.as_str(), service))
    }

    pub(super) fn service(&self, name: &str) -> &Value {
        &self.whole["services"][name]
    }

    /// The services that run cairn.
    pub(super) fn cairns(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.services().filter(|(_, service)| service["image"].as_str().unwrap().starts_with("cairn:"))
    }

    /// The names below a top-level key.
    pub(super) fn names(&self, key: &str) -> BTreeSet<String> {
        self.whole[key].as_object().unwrap().keys().cloned().collect()
    }
}

/// Puts defaults in for variables, as Compose does where neither .env nor the environment names them.
fn interpolate(value: &mut Value) {
    match value {
        Value::String(text) => *text = interpolated(text),
        Value::Array(items) => items.iter_mut().for_each(interpolate),
        Value::Object(entries) => entries.values_mut().for_each(interpolate),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn interpolated(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let variable = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        let (variable, after) = variable.unwrap_or_else(|| panic!("{text:?} writes a variable as ${{NAME:-default}}"));
        let (_, default) = variable.split_once(":-").unwrap_or_else(|| panic!("{variable} has a default"));
        out.push_str(default);
        rest = after;
    }
    out.push_str(rest);
    out
}

pub(super) fn text(name: &str) -> String {
    fs::read_to_string(repository().join(name)).unwrap_or_else(|error| panic!("read {name}: {error}"))
}

/// A list of texts; nothing there is an empty one.
pub(super) fn texts(value: &Value) -> Vec<&str> {
    value.as_array().map(|items| items.iter().map(|item| item.as_str().unwrap()).collect()).unwrap_or_default()
}

pub(super) fn environment(service: &Value) -> Environment {
    let entries = service["environment"].as_object().into_iter().flatten();
    entries.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// What cairn is told in a service's container: by the image, and by Compose on top of it.
pub(super) fn environment_in(image: &Dockerfile, service: &Value) -> Environment {
    let mut whole = image.environment();
    whole.extend(environment(service));
    whole
}

/// `SOURCE:TARGET[:ro]` for each volume.
pub(super) fn mounts(service: &Value) -> Vec<(&str, &str)> {
    texts(&service["volumes"])
        .iter()
        .map(|volume| {
            let mut parts = volume.split(':');
            (parts.next().unwrap(), parts.next().unwrap())
        })
        .collect()
}

/// The networks that a service is in.
pub(super) fn networks(service: &Value) -> BTreeSet<&str> {
    let named = texts(&service["networks"]);
    if named.is_empty() { BTreeSet::from(["default"]) } else { named.into_iter().collect() }
}

/// The host of a URL.
pub(super) fn host(url: &str) -> &str {
    url.split("//").nth(1).and_then(|rest| rest.split([':', '/']).next()).unwrap()
}
