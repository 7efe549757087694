//! Extended attributes: which belong to a layer, and which are overlay's own.

use rustix::buffer::spare_capacity;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd};
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fsetxattr, lgetxattr, llistxattr, lsetxattr};
use rustix::io::Errno;
use std::ffi::CStr;
use std::io;

/// Name and value of each attribute.
pub(crate) type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// Overlay's mark on a directory that hides what is below.
pub(crate) const OPAQUE: &[u8] = b"trusted.overlay.opaque";

/// Something that has attributes.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    /// An open file or directory.
    Fd(BorrowedFd<'a>),
    /// A name in an open directory, for what cannot be opened. A symbolic link is not followed.
    Name(BorrowedFd<'a>, &'a CStr),
}

/// A path's attributes, sorted out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Those that belong to the layer, sorted.
    pub(crate) kept: Xattrs,
    /// Whether overlay calls this directory opaque.
    pub(crate) opaque: bool,
    /// An attribute of overlay's that makes this path unreadable without its lower layers.
    pub(crate) foreign: Option<&'static str>,
}

/// Whether an attribute is part of a layer. The others describe the host: its labels, its integrity hashes, its
/// overlay mounts.
pub(crate) fn belongs(name: &[u8]) -> bool {
    if name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.") {
        return false;
    }
    name.starts_with(b"user.")
        || name.starts_with(b"trusted.")
        || matches!(name, b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default")
}

/// Reads and sorts out all attributes of `target`.
pub(crate) fn read(target: Target<'_>) -> io::Result<Found> {
    let mut found = Found::default();
    let names = list(target)?;
    for name in names.split(|b| *b == 0).filter(|name| !name.is_empty()) {
        if belongs(name) {
            found.kept.extend(get(target, name)?.map(|value| (name.to_vec(), value)));
            continue;
        }
        let own = name.strip_prefix(b"trusted.overlay.").or_else(|| name.strip_prefix(b"user.overlay."));
        match own {
            Some(b"opaque") => found.opaque |= get(target, name)?.is_some_and(|value| value == b"y"),
            Some(b"metacopy") => found.foreign = Some("has its content in another layer (overlay metacopy)"),
            Some(b"redirect") => found.foreign = Some("was moved from another layer (overlay redirect)"),
            Some(b"whiteout") => {
                found.foreign = Some("is a whiteout of a kind that only nested overlays make");
            }
            _ => {}
        }
    }
    found.kept.sort();
    Ok(found)
}

/// Sets one attribute.
pub(crate) fn set(target: Target<'_>, name: &[u8], value: &[u8]) -> io::Result<()> {
    Ok(match target {
        Target::Fd(fd) => fsetxattr(fd, name, value, XattrFlags::empty()),
        Target::Name(dir, file) => lsetxattr(proc_path(dir, file), name, value, XattrFlags::empty()),
    }?)
}

fn list(target: Target<'_>) -> io::Result<Vec<u8>> {
    let result = grow(|buffer| match target {
        Target::Fd(fd) => flistxattr(fd, spare_capacity(buffer)),
        Target::Name(dir, file) => llistxattr(proc_path(dir, file), spare_capacity(buffer)),
    });
    match result {
        Err(Errno::NOTSUP) => Ok(Vec::new()),
        other => Ok(other?),
    }
}

/// `None` if the attribute went away meanwhile.
fn get(target: Target<'_>, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let result = grow(|buffer| match target {
        Target::Fd(fd) => fgetxattr(fd, name, spare_capacity(buffer)),
        Target::Name(dir, file) => lgetxattr(proc_path(dir, file), name, spare_capacity(buffer)),
    });
    match result {
        Err(Errno::NODATA) => Ok(None),
        other => Ok(Some(other?)),
    }
}

/// Calls `fill` with room for 1 KiB, then for the most that the kernel ever returns.
fn grow(mut fill: impl FnMut(&mut Vec<u8>) -> rustix::io::Result<usize>) -> rustix::io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(1 << 10);
    match fill(&mut buffer) {
        Err(Errno::RANGE) => {
            buffer.clear();
            buffer.reserve(1 << 16);
            fill(&mut buffer)?;
        }
        other => {
            other?;
        }
    }
    Ok(buffer)
}

/// There is no `getxattrat` before Linux 6.13; the directory's entry in /proc stands for it.
fn proc_path(dir: BorrowedFd<'_>, name: &CStr) -> Vec<u8> {
    let mut path = format!("/proc/self/fd/{}/", dir.as_fd().as_raw_fd()).into_bytes();
    path.extend_from_slice(name.to_bytes());
    path
}
