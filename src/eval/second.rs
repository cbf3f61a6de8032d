//! A chat model as a second scorer: what it says of each claim, how far it and the scorer agree, and whether it can be
//! trusted on these documents at all.
//!
//! It passes the same planted faults as the scorer before a gate may use its word. What it does not answer, or not in a
//! way that can be read, is counted and skipped. Its calls are bounded, and what it answered once is kept in the output
//! folder, so that the same run has the same report and costs nothing the second time.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use futures::StreamExt;

use super::gates::Bars;
use super::index::Document;
use super::record::{
    Agreement, CaseRecord, ClaimVerdict, Figure, JudgeRecord, Measure, Measured, OpinionRecord, Skip, State,
};
use super::selftest::{self, Canary};
use super::stats::real;
use crate::chat::judge::{ChatJudge, NoOpinion, Opinion};
use crate::chat::replay::{Head, Recording, Replay};
use crate::config;
use crate::files::replace;

/// Of each kind of planted fault, it is asked about so many.
const CANARIES_PER_KIND: usize = 10;
const FILE: &str = "judge.jsonl";

/// A second scorer, asked at most so often.
pub(super) struct Second {
    judge: ChatJudge,
    recording: Recording,
    head: Head,
    path: PathBuf,
    calls_max: usize,
    at_once: usize,
}

/// What is asked: a claim, and what it should rest on.
struct Asked<'a> {
    claim: &'a str,
    sources: Arc<[String]>,
}

/// How calls went.
#[derive(Debug, Default)]
struct Calls {
    made: usize,
    unread: usize,
    failed: usize,
    /// The first reason for a failure.
    why: Option<String>,
}

impl Second {
    /// With what it answered in earlier runs to the same folder.
    pub(super) async fn open(
        config: &config::Judge,
        out: &Path,
        (calls_max, at_once): (usize, usize),
    ) -> anyhow::Result<Self> {
        let path = out.join(FILE);
        let recording = match fs::read_to_string(&path) {
            Ok(text) => Recording::of(&Replay::read(&text).with_context(|| format!("read {}", path.display()))?),
            Err(_) => Recording::default(),
        };
        let judge = ChatJudge::remembering(config, recording.clone())?;
        let head = Head::new(judge.model().await.context("ask the judge")?.to_owned(), 0.0, 0);
        Ok(Self { judge, recording, head, path, calls_max, at_once })
    }

    /// Writes its opinion beside each claim, and gives what all of them come to.
    pub(super) async fn judge(
        &self,
        cases: &mut [CaseRecord],
        (documents, bars): (&[&Document], &Bars),
        told: impl Fn(&str, usize, usize),
    ) -> anyhow::Result<JudgeRecord> {
        let planted: Vec<Canary> = selftest::planted(documents, CANARIES_PER_KIND);
        let of_planted = planted.iter().map(|c| Asked { claim: &c.corrupted, sources: [c.passage.clone()].into() });
        let all: Vec<Asked> = of_planted.chain(cases.iter().flat_map(asked)).take(self.calls_max).collect();
        let (said, calls) = self.ask(&all, told).await;
        self.keep()?;
        let mut said = said.into_iter();
        let opinions: Vec<Option<Opinion>> = said.by_ref().take(planted.len()).collect();
        let (canaries, bars) = selftest::by_judge(&planted, &opinions, bars);
        for case in cases.iter_mut() {
            for claim in &mut case.claims {
                claim.judge = said.next().flatten().map(|opinion| match opinion {
                    Opinion::Supported => OpinionRecord::Supported,
                    Opinion::Unsupported => OpinionRecord::Unsupported,
                });
            }
            case.values.insert(Measure::UngroundedByJudge, by_judge(case));
        }
        let claims: usize = cases.iter().map(|case| case.claims.len()).sum();
        Ok(JudgeRecord {
            model: self.head.model.clone(),
            passed: bars.iter().all(|bar| bar.met),
            canaries,
            bars,
            calls: calls.made,
            unread: calls.unread,
            failed: calls.failed,
            not_asked: (planted.len() + claims).saturating_sub(self.calls_max),
            why: calls.why,
            agreement: agreement(cases),
        })
    }

    /// Its opinions in order, and how the calls went.
    async fn ask(&self, all: &[Asked<'_>], told: impl Fn(&str, usize, usize)) -> (Vec<Option<Opinion>>, Calls) {
        let (mut said, mut calls) = (Vec::with_capacity(all.len()), Calls::default());
        let mut asking = futures::stream::iter(all)
            .map(|asked| self.judge.opinion(asked.claim, &asked.sources))
            .buffered(self.at_once);
        while let Some(opinion) = asking.next().await {
            said.push(calls.count(opinion));
            told("asking the judge", said.len(), all.len());
        }
        (said, calls)
    }

    fn keep(&self) -> anyhow::Result<()> {
        let text = self.recording.text(&self.head);
        replace(&self.path, &text).with_context(|| format!("write {}", self.path.display()))
    }
}

impl Calls {
    fn count(&mut self, opinion: Result<Opinion, NoOpinion>) -> Option<Opinion> {
        self.made += 1;
        match opinion {
            Ok(opinion) => return Some(opinion),
            Err(NoOpinion::Unclear) => self.unread += 1,
            Err(error @ (NoOpinion::Late(_) | NoOpinion::Chat(_) | NoOpinion::Prompt(_))) => {
                self.failed += 1;
                self.why.get_or_insert_with(|| error.to_string());
            }
        }
        None
    }
}

/// Each claim of an answer, beside all passages that it may rest on.
fn asked(case: &CaseRecord) -> impl Iterator<Item = Asked<'_>> {
    let sources: Arc<[String]> = case.passages.iter().map(|passage| passage.text.clone()).collect();
    case.claims.iter().map(move |claim| Asked { claim: &claim.text, sources: Arc::clone(&sources) })
}

