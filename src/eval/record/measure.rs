//! What is measured of a case: the names, which way is better, and why a value may be missing.

use serde::{Deserialize, Serialize};

use super::Figure;

/// What is measured. Each is a number in 0..=1 for one case, and a mean over cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// 1 for an answer with at least one claim that the passages don't support, else 0. The headline.
    UngroundedAnswers,
    /// The same by a judge's word, where one was asked.
    UngroundedByJudge,
    /// The share of an answer's claims that are supported.
    GroundedClaims,
    /// The share of an answer's citations whose passage supports a claim that they stand with.
    CitationPrecision,
    /// The share of an answer's claims that their citations together support.
    CitationRecall,
    /// The share of the case's facts that the answer has in one of their wordings.
    FactRecall,
    /// Overlap of words with the reference answer, as SQuAD's evaluation has it.
    TokenF1,
    /// 1 where the answer is the reference answer, but for case, punctuation and articles.
    ExactMatch,
    /// 1 for a refusal where the documents don't answer.
    RightRefusals,
    /// 1 for a refusal where they do.
    WrongRefusals,
    /// 1 for an answer where the documents don't answer, or that has none of the facts and cites none of the sources.
    WrongAnswers,
    /// The share of the case's sources among the first five hits.
    #[serde(rename = "recall@5")]
    RecallAt5,
    /// The same among the first ten.
    #[serde(rename = "recall@10")]
    RecallAt10,
    /// Normalised discounted cumulative gain of the first ten hits, each source counted once.
    #[serde(rename = "ndcg@10")]
    NdcgAt10,
    /// One divided by the rank of the first right hit; 0 where there is none.
    Mrr,
    /// The share of the case's sources among the passages that the answer may rely on.
    PassageRecall,
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    HigherIsBetter,
    LowerIsBetter,
}

impl Measure {
    pub const ALL: [Self; 16] = [
        Self::UngroundedAnswers,
        Self::UngroundedByJudge,
        Self::GroundedClaims,
        Self::CitationPrecision,
        Self::CitationRecall,
        Self::FactRecall,
        Self::TokenF1,
        Self::ExactMatch,
        Self::RightRefusals,
        Self::WrongRefusals,
        Self::WrongAnswers,
        Self::RecallAt5,
        Self::RecallAt10,
        Self::NdcgAt10,
        Self::Mrr,
        Self::PassageRecall,
    ];

    /// As reports and gates have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::UngroundedAnswers => "ungrounded_answers",
            Self::UngroundedByJudge => "ungrounded_by_judge",
            Self::GroundedClaims => "grounded_claims",
            Self::CitationPrecision => "citation_precision",
            Self::CitationRecall => "citation_recall",
            Self::FactRecall => "fact_recall",
            Self::TokenF1 => "token_f1",
            Self::ExactMatch => "exact_match",
            Self::RightRefusals => "right_refusals",
            Self::WrongRefusals => "wrong_refusals",
            Self::WrongAnswers => "wrong_answers",
            Self::RecallAt5 => "recall@5",
            Self::RecallAt10 => "recall@10",
            Self::NdcgAt10 => "ndcg@10",
            Self::Mrr => "mrr",
            Self::PassageRecall => "passage_recall",
        }
    }

    /// What it says, for a reader.
    pub fn title(self) -> &'static str {
        match self {
            Self::UngroundedAnswers => "Answers with an ungrounded claim",
            Self::UngroundedByJudge => "Answers with an ungrounded claim, by the judge",
            Self::GroundedClaims => "Claims that are supported",
            Self::CitationPrecision => "Citations that support their claim",
            Self::CitationRecall => "Claims that their citations support",
            Self::FactRecall => "Facts that are in the answer",
            Self::TokenF1 => "Words shared with the reference answer",
            Self::ExactMatch => "Answers equal to the reference answer",
            Self::RightRefusals => "Refused where the documents don't answer",
            Self::WrongRefusals => "Refused where the documents do answer",
            Self::WrongAnswers => "Wrong answers",
            Self::RecallAt5 => "Sources among the first 5 hits",
            Self::RecallAt10 => "Sources among the first 10 hits",
            Self::NdcgAt10 => "Order of the first 10 hits (nDCG)",
            Self::Mrr => "Rank of the first right hit (MRR)",
            Self::PassageRecall => "Sources among the passages",
        }
    }

    pub fn direction(self) -> Direction {
        match self {
            Self::UngroundedAnswers | Self::UngroundedByJudge | Self::WrongRefusals | Self::WrongAnswers => {
                Direction::LowerIsBetter
            }
            Self::GroundedClaims
            | Self::CitationPrecision
            | Self::CitationRecall
            | Self::FactRecall
            | Self::TokenF1
            | Self::ExactMatch
            | Self::RightRefusals
            | Self::RecallAt5
            | Self::RecallAt10
            | Self::NdcgAt10
            | Self::Mrr
            | Self::PassageRecall => Direction::HigherIsBetter,
        }
    }

    /// Whether a case is either 0 or 1, so that pairs of runs can be counted.
    pub fn is_binary(self) -> bool {
        match self {
            Self::UngroundedAnswers
            | Self::UngroundedByJudge
            | Self::ExactMatch
            | Self::RightRefusals
            | Self::WrongRefusals
            | Self::WrongAnswers => true,
            Self::GroundedClaims
            | Self::CitationPrecision
            | Self::CitationRecall
            | Self::FactRecall
            | Self::TokenF1
            | Self::RecallAt5
            | Self::RecallAt10
            | Self::NdcgAt10
            | Self::Mrr
            | Self::PassageRecall => false,
        }
    }

    /// Whether it is the scorer's word, so that the scorer's own validation bears on it.
    pub fn is_scored(self) -> bool {
        match self {
            Self::UngroundedAnswers | Self::GroundedClaims | Self::CitationPrecision | Self::CitationRecall => true,
            Self::UngroundedByJudge
            | Self::FactRecall
            | Self::TokenF1
            | Self::ExactMatch
            | Self::RightRefusals
            | Self::WrongRefusals
            | Self::WrongAnswers
            | Self::RecallAt5
            | Self::RecallAt10
            | Self::NdcgAt10
            | Self::Mrr
            | Self::PassageRecall => false,
        }
    }

    /// What a case counts for that errored.
    pub fn worst(self) -> Figure {
        match self.direction() {
            Direction::HigherIsBetter => Figure::ZERO,
            Direction::LowerIsBetter => Figure::ONE,
        }
    }

    /// A difference in the sense that more is better.
    pub fn gain(self, before: f64, now: f64) -> f64 {
        match self.direction() {
            Direction::HigherIsBetter => now - before,
            Direction::LowerIsBetter => before - now,
        }
    }
}

