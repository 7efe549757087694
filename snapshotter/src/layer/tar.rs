//! A layer as a tar: one sequence of bytes for one layer, whatever machine writes it.
//!
//! POSIX ustar with pax headers where a field does not fit. Members come in path order, a directory before what it
//! holds, its opaque mark directly after it. `docs/design/snapshots.md` lists every field.

mod header;

use super::dirfd::{open_below, open_dir, open_root};
use super::index::{LayerIndex, is_below};
use super::scan::fill;
use super::{LayerError, whiteout};
use header::Member;
use oci::{Entry, Kind, RootPath};
use rayon::prelude::*;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, openat};
use std::fs::File;
use std::io::Write;
use std::path::Path;

/// Size of a tar block.
const BLOCK: usize = 512;
/// Bytes collected before they are handed on.
const BUFFER: usize = 1 << 20;
/// Files up to this length are read ahead, several at a time.
const SMALL: u64 = 1 << 16;
/// Entries read ahead at a time: at most `SMALL` times this much memory.
const AHEAD: usize = 256;

/// What may vary in a layer's tar.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TarOptions {
    /// Later mtimes become this one (seconds since the epoch): SOURCE_DATE_EPOCH.
    pub epoch: Option<i64>,
}

/// Writes the layer `index`, whose files lie in `diff_dir`, to `out`. Memory does not grow with a file's length.
///
/// mtimes are whole seconds, never before 1970. An error where a name or attribute has no form in a layer's tar, or a
/// file is no longer as long as the index says; what was written then is of no use.
pub fn write_tar(
    index: &LayerIndex,
    diff_dir: &Path,
    opts: &TarOptions,
    out: &mut dyn Write,
) -> Result<(), LayerError> {
    let root = open_root(diff_dir).map_err(LayerError::io("open", &RootPath::root()))?;
    let files = Files { root, dir: None };
    let mut writer = Writer { files, opts, out, buffer: Vec::with_capacity(2 * BUFFER), chunk: Vec::new() };
    let mut start = 0;
    while start < index.len() {
        let end = index.len().min(start + AHEAD);
        let entries: Vec<(RootPath, Entry)> =
            (start..end).map(|at| (index.path(at), index.entry(at))).collect();
        let read: Vec<Option<Vec<u8>>> = writer.files.read_ahead(&entries)?;
        for ((path, entry), bytes) in entries.iter().zip(read) {
            writer.entry(path, entry, bytes)?;
        }
        start = end;
    }
    writer.finish()
}

struct Writer<'a> {
    files: Files,
    opts: &'a TarOptions,
    out: &'a mut dyn Write,
    /// Headers and small files, not yet written.
    buffer: Vec<u8>,
    /// Room for a part of a large file, once there was one.
    chunk: Vec<u8>,
}

