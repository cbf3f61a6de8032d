//! The child's side: takes files on standard input, gives their texts on standard output, until there are no more.

use std::io::{self, BufReader};
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use super::confine;
use super::wire::{self, Refusal, Reply, Request, Setup};
use crate::ingest::extract::{self, ExtractLimits, Pdfium};

/// Reads files until standard input ends.
pub fn run() -> io::Result<()> {
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = io::stdout().lock();
    let Some((setup, _)) = wire::next::<Setup>(&mut input)? else { return Ok(()) };
    panic::set_hook(Box::new(|_| {})); // A panic is answered with, and says nothing else.
    let pdfium = pdfium(&setup.pdfium); // Nothing can be opened later.
    confine::confine(setup.memory_bytes_max)?;
    while let Some((request, bytes)) = wire::next::<Request>(&mut input)? {
        confine::allow_cpu_time(setup.cpu_time_max_s)?;
        wire::answer(
            &mut output,
            &read(&request.name, &bytes, &setup.limits, pdfium.as_ref().copied().map_err(String::as_str)),
        )?;
    }
    Ok(())
}

/// Or why it is not there, which only matters to a PDF.
fn pdfium(library: &Path) -> Result<Pdfium, String> {
    Pdfium::load(library).map_err(|error| error.to_string())
}

fn read(name: &str, bytes: &[u8], limits: &ExtractLimits, pdfium: Result<Pdfium, &str>) -> Reply {
    let read = panic::catch_unwind(AssertUnwindSafe(|| extract::extract(name, bytes, limits, pdfium)));
    match read {
        Ok(Ok(extracted)) => Ok(extracted),
        Ok(Err(error)) => Err(Refusal { code: error.code().to_owned(), reason: error.to_string() }),
        Err(_) => Err(Refusal {
            code: "crashed".to_owned(),
            reason: "read the file: it breaks the program that reads it; save it anew with the program that made it"
                .to_owned(),
        }),
    }
}
