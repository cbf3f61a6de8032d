//! What the texts say about cairn is so: keys, defaults, variables, error codes, links.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag};

use super::{files, files_in, lines, none, read};
use crate::harness::repository;

#[test]
fn every_key_is_documented_with_its_default_and_nothing_else_is() {
    let (keys, documented) = (keys(), documented_keys());
    let mut wrong = Vec::new();
    for (key, default) in &keys {
        match documented.get(key) {
            None => wrong.push(format!("{key} is not in docs/configuring.md")),
            Some(said) if said != default => {
                wrong.push(format!("the default of {key} is {default}, and docs/configuring.md says {said}"));
            }
            Some(_) => {}
        }
    }
    let unknown = documented.keys().filter(|key| !keys.contains_key(*key));
    wrong.extend(unknown.map(|key| format!("docs/configuring.md has {key}, which is no key")));
    none("docs/configuring.md is not what config/default.toml says", &wrong);
}

#[test]
fn every_key_that_a_text_names_exists() {
    let keys = keys();
    let sections: BTreeSet<&str> = keys.keys().map(|key| key.split('.').next().unwrap()).collect();
    let mut wrong = Vec::new();
    for file in texts() {
        for (number, line) in lines(&file) {
            let quoted = line.split('`').skip(1).step_by(2).map(str::to_owned);
            let set = line.split("--set ").skip(1).map(|rest| rest.split(['=', ' ']).next().unwrap().to_owned());
            for name in quoted.chain(set) {
                let name = name.split([' ', '=']).next().unwrap();
                let Some((section, key)) = name.split_once('.') else { continue };
                let looks_like_one = sections.contains(section)
                    && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
                    && !["json", "toml", "md", "sqlite", "rs"].contains(&key);
                if looks_like_one && !keys.contains_key(name) {
                    wrong.push(format!("{}:{number}: {name}", file.display()));
                }
            }
        }
    }
    none("a text names a key that does not exist", &wrong);
}

#[test]
fn every_key_that_an_error_names_exists() {
    let keys = keys();
    let sections: BTreeSet<&str> = keys.keys().map(|key| key.split('.').next().unwrap()).collect();
    let mut wrong = Vec::new();
    for file in files_in("src", "rs") {
        for (number, line) in lines(&file) {
            for inside in line.split('(').skip(1).filter_map(|rest| rest.split_once(')')).map(|(inside, _)| inside) {
                let Some((section, _)) = inside.split_once('.') else { continue };
                let is_name = inside.chars().all(|c| c.is_ascii_lowercase() || c == '_' || c == '.');
                let in_text = line.split('"').skip(1).step_by(2).any(|text| text.contains(&format!("({inside})")));
                if is_name && in_text && sections.contains(section) && !keys.contains_key(inside) {
                    wrong.push(format!("{}:{number}: {inside}", file.display()));
                }
            }
        }
    }
    none("a sentence names a key that does not exist", &wrong);
}

#[test]
fn every_environment_variable_that_is_named_is_read() {
    let keys = keys();
    let readers = read("src/config/mod.rs".as_ref());
    let scripts: String = ["scripts/fetch", "scripts/demo", "Makefile"].map(|file| read(file.as_ref())).concat();
    let mut wrong = Vec::new();
    let others = ["scripts/fetch", "scripts/demo", "Makefile", ".ci/run", "config/default.toml"].map(PathBuf::from);
    for file in texts().into_iter().chain(others) {
        for (number, line) in lines(&file) {
            for name in variables(&line) {
                let exists = match name.strip_prefix("CAIRN__") {
                    Some("SECTION__KEY" | "") => true,
                    Some(key) => keys.contains_key(&key.to_lowercase().replacen("__", ".", 1)),
                    None => readers.contains(&format!("\"{name}\"")) || scripts.contains(&format!("${{{name}:-")),
                };
                if !exists && name != "CAIRN_BIN" {
                    wrong.push(format!("{}:{number}: {name}", file.display()));
                }
            }
        }
    }
    none("nothing reads a variable that a text names", &wrong);
}

