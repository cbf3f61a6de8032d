//! A suite, run: documents indexed, cases asked, what came of them measured, compared and ruled on.
//!
//! Each finished case is kept in the output folder under the fingerprint of the run, so that a run that was interrupted
//! goes on where it was, and one of another build, configuration or recording begins anew. The report is the same bytes
//! whichever order cases end in.

mod kept;
mod perturbed;

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use futures::FutureExt;

use super::ask::{Told, ask};
use super::baseline::Baseline;
use super::case::Case;
use super::fingerprint;
use super::gates::Gates;
use super::index::{Document, Index};
use super::judge::Judge;
use super::record::{
    CaseRecord, CaseTimes, FORMAT, Fingerprint, GateRecord, JudgeRecord, Measure, OnInconclusive, Perturbation, Report,
    Ruling, State, Times, canonical,
};
use super::rule::{Bench, Broken, conclude, invariants};
use super::second::Second;
use super::selftest::{self, LabelledSet};
use super::stats::bootstrap::Clustered;
use super::suite::Suite;
use super::summary;
use crate::answer::Answerer;
use crate::chat::ChatClient;
use crate::chat::replay::{Head, Recording, Replay};
use crate::config::{Config, Fallback};
use crate::document::{CollectionName, sha256};
use crate::files::replace;
use crate::tasks::{Crew, blocking};
use kept::Kept;
use perturbed::Perturbed;

/// Own labels from which on absolute rates are corrected by them.
pub const OWN_LABELS_MIN: usize = 100;

/// What is to be run.
pub struct Plan {
    pub suite: Suite,
    pub chat: ChatMode,
    /// Where the index, finished cases and the history are.
    pub out: PathBuf,
    pub baseline: Option<Baseline>,
    /// None: the run is measured and not ruled on, but for what must hold in any case.
    pub gates: Option<Gates>,
    /// Where answers are recorded to.
    pub record: Option<PathBuf>,
    /// Whether what is recorded there already is not asked again.
    pub missing: bool,
    /// Sets that people labelled, for the scorer's own validation.
    pub labels: Vec<LabelledSet>,
    /// People's labels of answers to this suite.
    pub own_labels: Option<LabelledSet>,
    /// A second scorer, and how often it may be asked.
    pub judge: Option<usize>,
    /// Whether the reserve is asked in any case, as for a baseline that reserves are compared with.
    pub reserve: Reserve,
    /// Each asks every case once more, with its passages changed.
    pub perturbations: Vec<Perturbation>,
}

/// When the cases held in reserve are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserve {
    /// Where a gate that escalates is inconclusive without them.
    WhereNeeded,
    Always,
}

/// How answers are made.
pub enum ChatMode {
    /// By quoting.
    Extractive,
    /// From recorded answers: the file's text.
    Replay(String),
    /// By the configured endpoint.
    Live,
    /// Texts that a person wrote, by question: to be recorded.
    Written { head: Head, by_question: BTreeMap<String, String> },
}

impl ChatMode {
    fn name(&self) -> &'static str {
        match self {
            Self::Extractive => "extractive",
            Self::Replay(_) => "replay",
            Self::Live => "live",
            Self::Written { .. } => "written",
        }
    }
}

/// What every task that asks shares.
#[derive(Clone)]
struct Ready {
    answerer: Arc<Answerer>,
    collection: CollectionName,
    documents: Arc<BTreeMap<String, Document>>,
    suite: Suite,
}

impl Plan {
    /// The cases held in reserve become cases like the others.
    fn draw_reserve(&mut self) {
        self.suite.cases.append(&mut self.suite.reserve);
    }

    /// Whether a gate that escalates can't be ruled on by these cases, and there are more.
    fn escalates(&self, fingerprint: &Fingerprint, cases: &[CaseRecord]) -> bool {
        let Some(gates) = self.gates.as_ref().filter(|_| !self.suite.reserve.is_empty()) else { return false };
        let baseline = self.baseline.as_ref().filter(|baseline| baseline.mismatch(fingerprint).is_empty());
        let ruled = Bench { cases, baseline, result_of_build: 1, card: None }.rule(gates);
        let is_open =
            |gate: &GateRecord| gate.ruling == Ruling::Inconclusive && gate.on_inconclusive == OnInconclusive::Escalate;
        ruled.iter().any(is_open)
    }
}

