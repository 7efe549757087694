//! The merged view of a chain of layers, answered from their indexes: what an overlay mount of them would show.

mod answer;
mod merge;
mod recording;

pub use recording::Recording;

use crate::layer::LayerIndex;
use crate::layer::dirfd::{open_below, open_root};
use crate::tree::{Tree, TreeError};
use merge::Merged;
use oci::{Answer, Entry, KeyDigest, Kind, Observation, RootPath};
use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// A chain of layers as one tree. Only opening a file touches the disk.
///
/// The rules are overlay's: the topmost layer that has a path decides; a whiteout, an opaque directory, or anything
/// that is no directory hides what lower layers have at and below its path; directories of several layers are merged,
/// with the metadata of the topmost. A root directory that no layer records is `0755 0:0`.
pub struct ChainView {
    layers: Vec<Layer>,
    merged: Merged,
}

struct Layer {
    index: Arc<LayerIndex>,
    diff: PathBuf,
    root: OnceLock<OwnedFd>,
}

impl ChainView {
    /// The view of `layers`, bottom first: each with its index and its directory on disk. An empty chain is an empty
    /// root directory.
    pub fn from_parts(layers: impl IntoIterator<Item = (Arc<LayerIndex>, PathBuf)>) -> ChainView {
        let layer = |(index, diff)| Layer { index, diff, root: OnceLock::new() };
        let mut layers: Vec<Layer> = layers.into_iter().map(layer).collect();
        layers.reverse();
        let merged = Merged::new(layers.iter().map(|layer| Arc::clone(&layer.index)).collect());
        ChainView { layers, merged }
    }

    /// Identity of the whole tree: equal for chains of equal layers. One without entries counts too:
    /// the second of two equal RUN lines is a step of its own, even if the first one changed nothing.
    pub fn identity(&self) -> KeyDigest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"lapstrake chain 1\0");
        for layer in self.layers.iter().rev() {
            hasher.update(layer.index.id().as_bytes());
        }
        KeyDigest::from_bytes(*hasher.finalize().as_bytes())
    }

    /// The digest of what this tree answers to `observation`. See `docs/design/snapshots.md`, "Observations".
    pub fn answer(&self, observation: &Observation) -> Result<Answer, TreeError> {
        answer::answer(self, observation)
    }

    /// Opens `path` in the layer that provides it.
    fn open_in(&self, layer: usize, path: &RootPath) -> std::io::Result<File> {
        let layer = &self.layers[layer];
        let root = match layer.root.get() {
            Some(root) => root,
            None => {
                let fd = open_root(&layer.diff)?;
                layer.root.get_or_init(|| fd)
            }
        };
        Ok(File::from(open_below(root, path.relative(), OFlags::RDONLY | OFlags::NONBLOCK)?))
    }
}

impl std::fmt::Debug for ChainView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.layers.iter().rev().map(|layer| layer.index.id())).finish()
    }
}

impl Tree for ChainView {
    fn lookup(&self, path: &RootPath) -> Result<Option<Entry>, TreeError> {
        Ok(self.merged.find(path).map(|place| self.merged.entry(place, path)))
    }

    fn children(&self, dir: &RootPath) -> Result<Vec<(Vec<u8>, Entry)>, TreeError> {
        let children = self.merged.children(dir).ok_or_else(|| TreeError::NotDirectory(dir.clone()))?;
        let entry = |(name, place): (Vec<u8>, _)| {
            let entry = self.merged.entry(place, &dir.child(&name));
            (name, entry)
        };
        Ok(children.into_iter().map(entry).collect())
    }

    fn open(&self, path: &RootPath) -> Result<File, TreeError> {
        let place = self.merged.find(path).ok_or_else(|| TreeError::NotFound(path.clone()))?;
        if !self.merged.entry(place, path).is_file() {
            return Err(TreeError::NotFile(path.clone()));
        }
        self.open_in(place.layer(), path).map_err(TreeError::io("open", path))
    }

    fn content_digest(&self, path: &RootPath) -> Result<oci::ContentDigest, TreeError> {
        match self.lookup(path)?.map(|entry| entry.kind) {
            None => Err(TreeError::NotFound(path.clone())),
            Some(Kind::File { digest: Some(digest), .. }) => Ok(digest),
            Some(Kind::File { size, .. }) => {
                let read = crate::layer::scan::hash_reader(&mut self.open(path)?, size);
                Ok(read.map_err(TreeError::io("read", path))?.0)
            }
            Some(_) => Err(TreeError::NotFile(path.clone())),
        }
    }

    fn walk(&self, dir: &RootPath) -> Result<Vec<(RootPath, Entry)>, TreeError> {
        self.merged.walk(dir).ok_or_else(|| TreeError::NotFound(dir.clone()))
    }
}

#[cfg(test)]
mod tests;
