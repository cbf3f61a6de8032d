//! The real binary on a command line: exit codes, JSON for machines, sentences for people, and pipes that close.

mod doctor;
mod documents;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use cairn::answer::REFUSAL;
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::chat::{ChatStub, KEY, Step, says, says_then};
use crate::harness::process::{Ended, Process, run};
use crate::harness::served::Served;
use crate::harness::{ANSWER, QUESTION, Sandbox, UNANSWERABLE, unnamed};

async fn ingested() -> Sandbox {
    let sandbox = Sandbox::with_documents();
    let ended = run(sandbox.cairn(&["ingest", "docs"])).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    sandbox
}

#[tokio::test]
async fn an_answer_is_printed_with_its_sources_under_it() {
    let sandbox = ingested().await;
    let asked = run(sandbox.cairn(&["ask", QUESTION])).await;
    assert_eq!((asked.code, asked.stderr.as_str()), (Some(0), ""), "{asked:?}");
    let (answer, sources) = asked.stdout.split_once("\nSources\n").unwrap();
    assert!(answer.contains(ANSWER) && answer.contains("[1]"), "{answer}");
    let uri = format!("file://{}", sandbox.docs().join("network.md").display());
    assert!(sources.contains("[1] Network > Ports") && sources.contains(&uri), "{sources}");

    let refused = run(sandbox.cairn(&["ask", UNANSWERABLE])).await;
    assert_eq!(refused.code, Some(0), "a refusal is an answer");
    assert!(refused.stdout.starts_with(REFUSAL) && refused.stdout.contains("nearest documents"), "{refused:?}");
}

#[tokio::test]
async fn a_model_answers_on_the_terminal_and_one_that_cites_nothing_is_told_apart() {
    let stub = ChatStub::start([says(&["Port 2525 [1]."]), says(&["Maria Santos lives in Lisbon."])]).await;
    let sandbox = ingested().await.with("OPENAI_BASE_URL", &stub.base_url).with("OPENAI_API_KEY", KEY);
    let cited = run(sandbox.cairn(&["ask", QUESTION])).await;
    assert!(cited.stdout.starts_with("Port 2525 [1].\n\nSources\n"), "{cited:?}");
    let uncited = run(sandbox.cairn(&["ask", QUESTION])).await;
    assert_eq!(uncited.code, Some(0));
    assert!(!uncited.stdout.contains("Sources") && uncited.stdout.contains("cited no source"), "{uncited:?}");
    assert_eq!(stub.seen().asked[0].authorization.as_deref(), Some(format!("Bearer {KEY}").as_str()));
}

#[tokio::test]
async fn json_on_the_command_line_is_what_the_server_gives() {
    let sandbox = ingested().await;
    let here_asked = unnamed(run(sandbox.cairn(&["ask", "--json", QUESTION])).await.json());
    let here_found = run(sandbox.cairn(&["search", "--json", "-n", "3", "restore a backup"])).await.json();
    let served = Served::of(sandbox.open().await).await;
    assert_eq!(unnamed(served.post("/v1/ask", &json!({ "question": QUESTION })).await.json()), here_asked);
    let there = json!({ "query": "restore a backup", "limit": 3 });
    assert_eq!(served.post("/v1/search", &there).await.json(), here_found);
    // And what is read from a server that is named.
    let named = Sandbox::new();
    let there = run(named.cairn(&["ask", "--json", "--server", &served.url, QUESTION])).await.json();
    assert_eq!(unnamed(there), here_asked);
    assert!(!named.path("data").exists(), "a client of a server needs no data folder");
}

