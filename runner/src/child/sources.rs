//! Sources of mounts that are file systems of their own.

use super::Done;
use super::mounts::{self, Overlay};
use super::paths::{self, Want};
use super::setup::{Setup, Source, make_dirs, open_layer, show, write_file};
use crate::error::{At, Step};
use crate::plan::SetupOp;
use crate::spec::Changes;
use rustix::fs::{CWD, Gid, Mode, OFlags, Uid, chmodat, chownat, fchmod, fstat, openat};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

pub(super) fn open(setup: &mut Setup<'_>, op: &SetupOp) -> Done {
    match op {
        SetupOp::Memory { at, attributes } => memory(at, attributes).at(Step::Mount, show(at)),
        SetupOp::SecretSource { path, data, mode, uid, gid } => {
            write_file(path, &data.0, 0)
                .and_then(|()| own(path, *mode, *uid, *gid))
                .at(Step::WriteFile, show(path))?;
            setup.open_source(path, "")
        }
        SetupOp::OverlaySource { lower, changes, path, dir } => {
            overlay(setup, lower, changes.as_ref(), path, dir)
        }
        SetupOp::MemorySource { options, attributes, adopt_mode } => {
            let mount = mounts::new("tmpfs", options, attributes).at(Step::Mount, "a tmpfs")?;
            setup.sources.push(Source { mount, want: Want::Directory, adopt_mode: *adopt_mode });
            Ok(())
        }
        _ => Ok(()),
    }
}

/// A file system in memory, on a new directory.
fn memory(at: &Path, attributes: &str) -> io::Result<()> {
    make_dirs(at)?;
    let mount = mounts::new("tmpfs", "mode=711", attributes)?;
    let place = openat(CWD, at, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    mounts::attach(mount.as_fd(), place.as_fd())
}

/// Owner first: a change of owner clears set-id bits.
fn own(path: &Path, mode: u32, uid: u32, gid: u32) -> io::Result<()> {
    let flags = rustix::fs::AtFlags::empty();
    chownat(CWD, path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), flags)?;
    Ok(chmodat(CWD, path, Mode::from_raw_mode(mode), flags)?)
}

/// Mounts it below `dir`, in this mount namespace alone, and takes `path` in it as the next source.
fn overlay(
    setup: &mut Setup<'_>,
    lower: &[PathBuf],
    changes: Option<&Changes>,
    path: &str,
    dir: &Path,
) -> Done {
    let at = dir.join("at");
    make_dirs(&at).at(Step::SourceOverlay, show(&at))?;
    // Lowest layers of nothing: an overlay without changes needs two.
    let names: &[&str] = if lower.is_empty() { &["empty", "more"] } else { &["empty"] };
    let empty: Vec<PathBuf> = names.iter().map(|name| dir.join(name)).collect();
    for dir in &empty {
        make_dirs(dir).at(Step::SourceOverlay, show(dir))?;
    }
    let layers = empty.iter().chain(lower).map(|layer| open_layer(layer)).collect::<Result<Vec<_>, _>>()?;
    let changes = changes.map(|Changes { upper, work }| Ok([open_layer(upper)?, open_layer(work)?]));
    let changes = changes.transpose()?;
    let changes = changes.as_ref().map(|[upper, work]| [upper, work]);
    let overlay = Overlay { lower: &layers, changes };
    let mount = overlay.mount(&at).at(Step::SourceOverlay, show(dir))?;
    let place = paths::resolve(mount.as_fd(), path.as_bytes()).at(Step::SourcePath, path)?;
    setup.copy_source(place.as_fd()).at(Step::OpenSource, path)
}

/// Mode 1777, that of a new tmpfs, for the directory `place`.
pub(super) fn open_to_all(place: BorrowedFd<'_>) -> io::Result<()> {
    set_mode(place, Mode::from_raw_mode(0o1777))
}

/// A descriptor that is only a path takes no fchmod.
fn set_mode(dir: BorrowedFd<'_>, mode: Mode) -> io::Result<()> {
    let dir = openat(dir, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    Ok(fchmod(dir, mode)?)
}

/// Gives the root of `mount` the mode of the directory `place`, which it will cover.
pub(super) fn adopt_mode(mount: BorrowedFd<'_>, place: BorrowedFd<'_>) -> io::Result<()> {
    set_mode(mount, Mode::from_raw_mode(fstat(place)?.st_mode & 0o7777))
}