impl Writer<'_> {
    fn entry(&mut self, path: &RootPath, entry: &Entry, bytes: Option<Vec<u8>>) -> Result<(), LayerError> {
        let unsupported = |why| LayerError::Unsupported { path: path.clone(), why };
        let member = Member::new(path, entry, self.opts.epoch).map_err(unsupported)?;
        member.append_to(&mut self.buffer);
        match (&entry.kind, bytes) {
            (Kind::File { link_to: None, .. }, Some(bytes)) => self.small(&bytes)?,
            (Kind::File { size, link_to: None, .. }, None) => self.large(path, *size)?,
            (Kind::Dir { opaque: true }, _) => {
                let mark = RootPath::new([path.as_bytes(), b"/", whiteout::OPAQUE].concat());
                Member::mark(&mark).append_to(&mut self.buffer);
            }
            _ => {}
        }
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    fn small(&mut self, bytes: &[u8]) -> Result<(), LayerError> {
        if self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        self.buffer.extend_from_slice(bytes);
        self.pad(bytes.len() as u64);
        Ok(())
    }

    fn large(&mut self, path: &RootPath, size: u64) -> Result<(), LayerError> {
        let mut file = self.files.open(path).map_err(LayerError::io("open", path))?;
        self.flush()?;
        self.chunk.resize(BUFFER, 0);
        let mut total = 0;
        loop {
            let read = fill(&mut file, &mut self.chunk).map_err(LayerError::io("read", path))?;
            total += read as u64;
            if total > size {
                break;
            }
            self.out.write_all(&self.chunk[..read]).map_err(LayerError::Output)?;
            if read < BUFFER {
                break;
            }
        }
        if total != size {
            return Err(LayerError::Changed { path: path.clone(), expected: size, found: total });
        }
        self.pad(size);
        Ok(())
    }

    fn pad(&mut self, size: u64) {
        header::pad(&mut self.buffer, size);
    }

    fn flush(&mut self) -> Result<(), LayerError> {
        self.out.write_all(&self.buffer).map_err(LayerError::Output)?;
        self.buffer.clear();
        Ok(())
    }

    /// Two blocks of zeros end the archive.
    fn finish(mut self) -> Result<(), LayerError> {
        self.buffer.resize(self.buffer.len() + 2 * BLOCK, 0);
        self.flush()?;
        self.out.flush().map_err(LayerError::Output)
    }
}

/// The layer's files. Most lie in the directory of the one before.
struct Files {
    root: OwnedFd,
    dir: Option<(RootPath, OwnedFd)>,
}

impl Files {
    fn open(&self, path: &RootPath) -> std::io::Result<File> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match (&self.dir, path.name()) {
            (Some((dir, fd)), Some(name)) if is_child(path, dir) => {
                Ok(File::from(openat(fd, name, flags, Mode::empty())?))
            }
            _ => Ok(File::from(open_below(&self.root, path.relative(), flags)?)),
        }
    }

    /// The bytes of each small file that has bytes of its own.
    fn read_ahead(&mut self, entries: &[(RootPath, Entry)]) -> Result<Vec<Option<Vec<u8>>>, LayerError> {
        self.enter(entries)?;
        entries.par_iter().with_min_len(32).map(|(path, entry)| self.read_small(path, entry)).collect()
    }

    /// Keeps open the directory that most of `entries` are likely to be in.
    fn enter(&mut self, entries: &[(RootPath, Entry)]) -> Result<(), LayerError> {
        let parent = entries.get(entries.len() / 2).and_then(|(path, _)| path.parent());
        let Some(parent) = parent.filter(|parent| self.dir.as_ref().is_none_or(|(dir, _)| dir != parent))
        else {
            return Ok(());
        };
        // The parent of a whiteout or file is a directory of this layer, unless the layer on disk is damaged.
        let fd = open_dir(&self.root, parent.relative()).map_err(LayerError::io("open", &parent))?;
        self.dir = Some((parent, fd));
        Ok(())
    }

    fn read_small(&self, path: &RootPath, entry: &Entry) -> Result<Option<Vec<u8>>, LayerError> {
        let Kind::File { size, link_to: None, .. } = entry.kind else { return Ok(None) };
        if size > SMALL {
            return Ok(None);
        }
        let len = usize::try_from(size).unwrap_or(0);
        if len == 0 {
            return Ok(Some(Vec::new()));
        }
        let mut file = self.open(path).map_err(LayerError::io("open", path))?;
        let mut bytes = vec![0; len + 1];
        let read = fill(&mut file, &mut bytes).map_err(LayerError::io("read", path))?;
        if read != len {
            return Err(LayerError::Changed { path: path.clone(), expected: size, found: read as u64 });
        }
        bytes.truncate(len);
        Ok(Some(bytes))
    }
}

fn is_child(path: &RootPath, dir: &RootPath) -> bool {
    let depth = if dir.is_root() { 0 } else { dir.as_bytes().len() };
    is_below(path.as_bytes(), dir.as_bytes()) && !path.as_bytes()[depth + 1..].contains(&b'/')
}

#[cfg(test)]
mod tests;
