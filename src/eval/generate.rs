//! Cases made from documents, so that a suite begins with more than an empty file.
//!
//! Documents in, cases out, each marked as generated until a person approves it. Questions come from headings,
//! definitions, rows of tables and statements, or from a chat model; two of them make one over two documents; a name that
//! the documents don't have makes one that they don't answer. A case is kept only if search finds its source again, and
//! if no other case asks the same. The same documents, settings and seed give the same cases, but for a chat model's.

mod outline;
mod english;
mod readable;
mod table;
mod made;

mod check;
mod alike;
mod combined;
mod model;
mod unanswerable;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::case::{Case, MadeBy};
use super::index::{Document, Index};
use super::stats::random::Random;
use super::suite::Documents;
use crate::config::Config;
use crate::document::sha256;
use alike::Asked;
use check::Checker;
use made::Draft;

/// What of the cases is about what the documents don't say, and about two documents: in hundredths.
const SWAPPED_SHARE: usize = 12;
const COMBINED_SHARE: usize = 6;
const REMOVED_SHARE: usize = 10;
const ACCESS_SHARE: usize = 5;
/// Questions that are looked at together.
const LOOKED_AT: usize = 32;
/// Of a document's name and of a hash in a case's id.
const STEM_CHARS: usize = 30;
const HASH_CHARS: usize = 8;

/// What is to be made.
pub struct Plan {
    pub documents: Documents,
    /// Documents that are not among these: questions about them have no answer.
    pub removed: Vec<PathBuf>,
    /// Cases that there are already.
    pub known: Vec<Case>,
    /// Where the index is.
    pub folder: PathBuf,
    /// At most so many.
    pub count: usize,
    pub seed: u64,
    /// Calls of the chat model at most; 0: none is asked.
    pub calls_max: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Made {
    pub cases: Vec<Case>,
    /// Questions that were thought of.
    pub drafts: usize,
    /// Those that were dropped, by why.
    pub dropped: BTreeMap<&'static str, usize>,
    /// Calls of the chat model that gave nothing usable, and why.
    pub refused: BTreeMap<String, usize>,
}

/// A draft that was looked at and kept.
#[derive(Debug, Clone)]
struct Kept {
    draft: Draft,
    asked: Asked,
}

/// Makes the cases. `told` hears what is done, how much of it, and of how much.
pub async fn generate(config: Config, plan: Plan, told: impl Fn(&str, usize, usize)) -> anyhow::Result<Made> {
    told("indexing", 0, 1);
    let removed = match plan.removed.as_slice() {
        [] => Vec::new(),
        paths => {
            let folder = plan.folder.join("removed");
            let index = Index::open(config.clone(), &Documents::Paths(paths.to_vec()), &folder).await?;
            index.app.ledger.close().await;
            index.documents.into_values().collect()
        }
    };
    let index = Index::open(config, &plan.documents, &plan.folder).await?;
    let maker = Maker::new(&index, &plan);
    let made = maker.all(&removed, told).await;
    index.app.ledger.close().await;
    made
}

struct Maker<'a> {
    index: &'a Index,
    plan: &'a Plan,
    documents: Vec<&'a Document>,
    /// The words that the documents write in small letters.
    known_words: BTreeSet<String>,
    checker: Checker<'a>,
}

impl<'a> Maker<'a> {
    fn new(index: &'a Index, plan: &'a Plan) -> Self {
        let documents: Vec<&Document> = index.documents.values().collect();
        let words = documents.iter().flat_map(|document| outline::small_words(&document.text));
        let known_words = words.map(str::to_owned).collect();
        Self { index, plan, documents, known_words, checker: Checker::new(index) }
    }

    async fn all(&self, removed: &[Document], told: impl Fn(&str, usize, usize)) -> anyhow::Result<Made> {
        let mut made = Made::default();
        let count = self.plan.count;
        let share = |hundredths: usize| count * hundredths / 100;
        let restricted = self.documents.iter().any(|document| document.allow.is_some());
        let (of_removed, of_access) = (
            if removed.is_empty() { 0 } else { share(REMOVED_SHARE) },
            if restricted { share(ACCESS_SHARE) } else { 0 },
        );
        let beside = share(SWAPPED_SHARE) + share(COMBINED_SHARE) + of_removed + of_access;
        let mut seen: Vec<Asked> = Vec::new();
        for case in self.plan.known.iter() {
            seen.push(self.checker.asked(&case.question).await?);
        }
        let mut drafts = self.drafts();
        if self.plan.calls_max > 0 {
            let written = model::drafts(self.index, &self.documents, self.plan, &told).await?;
            made.refused = written.refused;
            drafts.splice(..0, written.drafts);
        }
        made.drafts = drafts.len();
        let kept = self.kept(drafts, count.saturating_sub(beside), (&mut seen, &mut made.dropped), &told).await?;
        let mut cases: Vec<Case> = kept.iter().map(|kept| self.case(&kept.draft)).collect();
        cases.extend(self.combined(&kept, share(COMBINED_SHARE), &mut seen).await?);
        let swapped = unanswerable::swapped(&kept, &self.documents, self.plan.seed);
        cases.extend(self.apart(swapped, share(SWAPPED_SHARE), &mut seen).await?);
        let mut absent = unanswerable::removed(removed, &self.documents, &self.known_words);
        Random::new(self.plan.seed).shuffle(&mut absent);
        cases.extend(self.apart(absent, of_removed, &mut seen).await?);
        let mut hidden = unanswerable::access(&self.documents, &self.known_words);
        Random::new(self.plan.seed).shuffle(&mut hidden);
        // Somebody else asks what others may ask, so these are compared with each other alone.
        cases.extend(self.apart(hidden, of_access, &mut Vec::new()).await?);
        let ids: BTreeSet<&String> = self.plan.known.iter().map(|case| &case.id).collect();
        cases.retain(|case| !ids.contains(&case.id));
        made.cases = cases;
        Ok(made)
    }

