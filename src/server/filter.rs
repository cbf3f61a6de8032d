//! `filter` in requests: which documents may be used, as clients say it → [`Filter`], or a sentence about what is wrong.
//!
//! Within one field one of the values is enough (but for `all_tags`); every field that is there must hold.

use std::collections::BTreeSet;

use reqwest::Url;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::error::ApiError;
use crate::ingest::meta;
use crate::store::{Filter, Places};

/// Values of one field: more than anybody picks by hand.
const VALUES_MAX: usize = 16;
const VALUE_BYTES_MAX: usize = 2048;

/// Which documents may be used: those that every field given here holds for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilterWire {
    /// Where a document comes from: an absolute folder, or an address that its `uri` begins with (`file:`, `https:`,
    /// `s3:`, `git+https:` and so on), whole parts of it. One text, or several of which one is enough.
    #[serde(deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["https://docs.example.com/guide"]))]
    pub source: Vec<String>,
    /// What a document's path below its source begins with; without a source, what its id begins with (of a file, its
    /// absolute path). One text, or several of which one is enough.
    #[serde(deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["handbook/"]))]
    pub path: Vec<String>,
    /// The document has this tag, or one of these.
    #[serde(deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["manual", "faq"]))]
    pub tag: Vec<String>,
    /// The document has all of these tags.
    #[serde(deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    pub all_tags: Vec<String>,
    /// The document's date is this one or later: a date, or a time as RFC 3339 has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2024-01-01")]
    pub from: Option<String>,
    /// The document's date is this one or earlier. A date means to the end of its day, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "2024-12-31")]
    pub to: Option<String>,
    /// The document's language by its code of ISO 639-1, or one of several.
    #[serde(deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!(["en"]))]
    pub language: Vec<String>,
}

/// Why a filter can't be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("filter.{field}: {reason}")]
pub struct InvalidFilter {
    field: &'static str,
    reason: String,
}

impl From<InvalidFilter> for ApiError {
    fn from(error: InvalidFilter) -> Self {
        Self::invalid(Some("filter"), error.to_string())
    }
}

impl FilterWire {
    /// What is asked for. Nothing, or nothing in it: every document passes.
    pub fn read(filter: Option<Self>) -> Result<Filter, InvalidFilter> {
        let Some(filter) = filter else { return Ok(Filter::default()) };
        let from = filter.from.map(|text| time("from", &text, meta::seconds)).transpose()?;
        let to = filter.to.map(|text| time("to", &text, meta::last_second)).transpose()?;
        if let (Some(from), Some(to)) = (from, to)
            && from > to
        {
            return Err(InvalidFilter { field: "from", reason: "it is later than filter.to".into() });
        }
        Ok(Filter {
            tags_any: tags("tag", &filter.tag)?,
            tags_all: tags("all_tags", &filter.all_tags)?,
            from,
            to,
            languages: languages(&filter.language)?,
            places: places(&filter.source, &filter.path)?,
        })
    }
}

fn tags(field: &'static str, values: &[String]) -> Result<BTreeSet<String>, InvalidFilter> {
    check(field, values)?;
    meta::tags(values).map_err(|reason| InvalidFilter { field, reason })
}

fn languages(values: &[String]) -> Result<BTreeSet<String>, InvalidFilter> {
    const FIELD: &str = "language";
    check(FIELD, values)?;
    let code = |name: &String| {
        meta::language(name).ok_or_else(|| InvalidFilter {
            field: FIELD,
            reason: format!("it is {name:?}, must be a code of ISO 639-1 such as \"en\""),
        })
    };
    values.iter().map(code).collect()
}

fn time(field: &'static str, text: &str, read: fn(&str) -> Option<i64>) -> Result<i64, InvalidFilter> {
    read(text).ok_or_else(|| InvalidFilter {
        field,
        reason: format!(
            "it is {:?}, must be a date such as \"2024-05-31\" or a time such as \"2024-05-31T12:00:00Z\"",
            text.chars().take(80).collect::<String>()
        ),
    })
}

