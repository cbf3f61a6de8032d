//! `sources.toml`, from its text to sources that are ready to be listed.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cairn::config::Config;
use cairn::document::CollectionName;
use cairn::ingest::source::Source;
use cairn::ingest::source::git::Repository;
use cairn::ingest::source::manifest::{Declared, ManifestError, Surroundings, What, parse};
use cairn::ingest::source::object::{Access, Provider};
use cairn::ingest::source::web::{Memory, Pages};
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use super::LIMITS;

fn parsed(text: &str, folder: &Path) -> Result<Vec<Declared>, ManifestError> {
    let collection: CollectionName = "default".parse().unwrap();
    let secret = |text: &str| SecretString::from(text.to_owned());
    let environment = HashMap::from([("TOKEN".to_owned(), secret("t0p")), ("AWS_REGION".into(), secret("eu-1"))]);
    let home = HashMap::from([("HOME".to_owned(), "/home/someone".to_owned())]);
    let settings = Config::from_layers(None, &home, &[]).unwrap().sources;
    let around = Surroundings {
        folder,
        collection: &collection,
        environment: &environment,
        data_dir: Path::new("/data"),
        settings: &settings,
    };
    parse(text, &around)
}

/// Every kind, with every key that all have in common at the first.
const EVERY_KIND: &str = r#"
[[source]]
name = "handbook"
kind = "folder"
paths = ["docs", "/srv/more"]
watch = true
collection = "people"
tags = ["hr", "hr", "2024"]
allow = ["staff", "board"]
language = "pt-BR"
metadata = { owner = "HR" }
schedule = "1h 30m"
prune = true
include = ["*.md"]

[[source]]
name = "site"
kind = "web"
url = "https://Example.org/docs#top"
depth = 3
pages_max = 10
requests_per_second = 0.5

[[source]]
name = "map"
kind = "sitemap"
url = "https://example.org/sitemap.xml"

[[source]]
name = "pages"
kind = "urls"
urls = ["http://wiki.corp/a", "http://wiki.corp/b"]
private_hosts = ["wiki.corp"]

[[source]]
name = "bucket"
kind = "object_store"
bucket = "s3://b/docs/2024/"
endpoint = "http://127.0.0.1:9000"
credentials = { AWS_ACCESS_KEY_ID = { env = "TOKEN" }, AWS_SECRET_ACCESS_KEY = { file = "key" } }

[[source]]
name = "code"
kind = "git"
repository = "https://example.org/r.git"
revision = "main"
token = { env = "TOKEN" }

[[source]]
name = "here"
kind = "git"
repository = "../repo"
"#;

#[test]
fn every_kind_is_declared_with_what_all_have_in_common() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("key"), " k3y\n").unwrap();
    let sources = parsed(EVERY_KIND, folder.path()).unwrap();
    let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
    assert_eq!(names, ["handbook", "site", "map", "pages", "bucket", "code", "here"]);

    let first = &sources[0];
    assert_eq!((first.collection.as_str(), first.schedule), ("people", Some(Duration::from_secs(5_400))));
    assert!(first.prune && first.defaults.allow.len() == 2 && first.defaults.tags.len() == 2);
    assert_eq!((first.defaults.language.as_deref(), first.defaults.metadata["owner"].as_str()), (Some("pt"), "HR"));
    let What::Folder(docs) = &first.what else { panic!("{first:?}") };
    assert_eq!(docs.paths, [folder.path().join("docs"), PathBuf::from("/srv/more")]);
    assert!(docs.watch && docs.patterns.wants("x/a.md") && !docs.patterns.wants("a.txt"));

    let second = &sources[1];
    assert_eq!((second.collection.as_str(), second.schedule, second.prune), ("default", None, false));
    let What::Web(site) = &second.what else { panic!("{second:?}") };
    assert_eq!(site.interval, Duration::from_secs(2));
    let Pages::Crawl { start, depth_max: 3, pages_max: 10 } = &site.pages else { panic!("{site:?}") };
    assert_eq!(start.as_str(), "https://example.org/docs");
    let What::Web(pages) = &sources[3].what else { panic!() };
    assert!(pages.reach.private_hosts.contains("wiki.corp"));

    let What::Objects(bucket) = &sources[4].what else { panic!() };
    assert_eq!((bucket.provider, bucket.bucket.as_str(), bucket.prefix.as_str()), (Provider::S3, "b", "docs/2024"));
    let Access::Variables(variables) = &bucket.access else { panic!() };
    for (name, value) in [("AWS_ACCESS_KEY_ID", "t0p"), ("AWS_SECRET_ACCESS_KEY", "k3y"), ("AWS_REGION", "eu-1")] {
        assert_eq!(variables[name].expose_secret(), value);
    }
    let What::Git(code) = &sources[5].what else { panic!() };
    let Repository::Remote(remote) = &code.repository else { panic!() };
    assert_eq!((remote.folder.to_str(), remote.bytes_max), (Some("/data/git/code"), 2 << 30));
    assert_eq!(remote.login.as_ref().unwrap().token.expose_secret(), "t0p");
    let What::Git(here) = &sources[6].what else { panic!() };
    let Repository::Local(path) = &here.repository else { panic!() };
    assert_eq!(path, &folder.path().join("../repo"));

    assert!(!format!("{sources:?}").contains("t0p"), "a secret is never printed");
    let opened = sources.into_iter().map(|source| Source::open(source.what, LIMITS, Memory::default()).unwrap());
    assert_eq!(opened.flatten().count(), 6, "all but the folder");
}

