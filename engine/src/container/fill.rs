//! What an image has in the place of a new volume becomes the volume's first content.

use super::{ContainerError, state};
use oci::RootPath;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use snapshotter::extract::{ExtractError, extract};
use snapshotter::tree::{Tree, TreeError, resolve};
use snapshotter::view::ChainView;
use std::fs;
use std::path::Path;

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
    let extracted = extract(tree, &place, &new).map_err(|error| match error {
        ExtractError::Tree(error) => error.into(),
        ExtractError::Store(error) => ContainerError::Store(error),
    });
    let filled = extracted.and_then(|()| match fs::rename(&new, volume) {
        Err(error) if error.raw_os_error() == Some(Errno::NOTEMPTY.raw_os_error()) => Ok(()),
        other => other.map_err(ContainerError::io("put in place", volume)),
    });
    filled.and(state::remove_dir(&new))
}