    /// Drafts of all documents: of each document and kind in turn, so that none fills the suite by itself.
    fn drafts(&self) -> Vec<Draft> {
        let mut buckets: BTreeMap<(&str, MadeBy), Vec<Draft>> = BTreeMap::new();
        for document in &self.documents {
            for draft in made::drafts(&document.name, &document.text, &self.known_words) {
                buckets.entry((&document.name, draft.by)).or_default().push(draft);
            }
        }
        let mut random = Random::new(self.plan.seed);
        let mut buckets: Vec<Vec<Draft>> = buckets.into_values().collect();
        for bucket in &mut buckets {
            random.shuffle(bucket);
        }
        let mut drafts = Vec::new();
        while buckets.iter().any(|bucket| !bucket.is_empty()) {
            drafts.extend(buckets.iter_mut().filter_map(Vec::pop));
        }
        drafts
    }

    /// Those whose source is found again, and that ask something new.
    async fn kept(
        &self,
        drafts: Vec<Draft>,
        count: usize,
        (seen, dropped): (&mut Vec<Asked>, &mut BTreeMap<&'static str, usize>),
        told: &impl Fn(&str, usize, usize),
    ) -> anyhow::Result<Vec<Kept>> {
        let mut kept: Vec<Kept> = Vec::new();
        let mut sources: BTreeSet<String> = BTreeSet::new();
        for few in drafts.chunks(LOOKED_AT) {
            for (draft, looked) in few.iter().zip(self.checker.look(few).await) {
                if kept.len() >= count {
                    return Ok(kept);
                }
                let asked = self.checker.asked(&draft.question).await?;
                let is_used = draft.sources.iter().any(|gold| sources.contains(&gold.text));
                let why = looked.err().or(is_used.then_some("their source has a question already"));
                let why = why.or(asked.is_among(seen).then_some("another case asks the same"));
                if let Some(why) = why {
                    *dropped.entry(why).or_default() += 1;
                    continue;
                }
                sources.extend(draft.sources.iter().map(|gold| gold.text.clone()));
                seen.push(asked.clone());
                kept.push(Kept { draft: draft.clone(), asked });
            }
            told("looking", kept.len(), count);
        }
        Ok(kept)
    }

    async fn combined(&self, kept: &[Kept], count: usize, seen: &mut Vec<Asked>) -> anyhow::Result<Vec<Case>> {
        let mut cases = Vec::new();
        for few in combined::pairs(kept).chunks(LOOKED_AT) {
            for (draft, looked) in few.iter().zip(self.checker.look(few).await) {
                if cases.len() >= count {
                    return Ok(cases);
                }
                let asked = self.checker.asked(&draft.question).await?;
                if looked.is_ok() && !asked.is_among(seen) {
                    seen.push(asked);
                    cases.push(self.case(draft));
                }
            }
        }
        Ok(cases)
    }

    /// Those of unanswerable cases that ask something new.
    async fn apart(&self, cases: Vec<Case>, count: usize, seen: &mut Vec<Asked>) -> anyhow::Result<Vec<Case>> {
        let mut found = Vec::new();
        for case in cases {
            if found.len() >= count {
                break;
            }
            let asked = self.checker.asked(&case.question).await?;
            // Beside its model, which differs in a name that nothing has, a swapped case is a question of its own.
            if !asked.is_among(seen) {
                seen.push(asked);
                found.push(case);
            }
        }
        Ok(found)
    }

    fn case(&self, draft: &Draft) -> Case {
        let tag = match draft.by {
            MadeBy::Table => "tables",
            MadeBy::Combined => "multi-document",
            MadeBy::Heading
            | MadeBy::Definition
            | MadeBy::Statement
            | MadeBy::Model
            | MadeBy::Swapped
            | MadeBy::Removed
            | MadeBy::Access
            | MadeBy::Answer => "plain",
        };
        let document = draft.sources.first().map_or("", |gold| &gold.document);
        Case {
            answerable: true,
            facts: draft.facts.clone(),
            sources: draft.sources.clone(),
            tags: BTreeSet::from([tag.to_owned()]),
            ..blank(&draft.question, draft.by, document)
        }
    }
}

/// A case that nobody has approved, with an id that follows from its question.
fn blank(question: &str, by: MadeBy, document: &str) -> Case {
    let file = document.rsplit('/').next().unwrap_or_default();
    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let plain = |c: char| if c.is_alphanumeric() { c } else { '-' };
    let stem: String = stem.chars().take(STEM_CHARS).map(plain).collect();
    let hash: String = sha256(question.as_bytes()).chars().take(HASH_CHARS).collect();
    let stem = if stem.is_empty() { by.name().to_owned() } else { stem };
    let id = format!("{stem}-{hash}");
    Case { generated: true, made_by: Some(by), ..Case::unanswerable(id, question.to_owned()) }
}

#[cfg(test)]
mod tests;
