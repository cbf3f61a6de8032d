//! One page that needs nothing else: verdict and gates on top, then what got worse, figures, slices, the scorer's card,
//! and every case with its claims beside their evidence.
//!
//! `page.html` is the template, `page.rs` and `cases.rs` say what stands in it. Every text is escaped by the template;
//! what is put in as it is comes from this folder, or is a drawing of figures. The page asks nothing of any network, and
//! its policy forbids it: style and script are allowed by their hashes alone. The script only filters.

mod cases;
mod page;
mod plot;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use sha2::{Digest, Sha256};

use crate::eval::record::Report;

const PAGE: &str = include_str!("html/page.html");
const CASES: &str = include_str!("html/cases.html");
const STYLE: &str = include_str!("html/style.css");
const SCRIPT: &str = include_str!("html/filter.js");

/// The report's page. Fails only where the template is wrong.
pub fn html(report: &Report) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    // A name in the template that is misspelled is an error, not a gap in the page.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template("page.html", PAGE)?;
    environment.add_template("cases.html", CASES)?;
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    environment.get_template("page.html")?.render(context! {
        policy,
        style => Value::from_safe_string(STYLE.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        ..page::page(report)
    })
}

/// As a policy names a text that may be used.
fn hash(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}

#[cfg(test)]
mod tests;
