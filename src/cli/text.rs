//! `cairn text`: what cairn reads in files, as ingestion reads them, without indexing anything.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::show::{shown, shown_in_line};
use crate::app;
use crate::config::Config;
use crate::ingest::extract::Extracted;
use crate::ingest::notices::Notice;
use crate::ingest::reader::ReadError;
use crate::tasks::blocking;

#[derive(Debug, Args)]
pub(super) struct TextArgs {
    /// Files
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// One JSON object a line: the text, where its headings, pages and tables begin, and what reading it took
    #[arg(long)]
    json: bool,
}

/// What was read in one file, or why nothing was.
#[derive(Serialize)]
struct FileText<'a> {
    path: &'a Path,
    bytes: usize,
    #[serde(flatten)]
    text: Option<Extracted>,
    error: Option<Refusal>,
    seconds: f64,
    /// The most memory that the process had that read it; null where it had to be ended.
    peak_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Refusal {
    code: String,
    message: String,
}

pub(super) async fn run(args: TextArgs, config: Config) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for path in &args.paths {
        let file = read(path, &config).await?;
        if file.error.is_some() {
            code = ExitCode::FAILURE;
        }
        let mut out = io::stdout().lock();
        if args.json {
            serde_json::to_writer(&mut out, &file).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            print(&file, args.paths.len() > 1, &mut out)?;
        }
    }
    Ok(code)
}

/// In a process of its own, so that its memory is this file's alone.
async fn read<'a>(path: &'a Path, config: &Config) -> anyhow::Result<FileText<'a>> {
    let bytes_max = config.ingest.file_bytes_max;
    let file = path.to_path_buf();
    let bytes = blocking(move || {
        if std::fs::metadata(&file)?.len() > bytes_max.as_u64() {
            return Err(io::Error::other(format!("it is larger than {bytes_max} (ingest.file_bytes_max)")));
        }
        std::fs::read(&file)
    });
    let bytes = bytes.await?.with_context(|| format!("read {}", path.display()))?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let (length, started) = (bytes.len(), Instant::now());
    let read = app::reader(config, 1).read_weighed(&name, bytes).await;
    let seconds = started.elapsed().as_secs_f64();
    let (text, error, peak_bytes) = match read {
        Ok((text, peak_bytes)) => (Some(text), None, Some(peak_bytes)),
        Err(error @ ReadError::Start { .. }) => return Err(error.into()),
        Err(error @ ReadError::Refused { .. }) => {
            (None, Some(Refusal { code: error.code().to_owned(), message: error.to_string() }), None)
        }
    };
    Ok(FileText { path, bytes: length, text, error, seconds, peak_bytes })
}

fn print(file: &FileText<'_>, named: bool, out: &mut impl Write) -> io::Result<()> {
    if named {
        writeln!(out, "==> {} <==", shown_in_line(&file.path.display().to_string()))?;
    }
    if let Some(text) = &file.text {
        writeln!(out, "{}", shown(text.text.trim_end()))?;
        for note in &text.notes {
            super::tell(&format!("{}: {}", file.path.display(), Notice::from(*note).message));
        }
    }
    if let Some(error) = &file.error {
        super::tell(&format!("{}: {} ({})", file.path.display(), error.message, error.code));
    }
    Ok(())
}