/// Runs the plan. `told` hears what is done, how much of it, and of how much.
pub async fn run(config: Config, mut plan: Plan, told: impl Fn(&str, usize, usize)) -> anyhow::Result<Report> {
    let (began, clock) = (crate::ledger::now_ms(), Instant::now());
    told("indexing", 0, 1);
    let mut index = Index::open(config, &plan.suite.documents, &plan.out).await?;
    let recording = wire(&mut index, &plan)?;
    let written = match &plan.chat {
        ChatMode::Written { by_question, .. } => Some(canonical(by_question)?),
        ChatMode::Extractive | ChatMode::Live | ChatMode::Replay(_) => None,
    };
    let recorded = match &plan.chat {
        ChatMode::Replay(text) => Some(text.as_str()),
        ChatMode::Extractive | ChatMode::Live | ChatMode::Written { .. } => written.as_deref(),
    };
    let fingerprint = fingerprint::of(&plan.suite, &index, (plan.chat.name(), recorded)).await?;
    let mut kept = Kept::open(&plan.out, &sha256(canonical(&fingerprint)?.as_bytes()))?;
    let resumed = plan.suite.cases.iter().filter(|case| kept.has(&case.id)).count();
    if plan.reserve == Reserve::Always {
        plan.draw_reserve();
    }
    let mut ready = Ready {
        answerer: Arc::clone(&index.app.answerer),
        collection: index.collection.clone(),
        documents: Arc::new(std::mem::take(&mut index.documents)),
        suite: plan.suite.clone(),
    };
    let record = plan.record.clone();
    let save = |head: Option<&Head>| save(record.as_deref(), head, recording.as_ref());
    let head = head(&index, &plan).await?;
    ask_all(&Arc::new(ready.clone()), &mut kept, &told, || save(head.as_ref())).await?;
    if plan.escalates(&fingerprint, &kept.records(&plan.suite.cases)) {
        plan.draw_reserve();
        ready.suite = plan.suite.clone();
        ask_all(&Arc::new(ready.clone()), &mut kept, &told, || save(head.as_ref())).await?;
    }
    let mut perturbed = Vec::new();
    for kind in &plan.perturbations {
        let shared = Arc::new(ready.clone());
        perturbed.push(perturbed::ask_all(&shared, *kind, (&plan.out, &fingerprint), &told).await?);
        save(head.as_ref())?;
    }
    save(head.as_ref())?;
    index.app.ledger.close().await;
    let (mut cases, times) = kept.take(&plan.suite.cases)?;
    let judge = second_opinions(&index.app.config, (&plan, &ready), &mut cases, &told).await?;
    told("measuring", 0, 1);
    let failed = std::mem::take(&mut index.failed);
    let ended = Ended { plan, ready, failed, fingerprint, cases, judge, perturbed };
    let mut report = blocking(move || ended.report()).await??;
    report.times = all_times(times, resumed, (began, clock));
    Ok(report)
}

/// What the judge says of every claim. None: there is none.
async fn second_opinions(
    config: &Config,
    (plan, ready): (&Plan, &Ready),
    cases: &mut [CaseRecord],
    told: &impl Fn(&str, usize, usize),
) -> anyhow::Result<Option<JudgeRecord>> {
    let Some(calls_max) = plan.judge else { return Ok(None) };
    let Some(judge) = &config.ground.judge else { bail!("no judge is set up: set ground.judge.base_url") };
    let second = Second::open(judge, &plan.out, (calls_max, plan.suite.concurrency)).await?;
    let documents: Vec<&Document> = ready.documents.values().collect();
    let bars = plan.gates.as_ref().map(|gates| gates.selftest).unwrap_or_default();
    Ok(Some(second.judge(cases, (&documents, &bars), told).await?))
}

