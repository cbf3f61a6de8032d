//! What is found out of a model's sentences before they are shown, and what becomes of those that are not borne out.

use cairn::answer::{Outcome, REFUSAL, Reason};
use cairn::chat::Finish;
use cairn::document::{DocumentId, Version};
use cairn::ground::Verdict;
use cairn::ingest::texts::unpack;

use crate::harness::chat::{ChatStub, Step, says, says_then};
use crate::harness::process::run;
use crate::harness::{Answer, QUESTION, Sandbox, ask, default_collection};

/// One sentence that the documents say, one with another number, and one that they say nothing of.
const SAID: &[&str] = &[
    "Kestrel listens on port 2525 for ma",
    "il [1]. At most 400 connections are held at once [1]. It was first released by ",
    "Maria Santos in Lisbon.",
];

async fn answered(policy: &str) -> (Sandbox, Answer) {
    let stub = ChatStub::start([says(SAID)]).await;
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
        .with("CAIRN__ANSWER__UNSUPPORTED", policy)
        .with("CAIRN__ANSWER__SUPPORTED_SHARE_MIN", "0.5");
    let app = sandbox.ingested().await;
    let answer = ask(&app, QUESTION).await;
    for claim in &answer.claims {
        for evidence in &claim.evidence {
            let id = DocumentId::new(&default_collection(), &evidence.external_id);
            assert_eq!(id, evidence.document);
            let kept = app.ledger.text(id, Version(evidence.version.0)).await.unwrap().unwrap();
            assert_eq!(evidence.span.of(&unpack(&kept.body).unwrap().text), evidence.quote);
        }
    }
    (sandbox, answer)
}

#[tokio::test]
async fn every_claim_is_shown_with_its_verdict_and_the_words_of_the_documents() {
    let (sandbox, answer) = answered("annotate").await;
    assert_eq!(answer.text, SAID.concat().replace(" at once [1]", " at once"), "only what is borne out is cited");
    let verdicts: Vec<Verdict> = answer.claims.iter().map(|claim| claim.verdict).collect();
    assert_eq!(verdicts.len(), 3, "{answer:?}");
    assert_eq!(verdicts[0], Verdict::Supported);
    assert!(verdicts[1..].iter().all(|verdict| *verdict != Verdict::Supported), "{answer:?}");
    assert!(answer.claims[0].evidence[0].quote.contains("port 2525"), "{answer:?}");
    let found = &answer.claims[1].findings[0];
    assert_eq!((found.kind.name(), found.span.of(&answer.text)), ("number", "400"), "{answer:?}");
    let done = answer.end.unwrap();
    assert_eq!((done.claims.supported, done.claims.retracted), (1, 0));
    let shown = run(sandbox.cairn(&["ask", QUESTION])).await.stdout;
    assert!(shown.contains("Not borne out by the documents") && shown.contains("number: “400”"), "{shown}");
}

#[tokio::test]
async fn a_model_that_goes_in_circles_is_stopped_and_nothing_is_shown_twice() {
    let again = ["Kestrel listens on port 2525 for mail [1]. "; 20];
    let stub = ChatStub::start([says_then(&again, &[Step::Silence])]).await;
    let sandbox = Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    let app = sandbox.ingested().await;
    let answer = ask(&app, QUESTION).await;
    assert_eq!(answer.text.matches("2525").count(), 1, "{}", answer.text);
    let done = answer.end.unwrap();
    assert_eq!((done.finish, done.outcome, done.claims.supported), (Finish::Length, Outcome::Partial, 1));
    stub.sees("the upstream call to end", |seen| seen.left == 1).await;
}

#[tokio::test]
async fn what_is_not_borne_out_is_left_out_and_the_answer_says_so() {
    let (_sandbox, answer) = answered("retract").await;
    assert!(answer.text.starts_with("Kestrel listens on port 2525 for mail [1]."), "{}", answer.text);
    assert!(!answer.text.contains("400") && !answer.text.contains("Santos"), "{}", answer.text);
    assert!(
        answer.text.ends_with("(2 sentences were left out: the documents don't bear them out.)"),
        "{}",
        answer.text
    );
    assert_eq!(answer.citations.len(), 1);
    assert_eq!(answer.citations[0].mark.of(&answer.text), "[1]");
    assert!(answer.claims.iter().all(|claim| claim.verdict == Verdict::Supported));
    assert_eq!(answer.end.unwrap().claims.retracted, 2);
}

#[tokio::test]
async fn an_answer_that_is_mostly_not_borne_out_becomes_a_refusal() {
    let (_sandbox, answer) = answered("block").await;
    assert_eq!(answer.text, REFUSAL);
    assert!(answer.citations.is_empty() && answer.claims.is_empty(), "{answer:?}");
    let done = answer.end.unwrap();
    assert_eq!((done.outcome, done.claims.supported), (Outcome::Refused(Reason::NotSupported), 1));
    assert!(!done.nearest.is_empty());
}
