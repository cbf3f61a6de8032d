//! What a run leaves in its output folder: each finished case, and which results a build has had.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::document::sha256;
use crate::eval::case::Case;
use crate::eval::record::{CaseRecord, CaseTimes, Figure, Fingerprint, Measure, canonical};

/// Of a fingerprint in a file's name.
const NAME_CHARS: usize = 16;
const HISTORY: &str = "history.jsonl";

/// A finished case.
#[derive(Serialize, Deserialize)]
struct Line {
    record: CaseRecord,
    times: CaseTimes,
}

/// Finished cases of one run, in a file that grows by a line each.
pub(super) struct Kept {
    file: File,
    path: PathBuf,
    cases: HashMap<String, Line>,
}

impl Kept {
    /// What is there of the run with this fingerprint. A last line that was cut off counts as not there.
    pub(super) fn open(out: &Path, fingerprint: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(out).with_context(|| format!("make the folder {}", out.display()))?;
        let name: String = fingerprint.chars().take(NAME_CHARS).collect();
        let path = out.join(format!("cases-{name}.jsonl"));
        let before = fs::read_to_string(&path).unwrap_or_default();
        let lines = before.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        let cases: HashMap<String, Line> = lines.map(|line| (line.record.id.clone(), line)).collect();
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let mut file = opened.with_context(|| format!("write to {}", path.display()))?;
        if !before.is_empty() && !before.ends_with('\n') {
            file.write_all(b"\n")?;
        }
        Ok(Self { file, path, cases })
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.cases.contains_key(id)
    }

    /// What is there of these cases.
    pub(super) fn records(&self, order: &[Case]) -> Vec<CaseRecord> {
        order.iter().filter_map(|case| self.cases.get(&case.id)).map(|line| line.record.clone()).collect()
    }

    pub(super) fn add(&mut self, record: CaseRecord, times: CaseTimes) -> anyhow::Result<()> {
        let line = Line { record, times };
        let text = serde_json::to_string(&line)?;
        writeln!(self.file, "{text}").with_context(|| format!("write to {}", self.path.display()))?;
        self.cases.insert(line.record.id.clone(), line);
        Ok(())
    }

    /// The records in the suite's order. The run is complete, so its file goes: the next one asks anew.
    pub(super) fn take(mut self, order: &[Case]) -> anyhow::Result<(Vec<CaseRecord>, HashMap<String, CaseTimes>)> {
        let (mut records, mut times) = (Vec::new(), HashMap::new());
        for case in order {
            let line = self.cases.remove(&case.id).with_context(|| format!("the case {:?} was not asked", case.id))?;
            times.insert(case.id.clone(), line.times);
            records.push(line.record);
        }
        fs::remove_file(&self.path).with_context(|| format!("remove {}", self.path.display()))?;
        Ok((records, times))
    }
}

/// One result of a build.
#[derive(Serialize, Deserialize)]
struct Result {
    /// Of build, settings, cases and documents.
    run: String,
    /// Of every value of every case.
    result: String,
}

/// Which different result of this build this is, from 1. A run that gives what an earlier one gave is that one again:
/// it is no further try.
pub(super) fn result_of_build(out: &Path, fingerprint: &Fingerprint, cases: &[CaseRecord]) -> anyhow::Result<usize> {
    let values: BTreeMap<&str, BTreeMap<Measure, Option<Figure>>> = cases
        .iter()
        .map(|case| (case.id.as_str(), case.values.iter().map(|(measure, value)| (*measure, value.value())).collect()))
        .collect();
    let (run, result) = (sha256(canonical(fingerprint)?.as_bytes()), sha256(canonical(&values)?.as_bytes()));
    let path = out.join(HISTORY);
    let before = fs::read_to_string(&path).unwrap_or_default();
    let known: Vec<Result> = before.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let of_run: Vec<&Result> = known.iter().filter(|known| known.run == run).collect();
    if let Some(at) = of_run.iter().position(|known| known.result == result) {
        return Ok(at + 1);
    }
    let place = of_run.len() + 1;
    let mut file = OpenOptions::new().create(true).append(true).open(&path)?;
    writeln!(file, "{}", serde_json::to_string(&Result { run, result })?)
        .with_context(|| format!("write to {}", path.display()))?;
    Ok(place)
}

/// A time as RFC 3339 has it, in UTC.
pub(super) fn rfc3339(ms: i64) -> String {
    let since = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::case::parse;
    use crate::eval::record::Measured;
    use crate::eval::record::tests::{example, example_case};

    #[test]
    fn finished_cases_are_there_again_and_a_line_that_was_cut_off_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::open(folder.path(), "0123456789abcdef01").unwrap();
        kept.add(example_case(), CaseTimes { total_ms: 1.25, ..CaseTimes::default() }).unwrap();
        let path = kept.path.clone();
        drop(kept);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"record\": {\"id\": \"ot").unwrap();
        let kept = Kept::open(folder.path(), "0123456789abcdef01").unwrap();
        assert!(kept.has("port") && !kept.has("ot"));
        assert!(!Kept::open(folder.path(), "other").unwrap().has("port"), "another run begins anew");
        let order = parse("x", r#"{"id": "port", "question": "Which port?", "answerable": true}"#).unwrap();
        let (records, times) = kept.take(&order).unwrap();
        assert_eq!((records, times["port"].total_ms), (vec![example_case()], 1.25));
        assert!(!path.exists());
    }

    #[test]
    fn the_same_result_again_is_no_further_try() {
        let folder = tempfile::tempdir().unwrap();
        let fingerprint = example().fingerprint;
        let of = |fingerprint: &Fingerprint, cases: &[CaseRecord]| {
            result_of_build(folder.path(), fingerprint, cases).unwrap()
        };
        let mut other = example_case();
        other.values.insert(Measure::Mrr, Measured::Value(Figure::ONE));
        assert_eq!(of(&fingerprint, &[example_case()]), 1);
        assert_eq!(of(&fingerprint, &[example_case()]), 1);
        assert_eq!(of(&fingerprint, &[other]), 2);
        assert_eq!(of(&fingerprint, &[example_case()]), 1);
        let build = Fingerprint { build: "new".into(), ..fingerprint };
        assert_eq!(of(&build, &[example_case()]), 1);
    }
}
