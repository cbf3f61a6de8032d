//! Sources through the product: listed, fetched, indexed, found, and gone again when they are gone there.

use std::fs;
use std::path::Path;

use cairn::app::App;
use cairn::ingest::job::Summary;
use cairn::ingest::queue::Compare;
use cairn::ingest::source::manifest::Declared;
use cairn::ingest::source::named::{How, Named};
use cairn::ingest::worker::Until;

use super::git::Repo;
use super::objects::{BUCKET, Moto};
use super::site::{Page, Site, file, html, status};
use crate::harness::{Sandbox, Vanished, default_collection, ingest, rows, search, summary};

/// Sources as they are written on a command line.
fn named(app: &App, texts: &[String], how: How) -> Vec<Declared> {
    let named = Named { texts, how, revision: None, prune: true };
    app.bringer.named(&named, Path::new("/"), &default_collection()).unwrap()
}

fn named_one(app: &App, text: &str, how: How) -> Declared {
    named(app, &[text.to_owned()], how).remove(0)
}

/// `cairn ingest` of a declared source, in process.
async fn bring(app: &App, source: &Declared) -> Summary {
    let job = app.bringer.begin(source).await.unwrap();
    let bringing = app.bringer.bring(&job, source, Compare::Stamp);
    let working = app.worker.run(Until::AtRest(&job), std::future::pending());
    let (brought, worked) = tokio::join!(bringing, working);
    brought.unwrap();
    worked.unwrap();
    summary(app, &job).await
}

#[track_caller]
fn check(found: &Summary, indexed: usize, unchanged: usize, removed: usize) {
    assert_eq!((found.indexed, found.unchanged, found.removed), (indexed, unchanged, removed), "{found:?}");
}

/// The external ids in the index, below `prefix`.
async fn ids(app: &App, prefix: &str) -> Vec<String> {
    let rows = rows(app).await;
    let indexed = rows.into_iter().filter(|row| row.state == "indexed");
    indexed.map(|row| row.external_id.strip_prefix(prefix).unwrap_or(&row.external_id).to_owned()).collect()
}

fn page(title: &str, body: &str) -> Page {
    html(&format!("<html><head><title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>"))
}

/// A start page that leads to two others. All have a tag.
async fn kestrel() -> Site {
    let site = Site::start().await;
    let links = "<p>Read on.</p><a href=mail>mail</a> <a href=backup>backup</a>";
    site.put("/docs/", page("Kestrel", links).with("etag", "\"1\""))
        .put("/docs/mail", page("Mail", "<p>Kestrel listens on port 2525 for mail.</p>").with("etag", "\"m1\""))
        .put("/docs/backup", page("Backup", "<p>Backups are written every night.</p>").with("etag", "\"b1\""));
    site
}

#[tokio::test]
async fn a_crawled_site_is_searched_and_only_what_changed_is_fetched_again() {
    let (sandbox, site) = (Sandbox::new(), kestrel().await);
    let app = sandbox.open().await;
    let source = named_one(&app, &format!("{}/docs/", site.url), How::Crawl);
    check(&bring(&app, &source).await, 3, 0, 0);
    assert_eq!(ids(&app, &site.url).await, ["/docs/", "/docs/backup", "/docs/mail"]);
    let hits = search(&app, "Which port does Kestrel listen on?").await;
    assert_eq!((hits[0].external_id.as_str(), hits[0].title.as_str()), (&*format!("{}/docs/mail", site.url), "Mail"));
    assert_eq!(fs::read_dir(sandbox.path("data/uploads")).unwrap().count(), 0, "what is indexed is not kept twice");
    site.asked();

    check(&bring(&app, &source).await, 0, 3, 0);
    let conditions: Vec<_> = site.asked().into_iter().filter_map(|asked| asked.condition).collect();
    assert_eq!(conditions, ["\"1\"", "\"b1\"", "\"m1\""], "each page is asked for on its condition, once");

    site.put("/docs/mail", page("Mail", "<p>Kestrel listens on port 25 for mail.</p>").with("etag", "\"m2\""));
    site.put("/docs/", page("Kestrel", "<p>Read on.</p><a href=mail>mail</a>").with("etag", "\"2\""));
    check(&bring(&app, &source).await, 2, 0, 1);
    assert_eq!(ids(&app, &site.url).await, ["/docs/", "/docs/mail"]);
    assert!(search(&app, "port").await.iter().all(|hit| !hit.chunk.text.contains("2525")));
}

