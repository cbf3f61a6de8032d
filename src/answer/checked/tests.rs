//! What comes out of a model's text, as it is shown.

use proptest::prelude::*;

use super::*;
use crate::answer::Citation;
use crate::answer::tests::passage;

const PORT: &str = "Kestrel listens for mail on port 2525. The vault opens with a code word.";
const LAMP: &str = "The lamp burns for nine hours in summer. Mail is kept in the vault for seven days.";
/// Where the passages begin in their documents.
const OFFSET: usize = 100;

/// What comes out of a text that goes in as these parts.
#[derive(Debug, Clone, PartialEq)]
struct Out {
    text: String,
    citations: Vec<Citation>,
    claims: Vec<CheckedClaim>,
    ending: Ending,
}

fn run(policy: Policy, parts: &[&str]) -> Out {
    run_to(Finish::Stop, policy, parts)
}

fn run_to(finish: Finish, policy: Policy, parts: &[&str]) -> Out {
    let scorer = Arc::new(Scorer::shipped().unwrap());
    let mut gate = Gate::new(scorer, policy, &[passage(1, PORT), passage(2, LAMP), passage(3, PORT)]);
    let mut events: Vec<AnswerEvent> = parts.iter().flat_map(|part| gate.push(part)).collect();
    let (last, ending) = gate.end(finish);
    events.extend(last);
    let mut out = Out { text: String::new(), citations: Vec::new(), claims: Vec::new(), ending };
    for event in events {
        match event {
            AnswerEvent::Delta(delta) => out.text.push_str(&delta),
            AnswerEvent::Citation(citation) => out.citations.push(citation),
            AnswerEvent::Claim(claim) => out.claims.push(claim),
            other @ (AnswerEvent::Sources(_) | AnswerEvent::Done(_) | AnswerEvent::Failed(_)) => panic!("{other:?}"),
        }
    }
    out
}

/// The answer as it is shown, and which sources it cites.
fn cited(answer: &str) -> (String, Vec<usize>) {
    let out = run(Policy::Annotate, &[answer]);
    let numbers = out.citations.iter().map(|citation| citation.number).collect();
    (out.text, numbers)
}