#[tokio::test]
async fn an_ingest_reports_every_document_in_json_lines_and_in_a_summary() {
    let sandbox = Sandbox::with_documents();
    let picture = sandbox.write("picture.md", b"\0\x01\x02");
    sandbox.write("photo.png", b"\x89PNG");
    let ended = run(sandbox.cairn(&["ingest", "--json", "docs", "no-such-folder"])).await;
    assert_eq!(ended.code, Some(1), "a document failed");
    assert_eq!(ended.stderr, "", "progress is for people");
    let mut lines = ended.json_lines();
    let summary = lines.pop().unwrap();
    assert_eq!(lines.len(), 7, "{lines:?}");
    let mut chunks = 0;
    for line in &lines {
        assert_eq!(line["event"], "document");
        assert!(Path::new(line["path"].as_str().unwrap()).is_absolute());
        match line["outcome"].as_str().unwrap() {
            "indexed" => chunks += line["chunks"].as_u64().unwrap(),
            "rejected" => assert_eq!(line["path"].as_str().unwrap(), picture.to_str().unwrap()),
            other => panic!("{other}"),
        }
    }
    assert_eq!(
        (&summary["event"], &summary["indexed"], &summary["skipped"]),
        (&json!("summary"), &json!(6), &json!(1))
    );
    assert_eq!((&summary["unchanged"], &summary["removed"], &summary["left"]), (&json!(0), &json!(0), &json!(0)));
    assert_eq!(summary["chunks"], chunks);
    let failed = summary["failed"].as_array().unwrap();
    assert_eq!(failed.len(), 2, "{summary}");
    for failure in failed {
        assert!(!failure["reason"].as_str().unwrap().is_empty());
    }

    // The same for people: what failed is named with its reason.
    let again = run(sandbox.cairn(&["ingest", "docs"])).await;
    assert_eq!(again.code, Some(1));
    let named = format!("failed: {}: ", picture.display());
    assert!(again.stdout.lines().any(|line| line.starts_with(&named)), "{again:?}");
    assert!(again.stdout.contains("0 indexed (0 chunks), 0 with changed access, 6 unchanged, 1 failed"), "{again:?}");

    fs::remove_file(picture).unwrap();
    fs::remove_file(sandbox.docs().join("faq.html")).unwrap();
    let pruned = run(sandbox.cairn(&["ingest", "--json", "--prune", "docs"])).await;
    assert_eq!(pruned.code, Some(0), "{pruned:?}");
    assert_eq!(pruned.json_lines().pop().unwrap()["removed"], 2);
}

#[tokio::test]
async fn nothing_is_pruned_when_something_could_not_be_read() {
    let sandbox = ingested().await;
    fs::remove_file(sandbox.docs().join("faq.html")).unwrap();
    let ended = run(sandbox.cairn(&["ingest", "--prune", "docs", "no-such-folder"])).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("nothing was pruned"), "{ended:?}");
    assert!(ended.stdout.contains("0 removed"), "{ended:?}");
}

#[tokio::test]
async fn a_rebuild_keeps_the_old_index_beside_the_new_one() {
    let sandbox = ingested().await.with("CAIRN__INGEST__CHUNK_TOKENS_MAX", "128");
    let refused = run(sandbox.cairn(&["ingest", "docs"])).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains("--rebuild"), "{refused:?}");
    let rebuilt = run(sandbox.cairn(&["ingest", "--rebuild", "docs"])).await;
    assert_eq!(rebuilt.code, Some(0), "{rebuilt:?}");
    assert!(rebuilt.stdout.starts_with("6 indexed"), "{rebuilt:?}");
    assert!(rebuilt.stderr.contains("index.old-1"), "{rebuilt:?}");
    assert!(sandbox.path("data/index.old-1").is_dir());
    assert!(run(sandbox.cairn(&["ask", QUESTION])).await.stdout.contains(ANSWER));
}

#[tokio::test]
async fn a_rebuild_that_can_not_begin_leaves_the_index_where_it_is() {
    let sandbox = ingested().await;
    let empty = sandbox.path("empty-folder");
    fs::create_dir(&empty).unwrap();
    let mut command = sandbox.cairn(&["ingest", "--rebuild", "docs"]);
    command.env("CAIRN__MODELS__DIR", &empty);
    let refused = run(command).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(!sandbox.path("data/index.old-1").exists(), "the index was set aside, and there is no other");
    assert!(run(sandbox.cairn(&["ask", QUESTION])).await.stdout.contains(ANSWER));
}

#[tokio::test]
async fn a_rebuild_of_nothing_at_all_is_refused() {
    let sandbox = ingested().await;
    let refused = run(sandbox.cairn(&["ingest", "--rebuild", "no-such-folder"])).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(
        run(sandbox.cairn(&["ask", QUESTION])).await.stdout.contains(ANSWER),
        "a slip of the finger emptied the index"
    );
}

