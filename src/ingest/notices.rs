//! What a reader should know of a document's text, as it is kept in the ledger and shown: nothing is left out in silence.

use serde::{Deserialize, Serialize};

use super::extract::Note;

/// One thing that a reader should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// For programs; never changes its meaning.
    pub code: String,
    /// How many there are of what it speaks of.
    pub count: u32,
    /// For people.
    pub message: String,
}

impl From<Note> for Notice {
    fn from(note: Note) -> Self {
        let (code, count, message) = match note {
            Note::PagesWithoutText(n) => (
                "pages_without_text",
                n,
                format!("{} no text: scanned ones need text recognition (OCR)", counted(n, "page has", "pages have")),
            ),
            Note::PagesDamaged(n) => {
                ("pages_damaged", n, format!("{} be read at all", counted(n, "page can't", "pages can't")))
            }
            Note::OtherMembers(n) => (
                "other_members",
                n,
                format!("{} (pictures, for one)", counted(n, "member is no document", "members are no documents")),
            ),
            Note::UnreadableMembers(n) => {
                ("unreadable_members", n, format!("{} be read", counted(n, "member can't", "members can't")))
            }
            Note::Links(n) => {
                ("links", n, format!("{} left out: links are never followed", counted(n, "link is", "links are")))
            }
            Note::OutputsShortened(n) => {
                ("outputs_shortened", n, format!("{} shortened", counted(n, "long output is", "long outputs are")))
            }
            Note::TakenAsPlainText => {
                ("taken_as_plain_text", 1, "its markup is broken, so it is taken as plain text".to_owned())
            }
        };
        Self { code: code.to_owned(), count, message }
    }
}

fn counted(count: u32, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}