/// What becomes of each way in which models cite. Source 1 and 3 bear the sentence about the port out, 2 the one about
/// the lamp.
#[test]
fn models_cite_in_many_ways_and_each_becomes_one() {
    const PORTS: &str = "Kestrel listens for mail on port 2525";
    const LAMPS: &str = "The lamp burns for nine hours in summer";
    let table: &[(String, String, &[usize])] = &[
        (format!("{PORTS} [1]."), format!("{PORTS} [1]."), &[1]),
        (format!("{PORTS}[1]."), format!("{PORTS}[1]."), &[1]),
        (format!("{PORTS} [1, 3]."), format!("{PORTS} [1][3]."), &[1, 3]),
        (format!("{PORTS} [1][3]."), format!("{PORTS} [1][3]."), &[1, 3]),
        (format!("{PORTS} [1-3]."), format!("{PORTS} [1][3]."), &[1, 3]),
        (format!("{PORTS} [1–3]."), format!("{PORTS} [1][3]."), &[1, 3]),
        (format!("{PORTS} [1; 3]."), format!("{PORTS} [1][3]."), &[1, 3]),
        (format!("{PORTS}【1】."), format!("{PORTS}[1]."), &[1]),
        (format!("{PORTS}【3†source】."), format!("{PORTS}[3]."), &[3]),
        (format!("{PORTS} [^1]."), format!("{PORTS} [1]."), &[1]),
        (format!("{PORTS} (1)."), format!("{PORTS} [1]."), &[1]),
        (format!("{PORTS} (1, 3)."), format!("{PORTS} [1][3]."), &[1, 3]),
        (format!("{PORTS} [Source 1]."), format!("{PORTS} [1]."), &[1]),
        (format!("{PORTS} (Source 1)."), format!("{PORTS} [1]."), &[1]),
        (format!("{PORTS} [doc 1 and 3]."), format!("{PORTS} [1][3]."), &[1, 3]),
        // After the full stop, before it, and at the end of the line.
        (format!("{PORTS}. [1] {LAMPS} [2]."), format!("{PORTS}. [1] {LAMPS} [2]."), &[1, 2]),
        (format!("{PORTS}.[1] {LAMPS}.[2]"), format!("{PORTS}.[1] {LAMPS}.[2]"), &[1, 2]),
        (format!("{PORTS}. (1)\n"), format!("{PORTS}. [1]\n"), &[1]),
        // In a list and in a table.
        (format!("- {PORTS} [1]\n- {LAMPS} [2]\n"), format!("- {PORTS} [1]\n- {LAMPS} [2]\n"), &[1, 2]),
        (
            format!("| What | Cited |\n|---|---|\n| {PORTS} | [1] |\n"),
            format!("| What | Cited |\n|---|---|\n| {PORTS} | [1] |\n"),
            &[1],
        ),
        // A source that does not bear the sentence out is replaced, one that is none is taken out, and one that was not
        // named is put in.
        (format!("{PORTS} [2]."), format!("{PORTS} [1]."), &[1]),
        (format!("{PORTS} [1][2]."), format!("{PORTS} [1]."), &[1]),
        (format!("{LAMPS} [7]."), format!("{LAMPS} [2]."), &[2]),
        (format!("{LAMPS} [2, 9]."), format!("{LAMPS} [2]."), &[2]),
        (format!("{LAMPS}."), format!("{LAMPS} [2]."), &[2]),
        (format!("- {LAMPS}\n"), format!("- {LAMPS} [2]\n"), &[2]),
        (
            format!("| a | b |\n|---|---|\n| {LAMPS} | yes |\n"),
            format!("| a | b |\n|---|---|\n| {LAMPS} | yes [2] |\n"),
            &[2],
        ),
        ("Maria Santos wrote Kestrel in Lisbon [1].".into(), "Maria Santos wrote Kestrel in Lisbon.".into(), &[]),
        // What is no citation stays text.
        ("Use `argv[1]` here.".into(), "Use `argv[1]` here.".into(), &[]),
        ("```c\nx[1] = a[2];\n```\n".into(), "```c\nx[1] = a[2];\n```\n".into(), &[]),
        ("- [ ] to do\n- [x] done\n".into(), "- [ ] to do\n- [x] done\n".into(), &[]),
        ("In step (1) the door is shut.".into(), "In step (1) the door is shut.".into(), &[]),
        ("It was so (2019).".into(), "It was so (2019).".into(), &[]),
        ("There were many (12).".into(), "There were many (12).".into(), &[]),
        ("In [2024] it was so.".into(), "In [2024] it was so.".into(), &[]),
        ("It is f(1).".into(), "It is f(1).".into(), &[]),
    ];
    for (answer, expected, numbers) in table {
        let (text, found) = cited(answer);
        assert_eq!((text.as_str(), found.as_slice()), (expected.as_str(), *numbers), "{answer}");
        let each: Vec<String> = answer.chars().map(String::from).collect();
        let parts: Vec<&str> = each.iter().map(String::as_str).collect();
        assert_eq!(run(Policy::Annotate, &parts), run(Policy::Annotate, &[answer]), "cut into letters: {answer}");
    }
}

#[test]
fn each_claim_has_its_verdict_and_the_words_that_bear_it_out() {
    let answer = "Kestrel listens for mail on port 2525 [1]. It was written in Lisbon by Maria Santos.";
    let Out { text, citations, claims, ending } = run(Policy::Annotate, &[answer]);
    assert_eq!(text, answer);
    assert_eq!((claims.len(), ending.claims.supported, ending.outcome), (2, 1, Outcome::Partial), "{claims:?}");
    assert_eq!(claims[0].verdict, Verdict::Supported);
    assert_eq!(claims[0].span.of(&text), "Kestrel listens for mail on port 2525 [1].");
    let words = "Kestrel listens for mail on port 2525.";
    assert_eq!((claims[0].evidence[0].quote.as_str(), claims[0].evidence[0].span.start), (words, OFFSET));
    assert_eq!((citations[0].quote.as_str(), citations[0].span.start), (words, OFFSET));
}

