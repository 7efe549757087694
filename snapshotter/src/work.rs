//! Directories in which something is being made: `work/<unique>/`, each locked by its maker for as long as it lives.

mod remove;

pub(crate) use remove::remove_tree;

use crate::error::StoreError;
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, Mode, OFlags, flock, fstat};
use rustix::io::Errno;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Names tried before giving up: each is taken only by a process with our number in another PID namespace.
const TRIES: usize = 1000;

/// A directory of one's own, on the file system of the layers. Removed with all that is in it when dropped; swept by
/// the next [`crate::store::Store::open`] if the process was killed.
///
/// Below it are made on demand: the new layer, overlay's work directory, and a place for anything else.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    /// Holds the lock: an opening of the directory itself.
    _lock: OwnedFd,
    live: Arc<AtomicUsize>,
    moved: bool,
}

/// The directory `work/`.
#[derive(Debug, Clone)]
pub(crate) struct Works {
    dir: PathBuf,
    live: Arc<AtomicUsize>,
}

impl WorkDir {
    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The layer in the making, in overlay's form; its root is `0755` of who runs this.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn diff(&self) -> Result<PathBuf, StoreError> {
        self.sub("diff", 0o755)
    }

    /// The same directory, as an overlay's upper one.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn upper(&self) -> Result<PathBuf, StoreError> {
        self.diff()
    }

    /// Overlay's own work directory.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn overlay_work(&self) -> Result<PathBuf, StoreError> {
        self.sub("overlay", 0o700)
    }

    /// For anything that does not become part of the layer.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn scratch(&self) -> Result<PathBuf, StoreError> {
        self.sub("scratch", 0o700)
    }

    /// For what is mounted in a step and thrown away after it.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn mounts(&self) -> Result<PathBuf, StoreError> {
        self.sub("mounts", 0o700)
    }

    /// Removes all but the layer and its index.
    pub(crate) fn strip(&self) -> Result<(), StoreError> {
        for name in ["overlay", "scratch", "mounts"] {
            remove_tree(&self.path.join(name)).map_err(StoreError::io("clear", &self.path))?;
        }
        Ok(())
    }

    /// The directory has been renamed, and is not ours any more.
    pub(crate) fn moved(mut self) {
        self.moved = true;
    }

    fn sub(&self, name: &str, mode: u32) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        match DirBuilder::new().mode(mode).create(&path) {
            Ok(()) => {
                // The umask does not count: this may become a container's `/`.
                let mode = std::fs::Permissions::from_mode(mode);
                std::fs::set_permissions(&path, mode).map_err(StoreError::io("set the mode of", &path))?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StoreError::io("make the directory", &path)(error)),
        }
        Ok(path)
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        if !self.moved
            && let Err(error) = remove_tree(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "remove a work directory");
        }
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Works {
    pub(crate) fn new(dir: PathBuf) -> Works {
        Works { dir, live: Arc::default() }
    }

    /// How many of this process are in use.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Makes a directory, and locks it.
    pub(crate) fn create(&self) -> Result<WorkDir, StoreError> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let pid = std::process::id();
        for _ in 0..TRIES {
            let path = self.dir.join(format!("{pid}-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
            match DirBuilder::new().mode(0o755).create(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(StoreError::io("make the work directory", &path)(error)),
            }
            if let Some(lock) = lock(&path).map_err(StoreError::io("lock the work directory", &path))? {
                self.live.fetch_add(1, Ordering::Relaxed);
                return Ok(WorkDir { path, _lock: lock, live: Arc::clone(&self.live), moved: false });
            }
        }
        let none = io::Error::from(io::ErrorKind::AlreadyExists);
        Err(StoreError::io("make a work directory in", &self.dir)(none))
    }

    /// Removes the directories whose makers are gone. Returns how many.
    pub(crate) fn sweep(&self) -> Result<usize, StoreError> {
        let mut swept = 0;
        for entry in std::fs::read_dir(&self.dir).map_err(StoreError::io("list", &self.dir))? {
            let path = entry.map_err(StoreError::io("list", &self.dir))?.path();
            match sweep_one(&path) {
                Ok(gone) => swept += usize::from(gone),
                // Left to the next one: what is in there does no harm.
                Err(error) => tracing::warn!(path = %path.display(), %error, "sweep a dead work directory"),
            }
        }
        Ok(swept)
    }
}

fn sweep_one(path: &Path) -> io::Result<bool> {
    let held = match lock(path) {
        Ok(Some(held)) => held,
        Ok(None) => return Ok(false),
        // Not a directory: nothing of ours, and nobody locks it.
        Err(Errno::NOTDIR | Errno::LOOP) => return remove_tree(path).map(|()| true),
        Err(error) => return Err(error.into()),
    };
    remove_tree(path)?;
    drop(held);
    Ok(true)
}

/// Locks a directory. `None` if somebody else holds it, or if it was removed meanwhile: between making and locking it
/// somebody may have taken it for a dead one.
fn lock(path: &Path) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(dir) => dir,
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error),
    };
    match flock(&dir, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error),
    }
    Ok((fstat(&dir)?.st_nlink > 0).then_some(dir))
}

#[cfg(test)]
mod tests;