#[test]
fn an_error_names_the_source_and_the_key() {
    let web = "kind = \"web\"\nurl = \"https://example.org/\"\n";
    let git = "kind = \"git\"\nrepository = \"https://example.org/r\"\n";
    for (text, says) in [
        ("kind = \"web\"".to_owned(), "url"),
        ("kind = \"wep\"".into(), "wep"),
        (format!("{web}dept = 3"), "dept"),
        (format!("{web}depth = -1"), "depth"),
        (format!("{web}pages_max = 0"), "pages_max"),
        (format!("{web}requests_per_second = 0"), "requests_per_second"),
        (format!("{web}requests_per_second = nan"), "requests_per_second"),
        (format!("{web}urls = []"), "urls"),
        (format!("{web}allow = []"), "allow"),
        (format!("{web}allow = [\"two words\"]"), "two words"),
        (format!("{web}tags = [\" x\"]"), "tags"),
        (format!("{web}language = \"english\""), "language"),
        (format!("{web}schedule = \"1s\""), "schedule"),
        (format!("{web}schedule = \"0 * * * *\""), "duration"),
        (format!("{web}collection = \"Not One\""), "Not One"),
        (format!("{web}include = [\"a[\"]"), "a["),
        ("kind = \"web\"\nurl = \"ftp://example.org\"".into(), "url"),
        ("kind = \"web\"\nurl = \"https://me:word@example.org\"".into(), "url"),
        ("kind = \"urls\"\nurls = []".into(), "urls"),
        ("kind = \"folder\"\npaths = []".into(), "paths"),
        ("kind = \"object_store\"\nbucket = \"b/x\"".into(), "bucket"),
        ("kind = \"object_store\"\nbucket = \"ftp://b/x\"".into(), "bucket"),
        ("kind = \"object_store\"\nbucket = \"s3://b\"\ncredentials = { X = \"secret\" }".into(), "credentials"),
        ("kind = \"object_store\"\nbucket = \"s3://b\"\ncredentials = { X = { env = \"NONE\" } }".into(), "NONE"),
        (format!("{git}token = {{ file = \"missing\" }}"), "missing"),
        (format!("{git}token = {{ env = \"TOKEN\", file = \"x\" }}"), "token"),
        ("kind = \"git\"\nrepository = \"http://example.org/r\"\ntoken = { env = \"TOKEN\" }".into(), "https"),
        ("kind = \"git\"\nrepository = \"ssh://example.org/r\"".into(), "repository"),
        ("kind = \"git\"\nrepository = \"repo\"\ntoken = { env = \"TOKEN\" }".into(), "token"),
    ] {
        let error = parsed(&format!("[[source]]\nname = \"one\"\n{text}"), Path::new("/etc")).unwrap_err().to_string();
        assert!(error.contains("\"one\"") && error.contains(says), "{text}: {error}");
    }
    for (text, says) in [("[[source]]\nkind = \"web\"", "number 1"), ("[[sources]]", "sources"), ("[[source", "TOML")] {
        let error = parsed(text, Path::new("/etc")).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

#[test]
fn two_sources_never_own_one_document() {
    let source = |name: &str, rest: &str| format!("[[source]]\nname = \"{name}\"\n{rest}\n");
    let folder = "kind = \"folder\"\npaths = [\"docs\"]";
    let git = "kind = \"git\"\nrepository = \"https://example.org/r\"\nrevision = ";
    for (text, says) in [
        (source("a", folder) + &source("a", "kind = \"folder\"\npaths = [\"x\"]"), "unique"),
        (source("a", folder) + &source("b", folder), "\"a\""),
        (source("a", &format!("{git}\"v1\"")) + &source("b", &format!("{git}\"v2\"")), "\"a\""),
        (source("A b", folder), "lower-case"),
    ] {
        let error = parsed(&text, Path::new("/etc")).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    let elsewhere = source("a", folder) + &source("b", &format!("{folder}\ncollection = \"other\""));
    assert_eq!(parsed(&elsewhere, Path::new("/etc")).unwrap().len(), 2);
    assert_eq!(parsed("", Path::new("/etc")).unwrap().len(), 0);
}
