//! PDFium, the library that decodes PDF files, loaded at run time.
//!
//! In: where the library lies; then the bytes of files. Out: open documents, one at a time. Loaded once in a process: a
//! second path is refused. PDFium keeps state that its calls share, so whoever opens a document holds a lock until it is
//! done. The lock is ours, around a whole document, rather than that of `pdfium-render` around each call: memory that
//! runs out within a call ends it by a C++ exception, which would leave that lock closed, and a process that should die
//! would wait for ever.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use pdfium_render::prelude::{self as pdfium, PdfDocument, PdfiumError, PdfiumInternalError};

use super::super::ExtractError;

/// Where the library of this process came from.
static LOADED: OnceLock<PathBuf> = OnceLock::new();
static IN_USE: Mutex<()> = Mutex::new(());

/// Proof that the library is there.
#[derive(Debug, Clone, Copy)]
pub struct Pdfium {
    _loaded: (),
}

/// PDFium while nobody else has it.
pub(super) struct Session {
    library: pdfium::Pdfium,
    _alone: MutexGuard<'static, ()>,
}

/// Why PDF files can't be read at all.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("load PDFium from {path}: there is no such file; run scripts/fetch")]
    Missing { path: PathBuf },
    #[error("load PDFium from {path}: it is no library that this machine can load; run scripts/fetch")]
    Unusable { path: PathBuf, source: PdfiumError },
    #[error("load PDFium from {path}: it is already loaded from {loaded}")]
    Elsewhere { path: PathBuf, loaded: PathBuf },
}

impl Pdfium {
    /// Loads the library, unless it is loaded from the same path already.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let _alone = alone();
        let this = Self { _loaded: () };
        if let Some(loaded) = LOADED.get() {
            let (path, loaded) = (path.to_owned(), loaded.clone());
            return if path == loaded { Ok(this) } else { Err(LoadError::Elsewhere { path, loaded }) };
        }
        if !path.is_file() {
            return Err(LoadError::Missing { path: path.to_owned() });
        }
        let bindings = pdfium::Pdfium::bind_to_library(path)
            .map_err(|source| LoadError::Unusable { path: path.to_owned(), source })?;
        drop(pdfium::Pdfium::new(bindings)); // The crate keeps the bindings for the life of the process.
        LOADED.get_or_init(|| path.to_owned());
        Ok(this)
    }

    /// Waits until nobody else has a document open.
    pub(super) fn begin(self) -> Session {
        // `default` takes the bindings that are there, and looks for a library only where there are none.
        Session { _alone: alone(), library: pdfium::Pdfium::default() }
    }
}

impl Session {
    pub(super) fn open<'a>(&'a self, bytes: &'a [u8]) -> Result<PdfDocument<'a>, ExtractError> {
        self.library.load_pdf_from_byte_slice(bytes, None).map_err(|error| refused(&error))
    }
}

fn alone() -> MutexGuard<'static, ()> {
    IN_USE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of PDFium's many errors, opening a file gives a few.
fn refused(error: &PdfiumError) -> ExtractError {
    use PdfiumInternalError::{FormatError, PasswordError, SecurityError};
    if matches!(error, PdfiumError::PdfiumLibraryInternalError(PasswordError | SecurityError)) {
        return ExtractError::Encrypted;
    }
    let what = if matches!(error, PdfiumError::PdfiumLibraryInternalError(FormatError)) {
        "it is not a whole PDF".to_owned()
    } else {
        format!("PDFium says {error}")
    };
    ExtractError::Damaged { what }
}
