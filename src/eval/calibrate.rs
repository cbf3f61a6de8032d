//! Thresholds, fitted to what a site knows of itself: what is refused to a suite's cases (here), which sentences are left
//! out to people's labels ([`sentences`]), and the configuration file that is told ([`setting`]).
//!
//! Here, for each threshold of relevance, which answers are lost and which refusals are missed. Looks at what the search
//! finds and never at what would be written, so it says what the threshold costs and no more. `retrieval.relevance_min` is
//! the threshold; who fits it names what a wrong refusal and a wrong answer cost.

pub mod sentences;
pub mod setting;

use std::path::Path;

use anyhow::bail;

use super::ask;
use super::index::Index;
use super::stats::real;
use super::suite::Suite;
use crate::answer::AnswerError;
use crate::config::Config;

/// Thresholds that are tried lie so far apart.
const STEP: f64 = 0.02;

/// A case, and how relevant its best hit is. None: nothing was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Best {
    pub id: String,
    pub answerable: bool,
    pub relevance: Option<f64>,
}

/// What one threshold costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Choice {
    pub threshold: f64,
    /// Answerable cases that would be refused.
    pub wrong_refusals: usize,
    /// Unanswerable ones that would be answered.
    pub wrong_answers: usize,
    pub cost: f64,
}

/// What a mistake costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Costs {
    pub wrong_refusal: f64,
    pub wrong_answer: f64,
}

/// The best hit of each case.
pub async fn measure(
    config: Config,
    (suite, folder): (&Suite, &Path),
    told: impl Fn(&str, usize, usize),
) -> anyhow::Result<Vec<Best>> {
    told("indexing", 0, suite.cases.len());
    let index = Index::open(config, &suite.documents, folder).await?;
    let mut found = Vec::new();
    for case in &suite.cases {
        let (caller, question) = (ask::caller(case, &index.collection), ask::question(case, &index.collection));
        let relevance = match index.app.answerer.ranked(&caller, &question).await {
            Ok(hits) => hits.iter().map(|(_, relevance)| f64::from(*relevance)).reduce(f64::max),
            Err(AnswerError::NoDocuments { .. }) => None,
            Err(error) => bail!("search for the case {:?}: {error}", case.id),
        };
        found.push(Best { id: case.id.clone(), answerable: case.answerable, relevance });
        told("asking", found.len(), suite.cases.len());
    }
    index.app.ledger.close().await;
    Ok(found)
}

/// Every threshold from where nothing is refused to where all is, and the best: the cheapest; of equals the one in the
/// middle of the widest gap.
pub fn choices(cases: &[Best], costs: Costs) -> (Vec<Choice>, Option<Choice>) {
    let known: Vec<f64> = cases.iter().filter_map(|case| case.relevance).collect();
    let (Some(low), Some(high)) = (known.iter().copied().reduce(f64::min), known.iter().copied().reduce(f64::max))
    else {
        return (Vec::new(), None);
    };
    let first = (low / STEP).floor();
    let mut choices = Vec::new();
    let mut step = 0usize;
    loop {
        let threshold = ((first + real(step)) * STEP * 1e6).round() / 1e6;
        choices.push(choice(cases, threshold, costs));
        if threshold > high {
            break;
        }
        step += 1;
    }
    let cheapest = choices.iter().map(|choice| choice.cost).fold(f64::INFINITY, f64::min);
    let best: Vec<Choice> = longest(&choices, |choice| choice.cost <= cheapest);
    (choices, best.get(best.len() / 2).copied())
}

fn choice(cases: &[Best], threshold: f64, costs: Costs) -> Choice {
    let refused = |case: &&Best| case.relevance.is_none_or(|relevance| relevance < threshold);
    let wrong_refusals = cases.iter().filter(|case| case.answerable).filter(refused).count();
    let wrong_answers = cases.iter().filter(|case| !case.answerable).filter(|case| !refused(case)).count();
    let cost = real(wrong_refusals) * costs.wrong_refusal + real(wrong_answers) * costs.wrong_answer;
    Choice { threshold, wrong_refusals, wrong_answers, cost }
}

/// The longest run of neighbours that hold.
fn longest(choices: &[Choice], holds: impl Fn(&Choice) -> bool) -> Vec<Choice> {
    let runs = choices.chunk_by(|a, b| holds(a) == holds(b));
    let mut best: &[Choice] = &[];
    for run in runs.filter(|run| run.first().is_some_and(&holds)) {
        if run.len() > best.len() {
            best = run;
        }
    }
    best.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(id: usize, answerable: bool, relevance: f64) -> Best {
        Best { id: id.to_string(), answerable, relevance: Some(relevance) }
    }

    #[test]
    fn the_threshold_parts_what_is_answered_from_what_is_not_where_it_can() {
        let cases =
            [best(0, true, 0.9), best(1, true, 0.8), best(2, false, 0.3), best(3, false, 0.41), best(4, true, 0.62)];
        let (choices, chosen) = choices(&cases, Costs { wrong_refusal: 1.0, wrong_answer: 1.0 });
        let chosen = chosen.unwrap();
        assert!(chosen.threshold > 0.45 && chosen.threshold < 0.6 && chosen.cost.abs() < 1e-9, "{chosen:?}");
        let (first, last) = (choices.first().unwrap(), choices.last().unwrap());
        assert_eq!((first.wrong_refusals, first.wrong_answers), (0, 2), "the lowest answers all");
        assert_eq!((last.wrong_refusals, last.wrong_answers), (3, 0), "the highest refuses all");
    }

    #[test]
    fn what_a_mistake_costs_moves_the_threshold() {
        let cases = [best(0, true, 0.5), best(1, false, 0.6), best(2, true, 0.7)];
        let at =
            |wrong_refusal, wrong_answer| choices(&cases, Costs { wrong_refusal, wrong_answer }).1.unwrap().threshold;
        assert!(at(1.0, 3.0) > 0.6 && at(3.0, 1.0) <= 0.5);
        assert_eq!(choices(&[], Costs { wrong_refusal: 1.0, wrong_answer: 1.0 }).1, None);
    }
}
