//! A finished run's record in, what people and machines read of it out. Each form stands in a file of its own and takes
//! a [`Report`] and nothing else. Pure.
//!
//! The same report gives the same bytes in every form. What depends on the clock stands in one block of each: `times` in
//! `report.json`, the root element's attributes in `junit.xml`, the last line of `summary.md`, and one element of
//! `report.html`. Every form is bounded, and says what it leaves out; `report.json` leaves out nothing.

mod junit;
mod markdown;
mod html;
mod order;
mod shown;

use super::record::{RecordError, Report, canonical};

pub use html::html;
pub use junit::junit;
pub use markdown::markdown;

/// One written form of a report.
pub struct Form {
    /// What its file is called.
    pub name: &'static str,
    pub text: String,
}

/// Why a form could not be made.
#[derive(Debug, thiserror::Error)]
pub enum FormError {
    #[error(transparent)]
    Json(#[from] RecordError),
    #[error("write junit.xml: {0}")]
    Junit(#[from] std::io::Error),
    #[error("write report.html: {0}")]
    Html(#[from] minijinja::Error),
}

/// All of them, the record itself first.
pub fn forms(report: &Report) -> Result<Vec<Form>, FormError> {
    Ok(vec![
        Form { name: "report.json", text: canonical(report)? },
        Form { name: "junit.xml", text: junit(report)? },
        Form { name: "summary.md", text: markdown(report) },
        Form { name: "report.html", text: html(report)? },
    ])
}