#[test]
fn a_wrong_number_is_told_and_with_retract_its_sentence_is_not_shown() {
    let answer = "Kestrel listens for mail on port 25 [1]. The vault opens with a code word [1].";
    let Out { claims, text, .. } = run(Policy::Annotate, &[answer]);
    assert_ne!(claims[0].verdict, Verdict::Supported);
    assert_eq!(claims[0].findings[0].span.of(&text), "25");
    let Out { text, citations, claims, ending } = run(Policy::Retract, &[answer]);
    assert!(!text.contains("25") && text.contains("The vault opens with a code word [1]."), "{text}");
    assert!(text.ends_with("(1 sentence was left out: the documents don't bear it out.)"), "{text}");
    assert_eq!((claims.len(), citations.len(), ending.claims.retracted), (1, 1, 1));
    assert_eq!(claims[0].span.of(&text), "The vault opens with a code word [1].");
    assert_eq!(citations[0].mark.of(&text), "[1]");
}

#[test]
fn an_answer_of_which_nothing_may_be_shown_is_a_refusal() {
    let nothing = "Sure, here is the answer:\n\n# Ports\n\nKestrel listens for mail on port 25.";
    for policy in [Policy::Retract, Policy::Block { supported_share_min: 0.5 }] {
        let Out { text, citations, claims, ending } = run(policy, &[nothing]);
        assert_eq!((text.as_str(), ending.outcome), (REFUSAL, Outcome::Refused(Reason::NotSupported)));
        assert!(citations.is_empty() && claims.is_empty());
    }
}

#[test]
fn with_retract_code_that_no_passage_has_is_left_out() {
    let answer = "Kestrel listens for mail on port 2525.\n\n```\nport 2525\n```\n\n```\nDROP TABLE mail;\n```\n";
    let Out { text, ending, .. } = run(Policy::Retract, &[answer]);
    assert!(text.contains("port 2525\n```") && !text.contains("DROP"), "{text}");
    assert_eq!(ending.claims.retracted, 1);
    assert!(run(Policy::Annotate, &[answer]).text.contains("DROP"));
}

#[test]
fn what_the_answer_says_of_itself_decides_its_outcome() {
    let port = "Kestrel listens for mail on port 2525.";
    for (answer, finish, expected) in [
        (port.to_owned(), Finish::Stop, Outcome::Answered),
        (format!("{port} The sources do not say who wrote it."), Finish::Stop, Outcome::Partial),
        (port.to_owned(), Finish::Length, Outcome::Partial),
        ("The sources do not say who wrote it.".into(), Finish::Stop, Outcome::Refused(Reason::NotSupported)),
        (" I can’t answer that from these documents\n".into(), Finish::Stop, Outcome::Refused(Reason::NotSupported)),
        (String::new(), Finish::ContentFilter, Outcome::Refused(Reason::NotAllowed)),
        ("Kestrel listens for mail on port 25.".into(), Finish::Stop, Outcome::Partial),
    ] {
        assert_eq!(run_to(finish, Policy::Annotate, &[&answer]).ending.outcome, expected, "{answer:?} {finish:?}");
    }
}

#[test]
fn a_sentence_that_was_cut_off_is_left_out_with_retract() {
    let cut = "Kestrel listens for mail on port 2525. The vault opens with a";
    let Out { text, .. } = run_to(Finish::Length, Policy::Retract, &[cut]);
    assert!(!text.contains("vault"), "{text}");
}

