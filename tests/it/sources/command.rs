//! The real binary: `cairn ingest` of every kind of source, alone and beside a server, and a server that follows a
//! manifest.

use std::fs::{self, File};
use std::process::Stdio;

use cairn::tasks::blocking;
use serde_json::{Value, json};

use super::git::Repo;
use super::site::{Site, file, html};
use crate::harness::process::{Ended, Process, run};
use crate::harness::{Sandbox, until, within};

/// What a search finds alone in the page that [`site`] serves.
const WORD: &str = "Kestrel listens on port 2525";

async fn site() -> Site {
    let site = Site::start().await;
    site.put("/mail", html(&format!("<title>Mail</title><p>{WORD}.</p>")).with("etag", "\"1\""));
    site
}

async fn cairn(sandbox: &Sandbox, arguments: &[&str], code: i32) -> Ended {
    let ended = run(sandbox.cairn(arguments)).await;
    assert_eq!(ended.code, Some(code), "{arguments:?}: {ended:?}");
    ended
}

/// The summary of `cairn ingest --json`.
async fn ingest(sandbox: &Sandbox, arguments: &[&str], code: i32) -> Value {
    let arguments = [&["ingest", "--json"], arguments].concat();
    cairn(sandbox, &arguments, code).await.json_lines().pop().unwrap()
}

/// External ids and states.
async fn states(sandbox: &Sandbox) -> Vec<(String, String)> {
    let listed = cairn(sandbox, &["documents", "list", "--json"], 0).await.json();
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = listed["documents"].as_array().unwrap().iter();
    rows.map(|row| (text(row, "external_id"), text(row, "state"))).collect()
}

/// `cairn ingest - --name NAME < path`.
async fn ingest_stdin(sandbox: &Sandbox, name: &str, path: &str) -> Value {
    let mut command = sandbox.cairn(&["ingest", "--json", "-", "--name", name]);
    command.stdin(Stdio::from(File::open(sandbox.path(path)).unwrap()));
    let ended = blocking(move || command.output().unwrap());
    let output = within("a program that reads its input", ended).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let last = String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned();
    serde_json::from_str(&last).unwrap()
}

/// Every kind in one command and by a manifest: as summaries.
async fn story(sandbox: &Sandbox, site: &Site, repo: &Repo) -> Vec<Value> {
    sandbox.write("a.md", "# A\n\nThe letter A.");
    fs::write(sandbox.path("notes.txt"), "The notes.").unwrap();
    let manifest =
        format!("[[source]]\nname = \"code\"\nkind = \"git\"\nrepository = {:?}\nprune = true\n", repo.path());
    fs::write(sandbox.path("sources.toml"), manifest).unwrap();
    let page = format!("{}/mail", site.url);
    let mut told = Vec::new();
    for _ in 0..2 {
        told.push(ingest(sandbox, &["docs", &page], 0).await);
        told.push(ingest(sandbox, &["--manifest", "sources.toml"], 0).await);
        told.push(ingest_stdin(sandbox, "notes.txt", "notes.txt").await);
    }
    told.push(ingest(sandbox, &[&format!("{}/gone", site.url)], 1).await);
    for summary in &mut told {
        summary.as_object_mut().unwrap().remove("seconds");
    }
    told
}

#[tokio::test]
async fn every_kind_of_source_is_ingested_alone_and_beside_a_server_alike() {
    let (site, repo) = (site().await, Repo::new());
    repo.write("b.md", "# B\n\nThe letter B.").write("c.md", "# C\n\nThe letter C.").commit();
    let alone = Sandbox::new();
    let told = story(&alone, &site, &repo).await;
    let counts = |summary: &Value| (summary["indexed"].as_u64().unwrap(), summary["unchanged"].as_u64().unwrap());
    assert_eq!(told.iter().map(counts).collect::<Vec<_>>(), [(2, 0), (2, 0), (1, 0), (0, 2), (0, 2), (0, 1), (0, 0)]);
    assert_eq!(told[6]["failed"], json!([{ "path": format!("{}/gone", site.url), "reason": "it is not there" }]));
    let found = cairn(&alone, &["search", "--json", WORD], 0).await.stdout;
    assert!(found.contains(&format!("{}/mail", site.url)), "{found}");

    let beside = Sandbox::new();
    let mut server = Process::start(beside.cairn(&["serve", "--listen", "127.0.0.1:0"]));
    server.line("serving http://").await;
    assert_eq!(story(&beside, &site, &repo).await, told);
    server.signal("TERM");
    assert_eq!(server.end().await.code, Some(0));
    assert_eq!(states(&beside).await.len(), states(&alone).await.len());
}

