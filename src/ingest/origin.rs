//! Where a document comes from: what has to be known to read it again.
//!
//! Kept in the ledger as JSON, with the document and with the work on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::extract::FileKind;
use super::source::{self, Found};
use crate::caller::{Allow, Group};
use crate::document::sha256;

/// Where a document comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "lowercase")]
pub enum Origin {
    /// The file that its external id names.
    File {
        /// What it was called by whoever named it, where that alone tells its kind.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        named: Option<String>,
        #[serde(default, skip_serializing_if = "Defaults::is_nothing")]
        defaults: Defaults,
    },
    /// Bytes that came over HTTP and are kept in the data folder.
    Upload(Upload),
    /// Bytes that a source brought, and that are in the data folder until they are indexed.
    Source(Brought),
}

/// What is said of all documents of a source, unless a document says otherwise itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defaults {
    /// Groups. Empty: nothing is said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

/// What a source brought, and what was said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Brought {
    /// What the source is called.
    pub source: String,
    /// SHA-256 of the bytes.
    pub blob: String,
    /// What they are called, with an ending that tells their kind.
    pub name: String,
    /// What the file beside it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecar: Option<String>,
    /// Why there is no telling what the file beside it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecar_error: Option<String>,
    #[serde(default, skip_serializing_if = "Defaults::is_nothing")]
    pub defaults: Defaults,
}

/// What came over HTTP, and what was said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upload {
    /// SHA-256 of the bytes: what they are kept as.
    pub blob: String,
    /// What they are called, with an ending that tells their kind.
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What a `.meta.toml` beside a file would say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecar: Option<String>,
}

impl Origin {
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("an origin is made of texts")
    }

    pub fn parse(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// The stored upload that this needs. Empty: none.
    pub fn blob(&self) -> &str {
        match self {
            Self::File { .. } => "",
            Self::Upload(upload) => &upload.blob,
            Self::Source(brought) => &brought.blob,
        }
    }

    /// What the document is called, where that was said apart from it.
    pub fn title(&self) -> Option<String> {
        match self {
            Self::File { .. } | Self::Source(_) => None,
            Self::Upload(upload) => upload.title.clone(),
        }
    }

    /// What the file is called, with an ending that tells its kind.
    pub fn name(&self, external_id: &str) -> String {
        match self {
            Self::File { named, .. } => {
                let path = source::file_of(external_id);
                let tells = FileKind::of(&path).is_some();
                named.clone().filter(|_| !tells).unwrap_or_else(|| super::file_name(&path))
            }
            Self::Upload(upload) => upload.name.clone(),
            Self::Source(brought) => brought.name.clone(),
        }
    }

    /// What the document is called where nobody gave it a title.
    pub fn file_name(&self, external_id: &str) -> String {
        match self {
            Self::File { .. } | Self::Upload(_) => super::file_name(&source::file_of(external_id)),
            Self::Source(brought) => brought.name.clone(),
        }
    }

    /// What its source says of it.
    pub fn defaults(&self) -> Defaults {
        match self {
            Self::File { defaults, .. } => defaults.clone(),
            Self::Upload(_) => Defaults::default(),
            Self::Source(brought) => brought.defaults.clone(),
        }
    }

    /// What kind of file it is. None: none that cairn reads.
    pub fn kind(&self, external_id: &str) -> Option<FileKind> {
        match self {
            Self::File { named, .. } => FileKind::of(&source::file_of(external_id))
                .or_else(|| named.as_ref().and_then(|name| FileKind::of(Path::new(name)))),
            Self::Upload(upload) => FileKind::of(Path::new(&upload.name)),
            Self::Source(brought) => FileKind::of(Path::new(&brought.name)),
        }
    }
}

impl Origin {
    /// Of a file that a walk found for a source that says this.
    pub fn found(found: &Found, defaults: &Defaults) -> Self {
        Self::File { named: found.named.clone(), defaults: defaults.clone() }
    }
}

