//! Runs the real binary, or any other program, line by line: what it prints is an event that a test can wait for.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::within;

/// A running program. Killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    lines: UnboundedReceiver<Line>,
    stdout: String,
    stderr: String,
}

/// How a program ended, and all that it printed.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None: a signal ended it.
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

enum Line {
    Out(String),
    Err(String),
}

/// Runs a program to its end.
pub(crate) async fn run(command: Command) -> Ended {
    Process::start(command).end().await
}

impl Process {
    /// Starts it with pipes. Its standard input stays open, and empty, as long as it runs.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("start {command:?}: {error}"));
        let (sender, lines) = unbounded_channel();
        forward(child.stdout.take().unwrap(), sender.clone(), Line::Out);
        forward(child.stderr.take().unwrap(), sender, Line::Err);
        Self { child, lines, stdout: String::new(), stderr: String::new() }
    }

    /// Waits for a line on standard output or standard error that has `part` in it.
    pub(crate) async fn line(&mut self, part: &str) -> String {
        self.line_where(part, |line| line.contains(part)).await
    }

    /// Waits for a line of which `wanted` is true.
    pub(crate) async fn line_where(&mut self, what: &str, mut wanted: impl FnMut(&str) -> bool) -> String {
        loop {
            let next = within(&format!("the line {what:?}"), self.lines.recv()).await;
            let Some(line) = next else {
                panic!("it ended without the line {what:?}; it said\n{}{}", self.stdout, self.stderr);
            };
            let line = self.keep(line);
            if wanted(&line) {
                return line;
            }
        }
    }

    /// Sends a signal by its name: TERM, INT.
    pub(crate) fn signal(&self, name: &str) {
        let mut kill = Command::new("sh");
        kill.args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &self.child.id().to_string()]);
        assert!(kill.status().unwrap().success(), "send {name}");
    }

    /// Ends it as `kill -9` does, with no chance to do anything more.
    pub(crate) async fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.end().await
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> Ended {
        loop {
            let what = format!("the end of a program that said\n{}{}", self.stdout, self.stderr);
            let Some(line) = within(&what, self.lines.recv()).await else { break };
            self.keep(line);
        }
        let status = self.child.wait().unwrap();
        let (stdout, stderr) = (std::mem::take(&mut self.stdout), std::mem::take(&mut self.stderr));
        Ended { code: status.code(), signal: status.signal(), stdout, stderr }
    }

    fn keep(&mut self, line: Line) -> String {
        let (kept, line) = match line {
            Line::Out(line) => (&mut self.stdout, line),
            Line::Err(line) => (&mut self.stderr, line),
        };
        kept.push_str(&line);
        kept.push('\n');
        line
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Fails where it has ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Standard output as one JSON document.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// Standard output as one JSON document a line.
    pub(crate) fn json_lines(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        self.stdout.lines().map(parse).collect()
    }
}

fn forward(pipe: impl Read + Send + 'static, to: UnboundedSender<Line>, as_line: fn(String) -> Line) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n') {
            let Ok(line) = line else { return };
            // Nobody listens any more once the test is over.
            let _ = to.send(as_line(String::from_utf8_lossy(&line).into_owned()));
        }
    });
}
