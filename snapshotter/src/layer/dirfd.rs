//! Reaching paths below a directory by file descriptors: of any depth, and never through a symbolic link.

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, RawDir, ResolveFlags, openat, openat2};
use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;

/// Longest path handed to one system call; the kernel's limit is 4096 with the final zero.
const STRIDE: usize = 4000;

/// Opens the directory `path` itself, which may be any path of the host.
pub(crate) fn open_root(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens `relative` (no leading slash; empty for `root` itself) below `root`, where no component may be a symbolic
/// link. Paths longer than the kernel takes at once are walked in parts.
pub(crate) fn open_below(root: impl AsFd, relative: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let mut rest = relative;
    let mut base: Option<OwnedFd> = None;
    while rest.len() > STRIDE {
        let cut = rest[..STRIDE].iter().rposition(|b| *b == b'/').ok_or(io::ErrorKind::InvalidFilename)?;
        let from = base.as_ref().map_or(root.as_fd(), |fd| fd.as_fd());
        base = Some(step(from, &rest[..cut], OFlags::PATH | OFlags::DIRECTORY)?);
        rest = &rest[cut + 1..];
    }
    step(base.as_ref().map_or(root.as_fd(), |fd| fd.as_fd()), rest, flags)
}

/// [`open_below`] for a directory whose contents are to be listed or changed.
pub(crate) fn open_dir(root: impl AsFd, relative: &[u8]) -> io::Result<OwnedFd> {
    open_below(root, relative, OFlags::RDONLY | OFlags::DIRECTORY)
}

fn step(from: rustix::fd::BorrowedFd<'_>, part: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
    let part = if part.is_empty() { b".".as_slice() } else { part };
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(from, part, flags, Mode::empty(), resolve)?)
}

/// The sorted names in `dir`, without `.` and `..`.
pub(crate) fn names(dir: impl AsFd) -> io::Result<Vec<CString>> {
    let mut buffer = Vec::with_capacity(1 << 15);
    buffer.resize(1 << 15, MaybeUninit::uninit());
    let mut iter = RawDir::new(dir.as_fd(), &mut buffer);
    let mut out: Vec<CString> = Vec::new();
    while let Some(entry) = iter.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            out.push(entry.file_name().to_owned());
        }
    }
    out.sort_unstable();
    Ok(out)
}
