//! Path 2: what an answer says, what it cites, and when it is none.

use std::collections::BTreeSet;
use std::fs;

use cairn::answer::{EXTRACTIVE_LEAD, FALLBACK_LEAD, Outcome, REFUSAL, Reason, Writer};
use cairn::chat::{Finish, Usage};
use cairn::document::{AlsoIn, Span};
use cairn::embed::TokenCounter;

use cairn::ingest::extract::Extracted;
use cairn::ingest::texts::pack;

use super::{check_citations, extracted, marks};
use crate::harness::chat::{BODY, ChatStub, MODEL as CHAT_MODEL, Reply, Step, refuses, says, says_then};
use crate::harness::{
    ANSWER, MODEL, QUESTION, Sandbox, UNANSWERABLE, Vanished, ask, default_collection, ingest, models_dir, search,
};

#[tokio::test]
async fn a_question_is_answered_from_the_document_that_says_it() {
    let sandbox = Sandbox::with_documents();
    let app = sandbox.ingested().await;
    for (question, file, words) in [
        (QUESTION, "network.md", ANSWER),
        ("How do I restore a backup of the queue?", "backup.md", "before the first start"),
        ("How large may a message be?", "faq.html", "25 megabytes"),
        ("How often does Kestrel try again when the smart host can't be reached?", "routing.rst", "ten minutes"),
        ("How is Kestrel built from source?", "install.md", "make release"),
    ] {
        let answer = ask(&app, question).await;
        let done = answer.end.as_ref().unwrap();
        // Whether quotations answer it all is for the question's words to say: "the queue" is not in that sentence.
        assert!(matches!(done.outcome, Outcome::Answered | Outcome::Partial), "{question}");
        assert_eq!(done.writer, Writer::Extractive, "{question}");
        assert!(answer.text.starts_with(EXTRACTIVE_LEAD), "it says that no model wrote it: {answer:?}");
        let said = answer.citations.iter().any(|c| c.external_id.ends_with(file) && c.quote.contains(words));
        assert!(said, "{question} {answer:#?}");
    }
}

#[tokio::test]
async fn an_extractive_answer_quotes_word_for_word_and_marks_where() {
    let sandbox = Sandbox::with_documents();
    let app = sandbox.ingested().await;
    for question in [QUESTION, "How is a package of Kestrel installed?", "How is Kestrel licensed?"] {
        let answer = ask(&app, question).await;
        assert!(!answer.citations.is_empty(), "{question}");
        check_citations(&answer);
        for citation in &answer.citations {
            let inside = |span: Span| citation.span.start >= span.start && citation.span.end <= span.end;
            let source = &answer.sources[citation.number - 1].hit;
            assert!(inside(source.chunk.span), "the quote is of the passage that it names");
            // Shown on one line, it still has the same words; code is left as it is.
            let shown = if citation.quote.contains("```") { citation.quote.split("```").next() } else { None };
            let shown = shown.unwrap_or(&citation.quote).split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(answer.text.contains(&shown), "{shown:?} is in {:?}", answer.text);
        }
    }
}

#[tokio::test]
async fn two_documents_with_the_same_text_are_both_found_and_one_is_packed() {
    let sandbox = Sandbox::new();
    let text = "# Keys\n\nThe spare key of the archive is kept at the reception, in the second drawer.\n";
    sandbox.write("one.md", text);
    sandbox.write("two.md", text);
    sandbox.write("near.md", format!("{text}\nThanks.\n"));
    let app = sandbox.ingested().await;
    let question = "Where is the spare key of the archive kept?";
    assert_eq!(search(&app, question).await.len(), 3);
    let answer = ask(&app, question).await;
    assert_eq!(answer.sources.len(), 1, "{:?}", answer.sources);
    assert_eq!(answer.citations.len(), 1);
    let others = |copies: &[AlsoIn]| copies.iter().map(|copy| copy.external_id.clone()).collect::<BTreeSet<_>>();
    let all: BTreeSet<String> =
        ["one.md", "two.md", "near.md"].map(|name| sandbox.docs().join(name).to_str().unwrap().to_owned()).into();
    let mut named = others(&answer.sources[0].also_in);
    assert_eq!(named, others(&answer.citations[0].also_in));
    named.insert(answer.citations[0].external_id.clone());
    assert_eq!(named, all, "it is shown once, with the others beside it");
    // Taking one of them away leaves the others.
    fs::remove_file(sandbox.docs().join("one.md")).unwrap();
    ingest(&app, &default_collection(), &[sandbox.docs()], Vanished::Go).await;
    assert_eq!(search(&app, question).await.len(), 2);
}

