//! Answers that people called supported or not: how far the scorer agrees with them, of claims and of whole answers.
//!
//! A set is a folder with `claims.jsonl` and `contexts.jsonl`; a line may name the `system` that wrote the answer, so that
//! agreement on which system is better can be told.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde::Deserialize;

use crate::document::Span;
use crate::eval::lines::{ReadError, lines};
use crate::eval::record::{Bin, Estimate, Figure, Labelled, Level, Systems};
use crate::eval::stats::agreement::{Label, Sorted, calibration_error, kendall, reliability, reversals};
use crate::eval::stats::bootstrap::bootstrap;
use crate::eval::stats::{LEVEL, mean, real};
use crate::eval::summary::estimate;
use crate::ground::claims::{Kind, pieces};
use crate::ground::evidence::Passages;
use crate::ground::{Judgement, Scorer, Verdict};

/// Of one set: more take too long to score before each deploy.
const LABELS_MAX: usize = 20_000;
/// Systems are compared where there are at least so many, with so many answers each.
const SYSTEMS_MIN: usize = 3;
const ANSWERS_PER_SYSTEM_MIN: usize = 5;

#[derive(Debug, Clone, Deserialize)]
struct Claim {
    id: String,
    #[serde(default)]
    source: Option<String>,
    context_id: String,
    answer: String,
    supported: bool,
    /// Characters, from and up to; None where the set has none.
    #[serde(default)]
    unsupported_spans: Option<Vec<(usize, usize)>>,
    #[serde(default)]
    system: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Context {
    context_id: String,
    passages: Vec<String>,
}

/// A set, read.
#[derive(Debug, Clone)]
pub struct LabelledSet {
    name: String,
    claims: Vec<Claim>,
    contexts: HashMap<String, Vec<String>>,
}

/// A sentence that people read, and what the scorer says of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelledSentence {
    pub score: f64,
    /// The scorer's verdict.
    pub supported: bool,
    /// The people's.
    pub right: bool,
}

/// One label of one level, with its cluster.
struct Scored {
    label: Label,
    cluster: usize,
    system: Option<String>,
}

impl LabelledSet {
    /// Reads a folder.
    pub fn read(folder: &Path) -> Result<Self, ReadError> {
        let name = folder.file_name().map_or_else(|| "labels".into(), |name| name.to_string_lossy().into_owned());
        let claims: Vec<Claim> = lines(&folder.join("claims.jsonl"), usize::MAX)?;
        let contexts: Vec<Context> = lines(&folder.join("contexts.jsonl"), usize::MAX)?;
        let contexts: HashMap<String, Vec<String>> =
            contexts.into_iter().map(|context| (context.context_id, context.passages)).collect();
        if claims.is_empty() || claims.len() > LABELS_MAX {
            return Err(ReadError::Shape(format!(
                "{} has {} labels, must have 1 to {LABELS_MAX}",
                folder.display(),
                claims.len()
            )));
        }
        if let Some(claim) = claims.iter().find(|claim| !contexts.contains_key(&claim.context_id)) {
            return Err(ReadError::Shape(format!(
                "{}: the claim {:?} names the context {:?}, which contexts.jsonl doesn't have",
                folder.display(),
                claim.id,
                claim.context_id
            )));
        }
        Ok(Self { name, claims, contexts })
    }

    pub fn len(&self) -> usize {
        self.claims.len()
    }

    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// Agreement on answers, and on claims where spans say which are not supported; of each source by itself.
    pub(super) fn measure(&self, scorer: &Scorer) -> Vec<Labelled> {
        let sources: BTreeSet<&str> = self.claims.iter().map(source).collect();
        let mut found = Vec::new();
        for name in sources {
            let of_source: Vec<&Claim> = self.claims.iter().filter(|claim| source(claim) == name).collect();
            let (answers, claims) = self.scored(scorer, &of_source);
            let title = if name.is_empty() { self.name.clone() } else { format!("{}/{name}", self.name) };
            found.push(labelled(&title, Level::Answer, &answers, scorer));
            if !claims.is_empty() {
                found.push(labelled(&title, Level::Claim, &claims, scorer));
            }
        }
        found
    }

    /// For each label, whether people and whether the scorer find an ungrounded claim: 1 or 0.
    pub(super) fn ungrounded(&self, scorer: &Scorer) -> Vec<(f64, f64)> {
        let pair = |claim: &Claim| {
            let passages = Passages::read(self.passages(claim));
            let unsupported =
                judged(scorer, &claim.answer, &passages).any(|(_, judged)| judged.verdict != Verdict::Supported);
            let one = |holds: bool| if holds { 1.0 } else { 0.0 };
            (one(!claim.supported), one(unsupported))
        };
        self.claims.iter().map(pair).collect()
    }

    /// Every sentence whose label can be told: of answers with spans and of right ones each, of others an only one.
    pub fn sentences(&self, scorer: &Scorer) -> Vec<LabelledSentence> {
        let mut found = Vec::new();
        for claim in &self.claims {
            let passages = Passages::read(self.passages(claim));
            let of: Vec<_> = judged(scorer, &claim.answer, &passages).collect();
            let spans = claim.unsupported_spans.as_deref().unwrap_or_default();
            if !claim.supported && spans.is_empty() && of.len() > 1 {
                continue;
            }
            for (said, judged) in of {
                let is_marked = spans.iter().any(|span| touches(&claim.answer, said, *span));
                found.push(LabelledSentence {
                    score: f64::from(judged.score),
                    supported: judged.verdict == Verdict::Supported,
                    right: if spans.is_empty() { claim.supported } else { !is_marked },
                });
            }
        }
        found
    }

