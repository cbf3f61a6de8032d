//! A chat model's second opinion on sentences that are about to be shown as supported.

use cairn::answer::{Outcome, Reason};
use cairn::ground::Verdict;

use crate::harness::chat::{ChatStub, Reply, Step, refuses, says, says_then};
use crate::harness::{Answer, QUESTION, Sandbox, ask};

const SENTENCE: &str = "Kestrel listens on port 2525 for mail [1].";

/// What becomes of the sentence beside a judge that gives this reply.
async fn judged(reply: Reply, more: &[(&str, &str)]) -> (Answer, ChatStub) {
    let (chat, judge) = (ChatStub::start([says(&[SENTENCE])]).await, ChatStub::start([reply]).await);
    let mut sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &chat.base_url)
        .with("CAIRN__GROUND__JUDGE__BASE_URL", &judge.base_url);
    for (variable, value) in more {
        sandbox = sandbox.with(variable, value);
    }
    let app = sandbox.ingested().await;
    (ask(&app, QUESTION).await, judge)
}

#[tokio::test]
async fn a_sentence_that_the_judge_denies_is_not_supported_and_says_so() {
    let (answer, judge) = judged(says(&["No"]), &[]).await;
    let [claim] = answer.claims.as_slice() else { panic!("{answer:?}") };
    assert_ne!(claim.verdict, Verdict::Supported);
    assert_eq!(claim.findings.last().unwrap().kind.name(), "judge");
    let asked = judge.seen().asked[0].messages().last().unwrap().1.to_owned();
    assert!(asked.contains("Statement: Kestrel listens on port 2525 for mail"), "{asked}");
    assert!(asked.contains("<source id=\"1\">"), "{asked}");
    let (answer, _) = judged(says(&["No"]), &[("CAIRN__ANSWER__UNSUPPORTED", "retract")]).await;
    assert!(!answer.text.contains("2525"), "{answer:?}");
    assert_eq!(answer.end.unwrap().outcome, Outcome::Refused(Reason::NotSupported));
}

#[tokio::test]
async fn without_an_opinion_that_can_be_read_in_time_the_checks_own_word_stands() {
    let short = [("CAIRN__GROUND__JUDGE__DEADLINE", "200ms")];
    for reply in [says(&["Yes."]), says(&["Perhaps."]), refuses(500), says_then(&["N"], &[Step::Silence])] {
        let (answer, judge) = judged(reply.clone(), &short).await;
        assert_eq!(answer.claims[0].verdict, Verdict::Supported, "{reply:?}");
        assert!(answer.text.contains("[1]") && answer.claims[0].findings.is_empty(), "{answer:?}");
        assert!(!judge.seen().asked.is_empty());
    }
}

#[tokio::test]
async fn of_one_answer_the_judge_is_asked_about_so_many_sentences() {
    let (chat, judge) = (
        ChatStub::start([says(&[
            SENTENCE,
            " ",
            "Change the mail port with the setting `relay.port` and restart the service [1].",
        ])])
        .await,
        ChatStub::start([says(&["no"])]).await,
    );
    let sandbox = Sandbox::with_documents()
        .with("CAIRN__CHAT__BASE_URL", &chat.base_url)
        .with("CAIRN__GROUND__JUDGE__BASE_URL", &judge.base_url)
        .with("CAIRN__GROUND__JUDGE__CLAIMS_MAX", "1");
    let app = sandbox.ingested().await;
    let answer = ask(&app, QUESTION).await;
    let verdicts: Vec<bool> = answer.claims.iter().map(|claim| claim.verdict == Verdict::Supported).collect();
    assert_eq!((verdicts, judge.seen().asked.len()), (vec![false, true], 1), "{answer:?}");
}

#[tokio::test]
async fn below_the_score_that_retract_asks_for_a_supported_sentence_is_not_shown_either() {
    for (below, is_shown) in [("0.0", true), ("1.0", false)] {
        let chat = ChatStub::start([says(&[SENTENCE])]).await;
        let sandbox = Sandbox::with_documents()
            .with("CAIRN__CHAT__BASE_URL", &chat.base_url)
            .with("CAIRN__ANSWER__UNSUPPORTED", "retract")
            .with("CAIRN__ANSWER__RETRACT_BELOW", below);
        let app = sandbox.ingested().await;
        let answer = ask(&app, QUESTION).await;
        assert_eq!(answer.text.contains("2525"), is_shown, "{answer:?}");
        let outcome = answer.end.unwrap().outcome;
        assert_eq!(outcome == Outcome::Refused(Reason::NotSupported), !is_shown, "{outcome:?}");
    }
}
