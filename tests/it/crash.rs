//! `kill -9` in the middle of an ingest: whatever was cut off, running it again arrives at what an undisturbed run
//! makes, point by point and row by row.
//!
//! The folder of documents is the same for both, only the data folders differ, so every id must be the same as well.

mod random;

use std::fs;
use std::path::Path;

use cairn::document::Hit;
use cairn::ledger::DocumentRow;

use crate::harness::process::{Process, run};
use crate::harness::{Sandbox, chunk_count, rows, search, until};

/// Documents, each of several batches of chunks.
const DOCUMENTS: usize = 10;
const SECTIONS: usize = 5;

/// When the run is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// As soon as this file of the data folder is there.
    FileAppears(&'static str),
    /// After so many documents have ended.
    Documents(usize),
}

/// Documents with many sections, so that a kill falls between the batches of one as well as between two of them.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new()
        .with("CAIRN__INGEST__CHUNKS_PER_BATCH", "2")
        .with("CAIRN__INGEST__DOCUMENTS_IN_FLIGHT", "2")
        .with("CAIRN__INGEST__CHUNK_TOKENS_MAX", "64")
        .with("CAIRN__INGEST__HEADING_TOKENS_MAX", "16");
    for number in 0..DOCUMENTS {
        write(&sandbox, number, "first");
    }
    sandbox
}

fn write(sandbox: &Sandbox, number: usize, edition: &str) {
    let section = |section: usize| {
        let sentence =
            format!("Machine {number} of the {edition} edition has part {section} in drawer {}. ", number * section);
        format!("## Part {section}\n\n{}\n\n", sentence.repeat(4))
    };
    let sections: String = (0..SECTIONS).map(section).collect();
    sandbox.write(&format!("machine-{number}.md"), format!("# Machine {number}\n\n{sections}"));
}

/// The same documents and another data folder.
fn beside(sandbox: Sandbox, name: &str) -> Sandbox {
    let data = sandbox.path(name);
    sandbox.with("CAIRN__DATA__DIR", data.to_str().unwrap())
}

/// Starts an ingest and kills it at the moment. False: it had ended before.
async fn ingest_and_kill(sandbox: &Sandbox, data: &Path, moment: Moment) -> bool {
    let mut process = Process::start(sandbox.cairn(&["ingest", "--json", "docs"]));
    match moment {
        Moment::FileAppears(file) => until(file, async || data.join(file).exists()).await,
        Moment::Documents(count) => {
            for _ in 0..count {
                process.line("\"event\":\"document\"").await;
            }
        }
    }
    let ended = process.kill().await;
    assert!(!ended.stderr.contains("panicked"), "{ended:?}");
    ended.signal == Some(9)
}

async fn ingest(sandbox: &Sandbox) -> serde_json::Value {
    let ended = run(sandbox.cairn(&["ingest", "--json", "docs"])).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    ended.json_lines().pop().unwrap()
}

/// All that there is: points without their rank, which depends on nothing that a crash may change either, and rows.
async fn contents(sandbox: &Sandbox) -> (Vec<Hit>, Vec<DocumentRow>) {
    let app = sandbox.open().await;
    let mut hits = search(&app, "Which drawer has the part of the machine?").await;
    assert_eq!(hits.len(), chunk_count(&app).await, "the search finds all there is");
    hits.sort_by(|a, b| (&a.external_id, a.chunk.ordinal).cmp(&(&b.external_id, b.chunk.ordinal)));
    for hit in &mut hits {
        hit.score = 0.0;
    }
    (hits, rows(&app).await)
}

const MOMENTS: [Moment; 6] = [
    Moment::FileAppears("ledger.sqlite"),
    Moment::FileAppears("index"),
    Moment::Documents(1),
    Moment::Documents(3),
    Moment::Documents(6),
    Moment::Documents(DOCUMENTS - 1),
];

