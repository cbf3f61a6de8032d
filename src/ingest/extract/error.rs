//! Why a file gives no text.

/// The file would have to change before another attempt can succeed. Each says what is wrong and, where it is not plain
/// from that, what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    #[error("read as text: the file is not text although its name says so")]
    NotText,
    #[error("open the file: it needs a password; save it without one")]
    Encrypted,
    #[error("read the file: it is damaged ({what}); get it anew from where it came from")]
    Damaged { what: String },
    #[error("read the file: {what} are more than {limit}; split it, or raise the limit")]
    TooLarge { what: &'static str, limit: u64 },
    #[error("read the file: {what} are nested more than {limit} deep")]
    TooDeep { what: &'static str, limit: usize },
    #[error("read the file: it is called {named} and is {found}; give it the name that fits, or get the right file")]
    WrongType { named: &'static str, found: String },
    #[error("read the file: it is {found}, which is no kind of document that cairn reads")]
    UnknownKind { found: String },
    #[error("read the file: {what} can't be read; {instead}")]
    Unsupported { what: &'static str, instead: &'static str },
    #[error(
        "read the file: none of its {pages} pages has text, they are scanned; run text recognition (OCR) on it first"
    )]
    NoText { pages: u32 },
    #[error("read the file: PDFs can't be read here: {0}")]
    NoPdfium(String),
}

impl ExtractError {
    /// A name that stays the same from release to release, for records and programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotText => "not_text",
            Self::Encrypted => "encrypted",
            Self::Damaged { .. } => "damaged",
            Self::TooLarge { .. } => "too_large",
            Self::TooDeep { .. } => "too_deep",
            Self::WrongType { .. } => "wrong_type",
            Self::UnknownKind { .. } => "unknown_kind",
            Self::Unsupported { .. } => "unsupported",
            Self::NoText { .. } => "no_text",
            Self::NoPdfium(_) => "no_pdfium",
        }
    }

    pub(super) fn no_pdfium(why: &str) -> Self {
        Self::NoPdfium(why.to_owned())
    }

    /// `what` may come from a library, so it is kept short and on one line.
    pub(super) fn damaged(what: impl std::fmt::Display) -> Self {
        const WHAT_CHARS_MAX: usize = 160;
        let what = super::extracted::on_one_line(&what.to_string());
        Self::Damaged { what: what.chars().filter(|c| !c.is_control()).take(WHAT_CHARS_MAX).collect() }
    }
}
