//! What `cairn ingest` was asked for, told apart: paths, sources beyond this machine, standard input, a manifest.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use crate::document::CollectionName;
use crate::ingest::origin::{self, Upload};
use crate::ingest::queue::{Compare, Vanished};
use crate::ingest::source::named::{self, How};
use crate::tasks::blocking;

/// Standard input, as a source.
const STDIN: &str = "-";

#[derive(Debug, Args)]
pub(in crate::cli) struct IngestArgs {
    /// Folders, files, patterns ('docs/**/*.md'), web pages and sitemaps (https://…), buckets (s3://, gs://, az://),
    /// git repositories (git+https://…, git+file://…), or - for standard input
    #[arg(required_unless_present_any = ["manifest", "reprocess"], value_name = "SOURCE")]
    pub(super) sources: Vec<OsString>,
    /// Bring in the sources that this file declares (sources.toml)
    #[arg(long, value_name = "FILE")]
    pub(super) manifest: Option<PathBuf>,
    /// Of the manifest, only the source with this name (may be repeated)
    #[arg(long, value_name = "NAME", requires = "manifest")]
    pub(super) only: Vec<String>,
    /// Where the documents go [default: ingest.collection]
    #[arg(long, short)]
    pub(super) collection: Option<CollectionName>,
    /// Follow the links of web pages, within the site and the folder of each
    #[arg(long, conflicts_with = "sitemap")]
    pub(super) crawl: bool,
    /// Web addresses are of sitemaps, whatever they are called
    #[arg(long)]
    pub(super) sitemap: bool,
    /// Of git repositories: a branch, a tag or a whole commit id [default: what HEAD names]
    #[arg(long)]
    pub(super) revision: Option<String>,
    /// What standard input is called, with an ending that tells its kind: notes.md
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Remove documents that these sources had and have no more
    #[arg(long)]
    pub(super) prune: bool,
    /// Read everything, also what looks as it did when it was indexed
    #[arg(long)]
    pub(super) rehash: bool,
    /// Begin a new index (for another model or chunk size); the old one is kept beside it
    #[arg(long)]
    pub(super) rebuild: bool,
    /// Bring every document into an index as this configuration makes it (another model, another chunk size), from the
    /// texts that are kept; the old index is kept beside it
    #[arg(long, conflicts_with_all = ["sources", "manifest", "prune", "rehash", "rebuild"])]
    pub(super) reprocess: bool,
    /// Print a JSON object for each document and one for the whole
    #[arg(long)]
    pub(super) json: bool,
}

/// The same, told apart.
pub(super) struct Asked {
    pub(super) paths: Vec<PathBuf>,
    /// Addresses.
    pub(super) remote: Vec<String>,
    /// What standard input is called.
    pub(super) stdin: Option<String>,
}

impl IngestArgs {
    pub(super) fn vanished(&self) -> Vanished {
        if self.prune { Vanished::Go } else { Vanished::Stay }
    }

    pub(super) fn compare(&self) -> Compare {
        if self.rehash { Compare::Bytes } else { Compare::Stamp }
    }

    pub(super) fn how(&self) -> How {
        match (self.crawl, self.sitemap) {
            (true, _) => How::Crawl,
            (false, true) => How::Sitemap,
            (false, false) => How::Page,
        }
    }

    /// Whatever is there under the name is a path, whatever it looks like.
    pub(super) fn told_apart(&self) -> anyhow::Result<Asked> {
        let mut asked = Asked { paths: Vec::new(), remote: Vec::new(), stdin: None };
        for source in &self.sources {
            match source.to_str() {
                Some(STDIN) if asked.stdin.is_some() => bail!("standard input is named twice"),
                Some(STDIN) => asked.stdin = Some(self.stdin_name()?),
                Some(text) if named::is_remote(text) && !Path::new(text).exists() => asked.remote.push(text.to_owned()),
                Some(_) | None => asked.paths.push(PathBuf::from(source)),
            }
        }
        if asked.stdin.is_none() && self.name.is_some() {
            bail!("--name says what standard input is called: write - for it");
        }
        if (self.crawl || self.sitemap) && asked.remote.is_empty() {
            bail!("--crawl and --sitemap are about web addresses, and none is named");
        }
        if self.revision.is_some() && asked.remote.is_empty() {
            bail!("--revision is about git repositories: name one as git+https://… or git+file://…");
        }
        Ok(asked)
    }

    fn stdin_name(&self) -> anyhow::Result<String> {
        let name = self.name.clone().context("say what standard input is called, with an ending: --name notes.md")?;
        match origin::upload_name(&name, None) {
            Some(_) => Ok(name),
            None => bail!("--name {name:?} does not tell a kind of file that cairn reads: end it with .md, .txt or so"),
        }
    }
}

/// All of standard input, which is a document of this name.
pub(super) async fn stdin(name: &str, bytes_max: u64) -> anyhow::Result<Vec<u8>> {
    let reading = blocking(move || {
        let mut bytes = Vec::new();
        let read = std::io::stdin().lock().take(bytes_max.saturating_add(1)).read_to_end(&mut bytes);
        read.map(|_| bytes)
    });
    let bytes = reading.await?.context("read standard input")?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max) {
        Ok(bytes)
    } else {
        bail!("read {name}: standard input has more than ingest.file_bytes_max ({bytes_max} bytes)")
    }
}

/// What is kept of standard input: there is no other place to read it again.
pub(super) fn upload(name: &str, blob: &str) -> Upload {
    let file = origin::upload_name(name, None).unwrap_or_else(|| name.to_owned());
    Upload { blob: blob.to_owned(), name: file, title: None, sidecar: None }
}