#[tokio::test]
async fn a_killed_first_ingest_that_is_run_again_converges() {
    let sandbox = beside(sandbox(), "undisturbed");
    ingest(&sandbox).await;
    let wanted = contents(&sandbox).await;
    assert_eq!(wanted.1.len(), DOCUMENTS);
    assert!(wanted.0.len() >= DOCUMENTS * SECTIONS, "{} chunks", wanted.0.len());
    let mut sandbox = sandbox;
    let mut killed = 0;
    for (number, moment) in MOMENTS.into_iter().enumerate() {
        let name = format!("killed-{number}");
        sandbox = beside(sandbox, &name);
        killed += usize::from(ingest_and_kill(&sandbox, &sandbox.path(&name), moment).await);
        let summary = ingest(&sandbox).await;
        assert_eq!(summary["indexed"].as_u64().unwrap() + summary["unchanged"].as_u64().unwrap(), DOCUMENTS as u64);
        if let Moment::Documents(count) = moment {
            assert!(
                summary["unchanged"].as_u64().unwrap() >= count as u64,
                "what had ended is not done again: {summary}"
            );
        }
        // The very same: versions too, as the content was the same both times.
        assert_eq!(contents(&sandbox).await, wanted, "{moment:?}");
    }
    assert!(killed >= MOMENTS.len() - 1, "{killed} were killed in the middle");
}

#[tokio::test]
async fn an_ingest_of_changed_documents_that_is_killed_and_run_again_leaves_nothing_of_the_old() {
    let mut sandbox = beside(sandbox(), "undisturbed");
    ingest(&sandbox).await;
    for number in 0..MOMENTS.len() {
        copy(&sandbox.path("undisturbed"), &sandbox.path(&format!("killed-{number}")));
    }
    for number in (0..DOCUMENTS).step_by(2) {
        write(&sandbox, number, "second");
    }
    ingest(&sandbox).await;
    let wanted = contents(&sandbox).await;
    for (number, count) in [0, 1, 2, 4, 6, 9].into_iter().enumerate() {
        let name = format!("killed-{number}");
        sandbox = beside(sandbox, &name);
        ingest_and_kill(&sandbox, &sandbox.path(&name), Moment::Documents(count)).await;
        ingest(&sandbox).await;
        assert_eq!(contents(&sandbox).await, wanted, "killed after {count} documents");
    }
    assert!(wanted.0.iter().any(|hit| hit.version.0 == 2) && wanted.0.iter().any(|hit| hit.version.0 == 1));
    let stale = |hit: &&Hit| hit.version.0 == 1 && !hit.chunk.text.contains("first edition");
    assert_eq!(wanted.0.iter().find(stale), None);
}

#[tokio::test]
async fn an_ingest_that_is_killed_again_and_again_still_arrives() {
    let mut sandbox = beside(sandbox(), "undisturbed");
    ingest(&sandbox).await;
    let wanted = contents(&sandbox).await;
    sandbox = beside(sandbox, "killed");
    let is_told = |line: &str| line.contains("\"indexed\"") || line.contains("\"summary\"");
    loop {
        let mut process = Process::start(sandbox.cairn(&["ingest", "--json", "docs"]));
        let line = process.line_where("a document or the end", is_told).await;
        process.kill().await;
        if line.contains("\"summary\"") {
            break;
        }
    }
    ingest(&sandbox).await;
    assert_eq!(contents(&sandbox).await, wanted);
}

#[tokio::test]
async fn a_document_that_changes_between_the_kill_and_the_next_run_leaves_no_half_of_either() {
    let mut sandbox = sandbox();
    for (number, count) in [1, 4].into_iter().enumerate() {
        let name = format!("killed-{number}");
        sandbox = beside(sandbox, &name);
        ingest_and_kill(&sandbox, &sandbox.path(&name), Moment::Documents(count)).await;
        for number in 0..DOCUMENTS {
            write(&sandbox, number, "third");
        }
        ingest(&sandbox).await;
        let (hits, rows) = contents(&sandbox).await;
        assert!(hits.iter().all(|hit| !hit.chunk.text.contains("first edition")), "an old half is still found");
        assert_eq!(hits.len() as i64, rows.iter().map(|row| row.chunks).sum::<i64>(), "points are those of the ledger");
        for number in 0..DOCUMENTS {
            write(&sandbox, number, "first");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
