//! What holds of the page, whatever it shows.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer};
use proptest::prelude::*;

use super::*;
use crate::eval::record::tests::{example, example_case, example_comparison};
use crate::eval::record::{
    Agreement, CanaryRecord, Card, CaseRecord, Figure, JudgeRecord, Leak, LeakPlace, Missed, OpinionRecord, Quantiles,
    Slice, Times,
};

/// Every tag, and all text, as a browser's tokenizer has them.
#[derive(Default)]
struct Sink {
    tags: RefCell<Vec<Tag>>,
    text: RefCell<String>,
}

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        match token {
            Token::TagToken(tag) => {
                let raw = match (&*tag.name, tag.kind) {
                    ("script", TagKind::StartTag) => TokenSinkResult::RawData(RawKind::ScriptData),
                    ("style", TagKind::StartTag) => TokenSinkResult::RawData(RawKind::Rawtext),
                    ("title", TagKind::StartTag) => TokenSinkResult::RawData(RawKind::Rcdata),
                    _ => TokenSinkResult::Continue,
                };
                self.tags.borrow_mut().push(tag);
                return raw;
            }
            Token::CharacterTokens(text) => self.text.borrow_mut().push_str(&text),
            Token::DoctypeToken(_) | Token::CommentToken(_) | Token::NullCharacterToken => {}
            Token::EOFToken | Token::ParseError(_) => {}
        }
        TokenSinkResult::Continue
    }
}

fn read(page: &str) -> Sink {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(page));
    let tokenizer = Tokenizer::new(Sink::default(), Default::default());
    let _ = tokenizer.feed(&input);
    tokenizer.end();
    tokenizer.sink
}

/// The page's structure: tags and the names of their attributes.
fn structure(page: &str) -> Vec<String> {
    let sink = read(page);
    let tags = sink.tags.borrow();
    let line = |tag: &Tag| {
        let names: Vec<&str> = tag.attrs.iter().map(|attribute| &*attribute.name.local).collect();
        format!("{:?} {} {}", tag.kind, tag.name, names.join(" "))
    };
    tags.iter().map(line).collect()
}