#[tokio::test]
async fn a_listing_that_is_not_whole_removes_nothing() {
    let (sandbox, site) = (Sandbox::new(), kestrel().await);
    let app = sandbox.open().await;
    let source = named_one(&app, &format!("{}/docs/", site.url), How::Crawl);
    bring(&app, &source).await;
    // The page that leads to the backups is ill, so nobody knows what it would lead to.
    site.put("/docs/", page("Kestrel", "<a href=mail>mail</a>").with("etag", "\"2\"")).put("/docs/mail", status(503));
    let found = bring(&app, &source).await;
    check(&found, 1, 0, 0);
    assert!(found.failed[0].reason.contains("503"), "{:?}", found.failed);
    assert_eq!(ids(&app, &site.url).await.len(), 3, "the ill page is as it was, and so is what it may lead to");

    site.put("/docs/mail", page("Mail", "<p>Kestrel listens on port 2525 for mail.</p>").with("etag", "\"m1\""));
    check(&bring(&app, &source).await, 0, 2, 1);
}

#[tokio::test]
async fn what_two_sources_have_goes_when_neither_has_it_any_more() {
    let (sandbox, site) = (Sandbox::new(), kestrel().await);
    let app = sandbox.open().await;
    let map = |paths: &[&str]| {
        let urls = paths.iter().map(|path| format!("{}{path}\n", site.url)).collect::<String>();
        site.put("/sitemap.txt", file("text/plain", urls));
    };
    map(&["/docs/mail", "/docs/backup"]);
    let sitemap = named_one(&app, &format!("{}/sitemap.txt", site.url), How::Page);
    let pages = named(&app, &[format!("{}/docs/mail", site.url)], How::Page).remove(0);
    check(&bring(&app, &sitemap).await, 2, 0, 0);
    check(&bring(&app, &pages).await, 0, 1, 0);
    map(&[]);
    check(&bring(&app, &sitemap).await, 0, 0, 1);
    assert_eq!(ids(&app, &site.url).await, ["/docs/mail"], "somebody named it");
    site.put("/docs/mail", status(404));
    let other = named(&app, &[format!("{}/docs/", site.url)], How::Page).remove(0);
    check(&bring(&app, &other).await, 1, 0, 0);
    assert_eq!(ids(&app, &site.url).await, ["/docs/", "/docs/mail"], "pages named another time are not looked at");
    let found = bring(&app, &pages).await;
    check(&found, 0, 0, 1);
    assert!(found.failed[0].reason.contains("not there"), "{:?}", found.failed);
}

#[tokio::test]
async fn a_repository_is_read_at_its_commit_with_what_lies_beside_its_files() {
    let (sandbox, repo) = (Sandbox::new(), Repo::new());
    let app = sandbox.open().await;
    repo.write("mail.md", "# Mail\nKestrel listens on port 2525.").write("backup.md", "# Backup\nEvery night.");
    repo.write("backup.md.meta.toml", "allow = [\"staff\"]").write("old.md", "# Old\nGone soon.").commit();
    let source = named_one(&app, &format!("git+file://{}", repo.path().display()), How::Page);
    check(&bring(&app, &source).await, 3, 0, 0);
    check(&bring(&app, &source).await, 0, 3, 0);
    let allowed = async |name: &str| {
        let id = format!("git+file://{}@/{name}", repo.path().display());
        let document = cairn::document::DocumentId::new(&default_collection(), &id);
        app.ledger.document(document, cairn::ledger::Sight::All).await.unwrap().unwrap().allow
    };
    assert_eq!(allowed("backup.md").await, "[\"staff\"]");

    fs::remove_file(repo.path().join("old.md")).unwrap();
    repo.write("mail.md", "# Mail\nKestrel listens on port 25.").write("backup.md.meta.toml", "allow = [\"board\"]");
    let found = bring(&app, &source).await;
    assert_eq!(found.unchanged, 3, "what is not committed is not there: {found:?}");
    repo.commit();
    let found = bring(&app, &source).await;
    check(&found, 1, 0, 1);
    assert_eq!(found.access_changed, 1, "{found:?}");
    assert_eq!(allowed("backup.md").await, "[\"board\"]");

    repo.write("backup.md.meta.toml", [0xff, 0xfe]).commit();
    let found = bring(&app, &source).await;
    assert!(found.failed[0].reason.contains("UTF-8"), "who may see it can't be told: {:?}", found.failed);
    assert_eq!(ids(&app, "").await.len(), 1, "and so nobody sees it");
}

