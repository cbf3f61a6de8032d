//! Files of one JSON value a line, and what is wrong with one that can't be used: which file, which line, why.

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

/// Why a file that was given can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("read {file}: {cause}")]
    Read { file: String, cause: std::io::Error },
    #[error("read {file}, line {line}: {reason}")]
    Line { file: String, line: usize, reason: String },
    #[error("{0}")]
    Shape(String),
}

pub(super) fn read(path: &Path) -> Result<String, ReadError> {
    fs::read_to_string(path).map_err(|cause| ReadError::Read { file: path.display().to_string(), cause })
}

/// The values of all lines but the empty ones, at most so many.
pub(super) fn lines<T: DeserializeOwned>(path: &Path, most: usize) -> Result<Vec<T>, ReadError> {
    parsed(path, &read(path)?, most)
}

/// The same of a file's text that has been read.
pub(super) fn parsed<T: DeserializeOwned>(path: &Path, text: &str, most: usize) -> Result<Vec<T>, ReadError> {
    let mut found = Vec::new();
    for (at, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let file = || path.display().to_string();
        if found.len() == most {
            return Err(ReadError::Shape(format!("read {}: it has more than {most} lines", file())));
        }
        let wrong =
            |error: serde_json::Error| ReadError::Line { file: file(), line: at + 1, reason: error.to_string() };
        found.push(serde_json::from_str(line).map_err(wrong)?);
    }
    Ok(found)
}
