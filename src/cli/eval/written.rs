//! A run's report as files: each is written beside its place and renamed into it, so that there is never half of one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use crate::eval::record::Report;
use crate::eval::report::forms;
use crate::files::replace;
use crate::tasks::blocking;

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// The report.json of a run
    report: PathBuf,
    /// Where the files go [default: where the report is]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Every form of the report, written to a folder; where they are.
pub(super) fn write(report: &Report, folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
    let written = forms(report)?.into_iter().map(|form| {
        let path = folder.join(form.name);
        replace(&path, &form.text).with_context(|| format!("write {}", path.display())).map(|()| path)
    });
    written.collect()
}

pub(super) fn print(written: &[PathBuf], out: &mut impl Write) -> io::Result<()> {
    written.iter().try_for_each(|path| writeln!(out, "written: {}", path.display()))
}

/// `cairn eval report`: the same files from a report that is there.
pub(super) async fn run(args: ReportArgs) -> anyhow::Result<ExitCode> {
    let drawn = blocking(move || {
        let text = fs::read_to_string(&args.report).with_context(|| format!("read {}", args.report.display()))?;
        let report = Report::read(&text).with_context(|| format!("read {}", args.report.display()))?;
        let beside = args.report.parent().unwrap_or(Path::new(".")).to_path_buf();
        write(&report, &args.out.unwrap_or(beside))
    });
    print(&drawn.await??, &mut io::stdout())?;
    Ok(ExitCode::SUCCESS)
}