#[tokio::test]
async fn ctrl_c_ends_an_ingest_with_130_and_says_how_to_go_on() {
    let sandbox = Sandbox::new().with("CAIRN__INGEST__DOCUMENTS_IN_FLIGHT", "1");
    for number in 0..60 {
        sandbox.write(&format!("{number}.md"), format!("# Report {number}\n\n{}", "The river rose again. ".repeat(80)));
    }
    for signal in ["INT", "TERM"] {
        let mut process = Process::start(sandbox.cairn(&["ingest", "--json", "docs"]));
        process.line("\"outcome\":\"indexed\"").await;
        process.signal(signal);
        let ended = process.end().await;
        assert_eq!(ended.code, Some(130), "{signal}: {ended:?}");
        let summary = ended.json_lines().pop().unwrap();
        assert_eq!(summary["event"], "summary");
        let left = summary["left"].as_u64().unwrap();
        let done = summary["indexed"].as_u64().unwrap() + summary["unchanged"].as_u64().unwrap();
        assert!(left > 0 && done > 0 && left + done == 60, "{summary}");
    }
    let mut process = Process::start(sandbox.cairn(&["ingest", "docs"]));
    process.line("ingest: ").await;
    process.signal("INT");
    let ended = process.end().await;
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(ended.stdout.contains("run it again to go on"), "{ended:?}");
    let ended = run(sandbox.cairn(&["ingest", "--json", "docs"])).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let summary = ended.json_lines().pop().unwrap();
    assert_eq!(summary["indexed"].as_u64().unwrap() + summary["unchanged"].as_u64().unwrap(), 60);
    assert!(summary["unchanged"].as_u64().unwrap() >= 2, "what was finished is not done again");
}

#[tokio::test]
async fn ctrl_c_ends_a_question_with_130() {
    let stub = ChatStub::start([says_then(&["One. ", "Then it "], &[Step::Silence])]).await;
    let sandbox = ingested().await.with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    let process = Process::start(sandbox.cairn(&["ask", QUESTION]));
    stub.sees("the upstream call", |seen| seen.asked.len() == 1).await;
    process.signal("INT");
    assert_eq!(process.end().await.code, Some(130));
    stub.sees("the upstream call to end", |seen| seen.left == 1).await;
}

#[tokio::test]
async fn a_reader_that_leaves_early_costs_no_panic_and_no_complaint() {
    let sandbox = ingested().await;
    for arguments in [
        &["ask", QUESTION][..],
        &["ask", "--json", QUESTION],
        &["search", "port"],
        &["search", "--json", "port"],
        &["ingest", "docs"],
        &["ingest", "--json", "docs"],
        &["doctor"],
        &["models", "list"],
        &["--help"],
    ] {
        let mut command = sandbox.cairn(arguments);
        command.stdout(closed_pipe()).stderr(Stdio::piped());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let complaints: Vec<&str> = said.lines().filter(|line| !line.starts_with("ingest: ")).collect();
        assert_eq!(complaints, Vec::<&str>::new(), "{arguments:?}");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
    }
}

#[tokio::test]
async fn standard_error_may_be_closed_as_well() {
    let sandbox = ingested().await;
    sandbox.write("more.md", "# More\n\nThere is one more document now.\n");
    for (arguments, code) in [
        (&["ingest", "docs"][..], 0),
        (&["ask", QUESTION, "--log", "trace"], 0),
        (&["ask", QUESTION, "--collection", "nope"], 1),
        (&["ask", QUESTION, "--config", "/nowhere/cairn.toml"], 1),
        (&["ingest", "--prune", "docs", "no-such-folder"], 1),
    ] {
        let mut command = sandbox.cairn(arguments);
        command.stdout(closed_pipe()).stderr(closed_pipe());
        let status = command.status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}: {status}");
    }
}

