//! File systems of failed steps, kept so that somebody can look into them: `failed/<id>/`, each with what the step
//! wrote (`upper`), and a description (`step.json`) that is the caller's but for its field `layers`.
//!
//! A directory appears whole or not at all. Who looks into one holds a shared lock on it; only those that nobody looks
//! into are removed. The layers that a description names stay as long as it does.

use crate::error::StoreError;
use crate::work::{WorkDir, remove_tree};
use oci::LayerId;
use rustix::fd::OwnedFd;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

const STEP: &str = "step.json";
const UPPER: &str = "upper";
/// Of what is not complete yet.
const NEW: &str = ".new-";
const ID_DIGITS: usize = 8;

/// How much is kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How many at most.
    pub count: usize,
    /// Bytes of all together.
    pub bytes: u64,
    /// How long.
    pub age: Duration,
}

/// The failed steps of a store.
#[derive(Debug, Clone)]
pub struct FailedSteps {
    dir: PathBuf,
}

/// A failed step. It is not removed while this value lives.
#[derive(Debug)]
pub struct FailedStep {
    /// Its name.
    pub id: String,
    /// The description, as it was given.
    pub description: Vec<u8>,
    /// What the step wrote, as an overlay's directory.
    pub upper: PathBuf,
    /// Bytes of the files in there.
    pub size: u64,
    /// When it failed.
    pub time: SystemTime,
    _lock: OwnedFd,
}

/// What the store reads of a description.
#[derive(serde::Deserialize)]
struct Described {
    layers: Vec<LayerId>,
}

impl FailedSteps {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Keeps the upper directory of `work`, and makes room for it. `description` is a JSON object; its field `layers`
    /// lists all layers that have to stay with it. `None` if it is larger than all that may be kept.
    ///
    /// # Errors
    /// If it cannot be moved.
    pub fn keep(
        &self,
        work: &WorkDir,
        description: &[u8],
        limits: &Limits,
        now: SystemTime,
    ) -> Result<Option<String>, StoreError> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let upper = work.upper()?;
        let size = size_of(&upper).map_err(StoreError::io("measure", &upper))?;
        if size > limits.bytes || limits.count == 0 {
            return Ok(None);
        }
        let room = Limits { count: limits.count - 1, bytes: limits.bytes - size, age: limits.age };
        // Not for other users: what a step of root wrote is in there.
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.dir);
        made.map_err(StoreError::io("make the directory", &self.dir))?;
        self.prune(&room, now)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let seed = format!("{} {number} {now:?}", std::process::id());
        let id = blake3::hash(seed.as_bytes()).to_hex()[..ID_DIGITS].to_owned();
        let new = self.dir.join(format!("{NEW}{id}"));
        fs::create_dir(&new).map_err(StoreError::io("make the directory", &new))?;
        let step = new.join(STEP);
        fs::write(&step, description).map_err(StoreError::io("write", &step))?;
        fs::rename(&upper, new.join(UPPER)).map_err(StoreError::io("move", &upper))?;
        fs::rename(&new, self.dir.join(&id)).map_err(StoreError::io("put in place", &new))?;
        Ok(Some(id))
    }

    /// All of them, newest first.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn list(&self) -> Result<Vec<FailedStep>, StoreError> {
        let mut all = Vec::new();
        for name in self.names()? {
            if !name.starts_with(NEW) {
                all.extend(self.open(&name)?);
            }
        }
        all.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.id.cmp(&b.id)));
        Ok(all)
    }

    /// Removes one, unless somebody looks into it. Returns whether it is gone.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub fn remove(&self, id: &str) -> Result<bool, StoreError> {
        let path = self.dir.join(id);
        let locked = lock(&path, FlockOperation::NonBlockingLockExclusive);
        let Some(held) = locked.map_err(StoreError::io("lock", &path))? else { return Ok(false) };
        // Out of sight first: what is half removed is no failed step.
        let gone = self.dir.join(format!("{NEW}gone-{id}"));
        match fs::rename(&path, &gone) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            other => other.map_err(StoreError::io("remove", &path))?,
        }
        remove_tree(&gone).map_err(StoreError::io("remove", &gone))?;
        drop(held);
        Ok(true)
    }

    /// Removes the oldest until the rest is within `limits`.
    ///
    /// # Errors
    /// If one cannot be removed.
    pub fn prune(&self, limits: &Limits, now: SystemTime) -> Result<(), StoreError> {
        let (mut count, mut bytes) = (0, 0_u64);
        let all: Vec<(String, u64, SystemTime)> =
            self.list()?.into_iter().map(|step| (step.id, step.size, step.time)).collect();
        for (id, size, time) in all {
            let old = now.duration_since(time).is_ok_and(|age| age > limits.age);
            if old || count + 1 > limits.count || bytes.saturating_add(size) > limits.bytes {
                self.remove(&id)?;
            } else {
                (count, bytes) = (count + 1, bytes + size);
            }
        }
        Ok(())
    }

    /// The layers that have to stay. Nobody else may have the store open: what a killed process left is removed.
    pub(crate) fn live_layers(&self) -> Result<HashSet<LayerId>, StoreError> {
        let mut live = HashSet::new();
        for name in self.names()? {
            if name.starts_with(NEW) {
                let path = self.dir.join(&name);
                remove_tree(&path).map_err(StoreError::io("remove", &path))?;
            } else if let Some(step) = self.open(&name)? {
                match serde_json::from_slice::<Described>(&step.description) {
                    Ok(described) => live.extend(described.layers),
                    // Written by a power loss, or by hand: nothing can be run on it.
                    Err(error) => {
                        tracing::warn!(%error, step = name, "a failed step's description cannot be read");
                        drop(step);
                        self.remove(&name)?;
                    }
                }
            }
        }
        Ok(live)
    }

    fn names(&self) -> Result<Vec<String>, StoreError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(StoreError::io("list", &self.dir)(error)),
        };
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name().into_string().ok());
        let names: io::Result<Vec<Option<String>>> = entries.map(name).collect();
        Ok(names.map_err(StoreError::io("list", &self.dir))?.into_iter().flatten().collect())
    }

    /// `None` if it is being removed.
    fn open(&self, id: &str) -> Result<Option<FailedStep>, StoreError> {
        let path = self.dir.join(id);
        let locked = lock(&path, FlockOperation::NonBlockingLockShared);
        let Some(held) = locked.map_err(StoreError::io("lock", &path))? else { return Ok(None) };
        let (step, upper) = (path.join(STEP), path.join(UPPER));
        let read = || -> io::Result<FailedStep> {
            let (description, size) = (fs::read(&step)?, size_of(&upper)?);
            let time = fs::metadata(&step)?.modified()?;
            Ok(FailedStep { id: id.to_owned(), description, upper, size, time, _lock: held })
        };
        match read() {
            Ok(step) => Ok(Some(step)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &path)(error)),
        }
    }
}

/// `None` if somebody holds it, or it is gone.
fn lock(path: &Path, how: FlockOperation) -> Result<Option<OwnedFd>, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let dir = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(dir) => dir,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(None),
        Err(error) => return Err(error),
    };
    match flock(&dir, how) {
        Ok(()) => Ok(Some(dir)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Bytes that the files below `dir` occupy.
fn size_of(dir: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut size = 0;
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            size += meta.blocks() * 512;
            if meta.is_dir() {
                open.push(entry.path());
            }
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests;