/// What a reader sees, on one line.
fn text(page: &str) -> String {
    let (_, body) = page.split_once("</style>").unwrap();
    let text = read(body).text.borrow().clone();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A report that has everything, with this text in every place that a text can come to.
fn full(text: &str) -> Report {
    let said = || format!("x{text}");
    let mut case = example_case();
    case.id = said();
    case.asked.question = said();
    case.asked.history = vec![said()];
    case.asked.groups = Some(vec![said()]);
    case.asked.reference = Some(said());
    case.tags = vec![said()];
    case.cluster = said();
    case.error = Some(said());
    case.answer.push_str(&said());
    case.claims[0].findings[0].kind = said();
    case.claims[0].findings[0].instead = Some(said());
    case.claims[0].evidence[0].quote = said();
    case.claims[0].evidence[0].document = said();
    case.citations[0].document = said();
    case.passages[0].headings = vec![said()];
    case.passages[0].document = said();
    case.passages[0].text = said();
    case.facts[0].wordings = vec![said()];
    case.sources[0].document = said();
    case.sources[0].text = said();
    case.leaks = vec![Leak { place: LeakPlace::Titles, text: said() }];
    let mut report = example();
    report.suite = said();
    report.reasons = vec![said(), said()];
    report.notes = vec![said()];
    report.gates[0].slice = Some(said());
    report.gates[0].reason = said();
    report.fingerprint.index = said();
    report.slices = vec![Slice { tag: said(), cases: 1, metrics: report.metrics.clone() }];
    report.comparison = Some(example_comparison(&case.id));
    report.selftest = Some(Card {
        passed: true,
        canaries: vec![CanaryRecord {
            kind: said(),
            made: 2,
            caught: 1,
            share: report.metrics[0].estimate,
            is_seen: false,
            missed: vec![Missed { original: "one word".into(), corrupted: "one other".into(), document: said() }],
        }],
        labelled: Vec::new(),
        bars: Vec::new(),
        scope: said(),
        relative_only: true,
    });
    case.claims[0].judge = Some(OpinionRecord::Unsupported);
    report.judge = Some(JudgeRecord {
        model: said(),
        passed: false,
        canaries: Vec::new(),
        bars: Vec::new(),
        calls: 3,
        unread: 1,
        failed: 1,
        not_asked: 0,
        why: Some(said()),
        agreement: Agreement { judge_alone: 1, share: Some(Figure::ZERO), ..Agreement::default() },
    });
    report.cases = vec![case];
    report
}

#[test]
fn a_judges_word_stands_beside_the_scorers() {
    let page = text(&html(&full("y")).unwrap());
    for wanted in [
        "not borne out by what it cites not supported, says the judge",
        "It agrees with the scorer on 0% of 1 claim: 0 are supported by the scorer's word alone, 1 by the judge's.",
        "3 calls, 1 unreadable, 1 failed (the first: xy).",
    ] {
        assert!(page.contains(wanted), "{wanted:?} in {page}");
    }
}

#[test]
fn the_page_shows_verdict_claims_and_evidence() {
    let page = text(&html(&example()).unwrap());
    for wanted in [
        "Fail wrong_answers is 0.5, must be at most 0.1",
        "Answers with an ungrounded claim it is 0.5, must be at most 0.1 floor 10%",
        "50% 40 to 60%",
        "25 points worse −35 to −15 points",
        "It listens on port 25 1. Not supported score 0.10 coverage 70% not borne out by what it cites",
        "mismatch number: “25”, where the documents have “2525”",
        "Kestrel listens for mail on port 2525.1 docs/kestrel.md · Ports",
        "docs/kestrel.md “on port 2525” hit 1, passage 1, cited",
        "skipped: the documents answer the question",
    ] {
        assert!(page.contains(wanted), "{wanted:?} in {page}");
    }
}

#[test]
fn what_got_worse_stands_before_what_is_only_wrong() {
    let cases: Vec<CaseRecord> = ["first", "second"].map(|id| CaseRecord { id: id.into(), ..example_case() }).into();
    let report = Report { cases, comparison: Some(example_comparison("second")), ..example() };
    let page = text(&html(&report).unwrap());
    assert!(page.contains("1 got worse in something, 0 got better only"), "{page}");
    assert!(page.contains("P-values are held against 0.025, since this is result number 2 of this build"), "{page}");
    assert!(
        page.contains("settings – baseline: other settings") || page.contains("baseline: other settings"),
        "{page}"
    );
    let (worse, faulty) = (page.find("Worse than the baseline 1").unwrap(), page.find("With a fault 1").unwrap());
    assert!(worse < faulty, "{page}");
}

#[test]
fn the_page_asks_nothing_of_any_network_and_its_policy_allows_its_own_style_and_script() {
    let page = html(&full("y")).unwrap();
    for tag in read(&page).tags.borrow().iter() {
        for attribute in &tag.attrs {
            let (name, value) = (&*attribute.name.local, &*attribute.value);
            assert!(!name.starts_with("on") && name != "src" && name != "style", "{tag:?}");
            assert!(name != "href" || value.starts_with('#'), "{tag:?}");
        }
    }
    assert!(!STYLE.contains("url(") && !STYLE.contains("@import") && !SCRIPT.contains("fetch("));
    assert!(page.contains(&format!("<style>{STYLE}</style>")) && page.contains(&format!("<script>{SCRIPT}</script>")));
    for inside in [STYLE, SCRIPT] {
        assert!(page.contains(&format!("&#x27;sha256-{}&#x27;", hash(inside).replace('/', "&#x2f;"))), "{page:.900}");
    }
}

#[test]
fn two_runs_of_the_same_give_the_same_page_but_for_its_times() {
    let other = Times {
        began: "2027-02-03T04:05:06Z".into(),
        seconds: 99.0,
        total_ms: Some(Quantiles { median: 5.0, p95: 9.0 }),
        ..Times::default()
    };
    let cut = |page: String| {
        let (before, rest) = page.split_once("<!-- times -->").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        format!("{before}{}", rest.split_once("<!-- /times -->").unwrap().1)
    };
    let (one, two) = (html(&example()).unwrap(), html(&Report { times: other, ..example() }).unwrap());
    assert_ne!(one, two);
    assert_eq!(cut(one), cut(two));
}

#[test]
fn a_page_has_a_bound_and_says_what_it_leaves_out() {
    let mut long = example_case();
    long.passages[0].text = "word ".repeat(20_000);
    let cases = (0..1200).map(|n| CaseRecord { id: format!("case-{n}"), ..long.clone() }).collect();
    let page = html(&Report { cases, ..example() }).unwrap();
    assert!(page.len() < 24 << 20, "{}", page.len());
    assert!(page.contains("more characters in report.json"));
    assert!(page.contains("cases are listed by their line alone"));
    assert!(page.contains("case-1199"), "every case is listed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_text_can_change_what_the_page_is(words in any::<String>(), nasty in "[<>&\"'/=a-z!\\-\\x00\\[\\]0-9 \n]{0,40}") {
        let usual = structure(&html(&full("y")).unwrap());
        for text in [words, nasty.clone(), format!("</script></style><script>{nasty}</script><img src=x onerror=y>")] {
            prop_assert_eq!(structure(&html(&full(&text)).unwrap()), usual.clone(), "{:?}", text);
        }
    }

    #[test]
    fn spans_that_are_not_the_answers_break_nothing(ends in prop::collection::vec((0usize..60, 0usize..60), 6), answer in "[a-zäß \\[\\]0-9.>\n]{0,40}") {
        let mut case = example_case();
        case.answer = answer;
        let claim = case.claims[0].clone();
        case.claims = ends.iter().take(3).map(|(start, end)| {
            let mut claim = claim.clone();
            (claim.start, claim.end) = (*start, *end);
            (claim.findings[0].start, claim.findings[0].end) = (*end, *start);
            claim
        }).collect();
        (case.citations[0].start, case.citations[0].end) = ends[4];
        let page = html(&Report { cases: vec![case], ..example() });
        prop_assert!(page.is_ok());
    }
}