#[tokio::test]
async fn a_wrong_configuration_is_one_sentence_that_names_the_key_and_exit_1() {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("cairn.toml"), "[server]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let key_file = sandbox.path("key");
    fs::write(&key_file, KEY).unwrap();
    let key_file = format!("chat.api_key_file={}", key_file.display());
    let secret = format!("chat.api_key={KEY}");
    let unreadable = sandbox.path("broken.toml");
    fs::write(&unreadable, "[server\nlisten").unwrap();
    for (arguments, words) in [
        (&["--set", "retrieval.top_k=3"][..], "top_k"),
        (&["--set", "nonsense.key=3"], "nonsense"),
        (&["--set", "retrieval.candidates=many"], "retrieval.candidates"),
        (&["--set", "retrieval.candidates=2"], "retrieval.passages_max (6)"),
        (&["--set", "ingest.chunk_tokens_max=5"], "ingest.chunk_tokens_max"),
        (&["--set", "ingest.collection=Not A Name"], "Not A Name"),
        (&["--set", "server.drain_timeout=soon"], "drain_timeout"),
        (&["--set", "server.body_bytes_max=lots"], "body_bytes_max"),
        (&["--set", "server.answers_max=0"], "server.answers_max"),
        (&["--set", "server.listen=nowhere"], "listen"),
        (&["--set", "chat.base_url=localhost"], "chat.base_url"),
        (&["--set", "embed.base_url=http://localhost/v1"], "embed.dimensions"),
        (&["--set", "log.level=loud=er=x"], "log.level"),
        (&["--set", "log.format=xml"], "xml"),
        (&["--set", "retrieval.relevance_min=9"], "retrieval.relevance_min"),
        (&["--set", &key_file, "--set", &secret], "both chat.api_key and chat.api_key_file"),
        (&["--set", "chat.api_key_file=/nowhere/key"], "/nowhere/key"),
        (&["--config", "/nowhere/cairn.toml"], "/nowhere/cairn.toml"),
        (&["--config", unreadable.to_str().unwrap()], "broken.toml"),
    ] {
        let ended = run(sandbox.cairn(&[arguments, &["search", "port"]].concat())).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with("cairn: "), "{ended:?}");
        assert!(ended.stderr.contains(words), "{arguments:?}: {ended:?}");
        assert!(!ended.stderr.contains(KEY), "{ended:?}");
        says_it_once(&ended);
    }
    let wrong_command_line = run(sandbox.cairn(&["--set", "no-equals-sign", "search", "port"])).await;
    assert_eq!(wrong_command_line.code, Some(2), "{wrong_command_line:?}");
    let variable = Sandbox::new().with("CAIRN__CHAT__BASEURL", "x");
    let ended = run(variable.cairn(&["search", "port"])).await;
    assert!(ended.stderr.contains("baseurl"), "{ended:?}");
}

#[tokio::test]
async fn a_prompt_template_with_a_mistake_is_found_at_the_start() {
    let sandbox = Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", "http://127.0.0.1:9/v1");
    for (template, words) in [("{% block system %}{% endblock %}", "user"), ("{{ unclosed", "answer.j2")] {
        let file = sandbox.path("prompt.j2");
        fs::write(&file, template).unwrap();
        let set = format!("chat.prompt_file={}", file.display());
        let ended = run(sandbox.cairn(&["serve", "--set", &set, "--listen", "127.0.0.1:0"])).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(words), "{ended:?}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_one_sentence_that_says_each_thing_once() {
    let sandbox = Sandbox::with_documents();
    // A port at which nothing listens any more.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let free = listener.local_addr().unwrap().to_string();
    drop(listener);
    let url = format!("http://{free}");
    let file = sandbox.path("a-file");
    fs::write(&file, "").unwrap();
    let data = format!("data.dir={}", file.display());
    for (arguments, words) in [
        (&["ask", "--server", &url, "q"][..], "reach the server"),
        (&["search", "--set", &data, "q"], "a-file"),
        (&["ingest", "--set", &data, "docs"], "a-file"),
        (&["ask", "q"], "holds no documents"),
        (&["ask", " "], "empty"),
        (&["ask", "q", "--collection", "nope"], "cairn ingest --collection nope"),
    ] {
        let ended = run(sandbox.cairn(arguments)).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        assert!(ended.stderr.starts_with("cairn: ") && ended.stderr.contains(words), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stdout, "");
        says_it_once(&ended);
    }
}

#[tokio::test]
async fn a_damaged_ledger_is_a_sentence_and_not_a_wipe() {
    let sandbox = ingested().await;
    let ledger = sandbox.path("data/ledger.sqlite");
    for file in ["data/ledger.sqlite-wal", "data/ledger.sqlite-shm"] {
        let _ = fs::remove_file(sandbox.path(file)); // There only where the last process did not close it.
    }
    let noise = vec![7; 8192];
    fs::write(&ledger, &noise).unwrap();
    let ended = run(sandbox.cairn(&["ingest", "docs"])).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("ledger"), "{ended:?}");
    assert_eq!(fs::read(&ledger).unwrap(), noise, "it is left as it was found");
}

#[tokio::test]
async fn what_a_document_says_can_not_command_the_terminal() {
    let sandbox = Sandbox::new();
    // Sets the window's title, fills the clipboard, clears the screen: whatever a terminal obeys.
    let hostile =
        "The heron \u{1b}]0;owned\u{7}nests in \u{1b}]52;c;b3duZWQ=\u{7}the reeds \u{1b}[2J\u{9b}31mof the lake.";
    sandbox.write("heron.md", format!("# Herons \u{1b}[31m\n\n{hostile}\n"));
    sandbox.write("picture\u{1b}[2J.md", b"\0");
    for arguments in [&["ingest", "docs"][..], &["ask", "Where does the heron nest?"], &["search", "heron"]] {
        let ended = run(sandbox.cairn(arguments)).await;
        for printed in [ended.stdout, ended.stderr] {
            let command = printed.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(command, None, "{arguments:?}: {printed:?}");
        }
    }
    // Machines get it as it is, in JSON's own spelling.
    let found = run(sandbox.cairn(&["search", "--json", "heron"])).await;
    assert!(found.json()["results"][0]["text"].as_str().unwrap().contains(hostile));
    assert!(!found.stdout.contains('\u{1b}'));
}