#[tokio::test]
async fn neighbours_of_one_section_are_one_passage_with_the_documents_own_text() {
    let sandbox =
        Sandbox::new().with("CAIRN__INGEST__CHUNK_TOKENS_MAX", "48").with("CAIRN__INGEST__HEADING_TOKENS_MAX", "16");
    let steps = ["first", "second", "third", "fourth"].map(|step| {
        format!(
            "For the {step} step of the ferry crossing, the crew checks the {step} rope on the landing and rings twice."
        )
    });
    let text = format!("# Ferry\n\n## Crossing\n\n{}\n\n## Kitchen\n\nSoup is served at noon.\n", steps.join("\n\n"));
    let path = sandbox.write("ferry.md", &text);
    let app = sandbox.ingested().await;
    assert!(search(&app, "ferry").await.len() >= 4, "cut into chunks");
    let answer = ask(&app, "What does the crew check at each step of the ferry crossing?").await;
    let best = &answer.sources[0].hit.chunk;
    assert!(steps.iter().all(|step| best.text.contains(step)), "{:#?}", answer.sources);
    let whole = extracted(path.to_str().unwrap()).text;
    for passage in &answer.sources {
        assert_eq!(passage.hit.chunk.span.of(&whole), passage.hit.chunk.text);
    }
    assert!(!best.text.contains("Soup"), "another section");
    check_citations(&answer);
}

#[tokio::test]
async fn a_question_without_an_answer_is_refused_and_no_model_is_asked() {
    let stub = ChatStub::start([says(&["It boils. [1]"])]).await;
    let sandbox = Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    let app = sandbox.ingested().await;
    let answer = ask(&app, UNANSWERABLE).await;
    let done = answer.end.unwrap();
    assert_eq!(answer.text, REFUSAL);
    assert_eq!((done.outcome, done.writer, done.usage), (Outcome::Refused(Reason::OffTopic), Writer::Cairn, None));
    assert!(answer.sources.is_empty() && answer.citations.is_empty());
    assert!((1..=3).contains(&done.nearest.len()), "it names the nearest documents");
    let mut documents: Vec<_> = done.nearest.iter().map(|hit| hit.document).collect();
    documents.dedup();
    assert_eq!(documents.len(), done.nearest.len(), "each of them once");
    let seen = stub.seen();
    assert_eq!((seen.asked.len(), seen.listings), (0, 0), "not even for its models");
}

#[tokio::test]
async fn a_models_answer_is_cited_while_it_comes() {
    let stub =
        ChatStub::start([says(&["Kestrel listens on ", "port 2525 for mail", " [1", "]. Metrics [1] too."])]).await;
    let sandbox = Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    let app = sandbox.ingested().await;
    let answer = ask(&app, QUESTION).await;
    let done = answer.end.as_ref().unwrap();
    assert_eq!(answer.text, "Kestrel listens on port 2525 for mail [1]. Metrics [1] too.");
    assert_eq!((done.outcome, done.finish), (Outcome::Answered, Finish::Stop));
    assert_eq!(done.writer, Writer::Model(CHAT_MODEL.into()));
    assert_eq!(done.usage, Some(Usage { prompt_tokens: 120, completion_tokens: 7 }));
    assert_eq!(answer.citations.iter().map(|c| c.number).collect::<Vec<_>>(), [1, 1]);
    check_citations(&answer);
}

#[tokio::test]
async fn a_citation_of_an_unknown_source_never_reaches_the_reader_and_is_counted() {
    let pieces = ["The port is 2525 [1][9", "9]. And [0] or [42]", " or [31-33] [1, 77]."];
    let stub = ChatStub::start([says(&pieces)]).await;
    let sandbox = Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    let app = sandbox.ingested().await;
    let answer = ask(&app, QUESTION).await;
    for number in ["99", "[0]", "42", "31", "33", "77"] {
        assert!(!answer.text.contains(number), "{number} in {:?}", answer.text);
    }
    assert!(answer.end.as_ref().unwrap().marks.unknown >= 7, "{:?}", answer.end);
    check_citations(&answer);
}

#[tokio::test]
async fn a_mark_that_stands_in_a_document_is_not_taken_for_a_citation() {
    let sandbox = Sandbox::new();
    sandbox.write("wiki.md", "# Herons\n\nThe grey heron eats up to 500 grams of fish a day [7] in summer [12].\n");
    let app = sandbox.ingested().await;
    let answer = ask(&app, "How much fish does a grey heron eat a day?").await;
    assert_eq!(answer.citations.len(), 1, "{answer:?}");
    check_citations(&answer);
    let unknown = marks(&answer.text).into_iter().filter(|number| *number > answer.sources.len()).count();
    assert_eq!(unknown, 0, "a reader would look for these sources: {:?}", answer.text);
}

#[tokio::test]
async fn a_model_that_says_the_refusal_has_refused() {
    let stub = ChatStub::start([says(&["I can’t answer that ", "from these documents."])]).await;
    let sandbox = Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    let app = sandbox.ingested().await;
    let answer = ask(&app, QUESTION).await;
    let done = answer.end.unwrap();
    assert_eq!(done.outcome, Outcome::Refused(Reason::NotSupported));
    assert_eq!(done.writer, Writer::Model(CHAT_MODEL.into()));
    assert!(!done.nearest.is_empty());
}

