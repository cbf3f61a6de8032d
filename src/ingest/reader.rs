//! The bytes of a file that nobody vouches for → its text, read in a child process.
//!
//! The child is this program, started as `cairn extract`: it has a bound on its memory, on its processor time for each
//! file and on what it may give back, and can open no file, no connection and no other program. It reads one file after
//! another. A file that crashes it, holds it up or makes it grow costs that file only: the child is replaced, and the
//! file is refused with a reason. Knows how files are handed over and what ends a child, not what is in a file.

mod child;
mod confine;
mod wire;

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;

use super::extract::Extracted;
use crate::config;
use crate::error::Class;
use wire::{Reply, Request, Setup};

pub use child::run as run_child;

/// Files that one child reads before it is replaced: what libraries leak stays small.
const FILES_PER_CHILD_MAX: usize = 500;
/// What is kept of a child's last words.
const LAST_WORDS_BYTES_MAX: u64 = 4096;

/// Reads files in children, so many at a time.
pub struct Reader {
    program: PathBuf,
    setup: Setup,
    limits: config::Extract,
    idle: Mutex<Vec<Worker>>,
    turns: Semaphore,
}

/// A child that waits for a file.
struct Worker {
    process: Child,
    input: ChildStdin,
    output: ChildStdout,
    last_words: ChildStderr,
    files: usize,
}

/// Why a file gives no text.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file would have to change.
    #[error("{reason}")]
    Refused { code: String, reason: String },
    #[error("start a process to read files in ({program}): {cause}")]
    Start { program: PathBuf, cause: io::Error },
}

impl ReadError {
    pub fn class(&self) -> Class {
        match self {
            Self::Refused { .. } => Class::Invalid,
            Self::Start { .. } => Class::Unavailable,
        }
    }

    /// Stays the same from release to release, for records and programs.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { code, .. } => code,
            Self::Start { .. } => "reader_unavailable",
        }
    }

    fn refused(code: &str, reason: String) -> Self {
        Self::Refused { code: code.to_owned(), reason }
    }
}

impl Reader {
    /// `at_once` children at most, started when there is something to read.
    pub fn new(program: PathBuf, pdfium: PathBuf, limits: config::Extract, at_once: usize) -> Self {
        let setup = Setup::new(&limits, pdfium);
        Self { program, setup, limits, idle: Mutex::new(Vec::new()), turns: Semaphore::new(at_once) }
    }

    /// The text of a file. `name` helps where the bytes don't say what they are.
    pub async fn read(&self, name: &str, bytes: Vec<u8>) -> Result<Extracted, ReadError> {
        self.read_weighed(name, bytes).await.map(|(extracted, _)| extracted)
    }

    /// The text of a file, and the most memory that its child ever had resident, in bytes; 0 where the system doesn't say.
    pub async fn read_weighed(&self, name: &str, bytes: Vec<u8>) -> Result<(Extracted, u64), ReadError> {
        let _turn = self.turns.acquire().await.expect("the semaphore is never closed");
        let idle = self.idle().pop(); // Apart, so that the lock is not held while a child starts.
        let mut worker = match idle {
            Some(worker) => worker,
            None => self.start().await?,
        };
        let asked = tokio::time::timeout(self.limits.time_max, worker.ask(name, &bytes, self.output_bytes_max())).await;
        match asked {
            Ok(Ok(reply)) => {
                worker.files += 1;
                let peak_bytes = worker.peak_bytes().await;
                if worker.files < FILES_PER_CHILD_MAX {
                    self.idle().push(worker);
                }
                reply
                    .map(|extracted| (extracted, peak_bytes))
                    .map_err(|refusal| ReadError::refused(&refusal.code, refusal.reason))
            }
            Ok(Err(_)) => Err(worker.obituary(&self.limits).await),
            Err(_) => {
                let limit = humantime::format_duration(self.limits.time_max);
                let reason = format!("read the file: it takes longer than {limit} (extract.time_max)");
                Err(ReadError::refused("time_limit", reason))
            }
        }
    }

    async fn start(&self) -> Result<Worker, ReadError> {
        let failed = |cause| ReadError::Start { program: self.program.clone(), cause };
        let mut process = Command::new(&self.program)
            .arg("extract")
            .env_clear()
            .env(config::TELEMETRY_OFF, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let missing = || failed(io::ErrorKind::BrokenPipe.into());
        let input = process.stdin.take().ok_or_else(missing)?;
        let output = process.stdout.take().ok_or_else(missing)?;
        let last_words = process.stderr.take().ok_or_else(missing)?;
        let mut worker = Worker { process, input, output, last_words, files: 0 };
        wire::send(&mut worker.input, &self.setup, &[]).await.map_err(failed)?;
        Ok(worker)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Written as JSON, a text of control characters takes six times its size; and there are headings beside it.
    fn output_bytes_max(&self) -> u64 {
        self.limits.output_bytes_max.as_u64().saturating_mul(6).saturating_add(64 << 20)
    }
}

impl Worker {
    /// An error is the child's end.
    async fn ask(&mut self, name: &str, bytes: &[u8], reply_bytes_max: u64) -> io::Result<Reply> {
        wire::send(&mut self.input, &Request { name: name.to_owned() }, bytes).await?;
        wire::receive(&mut self.output, reply_bytes_max).await
    }

    /// The line `VmHWM` of its status (proc_pid_status(5)).
    async fn peak_bytes(&self) -> u64 {
        let Some(id) = self.process.id() else { return 0 };
        let status = tokio::fs::read_to_string(format!("/proc/{id}/status")).await.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kib.unwrap_or_default() * 1024
    }

    /// What a child that is gone died of, as a reason that a person can act on.
    async fn obituary(mut self, limits: &config::Extract) -> ReadError {
        drop(self.input);
        let _ = self.process.start_kill(); // It may be well, and have said too much.
        let mut last_words = Vec::new();
        let _ = (&mut self.last_words).take(LAST_WORDS_BYTES_MAX).read_to_end(&mut last_words).await;
        match self.process.wait().await {
            Ok(status) => died(status, &String::from_utf8_lossy(&last_words), limits),
            Err(cause) => ReadError::refused("crashed", format!("read the file: its process was lost ({cause})")),
        }
    }
}

fn died(status: ExitStatus, last_words: &str, limits: &config::Extract) -> ReadError {
    const SIGKILL: i32 = 9;
    const SIGXCPU: i32 = 24;
    let out_of_memory = ["memory allocation of", "bad_alloc", "out of memory", "capacity overflow"];
    match status.signal() {
        Some(SIGXCPU) => {
            let limit = humantime::format_duration(limits.cpu_time_max);
            let reason = format!("read the file: it takes more than {limit} of processor time (extract.cpu_time_max)");
            ReadError::refused("cpu_limit", reason)
        }
        Some(SIGKILL) => {
            let limit = limits.output_bytes_max;
            let reason = format!("read the file: its text is longer than {limit} (extract.output_bytes_max)");
            ReadError::refused("output_limit", reason)
        }
        _ if out_of_memory.iter().any(|words| last_words.contains(words)) => {
            let limit = limits.memory_max;
            let reason = format!("read the file: it takes more than {limit} of memory (extract.memory_max)");
            ReadError::refused("memory_limit", reason)
        }
        Some(signal) => ReadError::refused(
            "crashed",
            format!(
                "read the file: it breaks the program that reads it (signal {signal}); save it anew with the program \
                 that made it"
            ),
        ),
        None => ReadError::refused("crashed", format!("read the file: the process that reads it ended ({status})")),
    }
}
