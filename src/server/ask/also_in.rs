//! How the other documents with a passage's text look over HTTP.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{SpanWire, uri};
use crate::document::AlsoIn;

/// Another document with the same text, or nearly.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AlsoInWire {
    pub document_id: String,
    pub version: i64,
    pub uri: String,
    pub title: String,
    /// The page or slide that the text begins on there, from 1, where the document has pages.
    pub page: Option<u32>,
    /// Where the text stands there.
    pub span: SpanWire,
}

impl From<AlsoIn> for AlsoInWire {
    fn from(copy: AlsoIn) -> Self {
        Self {
            document_id: copy.document.to_string(),
            version: copy.version.0,
            uri: uri(&copy.external_id),
            title: copy.title,
            page: copy.page,
            span: copy.span.into(),
        }
    }
}
