//! The queue and its worker: what waits, what is given up, what is called off, and who comes when.

use std::fs;

use cairn::app::App;
use cairn::ingest::origin::Upload;
use cairn::ingest::queue::Accepted;
use cairn::ingest::worker::Until;
use cairn::ledger::{JobId, JobState};
use cairn::tasks::Tasks;

use crate::harness::{
    Sandbox, Vanished, begin_ingest, chunk_count, default_collection, fixtures, ingest, rows, search, summary, until,
};

/// One that tries again at once.
fn impatient() -> Sandbox {
    Sandbox::new().with("CAIRN__INGEST__RETRY_PAUSE_MIN", "1ms").with("CAIRN__INGEST__RETRY_PAUSE_MAX", "1ms")
}

async fn work(app: &App, until: Until<'_>) {
    app.worker.run(until, std::future::pending()).await.unwrap();
}

async fn state(app: &App, job: &JobId) -> JobState {
    app.ledger.job(job).await.unwrap().unwrap().state()
}

/// A document of many batches.
fn long(edition: &str) -> String {
    (0..80).map(|n| format!("## Part {n}\n\nHeron {n} of the {edition} edition waits at the vault.\n\n")).collect()
}

/// Works until the condition holds, and stops then.
async fn work_until(app: &App, what: &str, holds: impl AsyncFnMut() -> bool) {
    let tasks = Tasks::default();
    let stops = async {
        until(what, holds).await;
        tasks.stop();
    };
    let (worked, ()) = tokio::join!(app.worker.run(Until::Stopped, tasks.stopped()), stops);
    worked.unwrap();
}

#[tokio::test]
async fn what_fails_for_now_waits_and_is_indexed_once_it_is_well() {
    let sandbox = impatient();
    sandbox.write("a.md", "# A\n\nThe heron waits.\n");
    let sandbox = sandbox.with("CAIRN__STORE__FREE_SPACE_MIN", "1 MiB");
    drop(sandbox.open().await); // The index itself needs room to be made.
    let sandbox = sandbox.with("CAIRN__STORE__FREE_SPACE_MIN", "900 TiB").with("CAIRN__INGEST__RETRY_PAUSE_MIN", "1h");
    let sandbox = sandbox.with("CAIRN__INGEST__RETRY_PAUSE_MAX", "1h");
    let app = sandbox.open().await;
    let job = begin_ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Stay).await;
    work(&app, Until::AtRest(&job)).await;
    let row = rows(&app).await.remove(0);
    assert_eq!(row.state, "waiting");
    assert!(row.reason.contains("store.free_space_min"), "{row:?}");
    let told = summary(&app, &job).await;
    assert_eq!((told.waiting, told.failed.len(), told.left), (1, 1, 0), "{told:?}");
    drop(app);

    let sandbox = sandbox.with("CAIRN__STORE__FREE_SPACE_MIN", "1 MiB");
    let app = sandbox.open().await;
    assert_eq!(state(&app, &job).await, JobState::Running, "it is still to be done");
    let retried = app.queue.retry(&default_collection(), &[]).await.unwrap();
    assert_eq!(state(&app, &job).await, JobState::Done, "another job does it");
    work(&app, Until::AtRest(&retried)).await;
    assert_eq!(rows(&app).await[0].state, "indexed");
}

#[tokio::test]
async fn what_never_gets_well_is_given_up_after_so_many_tries_and_the_old_version_answers_on() {
    let sandbox = impatient().with("CAIRN__INGEST__ATTEMPTS_MAX", "3");
    sandbox.write("a.md", "# A\n\nThe heron waits.\n");
    drop(sandbox.ingested().await);
    sandbox.write("a.md", "# A\n\nThe heron left.\n");
    let sandbox = sandbox.with("CAIRN__STORE__FREE_SPACE_MIN", "900 TiB");
    let app = sandbox.open().await;
    let job = begin_ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Stay).await;
    let ended = async || state(&app, &job).await == JobState::Done;
    work_until(&app, "the job's end", ended).await;
    let document = app.ledger.failed_of(&job, 10).await.unwrap().remove(0);
    assert_eq!((document.outcome.as_str(), document.code.as_str()), ("rejected", "gave_up"));
    assert!(search(&app, "heron").await[0].chunk.text.contains("waits"));
    drop(app);
    let sandbox = sandbox.with("CAIRN__STORE__FREE_SPACE_MIN", "1 MiB");
    let app = sandbox.open().await;
    assert_eq!(sandbox.ingest(&app).await.indexed, 1);
    assert!(search(&app, "heron").await.iter().all(|hit| hit.chunk.text.contains("left")));
}

