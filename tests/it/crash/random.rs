//! `kill -9` at random moments of an ingest of documents that are edited, added, renamed and deleted all the while, by the
//! command line and by a server in turns. What is left in the end is what an undisturbed run makes of the last state.
//!
//! The test's own size is small; `CAIRN_TEST_KILLS` and `CAIRN_TEST_DOCUMENTS` set others.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use cairn::document::Chunk;
use cairn::ingest::texts::unpack;
use cairn::ledger::DocumentRow;

use super::{beside, ingest};
use crate::harness::process::Process;
use crate::harness::{Sandbox, default_collection, rows};

const KILLS: usize = 12;
const DOCUMENTS: usize = 60;
/// Changes to documents before each run.
const CHANGES: usize = 8;

/// Numbers in a fixed random order: SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }
}

fn size(variable: &str, default: usize) -> usize {
    #[expect(clippy::disallowed_methods, reason = "how large a test is, is no setting of cairn's")]
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn sandbox() -> Sandbox {
    Sandbox::new()
        .with("CAIRN__INGEST__CHUNKS_PER_BATCH", "1")
        .with("CAIRN__INGEST__CHUNK_TOKENS_MAX", "48")
        .with("CAIRN__INGEST__HEADING_TOKENS_MAX", "16")
}

fn write(sandbox: &Sandbox, number: usize, random: &mut Random) {
    let edition = random.below(1_000_000);
    let parts = 1 + random.below(4);
    let parts: String = (0..parts)
        .map(|part| format!("## Part {part}\n\nDrawer {number} holds part {part} of edition {edition}.\n\n"))
        .collect();
    sandbox.write(&format!("{}/{number}.md", number % 7), format!("# Drawer {number}\n\n{parts}"));
}

/// Edits, adds, breaks, renames or deletes a document.
fn change(sandbox: &Sandbox, documents: usize, random: &mut Random) {
    let number = random.below(documents);
    let path = sandbox.docs().join(format!("{}/{number}.md", number % 7));
    match random.below(6) {
        0 => drop(fs::remove_file(path)),
        1 => drop(fs::rename(&path, path.with_extension("txt"))),
        2 => drop(sandbox.write(&format!("{}/{number}.md", number % 7), b"\0\0")),
        _ => write(sandbox, number, random),
    }
}

/// Everything but the numbers of versions, which tell how often a document was begun.
#[derive(Debug, PartialEq)]
struct Contents {
    points: BTreeMap<(String, u32), (String, Chunk)>,
    texts: BTreeMap<String, String>,
    rows: Vec<(String, String, String, i64)>,
}

async fn contents(sandbox: &Sandbox) -> Contents {
    let app = sandbox.open().await;
    let rows: Vec<DocumentRow> = rows(&app).await;
    let versions: BTreeMap<&str, i64> = rows.iter().map(|row| (row.external_id.as_str(), row.version)).collect();
    let mut points = BTreeMap::new();
    for (_, point) in app.store.export(&default_collection(), None, 1_000_000).await.unwrap() {
        assert_eq!(
            versions.get(point.external_id.as_str()),
            Some(&point.version.0),
            "a point of no version that counts"
        );
        let twice = points.insert((point.external_id, point.chunk.ordinal), (point.title, point.chunk));
        assert_eq!(twice, None, "a chunk is there twice");
    }
    let mut texts = BTreeMap::new();
    for ((external_id, version), body) in app.ledger.kept_texts(&default_collection()).await.unwrap() {
        assert_eq!(versions.get(external_id.as_str()), Some(&version), "a text of no version that counts");
        texts.insert(external_id, unpack(&body).unwrap().text);
    }
    for ((external_id, _), (_, chunk)) in &points {
        assert_eq!(chunk.span.of(&texts[external_id]), chunk.text, "a span points into the text that is kept");
    }
    let rows = rows.into_iter().map(|row| (row.external_id, row.state, row.title, row.chunks)).collect();
    Contents { points, texts, rows }
}

#[tokio::test]
async fn killed_at_random_moments_while_documents_change_it_arrives_where_an_undisturbed_run_does() {
    let (kills, documents) = (size("CAIRN_TEST_KILLS", KILLS), size("CAIRN_TEST_DOCUMENTS", DOCUMENTS));
    let mut random = Random(11);
    let mut sandbox = beside(sandbox(), "undisturbed");
    (0..documents).for_each(|number| write(&sandbox, number, &mut random));
    let started = Instant::now();
    ingest(&sandbox).await;
    let longest_ms = usize::try_from(started.elapsed().as_millis()).unwrap();

    sandbox = beside(sandbox, "killed");
    let mut killed = 0;
    while killed < kills {
        let serves = killed % 3 == 2;
        if !serves {
            (0..CHANGES).for_each(|_| change(&sandbox, documents, &mut random));
        }
        let arguments: &[&str] =
            if serves { &["serve", "--listen", "127.0.0.1:0"] } else { &["ingest", "--json", "--prune", "docs"] };
        let mut process = Process::start(sandbox.cairn(arguments));
        let moment = Duration::from_millis(random.below(longest_ms) as u64);
        // A run that ends before its moment has only less to survive.
        let _ = tokio::time::timeout(moment, process.line("\"event\":\"summary\"")).await;
        let ended = process.kill().await;
        assert!(!ended.stderr.contains("panicked"), "{ended:?}");
        killed += 1;
    }
    let finish = |arguments: &'static [&'static str]| crate::harness::process::run(sandbox.cairn(arguments));
    let ended = finish(&["ingest", "--prune", "docs"]).await;
    assert!(matches!(ended.code, Some(0 | 1)), "{ended:?}");
    let found = contents(&sandbox).await;
    let sandbox = beside(sandbox, "wanted");
    crate::harness::process::run(sandbox.cairn(&["ingest", "docs"])).await;
    let wanted = contents(&sandbox).await;
    assert!(wanted.points.len() > documents / 2, "{} points", wanted.points.len());
    assert_eq!(found.rows, wanted.rows);
    assert_eq!(found.points, wanted.points);
    assert_eq!(found.texts, wanted.texts);
}