#[tokio::test]
async fn a_server_follows_its_manifest_and_sees_what_changes_in_a_folder() {
    let sandbox = Sandbox::new();
    let manifest = sandbox.path("sources.toml");
    let site = site().await;
    let text = format!(
        "[[source]]\nname = \"notes\"\nkind = \"folder\"\npaths = [\"docs\"]\nwatch = true\nprune = true\n\
         [[source]]\nname = \"site\"\nkind = \"urls\"\nurls = [\"{}/mail\"]\nschedule = \"1h\"\n",
        site.url
    );
    fs::write(&manifest, text).unwrap();
    let sandbox = sandbox
        .with("CAIRN__SOURCES__MANIFEST", manifest.to_str().unwrap())
        .with("CAIRN__SOURCES__WATCH_QUIET", "50ms");
    let first = sandbox.write("a.md", "# A\n\nThe letter A.");
    let mut server = Process::start(sandbox.cairn(&["serve", "--listen", "127.0.0.1:0"]));
    server.line("serving http://").await;
    let is = async |name: &str, state: Option<&str>| {
        let states = states(&sandbox).await;
        states.iter().find(|(id, _)| id.ends_with(name)).map(|(_, state)| state.as_str()) == state
    };
    until("what was there", async || is("a.md", Some("indexed")).await).await;
    until("what is due", async || is("/mail", Some("indexed")).await).await;
    sandbox.write("new/b.md", "# B\n\nThe letter B.");
    until("what is new", async || is("b.md", Some("indexed")).await).await;
    fs::remove_file(first).unwrap();
    until("what is gone", async || {
        let states = states(&sandbox).await;
        states.iter().all(|(id, state)| !id.ends_with("a.md") || state == "removed")
    })
    .await;
    server.signal("TERM");
    assert_eq!(server.end().await.code, Some(0));
    assert_eq!(site.paths(), ["/mail"], "it was due once");

    // Its schedule counts across restarts.
    let mut server = Process::start(sandbox.cairn(&["serve", "--listen", "127.0.0.1:0"]));
    server.line("serving http://").await;
    sandbox.write("c.md", "# C\n\nThe letter C.");
    until("what came meanwhile", async || is("c.md", Some("indexed")).await).await;
    assert_eq!(site.paths(), [""; 0]);
    fs::write(&manifest, "[[source]]\nname = \"x\"\nkind = \"wep\"\n").unwrap();
    server.signal("TERM");
    server.end().await;
    let ended = cairn(&sandbox, &["serve", "--listen", "127.0.0.1:0"], 1).await;
    assert!(ended.stderr.contains("\"x\"") && ended.stderr.contains("wep"), "{ended:?}");
}

#[tokio::test]
async fn a_killed_crawl_goes_on_where_it_was() {
    let (sandbox, site) = (Sandbox::new(), Site::start().await);
    let links: String = (0..40).map(|n| format!("<a href={n}>{n}</a> ")).collect();
    site.put("/", html(&links).with("etag", "\"0\""));
    for n in 0..40 {
        site.put(&format!("/{n}"), html(&format!("<title>{n}</title><p>The page {n}.</p>")).with("etag", "\"1\""));
    }
    let url = format!("{}/", site.url);
    let arguments = ["ingest", "--json", "--crawl", "--prune", "--set", "sources.requests_per_second=20", &url];
    let mut process = Process::start(sandbox.cairn(&arguments));
    process.line_where("some documents", |line| line.contains("\"indexed\"")).await;
    process.kill().await;
    let before = states(&sandbox).await;
    assert!(before.iter().filter(|(_, state)| state == "indexed").count() < 41, "it was killed in the middle");
    site.asked();
    cairn(&sandbox, &arguments, 0).await;
    let after = states(&sandbox).await;
    assert_eq!(after.len(), 41);
    assert!(after.iter().all(|(_, state)| state == "indexed"), "{after:?}");
    assert_eq!(fs::read_dir(sandbox.path("data/uploads")).unwrap().count(), 0);
    let found = cairn(&sandbox, &["search", "--json", "The page 7"], 0).await.stdout;
    assert_eq!(found.matches(&format!("{url}7\"")).count(), 1, "none twice: {found}");
}

#[tokio::test]
async fn what_is_no_source_is_told_with_what_to_do_and_without_secrets() {
    let sandbox = Sandbox::new();
    for (arguments, says) in [
        (&["https://me:pa55word@example.org/x"][..], "manifest"),
        (&["git+https://t0ken@example.org/r.git"], "token"),
        (&["git@example.org:team/r.git"], "git+https"),
        (&["ftp://example.org/x"], "https"),
        (&["s3://"], "s3://bucket/folder"),
        (&["--crawl", "docs"], "--crawl"),
        (&["--revision", "v1", "https://example.org/x"], "git"),
        (&["-"], "--name"),
        (&["-", "--name", "x.unknown"], "--name"),
        (&["--manifest", "missing.toml"], "missing.toml"),
        (&[], "SOURCE"),
    ] {
        let ended = run(sandbox.cairn(&[&["ingest"], arguments].concat())).await;
        assert_ne!(ended.code, Some(0), "{arguments:?}");
        assert!(ended.stderr.contains(says), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.contains("pa55word") && !ended.stderr.contains("t0ken"), "{ended:?}");
    }
    let site = Site::start().await;
    let inside = format!("http://localhost:{}/", site.url.rsplit(':').next().unwrap());
    site.put("/map", file("text/plain", "x")).put("/", html("x"));
    site.put("/away", super::site::redirect("http://169.254.169.254/latest/meta-data/"));
    let ended = cairn(&sandbox, &["ingest", &format!("{}/away", site.url)], 1).await;
    assert!(ended.stdout.contains("another site"), "{ended:?}");
    assert_eq!(ingest(&sandbox, &[&inside], 0).await["indexed"], 1, "an address that was named is meant");
}