impl Defaults {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The groups that may see the document unless it names others itself. Empty: everybody. An error where the ledger
    /// holds something that is no group.
    pub fn allow(&self) -> Result<Allow, crate::caller::InvalidGroup> {
        self.allow.iter().map(|group| group.parse::<Group>()).collect()
    }

    /// A text of its own for everything that can be said. Empty: nothing is said.
    pub fn to_text(&self) -> String {
        if self.is_nothing() {
            String::new()
        } else {
            serde_json::to_string(self).expect("what is said is made of texts")
        }
    }
}

impl Brought {
    /// The same if what was brought and all that was said of it is the same.
    pub fn content_hash(&self) -> String {
        let said = serde_json::json!([self.blob, self.name, self.sidecar, self.sidecar_error, self.defaults]);
        sha256(said.to_string().as_bytes())
    }
}

impl Upload {
    /// The same if what was sent and all that was said of it is the same.
    pub fn content_hash(&self) -> String {
        let said = serde_json::json!([self.blob, self.name, self.title, self.sidecar]);
        sha256(said.to_string().as_bytes())
    }
}

/// What an upload is called so that its kind is known: the name that was given where it tells, else one with the ending
/// that its media type has. None: cairn reads no such files.
pub fn upload_name(name: &str, media_type: Option<&str>) -> Option<String> {
    let last = name.rsplit('/').next().unwrap_or(name);
    if FileKind::of(Path::new(last)).is_some() {
        return Some(last.to_owned());
    }
    let essence = media_type?.split(';').next()?.trim().to_ascii_lowercase();
    let ending = match essence.as_str() {
        "text/markdown" | "text/x-markdown" => "md",
        "text/html" | "application/xhtml+xml" => "html",
        "text/x-rst" => "rst",
        "text/plain" => "txt",
        "text/csv" => "csv",
        "application/json" => "json",
        "application/xml" | "text/xml" => "xml",
        "application/pdf" => "pdf",
        "application/epub+zip" => "epub",
        "message/rfc822" => "eml",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document" => "docx",
        "application/vnd.openxmlformats-officedocument.presentationml.presentation" => "pptx",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" => "xlsx",
        "application/vnd.oasis.opendocument.text" => "odt",
        "application/vnd.oasis.opendocument.spreadsheet" => "ods",
        "application/msword" => "doc",
        "application/vnd.ms-excel" => "xls",
        "application/vnd.ms-powerpoint" => "ppt",
        _ => return None,
    };
    let named = format!("{last}.{ending}");
    FileKind::of(Path::new(&named)).is_some().then_some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_tells_the_kind_and_where_it_does_not_the_media_type_does() {
        assert_eq!(upload_name("a/guide.md", Some("text/html")).as_deref(), Some("guide.md"));
        assert_eq!(upload_name("a/17", Some("text/markdown; charset=utf-8")).as_deref(), Some("17.md"));
        assert_eq!(upload_name("17", Some("TEXT/HTML")).as_deref(), Some("17.html"));
        assert_eq!(upload_name("17", Some("image/png")), None);
        assert_eq!(upload_name("17", None), None);
        assert_eq!(upload_name("", Some("text/plain")).as_deref(), None, "a name that is only an ending is hidden");
    }

    #[test]
    fn an_origin_is_what_it_was_after_it_was_kept() {
        let upload = Upload { blob: "b".into(), name: "a.md".into(), title: Some("T".into()), sidecar: None };
        let defaults = Defaults { allow: vec!["staff".into()], ..Defaults::default() };
        let brought = Brought {
            source: "wiki".into(),
            blob: "b".into(),
            name: "a.html".into(),
            sidecar: None,
            sidecar_error: None,
            defaults: defaults.clone(),
        };
        for origin in [
            Origin::File { named: None, defaults: Defaults::default() },
            Origin::File { named: Some("x.md".into()), defaults },
            Origin::Upload(upload),
            Origin::Source(brought),
        ] {
            assert_eq!(Origin::parse(&origin.to_json()).unwrap(), origin);
        }
        assert_eq!(
            Origin::parse(r#"{"from":"file"}"#).unwrap(),
            Origin::File { named: None, defaults: Defaults::default() },
            "as the ledger's default"
        );
    }
}
