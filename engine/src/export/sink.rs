//! Destinations that are one stream: a file that appears whole or not at all, or standard output.

use super::ExportError;
use crate::cancel::Cancel;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where bytes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dest {
    /// `-`
    Stdout,
    /// A file or directory.
    Path(PathBuf),
}

/// Calls `write` with a stream to `dest`. A file is written beside its place and renamed at the end; what is there
/// already and is no regular file (a device, a fifo) is written to directly. Once `cancel` is set, writing fails.
///
/// # Errors
/// When `dest` cannot be written, or `write` fails; nothing is left at the place of a new file.
pub fn with_sink<T, E: From<ExportError>>(
    dest: &Dest,
    stdout: &mut (dyn Write + Send),
    cancel: &Cancel,
    write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<T, E> {
    let path = match dest {
        Dest::Path(path) => path,
        Dest::Stdout => {
            let mut out = BufWriter::with_capacity(1 << 18, Cancelable { inner: stdout, cancel });
            let value = write(&mut out)?;
            out.flush().map_err(ExportError::io("write to standard output"))?;
            return Ok(value);
        }
    };
    let what = format!("write {}", path.display());
    let meta = match fs::metadata(path) {
        Ok(meta) => Some(meta),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(ExportError::io(what)(e).into()),
    };
    match meta {
        Some(meta) if meta.is_dir() => Err(ExportError::io(what)(io::ErrorKind::IsADirectory.into()).into()),
        Some(meta) if !meta.is_file() => {
            let mut file = File::options().write(true).open(path).map_err(ExportError::io(what.clone()))?;
            let mut out = BufWriter::with_capacity(1 << 18, Cancelable { inner: &mut file, cancel });
            let value = write(&mut out)?;
            out.flush().map_err(ExportError::io(what))?;
            Ok(value)
        }
        known => replace(path, known.map(|m| m.permissions()), cancel, write),
    }
}

fn replace<T, E: From<ExportError>>(
    path: &Path,
    mode: Option<Permissions>,
    cancel: &Cancel,
    write: impl FnOnce(&mut dyn Write) -> Result<T, E>,
) -> Result<T, E> {
    let io = || ExportError::io(format!("write {}", path.display()));
    // A link stays one: what it points to is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let parent = path.parent().filter(|p| *p != Path::new("")).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(io())?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".lapstrake-")
        .permissions(mode.unwrap_or_else(|| Permissions::from_mode(0o644)))
        .tempfile_in(parent)
        .map_err(io())?;
    let mut out = BufWriter::with_capacity(1 << 18, Cancelable { inner: temporary.as_file_mut(), cancel });
    let value = write(&mut out)?;
    out.flush().map_err(io())?;
    drop(out);
    temporary.persist(path).map_err(|e| io()(e.error))?;
    Ok(value)
}

/// A stream that fails once the work is cancelled: long copies stop at their next piece.
#[derive(Debug)]
pub(crate) struct Cancelable<'a, T> {
    pub(crate) inner: T,
    pub(crate) cancel: &'a Cancel,
}

/// What [`Cancelable`] fails with.
pub(crate) fn canceled() -> io::Error {
    // Not `Interrupted`: the standard library would try again.
    io::Error::new(io::ErrorKind::BrokenPipe, "canceled")
}

impl<T: Write> Write for Cancelable<'_, T> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.cancel.is_canceled() { Err(canceled()) } else { self.inner.write(buf) }
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Cancelable<'_, T> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_canceled() { Err(canceled()) } else { self.inner.read(buf) }
    }
}

#[cfg(test)]
mod tests;
