//! Parses the command line, runs it, says how it ended.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    if let Err(error) = cairn::config::silence_runtime() {
        eprintln!("cairn: start again with ONNX Runtime's telemetry off: {error}");
        return ExitCode::FAILURE;
    }
    cairn::cli::run(cairn::cli::Cli::parse())
}