#[tokio::test]
async fn a_model_that_can_not_be_had_is_stood_in_for_by_quotations_that_say_so() {
    let silent = Reply::Stream(vec![Step::Silence]);
    let wordless = says_then(&[" \n"], &[Step::Finish("stop"), Step::Done]);
    for reply in
        [refuses(500), refuses(401), refuses(429), silent, wordless, Reply::Stream(vec![Step::Raw("?".into())])]
    {
        let stub = ChatStub::start([reply.clone()]).await;
        let sandbox = Sandbox::with_documents()
            .with("CAIRN__CHAT__BASE_URL", &stub.base_url)
            .with("CAIRN__ANSWER__FIRST_TEXT_TIMEOUT", "300ms");
        let app = sandbox.ingested().await;
        let answer = ask(&app, QUESTION).await;
        let done = answer.end.as_ref().unwrap();
        assert!(answer.text.starts_with(FALLBACK_LEAD) && answer.text.contains(ANSWER), "{reply:?} {answer:?}");
        assert_eq!((done.outcome, &done.writer), (Outcome::Answered, &Writer::Extractive), "{reply:?}");
        let reason = done.fallback.as_ref().unwrap();
        assert!(reason.starts_with("the chat endpoint") && !reason.contains(BODY), "{reason}");
        check_citations(&answer);
    }
}

#[tokio::test]
async fn what_a_model_said_before_it_broke_off_stays_and_quotations_go_on() {
    let stub = ChatStub::start([says_then(
        &["Kestrel listens on port 2525 for mail [1]. And ", "the"],
        &[Step::Raw("data: ?\n\n".into())],
    )])
    .await;
    let sandbox = Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    let app = sandbox.ingested().await;
    let answer = ask(&app, QUESTION).await;
    let done = answer.end.as_ref().unwrap();
    assert!(
        answer.text.starts_with("Kestrel listens on port 2525 for mail [1].\n\nThe language model broke off here."),
        "{answer:?}"
    );
    assert_eq!((done.outcome, &done.writer), (Outcome::Partial, &Writer::Model(CHAT_MODEL.into())));
    assert!(answer.citations.len() > 1, "{answer:?}");
    check_citations(&answer);
}

#[tokio::test]
async fn what_the_documents_say_nothing_of_is_named() {
    let app = Sandbox::with_documents().ingested().await;
    let answer = ask(&app, "Which port does Kestrel listen on for mail on FreeBSD?").await;
    let done = answer.end.as_ref().unwrap();
    assert_eq!((done.outcome, done.missing.as_slice()), (Outcome::Partial, ["FreeBSD".to_owned()].as_slice()));
    assert!(answer.text.contains("(They say nothing of “FreeBSD”.)") && answer.text.contains(ANSWER), "{answer:?}");
}

#[tokio::test]
async fn a_passage_that_is_not_in_its_documents_text_is_not_used() {
    let sandbox = Sandbox::with_documents();
    let app = sandbox.ingested().await;
    let question = ask(&app, QUESTION).await;
    let source = &question.sources[0].hit;
    let body = pack(&Extracted { text: "Something else.".into(), ..extracted(&source.external_id) }).unwrap();
    app.ledger.keep_text(source.document, source.version, ("another", &body)).await.unwrap();
    drop(app);
    let answer = ask(&sandbox.open().await, QUESTION).await;
    assert!(answer.sources.iter().all(|passage| passage.hit.document != source.document), "{answer:?}");
    assert!(!answer.text.contains(ANSWER), "{answer:?}");
}

#[tokio::test]
async fn an_answer_that_ran_into_its_limit_says_so() {
    let end = [Step::Finish("length"), Step::Usage(5, 4), Step::Done];
    let stub = ChatStub::start([says_then(&["The port is [1"], &end)]).await;
    let sandbox = Sandbox::with_documents().with("CAIRN__CHAT__BASE_URL", &stub.base_url);
    let app = sandbox.ingested().await;
    let answer = ask(&app, QUESTION).await;
    assert_eq!(answer.end.unwrap().finish, Finish::Length);
    assert_eq!(answer.text, "The port is [1", "what was held back as a possible mark is text after all");
}

#[tokio::test]
async fn the_passages_keep_to_their_number_and_their_token_budget() {
    let sandbox =
        Sandbox::new().with("CAIRN__RETRIEVAL__PASSAGES_MAX", "3").with("CAIRN__RETRIEVAL__PASSAGE_TOKENS_MAX", "120");
    for n in 0..8 {
        let filler: String = (0..30).map(|word| format!("detail{n}{word} ")).collect();
        sandbox.write(&format!("{n}.txt"), format!("Report {n}: the bridge over the river was painted. {filler}"));
    }
    let app = sandbox.ingested().await;
    let answer = ask(&app, "When was the bridge over the river painted?").await;
    let tokens = TokenCounter::load(&models_dir().join(MODEL).join("tokenizer.json")).unwrap();
    let total: usize = answer.sources.iter().map(|passage| tokens.count(&passage.hit.chunk.text)).sum();
    assert!((1..=3).contains(&answer.sources.len()), "{}", answer.sources.len());
    assert!(total <= 120, "{total} tokens");
    let numbers: Vec<_> = answer.sources.iter().map(|passage| passage.number).collect();
    assert_eq!(numbers, (1..=answer.sources.len()).collect::<Vec<_>>());
}
