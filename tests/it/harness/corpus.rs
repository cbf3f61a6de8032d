//! 50,000 real chunks with their vectors, for tests of searching that small numbers can't show.
//!
//! The texts are the comments of the crates that cairn is built from, which are wherever its tests are, cut by cairn's
//! own chunker and embedded by its own model. Embedding them takes minutes, so their vectors are kept in
//! `~/.cache/cairn/test-vectors`, under a name that follows from texts and model.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use cairn::document::sha256;
use cairn::embed::{Embedder, Purpose};
use cairn::ingest::chunk::{ChunkLimits, Chunker};
use cairn::ingest::extract::{ExtractLimits, extract};
use futures::StreamExt;
use ndarray::ArrayView2;

use super::{Sandbox, models_dir, repository};

pub(crate) const CHUNKS: usize = 50_000;
pub(crate) const QUESTIONS: usize = 200;
/// Short, so that as many as this are embedded in minutes.
const CHUNK_TOKENS_MAX: usize = 48;
/// A shorter chunk says too little to be asked about.
const CHUNK_BYTES_MIN: usize = 60;
const TEXTS_PER_REQUEST: usize = 256;
const REQUESTS_IN_FLIGHT: usize = 4;

/// Real chunks: those that are searched, and after them those that are searched for.
pub(crate) struct Corpus {
    pub(crate) texts: Vec<String>,
    pub(crate) dimensions: usize,
    numbers: Vec<f32>,
}

impl Corpus {
    pub(crate) async fn read() -> Self {
        let sandbox = Sandbox::new().with("CAIRN__EMBED__THREADS", "2");
        let app = sandbox.open().await;
        let embedder = app.indexer.embedder.as_ref();
        let texts = texts(embedder);
        assert_eq!(texts.len(), CHUNKS + QUESTIONS, "the crates have too little to read");
        let name = sha256(format!("{}\0{}", embedder.fingerprint(), texts.join("\0")).as_bytes());
        let kept = models_dir().parent().unwrap().join("test-vectors").join(format!("{name}.f32"));
        let numbers = kept_or_embedded(embedder, &texts, &kept).await;
        Self { texts, dimensions: embedder.dimensions(), numbers }
    }

    /// A row for each text.
    pub(crate) fn vectors(&self) -> ArrayView2<'_, f32> {
        ArrayView2::from_shape((CHUNKS + QUESTIONS, self.dimensions), &self.numbers).unwrap()
    }
}

/// One test embeds while the others wait for it.
async fn kept_or_embedded(embedder: &dyn Embedder, texts: &[String], kept: &Path) -> Vec<f32> {
    fs::create_dir_all(kept.parent().unwrap()).unwrap();
    let lock = File::create(kept.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if let Ok(bytes) = fs::read(kept) {
        let numbers: Vec<f32> =
            bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect();
        assert_eq!(numbers.len(), texts.len() * embedder.dimensions(), "{} is damaged: delete it", kept.display());
        return numbers;
    }
    let requests = texts.chunks(TEXTS_PER_REQUEST).map(|texts| embedder.embed(Purpose::Passage, texts.to_vec()));
    let vectors: Vec<_> = futures::stream::iter(requests).buffered(REQUESTS_IN_FLIGHT).collect().await;
    let numbers: Vec<f32> = vectors.into_iter().flat_map(|vectors| vectors.unwrap().into_iter().flatten()).collect();
    let part = kept.with_extension("part");
    fs::write(&part, numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>()).unwrap();
    fs::rename(&part, kept).unwrap();
    numbers
}

/// Chunks of what people wrote, none twice, spread over all crates.
fn texts(embedder: &dyn Embedder) -> Vec<String> {
    let limits = ChunkLimits { chunk_tokens_max: CHUNK_TOKENS_MAX, heading_tokens_max: 8 };
    let chunker = Chunker::new(embedder.token_counter().clone(), limits);
    let (mut texts, mut seen) = (Vec::new(), HashSet::new());
    for file in files() {
        let Ok(source) = fs::read_to_string(&file) else { continue };
        let extracted =
            extract("comments.md", comments(&source).as_bytes(), &ExtractLimits::default(), Err("no PDFs")).unwrap();
        for chunk in chunker.split("", &extracted) {
            if chunk.text.len() >= CHUNK_BYTES_MIN && seen.insert(sha256(chunk.text.as_bytes())) {
                texts.push(chunk.text);
            }
        }
        if texts.len() >= CHUNKS + QUESTIONS {
            break;
        }
    }
    texts.truncate(CHUNKS + QUESTIONS);
    // The questions are the last, so every crate gives some of them.
    let every = CHUNKS / QUESTIONS + 1;
    let (questions, chunks): (Vec<_>, Vec<_>) = texts.into_iter().enumerate().partition(|(n, _)| n % every == 0);
    chunks.into_iter().chain(questions).map(|(_, text)| text).collect()
}

/// The Rust files of every crate in `Cargo.lock`, one of each crate in turn.
fn files() -> Vec<PathBuf> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH); // Crates of others aren't there.
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", &platform])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&cargo.stdout).unwrap();
    let mut crates: Vec<(String, PathBuf)> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|package| !package["source"].is_null())
        .map(|package| {
            let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
            (package["id"].to_string(), manifest.parent().unwrap().join("src"))
        })
        .collect();
    crates.sort();
    let mut in_turn: Vec<(usize, usize, PathBuf)> = Vec::new();
    for (nth, (_, folder)) in crates.into_iter().enumerate() {
        let mut files: Vec<PathBuf> = ignore::Walk::new(folder)
            .filter_map(Result::ok)
            .map(ignore::DirEntry::into_path)
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .collect();
        files.sort();
        in_turn.extend(files.into_iter().enumerate().map(|(turn, file)| (turn, nth, file)));
    }
    in_turn.sort();
    in_turn.into_iter().map(|(_, _, file)| file).collect()
}

/// The documentation in a Rust file, as Markdown.
fn comments(source: &str) -> String {
    let mut text = String::new();
    for line in source.lines() {
        let line = line.trim_start();
        match line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) {
            Some(comment) => text.push_str(comment.strip_prefix(' ').unwrap_or(comment)),
            None if text.ends_with("\n\n") => continue,
            None => {}
        }
        text.push('\n');
    }
    text
}
