//! What the ledger promises to those who work from it.

use std::borrow::Cow;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::document::CollectionName;

const GENERATION: &str = "this-index";
const LEASE: Duration = Duration::from_secs(60);
const OVER: Duration = Duration::ZERO;

async fn open() -> (TempDir, Ledger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = Ledger::open(&folder.path().join("ledger.sqlite")).await.unwrap();
    (folder, ledger)
}

fn name(text: &str) -> CollectionName {
    text.parse().unwrap()
}

/// A job that wants these documents indexed, in a lane of its own.
async fn job(ledger: &Ledger, collection: &str, ids: &[&str]) -> JobId {
    let collection = name(collection);
    let new = NewJob { collection: &collection, kind: JobKind::Ingest, name: "test", skipped: 0, problems: "[]" };
    let job = ledger.begin_job(new).await.unwrap();
    let work: Vec<NewWork> = ids.iter().map(|id| wanted(id, "")).collect();
    ledger.add_work(&job, job.as_str(), &collection, &work, GENERATION).await.unwrap();
    ledger.listed(&job).await.unwrap();
    job
}

fn wanted(id: &str, stamp: &str) -> NewWork {
    let (external_id, stamp) = (id.to_owned(), stamp.to_owned());
    let origin = r#"{"from":"file"}"#.to_owned();
    let (action, reading) = (Action::Index, Reading::Origin);
    NewWork { external_id, action, reading, origin, blob: String::new(), bytes: 10, stamp }
}

async fn take(ledger: &Ledger) -> Option<Work> {
    ledger.next_work(None, LEASE).await.unwrap()
}

/// Does the work as if it had indexed a chunk.
async fn index(ledger: &Ledger, work: &Work) {
    begin(ledger, work, "content").await;
    ledger.commit(work.document, IndexedAs { title: "Title", chunks: 1, notices: "[]" }).await.unwrap();
    assert!(ledger.end_work(work, Outcome::Indexed { chunks: 1 }, ("", "")).await.unwrap());
}

async fn begin(ledger: &Ledger, work: &Work, hash: &str) {
    let known = ledger.known(work.document).await.unwrap();
    let content = Content { hash, text_hash: hash, allow: &Allow::new(), metadata: &Metadata::default() };
    ledger.claim(work.document, &known, content, GENERATION).await.unwrap();
}

async fn states(ledger: &Ledger, collection: &str) -> Vec<(String, String)> {
    let rows = ledger.documents(&name(collection)).await.unwrap();
    rows.into_iter().map(|row| (row.external_id, row.state)).collect()
}

async fn state_of(ledger: &Ledger, job: &JobId) -> JobState {
    ledger.job(job).await.unwrap().unwrap().state()
}

#[tokio::test]
async fn a_ledger_of_the_version_before_keeps_what_it_knew_and_unfinished_documents_become_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let all = sqlx::migrate!("src/ledger/migrations");
    let before = all.migrations.iter().filter(|migration| migration.version <= 2).cloned().collect();
    let before = sqlx::migrate::Migrator { migrations: Cow::Owned(before), ..sqlx::migrate::Migrator::DEFAULT };
    before.run(&pool).await.unwrap();
    for (id, state, version, reason) in
        [("a", "indexed", 3, ""), ("b", "rejected", 1, "not text"), ("c", "queued", 0, ""), ("d", "working", 2, "")]
    {
        let document = DocumentId::new(&name("docs"), id).to_string();
        sqlx::query(
            "INSERT INTO documents (id, collection, external_id, state, version, content_hash, text_hash, generation,
             title, chunks, reason, allow) VALUES (?, 'docs', ?, ?, ?, 'hash', 'text', ?, 'T', 4, ?, '[\"staff\"]')",
        )
        .bind(document)
        .bind(id)
        .bind(state)
        .bind(version)
        .bind(GENERATION)
        .bind(reason)
        .execute(&pool)
        .await
        .unwrap();
    }
    pool.close().await;

    let ledger = Ledger::open(&path).await.unwrap();
    let expected = [("a", "indexed"), ("b", "rejected"), ("c", "queued"), ("d", "queued")];
    assert_eq!(states(&ledger, "docs").await, expected.map(|(id, state)| (id.to_owned(), state.to_owned())));
    let known = ledger.known(DocumentId::new(&name("docs"), "a")).await.unwrap();
    assert!(known.is_current("hash", GENERATION) && !known.is_half_made());
    assert!(known.says_otherwise(&Allow::new(), &Metadata::default()), "who may see it is kept");
    // The one that was being worked on has points of its second version, so the next one is the third.
    let (first, second) = (take(&ledger).await.unwrap(), take(&ledger).await.unwrap());
    assert_eq!((first.external_id.as_str(), second.external_id.as_str()), ("c", "d"));
    let known = ledger.known(second.document).await.unwrap();
    assert!(known.is_half_made());
    let content = Content { hash: "other", text_hash: "other", allow: &Allow::new(), metadata: &Metadata::default() };
    let claim = ledger.claim(second.document, &known, content, GENERATION).await.unwrap();
    assert_eq!((claim.version, claim.supersedes), (Version(3), true));
    ledger.end_work(&first, Outcome::Unchanged, ("", "")).await.unwrap();
    index(&ledger, &second).await;
    assert_eq!(ledger.jobs(None, None, 10).await.unwrap()[0].state(), JobState::Done);
}

