//! Answers and their passages in, as JSON lines; each one's pieces with what is measured of them and how they are
//! judged out: for training (which reads the features) and for measuring (which reads the scores).
//!
//!     claim_scores < {"id", "answer", "passages": [..]}
//!                  > {"id", "score", "pieces": [{start, end, kind, features, evidence, ..}]}
//!
//! The first line out names the features, their signs and the threshold. An answer's score is that of its claims; an
//! answer that claims nothing is scored by all that it says, for the sake of sets that label such answers too.

use std::io::{BufRead, Write};
use std::time::Instant;

use cairn::ground::claims::{Kind, Piece, pieces};
use cairn::ground::evidence::Passages;
use cairn::ground::{Opinions, Scorer, coverage, measure};
use serde_json::json;

#[derive(serde::Deserialize)]
struct Case {
    id: String,
    answer: String,
    passages: Vec<String>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let scorer = Scorer::shipped()?;
    let names: Vec<&str> = coverage::FEATURES.iter().map(|(name, _)| *name).collect();
    let signs: Vec<i8> = coverage::FEATURES.iter().map(|(_, sign)| *sign).collect();
    writeln!(out, "{}", json!({ "features": names, "signs": signs, "threshold": scorer.threshold() }))?;
    let mut last: Option<(Vec<String>, Passages)> = None;
    for line in std::io::stdin().lock().lines() {
        let case: Case = serde_json::from_str(&line?)?;
        if last.as_ref().is_none_or(|(texts, _)| *texts != case.passages) {
            last = Some((case.passages.clone(), Passages::read(&case.passages)));
        }
        if let Some((_, passages)) = &last {
            writeln!(out, "{}", judged(&scorer, &case, passages)?)?;
        }
    }
    Ok(())
}

fn judged(scorer: &Scorer, case: &Case, passages: &Passages) -> Result<serde_json::Value, std::num::TryFromIntError> {
    let mut found = Vec::new();
    let mut scores: Vec<(Kind, f32)> = Vec::new();
    let said: Vec<Piece> =
        pieces(&case.answer).into_iter().filter(|piece| !matches!(piece.kind, Kind::Blank | Kind::Rule)).collect();
    for piece in said {
        let began = Instant::now();
        let measured = measure(&case.answer, piece.span, passages);
        let features = measured.features.clone();
        let evidence: Vec<_> =
            measured.evidence.iter().map(|at| json!([at.passage, at.span.start, at.span.end])).collect();
        let judgement = scorer.weigh(measured, Opinions::default());
        let micros = u64::try_from(began.elapsed().as_micros())?;
        scores.push((piece.kind, judgement.score));
        found.push(json!({
            "start": piece.span.start,
            "end": piece.span.end,
            "kind": format!("{:?}", piece.kind),
            "features": features,
            "evidence": evidence,
            "mismatches": judgement.mismatches.iter().map(|m| format!("{:?}", m.kind)).collect::<Vec<_>>(),
            "sure": judgement.mismatches.iter().map(|m| m.sure).collect::<Vec<_>>(),
            "words": judgement.mismatches.iter().map(|m| m.claim.of(&case.answer)).collect::<Vec<_>>(),
            "score": judgement.score,
            "micros": micros,
        }));
    }
    Ok(json!({ "id": case.id, "score": scorer.answer(&counted(&scores)), "pieces": found }))
}

/// The claims' scores; where nothing is claimed, all but headings'; where there is nothing else, those too.
fn counted(scores: &[(Kind, f32)]) -> Vec<f32> {
    let of = |counts: fn(Kind) -> bool| {
        scores.iter().filter(|(kind, _)| counts(*kind)).map(|(_, score)| *score).collect::<Vec<f32>>()
    };
    let steps: [fn(Kind) -> bool; 3] = [|kind| kind == Kind::Claim, |kind| kind != Kind::Heading, |_| true];
    steps.into_iter().map(of).find(|scores| !scores.is_empty()).unwrap_or_default()
}
