//! What the scorer says of plain cases.

use proptest::prelude::*;

use super::claims::pieces;
use super::mismatch::MismatchKind;
use super::*;

const MANUAL: [&str; 2] = [
    "The server listens on port 8080 by default. Set `max_connections` to allow more than 100 clients at once. \
     A restart takes about five seconds, and clients reconnect by themselves.",
    "Backups are written every night to the folder `/var/backups`. Old backups are removed after 30 days. \
     | feature | free |\n|---|---|\n| encryption | no |\n| export | yes |\n",
];

fn judge(claim: &str) -> Judgement {
    let scorer = Scorer::shipped().expect("the shipped model is valid");
    scorer.judge(claim, Span { start: 0, end: claim.len() }, &Passages::read(&MANUAL))
}

#[test]
fn what_a_passage_says_is_supported_and_its_sentence_is_the_evidence() {
    let judgement = judge("By default, the server listens on port 8080.");
    assert_eq!(judgement.verdict, Verdict::Supported, "{judgement:?}");
    let place = judgement.evidence.first().expect("there is evidence");
    assert_eq!(place.span.of(MANUAL[place.passage]), "The server listens on port 8080 by default.");
}

#[test]
fn what_no_passage_says_is_not_supported() {
    for claim in [
        "The moon is made of green cheese.",
        "The server listens on port 9090 by default.",
        "Backups are written every night to the folder `/srv/dumps`.",
        "Old backups are never removed after 30 days.",
        "The free edition includes encryption.",
    ] {
        assert_ne!(judge(claim).verdict, Verdict::Supported, "{claim} {:?}", judge(claim));
    }
}

#[test]
fn a_joined_claim_is_supported_only_if_all_its_parts_are() {
    let both = "The server listens on port 8080 by default, and old backups are removed after 30 days.";
    let half = "The server listens on port 8080 by default, and penguins migrate across frozen oceans each winter.";
    assert_eq!(judge(both).verdict, Verdict::Supported, "{:?}", judge(both));
    assert_ne!(judge(half).verdict, Verdict::Supported, "{:?}", judge(half));
}

#[test]
fn a_reader_can_be_told_what_fired() {
    let claim = "The server listens on port 9090 by default.";
    let judgement = judge(claim);
    let mismatch = judgement.mismatches.first().expect("a number is wrong");
    assert_eq!((mismatch.kind, mismatch.claim.of(claim)), (MismatchKind::Number, "9090"));
    let place = mismatch.evidence.expect("another number stands there");
    assert_eq!(place.span.of(MANUAL[place.passage]), "8080");
}

#[test]
fn what_names_the_source_counts_neither_for_nor_against() {
    let plain = judge("The server listens on port 8080 by default.");
    for lead in ["According to the documentation, ", "The manual says that ", "In short, "] {
        let claim = format!("{lead}the server listens on port 8080 by default.");
        assert_eq!(judge(&claim).score.to_bits(), plain.score.to_bits(), "{claim}");
    }
}

#[test]
fn what_breaks_off_is_not_supported() {
    let scorer = Scorer::shipped().expect("the shipped model is valid");
    let passages = Passages::read(&MANUAL);
    let last = |answer: &str| {
        let piece =
            pieces(answer).into_iter().rfind(|piece| piece.kind != claims::Kind::Blank).expect("there is a piece");
        (piece.kind, scorer.judge(answer, piece.span, &passages))
    };
    for answer in [
        "The server listens on port 8080 by default and",
        "The server listens on port 8080 by default, and clients reconnect by the",
        "Old backups are removed after 30 days. A restart takes about five",
        "Old backups are removed after 30 days [2]. The server listens on port 8080",
        "Old backups are removed after 30 days. The server is",
        "The server listens on port 8080 by default (see",
        "Backups are written to the folder `/var/back",
    ] {
        let (kind, judgement) = last(answer);
        assert_eq!(kind, claims::Kind::Claim, "{answer}");
        assert_ne!(judgement.verdict, Verdict::Supported, "{answer}");
        assert!(judgement.mismatches.iter().any(|m| m.kind == MismatchKind::Unfinished), "{answer}");
    }
    for answer in [
        "Old backups are removed after 30 days. The server listens on port 8080 by default. [1]",
        "The server listens on port 8080 by default",
        "- Old backups are removed after 30 days.\n- The server listens on port 8080 by default",
        "Old backups are removed after 30 days [2].\n\n| port | 8080 |",
        "The server listens on port 8080 by default **[1]**",
    ] {
        let (_, judgement) = last(answer);
        assert!(!judgement.mismatches.iter().any(|m| m.kind == MismatchKind::Unfinished), "{answer}");
    }
}

