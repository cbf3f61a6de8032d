//! What is said of a document beside its text: who may see it, and its title, tags, date and language.
//!
//! Said by front matter (`allow: [staff, board]`) or by a file beside the document (`guide.md.meta.toml` with
//! `allow = ["staff"]`), which wins, key by key, where both speak. Fails closed: what can't be understood of who may see
//! a document is an error of that document, never a document that everybody may see. Front matter is written for many
//! readers, so what can't be understood of the rest is left alone; the file beside is written for cairn, so there it is
//! an error too.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::Deserialize;

use super::extract::FrontMatter;
use super::origin::Defaults;
use crate::caller::Allow;

/// The end of the name of a file that says something of the file whose name comes before it.
pub const SIDECAR_SUFFIX: &str = ".meta.toml";
/// More tags than anybody filters by, in a document that wants to be found by all of them.
const TAGS_MAX: usize = 64;
const TAG_CHARS_MAX: usize = 100;

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

/// What is said of a document. None: nothing is.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Empty: everybody who may use the collection.
    pub allow: Allow,
    pub title: Option<String>,
    pub tags: Option<BTreeSet<String>>,
    /// Seconds since 1970, UTC.
    pub date: Option<i64>,
    /// ISO 639-1.
    pub language: Option<String>,
}

/// The keys that mean something. In a sidecar file there may be no others, so that a misspelt `allow` is noticed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sidecar {
    allow: Option<Names>,
    title: Option<String>,
    tags: Option<Names>,
    date: Option<When>,
    language: Option<String>,
}

/// Front matter has keys for many readers; the others' are left alone.
#[derive(Debug, Default, Deserialize)]
struct Front {
    allow: Option<Names>,
    title: Option<Anything>,
    tags: Option<Anything>,
    date: Option<Anything>,
    #[serde(alias = "lang")]
    language: Option<Anything>,
}

/// `allow: staff` or `allow: [staff, board]`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    One(String),
    Several(Vec<String>),
}

impl Names {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(name) => vec![name],
            Self::Several(names) => names,
        }
    }
}

/// A date as TOML has it, or as a text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum When {
    Toml(toml::value::Datetime),
    Text(String),
}

impl When {
    fn text(&self) -> String {
        match self {
            Self::Toml(date) => date.to_string(),
            Self::Text(text) => text.clone(),
        }
    }
}

/// A key that others use too: only what can be understood counts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Anything {
    When(toml::value::Datetime),
    Names(Names),
    Other(serde::de::IgnoredAny),
}

impl Anything {
    fn names(self) -> Option<Vec<String>> {
        match self {
            Self::Names(names) => Some(names.list()),
            Self::When(_) | Self::Other(_) => None,
        }
    }

    fn text(self) -> Option<String> {
        match self {
            Self::Names(Names::One(text)) => Some(text),
            Self::When(date) => Some(date.to_string()),
            Self::Names(Names::Several(_)) | Self::Other(_) => None,
        }
    }
}

/// All that is said of a document.
pub fn said(front_matter: Option<&FrontMatter>, sidecar: Option<&str>) -> Result<Said, MetaError> {
    let beside =
        sidecar.map(|text| toml::from_str::<Sidecar>(text).map_err(|e| MetaError::Sidecar(e.message().into())));
    let beside = beside.transpose()?.map(of_sidecar).transpose().map_err(MetaError::Sidecar)?.unwrap_or_default();
    // The file beside wins, so front matter that can't be read does no harm where that names the groups.
    let within = match front_matter.map(|matter| front(matter).and_then(of_front)) {
        Some(Err(_)) if !beside.allow.is_empty() => Said::default(),
        Some(within) => within?,
        None => Said::default(),
    };
    Ok(Said {
        allow: if beside.allow.is_empty() { within.allow } else { beside.allow },
        title: beside.title.or(within.title),
        tags: beside.tags.or(within.tags),
        date: beside.date.or(within.date),
        language: beside.language.or(within.language),
    })
}

fn of_sidecar(sidecar: Sidecar) -> Result<Said, String> {
    let date = sidecar.date.map(|when| {
        let text = when.text();
        seconds(&text).ok_or_else(|| format!("date is {text:?}: write it as 2024-05-31 or 2024-05-31T12:00:00Z"))
    });
    let language = sidecar.language.map(|name| {
        language(&name).ok_or_else(|| format!("language is {name:?}: write its code of ISO 639-1, such as \"en\""))
    });
    Ok(Said {
        allow: sidecar.allow.map_or_else(|| Ok(Allow::new()), groups)?,
        title: sidecar.title.as_deref().and_then(title),
        tags: sidecar.tags.map(|names| tags(&names.list())).transpose()?,
        date: date.transpose()?,
        language: language.transpose()?,
    })
}