/// Whether the judge finds a claim that is not borne out; undefined where it said nothing of one and found no other.
fn by_judge(case: &CaseRecord) -> Measured {
    let has = |wanted: Option<OpinionRecord>| case.claims.iter().any(|claim| claim.judge == wanted);
    match case.state {
        State::Errored => Measured::Value(Measure::UngroundedByJudge.worst()),
        State::Stale => Measured::Skipped(Skip::Stale),
        State::Done if case.outcome.as_deref() == Some("refused") => Measured::Skipped(Skip::Refused),
        State::Done if case.claims.is_empty() => Measured::Skipped(Skip::NoClaims),
        State::Done if has(Some(OpinionRecord::Unsupported)) => Measured::Value(Figure::ONE),
        State::Done if has(None) => Measured::Skipped(Skip::Unparsed),
        State::Done => Measured::Value(Figure::ZERO),
    }
}

/// Over the claims that both have judged. Cohen's kappa: agreement beyond what chance would give (Cohen 1960).
fn agreement(cases: &[CaseRecord]) -> Agreement {
    let mut found = Agreement::default();
    for claim in cases.iter().flat_map(|case| &case.claims) {
        match (claim.verdict == ClaimVerdict::Supported, claim.judge) {
            (true, Some(OpinionRecord::Supported)) => found.both_supported += 1,
            (true, Some(OpinionRecord::Unsupported)) => found.scorer_alone += 1,
            (false, Some(OpinionRecord::Supported)) => found.judge_alone += 1,
            (false, Some(OpinionRecord::Unsupported)) => found.both_unsupported += 1,
            (true | false, None) => {}
        }
    }
    let Agreement { both_supported, both_unsupported, scorer_alone, judge_alone, .. } = found;
    let all = both_supported + both_unsupported + scorer_alone + judge_alone;
    found.share = Figure::share(both_supported + both_unsupported, all);
    let n = real(all.max(1));
    let (scorer, judge) = (real(both_supported + scorer_alone) / n, real(both_supported + judge_alone) / n);
    let by_chance = scorer * judge + (1.0 - scorer) * (1.0 - judge);
    found.kappa = found
        .share
        .filter(|_| by_chance < 1.0)
        .and_then(|share| Figure::new((share.get() - by_chance) / (1.0 - by_chance)));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::record::tests::example_case;

    fn case(judged: &[(ClaimVerdict, Option<OpinionRecord>)]) -> CaseRecord {
        let mut case = example_case();
        let claim = case.claims[0].clone();
        let with = |(verdict, judge): &(ClaimVerdict, Option<OpinionRecord>)| {
            let mut claim = claim.clone();
            (claim.verdict, claim.judge) = (*verdict, *judge);
            claim
        };
        case.claims = judged.iter().map(with).collect();
        case
    }

    #[test]
    fn agreement_beyond_chance_is_cohens_kappa() {
        use ClaimVerdict::{Supported, Unsupported};
        let yes = Some(OpinionRecord::Supported);
        let no = Some(OpinionRecord::Unsupported);
        let mut judged = vec![(Supported, yes); 20];
        judged.extend([(Supported, no); 5]);
        judged.extend([(Unsupported, yes); 10]);
        judged.extend([(Unsupported, no); 15]);
        judged.push((Supported, None));
        let found = agreement(&[case(&judged)]);
        assert_eq!(found.share, Figure::new(0.7));
        assert_eq!(found.kappa, Figure::new(0.4), "the textbook's example");
        assert_eq!(agreement(&[case(&[(Supported, None)])]).share, None);
        assert_eq!(agreement(&[case(&[(Supported, yes)])]).kappa, None, "there is nothing to agree beyond");
    }

    #[test]
    fn an_answer_is_ungrounded_by_one_claim_and_grounded_only_by_all() {
        use ClaimVerdict::Supported;
        let (yes, no) = (Some(OpinionRecord::Supported), Some(OpinionRecord::Unsupported));
        assert_eq!(
            by_judge(&case(&[(Supported, yes), (Supported, no), (Supported, None)])),
            Measured::Value(Figure::ONE)
        );
        assert_eq!(by_judge(&case(&[(Supported, yes), (Supported, None)])), Measured::Skipped(Skip::Unparsed));
        assert_eq!(by_judge(&case(&[(Supported, yes)])), Measured::Value(Figure::ZERO));
    }
}