#[test]
fn every_error_code_is_documented_and_every_documented_one_exists() {
    let page = read("docs/api.md".as_ref());
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let documented: BTreeSet<String> =
        rows.filter(|(_, rest)| rest.starts_with(['4', '5'])).map(|(code, _)| code.to_owned()).collect();
    assert!(documented.len() > 5, "docs/api.md has a table of codes: {documented:?}");
    let source = read("src/server/error.rs".as_ref()).split_whitespace().collect::<Vec<_>>().join(" ");
    let given: BTreeSet<String> = [
        "=> \"",
        ": &str = \"",
        "Class::Invalid, \"",
        "Class::NotFound, \"",
        "Class::Denied, \"",
        "Class::Busy, \"",
        "Class::Unavailable, \"",
        "Class::Internal, \"",
    ]
    .into_iter()
    .flat_map(|before| source.split(before).skip(1).filter_map(|rest| rest.split('"').next()))
    .filter(|code| !code.ends_with("_error") && code.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
    .map(str::to_owned)
    .collect();
    let undocumented: Vec<String> = given.difference(&documented).cloned().collect();
    // Codes of classes that no error has yet: the table of the source is complete so that the compiler checks it.
    let undocumented: Vec<String> =
        undocumented.into_iter().filter(|code| !matches!(code.as_str(), "not_found" | "denied")).collect();
    none("docs/api.md lacks a code", &undocumented);
    none("docs/api.md has a code that is never given", &documented.difference(&given).cloned().collect::<Vec<_>>());
}

#[test]
fn every_link_between_our_texts_leads_somewhere() {
    let mut wrong = Vec::new();
    for file in texts() {
        let text = read(&file);
        for event in Parser::new_ext(&text, Options::ENABLE_TABLES) {
            let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event else { continue };
            if ["http://", "https://", "mailto:"].iter().any(|scheme| dest_url.starts_with(scheme)) {
                continue;
            }
            let (path, anchor) = dest_url.split_once('#').unwrap_or((&dest_url, ""));
            let target = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
            if !repository().join(&target).exists() {
                wrong.push(format!("{}: {dest_url}", file.display()));
            } else if !anchor.is_empty() && !anchors(&target).contains(anchor) {
                wrong.push(format!("{}: {dest_url} names no heading", file.display()));
            }
        }
    }
    none("a link leads nowhere", &wrong);
}

#[test]
fn every_chapter_of_the_handbook_can_be_reached_from_its_first_page() {
    let chapters: BTreeSet<PathBuf> = files_in("docs", "md").into_iter().collect();
    let mut reached: BTreeSet<PathBuf> = BTreeSet::new();
    let mut next = vec![PathBuf::from("README.md")];
    while let Some(file) = next.pop() {
        if !reached.insert(file.clone()) || !repository().join(&file).is_file() {
            continue;
        }
        let text = read(&file);
        for event in Parser::new(&text) {
            let Event::Start(Tag::Link { dest_url, .. }) = event else { continue };
            let path = dest_url.split('#').next().unwrap();
            if path.ends_with(".md") && !path.contains("://") {
                next.push(file.parent().unwrap().join(path));
            }
        }
    }
    let lost: Vec<String> = chapters.difference(&reached).map(|file| file.display().to_string()).collect();
    none("README.md leads to no link to a chapter", &lost);
}

/// Every text for people.
fn texts() -> Vec<PathBuf> {
    files()
        .into_iter()
        .filter(|file| file.extension().is_some_and(|found| found == "md") && !file.starts_with("tests"))
        .collect()
}

/// `section.key` and its default, as config/default.toml has them.
fn keys() -> BTreeMap<String, String> {
    let mut keys = BTreeMap::new();
    let mut section = String::new();
    for line in read("config/default.toml".as_ref()).lines() {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            keys.insert(format!("{section}.{key}"), value.trim_matches('"').to_owned());
        }
    }
    assert!(keys.len() > 40, "{keys:?}");
    keys
}

/// The same, as the tables of docs/configuring.md have them.
fn documented_keys() -> BTreeMap<String, String> {
    let page = read("docs/configuring.md".as_ref());
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let key = cells.next()?.strip_suffix('`')?;
        let default = match cells.next()? {
            "empty" => "",
            "none" => "[]",
            value => value.trim_matches('`'),
        };
        key.contains('.').then(|| (key.to_owned(), default.to_owned()))
    });
    rows.collect()
}

/// The variables of cairn and of OpenAI's clients that a line names.
fn variables(line: &str) -> Vec<String> {
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let named = words.filter(|word| ["CAIRN_", "OPENAI_"].iter().any(|prefix| word.starts_with(prefix)));
    named.filter(|word| !word.chars().any(|c| c.is_ascii_lowercase())).map(str::to_owned).collect()
}

/// What a link may name in a text: its headings, as GitHub spells them.
fn anchors(file: &Path) -> BTreeSet<String> {
    let text = read(file);
    text.lines().filter(|line| line.starts_with('#')).map(slug).collect()
}

fn slug(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
