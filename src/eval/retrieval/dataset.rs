//! BEIR folders and SQuAD JSON, read: documents, queries, and which documents are right for which query.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Judgements;
use crate::eval::index::Given;
use crate::eval::lines::{ReadError, lines, read};

/// The most of each that is read.
const DOCUMENTS_MAX: usize = 10_000_000;
const QUERIES_MAX: usize = 1_000_000;
/// The split that is taken where there are several and none is named.
const SPLIT: &str = "test";

/// A retrieval benchmark.
#[derive(Debug, Clone)]
pub struct Dataset {
    pub name: String,
    pub documents: Vec<Given>,
    pub queries: Vec<Query>,
    /// Only of queries that have a right document.
    pub judgements: Judgements,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub id: String,
    pub text: String,
}

#[derive(Deserialize)]
struct CorpusLine {
    #[serde(rename = "_id")]
    id: String,
    #[serde(default)]
    title: Option<String>,
    text: String,
}

#[derive(Deserialize)]
struct QueryLine {
    #[serde(rename = "_id")]
    id: String,
    text: String,
}

#[derive(Deserialize)]
struct Squad {
    data: Vec<SquadArticle>,
}

#[derive(Deserialize)]
struct SquadArticle {
    #[serde(default)]
    title: Option<String>,
    paragraphs: Vec<SquadParagraph>,
}

#[derive(Deserialize)]
struct SquadParagraph {
    context: String,
    qas: Vec<SquadQuestion>,
}

#[derive(Deserialize)]
struct SquadQuestion {
    id: String,
    question: String,
    #[serde(default)]
    is_impossible: bool,
}

impl Dataset {
    /// A BEIR folder, or a SQuAD file. `split` names one of a folder's `qrels/*.tsv`.
    pub fn read(path: &Path, split: Option<&str>) -> Result<Self, ReadError> {
        let name = path.file_stem().map_or_else(|| "dataset".into(), |name| name.to_string_lossy().into_owned());
        if path.is_dir() { beir(path, &name, split) } else { squad(path, &name) }
    }
}

fn beir(folder: &Path, name: &str, split: Option<&str>) -> Result<Dataset, ReadError> {
    let corpus: Vec<CorpusLine> = lines(&folder.join("corpus.jsonl"), DOCUMENTS_MAX)?;
    let queries: Vec<QueryLine> = lines(&folder.join("queries.jsonl"), QUERIES_MAX)?;
    let judgements = qrels(&qrels_file(&folder.join("qrels"), split)?)?;
    let known: BTreeSet<&str> = queries.iter().map(|query| query.id.as_str()).collect();
    if let Some(unknown) = judgements.keys().find(|query| !known.contains(query.as_str())) {
        return Err(ReadError::Shape(format!("qrels name the query {unknown:?}, which queries.jsonl doesn't have")));
    }
    let mut ids = BTreeSet::new();
    if let Some(twice) = corpus.iter().find(|document| !ids.insert(document.id.as_str())) {
        return Err(ReadError::Shape(format!("corpus.jsonl has the document {:?} twice", twice.id)));
    }
    let documents = corpus.into_iter().map(|line| {
        let title = line.title.filter(|title| !title.trim().is_empty());
        Given { id: line.id, title, text: line.text }
    });
    Ok(Dataset {
        name: name.to_owned(),
        documents: documents.filter(|document| !document.text.trim().is_empty()).collect(),
        queries: queries.into_iter().map(|line| Query { id: line.id, text: line.text }).collect(),
        judgements,
    })
}

/// The named split, else `test.tsv`, else the only one.
fn qrels_file(folder: &Path, split: Option<&str>) -> Result<PathBuf, ReadError> {
    let cause = |cause| ReadError::Read { file: folder.display().to_string(), cause };
    let entries = fs::read_dir(folder).map_err(cause)?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|ending| ending == "tsv"));
    files.sort();
    let named = |name: &str| files.iter().find(|file| file.file_stem().is_some_and(|stem| stem == name)).cloned();
    let chosen = match split {
        Some(name) => named(name),
        None => named(SPLIT).or_else(|| files.first().filter(|_| files.len() == 1).cloned()),
    };
    let names: Vec<String> = files.iter().filter_map(|f| Some(f.file_stem()?.to_string_lossy().into_owned())).collect();
    chosen.ok_or_else(|| {
        ReadError::Shape(format!("{} has the splits {names:?}: name one of them with --split", folder.display()))
    })
}