#[tokio::test]
async fn this_machine_is_not_reached_through_a_proxy() {
    let stub = ChatStub::start([says(&["Port 2525 [1]."])]).await;
    let sandbox =
        ingested().await.with("CAIRN__CHAT__BASE_URL", &stub.base_url).with("CAIRN__SERVER__ALLOW_ANONYMOUS", "true");
    // Nothing listens at this proxy, so whatever is sent to it fails.
    let through_proxy = |arguments: &[&str]| {
        let mut command = sandbox.cairn(arguments);
        command.env("HTTP_PROXY", "http://127.0.0.1:1").env("http_proxy", "http://127.0.0.1:1");
        command
    };
    let asked = run(through_proxy(&["ask", QUESTION])).await;
    assert_eq!(asked.code, Some(0), "the chat endpoint: {asked:?}");
    let mut server = Process::start(through_proxy(&["serve", "--listen", "0.0.0.0:0"]));
    server.line("serving http://").await;
    let asked = run(through_proxy(&["ask", QUESTION])).await;
    assert_eq!(asked.code, Some(0), "the server that has the data folder: {asked:?}");
}

#[tokio::test]
async fn the_version_and_the_help_are_printed() {
    let sandbox = Sandbox::new();
    let version = run(sandbox.cairn(&["--version"])).await;
    assert_eq!((version.code, version.stdout), (Some(0), format!("cairn {}\n", env!("CARGO_PKG_VERSION"))));
    let help = run(sandbox.cairn(&["--help"])).await;
    for command in ["ingest", "ask", "search", "serve", "doctor", "models"] {
        assert!(help.stdout.contains(&format!("\n  {command} ")), "{command}");
    }
    assert_eq!(run(sandbox.cairn(&["dance"])).await.code, Some(2));
    assert_eq!(run(sandbox.cairn(&["ingest"])).await.code, Some(2));
}

#[tokio::test]
async fn a_configuration_in_the_current_folder_and_one_that_is_named_are_used() {
    let sandbox = ingested().await;
    fs::write(sandbox.path("cairn.toml"), "[ingest]\ncollection = \"elsewhere\"\n").unwrap();
    let here = run(sandbox.cairn(&["ask", QUESTION])).await;
    assert!(here.stderr.contains("\"elsewhere\" holds no documents"), "{here:?}");
    let named = sandbox.path("named.toml");
    fs::write(&named, "[ingest]\ncollection = \"named\"\n").unwrap();
    let mut command = sandbox.cairn(&["ask", QUESTION]);
    command.env("CAIRN_CONFIG", &named);
    assert!(run(command).await.stderr.contains("\"named\" holds no documents"));
    let flag = run(sandbox.cairn(&[
        "ask",
        QUESTION,
        "--config",
        named.to_str().unwrap(),
        "--set",
        "ingest.collection=default",
    ]))
    .await;
    assert_eq!(flag.code, Some(0), "{flag:?}");
}

#[tokio::test]
async fn a_data_folder_that_can_not_be_written_is_a_sentence() {
    let sandbox = Sandbox::with_documents();
    let folder = sandbox.path("locked");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    // Whoever may write everywhere has no such trouble; /proc refuses even them.
    for place in [folder.join("data"), "/proc/cairn".into()] {
        if fs::create_dir(&place).is_ok() {
            fs::remove_dir(&place).unwrap();
            continue;
        }
        let set = format!("data.dir={}", place.display());
        let ended = run(sandbox.cairn(&["ingest", "--set", &set, "docs"])).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains(&format!("use the data folder {}", place.display())), "{ended:?}");
        says_it_once(&ended);
    }
}

/// No part of the complaint stands in it twice, as it does where an error's text and its cause say the same.
fn says_it_once(ended: &Ended) {
    let complaint = ended.stderr.trim_end();
    let parts: Vec<&str> = complaint.split(": ").collect();
    for (at, part) in parts.iter().enumerate() {
        let again = part.len() > 8 && parts[at + 1..].contains(part);
        assert!(!again, "{part:?} is said twice: {complaint}");
    }
}

/// A pipe whose reader has gone.
fn closed_pipe() -> Stdio {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    writer.into()
}
