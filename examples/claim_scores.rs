//! Answers and their passages in, as JSON lines; each one's pieces with what is measured of them and how they are
//! judged out: for training (which reads the features) and for measuring (which reads the scores).
//!
//!     claim_scores [MODELS_DIR] < {"id", "answer", "passages": [..]}
//!                  > {"id", "score", "pieces": [{start, end, kind, features, evidence, ..}]}
//!
//! With MODELS_DIR, which has ONNX Runtime, the cross-encoder is asked as well; `beside` is what it reads. The first line out names the features, their signs and the threshold. An answer's score is that of its claims; an
//! answer that claims nothing is scored by all that it says, for the sake of sets that label such answers too.

use std::io::{BufRead, Write};
use std::time::Instant;

use cairn::app;
use cairn::config::{Config, Environment};
use cairn::ground::claims::{Kind, Piece, pieces};
use cairn::ground::evidence::Passages;
use cairn::ground::{Scorer, coverage, measure};
use serde_json::json;

#[derive(serde::Deserialize)]
struct Case {
    id: String,
    answer: String,
    passages: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let scorer = match std::env::args().nth(1) {
        Some(models) => reading_scorer(models).await?,
        None => Scorer::shipped()?,
    };
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

/// The scorer as it checks answers.
async fn reading_scorer(models: String) -> Result<Scorer, Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let place = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    std::fs::write(place("empty.toml"), "")?;
    let environment =
        Environment::from_iter([("HOME".to_owned(), place("home")), ("CAIRN__MODELS__DIR".to_owned(), models)]);
    let config = Config::from_layers(Some(folder.path().join("empty.toml").as_path()), &environment, &[])?;
    Ok(app::scorer(&config).await?)
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
        let beside = measured.beside.as_ref().map(|beside| json!([beside.claim, beside.evidence]));
        let opinion = scorer.opinion(&measured);
        let judgement = scorer.weigh(measured, opinion);
        let micros = u64::try_from(began.elapsed().as_micros())?;
        scores.push((piece.kind, judgement.score));
        found.push(json!({
            "start": piece.span.start,
            "end": piece.span.end,
            "kind": format!("{:?}", piece.kind),
            "features": features,
            "evidence": evidence,
            "beside": beside,
            "entailment": opinion.map(|opinion| opinion.entailment),
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
