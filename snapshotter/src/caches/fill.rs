//! The first content of a cache.

use super::{About, CacheError, CacheRequest, Seed};
use crate::error::StoreError;
use crate::extract::extract;
use crate::tree::{TreeError, resolve};
use crate::work::remove_tree;
use oci::RootPath;
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid};
use std::io;
use std::path::Path;

/// What is being filled: left by who was killed meanwhile.
pub(super) const FILLING: &str = "filling";

/// The owner and mode that a directory has if nothing else is asked for.
const PLAIN: (u32, u32, u32) = (0o755, 0, 0);

/// Makes `data` in `dir`, which the caller holds alone.
pub(super) fn fill(dir: &Path, request: &CacheRequest<'_>, about: &About) -> Result<(), CacheError> {
    let new = dir.join(FILLING);
    let io = |action| StoreError::io(action, &new);
    remove_tree(&new).map_err(io("remove"))?;
    let asked = (request.mode, request.uid, request.gid);
    match &request.seed {
        None => std::fs::create_dir(&new).map_err(io("make the directory"))?,
        Some(seed) => {
            let place = place(seed)?;
            extract(seed.tree, &place, &new)?;
            // A tree without any entry.
            if !new.exists() {
                std::fs::create_dir(&new).map_err(io("make the directory"))?;
            }
        }
    }
    // What it begins with has an owner and mode of its own.
    if request.seed.is_none() || asked != PLAIN {
        own(&new, asked).map_err(io("set the owner of"))?;
    }
    let json = serde_json::to_vec(about).map_err(io::Error::from).map_err(io("describe"))?;
    std::fs::write(dir.join("about.json"), json).map_err(io("describe"))?;
    if request.seed.is_some() {
        sync(&new).map_err(io("sync"))?;
    }
    Ok(std::fs::rename(&new, dir.join("data")).map_err(io("put in place"))?)
}

/// The directory that the seed names, without links on the way.
fn place(seed: &Seed<'_>) -> Result<RootPath, CacheError> {
    let place = resolve(seed.tree, seed.source, true)?;
    match seed.tree.lookup(&place)? {
        Some(entry) if entry.is_dir() => Ok(place),
        // A tree without any entry has a root all the same.
        None if place == RootPath::root() => Ok(place),
        Some(_) => Err(CacheError::NotDirectory(place)),
        None => Err(TreeError::NotFound(place).into()),
    }
}

/// Owner first: a change of owner clears set-id bits.
fn own(dir: &Path, (mode, uid, gid): (u32, u32, u32)) -> io::Result<()> {
    rustix::fs::chownat(CWD, dir, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)), AtFlags::empty())?;
    Ok(rustix::fs::chmodat(CWD, dir, Mode::from_raw_mode(mode), AtFlags::empty())?)
}

/// A name that survives a power loss must not lead to files that do not.
fn sync(dir: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::syncfs(rustix::fs::open(dir, flags, Mode::empty())?)?)
}
