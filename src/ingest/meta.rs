//! What is said of a document beside its text: today, who may see it.
//!
//! Said by front matter (`allow: [staff, board]`) or by a file beside the document (`guide.md.meta.toml` with
//! `allow = ["staff"]`), which wins where both speak. Fails closed: what can't be understood is an error of that
//! document, never a document that everybody may see.

use serde::Deserialize;

use super::extract::FrontMatter;
use super::origin::Said;
use crate::caller::Allow;

/// The end of the name of a file that says something of the file whose name comes before it.
pub const SIDECAR_SUFFIX: &str = ".meta.toml";

/// Why what is said of a document can't be understood.
#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    #[error("read the front matter: {0}")]
    FrontMatter(String),
    #[error("read the file beside it (name{SIDECAR_SUFFIX}): {0}")]
    Sidecar(String),
    #[error("read what its source says of it: {0}")]
    Source(String),
}

/// The keys that mean something. In a sidecar file there may be no others, so that a misspelt `allow` is noticed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sidecar {
    allow: Option<Groups>,
}

/// Front matter has keys for many readers; the others' are left alone.
#[derive(Debug, Default, Deserialize)]
struct Front {
    allow: Option<Groups>,
}

/// `allow: staff` or `allow: [staff, board]`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Groups {
    One(String),
    Several(Vec<String>),
}

/// Who may see the document. Empty: everybody who may use its collection.
pub fn allow(front_matter: Option<&FrontMatter>, sidecar: Option<&str>) -> Result<Allow, MetaError> {
    let beside =
        sidecar.map(|text| toml::from_str::<Sidecar>(text).map_err(|e| MetaError::Sidecar(e.message().into())));
    if let Some(groups) = beside.transpose()?.and_then(|sidecar| sidecar.allow) {
        return parse(groups).map_err(MetaError::Sidecar);
    }
    let within = front_matter.map(front).transpose()?;
    within.and_then(|front| front.allow).map_or_else(|| Ok(Allow::new()), |g| parse(g).map_err(MetaError::FrontMatter))
}

/// The document's own groups, else those that its source names for all of its documents.
pub fn or_said(own: Allow, said: &Said) -> Result<Allow, MetaError> {
    if own.is_empty() { said.allow().map_err(|error| MetaError::Source(error.to_string())) } else { Ok(own) }
}

fn front(matter: &FrontMatter) -> Result<Front, MetaError> {
    let (parsed, text) = match matter {
        FrontMatter::Yaml(text) => (serde_saphyr::from_str::<Option<Front>>(text).map_err(|e| e.to_string()), text),
        FrontMatter::Toml(text) => (toml::from_str(text).map(Some).map_err(|e| e.message().to_owned()), text),
        FrontMatter::Broken(text) => (Err("it is no front matter by its form".to_owned()), text),
    };
    let front = parsed.map(Option::unwrap_or_default);
    match front {
        Ok(front) if front.allow.is_some() || !speaks_of_access(text) => Ok(front),
        Ok(_) => Err(MetaError::FrontMatter("it says allow in a way that names no group".into())),
        // Much of what stands in front matter is no YAML, and harmless; a rule that can't be read is not.
        Err(_) if !speaks_of_access(text) => Ok(Front::default()),
        Err(error) => Err(MetaError::FrontMatter(error)),
    }
}

/// Whether a line of it has the key `allow`, however it is written.
fn speaks_of_access(text: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim_start_matches(|c: char| !c.is_alphabetic()).to_lowercase();
        line.strip_prefix("allow").is_some_and(|rest| rest.trim_start_matches([' ', '"', '\'']).starts_with([':', '=']))
    })
}

/// An empty list would allow nobody or everybody, depending on the reader: it has to be said otherwise.
fn parse(groups: Groups) -> Result<Allow, String> {
    let names = match groups {
        Groups::One(name) => vec![name],
        Groups::Several(names) => names,
    };
    if names.is_empty() {
        return Err("allow is an empty list: name a group, or leave it out for everybody".into());
    }
    names.iter().map(|name| name.parse().map_err(|error: crate::caller::InvalidGroup| error.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(allow: Result<Allow, MetaError>) -> Vec<String> {
        allow.unwrap().iter().map(ToString::to_string).collect()
    }

    fn yaml(text: &str) -> FrontMatter {
        FrontMatter::Yaml(text.into())
    }

    #[test]
    fn front_matter_allows_one_group_or_several_and_nothing_said_allows_all() {
        assert_eq!(names(allow(Some(&yaml("title: x\nallow: staff\n")), None)), ["staff"]);
        assert_eq!(names(allow(Some(&yaml("allow:\n  - b\n  - a\n")), None)), ["a", "b"]);
        assert_eq!(names(allow(Some(&FrontMatter::Toml("allow = [\"a\"]".into())), None)), ["a"]);
        assert_eq!(names(allow(Some(&yaml("title: x\n")), None)), [""; 0]);
        assert_eq!(names(allow(None, None)), [""; 0]);
    }

    #[test]
    fn the_file_beside_a_document_wins() {
        assert_eq!(names(allow(Some(&yaml("allow: staff")), Some("allow = [\"board\"]"))), ["board"]);
        assert_eq!(names(allow(Some(&yaml("allow: staff")), Some(""))), ["staff"]);
    }

    #[test]
    fn what_can_not_be_understood_is_an_error_and_never_everybody() {
        for front in [
            "allow: [staff",
            "allow: []",
            "allow: 'two words'",
            "allow: {a: b}",
            "allow: ''",
            "allow: ['*']",
            "allow:",
            "Allow: staff",
        ] {
            assert!(allow(Some(&yaml(front)), None).is_err(), "{front}");
        }
        for beside in ["alow = [\"a\"]", "allow = [", "allow = []", "allow = 3"] {
            assert!(allow(None, Some(beside)).is_err(), "{beside}");
        }
        assert!(allow(Some(&yaml("title: [unclosed")), None).is_ok(), "says nothing of who may see it");
        let broken = |text: &str| allow(Some(&FrontMatter::Broken(text.into())), None);
        assert!(broken("allow: [staff,\nboard]").is_err());
        assert!(broken("A line, and words that allow for more.").is_ok());
    }
}
