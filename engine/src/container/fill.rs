//! What an image has in the place of a new volume becomes the volume's first content.

use super::{ContainerError, state};
use oci::{Entry, Kind, RootPath};
use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use snapshotter::tree::{Tree, TreeError, resolve};
use snapshotter::view::ChainView;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Fills `volume` with the directory `place` of `tree`, if it is empty and there is such a directory. The content
/// appears whole or not at all.
pub(super) fn fill(volume: &Path, tree: &ChainView, place: &RootPath) -> Result<(), ContainerError> {
    let empty = fs::read_dir(volume).map(|mut entries| entries.next().is_none());
    if !empty.map_err(ContainerError::io("list", volume))? {
        return Ok(());
    }
    let place = match resolve(tree, place, true) {
        Ok(place) => place,
        Err(TreeError::NotFound(_) | TreeError::NotDirectory(_) | TreeError::TooManyLinks(_)) => {
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    };
    if !tree.lookup(&place)?.is_some_and(|entry| entry.is_dir()) {
        return Ok(());
    }
    let dir = volume.parent().unwrap_or(volume);
    let _lock = state::lock_dir(dir, FlockOperation::LockExclusive)
        .map_err(ContainerError::io("lock directory", dir))?;
    // What a killed run left, and where the new content comes from; another container may have been faster.
    let new = dir.join("filling");
    state::remove_dir(&new)?;
    let filled = copy(tree, &place, &new).and_then(|()| match fs::rename(&new, volume) {
        Err(error) if error.raw_os_error() == Some(Errno::NOTEMPTY.raw_os_error()) => Ok(()),
        other => other.map_err(ContainerError::io("put in place", volume)),
    });
    filled.and(state::remove_dir(&new))
}

/// Copies a directory of the image into `new`, a directory that nobody else knows: no name of it leads elsewhere.
fn copy(tree: &ChainView, place: &RootPath, new: &Path) -> Result<(), ContainerError> {
    let mut directories = Vec::new();
    let mut linked: HashMap<RootPath, PathBuf> = HashMap::new();
    for (path, entry) in tree.walk(place)? {
        let below = path.relative().strip_prefix(place.relative()).unwrap_or_default();
        let below = below.strip_prefix(b"/").unwrap_or(below);
        let to = if below.is_empty() { new.to_owned() } else { new.join(OsStr::from_bytes(below)) };
        let io = || ContainerError::io("write", &to);
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
        times(&entry, &to).map_err(ContainerError::io("write", &to))?;
    }
    Ok(())
}

fn make(tree: &ChainView, path: &RootPath, entry: &Entry, to: &Path) -> Result<(), ContainerError> {
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
        Kind::Socket | Kind::Whiteout => Ok(()),
        Kind::File { .. } => {
            let mut from = tree.open(path)?;
            File::create_new(to).and_then(|mut to| io::copy(&mut from, &mut to)).map(drop)
        }
    };
    made.map_err(ContainerError::io("write", to))
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
