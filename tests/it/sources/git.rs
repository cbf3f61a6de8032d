//! Repositories on this machine and on a server. Both are made by `git`, and the server is git's own.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Response};
use cairn::error::Class;
use cairn::ingest::source::git::{Git, GitSource, Login, Remote, Repository};
use cairn::ingest::source::pattern::Patterns;
use cairn::ingest::source::{Fetched, Item, Limits, Reach, Skip, Source, SourceError};
use cairn::tasks::{Tasks, blocking};
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::{LIMITS, Listed, list, text};

/// A repository with a work tree, and the folder of its server.
pub(super) struct Repo {
    folder: TempDir,
}

impl Repo {
    pub(super) fn new() -> Self {
        let repo = Self { folder: TempDir::new().unwrap() };
        fs::create_dir(repo.path()).unwrap();
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        // What GitHub and GitLab allow as well.
        repo.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
        repo
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    pub(super) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> &Self {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    /// Commits everything; gives the commit's id.
    pub(super) fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=x"]);
        self.git(&["rev-parse", "HEAD"])
    }

    pub(super) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args(["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "protocol.file.allow=always"])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

fn source(repository: Repository, revision: Option<&str>) -> Source {
    let git = Git { repository, revision: revision.map(str::to_owned), patterns: Patterns::default() };
    Source::Git(Box::new(GitSource::new(git, LIMITS)))
}

fn local(repo: &Repo, revision: Option<&str>) -> Source {
    source(Repository::Local(repo.path()), revision)
}

fn prefix(repo: &Repo) -> String {
    format!("git+file://{}@/", repo.path().display())
}

#[tokio::test]
async fn a_repository_is_listed_from_its_commit_and_only_files_that_are_read() {
    let repo = Repo::new();
    let library = Repo::new();
    library.write("l.md", "l").commit();
    repo.write("a.md", "a").write("docs/b.md", "b").write("docs/b.md.meta.toml", "allow = [\"x\"]");
    repo.write("logo.png", "").write(".github/c.md", "c").write("drafts/d.md", "d");
    std::os::unix::fs::symlink("/etc/passwd", repo.path().join("link.md")).unwrap();
    repo.git(&["submodule", "--quiet", "add", library.path().to_str().unwrap(), "library"]);
    repo.commit();
    repo.write("uncommitted.md", "u");
    let patterns = Patterns::new(&[], &["drafts/**".into()]).unwrap();
    let git = Git { repository: Repository::Local(repo.path()), revision: None, patterns };
    let source = Source::Git(Box::new(GitSource::new(git, LIMITS)));
    let listed = list(&source).await;
    assert_eq!(listed.ids(&prefix(&repo)), ["a.md", "docs/b.md"]);
    let (of, sidecar) = &listed.sidecars[0];
    assert_eq!((of, sidecar.name.as_str()), (&listed.item("docs/b.md").external_id, "b.md.meta.toml"));
    let expected = [
        (".github/c.md", Skip::Hidden),
        (".gitmodules", Skip::Hidden),
        ("drafts/d.md", Skip::Pattern),
        ("library", Skip::Submodule),
        ("link.md", Skip::SymbolicLink),
        ("logo.png", Skip::OtherKind),
    ];
    assert_eq!(listed.skipped(&prefix(&repo)), expected);
    let item = listed.item("docs/b.md");
    assert_eq!((item.bytes, item.name.as_str()), (Some(1), "b.md"));
    assert_eq!(text(source.fetch(item, None).await), "b");
    assert_eq!(text(source.fetch(sidecar, None).await), "allow = [\"x\"]");
    let again = local(&repo, None);
    assert_eq!(text(again.fetch(item, None).await), "b", "by one that has listed nothing yet");
}

#[tokio::test]
async fn ids_stay_and_revisions_change_with_the_bytes_alone() {
    let repo = Repo::new();
    repo.write("a.md", "a").write("b.md", "b").commit();
    let before = list(&local(&repo, None)).await;
    repo.write("b.md", "changed").git(&["mv", "a.md", "moved.md"]);
    repo.commit();
    let source = local(&repo, None);
    let after = list(&source).await;
    assert_eq!(after.ids(&prefix(&repo)), ["b.md", "moved.md"]);
    assert_eq!(after.item("moved.md").revision, before.item("a.md").revision);
    let known = before.item("b.md").revision.as_deref();
    assert_eq!(text(source.fetch(after.item("b.md"), known).await), "changed");
    let known = before.item("a.md").revision.as_deref();
    assert_eq!(source.fetch(after.item("moved.md"), known).await.unwrap(), Fetched::Unchanged);
}

#[tokio::test]
async fn a_branch_a_tag_or_a_commit_is_read_as_it_was() {
    let repo = Repo::new();
    let first = repo.write("a.md", "first").commit();
    repo.git(&["tag", "--annotate", "--message=x", "v1"]);
    repo.git(&["branch", "old/one"]);
    repo.write("a.md", "second").commit();
    for (revision, expected) in [
        (None, "second"),
        (Some("main"), "second"),
        (Some("v1"), "first"),
        (Some("old/one"), "first"),
        (Some(first.as_str()), "first"),
    ] {
        let source = local(&repo, revision);
        let listed = list(&source).await;
        assert_eq!(text(source.fetch(listed.item("a.md"), None).await), expected, "{revision:?}");
    }
    for missing in ["nowhere", "../x", "0000000000000000000000000000000000000001"] {
        let error = list(&local(&repo, Some(missing))).await.error.unwrap();
        assert_eq!(error.class(), Class::Invalid, "{error}");
    }
}

#[tokio::test]
async fn what_can_not_be_read_costs_that_file_alone() {
    let repo = Repo::new();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    repo.write("a.md", "a").write("large.md", vec![b'x'; 100_001]).write("lfs.md", pointer);
    fs::write(repo.path().join(OsStr::from_bytes(b"\xe9.md")), "x").unwrap();
    repo.commit();
    let source = local(&repo, None);
    let listed = list(&source).await;
    assert_eq!((listed.items.len(), &listed.error), (2, &None));
    let mut problems: Vec<String> = listed.problems.iter().map(|(_, error)| error.to_string()).collect();
    problems.sort();
    assert!(problems[0].contains("large.md: it is larger than 100000 bytes"), "{problems:?}");
    assert!(problems[1].contains("its name is no UTF-8"), "{problems:?}");
    let error = source.fetch(listed.item("lfs.md"), None).await.unwrap_err();
    assert!(error.to_string().contains("Git LFS"), "{error}");
}

#[tokio::test]
async fn a_tree_that_names_itself_over_and_over_ends_at_the_limit() {
    let repo = Repo::new();
    repo.write("a.md", "a").commit();
    let mut tree = repo.git(&["rev-parse", "HEAD^{tree}"]);
    for _ in 0..10 {
        // Ten folders, each of them the tree before: ten thousand million files.
        let entries: String = (0..10).map(|n| format!("040000 tree {tree}\td{n}\n")).collect();
        let mut make = Command::new("git")
            .args(["mktree"])
            .current_dir(repo.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut make.stdin.take().unwrap(), entries.as_bytes()).unwrap();
        tree = String::from_utf8(make.wait_with_output().unwrap().stdout).unwrap().trim().to_owned();
    }
    let commit = repo.git(&["commit-tree", &tree, "-m", "x"]);
    let error = list(&local(&repo, Some(&commit))).await.error.unwrap();
    assert!(error.to_string().contains("more than 10000 files and folders"), "{error}");
}

#[tokio::test]
async fn what_is_no_repository_says_so() {
    let folder = TempDir::new().unwrap();
    for path in [folder.path().to_path_buf(), folder.path().join("nowhere")] {
        let error = list(&source(Repository::Local(path), None)).await.error.unwrap();
        assert_eq!(error.class(), Class::Invalid, "{error}");
    }
    let empty = Repo::new();
    assert!(list(&local(&empty, None)).await.error.is_some());
}

/// git's own server, over HTTP.
struct Server {
    url: String,
    /// Of each answer, how long it was.
    answers: Arc<Mutex<Vec<usize>>>,
}

impl Server {
    /// `password`: only who shows it is let in.
    async fn start(repo: &Repo, password: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/repo", listener.local_addr().unwrap());
        let (root, answers) = (repo.folder.path().to_path_buf(), Arc::<Mutex<Vec<usize>>>::default());
        let noted = Arc::clone(&answers);
        let router = Router::new().fallback(move |request: Request| {
            let (root, noted) = (root.clone(), Arc::clone(&noted));
            async move {
                if request.uri().path().starts_with("/moved") {
                    let to = request.uri().to_string().replacen("/moved", "/repo", 1);
                    return Response::builder().status(302).header("location", to).body(Body::empty()).unwrap();
                }
                // "user:word" in base64.
                if password.is_some_and(|word| request.headers().get("authorization").is_none_or(|h| h != word)) {
                    let asks = Response::builder().status(401).header("www-authenticate", "Basic realm=\"x\"");
                    return asks.body(Body::empty()).unwrap();
                }
                let (parts, body) = request.into_parts();
                let body = to_bytes(body, 1 << 20).await.unwrap();
                let answer = blocking(move || {
                    backend(&root, parts.method.as_str(), &parts.uri.to_string(), &parts.headers, &body)
                })
                .await
                .unwrap();
                noted.lock().unwrap().push(answer.1.len());
                let mut response = Response::builder();
                for line in answer.0.lines() {
                    let (name, value) = line.split_once(": ").unwrap();
                    response = match name {
                        "Status" => response.status(value.split(' ').next().unwrap()),
                        _ => response.header(name, value),
                    };
                }
                response.body(Body::from(answer.1)).unwrap()
            }
        });
        Tasks::default().spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, answers }
    }

    fn remote(&self, folder: &Path) -> Remote {
        Remote {
            url: self.url.parse().unwrap(),
            login: None,
            reach: Reach::default(),
            folder: folder.join("cache"),
            bytes_max: 10 << 20,
            time_max: Duration::from_secs(20),
        }
    }

    fn longest_answer(&self) -> usize {
        std::mem::take(&mut *self.answers.lock().unwrap()).into_iter().max().unwrap_or_default()
    }
}

/// One request by the rules of CGI: the headers of the answer, and its body.
fn backend(root: &Path, method: &str, uri: &str, headers: &HeaderMap, body: &[u8]) -> (String, Vec<u8>) {
    let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .envs([("GIT_PROJECT_ROOT", root.to_str().unwrap()), ("GIT_HTTP_EXPORT_ALL", "1"), ("PATH_INFO", path)])
        .envs([("REQUEST_METHOD", method), ("QUERY_STRING", query), ("CONTENT_TYPE", header("content-type"))])
        .envs([("GIT_PROTOCOL", header("git-protocol")), ("HTTP_CONTENT_ENCODING", header("content-encoding"))])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), body).unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    (String::from_utf8(output[..end].to_vec()).unwrap(), output[end + 4..].to_vec())
}

fn remote(remote: Remote, revision: Option<&str>) -> Source {
    source(Repository::Remote(Box::new(remote)), revision)
}

async fn read(source: &Source, ending: &str) -> String {
    let listed = list(source).await;
    assert_eq!(listed.error, None);
    text(source.fetch(listed.item(ending), None).await)
}

/// Bytes that don't get smaller.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

#[tokio::test]
async fn a_repository_on_a_server_is_brought_without_its_history_and_then_only_what_changed() {
    let repo = Repo::new();
    repo.write("old.md", noise(1, 90_000)).commit();
    repo.git(&["rm", "--quiet", "old.md"]);
    repo.write("a.md", "first").write("large.md", noise(2, 90_000)).commit();
    let (server, cache) = (Server::start(&repo, None).await, TempDir::new().unwrap());
    let source = remote(server.remote(cache.path()), None);
    let listed = list(&source).await;
    assert_eq!(listed.ids(&format!("git+{}@/", server.url)), ["a.md", "large.md"]);
    assert_eq!(text(source.fetch(listed.item("a.md"), None).await), "first");
    let whole = server.longest_answer();
    assert!((90_000..120_000).contains(&whole), "{whole}: without the file of the first commit");

    repo.write("a.md", "second").commit();
    let again = remote(server.remote(cache.path()), None); // As in another process.
    assert_eq!(read(&again, "a.md").await, "second");
    let changed = server.longest_answer();
    assert!(changed < 2_000, "{changed}");
    assert_eq!(read(&again, "a.md").await, "second");
    assert!(server.longest_answer() < 2_000);
}

#[tokio::test]
async fn branches_tags_and_commits_of_a_server_are_followed_wherever_they_go() {
    let repo = Repo::new();
    let first = repo.write("a.md", "first").commit();
    repo.git(&["tag", "--annotate", "--message=x", "v1"]);
    repo.write("a.md", "second").commit();
    repo.git(&["branch", "feature/x"]);
    let (server, cache) = (Server::start(&repo, None).await, TempDir::new().unwrap());
    for (revision, expected) in
        [("v1", "first"), ("feature/x", "second"), (first.as_str(), "first"), ("main", "second")]
    {
        assert_eq!(read(&remote(server.remote(cache.path()), Some(revision)), "a.md").await, expected, "{revision}");
    }
    // History is written anew.
    repo.git(&["reset", "--quiet", "--hard", &first]);
    repo.write("a.md", "third").commit();
    assert_eq!(read(&remote(server.remote(cache.path()), Some("main")), "a.md").await, "third");
    let error = list(&remote(server.remote(cache.path()), Some("nowhere"))).await.error.unwrap();
    assert!(error.to_string().contains("nowhere") && error.class() == Class::Invalid, "{error}");
}

#[tokio::test]
async fn a_folder_that_was_broken_is_made_anew() {
    let repo = Repo::new();
    repo.write("a.md", "a").commit();
    let (server, cache) = (Server::start(&repo, None).await, TempDir::new().unwrap());
    let settings = server.remote(cache.path());
    fs::create_dir(&settings.folder).unwrap();
    fs::write(settings.folder.join("HEAD"), "garbage").unwrap();
    assert_eq!(read(&remote(settings.clone(), None), "a.md").await, "a");
    for pack in 0..101 {
        fs::write(settings.folder.join(format!("objects/pack/tmp-{pack}")), "left by a killed process").unwrap();
    }
    assert_eq!(read(&remote(settings.clone(), None), "a.md").await, "a");
    assert!(fs::read_dir(settings.folder.join("objects/pack")).unwrap().count() < 10);
}

#[tokio::test]
async fn a_server_that_wants_a_login_is_denied_one_in_clear_text_and_nobody_is_asked() {
    let repo = Repo::new();
    repo.write("a.md", "a").commit();
    let (server, cache) = (Server::start(&repo, Some("Basic dXNlcjp3b3Jk")).await, TempDir::new().unwrap());
    let mut settings = server.remote(cache.path());
    let error = list(&remote(settings.clone(), None)).await.error.unwrap();
    assert_eq!(error.class(), Class::Denied, "{error}");
    settings.login = Some(Login { user: "user".into(), token: "word".to_owned().into() });
    let error = list(&remote(settings.clone(), None)).await.error.unwrap();
    assert!(error.to_string().contains("clear text"), "{error}");
}

#[tokio::test]
async fn a_server_is_not_followed_elsewhere_and_one_that_is_not_there_may_come_back() {
    let repo = Repo::new();
    repo.write("a.md", "a").commit();
    let (server, cache) = (Server::start(&repo, None).await, TempDir::new().unwrap());
    let mut settings = server.remote(cache.path());
    settings.url = server.url.replace("/repo", "/moved").parse().unwrap();
    assert!(list(&remote(settings.clone(), None)).await.error.is_some());
    settings.url = server.url.replace("/repo", "/nowhere").parse().unwrap();
    let error = list(&remote(settings.clone(), None)).await.error.unwrap();
    assert_eq!(error.class(), Class::NotFound, "{error}");
    settings.url = "http://127.0.0.1:1/repo".parse().unwrap();
    let error = list(&remote(settings, None)).await.error.unwrap();
    assert_eq!(error.class(), Class::Unavailable, "{error}");
}

#[tokio::test]
async fn a_repository_that_is_too_large_or_too_slow_is_given_up() {
    let repo = Repo::new();
    repo.write("a.md", noise(3, 50_000)).commit();
    let (server, cache) = (Server::start(&repo, None).await, TempDir::new().unwrap());
    let mut settings = server.remote(cache.path());
    settings.bytes_max = 40_000;
    let error = list(&remote(settings.clone(), None)).await.error.unwrap();
    assert!(matches!(error, SourceError::TooLarge { bytes_max: 40_000, .. }), "{error}");

    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    settings.url = format!("http://{}/repo", silent.local_addr().unwrap()).parse().unwrap();
    settings.time_max = Duration::from_millis(200);
    let start = std::time::Instant::now();
    let error = list(&remote(settings, None)).await.error.unwrap();
    assert!(error.to_string().contains("within 200ms") && start.elapsed() < Duration::from_secs(5), "{error}");
}

#[tokio::test]
async fn an_item_of_another_source_is_refused() {
    let repo = Repo::new();
    repo.write("a.md", "a").commit();
    let item = Item { external_id: "x".into(), name: "a.md".into(), bytes: None, revision: Some("etag \"x\"".into()) };
    assert_eq!(local(&repo, None).fetch(&item, None).await.unwrap_err().class(), Class::Invalid);
    let gone = Item { revision: Some("blob 0000000000000000000000000000000000000001".into()), ..item };
    assert!(local(&repo, None).fetch(&gone, None).await.is_err());
    let limits = Limits { entries_max: 0, ..LIMITS };
    let git = Git { repository: Repository::Local(repo.path()), revision: None, patterns: Patterns::default() };
    assert!(Listed::of(GitSource::new(git, limits).list()).await.error.is_some());
}
