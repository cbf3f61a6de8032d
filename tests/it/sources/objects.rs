//! Buckets of a server that speaks S3: moto, from the environment that `scripts/fetch --tests` makes.

use std::collections::HashMap;
use std::time::Duration;

use cairn::error::Class;
use cairn::ingest::source::object::{Access, ObjectSource, Objects, Provider};
use cairn::ingest::source::pattern::Patterns;
use cairn::ingest::source::{Fetched, Limits, Skip, Source};
use futures::StreamExt;
use object_store::ObjectStoreExt;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use reqwest::Url;
use secrecy::SecretString;

use super::{LIMITS, Listed, list, text};
use crate::clients::python;
use crate::harness::process::Process;

pub(super) const BUCKET: &str = "handbook";

/// The server, with one empty bucket. It goes when it is dropped.
pub(super) struct Moto {
    _server: Process,
    pub(super) url: Url,
}

impl Moto {
    pub(super) async fn start() -> Self {
        let mut server = Process::start(python("s3_server.py"));
        let line = server.line("listening http://").await;
        let moto = Self { _server: server, url: line.split("listening ").nth(1).unwrap().trim().parse().unwrap() };
        let made = moto.http().put(moto.url.join(BUCKET).unwrap()).send().await.unwrap();
        assert!(made.status().is_success());
        moto
    }

    fn http(&self) -> reqwest::Client {
        reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
    }

    pub(super) async fn put(&self, key: &str, body: impl Into<Vec<u8>>) {
        let builder =
            AmazonS3Builder::new().with_bucket_name(BUCKET).with_endpoint(self.url.as_str()).with_allow_http(true);
        let store = builder.with_access_key_id("x").with_secret_access_key("x").build().unwrap();
        store.put(&Path::parse(key).unwrap(), body.into().into()).await.unwrap();
    }

    /// With a key that no path of the library can name.
    async fn put_raw(&self, key: &str) {
        let url = format!("{}{BUCKET}/{key}", self.url);
        assert!(self.http().put(url).body("x").send().await.unwrap().status().is_success());
    }

    fn objects(&self, prefix: &str) -> Objects {
        let secret = |text: &str| SecretString::from(text.to_owned());
        Objects {
            provider: Provider::S3,
            bucket: BUCKET.into(),
            prefix: prefix.into(),
            endpoint: Some(self.url.clone()),
            region: None,
            access: Access::Variables(HashMap::from([
                ("AWS_ACCESS_KEY_ID".into(), secret("x")),
                ("AWS_SECRET_ACCESS_KEY".into(), secret("x")),
                ("PATH".into(), secret("x")),
            ])),
            patterns: Patterns::default(),
        }
    }

    fn source(&self, prefix: &str) -> Source {
        source(self.objects(prefix))
    }
}

fn source(objects: Objects) -> Source {
    Source::Object(Box::new(ObjectSource::new(objects, LIMITS).unwrap()))
}

#[tokio::test]
async fn a_bucket_is_listed_below_its_folder_and_fetched_only_where_it_changed() {
    let moto = Moto::start().await;
    for key in
        ["docs/a.md", "docs/sub/Grüße an alle.md", "docs2/b.md", "docs/logo.png", "docs/a.md.meta.toml", "docs/.x/c.md"]
    {
        moto.put(key, key).await;
    }
    moto.put_raw("docs/sub/").await;
    let docs = moto.source("docs");
    let listed = list(&docs).await;
    assert_eq!(listed.ids("s3://handbook/"), ["docs/a.md", "docs/sub/Grüße an alle.md"]);
    assert_eq!(listed.sidecars[0].0, "s3://handbook/docs/a.md");
    let expected = [(".x/c.md", Skip::Hidden), ("logo.png", Skip::OtherKind), ("sub", Skip::OtherKind)];
    assert_eq!(listed.skipped("s3://handbook/docs/"), expected);
    assert_eq!(list(&moto.source("")).await.ids("s3://handbook/").len(), 3);

    let item = listed.item("alle.md");
    let Fetched::Content(content) = docs.fetch(item, None).await.unwrap() else { panic!() };
    assert_eq!(
        (content.bytes.as_slice(), content.name.as_str()),
        ("docs/sub/Grüße an alle.md".as_bytes(), "Grüße an alle.md")
    );
    assert_eq!(content.revision, item.revision, "of the listing and of the object");
    assert_eq!(docs.fetch(item, content.revision.as_deref()).await.unwrap(), Fetched::Unchanged);

    moto.put("docs/a.md", "changed").await;
    let before = listed.item("/a.md");
    let after = list(&docs).await;
    assert_ne!(after.item("/a.md").revision, before.revision);
    assert_eq!(text(docs.fetch(after.item("/a.md"), before.revision.as_deref()).await), "changed");
    // Listed before it changed, and known as it is now: the store is asked on a condition.
    let known = after.item("/a.md").revision.as_deref();
    assert_eq!(docs.fetch(before, known).await.unwrap(), Fetched::Unchanged);
}

