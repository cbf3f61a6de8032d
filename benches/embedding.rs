//! Chunks embedded per CPU-second: each text alone on its own thread, against fastembed's own default batching.
//!
//! Both embed the same chunks of the handbook in one run, in turns, and the ratio of their medians is printed: machines
//! differ and are noisy, a ratio on one machine much less so.

#![allow(clippy::unwrap_used, reason = "a benchmark that can't go on has nothing to say")]
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "it prints a few rates for people")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cairn::config::Config;
use cairn::embed::{Embedder, LocalEmbedder, ModelFiles, Prefixes, Purpose, Runtime};
use cairn::ingest::chunk::{ChunkLimits, Chunker, embedded_text};
use cairn::ingest::extract::{ExtractLimits, extract};
use fastembed::{InitOptionsUserDefined, Pooling, TextEmbedding, TokenizerFiles, UserDefinedEmbeddingModel};

const ROUNDS: usize = 5;
const CHUNKS_MAX: usize = 256;

fn main() {
    let models_dir = Config::load(None, &[]).unwrap().models_dir;
    let onnx = Runtime::load(&models_dir).unwrap_or_else(|error| panic!("{error}"));
    let files = ModelFiles::find(&models_dir, "AllMiniLML6V2Q").unwrap_or_else(|error| panic!("{error}"));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ours = LocalEmbedder::start(&files, Prefixes::default(), threads).unwrap();
    let mut theirs = fastembed_as_it_comes(&files.folder, &onnx);
    let texts = handbook_chunks(&ours);

    let (mut own, mut default) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        own.push(time(|| {
            runtime.block_on(ours.embed(Purpose::Passage, texts.clone())).unwrap();
        }));
        default.push(time(|| {
            theirs.embed(&texts, None).unwrap();
        }));
    }
    let rate = |times: Vec<Duration>| texts.len() as f64 / median(times).as_secs_f64();
    let (own, default) = (rate(own), rate(default));
    println!("{} chunks of the handbook, {threads} threads, median of {ROUNDS} rounds", texts.len());
    println!("each text alone, one thread a model   {own:>8.1} chunks/s");
    println!("fastembed's default batching          {default:>8.1} chunks/s");
    println!("ratio                                 {:>8.2}", own / default);
}

/// fastembed without settings: one model with all cores, unsorted batches of its default size, padded to the longest.
fn fastembed_as_it_comes(folder: &Path, onnx: &Runtime) -> TextEmbedding {
    let read = |file: &str| fs::read(folder.join(file)).unwrap();
    let tokenizer_files = TokenizerFiles {
        tokenizer_file: read("tokenizer.json"),
        config_file: read("config.json"),
        special_tokens_map_file: b"{}".to_vec(),
        tokenizer_config_file: read("tokenizer_config.json"),
    };
    let model = UserDefinedEmbeddingModel::new(read("model.onnx"), tokenizer_files).with_pooling(Pooling::Mean);
    let options = InitOptionsUserDefined::new().with_environment(onnx.environment.clone());
    TextEmbedding::try_new_from_user_defined(model, options).unwrap()
}

fn handbook_chunks(embedder: &LocalEmbedder) -> Vec<String> {
    let limits = ChunkLimits { chunk_tokens_max: 256, heading_tokens_max: 64 };
    let chunker = Chunker::new(embedder.token_counter().clone(), limits);
    let docs = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs");
    let mut pages: Vec<PathBuf> = fs::read_dir(docs).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    let chunks = pages.iter().flat_map(|page| {
        let extracted =
            extract("page.md", &fs::read(page).unwrap(), &ExtractLimits::default(), Err("no PDFs")).unwrap();
        let title = extracted.title.clone().unwrap_or_default();
        let chunks = chunker.split(&title, &extracted);
        chunks.into_iter().map(move |chunk| embedded_text(&title, &chunk)).collect::<Vec<_>>()
    });
    chunks.take(CHUNKS_MAX).collect()
}

fn time(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
