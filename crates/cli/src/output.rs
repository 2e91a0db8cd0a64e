//! Where commands print: standard output in one piece, and what kind of place that is.

use std::io::{self, IsTerminal, Write};

/// Writes `text` to standard output.
///
/// # Errors
///
/// If nobody reads it any more.
pub fn put(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// Whether a person reads standard output.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}