/// Every source with every path below it; of no source, the paths as they are.
fn places(sources: &[String], paths: &[String]) -> Result<Option<Places>, InvalidFilter> {
    check("source", sources)?;
    check("path", paths)?;
    if sources.is_empty() && paths.is_empty() {
        return Ok(None);
    }
    let mut places = Places::default();
    for source in sources {
        let root = root(source)?;
        // A repository's files stand behind an `@`.
        let below = if root.starts_with("git+") { format!("{root}@/") } else { format!("{root}/") };
        if paths.is_empty() {
            places.prefixes.insert(below);
            places
                .prefixes
                .extend(["?", "#"].iter().filter(|_| root.starts_with("http")).map(|c| format!("{root}{c}")));
            places.external_ids.insert(root);
        } else {
            places.prefixes.extend(paths.iter().map(|path| format!("{below}{}", path.trim_start_matches('/'))));
        }
    }
    if sources.is_empty() {
        places.prefixes.extend(paths.iter().map(|path| local(path).unwrap_or_else(|| path.clone())));
    }
    let conditions = places.prefixes.len() + 1;
    let most = Filter::CONDITIONS_MAX - VALUES_MAX - 3; // What the other fields can add up to.
    if conditions > most {
        let reason = format!("{} sources with {} paths are too many at once", sources.len(), paths.len());
        return Err(InvalidFilter { field: "path", reason });
    }
    Ok(Some(places))
}

/// A source as the ids of its documents begin, without a slash at the end.
fn root(source: &str) -> Result<String, InvalidFilter> {
    let text = source.trim();
    let named = if text.starts_with('/') {
        Some(text.to_owned())
    } else {
        match text.split_once("://") {
            Some(("file", _)) => local(text),
            Some(("http" | "https", _)) => Url::parse(text).ok().map(String::from),
            Some((scheme, rest)) => (!scheme.is_empty() && !rest.is_empty()).then(|| text.to_owned()),
            None => None,
        }
    };
    named.map(|root| root.trim_end_matches('/').to_owned()).ok_or_else(|| InvalidFilter {
        field: "source",
        reason: format!(
            "it is {text:?}, must be an absolute folder or an address such as \"https://docs.example.com/guide\""
        ),
    })
}

/// The path of a file's address. None: it is no such address.
fn local(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| url.scheme() == "file")?;
    let is_folder = text.ends_with('/');
    let path = url.to_file_path().ok()?.to_str()?.to_owned();
    Some(if is_folder && !path.ends_with('/') { format!("{path}/") } else { path })
}

fn check(field: &'static str, values: &[String]) -> Result<(), InvalidFilter> {
    let wrong = |reason: String| Err(InvalidFilter { field, reason });
    if values.len() > VALUES_MAX {
        return wrong(format!("{} values are more than {VALUES_MAX}", values.len()));
    }
    match values.iter().find(|value| value.trim().is_empty() || value.len() > VALUE_BYTES_MAX) {
        Some(value) if value.trim().is_empty() => wrong("a value is empty: leave the field out for any".into()),
        Some(_) => wrong(format!("a value is longer than {VALUE_BYTES_MAX} bytes")),
        None => Ok(()),
    }
}