/// `query-id  corpus-id  score`, after a line that heads them.
fn qrels(path: &Path) -> Result<Judgements, ReadError> {
    let text = read(path)?;
    let mut judgements = Judgements::new();
    for (at, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let wrong = |reason: &str| ReadError::Line {
            file: path.display().to_string(),
            line: at + 1,
            reason: reason.to_owned(),
        };
        let [query, document, score] = fields.as_slice() else {
            return Err(wrong("it must have three fields between tabs: query, document, score"));
        };
        let score: i64 = score.parse().map_err(|_| wrong("its score must be a whole number"))?;
        let gain = u32::try_from(score.max(0)).map_err(|_| wrong("its score is too large"))?;
        judgements.entry((*query).to_owned()).or_default().insert((*document).to_owned(), gain);
    }
    judgements.retain(|_, right| right.values().any(|gain| *gain > 0));
    if judgements.is_empty() {
        return Err(ReadError::Shape(format!("{} names no right document", path.display())));
    }
    Ok(judgements)
}

/// Each paragraph is a document, right for the questions that stand under it and have an answer.
fn squad(path: &Path, name: &str) -> Result<Dataset, ReadError> {
    let squad: Squad = serde_json::from_str(&read(path)?)
        .map_err(|error| ReadError::Shape(format!("read {}: it is no SQuAD JSON: {error}", path.display())))?;
    let (mut documents, mut queries, mut judgements) = (Vec::new(), Vec::new(), Judgements::new());
    let mut ids: HashMap<String, String> = HashMap::new();
    let mut asked = BTreeSet::new();
    for article in squad.data {
        for paragraph in article.paragraphs {
            let next = format!("p{:06}", ids.len());
            let id = ids.entry(paragraph.context.clone()).or_insert_with(|| {
                let given = Given { id: next.clone(), title: article.title.clone(), text: paragraph.context.clone() };
                documents.push(given);
                next
            });
            for question in paragraph.qas.into_iter().filter(|question| !question.is_impossible) {
                if !asked.insert(question.id.clone()) {
                    return Err(ReadError::Shape(format!("the question {:?} is there twice", question.id)));
                }
                judgements.insert(question.id.clone(), BTreeMap::from([(id.clone(), 1)]));
                queries.push(Query { id: question.id, text: question.question });
            }
        }
    }
    if queries.is_empty() {
        return Err(ReadError::Shape(format!("{} has no question with an answer", path.display())));
    }
    Ok(Dataset { name: name.to_owned(), documents, queries, judgements })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    const CORPUS: &str =
        "{\"_id\": \"d1\", \"title\": \"T\", \"text\": \"one\"}\n{\"_id\": \"d2\", \"text\": \"two\"}\n";
    const QUERIES: &str = "{\"_id\": \"q1\", \"text\": \"which?\"}\n{\"_id\": \"q2\", \"text\": \"what?\"}\n";
    const QRELS: &str = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td2\t0\n";

    #[test]
    fn a_beir_folder_is_read_and_queries_without_a_right_document_are_not_asked() {
        let dir = folder(&[("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES), ("qrels/test.tsv", QRELS)]);
        let read = Dataset::read(dir.path(), None).unwrap();
        assert_eq!((read.documents.len(), read.queries.len(), read.judgements.len()), (2, 2, 1));
        assert_eq!(read.judgements["q1"], BTreeMap::from([("d1".to_owned(), 2), ("d2".to_owned(), 0)]));
    }

    #[test]
    fn what_is_wrong_with_a_folder_is_said() {
        let wrong = |files: &[(&str, &str)], split| Dataset::read(folder(files).path(), split).unwrap_err().to_string();
        let beside = [("corpus.jsonl", CORPUS), ("queries.jsonl", QUERIES)];
        let with = |name, text| [beside.as_slice(), &[(name, text)]].concat();
        assert!(wrong(&beside, None).contains("qrels"));
        assert!(wrong(&with("qrels/dev.tsv", QRELS), Some("test")).contains("--split"));
        assert!(wrong(&with("qrels/test.tsv", "h\nq1\td1\n"), None).contains("line 2"));
        assert!(wrong(&with("qrels/test.tsv", "h\nq9\td1\t1\n"), None).contains("q9"));
        assert!(wrong(&with("qrels/test.tsv", "h\nq1\td1\t0\n"), None).contains("no right document"));
        assert!(wrong(&[("corpus.jsonl", "{}\n")], None).contains("line 1"));
    }

    #[test]
    fn squads_paragraphs_are_documents_and_a_repeated_one_is_one() {
        let json = r#"{"data": [{"title": "A", "paragraphs": [
            {"context": "one", "qas": [{"id": "1", "question": "q1", "answers": []}]},
            {"context": "one", "qas": [{"id": "2", "question": "q2"}, {"id": "3", "question": "q3", "is_impossible": true}]},
            {"context": "two", "qas": []}]}]}"#;
        let dir = folder(&[("dev.json", json)]);
        let read = Dataset::read(&dir.path().join("dev.json"), None).unwrap();
        assert_eq!((read.documents.len(), read.queries.len()), (2, 2));
        assert_eq!(read.judgements["1"], read.judgements["2"]);
    }
}
