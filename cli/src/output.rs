//! Standard output, for data alone.

use crate::error::CliError;
use std::io::{self, Write};

/// Writes `text` as it is.
///
/// # Errors
/// [`CliError::BrokenPipe`] where nobody reads any more.
pub(crate) fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| CliError::stdout(&error))
}

/// Writes `text` and a line's end.
///
/// # Errors
/// As [`print()`].
pub(crate) fn line(text: &str) -> Result<(), CliError> {
    print(&format!("{text}\n"))
}