fn of_front(front: Front) -> Result<Said, MetaError> {
    Ok(Said {
        allow: front.allow.map_or_else(|| Ok(Allow::new()), groups).map_err(MetaError::FrontMatter)?,
        title: front.title.and_then(Anything::text).as_deref().and_then(title),
        tags: front.tags.and_then(Anything::names).and_then(|names| tags(&names).ok()),
        date: front.date.and_then(Anything::text).and_then(|text| seconds(&text)),
        language: front.language.and_then(Anything::text).and_then(|name| language(&name)),
    })
}

fn title(text: &str) -> Option<String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

/// Tags as documents carry them: trimmed, none empty.
pub fn tags(names: &[String]) -> Result<BTreeSet<String>, String> {
    let tags: BTreeSet<String> =
        names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    if let Some(long) = tags.iter().find(|tag| tag.chars().count() > TAG_CHARS_MAX) {
        return Err(format!("the tag {long:?} has more than {TAG_CHARS_MAX} characters"));
    }
    if tags.len() > TAGS_MAX {
        return Err(format!("{} tags are more than {TAGS_MAX}", tags.len()));
    }
    Ok(tags)
}

/// A date, or a date and a time, as seconds since 1970, UTC. Without a zone it is taken for UTC.
pub fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    let stamped = text.parse::<Timestamp>().ok().or_else(|| Some(text.parse::<Zoned>().ok()?.timestamp()));
    let plain = || {
        let time = text
            .parse::<jiff::civil::DateTime>()
            .ok()
            .or_else(|| Some(text.parse::<Date>().ok()?.to_datetime(jiff::civil::Time::midnight())));
        Some(time?.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    stamped.or_else(plain).map(Timestamp::as_second)
}

/// The last second of what a text names: of the whole day for a date, the second itself for a time.
pub fn last_second(text: &str) -> Option<i64> {
    const DAY_SECONDS: i64 = 24 * 60 * 60;
    let is_day = !text.trim().contains(['T', 't', ' ']);
    let first = seconds(text)?;
    Some(if is_day { first.saturating_add(DAY_SECONDS - 1) } else { first })
}

/// As RFC 3339 has it, UTC. None: no calendar goes so far.
pub fn date_text(seconds: i64) -> Option<String> {
    Timestamp::from_second(seconds).ok().map(|stamp| stamp.to_string())
}

/// `en-GB` and `EN` are `en`.
pub fn language(name: &str) -> Option<String> {
    let code = name.trim().split(['-', '_']).next()?.to_ascii_lowercase();
    (code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(code)
}

/// What is said of a document, and where nothing is, what its source says of all of its documents.
pub fn or_else(said: Said, defaults: &Defaults) -> Result<Said, MetaError> {
    let allow = if said.allow.is_empty() {
        defaults.allow().map_err(|error| MetaError::Source(error.to_string()))?
    } else {
        said.allow
    };
    let tags = said.tags.or_else(|| Some(defaults.tags.clone()).filter(|tags| !tags.is_empty()));
    Ok(Said { allow, tags, language: said.language.or_else(|| defaults.language.clone()), ..said })
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
fn groups(names: Names) -> Result<Allow, String> {
    let names = names.list();
    if names.is_empty() {
        return Err("allow is an empty list: name a group, or leave it out for everybody".into());
    }
    names.iter().map(|name| name.parse().map_err(|error: crate::caller::InvalidGroup| error.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allow(front_matter: Option<&FrontMatter>, sidecar: Option<&str>) -> Result<Allow, MetaError> {
        said(front_matter, sidecar).map(|said| said.allow)
    }

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

    #[test]
    fn title_tags_date_and_language_are_said_in_either_place_and_the_file_beside_wins_key_by_key() {
        let front = yaml("title: Old\ntags: [a, b]\ndate: 2024-05-31\nlang: en-GB\nlayout: page\n");
        let both = said(Some(&front), Some("title = 'New'\ndate = 2025-01-01T00:00:00Z")).unwrap();
        assert_eq!(both.title.as_deref(), Some("New"));
        assert_eq!(both.tags, Some(["a".to_owned(), "b".to_owned()].into()));
        assert_eq!((both.date, both.language.as_deref()), (Some(1_735_689_600), Some("en")));
        let toml = FrontMatter::Toml("tags = 'one'\ndate = 2024-05-31".into());
        let alone = said(Some(&toml), None).unwrap();
        assert_eq!((alone.tags, alone.date), (Some(["one".to_owned()].into()), Some(1_717_113_600)));
    }

    #[test]
    fn what_front_matter_says_to_others_is_left_alone_and_the_file_beside_is_taken_at_its_word() {
        let front = yaml("title: {long: x}\ntags: {a: 1}\ndate: yesterday\nlanguage: English\n");
        assert_eq!(said(Some(&front), None).unwrap(), Said::default());
        for wrong in ["date = 'yesterday'", "language = 'English'", "tags = [1]", "titel = 'x'"] {
            assert!(said(None, Some(wrong)).is_err(), "{wrong}");
        }
    }
}