/// Gives the answerer the mode's chat model, and an embedder that remembers sentences: they are the same for many cases.
fn wire(index: &mut Index, plan: &Plan) -> anyhow::Result<Option<Recording>> {
    let embedder = Arc::clone(&index.app.indexer.embedder);
    let answerer = Arc::get_mut(&mut index.app.answerer).context("the answerer is in use already")?;
    answerer.embedder = embedder;
    // A model that fails, or was not recorded, must show: quotations in its place would be measured as its answers.
    answerer.limits.fallback = Fallback::Error;
    let client = match &plan.chat {
        ChatMode::Extractive => None,
        ChatMode::Replay(text) => Some(ChatClient::replay(Replay::read(text).context("read the recorded answers")?)),
        ChatMode::Live => match answerer.chat.take() {
            Some(client) => Some(client),
            None => bail!("no chat endpoint is set up: set chat.base_url, or take --chat extractive or replay"),
        },
        ChatMode::Written { head, by_question } => {
            Some(ChatClient::replay(Replay::written(head.clone(), by_question.clone())))
        }
    };
    if plan.record.is_none() {
        answerer.chat = client;
        return Ok(None);
    }
    let Some(client) = client else { bail!("extractive answers need no recording: leave --record out") };
    let before = plan.record.as_deref().and_then(|path| std::fs::read_to_string(path).ok());
    let recording = match (before, &plan.chat) {
        (Some(text), ChatMode::Live | ChatMode::Replay(_)) => {
            Recording::of(&Replay::read(&text).context("read what was recorded before")?)
        }
        // What a person wrote is written anew as a whole.
        (Some(_), ChatMode::Written { .. } | ChatMode::Extractive) | (None, _) => Recording::default(),
    };
    let client = if plan.missing { client.remembering(recording.clone()) } else { client.recorded(recording.clone()) };
    answerer.chat = Some(client);
    Ok(Some(recording))
}

/// What the recorded requests have in common.
async fn head(index: &Index, plan: &Plan) -> anyhow::Result<Option<Head>> {
    if plan.record.is_none() {
        return Ok(None);
    }
    Ok(match &plan.chat {
        ChatMode::Written { head, .. } => Some(head.clone()),
        ChatMode::Replay(text) => Some(Replay::read(text)?.head().clone()),
        ChatMode::Extractive => None,
        ChatMode::Live => match (&index.app.answerer.chat, &index.app.config.chat) {
            (Some(client), Some(chat)) => {
                Some(Head::new(client.model().await?.to_owned(), chat.temperature, chat.answer_tokens_max))
            }
            (Some(_) | None, Some(_) | None) => None,
        },
    })
}

fn save(path: Option<&Path>, head: Option<&Head>, recording: Option<&Recording>) -> anyhow::Result<()> {
    let (Some(path), Some(head), Some(recording)) = (path, head, recording) else { return Ok(()) };
    replace(path, &recording.text(head)).with_context(|| format!("write {}", path.display()))
}

/// Asks every case that is not kept yet, a bounded number at once, and keeps each as it ends.
async fn ask_all(
    ready: &Arc<Ready>,
    kept: &mut Kept,
    told: &impl Fn(&str, usize, usize),
    save: impl Fn() -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    /// Recorded answers are written down after so many cases.
    const SAVE_EVERY: usize = 10;
    let (waiting, ask) = (ready.left(kept), |ready: Arc<Ready>, at| async move { ready.ask(at).await });
    ready
        .each(
            waiting,
            ask,
            |done, (record, times)| {
                kept.add(record, times)?;
                if done.is_multiple_of(SAVE_EVERY) { save() } else { Ok(()) }
            },
            |done, all| told("asking", done, all),
        )
        .await
}

impl Ready {
    /// Places of the cases that are not kept yet, the last one first.
    fn left(&self, kept: &Kept) -> Vec<usize> {
        let cases = self.suite.cases.iter().enumerate().rev();
        cases.filter(|(_, case)| !kept.has(&case.id)).map(|(at, _)| at).collect()
    }