#[tokio::test]
async fn a_cancelled_job_comes_to_rest_between_two_batches_and_leaves_documents_as_they_were() {
    let sandbox = Sandbox::new().with("CAIRN__INGEST__CHUNKS_PER_BATCH", "1");
    sandbox.write("herons.md", long("first"));
    let app = sandbox.ingested().await;
    let chunks = chunk_count(&app).await;
    sandbox.write("herons.md", long("second"));
    for number in 0..5 {
        sandbox.write(&format!("z{number}.md"), long("other"));
    }
    let job = begin_ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Stay).await;
    let calls_off = async {
        until("a chunk of the second edition", async || chunk_count(&app).await > chunks + 8).await;
        assert!(app.queue.cancel(&job).await.unwrap());
    };
    let ((), ()) = tokio::join!(work(&app, Until::AtRest(&job)), calls_off);
    assert_eq!(state(&app, &job).await, JobState::Cancelled);
    let told = summary(&app, &job).await;
    assert_eq!((told.indexed, told.left, told.failed.len()), (0, 6, 0), "{told:?}");
    assert_eq!(chunk_count(&app).await, chunks, "what was half-made is gone");
    assert!(search(&app, "heron vault").await.iter().all(|hit| hit.chunk.text.contains("first")));
    let rows = rows(&app).await;
    assert_eq!(rows.len(), 1, "{rows:?}");
    assert_eq!((rows[0].state.as_str(), rows[0].version), ("indexed", 1));
    assert_eq!(sandbox.ingest(&app).await.indexed, 6, "and all of it can be done again");
}

#[tokio::test]
async fn a_stopped_worker_gives_back_what_it_had_and_the_next_goes_on() {
    let sandbox = Sandbox::new().with("CAIRN__INGEST__CHUNKS_PER_BATCH", "1");
    for number in 0..4 {
        sandbox.write(&format!("{number}.md"), long("first"));
    }
    let app = sandbox.open().await;
    let job = begin_ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Stay).await;
    work_until(&app, "the first chunks", async || chunk_count(&app).await > 3).await;
    let row = app.ledger.job(&job).await.unwrap().unwrap();
    assert_eq!((row.working, row.waiting), (0, 0));
    assert!(row.queued() > 0, "{row:?}");
    work(&app, Until::AtRest(&job)).await;
    let told = summary(&app, &job).await;
    assert_eq!((told.indexed, told.failed.len(), chunk_count(&app).await), (4, 0, told.chunks));
}

#[tokio::test]
async fn an_upload_does_not_wait_for_a_large_job() {
    let sandbox = Sandbox::new().with("CAIRN__INGEST__DOCUMENTS_IN_FLIGHT", "1");
    for number in 0..60 {
        sandbox.write(&format!("{number:02}.md"), format!("# Report {number}\n\nThe river rose.\n"));
    }
    let app = sandbox.open().await;
    let large = begin_ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Stay).await;
    let mut receiving = app.queue.uploads().receive(1000).await.unwrap();
    receiving.write(b"# Vault\n\nThe heron waits.\n").await.unwrap();
    let stored = receiving.finish().await.unwrap();
    let upload = Upload { blob: stored.blob.clone(), name: "v.md".into(), title: None, sidecar: None };
    let accepted = app.queue.upload(&default_collection(), "vault", (upload.clone(), stored.bytes)).await.unwrap();
    let Accepted::Queued(job) = &accepted else { panic!("{accepted:?}") };
    let again = app.queue.upload(&default_collection(), "vault", (upload, stored.bytes)).await.unwrap();
    assert_eq!(again, accepted, "the same again is the same job");
    let done = async || state(&app, job).await == JobState::Done;
    work_until(&app, "the upload's end", done).await;
    let row = app.ledger.job(&large).await.unwrap().unwrap();
    assert!(row.ended < 10, "{} documents came first", row.ended);
}

#[tokio::test]
async fn files_that_look_as_they_did_are_not_read_again() {
    // Files that changed long enough ago for their looks to tell.
    let paths = [fixtures().join("kestrel")];
    let sandbox = Sandbox::new();
    let app = sandbox.open().await;
    let first = ingest(&app, &default_collection(), &paths, Vanished::Stay).await;
    assert_eq!((first.indexed, first.failed.len()), (6, 0), "{first:?}");
    let job = begin_ingest(&app, &default_collection(), &paths, Vanished::Stay).await;
    let row = app.ledger.job(&job).await.unwrap().unwrap();
    assert_eq!((row.documents, row.unchanged, row.state()), (0, 6, JobState::Done), "nothing is left to do");
}

#[tokio::test]
async fn a_file_that_is_gone_when_its_turn_comes_is_rejected_and_nothing_else_is() {
    let sandbox = Sandbox::new();
    sandbox.write("a.md", "# A\n\nThe heron waits.\n");
    sandbox.write("b.md", "# B\n\nThe heron left.\n");
    let app = sandbox.open().await;
    let job = begin_ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Stay).await;
    fs::remove_file(sandbox.docs().join("a.md")).unwrap();
    work(&app, Until::AtRest(&job)).await;
    let told = summary(&app, &job).await;
    assert_eq!((told.indexed, told.failed.len()), (1, 1), "{told:?}");
    let failed = app.ledger.failed_of(&job, 10).await.unwrap().remove(0);
    assert_eq!(failed.code, "source_missing");
}
