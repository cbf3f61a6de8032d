//! What kind of failure an error is: the one thing that decides whether to try again and which HTTP status to give.
//!
//! An error's text names its cause, since it is shown in one piece: in a summary, a response, a log line. The cause is
//! therefore not its `source` as well; whoever prints the whole chain would print it twice.

/// Every stage's error has a `class()` that answers with one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The caller's input is wrong; the same input will fail again.
    Invalid,
    NotFound,
    /// The caller may not do this.
    Denied,
    /// Too much at once; the same input may succeed later.
    Busy,
    /// Something that this needs can't be reached just now.
    Unavailable,
    /// A defect of cairn or of the machine it runs on.
    Internal,
}

impl Class {
    /// For logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::Denied => "denied",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}
