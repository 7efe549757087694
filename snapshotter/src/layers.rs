//! The layers of a store: `layers/<id>/` with `diff/`, an overlay lower directory, and `index`.
//!
//! A layer is made in a work directory, and enters by one rename: it is there as a whole or not at all, and never
//! changes.

mod packed;

use crate::content::LocalContent;
use crate::db::{Db, Kept, Trust};
use crate::error::StoreError;
use crate::layer::{LayerIndex, verify};
use crate::view::ChainView;
use crate::work::{WorkDir, Works};
use oci::LayerId;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;
use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Entries of the indexes kept in memory, all together: about 100 bytes each.
const CACHED_ENTRIES: usize = 300_000;
/// How often a commit tries again when another process commits and drops the same layer at the same time.
const TRIES: usize = 8;

/// The layers of a [`crate::store::Store`]. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Layers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// `layers`.
    dir: PathBuf,
    works: Works,
    db: Arc<Db>,
    content: LocalContent,
    /// Checked by this process.
    sure: Mutex<HashSet<LayerId>>,
    indexes: Mutex<Indexes>,
}

#[derive(Debug, Default)]
struct Indexes {
    loaded: HashMap<LayerId, Arc<LayerIndex>>,
    entries: usize,
}

impl Layers {
    pub(crate) fn new(dir: PathBuf, works: Works, db: Arc<Db>, content: LocalContent) -> Layers {
        let (sure, indexes) = Default::default();
        Layers(Arc::new(Inner { dir, works, db, content, sure, indexes }))
    }

    /// Makes the layer in `work`, of which `index` was made, one of the store's. If it is known already, the new copy
    /// is dropped: whoever ran the step again goes on with the layer that was there.
    ///
    /// Nothing may change the directory from here on: an overlay on it must be unmounted.
    ///
    /// # Errors
    /// If it cannot be moved. The work directory is removed then.
    pub fn commit(&self, work: WorkDir, index: LayerIndex) -> Result<LayerId, StoreError> {
        let id = index.id();
        if self.contains(id)? {
            return Ok(id);
        }
        work.diff()?;
        work.strip()?;
        let file = work.path().join("index");
        index.write_to(&file).map_err(StoreError::io("write", &file))?;
        let to = self.dir(id);
        for _ in 0..TRIES {
            match renameat_with(CWD, work.path(), CWD, &to, RenameFlags::NOREPLACE) {
                Ok(()) => {
                    work.moved();
                    self.note(id, index.size(), true);
                    self.remember(id, Arc::new(index));
                    return Ok(id);
                }
                // Another process has been faster, or left something that is no layer.
                Err(Errno::EXIST | Errno::NOTEMPTY) if self.contains(id)? => return Ok(id),
                Err(Errno::EXIST | Errno::NOTEMPTY) => self.drop_layer(id)?,
                Err(error) => return Err(StoreError::io("move a layer to", &to)(error)),
            }
        }
        Err(StoreError::io("move a layer to", &to)(io::Error::from(Errno::EXIST)))
    }

    /// The sorted table of what the layer changes. Kept in memory.
    ///
    /// # Errors
    /// [`StoreError::NoLayer`] if it is not there, or was found damaged and dropped.
    pub fn index(&self, id: impl Borrow<LayerId>) -> Result<Arc<LayerIndex>, StoreError> {
        let id = *id.borrow();
        if let Some(index) = self.indexes().loaded.get(&id) {
            return Ok(Arc::clone(index));
        }
        if !self.contains(id)? {
            return Err(StoreError::NoLayer(id));
        }
        let copy = self.copy(id);
        let index = match self.load(id)? {
            Some(index) => Arc::new(index),
            None if self.drop_damaged(id, copy)? => return self.index(id),
            None => return Err(StoreError::NoLayer(id)),
        };
        self.remember(id, Arc::clone(&index));
        Ok(index)
    }

    /// The layer's directory in overlay's form: read only. It need not be there.
    pub fn diff_dir(&self, id: impl Borrow<LayerId>) -> PathBuf {
        self.dir(*id.borrow()).join("diff")
    }