#[tokio::test]
async fn a_listing_goes_through_all_its_pages_and_past_keys_that_are_no_paths() {
    let moto = Moto::start().await;
    let put = |n| {
        let moto = &moto;
        async move { moto.put_raw(&format!("{n:04}.md")).await }
    };
    futures::stream::iter(0..1_200).map(put).buffer_unordered(4).collect::<()>().await;
    for key in ["0000//x.md", "0500.md//y.md", "0500.md//z.md", "zzz//last.md"] {
        moto.put_raw(key).await;
    }
    let listed = list(&moto.source("")).await;
    assert_eq!((listed.items.len(), &listed.error), (1_200, &None));
    let mut ids: Vec<&str> = listed.items.iter().map(|item| item.external_id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 1_200, "none twice");
    let problems: Vec<&str> = listed.problems.iter().map(|(id, _)| id.as_str()).collect();
    let keys = ["0000//x.md", "0500.md//y.md", "0500.md//z.md", "zzz//last.md"];
    assert_eq!(problems, keys.map(|key| format!("s3://handbook/{key}")));
}

#[tokio::test]
async fn what_is_too_large_gone_or_elsewhere_is_a_typed_error() {
    let moto = Moto::start().await;
    moto.put("large.md", vec![b'x'; 100_001]).await;
    moto.put("a.md", "a").await;
    let source = moto.source("");
    let listed = list(&source).await;
    assert!(listed.problems[0].1.to_string().contains("larger than 100000"), "{:?}", listed.problems);
    let mut item = listed.item("a.md").clone();
    item.external_id = "s3://handbook/large.md".into();
    assert!(source.fetch(&item, None).await.unwrap_err().to_string().contains("larger than"), "it grew since");
    item.external_id = "s3://handbook/gone.md".into();
    assert_eq!(source.fetch(&item, None).await.unwrap_err().class(), Class::NotFound);
    item.external_id = "s3://other/a.md".into();
    assert_eq!(source.fetch(&item, None).await.unwrap_err().class(), Class::Invalid);
}

#[tokio::test]
async fn a_store_that_is_not_there_or_has_no_such_bucket_says_which_it_is() {
    let moto = Moto::start().await;
    let missing = source_of(&moto, |objects| objects.bucket = "nowhere".into());
    let error = list(&missing).await.error.unwrap();
    assert_eq!((error.class(), error.to_string().as_str()), (Class::NotFound, "read s3://nowhere/: it is not there"));
    let silent = source_of(&moto, |objects| objects.endpoint = Some("http://127.0.0.1:1/".parse().unwrap()));
    let error = list(&silent).await.error.unwrap();
    assert!(error.class() == Class::Unavailable && error.to_string().contains("can't be reached"), "{error}");
    assert!(!error.to_string().contains("127.0.0.1"), "{error}");
}

fn source_of(moto: &Moto, change: impl FnOnce(&mut Objects)) -> Source {
    let mut objects = moto.objects("");
    change(&mut objects);
    source(objects)
}

#[tokio::test]
async fn an_open_bucket_needs_no_credentials_and_a_large_one_ends_at_the_limit() {
    let moto = Moto::start().await;
    for n in 0..5 {
        moto.put(&format!("{n}.md"), "x").await;
    }
    let open = source_of(&moto, |objects| objects.access = Access::Anonymous);
    assert_eq!(list(&open).await.ids("s3://handbook/").len(), 5);
    let limits = Limits { entries_max: 4, ..LIMITS };
    let error = Listed::of(ObjectSource::new(moto.objects(""), limits).unwrap().list()).await.error.unwrap();
    assert!(error.to_string().contains("more than 4 entries"), "{error}");
}

#[test]
fn every_provider_is_made_from_its_own_variables() {
    let secret = |text: &str| SecretString::from(text.to_owned());
    let objects = |provider, variables: &[(&str, &str)]| Objects {
        provider,
        bucket: BUCKET.into(),
        prefix: String::new(),
        endpoint: None,
        region: None,
        access: Access::Variables(variables.iter().map(|(k, v)| ((*k).to_owned(), secret(v))).collect()),
        patterns: Patterns::default(),
    };
    let azure = [("AZURE_STORAGE_ACCOUNT_NAME", "x"), ("AZURE_STORAGE_ACCOUNT_KEY", "eHg=")];
    assert!(ObjectSource::new(objects(Provider::Azure, &azure), LIMITS).is_ok());
    assert!(ObjectSource::new(objects(Provider::Azure, &[]), LIMITS).is_err(), "no account is named");
    let account = r#"{"gcs_base_url":"http://127.0.0.1:1","disable_oauth":true,
                     "client_email":"","private_key":"","private_key_id":""}"#;
    let google = [("GOOGLE_SERVICE_ACCOUNT_KEY", account)];
    assert!(ObjectSource::new(objects(Provider::Google, &google), LIMITS).is_ok());
    let half = [("AWS_ACCESS_KEY_ID", "x")];
    assert!(ObjectSource::new(objects(Provider::S3, &half), LIMITS).is_err(), "the other half is missing");
}
