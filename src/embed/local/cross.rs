//! The cross-encoder that ships: a claim and its evidence in, how far the one bears the other out by its reading.
//!
//! The model is in the binary (`models/cross-encoder/` says where it comes from), so it needs nothing but ONNX Runtime.
//! As the other models do, it lives on threads that own it, each pair alone and without padding, so the same texts always
//! give the same. Pairs that were asked for lately are remembered: an answer asks for one several times.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ort::session::Session;
use ort::session::builder::GraphOptimizationLevel;
use ort::value::Tensor;
use tokenizers::{Encoding, Tokenizer};

use super::{MAILBOX_PER_THREAD, Owners, announced, environment};
use crate::document::{Span, sha256};
use crate::embed::EmbedError;

const MODEL: &[u8] = include_bytes!("../../../models/cross-encoder/model.onnx");
const TOKENIZER: &[u8] = include_bytes!("../../../models/cross-encoder/tokenizer.json");
/// It was trained on so many tokens, the special ones included, and on claims of so many at most.
const TOKENS_MAX: usize = 160;
const CLAIM_TOKENS_MAX: usize = 72;
const FIRST: u32 = 101;
const SEPARATOR: u32 = 102;
/// What is as good as certain: a logit of 13.8.
const CERTAIN: f32 = 1e-6;
/// A word is pointed at from this probability on that the evidence does not have it.
const WORD_MIN: f32 = 0.5;
const REMEMBERED: usize = 64;
/// Hashing the model takes as long as many readings: only where somebody asks.
static FINGERPRINT: LazyLock<String> = LazyLock::new(|| format!("cross-encoder sha256:{}", sha256(MODEL)));

/// What the model says of a pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossReading {
    /// A logit: above 0, the evidence bears the claim out.
    pub entailment: f32,
    /// The word of the claim that it finds least, as bytes of the claim. None: none stands out.
    pub against: Option<Span>,
}

/// A pair for one model thread.
struct Job {
    claim: String,
    evidence: String,
    reply: SyncSender<Result<CrossReading, EmbedError>>,
}

/// A pair and what was said of it.
struct Known {
    claim: String,
    evidence: String,
    reading: CrossReading,
}

/// The model on its threads. [`Runtime::load`](super::Runtime::load) comes first.
pub struct CrossEncoder {
    jobs: SyncSender<Job>,
    _owners: Owners, // Dropped after `jobs`.
    known: Mutex<VecDeque<Known>>,
}

impl CrossEncoder {
    /// Loads the model once for each thread. Blocks for about a tenth of a second.
    pub fn start(threads: usize) -> Result<Self, EmbedError> {
        let mut owners = Owners::default(); // Before the sender, so that it goes after it.
        let (jobs, mailbox) = sync_channel(MAILBOX_PER_THREAD * threads);
        let mailbox = Arc::new(Mutex::new(mailbox));
        let (ready, started) = std::sync::mpsc::channel();
        for number in 0..threads {
            let (mailbox, ready) = (Arc::clone(&mailbox), ready.clone());
            let owner = std::thread::Builder::new()
                .name(format!("cross-{number}"))
                .spawn(move || own_model(&mailbox, ready))
                .map_err(|error| EmbedError::Unusable(format!("start a thread: {error}")))?;
            owners.0.push(owner);
        }
        drop(ready);
        for loaded in started {
            loaded?;
        }
        Ok(Self { jobs, _owners: owners, known: Mutex::default() })
    }

    /// Blocks until the model has read the pair, about 10 ms. What is beyond its tokens is not read.
    pub fn read(&self, claim: &str, evidence: &str) -> Result<CrossReading, EmbedError> {
        if let Some(reading) = self.remembered(claim, evidence) {
            return Ok(reading);
        }
        let gone = || EmbedError::Model("the cross-encoder's threads are gone".into());
        let (reply, said) = sync_channel(1);
        let (claim, evidence) = (claim.to_owned(), evidence.to_owned());
        self.jobs.send(Job { claim: claim.clone(), evidence: evidence.clone(), reply }).map_err(|_| gone())?;
        let reading = said.recv().map_err(|_| gone())??;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.push_back(Known { claim, evidence, reading });
        if known.len() > REMEMBERED {
            known.pop_front();
        }
        Ok(reading)
    }

    fn remembered(&self, claim: &str, evidence: &str) -> Option<CrossReading> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.iter().find(|known| known.claim == claim && known.evidence == evidence).map(|known| known.reading)
    }

    /// Names the model, so that figures by two are never compared.
    pub fn fingerprint(&self) -> &str {
        &FINGERPRINT
    }
}