    /// Whether the layer is there, and as it was made. What a crash of the machine may have damaged is read wholly,
    /// once; a damaged layer is dropped.
    ///
    /// # Errors
    /// If that cannot be found out.
    pub fn contains(&self, id: impl Borrow<LayerId>) -> Result<bool, StoreError> {
        let id = *id.borrow();
        if self.sure().contains(&id) {
            return Ok(true);
        }
        let file = self.dir(id).join("index");
        match file.symlink_metadata() {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(false);
            }
            Err(error) => return Err(StoreError::io("inspect", &file)(error)),
        }
        let trust = self.0.db.trust(Kept::Layer, id.as_bytes()).unwrap_or_else(|error| {
            tracing::warn!(%error, "look up a layer");
            Trust::Unknown
        });
        if trust == Trust::Sure {
            self.sure().insert(id);
            return Ok(true);
        }
        self.check(id)
    }

    /// The merged view of `chain`, bottom first.
    ///
    /// # Errors
    /// [`StoreError::NoLayer`] if one of the layers is not there.
    pub fn view(&self, chain: &[LayerId]) -> Result<ChainView, StoreError> {
        let layer = |id: &LayerId| Ok((self.index(id)?, self.diff_dir(id)));
        Ok(ChainView::from_parts(chain.iter().map(layer).collect::<Result<Vec<_>, StoreError>>()?))
    }

    /// All layers that are there, whole or not, sorted.
    pub(crate) fn list(&self) -> Result<Vec<LayerId>, StoreError> {
        let error = StoreError::io("list", &self.0.dir);
        let names = std::fs::read_dir(&self.0.dir).and_then(|dir| dir.collect::<io::Result<Vec<_>>>());
        let parse = |name: &std::fs::DirEntry| format!("blake3:{}", name.file_name().to_str()?).parse().ok();
        let mut found: Vec<LayerId> = names.map_err(error)?.iter().filter_map(parse).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Removes a layer that nobody uses, in place: that works on a full disk. Returns the bytes of its files, as far as
    /// its index says.
    pub(crate) fn remove(&self, id: LayerId) -> Result<u64, StoreError> {
        let size = self.load(id).ok().flatten().map_or(0, |index| index.size());
        self.sure().remove(&id);
        self.indexes().loaded.remove(&id);
        // Without its index it is no layer any more, should we be killed.
        for path in [self.dir(id).join("index"), self.dir(id)] {
            crate::work::remove_tree(&path).map_err(StoreError::io("remove", &path))?;
        }
        self.forget(id);
        Ok(size)
    }

    fn dir(&self, id: LayerId) -> PathBuf {
        self.0.dir.join(id.hex())
    }

    /// Reads the whole layer. Whether it is as it was made. Drops it if not.
    fn check(&self, id: LayerId) -> Result<bool, StoreError> {
        let copy = self.copy(id);
        if let Some(index) = self.load(id)?
            && self.is_sound(id, &index)
        {
            self.note(id, index.size(), false);
            return Ok(true);
        }
        self.drop_damaged(id, copy)
    }

    fn is_sound(&self, id: LayerId, index: &LayerIndex) -> bool {
        verify(index, &self.diff_dir(id)).unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, layer = %id, "read a layer");
            false
        })
    }

    /// Drops a copy of the layer that was found damaged. If another process has done so, and put a new one there, that
    /// one counts: returns whether it is sound.
    fn drop_damaged(&self, id: LayerId, copy: Option<u64>) -> Result<bool, StoreError> {
        if copy.is_none() || self.copy(id) != copy {
            self.sure().remove(&id);
            return if self.copy(id).is_some() { self.contains(id) } else { Ok(false) };
        }
        tracing::warn!(layer = %id, "a damaged layer is dropped");
        self.drop_layer(id)?;
        Ok(false)
    }

    /// Tells one copy of a layer from the next: the inode of its directory.
    fn copy(&self, id: LayerId) -> Option<u64> {
        self.dir(id).symlink_metadata().ok().map(|meta| meta.ino())
    }

    /// `None` if the index is missing, damaged, of another version, or another layer's.
    fn load(&self, id: LayerId) -> Result<Option<LayerIndex>, StoreError> {
        match LayerIndex::read_from(&self.dir(id).join("index")) {
            Ok(index) => Ok((index.id() == id).then_some(index)),
            Err(crate::layer::IndexError::Io { path, source })
                if source.kind() != io::ErrorKind::NotFound =>
            {
                Err(StoreError::io("read", &path)(source))
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, layer = %id, "read a layer's index");
                Ok(None)
            }
        }
    }

    /// Without the note the layer is only checked once more than needed.
    fn note(&self, id: LayerId, size: u64, new: bool) {
        if let Err(error) = self.0.db.keep(Kept::Layer, id.as_bytes(), size, new) {
            tracing::warn!(error = &error as &dyn std::error::Error, layer = %id, "note a layer");
        }
        self.sure().insert(id);
    }

    /// Takes a layer away in one step, and then removes it.
    fn drop_layer(&self, id: LayerId) -> Result<(), StoreError> {
        self.sure().remove(&id);
        self.indexes().loaded.remove(&id);
        let from = self.dir(id);
        let trash = self.0.works.create()?;
        match std::fs::rename(&from, trash.path().join("dropped")) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(StoreError::io("drop the layer", &from)(error)),
        }
        self.forget(id);
        Ok(())
    }

    fn forget(&self, id: LayerId) {
        if let Err(error) = self.0.db.forget(Kept::Layer, id.as_bytes()) {
            tracing::warn!(error = &error as &dyn std::error::Error, layer = %id, "forget a layer");
        }
    }

    fn remember(&self, id: LayerId, index: Arc<LayerIndex>) {
        let mut indexes = self.indexes();
        if indexes.entries.saturating_add(index.len()) > CACHED_ENTRIES {
            *indexes = Indexes::default();
        }
        let len = index.len();
        if indexes.loaded.insert(id, index).is_none() {
            indexes.entries = indexes.entries.saturating_add(len);
        }
    }

    fn sure(&self) -> MutexGuard<'_, HashSet<LayerId>> {
        self.0.sure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn indexes(&self) -> MutexGuard<'_, Indexes> {
        self.0.indexes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChainView {
    /// [`Layers::view`].
    ///
    /// # Errors
    /// [`StoreError::NoLayer`] if one of the layers is not there.
    pub fn new(layers: &Layers, chain: &[LayerId]) -> Result<ChainView, StoreError> {
        layers.view(chain)
    }
}

/// How many threads compress at a time.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests;