    /// Asks the cases in these places, from the last on, a bounded number at once. What came of each is `took` as it ends,
    /// with how many of all cases are done by then.
    async fn each<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        self: &Arc<Self>,
        mut waiting: Vec<usize>,
        ask: impl Fn(Arc<Self>, usize) -> F,
        mut took: impl FnMut(usize, T) -> anyhow::Result<()>,
        told: impl Fn(usize, usize),
    ) -> anyhow::Result<()> {
        let all = self.suite.cases.len();
        let mut done = all - waiting.len();
        let mut crew: Crew<T> = Crew::new();
        loop {
            while crew.len() < self.suite.concurrency
                && let Some(at) = waiting.pop()
            {
                crew.spawn(ask(Arc::clone(self), at));
            }
            told(done, all);
            let Some(ended) = crew.next().await else { return Ok(()) };
            done += 1;
            took(done, ended?)?;
        }
    }

    /// Never fails, whatever the case does: a panic is that case's error.
    async fn ask(&self, at: usize) -> (CaseRecord, CaseTimes) {
        let case = self.suite.cases.get(at).expect("places come from this very list");
        let judge = Judge { scorer: &self.answerer.scorer, document: &|id| self.documents.get(id) };
        let asking = async {
            let told = ask(&self.answerer, &self.collection, case, self.suite.case_timeout).await;
            (judge.record(case, &told), told.times)
        };
        AssertUnwindSafe(asking)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| (judge.record(case, &Told::panicked()), CaseTimes::default()))
    }
}

/// All cases have ended: what is left is arithmetic.
struct Ended {
    plan: Plan,
    ready: Ready,
    failed: Vec<(String, String)>,
    fingerprint: Fingerprint,
    cases: Vec<CaseRecord>,
    judge: Option<JudgeRecord>,
    perturbed: Vec<Perturbed>,
}

impl Ended {
    fn report(self) -> anyhow::Result<Report> {
        let Self { plan, ready, failed, fingerprint, cases, judge, perturbed } = self;
        let given = plan.gates.is_some();
        let gates = plan.gates.unwrap_or_default();
        let documents: Vec<&Document> = ready.documents.values().collect();
        let card = gates.need_scorer().then(|| {
            let has_own = plan.own_labels.as_ref().is_some_and(|own| own.len() >= OWN_LABELS_MIN);
            selftest::card(&ready.answerer.scorer, &documents, &plan.labels, (&gates.selftest, has_own))
        });
        let assumed = summary::Assumed { alpha: gates.alpha, ..gates.assumed() };
        let mismatch = plan.baseline.as_ref().map(|baseline| baseline.mismatch(&fingerprint)).unwrap_or_default();
        let baseline = plan.baseline.as_ref().filter(|_| mismatch.is_empty());
        let result_of_build = kept::result_of_build(&plan.out, &fingerprint, &cases)?;
        let bench = Bench { cases: &cases, baseline, result_of_build, card: card.as_ref() };
        let ruled = bench.rule(&gates);
        let slices = summary::slices(&cases, &plan.suite.slices, assumed);
        let tags: Vec<String> = slices.iter().map(|slice| slice.tag.clone()).collect();
        let comparison = bench.comparison(&gates, &tags);
        let held = invariants(&gates, &cases, plan.suite.cases.iter(), &documents, &failed);
        let broken: Vec<Broken> = held
            .iter()
            .filter(|held| held.ruling == Ruling::Fail)
            .map(|held| Broken(format!("{}: {}", held.name, held.reason)))
            .collect();
        let invalid: Vec<String> = (!mismatch.is_empty())
            .then(|| {
                let differs = mismatch.join(", ");
                format!("the baseline is of another run ({differs} differ): cairn eval rebaseline --reason \"…\" makes it anew")
            })
            .into_iter()
            .collect();
        let (ruling, exit_code, reasons) = conclude(&broken, (card.as_ref(), judge.as_ref()), (&invalid, &ruled));
        let mut metrics = summary::metrics(&cases.iter().collect::<Vec<_>>(), assumed);
        if let Some(own) = plan.own_labels.as_ref().filter(|own| own.len() >= OWN_LABELS_MIN) {
            for metric in metrics.iter_mut().filter(|metric| metric.measure == Measure::UngroundedAnswers) {
                metric.corrected = selftest::corrected(&ready.answerer.scorer, own, &cases);
            }
        }
        let notes = notes(given, (&plan.suite.cases, &cases), (result_of_build, card.is_some(), &metrics));
        let perturbations = perturbed.into_iter().map(|perturbed| perturbed.record(&cases, &fingerprint)).collect();
        Ok(Report {
            format: FORMAT,
            suite: plan.suite.name,
            ruling,
            exit_code,
            reasons,
            notes,
            fingerprint,
            counts: summary::counts(&cases),
            metrics,
            slices,
            gates: ruled,
            invariants: held,
            comparison,
            selftest: card,
            judge,
            perturbations,
            cases,
            times: Times::default(),
        })
    }
}

