//! Answers and the passages that they should rest on in, as JSON lines; what a reader would be shown of each out: the
//! very path of an answer, with a model that says what was recorded.
//!
//!     stream_answers MODELS_DIR < {"id", "question", "answer", "passages": [..]}
//!                               > {"id", "text", "outcome", "marks": [[start, end]], "claims": [{start, end, verdict, score}]}
//!
//! Spans are bytes of `text`, which has the marks of the sources that bear its sentences out put in.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::sync::Arc;

use cairn::answer::{AnswerEvent, Answerer, Grounding, Question};
use cairn::app::App;
use cairn::chat::replay::{Head, Replay};
use cairn::chat::{ChatClient, Sampling};
use cairn::config::{Config, Environment};
use cairn::document::{Chunk, DocumentId, Hit, Metadata, Passage, Span, Version};
use cairn::store::Filter;
use futures::StreamExt;
use serde_json::json;

#[derive(serde::Deserialize)]
struct Case {
    id: String,
    question: String,
    answer: String,
    passages: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let models = std::env::args().nth(1).ok_or("name the folder of models")?;
    let data = tempfile::tempdir()?;
    let place = |name: &str| data.path().join(name).to_string_lossy().into_owned();
    std::fs::write(place("empty.toml"), "")?;
    let environment = Environment::from_iter([
        ("HOME".to_owned(), place("home")),
        ("CAIRN__DATA__DIR".to_owned(), place("data")),
        ("CAIRN__MODELS__DIR".to_owned(), models),
    ]);
    let config = Config::from_layers(Some(data.path().join("empty.toml").as_path()), &environment, &[])?;
    let mut app = App::open(config).await?;
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let case: Case = serde_json::from_str(&line?)?;
        let said = BTreeMap::from([(case.question.clone(), case.answer.clone())]);
        let replay = Replay::written(Head::new("recorded".to_owned(), 0.0, 4096), said);
        let answerer = Arc::get_mut(&mut app.answerer).ok_or("an answer is still being written")?;
        answerer.chat = Some(ChatClient::replay(replay));
        writeln!(out, "{}", shown(&app.answerer, &case).await?)?;
    }
    Ok(())
}

async fn shown(answerer: &Arc<Answerer>, case: &Case) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let question = Question {
        collection: "default".parse()?,
        filter: Filter::default(),
        text: case.question.clone(),
        history: Vec::new(),
        sampling: Sampling::default(),
    };
    let passages = case.passages.iter().enumerate().map(|(at, text)| passage(&question, at + 1, text)).collect();
    let mut events = std::pin::pin!(answerer.write(Grounding::over(question, passages)));
    let (mut text, mut marks, mut claims, mut outcome) = (String::new(), Vec::new(), Vec::new(), "");
    while let Some(event) = events.next().await {
        match event {
            AnswerEvent::Sources(_) => {}
            AnswerEvent::Delta(delta) => text.push_str(&delta),
            AnswerEvent::Citation(citation) => marks.push(json!([citation.mark.start, citation.mark.end])),
            AnswerEvent::Claim(claim) => claims.push(json!({
                "start": claim.span.start, "end": claim.span.end,
                "verdict": claim.verdict.name(), "score": claim.score,
            })),
            AnswerEvent::Done(done) => outcome = done.outcome.name(),
            AnswerEvent::Failed(error) => return Err(error.into()),
        }
    }
    Ok(json!({ "id": case.id, "text": text, "outcome": outcome, "marks": marks, "claims": claims }))
}

fn passage(question: &Question, number: usize, text: &str) -> Passage {
    let name = format!("passage {number}");
    let chunk = Chunk {
        ordinal: 0,
        span: Span { start: 0, end: text.len() },
        page: None,
        headings: Vec::new(),
        table_head: None,
        text: text.to_owned(),
    };
    let hit = Hit {
        document: DocumentId::new(&question.collection, &name),
        version: Version(1),
        external_id: name.clone(),
        title: name,
        metadata: Metadata::default(),
        chunk,
        score: 1.0,
        similarity: 1.0,
    };
    Passage { number, hit, also_in: Vec::new() }
}