#[test]
fn a_sentence_that_was_cut_off_is_never_supported() {
    let Out { claims, .. } =
        run_to(Finish::Length, Policy::Annotate, &["The vault opens with a code word\n\nThe vault opens"]);
    assert_eq!(claims[0].verdict, Verdict::Supported);
    let Out { claims, .. } = run_to(Finish::Length, Policy::Annotate, &["Kestrel listens for mail on port 2525. [1]"]);
    assert_eq!(claims[0].verdict, Verdict::Supported, "behind the full stop nothing was missing");
    let Out { claims, .. } = run_to(Finish::Length, Policy::Annotate, &["The vault opens with a code"]);
    assert_ne!(claims[0].verdict, Verdict::Supported);
    assert!(claims[0].findings.iter().any(|finding| finding.kind == MismatchKind::Unfinished), "{claims:?}");
}

#[test]
fn what_an_answer_has_said_it_does_not_say_again() {
    let answer = "Kestrel listens for mail on port 2525 [1]. The lamp burns for nine hours. Kestrel listens for mail on port 2525 [3].";
    for policy in [Policy::Annotate, Policy::Retract] {
        let Out { text, claims, ending, .. } = run(policy, &[answer]);
        assert_eq!(text.matches("Kestrel").count(), 1, "{text}");
        assert_eq!((claims.len(), ending.claims.supported, ending.claims.retracted), (2, 2, 0));
    }
    let rows = "| a | b |\n|---|---|\n| mail on port 2525 is read | yes |\n| mail on port 2525 is read | yes |\n";
    assert_eq!(run(Policy::Annotate, &[rows]).text.matches("2525").count(), 2, "rows of a table stay");
    let short = "- It is so.\n- It is so.\n";
    assert_eq!(run(Policy::Annotate, &[short]).text, short);
}

/// The `[n]` of a text that has no code.
fn marks_of(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices('[') {
        let rest = text.get(start + 1..).unwrap();
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if (1..=3).contains(&digits) && rest.get(digits..).unwrap().starts_with(']') {
            found.push(Span { start, end: start + digits + 2 });
        }
    }
    found
}

fn any_policy() -> impl Strategy<Value = Policy> {
    prop_oneof![Just(Policy::Annotate), Just(Policy::Retract), Just(Policy::Block { supported_share_min: 0.4 })]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    /// Whatever a model writes and however it comes: each mark that is shown is a citation, each citation is of a mark
    /// that is shown, and its quote stands at its span in the document.
    #[test]
    fn every_citation_stands_in_its_document_and_nothing_else_is_cited(
        policy in any_policy(),
        words in prop::collection::vec(
            "[a-zA-Z0-9 .,!?\\n*#|()\\[\\]【】^†-]{0,12}|\\[[0-9]{1,2}(, ?[0-9])?\\]|é|Kestrel listens |for mail on port 2525|\\. The lamp burns |for nine hours in summer| https://x\\.example/\\?q=1 ",
            0..40,
        ),
    ) {
        let parts: Vec<&str> = words.iter().map(String::as_str).collect();
        let out = run(policy, &parts);
        prop_assert_eq!(&out, &run(policy, &[&parts.concat()]), "how it is cut makes no difference");
        let shown = marks_of(&out.text);
        let marks: Vec<Span> = out.citations.iter().map(|citation| citation.mark).collect();
        prop_assert_eq!(&marks, &shown, "{:?}", out.text);
        for citation in &out.citations {
            prop_assert_eq!(citation.mark.of(&out.text), format!("[{}]", citation.number));
            let text = if citation.number == 2 { LAMP } else { PORT };
            let within = citation.span.start - OFFSET..citation.span.end - OFFSET;
            prop_assert_eq!(text.get(within), Some(citation.quote.as_str()));
        }
        for claim in &out.claims {
            prop_assert!(!claim.span.of(&out.text).is_empty());
            for evidence in &claim.evidence {
                let text = if evidence.number == 2 { LAMP } else { PORT };
                let within = evidence.span.start - OFFSET..evidence.span.end - OFFSET;
                prop_assert_eq!(text.get(within), Some(evidence.quote.as_str()));
            }
        }
        let leads = out.text.match_indices("https://").filter(|(at, _)| !out.text.get(..*at).unwrap().ends_with('`')).count();
        prop_assert_eq!(leads, 0, "{:?}", out.text);
    }
}