#[tokio::test]
async fn a_bucket_is_ingested_with_the_credentials_of_the_environment() {
    let moto = Moto::start().await;
    let sandbox = Sandbox::new()
        .with("AWS_ACCESS_KEY_ID", "key-of-the-bucket")
        .with("AWS_SECRET_ACCESS_KEY", "secret-of-the-bucket")
        .with("AWS_ENDPOINT_URL", moto.url.as_str());
    moto.put("docs/mail.md", "# Mail\nKestrel listens on port 2525.").await;
    moto.put("docs/mail.md.meta.toml", "allow = [\"staff\"]").await;
    moto.put("docs/logo.png", "x").await;
    let app = sandbox.open().await;
    assert!(!format!("{:?}", app.config).contains("of-the-bucket"), "secrets are never printed");
    let source = named_one(&app, &format!("s3://{BUCKET}/docs"), How::Page);
    let found = bring(&app, &source).await;
    check(&found, 1, 0, 0);
    assert_eq!(found.skipped, 1);
    check(&bring(&app, &source).await, 0, 1, 0);
    moto.put("docs/mail.md", "# Mail\nKestrel listens on port 25.").await;
    check(&bring(&app, &source).await, 1, 0, 0);
    let missing = named_one(&app, "s3://nowhere/", How::Page);
    assert_eq!(bring(&app, &missing).await.failed[0].reason, "it is not there");
}

#[tokio::test]
async fn a_manifest_says_what_is_brought_where_and_who_may_see_it() {
    let (sandbox, site) = (Sandbox::new(), kestrel().await);
    let app = sandbox.open().await;
    sandbox.write("a.md", "# A\nThe letter A.");
    sandbox.write("b.md", "---\nallow: board\n---\n# B\nThe letter B.");
    sandbox.write("notes.txt", "Not for this source.");
    let declared = |allow: &str| {
        let text = format!(
            "[[source]]\nname = \"letters\"\nkind = \"folder\"\npaths = [\"docs\"]\ninclude = [\"*.md\"]\n\
             allow = [\"{allow}\"]\nprune = true\n\
             [[source]]\nname = \"site\"\nkind = \"urls\"\nurls = [\"{}/docs/mail\"]\ncollection = \"web\"\n\
             requests_per_second = 100\n",
            site.url
        );
        fs::write(sandbox.path("sources.toml"), text).unwrap();
        app.bringer.manifest(&sandbox.path("sources.toml"), None).unwrap()
    };
    let walk = async |source: &Declared| {
        let job = app.bringer.ingest(source, Compare::Stamp).await.unwrap();
        app.worker.run(Until::AtRest(&job), std::future::pending()).await.unwrap();
        summary(&app, &job).await
    };
    let allowed = async |name: &str| {
        let rows = app.ledger.page(&default_collection(), cairn::ledger::Sight::All, whole()).await.unwrap();
        rows.into_iter().find(|row| row.external_id.ends_with(name)).unwrap().allow
    };
    let sources = declared("staff");
    check(&walk(&sources[0]).await, 2, 0, 0);
    assert_eq!((allowed("a.md").await, allowed("b.md").await), ("[\"staff\"]".into(), "[\"board\"]".into()));
    check(&bring(&app, &sources[1]).await, 1, 0, 0);
    let web = app.ledger.documents(&"web".parse().unwrap()).await.unwrap();
    assert_eq!(web.len(), 1);

    let found = walk(&declared("everyone")[0]).await;
    assert_eq!((found.access_changed, found.unchanged, found.indexed), (1, 1, 0), "{found:?}");
    assert_eq!(allowed("a.md").await, "[\"everyone\"]");

    // A command line brought it as well, but a file that is gone is gone for everybody.
    ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Stay).await;
    fs::remove_file(sandbox.docs().join("a.md")).unwrap();
    let found = walk(&declared("everyone")[0]).await;
    assert_eq!(found.removed, 1, "{found:?}");
    let left: Vec<String> = ids(&app, sandbox.docs().to_str().unwrap()).await;
    assert_eq!(left, ["/b.md", "/notes.txt"], "what the command line brought and is there stays");
}

fn whole() -> cairn::ledger::Page<'static> {
    cairn::ledger::Page { state: None, after: None, limit: 1000 }
}

#[tokio::test]
async fn a_pattern_takes_the_files_that_fit_and_prunes_no_others() {
    let sandbox = Sandbox::new();
    let app = sandbox.open().await;
    for name in ["a.md", "sub/b.md", "c.txt"] {
        sandbox.write(name, format!("The file {name}."));
    }
    let pattern = [sandbox.docs().join("**/*.md")];
    let found = ingest(&app, &default_collection(), &pattern, Vanished::Stay).await;
    check(&found, 2, 0, 0);
    ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Stay).await;
    for name in ["sub/b.md", "c.txt"] {
        fs::remove_file(sandbox.docs().join(name)).unwrap();
    }
    let found = ingest(&app, &default_collection(), &pattern, Vanished::Go).await;
    assert_eq!(found.removed, 1, "{found:?}");
    assert_eq!(rows(&app).await.len(), 2);
    let found = ingest(&app, &default_collection(), &[sandbox.docs().join("*.pdf")], Vanished::Go).await;
    assert!(found.failed[0].reason.contains("fits no file"), "{:?}", found.failed);
}
