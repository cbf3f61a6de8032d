//! The two paths end to end in this process: a document in, a cited answer out, and what becomes of both when the
//! document changes.

mod answering;
mod checking;
mod ingesting;
mod injecting;
mod judging;
mod keeping;
mod prompting;
mod queueing;
mod reranking;

use std::fs;

use cairn::ingest::extract::{ExtractLimits, Extracted, extract};

use crate::harness::Answer;

/// Each citation names a source, stands where its mark is, and quotes what stands at its span.
fn check_citations(answer: &Answer) {
    for citation in &answer.citations {
        assert_eq!(citation.mark.of(&answer.text), format!("[{}]", citation.number));
        let passage = &answer.sources[citation.number - 1];
        assert_eq!(passage.number, citation.number);
        assert_eq!((passage.hit.document, &passage.hit.title), (citation.document, &citation.title));
        assert_eq!(citation.span.of(&extracted(&citation.external_id).text), citation.quote);
        assert!(!citation.quote.is_empty());
    }
}

/// Every `[n]` of a text.
pub(crate) fn marks(text: &str) -> Vec<usize> {
    text.split('[').skip(1).filter_map(|rest| rest.split_once(']')?.0.parse().ok()).collect()
}

/// The document as it is searched.
fn extracted(external_id: &str) -> Extracted {
    extract(external_id, &fs::read(external_id).unwrap(), &ExtractLimits::default(), Err("no PDFs")).unwrap()
}