/// `"a"` or `["a", "b"]`.
fn one_or_more<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text or a list of texts")]
    enum OneOrMore {
        One(String),
        More(Vec<String>),
    }
    Ok(match OneOrMore::deserialize(deserializer)? {
        OneOrMore::One(value) => vec![value],
        OneOrMore::More(values) => values,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::document::Metadata;

    fn read(filter: Value) -> Result<Filter, InvalidFilter> {
        FilterWire::read(Some(serde_json::from_value(filter).unwrap()))
    }

    fn passes(filter: Value, external_id: &str) -> bool {
        read(filter).unwrap().passes(external_id, &Metadata::default())
    }

    #[test]
    fn a_source_is_itself_and_what_lies_below_it_and_nothing_that_is_only_spelled_alike() {
        for (source, inside, outside) in [
            ("/srv/docs", &["/srv/docs/a.md", "/srv/docs/b/c.md", "/srv/docs"][..], &["/srv/docs2/a.md", "/srv"][..]),
            ("/srv/docs/", &["/srv/docs/a.md"], &["/srv/documents/a.md"]),
            ("file:///srv/my%20docs", &["/srv/my docs/a.md"], &["/srv/my%20docs/a.md"]),
            (
                "https://Docs.example.com",
                &["https://docs.example.com/", "https://docs.example.com/a?b=c", "https://docs.example.com?x"],
                &["https://docs.example.com.evil.org/", "http://docs.example.com/"],
            ),
            (
                "https://example.com/guide/",
                &["https://example.com/guide", "https://example.com/guide?p=2"],
                &["https://example.com/guides"],
            ),
            ("s3://bucket/folder", &["s3://bucket/folder/key"], &["s3://bucket/folder2/key"]),
            ("git+https://host/repo", &["git+https://host/repo@/a.md"], &["git+https://host/repo2@/a.md"]),
        ] {
            for id in inside {
                assert!(passes(json!({ "source": source }), id), "{id} is in {source}");
            }
            for id in outside {
                assert!(!passes(json!({ "source": source }), id), "{id} is not in {source}");
            }
        }
    }

    #[test]
    fn a_path_is_below_its_source_and_without_one_it_begins_the_id() {
        let both = json!({ "source": ["git+https://host/repo", "https://example.com"], "path": "/docs/in" });
        assert!(passes(both.clone(), "git+https://host/repo@/docs/install.md"));
        assert!(passes(both.clone(), "https://example.com/docs/index.html"));
        assert!(!passes(both, "https://example.com/other/index.html"));
        assert!(passes(json!({ "path": ["handbook/", "notes/"] }), "notes/2024.md"));
        assert!(passes(json!({ "path": "file:///srv/docs/" }), "/srv/docs/a.md"));
        assert!(!passes(json!({ "path": "handbook/" }), "/srv/handbook/a.md"));
    }

    #[test]
    fn a_date_as_the_end_counts_with_its_whole_day() {
        let filter = read(json!({ "from": "2024-05-31", "to": "2024-05-31" })).unwrap();
        assert_eq!((filter.from, filter.to), (Some(1_717_113_600), Some(1_717_113_600 + 86_399)));
        let filter = read(json!({ "from": "2024-05-31T12:00:00+02:00", "to": "2024-05-31T10:00:00Z" })).unwrap();
        assert_eq!((filter.from, filter.to), (Some(1_717_149_600), Some(1_717_149_600)));
    }

    #[test]
    fn nothing_and_empty_lists_let_everything_pass() {
        assert!(FilterWire::read(None).unwrap().is_empty());
        assert!(read(json!({})).unwrap().is_empty());
        assert!(read(json!({ "tag": [], "source": [] })).unwrap().is_empty());
    }

    #[test]
    fn what_can_not_be_meant_is_a_sentence_that_names_the_field() {
        let many: Vec<String> = (0..17).map(|n| n.to_string()).collect();
        let sixteen: Vec<String> = (0..16).map(|n| format!("/{n}")).collect();
        for (filter, said) in [
            (json!({ "tag": "" }), "filter.tag: a value is empty"),
            (json!({ "tag": many }), "filter.tag: 17 values are more than 16"),
            (json!({ "all_tags": "x".repeat(101) }), "filter.all_tags: the tag"),
            (json!({ "language": "English" }), "filter.language: it is \"English\""),
            (json!({ "from": "yesterday" }), "filter.from: it is \"yesterday\""),
            (json!({ "to": "2024-13-01" }), "filter.to: it is \"2024-13-01\""),
            (json!({ "from": "2024-02-02", "to": "2024-02-01" }), "filter.from: it is later than filter.to"),
            (json!({ "source": "wiki" }), "filter.source: it is \"wiki\", must be an absolute folder or an address"),
            (json!({ "path": "x".repeat(2049) }), "filter.path: a value is longer"),
            (json!({ "source": sixteen, "path": sixteen }), "filter.path: 16 sources with 16 paths are too many"),
        ] {
            let error = read(filter).unwrap_err().to_string();
            assert!(error.starts_with(said), "{error}");
        }
        for unknown in [json!({ "tags": "a" }), json!({ "tag": 5 }), json!({ "from": 2024 })] {
            assert!(serde_json::from_value::<FilterWire>(unknown).is_err());
        }
    }

    #[test]
    fn any_filter_that_is_read_keeps_to_the_conditions_that_a_store_takes() {
        let sixteen: Vec<String> = (0..16).map(|n| format!("https://{n}.example")).collect();
        let filter = read(
            json!({ "source": sixteen, "all_tags": sixteen, "tag": sixteen, "language": "en", "to": "2024-01-01" }),
        );
        let filter = filter.unwrap();
        let conditions = filter.places.unwrap().prefixes.len() + 1 + filter.tags_all.len() + 3;
        assert!(conditions <= Filter::CONDITIONS_MAX, "{conditions}");
    }
}
