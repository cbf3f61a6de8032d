//! How far a run is: a bar with the time left on a terminal, a line now and then elsewhere.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::tell;

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

pub(super) struct Progress {
    bar: ProgressBar,
    line: Cell<Option<Instant>>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let style = ProgressStyle::with_template("{msg:<12} {bar:30} {pos}/{len}  {eta} left")
            .expect("the template is constant");
        Self { bar: ProgressBar::new(0).with_style(style), line: Cell::new(None) }
    }

    /// So many of so many are done.
    pub(super) fn at(&self, what: &str, done: usize, all: usize) {
        if self.bar.message() != what {
            self.bar.reset();
            self.bar.set_message(what.to_owned());
        }
        self.bar.set_length(u64::try_from(all).unwrap_or_default());
        self.bar.set_position(u64::try_from(done).unwrap_or_default());
        if self.bar.is_hidden() && self.line.get().is_none_or(|line| line.elapsed() >= LINE_EVERY) {
            self.line.set(Some(Instant::now()));
            tell(&format!("{what}: {done} of {all}"));
        }
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
