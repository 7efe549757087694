//! Destinations that are one stream: a file that appears whole or not at all, or standard output.

use super::ExportError;
use crate::cancel::Cancel;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, open};
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

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
    let mode = mode.unwrap_or_else(|| Permissions::from_mode(0o644));
    let mut new = New::beside(parent, mode).map_err(io())?;
    let mut out = BufWriter::with_capacity(1 << 18, Cancelable { inner: new.file(), cancel });
    let value = write(&mut out)?;
    out.flush().map_err(io())?;
    drop(out);
    new.put(parent, path).map_err(io())?;
    Ok(value)
}

/// A file in the making. Where the file system can, it has no name until it is whole, and a kill leaves nothing.
enum New {
    Unnamed(File),
    Named(NamedTempFile),
}

impl New {
    fn beside(parent: &Path, mode: Permissions) -> io::Result<Self> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        match open(parent, flags, Mode::from_raw_mode(mode.mode())) {
            Ok(file) => Ok(New::Unnamed(file.into())),
            Err(_) => temporary().permissions(mode).tempfile_in(parent).map(New::Named),
        }
    }

    fn file(&mut self) -> &mut File {
        match self {
            New::Unnamed(file) => file,
            New::Named(file) => file.as_file_mut(),
        }
    }

    /// What was at `path` is replaced in one step: a link alone would not.
    fn put(self, parent: &Path, path: &Path) -> io::Result<()> {
        match self {
            New::Unnamed(file) => {
                let from = format!("/proc/self/fd/{}", file.as_raw_fd());
                let link = |to: &Path| Ok(linkat(CWD, &from, CWD, to, AtFlags::SYMLINK_FOLLOW)?);
                temporary().make_in(parent, link)?.persist(path).map_err(|e| e.error)
            }
            New::Named(file) => file.persist(path).map(drop).map_err(|e| e.error),
        }
    }
}

fn temporary() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lapstrake-");
    builder
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