/// What a reader should know beside the figures.
fn notes(
    has_gates: bool,
    (asked, cases): (&[Case], &[CaseRecord]),
    (result, has_card, metrics): (usize, bool, &[super::record::Metric]),
) -> Vec<String> {
    let mut notes = Vec::new();
    if !has_gates {
        notes.push("no gates were given: only what must hold in any case was ruled on".to_owned());
    }
    let generated = asked.iter().filter(|case| case.generated).count();
    if generated > 0 {
        notes.push(format!(
            "{generated} of {} cases were made by a program, and no person has approved them",
            asked.len()
        ));
    }
    if result > 1 {
        notes.push(format!(
            "this is result number {result} of this build: it has to pass at a level of alpha / {result}"
        ));
    }
    if has_card && metrics.iter().all(|metric| metric.corrected.is_none()) {
        notes.push(format!("relative only: with fewer than {OWN_LABELS_MIN} own labels, rates by the scorer can be compared, and are not true of themselves"));
    }
    let stale = cases.iter().filter(|case| case.state == State::Stale).count();
    if stale > 0 {
        notes.push(format!("{stale} recorded answers are stale: the prompt, the passages, the model or the sampling is another one than when they were recorded"));
    }
    notes
}

fn all_times(cases: HashMap<String, CaseTimes>, resumed: usize, (began, clock): (i64, Instant)) -> Times {
    let column = |of: fn(&CaseTimes) -> Option<f64>| summary::quantiles(cases.values(), of);
    Times {
        began: kept::rfc3339(began),
        seconds: clock.elapsed().as_secs_f64(),
        resumed,
        first_token_ms: column(|times| times.first_token_ms),
        first_sentence_ms: column(|times| times.first_sentence_ms),
        total_ms: column(|times| Some(times.total_ms)),
        prompt_tokens: column(|times| times.prompt_tokens.map(f64::from)),
        completion_tokens: column(|times| times.completion_tokens.map(f64::from)),
        cases: cases.into_iter().collect(),
    }
}

/// For each gate with a margin, the smallest difference that its cases are likely to show; said before they are asked.
pub fn power(suite: &Suite, gates: &Gates) -> Vec<String> {
    let with_margin = gates.gates.iter().filter_map(|gate| Some((gate, gate.margin?)));
    let line = with_margin.map(|(gate, margin)| {
        let of_gate = suite.cases.iter().filter(|case| gate.slice.as_ref().is_none_or(|tag| case.tags.contains(tag)));
        let clusters: Vec<String> = of_gate.map(Case::cluster).collect();
        let values = Clustered::of(clusters.iter().map(|cluster| (cluster.as_str(), 0.0)));
        let name = gate.title();
        match summary::detectable(gate.measure, &values, gates.assumed()) {
            Some(least) => {
                format!(
                    "{name}: {} cases are likely to show a difference of {least:.3}; its margin is {margin}",
                    values.cases()
                )
            }
            None => format!("{name}: {} cases are too few to show any difference", values.cases()),
        }
    });
    line.collect()
}