/// A value of a case, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    Value(Figure),
    Skipped(Skip),
}

impl Measured {
    /// The value, or this reason where it is undefined.
    pub fn or_skipped(value: Option<Figure>, reason: Skip) -> Self {
        value.map_or(Self::Skipped(reason), Self::Value)
    }

    pub fn value(self) -> Option<Figure> {
        match self {
            Self::Value(value) => Some(value),
            Self::Skipped(_) => None,
        }
    }
}

/// Why a measure is undefined for a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Skip {
    /// The documents answer the question, and the measure is for those that they don't.
    Answerable,
    /// The other way round.
    Unanswerable,
    /// The answer is a refusal.
    Refused,
    /// The answer says nothing that could be right or wrong.
    NoClaims,
    NoCitations,
    /// The case names none.
    NoFacts,
    NoReference,
    NoSources,
    /// Its prompt is none that an answer was recorded for.
    Stale,
    /// A judge's answer was none.
    Unparsed,
    /// No judge was asked.
    NoJudge,
}

impl Skip {
    /// As reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answerable => "answerable",
            Self::Unanswerable => "unanswerable",
            Self::Refused => "refused",
            Self::NoClaims => "no_claims",
            Self::NoCitations => "no_citations",
            Self::NoFacts => "no_facts",
            Self::NoReference => "no_reference",
            Self::NoSources => "no_sources",
            Self::Stale => "stale",
            Self::Unparsed => "unparsed",
            Self::NoJudge => "no_judge",
        }
    }

    /// For a reader.
    pub fn title(self) -> &'static str {
        match self {
            Self::Answerable => "the documents answer the question",
            Self::Unanswerable => "the documents don't answer the question",
            Self::Refused => "the answer is a refusal",
            Self::NoClaims => "the answer says nothing that could be right or wrong",
            Self::NoCitations => "the answer has no citations",
            Self::NoFacts => "the case names no facts",
            Self::NoReference => "the case has no reference answer",
            Self::NoSources => "the case names no sources",
            Self::Stale => "no answer was recorded for this prompt",
            Self::Unparsed => "the judge's answer can't be read",
            Self::NoJudge => "no judge was asked",
        }
    }

    /// Whether it follows from the case alone: such a skip is meant, and never invalidates a run.
    pub fn is_by_design(self) -> bool {
        match self {
            Self::Answerable
            | Self::Unanswerable
            | Self::NoFacts
            | Self::NoReference
            | Self::NoSources
            | Self::NoJudge => true,
            Self::Refused | Self::NoClaims | Self::NoCitations | Self::Stale | Self::Unparsed => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_what_json_has() {
        for measure in Measure::ALL {
            assert_eq!(serde_json::to_value(measure).unwrap(), measure.name());
        }
        for skip in [Skip::Answerable, Skip::NoClaims, Skip::NoReference, Skip::Unparsed] {
            assert_eq!(serde_json::to_value(skip).unwrap(), skip.name());
        }
    }

    #[test]
    fn a_gain_is_positive_where_it_got_better() {
        assert!(Measure::FactRecall.gain(0.5, 0.75) > 0.0);
        assert!(Measure::UngroundedAnswers.gain(0.5, 0.25) > 0.0);
    }
}