    fn passages(&self, claim: &Claim) -> &[String] {
        self.contexts.get(&claim.context_id).map_or(&[], Vec::as_slice)
    }

    fn scored(&self, scorer: &Scorer, claims: &[&Claim]) -> (Vec<Scored>, Vec<Scored>) {
        let contexts: BTreeSet<&str> = claims.iter().map(|claim| claim.context_id.as_str()).collect();
        let places: HashMap<&str, usize> = contexts.into_iter().enumerate().map(|(at, id)| (id, at)).collect();
        let (mut answers, mut parts) = (Vec::new(), Vec::new());
        for claim in claims {
            let cluster = places.get(claim.context_id.as_str()).copied().unwrap_or_default();
            let passages = Passages::read(self.passages(claim));
            let mut scores = Vec::new();
            for (said, judged) in judged(scorer, &claim.answer, &passages) {
                scores.push(judged.score);
                if let Some(spans) = &claim.unsupported_spans {
                    let supported = !spans.iter().any(|span| touches(&claim.answer, said, *span));
                    let label = Label { score: f64::from(judged.score), supported };
                    parts.push(Scored { label, cluster, system: claim.system.clone() });
                }
            }
            // An answer that claims nothing is judged by all of it.
            let whole = Span { start: 0, end: claim.answer.len() };
            let score = scorer.answer(&scores).unwrap_or_else(|| scorer.judge(&claim.answer, whole, &passages).score);
            let label = Label { score: f64::from(score), supported: claim.supported };
            answers.push(Scored { label, cluster, system: claim.system.clone() });
        }
        (answers, parts)
    }
}

fn source(claim: &Claim) -> &str {
    claim.source.as_deref().unwrap_or_default()
}

/// Where an answer claims something, and what the scorer makes of it, one by one.
fn judged<'a>(
    scorer: &'a Scorer,
    answer: &'a str,
    passages: &'a Passages,
) -> impl Iterator<Item = (Span, Judgement)> + 'a {
    let claims = pieces(answer).into_iter().filter(|piece| piece.kind == Kind::Claim);
    claims.map(|piece| (piece.span, scorer.judge(answer, piece.span, passages)))
}

/// Whether characters `from..to` of the text share a byte with `span`.
fn touches(text: &str, span: Span, (from, to): (usize, usize)) -> bool {
    let byte = |place: usize| text.char_indices().nth(place).map_or(text.len(), |(at, _)| at);
    byte(from) < span.end && span.start < byte(to)
}

fn labelled(name: &str, level: Level, scored: &[Scored], scorer: &Scorer) -> Labelled {
    let labels: Vec<Label> = scored.iter().map(|scored| scored.label).collect();
    let clusters = scored.iter().map(|scored| scored.cluster + 1).max().unwrap_or(0);
    let sorted = Sorted::of(scored.iter().map(|scored| (scored.label, scored.cluster)));
    let threshold = f64::from(scorer.threshold());
    let once = vec![1u32; clusters];
    let with_interval = |statistic: &dyn Fn(&[u32]) -> Option<f64>| -> Option<Estimate> {
        estimate(statistic(&once)?, bootstrap(clusters, LEVEL, statistic)?)
    };
    Labelled {
        name: name.to_owned(),
        level,
        labels: labels.len(),
        supported: labels.iter().filter(|label| label.supported).count(),
        auroc: with_interval(&|weights| sorted.auroc(weights)),
        balanced_accuracy: with_interval(&|weights| sorted.balanced_accuracy(weights, threshold)),
        f1: with_interval(&|weights| sorted.f1(weights, threshold)),
        calibration_error: calibration_error(&labels).and_then(Figure::new),
        reliability: reliability(&labels).into_iter().filter_map(bin).collect(),
        systems: systems(scored, threshold),
    }
}

fn bin(bar: crate::eval::stats::agreement::Reliability) -> Option<Bin> {
    Some(Bin {
        from: Figure::new(bar.from)?,
        to: Figure::new(bar.to)?,
        labels: bar.labels,
        score: Figure::new(bar.score)?,
        supported: Figure::new(bar.supported)?,
    })
}

/// How far people and the scorer agree on which system is better, by the share of its answers that are supported.
fn systems(scored: &[Scored], threshold: f64) -> Option<Systems> {
    let mut by_system: BTreeMap<&str, Vec<&Label>> = BTreeMap::new();
    for scored in scored {
        if let Some(system) = &scored.system {
            by_system.entry(system).or_default().push(&scored.label);
        }
    }
    by_system.retain(|_, labels| labels.len() >= ANSWERS_PER_SYSTEM_MIN);
    if by_system.len() < SYSTEMS_MIN {
        return None;
    }
    let rate = |of: &dyn Fn(&Label) -> bool| -> Vec<f64> {
        let share = |labels: &Vec<&Label>| real(labels.iter().filter(|label| of(label)).count()) / real(labels.len());
        by_system.values().map(share).collect()
    };
    let (people, ours) = (rate(&|label| label.supported), rate(&|label| label.score >= threshold));
    let shifts: Vec<f64> = people.iter().zip(&ours).map(|(people, ours)| ours - people).collect();
    let common = mean(&shifts)?;
    let error = mean(&shifts.iter().map(|shift| (shift - common).abs()).collect::<Vec<_>>())?;
    let (reversed, pairs) = reversals(&people, &ours);
    Some(Systems {
        systems: by_system.len(),
        kendall_tau: kendall(&people, &ours).and_then(Figure::new),
        pairs,
        reversals: reversed,
        error: Figure::new(error)?,
    })
}