#[test]
fn an_answer_is_worth_no_more_than_its_mean_and_no_less_than_its_worst_claim() {
    let scorer = Scorer::shipped().expect("the shipped model is valid");
    let score = scorer.answer(&[0.9, 0.2]).expect("there are claims");
    assert!(0.2 < score && score < 0.55, "{score}");
    assert_eq!(scorer.answer(&[]), None);
}

#[test]
fn without_passages_nothing_is_supported() {
    let scorer = Scorer::shipped().expect("the shipped model is valid");
    let none = Passages::read::<&str>(&[]);
    let claim = "The server listens on port 8080.";
    let judgement = scorer.judge(claim, Span { start: 0, end: claim.len() }, &none);
    assert_ne!(judgement.verdict, Verdict::Supported);
    assert_eq!(judgement.evidence, []);
}

#[test]
fn a_model_that_asks_for_what_is_not_measured_is_refused() {
    let json = r#"{"features":["length"],"trees":[[{"leaf":1.0}]],"linear":[{"weight":0.0,"missing":0.0}],"bias":0.0,"calibration":{"raw":[0.0],"probability":[0.5]},
        "threshold":0.5,"threshold_partly":0.2,"answer_exponent":-1.0,"provenance":null}"#;
    assert!(matches!(Scorer::read(json), Err(ModelError::UnknownFeature { name }) if name == "length"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_claim_is_judged_the_same_twice_and_its_places_are_in_the_texts(
        claim in "([a-zA-Zäß]{1,6}|[ ]|[ ]|not |8080|no |3\\.5%|May 5, |`|\\[1\\]|, and |\\.|日本|\\|){0,40}",
        passage in "([a-zA-Zäß]{1,6}|[ ]|[ ]|not |8080|a: no\n|3\\.5%|\\. |\n|\\||日本){0,60}",
    ) {
        let scorer = Scorer::shipped().expect("the shipped model is valid");
        let passages = Passages::read(&[&passage]);
        for piece in pieces(&claim) {
            let judgement = scorer.judge(&claim, piece.span, &passages);
            prop_assert!((0.0..=1.0).contains(&judgement.score));
            prop_assert_eq!(&judgement, &scorer.judge(&claim, piece.span, &Passages::read(&[&passage])));
            for place in judgement.evidence.iter().chain(judgement.mismatches.iter().filter_map(|m| m.evidence.as_ref())) {
                prop_assert!(passage.get(place.span.start..place.span.end).is_some_and(|quote| !quote.is_empty()));
            }
            for mismatch in &judgement.mismatches {
                prop_assert!(claim.get(mismatch.claim.start..mismatch.claim.end).is_some());
            }
        }
    }
}

#[test]
fn another_model_is_given_the_sentences_around_a_claim_and_the_claim_without_its_marks() {
    let claim = "According to the manual, the server [1] listens on port 8080.";
    let measured = measure(claim, Span { start: 0, end: claim.len() }, &Passages::read(&MANUAL));
    let beside = measured.beside.expect("there is something to read");
    assert_eq!(beside.claim, "the server     listens on port 8080.");
    assert!(beside.evidence.starts_with("The server listens on port 8080 by default. Set `max_connections`"));
}

#[test]
fn another_model_is_not_given_records_nor_what_no_passage_has_a_word_of() {
    let record = ["name: The Green Fork\ncity: Bath\nstars: 4.5\n"];
    let claim = "The Green Fork is in Bath.";
    let of_record = measure(claim, Span { start: 0, end: claim.len() }, &Passages::read(&record));
    assert_eq!(of_record.beside, None);
    let foreign = "Penguins migrate.";
    let of_nothing = measure(foreign, Span { start: 0, end: foreign.len() }, &Passages::read(&MANUAL));
    assert_eq!(of_nothing.beside, None);
}

#[test]
fn what_another_model_says_counts_and_is_told_as_its_own_finding() {
    let scorer = Scorer::shipped().expect("the shipped model is valid");
    let claim = "Backups are kept in a folder of the server.";
    let measured = measure(claim, Span { start: 0, end: claim.len() }, &Passages::read(&MANUAL));
    let words = claim.find("kept").map(|start| Span { start, end: start + 4 });
    let judged = |entailment: f32| scorer.weigh(measured.clone(), Some(Opinion { entailment, against: words }));
    let (against, alone, for_it) = (judged(-6.0), scorer.weigh(measured.clone(), None), judged(6.0));
    assert!(against.score < alone.score && alone.score < for_it.score, "{against:?} {alone:?} {for_it:?}");
    let told: Vec<_> = against.mismatches.iter().map(|found| (found.kind, found.claim.of(claim))).collect();
    assert!(told.contains(&(MismatchKind::Contradiction, "kept")), "{told:?}");
    assert!(for_it.mismatches.iter().all(|found| found.kind != MismatchKind::Contradiction));
    assert_eq!(alone.entailment, None);
}