/// The whole life of one model thread: load, try it, say so, then serve until the cross-encoder is gone.
fn own_model(mailbox: &Mutex<Receiver<Job>>, ready: std::sync::mpsc::Sender<Result<(), EmbedError>>) {
    let loaded = Model::load().and_then(|mut model| {
        model.read("ready?", "ready")?;
        Ok((model, ()))
    });
    let Some(mut model) = announced(loaded, ready) else { return };
    loop {
        let job = mailbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { claim, evidence, reply }) = job else { return };
        let _ = reply.send(model.read(&claim, &evidence));
    }
}

struct Model {
    session: Session,
    tokenizer: Tokenizer,
}

impl Model {
    fn load() -> Result<Self, EmbedError> {
        let unusable = |error: &dyn std::fmt::Display| EmbedError::Unusable(format!("load the cross-encoder: {error}"));
        let mut tokenizer = Tokenizer::from_bytes(TOKENIZER).map_err(|error| unusable(&error))?;
        tokenizer.with_truncation(None).map_err(|error| unusable(&error))?;
        tokenizer.with_padding(None);
        let session = Session::builder(&environment()?)
            .map_err(|error| unusable(&error))?
            .with_optimization_level(GraphOptimizationLevel::Level3)
            .map_err(|error| unusable(&error))?
            .with_intra_threads(1)
            .map_err(|error| unusable(&error))?
            .commit_from_memory(MODEL)
            .map_err(|error| unusable(&error))?;
        Ok(Self { session, tokenizer })
    }

    fn read(&mut self, claim: &str, evidence: &str) -> Result<CrossReading, EmbedError> {
        let wrong = |error: &dyn std::fmt::Display| EmbedError::Model(format!("the cross-encoder: {error}"));
        let said = self.tokenizer.encode(claim, false).map_err(|error| wrong(&error))?;
        let proof = self.tokenizer.encode_fast(evidence, false).map_err(|error| wrong(&error))?;
        let (tokens, claim_length) = tokens(said.get_ids(), proof.get_ids());
        let length = tokens.len();
        let kinds: Vec<i64> = (0..length).map(|at| i64::from(at >= claim_length)).collect();
        let tensor = |values: Vec<i64>| Tensor::from_array(([1, length], values)).map_err(|error| wrong(&error));
        let inputs = ort::inputs![
            "input_ids" => tensor(tokens)?,
            "token_type_ids" => tensor(kinds)?,
            "attention_mask" => tensor(vec![1; length])?,
        ];
        let outputs = self.session.run(inputs).map_err(|error| wrong(&error))?;
        let output = |name: &str| {
            let found =
                outputs.get(name).ok_or_else(|| EmbedError::Model(format!("the cross-encoder gave no {name}")))?;
            found.try_extract_tensor::<f32>().map(|(_, values)| values).map_err(|error| wrong(&error))
        };
        let support = output("support")?.first().copied().filter(|value| value.is_finite());
        let support = support.ok_or_else(|| EmbedError::Model("the cross-encoder gave no number".into()))?;
        let words = output("unsupported")?.get(1..).unwrap_or_default();
        Ok(CrossReading { entailment: logit(support), against: worst_word(claim, &said, words) })
    }
}

/// `[CLS] claim [SEP] evidence [SEP]`, and where the evidence begins.
fn tokens(claim: &[u32], evidence: &[u32]) -> (Vec<i64>, usize) {
    let claim = claim.get(..CLAIM_TOKENS_MAX).unwrap_or(claim);
    let evidence = evidence.get(..TOKENS_MAX - 3 - claim.len()).unwrap_or(evidence);
    let first = [FIRST].iter().chain(claim).chain([&SEPARATOR]);
    let all = first.chain(evidence).chain([&SEPARATOR]).map(|token| i64::from(*token)).collect();
    (all, claim.len() + 2)
}

fn logit(probability: f32) -> f32 {
    let probability = probability.clamp(CERTAIN, 1.0 - CERTAIN);
    (probability / (1.0 - probability)).ln()
}

/// The word that holds the claim's token with the highest probability of not being in the evidence.
fn worst_word(claim: &str, said: &Encoding, unsupported: &[f32]) -> Option<Span> {
    let tokens = said.get_offsets().iter().zip(unsupported).take(CLAIM_TOKENS_MAX);
    let worst = tokens.filter(|(_, value)| **value >= WORD_MIN).reduce(|a, b| if b.1 > a.1 { b } else { a })?;
    let (start, end) = *worst.0;
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    let before = claim.get(..start)?.chars().rev().take_while(|c| joins(*c)).map(char::len_utf8).sum::<usize>();
    let after = claim.get(end..)?.chars().take_while(|c| joins(*c)).map(char::len_utf8).sum::<usize>();
    Some(Span { start: start - before, end: end + after })
}
