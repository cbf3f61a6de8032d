//! Answers of any system, scored: question, contexts and answer in, groundedness of each claim and of the answer out.
//!
//! Needs no index and no cases, so that another system's output can be compared with cairn's. Pure.

use serde::{Deserialize, Serialize};

use super::record::{ClaimVerdict, Figure};
use crate::ground::claims::{Kind, pieces};
use crate::ground::evidence::Passages;
use crate::ground::{Scorer, Verdict};

/// The most of one line, of its contexts, and of a file's lines.
const LINE_BYTES_MAX: usize = 8 << 20;
const CONTEXTS_MAX: usize = 1000;
const LINES_MAX: usize = 1_000_000;

/// An answer as its file has it. Other fields are left alone.
#[derive(Debug, Clone, Deserialize)]
struct Line {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    question: Option<String>,
    contexts: Vec<String>,
    answer: String,
}

/// A scored answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scored {
    /// As it came, else the number of its line.
    pub id: String,
    pub question: Option<String>,
    /// The scorer's word on the whole answer, in 0..=1. None: it claims nothing.
    pub score: Option<Figure>,
    /// The share of its claims that are supported. None: it claims nothing.
    pub grounded_claims: Option<Figure>,
    /// Whether every claim is supported.
    pub is_grounded: Option<bool>,
    pub claims: Vec<ScoredClaim>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoredClaim {
    /// Bytes of the answer.
    pub start: usize,
    pub end: usize,
    pub text: String,
    pub verdict: ClaimVerdict,
    pub score: Figure,
    /// The words that bear it out best: context, from 0, and text.
    pub evidence: Vec<(usize, String)>,
    /// What speaks against it: kind and words.
    pub findings: Vec<(String, String)>,
}

/// Why a line can't be scored.
#[derive(Debug, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ScoreError {
    pub line: usize,
    pub reason: String,
}

/// Every line of a JSONL text, in order. Ends with the first one that can't be scored.
pub fn lines<'a>(scorer: &'a Scorer, text: &'a str) -> impl Iterator<Item = Result<Scored, ScoreError>> + 'a {
    let numbered = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    numbered.enumerate().map(move |(count, (at, line))| {
        let wrong = |reason: String| ScoreError { line: at + 1, reason };
        if count == LINES_MAX {
            return Err(wrong(format!("there are more than {LINES_MAX} answers")));
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(wrong(format!("it has {} bytes, at most {LINE_BYTES_MAX} are read", line.len())));
        }
        let read: Line = serde_json::from_str(line).map_err(|error| wrong(error.to_string()))?;
        if read.contexts.len() > CONTEXTS_MAX {
            return Err(wrong(format!("it has {} contexts, at most {CONTEXTS_MAX} are read", read.contexts.len())));
        }
        Ok(scored(scorer, read, at + 1))
    })
}

fn scored(scorer: &Scorer, line: Line, number: usize) -> Scored {
    let passages = Passages::read(&line.contexts);
    let (mut claims, mut scores) = (Vec::new(), Vec::new());
    for piece in pieces(&line.answer).into_iter().filter(|piece| piece.kind == Kind::Claim) {
        let judged = scorer.judge(&line.answer, piece.span, &passages);
        scores.push(judged.score);
        let at = |start: usize, end: usize| line.answer.get(start..end).unwrap_or_default().to_owned();
        let quote = |passage: usize, start: usize, end: usize| {
            let text = line.contexts.get(passage).and_then(|context| context.get(start..end));
            (passage, text.unwrap_or_default().to_owned())
        };
        claims.push(ScoredClaim {
            start: piece.span.start,
            end: piece.span.end,
            text: at(piece.span.start, piece.span.end),
            verdict: match judged.verdict {
                Verdict::Supported => ClaimVerdict::Supported,
                Verdict::Partly => ClaimVerdict::Partly,
                Verdict::Unsupported => ClaimVerdict::Unsupported,
            },
            score: Figure::new(f64::from(judged.score)).unwrap_or_default(),
            evidence: judged
                .evidence
                .iter()
                .map(|place| quote(place.passage, place.span.start, place.span.end))
                .collect(),
            findings: judged
                .mismatches
                .iter()
                .map(|found| (found.kind.name().to_owned(), at(found.claim.start, found.claim.end)))
                .collect(),
        });
    }
    let supported = claims.iter().filter(|claim| claim.verdict == ClaimVerdict::Supported).count();
    Scored {
        id: line.id.unwrap_or_else(|| number.to_string()),
        question: line.question,
        score: scorer.answer(&scores).and_then(|score| Figure::new(f64::from(score))),
        grounded_claims: Figure::share(supported, claims.len()),
        is_grounded: (!claims.is_empty()).then_some(supported == claims.len()),
        claims,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_any_system_are_scored_by_claim_and_as_a_whole() {
        let scorer = Scorer::shipped().unwrap();
        let text = r#"{"id": "x", "question": "Which port?", "contexts": ["Kestrel listens for mail on port 2525."],
            "answer": "Kestrel listens for mail on port 2525. Kestrel listens for mail on port 25.", "model": "other"}"#
            .replace('\n', " ");
        let text = format!("{text}\n\n{{\"contexts\": [], \"answer\": \"Sure!\"}}\n");
        let found: Vec<Scored> = lines(&scorer, &text).collect::<Result<_, _>>().unwrap();
        assert_eq!(found[0].grounded_claims, Figure::new(0.5));
        assert_eq!(found[0].is_grounded, Some(false));
        assert_eq!(found[0].claims[0].evidence, [(0, "Kestrel listens for mail on port 2525.".to_owned())]);
        assert!(found[0].claims[1].findings.iter().any(|(_, words)| words == "25"), "{:?}", found[0].claims[1]);
        assert_eq!((found[1].id.as_str(), found[1].score, found[1].is_grounded), ("3", None, None));
    }

    #[test]
    fn a_line_that_can_not_be_scored_is_named() {
        let scorer = Scorer::shipped().unwrap();
        let wrong = lines(&scorer, "\n{\"answer\": \"x\"}").next().unwrap().unwrap_err();
        assert!(wrong.to_string().starts_with("line 2: ") && wrong.to_string().contains("contexts"), "{wrong}");
    }
}
