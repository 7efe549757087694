//! A part of a merged tree, written out as plain files: what a new volume or cache begins with.

use crate::error::StoreError;
use crate::tree::{Tree, TreeError};
use oci::{Entry, Kind, RootPath};
use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A tree that could not be written out.
#[derive(Debug, thiserror::Error)]
pub enum ExtractError {
    /// What is copied cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// What it is copied to cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies the directory `place` of `tree` to `new`, which is made: nobody else may know it yet, so that no name in it
/// leads elsewhere. `place` has no links in it.
///
/// # Errors
/// What is written so far stays.
pub fn extract(tree: &dyn Tree, place: &RootPath, new: &Path) -> Result<(), ExtractError> {
    let mut directories = Vec::new();
    let mut linked: HashMap<RootPath, PathBuf> = HashMap::new();
    for (path, entry) in tree.walk(place)? {
        let below = path.relative().strip_prefix(place.relative()).unwrap_or_default();
        let below = below.strip_prefix(b"/").unwrap_or(below);
        let to = if below.is_empty() { new.to_owned() } else { new.join(OsStr::from_bytes(below)) };
        let io = || StoreError::io("write", &to);
        if let Kind::File { link_to: Some(head), .. } = &entry.kind
            && let Some(first) = linked.get(head)
        {
            fs::hard_link(first, &to).map_err(io())?;
            continue;
        }
        make(tree, &path, &entry, &to)?;
        finish(&entry, &to).map_err(io())?;
        match &entry.kind {
            Kind::Dir { .. } => directories.push((to, entry)),
            Kind::File { .. } => drop(linked.insert(path, to)),
            _ => {}
        }
    }
    // What is made in a directory changes its time.
    for (to, entry) in directories.into_iter().rev() {
        times(&entry, &to).map_err(StoreError::io("write", &to))?;
    }
    Ok(())
}

fn make(tree: &dyn Tree, path: &RootPath, entry: &Entry, to: &Path) -> Result<(), ExtractError> {
    let node = |kind, major, minor| {
        let device = rustix::fs::makedev(major, minor);
        rustix::fs::mknodat(CWD, to, kind, Mode::from(0o600), device).map_err(io::Error::from)
    };
    let made = match &entry.kind {
        Kind::Dir { .. } => fs::create_dir(to),
        Kind::Symlink(target) => std::os::unix::fs::symlink(OsStr::from_bytes(target), to),
        Kind::CharDevice(major, minor) => node(FileType::CharacterDevice, *major, *minor),
        Kind::BlockDevice(major, minor) => node(FileType::BlockDevice, *major, *minor),
        Kind::Fifo => node(FileType::Fifo, 0, 0),
        Kind::Socket => node(FileType::Socket, 0, 0),
        Kind::Whiteout => Ok(()),
        Kind::File { .. } => {
            let mut from = tree.open(path)?;
            File::create_new(to).and_then(|mut to| io::copy(&mut from, &mut to)).map(drop)
        }
    };
    Ok(made.map_err(StoreError::io("write", to))?)
}

/// Owner first: a change of owner clears set-id bits and capabilities.
fn finish(entry: &Entry, to: &Path) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(entry.uid), Gid::from_raw(entry.gid));
    rustix::fs::chownat(CWD, to, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
    for (name, value) in &entry.xattrs {
        rustix::fs::lsetxattr(to, OsStr::from_bytes(name), value, XattrFlags::empty())?;
    }
    if !matches!(entry.kind, Kind::Symlink(_)) {
        rustix::fs::chmodat(CWD, to, Mode::from_raw_mode(entry.mode), AtFlags::empty())?;
    }
    times(entry, to)
}

fn times(entry: &Entry, to: &Path) -> io::Result<()> {
    let time = Timespec { tv_sec: entry.mtime.secs, tv_nsec: entry.mtime.nanos.into() };
    let times = Timestamps { last_access: time, last_modification: time };
    Ok(rustix::fs::utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}