#[tokio::test]
async fn collections_and_jobs_take_turns_whatever_their_size() {
    let (_folder, ledger) = open().await;
    let many: Vec<String> = (0..100).map(|n| format!("many-{n:03}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    job(&ledger, "large", &many).await;
    take(&ledger).await.unwrap();
    job(&ledger, "small", &["one"]).await;
    job(&ledger, "large", &["later"]).await;
    let mut order = Vec::new();
    for _ in 0..4 {
        order.push(take(&ledger).await.unwrap().external_id);
    }
    assert!(order.contains(&"one".to_owned()) && order.contains(&"later".to_owned()), "{order:?}");
    assert_eq!(order[0], "one", "the other collection is next");
}

#[tokio::test]
async fn a_document_whose_lease_ran_out_is_anothers_and_the_first_has_no_say_any_more() {
    let (_folder, ledger) = open().await;
    job(&ledger, "docs", &["a"]).await;
    let first = ledger.next_work(None, OVER).await.unwrap().unwrap();
    // Its lease is over with the next millisecond.
    let second = loop {
        if let Some(work) = take(&ledger).await {
            break work;
        }
    };
    assert_eq!(first.number, second.number);
    assert!(!ledger.holds(&first).await.unwrap() && ledger.holds(&second).await.unwrap());
    assert!(!ledger.end_work(&first, Outcome::Unchanged, ("", "")).await.unwrap());
    index(&ledger, &second).await;
}

#[tokio::test]
async fn a_document_is_worked_on_by_one_at_a_time_and_a_later_job_takes_the_place_of_an_earlier() {
    let (_folder, ledger) = open().await;
    let first = job(&ledger, "docs", &["a", "b"]).await;
    let a = take(&ledger).await.unwrap();
    let second = job(&ledger, "docs", &["a", "b"]).await;
    let row = ledger.job(&first).await.unwrap().unwrap();
    assert_eq!((row.superseded, row.working), (1, 1), "b was not begun");
    let b = take(&ledger).await.unwrap();
    assert_eq!((b.external_id.as_str(), &b.job), ("b", &second));
    assert!(take(&ledger).await.is_none(), "a is being worked on");
    index(&ledger, &a).await;
    assert_eq!(state_of(&ledger, &first).await, JobState::Done);
    assert_eq!(take(&ledger).await.unwrap().job, second);
}

#[tokio::test]
async fn what_failed_waits_for_its_time() {
    let (_folder, ledger) = open().await;
    let job = job(&ledger, "docs", &["a"]).await;
    let work = take(&ledger).await.unwrap();
    let retry = Retry { class: Class::Unavailable, reason: "no route".into(), pause: Duration::from_secs(3600) };
    ledger.retry_work(&work, &retry).await.unwrap();
    assert!(take(&ledger).await.is_none());
    let row = ledger.job(&job).await.unwrap().unwrap();
    assert!(row.only_waits());
    let document = ledger.document(work.document, Sight::All).await.unwrap().unwrap();
    assert_eq!((document.state.as_str(), document.reason.as_str()), ("waiting", "no route"));
    assert_eq!((document.class.as_deref(), document.failures), (Some("unavailable"), Some(1)));
    assert!(ledger.next_try_ms(None).await.unwrap().unwrap() > now_ms());
}

#[tokio::test]
async fn a_cancelled_job_leaves_documents_as_they_were_and_undoes_what_is_half_made() {
    let (_folder, ledger) = open().await;
    job(&ledger, "docs", &["a", "b"]).await;
    for _ in 0..2 {
        let work = take(&ledger).await.unwrap();
        index(&ledger, &work).await;
    }
    let second = job(&ledger, "docs", &["a", "b", "new"]).await;
    let work = take(&ledger).await.unwrap();
    begin(&ledger, &work, "changed").await;
    assert!(ledger.cancel_job(&second).await.unwrap());
    assert_eq!(state_of(&ledger, &second).await, JobState::Cancelling, "one is still being worked on");
    ledger.give_back(&work).await.unwrap();
    let undo = take(&ledger).await.unwrap();
    assert_eq!((undo.document, undo.action), (work.document, Action::Undo));
    ledger.undo(undo.document).await.unwrap();
    assert!(ledger.end_work(&undo, Outcome::Cancelled, ("", "")).await.unwrap());
    assert_eq!(state_of(&ledger, &second).await, JobState::Cancelled);
    let expected = [("a", "indexed"), ("b", "indexed")].map(|(id, state)| (id.to_owned(), state.to_owned()));
    assert_eq!(states(&ledger, "docs").await, expected, "`new` is not known any more");
    assert!(ledger.known(work.document).await.unwrap().is_current("content", GENERATION));
    assert!(!ledger.cancel_job(&second).await.unwrap(), "it has ended");
}

#[tokio::test]
async fn a_file_that_looks_as_it_did_when_it_was_indexed_never_becomes_work() {
    let (_folder, ledger) = open().await;
    let collection = name("docs");
    let ask = async |stamp: &str, generation: &str| {
        let new = NewJob { collection: &collection, kind: JobKind::Ingest, name: "test", skipped: 0, problems: "[]" };
        let job = ledger.begin_job(new).await.unwrap();
        let work = [wanted("a", stamp)];
        let added = ledger.add_work(&job, job.as_str(), &collection, &work, generation).await.unwrap();
        ledger.listed(&job).await.unwrap();
        (job, added.queued)
    };
    assert_eq!(ask("looks", GENERATION).await.1, 1);
    let work = take(&ledger).await.unwrap();
    index(&ledger, &work).await;
    let (job, queued) = ask("looks", GENERATION).await;
    assert_eq!(queued, 0);
    let row = ledger.job(&job).await.unwrap().unwrap();
    assert_eq!((row.unchanged, row.state()), (1, JobState::Done));
    for (stamp, generation) in [("other", GENERATION), ("", GENERATION), ("looks", "another-index")] {
        assert_eq!(ask(stamp, generation).await.1, 1, "{stamp:?} in {generation}");
    }
}

#[tokio::test]
async fn what_a_killed_process_held_is_queued_again_and_half_a_list_is_not_taken_for_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.sqlite");
    let ledger = Ledger::open(&path).await.unwrap();
    job(&ledger, "docs", &["a"]).await;
    let held = take(&ledger).await.unwrap();
    let collection = name("docs");
    let new = NewJob { collection: &collection, kind: JobKind::Ingest, name: "test", skipped: 0, problems: "[]" };
    let half = ledger.begin_job(new).await.unwrap();
    ledger.add_work(&half, half.as_str(), &collection, &[wanted("b", "")], GENERATION).await.unwrap();
    ledger.close().await;

    let ledger = Ledger::open(&path).await.unwrap();
    let mut done = Vec::new();
    while let Some(work) = take(&ledger).await {
        index(&ledger, &work).await;
        done.push(work.external_id);
    }
    done.sort();
    assert_eq!(done, ["a", "b"]);
    assert!(!ledger.holds(&held).await.unwrap());
    let row = ledger.job(&half).await.unwrap().unwrap();
    assert_eq!((row.state(), row.indexed), (JobState::Failed, 1));
    assert!(row.reason.contains("ask for it again"), "{row:?}");
}
